"""Names of tensors in GGUF files, and which of our tensors each one is (or is a part of, or holds several of).

The names are those of ``MODEL_TENSORS`` in ``gguf-py/gguf/constants.py`` of https://github.com/ggml-org/llama.cpp (gguf
0.19.0 on PyPI), and of ``src/models`` there for what that table leaves out, read 2026-11-21.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from roofline.readers.gguf_header import GgufHeader, TensorInfo
from roofline.readers.regular_file import fail
from roofline.specs.model import Dense, Experts, FeedForward
from roofline.specs.token_mixers import TokenMixer

Part = tuple[str, str]
"""Group and name of one of our tensors."""

NORMS = (
    "attn_norm",
    "attn_norm_2",
    "post_attention_norm",
    "ffn_norm",
    "post_ffw_norm",
    "pre_ffw_norm_2",
    "post_ffw_norm_1",
    "post_ffw_norm_2",
    "post_norm",
)
"""Stems of the norms in a layer that are as wide as the model."""

_MODEL: dict[str, Part] = {
    "token_embd.weight": ("embedding", ""),
    "output.weight": ("head", ""),
    "output_norm.weight": ("norms", "final"),
    "output_norm.bias": ("norms", "final bias"),
    "token_embd_norm.weight": ("norms", "final"),  # so in LFM2, which has no output_norm
    "per_layer_token_embd.weight": ("embedding", "per layer"),
    "per_layer_model_proj.weight": ("ffn", "per layer"),
    "per_layer_proj_norm.weight": ("norms", "per layer"),
}

_PROJECTIONS = {name: name for name in ("q", "k", "v", "output")}

_ANY_LAYER: dict[str, tuple[Part, ...]] = {
    **{f"{stem}.weight": (("norms", ""),) for stem in NORMS},
    **{f"{stem}.bias": (("norms", "bias"),) for stem in NORMS},
    "layer_output_scale.weight": (("norms", "scalar"),),
    "inp_gate.weight": (("ffn", "per-layer gate"),),
    "proj.weight": (("ffn", "per-layer projection"),),
}

_INDEXER: dict[str, tuple[Part, ...]] = {
    "indexer.attn_q_b.weight": (("attention", "index q"),),
    "indexer.attn_k.weight": (("attention", "index k"),),
    "indexer.k_norm.weight": (("attention", "index k norm"),),
    "indexer.k_norm.bias": (("attention", "index k norm"),),
    "indexer.proj.weight": (("attention", "index weights"),),
}


def _table(group: str, names: dict[str, str]) -> dict[str, tuple[Part, ...]]:
    """Return GGUF name -> parts, from GGUF name -> our names with commas between them."""
    return {name: tuple((group, ours) for ours in listed.split(", ")) for name, listed in names.items()}


_MIXERS: dict[str, dict[str, tuple[Part, ...]]] = {
    "gqa": _table(
        "attention",
        {
            **{f"attn_{name}.weight": name for name in _PROJECTIONS},
            **{f"attn_{name}.bias": f"{name} bias" for name in _PROJECTIONS},
            "attn_qkv.weight": "q, k, v",
            "attn_qkv.bias": "q bias, k bias, v bias",
            "attn_q_norm.weight": "q norm",
            "attn_k_norm.weight": "k norm",
            "attn_sinks.weight": "sinks",
            "attn_gate.weight": "gate",
        },
    ),
    "mla": _INDEXER
    | _table(
        "attention",
        {
            "attn_q.weight": "q",
            "attn_q_a.weight": "q_a",
            "attn_q_a_norm.weight": "q_a norm",
            "attn_q_b.weight": "q_b",
            "attn_kv_a_mqa.weight": "kv_a",
            "attn_kv_a_norm.weight": "kv_a norm",
            "attn_kv_b.weight": "kv_b",
            "attn_k_b.weight": "kv_b",
            "attn_v_b.weight": "kv_b",
            "attn_output.weight": "output",
            "attn_gate.weight": "gate",
        },
    ),
    "gated-deltanet": _table(
        "linear_attention",
        {
            "attn_qkv.weight": "qkv",
            "attn_gate.weight": "z",
            "ssm_in.weight": "qkv, z",
            "ssm_ba.weight": "ba",
            "ssm_beta.weight": "ba",
            "ssm_alpha.weight": "ba",
            "ssm_conv1d.weight": "conv",
            "ssm_a": "decay and step",
            "ssm_dt.bias": "decay and step",
            "ssm_norm.weight": "norm",
            "ssm_out.weight": "output",
        },
    ),
    "kda": _table(
        "linear_attention",
        {
            **{f"attn_{name}.weight": name for name in _PROJECTIONS},
            **{f"ssm_conv1d_{name}.weight": "conv" for name in ("q", "k", "v")},
            "ssm_f_a.weight": "decay_a",
            "ssm_f_b.weight": "decay_b",
            "ssm_a": "decay and step",
            "ssm_dt.bias": "decay and step",
            "ssm_beta.weight": "beta",
            "ssm_g_a.weight": "gate_a",
            "ssm_g_b.weight": "gate_b",
            "attn_gate.weight": "gate",
            "ssm_norm.weight": "norm",
        },
    ),
    "mamba2": _table(
        "linear_attention",
        {
            "ssm_in.weight": "in",
            "ssm_in.bias": "in bias",
            "ssm_conv1d.weight": "conv",
            "ssm_conv1d.bias": "conv bias",
            "ssm_a": "decay and step",
            "ssm_d": "decay and step",
            "ssm_dt.bias": "decay and step",
            "ssm_norm.weight": "norm",
            "ssm_out.weight": "output",
            "ssm_out.bias": "output bias",
        },
    ),
    "short-conv": _table(
        "linear_attention",
        {
            "shortconv.in_proj.weight": "in",
            "shortconv.in_proj.bias": "in bias",
            "shortconv.conv.weight": "conv",
            "shortconv.conv.bias": "conv bias",
            "shortconv.out_proj.weight": "output",
            "shortconv.out_proj.bias": "output bias",
        },
    ),
}

_DENSE = _table(
    "ffn",
    {
        **{f"ffn_{name}.weight": name for name in ("gate", "up", "down")},
        **{f"ffn_{name}.bias": "bias" for name in ("gate", "up", "down")},
    },
)

_EXPERTS: dict[str, tuple[Part, ...]] = {
    "ffn_gate_inp.weight": (("router", ""),),
    "ffn_gate_inp.bias": (("router", "bias"),),
    "ffn_gate_inp.scale": (("router", "scale"),),
    "exp_probs_b.bias": (("router", "bias"),),
    "ffn_down_exps.scale": (("router", "bias"),),  # of Gemma 4: a factor for each expert
    **_table("experts", {f"ffn_{name}_exps.weight": name for name in ("gate", "up", "down")}),
    **_table("experts", {f"ffn_{name}_exps.bias": "bias" for name in ("gate", "up", "down")}),
    "ffn_gate_up_exps.weight": (("experts", "gate"), ("experts", "up")),
    **_table("shared_experts", {f"ffn_{name}_shexp.weight": name for name in ("gate", "up", "down")}),
    "ffn_gate_inp_shexp.weight": (("shared_experts", "token gate"),),
    "ffn_latent_down.weight": (("ffn", "latent in"),),
    "ffn_latent_up.weight": (("ffn", "latent out"),),
    # A dense network beside the experts (Gemma 4) is to every token what shared experts are.
    **_table("shared_experts", {f"ffn_{name}.weight": name for name in ("gate", "up", "down")}),
}

_ONE_EXPERT = re.compile(r"ffn_(gate|up|down)\.[0-9]{1,5}\.weight")

_ROTATION = frozenset({"rope_freqs", "rope_factors_long", "rope_factors_short", "attn_rot_embd"})

_IN_LAYER = re.compile(r"blk\.(0|[1-9][0-9]{0,5})\.(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Layer:
    """The tensors of one layer, by their names in it."""

    index: int
    tensors: dict[str, TensorInfo] = field(default_factory=dict)

    def __contains__(self, name: str) -> bool:
        return name in self.tensors

    def rows(self, name: str) -> int:
        """Return how many rows a tensor has; 0 if there is none of that name."""
        found = self.tensors.get(name)
        return found.elements // (found.shape[0] if found.shape else 1) if found else 0

    def columns(self, name: str) -> int:
        """Return how long the rows of a tensor are; 0 if there is none of that name."""
        found = self.tensors.get(name)
        return found.shape[0] if found and found.shape else 0


@dataclass(frozen=True, slots=True)
class SortedTensors:
    """All tensors of a file: of the model as a whole, of each layer, and those that no forward pass reads."""

    model: dict[str, TensorInfo]
    layers: tuple[Layer, ...]
    not_counted: dict[str, list[TensorInfo]]


def sort_tensors(header: GgufHeader, layers: int, extra_layers: int) -> SortedTensors:
    """Sort the tensors of a file by layer.

    Parameters
    ----------
    header : the file.
    layers : layers of the model.
    extra_layers : layers behind them that predict further tokens.

    Raises
    ------
    ModelFileError
        A tensor is of a layer that the model does not have, or a layer has none.
    """
    found = SortedTensors({}, tuple(Layer(index) for index in range(layers)), {})
    for tensor in header.tensors:
        match = _IN_LAYER.fullmatch(tensor.name)
        if reason := _not_counted(tensor, match, layers, extra_layers):
            found.not_counted.setdefault(reason, []).append(tensor)
        elif match is None:
            found.model[tensor.name] = tensor
        elif int(match[1]) < layers:
            found.layers[int(match[1])].tensors[match[2]] = tensor
        else:
            fail(
                header.paths[0], f"tensor {tensor.name!r:.100} is of a layer beyond the {layers} that block_count gives"
            )
    empty = next((layer.index for layer in found.layers if not layer.tensors), None)
    if empty is not None:
        fail(header.paths[0], f"layer {empty} of {layers} has no tensor: the file holds a part of the model only")
    _set_scales_apart(found)
    return found


def _not_counted(tensor: TensorInfo, match: re.Match[str] | None, layers: int, extra_layers: int) -> str | None:
    name = match[2] if match else tensor.name
    if name.split(".")[0] in _ROTATION:
        return "factors of the rotary embedding"
    if name.startswith("nextn.") or (match and layers <= int(match[1]) < layers + extra_layers):
        return "multi-token prediction"
    if match is None and name.startswith(("v.", "a.", "mm.")):
        return "vision or audio tower"
    return None


def _set_scales_apart(found: SortedTensors) -> None:
    """Put the scales of whole NVFP4 tensors among what is not counted: single numbers, each a tensor of its own."""
    for tensors in (found.model, *(layer.tensors for layer in found.layers)):
        for name in [name for name in tensors if name.endswith((".scale", ".input_scale"))]:
            weight = tensors.get(f"{name.rpartition('.')[0]}.weight")
            if weight is not None and weight.type == "nvfp4":
                found.not_counted.setdefault("scales of NVFP4 tensors", []).append(tensors.pop(name))


def model_part(name: str) -> Part | None:
    """Return which of our tensors a tensor outside the layers is; None if unknown."""
    return _MODEL.get(name)


def layer_parts(name: str, mixer: TokenMixer | None, network: FeedForward | None, layer: Layer) -> tuple[Part, ...]:
    """Return which of our tensors a layer's tensor holds, in order; none if it is unknown.

    Parameters
    ----------
    name : its name in the layer.
    mixer, network : token mixer and feed-forward network of the layer.
    layer : all its tensors.
    """
    if name in _ANY_LAYER:
        return _ANY_LAYER[name]
    if mixer and name in _MIXERS.get(mixer.kind, {}):
        return _MIXERS[mixer.kind][name]
    if isinstance(network, Dense) and name in _DENSE:
        fused = name == "ffn_up.weight" and network.gated and "ffn_gate.weight" not in layer
        return (("ffn", "gate"), ("ffn", "up")) if fused else _DENSE[name]
    if isinstance(network, Experts):
        if match := _ONE_EXPERT.fullmatch(name):
            return (("experts", match[1]),)
        return _EXPERTS.get(name, ())
    return ()
