"""The page of one model: what it is, in one screen."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from roofline import units
from roofline.capacity import cache_growth
from roofline.cli import describing
from roofline.formatting import WIDTH, bar
from roofline.recipes import stored
from roofline.specs.model import Experts, ModelSpec
from roofline.tensors import parameters
from roofline.transformer import transformer

CACHES = ("bf16", "fp8", "q8_0", "q4_0")
LABEL = 14
"""Characters before the text of a line."""
GROUP = 20
"""Characters of the names of parameter groups."""


def page(spec: ModelSpec) -> Iterator[str]:
    """Yield the lines of the page, none wider than a screen but addresses; sources are :func:`sources`."""
    yield " · ".join(part for part in (spec.title, spec.author, spec.released) if part)
    yield from textwrap.wrap(_in_a_sentence(spec), WIDTH)
    yield ""
    yield from _architecture(spec)
    yield ""
    yield from _parameters(spec)
    yield ""
    yield from _cache(spec)
    yield ""
    yield from _weights(spec)
    for index, note in enumerate([*spec.notes, *spec.architecture.notes]):
        if index == 0:
            yield ""
        yield from _line("" if index else "notes", note)


def growth(spec: ModelSpec, kv: str) -> float:
    """Return how much the cache grows with each token, in layers without a window. [byte]"""
    return cache_growth(transformer(spec, "native", kv)).unbounded


def bits(spec: ModelSpec, recipe: str) -> float:
    """Return the bits per weight of a recipe, the whole file over all parameters."""
    return stored(spec, recipe).bytes * 8 / parameters(spec.architecture).total


def _line(label: str, text: str) -> list[str]:
    head = f"  {label:<{LABEL - 2}}"
    return textwrap.wrap(
        text, WIDTH, initial_indent=head, subsequent_indent=" " * LABEL, break_on_hyphens=False, break_long_words=False
    )


def _in_a_sentence(spec: ModelSpec) -> str:
    counts = parameters(spec.architecture)
    used = counts.active_without_embedding
    what = f"A {describing.what_it_is(spec.architecture)}: {units.billions(counts.total)} parameters"
    if any(isinstance(network, Experts) for network in spec.architecture.ffn.values()):
        return f"{what}, of which a token uses {units.billions(used)} ({used / counts.total:.1%})."
    if spec.architecture.tied_embeddings:
        return f"{what}, all used by each token: the embedding is the output head too."
    return f"{what}, all used by each token but the input embedding."


def _architecture(spec: ModelSpec) -> Iterator[str]:
    a = spec.architecture
    yield from _line("layers", f"{describing.layers(a)} [{a.source}]")
    yield from _line("width", f"{a.d_model:,} · vocabulary {a.vocab:,} · context up to {a.max_context:,} tokens")
    attention = {name: describing.mixer(mixer) for name, mixer in a.attention.items()}
    ffn = {name: describing.network(network) for name, network in a.ffn.items()}
    for label, tables in (("attention", attention), ("ffn", ffn)):
        for index, (name, words) in enumerate(tables.items()):
            named = f"{name}: " if len(tables) > 1 and not words.startswith(f"{name},") else ""
            yield from _line("" if index else label, named + words)


def _parameters(spec: ModelSpec) -> Iterator[str]:
    counts, published = parameters(spec.architecture), spec.published.parameters
    checked = ""
    if published:
        same = "" if counts.total == published.value else f"published: {published.value:,} "
        checked = f"{same or 'as published '}[{published.source}]"
    yield f"  {'parameters':<{GROUP}}{counts.total:>17,}  {checked}".rstrip()
    for group, number in sorted(counts.by_group.items(), key=lambda item: -item[1]):
        share = number / counts.total
        name, drawn = group.replace("_", " "), bar(share, 24).rstrip("░")
        yield f"    {name:<{GROUP - 2}}{number:>17,}  {share:>6.1%}  {drawn}".rstrip()
    without, within = counts.active_without_embedding, counts.active
    yield f"  {'active':<{GROUP}}{without:>17,}  used by each token"
    if within != without:
        yield f"  {'':<{GROUP}}{within:>17,}  with the input embedding"


def _cache(spec: ModelSpec) -> Iterator[str]:
    built = transformer(spec, "native", "bf16")
    grows = cache_growth(built)
    first, *others = ((kv, growth(spec, kv)) for kv in CACHES)
    if first[1]:
        each = " · ".join(f"{kv} {size:,.0f}" for kv, size in others)
        yield from _line("cache", f"{first[0]} {first[1]:,.0f} B a token · {each}")
    for index, (size, window) in enumerate(zip(grows.windowed, grows.windows, strict=True)):
        held = f"{units.text(size * window, 'B')} in bf16 for the last {window:,} tokens of windowed layers"
        yield from _line("" if first[1] or index else "cache", held)
    if built.state_bytes:
        state = f"{units.text(built.state_bytes, 'B')} for each sequence, whatever its length"
        yield from _line("state", state)
    longest = spec.architecture.max_context
    full = units.text(grows.bytes_of(longest) + built.state_bytes, "B")
    yield from _line("", f"a full context of {longest:,} tokens takes {full} in bf16")


MOST_IN_WORDS = 3
"""With more recipes than these, each after the first takes a line."""


def _weights(spec: ModelSpec) -> Iterator[str]:
    name_width = max(len(name) for name in spec.weights)
    for index, (name, recipe) in enumerate(spec.weights.items()):
        size = units.text(stored(spec, name).bytes, "B", 4)
        cache = f"; states a cache in {recipe.kv}" if recipe.kv else ""
        kind = "" if recipe.kind == "published" else f" ({recipe.kind})"
        what = recipe.title or recipe.default
        if index and len(spec.weights) > MOST_IN_WORDS:  # names say enough on one screen; --sources has the rest
            what, kind, cache = recipe.kind, "", f", cache in {recipe.kv}" if recipe.kv else ""
        label = "" if index else "weights"
        head = f"  {label:<{LABEL - 2}}{name:<{name_width}}  {size:>8}  {bits(spec, name):>5.2f} bits  "
        yield from textwrap.wrap(
            f"{what}{cache}{kind} [{recipe.source}]",
            WIDTH,
            initial_indent=head,
            subsequent_indent=" " * (LABEL + 2),
            break_on_hyphens=False,
            break_long_words=False,
        )
    yield from _line("", "and every mix and format of 'roofline list formats'")


def sources(spec: ModelSpec) -> Iterator[str]:
    """Yield each source by its id; what it says and where is for those who ask."""
    yield ""
    width = max(len(key) for key in spec.sources)
    for index, (key, source) in enumerate(spec.sources.items()):
        yield f"  {'' if index else 'sources':<{LABEL - 2}}{key:<{width}}  {source.url}"
    yield from _line("", "--sources says where in them each value is, and when it was read")
