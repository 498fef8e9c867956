"""Many predictions at once: axes, their evaluation in blocks, and the table they make."""

from roofline.sweeps.running import sweep
from roofline.sweeps.table import Points, Problem, Sweep

__all__ = ["Points", "Problem", "Sweep", "sweep"]
