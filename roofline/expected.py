"""The speed to expect of an engine: from the work of a pass and the engine's constants to seconds."""

from __future__ import annotations

from typing import Any, NamedTuple

from roofline import ops
from roofline._xp import Num, maximum, minimum, where_at_least
from roofline.expected_work import PassWork

OVERLAP = 3.0
"""Exponent with which reading and computing overlap; 2 to 4 fit alike."""

HOST_OVERLAP = 2.5
"""The same for the host that starts kernels one by one and the device that runs them."""

FEW = 2, 8
"""From so many to so many tokens, kernels for one token and for many are both slow at routed experts. [token]"""


class Constants(NamedTuple):
    """Constants of an engine on some hardware; numbers, or arrays with one value for each point.

    See ``docs/expected.md`` for what each one means; those without a unit are shares of a nominal rate or factors.
    """

    weight_bandwidth: Num
    slower_eight: Num
    slower_eight_block: Num
    slower_four: Num
    slower_float4: Num
    slower_k_quant: Num
    slower_codebook: Num
    slower_wide_experts: Num
    few_tokens: Num
    cache_bandwidth: Num
    kernel: Num
    multiply_rate: Num
    slower_multiply_eight: Num
    slower_multiply_eight_block: Num
    slower_multiply_four: Num
    padding_rows: Num
    unpack_rate: Num
    attend_rate: Num
    exchange: Num
    exchange_without_switch: Num
    link_bandwidth: Num
    sequence: Num
    host: Num
    interference: Num
    request: Num
    wait: Num
    decode_of_model: Num
    prefill_of_model: Num


class PassSeconds(NamedTuple):
    """What the time of one pass is made of; the first two overlap in the third. [s]"""

    weights: Num
    multiply: Num
    weights_and_multiply: Num
    cache_and_attention: Num
    state: Num
    kernels: Num
    exchanges: Num
    sequences: Num
    total: Num


def pass_seconds(w: PassWork, c: Constants, *, prefill: bool = False, eager: Num = 0.0) -> PassSeconds:
    """Return the time to expect of one pass.

    Parameters
    ----------
    w : its work.
    c : constants of the engine.
    prefill : whether prompts are read: matrix products are then done in whole tiles.
    eager : 1 where the host starts every kernel anew in each step, else 0.

    Returns
    -------
    PassSeconds
    """
    slower = (
        1.0,
        c.slower_eight,
        c.slower_eight_block,
        c.slower_four,
        c.slower_float4,
        c.slower_k_quant,
        c.slower_codebook,
    )
    few = (
        1.0
        if prefill
        else where_at_least(w.tokens, FEW[0], where_at_least(w.tokens, FEW[1] + 0.5, 1.0, c.few_tokens), 1.0)
    )
    weights: Num = 0.0
    for seconds, routed, factor in zip(w.stream, w.routed, slower, strict=True):
        weights = weights + (seconds + (few - 1.0) * routed) * factor
    weights = (weights + (c.slower_wide_experts - 1.0) * w.routed[0]) / c.weight_bandwidth
    padding = c.padding_rows if prefill else where_at_least(w.tokens, FEW[1] + 0.5, c.padding_rows, 0.0)
    multiply: Num = 0.0
    for seconds, row, factor in zip(
        w.multiply,
        w.row,
        (1.0, c.slower_multiply_eight, c.slower_multiply_eight_block, c.slower_multiply_four),
        strict=True,
    ):
        multiply = multiply + (seconds + padding * row) * factor
    multiply = multiply / c.multiply_rate + w.unpack / c.unpack_rate
    matrices = ops.smooth_maximum(x=weights, y=multiply, exponent=OVERLAP)
    attention = ops.smooth_maximum(x=w.cache / c.cache_bandwidth, y=w.attend / c.attend_rate, exponent=OVERLAP)
    state = w.state / c.weight_bandwidth
    kernels = c.kernel * w.kernels
    each = w.switched * c.exchange + (1.0 - w.switched) * c.exchange_without_switch * w.hops
    exchanges = w.exchanges * each + w.send / c.link_bandwidth
    sequences = 0.0 * w.sequences if prefill else c.sequence * w.sequences
    usual = c.prefill_of_model if prefill else c.decode_of_model
    made_of = (weights, multiply, matrices, attention, state, kernels, exchanges, sequences)
    parts: list[Any] = [part * usual for part in made_of]
    device: Num = sum(parts[2:])
    total = device
    if type(eager) is not float or eager:
        total = ops.smooth_maximum(x=device, y=eager * c.host * w.layers, exponent=HOST_OVERLAP)
    return PassSeconds._make([*parts, total])


class ServedSeconds(NamedTuple):
    """Times of a served request. [s]"""

    first_token: Num
    per_token: Num
    request: Num


def served_seconds(
    c: Constants, *, step: Num, prefill: Num, streams: Num, concurrency: Num, output: Num
) -> ServedSeconds:
    """Return the times of one request when ``concurrency`` streams are kept busy, of which ``streams`` fit at once.

    Parameters
    ----------
    c : constants of the engine.
    step : one decode step of ``streams`` sequences. [s]
    prefill : reading one prompt. [s]
    streams : requests that fit in memory at once. [1]
    concurrency : requests that are in flight, the rest waiting. [1]
    output : tokens that each generates. [token]

    Returns
    -------
    ServedSeconds
    """
    per_token = ops.interrupted_step_seconds(
        step=step, prefill=prefill, streams=streams, output=output, share=c.interference
    )
    first = ops.first_token_seconds(request=c.request, prefill=prefill, step=step, streams=streams, wait=c.wait)
    alone = first + maximum(output - 1, 0) * per_token
    queue = (concurrency / streams - 1) * alone
    return ServedSeconds(first + queue, per_token, alone + queue)


def streams_at_once(*, concurrency: Num, room_bytes: Num, bytes_each: Num) -> Num:
    """Return how many of ``concurrency`` requests of ``bytes_each`` fit in ``room_bytes``, at least one."""
    if type(bytes_each) is float and bytes_each <= 0:
        return concurrency
    return maximum(minimum(concurrency, room_bytes / bytes_each), 1)


def constants_of(values: Any) -> Constants:
    """Return constants from a mapping of their names."""
    return Constants(**{name: values[name] for name in Constants._fields})
