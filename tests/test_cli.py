"""The command line: its output, exit codes, and one sentence for each bad input."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import roofline
from roofline.cli import main

SPARK = ["predict", "minimax-m2.7", "dgx-spark", "--weights", "ud-iq4_xs"]


def run(capsys, *arguments):
    code = main(list(arguments))
    out, err = capsys.readouterr()
    return code, out, err


def test_predict_prints_the_page_of_python(capsys):
    code, out, err = run(capsys, *SPARK, "--context", "128k", "--kv", "q4_0")
    p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", kv="q4_0", context=131072)
    assert (code, out, err) == (0, str(p) + "\n", "")


def test_predict_json_is_that_of_python(capsys):
    code, out, _ = run(capsys, *SPARK, "--json", "--batch", "4", "--prompt", "1_024", "--output", "16")
    p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", batch=4, prompt=1024, output=16)
    assert code == 0
    assert json.loads(out) == json.loads(p.to_json())
    assert out.lstrip().startswith('{\n  "schema_version": 1')


def test_a_count_in_front_needs_no_quotes(capsys):
    _, quoted, _ = run(capsys, "predict", "llama-3.1-8b", "2x rtx-4090")
    _, apart, _ = run(capsys, "predict", "llama-3.1-8b", "2x", "rtx-4090")
    assert quoted == apart
    assert "2 × NVIDIA GeForce RTX 4090" in quoted


def test_every_option_of_predict_reaches_the_prediction(capsys):
    arguments = [
        "predict",
        "llama-3.1-8b",
        "h100-sxm",
        "--devices",
        "2",
        "--tp",
        "2",
        "--ep",
        "1",
        "--pp",
        "1",
        "--dp",
        "1",
    ]
    arguments += ["--kv", "fp8", "--engine", "llama.cpp", "--cached", "5", "--prompt", "7", "--output", "3"]
    arguments += ["--concurrency", "4", "--level", "0.8", "--json"]
    code, out, _ = run(capsys, *arguments)
    found = json.loads(out)
    assert code == 0
    assert (found["devices"], found["kv"], found["engine"], found["cached"]) == (2, "fp8", "llama.cpp", 5)
    assert found["serving"]["concurrency"] == 4


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["predict", "foo", "dgx-spark"], 1, "no model is named 'foo'"),
        (["predict", "minimax-m2.7", "h100"], 1, "or h100-sxm"),
        (["predict", "minimax-m2.7", "dgx-spark", "--weights", "iq9"], 1, "has no weight recipe 'iq9'"),
        (["predict", "minimax-m2.7", "dgx-spark", "--kv", "q6_k"], 1, "is not a format for a KV cache"),
        (["predict", "minimax-m2.7", "dgx-spark", "--engine", "x"], 1, "no engine is named 'x'"),
        (["predict", "minimax-m2.7", "absent.toml"], 1, "no file 'absent.toml'"),
        (["predict", "minimax-m2.7", "dgx-spark", "--batch", "0"], 2, "batch is 0"),
        (["predict", "minimax-m2.7", "dgx-spark", "--batch", "x"], 2, "a whole count is wanted here"),
        (["predict", "minimax-m2.7", "dgx-spark", "--context", "1M"], 2, "takes at most 204800"),
        (["predict", "minimax-m2.7", "dgx-spark", "--tp", "3"], 2, "tp x pp x dp is 3"),
        (["predict", "minimax-m2.7", "dgx-spark", "--level", "x"], 2, "invalid float value"),
        (["predict", "minimax-m2.7", "dgx-spark", "--colour"], 2, "unrecognized arguments: --colour"),
        (["predict", "minimax-m2.7"], 2, "HARDWARE"),
        (["guess"], 2, "invalid choice: 'guess'"),
        ([], 2, "VERB"),
        (["show", "foo"], 1, "no model, hardware or engine is named 'foo'"),
        (["show", "dgx-sprak"], 1, "did you mean dgx-spark"),
        (["show", "absent.toml"], 1, "no file 'absent.toml'"),
        (["list", "nothing"], 2, "invalid choice: 'nothing'"),
        (["validate", "absent.csv"], 1, "no such file or folder"),
        (["validate", "--metric", "speed"], 1, "no metric is named 'speed'"),
        (["validate", "--worst", "x"], 2, "a whole count is wanted here"),
        (["validate", "--worst", "-1"], 2, "--worst"),
        (["validate", "--hardware", "h1000"], 1, "no hardware is named 'h1000'"),
        (["validate", "--engine", "lamma.cpp"], 1, "did you mean llama.cpp?"),
        ([*SPARK, "--batch", "4", "--batch", "8"], 2, "--batch is given twice"),
        (["predict", "m" * 5000, "dgx-spark"], 1, "no model is named 'mmm"),
        (["predict", "minimax-m2.7", "x" * 5000 + ".toml"], 1, "cannot be read: File name too long"),
        (["predict", "minimax-m2.7", "9" * 5000 + "x h100-sxm"], 1, "no hardware is named"),
    ],
)
def test_bad_input_is_one_sentence_on_standard_error(capsys, arguments, code, message):
    found, out, err = run(capsys, *arguments)
    assert (found, out) == (code, "")
    assert message in err
    assert err.startswith("roofline: ")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_strict_turns_a_no_into_exit_code_3(capsys):
    assert run(capsys, "predict", "llama-3.1-70b", "h100-sxm")[0] == 0
    assert run(capsys, "predict", "llama-3.1-70b", "h100-sxm", "--strict")[0] == 3
    assert run(capsys, *SPARK, "--strict")[0] == 0
    assert run(capsys, "validate", "--strict")[0] == 3
    assert run(capsys, "validate", "--strict", "--hardware", "dgx-spark")[0] == 0


@pytest.mark.parametrize("what", ["models", "hardware", "formats", "engines", "measurements"])
def test_lists_name_everything(capsys, what):
    code, out, _ = run(capsys, "list", what)
    names = [entry["name"] for entry in json.loads(run(capsys, "list", what, "--json")[1])[what]]
    assert code == 0
    assert names
    assert all(any(line.startswith(name + " ") for line in out.splitlines()) for name in names)
    assert f"{what}\n" in run(capsys, "list")[1]


def test_a_model_is_shown_with_its_counts_and_sources(capsys):
    code, out, _ = run(capsys, "show", "minimax-m2.7")
    assert code == 0
    for part in (
        "228,689,764,864",
        "10,415,956,480",
        "bf16 253,952 B",
        "ud-iq4_xs   108.4 GB",
        "https://huggingface.co/",
    ):
        assert part in out
    found = json.loads(run(capsys, "show", "minimax-m2.7", "--json")[1])
    assert found["parameters"]["total"] == 228_689_764_864
    assert found["kv_bytes_per_token"]["bf16"] == 253_952
    assert found["layers"] == 62
    assert found["parameters"]["by_group"]["experts"] == 224_680_476_672
    assert {"name", "native_weights", "sources"} <= set(found)


@pytest.mark.parametrize("name", roofline.specs.names("model"))
def test_a_model_is_explained_in_one_screen(capsys, name):
    _, out, _ = run(capsys, "show", name)
    lines = out.splitlines()
    assert all(len(line) <= 80 or "https://" in line for line in lines)
    assert len(lines) <= 56  # a model with twelve recipes, each a line
    assert lines[1].startswith(("A mixture of experts", "A dense model"))
    labels = [line[2:12].strip() for line in lines if line.startswith("  ") and line[2:3].strip()]
    wanted = ["layers", "width", "attention", "ffn", "parameters", "active", "cache", "weights", "sources"]
    assert [label for label in labels if label in wanted] == wanted


def test_every_source_of_a_model_is_cited_on_its_page_and_explained_with_sources(capsys):
    short, full = (run(capsys, "show", "minimax-m2.7", *option)[1] for option in ([], ["--sources"]))
    for key, source in roofline.load_model("minimax-m2.7").sources.items():
        assert f"[{key}]" in short
        assert source.url in short
        assert source.locator not in short.replace(source.url, "")
        assert f"{key}: {source.title}; {source.locator}; read {source.accessed}" in full
        assert f"      {source.url}" in full
    assert "inferred from the size, not read tensor by tensor" in " ".join(full.split())


def test_hardware_is_shown_with_every_value_beside_its_source(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "140")
    code, out, _ = run(capsys, "show", "h100-sxm")
    assert code == 0
    for part in (
        "3.35 TB/s",
        "81559 MiB",
        "450 GB/s",
        "printed '900 GB/s'; sum of both directions; halved",
        "989.4 TFLOP/s",
    ):
        assert part in out
    found = json.loads(run(capsys, "show", "h100-sxm", "--json")[1])
    bandwidth = found["values"]["memory[HBM3].bandwidth"]
    assert (bandwidth["si"], bandwidth["unit"], bandwidth["source"]) == (3.35e12, "byte/s", "ml")
    assert found["sources"]["ml"]["url"].startswith("https://")


@pytest.mark.parametrize("name", ["sn40l-16", "llama.cpp", "qwen3.6-35b-a3b", "step-3.5-flash", "deepseek-v3"])
def test_everything_can_be_shown(capsys, name):
    code, out, _ = run(capsys, "show", name)
    assert code == 0
    assert "sources" in out
    assert json.loads(run(capsys, "show", name, "--json")[1])["name"] == name


def test_a_spec_file_of_ones_own_can_be_shown(capsys, tmp_path):
    from test_specs import DEVICE, MODEL

    (tmp_path / "box.toml").write_text(DEVICE)
    (tmp_path / "net.toml").write_text(MODEL)
    assert "A box (box)" in run(capsys, "show", str(tmp_path / "box.toml"))[1]
    assert "A net" in run(capsys, "show", str(tmp_path / "net.toml"))[1]


def test_a_warning_is_one_line_on_standard_error(tmp_path, monkeypatch):
    from test_specs import DEVICE

    (tmp_path / "hardware_specs").mkdir()
    (tmp_path / "hardware_specs" / "h100-sxm.toml").write_text(DEVICE.replace('name = "box"', 'name = "h100-sxm"'))
    monkeypatch.setenv("ROOFLINE_SPECS", str(tmp_path))
    command = [sys.executable, "-m", "roofline", "predict", "llama-3.1-8b", "h100-sxm"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "A box" in done.stdout
    assert done.stderr.startswith("roofline: ShadowedSpecWarning: ")
    assert done.stderr.count("\n") == 1


def test_the_installed_command_and_a_closed_pipe():
    done = subprocess.run([sys.executable, "-m", "roofline", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout == f"roofline {roofline.__version__}\n"
    line = f"{sys.executable} -m roofline list | head -n 1"
    cut = subprocess.run(line, shell=True, capture_output=True, text=True, check=True)  # noqa: S602
    assert cut.stderr == ""


def test_a_terminal_that_cannot_show_a_character_gets_a_plainer_one():
    import os

    environment = os.environ | {"PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "roofline", *SPARK]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "ud-iq4_xs weights | bf16 cache" in done.stdout
    assert "####################...." in done.stdout
    assert "?" not in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize(
    ("target", "message"), [("> /dev/full", "cannot be written"), (">&-", "standard output is closed")]
)
def test_a_result_that_cannot_be_written_is_one_sentence(target, message):
    line = f"{sys.executable} -m roofline {' '.join(SPARK)} {target}"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert done.returncode == 1
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_command_leaves_the_warnings_of_its_caller_alone(capsys):
    import warnings

    before = warnings.showwarning
    run(capsys, *SPARK)
    assert warnings.showwarning is before


@pytest.mark.filterwarnings("always")
def test_a_broken_spec_of_a_user_is_passed_over_once(tmp_path, monkeypatch, capsys):
    (tmp_path / "model_specs").mkdir()
    (tmp_path / "model_specs" / "mine.toml").write_text("schema = 1\nbroken", encoding="utf-8")
    monkeypatch.setenv("ROOFLINE_SPECS", str(tmp_path))
    assert main(["list", "models", "minimax"]) == 0
    out, err = capsys.readouterr()
    assert "minimax-m2.7" in out
    assert err.count("passed over") == 1
