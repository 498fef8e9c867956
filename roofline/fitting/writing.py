"""Writing what was fitted: into the engine's spec file, and as a report."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from roofline.fitting.engines import EngineFit, accuracy, constants, folds, residuals

MARK = "# --- fitted: written by 'roofline fit'; what stands below is replaced by its next run"
"""The line that parts what people write from what the fit does."""


def fitted_table(fit: EngineFit, date: str) -> dict[str, Any]:
    """Return what ``[fitted]`` of an engine spec holds."""
    rows = [row for row in fit.rows.rows if row.fitted]
    return {
        "date": date,
        "rows": len(rows),
        "newest_build": max(row.measurement.date[:7] for row in rows),
        "sources": len({row.measurement.source for row in rows}),
        "models": sorted({row.model for row in rows}),
        "constants": constants(fit.solution),
        "accuracy": list(accuracy(fit)),
        "folds": list(folds(fit)),
        "residuals": list(residuals(fit)),
    }


def write(path: Path, fit: EngineFit, date: str) -> None:
    """Replace the fitted part of an engine's spec file."""
    kept = path.read_text(encoding="utf-8").split(MARK)[0].rstrip()
    path.write_text(kept + f"\n\n{MARK}\n\n" + "\n".join(_toml(fitted_table(fit, date))) + "\n", encoding="utf-8")


def _toml(found: dict[str, Any]) -> Iterator[str]:
    yield "[fitted]"
    for key in ("date", "rows", "newest_build", "sources", "models"):
        yield f"{key} = {_value(found[key])}"
    for name, constant in found["constants"].items():
        yield ""
        yield f"[fitted.constants.{name}]"
        for key, value in constant.items():
            yield f"{key} = {_value(value)}"
    for key in ("accuracy", "folds", "residuals"):
        for item in found[key]:
            yield ""
            yield f"[[fitted.{key}]]"
            for name, value in item.items():
                yield f"{name} = {_value(value)}"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_value(item)}' for key, item in sorted(value.items())) + " }"
    if isinstance(value, Iterable):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    if isinstance(value, int):
        return str(value)
    text = f"{value:.4g}"
    return text if set(text) & set(".e") else f"{text}.0"
