"""An explanation as Markdown with LaTeX, for notebooks and papers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import sympy

from roofline.explanation.derivation import Explanation, Given, Section, Step
from roofline.explanation.plain import is_long_sum
from roofline.formatting import amount


def latex(step: Step) -> str:
    r"""Return a step as LaTeX: ``t = \max\left(t_{compute}, t_{memory}\right)``; a long sum with a sigma."""
    shown = LONG_SUMS[short] if (short := is_long_sum(step.formula)) else sympy.latex(step.formula)
    return f"{sympy.latex(step.symbol)} = {shown}"


LONG_SUMS = {"Q": r"\sum_i Q_i", "F": r"\sum_i F_i", "F/pi": r"\sum_i F_i / \pi_i", "V": r"\sum_i V_i"}


def latex_lines(e: Explanation) -> Iterator[str]:
    """Yield each formula of the explanation as a line of LaTeX."""
    for section in e.sections:
        yield f"% {section.title}"
        yield from (latex(step) for step in section.every_step())
    if e.closed_forms:
        yield "% where things change"
        yield from (latex(form.step) for form in e.closed_forms if form.step)


def markdown(e: Explanation) -> str:
    """Return the explanation as Markdown."""
    parts = [f"**{e.title}**  \n{e.workload}"]
    for section in e.sections:
        parts += [f"**{section.title}**", *_section(section)]
    if e.closed_forms:
        parts.append("**where things change**")
        rows = [
            (
                form.key,
                f"${latex(form.step)}$" if form.step else "",
                "none" if form.value is None else amount(form.value, form.unit),
                f"{form.meaning}. {form.note}".rstrip(". "),
            )
            for form in e.closed_forms
        ]
        parts += [_table(("point", "formula", "value", "meaning"), rows), _givens(e.closed_givens)]
    return "\n\n".join(part for part in parts if part)


def _section(section: Section) -> Iterator[str]:
    figures = [
        (f"${latex(step)}$", amount(step.value, step.unit), f"`{step.path}`" if step.path else step.meaning)
        for step in section.steps
    ]
    yield _table(("formula", "value", "figure"), figures)
    if section.rows:
        rows = [
            (str(row.number), row.name, f"${latex(step)}$", amount(step.value, step.unit), row.roof, row.bound)
            for row in section.rows
            for step in row.steps
        ]
        yield _table(("#", "operation", "formula", "value", "roof", "bound"), rows)
    yield _givens(section.givens)
    yield from section.notes


def _givens(givens: Sequence[Given]) -> str:
    rows = [
        (
            f"${sympy.latex(given.symbol)}$",
            amount(given.value, given.unit),
            given.meaning,
            "; ".join(dict.fromkeys(f"[{c.source}]({c.url})" if c.url else c.source for c in given.sources)),
        )
        for given in givens
    ]
    return _table(("symbol", "value", "meaning", "source"), rows) if rows else ""


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines)
