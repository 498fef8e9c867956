"""Reading binary headers front to back, with no more time and memory than they can honestly need."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NoReturn

from roofline.readers.regular_file import fail

MOST_HEADER_BYTES = 1 << 28
"""No header is longer; that of a model with 200,000 tokens takes 16 MB. [byte]"""

MOST_KEPT_BYTES = 1 << 23
"""Names and values that are kept: tokens and templates are not. [byte]"""

MOST_STRINGS = 1 << 22
"""Strings in all arrays: tokens and merges."""

_WINDOW = 1 << 18


class BoundedReader:
    """Reads a header front to back through a small window, and never beyond the file or the most that a header has."""

    def __init__(self, file: BinaryIO, path: Path, size: int) -> None:
        self.file, self.path, self.size = file, path, size
        self.window = b""
        self.start = 0  # of the window, in the file
        self.at = 0  # next byte, in the window
        self.kept = 0
        self.strings = 0

    @property
    def position(self) -> int:
        """Where the next byte is, in the file."""
        return self.start + self.at

    def fail(self, what: str) -> NoReturn:
        """Refuse the file."""
        fail(self.path, what)

    def check(self, length: int, what: str) -> None:
        """Refuse a length that the file does not have, before anything is read."""
        end = self.position + length
        if end > self.size:
            self.fail(
                f"the header says that {what} takes {length} bytes from byte {self.position} on, "
                f"but the file ends at {self.size}: it is cut off or no GGUF file"
            )
        if end > MOST_HEADER_BYTES:
            self.fail(f"{what} ends at byte {end}, but no header is longer than {MOST_HEADER_BYTES} bytes")

    def take(self, length: int, what: str) -> bytes:
        """Return the next bytes."""
        if self.at + length > len(self.window):
            self.check(length, what)
            self.start, self.at = self.position, 0
            self.file.seek(self.start)
            self.window = self.file.read(max(length, _WINDOW))
            if len(self.window) < length:
                self.fail(f"the file became shorter while it was read: {what} is cut off")
        found = self.window[self.at : self.at + length]
        self.at += length
        return found

    def skip(self, length: int, what: str) -> None:
        """Pass over the next bytes, which the file must have."""
        self.check(length, what)
        self.at += length  # beyond the window: the next take moves it

    def number(self, letter: str, what: str) -> int | float:
        """Return the next number, of the type that a letter of ``struct`` names."""
        return struct.unpack("<" + letter, self.take(struct.calcsize("<" + letter), what))[0]

    def count(self, letter: str, what: str) -> int:
        """Return the next whole number."""
        return int(self.number(letter, what))

    def text(self, longest: int, what: str) -> str:
        """Return the next text, which is refused if it is too long."""
        length = self.count("Q", what)
        if length > longest:
            self.fail(f"{what} has {length} bytes, but at most {longest} are believable")
        return self._decoded(length, what)

    def short_text(self, longest: int, what: str) -> str | None:
        """Return the next text; one that is too long is skipped, and None."""
        length = self.count("Q", what)
        if length > longest:
            self.skip(length, what)
            return None
        return self._decoded(length, what)

    def _decoded(self, length: int, what: str) -> str:
        self.keep(length)
        data = self.take(length, what)
        try:
            return data.decode("utf-8")
        except UnicodeDecodeError:
            self.fail(f"{what} is {data!r:.100}, which is not UTF-8")

    def keep(self, length: int) -> None:
        """Note that so many bytes are kept in memory."""
        self.kept += length
        if self.kept > MOST_KEPT_BYTES:
            self.fail(f"names and values take more than {MOST_KEPT_BYTES} bytes, tokens aside; no model has so many")

    def skip_strings(self, count: int, what: str) -> None:
        """Skip an array of strings: the loop that takes the time, so it looks at the window directly."""
        self.strings += count
        if self.strings > MOST_STRINGS:
            self.fail(f"{what} has {count} strings, but no tokenizer has more than {MOST_STRINGS}")
        length_of = struct.Struct("<Q").unpack_from
        for _ in range(count):
            if self.at + 8 > len(self.window):
                length = self.count("Q", what)
            else:
                length = length_of(self.window, self.at)[0]
                self.at += 8
            if self.at + length > len(self.window):
                self.check(length, what)
            self.at += length
