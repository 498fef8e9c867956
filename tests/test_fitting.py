"""The fit: finds constants that made the times, leaves out what it says it leaves out, and is what the specs hold."""

from __future__ import annotations

import tomllib
import zlib
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from roofline import fitting
from roofline.calls import KINDS
from roofline.cli import main
from roofline.fitting import engines
from roofline.fitting.priors import CROWD_WEIGHT, PRIORS, SERIES_WEIGHT
from roofline.fitting.solve import solve
from roofline.fitting.table import held_out, log_expected, table
from roofline.fitting.writing import MARK, fitted_table
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


def _ends(values, groups):
    found = engines._quantiles(np.asarray(values), np.asarray(groups), (0.05, 0.95))
    return (found / engines._spread(0.05, len(set(groups)))).tolist()


def test_quantiles_are_the_values_that_so_much_lies_beyond():
    alone = [str(i) for i in range(100)]
    assert _ends(np.arange(100.0), alone) == pytest.approx([5.0, 94.0])
    assert _ends(np.arange(10.0), alone[:10]) == pytest.approx([0.0, 9.0])  # too few: the extremes
    found = engines._quantiles(np.arange(19.0) - 9, np.array(alone[:19]), PROBABILITIES).tolist()
    assert found == sorted(found)


def test_quantiles_of_few_groups_are_spread_as_student_says():
    # t at 95 %: 2.920 with 2 degrees of freedom, 1.860 with 8; normal 1.645 (any table)
    assert engines._spread(0.05, 3) == pytest.approx(2.920 / 1.645 * (4 / 3) ** 0.5, rel=0.02)
    assert engines._spread(0.95, 9) == pytest.approx(1.860 / 1.645 * (10 / 9) ** 0.5, rel=0.002)
    assert engines._spread(0.5, 3) == 1.0
    assert engines._spread(0.95, 10_000) == pytest.approx(1.0, abs=1e-3)


def test_a_large_group_counts_no_more_than_a_small_one_in_quantiles():
    values = np.concatenate([np.full(1000, 50.0), np.arange(39.0)])
    groups = np.array(["large"] * 1000 + [str(i) for i in range(39)])
    assert _ends(values, groups) == pytest.approx([2.0, 37.0])


def test_a_group_is_held_as_often_as_the_level_says():
    rng = np.random.default_rng(1)
    held = []
    for _ in range(1000):
        offsets, sizes = rng.normal(0, 1, 40), rng.integers(1, 30, 40)
        names = np.repeat(np.arange(40), sizes)
        values = offsets[names] + rng.normal(0, 0.3, len(names))
        mine = names == 0
        low, high = engines._quantiles(values[~mine], names[~mine], (0.05, 0.95))
        held.append(np.mean((values[mine] >= low) & (values[mine] <= high)))
    assert 0.87 < np.mean(held) < 0.93


@pytest.mark.parametrize(("true", "least", "most"), [(0.08, 0.055, 0.1), (0.6, 0.125, 0.125)])
def test_widths_and_noise_of_made_up_rows_are_found_within_a_bound(true, least, most, corpus):
    every, _ = corpus
    t = table([r for r in fitting.rows_of("llama.cpp", every) if r.fitted and r.kind == "decode"])
    t = t.part(np.arange(len(t.rows)) % 2 == 0)
    rng = np.random.default_rng(2)
    devices = {name: rng.normal(0, true) for name in set(t.labels("device"))}
    first = solve(t, rounds=1)
    expected = log_expected(t, replace(first, steps=np.zeros(len(first.steps))).constants(t))
    made = expected - np.array([devices[d] for d in t.labels("device")]) + rng.normal(0, 0.02, len(expected))
    found = solve(t._replace(log_seconds=made), rounds=12)
    assert least <= found.widths["weight_bandwidth", "device"] <= most
    assert found.widths["weight_bandwidth", "build"] < 0.1
    assert found.noise["decode"] < 0.06


def test_a_part_of_a_table_keeps_works_times_and_weights(corpus):
    every, crowds = corpus
    t = table(fitting.rows_of("mlx", every), crowds)
    part = t.part(t.kind == "decode")
    assert len(part.rows) == (t.kind == "decode").sum() < len(t.rows)
    assert [r.kind for r in part.rows] == part.kind.tolist() == ["decode"] * len(part.rows)
    assert part.weight.tolist() == t.weight[t.kind == "decode"].tolist()
    assert part.step.stream[0].tolist() == t.step.stream[0][t.kind == "decode"].tolist()


def test_rows_of_one_series_share_what_they_count(corpus):
    every, _ = corpus
    rows = [r for r in fitting.rows_of("vllm", every) if r.fitted and r.kind == "per token"]
    t = table(rows)
    totals = Counter()
    for row, weight in zip(rows, t.weight, strict=True):
        totals[row.series] += weight
    assert max(totals.values()) == pytest.approx(SERIES_WEIGHT)


def test_rows_of_a_crowd_count_less(corpus):
    every, _ = corpus
    rows = fitting.rows_of("mlx", every)
    mine = np.array([r.measurement.source == rows[0].measurement.source for r in rows])
    ratio = table(rows, {rows[0].measurement.source}).weight / table(rows).weight
    assert ratio.tolist() == pytest.approx(np.where(mine, CROWD_WEIGHT, 1.0).tolist())


@pytest.fixture(scope="module")
def made(corpus):
    """Return a fit of served rows that is right but for one device, which takes twice as long as expected."""
    every, _ = corpus
    rows = [r for r in fitting.rows_of("vllm", every) if r.fitted and r.kind in {"per token", "first token"}]
    t = table(rows)
    slow, first = (t.labels("device") == "dgx-spark"), (t.kind == "first token")
    expected = t.log_seconds - np.log(2) * slow + np.where(first, 7.0, 0.0)
    return engines.EngineFit("vllm", t, None, expected, {"device": expected}, {"device": t.labels("device")})


def test_an_interval_knows_nothing_of_the_group_that_it_is_for(made):
    held = engines.covered(made, "device")
    tokens, slow = made.rows.kind == "per token", made.rows.labels("device") == "dgx-spark"
    assert held[tokens & slow].max() == 0
    assert held[tokens & ~slow].min() == 1


def test_errors_are_shares_of_what_was_measured(made):
    off = engines.errors(made.rows, made.expected)
    tokens, slow = made.rows.kind == "per token", made.rows.labels("device") == "dgx-spark"
    assert off[tokens & slow] == pytest.approx(0.5)  # expected half the time
    rate = [r._replace(measurement=replace(r.measurement, metric="decode_tok_per_s")) for r in made.rows.rows]
    assert engines.errors(made.rows._replace(rows=rate), made.expected)[tokens & slow] == pytest.approx(1.0)


def test_large_groups_are_listed_one_by_one(made):
    listed = {(f["group"], f["metric"]): f for f in engines.folds(made)}
    sizes = Counter((r.device, r.kind) for r in made.rows.rows)
    assert set(listed) == {key for key, size in sizes.items() if size > 50}
    spark = listed["dgx-spark", "per token"]
    assert (spark["coverage"], spark["median_ape"], spark["bias"]) == pytest.approx((0, 0.5, -0.5))


def test_first_tokens_say_nothing_of_other_times(made):
    tables = {r["metric"]: r for r in engines.residuals(made)}
    assert min(tables["any"]["quantiles"]) > -1
    assert min(tables["first token"]["quantiles"]) < -6
    assert tables["any"]["rows"] == (made.rows.kind == "per token").sum()


def test_held_out_sources_change_no_constant(corpus):
    every, crowds = corpus
    rows = [r for r in fitting.rows_of("sglang", every) if r.kind in {"decode", "per token"}]
    apart = [r for r in rows if r.held_out]
    assert {(r.engine, r.measurement.source) for r in apart} <= held_out()
    assert len(apart) >= 5
    wrong = [r._replace(seconds=r.seconds * 9) if r.held_out else r for r in rows]
    first, second = (fitting.fit_engine("sglang", some, crowds, left_out=()) for some in (rows, wrong))
    assert first.solution.steps.tolist() == second.solution.steps.tolist()
    assert fitted_table(first, "2026-11-21")["rows"] == sum(r.fitted for r in rows) < len(rows)
    told = {a["left_out"]: a for a in engines.accuracy(first) if a["metric"] == "decode"}
    assert told["held out"]["rows"] == sum(r.kind == "decode" for r in apart)
    assert told["nothing"]["rows"] == sum(r.kind == "decode" and r.fitted for r in rows)


def test_every_source_held_out_is_one_that_the_rule_names():
    for _, source in held_out():
        assert zlib.crc32(source.encode()) % 10 == 1


def test_rows_that_are_passed_over_are_counted_by_the_reason(corpus):
    every, _ = corpus
    mine = [row for row in every if row.engine == "mlx" and row.metric in KINDS]
    reasons = Counter()
    found = fitting.rows_of("mlx", every, passed_over=reasons)
    assert len(found) + reasons.total() == len(mine)
    assert reasons["prompt length not stated"] == 2


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
    rows = [r for r in fitting.rows_of(engine, every) if r.fitted]
    found = engines.constants(solve(table(rows, crowds)))
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
