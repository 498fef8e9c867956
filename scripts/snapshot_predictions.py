"""Rewrite ``tests/golden/predictions.csv``, a snapshot of our own numbers.

Run as ``python scripts/snapshot_predictions.py`` when predictions are meant to move; the difference is then reviewed,
and ``CHANGELOG.md`` says what moved and why.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import roofline
from roofline.specs import load_model, names

PATH = Path(__file__).parent.parent / "tests" / "golden" / "predictions.csv"
HEADER = "# Our own numbers, not published ones: a difference means that predictions moved.\n"
FIELDS = (
    "memory.weights_bytes",
    "memory.kv_bytes",
    "memory.max_context",
    "decode.bytes_per_token",
    "decode.flop_per_token",
    "decode.bound",
    "decode.ceiling.tokens_per_s",
    "decode.streaming.tokens_per_s",
    "decode.uniform.tokens_per_s",
    "prefill.ceiling.tokens_per_s",
)
WORKLOADS = ((1, 0), (32, 4096))
"""Batch, and cached tokens of each sequence as far as the model goes."""
WEIGHTS = ("native", "q4_k_m")
BOXES = ("dgx-spark", "h100-sxm", "sn40l-16")
MODELS = ("llama-3.1-8b", "minimax-m2.7")
MACHINES = ("b200-sxm", "h200-sxm", "m3-ultra", "rtx-4090", "rtx-pro-6000", "sn40l", "strix-halo")
"""One or two of each kind: the whole catalogue would make a file that nobody reviews."""


def rows() -> Iterator[list[str]]:
    """Yield the header, then every model on a few machines, and a few models on more of them."""
    yield ["model", "hardware", "weights", "batch", "context", *FIELDS]
    pairs = [(model, hardware) for model in names("model") for hardware in BOXES]
    pairs += [(model, hardware) for model in MODELS for hardware in MACHINES]
    for model, hardware in pairs:
        for weights in WEIGHTS:
            for batch, context in WORKLOADS:
                work = {"batch": batch, "context": min(context, load_model(model).architecture.max_context)}
                p = roofline.predict(model, hardware, weights=weights, **work)
                yield [model, hardware, weights, *map(str, work.values()), *(_text(p, field) for field in FIELDS)]


def _text(p: object, field: str) -> str:
    for part in field.split("."):
        p = getattr(p, part)
    return f"{p:.10g}" if isinstance(p, float) else str(p)


def snapshot() -> str:
    """Return the file's text."""
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows())
    return HEADER + out.getvalue()


if __name__ == "__main__":
    PATH.write_text(snapshot(), encoding="utf-8")
