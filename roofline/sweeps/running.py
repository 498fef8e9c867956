"""Running a sweep: blocks of points handed to threads, processes or a cluster, and put together again."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ThreadPoolExecutor, wait
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from roofline._predict import machine_named
from roofline.errors import RooflineError
from roofline.loading import load_model
from roofline.progress import Progress
from roofline.specs import HardwareSpec, ModelSpec, load_engine
from roofline.sweeps.axes import Grid, grid
from roofline.sweeps.collecting import Collected, Place
from roofline.sweeps.evaluation import Block, Task, evaluate
from roofline.sweeps.fields import checked
from roofline.sweeps.table import Sweep

BLOCK_POINTS = 65_536
"""Points that are evaluated together: enough that Python's part is small, few enough that little memory is held."""

WAITING = 32
"""Blocks that are handed out and not yet back, so that no worker is idle and few results are held."""


def sweep(
    model: str | Path | ModelSpec | Sequence[Any],
    hardware: str | Path | HardwareSpec | Sequence[Any],
    *,
    fields: Sequence[str] | None = None,
    paired: Sequence[Sequence[str]] = (),
    executor: Executor | None = None,
    progress: bool | Callable[[int, int], None] | None = None,
    **axes: Any,
) -> Sweep:
    """Predict over a grid: any argument of :func:`roofline.predict` may be a list or an array.

    Lengths, batch and concurrency are evaluated as arrays, without a Python loop over points; every combination of the
    other arguments is put together once.

    Parameters
    ----------
    model, hardware : as of :func:`roofline.predict`, or lists of such.
    fields : figures to keep, by dotted path or its beginning (``"decode.ceiling"``, ``"memory.fits"``); all but single
        operations (``"decode.ops"``) and terms of expected times (``"decode.expected.terms"``) when None.
    paired : groups of lists that vary together, as ``[("prompt", "output")]``; they share one dimension.
    executor : runs the blocks: threads of this process when None, else any :class:`concurrent.futures.Executor`, also
        of Dask, Ray or MPI.
    progress : whether to show progress on standard error, or a function of points done and points in all; shown where
        standard error is a terminal when None.
    **axes : the other arguments of :func:`roofline.predict`, each a value, or a list or an array of values.

    Returns
    -------
    Sweep
        Its arrays have one dimension for each list, in the order given.

    Raises
    ------
    WorkloadError
        An axis is empty, not flat or out of range, paired axes differ in length, or the result would be too large.
    UnknownNameError
        No model, hardware or engine of that name; no such field.
    RooflineError
        No point at all has an answer: what :func:`roofline.predict` raises for the first.

    Notes
    -----
    Where some combinations have no answer (a recipe that one of the models lacks, a context that is too long for it),
    their figures are NaN and :attr:`Sweep.problems` says why.

    Examples
    --------
    >>> import roofline
    >>> s = roofline.sweep("minimax-m2.7", ["dgx-spark", "2x rtx-pro-6000"], weights="ud-iq4_xs", batch=[1, 2, 4])
    >>> s.decode.ceiling.tokens_per_s.shape, s.size
    ((2, 3), 6)
    """
    asked = grid({"model": model, "hardware": hardware, **axes}, paired)
    _check_names(asked)
    wanted = None if fields is None else checked(fields)
    collected = Collected(asked, wanted)
    with Progress(asked.size, "points", shown=progress) as bar:
        if executor is not None:
            _spread(_tasks(asked, wanted, collected, bar), collected, executor, bar)
        elif _blocks(asked) == 1:
            for place, task in _tasks(asked, wanted, collected, bar):
                _keep(collected, place, bar, evaluate, task)
        else:
            with ThreadPoolExecutor(os.cpu_count()) as threads:
                _spread(_tasks(asked, wanted, collected, bar), collected, threads, bar)
    return collected.sweep()


def _check_names(asked: Grid) -> None:
    """Check the names that stand by themselves, so that a misspelt one is an error and no gap in the answer."""
    for value in _values(asked, "model"):
        load_model(value, assume_known=bool(asked.constant["assume_known"]))
    for value in _values(asked, "hardware"):
        machine_named(value)
    for value in _values(asked, "engine"):
        if value is not None:
            load_engine(value)


def _values(asked: Grid, name: str) -> Any:
    axes: Mapping[str, Any] = asked.axes
    return axes.get(name, (asked.constant[name],))


def _workload_axes(asked: Grid) -> list[dict[str, Any]]:
    """Return the axes of each dimension of the workload alone."""
    alone = (dimension for dimension in asked.dimensions if not dimension.chooses)
    return [dict(zip(dimension.names, dimension.values, strict=True)) for dimension in alone]


def _block_shape(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of blocks of at most :data:`BLOCK_POINTS` points: the last dimensions whole, the first cut."""
    found, room = [], BLOCK_POINTS
    for size in reversed(shape):
        found.append(max(min(size, room), 1))
        room //= found[-1]
    return tuple(reversed(found))


def _sizes(asked: Grid) -> tuple[int, ...]:
    return tuple(dimension.size for dimension in asked.dimensions if not dimension.chooses)


def _blocks(asked: Grid) -> int:
    """Return how many blocks each combination of the other arguments makes."""
    count = 1
    for size, length in zip(_sizes(asked), _block_shape(_sizes(asked)), strict=True):
        count *= -(-size // length)
    return count


def _tasks(
    asked: Grid, wanted: tuple[str, ...] | None, collected: Collected, bar: Progress
) -> Iterator[tuple[Place, Task]]:
    """Yield what is to be done; a combination without an answer is noted and passed over."""
    axes, sizes = _workload_axes(asked), _sizes(asked)
    lengths = _block_shape(sizes)
    cuts = [
        [slice(start, min(start + length, size)) for start in range(0, size, length)]
        for size, length in zip(sizes, lengths, strict=True)
    ]
    for choice, arguments in asked.choices():
        if _blocks(asked) > 1:
            probe = Task(arguments, tuple({name: v[:2] for name, v in axis.items()} for axis in axes), wanted)
            try:
                collected.expect(evaluate(probe))
            except RooflineError as error:
                collected.fail(choice, error)
                bar.advance(int(np.prod(sizes)))
                continue
        for cut in product(*cuts):
            part = tuple({name: v[at] for name, v in axis.items()} for axis, at in zip(axes, cut, strict=True))
            yield Place(choice, cut), Task(arguments, part, wanted)


def _keep(collected: Collected, place: Place, bar: Progress, get: Callable[..., Block], *what: Any) -> None:
    """Keep what ``get(*what)`` returns."""
    try:
        collected.add(place, get(*what))
    except RooflineError as error:
        collected.fail(place.choice, error)
    bar.advance(place.points)


def _spread(tasks: Iterator[tuple[Place, Task]], collected: Collected, executor: Executor, bar: Progress) -> None:
    """Run the tasks on the executor, a few at a time."""
    running: dict[Future[Block], Place] = {}
    try:
        for place, task in tasks:
            running[executor.submit(evaluate, task)] = place
            if len(running) >= WAITING:
                _gather(running, collected, bar)
        while running:
            _gather(running, collected, bar)
    finally:
        for future in running:
            future.cancel()


def _gather(running: dict[Future[Block], Place], collected: Collected, bar: Progress) -> None:
    """Keep what is done, waiting for at least one."""
    done, _ = wait(running, return_when=FIRST_COMPLETED)
    for future in done:
        _keep(collected, running.pop(future), bar, future.result)
