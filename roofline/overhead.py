"""What an engine needs beside weights, cache and state, from what its spec counts; docs/memory.md says each term."""

from __future__ import annotations

from typing import Any, NamedTuple

from roofline import units
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

LARGE = units.parse("70 GiB", "byte")
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

    def plus(self, other: Line, times: int = 1) -> Line:
        """Return this amount and ``times`` another."""
        return Line(self.fixed + times * other.fixed, self.slope + times * other.slope)


class EngineMemory(NamedTuple):
    """What an engine needs on all devices.

    Attributes
    ----------
    lines : the largest of these is what weights, cache and state cannot have.
    host : of weights and overhead, what lies in the host's memory.
    system_bytes : of that, the part of the host's own programs, where they share the memory. [byte]
    outside_bytes : of the overhead, what lies outside the share that the engine takes. [byte]
    share : part of the memory that the engine takes; 1 where it takes what it needs. [1]
    share_of : of what, see :class:`roofline.specs.engine.Reserved`; empty where nothing is reserved.
    """

    lines: tuple[Line, ...] = (Line(0.0),)
    host: Line = Line(0.0)
    system_bytes: float = 0.0
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
    own = [Line((runtime.si if runtime else 0.0) * m.devices + tied * replicas + system)]
    host = Line(hosted * replicas + system)
    rules, buffers = engine.rules, engine.buffers
    if rules and buffers:
        tensor = layout.tensor if layout else m.devices if rules.layout == "tensor" else 1
        beside = _beside(buffers, architecture.d_model, rules.chunk) if shared else Line(0.0)
        windows = rules.chunk * windowed_bytes * replicas if buffers.window_chunk else 0.0
        common = own[0].plus(beside).plus(Line(windows))
        own = [common.plus(each, m.devices) for each in _buffers(buffers, architecture, m.device, rules.chunk, tensor)]
        host = host.plus(beside)
    if rules is None or engine.reserved is None:
        return EngineMemory(tuple(own), host, system)
    part, of = rules.memory_share if share is None else share, engine.reserved.of
    outside = (1 - part) * max(m.capacity_bytes - (weights_bytes if of == "what is left" else 0.0), 0.0)
    return EngineMemory(tuple(_reserved(of, own, part, outside)), host, system, outside, part, of)


def _reserved(of: str, own: list[Line], share: float, outside: float) -> list[Line]:
    """Return the lines of an engine that takes a share of the memory and leaves the rest."""
    if of == "all":
        return [Line(line.fixed + outside, line.slope) for line in own]
    if of == "weights and cache":
        return [*own, Line(outside)]
    return [*own, *(Line(share * line.fixed + outside, share * line.slope) for line in own)]


def _beside(counted: Buffers, width: int, chunk: int) -> Line:
    """Return the host's copy of mask and embedded tokens, of engines that hold a mask."""
    each = float(chunk * counted.element_bytes) if counted.mask_bytes else 0.0
    return Line(each * width, each)


def _buffers(counted: Buffers, architecture: Architecture, device: DeviceSpec, chunk: int, tensor: int) -> list[Line]:
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
