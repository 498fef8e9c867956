"""Memory: what of it is taken and by what, and how the cache grows."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline import formatting, units
from roofline._predict import predict
from roofline.errors import PictureError
from roofline.plots import canvas, points
from roofline.results import Memory, Prediction
from roofline.specs import HardwareSpec, ModelSpec
from roofline.sweeps import Sweep

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray


def _parts(m: Memory) -> dict[str, float]:
    """Return what takes memory; the parts add up to the total. [byte]"""
    return {
        "weights": m.weights_bytes,
        "cache": m.kv_bytes,
        "state": m.state_bytes,
        "engine": m.overhead_bytes - m.outside_bytes,
        "outside its share": m.outside_bytes,
    }


LEAST_CONTEXT = units.count("1k")
"""Where the axis of contexts begins if nobody says. [token]"""

GIB = float(units.BINARY["Gi"])
"""What the axis of memory counts in, as engines and operating systems do. [byte]"""

HATCHES = ("", "//", "..", "xx", "--")


def memory(predictions: Prediction | Sequence[Prediction], ax: Axes | None = None) -> Axes:
    """Draw what takes the memory of a machine, and what stays free, against what programs can use.

    What a prediction lacks stands hatched beyond the line of the capacity.

    Parameters
    ----------
    predictions : one, or several: a bar each.
    ax : axes to draw into; new ones when None. Data are in bytes.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    PictureError
        There are no predictions.

    Examples
    --------
    >>> import roofline.plots
    >>> p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=32768)
    >>> parts = sum(bars[0].get_width() for bars in roofline.plots.memory(p).containers)
    >>> round(float(parts / p.memory.capacity_bytes), 9)
    1.0
    """
    several = [predictions] if isinstance(predictions, Prediction) else list(predictions)
    if not several:
        raise PictureError("there are no predictions, so there is no memory to draw")
    ax = canvas.axes(ax)
    _draw_parts(ax, several)
    _draw_capacities(ax, several)
    longest = max(max(p.memory.total_bytes, p.memory.capacity_bytes, p.memory.physical_bytes) for p in several)
    ax.set_xlim(0, longest * 1.03)
    legend_room = (0.9 if canvas.narrow(ax) else 0.4) * max(1.0, 0.4 * len(several))
    ax.set_ylim(len(several) - 0.55, -0.55 - legend_room)
    varied = _varied(several)
    ax.set_yticks(range(len(several)), [_name(p, varied) for p in several])
    ax.tick_params(axis="y", length=0, labelsize=canvas.text_size(ax))
    what = "memory" if all(p.devices == 1 for p in several) else "memory of all devices"
    canvas.prefixed(ax.xaxis, what, GIB, "B", binary=True)
    canvas.grid(ax, "x")
    _legend(ax)
    heading = " on ".join(_shared(several[0], varied, ("model", "hardware"))) or "Memory"
    below = _shared(several[0], varied, ("weights", "kv", "engine", "batch", "length"))
    canvas.title(ax, heading, " · ".join(below), share=0.86 if len(several) == 1 else 0.7)
    return ax


def _draw_parts(ax: Axes, several: Sequence[Prediction]) -> None:
    """Draw what takes memory, part after part, then what is free."""
    rows = range(len(several))
    starts = [0.0] * len(several)
    parts = [_parts(p.memory) for p in several]
    for name, colour, hatch in zip(parts[0], canvas.palette(ax), HATCHES, strict=False):
        sizes = [part[name] for part in parts]
        if any(sizes):
            style = {"color": colour, "hatch": hatch, "edgecolor": canvas.paper(ax), "linewidth": 0.6}
            ax.barh(rows, sizes, left=starts, height=0.6, label=_sized(name, sizes), **style)
            starts = [start + size for start, size in zip(starts, sizes, strict=True)]
    free = [max(p.memory.capacity_bytes - p.memory.total_bytes, 0.0) for p in several]
    if any(free):
        shade, label = canvas.faint(ax), _sized("free", free)
        ax.barh(rows, free, left=starts, height=0.6, label=label, color=canvas.ink(), alpha=shade, linewidth=0)


def _legend(ax: Axes) -> None:
    """Write what the bars are, then what the lines are."""
    from matplotlib.lines import Line2D

    handles = sorted(ax.get_legend_handles_labels()[0], key=lambda handle: isinstance(handle, Line2D))
    columns = 2 if canvas.narrow(ax) else 3
    canvas.legend(ax, handles=handles, loc="upper left", ncols=columns, columnspacing=1.0)


def _sized(name: str, sizes: Sequence[float]) -> str:
    """Return the name of a part, with its size where there is one bar."""
    return f"{name} {units.gib(sizes[0])}" if len(sizes) == 1 else name


def _described(p: Prediction) -> dict[str, str]:
    """Return in words what may differ between predictions."""
    return {
        "model": p.titles[0],
        "hardware": formatting.machine_title(p),
        "weights": f"{p.weights} weights",
        "kv": f"{p.kv} cache",
        "engine": p.engine or "no engine",
        "batch": canvas.streams(p.batch),
        "length": f"{canvas.count(_tokens(p))} tokens each",
    }


def _varied(several: Sequence[Prediction]) -> list[str]:
    """Return what is not the same in all predictions."""
    every = [_described(p) for p in several]
    return [key for key in every[0] if len({words[key] for words in every}) > 1]


def _name(p: Prediction, varied: Sequence[str]) -> str:
    return "\n".join(textwrap.fill(_described(p)[key], 22) for key in varied)


def _shared(p: Prediction, varied: Sequence[str], keys: Sequence[str]) -> list[str]:
    words = _described(p)
    return [words[key] for key in keys if key not in varied and words[key] != "no engine"]


def _tokens(p: Prediction) -> int:
    """Return the length of each sequence that the memory is for. [token]"""
    asked = p.prompt_given or p.cached
    return max(p.context, (p.cached + p.prompt if asked else p.context) + (p.output or 0))


def _draw_capacities(ax: Axes, several: Sequence[Prediction]) -> None:
    """Draw a line where the memory of each ends, and what is wanted beyond it."""
    ink = canvas.ink()
    usable = [p.memory.capacity_bytes for p in several]
    installed = [p.memory.physical_bytes for p in several]
    for row, p in enumerate(several):
        m = p.memory
        if m.fits:
            text = (
                f"{units.gib(m.total_bytes)} of {units.gib(m.capacity_bytes)}, {m.total_bytes / m.capacity_bytes:.0%}"
            )
        else:
            text = f"does not fit: {units.gib(m.missing_bytes)} missing of {units.gib(m.total_bytes)}"
            beyond = ax.barh([row], [m.missing_bytes], left=m.capacity_bytes, height=0.68, fill=False)
            beyond[0].set(edgecolor=ink, hatch="xx", linewidth=1.6)
        canvas.note(ax, text, (0, row - 0.34), (3, 2), va="bottom")
    for row, (now, all_of_it) in enumerate(zip(usable, installed, strict=True)):
        first = row == 0
        label = _sized("usable", usable) if first else None
        ax.plot([now] * 2, [row - 0.34, row + 0.34], color=ink, linewidth=2.4, label=label)
        if all_of_it > now * 1.005:
            label = _sized("installed", installed) if first else None
            ax.plot([all_of_it] * 2, [row - 0.34, row + 0.34], color=ink, linewidth=1.4, linestyle=":", label=label)


def kv(
    models: str | Path | ModelSpec | Sweep | Sequence[str | Path | ModelSpec],
    hardware: str | Path | HardwareSpec | None = None,
    ax: Axes | None = None,
    **options: Any,
) -> Axes:
    """Draw how the cache, with recurrent state, of ``batch`` sequences grows with their length.

    A line is dotted where memory is full, from the cross on.

    Parameters
    ----------
    models : one or several; or a :class:`roofline.Sweep` alone, whose options are drawn.
    hardware : whose memory there is, as of :func:`roofline.predict`.
    ax : axes to draw into; new ones when None. Data are in tokens and bytes.
    options : of :func:`roofline.predict`, for all models. A list as ``context`` says where to draw;
        one number is marked. [token]

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    WorkloadError
        Another option than ``context`` has several values, or as :func:`roofline.predict` raises.
    PictureError
        There are more models than can be told apart, or one has neither cache nor state.

    Examples
    --------
    >>> import roofline.plots
    >>> ax = roofline.plots.kv("llama-3.1-8b", "h100-sxm", context=[1024, 2048])
    >>> [int(size) for size in ax.lines[0].get_ydata()]
    [134217728, 268435456]
    """
    asked = points.asked(models, hardware, options)
    named = points.listed("models", asked.pop("model"))
    given = asked.pop("context", None)
    points.only("the picture of caches", asked)
    ax = canvas.axes(ax)
    found = []
    for model in named:
        base = predict(model, **asked)
        last = base.max_context_of_model
        values, marked = points.axis("context", given, points.powers(min(LEAST_CONTEXT, last), last))
        found.append((base, values, marked, points.swept(("memory",), model=model, context=values, **asked)))
    paint = canvas.palette(ax)
    if len(found) > len(paint):
        raise PictureError(f"{len(found)} models cannot be told apart in one picture; at most {len(paint)} can")
    for index, (base, values, marked, along) in enumerate(found):
        _draw_growth(ax, base, values, along, paint[index], canvas.MARKERS[index])
        if marked is not None:
            size = float(_sizes(along)[values.index(marked)])
            ax.plot([marked], [size], marker="D", markersize=7, color=canvas.ink(), linestyle="", zorder=5)
            canvas.note(ax, units.gib(size), (marked, size), (6, -5), va="top")
    every = [value for _, values, *_ in found for value in values]
    ax.set(xscale="log", yscale="log", xlim=(min(every), max(every)) if len(set(every)) > 1 else None)
    _binary_ticks(ax)
    if canvas.narrow(ax):
        canvas.headroom(ax, 0.085 * len(found))
    canvas.doubling(ax.xaxis, every, most=8 if canvas.narrow(ax) else 11)
    base = found[0][0]
    ax.set(xlabel="context of each stream [token]", ylabel=f"cache of {canvas.streams(base.batch)}")
    canvas.grid(ax)
    canvas.legend(ax, loc="upper left")
    below = "dotted: does not fit; × where memory is full"
    canvas.title(ax, f"Cache and recurrent state on {formatting.machine_title(base)}", below)
    return ax


def _draw_growth(ax: Axes, base: Prediction, values: list[int], along: Sweep, colour: str, marker: str) -> None:
    import numpy as np

    sizes = _sizes(along)
    if not np.any(sizes > 0):
        raise PictureError(f"{base.model} keeps no cache and no state, so there is nothing to draw")
    per_token = base.memory.kv_bytes_per_token
    factor, unit = units.scale(per_token, "B", binary=True)
    label = f"{base.titles[0]}, {base.kv}: {units.significant(per_token / factor)} {unit}/token"
    fits = along["memory.fits"]
    if base.memory.max_context is None:
        label += ", weights do not fit"
    ax.plot(values, np.where(sizes > 0, sizes, np.nan), color=colour, linestyle=":", linewidth=1.4)
    inside = np.where(fits & (sizes > 0), sizes, np.nan)
    powers = [i for i, value in enumerate(values) if value.bit_count() == 1]
    ax.plot(values, inside, color=colour, linewidth=1.8, label=label, marker=marker, markersize=5, markevery=powers)
    last = base.memory.max_context
    if last and not fits.all():
        size = float(np.interp(last, values, sizes))
        ax.plot([last], [size], marker="x", markersize=9, markeredgewidth=2, color=colour, linestyle="", zorder=5)
        canvas.note(ax, canvas.count(last), (last, size), (6, -5), va="top")


def _sizes(along: Sweep) -> NDArray[np.float64]:
    """Return cache and state at each context. [byte]"""
    return along["memory.kv_bytes"] + along["memory.state_bytes"]


def _binary_ticks(ax: Axes) -> None:
    from matplotlib.ticker import FixedLocator

    low, high = ax.get_ylim()
    powers = [2**i for i in range(64) if low <= 2**i <= high]
    step = -(-len(powers) // 9)
    ax.yaxis.set_major_locator(FixedLocator([float(power) for power in powers[::step]]))
    ax.yaxis.set_minor_locator(FixedLocator([]))
    canvas.each_prefixed(ax.yaxis, "B", binary=True)
