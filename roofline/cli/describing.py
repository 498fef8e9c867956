"""An architecture in words: what its layers are, and in which order."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator

from roofline.specs.model import NONE, Architecture, Dense, Experts, FeedForward
from roofline.specs.token_mixers import (
    Compressed,
    GatedDeltaNet,
    GroupedQuery,
    KimiDelta,
    Latent,
    Mamba2,
    Recurrent,
    Selection,
    TokenMixer,
)

LONGEST_PATTERN = 190
"""A pattern that takes more characters is counted instead of spelled out."""


def what_it_is(a: Architecture) -> str:
    """Return the kind of model: ``"mixture of experts"``, ``"dense model with linear attention"`` ..."""
    sparse = any(isinstance(network, Experts) for network in a.ffn.values())
    recurrent = any(isinstance(mixer, Recurrent) for mixer in a.attention.values())
    attends = any(not isinstance(mixer, Recurrent) for mixer in a.attention.values())
    base = "mixture of experts" if sparse else "dense model"
    if not recurrent:
        return base
    return f"{base}, a hybrid of attention and recurrence" if attends else f"{base} without attention"


def layers(a: Architecture) -> str:
    """Return the order of the layers in words: ``"18 x (sliding, full)"``."""
    every = list(a.pattern())
    if len(set(every)) == 1:
        return f"{len(every)}, all alike"
    spelled = ", then ".join(_runs(a))
    if len(spelled) <= LONGEST_PATTERN:
        return f"{len(every)}: {spelled}"
    counted = Counter(_label(a, layer) for layer in every)
    return f"{len(every)}: {', '.join(f'{number} {label}' for label, number in counted.most_common())}"


def _runs(a: Architecture) -> Iterator[str]:
    for run in a.layers:
        labels = [_label(a, layer) for layer in zip(run.attention, run.ffn, strict=True)]
        alike = [(label, sum(1 for _ in group)) for label, group in itertools.groupby(labels)]
        if len(alike) == 1:
            yield f"{run.repeat * alike[0][1]} {alike[0][0]}"
        else:
            inside = ", ".join(label if number == 1 else f"{number} {label}" for label, number in alike)
            yield f"{run.repeat} x ({inside})" if run.repeat > 1 else inside


def _label(a: Architecture, layer: tuple[str, str]) -> str:
    """Return what tells a layer from the others: its attention, its network, or both."""
    parts = []
    if len(a.attention) > 1 or len({attention for attention, _ in a.pattern()}) > 1:
        parts.append(layer[0])
    if len({ffn for _, ffn in a.pattern()}) > 1:
        parts.append(layer[1])
    return " + ".join(part for part in parts if part != NONE) or "empty"


def mixer(m: TokenMixer) -> str:
    """Return a token mixer in words."""
    match m:
        case GroupedQuery():
            return ", ".join(_grouped_query(m))
        case Latent():
            cached = f"caching one vector of {m.kv_rank} + {m.d_rope} a token"
            gate = ", output gate" if m.gate != "none" else ""
            return f"latent (MLA): {m.heads} heads, {cached}{_chosen(m.selection, 'tokens')}{gate}"
        case Compressed():
            entries = f" and to entries of {m.ratio} tokens each" if m.ratio else ""
            near = f"{m.heads} heads, {m.d_head} wide, to the last {m.window:,} tokens"
            return f"compressed: {near}{entries}{_chosen(m.selection, 'of them')}"
    return _recurrent(m)


def _recurrent(m: Recurrent) -> str:
    over = f"convolution over {m.conv_kernel} tokens"
    match m:
        case GatedDeltaNet():
            heads = f"{m.key_heads} key and {m.value_heads} value heads"
            return f"linear (gated DeltaNet): {heads}, {m.d_key} x {m.d_value}, {over}"
        case KimiDelta():
            return f"linear (Kimi delta): {m.heads} heads, {m.d_head} x {m.d_head}, {over}"
        case Mamba2():
            return f"state space (Mamba-2): {m.heads} heads, {m.d_head} x {m.d_state}, {over}"
    return f"gated {over}"


def _grouped_query(m: GroupedQuery) -> Iterator[str]:
    width = f"{m.d_head} wide" if m.value_width == m.d_head else f"keys {m.d_head} and values {m.value_width} wide"
    if m.heads == m.kv_heads:
        yield f"multi-head: {m.heads} heads, {width}"
    elif m.kv_heads == 1:
        yield f"multi-query: {m.heads} heads share one of keys and values, {width}"
    else:
        yield f"grouped-query: {m.heads} heads share {m.kv_heads} of keys and values, {width}"
    if m.window:
        yield f"last {m.window:,} tokens"
    if m.chunk:
        yield f"within chunks of {m.chunk:,} tokens"
    if m.selection:
        yield _chosen(m.selection, "tokens").lstrip(", ")
    if m.shared_cache:
        yield "cache of an earlier layer"
    if not m.value_projection:
        yield "values are the keys"
    yield from (what for present, what in ((m.qk_norm != "none", "QK norm"), (m.sinks, "sinks")) if present)
    if m.bias:
        yield f"bias on {' '.join(m.bias)}"
    if m.gate != "none":
        yield "output gate"


def _chosen(selection: Selection | None, what: str) -> str:
    if selection is None:
        return ""
    by = "an indexer" if selection.indexer else "an earlier layer"
    return f", {selection.top_k:,} {what} chosen by {by}"


def network(f: FeedForward) -> str:
    """Return a feed-forward network in words."""
    if isinstance(f, Dense):
        return f"dense, {f.d_ff:,} wide{'' if f.gated else ', not gated'}{', bias' if f.bias else ''}"
    shared = f", and shared ones, {f.shared_d_ff:,} wide" if f.shared_d_ff else ""
    inside = f", working at width {f.latent:,}" if f.latent else ""
    plain = "" if f.gated else ", not gated"
    return f"{f.top_k} of {f.experts} experts a token, {f.d_expert:,} wide{plain}{inside}{shared}"


def in_brief(part: TokenMixer | FeedForward) -> str:
    """Return a token mixer or a network in a few words, for a table."""
    match part:
        case Dense():
            return f"dense, {part.d_ff:,} wide"
        case Experts():
            shared = ", shared ones" if part.shared_d_ff else ""
            return f"{part.top_k} of {part.experts} experts, {part.d_expert:,} wide{shared}"
        case GroupedQuery():
            limit = part.window or part.chunk
            heads = f"{part.heads} to {part.kv_heads} heads, {part.d_head} wide"
            return f"grouped-query, {heads}{f', {limit:,} tokens' if limit else ''}"
    return mixer(part).partition(":")[0]
