"""Pictures: what they show, in whose axes, and what they leave alone."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pytest
from matplotlib.figure import Figure

import roofline
import roofline.plots


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


@pytest.fixture
def prediction():
    return roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=4096)


def test_every_operation_stands_on_its_roof(prediction):
    ax = roofline.plots.roofline(prediction)
    drawn = {collection.get_label(): collection.get_offsets()[0] for collection in ax.collections}
    for phase, operations in (("decode", prediction.decode.ops), ("prefill", prediction.prefill.ops)):
        for op in operations:
            x, y = drawn[f"{phase} {op.name}"]
            if op.bound == "memory":
                assert y == pytest.approx(x * 273e9)
            else:
                assert y == pytest.approx(op.flop / op.seconds)
            if op.bytes:
                assert x == pytest.approx(op.flop / op.bytes, rel=0.25)  # side by side with its equals


def test_roofs_meet_the_slope_at_their_ridges(prediction):
    ax = roofline.plots.roofline(prediction)
    ridges = {float(line.get_ydata()[0]): float(line.get_xdata()[0]) for line in ax.lines if line.get_marker() == "D"}
    assert ridges == {peak: pytest.approx(peak / 273e9) for peak in (500e12, 250e12, 125e12, 62.5e12)}


def test_axes_are_logarithmic_and_carry_units(prediction):
    ax = roofline.plots.roofline(prediction)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("arithmetic intensity [FLOP/byte]", "performance [FLOP/s]")
    assert "MiniMax-M2.7 on NVIDIA DGX Spark" in ax.get_title(loc="left")


def test_given_axes_are_used_and_returned(prediction):
    ax = Figure().subplots()
    assert roofline.plots.roofline(prediction, ax) is ax


def test_no_global_style_is_set(prediction):
    before = dict(mpl.rcParams)
    roofline.plots.roofline(prediction)
    assert dict(mpl.rcParams) == before


def test_a_picture_can_be_saved_without_a_display(prediction, tmp_path):
    for kind in ("png", "svg", "pdf"):
        path = tmp_path / f"a.{kind}"
        roofline.plots.roofline(prediction).figure.savefig(path)
        assert path.stat().st_size > 5000


def test_a_machine_without_a_bandwidth_has_no_roofline(tmp_path):
    from test_specs import DEVICE

    (tmp_path / "box.toml").write_text(DEVICE.replace('bandwidth = { value = "2 TB/s", source = "sheet" }', ""))
    p = roofline.predict("llama-3.1-8b", tmp_path / "box.toml")
    with pytest.raises(ValueError, match="box has no known bandwidth or no known peak, so it has no roofline"):
        roofline.plots.roofline(p)
