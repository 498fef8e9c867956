"""``roofline show``: one spec, every value beside its source."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from roofline import units
from roofline.capacity import cache_growth
from roofline.cli import output
from roofline.errors import UnknownNameError
from roofline.recipes import stored
from roofline.specs import EngineSpec, ModelSpec, SystemSpec, load_engine, load_hardware, load_model, names
from roofline.specs.catalog import is_path
from roofline.specs.provenance import Quantity, Sourced, Spec
from roofline.tensors import parameters
from roofline.transformer import transformer

LOADERS = {"model": load_model, "hardware": load_hardware, "engine": load_engine}
CACHES = ("bf16", "fp8", "q8_0", "q4_0")
NOT_VALUES = frozenset({"schema_version", "sources", "aliases", "notes", "role", "unusual"})


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "show",
        help="one model, device or engine: every value beside its source",
        description="One model, device or engine: every value beside its source.",
    )
    parser.add_argument("name", metavar="NAME", help="a model, hardware or engine, or the path of a spec file")
    parser.add_argument("--json", action="store_true", help="as JSON, in SI units")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> bool:
    """Print one spec."""
    spec = _load(options.name)
    if options.json:
        output.write_json(_model_json(spec) if isinstance(spec, ModelSpec) else _spec_json(spec))
    else:
        output.write("\n".join(_model_page(spec) if isinstance(spec, ModelSpec) else _spec_page(spec)))
    return True


def _load(name: str) -> Any:
    """Return the spec of that name, of whatever kind."""
    if is_path(name):
        return _load_path(name)
    for load in LOADERS.values():
        try:
            return load(name)
        except UnknownNameError:
            continue
    known = sorted({known for kind in LOADERS for known in names(kind)})
    near = difflib.get_close_matches(name.lower(), known, n=4, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else "'roofline list' names them all."
    raise UnknownNameError(f"no model, hardware or engine is named {name!r}; {hint}")


def _load_path(path: str) -> Any:
    """Return the spec in a file, of the kind that its keys say."""
    import tomllib
    from pathlib import Path

    kind = "hardware"
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
        kind = "model" if "architecture" in table or "weights" in table else "hardware"
        kind = "engine" if "cache_formats" in table else kind
    except (OSError, ValueError):
        pass  # the loader says in one sentence what is wrong with the file
    return LOADERS[kind](path)


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
        "kv_bytes_per_token": {kv: _growth(spec, kv) for kv in CACHES},
        "state_bytes_per_sequence": transformer(spec, "native", "bf16").state_bytes,
        "native_weights": native.title or native.default,
        "native_kv": native.kv,
        "weights": {name: _recipe_json(spec, name) for name in spec.weights},
        "notes": [*spec.notes, *a.notes],
        "sources": _sources_json(spec),
    }


def _growth(spec: ModelSpec, kv: str) -> float:
    return cache_growth(transformer(spec, "native", kv)).unbounded


def _recipe_json(spec: ModelSpec, name: str) -> dict[str, Any]:
    recipe, weights = spec.weights[name], stored(spec, name)
    return {
        "title": recipe.title,
        "bytes": weights.bytes,
        "bits_per_weight": _bits(spec, name),
        "formats": weights.formats_by_group(),
        "kv": recipe.kv,
        "kind": recipe.kind,
        "source": recipe.source,
        "published_bytes": recipe.file.si if recipe.file else None,
    }


def _bits(spec: ModelSpec, recipe: str) -> float:
    return stored(spec, recipe).bytes * 8 / parameters(spec.architecture).total


def _model_page(spec: ModelSpec) -> Iterator[str]:
    counts, a = parameters(spec.architecture), spec.architecture
    yield f"{spec.title} · {spec.author}{' · ' + spec.released if spec.released else ''}"
    yield ""
    yield f"  parameters  {counts.total:,}"
    yield f"  active      {counts.active_without_embedding:,} a token, {counts.active:,} with the input embedding"
    for group, number in counts.by_group.items():
        yield f"    {group.replace('_', ' '):<17}{number:>19,}  {number / counts.total:>6.1%}"
    yield ""
    layers = sum(1 for _ in a.pattern())
    yield f"  layers      {layers}, width {a.d_model:,}, vocabulary {a.vocab:,}, context up to {a.max_context:,}"
    yield from _layers(spec)
    yield ""
    yield f"  cache       a token: {' · '.join(f'{kv} {_growth(spec, kv):,.0f} B' for kv in CACHES)}"
    yield from _bounded_memory(spec)
    yield ""
    rows = [_recipe_row(spec, name) for name in spec.weights]
    yield output.table(["weights", "size", "bits", "source", "what"], rows, (1, 2), "  ")
    yield "  and every mix and format of 'roofline list formats'"
    yield from _notes([*spec.notes, *a.notes])
    yield from _sources(spec)


def _layers(spec: ModelSpec) -> Iterator[str]:
    pattern = list(spec.architecture.pattern())
    for position, tables in enumerate((spec.architecture.attention, spec.architecture.ffn)):
        for name, table in tables.items():
            number = sum(1 for layer in pattern if layer[position] == name)
            yield f"    {number:>3} x {('attention', 'ffn')[position]} '{name}': {_settings(table)}"


def _bounded_memory(spec: ModelSpec) -> Iterator[str]:
    built = transformer(spec, "native", "bf16")
    for cache in built.caches:
        if cache.limit is not None:
            full = units.text(cache.bytes_per_token * cache.limit, "B")
            yield f"              and {full} in bf16 for the last {cache.limit:,} tokens of windowed layers"
    if built.state_bytes:
        state = units.text(built.state_bytes, "B")
        yield f"              and {state} of recurrent state for each sequence, whatever its length"


def _recipe_row(spec: ModelSpec, name: str) -> list[str]:
    recipe = spec.weights[name]
    kind = "" if recipe.kind == "published" else f" ({recipe.kind}: {recipe.why or recipe.formula})"
    cache = f"; states a cache in {recipe.kv}" if recipe.kv else ""
    size = units.text(stored(spec, name).bytes, "B", 4)
    return [name, size, f"{_bits(spec, name):.2f}", recipe.source, (recipe.title or recipe.default) + cache + kind]


def _settings(table: BaseModel) -> str:
    given = {key: value for key, value in table.model_dump().items() if key in table.model_fields_set}
    return ", ".join(f"{key} {_plain(value)}" for key, value in given.items())


def _plain(value: Any) -> str:
    if isinstance(value, tuple | list):
        return " ".join(str(item) for item in value)
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)


# --- hardware or an engine: every value beside its source


def _values(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of everything in a spec, sourced values whole."""
    if isinstance(node, Sourced) or not isinstance(node, BaseModel | tuple):
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
    rows = [
        [key, _shown(value), value.source, _how(value)] for key, value in _values(spec) if isinstance(value, Sourced)
    ]
    if isinstance(spec, SystemSpec):
        rows.insert(0, ["devices", f"{spec.devices} x {spec.device}", spec.source, ""])
    yield output.table(["", "value", "source", "how"], rows, (), "  ")
    yield from _notes(getattr(spec, "notes", ()))
    yield from _sources(spec)


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
