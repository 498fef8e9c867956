"""The headers of safetensors files: which tensors a checkpoint has, in which format, and how many bytes, without them.

The format is that of https://github.com/huggingface/safetensors (README, "Format"; ``safetensors/src/tensor.rs`` for
its types and checks), read 2026-11-21. An index beside the files (``model.safetensors.index.json``) must agree.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from roofline.errors import ModelFileError
from roofline.readers.json_file import parse_json, read_json
from roofline.readers.regular_file import fail, opened, regular_size, shown

INDEX = "model.safetensors.index.json"

MOST_HEADER_BYTES = 1 << 25
"""The format itself allows 100 MB, but a header of 100,000 tensors takes 13. [byte]"""

MOST_INDEX_BYTES = 1 << 26
"""An index of 100,000 tensors takes 10 MB. [byte]"""

MOST_TENSORS = 1 << 19
MOST_FILES = 1 << 12

BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64,
}  # fmt: skip
"""Width of an element of each type. [bit]"""

_MOST_DIMENSIONS = 16
_LARGEST_SIZE = 1 << 63


class StoredTensor(NamedTuple):
    """One tensor of a checkpoint.

    Attributes
    ----------
    name : as the checkpoint has it.
    dtype : its type, as the format writes it: a key of :data:`BITS`.
    shape : its dimensions, rows first.
    bytes : its size. [byte]
    file : the file that it is in.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    file: Path

    @property
    def elements(self) -> int:
        """Number of its elements as stored; packed formats have several weights in one."""
        found = 1
        for length in self.shape:
            found *= length
        return found


@dataclass(frozen=True, slots=True)
class StoredFiles:
    """What the headers of a checkpoint say.

    Attributes
    ----------
    paths : its files, in order of their names.
    tensors : every tensor, in order of the files and of the names in them.
    """

    paths: tuple[Path, ...]
    tensors: tuple[StoredTensor, ...]

    @property
    def tensor_bytes(self) -> int:
        """Size of all tensors. [byte]"""
        return sum(tensor.bytes for tensor in self.tensors)


def read_headers(path: Path) -> StoredFiles:
    """Read the headers of a checkpoint.

    Parameters
    ----------
    path : a ``.safetensors`` file, an index (``model.safetensors.index.json``), or a folder that holds either.

    Returns
    -------
    StoredFiles

    Raises
    ------
    ModelFileError
        A file cannot be read or does not follow the format, or the index and the files do not agree.
    """
    index = _index_of(path)
    if index is not None:
        return _indexed(index)
    paths = _files_in(path) if _is_folder(path) else [path]
    tensors: list[StoredTensor] = []
    for file in paths:
        tensors += read_header(file)
    _check_distinct(tensors)
    return StoredFiles(tuple(paths), tuple(tensors))


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{shown(path)} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _index_of(path: Path) -> Path | None:
    if path.name.endswith(".index.json"):
        return path
    if not _is_folder(path):
        return None
    found = path / INDEX
    return found if found in _listed(path, "*.index.json") else None


def _listed(folder: Path, pattern: str) -> list[Path]:
    try:
        return sorted(folder.glob(pattern))
    except OSError as error:
        raise ModelFileError(f"the folder {shown(folder)} cannot be read: {error.strerror or error}") from None


def _files_in(folder: Path) -> list[Path]:
    """Return the files of a folder without an index: one, or several of which none says that it is one of many."""
    found = _listed(folder, "*.safetensors")
    if not found:
        raise ModelFileError(f"the folder {shown(folder)} holds no .safetensors file")
    if len(found) > 1:
        raise ModelFileError(
            f"the folder {shown(folder)} holds {len(found)} .safetensors files but no {INDEX}, "
            "so that nothing says which of them belong to the model; name one of them or add the index"
        )
    return found


def _indexed(index: Path) -> StoredFiles:
    where = _weight_map(index)
    names = sorted(set(where.values()))
    if len(names) > MOST_FILES:
        fail(index, f"weight_map names {len(names)} files; no checkpoint has more than {MOST_FILES}")
    tensors: list[StoredTensor] = []
    for name in names:
        try:
            tensors += read_header(index.with_name(name))
        except ModelFileError as error:
            fail(index, f"weight_map names the file {name!r:.100}, but {error}")
        if len(tensors) > MOST_TENSORS:
            fail(index, f"its files hold more than {MOST_TENSORS} tensors; no model has so many")
    _check_distinct(tensors)
    for tensor in tensors:
        stated = where.pop(tensor.name, None)
        if stated != tensor.file.name:
            said = "does not list it" if stated is None else f"says it is in {stated!r:.100}"
            fail(index, f"tensor {tensor.name!r:.100} is in {tensor.file.name!r:.100}, but weight_map {said}")
    if where:
        name, file = next(iter(where.items()))
        fail(index, f"weight_map says that tensor {name!r:.100} is in {file!r:.100}, but no file has it")
    return StoredFiles(tuple(index.with_name(name) for name in names), tuple(tensors))


def _weight_map(index: Path) -> dict[str, str]:
    """Return tensor -> name of its file, beside the index."""
    table = read_json(index, most_bytes=MOST_INDEX_BYTES)
    found = table.get("weight_map") if isinstance(table, dict) else None
    if not isinstance(found, dict) or not found:
        fail(index, "it has no table weight_map from tensors to files, which an index has")
    for tensor, name in found.items():
        if not isinstance(name, str) or not _is_plain(name):
            fail(
                index, f"weight_map gives {name!r:.100} for {tensor!r:.100}, but the name of a file beside it is wanted"
            )
    return found


def _is_plain(name: str) -> bool:
    """Whether a name is that of a file in the same folder: an index must not lead elsewhere."""
    return name.endswith(".safetensors") and not set(name) & set("/\\\0:")


def _check_distinct(tensors: list[StoredTensor]) -> None:
    seen: dict[str, Path] = {}
    for tensor in tensors:
        if tensor.name in seen:
            fail(
                tensor.file, f"tensor {tensor.name!r:.100} is also in {seen[tensor.name].name!r:.100}; it has one place"
            )
        seen[tensor.name] = tensor.file


def read_header(path: Path) -> list[StoredTensor]:
    """Read the header of one file; see :func:`read_headers`."""
    size = regular_size(path)
    try:
        with opened(path) as file:
            return parse_header(file, path, size)
    except OSError as error:
        raise ModelFileError(f"{shown(path)} cannot be read: {error.strerror or error}") from None


def parse_header(file: BinaryIO, path: Path, size: int) -> list[StoredTensor]:
    """Return the tensors that the header of one open file lists.

    Parameters
    ----------
    file : the file, open for reading at its beginning.
    path : what errors call it.
    size : its size. [byte]

    Raises
    ------
    ModelFileError
        It does not follow the format.
    """
    prefix = file.read(8)
    if len(prefix) < 8:
        fail(path, f"it has {size} bytes, but a safetensors file begins with eight for the length of its header")
    length = struct.unpack("<Q", prefix)[0]
    if length > MOST_HEADER_BYTES or length > size - 8:
        fail(
            path,
            f"its first eight bytes say that the header takes {length} bytes, but the file has {size} "
            f"and a header at most {MOST_HEADER_BYTES}: it is cut off or no safetensors file",
        )
    data = file.read(length)
    if not data.startswith(b"{"):
        fail(path, "its header does not begin with '{', as that of a safetensors file does")
    table = parse_json(data, f"the header of {shown(path)}", most_bytes=MOST_HEADER_BYTES)
    if not isinstance(table, dict):
        fail(path, "its header is no table from names to tensors")
    return list(_tensors(path, table, size - 8 - length))


def _tensors(path: Path, table: dict[str, object], data_bytes: int) -> Iterator[StoredTensor]:
    """Yield the tensors in order of their places, which must follow each other without a gap to the file's end."""
    metadata = table.pop("__metadata__", {})
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        fail(path, "__metadata__ in its header is no table of texts")
    if len(table) > MOST_TENSORS:
        fail(path, f"its header has {len(table)} tensors; no model has more than {MOST_TENSORS}")
    placed = sorted((_tensor(path, name, entry) for name, entry in table.items()), key=_place)
    end = 0
    for begin, tensor in placed:
        if begin != end:
            what = "overlaps what is before it" if begin < end else f"leaves a hole of {begin - end} bytes before it"
            fail(path, f"tensor {tensor.name!r:.100} at {begin} {what}; tensors follow each other")
        end = begin + tensor.bytes
        if end > data_bytes:
            fail(
                path,
                f"tensor {tensor.name!r:.100} ends {end} bytes after the header, but the file {data_bytes}: "
                "it is cut off, or not yet loaded in full",
            )
        yield tensor
    if end != data_bytes:
        fail(path, f"its tensors take {end} bytes, but {data_bytes} follow the header")


def _place(item: tuple[int, StoredTensor]) -> tuple[int, int]:
    return item[0], item[1].bytes


def _tensor(path: Path, name: str, entry: object) -> tuple[int, StoredTensor]:
    """Return where a tensor begins after the header, and the tensor."""
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        fail(path, f"the entry of {name!r:.100} is not a table of dtype, shape and data_offsets, which a tensor has")
    dtype, shape, places = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in BITS:
        fail(path, f"tensor {name!r:.100} has the dtype {dtype!r:.60}; known are {', '.join(BITS)}")
    if not _are_sizes(shape) or len(shape) > _MOST_DIMENSIONS:
        fail(path, f"tensor {name!r:.100} has the shape {shape!r:.100}, but a list of whole numbers is wanted")
    if not _are_sizes(places) or len(places) != 2 or places[0] > places[1]:
        fail(path, f"tensor {name!r:.100} has the data_offsets {places!r:.100}, but its begin and its end are wanted")
    tensor = StoredTensor(name, dtype, tuple(shape), places[1] - places[0], path)
    bits = tensor.elements * BITS[dtype]
    if bits != tensor.bytes * 8:
        fail(
            path,
            f"tensor {name!r:.100} has {tensor.bytes} bytes, but its shape {shape!r:.100} in {dtype} takes "
            f"{f'{bits} bits' if bits < _LARGEST_SIZE else 'more than any file has'}",
        )
    return places[0], tensor


def _are_sizes(value: object) -> bool:
    return isinstance(value, list) and all(type(size) is int and 0 <= size <= _LARGEST_SIZE for size in value)
