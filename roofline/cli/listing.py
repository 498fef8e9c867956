"""``roofline list``: what there is."""

from __future__ import annotations

import argparse
import re
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from roofline import llama_cpp_mixes, measurements, units
from roofline.cli import output
from roofline.errors import BrokenSpecWarning, SpecError, UnknownNameError
from roofline.formats import FORMATS
from roofline.machine import usable
from roofline.specs import HardwareSpec, load_device, load_engine, load_hardware, load_model, names
from roofline.tensors import parameters


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "list",
        help="all models, hardware, formats, engines or measurements",
        description="All models, hardware, formats, engines or measurements.",
    )
    parser.add_argument(
        "what", metavar="WHAT", nargs="?", choices=sorted(LISTS), help=f"{', '.join(LISTS)}; default: all"
    )
    parser.add_argument("text", metavar="TEXT", nargs="?", help="only what has this text in its name or title")
    parser.add_argument("--json", action="store_true", help="as JSON, in SI units")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print one list, or all."""
    wanted = [options.what] if options.what else list(LISTS)
    found = {what: _like(options.text, what, LISTS[what]()) for what in wanted}
    if options.json:
        output.write_json(found)
    else:
        titled = len(wanted) > 1
        output.write("\n\n".join((f"{what}\n\n" if titled else "") + _table(rows) for what, rows in found.items()))
    return True


def _like(text: str | None, what: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows that have ``text`` in their name or title; all without one."""
    if text is None:
        return rows
    found = [row for row in rows if text.lower() in f"{row['name']} {row.get('title', '')}".lower()]
    if not found:
        raise UnknownNameError(f"nothing in {what} has {text!r:.80} in its name; 'roofline list {what}' has all")
    return found


def _table(rows: list[dict[str, Any]]) -> str:
    maker = next((key for key in ("vendor", "author") if key in rows[0]), "")
    # a model's title says no more than its name
    columns = [name for name in rows[0] if name not in ({maker, "title"} if maker == "author" else {maker})]
    right = [i for i, name in enumerate(columns) if any(isinstance(row[name], int | float) for row in rows)]
    texts, heading = [], None
    for row in rows:
        if row.get(maker) != heading:
            heading = row[maker]
            texts += [[""] * len(columns), [heading] + [""] * (len(columns) - 1)]
        texts.append([_text(name, row[name]) for name in columns])
    return output.table([_TITLES.get(name, name.replace("_", " ")) for name in columns], texts, right)


_TITLES = {
    "active_without_embedding": "active",
    "max_context": "longest context",
    "memory_bytes": "memory",
    "bytes_per_s": "bandwidth",
    "bits_per_weight": "bits",
    "overhead_bytes": "runtime",
}


def _text(name: str, value: Any) -> str:
    """Return a cell as people read it."""
    if value is None or isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, list):
        return ", ".join(value)
    if name in {"parameters", "active_without_embedding"}:
        return units.billions(value)
    if name.endswith(("_bytes", "bytes_per_s")):
        return units.gib(value) if name.endswith("_bytes") else units.text(value, "B/s", 4)
    return f"{value:,}" if isinstance(value, int) else str(value)


def _readable(load: Callable[[str], Any], kind: str) -> Iterator[Any]:
    """Yield every spec of a kind; what cannot be read, and so is of a user or a plug-in, is passed over with a word."""
    for name in names(kind):
        try:
            yield load(name)
        except SpecError as error:
            warnings.warn(f"passed over: {error}", BrokenSpecWarning, stacklevel=2)


def _models() -> list[dict[str, Any]]:
    found = []
    for model in sorted(_readable(load_model, "model"), key=lambda model: (model.author.lower(), model.name)):
        counts = parameters(model.architecture)
        found.append(
            {
                "name": model.name,
                "author": model.author,
                "title": model.title,
                "parameters": counts.total,
                "active_without_embedding": counts.active_without_embedding,
                "max_context": model.architecture.max_context,
                "weights": list(model.weights),
            }
        )
    return found


def _by_vendor(spec: HardwareSpec) -> tuple[Any, ...]:
    """Sort by vendor, then by name with the numbers in it as numbers."""
    parts = re.split(r"(\d+)", spec.name)
    return spec.vendor.lower(), [(int(part) if part.isdigit() else 0, part) for part in parts]


def _hardware() -> list[dict[str, Any]]:
    found = []
    for spec in sorted(_readable(load_hardware, "hardware"), key=_by_vendor):
        device = load_device(spec)
        main = device.main_memory
        best = max(device.compute, key=lambda c: c.peak.si, default=None)
        found.append(
            {
                "name": spec.name,
                "vendor": spec.vendor,
                "devices": spec.devices,
                "memory_bytes": usable(main) * spec.devices,
                "bytes_per_s": main.bandwidth.si * spec.devices if main.bandwidth else None,
                "fastest_peak": f"{best.format} {units.text(best.peak.si * spec.devices, 'FLOP/s', 4)}"
                if best
                else None,
                "title": spec.title.removeprefix(f"{spec.vendor} "),
            }
        )
    return found


def _formats() -> list[dict[str, Any]]:
    plain = [
        {"name": f.name, "bits_per_weight": f.bits_per_element, "cache": f.cache, "layout": f.about}
        for f in FORMATS.values()
    ]
    mixes = [
        {"name": name, "bits_per_weight": None, "cache": False, "layout": "llama.cpp's mix of several types"}
        for name in sorted(llama_cpp_mixes.MIXES - set(FORMATS))
    ]
    return plain + mixes


def _engines() -> list[dict[str, Any]]:
    return [
        {
            "name": spec.name,
            "title": spec.title,
            "overhead_bytes": spec.overhead.si if spec.overhead else None,
            "cache_formats": list(spec.cache_formats.value),
        }
        for spec in map(load_engine, names("engine"))
    ]


def _measurements() -> list[dict[str, Any]]:
    found = []
    for path in measurements.files():
        rows = list(measurements.read(path))
        found.append(
            {
                "name": path.stem,
                "rows": len(rows),
                "hardware": sorted({row.hardware for row in rows}),
                "models": sorted({row.model for row in rows}),
            }
        )
    return found


LISTS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "models": _models,
    "hardware": _hardware,
    "formats": _formats,
    "engines": _engines,
    "measurements": _measurements,
}
