"""What the pages of ``docs/`` show of the library's own output.

``cog -r docs/*.md docs/*/*.md`` writes it, ``cog --check ...`` compares it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import inspect
import io
import re
import shlex
import tempfile
from collections.abc import Iterator
from pathlib import Path

from readme_output import ROOT, changed, fenced

from roofline import results
from roofline.cli import main

EXAMPLES = ROOT / "docs" / "examples"


def session(line: str, lines: int | None = None, *, folder: Path = EXAMPLES, errors: bool = True) -> str:
    """Return a command and what it prints, as on a terminal, run beside the examples.

    Parameters
    ----------
    line : the command.
    lines : only so many lines of what it prints.
    folder : where it runs.
    errors : whether to show what goes to standard error as well.
    """
    out = io.StringIO()
    with (
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(out if errors else io.StringIO()),
    ):
        main(shlex.split(line)[1:])
    shown = _first(out.getvalue().replace(f"{EXAMPLES}/", ""), lines)
    return fenced(f"$ {line}\n{shown}", "console")


def python(code: str) -> str:
    """Return code and what it prints when it is run beside the examples, as two code blocks."""
    out = io.StringIO()
    with contextlib.chdir(EXAMPLES), contextlib.redirect_stdout(out):
        exec(code, {})  # noqa: S102 (our own ten lines)
    return fenced(code, "python") + "\n" + fenced(out.getvalue())


def example(name: str) -> str:
    """Return a file of the examples, as a code block."""
    return fenced((EXAMPLES / name).read_text(encoding="utf-8"), Path(name).suffix.removeprefix("."))


def slipped(name: str, changes: dict[str, str]) -> str:
    """Return what lint says of an example with slips in it, as on a terminal."""
    with tempfile.TemporaryDirectory() as folder:
        text = changed((EXAMPLES / name).read_text(encoding="utf-8"), changes)
        (Path(folder) / name).write_text(text, encoding="utf-8")
        return session(f"roofline lint {name}", folder=Path(folder))


def _first(text: str, lines: int | None) -> str:
    shown = text.splitlines()
    kept = shown if lines is None or len(shown) <= lines else [*shown[:lines], "  ..."]
    return "\n".join(kept)


_ATTRIBUTE = re.compile(r"(?P<names>\w+(?:, \w+)*) : (?P<meaning>.*?)(?: \[(?P<unit>[^\]]+)\])?")


def answer_keys() -> str:
    """Return every key of a prediction's JSON with its unit and meaning, from the docstrings, as a table."""
    rows = [f"| `{path}` | {unit} | {meaning} |" for path, unit, meaning in keys(results.Prediction)]
    return "\n".join(["| key | unit | meaning |", "|---|---|---|", *rows]) + "\n"


def keys(kind: type, path: str = "") -> Iterator[tuple[str, str, str]]:
    """Yield (dotted path, unit, meaning) of every key of a result; ``[]`` stands for each item of a list."""
    said = _said(kind)
    for field in dataclasses.fields(kind):
        if not field.metadata.get("json", True):
            continue
        inner = next((c for c in _results() if re.search(rf"\b{c.__name__}\b", str(field.type))), None)
        name = f"{path}{field.name}" + ("[]" if inner and "tuple" in str(field.type) else "")
        yield (name, *said[field.name])
        if inner:
            yield from keys(inner, f"{name}.")


def _results() -> Iterator[type]:
    return (c for c in vars(results).values() if isinstance(c, type) and dataclasses.is_dataclass(c))


def _said(kind: type) -> dict[str, tuple[str, str]]:
    """Return unit and meaning of each attribute of a result, as its docstring says them."""
    if kind is results.ExpectedPrefill:
        return _said(results.ExpectedRates) | _said(results.PrefillRate)
    doc = inspect.getdoc(kind) or ""
    lines = re.sub(r"\n    +", " ", doc.partition("----------\n")[2]).splitlines()
    said = {
        name: (match["unit"] or "", match["meaning"].replace("``", "`").replace("None", "`null`"))
        for line in lines
        if (match := _ATTRIBUTE.fullmatch(line))
        for name in match["names"].split(", ")
    }
    return said | (_said(results.Rates) if kind is results.ExpectedRates else {})
