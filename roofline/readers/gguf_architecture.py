"""From the metadata and the shapes of a GGUF file to the architecture of the model.

What a layer is made of is told by which tensors it has; how wide and how many, by the metadata, which the tensors must
then agree with. What neither says, the rule of llama.cpp for the architecture does: ``load_arch_hparams`` in
``src/models`` of https://github.com/ggml-org/llama.cpp, read 2026-11-21.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pydantic import ValidationError

from roofline.readers.gguf_metadata import Facts
from roofline.readers.gguf_tensors import NORMS, Layer, SortedTensors
from roofline.specs.model import NONE, Architecture

_PERIODS = {"gemma2": 2, "gemma3": 6, "gpt-oss": 2, "llama4": 4, "olmo2": 4}
"""Every so many layers, the last one attends to everything, where the file does not say which do."""

_GEMMA_2_WINDOW = 4096
_LLAMA_4_CHUNK = 8192


def read_architecture(facts: Facts, found: SortedTensors, source: str) -> Architecture:
    """Return the architecture of the model.

    Parameters
    ----------
    facts : the metadata.
    found : the tensors.
    source : name of the source that the architecture cites.

    Raises
    ------
    ModelFileError
        The metadata lacks something, or tensors are missing.
    """
    embedding = found.model.get("token_embd.weight")
    if embedding is None or len(embedding.shape) != 2:
        facts.fail("it has no tensor token_embd.weight with a row for each token, which every model has")
    limits = list(_limits(facts, len(found.layers)))
    mixers = [_mixer(facts, found, layer, limit) for layer, limit in zip(found.layers, limits, strict=True)]
    networks = [_network(facts, layer) for layer in found.layers]
    attention, attention_names = _named(mixers, _MIXER_NAMES)
    ffn, ffn_names = _named(networks, {"dense": "dense", "moe": "experts"})
    norms = {sum(f"{stem}.weight" in layer for stem in NORMS) for layer in found.layers}
    if len(norms) > 1:
        facts.fail(
            f"its layers have different numbers of norms ({', '.join(map(str, sorted(norms)))}), but one is wanted"
        )
    data = {
        "source": source,
        "d_model": facts.needed("embedding_length"),
        "vocab": embedding.shape[1],
        "max_context": facts.needed("context_length"),
        "tied_embeddings": "output.weight" not in found.model,
        "norms_per_layer": norms.pop(),
        "norm_bias": any("attn_norm.bias" in layer for layer in found.layers),
        "layer_scalars": int(any("layer_output_scale.weight" in layer for layer in found.layers)),
        "attention": attention,
        "ffn": ffn,
        "layers": list(_runs(attention_names, ffn_names)),
        "extra": list(_extra(facts, found, embedding.shape[1], ffn_names)),
    }
    try:
        return Architecture.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        key, message = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
        facts.fail(f"its metadata makes no architecture: {key}: {message} (found {first['input']!r:.60})")


def _limits(facts: Facts, layers: int) -> Iterator[dict[str, int]]:
    """Yield the window or chunk of each layer, if any."""
    size = facts.number("attention.sliding_window")
    key = "window"
    if facts.name == "llama4" and size != 0:
        key, size = "chunk", _LLAMA_4_CHUNK
    if facts.name == "gemma2" and size is None:
        size = _GEMMA_2_WINDOW
    pattern = facts.value("attention.sliding_window_pattern")
    if isinstance(pattern, tuple):
        if len(pattern) < layers:
            facts.fail(f"{facts.name}.attention.sliding_window_pattern has {len(pattern)} values for {layers} layers")
        limited = [bool(value) for value in pattern[:layers]]
    else:
        period = facts.number("attention.sliding_window_pattern")
        period = _PERIODS.get(facts.name, 0) if period is None else period
        limited = [period == 0 or layer % period < period - 1 for layer in range(layers)]
    for inside in limited:
        yield {key: size} if size and inside else {}


_MIXER_NAMES = {
    "gqa": "full",
    "mla": "latent",
    "gated-deltanet": "delta",
    "kda": "delta",
    "mamba2": "mamba",
    "short-conv": "convolution",
}


def _mixer(facts: Facts, found: SortedTensors, layer: Layer, limit: dict[str, int]) -> dict[str, Any] | None:
    """Return the token mixer of a layer, told by the tensors it has; None if it has none."""
    makers: dict[str, Callable[[], dict[str, Any]]] = {
        "attn_kv_a_mqa.weight": lambda: _latent(facts, found, layer),
        "ssm_f_a.weight": lambda: _kimi_delta(facts, layer),
        "ssm_ba.weight": lambda: _gated_delta_net(facts),
        "ssm_alpha.weight": lambda: _gated_delta_net(facts),
        "ssm_in.weight": lambda: _mamba2(facts, layer),
        "shortconv.in_proj.weight": lambda: _short_convolution(facts, layer),
        "attn_q.weight": lambda: _grouped_query(facts, found, layer, limit),
        "attn_qkv.weight": lambda: _grouped_query(facts, found, layer, limit),
    }
    return next((make() for name, make in makers.items() if name in layer), None)


def _grouped_query(facts: Facts, found: SortedTensors, layer: Layer, limit: dict[str, int]) -> dict[str, Any]:
    heads = facts.needed("attention.head_count", layer.index)
    has_kv_heads = facts.value("attention.head_count_kv") is not None
    kv_heads = facts.needed("attention.head_count_kv", layer.index) if has_kv_heads else heads
    d_head = _length(facts, "key", limit) or facts.needed("embedding_length") // heads
    d_value = _length(facts, "value", limit) or d_head
    fused = "attn_qkv.weight" in layer
    own_cache = layer.index < len(found.layers) - (facts.number("attention.shared_kv_layers") or 0)
    if not own_cache:
        _set_apart_unused(found, layer)
    return {
        "kind": "gqa",
        "heads": heads,
        "kv_heads": kv_heads,
        "d_head": d_head,
        **({} if d_value == d_head else {"d_value": d_value}),
        **limit,
        "qk_norm": _query_norm(layer, d_head),
        "bias": _biases(layer, fused=fused),
        "sinks": "attn_sinks.weight" in layer,
        "gate": _gate(layer, heads, heads * d_head),
        "value_projection": fused or "attn_v.weight" in layer or not own_cache,
        "shared_cache": not own_cache,
    }


def _length(facts: Facts, what: str, limit: dict[str, int]) -> int | None:
    """Return the width of a key or value as the metadata has it, which may differ within windows."""
    inside = facts.number(f"attention.{what}_length_swa") if limit else None
    return inside or facts.number(f"attention.{what}_length")


def _set_apart_unused(found: SortedTensors, layer: Layer) -> None:
    """Set apart projections that some files have in layers with another layer's keys and values: nothing reads them."""
    for name in ("attn_k.weight", "attn_v.weight", "attn_k_norm.weight"):
        if name in layer:
            unused = found.not_counted.setdefault("keys and values of layers that use another layer's", [])
            unused.append(layer.tensors.pop(name))


def _query_norm(layer: Layer, d_head: int) -> str:
    if "attn_q_norm.weight" not in layer:
        return "none"
    return "head" if layer.tensors["attn_q_norm.weight"].elements == d_head else "projection"


def _biases(layer: Layer, *, fused: bool) -> list[str]:
    inside = ["q", "k", "v"] if fused and "attn_qkv.bias" in layer else []
    return [*inside, *(name for name in ("q", "k", "v", "output") if f"attn_{name}.bias" in layer)]


def _gate(layer: Layer, heads: int, queries: int) -> str:
    if "attn_gate.weight" in layer:
        return "head" if layer.rows("attn_gate.weight") == heads else "separate"
    return "element" if layer.rows("attn_q.weight") == 2 * queries else "none"


def _latent(facts: Facts, found: SortedTensors, layer: Layer) -> dict[str, Any]:
    heads, kv_rank = facts.needed("attention.head_count", layer.index), facts.needed("attention.kv_lora_rank")
    d_rope = layer.rows("attn_kv_a_mqa.weight") - kv_rank
    # Files with attn_k_b state the width of the shared vector as key_length, and that of a head as key_length_mla.
    d_query = facts.number("attention.key_length_mla") or facts.needed("attention.key_length")
    d_value = facts.number("attention.value_length_mla") or facts.needed("attention.value_length")
    selection: dict[str, Any] | None = None
    if any("indexer.attn_k.weight" in other for other in found.layers):
        selection = {"top_k": facts.needed("attention.indexer.top_k")}
        if "indexer.attn_k.weight" in layer:
            selection["indexer"] = {
                "heads": facts.needed("attention.indexer.head_count"),
                "d_head": facts.needed("attention.indexer.key_length"),
            }
    return {
        "kind": "mla",
        "heads": heads,
        "kv_rank": kv_rank,
        "q_rank": layer.rows("attn_q_a.weight") or None,
        "d_nope": d_query - d_rope,
        "d_rope": d_rope,
        "d_value": d_value,
        "gate": "separate" if "attn_gate.weight" in layer else "none",
        "selection": selection,
    }


def _gated_delta_net(facts: Facts) -> dict[str, Any]:
    value_heads = facts.needed("ssm.time_step_rank")
    return {
        "kind": "gated-deltanet",
        "key_heads": facts.needed("ssm.group_count"),
        "value_heads": value_heads,
        "d_key": facts.needed("ssm.state_size"),
        "d_value": facts.needed("ssm.inner_size") // value_heads,
        "conv_kernel": facts.needed("ssm.conv_kernel"),
    }


def _kimi_delta(facts: Facts, layer: Layer) -> dict[str, Any]:
    return {
        "kind": "kda",
        "heads": facts.needed("attention.head_count", layer.index),
        "d_head": facts.needed("kda.head_dim"),
        "conv_kernel": facts.needed("ssm.conv_kernel"),
        "decay_rank": layer.rows("ssm_f_a.weight"),
        "gate_rank": layer.rows("ssm_g_a.weight") or None,
    }


def _mamba2(facts: Facts, layer: Layer) -> dict[str, Any]:
    heads = facts.needed("ssm.time_step_rank")
    return {
        "kind": "mamba2",
        "heads": heads,
        "d_head": facts.needed("ssm.inner_size") // heads,
        "d_state": facts.needed("ssm.state_size"),
        "groups": facts.needed("ssm.group_count"),
        "conv_kernel": facts.needed("ssm.conv_kernel"),
        "conv_bias": "ssm_conv1d.bias" in layer,
        "bias": "ssm_in.bias" in layer,
    }


def _short_convolution(facts: Facts, layer: Layer) -> dict[str, Any]:
    kernel = facts.needed("shortconv.l_cache")
    return {"kind": "short-conv", "conv_kernel": kernel, "bias": "shortconv.in_proj.bias" in layer}


def _network(facts: Facts, layer: Layer) -> dict[str, Any] | None:
    """Return the feed-forward network of a layer, told by the tensors it has; None if it has none."""
    if "ffn_gate_inp.weight" in layer:
        return _experts(facts, layer)
    if "ffn_up.weight" not in layer:
        return None
    d_ff = layer.columns("ffn_down.weight")
    stated = facts.number("feed_forward_length", layer.index)
    if stated and stated != d_ff:
        facts.fail(
            f"layer {layer.index} has a ffn_down.weight for a width of {d_ff}, but feed_forward_length is {stated}"
        )
    return {
        "kind": "dense",
        "d_ff": d_ff,
        "gated": "ffn_gate.weight" in layer or layer.rows("ffn_up.weight") == 2 * d_ff,
        "bias": "ffn_up.bias" in layer,
    }


def _experts(facts: Facts, layer: Layer) -> dict[str, Any]:
    d_expert = layer.columns("ffn_down_exps.weight") or layer.columns("ffn_down.0.weight")
    stated = facts.number("expert_feed_forward_length", layer.index)
    if stated and stated != d_expert:
        facts.fail(f"layer {layer.index} has experts of width {d_expert}, but expert_feed_forward_length is {stated}")
    one_each = ("exp_probs_b.bias", "ffn_gate_inp.bias", "ffn_down_exps.scale")
    gates = ("ffn_gate_exps.weight", "ffn_gate_up_exps.weight", "ffn_gate.0.weight")
    return {
        "kind": "moe",
        "experts": facts.needed("expert_count", layer.index),
        "top_k": facts.needed("expert_used_count", layer.index),
        "d_expert": d_expert,
        "gated": any(name in layer for name in gates),
        "bias": "ffn_up_exps.bias" in layer,
        "router_bias": any(name in layer for name in one_each),
        "shared_d_ff": layer.columns("ffn_down_shexp.weight") or layer.columns("ffn_down.weight"),
        "shared_gate": "ffn_gate_inp_shexp.weight" in layer,
        "latent": layer.rows("ffn_latent_down.weight") or None,
    }


def _named(tables: list[dict[str, Any] | None], names: dict[str, str]) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Return the different tables by a name for each, and the name of each layer's."""
    found: dict[str, dict[str, Any]] = {}
    known: dict[str, str] = {}
    numbers = Counter[str]()
    each = []
    for table in tables:
        if table is None:
            each.append(NONE)
            continue
        text = repr(table)
        if text not in known:
            base = _base_name(table, names)
            numbers[base] += 1
            known[text] = base if numbers[base] == 1 else f"{base}-{numbers[base]}"
            found[known[text]] = table
        each.append(known[text])
    return found, each


def _base_name(table: dict[str, Any], names: dict[str, str]) -> str:
    if "window" in table:
        return "sliding"
    return "chunked" if "chunk" in table else names[table["kind"]]


def _runs(attention: list[str], ffn: list[str]) -> Iterator[dict[str, Any]]:
    """Yield groups of layers: one that repeats throughout, or else the stretches of equal layers."""
    pairs = list(zip(attention, ffn, strict=True))
    for period in (n for n in range(1, len(pairs) // 2 + 1) if len(pairs) % n == 0):
        if pairs == pairs[:period] * (len(pairs) // period):
            first, second = zip(*pairs[:period], strict=True)
            yield {"repeat": len(pairs) // period, "attention": list(first), "ffn": list(second)}
            return
    start = 0
    for end in range(1, len(pairs) + 1):
        if end == len(pairs) or pairs[end] != pairs[start]:
            yield {"repeat": end - start, "attention": pairs[start][0], "ffn": pairs[start][1]}
            start = end


def _extra(facts: Facts, found: SortedTensors, vocab: int, ffn: list[str]) -> Iterator[dict[str, Any]]:
    """Yield what Gemma 4 has beside the usual: inputs of each layer, and a scale before the router."""
    d_model = facts.needed("embedding_length")
    if width := facts.number("embedding_length_per_layer_input"):
        every = width * len(found.layers)
        yield {"name": "per layer", "group": "embedding", "each": "model", "rows": vocab, "columns": every}
        yield {"name": "per layer", "group": "ffn", "each": "model", "rows": every, "columns": d_model}
        yield {"name": "per layer", "group": "norms", "each": "model", "columns": width, "vector": True}
        yield {"name": "per-layer gate", "group": "ffn", "each": "layer", "rows": width, "columns": d_model}
        yield {"name": "per-layer projection", "group": "ffn", "each": "layer", "rows": d_model, "columns": width}
    scaled = {name for layer, name in zip(found.layers, ffn, strict=True) if "ffn_gate_inp.scale" in layer}
    for name in sorted(scaled):
        yield {"name": "scale", "group": "router", "each": name, "columns": d_model, "vector": True}
