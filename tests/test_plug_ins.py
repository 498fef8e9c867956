"""Spec files of installed packages: found by an entry point, read as data, never run."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest
from test_specs import DEVICE, MODEL

import roofline
from roofline.errors import BrokenSpecWarning, ShadowedSpecWarning, SpecError, UnknownNameError
from roofline.specs import catalog, load_hardware, load_model, names, plug_ins, search

CODE = "raise RuntimeError('the code of a plug-in was run')"


def _forget():
    for remembered in (plug_ins.plug_in_folders, search.plug_in_files, search._plug_in_aliases, catalog._installed):
        remembered.cache_clear()
    importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path, monkeypatch):
    """Return an empty folder of installed packages."""
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(str(folder))
    _forget()
    yield folder
    _forget()


def install(site, package, files, *, value=None):
    """Install a package of spec files, as pip would leave it; its code fails when run."""
    folder = site.joinpath(*package.split("."))
    folder.mkdir(parents=True)
    (site / package.partition(".")[0] / "__init__.py").write_text(CODE)
    (folder / "__init__.py").write_text(CODE)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text)
    distribution = package.replace(".", "_")
    information = site / f"{distribution}-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[roofline.specs]\n{distribution} = {value or package}\n")
    _forget()


def device(name, vendor="Nobody", aliases=()):
    text = DEVICE.replace('name = "box"', f'name = "{name}"\naliases = {list(aliases)}')
    return text.replace('vendor = "Nobody"', f'vendor = "{vendor}"')


FILES = {"hardware_specs/acme/box.toml": device("box", aliases=["my-box"]), "model_specs/net.toml": MODEL}


@pytest.mark.parametrize("package", ["acme_specs", "acme_suite.data.specs"])
def test_specs_of_a_plug_in_are_found_without_running_its_code(site, package):
    install(site, package, FILES)
    p = roofline.predict("net", "2x my-box", context=100)
    assert (p.model, p.hardware, p.devices) == ("net", "box", 2)
    assert load_hardware("BOX") is load_hardware("my-box")
    assert {"box", "h100-sxm"} <= set(names("hardware"))
    assert "net" in names("model")
    assert "net" not in names("hardware")
    assert not [name for name in sys.modules if name.startswith("acme_")]


def test_an_unknown_name_says_that_plug_ins_were_looked_in(site):
    install(site, "acme_specs", FILES)
    with pytest.raises(UnknownNameError, match=r"looked in .*acme_specs, the built-in specs\); did you mean box"):
        load_hardware("boxx")


def test_a_plug_in_that_hides_a_built_in_spec_gives_a_warning(site):
    install(site, "acme_specs", {"hardware_specs/h100-sxm.toml": device("h100-sxm")})
    with pytest.warns(ShadowedSpecWarning, match="acme_specs.*hides the built-in hardware 'h100-sxm'"):
        assert load_hardware("h100-sxm").vendor == "Nobody"


def test_an_alias_of_a_plug_in_hides_nothing(site):
    install(site, "acme_specs", {"hardware_specs/box.toml": device("box", aliases=["h100-sxm", "gb10"])})
    assert load_hardware("h100-sxm").vendor == load_hardware("gb10").vendor == "NVIDIA"


def test_a_users_spec_that_hides_a_plug_ins_gives_a_warning(site, tmp_path, monkeypatch):
    install(site, "acme_specs", FILES)
    own = tmp_path / "own"
    own.mkdir()
    (own / "box.toml").write_text(device("box", vendor="Me"))
    monkeypatch.setenv("ROOFLINE_SPECS", str(own))
    with pytest.warns(ShadowedSpecWarning, match=r"own.*hides the hardware 'box' of a plug-in, .*acme_specs"):
        assert load_hardware("box").vendor == "Me"
    assert load_model("net").author == "Nobody"


@pytest.mark.parametrize("asked", ["box", "my-box"])
def test_a_name_that_two_plug_ins_have_is_an_error_where_it_is_asked_for(site, asked):
    install(site, "acme_specs", FILES)
    install(site, "bolt_specs", {"hardware_specs/box.toml": device("box", aliases=["my-box", "bolt-box"])})
    with pytest.raises(SpecError, match=rf"plug-ins define the hardware '{asked}' more than once, .*acme.* and .*bolt"):
        load_hardware(asked)
    assert load_hardware("h100-sxm").vendor == "NVIDIA"
    assert load_hardware("bolt-box").name == "box"


@pytest.mark.parametrize(
    "value",
    [
        "absent_package",
        "json",
        "acme_specs.absent",
        "acme_specs:attribute",
        "os.path",
        "json./tmp",
        "../acme_specs",
        "...",
        "\x01",
    ],
)
def test_an_entry_point_that_leads_to_no_specs_is_passed_over(site, value):
    install(site, "acme_specs", {}, value=value)
    install(site, "bolt_specs", FILES)
    with pytest.warns(BrokenSpecWarning, match=r"passed over: the entry point 'acme_specs = .*' of acme_specs"):
        assert load_hardware("box").name == "box"


def test_a_broken_file_of_a_plug_in_does_not_keep_others_from_being_found(site):
    install(site, "acme_specs", FILES | {"hardware_specs/broken.toml": "name = "})
    with pytest.warns(BrokenSpecWarning, match=r"passed over: .*broken.toml: not valid TOML"):
        assert load_hardware("my-box").name == "box"
    with pytest.raises(SpecError, match="not valid TOML"):
        load_hardware("broken")


def test_importing_the_library_looks_for_no_plug_in():
    code = (
        "import roofline; from roofline.specs import plug_ins; assert not plug_ins.plug_in_folders.cache_info().misses"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_plug_ins_are_looked_for_once(site):
    install(site, "acme_specs", FILES)
    for name in ("llama-3.1-8b", "net", "gpt-oss-20b"):
        roofline.predict(name, "box")
    assert plug_ins.plug_in_folders.cache_info().misses == 1
