"""Where things change: ridge points, crossovers and break-evens, in closed form where there is one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import sympy

from roofline import ops
from roofline.errors import UnknownNameError
from roofline.explanation.derivation import ClosedForm, Given, Ledger, tidy
from roofline.explanation.symbolic import cited, symbolic_machine
from roofline.operations import Pass, RecurrentCore, RoutedExperts
from roofline.results import Citation
from roofline.setting import Setting
from roofline.times import PassTimes, pass_times
from roofline.transformer import Transformer, transformer
from roofline.workload import Workload

SAVED = 0.1
"""Share of a step that a smaller cache format is asked to save. [1]"""

SMALLER_CACHES = ("fp8", "q8_0", "q4_0")
"""Cache formats that a break-even is given for, where they are smaller than the one in use."""

LARGEST_BATCH, LARGEST_CONTEXT = 1e7, 1e10
"""A crossover beyond these is none."""


def closed_forms(s: Setting, work: Workload) -> tuple[tuple[ClosedForm, ...], tuple[Given, ...]]:
    """Return the points, and the numbers that they are made of.

    Parameters
    ----------
    s, work : what the prediction was made of.

    Returns
    -------
    tuple
        Points, givens.
    """
    found = _Points(s, work)
    forms = (*found.ridges(), *found.batches(), *found.contexts(), *found.caches())
    used = {symbol for form in forms if form.step for symbol in form.step.formula.free_symbols}
    return forms, tuple(given for given in found.ledger.givens if given.symbol in used)


class _Points:
    """The points of one prediction; ``at`` gives its decode step at another batch or context."""

    def __init__(self, s: Setting, work: Workload) -> None:
        self.s, self.work, self.ledger = s, work, Ledger()
        self.machine = symbolic_machine(s, self.ledger)
        here: Any = self.at(work.batch, work.context)
        self.here = here
        sources = cited(s, "weights ") or cited(s, "architecture of ")
        self.weights = self._given("W", here.weight_bytes, "byte", "weights read in a step, top-k experts", sources)
        self.batch = self._given("B", work.batch, "1", "sequences that decode together (batch)")
        self.state = self._given("S_1", s.transformer.state_bytes, "byte", "recurrent state of one sequence")
        self.cached = self._given(
            "b", bytes_read_a_token(s.transformer), "byte", f"cache read of a token in {s.kv}, all layers"
        )

    def at(self, batch: float, context: float, model: Transformer | None = None) -> PassTimes:
        """Return the decode step at this batch and context."""
        return pass_times(model or self.s.transformer, self.s.machine, Pass(batch, 1, context), self.s.tensor_parallel)

    def _given(self, name: str, value: float, unit: str, meaning: str, sources: tuple[Citation, ...] = ()) -> Any:
        return self.ledger.given(name, value, unit, meaning, sources) if value else 0

    def ridges(self) -> Iterator[ClosedForm]:
        """Yield the ridge point of each format in use."""
        beta: Any = self.machine.bytes_per_s
        if beta is None:
            return
        for format_, peak in self.machine.peaks.items():
            formula = ops.ridge_point(flop_per_s=peak, bytes_per_s=beta)
            step = self.ledger.step(f"I_{format_}", formula, "FLOP/byte", f"ridge point of {format_}")
            yield ClosedForm(
                f"ridge point, {format_}",
                f"FLOP a byte above which the {format_} peak bounds, below which memory does",
                step,
                step.value,
                "FLOP/byte",
            )

    def batches(self) -> Iterator[ClosedForm]:
        """Yield the batch from which a step is bound by compute."""
        if not self.here.compute or self.s.machine.bytes_per_s is None:
            return
        yield self._crossover(self.work.context, "", f"{self.work.context:,} cached tokens each")
        if self.work.context:
            yield self._crossover(0, "_0", "an empty cache")
        if any(isinstance(operation, RoutedExperts) for operation in self.s.transformer.operations):
            found = _first_below(lambda b: _uniform_leads(self.at(b, self.work.context)), 1.0, LARGEST_BATCH)
            why = "numeric: the coverage of experts has no inverse in closed form"
            yield ClosedForm(
                "crossover batch, even routing",
                f"the same at {self.work.context:,} cached tokens when every token picks its experts evenly at random",
                None,
                found,
                "1",
                why if found else "bound by memory at every batch",
            )

    def _crossover(self, context: int, mark: str, said: str) -> ClosedForm:
        one: Any = self.at(1, context)
        read = self._given(
            f"K_1{mark}", one.kv_bytes + one.state_bytes, "byte", f"cache and state read a sequence, {said}"
        )
        tau = self.ledger.given(f"tau{mark}", one.compute, "s", f"time to compute a token of one sequence, {said}")
        unknown = sympy.Symbol(f"B_c{mark}", positive=True)
        reading = tidy(self.machine.memory_seconds(self.weights + unknown * read))
        lines = reading.args if isinstance(reading, sympy.Max) else (reading,)
        return self._closed(
            "crossover batch" + (", empty cache" if mark else ""),
            f"sequences from which computing takes longer than reading, at {said}",
            "1",
            unknown,
            [line - unknown * tau for line in lines],
            lambda batch: _memory_leads(self.at(batch, context)),
            "each more sequence reads longer than it computes",
        )

    def contexts(self) -> Iterator[ClosedForm]:
        """Yield the context at which the cache outweighs the weights."""
        if not self.cached:
            return
        unknown = sympy.Symbol("c_c", positive=True)
        longest = self.s.model.architecture.max_context
        yield self._closed(
            "crossover context",
            "cached tokens of each sequence at which a step reads as much cache as weights, at this batch",
            "token",
            unknown,
            [self.weights - self.batch * self.cached * unknown] if self._linear else [],
            lambda c: _weights_lead(self.at(self.work.batch, c)),
            "the cache that is read stops growing before",
            longest,
        )

    @property
    def _linear(self) -> bool:
        return self.s.transformer.linear

    def caches(self) -> Iterator[ClosedForm]:
        """Yield the context from which a smaller cache format saves a tenth of a step."""
        if not self.cached:
            return
        for name in SMALLER_CACHES:
            try:
                other = transformer(self.s.model, self.s.weights.name, name)
            except UnknownNameError:
                continue
            size = bytes_read_a_token(other)
            if size >= bytes_read_a_token(self.s.transformer):
                continue
            unknown = sympy.Symbol(f"c_{name}", positive=True)
            small = self._given(f"b_{name}", size, "byte", f"cache read of a token in {name}, all layers")
            fixed = self.weights + self.batch * self.state
            shorter = fixed + self.batch * small * unknown
            step = fixed + self.batch * self.cached * unknown
            line = shorter - (1 - sympy.Rational(str(SAVED))) * step
            yield self._closed(
                f"break-even of {name}",
                f"context from which a {name} cache saves {SAVED:.0%} of the bytes of a step against {self.s.kv}",
                "token",
                unknown,
                [line] if self._linear else [],
                lambda c, other=other: (
                    self.at(self.work.batch, c, other).bytes - (1 - SAVED) * self.at(self.work.batch, c).bytes
                ),
                f"it never saves {SAVED:.0%}",
                self.s.model.architecture.max_context,
            )

    def _closed(
        self,
        key: str,
        meaning: str,
        unit: str,
        unknown: sympy.Symbol,
        lines: list[Any],
        difference: Callable[[float], Any],
        none: str,
        longest: float | None = None,
    ) -> ClosedForm:
        """Return the point where one of the lines vanishes, else where the difference does, found numerically."""
        for line in lines:
            for root in sympy.solve(line, unknown):
                step = self.ledger.step(unknown.name, positive_first(root), unit, key)
                if step.value > 0 and _vanishes(difference, step.value):
                    return ClosedForm(key, meaning, step, step.value, unit, _note(step.value, longest))
        most = LARGEST_BATCH if unit == "1" else LARGEST_CONTEXT
        found = None if lines else _first_below(difference, 0.0, most)
        if found is None:
            return ClosedForm(key, meaning, None, None, unit, none)
        note = "; ".join(part for part in ("numeric: windows make it no straight line", _note(found, longest)) if part)
        return ClosedForm(key, meaning, None, found, unit, note)


def positive_first(root: Any) -> Any:
    """Return a fraction of two differences with the signs that are easier to read."""
    above, below = root.as_numer_denom()
    return -above / -below if above.could_extract_minus_sign() and below.could_extract_minus_sign() else root


def _note(value: float, longest: float | None) -> str:
    if longest is not None and value > longest:
        return f"beyond the {longest:,} tokens that the model takes"
    return "less than one: so at every batch" if longest is None and value < 1 else ""


def bytes_read_a_token(model: Transformer) -> float:
    """Return the cache that is read of a token in all layers, windows or not. [byte]"""
    return sum(getattr(o, "read_bytes", 0.0) for o in model.operations if not isinstance(o, RecurrentCore))


def _memory_leads(t: Any) -> float:
    return t.memory - t.compute


def _weights_lead(t: Any) -> float:
    return t.weight_bytes - t.kv_bytes


def _uniform_leads(t: Any) -> float:
    return t.uniform - t.compute


def _vanishes(difference: Callable[[float], Any], x: float) -> bool:
    """Whether the difference changes sign around ``x``."""
    return difference(x * (1 - 1e-6)) * difference(x * (1 + 1e-6)) <= 0


def _first_below(difference: Callable[[float], Any], least: float, most: float) -> float | None:
    """Return where a difference that starts above zero falls below it; None where it never does."""
    if difference(most) > 0:
        return None
    low, high = least, most
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if difference(middle) > 0 else (low, middle)
    return high
