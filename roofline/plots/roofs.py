"""The roofline of a machine, with every operation of a prediction on it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from roofline import units
from roofline.errors import PictureError
from roofline.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from roofline.results import OperationTime, Prediction

LARGEST_MARKER = 260.0
SMALLEST_MARKER = 28.0
"""Marker areas for all of a phase's time and for none of it. [point^2]"""

APART = 1.16
"""Markers closer than this factor in intensity are set side by side."""

SHAPES = {"decode": "o", "prefill": "s"}


def roofline(prediction: Prediction, ax: Axes | None = None) -> Axes:
    """Draw the roofline of a machine and, on it, the operations of one decode step and one prefill.

    An operation stands where its own roof is: on the slope of the main memory it waits for memory, on a flat roof for
    compute. The area of a marker is its share of the time of its phase. Operations of equal intensity stand side by
    side around it; one that moves nothing stands at the right end of its roof. Slopes of other memories whose bandwidth
    is known, on the chip or behind the main memory, are dashed.

    Parameters
    ----------
    prediction : what :func:`roofline.predict` returned.
    ax : axes to draw into; new ones when None. Data are in FLOP/byte and FLOP/s.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    PictureError
        No memory bandwidth or no compute peak of the machine is known, so it has no roofline.

    Examples
    --------
    >>> import roofline.plots
    >>> p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=4096)
    >>> roofline.plots.roofline(p).get_xlabel()
    'arithmetic intensity [FLOP/byte]'
    """
    if prediction.bytes_per_s is None or not prediction.roofs:
        raise PictureError(f"{prediction.hardware} has no known bandwidth or no known peak, so it has no roofline")
    ax = canvas.axes(ax)
    points = [_Point(op, "decode") for op in prediction.decode.ops]
    points += [_Point(op, "prefill") for op in prediction.prefill.ops]
    left, right = _range(prediction, prediction.bytes_per_s, points)
    ax.set(xscale="log", yscale="log", xlim=(left, right))
    _draw_slopes(ax, prediction, prediction.bytes_per_s, left)
    _draw_peaks(ax, prediction, prediction.bytes_per_s, right)
    colours = canvas.colours(ax, (point.op.name for point in points))
    _draw_points(ax, prediction, points, colours, right)
    _legend(ax, colours, prediction)
    ax.set(xlabel="arithmetic intensity [FLOP/byte]", ylabel="performance [FLOP/s]")
    canvas.plain_logarithmic(ax.xaxis)
    canvas.each_prefixed(ax.yaxis, "")
    canvas.title(ax, canvas.subject(prediction), canvas.setup(prediction))
    canvas.grid(ax)
    return ax


class _Point(NamedTuple):
    """An operation in one phase."""

    op: OperationTime
    phase: str

    @property
    def intensity(self) -> float | None:
        """FLOP per byte; None where nothing is moved."""
        return self.op.flop / self.op.bytes if self.op.bytes else None


def _range(p: Prediction, bytes_per_s: float, points: Sequence[_Point]) -> tuple[float, float]:
    known = [x for point in points if (x := point.intensity)]
    ridge = p.roofs[0].flop_per_s / bytes_per_s
    return min([*known, 1.0]) / 4, max([*known, ridge]) * 6


def _draw_slopes(ax: Axes, p: Prediction, bytes_per_s: float, left: float) -> None:
    """Draw a slope for each memory up to the highest peak: the main memory's, and dashed the others'."""
    highest = p.roofs[0].flop_per_s
    for tier in p.tiers:
        main = tier.role == "main"
        rate = bytes_per_s if main else tier.bytes_per_s
        if rate is None:
            continue
        label = f"{tier.name} {units.text(rate, 'B/s')}"
        (slope,) = ax.plot([left, highest / rate], [left * rate, highest], color=canvas.ink(), alpha=0.55, zorder=1)
        slope.set(linewidth=1.6 if main else 1.1, linestyle="-" if main else "--")
        start = left * 1.5
        canvas.note(ax, label, (start, start * rate), (9, -9), alpha=0.8)


def _draw_peaks(ax: Axes, p: Prediction, bytes_per_s: float, right: float) -> None:
    """Draw the peak of each format to the right of its ridge with the main memory."""
    ink = canvas.ink()
    for name, peak in _distinct(p):
        ridge = peak / bytes_per_s
        ax.plot([ridge, right], [peak, peak], color=ink, alpha=0.55, linewidth=1.6, zorder=1)
        ax.plot([ridge], [peak], marker="D", markersize=4, color=ink, zorder=2)
        label = f"{name} {units.text(peak, 'FLOP/s')}, ridge {units.significant(ridge)} "
        canvas.note(ax, label, (ridge, peak), (-6, 0), ha="right", va="center", alpha=0.8)


def _distinct(p: Prediction) -> list[tuple[str, float]]:
    """Return (formats, peak) of each different compute roof."""
    found: dict[float, list[str]] = {}
    for roof in p.roofs:
        found.setdefault(roof.flop_per_s, []).append(roof.format)
    return [("/".join(formats), peak) for peak, formats in found.items()]


def _draw_points(ax: Axes, p: Prediction, points: Sequence[_Point], colours: dict[str, str], right: float) -> None:
    bytes_per_s, highest = p.bytes_per_s or 1.0, p.roofs[0].flop_per_s * 1.001
    totals = {phase: sum(point.op.seconds for point in points if point.phase == phase) or 1.0 for phase in SHAPES}
    for group in _side_by_side(points, right):
        for index, (x, point) in enumerate(group):
            shifted = x * APART ** (index - (len(group) - 1) / 2)
            attained = point.op.flop / point.op.seconds
            y = shifted * bytes_per_s if point.op.bound == "memory" else attained
            share = point.op.seconds / totals[point.phase]
            area = SMALLEST_MARKER + (LARGEST_MARKER - SMALLEST_MARKER) * share
            style = {"marker": SHAPES[point.phase], "color": colours[point.op.name], "linewidths": 0.8}
            label = f"{point.phase} {point.op.name}"
            ax.scatter([shifted], [y], s=area, zorder=3, label=label, edgecolors=[canvas.paper(ax)], **style)
            if y > highest:  # no peak is known for its format, so that nothing but memory bounds it
                ax.plot([highest / bytes_per_s, shifted], [highest, y], color=canvas.ink(), alpha=0.4, linestyle=":")


def _side_by_side(points: Sequence[_Point], right: float) -> list[list[tuple[float, _Point]]]:
    """Return groups of points that would hide each other."""
    groups: list[list[tuple[float, _Point]]] = []
    placed = sorted(((point.intensity or right / 1.8, point) for point in points), key=lambda item: item[0])
    for x, point in placed:
        last = groups[-1][-1] if groups else None
        if last and x < last[0] * APART and last[1].op.bound == point.op.bound:
            groups[-1].append((x, point))
        else:
            groups.append([(x, point)])
    return groups


def _legend(ax: Axes, colours: dict[str, str], p: Prediction) -> None:
    from matplotlib.lines import Line2D

    grey = {"linestyle": "", "color": canvas.ink(), "alpha": 0.8}
    phases = [
        Line2D([], [], marker="o", label=f"decode: {canvas.streams(p.batch)}, {canvas.cached(p.context)}", **grey),
        Line2D([], [], marker="s", label=f"prefill: {canvas.count(p.prefill.tokens)} tokens", **grey),
    ]
    operations = [Line2D([], [], marker="o", linestyle="", color=c, label=name) for name, c in colours.items()]
    canvas.legend(ax, handles=phases + operations, loc="lower right")
