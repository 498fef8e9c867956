"""From blocks to one array for each figure."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline import units
from roofline.errors import RooflineError, TooLongError, WorkloadError
from roofline.sweeps import fields
from roofline.sweeps.axes import LARGEST_RESULT_BYTES, Grid
from roofline.sweeps.evaluation import Block
from roofline.sweeps.table import Problem, Sweep


class Place(NamedTuple):
    """Where a block belongs.

    Attributes
    ----------
    choice : index along the dimensions that change more than the workload.
    cut : part of each dimension of the workload.
    """

    choice: tuple[int, ...]
    cut: tuple[slice, ...]

    @property
    def points(self) -> int:
        """Number of points."""
        count = 1
        for part in self.cut:
            count *= part.stop - part.start
        return count


class Collected:
    """The figures so far: arrays of length 1 in each dimension that they do not depend on.

    Parameters
    ----------
    asked : the grid.
    wanted : figures to keep; None: all but details.
    """

    def __init__(self, asked: Grid, wanted: tuple[str, ...] | None) -> None:
        self._grid, self._wanted = asked, wanted
        self._figures: dict[str, NDArray[Any]] = {}
        self._depends: dict[str, tuple[bool, ...]] = {}
        self._answered: dict[str, set[tuple[int, ...]]] = {}
        self._errors: dict[tuple[int, ...], RooflineError] = {}
        self._too_long: dict[tuple[int, ...], tuple[int, str]] = {}
        self._said: dict[str, None] = {}
        self._choosing = [dimension.chooses for dimension in asked.dimensions]
        self._sizes = [dimension.size for dimension in asked.dimensions if not dimension.chooses]

    def expect(self, probe: Block) -> None:
        """Learn from a block of two values an axis which figures depend on which axes.

        Raises
        ------
        WorkloadError
            The figures would take too much memory.
        """
        for path, array in probe.figures.items():
            known = self._depends.get(path, (False,) * array.ndim)
            self._depends[path] = tuple(a or b > 1 for a, b in zip(known, array.shape, strict=True))
            self._make(path, self._depends[path], array.dtype)

    def add(self, place: Place, block: Block) -> None:
        """Keep the figures of a block."""
        self._said |= dict.fromkeys(block.assumptions)
        some = bool(block.too_long.any())
        for path, array in block.figures.items():
            depends = self._depends.get(path, (False,) * array.ndim)
            depends = tuple(a or b > 1 for a, b in zip(depends, array.shape, strict=True))
            if some:  # a block one value thick does not show that it depends on what is too long
                depends = tuple(a or b > 1 for a, b in zip(depends, self._sizes, strict=True))
            self._depends[path] = depends
            kept = self._make(path, depends, array.dtype)
            kept[self._index(place, depends)] = array
            self._answered[path].add(place.choice)
        if some:
            points = int(np.broadcast_to(block.too_long, [part.stop - part.start for part in place.cut]).sum())
            before, _ = self._too_long.get(place.choice, (0, ""))
            self._too_long[place.choice] = before + points, block.limit

    def fail(self, choice: tuple[int, ...], error: RooflineError) -> None:
        """Note that a combination has no answer."""
        self._errors.setdefault(choice, error)

    def sweep(self) -> Sweep:
        """Return what has been collected.

        Raises
        ------
        RooflineError
            No point has an answer.
        """
        inside = int(np.prod(self._sizes))
        combinations = self._grid.size // inside
        if len(self._errors) == combinations:
            raise next(iter(self._errors.values()))
        missing = len(self._errors) * inside + sum(points for points, _ in self._too_long.values())
        if missing == self._grid.size:
            raise TooLongError(f"every point is too long: {self._problems()[-1].text}")
        for path in self._figures:
            self._fill(path)
        return Sweep(self._grid, self._figures, self._problems(), tuple(self._said))

    def _fill(self, path: str) -> None:
        """Write what stands for no answer wherever no block has written."""
        answered, kept = self._answered[path], self._figures[path]
        if len(answered) == self._grid.size // int(np.prod(self._sizes)) and not self._errors:
            return
        whole = tuple(slice(0, size) for size in self._sizes)
        for choice, _ in self._grid.choices():
            if choice not in answered or choice in self._errors:
                kept[self._index(Place(choice, whole), (True,) * len(whole))] = _nothing(kept.dtype)

    def _make(self, path: str, depends: tuple[bool, ...], kind: Any) -> NDArray[Any]:
        """Return the array of a figure, made or spread out where it has to be."""
        inside = iter(depends)
        shape = tuple(
            size if chooses or next(inside) else 1
            for size, chooses in zip(self._grid.shape, self._choosing, strict=True)
        )
        kept = self._figures.get(path)
        if kept is not None and kept.shape == shape:
            return kept
        self._check_room(path, shape, np.dtype(kind).itemsize)
        made = np.empty(shape, kind)  # each combination is written by its blocks, or filled at the end
        if kept is not None:
            made[...] = kept
        self._figures[path] = made
        self._answered.setdefault(path, set())
        return made

    def _check_room(self, path: str, shape: tuple[int, ...], itemsize: int) -> None:
        held = sum(array.nbytes for name, array in self._figures.items() if name != path)
        size = itemsize
        for length in shape:
            size *= length
        if held + size > LARGEST_RESULT_BYTES:
            figures = max(len(self._figures), 1)
            most = units.text(LARGEST_RESULT_BYTES, "B")
            raise WorkloadError(
                f"{self._grid.size:,} points are too many to hold: {path} alone would take {units.text(size, 'B')}, "
                f"and {figures} figures are kept; at most {most} are made in one sweep, so coarser "
                f"axes or fewer figures (fields=...) are wanted"
            )

    def _index(self, place: Place, depends: tuple[bool, ...]) -> tuple[int | slice, ...]:
        choice = iter(place.choice)
        parts = iter(part if at else slice(0, 1) for part, at in zip(place.cut, depends, strict=True))
        return tuple(next(choice) if chooses else next(parts) for chooses in self._choosing)

    def _problems(self) -> tuple[Problem, ...]:
        inside = int(np.prod(self._sizes))
        found = []
        for choice, arguments in self._grid.choices() if self._errors or self._too_long else ():
            names = {name: arguments[name] for i in self._grid.choosing for name in self._grid.dimensions[i].names}
            if choice in self._errors:
                found.append(Problem(names, str(self._errors[choice]), inside))
            if choice in self._too_long:
                points, limit = self._too_long[choice]
                found.append(Problem(names, limit, points))
        return tuple(found)


def _nothing(kind: np.dtype[Any]) -> Any:
    """Return what stands where there is no answer."""
    if kind.kind == "b":
        return False
    return fields.NO_BOUND if kind == np.uint8 else np.nan
