"""Fitting an engine's constants to measurements, and saying how far off they are on what the fit has not seen.

Needs numpy, as everything over arrays; nothing here is imported by :func:`roofline.predict`.
"""

from roofline.fitting.engines import EngineFit, fit_engine
from roofline.fitting.table import Row, Table, rows_of, table

__all__ = ["EngineFit", "Row", "Table", "fit_engine", "rows_of", "table"]
