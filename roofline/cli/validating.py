"""``roofline validate``: predictions beside published measurements."""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Iterator

from roofline import units
from roofline.cli import output, prediction
from roofline.errors import OutputError
from roofline.progress import Progress
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
        "--worst",
        type=prediction.count,
        metavar="N",
        help="only the N rows furthest from what is expected, or, where nothing is, closest to their ceiling",
    )
    parser.add_argument("--level", type=float, default=0.9, metavar="L", help="level of intervals (default 0.9)")
    parser.add_argument(
        "--left-out",
        choices=("cell", "device", "model", "hardware"),
        help="expect from fits to the rows of other devices, models, classes of hardware, or cells of both",
    )
    parser.add_argument(
        "--plot", metavar="FILE", type=picture, help="draw expected against measured, a .png, .svg or .pdf"
    )
    parser.add_argument("--rows", action="store_true", help="every row")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if a measurement is above its ceiling")
    parser.set_defaults(run=run)


def picture(text: str) -> str:
    """Return the name of a file for a picture; argparse turns the error into one sentence."""
    from roofline.plots import suffix

    try:
        suffix(text)
    except OutputError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def run(options: argparse.Namespace) -> bool:
    """Print the comparison; False if a measurement beats its ceiling."""
    with Progress(0, "rows") as bar:
        found = validate(
            options.paths or None,
            level=options.level,
            left_out=options.left_out,
            progress=bar.at,
            **{name: getattr(options, name) for name in FILTERS},
        )
    if options.plot:
        from roofline import plots

        plots.save(plots.expected_against_measured(found, plots.blank()), options.plot)
    if options.json:
        output.write_json({k: v for k, v in found.to_dict(rows=options.rows).items() if k != "schema_version"})
    else:
        output.write("\n".join(_page(found, every=options.rows, worst=options.worst)))
    return not found.ceiling_violations


def _page(found: Validation, *, every: bool, worst: int | None) -> Iterator[str]:
    yield f"{found.evaluated} of {found.rows} measurements evaluated, {len(found.ceiling_violations)} above the ceiling"
    rows = list(found.rows_detail)
    if worst is not None:
        rows = sorted(rows, key=_worse)[:worst]
    if rows and (every or worst is not None or len(rows) <= FEW):
        yield ""
        head = ["row", "metric", "measured", "ceiling", "of ceiling", "expected", "interval"]
        yield output.table(head, [_row(r) for r in rows], (2, 3, 4, 5, 6))
    if found.groups:
        yield ""
        groups = [_group(g) for g in found.groups]
        head = ["metric", "engine", "rows", "of ceiling", "expected", "median error", "p90", "bias", "held"]
        yield output.table(head, groups, tuple(range(2, 9)))
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


def _worse(r: RowResult) -> tuple[bool, float]:
    """Return a key that sorts the furthest from what is expected first, then the closest to the ceiling."""
    if r.expected is None:
        return True, -(r.ratio or 0)
    return False, -max(r.expected / r.measured, r.measured / r.expected)


def _row(r: RowResult) -> list[str]:
    limit = "" if r.ceiling is None else _value(r.metric, r.ceiling)
    expected = "" if r.expected is None else _value(r.metric, r.expected)
    if r.ceiling is None and r.ape is not None:
        expected += f", off by {r.ape:.1%}"
    between = f"{_value(r.metric, r.low)} .. {_value(r.metric, r.high)}" if r.low and r.high else ""
    return [r.id, r.metric, _value(r.metric, r.measured), limit, _share(r.ratio), expected, between]


def _group(g: Group) -> list[str]:
    engine = f"{g.engine or 'all'}{' (ep, pp, dp)' if g.layout else ''}"
    bias = "" if g.bias is None else f"{g.bias:+.1%}"
    return [
        *(g.metric, engine, str(g.n), _share(g.median_ratio_to_ceiling), str(g.compared or "")),
        *(_share(g.median_ape), _share(g.p90_ape), bias, _share(g.coverage)),
    ]


def _value(metric: str, value: float) -> str:
    if metric.endswith("_bytes"):
        return units.gib(value)
    if metric.endswith("_s") and "per" not in metric:
        return units.text(value, "s")
    return units.significant(value, 4)


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.1%}"
