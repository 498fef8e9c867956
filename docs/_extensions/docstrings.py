"""Read our docstrings: a parameter is ``name : what it is. [unit]``, where numpydoc expects a type after the colon."""

from __future__ import annotations

import re
from typing import Any

import derivations
from sphinx.application import Sphinx

SECTIONS = {"Parameters", "Attributes"}
RETURNED = ("roofline.results", "roofline.sweeps", "roofline.validation")
"""Modules whose classes are made by the library alone."""

_ITEM = re.compile(r"(?P<names>[\w*]+(, [\w*]+)*) : (?P<text>.*)")


def described(lines: list[str]) -> list[str]:
    """Return the lines with each ``name : text`` as a name, and the text indented below it."""
    out: list[str] = []
    inside = False
    for index, line in enumerate(lines):
        following = lines[index + 1] if index + 1 < len(lines) else ""
        if following and not following.strip("-") and line.strip():
            inside = line.strip() in SECTIONS
        match = _ITEM.fullmatch(line) if inside else None
        out += [match["names"], f"    {match['text']}"] if match else [line]
    return out


def _process(app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:  # noqa: ARG001
    lines[:] = described(lines)
    if what == "function" and name.startswith("roofline.ops."):
        lines[:] = _with_symbols(lines, derivations.parameters(thing))


def _with_symbols(lines: list[str], parameters: list[derivations.Parameter]) -> list[str]:
    """Return the lines with the symbol in each argument's description set as a formula."""
    text = "\n".join(lines)
    for p in parameters:
        symbol = rf"(\n{p.name}\n    [^\[]*?, ){p.symbol}(?=[.;:,]( |$))"
        text = re.sub(symbol, lambda found, p=p: f"{found[1]}:math:`{derivations.latex_symbol(p)}`", text, count=1)
    return text.split("\n")


def _signature(app: Sphinx, what: str, name: str, thing: Any, *_: Any) -> tuple[str, None] | None:  # noqa: ARG001
    """Leave out the arguments of what nobody calls: specs are read from files, and results are returned."""
    is_data = what == "class" and (hasattr(thing, "model_fields") or thing.__module__.startswith(RETURNED))
    return ("", None) if is_data else None


def _skip(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> bool | None:  # noqa: ARG001, FBT001
    """Leave out what only Python says of the fields of a named tuple."""
    return True if (getattr(thing, "__doc__", None) or "").startswith("Alias for field number") else None


def setup(app: Sphinx) -> dict[str, bool]:
    """Go before numpydoc."""
    app.connect("autodoc-process-docstring", _process, priority=400)
    app.connect("autodoc-process-signature", _signature)
    app.connect("autodoc-skip-member", _skip)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
