"""One engine's fit: constants from all rows, and how well they do on groups of rows that were left out."""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from roofline.fitting.priors import PRIORS
from roofline.fitting.solve import Solution, solve_in_turn
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

ROUNDS = 8
"""Steps of a fit that starts from the fit of all rows. [1]"""

LEVEL = 0.9


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
    plain = np.array([row.plain for row in rows])
    solution = solve_in_turn(_part(every, plain, crowds))
    expected = log_expected(every, solution.constants(every))
    predictions, groups = {}, {}
    for what in left_out:
        folds, groups[what] = _folds(every, what)
        predictions[what] = _predicted_left_out(every, plain, folds, solution, what, crowds, progress)
    return EngineFit(engine, every, solution, expected, predictions, groups)


def _part(t: Table, mask: Any, crowds: set[str]) -> Table:
    return table([row for row, kept in zip(t.rows, mask, strict=True) if kept], crowds)


def _folds(t: Table, what: str) -> tuple[Any, Any]:
    """Return the fold and the group of each row: large groups are folds of their own."""
    names = t.labels(what)
    sizes = Counter(names)
    alone = set() if what == "cell" else {name for name, size in sizes.items() if size >= OWN_FOLD}
    folds = [name if name in alone else f"~{zlib.crc32(name.encode()) % BUCKETS}" for name in names]
    return np.array(folds, dtype=object), names


def _predicted_left_out(
    t: Table, plain: Any, folds: Any, start: Solution, what: str, crowds: set[str], progress: Any
) -> Floats:
    predicted = np.full(len(t.rows), np.nan)
    names = sorted(set(folds))
    for number, fold in enumerate(names):
        if progress:
            progress(what, number + 1, len(names))
        out = folds == fold
        if not (plain & ~out).any():
            continue
        known = _part(t, plain & ~out, crowds)
        found = solve_in_turn(known, start=_engine_only(start), rounds=ROUNDS)
        held = _part(t, out, crowds)
        predicted[out] = log_expected(held, found.constants(held))
    return predicted


def _engine_only(start: Solution) -> Solution:
    """Return the engine's own level of a solution; a start only, since the loss has one minimum near it."""
    index = {key: place for key, place in start.index.items() if key[1] == "engine"}
    return Solution(index, start.steps, start.spread)


# --- what a fit says of itself


def errors(t: Table, expected: Floats) -> Floats:
    """Return |expected - measured| / measured, rates as rates and times as times."""
    off = expected - t.log_seconds
    rates = np.array([row.measurement.metric in SPEEDS for row in t.rows])
    return np.abs(np.expm1(np.where(rates, -off, off)))


def accuracy(fit: EngineFit) -> Iterator[dict[str, Any]]:
    """Yield how far off the expected is, for each kind of time and each thing left out."""
    plain = np.array([row.plain for row in fit.rows.rows])
    for what, expected in {"nothing": fit.expected, **fit.left_out}.items():
        held = covered(fit, what) if what != "nothing" else None
        ape = errors(fit.rows, expected)
        for kind in sorted(set(fit.rows.kind)):
            mask = plain & (fit.rows.kind == kind) & np.isfinite(expected)
            if not mask.any():
                continue
            off = (expected - fit.rows.log_seconds)[mask]
            found = {"metric": kind, "left_out": what, "rows": int(mask.sum())}
            found |= {"median_ape": float(np.median(ape[mask])), "p90_ape": float(np.quantile(ape[mask], 0.9))}
            found["bias"] = float(np.expm1(np.median(off)))
            if held is not None and np.isfinite(held[mask]).any():
                found["coverage"] = float(np.nanmean(held[mask]))
            yield found


def covered(fit: EngineFit, what: str, level: float = LEVEL) -> Floats:
    """Return whether each row lies in its left-out interval, as 0 or 1; NaN where there is none."""
    low, high = left_out_intervals(fit, what, level)
    residual = fit.rows.log_seconds - fit.left_out[what]
    inside = ((residual >= low) & (residual <= high)).astype(float)
    return np.where(np.isfinite(low), inside, np.nan)


def left_out_intervals(fit: EngineFit, what: str, level: float = LEVEL) -> tuple[Floats, Floats]:
    """Return ends of log(measured / expected) that the residuals of the *other* groups give; NaN if too few."""
    residual = fit.rows.log_seconds - fit.left_out[what]
    lows, highs = np.full(len(residual), np.nan), np.full(len(residual), np.nan)
    plain = np.array([row.plain for row in fit.rows.rows])
    for kind in set(fit.rows.kind):
        mine = (fit.rows.kind == kind) & np.isfinite(residual) & plain
        for group in set(fit.groups[what][mine]):
            this = mine & (fit.groups[what] == group)
            others = residual[mine & ~this]
            if len(others) >= FEWEST:
                groups = len(set(fit.groups[what][mine & ~this]))
                lows[this], highs[this] = _quantiles(others, ((1 - level) / 2, (1 + level) / 2), groups)
    return lows, highs


def _quantiles(residuals: Floats, probabilities: tuple[float, ...], groups: int) -> Floats:
    """Return conformal quantiles: those of n + 1 values of which one may lie outside all others.

    Rows of one group are off together, so that few groups say less than their rows seem to: the quantiles are spread
    around zero by 1 + 1/G.
    """
    values = np.sort(residuals)
    n = len(values)
    places = [min(max(_rank(p, n), 0), n - 1) for p in probabilities]
    return values[places] * (1 + 1 / groups)


def _rank(probability: float, n: int) -> int:
    exact = probability * (n + 1)
    return int(np.ceil(exact)) - 1 if probability > 0.5 else int(np.floor(exact)) - 1


def residuals(fit: EngineFit) -> Iterator[dict[str, Any]]:
    """Yield quantiles of log(measured / expected) over left-out rows, for each kind of time and all together."""
    plain = np.array([row.plain for row in fit.rows.rows])
    for what, expected in fit.left_out.items():
        residual = fit.rows.log_seconds - expected
        for kind in [*sorted(set(fit.rows.kind)), "any"]:
            mask = plain & np.isfinite(residual) & ((fit.rows.kind == kind) | (kind == "any"))
            if mask.sum() >= (FEWEST if kind != "any" else 2):
                groups = len(set(fit.groups[what][mask]))
                quantiles = _quantiles(residual[mask], PROBABILITIES, groups)
                yield {
                    "metric": kind,
                    "left_out": what,
                    "rows": int(mask.sum()),
                    "groups": groups,
                    "quantiles": [float(q) for q in quantiles],
                }


def constants(solution: Solution) -> dict[str, dict[str, Any]]:
    """Return the fitted constants as an engine spec holds them."""
    found: dict[str, dict[str, Any]] = {}
    for name, unit in CONSTANTS.items():
        place = next(i for (c, level, _), i in solution.index.items() if c == name and level == "engine")
        value = PRIORS[name].value * float(np.exp(solution.steps[place]))
        found[name] = {"value": value, "unit": unit, "spread": float(solution.spread[place])}
        for level, key in (("hardware", "by_hardware"), ("build", "by_build"), ("device", "by_device")):
            steps = {
                n: float(np.exp(solution.steps[i]))
                for (c, lv, n), i in solution.index.items()
                if c == name and lv == level
            }
            if steps:
                found[name][key] = steps
    return found
