"""Schema of what is known of an engine's speed: kernels counted in its code, constants fitted to measurements."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from roofline.specs.provenance import Sourced, Table, Unique

CONSTANTS = {
    "weight_bandwidth": "1",
    "slower_eight": "1",
    "slower_eight_block": "1",
    "slower_four": "1",
    "slower_float4": "1",
    "slower_k_quant": "1",
    "slower_codebook": "1",
    "slower_wide_experts": "1",
    "few_tokens": "1",
    "cache_bandwidth": "1",
    "kernel": "s",
    "multiply_rate": "1",
    "slower_multiply_eight": "1",
    "slower_multiply_eight_block": "1",
    "slower_multiply_four": "1",
    "padding_rows": "1",
    "unpack_rate": "1",
    "attend_rate": "1",
    "exchange": "s",
    "exchange_without_switch": "s",
    "link_bandwidth": "1",
    "sequence": "s",
    "host": "s",
    "interference": "1",
    "request": "s",
    "wait": "1",
    "decode_of_model": "1",
    "prefill_of_model": "1",
}
"""Constants of an engine and their units; docs/expected.md explains each."""


class KernelCounts(Sourced, Unique):
    """Kernels that wait for each other in each kind of layer: counted, never fitted."""

    once: int = Field(ge=0)
    """Outside the layers: embedding, last norm, head, sampling."""
    attention: int = Field(ge=0)
    query_norm: int = Field(ge=0)
    """More where queries and keys are normalised."""
    latent: int = Field(ge=0)
    index: int = Field(ge=0)
    """More where an indexer or a compressor chooses tokens."""
    delta: int = Field(ge=0)
    state_space: int = Field(ge=0)
    convolution: int = Field(ge=0)
    dense: int = Field(ge=0)
    experts: int = Field(ge=0)
    shared_experts: int = Field(ge=0)
    quantised_dense: int = Field(ge=0)
    """More in a layer whose dense matrices multiply quantised activations."""
    quantised_experts: int = Field(ge=0)
    quantised_experts_float4: int = Field(ge=0)


class Constant(Table):
    """One fitted number: its value, and the factors that hardware, build and device put on it."""

    value: float = Field(gt=0)
    unit: Literal["1", "s"]
    spread: float = Field(ge=0)
    """Standard deviation of the logarithm, given the measurements."""
    by_backend: dict[str, float] = Field(default_factory=dict)
    """Factor by what the engine runs on."""
    by_hardware: dict[str, float] = Field(default_factory=dict)
    """Factor by class of hardware: backend and kind of memory."""
    by_build: dict[str, float] = Field(default_factory=dict)
    """Factor by when the engine was built."""
    by_device: dict[str, float] = Field(default_factory=dict)
    by_model: dict[str, float] = Field(default_factory=dict)


class Accuracy(Table):
    """How far the expected lies from measurements of one kind. Shares, not per cent."""

    metric: str
    left_out: Literal["nothing", "cell", "device", "model", "hardware", "held out"]
    rows: int
    groups: int
    """Of what is left out; devices where nothing is, or a whole source."""
    median_ape: float
    p90_ape: float
    median_of_groups: float
    """Median of the groups' medians."""
    bias: float
    coverage: float | None = None
    """Share of the rows within the interval of level 0.9 that the other groups give."""
    coverage_of_groups: float | None = None
    """Mean of the groups' shares."""


class Fold(Table):
    """How far the expected lies from measurements of one large group that was left out. Shares, not per cent."""

    metric: str
    left_out: Literal["cell", "device", "model", "hardware"]
    group: str
    rows: int
    median_ape: float
    bias: float
    coverage: float


class Residuals(Table):
    """Quantiles of log(measured / expected time) over rows whose group was left out of the fit."""

    metric: str
    left_out: Literal["cell", "device", "model", "hardware"]
    rows: int
    groups: int
    quantiles: tuple[float, ...]
    """At :data:`PROBABILITIES`."""


PROBABILITIES = (0.0, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5)
PROBABILITIES = (*PROBABILITIES, *(round(1 - p, 3) for p in PROBABILITIES[-2::-1]))
"""Probabilities of the stored quantiles."""


class Fitted(Unique):
    """What ``roofline fit`` wrote."""

    date: str
    rows: int
    newest_build: str
    sources: int
    models: tuple[str, ...]
    """Models that the constants were fitted on."""
    constants: dict[str, Constant]
    accuracy: tuple[Accuracy, ...]
    folds: tuple[Fold, ...] = ()
    residuals: tuple[Residuals, ...]


class SpeedRules(Sourced, Unique):
    """How an engine works, as far as its speed depends on it: written by hand."""

    chunk: int = Field(ge=1)
    """Tokens of prompts that one pass reads."""
    multiplies: Literal["16-bit", "own"]
    """Whether weights of 8 and 4 bits are multiplied in their own width where the device can."""
    layout: Literal["tensor", "pipeline"]
    """How devices share a model unless said otherwise."""
    memory_share: float = Field(gt=0, le=1)
    """Part of the memory that weights and cache may take."""
    microbatches: bool
    """Whether pipeline stages work on different sequences at once."""
