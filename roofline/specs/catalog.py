"""Finding spec files: by path, in ``$ROOFLINE_SPECS``, or among the built-in ones.

A name that is a file's stem costs one look per folder; aliases are in an index (``aliases.toml``) for the built-in
files, and are read from the files themselves elsewhere.
"""

from __future__ import annotations

import difflib
import functools
import json
import os
import tomllib
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from roofline.errors import BrokenSpecWarning, ShadowedSpecWarning, SpecError, UnknownNameError
from roofline.specs.engine import EngineSpec
from roofline.specs.hardware import DeviceSpec, HardwareSpec, SystemSpec
from roofline.specs.model import ModelSpec
from roofline.specs.provenance import SCHEMA, Spec

AnySpec = TypeVar("AnySpec", bound=Spec)

FOLDERS = {"hardware": "hardware_specs", "model": "model_specs", "engine": "engine_specs"}

_SCHEMAS: dict[str, Any] = {"model": ModelSpec, "engine": EngineSpec}
_MAX_FILE_BYTES = 4 * 2**20
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
    beside = [path for path in sorted(folder.glob("*.toml")) if _kind(path) == kind]
    found: dict[str, Path] = {}
    for path in (*inside, *beside):
        name = path.stem.lower()
        if name in found:
            raise SpecError(f"{path}: {found[name]} is also called {name!r}; a name stands for one {kind} only")
        found[name] = path
    found.pop("aliases", None)
    return found


def _kind(path: Path) -> str | None:
    table = _toml_or_warn(path)
    marks = {
        "model": {"architecture", "architecture_of"},
        "engine": {"cache_formats"},
        "hardware": {"memory", "device"},
    }
    return next((kind for kind, keys in marks.items() if keys & table.keys()), None)


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


def aliases(paths: Iterable[Path]) -> dict[str, str]:
    """Return alias -> name, read from spec files; two files with one alias are an error.

    A file that cannot be read is passed over with a warning: it must not keep the others from being found.
    """
    found: dict[str, str] = {}
    for path in paths:
        listed = _toml_or_warn(path).get("aliases", [])
        for alias in listed if isinstance(listed, list) else []:
            key = str(alias).lower()
            if key in found:
                raise SpecError(f"{path}: alias {alias!r} is also one of {found[key]!r}; an alias names one spec only")
            found[key] = path.stem.lower()
    return found


def _toml_or_warn(path: Path) -> dict[str, Any]:
    try:
        return _toml(path)
    except SpecError as error:
        warnings.warn(f"passed over: {error}", BrokenSpecWarning, stacklevel=2)
        return {}


def _toml(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > _MAX_FILE_BYTES:
            raise SpecError(f"{path}: larger than {_MAX_FILE_BYTES // 2**20} MiB; a spec is a short TOML file")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{path}: not a text file in UTF-8; a spec is a TOML file") from None
    except RecursionError:
        raise SpecError(f"{path}: tables nested too deeply; a spec is a short TOML file") from None
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error.strerror or error}") from None


def read(path: Path, kind: str) -> Any:
    """Read and check one spec file.

    Parameters
    ----------
    path : a TOML file.
    kind : ``"hardware"``, ``"model"`` or ``"engine"``.

    Returns
    -------
    ModelSpec, DeviceSpec, SystemSpec or EngineSpec

    Raises
    ------
    SpecError
        The file cannot be read or does not follow the schema; the message names file, key and what is wanted.
    """
    table = _toml(path)
    version = table.get("schema")
    if type(version) is not int or version != SCHEMA:
        raise SpecError(f"{path}: schema = {version!r}, but this version of roofline reads schema = {SCHEMA}")
    if kind == "model" and "architecture_of" in table:
        _inherit(table, path)
    schema = _SCHEMAS.get(kind) or (SystemSpec if table.get("kind") == "system" else DeviceSpec)
    try:
        # As JSON, so that types can be strict (no true for 1, no "1" for 1) and lists still become tuples.
        spec = schema.model_validate_json(json.dumps(table, default=str), strict=True)
    except ValidationError as error:
        cause = error.errors()[0].get("ctx", {}).get("error")
        raise (type(cause) if isinstance(cause, SpecError) else SpecError)(f"{path}: {_first(error)}") from None
    if spec.name != path.stem:
        raise SpecError(f"{path}: name = {spec.name!r}, but the file is called {path.stem!r}; the two must agree")
    return spec


def _inherit(table: dict[str, Any], path: Path) -> None:
    """Fill in the architecture of the model that ``architecture_of`` names, with the sources it cites."""
    try:
        base = _toml(find(str(table["architecture_of"]), "model"))
    except UnknownNameError as error:
        raise SpecError(f"{path}: architecture_of: {error}") from None
    if "architecture_of" in base:
        raise SpecError(
            f"{path}: architecture_of names a model that itself borrows its architecture; name the original"
        )
    shared, own = _table(base, "architecture"), _table(table, "architecture")
    sources = _table(table, "sources")
    cited = {shared.get("source"), *_table(shared, "cited").values()} - set(sources)
    table["sources"] = {k: v for k, v in _table(base, "sources").items() if k in cited} | sources
    table["architecture"] = shared | own | {"cited": _table(shared, "cited") | _table(own, "cited")}


def _table(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a sub-table; what is none is left for the schema to complain of."""
    found = parent.get(key, {})
    if not isinstance(found, dict):
        raise SpecError(f"{key} is {found!r:.60}, but a table is wanted")
    return found


def _first(error: ValidationError) -> str:
    """Return the first complaint of pydantic as one sentence."""
    details = error.errors()
    first = details[0]
    key = ".".join(str(part) for part in first["loc"]) or "the file"
    message = first["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if first["type"] == "extra_forbidden":
        message = "no such key here; check its spelling or remove it"
    elif first["type"] == "missing":
        message = "this key is missing"
    elif first["type"] != "value_error":
        message = f"{message} (found {first['input']!r:.60})"
    more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
    return f"{key}: {message}{more}"


def names(kind: str) -> list[str]:
    """Return the names of all specs of this kind, the user's included."""
    found = {path.stem for path in builtin_files(kind)}
    for folder in user_folders():
        found |= user_files(folder, kind).keys()
    return sorted(found)


def find(name: str, kind: str) -> Path:
    """Return the file of the spec called ``name``.

    Raises
    ------
    UnknownNameError
        Nothing is called so; the message names the nearest ones and where it looked.
    """
    key = name.strip().lower()
    builtin = data_folder(FOLDERS[kind])
    for folder in user_folders():
        files = user_files(folder, kind)
        if path := files.get(key) or files.get(aliases(files.values()).get(key, "")):
            if _plain(key) and (_builtin_file(builtin, key) or _index(builtin).get(key)):
                warnings.warn(f"{path} hides the built-in {kind} {key!r}", ShadowedSpecWarning, stacklevel=2)
            return path
    path = _builtin_file(builtin, key) if _plain(key) else None
    if path is None and (stem := _index(builtin).get(key)):
        path = _builtin_file(builtin, stem)
    if path is None:
        raise UnknownNameError(_unknown(name, key, kind))
    return path


def _plain(key: str) -> bool:
    return 0 < len(key) <= _LONGEST_NAME and not set(key) & set("/\\\0*?") and key != "aliases"


def _unknown(name: str, key: str, kind: str) -> str:
    builtin = data_folder(FOLDERS[kind])
    proper = {name: name for name in names(kind)} | _index(builtin)
    longer = sorted((k for k in proper if key and k.startswith(key)), key=len)
    close = longer + difflib.get_close_matches(key[:_LONGEST_NAME], proper, n=6, cutoff=0.5)
    close = close or [k for k in proper if key and key in k]
    near = list(dict.fromkeys(proper[k] for k in close))[:3]
    looked = ", ".join([*(str(folder) for folder in user_folders()), "the built-in specs"])
    hint = f"did you mean {' or '.join(near)}?" if near else f"'roofline list' names all {len(names(kind))}."
    return f"no {kind} is named {name!r:.80} (looked in {looked}); {hint}"


def is_path(name: str) -> bool:
    """Whether ``name`` is meant as a path to a file rather than the name of a spec."""
    return name.endswith((".toml", ".json", ".gguf", ".safetensors")) or "/" in name or os.sep in name


@functools.lru_cache(maxsize=512)
def _loaded(path: Path, kind: str, _stamp: tuple[int, int]) -> Any:
    return read(path, kind)


@functools.lru_cache(maxsize=4096)
def _builtin(name: str, kind: str) -> Any:
    """Return a built-in spec; its file is looked at once, since it does not change while the program runs."""
    return _loaded(find(name, kind), kind, (0, 0))


def _load(given: Any, kind: str, classes: tuple[type, ...]) -> Any:
    if isinstance(given, classes):
        return given
    if isinstance(given, Path) or (isinstance(given, str) and is_path(given)):
        path = Path(given)
        if path.suffix != ".toml":
            raise UnknownNameError(f"{str(path)!r:.200} is not a {kind} spec: a name or a .toml file is wanted here")
    elif isinstance(given, str):
        if not os.environ.get("ROOFLINE_SPECS"):
            return _builtin(given, kind)
        path = find(given, kind)
    else:
        raise UnknownNameError(f"{given!r:.60} is no {kind}: a name, a path or a spec object is wanted here")
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise UnknownNameError(
            f"no file {str(path)!r}: a {kind} name or an existing .toml file is wanted here"
        ) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SpecError(f"{str(path)!r:.200} cannot be read: {reason}") from None
    return _loaded(path, kind, (stat.st_mtime_ns, stat.st_size))


def load_device(hardware: HardwareSpec) -> DeviceSpec:
    """Return the device that ``hardware`` is or is made of.

    Raises
    ------
    SpecError
        It is a system made of another system.
    """
    if isinstance(hardware, DeviceSpec):
        return hardware
    device = load_hardware(hardware.device)
    if not isinstance(device, DeviceSpec):
        raise SpecError(f"{hardware.name} is made of {device.name}, which is itself a system; name its devices instead")
    return device


def load_model(model: str | Path | ModelSpec) -> ModelSpec:
    """Return the model spec called ``model``.

    Parameters
    ----------
    model : a name or alias (``"minimax-m2.7"``), the path of a spec file, or a spec object (returned as it is).

    Returns
    -------
    ModelSpec

    Raises
    ------
    UnknownNameError
        Nothing is called so.
    SpecError
        The file does not follow the schema.

    Examples
    --------
    >>> load_model("minimax-m2.7").architecture.d_model
    3072
    """
    return _load(model, "model", (ModelSpec,))


def load_hardware(hardware: str | Path | HardwareSpec) -> HardwareSpec:
    """Return the hardware spec called ``hardware``; a count in front (``"2x rtx-pro-6000"``) is not read here.

    Parameters
    ----------
    hardware : a name or alias (``"dgx-spark"``), the path of a spec file, or a spec object (returned as it is).

    Returns
    -------
    DeviceSpec or SystemSpec

    Raises
    ------
    UnknownNameError
        Nothing is called so.
    SpecError
        The file does not follow the schema.

    Examples
    --------
    >>> load_hardware("dgx-spark").main_memory.bandwidth.si
    273000000000.0
    """
    return _load(hardware, "hardware", (DeviceSpec, SystemSpec))


def load_engine(engine: str | Path | EngineSpec) -> EngineSpec:
    """Return the engine spec called ``engine``; see :func:`load_model` for what may be given and raised."""
    return _load(engine, "engine", (EngineSpec,))
