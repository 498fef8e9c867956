"""What an engine needs beside weights, cache and state, from what its spec counts; docs/memory.md says each term."""

from __future__ import annotations

from typing import Any, NamedTuple

from roofline._xp import Num, maximum
from roofline.calibration import default_backend
from roofline.expected_work import Layout
from roofline.machine import Machine, usable
from roofline.recipes import StoredWeights
from roofline.specs import DeviceSpec, EngineSpec
from roofline.specs.engine import Buffers
from roofline.specs.model import Architecture, Experts, FeedForward

RESIDUALS = 4
"""Tensors of the residual stream's width that attention holds at once: residual, queries, keys with values, output."""

LARGE = 70 * 2**30
"""Devices from here on get the larger defaults of engines that have two. [byte]"""


class Line(NamedTuple):
    """An amount that grows with the longest sequence.

    Attributes
    ----------
    fixed : whatever its length. [byte]
    slope : for each of its tokens. [byte/token]
    """

    fixed: float
    slope: float = 0.0

    def at(self, tokens: Num) -> Any:
        """Return the amount for sequences of ``tokens``. [byte]"""
        return self.fixed + self.slope * tokens


class EngineMemory(NamedTuple):
    """What an engine needs on all devices.

    Attributes
    ----------
    lines : the largest of these is what weights, cache and state cannot have.
    host : of weights and overhead, what lies in the host's memory.
    outside_bytes : of that, what lies outside the share that the engine takes. [byte]
    share : part of the memory that the engine takes; 1 where it takes what it needs. [1]
    share_of : of what, see :class:`roofline.specs.engine.Reserved`; empty where nothing is reserved.
    """

    lines: tuple[Line, ...] = (Line(0.0),)
    host: Line = Line(0.0)
    outside_bytes: float = 0.0
    share: float = 1.0
    share_of: str = ""

    def bytes_at(self, tokens: Num) -> Any:
        """Return what weights, cache and state of sequences of ``tokens`` cannot have. [byte]"""
        most = self.lines[0].at(tokens)
        for line in self.lines[1:]:
            most = maximum(most, line.at(tokens))
        return most


NOTHING = EngineMemory()
"""Needs without an engine."""


def engine_memory(
    engine: EngineSpec | None,
    architecture: Architecture,
    weights: StoredWeights,
    m: Machine,
    *,
    layout: Layout | None,
    backend: str,
    weights_bytes: float,
    windowed_bytes: float,
    share: float | None,
) -> EngineMemory:
    """Return what an engine needs for a model on a machine.

    Parameters
    ----------
    engine : the engine, or None.
    architecture, weights : of the model.
    m : all devices.
    layout : how they share the model; as the engine does unless told, when None.
    backend : what the engine runs on; as usual on the hardware when empty.
    weights_bytes : weights on all devices. [byte]
    windowed_bytes : cache of one token in all windowed layers, over the devices of a replica. [byte]
    share : part of the memory that the engine may take; its usual one when None. [1]

    Returns
    -------
    EngineMemory
    """
    if engine is None:
        return NOTHING
    runs_on = backend or default_backend(m.device)
    replicas = layout.data if layout else 1
    runtime = engine.overheads.get(runs_on, engine.overhead)
    hosted, tied = _embedding(architecture, weights, on_device=runs_on != "cpu") if engine.embedding else (0.0, 0.0)
    shared = m.device.main_memory.unified and runs_on != "metal"  # what Apple's GPUs may use leaves the host its part
    system = engine.system.si * m.devices if engine.system and shared else 0.0
    fixed = (runtime.si if runtime else 0.0) * m.devices + tied * replicas + system
    lines, host = [Line(fixed)], Line(hosted * replicas + system)
    if engine.rules and engine.buffers:
        chunk, counted = engine.rules.chunk, engine.buffers
        beside = Line(0.0)
        if counted.mask_bytes and shared:
            beside = Line(chunk * architecture.d_model * counted.element_bytes, chunk * counted.element_bytes)
        if counted.window_chunk:
            fixed += chunk * windowed_bytes * replicas
        tensor = layout.tensor if layout else m.devices if engine.rules.layout == "tensor" else 1
        buffers = _buffers(counted, architecture, m.device, chunk=chunk, tensor=tensor)
        lines = [
            Line(fixed + m.devices * each.fixed + beside.fixed, m.devices * each.slope + beside.slope)
            for each in buffers
        ]
        host = Line(host.fixed + beside.fixed, beside.slope)
    if not (engine.rules and engine.reserved):
        return EngineMemory(tuple(lines), host)
    part = engine.rules.memory_share if share is None else share
    kept = weights_bytes if engine.reserved.of == "what is left" else 0.0
    outside = (1 - part) * max(m.capacity_bytes - kept, 0.0)
    return EngineMemory(
        tuple(_reserved(engine.reserved.of, lines, part, outside)), host, outside, part, engine.reserved.of
    )


def _reserved(of: str, own: list[Line], share: float, outside: float) -> list[Line]:
    """Return the lines of an engine that takes a share of the memory and leaves the rest."""
    if of == "all":
        return [Line(line.fixed + outside, line.slope) for line in own]
    if of == "weights and cache":
        return [*own, Line(outside)]
    return [*own, *(Line(share * line.fixed + outside, share * line.slope) for line in own)]


def _buffers(
    counted: Buffers, architecture: Architecture, device: DeviceSpec, *, chunk: int, tensor: int
) -> list[Line]:
    """Return what each stage of a pass of ``chunk`` tokens holds on a device: layers, head, attention."""
    element, width, vocab = counted.element_bytes, architecture.d_model, architecture.vocab
    layer = max(_layer_width(f, width, tensor) for f in architecture.ffn.values()) * element
    rows = chunk if counted.logit_rows is None else _logit_rows(counted, device)
    head = rows * (vocab * counted.logit_bytes + width * element)
    attention = Line(float(chunk * RESIDUALS * width * element), float(chunk * counted.mask_bytes))
    return [Line(float(max(chunk * layer, head))), *([attention] if counted.mask_bytes else [])]


def _logit_rows(counted: Buffers, device: DeviceSpec) -> int:
    large = counted.logit_rows_if_large if usable(device.main_memory) >= LARGE else None
    return large or counted.logit_rows or 0


def _layer_width(f: FeedForward, width: int, tensor: int) -> float:
    """Return the elements that a feed-forward layer holds for each token: up, gate, input and output."""
    if isinstance(f, Experts):
        return f.top_k * ((1 + f.gated) * f.d_expert / tensor + (f.latent or width)) + 2 * width
    return (1 + f.gated) * f.d_ff / tensor + 2 * width


def _embedding(architecture: Architecture, weights: StoredWeights, *, on_device: bool) -> tuple[float, float]:
    """Return the size of what only tokens look up, and of the copy on the device where it is the head too. [byte]"""
    if not on_device:
        return 0.0, 0.0
    tables = {stored.tensor.name: stored.bytes for stored in weights.tensors if stored.tensor.group == "embedding"}
    return sum(tables.values()), tables[""] if architecture.tied_embeddings else 0.0
