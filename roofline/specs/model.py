"""Schema of ``model_specs/``: an architecture as a pattern of layers, and the recipes its weights come in.

A model family is data. A layer is a token mixer (an attention of some kind) and a feed-forward network (of some kind);
the pattern says which layer has which.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from roofline.errors import UnknownNameError
from roofline.formats import cache_format, lookup
from roofline.specs.provenance import Bytes, Count, Sourced, Spec, Table, Unique
from roofline.specs.token_mixers import LARGEST, Positive, TokenMixer


class Dense(Table):
    """A feed-forward network that every token uses."""

    kind: Literal["dense"]
    d_ff: Positive
    gated: bool = True
    """Gate, up and down projections; False: up and down only."""
    bias: bool = False


class Experts(Table):
    """A mixture of experts: a router picks ``top_k`` of ``experts`` networks for each token."""

    kind: Literal["moe"]
    experts: Positive
    top_k: Positive
    d_expert: Positive
    gated: bool = True
    bias: bool = False
    router_bias: bool = False
    """One weight an expert: a bias or a score correction."""
    shared_d_ff: int = Field(default=0, ge=0, lt=LARGEST)
    """Width of the shared experts together; 0: none."""
    shared_gate: bool = False
    """A sigmoid gate on the shared experts: one vector of d_model."""
    latent: Positive | None = None
    """Width that routed experts work at, between two projections that all of them share; absent: d_model."""

    @model_validator(mode="after")
    def _top_k_within(self) -> Self:
        if self.top_k > self.experts:
            raise ValueError(f"top_k = {self.top_k} is above experts = {self.experts}")
        return self


FeedForward = Annotated[Dense | Experts, Field(discriminator="kind")]


class LayerRun(Table):
    """A group of layers and how often it repeats: one attention and one ffn name for each layer of the group."""

    repeat: int = Field(ge=1, le=10_000)
    attention: tuple[str, ...]
    ffn: tuple[str, ...]

    @model_validator(mode="before")
    @classmethod
    def _spread(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        spread: dict[str, tuple[str, ...]] = {}
        for key in ("attention", "ffn"):
            value = data.get(key)
            if isinstance(value, str):
                spread[key] = (value,)
            elif isinstance(value, list | tuple) and value:
                spread[key] = tuple(value)
            else:
                return data
        length = max(len(value) for value in spread.values())
        return data | {key: value * length if len(value) == 1 else value for key, value in spread.items()}

    @model_validator(mode="after")
    def _same_length(self) -> Self:
        if len(self.attention) != len(self.ffn):
            raise ValueError(
                f"{len(self.attention)} attention names but {len(self.ffn)} ffn names for the layers of a group"
            )
        return self


NONE = "none"
"""Name of what a layer without a token mixer, or without a feed-forward network, has in its place."""

GROUPS = (
    "embedding",
    "attention",
    "linear_attention",
    "ffn",
    "router",
    "experts",
    "shared_experts",
    "head",
    "norms",
)
"""The parts of a model that parameters are counted by and formats given to."""


MOST_IN_A_LAYER = 100
"""Norms, or single weights: each is a tensor of its own."""


class ExtraTensor(Table):
    """A tensor beside those that mixers and networks imply."""

    name: str = Field(min_length=1)
    group: Literal["embedding", "attention", "linear_attention", "ffn", "router", "experts", "shared_experts", "norms"]
    each: str = "layer"
    """``"model"`` (once), ``"layer"``, or the name of an attention or ffn table (once in each layer that has it)."""
    rows: Positive = 1
    columns: Positive
    vector: bool = False
    """Added or multiplied element by element: no matrix product, and kept in the format of vectors."""


class Architecture(Unique):
    """The shape of a decoder-only model."""

    source: str
    cited: dict[str, str] = Field(default_factory=dict)
    """Keys of this table that were read in another source: key -> source."""
    d_model: Positive
    vocab: Positive
    max_context: Positive
    tied_embeddings: bool = False
    norms_per_layer: int = Field(default=2, ge=0, le=MOST_IN_A_LAYER)
    """RMSNorms of width d_model in each layer."""
    norm_bias: bool = False
    """LayerNorms, with a bias each."""
    layer_scalars: int = Field(default=0, ge=0, le=MOST_IN_A_LAYER)
    """Single weights in each layer."""
    attention: dict[str, TokenMixer] = Field(default_factory=dict)
    """Token mixers by a name of one's own."""
    ffn: dict[str, FeedForward] = Field(default_factory=dict)
    layers: tuple[LayerRun, ...] = Field(min_length=1)
    extra: tuple[ExtraTensor, ...] = ()
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _names_resolve(self) -> Self:
        for key in ("attention", "ffn"):
            used = {name for run in self.layers for name in getattr(run, key)} - {NONE}
            defined = set(getattr(self, key))
            if used != defined or NONE in defined:
                odd = sorted(used ^ defined) or [NONE]
                raise ValueError(
                    f"{key} {', '.join(odd)}: every name in [[architecture.layers]] needs a table and the reverse"
                )
        if not self.attention:
            raise ValueError("no layer has a token mixer")
        known = {"model", "layer", *self.attention, *self.ffn}
        for extra in self.extra:
            if extra.each not in known:
                raise ValueError(
                    f"extra {extra.name}: each = {extra.each!r}, but one of {', '.join(sorted(known))} is wanted"
                )
        if sum(run.repeat * len(run.ffn) for run in self.layers) > MOST_LAYERS:
            raise ValueError(f"more than {MOST_LAYERS:,} layers")
        return self

    def pattern(self) -> Iterator[tuple[str, str]]:
        """Yield (attention name, ffn name) for each layer, in order."""
        for run in self.layers:
            for _ in range(run.repeat):
                yield from zip(run.attention, run.ffn, strict=True)


MOST_LAYERS = 10_000


_FORMAT_KEYS = ("embedding", "head", "router", "attention", "linear_attention", "ffn", "experts", "shared_experts")


class StoredException(Table):
    """Tensors whose format differs from their group's."""

    group: str
    tensor: str = ""
    layers: tuple[int, ...] | None = None
    """Indices of layers; absent: wherever the tensor is."""
    format: str
    elements: Positive | None = None
    """So many elements of each such tensor, other exceptions giving those of the rest; absent: all of it."""


class Recipe(Sourced):
    """Which tensor group is stored in which format.

    A group without an entry takes ``default``; an entry is a format, or a table from tensor to format.
    """

    title: str | None = None
    aliases: tuple[str, ...] = ()
    default: str
    embedding: str | None = None
    head: str | None = None
    router: str | None = None
    router_bias: str | None = None
    """One weight an expert; without an entry it is one of the vectors."""
    attention: str | dict[str, str] | None = None
    linear_attention: str | dict[str, str] | None = None
    ffn: str | dict[str, str] | None = None
    experts: str | dict[str, str] | None = None
    shared_experts: str | dict[str, str] | None = None
    vectors: str = "bf16"
    """Norms, biases and everything else that is not a matrix."""
    kv: str | None = None
    """The cache format that the checkpoint states."""
    file: Bytes | None = None
    """A published size of the file or checkpoint."""
    exceptions: tuple[StoredException, ...] = ()
    """Tensors that are stored otherwise, for instance in some layers only."""

    def formats(self) -> Iterator[tuple[str, str]]:
        """Yield (key, format) for every entry."""
        keys = ("default", *_FORMAT_KEYS, "router_bias", "vectors", "kv")
        for key in keys:
            entry = getattr(self, key)
            if isinstance(entry, dict):
                yield from ((f"{key}.{tensor}", format_name) for tensor, format_name in entry.items())
            elif entry is not None:
                yield key, entry
        for exception in self.exceptions:
            yield f"{exception.group}.{exception.tensor}", exception.format


class Published(Table):
    """Numbers that other people published, to check ours against."""

    parameters: Count | None = None
    active: Count | None = None


class ModelSpec(Spec):
    """One model."""

    author: str
    released: str | None = None
    architecture_of: str | None = None
    """Name of the model whose architecture this one shares; ``[architecture]`` then only says what differs."""
    architecture: Architecture
    weights: dict[str, Recipe]
    published: Published = Published()
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _formats_exist(self) -> Self:
        for name, recipe in self.weights.items():
            for key, format_name in recipe.formats():
                try:
                    (cache_format if key == "kv" else lookup)(format_name)
                except UnknownNameError as error:
                    raise ValueError(f"weights.{name}.{key}: {error}") from None
        return self

    @model_validator(mode="after")
    def _has_native(self) -> Self:
        if "native" not in self.weights:
            raise ValueError("[weights.native] is missing: the format of the published checkpoint")
        return self
