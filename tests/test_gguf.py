"""Models read from GGUF files: parameters as published, bytes as in the file, and nothing passed over."""

from __future__ import annotations

import contextlib
from pathlib import Path

import gguf
import pytest
from gguf_families import FAMILIES, Model, heads, moe
from gguf_files import header, write_gguf
from hypothesis import given, settings
from hypothesis import strategies as st

from roofline import predict
from roofline.errors import ModelFileError
from roofline.readers.gguf import read_gguf, spec_name
from roofline.readers.gguf_header import read_gguf_header
from roofline.readers.gguf_metadata import KNOWN
from roofline.recipes import stored
from roofline.specs import load_model
from roofline.tensors import parameters


def _write(folder, model: Model) -> Path:
    return write_gguf(folder / "Some_Model-Q4_K_M.gguf", model.metadata, model.tensors)


@pytest.fixture(scope="module", params=FAMILIES)
def read(request, tmp_path_factory):
    make, expected = FAMILIES[request.param]
    model = make()
    path = _write(tmp_path_factory.mktemp("family"), model)
    return model, read_gguf(path), read_gguf_header(path), expected


def test_parameters_are_those_of_the_model(read):
    _, spec, _, expected = read
    found = parameters(spec.architecture)
    if isinstance(expected, str):
        assert found == parameters(load_model(expected).architecture)
    else:
        assert found.total == expected


def test_every_byte_of_the_tensors_is_counted_or_named_as_not_counted(read):
    model, spec, header, _ = read
    apart = sum(
        tensor.bytes for tensor in header.tensors if "nextn" in tensor.name or "rope_" in tensor.name
        or tensor.name.startswith(f"blk.{_layers(model)}.")
    )  # fmt: skip
    assert stored(spec, "native").bytes == header.tensor_bytes - apart
    assert bool(apart) == any(note.startswith("not counted: ") for note in spec.notes)


def _layers(model):
    architecture = model.metadata["general.architecture"]
    blocks = model.metadata[f"{architecture}.block_count"]
    return blocks - model.metadata.get(f"{architecture}.nextn_predict_layers", 0)


def test_every_tensor_keeps_its_type(read):
    """The bytes of each type, which the recipe's entries and exceptions must give together."""
    _, spec, header, _ = read
    in_file: dict[str, int] = {}
    for tensor in header.tensors:
        in_file[tensor.type] = in_file.get(tensor.type, 0) + tensor.bytes
    in_spec: dict[str, float] = {}
    for item in stored(spec, "native").tensors:
        in_spec[item.format.name] = in_spec.get(item.format.name, 0) + item.bytes
    if spec.notes:  # something is not counted: of those types, less
        assert all(size <= in_file[name] for name, size in in_spec.items())
    else:
        assert in_spec == in_file


@pytest.mark.parametrize("name", FAMILIES)
def test_a_model_read_from_a_file_is_predicted(name, tmp_path):
    spec = read_gguf(_write(tmp_path, FAMILIES[name][0]()))
    found = predict(spec, "64x h100-sxm", context=1024)
    assert found.memory.weights_bytes == stored(spec, "native").bytes
    assert "tok/s" in str(found)


@pytest.mark.parametrize("name", [name for name, (_, expected) in FAMILIES.items() if isinstance(expected, str)])
def test_layers_are_what_built_in_specs_of_the_same_model_say(name, tmp_path):
    make, expected = FAMILIES[name]
    spec, known = read_gguf(_write(tmp_path, make())), load_model(expected).architecture
    for (mixer, network), (known_mixer, known_network) in zip(
        spec.architecture.pattern(), known.pattern(), strict=True
    ):
        assert spec.architecture.attention[mixer] == known.attention[known_mixer]
        assert spec.architecture.ffn[network] == known.ffn[known_network]


def _attention(name, tmp_path):
    architecture = read_gguf(_write(tmp_path, FAMILIES[name][0]())).architecture
    return [architecture.attention[mixer] for mixer, _ in architecture.pattern() if mixer != "none"]


def _windows(name, tmp_path):
    return [mixer.window for mixer in _attention(name, tmp_path)]


def test_windows_follow_the_file_or_else_the_rule_of_the_architecture(tmp_path):
    assert _windows("gemma2", tmp_path) == [4096, None] * 21
    assert _windows("gemma3", tmp_path)[:12] == ([1024] * 5 + [None]) * 2
    assert _windows("gpt-oss", tmp_path) == [128, None] * 12
    assert _windows("phi3", tmp_path) == [2047] * 32
    assert _windows("step35", tmp_path)[:5] == [None, 512, 512, 512, None]
    assert _windows("llama", tmp_path) == [None] * 32
    assert [mixer.chunk for mixer in _attention("llama4", tmp_path)] == [8192, 8192, 8192, None] * 12


def test_layers_that_share_a_cache_have_none_of_their_own(tmp_path):
    shared = [mixer.shared_cache for mixer in _attention("gemma4_e2b", tmp_path)]
    assert shared == [False] * 15 + [True] * 20


def test_projections_that_nothing_reads_are_named(tmp_path):
    model = FAMILIES["gemma4_e2b"][0]()
    before = parameters(read_gguf(_write(tmp_path, model)).architecture)
    model.layer = 34
    model.put("attn_k.weight", 1536, 512)
    spec = read_gguf(_write(tmp_path, model))
    assert parameters(spec.architecture) == before
    assert any("keys and values of layers that use another layer's (1 tensor" in note for note in spec.notes)


def test_an_indexer_chooses_what_is_attended_to(tmp_path):
    mixer = _attention("glm-dsa", tmp_path)[0]
    assert (mixer.selection.top_k, mixer.selection.indexer.heads, mixer.selection.indexer.d_head) == (2048, 32, 128)


def test_a_layer_without_an_indexer_uses_the_choice_of_another(tmp_path):
    model = FAMILIES["glm-dsa"][0]()
    model.tensors = [t for t in model.tensors if not t[0].startswith("blk.5.indexer")]
    spec = read_gguf(_write(tmp_path, model))
    mixer, _ = list(spec.architecture.pattern())[5]
    assert spec.architecture.attention[mixer].selection.top_k == 2048
    assert spec.architecture.attention[mixer].selection.indexer is None


def test_the_halves_of_kv_b_may_have_two_formats(tmp_path):
    model = FAMILIES["deepseek2"][0]()
    spec = read_gguf(_write(tmp_path, model))
    halves = [s for s in stored(spec, "native").tensors if s.tensor.name == "kv_b" and s.tensor.layer == 3]
    assert [(s.format.name, s.tensor.elements) for s in halves] == [("q5_0", 2**23), ("q6_k", 2**23)]


def test_an_embedding_without_a_head_is_the_head(tmp_path):
    assert read_gguf(_write(tmp_path, FAMILIES["gemma3"][0]())).architecture.tied_embeddings
    assert not read_gguf(_write(tmp_path, FAMILIES["llama"][0]())).architecture.tied_embeddings


def test_layers_that_predict_further_tokens_are_named_and_not_counted(tmp_path):
    spec = read_gguf(_write(tmp_path, FAMILIES["qwen35moe"][0]()))
    assert any(note.startswith("not counted: multi-token prediction (1") for note in spec.notes)


def test_nvfp4_is_read_and_its_scales_are_named(tmp_path):
    model = _small()
    model.tensors = [
        (name, shape, "nvfp4" if name.endswith("ffn_up.weight") else kind) for name, shape, kind in model.tensors
    ]
    plain = read_gguf(_write(tmp_path, model))
    model.put("ffn_up.scale", 1)
    spec = read_gguf(_write(tmp_path, model))
    assert spec.notes == ("not counted: scales of NVFP4 tensors (1 tensor of 4 bytes)",)
    assert stored(spec, "native").bytes == stored(plain, "native").bytes
    assert "nvfp4-ggml" in stored(spec, "native").formats_by_group()["ffn"]


def test_a_spec_is_named_after_its_file_and_cites_it(tmp_path):
    folder = tmp_path / "a folder #1"
    folder.mkdir()
    spec = read_gguf(_write(folder, FAMILIES["llama"][0]()))
    assert spec.name == "some-model-q4-k-m"
    assert spec.title == "A Model"
    assert spec.sources["file"].url == (folder / "Some_Model-Q4_K_M.gguf").as_uri()
    assert spec.sources["file"].title == "file Some_Model-Q4_K_M.gguf"


@pytest.mark.parametrize(
    ("text", "name"),
    [("Kimi_K2 (Q4)", "kimi-k2-q4"), ("...", "model"), ("\N{GREEK SMALL LETTER PI}", "model"), ("a" * 200, "a" * 80)],
)
def test_any_file_name_gives_a_name(text, name):
    assert spec_name(text) == name


def test_a_file_name_that_is_not_text_is_read(tmp_path):
    path = tmp_path / b"a\xff.gguf".decode("utf-8", "surrogateescape")
    model = _small()
    assert read_gguf(write_gguf(path, model.metadata, model.tensors)).name == "a"


def test_every_known_architecture_is_one_of_llama_cpp():
    official = set(gguf.MODEL_ARCH_NAMES.values())
    assert KNOWN - official <= {"deepseek32"}, "newer than the package on PyPI"


def _small(architecture="llama", **metadata):
    model = Model(architecture, 256, 2, 512, feed_forward_length=512, **metadata)
    heads(model, 4, 2)
    for _ in model.each(2):
        model.norms()
        model.attention(4, 2, 64)
        model.dense(512)
    return model


@pytest.mark.parametrize("architecture", sorted(KNOWN - {FAMILIES[name][0]().architecture for name in FAMILIES}))
def test_other_architectures_are_read_as_plain_ones(architecture, tmp_path):
    """Those without a model above have layers of the plain kind: attention, and a dense network or experts."""
    dense = read_gguf(_write(tmp_path, _small(architecture)))
    assert (
        parameters(dense.architecture).total
        == 2 * 256 * 512 + 2 * (2 * 256 + 256 * 512 + 256 * 256 + 3 * 256 * 512) + 256
    )
    mixed = _without(_small(architecture), *(f"blk.1.ffn_{name}.weight" for name in ("gate", "up", "down")))
    moe(mixed, 8, 2, 256)
    mixed.layer = 1
    mixed.experts(8, 256, shared=256, bias="exp_probs_b.bias")
    spec = read_gguf(_write(tmp_path, mixed))
    assert parameters(spec.architecture).by_group["experts"] == 8 * 3 * 256 * 256


def _without(model, *names):
    model.tensors = [tensor for tensor in model.tensors if tensor[0] not in names]
    return model


def _with(model, name, *shape, kind=None):
    model.add(name, *shape, kind=kind)
    return model


def _set(model, **metadata):
    for key, value in metadata.items():
        if value is None:
            del model.metadata[f"{model.architecture}.{key.replace('__', '.')}"]
        else:
            model.set(key.replace("__", "."), value)
    return model


def _general(model, **metadata):
    model.metadata |= {f"general.{key}": value for key, value in metadata.items()}
    return model


def _experts(model):
    for _ in model.each(2):
        model.put("ffn_gate_inp.weight", 256, 8)
    return model


REFUSED = {
    "an unknown architecture": (lambda: _small("qwen99"), "general.architecture is 'qwen99'; known are deepseek, "),
    "a projector": (lambda: _small("clip"), "vision or audio tower"),
    "an adapter": (lambda: _general(_small(), type="adapter"), "general.type is 'adapter'"),
    "an unknown tensor": (
        lambda: _with(_small(), "blk.1.new_thing.weight", 4),
        "'blk.1.new_thing.weight' is not known",
    ),
    "an unknown tensor of the model": (lambda: _with(_small(), "new.weight", 4), "tensor 'new.weight' is not known"),
    "an expert's tensor without experts": (
        lambda: _with(_small(), "blk.1.ffn_up_exps.weight", 256, 4, 4),
        "'blk.1.ffn_up_exps.weight' is not known",
    ),
    "a layer too many": (lambda: _set(_small(), block_count=1), "'blk.1.attn_norm.weight' is of a layer beyond the 1"),
    "a layer too few": (lambda: _set(_small(), block_count=3), "layer 2 of 3 has no tensor"),
    "no layers": (lambda: _set(_small(), block_count=0), "block_count is 0"),
    "a million layers": (lambda: _set(_small(), block_count=10**6), "block_count is 1000000"),
    "more layers ahead than there are": (lambda: _set(_small(), nextn_predict_layers=2), "2 of them nextn"),
    "no block count": (lambda: _set(_small(), block_count=None), "llama.block_count is missing"),
    "no context": (lambda: _set(_small(), context_length=None), "context_length is missing"),
    "no heads": (lambda: _set(_small(), attention__head_count=None), "head_count is missing in layer 0"),
    "heads in words": (lambda: _set(_small(), attention__head_count="four"), "head_count is 'four'"),
    "heads in halves": (lambda: _set(_small(), attention__head_count=4.5), "head_count is 4.5"),
    "heads that are true": (lambda: _set(_small(), attention__head_count=True), "head_count is True"),
    "heads of one layer": (
        lambda: _set(_small(), attention__head_count=[4]),
        "has 1 values, but the model has layer 1",
    ),
    "heads that do not divide": (lambda: _set(_small(), attention__head_count_kv=3), "4 heads cannot share 3"),
    "more heads than the tensors": (
        lambda: _set(_small(), attention__head_count=8),
        "has 32768 elements, but attention",
    ),
    "other heads": (
        lambda: _set(_small(), attention__head_count_kv=1),
        r"attn_k.weight' has 32768 elements, but att.* 16384",
    ),
    "another width": (lambda: _set(_small(), embedding_length=512), "elements, but .* by the metadata"),
    "another network": (
        lambda: _set(_small(), feed_forward_length=1024),
        "a width of 512, but feed_forward_length is 1024",
    ),
    "a short pattern": (
        lambda: _set(_small(), attention__sliding_window=8, attention__sliding_window_pattern=[True]),
        "sliding_window_pattern has 1 values for 2 layers",
    ),
    "no embedding": (lambda: _without(_small(), "token_embd.weight"), "no tensor token_embd.weight"),
    "no final norm": (lambda: _without(_small(), "output_norm.weight"), r"no tensor for the norms \(final\)"),
    "a fused tensor of another size": (
        lambda: _with(
            _without(_small(), *(f"blk.0.attn_{name}.weight" for name in "qkv")), "blk.0.attn_qkv.weight", 256, 500
        ),
        "'blk.0.attn_qkv.weight' has 128000 elements, but its parts have 131072",
    ),
    "no output projection": (
        lambda: _without(_small(), "blk.0.attn_output.weight"),
        r"no tensor for the attention \(output\) of layer 0",
    ),
    "no values": (
        lambda: _set(_without(_small(), "blk.0.attn_q.weight"), block_count=2),
        "'blk.0.attn_k.weight' is not k",
    ),
    "one norm less": (lambda: _without(_small(), "blk.1.ffn_norm.weight"), r"different numbers of norms \(1, 2\)"),
    "a bias of a part only": (
        lambda: _with(_small(), "blk.0.ffn_up.bias", 512),
        r"'blk.0.ffn_up.bias' has 512 elements, but ffn \(bias\) of layer 0 has 1280",
    ),
    "experts without a count": (lambda: _experts(_small()), "expert_count is missing in layer 0"),
    "experts of nothing": (
        lambda: _set(_experts(_small()), expert_count=8, expert_used_count=2),
        "d_expert: Input should be greater than or equal to 1",
    ),
    "norms of two formats": (
        lambda: _with(_without(_small(), "blk.0.ffn_norm.weight"), "blk.0.ffn_norm.weight", 256, kind="bf16"),
        "the norms of layer 0 are stored in several formats",
    ),
    "whole numbers for weights": (
        lambda: _with(_without(_small(), "output.weight"), "output.weight", 256, 512, kind="i8"),
        "'output.weight' is stored as i8",
    ),
    "a head of another shape": (
        lambda: _with(_without(_small(), "output.weight"), "output.weight", 256, 511),
        "'output.weight' has 130816 elements, but head has 131072",
    ),
    "rows packed the other way": (
        lambda: _with(_without(_small(), "output.weight"), "output.weight", 512, 256, kind="q4_k"),
        None,
    ),
}


@pytest.mark.parametrize(("make", "says"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_together_is_refused_with_a_reason(make, says, tmp_path):
    path = _write(tmp_path, make())
    if says is None:  # as many elements and bytes: nothing to tell them apart by
        assert read_gguf(path)
        return
    with pytest.raises(ModelFileError, match=says) as caught:
        read_gguf(path)
    assert "\n" not in str(caught.value)


def test_experts_of_another_width_than_stated_are_refused(tmp_path):
    model = FAMILIES["qwen3moe"][0]()
    moe(model, 128, 8, 769)
    with pytest.raises(ModelFileError, match="experts of width 768, but expert_feed_forward_length is 769"):
        read_gguf(_write(tmp_path, model))


def test_a_matrix_the_other_way_round_is_refused_where_its_size_shows_it(tmp_path):
    """Rows of 100 elements take four blocks of 32 each; 100 rows of 256 elements fewer."""
    model = Model("llama", 100, 1, 64)
    heads(model, 4, 4, 64)
    model.layer = 0
    model.norms()
    model.attention(4, 4, 64)
    model.dense(64)
    assert read_gguf(_write(tmp_path, model))
    _with(_without(model, "blk.0.attn_q.weight"), "blk.0.attn_q.weight", 256, 100, kind="q8_0")
    with pytest.raises(ModelFileError, match="rows are packed in another way"):
        read_gguf(_write(tmp_path, model))


def test_more_experts_used_than_there_are_is_refused(tmp_path):
    model = FAMILIES["qwen3moe"][0]()
    moe(model, 128, 129)
    with pytest.raises(ModelFileError, match="top_k = 129 is above experts = 128"):
        read_gguf(_write(tmp_path, model))


def test_a_file_without_an_architecture_is_refused(tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(header())
    with pytest.raises(ModelFileError, match=r"no general\.architecture"):
        read_gguf(path)


SMALL = _small()
CHANGES = [
    *(("metadata", key) for key in SMALL.metadata if key.startswith("llama.")),
    *(("tensor", index) for index in range(len(SMALL.tensors))),
]


@settings(max_examples=200)
@given(st.data())
def test_changed_files_raise_nothing_else(tmp_path_factory, data):
    architecture = data.draw(st.sampled_from(sorted(KNOWN)))
    model = _small(architecture)
    for what, which in data.draw(st.lists(st.sampled_from(CHANGES), max_size=4)):
        if what == "metadata":
            values = (
                st.integers(0, 2**32 - 1)
                | st.integers(0, 600)
                | st.lists(st.integers(0, 9), min_size=1)
                | st.booleans()
            )
            model.metadata[which.replace("llama", architecture)] = data.draw(values)
        else:
            name = data.draw(st.sampled_from(NAMES)).format(data.draw(st.integers(0, 3)))
            shape = data.draw(st.lists(st.sampled_from([1, 64, 256, 512]), min_size=1, max_size=3))
            model.tensors[which] = (name, tuple(shape), "f32")
    model.tensors = list({tensor[0]: tensor for tensor in model.tensors}.values())
    path = tmp_path_factory.getbasetemp() / "changed-model.gguf"
    with contextlib.suppress(ModelFileError):
        read_gguf(write_gguf(path, model.metadata, model.tensors))


NAMES = sorted(
    {
        name.replace("{bid}", "{0}") + suffix
        for name in gguf.TENSOR_NAMES.values()
        for suffix in (".weight", ".bias", "")
    }
)
