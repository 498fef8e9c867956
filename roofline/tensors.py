"""From an architecture to its tensors: every shape, where it stands, and which part of the model it belongs to.

Parameter counts, file sizes and bytes read are all sums over this one list.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from roofline._remember import remember
from roofline.specs.model import GROUPS, Architecture, Dense, Experts, ExtraTensor, FeedForward
from roofline.specs.token_mixers import (
    Compressed,
    GatedDeltaNet,
    GroupedQuery,
    Indexer,
    KimiDelta,
    Latent,
    Mamba2,
    ShortConvolution,
)


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor, or ``copies`` equal ones.

    Attributes
    ----------
    group : one of :data:`GROUPS`.
    name : which tensor of the group: ``"q"``, ``"down"`` ...; empty where the group has only one.
    rows, columns : output and input width; a weight is packed along its columns. Vectors have one row.
    copies : how many there are in the layer (experts).
    layer : index of the layer; None outside the layers.
    attention, ffn : name of the layer's token mixer and feed-forward network in the architecture.
    """

    group: str
    name: str
    rows: int
    columns: int
    copies: int = 1
    layer: int | None = None
    attention: str = ""
    ffn: str = ""
    vector: bool = False

    @property
    def elements(self) -> int:
        """Parameters in all copies."""
        return self.rows * self.columns * self.copies


_Shape = tuple[str, str, int, int, int, bool]


def _matrix(group: str, name: str, rows: int, columns: int, copies: int = 1) -> _Shape:
    return group, name, rows, columns, copies, False


def _vector(group: str, name: str, length: int, copies: int = 1) -> _Shape:
    return group, name, 1, length, copies, True


def _grouped_query(a: GroupedQuery, d_model: int) -> Iterator[_Shape]:
    queries, keys, values = a.heads * a.d_head, a.kv_heads * a.d_head, a.kv_heads * a.value_width
    read = a.heads * a.value_width
    yield _matrix("attention", "q", queries * (2 if a.gate == "element" else 1), d_model)
    widths = {"q": queries, "output": d_model}
    if not a.shared_cache:
        widths |= {"k": keys, "v": values}
        yield _matrix("attention", "k", keys, d_model)
        if a.value_projection:
            yield _matrix("attention", "v", values, d_model)
    yield _matrix("attention", "output", d_model, read)
    if a.gate in {"head", "separate"}:
        yield _matrix("attention", "gate", a.heads if a.gate == "head" else read, d_model)
    for name in a.bias:
        if name in widths:
            yield _vector("attention", f"{name} bias", widths[name])
    if a.qk_norm != "none":
        per_head = a.qk_norm == "head"
        yield _vector("attention", "q norm", a.d_head if per_head else queries)
        if not a.shared_cache:
            yield _vector("attention", "k norm", a.d_head if per_head else keys)
    if a.sinks:
        yield _vector("attention", "sinks", a.heads)
    if a.selection and a.selection.indexer:
        yield from _indexer(a.selection.indexer, d_model, d_model)


def _indexer(index: Indexer, d_model: int, d_query: int) -> Iterator[_Shape]:
    yield _matrix("attention", "index q", index.heads * index.d_head, d_query)
    yield _matrix("attention", "index k", index.d_head, d_model)
    if index.norms == "query-and-key":
        yield _vector("attention", "index q norm", index.d_head)
        yield _vector("attention", "index k norm", index.d_head)
    else:
        yield _vector("attention", "index k norm", 2 * index.d_head)
    if index.head_weights:
        yield _matrix("attention", "index weights", index.heads, d_model)


def _latent(a: Latent, d_model: int) -> Iterator[_Shape]:
    queries = a.heads * (a.d_nope + a.d_rope)
    if a.q_rank:
        yield _matrix("attention", "q_a", a.q_rank, d_model)
        yield _vector("attention", "q_a norm", a.q_rank)
        yield _matrix("attention", "q_b", queries, a.q_rank)
    else:
        yield _matrix("attention", "q", queries, d_model)
    yield _matrix("attention", "kv_a", a.kv_rank + a.d_rope, d_model)
    yield _vector("attention", "kv_a norm", a.kv_rank)
    yield _matrix("attention", "kv_b", a.heads * (a.d_nope + a.d_value), a.kv_rank)
    yield _matrix("attention", "output", d_model, a.heads * a.d_value)
    if a.gate == "separate":
        yield _matrix("attention", "gate", a.heads * a.d_value, d_model)
    if a.selection and a.selection.indexer:
        yield from _indexer(a.selection.indexer, d_model, a.q_rank or d_model)


def _compressed(a: Compressed, d_model: int) -> Iterator[_Shape]:
    queries = a.heads * a.d_head
    yield _matrix("attention", "q_a", a.q_rank, d_model)
    yield _vector("attention", "q_a norm", a.q_rank)
    yield _matrix("attention", "q_b", queries, a.q_rank)
    yield _matrix("attention", "k", a.d_head, d_model)
    yield _vector("attention", "k norm", a.d_head)
    yield _matrix("attention", "output_a", a.output_groups * a.output_rank, queries // a.output_groups)
    yield _matrix("attention", "output_b", d_model, a.output_groups * a.output_rank)
    yield _vector("attention", "sinks", a.heads)
    if a.ratio:
        yield from _compressor("compressor", a.d_head, a, d_model)
    if a.selection and a.selection.indexer:
        index = a.selection.indexer
        yield from _compressor("index compressor", index.d_head, a, d_model)
        yield _matrix("attention", "index q", index.heads * index.d_head, a.q_rank)
        yield _matrix("attention", "index weights", index.heads, d_model)


def _compressor(name: str, width: int, a: Compressed, d_model: int) -> Iterator[_Shape]:
    made_of = width * (2 if a.overlap else 1)
    yield _matrix("attention", f"{name} k", made_of, d_model)
    yield _matrix("attention", f"{name} gate", made_of, d_model)
    yield _vector("attention", f"{name} position", (a.ratio or 1) * made_of)
    yield _vector("attention", f"{name} norm", width)


def _gated_delta_net(a: GatedDeltaNet, d_model: int) -> Iterator[_Shape]:
    keys, values = a.key_heads * a.d_key, a.value_heads * a.d_value
    yield _matrix("linear_attention", "qkv", 2 * keys + values, d_model)
    yield _matrix("linear_attention", "z", values, d_model)
    yield _matrix("linear_attention", "ba", 2 * a.value_heads, d_model)
    yield _vector("linear_attention", "conv", (2 * keys + values) * a.conv_kernel)
    yield _vector("linear_attention", "decay and step", 2 * a.value_heads)
    yield _vector("linear_attention", "norm", a.d_value)
    yield _matrix("linear_attention", "output", d_model, values)


def _kimi_delta(a: KimiDelta, d_model: int) -> Iterator[_Shape]:
    width = a.heads * a.d_head
    for name in ("q", "k", "v"):
        yield _matrix("linear_attention", name, width, d_model)
    yield _vector("linear_attention", "conv", 3 * width * a.conv_kernel)
    yield _matrix("linear_attention", "decay_a", a.decay_rank, d_model)
    yield _matrix("linear_attention", "decay_b", width, a.decay_rank)
    yield _vector("linear_attention", "decay and step", width + a.heads)
    yield _matrix("linear_attention", "beta", a.heads, d_model)
    if a.gate_rank:
        yield _matrix("linear_attention", "gate_a", a.gate_rank, d_model)
        yield _matrix("linear_attention", "gate_b", width, a.gate_rank)
    else:
        yield _matrix("linear_attention", "gate", width, d_model)
    yield _vector("linear_attention", "norm", a.d_head)
    yield _matrix("linear_attention", "output", d_model, width)


def _mamba2(a: Mamba2, d_model: int) -> Iterator[_Shape]:
    inner, shared = a.heads * a.d_head, 2 * a.groups * a.d_state
    into = 2 * inner + shared + a.heads
    yield _matrix("linear_attention", "in", into, d_model)
    yield _vector("linear_attention", "conv", (inner + shared) * a.conv_kernel)
    if a.conv_bias:
        yield _vector("linear_attention", "conv bias", inner + shared)
    yield _vector("linear_attention", "decay and step", 3 * a.heads)
    yield _vector("linear_attention", "norm", inner)
    yield _matrix("linear_attention", "output", d_model, inner)
    if a.bias:
        yield _vector("linear_attention", "in bias", into)
        yield _vector("linear_attention", "output bias", d_model)


def _short_convolution(a: ShortConvolution, d_model: int) -> Iterator[_Shape]:
    yield _matrix("linear_attention", "in", 3 * d_model, d_model)
    yield _vector("linear_attention", "conv", d_model * a.conv_kernel)
    yield _matrix("linear_attention", "output", d_model, d_model)
    if a.bias:
        yield _vector("linear_attention", "in bias", 3 * d_model)
        yield _vector("linear_attention", "conv bias", d_model)
        yield _vector("linear_attention", "output bias", d_model)


_MIXERS: dict[type, Callable[[Any, int], Iterator[_Shape]]] = {
    GroupedQuery: _grouped_query,
    Latent: _latent,
    Compressed: _compressed,
    GatedDeltaNet: _gated_delta_net,
    KimiDelta: _kimi_delta,
    Mamba2: _mamba2,
    ShortConvolution: _short_convolution,
}


def _network(group: str, width: int, d_model: int, *, gated: bool, copies: int = 1) -> Iterator[_Shape]:
    if gated:
        yield _matrix(group, "gate", width, d_model, copies)
    yield _matrix(group, "up", width, d_model, copies)
    yield _matrix(group, "down", d_model, width, copies)


def _feed_forward(f: FeedForward, d_model: int) -> Iterator[_Shape]:
    if isinstance(f, Dense):
        yield from _network("ffn", f.d_ff, d_model, gated=f.gated)
        if f.bias:
            yield _vector("ffn", "bias", f.d_ff * (2 if f.gated else 1) + d_model)
        return
    yield _matrix("router", "", f.experts, d_model)
    if f.router_bias:
        yield _vector("router", "bias", f.experts)
    if f.latent:
        yield _matrix("ffn", "latent in", f.latent, d_model)
        yield _matrix("ffn", "latent out", d_model, f.latent)
    yield from _network("experts", f.d_expert, f.latent or d_model, gated=f.gated, copies=f.experts)
    if f.bias:
        yield _vector("experts", "bias", f.d_expert * (2 if f.gated else 1) + d_model, f.experts)
    if f.shared_d_ff:
        yield from _network("shared_experts", f.shared_d_ff, d_model, gated=f.gated)
    if f.shared_gate:
        yield _vector("shared_experts", "token gate", d_model)


def _extra(extra: ExtraTensor) -> _Shape:
    return extra.group, extra.name, extra.rows, extra.columns, 1, extra.vector


@remember
def tensors(architecture: Architecture) -> tuple[Tensor, ...]:
    """Return every tensor of the model, in order: embedding, layers, final norm, head.

    Examples
    --------
    >>> from roofline.specs import load_model
    >>> sum(t.elements for t in tensors(load_model("minimax-m2.7").architecture))
    228689764864
    """
    d_model = architecture.d_model
    mixers = {name: tuple(_MIXERS[type(a)](a, d_model)) for name, a in architecture.attention.items()}
    networks = {name: tuple(_feed_forward(f, d_model)) for name, f in architecture.ffn.items()}
    extras: dict[str, list[_Shape]] = {}
    for extra in architecture.extra:
        extras.setdefault(extra.each, []).append(_extra(extra))
    in_every_layer = [_vector("norms", "", d_model)] * architecture.norms_per_layer
    if architecture.norm_bias:
        in_every_layer += [_vector("norms", "bias", d_model)] * architecture.norms_per_layer
    in_every_layer += [_vector("norms", "scalar", 1)] * architecture.layer_scalars
    in_every_layer += extras.get("layer", [])
    found = [Tensor("embedding", "", architecture.vocab, d_model)]
    for layer, (attention, ffn) in enumerate(architecture.pattern()):
        shapes = (*mixers.get(attention, ()), *networks.get(ffn, ()), *extras.get(attention, ()), *extras.get(ffn, ()))
        for group, name, rows, columns, copies, vector in (*shapes, *in_every_layer):
            found.append(Tensor(group, name, rows, columns, copies, layer, attention, ffn, vector))
    for group, name, rows, columns, copies, vector in extras.get("model", ()):
        found.append(Tensor(group, name, rows, columns, copies, vector=vector))
    found.append(Tensor("norms", "final", 1, d_model, vector=True))
    if architecture.norm_bias:
        found.append(Tensor("norms", "final bias", 1, d_model, vector=True))
    if not architecture.tied_embeddings:
        found.append(Tensor("head", "", architecture.vocab, d_model))
    return tuple(found)


def is_unread(tensor: Tensor, architecture: Architecture) -> bool:
    """Whether a token reads no more than a row of the tensor: input embeddings, unless one is the head too."""
    return tensor.group == "embedding" and not (architecture.tied_embeddings and not tensor.name)


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameter counts of a model.

    Attributes
    ----------
    total : all parameters. [1]
    active : those that one token uses: ``top_k`` of the experts, everything else. [1]
    active_without_embedding : the same without the input embeddings, of which a token reads one row. [1]
    by_group : parameters of each of :data:`GROUPS`. [1]
    """

    total: int
    active: int
    active_without_embedding: int
    by_group: dict[str, int]


@remember
def parameters(architecture: Architecture) -> Parameters:
    """Count the parameters of a model.

    Examples
    --------
    >>> from roofline.specs import load_model
    >>> parameters(load_model("minimax-m2.7").architecture).active_without_embedding
    10415956480
    """
    by_group: dict[str, int] = dict.fromkeys(GROUPS, 0)
    idle = 0
    for tensor in tensors(architecture):
        by_group[tensor.group] += tensor.elements
        if tensor.group == "experts":
            network = architecture.ffn[tensor.ffn]
            assert isinstance(network, Experts)  # noqa: S101 (narrows the type: only Experts yield this group)
            idle += tensor.elements // network.experts * (network.experts - network.top_k)
    total = sum(by_group.values())
    unread = sum(t.elements for t in tensors(architecture) if is_unread(t, architecture))
    return Parameters(
        total=total,
        active=total - idle,
        active_without_embedding=total - idle - unread,
        by_group={group: count for group, count in by_group.items() if count},
    )
