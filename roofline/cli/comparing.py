"""``roofline compare``: models, or hardware, side by side."""

from __future__ import annotations

import argparse
import re
import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from roofline import units
from roofline._predict import machine_named
from roofline.capacity import cache_growth
from roofline.cli import describing, output
from roofline.cli.model_page import bits
from roofline.cli.showing import load
from roofline.errors import UnknownNameError, WorkloadError
from roofline.formats import COMPUTE_BITS
from roofline.machine import Machine, machine
from roofline.recipes import stored
from roofline.specs import EngineSpec, HardwareSpec, ModelSpec, load_device
from roofline.specs.catalog import is_path
from roofline.specs.model import GROUPS
from roofline.tensors import parameters
from roofline.transformer import transformer

Value = float | int | str | None

LEAST_COLUMN = 15
"""A column is never narrower than this many characters: eleven digits and their commas."""


@dataclass(frozen=True, slots=True)
class Row:
    """One quantity of everything that is compared.

    Attributes
    ----------
    key : its name, dotted where it is one of several.
    unit : its unit, as printed; empty for a count, None for a text.
    values : one for each that is compared, None where it has none.
    """

    key: str
    unit: str | None
    values: tuple[Value, ...]

    @property
    def ratio(self) -> float | None:
        """The second value over the first, where there are two and both are amounts."""
        first, *others = self.values
        second = others[0] if len(others) == 1 else None
        if self.unit is None or not first or second is None:
            return None
        return second / first  # type: ignore[operator] (a row with a unit holds numbers)


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "compare",
        help="models, or hardware, side by side",
        description="Two or more models, or two or more pieces of hardware, side by side.",
        epilog="Hardware takes a count: roofline compare '2x rtx-pro-6000' h100-sxm",
    )
    parser.add_argument("names", metavar="NAME", nargs="+", help="a model or hardware, or the path of a spec file")
    parser.add_argument(
        "--assume-known", action="store_true", help="take config keys that are not understood for harmless"
    )
    parser.add_argument("--json", action="store_true", help="as JSON, in SI units")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print the comparison.

    Raises
    ------
    WorkloadError
        There are fewer than two things to compare, or they are of several kinds.
    """
    given = _joined(options.names)
    if len(given) < 2:
        raise WorkloadError(f"only {given[0]!r:.80} is given; two or more to compare are wanted")
    things = [_named(name, assume_known=options.assume_known) for name in given]
    models = [spec for spec, _ in things if isinstance(spec, ModelSpec)]
    if models and len(models) < len(things):
        odd = next(spec.name for spec, _ in things if not isinstance(spec, ModelSpec))
        raise WorkloadError(f"{models[0].name} is a model and {odd} is hardware; two or more of one kind are wanted")
    names = [spec.name if count == 1 else f"{count}x {spec.name}" for spec, count in things]
    rows = list(_model_rows(models) if models else _hardware_rows(things))
    if options.json:
        found = [{"key": r.key, "unit": r.unit, "values": list(r.values), "ratio": r.ratio} for r in rows]
        output.write_json({"kind": "model" if models else "hardware", "names": names, "rows": found})
    else:
        output.write("\n".join(_table(names, rows)))
    return True


def _joined(names: Sequence[str]) -> list[str]:
    """Return names with a count that stands apart (``2x rtx-4090`` without quotes) put before its name."""
    joined: list[str] = []
    for name in names:
        if joined and re.fullmatch(r"\d+[xX×*]", joined[-1]):
            joined[-1] = f"{joined[-1]} {name}"
        else:
            joined.append(name)
    return joined


def _named(name: str, *, assume_known: bool) -> tuple[Any, int]:
    """Return a spec and how many of it are meant."""
    try:
        spec, count = load(name, assume_known=assume_known), 1
    except UnknownNameError as error:
        try:
            spec, count = machine_named(name)
        except UnknownNameError as of_hardware:
            counted = name.lstrip()[:1].isdigit() and not is_path(name)
            raise (of_hardware if counted else error) from None
    if isinstance(spec, EngineSpec):
        raise WorkloadError(f"{spec.name} is an engine; models or hardware are wanted here")
    return spec, count


# --- models


def _model_rows(models: Sequence[ModelSpec]) -> Iterator[Row]:
    every = [spec.architecture for spec in models]
    counts = [parameters(a) for a in every]

    def row(key: str, unit: str | None, values: Iterator[Value] | list[Value]) -> Row:
        return Row(key, unit, tuple(values))

    yield row("title", None, (spec.title for spec in models))
    yield row("released", None, (spec.released for spec in models))
    yield row("kind", None, (describing.what_it_is(a) for a in every))
    yield row("parameters", "", (c.total for c in counts))
    yield row("parameters.active", "", (c.active_without_embedding for c in counts))
    yield row("parameters.active_with_embedding", "", (c.active for c in counts))
    for group in GROUPS:
        if any(group in c.by_group for c in counts):
            yield row(f"parameters.{group}", "", (c.by_group.get(group) for c in counts))
    yield row("layers", "", (sum(1 for _ in a.pattern()) for a in every))
    yield row("layers.attention", None, (_kinds(a, 0) for a in every))
    yield row("layers.ffn", None, (_kinds(a, 1) for a in every))
    for key in ("d_model", "vocab", "max_context"):
        yield row(key, "", (getattr(a, key) for a in every))
    grows = [cache_growth(transformer(spec, "native", "bf16")) for spec in models]
    yield row("kv_bytes_per_token.bf16", "B", (g.unbounded for g in grows))
    yield row(
        "kv_bytes_at_max_context.bf16", "B", (g.bytes_of(a.max_context) for g, a in zip(grows, every, strict=True))
    )
    yield row("state_bytes", "B", (transformer(spec, "native", "bf16").state_bytes for spec in models))
    yield row("native", None, (spec.weights["native"].title or spec.weights["native"].default for spec in models))
    yield row("native.bytes", "B", (stored(spec, "native").bytes for spec in models))
    yield row("native.bits_per_weight", "bit", (bits(spec, "native") for spec in models))


def _kinds(a: Any, position: int) -> str:
    """Return how many layers have which attention, or which network, in a few words."""
    tables = (a.attention, a.ffn)[position]
    words = Counter(describing.in_brief(tables[layer[position]]) for layer in a.pattern() if layer[position] in tables)
    return ", ".join(f"{number} x {text}" for text, number in words.items())


# --- hardware


def _hardware_rows(things: Sequence[tuple[HardwareSpec, int]]) -> Iterator[Row]:
    devices = [load_device(spec) for spec, _ in things]
    numbers = [spec.devices * count for spec, count in things]
    machines = [machine(device, number) for device, number in zip(devices, numbers, strict=True)]

    def row(key: str, unit: str | None, values: Any) -> Row:
        return Row(key, unit, tuple(values))

    yield row("title", None, (spec.title for spec, _ in things))
    yield row("kind", None, (device.kind for device in devices))
    yield row("released", None, (device.released for device in devices))
    yield row("devices", "", numbers)
    yield row("memory", "B", (m.capacity_bytes for m in machines))
    yield row("bandwidth", "B/s", (m.bytes_per_s for m in machines))
    yield row("on_chip", "B", (m.kept_bytes + sum(m.tier_capacity_bytes) or None for m in machines))
    formats = sorted({c.format for device in devices for c in device.compute}, key=_widest_first)
    peaks = {name: [_peak(device, name) for device in devices] for name in formats}
    for name, found in peaks.items():
        yield row(f"peak.{name}", "FLOP/s", (p * n if p else None for p, n in zip(found, numbers, strict=True)))
    for name, found in peaks.items():
        yield row(f"ridge.{name}", "FLOP/B", (_ridge(p, m) for p, m in zip(found, machines, strict=True)))
    for to in ("peers", "network", "host"):
        if any(link.to == to for device in devices for link in device.links):
            yield row(f"link.{to}", "B/s", (_link(device, to) for device in devices))
    watts = [_of_all(spec, device, n, "power") for (spec, _), device, n in zip(things, devices, numbers, strict=True)]
    yield row("power", "W", watts)
    yield row(
        "bandwidth_per_watt",
        "B/s/W",
        (m.bytes_per_s / w if w and m.bytes_per_s else None for m, w in zip(machines, watts, strict=True)),
    )
    for key in ("list", "street", "rent"):
        prices = [_of_all(spec, device, n, key) for (spec, _), device, n in zip(things, devices, numbers, strict=True)]
        if any(prices):
            yield row(f"price.{key}", "USD/h" if key == "rent" else "USD", prices)


def _widest_first(name: str) -> tuple[int, str]:
    return -COMPUTE_BITS[name], name


def _ridge(peak: float | None, m: Machine) -> float | None:
    """Return the intensity from which computing takes longer than reading. [FLOP/byte]"""
    return peak * m.devices / m.bytes_per_s if peak and m.bytes_per_s else None


def _peak(device: Any, name: str) -> float | None:
    return max((c.peak.si for c in device.compute if c.format == name), default=None)


def _link(device: Any, to: str) -> float | None:
    """Return what all links of a device in that direction carry, one way; None where one of them is unknown."""
    rates = [link.bandwidth.si if link.bandwidth else None for link in device.links if link.to == to]
    return None if not rates or None in rates else sum(rate for rate in rates if rate)


def _of_all(spec: HardwareSpec, device: Any, devices: int, key: str) -> float | None:
    """Return power or a price of all devices: of the system where it states one, else of each device."""
    for whole, number in ((spec, devices // spec.devices), (device, devices)):
        found = whole.power if key == "power" else getattr(whole.price, key, None)
        if found:
            return found.si * number
    return None


# --- the table


def _table(names: Sequence[str], rows: Sequence[Row]) -> Iterator[str]:
    """Yield the lines of a table whose cells are wrapped; the last column says what differs."""
    label = max(len(_label(row.key)) for row in rows)
    last = max(len(_verdict(row)) for row in rows)
    cells = [[_text(value, row) for value in row.values] for row in rows]
    room = (output.page_width() - label - last - 4) // len(names) - 2
    widest = max(len(text) for row in (list(names), *cells) for text in row)
    column = max(min(room, widest), LEAST_COLUMN)
    yield from _lines(
        "", [textwrap.wrap(name, column) for name in names], "ratio" if len(names) == 2 else "", label, column
    )
    yield "  ".join(["-" * label, *("-" * column for _ in names)])
    for row, texts in zip(rows, cells, strict=True):
        number = row.unit is not None
        wrapped = [[text.rjust(column)] if number else textwrap.wrap(text, column) for text in texts]
        yield from _lines(_label(row.key), wrapped, _verdict(row), label, column)


def _lines(label: str, cells: Sequence[list[str]], verdict: str, label_width: int, column: int) -> Iterator[str]:
    for index in range(max(1, *(len(cell) for cell in cells))):
        parts = [(label if index == 0 else "").ljust(label_width)]
        parts += [(cell[index] if index < len(cell) else "").ljust(column) for cell in cells]
        yield "  ".join([*parts, verdict if index == 0 else ""]).rstrip()


def _label(key: str) -> str:
    whole, _, part = key.partition(".")
    words = {"kv_bytes_per_token": "cache a token", "kv_bytes_at_max_context": "full cache", "state_bytes": "state"}
    words |= {"d_model": "width", "vocab": "vocabulary", "max_context": "context", "native": "native weights"}
    words |= {"bandwidth_per_watt": "bandwidth per watt", "on_chip": "on-chip memory"}
    named = words.get(whole, whole)
    inside = part.replace("_", " ")
    if whole == "link":
        return f"link to {inside}, each"
    return f"  {inside}" if whole in {"parameters", "layers", "native"} and part else f"{named} {inside}".strip()


def _verdict(row: Row) -> str:
    if len(set(row.values)) == 1:
        return "=" if row.values[0] is not None else ""
    if row.ratio is not None:
        return f"{units.significant(row.ratio)} x"
    return "" if len(row.values) > 2 else "differs"


def _text(value: Value, row: Row) -> str:
    if value is None:
        return "-"
    if isinstance(value, str):
        return value
    if row.key == "memory":
        return units.gib(value)
    if row.unit == "":
        return f"{value:,}"
    if row.unit in {"USD", "USD/h"}:
        return f"{value:,.2f} {row.unit}".replace(".00 ", " ")
    return f"{units.significant(value, 4)} bit" if row.unit == "bit" else units.text(value, row.unit or "", 4)
