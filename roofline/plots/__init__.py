"""Pictures of predictions, drawn with matplotlib into axes that are given or made, which are returned.

Nothing is shown and no style is set: matplotlib's own, light or dark, is kept to. Data in the axes are in SI units;
prefixes are on the ticks. Names are the kinds of ``roofline plot``.
"""

from roofline.plots.accuracy import expected_against_measured
from roofline.plots.canvas import blank, save, suffix
from roofline.plots.curves import batch, context
from roofline.plots.fronts import pareto
from roofline.plots.maps import METRICS, heatmap
from roofline.plots.roofs import roofline
from roofline.plots.room import kv, memory
from roofline.plots.steps import waterfall

__all__ = [
    "METRICS",
    "batch",
    "blank",
    "context",
    "expected_against_measured",
    "heatmap",
    "kv",
    "memory",
    "pareto",
    "roofline",
    "save",
    "suffix",
    "waterfall",
]
