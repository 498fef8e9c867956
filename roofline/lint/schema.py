"""What keeps a file from being used at all: every breach of the schema, each with its key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from roofline.errors import SourceError, SpecError
from roofline.lint.finding import Finding
from roofline.specs.catalog import check, complaint
from roofline.specs.provenance import Spec
from roofline.specs.search import FOLDERS, kind_of
from roofline.specs.toml_file import read_toml

FILL_IN = "FILL IN"
"""What a template has in place of a value that its reader is to look up."""


def checked(path: Path) -> tuple[str | None, Spec | None, list[Finding]]:
    """Return what a file describes, its spec if it can be used, and what keeps it from being used.

    Parameters
    ----------
    path : a TOML file.
    """
    try:
        table = read_toml(path)
    except SpecError as error:
        return None, None, [_whole_file(error, path)]
    kind = kind_of(table) or _kind_of_folder(path)
    if kind is None:
        text = "neither hardware ([[memory]]), a model ([architecture]) nor an engine ([cache_formats]) is described"
        return None, None, [Finding("error", "the file", text)]
    unfilled = [
        Finding("error", key, f"still to be filled in: {text.removeprefix(FILL_IN).strip(' :')}")
        for key, text in _strings(table)
        if text.startswith(FILL_IN)
    ]
    unresolved = list(_unresolved(table)) if "architecture_of" not in table else []
    try:
        spec = check(table, path, kind)
    except ValidationError as error:
        told = {finding.key for finding in unfilled}
        return kind, None, [*unfilled, *unresolved, *_complaints(error, table, told, sources_told=bool(unresolved))]
    except SpecError as error:
        return kind, None, [*unfilled, *unresolved, _whole_file(error, path)]
    return kind, None if unfilled else spec, unfilled


def _whole_file(error: SpecError, path: Path) -> Finding:
    return Finding("error", "the file", str(error).removeprefix(f"{path}: "))


def _kind_of_folder(path: Path) -> str | None:
    inside = {parent.name for parent in path.absolute().parents}
    return next((kind for kind, folder in FOLDERS.items() if folder in inside), None)


def _complaints(
    error: ValidationError, table: dict[str, Any], told: set[str], *, sources_told: bool
) -> Iterator[Finding]:
    for details in error.errors():
        key = _key(details["loc"], table)
        cause = details.get("ctx", {}).get("error")
        if not any(_same_part(key, known) for known in told) and not (sources_told and isinstance(cause, SourceError)):
            yield Finding("error", key, complaint(details))


def _same_part(key: str, other: str) -> bool:
    """Whether two keys are one, or one is of a table that holds the other."""
    short, long = sorted((key, other), key=len)
    return long.startswith(short) and long[len(short) : len(short) + 1] in {"", ".", "["}


def _key(location: tuple[int | str, ...], table: dict[str, Any]) -> str:
    """Return where pydantic complains as a person would say it: ``memory[HBM3].bandwidth``, not ``memory.0.bandwidth``.

    Of tables with a ``kind`` pydantic names the kind as well, which is no key of the file.
    """
    key = ""
    node: Any = table
    for part in location:
        if isinstance(part, int) and isinstance(node, list) and part < len(node):
            node = node[part]
            key += f"[{_label(node, part)}]"
        elif not (isinstance(node, dict) and part not in node and part == node.get("kind")):
            node = node.get(part) if isinstance(node, dict) else None
            key += f".{part}"
    return key.lstrip(".") or "the file"


def _label(node: Any, index: int) -> str:
    labels = (node.get("name"), node.get("format")) if isinstance(node, dict) else ()
    return next((label for label in labels if isinstance(label, str)), str(index))


def _unresolved(table: dict[str, Any]) -> Iterator[Finding]:
    """Yield every citation of a source that is not defined, and every source that is not cited."""
    sources = table.get("sources")
    defined = set(sources) if isinstance(sources, dict) else set()
    cited = set()
    for key, source in _citations({k: v for k, v in table.items() if k != "sources"}):
        cited.add(source)
        if source not in defined and not source.startswith(FILL_IN):
            has = ", ".join(sorted(defined)) or "none"
            yield Finding("error", key, f"cites {source!r}, which [sources] does not define; it has {has}")
    for source in sorted(defined - cited):
        yield Finding("error", f"sources.{source}", "nothing cites this source: cite it or remove it")


def _citations(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, dict):
        for key, value in node.items():
            where = f"{path}.{key}".lstrip(".")
            if key == "source" and isinstance(value, str):
                yield path or where, value
            elif key == "cited" and isinstance(value, dict):
                yield from ((f"{path}.{of}", source) for of, source in value.items() if isinstance(source, str))
            else:
                yield from _citations(value, where)
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _citations(item, f"{path}[{_label(item, index)}]")


def _strings(node: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield path, node
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _strings(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list):
        for index, item in enumerate(node):
            yield from _strings(item, f"{path}[{_label(item, index)}]")
