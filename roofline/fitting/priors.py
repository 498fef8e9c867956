"""Where each constant is expected before any measurement is seen, and how far hardware, builds and devices may differ.

A constant's logarithm is a sum: the engine's value, a step for the class of hardware, one for the period of the build,
one for the device. Each is drawn towards its prior (the engine's) or towards zero (the steps) as far as measurements do
not say otherwise. The values follow what single operations take in published tables; the widths and the weights of
rows were chosen among some fifteen settings by the errors on left-out models and devices of three servers: those
errors are not blind. They are the same for all engines but for WIDER.
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
    "weight_bandwidth": Prior(0.85, 0.08, 0.06, 0.03, 0.02),
    "slower_eight": Prior(1.0, 0.05, 0.04),
    "slower_eight_block": Prior(1.15, 0.08, 0.05),
    "slower_four": Prior(1.0, 0.06, 0.05),
    "slower_float4": Prior(1.0, 0.08, 0.05),
    "slower_k_quant": Prior(1.0, 0.12, 0.1),
    "slower_codebook": Prior(1.2, 0.2, 0.1),
    "few_tokens": Prior(1.0, 0.1, 0.1),
    "cache_bandwidth": Prior(0.75, 0.1, 0.08, 0.06),
    "kernel": Prior(3.5e-6, 0.3, 0.2, 0.12, 0.035),
    "multiply_rate": Prior(0.55, 0.13, 0.13, 0.1, 0.05),
    "slower_multiply_eight": Prior(1.3, 0.15, 0.15),
    "slower_multiply_eight_block": Prior(1.4, 0.15, 0.15),
    "slower_multiply_four": Prior(1.6, 0.2, 0.15),
    "padding_rows": Prior(32.0, 0.4, 0.2),
    "attend_rate": Prior(0.4, 0.15, 0.1, 0.1),
    "exchange": Prior(5e-6, 0.4, 0.2),
    "exchange_without_switch": Prior(5e-6, 0.5, 0.3),
    "link_bandwidth": Prior(0.5, 0.4, 0.3),
    "sequence": Prior(2e-5, 0.2, 0.1, 0.12),
    "host": Prior(5e-4, 0.4),
    "interference": Prior(0.9, 0.08),
    "request": Prior(0.02, 0.5, 0.4, 0.2),
    "wait": Prior(0.05, 0.7, 1.0, 0.2),
}

WIDER = {"llama.cpp": 2.5, "mlx": 2.5}
"""Factor on the width of an engine's steps: these run on everything, with code of its own for every kind of device."""

NOISE = 0.12
"""Scale of a measurement's logarithm around its expectation; beyond a few of these a row counts less and less."""

TAILS = 4.0
"""Degrees of freedom of the t distribution that rows are drawn from."""

GROUP_WEIGHT = 5.0
"""What all rows of one model on one device in one source count together: they are off together, not one by one."""

FIRST_TOKEN_WEIGHT = 0.05
"""What a time to first token counts beside other rows: it depends most on how clients send requests."""

REQUEST_WEIGHT = 0.5
"""What a whole run counts: its figure mixes all phases, and often a start and an end with fewer streams."""

CROWD_WEIGHT = 0.4
"""What a row of a public score board counts: drivers, power limits and other load are unknown."""
