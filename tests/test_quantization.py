"""What checkpoints say of their quantisation, as each tool says it: formats group by group, and bytes by hand."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from roofline.errors import ModelFileError
from roofline.readers.huggingface import read_huggingface, spec_of
from roofline.readers.modules import plain_module
from roofline.recipes import stored

TINY: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "families.json").read_text(encoding="utf-8"))


def formats(family: str, quantization: Any, extra: Any = None, **changes: Any) -> dict[str, list[str]]:
    """Return the formats of each group of a tiny model of the family, the largest part first."""
    return stored(_spec(family, quantization, extra, **changes), "native").formats_by_group()


def _spec(family: str, quantization: Any, extra: Any = None, **changes: Any) -> Any:
    table = copy.deepcopy(TINY[family]["config"]) | {"torch_dtype": "bfloat16"} | changes
    if quantization is not None:
        table["quantization_config"] = quantization
    beside = None if extra is None else {"producer": {"name": "modelopt"}, "quantization": extra}
    return spec_of(table, beside, "config.json", "tiny", "file:///config.json")


def test_without_a_word_everything_is_in_the_dtype():
    assert formats("qwen3_moe", None)["experts"] == ["bf16"]
    assert formats("qwen3_moe", None, torch_dtype="float16")["experts"] == ["f16"]
    spec = _spec("qwen3_moe", None, torch_dtype=None)
    assert any("states no dtype" in note for note in spec.notes)


def test_fp8_blocks_leave_embedding_head_router_and_what_is_named():
    said = {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128]}
    found = formats("minimax_m2", said | {"modules_to_not_convert": ["gate", "e_score_correction_bias", "lm_head"]})
    assert found["experts"] == found["attention"] == ["fp8-block"]
    assert found["router"] == found["head"] == found["embedding"] == ["bf16"]
    assert formats("deepseek_v3", said | {"scale_fmt": "ue8m0"})["experts"] == ["fp8-block-ue8m0"]
    named = ["model.layers.2.self_attn.k_proj", "model.layers.2.self_attn.v_proj", "model.layers.2.self_attn"]
    some = _spec("llama", said | {"modules_to_not_convert": named})
    kept = {(e.tensor, e.layers) for e in some.weights["native"].exceptions}
    assert {(name, (2,)) for name in ("q", "k", "v", "output")} == kept


def test_experts_of_deepseek_v4_are_in_four_bits_though_the_rest_is_fp8():
    said = {"quant_method": "fp8", "weight_block_size": [128, 128], "scale_fmt": "ue8m0"}
    found = formats("deepseek_v4", said, expert_dtype="fp4")
    assert found["experts"] == ["mxfp4"]
    assert found["attention"] == ["fp8-block-ue8m0"]


def test_modelopt_nvfp4_by_its_exclusions_and_cache():
    said = {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8", "group_size": 16}
    excluded = ["lm_head", "model.layers.*.mlp.gate", "model.layers.0*", "*self_attn*"]
    spec = _spec("qwen3_moe", None, said | {"exclude_modules": excluded})
    assert spec.weights["native"].kv == "fp8"
    found = stored(spec, "native").formats_by_group()
    assert set(found["experts"]) == {"nvfp4", "bf16"}  # the first layer is left out
    assert found["attention"] == found["head"] == found["router"] == ["bf16"]
    assert any("head and routers" in note for note in _spec("qwen3_moe", None, said).notes)


def test_modelopt_leaves_routers_that_no_list_can_name():
    # a router that is a bare parameter is no module that could be excluded
    said = {
        "quant_algo": "NVFP4",
        "kv_cache_quant_algo": "FP8",
        "exclude_modules": ["lm_head", "model.layers.*.self_attn*"],
    }
    found = formats("deepseek_v3", None, said)
    assert found["experts"] == found["ffn"] == ["nvfp4"]
    assert found["router"] == found["attention"] == ["bf16"]


def test_excluding_a_dense_network_does_not_exclude_the_experts_beside_it():
    said = {"quant_algo": "NVFP4", "exclude_modules": ["lm_head", "model.language_model.layers.*.mlp*", "*router*"]}
    found = formats("gemma4_text", None, said, **BESIDE)
    assert found["experts"] == ["nvfp4"]
    assert found["shared_experts"] == ["bf16"]
    experts_left = formats("gemma4_text", None, said | {"exclude_modules": ["*.experts*"]}, **BESIDE)
    assert experts_left["experts"] == ["bf16"]
    assert experts_left["shared_experts"] == ["nvfp4"]


BESIDE = {"enable_moe_block": True, "num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 64}


def test_modelopt_says_the_same_in_the_config():
    said = {"quant_method": "modelopt", "quant_algo": "FP8", "ignore": ["lm_head"]}
    cache = {"num_bits": 8, "type": "float", "dynamic": False}
    spec = _spec("llama", said | {"kv_cache_scheme": cache})
    assert spec.weights["native"].kv == "fp8"
    assert stored(spec, "native").formats_by_group()["ffn"] == ["fp8"]


def test_mixed_precision_goes_module_by_module():
    layers = {
        "backbone.layers.0.mixer.in_proj": {"quant_algo": "FP8"},
        "backbone.layers.3.mixer.experts": {"quant_algo": "W4A16_NVFP4", "group_size": 16},
        "backbone.layers.3.mixer.shared_experts.up_proj": {"quant_algo": "NVFP4", "group_size": 16},
        "lm_head": {"quant_algo": "NVFP4"},
    }
    found = formats("nemotron_h", None, {"quant_algo": "MIXED_PRECISION", "quantized_layers": layers})
    assert found["experts"] == found["head"] == ["nvfp4"]
    assert set(found["linear_attention"]) == {"fp8", "bf16"}
    assert set(found["shared_experts"]) == {"nvfp4", "bf16"}
    assert found["ffn"] == ["bf16"]


def test_compressed_tensors_by_targets_and_regular_expressions():
    weights = {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 32, "symmetric": True}
    said = {
        "quant_method": "compressed-tensors",
        "format": "pack-quantized",
        "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights, "input_activations": None}},
        "ignore": ["lm_head", "re:.*self_attn.*", "re:.*shared_experts.*", "re:.*mlp\\.(gate|up|gate_up|down)_proj.*"],
        "kv_cache_scheme": None,
    }
    found = formats("deepseek_v3", said)
    assert found["experts"] == ["int4-w4a16-g32"]
    assert found["attention"] == found["shared_experts"] == found["ffn"] == found["head"] == found["router"] == ["bf16"]


def test_a_group_that_names_modules_goes_before_one_that_means_them_all():
    four, eight = ({"num_bits": bits, "type": "int", "strategy": "group", "group_size": 128} for bits in (4, 8))
    groups = {
        "group_0": {"targets": ["Linear"], "weights": four},
        "group_1": {"targets": ["re:.*down_proj"], "weights": eight},
    }
    found = formats("llama", {"quant_method": "compressed-tensors", "config_groups": groups, "ignore": ["lm_head"]})
    assert found["attention"] == ["int4-w4a16"]
    assert set(found["ffn"]) == {"int4-w4a16", "int8-w8a16-g128"}


def test_a_star_may_stand_for_nothing():
    found = formats("llama", None, {"quant_algo": "FP8", "exclude_modules": ["lm_head*"]})
    assert found["head"] == ["bf16"]


@pytest.mark.parametrize(
    ("weights", "name"),
    [
        ({"num_bits": 4, "type": "float", "group_size": 16, "strategy": "tensor_group"}, "nvfp4"),
        ({"num_bits": 4, "type": "float", "group_size": 32, "strategy": "group"}, "mxfp4"),
        ({"num_bits": 8, "type": "float", "strategy": "tensor"}, "fp8"),
        ({"num_bits": 8, "type": "float", "strategy": "channel"}, "fp8-channel"),
        ({"num_bits": 8, "type": "float", "strategy": "block", "block_structure": [128, 128]}, "fp8-block"),
        ({"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128}, "int4-w4a16"),
        ({"num_bits": 4, "type": "int", "strategy": "group", "group_size": 64}, "int4-w4a16-g64"),
        ({"num_bits": 8, "type": "int", "strategy": "channel"}, "int8"),
    ],
)
def test_schemes_of_compressed_tensors(weights, name):
    said = {"quant_method": "compressed-tensors", "config_groups": {"g": {"targets": ["Linear"], "weights": weights}}}
    assert formats("llama", said)["ffn"] == [name]


@pytest.mark.parametrize(
    ("said", "name"),
    [
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}, "int4-awq"),
        ({"quant_method": "awq", "bits": 4, "group_size": 64}, "int4-awq-g64"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128, "desc_act": False}, "int4-gptq"),
        ({"quant_method": "gptq", "bits": 8, "group_size": 32}, "int8-gptq-g32"),
        ({"quant_method": "fbgemm_fp8"}, "fp8-channel"),
    ],
)
def test_awq_gptq_and_fbgemm_convert_layers_only(said, name):
    found = formats("llama", said)
    assert found["ffn"] == found["attention"] == [name]
    assert found["head"] == found["embedding"] == ["bf16"]


def test_mxfp4_is_for_experts():
    said = {"quant_method": "mxfp4", "modules_to_not_convert": ["model.layers.*.self_attn", "lm_head"]}
    found = formats("gpt_oss", said)
    assert found["experts"] == ["mxfp4"]
    assert found["attention"] == found["router"] == ["bf16"]


def test_mlx_takes_everything_but_what_is_named():
    said = {"bits": 4, "group_size": 64, "mode": "affine"}
    own = {"model.layers.0.mlp.gate": {"bits": 8, "group_size": 64}, "lm_head": False}
    found = formats("qwen3_moe", said | own)
    assert found["experts"] == found["embedding"] == ["mlx-4bit"]
    assert found["head"] == ["bf16"]
    assert set(found["router"]) == {"mlx-8bit", "mlx-4bit"}
    assert formats("llama", {"bits": 4, "group_size": 32})["ffn"] == ["mlx-4bit-g32"]


def test_bytes_of_a_mixed_checkpoint_by_hand():
    """Two of four layers of a tiny Llama in NVFP4: 9 bytes for 16 weights and 4 for the tensor."""
    skip = ["lm_head", "model.layers.0*", "model.layers.1*"]
    spec = _spec("llama", None, {"quant_algo": "NVFP4", "exclude_modules": skip})
    down = [s for s in stored(spec, "native").tensors if (s.tensor.group, s.tensor.name) == ("ffn", "down")]
    assert [s.bytes for s in down] == [160 * 64 * 2] * 2 + [160 * 64 * 9 / 16 + 4] * 2


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"quant_method": "awq", "bits": 3, "group_size": 128}, "AWQ stores 4"),
        ({"quant_method": "gptq", "bits": 3, "group_size": 128}, "in no format that is known here"),
        ({"quant_method": "gptq", "bits": 4, "group_size": 128, "lm_head": True}, "lm_head is True"),
        ({"quant_method": "fp8", "weight_block_size": [64, 64]}, "weight_block_size"),
        ({"quant_method": "fp8", "fmt": "e3m4"}, "fmt is 'e3m4'"),
        ({"quant_method": "modelopt", "quant_algo": "W2A2"}, "quant_algo is 'W2A2'"),
        ({"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, "quantized_layers is missing"),
        ({"quant_method": "compressed-tensors", "config_groups": {"g": {"weights": {}}}}, "targets is missing"),
        ({"quant_method": "compressed-tensors", "config_groups": {}, "ignore": ["re:(a+)+b"]}, "repeats what repeats"),
        ({"quant_method": "compressed-tensors", "config_groups": {}, "ignore": ["re:("]}, "no regular expression"),
        ({"quant_method": "awq", "bits": 4, "group_size": 128, "new_trick": 2}, "new_trick = 2 could change"),
        (
            {"quant_method": "awq", "bits": 4, "group_size": 128, "modules_to_not_convert": ["*a*b"] * 101},
            "101 patterns",
        ),
        ({}, "quant_method is missing"),
    ],
)
def test_what_is_not_understood_is_refused(said, says):
    with pytest.raises(ModelFileError) as caught:
        formats("llama", said)
    assert says in str(caught.value)


def test_the_file_beside_the_config_is_read(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(TINY["llama"]["config"]), encoding="utf-8")
    beside = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(beside), encoding="utf-8")
    recipe = read_huggingface(tmp_path).weights["native"]
    assert (recipe.kv, recipe.ffn) == ("fp8", "fp8")


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("model.layers.3.mlp.gate", "layers.3.mlp.gate"),
        ("model.language_model.layers.3.mlp", "layers.3.mlp"),
        ("language_model.model.lm_head", "lm_head"),
        ("backbone.layers.1.mixer", "layers.1.mixer"),
        ("lm_head", "lm_head"),
    ],
)
def test_what_wraps_a_module_is_left_out_of_its_name(name, plain):
    assert plain_module(name) == plain
