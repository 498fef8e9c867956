"""Where each constant is expected before any measurement is seen, and how far hardware, builds and devices may differ.

A constant's logarithm is a sum: the engine's value, a step for the class of hardware, one for the period of the build,
one for the device. Each is drawn towards its prior (the engine's) or towards zero (the steps) as far as measurements do
not say otherwise. The numbers were set from what single operations take in published tables before any residual of
whole models had been seen, and are the same for all engines.
"""

from __future__ import annotations

from typing import NamedTuple


class Prior(NamedTuple):
    """Prior of one constant.

    Attributes
    ----------
    value : the engine's, before any measurement. [1] or [s]
    engine : standard deviation of its logarithm.
    hardware, build, device : standard deviation of the steps; 0: there are none.
    """

    value: float
    engine: float
    hardware: float = 0.0
    build: float = 0.0
    device: float = 0.0


PRIORS = {
    "weight_bandwidth": Prior(0.85, 0.15, 0.08, 0.05, 0.08),
    "slower_eight": Prior(1.0, 0.1, 0.08),
    "slower_eight_block": Prior(1.15, 0.15, 0.1),
    "slower_four": Prior(1.0, 0.12, 0.1),
    "slower_float4": Prior(1.0, 0.15, 0.1),
    "slower_k_quant": Prior(1.0, 0.12, 0.1),
    "slower_codebook": Prior(1.2, 0.2, 0.1),
    "few_tokens": Prior(1.0, 0.2, 0.2),
    "cache_bandwidth": Prior(0.7, 0.3, 0.25, 0.15),
    "kernel": Prior(3e-6, 0.5, 0.25, 0.25, 0.12),
    "multiply_rate": Prior(0.5, 0.6, 0.4, 0.25, 0.25),
    "slower_multiply_eight": Prior(1.3, 0.3, 0.3),
    "slower_multiply_eight_block": Prior(1.4, 0.3, 0.3),
    "slower_multiply_four": Prior(1.6, 0.4, 0.3),
    "padding_rows": Prior(32.0, 0.8, 0.4),
    "attend_rate": Prior(0.35, 0.6, 0.4, 0.2),
    "exchange": Prior(5e-6, 0.4, 0.2),
    "exchange_without_switch": Prior(5e-6, 0.5, 0.3),
    "link_bandwidth": Prior(0.5, 0.4, 0.3),
    "sequence": Prior(2e-5, 0.7, 0.3, 0.3),
    "host": Prior(5e-4, 0.4),
    "interference": Prior(0.9, 0.15),
    "request": Prior(0.02, 0.5, 0.4, 0.3),
    "wait": Prior(0.05, 0.7, 1.0, 0.3),
}

NOISE = 0.12
"""Scale of a measurement's logarithm around its expectation; beyond a few of these a row counts less and less."""

TAILS = 4.0
"""Degrees of freedom of the t distribution that rows are drawn from."""

FIRST_TOKEN_WEIGHT = 0.15
"""What a time to first token counts beside other rows: it depends most on how clients send requests."""

REQUEST_WEIGHT = 0.5
"""What a whole run counts: its figure mixes all phases, and often a start and an end with fewer streams."""

CROWD_WEIGHT = 0.4
"""What a row of a public score board counts: drivers, power limits and other load are unknown."""
