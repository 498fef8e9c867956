"""What to expect of an engine for the work of a prediction: values, intervals, and what the time is made of."""

from __future__ import annotations

from typing import Any, NamedTuple

from roofline._xp import Num, maximum, minimum
from roofline.calibration import Speed, interval
from roofline.capacity import stored_bytes
from roofline.expected import PassSeconds, ServedSeconds, pass_seconds, served_seconds, streams_at_once
from roofline.expected_work import PassWork, pass_work
from roofline.operations import Pass
from roofline.results import ExpectedPrefill, ExpectedRates, PrefillRate, Rates, Serving, ServingFigure
from roofline.setting import Setting
from roofline.workload import Workload, prompt_pass

LEAST_TERM = 1e-12
"""Parts of a time below this are what rounding leaves. [s]"""


class ServedWork(NamedTuple):
    """The work behind served requests, of one replica.

    Attributes
    ----------
    step, prefill : one decode step of the streams that fit; reading one prompt.
    streams, concurrency : requests that fit at once, and that are in flight, of this replica. [1]
    """

    step: PassWork
    prefill: PassWork
    streams: Num
    concurrency: Num


def decode_work(s: Setting, speed: Speed, work: Workload) -> PassWork:
    """Return the work of a decode step."""
    return _work(s, speed, Pass(work.batch, 1, work.context))


def prefill_work(s: Setting, speed: Speed, work: Workload) -> PassWork:
    """Return the work of reading the prompts."""
    return _work(s, speed, prompt_pass(work.batch, work))


def served_work(s: Setting, speed: Speed, work: Workload) -> ServedWork:
    """Return the work behind served requests; the weights must fit."""
    data, output = speed.layout.data, 1 if work.output is None else work.output
    tokens = work.cached + work.prompt + output
    stored = stored_bytes(s.transformer, speed.layout)
    taken = 1.0 if s.own.share_of else speed.rules.memory_share  # what is reserved is in the engine's own already
    room = (taken * s.machine.capacity_bytes - stored - s.own.bytes_at(tokens)) / data
    each = s.growth.bytes_of(tokens) + s.transformer.state_bytes
    concurrency: Any = maximum(work.concurrency / data, 1.0)
    streams: Any = streams_at_once(concurrency=concurrency, room_bytes=room, bytes_each=each)
    step = Pass(streams * data, 1, work.cached + work.prompt + output / 2)
    return ServedWork(_work(s, speed, step), _work(s, speed, prompt_pass(1, work)), streams, concurrency)


def _work(s: Setting, speed: Speed, p: Pass) -> PassWork:
    return pass_work(s.transformer, s.machine, p, layout=speed.layout, counted=speed.counted, rules=speed.rules)


def expected_decode(s: Setting, speed: Speed, work: Workload, ceiling: Rates, level: float) -> ExpectedRates:
    """Return the expected speed of decoding; never above the ceiling."""
    made_of = pass_seconds(decode_work(s, speed, work), speed.constants, eager=float(speed.eager))
    factors = interval(speed.fitted, "decode", speed.known, level)
    seconds, low, high = bounded_rates(made_of.total, ceiling.seconds_per_step, work.batch, factors)
    return ExpectedRates(
        seconds_per_step=seconds,
        tokens_per_s=work.batch / seconds,
        tokens_per_s_per_stream=1 / seconds,
        low=low,
        high=high,
        level=level,
        terms=_terms(made_of),
    )


def expected_prefill(s: Setting, speed: Speed, work: Workload, ceiling: PrefillRate, level: float) -> ExpectedPrefill:
    """Return the expected speed of prefill; never above the ceiling."""
    made_of = pass_seconds(prefill_work(s, speed, work), speed.constants, prefill=True)
    tokens, factors = work.batch * work.prompt, interval(speed.fitted, "prefill", speed.known, level)
    seconds, low, high = bounded_rates(made_of.total, ceiling.seconds, tokens, factors)
    return ExpectedPrefill(
        seconds=seconds,
        tokens_per_s=tokens / seconds,
        low=low,
        high=high,
        level=level,
        terms=_terms(made_of),
    )


def bounded_rates(expected: Any, least: Any, tokens: Any, factors: tuple[Any, Any]) -> tuple[Any, Any, Any]:
    """Return the time to expect, and the lowest and highest rate of the interval; none is better than the ceiling.

    Parameters
    ----------
    expected, least : time to expect, and that of the ceiling. [s]
    tokens : tokens in that time. [token]
    factors : factors of the time at the fast and at the slow end of the interval. [1]
    """
    fast, slow = factors
    slowest: Any = maximum(expected * slow, least)
    fastest: Any = maximum(expected * fast, least)
    return maximum(expected, least), tokens / slowest, tokens / fastest


def expected_serving(s: Setting, speed: Speed, work: Workload, bounds: Serving, level: float) -> Serving:
    """Return the bounds of a served workload with what to expect beside them."""
    served = served_work(s, speed, work)
    output = 1 if work.output is None else work.output
    step = pass_seconds(served.step, speed.constants, eager=float(speed.eager)).total
    prefill = pass_seconds(served.prefill, speed.constants, prefill=True).total
    times: ServedSeconds = served_seconds(
        speed.constants,
        step=step,
        prefill=prefill,
        streams=served.streams,
        concurrency=served.concurrency,
        output=output,
    )
    every: Any = times
    streams = work.concurrency
    rate = streams * output / every.request
    total = streams * (work.cached + work.prompt + output) / every.request

    first, each, whole = (
        interval(speed.fitted, metric, speed.known, level) for metric in ("first token", "per token", "request")
    )
    return Serving(
        concurrency=bounds.concurrency,
        ttft_s=limited_time(bounds.ttft_s.ceiling, every.first_token, first, level),
        tpot_s=limited_time(bounds.tpot_s.ceiling, every.per_token, each, level),
        output_tok_per_s=limited_rate(bounds.output_tok_per_s.ceiling, rate, whole, level),
        total_tok_per_s=limited_rate(bounds.total_tok_per_s.ceiling, total, whole, level),
    )


def limited_time(least: Any, value: Any, factors: tuple[float, float], level: float) -> ServingFigure:
    """Return a time with its interval, none below the least that is possible. [s]"""
    fast, slow = factors
    ends: list[Any] = [maximum(value * factor, least) for factor in (1.0, fast, slow)]
    return ServingFigure(least, ends[0], ends[1], ends[2], level)


def limited_rate(most: Any, value: Any, factors: tuple[float, float], level: float) -> ServingFigure:
    """Return a rate with its interval, none above the most that is possible; the factors are those of times."""
    fast, slow = factors
    ends: list[Any] = [minimum(value / factor, most) for factor in (1.0, slow, fast)]
    return ServingFigure(most, ends[0], ends[1], ends[2], level)


def _terms(made_of: PassSeconds) -> dict[str, Any]:
    """Return what the time is made of, the parts adding up to it."""
    parts: Any = made_of
    device = {
        "weights and multiplication": parts.weights_and_multiply,
        "cache and attention": parts.cache_and_attention,
        "recurrent state": parts.state,
        "kernels": parts.kernels,
        "exchange between devices": parts.exchanges,
        "requests": parts.sequences,
    }
    host = parts.total - sum(device.values())
    return {name: seconds for name, seconds in (device | {"host": host}).items() if _counts(seconds)}


def _counts(seconds: Any) -> bool:
    """Whether a part of the time is more than the rounding of the rest; arrays of parts are all kept."""
    return seconds > LEAST_TERM if isinstance(seconds, float) else True
