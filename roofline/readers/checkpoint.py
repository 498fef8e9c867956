"""What safetensors files hold beside what their config says: bytes of each part of the model, as stored."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from roofline.readers.modules import modules, plain_module
from roofline.readers.quantizers import Quantization
from roofline.readers.safetensors import StoredFiles, StoredTensor
from roofline.recipes import stored
from roofline.specs.model import NONE, Architecture, Experts, ModelSpec
from roofline.specs.token_mixers import Compressed, GroupedQuery, Latent
from roofline.tensors import Tensor

PLAIN = {"F32": "f32", "BF16": "bf16", "F16": "f16"}

_OTHER_PARTS = re.compile(
    r"(^|\.)(mtp|vision\w*|visual|audio\w*|embed_vision|embed_audio|multi_modal_projector|mm_projector|projector|"
    r"patch_\w+|eagle\w*|rotary_emb|draft\w*)(\.|$)"
)
_LAYER = re.compile(r"^layers\.(\d+)\.(.+)$")
_ENDING = re.compile(
    r"\.(weight|bias|weight_scale_inv|weight_scale(_2)?|weight_packed|weight_shape|weight_zero_point|weight_global_scale|"
    r"input_scale|input_global_scale|qweight|qzeros|scales|g_idx|biases|k_scale|v_scale|scale)$|_(blocks|scales|bias)$"
)

_RULES = (
    (re.compile(r"(^|\.)(experts|switch_mlp)(\.|$)|^block_sparse_moe\.(in|out)put_linear"), "experts"),
    (re.compile(r"(^|\.)(shared_experts?|shared_mlp|share_expert|shared_expert_gate)(\.|$)"), "shared_experts"),
    (re.compile(r"(^|\.)(router|router_bias|e_score_correction_bias|expert_bias)(\.|$)"), "router"),
    (re.compile(r"^(mlp|ffn|feed_forward|block_sparse_moe|mixer|moe)\.gate(\.|$)"), "router"),
    (re.compile(r"(^|\.)(fc[12]_latent_proj|per_layer_input_gate|per_layer_projection)(\.|$)"), "ffn"),
    (re.compile(r"^(linear_attn|mamba|conv)\."), "linear_attention"),
    (re.compile(r"^(self_attn|attn|attention)\."), "mixer"),
    (re.compile(r"^mixer\."), "part"),
    (re.compile(r"^(mlp|ffn|feed_forward|block_sparse_moe|moe)\."), "network"),
    (re.compile(r"(^|\.)\w*(norm|layer_scalar|_hc)\w*(\.|$)|^hc_"), "norms"),
)
_OUTSIDE = (
    (re.compile(r"^(embed_tokens|embeddings|embed|word_embeddings|embed_tokens_per_layer)(\.|$)"), "embedding"),
    (re.compile(r"^(lm_head|head)(\.|$)"), "head"),
    (re.compile(r"^per_layer_model_projection(\.|$)"), "ffn"),
    (re.compile(r"^(\w*norm\w*|norm_f|hc_\w+)(\.|$)"), "norms"),
)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A checkpoint's tensors, sorted by the parts of the model.

    Attributes
    ----------
    files : what the headers say.
    bytes_by_group : size of what belongs to the text model. [byte]
    not_counted : size of what a pass of the text model does not read: towers for other senses, layers that predict
        further tokens. [byte]
    unknown : names that no part is known for.
    """

    files: StoredFiles
    bytes_by_group: dict[str, int]
    not_counted: int
    unknown: tuple[str, ...]


def checkpoint(files: StoredFiles, architecture: Architecture) -> Checkpoint:
    """Sort the tensors of ``files`` by the parts of the model."""
    pattern = list(architecture.pattern())
    sizes: Counter[str] = Counter()
    not_counted, unknown = 0, []
    for tensor in files.tensors:
        name = plain_module(tensor.name)
        group = _group(name, pattern, architecture)
        if group == "":
            not_counted += tensor.bytes
        elif group is None:
            unknown.append(tensor.name)
        else:
            sizes[group] += tensor.bytes
    return Checkpoint(files, dict(sizes), not_counted, tuple(unknown))


def _group(name: str, pattern: list[tuple[str, str]], architecture: Architecture) -> str | None:
    """Return the part of the model a tensor belongs to; "" for none that a pass reads, None if that is not known."""
    if _OTHER_PARTS.search(name):
        return ""
    inside = _LAYER.match(name)
    if inside is None:
        found = next((group for rule, group in _OUTSIDE if rule.search(name)), None)
        return "" if found == "head" and architecture.tied_embeddings else found
    layer = int(inside[1])
    if layer >= len(pattern):
        return ""
    found = next((group for rule, group in _RULES if rule.search(inside[2])), None)
    return _resolved(found, pattern[layer], architecture)


def _resolved(found: str | None, layer: tuple[str, str], architecture: Architecture) -> str | None:
    """Return the group that a rule means in a layer of this kind."""
    mixer, network = layer
    sparse = network != NONE and isinstance(architecture.ffn[network], Experts)
    if found == "part":
        found = "mixer" if mixer != NONE else "network"
    if found == "mixer":
        attends = mixer != NONE and isinstance(architecture.attention[mixer], GroupedQuery | Latent | Compressed)
        return "attention" if attends else "linear_attention"
    if found == "network":
        return "shared_experts" if sparse else "ffn"
    return "ffn" if found == "shared_experts" and not sparse else found


def as_stored(found: Quantization, files: StoredFiles) -> Quantization:
    """Return ``found`` with every matrix that is stored as plain numbers in the format that its file has it in."""
    plain = {_ENDING.sub("", plain_module(t.name)): PLAIN[t.dtype] for t in files.tensors if _is_plain_matrix(t)}
    usual = found.choose

    def choose(tensor: Tensor) -> str | None:
        return next((plain[name] for name in modules(tensor) if name in plain), None) or usual(tensor)

    return Quantization(found.title, choose, found.kv, found.notes)


def _is_plain_matrix(tensor: StoredTensor) -> bool:
    is_scale = "scale" in tensor.name.rpartition(".")[2]
    return tensor.dtype in PLAIN and len(tensor.shape) > 1 and not is_scale and not tensor.name.endswith(".biases")


def vector_formats(files: StoredFiles) -> dict[str, str]:
    """Return the formats of norms and of the router's biases, where the files have such."""
    found = {}
    for key, ending in (("vectors", re.compile(r"norm\w*\.weight$")), ("router_bias", re.compile(r"correction_bias$"))):
        sizes: Counter[str] = Counter()
        for tensor in files.tensors:
            if tensor.dtype in PLAIN and ending.search(tensor.name):
                sizes[PLAIN[tensor.dtype]] += tensor.bytes
        if sizes:
            found[key] = sizes.most_common(1)[0][0]
    return found


def reconciliation(spec: ModelSpec, found: Checkpoint) -> Iterator[str]:
    """Yield in words how the files and the config of a model agree, group by group, in bytes."""
    expected = stored(spec, "native").bytes_by_group()
    groups = dict.fromkeys([*expected, *found.bytes_by_group])
    differences = {group: found.bytes_by_group.get(group, 0) - round(expected.get(group, 0)) for group in groups}
    counted, files = sum(found.bytes_by_group.values()), len(found.files.paths)
    said = f"safetensors: {counted:,} bytes of the text model in {files} file{'s' if files > 1 else ''}"
    odd = {group: difference for group, difference in differences.items() if difference}
    if not odd:
        yield f"{said}, as its config says, to the byte"
    else:
        listed = ", ".join(f"{group.replace('_', ' ')} {difference:+,}" for group, difference in odd.items())
        total = sum(odd.values())
        yield f"{said}, {total:+,} bytes ({total / max(counted, 1):+.2%}) beside what its config says: {listed}"
    if found.not_counted:
        yield f"not counted: {found.not_counted:,} bytes of other parts (vision, audio, further tokens)"
