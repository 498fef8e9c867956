"""Headers of safetensors files: read where the official package reads them, and refused where they do not add up."""

from __future__ import annotations

import contextlib
import json
import os
import struct
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from roofline.errors import ModelFileError
from roofline.readers import safetensors
from roofline.readers.safetensors import BITS, INDEX, read_headers

TYPES = {
    "BOOL": np.bool_, "U8": np.uint8, "I8": np.int8, "U16": np.uint16, "I16": np.int16, "U32": np.uint32,
    "I32": np.int32, "U64": np.uint64, "I64": np.int64, "F16": np.float16, "F32": np.float32, "F64": np.float64,
    "C64": np.complex64,
}  # fmt: skip


def write(path, header, data=b"", *, length=None):
    """Write a file by hand, with a header that may lie."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)
    return path


def entry(dtype="F32", shape=(2,), begin=0, end=8):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [begin, end]}


def test_a_file_of_the_official_package_is_read(tmp_path):
    path = tmp_path / "model.safetensors"
    arrays = {f"tensor.{name}": np.zeros((3, 4), dtype=kind) for name, kind in TYPES.items()}
    save_file(
        arrays | {"scalar": np.array(1, dtype=np.float32), "empty": np.zeros((0, 4), dtype=np.int8)},
        path,
        {"format": "pt"},
    )
    found = read_headers(path)
    assert {t.name: (t.dtype, t.shape, t.bytes, t.elements) for t in found.tensors} == {
        **{f"tensor.{name}": (name, (3, 4), 12 * np.dtype(kind).itemsize, 12) for name, kind in TYPES.items()},
        "scalar": ("F32", (), 4, 1),
        "empty": ("I8", (0, 4), 0, 0),
    }
    assert found.tensor_bytes == sum(12 * np.dtype(kind).itemsize for kind in TYPES.values()) + 4
    assert {t.file for t in found.tensors} == {path}
    assert found.paths == (path,)


@pytest.mark.parametrize("dtype", BITS)
def test_every_type_has_the_width_that_the_official_package_takes(dtype, tmp_path):
    size = 8 * BITS[dtype] // 8
    path = write(tmp_path / "a.safetensors", {"a": entry(dtype, (2, 4), 0, size)}, bytes(size))
    assert read_headers(path).tensors[0].bytes == size
    with safe_open(path, "np") as official:
        assert official.get_slice("a").get_dtype() == dtype
    with pytest.raises(ModelFileError, match=f"in {dtype} takes"):
        read_headers(write(path, {"a": entry(dtype, (2, 4), 0, size + 1)}, bytes(size + 1)))


def test_types_without_whole_bytes_are_counted_in_bits(tmp_path):
    read_headers(write(tmp_path / "a.safetensors", {"a": entry("F4", (3, 2), 0, 3)}, bytes(3)))
    with pytest.raises(ModelFileError, match="takes 12 bits"):
        read_headers(write(tmp_path / "a.safetensors", {"a": entry("F4", (3,), 0, 2)}, bytes(2)))


def test_a_large_file_is_read_without_its_tensors(tmp_path):
    size = 50_000_000_000
    path = write(tmp_path / "a.safetensors", {"a": entry("I8", (size,), 0, size)})
    os.truncate(path, path.stat().st_size + size)
    tracemalloc.start()
    assert read_headers(path).tensor_bytes == size
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


GOOD = {"a": entry(), "b": entry(begin=8, end=16)}
DATA = bytes(16)
HUGE = 2**63

REFUSED = {
    "nothing": (b"", "has 0 bytes"),
    "seven bytes": (b"\1\0\0\0\0\0\0", "has 7 bytes"),
    "a header of 10 GB": (struct.pack("<Q", 10**10) + b"{}", "the header takes 10000000000 bytes, but the file has 10"),
    "a header of 2^64 - 1": (b"\xff" * 8 + b"{}", "takes 18446744073709551615 bytes"),
    "no header": (struct.pack("<Q", 0), "does not begin with '{'"),
    "a list": (b"[]", "does not begin with '{'"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "does not begin with '{'"),
    "spaces in front": (b"  {}", "does not begin with '{'"),
    "no JSON": (b"{]", "is not JSON"),
    "not UTF-8": (b'{"\xff": 1}', "not UTF-8"),
    "a key twice": (b'{"a": 1, "a": 2}', "'a' twice"),
    "a key twice in an entry": (b'{"a": {"dtype": "F32", "dtype": "F32"}}', "'dtype' twice"),
    "NaN": (b'{"a": NaN}', "the number NaN"),
    "a huge integer": (b'{"a": 1' + b"0" * 50 + b"}", "beyond 2\\*\\*63"),
    "deep nesting": (b'{"a": ' * 500 + b"1" + b"}" * 500, "nested"),
    "no entry": ({"a": 1}, "the entry of 'a' is not a table"),
    "an entry without a shape": ({"a": {"dtype": "F32", "data_offsets": [0, 8]}}, "the entry of 'a'"),
    "an entry with more": ({"a": entry() | {"more": 1}}, "the entry of 'a'"),
    "an unknown type": ({"a": entry("F128")}, "dtype 'F128'; known are BOOL"),
    "a type in lower case": ({"a": entry("f32")}, "dtype 'f32'"),
    "a type that is no text": ({"a": entry(["F32"])}, r"dtype \['F32'\]"),
    "a shape that is no list": ({"a": entry() | {"shape": 2}}, "the shape 2"),
    "a shape of halves": ({"a": entry(shape=(2.0,))}, r"the shape \[2.0\]"),
    "a shape of truth": ({"a": entry(shape=(True, 2))}, r"the shape \[True, 2\]"),
    "a negative shape": ({"a": entry(shape=(-2, -1))}, r"the shape \[-2, -1\]"),
    "a shape of a thousand dimensions": ({"a": entry(shape=(1,) * 1000)}, r"the shape \[1, 1"),
    "a shape that overflows": ({"a": entry(shape=(HUGE, HUGE, 2))}, "more than any file has"),
    "three places": ({"a": entry() | {"data_offsets": [0, 8, 16]}}, r"data_offsets \[0, 8, 16\]"),
    "places backwards": ({"a": entry(begin=8, end=0)}, r"data_offsets \[8, 0\]"),
    "a negative place": ({"a": entry(begin=-8, end=0)}, r"data_offsets \[-8, 0\]"),
    "bytes that are not those of the shape": (
        {"a": entry(shape=(3,))},
        r"8 bytes, but its shape \[3\] in F32 takes 96",
    ),
    "a place outside the file": ({"a": entry(shape=(2**40,), end=2**42)}, "ends 4398046511104 bytes after the header"),
    "an overlap": ({"a": entry(), "b": entry(begin=4, end=12)}, "'b' at 4 overlaps what is before it"),
    "one place twice": ({"a": entry(), "b": entry()}, "'b' at 0 overlaps"),
    "a hole": ({"a": entry(), "b": entry(begin=12, end=20)}, "'b' at 12 leaves a hole of 4 bytes"),
    "a hole in front": ({"a": entry(begin=8, end=16)}, "'a' at 8 leaves a hole of 8 bytes"),
    "bytes left over": ({"a": entry()}, "take 8 bytes, but 16 follow"),
    "metadata that is no table": (GOOD | {"__metadata__": []}, "__metadata__ in its header is no table"),
    "metadata that is no text": (GOOD | {"__metadata__": {"a": 1}}, "__metadata__ in its header is no table"),
}


@pytest.mark.parametrize(("header", "says"), REFUSED.values(), ids=REFUSED)
def test_a_broken_file_is_refused_with_a_reason(header, says, tmp_path):
    path = tmp_path / "broken.safetensors"
    if isinstance(header, bytes) and not header.strip().startswith((b"{", b"[", b"\xef")):
        path.write_bytes(header)
    else:
        write(path, header, DATA)
    with pytest.raises(ModelFileError, match=rf"broken\.safetensors'.*{says}") as caught:
        read_headers(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 800


def test_the_sample_that_is_broken_above_is_whole(tmp_path):
    path = write(tmp_path / "a.safetensors", GOOD | {"__metadata__": {"format": "pt"}}, DATA)
    assert read_headers(path).tensor_bytes == 16


def test_a_file_cut_off_anywhere_is_refused(tmp_path):
    path = write(tmp_path / "a.safetensors", GOOD, DATA)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read_headers(path)


@pytest.mark.parametrize("piece", [b"[],", b"{},", b"0,", b'"a",'])
def test_a_large_hostile_header_takes_bounded_time_and_memory(piece, tmp_path):
    text = b'{"a": [' + piece * (safetensors.MOST_HEADER_BYTES // len(piece) - 10) + b"1]}"
    path = write(tmp_path / "a.safetensors", text)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ModelFileError, match="more than 4194304 values"):
        read_headers(path)
    assert time.process_time() - started < 5
    assert tracemalloc.get_traced_memory()[1] < 4 * safetensors.MOST_HEADER_BYTES
    tracemalloc.stop()


def shards(folder, *, where=None, total=None):
    write(folder / "model-00001-of-00002.safetensors", {"a": entry(), "b": entry(begin=8, end=16)}, DATA)
    write(folder / "model-00002-of-00002.safetensors", {"c": entry(shape=(4,), end=16)}, DATA)
    default = {"a": 1, "b": 1, "c": 2}
    weight_map = {
        name: f"model-{number:05}-of-00002.safetensors" if isinstance(number, int) else number
        for name, number in (default if where is None else where).items()
    }
    index = {"metadata": {"total_size": total or 32}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index), encoding="utf-8")
    return folder


def test_a_folder_is_read_by_its_index(tmp_path):
    shards(tmp_path)
    save_file({"other": np.zeros(3)}, tmp_path / "consolidated.safetensors")  # of no index: not part of the model
    for path in (tmp_path, tmp_path / INDEX):
        found = read_headers(path)
        assert [(t.name, t.file.name[:11]) for t in found.tensors] == [
            ("a", "model-00001"),
            ("b", "model-00001"),
            ("c", "model-00002"),
        ]
        assert found.tensor_bytes == 32
        assert [p.name for p in found.paths] == [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]


def test_a_folder_with_one_file_needs_no_index(tmp_path):
    path = write(tmp_path / "model.safetensors", GOOD, DATA)
    assert read_headers(tmp_path).paths == (path,)
    write(tmp_path / "other.safetensors", GOOD, DATA)
    with pytest.raises(ModelFileError, match=r"holds 2 .safetensors files but no model\.safetensors\.index\.json"):
        read_headers(tmp_path)


def test_a_folder_with_nothing_to_read_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match=r"holds no \.safetensors file"):
        read_headers(tmp_path)
    with pytest.raises(ModelFileError, match="no file"):
        read_headers(tmp_path / "absent")


def test_a_missing_shard_is_named(tmp_path):
    shards(tmp_path)
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    with pytest.raises(ModelFileError, match=r"weight_map names the file 'model-00002-of-00002.safetensors', but no f"):
        read_headers(tmp_path)


def test_a_tensor_in_two_files_is_refused(tmp_path):
    shards(tmp_path)
    write(tmp_path / "model-00002-of-00002.safetensors", {"a": entry(shape=(4,), end=16)}, DATA)
    with pytest.raises(ModelFileError, match=r"tensor 'a' is also in 'model-00001-of-00002.safetensors'"):
        read_headers(tmp_path)


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ({"a": 1, "b": 1, "c": 2, "d": 2}, "tensor 'd' is in 'model-00002-of-00002.safetensors', but no file has it"),
        ({"a": 1, "c": 2}, "'b' is in 'model-00001-of-00002.safetensors', but weight_map does not list it"),
        ({"a": 1, "b": 2, "c": 2}, "'b' is in 'model-00001.*', but weight_map says it is in 'model-00002"),
        ({}, "no table weight_map"),
        ({"a": "../secret.safetensors"}, "the name of a file beside it is wanted"),
        ({"a": "/etc/passwd"}, "the name of a file beside it is wanted"),
        ({"a": "model.bin"}, "the name of a file beside it is wanted"),
        ({"a": None}, "gives None for 'a'"),
    ],
)
def test_an_index_that_does_not_agree_with_its_files_is_refused(where, says, tmp_path):
    with pytest.raises(ModelFileError, match=rf"index\.json'.*{says}"):
        read_headers(shards(tmp_path, where=where))


@pytest.mark.parametrize(
    "text", ["[]", "{}", '{"weight_map": []}', "{", '{"weight_map": {"a": "b"}, "weight_map": {}}']
)
def test_a_broken_index_is_refused(text, tmp_path):
    shards(tmp_path)
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(ModelFileError, match=r"index\.json'"):
        read_headers(tmp_path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "model.safetensors")
    for path in (tmp_path, tmp_path / "model.safetensors"):
        with pytest.raises(ModelFileError, match="no regular file"):
            read_headers(path)
    with pytest.raises(ModelFileError, match="null"):
        read_headers(tmp_path / "a\0b")


_ENTRIES = st.fixed_dictionaries(
    {
        "dtype": st.sampled_from([*BITS, "F33", 1]),
        "shape": st.lists(st.integers(-1, 5) | st.just(2**62) | st.booleans(), max_size=3),
        "data_offsets": st.lists(st.integers(-1, 64), min_size=2, max_size=2),
    }
)


@given(st.dictionaries(st.text(max_size=3), _ENTRIES | st.none(), max_size=4), st.binary(max_size=64))
def test_what_the_official_package_refuses_is_refused(tmp_path_factory, header, data):
    path = write(tmp_path_factory.getbasetemp() / "random.safetensors", header, data)
    with contextlib.suppress(ModelFileError):
        read_headers(path)
        try:
            safe_open(path, "np").__enter__()
        except SafetensorError as error:  # pragma: no cover
            pytest.fail(f"read here, but refused by the package: {error}")


@given(st.data())
def test_changed_bytes_raise_nothing_else(tmp_path_factory, data):
    path = write(tmp_path_factory.getbasetemp() / "changed.safetensors", GOOD, DATA)
    changed = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        changed[place : place + len(piece)] = piece
    path.write_bytes(bytes(changed)[: data.draw(st.integers(0, len(changed)))])
    with contextlib.suppress(ModelFileError):
        read_headers(path)
