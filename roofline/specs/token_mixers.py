"""Schema of the token mixers of a model: attention of several kinds, and recurrences with a state of fixed size."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from roofline.specs.provenance import Table

LARGEST = 10**11
"""Widths and counts from here on are taken for mistakes."""

Positive = Annotated[int, Field(ge=1, lt=LARGEST)]


class Indexer(Table):
    """A small attention of its own that scores every cached token (or entry), to choose those that are attended to."""

    heads: Positive
    d_head: Positive
    norms: Literal["key-layer-norm", "query-and-key"] = "key-layer-norm"
    """LayerNorm with bias on keys, or RMSNorm on queries and keys."""
    head_weights: bool = True
    """Scores of the heads are summed with weights projected from the token."""
    format: str | None = None
    """Format of its cached keys; absent: as the cache."""


class Selection(Table):
    """Attention to chosen tokens only."""

    top_k: Positive
    """Tokens that each token attends to; of compressed attention, entries."""
    indexer: Indexer | None = None
    """What chooses; absent: the choice of an earlier layer is used."""


class GroupedQuery(Table):
    """Attention with ``heads`` query heads that share ``kv_heads`` key and value heads."""

    kind: Literal["gqa"]
    heads: Positive
    kv_heads: Positive
    d_head: Positive
    """Width of a query and of a key."""
    d_value: Positive | None = None
    """Width of a value; absent: as a key."""
    window: Positive | None = None
    """Tokens that a token attends to, itself included; absent: all."""
    chunk: Positive | None = None
    """Tokens attend within chunks of this many, which do not see each other."""
    selection: Selection | None = None
    qk_norm: Literal["none", "head", "projection"] = "none"
    """RMSNorm on queries and keys: one weight for each element of a head, or of the whole projection."""
    bias: tuple[Literal["q", "k", "v", "output"], ...] = ()
    sinks: bool = False
    """One learned logit a head."""
    gate: Literal["none", "element", "head", "separate"] = "none"
    """A projected gate on the attention's output: for each element (part of the q projection, or a matrix of its own),
    or for each head."""
    value_projection: bool = True
    """False: values come from the key projection. Engines cache both, but one gives the other: a ceiling counts one as
    read."""
    shared_cache: bool = False
    """True: keys and values are those of an earlier layer, so that there is neither projection nor cache for them."""

    @property
    def value_width(self) -> int:
        """Width of a value."""
        return self.d_value or self.d_head

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.heads % self.kv_heads:
            raise ValueError(f"{self.heads} heads cannot share {self.kv_heads} kv_heads evenly")
        limits = [name for name in ("window", "chunk", "selection") if getattr(self, name)]
        if len(limits) > 1:
            raise ValueError(f"{' and '.join(limits)} exclude each other")
        if not self.value_projection and self.value_width != self.d_head:
            raise ValueError("values that come from the key projection are as wide as keys")
        return self


class Latent(Table):
    """Multi-head latent attention: keys and values of all heads are projected from one cached vector per token."""

    kind: Literal["mla"]
    heads: Positive
    kv_rank: Positive
    q_rank: Positive | None = None
    d_nope: Positive
    d_rope: Positive
    d_value: Positive
    selection: Selection | None = None
    gate: Literal["none", "separate"] = "none"
    """A projected gate for each element of the output."""

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.selection and self.selection.indexer and self.q_rank is None:
            raise ValueError(
                "an indexer of latent attention takes its queries from the q_rank projection, which is absent"
            )
        return self


class Compressed(Table):
    """Attention to the last tokens, and to entries that each stand for ``ratio`` earlier ones.

    One vector is key and value of all heads. Entries are chosen by an indexer, or all of them are attended to.
    """

    kind: Literal["compressed"]
    heads: Positive
    d_head: Positive
    q_rank: Positive
    output_groups: Positive
    output_rank: Positive
    window: Positive
    ratio: Positive | None = None
    """Tokens that become one entry; absent: only the window."""
    overlap: bool = False
    """An entry is made of the tokens of two steps, with projections for each."""
    selection: Selection | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.ratio is None and (self.overlap or self.selection):
            raise ValueError("without a ratio there are no entries to overlap or to choose from")
        if self.heads % self.output_groups:
            raise ValueError(f"{self.heads} heads do not divide into {self.output_groups} output_groups")
        return self


class GatedDeltaNet(Table):
    """Linear attention with the gated delta rule: a state of fixed size for each value head."""

    kind: Literal["gated-deltanet"]
    key_heads: Positive
    value_heads: Positive
    d_key: Positive
    d_value: Positive
    conv_kernel: Positive
    state_format: str = "f32"
    conv_state_format: str = "bf16"


class KimiDelta(Table):
    """Linear attention with the delta rule and a decay for each element of a key (Kimi Delta Attention)."""

    kind: Literal["kda"]
    heads: Positive
    d_head: Positive
    conv_kernel: Positive
    decay_rank: Positive
    gate_rank: Positive | None = None
    """Width that the output gate is projected through; absent: one matrix."""
    state_format: str = "f32"
    conv_state_format: str = "bf16"


class Mamba2(Table):
    """A state-space recurrence (Mamba-2): ``heads`` states of ``d_head x d_state``."""

    kind: Literal["mamba2"]
    heads: Positive
    d_head: Positive
    d_state: Positive
    groups: Positive
    """Groups of heads that share input and output matrices of the recurrence."""
    conv_kernel: Positive
    conv_bias: bool = True
    bias: bool = False
    """On the projections into and out of the mixer."""
    state_format: str = "f32"
    conv_state_format: str = "bf16"


class ShortConvolution(Table):
    """A gated convolution over the last ``conv_kernel`` tokens."""

    kind: Literal["short-conv"]
    conv_kernel: Positive
    bias: bool = False
    conv_state_format: str = "bf16"


Recurrent = GatedDeltaNet | KimiDelta | Mamba2 | ShortConvolution

TokenMixer = Annotated[GroupedQuery | Latent | Compressed | Recurrent, Field(discriminator="kind")]
