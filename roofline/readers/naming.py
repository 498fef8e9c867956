"""Names of specs made of the names of files."""

from __future__ import annotations

import re

_LONGEST_NAME = 80


def spec_name(text: str) -> str:
    """Return ``text`` as a name of a spec: lower case, with hyphens.

    Examples
    --------
    >>> spec_name("Qwen3.6-35B-A3B-UD_Q4_K_XL (copy)")
    'qwen3.6-35b-a3b-ud-q4-k-xl-copy'
    """
    return re.sub(r"[^a-z0-9.]+", "-", text.lower())[:_LONGEST_NAME].strip("-.") or "model"
