"""One input of one prediction, to be chosen: values are tried, then those between the last that fails and the first."""

from __future__ import annotations

import dataclasses
import math  # noqa: TID251 (a search over numbers, no formula)
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roofline import _predict, llama_cpp_mixes, units
from roofline.errors import WorkloadError
from roofline.inputs import inputs, scaled
from roofline.recipes import stored
from roofline.results import Prediction
from roofline.sensitivity import check_path, figure
from roofline.solving.asking import CACHES, COUNTS, EXAMPLES, GRID, PLAIN, RATES, WIDEST_FACTOR
from roofline.solving.solution import Solution, shown
from roofline.specs import ModelSpec
from roofline.specs.model import Experts
from roofline.sweeps.fields import more_is_better
from roofline.sweeps.fields import unit as unit_of_figure
from roofline.workload import LARGEST


@dataclass(frozen=True, slots=True)
class _Tried:
    """A value that was tried, and the prediction there; the value is None before."""

    value: Any
    prediction: Prediction


class Question:
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
            return _predict.prediction(*scaled(setting, work, larger), level)
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
                f"the target is in {unit}, but {path} is in {wanted or 'no unit'}: {EXAMPLES.get(wanted, 'a number')} "
                f"is wanted"
            )
        ascending = self._score(tried[-1].prediction) >= self._score(tried[0].prediction)
        can_fit = not path.startswith("memory.") and any(one.prediction.memory.fits for one in tried)
        beyond = ascending and self.asked in COUNTS and self.asked != "devices"
        self.must_fit = can_fit and not beyond
        good = [index for index, one in enumerate(tried) if self._reaches(one.prediction)]
        if not good:
            return self._none(tried, can_fit=can_fit)
        bad: _Tried | None = None
        if self.asked in {"weights", "kv"}:
            found = tried[good[0]]
        elif ascending:
            found, _ = self._between(tried[good[0] - 1] if good[0] else None, tried[good[0]])
        else:
            found, bad = self._between(tried[good[-1] + 1] if good[-1] + 1 < len(tried) else None, tried[good[-1]])
        if beyond and can_fit and not found.prediction.memory.fits:
            note = f"{self.asked} {found.value:,} would reach it, but does not fit"
            return self._solution(None, self._largest_fitting(tried), (note,), binding="capacity")
        if bad and self._is_enough(bad.prediction) and not bad.prediction.memory.fits:
            return self._solution(found, found, ("more would still reach it, but does not fit",), binding="capacity")
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

    def _between(self, bad: _Tried | None, good: _Tried) -> tuple[_Tried, _Tried | None]:
        """Return the value nearest to ``bad`` that still reaches the target, and the one beside it that does not."""
        if bad is None:
            return good, None
        whole = isinstance(good.value, int)
        while abs(good.value - bad.value) > (1 if whole else 1e-13 * good.value):
            middle = (good.value + bad.value) // 2 if whole else (good.value + bad.value) / 2
            if middle in {good.value, bad.value}:
                break
            here = _Tried(middle, self.at(middle))
            good, bad = (here, bad) if self._reaches(here.prediction) else (good, here)
        return good, bad

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
        if found is not None and self.asked in COUNTS and found.value == self._most():
            limit = self.asked in LARGEST
            notes.append("it is the most that was tried" if limit else f"{self.model.name} takes no more")
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
