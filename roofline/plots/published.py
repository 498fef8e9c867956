"""Published measurements of the same model, weights and machine as a prediction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from roofline import measurements
from roofline._remember import remember
from roofline.calls import UnresolvedError, expected_call, set_aside
from roofline.errors import RooflineError, UnknownNameError
from roofline.formats import cache_format
from roofline.measurements import PUBLISHED, Measurement
from roofline.recipes import stored
from roofline.results import Prediction
from roofline.specs import load_device
from roofline.specs.catalog import find, is_path

DECODE = ("decode_tok_per_s", "decode_tok_per_s_total")


class Point(NamedTuple):
    """A measured speed of decoding.

    Attributes
    ----------
    tokens_per_s : of the whole batch. [token/s]
    batch : sequences that decode together. [1]
    context : tokens in the cache of each; None where that is not stated. [token]
    source : where it was read.
    """

    tokens_per_s: float
    batch: int
    context: int | None
    source: str


def decode_points(p: Prediction, layout: Mapping[str, Any]) -> list[Point]:
    """Return what was published of decoding with the model, weights, cache, machine and engine of ``p``.

    What a row does not state may be anything; where ``p`` has no engine, every engine's rows count.

    Parameters
    ----------
    p : any prediction of the configuration.
    layout : degrees of parallelism as given to :func:`roofline.predict`.
    """
    return list(_points(p, {name: layout[name] for name in ("tp", "ep", "pp", "dp") if layout.get(name)}))


def _points(p: Prediction, layout: Mapping[str, int]) -> Iterator[Point]:
    for row in _rows():
        if _proper("model", row.model) != p.model or (p.engine and row.engine != p.engine):
            continue
        if any(getattr(row, name) not in {None, degree} for name, degree in layout.items()):
            continue
        try:
            set_aside(row)
            call = expected_call(row)
            same = _same(p, row, call)
        except (UnresolvedError, RooflineError):
            continue  # what cannot be read is not known to be of this configuration
        if same:
            stated = row.context is not None or row.prompt_tokens is not None
            total = row.value * (call["batch"] if row.metric == "decode_tok_per_s" else 1)
            yield Point(total, call["batch"], call["context"] if stated else None, row.source)


def _same(p: Prediction, row: Measurement, call: Mapping[str, Any]) -> bool:
    machine = call["hardware"]
    return (
        load_device(machine).name == p.hardware
        and machine.devices * call["devices"] == p.devices
        and stored(call["model"], row.weights).name == p.weights
        and (not row.kv or cache_format(row.kv).bits_per_element == cache_format(p.kv).bits_per_element)
    )


@remember
def _rows() -> tuple[Measurement, ...]:
    """Return every published row of decoding."""
    files = [*measurements.files(), *measurements.files([PUBLISHED])]
    return tuple(row for file in files for row in measurements.read(file) if row.metric in DECODE)


@remember
def _proper(kind: str, name: str) -> str:
    """Return the name of the spec that is called ``name``, or ``name`` itself where there is none."""
    if not name or is_path(name):
        return name
    try:
        return find(name, kind).stem
    except UnknownNameError:
        return name
