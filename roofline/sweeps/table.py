"""What a sweep found: arrays by name, and the choice among their points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline._predict import predict
from roofline.errors import UnknownNameError, WorkloadError
from roofline.results import Prediction
from roofline.specs.search import neighbours
from roofline.sweeps import exporting, fields
from roofline.sweeps.axes import SETTING, WORKLOAD, Grid, labels


class Problem(NamedTuple):
    """Points without an answer.

    Attributes
    ----------
    arguments : which: the values of the axes other than the workload's.
    text : why.
    points : how many. [1]
    """

    arguments: Mapping[str, Any]
    text: str
    points: int


class Branch:
    """Figures below a dotted path: ``sweep.decode.ceiling`` and the like."""

    def __init__(self, table: Table, path: str) -> None:
        self._table, self._path = table, path

    def __getattr__(self, name: str) -> Any:
        return self._table.below(f"{self._path}.{name}")

    def __getitem__(self, name: str) -> Any:
        """Return the figures of an operation or a term, whose names are no identifiers."""
        return self._table.below(f"{self._path}.{name}")

    def __dir__(self) -> list[str]:
        start = len(self._path) + 1
        return sorted({path[start:].split(".")[0] for path in self._table.fields if path.startswith(f"{self._path}.")})

    def __repr__(self) -> str:
        return f"<{self._path}: {', '.join(self.__dir__())}>"


class Table:
    """Points with their arguments and figures; :class:`Sweep` and :class:`Points` are its two kinds.

    A figure is named by its dotted path: as an attribute (``table.decode.ceiling.tokens_per_s``) or an item
    (``table["decode.ceiling.tokens_per_s"]``). NaN, False or an empty word stands where there is no answer.
    """

    grid: Grid
    _figures: Mapping[str, NDArray[Any]]

    @property
    def axes(self) -> dict[str, Sequence[Any] | NDArray[np.int64]]:
        """Values of each argument that varies, in the order given."""
        return self.grid.axes

    @property
    def size(self) -> int:
        """Number of points."""
        raise NotImplementedError

    @property
    def fields(self) -> tuple[str, ...]:
        """Dotted paths of all figures."""
        return tuple(self._figures)

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, path: str) -> NDArray[Any]:
        """Return a figure by its dotted path.

        Raises
        ------
        UnknownNameError
            No such figure.
        """
        return _words(path, self._shaped(self._known(path)))

    def __getattr__(self, name: str) -> Any:
        if name in fields.BLOCKS:
            return self.below(name)
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(path.split(".")[0] for path in self.fields)})

    def below(self, path: str) -> Any:
        """Return a figure, a branch of figures, or None where a prediction would say so."""
        if path in self._figures:
            return self[path]
        if any(fields.is_below(known, path) for known in self._figures):
            return Branch(self, path)
        if fields.is_known(path):
            return None
        raise AttributeError(f"no figure is called {path!r}")

    def _known(self, path: str) -> NDArray[Any]:
        if path in self._figures:
            return self._figures[path]
        near = neighbours(path, self._figures)
        hint = f"; did you mean {', '.join(near)}?" if near else ""
        raise UnknownNameError(f"this sweep has no figure {path!r:.200}{hint}")

    def _shaped(self, figure: NDArray[Any]) -> NDArray[Any]:
        raise NotImplementedError

    def flat_indices(self) -> NDArray[np.int64]:
        """Return the places of the points in the flattened grid."""
        raise NotImplementedError

    def column(self, name: str) -> NDArray[Any]:
        """Return an argument that varies, or a figure, as one value for each point.

        Parameters
        ----------
        name : of an axis, or the dotted path of a figure.

        Returns
        -------
        numpy.ndarray
            Shape (size,).
        """
        return self.column_at(name, self.flat_indices())

    def column_at(self, name: str, indices: NDArray[np.int64]) -> NDArray[Any]:
        """Return a column at some places of the flattened grid."""
        places = np.unravel_index(indices, self.grid.shape) if self.grid.shape else ()
        for at, dimension in zip(places, self.grid.dimensions, strict=True):
            if name in dimension.names:
                values = dimension.values[dimension.names.index(name)]
                return labels(values)[at]
        return _words(name, _picked(self._known(name), indices, self.grid.shape))

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns: the axes, then the figures."""
        return (*self.axes, *self.fields)

    # --- choosing

    def where(
        self, field: str, *, at_least: float | None = None, at_most: float | None = None, equals: Any = None
    ) -> Points:
        """Return the points at which something holds.

        Parameters
        ----------
        field : path of a figure, or an axis.
        at_least, at_most, equals : what it must be; with none of them it must be true.

        Returns
        -------
        Points

        Raises
        ------
        UnknownNameError
            No such figure.
        WorkloadError
            The figure is no truth value, and nothing is said that it must be.

        Examples
        --------
        >>> import roofline
        >>> s = roofline.sweep("minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", batch=[1, 64], context=[0, 65536])
        >>> s.where("memory.fits").size, s.where("decode.ceiling.tokens_per_s", at_least=1000).size
        (3, 1)
        """
        column = self.column(field)
        if at_least is None and at_most is None and equals is None:
            if column.dtype.kind != "b":
                raise WorkloadError(f"{field} is no truth value, so at_least, at_most or equals is wanted beside it")
            return self._chosen(column)
        held = np.ones(column.shape, bool)
        if at_least is not None:
            held &= column >= at_least
        if at_most is not None:
            held &= column <= at_most
        if equals is not None:
            held &= column == equals
        return self._chosen(held)

    def best(self, field: str, by: str | Sequence[str] | None = None, *, largest: bool | None = None) -> Points:
        """Return the best point, or the best for each value of an axis.

        Parameters
        ----------
        field : path of the figure to be best.
        by : an axis, or several.
        largest : whether more is better; for rates, counts and room it is, for times and bytes not, when None.

        Returns
        -------
        Points
            In the order of the axes; values of the axes for which no point has an answer are missing.

        Examples
        --------
        >>> import roofline
        >>> s = roofline.sweep("minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", batch=[1, 64, 512], context=4096)
        >>> s.best("decode.ceiling.tokens_per_s").column("batch")
        array([512])
        """
        score = self._score(field, largest=largest)
        indices = np.flatnonzero(~np.isnan(score))
        group = self._groups(() if by is None else (by,) if isinstance(by, str) else by)[indices]
        order = np.lexsort((-score[indices], group))
        first = np.r_[True, np.diff(group[order]) != 0] if len(order) else np.zeros(0, bool)
        return Points(self.grid, self._figures, self.flat_indices()[indices[order[first]]])

    def pareto(
        self, x: str, y: str, by: str | Sequence[str] | None = None, *, largest: tuple[bool, bool] | None = None
    ) -> Points:
        """Return the points that no other beats in both figures.

        Parameters
        ----------
        x, y : paths of the two figures.
        by : an axis, or several; each of its values has a frontier of its own.
        largest : whether more is better, of both; as of :meth:`best` when None.

        Returns
        -------
        Points
            Along the frontier, by growing ``x``.

        Examples
        --------
        >>> import roofline
        >>> s = roofline.sweep("llama-3.1-8b", "h100-sxm", batch=[1, 8, 64], context=8192)
        >>> s.pareto("decode.ceiling.tokens_per_s_per_stream", "decode.ceiling.tokens_per_s").column("batch")
        array([64,  8,  1])
        """
        better = largest or (None, None)
        first, second = self._score(x, largest=better[0]), self._score(y, largest=better[1])
        indices = np.flatnonzero(~(np.isnan(first) | np.isnan(second)))
        group = self._groups(() if by is None else (by,) if isinstance(by, str) else by)
        order = indices[np.lexsort((-second[indices], -first[indices], group[indices]))]
        keep = _frontier(group[order], second[order])
        chosen = order[keep]
        along = np.lexsort((self.column(x)[chosen], group[chosen]))
        return Points(self.grid, self._figures, self.flat_indices()[chosen[along]])

    def _score(self, field: str, *, largest: bool | None) -> NDArray[np.float64]:
        column = self.column(field)
        if column.dtype.kind not in "fiu":
            raise WorkloadError(f"{field} is no number, so that nothing can be best in it")
        more = fields.more_is_better(field) if largest is None else largest
        return column.astype(float) * (1 if more else -1)

    def _groups(self, names: Sequence[str]) -> NDArray[np.int64]:
        """Return a number for each point that is equal where the named axes are."""
        found = np.zeros(self.size, np.int64)
        if not names:
            return found
        places = np.unravel_index(self.flat_indices(), self.grid.shape)
        for name in names:
            where = [i for i, dimension in enumerate(self.grid.dimensions) if name in dimension.names]
            if not where:
                raise WorkloadError(f"{name!r} is no axis of this sweep; its axes are {', '.join(self.axes)}")
            found = found * self.grid.shape[where[0]] + places[where[0]]
        return found

    def _chosen(self, held: NDArray[np.bool_]) -> Points:
        return Points(self.grid, self._figures, self.flat_indices()[held])

    # --- single points

    def arguments(self, point: int) -> dict[str, Any]:
        """Return what :func:`roofline.predict` is to be asked for one point.

        Parameters
        ----------
        point : its number, as in :meth:`column`.
        """
        flat = int(self.flat_indices()[point])
        index = [int(i) for i in np.unravel_index(flat, self.grid.shape)] if self.grid.shape else []
        every = SETTING | WORKLOAD
        return {
            name: value
            for name, value in self.grid.arguments(index).items()
            if name in {"model", "hardware"} or value != every[name]
        }

    def prediction(self, point: int) -> Prediction:
        """Return the whole prediction at one point, with its page, sources and assumptions."""
        return predict(**self.arguments(point))

    # --- elsewhere

    to_pandas = exporting.to_pandas
    to_polars = exporting.to_polars
    to_parquet = exporting.to_parquet
    to_csv = exporting.to_csv
    to_dict = exporting.to_dict
    to_json = exporting.to_json


class Sweep(Table):
    """Predictions over a grid; what :func:`roofline.sweep` returns.

    Figures are arrays with one dimension for each list that was given, in that order.

    Attributes
    ----------
    problems : points without an answer, and why.
    assumptions : what was assumed because it was not said, anywhere in the grid.
    """

    def __init__(
        self,
        grid: Grid,
        figures: Mapping[str, NDArray[Any]],
        problems: tuple[Problem, ...],
        assumptions: tuple[str, ...],
    ) -> None:
        self.grid, self._figures, self.problems, self.assumptions = grid, figures, problems, assumptions

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions."""
        return self.grid.shape

    @property
    def size(self) -> int:
        """Number of points."""
        return self.grid.size

    def _shaped(self, figure: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(figure, self.shape)

    def flat_indices(self) -> NDArray[np.int64]:
        """Return the places of the points in the flattened grid: all of them."""
        return np.arange(self.size)

    to_xarray = exporting.to_xarray

    def natural(self, path: str) -> NDArray[Any]:
        """Return a figure with length 1 along every axis that it does not depend on."""
        return _words(path, self._known(path))

    def __repr__(self) -> str:
        spans = " × ".join(f"{'+'.join(d.names)} {d.size:,}" for d in self.grid.dimensions)
        missing = sum(problem.points for problem in self.problems)
        without = f", {missing:,} of them without an answer (.problems)" if missing else ""
        return f"<Sweep over {spans or 'one point'}: {self.size:,} points{without}, {len(self.fields)} figures>"


class Points(Table):
    """Some points of a sweep; figures are arrays of shape (size,).

    Attributes
    ----------
    indices : places of the points in the flattened grid.
    """

    def __init__(self, grid: Grid, figures: Mapping[str, NDArray[Any]], indices: NDArray[np.int64]) -> None:
        self.grid, self._figures, self.indices = grid, figures, indices

    @property
    def size(self) -> int:
        """Number of points."""
        return len(self.indices)

    def _shaped(self, figure: NDArray[Any]) -> NDArray[Any]:
        return _picked(figure, self.indices, self.grid.shape)

    def flat_indices(self) -> NDArray[np.int64]:
        """Return the places of the points in the flattened grid."""
        return self.indices

    def __repr__(self) -> str:
        return f"<{self.size:,} of {self.grid.size:,} points, {len(self.fields)} figures>"


def _picked(figure: NDArray[Any], indices: NDArray[np.int64], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return a figure at places of the flattened grid; along axes that it does not depend on it has length 1."""
    if not shape:
        return np.broadcast_to(figure, indices.shape)
    places = np.unravel_index(indices, shape)
    return figure[tuple(np.minimum(place, length - 1) for place, length in zip(places, figure.shape, strict=True))]


def _words(path: str, figure: NDArray[Any]) -> NDArray[Any]:
    """Return figures that are kept as places as the words they stand for."""
    return np.array(fields.BOUND_NAMES)[figure] if fields.is_bound(path) else figure


def _frontier(group: NDArray[np.int64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which points are on the frontier of their group, sorted by their first figure, the best first."""
    if not len(second):
        return np.zeros(0, bool)
    starts = np.flatnonzero(np.r_[True, np.diff(group) != 0])
    keep = np.zeros(len(second), bool)
    for start, stop in zip(starts, [*starts[1:], len(second)], strict=True):
        part = second[start:stop]
        best = np.maximum.accumulate(part)
        keep[start:stop] = np.r_[True, part[1:] > best[:-1]]
    return keep
