"""Published measurements: one configuration and one number a row, in CSV files that say where each was read."""

from __future__ import annotations

import csv
import math  # noqa: TID251 (no formula here)
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from roofline.errors import MeasurementError
from roofline.specs.catalog import data_folder

COLUMNS = (
    *("id", "source", "date", "hardware", "devices", "model", "weights", "weights_bytes", "kv"),
    *("engine", "engine_version", "backend", "mode", "tp", "ep", "pp", "dp", "speculative"),
    *("batch", "prompt_tokens", "output_tokens", "context", "metric", "value", "note"),
)
"""Columns that every file has."""

OPTIONAL_COLUMNS = ("why_excluded", "anomaly", "ratio")

SPEEDS = (
    "decode_tok_per_s",
    "decode_tok_per_s_total",
    "prefill_tok_per_s",
    "output_tok_per_s",
    "total_tok_per_s",
)
TIMES = ("ttft_s", "tpot_s")
AMOUNTS = ("weights_bytes", "kv_cache_bytes", "kv_cache_tokens", "memory_bytes")
METRICS = (*SPEEDS, *TIMES, *AMOUNTS)

SPECULATIVE = ("", "none", "mtp", "eagle", "draft", "unknown")

_COUNTS = {"devices": 1, "tp": 1, "ep": 1, "pp": 1, "dp": 1, "batch": 1}
_COUNTS |= {"prompt_tokens": 0, "output_tokens": 0, "context": 0}
"""Columns of whole numbers, and the least of each."""


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row. Empty text and None mean: not stated. See ``measurements/README.md`` for the columns."""

    id: str
    source: str
    date: str
    hardware: str
    devices: int | None
    model: str
    weights: str
    weights_bytes: float | None
    kv: str
    engine: str
    engine_version: str
    backend: str
    mode: str
    tp: int | None
    ep: int | None
    pp: int | None
    dp: int | None
    speculative: str
    batch: int | None
    prompt_tokens: int | None
    output_tokens: int | None
    context: int | None
    metric: str
    value: float
    note: str
    why_excluded: str
    anomaly: str
    folder: Path
    """Folder of the file: what paths in it are relative to."""

    @property
    def is_time(self) -> bool:
        """Whether less is better."""
        return self.metric in TIMES


def files(paths: list[str | Path] | None = None) -> list[Path]:
    """Return the CSV files that the paths name: files themselves, or all in a folder except ``sources.csv``.

    ``"published"`` names the project's collection of published measurements; without paths, the articles are meant.

    Raises
    ------
    MeasurementError
        A path does not exist, or a folder holds no measurements.
    """
    found: list[Path] = []
    for path in [_place(p) for p in paths] if paths else [data_folder("measurements")]:
        if path.is_dir():
            inside = sorted(p for p in path.glob("*.csv") if p.name != "sources.csv")
            if not inside:
                raise MeasurementError(f"{path}: holds no measurement files (*.csv)")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise MeasurementError(
                f"{path}: no such file or folder; a CSV file of measurements or a folder of them is wanted"
            )
    return found


PUBLISHED = "published"
"""What the project's collection of published measurements is called where a path is wanted."""


def _place(path: str | Path) -> Path:
    """Return a path, or the project's own collection where its name is given and no such path exists."""
    if path == PUBLISHED and not Path(path).exists():
        return data_folder("measurements") / PUBLISHED
    return Path(path)


def read(path: str | Path) -> Iterator[Measurement]:
    """Yield the rows of one file.

    Raises
    ------
    MeasurementError
        The file cannot be read or a row does not follow the schema; the message names file and line.
    """
    path = Path(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            table = csv.DictReader(file, strict=True)
            _check_header(path, table.fieldnames or [])
            for row in table:
                yield _row(path, table.line_num, row)
    except UnicodeDecodeError:
        raise MeasurementError(f"{path}: not a text file in UTF-8; measurements are CSV files") from None
    except csv.Error as error:
        raise MeasurementError(f"{path}: not valid CSV: {error}") from None
    except OSError as error:
        raise MeasurementError(f"{path}: cannot be read: {error.strerror or error}") from None


def _check_header(path: Path, header: Sequence[str]) -> None:
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise MeasurementError(
            f"{path}: columns {', '.join(missing)} are missing; measurements have {', '.join(COLUMNS)}"
        )
    if twice := sorted({name for name in header if list(header).count(name) > 1}):
        raise MeasurementError(f"{path}: columns {', '.join(twice)} stand there more than once")
    odd = [name for name in header if name not in {*COLUMNS, *OPTIONAL_COLUMNS}]
    if odd:
        raise MeasurementError(
            f"{path}: unknown columns {', '.join(odd)}; beside the usual ones {', '.join(OPTIONAL_COLUMNS)} may stand"
        )


def _row(path: Path, line: int, row: dict[str, str | None]) -> Measurement:
    where = f"{path}:{line}"
    if None in row or None in row.values():
        raise MeasurementError(f"{where}: the row has more or fewer cells than the header")
    cells = {name: (text or "").strip() for name, text in row.items()}
    if cells["metric"] not in METRICS:
        raise MeasurementError(f"{where}: metric is {cells['metric']!r}, but one of {', '.join(METRICS)} is wanted")
    if cells["speculative"] not in SPECULATIVE:
        raise MeasurementError(
            f"{where}: speculative is {cells['speculative']!r}, but one of {', '.join(SPECULATIVE[1:])} is wanted"
        )
    counts: dict[str, Any] = {name: _count(where, name, cells[name], least) for name, least in _COUNTS.items()}
    value = _number(cells["value"])
    if value is None or not 0 < value < math.inf:
        raise MeasurementError(f"{where}: value is {cells['value']!r}, but a number above 0 is wanted")
    texts: dict[str, Any] = {name: cells[name] for name in COLUMNS if name not in {*_COUNTS, "value", "weights_bytes"}}
    return Measurement(
        **texts,
        **counts,
        value=value,
        weights_bytes=_size(where, "weights_bytes", cells["weights_bytes"]),
        why_excluded=cells.get("why_excluded", ""),
        anomaly=cells.get("anomaly", ""),
        folder=path.parent,
    )


def _number(text: str) -> float | None:
    """Return the number that the text is, or None."""
    try:
        return float(text)
    except ValueError:
        return None


def _size(where: str, name: str, text: str) -> float | None:
    if not text:
        return None
    number = _number(text)
    if number is None or not 0 < number < math.inf:
        raise MeasurementError(f"{where}: {name} is {text!r}, but a number above 0 or an empty cell is wanted")
    return number


def _count(where: str, name: str, text: str, least: int) -> int | None:
    if not text:
        return None
    number = _number(text)
    if number is None or not least <= number < math.inf or number != int(number):
        raise MeasurementError(
            f"{where}: {name} is {text!r}, but a whole number from {least} up or an empty cell is wanted"
        )
    return int(number)
