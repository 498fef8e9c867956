"""Time one estimate of other public models of LLM inference beside ours: ``python scripts/compare_peers.py``.

Each peer is asked what it answers best, one decode step of Llama 3.1 8B on an H100, for several batches; peers that are
not installed are passed over and named. Versions tried: llm-analysis 0.2.2, GenZ 0.0.16.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

BATCHES = range(1, 21)
CONTEXT = 2048

CONFIG = {
    "model_type": "llama",
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "num_attention_heads": 32,
    "num_key_value_heads": 8,
    "num_hidden_layers": 32,
    "vocab_size": 128256,
    "max_position_embeddings": 131072,
}
"""Llama 3.1 8B, for peers that take shapes. Source: huggingface.co/meta-llama/Llama-3.1-8B, config.json."""


def ours() -> float:
    """Return seconds of one of our predictions: decode, prefill, memory, with the speed to expect."""
    import roofline

    roofline.predict("llama-3.1-8b", "h100-sxm", engine="vllm")
    return _each(
        lambda batch: roofline.predict("llama-3.1-8b", "h100-sxm", engine="vllm", batch=batch, context=CONTEXT)
    )


def our_sweep() -> float:
    """Return seconds of one point of a sweep over a million."""
    import numpy as np

    import roofline

    axes = {"batch": np.arange(1, 1001), "context": np.arange(0, 100_000, 100)}
    start = time.perf_counter()
    found = roofline.sweep("llama-3.1-8b", "h100-sxm", engine="vllm", **axes)
    return (time.perf_counter() - start) / found.size


def llm_analysis() -> float:
    """Return seconds of one estimate of llm-analysis (https://github.com/cli99/llm-analysis)."""
    analysis = importlib.import_module("llm_analysis.analysis")
    config = importlib.import_module("llm_analysis.config")
    logging.disable(logging.CRITICAL)
    shape = {
        "name": "llama",
        "num_layers": CONFIG["num_hidden_layers"],
        "n_head": CONFIG["num_attention_heads"],
        "hidden_dim": CONFIG["hidden_size"],
        "vocab_size": CONFIG["vocab_size"],
        "max_seq_len": CONFIG["max_position_embeddings"],
        "num_key_value_heads": CONFIG["num_key_value_heads"],
        "expansion_ratio": CONFIG["intermediate_size"] / CONFIG["hidden_size"],  # a width would have to divide
        "model_type": "llama",
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "llama.json"
        path.write_text(json.dumps(shape))
        model = config.get_model_config_by_name(str(path))
    gpu = config.get_gpu_config_by_name("h100-sxm-80gb")
    types = config.get_dtype_config_by_name("w16a16e16")
    made = analysis.LLMAnalysis(model, gpu, types)
    return _each(lambda batch: made.inference(batch_size_per_gpu=batch, seq_len=CONTEXT, num_tokens_to_generate=1))


def genz() -> float:
    """Return seconds of one estimate of GenZ (https://github.com/abhibambhaniya/GenZ-LLM-Analyzer)."""
    decode = importlib.import_module("GenZ.LLM_inference").decode_moddeling
    shape = {"input_tokens": CONTEXT, "output_tokens": 0, "Bb": 1, "system_name": "H100_GPU", "bits": "bf16"}
    return _each(lambda batch: decode(model="meta-llama/Llama-3.1-8B", batch_size=batch, **shape))


def _each(estimate: Callable[[int], object]) -> float:
    """Return seconds of one estimate, the median over batches; what peers print is not shown."""
    spent = []
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        for batch in BATCHES:
            start = time.perf_counter()
            estimate(batch)
            spent.append(time.perf_counter() - start)
    return sorted(spent)[len(spent) // 2]


def main() -> None:
    """Print a line for each."""
    warnings.simplefilter("ignore")
    for name, measure in (
        ("roofline.sweep", our_sweep),
        ("roofline.predict", ours),
        ("llm-analysis", llm_analysis),
        ("GenZ", genz),
    ):
        try:
            seconds = measure()
        except ImportError as error:
            sys.stdout.write(f"{name:18} not installed ({error})\n")
            continue
        sys.stdout.write(f"{name:18} {seconds * 1e6:12,.2f} µs for each point\n")


if __name__ == "__main__":
    main()
