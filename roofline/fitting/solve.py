"""Robust hierarchical least squares on logarithms: an engine's constants from the times of its rows.

How wide the steps of each level are, and how far each kind of row scatters, is estimated from the same rows (empirical
Bayes).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from roofline.expected import Constants
from roofline.fitting.priors import COUNTED_AS, LEVELS, MOST_WIDER, NOISE, NOISE_ROWS, PRIORS, TAILS
from roofline.fitting.table import Floats, Table, log_expected

STEP = 1e-4
"""Change of a logarithm that derivatives are taken over."""

MOST_DAMPING = 1e5
"""Beyond this a step is too short to matter."""

ENOUGH = 2e-3
"""Change of the steps' logarithms at which the search ends."""

MEDIAN_OF_T = 0.7407
"""Median of the absolute value of a t distribution with :data:`TAILS` degrees of freedom."""

Key = tuple[str, str, str]
Widths = dict[tuple[str, str], float]


@dataclass(frozen=True)
class Solution:
    """Fitted steps of all constants.

    Attributes
    ----------
    index : (constant, level, name) -> place in ``steps``; the engine's has its name.
    steps : logarithms of factors on the priors' values.
    spread : their standard deviations, given the rows.
    widths : (constant, level) -> standard deviation of the steps of a level, as estimated.
    noise : kind of row -> scale of its logarithm around what is expected, as estimated.
    """

    index: dict[Key, int]
    steps: Floats
    spread: Floats
    widths: Widths
    noise: dict[str, float]

    def constants(self, t: Table) -> Constants:
        """Return the constants of each row; what was not fitted counts as usual."""
        return _constants(_places(self.index, t), self.steps)


def _index(t: Table) -> dict[Key, int]:
    names = {level: sorted(set(t.labels(level))) for level in LEVELS}
    keys = [(c, level, name) for c, prior in PRIORS.items() for level in prior.widths for name in names[level]]
    return {key: place for place, key in enumerate(keys)}


def _places(index: dict[Key, int], t: Table) -> dict[str, list[Any]]:
    """Return, for each constant, arrays that say where each row's steps are; -1 where it has none."""
    coded = {level: np.unique(t.labels(level).astype(str), return_inverse=True) for level in LEVELS}
    return {
        constant: [
            np.array([index.get((constant, level, name), -1) for name in coded[level][0]])[coded[level][1]]
            for level in prior.widths
        ]
        for constant, prior in PRIORS.items()
    }


def _constants(places: dict[str, list[Any]], steps: Floats) -> Constants:
    padded = np.append(steps, 0.0)  # the place -1
    return Constants(
        **{
            name: PRIORS[name].value * np.exp(np.sum([padded[place] for place in places[name]], axis=0))
            for name in Constants._fields
        }
    )


class _Problem(NamedTuple):
    """Rows with the places of their steps."""

    t: Table
    places: dict[str, list[Any]]

    def off(self, steps: Floats) -> Floats:
        """Return log(measured / expected)."""
        return self.t.log_seconds - log_expected(self.t, _constants(self.places, steps))

    def noise(self, noise: dict[str, float]) -> Floats:
        """Return the scale of each row."""
        return np.array([noise[kind] for kind in self.t.kind])

    def loss(self, steps: Floats, scale: Floats, noise: Floats) -> float:
        """Return twice the negative logarithm of the posterior, but for a constant."""
        rows = self.t.weight * TAILS * np.log1p((self.off(steps) / noise) ** 2 / TAILS)
        return float(rows.sum() + ((steps / scale) ** 2).sum())


def solve(t: Table, start: Solution | None = None, rounds: int = 40) -> Solution:
    """Return the constants under which the rows, and the priors, are most likely.

    Gauss-Newton steps with weights of a t distribution, damped until the loss falls. After each, the widths of the
    levels and the noise of each kind of row are estimated anew.

    Parameters
    ----------
    t : the rows.
    start : a solution for similar rows to start from.
    rounds : steps at most. [1]

    Returns
    -------
    Solution
    """
    index = _index(t)
    p = _Problem(t, _places(index, t))
    steps = np.array([0.0 if start is None else _started(start, key) for key in index])
    spread = np.zeros(len(steps))
    widths = {(c, level): width for c, prior in PRIORS.items() for level, width in prior.widths.items()}
    noise = dict.fromkeys(sorted(set(t.kind.tolist())), NOISE)
    if start is not None:
        widths, noise = widths | start.widths, {kind: start.noise.get(kind, NOISE) for kind in noise}
    damping = 1e-2
    for _ in range(rounds):
        scale, sigma = np.array([widths[constant, level] for constant, level, _ in index]), p.noise(noise)
        equations = _normal_equations(p, steps, scale, sigma)
        new, damping = _descend(p, steps, scale, sigma, equations, damping)
        moved = float(np.abs(new - steps).max())
        hessian, _, used = equations
        steps, spread = new, scale.copy()
        spread[used] = np.sqrt(np.diag(np.linalg.inv(hessian)))
        before, widths = widths, _widths(index, steps, spread, widths)
        noise = _noise(p, steps, noise)
        changed = max(abs(widths[key] / before[key] - 1) for key in widths)
        if moved < ENOUGH and changed < 10 * ENOUGH:
            break
    return Solution(index, steps, spread, widths, noise)


def _started(start: Solution, key: Key) -> float:
    return float(start.steps[start.index[key]]) if key in start.index else 0.0


def _slopes(p: _Problem, steps: Floats) -> tuple[Floats, Any]:
    """Return how logarithms of expected times rise with each step that any row depends on, and which these are."""
    constants = _constants(p.places, steps)
    expected = log_expected(p.t, constants)
    rows = np.arange(len(p.t.rows))
    slopes = np.zeros((len(p.t.rows), len(steps) + 1))
    for name in Constants._fields:
        changed = constants._replace(**{name: getattr(constants, name) * np.exp(STEP)})
        slope = (log_expected(p.t, changed) - expected) / STEP
        if slope.any():
            for place in p.places[name]:
                slopes[rows, place] += slope
    used = np.flatnonzero(slopes[:, :-1].any(axis=0))
    return slopes[:, used], used


def _normal_equations(p: _Problem, steps: Floats, scale: Floats, noise: Floats) -> tuple[Floats, Floats, Any]:
    """Return the curvature and the downward slope of the loss, and the steps that they are of."""
    slopes, used = _slopes(p, steps)
    off = p.off(steps)
    weighted = slopes * (p.t.weight / noise**2 / (1 + (off / noise) ** 2 / TAILS))[:, None]
    precision = scale[used] ** -2.0
    return weighted.T @ slopes + np.diag(precision), weighted.T @ off - steps[used] * precision, used


def _descend(
    p: _Problem, steps: Floats, scale: Floats, noise: Floats, equations: tuple[Floats, Floats, Any], damping: float
) -> tuple[Floats, float]:
    """Return steps of less loss, and the damping to begin with next time."""
    hessian, gradient, used = equations
    loss = p.loss(steps, scale, noise)
    while damping < MOST_DAMPING:
        change = np.zeros(len(steps))
        change[used] = np.linalg.solve(hessian + damping * np.diag(np.diag(hessian)), gradient)
        if p.loss(steps + change, scale, noise) < loss:
            return steps + change, max(damping / 10, 1e-6)
        damping *= 5
    return steps, 1e-2


# --- how wide, how noisy


def _widths(index: dict[Key, int], steps: Floats, spread: Floats, widths: Widths) -> Widths:
    """Return the widths that the steps speak for; the priors' count as so many steps more, and bound them.

    What a step is expected to be squared, given the rows, is its square and its variance. [Dempster, Laird and Rubin,
    "Maximum likelihood from incomplete data via the EM algorithm", 1977, section 4]
    """
    squares: dict[tuple[str, str], list[float]] = {}
    for (constant, level, _), step, sd in zip(index, steps, spread, strict=True):
        if level != "engine":
            squares.setdefault((constant, level), []).append(step**2 + sd**2)
    found = {}
    for (constant, level), values in squares.items():
        prior = PRIORS[constant].widths[level]
        estimate = np.sqrt((COUNTED_AS * prior**2 + sum(values)) / (COUNTED_AS + len(values)))
        found[constant, level] = min(float(estimate), MOST_WIDER * prior)
    return widths | found


def _noise(p: _Problem, steps: Floats, noise: dict[str, float]) -> dict[str, float]:
    """Return the scale of each kind's rows: that of the t distribution whose median is theirs."""
    off, found = np.abs(p.off(steps)), {}
    for kind in noise:
        mine = p.t.kind == kind
        order = np.argsort(off[mine])
        weight = np.cumsum(p.t.weight[mine][order])
        middle = off[mine][order][np.searchsorted(weight, weight[-1] / 2)] / MEDIAN_OF_T
        found[kind] = float(np.sqrt((NOISE_ROWS * NOISE**2 + weight[-1] * middle**2) / (NOISE_ROWS + weight[-1])))
    return found
