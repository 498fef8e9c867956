"""Writing to standard output: text, tables and JSON."""

from __future__ import annotations

import contextlib
import json
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

from roofline.errors import OutputError

LEAST_WIDTH = 24
"""The last column of a table is never wrapped to fewer characters."""


PLAIN = str.maketrans({"█": "#", "░": ".", "·": "|", "×": "x", "µ": "u", "–": "-"})
"""What stands for a character that the terminal cannot show."""


def write(text: str) -> None:
    """Write ``text`` and a line end, in plainer characters where the terminal cannot show all of them."""
    if sys.stdout is None:
        raise OutputError("standard output is closed, so that there is nowhere to write the result")
    encoding = sys.stdout.encoding or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.translate(PLAIN).encode(encoding, "replace").decode(encoding)
    with _writing():
        sys.stdout.write(text + "\n")


def flush() -> None:
    """Write what is still held back."""
    with _writing():
        sys.stdout.flush()


@contextlib.contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise  # the reader went away, which is no failure
    except OSError as error:
        raise OutputError(f"the result cannot be written: {error.strerror or error}") from None


def write_json(value: dict[str, Any]) -> None:
    """Write JSON whose first key is ``schema_version``."""
    write(json.dumps({"schema_version": 1} | value, indent=2, allow_nan=False, default=str))


def page_width() -> int:
    """Return the width to write for: the terminal's, at least 80 and at most 140 characters."""
    return min(max(shutil.get_terminal_size((120, 24)).columns, 80), 140)


def table(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = (), indent: str = "") -> str:
    """Return a table in plain text, its last column wrapped to the page.

    Parameters
    ----------
    header : a title for each column.
    rows : a text for each cell.
    right : columns that are aligned to the right.
    indent : what each line begins with.
    """
    cells = [list(header), *(list(row) for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    before = len(indent) + sum(widths[:-1]) + 2 * (len(widths) - 1)
    last = max(page_width() - before, LEAST_WIDTH)
    lines = []
    for index, row in enumerate(cells):
        texts = [
            text.rjust(w) if i in right else text.ljust(w) for i, (text, w) in enumerate(zip(row, widths, strict=True))
        ]
        wrapped = textwrap.wrap(row[-1], last, break_on_hyphens=False) or [""]
        if len(wrapped) > 1:
            texts[-1] = wrapped[0]
        lines.append(indent + "  ".join(texts))
        lines += [" " * before + more for more in wrapped[1:]]
        if index == 0:
            lines.append(indent + "  ".join("-" * w for w in (*widths[:-1], min(widths[-1], last))))
    return "\n".join(line.rstrip() for line in lines)
