"""Where work meets machine: the least times of one forward pass, operation by operation and as a whole."""

from __future__ import annotations

from typing import Any, NamedTuple

from roofline import ops
from roofline._remember import remember
from roofline._xp import Num, maximum, where_at_least
from roofline.machine import Machine
from roofline.operations import Pass, RoutedExperts
from roofline.ops import Cost
from roofline.transformer import Transformer

EXCHANGED_BYTES_PER_ELEMENT = 0.5
"""Activations and partial sums can be sent in four bits: vLLM's quick all-reduce has an INT4 mode
(``VLLM_ROCM_QUICK_REDUCE_QUANTIZATION``, https://docs.vllm.ai/en/latest/configuration/env_vars.html). [byte]"""

BLOCKS_PER_LAYER = 2
"""Attention and the feed-forward network, each of which devices cannot share without an exchange. [1]"""


class OperationTimes(NamedTuple):
    """One operation of a pass: its work, and the times it would need by itself. [s]"""

    name: str
    cost: Cost
    memory: Num
    compute: Num


class PassTimes(NamedTuple):
    """One forward pass.

    Attributes
    ----------
    operations : in the order of a layer.
    weight_bytes, kv_bytes, state_bytes : read by all of them, ``top_k`` experts a layer. [byte]
    flop : computed by all of them. [FLOP]
    memory : least time to read the bytes, the chip keeping what it can. [s]
    streaming : time to read the bytes when every one comes from main memory. [s]
    uniform : the same when every token picks its experts evenly at random. [s]
    compute : least time to compute. [s]
    link : least time for what the devices must exchange. [s]
    """

    operations: list[OperationTimes]
    weight_bytes: Num
    kv_bytes: Num
    state_bytes: Num
    flop: Num
    memory: Num
    streaming: Num
    uniform: Num
    compute: Num
    link: Num

    @property
    def bytes(self) -> Num:
        """All bytes read. [byte]"""
        return self.weight_bytes + self.kv_bytes + self.state_bytes

    @property
    def longest(self) -> Num:
        """Time of the slowest resource: anything may overlap with anything. [s]"""
        return maximum(maximum(self.memory, self.compute), self.link)


@remember
def _seconds_per_flop(model: Transformer, m: Machine) -> tuple[float, ...]:
    return tuple(m.seconds_per_flop(operation.shares) for operation in model.operations)


def pass_times(model: Transformer, m: Machine, p: Pass, tensor_parallel: int = 1) -> PassTimes:
    """Return the least times of the pass ``p`` of ``model`` on ``m``.

    Parameters
    ----------
    model : the model in its formats.
    m : the machine.
    p : sequences, new and cached tokens; numbers or arrays.
    tensor_parallel : devices that share every matrix; 1: they are one pool. [1]

    Returns
    -------
    PassTimes
    """
    weight_bytes: Num = 0.0
    kv_bytes: Num = 0.0
    state_bytes: Num = 0.0
    flop: Num = 0.0
    compute: Num = 0.0
    more_bytes: Num = 0.0
    times = []
    for operation, per_flop in zip(model.operations, _seconds_per_flop(model, m), strict=True):
        cost = operation.cost(p)
        computing = cost.flop * per_flop
        times.append(OperationTimes(operation.name, cost, m.streaming_seconds(cost.bytes), computing))
        weight_bytes = weight_bytes + cost.weight_bytes
        kv_bytes = kv_bytes + cost.kv_bytes
        state_bytes = state_bytes + cost.state_bytes
        flop = flop + cost.flop
        compute = compute + computing
        if isinstance(operation, RoutedExperts):
            more_bytes = more_bytes + operation.more_bytes_when_uniform(p)
    moved = weight_bytes + kv_bytes + state_bytes
    return PassTimes(
        operations=times,
        weight_bytes=weight_bytes,
        kv_bytes=kv_bytes,
        state_bytes=state_bytes,
        flop=flop,
        memory=m.memory_seconds(moved),
        streaming=m.streaming_seconds(moved),
        uniform=m.streaming_seconds(moved + more_bytes),
        compute=compute,
        link=_link_seconds(model, m, p, tensor_parallel),
    )


def _link_seconds(model: Transformer, m: Machine, p: Pass, tensor_parallel: int) -> Num:
    if tensor_parallel == 1 or m.link_bytes_per_s is None:
        return 0.0
    work = {
        "tokens": p.tokens,
        "d_model": model.d_model,
        "blocks": BLOCKS_PER_LAYER * (model.layers - 1),  # of the last layer, prefill needs little
        "devices": tensor_parallel,
        "element_bytes": EXCHANGED_BYTES_PER_ELEMENT,
    }
    seconds = ops.stream_seconds(moved_bytes=ops.exchanged_bytes(**work), bytes_per_s=m.link_bytes_per_s)
    if m.network_bytes_per_s is None or m.node_devices is None:
        return seconds
    crossing = ops.crossing_bytes(node_devices=m.node_devices, **work)
    network = m.network_bytes_per_s * tensor_parallel
    return maximum(seconds, ops.stream_seconds(moved_bytes=crossing, bytes_per_s=network))


BOUNDS = ("memory", "compute", "link")
"""What can take longest."""


def bound(memory: Any, compute: Any, link: Any = 0.0) -> Any:
    """Return which resource takes longest, of arrays its places in :data:`BOUNDS`.

    Ties go to compute, then to memory.
    """
    place = where_at_least(compute, maximum(memory, link), 1, where_at_least(memory, link, 0, 2))
    return BOUNDS[place] if type(place) is int else place
