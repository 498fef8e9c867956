"""From a model in given formats to the work of one forward pass: one list of operations for prefill and decode."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from roofline._remember import remember
from roofline.formats import Format, cache_format, lookup, storage_class
from roofline.operations import (
    AttentionCore,
    CacheShare,
    CompressedCore,
    GroupedQueryCore,
    IndexCore,
    LatentCore,
    Matrices,
    Operation,
    RecurrentCore,
    RoutedExperts,
    Shares,
    Storage,
    is_linear,
)
from roofline.recipes import StoredTensor, StoredWeights, stored
from roofline.specs.model import NONE, Architecture, Experts, FeedForward, ModelSpec
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
from roofline.tensors import Tensor, is_unread


@dataclass(frozen=True, slots=True, eq=False)
class Transformer:
    """A model whose weights and cache have formats: everything that the formulas need, and nothing else.

    Attributes
    ----------
    operations : in the order of a layer.
    weights_bytes : all weights as stored. [byte]
    layers : number of layers.
    d_model : width of the residual stream. [element]
    """

    operations: tuple[Operation, ...]
    weights_bytes: float
    layers: int
    d_model: int

    @property
    def caches(self) -> tuple[CacheShare, ...]:
        """What is cached of every token."""
        return tuple(share for op in self.operations if isinstance(op, AttentionCore) for share in op.cache)

    @property
    def chunks(self) -> tuple[int, ...]:
        """Chunks that some layers attend within. [token]"""
        return tuple(op.chunk for op in self.operations if isinstance(op, GroupedQueryCore) and op.chunk)

    @property
    def linear(self) -> bool:
        """Whether the work for a token grows in proportion with the tokens before it."""
        return all(is_linear(operation) for operation in self.operations)

    @property
    def widths(self) -> tuple[int, ...]:
        """Widths of the stored operands, narrowest first. [bit]"""
        return tuple(sorted({bits for operation in self.operations for bits, _ in operation.shares}))

    @property
    def state_bytes(self) -> float:
        """Recurrent state of one sequence. [byte]"""
        return sum(op.state_bytes for op in self.operations if isinstance(op, RecurrentCore))


@remember
def transformer(model: ModelSpec, weights: str, kv: str, weights_bytes: float | None = None) -> Transformer:
    """Return ``model`` with its weights in the recipe ``weights`` and its cache in the format ``kv``.

    Parameters
    ----------
    model : the model.
    weights : name of a recipe.
    kv : name of a cache format.
    weights_bytes : size of the actual file, to which the largest tensor group is rescaled; None: as the recipe. [byte]

    Returns
    -------
    Transformer

    Raises
    ------
    UnknownNameError
        No such recipe or cache format.
    """
    architecture = model.architecture
    checkpoint = stored(model, weights)
    cache = cache_format(kv)
    cores = _distinct_names([core for name in architecture.attention for core in _cores(architecture, name, cache)])
    largest, scale = rescaling(checkpoint, weights_bytes)
    parts = _parts(architecture, checkpoint.tensors, largest, scale)
    routed = {_routed_name(f): f for f in architecture.ffn.values() if isinstance(f, Experts)}
    experts = [_routed(name, f, parts.pop(name)) for name, f in routed.items()]
    matrices = {
        name: Matrices(name, part.elements, part.last_elements, part.bytes, part.shares, part.storage)
        for name, part in parts.items()
    }
    first = ("attention projections", "linear attention projections")
    last = ("feed-forward", "router", "shared experts", "output head")
    order: list[Operation] = [matrices[name] for name in first if name in matrices]
    order += cores
    order += [matrices[name] for name in last[:2] if name in matrices]
    order += experts
    order += [matrices[name] for name in last[2:] if name in matrices]
    return Transformer(
        operations=tuple(order),
        weights_bytes=weights_bytes or checkpoint.bytes,
        layers=sum(1 for _ in architecture.pattern()),
        d_model=architecture.d_model,
    )


def rescaling(checkpoint: StoredWeights, weights_bytes: float | None) -> tuple[str, float]:
    """Return the largest tensor group, and the factor that brings the whole to ``weights_bytes``."""
    sizes = checkpoint.bytes_by_group()
    largest = max(sizes, key=lambda group: sizes[group])
    if weights_bytes is None:
        return largest, 1.0
    return largest, 1 + (weights_bytes - checkpoint.bytes) / sizes[largest]


class _Part:
    """Tensors that one operation reads: bytes of all, elements of the matrices by width."""

    def __init__(self) -> None:
        self.bytes = 0.0
        self.last_bytes = 0.0
        self.elements = 0
        self.last_elements = 0
        self.by_bits: dict[int, int] = {}
        self.by_class: dict[str, float] = {}

    def add(self, stored_tensor: StoredTensor, scale: float, *, last: bool) -> None:
        size, tensor = stored_tensor.bytes * scale, stored_tensor.tensor
        self.bytes += size
        self.last_bytes += size * last
        kind = storage_class(stored_tensor.format)
        self.by_class[kind] = self.by_class.get(kind, 0.0) + size
        if not tensor.vector:
            self.elements += tensor.elements * (not last)
            self.last_elements += tensor.elements * last
            bits = stored_tensor.format.element_bits
            self.by_bits[bits] = self.by_bits.get(bits, 0) + tensor.elements

    @property
    def shares(self) -> Shares:
        total = sum(self.by_bits.values())
        return tuple((bits, elements / total) for bits, elements in self.by_bits.items())

    @property
    def storage(self) -> Storage:
        return tuple((kind, size / self.bytes) for kind, size in self.by_class.items())


_PART = {
    "attention": "attention projections",
    "linear_attention": "linear attention projections",
    "ffn": "feed-forward",
    "router": "router",
    "shared_experts": "shared experts",
    "head": "output head",
}


def _parts(
    architecture: Architecture, checkpoint: tuple[StoredTensor, ...], largest: str, scale: float
) -> dict[str, _Part]:
    """Sort all tensors that a pass reads by the operation that reads them; a layer's norms go with its projections."""
    parts: dict[str, _Part] = {}
    last_mixer = max(layer for layer, (mixer, _) in enumerate(architecture.pattern()) if mixer != NONE)
    for item in checkpoint:
        tensor = item.tensor
        if is_unread(tensor, architecture):
            continue
        if tensor.group == "norms" and tensor.layer is None:
            name = "output head"
        elif tensor.group == "norms":
            name = _PART[_with_norms(architecture, tensor)]
        elif tensor.group == "experts":
            name = _routed_name(architecture.ffn[tensor.ffn])
        else:
            name = _PART["head" if tensor.group == "embedding" else tensor.group]
        after = tensor.layer is not None and tensor.layer >= last_mixer
        last = name == "output head" or (after and not (tensor.layer == last_mixer and _feeds_cache(tensor)))
        parts.setdefault(name, _Part()).add(item, scale if tensor.group == largest else 1.0, last=last)
    return parts


def _feeds_cache(tensor: Tensor) -> bool:
    """Whether later tokens need what this tensor makes of every token, even in the last layer."""
    return tensor.group == "attention" and tensor.name in _CACHED


_CACHED = frozenset(
    {"k", "v", "kv_a", "index k", "compressor k", "compressor gate", "index compressor k", "index compressor gate"}
)


def _with_norms(architecture: Architecture, tensor: Tensor) -> str:
    """Return the group whose operation the norms of a layer go with."""
    if tensor.attention == NONE:
        return "router" if isinstance(architecture.ffn[tensor.ffn], Experts) else "ffn"
    recurrent = not isinstance(architecture.attention[tensor.attention], GroupedQuery | Latent | Compressed)
    return "linear_attention" if recurrent else "attention"


def _routed_name(f: FeedForward) -> str:
    """Return what experts are called: layers with as many to choose from are one operation, whatever their widths."""
    assert isinstance(f, Experts)  # noqa: S101 (narrows the type: only these have tensors of the group)
    return f"experts, {f.top_k} of {f.experts}"


def _routed(name: str, f: Experts, part: _Part) -> RoutedExperts:
    return RoutedExperts(
        name=name,
        experts=f.experts,
        top_k=f.top_k,
        parameters=part.elements / f.experts,
        weight_bytes=(part.bytes - part.last_bytes) / f.experts,
        last_parameters=part.last_elements / f.experts,
        last_weight_bytes=part.last_bytes / f.experts,
        shares=part.shares,
        storage=part.storage,
    )


@dataclass(frozen=True, slots=True)
class _Layers:
    """How often a token mixer occurs, and whether it is the last of the model; the width of the model."""

    every: int
    last: int
    d_model: int

    @property
    def all(self) -> int:
        return self.every + self.last


def _cores(architecture: Architecture, name: str, cache: Format) -> Iterator[AttentionCore | RecurrentCore]:
    mixer = architecture.attention[name]
    mixers = [attention for attention, _ in architecture.pattern() if attention != NONE]
    last = int(mixers[-1] == name)
    yield from _CORES[type(mixer)](mixer, _Layers(mixers.count(name) - last, last, architecture.d_model), cache)


def _distinct_names(cores: list[AttentionCore | RecurrentCore]) -> list[AttentionCore | RecurrentCore]:
    """Return the cores with a number behind names that several have."""
    seen: dict[str, int] = {}
    found = []
    for core in cores:
        seen[core.name] = seen.get(core.name, 0) + 1
        number = seen[core.name]
        found.append(core if number == 1 else replace(core, name=f"{core.name} ({number})"))
    return found


def _grouped_query(a: GroupedQuery, layers: _Layers, cache: Format) -> Iterator[AttentionCore]:
    keys = layers.all * cache.row_bytes(a.kv_heads * a.d_head)
    values = layers.all * cache.row_bytes(a.kv_heads * a.value_width)
    top_k = a.selection.top_k if a.selection else None
    limits = {"window": a.window, "chunk": a.chunk, "top": top_k}
    name = ", ".join(["attention", *(f"{limit} {size}" for limit, size in limits.items() if size)])
    share = CacheShare(keys + values, a.window or a.chunk, a.kv_heads)
    yield GroupedQueryCore(
        name=f"{name}, shared cache" if a.shared_cache else name,
        heads=layers.every * a.heads,
        last_heads=layers.last * a.heads,
        d_head=a.d_head,
        d_value=a.value_width,
        read_bytes=0.0 if a.shared_cache else keys + (values if a.value_projection else 0.0),
        window=a.window,
        chunk=a.chunk,
        top_k=top_k,
        cache=() if a.shared_cache else (share,),
        shares=((cache.element_bits, 1.0),),
    )
    if a.selection and a.selection.indexer:
        yield _index(a.selection.indexer, layers, cache)


def _index(index: Indexer, layers: _Layers, cache: Format, ratio: int = 1) -> IndexCore:
    own = lookup(index.format) if index.format else cache
    narrow = min(own, cache, key=lambda f: f.bits_per_element)
    size = layers.all * narrow.row_bytes(index.d_head)
    return IndexCore(
        name="index",
        heads=layers.every * index.heads,
        last_heads=layers.last * index.heads,
        d_head=index.d_head,
        read_bytes=size,
        ratio=ratio,
        cache=(CacheShare(size / ratio, None, 1),),
        shares=((narrow.element_bits, 1.0),),
    )


def _latent(a: Latent, layers: _Layers, cache: Format) -> Iterator[AttentionCore]:
    size = layers.all * cache.row_bytes(a.kv_rank + a.d_rope)
    yield LatentCore(
        name=f"attention, top {a.selection.top_k}" if a.selection else "attention",
        heads=layers.every * a.heads,
        last_heads=layers.last * a.heads,
        shape=a,
        read_bytes=size,
        cache=(CacheShare(size, None, 1),),
        shares=((cache.element_bits, 1.0),),
    )
    if a.selection and a.selection.indexer:
        yield _index(a.selection.indexer, layers, cache)


def _compressed(a: Compressed, layers: _Layers, cache: Format) -> Iterator[AttentionCore]:
    size = layers.all * cache.row_bytes(a.d_head)
    shares = [CacheShare(size, a.window, 1)]
    name = f"attention, window {a.window}"
    if a.ratio:
        shares.append(CacheShare(size / a.ratio, None, 1))
        chosen = f"top {a.selection.top_k}" if a.selection else "all"
        name += f" and {chosen} of 1/{a.ratio}"
    yield CompressedCore(
        name=name,
        heads=layers.every * a.heads,
        last_heads=layers.last * a.heads,
        d_head=a.d_head,
        read_bytes=size,
        window=a.window,
        ratio=a.ratio,
        top_k=a.selection.top_k if a.selection else None,
        cache=tuple(shares),
        shares=((cache.element_bits, 1.0),),
    )
    if a.selection and a.selection.indexer and a.ratio:
        yield _index(a.selection.indexer, layers, cache, a.ratio)


def _state_bytes(heads: int, per_head: int, state: str, channels: int, kernel: int, conv_state: str) -> float:
    """Return the state of one layer: a table for each head, and the last tokens that a convolution looks back at."""
    table = lookup(state).tensor_bytes(heads, per_head) if heads else 0.0
    return table + lookup(conv_state).tensor_bytes(channels, kernel - 1)


def _gated_delta_net(a: GatedDeltaNet, layers: _Layers, _: Format) -> Iterator[RecurrentCore]:
    channels = 2 * a.key_heads * a.d_key + a.value_heads * a.d_value
    state = _state_bytes(
        a.value_heads, a.d_key * a.d_value, a.state_format, channels, a.conv_kernel, a.conv_state_format
    )
    yield _recurrent("delta", a.value_heads, a.d_key, a.d_value, state, layers)


def _kimi_delta(a: KimiDelta, layers: _Layers, _: Format) -> Iterator[RecurrentCore]:
    channels = 3 * a.heads * a.d_head
    state = _state_bytes(a.heads, a.d_head**2, a.state_format, channels, a.conv_kernel, a.conv_state_format)
    yield _recurrent("delta", a.heads, a.d_head, a.d_head, state, layers)


def _mamba2(a: Mamba2, layers: _Layers, _: Format) -> Iterator[RecurrentCore]:
    channels = a.heads * a.d_head + 2 * a.groups * a.d_state
    state = _state_bytes(a.heads, a.d_head * a.d_state, a.state_format, channels, a.conv_kernel, a.conv_state_format)
    yield _recurrent("state space", a.heads, a.d_state, a.d_head, state, layers)


def _recurrent(rule: str, heads: int, d_key: int, d_value: int, state: float, layers: _Layers) -> RecurrentCore:
    return RecurrentCore(
        name="linear attention state",
        rule=rule,
        heads=layers.every * heads,
        last_heads=layers.last * heads,
        d_key=d_key,
        d_value=d_value,
        state_bytes=layers.all * state,
    )


def _short_convolution(a: ShortConvolution, layers: _Layers, _: Format) -> Iterator[RecurrentCore]:
    state = lookup(a.conv_state_format).tensor_bytes(layers.d_model, a.conv_kernel - 1)
    yield replace(_recurrent("convolution", 0, 1, 1, state, layers), name="convolution state")


_CORES: dict[type, Callable[[Any, _Layers, Format], Iterator[AttentionCore | RecurrentCore]]] = {
    GroupedQuery: _grouped_query,
    Latent: _latent,
    Compressed: _compressed,
    GatedDeltaNet: _gated_delta_net,
    KimiDelta: _kimi_delta,
    Mamba2: _mamba2,
    ShortConvolution: _short_convolution,
}
"""What makes the operations of each kind of token mixer."""
