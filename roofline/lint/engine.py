"""What looks wrong in an engine spec."""

from __future__ import annotations

from collections.abc import Iterator

from roofline.errors import UnknownNameError
from roofline.formats import cache_format
from roofline.lint.finding import Finding
from roofline.specs.engine import EngineSpec


def engine_findings(spec: EngineSpec) -> Iterator[Finding]:
    """Yield cache formats that do not exist."""
    for name in spec.cache_formats.value:
        try:
            cache_format(name)
        except UnknownNameError as error:
            yield Finding("error", "cache_formats", str(error))
