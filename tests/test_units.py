import pytest
from hypothesis import given
from hypothesis import strategies as st

from roofline import units
from roofline.errors import UnitError


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("3.35 TB/s", "byte/s", 3.35e12),
        ("80 GB", "byte", 80e9),
        ("80 GiB", "byte", 80 * 2**30),
        ("81559 MiB", "byte", 81559 * 2**20),
        ("125_506_464 KiB", "byte", 125506464 * 1024),
        ("989.4 TFLOP/s", "FLOP/s", 989.4e12),
        ("638 TOP/s", "FLOP/s", 638e12),
        ("1.83 GHz", "Hz", 1.83e9),
        ("8.533 GT/s", "transfer/s", 8.533e9),
        ("3.4 us", "s", 3.4e-6),
        ("700 W", "W", 700.0),
        ("10 kW", "W", 1e4),
        ("2.95 USD/h", "USD/h", 2.95),
    ],
)
def test_quantities_are_read_in_si(text, dimension, value):
    assert units.parse(text, dimension) == pytest.approx(value, rel=1e-15)


def test_whole_binary_quantities_are_exact():
    assert units.parse("108405492736 B", "byte") == 108405492736


@pytest.mark.parametrize(
    "text", ["3.35 TBps", "3350GB/s", "80 Gb", "80 gb", "80", "GB", "", "-1 GB", "1e400 x", "1,000 GB", "80  GB"]
)
def test_what_can_be_read_in_two_ways_is_refused(text):
    with pytest.raises(UnitError, match="is wanted here, for example"):
        units.parse(text, "byte/s" if "/" in text or "ps" in text else "byte")


def test_another_dimension_is_refused():
    with pytest.raises(UnitError, match="'80 GB' is a byte, but a byte/s is wanted here"):
        units.parse("80 GB", "byte/s")


@given(st.integers(min_value=0, max_value=10**12), st.sampled_from(["", "k", "K", "m", "M"]))
def test_counts_are_powers_of_1024(number, suffix):
    assert units.count(f"{number}{suffix}") == number * {"": 1, "k": 1024, "m": 1024**2}[suffix.lower()]


@pytest.mark.parametrize("text", ["", "k", "1.5k", "-1", "1e3", "128 k", "12__3", "0x10"])
def test_bad_counts_are_refused(text):
    with pytest.raises(UnitError, match="a whole count is wanted here"):
        units.count(text)


@given(st.floats(min_value=1e-9, max_value=9e20), st.sampled_from([("B", "byte"), ("FLOP/s", "FLOP/s"), ("s", "s")]))
def test_text_reads_back_within_its_digits(value, unit):
    printed, dimension = unit
    text = units.text(value if printed == "s" else max(value, 1.0), printed, digits=6)
    back = units.parse(text.replace(",", ""), dimension)
    assert back == pytest.approx(value if printed == "s" else max(value, 1.0), rel=1e-5, abs=1e-15)


@pytest.mark.parametrize(
    ("value", "text"),
    [(39.82, "39.8"), (3286.4, "3,290"), (0.0525, "0.0525"), (999.9, "1,000"), (0, "0"), (9.996, "10.0")],
)
def test_significant_digits(value, text):
    assert units.significant(value) == text
