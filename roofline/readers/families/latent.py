"""Multi-head latent attention and what grew out of it: DeepSeek, Kimi, GLM-5, Mistral 4."""

from __future__ import annotations

from typing import Any

from roofline.readers.config import Config
from roofline.readers.families.description import Description, experts, layer_count, without_none
from roofline.readers.families.mixture import after_dense_layers


def deepseek_v3(c: Config) -> Description:
    """DeepSeek-V3 and R1, Kimi-K2, GLM-4.7-Flash."""
    c.expect("hidden_act", "silu")
    return after_dense_layers(c, "latent", {"latent": latent(c)}, _UNSAID_DENSE.get(c.word("model_type", ""), 3))


_UNSAID_DENSE = {"glm4_moe_lite": 1}
"""Dense layers that the model's own code takes first where the config does not say."""


def deepseek_v2(c: Config) -> Description:
    """DeepSeek-V2 and Mistral Small 4: a router without bias."""
    found = after_dense_layers(c, "latent", {"latent": latent(c)}, 0)
    c.expect("hidden_act", "silu")
    c.expect("mlp_bias", False)
    c.expect("topk_method", "greedy", "group_limited_greedy")
    found.ffn["experts"].pop("router_bias")
    return found


def latent(c: Config, **more: Any) -> dict[str, Any]:
    """Return latent attention by the usual keys."""
    c.expect("attention_bias", False)
    c.ignore("num_key_value_heads", "head_dim", "qk_head_dim")
    table = {
        "kind": "mla",
        "heads": c.number("num_attention_heads"),
        "q_rank": c.number("q_lora_rank", None),
        "kv_rank": c.number("kv_lora_rank"),
        "d_nope": c.number("qk_nope_head_dim"),
        "d_rope": c.number("qk_rope_head_dim"),
        "d_value": c.number("v_head_dim"),
    }
    return without_none(table | more)


def deepseek_v32(c: Config) -> Description:
    """DeepSeek-V3.2 and GLM-5: an index chooses the tokens; some layers use the choice of an earlier one."""
    c.expect("hidden_act", "silu")
    c.expect("mlp_bias", False)
    c.ignore("num_experts")  # beside n_routed_experts, where it says the same
    count = layer_count(c)
    top_k = c.number("index_topk")
    index = {"heads": c.number("index_n_heads"), "d_head": c.number("index_head_dim")}
    kinds = c.items("indexer_types", str, count, None) or ["full"] * count
    if odd := set(kinds) - {"full", "shared"}:
        raise c.error("indexer_types", f"has {odd.pop()!r:.40}, but 'full' or 'shared' is wanted")
    if "layer_types" in c and set(c.items("layer_types", str, count)) != {"deepseek_sparse_attention"}:
        raise c.error("layer_types", "has layers that are not 'deepseek_sparse_attention'")
    c.ignore("index_skip_topk_offset", "index_topk_freq", "index_topk_pattern", "quantization_config")
    attention = {
        "chosen": latent(c, selection={"top_k": top_k, "indexer": index}),
        "chosen-before": latent(c, selection={"top_k": top_k}),
    }
    mixers = ["chosen" if kind == "full" else "chosen-before" for kind in kinds]
    return after_dense_layers(c, mixers, attention, 3)


_ALL_TOKENS, _OVERLAPPING = 128, 4


def deepseek_v4(c: Config) -> Description:
    """DeepSeek-V4: a window, and entries that stand for 4 tokens (chosen by an index) or 128 (all of them)."""
    c.expect("hidden_act", "silu")
    c.expect("attention_bias", False)
    c.expect("mlp_bias", False)
    c.expect("num_key_value_heads", 1)
    c.ignore("hc_eps", "hc_sinkhorn_iters", "qk_rope_head_dim", "expert_dtype")
    count, d_model = layer_count(c), c.number("hidden_size")
    index = {"heads": c.number("index_n_heads"), "d_head": c.number("index_head_dim")}
    base = {
        "kind": "compressed",
        "heads": c.number("num_attention_heads"),
        "d_head": c.number("head_dim"),
        "q_rank": c.number("q_lora_rank"),
        "output_groups": c.number("o_groups"),
        "output_rank": c.number("o_lora_rank"),
        "window": c.number("sliding_window"),
    }
    chosen = {"top_k": c.number("index_topk"), "indexer": index}
    attention = {
        "window": base,
        "chosen": base | {"ratio": _OVERLAPPING, "overlap": True, "selection": chosen},
        "all": base | {"ratio": _ALL_TOKENS},
    }
    names = {0: "window", _OVERLAPPING: "chosen", _ALL_TOKENS: "all"}
    ratios = c.items("compress_ratios", int, count)
    if odd := set(ratios) - set(names):
        raise c.error("compress_ratios", f"has {odd.pop()}, but 0, {_OVERLAPPING} or {_ALL_TOKENS} is wanted")
    hashed = c.count("num_hash_layers", 0)
    width = c.number("moe_intermediate_size")
    shared = c.count("n_shared_experts", 1) * width
    routed = c.number("n_routed_experts"), c.number("num_experts_per_tok"), width
    ffn = {
        "hashed": experts(*routed, shared_d_ff=shared),
        "experts": experts(*routed, shared_d_ff=shared, router_bias=True),
    }
    layers = [(names[ratio], "hashed" if layer < hashed else "experts") for layer, ratio in enumerate(ratios)]
    notes = (
        [f"in the first {hashed} layers a table from token to experts routes (the router weighs them)"]
        if hashed
        else []
    )
    extra = hyper_connections(c.number("hc_mult"), d_model)
    return Description(
        c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False), extra=extra, notes=notes
    )


def hyper_connections(streams: int, d_model: int) -> list[dict[str, Any]]:
    """Return the tensors that mix the residual streams: before attention and network in each layer, and at the end."""
    mixes = (2 + streams) * streams
    per_layer = [
        {"name": f"{part} streams", "group": "norms", "each": "layer", "rows": mixes, "columns": streams * d_model}
        for part in ("attention", "network")
    ]
    scales = {"name": "stream scales", "group": "norms", "each": "layer", "columns": 2 * (mixes + 3), "vector": True}
    last = [
        {"name": "last streams", "group": "norms", "each": "model", "rows": streams, "columns": streams * d_model},
        {"name": "last stream scales", "group": "norms", "each": "model", "columns": streams + 1, "vector": True},
    ]
    return [*per_layer, scales, *last]
