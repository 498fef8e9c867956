"""How far long work has come, on standard error."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

PATIENCE_S = 1.0
"""Work that is done within this time shows nothing. [s]"""

APART_S = 0.1
"""Time between two looks at the bar. [s]"""

WIDTH = 24
"""Characters of the bar."""


class Progress:
    """A bar that appears once the work takes longer than :data:`PATIENCE_S`.

    Parameters
    ----------
    total : how many there are to do.
    what : what is counted, in plural.
    shown : whether to show the bar; where standard error is a terminal when None. Or a function of what is done and
        the total, called instead.
    """

    def __init__(self, total: int, what: str, *, shown: bool | Callable[[int, int], None] | None = None) -> None:
        self.total, self.what, self.done = total, what, 0
        self._call = shown if callable(shown) else None
        self._shown = self._call is None and (_is_terminal() if shown is None else bool(shown))
        self._started = self._last = time.monotonic()
        self._drawn = False

    def advance(self, done: int) -> None:
        """Say that ``done`` more are done."""
        self.done += done
        if self._call:
            self._call(self.done, self.total)
        elif self._shown:
            self._draw()

    def at(self, done: int, total: int) -> None:
        """Say that ``done`` of ``total`` are done."""
        self.total = total
        self.advance(done - self.done)

    def _draw(self) -> None:
        now = time.monotonic()
        if now - self._started < PATIENCE_S or (now - self._last < APART_S and self.done < self.total):
            return
        self._last, self._drawn = now, True
        share = self.done / self.total if self.total else 1.0
        full = int(share * WIDTH)
        left = (now - self._started) * (1 / share - 1) if share else 0.0
        bar = "#" * full + "." * (WIDTH - full)
        sys.stderr.write(f"\r{bar} {self.done:,} of {self.total:,} {self.what}, {left:.0f} s left ")
        sys.stderr.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._drawn:
            sys.stderr.write("\n")


def _is_terminal() -> bool:
    try:
        return sys.stderr is not None and sys.stderr.isatty()
    except ValueError:  # it was closed
        return False
