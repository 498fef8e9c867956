"""Schema of ``engine_specs/``: what is particular to a serving engine."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from roofline.specs.provenance import Bytes, Sourced, Spec, Unique
from roofline.specs.speed import Fitted, KernelCounts, SpeedRules


class CacheFormats(Sourced):
    """The KV-cache formats that an engine offers."""

    value: tuple[str, ...]


class Buffers(Sourced, Unique):
    """What an engine holds while a pass of ``rules.chunk`` tokens runs: counted in its code; docs/memory.md."""

    element_bytes: int = Field(ge=1, le=8)
    """An activation. [byte]"""
    logit_bytes: int = Field(ge=1, le=64)
    """A logit, with what sampling makes of it. [byte]"""
    logit_rows: int | None = Field(default=None, ge=1)
    """Tokens that logits are held of; absent: every token of the pass. [1]"""
    logit_rows_if_large: int | None = Field(default=None, ge=1)
    """The same on devices of at least 70 GiB, where it differs. [1]"""
    mask_bytes: int = Field(default=0, ge=0, le=16)
    """Attention mask for each pair of a token in the pass and one in the cache. [byte]"""
    window_chunk: bool = False
    """Whether the cache of windowed layers holds one pass more than the window."""


class EmbeddingPlace(Sourced):
    """Where the embedding is kept: in the host's memory, with a copy on the device where it is the head too."""

    value: Literal["host"]


class Reserved(Sourced, Unique):
    """How much of a device's memory an engine takes at its start: ``rules.memory_share`` of what."""

    of: Literal["all", "weights and cache", "what is left"]
    """``all``: nothing of the engine lies outside the share; ``weights and cache``: buffers do; ``what is left``: the
    cache takes the share of what weights and buffers leave."""


class EngineSpec(Spec):
    """One serving engine."""

    cache_formats: CacheFormats
    overhead: Bytes | None = None
    """Memory of its own on each device, whatever the model, beside weights, cache and state."""
    overheads: dict[str, Bytes] = Field(default_factory=dict)
    """The same by backend, where it was measured."""
    system: Bytes | None = None
    """What the host's own programs take where device and host share a memory."""
    buffers: Buffers | None = None
    embedding: EmbeddingPlace | None = None
    reserved: Reserved | None = None
    rules: SpeedRules | None = None
    kernels: KernelCounts | None = None
    fitted: Fitted | None = None
    """Written by ``roofline fit``; no speed is expected without."""
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _rules_beside(self) -> Self:
        for name in ("buffers", "reserved"):
            if getattr(self, name) and not self.rules:
                raise ValueError(f"{name} needs [rules] beside it, which say the chunk and the share of the memory")
        return self
