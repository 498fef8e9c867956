"""What a family reader returns: an architecture layer by layer, before it is written as runs of layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from roofline.readers.config import Config

Layer = tuple[str, str]


@dataclass
class Description:
    """An architecture as a family's reader finds it.

    Attributes
    ----------
    config : the table it was read from.
    layers : (attention name, ffn name) of each layer.
    attention, ffn : the tables that those names stand for.
    tied_embeddings, norms_per_layer, norm_bias, layer_scalars, extra, notes : as in the schema.
    """

    config: Config
    layers: list[Layer]
    attention: dict[str, dict[str, Any]]
    ffn: dict[str, dict[str, Any]]
    tied_embeddings: bool
    norms_per_layer: int = 2
    norm_bias: bool = False
    layer_scalars: int = 0
    extra: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def table(self) -> dict[str, Any]:
        """Return the ``[architecture]`` table without its source; tables that no layer uses are left out."""
        c = self.config
        used = {name for layer in self.layers for name in layer}
        table: dict[str, Any] = {
            "d_model": c.number("hidden_size"),
            "vocab": c.number("vocab_size"),
            "max_context": c.number(c.either("max_position_embeddings", "model_max_length")),
            "tied_embeddings": self.tied_embeddings,
            "norms_per_layer": self.norms_per_layer,
            "norm_bias": self.norm_bias,
            "layer_scalars": self.layer_scalars,
            "attention": {name: table for name, table in self.attention.items() if name in used},
            "ffn": {name: table for name, table in self.ffn.items() if name in used},
            "layers": runs(self.layers),
            "extra": [extra for extra in self.extra if extra["each"] in {"model", "layer"} | used],
            "notes": self.notes,
        }
        plain = {"norms_per_layer": 2, "norm_bias": False, "layer_scalars": 0, "tied_embeddings": False}
        return {key: value for key, value in table.items() if value not in ([], {}) and plain.get(key) != value}


def runs(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    """Return layers as groups that repeat, few and short.

    Examples
    --------
    >>> runs([("a", "x"), ("a", "x"), ("b", "x"), ("a", "x"), ("b", "x")])
    [{'repeat': 1, 'attention': 'a', 'ffn': 'x'}, {'repeat': 2, 'attention': ['a', 'b'], 'ffn': 'x'}]
    """
    count = len(layers)
    # cheapest[i]: names written for the layers from i on, then the group that starts there and how often it repeats
    cheapest: list[tuple[int, int, int]] = [(0, 0, 0)] * (count + 1)
    groups = _groups(layers)
    for start in range(count - 1, -1, -1):
        cheapest[start] = min(
            (length + 1 + cheapest[start + length * repeat][0], length, repeat) for length, repeat in groups[start]
        )
    found: list[dict[str, Any]] = []
    start = 0
    while start < count:
        _, length, repeat = cheapest[start]
        group = layers[start : start + length]
        found.append({"repeat": repeat, "attention": _names(a for a, _ in group), "ffn": _names(f for _, f in group)})
        start += length * repeat
    return found


_LONGEST_GROUP = 24


def _groups(layers: Sequence[Layer]) -> list[list[tuple[int, int]]]:
    """Return, for each layer, (length, repeat) of the groups that the layers from it on may be written as."""
    count = len(layers)
    found: list[list[tuple[int, int]]] = [[] for _ in layers]
    for length in range(1, min(_LONGEST_GROUP, count) + 1):
        same = 0  # layers from here on that are as those ``length`` further on
        for start in range(count - 1, -1, -1):
            same = same + 1 if start + length < count and layers[start] == layers[start + length] else 0
            if start + length <= count:
                repeat = same // length + 1
                found[start] += [(length, times) for times in {1, max(repeat - 1, 1), repeat}]
    return found


def _names(names: Iterable[str]) -> str | list[str]:
    found = list(names)
    return found[0] if len(set(found)) == 1 else found


def without_none(table: dict[str, Any]) -> dict[str, Any]:
    """Return the table without entries that say nothing: None, False, empty lists, ``"none"``, and 0."""
    return {key: value for key, value in table.items() if value not in (None, False, [], (), "none", 0)}


def grouped_query(c: Config, **changes: Any) -> dict[str, Any]:
    """Return grouped-query attention by the usual keys, with ``changes`` on top."""
    heads = changes.pop("heads", None) or c.number("num_attention_heads")
    table = {
        "kind": "gqa",
        "heads": heads,
        "kv_heads": changes.pop("kv_heads", None) or c.number("num_key_value_heads", heads),
        "d_head": changes.pop("d_head", None) or head_width(c, heads),
    }
    c.ignore("num_key_value_heads", "head_dim")
    return without_none(table | changes)


def head_width(c: Config, heads: int) -> int:
    """Return ``head_dim``; where it is not given, the model's own code divides the width by the heads."""
    if "head_dim" in c:
        return c.number("head_dim")
    d_model = c.number("hidden_size")
    if d_model % heads:
        raise c.error("head_dim", f"is missing, and hidden_size = {d_model} does not divide by {heads} heads")
    return d_model // heads


def dense(d_ff: int, *, gated: bool = True, bias: bool = False) -> dict[str, Any]:
    """Return a dense feed-forward network."""
    table: dict[str, Any] = {"kind": "dense", "d_ff": d_ff}
    return table | ({} if gated else {"gated": False}) | ({"bias": True} if bias else {})


def experts(count: int, top_k: int, d_expert: int, **more: Any) -> dict[str, Any]:
    """Return a mixture of experts."""
    gated = more.pop("gated", True)
    table = {"kind": "moe", "experts": count, "top_k": top_k, "d_expert": d_expert} | without_none(more)
    return table if gated else table | {"gated": False}


def bias(c: Config, key: str, *which: str, default: bool) -> list[str]:
    """Return which projections have a bias."""
    return list(which or ("q", "k", "v", "output")) if c.flag(key, default=default) else []


def layer_count(c: Config) -> int:
    """Return the number of layers."""
    count = c.number("num_hidden_layers")
    if count > MOST_LAYERS:
        raise c.error("num_hidden_layers", f"is {count:,}, but no more than {MOST_LAYERS:,} layers are read")
    return count


MOST_LAYERS = 500

MIXER_NAMES: dict[str, str] = {
    "full_attention": "full",
    "attention": "full",
    "sliding_attention": "sliding",
    "local_attention": "sliding",
    "chunked_attention": "chunked",
    "linear_attention": "delta",
    "conv": "convolution",
    "mamba": "mamba",
}


def layer_types(c: Config, default: Sequence[str], allowed: Iterable[str] = ("full", "sliding")) -> list[str]:
    """Return our name of each layer's mixer: ``layer_types`` where given, else ``default``."""
    given: list[str] | None = c.items("layer_types", str, len(default), None)
    if given is None:
        return list(default)
    names = [MIXER_NAMES.get(kind, kind) for kind in given]
    for kind, name in zip(given, names, strict=True):
        if name not in allowed:
            raise c.error("layer_types", f"has {kind!r:.40}, which is not understood in this family")
    return names


def sparse_layers(c: Config, count: int) -> list[bool]:
    """Return which layers have experts, by the keys of the Qwen families."""
    dense_ones = set(c.items("mlp_only_layers", int, None, []))
    step = c.number("decoder_sparse_step", 1)
    return [index not in dense_ones and (index + 1) % step == 0 for index in range(count)]
