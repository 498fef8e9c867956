"""JSON of models: what is not strict JSON is refused in one sentence."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline.errors import ModelFileError
from roofline.readers.json_file import DEEPEST, parse_json, read_json

REFUSED = {
    "nothing at all": (b"", "is not JSON: Expecting value, line 1 column 1"),
    "no JSON": (b"{'a': 1}", "is not JSON: Expecting property name"),
    "text after the end": (b"{} x", "is not JSON: Extra data"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
    "UTF-16": ("{}".encode("utf-16"), "is UTF-16"),
    "UTF-16 without a mark": ("{}".encode("utf-16-le"), "zero byte"),
    "UTF-32": ("{}".encode("utf-32"), "is UTF-32"),
    "not UTF-8": (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
    "a key twice": (b'{"a": {"b": 1, "c": 2, "b": 1}}', "the key 'b' twice"),
    "NaN": (b"[NaN]", "the number NaN"),
    "Infinity": (b"[-Infinity]", "the number -Infinity"),
    "a float beyond all floats": (b"[1e999]", "the number 1e999"),
    "a huge integer": (b"[9223372036854775809]", "beyond 2\\*\\*63"),
    "a huge negative integer": (b"[-9223372036854775809]", "beyond 2\\*\\*63"),
    "an integer of many digits": (b"[" + b"9" * 10_000 + b"]", "beyond 2\\*\\*63"),
    "deep nesting": (b"[" * 100 + b"]" * 100, "nested more than 64"),
    "endless nesting": (b"[" * 1_000_000, "nested more than 64"),
    "half of a surrogate pair": (b'{"a": ["\\ud83d"]}', "not Unicode"),
    "half of a surrogate pair in a key": (b'[{"\\uDE00": 1}]', "not Unicode"),
}


@pytest.mark.parametrize(("data", "says"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_strict_json_is_refused_with_a_reason(data, says):
    with pytest.raises(ModelFileError, match=f"^the header.*{says}"):
        parse_json(data, "the header")


def test_the_largest_integer_and_the_deepest_table_are_read():
    assert parse_json(b"[9223372036854775808, -9223372036854775808]", "it") == [2**63, -(2**63)]
    deepest = b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1)
    assert parse_json(deepest, "it") == json.loads(deepest)
    with pytest.raises(ModelFileError, match="nested"):
        parse_json(b"[" + deepest + b"]", "it")


def test_infinity_is_read_where_it_is_allowed():
    assert parse_json(b"[Infinity, 1e999]", "it", allow_infinity=True) == [float("inf")] * 2


def test_a_whole_surrogate_pair_is_a_character():
    assert parse_json(b'"\\ud83d\\ude00"', "it") == "\N{GRINNING FACE}"


def test_a_text_that_is_too_long_is_refused():
    assert parse_json(b"[1, 2]", "it", most_bytes=6) == [1, 2]
    with pytest.raises(ModelFileError, match="more than 5 bytes"):
        parse_json(b"[1, 2]", "it", most_bytes=5)


def test_a_file_is_read_and_named_in_errors(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"a": [1, 2.5, "\N{MICRO SIGN}", null, true]}', encoding="utf-8")
    assert read_json(path) == {"a": [1, 2.5, "\N{MICRO SIGN}", None, True]}
    with pytest.raises(ModelFileError, match=r"config.json' has \d+ bytes; .* at most 9"):
        read_json(path, most_bytes=9)
    path.write_bytes(b"[")
    with pytest.raises(ModelFileError, match=r"config\.json' is not JSON"):
        read_json(path)


def test_what_is_no_file_is_refused_without_waiting(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    started = time.monotonic()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket")
        for name, says in {
            "pipe": "no regular file",
            "socket": "no regular file",
            ".": "is a folder",
            "absent": "no file",
            "loop": "symbolic links",
            "a\0b": "null",
            "x" * 5000: "too long",
        }.items():
            with pytest.raises(ModelFileError, match=says):
                read_json(tmp_path / name)
    with pytest.raises(ModelFileError, match="no regular file"):
        read_json(tmp_path.__class__("/dev/zero"))
    assert time.monotonic() - started < 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_refused(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{}")
    path.chmod(0)
    with pytest.raises(ModelFileError, match="cannot be opened: Permission denied"):
        read_json(path)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip


@given(_JSON, st.booleans())
def test_all_that_python_writes_comes_back(value, ascii_alone):
    data = json.dumps(value, ensure_ascii=ascii_alone).encode("utf-8", "surrogatepass")
    assert parse_json(data, "it") == value


@given(st.binary() | st.text(alphabet='{}[]",:\\ud80019eE+-.NaInfty ').map(str.encode))
def test_random_bytes_raise_nothing_else(data):
    with contextlib.suppress(ModelFileError):
        parse_json(data, "it")
