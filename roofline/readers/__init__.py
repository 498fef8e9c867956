"""Models from the files that people have: Hugging Face configs, safetensors, GGUF."""

from __future__ import annotations

from pathlib import Path

from roofline.errors import ModelFileError
from roofline.readers.regular_file import shown
from roofline.specs.model import ModelSpec


def read_model(path: Path, *, assume_known: bool = False) -> ModelSpec:
    """Read the model in a file or folder, of whichever kind it is.

    Parameters
    ----------
    path : a ``config.json``, a folder that holds one, a ``.gguf`` file, or a ``.safetensors`` file beside its config.
    assume_known : take keys of a config that are not understood for harmless, and say so in the spec's notes.

    Returns
    -------
    ModelSpec

    Raises
    ------
    ModelFileError
        The file is broken, of an unknown kind or family, or has something that is not understood.
    """
    from roofline.readers.huggingface import CONFIG, read_huggingface

    if path.suffix == ".gguf" or (path.is_dir() and not (path / CONFIG).exists()):
        from roofline.readers.gguf import read_gguf

        return read_gguf(_only_gguf(path) if path.is_dir() else path)
    if path.is_dir():
        return read_huggingface(path, assume_known=assume_known)
    if path.name.endswith((".safetensors", ".safetensors.index.json")):
        if not (path.parent / CONFIG).exists():
            raise ModelFileError(
                f"{shown(path)} holds shapes and types only; the {CONFIG} that says what they are is not beside it"
            )
        return read_huggingface(path.parent, assume_known=assume_known)
    if path.suffix == ".json":
        return read_huggingface(path, assume_known=assume_known)
    raise ModelFileError(
        f"{shown(path)} is no file of a model: a config.json, a folder with one, a .gguf, a .safetensors or a .toml "
        f"is wanted"
    )


def _only_gguf(folder: Path) -> Path:
    """Return the GGUF file of a folder without a config: the only one, or the first of one set of shards."""
    files = sorted(folder.glob("*.gguf"))
    sets = {file.name.rpartition("-of-")[0].rpartition("-")[0] or file.name for file in files}
    if not files:
        raise ModelFileError(f"{shown(folder)} holds neither a config.json nor a .gguf file")
    if len(sets) > 1:
        raise ModelFileError(f"{shown(folder)} holds {len(sets)} GGUF models; name the file that is meant")
    return files[0]
