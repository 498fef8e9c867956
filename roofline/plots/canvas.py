"""What every picture shares: axes, colours, titles, and ticks with prefixes. Data are in SI; prefixes are on ticks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roofline import formatting, units
from roofline.errors import OutputError, PictureError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from roofline.results import Prediction

ON_LIGHT = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#8C6D00", "#999999")
ON_DARK = ("#56B4E9", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#F0E442", "#4F8FD0", "#999999")
"""Okabe and Ito's colours, told apart by the colour-blind and in print, in the order that each background allows."""

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
"""Beside the colour, so that nothing is told by it alone."""

FORMATS = ("png", "svg", "pdf")
"""Suffixes of the files that pictures are written to."""

SIZE = (8.0, 5.0)
"""Of a new figure. [inch]"""

DOTS_PER_INCH = 150
"""Of a figure that is for a file."""


def axes(ax: Axes | None) -> Axes:
    """Return the axes to draw into: ``ax``, or new ones where it is None."""
    if ax is not None:
        return ax
    from matplotlib import pyplot as plt

    return plt.subplots(figsize=SIZE, layout="constrained")[1]


def blank(size: tuple[float, float] = SIZE) -> Axes:
    """Return empty axes for a file: their figure needs no window, and no display for one.

    Parameters
    ----------
    size : width and height. [inch]

    Raises
    ------
    OutputError
        Matplotlib cannot be used, as with an unknown backend in ``MPLBACKEND``.
    """
    try:
        from matplotlib.figure import Figure
    except ValueError as error:
        raise OutputError(f"matplotlib cannot be used: {error}") from None
    return Figure(figsize=size, dpi=DOTS_PER_INCH, layout="constrained").subplots()


def ink() -> str:
    """Return the colour of text, which is light on a dark style and dark on a light one."""
    from matplotlib import rcParams

    return rcParams["text.color"]


def paper(ax: Axes) -> Any:
    """Return the colour of the background."""
    return ax.get_facecolor()


def is_light(colour: Any) -> bool:
    """Whether a colour, by its red, green and blue, is light."""
    red, green, blue = colour[:3]
    return 0.3 * red + 0.6 * green + 0.1 * blue > 0.5


def palette(ax: Axes) -> tuple[str, ...]:
    """Return the colours that are told apart on the background of ``ax``."""
    return ON_LIGHT if is_light(paper(ax)) else ON_DARK


def faint(ax: Axes) -> float:
    """Return the opacity of what stands behind the data; a dark background swallows more. [1]"""
    return 0.1 if is_light(paper(ax)) else 0.22


def colours(ax: Axes, names: Iterable[str]) -> dict[str, str]:
    """Return a colour for each different name, in the order in which they come first.

    Raises
    ------
    PictureError
        There are more names than colours.
    """
    different, known = list(dict.fromkeys(names)), palette(ax)
    if len(different) > len(known):
        raise PictureError(f"{len(different)} lines cannot be told apart in one picture; at most {len(known)} can")
    return dict(zip(different, known, strict=False))


NARROW = 6.0
"""Where there is less room than this, text is smaller and a legend gets room of its own. [inch]"""


def inches(ax: Axes) -> float:
    """Return the width of the axes with their labels: of their cell of the figure. [inch]"""
    figure: Any = ax.figure
    cell = ax.get_subplotspec()
    share = ax.get_position().width if cell is None else cell.colspan.stop - cell.colspan.start
    columns = 1 if cell is None else cell.get_gridspec().ncols
    return figure.get_size_inches()[0] * share / columns


def narrow(ax: Axes) -> bool:
    """Whether there is little room."""
    return inches(ax) < NARROW


def text_size(ax: Axes) -> str:
    """Return the size of text inside the axes."""
    return "x-small" if narrow(ax) else "small"


def title(ax: Axes, heading: str, below: str = "", share: float = 0.86) -> None:
    """Write a title above the axes, wrapped to ``share`` of their cell."""
    letter = 4.5 if narrow(ax) else 5.4  # mean width [point]
    width = max(int(inches(ax) * share * 72 / letter), 24)
    lines = [*textwrap.wrap(heading, width), *textwrap.wrap(below, width, break_on_hyphens=False)]
    ax.set_title("\n".join(lines), loc="left", fontsize="small" if narrow(ax) else "medium")


def headroom(ax: Axes, share: float) -> None:
    """Make room above the data for a legend: ``share`` of the height of the data."""
    low, high = ax.get_ylim()
    if ax.get_yscale() == "log" and low <= 0:
        return
    ax.set_ylim(low, high * (high / low) ** share if ax.get_yscale() == "log" else high + (high - low) * share)


def subject(p: Prediction) -> str:
    """Return what runs on what."""
    return f"{p.titles[0]} on {formatting.machine_title(p)}"


def setup(p: Prediction, *more: str) -> str:
    """Return the formats and the engine, and ``more``, in one line."""
    parts = [f"{p.weights} weights", f"{p.kv} cache", p.engine or "", *more]
    return " · ".join(part for part in parts if part)


def streams(number: int) -> str:
    """Return how many sequences decode together, in words."""
    return "1 stream" if number == 1 else f"{number:,} streams"


def cached(tokens: int) -> str:
    """Return how long the cache of each sequence is, in words."""
    return f"{count(tokens)} cached tokens" if tokens else "empty cache"


def count(tokens: float, _: object = None) -> str:
    """Return a count of tokens, as a label of a tick too."""
    return units.short_count(round(tokens))


def prefixed(axis: Any, label: str, largest: float, unit: str, *, binary: bool = False) -> None:
    """Label an axis whose data are in base units with the prefix that suits ``largest``, and put ticks there."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    factor, name = units.scale(largest, unit, binary=binary)

    class Scaled(MaxNLocator):
        """Round numbers of the prefixed unit."""

        def tick_values(self, vmin: float, vmax: float) -> Any:
            ticks: Any = super().tick_values(vmin / factor, vmax / factor)
            return ticks * factor

    axis.set_major_locator(Scaled(nbins=6, steps=[1, 2, 2.5, 5, 10]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / factor:,.10g}"))
    axis.set_label_text(f"{label} [{name}]")


def each_prefixed(axis: Any, unit: str, *, binary: bool = False) -> None:
    """Write the prefix on each tick: for logarithmic axes that span several."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    def text(value: float, _: object) -> str:
        factor, name = units.scale(value, unit, binary=binary)
        return f"{value / factor:,.4g} {name}"

    axis.set_major_formatter(FuncFormatter(text))
    axis.set_minor_formatter(NullFormatter())


def plain_logarithmic(axis: Any) -> None:
    """Write numbers of a logarithmic axis in full, at 1, 2 and 5 where it spans little."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axis.get_view_interval()
    decades = [(60.0, (1.0, 2.0, 5.0)), (600.0, (1.0, 3.0))]
    steps = next((steps for most, steps in decades if high < low * most), (1.0,))
    axis.set_major_locator(LogLocator(base=10, subs=steps, numticks=20))
    grouped(axis)
    axis.set_minor_formatter(NullFormatter())


def doubling(axis: Any, values: Iterable[float], most: int = 9) -> None:
    """Put ticks at powers of two between the least and the largest of ``values``, at most ``most`` of them."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    known = [value for value in values if value > 0]
    powers = [2**i for i in range(64) if min(known) <= 2**i <= max(known)] or sorted(known)
    step = -(-len(powers) // most)
    axis.set_major_locator(FixedLocator(powers[::-1][::step][::-1] + ([0] if min(values) <= 0 else [])))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(count))


def grid(ax: Axes, axis: Any = "both") -> None:
    """Draw thin lines behind the data."""
    ax.grid(visible=True, axis=axis, which="major", linewidth=0.4, alpha=0.5)
    ax.set_axisbelow(True)


def note(ax: Axes, text: str, where: tuple[float, float], shift: tuple[float, float], **style: Any) -> None:
    """Write ``text`` beside the point ``where``, ``shift`` away from it [point], on a patch of background."""
    box = {"facecolor": paper(ax), "edgecolor": "none", "alpha": 0.7, "pad": 0.6}
    usual: dict[str, Any] = {"textcoords": "offset points", "fontsize": text_size(ax), "bbox": box}
    ax.annotate(text, where, xytext=shift, **usual | style)


def legend(ax: Axes, **options: Any) -> None:
    """Write what is drawn where it hides the least."""
    usual = {"loc": "best", "fontsize": text_size(ax), "framealpha": 0.85, "labelspacing": 0.3}
    ax.legend(**usual | options)


def grouped(axis: Any) -> None:
    """Write numbers with their thousands apart."""
    from matplotlib.ticker import FuncFormatter

    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def suffix(path: str | Path) -> str:
    """Return the format that the name of a file asks for.

    Raises
    ------
    OutputError
        It is none that pictures are written in.
    """
    found = Path(path).suffix.lower().removeprefix(".")
    if found not in FORMATS:
        known = ", ".join(f".{name}" for name in FORMATS)
        raise OutputError(f"{path}: a picture is written to a file whose name ends in {known}")
    return found


def save(ax: Axes, path: str | Path) -> None:
    """Write the figure of ``ax`` to a file; its suffix says the format.

    Parameters
    ----------
    ax : any axes of the figure.
    path : a file whose name ends in ``.png``, ``.svg`` or ``.pdf``.

    Raises
    ------
    OutputError
        The file cannot be written, or the format is none of these.
    """
    wanted = suffix(path)
    from matplotlib import rc_context

    figure: Any = ax.figure
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(wanted)
    try:
        with rc_context({"svg.hashsalt": "roofline"}):  # the same picture is the same file
            figure.savefig(path, format=wanted, metadata=undated)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(f"{path}: cannot be written: {reason}") from None
