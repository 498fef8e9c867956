"""Pictures of predictions, drawn with matplotlib into axes that are given or made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline import formatting, units
from roofline.errors import OutputError
from roofline.measurements import TIMES

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from roofline.results import OperationTime, Prediction
    from roofline.validation import Validation

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442", "#999999")
"""Okabe and Ito's palette: told apart by the colour-blind, and in print."""

LARGEST_MARKER = 260.0
SMALLEST_MARKER = 28.0
"""Marker areas for all of a phase's time and for none of it. [point^2]"""

APART = 1.16
"""Markers closer than this factor in intensity are set side by side."""


def roofline(prediction: Prediction, ax: Axes | None = None) -> Axes:
    """Draw the roofline of a machine and, on it, the operations of one decode step and one prefill.

    An operation stands where its own roof is: on the slope it waits for memory, on a flat roof for compute. The area of
    a marker is its share of the time of its phase. Operations of equal intensity stand side by side around it; one that
    moves nothing stands at the right end of its roof.

    Parameters
    ----------
    prediction : what :func:`roofline.predict` returned.
    ax : axes to draw into; new ones when None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        No memory bandwidth or no compute peak of the machine is known, so it has no roofline.

    Examples
    --------
    >>> import roofline.plots
    >>> p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", context=4096)
    >>> roofline.plots.roofline(p).get_xlabel()
    'arithmetic intensity [FLOP/byte]'
    """
    if prediction.bytes_per_s is None or not prediction.roofs:
        raise ValueError(f"{prediction.hardware} has no known bandwidth or no known peak, so it has no roofline")
    ax = _new_axes() if ax is None else ax
    points = [_Point(op, "decode") for op in prediction.decode.ops]
    points += [_Point(op, "prefill") for op in prediction.prefill.ops]
    left, right = _range(prediction, prediction.bytes_per_s, points)
    _draw_roofs(ax, prediction, prediction.bytes_per_s, left, right)
    colours = _colours([point.op.name for point in points])
    _draw_points(ax, points, colours, prediction.bytes_per_s, right)
    _legend(ax, colours, prediction)
    ax.set(
        xscale="log",
        yscale="log",
        xlim=(left, right),
        xlabel="arithmetic intensity [FLOP/byte]",
        ylabel="performance [FLOP/s]",
    )
    ax.set_title(f"{prediction.titles[0]} on {formatting.machine_title(prediction)}", loc="left", fontsize="medium")
    ax.grid(visible=True, which="major", linewidth=0.4, alpha=0.5)
    return ax


class _Point(NamedTuple):
    """An operation in one phase."""

    op: OperationTime
    phase: str

    @property
    def intensity(self) -> float | None:
        """FLOP per byte; None where nothing is moved."""
        return self.op.flop / self.op.bytes if self.op.bytes else None

    @property
    def marker(self) -> str:
        """Shape of the point: decode and prefill differ."""
        return "o" if self.phase == "decode" else "s"


def _new_axes() -> Axes:
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=(8, 5), layout="constrained")[1]


def _ink() -> str:
    """Return the colour of text, which is light on a dark style and dark on a light one."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def _range(p: Prediction, bytes_per_s: float, points: Sequence[_Point]) -> tuple[float, float]:
    known = [x for point in points if (x := point.intensity)]
    ridge = p.roofs[0].flop_per_s / bytes_per_s
    return min([*known, 1.0]) / 4, max([*known, ridge]) * 6


def _draw_roofs(ax: Axes, p: Prediction, bytes_per_s: float, left: float, right: float) -> None:
    ink = _ink()
    line = {"color": ink, "alpha": 0.55, "linewidth": 1.6, "zorder": 1}
    text = {"textcoords": "offset points", "fontsize": "small", "color": ink, "alpha": 0.75}
    highest = p.roofs[0].flop_per_s
    ax.plot([left, highest / bytes_per_s], [left * bytes_per_s, highest], **line)
    low = left * 1.6
    ax.annotate(f"{units.text(bytes_per_s, 'B/s')} memory", (low, low * bytes_per_s), xytext=(9, -9), **text)
    for name, peak in _distinct(p):
        ridge = peak / bytes_per_s
        ax.plot([ridge, right], [peak, peak], **line)
        ax.plot([ridge], [peak], marker="D", markersize=4, color=ink, zorder=2)
        label = f"{name} {units.text(peak, 'FLOP/s')}, ridge at {units.significant(ridge)} "
        ax.annotate(label, (ridge, peak), xytext=(-6, 0), ha="right", va="center", **text)


def _distinct(p: Prediction) -> list[tuple[str, float]]:
    """Return (formats, peak) of each different compute roof."""
    found: dict[float, list[str]] = {}
    for roof in p.roofs:
        found.setdefault(roof.flop_per_s, []).append(roof.format)
    return [("/".join(formats), peak) for peak, formats in found.items()]


def _colours(names: Sequence[str]) -> dict[str, str]:
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(dict.fromkeys(names))}


def _draw_points(ax: Axes, points: Sequence[_Point], colours: dict[str, str], bytes_per_s: float, right: float) -> None:
    totals = {phase: sum(p.op.seconds for p in points if p.phase == phase) or 1.0 for phase in ("decode", "prefill")}
    for group in _side_by_side(points, right):
        for index, (x, point) in enumerate(group):
            shifted = x * APART ** (index - (len(group) - 1) / 2)
            attained = point.op.flop / point.op.seconds
            y = shifted * bytes_per_s if point.op.bound == "memory" else attained
            share = point.op.seconds / totals[point.phase]
            area = SMALLEST_MARKER + (LARGEST_MARKER - SMALLEST_MARKER) * share
            style = {"marker": point.marker, "color": colours[point.op.name], "edgecolors": "white", "linewidths": 0.8}
            ax.scatter([shifted], [y], s=area, zorder=3, label=f"{point.phase} {point.op.name}", **style)


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

    cached = f"{p.context:,} cached" if p.context else "empty cache"
    grey = {"linestyle": "", "color": _ink(), "alpha": 0.8}
    phases = [
        Line2D([], [], marker="o", label=f"decode: batch {p.batch:,}, {cached}", **grey),
        Line2D([], [], marker="s", label=f"prefill: {p.prefill.tokens:,} tokens", **grey),
    ]
    operations = [Line2D([], [], marker="o", linestyle="", color=c, label=name) for name, c in colours.items()]
    ax.legend(handles=phases + operations, loc="lower right", fontsize="small", framealpha=0.9, labelspacing=0.3)


def expected_against_measured(found: Validation, *, ax: Axes | None = None) -> Axes:
    """Draw what was expected of each measurement against what was measured, both as shares of the ceiling.

    A point on the diagonal was predicted well; none can lie beyond 1 in either direction, but for false measurements.

    Parameters
    ----------
    found : what :func:`roofline.validation.validate` returned.
    ax : axes to draw into; new ones when None.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ValueError
        No row has both an expected value and a ceiling.

    Examples
    --------
    >>> from roofline.validation import validate
    >>> import roofline.plots
    >>> roofline.plots.expected_against_measured(validate(engine="sambanova")).get_xlabel()
    'expected, share of the ceiling'
    """
    rows = [r for r in found.rows_detail if r.expected and r.ceiling and r.ratio]
    if not rows:
        raise ValueError("no row has both an expected value and a ceiling, so there is nothing to draw")
    ax = _new_axes() if ax is None else ax
    engines = sorted({r.engine for r in rows})
    for engine, colour in _colours(engines).items():
        mine = [r for r in rows if r.engine == engine]
        shares = [(r.expected or 1) / (r.ceiling or 1) for r in mine]
        shares = [1 / share if r.metric in TIMES else share for share, r in zip(shares, mine, strict=True)]
        style = {"s": 9, "alpha": 0.5, "color": colour, "linewidths": 0}
        ax.scatter(shares, [r.ratio or 1 for r in mine], label=engine, **style)
    least = min([0.1, *(r.ratio or 1 for r in rows)])
    ax.plot([least, 1], [least, 1], color=_ink(), alpha=0.6, linewidth=1)
    ax.set(
        xscale="log",
        yscale="log",
        xlabel="expected, share of the ceiling",
        ylabel="measured, share of the ceiling",
    )
    ax.set_title(f"{len(rows):,} measurements", loc="left", fontsize="medium")
    ax.legend(loc="lower right", fontsize="small")
    return ax


def save(ax: Axes, path: str | Path) -> None:
    """Write the figure of ``ax`` to a file; its suffix says the format.

    Raises
    ------
    OutputError
        The file cannot be written, or the format is unknown.
    """
    try:
        figure: Any = ax.figure
        figure.savefig(path)
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be drawn: {error}") from None
