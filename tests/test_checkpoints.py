"""Safetensors beside a config: bytes of each part as stored, held against what the config says."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors

import roofline
from roofline.errors import ModelFileError
from roofline.readers.checkpoint import checkpoint
from roofline.readers.safetensors import BITS, read_headers
from roofline.recipes import stored

TINY: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "families.json").read_text(encoding="utf-8"))

Shapes = dict[str, tuple[str, tuple[int, ...]]]


def write(folder: Path, config: dict[str, Any], *shards: Shapes) -> Path:
    """Write a checkpoint of zeros with the official package, one file for each of ``shards``, with an index."""
    weight_map = {}
    for number, shapes in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        sizes = {key: int(np.prod(shape)) * BITS[dtype] // 8 for key, (dtype, shape) in shapes.items()}
        zeros = np.zeros(max(sizes.values()), np.uint8)
        tensors = {
            key: safetensors.TensorSpec(
                dtype=NAMES[dtype], shape=list(shape), data_ptr=zeros.ctypes.data, data_len=sizes[key]
            )
            for key, (dtype, shape) in shapes.items()
        }
        safetensors.serialize_file(tensors, str(folder / name))
        weight_map |= dict.fromkeys(shapes, name)
    index = {"metadata": {"total_size": 1}, "weight_map": weight_map}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


NAMES = {"F32": "float32", "F16": "float16", "BF16": "bfloat16", "U8": "uint8", "F8_E4M3": "float8_e4m3fn"}


def llama(layers: int = 4, dtype: str = "BF16") -> Shapes:
    """Return the tensors of the tiny Llama under the names that the hub has them."""
    found: Shapes = {"model.embed_tokens.weight": (dtype, (1000, 64)), "lm_head.weight": (dtype, (1000, 64))}
    found["model.norm.weight"] = (dtype, (64,))
    for layer in range(layers):
        at = f"model.layers.{layer}"
        for name, rows, columns in (("q", 128, 64), ("k", 32, 64), ("v", 32, 64), ("o", 64, 128)):
            found[f"{at}.self_attn.{name}_proj.weight"] = (dtype, (rows, columns))
            found[f"{at}.self_attn.{name}_proj.bias"] = (dtype, (rows,))
        for name, rows, columns in (("gate", 160, 64), ("up", 160, 64), ("down", 64, 160)):
            found[f"{at}.mlp.{name}_proj.weight"] = (dtype, (rows, columns))
            found[f"{at}.mlp.{name}_proj.bias"] = (dtype, (rows,))
        for name in ("input_layernorm", "post_attention_layernorm"):
            found[f"{at}.{name}.weight"] = (dtype, (64,))
    return found


def config(family: str, **changes: Any) -> dict[str, Any]:
    return copy.deepcopy(TINY[family]["config"]) | {"torch_dtype": "bfloat16"} | changes


def says(spec: roofline.ModelSpec) -> str:
    return next(note for note in spec.notes if note.startswith("safetensors"))


def test_a_plain_checkpoint_agrees_to_the_byte(tmp_path):
    spec = roofline.load_model(write(tmp_path, config("llama"), llama()))
    size = 2 * TINY["llama"]["parameters"]
    assert says(spec) == f"safetensors: {size:,} bytes of the text model in 1 file, as its config says, to the byte"
    assert stored(spec, "native").bytes == size


def test_shards_and_the_files_themselves_are_the_same_checkpoint(tmp_path):
    tensors = list(llama().items())
    spec = roofline.load_model(write(tmp_path, config("llama"), dict(tensors[:20]), dict(tensors[20:])))
    assert "2 files, as its config says, to the byte" in says(spec)
    by_file = roofline.load_model(tmp_path / "model-00001-of-00002.safetensors")
    assert by_file.notes == roofline.load_model(tmp_path / "model.safetensors.index.json").notes == spec.notes


def test_what_is_stored_wins_over_the_dtype_of_the_config(tmp_path):
    """Routers and norms are often kept in f32: the recipe then says so, tensor by tensor."""
    tensors = llama() | {"model.norm.weight": ("F32", (64,))}
    tensors["model.layers.1.mlp.down_proj.weight"] = ("F32", (64, 160))
    spec = roofline.load_model(write(tmp_path, config("llama"), tensors))
    odd = spec.weights["native"].exceptions
    assert [(e.group, e.tensor, e.layers, e.format) for e in odd] == [("ffn", "down", (1,), "f32")]
    assert says(spec).endswith("what its config says: norms +128")  # the one norm in f32 that is not the usual


def test_a_mismatch_is_said_in_bytes_group_by_group(tmp_path):
    tensors = llama() | {"model.layers.0.mlp.up_proj.weight": ("BF16", (176, 64))}
    del tensors["lm_head.weight"]
    spec = roofline.load_model(write(tmp_path, config("llama"), tensors))
    size = 2 * TINY["llama"]["parameters"] + 2 * 16 * 64 - 2 * 64_000
    assert f"{size:,} bytes" in says(spec)
    assert "ffn +2,048, head -128,000" in says(spec)
    assert f"{2048 - 128000:+,} bytes" in says(spec)


def test_scales_of_blocks_belong_to_the_part_they_scale(tmp_path):
    said = {"quant_method": "fp8", "weight_block_size": [128, 128], "fmt": "e4m3"}
    tensors = {}
    for name, (dtype, shape) in llama().items():
        if len(shape) > 1 and "layers" in name:
            tensors[name] = ("F8_E4M3", shape)
            tiles = tuple(-(-length // 128) for length in shape)
            tensors[f"{name}_scale_inv"] = ("F32", tiles)
        else:
            tensors[name] = (dtype, shape)
    spec = roofline.load_model(write(tmp_path, config("llama", quantization_config=said), tensors))
    assert says(spec).endswith("to the byte")
    assert stored(spec, "native").formats_by_group()["attention"] == ["fp8-block"]


def test_experts_one_by_one_or_together_and_blocks_of_four_bits(tmp_path):
    """gpt-oss stores blocks of 16 bytes and a scale for each; the router has a bias; layer 3 is left for the config."""
    tiny = config("gpt_oss", quantization_config={"quant_method": "mxfp4", "modules_to_not_convert": ["lm_head"]})
    tensors: Shapes = {
        "model.layers.0.mlp.experts.gate_up_proj_blocks": ("U8", (4, 320, 2, 16)),
        "model.layers.0.mlp.experts.gate_up_proj_scales": ("U8", (4, 320, 2)),
        "model.layers.0.mlp.experts.gate_up_proj_bias": ("BF16", (4, 320)),
        "model.layers.0.mlp.router.weight": ("BF16", (4, 64)),
        "model.layers.0.mlp.router.bias": ("BF16", (4,)),
        "model.layers.0.self_attn.sinks": ("BF16", (8,)),
    }
    write(tmp_path, tiny, tensors)
    found = checkpoint(read_headers(tmp_path), roofline.load_model(tmp_path).architecture)
    assert found.bytes_by_group == {
        "experts": 4 * 320 * 2 * 17 + 4 * 320 * 2,
        "router": 4 * 64 * 2 + 8,
        "attention": 16,
    }


def test_other_senses_and_further_tokens_are_not_counted(tmp_path):
    more: Shapes = {
        "model.visual.blocks.0.attn.qkv.weight": ("BF16", (8, 8)),
        "vision_tower.patch_embed.weight": ("BF16", (8, 8)),
        "mtp.layers.0.mlp.gate.weight": ("BF16", (8, 8)),
        "model.layers.4.self_attn.q_proj.weight": ("BF16", (8, 8)),  # a fifth layer: for further tokens
    }
    spec = roofline.load_model(write(tmp_path, config("llama"), llama() | more))
    assert says(spec).endswith("to the byte")
    assert "not counted: 512 bytes of other parts (vision, audio, further tokens)" in spec.notes


def test_a_head_beside_tied_embeddings_is_a_copy(tmp_path):
    spec = roofline.load_model(write(tmp_path, config("llama", tie_word_embeddings=True), llama()))
    assert says(spec).endswith("to the byte")


def test_a_tensor_of_no_known_part_is_named(tmp_path):
    odd: Shapes = {"model.layers.0.hyper_mixer.weight": ("BF16", (8, 8)), "model.oracle": ("BF16", (8,))}
    write(tmp_path, config("llama"), llama() | odd)
    with pytest.raises(ModelFileError, match=r"2 tensors of no part that is known \(.*hyper_mixer"):
        roofline.load_model(tmp_path)
    spec = roofline.load_model(tmp_path, assume_known=True)
    assert any(note.startswith("left out: 2 tensors") for note in spec.notes)


def test_tensors_without_their_config_are_refused(tmp_path):
    write(tmp_path, config("llama"), llama())
    (tmp_path / "config.json").unlink()
    with pytest.raises(ModelFileError, match="shapes and types only"):
        roofline.load_model(tmp_path / "model-00001-of-00001.safetensors")


def test_a_prediction_says_what_the_files_hold(tmp_path):
    p = roofline.predict(write(tmp_path, config("llama"), llama()), "rtx-4090")
    assert any("as its config says, to the byte" in text for text in p.assumptions)


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("model.layers.0.mlp.experts.3.gate_proj.weight", "experts"),
        ("model.layers.0.block_sparse_moe.experts.3.w1.weight", "experts"),
        ("model.layers.0.mlp.switch_mlp.up_proj.weight", "experts"),
        ("model.layers.0.mlp.gate.weight", "router"),
        ("model.layers.0.mlp.gate.e_score_correction_bias", "router"),
        ("model.layers.0.block_sparse_moe.e_score_correction_bias", "router"),
        ("model.layers.0.moe.router_bias", "router"),
        ("model.layers.0.mlp.shared_expert.up_proj.weight", "shared_experts"),
        ("model.layers.0.mlp.shared_expert_gate.weight", "shared_experts"),
        ("model.language_model.layers.0.self_attn.q_norm.weight", "attention"),
        ("model.layers.0.post_attention_layernorm.weight", "norms"),
        ("model.layers.1.mlp.up_proj.weight", "ffn"),
        ("model.embed_tokens.weight", "embedding"),
        ("lm_head.weight", "head"),
        ("model.norm.weight", "norms"),
    ],
)
def test_names_of_the_hub_and_their_parts(tmp_path, name, group):
    """The tiny Qwen3 has experts in every layer but layer 1."""
    write(tmp_path, config("qwen3_moe"), {name: ("BF16", (4, 4))})
    found = checkpoint(read_headers(tmp_path), roofline.load_model(tmp_path).architecture)
    assert found.bytes_by_group == {group: 32}


@pytest.mark.parametrize(
    ("family", "name", "group"),
    [
        ("kimi_linear", "model.layers.0.self_attn.q_proj.weight", "linear_attention"),  # every fourth layer attends
        ("kimi_linear", "model.layers.3.self_attn.q_proj.weight", "attention"),
        ("qwen3_next", "model.layers.0.linear_attn.in_proj_qkvz.weight", "linear_attention"),
        ("nemotron_h", "backbone.layers.0.mixer.in_proj.weight", "linear_attention"),
        ("nemotron_h", "backbone.layers.1.mixer.up_proj.weight", "ffn"),
        ("nemotron_h", "backbone.layers.2.mixer.q_proj.weight", "attention"),
        ("nemotron_h", "backbone.layers.3.mixer.gate.weight", "router"),
        ("lfm2", "model.layers.0.conv.in_proj.weight", "linear_attention"),
        ("gemma4_text", "model.embed_tokens_per_layer.weight", "embedding"),
        ("gemma4_text", "model.layers.0.per_layer_input_gate.weight", "ffn"),
    ],
)
def test_a_part_of_a_layer_is_what_the_layer_has_there(tmp_path, family, name, group):
    write(tmp_path, config(family), {name: ("BF16", (4, 4))})
    found = checkpoint(read_headers(tmp_path), roofline.load_model(tmp_path).architecture)
    assert found.bytes_by_group == {group: 32}
