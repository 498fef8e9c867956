"""Write docs/accuracy.md from the engine specs; with --check, fail if it is out of date."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from roofline.specs import EngineSpec, load_engine, names
from roofline.specs.speed import Fold

FEW_HELD = 0.8
"""Share of a group below which it is said why its interval held so few."""

EXPLAINED = {
    ("llama.cpp", "dgx-spark"): "kernels take half of what they take on other CUDA devices",
    (
        "llama.cpp",
        "m2-ultra",
    ): "the one Apple device with batches, experts and MXFP4; of others mostly Llama 7B is known",
    ("llama.cpp", "strix-halo"): "nearly alone in its two classes",
    ("llama.cpp", "metal unified"): "no other class multiplies in vector units only, and with so much of its peak",
    ("llama.cpp", "llama-2-7b"): "many devices are known by this model only, and are left out with it",
    ("llama.cpp", "llama-3.2-1b"): "many devices are known by this model and one more, on a board that anyone adds to",
    ("llama.cpp", "gpt-oss-120b"): "beside its smaller sister the only model with MXFP4 experts",
    ("vllm", "cuda gddr"): "the one class without a switch between devices, and of hybrid models in NVFP4",
    ("vllm", "cuda unified"): "DGX Spark alone",
    ("vllm", "gpt-oss-120b"): "beside its smaller sister the only model with MXFP4 experts",
    ("vllm", "qwen3-32b"): "one series of one source, all of it slower than other dense models",
    ("tensorrt-llm", "gpt-oss-120b"): "the only model with MXFP4 experts; builds of its first months",
    ("tensorrt-llm", "llama-3.1-70b"): "the one dense model between 32 and 70 billion, NVFP4 on one device",
}
"""Why intervals held few of a group, by engine and a name in the group."""


TARGET = Path(__file__).parent.parent / "docs" / "accuracy.md"

HEAD = """# How far off the expected is

Written by `python scripts/accuracy.py` from the engine specs, which `roofline fit --write` writes from
`measurements/`. "Left out" says what the fit had not seen when it was asked: nothing (in sample), the cell of a device
and a model, the device, the model, or the class of hardware (backend and kind of memory); "held out" are rows of
sources that no constant has been fitted to. Errors are |expected - measured| / measured, rates as rates and times as
times; bias is that of the expected time. A group is what was left out (a device in sample); "of groups" is the median
of the groups' medians, in which one device with 800 rows counts no more than another with five. "Held" is the share of
rows, and the mean share of the groups, within the interval of level 90 % that the residuals of the *other* groups
give. Rows with experts, stages or data in parallel are not fitted and not counted here.

## What had been seen when choices were made

Widths of the levels and the noise of each kind of row are estimated from the rows that are fitted (empirical Bayes).
Folds estimate them anew, but start from the fit of all rows, of which some may remain in these few hyperparameters.

Decided from residuals in sample: that unpacking in vector units, the slow 16-bit experts of llama.cpp, whole tiles in
batches above 8 and a factor for each model are modelled. Decided from left-out cells of SGLang, TensorRT-LLM and vLLM,
while the errors on left-out devices and models were in view: the weight of a series, the weight of first tokens, and
what priors count in the estimate of noise. The spread of intervals for few groups was one of three that were compared
by their coverage for SGLang and TensorRT-LLM. How wide the steps of kernels are before measurements say otherwise, and
that no level may be more than 2.5 times as wide, was decided from the errors on Strix Halo and on left-out devices of
vLLM. A model in which each series has an offset of its own was tried and dropped, since it put whole sources aside.
The kernel counts were fixed before the first fit here, but follow earlier work that had seen residuals of some of
these models. The rows set aside in `measurements/` contradict themselves or their neighbours, as each says; they were
found among the largest residuals.

Sources are held out by a rule that sees no results (`measurements/held_out.toml`). Fits before that list was frozen
had seen them, and some of their residuals had been looked at, so they are not blind for what is older than the list.
"""


def page() -> str:
    """Return the page."""
    lines = [line for name in names("engine") for line in _engine(load_engine(name))]
    return HEAD + "\n" + "\n".join(lines)


def _engine(spec: EngineSpec) -> Iterator[str]:
    f = spec.fitted
    if f is None:
        return
    first = f.constants["weight_bandwidth"]
    seen = f"{f.rows:,} rows of {f.sources} sources, {len(f.models)} models, {len(first.by_device)} devices"
    yield from [f"## {spec.title}", "", f"{seen}, {len(first.by_hardware)} classes of hardware; fitted {f.date}.", ""]
    yield "| time | left out | rows | groups | median error | of groups | p90 | bias | held: rows | groups |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    for a in sorted(f.accuracy, key=lambda a: a.metric):
        held = "|" if a.coverage is None else f"{a.coverage:.0%} | {a.coverage_of_groups:.0%}"
        errors = f"{a.median_ape:.1%} | {a.median_of_groups:.1%} | {a.p90_ape:.0%} | {a.bias:+.0%}"
        yield f"| {a.metric} | {a.left_out} | {a.rows:,} | {a.groups} | {errors} | {held} |"
    yield ""
    if f.folds:
        yield from ["Groups of more than 50 rows, each left out:", ""]
        yield from [
            "| time | left out | | rows | median error | bias | held | where below 80 %: why |",
            "|---|---|---|---:|---:|---:|---:|---|",
        ]
        for g in sorted(f.folds, key=lambda g: (g.metric, g.left_out, -g.rows)):
            figures = f"{g.rows} | {g.median_ape:.1%} | {g.bias:+.0%} | {g.coverage:.0%}"
            yield f"| {g.metric} | {g.left_out} | {g.group} | {figures} | {_why(spec.name, g)} |"
        yield ""


def _why(engine: str, g: Fold) -> str:
    """Return why its interval held few of a group's rows; nothing where it held enough."""
    if g.coverage >= FEW_HELD:
        return ""
    reasons = [why for (who, name), why in EXPLAINED.items() if who == engine and name in g.group]
    return reasons[0] if reasons else f"off as one, by {g.bias:+.0%}"


def main() -> int:
    """Write or check the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    if not parser.parse_args().check:
        TARGET.write_text(page(), encoding="utf-8")
        return 0
    if TARGET.read_text(encoding="utf-8") != page():
        sys.stderr.write("docs/accuracy.md is out of date: run 'python scripts/accuracy.py'\n")
        return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
