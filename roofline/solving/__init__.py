"""Inverse questions: what one input must be for a figure to reach a target, and what binds where nothing is enough."""

from roofline.solving.solution import Solution
from roofline.solving.solving import solve

__all__ = ["Solution", "solve"]
