"""Gemma: windows in most layers, four norms in each, embeddings that are the head as well."""

from __future__ import annotations

from typing import Any

from roofline.readers.config import Config
from roofline.readers.families.description import (
    Description,
    bias,
    dense,
    experts,
    grouped_query,
    layer_count,
    layer_types,
)
from roofline.readers.modules import SIDE_BY_SIDE

_ACTIVATIONS = ("gelu_pytorch_tanh", "gelu", "gelu_fast")


def gemma(c: Config) -> Description:
    """Gemma 1: no windows, two norms."""
    _activation(c)
    attention = {"full": grouped_query(c, bias=bias(c, "attention_bias", default=False))}
    ffn = {"dense": dense(c.number("intermediate_size"))}
    return Description(
        c, [("full", "dense")] * layer_count(c), attention, ffn, c.flag("tie_word_embeddings", default=True)
    )


def gemma2(c: Config) -> Description:
    """Gemma 2: every other layer has a window."""
    return _windowed(c, 2, "none", 4096)


def gemma3(c: Config) -> Description:
    """Gemma 3: five windowed layers, then a full one; norms on queries and keys."""
    pattern = c.number(c.either("sliding_window_pattern", "_sliding_window_pattern"), 6)
    return _windowed(c, pattern, "head", 4096)


def _activation(c: Config) -> None:
    c.expect(c.either("hidden_activation", "hidden_act"), *_ACTIVATIONS)
    c.ignore("hidden_act", "cache_implementation")


def _windowed(c: Config, pattern: int, qk_norm: str, window: int) -> Description:
    _activation(c)
    biases = bias(c, "attention_bias", default=False)
    unsaid = ["full" if (index + 1) % pattern == 0 else "sliding" for index in range(layer_count(c))]
    attention = {
        "sliding": grouped_query(c, bias=biases, qk_norm=qk_norm, window=c.number("sliding_window", window)),
        "full": grouped_query(c, bias=biases, qk_norm=qk_norm),
    }
    layers = [(name, "dense") for name in layer_types(c, unsaid)]
    ffn = {"dense": dense(c.number("intermediate_size"))}
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=True), norms_per_layer=4)


def gemma4(c: Config) -> Description:
    """Gemma 4: wider heads in full layers; perhaps experts, shared caches, and an embedding for each layer."""
    _activation(c)
    count, d_model, d_ff = layer_count(c), c.number("hidden_size"), c.number("intermediate_size")
    unsaid = ["full" if (index + 1) % 6 == 0 or index == count - 1 else "sliding" for index in range(count)]
    kinds = layer_types(c, unsaid)
    shared = c.count("num_kv_shared_layers", 0)
    if shared >= count:
        raise c.error("num_kv_shared_layers", f"is {shared}, but there are only {count} layers")
    mixers = [f"{kind}-shared" if index >= count - shared else kind for index, kind in enumerate(kinds)]
    d_layer = c.count("hidden_size_per_layer_input", 256)
    extra: list[dict[str, Any]] = []
    if d_layer:
        extra = _embeddings_of_layers(c.number("vocab_size_per_layer_input", 262144), count, d_layer, d_model)
    c.ignore("vocab_size_per_layer_input")
    more_norms = 0
    if c.flag("enable_moe_block", default=False):
        number = c.number("num_experts")
        width = c.number(c.either("moe_intermediate_size", "expert_intermediate_size"))
        name = SIDE_BY_SIDE
        ffn = {name: experts(number, c.number("top_k_experts"), width, shared_d_ff=d_ff)}
        extra.append({"name": "scales", "group": "router", "each": name, "columns": d_model + number, "vector": True})
        more_norms = 3
        names = [name] * count
    else:
        wide = c.flag("use_double_wide_mlp", default=False)
        ffn = {"dense": dense(d_ff), "double": dense(2 * d_ff)}
        names = ["double" if wide and index >= count - shared else "dense" for index in range(count)]
    c.ignore("num_experts", "top_k_experts", "moe_intermediate_size", "expert_intermediate_size", "use_double_wide_mlp")
    return Description(
        c,
        list(zip(mixers, names, strict=True)),
        _gemma4_attention(c),
        ffn,
        c.flag("tie_word_embeddings", default=True),
        norms_per_layer=4 + more_norms,
        layer_scalars=1,
        extra=extra,
    )


def _gemma4_attention(c: Config) -> dict[str, dict[str, Any]]:
    biases = bias(c, "attention_bias", default=False)
    window = c.number("sliding_window", 512)
    same = c.flag("attention_k_eq_v", default=False)
    wide: dict[str, Any] = {"d_head": c.number("global_head_dim", c.number("head_dim"))}
    if same:
        wide |= {"kv_heads": c.number("num_global_key_value_heads", c.number("num_key_value_heads"))}
    c.ignore("num_global_key_value_heads")
    found = {}
    for suffix, borrowed in (("", False), ("-shared", True)):
        more = {"bias": biases, "qk_norm": "head", "shared_cache": borrowed}
        found[f"sliding{suffix}"] = grouped_query(c, window=window, **more)
        found[f"full{suffix}"] = grouped_query(c, **wide, **more)
        if same:
            found[f"full{suffix}"]["value_projection"] = False
    return found


def _embeddings_of_layers(vocab: int, count: int, width: int, d_model: int) -> list[dict[str, Any]]:
    """Return the table of embeddings that each layer adds a slice of, and what brings it in."""
    return [
        {"name": "per layer", "group": "embedding", "each": "model", "rows": vocab, "columns": count * width},
        {"name": "layer inputs", "group": "ffn", "each": "model", "rows": count * width, "columns": d_model},
        {"name": "layer inputs", "group": "norms", "each": "model", "columns": width, "vector": True},
        {"name": "input gate", "group": "ffn", "each": "layer", "rows": width, "columns": d_model},
        {"name": "input projection", "group": "ffn", "each": "layer", "rows": d_model, "columns": width},
        {"name": "after input", "group": "norms", "each": "layer", "columns": d_model, "vector": True},
    ]
