"""Each tool that quantises, as it describes in a config what it did."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from roofline.errors import ModelFileError, UnknownNameError
from roofline.formats import lookup
from roofline.readers.config import Config
from roofline.readers.modules import modules, plain_module
from roofline.readers.patterns import Patterns
from roofline.tensors import Tensor

Choice = Callable[[Tensor], str | None]
"""From a matrix to its format; None where it is left as it was."""


@dataclass
class Quantization:
    """How the matrices of a checkpoint are stored.

    Attributes
    ----------
    title : in words.
    choose : from a matrix to its format.
    kv : the cache format that the checkpoint states.
    notes : what was assumed.
    """

    title: str
    choose: Choice
    kv: str | None = None
    notes: list[str] = field(default_factory=list)


def _texts(config: Config, *keys: str) -> list[str]:
    found: list[str] = []
    for key in keys:
        found += config.items(key, str, None, None) or []
    return found


def _linear(tensor: Tensor) -> bool:
    """Whether quantisers take a tensor for one of their own: matrices of layers, and the head."""
    return tensor.group != "embedding"


def read_quantization(config: Config | None, extra: Config | None) -> Quantization | None:
    """Return what ``quantization_config`` of a config and ``hf_quant_config.json`` say.

    Parameters
    ----------
    config : the ``quantization_config``, None if there is none.
    extra : the table ``quantization`` of ``hf_quant_config.json``, None if there is none.

    Raises
    ------
    ModelFileError
        A method or a number format that is not understood.
    """
    if config is None and extra is None:
        return None
    if extra is not None and (config is None or config.word("quant_method", "") in {"modelopt", "fp8", ""}):
        found = _modelopt(extra, config)
    else:
        assert config is not None  # noqa: S101 (one of the two is given)
        found = _by_method(config)
    return found


def _by_method(config: Config) -> Quantization:
    method = config.word("quant_method", None)
    if method is None and "quant_algo" in config:
        method = "modelopt"
    readers = {
        "modelopt": lambda c: _modelopt(c, None),
        "modelopt_fp4": lambda c: _modelopt(c, None),
        "compressed-tensors": _compressed_tensors,
        "awq": _awq,
        "gptq": _gptq,
        "fp8": _fp8,
        "mxfp4": _mxfp4,
        "fbgemm_fp8": _fbgemm,
    }
    if method is None:
        if "bits" in config and "group_size" in config:
            return _mlx(config)
        raise config.error("quant_method", "is missing, so that the formats cannot be known")
    if method not in readers:
        raise config.error("quant_method", f"is {method!r:.40}, but one of {', '.join(readers)} is understood")
    if method == "fp8" and "quant_algo" in config:
        return _modelopt(config, None)
    return readers[method](config)


# --- NVIDIA's modelopt


_MODELOPT = {
    "NVFP4": "nvfp4",
    "W4A16_NVFP4": "nvfp4",
    "W4A8_NVFP4_FP8": "nvfp4",
    "NVFP4_AWQ": "nvfp4",
    "FP8": "fp8",
    "FP8_PER_CHANNEL_PER_TOKEN": "fp8-channel",
    "FP8_PB_WO": "fp8-block",
    "FP8_PB_REAL": "fp8-block",
    "MXFP8": "mxfp8",
    "MXFP4": "mxfp4",
    "W4A8_MXFP4_FP8": "mxfp4",
    "W4A16_MXFP4": "mxfp4",
    "W4A16": "int4-w4a16",
    "W4A16_AWQ": "int4-w4a16",
    "W4A8_AWQ": "int4-w4a16",
    "INT8_SQ": "int8",
    "W8A8_SQ_PER_CHANNEL": "int8",
    "W8A16": "int8",
}
_CACHES = {"FP8": "fp8", "NVFP4": "nvfp4", "INT8": "int8", None: None}


def _modelopt(config: Config, other: Config | None) -> Quantization:
    """Read NVIDIA's own table; ``other`` is the same said in the config, where both are there."""
    if other is not None:
        other.ignore(*other.given())
    algorithm = config.word("quant_algo", None) or "NONE"
    config.ignore("quant_method", "group_size", "producer", "config_groups", "has_zero_point", "pre_quant_scale")
    config.ignore("fmt", "scale_fmt", "activation_scheme", "moe_quant_algo", "weight_block_size", "version")
    excluded = Patterns(_texts(config, "exclude_modules", "ignore"))
    kv = _modelopt_cache(config) or (_modelopt_cache(other) if other is not None else None)
    if algorithm == "MIXED_PRECISION":
        return Quantization(*_mixed(config, other), kv=kv)
    if algorithm == "NONE":
        return Quantization("not quantised", lambda _: None, kv)
    chosen = _modelopt_format(config, "quant_algo", algorithm, config.raw("group_size"))

    def choose(tensor: Tensor) -> str | None:
        # By the tool's own default routers are left as they were, and heads where no exclusions are listed. A router
        # that is no Linear module is never among those listed.
        left = tensor.group == "router" or (tensor.group == "head" and not _texts(config, "exclude_modules", "ignore"))
        return None if not _linear(tensor) or left or excluded.matches(tensor) else chosen

    notes = [] if _texts(config, "exclude_modules", "ignore") else [_NO_EXCLUSIONS]
    return Quantization(f"modelopt {algorithm}", choose, kv, notes)


_NO_EXCLUSIONS = "the quantisation names no excluded modules: head and routers taken as not quantised"


def _modelopt_format(config: Config, key: str, algorithm: str, group: Any = None) -> str:
    if algorithm not in _MODELOPT:
        raise config.error(key, f"is {algorithm!r:.40}, but one of {', '.join(_MODELOPT)} is understood")
    found = _MODELOPT[algorithm]
    return f"{found}-g{group}" if found == "int4-w4a16" and group not in (None, 128) else found


def _modelopt_cache(config: Config) -> str | None:
    config.ignore("kv_cache_scheme", "kv_cache_quant_algo")
    scheme = config.raw("kv_cache_quant_algo") or config.raw("kv_cache_scheme")
    if isinstance(scheme, dict):
        bits, kind = scheme.get("num_bits"), scheme.get("type")
        scheme = {"8 float": "FP8", "4 float": "NVFP4", "8 int": "INT8"}.get(f"{bits} {kind}", scheme)
    if not isinstance(scheme, str | None) or scheme not in _CACHES:
        raise config.error("kv_cache_quant_algo", f"is {scheme!r:.60}, but FP8, NVFP4 or INT8 is understood")
    return _CACHES[scheme]


def _mixed(config: Config, other: Config | None) -> tuple[str, Choice]:
    """Return the formats that the table names module by module; with FP8 blocks for the rest where it says so."""
    listed = config.raw("quantized_layers")
    if not isinstance(listed, dict) and other is not None:
        listed = other.raw("quantized_layers")
    if not isinstance(listed, dict):
        raise config.error("quantized_layers", "is missing, so that the formats of a mixed checkpoint cannot be known")
    found: dict[str, str] = {}
    for name, how in listed.items():
        algorithm = how.get("quant_algo") if isinstance(how, dict) else None
        if not isinstance(algorithm, str):
            raise config.error("quantized_layers", f"says {how!r:.60} of {name:.60}, but a quant_algo is wanted")
        found[plain_module(name)] = _modelopt_format(config, "quantized_layers", algorithm, how.get("group_size"))
    rest = _rest_of_mixed(other if other is not None else config)

    def choose(tensor: Tensor) -> str | None:
        for name in modules(tensor):
            parts = name.split(".")
            for end in range(len(parts), 0, -1):
                if chosen := found.get(".".join(parts[:end])):
                    return chosen
        if rest is None or not _linear(tensor) or tensor.group in {"head", "router"}:
            return None
        return rest

    kinds = sorted(set(found.values()) | ({rest} if rest else set()))
    return f"modelopt, mixed: {' and '.join(kinds)}", choose


def _rest_of_mixed(config: Config) -> str | None:
    if config.raw("quant_method") == "fp8" and config.raw("weight_block_size") is not None:
        return _fp8_format(config)
    return None


# --- compressed-tensors


def _compressed_tensors(config: Config) -> Quantization:
    config.ignore("format", "quantization_status", "global_compression_ratio", "version", "sparsity_config")
    config.ignore("transform_config")
    ignored = Patterns(_texts(config, "ignore"))
    groups = config.table("config_groups")
    chosen: list[tuple[Patterns | None, str]] = []
    for key in groups.given():
        group = groups.table(key)
        group.ignore("input_activations", "output_activations", "format")
        targets = group.items("targets", str)
        linear = any(target in {"Linear", "LinearBase"} for target in targets)
        chosen.append((None if linear else Patterns(targets), _scheme(group.table("weights"))))
    # a group that names modules goes before one that means them all
    chosen.sort(key=lambda pair: pair[0] is None)
    router_named = any("gate" in text.split(".")[-1] for text in _texts(config, "ignore"))

    def choose(tensor: Tensor) -> str | None:
        if not _linear(tensor) or ignored.matches(tensor) or (tensor.group == "router" and not router_named):
            return None
        for patterns, scheme in chosen:
            if patterns is None or patterns.matches(tensor):
                return scheme
        return None

    kinds = " and ".join(dict.fromkeys(scheme for _, scheme in chosen))
    return Quantization(f"compressed-tensors: {kinds}", choose, _compressed_cache(config))


def _compressed_cache(config: Config) -> str | None:
    scheme = config.table("kv_cache_scheme", None)
    if scheme is None:
        return None
    bits, kind = scheme.number("num_bits"), scheme.word("type")
    scheme.ignore(*scheme.given())
    if (bits, kind) not in {(8, "float"), (8, "int")}:
        raise config.error("kv_cache_scheme", f"has {bits} bits of {kind:.20}, which is not understood")
    return "fp8" if kind == "float" else "int8"


def _scheme(weights: Config) -> str:
    """Return the format of a compressed-tensors scheme."""
    bits, kind = weights.number("num_bits"), weights.word("type")
    strategy, group = weights.word("strategy", None), weights.number("group_size", None)
    scale, block = weights.raw("scale_dtype"), weights.raw("block_structure")
    weights.ignore(*weights.given())
    found: str | None = None
    if (bits, kind) == (4, "float"):
        found = "nvfp4" if group == 16 else "mxfp4" if group == 32 else None
    elif (bits, kind) == (8, "float"):
        if group == 32 and scale == "torch.uint8":
            found = "mxfp8"
        elif strategy == "block":
            found = "fp8-block" if block in ([128, 128], None) else None
        else:
            found = {"tensor": "fp8", "channel": "fp8-channel", None: "fp8"}.get(strategy)
    elif (bits, kind) == (4, "int"):
        found = "int4-w4a16" if group == 128 else f"int4-w4a16-g{group}" if group else None
    elif (bits, kind) == (8, "int"):
        found = "int8" if strategy in {"channel", "tensor", None} else f"int8-w8a16-g{group}" if group else None
    return _known(weights, found, f"{bits}-bit {kind}, strategy {strategy}, group {group}")


def _known(config: Config, found: str | None, said: str) -> str:
    try:
        if found is not None:
            return lookup(found).name
    except UnknownNameError:
        pass
    raise ModelFileError(f"{config.where}: {config.path}: weights in {said} are in no format that is known here")


# --- AWQ, GPTQ, FP8, MXFP4, MLX


def _awq(config: Config) -> Quantization:
    bits, group = (
        config.number(config.either("bits", "w_bit")),
        config.number(config.either("group_size", "q_group_size")),
    )
    skipped = Patterns(_texts(config, "modules_to_not_convert"), within=True)
    config.ignore(
        "version", "zero_point", "backend", "do_fuse", "fuse_max_seq_len", "modules_to_fuse", "exllama_config"
    )
    if bits != 4:
        raise config.error("bits", f"is {bits}, but AWQ stores 4")
    chosen = _known(config, "int4-awq" if group == 128 else f"int4-awq-g{group}", f"{bits}-bit AWQ, group {group}")
    return Quantization(f"AWQ, groups of {group}", _layers_only(chosen, skipped))


def _gptq(config: Config) -> Quantization:
    bits, group = config.number("bits"), config.raw("group_size")
    config.expect("lm_head", False)
    config.ignore(*config.given())
    skipped = Patterns(_texts(config, "modules_to_not_convert"), within=True)
    name = {4: "int4-gptq", 8: "int8-gptq"}.get(bits)
    chosen = name if name and group == 128 else f"{name}-g{group}" if name and type(group) is int else None
    chosen = _known(config, chosen, f"{bits}-bit GPTQ, group {group}")
    if "dynamic" in config and config.raw("dynamic"):
        raise config.error("dynamic", "gives modules settings of their own, which is not understood")
    return Quantization(f"GPTQ, groups of {group}", _layers_only(chosen, skipped))


def _layers_only(chosen: str, skipped: Patterns) -> Choice:
    """Matrices of layers but routers: what these tools convert."""

    def choose(tensor: Tensor) -> str | None:
        left = tensor.group in {"embedding", "head", "router"} or skipped.matches(tensor)
        return None if left else chosen

    return choose


def _fp8_format(config: Config) -> str:
    block = config.raw("weight_block_size")
    power_of_two = config.raw("scale_fmt") == "ue8m0"
    if block is None:
        return "fp8"
    if block != [128, 128]:
        raise config.error("weight_block_size", f"is {block!r:.40}, but [128, 128] is understood")
    return "fp8-block-ue8m0" if power_of_two else "fp8-block"


def _fp8(config: Config) -> Quantization:
    config.expect("fmt", "e4m3", "float8_e4m3fn", "float8_e4m3")
    config.expect("weight_per_tensor", True, False)
    config.ignore("activation_scheme", "act_per_tensor", "dequantize", "scale_fmt", "kv_cache_scheme", "quant_method")
    chosen = _fp8_format(config)
    skipped = Patterns(_texts(config, "modules_to_not_convert", "ignored_layers"), within=True)
    return Quantization(f"FP8{' in blocks of 128 x 128' if 'block' in chosen else ''}", _layers_only(chosen, skipped))


def _fbgemm(config: Config) -> Quantization:
    config.ignore(*config.given())
    skipped = Patterns(_texts(config, "modules_to_not_convert"), within=True)
    return Quantization("FP8, a scale for each row", _layers_only("fp8-channel", skipped))


def _mxfp4(config: Config) -> Quantization:
    skipped = Patterns(_texts(config, "modules_to_not_convert"))
    config.ignore("dequantize")

    def choose(tensor: Tensor) -> str | None:
        return "mxfp4" if tensor.group == "experts" and not skipped.matches(tensor) else None

    return Quantization("MXFP4 experts", choose)


def _mlx(config: Config) -> Quantization:
    bits, group = config.number("bits"), config.number("group_size")
    config.expect("mode", "affine")
    usual = _known(config, f"mlx-{bits}bit" + ("" if group == 64 else f"-g{group}"), f"{bits}-bit MLX, group {group}")
    own: dict[str, str | None] = {}
    for key in config.given():
        entry = config.raw(key)
        if isinstance(entry, dict):
            part = config.table(key)
            b, g = part.number("bits"), part.number("group_size")
            part.expect("mode", "affine")
            own[plain_module(key)] = _known(part, f"mlx-{b}bit" + ("" if g == 64 else f"-g{g}"), f"{b}-bit MLX")
        elif entry is False:
            own[plain_module(key)] = None

    def choose(tensor: Tensor) -> str | None:
        for name in (*modules(tensor), *_switch_names(tensor)):
            if name in own:
                return own[name]
        return usual

    return Quantization(f"MLX, {bits} bits in groups of {group}", choose)


def _switch_names(tensor: Tensor) -> Iterator[str]:
    for name in modules(tensor):
        yield name.replace(".experts.", ".switch_mlp.").replace("experts.0.", "switch_mlp.")
