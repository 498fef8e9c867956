"""Remembering what a function returned, for functions of things that never change."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")


def remember(function: Callable[Arguments, Result]) -> Callable[Arguments, Result]:
    """Return ``function`` with its last 1024 results kept; its arguments must be hashable."""
    return functools.lru_cache(maxsize=1024)(function)  # pyright: ignore[reportReturnType]
