"""Finding specs: by name, alias, path and in the user's own folders."""

from __future__ import annotations

import pytest
from test_specs import DEVICE, MODEL

import roofline
from roofline.errors import BrokenSpecWarning, ShadowedSpecWarning, SpecError, UnknownNameError
from roofline.specs import load_hardware, load_model, names


def test_name_case_and_alias_lead_to_the_same_spec():
    assert load_hardware("dgx-spark") is load_hardware("dgx-spark")
    assert load_hardware("GB10").name == load_hardware("DGX-Spark").name == "dgx-spark"


def test_a_spec_object_is_returned_as_it_is():
    spec = load_model("minimax-m2.7")
    assert load_model(spec) is spec


@pytest.mark.parametrize(
    "name", ["", " ", "nothing-like-it", "../dgx-spark", "aliases", "dgx*", "nvidia/dgx-spark", "\0"]
)
def test_what_is_no_name_is_unknown(name):
    with pytest.raises(UnknownNameError):
        load_hardware(name)


def test_an_unknown_name_lists_neighbours_and_where_it_looked():
    with pytest.raises(
        UnknownNameError,
        match=r"no hardware is named 'dgx-sprak' \(looked in the built-in specs\); did you mean dgx-spark",
    ):
        load_hardware("dgx-sprak")
    with pytest.raises(UnknownNameError, match=r"did you mean h100-\w+ or h100-\w+ or h100-\w+\?"):
        load_hardware("h100")
    with pytest.raises(UnknownNameError, match="is no model: a name, a path or a spec object is wanted"):
        load_model(3)


def test_a_missing_or_foreign_file_is_unknown(tmp_path):
    with pytest.raises(UnknownNameError, match=r"no file .*: a hardware name or an existing .toml file is wanted"):
        load_hardware(tmp_path / "absent.toml")
    with pytest.raises(UnknownNameError, match=r"is not a model spec: a name or a \.toml file is wanted here"):
        load_model("config.json")


@pytest.fixture
def own_specs(tmp_path, monkeypatch):
    (tmp_path / "hardware_specs" / "acme").mkdir(parents=True)
    (tmp_path / "model_specs").mkdir()
    (tmp_path / "hardware_specs" / "acme" / "box.toml").write_text(
        DEVICE.replace('title = "A box"', 'aliases = ["my-box"]\ntitle = "A box"')
    )
    (tmp_path / "model_specs" / "net.toml").write_text(MODEL)
    monkeypatch.setenv("ROOFLINE_SPECS", str(tmp_path))
    return tmp_path


@pytest.mark.usefixtures("own_specs")
def test_own_specs_are_found_by_name_and_alias():
    assert load_hardware("box") is load_hardware("my-box")
    assert {"box", "dgx-spark"} <= set(names("hardware"))
    p = roofline.predict("net", "2x box", context=100)
    assert p.hardware == "box"
    assert p.devices == 2
    assert p.decode.streaming.seconds_per_step == pytest.approx(p.decode.bytes_per_token / 4e12)


def test_a_file_that_changes_is_read_again(own_specs):
    path = own_specs / "hardware_specs" / "acme" / "box.toml"
    assert load_hardware(path).main_memory.bandwidth.si == 2e12
    path.write_text(path.read_text().replace("2 TB/s", "30 TB/s"))
    assert load_hardware(path).main_memory.bandwidth.si == 30e12


def test_a_spec_that_hides_a_built_in_one_gives_a_warning(own_specs):
    (own_specs / "hardware_specs" / "dgx-spark.toml").write_text(DEVICE.replace('name = "box"', 'name = "dgx-spark"'))
    with pytest.warns(ShadowedSpecWarning, match="hides the built-in hardware 'dgx-spark'"):
        assert load_hardware("dgx-spark").vendor == "Nobody"


def test_an_alias_of_two_own_specs_is_an_error(own_specs):
    (own_specs / "hardware_specs" / "fox.toml").write_text(
        DEVICE.replace('name = "box"', 'name = "fox"\naliases = ["my-box"]')
    )
    with pytest.raises(SpecError, match="alias 'my-box' is also one of"):
        load_hardware("my-box")


def test_own_specs_may_lie_in_the_folder_itself(tmp_path, monkeypatch):
    (tmp_path / "box.toml").write_text(DEVICE)
    (tmp_path / "net.toml").write_text(MODEL)
    monkeypatch.setenv("ROOFLINE_SPECS", str(tmp_path))
    assert load_hardware("box").title == "A box"
    assert load_model("net").title == "A net"
    assert "box" not in names("model")


def test_own_specs_may_lie_deeper(own_specs):
    (own_specs / "model_specs" / "a" / "b").mkdir(parents=True)
    (own_specs / "model_specs" / "net.toml").rename(own_specs / "model_specs" / "a" / "b" / "net.toml")
    assert load_model("net").title == "A net"


def test_two_files_of_one_name_are_an_error(own_specs):
    (own_specs / "hardware_specs" / "box.toml").write_text(DEVICE)
    with pytest.raises(SpecError, match=r"is also called 'box'; a name stands for one hardware only"):
        load_hardware("box")


def test_a_broken_file_does_not_keep_others_from_being_found(own_specs):
    (own_specs / "hardware_specs" / "broken.toml").write_text("name = ")
    with pytest.warns(BrokenSpecWarning, match=r"passed over: .*broken.toml: not valid TOML"):
        assert load_hardware("my-box").name == "box"
    with pytest.raises(SpecError, match="not valid TOML"):
        load_hardware("broken")


def test_a_folder_that_is_not_there_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setenv("ROOFLINE_SPECS", str(tmp_path / "absent"))
    with pytest.raises(SpecError, match=r"\$ROOFLINE_SPECS lists .*absent', which cannot be read \(No such file"):
        load_hardware("h100-sxm")


def test_a_system_made_of_itself_is_an_error(own_specs):
    text = """
schema = 1
name = "rack"
title = "A rack"
vendor = "Nobody"
kind = "system"
device = "rack"
devices = 4
source = "sheet"
[sources.sheet]
title = "Data sheet"
url = "https://example.org/rack"
locator = "page 1"
accessed = 2026-11-20
"""
    (own_specs / "hardware_specs" / "rack.toml").write_text(text)
    with pytest.raises(SpecError, match="rack is made of rack, which is itself a system"):
        roofline.predict("llama-3.1-8b", "rack")


@pytest.mark.parametrize("broken", ["architecture = 5", "sources = 3", "architecture = { cited = 1 }"])
def test_a_borrowing_model_with_a_broken_table_is_an_error(own_specs, broken):
    head = 'schema = 1\nname = "net"\narchitecture_of = "llama-3.1-8b"\n'
    (own_specs / "model_specs" / "net.toml").write_text(head + broken)
    with pytest.raises(SpecError, match="but a table is wanted"):
        load_model("net")


def test_a_borrowing_model_that_cites_no_text_is_an_error(own_specs):
    head = 'schema = 1\nname = "net"\ntitle = "A net"\nauthor = "Nobody"\narchitecture_of = "llama-3.1-8b"\n'
    (own_specs / "model_specs" / "net.toml").write_text(head + "architecture = { cited = { d_model = [1] } }")
    with pytest.raises(SpecError, match=r"architecture\.cited\.d_model: should be a valid string"):
        load_model("net")


def test_an_architecture_may_be_borrowed_with_differences():
    ours, base = load_model("minimax-m2.5").architecture, load_model("minimax-m2.7").architecture
    assert ours.max_context == 196608 != base.max_context
    assert ours.attention["full"].heads == base.attention["full"].heads


def test_borrowing_from_nobody_is_an_error(own_specs):
    path = own_specs / "model_specs" / "net.toml"
    path.write_text(MODEL.replace('author = "Nobody"', 'author = "Nobody"\narchitecture_of = "nothing"'))
    with pytest.raises(SpecError, match="architecture_of: no model is named 'nothing'"):
        load_model("net")
