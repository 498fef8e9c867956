"""What was expected of measurements against what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from roofline.errors import PictureError
from roofline.measurements import TIMES
from roofline.plots import canvas

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from roofline.validation import RowResult, Validation


def expected_against_measured(found: Validation, ax: Axes | None = None) -> Axes:
    """Draw what was expected of each measurement against what was measured, both as shares of the ceiling.

    A point on the diagonal was predicted well; between the dotted lines, within a factor of two. None can lie beyond 1
    in either direction, but for false measurements.

    Parameters
    ----------
    found : what :func:`roofline.validation.validate` returned.
    ax : axes to draw into; new ones when None. Data are shares.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    PictureError
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
        raise PictureError("no measurement has both an expected value and a ceiling, so there is nothing to draw")
    ax = canvas.axes(ax)
    colours = canvas.colours(ax, sorted({r.engine for r in rows}))
    many = len(rows) > 500
    for index, (engine, colour) in enumerate(colours.items()):
        mine = [r for r in rows if r.engine == engine]
        dots = ax.scatter([_share(r) for r in mine], [r.ratio or 1 for r in mine], marker=canvas.MARKERS[index])
        label = f"{engine}: {len(mine):,}"
        dots.set(sizes=[8 if many else 22], alpha=0.45 if many else 0.8, color=colour, linewidths=0, label=label)
    least = min([0.1, *(r.ratio or 1 for r in rows), *(_share(r) for r in rows)]) * 0.9
    most = max(1.15, *(r.ratio or 1 for r in rows))
    ink = canvas.ink()
    ax.plot([least, 1], [least, 1], color=ink, alpha=0.7, linewidth=1)
    for factor in (0.5, 2.0):
        ends = [least, 1.0] if factor < 1 else [least, 0.5]
        ax.plot(ends, [x * factor for x in ends], color=ink, alpha=0.5, linewidth=0.8, linestyle=":")
    ax.axhline(1, color=ink, alpha=0.5, linewidth=0.8)
    ax.set(xscale="log", yscale="log", xlim=(least, 1.15), ylim=(least, most))
    for axis in (ax.xaxis, ax.yaxis):
        canvas.plain_logarithmic(axis)
        axis.set_major_formatter(lambda share, _: f"{share * 100:.10g}%")
    ax.set(xlabel="expected, share of the ceiling", ylabel="measured, share of the ceiling")
    errors = sorted(r.ape for r in rows if r.ape is not None)
    below = f"median error {errors[len(errors) // 2]:.0%}; dotted: a factor of two"
    canvas.title(ax, _subject(rows), below)
    canvas.grid(ax)
    canvas.legend(ax, loc="lower right", markerscale=2 if many else 1)
    return ax


def _subject(rows: list[RowResult]) -> str:
    """Return what the measurements are of."""
    models, machines = {row.model for row in rows}, {row.hardware for row in rows}
    words = f"{len(rows):,} measurement{'s' if len(rows) > 1 else ''}"
    words += f" of {models.pop()}" if len(models) == 1 else f" of {len(models):,} models"
    return words + (f" on {machines.pop()}" if len(machines) == 1 else f" on {len(machines):,} machines")


def _share(row: RowResult) -> float:
    """Return what was expected as a share of the ceiling; of times, the least is the ceiling."""
    share = (row.expected or 1) / (row.ceiling or 1)
    return 1 / share if row.metric in TIMES else share
