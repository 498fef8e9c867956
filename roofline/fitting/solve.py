"""Robust hierarchical least squares on logarithms: an engine's constants from the times of its rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from roofline.expected import Constants
from roofline.fitting.priors import FIRST_TOKEN_WEIGHT, NOISE, PRIORS, TAILS, WIDER
from roofline.fitting.table import Floats, Table, log_expected

LEVELS = ("engine", "hardware", "build", "device")
"""What a constant is the sum of, in logarithms."""

STEP = 1e-4
"""Change of a logarithm that derivatives are taken over."""


@dataclass(frozen=True)
class Solution:
    """Fitted steps of all constants.

    Attributes
    ----------
    index : (constant, level, name) -> place in ``steps``; the engine's has its name.
    steps : logarithms of factors on the priors' values.
    spread : their standard deviations, given the rows.
    """

    index: dict[tuple[str, str, str], int]
    steps: Floats
    spread: Floats

    def constants(self, t: Table) -> Constants:
        """Return the constants of each row; what was not fitted counts as usual."""
        return _constants(_places(self.index, t), self.steps)


MOST_DAMPING = 1e5
"""Beyond this a step is too short to matter."""


def _sd(constant: str, level: str, engine: str = "") -> float:
    prior = PRIORS[constant]
    width = prior[1 + LEVELS.index(level)]
    return width * WIDER.get(engine, 1.0)


def _index(t: Table) -> dict[tuple[str, str, str], int]:
    found: dict[tuple[str, str, str], int] = {}
    for constant in PRIORS:
        for level in LEVELS:
            if _sd(constant, level):
                names = sorted(set(t.labels(level)))
                for name in names:
                    found[constant, level, name] = len(found)
    return found


def _places(index: dict[tuple[str, str, str], int], t: Table) -> dict[str, list[Any]]:
    """Return, for each constant, arrays that say where each row's steps are; -1 where it has none."""
    places: dict[str, list[Any]] = {}
    for constant in PRIORS:
        places[constant] = []
        for level in LEVELS:
            if _sd(constant, level):
                labels = t.labels(level)
                places[constant].append(np.array([index.get((constant, level, name), -1) for name in labels]))
    return places


def _constants(places: dict[str, list[Any]], steps: Floats) -> Constants:
    padded = np.append(steps, 0.0)  # the place -1
    return Constants(
        **{
            name: PRIORS[name].value * np.exp(np.sum([padded[place] for place in places[name]], axis=0))
            for name in Constants._fields
        }
    )


def solve(t: Table, start: Solution | None = None, rounds: int = 30, only: tuple[str, ...] = ()) -> Solution:
    """Return the constants under which the rows, and the priors, are most likely.

    Gauss-Newton steps with weights of a t distribution, damped until the loss falls.

    Parameters
    ----------
    t : the rows.
    start : a solution for similar rows to start from.
    rounds : steps at most. [1]
    only : constants that may change; all of them if none is named.

    Returns
    -------
    Solution
    """
    index = start.index if only and start is not None else _index(t)
    free = np.array([not only or constant in only for constant, _, _ in index])
    places = _places(index, t)
    scale = np.array([_sd(constant, level, t.rows[0].engine) for constant, level, _ in index])
    steps = np.zeros(len(index))
    if start is not None:
        for key, place in index.items():
            if key in start.index:
                steps[place] = start.steps[start.index[key]]
    damping, hessian = 1e-2, np.diag(scale**-2.0)
    loss = _loss(t, places, steps, scale)
    for _ in range(rounds):
        hessian, gradient = _normal_equations(t, places, steps, scale)
        while damping < MOST_DAMPING:
            damped = hessian + damping * np.diag(np.diag(hessian))
            change = np.zeros(len(steps))
            change[free] = np.linalg.solve(damped[np.ix_(free, free)], gradient[free])
            new = _loss(t, places, steps + change, scale)
            if new < loss:
                break
            damping *= 5
        else:
            break
        steps, gained, loss, damping = steps + change, loss - new, new, max(damping / 5, 1e-6)
        if gained < 1e-2:
            break
    spread = np.sqrt(np.diag(np.linalg.inv(hessian)))
    if only and start is not None:
        spread = np.where(free, spread, start.spread)
    return Solution(index, steps, spread)


OF_FIRST_TOKEN = ("request", "wait")
"""Constants that only times to first token depend on."""


def solve_in_turn(t: Table, start: Solution | None = None, rounds: int = 30) -> Solution:
    """Return the constants, those of the time to first token last: its rows hardly count for the others.

    See :func:`solve` for the parameters.
    """
    found = solve(t, start, rounds)
    mask = t.kind == "first token"
    if not mask.any():
        return found
    weight = np.where(mask, t.weight / FIRST_TOKEN_WEIGHT, 0.0)
    return solve(t._replace(weight=weight), found, rounds, only=OF_FIRST_TOKEN)


def _loss(t: Table, places: dict[str, list[Any]], steps: Floats, scale: Floats) -> float:
    off = (t.log_seconds - log_expected(t, _constants(places, steps))) / NOISE
    return float((t.weight * TAILS * np.log1p(off**2 / TAILS)).sum() + ((steps / scale) ** 2).sum())


def _normal_equations(t: Table, places: dict[str, list[Any]], steps: Floats, scale: Floats) -> tuple[Floats, Floats]:
    constants = _constants(places, steps)
    expected = log_expected(t, constants)
    off = (t.log_seconds - expected) / NOISE
    weight = t.weight / (1 + off**2 / TAILS)
    rows = np.arange(len(t.rows))
    slopes = np.zeros((len(t.rows), len(steps) + 1))
    for name in Constants._fields:
        changed = constants._replace(**{name: getattr(constants, name) * np.exp(STEP)})
        slope = (log_expected(t, changed) - expected) / STEP / NOISE
        if slope.any():
            for place in places[name]:
                slopes[rows, place] += slope
    slopes = slopes[:, :-1]
    hessian = (slopes * weight[:, None]).T @ slopes + np.diag(scale**-2.0)
    return hessian, slopes.T @ (weight * off) - steps / scale**2
