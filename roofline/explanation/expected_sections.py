"""What an engine is expected to reach, and served requests: derived as the rest, by putting in symbols."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy

from roofline import expectation, serving
from roofline.calibration import Speed, interval
from roofline.expected import Constants, pass_seconds, served_seconds, streams_at_once
from roofline.expected_work import PRODUCTS, PassWork
from roofline.explanation.derivation import Ledger, Section, Step
from roofline.explanation.sections import used
from roofline.explanation.symbolic import symbolic_machine
from roofline.formats import STORAGE_CLASSES
from roofline.operations import Pass
from roofline.ops import Cost
from roofline.results import Citation, Prediction
from roofline.setting import Setting
from roofline.specs.speed import CONSTANTS
from roofline.times import pass_times
from roofline.workload import Workload, prompt_pass

TINY = 1e-200
"""What is added to a time so that none is zero; left out of formulas. [s]"""

ONES: Any = Constants(**dict.fromkeys(CONSTANTS, 1.0))
"""Constants of an engine that reaches every nominal rate."""

KINDS = {"stream": STORAGE_CLASSES, "routed": STORAGE_CLASSES, "multiply": PRODUCTS, "row": PRODUCTS}
"""Fields of :class:`PassWork` that hold a number for each of several kinds."""

NOTHING: Any = PassWork(
    **{  # type: ignore[arg-type]
        name: (0.0,) * len(KINDS[name]) if name in KINDS else 0.0 for name in PassWork._fields
    }
)._replace(tokens=1.0)
"""A pass without work."""


def expected_decode(s: Setting, work: Workload, level: float, p: Prediction) -> Section:
    """Return the derivation of the decode speed that is expected."""
    speed: Any = s.speed
    ledger = Ledger()
    batch = ledger.given("B", work.batch, "1", "sequences that decode together (batch)")
    least = ledger.given(
        "t_ceiling", p.decode.ceiling.seconds_per_step, "s", "the ceiling, decode.ceiling.seconds_per_step"
    )
    steps = _pass(ledger, expectation.decode_work(s, speed, work), speed, prefill=False)
    ends = _ends(ledger, speed, "decode", level)
    seconds, low, high = expectation.bounded_rates(steps[0].symbol, least, batch, ends)
    time = ledger.step("t", seconds, "s", "one step", "decode.expected.seconds_per_step")
    figures = [
        ledger.step("r", batch / time.symbol, "token/s", "tokens of the batch", "decode.expected.tokens_per_s"),
        ledger.step("r_stream", 1 / time.symbol, "token/s", "", "decode.expected.tokens_per_s_per_stream"),
        ledger.step("r_low", low, "token/s", "lower end", "decode.expected.low"),
        ledger.step("r_high", high, "token/s", "upper end", "decode.expected.high"),
        time,
    ]
    return _section(f"decode, expected of {p.engine}", ledger, [*figures, *steps], speed)


def expected_prefill(s: Setting, work: Workload, level: float, p: Prediction) -> Section:
    """Return the derivation of the prefill speed that is expected."""
    speed: Any = s.speed
    ledger = Ledger()
    tokens = ledger.given("B", work.batch, "1", "prompts (batch)") * ledger.given("q", work.prompt, "token", "of each")
    least = ledger.given("t_ceiling", p.prefill.ceiling.seconds, "s", "the ceiling, prefill.ceiling.seconds")
    steps = _pass(ledger, expectation.prefill_work(s, speed, work), speed, prefill=True)
    ends = _ends(ledger, speed, "prefill", level)
    seconds, low, high = expectation.bounded_rates(steps[0].symbol, least, tokens, ends)
    time = ledger.step("t", seconds, "s", "the whole pass", "prefill.expected.seconds")
    figures = [
        ledger.step("r", tokens / time.symbol, "token/s", "prompt tokens", "prefill.expected.tokens_per_s"),
        ledger.step("r_low", low, "token/s", "lower end", "prefill.expected.low"),
        ledger.step("r_high", high, "token/s", "upper end", "prefill.expected.high"),
        time,
    ]
    return _section(f"prefill, expected of {p.engine}", ledger, [*figures, *steps], speed)


def _section(title: str, ledger: Ledger, steps: list[Step], speed: Speed | None) -> Section:
    notes = ()
    if speed:
        notes = ("work is that of one device, at nominal rates; docs/expected.md says what each constant is",)
    return Section(title, tuple(steps), used(ledger.givens, steps, ()), (), notes)


def _fitted(speed: Speed) -> tuple[Citation, ...]:
    fitted = speed.fitted
    title = f"roofline fit of {fitted.date}: {fitted.rows:,} measurements from {fitted.sources} sources"
    return (Citation("constants", title, ""),)


def _ends(ledger: Ledger, speed: Speed, metric: str, level: float) -> tuple[Any, Any]:
    """Return the factors of the interval's two ends."""
    fast, slow = interval(speed.fitted, metric, speed.known, level)
    said = f"end of the {level:.0%} interval, from measurements that were left out"
    cite = _fitted(speed)
    if fast == slow:
        both = ledger.given("f", fast, "1", said, cite)
        return both, both
    return ledger.given("f_fast", fast, "1", f"fast {said}", cite), ledger.given(
        "f_slow", slow, "1", f"slow {said}", cite
    )


def _pass(ledger: Ledger, w: PassWork, speed: Speed, *, prefill: bool) -> list[Step]:
    """Return the steps of the time of a pass; the first is the whole."""
    eager = float(speed.eager and not prefill)
    work, constants = _symbolic_work(ledger, w), _symbolic_constants(ledger, speed)
    found = pass_seconds(work, constants, prefill=prefill, eager=0.0)
    reading = ledger.step("t_weights", found.weights, "s", "reading weights")
    computing = ledger.step("t_multiply", found.multiply, "s", "multiplying")
    parts = NOTHING._replace(
        stream=(reading.symbol if reading.value else 0.0, *NOTHING.stream[1:]),
        multiply=(computing.symbol if computing.value else 0.0, *NOTHING.multiply[1:]),
    )
    overlapping = pass_seconds(parts, ONES).weights_and_multiply
    named = {
        "t_matrices": (_sharp(overlapping), "the two, overlapping"),
        "t_attention": (_sharp(found.cache_and_attention), "cache and attention, overlapping"),
        "t_state": (found.state, "recurrent state"),
        "t_kernels": (found.kernels, "kernels that wait for each other"),
        "t_exchange": (found.exchanges, "exchange between devices"),
        "t_requests": (found.sequences, "host, for each request"),
    }
    steps = {name: ledger.step(name, formula, "s", meaning) for name, (formula, meaning) in named.items()}
    steps = {name: step for name, step in steps.items() if step.formula != 0}
    of = {name: step.symbol for name, step in steps.items()}
    together = NOTHING._replace(
        stream=(of.get("t_matrices", 0.0), *NOTHING.stream[1:]),
        cache=of.get("t_attention", 0.0),
        state=of.get("t_state", 0.0),
        kernels=of.get("t_kernels", 0.0),
        send=of.get("t_exchange", 0.0),
        sequences=of.get("t_requests", 0.0),
        layers=work.layers,
    )
    whole = pass_seconds(together, ONES._replace(host=constants.host), eager=eager).total
    total = ledger.step("t_engine", _sharp(whole), "s", "the time that the engine takes")
    return [total, *steps.values(), *(step for step in (reading, computing) if step.formula != 0)]


def _sharp(formula: Any) -> Any:
    """Return a p-norm without what keeps its numbers in range: (x^p + y^p)^(1/p), whatever they are divided by."""
    formula = sympy.sympify(formula).replace(
        lambda e: isinstance(e, sympy.Add) and 0 < abs(e.as_coeff_Add()[0]) < TINY,
        lambda e: e - e.as_coeff_Add()[0],
    )
    return formula.xreplace(dict.fromkeys(formula.atoms(sympy.Max), sympy.Integer(1)))


WORK = {
    "stream": ("R", "s", "reading weights of class {}"),
    "routed": ("E", "s", "of it, routed experts of class {}"),
    "multiply": ("P", "s", "matrix products of kind {}"),
    "row": ("P_row", "s", "one more row in every product of kind {}"),
    "cache": ("R_cache", "s", "reading keys and values"),
    "state": ("R_state", "s", "reading and writing recurrent states"),
    "attend": ("P_attend", "s", "attention at the 16-bit peak"),
    "unpack": ("P_unpack", "s", "products with weights that are unpacked first, at the peak of 32 bits"),
    "kernels": ("n_kernels", "1", "kernels that wait for each other"),
    "exchanges": ("n_exchanges", "1", "sums over the devices"),
    "send": ("R_send", "s", "sending at nominal link bandwidth"),
    "sequences": ("n_sequences", "1", "sequences on the device"),
    "layers": ("n_layers", "1", "layers"),
}
"""Symbol, unit and meaning of the work of a pass; what is not here chooses a case and stays a number."""


def _symbolic_work(ledger: Ledger, w: PassWork) -> PassWork:
    """Return the work with a symbol for each of its numbers that is not zero."""

    def given(name: str, value: Any, unit: str, meaning: str) -> Any:
        return ledger.given(name.replace("-", ""), value, unit, meaning) if value else 0.0

    values: dict[str, Any] = {}
    for field, (symbol, unit, meaning) in WORK.items():
        value = getattr(w, field)
        if field in KINDS:
            values[field] = tuple(
                given(f"{symbol}_{kind}", each, unit, meaning.format(kind))
                for kind, each in zip(KINDS[field], value, strict=True)
            )
        else:
            values[field] = given(symbol, value, unit, meaning)
    return w._replace(**values)


def _symbolic_constants(ledger: Ledger, speed: Speed) -> Constants:
    cite = _fitted(speed)
    values = {}
    for name, unit in CONSTANTS.items():
        value = getattr(speed.constants, name)
        values[name] = ledger.given(name, value, unit, f"constant of the engine on {speed.hardware}", cite)
    return Constants(**values)


# --- served requests


class _Clock:
    """A machine on which work is given in seconds."""

    def __init__(self, links: Any) -> None:
        self.link_bytes_per_s = links.link_bytes_per_s
        self.network_bytes_per_s = links.network_bytes_per_s
        self.node_devices = links.node_devices

    def memory_seconds(self, moved_bytes: Any) -> Any:
        """Return the seconds that stand in place of bytes."""
        return moved_bytes

    streaming_seconds = memory_seconds

    def seconds_per_flop(self, shares: Any) -> int:
        """Return 1: seconds stand in place of operations."""
        del shares
        return 1


class _Timed:
    """A model of one operation whose reading and computing take times with names."""

    name, shares = "all of it", ()

    def __init__(self, s: Setting, times: dict[tuple[bool, bool], tuple[Any, Any]], width: Any, layers: Any) -> None:
        self.linear, self.chunks = s.transformer.linear, s.transformer.chunks
        self.d_model, self.layers, self.times = width, layers, times
        self.operations = (self,)

    def cost(self, p: Pass) -> Cost:
        """Return seconds of reading and of computing, for one sequence or all, of a token or a prompt."""
        memory, compute = self.times[p.sequences == 1, p.new_tokens == 1]
        return Cost(flop=compute, weight_bytes=memory)


def served(s: Setting, work: Workload, level: float, p: Prediction) -> Section:
    """Return the derivation of what holds for served requests."""
    ledger = Ledger()
    links = symbolic_machine(s, ledger)
    symbolic = work._replace(
        concurrency=ledger.given("C", work.concurrency or 1, "1", "streams kept busy (concurrency)"),
        prompt=ledger.given("q", work.prompt, "token", "tokens of each prompt (prompt)"),
        output=ledger.given("n", work.output or 1, "token", "tokens that each request generates (output)"),
        cached=ledger.given("c", work.cached, "token", "tokens of each prompt in the cache already")
        if work.cached
        else 0,
    )
    model: Any = _Timed(
        s,
        _times(s, work, ledger),
        ledger.given("d_model", s.transformer.d_model, "1", "width of the residual stream"),
        ledger.given("n_layers", s.transformer.layers, "1", "layers"),
    )
    clock: Any = _Clock(links)
    bounds = serving.serving(model, clock, work=symbolic, tensor_parallel=s.tensor_parallel)
    seconds = serving.requests_seconds(
        model, clock, requests=symbolic.concurrency, work=symbolic, tensor_parallel=s.tensor_parallel
    )
    time = ledger.step("T", seconds, "s", "least time of all requests, from first prompt to last token")
    short = {1 / time.formula: 1 / time.symbol}
    steps = []
    for name, symbol, unit, meaning in SERVED:
        formula = sympy.sympify(getattr(bounds, name).ceiling).subs(short)
        steps.append(ledger.step(f"{symbol}_ceiling", formula, unit, meaning, f"serving.{name}.ceiling"))
    steps.append(time)
    if p.serving and p.serving.ttft_s.value is not None:
        steps += _expected_served(s, work, symbolic, level, ledger, {step.path: step for step in steps})
    return _section("serving: requests come and go", ledger, steps, s.speed if len(steps) > len(SERVED) + 1 else None)


SERVED = (
    ("ttft_s", "t_first", "s", "time to first token"),
    ("tpot_s", "t_token", "s", "time for each token after it"),
    ("output_tok_per_s", "r_output", "token/s", "generated tokens"),
    ("total_tok_per_s", "r_total", "token/s", "prompt and generated tokens"),
)


def _times(s: Setting, work: Workload, ledger: Ledger) -> dict[tuple[bool, bool], tuple[Any, Any]]:
    """Return times of reading and of computing by kind of pass: (one sequence or all, a token or a prompt)."""
    requests, steps = work.concurrency or 1, (work.output or 1) - 1
    length = serving.representative_length(s.transformer, work.cached + work.prompt, steps)
    passes = {
        (True, False): (prompt_pass(1, work), "prompt", "one prompt"),
        (True, True): (Pass(1, 1, work.cached + work.prompt), "token", "one token of one stream"),
        (False, False): (prompt_pass(requests, work), "prompts", "all prompts at once"),
        (False, True): (Pass(requests, 1, length), "step", "a step of all streams"),
    }
    found = {}
    for key, (the_pass, name, meaning) in passes.items():
        times: Any = pass_times(s.transformer, s.machine, the_pass, s.tensor_parallel)
        found[key] = tuple(
            ledger.given(f"t_{kind}_{name}", value, "s", f"{meaning}: {'reading' if kind == 'memory' else 'computing'}")
            if value
            else 0
            for kind, value in (("memory", times.memory), ("compute", times.compute))
        )
    return found


def _expected_served(
    s: Setting, work: Workload, symbolic: Workload, level: float, ledger: Ledger, bounds: dict[str, Step]
) -> list[Step]:
    """Return the steps of what is expected of served requests."""
    speed: Any = s.speed
    served_work = expectation.served_work(s, speed, work)
    eager = float(speed.eager)
    step: Any = pass_seconds(served_work.step, speed.constants, eager=eager).total
    prefill: Any = pass_seconds(served_work.prefill, speed.constants, prefill=True).total
    data = speed.layout.data
    concurrency = symbolic.concurrency / data if (work.concurrency or 1) >= data else 1.0
    at_once = _at_once(s, work, ledger, served_work, concurrency)
    times: Any = served_seconds(
        _symbolic_constants(ledger, speed),
        step=ledger.given("t_step", step, "s", "a step of the streams that fit, expected as in decode"),
        prefill=ledger.given("t_prefill", prefill, "s", "one prompt, expected as in prefill"),
        streams=at_once.symbol if at_once else concurrency,
        concurrency=concurrency,
        output=symbolic.output,
    )
    first = ledger.step("t_first", times.first_token, "s", "engine's time to first token")
    each_token = ledger.step("t_token", times.per_token, "s", "engine's time for each token after it")
    request = ledger.step(
        "t_request", sympy.sympify(times.request).subs(times.per_token, each_token.symbol), "s", "a request"
    )
    tokens: Any = symbolic.cached + symbolic.prompt + symbolic.output
    raw = {
        "ttft_s": (first.symbol, "first token"),
        "tpot_s": (each_token.symbol, "per token"),
        "output_tok_per_s": (symbolic.concurrency * symbolic.output / request.symbol, "request"),
        "total_tok_per_s": (symbolic.concurrency * tokens / request.symbol, "request"),
    }
    steps = []
    for name, symbol, unit, _ in SERVED:
        steps += _limited(ledger, speed, level, bounds[f"serving.{name}.ceiling"], (name, symbol, unit), *raw[name])
    return [*steps, first, each_token, request, *([at_once] if at_once else [])]


def _at_once(s: Setting, work: Workload, ledger: Ledger, served_work: Any, concurrency: Any) -> Step | None:
    """Return how many requests fit at once; None where all do."""
    streams: Any = served_work.streams
    if streams == served_work.concurrency:
        return None
    each: Any = s.growth.bytes_of(work.cached + work.prompt + (work.output or 1)) + s.transformer.state_bytes
    formula = streams_at_once(
        concurrency=concurrency,
        room_bytes=ledger.given("M_room", streams * each, "byte", "room for their caches"),
        bytes_each=ledger.given("M_each", each, "byte", "cache of one request at its longest"),
    )
    said = "requests that fit at once"
    if streams > 1:
        return ledger.step("C_at_once", formula, "1", said)
    return ledger.step("C_at_once", sympy.Integer(1), "1", f"{said}: there is room for none")


def _limited(
    ledger: Ledger, speed: Any, level: float, bound: Step, figure: tuple[str, str, str], value: Any, metric: str
) -> Iterator[Step]:
    """Yield a served figure with the two ends of its interval, none beyond its ceiling."""
    name, symbol, unit = figure
    fast, slow = interval(speed.fitted, metric, speed.known, level)
    mark = metric.replace(" ", "")
    ends: Any = (
        ledger.given(f"f_fast_{mark}", fast, "1", f"fast end of the interval, {metric}", _fitted(speed)),
        ledger.given(f"f_slow_{mark}", slow, "1", f"slow end of the interval, {metric}", _fitted(speed)),
    )
    limited = expectation.limited_time if name in {"ttft_s", "tpot_s"} else expectation.limited_rate
    found = limited(bound.symbol, value, ends, level)
    for key in ("value", "low", "high"):
        yield ledger.step(f"{symbol}_{key}", getattr(found, key), unit, key, f"serving.{name}.{key}")
