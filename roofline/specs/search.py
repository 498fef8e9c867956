"""Finding spec files by name: in ``$ROOFLINE_SPECS``, in installed plug-ins, among the built-in ones, in that order.

A name that is a file's stem costs one look per folder; aliases are in an index (``aliases.toml``) for the built-in
files, and are read from the files themselves elsewhere.
"""

from __future__ import annotations

import difflib
import functools
import os
import tomllib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from roofline.errors import BrokenSpecWarning, ShadowedSpecWarning, SpecError, UnknownNameError
from roofline.specs.plug_ins import plug_in_folders
from roofline.specs.toml_file import read_toml

FOLDERS = {"hardware": "hardware_specs", "model": "model_specs", "engine": "engine_specs"}

_MARKS = {
    "model": {"architecture", "architecture_of", "weights"},
    "engine": {"cache_formats"},
    "hardware": {"memory", "compute", "device"},
}
"""Keys that tell what a file describes."""

_LONGEST_NAME = 100


def data_folder(name: str) -> Path:
    """Return the folder ``name`` of the wheel's data, or of the checkout."""
    package = Path(__file__).resolve().parent.parent
    inside = package / "_data" / name
    return inside if inside.is_dir() else package.parent / name


def user_folders() -> list[Path]:
    """Return the folders that ``$ROOFLINE_SPECS`` lists, in order.

    Raises
    ------
    SpecError
        One of them does not exist or cannot be read.
    """
    listed = os.environ.get("ROOFLINE_SPECS", "")
    folders = [Path(part) for part in listed.split(os.pathsep) if part]
    for folder in folders:
        try:
            next(folder.iterdir(), None)
        except OSError as error:
            raise SpecError(
                f"$ROOFLINE_SPECS lists {str(folder)!r}, which cannot be read ({error.strerror}); "
                "it wants folders that hold spec files"
            ) from None
    return folders


def user_files(folder: Path, kind: str) -> dict[str, Path]:
    """Return name -> file of the specs of this kind in a user's folder.

    They lie in its subfolder for the kind (``hardware_specs``, ``model_specs``, ``engine_specs``), however deep, or in
    the folder itself, where their content tells the kind.

    Raises
    ------
    SpecError
        Two files have one name.
    """
    inside = sorted((folder / FOLDERS[kind]).glob("**/*.toml"))
    beside = [path for path in sorted(folder.glob("*.toml")) if kind_of(_toml_or_warn(path)) == kind]
    found: dict[str, Path] = {}
    for path in (*inside, *beside):
        name = path.stem.lower()
        if name in found:
            raise SpecError(f"{path}: {found[name]} is also called {name!r}; a name stands for one {kind} only")
        found[name] = path
    found.pop("aliases", None)
    return found


def kind_of(table: Mapping[str, Any]) -> str | None:
    """Return what a spec file describes by its keys: ``"model"``, ``"engine"``, ``"hardware"``, or None."""
    return next((kind for kind, keys in _MARKS.items() if keys & table.keys()), None)


def builtin_files(kind: str) -> list[Path]:
    """Return the built-in spec files of this kind."""
    found = data_folder(FOLDERS[kind]).glob("**/*.toml")
    return sorted(path for path in found if path.name != "aliases.toml")


def _builtin_file(folder: Path, name: str) -> Path | None:
    """Return the file of that stem in the folder or one of its subfolders: one look each, no listing of files."""
    with os.scandir(folder) as entries:
        inside = sorted(entry.path for entry in entries if entry.is_dir())
    candidates = (Path(parent) / f"{name}.toml" for parent in (folder, *inside))
    return next((path for path in candidates if path.is_file()), None)


@functools.cache
def _index(folder: Path) -> dict[str, str]:
    """Return alias -> name of the built-in specs in the folder."""
    path = folder / "aliases.toml"
    return tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}


@functools.cache
def plug_in_files(kind: str) -> dict[str, tuple[Path, ...]]:
    """Return name -> files of the specs of this kind in installed plug-ins; more than one file is for :func:`find`."""
    found: dict[str, tuple[Path, ...]] = {}
    for folder in plug_in_folders():
        for path in sorted((folder / FOLDERS[kind]).glob("**/*.toml")):
            name = path.stem.lower()
            found[name] = (*found.get(name, ()), path)
    found.pop("aliases", None)
    return found


@functools.cache
def _plug_in_aliases(kind: str) -> dict[str, tuple[Path, ...]]:
    """Return alias -> files of plug-ins that have it."""
    found: dict[str, tuple[Path, ...]] = {}
    for paths in plug_in_files(kind).values():
        for path in paths:
            for alias in _aliases_of(path):
                found[alias] = (*found.get(alias, ()), path)
    return found


def aliases(paths: Iterable[Path]) -> dict[str, str]:
    """Return alias -> name, read from spec files; two files with one alias are an error.

    A file that cannot be read is passed over with a warning: it must not keep the others from being found.
    """
    found: dict[str, str] = {}
    for path in paths:
        for key in _aliases_of(path):
            if key in found:
                raise SpecError(f"{path}: alias {key!r} is also one of {found[key]!r}; an alias names one spec only")
            found[key] = path.stem.lower()
    return found


def _aliases_of(path: Path) -> list[str]:
    listed = _toml_or_warn(path).get("aliases", [])
    return [str(alias).lower() for alias in listed] if isinstance(listed, list) else []


def _toml_or_warn(path: Path) -> dict[str, Any]:
    try:
        return read_toml(path)
    except SpecError as error:
        warnings.warn(f"passed over: {error}", BrokenSpecWarning, stacklevel=2)
        return {}


def names(kind: str) -> list[str]:
    """Return the names of all specs of this kind, those of the user and of plug-ins included."""
    found = {path.stem for path in builtin_files(kind)} | plug_in_files(kind).keys()
    for folder in user_folders():
        found |= user_files(folder, kind).keys()
    return sorted(found)


def find(name: str, kind: str) -> Path:
    """Return the file of the spec called ``name``.

    A user's files come first, by name and alias; then a plug-in's, by name; then the built-in ones; then aliases of
    plug-ins, which hide nothing.

    Raises
    ------
    UnknownNameError
        Nothing is called so; the message names the nearest ones and where it looked.
    SpecError
        Two files of a user's folder, or two of plug-ins, are called so.
    """
    key = name.strip().lower()
    builtin = _builtin(key, kind) if _plain(key) else None
    plugged = _only(plug_in_files(kind).get(key, ()), key, kind)
    for folder in user_folders():
        files = user_files(folder, kind)
        if path := files.get(key) or files.get(aliases(files.values()).get(key, "")):
            return _hiding(path, key, kind, builtin=builtin, plugged=plugged)
    if plugged:
        return _hiding(plugged, key, kind, builtin=builtin, plugged=None)
    path = builtin or _only(_plug_in_aliases(kind).get(key, ()), key, kind)
    if path is None:
        raise UnknownNameError(_unknown(name, key, kind))
    return path


def _builtin(key: str, kind: str) -> Path | None:
    folder = data_folder(FOLDERS[kind])
    stem = _index(folder).get(key)
    return _builtin_file(folder, key) or (_builtin_file(folder, stem) if stem else None)


def _only(paths: tuple[Path, ...], key: str, kind: str) -> Path | None:
    """Return the one file that plug-ins have under a name; which of several is meant cannot be known."""
    if len(paths) > 1:
        listed = " and ".join(str(path) for path in paths)
        raise SpecError(
            f"plug-ins define the {kind} {key!r} more than once, in {listed}; uninstall all but one of these packages, "
            "or give the path of a file instead of the name"
        )
    return next(iter(paths), None)


def _hiding(path: Path, key: str, kind: str, *, builtin: Path | None, plugged: Path | None) -> Path:
    """Return ``path``, with a warning where it hides another spec of that name."""
    if builtin:
        warnings.warn(f"{path} hides the built-in {kind} {key!r}", ShadowedSpecWarning, stacklevel=3)
    elif plugged:
        warnings.warn(f"{path} hides the {kind} {key!r} of a plug-in, {plugged}", ShadowedSpecWarning, stacklevel=3)
    return path


def _plain(key: str) -> bool:
    return 0 < len(key) <= _LONGEST_NAME and not set(key) & set("/\\\0*?") and key != "aliases"


def _unknown(name: str, key: str, kind: str) -> str:
    builtin = data_folder(FOLDERS[kind])
    proper = {name: name for name in names(kind)} | _index(builtin)
    near = list(dict.fromkeys(proper[k] for k in neighbours(key, proper)))[:3]
    looked = ", ".join([*(str(folder) for folder in (*user_folders(), *plug_in_folders())), "the built-in specs"])
    hint = f"did you mean {' or '.join(near)}?" if near else f"'roofline list' names all {len(names(kind))}."
    return f"no {kind} is named {name!r:.80} (looked in {looked}); {hint}"


def neighbours(key: str, known: Iterable[str]) -> list[str]:
    """Return the known names that may be meant by one that is not: those that begin so, look like it, or hold it.

    Examples
    --------
    >>> neighbours("h100", ["p100", "b100", "h100-pcie", "h100-sxm"])
    ['h100-sxm', 'h100-pcie', 'p100', 'b100']
    """
    known = list(known)
    begun = sorted((name for name in known if key and name.startswith(key)), key=lambda name: (len(name), name))
    alike = difflib.get_close_matches(key[:_LONGEST_NAME], known, n=6, cutoff=0.5)
    return list(dict.fromkeys([*begun, *alike])) or [name for name in known if key and key in name]


def is_path(name: str) -> bool:
    """Whether ``name`` is meant as a path to a file rather than the name of a spec."""
    return name.endswith((".toml", ".json", ".gguf", ".safetensors")) or "/" in name or os.sep in name
