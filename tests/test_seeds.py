"""Inputs that seed the fuzzer of the readers, or that it once found: none may raise anything but a RooflineError."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SEEDS = sorted(path for path in (ROOT / "tests" / "seeds").glob("*/*") if path.is_file())


def _fuzzer():
    spec = importlib.util.spec_from_file_location("fuzz_readers", ROOT / "scripts" / "fuzz_readers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("path", SEEDS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_seed_is_read_or_refused_in_time(path):
    started = time.process_time()
    accepted = _fuzzer().check(path.parent.name, path.read_bytes())
    assert time.process_time() - started < 10 * _fuzzer().SLOW_S
    assert accepted or path.name.startswith("refused-")


def test_every_reader_has_a_seed():
    assert {path.parent.name for path in SEEDS} == set(_fuzzer().READERS)
