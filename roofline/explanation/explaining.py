"""Putting the sections of an explanation together."""

from __future__ import annotations

from roofline import formatting
from roofline.explanation import expected_sections, sections
from roofline.explanation.closed_forms import closed_forms
from roofline.explanation.derivation import Explanation
from roofline.results import Prediction
from roofline.setting import Setting
from roofline.workload import Workload


def explain(s: Setting, work: Workload, level: float, p: Prediction, figure: str | None = None) -> Explanation:
    """Return how the figures of a prediction follow.

    Parameters
    ----------
    s, work, level : what the prediction was made of.
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
    found = [sections.decode(s, work, p), sections.prefill(s, work, p), sections.memory(s, work, p)]
    if p.decode.expected:
        found.insert(1, expected_sections.expected_decode(s, work, level, p))
    if p.prefill.expected:
        found.insert(-1, expected_sections.expected_prefill(s, work, level, p))
    if p.serving:
        found.append(expected_sections.served(s, work, level, p))
    every = Explanation(formatting.heading(p), formatting.workload(p), tuple(found), forms, givens)
    return every if figure is None else every.about(figure)
