"""The pages of ``docs/``: their links, the names on them, and the site that is made of them."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import types
import typing
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import gguf
import pytest
from pydantic import BaseModel

import roofline
from roofline import ops
from roofline.measurements import COLUMNS, METRICS, OPTIONAL_COLUMNS
from roofline.specs import DeviceSpec, EngineSpec, ModelSpec, SystemSpec
from roofline.specs.provenance import Source, Sourced, Spec
from roofline.specs.speed import CONSTANTS

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "generated" not in path.parts)
NOMENCLATURE = (DOCS / "nomenclature.md").read_text("utf-8")


def section(title: str) -> str:
    return re.split(r"^## ", NOMENCLATURE.partition(f"## {title}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


def names_in(text: str) -> set[str]:
    return set(re.findall(r"`([\w.\[\]-]+)`", text))


def tables(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in typing.get_args(annotation):
        yield from tables(argument)


def keys_of(spec: type[BaseModel], seen: set[type]) -> set[str]:
    """Every key of a spec file, those of its sources and of single values left out."""
    seen.add(spec)
    common = set(Source.model_fields) if spec is Source else set(Sourced.model_fields) if issubclass(spec, Sourced) else set()
    keys = {field.alias or name for name, field in spec.model_fields.items()} - common
    for field in spec.model_fields.values():
        for table in tables(field.annotation):
            if table not in seen:
                keys |= keys_of(table, seen)
    return keys


EVERYWHERE = {(field.alias or name) for name, field in Spec.model_fields.items()} | {"name", "title", "note", "notes", "source", "value"}
FILES = {"Hardware files": (DeviceSpec, SystemSpec), "Model files": (ModelSpec,), "Engine files": (EngineSpec,)}


@pytest.mark.parametrize("title", FILES)
def test_every_key_of_a_spec_file_is_in_the_nomenclature(title):
    keys = set().union(*(keys_of(spec, set()) for spec in FILES[title])) - EVERYWHERE
    assert len(keys) > 20
    assert keys - names_in(section(title)) == set()


def test_keys_of_every_spec_file_are_in_the_nomenclature():
    keys = EVERYWHERE | set(Source.model_fields) | set(Sourced.model_fields)
    assert keys - names_in(section("In every spec file")) == set()


def test_every_key_of_the_json_is_in_the_nomenclature():
    p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", engine="llama.cpp", concurrency=2, prompt=9, output=9)
    assert p.decode.expected
    assert p.serving

    def paths(value, path):
        for key, inner in value.items():
            item, name = (inner[0], f"{path}{key}[]") if isinstance(inner, list) and isinstance(inner[0], dict) else (inner, path + key)
            yield name
            if isinstance(item, dict) and key != "terms":
                yield from paths(item, f"{name}.")

    found = set(paths(p.to_dict(), ""))
    assert len(found) > 100
    assert found - names_in(section("The answer")) == set()
    stale = {name for name in re.findall(r"^\| `([\w.\[\]]+)`", section("The answer"), re.MULTILINE)} - found
    assert stale == set()


def test_every_argument_of_predict_is_in_the_nomenclature():
    arguments = set(roofline.predict.__code__.co_varnames[: roofline.predict.__code__.co_argcount])
    arguments |= set(roofline.predict.__kwdefaults__)
    assert arguments - names_in(section("Work")) == set()


def test_every_argument_of_a_formula_is_in_the_nomenclature():
    formulas = [getattr(ops, name) for name in ops.__all__]
    arguments = {name for f in formulas if isinstance(f, types.FunctionType) for name in f.__kwdefaults__ or {}}
    arguments |= {name for f in formulas if isinstance(f, types.FunctionType) for name in f.__annotations__} - {"return"}
    assert len(arguments) > 40
    assert arguments - names_in(NOMENCLATURE) == set()


def test_every_column_and_metric_is_in_the_nomenclature():
    assert {*COLUMNS, *OPTIONAL_COLUMNS, *METRICS} - names_in(section("Measurements")) == set()


def test_every_constant_is_explained():
    said = names_in((DOCS / "expected.md").read_text("utf-8"))
    endings = tuple(name for name in said if name.startswith("_"))
    assert {name for name in set(CONSTANTS) - said if not name.endswith(endings)} == set()


def names_elsewhere(column: int) -> set[str]:
    rows = [line.strip("|").split("|") for line in section("Model files").splitlines() if line.count("|") == 8][2:]
    return {name for row in rows for name in names_in(row[column])}


def test_names_of_hugging_face_are_those_that_the_readers_read():
    readers = "\n".join(path.read_text("utf-8") for path in (ROOT / "roofline" / "readers").rglob("*.py"))
    theirs = names_elsewhere(4)
    assert len(theirs) > 30
    assert {name for name in theirs if not re.search(rf"[\"'. ]{re.escape(name)}[\"' ]", readers)} == set()


def test_names_in_gguf_are_those_of_the_package_that_writes_it():
    def keys(kind):
        for value in vars(kind).values():
            yield from keys(value) if isinstance(value, type) else [value] if isinstance(value, str) else []

    known = {key.removeprefix("{arch}.") for key in keys(gguf.constants.Keys)}
    theirs = names_elsewhere(5) - {"output.weight"}
    assert len(theirs) > 20
    assert theirs - known == set()
