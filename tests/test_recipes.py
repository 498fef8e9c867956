"""Recipes against the sizes that other people print."""

from __future__ import annotations

import pytest
from printed import Printed

from roofline import llama_cpp_mixes
from roofline.errors import SpecError, UnknownNameError
from roofline.formats import lookup
from roofline.recipes import stored
from roofline.specs import load_model, names
from roofline.specs.model import StoredException
from roofline.tensors import parameters, tensors

# llama.cpp, tools/quantize/README.md at commit 311c2c9f0ebd6e08f5b20e8827c654cebb7a41d6, table of Llama-3.1-8B:
# bits per weight and GiB. Its IQ4_XS and IQ4_NL were made without an importance matrix.
README = {
    "iq1_s": ("2.0042", "1.87"),
    "iq1_m": ("2.1460", "2.01"),
    "iq2_xxs": ("2.3824", "2.23"),
    "iq2_xs": ("2.5882", "2.42"),
    "iq2_s": ("2.7403", "2.56"),
    "iq2_m": ("2.9294", "2.74"),
    "iq3_xxs": ("3.2548", "3.04"),
    "iq3_xs": ("3.4977", "3.27"),
    "iq3_s": ("3.6606", "3.42"),
    "iq3_m": ("3.7628", "3.52"),
    "iq4_xs": ("4.4597", "4.17"),
    "iq4_nl": ("4.6818", "4.38"),
    "q2_k_s": ("2.9697", "2.78"),
    "q2_k": ("3.1593", "2.95"),
    "q3_k_s": ("3.6429", "3.41"),
    "q3_k_l": ("4.2979", "4.02"),
    "q4_k_s": ("4.6672", "4.36"),
    "q4_k_m": ("4.8944", "4.58"),
    "q5_k_s": ("5.5704", "5.21"),
    "q5_k_m": ("5.7036", "5.33"),
    "q6_k": ("6.5633", "6.14"),
    "q8_0": ("8.5008", "7.95"),
}

# Sizes of tensors as llama-bench prints them, or of files (GB), with the share that files may differ by: metadata.
PUBLISHED = [
    ("llama-3.1-70b", "q4_k_m", "39.59 GiB"),  # llama-bench
    ("llama-3.1-70b", "q8_0", "69.8 GiB"),
    ("qwen2.5-7b", "q4_k_m", "4677120000 B"),  # llama.cpp, tools/llama-bench/README.md, model_size
    ("qwen2.5-7b", "q4_0", "4.12 GiB"),
    ("qwen2.5-7b", "q8_0", "7.54 GiB"),
    ("gpt-oss-120b", "mxfp4_moe", "59.02 GiB"),
    ("gpt-oss-20b", "mxfp4_moe", "11.27 GiB"),
    ("gemma-4-31b", "q8_0", "30.38 GiB"),
    ("gemma-4-31b", "q4_k_m", "17.39 GiB"),
    ("qwen3.6-35b-a3b", "q8_0", "34.36 GiB"),
    ("qwen3.6-35b-a3b", "q4_k_m", "21155768832 B"),
    ("step-3.5-flash", "q4_k_s", "111.5 GB"),  # README of the model, section 6.4
    ("minimax-m2.7", "ud-iq4_xs", "108405492736 B"),  # llama-bench, model_size
    ("minimax-m2.7", "ud-iq3_s", "77.86 GiB"),  # llama.cpp's loader
]


@pytest.mark.parametrize(("mix", "printed"), README.items())
def test_llama_cpp_mixes_of_llama_3_1_8b_take_the_printed_bits(mix, printed):
    architecture = load_model("llama-3.1-8b").architecture
    every = tensors(architecture)
    without_matrix = {"importance_matrix": False} if mix in {"iq4_xs", "iq4_nl"} else {}
    chosen = llama_cpp_mixes.formats(mix, architecture, every, **without_matrix)
    size = sum(lookup(f).tensor_bytes(t.rows, t.columns) * t.copies for f, t in zip(chosen, every, strict=True))
    bits, gib = printed
    assert size * 8 / parameters(architecture).total == pytest.approx(float(bits), abs=0.00008)
    assert size / 2**30 == Printed(gib)


@pytest.mark.parametrize(("model", "recipe", "printed"), PUBLISHED)
def test_recipes_take_the_published_size(model, recipe, printed):
    number, unit = printed.split()
    size = stored(load_model(model), recipe).bytes / {"GiB": 2**30, "GB": 1e9, "B": 1}[unit]
    assert size == Printed(number)


def test_iq4_xs_of_m2_7_is_llama_cpps_own_mix_and_the_dynamic_one_is_another():
    model = load_model("minimax-m2.7")
    assert stored(model, "iq4_xs").bytes / 1e9 == Printed("121.9")
    assert stored(model, "UD-IQ4_XS").bytes / 1e9 == pytest.approx(108.4, rel=0.005)


def test_other_types_near_the_dynamic_mix_bound_the_ceiling_from_both_sides():
    """The figures that the recipe's 'why' rests on: what a token reads in other mixes near the file's size."""
    t = {tensor.group: 0 for tensor in tensors(load_model("minimax-m2.7").architecture)}
    for tensor in tensors(load_model("minimax-m2.7").architecture):
        t[tensor.group] += tensor.elements
    experts = t["experts"] * (2 * 3.4375 + 4.25) / 3 / 8
    router = (t["router"] + t["norms"]) * 4
    for bits, low, high in (((8.5, 8.5, 8.5), 38.9, 39.1), ((6.5625, 6.5625, 6.5625), 43.9, 44.2)):
        attention, embedding, head = (
            n * b / 8 for n, b in zip((t["attention"], t["embedding"], t["head"]), bits, strict=True)
        )
        total = experts + attention + embedding + head + router
        assert abs(total / 108405492736 - 1) < 0.01
        read = experts * 8 / 256 + attention + head + router
        assert low < 273e9 / read < high


@pytest.mark.parametrize("model", names("model"))
def test_every_mix_and_format_stores_every_model(model):
    spec = load_model(model)
    total = parameters(spec.architecture).total
    for name in sorted(llama_cpp_mixes.MIXES):
        weights = stored(spec, name)
        assert sum(item.tensor.elements for item in weights.tensors) == total
        assert 1.5 < weights.bytes * 8 / total < 9.2, name
        for item in weights.tensors:
            assert item.format.divides(item.tensor.columns) or item.format.block_elements == 1, (name, item)


def test_rows_that_are_no_whole_blocks_fall_back_as_in_llama_cpp():
    by_name = {
        (s.tensor.group, s.tensor.name): s.format.name for s in stored(load_model("gpt-oss-20b"), "q4_k_m").tensors
    }
    assert by_name["attention", "q"] == "q5_0"  # 2880 columns are no multiple of 256
    assert by_name["attention", "output"] == "q4_k"  # 4096 are
    assert by_name["router", ""] == "f32"


def test_latent_attention_is_converted_in_two_parts_of_which_the_keys_are_no_whole_blocks():
    weights = stored(load_model("deepseek-v3"), "q4_k_m")
    parts = [s for s in weights.tensors if s.tensor.name == "kv_b" and s.tensor.layer == 0]
    assert [(s.tensor.rows, s.tensor.columns, s.tensor.copies) for s in parts] == [(512, 128, 128), (128, 512, 128)]
    assert [s.format.name for s in parts] == ["q5_0", "q4_k"]
    assert weights.bytes / 2**30 == pytest.approx(376.65, rel=0.0002)  # printed for a file of before the split


def _formats_of(model, mix):
    """Return the formats of a model's matrices under a mix: (group, tensor) -> {layer: format}."""
    found = {}
    for item in stored(load_model(model), mix).tensors:
        found.setdefault((item.tensor.group, item.tensor.name), {})[item.tensor.layer] = item.format.name
    return found


# llama.cpp's own expectations, tests/snapshots/*.schema: qwen3.5-397b-a17b at commit
# 544745c03419ad004271bb16d1d53c64535ffbed, nemotron-nano-3-30b-a3b at a45da44f0c2b686c09e7ea44599bf8766ef19bb2 and
# deepseek-v3.1 at 343313bdd85e88038693e60108ef6966aa3a3941.
SNAPSHOTS = [
    ("qwen3.5-397b-a17b", "q2_k", ("linear_attention", "qkv"), {0: "q4_k", 58: "q4_k"}),
    ("qwen3.5-397b-a17b", "q2_k", ("attention", "v"), {3: "q4_k", 59: "q4_k"}),
    ("qwen3.5-397b-a17b", "q2_k", ("attention", "output"), {3: "q3_k"}),
    ("qwen3.5-397b-a17b", "q2_k", ("linear_attention", "output"), {0: "q2_k"}),
    ("qwen3.5-397b-a17b", "q3_k_m", ("linear_attention", "qkv"), {0: "q5_k", 1: "q5_k", 2: "q4_k"}),
    ("qwen3.5-397b-a17b", "q3_k_m", ("experts", "down"), {2: "q5_k", 3: "q4_k"}),
    ("qwen3.5-397b-a17b", "q3_k_m", ("shared_experts", "down"), {2: "q5_k", 3: "q4_k"}),
    ("nemotron-3-nano-30b-a3b", "q2_k", ("head", ""), {None: "q8_0"}),
    ("nemotron-3-nano-30b-a3b", "q2_k", ("embedding", ""), {None: "q4_0"}),
    ("nemotron-3-nano-30b-a3b", "q2_k", ("attention", "v"), {5: "q4_0"}),  # no keys in its first layer
    ("nemotron-3-nano-30b-a3b", "q2_k", ("attention", "output"), {5: "q3_k"}),
    ("nemotron-3-nano-30b-a3b", "q2_k", ("linear_attention", "output"), {0: "q2_k"}),
    ("nemotron-3-nano-30b-a3b", "q3_k_m", ("experts", "down"), {1: "q5_1", 3: "q5_0"}),
    ("nemotron-3-nano-30b-a3b", "q3_k_m", ("attention", "v"), {5: "q5_1", 12: "q5_1", 19: "q5_0"}),
    ("deepseek-v3.1", "q2_k", ("attention", "output"), {0: "q3_k"}),
    ("deepseek-v3.1", "q3_k_m", ("ffn", "down"), {0: "q5_k"}),
    ("deepseek-v3.1", "q3_k_m", ("experts", "down"), {3: "q4_k"}),
]


@pytest.mark.parametrize(("model", "mix", "tensor", "expected"), SNAPSHOTS)
def test_mixes_choose_what_llama_cpps_own_snapshots_expect(model, mix, tensor, expected):
    found = _formats_of(model, mix)[tensor]
    assert {layer: found[layer] for layer in expected} == expected


def test_gemmas_embeddings_of_each_layer_count_as_embeddings_and_their_projection_is_kept():
    found = _formats_of("gemma-4-e2b", "q4_0")
    assert found["embedding", "per layer"] == {None: "q6_k"}  # tied: as the head
    assert found["ffn", "layer inputs"] == {None: "bf16"}


def test_wider_mixes_differ_in_embedding_and_head_only():
    narrow, wide = _formats_of("qwen3.6-35b-a3b", "q5_k_m"), _formats_of("qwen3.6-35b-a3b", "q5_k_l")
    assert {key for key in wide if wide[key] != narrow[key]} == {("embedding", ""), ("head", "")}
    assert wide["embedding", ""] == wide["head", ""] == {None: "q8_0"}


def test_a_plain_format_leaves_router_embedding_head_and_vectors_in_16_bits():
    weights = stored(load_model("deepseek-v3"), "fp8")
    formats = weights.formats_by_group()
    assert formats["embedding"] == formats["head"] == formats["router"] == formats["norms"] == ["bf16"]
    assert formats["experts"] == formats["attention"] == ["fp8"]
    assert weights.bytes / 1e9 == pytest.approx(672.9, rel=0.0005)


def test_a_checkpoint_states_its_cache_and_others_do_not():
    assert stored(load_model("minimax-m2.7"), "nvfp4").kv == "fp8"
    assert stored(load_model("minimax-m2.7"), "native").kv is None
    assert stored(load_model("llama-3.1-8b"), "q4_k_m").kv is None


def test_an_unknown_recipe_lists_the_models_own():
    with pytest.raises(
        UnknownNameError, match=r"minimax-m2.7 has no weight recipe 'ud-iq4_x'.* Did you mean ud-iq4_xs"
    ):
        stored(load_model("minimax-m2.7"), "ud-iq4_x")


def test_bytes_of_groups_add_up():
    weights = stored(load_model("minimax-m2.7"), "ud-iq4_xs")
    assert sum(weights.bytes_by_group().values()) == weights.bytes


def _with_exceptions(*exceptions):
    model = load_model("deepseek-v3")
    native = model.weights["native"].model_copy(
        update={"exceptions": tuple(map(StoredException.model_validate, exceptions))}
    )
    return model.model_copy(update={"weights": {"native": native}})


def test_a_tensor_in_two_formats_is_the_sum_of_its_parts():
    keys, values = 128 * 128 * 512, 128 * 128 * 512
    kv_b = {"group": "attention", "tensor": "kv_b", "layers": [3]}
    split = _with_exceptions(kv_b | {"format": "q8_0", "elements": keys}, kv_b | {"format": "q4_k", "elements": values})
    found = [s for s in stored(split, "native").tensors if s.tensor.name == "kv_b" and s.tensor.layer == 3]
    assert [s.bytes for s in found] == [keys * 34 / 32, values * 144 / 256]
    assert sum(s.tensor.elements for s in stored(split, "native").tensors) == parameters(split.architecture).total
    whole = _with_exceptions(kv_b | {"format": "q8_0"})
    assert stored(whole, "native").bytes - stored(split, "native").bytes == values * (34 / 32 - 144 / 256)


def test_parts_that_do_not_make_the_tensor_are_refused():
    split = _with_exceptions({"group": "attention", "tensor": "kv_b", "format": "q8_0", "elements": 512})
    with pytest.raises(SpecError, match=r"attention.kv_b has 16777216 elements in rows of 512, but its parts have 512"):
        stored(split, "native")
