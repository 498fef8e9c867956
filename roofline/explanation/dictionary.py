"""Explanations as plain dictionaries, lists, texts and numbers."""

from __future__ import annotations

from typing import Any

from roofline.explanation.derivation import ClosedForm, Explanation, Given, Row, Section, Step
from roofline.explanation.notebook import latex
from roofline.explanation.plain import plain_formula


def explanation(found: Explanation) -> dict[str, Any]:
    """Return an explanation, all its sections and closed forms."""
    return {
        "title": found.title,
        "workload": found.workload,
        "sections": [_section(section) for section in found.sections],
        "closed_forms": [_closed_form(form) for form in found.closed_forms],
        "closed_form_givens": [_given(given) for given in found.closed_givens],
    }


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title,
        "steps": [_step(step) for step in section.steps],
        "operations": [_row(row) for row in section.rows],
        "givens": [_given(given) for given in section.givens],
        "notes": list(section.notes),
    }


def _step(step: Step) -> dict[str, Any]:
    return {
        "symbol": step.symbol.name,
        "formula": plain_formula(step.formula),
        "latex": latex(step),
        "value": step.value,
        "unit": step.unit,
        "meaning": step.meaning,
        "path": step.path or None,
    }


def _row(row: Row) -> dict[str, Any]:
    return {
        "number": row.number,
        "name": row.name,
        "steps": [_step(step) for step in row.steps],
        "roof": row.roof,
        "seconds": row.seconds,
        "bound": row.bound,
    }


def _given(given: Given) -> dict[str, Any]:
    return {
        "symbol": given.symbol.name,
        "value": given.value,
        "unit": given.unit,
        "meaning": given.meaning,
        "operation": given.operation,
        "sources": [{"what": c.what, "source": c.source, "url": c.url} for c in given.sources],
    }


def _closed_form(form: ClosedForm) -> dict[str, Any]:
    return {
        "key": form.key,
        "meaning": form.meaning,
        "formula": plain_formula(form.step.formula) if form.step else None,
        "latex": latex(form.step) if form.step else None,
        "value": form.value,
        "unit": form.unit,
        "note": form.note,
    }
