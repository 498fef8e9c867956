"""Decode speed against context and against batch: ceiling, uniform routing, what is expected, what was published."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline import units
from roofline._predict import predict
from roofline.formatting import SAME
from roofline.plots import canvas, points
from roofline.plots.published import Point, decode_points
from roofline.specs import HardwareSpec, ModelSpec
from roofline.sweeps import Sweep

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from roofline.results import Prediction

SPEED = "tokens_per_s"

FIGURES = ("decode.ceiling", "decode.streaming", "decode.uniform", "decode.expected")

LEAST_CONTEXT = units.count("1k")
"""Up to here the axis of contexts is linear, so that an empty cache stands on it; logarithmic beyond. [token]"""

LARGEST_BATCH = units.count("1k")
"""Where the axis of batches ends if nobody says. [1]"""

ALIKE = 0.1
"""A measurement at another context is drawn where that would change the speed by less than this share."""


def context(
    model: str | Path | ModelSpec | Sweep,
    hardware: str | Path | HardwareSpec | None = None,
    ax: Axes | None = None,
    *,
    published: bool = True,
    **options: Any,
) -> Axes:
    """Draw the speed of decoding against the tokens in the cache.

    Parameters
    ----------
    model, hardware : as of :func:`roofline.predict`; or a :class:`roofline.Sweep` alone, whose options are drawn.
    ax : axes to draw into; new ones when None. Data are in tokens and tokens/s of the whole batch.
    published : whether to draw the published measurements of this configuration, at the same batch.
    options : of :func:`roofline.predict`. A list as ``context`` says where to draw; one number is marked. [token]

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    WorkloadError
        Another option than ``context`` has several values, or as :func:`roofline.predict` raises.

    Examples
    --------
    >>> import roofline.plots
    >>> ax = roofline.plots.context("llama-3.1-8b", "h100-sxm", context=[0, 65536, 131072], published=False)
    >>> [round(speed) for speed in ax.lines[0].get_ydata()]
    [225, 143, 104]
    """
    asked = points.asked(model, hardware, options)
    given = asked.pop("context", None)
    points.only("the picture of contexts", asked)
    base = predict(**asked)
    usual = [0, *points.powers(256, base.max_context_of_model - (base.output or 0))]
    values, marked = points.axis("context", given, usual)
    found = points.swept(FIGURES, context=values, **asked)
    ax = canvas.axes(ax)
    _draw_speeds(ax, values, found, base)
    measured = [m for m in decode_points(base, asked) if m.batch == base.batch] if published else []
    measured = [m for m in measured if min(values) <= (m.context or 0) <= max(values)]
    _draw_published(ax, [m.context or 0 for m in measured], measured)
    if marked is not None:
        _mark(ax, marked, _speed_at(found, values.index(marked)), canvas.count(marked))
    ax.set_xscale("symlog", base=2, linthresh=LEAST_CONTEXT, linscale=0.6)
    if max(values) > min(values):
        ax.set_xlim(min(values), max(values))
    ax.set_ylim(bottom=0)
    if base.memory.max_context is None or base.memory.max_context < max(values):
        _shade(ax, base.memory.max_context or 0, max(values))
    canvas.grouped(ax.yaxis)
    canvas.doubling(ax.xaxis, [max(v, LEAST_CONTEXT) for v in values] + [min(values)])
    ax.set(xlabel="context [token]", ylabel=_label(base))
    _finish(ax, base, canvas.streams(base.batch))
    return ax


def batch(
    model: str | Path | ModelSpec | Sweep,
    hardware: str | Path | HardwareSpec | None = None,
    ax: Axes | None = None,
    *,
    published: bool = True,
    **options: Any,
) -> Axes:
    """Draw the speed of decoding, of all streams together, against the number of streams.

    Parameters
    ----------
    model, hardware : as of :func:`roofline.predict`; or a :class:`roofline.Sweep` alone, whose options are drawn.
    ax : axes to draw into; new ones when None. Data are in streams and tokens/s.
    published : whether to draw the published measurements of this configuration whose own context would change the
        speed by less than a tenth.
    options : of :func:`roofline.predict`. A list as ``batch`` says where to draw; one number is marked. [1]

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    WorkloadError
        Another option than ``batch`` has several values, or as :func:`roofline.predict` raises.

    Examples
    --------
    >>> import roofline.plots
    >>> ax = roofline.plots.batch("llama-3.1-8b", "h100-sxm", batch=[1, 16, 256], published=False)
    >>> [round(speed) for speed in ax.lines[0].get_ydata()]
    [225, 3600, 57603]
    """
    asked = points.asked(model, hardware, options)
    given = asked.pop("batch", None)
    points.only("the picture of batches", asked)
    base = predict(**asked)
    values, marked = points.axis("batch", given, points.powers(1, _last_batch(base)))
    found = points.swept(FIGURES, batch=values, **asked)
    ax = canvas.axes(ax)
    _draw_speeds(ax, values, found, base)
    measured = [m for m in decode_points(base, asked) if min(values) <= m.batch <= max(values)] if published else []
    measured = [m for m in measured if _alike(m, base.context, asked)]
    _draw_published(ax, [m.batch for m in measured], measured)
    if marked is not None:
        _mark(ax, marked, _speed_at(found, values.index(marked)), canvas.streams(marked))
    ax.set_xscale("log", base=2)
    ax.set_yscale("log")
    if max(values) > min(values):
        ax.set_xlim(min(values), max(values))
    largest = base.memory.max_batch
    if largest is None or largest < max(values):
        _shade(ax, largest or min(values), max(values))
    canvas.doubling(ax.xaxis, values, most=11)
    canvas.plain_logarithmic(ax.yaxis)
    ax.set(xlabel="batch [streams]", ylabel="decode speed, all streams [tok/s]")
    _finish(ax, base, canvas.cached(base.context) + (" each" if base.context else ""))
    return ax


def _last_batch(p: Prediction) -> int:
    """Return where the axis of batches ends: beyond what fits, at a power of two."""
    fits = p.memory.max_batch or 1
    return next((2**i for i in range(4, 10) if 2**i > fits), LARGEST_BATCH)


def _alike(m: Point, context: int, asked: dict[str, Any]) -> bool:
    """Whether a measurement's own context changes the speed too little to show."""
    if m.context is None or m.context == context:
        return True
    own, shown = (predict(**{**asked, "batch": m.batch, "context": tokens}) for tokens in (m.context, context))
    return abs(own.decode.uniform.tokens_per_s / shown.decode.uniform.tokens_per_s - 1) < ALIKE


def _draw_speeds(ax: Axes, values: Sequence[int], found: Sweep, base: Prediction) -> None:
    import numpy as np

    blue, _, green, purple = canvas.palette(ax)[:4]
    ceiling, streaming, uniform = (found[f"decode.{name}.{SPEED}"] for name in ("ceiling", "streaming", "uniform"))
    ax.plot(values, ceiling, color=canvas.ink(), linewidth=1.8, label="ceiling")
    if np.any(streaming < ceiling / (1 + SAME)):
        ax.plot(values, streaming, color=purple, linestyle="-.", linewidth=1.4, label="streaming, all from memory")
    if np.any(uniform < streaming / (1 + SAME)):
        ax.plot(values, uniform, color=green, linestyle="--", linewidth=1.4, label="uniform, even routing")
    expected, low, high = (points.figure(found, f"decode.expected.{name}") for name in (SPEED, "low", "high"))
    if expected is None or low is None or high is None or not np.isfinite(expected).any():
        return
    level = np.nanmax(found["decode.expected.level"])
    shade = 2.2 * canvas.faint(ax)
    ax.fill_between(values, low, high, color=blue, alpha=shade, linewidth=0, label=f"{level:.0%} interval")
    ax.plot(values, expected, color=blue, linewidth=1.8, label=f"expected of {base.engine}")


def _speed_at(found: Sweep, place: int) -> float:
    """Return what is expected at one point, or the ceiling where nothing is. [token/s]"""
    expected = points.figure(found, f"decode.expected.{SPEED}")
    known = expected is not None and expected[place] > 0
    return float(expected[place] if expected is not None and known else found[f"decode.ceiling.{SPEED}"][place])


def _draw_published(ax: Axes, where: Sequence[int], measured: Sequence[Point]) -> None:
    """Draw measurements; those that leave their context open are hollow."""
    if not measured:
        return
    colour = canvas.palette(ax)[1]
    for stated in (True, False):
        rows = [(x, m) for x, m in zip(where, measured, strict=True) if (m.context is not None) == stated]
        mine = [(x, m.tokens_per_s) for x, m in rows]
        if mine:
            number = len({m.source for _, m in rows})
            sources = f"{number} source" + ("s" if number > 1 else "")
            text = f"published: {len(mine)} ({sources})" + ("" if stated else ",\ncontext not said")
            style = {"facecolors": colour if stated else "none", "edgecolors": colour, "linewidths": 1.0}
            ax.scatter(*zip(*mine, strict=True), s=20, zorder=4, clip_on=False, label=text, **style)


def _mark(ax: Axes, x: float, rate: float, text: str) -> None:
    """Mark one point of the lines, with its speed."""
    ax.plot([x], [rate], marker="D", markersize=7, linestyle="", color=canvas.ink(), zorder=5)
    canvas.note(ax, f"{text}: {units.significant(rate)} tok/s", (x, rate), (7, 7), zorder=6)


def _shade(ax: Axes, first: float, last: float) -> None:
    """Shade what does not fit into memory."""
    if first < last:
        ax.axvspan(first, last, color=canvas.ink(), alpha=canvas.faint(ax), linewidth=0, zorder=0, label="does not fit")


def _label(p: Prediction) -> str:
    return "decode speed [tok/s]" if p.batch == 1 else "decode speed, all streams [tok/s]"


def _finish(ax: Axes, p: Prediction, work: str) -> None:
    canvas.grid(ax)
    if canvas.narrow(ax):
        canvas.headroom(ax, 0.12 * -(-len(ax.get_legend_handles_labels()[0]) // 2))
        canvas.legend(ax, loc="upper left", ncols=2, columnspacing=1.0)
    else:
        canvas.legend(ax)
    canvas.title(ax, canvas.subject(p), canvas.setup(p, work))
