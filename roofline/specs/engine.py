"""Schema of ``engine_specs/``: what is particular to a serving engine."""

from __future__ import annotations

from roofline.specs.provenance import Bytes, Sourced, Spec
from roofline.specs.speed import Fitted, KernelCounts, SpeedRules


class CacheFormats(Sourced):
    """The KV-cache formats that an engine offers."""

    value: tuple[str, ...]


class EngineSpec(Spec):
    """One serving engine."""

    cache_formats: CacheFormats
    overhead: Bytes | None = None
    """Memory of its own on each device, beside weights, cache and state."""
    rules: SpeedRules | None = None
    kernels: KernelCounts | None = None
    fitted: Fitted | None = None
    """Written by ``roofline fit``; no speed is expected without."""
    notes: tuple[str, ...] = ()
