"""Values that say where they were read: the building blocks of every spec file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from functools import cached_property
from typing import Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from roofline import units
from roofline.errors import SourceError

SCHEMA = 1

_LARGEST = 1e24
"""Amounts from here on are taken for mistakes, whatever the unit."""

Kind = Literal["published", "measured", "derived", "estimated"]


class Table(BaseModel):
    """Base of every table in a spec file: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,), defer_build=True)


class Unique(Table):
    """A table that equals only itself, so that what is computed from it can be remembered by it."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


class Source(Table):
    """A document that a value was read in."""

    title: str = Field(min_length=3)
    url: str = Field(pattern=r"^(https?|file)://\S+$")
    locator: str = Field(min_length=2)
    """Page, table, column or line: where in the document."""
    accessed: dt.date
    note: str | None = None


class Sourced(Table):
    """Something that was read in a source, and how sure we are of it."""

    source: str
    kind: Kind = "published"
    printed: str | None = None
    """The source's own text, where it differs from the value (sparse peaks, both directions of a link ...)."""
    note: str | None = None
    conditions: str | None = None
    """How it was measured; required for ``kind = "measured"``."""
    formula: str | None = None
    """How it was computed; required for ``kind = "derived"``."""
    why: str | None = None
    """Why this is believed; required for ``kind = "estimated"``."""

    @model_validator(mode="after")
    def _complete(self) -> Self:
        needed = {"measured": "conditions", "derived": "formula", "estimated": "why"}.get(self.kind)
        if needed and not getattr(self, needed):
            raise ValueError(f'kind = "{self.kind}" needs {needed} = "..." beside it')
        if self.printed and not self.note:
            raise ValueError("printed needs a note that says the arithmetic between it and the value")
        return self


class Quantity(Sourced):
    """A number with a unit, as text. Subclasses fix the dimension."""

    dimension: ClassVar[str]
    value: str

    @model_validator(mode="after")
    def _readable(self) -> Self:
        if not 0 < self.si < _LARGEST:
            raise ValueError(
                f"{self.value!r} is no believable amount; a number above 0 is wanted (unknown stays absent)"
            )
        return self

    @cached_property
    def si(self) -> float:
        """The value in SI base units."""
        return units.parse(self.value, self.dimension)


class Bytes(Quantity):
    """An amount of memory. [byte]"""

    dimension = "byte"


class BytesPerSecond(Quantity):
    """A bandwidth: of a memory in all, of a link in one direction. [byte/s]"""

    dimension = "byte/s"


class FlopPerSecond(Quantity):
    """A dense peak rate. [FLOP/s]"""

    dimension = "FLOP/s"


class Hertz(Quantity):
    """A clock. [Hz]"""

    dimension = "Hz"


class TransfersPerSecond(Quantity):
    """A data rate per pin. [transfer/s]"""

    dimension = "transfer/s"


class Watts(Quantity):
    """A power. [W]"""

    dimension = "W"


class Dollars(Quantity):
    """A price. [USD]"""

    dimension = "USD"


class DollarsPerHour(Quantity):
    """A rent. [USD/h]"""

    dimension = "USD/h"


class Count(Sourced):
    """A whole number of things."""

    value: int = Field(ge=0, lt=10**18)


class Text(Sourced):
    """A name or another fact in words."""

    value: str = Field(min_length=1)


class Spec(Unique):
    """Base of all spec files."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str = Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")
    aliases: tuple[str, ...] = ()
    title: str
    sources: dict[str, Source]
    unusual: dict[str, str] = Field(default_factory=dict)
    """Keys whose values look wrong and are right: key, as ``roofline lint`` names it -> why."""

    def citations(self) -> Iterator[tuple[str, str]]:
        """Yield (key, source id) for everything in the file that cites a source."""
        yield from _citations(self, "")

    @model_validator(mode="after")
    def _sources_resolve(self) -> Self:
        cited = set()
        for key, source in self.citations():
            if source not in self.sources:
                raise SourceError(
                    f"{key} cites {source!r}, which [sources] does not define; it has {_listed(self.sources)}"
                )
            cited.add(source)
        unused = sorted(set(self.sources) - cited)
        if unused:
            raise SourceError(f"[sources] defines {_listed(unused)}, which nothing cites: cite it or remove it")
        return self


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _citations(node: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(node, BaseModel):
        for name in type(node).model_fields:
            value = getattr(node, name)
            if name == "source" and isinstance(value, str):
                yield path or "the file", value
            elif name == "cited" and isinstance(value, dict):
                yield from ((f"{path}.{key}", source) for key, source in value.items())
            else:
                yield from _citations(value, f"{path}.{name}".lstrip("."))
    elif isinstance(node, dict):
        for key, value in node.items():
            yield from _citations(value, f"{path}.{key}".lstrip("."))
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            label = getattr(value, "name", None) or getattr(value, "format", None) or str(index)
            yield from _citations(value, f"{path}[{label}]")
