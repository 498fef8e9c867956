"""The keys of a Hugging Face ``config.json``, each asked for by name, so that what nobody asked for can be named."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from roofline.errors import ModelFileError
from roofline.readers.harmless import HARMLESS, HARMLESS_PREFIXES, HARMLESS_SUFFIXES

_LARGEST = 10**13
_MISSING: Any = object()


class Config:
    """A table of a config.

    Every getter notes the key as understood. What is left over and not known to be harmless could change the answer.
    """

    def __init__(
        self, table: dict[str, Any], where: str, path: str = "", unsaid: Mapping[str, Any] | None = None
    ) -> None:
        self._table = table
        self._unsaid = unsaid or {}
        self._taken: dict[str, Any] = {}
        self._asked: set[str] = set()
        self._children: dict[str, Config] = {}
        self.where = where
        self.path = path

    def __contains__(self, key: str) -> bool:
        return self._table.get(key) is not None or (key in self._unsaid and key not in self._table)

    def error(self, key: str, problem: str) -> ModelFileError:
        """Return the complaint that ``key`` has a ``problem``."""
        return ModelFileError(f"{self.where}: {self._full(key)} {problem}")

    def _full(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def _raw(self, key: str, default: Any) -> Any:
        self._asked.add(key)
        value = self._table.get(key)
        if key in self._unsaid and key not in self._table:
            value = self._taken[key] = self._unsaid[key]
        if value is None:
            if default is _MISSING:
                raise self.error(key, "is missing, and the architecture cannot be known without it")
            return default
        return value

    def ignore(self, *keys: str) -> None:
        """Note keys that change neither shapes nor bytes nor FLOPs in this family."""
        self._asked |= set(keys)

    def number(self, key: str, default: Any = _MISSING) -> int:
        """Return a whole number above zero."""
        value = self._raw(key, default)
        if value is default:
            return value
        if type(value) is not int or not 0 < value <= _LARGEST:
            raise self.error(key, f"is {value!r:.60}, but a whole number above 0 is wanted")
        return value

    def count(self, key: str, default: int | None = 0) -> int:
        """Return a whole number, zero included; an absent or null key is ``default``."""
        value = self._raw(key, default)
        if value is default and default is not None:
            return default
        if type(value) is not int or not 0 <= value <= _LARGEST:
            raise self.error(key, f"is {value!r:.60}, but a whole number is wanted")
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """Return true or false."""
        value = self._raw(key, default)
        if type(value) is not bool:
            raise self.error(key, f"is {value!r:.60}, but true or false is wanted")
        return value

    def word(self, key: str, default: Any = _MISSING) -> str:
        """Return a text."""
        value = self._raw(key, default)
        if value is not default and not isinstance(value, str):
            raise self.error(key, f"is {value!r:.60}, but a text is wanted")
        return value

    def has(self, key: str) -> bool:
        """Whether the key is there, null or not."""
        self._asked.add(key)
        return key in self._table

    def expect(self, key: str, *allowed: Any) -> None:
        """Refuse a value that this family's description does not cover; absent is allowed."""
        value = self._raw(key, None)
        if value is not None and not any(type(value) is type(a) and value == a for a in allowed):
            known = " or ".join(repr(a) for a in allowed)
            raise self.error(key, f"is {value!r:.60}, but only {known} is understood here")

    def items(self, key: str, kind: type, length: int | None = None, default: Any = _MISSING) -> list[Any]:
        """Return a list of values of one kind; one longer than ``length`` is cut (multi-token-prediction layers)."""
        value = self._raw(key, default)
        if value is default:
            return value
        if not isinstance(value, list) or not all(type(item) is kind for item in value):
            raise self.error(key, f"is {value!r:.60}, but a list of {kind.__name__} is wanted")
        if length is not None and len(value) < length:
            raise self.error(key, f"has {len(value)} entries for {length} layers")
        return value if length is None else value[:length]

    def either(self, *keys: str) -> str:
        """Return the first of ``keys`` that is given; the last if none is."""
        return next((key for key in keys if key in self), keys[-1])

    def table(self, key: str, default: Any = _MISSING) -> Config:
        """Return a table within this one."""
        value = self._raw(key, default)
        if value is default:
            return value
        if not isinstance(value, dict):
            raise self.error(key, f"is {value!r:.60}, but a table is wanted")
        if key not in self._children:
            self._children[key] = Config(value, self.where, self._full(key))
        return self._children[key]

    def tables(self, key: str) -> list[Config]:
        """Return a list of tables within this one."""
        items = self.items(key, dict)
        for index, item in enumerate(items):
            self._children.setdefault(f"{key}[{index}]", Config(item, self.where, f"{self._full(key)}[{index}]"))
        return [self._children[f"{key}[{index}]"] for index in range(len(items))]

    def raw(self, key: str) -> Any:
        """Return whatever the key holds, None if absent; the caller checks it."""
        return self._raw(key, None)

    def given(self) -> list[str]:
        """Return the keys that hold something."""
        return [key for key, value in self._table.items() if value is not None]

    def unsaid_notes(self) -> list[str]:
        """Return in words which values the file leaves to the defaults of the model's own code."""
        return [
            f"{key} is not in the config: {value}, the default of its family, is taken"
            for key, value in self._taken.items()
        ]

    def left_over(self) -> Iterator[tuple[str, Any]]:
        """Yield (key, value) of what nobody asked for and is not known to be harmless."""
        for key, value in self._table.items():
            if key not in self._asked and value is not None and not _harmless(key):
                yield self._full(key), value
        for child in self._children.values():
            yield from child.left_over()


def _harmless(key: str) -> bool:
    return key in HARMLESS or key.startswith(HARMLESS_PREFIXES) or key.endswith(HARMLESS_SUFFIXES)
