"""What lint says: one sentence about one key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about one key of a spec.

    Attributes
    ----------
    level : ``"error"``: the file cannot be used; ``"warning"``: this looks wrong; ``"note"``: worth knowing.
    key : where, as ``memory[HBM3].bandwidth``.
    text : what was found, why it looks wrong, and what would be right.
    """

    level: Level
    key: str
    text: str


def warning(key: str, text: str) -> Finding:
    """Return a finding of that level."""
    return Finding("warning", key, text)


def note(key: str, text: str) -> Finding:
    """Return a finding of that level."""
    return Finding("note", key, text)
