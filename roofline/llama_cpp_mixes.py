"""llama.cpp's own mixes: which type its quantiser gives to which tensor for a file type such as ``Q4_K_M``.

The rules are those of ``llama_tensor_get_type_impl`` in ``src/llama-quant.cpp`` of
https://github.com/ggml-org/llama.cpp at commit 007dbbf3fd17eefe9b47fee45f48f7ba5e62b714, read 2026-11-20, told here by
tensor instead of by condition. The sizes that its quantiser's README prints for Llama-3.1-8B test them, and the types
that its own ``tests/snapshots`` expect.

i-quants (and Q2_K_S) are taken to be made with an importance matrix, as published ones are; the others without.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from roofline.formats import FORMATS
from roofline.specs.model import Architecture, Experts
from roofline.specs.token_mixers import GatedDeltaNet, GroupedQuery, KimiDelta, Latent
from roofline.tensors import Tensor

SOURCE = "https://github.com/ggml-org/llama.cpp/blob/007dbbf3fd17eefe9b47fee45f48f7ba5e62b714/src/llama-quant.cpp"
"""Where the rules were read."""

_DEFAULT = {
    "q4_0": "q4_0", "q4_1": "q4_1", "q5_0": "q5_0", "q5_1": "q5_1", "q8_0": "q8_0",
    "q2_k": "q2_k", "q2_k_s": "q2_k",
    "q3_k_s": "q3_k", "q3_k_m": "q3_k", "q3_k_l": "q3_k",
    "q4_k_s": "q4_k", "q4_k_m": "q4_k",
    "q5_k_s": "q5_k", "q5_k_m": "q5_k",
    "q6_k": "q6_k",
    "iq1_s": "iq1_s", "iq1_m": "iq1_m",
    "iq2_xxs": "iq2_xxs", "iq2_xs": "iq2_xs", "iq2_s": "iq2_xs", "iq2_m": "iq2_s",
    "iq3_xxs": "iq3_xxs", "iq3_xs": "iq3_s", "iq3_s": "iq3_s", "iq3_m": "iq3_s",
    "iq4_xs": "iq4_xs", "iq4_nl": "iq4_nl",
    "tq1_0": "tq1_0", "tq2_0": "tq2_0",
    "mxfp4_moe": "mxfp4",
}  # fmt: skip

WIDER = {
    "q2_k_l": "q2_k",
    "q3_k_xl": "q3_k_l",
    "q4_k_l": "q4_k_m",
    "q5_k_l": "q5_k_m",
    "q6_k_l": "q6_k",
}
"""Mixes with embedding and head in Q8_0 (``--token-embedding-type``, ``--output-tensor-type``), and what they widen.

Names and rule are bartowski's: https://huggingface.co/bartowski/MiniMaxAI_MiniMax-M2.7-GGUF.
"""

MIXES = frozenset(_DEFAULT) | frozenset(WIDER)
"""Names of the file types, lower case."""

_FALLBACK = {
    **dict.fromkeys(("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq3_xxs", "iq3_s", "iq4_xs"), "iq4_nl"),
    **dict.fromkeys(("q2_k", "q3_k", "tq1_0", "tq2_0"), "q4_0"),
    "q4_k": "q5_0",
    "q5_k": "q5_1",
    "q6_k": "q8_0",
}
"""What is taken instead where a row is not a whole number of blocks."""

_KEPT = frozenset({("ffn", "layer inputs"), ("ffn", "per layer")})
"""Matrices that stay as they were: the projection that makes Gemma's inputs of each layer."""

_LOW = frozenset({"iq1_s", "iq1_m", "iq2_xxs", "iq2_xs", "iq2_s", "iq2_m"})

_CATEGORY = {
    ("embedding", ""): "embedding",
    ("embedding", "per layer"): "embedding",
    ("head", ""): "head",
    ("attention", "q"): "q",
    ("attention", "k"): "k",
    ("attention", "index k"): "k",
    ("attention", "v"): "v",
    ("attention", "output"): "attention output",
    ("linear_attention", "qkv"): "fused qkv",
    **{(group, name): name for group in ("ffn", "experts", "shared_experts") for name in ("gate", "up", "down")},
}


@dataclass(frozen=True, slots=True)
class _Model:
    """What the rules ask of a model."""

    layers: int
    queries_per_key: int
    experts: int
    tied: bool

    @property
    def is_70b(self) -> bool:
        """Whether llama.cpp takes the model for a Llama of 70 B: 80 layers, and heads that share keys."""
        return self.layers == 80 and self.queries_per_key > 1 and self.experts <= 1

    @property
    def eight_experts(self) -> bool:
        """Whether the rules made for Mixtral hold."""
        return self.experts == 8


def _facts(architecture: Architecture) -> _Model:
    return _Model(
        layers=sum(run.repeat * len(run.ffn) for run in architecture.layers),
        queries_per_key=_queries_per_key(architecture),
        experts=max((f.experts for f in architecture.ffn.values() if isinstance(f, Experts)), default=1),
        tied=architecture.tied_embeddings,
    )


def _queries_per_key(architecture: Architecture) -> int:
    """Return the ratio as llama.cpp knows it: that of the first layer, 0 where this one has no keys.

    Its Qwen hybrids state one ratio for all layers; its hybrids of other kinds state it layer by layer.
    """
    first = architecture.attention.get(next(architecture.pattern())[0])
    if isinstance(first, GatedDeltaNet):
        first = next((a for a in architecture.attention.values() if isinstance(a, GroupedQuery)), None)
    if isinstance(first, GroupedQuery):
        return first.heads // first.kv_heads
    return getattr(first, "heads", 0) if getattr(first, "q_rank", None) or isinstance(first, Latent) else 0


def as_converted(architecture: Architecture, tensors: Sequence[Tensor]) -> Iterator[Tensor]:
    """Yield the tensors as the converter writes them: latent attention's joint projection in two, head by head.

    Keys lie transposed, in rows of ``d_nope``, which are seldom whole blocks of 256.
    """
    for tensor in tensors:
        mixer = architecture.attention.get(tensor.attention)
        if isinstance(mixer, Latent) and (tensor.group, tensor.name) == ("attention", "kv_b"):
            yield replace(tensor, rows=mixer.kv_rank, columns=mixer.d_nope, copies=mixer.heads)
            yield replace(tensor, rows=mixer.d_value, columns=mixer.kv_rank, copies=mixer.heads)
        else:
            yield tensor


def _more_bits(index: int, count: int) -> bool:
    """Whether a layer is among the first and last eighth, or every third between."""
    return index < count // 8 or index >= 7 * count // 8 or (index - count // 8) % 3 == 2


def _head(mix: str, default: str, columns: int) -> str:
    if mix == "mxfp4_moe" or not FORMATS[default].divides(columns):
        return "q8_0"
    if mix in _LOW | {"iq3_xxs"}:
        return "q5_k"
    return default if default == "q8_0" else "q6_k"


def _embedding(mix: str, default: str) -> str:
    special = {
        **dict.fromkeys(("iq1_s", "iq1_m", "iq2_xxs", "iq2_xs"), "q2_k"),
        **dict.fromkeys(("iq2_s", "iq2_m", "iq3_xxs"), "iq3_s"),
        **dict.fromkeys(("tq1_0", "tq2_0"), "q4_k"),
    }
    return special.get(mix, default)


def _low(mix: str, default: str, category: str, downs_seen: int, m: _Model) -> str:
    """Rules of the file types of one and two bits."""
    better = "iq3_s" if mix in {"iq2_s", "iq2_m"} else "q2_k"
    if category in {"v", "fused qkv"}:
        return "q4_k" if m.queries_per_key >= 4 or m.experts >= 4 else better
    if category == "k" and m.eight_experts:
        return "q4_k"
    if category == "down" and downs_seen < m.layers // 8:
        return better
    if category == "attention output":
        if m.eight_experts:
            return "q5_k"
        return {"iq1_s": "iq2_xxs", "iq1_m": "iq2_xxs", "iq2_s": "iq3_s", "iq2_m": "iq3_s"}.get(mix, default)
    return default


def _value(mix: str, default: str, index: int, count: int, m: _Model) -> str:
    """Rules for the value projection, and for one fused with queries and keys."""
    grouped = m.queries_per_key >= 4
    if mix in {"q4_k_m", "q5_k_m"}:
        found = "q6_k" if _more_bits(index, count) else default
    else:
        found = {
            "q2_k": "q4_k" if grouped else "q3_k",
            "q2_k_s": "q4_k" if grouped else default,
            "iq3_xxs": "q4_k" if grouped else "iq3_xxs",
            "iq3_xs": "q4_k" if grouped else default,
            "iq3_s": "q4_k" if grouped else default,
            "iq3_m": "q4_k",
            "q3_k_m": "q5_k" if index < 2 else "q4_k",
            "q3_k_l": "q5_k",
            "iq4_nl": "q5_k" if grouped else default,
            "iq4_xs": "q5_k" if grouped else default,
            "q4_k_s": "q5_k" if index < 4 else default,
        }.get(mix, default)
    if m.is_70b and found in {"q3_k", "q4_k"}:
        found = "q5_k"
    return "q8_0" if m.eight_experts else found


def _key_or_query(mix: str, default: str, category: str, m: _Model) -> str:
    if category == "k" and m.eight_experts:
        return "q8_0"
    return {"iq3_xs": "iq3_xxs", "iq3_xxs": "iq2_s"}.get(mix, default)


def _down(mix: str, default: str, layer: int, m: _Model, *, importance_matrix: bool) -> str:
    first_eighth, more = layer < m.layers // 8, _more_bits(layer, m.layers)
    if mix in {"iq4_nl", "iq4_xs"} and first_eighth and not importance_matrix:
        return "q5_k"
    rules: dict[str, Callable[[], str]] = {
        "q2_k": lambda: "q3_k",
        "q2_k_s": lambda: "q4_k" if first_eighth else default,
        "q3_k_m": lambda: "q5_k" if layer < m.layers // 16 else "q4_k",
        "q3_k_l": lambda: "q5_k",
        "iq3_m": lambda: "q4_k" if first_eighth or (m.eight_experts and more) else default,
        "q4_k_m": lambda: "q6_k" if more else default,
        "q4_k_s": lambda: "q5_k" if first_eighth else default,
        "q5_k_m": lambda: "q6_k" if more else default,
    }
    return rules[mix]() if mix in rules else default


def _attention_output(mix: str, default: str, m: _Model) -> str:
    if m.eight_experts:
        raised = {
            "q2_k",
            "iq3_xs",
            "iq3_xxs",
            "q3_k_s",
            "q3_k_m",
            "iq4_nl",
            "q4_k_s",
            "q4_k_m",
            "iq3_s",
            "iq3_m",
            "iq4_xs",
        }
        return "q5_k" if mix in raised else default
    return {"q2_k": "q3_k", "iq3_xxs": "iq3_s", "q3_k_m": "q4_k", "q3_k_l": "q5_k", "iq3_m": "q4_k"}.get(mix, default)


def _gate_or_up(mix: str, default: str, layer: int, m: _Model) -> str:
    inner = m.layers // 8 <= layer < 7 * m.layers // 8
    return "iq3_xxs" if mix == "iq3_xs" and inner else default


def formats(
    mix: str, architecture: Architecture, tensors: Sequence[Tensor], *, importance_matrix: bool = True
) -> Iterator[str]:
    """Yield the format of each tensor under llama.cpp's file type ``mix``.

    Parameters
    ----------
    mix : one of :data:`MIXES`.
    architecture : the model.
    tensors : its tensors, in order, as :func:`as_converted` gives them.
    importance_matrix : whether IQ4_XS and IQ4_NL are made with one; lower i-quants always are.

    Yields
    ------
    str
        A name in :data:`roofline.formats.FORMATS`. Vectors and the router stay in f32.
    """
    widened, mix = mix in WIDER, WIDER.get(mix, mix)
    model = _facts(architecture)
    categories = [_category(tensor, architecture) for tensor in tensors]
    values = sum(category in _VALUES for category in categories)
    seen = _Seen()
    for tensor, category in zip(tensors, categories, strict=True):
        if tensor.vector or tensor.group == "router":
            yield "f32"
            continue
        if category == "kept":
            yield "bf16"
            continue
        if category in {"head", "embedding"} and widened:
            found = "q8_0"
        elif category == "head" or (category == "embedding" and model.tied):
            found = _head(mix, _DEFAULT[mix], tensor.columns)
        elif mix == "mxfp4_moe":
            found = "mxfp4" if tensor.copies > 1 else "q8_0"
        else:
            found = _by_category(
                mix, category, tensor.layer or 0, seen, values, model, importance_matrix=importance_matrix
            )
        seen.values += category in _VALUES
        seen.downs += category == "down"
        yield _that_divides(found, tensor.columns)


_VALUES = frozenset({"v", "fused qkv"})


@dataclass(slots=True)
class _Seen:
    """How many value projections and down projections came before, which is what some rules count by."""

    values: int = 0
    downs: int = 0


def _category(tensor: Tensor, architecture: Architecture) -> str:
    """Return the role by which llama.cpp chooses, which it reads off its own names of tensors."""
    if tensor.vector:
        return "vector"
    mixer = architecture.attention.get(tensor.attention)
    group = "attention" if isinstance(mixer, KimiDelta) and tensor.group == "linear_attention" else tensor.group
    indexer = isinstance(mixer, GroupedQuery) and tensor.name in {"index q", "index k"}
    if indexer or (group, tensor.name) in _KEPT:
        return "kept"
    return _CATEGORY.get((group, tensor.name), "other")


def _by_category(
    mix: str, category: str, layer: int, seen: _Seen, values: int, m: _Model, *, importance_matrix: bool
) -> str:
    default = _DEFAULT[mix]
    if category == "embedding":
        return _embedding(mix, default)
    if mix in _LOW:
        return _low(mix, default, category, seen.downs, m)
    if category in _VALUES:
        return _value(mix, default, seen.values, values, m)
    rules: dict[str, Callable[[], str]] = {
        "k": lambda: _key_or_query(mix, default, category, m),
        "q": lambda: _key_or_query(mix, default, category, m),
        "down": lambda: _down(mix, default, layer, m, importance_matrix=importance_matrix),
        "attention output": lambda: _attention_output(mix, default, m),
        "gate": lambda: _gate_or_up(mix, default, layer, m),
        "up": lambda: _gate_or_up(mix, default, layer, m),
    }
    return rules[category]() if category in rules else default


def _that_divides(name: str, columns: int) -> str:
    """Return the format, or what llama.cpp falls back to where a row is not a whole number of its blocks."""
    if FORMATS[name].divides(columns):
        return name
    fallback = _FALLBACK.get(name, "f16")
    return fallback if FORMATS[fallback].divides(columns) else "f16"
