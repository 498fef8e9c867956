import gguf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.errors import UnknownNameError
from roofline.formats import FORMATS, cache_format, lookup

# Bits per weight as printed in llama.cpp's own tables and in the formats' definitions.
BITS = {
    "f32": 32,
    "bf16": 16,
    "q8_0": 8.5,
    "q6_k": 6.5625,
    "q5_k": 5.5,
    "q4_k": 4.5,
    "q4_0": 4.5,
    "q3_k": 3.4375,
    "q2_k": 2.625,
    "iq4_xs": 4.25,
    "iq4_nl": 4.5,
    "iq3_s": 3.4375,
    "iq3_xxs": 3.0625,
    "iq2_s": 2.5625,
    "iq2_xs": 2.3125,
    "iq2_xxs": 2.0625,
    "iq1_m": 1.75,
    "iq1_s": 1.5625,
    "tq1_0": 1.6875,
    "tq2_0": 2.0625,
    "mxfp4": 4.25,
    "mxfp8": 8.25,
    "nvfp4": 4.5,
    "fp8": 8,
    "fp8-block": 8 + 32 / 16384,
    "int4-awq": 4.15625,
    "int4-gptq": 4.15625,
    "int4-w4a16": 4.125,
    "mlx-4bit": 4.5,
    "mlx-8bit": 8.5,
    "mlx-4bit-g32": 5,
}


@pytest.mark.parametrize(("name", "bits"), BITS.items())
def test_bits_per_element(name, bits):
    assert lookup(name).bits_per_element == bits


def test_ggml_blocks_equal_those_of_the_gguf_package():
    # The package still has the layout of Q8_1 from before its scales became halves; nothing stores weights in it.
    ours = {name.upper(): f for name, f in FORMATS.items() if name != "q8_1"}
    checked = 0
    for kind, (elements, size) in gguf.GGML_QUANT_SIZES.items():
        if kind.name in ours:
            f = ours[kind.name]
            assert f.block_bytes * elements == size * f.block_elements, kind.name
            checked += 1
    assert checked >= 28


@given(st.sampled_from(sorted(FORMATS)), st.integers(1, 64), st.integers(1, 64))
def test_a_tensor_of_whole_tiles_takes_its_bits(name, rows, columns):
    f = FORMATS[name]
    rows, columns = rows * 128, columns * 256
    per_tensor = sum(s.bits for s in f.scales if s.rows is None)
    per_row = sum(s.bits for s in f.scales if s.rows == 1 and s.columns is None) * rows
    assert f.tensor_bytes(rows, columns) * 8 == f.bits_per_element * rows * columns + per_tensor + per_row


@given(st.sampled_from(sorted(FORMATS)), st.integers(1, 1000), st.integers(1, 1000))
def test_a_partial_block_is_stored_whole(name, rows, columns):
    f = FORMATS[name]
    assert f.tensor_bytes(rows, columns) >= f.element_bits * rows * columns / 8 * (0.5 if name.startswith("tq1") else 1)
    assert f.tensor_bytes(rows, columns + f.block_elements) > f.tensor_bytes(rows, columns)


def test_scales_of_tiles_round_up():
    # 576 rows of DeepSeek-V3's kv_a_proj are 4.5 tiles of 128: five rows of scales are stored.
    assert lookup("fp8-block").tensor_bytes(576, 7168) == 576 * 7168 + 5 * 56 * 4


def test_an_element_is_never_wider_than_its_storage():
    for f in FORMATS.values():
        assert f.element_bits <= f.bits_per_element + 0.5, f.name  # ternary digits are packed five to a byte


@pytest.mark.parametrize("name", ["IQ4_XS", "iq4_xs", " Iq4_Xs "])
def test_names_are_case_insensitive(name):
    assert lookup(name).name == "iq4_xs"


def test_an_unknown_format_names_its_neighbours():
    with pytest.raises(UnknownNameError, match=r"no number format is named 'iq4_x'; did you mean iq4_xs"):
        lookup("iq4_x")


def test_a_format_that_no_cache_has_is_refused():
    with pytest.raises(UnknownNameError, match="'q6_k' is not a format for a KV cache; use one of f32"):
        cache_format("q6_k")
    assert cache_format("Q4_0").row_bytes(1024) == 576
