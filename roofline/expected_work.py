"""What one device does in one pass, in seconds at its nominal rates: what expected times are made of."""

from __future__ import annotations

from typing import NamedTuple

from roofline import ops
from roofline._remember import remember
from roofline._xp import Num, floor, maximum
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
    """

    operation: Operation
    parts: tuple[tuple[int, float], ...]
    product: int
    per_flop: float


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
    return tuple(Step(operation, _parts(operation), *width) for operation, width in every)


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
    tp, share = layout.tensor, layout.experts_share
    stages = layout.pipeline if rules.microbatches else 1
    decoding = isinstance(p.new_tokens, int) and p.new_tokens == 1
    local = Pass(
        maximum(p.sequences / (layout.data * (stages if decoding else 1)), 1), p.new_tokens, p.cached, p.state_reads
    )
    passes = maximum(-floor(-(local.tokens / rules.chunk)), 1)
    once = 1.0 if decoding else ops.pipelined_share(passes=passes, stages=layout.pipeline)
    meeting = local.tokens * max(1, share // tp)  # tokens that come to one set of experts, from all ranks
    per_byte = m.devices / m.bytes_per_s * once if m.bytes_per_s else 0.0
    kinds = len(STORAGE_CLASSES)
    stream: list[Num] = [0.0] * kinds
    routed: list[Num] = [0.0] * kinds
    multiply: list[Num] = [0.0] * len(PRODUCTS)
    row: list[Num] = [0.0] * len(PRODUCTS)
    cache: Num = 0.0
    state: Num = 0.0
    attend: Num = 0.0
    for operation, parts, width, per_flop in _steps(model, m, rules.multiplies):
        if isinstance(operation, Matrices):
            cost = operation.cost(local)
            for index, fraction in parts:
                stream[index] = stream[index] + cost.weight_bytes * fraction / tp * passes * per_byte
            multiply[width] = multiply[width] + cost.flop / tp * per_flop * once
            row[width] = row[width] + 2 * operation.parameters / tp * passes * per_flop * once
        elif isinstance(operation, RoutedExperts):
            met = ops.distinct_experts(experts=operation.experts, top_k=operation.top_k, tokens=meeting / passes)
            read = met * passes / share
            one = operation.weight_bytes + operation.last_weight_bytes
            for index, fraction in parts:
                stream[index] = stream[index] + one * fraction * read * per_byte
                routed[index] = routed[index] + one * fraction * read * per_byte
            elements = operation.parameters + operation.last_parameters
            rows = meeting * operation.top_k / share
            multiply[width] = multiply[width] + 2 * elements * rows * per_flop * once
            row[width] = row[width] + 2 * elements * read * per_flop * once
        elif isinstance(operation, RecurrentCore):
            cost = operation.cost(local)
            state = state + cost.state_bytes / tp * per_byte
            multiply[width] = multiply[width] + cost.flop / tp * per_flop * once
        else:
            cost = operation.cost(local)
            copies = max((c.replicas(tp) for c in operation.cache), default=1.0)
            cache = cache + cost.kv_bytes * copies / tp * per_byte
            attend = attend + cost.flop / tp * per_flop * once
    link = m.link_bytes_per_s
    sent = local.tokens * model.d_model * ACTIVATION_BYTES * 2 * (tp - 1) / tp * counted.exchanges * once
    return PassWork(
        stream=tuple(stream),
        routed=tuple(routed),
        cache=cache,
        state=state,
        multiply=tuple(multiply),
        row=tuple(row),
        attend=attend,
        kernels=counted.kernels * passes * once,
        exchanges=counted.exchanges * passes * once if tp > 1 else 0.0,
        send=sent / link if link else 0.0 * sent,
        hops=float(tp - 1),
        switched=float(link is not None and link > SWITCHED_BYTES_PER_S),
        sequences=local.sequences,
        tokens=local.tokens,
        layers=float(model.layers),
    )
