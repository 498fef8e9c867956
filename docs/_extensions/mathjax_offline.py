"""Formulas by MathJax from a file of the site's own, so that pages show them without a network."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

from sphinx.application import Sphinx
from sphinx.errors import ConfigError

PACKAGE = "sphinx-mathjax-offline"
"""Holds all of MathJax; the one file below draws with paths and needs no other."""

SCRIPT = "tex-svg.js"


def _copy(app: Sphinx, error: Exception | None) -> None:
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        raise ConfigError(f"{PACKAGE} is not installed: pip install 'roofline[docs]'")
    if error is None and app.builder.format == "html":
        shutil.copyfile(Path(found.origin).parent / "static" / "mathjax" / SCRIPT, app.outdir / "_static" / SCRIPT)


def setup(app: Sphinx) -> dict[str, bool]:
    """Take MathJax from the site, not from elsewhere."""
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = SCRIPT
    app.connect("build-finished", _copy)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
