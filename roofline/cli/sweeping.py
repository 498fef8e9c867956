"""``roofline sweep``: many predictions at once."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import roofline
from roofline import formatting, units
from roofline.cli import output, prediction
from roofline.errors import OutputError, UnitError, WorkloadError

if TYPE_CHECKING:
    from roofline.sweeps.table import Sweep, Table

DEFAULT = "default"
"""Stands for an argument that is not given, in a list."""

MOST_VALUES = 10_000_000
"""A range that has more values than this is taken for a mistake."""

FIGURES = {
    "memory.fits": "fits",
    "decode.ceiling.tokens_per_s": "decode ceiling",
    "decode.bound": "bound",
    "decode.expected.tokens_per_s": "expected",
    "decode.expected.low": "low",
    "decode.expected.high": "high",
    "prefill.ceiling.tokens_per_s": "prefill ceiling",
    "prefill.expected.tokens_per_s": "expected",
    "serving.ttft_s.value": "TTFT",
    "serving.tpot_s.value": "TPOT",
    "serving.output_tok_per_s.value": "output",
    "serving.output_tok_per_s.ceiling": "output ceiling",
}
"""What is shown unless figures are chosen."""

ROWS = 40
"""Rows that are shown without asking for more."""

ASSUMPTIONS = 8
"""Assumptions that are shown; JSON has them all."""

UNITS = {"byte": "B", "1": "", "token": ""}
"""Units as they are printed."""


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "sweep",
        help="many predictions at once, as a table, a choice of the best, or a file",
        description="Many predictions at once: any option may be a list, and every combination is predicted.",
        epilog=(
            "Lists are written 1,2,4 and of counts also 1..8 (each), 0..128k:16k (steps), 1..1024:x2 (doubling). "
            f"'{DEFAULT}' in a list stands for an option that is not given."
        ),
    )
    parser.add_argument("model", metavar="MODEL[,MODEL...]", help="names or files, as for 'roofline predict'")
    parser.add_argument("hardware", metavar="HARDWARE[,HARDWARE...]", nargs="+", help="as dgx-spark,2x rtx-pro-6000")
    for name, text in prediction.TEXTS.items():
        parser.add_argument(f"--{name}", metavar=f"{name[0].upper()},...", help=text.partition("; default")[0])
    for name, text in prediction.COUNTS.items():
        parser.add_argument(f"--{name}", type=counts, metavar="N,...", help=text)
    parser.add_argument("--level", type=shares, metavar="L,...", help="level of intervals (default 0.9)")
    parser.add_argument("--memory-share", type=shares, metavar="S,...", help="part of the memory that the engine takes")
    parser.add_argument(
        "--assume-known", action="store_true", help="take config keys that are not understood for harmless"
    )
    parser.add_argument(
        "--paired", action="append", metavar="A,B", help="these lists vary together, as prompt,output; may be repeated"
    )
    parser.add_argument("--where", action="append", metavar="CONDITION", help="as memory.fits or batch>=8; repeatable")
    parser.add_argument("--best", metavar="FIGURE", help="only the best, as decode.expected.tokens_per_s")
    parser.add_argument("--pareto", metavar="X,Y", help="only points that no other beats in both figures")
    parser.add_argument("--by", metavar="AXIS,...", help="the best, or the frontier, for each value of these")
    parser.add_argument("--figures", metavar="FIGURE,...", help="what to show or write; 'all' for all")
    parser.add_argument("--rows", type=prediction.count, metavar="N", default=ROWS, help=f"rows shown (default {ROWS})")
    parser.add_argument("-o", "--into", metavar="FILE", help="write all rows to a .csv, .json or .parquet file")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.set_defaults(run=run)


def counts(text: str) -> list[int]:
    """Return the counts of a list, as ``1,2,4``, ``1..8``, ``0..128k:16k`` or ``1..1024:x2``."""
    found: list[int] = []
    for part in text.split(","):
        try:
            found += _counts(part.strip())
        except UnitError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    return found


def _counts(part: str) -> list[int]:
    first, between, last = part.partition("..")
    if not between:
        return [units.count(part)]
    last, _, step = last.partition(":")
    start, stop = units.count(first), units.count(last)
    if stop < start:
        raise UnitError(f"cannot read {part!r}: a range grows, for example '{last}..{first}'")
    if step.startswith("x"):
        factor = units.count(step[1:])
        if factor < 2 or start < 1:
            raise UnitError(f"cannot read {part!r}: a range that multiplies starts from 1 or more, by 2 or more")
        found = []
        while start <= stop:
            found.append(start)
            start *= factor
        return found
    by = units.count(step) if step else 1
    if by < 1 or (stop - start) // by >= MOST_VALUES:
        raise UnitError(f"cannot read {part!r}: a step from 1 up, and at most {MOST_VALUES:,} values, are wanted")
    return list(range(start, stop + 1, by))


def shares(text: str) -> list[float]:
    """Return the numbers of a list."""
    return [float(part) for part in text.split(",")]


def run(options: argparse.Namespace) -> bool:
    """Print the sweep, or what is best in it."""
    found = roofline.sweep(
        _names(options.model),
        _names(" ".join(options.hardware)),
        paired=[_split(names) for names in options.paired or ()],
        assume_known=options.assume_known,
        **_axes(options),
    )
    chosen = _chosen(found, options)
    figures = _figures(found, options)
    columns = [*chosen.axes, *figures]
    if options.into:
        _write(chosen, options.into, columns)
    if options.json:
        report = {k: v for k, v in chosen.to_dict(columns).items() if k != "schema_version"}
        problems = [problem._asdict() for problem in found.problems]
        output.write_json(report | {"problems": problems, "assumptions": list(found.assumptions)})
    else:
        output.write("\n".join(_page(found, chosen, figures, options.rows)))
    return bool(chosen.size)


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _names(text: str) -> Any:
    """Return one name, or a list of several."""
    names = [None if name == DEFAULT else name for name in _split(text)]
    return names[0] if len(names) == 1 else names


def _axes(options: argparse.Namespace) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name in (*prediction.TEXTS, *prediction.COUNTS, "level", "memory_share"):
        value = getattr(options, name)
        if value is None:
            continue
        values = _names(value) if isinstance(value, str) else value
        given[name] = values[0] if isinstance(values, list) and len(values) == 1 else values
    return given


def _figures(found: Sweep, options: argparse.Namespace) -> list[str]:
    if options.figures == "all" or (options.figures is None and (options.json or options.into)):
        return list(found.fields)
    if options.figures is None:
        served = "serving.ttft_s.value" in found.fields
        return [path for path in FIGURES if path in found.fields and (not served or path.startswith(_SERVED))]
    from roofline.sweeps.fields import checked, is_below

    wanted = checked(_split(options.figures))
    return [path for path in found.fields if any(is_below(path, prefix) for prefix in wanted)]


_SERVED = ("memory.", "serving.")
CONDITION = re.compile(r"([\w.]+)\s*(>=|<=|=)\s*(.+)")


def _chosen(found: Sweep, options: argparse.Namespace) -> Table:
    chosen: Table = found
    for condition in options.where or ():
        match = CONDITION.fullmatch(condition.strip())
        if match is None:
            chosen = chosen.where(condition.strip())
            continue
        how = {">=": "at_least", "<=": "at_most", "=": "equals"}[match[2]]
        chosen = chosen.where(match[1], **{how: _value(match[3])})
    by = _split(options.by) if options.by else None
    if by and not (options.best or options.pareto):
        raise WorkloadError("--by says for what --best or --pareto is asked, so one of them is wanted beside it")
    if options.best:
        chosen = chosen.best(options.best, by)
    if options.pareto:
        pair = _split(options.pareto)
        if len(pair) != 2:
            raise WorkloadError(f"--pareto is {options.pareto!r}, but two figures are wanted, as X,Y")
        chosen = chosen.pareto(pair[0], pair[1], by)
    return chosen


def _value(text: str) -> Any:
    for read in (units.count, float):
        try:
            return read(text)
        except ValueError:
            continue
    return text


def _write(chosen: Table, path: str, columns: list[str]) -> None:
    suffix = Path(path).suffix
    if suffix == ".csv":
        chosen.to_csv(path, columns)
    elif suffix == ".parquet":
        chosen.to_parquet(path, columns)
    elif suffix == ".json":
        try:
            Path(path).write_text(chosen.to_json(columns=columns) + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(f"{path}: cannot be written: {error.strerror or error}") from None
    else:
        raise OutputError(f"{path}: a file that ends in .csv, .json or .parquet is wanted")


def _page(found: Sweep, chosen: Table, figures: list[str], rows: int) -> Iterator[str]:
    from roofline.sweeps.axes import SETTING, WORKLOAD

    usual = SETTING | WORKLOAD
    constant = {name: value for name, value in found.grid.constant.items() if value != usual[name]}
    yield " · ".join(f"{name} {value}" for name, value in constant.items()) or "sweep"
    spans = " × ".join(f"{dimension.size:,} {'+'.join(dimension.names)}" for dimension in found.grid.dimensions)
    of = "" if chosen.size == found.size else f"{chosen.size:,} of "
    yield f"{of}{found.size:,} points" + (f": {spans}" if spans else "")
    yield ""
    shown = range(min(chosen.size, rows))
    names = [*chosen.axes, *figures]
    columns = [[_text(name, value) for value in chosen.column(name)[: len(shown)].tolist()] for name in names]
    head = [FIGURES.get(name, name) for name in names]
    if shown:
        right = tuple(i for i, name in enumerate(names) if name not in _WORDS)
        yield output.table(head, list(zip(*columns, strict=True)), right)
    if chosen.size > len(shown):
        yield f"... and {chosen.size - len(shown):,} more (--rows {chosen.size}, or --into FILE)"
    if not chosen.size:
        yield "no point is left"
    if found.problems:
        yield ""
        yield "without an answer"
        yield from (_problem(problem) for problem in found.problems[:ASSUMPTIONS])
        if len(found.problems) > ASSUMPTIONS:
            yield f"  and {len(found.problems) - ASSUMPTIONS:,} more (--json)"
    yield ""
    more = len(found.assumptions) - ASSUMPTIONS
    said = [*found.assumptions[:ASSUMPTIONS], *([f"and {more} more (--json)"] if more > 0 else [])]
    yield from formatting.paragraphs("assumes", said, output.page_width())


_WORDS = frozenset({"model", "hardware", "weights", "kv", "engine", "backend", "built", "mode", "decode.bound"})


def _problem(problem: Any) -> str:
    which = ", ".join(f"{name} {value}" for name, value in problem.arguments.items())
    return f"  {problem.points:>7,}  {which + ': ' if which else ''}{problem.text}"


def _text(name: str, value: Any) -> str:
    if value is None:
        return DEFAULT
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) or value != value:  # noqa: PLR0124 (only NaN differs from itself)
        return value if isinstance(value, str) else ""
    return f"{value:,}" if isinstance(value, int) or "." not in name else _figure(name, value)


def _figure(path: str, value: float) -> str:
    from roofline.sweeps.fields import unit

    kind = unit(path)
    return formatting.rate(value) if kind == "token/s" else units.text(value, UNITS.get(kind, kind)).rstrip()
