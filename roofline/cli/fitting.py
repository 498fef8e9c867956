"""``roofline fit``: an engine's constants from measurements."""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections import Counter
from pathlib import Path

from roofline.cli import output
from roofline.errors import MeasurementError
from roofline.progress import Progress
from roofline.specs import load_engine, names
from roofline.specs.catalog import find

FEWEST = 10
"""Rows below which an engine is not fitted. [1]"""


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "fit",
        help="the constants of engines, from measurements",
        description="Fit the constants of engines to measurements, and say how far off they are on what was left out.",
    )
    parser.add_argument("paths", metavar="PATH", nargs="*", help="CSV files or folders; default: the project's own")
    parser.add_argument("--engine", metavar="E", help="only this engine")
    parser.add_argument("--write", action="store_true", help="write the constants into the engines' spec files")
    parser.add_argument("--into", metavar="FOLDER", help="write copies of the spec files there instead")
    parser.add_argument("--date", metavar="D", help="date to note, as 2026-11-21; default: today")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Fit, write and report."""
    from roofline import fitting
    from roofline.fitting.writing import fitted_table

    every, crowds = fitting.read(options.paths or None)
    engines = [load_engine(options.engine).name] if options.engine else names("engine")
    date = options.date or dt.datetime.now(tz=dt.UTC).date().isoformat()
    reports = {}
    for engine in engines:
        passed_over: Counter[str] = Counter()
        with Progress(0, f"rows of {engine} read") as bar:
            rows = fitting.rows_of(engine, every, bar.at, passed_over)
        for reason, count in passed_over.most_common():
            sys.stderr.write(f"{engine}: {count:,} rows passed over: {reason}\n")
        if sum(row.fitted for row in rows) < FEWEST:
            sys.stderr.write(f"{engine}: {len(rows)} rows with a speed to expect, too few to fit\n")
            continue
        fit = fitting.fit_engine(engine, rows, crowds, progress=_folds(engine))
        if options.write or options.into:
            fitting.write(_target(engine, options.into), fit, date)
        reports[engine] = fitted_table(fit, date) | {"passed_over": dict(passed_over.most_common())}
    if not reports:
        raise MeasurementError("no engine has enough measurements whose model, hardware and workload are known")
    if options.json:
        output.write_json({"engines": reports})
    else:
        output.write("\n".join(_report(reports)))
    return True


def _target(engine: str, folder: str | None) -> Path:
    original = find(engine, "engine")
    if folder is None:
        return original
    target = Path(folder) / original.name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(original.read_text(encoding="utf-8"), encoding="utf-8")
    return target


def _folds(engine: str):  # noqa: ANN202 (a callback)
    def show(what: str, done: int, total: int) -> None:
        sys.stderr.write(f"{engine}: left out by {what}, {done} of {total}\n")

    return show


def _report(reports: dict) -> list[str]:
    head = ["engine", "time", "left out", "rows", "median error", "p90", "bias", "held by 90 %"]
    lines = []
    for engine, report in reports.items():
        for a in report["accuracy"]:
            held = f"{a['coverage']:.0%}" if "coverage" in a else ""
            errors = (f"{a['median_ape']:.1%}", f"{a['p90_ape']:.1%}", f"{a['bias']:+.1%}")
            lines.append([engine, a["metric"], a["left_out"], f"{a['rows']:,}", *errors, held])
    return [output.table(head, lines, (3, 4, 5, 6, 7)), "", *_constants(reports)]


def _constants(reports: dict) -> list[str]:
    found = next(iter(reports.values()))["constants"]
    rows = []
    for name in found:
        cells = [r["constants"][name] for r in reports.values()]
        rows.append([f"{name} [{found[name]['unit']}]", *(f"{c['value']:.3g}" for c in cells)])
    return [output.table(["constant", *reports], rows, tuple(range(1, 1 + len(reports))))]
