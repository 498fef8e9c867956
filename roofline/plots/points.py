"""Sweeps along what a picture shows, and the lists that options are given."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline import workload
from roofline.errors import PictureError, WorkloadError
from roofline.sweeps import Sweep, sweep
from roofline.sweeps.axes import SETTING, WORKLOAD

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST = 2000
"""More points than this are more than a picture shows."""

LEAST = {"context": 0}
"""Least values of axes; 1 of all others."""


def asked(model: Any, hardware: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return model, hardware and options of predictions; a sweep in place of the model stands for its own.

    Raises
    ------
    WorkloadError
        No hardware is given, or something beside a sweep, or two of its lists vary together.
    """
    if not isinstance(model, Sweep):
        if hardware is None:
            raise WorkloadError("no hardware is given; a model and hardware are wanted, or a sweep")
        return {"model": model, "hardware": hardware, **options}
    if hardware is not None or options:
        raise WorkloadError("a sweep says itself what it is of, so hardware and options are not wanted beside it")
    together = [" and ".join(dimension.names) for dimension in model.grid.dimensions if len(dimension.names) > 1]
    if together:
        raise WorkloadError(f"{together[0]} vary together in this sweep, but a picture draws every combination")
    usual = SETTING | WORKLOAD
    constant = {name: value for name, value in model.grid.constant.items() if value != usual.get(name, usual)}
    return {**constant, **model.axes}


def swept(fields: Sequence[str], **asked: Any) -> Sweep:
    """Return a sweep in which every point has an answer.

    Raises
    ------
    RooflineError
        One has none: what :func:`roofline.predict` raises for it.
    """
    found = sweep(fields=fields, progress=False, **asked)
    if found.problems:
        for point in range(found.size):
            found.prediction(point)
    return found


def figure(found: Sweep, path: str) -> NDArray[np.float64] | None:
    """Return a figure by its dotted path, or None where the sweep has no such figure."""
    return found[path].astype(float) if path in found.fields else None


def is_list(value: Any) -> bool:
    """Whether an option of :func:`roofline.predict` was given several values."""
    if isinstance(value, str | bytes | Mapping) or hasattr(value, "model_fields"):
        return False
    return isinstance(value, Iterable) and getattr(value, "ndim", 1) > 0


def listed(name: str, value: Any) -> list[Any]:
    """Return a list of one or several values.

    Raises
    ------
    WorkloadError
        There are none.
    PictureError
        There are more than a picture shows.
    """
    values = list(itertools.islice(value, MOST + 1)) if is_list(value) else [value]
    if not values:
        raise WorkloadError(f"{name} is an empty list, so there is nothing to draw; at least one value is wanted")
    if len(values) > MOST:
        raise PictureError(f"{name} has more than {MOST:,} values, which is more than a picture shows")
    return values


class Axis(NamedTuple):
    """Where to draw.

    Attributes
    ----------
    values : growing.
    marked : the one value that was given, which is among them; None where none was, or a list.
    """

    values: list[int]
    marked: int | None = None


def axis(name: str, given: Any, usual: Iterable[int]) -> Axis:
    """Return where to draw: at the values of a list, or at the usual ones and at the one that was given.

    Raises
    ------
    WorkloadError
        A value is no count, or out of range.

    Examples
    --------
    >>> axis("batch", [4, 1], [1, 2]), axis("batch", 3, [1, 2])
    (Axis(values=[1, 4], marked=None), Axis(values=[1, 2, 3], marked=3))
    """
    if given is None:
        return Axis(sorted(usual))
    known = {workload.count(name, value, LEAST.get(name, 1)) for value in listed(name, given)}
    if is_list(given):
        return Axis(sorted(known))
    return Axis(sorted({*usual, *known}), known.pop())


def only(kind: str, asked: Mapping[str, Any], lists: Sequence[str] = ()) -> None:
    """Check that nothing but what is named in ``lists`` has several values.

    Raises
    ------
    WorkloadError
        One has.
    """
    for name, value in asked.items():
        if name not in lists and is_list(value):
            raise WorkloadError(f"{name} has {len(listed(name, value))} values, but {kind} is drawn for one")


def powers(first: float, last: float, per_octave: int = 4) -> list[int]:
    """Return whole numbers from ``first`` to ``last``, each larger than the one before by a like factor.

    Examples
    --------
    >>> powers(1, 6, per_octave=1)
    [1, 2, 4, 6]
    """
    found, value = [], float(first)
    while value < last:
        found.append(round(value))
        value *= 2 ** (1 / per_octave)
    return sorted({*found, int(last)})
