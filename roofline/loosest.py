"""From a row of measurements to the prediction whose ceiling is the loosest that the row allows."""

from __future__ import annotations

from typing import Any

from roofline import measurements
from roofline._predict import predict
from roofline._remember import remember
from roofline.amounts import amount_options
from roofline.calls import UnresolvedError, load_spec, require
from roofline.errors import FileSizeError, RooflineError, TooLongError, UnknownNameError
from roofline.formats import lookup
from roofline.loading import load_model
from roofline.measurements import Measurement
from roofline.results import Prediction, Prefill
from roofline.specs import load_engine, load_hardware, names


def loosest_prediction(row: Measurement) -> Prediction:
    """Return the prediction whose ceiling is the loosest that the row allows.

    Raises
    ------
    UnresolvedError
        The row leaves out what its metric cannot do without, or names what is not known.
    """
    require(row)
    model, hardware = load_spec(load_model, row, "model"), load_spec(load_hardware, row, "hardware")
    options = _options(row)
    try:
        if row.metric == "prefill_tok_per_s" and not row.prompt_tokens:
            options["prompt"] = _fastest_prompt(model, hardware, options)
        return predict(model, hardware, **options)
    except UnknownNameError:
        raise UnresolvedError(f"unknown weights or cache format: {row.weights} {row.kv}".rstrip()) from None
    except FileSizeError:
        raise UnresolvedError("weights_bytes is not that of the recipe") from None
    except TooLongError:
        raise UnresolvedError("longer than the model's published maximum") from None
    except RooflineError as error:
        raise UnresolvedError(f"refused: {error}") from None


def _fastest_prompt(model: Any, hardware: Any, options: dict[str, Any]) -> int:
    """Return the length of prompts that can be read at the highest rate.

    Longer prompts share the reading of the weights among more tokens; but each token attends to more others. So the
    rate grows while memory bounds it, and falls where compute does.
    """

    def ceiling(prompt: int) -> Prefill:
        asked: dict[str, Any] = options | {"prompt": prompt}
        return predict(model, hardware, **asked).prefill

    shortest, longest = 1, load_model(model).architecture.max_context - options["cached"]
    while shortest < longest:
        middle = (shortest + longest) // 2
        if ceiling(middle).bound == "memory":
            shortest = middle + 1
        else:
            longest = middle
    return max((shortest, max(shortest - 1, 1)), key=lambda n: ceiling(n).ceiling.tokens_per_s)


def _options(row: Measurement) -> dict[str, Any]:
    """Return the options of the call; what is not stated takes the value that makes the ceiling loosest."""
    if row.metric in measurements.AMOUNTS:
        return amount_options(row)
    prompt = row.prompt_tokens or None
    options: dict[str, Any] = {
        "devices": row.devices or 1,
        "weights": row.weights,
        "kv": row.kv or _narrowest_cache(row.engine),
        "batch": 1 if row.metric in measurements.TIMES else row.batch or 1,
        "weights_bytes": row.weights_bytes,
    }
    if row.metric in {"decode_tok_per_s", "decode_tok_per_s_total", "tpot_s"}:
        return options | {"context": row.context if row.context is not None else prompt or 0}
    if row.metric in {"output_tok_per_s", "total_tok_per_s"}:
        return options | _requests(row, prompt)
    return options | {"prompt": prompt or 1, "cached": row.context or 0}


def _requests(row: Measurement, prompt: int | None) -> dict[str, int | None]:
    """Return what is served; of an answer of unknown length only the first token counts, after a prompt of one."""
    if row.output_tokens:
        return {"concurrency": row.batch, "prompt": prompt or 1, "output": row.output_tokens}
    return {"concurrency": row.batch, "prompt": 1, "output": 1}


@remember
def is_known(name: str) -> bool:
    """Whether an engine of that name has a spec."""
    return name in names("engine")


@remember
def _narrowest_cache(engine: str) -> str:
    """Return the narrowest cache format that the engine has, or that any has where it is unknown."""
    known = [engine] if is_known(engine) else names("engine")
    formats = [lookup(name) for spec in known for name in load_engine(spec).cache_formats.value]
    return min(formats, key=lambda f: (f.bits_per_element, f.element_bits)).name


def ceiling_of(row: Measurement, p: Prediction) -> float | None:
    """Return the ceiling of a row in its metric's own unit; None for amounts, which have none."""
    best = {
        "decode_tok_per_s": p.decode.ceiling.tokens_per_s_per_stream,
        "decode_tok_per_s_total": p.decode.ceiling.tokens_per_s,
        "tpot_s": p.decode.ceiling.seconds_per_step,
        "prefill_tok_per_s": p.prefill.ceiling.tokens_per_s,
        "ttft_s": p.prefill.ceiling.seconds,
    }
    if p.serving:
        best["output_tok_per_s"] = p.serving.output_tok_per_s.ceiling
        best["total_tok_per_s"] = p.serving.total_tok_per_s.ceiling
    return best.get(row.metric)
