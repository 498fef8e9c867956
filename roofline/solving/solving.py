"""What it would take: the value of one input at which a figure reaches a target."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from roofline.errors import WorkloadError
from roofline.loading import load_model
from roofline.solving.asking import asked, target_of
from roofline.solving.question import Question
from roofline.solving.solution import Solution
from roofline.specs import HardwareSpec, ModelSpec

DEFAULT = {
    "token/s": "decode.ceiling.tokens_per_s",
    "s": "decode.ceiling.seconds_per_step",
    "byte": "memory.total_bytes",
    "token": "memory.max_context",
}
"""Figure that a target of each unit is about unless said otherwise."""


def solve(
    model: str | Path | ModelSpec,
    hardware: str | Path | HardwareSpec,
    *,
    target: str | float,
    for_: str,
    of: str | None = None,
    **options: Any,
) -> Solution:
    """Say what one input must be for a figure to reach a target.

    Parameters
    ----------
    model, hardware : as of :func:`roofline.predict`.
    target : what to reach: ``"50 tok/s"``, ``"20 ms"``, ``"100 GiB"``, ``"32k tok"``, or a number in the figure's own
        unit. Speeds and counts are to be at least that, times and sizes at most.
    for_ : what is asked for: ``batch``, ``context``, ``prompt``, ``output``, ``cached``, ``concurrency``, ``devices``;
        ``bandwidth``, ``peak``, ``link``, ``capacity`` of the machine; ``weights``, ``kv``, ``top_k``.
    of : dotted path of the figure; of the decode ceiling when None: its speed for a target in tok/s, its time for one
        in seconds; memory in all for one in bytes, and the longest context for one in tokens.
    options : the other arguments of :func:`roofline.predict`.

    Returns
    -------
    Solution
        The least that is enough where more is better, else the most that still is; of ``weights`` and ``kv`` the
        widest format that is enough. Where none is, the best there is and what bounds it.

    Raises
    ------
    WorkloadError
        Nothing of that name can be asked for, the target cannot be read or is of another dimension than the figure,
        the figure does not exist, or an option says already what is asked for.

    Notes
    -----
    Numeric: values from the least to the most are tried, then those between the last that fails and the first that
    reaches by bisection. Formulas come from the functions that give the figure, solved by sympy, and are kept where
    they agree with the number.

    Examples
    --------
    >>> import roofline
    >>> found = roofline.solve("llama-3.1-8b", "rtx-4090", target="30 tok/s", for_="context")
    >>> found.reached, found.unit, found.value > 70_000
    (True, 'token', True)
    """
    name = asked(for_, options)
    wanted, unit = target_of(target)
    if of is not None and not isinstance(of, str):
        raise WorkloadError(f"of is {of!r:.60}, but the path of a figure is wanted, for example {DEFAULT['s']!r}")
    question = Question(load_model(model, assume_known=options.get("assume_known", False)), hardware, name, options)
    path = of or DEFAULT.get(unit or "token/s", DEFAULT["token/s"])
    return question.answer(path, wanted, unit)
