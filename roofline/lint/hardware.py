"""What looks wrong in a hardware spec: identities, formats in order, and the traps of data sheets."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from roofline import units
from roofline.errors import RooflineError, UnitError
from roofline.lint.finding import Finding, note, warning
from roofline.lint.outliers import builtin_devices, outlier_findings
from roofline.specs.catalog import load_device
from roofline.specs.hardware import Compute, DeviceSpec, Link, Memory, SystemSpec
from roofline.specs.provenance import Quantity

SAME = 0.0005
"""Two ways to the same number agree within this share, or within the digits that are printed."""

FROM_A_HEADLINE = 0.005
"""As a fraction of a figure printed with one digit (1 PFLOP/s), a peak has no digits of its own to agree in."""

SPARSE_JUMP = 3.9
"""A format half as wide is twice as fast, or three times where silicon went to it; four times is a sparse figure."""

LANE_TRANSFERS_PER_S = {"1": 2.5, "2": 5.0, "3": 8.0, "4": 16.0, "5": 32.0, "6": 64.0}
"""Of each generation of PCI Express, in GT/s a lane and direction [1]_; one bit a transfer, less its encoding.

.. [1] PCI-SIG, PCI Express Base Specification, revisions 1.0 to 6.0; https://pcisig.com/specifications
"""


def device_findings(spec: DeviceSpec) -> Iterator[Finding]:
    """Yield what looks wrong in a device."""
    for c in spec.compute:
        yield from _peak(spec, c)
    yield from _order_of_formats(spec)
    for tier in spec.memory:
        yield from _memory(tier)
    yield from _main_memory(spec)
    for link in spec.links:
        yield from _link(spec, link)
    yield from outlier_findings(spec)


def system_findings(spec: SystemSpec) -> Iterator[Finding]:
    """Yield what looks wrong in a system."""
    try:
        device = load_device(spec)
    except RooflineError as error:
        yield Finding("error", "device", str(error))
        return
    if spec.power and device.power and spec.power.si < 0.5 * spec.devices * device.power.si:
        together = units.text(spec.devices * device.power.si, "W")
        yield warning("power", f"{spec.power.value!r}, but {spec.devices} x {device.name} alone take {together}")


# --- peaks


def units_times_rate_times_clock(spec: DeviceSpec, c: Compute) -> float | None:
    """Return the peak of a format from what it is made of, or None where that is not all known. [FLOP/s]"""
    clock = c.clock or (spec.parts.clock if spec.parts else None)
    if spec.parts is None or c.flop_per_clock is None or clock is None:
        return None
    return spec.parts.units.value * c.flop_per_clock.value * clock.si


def _made_of(spec: DeviceSpec, c: Compute) -> str:
    clock = c.clock or (spec.parts.clock if spec.parts else None)
    if spec.parts is None or c.flop_per_clock is None or clock is None:
        return ""
    return f"{spec.parts.units.value:,} {spec.parts.unit} x {c.flop_per_clock.value:,} FLOP/clock x {clock.value}"


def agrees(product: float, quantity: Quantity) -> bool:
    """Whether a recomputed number rounds to the printed one."""
    derived_from = quantity.formula if quantity.kind == "derived" else None
    if "1 PFLOP/s" in (derived_from or "") or "1 PFLOP" in (quantity.printed or ""):
        return abs(product / quantity.si - 1) <= FROM_A_HEADLINE
    return abs(product - quantity.si) <= units.half_a_digit(quantity.value) * (1 + 1e-9)


def _peak(spec: DeviceSpec, c: Compute) -> Iterator[Finding]:
    key = f"compute[{c.format}].peak"
    product = units_times_rate_times_clock(spec, c)
    if product is not None and not agrees(product, c.peak):
        text = f"{c.peak.value!r}, but {_made_of(spec, c)} = {units.text(product, 'FLOP/s', 4)}"
        yield warning(key, text + _as_sparse(c.peak.si, product))
    if _repeats_what_is_printed(c.peak, r"spars"):
        yield warning(
            key, f"{c.peak.value!r} is what the source prints with sparsity; the dense peak is wanted, half of it"
        )
    if c.measured and c.measured.si >= c.peak.si:
        yield warning(key, f"{c.peak.value!r} is no peak: {c.measured.value!r} was measured")


def _as_sparse(peak: float, dense: float) -> str:
    near_two = abs(peak - 2 * dense) < FROM_A_HEADLINE * peak
    return ", half of that: is it the figure with sparsity? The dense peak is wanted" if near_two else ""


def _repeats_what_is_printed(quantity: Quantity, words: str) -> bool:
    """Whether ``printed`` says one of these words beside the very number that is taken as the value."""
    text = quantity.printed or ""
    if not re.search(words, text, re.IGNORECASE):
        return False
    for number in re.findall(r"[0-9][0-9,]*(?:\.[0-9]+)?(?: [A-Za-z/]+)?", text):
        plain = number.replace(",", "")
        try:
            if units.parse(plain, quantity.dimension) == quantity.si:
                return True
        except UnitError:
            if plain.split()[0] == quantity.value.split()[0].replace("_", ""):
                return True
    return False


def peaks_by_width(spec: DeviceSpec) -> dict[int, Compute]:
    """Return the fastest format of each width, widest first."""
    best: dict[int, Compute] = {}
    for c in sorted(spec.compute, key=lambda c: (-c.bits, c.peak.si)):
        best[c.bits] = c
    return best


def _order_of_formats(spec: DeviceSpec) -> Iterator[Finding]:
    best = list(peaks_by_width(spec).values())
    for wide, narrow in itertools.pairwise(best):
        ratio = narrow.peak.si / wide.peak.si
        key = f"compute[{narrow.format}].peak"
        both = f"{narrow.format} with {narrow.peak.value!r}"
        if ratio < 1:
            yield warning(key, f"{both} is slower than {wide.format} with {wide.peak.value!r}, which is wider")
        elif wide.bits <= 16 and ratio >= SPARSE_JUMP:
            text = f"{both} is {ratio:.3g} x {wide.format} with {wide.peak.value!r}: is it the figure with sparsity?"
            yield warning(key, f"{text} Dense peaks are wanted")


# --- memory


def bus_times_data_rate(tier: Memory) -> float | None:
    """Return the bandwidth of a memory from its bus, or None where that is not known. [byte/s]"""
    return tier.bus_width.value / 8 * tier.data_rate.si if tier.bus_width and tier.data_rate else None


def _memory(tier: Memory) -> Iterator[Finding]:
    key = f"memory[{tier.name}].bandwidth"
    product = bus_times_data_rate(tier)
    if product is not None and tier.bandwidth and tier.bus_width and tier.data_rate:
        apart = abs(product - tier.bandwidth.si)
        if apart > max(SAME * tier.bandwidth.si, units.half_a_digit(tier.bandwidth.value)):
            bus = f"{tier.bus_width.value:,} bit / 8 x {tier.data_rate.value}"
            yield warning(key, f"{tier.bandwidth.value!r}, but {bus} = {units.text(product, 'B/s', 4)}")
    if tier.bandwidth and tier.bandwidth_measured and tier.bandwidth_measured.si >= tier.bandwidth.si:
        yield warning(key, f"{tier.bandwidth.value!r} is no peak: {tier.bandwidth_measured.value!r} was measured")


def _main_memory(spec: DeviceSpec) -> Iterator[Finding]:
    main = spec.main_memory
    key = f"memory[{main.name}]"
    if main.bandwidth is None:
        yield note(f"{key}.bandwidth", "unknown: memory bounds nothing, and predictions say so")
    yield from _capacity(main)
    on_chip = sum(tier.capacity.si for tier in spec.memory if tier.role == "on-chip")
    if on_chip >= main.capacity.si / 50:
        sizes = f"on-chip memory adds up to {units.text(on_chip, 'B')}, against {main.capacity.value!r} of {main.name}"
        yield warning(f"{key}.capacity", f"{sizes}: more than a fiftieth, which no device with such a memory has")
    if not spec.compute:
        yield note("compute", "no peak of any format: compute bounds nothing, and predictions say so")


def _capacity(main: Memory) -> Iterator[Finding]:
    """Yield what is wrong with the label of a memory: chips come in GiB, and are sold as GB."""
    key = f"memory[{main.name}].capacity"
    number, unit = main.capacity.value.split(" ")
    explained = main.capacity.note or main.capacity.printed
    label = unit == "GB" and float(number.replace("_", "")) % 8 == 0
    if main.usable is None:
        if label and not explained:
            advice = f"write '{number} GiB' if that is meant, what programs see as usable, or a note that GB is right"
            yield warning(key, f"{main.capacity.value!r} of memory chips is usually GiB, 7 % more; {advice}")
        return
    share = main.usable.si / main.capacity.si
    usable = f"memory[{main.name}].usable"
    if share > 1 and not explained:
        text = f"usable = {main.usable.value!r} is more than capacity = {main.capacity.value!r}"
        yield warning(key, f"{text}: write the capacity in GiB, or a note on what the label means")
    elif share < (0.6 if main.unified else 0.8):
        yield warning(usable, f"{main.usable.value!r} is only {share:.0%} of capacity = {main.capacity.value!r}")


# --- links


def pci_express(name: str) -> float | None:
    """Return what a PCI Express link carries in one direction at most, by its generation and lanes. [byte/s]

    Examples
    --------
    >>> round(pci_express("PCIe 5.0 x16") / 1e9, 1), pci_express("NVLink 4")
    (63.0, None)
    """
    match = re.search(r"\bPCI(?:e| Express)\s*(?:Gen\s*)?([1-6])(?:\.0)?\s*x\s*(\d{1,2})\b", name, re.IGNORECASE)
    if match is None:
        return None
    generation = match[1]
    encoding = {"1": 8 / 10, "2": 8 / 10, "6": 242 / 256}.get(generation, 128 / 130)
    transfers = units.parse(f"{LANE_TRANSFERS_PER_S[generation]} GT/s", "transfer/s")
    return transfers * encoding * int(match[2]) / 8


def _link(spec: DeviceSpec, link: Link) -> Iterator[Finding]:
    key = f"links[{link.name}].bandwidth"
    if link.bandwidth is None:
        return
    rate = link.bandwidth
    if _repeats_what_is_printed(rate, r"duplex|bidirectional|bi-directional|both|total|aggregate"):
        yield warning(key, f"{rate.value!r} is what the source prints for both directions; one direction is wanted")
        return
    for limit, whose in () if _says_the_direction(rate) else _known_rates(spec, link):
        for factor, trap in (
            (2, "the sum of both directions? One direction is wanted"),
            (8, "in bits? Bytes are wanted"),
        ):
            if abs(rate.si / (factor * limit) - 1) < 0.03:
                yield warning(
                    key, f"{rate.value!r} is {factor} x the {units.text(limit, 'B/s')} of {whose}: is it {trap}"
                )
                return
    most = pci_express(link.name)
    if most and rate.si > most * 1.02:
        yield warning(
            key, f"{rate.value!r}, but {link.name} carries at most {units.text(most, 'B/s')} in one direction"
        )


def _says_the_direction(rate: Quantity) -> bool:
    """Whether the file says how directions were counted: then the trap was seen."""
    return "direction" in " ".join(filter(None, (rate.note, rate.formula, rate.conditions)))


def _known_rates(spec: DeviceSpec, link: Link) -> Iterator[tuple[float, str]]:
    if (most := pci_express(link.name)) is not None:
        yield most, f"{link.name} in one direction"
    for device in builtin_devices():
        for other in device.links:
            if device.name != spec.name and other.name.lower() == link.name.lower() and other.bandwidth:
                yield other.bandwidth.si, f"{device.name}'s {other.name}"
