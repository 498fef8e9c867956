"""A heat map of served requests over the lengths of their prompts and answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from roofline import units
from roofline._predict import predict
from roofline.errors import PictureError, WorkloadError
from roofline.plots import canvas, points
from roofline.specs import HardwareSpec, ModelSpec
from roofline.sweeps import Sweep, sweep

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    from roofline.results import Prediction


class Metric(NamedTuple):
    """What a heat map shows: in words, its unit, and whether less is better."""

    words: str
    unit: str
    is_time: bool


METRICS = {
    "output_tok_per_s": Metric("generated tokens", "tok/s", is_time=False),
    "total_tok_per_s": Metric("prompt and generated tokens", "tok/s", is_time=False),
    "ttft_s": Metric("time to first token", "s", is_time=True),
    "tpot_s": Metric("time per output token", "s", is_time=True),
    "request_s": Metric("time of a whole request", "s", is_time=True),
}
"""What is drawn; ``request_s`` is the time to the first token and that of all after it."""

LENGTHS = tuple(2**power for power in range(7, 16))
"""Prompts and answers where nobody says others. [token]"""

MOST_CELLS = 2500
MOST_TEXTS = 120
"""More cells than this are drawn without their numbers."""


def heatmap(
    model: str | Path | ModelSpec | Sweep,
    hardware: str | Path | HardwareSpec | None = None,
    ax: Axes | None = None,
    *,
    metric: str = "output_tok_per_s",
    **options: Any,
) -> Axes:
    """Draw a figure of served requests for each length of prompt and answer.

    What is expected of the engine is drawn, and the ceiling where no engine is named. Cells are hatched where a request
    is longer than the model allows, and where so many do not fit into memory together.

    Parameters
    ----------
    model, hardware : as of :func:`roofline.predict`; or a :class:`roofline.Sweep` alone, whose options are drawn.
    ax : axes to draw into; new ones when None. Its image holds tokens/s or seconds, and not a number in hatched cells.
    metric : ``"output_tok_per_s"``, ``"total_tok_per_s"``, ``"ttft_s"``, ``"tpot_s"`` or ``"request_s"``.
    options : of :func:`roofline.predict`. Lists as ``prompt`` and ``output`` say where to draw; where both are a
        number, their cell is framed. ``concurrency`` is 1 if nobody says. [token]

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    WorkloadError
        There is no such metric, or another option than these has several values, or as :func:`roofline.predict` raises.
    PictureError
        There are too many cells, or nothing to draw in any of them.

    Examples
    --------
    >>> import roofline.plots
    >>> ax = roofline.plots.heatmap("llama-3.1-8b", "h100-sxm", prompt=[128, 1024], output=[512], concurrency=16)
    >>> ax.get_xlabel(), ax.images[0].get_array().round().tolist()
    ('prompt [token]', [[3416.0, 3051.0]])
    """
    if metric not in METRICS:
        raise WorkloadError(f"metric is {metric!r:.60}, but one of {', '.join(METRICS)} is wanted")
    asked = points.asked(model, hardware, options)
    asked["concurrency"] = asked.get("concurrency") or 1
    given = {name: asked.pop(name, None) for name in ("prompt", "output")}
    points.only("a heat map", asked)
    base = predict(**{**asked, "prompt": 1, "output": 1})
    room = base.max_context_of_model - base.cached
    usual = [length for length in LENGTHS if length < room] or [max(room // 2, 1)]
    (prompts, prompt), (outputs, output) = (points.axis(name, value, usual) for name, value in given.items())
    if len(prompts) * len(outputs) > MOST_CELLS:
        cells = len(prompts) * len(outputs)
        raise PictureError(
            f"{len(prompts)} x {len(outputs)} are {cells:,} cells, but a picture shows at most {MOST_CELLS:,}"
        )
    values = _values(prompts, outputs, metric, asked)
    long = [[prompt + output > room for prompt in prompts] for output in outputs]
    ax = canvas.axes(ax)
    _draw(ax, values, long, METRICS[metric])
    _label(ax, prompts, outputs)
    if prompt is not None and output is not None:
        _frame(ax, prompts.index(prompt), outputs.index(output))
    what = "expected" if base.engine and _expects(base) else "ceiling"
    number = asked["concurrency"]
    requests = "1 request at a time" if number == 1 else f"{number:,} requests at a time"
    canvas.title(
        ax, f"{METRICS[metric].words}, {what}: {canvas.subject(base)}", canvas.setup(base, requests), share=0.8
    )
    return ax


def _expects(p: Prediction) -> bool:
    return p.serving is not None and p.serving.output_tok_per_s.value is not None


def _values(
    prompts: Sequence[int], outputs: Sequence[int], metric: str, asked: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Return the numbers by output and prompt; not a number where a request is too long or does not fit."""
    import numpy as np

    wanted = ("serving", "memory.fits")
    found = sweep(fields=wanted, progress=False, output=outputs, prompt=prompts, **asked)
    if metric == "request_s":
        after = np.array(outputs)[:, None] - 1
        numbers = _figure(found, "ttft_s") + after * _figure(found, "tpot_s")
    else:
        numbers = _figure(found, metric)
    numbers = np.where(found["memory.fits"], numbers, np.nan)
    if not np.isfinite(numbers).any():
        raise PictureError(
            "no cell has a number: the requests are longer than the model takes, or do not fit in memory"
        )
    return numbers


def _figure(found: Sweep, metric: str) -> NDArray[np.float64]:
    expected = points.figure(found, f"serving.{metric}.value")
    return found[f"serving.{metric}.ceiling"] if expected is None else expected


def _draw(ax: Axes, values: Any, long: Any, metric: Metric) -> None:
    import numpy as np
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.ticker import FuncFormatter

    low, high = np.nanmin(values), np.nanmax(values)
    norm = LogNorm(low, high) if high > 1.2 * low else Normalize(low * 0.95, high * 1.05)
    image = ax.imshow(
        values, origin="lower", aspect="auto", cmap="cividis_r" if metric.is_time else "cividis", norm=norm
    )
    _hatch(ax, values, long)
    if values.size <= MOST_TEXTS:
        _write(ax, values, image, metric)
    figure: Any = ax.figure
    bar = figure.colorbar(image, ax=ax, pad=0.02)
    if isinstance(norm, LogNorm):
        canvas.plain_logarithmic(bar.ax.yaxis)
    if metric.is_time:
        bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: _text(value, metric)))
    bar.set_label(metric.words + ("" if metric.is_time else f" [{metric.unit}]"))


def _hatch(ax: Axes, values: Any, long: Any) -> None:
    import numpy as np
    from matplotlib.patches import Rectangle

    for (i, j), value in np.ndenumerate(values):
        if np.isnan(value):
            text = "too\nlong" if long[i][j] else "no\nroom"
            style = {"fill": False, "hatch": "///", "edgecolor": canvas.ink(), "alpha": 0.25, "linewidth": 0}
            ax.add_patch(Rectangle((j - 0.5, i - 0.5), 1, 1, **style))
            if values.size <= MOST_TEXTS:
                ax.text(j, i, text, ha="center", va="center", fontsize="x-small", color=canvas.ink())


def _write(ax: Axes, values: Any, image: Any, metric: Metric) -> None:
    """Write its number into each cell, dark on light and light on dark."""
    import numpy as np

    for (i, j), value in np.ndenumerate(values):
        if np.isfinite(value):
            colour = "black" if canvas.is_light(image.cmap(image.norm(value))) else "white"
            ax.text(j, i, _text(value, metric), ha="center", va="center", fontsize=canvas.text_size(ax), color=colour)


def _text(value: float, metric: Metric) -> str:
    if metric.is_time:
        return units.text(value, "s", 2)
    return units.significant(value, 3) if value < 10_000 else units.text(value, "", 3).strip()


def _label(ax: Axes, prompts: Sequence[int], outputs: Sequence[int]) -> None:
    step_x, step_y = (max(len(values) // 12, 1) for values in (prompts, outputs))
    ax.set_xticks(range(0, len(prompts), step_x), [canvas.count(v) for v in prompts[::step_x]])
    ax.set_yticks(range(0, len(outputs), step_y), [canvas.count(v) for v in outputs[::step_y]])
    ax.set(xlabel="prompt [token]", ylabel="output [token]")


def _frame(ax: Axes, column: int, row: int) -> None:
    from matplotlib.patches import Rectangle

    red = canvas.palette(ax)[1]
    ax.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=red, linewidth=2.5, clip_on=False))
