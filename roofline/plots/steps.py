"""What the time of a step is made of: a waterfall of what is expected, or a bar for each resource of the ceiling."""

from __future__ import annotations

import itertools
import textwrap
from typing import TYPE_CHECKING, Any

from roofline import units
from roofline.errors import WorkloadError
from roofline.formatting import SAME
from roofline.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from roofline.results import ExpectedPrefill, ExpectedRates, Prediction

PHASES = ("decode", "prefill")

NOTHING_KEPT = "memory, nothing kept on chip"


def waterfall(prediction: Prediction, ax: Axes | None = None, *, phase: str = "decode") -> Axes:
    """Draw what the expected time of a step is made of, term by term; the parts add up to the whole.

    Below them stand the expected time with its interval, and the ceiling. Where nothing is expected, because no engine
    is named or its speed is unknown, the ceiling is drawn: a bar for each resource. Resources may work at the same
    time, so that these bars begin together, and the longest is the ceiling.

    Parameters
    ----------
    prediction : what :func:`roofline.predict` returned.
    ax : axes to draw into; new ones when None. Data are in seconds.
    phase : ``"decode"``: one step; ``"prefill"``: the pass that reads the prompts.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    WorkloadError
        There is no such phase.

    Examples
    --------
    >>> import roofline.plots
    >>> p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", engine="llama.cpp")
    >>> parts = sum(bar.get_width() for bar in roofline.plots.waterfall(p).containers[0])
    >>> round(float(parts / p.decode.expected.seconds_per_step), 9)
    1.0
    """
    if phase not in PHASES:
        raise WorkloadError(f"phase is {phase!r:.60}, but {' or '.join(PHASES)} is wanted")
    ax = canvas.axes(ax)
    p = prediction
    expected = p.decode.expected if phase == "decode" else p.prefill.expected
    ceiling = p.decode.ceiling.seconds_per_step if phase == "decode" else p.prefill.ceiling.seconds
    if expected is None:
        largest = _draw_resources(ax, p, phase, ceiling)
    else:
        largest = _draw_terms(ax, p, phase, expected, ceiling)
    ax.set_xlim(0, largest * (1.3 if canvas.narrow(ax) else 1.15))
    ax.invert_yaxis()
    ax.tick_params(axis="y", length=0, labelsize=canvas.text_size(ax))
    canvas.prefixed(ax.xaxis, "time", largest, "s")
    canvas.grid(ax, "x")
    note = "" if expected else " · no engine" if p.engine is None else f" · nothing is expected of {p.engine} here"
    note += "" if expected else ": the least time of each resource, which may overlap"
    canvas.title(ax, canvas.subject(p), canvas.setup(p, _work(p, phase)) + note, share=0.7)
    return ax


def _work(p: Prediction, phase: str) -> str:
    if phase == "decode":
        return f"one decode step of {canvas.streams(p.batch)}, {canvas.cached(p.context)}"
    return f"prefill of {canvas.count(p.prefill.tokens)} tokens" + (
        f" after {canvas.count(p.cached)} each" if p.cached else ""
    )


def _draw_terms(ax: Axes, p: Prediction, phase: str, expected: Any, ceiling: float) -> float:
    whole = _seconds(expected)
    parts = dict(expected.terms)
    held_back = whole - sum(parts.values())
    if held_back > 1e-9 * whole:
        parts["held back by the ceiling"] = held_back
    starts = list(itertools.accumulate(parts.values(), initial=0.0))[:-1]
    first, second = canvas.palette(ax)[:2]
    bars = ax.barh([_label(name) for name in parts], list(parts.values()), left=starts, color=first, height=0.62)
    for bar, part in zip(bars, parts.values(), strict=True):
        _beside(ax, bar, f"{units.text(part, 's')}  {_share(part / whole)}")
    work = p.batch if phase == "decode" else p.prefill.tokens
    fastest, slowest = work / expected.high, work / expected.low
    name = f"expected,\n{expected.level:.0%} interval"
    (total,) = ax.barh([name], [whole], color=second, height=0.62)
    bounds = {"ecolor": canvas.ink(), "elinewidth": 1.3, "capsize": 4, "fmt": "none"}
    ax.errorbar([whole], [name], xerr=[[whole - fastest], [slowest - whole]], **bounds)
    _inside(ax, total, units.text(whole, "s"))
    _draw_ceiling(ax, ceiling)
    return max(slowest, whole, ceiling)


def _draw_ceiling(ax: Axes, seconds: float) -> None:
    """Draw the ceiling as a bar without colour, and a line from it through the others."""
    (bar,) = ax.barh(["ceiling"], [seconds], fill=False, edgecolor=canvas.ink(), linewidth=1.2, height=0.62)
    _beside(ax, bar, units.text(seconds, "s"))
    ax.axvline(seconds, color=canvas.ink(), linestyle="--", linewidth=1.0, zorder=0.9)


def _label(name: str) -> str:
    return textwrap.fill(name, 15)


def _share(part: float) -> str:
    return f"{part:.0%}" if part >= 0.005 else "<1%"


def _seconds(expected: ExpectedRates | ExpectedPrefill) -> float:
    return getattr(expected, "seconds_per_step", None) or expected.seconds  # type: ignore[union-attr]


def _draw_resources(ax: Axes, p: Prediction, phase: str, ceiling: float) -> float:
    resources = dict(p.decode.resources if phase == "decode" else p.prefill.resources)
    streaming = p.decode.streaming
    if phase == "decode" and streaming.seconds_per_step > ceiling * (1 + SAME) and streaming.bound == "memory":
        resources[NOTHING_KEPT] = streaming.seconds_per_step
    shown = {name: seconds for name, seconds in resources.items() if seconds > 0}
    first, second = canvas.palette(ax)[:2]
    paint = [second if seconds == ceiling else first for seconds in shown.values()]
    bars = ax.barh([_label(name) for name in shown], list(shown.values()), color=paint, height=0.62)
    if NOTHING_KEPT in shown:
        bars[-1].set(alpha=0.45, hatch="//")
    for bar, seconds in zip(bars, shown.values(), strict=True):
        _beside(ax, bar, units.text(seconds, "s"))
    _draw_ceiling(ax, ceiling)
    return max(shown.values())


def _beside(ax: Axes, bar: Any, text: str) -> None:
    """Write the number of a bar to the right of it."""
    where = bar.get_x() + bar.get_width(), bar.get_y() + bar.get_height() / 2
    canvas.note(ax, text, where, (5, 0), va="center", fontsize="small")


def _inside(ax: Axes, bar: Any, text: str) -> None:
    """Write the number of a bar at the left end of it."""
    where = 0, bar.get_y() + bar.get_height() / 2
    style = {"va": "center", "fontsize": "small", "fontweight": "bold", "color": canvas.paper(ax)}
    canvas.note(ax, text, where, (5, 0), bbox=None, **style)
