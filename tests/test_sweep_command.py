"""``roofline sweep`` on the command line."""

from __future__ import annotations

import csv
import json

import pytest

import roofline
from roofline.cli import main
from roofline.cli.sweeping import counts


def run(capsys, *arguments, code=0):
    assert main(["sweep", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.err


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("8", [8]),
        ("1,2,128k", [1, 2, 131072]),
        ("1..4", [1, 2, 3, 4]),
        ("0..10:4", [0, 4, 8]),
        ("1..20:x3", [1, 3, 9]),
        ("1,4..6,64..256:x2", [1, 4, 5, 6, 64, 128, 256]),
        ("0..64k:16k", [0, 16384, 32768, 49152, 65536]),
    ],
)
def test_counts_are_lists_steps_and_doublings(text, wanted):
    assert counts(text) == wanted


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("5..1", "a range grows"),
        ("0..8:x2", "starts from 1 or more"),
        ("1..8:x1", "by 2 or more"),
        ("1..8:0", "a step from 1 up"),
        ("0..99999999", "at most 10,000,000 values"),
        ("1,,2", "cannot read ''"),
        ("1.5", "a whole count"),
    ],
)
def test_a_list_that_cannot_be_read_is_wrong_usage(capsys, text, words):
    message = run(capsys, "llama-3.1-8b", "h100-sxm", "--batch", text, code=2)
    assert words in message
    assert message.count("\n") == 1


def test_the_table_shows_axes_figures_and_assumptions(capsys):
    page = run(capsys, "llama-3.1-8b", "h100-sxm, 2x l4", "--batch", "1..4:x2", "--engine", "vllm", "--context", "1k")
    assert "model llama-3.1-8b · engine vllm · context 1024" in page
    assert "6 points: 2 hardware × 3 batch" in page
    header = next(line for line in page.splitlines() if line.startswith("hardware"))
    assert header.split()[:3] == ["hardware", "batch", "fits"]
    prediction = roofline.predict("llama-3.1-8b", "2x l4", batch=4, engine="vllm", context=1024)
    row = next(line for line in page.splitlines() if line.startswith("2x l4         4"))
    assert f"{prediction.decode.expected.tokens_per_s:,.0f} tok/s" in row
    assert "assumes" in page


def test_what_does_not_vary_is_said_where_it_is_not_usual(capsys):
    page = run(capsys, "llama-3.1-8b", "h100-sxm", "--prompt", "1", "--batch", "1,2", "--devices", "1")
    assert page.splitlines()[0] == "model llama-3.1-8b · hardware h100-sxm · prompt 1"


def test_the_best_for_each_and_conditions(capsys):
    found = run(
        capsys,
        *("llama-3.1-8b", "h100-sxm,l4", "--weights", "default,fp8", "--batch", "1,8,64", "--context", "8k", "--json"),
        *("--where", "memory.fits", "--where", "batch<=8", "--best", "decode.ceiling.tokens_per_s", "--by", "hardware"),
    )
    points = json.loads(found)["points"]
    assert [(p["hardware"], p["weights"], p["batch"]) for p in points] == [("h100-sxm", "fp8", 8), ("l4", "fp8", 8)]


def test_the_frontier(capsys):
    found = run(
        capsys,
        *("llama-3.1-8b", "h100-sxm", "--batch", "1..64:x4", "--json", "--figures", "decode.ceiling"),
        *("--pareto", "decode.ceiling.tokens_per_s_per_stream,decode.ceiling.tokens_per_s", "--context", "4k"),
    )
    report = json.loads(found)
    assert next(iter(report)) == "schema_version"
    assert [p["batch"] for p in report["points"]] == [64, 16, 4, 1]
    assert "decode.streaming.tokens_per_s" not in report["points"][0]


def test_what_has_no_answer_is_said(capsys):
    page = run(capsys, "llama-3.1-8b", "h100-sxm", "--context", "100k,200k", "--weights", "default,mxfp4")
    assert "without an answer" in page
    assert "takes at most 131,072 tokens" in page


@pytest.mark.parametrize("suffix", ["csv", "json", "parquet"])
def test_files_hold_every_figure(capsys, tmp_path, suffix):
    path = tmp_path / f"sweep.{suffix}"
    run(capsys, "llama-3.1-8b", "h100-sxm", "--batch", "1..50", "--into", str(path), "--rows", "2")
    if suffix == "csv":
        with path.open() as file:
            rows = list(csv.DictReader(file))
    elif suffix == "json":
        rows = json.loads(path.read_text())["points"]
    else:
        import pandas as pd

        rows = pd.read_parquet(path).to_dict("records")
    assert len(rows) == 50
    assert float(rows[49]["prefill.flop"]) == roofline.predict("llama-3.1-8b", "h100-sxm", batch=50).prefill.flop


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--into", "sweep.xlsx"], 1, "ends in .csv, .json or .parquet"),
        (["--into", "missing/sweep.json"], 1, "cannot be written"),
        (["--by", "batch"], 2, "--best or --pareto"),
        (["--pareto", "memory.fits"], 2, "two figures"),
        (["--best", "decode.cieling.tokens_per_s"], 1, "did you mean"),
        (["--where", "decode.bound"], 2, "no truth value"),
        (["--figures", "decode.cieling"], 1, "did you mean"),
        (["--level", "x"], 2, "level"),
        (["--paired", "batch,prompt"], 2, "paired names 'batch'"),
    ],
)
def test_bad_options_are_one_sentence(capsys, arguments, code, words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = run(capsys, "llama-3.1-8b", "h100-sxm", *arguments, code=code)
    assert words in message
    assert message.count("\n") == 1
