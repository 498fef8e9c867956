"""The fit: finds constants that made the times, leaves out what it says it leaves out, and is what the specs hold."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

from roofline import fitting
from roofline.cli import main
from roofline.fitting import engines
from roofline.fitting.priors import PRIORS
from roofline.fitting.solve import solve, solve_in_turn
from roofline.fitting.table import log_expected, table
from roofline.fitting.writing import MARK
from roofline.specs import load_engine
from roofline.specs.catalog import find
from roofline.specs.speed import PROBABILITIES


@pytest.fixture(scope="module")
def corpus():
    return fitting.read(None)


@pytest.fixture(scope="module")
def mlx(corpus):
    every, crowds = corpus
    return fitting.fit_engine("mlx", fitting.rows_of("mlx", every), crowds)


def test_constants_that_made_the_times_are_found_again(corpus):
    every, _ = corpus
    rows = [r for r in fitting.rows_of("sglang", every) if r.plain and r.kind == "per token"]
    t = table(rows)
    true = solve(t)
    made = t._replace(log_seconds=log_expected(t, true.constants(t)))
    found = solve(made)
    off = np.abs(log_expected(made, found.constants(made)) - made.log_seconds)
    assert np.median(off) < 0.03  # the priors draw a little
    assert off.max() < 0.15


def test_one_false_measurement_hardly_moves_the_others(corpus):
    every, _ = corpus
    t = table([r for r in fitting.rows_of("mlx", every) if r.plain])
    off = t.log_seconds.copy()
    off[0] += 3.0
    change = log_expected(t, solve(t._replace(log_seconds=off)).constants(t)) - log_expected(t, solve(t).constants(t))
    assert np.median(np.abs(change)) < 0.05


def test_what_is_left_out_changes_nothing_of_what_is_expected_of_it(corpus):
    every, crowds = corpus
    rows = fitting.rows_of("mlx", every)
    first = fitting.fit_engine("mlx", rows, crowds, left_out=("device",))
    device = rows[0].device
    wrong = [r._replace(seconds=r.seconds * 5) if r.device == device else r for r in rows]
    second = fitting.fit_engine("mlx", wrong, crowds, left_out=("device",))
    same = np.array([r.device == device for r in rows])
    folds = np.array(engines._folds(first.rows, "device")[0])
    mine = same & (folds == folds[0])
    # The start of the search is the fit of all rows; a minimum is a minimum wherever the search began.
    assert np.abs(first.left_out["device"] - second.left_out["device"])[mine].max() < 0.02


def test_coverage_is_counted_with_the_residuals_of_other_groups_only(mlx):
    low, high = engines.left_out_intervals(mlx, "device", 0.9)
    assert np.isnan(low).all()  # too few rows for an interval of their own
    assert np.isnan(high).all()


def test_quantiles_leave_room_for_one_more_value():
    values = np.arange(19.0)
    many = 1_000_000_000
    assert engines._quantiles(values, (0.05, 0.95), many).tolist() == pytest.approx([0.0, 18.0])
    assert engines._quantiles(np.arange(99.0), (0.05, 0.95), many).tolist() == pytest.approx([4.0, 94.0])
    assert engines._quantiles(values - 9, (0.05, 0.95), 2).tolist() == pytest.approx([-13.5, 13.5])
    found = engines._quantiles(values, PROBABILITIES, many).tolist()
    assert found == sorted(found)


def test_a_spec_written_by_the_fit_reads_back(mlx, tmp_path):
    target = tmp_path / "mlx.toml"
    target.write_text(find("mlx", "engine").read_text(encoding="utf-8"), encoding="utf-8")
    fitting.write(target, mlx, "2026-11-21")
    assert target.read_text(encoding="utf-8").count(MARK) == 1
    again = load_engine(target).fitted
    assert set(again.constants) == set(PRIORS)
    assert again.date == "2026-11-21"


@pytest.mark.parametrize("engine", ["mlx", "sambanova"])
def test_committed_constants_are_what_the_fit_gives(engine, corpus):
    _same_constants(engine, corpus)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["llama.cpp", "vllm", "sglang", "tensorrt-llm"])
def test_committed_constants_of_large_fits_are_what_the_fit_gives(engine, corpus):
    _same_constants(engine, corpus)


def _same_constants(engine, corpus):
    every, crowds = corpus
    rows = [r for r in fitting.rows_of(engine, every) if r.plain]
    found = engines.constants(solve_in_turn(table(rows, crowds)))
    for name, constant in load_engine(engine).fitted.constants.items():
        assert found[name]["value"] == pytest.approx(constant.value, rel=0.05), name


def test_the_command_writes_specs_and_reports(tmp_path, capsys):
    assert main(["fit", "--engine", "mlx", "--into", str(tmp_path), "--date", "2026-11-21"]) == 0
    out = capsys.readouterr()
    assert "weight_bandwidth" in out.out
    assert "left out by device" in out.err
    assert tomllib.loads((tmp_path / "mlx.toml").read_text(encoding="utf-8"))["fitted"]["date"] == "2026-11-21"


def test_too_few_measurements_fail_in_one_sentence(tmp_path, capsys):
    source = find("mlx", "engine").parent.parent / "measurements" / "setupai-rtx-pro-6000.csv"
    assert main(["fit", str(source), "--engine", "mlx", "--into", str(tmp_path)]) == 1
    assert "no engine has enough measurements" in capsys.readouterr().err
