"""Writing small or sparse GGUF files with the official package, and broken ones by hand."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import gguf
import numpy as np

TYPES = {kind.name.lower(): kind for kind in gguf.GGMLQuantizationType}


def _add(writer, key, value):
    if isinstance(value, bool):
        writer.add_bool(key, value)
    elif isinstance(value, int):
        writer.add_uint32(key, value)
    elif isinstance(value, float):
        writer.add_float32(key, value)
    elif isinstance(value, str):
        writer.add_string(key, value)
    else:
        writer.add_array(key, value)


def write_gguf(
    path: Path,
    metadata: Mapping[str, object],
    tensors: Iterable[tuple[str, tuple[int, ...], str]],
    *,
    big_endian: bool = False,
) -> Path:
    """Write a header, and leave the tensors as a hole of the right size.

    ``metadata`` has ``general.architecture``; shapes are as ggml has them, the packed dimension first.
    """
    metadata = dict(metadata)
    endian = gguf.GGUFEndian.BIG if big_endian else gguf.GGUFEndian.LITTLE
    writer = gguf.GGUFWriter(path, metadata.pop("general.architecture"), endianess=endian)
    for key, value in metadata.items():
        _add(writer, key, value)
    end = 0
    for name, shape, kind in tensors:
        elements, size = gguf.GGML_QUANT_SIZES[TYPES[kind]]
        count = 1
        for length in shape:
            count *= length
        reversed_shape = list(reversed(shape))
        reversed_shape[-1] = reversed_shape[-1] // elements * size  # the package wants the shape in bytes
        number_bytes = count // elements * size
        writer.add_tensor_info(name, reversed_shape, _U8, number_bytes, raw_dtype=TYPES[kind])
        end = -(-end // 32) * 32 + number_bytes
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    header = writer.fout[0].tell()
    writer.close()
    os.truncate(path, -(-header // 32) * 32 + -(-end // 32) * 32)
    return path


_U8 = np.dtype(np.uint8)


def text(value: str | bytes) -> bytes:
    """A string of the format."""
    data = value.encode() if isinstance(value, str) else value
    return struct.pack("<Q", len(data)) + data


def header(
    keys: Iterable[bytes] = (),
    tensors: Iterable[bytes] = (),
    *,
    version: int = 3,
    key_count: int | None = None,
    tensor_count: int | None = None,
) -> bytes:
    """A header by hand, with counts that may lie."""
    keys, tensors = list(keys), list(tensors)
    counts = (
        len(tensors) if tensor_count is None else tensor_count,
        len(keys) if key_count is None else key_count,
    )
    return b"GGUF" + struct.pack("<IQQ", version, *counts) + b"".join(keys) + b"".join(tensors)


def key(name: str | bytes, kind: int, value: bytes) -> bytes:
    """A key by hand."""
    return text(name) + struct.pack("<I", kind) + value


def tensor(name: str | bytes, shape: tuple[int, ...], kind: int = 0, offset: int = 0) -> bytes:
    """A tensor by hand."""
    return text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, offset)
