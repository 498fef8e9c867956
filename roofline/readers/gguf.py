"""A GGUF file to a model: its architecture, and every tensor of the file as it is stored there."""

from __future__ import annotations

import datetime as dt
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from roofline.formats import FORMATS
from roofline.readers.gguf_architecture import read_architecture
from roofline.readers.gguf_header import GgufHeader, TensorInfo, read_gguf_header
from roofline.readers.gguf_metadata import Facts
from roofline.readers.gguf_tensors import SortedTensors, layer_parts, model_part, sort_tensors
from roofline.readers.naming import spec_name
from roofline.readers.regular_file import fail
from roofline.recipes import stored
from roofline.specs.model import Architecture, ModelSpec
from roofline.tensors import Tensor, tensors

_SOURCE = "file"
_SHARD = re.compile(r"-[0-9]{5}-of-[0-9]{5}$")
_BY_TENSOR = ("attention", "linear_attention", "ffn", "experts", "shared_experts")
_WHOLE = ("embedding", "head", "router")

Key = tuple[str, str, int | None]
"""Group, name and layer of a tensor of ours."""

Stored = tuple[tuple[str, int], ...]
"""Formats of a tensor, each with so many of its elements."""


def read_gguf(path: Path) -> ModelSpec:
    """Read a model from the header of a GGUF file.

    Parameters
    ----------
    path : a ``.gguf`` file; of a model in shards, any one of them.

    Returns
    -------
    ModelSpec
        Its recipe ``native`` stores each tensor as the file does, to the byte. Its notes name what no forward pass of
        the model reads (layers that predict further tokens, factors of the rotary embedding), which is not counted.

    Raises
    ------
    ModelFileError
        The file cannot be read, its architecture is not known, or a tensor in it is not accounted for.
    """
    return spec_of(read_gguf_header(path))


def spec_of(header: GgufHeader) -> ModelSpec:
    """Return the model that the header of a file describes; see :func:`read_gguf`."""
    facts = Facts(header)
    found = sort_tensors(header, *facts.layers())
    architecture = read_architecture(facts, found, _SOURCE)
    parts = _parts(header, found, architecture)
    formats = {key: _formats(header, key, pieces) for key, pieces in parts.items()}
    spec = _spec(header, found, architecture, formats)
    counted = header.tensor_bytes - sum(t.bytes for listed in found.not_counted.values() for t in listed)
    read = stored(spec, "native").bytes
    if read != counted:
        what = f"its tensors take {counted} bytes, but {read:.0f} as they were read: rows are packed in another way"
        fail(header.paths[0], what)
    return spec


def _parts(
    header: GgufHeader, found: SortedTensors, architecture: Architecture
) -> dict[Key, list[tuple[TensorInfo, int]]]:
    """Return which tensors of the file each of ours is made of, with so many elements of each: all of both, exactly."""
    wanted: dict[Key, int] = {}
    for tensor in tensors(architecture):
        key = (tensor.group, tensor.name, tensor.layer)
        wanted[key] = wanted.get(key, 0) + tensor.elements
    parts: dict[Key, list[tuple[TensorInfo, int]]] = {key: [] for key in wanted}
    for tensor, keys in _assigned(header, found, architecture):
        absent = next((key for key in keys if key not in wanted), None)
        if absent:
            _refuse(header, f"tensor {tensor.name!r:.100} is there, but by the metadata there is no {_say(absent)}")
        expected = sum(wanted[key] for key in keys)
        if len(keys) > 1 and expected != tensor.elements:
            _refuse(
                header, f"tensor {tensor.name!r:.100} has {tensor.elements} elements, but its parts have {expected}"
            )
        for key in keys:
            parts[key].append((tensor, wanted[key] if len(keys) > 1 else tensor.elements))
    for key, pieces in parts.items():
        elements = sum(count for _, count in pieces)
        if not pieces:
            _refuse(header, f"it has no tensor for the {_say(key)}, which the metadata and its other tensors imply")
        if elements != wanted[key]:
            names = ", ".join(tensor.name for tensor, _ in pieces)
            _refuse(
                header, f"{names!r:.200} has {elements} elements, but {_say(key)} has {wanted[key]} by the metadata"
            )
    return parts


def _assigned(
    header: GgufHeader, found: SortedTensors, architecture: Architecture
) -> Iterator[tuple[TensorInfo, list[Key]]]:
    """Yield each tensor of the file that counts, and which of ours it holds."""
    for name, tensor in found.model.items():
        part = model_part(name)
        if part is None:
            _unknown(header, tensor)
        yield tensor, [(*part, None)]
    for layer, (mixer, network) in zip(found.layers, architecture.pattern(), strict=True):
        attention, ffn = architecture.attention.get(mixer), architecture.ffn.get(network)
        for name, tensor in layer.tensors.items():
            listed = layer_parts(name, attention, ffn, layer)
            if not listed:
                _unknown(header, tensor)
            yield tensor, [(*part, layer.index) for part in listed]


def _refuse(header: GgufHeader, what: str) -> NoReturn:
    fail(header.paths[0], what)


def _unknown(header: GgufHeader, tensor: TensorInfo) -> NoReturn:
    name = header.metadata["general.architecture"]
    fail(header.paths[0], f"tensor {tensor.name!r:.100} is not known in a model of the architecture {name!r:.40}")


def _say(key: Key) -> str:
    group, name, layer = key
    what = f"{group.replace('_', ' ')}{f' ({name})' if name else ''}"
    return what if layer is None else f"{what} of layer {layer}"


def _formats(header: GgufHeader, key: Key, pieces: list[tuple[TensorInfo, int]]) -> Stored:
    """Return the formats of one of our tensors: one of them, unless the file has its parts in several."""
    elements: dict[str, int] = {}
    for tensor, count in pieces:
        name = "nvfp4-ggml" if tensor.type == "nvfp4" else tensor.type
        if name not in FORMATS:
            fail(header.paths[0], f"tensor {tensor.name!r:.100} is stored as {name}, in which no weights are")
        elements[name] = elements.get(name, 0) + count
    if len(elements) > 1 and key[:2] in {("norms", ""), ("norms", "bias")}:
        fail(header.paths[0], f"the norms of layer {key[2]} are stored in several formats, which is not supported")
    return tuple(elements.items())


def _spec(
    header: GgufHeader,
    found: SortedTensors,
    architecture: Architecture,
    formats: dict[Key, Stored],
) -> ModelSpec:
    path = header.paths[0]
    stem = _SHARD.sub("", path.name.removesuffix(".gguf"))
    shown = _printable(path.name)
    data = {
        "schema": 1,
        "name": spec_name(stem),
        "title": _text(header, "general.name") or _printable(stem) or shown,
        "author": _text(header, "general.organization", "general.author") or "not stated in the file",
        "sources": {
            _SOURCE: {
                "title": f"file {shown}",
                "url": path.absolute().as_uri(),
                "locator": "header",
                "accessed": dt.datetime.now(tz=dt.UTC).date(),
            }
        },
        "notes": tuple(_notes(found)),
        "architecture": architecture,
        "weights": {"native": _recipe(architecture, formats) | {"source": _SOURCE, "title": f"as in {shown}"}},
    }
    try:
        return ModelSpec.model_validate(data)
    except ValidationError as error:
        fail(path, f"what was read makes no model: {error.errors()[0]['msg']}")


def _printable(text: str) -> str:
    """Return the text without what cannot be written as UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _text(header: GgufHeader, *keys: str) -> str:
    values = (header.metadata.get(key) for key in keys)
    return next((value.strip() for value in values if isinstance(value, str) and value.strip()), "")


def _notes(found: SortedTensors) -> Iterator[str]:
    for reason, listed in found.not_counted.items():
        many = "1 tensor" if len(listed) == 1 else f"{len(listed)} tensors"
        yield f"not counted: {reason} ({many} of {sum(t.bytes for t in listed):,} bytes)"


def _recipe(architecture: Architecture, formats: dict[Key, Stored]) -> dict[str, Any]:
    """Return entries of a recipe that store every tensor as the file does: what is most frequent, and exceptions."""
    vectors = Counter[str]()
    matrices: dict[tuple[str, str], Counter[str]] = {}
    for tensor in tensors(architecture):
        name = formats[_key(tensor)][0][0]
        if tensor.vector:
            vectors[name] += 1
        else:
            matrices.setdefault((tensor.group, tensor.name), Counter())[name] += tensor.elements
    usual = {part: counter.most_common(1)[0][0] for part, counter in matrices.items()}
    entries: dict[str, Any] = {"vectors": vectors.most_common(1)[0][0]}
    entries["default"] = sum(matrices.values(), Counter[str]()).most_common(1)[0][0]
    for group in _BY_TENSOR:
        if listed := {name: chosen for (of, name), chosen in usual.items() if of == group}:
            entries[group] = listed
    entries |= {group: usual[group, ""] for group in _WHOLE if (group, "") in usual}
    entries["exceptions"] = list(_exceptions(architecture, formats, entries, usual))
    return entries


def _key(tensor: Tensor) -> Key:
    return tensor.group, tensor.name, tensor.layer


def _exceptions(
    architecture: Architecture, formats: dict[Key, Stored], entries: dict[str, Any], usual: dict[tuple[str, str], str]
) -> Iterator[dict[str, Any]]:
    layers: dict[tuple[str, str, Stored], list[int | None]] = {}
    for tensor in {_key(tensor): tensor for tensor in tensors(architecture)}.values():
        group, name, layer = _key(tensor)
        entry = usual[group, "" if group in _WHOLE else name] if not tensor.vector else entries["vectors"]
        found = formats[group, name, layer]
        if [form for form, _ in found] != [entry]:
            layers.setdefault((group, name, found), []).append(layer)
    for (group, name, found), listed in layers.items():
        inside = [layer for layer in listed if layer is not None]
        for form, elements in found:
            yield {
                "group": group,
                "tensor": name,
                "layers": inside or None,
                "format": form,
                "elements": elements if len(found) > 1 else None,
            }
