"""Reading a spec file as TOML: bounded, and one sentence for whatever is wrong with it."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path
from typing import Any

from roofline.errors import SpecError

MOST_BYTES = 4 * 2**20


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file.

    Raises
    ------
    SpecError
        It cannot be read, is larger than a spec can be, or is not TOML.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise SpecError(f"{path}: cannot be read: it is not a file; a spec is a short TOML file")
        if found.st_size > MOST_BYTES:
            raise SpecError(f"{path}: larger than {MOST_BYTES // 2**20} MiB; a spec is a short TOML file")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise SpecError(f"{path}: not valid TOML: {error}") from None
    except UnicodeDecodeError:
        raise SpecError(f"{path}: not a text file in UTF-8; a spec is a TOML file") from None
    except RecursionError:
        raise SpecError(f"{path}: tables nested too deeply; a spec is a short TOML file") from None
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
