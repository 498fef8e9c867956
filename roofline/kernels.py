"""How many kernels follow one another in a pass: each costs time that no bandwidth buys back."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from roofline._remember import remember
from roofline.recipes import StoredWeights
from roofline.specs.model import NONE, Architecture, Experts, FeedForward
from roofline.specs.speed import KernelCounts
from roofline.specs.token_mixers import (
    Compressed,
    GroupedQuery,
    KimiDelta,
    Latent,
    Mamba2,
    ShortConvolution,
    TokenMixer,
)

QUANTISED_ACTIVATIONS = ("fp8", "fp8-channel", "fp8-block", "fp8-block-ue8m0", "mxfp8", "int8", "nvfp4")
"""Weight formats whose activations are quantised on the fly, by a kernel of its own before each product."""


class PassKernels(NamedTuple):
    """Kernels of one forward pass, and the exchanges that tensor parallelism puts between them.

    Attributes
    ----------
    kernels : kernels that wait for each other. [1]
    exchanges : sums over all devices of a tensor-parallel group: one behind every token mixer and network. [1]
    """

    kernels: float
    exchanges: float


@remember
def pass_kernels(architecture: Architecture, weights: StoredWeights, counts: KernelCounts) -> PassKernels:
    """Count the kernels of one pass by the engine's table.

    Parameters
    ----------
    architecture : the model's.
    weights : which tensor is stored in which format.
    counts : kernels of each kind of layer in the engine.

    Returns
    -------
    PassKernels
    """
    formats = _formats(weights)
    mixers = {name: _mixer(a, counts) for name, a in architecture.attention.items()}
    networks = {name: _network(f, counts) for name, f in architecture.ffn.items()}
    kernels, exchanges = float(counts.once), 0
    for (mixer, network), times in Counter(architecture.pattern()).items():
        if mixer != NONE:
            quantised = formats.get(("attention", mixer), "")
            extra = counts.quantised_dense / 2 if quantised in QUANTISED_ACTIVATIONS else 0
            kernels += times * (mixers[mixer] + extra)
            exchanges += times
        if network != NONE:
            kernels += times * (networks[network] + _quantising(formats, network, counts))
            exchanges += times
    return PassKernels(kernels, exchanges)


def _quantising(formats: dict[tuple[str, str], str], network: str, counts: KernelCounts) -> float:
    experts = formats.get(("experts", network), "")
    if experts == "nvfp4":
        return counts.quantised_experts_float4
    if experts in QUANTISED_ACTIVATIONS:
        return counts.quantised_experts
    return counts.quantised_dense / 2 if formats.get(("ffn", network), "") in QUANTISED_ACTIVATIONS else 0


def _formats(weights: StoredWeights) -> dict[tuple[str, str], str]:
    """Return the format of most of the matrices of each mixer, dense network and set of experts."""
    sizes: dict[tuple[str, str], Counter[str]] = {}
    for stored in weights.tensors:
        tensor = stored.tensor
        if tensor.vector or tensor.layer is None:
            continue
        mixing = tensor.group in {"attention", "linear_attention"}
        key = ("attention" if mixing else tensor.group, tensor.attention if mixing else tensor.ffn)
        sizes.setdefault(key, Counter())[stored.format.name] += tensor.elements
    return {key: size.most_common(1)[0][0] for key, size in sizes.items()}


def _mixer(a: TokenMixer, counts: KernelCounts) -> float:
    if isinstance(a, GroupedQuery):
        index = counts.index if a.selection and a.selection.indexer else 0
        return counts.attention + (counts.query_norm if a.qk_norm != "none" else 0) + index
    if isinstance(a, Latent):
        return counts.latent + (counts.index if a.selection and a.selection.indexer else 0)
    if isinstance(a, Compressed):
        return counts.latent + (counts.index if a.ratio else 0)
    if isinstance(a, ShortConvolution):
        return counts.convolution
    if isinstance(a, Mamba2):
        return counts.state_space
    return counts.delta + (2 if isinstance(a, KimiDelta) else 0)


def _network(f: FeedForward, counts: KernelCounts) -> float:
    if not isinstance(f, Experts):
        return counts.dense
    return counts.experts + (counts.shared_experts if f.shared_d_ff else 0)
