"""Hugging Face configs: every family counts as its own model code does, and nothing is dropped in silence."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import roofline
from roofline.cli.main import main
from roofline.errors import ModelFileError, RooflineError, UnknownNameError
from roofline.readers.families import FAMILIES
from roofline.readers.families.description import runs
from roofline.readers.harmless import HARMLESS
from roofline.readers.huggingface import spec_of
from roofline.readers.naming import spec_name
from roofline.recipes import stored
from roofline.tensors import parameters

TINY: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "families.json").read_text(encoding="utf-8"))
"""A small config for each family, with the parameters that transformers 5.23.0 counts in the model it builds of it."""


def read(table: dict[str, Any], extra: dict[str, Any] | None = None, **options: bool) -> roofline.ModelSpec:
    return spec_of(copy.deepcopy(table), extra, "config.json", "tiny", "file:///config.json", **options)


def config(family: str = "llama", **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(TINY[family]["config"]) | changes


@pytest.mark.parametrize("family", TINY)
def test_a_family_has_the_parameters_that_its_own_code_makes(family):
    assert parameters(read(TINY[family]["config"]).architecture).total == TINY[family]["parameters"]


def test_every_reader_is_tried():
    tried = {FAMILIES[family] for family in TINY}
    rest = {family for family, reader in FAMILIES.items() if reader not in tried}
    assert rest == {"mimo", "nemotron-nas"}  # each has a test of its own below


WITHOUT_EFFECT = {
    *("n_group", "topk_group", "rotary_dim", "pad_token_id", "qk_rope_head_dim", "num_nextn_predict_layers"),
    *("partial_rotary_factor", "vocab_size_per_layer_input", "mamba_expand"),
}


@pytest.mark.parametrize("family", TINY)
def test_no_number_of_a_config_is_read_without_effect(family):
    """Another number either gives another model, or is refused."""
    before = read(TINY[family]["config"])
    for key, value in TINY[family]["config"].items():
        if type(value) is not int or value == 0 or key in WITHOUT_EFFECT or key in _UNUSED.get(family, ()):
            continue
        try:
            after = read(config(family, **{key: 2 * value}))
        except ModelFileError:
            continue
        same = after.architecture.model_dump(exclude={"source"}) == before.architecture.model_dump(exclude={"source"})
        assert not same, f"{key} = {value} and {2 * value} give the same model"


_UNUSED = {
    # what the model's own code leaves aside too
    "deepseek_v2": {"num_key_value_heads"},
    "ernie4_5_moe": {"moe_layer_end_index"},  # 3 is the last layer
    "deepseek_v3": {"num_key_value_heads"},
    "deepseek_v32": {"num_key_value_heads"},
    "glm4_moe_lite": {"num_key_value_heads"},
    "glm_moe_dsa": {"num_key_value_heads"},
    "granitemoehybrid": {"num_attention_heads", "intermediate_size"},
    "kimi_linear": {"num_key_value_heads"},
    "laguna": {"num_attention_heads"},
    "lfm2": {"num_attention_heads"},
    "lfm2_moe": {"num_attention_heads"},
    "mistral4": {"num_key_value_heads", "intermediate_size"},
    "nemotron_h": {"head_dim"},
    "phi3": {"sliding_window"},
    "qwen3_next": {"intermediate_size"},
    "step3p5": {"num_key_value_heads"},
}


@pytest.mark.parametrize("family", TINY)
def test_a_key_that_is_not_understood_is_named(family):
    odd = config(family, num_hyper_heads=4, some_new_thing={"a": 1})
    with pytest.raises(ModelFileError, match=r"num_hyper_heads = 4, some_new_thing .* --assume-known"):
        read(odd)
    spec = read(odd, assume_known=True)
    assert any("num_hyper_heads = 4" in note for note in spec.notes)


def test_keys_that_are_known_to_change_nothing_and_null_keys_pass():
    many = config(**dict.fromkeys(sorted(HARMLESS - {"model_type"}), 1), num_hyper_heads=None)
    assert read(many).architecture.d_model == 64


@pytest.mark.parametrize("wrapper", ["text_config", "llm_config", "language_config"])
def test_the_text_model_of_a_wrapped_config_is_read(wrapper):
    whole = {"model_type": "some_vlm", "vision_config": {"depth": 3}, "image_token_id": 3, wrapper: config("qwen3")}
    plain, wrapped = read(config("qwen3")), read(whole)
    assert parameters(wrapped.architecture) == parameters(plain.architecture)
    with pytest.raises(ModelFileError, match="odd_key = 3"):
        read(whole | {"odd_key": 3})


def test_tied_embeddings_of_a_wrapper_hold_for_its_text_model():
    inner = {key: value for key, value in config("qwen3").items() if key != "tie_word_embeddings"}
    assert read({"text_config": inner, "tie_word_embeddings": True}).architecture.tied_embeddings
    assert not read({"text_config": inner, "tie_word_embeddings": False}).architecture.tied_embeddings


def test_two_text_models_in_one_config_are_refused():
    with pytest.raises(ModelFileError, match="only one of them"):
        read({"text_config": config(), "llm_config": config()})


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"hidden_size": None}, "hidden_size is missing"),
        ({"hidden_size": "64"}, "hidden_size is '64', but a whole number above 0 is wanted"),
        ({"hidden_size": 64.0}, "hidden_size is 64.0"),
        ({"hidden_size": True}, "hidden_size is True"),
        ({"hidden_size": -64}, "hidden_size is -64"),
        ({"hidden_size": 0}, "hidden_size is 0, but a whole number above 0 is wanted"),
        ({"hidden_size": 10**15}, "hidden_size is 1000000000000000"),
        ({"num_hidden_layers": 10**6}, "no more than 500 layers"),
        ({"num_attention_heads": 7}, "heads cannot share"),
        ({"head_dim": None, "num_attention_heads": 10}, "does not divide by 10 heads"),
        ({"tie_word_embeddings": "yes"}, "true or false is wanted"),
        ({"hidden_act": "relu"}, "only 'silu' is understood here"),
        ({"model_type": "lama"}, "the nearest known are llama"),
        ({"model_type": None}, "model_type is missing"),
        ({"model_type": 3}, "a text is wanted"),
        ({"torch_dtype": "int3"}, "torch_dtype is 'int3'"),
        ({"quantization_config": "fp8"}, "a table is wanted"),
        ({"quantization_config": {"quant_method": "magic"}}, "quant_method is 'magic'"),
    ],
)
def test_a_wrong_value_is_one_clear_sentence(changes, says):
    with pytest.raises(ModelFileError) as caught:
        read(config() | changes)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_key_left_to_the_defaults_of_the_family_is_said():
    inner = {k: v for k, v in config("gemma3_text").items() if k not in {"vocab_size", "num_attention_heads"}}
    spec = read(inner)
    assert spec.architecture.vocab == 262208  # the default of transformers' Gemma3TextConfig
    assert sum("not in the config" in note for note in spec.notes) == 2


def test_a_null_window_is_none_and_an_absent_one_the_default_of_the_family():
    without = {key: value for key, value in config("mistral").items() if key != "sliding_window"}
    assert set(read(without).architecture.attention) == {"sliding"}
    assert read(without).architecture.attention["sliding"].window == 4096
    assert set(read(without | {"sliding_window": None}).architecture.attention) == {"full"}


def test_windows_begin_at_the_layer_that_the_config_says():
    pattern = [mixer for mixer, _ in read(config("qwen2")).architecture.pattern()]
    assert pattern == ["full", "full", "sliding", "sliding"]  # max_window_layers = 2
    off = read(config("qwen2", use_sliding_window=False)).architecture.pattern()
    assert {mixer for mixer, _ in off} == {"full"}


def test_layers_found_by_search_may_lack_parts():
    """Nemotron's search leaves out attentions, networks and their norms; widths are rounded up to 256."""
    blocks = [
        {"attention": {"n_heads_in_group": 4, "no_op": False}, "ffn": {"ffn_mult": 2.625, "no_op": False}},
        {"attention": {"n_heads_in_group": None, "no_op": True}, "ffn": {"ffn_mult": 1.0, "no_op": False}},
        {"attention": {"n_heads_in_group": 8, "no_op": False}, "ffn": {"ffn_mult": None, "no_op": True}},
    ]
    table = config() | {"model_type": "nemotron-nas", "num_hidden_layers": 3, "head_dim": 8, "block_configs": blocks}
    table |= {"attention_bias": False, "mlp_bias": False}
    found = parameters(read(table).architecture)
    # attention: q and output 64x64, k and v 64 x (16, then 8); networks: 256 and 256 wide (112 and 42 rounded up)
    assert found.by_group["attention"] == (2 * 64 * 64 + 2 * 64 * 16) + (2 * 64 * 64 + 2 * 64 * 8)
    assert found.by_group["ffn"] == 2 * 3 * 64 * 256
    assert found.by_group["norms"] == 4 * 64 + 64
    blocks[0]["attention"]["replace_with_linear"] = True
    with pytest.raises(ModelFileError, match="replace_with_linear is True"):
        read(table)


def test_mimo_is_a_qwen2_with_its_biases_said():
    table = config("qwen2", model_type="mimo", attention_bias=True)
    assert parameters(read(table).architecture).total == TINY["qwen2"]["parameters"]
    with pytest.raises(ModelFileError, match="attention_bias"):
        read(table | {"attention_bias": False})


def test_layers_for_several_next_tokens_are_not_layers_of_a_pass():
    table = config("step3p5")
    table["layer_types"] = table["layer_types"] + ["sliding_attention"] * 3
    assert parameters(read(table).architecture).total == TINY["step3p5"]["parameters"]
    with pytest.raises(ModelFileError, match="layer_types has 3 entries for 4 layers"):
        read(config("step3p5", layer_types=["full_attention"] * 3))


@given(st.lists(st.sampled_from([("a", "x"), ("b", "x"), ("a", "y"), ("none", "y")]), min_size=1, max_size=60))
def test_runs_of_layers_say_the_same_as_the_layers(layers):
    again = []
    for run in runs(layers):
        names = {key: [run[key]] if isinstance(run[key], str) else run[key] for key in ("attention", "ffn")}
        length = max(len(found) for found in names.values())
        attention, ffn = (found * length if len(found) == 1 else found for found in names.values())
        again += list(zip(attention, ffn, strict=True)) * run["repeat"]
    assert again == layers


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.data())
def test_no_config_makes_anything_but_a_model_or_a_sentence(data):
    family = data.draw(st.sampled_from(sorted(TINY)))
    table = config(family)
    for key in data.draw(st.lists(st.sampled_from(sorted(table)), max_size=3)):
        table[key] = data.draw(VALUES)
    if data.draw(st.booleans()):
        method = data.draw(st.sampled_from(["fp8", "awq", "gptq", "modelopt", "compressed-tensors", "mxfp4", "x"]))
        table["quantization_config"] = {"quant_method": method} | data.draw(
            st.dictionaries(st.sampled_from(QUANTIZATION_KEYS), VALUES, max_size=4)
        )
    try:
        spec = read(table, assume_known=data.draw(st.booleans()))
        stored(spec, "native")
    except RooflineError as error:
        said = str(error)
        assert "\n" not in said


QUANTIZATION_KEYS = [
    *("bits", "group_size", "ignore", "config_groups", "quant_algo", "exclude_modules", "modules_to_not_convert"),
    *("weight_block_size", "kv_cache_scheme", "quantized_layers", "lm_head", "fmt"),
]


# --- files and names


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "My Qwen3 (tiny)"
    place.mkdir()
    (place / "config.json").write_text(json.dumps(config("qwen3")), encoding="utf-8")
    return place


def test_a_folder_and_its_config_are_the_same_model(folder):
    by_folder, by_file = roofline.load_model(folder), roofline.load_model(str(folder / "config.json"))
    assert by_folder.name == by_file.name == "my-qwen3-tiny"
    assert parameters(by_folder.architecture) == parameters(by_file.architecture)
    p = roofline.predict(folder, "dgx-spark", context=256)
    assert p.memory.fits
    assert f"roofline show {folder / 'config.json'}".replace(" ", "") in str(p).replace("\n", "").replace(" ", "")


def test_a_file_is_read_again_when_it_changes(folder):
    first = roofline.load_model(folder)
    assert roofline.load_model(folder) is first
    (folder / "config.json").write_text(json.dumps(config("qwen3", num_hidden_layers=8)), encoding="utf-8")
    assert sum(1 for _ in roofline.load_model(folder).architecture.pattern()) == 8


def test_a_name_of_the_catalogue_is_not_taken_for_a_folder(tmp_path, monkeypatch):
    (tmp_path / "minimax-m2.7").mkdir()
    monkeypatch.chdir(tmp_path)
    assert roofline.load_model("minimax-m2.7").architecture.d_model == 3072
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "config.json").write_text(json.dumps(config()), encoding="utf-8")
    assert roofline.load_model("own").architecture.d_model == 64


def test_what_is_no_file_and_no_name_is_said():
    with pytest.raises(UnknownNameError, match="hf:Qwen/Qwen3-8B"):
        roofline.load_model("Qwen/Qwen3-8B")
    with pytest.raises(UnknownNameError, match="no file"):
        roofline.load_model("/nowhere/config.json")
    with pytest.raises(UnknownNameError, match="no file"):
        roofline.load_model("a\0b/config.json")


def test_a_file_of_another_kind_and_an_empty_folder_are_refused(tmp_path):
    (tmp_path / "weights.bin").write_bytes(b"abc")
    with pytest.raises(ModelFileError, match="is no file of a model"):
        roofline.load_model(tmp_path / "weights.bin")
    with pytest.raises(ModelFileError, match="holds neither"):
        roofline.load_model(tmp_path)


def test_a_config_that_is_a_list_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("[1, 2]", encoding="utf-8")
    with pytest.raises(ModelFileError, match="holds list, but a table of keys is wanted"):
        roofline.load_model(tmp_path)


def test_the_command_line_reads_configs_and_can_be_told_to_assume(folder, capsys):
    (folder / "config.json").write_text(json.dumps(config("qwen3", novelty=7)), encoding="utf-8")
    assert main(["predict", str(folder), "dgx-spark"]) == 1
    assert re.search(r"novelty = 7 could change the answer", capsys.readouterr().err)
    assert main(["predict", str(folder), "dgx-spark", "--assume-known"]) == 0
    assert "assumed harmless: novelty = 7" in capsys.readouterr().out


@pytest.mark.parametrize(("text", "name"), [("Qwen3 30B_A3B", "qwen3-30b-a3b"), ("***", "model"), ("v1.5", "v1.5")])
def test_names_are_made_fit_for_specs(text, name):
    assert spec_name(text) == name
