"""One engine's fit: constants from all rows, and how well they do on groups of rows that were left out."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np

from roofline.calibration import ANY
from roofline.fitting.priors import LEVELS, PRIORS
from roofline.fitting.solve import Solution, solve
from roofline.fitting.table import Floats, Row, Table, log_expected, table
from roofline.measurements import SPEEDS
from roofline.specs.speed import CONSTANTS, PROBABILITIES

LEFT_OUT = ("cell", "device", "model", "hardware")
"""What is left out together: a device with a model, a device, a model, a class of hardware."""

OWN_FOLD = 60
"""A group of at least so many rows is left out alone; smaller ones in buckets. [1]"""

BUCKETS = 6

FEWEST = 20
"""Residuals of fewer rows make no quantiles of their own. [1]"""

ROUNDS = 6
"""Steps of a fit that starts from the fit of all rows. [1]"""

LEVEL = 0.9

FIRST = "first token"

TINY = 1e-12
"""Shares that add up to a probability but for rounding reach it. [1]"""

LISTED = 50
"""Groups of more rows are listed one by one. [1]"""


class EngineFit(NamedTuple):
    """What a fit gives.

    Attributes
    ----------
    engine : its name.
    rows : all rows, those that are not fitted too.
    solution : fitted to all rows with no more than tensor parallelism.
    expected : logarithm of each row's expected time under that fit.
    left_out : the same under fits that had left out the row's group, by what was left out.
    groups : the group of each row, by what was left out.
    """

    engine: str
    rows: Table
    solution: Solution
    expected: Floats
    left_out: dict[str, Floats]
    groups: dict[str, Any]


def fitted(t: Table) -> Any:
    """Return which rows constants may be fitted to."""
    return np.array([row.fitted for row in t.rows])


def fit_engine(
    engine: str,
    rows: list[Row],
    crowds: set[str],
    *,
    left_out: tuple[str, ...] = LEFT_OUT,
    progress: Callable[[str, int, int], None] | None = None,
) -> EngineFit:
    """Fit an engine's constants to rows, and again with every group left out.

    Parameters
    ----------
    engine : its name.
    rows : its measurements.
    crowds : sources that are score boards.
    left_out : what is left out together, each in turn.
    progress : called with what is left out, how many folds are done, and of how many.

    Returns
    -------
    EngineFit
    """
    every = table(rows, crowds)
    solution = solve(every.part(fitted(every)))
    expected = log_expected(every, solution.constants(every))
    predictions, groups = {}, {}
    for what in left_out:
        folds, groups[what] = _folds(every, what)
        predictions[what] = _predicted_left_out(every, folds, solution, what, progress)
    return EngineFit(engine, every, solution, expected, predictions, groups)


def _folds(t: Table, what: str) -> tuple[Any, Any]:
    """Return the fold and the group of each row: large groups are folds of their own."""
    names = t.labels(what)
    sizes = Counter(names)
    alone = set() if what == "cell" else {name for name, size in sizes.items() if size >= OWN_FOLD}
    folds = [name if name in alone else f"~{zlib.crc32(name.encode()) % BUCKETS}" for name in names]
    return np.array(folds, dtype=object), names


def _predicted_left_out(t: Table, folds: Any, start: Solution, what: str, progress: Any) -> Floats:
    predicted, mine = np.full(len(t.rows), np.nan), fitted(t)
    names = sorted(set(folds))
    for number, fold in enumerate(names):
        if progress:
            progress(what, number + 1, len(names))
        out = folds == fold
        if not (mine & ~out).any():
            continue
        found = solve(t.part(mine & ~out), start=start, rounds=ROUNDS)
        held = t.part(out)
        predicted[out] = log_expected(held, found.constants(held))
    return predicted


# --- what a fit says of itself


def errors(t: Table, expected: Floats) -> Floats:
    """Return |expected - measured| / measured, rates as rates and times as times."""
    off = expected - t.log_seconds
    rates = np.array([row.measurement.metric in SPEEDS for row in t.rows])
    return np.abs(np.expm1(np.where(rates, -off, off)))


def accuracy(fit: EngineFit) -> Iterator[dict[str, Any]]:
    """Yield how far off the expected is, for each kind of time and each thing left out, and for what is held out."""
    t, mine = fit.rows, fitted(fit.rows)
    apart = np.array([row.plain and row.held_out for row in t.rows])
    devices = t.labels("device")
    yield from _accuracy(t, mine, "nothing", fit.expected, devices)
    for what, expected in fit.left_out.items():
        yield from _accuracy(t, mine, what, expected, fit.groups[what], covered(fit, what))
    held = _inside(t.log_seconds - fit.expected, *_held_out_intervals(fit))
    yield from _accuracy(t, apart, "held out", fit.expected, devices, held)


def _accuracy(
    t: Table, mine: Any, what: str, expected: Floats, groups: Any, held: Floats | None = None
) -> Iterator[dict[str, Any]]:
    ape = errors(t, expected)
    for kind in sorted(set(t.kind)):
        mask = mine & (t.kind == kind) & np.isfinite(expected)
        if not mask.any():
            continue
        found = {"metric": kind, "left_out": what, "rows": int(mask.sum()), "groups": len(set(groups[mask]))}
        found |= {"median_ape": float(np.median(ape[mask])), "p90_ape": float(np.quantile(ape[mask], 0.9))}
        found["median_of_groups"] = float(np.median(list(_by_group(ape[mask], groups[mask], np.median).values())))
        found["bias"] = float(np.expm1(np.median((expected - t.log_seconds)[mask])))
        if held is not None and np.isfinite(held[mask]).any():
            found["coverage"] = float(np.nanmean(held[mask]))
            found["coverage_of_groups"] = float(np.mean(list(_by_group(held[mask], groups[mask], np.nanmean).values())))
        yield found


def _by_group(values: Floats, groups: Any, of: Callable[[Floats], Any]) -> dict[str, float]:
    """Return a statistic of each group's values that are numbers."""
    known = np.isfinite(values)
    return {name: float(of(values[known & (groups == name)])) for name in sorted(set(groups[known]))}


def folds(fit: EngineFit) -> Iterator[dict[str, Any]]:
    """Yield how far off the expected is of every large group that was left out."""
    t, mine = fit.rows, fitted(fit.rows)
    for what, expected in fit.left_out.items():
        held, ape = covered(fit, what), errors(t, expected)
        for kind in sorted(set(t.kind)):
            mask = mine & (t.kind == kind) & np.isfinite(expected) & np.isfinite(held)
            for name, size in sorted(Counter(fit.groups[what][mask]).items()):
                group = mask & (fit.groups[what] == name)
                if size > LISTED:
                    yield {
                        "metric": kind,
                        "left_out": what,
                        "group": name,
                        "rows": size,
                        "median_ape": float(np.median(ape[group])),
                        "bias": float(np.expm1(np.median((expected - t.log_seconds)[group]))),
                        "coverage": float(held[group].mean()),
                    }


def covered(fit: EngineFit, what: str, level: float = LEVEL) -> Floats:
    """Return whether each row lies in its left-out interval, as 0 or 1; NaN where there is none."""
    return _inside(fit.rows.log_seconds - fit.left_out[what], *left_out_intervals(fit, what, level))


def _inside(residual: Floats, low: Floats, high: Floats) -> Floats:
    return np.where(np.isfinite(low), ((residual >= low) & (residual <= high)).astype(float), np.nan)


def left_out_intervals(fit: EngineFit, what: str, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return ends of log(measured / expected) that the residuals of the *other* groups give; NaN if too few."""
    residual = fit.rows.log_seconds - fit.left_out[what]
    lows, highs = np.full(len(residual), np.nan), np.full(len(residual), np.nan)
    known, groups = np.isfinite(residual) & fitted(fit.rows), fit.groups[what]
    for kind in set(fit.rows.kind):
        mine = (fit.rows.kind == kind) & np.isfinite(residual)
        for group in set(groups[mine]):
            this = mine & (groups == group)
            others = mine & known & ~this
            if others.sum() >= FEWEST:
                ends = _quantiles(residual[others], groups[others], ((1 - level) / 2, (1 + level) / 2))
                lows[this], highs[this] = ends
    return lows, highs


def _held_out_intervals(fit: EngineFit) -> tuple[Floats, Floats]:
    """Return ends of log(measured / expected) for rows of held-out sources, as a prediction would give them."""
    lows, highs = np.full(len(fit.rows.rows), np.nan), np.full(len(fit.rows.rows), np.nan)
    tables = {(found["metric"], found["left_out"]): found["quantiles"] for found in residuals(fit)}
    places = [PROBABILITIES.index(round((1 - LEVEL) / 2, 3)), PROBABILITIES.index(round((1 + LEVEL) / 2, 3))]
    known = fit.rows.part(fitted(fit.rows))
    devices, models = set(known.labels("device")), set(known.labels("model"))
    for place, row in enumerate(fit.rows.rows):
        unseen = {"cell": True, "model": row.model not in models, "device": row.device not in devices}
        ends = [tables[row.kind, what] for what, counts in unseen.items() if counts and (row.kind, what) in tables]
        if ends:
            lows[place], highs[place] = min(e[places[0]] for e in ends), max(e[places[1]] for e in ends)
    return lows, highs


def _quantiles(residuals: Floats, groups: Any, probabilities: tuple[float, ...]) -> Floats:
    """Return quantiles in which every group counts the same, spread for the next group.

    Rows of one group are off together, so that few groups say less than their rows seem to. [R. Dunn, L. Wasserman
    and A. Ramdas, "Distribution-free prediction sets for two-layer hierarchical models", 2023, arXiv:1809.07441]
    """
    _, codes, sizes = np.unique(np.asarray(groups).astype(str), return_inverse=True, return_counts=True)
    order = np.argsort(residuals, kind="stable")
    values, share = residuals[order], 1 / sizes[codes][order] / len(sizes)
    above = np.cumsum(share)
    last = len(values) - 1
    places = [
        min(int(np.searchsorted(above, p - TINY)), last)
        if p > 0.5
        else max(int(np.searchsorted(above - share, p + TINY, side="right")) - 1, 0)
        for p in probabilities
    ]
    spread = [_spread(p, len(sizes)) for p in probabilities]
    return np.maximum.accumulate(values[places] * spread)


def _spread(probability: float, groups: int) -> float:
    """Return by how much a quantile of few groups lies further from zero than that of many.

    For a next group from a normal distribution of which G are known, it is that of Student's t with G - 1 degrees of
    freedom, times the root of 1 + 1/G. [t by the expansion in M. Abramowitz and I. Stegun, "Handbook of Mathematical
    Functions", 26.7.5]
    """
    z = abs(NormalDist().inv_cdf(min(max(probability, 0.005), 0.995)))
    if z < TINY:
        return 1.0
    n = max(groups - 1, 1)
    terms = z**3 + z, 5 * z**5 + 16 * z**3 + 3 * z, 3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z
    student = z + terms[0] / (4 * n) + terms[1] / (96 * n**2) + terms[2] / (384 * n**3)
    return float(student / z * (1 + 1 / groups) ** 0.5)


def residuals(fit: EngineFit) -> Iterator[dict[str, Any]]:
    """Yield quantiles of log(measured / expected) over left-out rows, for each kind of time.

    And for all together but first tokens, for kinds with too few: what a client does with first tokens says nothing of
    the rest.
    """
    t, mine = fit.rows, fitted(fit.rows)
    for what, expected in fit.left_out.items():
        residual, groups = t.log_seconds - expected, fit.groups[what]
        for kind in [*sorted(set(t.kind)), ANY]:
            mask = mine & np.isfinite(residual) & (t.kind != FIRST if kind == ANY else t.kind == kind)
            if mask.sum() >= (2 if kind in {ANY, FIRST} else FEWEST):
                yield {
                    "metric": kind,
                    "left_out": what,
                    "rows": int(mask.sum()),
                    "groups": len(set(groups[mask])),
                    "quantiles": _quantiles(residual[mask], groups[mask], PROBABILITIES).tolist(),
                }


def constants(solution: Solution) -> dict[str, dict[str, Any]]:
    """Return the fitted constants as an engine spec holds them."""
    found: dict[str, dict[str, Any]] = {}
    levels = {level: f"by_{level}" for level in LEVELS if level != "engine"}
    for name, unit in CONSTANTS.items():
        place = next(i for (c, level, _), i in solution.index.items() if c == name and level == "engine")
        value = PRIORS[name].value * float(np.exp(solution.steps[place]))
        found[name] = {"value": value, "unit": unit, "spread": float(solution.spread[place])}
        for level, key in levels.items():
            steps = {
                n: float(np.exp(solution.steps[i]))
                for (c, lv, n), i in solution.index.items()
                if c == name and lv == level
            }
            if steps:
                found[name][key] = steps
    return found
