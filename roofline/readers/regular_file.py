"""Opening a file that somebody names: a look at what it is comes first, so that a pipe or a device never blocks."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO, NoReturn

from roofline.errors import ModelFileError


def shown(path: Path) -> str:
    """Return the path as errors show it: quoted, with odd characters escaped, and not endless."""
    return f"{str(path)!r:.300}"


def fail(path: Path, what: str) -> NoReturn:
    """Refuse the file at ``path``, and say why."""
    raise ModelFileError(f"{shown(path)}: {what}")


def regular_size(path: Path) -> int:
    """Return the size of the regular file at ``path``. [byte]

    Raises
    ------
    ModelFileError
        Nothing is there, it cannot be looked at, or it is no regular file.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        raise ModelFileError(f"no file {shown(path)}; the path of an existing file is wanted here") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{shown(path)} cannot be read: {reason}") from None
    if stat.S_ISDIR(found.st_mode):
        raise ModelFileError(f"{shown(path)} is a folder, but a file is wanted here")
    if not stat.S_ISREG(found.st_mode):
        raise ModelFileError(f"{shown(path)} is no regular file (a pipe, a socket or a device); a file is wanted here")
    return found.st_size


def opened(path: Path) -> BinaryIO:
    """Open the regular file at ``path`` for reading, without waiting for anybody to write to it.

    Raises
    ------
    ModelFileError
        It is no regular file, or cannot be opened.
    """
    regular_size(path)
    try:
        return open(path, "rb", opener=_without_waiting)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ModelFileError(f"{shown(path)} cannot be opened: {reason}") from None


def _without_waiting(path: str, flags: int) -> int:
    """Open as ``open`` does; were the file a pipe by now, opening it would not block."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
