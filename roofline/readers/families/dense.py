"""Dense decoders: one attention and one feed-forward network in every layer, with small differences."""

from __future__ import annotations

from typing import Any

from roofline.readers.config import Config
from roofline.readers.families.description import (
    Description,
    bias,
    dense,
    grouped_query,
    layer_count,
    layer_types,
)
from roofline.specs.model import NONE


def _uniform(
    c: Config, attention: dict[str, Any], ffn: dict[str, Any], *, tied: bool = False, **more: Any
) -> Description:
    layers = [("full", "dense")] * layer_count(c)
    return Description(
        c, layers, {"full": attention}, {"dense": ffn}, c.flag("tie_word_embeddings", default=tied), **more
    )


def llama(c: Config) -> Description:
    """Llama, and the many models that call themselves so."""
    c.expect("hidden_act", "silu")
    attention = grouped_query(c, bias=bias(c, "attention_bias", default=False))
    return _uniform(c, attention, dense(c.number("intermediate_size"), bias=c.flag("mlp_bias", default=False)))


def mistral(c: Config) -> Description:
    """Mistral and Ministral: a window on every layer where the config gives one."""
    c.expect("hidden_act", "silu")
    window = (
        c.number("sliding_window", None) if c.has("sliding_window") else _UNSAID_WINDOW.get(c.word("model_type", ""))
    )
    name = "sliding" if window else "full"
    given = layer_types(c, [name] * layer_count(c))
    ffn = {"dense": dense(c.number("intermediate_size"))}
    attention = {"full": grouped_query(c), "sliding": grouped_query(c, window=window)}
    return Description(c, [(a, "dense") for a in given], attention, ffn, c.flag("tie_word_embeddings", default=False))


_UNSAID_WINDOW = {"mistral": 4096}
"""What the model's own code takes where the key is absent (null means none)."""


def qwen2(c: Config) -> Description:
    """Qwen2 and Qwen2.5: biases on queries, keys and values; windows from ``max_window_layers`` on, where used."""
    return _qwen(c, ["q", "k", "v"], "none")


def qwen3(c: Config) -> Description:
    """Qwen3: norms on queries and keys instead of biases."""
    return _qwen(c, bias(c, "attention_bias", default=False), "head")


def _qwen(c: Config, biases: list[str], qk_norm: str) -> Description:
    c.expect("hidden_act", "silu")
    names = window_from_layer(c)
    attention = {
        "full": grouped_query(c, bias=biases, qk_norm=qk_norm),
        "sliding": grouped_query(c, bias=biases, qk_norm=qk_norm, window=c.number("sliding_window", None)),
    }
    ffn = {"dense": dense(c.number("intermediate_size"))}
    return Description(c, [(a, "dense") for a in names], attention, ffn, c.flag("tie_word_embeddings", default=False))


def window_from_layer(c: Config) -> list[str]:
    """Return each layer's mixer where layers from ``max_window_layers`` on have a window, if any has."""
    count = layer_count(c)
    first = c.count("max_window_layers", count)
    if not c.flag("use_sliding_window", default=False) or "sliding_window" not in c:
        c.ignore("sliding_window", "layer_types")
        return ["full"] * count
    return layer_types(c, ["sliding" if index >= first else "full" for index in range(count)])


def mimo(c: Config) -> Description:
    """MiMo-7B: the shape of Qwen2."""
    c.expect("attention_bias", True)
    return qwen2(c)


def phi3(c: Config) -> Description:
    """Phi-3 and Phi-4: fused projections, no biases."""
    c.expect("hidden_act", "silu")
    c.ignore("attention_bias")
    limit, longest = c.number("sliding_window", None), c.number("max_position_embeddings")
    window = limit if limit and limit < longest else None
    attention = grouped_query(c, window=window)
    return _uniform(c, attention, dense(c.number("intermediate_size")))


def granite(c: Config) -> Description:
    """Granite: Llama with other multipliers."""
    return llama(c)


def smollm3(c: Config) -> Description:
    """SmolLM3: Llama with tied embeddings, some layers without rotation."""
    c.expect("hidden_act", "silu")
    c.expect("use_sliding_window", False)
    c.ignore("layer_types", "sliding_window")
    attention = grouped_query(c, bias=bias(c, "attention_bias", default=False))
    return _uniform(
        c, attention, dense(c.number("intermediate_size"), bias=c.flag("mlp_bias", default=False)), tied=True
    )


def olmo2(c: Config) -> Description:
    """OLMo 2 and 3: norms after each part, and on whole projections of queries and keys."""
    c.expect("hidden_act", "silu")
    biases = bias(c, "attention_bias", default=False)
    count = layer_count(c)
    window = c.number("sliding_window", 4096) if c.word("model_type", "") == "olmo3" else None
    unsaid = ["full" if window is None or (index + 1) % 4 == 0 else "sliding" for index in range(count)]
    attention = {
        "full": grouped_query(c, bias=biases, qk_norm="projection"),
        "sliding": grouped_query(c, bias=biases, qk_norm="projection", window=window),
    }
    layers = [(a, "dense") for a in layer_types(c, unsaid)]
    ffn = {"dense": dense(c.number("intermediate_size"))}
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def glm4(c: Config) -> Description:
    """GLM-4-0414: two norms more in each layer."""
    c.expect("hidden_act", "silu")
    attention = grouped_query(c, bias=bias(c, "attention_bias", "q", "k", "v", default=True))
    return _uniform(c, attention, dense(c.number("intermediate_size")), norms_per_layer=4)


def ernie(c: Config) -> Description:
    """ERNIE 4.5, dense."""
    c.expect("hidden_act", "silu")
    biased = c.flag("use_bias", default=False)
    attention = grouped_query(c, bias=["q", "k", "v", "output"] if biased else [])
    return _uniform(c, attention, dense(c.number("intermediate_size"), bias=biased), tied=True)


def hunyuan(c: Config) -> Description:
    """Hunyuan, dense: norms on queries and keys."""
    c.expect("hidden_act", "silu")
    c.expect("use_qk_norm", True)
    c.ignore("attention_head_dim")
    attention = grouped_query(c, bias=bias(c, "attention_bias", default=False), qk_norm="head")
    return _uniform(c, attention, dense(c.number("intermediate_size")))


def starcoder2(c: Config) -> Description:
    """StarCoder2: LayerNorms, biases, two matrices in the feed-forward network."""
    c.expect("norm_type", "layer_norm")
    c.expect("mlp_type", "default")
    c.expect("hidden_act", "gelu_pytorch_tanh", "gelu")
    biased = c.flag("use_bias", default=True)
    window = c.number("sliding_window", None)
    attention = grouped_query(c, bias=["q", "k", "v", "output"] if biased else [], window=window)
    ffn = dense(c.number("intermediate_size"), gated=False, bias=biased)
    return _uniform(c, attention, ffn, tied=True, norm_bias=True)


def muse_glimmer(c: Config) -> Description:
    """Muse Glimmer: a gate on attention's output, and every fourth layer without a window."""
    c.expect(c.either("hidden_act", "hidden_activation"), "silu")
    c.ignore("qk_scale_factor", "output_multiplier", "post_norm_eps")
    biases = bias(c, "attention_bias", default=False)
    window = c.number("sliding_window", 2048)
    unsaid = ["full" if index % 4 == 3 else "sliding" for index in range(layer_count(c))]
    attention = {
        "full": grouped_query(c, bias=biases, gate="separate"),
        "sliding": grouped_query(c, bias=biases, gate="separate", window=window),
    }
    layers = [(a, "dense") for a in layer_types(c, unsaid)]
    ffn = {"dense": dense(c.number("intermediate_size"))}
    tied = c.flag("tie_word_embeddings", default=False)
    return Description(c, layers, attention, ffn, tied, norms_per_layer=4)


def nemotron_nas(c: Config) -> Description:
    """Nemotron found by architecture search: each layer has its own widths, or lacks a part."""
    c.expect("hidden_act", "silu")
    c.expect("mlp_bias", False)
    c.ignore("num_key_value_heads", "intermediate_size")
    biases, heads, d_model = (
        bias(c, "attention_bias", default=False),
        c.number("num_attention_heads"),
        c.number("hidden_size"),
    )
    attention, ffn, layers = {}, {}, []
    for block in c.tables("block_configs"):
        mixer, network = block.table("attention"), block.table("ffn")
        for part in (mixer, network):
            part.expect("replace_with_linear", False)
            part.expect("sparsify", False)
        mixer.expect("unshifted_sink", False)
        mixer.expect("use_prefill_window_in_sink_attention", False)
        attention_name = ffn_name = NONE
        if not mixer.flag("no_op", default=False):
            group = mixer.number("n_heads_in_group")
            window = mixer.number("window_length", None)
            attention_name = f"group-{group}" + (f"-window-{window}" if window else "")
            attention[attention_name] = grouped_query(c, kv_heads=heads // group, bias=biases, window=window)
        if not network.flag("no_op", default=False):
            width = _search_width(network, d_model)
            ffn_name = f"dense-{width}"
            ffn[ffn_name] = dense(width)
        layers.append((attention_name, ffn_name))
    if len(layers) != layer_count(c):
        raise c.error("block_configs", f"has {len(layers)} entries for {layer_count(c)} layers")
    # a part that is left out takes its norm with it
    norms = [
        {"name": "before", "group": "norms", "each": name, "columns": d_model, "vector": True}
        for name in (*attention, *ffn)
    ]
    tied = c.flag("tie_word_embeddings", default=False)
    return Description(c, layers, attention, ffn, tied, norms_per_layer=0, extra=norms)


def _search_width(network: Config, d_model: int) -> int:
    """Return the width that a multiplier gives: two thirds of it, up to a multiple of 256."""
    mult = network.raw("ffn_mult")
    if type(mult) not in (int, float) or not 0 < mult < 100:
        raise network.error("ffn_mult", f"is {mult!r:.60}, but a number above 0 is wanted")
    return -(-int(2 * mult * d_model / 3) // 256) * 256
