"""Models that mix attention with recurrences and convolutions."""

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
    sparse_layers,
    without_none,
)
from roofline.readers.families.latent import latent
from roofline.readers.families.mixture import after_dense_layers
from roofline.specs.model import NONE

STATE_FORMATS = {"float32": "f32", "bfloat16": "bf16", "float16": "f16"}


def qwen3_next(c: Config) -> Description:
    """Qwen3-Next and Qwen3.5: three gated delta nets, then one gated attention."""
    c.expect("hidden_act", "silu")
    c.expect("use_sliding_window", False)
    c.expect("attn_output_gate", True)
    c.expect("output_gate_type", "swish")
    count = layer_count(c)
    every = c.number("full_attention_interval", 4)
    unsaid = ["full" if (index + 1) % every == 0 else "delta" for index in range(count)]
    mixers = layer_types(c, unsaid, ("full", "delta"))
    state = c.word("mamba_ssm_dtype", "float32")
    if state not in STATE_FORMATS:
        raise c.error("mamba_ssm_dtype", f"is {state!r:.40}, but one of {', '.join(STATE_FORMATS)} is wanted")
    attention = {
        "delta": {
            "kind": "gated-deltanet",
            "key_heads": c.number("linear_num_key_heads"),
            "value_heads": c.number("linear_num_value_heads"),
            "d_key": c.number("linear_key_head_dim"),
            "d_value": c.number("linear_value_head_dim"),
            "conv_kernel": c.number("linear_conv_kernel_dim"),
            "state_format": STATE_FORMATS[state],
        },
        "full": grouped_query(c, bias=bias(c, "attention_bias", default=False), qk_norm="head", gate="element"),
    }
    ffn, sparse = _qwen_networks(c, count)
    layers = [(mixer, "experts" if moe else "dense") for mixer, moe in zip(mixers, sparse, strict=True)]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def _qwen_networks(c: Config, count: int) -> tuple[dict[str, dict[str, Any]], list[bool]]:
    if "num_experts" not in c:
        c.expect("mlp_only_layers", [])
        return {"dense": dense(c.number("intermediate_size"))}, [False] * count
    sparse = sparse_layers(c, count)
    shared = c.count("shared_expert_intermediate_size", 0)
    routed = c.number("num_experts"), c.number("num_experts_per_tok"), c.number("moe_intermediate_size")
    ffn = {"experts": experts(*routed, shared_d_ff=shared, shared_gate=shared > 0)}
    if not all(sparse):
        ffn["dense"] = dense(c.number("intermediate_size"))
    c.ignore("intermediate_size")
    return ffn, sparse


_BLOCKS = {"M": "mamba", "*": "attention", "-": "mlp", "E": "moe"}
_BLOCK_NAMES: dict[str, str] = {"linear_attention": "mamba", "full_attention": "attention"}


def nemotron_h(c: Config) -> Description:
    """Nemotron-H and Nemotron 3: each layer is one part: a state space, an attention, a network or experts."""
    c.expect("mamba_hidden_act", "silu")
    c.expect("mlp_hidden_act", "relu2")
    c.ignore("time_step_rank", "expand", "attention_head_dim", "n_shared_experts", "head_dim", "num_hidden_layers")
    blocks = _nemotron_blocks(c)
    biased = c.flag("mlp_bias", default=False)
    layers = [
        (block if block in {"mamba", "attention"} else NONE, block if block in {"mlp", "moe"} else NONE)
        for block in blocks
    ]
    attention, ffn = {}, {}
    if "mamba" in blocks:
        attention["mamba"] = _nemotron_mamba(c)
    if "attention" in blocks:
        width = c.number(c.either("attention_head_dim", "head_dim"))
        window = c.number("sliding_window", None)
        biases = bias(c, "attention_bias", default=False)
        attention["attention"] = grouped_query(c, d_head=width, bias=biases, window=window)
    if "mlp" in blocks:
        ffn["mlp"] = dense(c.number("intermediate_size"), gated=False, bias=biased)
    if "moe" in blocks:
        ffn["moe"] = experts(
            c.number("n_routed_experts"),
            c.number("num_experts_per_tok"),
            c.number("moe_intermediate_size"),
            gated=False,
            bias=biased,
            router_bias=True,
            shared_d_ff=c.count("n_shared_experts", 1) * c.count("moe_shared_expert_intermediate_size", 0),
            latent=c.number("moe_latent_size", None),
        )
    c.ignore("intermediate_size", "moe_intermediate_size", "moe_shared_expert_intermediate_size", "moe_latent_size")
    c.ignore("n_routed_experts", "num_experts_per_tok", "sliding_window")
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False), norms_per_layer=1)


def _nemotron_mamba(c: Config) -> dict[str, Any]:
    state = c.word("mamba_ssm_cache_dtype", "float32")
    if state not in STATE_FORMATS:
        raise c.error("mamba_ssm_cache_dtype", f"is {state!r:.40}, but one of {', '.join(STATE_FORMATS)} is wanted")
    biased = c.flag("use_bias", default=False)
    c.expect("mamba_proj_bias", biased)
    return without_none(
        {
            "kind": "mamba2",
            "heads": c.number("mamba_num_heads"),
            "d_head": c.number("mamba_head_dim"),
            "d_state": c.number("ssm_state_size"),
            "groups": c.number("n_groups"),
            "conv_kernel": c.number("conv_kernel"),
            "bias": biased,
            "state_format": STATE_FORMATS[state],
        }
    ) | ({} if c.flag("use_conv_bias", default=True) else {"conv_bias": False})


def _nemotron_blocks(c: Config) -> list[str]:
    pattern = c.raw("hybrid_override_pattern")
    if pattern is None:
        given: list[str] = c.items("layers_block_type", str)
        blocks = [_BLOCK_NAMES.get(name, name) for name in given]
        if odd := set(blocks) - set(_BLOCKS.values()):
            raise c.error(
                "layers_block_type", f"has {odd.pop()!r:.40}, but {', '.join(_BLOCKS.values())} are understood"
            )
    else:
        if not isinstance(pattern, str) or set(pattern) - set(_BLOCKS):
            raise c.error("hybrid_override_pattern", f"is {pattern!r:.60}, but a text of M, *, - and E is wanted")
        blocks = [_BLOCKS[letter] for letter in pattern]
    if "num_hidden_layers" in c and len(blocks) != layer_count(c):
        raise c.error("num_hidden_layers", f"is {layer_count(c)}, but the pattern has {len(blocks)} layers")
    if not blocks:
        raise c.error("layers_block_type", "is empty")
    return blocks


def kimi_linear(c: Config) -> Description:
    """Kimi-Linear and Kimi-K3: Kimi delta attention, and latent attention in every fourth layer or so."""
    c.expect("hidden_act", "silu", "situ")
    c.ignore("latent_moe_use_norm", "linear_head_dim", "linear_num_heads")
    count = layer_count(c)
    linear = c.table("linear_attn_config")
    linear.ignore("gate_lower_bound", "kda_layers")
    width = linear.number("head_dim")
    full = {index - 1 for index in linear.items("full_attn_layers", int)}
    heads = linear.number("num_heads")
    full_rank = linear.flag("use_full_rank_gate", default=False)
    attention = {
        "delta": without_none(
            {
                "kind": "kda",
                "heads": heads,
                "d_head": width,
                "conv_kernel": linear.number("short_conv_kernel_size"),
                "decay_rank": width,
                "gate_rank": None if full_rank else width,
            }
        ),
        "latent": latent(c, gate="separate" if c.flag("mla_use_output_gate", default=False) else "none"),
    }
    mixers = ["latent" if index in full else "delta" for index in range(count)]
    found = after_dense_layers(c, mixers, attention, 1)
    if c.number("attn_res_block_size", None):
        found.notes.append("not counted: the small weights of attention residuals between blocks of layers")
    return found


def lfm2(c: Config) -> Description:
    """LFM2: gated short convolutions, and attention in some layers."""
    c.ignore("block_dim", "conv_dim", "conv_dim_out", "block_mlp_init_scale", "block_norm_eps", "block_out_init_scale")
    c.ignore("block_use_swiglu", "block_use_xavier_init", "conv_use_xavier_init", "num_heads", "use_pos_enc")
    count = layer_count(c)
    attends = set(c.items("full_attn_idxs", int, None, None) or [])
    mixers = layer_types(
        c, ["full" if index in attends else "convolution" for index in range(count)], ("full", "convolution")
    )
    biased = c.flag("conv_bias", default=False)
    attention = {
        "convolution": without_none({"kind": "short-conv", "conv_kernel": c.number("conv_L_cache", 3), "bias": biased}),
        "full": grouped_query(c, qk_norm="head"),
    }
    if "num_experts" in c:
        first = c.count("num_dense_layers", 2)
        routed = c.number("num_experts"), c.number("num_experts_per_tok"), c.number("moe_intermediate_size")
        ffn = {"experts": experts(*routed, router_bias=c.flag("use_expert_bias", default=True))}
        ffn["dense"] = dense(c.number("intermediate_size"))
    else:
        first, ffn = count, {"dense": dense(_lfm2_width(c))}
    tied = c.flag(c.either("tie_embedding", "tie_word_embeddings"), default=True)
    c.ignore("tie_word_embeddings", "tie_embedding")
    layers = [(mixer, "dense" if index < first else "experts") for index, mixer in enumerate(mixers)]
    return Description(c, layers, attention, ffn, tied)


def _lfm2_width(c: Config) -> int:
    """Return the width of the network: two thirds of what is written, up to a multiple, where the config says so."""
    width = c.number(c.either("block_ff_dim", "intermediate_size"))
    c.ignore("intermediate_size")
    multiple, factor = c.number("block_multiple_of", 256), c.raw("block_ffn_dim_multiplier")
    if not c.flag("block_auto_adjust_ff_dim", default=True):
        return width
    if factor is not None and type(factor) not in (int, float):
        raise c.error("block_ffn_dim_multiplier", f"is {factor!r:.40}, but a number is wanted")
    return -(-int((factor or 1.0) * int(2 * width / 3)) // multiple) * multiple


def granite_hybrid(c: Config) -> Description:
    """Granite 4: state spaces and attention, each with a shared network and perhaps experts."""
    c.expect("hidden_act", "silu")
    c.expect("normalization_function", "rmsnorm")
    c.expect("position_embedding_type", "rope", "nope")
    c.ignore("mamba_expand", "intermediate_size", "num_local_experts", "num_experts_per_tok")
    count = layer_count(c)
    mixers = layer_types(c, ["mamba"] * count, ("full", "mamba"))
    attention: dict[str, dict[str, Any]] = {"full": grouped_query(c, bias=bias(c, "attention_bias", default=False))}
    if "mamba" in mixers:
        biased = c.flag("mamba_proj_bias", default=False)
        attention["mamba"] = without_none(
            {
                "kind": "mamba2",
                "heads": c.number("mamba_n_heads"),
                "d_head": c.number("mamba_d_head"),
                "d_state": c.number("mamba_d_state"),
                "groups": c.number("mamba_n_groups"),
                "conv_kernel": c.number("mamba_d_conv"),
                "bias": biased,
            }
        ) | ({} if c.flag("mamba_conv_bias", default=True) else {"conv_bias": False})
    c.ignore("mamba_n_heads", "mamba_d_head", "mamba_d_state", "mamba_n_groups", "mamba_d_conv", "mamba_conv_bias")
    c.ignore("mamba_proj_bias")
    shared, number = c.count("shared_intermediate_size", 0), c.count("num_local_experts", 0)
    if number:
        ffn = experts(number, c.number("num_experts_per_tok"), c.number("intermediate_size"), shared_d_ff=shared)
    else:
        ffn = dense(shared or c.number("intermediate_size"))
    layers = [(mixer, "network") for mixer in mixers]
    return Description(c, layers, attention, {"network": ffn}, c.flag("tie_word_embeddings", default=False))


def granite_moe(c: Config) -> Description:
    """Granite 3 with experts."""
    c.expect("hidden_act", "silu")
    routed = c.number("num_local_experts"), c.number("num_experts_per_tok"), c.number("intermediate_size")
    ffn = experts(*routed, shared_d_ff=c.count("shared_intermediate_size", 0))
    attention = grouped_query(c, bias=bias(c, "attention_bias", default=False))
    layers = [("full", "experts")] * layer_count(c)
    return Description(c, layers, {"full": attention}, {"experts": ffn}, c.flag("tie_word_embeddings", default=False))
