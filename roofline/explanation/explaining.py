"""Putting the sections of an explanation together."""

from __future__ import annotations

from roofline import formatting
from roofline.explanation import sections
from roofline.explanation.closed_forms import closed_forms
from roofline.explanation.derivation import Explanation
from roofline.results import Prediction
from roofline.setting import Setting
from roofline.workload import Workload


def explain(s: Setting, work: Workload, p: Prediction, figure: str | None = None) -> Explanation:
    """Return how the figures of a prediction follow.

    Parameters
    ----------
    s, work : what the prediction was made of.
    p : the prediction.
    figure : dotted path of the one figure to explain; all of them when None.

    Returns
    -------
    Explanation

    Raises
    ------
    WorkloadError
        No figure of that path is explained.
    """
    forms, givens = closed_forms(s, work)
    found = Explanation(
        title=formatting.heading(p),
        workload=formatting.workload(p),
        sections=(sections.decode(s, work, p), sections.prefill(s, work, p), sections.memory(s, work, p)),
        closed_forms=forms,
        closed_givens=givens,
    )
    return found if figure is None else found.about(figure)
