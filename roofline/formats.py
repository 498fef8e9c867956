"""Number formats as they are stored, exact to the bit, with the width that counts for multiplication.

A format says how a row of a matrix is packed: so many elements to a block of so many bytes, plus scales that lie beside
the blocks (one per tensor, per row, per group of columns, or per tile). :func:`tensor_bytes` counts them all.

Sources
-------
- ggml block layouts: ``ggml-common.h`` and ``GGML_QUANT_SIZES`` of https://github.com/ggml-org/llama.cpp
  (``gguf-py/gguf/constants.py``), read 2026-11-20; a test compares every row with the ``gguf`` package where installed.
- MX formats: OCP Microscaling Formats (MX) Specification v1.0, sections 5 and 6: 32 elements share one E8M0 scale.
- NVFP4: NVIDIA, "Introducing NVFP4 for Efficient and Accurate Low-Precision Inference",
  https://developer.nvidia.com/blog/introducing-nvfp4-for-efficient-and-accurate-low-precision-inference/: 16 elements
  share one E4M3 scale, the tensor one FP32 scale.
- FP8 in 128x128 tiles with FP32 scales: ``weight_block_size`` of DeepSeek-V3's ``config.json``.
- AWQ, GPTQ, compressed-tensors and MLX groups: the defaults of their quantisers (group of 128 and 64). AutoRound packs
  its W4A16 as GPTQ does: https://github.com/intel/auto-round.
"""

from __future__ import annotations

import difflib
import functools
import re
from dataclasses import dataclass, replace

from roofline.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Scale:
    """Scales stored beside the elements: ``bits`` for every tile of ``rows`` x ``columns`` (None: all of them)."""

    rows: int | None
    columns: int | None
    bits: int


@dataclass(frozen=True, slots=True)
class Format:
    """How numbers are stored.

    Attributes
    ----------
    name : canonical name, lower case.
    element_bits : width of one element without its scales; decides which compute peak may be used. [bit]
    block_elements : consecutive elements of a row that are packed together. [1]
    block_bytes : size of such a block, scales inside it included. [byte]
    scales : scales that are stored beside the blocks.
    cache : whether engines offer it for the KV cache.
    about : the layout in words.
    """

    name: str
    element_bits: int
    block_elements: int
    block_bytes: int
    about: str
    scales: tuple[Scale, ...] = ()
    cache: bool = False

    @property
    def bits_per_element(self) -> float:
        """Average size of one element in a large tensor, scales included. [bit]"""
        tiled = sum(s.bits / (s.rows * s.columns) for s in self.scales if s.rows and s.columns)
        return self.block_bytes * 8 / self.block_elements + tiled

    def tensor_bytes(self, rows: int, columns: int) -> float:
        """Return the exact size of a matrix of ``rows`` x ``columns``. [byte]

        Columns run along the packed direction. A last partial block or tile is stored whole.
        """
        blocks = rows * -(-columns // self.block_elements)
        scale_bits = sum(
            -(-rows // (s.rows or rows)) * -(-columns // (s.columns or columns)) * s.bits for s in self.scales
        )
        return blocks * self.block_bytes + scale_bits / 8

    def row_bytes(self, columns: int) -> float:
        """Return the size of one row of ``columns`` elements, as a cache stores it. [byte]

        A scale of the whole tensor is not counted.
        """
        blocks = -(-columns // self.block_elements)
        scale_bits = sum(-(-columns // s.columns) * s.bits for s in self.scales if s.rows == 1 and s.columns)
        return blocks * self.block_bytes + scale_bits / 8

    def divides(self, columns: int) -> bool:
        """Whether a row of ``columns`` elements is a whole number of blocks."""
        return columns % self.block_elements == 0


def _ggml(name: str, bits: int, elements: int, size: int, about: str, *, cache: bool = False) -> Format:
    return Format(name, bits, elements, size, about, cache=cache)


_TENSOR_SCALE = Scale(None, None, 32)

_FORMATS = (
    Format("f32", 32, 1, 4, "IEEE single precision", cache=True),
    Format("f16", 16, 1, 2, "IEEE half precision", cache=True),
    Format("bf16", 16, 1, 2, "bfloat16", cache=True),
    # --- ggml: every type, by block layout
    _ggml("q1_0", 1, 128, 18, "f16 scale, 128 signs"),
    _ggml("q2_0", 2, 64, 18, "f16 scale, 64 x 2 bits"),
    _ggml("q4_0", 4, 32, 18, "f16 scale, 32 x 4 bits", cache=True),
    _ggml("q4_1", 4, 32, 20, "f16 scale and minimum, 32 x 4 bits", cache=True),
    _ggml("q5_0", 5, 32, 22, "f16 scale, 32 x 5 bits", cache=True),
    _ggml("q5_1", 5, 32, 24, "f16 scale and minimum, 32 x 5 bits", cache=True),
    _ggml("q8_0", 8, 32, 34, "f16 scale, 32 x 8 bits", cache=True),
    _ggml("q8_1", 8, 32, 36, "f16 scale and sum, 32 x 8 bits (activations)"),
    _ggml("q2_k", 2, 256, 84, "f16 scale and minimum, 16 sub-blocks with 4-bit scales and minima, 256 x 2 bits"),
    _ggml("q3_k", 3, 256, 110, "f16 scale, 16 sub-blocks with 6-bit scales, 256 x 3 bits"),
    _ggml("q4_k", 4, 256, 144, "f16 scale and minimum, 8 sub-blocks with 6-bit scales and minima, 256 x 4 bits"),
    _ggml("q5_k", 5, 256, 176, "f16 scale and minimum, 8 sub-blocks with 6-bit scales and minima, 256 x 5 bits"),
    _ggml("q6_k", 6, 256, 210, "f16 scale, 16 sub-blocks with 8-bit scales, 256 x 6 bits"),
    _ggml("q8_k", 8, 256, 292, "f32 scale, 256 x 8 bits, 16 sums (activations)"),
    _ggml("iq1_s", 1, 256, 50, "f16 scale, codebook of 8-vectors"),
    _ggml("iq1_m", 1, 256, 56, "codebook of 8-vectors, scales packed in 4 bits"),
    _ggml("iq2_xxs", 2, 256, 66, "f16 scale, codebook of 8-vectors"),
    _ggml("iq2_xs", 2, 256, 74, "f16 scale, codebook of 8-vectors, 4-bit scales"),
    _ggml("iq2_s", 2, 256, 82, "f16 scale, codebook of 8-vectors, 4-bit scales"),
    _ggml("iq3_xxs", 3, 256, 98, "f16 scale, codebook of 4-vectors"),
    _ggml("iq3_s", 3, 256, 110, "f16 scale, codebook of 4-vectors, 4-bit scales"),
    _ggml("iq4_nl", 4, 32, 18, "f16 scale, 32 x 4 bits into a table of 16 values", cache=True),
    _ggml(
        "iq4_xs",
        4,
        256,
        136,
        "f16 scale, 8 sub-blocks with 6-bit scales, 256 x 4 bits into a table of 16 values",
    ),
    _ggml("tq1_0", 2, 256, 54, "f16 scale, 256 ternary digits, five to a byte"),
    _ggml("tq2_0", 2, 256, 66, "f16 scale, 256 x 2 bits, ternary"),
    _ggml("nvfp4-ggml", 4, 64, 36, "64 x E2M1 and four E4M3 scales; any scale of the tensor lies apart"),
    # --- floating point of 8 bits and less
    Format("fp8", 8, 1, 1, "E4M3 or E5M2, one f32 scale per tensor", (_TENSOR_SCALE,), cache=True),
    Format("fp8-channel", 8, 1, 1, "E4M3, one f32 scale per row", (Scale(1, None, 32),)),
    Format("fp8-block", 8, 1, 1, "E4M3, one f32 scale per tile of 128 x 128", (Scale(128, 128, 32),)),
    Format(
        "fp8-block-ue8m0",
        8,
        1,
        1,
        "E4M3, one 8-bit power-of-two scale per tile of 128 x 128",
        (Scale(128, 128, 8),),
    ),
    Format("mxfp8", 8, 32, 33, "OCP MX: 32 x 8 bits and one E8M0 scale"),
    Format("mxfp6", 6, 32, 25, "OCP MX: 32 x 6 bits and one E8M0 scale"),
    Format("mxfp4", 4, 32, 17, "OCP MX: 32 x E2M1 and one E8M0 scale", cache=True),
    Format(
        "nvfp4",
        4,
        16,
        9,
        "16 x E2M1 and one E4M3 scale, one f32 scale per tensor",
        (_TENSOR_SCALE,),
        cache=True,
    ),
    # --- integers
    Format("int8", 8, 1, 1, "one 16-bit scale per row", (Scale(1, None, 16),), cache=True),
    Format(
        "int4-awq",
        4,
        2,
        1,
        "groups of 128 columns: f16 scale and 4-bit zero",
        (Scale(1, 128, 16), Scale(1, 128, 4)),
    ),
    Format(
        "int4-gptq",
        4,
        2,
        1,
        "groups of 128 columns: f16 scale and 4-bit zero",
        (Scale(1, 128, 16), Scale(1, 128, 4)),
    ),
    Format(
        "int8-gptq", 8, 1, 1, "groups of 128 columns: f16 scale and 8-bit zero", (Scale(1, 128, 16), Scale(1, 128, 8))
    ),
    Format("int8-w8a16", 8, 1, 1, "groups of 128 columns: 16-bit scale, symmetric", (Scale(1, 128, 16),)),
    Format("int4-w4a16", 4, 2, 1, "groups of 128 columns: 16-bit scale, symmetric", (Scale(1, 128, 16),)),
    Format("int4-w4a16-g32", 4, 2, 1, "groups of 32 columns: 16-bit scale, symmetric", (Scale(1, 32, 16),)),
    Format("mlx-2bit", 2, 4, 1, "groups of 64 columns: 16-bit scale and bias", (Scale(1, 64, 32),)),
    Format("mlx-3bit", 3, 8, 3, "groups of 64 columns: 16-bit scale and bias", (Scale(1, 64, 32),)),
    Format("mlx-4bit", 4, 2, 1, "groups of 64 columns: 16-bit scale and bias", (Scale(1, 64, 32),), cache=True),
    Format("mlx-4bit-g32", 4, 2, 1, "groups of 32 columns: 16-bit scale and bias", (Scale(1, 32, 32),)),
    Format("mlx-5bit", 5, 8, 5, "groups of 64 columns: 16-bit scale and bias", (Scale(1, 64, 32),)),
    Format("mlx-6bit", 6, 4, 3, "groups of 64 columns: 16-bit scale and bias", (Scale(1, 64, 32),)),
    Format("mlx-8bit", 8, 1, 1, "groups of 64 columns: 16-bit scale and bias", (Scale(1, 64, 32),), cache=True),
)

FORMATS: dict[str, Format] = {f.name: f for f in _FORMATS}

_ALIASES = {
    "fp32": "f32",
    "float32": "f32",
    "fp16": "f16",
    "float16": "f16",
    "half": "f16",
    "bfloat16": "bf16",
    "fp8_e4m3": "fp8",
    "fp8_e5m2": "fp8",
    "e4m3": "fp8",
    "int4-autoround": "int4-gptq",
}

# Width of a number format in a device's multiplier, for the compute roof. [bit]
COMPUTE_BITS = {
    "fp32": 32,
    "tf32": 32,  # stored in 32 bits
    "bf16": 16,
    "fp16": 16,
    "fp8": 8,
    "int8": 8,
    "fp6": 6,
    "fp4": 4,
    "int4": 4,
}


STORAGE_CLASSES = ("wide", "eight", "eight-block", "four", "float4", "k-quant", "codebook")
"""Ways to store weights that engines read at different speeds: 16 bits and more; 8 bits; 8-bit floats with a
scale for each tile; blocks of integers of 4 to 6 bits; blocks of 4-bit floats; super-blocks of sub-blocks; indices
into a table."""


def storage_class(stored: Format) -> str:
    """Return which of :data:`STORAGE_CLASSES` a format is of.

    Examples
    --------
    >>> [storage_class(lookup(name)) for name in ("bf16", "fp8", "q4_0", "mxfp4", "q6_k", "iq4_xs")]
    ['wide', 'eight', 'four', 'float4', 'k-quant', 'codebook']
    """
    if stored.name in {"mxfp4", "nvfp4", "nvfp4-ggml"}:
        return "float4"
    if stored.name.startswith("fp8-block"):
        return "eight-block"
    if stored.name.startswith("iq"):
        return "codebook"
    if stored.name.endswith("_k") and stored.element_bits < 8:
        return "k-quant"
    if stored.element_bits > 8:
        return "wide"
    return "eight" if stored.element_bits == 8 else "four"


def lookup(name: str) -> Format:
    """Return the storage format called ``name``, whatever the case.

    Raises
    ------
    UnknownNameError
        No such format; the message names the nearest ones.

    Examples
    --------
    >>> lookup("IQ4_XS").bits_per_element, lookup("nvfp4").bits_per_element
    (4.25, 4.5)
    """
    key = name.strip().lower()
    found = FORMATS.get(_ALIASES.get(key, key)) or _with_other_groups(key)
    if found is None:
        near = difflib.get_close_matches(key, FORMATS, n=4, cutoff=0.5)
        hint = f"did you mean {', '.join(near)}?" if near else "'roofline list formats' names them all."
        raise UnknownNameError(f"no number format is named {name!r}; {hint}")
    return found


@functools.cache
def _with_other_groups(key: str) -> Format | None:
    """Return a format of groups of columns with groups of another size: ``int4-awq-g64``, ``mlx-4bit-g128``."""
    match = re.fullmatch(r"(int\d-\w+|mlx-\dbit)-g(16|32|64|128|256|512|1024)", key)
    base = FORMATS.get(match[1]) if match else None
    if match is None or base is None or not all(scale.rows == 1 and scale.columns for scale in base.scales):
        return None
    columns = int(match[2])
    about = re.sub(r"groups of \d+", f"groups of {columns}", base.about)
    scales = tuple(replace(scale, columns=columns) for scale in base.scales)
    return replace(base, name=key, about=about, scales=scales)


def cache_format(name: str) -> Format:
    """Return the format called ``name`` if engines offer it for the KV cache.

    Raises
    ------
    UnknownNameError
        No such format, or not one for a KV cache.
    """
    found = lookup(name)
    if not found.cache:
        choices = ", ".join(f.name for f in _FORMATS if f.cache)
        raise UnknownNameError(f"{name!r} is not a format for a KV cache; use one of {choices}.")
    return found
