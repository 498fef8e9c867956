"""Measurements: the schema, how a row becomes a call, and what is above its ceiling."""

from __future__ import annotations

import csv
import subprocess
import sys

import pytest

import roofline
from roofline import measurements
from roofline.errors import MeasurementError, UnknownNameError, WorkloadError
from roofline.validation import RowResult, _groups, validate

ROW = {
    "id": "a-1",
    "source": "a",
    "date": "2026",
    "hardware": "h100-sxm",
    "devices": "1",
    "model": "llama-3.1-8b",
    "weights": "bf16",
    "engine": "vllm",
    "batch": "1",
    "metric": "decode_tok_per_s",
    "value": "100",
}


def write(path, *rows, columns=measurements.COLUMNS):
    extra = sorted({key for row in rows for key in row} - set(columns))
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, [*columns, *extra])
        table.writeheader()
        table.writerows({name: row.get(name, "") for name in (*columns, *extra)} for row in rows)
    return path


def one(tmp_path, **changes):
    found = validate([write(tmp_path / "a.csv", ROW | changes)])
    return found.rows_detail[0] if found.rows_detail else next(iter(found.unresolved))


# --- the articles


def test_the_articles_are_all_read_and_nearly_all_evaluated():
    found = validate()
    assert found.rows == 45
    assert found.evaluated == 42
    assert found.unresolved == {"why_excluded": 2, "speculative: mtp": 1}


def test_only_the_impossible_claims_are_above_the_ceiling():
    violations = validate().ceiling_violations
    assert {(v.id, v.measured) for v in violations} == {
        ("gentic-sambanova-m2.7-02", 80),
        ("gentic-sambanova-m2.7-03", 120),
    }
    assert all("impossible" in v.note for v in violations)
    assert [round(v.ratio, 1) for v in violations] == [5.0, 3.3]


def test_memory_of_the_articles_is_predicted_within_2_percent():
    rows = [r for r in validate().rows_detail if r.metric in measurements.AMOUNTS]
    assert len(rows) == 7
    assert all(r.ape < 0.02 for r in rows)


def test_every_row_of_ours_says_what_it_is_and_has_a_source():
    with (measurements.data_folder("measurements") / "sources.csv").open(encoding="utf-8", newline="") as file:
        sources = {row["source"]: row for row in csv.DictReader(file)}
    seen = set()
    for path in measurements.files():
        rows = list(measurements.read(path))
        assert path.stem in sources
        assert sources[path.stem]["url"].startswith("https://")
        assert int(sources[path.stem]["rows"]) == len(rows)
        for row in rows:
            assert row.source == path.stem
            assert row.id not in seen
            seen.add(row.id)


# --- how a row becomes a call


def test_decode_is_compared_with_one_stream_of_the_batch(tmp_path):
    row = one(tmp_path, batch="8", context="1000", kv="bf16")
    decode = roofline.predict("llama-3.1-8b", "h100-sxm", weights="bf16", kv="bf16", batch=8, context=1000).decode
    assert row.ceiling == decode.ceiling.tokens_per_s_per_stream
    total = one(tmp_path, batch="8", context="1000", kv="bf16", metric="decode_tok_per_s_total")
    assert total.ceiling == decode.ceiling.tokens_per_s


def test_what_is_not_stated_makes_the_ceiling_loose(tmp_path):
    stated = one(tmp_path, context="1000", kv="bf16")
    assert one(tmp_path, context="1000").ceiling > stated.ceiling  # the narrowest cache of the engine
    narrowest = roofline.predict("llama-3.1-8b", "h100-sxm", weights="bf16", kv="fp8", context=1000)
    assert one(tmp_path, context="1000").ceiling == narrowest.decode.ceiling.tokens_per_s
    assert one(tmp_path, context="", kv="bf16").ceiling > stated.ceiling  # an empty cache
    assert one(tmp_path, context="", prompt_tokens="1000", kv="bf16").ceiling == stated.ceiling  # the prompt's length


def test_prefill_and_first_token(tmp_path):
    prefill = roofline.predict(
        "llama-3.1-8b", "h100-sxm", weights="bf16", kv="bf16", batch=4, prompt=1000, cached=500
    ).prefill
    options = {"prompt_tokens": "1000", "context": "500", "kv": "bf16", "batch": "4"}
    assert one(tmp_path, metric="prefill_tok_per_s", **options).ceiling == prefill.ceiling.tokens_per_s
    first = roofline.predict("llama-3.1-8b", "h100-sxm", weights="bf16", kv="bf16", prompt=1000, cached=500).prefill
    row = one(tmp_path, metric="ttft_s", value="0.2", **options)
    assert row.ceiling == first.ceiling.seconds
    assert row.ratio == row.ceiling / 0.2


def test_tpot_is_compared_with_one_stream(tmp_path):
    row = one(tmp_path, metric="tpot_s", value="0.01", batch="64", prompt_tokens="1000", kv="bf16")
    step = roofline.predict("llama-3.1-8b", "h100-sxm", weights="bf16", kv="bf16", context=1000).decode.ceiling
    assert row.ceiling == step.seconds_per_step


def test_a_whole_run_is_compared_with_its_total_work(tmp_path):
    options = {"batch": "8", "prompt_tokens": "1000", "output_tokens": "100", "kv": "bf16"}
    serving = roofline.predict(
        "llama-3.1-8b", "h100-sxm", weights="bf16", kv="bf16", concurrency=8, prompt=1000, output=100
    ).serving
    assert one(tmp_path, metric="output_tok_per_s", **options).ceiling == serving.output_tok_per_s.ceiling
    assert one(tmp_path, metric="total_tok_per_s", **options).ceiling == serving.total_tok_per_s.ceiling


def test_amounts_have_an_error_and_no_ceiling(tmp_path):
    row = one(tmp_path, metric="weights_bytes", value="17000000000", devices="")
    assert row.ceiling is row.ratio is None
    assert row.expected == 16060522496
    assert row.ape == pytest.approx(1 - 16.060522496 / 17)
    tokens = one(tmp_path, metric="kv_cache_tokens", value="500000", kv="bf16", engine="")
    assert tokens.expected == (81559 * 2**20 - 16060522496) // 131072


def test_the_cache_that_an_engine_prints_is_without_recurrent_state(tmp_path):
    """llama.cpp of Qwen3-Next at 132,352 tokens: 3102 MiB; 2 x 2 heads x 256 x 2 bytes in each of 12 layers."""
    changes = {"metric": "kv_cache_bytes", "model": "qwen3-next-80b-a3b", "kv": "f16", "engine": "llama.cpp"}
    row = one(tmp_path, context="132352", value="3252682752", **changes)
    assert (row.expected, row.ape) == (3252682752, 0)
    pool = one(tmp_path, value="61460982006", **changes)  # of no stated length, by an engine that has no pool
    assert (pool.expected, pool.ape) == (None, None)


def test_a_windowed_cache_holds_more_tokens_than_its_slope_says(tmp_path):
    changes = {"model": "gpt-oss-20b", "weights": "native", "engine": ""}
    row = one(tmp_path, metric="kv_cache_tokens", value="1", kv="bf16", **changes)
    memory = roofline.predict("gpt-oss-20b", "h100-sxm").memory
    room = memory.capacity_bytes - memory.weights_bytes
    windows = 12 * 128 * 2 * 8 * 64 * 2
    assert row.expected == (room - windows) // memory.kv_bytes_per_token


def test_summaries_of_groups():
    rows = [_amount(i, expected) for i, expected in enumerate((50.0, 90.0, 100.0, 120.0, 300.0))]
    group = next(iter(_groups(rows)))
    assert (group.n, group.median_ape, group.p90_ape) == (5, 0.2, 2.0)
    assert group.bias == 0.0
    assert next(iter(_groups(rows[3:]))).bias == pytest.approx(1.1)  # expected over measured


def _amount(number, expected):
    ape = abs(expected - 100) / 100
    return RowResult(str(number), "memory_bytes", "", 100.0, None, None, expected, None, None, ape, "")


def test_a_stated_file_size_rescales_or_sets_aside(tmp_path):
    plain = one(tmp_path, weights="q4_k_m", engine="llama.cpp")
    smaller = one(tmp_path, weights="q4_k_m", engine="llama.cpp", weights_bytes="4800000000")
    assert smaller.ceiling > plain.ceiling
    assert one(tmp_path, weights="q4_k_m", weights_bytes="9e9") == "weights_bytes is not that of the recipe"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"why_excluded": "wrong"}, "why_excluded"),
        ({"anomaly": "faster than light"}, "anomaly"),
        ({"note": "cpu_offload: half"}, "cpu_offload"),
        ({"source": "context_parallel"}, "context_parallel"),
        ({"speculative": "mtp"}, "speculative: mtp"),
        ({"model": "llama-9"}, "unknown model: llama-9"),
        ({"hardware": "h900"}, "unknown hardware: h900"),
        ({"weights": "iq9"}, "unknown weights or cache format: iq9"),
        ({"kv": "q9"}, "unknown weights or cache format: bf16 q9"),
        ({"weights": ""}, "weights not stated"),
        ({"devices": ""}, "devices not stated"),
        ({"batch": "10000000000"}, "refused: batch is 10000000000, but at most 1,000,000,000 is believable here"),
        ({"model": "./absent.toml"}, "unknown model: ./absent.toml"),
        ({"context": "999999"}, "longer than the model's published maximum"),
        ({"metric": "output_tok_per_s", "batch": ""}, "batch of a whole run not stated"),
        ({"metric": "total_tok_per_s", "batch": "1"}, "prompt length not stated"),
        ({"metric": "total_tok_per_s", "prompt_tokens": "10"}, "output length not stated"),
    ],
)
def test_rows_set_aside_are_counted_by_reason(tmp_path, changes, reason):
    assert one(tmp_path, **changes) == reason


def test_a_prompt_of_unknown_length_takes_the_loosest_ceiling(tmp_path):
    stated = {"weights": ROW["weights"], "kv": "bf16"}
    first = one(tmp_path, metric="ttft_s", value="9", kv="bf16")
    shortest = roofline.predict(ROW["model"], ROW["hardware"], prompt=1, **stated)
    assert first.ceiling == pytest.approx(shortest.prefill.ceiling.seconds)
    assert first.expected is None
    rate = one(tmp_path, metric="prefill_tok_per_s", kv="bf16").ceiling
    every = roofline.sweep(ROW["model"], ROW["hardware"], prompt=range(1, 20_001), fields=["prefill.ceiling"], **stated)
    assert rate == pytest.approx(every.prefill.ceiling.tokens_per_s.max(), rel=1e-12)
    assert one(tmp_path, metric="prefill_tok_per_s").expected is None


def test_a_violation_is_better_by_more_than_one_percent(tmp_path):
    ceiling = one(tmp_path).ceiling
    rows = [ROW | {"id": f"r{i}", "value": repr(ceiling * f)} for i, f in enumerate((0.5, 1.0, 1.009, 1.011))]
    found = validate([write(tmp_path / "b.csv", *rows)])
    assert [v.id for v in found.ceiling_violations] == ["r3"]
    least = one(tmp_path, metric="tpot_s").ceiling
    rows = [ROW | {"id": f"t{i}", "metric": "tpot_s", "value": repr(least * f)} for i, f in enumerate((2, 1, 0.95))]
    assert [v.id for v in validate([write(tmp_path / "c.csv", *rows)]).ceiling_violations] == ["t2"]


def test_groups_are_per_metric_and_engine_with_all_of_them_under_no_name(tmp_path):
    rows = [ROW | {"id": f"r{i}", "engine": e} for i, e in enumerate(("vllm", "vllm", "sglang"))]
    groups = {(g.metric, g.engine): g.n for g in validate([write(tmp_path / "b.csv", *rows)]).groups}
    assert groups == {("decode_tok_per_s", ""): 3, ("decode_tok_per_s", "vllm"): 2, ("decode_tok_per_s", "sglang"): 1}


def test_filters_keep_the_rows_that_they_name():
    assert validate(model="gemma-4-31b").rows == 1
    assert validate(engine="sambanova", metric="ttft_s").rows == 2
    assert validate(hardware="gb10").rows == validate(hardware="DGX-Spark").rows == 10
    assert validate(hardware="rtx-4090").rows == 0  # known, but nothing was measured on it here
    with pytest.raises(UnknownNameError, match="no hardware is named 'no-such-thing'"):
        validate(hardware="no-such-thing")
    with pytest.raises(UnknownNameError, match="no metric is named 'ttft'; did you mean ttft_s"):
        validate(metric="ttft")


def test_json_has_the_keys_of_the_contract():
    found = validate().to_dict()
    assert {"rows", "evaluated", "unresolved", "ceiling_violations", "groups"} <= set(found)
    assert "rows_detail" not in found
    assert {"id", "metric", "measured", "ceiling", "ratio"} <= set(found["ceiling_violations"][0])
    assert {"metric", "engine", "n", "median_ape", "p90_ape", "bias", "coverage", "level"} <= set(found["groups"][0])
    detail = validate().to_dict(rows=True)["rows_detail"][0]
    assert {"id", "metric", "measured", "ceiling", "expected", "low", "high", "ape"} <= set(detail)


def test_a_model_may_be_a_path_beside_the_file(tmp_path):
    from test_specs import DEVICE

    (tmp_path / "box.toml").write_text(DEVICE)
    assert one(tmp_path, hardware="./box.toml").ceiling > 0


# --- the schema


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "speed"}, "metric is 'speed', but one of"),
        ({"value": ""}, "value is '', but a number above 0"),
        ({"value": "0"}, "value is '0', but a number above 0"),
        ({"value": "fast"}, "value is 'fast', but a number above 0"),
        ({"value": "nan"}, "value is 'nan', but a number above 0"),
        ({"value": "inf"}, "value is 'inf', but a number above 0"),
        ({"weights_bytes": "0"}, "weights_bytes is '0', but a number above 0 or an empty cell"),
        ({"batch": "0"}, "batch is '0', but a whole number from 1 up"),
        ({"devices": "0"}, "devices is '0', but a whole number from 1 up"),
        ({"batch": "1.5"}, "batch is '1.5', but a whole number"),
        ({"batch": "-1"}, "batch is '-1', but a whole number"),
        ({"speculative": "maybe"}, "speculative is 'maybe', but one of none"),
        ({"colour": "red"}, "unknown columns colour"),
    ],
)
def test_a_row_that_breaks_the_schema_names_file_and_line(tmp_path, changes, message):
    with pytest.raises(MeasurementError, match=message) as caught:
        validate([write(tmp_path / "a.csv", ROW | changes)])
    assert str(tmp_path / "a.csv") in str(caught.value)


def test_files_that_are_no_measurements_fail_in_one_sentence(tmp_path):
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "short.csv").write_text(",".join(measurements.COLUMNS) + "\na,b\n")
    (tmp_path / "odd.csv").write_bytes(b"\xff\xfe\x00\x01")
    for name, message in (
        ("empty", "are missing"),
        ("short", "more or fewer cells"),
        ("odd", "not a text file in UTF-8"),
    ):
        with pytest.raises(MeasurementError, match=message):
            validate([tmp_path / f"{name}.csv"])
    (tmp_path / "folder").mkdir()
    with pytest.raises(MeasurementError, match="holds no measurement files"):
        validate([tmp_path / "folder"])


def test_an_id_names_one_row(tmp_path):
    path = write(tmp_path / "a.csv", ROW, ROW | {"value": "90"})
    with pytest.raises(MeasurementError, match="the id 'a-1' stands in more than one row"):
        validate([path])
    single = write(tmp_path / "b.csv", ROW)
    with pytest.raises(MeasurementError, match="the id 'a-1'"):
        validate([single, single])


def test_a_column_stands_once(tmp_path):
    path = write(tmp_path / "a.csv", ROW, columns=[*measurements.COLUMNS, "value"])
    with pytest.raises(MeasurementError, match="columns value stand there more than once"):
        validate([path])


def test_a_byte_order_mark_is_no_column(tmp_path):
    path = write(tmp_path / "a.csv", ROW)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert validate([path]).evaluated == 1


@pytest.mark.slow
def test_no_published_measurement_beats_the_ceiling_and_intervals_hold_most():
    found = validate(["published"])
    assert found.ceiling_violations == ()
    assert found.evaluated > 8000
    for metric in ("decode_tok_per_s", "prefill_tok_per_s", "tpot_s"):
        group = next(g for g in found.groups if (g.metric, g.engine, g.layout) == (metric, "", ""))
        assert group.median_ape < 0.25
        assert group.coverage > 0.85


def test_the_page_on_accuracy_is_that_of_the_engine_specs():
    done = subprocess.run(
        [sys.executable, "scripts/accuracy.py", "--check"], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_expected_and_interval_stand_beside_a_measurement(tmp_path):
    row = one(tmp_path, model="llama-3.1-8b", weights="q4_k_m", hardware="rtx-4090", devices="1", engine="llama.cpp")
    assert row.low <= row.expected <= row.high <= row.ceiling
    assert row.ape == pytest.approx(abs(row.expected - row.measured) / row.measured)


def test_a_served_row_without_streams_has_no_expected_value(tmp_path):
    options = {"metric": "tpot_s", "value": "0.02", "batch": "", "prompt_tokens": "1000", "output_tokens": "100"}
    assert one(tmp_path, **options).expected is None
    assert one(tmp_path, **(options | {"batch": "4"})).expected > 0


def test_rows_with_stages_or_replicas_are_reported_apart(tmp_path):
    plain = ROW | {"id": "a", "engine": "vllm", "devices": "2", "tp": "2"}
    apart = ROW | {"id": "b", "engine": "vllm", "devices": "2", "tp": "1", "dp": "2"}
    groups = validate([write(tmp_path / "a.csv", plain, apart)]).groups
    assert [(g.engine, g.layout, g.n) for g in groups] == [
        ("", "", 2),
        ("", "apart", 1),
        ("vllm", "", 2),
        ("vllm", "apart", 1),
    ]


def test_what_is_left_out_can_be_chosen_and_only_what_exists():
    found = validate(["published"], engine="mlx", left_out="model")
    assert any(r.expected is not None for r in found.rows_detail)
    with pytest.raises(WorkloadError, match="left_out is 'moon'"):
        validate(left_out="moon")


def test_a_file_is_read_by_a_path_or_its_text():
    path = measurements.data_folder("measurements") / "infercom-sn40l.csv"
    assert list(measurements.read(str(path))) == list(measurements.read(path))
