"""Sweeps as the tables of other libraries, and as files."""

from __future__ import annotations

import csv
import importlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from roofline.errors import OutputError
from roofline.results import SCHEMA_VERSION
from roofline.sweeps import fields
from roofline.sweeps.axes import labels

if TYPE_CHECKING:
    from roofline.sweeps.table import Sweep, Table

ROWS = 65_536
"""Rows that are written to a file at once."""


def to_pandas(self: Table, columns: Sequence[str] | None = None) -> Any:
    """Return a tidy :class:`pandas.DataFrame`: one row a point; the axes, then the figures by their dotted path.

    Parameters
    ----------
    columns : which of :attr:`columns`; all when None.

    Raises
    ------
    OutputError
        pandas is not installed.
    UnknownNameError
        No such column.
    """
    pandas = _library("pandas")
    return pandas.DataFrame({name: self.column(name) for name in _chosen(self, columns)})


def to_polars(self: Table, columns: Sequence[str] | None = None) -> Any:
    """Return a tidy ``polars.DataFrame``, as :meth:`to_pandas`."""
    polars = _library("polars")
    return polars.DataFrame({name: _listed(self.column(name)) for name in _chosen(self, columns)})


def to_xarray(self: Sweep) -> Any:
    """Return an :class:`xarray.Dataset`: a dimension for each axis, and figures with the dimensions they depend on.

    Axes that vary together share a dimension, named after all of them. Units are in the attribute ``units``.

    Raises
    ------
    OutputError
        xarray is not installed.
    """
    xarray = _library("xarray")
    names = ["+".join(dimension.names) for dimension in self.grid.dimensions]
    coordinates = {
        name: (at, labels(values))
        for at, dimension in zip(names, self.grid.dimensions, strict=True)
        for name, values in zip(dimension.names, dimension.values, strict=True)
    }
    figures = {}
    for path in self.fields:
        figure = self.natural(path)
        kept = [i for i, length in enumerate(figure.shape) if length > 1 or self.shape[i] == 1]
        plain = figure.reshape([figure.shape[i] for i in kept])
        figures[path] = ([names[i] for i in kept], plain, {"units": fields.unit(path)})
    return xarray.Dataset(figures, coordinates)


def to_parquet(self: Table, path: str | Path, columns: Sequence[str] | None = None) -> None:
    """Write a Parquet file, some rows at a time.

    Raises
    ------
    OutputError
        pyarrow is not installed, or the file cannot be written.
    """
    arrow, parquet = _library("pyarrow"), _library("pyarrow.parquet")
    names = _chosen(self, columns)
    writer = None
    try:
        for part in _parts(self, names):
            table = arrow.table({name: _listed(column) for name, column in zip(names, part, strict=True)})
            if writer is None:
                writer = parquet.ParquetWriter(str(path), table.schema)
            writer.write_table(table.cast(writer.schema))
    except (OSError, arrow.ArrowException) as error:
        raise OutputError(f"{path}: cannot be written: {error}") from None
    finally:
        if writer is not None:
            writer.close()


def to_csv(self: Table, path: str | Path | None = None, columns: Sequence[str] | None = None) -> str | None:
    """Write comma-separated values, some rows at a time; return them as text without a path.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    import io

    names = _chosen(self, columns)
    if path is None:
        text = io.StringIO()
        _write_csv(self, names, text)
        return text.getvalue()
    try:
        with Path(path).open("w", encoding="utf-8", newline="") as file:
            _write_csv(self, names, file)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    return None


def to_dict(self: Table, columns: Sequence[str] | None = None) -> dict[str, Any]:
    """Return plain dictionaries and lists: the axes, and a record for each point; what has no answer is None."""
    names = _chosen(self, columns)
    axes = {name: _column(labels(values)) for name, values in self.axes.items()}
    records = [dict(zip(names, row, strict=True)) for part in _parts(self, names) for row in _rows(part)]
    return {"schema_version": SCHEMA_VERSION, "axes": axes, "size": self.size, "points": records}


def to_json(self: Table, indent: int | None = None, columns: Sequence[str] | None = None) -> str:
    """Return :meth:`to_dict` as JSON text."""
    return json.dumps(self.to_dict(columns), indent=indent, allow_nan=False, default=str)


def _chosen(table: Table, columns: Sequence[str] | None) -> tuple[str, ...]:
    return table.columns if columns is None else tuple([columns] if isinstance(columns, str) else columns)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError:
        package = name.partition(".")[0]
        raise OutputError(f"{package} is not installed; pip install 'roofline[export]' brings it") from None


def _parts(table: Table, names: Sequence[str]) -> Iterator[list[NDArray[Any]]]:
    """Yield the columns of some rows at a time; at least once, so that an empty table has columns too."""
    indices = table.flat_indices()
    for start in range(0, max(len(indices), 1), ROWS):
        yield [table.column_at(name, indices[start : start + ROWS]) for name in names]


def _listed(column: NDArray[Any]) -> Any:
    """Return a column as a library of tables takes it: words and mixed values as a list."""
    if column.dtype.kind in "US":
        return column.astype(object).tolist()
    return [_text(value) for value in column] if column.dtype.kind == "O" else column


def _text(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _column(column: Any) -> list[Any]:
    """Return plain values; None for what is not a number."""
    values = column.tolist() if isinstance(column, np.ndarray) else list(column)
    return [None if value != value else value for value in values]  # noqa: PLR0124 (only NaN differs from itself)


def _rows(part: Sequence[NDArray[Any]]) -> Iterator[tuple[Any, ...]]:
    yield from zip(*(_column(column) for column in part), strict=True)


def _write_csv(table: Table, names: Sequence[str], file: Any) -> None:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for part in _parts(table, names):
        writer.writerows(_rows(part))
