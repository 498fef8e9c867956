"""From what people name, a model's name or a file they have, to a model spec."""

from __future__ import annotations

import functools
from pathlib import Path

from roofline.errors import UnknownNameError
from roofline.specs import ModelSpec
from roofline.specs import load_model as load_spec
from roofline.specs.catalog import is_path

HUB = "hf:"
"""What stands before the name of a repository of the Hugging Face hub, which is asked for nothing otherwise."""


def load_model(model: str | Path | ModelSpec, *, assume_known: bool = False) -> ModelSpec:
    """Return the model that a name or a file stands for.

    Parameters
    ----------
    model : a name or alias (``"minimax-m2.7"``), a spec file (``.toml``), a ``config.json`` or a folder that holds one,
        a ``.gguf`` file (any shard of several), a ``.safetensors`` file beside its config, a repository of the
        Hugging Face hub (``"hf:Qwen/Qwen3-8B"``; needs the extra ``hub``), or a spec object (returned as it is).
    assume_known : take keys of a config that are not understood for harmless, and say so in the spec's notes.

    Returns
    -------
    ModelSpec

    Raises
    ------
    UnknownNameError
        Nothing is called so.
    SpecError
        A spec file does not follow the schema.
    ModelFileError
        A file of another kind is broken, unknown, or has a key that could change the answer and is not understood.

    Examples
    --------
    >>> load_model("minimax-m2.7").architecture.d_model
    3072
    """
    if isinstance(model, str) and model.startswith(HUB):
        from roofline.readers.hub import read_repository

        return read_repository(model.removeprefix(HUB), assume_known=assume_known)
    path = _file(model)
    if path is None:
        return load_spec(model)
    return _read(path, assume_known, _stamp(path))


def _file(model: object) -> Path | None:
    """Return the path that is meant, None where it is for the catalogue to find."""
    if isinstance(model, str) and not is_path(model):
        return Path(model) if _is_folder(model) and not _is_name(model) else None
    if not isinstance(model, str | Path) or Path(model).suffix == ".toml":
        return None
    path = Path(model)
    try:
        exists = path.exists()
    except (OSError, ValueError):
        exists = False
    if not exists:
        hint = f"; a repository of the hub is written '{HUB}{model}'" if _like_repository(str(model)) else ""
        raise UnknownNameError(f"no file {str(model)!r:.200}: a model's name or an existing file is wanted here{hint}")
    return path


def _is_name(model: str) -> bool:
    try:
        load_spec(model)
    except UnknownNameError:
        return False
    return True


def _is_folder(model: str) -> bool:
    try:
        return Path(model).is_dir()
    except (OSError, ValueError):
        return False


def _like_repository(text: str) -> bool:
    return text.count("/") == 1 and "." not in text.partition("/")[0] and not text.startswith(("/", "~"))


def _stamp(path: Path) -> tuple[tuple[str, int, int], ...]:
    """Return what changes when the files are written anew."""
    beside = sorted(path.iterdir()) if path.is_dir() else sorted(path.parent.glob(f"{path.name[:8]}*"))
    files = [path, *beside[:_MOST_STAMPED]]
    return tuple((str(file), (stat := file.stat()).st_mtime_ns, stat.st_size) for file in files if file.exists())


_MOST_STAMPED = 500


@functools.lru_cache(maxsize=64)
def _read(path: Path, assume_known: bool, _files: object) -> ModelSpec:  # noqa: FBT001 (a key of the cache)
    from roofline.readers import read_model

    return read_model(path, assume_known=assume_known)
