"""Names of modules as quantisers write them: in full, with stars, as regular expressions, or a word within."""

from __future__ import annotations

import fnmatch
import re

from roofline.errors import ModelFileError
from roofline.readers.modules import modules, plain_module
from roofline.tensors import Tensor


class Patterns:
    """Names of modules that are meant, each in one of the ways that tools write them."""

    def __init__(self, patterns: list[str], *, within: bool = False) -> None:
        self._exact: set[str] = set()
        self._globs: list[re.Pattern[str]] = []
        self._starts: set[str] = set()
        self._within: list[str] = []
        for pattern in patterns:
            if pattern.startswith("re:"):
                self._globs.append(_regex(pattern[3:]))
            elif pattern.endswith("*") and not set("*?[") & set(pattern[:-1]):
                self._starts.add(plain_module(pattern[:-1]))
            elif "*" in pattern:
                self._globs.append(re.compile(fnmatch.translate(plain_module(pattern))))
            elif within and "." not in pattern:
                self._within.append(pattern)
            else:
                self._exact.add(plain_module(pattern))
        if len(self._globs) > _MOST_GLOBS:
            raise ModelFileError(
                f"{len(self._globs)} patterns of names of modules have stars within or are regular expressions; "
                f"no more than {_MOST_GLOBS} are tried"
            )

    def matches(self, tensor: Tensor) -> bool:
        """Whether a tensor's module, or one that holds it, is meant."""
        return any(self._match(name) for name in modules(tensor))

    def _match(self, name: str) -> bool:
        parts = name.split(".")
        if any(".".join(parts[:end]) in self._exact for end in range(1, len(parts) + 1)):
            return True
        if any(word in parts for word in self._within):
            return True
        if self._starts and any(name[:end] in self._starts for end in range(len(name) + 1)):
            return True
        return any(glob.match(f"{wrap}{name}") for glob in self._globs for wrap in _WRAPS)


_WRAPS = ("", "model.", "model.language_model.", "language_model.model.", "backbone.")


def _regex(text: str) -> re.Pattern[str]:
    if len(text) > _LONGEST_PATTERN or re.search(r"[+*?}]\)?[+*{]", text):
        raise ModelFileError(f"the pattern 're:{text:.80}' is too long or repeats what repeats, and is not tried")
    try:
        return re.compile(text)
    except re.error as error:
        raise ModelFileError(f"the pattern 're:{text:.80}' is no regular expression: {error}") from None


_LONGEST_PATTERN = 500
_MOST_GLOBS = 100
