"""Schema of ``engine_specs/``: what is particular to a serving engine."""

from __future__ import annotations

from roofline.specs.provenance import Bytes, Sourced, Spec


class CacheFormats(Sourced):
    """The KV-cache formats that an engine offers."""

    value: tuple[str, ...]


class EngineSpec(Spec):
    """One serving engine."""

    cache_formats: CacheFormats
    overhead: Bytes | None = None
    """Memory of its own on each device, beside weights, cache and state."""
    notes: tuple[str, ...] = ()
