"""The formulas: work of single operations and the times that a machine needs for it.

Each formula is written once, takes keyword-only numbers in SI units, and works for floats, numpy arrays and sympy
symbols alike. It never sees a spec.
"""

from roofline.ops.attention import (
    attended_pairs,
    attended_pairs_in_chunk,
    attended_pairs_in_window,
    attention,
    compressed_pairs,
    entries_of,
    latent_attention,
    tokens_in_chunk,
    tokens_in_window,
)
from roofline.ops.collectives import crossing_bytes, exchanged_bytes
from roofline.ops.cost import Cost
from roofline.ops.expectation import (
    first_token_seconds,
    interrupted_step_seconds,
    pipelined_share,
    smooth_maximum,
)
from roofline.ops.experts import distinct_experts, routed_experts
from roofline.ops.matrix import matrix
from roofline.ops.memory import sequences_that_fit, tokens_that_fit
from roofline.ops.recurrence import gated_delta_rule, state_space
from roofline.ops.roofs import compute_seconds, ridge_point, stream_seconds, tiered_stream_seconds

__all__ = [
    "Cost",
    "attended_pairs",
    "attended_pairs_in_chunk",
    "attended_pairs_in_window",
    "attention",
    "compressed_pairs",
    "compute_seconds",
    "crossing_bytes",
    "distinct_experts",
    "entries_of",
    "exchanged_bytes",
    "first_token_seconds",
    "gated_delta_rule",
    "interrupted_step_seconds",
    "latent_attention",
    "matrix",
    "pipelined_share",
    "ridge_point",
    "routed_experts",
    "sequences_that_fit",
    "smooth_maximum",
    "state_space",
    "stream_seconds",
    "tiered_stream_seconds",
    "tokens_in_chunk",
    "tokens_in_window",
    "tokens_that_fit",
]
