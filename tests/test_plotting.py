"""``roofline plot``: what it writes where, and one sentence for each bad input."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import roofline
import roofline.plots
from roofline.cli import main, plotting

SPARK = ["minimax-m2.7", "dgx-spark", "--weights", "ud-iq4_xs", "--engine", "llama.cpp"]
KINDS = ["roofline", "waterfall", "context", "batch", "memory", "heatmap", "pareto", "kv", "accuracy"]
BEGINNINGS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def run(capsys, *arguments):
    code = main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.fixture
def drawn(monkeypatch):
    """Keep the axes that are saved."""
    kept = []
    save = roofline.plots.save
    monkeypatch.setattr(roofline.plots, "save", lambda ax, path: (kept.append(ax), save(ax, path)))
    return kept


def test_the_kinds_are_those_of_the_contract():
    assert list(plotting.KINDS) == KINDS
    assert list(plotting.DRAWN) == KINDS


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_the_options_of_predict_and_writes_a_picture(capsys, tmp_path, kind):
    file = tmp_path / "a.png"
    small = ["--prompt", "1k", "--output", "128", "--concurrency", "2"] if kind in {"heatmap", "pareto"} else []
    code, out, err = run(capsys, "plot", kind, *SPARK, "--context", "32k", "--level", "0.8", *small, "-o", file)
    assert (code, out) == (0, f"{file}\n")
    assert err == "" or kind == "accuracy"
    assert file.read_bytes().startswith(BEGINNINGS["png"])
    assert file.stat().st_size > 10_000


@pytest.mark.parametrize("kind", BEGINNINGS)
def test_the_suffix_says_the_format(capsys, tmp_path, kind):
    for name in (f"a.{kind}", f"a.b.{kind.upper()}"):
        assert run(capsys, "plot", "memory", *SPARK, "-o", tmp_path / name)[0] == 0
        assert (tmp_path / name).read_bytes().startswith(BEGINNINGS[kind])


def test_options_reach_the_picture(capsys, tmp_path, drawn):
    options = ["--kv", "q4_0", "--batch", "3", "--context", "8k", "--phase", "prefill", "--prompt", "2_048"]
    assert run(capsys, "plot", "waterfall", *SPARK, *options, "-o", tmp_path / "a.svg")[0] == 0
    title = drawn[0].get_title(loc="left")
    assert "ud-iq4_xs weights · q4_0 cache · llama.cpp · prefill of 6k tokens" in title.replace("\n", " ")
    assert run(capsys, "plot", "context", *SPARK, "--context", "0,4k,8k", "-o", tmp_path / "a.svg")[0] == 0
    assert list(drawn[1].lines[0].get_xdata()) == [0, 4096, 8192]
    metric = ["--metric", "ttft_s", "--prompt", "128,1k", "--output", "16,32", "--concurrency", "4"]
    assert run(capsys, "plot", "heatmap", *SPARK, *metric, "-o", tmp_path / "a.svg")[0] == 0
    p = roofline.predict(
        "minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", engine="llama.cpp", prompt=1024, output=32, concurrency=4
    )
    assert drawn[2].images[0].get_array()[1, 1] == pytest.approx(p.serving.ttft_s.value)


def test_lists_of_hardware_and_options_are_lines_and_bars(capsys, tmp_path, drawn):
    boxes = ["2x", "rtx-pro-6000,", "h100-sxm"]
    assert run(capsys, "plot", "pareto", "gpt-oss-120b", *boxes, "--per-device", "-o", tmp_path / "a.png")[0] == 0
    labels = [line.get_label() for line in drawn[0].lines]
    assert [label.split(",")[0] for label in labels] == [
        "2 × NVIDIA RTX PRO 6000 Blackwell Workstation Edition",
        "NVIDIA H100 SXM 80 GB",
    ]
    arguments = ["llama-3.1-8b,llama-3.1-70b", "h100-sxm", "--weights", "fp8,bf16"]
    assert run(capsys, "plot", "memory", *arguments, "-o", tmp_path / "a.png")[0] == 0
    assert len(drawn[1].containers[0]) == 4
    assert run(capsys, "plot", "kv", "llama-3.1-8b,gpt-oss-20b", "h100-sxm", "-o", tmp_path / "a.png")[0] == 0
    assert [text.get_text().split(",")[0] for text in drawn[2].get_legend().get_texts()] == [
        "Llama-3.1-8B",
        "gpt-oss-20b",
    ]


def test_size_and_style_are_those_asked_for(capsys, tmp_path, drawn):
    style = ["--size", "4.5x3", "--style", "dark_background"]
    assert run(capsys, "plot", "roofline", *SPARK, *style, "-o", tmp_path / "a.png")[0] == 0
    assert tuple(drawn[0].figure.get_size_inches()) == (4.5, 3)
    assert drawn[0].figure.get_facecolor()[:3] == (0, 0, 0)


def test_published_points_can_be_left_out(capsys, tmp_path, drawn):
    for more in ([], ["--no-published"]):
        assert run(capsys, "plot", "context", *SPARK, *more, "-o", tmp_path / "a.png")[0] == 0
    counts = [sum("published" in text.get_text() for text in ax.get_legend().get_texts()) for ax in drawn]
    assert counts == [1, 0]


def test_accuracy_takes_a_file_of_measurements_and_says_which_options_idle(capsys, tmp_path, drawn):
    from roofline.specs.catalog import data_folder

    file = data_folder("measurements") / "infercom-sn40l.csv"
    arguments = ["--measurements", file, "--engine", "sambanova", "--weights", "fp8", "-o", tmp_path / "a.png"]
    code, _, err = run(capsys, "plot", "accuracy", *arguments)
    assert (code, err) == (0, "roofline: --weights makes no difference to this picture\n")
    assert [text.get_text().split(":")[0] for text in drawn[0].get_legend().get_texts()] == ["sambanova"]


def test_without_a_display_or_with_an_odd_backend_nothing_changes(tmp_path):
    for change in ({}, {"MPLBACKEND": "TkAgg"}, {"MPLBACKEND": "agg"}):
        clean = {name: value for name, value in os.environ.items() if name not in {"DISPLAY", "WAYLAND_DISPLAY"}}
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "roofline",
            "plot",
            "waterfall",
            *SPARK,
            "-o",
            tmp_path / "a.png",
        ]
        done = subprocess.run(command, env=clean | change, capture_output=True, text=True, check=False)
        assert (done.returncode, done.stderr) == (0, "")


BAD = {
    "unknown kind": (["pie", *SPARK, "-o", "a.png"], 2, "argument KIND: invalid choice: 'pie'"),
    "no file": (["memory", *SPARK], 2, "required: -o"),
    "no hardware": (["memory", "minimax-m2.7", "-o", "a.png"], 2, "required: HARDWARE"),
    "another format": (["memory", *SPARK, "-o", "a.jpg"], 2, "a picture is written to a file whose name ends in .png"),
    "no folder": (["memory", *SPARK, "-o", "no/a.png"], 1, "no/a.png: there is no folder no"),
    "size": (["memory", *SPARK, "-o", "a.png", "--size", "8"], 2, "cannot read '8': width x height in inches"),
    "giant": (["memory", *SPARK, "-o", "a.png", "--size", "900x900"], 2, "each from 2 to 60"),
    "style": (["memory", *SPARK, "-o", "a.png", "--style", "pink"], 2, "no style of matplotlib is called 'pink'"),
    "phase": (["waterfall", *SPARK, "-o", "a.png", "--phase", "x"], 2, "invalid choice: 'x'"),
    "metric": (["heatmap", *SPARK, "-o", "a.png", "--metric", "x"], 2, "invalid choice: 'x'"),
    "a list": (
        ["waterfall", *SPARK, "-o", "a.png", "--batch", "1,2"],
        2,
        "--batch has 2 values, but a picture of kind",
    ),
    "models": (["context", "a,b", "dgx-spark", "-o", "a.png"], 2, "MODEL has 2 values, but a picture of kind context"),
    "empty word": (["pareto", *SPARK, "-o", "a.png", "--kv", "a,,b"], 2, "a comma has nothing before or after it"),
    "empty model": (["kv", "llama-3.1-8b,", "dgx-spark", "-o", "a.png"], 2, "a comma has nothing before or after it"),
    "count": (["batch", *SPARK, "-o", "a.png", "--batch", "1,x"], 2, "cannot read 'x': a whole count is wanted"),
    "zero": (["batch", *SPARK, "-o", "a.png", "--batch", "0,4"], 2, "batch is 0, but a whole number from 1 up"),
    "level": (["batch", *SPARK, "-o", "a.png", "--level", "2"], 2, "level is 2.0, but a share between 0 and 1"),
    "model": (["memory", "nobody", "dgx-spark", "-o", "a.png"], 1, "no model is named 'nobody'"),
    "machine": (["memory", "minimax-m2.7", "nothing", "-o", "a.png"], 1, "no hardware is named 'nothing'"),
    "nothing fits": (["pareto", "minimax-m2.7", "h100-sxm", "-o", "a.png"], 1, "no number of streams fits into memory"),
    "half": (["pareto", *SPARK, "-o", "a.png", "--prompt", "9"], 2, "only one of the two is given"),
    "no rows": (["accuracy", "llama-3.1-8b", "tpu-v6e", "-o", "a.png"], 1, "no measurement has both"),
    "no metric": (["accuracy", "-o", "a.png", "--metric", "x"], 1, "no metric is named 'x'"),
    "bars": (["memory", *SPARK, "-o", "a.png", "--batch", ",".join("123456789" * 2)], 2, "more than 12 bars"),
    "lines": (["pareto", *SPARK, "-o", "a.png", "--context", ",".join("123456789")], 1, "9 lines cannot be told apart"),
    "cells": (
        ["heatmap", *SPARK, "-o", "a.png", "--prompt", ",".join(map(str, range(1, 3000))), "--output", "1"],
        1,
        "prompt has more than 2,000 values, which is more than a picture shows",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_sentence(capsys, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    arguments, code, sentence = BAD[name]
    found, out, err = run(capsys, "plot", *arguments)
    assert (found, out) == (code, "")
    assert err.startswith("roofline: ")
    assert sentence in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_an_unknown_backend_is_one_sentence(tmp_path):
    command = [sys.executable, "-m", "roofline", "plot", "memory", *SPARK, "-o", tmp_path / "a.png"]
    done = subprocess.run(command, env=os.environ | {"MPLBACKEND": "x"}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("roofline: matplotlib cannot be used: Key backend: 'x' is not a valid value")
    assert done.stderr.count("\n") == 1


def test_validate_refuses_another_format_before_it_starts(capsys, tmp_path):
    code, out, err = run(capsys, "validate", "--plot", tmp_path / "a.jpg")
    assert (code, out) == (2, "")
    assert "a picture is written to a file whose name ends in .png, .svg, .pdf" in err


def test_a_folder_as_a_file_is_one_sentence(capsys, tmp_path):
    (tmp_path / "a.png").mkdir()
    code, _, err = run(capsys, "plot", "memory", *SPARK, "-o", tmp_path / "a.png")
    assert (code, err) == (1, f"roofline: {tmp_path / 'a.png'}: is a folder; the name of a file is wanted\n")


def test_metrics_of_the_command_are_those_of_the_library(capsys):
    for metric in roofline.plots.METRICS:
        assert metric in plotting_help(capsys, "heatmap")


def plotting_help(capsys, kind):
    code, out, _ = run(capsys, "plot", kind, "--help")
    assert code == 0
    return " ".join(out.split())


@pytest.mark.parametrize("kind", KINDS)
def test_help_of_each_kind_says_what_it_shows_and_what_its_lists_do(capsys, kind):
    text = plotting_help(capsys, kind)
    assert plotting.KINDS[kind].shows.split(",")[0] in text
    assert "a .png, .svg or .pdf" in text
    for option in plotting.KINDS[kind].several:
        assert option == "*" or (option.upper() if option == "model" else f"--{option}") in plotting.KINDS[kind].lists
    assert plotting.KINDS[kind].lists in text


def test_nothing_to_validate_is_one_sentence_and_no_traceback(capsys, tmp_path):
    arguments = ["--model", "llama-3.1-8b", "--hardware", "tpu-v6e", "--plot", tmp_path / "a.png"]
    code, out, err = run(capsys, "validate", *arguments)
    assert (code, out) == (1, "")
    assert err == "roofline: no measurement has both an expected value and a ceiling, so there is nothing to draw\n"
