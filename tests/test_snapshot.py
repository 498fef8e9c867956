"""Our own predictions for a grid of models and machines: a difference means that numbers moved."""

import csv
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def test_predictions_are_those_of_the_snapshot():
    sys.path.insert(0, str(ROOT / "scripts"))
    from snapshot_predictions import HEADER, PATH, rows

    committed = PATH.read_text(encoding="utf-8")
    assert committed.startswith(HEADER)
    old = list(csv.reader(committed.splitlines()[1:]))
    new = list(rows())
    assert [row[:5] for row in new] == [row[:5] for row in old]
    header = new[0]
    moved = []
    for before, after in zip(old[1:], new[1:], strict=True):
        for name, one, other in zip(header, before, after, strict=True):
            try:
                same = float(other) == pytest.approx(float(one), rel=1e-8)
            except ValueError:
                same = one == other
            if not same:
                moved.append(f"{' '.join(before[:5])} {name}: {one} -> {other}")
    assert not moved, (
        f"{len(moved)} predictions moved; if they should, run scripts/snapshot_predictions.py "
        "and say why in CHANGELOG.md:\n" + "\n".join(moved[:20])
    )
