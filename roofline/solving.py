"""What it would take: the value of one input at which a figure reaches a target."""

from __future__ import annotations

import dataclasses
import json
import math  # noqa: TID251 (a search over numbers, no formula)
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline import _predict, llama_cpp_mixes, units
from roofline.errors import UnitError, WorkloadError
from roofline.formatting import amount, heading
from roofline.inputs import inputs, scaled
from roofline.loading import load_model
from roofline.recipes import stored
from roofline.results import SCHEMA_VERSION, Prediction
from roofline.sensitivity import check_path, figure
from roofline.specs import HardwareSpec, ModelSpec
from roofline.specs.model import Experts
from roofline.specs.search import neighbours
from roofline.sweeps.fields import more_is_better
from roofline.sweeps.fields import unit as unit_of_figure
from roofline.workload import LARGEST

if TYPE_CHECKING:
    from roofline.explanation import Step

COUNTS = {"batch": 1, "context": 0, "prompt": 1, "output": 1, "cached": 0, "concurrency": 1, "devices": 1}
"""Whole numbers that can be asked for, and the least of each."""

RATES = {"bandwidth": "byte/s", "peak": "FLOP/s", "link": "byte/s", "capacity": "byte"}
"""Rates and sizes of the machine that can be asked for, and their units."""

CHOICES = ("weights", "kv", "top_k")
"""Choices that can be asked for."""

WIDEST_FACTOR = 4e6
"""Rates are tried up to so many times as high, and as low. [1]"""

GRID = 120
"""Values that are tried before those between them."""

CACHES = ("bf16", "q8_0", "fp8", "q5_0", "q4_0")
"""Cache formats that are tried."""

PLAIN = ("bf16", "fp8", "nvfp4")
"""Formats of weights that are tried beside the model's own recipes, where the engine is not llama.cpp."""

DEFAULT = {
    "token/s": "decode.ceiling.tokens_per_s",
    "s": "decode.ceiling.seconds_per_step",
    "byte": "memory.total_bytes",
    "token": "memory.max_context",
}
"""Figure that a target of each unit is about unless said otherwise."""


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


def solve(
    model: str | Path | ModelSpec,
    hardware: str | Path | HardwareSpec,
    *,
    target: str | float,
    for_: str,
    of: str | None = None,
    **options: Any,
) -> Solution:
    """Say what one input must be for a figure to reach a target.

    Parameters
    ----------
    model, hardware : as of :func:`roofline.predict`.
    target : what to reach: ``"50 tok/s"``, ``"20 ms"``, ``"100 GiB"``, ``"32k tok"``, or a number in the figure's own
        unit. Speeds and counts are to be at least that, times and sizes at most.
    for_ : what is asked for: ``batch``, ``context``, ``prompt``, ``output``, ``cached``, ``concurrency``, ``devices``;
        ``bandwidth``, ``peak``, ``link``, ``capacity`` of the machine; ``weights``, ``kv``, ``top_k``.
    of : dotted path of the figure; of the decode ceiling when None: its speed for a target in tok/s, its time for one
        in seconds; memory in all for one in bytes, and the longest context for one in tokens.
    options : the other arguments of :func:`roofline.predict`.

    Returns
    -------
    Solution
        The least that is enough where more is better, else the most that still is; of ``weights`` and ``kv`` the
        widest format that is enough. Where none is, the best there is and what bounds it.

    Raises
    ------
    WorkloadError
        Nothing of that name can be asked for, the target cannot be read or is of another dimension than the figure,
        the figure does not exist, or an option says already what is asked for.

    Notes
    -----
    Numeric: values from the least to the most are tried, then those between the last that fails and the first that
    reaches by bisection. Formulas come from the functions that give the figure, solved by sympy, and are kept where
    they agree with the number.

    Examples
    --------
    >>> import roofline
    >>> found = roofline.solve("llama-3.1-8b", "rtx-4090", target="30 tok/s", for_="context")
    >>> found.reached, found.unit, found.value > 100_000
    (True, 'token', True)
    """
    asked = _asked(for_, options)
    wanted, unit = _target(target)
    if of is not None and not isinstance(of, str):
        raise WorkloadError(f"of is {of!r:.60}, but the path of a figure is wanted, for example {DEFAULT['s']!r}")
    question = _Question(load_model(model, assume_known=options.get("assume_known", False)), hardware, asked, options)
    path = of or DEFAULT.get(unit or "token/s", DEFAULT["token/s"])
    return question.answer(path, wanted, unit)


def _asked(for_: Any, options: dict[str, Any]) -> str:
    known = [*COUNTS, *RATES, *CHOICES]
    if for_ not in known:
        near = neighbours(for_, known)[:3] if isinstance(for_, str) else []
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise WorkloadError(f"nothing can be solved for {for_!r:.60}; {hint}")
    if options.get(for_) is not None:
        raise WorkloadError(f"{for_} is {options[for_]!r:.60}, but it is what is asked for: leave it out")
    if for_ == "devices" and (given := [name for name in ("tp", "ep", "pp", "dp") if options.get(name) is not None]):
        raise WorkloadError(f"devices are asked for, so {given[0]} cannot be given: leave it out")
    return for_


_EXAMPLES = {"token/s": "'50 tok/s'", "s": "'20 ms'", "byte": "'100 GiB'", "token": "'32k tok'"}

_SPEED = re.compile(r"([kM]?)(?:tok|tokens?)/s")
_TOKENS = re.compile(r"tok|tokens?")


def _target(target: Any) -> tuple[float, str | None]:
    """Return the number of a target in SI units, and its unit; None where only a number is given."""
    if isinstance(target, int | float) and not isinstance(target, bool):
        return _positive(float(target), target), None
    if not isinstance(target, str):
        raise WorkloadError(f"target is {target!r:.60}, but a text such as '50 tok/s' or a number is wanted")
    try:
        value, unit = _read(*target.strip().partition(" ")[::2])
    except (ValueError, UnitError):
        raise WorkloadError(
            f"target is {target!r:.60}, which cannot be read: '50 tok/s', '20 ms', '100 GiB', '32k tok' or a number is "
            f"wanted"
        ) from None
    return _positive(value, target), unit


def _read(number: str, unit: str) -> tuple[float, str | None]:
    """Return a number and the unit behind it in SI.

    Raises
    ------
    ValueError
        It is none, or of another unit.
    """
    unit = unit.strip()
    if _TOKENS.fullmatch(unit):
        return float(units.count(number)), "token"
    value = float(number.replace("_", "").replace(",", ""))
    if not unit:
        return value, None
    if speed := _SPEED.fullmatch(unit):
        return value * units.DECIMAL[speed[1]], "token/s"
    if value <= 0:
        return value, None
    try:
        return units.parse(f"{number} {unit}", "s"), "s"
    except UnitError:
        return units.parse(f"{number} {unit}", "byte"), "byte"


def _positive(value: float, target: Any) -> float:
    if not 0 < value < math.inf:
        raise WorkloadError(f"target is {target!r:.60}, but an amount above 0 is wanted")
    return value


@dataclass(frozen=True, slots=True)
class _Tried:
    """A value that was tried, and the prediction there; the value is None before."""

    value: Any
    prediction: Prediction


class _Question:
    """One input of one prediction, to be chosen."""

    def __init__(self, model: ModelSpec, hardware: Any, asked: str, options: dict[str, Any]) -> None:
        self.model, self.hardware, self.asked, self.options = model, hardware, asked, options
        if asked == "top_k" and not self._experts():
            raise WorkloadError(f"top_k is asked for, but {model.name} has no experts to choose from")

    def predict(self, **chosen: Any) -> Prediction:
        """Return the prediction with the input chosen, or with its default."""
        options = dict(self.options)
        if not chosen and self.asked == "concurrency":
            chosen = {"concurrency": 1}
        if not chosen and self.asked == "output" and options.get("concurrency") is not None:
            chosen = {"output": 1}
        if not chosen and self.asked == "prompt" and options.get("concurrency") is not None:
            chosen = {"prompt": 1}
        return _predict.predict(self.model, self.hardware, **options, **chosen)

    def at(self, value: Any) -> Prediction:
        """Return the prediction with this value of the input."""
        if self.asked == "top_k":
            return _predict.predict(_with_top_k(self.model, value), self.hardware, **self.options)
        if self.asked in RATES:
            setting, work, level = self.base.origin
            larger: Any = dict.fromkeys(self.scaled, value)
            return _predict._prediction(*scaled(setting, work, larger), level)  # noqa: SLF001
        return self.predict(**{self.asked: value})

    def answer(self, path: str, target: float, unit: str | None) -> Solution:
        """Return the solution."""
        self.base, self.path, self.target = self.predict(), path, target
        self.at_most, self.must_fit = not more_is_better(path), False
        self.scaled = _scaled_inputs(self.base, self.asked)
        tried = [_Tried(value, self.at(value)) for value in self._values()]
        if not any(self._exists(one.prediction) for one in tried):
            check_path(self.base, path)
        wanted = unit_of_figure(path)
        if unit not in {None, wanted}:
            raise WorkloadError(
                f"the target is in {unit}, but {path} is in {wanted or 'no unit'}: {_EXAMPLES.get(wanted, 'a number')} "
                f"is wanted"
            )
        ascending = self._score(tried[-1].prediction) >= self._score(tried[0].prediction)
        can_fit = not path.startswith("memory.") and any(one.prediction.memory.fits for one in tried)
        beyond = ascending and self.asked in COUNTS and self.asked != "devices"
        self.must_fit = can_fit and not beyond
        good = [index for index, one in enumerate(tried) if self._reaches(one.prediction)]
        if not good:
            return self._none(tried, can_fit=can_fit)
        if self.asked in {"weights", "kv"}:
            found = tried[good[0]]
        elif ascending:
            found = self._between(tried[good[0] - 1] if good[0] else None, tried[good[0]])
        else:
            found = self._between(tried[good[-1] + 1] if good[-1] + 1 < len(tried) else None, tried[good[-1]])
        if beyond and can_fit and not found.prediction.memory.fits:
            note = f"{self.asked} {found.value:,} would reach it, but does not fit"
            return self._solution(None, self._largest_fitting(tried), (note,), binding="capacity")
        return self._solution(found, found, ())

    def _none(self, tried: list[_Tried], *, can_fit: bool) -> Solution:
        """Return that no value reaches the target, and the best there is."""
        best = most = max(reversed(tried), key=lambda one: self._score(one.prediction))
        if can_fit and not most.prediction.memory.fits:
            best = self._largest_fitting(tried) if self.asked in COUNTS else self._best_fitting(tried)
        if best is most:
            return self._solution(None, best, ())
        gives, binding = (
            shown(figure(most.prediction, self.path), unit_of_figure(self.path)),
            _binding(most.prediction, self.path),
        )
        bound = f", {binding}-bound" if binding else ""
        verb = "reaches it" if self._is_enough(most.prediction) else "gives the most"
        note = f"whatever fits, {shown(most.value, self._unit())} {verb}: {gives}{bound}"
        return self._solution(None, best, (note,), binding="capacity")

    def _best_fitting(self, tried: list[_Tried]) -> _Tried:
        return max((one for one in tried if one.prediction.memory.fits), key=lambda one: self._score(one.prediction))

    def _largest_fitting(self, tried: list[_Tried]) -> _Tried:
        """Return the largest count that fits, where smaller ones do."""
        good = [one for one in tried if one.prediction.memory.fits][-1]
        bad = next((one for one in tried if one.value > good.value), good)
        while bad.value - good.value > 1:
            middle = (good.value + bad.value) // 2
            here = _Tried(middle, self.at(middle))
            good, bad = (here, bad) if here.prediction.memory.fits else (good, here)
        return good

    def _score(self, p: Prediction) -> float:
        """Return the figure, larger being better; what does not exist is the worst."""
        value = figure(p, self.path) if self._exists(p) else None
        if value is None:
            return -math.inf
        return -value if self.at_most else value

    def _exists(self, p: Prediction) -> bool:
        try:
            value = figure(p, self.path)
        except (AttributeError, KeyError):
            return False
        return isinstance(value, int | float) and not isinstance(value, bool)

    def _reaches(self, p: Prediction) -> bool:
        return self._is_enough(p) and (p.memory.fits or not self.must_fit)

    def _is_enough(self, p: Prediction) -> bool:
        slack = 1e-12 * self.target
        return self._score(p) >= (-self.target if self.at_most else self.target) - slack

    def _between(self, bad: _Tried | None, good: _Tried) -> _Tried:
        """Return the value nearest to ``bad`` that still reaches the target."""
        if bad is None:
            return good
        whole = isinstance(good.value, int)
        while abs(good.value - bad.value) > (1 if whole else 1e-13 * good.value):
            middle = (good.value + bad.value) // 2 if whole else (good.value + bad.value) / 2
            if middle in {good.value, bad.value}:
                break
            here = _Tried(middle, self.at(middle))
            good, bad = (here, bad) if self._reaches(here.prediction) else (good, here)
        return good

    def _experts(self) -> list[Experts]:
        return [network for network in self.model.architecture.ffn.values() if isinstance(network, Experts)]

    def _values(self) -> Sequence[Any]:
        """Return the values to try, in order; of formats the widest first."""
        if self.asked in RATES:
            exponents = [-1 + 2 * index / (GRID - 1) for index in range(GRID)]
            return [WIDEST_FACTOR**exponent for exponent in exponents]
        if self.asked == "weights":
            engine = self.base.engine
            ggml = llama_cpp_mixes.MIXES if engine in {None, "llama.cpp"} else ()
            names = dict.fromkeys([*self.model.weights, *sorted(ggml), *(PLAIN if engine != "llama.cpp" else ())])
            return sorted(names, key=lambda name: -stored(self.model, name).bytes)
        if self.asked == "kv":
            return CACHES
        if self.asked == "top_k":
            return [1, min(network.experts for network in self._experts())]
        least = COUNTS[self.asked]
        return _counts(least, self._most())

    def _most(self) -> int:
        """Return the largest count to try."""
        if self.asked in LARGEST:
            return LARGEST[self.asked]
        longest, option = self.model.architecture.max_context, self.options.get
        if self.asked == "context":
            return longest - (0 if option("prompt") else option("output") or 0)
        prompt = 0 if self.asked == "prompt" else option("prompt") or option("context") or 1
        others = {"prompt": prompt, "output": option("output") or 0, "cached": option("cached") or 0}
        others.pop(self.asked)
        most = longest - sum(others.values())
        if most < COUNTS[self.asked]:
            raise WorkloadError(f"no {self.asked} is left of the {longest:,} tokens that {self.model.name} takes")
        return most

    def _solution(self, found: _Tried | None, nearest: _Tried, notes: tuple[str, ...], binding: str = "") -> Solution:
        p, now, unit = nearest.prediction, self._now(), self._unit()
        value = nearest.value * now if self.asked in RATES else nearest.value
        solution = Solution(
            for_=self.asked,
            of=self.path,
            target=self.target,
            target_unit=unit_of_figure(self.path),
            at_most=self.at_most,
            reached=found is not None,
            value=value if found else None,
            unit=unit,
            now=now,
            achieved=figure(p, self.path) if self._exists(p) else 0.0,
            best=None if found else value,
            binding=binding or _binding(p, self.path),
            formula=None,
            prediction=p,
            notes=(*notes, *self._notes(found, p)),
        )
        if found is None or isinstance(value, str):
            return solution
        from roofline.explanation.inverse import closed_form

        return dataclasses.replace(solution, formula=closed_form(solution, self.base))

    def _now(self) -> Any:
        setting, work, _ = self.base.origin
        m = setting.machine
        if self.asked == "peak":
            return max(roof.flop_per_s for roof in setting.roofs)
        if self.asked in RATES:
            return {"bandwidth": m.bytes_per_s, "link": m.link_bytes_per_s, "capacity": m.capacity_bytes}[self.asked]
        if self.asked == "top_k":
            return max(network.top_k for network in self._experts())
        if self.asked in {"weights", "kv", "devices"}:
            return getattr(self.base, self.asked)
        return getattr(work, self.asked)

    def _unit(self) -> str:
        if self.asked in RATES:
            return RATES[self.asked]
        return "token" if self.asked in {"context", "prompt", "output", "cached"} else "1"

    def _notes(self, found: _Tried | None, p: Prediction) -> list[str]:
        notes = []
        if self.asked == "peak":
            notes.append("peaks of all formats grow alike; the fastest in use is given")
        if found is not None and self.asked in COUNTS and found.value in {COUNTS[self.asked], self._most()}:
            end = "least" if found.value == COUNTS[self.asked] else "most"
            notes.append(f"it is the {end} that was tried")
        if not p.memory.fits and self.asked != "capacity":
            notes.append(
                f"it does not fit: {units.gib(p.memory.missing_bytes)} are missing, so that it is hypothetical"
            )
        return notes


def _with_top_k(model: ModelSpec, top_k: int) -> ModelSpec:
    """Return the model with another number of experts for each token."""
    ffn = {
        name: network.model_copy(update={"top_k": top_k}) if isinstance(network, Experts) else network
        for name, network in model.architecture.ffn.items()
    }
    return model.model_copy(update={"architecture": model.architecture.model_copy(update={"ffn": ffn})})


def _scaled_inputs(p: Prediction, asked: str) -> tuple[str, ...]:
    """Return the inputs that a rate stands for.

    Raises
    ------
    WorkloadError
        The machine has none of it.
    """
    if asked not in RATES:
        return ()
    setting, work, _ = p.origin
    known = tuple(inputs(setting, work))
    ends = {"bandwidth": ("bandwidth",), "link": ("link bandwidth",), "capacity": ("capacity",)}
    found = tuple(name for name in known if name in ends.get(asked, ()) or (asked == "peak" and name.endswith(" peak")))
    if not found or (asked == "peak" and not setting.roofs):
        raise WorkloadError(f"{asked} is asked for, but {p.hardware} has none that is known here")
    return found


def _counts(least: int, most: int) -> list[int]:
    """Return whole numbers from ``least`` to ``most``, each larger than the last by about the same factor."""
    first = max(least, 1)
    steps = [round(first * (most / first) ** (index / (GRID - 1))) for index in range(GRID)]
    return sorted({least, *steps, most})


def _binding(p: Prediction, path: str) -> str:
    """Return what bounds a figure."""
    words = path.split(".")
    if words[0] == "memory":
        return "capacity"
    if words[0] == "decode" and len(words) > 2 and hasattr(getattr(p.decode, words[1]), "bound"):
        return getattr(p.decode, words[1]).bound
    return {"decode": p.decode.bound, "prefill": p.prefill.bound}.get(words[0], "") if "ceiling" in words else ""


# --- in words


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
    bound = "  as much as fits" if s.binding == "capacity" and not s.reached else bound
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
