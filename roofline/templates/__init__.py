"""Spec files to begin with: a commented template of each kind, or a copy of a spec that is there."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from pathlib import Path

from roofline.errors import SpecError, UnknownNameError
from roofline.specs.catalog import find, is_path, read

KINDS = ("hardware", "model")
LONGEST_NAME = 100


def template(kind: str, name: str, today: dt.date) -> str:
    """Return the text of a spec file that its reader fills in; every key of the schema is in it, most as comments.

    Parameters
    ----------
    kind : one of :data:`KINDS`.
    name : the spec's name.
    today : when its sources are read.

    Raises
    ------
    SpecError
        The name is not one that a spec can have.
    """
    text = (Path(__file__).parent / f"{kind}.toml").read_text(encoding="utf-8")
    return text.replace("@NAME@", spec_name(name)).replace("@TODAY@", today.isoformat())


def copy(kind: str, name: str, existing: str | Path) -> str:
    """Return the text of an existing spec file under another name, without its aliases.

    Parameters
    ----------
    kind : one of :data:`KINDS`.
    name : the name of the copy.
    existing : name or path of the spec to copy.

    Raises
    ------
    SpecError
        The name is not one that a spec can have, or the file to copy is broken.
    UnknownNameError
        There is nothing to copy.
    """
    name = spec_name(name)
    path = _path(kind, existing)
    title = f"{read(path, kind).title} ({name})"
    head, bracket, rest = path.read_text(encoding="utf-8-sig").partition("\n[")
    head = re.sub(r"(?m)^\s*aliases\s*=\s*\[[^\]]*\].*\n?", "", head)
    for key, value in (("name", name), ("title", title)):
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        head = re.sub(rf"(?m)^\s*{key}\s*=.*$", lambda _, line=line: line, head, count=1)
    text = f"# A copy of {path.stem}: change what differs, and where it was read.\n{head}{bracket}{rest}"
    _check_copy(text, name, title, path)
    return text


def _path(kind: str, existing: str | Path) -> Path:
    if not is_path(str(existing)):
        return find(str(existing), kind)
    path = Path(existing)
    if not path.is_file():
        raise UnknownNameError(f"no file {str(path)!r:.200}: a {kind} name or an existing .toml file is wanted here")
    return path


def _check_copy(text: str, name: str, title: str, path: Path) -> None:
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        table = {}
    if (table.get("name"), table.get("title"), table.get("aliases")) != (name, title, None):
        raise SpecError(f"{path}: its first lines are not the plain 'key = value' that can be copied; copy it by hand")


def spec_name(name: str) -> str:
    """Return ``name`` if a spec can be called so.

    Raises
    ------
    SpecError
        It cannot; the message says what would be a name.

    Examples
    --------
    >>> spec_name("my-box")
    'my-box'
    """
    plain = re.fullmatch(r"[a-z0-9][a-z0-9.-]*", name) and not is_path(name) and name != "aliases"
    if plain and len(name) <= LONGEST_NAME:
        return name
    near = re.sub(r"[^a-z0-9.]+", "-", name.lower().removesuffix(".toml")).strip("-.")[:LONGEST_NAME] or "my-box"
    near = near if near != "aliases" else "my-box"
    raise SpecError(
        f"{name!r:.80} is no name for a spec; lower-case letters, digits, dots and hyphens are wanted, as {near!r:.80}"
    )
