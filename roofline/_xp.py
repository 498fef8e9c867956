"""The few functions that a formula may use besides ``+ - * / **``, for floats, arrays and symbols alike.

A symbol goes to sympy, an array to numpy; both are looked up in :data:`sys.modules`, since a value can only be one of
theirs if the module is already imported. Anything else stays with builtins and :mod:`math`, so that a scalar
prediction needs neither library.
"""

from __future__ import annotations

import math  # noqa: TID251 (this module is where the dispatch happens)
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import sympy
    from numpy.typing import NDArray

    Num: TypeAlias = float | NDArray[np.float64] | sympy.Expr
else:
    Num: TypeAlias = Any

_PLAIN = frozenset({float, int})

INFINITY = math.inf
NOT_A_NUMBER = math.nan
EULER = math.e


def _library(x: Num, y: Num) -> Any:
    """Return the sympy or numpy module if ``x`` or ``y`` is one of its objects, else None."""
    module = sys.modules.get("sympy")
    if module is not None and (isinstance(x, module.Basic) or isinstance(y, module.Basic)):
        return module
    module = sys.modules.get("numpy")
    if module is not None and (
        isinstance(x, module.ndarray | module.generic) or isinstance(y, module.ndarray | module.generic)
    ):
        return module
    return None


def maximum(x: Num, y: Num) -> Num:
    """Return the larger of ``x`` and ``y``, elementwise."""
    if type(x) in _PLAIN and type(y) in _PLAIN:
        return max(x, y)
    library = _library(x, y)
    if library is None:
        return max(x, y)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return library.maximum(x, y) if library.__name__ == "numpy" else library.Max(x, y)


def minimum(x: Num, y: Num) -> Num:
    """Return the smaller of ``x`` and ``y``, elementwise."""
    if type(x) in _PLAIN and type(y) in _PLAIN:
        return min(x, y)
    library = _library(x, y)
    if library is None:
        return min(x, y)  # pyright: ignore[reportArgumentType, reportCallIssue]
    return library.minimum(x, y) if library.__name__ == "numpy" else library.Min(x, y)


def floor(x: Num) -> Num:
    """Return the largest whole number not above ``x``, elementwise."""
    if type(x) in _PLAIN:
        return float(math.floor(x)) if math.isfinite(x) else x
    library = _library(x, x)
    return math.floor(x) if library is None else library.floor(x)


def everywhere_positive(x: Any) -> bool:
    """Whether ``x``, or every element of it, is above zero; a symbol is taken to be."""
    if isinstance(x, float | int):
        return x > 0
    library = _library(x, x)
    return bool((x > 0).all()) if library is not None and library.__name__ == "numpy" else True


def where(condition: Any, then: Num, otherwise: Num) -> Num:
    """Return ``then`` where ``condition`` holds, else ``otherwise``, elementwise."""
    if type(condition) is bool:
        return then if condition else otherwise
    library = _library(condition, condition)
    if library is None:
        return then if condition else otherwise
    if library.__name__ == "numpy":
        return library.where(condition, then, otherwise)
    return library.Piecewise((then, condition), (otherwise, True))


def where_at_least(x: Num, bound: Num, then: Num, otherwise: Num) -> Num:
    """Return ``then`` where ``x >= bound``, else ``otherwise``, elementwise."""
    if type(x) in _PLAIN and type(bound) in _PLAIN:
        return then if x >= bound else otherwise
    library = _library(x, bound)
    if library is None:
        return then if x >= bound else otherwise
    return where(x >= bound, then, otherwise)
