"""What more of each input would change: exact elasticities, and the effect of ten per cent more."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from roofline import _predict
from roofline.dual import Dual, variables
from roofline.errors import WorkloadError
from roofline.formatting import amount, heading, workload
from roofline.inputs import inputs, scaled
from roofline.results import SCHEMA_VERSION, Prediction
from roofline.setting import Setting
from roofline.specs.search import neighbours
from roofline.sweeps.fields import flat, is_detail, more_is_better, unit
from roofline.workload import Workload

MORE = 0.1
"""Share of an input that is added to say what it buys. [1]"""

BESIDE = 1e-7
"""Distance from a kink at which the slopes on its two sides are taken. [1]"""

DIFFERENT = 1e-4
"""Slopes on the two sides of a kink that differ by more are told apart. [1]"""


@dataclass(frozen=True, slots=True)
class Elasticity:
    """What one input does to a figure.

    Attributes
    ----------
    input : its name.
    of : dotted path of the figure.
    elasticity : d ln(figure) / d ln(input): per cent of the figure for one per cent of the input, exact. [1]
    less : the same on the other side where the figure has a kink here, which holds for less of the input; else None.
    change : share by which the figure changes when there is a tenth more of the input. [1]
    """

    input: str
    of: str
    elasticity: float
    less: float | None
    change: float

    @property
    def sentence(self) -> str:
        """What it does, in words: ``"10 % more bandwidth buys 7.9 %"``."""
        share = f"{abs(self.change):.1%}".replace("%", " %")
        more = self.change > 0
        if not more_is_better(self.of):
            verb, end = ("take", f"{share} more") if more else ("save", share)
        else:
            verb, end = "buy" if more else "cost", share
        return f"10 % more {self.input} {verb}{'' if self.input.endswith('s') else 's'} {end}"


@dataclass(frozen=True, slots=True, repr=False)
class Sensitivity:
    """Elasticities of one figure of a prediction to its inputs, the strongest first.

    Attributes
    ----------
    of : dotted path of the figure.
    value : the figure.
    title, workload : what was predicted.
    elasticities : one for each input that does something.
    """

    of: str
    value: float
    title: str
    workload: str
    elasticities: tuple[Elasticity, ...]

    def __getitem__(self, name: str) -> Elasticity:
        """Return the elasticity to the input of that name; zero where it does nothing."""
        return next((e for e in self.elasticities if e.input == name), Elasticity(name, self.of, 0.0, None, 0.0))

    def to_dict(self) -> dict[str, Any]:
        """Return plain dictionaries, lists, texts and numbers; ``schema_version`` comes first."""
        rows = [dataclasses.asdict(e) for e in self.elasticities]
        return {"schema_version": SCHEMA_VERSION, "of": self.of, "value": self.value, "elasticities": rows}

    def to_json(self, indent: int | None = 2) -> str:
        """Return :meth:`to_dict` as JSON text."""
        return json.dumps(self.to_dict(), indent=indent, allow_nan=False)

    def __repr__(self) -> str:
        first = self.elasticities[0].sentence if self.elasticities else "no input changes it"
        return f"<Sensitivity of {self.of}: {first}>"

    def __str__(self) -> str:
        return "\n".join(_page(self))


def figure_paths(p: Prediction) -> list[str]:
    """Return the dotted paths of the figures of a prediction that are numbers."""
    found: Any = p
    numbers = ((path, value) for path, value in flat(found) if isinstance(value, int | float))
    return [path for path, value in numbers if not isinstance(value, bool) and not is_detail(path)]


def check_path(p: Prediction, path: Any) -> str:
    """Return the dotted path of a figure if the prediction has it.

    Raises
    ------
    WorkloadError
        There is no number of that path.
    """
    known = figure_paths(p)
    if path in known:
        return path
    if isinstance(path, str) and re.match(r"(decode|prefill)\.expected\.|serving\.\w+\.(value|low|high)$", path):
        raise WorkloadError(
            f"this prediction has no figure {path!r}: it wants an engine that was measured, and room for the model"
        )
    if isinstance(path, str) and path.startswith("serving."):
        raise WorkloadError(
            f"this prediction has no figure {path!r:.80}: it wants concurrency, prompt and output, or another name"
        )
    near = neighbours(path, known)[:3] if isinstance(path, str) else []
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known[:3])} ..."
    raise WorkloadError(f"this prediction has no figure {path!r:.80}; {hint}")


def figure(found: Any, path: str) -> Any:
    """Return the figure of a dotted path."""
    for name in path.split("."):
        found = found[name] if isinstance(found, dict) else getattr(found, name)
    return found


def sensitivity(s: Setting, work: Workload, level: float, p: Prediction, of: str) -> Sensitivity:
    """Return the elasticities of a figure to every input.

    Parameters
    ----------
    s, work, level : what the prediction was made of.
    p : the prediction.
    of : dotted path of the figure.

    Returns
    -------
    Sensitivity

    Raises
    ------
    WorkloadError
        The prediction has no figure of that path, or it is zero.

    Notes
    -----
    By forward-mode differentiation of the functions that gave the figure (``roofline.dual``), exact but for
    rounding. Whole numbers such as the longest context move in steps, between which the slope is zero.
    """
    value = figure(p, check_path(p, of))
    if not value:
        raise WorkloadError(f"{of} is 0 here, so that there is no share of it to change")
    names = tuple(inputs(s, work))
    slopes, tied = _slopes(s, work, level, of, dict.fromkeys(names, 1.0))
    found = []
    for name, slope in zip(names, slopes, strict=True):
        less = None
        here = slope / value
        if tied:
            here, less = (_slopes(s, work, level, of, {name: 1.0 + side})[0][0] / value for side in (BESIDE, -BESIDE))
            less = less if abs(less - here) > DIFFERENT else None
        more: Any = figure(_predict.figures(*scaled(s, work, {name: 1.0 + MORE}), level), of)
        change = more / value - 1 if isinstance(more, int | float) else 0.0
        if here or change or less:
            found.append(Elasticity(name, of, here, less, change))
    found.sort(key=lambda e: -max(abs(e.elasticity), abs(e.less or 0.0), abs(e.change) / MORE))
    return Sensitivity(of, value, heading(p), workload(p), tuple(found))


def _slopes(
    s: Setting, work: Workload, level: float, of: str, factors: dict[str, float]
) -> tuple[tuple[float, ...], bool]:
    """Return the derivative of the figure with respect to each factor, and whether it has a kink here."""
    duals, ties = variables(tuple(factors.values()))
    larger: Any = dict(zip(factors, duals, strict=True))
    found = figure(_predict.figures(*scaled(s, work, larger), level), of)
    return (found.slopes if isinstance(found, Dual) else (0.0,) * len(factors)), ties.found


LEAST_SHOWN = 5e-5
"""Inputs of less effect are not shown. [1]"""


def _page(found: Sensitivity) -> Iterator[str]:
    yield found.title
    yield found.workload
    yield ""
    value = amount(found.value, unit(found.of))
    yield f"what changes {found.of}, {value}"
    yield ""
    shown = [e for e in found.elasticities if max(abs(e.elasticity), abs(e.change)) >= LEAST_SHOWN]
    if not shown:
        yield "  no input changes it"
        return
    whole = isinstance(found.value, int)
    yield f"  {'input':<32} {'elasticity':>10}  {'10 % more':>9}"
    for e in shown:
        kink = f"  a kink: {e.less:+.3f} for less" if e.less is not None else ""
        yield f"  {e.input:<32} {'-' if whole else f'{e.elasticity:+.3f}':>10}  {e.change:>+9.1%}{kink}"
    yield ""
    yield from (f"  {e.sentence}" for e in shown[:MOST_SENTENCES])
    if whole:
        yield "  a whole number: it moves in steps, between which its slope is 0"


MOST_SENTENCES = 3
