"""Where each constant is expected before any measurement is seen, and how far hardware, builds and devices may differ.

A constant's logarithm is a sum: the engine's value, a step for the backend, one for the class of hardware, one for the
period of the build, one for the device. Each is drawn towards its prior (the engine's) or towards zero (the steps) as
far as measurements do not say otherwise. The values follow what single operations take in published tables. How wide
the steps of a level are is estimated for each engine from the rows that it is fitted to; the widths here are where
that estimate starts, and count as much as :data:`COUNTED_AS` steps.
"""

from __future__ import annotations

from typing import NamedTuple

LEVELS = ("engine", "backend", "hardware", "build", "device", "model")
"""What a constant is the sum of, in logarithms."""


class Prior(NamedTuple):
    """Prior of one constant.

    Attributes
    ----------
    value : the engine's, before any measurement. [1] or [s]
    engine : standard deviation of its logarithm.
    backend, hardware, build, device, model : standard deviation of the steps; 0: there are none.
    """

    value: float
    engine: float
    backend: float = 0.0
    hardware: float = 0.0
    build: float = 0.0
    device: float = 0.0
    model: float = 0.0

    @property
    def widths(self) -> dict[str, float]:
        """The levels that it has, with their widths."""
        return {level: width for level, width in zip(LEVELS, self[1:], strict=True) if width}


PRIORS = {
    "weight_bandwidth": Prior(0.85, 0.1, 0.1, 0.1, 0.05, 0.05),
    "slower_eight": Prior(1.0, 0.1, 0.05, 0.05),
    "slower_eight_block": Prior(1.15, 0.1, 0.05, 0.05),
    "slower_four": Prior(1.0, 0.1, 0.05, 0.05),
    "slower_float4": Prior(1.0, 0.1, 0.05, 0.05),
    "slower_k_quant": Prior(1.0, 0.2, 0.1, 0.1),
    "slower_codebook": Prior(1.2, 0.3, 0.1, 0.1),
    "slower_wide_experts": Prior(1.0, 0.2, 0.1, 0.1),
    "few_tokens": Prior(1.0, 0.2, 0.1, 0.1),
    "cache_bandwidth": Prior(0.75, 0.2, 0.1, 0.1, 0.1),
    "kernel": Prior(3.5e-6, 0.4, 0.3, 0.2, 0.2, 0.1),
    "multiply_rate": Prior(0.55, 0.2, 0.2, 0.2, 0.1, 0.1),
    "slower_multiply_eight": Prior(1.3, 0.2, 0.1, 0.1),
    "slower_multiply_eight_block": Prior(1.4, 0.2, 0.1, 0.1),
    "slower_multiply_four": Prior(1.6, 0.2, 0.1, 0.1),
    "padding_rows": Prior(32.0, 0.4, 0.2, 0.2),
    "unpack_rate": Prior(4.0, 0.5, 0.2, 0.2),
    "attend_rate": Prior(0.4, 0.2, 0.1, 0.1, 0.1),
    "exchange": Prior(5e-6, 0.4, 0.2, 0.2),
    "exchange_without_switch": Prior(5e-6, 0.5, 0.2, 0.2),
    "link_bandwidth": Prior(0.5, 0.4, 0.2, 0.2),
    "sequence": Prior(2e-5, 0.5, 0.2, 0.2, 0.2),
    "host": Prior(5e-4, 0.5),
    "interference": Prior(0.9, 0.1),
    "request": Prior(0.02, 0.5, 0.2, 0.2, 0.2),
    "wait": Prior(0.05, 0.7, 0.5, 0.5, 0.2),
    "decode_of_model": Prior(1.0, 0.01, model=0.05),
    "prefill_of_model": Prior(1.0, 0.01, model=0.1),
}

COUNTED_AS = 3.0
"""So many steps more, as wide as the priors say, count in the estimate of a level's width. [1]"""

MOST_WIDER = 2.5
"""A level is at most so many times as wide as its prior: one odd device must not say how far all may differ. [1]"""

NOISE = 0.12
"""Scale of a measurement's logarithm around its expectation, before it is estimated for each kind of row."""

NOISE_ROWS = 50.0
"""So many rows more, of that scale, count in the estimate. [1]"""

TAILS = 4.0
"""Degrees of freedom of the t distribution that rows are drawn from."""

SERIES_WEIGHT = 5.0
"""What all rows of one series count together: they are off together, not one by one."""

FIRST_TOKEN_WEIGHT = 0.2
"""What a time to first token counts beside other rows: it depends most on how clients send requests."""


CROWD_WEIGHT = 0.4
"""What a row of a public score board counts: drivers, power limits and other load are unknown."""
