"""``roofline lint``: what is wrong, or looks wrong, in spec files."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline.cli import output
from roofline.errors import SpecError

if TYPE_CHECKING:
    from roofline.lint import Report

LEVELS = ("error", "warning", "note")


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "lint",
        help="check spec files: keys, sources, units, identities, plausibility",
        description="Check spec files of your own: keys, sources, units, identities between numbers, and what looks "
        "wrong beside the built-in ones. One line a finding; exit code 1 if there are errors.",
    )
    parser.add_argument("files", metavar="FILE", nargs="+", help="a spec file, or a folder of them")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if there are warnings")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print what was found; False if there are warnings.

    Raises
    ------
    SpecError
        A file cannot be used.
    """
    from roofline.lint import lint  # only this verb waits for it

    reports = [lint(path) for path in _files(options.files)]
    total = {f"{level}s": sum(report.count(level) for report in reports) for level in LEVELS}
    if options.json:
        output.write_json(total | {"files": [_json(report) for report in reports]})
    else:
        output.write("\n".join([*_lines(reports), _summary(total, len(reports))]))
    if total["errors"]:
        output.flush()
        broken = [str(report.path) for report in reports if report.count("error")]
        more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
        raise SpecError(f"{broken[0]}{more} cannot be used as long as there are errors")
    return not total["warnings"]


def _files(given: list[str]) -> Iterator[Path]:
    """Yield the files that are meant; a folder stands for the spec files in it, however deep."""
    for text in given:
        path = Path(text)
        if not path.is_dir():
            yield path
            continue
        inside = sorted(file for file in path.glob("**/*.toml") if file.name != "aliases.toml")
        if not inside:
            raise SpecError(f"{text!r} is a folder without .toml files; a spec file, or a folder of them, is wanted")
        yield from inside


def _lines(reports: list[Report]) -> Iterator[str]:
    for report in reports:
        yield from (f"{report.path}: {f.level}: {f.key}: {f.text}" for f in report.findings)


def _summary(total: dict[str, int], files: int) -> str:
    counts = [f"{number} {level if number != 1 else level[:-1]}" for level, number in total.items() if number]
    of = "1 file" if files == 1 else f"{files} files"
    return f"{', '.join(counts) or 'nothing to say'} in {of}"


def _json(report: Report) -> dict[str, Any]:
    found = [{"level": f.level, "key": f.key, "text": f.text} for f in report.findings]
    return {"file": str(report.path), "kind": report.kind, "findings": found}
