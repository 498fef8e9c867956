"""Feed a reader of model files with inputs that a fuzzer makes up: only a RooflineError may come out.

    pip install atheris
    python scripts/fuzz_readers.py gguf -max_total_time=600 tests/seeds/gguf

The reader is ``gguf``, ``safetensors``, ``json`` or ``config``; what follows goes to libFuzzer. An input that raises
anything else, or takes more than a second, is written to the current folder; keep it in ``tests/seeds/<reader>``.
"""

from __future__ import annotations

import contextlib
import io
import sys
import time
from collections import Counter
from pathlib import Path

SLOW_S = 1.0

_NOWHERE = Path("/fuzzed")


def _gguf(data: bytes) -> None:
    from roofline.readers.gguf import spec_of
    from roofline.readers.gguf_header import parse_header

    spec_of(parse_header(io.BytesIO(data), _NOWHERE, len(data) + _ROOM))


_ROOM = 1 << 40
"""Taken to follow the header, so that tensors need not be there."""


def _safetensors(data: bytes) -> None:
    from roofline.readers.safetensors import parse_header

    parse_header(io.BytesIO(data), _NOWHERE, len(data))


def _json(data: bytes) -> None:
    from roofline.readers.json_file import parse_json

    parse_json(data, "the input")


def _config(data: bytes) -> None:
    from roofline.readers.huggingface import spec_of
    from roofline.readers.json_file import parse_json

    table = parse_json(data, "the input", allow_infinity=True)
    if isinstance(table, dict):
        spec_of(table, None, "the input", "fuzzed", "file:///fuzzed", assume_known=True)


READERS = {"gguf": _gguf, "safetensors": _safetensors, "json": _json, "config": _config}


def check(reader: str, data: bytes) -> bool:
    """Whether the reader accepts the input; False if it refuses it as it should."""
    from roofline.errors import RooflineError

    try:
        READERS[reader](data)
    except RooflineError:
        return False
    return True


def main() -> None:
    """Fuzz the reader that the command line names."""
    import atheris

    reader = sys.argv.pop(1) if len(sys.argv) > 1 else ""
    if reader not in READERS:
        sys.exit(f"usage: {sys.argv[0]} {{{','.join(READERS)}}} [libFuzzer's arguments]")
    counts = Counter[str]()
    with atheris.instrument_imports(include=["roofline"]), contextlib.suppress(Exception):
        check(reader, b"")

    def once(data: bytes) -> None:
        started = time.process_time()
        counts["read" if check(reader, data) else "refused"] += 1
        if counts.total().bit_count() == 1:  # libFuzzer ends the process without a word to Python
            print(f"{reader}: {counts.total():,} inputs, {counts['read']:,} read")  # noqa: T201
        if time.process_time() - started > SLOW_S:
            raise TimeoutError(f"{len(data)} bytes took more than {SLOW_S} s")

    atheris.Setup(sys.argv, once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
