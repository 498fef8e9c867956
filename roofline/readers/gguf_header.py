"""The header of a GGUF file: metadata and where each tensor lies, without the tensors.

Read as others' data is read: every length is checked against the file before anything is kept, so that no file takes
more than a second or a few megabytes, whatever it claims. Sizes and layout are those of the format's specification,
https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, read 2026-11-21; type numbers are those of ``enum ggml_type``
in ggml/include/ggml.h of https://github.com/ggml-org/llama.cpp, read the same day.

The ``gguf`` package reads headers too, but keeps each token as an array of its own: a sparse file of 104.5 GB with 541
tensors, 150,000 tokens and 280,000 merges took it 14.1 s and 756 MB on two cores of a server; this module 0.11 s and
0.4 MB.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

from roofline.errors import ModelFileError
from roofline.formats import FORMATS
from roofline.readers.bounded_reader import BoundedReader
from roofline.readers.regular_file import opened, regular_size, shown

MOST_TENSORS = 1 << 17
MOST_KEYS = 1 << 16
LONGEST_NAME = 1 << 9
LONGEST_VALUE = 1 << 12
"""Longer texts (templates of a chat) are skipped. [byte]"""

LONGEST_ARRAY = 10_000
"""Longer arrays of numbers are skipped: a model has no more layers."""

_ALIGNMENT = 32
_MOST_DIMENSIONS = 4
_SHARD = re.compile(r"(?P<stem>.*)-(?P<number>[0-9]{5})-of-(?P<count>[0-9]{5})\.gguf", re.DOTALL)

_NUMBERS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
"""Letter of ``struct`` for each type of number in the metadata."""

_BOOL, _STRING, _ARRAY = 7, 8, 9

_TYPE_NUMBERS = {
    "f32": 0, "f16": 1, "q4_0": 2, "q4_1": 3, "q5_0": 6, "q5_1": 7, "q8_0": 8, "q8_1": 9, "q2_k": 10, "q3_k": 11,
    "q4_k": 12, "q5_k": 13, "q6_k": 14, "q8_k": 15, "iq2_xxs": 16, "iq2_xs": 17, "iq3_xxs": 18, "iq1_s": 19,
    "iq4_nl": 20, "iq3_s": 21, "iq2_s": 22, "iq4_xs": 23, "iq1_m": 29, "bf16": 30, "tq1_0": 34, "tq2_0": 35,
    "mxfp4": 39, "q1_0": 41, "q2_0": 42,
}  # fmt: skip


class GgmlType(NamedTuple):
    """A type of ggml: its name, and how many elements of a row share how many bytes."""

    name: str
    block_elements: int
    block_bytes: int


_TYPES = {
    **{n: GgmlType(name, FORMATS[name].block_elements, FORMATS[name].block_bytes) for name, n in _TYPE_NUMBERS.items()},
    24: GgmlType("i8", 1, 1),
    25: GgmlType("i16", 1, 2),
    26: GgmlType("i32", 1, 4),
    27: GgmlType("i64", 1, 8),
    28: GgmlType("f64", 1, 8),
    40: GgmlType("nvfp4", 64, 36),  # the scale of the whole tensor is a tensor of its own
}

Scalar = int | float | bool | str
Value = Scalar | tuple[int | float | bool, ...]


class TensorInfo(NamedTuple):
    """One tensor of the file.

    Attributes
    ----------
    name : as the file has it.
    shape : its dimensions, that along which elements are packed first.
    type : name of its ggml type, lower case: that of a format of :mod:`roofline.formats`, or ``"i8"`` ... ``"f64"``.
    bytes : its size. [byte]
    """

    name: str
    shape: tuple[int, ...]
    type: str
    bytes: int

    @property
    def elements(self) -> int:
        """Number of its elements."""
        return _product(self.shape)


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What the headers of a model's files say.

    Attributes
    ----------
    paths : the file, or all shards of the model in order.
    version : version of the format, 2 or 3.
    metadata : key -> value; without long texts and arrays, such as those of the tokenizer.
    tensors : every tensor, in order.
    """

    paths: tuple[Path, ...]
    version: int
    metadata: dict[str, Value]
    tensors: tuple[TensorInfo, ...]

    @property
    def tensor_bytes(self) -> int:
        """Size of all tensors. [byte]"""
        return sum(tensor.bytes for tensor in self.tensors)


def read_gguf_header(path: Path) -> GgufHeader:
    """Read the header of a GGUF file, and of its other shards where it is one of several.

    Parameters
    ----------
    path : a ``.gguf`` file; of a model in shards, any one of them.

    Returns
    -------
    GgufHeader

    Raises
    ------
    ModelFileError
        The file or one of its shards cannot be read, is cut off, or does not follow the format.
    """
    first = _read_one(path)
    count = first.metadata.get("split.count", 1)
    match = _SHARD.fullmatch(path.name)
    if match and int(match["count"]) > 1 and "split.count" not in first.metadata:
        raise ModelFileError(
            f"{shown(path)} is called a shard of {int(match['count'])}, but its header has no split.count; "
            "shards that gguf-split wrote are wanted, or the whole file under another name"
        )
    if type(count) is not int or count < 0:
        raise ModelFileError(f"{shown(path)}: split.count is {count!r:.60}, but a number of shards is wanted")
    return first if count <= 1 else _joined(path, match, first, count)


def _joined(path: Path, match: re.Match[str] | None, given: GgufHeader, count: int) -> GgufHeader:
    if match is None or int(match["count"]) != count:
        raise ModelFileError(
            f"{shown(path)} is one of {count} shards by its header, but its name does not end in "
            f"'-00001-of-{count:05}.gguf' or another number, so that the other shards cannot be found"
        )
    shards = []
    for number in range(1, count + 1):
        sibling = path.with_name(f"{match['stem']}-{number:05}-of-{count:05}.gguf")
        try:
            shard = given if sibling == path else _read_one(sibling)
        except ModelFileError as error:
            raise ModelFileError(
                f"{shown(path)} is one of {count} shards, but not all of them can be read: {error}"
            ) from None
        stated = shard.metadata.get("split.count"), shard.metadata.get("split.no")
        if stated != (count, number - 1):
            raise ModelFileError(
                f"{shown(sibling)} has split.count = {stated[0]!r:.40} and split.no = {stated[1]!r:.40} in its header, "
                f"but by its name they are {count} and {number - 1}"
            )
        shards.append(shard)
    tensors = tuple(tensor for shard in shards for tensor in shard.tensors)
    _check_distinct(path, tensors)
    wanted = shards[0].metadata.get("split.tensors.count", len(tensors))
    if wanted != len(tensors):
        raise ModelFileError(
            f"{shown(path)}: the shards hold {len(tensors)} tensors together, "
            f"but split.tensors.count is {wanted!r:.60}: one of them is of another file"
        )
    return GgufHeader(tuple(p for shard in shards for p in shard.paths), given.version, shards[0].metadata, tensors)


def _check_distinct(path: Path, tensors: tuple[TensorInfo, ...]) -> None:
    seen: set[str] = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise ModelFileError(f"{shown(path)} has the tensor {tensor.name!r:.100} twice; a tensor has one place")
        seen.add(tensor.name)


def _read_one(path: Path) -> GgufHeader:
    size = regular_size(path)
    try:
        with opened(path) as file:
            return parse_header(file, path, size)
    except OSError as error:
        raise ModelFileError(f"{shown(path)} cannot be read: {error.strerror or error}") from None


def parse_header(file: BinaryIO, path: Path, size: int) -> GgufHeader:
    """Return what the header of one open file says.

    Parameters
    ----------
    file : the file, open for reading.
    path : what errors call it.
    size : its size. [byte]

    Raises
    ------
    ModelFileError
        It does not follow the format.
    """
    reader = BoundedReader(file, path, size)
    if reader.size == 0:
        reader.fail("the file is empty")
    magic = reader.take(min(4, reader.size), "the magic number")
    if magic != b"GGUF":
        reader.fail(f"the file begins with {magic!r}, but a GGUF file begins with b'GGUF'")
    version = reader.count("I", "the version")
    if version and version % (1 << 16) == 0:
        reader.fail("the file is for big-endian machines, which are not read; convert it to little-endian")
    if version not in {2, 3}:
        reader.fail(f"version {version} of GGUF, but versions 2 and 3 are read; convert the file anew")
    tensor_count, key_count = reader.count("Q", "the number of tensors"), reader.count("Q", "the number of keys")
    for count, most, what in ((tensor_count, MOST_TENSORS, "tensors"), (key_count, MOST_KEYS, "keys")):
        if count > most:
            reader.fail(f"the header announces {count} {what}, but no model has more than {most}")
    metadata = _metadata(reader, key_count)
    alignment = metadata.get("general.alignment", _ALIGNMENT)
    if type(alignment) is not int or alignment < 1 or alignment & (alignment - 1):
        reader.fail(f"general.alignment is {alignment!r:.60}, but a power of two is wanted")
    placed = [_tensor(reader, index, alignment) for index in range(tensor_count)]
    data = -(-reader.position // alignment) * alignment
    _check_places(reader, placed, data)
    tensors = tuple(tensor for tensor, _ in placed)
    _check_distinct(reader.path, tensors)
    return GgufHeader((reader.path,), version, metadata, tensors)


def _metadata(reader: BoundedReader, count: int) -> dict[str, Value]:
    found: dict[str, Value] = {}
    seen: set[str] = set()
    for index in range(count):
        key = reader.text(LONGEST_NAME, f"the name of key {index}")
        if key in seen:
            reader.fail(f"the key {key!r:.100} is there twice; a key has one value")
        seen.add(key)
        value = _value(reader, reader.count("I", f"the type of {key!r:.100}"), f"the value of {key!r:.100}")
        if value is not None:
            found[key] = value
    return found


def _value(reader: BoundedReader, kind: int, what: str) -> Value | None:
    """Read a value; what is too long to be of interest is skipped, and None."""
    if kind == _STRING:
        return reader.short_text(LONGEST_VALUE, what)
    if kind == _ARRAY:
        return _array(reader, what)
    if kind not in _NUMBERS:
        reader.fail(f"{what} has type {kind}, which GGUF does not define")
    value = reader.number(_NUMBERS[kind], what)
    return _boolean(reader, value, what) if kind == _BOOL else value


def _boolean(reader: BoundedReader, value: float, what: str) -> bool:
    if value not in {0, 1}:
        reader.fail(f"{what} is {value}, but a truth value is 0 or 1")
    return bool(value)


def _array(reader: BoundedReader, what: str) -> tuple[int | float | bool, ...] | None:
    kind, count = reader.count("I", what), reader.count("Q", what)
    if kind == _STRING:
        reader.skip_strings(count, what)
        return None
    if kind not in _NUMBERS:
        reader.fail(f"{what} is an array of type {kind}; arrays of numbers and of strings are read")
    size = struct.calcsize("<" + _NUMBERS[kind])
    if count > LONGEST_ARRAY:
        reader.skip(count * size, what)
        return None
    reader.check(count * size, what)
    reader.keep(count * size)
    values = struct.unpack(f"<{count}{_NUMBERS[kind]}", reader.take(count * size, what))
    return tuple(_boolean(reader, value, what) for value in values) if kind == _BOOL else values


def _tensor(reader: BoundedReader, index: int, alignment: int) -> tuple[TensorInfo, int]:
    """Return a tensor and where it begins, counted from the first."""
    name = reader.text(LONGEST_NAME, f"the name of tensor {index}")
    what = f"the entry of tensor {name!r:.100}"
    dimensions = reader.count("I", what)
    if dimensions > _MOST_DIMENSIONS:
        reader.fail(f"tensor {name!r:.100} has {dimensions} dimensions, but at most {_MOST_DIMENSIONS} are possible")
    packed = reader.take(8 * dimensions + 12, what)
    *shape, number, offset = struct.unpack(f"<{dimensions}QIQ", packed)
    if (kind := _TYPES.get(number)) is None:
        reader.fail(
            f"tensor {name!r:.100} has the ggml type {number}, which is not known; it is newer than this reader, "
            "of another program, or retired"
        )
    elements = _product(shape)
    if not 0 < elements < 1 << 63:
        reader.fail(f"tensor {name!r:.100} has the shape {shape!r:.120}, which no tensor can have")
    if (shape[0] if shape else 1) % kind.block_elements:
        reader.fail(
            f"tensor {name!r:.100} has rows of {shape[0] if shape else 1} elements, "
            f"but {kind.name} packs {kind.block_elements} at a time"
        )
    if offset % alignment:
        reader.fail(f"tensor {name!r:.100} is placed at {offset}, which is no multiple of the alignment {alignment}")
    size = elements // kind.block_elements * kind.block_bytes
    return TensorInfo(name, tuple(shape), kind.name, size), offset


def _check_places(reader: BoundedReader, placed: list[tuple[TensorInfo, int]], data: int) -> None:
    """Refuse tensors that lie on each other, or outside the file."""
    end, before = 0, ""
    for tensor, offset in sorted(placed, key=_place):
        if offset < end:
            reader.fail(f"tensors {before!r:.100} and {tensor.name!r:.100} overlap; a byte belongs to one tensor")
        end, before = offset + tensor.bytes, tensor.name
    if data + end > reader.size and placed:
        reader.fail(
            f"the file has {reader.size} bytes, but tensor {before!r:.100} ends at {data + end}: "
            "it is cut off, or not yet loaded in full"
        )


def _place(item: tuple[TensorInfo, int]) -> int:
    return item[1]


def _product(shape: tuple[int, ...] | list[int]) -> int:
    found = 1
    for length in shape:
        found *= length
    return found
