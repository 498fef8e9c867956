"""What varies in a sweep: lists and arrays in place of single arguments, checked, and the grid that they span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline import units
from roofline.errors import WorkloadError
from roofline.workload import LARGEST

WORKLOAD = {"batch": 1, "context": 0, "prompt": None, "output": None, "cached": 0, "concurrency": None}
"""Arguments that the formulas take as arrays, and their defaults."""

LEAST = {"context": 0, "cached": 0}
"""Least values of the arguments of the workload; 1 for the others."""

SETTING = {
    "model": None,
    "hardware": None,
    "devices": 1,
    "weights": None,
    "kv": None,
    "engine": None,
    "tp": None,
    "ep": None,
    "pp": None,
    "dp": None,
    "level": 0.9,
    "backend": None,
    "built": None,
    "mode": None,
    "memory_share": None,
    "weights_bytes": None,
    "assume_known": False,
}
"""Arguments that choose what is predicted, and their defaults; each combination is put together once."""

LARGEST_RESULT_BYTES = 8e9
"""A sweep whose figures take more than this is refused. [byte]"""

NUMBER_BYTES = 8
"""A figure of one point. [byte]"""

LARGEST_LENGTH = 2**53
"""Whole numbers above this are no longer exact in an array of floats. [token]"""


class Dimension(NamedTuple):
    """One dimension of the grid: an axis, or several that vary together.

    Attributes
    ----------
    names : the arguments.
    values : for each argument, its values, equally many; an array of whole numbers for one of the workload.
    """

    names: tuple[str, ...]
    values: tuple[Sequence[Any] | NDArray[np.int64], ...]

    @property
    def size(self) -> int:
        """Number of values."""
        return len(self.values[0])

    @property
    def chooses(self) -> bool:
        """Whether it changes more than the workload."""
        return any(name in SETTING for name in self.names)

    def at(self, place: int) -> dict[str, Any]:
        """Return the arguments at one place."""
        return {name: _plain(values[place]) for name, values in zip(self.names, self.values, strict=True)}


class Grid(NamedTuple):
    """What a sweep spans.

    Attributes
    ----------
    dimensions : in the order given.
    constant : the other arguments, their defaults included.
    """

    dimensions: tuple[Dimension, ...]
    constant: Mapping[str, Any]

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return tuple(dimension.size for dimension in self.dimensions)

    @property
    def size(self) -> int:
        """Number of points."""
        size = 1
        for length in self.shape:
            size *= length
        return size

    @property
    def axes(self) -> dict[str, Sequence[Any] | NDArray[np.int64]]:
        """Values of each argument that varies."""
        return {
            name: values
            for dimension in self.dimensions
            for name, values in zip(dimension.names, dimension.values, strict=True)
        }

    @property
    def choosing(self) -> tuple[int, ...]:
        """Places of the dimensions that change more than the workload."""
        return tuple(i for i, dimension in enumerate(self.dimensions) if dimension.chooses)

    def choices(self) -> Iterator[tuple[tuple[int, ...], dict[str, Any]]]:
        """Yield the index along the choosing dimensions, and the arguments there, of every combination."""
        dimensions = [self.dimensions[i] for i in self.choosing]
        for index in product(*(range(dimension.size) for dimension in dimensions)):
            arguments = dict(self.constant)
            for place, dimension in zip(index, dimensions, strict=True):
                arguments |= dimension.at(place)
            yield index, arguments

    def arguments(self, index: Sequence[int]) -> dict[str, Any]:
        """Return the arguments of :func:`roofline.predict` at one point."""
        found = dict(self.constant)
        for place, dimension in zip(index, self.dimensions, strict=True):
            found |= dimension.at(place)
        return found


def grid(arguments: Mapping[str, Any], paired: Sequence[Sequence[str]] = ()) -> Grid:
    """Return the grid that lists and arrays among the arguments span.

    Parameters
    ----------
    arguments : arguments of :func:`roofline.predict`, in order; each a value, or a list or an array of values.
    paired : names of lists that vary together.

    Returns
    -------
    Grid

    Raises
    ------
    WorkloadError
        An unknown argument, an axis that is empty or not flat, a value out of range, pairs of different lengths.
    """
    for name in arguments:
        if name not in WORKLOAD and name not in SETTING:
            raise WorkloadError(
                f"{name!r} is no argument of a prediction; known are {', '.join((*SETTING, *WORKLOAD))}"
            )
    varying = {name: _axis(name, value) for name, value in arguments.items() if _varies(value)}
    constant = {name: value for name, value in arguments.items() if name not in varying}
    constant = {name: _single(name, value) for name, value in constant.items()}
    _check_served(arguments)
    groups = _groups(varying, paired)
    found = Grid(
        dimensions=tuple(Dimension(group, tuple(varying[name] for name in group)) for group in groups),
        constant={**SETTING, **WORKLOAD, **constant},
    )
    _check_size("the grid", found.size)
    return found


def _check_size(what: str, points: int) -> None:
    """Refuse what cannot be held, before any of it is made."""
    size = points * NUMBER_BYTES
    if size > LARGEST_RESULT_BYTES:
        raise WorkloadError(
            f"{what} has {points:,} points: a single figure of it would take {units.text(size, 'B')}, and at most "
            f"{units.text(LARGEST_RESULT_BYTES, 'B')} are made in one sweep, so coarser axes are wanted"
        )


def _check_served(arguments: Mapping[str, Any]) -> None:
    if arguments.get("concurrency") is None:
        return
    if any(arguments.get(name) is None for name in ("prompt", "output")):
        raise WorkloadError("concurrency describes served requests, so prompt and output are wanted beside it")


def _varies(value: Any) -> bool:
    if isinstance(value, str | bytes | Path | Mapping | set | frozenset) or hasattr(value, "model_fields"):
        return False
    if isinstance(value, np.ndarray):
        return value.ndim > 0
    return isinstance(value, Iterable) and isinstance(value, Sized)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _axis(name: str, value: Any) -> Sequence[Any] | NDArray[np.int64]:
    if getattr(value, "ndim", 1) != 1:
        raise WorkloadError(f"{name} has {value.ndim} dimensions, but an axis is a flat list or array")
    _check_size(name, len(value))
    if not isinstance(value, np.ndarray | range):
        value = tuple(value)
    if len(value) == 0:
        raise WorkloadError(f"{name} is an empty list, but an axis holds at least one value")
    if name in WORKLOAD:
        return _counts(name, value)
    values = tuple(_plain(item) for item in value)
    if any(isinstance(item, float) and item != item for item in values):  # noqa: PLR0124 (only NaN differs from itself)
        raise WorkloadError(f"{name} holds nan, which is no value")
    if any(isinstance(item, list | tuple | np.ndarray | dict) for item in values):
        raise WorkloadError(f"{name} holds a list inside its list, but an axis is flat")
    return values


def _single(name: str, value: Any) -> Any:
    """Return a value that does not vary; an array of no dimension is the number it holds."""
    if isinstance(value, np.ndarray | np.generic):
        value = value.item()
    return int(_counts(name, (value,))[0]) if name in WORKLOAD and value is not None else value


def _counts(name: str, values: Any) -> NDArray[np.int64]:
    """Return whole numbers in the range of the argument."""
    least, most = LEAST.get(name, 1), LARGEST.get(name, LARGEST_LENGTH)
    numbers = _numbers(values)
    if numbers is None or not np.isfinite(numbers).all() or (numbers % 1).any():
        wrong = next((value for value in values if not _whole(value)), values)
        raise WorkloadError(f"{name} holds {_plain(wrong)!r:.60}, but whole numbers from {least} up are wanted")
    if numbers.min() < least:
        raise WorkloadError(f"{name} holds {numbers.min():.0f}, but whole numbers from {least} up are wanted")
    if numbers.max() > most:
        raise WorkloadError(f"{name} holds {numbers.max():.0f}, but at most {most:,} is believable here")
    return numbers.astype(np.int64)


def _numbers(values: Any) -> NDArray[Any] | None:
    """Return an array of numbers; None where the values are something else."""
    if not isinstance(values, np.ndarray | range) and any(isinstance(value, bool | str) for value in values):
        return None
    try:
        numbers = np.asarray(values)
        numbers = numbers if numbers.dtype.kind in "iuf" else np.asarray(values, dtype=float)
    except (TypeError, ValueError, OverflowError):
        return None
    return numbers if numbers.ndim == 1 else None


def _whole(value: Any) -> bool:
    try:
        return not isinstance(value, bool | str | np.bool_) and float(value) % 1 == 0
    except (TypeError, ValueError, OverflowError):
        return False


def _groups(varying: Mapping[str, Any], paired: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    """Return the names of each dimension, in the order of their first."""
    if isinstance(paired, str) or any(isinstance(names, str) for names in paired):
        raise WorkloadError("paired wants groups of names, for example [('prompt', 'output')]")
    together: dict[str, tuple[str, ...]] = {}
    for names in paired:
        if strange := [name for name in names if name not in varying]:
            raise WorkloadError(f"paired names {strange[0]!r}, which is no list or array among the arguments")
        if double := [name for name in names if name in together]:
            raise WorkloadError(f"paired names {double[0]!r} twice")
        lengths = {name: len(varying[name]) for name in names}
        if len(set(lengths.values())) > 1:
            said = ", ".join(f"{name} {length}" for name, length in lengths.items())
            raise WorkloadError(f"paired axes vary together and need equally many values, but have: {said}")
        together |= dict.fromkeys(names, tuple(name for name in varying if name in names))
    return list(dict.fromkeys(together.get(name, (name,)) for name in varying))


def labels(values: Any) -> NDArray[Any]:
    """Return the values of an axis as an array, specs by their name."""
    if isinstance(values, np.ndarray):
        return values
    plain = [getattr(value, "name", value) if hasattr(value, "model_fields") else value for value in values]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in plain):
        return np.array(plain)
    found = np.empty(len(plain), object)
    found[:] = plain
    return found
