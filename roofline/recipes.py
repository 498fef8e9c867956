"""Which tensor is stored in which format: a name such as ``ud-iq4_xs`` to the exact bytes of every tensor."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, replace

from roofline import llama_cpp_mixes
from roofline._remember import remember
from roofline.errors import SpecError, UnknownNameError
from roofline.formats import FORMATS, Format, lookup
from roofline.specs.model import ModelSpec, Recipe, StoredException
from roofline.tensors import Tensor, tensors

MLX_SOURCE = "https://ml-explore.github.io/mlx/build/html/python/_autosummary/mlx.nn.quantize.html"
"""Quantises every layer that can be, embeddings included; routers in 8 bits are in mlx-lm's ``quant_predicate``."""


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """A tensor and how it is stored."""

    tensor: Tensor
    format: Format

    @property
    def bytes(self) -> float:
        """Size of all copies. [byte]"""
        return self.format.tensor_bytes(self.tensor.rows, self.tensor.columns) * self.tensor.copies


@dataclass(frozen=True, slots=True, eq=False)
class StoredWeights:
    """The weights of a model under one recipe.

    Attributes
    ----------
    name : the recipe's name.
    tensors : every tensor with its format, in order.
    kv : the cache format that the checkpoint states, or None.
    recipe : the model's own entry, where it has one.
    origin : ``"model"``, ``"llama.cpp"``, ``"mlx"`` or ``"plain"``: where the recipe comes from.
    """

    name: str
    tensors: tuple[StoredTensor, ...]
    kv: str | None
    recipe: Recipe | None
    origin: str

    @property
    def bytes(self) -> float:
        """Size of the whole checkpoint. [byte]"""
        return sum(stored.bytes for stored in self.tensors)

    def bytes_by_group(self) -> dict[str, float]:
        """Return the size of each tensor group. [byte]"""
        found: dict[str, float] = {}
        for stored in self.tensors:
            found[stored.tensor.group] = found.get(stored.tensor.group, 0) + stored.bytes
        return found

    def formats_by_group(self) -> dict[str, list[str]]:
        """Return the formats of the matrices of each tensor group, largest part first."""
        sizes: dict[str, dict[str, float]] = {}
        for stored in self.tensors:
            if not stored.tensor.vector or stored.tensor.group == "norms":
                part = sizes.setdefault(stored.tensor.group, {})
                part[stored.format.name] = part.get(stored.format.name, 0) + stored.bytes
        return {group: sorted(part, key=lambda name: -part[name]) for group, part in sizes.items()}


def own_recipe(model: ModelSpec, name: str) -> tuple[str, Recipe] | None:
    """Return the model's own recipe of that name or alias, with its proper name."""
    key = name.strip().lower()
    for proper, recipe in model.weights.items():
        if key == proper.lower() or key in (alias.lower() for alias in recipe.aliases):
            return proper, recipe
    return None


@remember
def stored(model: ModelSpec, weights: str) -> StoredWeights:
    """Return the model's weights as the recipe ``weights`` stores them.

    Looked up as the model's own entry, else llama.cpp's mix or mlx-lm's format of that name, else the plain format on
    the matrices with router, embedding, head and vectors left in 16 bits.

    Parameters
    ----------
    model : the model.
    weights : name of a recipe or a format, whatever the case.

    Returns
    -------
    StoredWeights

    Raises
    ------
    UnknownNameError
        Neither the model nor llama.cpp has a recipe of that name, and no format is called so.
    SpecError
        The model's own entry names a tensor that the model does not have.

    Examples
    --------
    >>> from roofline.specs import load_model
    >>> round(stored(load_model("minimax-m2.7"), "native").bytes / 1e9, 2)
    230.12
    """
    every = tensors(model.architecture)
    own = own_recipe(model, weights)
    key = weights.strip().lower()
    if own:
        key, recipe = own
        _check_tensor_names(model.name, key, recipe, every)
        return StoredWeights(key, tuple(_own(model.name, key, recipe, every)), recipe.kv, recipe, "model")
    if key in llama_cpp_mixes.MIXES:
        every = tuple(llama_cpp_mixes.as_converted(model.architecture, every))
        names, origin = llama_cpp_mixes.formats(key, model.architecture, every), "llama.cpp"
    else:
        plain = _plain_format(model, weights)
        key = plain.name
        names, origin = (_mlx(plain, every), "mlx") if key.startswith("mlx-") else (_plain(plain, every), "plain")
    pairs = tuple(StoredTensor(tensor, lookup(name)) for tensor, name in zip(every, names, strict=True))
    return StoredWeights(key, pairs, None, None, origin)


def _check_tensor_names(model: str, name: str, recipe: Recipe, every: tuple[Tensor, ...]) -> None:
    """Refuse an entry for a tensor that the model does not have: it would be ignored."""
    known = {(tensor.group, tensor.name) for tensor in every}
    for key, _ in recipe.formats():
        group, dot, tensor = key.partition(".")
        if dot and (group, tensor) not in known:
            has = sorted(t for g, t in known if g == group)
            raise SpecError(f"{model}: weights.{name}.{key}: no such tensor; {group} has {', '.join(has) or 'none'}")


def _own(model: str, name: str, recipe: Recipe, every: tuple[Tensor, ...]) -> Iterator[StoredTensor]:
    """Yield the tensors as the model's own recipe stores them; one that has several formats, in as many parts."""
    exceptions: dict[tuple[str, str, int | None], list[StoredException]] = {}
    everywhere: dict[tuple[str, str], list[StoredException]] = {}
    for exception in recipe.exceptions:
        if exception.layers is None:
            everywhere.setdefault((exception.group, exception.tensor), []).append(exception)
        for layer in exception.layers or ():
            exceptions.setdefault((exception.group, exception.tensor, layer), []).append(exception)
    for tensor in every:
        found = exceptions.get((tensor.group, tensor.name, tensor.layer)) or everywhere.get((tensor.group, tensor.name))
        if not found:
            yield StoredTensor(tensor, lookup(_entry(recipe, tensor)))
        elif found[-1].elements is None:
            yield StoredTensor(tensor, lookup(found[-1].format))
        else:
            yield from _parts(model, name, tensor, found)


def _parts(model: str, name: str, tensor: Tensor, exceptions: list[StoredException]) -> Iterator[StoredTensor]:
    sizes = [exception.elements or 0 for exception in exceptions]
    width = 1 if tensor.vector else tensor.columns
    if sum(sizes) != tensor.elements or any(size % width for size in sizes):
        raise SpecError(
            f"{model}: weights.{name}.exceptions: {tensor.group}.{tensor.name} has {tensor.elements} elements "
            f"in rows of {width}, but its parts have {', '.join(map(str, sizes))}"
        )
    for size, exception in zip(sizes, exceptions, strict=True):
        rows, columns = (1, size) if tensor.vector else (size // width, width)
        yield StoredTensor(replace(tensor, rows=rows, columns=columns, copies=1), lookup(exception.format))


def _entry(recipe: Recipe, tensor: Tensor) -> str:
    if tensor.vector or tensor.group == "norms":
        return recipe.router_bias or recipe.vectors if tensor.group == "router" else recipe.vectors
    entry = getattr(recipe, tensor.group)
    if isinstance(entry, dict):
        entry = entry.get(tensor.name)
    return entry or recipe.default


def _plain(wanted: Format, every: tuple[Tensor, ...]) -> Iterator[str]:
    other = wanted.name if wanted.name in {"f32", "f16", "bf16"} else "bf16"
    for tensor in every:
        kept = tensor.vector or tensor.group in {"embedding", "head", "router"}
        yield other if kept else wanted.name


def _mlx(wanted: Format, every: tuple[Tensor, ...]) -> Iterator[str]:
    """Yield formats as mlx-lm's quantiser does: embedding and head like the rest, the router in 8 bits."""
    for tensor in every:
        if tensor.vector:
            yield "bf16"
        else:
            yield "mlx-8bit" if tensor.group == "router" else wanted.name


def _plain_format(model: ModelSpec, weights: str) -> Format:
    try:
        return lookup(weights)
    except UnknownNameError:
        own = [*model.weights, *(alias for recipe in model.weights.values() for alias in recipe.aliases)]
        known = sorted({*own, *llama_cpp_mixes.MIXES, *FORMATS})
        near = difflib.get_close_matches(weights.lower(), known, n=3, cutoff=0.6)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise UnknownNameError(
            f"{model.name} has no weight recipe {weights!r}, and no format or llama.cpp mix is called so; "
            f"its own are {', '.join(sorted(own))}.{hint}"
        ) from None
