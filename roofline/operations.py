"""The operations of a forward pass: named work that a model in given formats consists of.

Each knows its shape and asks :mod:`roofline.ops` for its cost; none knows a machine.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from roofline import ops
from roofline._xp import Num
from roofline.ops import Cost
from roofline.specs.token_mixers import Latent

RECURRENCE_BITS = 16
"""Width of the operands that a recurrence multiplies: engines multiply in 16 bits and keep the state in 32."""

Shares: TypeAlias = tuple[tuple[int, float], ...]
"""Part of an operation's FLOP by the width of the stored operand in bits."""

Storage: TypeAlias = tuple[tuple[str, float], ...]
"""Part of an operation's bytes by the storage class of their format; see :func:`roofline.formats.storage_class`."""


class Pass(NamedTuple):
    """One forward pass.

    Attributes
    ----------
    sequences : sequences in the batch. [1]
    new_tokens : tokens of each that are new; one in decode. [token]
    cached : tokens of each already in the cache. [token]
    state_reads : how often a recurrent state is read: once, or 0 where the sequences start in this pass. [1]
    """

    sequences: Num
    new_tokens: Num
    cached: Num
    state_reads: Num = 1

    @property
    def tokens(self) -> Num:
        """New tokens of all sequences. [token]"""
        return self.sequences * self.new_tokens


@dataclass(frozen=True, slots=True)
class Matrices:
    """Weight matrices.

    Attributes
    ----------
    name : what they do.
    parameters : elements that every token meets. [1]
    last_parameters : elements that only the last token of each sequence must meet: those of the head, and of the last
        layer all but keys and values. [1]
    weight_bytes : size of all. [byte]
    shares : part of the FLOP by width.
    storage : part of the bytes by storage class.
    """

    name: str
    parameters: int
    last_parameters: int
    weight_bytes: float
    shares: Shares
    storage: Storage

    def cost(self, p: Pass) -> Cost:
        """Return the work in the pass ``p``."""
        every = ops.matrix(tokens=p.tokens, parameters=self.parameters, weight_bytes=self.weight_bytes)
        if not self.last_parameters:
            return every
        return every.plus(ops.matrix(tokens=p.sequences, parameters=self.last_parameters, weight_bytes=0.0))


@dataclass(frozen=True, slots=True)
class RoutedExperts:
    """The routed experts of all layers that have the same number of them.

    Attributes
    ----------
    name : what they are.
    experts, top_k : experts of a layer, and how many of them each token uses. [1]
    parameters, weight_bytes : matrix elements and size of one expert, over all layers but the last. [1], [byte]
    last_parameters, last_weight_bytes : the same of the last layer, which only each sequence's last token must pass.
    shares : part of the FLOP by width.
    storage : part of the bytes by storage class.
    """

    name: str
    experts: int
    top_k: int
    parameters: float
    weight_bytes: float
    last_parameters: float
    last_weight_bytes: float
    shares: Shares
    storage: Storage

    def cost(self, p: Pass) -> Cost:
        """Return the work in the pass ``p`` when all tokens route alike: the least any engine reads."""
        return self._cost(p, self.top_k, self.top_k)

    def more_bytes_when_uniform(self, p: Pass) -> Num:
        """Return the bytes read beyond :meth:`cost` when every token picks its experts evenly at random."""
        every = ops.distinct_experts(experts=self.experts, top_k=self.top_k, tokens=p.tokens)
        last = ops.distinct_experts(experts=self.experts, top_k=self.top_k, tokens=p.sequences)
        return self._cost(p, every - self.top_k, last - self.top_k).weight_bytes

    def _cost(self, p: Pass, distinct: Num, distinct_in_last: Num) -> Cost:
        every = ops.routed_experts(
            tokens=p.tokens,
            top_k=self.top_k,
            distinct=distinct,
            parameters=self.parameters,
            weight_bytes=self.weight_bytes,
        )
        last = ops.routed_experts(
            tokens=p.sequences,
            top_k=self.top_k,
            distinct=distinct_in_last,
            parameters=self.last_parameters,
            weight_bytes=self.last_weight_bytes,
        )
        return every.plus(last)


@dataclass(frozen=True, slots=True)
class CacheShare:
    """What one operation caches of a token, over all its layers.

    Attributes
    ----------
    bytes_per_token : as engines store it. [byte]
    limit : tokens of a sequence that are kept; None: all. [token]
    kv_heads : heads that can be spread over devices; the rest of the devices keep copies. [1]
    """

    bytes_per_token: float
    limit: int | None
    kv_heads: int

    def replicas(self, tensor_parallel: int) -> float:
        """Return how often engines store it when heads are spread over devices."""
        return max(1.0, tensor_parallel / self.kv_heads)


class _OverCache:
    """Attention over a cache: the last layer's output is needed for the last token of each sequence only."""

    __slots__ = ()
    heads: int
    last_heads: int
    read_bytes: float

    def cost(self, p: Pass) -> Cost:
        """Return the work in the pass ``p``."""
        every = self._cost(p, p.new_tokens, p.cached, self.heads, self.read_bytes)
        if not self.last_heads:
            return every
        return every.plus(self._cost(p, 1, p.cached + p.new_tokens - 1, self.last_heads, 0.0))

    def _cost(self, p: Pass, new_tokens: Num, cached: Num, heads: int, read_bytes: float) -> Cost:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class GroupedQueryCore(_OverCache):
    """Grouped-query attention over the cache, in all layers of one kind.

    Attributes
    ----------
    name : what it is.
    heads : query heads whose output every token needs, all layers together. [1]
    last_heads : query heads of the last layer, whose output only the last token of each sequence needs. [1]
    d_head, d_value : width of a key and of a value. [element]
    read_bytes : keys and values that must be read of a token, all layers together. [byte]
    window, chunk, top_k : tokens that a token attends to, at most one of the three; None: all. [token]
    cache : what is stored.
    shares : part of the FLOP by width.
    """

    name: str
    heads: int
    last_heads: int
    d_head: int
    d_value: int
    read_bytes: float
    window: int | None
    chunk: int | None
    top_k: int | None
    cache: tuple[CacheShare, ...]
    shares: Shares

    def _cost(self, p: Pass, new_tokens: Num, cached: Num, heads: int, read_bytes: float) -> Cost:
        return ops.attention(
            sequences=p.sequences,
            pairs=_pairs(new_tokens, cached, self.window or self.top_k, self.chunk),
            read_tokens=_read_tokens(p.cached, self.window or self.top_k, self.chunk),
            heads=heads,
            d_head=self.d_head,
            d_value=self.d_value,
            kv_bytes_per_token=read_bytes,
        )


def _pairs(new_tokens: Num, cached: Num, window: int | None, chunk: int | None) -> Num:
    if chunk is not None:
        return ops.attended_pairs_in_chunk(new_tokens=new_tokens, cached=cached, chunk=chunk)
    if window is not None:
        return ops.attended_pairs_in_window(new_tokens=new_tokens, cached=cached, window=window)
    return ops.attended_pairs(new_tokens=new_tokens, cached=cached)


def _read_tokens(cached: Num, window: int | None, chunk: int | None) -> Num:
    """Return the cached tokens that must be read.

    The first new token is one of those in its window, or of those chosen; later ones may need no other cached tokens.
    """
    if chunk is not None:
        return ops.tokens_in_chunk(tokens=cached, chunk=chunk)
    if window is not None:
        return ops.tokens_in_window(tokens=cached, window=window - 1)
    return cached


@dataclass(frozen=True, slots=True)
class LatentCore(_OverCache):
    """Multi-head latent attention over the cache; attributes as of :class:`GroupedQueryCore`."""

    name: str
    heads: int
    last_heads: int
    shape: Latent
    read_bytes: float
    cache: tuple[CacheShare, ...]
    shares: Shares

    def _cost(self, p: Pass, new_tokens: Num, cached: Num, heads: int, read_bytes: float) -> Cost:
        shape = self.shape
        if shape.selection is None:
            return ops.latent_attention(
                sequences=p.sequences,
                new_tokens=new_tokens,
                cached=cached,
                read_tokens=p.cached,
                heads=heads,
                kv_rank=shape.kv_rank,
                d_nope=shape.d_nope,
                d_rope=shape.d_rope,
                d_value=shape.d_value,
                kv_bytes_per_token=read_bytes,
            )
        # Of chosen tokens each pair takes at least the lesser of the two forms; expanding them is left out.
        return ops.attention(
            sequences=p.sequences,
            pairs=_pairs(new_tokens, cached, shape.selection.top_k, None),
            read_tokens=_read_tokens(p.cached, shape.selection.top_k, None),
            heads=heads,
            d_head=min(shape.kv_rank, shape.d_nope) + shape.d_rope,
            d_value=min(shape.kv_rank, shape.d_value),
            kv_bytes_per_token=read_bytes,
        )


@dataclass(frozen=True, slots=True)
class IndexCore(_OverCache):
    """Scores of all cached tokens, or entries, by an indexer, in all layers that have one.

    Attributes
    ----------
    name : what it is.
    heads, last_heads : heads of the indexers, as of :class:`GroupedQueryCore`. [1]
    d_head : width of a head. [element]
    read_bytes : cached key of one token or entry, all layers together. [byte]
    ratio : tokens that become one entry; 1: every token has a key of its own. [token]
    cache : what is stored.
    shares : part of the FLOP by width.
    """

    name: str
    heads: int
    last_heads: int
    d_head: int
    read_bytes: float
    ratio: int
    cache: tuple[CacheShare, ...]
    shares: Shares

    def _cost(self, p: Pass, new_tokens: Num, cached: Num, heads: int, read_bytes: float) -> Cost:
        every = self.ratio == 1
        pairs = (
            ops.attended_pairs(new_tokens=new_tokens, cached=cached)
            if every
            else ops.compressed_pairs(new_tokens=new_tokens, cached=cached, ratio=self.ratio, top_k=ALL_ENTRIES)
        )
        return ops.attention(
            sequences=p.sequences,
            pairs=pairs,
            read_tokens=p.cached if every else ops.entries_of(tokens=p.cached, ratio=self.ratio),
            heads=heads,
            d_head=self.d_head,
            d_value=0,
            kv_bytes_per_token=read_bytes,
        )


ALL_ENTRIES = 2**62
"""More entries than any sequence has."""


@dataclass(frozen=True, slots=True)
class CompressedCore(_OverCache):
    """Attention to a window, and to entries that stand for earlier tokens, in all layers of one kind.

    Attributes
    ----------
    name : what it is.
    heads, last_heads : as of :class:`GroupedQueryCore`. [1]
    d_head : width of the vector that is key and value. [element]
    read_bytes : one such vector in all layers together. [byte]
    window : tokens attended to as they are. [token]
    ratio : tokens that become one entry; None: there are no entries. [token]
    top_k : entries attended to; None: all. [1]
    cache : what is stored.
    shares : part of the FLOP by width.
    """

    name: str
    heads: int
    last_heads: int
    d_head: int
    read_bytes: float
    window: int
    ratio: int | None
    top_k: int | None
    cache: tuple[CacheShare, ...]
    shares: Shares

    def _cost(self, p: Pass, new_tokens: Num, cached: Num, heads: int, read_bytes: float) -> Cost:
        pairs = _pairs(new_tokens, cached, self.window, None)
        read = _read_tokens(p.cached, self.window, None)
        if self.ratio:
            top_k = self.top_k or ALL_ENTRIES
            entries = ops.entries_of(tokens=p.cached, ratio=self.ratio)
            pairs = pairs + ops.compressed_pairs(new_tokens=new_tokens, cached=cached, ratio=self.ratio, top_k=top_k)
            read = read + ops.tokens_in_window(tokens=entries, window=top_k)
        return ops.attention(
            sequences=p.sequences,
            pairs=pairs,
            read_tokens=read,
            heads=heads,
            d_head=self.d_head,
            d_value=self.d_head,
            kv_bytes_per_token=read_bytes,
        )


@dataclass(frozen=True, slots=True)
class RecurrentCore:
    """A recurrence with a state of fixed size.

    Attributes
    ----------
    name : what it is.
    rule : ``"delta"``, ``"state space"``, or ``"convolution"``, whose few FLOP are left out.
    heads : heads, all layers together; of a last layer only the last token is counted, which is looser. [1]
    last_heads : heads of the last layer. [1]
    d_key, d_value : the two widths of the state of a head. [element]
    state_bytes : state of one sequence, all layers together. [byte]
    shares : part of the FLOP by width.
    """

    name: str
    rule: str
    heads: int
    last_heads: int
    d_key: int
    d_value: int
    state_bytes: float
    shares: Shares = ((RECURRENCE_BITS, 1.0),)

    def cost(self, p: Pass) -> Cost:
        """Return the work in the pass ``p``."""
        every = self._cost(p, p.new_tokens, self.heads, self.state_bytes)
        return every.plus(self._cost(p, 1, self.last_heads, 0.0)) if self.last_heads else every

    def _cost(self, p: Pass, new_tokens: Num, heads: int, state_bytes: float) -> Cost:
        if self.rule == "state space":
            return ops.state_space(
                sequences=p.sequences,
                new_tokens=new_tokens,
                heads=heads,
                d_head=self.d_value,
                d_state=self.d_key,
                state_bytes=state_bytes,
                state_reads=p.state_reads,
            )
        return ops.gated_delta_rule(
            sequences=p.sequences,
            new_tokens=new_tokens,
            heads=heads if self.rule == "delta" else 0,
            d_key=self.d_key,
            d_value=self.d_value,
            state_bytes=state_bytes,
            state_reads=p.state_reads,
        )


AttentionCore: TypeAlias = GroupedQueryCore | LatentCore | CompressedCore | IndexCore

Operation: TypeAlias = Matrices | RoutedExperts | AttentionCore | RecurrentCore


def is_linear(operation: Operation) -> bool:
    """Whether the work for a token grows in proportion with the tokens before it, or not at all."""
    if isinstance(operation, GroupedQueryCore):
        return not (operation.window or operation.chunk or operation.top_k)
    if isinstance(operation, LatentCore):
        return operation.shape.selection is None
    if isinstance(operation, IndexCore):
        return operation.ratio == 1
    return not isinstance(operation, CompressedCore)
