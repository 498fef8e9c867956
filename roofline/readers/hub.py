"""A model of the Hugging Face hub: its small files are fetched, and only when a repository is named."""

from __future__ import annotations

import re
from pathlib import Path

from roofline.errors import ModelFileError, UnknownNameError
from roofline.readers.huggingface import CONFIG, QUANTIZATION, read_tables, spec_of
from roofline.readers.naming import spec_name
from roofline.specs.model import ModelSpec

_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*(@\w[\w./-]*)?")


def read_repository(name: str, *, assume_known: bool = False) -> ModelSpec:
    """Read the model of a repository of the hub: its config and what it says of quantisation, not its weights.

    Parameters
    ----------
    name : ``"organisation/name"``, perhaps with ``"@revision"``.
    assume_known : take keys that are not understood for harmless, and say so in the spec's notes.

    Returns
    -------
    ModelSpec

    Raises
    ------
    ModelFileError
        ``huggingface_hub`` is not installed, or the config cannot be understood.
    UnknownNameError
        The hub has no such repository, or cannot be reached.
    """
    if not _REPOSITORY.fullmatch(name):
        raise UnknownNameError(f"'hf:{name:.80}' is no repository: 'hf:organisation/name' is wanted")
    repository, _, revision = name.partition("@")
    try:
        import huggingface_hub  # pyright: ignore[reportMissingImports]  (an extra)
    except ModuleNotFoundError:
        raise ModelFileError(
            "reading from the hub needs huggingface_hub, which is not installed: pip install 'roofline[hub]'"
        ) from None
    fetch = huggingface_hub.hf_hub_download
    files: dict[str, Path] = {}
    for file in (CONFIG, QUANTIZATION):
        try:
            files[file] = Path(fetch(repository, file, revision=revision or None))
        except Exception as error:  # noqa: BLE001 (the hub's own errors, the network's, the disk's: all end here)
            if file == CONFIG:
                reason = str(error).strip().partition("\n")[0]
                raise UnknownNameError(f"'hf:{name}' cannot be read from the hub: {reason:.200}") from None
    table, extra = read_tables(files[CONFIG], files.get(QUANTIZATION))
    commit = files[CONFIG].parent.name
    url = f"https://huggingface.co/{repository}/blob/{commit}/{CONFIG}"
    name_of_spec = spec_name(repository.rpartition("/")[2])
    return spec_of(table, extra, f"{repository}/{CONFIG}", name_of_spec, url, assume_known=assume_known)
