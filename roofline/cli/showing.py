"""``roofline show``: one spec, every value beside its source."""

from __future__ import annotations

import argparse
import itertools
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from roofline.cli import model_page, output
from roofline.cli.model_page import CACHES, bits, growth
from roofline.errors import SpecError, UnknownNameError
from roofline.formatting import WIDTH
from roofline.loading import load_model
from roofline.recipes import stored
from roofline.specs import EngineSpec, ModelSpec, SystemSpec, load_engine, load_hardware, names
from roofline.specs.catalog import is_path
from roofline.specs.provenance import Quantity, Sourced, Spec
from roofline.specs.search import kind_of, neighbours
from roofline.specs.toml_file import read_toml
from roofline.tensors import parameters
from roofline.transformer import transformer

LOADERS = {"model": load_model, "hardware": load_hardware, "engine": load_engine}
NOT_VALUES = frozenset({"schema_version", "sources", "aliases", "notes", "role", "unusual"})


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "show",
        help="one model, device or engine: every value beside its source",
        description="One model, device or engine: every value beside its source.",
    )
    parser.add_argument("name", metavar="NAME", help="a model, hardware or engine, a spec, config, GGUF ... of one")
    parser.add_argument(
        "--assume-known", action="store_true", help="take config keys that are not understood for harmless"
    )
    parser.add_argument("--sources", action="store_true", help="of a model: each source in full (JSON has them always)")
    parser.add_argument("--json", action="store_true", help="as JSON, in SI units")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print one spec."""
    spec = load(options.name, assume_known=options.assume_known)
    if options.json:
        output.write_json(_model_json(spec) if isinstance(spec, ModelSpec) else _spec_json(spec))
    else:
        output.write("\n".join(_page(spec, sources=options.sources)))
    return True


def _page(spec: Any, *, sources: bool) -> Iterator[str]:
    if not isinstance(spec, ModelSpec):
        return _spec_page(spec)
    return itertools.chain(model_page.page(spec), _model_sources(spec) if sources else model_page.sources(spec))


def load(name: str, *, assume_known: bool = False) -> Any:
    """Return the spec of that name or in that file, of whatever kind."""
    if is_path(name):
        return _load_path(name, assume_known=assume_known)
    for load in LOADERS.values():
        try:
            return load(name)
        except UnknownNameError:
            continue
    known = sorted({known for kind in LOADERS for known in names(kind)})
    near = neighbours(name.lower(), known)[:4]
    hint = f"did you mean {' or '.join(near)}?" if near else "'roofline list' names them all."
    raise UnknownNameError(f"no model, hardware or engine is named {name!r}; {hint}")


def _load_path(path: str, *, assume_known: bool) -> Any:
    """Return the spec in a file, of the kind that its keys say; only models come in other files than TOML."""
    if Path(path).suffix != ".toml":
        return load_model(path, assume_known=assume_known)
    try:
        kind = kind_of(read_toml(Path(path)))
    except SpecError:
        kind = None  # the loader says in one sentence what is wrong with the file
    return LOADERS[kind or "hardware"](path)


# --- a model


def _model_json(spec: ModelSpec) -> dict[str, Any]:
    counts, a = parameters(spec.architecture), spec.architecture
    native = spec.weights["native"]
    return {
        "name": spec.name,
        "title": spec.title,
        "author": spec.author,
        "released": spec.released,
        "parameters": {
            "total": counts.total,
            "active": counts.active,
            "active_without_embedding": counts.active_without_embedding,
            "by_group": counts.by_group,
        },
        "layers": sum(1 for _ in a.pattern()),
        "d_model": a.d_model,
        "vocab": a.vocab,
        "max_context": a.max_context,
        "attention": {name: core.model_dump() for name, core in a.attention.items()},
        "ffn": {name: network.model_dump() for name, network in a.ffn.items()},
        "kv_bytes_per_token": {kv: growth(spec, kv) for kv in CACHES},
        "state_bytes_per_sequence": transformer(spec, "native", "bf16").state_bytes,
        "native_weights": native.title or native.default,
        "native_kv": native.kv,
        "weights": {name: _recipe_json(spec, name) for name in spec.weights},
        "notes": [*spec.notes, *a.notes],
        "sources": _sources_json(spec),
    }


def _recipe_json(spec: ModelSpec, name: str) -> dict[str, Any]:
    recipe, weights = spec.weights[name], stored(spec, name)
    return {
        "title": recipe.title,
        "bytes": weights.bytes,
        "bits_per_weight": bits(spec, name),
        "formats": weights.formats_by_group(),
        "kv": recipe.kv,
        "kind": recipe.kind,
        "source": recipe.source,
        "published_bytes": recipe.file.si if recipe.file else None,
    }


def _model_sources(spec: ModelSpec) -> Iterator[str]:
    """Yield the sources of a model in full, below its page: why recipes are believed, and what is cited where."""
    yield ""
    for name, recipe in spec.weights.items():
        if how := _how(recipe):
            yield from textwrap.wrap(f"weights {name}: {how}", WIDTH, initial_indent="  ", subsequent_indent=" " * 6)
    for key, source in spec.architecture.cited.items():
        yield f"  architecture {key}: {source}"
    yield from _sources(spec)


def _plain(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


# --- hardware or an engine: every value beside its source


def _values(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of everything in a spec, sourced values whole."""
    if isinstance(node, dict) and any(isinstance(item, Sourced) for item in node.values()):
        for name, item in node.items():
            yield from _values(item, f"{path}.{name}")
    elif isinstance(node, Sourced) or not isinstance(node, BaseModel | tuple):
        yield path, node
    elif isinstance(node, BaseModel):
        for name in type(node).model_fields:
            value = getattr(node, name)
            if value is not None and name not in NOT_VALUES:
                yield from _values(value, f"{path}.{name}".lstrip("."))
    else:
        for index, item in enumerate(node):
            yield from _values(item, f"{path}[{_label(item, index)}]")


def _label(item: Any, index: int) -> str:
    name = getattr(item, "name", None) or getattr(item, "format", None) or str(index)
    accumulate = getattr(item, "accumulate", None)
    return f"{name}, {accumulate} accumulate" if accumulate else name


def _spec_page(spec: Spec) -> Iterator[str]:
    yield f"{spec.title} ({spec.name})"
    yield ""
    rows = [row for key, value in _values(spec) if isinstance(value, Sourced) for row in _rows(key, value)]
    if isinstance(spec, SystemSpec):
        rows.insert(0, ["devices", f"{spec.devices} x {spec.device}", spec.source, ""])
    yield output.table(["", "value", "source", "how"], rows, (), "  ")
    yield from _notes(getattr(spec, "notes", ()))
    yield from _sources(spec)


def _rows(key: str, value: Sourced) -> Iterator[list[str]]:
    """Yield the rows of a sourced value: one, or one for each of its numbers, the first of which says how."""
    own = {name: inner for name in type(value).model_fields if (inner := getattr(value, name)) is not None}
    parts = {} if "value" in own else {name: own[name] for name in own if name not in Sourced.model_fields}
    if not parts:
        yield [key, _shown(value), value.source, _how(value)]
    for place, (name, inner) in enumerate(parts.items()):
        yield [f"{key}.{name}", _plain(inner), value.source, "" if place else _how(value)]


def _shown(value: Any) -> str:
    inner = getattr(value, "value", "")
    return ", ".join(inner) if isinstance(inner, tuple) else _plain(inner)


def _how(value: Sourced) -> str:
    kind = "" if value.kind == "published" else f"{value.kind}: {value.formula or value.conditions or value.why}"
    printed = f"printed '{value.printed}'" if value.printed else ""
    return "; ".join(part for part in (kind, printed, value.note or "") if part)


def _spec_json(spec: Spec) -> dict[str, Any]:
    values, plain = {}, {}
    for key, value in _values(spec):
        if isinstance(value, Quantity):
            values[key] = value.model_dump(exclude_none=True) | {"si": value.si, "unit": value.dimension}
        elif isinstance(value, Sourced):
            values[key] = value.model_dump(exclude_none=True) | {"unit": "1"}
        elif "[" not in key:
            plain[key] = value
    kind = "engine" if isinstance(spec, EngineSpec) else "hardware"
    notes = list(getattr(spec, "notes", ()))
    return {"name": spec.name, "spec": kind, **plain, "values": values, "notes": notes, "sources": _sources_json(spec)}


# --- both


def _notes(notes: Any) -> Iterator[str]:
    if notes:
        yield ""
        yield "  notes"
        yield from (f"    {note}" for note in notes)


def _sources(spec: Spec) -> Iterator[str]:
    yield ""
    yield "  sources"
    for key, source in spec.sources.items():
        yield f"    {key}: {source.title}; {source.locator}; read {source.accessed}"
        yield f"      {source.url}"


def _sources_json(spec: Spec) -> dict[str, Any]:
    return {key: source.model_dump(mode="json", exclude_none=True) for key, source in spec.sources.items()}
