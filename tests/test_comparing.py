"""Models, or hardware, side by side."""

from __future__ import annotations

import json

import pytest
from test_cli import run

from roofline.specs import load_hardware, load_model
from roofline.tensors import parameters


def compared(capsys, *names):
    """Return the rows of a comparison by key."""
    code, out, err = run(capsys, "compare", *names, "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert list(found) == ["schema_version", "kind", "names", "rows"]
    return found["names"], {row["key"]: row for row in found["rows"]}


def test_models_side_by_side(capsys):
    names, rows = compared(capsys, "minimax-m2.7", "llama-3.1-8b")
    ours, theirs = (parameters(load_model(name).architecture) for name in names)
    assert rows["parameters"]["values"] == [ours.total, theirs.total]
    assert rows["parameters"]["ratio"] == theirs.total / ours.total
    assert rows["parameters.active"]["values"] == [10_415_956_480, theirs.active_without_embedding]
    assert rows["parameters.experts"]["values"] == [224_680_476_672, None]
    assert rows["parameters.experts"]["ratio"] is None
    assert rows["kv_bytes_per_token.bf16"]["values"] == [253_952, 131_072]
    assert rows["kv_bytes_at_max_context.bf16"]["values"] == [253_952 * 204_800, 131_072**2]
    assert rows["layers"]["values"] == [62, 32]
    assert rows["native.bytes"]["values"][1] == 2 * theirs.total
    groups = [row["values"] for key, row in rows.items() if key.startswith("parameters.") and "active" not in key]
    assert [sum(value or 0 for value in values) for values in zip(*groups, strict=True)] == [ours.total, theirs.total]


def test_hardware_side_by_side(capsys):
    names, rows = compared(capsys, "h100-sxm", "2x rtx-pro-6000")
    assert names == ["h100-sxm", "2x rtx-pro-6000"]
    ours, theirs = load_hardware("h100-sxm"), load_hardware("rtx-pro-6000")
    assert rows["devices"]["values"] == [1, 2]
    assert rows["memory"]["values"] == [ours.main_memory.usable.si, 2 * theirs.main_memory.usable.si]
    assert rows["bandwidth"]["values"] == [3.35e12, 2 * 1.792e12]
    assert rows["bandwidth"]["ratio"] == 2 * 1.792e12 / 3.35e12
    assert rows["peak.bf16"]["values"][0] == 989.4e12
    assert rows["peak.fp4"]["values"][0] is None
    assert rows["ridge.bf16"]["values"][0] == pytest.approx(989.4 / 3.35)
    assert rows["link.peers"]["values"] == [450e9, 63e9]
    assert rows["power"]["values"] == [700, 1200]
    assert rows["bandwidth_per_watt"]["values"][0] == pytest.approx(3350 / 700 * 1e9)


def test_more_devices_change_no_ridge_point(capsys):
    one, eight = (compared(capsys, "dgx-spark", name)[1] for name in ("h100-sxm", "8x h100-sxm"))
    for key, row in one.items():
        ratio = eight[key]["values"][1] / row["values"][1] if row["unit"] and row["values"][1] else None
        if key.startswith(("ridge", "link", "bandwidth_per_watt")) and ratio:
            assert ratio == pytest.approx(1)
        elif ratio:
            assert ratio == 8, key


def test_a_system_states_its_own_power(capsys):
    _, rows = compared(capsys, "sn40l-16", "16x sn40l", "2x sn40l-16")
    assert rows["power"]["values"] == [10e3, None, 20e3]
    assert rows["bandwidth"]["values"] == [25.6e12, 25.6e12, 51.2e12]
    assert all(row["ratio"] is None for row in rows.values())


def test_the_table_says_what_differs(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = run(capsys, "compare", "h100-sxm", "h200-sxm")
    lines = out.splitlines()
    assert code == 0
    assert lines[0].split() == ["h100-sxm", "h200-sxm", "ratio"]
    assert all(len(line) <= 80 for line in lines)
    rows = {line[:19].strip(): line.split()[-2:] for line in lines[2:]}
    assert rows["bandwidth"] == ["1.43", "x"]
    assert rows["kind"][-1] == rows["peak bf16"][-1] == "="
    assert rows["released"][-1] == "differs"


def test_three_have_no_ratio_and_long_texts_are_wrapped(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, out, _ = run(capsys, "compare", "minimax-m2.7", "qwen3.6-35b-a3b", "gpt-oss-20b")
    assert " x\n" not in out
    assert "ratio" not in out
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "30 x linear" in out
    assert run(capsys, "compare", "minimax-m2.7", "minimax-m2.7")[1].count(" =\n") > 15


def test_a_count_needs_no_quotes_and_files_may_be_compared(capsys, tmp_path):
    from test_specs import DEVICE

    (tmp_path / "box.toml").write_text(DEVICE)
    names, rows = compared(capsys, str(tmp_path / "box.toml"), "2x", "rtx-4090")
    assert names == ["box", "2x rtx-4090"]
    assert rows["bandwidth"]["values"][0] == 2e12


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["h100-sxm"], 2, "only 'h100-sxm' is given; two or more"),
        ([], 2, "NAME"),
        (["h100-sxm", "gpt-oss-20b"], 2, "gpt-oss-20b is a model and h100-sxm is hardware; two or more of one kind"),
        (["h100-sxm", "vllm"], 2, "vllm is an engine; models or hardware are wanted here"),
        (["h100-sxm", "h100-smx"], 1, "did you mean h100-sxm"),
        (["h100-sxm", "2x h100-smx"], 1, "no hardware is named 'h100-smx'"),
        (["h100-sxm", "2x"], 1, "no hardware is named '2x'"),
        (["h100-sxm", "absent.toml"], 1, "no file 'absent.toml'"),
    ],
)
def test_what_cannot_be_compared_is_one_sentence(capsys, arguments, code, message):
    found, out, err = run(capsys, "compare", *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err
