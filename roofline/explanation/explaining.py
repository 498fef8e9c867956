"""Putting the sections of an explanation together."""

from __future__ import annotations

from collections.abc import Callable

from roofline import formatting
from roofline.explanation import expected_sections, memory_section, sections
from roofline.explanation.closed_forms import closed_forms
from roofline.explanation.derivation import Explanation, Section
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
    makers = _makers(s, work, level, p)
    heading, workload = formatting.heading(p), formatting.workload(p)
    if figure is None or not isinstance(figure, str):
        every = tuple(make() for make in makers.values())
        found = Explanation(heading, workload, every, *closed_forms(s, work))
        return found if figure is None else found.about(figure)
    wanted = max((key for key in makers if figure.startswith(key)), key=len, default="")
    made = [makers[wanted]] if wanted else makers.values()
    return Explanation(heading, workload, tuple(make() for make in made)).about(figure)


def _makers(s: Setting, work: Workload, level: float, p: Prediction) -> dict[str, Callable[[], Section]]:
    """Return what makes the section of figures whose paths begin so, in the order of the page."""
    makers: dict[str, Callable[[], Section]] = {"decode.": lambda: sections.decode(s, work, p)}
    if p.decode.expected:
        makers["decode.expected."] = lambda: expected_sections.expected_decode(s, work, level, p)
    makers["prefill."] = lambda: sections.prefill(s, work, p)
    if p.prefill.expected:
        makers["prefill.expected."] = lambda: expected_sections.expected_prefill(s, work, level, p)
    makers["memory."] = lambda: memory_section.memory(s, work, p)
    if p.serving:
        makers["serving."] = lambda: expected_sections.served(s, work, level, p)
    return makers
