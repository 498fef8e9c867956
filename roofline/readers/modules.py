"""Names of modules in Hugging Face checkpoints, and which of our tensors they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from roofline.tensors import Tensor

_ATTENTION = ("self_attn", "attn", "attention", "mixer", "temporal_block")
_NETWORK = ("mlp", "ffn", "feed_forward", "block_sparse_moe", "mixer", "moe")
_LINEAR = ("linear_attn", "mixer", "mamba", "self_attn", "conv")


def _in(parents: tuple[str, ...], *names: str) -> tuple[str, ...]:
    return tuple(f"{parent}.{name}" for parent in parents for name in names)


def _network(parents: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    return {
        "gate": _in(parents, "gate_proj", "gate_up_proj", "w1"),
        "up": _in(parents, "up_proj", "gate_up_proj", "w3"),
        "down": _in(parents, "down_proj", "w2"),
    }


_EXPERTS = ("experts.0", "experts")
_EXPERT_PARENTS = (*_in(_NETWORK, *_EXPERTS), *_EXPERTS)
_SHARED_PARENTS = (
    *(f"{parent}.{name}" for parent in _NETWORK for name in ("shared_expert", "shared_experts", "shared_mlp")),
    *("shared_mlp", "share_expert", "shared_expert"),
)

_NAMES: dict[tuple[str, str], tuple[str, ...]] = {
    ("embedding", ""): ("embed_tokens", "embeddings", "embed", "word_embeddings"),
    ("embedding", "per layer"): ("embed_tokens_per_layer",),
    ("head", ""): ("lm_head", "head"),
    ("attention", "q"): _in(_ATTENTION, "q_proj", "qkv_proj", "wq"),
    ("attention", "k"): _in(_ATTENTION, "k_proj", "qkv_proj", "kv_proj", "wk", "wkv"),
    ("attention", "v"): _in(_ATTENTION, "v_proj", "qkv_proj", "wv"),
    ("attention", "output"): _in(_ATTENTION, "o_proj", "out_proj", "wo"),
    ("attention", "gate"): _in(_ATTENTION, "g_proj", "gate_proj"),
    ("attention", "q_a"): _in(_ATTENTION, "q_a_proj", "wq_a", "fused_qkv_a_proj"),
    ("attention", "q_b"): _in(_ATTENTION, "q_b_proj", "wq_b"),
    ("attention", "kv_a"): _in(_ATTENTION, "kv_a_proj_with_mqa", "fused_qkv_a_proj"),
    ("attention", "kv_b"): _in(_ATTENTION, "kv_b_proj"),
    ("attention", "output_a"): _in(_ATTENTION, "o_a_proj", "wo_a"),
    ("attention", "output_b"): _in(_ATTENTION, "o_b_proj", "wo_b"),
    ("attention", "index q"): _in(
        _ATTENTION, "indexer.wq_b", "indexer.q_b_proj", "compressor.indexer.q_b_proj", "index_q_proj"
    ),
    ("attention", "index k"): _in(_ATTENTION, "indexer.wk", "index_k_proj"),
    ("attention", "index weights"): _in(
        _ATTENTION, "indexer.weights_proj", "indexers_proj", "compressor.indexer.scorer.weights_proj"
    ),
    ("attention", "compressor k"): _in(_ATTENTION, "compressor.kv_proj", "compressor.wkv"),
    ("attention", "compressor gate"): _in(_ATTENTION, "compressor.gate_proj", "compressor.wgate"),
    ("attention", "index compressor k"): _in(_ATTENTION, "compressor.indexer.kv_proj", "indexer.compressor.wkv"),
    ("attention", "index compressor gate"): _in(_ATTENTION, "compressor.indexer.gate_proj", "indexer.compressor.wgate"),
    ("linear_attention", "qkv"): _in(_LINEAR, "in_proj_qkv", "in_proj_qkvz"),
    ("linear_attention", "z"): _in(_LINEAR, "in_proj_z", "in_proj_qkvz"),
    ("linear_attention", "ba"): _in(_LINEAR, "in_proj_ba", "in_proj_b", "in_proj_a"),
    ("linear_attention", "output"): _in(_LINEAR, "out_proj", "o_proj"),
    ("linear_attention", "in"): _in(_LINEAR, "in_proj"),
    ("linear_attention", "q"): _in(_LINEAR, "q_proj"),
    ("linear_attention", "k"): _in(_LINEAR, "k_proj"),
    ("linear_attention", "v"): _in(_LINEAR, "v_proj"),
    ("linear_attention", "beta"): _in(_LINEAR, "b_proj"),
    ("linear_attention", "gate"): _in(_LINEAR, "g_proj"),
    ("linear_attention", "gate_a"): _in(_LINEAR, "g_a_proj"),
    ("linear_attention", "gate_b"): _in(_LINEAR, "g_b_proj"),
    ("linear_attention", "decay_a"): _in(_LINEAR, "f_a_proj", "forget_gate.f_a_proj"),
    ("linear_attention", "decay_b"): _in(_LINEAR, "f_b_proj", "forget_gate.f_b_proj"),
    ("router", ""): (*_in(_NETWORK, "gate", "router", "gate.wg"), "router.proj", "moe.gate"),
    ("ffn", "latent in"): _in(_NETWORK, "fc1_latent_proj"),
    ("ffn", "latent out"): _in(_NETWORK, "fc2_latent_proj"),
    ("ffn", "layer inputs"): ("per_layer_model_projection",),
    ("ffn", "input gate"): ("per_layer_input_gate",),
    ("ffn", "input projection"): ("per_layer_projection",),
    **{("ffn", name): found for name, found in _network(_NETWORK).items()},
    **{("experts", name): found for name, found in _network(_EXPERT_PARENTS).items()},
    **{("shared_experts", name): found for name, found in _network(_SHARED_PARENTS).items()},
}
"""Part and name of one of our tensors -> how checkpoints call its module, within the layer if it is in one.

The first expert stands for all of them.
"""

SIDE_BY_SIDE = "side-by-side"
"""Name of a feed-forward network whose experts stand beside a dense network of the same layer, called ``mlp``."""

_BESIDE: dict[tuple[str, str], tuple[str, ...]] = {
    **{("experts", name): found for name, found in _network((*_EXPERTS, "moe.experts.0", "moe.experts")).items()},
    **{("shared_experts", name): found for name, found in _network(("mlp",)).items()},
}

_LEADING = re.compile(r"^(?:(?:model|language_model|backbone|transformer|text_model|llm)\.)+")


def plain_module(name: str) -> str:
    """Return a module's name without the parts that wrap the text model.

    Examples
    --------
    >>> plain_module("model.language_model.layers.3.mlp.gate")
    'layers.3.mlp.gate'
    """
    return _LEADING.sub("", name)


def modules(tensor: Tensor) -> Iterator[str]:
    """Yield the names that a tensor's module may have, without wrapping parts."""
    inside = "" if tensor.layer is None else f"layers.{tensor.layer}."
    names = _BESIDE.get((tensor.group, tensor.name)) if tensor.ffn == SIDE_BY_SIDE else None
    for name in names or _NAMES.get((tensor.group, tensor.name), ()):
        yield inside + name
