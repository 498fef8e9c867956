"""The answer to what it would take, and how it is said."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from roofline import units
from roofline.formatting import amount, heading
from roofline.results import SCHEMA_VERSION, Prediction
from roofline.solving.asking import COUNTS, RATES

if TYPE_CHECKING:
    from roofline.explanation import Step


@dataclass(frozen=True, slots=True, repr=False)
class Solution:
    """What it would take.

    Attributes
    ----------
    for_ : the input that was asked for.
    of : dotted path of the figure.
    target : what the figure is to reach.
    target_unit : its unit.
    at_most : whether the figure is to be at most the target; else at least.
    reached : whether some value reaches it.
    value : the value that just reaches it, a number or the name of a format; None where none does.
    unit : of the value; ``1`` for counts and names.
    now : what the input is without being asked for; None where it is nothing yet.
    achieved : the figure at the value; where the target is not reached, the best there is.
    best : the value tried that comes nearest, where the target is not reached.
    binding : what bounds the figure there: memory, compute, link; empty where nothing of it is said.
    formula : the value in closed form, where the algebra allows it.
    prediction : the prediction at the value, or at the best.
    notes : what else is to be known.
    """

    for_: str
    of: str
    target: float
    target_unit: str
    at_most: bool
    reached: bool
    value: float | int | str | None
    unit: str
    now: float | int | str | None
    achieved: float
    best: float | int | str | None
    binding: str
    formula: Step | None
    prediction: Prediction
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, texts and numbers; ``schema_version`` comes first."""
        left_out = {"formula", "prediction"}
        found = {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in left_out}
        found["notes"] = list(self.notes)
        formula = None
        if self.formula:
            from roofline.explanation.plain import plain_formula

            formula = f"{self.formula.symbol} = {plain_formula(self.formula.formula)}"
        return {"schema_version": SCHEMA_VERSION, **found, "formula": formula, "prediction": self.prediction.to_dict()}

    def to_json(self, indent: int | None = 2) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        return f"<Solution: {sentence(self)}>"

    def __str__(self) -> str:
        return "\n".join(_page(self))


def shown(value: Any, unit: str) -> str:
    """Return a value with its unit as printed."""
    return value if isinstance(value, str) else amount(value, unit)


NAMES = {"peak": "compute peak", "link": "link bandwidth", "top_k": "experts a token"}


def sentence(s: Solution) -> str:
    """Return the solution in a sentence."""
    goal = f"{s.of} of at {'most' if s.at_most else 'least'} {shown(s.target, s.target_unit)}"
    name = NAMES.get(s.for_, s.for_)
    if not s.reached:
        binds = f", {s.binding}-bound" if s.binding else ""
        best = shown(s.achieved, s.target_unit)
        return f"no {name} gives {goal}: {best} is the best, at {shown(s.best, s.unit)}{binds}"
    return f"{goal} takes {name} {shown(s.value, s.unit)}"


def _page(s: Solution) -> list[str]:
    p = s.prediction
    goal = f"{s.of} of at {'most' if s.at_most else 'least'} {shown(s.target, s.target_unit)}"
    lines = [heading(p), goal, ""]
    name = NAMES.get(s.for_, s.for_)
    if s.reached:
        lines.append(f"  {name:<16} {shown(s.value, s.unit)}{_compared(s)}")
    else:
        best = "however much there is" if s.for_ in RATES else f"the best is {shown(s.best, s.unit)}"
        lines.append(f"  {name:<16} none reaches it, {best}")
    bound = f"  {s.binding}-bound" if s.binding in {"memory", "compute", "link"} else ""
    bound = "  as much as fits" if s.binding == "capacity" and not s.of.startswith("memory.") else bound
    lines.append(f"  {'gives':<16} {shown(s.achieved, s.target_unit)}{bound}")
    memory = f"{units.gib(p.memory.total_bytes)} of {units.gib(p.memory.capacity_bytes)}"
    lines.append(f"  {'memory':<16} {memory}, {'fits' if p.memory.fits else 'too small'}")
    if s.formula:
        from roofline.explanation.plain import plain_formula, plain_symbol

        lines.append(f"  {'formula':<16} {plain_symbol(s.formula.symbol)} = {plain_formula(s.formula.formula)}")
        lines += _indented(s.formula.meaning, "")
    for index, note in enumerate(s.notes):
        lines += _indented(note, "note" if index == 0 else "")
    return lines


def _indented(text: str, label: str) -> list[str]:
    """Return lines of text behind a label, numbers not torn from their units."""
    lines = textwrap.wrap(
        text, 80, initial_indent=f"  {label:<16} ", subsequent_indent=" " * 19, break_on_hyphens=False
    )
    return [line.replace("\u00a0", " ") for line in lines]


def _compared(s: Solution) -> str:
    """Return the value beside what it is now."""
    if s.now is None or s.now == s.value:
        return " (as it is)" if s.now == s.value else ""
    if isinstance(s.value, str) or s.for_ in COUNTS or s.for_ == "top_k" or not s.now:
        return f"  ({shown(s.now, s.unit)} now)" if s.for_ in {"weights", "kv", "top_k", "devices"} else ""
    return f"  ({units.significant(float(s.value) / float(s.now), 3)} x the {shown(s.now, s.unit)} there is)"  # type: ignore[arg-type]
