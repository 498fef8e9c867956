"""From a Hugging Face ``config.json``, or a folder that holds one, to a model spec."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from roofline.errors import ModelFileError
from roofline.readers import quantization, quantizers
from roofline.readers.checkpoint import as_stored, checkpoint, reconciliation, vector_formats
from roofline.readers.config import Config
from roofline.readers.families import describe
from roofline.readers.families.unsaid import UNSAID
from roofline.readers.json_file import read_json
from roofline.readers.naming import spec_name
from roofline.readers.safetensors import StoredFiles, read_headers
from roofline.specs.model import Architecture, ModelSpec

CONFIG = "config.json"
QUANTIZATION = "hf_quant_config.json"

_INNER = ("text_config", "llm_config", "language_config")


def read_huggingface(path: Path, *, assume_known: bool = False) -> ModelSpec:
    """Read the model that a ``config.json`` describes.

    Parameters
    ----------
    path : the file, or a folder that holds it; ``hf_quant_config.json`` beside it is read too.
    assume_known : take keys that are not understood for harmless, and say so in the spec's notes.

    Returns
    -------
    ModelSpec
        With the architecture, and the recipe ``native`` as the checkpoint states it.

    Raises
    ------
    ModelFileError
        The file is broken, of an unknown family, or has a key that could change the answer and is not understood.
    """
    file = path / CONFIG if path.is_dir() else path
    beside = file.with_name(file.name.replace(CONFIG, QUANTIZATION))
    table, extra = read_tables(file, beside if beside != file else None)
    files = read_headers(file.parent) if file.name == CONFIG and any(file.parent.glob("*.safetensors")) else None
    url = file.absolute().as_uri()
    return spec_of(table, extra, str(file), name_of(path), url, files=files, assume_known=assume_known)


def read_tables(file: Path, beside: Path | None) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """Return the tables of a config and, where it is there, of what stands beside it about quantisation."""
    return _table(file), _table(beside) if beside is not None and beside.exists() else None


def _table(file: Path) -> dict[str, Any]:
    found = read_json(file, allow_infinity=True)
    if not isinstance(found, dict):
        raise ModelFileError(f"{file} holds {type(found).__name__}, but a table of keys is wanted")
    return found


def name_of(path: Path) -> str:
    """Return a spec's name made of a path: of the file, or of its folder where the file is a ``config.json``."""
    stem = path.parent.absolute().name if path.name == CONFIG else path.name if path.is_dir() else path.stem
    return spec_name(stem.removesuffix("_config") or path.absolute().name)


def spec_of(
    table: dict[str, Any],
    extra: dict[str, Any] | None,
    where: str,
    name: str,
    url: str,
    *,
    files: StoredFiles | None = None,
    assume_known: bool = False,
) -> ModelSpec:
    """Return the model that the tables of a ``config.json`` and a ``hf_quant_config.json`` describe.

    Parameters
    ----------
    table, extra : the parsed files; ``extra`` is None where there is only a config.
    where : what errors call the config.
    name : the spec's name.
    url : where the config can be read.
    files : headers of the safetensors beside it, None if there are none.
    assume_known : take keys that are not understood for harmless, and say so in the spec's notes.
    """
    outer, text = _text(table, where)
    found = describe(text)
    architecture = {"source": "config"} | found.table()
    notes = [f"assumed harmless: {key} = {value!r:.60}" for key, value in _unknown(outer, text)] if assume_known else []
    quantized, dtype, more = _stored(outer, text, extra, where)
    if not assume_known:
        _refuse_unknown(where, [*_unknown(outer, text), *more])
    else:
        notes += [f"assumed harmless: {key} = {value!r:.60}" for key, value in more]
    notes += text.unsaid_notes()
    spec = {
        "schema": 1,
        "name": name,
        "title": name,
        "author": "unknown",
        "sources": {
            "config": {
                "title": f"{Path(where).name} of {name}",
                "url": url,
                "locator": "the file itself",
                "accessed": dt.datetime.now(dt.UTC).date().isoformat(),
            }
        },
        "architecture": architecture,
    }
    try:
        shape = Architecture.model_validate(architecture)
        quantized = quantized if files is None else as_stored(quantized, files)
        native = quantization.recipe(shape, quantized, dtype, "config")
        spec["weights"] = {"native": native | (vector_formats(files) if files else {})}
        spec["notes"] = [*notes, *quantized.notes]
        found = ModelSpec.model_validate(spec)
        return found if files is None else _reconciled(found, files, where, assume_known=assume_known)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise ModelFileError(f"{where}: describes no possible model: {key}: {message}") from None


def _reconciled(spec: ModelSpec, files: StoredFiles, where: str, *, assume_known: bool) -> ModelSpec:
    """Return the spec with what its files say in its notes."""
    found = checkpoint(files, spec.architecture)
    notes = list(reconciliation(spec, found))
    if found.unknown:
        named = ", ".join(found.unknown[:_MOST_NAMED]) + (" ..." if len(found.unknown) > _MOST_NAMED else "")
        if not assume_known:
            raise ModelFileError(
                f"{where}: the files beside it hold {len(found.unknown)} tensors of no part that is known ({named}); "
                f"--assume-known leaves them out and says so"
            )
        notes.append(f"left out: {len(found.unknown)} tensors of no part that is known ({named})")
    return spec.model_copy(update={"notes": (*spec.notes, *notes)})


def _text(table: dict[str, Any], where: str) -> tuple[Config, Config]:
    """Return the whole config and the part of it that describes the text model (the same, where there is only one)."""
    inner = [key for key in _INNER if isinstance(table.get(key), dict)]
    if not inner:
        config = Config(table, where, unsaid=UNSAID.get(str(table.get("model_type")), {}))
        return config, config
    if len(inner) > 1:
        raise ModelFileError(f"{where}: has {' and '.join(inner)}; only one of them can describe the text model")
    outer = Config(table, where)
    outer.ignore(*inner)
    within = dict(table[inner[0]])
    within.setdefault("model_type", table.get("model_type"))
    tied = table.get("tie_word_embeddings")
    if tied is not None:
        within.setdefault("tie_word_embeddings", tied)
    outer.ignore("tie_word_embeddings")
    _same_as_inner(outer, table, within)
    return outer, Config(within, where, inner[0], unsaid=UNSAID.get(str(within.get("model_type")), {}))


def _same_as_inner(outer: Config, table: dict[str, Any], within: dict[str, Any]) -> None:
    """Pass over keys that only repeat what the inner table says."""
    outer.ignore(*(key for key, value in table.items() if key in within and within[key] == value))


def _stored(
    outer: Config, text: Config, extra: dict[str, Any] | None, where: str
) -> tuple[quantizers.Quantization, str, list[tuple[str, Any]]]:
    """Return how the weights are stored, the format of what is not quantised, and keys that were not understood."""
    notes, dtype = [], quantization.dtype_of(text, outer)
    if dtype is None:
        dtype = "bf16"
        notes.append("the config states no dtype: bf16 is assumed for what is not quantised")
    given = outer.table("quantization_config", None) or text.table("quantization_config", None)
    text.ignore("quantization_config", "quantization")
    given = given or outer.table("quantization", None)
    beside = None
    if extra is not None:
        whole = Config(extra, where.replace(CONFIG, QUANTIZATION))
        whole.ignore("producer")
        beside = whole.table("quantization")
    found = quantizers.read_quantization(given, beside) or quantization.unquantized(dtype)
    found = quantization.with_expert_dtype(found, text)
    found.notes += notes
    left = [*(beside.left_over() if beside else ())]
    return found, dtype, left


def _unknown(outer: Config, text: Config) -> list[tuple[str, Any]]:
    return [*outer.left_over(), *(text.left_over() if text is not outer else ())]


def _refuse_unknown(where: str, left: list[tuple[str, Any]]) -> None:
    if not left:
        return
    named = ", ".join(f"{key} = {value!r:.40}" for key, value in left[:_MOST_NAMED])
    more = f" and {len(left) - _MOST_NAMED} more" if len(left) > _MOST_NAMED else ""
    raise ModelFileError(
        f"{where}: {named}{more} could change the answer and {'is' if len(left) == 1 else 'are'} not understood; "
        f"--assume-known takes such keys for harmless and says so"
    )


_MOST_NAMED = 4
