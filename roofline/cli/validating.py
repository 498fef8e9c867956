"""``roofline validate``: predictions beside published measurements."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from roofline import units
from roofline.cli import output, prediction
from roofline.validation import Group, RowResult, Validation, validate

FILTERS = {"engine": "E", "hardware": "H", "model": "M", "metric": "X"}
FEW = 60
"""This many rows are printed without asking."""


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "validate",
        help="measurements beside their ceilings, and those that no engine could reach",
        description="Published measurements beside their ceilings, and those that no engine could reach.",
    )
    parser.add_argument("paths", metavar="PATH", nargs="*", help="CSV files or folders; default: the project's own")
    for name, letter in FILTERS.items():
        parser.add_argument(f"--{name}", metavar=letter, help=f"only rows with this {name}")
    parser.add_argument(
        "--worst", type=prediction.count, metavar="N", help="only the N rows closest to, or above, their ceiling"
    )
    parser.add_argument("--rows", action="store_true", help="every row")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if a measurement is above its ceiling")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print the comparison; False if a measurement beats its ceiling."""
    found = validate(options.paths or None, **{name: getattr(options, name) for name in FILTERS})
    if options.json:
        output.write_json({k: v for k, v in found.to_dict(rows=options.rows).items() if k != "schema_version"})
    else:
        output.write("\n".join(_page(found, every=options.rows, worst=options.worst)))
    return not found.ceiling_violations


def _page(found: Validation, *, every: bool, worst: int | None) -> Iterator[str]:
    yield f"{found.evaluated} of {found.rows} measurements evaluated, {len(found.ceiling_violations)} above the ceiling"
    rows = list(found.rows_detail)
    if worst is not None:
        rows = sorted(rows, key=lambda r: -(r.ratio or 0))[:worst]
    if rows and (every or worst is not None or len(rows) <= FEW):
        yield ""
        yield output.table(["row", "metric", "measured", "ceiling", "of ceiling"], [_row(r) for r in rows], (2, 3, 4))
    if found.groups:
        yield ""
        groups = [_group(g) for g in found.groups]
        yield output.table(["metric", "engine", "rows", "median of ceiling", "median error"], groups, (2, 3, 4))
    if found.ceiling_violations:
        yield ""
        yield "above the ceiling: no engine can do this, so the claim, or what it says of itself, is wrong"
        for v in found.ceiling_violations:
            measured, best = _value(v.metric, v.measured), _value(v.metric, v.ceiling)
            yield f"  {v.id}: {measured} against at best {best}, {v.ratio:.2f} x"
            yield from textwrap.wrap(v.note, 96, initial_indent="    ", subsequent_indent="    ")
    if found.unresolved:
        yield ""
        yield "not evaluated"
        yield from (f"  {count:>4}  {reason}" for reason, count in found.unresolved.items())


def _row(r: RowResult) -> list[str]:
    limit = "" if r.ceiling is None else _value(r.metric, r.ceiling)
    if r.expected is not None:
        limit = f"predicted {_value(r.metric, r.expected)}"
    close = _share(r.ratio) if r.ratio is not None else (f"off by {r.ape:.1%}" if r.ape is not None else "")
    return [r.id, r.metric, _value(r.metric, r.measured), limit, close]


def _group(g: Group) -> list[str]:
    return [g.metric, g.engine or "all", str(g.n), _share(g.median_ratio_to_ceiling), _share(g.median_ape)]


def _value(metric: str, value: float) -> str:
    if metric.endswith("_bytes"):
        return units.gib(value)
    if metric.endswith("_s") and "per" not in metric:
        return units.text(value, "s")
    return units.significant(value, 4)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
