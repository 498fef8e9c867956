"""From a row of measurements to the call whose expected speed it is compared with."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from roofline import measurements
from roofline.errors import RooflineError, UnknownNameError
from roofline.loading import load_model
from roofline.measurements import Measurement
from roofline.specs import load_hardware
from roofline.specs.catalog import is_path


class UnresolvedError(Exception):
    """A row that cannot become a call; the text says why, and is counted."""


KINDS = {
    "decode_tok_per_s": "decode",
    "decode_tok_per_s_total": "decode",
    "prefill_tok_per_s": "prefill",
    "tpot_s": "per token",
    "ttft_s": "first token",
    "output_tok_per_s": "request",
    "total_tok_per_s": "request",
}
"""What of an engine's speed each metric measures."""

USUAL_OUTPUT = 256
"""Tokens of an answer where a row does not say, for times that hardly depend on it. [token]"""


def built_of(row: Measurement) -> str:
    """Return when the engine of a row was built, as YYYY or YYYY-MM, as far as the row's date says."""
    return row.date[:7] if row.date[:2] == "20" else ""


def expected_call(row: Measurement) -> dict[str, Any]:
    """Return the arguments of the prediction whose expected speed a row is compared with.

    Raises
    ------
    UnresolvedError
        The row leaves out what its metric cannot do without.
    """
    require(row)
    served = KINDS[row.metric] in {"per token", "first token", "request"}
    if (served or KINDS[row.metric] == "prefill") and not row.prompt_tokens:
        raise UnresolvedError("prompt length not stated")
    if served and row.batch is None and row.metric != "ttft_s":
        raise UnresolvedError("concurrency not stated")
    if KINDS[row.metric] == "request" and not row.output_tokens:
        raise UnresolvedError("output length not stated")
    call: dict[str, Any] = {
        "model": load_spec(load_model, row, "model"),
        "hardware": load_spec(load_hardware, row, "hardware"),
        "devices": row.devices or 1,
        "weights": row.weights,
        "kv": row.kv or None,
        "weights_bytes": row.weights_bytes,
        "engine": row.engine,
        "backend": row.backend or None,
        "built": built_of(row) or None,
        "mode": row.mode or None,
        "batch": 1 if served else row.batch or 1,
        "context": 0,
        "cached": 0,
        "prompt": None,
        "output": None,
        "concurrency": None,
        **{name: getattr(row, name) for name in ("tp", "ep", "pp", "dp")},
    }
    if KINDS[row.metric] == "decode":
        start = row.context if row.context is not None else row.prompt_tokens or 0
        return call | {"context": start + (row.output_tokens or 0) // 2}
    call |= {"prompt": row.prompt_tokens, "cached": row.context or 0}
    if served:
        call |= {"concurrency": row.batch or 1, "output": row.output_tokens or USUAL_OUTPUT}
    return call


def set_aside(row: Measurement) -> None:
    """Refuse a row that the schema sets aside.

    Raises
    ------
    UnresolvedError
        The row has a reason not to be evaluated.
    """
    if row.why_excluded:
        raise UnresolvedError("why_excluded")
    if row.anomaly:
        raise UnresolvedError("anomaly")
    if row.note.startswith("cpu_offload:"):
        raise UnresolvedError("cpu_offload")
    if _context_parallel(row):
        raise UnresolvedError("context_parallel")
    if row.speculative not in {"", "none"}:
        raise UnresolvedError(f"speculative: {row.speculative}")


def _context_parallel(row: Measurement) -> bool:
    """Whether tokens of a sequence are spread over devices; of degree 1, speeds are set aside, amounts are not."""
    several = r"context parallel (?!1\b)" if row.metric in measurements.AMOUNTS else "context parallel"
    return row.source == "context_parallel" or re.search(several, row.note.lower()) is not None


def load_spec(load: Callable[[str | Path], Any], row: Measurement, kind: str) -> Any:
    """Return the model or hardware of a row.

    Raises
    ------
    UnresolvedError
        It is unknown, or its spec is broken.
    """
    name = getattr(row, kind)
    try:
        return load(row.folder / name if is_path(name) else name)
    except UnknownNameError:
        raise UnresolvedError(f"unknown {kind}: {name}") from None
    except RooflineError as error:
        raise UnresolvedError(f"broken {kind}: {error}") from None


def require(row: Measurement) -> None:
    """Set the row aside if it leaves out what its metric cannot do without.

    Raises
    ------
    UnresolvedError
        It does.
    """
    amount = row.metric in measurements.AMOUNTS
    whole_run = row.metric in {"output_tok_per_s", "total_tok_per_s"}
    missing = {
        "hardware or model": not (row.hardware and row.model),
        "weights": not row.weights,
        "devices": row.devices is None and not amount,
        "batch of a whole run": whole_run and row.batch is None,
        "prompt length": row.metric == "total_tok_per_s" and not row.prompt_tokens,
        "output length": row.metric == "total_tok_per_s" and not row.output_tokens,
    }
    for what, is_missing in missing.items():
        if is_missing:
            raise UnresolvedError(f"{what} not stated")
