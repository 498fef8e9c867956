"""Headers of GGUF files: read in full where they are right, refused in one sentence where they are not."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import time
import tracemalloc
from pathlib import Path

import gguf
import numpy as np
import pytest
from gguf_files import TYPES, header, key, tensor, text, write_gguf
from hypothesis import given
from hypothesis import strategies as st

from roofline.errors import ModelFileError
from roofline.readers import gguf_header
from roofline.readers.gguf_header import read_gguf_header

METADATA = {"general.architecture": "llama", "llama.block_count": 2, "llama.name": "a", "llama.factor": 0.5}
TENSORS = [("token_embd.weight", (256, 8), "q4_k"), ("output_norm.weight", (256,), "f32")]


def test_a_header_of_the_official_writer_is_read(tmp_path):
    metadata = METADATA | {"llama.heads": [1, 2, 3], "llama.flags": [True, False], "llama.on": True}
    found = read_gguf_header(write_gguf(tmp_path / "a.gguf", metadata, TENSORS))
    assert found.version == 3
    assert {k: found.metadata[k] for k in metadata} == metadata | {
        "llama.heads": (1, 2, 3),
        "llama.flags": (True, False),
    }
    assert [tuple(t) for t in found.tensors] == [
        ("token_embd.weight", (256, 8), "q4_k", 8 * 144),
        ("output_norm.weight", (256,), "f32", 1024),
    ]
    assert found.tensor_bytes == 8 * 144 + 1024
    assert found.tensors[0].elements == 2048


@pytest.mark.parametrize("kind", sorted(set(TYPES) - {"q8_1"}))
def test_every_type_of_the_official_package_has_its_size(kind, tmp_path):
    elements, size = gguf.GGML_QUANT_SIZES[TYPES[kind]]
    found = read_gguf_header(write_gguf(tmp_path / "a.gguf", METADATA, [("a", (elements * 4, 3, 5), kind)]))
    assert found.tensors[0].type == kind
    assert found.tensors[0].bytes == size * 4 * 3 * 5


def test_what_is_long_is_skipped_and_what_follows_is_read(tmp_path):
    metadata = {
        "general.architecture": "llama",
        "tokenizer.chat_template": "x" * 100_000,
        "tokenizer.ggml.tokens": [f"token {i}" for i in range(50_000)],
        "tokenizer.ggml.scores": [0.5] * 50_000,
        "llama.block_count": 7,
    }
    found = read_gguf_header(write_gguf(tmp_path / "a.gguf", metadata, TENSORS))
    assert not [k for k in found.metadata if k.startswith("tokenizer")]
    assert found.metadata["llama.block_count"] == 7
    assert len(found.tensors) == 2


def test_a_file_of_a_hundred_gigabytes_takes_little_time_and_memory(tmp_path):
    tokens = [f"token {i}" for i in range(150_000)]
    path = write_gguf(
        tmp_path / "a.gguf", METADATA | {"tokenizer.ggml.tokens": tokens}, [("a", (1 << 20, 180_000), "q4_0")]
    )
    assert path.stat().st_size > 100e9
    tracemalloc.start()
    started = time.process_time()
    assert read_gguf_header(path).tensor_bytes == (1 << 20) * 180_000 // 32 * 18
    assert time.process_time() - started < 5  # a tenth of a second where nothing traces it
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4e6


def _write_shards(folder: Path, count: int = 3) -> list[Path]:
    paths = []
    for number in range(count):
        metadata = METADATA if number == 0 else {"general.architecture": "llama"}
        path = folder / f"m-{number + 1:05}-of-{count:05}.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        for name, value in metadata.items():
            if isinstance(value, int):
                writer.add_uint32(name, value)
        writer.add_uint16("split.no", number)
        writer.add_uint16("split.count", count)
        writer.add_int32("split.tensors.count", count - 1)
        if number:  # as gguf-split --no-tensor-first-split leaves it
            writer.add_tensor(f"t{number}", np.zeros(number, dtype=np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        paths.append(path)
    return paths


@pytest.mark.parametrize("given_number", [0, 1, 2])
def test_any_shard_finds_the_others(given_number, tmp_path):
    paths = _write_shards(tmp_path)
    found = read_gguf_header(paths[given_number])
    assert found.paths == tuple(paths)
    assert [t.name for t in found.tensors] == ["t1", "t2"]
    assert found.metadata["llama.block_count"] == 2


def test_a_missing_shard_is_named(tmp_path):
    paths = _write_shards(tmp_path)
    paths[1].unlink()
    with pytest.raises(ModelFileError, match=r"one of 3 shards.*no file '.*m-00002-of-00003\.gguf'"):
        read_gguf_header(paths[0])


def test_shards_that_do_not_belong_together_are_refused(tmp_path):
    (tmp_path / "other").mkdir()
    paths, others = _write_shards(tmp_path), _write_shards(tmp_path / "other", 4)
    others[1].replace(paths[1])
    with pytest.raises(ModelFileError, match=r"split.count = 4 and split.no = 1"):
        read_gguf_header(paths[0])
    paths = _write_shards(tmp_path)
    paths[2].write_bytes(paths[2].read_bytes().replace(b"t2", b"t1"))
    with pytest.raises(ModelFileError, match="'t1' twice"):
        read_gguf_header(paths[0])
    paths = _write_shards(tmp_path)
    paths[0].write_bytes(paths[0].read_bytes().replace(struct.pack("<Ii", 5, 2), struct.pack("<Ii", 5, 9)))
    with pytest.raises(ModelFileError, match=r"2 tensors together, but split.tensors.count is 9"):
        read_gguf_header(paths[0])


def test_a_shard_under_another_name_is_refused_and_so_is_a_name_without_shards(tmp_path):
    paths = _write_shards(tmp_path)
    with pytest.raises(ModelFileError, match="one of 3 shards by its header, but its name does not end in"):
        read_gguf_header(paths[0].rename(tmp_path / "m.gguf"))
    with pytest.raises(ModelFileError, match=r"is called a shard of 2, but its header has no split\.count"):
        read_gguf_header(write_gguf(tmp_path / "m-00001-of-00002.gguf", METADATA, TENSORS))


F32, STRING, ARRAY = 0, 8, 9

REFUSED = {
    "nothing": (b"", "the file is empty"),
    "another format": (b"PK\x03\x04" + bytes(100), "begins with b'PK"),
    "three bytes": (b"GGU", "begins with b'GGU'"),
    "the magic number alone": (b"GGUF", "the version takes 4 bytes"),
    "version 1": (b"GGUF" + struct.pack("<III", 1, 0, 0), "version 1 of GGUF"),
    "version 4": (header(version=4), "version 4 of GGUF"),
    "2^60 tensors": (header(tensor_count=2**60), "1152921504606846976 tensors"),
    "2^60 keys": (header(key_count=2**60), "1152921504606846976 keys"),
    "fewer tensors than announced": (header(tensor_count=3), "name of tensor 0 takes 8 bytes.*cut off"),
    "a string of 2^40 bytes": (header([key("a", STRING, struct.pack("<Q", 2**40))]), "takes 1099511627776 bytes"),
    "a name of 2^40 bytes": (header([struct.pack("<Q", 2**40)], key_count=1), "1099511627776 bytes, but at most 512"),
    "a string of 2^64 - 1 bytes": (header([key("a", STRING, b"\xff" * 8)]), "takes 18446744073709551615 bytes"),
    "an array of 2^61 numbers": (header([key("a", ARRAY, struct.pack("<IQ", 10, 2**61))]), "cut off"),
    "an array of 2^61 strings": (header([key("a", ARRAY, struct.pack("<IQ", 8, 2**61))]), "no tokenizer has more"),
    "an array of strings that ends": (header([key("a", ARRAY, struct.pack("<IQ", 8, 100))]), "cut off"),
    "arrays in an array": (header([key("a", ARRAY, struct.pack("<IQ", ARRAY, 1))]), "is an array of type 9"),
    "an unknown type of value": (header([key("a", 13, bytes(8))]), "type 13, which GGUF does not define"),
    "a truth value of 2": (header([key("a", 7, b"\2")]), "is 2, but a truth value"),
    "truth values of 2": (header([key("a", ARRAY, struct.pack("<IQ", 7, 2) + b"\1\2")]), "is 2, but a truth value"),
    "a key twice": (header([key("a", 7, b"\0")] * 2), "key 'a' is there twice"),
    "a long key twice": (header([key("a", STRING, text("b" * 5000))] * 2), "key 'a' is there twice"),
    "a key that is not UTF-8": (header([key(b"\xff", 7, b"\0")]), "not UTF-8"),
    "a value that is not UTF-8": (header([key("a", STRING, text(b"\xc3("))]), "value of 'a' .* not UTF-8"),
    "an alignment of 0": (header([key("general.alignment", 4, bytes(4))]), "alignment is 0, but a power of two"),
    "an alignment of 12": (header([key("general.alignment", 4, struct.pack("<I", 12))]), "is 12, but a power"),
    "an alignment in words": (header([key("general.alignment", STRING, text("32"))]), "is '32', but a power"),
    "split.count in words": (header([key("split.count", STRING, text("2"))]), "split.count is '2'"),
    "five dimensions": (header(tensors=[tensor("a", (1,) * 5)]), "5 dimensions, but at most 4"),
    "2^32 dimensions": (header(tensors=[text("a") + b"\xff" * 4]), "4294967295 dimensions"),
    "a dimension of 0": (header(tensors=[tensor("a", (0, 4))]), r"shape \[0, 4\], which no tensor"),
    "dimensions that overflow": (header(tensors=[tensor("a", (2**62, 2**62))]), "which no tensor can have"),
    "dimensions that overflow to a small number": (header(tensors=[tensor("a", (2**32, 2**32, 4))]), "no tensor can"),
    "a row that is no whole number of blocks": (header(tensors=[tensor("a", (100, 2), 12)]), "rows of 100 .*q4_k"),
    "no row at all": (header(tensors=[tensor("a", (), 12)]), "rows of 1 elements"),
    "an unknown type": (header(tensors=[tensor("a", (4,), 77)]), "'a' has the ggml type 77, which is not known"),
    "a retired type": (header(tensors=[tensor("a", (32,), 4)]), "ggml type 4, which is not known"),
    "an odd place": (header(tensors=[tensor("a", (4,), F32, 4)]) + bytes(100), "at 4, which is no multiple"),
    "a place outside the file": (header(tensors=[tensor("a", (4,), F32, 2**40)]) + bytes(64), "ends at 109951162"),
    "a place beyond all files": (header(tensors=[tensor("a", (4,), F32, 2**64 - 32)]) + bytes(64), "'a' ends at"),
    "a tensor that is cut off": (header(tensors=[tensor("a", (40,))]) + bytes(100), "cut off, or not yet loaded"),
    "tensors on each other": (
        header(tensors=[tensor("a", (32,)), tensor("b", (32,), F32, 96)]) + bytes(1000),
        "'a' and 'b' overlap",
    ),
    "a tensor twice": (
        header(tensors=[tensor("a", (8,)), tensor("a", (8,), F32, 32)]) + bytes(1000),
        "tensor 'a' twice",
    ),
    "a tensor's name that is not UTF-8": (header(tensors=[tensor(b"\x80", (4,))]), "not UTF-8"),
    "a tensor's name of 2000 bytes": (header(tensors=[tensor("a" * 2000, (4,))]), "2000 bytes, but at most 512"),
}


@pytest.mark.parametrize(("data", "says"), REFUSED.values(), ids=REFUSED)
def test_a_broken_header_is_refused_with_a_reason(data, says, tmp_path):
    path = tmp_path / "broken.gguf"
    path.write_bytes(data)
    with pytest.raises(ModelFileError, match=rf"(?s)broken\.gguf'.*{says}") as caught:
        read_gguf_header(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def test_a_big_endian_file_is_refused(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", METADATA, TENSORS, big_endian=True)
    with pytest.raises(ModelFileError, match="big-endian"):
        read_gguf_header(path)


def test_a_header_cut_off_anywhere_is_refused(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", METADATA | {"llama.tokens": ["ab"] * 4, "llama.heads": [1, 2]}, TENSORS)
    whole = path.read_bytes()
    for length in range(len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelFileError):
            read_gguf_header(path)
    path.write_bytes(whole)
    assert len(read_gguf_header(path).tensors) == 2


@pytest.mark.parametrize(
    ("keys", "tensors", "tail", "says"),
    [
        ([key("a", ARRAY, struct.pack("<IQ", 8, 2**25))], [], 2**28, "no tokenizer has more"),
        ([key("a", ARRAY, struct.pack("<IQ", 8, 2**22))] * 2, [], 2**28, "cut off|no tokenizer|not define"),
        ([key("a", ARRAY, struct.pack("<IQ", 10, 2**27))], [], 2**31, "no header is longer"),
        ([key(f"{i:0500}", STRING, text("v" * 4000)) for i in range(3000)], [], 0, "take more than 8388608 bytes"),
        ([], [tensor(f"{i:0500}", (4,)) for i in range(40_000)], 0, "take more than 8388608 bytes"),
    ],
    ids=["strings", "strings twice", "numbers", "keys", "names of tensors"],
)
def test_a_large_hostile_header_takes_bounded_time_and_memory(keys, tensors, tail, says, tmp_path):
    path = tmp_path / "a.gguf"
    path.write_bytes(header(keys, tensors))
    os.truncate(path, path.stat().st_size + tail)
    tracemalloc.start()
    started = time.process_time()
    with pytest.raises(ModelFileError, match=says):
        read_gguf_header(path)
    assert time.process_time() - started < 10  # about a second untraced
    assert tracemalloc.get_traced_memory()[1] < 60e6
    tracemalloc.stop()


def test_many_tensors_are_read_in_time(tmp_path):
    count = gguf_header.MOST_TENSORS
    path = tmp_path / "a.gguf"
    path.write_bytes(header(tensors=[tensor(f"blk.{i}", (8,), F32, 32 * i) for i in range(count)]))
    os.truncate(path, path.stat().st_size + 32 * (count + 1))
    started = time.process_time()
    assert len(read_gguf_header(path).tensors) == count
    assert time.process_time() - started < 5


def test_what_is_no_file_is_refused_without_waiting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    os.mkfifo(tmp_path / "pipe.gguf")
    (tmp_path / "folder.gguf").mkdir()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s.gguf")
        for name, says in {
            "pipe.gguf": "no regular file",
            "s.gguf": "no regular file",
            "folder.gguf": "is a folder",
            "absent.gguf": "no file",
        }.items():
            with pytest.raises(ModelFileError, match=says):
                read_gguf_header(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path):
    path = write_gguf(tmp_path / "a.gguf", METADATA, TENSORS)
    path.chmod(0)
    with pytest.raises(ModelFileError, match="cannot be opened: Permission denied"):
        read_gguf_header(path)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "a.gguf"
    metadata = METADATA | {"llama.tokens": ["ab", ""] * 4, "llama.heads": [1, 2], "llama.flags": [True]}
    return write_gguf(path, metadata, TENSORS).read_bytes()


@given(st.data())
def test_changed_bytes_raise_nothing_else(sample, tmp_path_factory, data):
    changed = bytearray(sample)
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(changed) - 1))
        piece = data.draw(st.binary(min_size=1, max_size=8))
        changed[place : place + len(piece)] = piece
    path = tmp_path_factory.getbasetemp() / "changed.gguf"
    path.write_bytes(bytes(changed)[: data.draw(st.integers(0, len(changed)))])
    with contextlib.suppress(ModelFileError):
        read_gguf_header(path)


@given(st.binary(max_size=300))
def test_random_bytes_raise_nothing_else(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "random.gguf"
    path.write_bytes(b"GGUF\3\0\0\0" + data)
    with contextlib.suppress(ModelFileError):
        read_gguf_header(path)
