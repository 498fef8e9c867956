"""``roofline predict``: the ceiling of a model on a machine."""

from __future__ import annotations

import argparse
from typing import Any

import roofline
from roofline import units
from roofline.cli import output
from roofline.errors import UnitError

COUNTS = {
    "devices": "how many devices; multiplies a count in HARDWARE",
    "batch": "sequences that decode, or are read, together",
    "context": "tokens in the cache of each when it decodes",
    "prompt": "tokens of each prompt that prefill reads",
    "output": "tokens that each request generates",
    "cached": "tokens of each prompt that are in the cache already",
    "concurrency": "streams kept busy; needs --prompt and --output",
    "tp": "devices that share each layer (tensor parallel)",
    "ep": "expert parallel degree",
    "pp": "pipeline parallel degree",
    "dp": "data parallel degree",
}

TEXTS = {
    "weights": "recipe of the weights, as ud-iq4_xs, nvfp4, q4_k_m; default: the published checkpoint's own",
    "kv": "format of the cache, as fp8, q8_0, q4_0; default: what the checkpoint states, else 16 bits",
    "engine": "serving engine, as llama.cpp: the speed to expect of it, and its own memory",
    "backend": "what the engine runs on, as cuda, rocm, vulkan, metal; default: as usual on the hardware",
    "built": "when the engine was built, as 2025 or 2025-03; default: the newest that was measured",
    "mode": "graph or eager; default: graph",
}


def count(text: str) -> int:
    """Return a count; argparse turns the error into one sentence."""
    try:
        return units.count(text)
    except UnitError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def add(verbs: argparse._SubParsersAction) -> None:
    """Add the verb to the command line."""
    parser = verbs.add_parser(
        "predict",
        help="the ceiling of MODEL on HARDWARE, what fits, and why",
        description="The ceiling of MODEL on HARDWARE, what fits, and why.",
        epilog="Counts may be written 131072, 131_072 or 128k (= 131072).",
    )
    add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="the numbers in SI units, unrounded, as JSON")
    parser.add_argument("--strict", action="store_true", help="exit with 3 if it does not fit")
    parser.set_defaults(run=run)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of :func:`roofline.predict`."""
    parser.add_argument("model", metavar="MODEL", help="name, spec, config.json, folder, .gguf or hf:org/name")
    parser.add_argument(
        "hardware", metavar="HARDWARE", nargs="+", help="name or spec file, as dgx-spark or 2x rtx-pro-6000"
    )
    for name, text in TEXTS.items():
        parser.add_argument(f"--{name}", metavar=name[0].upper(), help=text)
    for name, text in COUNTS.items():
        parser.add_argument(f"--{name}", type=count, metavar="N", help=text)
    parser.add_argument("--level", type=float, default=0.9, metavar="L", help="level of intervals (default 0.9)")
    parser.add_argument(
        "--memory-share", type=float, metavar="S", help="part of the memory that the engine may take, as 0.9"
    )
    parser.add_argument(
        "--assume-known", action="store_true", help="take config keys that are not understood for harmless"
    )


def predicted(options: argparse.Namespace) -> roofline.Prediction:
    """Return the prediction that the arguments ask for."""
    return roofline.predict(options.model, " ".join(options.hardware), **given(options))


def given(options: argparse.Namespace) -> dict[str, Any]:
    """Return the keyword arguments of :func:`roofline.predict` that were given."""
    found = {name: getattr(options, name) for name in (*TEXTS, *COUNTS, "level", "memory_share", "assume_known")}
    return {name: value for name, value in found.items() if value is not None}


def run(options: argparse.Namespace) -> bool:
    """Print the prediction; False if the model does not fit."""
    prediction = predicted(options)
    output.write(prediction.to_json() if options.json else str(prediction))
    return prediction.memory.fits
