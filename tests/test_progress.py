"""The bar of long work."""

from __future__ import annotations

import pytest

from roofline import progress
from roofline.progress import Progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_quick_work_shows_nothing(capsys, clock):
    with Progress(10, "points", shown=True) as bar:
        clock[0] = 0.5
        bar.advance(10)
    assert capsys.readouterr().err == ""


def test_long_work_shows_how_far_it_is_and_how_long_it_takes(capsys, clock):
    with Progress(1000, "points", shown=True) as bar:
        clock[0] = 3.0
        bar.advance(250)
        clock[0] = 3.01
        bar.advance(1)  # too soon to look again
        clock[0] = 12.0
        bar.advance(749)
    first, second = capsys.readouterr().err.split("\r")[1:]
    assert first.rstrip() == "######.................. 250 of 1,000 points, 9 s left"
    assert second == "#" * 24 + " 1,000 of 1,000 points, 0 s left \n"


def test_a_function_is_told_instead():
    told = []
    with Progress(3, "rows", shown=lambda done, total: told.append((done, total))) as bar:
        bar.at(1, 3)
        bar.at(3, 3)
    assert told == [(1, 3), (3, 3)]


def test_nothing_is_shown_without_a_terminal(capsys, clock):
    with Progress(2, "rows") as bar:
        clock[0] = 5.0
        bar.advance(2)
    assert capsys.readouterr().err == ""
