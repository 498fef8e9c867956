"""What fits: weights, cache, state and engine against the memory that programs can use."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from roofline import ops
from roofline._xp import INFINITY, NOT_A_NUMBER, Num, maximum, minimum, where, where_at_least
from roofline.expected_work import Layout
from roofline.machine import Machine
from roofline.operations import RoutedExperts
from roofline.overhead import NOTHING, EngineMemory
from roofline.results import Memory
from roofline.transformer import Transformer


@dataclass(frozen=True, slots=True)
class CacheGrowth:
    """How the cache of one sequence grows, over all devices.

    Attributes
    ----------
    unbounded : bytes per token in layers without a window. [byte]
    windowed : bytes per token in the layers of each window. [byte]
    windows : the windows, growing. [token]
    """

    unbounded: float
    windowed: tuple[float, ...]
    windows: tuple[int, ...]

    def bytes_of(self, tokens: Num) -> Any:
        """Return the cache of a sequence of ``tokens``. [byte]"""
        held: Any = tokens * self.unbounded
        for size, window in zip(self.windowed, self.windows, strict=True):
            held = held + size * ops.tokens_in_window(tokens=tokens, window=window)
        return held


def cache_growth(model: Transformer, tensor_parallel: int = 1) -> CacheGrowth:
    """Return how the model's cache grows when heads are spread over ``tensor_parallel`` devices."""
    unbounded = 0.0
    windowed: dict[int, float] = {}
    for share in model.caches:
        size = share.bytes_per_token * share.replicas(tensor_parallel)
        if share.limit is None:
            unbounded += size
        else:
            windowed[share.limit] = windowed.get(share.limit, 0.0) + size
    windows = tuple(sorted(windowed))
    return CacheGrowth(unbounded, tuple(windowed[w] for w in windows), windows)


def stored_bytes(model: Transformer, layout: Layout | None) -> float:
    """Return the weights on all devices: one set for each replica, of the experts one for those that share them.

    Parameters
    ----------
    model : the model in its formats.
    layout : how the devices share it; one pool, which holds them once, when None.

    Returns
    -------
    float [byte]
    """
    if layout is None or layout.data == 1:
        return model.weights_bytes
    experts = sum(
        op.experts * (op.weight_bytes + op.last_weight_bytes)
        for op in model.operations
        if isinstance(op, RoutedExperts)
    )
    copies = layout.tensor * layout.data / layout.experts_share
    return (model.weights_bytes - experts) * layout.data + experts * copies


def memory(
    model: Transformer,
    m: Machine,
    *,
    growth: CacheGrowth,
    batch: Num,
    tokens: Num,
    longest_context: int,
    layout: Layout | None = None,
    engine: EngineMemory = NOTHING,
) -> Memory:
    """Return the memory block of a prediction.

    Parameters
    ----------
    model : the model in its formats.
    m : the machine.
    growth : how the model's cache grows.
    batch : sequences, a number or an array. [1]
    tokens : length of each. [token]
    longest_context : the model's own limit, which ``max_context`` respects. [token]
    layout : how the devices share the model; one pool when None.
    engine : what the engine needs for itself.

    Returns
    -------
    Memory
    """
    kv_bytes: Any = batch * growth.bytes_of(tokens)
    state_bytes: Any = batch * model.state_bytes
    weights_bytes = stored_bytes(model, layout)
    overhead_bytes = engine.bytes_at(tokens)
    total: Any = weights_bytes + kv_bytes + state_bytes + overhead_bytes
    room: Any = m.capacity_bytes - weights_bytes - overhead_bytes
    fitting_tokens = _fitting_tokens(model, m.capacity_bytes - weights_bytes, growth, batch, engine)
    sequence = growth.bytes_of(maximum(tokens, 1)) + model.state_bytes
    fitting_sequences: Any = ops.sequences_that_fit(room_bytes=room, bytes_per_sequence=sequence)
    free: Any = maximum(room, 0.0)
    missing: Any = maximum(total - m.capacity_bytes, 0.0)
    return Memory(
        weights_bytes=weights_bytes,
        kv_bytes_per_token=growth.unbounded,
        kv_bytes=kv_bytes,
        state_bytes=state_bytes,
        overhead_bytes=overhead_bytes,
        host_bytes=engine.host.at(tokens),
        outside_bytes=engine.outside_bytes,
        room_bytes=free,
        total_bytes=total,
        capacity_bytes=m.capacity_bytes,
        fits=total <= m.capacity_bytes,
        max_context=_counted(minimum(fitting_tokens, longest_context)),
        max_batch=_counted(fitting_sequences),
        cache_tokens=_counted(fitting_tokens),
        missing_bytes=missing,
        physical_bytes=m.physical_bytes,
    )


def _fitting_tokens(model: Transformer, room_bytes: Any, growth: CacheGrowth, batch: Any, engine: EngineMemory) -> Any:
    """Return how many tokens of each sequence fit beside what the engine needs for sequences of that length. [token]"""
    fitting: Any = INFINITY
    for own in engine.lines:  # the largest counts, so all of them must leave room
        fitting = minimum(
            fitting,
            ops.tokens_that_fit(
                room_bytes=(room_bytes - own.fixed) / batch - model.state_bytes,
                unbounded_bytes_per_token=growth.unbounded + own.slope / batch,
                windowed_bytes_per_token=growth.windowed,
                windows=growth.windows,
            ),
        )
    return fitting


def _counted(most: Any) -> Any:
    """Return how many fit as a whole number; None, in arrays not a number, where there is room for none or no limit."""
    if isinstance(most, int | float):
        return int(most) if 1 <= most < INFINITY else None
    return where_at_least(most, 1, where(most < INFINITY, most, NOT_A_NUMBER), NOT_A_NUMBER)
