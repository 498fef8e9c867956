"""Predictions along an axis, and their numbers as arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from roofline._predict import predict
from roofline.errors import PictureError, WorkloadError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from roofline.results import Prediction

MOST = 2000
"""More points than this are more than a picture shows."""


def along(
    model: Any, hardware: Any, values: Mapping[str, Sequence[int]], options: Mapping[str, Any]
) -> list[Prediction]:
    """Return a prediction for each of the values that belong together, as ``{"batch": [1, 2], "context": [0, 9]}``."""
    rows = zip(*values.values(), strict=True)
    return [predict(model, hardware, **{**options, **dict(zip(values, row, strict=True))}) for row in rows]


def column(predictions: Iterable[Prediction], path: str) -> NDArray[np.float64]:
    """Return a number of each prediction by its dotted path; where there is none, not a number."""
    import numpy as np

    first, *rest = path.split(".")
    found = []
    for p in predictions:
        value = operator.attrgetter(first)(p)
        for name in rest:
            value = None if value is None else getattr(value, name)
        found.append(np.nan if value is None else float(value))
    return np.array(found)


def is_list(value: Any) -> bool:
    """Whether an option of :func:`roofline.predict` was given several values."""
    return not isinstance(value, str | bytes | Mapping) and hasattr(value, "__len__") and hasattr(value, "__getitem__")


def listed(value: Any) -> list[Any]:
    """Return a list of one or several."""
    return list(value) if is_list(value) else [value]


def several(name: str, value: Any) -> list[Any]:
    """Return the values of an axis.

    Raises
    ------
    WorkloadError
        There are none.
    PictureError
        There are more than a picture shows.
    """
    if not len(value):
        raise WorkloadError(f"{name} is an empty list, so there is nothing to draw; at least one value is wanted")
    if len(value) > MOST:
        raise PictureError(f"{name} has {len(value):,} values, but a picture shows at most {MOST:,}")
    return list(value)


def only(kind: str, options: Mapping[str, Any], lists: Sequence[str] = ()) -> None:
    """Check that no option but those named ``lists`` has several values.

    Raises
    ------
    WorkloadError
        One has.
    """
    for name, value in options.items():
        if name not in lists and is_list(value):
            raise WorkloadError(f"{name} has {len(value)} values, but {kind} is drawn for one")


def powers(first: float, last: float, per_octave: int = 4) -> list[int]:
    """Return whole numbers from ``first`` to ``last``, each larger than the one before by a like factor.

    Examples
    --------
    >>> powers(1, 6, per_octave=1)
    [1, 2, 4, 6]
    """
    found, value = [], float(first)
    while value < last:
        found.append(round(value))
        value *= 2 ** (1 / per_octave)
    return sorted({*found, int(last)})
