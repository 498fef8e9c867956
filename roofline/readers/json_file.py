"""JSON as the standard has it (RFC 8259), without the leniencies that hide a broken or a hostile file."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NoReturn

from roofline.errors import ModelFileError
from roofline.readers.regular_file import opened, regular_size, shown

MOST_BYTES = 1 << 24
"""Larger files are no configuration of a model. [byte]"""

DEEPEST = 64
"""Tables and lists within each other."""

LARGEST_INTEGER = 2**63

_MARKS = (
    (codecs.BOM_UTF8, "starts with a byte order mark"),
    (codecs.BOM_UTF32_LE, "is UTF-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "is UTF-32"),
    (codecs.BOM_UTF16_LE, "is UTF-16"),
    (codecs.BOM_UTF16_BE, "is UTF-16"),
)

_ESCAPED_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_json(path: Path, *, most_bytes: int = MOST_BYTES, allow_infinity: bool = False) -> object:
    """Read the JSON file at ``path``.

    Parameters
    ----------
    path : a regular file; a pipe, a device or a folder is refused before it is opened.
    most_bytes : a larger file is refused. [byte]
    allow_infinity : see :func:`parse_json`.

    Returns
    -------
    object
        What the file holds.

    Raises
    ------
    ModelFileError
        The file cannot be read, or is not strict JSON.
    """
    size = regular_size(path)
    if size > most_bytes:
        raise ModelFileError(f"{shown(path)} has {size} bytes; a JSON file of a model has at most {most_bytes}")
    try:
        with opened(path) as file:
            data = file.read(most_bytes + 1)
    except OSError as error:
        raise ModelFileError(f"{shown(path)} cannot be read: {error.strerror or error}") from None
    return parse_json(data, shown(path), most_bytes=most_bytes, allow_infinity=allow_infinity)


def parse_json(data: bytes, what: str, *, most_bytes: int = MOST_BYTES, allow_infinity: bool = False) -> object:
    """Parse JSON strictly.

    Parameters
    ----------
    data : the text in UTF-8, without a byte order mark.
    what : what errors call the text: its path, or which part of a file it is.
    most_bytes : a longer text is refused. [byte]
    allow_infinity : accept ``NaN``, ``Infinity`` and numbers too large for a float, which JSON does not have but some
        published configurations do.

    Returns
    -------
    object
        What the text says, with numbers as int (up to 2**63) or float.

    Raises
    ------
    ModelFileError
        The text is too long, not UTF-8, not JSON, has a key twice in a table, or is nested too deeply.

    Examples
    --------
    >>> parse_json(b'{"hidden_size": 3072}', "config.json")
    {'hidden_size': 3072}
    """
    text = _text(data, what, most_bytes)
    decoder = json.JSONDecoder(
        object_pairs_hook=_table_of(what),
        parse_int=_integer_of(what),
        parse_float=_number_of(what, allow_infinity=allow_infinity),
        parse_constant=_number_of(what, allow_infinity=allow_infinity),
    )
    try:
        found = decoder.decode(text)
    except json.JSONDecodeError as error:
        raise ModelFileError(f"{what} is not JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except RecursionError:
        _too_deep(what)
    _check_depth(found, what)
    if _ESCAPED_SURROGATE.search(text):
        _check_strings(found, what)
    return found


def _text(data: bytes, what: str, most_bytes: int) -> str:
    if len(data) > most_bytes:
        raise ModelFileError(f"{what} has more than {most_bytes} bytes, the most that is read as JSON")
    for mark, says in _MARKS:
        if data.startswith(mark):
            raise ModelFileError(f"{what} {says}; JSON is UTF-8 without a byte order mark")
    if b"\0" in data[:4]:
        raise ModelFileError(f"{what} has a zero byte at its start (UTF-16, or no text at all); JSON is UTF-8")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelFileError(f"{what} is not UTF-8 at byte {error.start}; JSON is UTF-8") from None


def _table_of(what: str) -> Callable[[list[tuple[str, object]]], dict[str, object]]:
    def table(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            seen: set[str] = set()
            twice = next(key for key, _ in pairs if key in seen or seen.add(key))
            raise ModelFileError(f"{what} has the key {twice!r:.100} twice in one table; a key has one value")
        return found

    return table


def _integer_of(what: str) -> Callable[[str], int]:
    def integer(digits: str) -> int:
        if len(digits) > len(str(-LARGEST_INTEGER)) or abs(value := int(digits)) > LARGEST_INTEGER:
            raise ModelFileError(f"{what} has the integer {digits:.30}, beyond 2**63; no size or count is so large")
        return value

    return integer


def _number_of(what: str, *, allow_infinity: bool) -> Callable[[str], float]:
    def number(digits: str) -> float:
        value = float(digits)
        if not (allow_infinity or -float("inf") < value < float("inf")):
            raise ModelFileError(f"{what} has the number {digits:.30}, which is not finite; JSON has finite ones only")
        return value

    return number


def _children(node: object) -> Iterable[object]:
    if isinstance(node, dict):
        return node.values()
    return node if isinstance(node, list) else ()


def _check_depth(found: object, what: str) -> None:
    level = [found]
    for _ in range(DEEPEST + 1):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    _too_deep(what)


def _too_deep(what: str) -> NoReturn:
    raise ModelFileError(f"{what} is nested more than {DEEPEST} deep; no file of a model is")


def _strings(found: object) -> Iterator[str]:
    waiting = [found]
    while waiting:
        node = waiting.pop()
        if isinstance(node, str):
            yield node
        elif isinstance(node, dict):
            yield from node
        waiting.extend(_children(node))


def _check_strings(found: object, what: str) -> None:
    """Refuse half of a surrogate pair: such a string can be neither printed nor written."""
    for text in _strings(found):
        try:
            text.encode("utf-8")
        except UnicodeEncodeError:
            raise ModelFileError(f"{what} has the string {text!r:.60}, which is not Unicode text") from None
