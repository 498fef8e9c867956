"""Loading specs: a name or a path to a checked spec object, read once.

What a name stands for is in :mod:`roofline.specs.search`, whose functions are also to be had here.
"""

from __future__ import annotations

import functools
import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from roofline.errors import SpecError, UnknownNameError
from roofline.specs.engine import EngineSpec
from roofline.specs.hardware import DeviceSpec, HardwareSpec, SystemSpec
from roofline.specs.model import ModelSpec
from roofline.specs.provenance import SCHEMA, Spec
from roofline.specs.search import FOLDERS, aliases, builtin_files, data_folder, find, is_path, names
from roofline.specs.toml_file import read_toml

__all__ = [
    "FOLDERS",
    "aliases",
    "builtin_files",
    "check",
    "complaint",
    "data_folder",
    "find",
    "is_path",
    "load_device",
    "load_engine",
    "load_hardware",
    "load_model",
    "names",
    "read",
]

_SCHEMAS: dict[str, type[Spec]] = {"model": ModelSpec, "engine": EngineSpec}


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
    try:
        return check(read_toml(path), path, kind)
    except ValidationError as error:
        details = error.errors()
        more = f" (and {len(details) - 1} more)" if len(details) > 1 else ""
        cause = details[0].get("ctx", {}).get("error")
        kind_of_error = type(cause) if isinstance(cause, SpecError) else SpecError
        key = ".".join(str(part) for part in details[0]["loc"]) or "the file"
        raise kind_of_error(f"{path}: {key}: {complaint(details[0])}{more}") from None


def check(table: dict[str, Any], path: Path, kind: str) -> Any:
    """Return the spec that the TOML ``table`` of a file describes.

    Raises
    ------
    SpecError
        The file is of another version or name, or borrows from nobody.
    pydantic.ValidationError
        It does not follow the schema; :func:`complaint` says each of its errors in words.
    """
    version = table.get("schema")
    if type(version) is not int or version != SCHEMA:
        raise SpecError(f"{path}: schema = {version!r}, but this version of roofline reads schema = {SCHEMA}")
    if kind == "model" and "architecture_of" in table:
        _inherit(table, path)
    schema = _SCHEMAS.get(kind) or (SystemSpec if table.get("kind") == "system" else DeviceSpec)
    # As JSON, so that types can be strict (no true for 1, no "1" for 1) and lists still become tuples.
    spec = schema.model_validate_json(json.dumps(table, default=str), strict=True)
    if spec.name != path.stem:
        raise SpecError(f"{path}: name = {spec.name!r}, but the file is called {path.stem!r}; the two must agree")
    return spec


def _inherit(table: dict[str, Any], path: Path) -> None:
    """Fill in the architecture of the model that ``architecture_of`` names, with the sources it cites."""
    try:
        base = read_toml(find(str(table["architecture_of"]), "model"))
    except UnknownNameError as error:
        raise SpecError(f"{path}: architecture_of: {error}") from None
    if "architecture_of" in base:
        raise SpecError(
            f"{path}: architecture_of names a model that itself borrows its architecture; name the original"
        )
    shared, own = _table(base, "architecture"), _table(table, "architecture")
    # a source of the original that this model says all of otherwise is not needed any more
    kept = {k: v for k, v in _table(shared, "cited").items() if k.partition(".")[0] not in own}
    cited = kept | _table(own, "cited")
    architecture: dict[str, Any] = shared | own | {"cited": cited}
    sources, needed = _table(table, "sources"), [architecture.get("source"), *cited.values()]
    table["sources"] = {k: v for k, v in _table(base, "sources").items() if k in needed} | sources
    table["architecture"] = architecture


def _table(parent: dict[str, Any], key: str) -> dict[str, Any]:
    """Return a sub-table; what is none is left for the schema to complain of."""
    found = parent.get(key, {})
    if not isinstance(found, dict):
        raise SpecError(f"{key} is {found!r:.60}, but a table is wanted")
    return found


def complaint(details: Any) -> str:
    """Return one of pydantic's errors in words."""
    message = details["msg"].removeprefix("Value error, ").removeprefix("Input ")
    if details["type"] == "extra_forbidden":
        return "no such key here; check its spelling or remove it"
    if details["type"] == "missing":
        return "this key is missing"
    return message if details["type"] == "value_error" else f"{message} (found {details['input']!r:.60})"


@functools.lru_cache(maxsize=512)
def _loaded(path: Path, kind: str, _stamp: tuple[int, int]) -> Any:
    return read(path, kind)


@functools.lru_cache(maxsize=4096)
def _installed(name: str, kind: str) -> Any:
    """Return a spec of ours or of a plug-in; its file is looked at once: it does not change while the program runs."""
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
            return _installed(given, kind)
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
