"""One domain for each argument name of a formula, and workloads made of real specs."""

from __future__ import annotations

from hypothesis import strategies as st

from roofline.specs import load_device, load_hardware, load_model, names

counts = st.integers(min_value=1, max_value=4096).map(float)
tokens = st.integers(min_value=0, max_value=200_000).map(float)
new_tokens = st.integers(min_value=1, max_value=200_000).map(float)
widths = st.integers(min_value=1, max_value=16_384).map(float)
sizes = st.floats(min_value=1.0, max_value=1e15)
rates = st.floats(min_value=1e6, max_value=1e18)

DOMAINS = {
    "tokens": new_tokens,
    "sequences": counts,
    "new_tokens": new_tokens,
    "cached": tokens,
    "window": new_tokens,
    "pairs": sizes,
    "read_tokens": tokens,
    "parameters": sizes,
    "weight_bytes": sizes,
    "kv_bytes_per_token": sizes,
    "state_bytes": sizes,
    "heads": widths,
    "d_head": widths,
    "d_state": widths,
    "ratio": st.integers(min_value=1, max_value=128).map(float),
    "chunk": new_tokens,
    "d_key": widths,
    "d_value": widths,
    "d_nope": widths,
    "d_rope": widths,
    "d_model": widths,
    "kv_rank": widths,
    "distinct": counts,
    "top_k": st.integers(min_value=1, max_value=64).map(float),
    "experts": st.integers(min_value=64, max_value=1024).map(float),
    "blocks": counts,
    "node_devices": st.integers(1, 128),
    "devices": counts,
    "state_reads": st.sampled_from([0.0, 1.0]),
    "element_bytes": st.sampled_from([0.5, 1.0, 2.0, 4.0]),
    "moved_bytes": sizes,
    "kept_bytes": st.floats(min_value=0.0, max_value=1e12),
    "bytes_per_s": rates,
    "flop": sizes,
    "flop_per_s": rates,
    "room_bytes": sizes,
    "bytes_per_sequence": sizes,
    "x": st.floats(min_value=1e-6, max_value=1e6),
    "y": st.floats(min_value=1e-6, max_value=1e6),
    "exponent": st.sampled_from([2.0, 2.5, 3.0, 4.0]),
    "passes": counts,
    "stages": counts,
    "step": st.floats(min_value=1e-6, max_value=1e3),
    "prefill": st.floats(min_value=1e-6, max_value=1e3),
    "streams": counts,
    "output": counts,
    "share": st.floats(min_value=0.1, max_value=1.5),
    "request": st.floats(min_value=1e-6, max_value=1.0),
    "wait": st.floats(min_value=0.0, max_value=1.0),
    "unbounded_bytes_per_token": st.floats(min_value=1.0, max_value=1e7),
}

SEQUENCES = {
    # formula, argument -> length of the list it takes
    ("tiered_stream_seconds", "bytes_per_s"): (2, rates),
    ("tiered_stream_seconds", "capacity_bytes"): (1, sizes),
    ("tokens_that_fit", "windowed_bytes_per_token"): (1, st.floats(min_value=1.0, max_value=1e7)),
    ("tokens_that_fit", "windows"): (1, new_tokens),
}

LONGEST_CONTEXT = 32_000
models = st.sampled_from(
    [name for name in names("model") if load_model(name).architecture.max_context >= 2 * LONGEST_CONTEXT]
)
hardware = st.sampled_from([name for name in names("hardware") if load_device(load_hardware(name)).compute])
weights = st.sampled_from(
    ["native", "bf16", "fp8", "nvfp4", "mxfp4", "q8_0", "q4_k_m", "iq4_xs", "iq2_xxs", "int4-awq"]
)
caches = st.sampled_from(["bf16", "fp8", "q8_0", "q4_0"])
batches = st.integers(min_value=1, max_value=512)
contexts = st.integers(min_value=0, max_value=LONGEST_CONTEXT)
