"""What one device does in one pass, in seconds at its nominal rates: what expected times are made of."""

from __future__ import annotations

from typing import NamedTuple

from roofline import ops
from roofline._remember import remember
from roofline._xp import Num, floor, maximum, where_at_least
from roofline.formats import STORAGE_CLASSES
from roofline.kernels import PassKernels
from roofline.machine import Machine
from roofline.operations import Matrices, Operation, Pass, RecurrentCore, RoutedExperts
from roofline.specs.speed import SpeedRules
from roofline.transformer import Transformer

ACTIVATION_BYTES = 2
"""Engines exchange activations in 16 bits. [byte]"""

PRODUCTS = ("wide", "eight", "eight-block", "float4")
"""Ways to multiply: in 16 bits, in 8 bits, in 8 bits with a scale for each tile, in 4-bit floats."""

_BITS = {"wide": 16, "eight": 8, "eight-block": 8, "float4": 4}
_OWN: dict[str, str] = {"eight": "eight", "eight-block": "eight-block", "float4": "float4"}
_INTEGER: dict[str, str] = dict.fromkeys(("eight", "four", "float4", "k-quant", "codebook"), "eight")
"""llama.cpp multiplies quantised weights as 8-bit integers on NVIDIA's devices, elsewhere in 16 bits."""


class Layout(NamedTuple):
    """How devices share a model: degrees of tensor, pipeline, data and expert parallelism."""

    tensor: int = 1
    pipeline: int = 1
    data: int = 1
    expert: int = 1

    @property
    def plain(self) -> bool:
        """Whether nothing but tensor parallelism is used."""
        return self.pipeline == self.data == self.expert == 1

    @property
    def experts_share(self) -> int:
        """Devices that share the routed experts: a tensor-parallel group, or all that ``expert`` spans."""
        return max(self.tensor, self.expert)


class PassWork(NamedTuple):
    """One pass on one device.

    Attributes
    ----------
    stream : to read the weights of each storage class at nominal bandwidth. [s]
    routed : the part of ``stream`` that routed experts take, of each class. [s]
    cache : to read keys and values at nominal bandwidth. [s]
    state : to read and write recurrent states at nominal bandwidth. [s]
    multiply : matrix products in each of :data:`PRODUCTS`, at the device's peak. [s]
    row : what one more row in every matrix product would add. [s]
    unpack : FLOP with weights that are unpacked first, at the peak of 32 bits. [s]
    attend : attention at the 16-bit peak. [s]
    kernels : kernels that wait for each other. [1]
    exchanges : sums over a tensor-parallel group. [1]
    send : all exchanges at nominal link bandwidth, as a ring. [s]
    hops : devices beyond the first that an exchange spans. [1]
    switched : 1 where the link is fast enough to be one of a switch, else 0. [1]
    sequences : sequences on the device. [1]
    tokens : new tokens on the device. [token]
    layers : layers of the model. [1]
    """

    stream: tuple[Num, ...]
    routed: tuple[Num, ...]
    cache: Num
    state: Num
    multiply: tuple[Num, ...]
    row: tuple[Num, ...]
    unpack: Num
    attend: Num
    kernels: Num
    exchanges: Num
    send: Num
    hops: Num
    switched: Num
    sequences: Num
    tokens: Num
    layers: Num


SWITCHED_BYTES_PER_S = 200e9
"""NVLink, Infinity Fabric and the like are faster than this in one direction, PCIe is slower. [byte/s]"""


class Step(NamedTuple):
    """An operation, with what does not depend on the pass.

    Attributes
    ----------
    operation : the operation; matrices that are multiplied alike are one.
    parts : share of its bytes by the place of their storage class.
    product : place of its product in :data:`PRODUCTS`.
    per_flop : seconds of a FLOP on one device.
    unpack_per_flop : seconds of a FLOP in 32 bits, times the share of the weights that are unpacked first.
    """

    operation: Operation
    parts: tuple[tuple[int, float], ...]
    product: int
    per_flop: float
    unpack_per_flop: float


@remember
def _steps(model: Transformer, m: Machine, multiplies: str) -> tuple[Step, ...]:
    """Return the operations of a model on one device."""
    alike: dict[tuple[int, float], list[Matrices]] = {}
    rest: list[tuple[Operation, tuple[int, float]]] = []
    for operation in model.operations:
        width = _width(operation, m, multiplies)
        if isinstance(operation, Matrices):
            alike.setdefault(width, []).append(operation)
        else:
            rest.append((operation, width))
    every = [(_together(matrices), width) for width, matrices in alike.items()] + rest
    return tuple(
        Step(operation, _parts(operation), *width, _unpack_per_flop(operation, m, multiplies))
        for operation, width in every
    )


def _together(matrices: list[Matrices]) -> Matrices:
    """Return matrices that are multiplied alike as one."""
    size = sum(one.weight_bytes for one in matrices)
    by_class: dict[str, float] = {}
    for one in matrices:
        for kind, share in one.storage:
            by_class[kind] = by_class.get(kind, 0.0) + one.weight_bytes * share
    return Matrices(
        name=" and ".join(one.name for one in matrices),
        parameters=sum(one.parameters for one in matrices),
        last_parameters=sum(one.last_parameters for one in matrices),
        weight_bytes=size,
        shares=(),
        storage=tuple((kind, part / size) for kind, part in by_class.items()),
    )


def _parts(operation: Operation) -> tuple[tuple[int, float], ...]:
    storage = operation.storage if isinstance(operation, Matrices | RoutedExperts) else ()
    return tuple((STORAGE_CLASSES.index(kind), share) for kind, share in storage)


def _width(operation: Operation, m: Machine, multiplies: str) -> tuple[int, float]:
    storage = operation.storage if isinstance(operation, Matrices | RoutedExperts) else ()
    kind = max(storage, key=lambda part: part[1])[0] if storage else "wide"
    if multiplies == "own":
        product = _OWN.get(kind, "wide")
    else:
        product = _INTEGER.get(kind, "wide") if m.device.vendor == "NVIDIA" else "wide"
    if not any(c.bits == _BITS[product] for c in m.device.compute):
        product = "wide"
    rate = m.flop_per_s(_BITS[product])
    return PRODUCTS.index(product), m.devices / rate if rate else 0.0


def _unpack_per_flop(operation: Operation, m: Machine, multiplies: str) -> float:
    """Return seconds of a FLOP in 32 bits, times the share of weights that are not multiplied as they are stored."""
    rate = next((c.peak.si for c in m.device.compute if c.format == "fp32"), 0.0)
    storage = operation.storage if isinstance(operation, Matrices | RoutedExperts) else ()
    as_stored = {"wide", *(_OWN if multiplies == "own" else ())}
    share = sum(part for kind, part in storage if kind not in as_stored)
    return share / rate if rate else 0.0


class _Sums:
    """Work of a pass on one device, summed over its operations; attributes as of :class:`PassWork`."""

    def __init__(self, m: Machine, p: Pass, layout: Layout, rules: SpeedRules) -> None:
        stages = layout.pipeline if rules.microbatches else 1
        # One token of each sequence goes through all stages, as in decode; more follow each other, chunk by chunk.
        sequences = maximum(p.sequences / (layout.data * where_at_least(p.new_tokens, 2, 1, stages)), 1)
        self.local = Pass(sequences, p.new_tokens, p.cached, p.state_reads)
        self.tensor, self.share = layout.tensor, layout.experts_share
        self.passes = maximum(-floor(-(self.local.tokens / rules.chunk)), 1)
        in_chunks = ops.pipelined_share(passes=self.passes, stages=layout.pipeline)
        self.once = where_at_least(p.new_tokens, 2, in_chunks, 1.0)
        # tokens that come to one set of experts, from all ranks
        self.meeting = self.local.tokens * max(1, self.share // self.tensor)
        self.per_byte = m.devices / m.bytes_per_s * self.once if m.bytes_per_s else 0.0
        self.stream: list[Num] = [0.0] * len(STORAGE_CLASSES)
        self.routed: list[Num] = [0.0] * len(STORAGE_CLASSES)
        self.multiply: list[Num] = [0.0] * len(PRODUCTS)
        self.row: list[Num] = [0.0] * len(PRODUCTS)
        self.cache: Num = 0.0
        self.state: Num = 0.0
        self.unpack: Num = 0.0
        self.attend: Num = 0.0

    def add(self, step: Step) -> None:
        """Add an operation."""
        operation = step.operation
        if isinstance(operation, Matrices):
            self._matrices(operation, step)
        elif isinstance(operation, RoutedExperts):
            self._experts(operation, step)
        elif isinstance(operation, RecurrentCore):
            cost = operation.cost(self.local)
            self.state = self.state + cost.state_bytes / self.tensor * self.per_byte
            self.multiply[step.product] = (
                self.multiply[step.product] + cost.flop / self.tensor * step.per_flop * self.once
            )
        else:
            cost = operation.cost(self.local)
            copies = max((c.replicas(self.tensor) for c in operation.cache), default=1.0)
            self.cache = self.cache + cost.kv_bytes * copies / self.tensor * self.per_byte
            self.attend = self.attend + cost.flop / self.tensor * step.per_flop * self.once

    def _matrices(self, operation: Matrices, step: Step) -> None:
        cost = operation.cost(self.local)
        for index, fraction in step.parts:
            self.stream[index] = (
                self.stream[index] + cost.weight_bytes * fraction / self.tensor * self.passes * self.per_byte
            )
        self.multiply[step.product] = self.multiply[step.product] + cost.flop / self.tensor * step.per_flop * self.once
        self.unpack = self.unpack + cost.flop / self.tensor * step.unpack_per_flop * self.once
        self.row[step.product] = (
            self.row[step.product] + 2 * operation.parameters / self.tensor * self.passes * step.per_flop * self.once
        )

    def _experts(self, operation: RoutedExperts, step: Step) -> None:
        tokens = self.meeting / self.passes
        met = ops.distinct_experts(experts=operation.experts, top_k=operation.top_k, tokens=tokens)
        read = met * self.passes / self.share
        one = operation.weight_bytes + operation.last_weight_bytes
        for index, fraction in step.parts:
            self.stream[index] = self.stream[index] + one * fraction * read * self.per_byte
            self.routed[index] = self.routed[index] + one * fraction * read * self.per_byte
        elements = operation.parameters + operation.last_parameters
        rows = self.meeting * operation.top_k / self.share
        self.multiply[step.product] = self.multiply[step.product] + 2 * elements * rows * step.per_flop * self.once
        self.unpack = self.unpack + 2 * elements * rows * step.unpack_per_flop * self.once
        self.row[step.product] = self.row[step.product] + 2 * elements * read * step.per_flop * self.once


def pass_work(
    model: Transformer, m: Machine, p: Pass, *, layout: Layout, counted: PassKernels, rules: SpeedRules
) -> PassWork:
    """Return the work of the pass ``p`` on one device.

    Parameters
    ----------
    model : the model in its formats.
    m : all devices.
    p : sequences, new and cached tokens, over all devices; numbers or arrays.
    layout : how the devices share the model.
    counted : kernels and exchanges of a pass.
    rules : how the engine works.

    Returns
    -------
    PassWork
    """
    found = _Sums(m, p, layout, rules)
    for step in _steps(model, m, rules.multiplies):
        found.add(step)
    tp, link, tokens = layout.tensor, m.link_bytes_per_s, found.local.tokens
    sent = tokens * model.d_model * ACTIVATION_BYTES * 2 * (tp - 1) / tp * counted.exchanges * found.once
    return PassWork(
        stream=tuple(found.stream),
        routed=tuple(found.routed),
        cache=found.cache,
        state=found.state,
        multiply=tuple(found.multiply),
        row=tuple(found.row),
        unpack=found.unpack,
        attend=found.attend,
        kernels=counted.kernels * found.passes * found.once,
        exchanges=counted.exchanges * found.passes * found.once if tp > 1 else 0.0,
        send=sent / link if link else 0.0 * sent,
        hops=float(tp - 1),
        switched=float(link is not None and link > SWITCHED_BYTES_PER_S),
        sequences=found.local.sequences,
        tokens=tokens,
        layers=float(model.layers),
    )
