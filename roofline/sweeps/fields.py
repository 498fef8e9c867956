"""Figures of a prediction by their dotted path, and which way each is better."""

from __future__ import annotations

import dataclasses
import functools
import typing
from collections.abc import Iterator, Sequence
from typing import Any

from roofline._predict import Figures
from roofline.errors import UnknownNameError
from roofline.specs.search import neighbours
from roofline.times import BOUNDS

BLOCKS = ("memory", "decode", "prefill", "serving")
"""What figures come in."""

DETAILS = ("ops", "terms", "resources")
"""Parts that are left out unless asked for: they are many."""

NO_BOUND = len(BOUNDS)
"""Place of what bounds a point that has no answer."""

BOUND_NAMES = (*BOUNDS, "")
"""Names of what bounds a point, by place."""


def flat(figures: Figures) -> Iterator[tuple[str, Any]]:
    """Yield every figure with its path, operations and terms of times included."""
    for block in BLOCKS:
        yield from _flat(block, getattr(figures, block))


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            yield from _flat(f"{path}.{field.name}", getattr(value, field.name))
    elif isinstance(value, tuple):
        for operation in value:
            for name in ("bytes", "flop", "seconds", "bound"):
                yield f"{path}.{operation.name}.{name}", getattr(operation, name)
    elif isinstance(value, dict):
        for name, part in value.items():
            yield f"{path}.{name}", part
    else:
        yield path, value


def is_detail(path: str) -> bool:
    """Whether a figure belongs to one operation, or to one term of a time."""
    return any(f".{part}." in path for part in DETAILS)


def is_bound(path: str) -> bool:
    """Whether a figure says which resource takes longest."""
    return path.endswith(".bound")


def is_below(path: str, prefix: str) -> bool:
    """Whether a path is ``prefix``, or one of its parts."""
    return path == prefix or path.startswith(f"{prefix}.")


def needs_memory(path: str) -> bool:
    """Whether there is no such figure where weights, cache and state do not fit the physical memory."""
    return path.startswith(("decode.expected.", "prefill.expected."))


def more_is_better(path: str) -> bool:
    """Whether a larger figure is the better one: rates, counts and room are, times, bytes and work are not.

    Examples
    --------
    >>> more_is_better("decode.ceiling.tokens_per_s"), more_is_better("serving.ttft_s.value")
    (True, False)
    """
    return unit(path) not in {"s", "byte", "FLOP"} or path.endswith("capacity_bytes")


def unit(path: str) -> str:
    """Return the unit of a figure; empty for words and truth values.

    Examples
    --------
    >>> [unit(f"decode.{name}") for name in ("ceiling.seconds_per_step", "kv_bytes", "arithmetic_intensity", "bound")]
    ['s', 'byte', 'FLOP/byte', '']
    """
    parts = path.split(".")
    name = parts[-1]
    if {"terms", "ttft_s", "tpot_s"} & set(parts) and name != "level":
        return "s"
    if name in _UNITS:
        return _UNITS[name]
    return next((unit for part, unit in _UNITS_OF_PARTS.items() if part in name), "token/s")


_UNITS = {
    "bound": "",
    "fits": "",
    "level": "1",
    "max_batch": "1",
    "concurrency": "1",
    "arithmetic_intensity": "FLOP/byte",
    "tokens": "token",
    "max_context": "token",
    "cache_tokens": "token",
}
_UNITS_OF_PARTS = {"seconds": "s", "bytes": "byte", "flop": "FLOP"}


def checked(wanted: Sequence[str]) -> tuple[str, ...]:
    """Return the paths that are asked for.

    Raises
    ------
    UnknownNameError
        No figure is called so, or begins so.
    """
    paths = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    for path in paths:
        if not isinstance(path, str) or not is_known(path):
            near = neighbours(str(path), known_paths())
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise UnknownNameError(f"no figure of a prediction is called {path!r:.200}{hint}")
    return paths


def is_known(path: str) -> bool:
    """Whether predictions have such a figure, or a group of figures of that name."""
    return any(is_below(known, path) or (is_open(known) and is_below(path, known)) for known in known_paths())


def is_open(path: str) -> bool:
    """Whether the names below a path depend on the model or the engine."""
    return path.rpartition(".")[2] in DETAILS


@functools.cache
def known_paths() -> tuple[str, ...]:
    """Return the paths of all figures that a prediction can have."""
    hints = typing.get_type_hints(Figures)
    return tuple(path for block in BLOCKS for path in _paths(block, hints[block]))


def _paths(path: str, kind: Any) -> Iterator[str]:
    kinds = [one for one in typing.get_args(kind) or (kind,) if dataclasses.is_dataclass(one)]
    if not kinds or is_open(path):
        yield path
        return
    for name, below in typing.get_type_hints(kinds[0]).items():
        yield from _paths(f"{path}.{name}", below)
