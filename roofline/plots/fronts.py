"""What a machine gives each user against what it gives all of them: the front on which an operator chooses."""

from __future__ import annotations

import itertools
import math  # noqa: TID251 (no formula here)
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline import formatting, units
from roofline._predict import predict
from roofline.errors import PictureError, WorkloadError
from roofline.plots import canvas, points
from roofline.specs import HardwareSpec, ModelSpec
from roofline.sweeps import Sweep

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from roofline.results import Prediction

LARGEST = units.count("1k")
"""Streams where a line ends if nobody says and memory has room for more. [1]"""


FIGURES = ("decode.ceiling", "decode.expected", "serving")


class Line(NamedTuple):
    """One configuration at several numbers of streams.

    Attributes
    ----------
    label : what sets it apart from the others.
    streams : that decode together, or are kept busy. [1]
    each, together : speed of a stream, and of all. [token/s]
    expected : whether that is what to expect of the engine; else the ceiling.
    devices : it runs on. [1]
    """

    label: str
    streams: list[int]
    each: NDArray[np.float64]
    together: NDArray[np.float64]
    expected: bool
    devices: int


def pareto(
    model: str | Path | ModelSpec | Sweep | Sequence[str | Path | ModelSpec],
    hardware: str | Path | HardwareSpec | Sequence[str | Path | HardwareSpec] | None = None,
    ax: Axes | None = None,
    *,
    per_device: bool = False,
    **options: Any,
) -> Axes:
    """Draw the speed of all streams together against the speed of each, over the number of streams.

    With ``prompt`` and ``output``, of requests served with so many in flight; without, of decoding in batches. What is
    expected of the engine is drawn, and the ceiling where no engine is named. A line goes as far as memory has room;
    points that another of the same line beats in both speeds are hollow.

    Parameters
    ----------
    model, hardware : as of :func:`roofline.predict`, or lists of them; or a :class:`roofline.Sweep` alone, whose
        options are drawn.
    ax : axes to draw into; new ones when None. Data are in tokens/s.
    per_device : whether to divide the speed of all streams by the number of devices.
    options : of :func:`roofline.predict`. Lists make a line for each combination, as ``tp=[2, 4, 8]``. A list as
        ``batch``, or as ``concurrency`` with ``prompt`` and ``output``, says where to draw; one number is marked.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    WorkloadError
        Only one of ``prompt`` and ``output`` is given, or as :func:`roofline.predict` raises.
    PictureError
        More lines than can be told apart, or no line has a point that fits.

    Examples
    --------
    >>> import roofline.plots
    >>> ax = roofline.plots.pareto("llama-3.1-8b", ["h100-sxm", "2x h100-sxm"], batch=[1, 64])
    >>> [line.get_label() for line in ax.lines]
    ['NVIDIA H100 SXM 80 GB, ceiling', '2 × NVIDIA H100 SXM 80 GB, ceiling']
    """
    asked = points.asked(model, hardware, options)
    served = _served(asked)
    name = "concurrency" if served else "batch"
    given = asked.pop(name, None)
    combinations = _combinations(asked)
    varied = [key for key in combinations[0] if len({repr(c[key]) for c in combinations}) > 1]
    found = [_line(choice, varied, name, given) for choice in combinations]
    if not any(line.streams for line in found):
        raise PictureError("no number of streams fits into memory, so there is nothing to draw")
    ax = canvas.axes(ax)
    paint = canvas.palette(ax)
    marked = None if points.is_list(given) else given
    for index, line in enumerate(found):
        _draw_line(ax, line, paint[index], index, marked, per_device=per_device)
    first = predict(**{**combinations[0], name: 1}) if served else predict(**combinations[0])
    ax.set(xscale="log", yscale="log")
    ax.margins(0.09)
    canvas.plain_logarithmic(ax.xaxis)
    canvas.plain_logarithmic(ax.yaxis)
    what = "generated tokens of all" if served else "decode speed, all streams"
    ax.set(xlabel="speed of each stream [tok/s]", ylabel=f"{what}{' / devices' if per_device else ''} [tok/s]")
    canvas.grid(ax)
    canvas.legend(ax)
    canvas.title(ax, *_titles(first, varied, served=served))
    return ax


def _served(options: Mapping[str, Any]) -> bool:
    """Whether requests are served; without prompt and output, batches decode.

    Raises
    ------
    WorkloadError
        Only one of the two is given, or a concurrency without them.
    """
    prompt, output = (options.get(name) is not None for name in ("prompt", "output"))
    if prompt != output:
        raise WorkloadError("prompt and output describe served requests together; only one of the two is given")
    if options.get("concurrency") is not None and not prompt:
        raise WorkloadError("concurrency describes served requests, so prompt and output are wanted beside it")
    return prompt


def _combinations(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every choice of one value of each argument.

    Raises
    ------
    PictureError
        There are more than lines that can be told apart.
    """
    choices = [points.listed(name, value) for name, value in asked.items()]
    number, most = math.prod(map(len, choices)), len(canvas.ON_LIGHT)
    if number > most:
        raise PictureError(f"{number:,} lines cannot be told apart in one picture; at most {most} can")
    return [dict(zip(asked, chosen, strict=True)) for chosen in itertools.product(*choices)]


def _line(choice: dict[str, Any], varied: Sequence[str], name: str, given: Any) -> Line:
    import numpy as np

    served = name == "concurrency"
    base = predict(**{**choice, name: 1})
    values, _ = points.axis(name, given, points.powers(1, min(base.memory.max_batch or 1, LARGEST), 1))
    values = [value for value in values if value <= (base.memory.max_batch or 0)]
    each = together = np.zeros(0)
    expected = False
    if values:
        found = points.swept(FIGURES, **{**choice, name: values})
        each, together = _speeds(found, "value" if served else "expected", served=served)
        expected = bool(np.isfinite(each).any())
        if not expected:
            each, together = _speeds(found, "ceiling", served=served)
    known = np.isfinite(each)
    streams = [value for value, is_known in zip(values, known, strict=True) if is_known]
    label = _name(base, choice, varied) + ("" if expected else ", ceiling")
    return Line(label, streams, each[known], together[known], expected, base.devices)


def _speeds(found: Sweep, figure: str, *, served: bool) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the speed of each stream, and of all; not a number where there is no such figure. [token/s]"""
    import numpy as np

    decode = f"decode.{figure}.tokens_per_s_per_stream", f"decode.{figure}.tokens_per_s"
    serving = f"serving.tpot_s.{figure}", f"serving.output_tok_per_s.{figure}"
    paths = serving if served else decode
    first, second = (points.figure(found, path) for path in paths)
    if first is None or second is None:
        return np.full(found.shape, np.nan), np.full(found.shape, np.nan)
    return (1 / first if served else first), second


def _name(p: Prediction, choice: Mapping[str, Any], varied: Sequence[str]) -> str:
    """Return what sets a line apart."""
    parts = {"model": p.titles[0], "hardware": formatting.machine_title(p), "weights": p.weights, "kv": f"{p.kv} cache"}
    parts["engine"] = p.engine or "no engine"
    alone = f"expected of {p.engine}" if p.engine else formatting.machine_title(p)
    return ", ".join(parts.get(key, f"{key} {choice[key]}") for key in varied) or alone


def _draw_line(ax: Axes, line: Line, colour: str, index: int, marked: int | None, *, per_device: bool) -> None:
    import numpy as np

    y = line.together / (line.devices if per_device else 1)
    style = {"color": colour, "linewidth": 1.6, "linestyle": "-" if line.expected else "--"}
    marker = canvas.MARKERS[index]
    ax.plot(line.each, y, label=line.label, marker=marker, markersize=4.5, **style)
    better = np.array([np.any((line.each > a) & (y > b)) for a, b in zip(line.each, y, strict=True)], dtype=bool)
    if better.any():
        hollow = {"facecolors": [canvas.paper(ax)], "edgecolors": colour, "marker": marker, "s": 22, "zorder": 3}
        ax.scatter(line.each[better], y[better], **hollow)
    step = max(len(line.streams) // 5, 1)
    for i, streams in enumerate(line.streams):
        if streams == marked or (index == 0 and i % step == 0):
            canvas.note(ax, f"{streams:,}", (line.each[i], y[i]), (4, 4), color=colour, bbox=None)


def _titles(p: Prediction, varied: Sequence[str], *, served: bool) -> tuple[str, str]:
    """Return the two lines of the title: what all lines share."""
    what = "requests in flight" if served else "streams that decode together"
    shared = {"model": p.titles[0], "hardware": formatting.machine_title(p)}
    shared |= {"weights": f"{p.weights} weights", "kv": f"{p.kv} cache", "engine": p.engine or ""}
    heading = " on ".join(shared[key] for key in ("model", "hardware") if key not in varied)
    below = [shared[key] for key in ("weights", "kv", "engine") if key not in varied and shared[key]]
    work = (
        f"prompt {canvas.count(p.prompt)}, output {canvas.count(p.output or 0)}" if served else canvas.cached(p.context)
    )
    return heading or "speed of all against speed of each", " · ".join([*below, work, f"numbers: {what}"])
