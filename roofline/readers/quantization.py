"""What a checkpoint says of its own quantisation: a recipe, tensor group by tensor group."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from roofline.readers.config import Config
from roofline.readers.quantizers import Quantization
from roofline.specs.model import Architecture
from roofline.tensors import Tensor, tensors

DTYPES = {"float32": "f32", "bfloat16": "bf16", "float16": "f16", "torch.bfloat16": "bf16", "torch.float16": "f16"}


def unquantized(dtype: str) -> Quantization:
    """Return a checkpoint with every matrix in one format."""
    return Quantization(f"{dtype} throughout", lambda _: None)


def dtype_of(*configs: Config) -> str | None:
    """Return the format of what is not quantised, as the first of ``configs`` that says so has it."""
    found = None
    for config in configs:
        for key in ("torch_dtype", "dtype"):
            value = config.word(key, None)
            if value is not None and value not in DTYPES:
                raise config.error(key, f"is {value!r:.40}, but one of {', '.join(DTYPES)} is wanted")
            found = found or (DTYPES[value] if value else None)
    return found


def with_expert_dtype(found: Quantization, text: Config) -> Quantization:
    """Return ``found`` with experts as ``expert_dtype`` of the config says, where it says so and they are not NVFP4."""
    expert = text.word("expert_dtype", None)
    if expert is None:
        return found
    if expert not in _EXPERT_DTYPES:
        raise text.error("expert_dtype", f"is {expert!r:.40}, but one of {', '.join(_EXPERT_DTYPES)} is wanted")
    usual = found.choose

    def choose(tensor: Tensor) -> str | None:
        chosen = usual(tensor)
        return chosen if tensor.group != "experts" or chosen == "nvfp4" else _EXPERT_DTYPES[expert] or chosen

    named = f"{found.title}; experts in {_EXPERT_DTYPES[expert]}" if _EXPERT_DTYPES[expert] else found.title
    return Quantization(named, choose, found.kv, found.notes)


_EXPERT_DTYPES = {"fp4": "mxfp4", "fp8": None}


def recipe(architecture: Architecture, found: Quantization, dtype: str, source: str) -> dict[str, Any]:
    """Return a ``[weights.native]`` table: the commonest format of each group, and the tensors that differ.

    Parameters
    ----------
    architecture : the model's.
    found : how its matrices are stored.
    dtype : the format of everything else.
    source : what the table cites.
    """
    table: dict[str, Any] = {"title": found.title, "source": source, "default": dtype, "vectors": dtype}
    exceptions: list[dict[str, Any]] = []
    for group, names in _by_format(architecture, found, dtype).items():
        usual = {
            name: max(formats, key=lambda f: sum(t.elements for t in formats[f])) for name, formats in names.items()
        }
        if len(set(usual.values())) == 1:
            entry: Any = next(iter(usual.values()))
        else:
            entry = {name: chosen for name, chosen in usual.items() if chosen != dtype}
        if entry != dtype:
            table[group] = entry
        for name, formats in names.items():
            exceptions += _exceptions(group, name, formats, usual[name])
    if exceptions:
        table["exceptions"] = exceptions
    if found.kv:
        table["kv"] = found.kv
    return table


_Formats = dict[str, list[Tensor]]


def _by_format(architecture: Architecture, found: Quantization, dtype: str) -> dict[str, dict[str, _Formats]]:
    """Sort the matrices by group, name and format; what the schema keeps with the vectors is left out."""
    groups: dict[str, dict[str, _Formats]] = {}
    for tensor in tensors(architecture):
        if not tensor.vector and tensor.group != "norms":
            names = groups.setdefault(tensor.group, {})
            names.setdefault(tensor.name, {}).setdefault(found.choose(tensor) or dtype, []).append(tensor)
    return groups


def _exceptions(group: str, name: str, formats: _Formats, usual: str) -> Iterator[dict[str, Any]]:
    for other, odd in formats.items():
        if other != usual:
            layers = sorted(t.layer for t in odd if t.layer is not None)
            yield {"group": group, "tensor": name, "layers": layers, "format": other}
