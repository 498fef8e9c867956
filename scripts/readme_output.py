"""What the README shows of the library's own output.

``cog -r README.md`` writes it, ``cog --check README.md`` compares it.
"""

from __future__ import annotations

import contextlib
import io
import os
import shlex
import sys
from pathlib import Path

from roofline.cli import main
from roofline.cli.output import table
from roofline.recipes import stored
from roofline.specs import load_model

ROOT = Path(__file__).parent.parent
os.environ["COLUMNS"] = "100"


def fenced(text: str, language: str = "text") -> str:
    """Return ``text`` as a code block."""
    lines = "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())
    return f"```{language}\n{lines}```\n"


def shell(line: str) -> str:
    """Return what a command prints, as a code block."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(shlex.split(line)[1:])
    return fenced(out.getvalue())


def python(code: str) -> str:
    """Return code and what it prints, as two code blocks."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})  # noqa: S102 (our own five lines)
    return fenced(code, "python") + "\n" + fenced(out.getvalue())


def file_sizes() -> str:
    """Return published sizes of files beside those that the recipes give, as a code block."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_recipes import PUBLISHED

    rows = []
    for model, recipe, printed in PUBLISHED:
        number, unit = printed.split()
        size = stored(load_model(model), recipe).bytes / {"GiB": 2**30, "GB": 1e9, "B": 1}[unit]
        rows.append([model, recipe, printed, f"{size:.{len(number.partition('.')[2])}f} {unit}"])
    return fenced(table(["model", "recipe", "published", "computed"], rows, (2, 3)))
