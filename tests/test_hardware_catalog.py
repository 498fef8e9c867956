"""The catalogue of hardware: names that others build on, and figures that vendors print."""

from __future__ import annotations

import pytest
from printed import Printed

import roofline
from roofline.specs import load_device, load_hardware, names

PROMISED = """
h100-sxm h100-pcie h100-nvl h200-sxm b200-sxm b300-sxm gb200 gb300 gh200 a100-sxm-40gb a100-sxm-80gb a100-pcie-80gb l40s
l4 rtx-pro-6000 rtx-pro-6000-server rtx-pro-6000-max-q rtx-5090 rtx-4090 rtx-3090 dgx-spark jetson-thor mi300x mi325x
mi355x strix-halo m1-max m1-ultra m2-max m2-ultra m3-max m3-max-30c m3-ultra m4-pro m4-max m4-max-32c m5 m5-pro m5-max
sn40l sn50 groq-lpu wse-3 tpu-v5e tpu-v5p tpu-v6e tpu-v7x gaudi-3 epyc-9005 xeon-6980p grace sn40l-16 gb200-nvl72
dgx-station
"""


@pytest.mark.parametrize("name", PROMISED.split())
def test_a_promised_name_is_a_file_of_its_own(name):
    assert load_hardware(name).name == name


@pytest.mark.parametrize("name", names("hardware"))
def test_everything_in_the_catalogue_bounds_a_model(name):
    p = roofline.predict("llama-3.1-8b", name, weights="q4_0", context=2048)
    assert 0 < p.decode.ceiling.seconds_per_step <= p.decode.streaming.seconds_per_step < 10
    assert p.prefill.ceiling.seconds > 0


def _peak(name, number_format, accumulate=None):
    found = [c for c in load_hardware(name).compute if c.format == number_format and c.accumulate == accumulate]
    return found[0].peak.si / 1e12


@pytest.mark.parametrize(
    ("name", "number_format", "accumulate", "tops"),
    [
        # "AI TOPS" of GeForce Blackwell are sparse fp4, of Ada sparse fp8, of Ampere sparse fp16.
        ("rtx-5090", "fp4", "fp32", "3352"),
        ("rtx-5080", "fp4", "fp32", "1801"),
        ("rtx-5070-ti", "fp4", "fp32", "1406"),
        ("rtx-5070", "fp4", "fp32", "988"),
        ("rtx-5060-ti", "fp4", "fp32", "759"),
        ("rtx-5090-laptop", "fp4", "fp32", "1824"),
        ("rtx-4060", "fp8", "fp16", "242"),
        ("rtx-4060-ti", "fp8", "fp16", "353"),
        ("rtx-3080", "fp16", "fp16", "238"),
        ("rtx-3090-ti", "fp16", "fp16", "320"),
        ("rtx-3050", "fp16", "fp16", "73"),
        ("rtx-2000-ada", "fp8", None, "191.9"),
        ("a4000", "fp16", None, "153.4"),
        ("rx-9070-xt", "int4", None, "1557"),
        ("jetson-orin-nano", "int8", None, "67"),
    ],
)
def test_sparse_figures_on_the_box_are_twice_the_dense_ones(name, number_format, accumulate, tops):
    assert 2 * _peak(name, number_format, accumulate) == Printed(tops)


@pytest.mark.parametrize(
    ("name", "bandwidth", "number_format", "peak"),
    [
        ("a100-sxm-40gb", "1.555", "bf16", "312"),
        ("a100-sxm-80gb", "2.039", "bf16", "312"),
        ("mi300x", "5.3", "fp16", "1307.4"),
        ("mi250", "3.277", "fp16", "362.1"),
        ("mi325x", "6.0", "fp8", "2614.9"),
        ("rtx-3090", "0.936", "fp32", "35.6"),
        ("rtx-5090", "1.792", "fp32", "104.8"),
        ("rx-6900-xt", "0.512", "fp32", "23.04"),
        ("rx-7900-xtx", "0.960", "fp16", "123"),
        ("gaudi-2", "2.46", "bf16", "432"),
        ("pvc-max-1550", "3.277", "fp32", "52.4"),
        ("gb200", "8", "fp4", "10000"),
        ("b300-sxm", "8", "fp8", "4500"),
        ("a6000", "0.768", "fp32", "38.7"),
        ("a40", "0.696", "bf16", "149.7"),
        ("t4", "0.320", "fp16", "65"),
        ("v100-sxm-32gb", "0.900", "fp16", "125"),
        ("p40", "0.347", "int8", "47"),
        ("m2-ultra", "0.819", "fp32", "27.2"),
        ("m4-max", "0.546", "fp32", "18.4"),
        ("tpu-v5e", "0.819", "bf16", "197"),
        ("tpu-v6e", "1.64", "bf16", "918"),
    ],
)
def test_the_headline_figures_are_the_printed_ones(name, bandwidth, number_format, peak):
    assert load_hardware(name).main_memory.bandwidth.si / 1e12 == Printed(bandwidth)
    assert _peak(name, number_format) == Printed(peak)


@pytest.mark.parametrize(
    ("small", "large"),
    [
        ("m1-7c", "m1"),
        ("m1-pro-14c", "m1-pro"),
        ("m1-max-24c", "m1-max"),
        ("m1-ultra-48c", "m1-ultra"),
        ("m2-8c", "m2"),
        ("m2-pro-16c", "m2-pro"),
        ("m2-max-30c", "m2-max"),
        ("m2-ultra-60c", "m2-ultra"),
        ("m3-pro-14c", "m3-pro"),
        ("m3-ultra-60c", "m3-ultra"),
        ("m4-pro-16c", "m4-pro"),
        ("m5-pro-16c", "m5-pro"),
    ],
)
def test_bins_of_an_apple_chip_differ_in_cores_alone(small, large):
    few, many = load_hardware(small), load_hardware(large)
    assert few.main_memory.bandwidth.si == many.main_memory.bandwidth.si
    share = few.parts.units.value / many.parts.units.value
    for one, other in zip(few.compute, many.compute, strict=True):
        assert one.peak.si / other.peak.si == pytest.approx(share, rel=2e-3)


def test_the_smaller_bins_of_m3_max_and_m4_max_have_less_bandwidth():
    rate = {n: load_hardware(n).main_memory.bandwidth.si for n in ("m3-max-30c", "m3-max", "m4-max-32c", "m4-max")}
    assert rate["m3-max-30c"] == pytest.approx(rate["m3-max"] * 3 / 4)
    assert rate["m4-max-32c"] == pytest.approx(rate["m4-max"] * 3 / 4, rel=2e-3)


@pytest.mark.parametrize("name", names("hardware"))
def test_every_device_states_its_bandwidth_and_vendor(name):
    spec = load_hardware(name)
    assert load_device(spec).main_memory.bandwidth is not None
    assert spec.vendor == spec.vendor.strip() != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [("rtx-5080", "rtx-5070-ti"), ("rtx-4060-ti", "rtx-4070-laptop"), ("a6000", "a40"), ("mi250", "mi250x")],
)
def test_bins_of_a_chip_have_one_rate_a_unit(one, other):
    rates = [[(c.format, c.flop_per_clock.value) for c in load_hardware(name).compute] for name in (one, other)]
    assert rates[0] == rates[1]
