"""A device beside its like: what is far from every built-in one of its kind is more often a mistake than a marvel."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from roofline import units
from roofline.errors import SpecError
from roofline.lint.finding import Finding, warning
from roofline.specs.catalog import read
from roofline.specs.hardware import Compute, DeviceSpec
from roofline.specs.search import builtin_files

FEWEST = 2
"""With fewer others of its kind, a device is compared with all."""

OF_ANOTHER_KIND = 10
"""Devices of other kinds may differ by so much more."""


@dataclass(frozen=True, slots=True)
class Measure:
    """A quantity that devices of a kind have in common.

    Attributes
    ----------
    what : its name in a sentence.
    unit : base unit, as printed.
    of : the quantity of a device, or None where it is not known.
    key : where it stands in the file of that device.
    factor : how far outside the range of the others is believable.
    """

    what: str
    unit: str
    of: Callable[[DeviceSpec], float | None]
    key: Callable[[DeviceSpec], str]
    factor: float


def _bandwidth(spec: DeviceSpec) -> float | None:
    return spec.main_memory.bandwidth.si if spec.main_memory.bandwidth else None


def _half_precision(spec: DeviceSpec) -> Compute | None:
    return max((c for c in spec.compute if c.bits == 16), key=lambda c: c.peak.si, default=None)


def _peak(spec: DeviceSpec) -> float | None:
    best = _half_precision(spec)
    return best.peak.si if best else None


def _ratio(top: float | None, bottom: float | None) -> float | None:
    return top / bottom if top and bottom else None


def _watts(spec: DeviceSpec) -> float | None:
    return spec.power.si if spec.power else None


def _memory_key(spec: DeviceSpec) -> str:
    return f"memory[{spec.main_memory.name}]"


def _peak_key(spec: DeviceSpec) -> str:
    best = _half_precision(spec)
    return f"compute[{best.format}].peak" if best else "compute"


MEASURES = (
    Measure("memory", "B", lambda s: s.main_memory.capacity.si, lambda s: f"{_memory_key(s)}.capacity", 10),
    Measure("bandwidth", "B/s", _bandwidth, lambda s: f"{_memory_key(s)}.bandwidth", 10),
    Measure("peak in 16 bits", "FLOP/s", _peak, _peak_key, 10),
    Measure(
        "bandwidth per watt",
        "B/s/W",
        lambda s: _ratio(_bandwidth(s), _watts(s)),
        lambda s: f"{_memory_key(s)}.bandwidth",
        5,
    ),
    Measure("peak in 16 bits per watt", "FLOP/s/W", lambda s: _ratio(_peak(s), _watts(s)), _peak_key, 5),
    Measure("ridge point in 16 bits", "FLOP/B", lambda s: _ratio(_peak(s), _bandwidth(s)), _peak_key, 8),
)


@functools.cache
def builtin_devices() -> tuple[DeviceSpec, ...]:
    """Return every built-in device that can be read."""
    return tuple(_readable())


def _readable() -> Iterator[DeviceSpec]:
    for path in builtin_files("hardware"):
        try:
            spec = read(path, "hardware")
        except SpecError:
            continue  # lint says so of that file, not of this one
        if isinstance(spec, DeviceSpec):
            yield spec


def outlier_findings(spec: DeviceSpec) -> Iterator[Finding]:
    """Yield the quantities that are far outside the range of the built-in devices of this kind."""
    others = [device for device in builtin_devices() if device.name != spec.name]
    alike = [device for device in others if device.kind == spec.kind]
    few = len(alike) < FEWEST
    peers, whose = (others, "built-in device") if few else (alike, f"built-in {spec.kind}")
    told: set[str] = set()
    for measure in MEASURES:
        value = measure.of(spec)
        known = sorted((found, device.name) for device in peers if (found := measure.of(device)))
        if not value or not known or measure.key(spec) in told:
            continue
        (least, lowest), (most, highest) = known[0], known[-1]
        factor = measure.factor * (OF_ANOTHER_KIND if few else 1)
        shown = f"{measure.what} is {units.text(value, measure.unit)}"
        if value > most * factor:
            beside = f"{value / most:.3g} x the most of any {whose} ({highest}, {units.text(most, measure.unit)})"
        elif value < least / factor:
            beside = (
                f"{least / value:.3g} x below the least of any {whose} ({lowest}, {units.text(least, measure.unit)})"
            )
        else:
            continue
        told.add(measure.key(spec))
        yield warning(measure.key(spec), f"{shown}, {beside}: check units and factors of 2, 8 and 1000")
