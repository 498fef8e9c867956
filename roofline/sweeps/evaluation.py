"""One block of a sweep: the same functions as for one prediction, over arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from roofline._predict import checked_level, figures, placed
from roofline.setting import Setting
from roofline.sweeps import fields
from roofline.sweeps.axes import WORKLOAD
from roofline.workload import Workload, default_prompt

LAYOUT = ("tp", "ep", "pp", "dp")


class Task(NamedTuple):
    """What is evaluated together: one setting, and a part of the grid of workloads. Small, so that it travels well.

    Attributes
    ----------
    arguments : of the setting, and what of the workload does not vary.
    axes : for each dimension of the workload, the values of its arguments in this block.
    wanted : paths, or beginnings of paths, of the figures wanted; None: all but details.
    """

    arguments: Mapping[str, Any]
    axes: tuple[Mapping[str, NDArray[np.int64]], ...]
    wanted: tuple[str, ...] | None


class Block(NamedTuple):
    """The figures of a task.

    Attributes
    ----------
    figures : arrays by path, of length 1 in each dimension that they do not depend on.
    too_long : where a sequence is longer than the model's published maximum; there no figure is a number.
    limit : that maximum, in words.
    assumptions : what was assumed because it was not said, whatever the workload.
    """

    figures: dict[str, NDArray[Any]]
    too_long: NDArray[np.bool_]
    limit: str
    assumptions: tuple[str, ...]


def setting_of(arguments: Mapping[str, Any]) -> Setting:
    """Return the model, formats and machine that the arguments of a prediction stand for."""
    return placed(
        arguments["model"],
        arguments["hardware"],
        layout={name: arguments[name] for name in LAYOUT},
        **{
            name: arguments[name]
            for name in (
                *("devices", "weights", "kv", "engine", "backend", "built", "mode"),
                *("memory_share", "weights_bytes", "assume_known"),
            )
        },
    )


def evaluate(task: Task) -> Block:
    """Return the figures of a task.

    Raises
    ------
    RooflineError
        As :func:`roofline.predict`; but a sequence that is too long has figures that are not numbers.
    """
    found = setting_of(task.arguments)
    longest = found.model.architecture.max_context
    work = _workload(task, longest)
    made = figures(found, work, checked_level(task.arguments["level"]))
    too_long = np.maximum(np.maximum(work.tokens, work.context), work.cached + work.prompt) > longest
    some = bool(too_long.any())
    arrays = {}
    for path, value in fields.flat(made):
        if value is None or not _is_wanted(path, task.wanted):
            continue
        array = _array(path, value, len(task.axes))
        if fields.needs_memory(path):
            array = np.where(made.holds, array, np.nan)
        arrays[path] = _without(too_long, array) if some else array
    limit = f"{found.model.name} takes at most {longest:,} tokens (its published maximum)"
    return Block(arrays, too_long, limit, (*found.assumptions, *found.speed_assumptions))


def _is_wanted(path: str, wanted: tuple[str, ...] | None) -> bool:
    if wanted is None:
        return not fields.is_detail(path)
    return any(fields.is_below(path, prefix) for prefix in wanted)


def _workload(task: Task, longest: int) -> Workload:
    """Return the workload of a block as arrays that broadcast."""
    dimensions = len(task.axes)
    values: dict[str, Any] = {}
    for name in WORKLOAD:
        constant = task.arguments[name]
        values[name] = None if constant is None else np.full((1,) * dimensions, float(constant))
    for place, axis in enumerate(task.axes):
        shape = [1] * dimensions
        shape[place] = -1
        values |= {name: numbers.astype(float).reshape(shape) for name, numbers in axis.items()}
    given = values["prompt"] is not None
    prompt = values["prompt"] if given else default_prompt(values["context"], values["cached"], longest)
    return Workload(
        values["batch"], values["context"], prompt, given, values["output"], values["cached"], values["concurrency"]
    )


def _array(path: str, value: Any, dimensions: int) -> NDArray[Any]:
    kind = np.uint8 if fields.is_bound(path) else None
    array = np.asarray(value if kind is None or not isinstance(value, str) else fields.BOUND_NAMES.index(value), kind)
    if array.dtype.kind in "iu" and kind is None:
        array = array.astype(float)
    return array.reshape((1,) * dimensions) if array.ndim == 0 else array


def _without(too_long: NDArray[np.bool_], array: NDArray[Any]) -> NDArray[Any]:
    """Return the array without an answer where a sequence is too long."""
    if array.dtype.kind == "b":
        return array & ~too_long
    nothing = fields.NO_BOUND if array.dtype == np.uint8 else np.nan
    return np.where(too_long, np.asarray(nothing, array.dtype), array)
