"""Let long names in tables break after an underscore or a dot, and nowhere else."""

from __future__ import annotations

import re
from typing import Any

from sphinx.application import Sphinx

_CELL = re.compile(r"<td.*?</td>", re.DOTALL)
_NAME = re.compile(r'(?<=<span class="pre">)[^<]+')
_JOINT = re.compile(r"(?<=[\w\]][_.])(?=\w)")


def _break(app: Sphinx, page: str, template: str, context: dict[str, Any], doctree: Any) -> None:  # noqa: ARG001
    def cell(found: re.Match[str]) -> str:
        return _NAME.sub(lambda name: _JOINT.sub("<wbr>", name[0]), found[0])

    if "body" in context:
        context["body"] = _CELL.sub(cell, context["body"])


def setup(app: Sphinx) -> dict[str, bool]:
    """Change pages as they are written."""
    app.connect("html-page-context", _break)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
