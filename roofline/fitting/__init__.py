"""Fitting an engine's constants to measurements, and saying how far off they are on what the fit has not seen.

Needs numpy, as everything over arrays; nothing here is imported by :func:`roofline.predict`.
"""

from roofline.fitting.engines import EngineFit, fit_engine
from roofline.fitting.table import Row, Table, crowd_sources, read, rows_of
from roofline.fitting.writing import write

__all__ = ["EngineFit", "Row", "Table", "crowd_sources", "fit_engine", "read", "rows_of", "write"]
