"""What can be asked for, and targets as people write them."""

from __future__ import annotations

import math  # noqa: TID251 (a check of one number, no formula)
import re
from typing import Any

from roofline import units
from roofline.errors import UnitError, WorkloadError
from roofline.specs.search import neighbours

COUNTS = {"batch": 1, "context": 0, "prompt": 1, "output": 1, "cached": 0, "concurrency": 1, "devices": 1}
"""Whole numbers that can be asked for, and the least of each."""

RATES = {"bandwidth": "byte/s", "peak": "FLOP/s", "link": "byte/s", "capacity": "byte"}
"""Rates and sizes of the machine that can be asked for, and their units."""

CHOICES = ("weights", "kv", "top_k")
"""Choices that can be asked for."""

WIDEST_FACTOR = 4e6
"""Rates are tried up to so many times as high, and as low. [1]"""

GRID = 120
"""Values that are tried before those between them."""

CACHES = ("bf16", "q8_0", "fp8", "q5_0", "q4_0")
"""Cache formats that are tried."""

PLAIN = ("bf16", "fp8", "nvfp4")
"""Formats of weights that are tried beside the model's own recipes, where the engine is not llama.cpp."""


def asked(for_: Any, options: dict[str, Any]) -> str:
    """Return the name of what is asked for, if it can be.

    Raises
    ------
    WorkloadError
        Nothing of that name can be, or an option says it already.
    """
    known = [*COUNTS, *RATES, *CHOICES]
    if for_ not in known:
        near = neighbours(for_, known)[:3] if isinstance(for_, str) else []
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(known)}"
        raise WorkloadError(f"nothing can be solved for {for_!r:.60}; {hint}")
    if options.get(for_) is not None:
        raise WorkloadError(f"{for_} is {options[for_]!r:.60}, but it is what is asked for: leave it out")
    if for_ == "devices" and (given := [name for name in ("tp", "ep", "pp", "dp") if options.get(name) is not None]):
        raise WorkloadError(f"devices are asked for, so {given[0]} cannot be given: leave it out")
    return for_


EXAMPLES = {"token/s": "'50 tok/s'", "s": "'20 ms'", "byte": "'100 GiB'", "token": "'32k tok'"}

_SPEED = re.compile(r"([kM]?)(?:tok|tokens?)/s")
_TOKENS = re.compile(r"tok|tokens?")


def target_of(target: Any) -> tuple[float, str | None]:
    """Return the number of a target in SI units, and its unit; None where only a number is given."""
    if isinstance(target, int | float) and not isinstance(target, bool):
        return _positive(float(target), target), None
    if not isinstance(target, str):
        raise WorkloadError(f"target is {target!r:.60}, but a text such as '50 tok/s' or a number is wanted")
    try:
        value, unit = _read(*target.strip().partition(" ")[::2])
    except (ValueError, UnitError):
        raise WorkloadError(
            f"target is {target!r:.60}, which cannot be read: '50 tok/s', '20 ms', '100 GiB', '32k tok' or a number is "
            f"wanted"
        ) from None
    return _positive(value, target), unit


def _read(number: str, unit: str) -> tuple[float, str | None]:
    """Return a number and the unit behind it in SI.

    Raises
    ------
    ValueError
        It is none, or of another unit.
    """
    unit = unit.strip()
    if _TOKENS.fullmatch(unit):
        return float(units.count(number)), "token"
    value = float(number.replace("_", "").replace(",", ""))
    if not unit:
        return value, None
    if speed := _SPEED.fullmatch(unit):
        return value * units.DECIMAL[speed[1]], "token/s"
    if value <= 0:
        return value, None
    try:
        return units.parse(f"{number} {unit}", "s"), "s"
    except UnitError:
        return units.parse(f"{number} {unit}", "byte"), "byte"


def _positive(value: float, target: Any) -> float:
    if not 0 < value < math.inf:
        raise WorkloadError(f"target is {target!r:.60}, but an amount above 0 is wanted")
    return value
