"""Text with a unit to SI base units and back: the only module that knows a prefix.

Inside the library every number is in base units (byte, second, FLOP, byte/s, FLOP/s, hertz, watt, US dollar), and the
name says which. GB is 10^9 bytes and GiB is 2^30 bytes, always; what could be read in two ways is refused.
"""

from __future__ import annotations

import re

from roofline.errors import UnitError

DECIMAL = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "P": 10**15, "E": 10**18}
_EXPONENT_FROM = 1e15

BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50}

_PREFIXED = {
    # dimension: (base units as written, prefixes allowed)
    "byte": (("B",), DECIMAL | BINARY),
    "byte/s": (("B/s",), DECIMAL | BINARY),
    "bit": (("bit",), DECIMAL),
    "transfer/s": (("T/s", "bit/s"), DECIMAL),
    "FLOP": (("FLOP", "OP"), DECIMAL),
    "FLOP/s": (("FLOP/s", "OP/s"), DECIMAL),
    "Hz": (("Hz",), DECIMAL),
    "W": (("W",), DECIMAL),
    "s": (("s",), {"": 1, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "n": 1e-9}),
    "USD": (("USD",), {"": 1}),
    "USD/h": (("USD/h",), {"": 1}),
}

_UNITS: dict[str, tuple[str, float]] = {
    prefix + base: (dimension, factor)
    for dimension, (bases, prefixes) in _PREFIXED.items()
    for base in bases
    for prefix, factor in prefixes.items()
}

DIMENSIONS = frozenset(_PREFIXED)

_EXAMPLES = {
    "byte": "80 GB or 119.7 GiB",
    "byte/s": "3.35 TB/s",
    "bit": "256 bit",
    "transfer/s": "8.533 GT/s",
    "FLOP": "140 GFLOP",
    "FLOP/s": "989.4 TFLOP/s",
    "Hz": "1.83 GHz",
    "W": "700 W",
    "s": "3.4 us",
    "USD": "3999 USD",
    "USD/h": "2.95 USD/h",
}

_QUANTITY = re.compile(r"([0-9][0-9_]*(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?) (\S+)")


def parse(text: str, dimension: str) -> float:
    """Return the quantity ``text`` in SI base units.

    Parameters
    ----------
    text : a number, one space and a unit, as in ``"3.35 TB/s"``.
    dimension : one of :data:`DIMENSIONS`, for example ``"byte/s"``.

    Returns
    -------
    float
        The value in bytes, seconds, FLOP/s and so on.

    Raises
    ------
    UnitError
        The text has no readable unit, or one of another dimension.

    Examples
    --------
    >>> parse("3.35 TB/s", "byte/s")
    3350000000000.0
    >>> parse("80 GiB", "byte") / parse("80 GB", "byte")
    1.073741824
    """
    wanted = f"a {dimension} is wanted here, for example '{_EXAMPLES[dimension]}'"
    match = _QUANTITY.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None or match[2] not in _UNITS:
        raise UnitError(f"cannot read {text!r}: {wanted}")
    found, factor = _UNITS[match[2]]
    if found != dimension:
        raise UnitError(f"{text!r} is a {found}, but {wanted}")
    number = match[1].replace("_", "")
    # Whole numbers stay exact: 81559 MiB must come back as that many bytes to the last one.
    value = int(number) * factor if number.isdigit() else float(number) * factor
    return float(value)


def half_a_digit(text: str) -> float:
    """Return half of the last printed digit of the quantity ``text``, in SI base units.

    What rounds to the printed number is nearer to it than this.

    Examples
    --------
    >>> half_a_digit("989.4 TFLOP/s"), half_a_digit("80 GB"), half_a_digit("12")
    (50000000000.0, 500000000.0, 0.5)
    """
    number, _, unit = text.strip().partition(" ")
    mantissa, _, exponent = number.replace("_", "").lower().partition("e")
    places = int(exponent or 0) - len(mantissa.partition(".")[2])
    factor = _UNITS[unit][1] if unit else 1
    return float(f"5e{places - 1}") * factor


def count(text: str) -> int:
    """Return a count of tokens such as ``131072``, ``131_072`` or ``128k`` (k = 1024, M = 1024 x 1024).

    Parameters
    ----------
    text : digits, optional underscores, optional suffix k or M.

    Returns
    -------
    int
        The count. [token]

    Raises
    ------
    UnitError
        The text is not such a count.

    Examples
    --------
    >>> count("128k"), count("131_072")
    (131072, 131072)
    """
    match = re.fullmatch(r"([0-9](?:_?[0-9])*)([kKmM]?)", text.strip())
    if match is None:
        raise UnitError(
            f"cannot read {text!r}: a whole count is wanted here, for example '131072' or '128k' (= 131072)"
        )
    return int(match[1].replace("_", "")) * {"": 1, "k": 1024, "m": 1024**2}[match[2].lower()]


def short_count(tokens: int) -> str:
    """Return a count as short as it can be read: the inverse of :func:`count`.

    Examples
    --------
    >>> short_count(131072), short_count(1000), short_count(66516)
    ('128k', '1,000', '66,516')
    """
    return f"{tokens // 1024:,}k" if tokens and tokens % 1024 == 0 else f"{tokens:,}"


def text(value: float, unit: str, digits: int = 3) -> str:
    """Return ``value`` with a decimal prefix and about ``digits`` significant digits.

    Parameters
    ----------
    value : in the base unit.
    unit : base unit as printed, for example ``"B"``, ``"B/s"``, ``"FLOP/s"``, ``"s"``.
    digits : significant digits.

    Returns
    -------
    str
        For example ``"3.35 TB/s"``.

    Examples
    --------
    >>> text(3.35e12, "B/s"), text(0.00884, "s"), text(0, "B")
    ('3.35 TB/s', '8.84 ms', '0 B')
    """
    if value == 0:
        return f"0 {unit}"
    factor, prefixed = scale(value, unit)
    return f"{significant(value / factor, digits)} {prefixed}"


def scale(value: float, unit: str, *, binary: bool = False) -> tuple[float, str]:
    """Return the unit that suits ``value``, and how many base units it is.

    Parameters
    ----------
    value : in the base unit.
    unit : base unit as printed, for example ``"B"`` or ``"s"``.
    binary : prefixes in steps of 1024 instead of 1000.

    Returns
    -------
    tuple[float, str]

    Examples
    --------
    >>> scale(0.00884, "s"), scale(117716262912, "B", binary=True)
    ((0.001, 'ms'), (1073741824, 'GiB'))
    """
    if unit == "s":
        small = ((1.0, ""), (1e-3, "m"), (1e-6, "µ"))
        factor, prefix = next(((s, p) for s, p in small if abs(value) >= s * 0.9995), (1e-9, "n"))
    else:
        prefixes = {"": 1, **BINARY} if binary else DECIMAL
        factor, prefix = next(((s, p) for p, s in reversed(prefixes.items()) if abs(value) >= s * 0.9995), (1, ""))
    return factor, prefix + unit


def significant(value: float, digits: int = 3) -> str:
    """Return ``value`` with about ``digits`` significant digits, thousands grouped; an exponent only from 1e15 up.

    Examples
    --------
    >>> significant(39.82), significant(3286.4), significant(0.0525)
    ('39.8', '3,290', '0.0525')
    """
    if value == 0:
        return "0"
    rounded = float(f"{value:.{digits}g}")
    if abs(rounded) >= _EXPONENT_FROM:
        return f"{rounded:.{digits - 1}e}"
    decimals = digits - 1 - int(f"{rounded:e}".partition("e")[2])
    return f"{rounded:,.{max(decimals, 0)}f}"


def gib(value: float) -> str:
    """Return a byte count in GiB with one decimal, as engines and operating systems print it.

    Examples
    --------
    >>> gib(117716262912)
    '109.6 GiB'
    """
    return f"{value / BINARY['Gi']:,.1f} GiB"


def billions(count: float) -> str:
    """Return a count of parameters in billions, as models are named by them.

    Examples
    --------
    >>> billions(8030261248)
    '8.03 B'
    """
    return f"{significant(count / DECIMAL['G'])} B"
