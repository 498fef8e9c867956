"""Checking spec files: each trap of a data sheet, put into a good file, is found, at its key."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_cli import run
from test_specs import DEVICE, MODEL

from roofline.lint import lint, outliers
from roofline.lint.hardware import pci_express
from roofline.specs import load_hardware, load_model
from roofline.specs.catalog import find
from roofline.tensors import parameters

GOOD = DEVICE.replace('"80 GB"', '"80 GiB"')

PARTS = """
[[compute]]
format = "fp8"
peak = { value = "1000 TFLOP/s", source = "sheet" }
flop_per_clock = { value = 5000, source = "sheet" }

[[links]]
name = "NVLink 4"
to = "peers"
bandwidth = { value = "450 GB/s", source = "sheet", printed = "900 GB/s bidirectional", note = "halved" }

[[links]]
name = "PCIe 5.0 x16"
to = "host"
bandwidth = { value = "63 GB/s", source = "sheet" }

[parts]
unit = "core"
units = { value = 100, source = "sheet" }
clock = { value = "2 GHz", source = "sheet" }

[power]
value = "500 W"
source = "sheet"
"""

BUS = 'bandwidth = { value = "2 TB/s", source = "sheet" }\n'
FULL = GOOD.replace(
    BUS,
    BUS + 'bus_width = { value = 4096, source = "sheet" }\ndata_rate = { value = "3.906 GT/s", source = "sheet" }\n',
)
FULL += PARTS


def found(tmp_path, text, name="box"):
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return [(finding.level, finding.key, finding.text) for finding in lint(path).findings]


def loud(findings):
    return [finding for finding in findings if finding[0] != "note"]


def test_a_good_file_has_no_findings(tmp_path):
    assert found(tmp_path, GOOD) == found(tmp_path, FULL) == []
    assert loud(found(tmp_path, MODEL.replace("d_ff", "d_ff"), "net")) == []


@pytest.mark.parametrize(
    ("old", "new", "key", "text"),
    [
        ("2 TB/s", "1.9 TB/s", "memory[HBM].bandwidth", r"4,096 bit / 8 x 3.906 GT/s = 2.000 TB/s"),
        ("1000 TFLOP/s", "990 TFLOP/s", "compute[fp8].peak", "100 core x 5,000 FLOP/clock x 2 GHz = 1.000 PFLOP/s"),
        ("1000 TFLOP/s", "2000 TFLOP/s", "compute[fp8].peak", "half of that: is it the figure with sparsity?"),
        ("1000 TFLOP/s", "400 TFLOP/s", "compute[fp8].peak", "slower than bf16 with '500 TFLOP/s', which is wider"),
        ("1000 TFLOP/s", "2000 TFLOP/s", "compute[fp8].peak", "is 4 x bf16 with '500 TFLOP/s'"),
        (
            'value = "1000 TFLOP/s", source = "sheet"',
            'value = "1000 TFLOP/s", source = "sheet", printed = "1,000 TFLOPS with sparsity", note = "as printed"',
            "compute[fp8].peak",
            "prints with sparsity",
        ),
        ('"80 GiB"', '"80 GB"', "memory[HBM].capacity", "usually GiB, 7 % more"),
        ('"80 GiB"', '"80 TiB"', "memory[HBM].capacity", "the most of any built-in gpu"),
        ('"80 GiB", source = "sheet" }', '"80 GB", source = "sheet" }\nusable = { value = "80 GiB", source = "sheet" }',
         "memory[HBM].capacity", "is more than capacity"),
        ('"80 GiB", source = "sheet" }', '"80 GiB", source = "sheet" }\nusable = { value = "8 GiB", source = "sheet" }',
         "memory[HBM].usable", "is only 10%"),
        ("2 TB/s", "200 TB/s", "memory[HBM].bandwidth", "x the most of any built-in gpu ("),
        ("500 W", "20 W", "memory[HBM].bandwidth", "bandwidth per watt is 100 GB/s/W"),
        ("500 W", "20 W", "compute[bf16].peak", "peak in 16 bits per watt"),
        ("500 TFLOP/s", "0.5 TFLOP/s", "compute[bf16].peak", "x below the least of any built-in gpu"),
        ('value = "450 GB/s"', 'value = "900 GB/s"', "links[NVLink 4].bandwidth", "prints for both directions"),
        (
            'value = "450 GB/s", source = "sheet", printed = "900 GB/s bidirectional", note = "halved"',
            'value = "900 GB/s", source = "sheet"',
            "links[NVLink 4].bandwidth",
            "'s NVLink 4: is it the sum of both directions?",
        ),
        ('"63 GB/s"', '"126 GB/s"', "links[PCIe 5.0 x16].bandwidth", "2 x the 63.0 GB/s"),
        ('"63 GB/s"', '"504 GB/s"', "links[PCIe 5.0 x16].bandwidth", "is it in bits? Bytes are wanted"),
        ('"63 GB/s"', '"90 GB/s"', "links[PCIe 5.0 x16].bandwidth", "carries at most 63.0 GB/s in one direction"),
        ('kind = "gpu"', 'kind = "gpu"\nreleased = "2026-02"', "released", "2026-02 is after 2026-01-01"),
        ('kind = "gpu"', 'kind = "gpu"\nreleased = "Q1 2024"', "released", "is no date"),
        ('kind = "gpu"', 'kind = "gpu"\nreleased = "2024-13"', "released", "is no date"),
    ],
)  # fmt: skip
def test_a_trap_of_a_data_sheet_is_a_warning(tmp_path, old, new, key, text):
    assert old in FULL
    warnings = [finding for finding in found(tmp_path, FULL.replace(old, new, 1)) if finding[0] == "warning"]
    assert [finding for finding in warnings if finding[1] == key and text in finding[2]], warnings


def test_a_link_that_says_how_directions_were_counted_is_not_asked_again(tmp_path):
    link = 'value = "450 GB/s", source = "sheet", printed = "900 GB/s bidirectional", note = "halved"'
    assert link in FULL
    said = 'value = "900 GB/s", source = "sheet", note = "in one direction"'
    assert loud(found(tmp_path, FULL.replace(link, said))) == []


@pytest.mark.parametrize(
    ("bandwidth", "text"),
    [
        ("49 TB/s", "bandwidth is 49.0 TB/s, 10.2 x the most of any built-in gpu (h200-sxm, 4.80 TB/s)"),
        ("47 TB/s", None),
        ("101 GB/s", None),
        ("100 GB/s", "bandwidth is 100 GB/s, 10.1 x below the least of any built-in gpu (rtx-4090, 1.01 TB/s)"),
    ],
)
def test_an_outlier_is_ten_times_outside_the_range_of_all_others(tmp_path, monkeypatch, bandwidth, text):
    path = tmp_path / "box.toml"
    path.write_text(GOOD.replace("2 TB/s", bandwidth))
    peers = tuple(load_hardware(name) for name in ("h100-sxm", "rtx-4090", "h200-sxm", path))
    monkeypatch.setattr(outliers, "builtin_devices", lambda: peers)
    texts = [finding.text for finding in lint(path).findings if finding.text.startswith("bandwidth is")]
    assert [found.partition(": check")[0] for found in texts] == ([text] if text else [])


def test_a_device_alone_of_its_kind_is_compared_with_all_and_given_more_room(tmp_path, monkeypatch):
    peers = tuple(load_hardware(name) for name in ("h100-sxm", "rtx-4090"))
    monkeypatch.setattr(outliers, "builtin_devices", lambda: peers)
    text = GOOD.replace('kind = "gpu"', 'kind = "dataflow"')
    assert not [f for f in found(tmp_path, text.replace("2 TB/s", "300 TB/s")) if "bandwidth is" in f[2]]
    assert "the most of any built-in device" in str(found(tmp_path, text.replace("2 TB/s", "400 TB/s")))


def test_a_measurement_above_the_peak_is_a_warning(tmp_path):
    measured = '{ value = "2.1 TB/s", source = "sheet", kind = "measured", conditions = "stream" }'
    findings = found(tmp_path, GOOD.replace(BUS, BUS + f"bandwidth_measured = {measured}\n"))
    assert findings == [("warning", "memory[HBM].bandwidth", "'2 TB/s' is no peak: '2.1 TB/s' was measured")]


def test_on_chip_memory_as_large_as_main_memory_is_a_warning(tmp_path):
    tier = (
        '[[memory]]\nname = "cache"\nrole = "on-chip"\ncapacity = { value = "50 GB", source = "sheet" }\n\n[[memory]]'
    )
    assert "more than a fiftieth" in str(found(tmp_path, GOOD.replace("[[memory]]", tier, 1)))


def test_what_is_unknown_is_a_note(tmp_path):
    text = GOOD.replace(BUS, "")
    assert ("note", "memory[HBM].bandwidth") in [finding[:2] for finding in found(tmp_path, text)]
    assert loud(found(tmp_path, text)) == []


def test_an_answer_in_the_file_turns_a_warning_into_a_note(tmp_path):
    text = GOOD.replace('"80 GiB"', '"80 GB"')
    answer = '[unusual]\n"memory[HBM].capacity" = "twelve-high stacks with spare dies"\n\n[[memory]]'
    (finding,) = found(tmp_path, text.replace("[[memory]]", answer, 1))
    assert finding[:2] == ("note", "memory[HBM].capacity")
    assert finding[2].endswith("[unusual] says: twelve-high stacks with spare dies")
    (finding,) = found(tmp_path, GOOD.replace("[[memory]]", answer, 1))
    assert finding == ("warning", "unusual.memory[HBM].capacity", "answers no warning about that key: remove it")


def test_every_breach_of_the_schema_is_told_with_its_key(tmp_path):
    text = GOOD.replace('"2 TB/s", source = "sheet"', '"2 TBps", source = "shed"').replace("vendor", "vendro")
    assert {(level, key) for level, key, _ in found(tmp_path, text.replace('"main"', '"mian"'))} == {
        ("error", "vendor"),
        ("error", "vendro"),
        ("error", "memory[HBM].role"),
        ("error", "memory[HBM].bandwidth"),
    }
    texts = [finding[2] for finding in found(tmp_path, text)]
    assert "cites 'shed', which [sources] does not define; it has sheet" in texts
    assert "cannot read '2 TBps': a byte/s is wanted here, for example '3.35 TB/s'" in texts


def test_the_key_of_a_breach_in_a_model_names_no_kind(tmp_path):
    findings = found(tmp_path, MODEL.replace("heads = 4", "heads = 0"), "net")
    assert [finding[1] for finding in findings] == ["architecture.attention.full.heads"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "neither hardware"),
        ("memory = 3", "schema = None"),
        ("= 3", "not valid TOML"),
        ("schema = 1\nmemory = 3\nsources = 4\ncompute = [5]", "should be"),
        (GOOD.replace('name = "box"', 'name = "fox"'), "the two must agree"),
        (GOOD.replace("[[memory]]", '[sources.spare]\ntitle = "Spare"\n[[memory]]', 1), "nothing cites this source"),
    ],
)
def test_a_file_that_is_no_spec_has_errors(tmp_path, text, message):
    findings = found(tmp_path, text)
    assert [finding for finding in findings if finding[0] == "error" and message in finding[2]], findings


SYSTEM = """
schema = 1
name = "box"
title = "A rack"
vendor = "Nobody"
kind = "system"
device = "h100-sxm"
devices = 8
source = "sheet"

[sources.sheet]
title = "Data sheet"
url = "https://example.org/rack"
locator = "page 1"
accessed = 2026-01-01

[power]
value = "10 kW"
source = "sheet"
"""

ENGINE = """
schema = 1
name = "box"
title = "An engine"

[sources.code]
title = "Its source code"
url = "https://example.org/code"
locator = "file cache.c"
accessed = 2026-01-01

[cache_formats]
value = ["bf16"]
source = "code"
"""


@pytest.mark.parametrize(
    ("text", "old", "new", "level", "key", "message"),
    [
        (SYSTEM, '"10 kW"', '"1 kW"', "warning", "power", "8 x h100-sxm alone take 5.60 kW"),
        (SYSTEM, '"h100-sxm"', '"h1000"', "error", "device", "no hardware is named 'h1000'"),
        (ENGINE, '["bf16"]', '["bf16", "iq2_s"]', "error", "cache_formats", "'iq2_s' is not a format for a KV"),
    ],
)
def test_systems_and_engines_are_checked_too(tmp_path, text, old, new, level, key, message):
    assert found(tmp_path, text) == []
    (finding,) = found(tmp_path, text.replace(old, new))
    assert finding[:2] == (level, key)
    assert message in finding[2]


# --- models


def real(tmp_path, name, old, new):
    """Return what lint says of a built-in model with one change."""
    text = find(name, "model").read_text(encoding="utf-8")
    assert old in text
    return loud(found(tmp_path, text.replace(old, new, 1), name))


@pytest.mark.parametrize(
    ("model", "old", "new", "key", "text"),
    [
        ("llama-3.1-8b", "vocab       = 128256", "vocab       = 128256\ntied_embeddings = true", "published.parameters",
         "525,336,576 fewer than the published 8,030,261,248 (as many as an embedding: look at tied_embeddings)"),
        ("qwen2.5-7b", 'bias     = ["q", "k", "v"]', "", "published.parameters", "look at attention.full.bias"),
        ("qwen3.6-35b-a3b", "69321221376 B", "71903645408 B", "weights.native.file", "the published file has"),
        ("llama-3.1-8b", "repeat    = 32", "repeat    = 80", "name", "says 8 B parameters"),
        ("qwen3.6-35b-a3b", "top_k       = 8", "top_k       = 128", "name", "says 3 B active parameters"),
        ("qwen3.6-35b-a3b", "top_k       = 8", "top_k       = 192", "architecture.ffn.experts.top_k", "more than half"),
        ("llama-3.1-8b", "d_head   = 128", "d_head   = 100", "architecture.attention.full.d_head", "a multiple of 8"),
        ("llama-3.1-8b", "d_head   = 128", "d_head   = 4096", "architecture.attention.full.heads", "0.25 to 8"),
        ("llama-3.1-8b", "d_head   = 128", "d_head   = 128\nwindow = 131072", "architecture.attention.full.window",
         "limits nothing"),
        ("llama-3.1-8b", "d_model     = 4096", "d_model     = 4100", "architecture.d_model", "no multiple of 32"),
        ("llama-3.1-8b", "vocab       = 128256", "vocab       = 128", "architecture.vocab", "published models have"),
        ("llama-3.1-8b", "max_context = 131072", "max_context = 131", "architecture.max_context", "take 512 to"),
        ("llama-3.1-8b", "d_ff = 14336", "d_ff = 400", "architecture.ffn.dense.d_ff", "0.1 to 32 is usual"),
        ("gpt-oss-20b", "d_expert    = 2880", "d_expert    = 92160", "architecture.ffn.experts.d_expert", "one expert"),
    ],
)  # fmt: skip
def test_a_slip_in_a_model_is_a_warning(tmp_path, model, old, new, key, text):
    warnings = real(tmp_path, model, old, new)
    assert [finding for finding in warnings if finding[1] == key and text in finding[2]], warnings


def test_a_recipe_for_a_tensor_that_the_model_has_not_is_an_error(tmp_path):
    text = MODEL.replace('default = "bf16"', 'default = "bf16"\nffn = { gtae = "fp8" }')
    (finding,) = loud(found(tmp_path, text, "net"))
    assert finding[:2] == ("error", "weights.native")
    assert "ffn has down, gate, up" in finding[2]


def test_a_published_count_may_be_rounded(tmp_path):
    count = parameters(load_model("llama-3.1-8b").architecture).total
    assert real(tmp_path, "llama-3.1-8b", f"{count:_}", "8_030_000_000") == []
    assert real(tmp_path, "llama-3.1-8b", f"{count:_}", "8_040_000_000")
    assert real(tmp_path, "llama-3.1-8b", f"{count:_}", "8_030_261_250")


# --- the command


def test_lint_prints_one_line_a_finding_and_exits_with_1_on_errors(tmp_path, capsys):
    good, bad, odd = (tmp_path / folder / "box.toml" for folder in ("good", "bad", "odd"))
    for path, text in ((good, GOOD), (bad, GOOD.replace("vendor", "vendro")), (odd, GOOD.replace("GiB", "GB"))):
        path.parent.mkdir()
        path.write_text(text)
    assert run(capsys, "lint", str(good), "--strict") == (0, "nothing to say in 1 file\n", "")
    code, out, err = run(capsys, "lint", str(bad), str(odd.parent))
    assert code == 1
    assert [line.split(": ")[:3] for line in out.splitlines()[:-1]] == [
        [str(bad), "error", "vendor"],
        [str(bad), "error", "vendro"],
        [str(odd), "warning", "memory[HBM].capacity"],
    ]
    assert out.splitlines()[-1] == "2 errors, 1 warning in 2 files"
    assert err == f"roofline: {bad} cannot be used as long as there are errors\n"
    assert run(capsys, "lint", str(odd))[0] == 0
    assert run(capsys, "lint", str(odd), "--strict")[0] == 3
    assert run(capsys, "lint", str(bad), "--strict")[0] == 1


def test_lint_json(tmp_path, capsys):
    (tmp_path / "box.toml").write_text(GOOD.replace("GiB", "GB"))
    shutil.copy(find("gpt-oss-20b", "model"), tmp_path)
    found_json = json.loads(run(capsys, "lint", str(tmp_path), "--json")[1])
    assert list(found_json) == ["schema_version", "errors", "warnings", "notes", "files"]
    assert [(f["kind"], len(f["findings"])) for f in found_json["files"]] == [("hardware", 1), ("model", 0)]
    assert found_json["files"][0]["findings"][0]["key"] == "memory[HBM].capacity"


def test_lint_of_nothing_is_one_sentence(tmp_path, capsys):
    assert run(capsys, "lint", str(tmp_path))[2].endswith("a spec file, or a folder of them, is wanted\n")
    code, out, err = run(capsys, "lint", str(tmp_path / "absent.toml"))
    assert code == 1
    assert "error: the file: cannot be read: No such file or directory" in out
    assert err.count("\n") == 1


def test_pci_express_carries_what_its_specification_says():
    # Published rates in one direction: 15.754 GB/s (3.0 x16), 31.508 (4.0 x16), 63.015 (5.0 x16), 4.000 (1.0 x16).
    for name, rate in (
        ("PCIe 3.0 x16", 15.754),
        ("PCIe 4.0 x16", 31.508),
        ("PCIe Gen5 x16", 63.015),
        ("PCIe 1.0 x16", 4),
    ):
        assert pci_express(name) / 1e9 == pytest.approx(rate, abs=5e-4)
    assert pci_express("NVLink-C2C") is None


# --- whatever is in a file, lint answers


PIECES = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "1e400",
        "nan",
        "true",
        "[]",
        "{}",
        "'x'",
        '"9e99 TB/s"',
        '"1 B"',
        "9" * 400,
        "2026-01-01",
        "[[",
        "[a]",
    ]
)


@given(
    text=st.sampled_from([FULL, MODEL, SYSTEM, ENGINE]),
    changes=st.lists(st.tuples(st.integers(0, 10**6), st.booleans(), PIECES), min_size=1, max_size=4),
)
def test_a_file_with_anything_in_it_is_answered(tmp_path_factory, text, changes):
    lines = text.splitlines()
    for place, whole_line, piece in changes:
        index = place % len(lines)
        key, equals, _ = lines[index].partition("=")
        lines[index] = piece if whole_line else f"{key}{equals} {piece}"
    path = tmp_path_factory.mktemp("any") / "box.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    report = lint(path)
    assert all(finding.key and finding.text and "\n" not in finding.key for finding in report.findings)


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        (FULL, "value = 5000", "value = 0"),
        (MODEL, 'name = "net"', 'name = "net-0b-a0b"'),
        (MODEL, "vocab = 1000", "vocab = 1000\nlayer_scalars = 99999999999"),
        (MODEL, "vocab = 1000", "vocab = 1000\nnorms_per_layer = 99999999999"),
    ],
)
def test_what_once_broke_lint_is_answered(tmp_path, text, old, new):
    name = new.split('"')[1] if "name" in new else "net" if text is MODEL else "box"
    assert loud(found(tmp_path, text.replace(old, new, 1), name))


@pytest.mark.parametrize("number", ["9" * 13, "9" * 400, "9" * 5000])
@pytest.mark.parametrize(
    ("text", "old"),
    [
        (FULL, "value = 4096"),
        (FULL, "value = 5000"),
        (FULL, "value = 100,"),
        (MODEL, "d_model = 64"),
        (MODEL, "heads = 4"),
    ],
)
def test_a_number_beyond_belief_is_answered(tmp_path, text, old, number):
    key = old.partition("=")[0]
    name = "net" if text is MODEL else "box"
    assert found(tmp_path, text.replace(old, f"{key}= {number}{',' if old.endswith(',') else ''}", 1), name)
