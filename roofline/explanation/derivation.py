"""What a derivation is made of: given numbers, and steps that make others of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, TypeAlias

import sympy

from roofline._xp import INFINITY
from roofline.results import SCHEMA_VERSION, Citation

Formula: TypeAlias = Any
"""An expression of sympy, whose own types are wider than what its functions return."""


@dataclass(frozen=True, slots=True)
class Given:
    """A number that is put in.

    Attributes
    ----------
    symbol : what it is called in formulas.
    value : in SI units.
    unit : ``byte``, ``byte/s``, ``FLOP/s``, ``s``, ``token`` ...; ``1`` for a count.
    meaning : what it is.
    sources : where it was read; empty where the caller said it.
    operation : the number of the operation that it belongs to; None: it belongs to no one.
    """

    symbol: sympy.Symbol
    value: float
    unit: str
    meaning: str
    sources: tuple[Citation, ...] = ()
    operation: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A number that follows from others.

    Attributes
    ----------
    symbol : what it is called in formulas.
    formula : how it follows, as the library's own functions say when symbols are put in.
    value : the formula with the numbers put in, in SI units.
    unit : as of :class:`Given`.
    meaning : what it is.
    path : dotted path of the figure of the prediction that it is; empty for what is between.
    """

    symbol: sympy.Symbol
    formula: Formula
    value: float
    unit: str
    meaning: str
    path: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One operation in a table: what it reads and computes, and its own least time.

    Attributes
    ----------
    number : its place.
    name : what it is.
    steps : what it reads, then what it computes.
    roof : the format whose peak bounds it.
    seconds : its own roofline time. [s]
    bound : memory or compute.
    """

    number: int
    name: str
    steps: tuple[Step, ...]
    roof: str
    seconds: float
    bound: str


@dataclass(frozen=True, slots=True)
class Section:
    """Figures that belong together, and what they follow from.

    Attributes
    ----------
    title : what they are.
    steps : the figures first, then what they are made of.
    givens : numbers put in.
    rows : the operations, where sums run over them.
    notes : what has no closed form, and the like.
    """

    title: str
    steps: tuple[Step, ...]
    givens: tuple[Given, ...]
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()

    def about(self, path: str) -> Section:
        """Return what the figure ``path`` needs of this section, and no more."""
        every = {step.symbol: step for step in self.every_step()}
        wanted: set[sympy.Symbol] = set()
        waiting = [step.symbol for step in self.steps if step.path == path]
        while waiting:
            symbol = waiting.pop()
            wanted.add(symbol)
            if symbol in every:
                waiting += [other for other in every[symbol].formula.free_symbols if other not in wanted]
        rows = tuple(row for row in self.rows if any(step.symbol in wanted for step in row.steps))
        return Section(
            self.title,
            tuple(sorted((step for step in self.steps if step.symbol in wanted), key=lambda step: step.path != path)),
            tuple(given for given in self.givens if given.symbol in wanted),
            rows,
            self.notes,
        )

    def every_step(self) -> Iterator[Step]:
        """Yield the steps, those of the operations too."""
        yield from self.steps
        for row in self.rows:
            yield from row.steps


@dataclass(frozen=True, slots=True)
class ClosedForm:
    """A point where something changes, as a formula.

    Attributes
    ----------
    key : its name.
    meaning : what it is, in a sentence.
    step : how it follows; None where no such point exists, or no closed form.
    value : where it is; None where it does not exist.
    unit : as of :class:`Given`.
    note : why there is none, or that it was found numerically.
    """

    key: str
    meaning: str
    step: Step | None
    value: float | None
    unit: str
    note: str = ""


@dataclass(frozen=True, slots=True, repr=False)
class Explanation:
    """The derivation of the figures of a prediction.

    ``print`` shows a page, a notebook shows it in LaTeX. :meth:`to_dict` gives the same, numbers unrounded.

    Attributes
    ----------
    title, workload : what was predicted.
    sections : figures and what they follow from.
    closed_forms : ridge points, crossovers, break-evens.
    closed_givens : what the closed forms are made of.
    """

    title: str
    workload: str
    sections: tuple[Section, ...]
    closed_forms: tuple[ClosedForm, ...] = ()
    closed_givens: tuple[Given, ...] = ()

    def __getitem__(self, path: str) -> Step:
        """Return the step that gives the figure of that dotted path."""
        for section in self.sections:
            for step in section.steps:
                if step.path == path:
                    return step
        raise KeyError(path)

    @property
    def paths(self) -> tuple[str, ...]:
        """Dotted paths of the figures that are explained."""
        return tuple(step.path for section in self.sections for step in section.steps if step.path)

    def about(self, path: str) -> Explanation:
        """Return the derivation of one figure alone.

        Raises
        ------
        WorkloadError
            No figure of that path is explained.
        """
        from roofline.errors import WorkloadError
        from roofline.specs.search import neighbours

        if path not in self.paths:
            near = neighbours(path, sorted(self.paths))[:3] if isinstance(path, str) else ()
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(self.paths[:3])} ..."
            raise WorkloadError(f"no figure {path!r:.80} is explained; {hint}")
        kept = tuple(section.about(path) for section in self.sections if any(s.path == path for s in section.steps))
        return Explanation(self.title, self.workload, kept)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, texts and numbers; ``schema_version`` comes first."""
        from roofline.explanation.dictionary import explanation

        return {"schema_version": SCHEMA_VERSION, **explanation(self)}

    def to_json(self, indent: int | None = 2) -> str:
        """Return :meth:`to_dict` as JSON text."""
        import json

        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def to_latex(self) -> str:
        """Return every formula as LaTeX, one a line, for papers."""
        from roofline.explanation.notebook import latex_lines

        return "\n".join(latex_lines(self))

    def __repr__(self) -> str:
        return f"<Explanation of {len(self.paths)} figures: {self.title}>"

    def __str__(self) -> str:
        from roofline.explanation.page import page

        return page(self)

    def _repr_markdown_(self) -> str:
        from roofline.explanation.notebook import markdown

        return markdown(self)


@dataclass(slots=True)
class Ledger:
    """Where the givens and steps of a section are collected while it is derived.

    Attributes
    ----------
    values : number of each symbol so far.
    """

    values: dict[sympy.Symbol, float] = field(default_factory=dict)
    givens: list[Given] = field(default_factory=list)

    def given(
        self,
        name: str,
        value: float,
        unit: str,
        meaning: str,
        sources: Iterable[Citation] = (),
        operation: int | None = None,
    ) -> sympy.Symbol:
        """Note a number that is put in and return its symbol."""
        symbol = sympy.Symbol(name, positive=True)
        if symbol not in self.values:
            self.values[symbol] = float(value)
            self.givens.append(Given(symbol, float(value), unit, meaning, tuple(sources), operation))
        return symbol

    def step(self, name: str, formula: Any, unit: str, meaning: str, path: str = "") -> Step:
        """Note a number that follows from others and return how."""
        symbol = sympy.Symbol(name, positive=True)
        formula = tidy(formula, self.values)
        value = substituted(formula, self.values)
        self.values[symbol] = value
        return Step(symbol, formula, value, unit, meaning, path)


HUGE = 10**15
"""Whole numbers above this in a formula stand for "all", as of entries that any number of tokens may become."""

SIMPLEST = 4096
"""A float is written as a fraction where it is one with a denominator of at most this."""


def tidy(formula: Any, values: Mapping[sympy.Symbol, float] | None = None) -> Formula:
    """Return the formula with exact fractions in place of floats, and of several cases the one that holds.

    Parameters
    ----------
    formula : a formula, or a number.
    values : number of each symbol, which say the case; without them, the first is taken.

    Returns
    -------
    Formula
    """
    expression = sympy.sympify(formula)
    while cases := expression.atoms(sympy.Piecewise):
        expression = expression.xreplace({case: _case_that_holds(case, values) for case in cases})
    exact = {f: _fraction(f) for f in expression.atoms(sympy.Float)}
    expression = expression.xreplace(exact)
    if any(number > HUGE for number in expression.atoms(sympy.Integer)):
        expression = expression.replace(lambda e: isinstance(e, sympy.Min | sympy.Max), _without_huge)
    return expression


def _case_that_holds(cases: Formula, values: Mapping[sympy.Symbol, float] | None) -> Formula:
    """Return the first case whose condition the values meet."""
    if values is not None:
        for case, condition in cases.args:
            numbers = {symbol: sympy.Float(values[symbol]) for symbol in condition.free_symbols}
            if condition.xreplace(numbers) == sympy.true:
                return case
    return cases.args[0].args[0]


def _fraction(number: sympy.Float) -> Formula:
    value = float(number)
    if abs(value) == INFINITY:
        return number
    fraction = Fraction(value).limit_denominator(SIMPLEST)
    near = abs(fraction - Fraction(value)) <= Fraction(abs(value)) / 2**52
    return sympy.Rational(fraction.numerator, fraction.denominator) if near else number


def _without_huge(extreme: Formula) -> Formula:
    """Return a least or largest of several, those that no number of tokens reaches left out."""
    if isinstance(extreme, sympy.Min):
        return sympy.Min(*(a for a in extreme.args if not _is_huge(a)))
    return next((a for a in extreme.args if _is_huge(a)), extreme)


def _is_huge(expression: Formula) -> bool:
    constant = expression.as_coeff_Add()[0]
    return bool(constant > HUGE)


def substituted(formula: Formula, values: Mapping[sympy.Symbol, float]) -> float:
    """Return the number that the formula gives; more digits on the way, so that sums in any order agree."""
    numbers = {symbol: sympy.Float(values[symbol], 40) for symbol in formula.free_symbols}
    return float(formula.xreplace(numbers))
