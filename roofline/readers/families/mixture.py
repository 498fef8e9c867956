"""Mixtures of experts with grouped-query attention."""

from __future__ import annotations

from roofline.readers.config import Config
from roofline.readers.families.dense import window_from_layer
from roofline.readers.families.description import (
    Description,
    bias,
    dense,
    experts,
    grouped_query,
    layer_count,
    layer_types,
    sparse_layers,
)


def mixtral(c: Config) -> Description:
    """Mixtral: experts in every layer."""
    c.expect("hidden_act", "silu")
    window = c.number("sliding_window", None)
    name = "sliding" if window else "full"
    ffn = experts(c.number("num_local_experts"), c.number("num_experts_per_tok"), c.number("intermediate_size"))
    layers = [(name, "experts")] * layer_count(c)
    attention = {name: grouped_query(c, window=window)}
    return Description(c, layers, attention, {"experts": ffn}, c.flag("tie_word_embeddings", default=False))


def qwen3_moe(c: Config) -> Description:
    """Qwen3 with experts: norms on queries and keys."""
    c.expect("use_qk_norm", True)
    c.expect("qkv_bias", False)
    return _qwen_moe(c, bias(c, "attention_bias", default=False), "head")


def qwen2_moe(c: Config) -> Description:
    """Qwen1.5 and Qwen2 with experts: biases, and a gated shared expert."""
    return _qwen_moe(c, bias(c, "qkv_bias", "q", "k", "v", default=True), "none")


def _qwen_moe(c: Config, biases: list[str], qk_norm: str) -> Description:
    c.expect("hidden_act", "silu")
    count = layer_count(c)
    mixers, sparse = window_from_layer(c), sparse_layers(c, count)
    window = c.number("sliding_window", None) if "sliding" in mixers else None
    shared = c.count("shared_expert_intermediate_size", 0)
    ffn = {
        "experts": experts(
            c.number(c.either("num_experts", "num_local_experts")),
            c.number("num_experts_per_tok"),
            c.number("moe_intermediate_size"),
            shared_d_ff=shared,
            shared_gate=shared > 0,
        )
    }
    if not all(sparse):
        ffn["dense"] = dense(c.number("intermediate_size"))
    c.ignore("intermediate_size")
    attention = {
        "full": grouped_query(c, bias=biases, qk_norm=qk_norm),
        "sliding": grouped_query(c, bias=biases, qk_norm=qk_norm, window=window),
    }
    layers = [(mixer, "experts" if moe else "dense") for mixer, moe in zip(mixers, sparse, strict=True)]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def glm4_moe(c: Config) -> Description:
    """GLM-4.5 to 4.7: dense layers first, one shared expert."""
    c.expect("hidden_act", "silu")
    attention = grouped_query(
        c,
        bias=bias(c, "attention_bias", "q", "k", "v", default=False),
        qk_norm="head" if c.flag("use_qk_norm", default=False) else "none",
    )
    return after_dense_layers(c, "full", {"full": attention}, 1)


def dots1(c: Config) -> Description:
    """dots.llm1: norms on queries and keys."""
    c.expect("hidden_act", "silu")
    attention = grouped_query(c, bias=bias(c, "attention_bias", default=False), qk_norm="head")
    count = layer_count(c)
    attention_types = set(layer_types(c, ["full"] * count))
    if attention_types != {"full"}:
        raise c.error("layer_types", "has windows, which this family's description does not cover")
    c.ignore("sliding_window")
    return after_dense_layers(c, "full", {"full": attention}, 0)


def after_dense_layers(
    c: Config, mixer: str | list[str], attention: dict[str, dict[str, object]], unsaid: int
) -> Description:
    """Return layers of which the first ``first_k_dense_replace`` are dense; keys as DeepSeek named them."""
    count = layer_count(c)
    sparse = sparse_after(c, count, unsaid)
    shared = c.count(c.either("n_shared_experts", "num_shared_experts"), 0)
    width = c.number("moe_intermediate_size")
    ffn = {
        "dense": dense(c.number("intermediate_size")) if not all(sparse) else {},
        "experts": experts(
            c.number(c.either("n_routed_experts", "num_routed_experts", "num_experts")),
            c.number(c.either("num_experts_per_tok", "num_experts_per_token")),
            width,
            router_bias=True,
            shared_d_ff=shared * width,
            latent=c.number("routed_expert_hidden_size", None),
        ),
    }
    c.ignore("intermediate_size", "n_routed_experts", "num_routed_experts")
    mixers = [mixer] * count if isinstance(mixer, str) else mixer
    layers = [(name, "experts" if moe else "dense") for name, moe in zip(mixers, sparse, strict=True)]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def sparse_after(c: Config, count: int, unsaid: int) -> list[bool]:
    """Return which layers have experts: ``mlp_layer_types``, or ``first_k_dense_replace`` and ``moe_layer_freq``."""
    first = c.count("first_k_dense_replace", unsaid)
    frequency = c.raw("moe_layer_freq")
    kinds = c.items("mlp_layer_types", str, count, None)
    if kinds is not None:
        if odd := set(kinds) - {"dense", "sparse"}:
            raise c.error("mlp_layer_types", f"has {odd.pop()!r:.40}, but 'dense' or 'sparse' is wanted")
        return [kind == "sparse" for kind in kinds]
    if isinstance(frequency, list):
        return [flag == 1 for flag in c.items("moe_layer_freq", int, count)]
    c.expect("moe_layer_freq", 1)
    return [index >= first for index in range(count)]


def ernie_moe(c: Config) -> Description:
    """ERNIE 4.5 with experts: from ``moe_layer_start_index`` on."""
    c.expect("hidden_act", "silu")
    biased = c.flag("use_bias", default=False)
    count, width = layer_count(c), c.number("moe_intermediate_size")
    first, step = c.count("moe_layer_start_index", 1), c.number("moe_layer_interval", 1)
    last = c.raw("moe_layer_end_index")
    end = count - 1 if last in (None, -1) else c.count("moe_layer_end_index")
    sparse = [first <= index <= end and (index + 1) % step == 0 for index in range(count)]
    c.ignore("moe_capacity", "moe_gate", "moe_use_aux_free")
    ffn = {
        "dense": dense(c.number("intermediate_size"), bias=biased),
        "experts": experts(
            c.number("moe_num_experts"),
            c.number("moe_k"),
            width,
            router_bias=True,
            bias=biased,
            shared_d_ff=c.count("moe_num_shared_experts", 0) * width,
        ),
    }
    attention = {"full": grouped_query(c, bias=["q", "k", "v", "output"] if biased else [])}
    layers = [("full", "experts" if moe else "dense") for moe in sparse]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=True))


def hunyuan_moe(c: Config) -> Description:
    """Hunyuan with experts: one shared network in every layer, widths that may be lists."""
    c.expect("hidden_act", "silu")
    c.expect("use_qk_norm", True)
    c.expect("use_mixed_mlp_moe", True)
    c.expect("use_cla", False)
    c.expect("moe_layer_num_skipped", 0)
    c.ignore(
        "attention_head_dim", "cla_share_factor", "norm_type", "mlp_bias", "intermediate_size", "num_shared_expert"
    )
    c.ignore("moe_drop_tokens", "moe_random_routing_dropped_token", "capacity_factor", "group_limited_greedy")
    width = _same(c, c.either("moe_intermediate_size", "intermediate_size"))
    shared = _same(c, "num_shared_expert") if "num_shared_expert" in c else 1
    ffn = experts(
        _same(c, "num_experts"),
        _same(c, c.either("moe_topk", "num_experts_per_tok")),
        width,
        shared_d_ff=shared * width,
    )
    attention = grouped_query(c, bias=bias(c, "attention_bias", default=False), qk_norm="head")
    layers = [("full", "experts")] * layer_count(c)
    return Description(c, layers, {"full": attention}, {"experts": ffn}, c.flag("tie_word_embeddings", default=False))


def _same(c: Config, key: str) -> int:
    """Return a number that may be a list with one entry a layer, all equal."""
    if not isinstance(c.raw(key), list):
        return c.number(key)
    values = set(c.items(key, int, layer_count(c)))
    if len(values) != 1 or min(values) < 1:
        raise c.error(key, "differs from layer to layer, which this family's description does not cover")
    return values.pop()


def minimax_m2(c: Config) -> Description:
    """MiniMax-M2: norms on whole projections."""
    c.expect("hidden_act", "silu")
    c.expect("qk_norm_type", "per_layer")
    c.expect("use_qk_norm", True)
    c.expect("shared_intermediate_size", 0)
    count = layer_count(c)
    if set(c.items("attn_type_list", int, count, [1])) != {1}:
        raise c.error("attn_type_list", "has linear layers, which this family's description does not cover")
    ffn = experts(
        c.number("num_local_experts"),
        c.number("num_experts_per_tok"),
        c.number("intermediate_size"),
        router_bias=c.flag("use_routing_bias", default=True),
    )
    attention = grouped_query(c, qk_norm="projection")
    layers = [("full", "experts")] * count
    return Description(c, layers, {"full": attention}, {"experts": ffn}, c.flag("tie_word_embeddings", default=False))


def minimax_m3(c: Config) -> Description:
    """MiniMax-M3: after the first layers, attention to the blocks of tokens that a small index chooses."""
    c.expect("hidden_act", "swigluoai", "silu")
    c.expect("qk_norm_type", "per_head")
    c.expect("use_qk_norm", True)
    c.expect("attention_output_gate", False)
    c.ignore("moe_intermediate_size")
    count = layer_count(c)
    sparse = [flag == 1 for flag in c.items("moe_layer_freq", int, count)]
    c.ignore("first_k_dense_replace")
    sparse_config = c.table("sparse_attention_config")
    sparse_config.expect("use_sparse_attention", True)
    sparse_config.ignore("sparse_disable_index_value", "sparse_score_type", "sparse_init_block", "sparse_local_block")
    chosen = [flag == 1 for flag in sparse_config.items("sparse_attention_freq", int, count)]
    tokens = sparse_config.number("sparse_topk_blocks") * sparse_config.number("sparse_block_size")
    index = {
        "heads": sparse_config.number("sparse_num_index_heads"),
        "d_head": sparse_config.number("sparse_index_dim"),
        "norms": "query-and-key",
        "head_weights": False,
    }
    attention = {
        "full": grouped_query(c, qk_norm="head"),
        "chosen": grouped_query(c, qk_norm="head", selection={"top_k": tokens, "indexer": index}),
    }
    ffn = {
        "dense": dense(c.number("dense_intermediate_size")),
        "experts": experts(
            c.number("num_local_experts"),
            c.number("num_experts_per_tok"),
            c.number("intermediate_size"),
            router_bias=c.flag("use_routing_bias", default=True),
            shared_d_ff=c.count("n_shared_experts", 1) * c.count("shared_intermediate_size", 0),
        ),
    }
    layers = [
        ("chosen" if few else "full", "experts" if moe else "dense") for few, moe in zip(chosen, sparse, strict=True)
    ]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def gpt_oss(c: Config) -> Description:
    """gpt-oss: every other layer has a window; sinks, biases everywhere."""
    c.expect("hidden_act", "silu")
    count = layer_count(c)
    biases = bias(c, "attention_bias", default=True)
    unsaid = ["sliding" if index % 2 == 0 else "full" for index in range(count)]
    window = c.number("sliding_window", 128)
    ffn = experts(
        c.number(c.either("num_local_experts", "num_experts")),
        c.number(c.either("num_experts_per_tok", "experts_per_token")),
        c.number("intermediate_size"),
        bias=True,
        router_bias=True,
    )
    c.ignore("experts_per_token")
    attention = {
        "sliding": grouped_query(c, window=window, bias=biases, sinks=True),
        "full": grouped_query(c, bias=biases, sinks=True),
    }
    layers = [(name, "experts") for name in layer_types(c, unsaid)]
    return Description(c, layers, attention, {"experts": ffn}, c.flag("tie_word_embeddings", default=False))


def llama4(c: Config) -> Description:
    """Llama 4: chunked attention in most layers; one routed expert and one shared one."""
    c.expect("hidden_act", "silu")
    c.ignore("for_llm_compressor", "use_qk_norm", "moe_layers")
    count, width = layer_count(c), c.number("intermediate_size")
    biases = bias(c, "attention_bias", default=False)
    rotated = c.items("no_rope_layers", int, count, None) or []
    every = c.number("no_rope_layer_interval", 4)
    rotates = [flag == 1 for flag in rotated] or [(index + 1) % every != 0 for index in range(count)]
    chunk = c.number("attention_chunk_size", None)
    unsaid = ["chunked" if chunk and rotation else "full" for rotation in rotates]
    step = c.number("interleave_moe_layer_step", 1)
    sparse = set(c.items("moe_layers", int, None, None) or range(step - 1, count, step))
    ffn = {
        "experts": experts(c.number("num_local_experts"), c.number("num_experts_per_tok"), width, shared_d_ff=width),
        "dense": dense(c.number("intermediate_size_mlp")) if len(sparse) < count else {},
    }
    c.ignore("intermediate_size_mlp")
    attention = {"chunked": grouped_query(c, chunk=chunk, bias=biases), "full": grouped_query(c, bias=biases)}
    mixers = layer_types(c, unsaid, ("full", "chunked"))
    layers = [(mixer, "experts" if index in sparse else "dense") for index, mixer in enumerate(mixers)]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def mimo_v2_flash(c: Config) -> Description:
    """MiMo-V2: windowed layers with heads of their own, values narrower than keys."""
    c.expect("hidden_act", "silu")
    c.ignore("attention_chunk_size", "sliding_window_size")
    count = layer_count(c)
    biases = bias(c, "attention_bias", "q", "k", "v", default=False)
    mixers = ["sliding" if flag == 1 else "full" for flag in c.items("hybrid_layer_pattern", int, count)]
    attention = {
        "full": grouped_query(
            c, bias=biases, d_value=c.number("v_head_dim"), sinks=c.flag("add_full_attention_sink_bias", default=False)
        ),
        "sliding": grouped_query(
            c,
            heads=c.number("swa_num_attention_heads"),
            kv_heads=c.number("swa_num_key_value_heads"),
            d_head=c.number("swa_head_dim"),
            d_value=c.number("swa_v_head_dim"),
            window=c.number("sliding_window"),
            bias=biases,
            sinks=c.flag("add_swa_attention_sink_bias", default=True),
        ),
    }
    return after_dense_layers(c, mixers, attention, 0)


def step3p5(c: Config) -> Description:
    """Step-3.5 and 3.7: windowed layers with more heads, a gate for each head."""
    c.expect("hidden_act", "silu")
    c.expect("att_impl_type", "GQA")
    c.expect("use_qk_norm", True)
    c.expect("use_moe", True)
    c.expect("use_head_wise_attn_gate", True)
    c.ignore("moe_layer_offset", "moe_every_n_layer", "num_attention_groups")
    count = layer_count(c)
    kv_heads = c.number(c.either("num_attention_groups", "num_key_value_heads"))
    mixers = layer_types(c, ["full"] * count)
    attention = {"full": grouped_query(c, kv_heads=kv_heads, qk_norm="head", gate="head")}
    if "sliding" in mixers:
        other = c.table("attention_other_setting")
        other.expect("attention_type", "sliding_attention")
        other.ignore("true_head_dim")
        attention["sliding"] = grouped_query(
            c,
            heads=other.number("num_attention_heads"),
            kv_heads=other.number("num_attention_groups"),
            d_head=other.number("head_dim"),
            window=c.number("sliding_window"),
            qk_norm="head",
            gate="head",
        )
    sparse = _step_sparse(c, count)
    ffn = {
        "dense": dense(c.number("intermediate_size")),
        "experts": experts(
            c.number(c.either("moe_num_experts", "n_routed_experts", "num_experts")),
            c.number(c.either("moe_top_k", "num_experts_per_tok")),
            c.number("moe_intermediate_size"),
            router_bias=c.flag("use_moe_router_bias", default=True),
            shared_d_ff=c.count(c.either("share_expert_dim", "share_expert_dims"), 0),
        ),
    }
    layers = [(name, "experts" if index in sparse else "dense") for index, name in enumerate(mixers)]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def _step_sparse(c: Config, count: int) -> set[int]:
    listed = c.raw("moe_layers_enum")
    if listed is None:
        return {index for index, sparse in enumerate(sparse_after(c, count, 3)) if sparse}
    if not isinstance(listed, str) or not all(item.strip().isdecimal() for item in listed.split(",")):
        raise c.error("moe_layers_enum", f"is {listed!r:.60}, but layer numbers with commas between are wanted")
    return {int(item) for item in listed.split(",")}


def laguna(c: Config) -> Description:
    """Laguna: a gate on attention's output, one shared expert."""
    c.expect("hidden_act", "silu")
    c.ignore("moe_routed_scaling_factor", "moe_apply_router_weight_on_input", "mlp_layer_types")
    biases, window = bias(c, "attention_bias", default=False), c.number("sliding_window", 512)
    gating = c.raw("gating")
    gate = "element-wise" if gating not in (None, True, "per-head") else "head"
    if gate != "head":
        raise c.error("gating", f"is {gating!r:.40}, but only true or 'per-head' is understood here")
    count = layer_count(c)
    kinds = {"full": {}, "sliding": {"window": window}}
    mixers = layer_types(c, ["full"] * count)
    heads = c.items("num_attention_heads_per_layer", int, count, None)
    attention, names = {}, []
    for index, mixer in enumerate(mixers):
        number = heads[index] if heads else c.number("num_attention_heads")
        name = f"{mixer}-{number}" if heads else mixer
        attention[name] = grouped_query(c, heads=number, bias=biases, qk_norm="head", gate="head", **kinds[mixer])
        names.append(name)
    c.ignore("num_attention_heads")
    sparse = sparse_after(c, count, 1)
    ffn = {
        "dense": dense(c.number("intermediate_size")),
        "experts": experts(
            c.number("num_experts"),
            c.number("num_experts_per_tok"),
            c.number("moe_intermediate_size"),
            router_bias=True,
            shared_d_ff=c.number("shared_expert_intermediate_size"),
        ),
    }
    layers = [(name, "experts" if moe else "dense") for name, moe in zip(names, sparse, strict=True)]
    return Description(c, layers, attention, ffn, c.flag("tie_word_embeddings", default=False))


def phimoe(c: Config) -> Description:
    """Phi-3.5-MoE: LayerNorms with biases."""
    c.expect("hidden_act", "silu")
    c.ignore("lm_head_bias", "attention_bias")
    c.expect("lm_head_bias", False)
    biases = bias(c, "attention_bias", default=False)
    window = c.number("sliding_window", None)
    longest = c.number("max_position_embeddings")
    window = window if window and window < longest else None
    ffn = experts(c.number("num_local_experts"), c.number("num_experts_per_tok"), c.number("intermediate_size"))
    attention = {"full": grouped_query(c, bias=biases, window=window)}
    layers = [("full", "experts")] * layer_count(c)
    tied = c.flag("tie_word_embeddings", default=False)
    return Description(c, layers, attention, {"experts": ffn}, tied, norm_bias=True)
