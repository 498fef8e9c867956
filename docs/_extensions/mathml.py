"""Formulas as MathML, written when the site is built: pages show them without scripts and without a network."""

from __future__ import annotations

from typing import Any

from docutils import nodes
from latex2mathml.converter import convert
from sphinx.application import Sphinx
from sphinx.errors import SphinxError


def _written(latex: str, display: str) -> str:
    try:
        return convert(latex, display=display)
    except Exception as error:
        raise SphinxError(f"no MathML for {latex!r}: {error!r}") from error


def _inline(writer: Any, node: nodes.math) -> None:
    writer.body.append(_written(node.astext(), "inline"))
    raise nodes.SkipNode


def _block(writer: Any, node: nodes.math_block) -> None:
    formulas = [text for text in node.astext().split("\n\n") if text.strip()]
    writer.body.append("".join(f'<div class="math">{_written(text, "block")}</div>' for text in formulas))
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer ``html_math_renderer = "mathml"``."""
    app.add_html_math_renderer("mathml", (_inline, None), (_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
