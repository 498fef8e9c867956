"""What looks wrong in a model spec: counts and sizes against published ones, and shapes that no model has."""

from __future__ import annotations

import re
from collections.abc import Iterator

from roofline import units
from roofline.errors import RooflineError
from roofline.lint.finding import Finding, note, warning
from roofline.recipes import stored
from roofline.specs.model import Architecture, Dense, Experts, ModelSpec
from roofline.specs.provenance import Bytes
from roofline.specs.token_mixers import GroupedQuery
from roofline.tensors import parameters
from roofline.transformer import transformer

MOST_METADATA_BYTES = 15e6
"""GGUF files hold up to this much beside the tensors (vocabulary, templates)."""

ROUND = 6
"""A count that ends in so many zeros was rounded."""


def model_findings(spec: ModelSpec) -> Iterator[Finding]:
    """Yield what looks wrong in a model."""
    yield from _counts(spec)
    yield from _name(spec)
    for recipe in spec.weights:
        yield from _recipe(spec, recipe)
    yield from _shapes(spec.architecture)
    for name, mixer in spec.architecture.attention.items():
        if isinstance(mixer, GroupedQuery):
            yield from _heads(spec.architecture, name, mixer)
    for name, network in spec.architecture.ffn.items():
        yield from _network(spec.architecture, name, network)


# --- counts


def counts_agree(computed: int, published: int) -> bool:
    """Whether a computed count is the published one, or rounds to it where that is a round number."""
    zeros = len(str(published)) - len(str(published).rstrip("0"))
    return abs(computed - published) <= (10**zeros / 2 if zeros >= ROUND else 0)


def _counts(spec: ModelSpec) -> Iterator[Finding]:
    counts, published = parameters(spec.architecture), spec.published
    if published.parameters is None:
        text = "nothing to check the architecture with; [published] parameters may be read on the model's page"
        if spec.architecture_of is None:
            yield note("published.parameters", text)
    elif not counts_agree(counts.total, published.parameters.value):
        apart = counts.total - published.parameters.value
        text = (
            f"the architecture has {counts.total:,} parameters, {abs(apart):,} {'more' if apart > 0 else 'fewer'} than"
        )
        text += f" the published {published.parameters.value:,}"
        yield warning("published.parameters", text + _suspect(spec.architecture, apart))
    active = published.active
    if active and not counts_agree(counts.active_without_embedding, active.value):
        text = f"a token uses {counts.active_without_embedding:,} parameters, not the published {active.value:,}"
        yield warning("published.active", text)


def _suspect(a: Architecture, apart: int) -> str:
    """Return what a difference in parameters points to, where its size gives it away."""
    layers = sum(1 for _ in a.pattern())
    suspects = {
        a.vocab * a.d_model: "as many as an embedding: look at tied_embeddings",
        2 * a.vocab * a.d_model: "as many as two embeddings: look at tied_embeddings",
        layers * a.d_model: "one norm a layer: look at norms_per_layer",
        2 * layers * a.d_model: "two norms a layer: look at norms_per_layer",
        layers: "one a layer: look at layer_scalars",
    }
    for name, mixer in a.attention.items():
        if isinstance(mixer, GroupedQuery):
            number = sum(1 for attention, _ in a.pattern() if attention == name)
            read, cached = mixer.heads * mixer.d_head, mixer.kv_heads * mixer.d_head
            suspects |= {
                number * (read + 2 * cached): f"biases of q, k and v: look at attention.{name}.bias",
                number * 2 * mixer.d_head: f"norms of queries and keys: look at attention.{name}.qk_norm",
                number * (read + cached): f"norms of queries and keys: look at attention.{name}.qk_norm",
            }
    found = suspects.get(abs(apart))
    return f" ({found})" if found else ""


def _name(spec: ModelSpec) -> Iterator[Finding]:
    """Yield sizes in the name that are not those of the architecture: ``35b-a3b`` has 35 billion, 3 of them active."""
    counts = parameters(spec.architecture)
    found = re.search(r"(?:^|-)(\d+(?:\.\d+)?)b(?:-a(\d+(?:\.\d+)?)b)?(?:-|$)", spec.name)
    if found is None:
        return
    said = ((found[1], counts.total, "parameters", 0.7, 1.4), (found[2], counts.active, "active parameters", 0.5, 2))
    for text, count, what, least, most in said:
        billions = units.parse(f"{text or 0} GFLOP", "FLOP")
        if text and not least * billions <= count <= most * billions:
            yield warning(
                "name", f"{spec.name!r} says {text} B {what}, but the architecture has {units.billions(count)}"
            )


# --- recipes


LARGEST_ERROR_OF_AN_ESTIMATE = 0.01
"""Of the size of a file whose tensors were not read one by one. [1]"""


def size_agrees(size: float, file: Bytes, *, estimated: bool = False) -> bool:
    """Whether a computed size is a published one: within its digits, or to the byte with a file's metadata.

    A recipe whose types are estimated agrees within 1 %.
    """
    if estimated:
        return abs(size / file.si - 1) <= LARGEST_ERROR_OF_AN_ESTIMATE
    if file.value.endswith(" B"):
        return 0 <= file.si - size <= MOST_METADATA_BYTES
    return abs(size - file.si) <= units.half_a_digit(file.value) + (0 if "iB" in file.value else MOST_METADATA_BYTES)


def _recipe(spec: ModelSpec, name: str) -> Iterator[Finding]:
    file = spec.weights[name].file
    try:
        size = stored(spec, name).bytes
        transformer(spec, name, "bf16")
    except RooflineError as error:
        yield Finding("error", f"weights.{name}", str(error).removeprefix(f"{spec.name}: "))
        return
    if file and not size_agrees(size, file, estimated=spec.weights[name].kind == "estimated"):
        text = f"the recipe gives {size:,.0f} B, but the published file has {file.value!r} ({size / file.si - 1:+.2%})"
        yield warning(f"weights.{name}.file", text)


# --- shapes


def _shapes(a: Architecture) -> Iterator[Finding]:
    if a.d_model % 32:
        yield warning("architecture.d_model", f"{a.d_model:,} is no multiple of 32, which every published model's is")
    if not 512 <= a.vocab <= 2_000_000:
        yield warning("architecture.vocab", f"{a.vocab:,} tokens; published models have 512 to 2,000,000")
    if not 512 <= a.max_context <= 100_000_000:
        yield warning("architecture.max_context", f"{a.max_context:,} tokens; published models take 512 to 100,000,000")


def _heads(a: Architecture, name: str, mixer: GroupedQuery) -> Iterator[Finding]:
    key = f"architecture.attention.{name}"
    if mixer.d_head % 8 or not 16 <= mixer.d_head <= 768:
        text = f"{mixer.d_head}, but heads are 16 to 768 wide and a multiple of 8 (often d_model / heads)"
        yield warning(f"{key}.d_head", text)
    ratio = mixer.heads * mixer.d_head / a.d_model
    if not 0.25 <= ratio <= 8:
        text = f"{mixer.heads} heads x {mixer.d_head} = {mixer.heads * mixer.d_head:,} is {ratio:.3g} x d_model = "
        yield warning(f"{key}.heads", f"{text}{a.d_model:,}; 0.25 to 8 is usual")
    for limit in ("window", "chunk"):
        tokens = getattr(mixer, limit)
        if tokens and tokens >= a.max_context:
            text = f"{tokens:,} is not below max_context = {a.max_context:,}, so that it limits nothing"
            yield warning(f"{key}.{limit}", text)


def _network(a: Architecture, name: str, network: Dense | Experts) -> Iterator[Finding]:
    key = f"architecture.ffn.{name}"
    if isinstance(network, Dense):
        if not 0.1 <= network.d_ff / a.d_model <= 32:
            text = f"{network.d_ff:,} is {network.d_ff / a.d_model:.3g} x d_model; 0.1 to 32 is usual"
            yield warning(f"{key}.d_ff", text)
        return
    if network.experts > 1 and network.top_k > network.experts / 2:
        text = f"{network.top_k} of {network.experts} experts a token is more than half"
        yield warning(f"{key}.top_k", text)
    if network.d_expert > 16 * a.d_model:
        text = (
            f"{network.d_expert:,} is {network.d_expert / a.d_model:.3g} x d_model; the width of one expert is wanted"
        )
        yield warning(f"{key}.d_expert", text)
