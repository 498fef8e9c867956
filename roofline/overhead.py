"""What an engine needs beside weights, cache and state, from what its spec counts; docs/memory.md says each term."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from roofline._xp import Num, maximum, minimum
from roofline.calibration import default_backend
from roofline.expected_work import Layout
from roofline.machine import usable
from roofline.recipes import StoredWeights
from roofline.specs import DeviceSpec, EngineSpec
from roofline.specs.engine import Buffers
from roofline.specs.model import Architecture, Experts, FeedForward

RESIDUALS = 4
"""Tensors of the residual stream's width that attention holds at once: residual, queries, keys with values, output."""

LARGE = 70 * 2**30
"""Devices from here on get the larger defaults of engines that have two. [byte]"""


@dataclass(frozen=True, slots=True)
class EngineMemory:
    """An engine's needs over all devices, as far as they do not depend on the workload.

    Attributes
    ----------
    constant_bytes : runtime and libraries, and the copy of an embedding that is the head too. [byte]
    hosted_bytes : weights that stay in the host's memory. [byte]
    system_bytes : the host's own programs, where host and device share a memory. [byte]
    host_element_bytes : of a buffer's copy in that memory; 0 where the host has its own. [byte]
    chunk : tokens of a pass. [token]
    logits_bytes : logits of as many tokens as the engine holds them of; 0 where those are all of the pass. [byte]
    row_bytes : widest layer, or the head, for each token of a pass. [byte/token]
    attention_bytes, mask_bytes : attention for each token of a pass: always, and for each cached one. [byte/token]
    window_bytes : windowed caches for each token of a pass that they hold beyond their window. [byte/token]
    width : of the residual stream. [element]
    replicas : sets of devices that hold the model and take a part of the sequences each. [1]
    devices : devices that hold buffers for the same tokens. [1]
    share : part of the memory that the engine takes; 1 where it takes what it needs. [1]
    share_of : of what, see :class:`roofline.specs.engine.Reserved`; empty where nothing is reserved.
    """

    constant_bytes: float = 0.0
    hosted_bytes: float = 0.0
    system_bytes: float = 0.0
    host_element_bytes: float = 0.0
    chunk: int = 0
    logits_bytes: float = 0.0
    row_bytes: float = 0.0
    attention_bytes: float = 0.0
    mask_bytes: float = 0.0
    window_bytes: float = 0.0
    width: int = 0
    replicas: int = 1
    devices: int = 1
    share: float = 1.0
    share_of: str = ""

    def rows(self, batch: Num, tokens: Num) -> Any:
        """Return the tokens of the longest pass of one replica: what is reserved does not wait for them. [token]"""
        if self.share_of:
            return self.chunk
        return minimum(maximum(batch / self.replicas, 1) * maximum(tokens, 1), self.chunk)

    def buffers(self, batch: Num, tokens: Num) -> Any:
        """Return what all devices hold while a pass runs. [byte]"""
        rows = self.rows(batch, tokens)
        each = maximum(self.row_bytes, self.attention_bytes + self.mask_bytes * tokens)
        return self.devices * (maximum(rows * each, self.logits_bytes) + rows * self.window_bytes)

    def beside(self, batch: Num, tokens: Num) -> Any:
        """Return what lies in the host's memory though it counts as the engine's: on shared memory only. [byte]"""
        return self.system_bytes + self.rows(batch, tokens) * self.host_element_bytes * (tokens + self.width)

    def bytes_for(self, batch: Num, tokens: Num, *, weights_bytes: float, capacity_bytes: float) -> Any:
        """Return what weights, cache and state cannot have: the engine's own, and what it leaves to others. [byte]"""
        own = self.constant_bytes + self.buffers(batch, tokens) + self.beside(batch, tokens)
        outside = (1 - self.share) * capacity_bytes
        if self.share_of == "all":
            return own + outside
        if self.share_of == "weights and cache":
            return maximum(own, outside)
        if self.share_of == "what is left":
            return own + (1 - self.share) * maximum(capacity_bytes - weights_bytes - own, 0.0)
        return own


NOTHING = EngineMemory()
"""Needs without an engine."""


def engine_memory(
    engine: EngineSpec | None,
    architecture: Architecture,
    weights: StoredWeights,
    device: DeviceSpec,
    *,
    devices: int,
    layout: Layout | None,
    backend: str,
    windowed_bytes: float,
    share: float | None,
) -> EngineMemory:
    """Return what an engine needs for a model on some devices.

    Parameters
    ----------
    engine : the engine, or None.
    architecture, weights : of the model.
    device, devices : one device, and how many.
    layout : how they share the model; as the engine does unless told, when None.
    backend : what the engine runs on; as usual on the hardware when empty.
    windowed_bytes : cache of one token in all windowed layers, over the devices of a replica. [byte]
    share : part of the memory that the engine may take; its usual one when None. [1]

    Returns
    -------
    EngineMemory
    """
    if engine is None:
        return NOTHING
    runs_on = backend or default_backend(device)
    runtime = engine.overheads.get(runs_on, engine.overhead)
    hosted, tied = _embedding(architecture, weights, on_device=runs_on != "cpu") if engine.embedding else (0.0, 0.0)
    data = layout.data if layout else 1
    shared = device.main_memory.unified and runs_on != "metal"
    fixed = EngineMemory(
        constant_bytes=(runtime.si if runtime else 0.0) * devices + tied * data,
        hosted_bytes=hosted * data,
        system_bytes=engine.system.si * devices if engine.system and shared else 0.0,
        replicas=data,
        devices=devices,
    )
    rules, counted = engine.rules, engine.buffers
    if rules and engine.reserved:
        fixed = replace(
            fixed, share=rules.memory_share if share is None else share, share_of=engine.reserved.of, chunk=rules.chunk
        )
    if rules is None or counted is None:
        return fixed
    element, width = counted.element_bytes, architecture.d_model
    tensor = layout.tensor if layout else devices if rules.layout == "tensor" else 1
    layer = max(_layer_width(f, width, tensor) for f in architecture.ffn.values()) * element
    head = architecture.vocab * counted.logit_bytes + width * element if counted.logit_rows is None else 0
    return replace(
        fixed,
        host_element_bytes=float(element * bool(counted.mask_bytes and shared)),
        chunk=rules.chunk,
        logits_bytes=float(architecture.vocab * counted.logit_bytes * _logit_rows(counted, device)),
        row_bytes=float(max(head, layer)),
        attention_bytes=float(RESIDUALS * width * element),
        mask_bytes=float(counted.mask_bytes),
        window_bytes=windowed_bytes / (devices / data) if counted.window_chunk else 0.0,
        width=width,
    )


def _logit_rows(counted: Buffers, device: DeviceSpec) -> int:
    large = usable(device.main_memory) >= LARGE
    return (counted.logit_rows_if_large if large else None) or counted.logit_rows or 0


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
