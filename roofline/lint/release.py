"""Dates: of release and of reading."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator

from roofline.lint.finding import Finding, warning
from roofline.specs.provenance import Spec


def release_findings(spec: Spec) -> Iterator[Finding]:
    """Yield what is wrong with the date of release.

    No clock is asked: what was released after the last of its sources was read cannot have been read of as released.
    """
    released: str | None = getattr(spec, "released", None)
    if released is None:
        return
    day = _first_day(released)
    if day is None:
        yield warning("released", f"{released!r} is no date: '2025', '2025-10' or '2025-10-15' is wanted")
        return
    read = max((source.accessed for source in spec.sources.values()), default=None)
    if read and day > read:
        yield warning("released", f"{released} is after {read}, when the last of its sources was read")


def _first_day(text: str) -> dt.date | None:
    match = re.fullmatch(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", text)
    try:
        return dt.date(int(match[1]), int(match[2] or 1), int(match[3] or 1)) if match else None
    except ValueError:
        return None
