"""Identities that every spec file must satisfy, and the rules of provenance."""

from __future__ import annotations

import pytest
from printed import Printed

from roofline.errors import SourceError, SpecError, UnitError
from roofline.lint import lint
from roofline.lint.hardware import agrees, bus_times_data_rate, peaks_by_width, units_times_rate_times_clock
from roofline.lint.model import size_agrees
from roofline.recipes import stored
from roofline.specs import DeviceSpec, SystemSpec, load_engine, load_hardware, load_model, names
from roofline.specs.catalog import FOLDERS, aliases, builtin_files, data_folder, read
from roofline.tensors import parameters
from roofline.transformer import transformer

MODELS = names("model")
DEVICES = [name for name in names("hardware") if isinstance(load_hardware(name), DeviceSpec)]


# --- identities


@pytest.mark.parametrize("name", [n for n in MODELS if load_model(n).published.parameters])
def test_the_architecture_has_exactly_the_published_parameters(name):
    spec = load_model(name)
    assert parameters(spec.architecture).total == spec.published.parameters.value


@pytest.mark.parametrize("name", [n for n in MODELS if load_model(n).published.active])
def test_active_parameters_round_to_the_published_ones(name):
    spec = load_model(name)
    assert parameters(spec.architecture).active_without_embedding / 1e7 == Printed(
        str(spec.published.active.value // 10**7)
    )


@pytest.mark.parametrize("name", MODELS)
def test_groups_add_up_to_the_total(name):
    counts = parameters(load_model(name).architecture)
    assert sum(counts.by_group.values()) == counts.total
    assert counts.active_without_embedding <= counts.active <= counts.total


@pytest.mark.parametrize(
    ("name", "recipe"), [(n, r) for n in MODELS for r, entry in load_model(n).weights.items() if entry.file]
)
def test_a_recipe_reproduces_the_published_file(name, recipe):
    spec = load_model(name)
    entry = spec.weights[recipe]
    assert size_agrees(stored(spec, recipe).bytes, entry.file, estimated=entry.kind == "estimated")


@pytest.mark.parametrize("name", DEVICES)
def test_peak_is_units_times_rate_times_clock(name):
    spec = load_hardware(name)
    products = [(c, units_times_rate_times_clock(spec, c)) for c in spec.compute]
    if not any(product for _, product in products):
        pytest.skip(f"{name} publishes no rate per clock")
    assert not [(c.format, product) for c, product in products if product and not agrees(product, c.peak)]


@pytest.mark.parametrize("name", DEVICES)
def test_bandwidth_is_bus_times_data_rate(name):
    tiers = [tier for tier in load_hardware(name).memory if bus_times_data_rate(tier) and tier.bandwidth]
    if not tiers:
        pytest.skip(f"{name} publishes no bus width and data rate")
    for tier in tiers:
        assert bus_times_data_rate(tier) == pytest.approx(tier.bandwidth.si, rel=0.0005), tier.name


@pytest.mark.parametrize("name", DEVICES)
def test_narrower_formats_are_never_slower(name):
    by_width = [c.peak.si for c in peaks_by_width(load_hardware(name)).values()]
    assert by_width == sorted(by_width)


@pytest.mark.parametrize("name", DEVICES)
def test_a_device_is_believable(name):
    spec = load_hardware(name)
    main = spec.main_memory
    on_chip_only = spec.kind == "dataflow" and main.name == "SRAM"
    assert (1e8 if on_chip_only else 1e9) <= main.capacity.si <= 2e13
    assert main.usable is None or 0.8 <= main.usable.si / main.capacity.si <= 1.1
    assert main.bandwidth is None or 1e10 <= main.bandwidth.si <= (1e17 if on_chip_only else 1e13)
    on_chip = sum(tier.capacity.si for tier in spec.memory if tier.role == "on-chip")
    assert on_chip < main.capacity.si / 50
    for c in spec.compute:
        assert c.measured is None or c.measured.si < c.peak.si


@pytest.mark.parametrize(("kind", "path"), [(kind, path) for kind in FOLDERS for path in builtin_files(kind)])
def test_lint_finds_nothing_wrong_with_what_is_built_in(kind, path):
    report = lint(path)
    assert report.kind == kind
    assert not [finding for finding in report.findings if finding.level != "note"]


@pytest.mark.parametrize("name", names("hardware"))
def test_a_system_is_made_of_devices(name):
    spec = load_hardware(name)
    if isinstance(spec, SystemSpec):
        assert isinstance(load_hardware(spec.device), DeviceSpec)


@pytest.mark.parametrize("name", names("engine"))
def test_an_engine_offers_caches_that_exist(name):
    model = load_model("llama-3.1-8b")
    for cache in load_engine(name).cache_formats.value:
        assert transformer(model, "native", cache).caches[0].bytes_per_token > 0


@pytest.mark.parametrize("kind", FOLDERS)
def test_every_source_says_where_and_when(kind):
    for name in names(kind):
        spec = {"model": load_model, "hardware": load_hardware, "engine": load_engine}[kind](name)
        for source in spec.sources.values():
            assert source.url.startswith("http")
            assert len(source.locator) >= 4, f"{name}: {source.title}"


@pytest.mark.parametrize("kind", FOLDERS)
def test_the_alias_index_is_that_of_the_files(kind):
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent.parent / "scripts"))
    from index_aliases import index

    assert (data_folder(FOLDERS[kind]) / "aliases.toml").read_text(encoding="utf-8") == index(kind)


@pytest.mark.parametrize("kind", FOLDERS)
def test_no_alias_is_a_name(kind):
    assert not set(aliases(builtin_files(kind))) & set(names(kind))


# --- rules: each broken file fails in one sentence that names the key

DEVICE = """
schema = 1
name = "box"
title = "A box"
vendor = "Nobody"
kind = "gpu"

[sources.sheet]
title = "Data sheet"
url = "https://example.org/sheet"
locator = "page 1"
accessed = 2026-01-01

[[memory]]
name = "HBM"
role = "main"
capacity = { value = "80 GB", source = "sheet" }
bandwidth = { value = "2 TB/s", source = "sheet" }

[[compute]]
format = "bf16"
peak = { value = "500 TFLOP/s", source = "sheet" }
"""

SPARE = """
[sources.spare]
title = "Spare"
url = "https://example.org"
locator = "page 1"
accessed = 2026-01-01

"""

MODEL = """
schema = 1
name = "net"
title = "A net"
author = "Nobody"

[sources.config]
title = "config.json"
url = "https://example.org/config.json"
locator = "whole file"
accessed = 2026-01-01

[architecture]
source = "config"
d_model = 64
vocab = 1000
max_context = 4096

[architecture.attention.full]
kind = "gqa"
heads = 4
kv_heads = 2
d_head = 16

[architecture.ffn.dense]
kind = "dense"
d_ff = 128

[[architecture.layers]]
repeat = 2
attention = "full"
ffn = "dense"

[weights.native]
source = "config"
default = "bf16"
"""


def _read(tmp_path, text, kind="hardware"):
    path = tmp_path / ("net.toml" if kind == "model" else "box.toml")
    path.write_text(text, encoding="utf-8")
    return read(path, kind)


def test_a_minimal_file_of_each_kind_loads(tmp_path):
    assert _read(tmp_path, DEVICE).main_memory.bandwidth.si == 2e12
    assert (
        parameters(_read(tmp_path, MODEL, "model").architecture).total
        == 2 * 64000 + 2 * (3 * 64 * 128 + 2 * 64 * 64 + 2 * 64 * 32 + 128) + 64
    )


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (('kind = "gpu"', 'kind = "gpu"\npeek = 3'), SpecError, r"peek: no such key here"),
        (('role = "main"', 'role = "main"\nbandwith = 3'), SpecError, r"bandwith: no such key here"),
        (('"2 TB/s"', '"2 TBps"'), UnitError, r"memory.0.bandwidth.*cannot read '2 TBps': a byte/s is wanted"),
        (('"2 TB/s"', '"2 TB"'), UnitError, r"'2 TB' is a byte, but a byte/s is wanted here"),
        (('value = "80 GB", source = "sheet"', 'value = "80 GB"'), SpecError, r"capacity.source: this key is missing"),
        (
            ('value = "80 GB", source = "sheet"', 'value = "80 GB", source = "paper"'),
            SourceError,
            r"cites 'paper', which \[sources\] does not define",
        ),
        (
            (
                "[[memory]]",
                SPARE + "[[memory]]",
            ),
            SourceError,
            r"defines spare, which nothing cites",
        ),
        (
            (
                'peak = { value = "500 TFLOP/s", source = "sheet" }',
                'peak = { value = "500 TFLOP/s", source = "sheet", printed = "1 PFLOP/s" }',
            ),
            SpecError,
            r"printed needs a note",
        ),
        (
            (
                'peak = { value = "500 TFLOP/s", source = "sheet" }',
                'peak = { value = "500 TFLOP/s", source = "sheet", kind = "measured" }',
            ),
            SpecError,
            r'kind = "measured" needs conditions',
        ),
        (('role = "main"', 'role = "slow"'), SpecError, r"exactly one memory has role"),
        (("schema = 1", "schema = 2"), SpecError, r"schema = 2, but this version of roofline reads schema = 1"),
        (('name = "box"', 'name = "fox"'), SpecError, r"name = 'fox', but the file is called 'box'"),
        (("locator = ", "# locator = "), SpecError, r"sources.sheet.locator: this key is missing"),
        (("https://example.org/sheet", "sheet.pdf"), SpecError, r"sources.sheet.url"),
        (('kind = "gpu"', 'kind = "gpu'), SpecError, r"not valid TOML"),
    ],
)
def test_a_broken_hardware_file_says_what_is_wrong(tmp_path, change, error, message):
    assert change[0] in DEVICE
    with pytest.raises(error, match=message) as caught:
        _read(tmp_path, DEVICE.replace(*change, 1))
    assert str(tmp_path / "box.toml") in str(caught.value)
    assert "\n" not in str(caught.value).replace(str(tmp_path), "")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("heads = 4", "heads = 3"), r"3 heads cannot share 2 kv_heads evenly"),
        (("heads = 4", "heads = 0"), r"heads"),
        (('attention = "full"', 'attention = "half"'), r"every name in \[\[architecture.layers\]\] needs a table"),
        (('kind = "gqa"', 'kind = "mystery"'), r"mystery"),
        (("[weights.native]", "[weights.other]"), r"\[weights.native\] is missing"),
        (('default = "bf16"', 'defualt = "bf16"'), r"this key is missing|no such key"),
        (('default = "bf16"', 'default = "bf61"'), r"weights.native.default: no number format is named 'bf61'"),
        (
            ('default = "bf16"', 'default = "bf16"\nkv = "iq2_s"'),
            r"weights.native.kv: 'iq2_s' is not a format for a KV",
        ),
        (("heads = 4", "heads = true"), r"heads: should be a valid integer \(found True\)"),
        (("heads = 4", "heads = 4.0"), r"heads"),
        (("heads = 4", 'heads = "4"'), r"heads"),
        (("repeat = 2", "repeat = 100000000"), r"repeat"),
        (("d_ff = 128", "d_ff = 128\ntop_k = 2"), r"top_k: no such key here"),
    ],
)
def test_a_broken_model_file_says_what_is_wrong(tmp_path, change, message):
    assert change[0] in MODEL
    with pytest.raises(SpecError, match=message):
        _read(tmp_path, MODEL.replace(*change, 1), "model")


def test_a_recipe_for_a_tensor_that_the_model_has_not_is_an_error_when_used(tmp_path):
    spec = _read(tmp_path, MODEL.replace('default = "bf16"', 'default = "bf16"\nffn = { gtae = "fp8" }'), "model")
    with pytest.raises(SpecError, match=r"net: weights.native.ffn.gtae: no such tensor; ffn has down, gate, up"):
        stored(spec, "native")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\xff\xfe\x00", "not a text file in UTF-8"),
        (b"", "schema = None"),
        (b"a = " + b"[" * 5000, "TOML|nested too deeply"),
        (b"#" * (5 * 2**20), "larger than 4 MiB"),
    ],
)
def test_a_file_that_is_no_spec_fails_in_one_sentence(tmp_path, content, message):
    path = tmp_path / "box.toml"
    path.write_bytes(content)
    with pytest.raises(SpecError, match=message):
        read(path, "hardware")


def test_a_folder_in_place_of_a_file_fails_in_one_sentence(tmp_path):
    (tmp_path / "box.toml").mkdir()
    with pytest.raises(SpecError, match="cannot be read"):
        read(tmp_path / "box.toml", "hardware")


def test_a_spec_does_not_change_after_loading():
    from pydantic import ValidationError

    with pytest.raises(ValidationError, match="frozen"):
        load_hardware("dgx-spark").title = "something else"
