"""The figures of a prediction, each derived by putting symbols into the functions that give its number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sympy

from roofline import _predict
from roofline.explanation.derivation import Formula, Given, Ledger, Row, Section, Step, tidy
from roofline.explanation.plain import plain_formula
from roofline.explanation.symbolic import cited, symbolic_machine, symbolic_operation
from roofline.operations import Pass, RoutedExperts, Shares
from roofline.ops import Cost
from roofline.results import OperationTime, Prediction
from roofline.setting import Setting
from roofline.times import PassTimes, pass_times
from roofline.workload import Workload, prompt_pass

SYMBOLS = {
    "weight_bytes": "W",
    "kv_bytes": "K",
    "state_bytes": "S",
    "flop": "F",
    "memory": "t_memory",
    "streaming": "t_streaming",
    "uniform": "t_uniform",
    "compute": "t_compute",
    "link": "t_link",
}
"""What the attributes of :class:`roofline.times.PassTimes` are called in formulas."""

MEANINGS = {
    "weight_bytes": ("byte", "weights read"),
    "kv_bytes": ("byte", "cached keys and values read"),
    "state_bytes": ("byte", "recurrent state read"),
    "flop": ("FLOP", "computed"),
    "memory": ("s", "least time to read, the chip keeping what it can"),
    "streaming": ("s", "time to read all of it from main memory"),
    "uniform": ("s", "the same, every token picking its experts evenly at random"),
    "compute": ("s", "least time to compute"),
    "link": ("s", "least time for what devices exchange"),
}


@dataclass(frozen=True, slots=True)
class _Standing:
    """An operation of which only its cost is known, as symbols: what sums over operations are made of."""

    name: str
    symbols: Cost
    shares: Shares

    def cost(self, p: Pass) -> Cost:
        """Return the cost, whatever the pass."""
        del p
        return self.symbols


def decode(s: Setting, work: Workload, p: Prediction) -> Section:
    """Return the derivation of a decode step."""
    ledger = Ledger()
    batch = ledger.given("B", work.batch, "1", "sequences that decode together (batch)")
    context = ledger.given("c", work.context, "token", "tokens in the cache of each (context)")
    made = _Pass(s, ledger, Pass(batch, 1, context), p.decode.ops)
    uniform = p.decode.uniform.seconds_per_step > p.decode.streaming.seconds_per_step
    times, sums = made.steps("decode", uniform=uniform)
    if not uniform:
        made.times = made.times._replace(uniform=made.times.streaming)
    found = _predict.decode_block(made.times, batch)
    speeds: dict[str, list[Step]] = {}
    for kind in ("ceiling", "streaming", "uniform"):
        rates = getattr(found, kind)
        mark = "" if kind == "ceiling" else f"_{kind}"
        time = ledger.step(f"t{mark}_step" if mark else "t", rates.seconds_per_step, "s", f"one step, {kind}")
        speeds[kind] = list(_speeds(ledger, rates, time, f"decode.{kind}", kind))
    amounts = [
        ledger.step(name, getattr(found, key), unit, meaning, f"decode.{key}")
        for key, name, unit, meaning in (
            ("bytes_per_token", "Q_token", "byte", "bytes read for a generated token"),
            ("flop_per_token", "F_token", "FLOP", "computed for a generated token"),
            ("arithmetic_intensity", "I", "FLOP/byte", "arithmetic intensity"),
        )
    ]
    bounds = [times[kind] for kind in ("memory", "compute", "link") if kind in times]
    more = [times["uniform"], sums.pop("more")] if uniform else []
    steps = [*speeds["ceiling"], *bounds, *sums.values(), *amounts, *speeds["streaming"]]
    steps += [*([times["streaming"]] if "streaming" in times else []), *speeds["uniform"], *more]
    return _section("decode: one step adds a token to every sequence", ledger, steps, made, _unlike(s, uniform=uniform))


def _unlike(s: Setting, *, uniform: bool) -> tuple[str, ...]:
    """Return what is to be said of the routing."""
    if uniform:
        return ("the share of experts that are met, 1 - (1 - k/E)^B, has no inverse in closed form",)
    if any(isinstance(operation, RoutedExperts) for operation in s.transformer.operations):
        return ("uniform is streaming: one token meets its own experts only",)
    return ("uniform is streaming: there are no experts to choose from",)


def _speeds(ledger: Ledger, rates: Any, time: Step, path: str, kind: str) -> Iterator[Step]:
    """Yield the three figures of a speed in terms of its time."""
    known = {time.formula: time.symbol, 1 / time.formula: 1 / time.symbol}
    mark = "" if kind == "ceiling" else f"_{kind}"
    yield ledger.step(
        f"r{mark}",
        tidy(rates.tokens_per_s).subs(known),
        "token/s",
        f"tokens of the whole batch, {kind}",
        f"{path}.tokens_per_s",
    )
    yield ledger.step(
        f"r{mark}_stream",
        tidy(rates.tokens_per_s_per_stream).subs(known),
        "token/s",
        "tokens of one sequence",
        f"{path}.tokens_per_s_per_stream",
    )
    yield replace(time, path=f"{path}.seconds_per_step")


def prefill(s: Setting, work: Workload, p: Prediction) -> Section:
    """Return the derivation of a prefill pass."""
    ledger = Ledger()
    batch = ledger.given("B", work.batch, "1", "prompts that are read together (batch)")
    prompt = ledger.given("q", work.prompt, "token", "tokens of each prompt" + _default(work))
    cached: Any = 0
    if work.cached:
        cached = ledger.given("c", work.cached, "token", "tokens of each prompt in the cache already")
    symbolic = work._replace(batch=batch, prompt=prompt, cached=cached)
    the_pass = prompt_pass(batch, symbolic)._replace(state_reads=prompt_pass(1, work).state_reads)
    made = _Pass(s, ledger, the_pass, p.prefill.ops)
    times, sums = made.steps("prefill", uniform=False)
    tokens = batch * prompt
    found = _predict.prefill_block(made.times, tokens)
    time = ledger.step("t", found.ceiling.seconds, "s", "the whole pass", "prefill.ceiling.seconds")
    speed = tidy(found.ceiling.tokens_per_s).subs({1 / time.formula: 1 / time.symbol})
    figures = [
        ledger.step("r", speed, "token/s", "prompt tokens of all sequences", "prefill.ceiling.tokens_per_s"),
        time,
        *times.values(),
        ledger.step("T", tokens, "token", "prompt tokens of all sequences", "prefill.tokens"),
        ledger.step("Q", found.bytes, "byte", "bytes read", "prefill.bytes"),
        *sums.values(),
    ]
    return _section("prefill: reading the prompts in one pass", ledger, figures, made, ())


def _default(work: Workload) -> str:
    return " (prompt)" if work.prompt_given else ", as none was given"


class _Pass:
    """A pass of symbolic operations on a symbolic machine: its sums, and what each operation adds."""

    def __init__(self, s: Setting, ledger: Ledger, p: Pass, shown: Sequence[OperationTime]) -> None:
        self.ledger, self.starts = ledger, p.cached == 0
        self.machine = symbolic_machine(s, ledger)
        operations = [symbolic_operation(s, ledger, number) for number in range(1, len(s.transformer.operations) + 1)]
        self.rows: list[Row] = []
        self.more: Any = 0
        standing = []
        for number, (operation, real, op) in enumerate(
            zip(operations, s.transformer.operations, shown, strict=True), 1
        ):
            cost, steps = self._cost(number, operation.cost(p), real.name)
            roof = self._roof(real.shares)
            self.rows.append(Row(number, real.name, tuple(steps), roof, op.seconds, op.bound))
            standing.append(_Standing(real.name, cost, real.shares))
            if isinstance(operation, RoutedExperts):
                self.more = self.more + operation.more_bytes_when_uniform(p)
        model = replace(s.transformer, operations=tuple(standing))  # type: ignore[arg-type]
        sized: Any = model
        if s.tensor_parallel > 1 and self.machine.link_bytes_per_s is not None:
            sources = cited(s, "architecture of ")
            layers = ledger.given("n_layers", model.layers, "1", "layers", sources)
            width = ledger.given("d_model", model.d_model, "1", "width of the residual stream", sources)
            sized = replace(model, layers=layers, d_model=width)  # type: ignore[arg-type]
        self.sums = pass_times(sized, self.machine, p, s.tensor_parallel)
        self.times = self._times()

    def _times(self) -> PassTimes:
        """Return the pass with a symbol for each of its sums that is not zero."""
        found = {}
        for f in PassTimes._fields:
            if f in SYMBOLS:
                zero = f != "uniform" and tidy(getattr(self.sums, f)) == 0
                found[f] = 0 if zero else sympy.Symbol(SYMBOLS[f], positive=True)
        if not self.more:
            found["uniform"] = found["streaming"]
        return PassTimes(operations=[], **found)

    def _cost(self, number: int, cost: Cost, name: str) -> tuple[Cost, list[Step]]:
        """Return the cost of an operation as symbols, and the steps that give them."""
        steps: list[Step] = []
        symbols = {}
        for kind in ("weight_bytes", "kv_bytes", "state_bytes", "flop"):
            formula = tidy(getattr(cost, kind))
            if formula == 0 or (kind == "kv_bytes" and self.starts):
                symbols[kind] = 0
                continue
            unit, meaning = ("FLOP", "computes") if kind == "flop" else ("byte", "reads")
            formula = self._with_pairs(number, formula, steps)
            step = self.ledger.step(f"{'F' if kind == 'flop' else 'Q'}_{number}", formula, unit, f"{name} {meaning}")
            steps.append(step)
            symbols[kind] = step.symbol
        return Cost(**symbols), steps

    def _with_pairs(self, number: int, formula: Formula, steps: list[Step]) -> Formula:
        """Return the formula, factors that count by cases named and put into steps of their own."""
        names = {step.formula: step.symbol for step in steps}
        letters = iter("nmluxyz"[len(steps) :])

        def name(factor: Formula) -> Formula:
            if not factor.has(sympy.Min, sympy.Max, sympy.floor):
                return factor
            if factor not in names:
                step = self.ledger.step(f"{next(letters)}_{number}", factor, "1", "counted by cases")
                steps.append(step)
                names[factor] = step.symbol
            return names[factor]

        terms = [
            sympy.Mul(*(name(factor) for factor in sympy.Mul.make_args(term))) for term in sympy.Add.make_args(formula)
        ]
        named = sympy.Add(*terms)
        if named.has(sympy.Min, sympy.Max, sympy.floor):
            return named
        return min((named, sympy.factor(sympy.expand(named))), key=_length)

    def _roof(self, shares: Shares) -> str:
        found: dict[str, float] = {}
        for bits, share in shares:
            peak = self.machine.peak(bits)
            found[peak.format if peak else "unknown"] = found.get(peak.format if peak else "unknown", 0.0) + share
        if len(found) == 1:
            return next(iter(found))
        return " ".join(f"{format_} {share:.0%}" for format_, share in sorted(found.items(), key=lambda x: -x[1]))

    def steps(self, section: str, *, uniform: bool) -> tuple[dict[str, Step], dict[str, Step]]:
        """Return the times of the resources, and the sums that they are made of."""
        ledger, t, machine = self.ledger, self.times, self.machine
        kinds = ("weight_bytes", "kv_bytes", "state_bytes", "flop")
        sums = {kind: step for kind in kinds if (step := self._sum(kind, section))}
        moved = t.weight_bytes + t.kv_bytes + t.state_bytes
        formulas = {"memory": machine.memory_seconds(moved)}
        if section == "decode":
            formulas["streaming"] = machine.streaming_seconds(moved)
        if uniform:
            sums["more"] = ledger.step("M", self.more, "byte", "experts read beyond those of one token")
            formulas["uniform"] = machine.streaming_seconds(moved + sums["more"].symbol)
        formulas |= {"compute": self.sums.compute, "link": self.sums.link}
        named = {kind: (SYMBOLS[kind], formula, *MEANINGS[kind]) for kind, formula in formulas.items()}
        return {kind: ledger.step(*step) for kind, step in named.items() if tidy(formulas[kind]) != 0}, sums

    def _sum(self, kind: str, section: str) -> Step | None:
        formula = 0 if kind == "kv_bytes" and self.starts else tidy(getattr(self.sums, kind))
        own = {"decode": ("weight_bytes", "kv_bytes", "state_bytes"), "prefill": ("flop",)}[section]
        path = f"{section}.{kind}" if kind in own else ""
        return self.ledger.step(SYMBOLS[kind], formula, *MEANINGS[kind], path) if path or formula != 0 else None


def _length(formula: Formula) -> tuple[bool, int]:
    """Return how hard a formula is to read."""
    text = plain_formula(formula)
    return text.startswith("-"), len(text)


def _section(title: str, ledger: Ledger, steps: Sequence[Step], made: _Pass, notes: tuple[str, ...]) -> Section:
    return Section(title, tuple(steps), used(ledger.givens, steps, made.rows), tuple(made.rows), notes)


def used(givens: Sequence[Given], steps: Sequence[Step], rows: Sequence[Row]) -> tuple[Given, ...]:
    """Return the givens that some formula contains."""
    every = [*steps, *(step for row in rows for step in row.steps)]
    used = {symbol for step in every for symbol in step.formula.free_symbols}
    return tuple(given for given in givens if given.symbol in used)
