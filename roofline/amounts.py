"""Printed amounts of memory: from a row of measurements to the call, and to the figure that says the same."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from roofline.calls import load_spec
from roofline.loading import load_model
from roofline.measurements import Measurement
from roofline.results import Prediction
from roofline.specs import load_engine, names
from roofline.specs.model import NONE, ModelSpec
from roofline.specs.token_mixers import GroupedQuery, Latent

SHARE = re.compile(r"gpu_memory_utilization=([\d.]+)")
"""How notes state the part of the memory that an engine was given."""

COUNTED_BY_DRIVER = re.compile(r"memory of the GPU|peak during run")
"""How notes say that what lies in the host's memory is not in a figure, even where both share it: peaks of a run are
sampled from the driver, or from the engine's own allocator."""


def amount_options(row: Measurement) -> dict[str, Any]:
    """Return the options of the call whose memory block a row is compared with; what is not stated is the default."""
    engine = row.engine if row.engine in names("engine") else None
    layout = {name: getattr(row, name) for name in ("tp", "ep", "pp", "dp")} if row.devices else {}
    options: dict[str, Any] = {
        "devices": row.devices or 1,
        "weights": row.weights,
        "kv": row.kv or None,
        "batch": row.batch or 1,
        "context": row.context or 0,
        "prompt": row.prompt_tokens or None,
        "output": row.output_tokens or None,
        "weights_bytes": None if row.metric == "weights_bytes" else row.weights_bytes,
        **layout,
    }
    if engine is None:
        return options
    stated = SHARE.search(row.note) if load_engine(engine).reserved else None
    return options | {
        "engine": engine,
        "backend": row.backend or None,
        "memory_share": float(stated[1]) if stated else None,
    }


def amount(row: Measurement, p: Prediction) -> float | None:
    """Return the predicted figure that a row prints, in its unit; None where the row says too little."""
    m = p.memory
    if row.metric == "weights_bytes":
        return m.weights_bytes
    pool = row.engine in names("engine") and load_engine(row.engine).reserved is not None
    if row.metric == "kv_cache_bytes":  # recurrent state is printed apart
        if row.context is not None:
            return m.kv_bytes
        return m.room_bytes if pool else None
    if row.metric == "kv_cache_tokens":
        if not pool or row.engine != "vllm":
            return m.cache_tokens
        return m.room_bytes / bytes_of_printed_token(load_spec(load_model, row, "model"), m.kv_bytes_per_token)
    return m.total_bytes - m.host_bytes if COUNTED_BY_DRIVER.search(row.note) else m.total_bytes


def bytes_of_printed_token(model: ModelSpec, unbounded_bytes: float) -> float:
    """Return what vLLM takes a token of its pool to need.

    It prints the tokens of a pool as if each layer that caches anything held each token: its blocks go to groups of
    as many layers as the rarest kind has, windowed and recurrent ones in blocks as large as the others'.

    Parameters
    ----------
    model : the model.
    unbounded_bytes : cache of one token in the layers that hold all tokens, over all devices. [byte/token]

    Returns
    -------
    float [byte/token]
    """
    architecture = model.architecture
    layers = Counter(name for name, _ in architecture.pattern() if name != NONE)
    kinds = architecture.attention
    whole = sum(number for name, number in layers.items() if _holds_all(kinds[name]))
    other = sum(layers.values()) - whole
    if not whole or not other:
        return unbounded_bytes
    group = min(whole, other)
    groups = -(-whole // group) - (-other // group)
    return unbounded_bytes / whole * group * groups


def _holds_all(mixer: Any) -> bool:
    return isinstance(mixer, GroupedQuery | Latent) and not any(
        getattr(mixer, limit, None) for limit in ("window", "chunk")
    )
