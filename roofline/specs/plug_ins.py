"""Installed packages that bring spec files: those with an entry point in the group ``roofline.specs``.

The entry point's value is the name of a package; the folders ``hardware_specs``, ``model_specs`` and ``engine_specs``
inside it are read as those of this project are. Only data is read: a plug-in's code is never run, not even its
``__init__.py``. So a broken plug-in cannot break anything else; it is passed over with a warning.
"""

from __future__ import annotations

import functools
import importlib.util
import warnings
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from roofline.errors import BrokenSpecWarning

GROUP = "roofline.specs"


@functools.cache
def plug_in_folders() -> tuple[Path, ...]:
    """Return the folders of all installed plug-ins, by the name of their entry point; looked for once a process."""
    found: dict[Path, None] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        folders = [folder for folder in _package_folders(point) if _holds_specs(folder)]
        if not folders:
            whose = f" of {point.dist.name}" if point.dist else ""
            warnings.warn(
                f"passed over: the entry point '{point.name} = {point.value}'{whose} in the group {GROUP} leads to no "
                "installed package with a folder hardware_specs, model_specs or engine_specs",
                BrokenSpecWarning,
                stacklevel=2,
            )
        found |= dict.fromkeys(folders)
    return tuple(found)


def _package_folders(point: EntryPoint) -> list[Path]:
    """Return the folders of the package that an entry point names, found without importing it.

    For ``"a.b"``, :func:`importlib.util.find_spec` would import ``a``, so that only ``a`` is asked for.
    """
    top, *inner = parts = point.value.strip().split(".")
    try:
        spec = importlib.util.find_spec(top) if all(part.isidentifier() for part in parts) else None
    except (ImportError, ValueError, AttributeError):
        return []
    locations = spec.submodule_search_locations if spec else None
    return [Path(location).joinpath(*inner) for location in locations or ()]


def _holds_specs(folder: Path) -> bool:
    try:
        return any((folder / name).is_dir() for name in ("hardware_specs", "model_specs", "engine_specs"))
    except (OSError, ValueError):
        return False
