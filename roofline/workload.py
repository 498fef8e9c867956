"""What is asked: the numbers that describe the work and the layout, checked."""

from __future__ import annotations

import operator
from typing import Any, NamedTuple

from roofline._xp import Num, maximum, minimum, where_at_least
from roofline.errors import TooLongError, WorkloadError
from roofline.expected_work import Layout
from roofline.operations import Pass
from roofline.specs import EngineSpec, HardwareSpec, ModelSpec
from roofline.specs.hardware import MOST_DEVICES
from roofline.specs.model import Architecture, Experts
from roofline.specs.token_mixers import GatedDeltaNet, GroupedQuery, ShortConvolution

DEFAULT_PROMPT = 512
"""Prompt length when neither prompt nor context is given, as in llama-bench. [token]"""

LARGEST = {"devices": MOST_DEVICES, "batch": 1_000_000_000, "concurrency": 1_000_000_000}
"""Counts above these are taken for mistakes."""


class Request(NamedTuple):
    """Names and choices, resolved to specs; see :func:`roofline.predict`."""

    model: ModelSpec
    hardware: HardwareSpec
    devices: int
    weights: str | None
    kv: str | None
    engine: EngineSpec | None
    layout: Layout | None
    weights_bytes: float | None
    backend: str = ""
    built: str = ""
    eager: bool = False
    memory_share: float | None = None

    @property
    def tensor_parallel(self) -> int:
        """Devices that share every matrix as far as bounds go; 1 where they count as one pool. [1]"""
        return self.layout.tensor if self.layout and self.layout.plain else 1


class Workload(NamedTuple):
    """The work: whole numbers, or arrays of them that broadcast.

    Attributes
    ----------
    batch : sequences that decode, or are read, together. [1]
    context : tokens in the cache of each when it decodes. [token]
    prompt : tokens of each prompt that prefill reads. [token]
    prompt_given : whether the caller said so, or it is a default.
    output : tokens that each request generates, or None. [token]
    cached : tokens of each prompt that are in the cache already. [token]
    concurrency : streams kept busy, or None. [1]
    """

    batch: Any
    context: Any
    prompt: Any
    prompt_given: bool
    output: Any
    cached: Any
    concurrency: Any

    @property
    def tokens(self) -> Any:
        """The longest that a sequence gets; a default prompt counts only where tokens are cached before it. [token]"""
        start = self.cached + self.prompt
        if not self.prompt_given:
            start = where_at_least(self.cached, 1, start, self.context)
        return maximum(self.context, start + (0 if self.output is None else self.output))


def count(name: str, value: Any, least: int = 1) -> int:
    """Return ``value`` if it is a believable whole number from ``least`` up.

    Raises
    ------
    WorkloadError
        It is not; the message says what is wanted.
    """
    if type(value) is not int:
        if isinstance(value, bool) or not hasattr(value, "__index__"):
            raise WorkloadError(f"{name} is {value!r:.60}, but a whole number from {least} up is wanted")
        value = operator.index(value)
    most = LARGEST.get(name)
    if value < least:
        raise WorkloadError(f"{name} is {value}, but a whole number from {least} up is wanted")
    if most is not None and value > most:
        raise WorkloadError(f"{name} is {value}, but at most {most:,} is believable here")
    return value


def default_prompt(context: Num, cached: Num, longest: int) -> Any:
    """Return the length of prompts that nobody states: the context, else as in llama-bench. [token]"""
    return where_at_least(context, 1, context, minimum(DEFAULT_PROMPT, maximum(longest - cached, 1)))


def prompt_pass(sequences: Num, work: Workload) -> Pass:
    """Return the pass that reads the prompts of ``sequences`` requests; without cached tokens it starts them."""
    return Pass(sequences, work.prompt, work.cached, state_reads=where_at_least(work.cached, 1, 1, 0))


def workload(
    model: ModelSpec, *, batch: Any, context: Any, prompt: Any, output: Any, cached: Any, concurrency: Any
) -> Workload:
    """Return the work, with defaults filled in.

    Raises
    ------
    WorkloadError
        A count is out of range.
    TooLongError
        A sequence is longer than the model's published maximum.
    """
    batch, context, cached = count("batch", batch), count("context", context, 0), count("cached", cached, 0)
    given = prompt is not None
    longest = model.architecture.max_context
    prompt = count("prompt", prompt) if given else default_prompt(context, cached, longest)
    output = None if output is None else count("output", output)
    if concurrency is not None:
        concurrency = count("concurrency", concurrency)
        if not given or output is None:
            raise WorkloadError("concurrency describes served requests, so prompt and output are wanted beside it")
    work = Workload(batch, context, prompt, given, output, cached, concurrency)
    for name, tokens in {"context": context, "cached + prompt": cached + prompt, _longest(work): work.tokens}.items():
        if tokens > longest:
            raise TooLongError(
                f"{name} is {tokens} tokens, but {model.name} takes at most {longest} (its published maximum)"
            )
    return work


def _longest(work: Workload) -> str:
    start = "context" if work.context and not work.prompt_given else "prompt"
    parts = {"cached": work.cached, start: True, "output": work.output}
    return " + ".join(name for name, part in parts.items() if part)


def layout_of(devices: int, *, tp: Any, ep: Any, pp: Any, dp: Any) -> Layout | None:
    """Return how the devices share the model, None if nobody says.

    Raises
    ------
    WorkloadError
        tp x pp x dp is not the number of devices, or ep does not divide tp x dp.
    """
    degrees = {name: value for name, value in (("tp", tp), ("ep", ep), ("pp", pp), ("dp", dp)) if value is not None}
    if not degrees:
        return None
    for name, value in degrees.items():
        degrees[name] = count(name, value)
    tensor, pipeline = degrees.get("tp", 1), degrees.get("pp", 1)
    data = degrees.get("dp", devices // (tensor * pipeline) or 1)
    if tensor * pipeline * data != devices:
        raise WorkloadError(
            f"tp x pp x dp is {tensor} x {pipeline} x {data}, but there are {devices} devices; the product must be "
            f"their number (give it with devices, or as in '{tensor * pipeline * data}x NAME')"
        )
    expert = degrees.get("ep", 1)
    if tensor * data % expert:
        raise WorkloadError(f"ep is {expert}, but it must divide tp x dp = {tensor * data}")
    return Layout(tensor, pipeline, data, expert)


def check_layout(name: str, architecture: Architecture, layout: Layout) -> None:
    """Check that the parts of a model can be spread as the layout says.

    Raises
    ------
    WorkloadError
        A number of heads or a width does not divide by tp, or there are fewer layers than stages.
    """
    layers = sum(1 for _ in architecture.pattern())
    if layout.pipeline > layers:
        raise WorkloadError(f"pp is {layout.pipeline}, but {name} has {layers} layers to spread over the stages")
    tp = layout.tensor
    for kind, a in architecture.attention.items():
        if isinstance(a, ShortConvolution):
            continue
        heads = a.value_heads if isinstance(a, GatedDeltaNet) else a.heads
        if heads % tp:
            raise WorkloadError(f"tp is {tp}, which does not divide the {heads} heads of {name}'s {kind} attention")
        kv_heads = a.kv_heads if isinstance(a, GroupedQuery) else tp
        if kv_heads % tp and tp % kv_heads:
            raise WorkloadError(
                f"tp is {tp}, but the {kv_heads} kv heads of {name}'s {kind} attention can neither be split nor copied "
                f"evenly over so many devices"
            )
    for f in architecture.ffn.values():
        if isinstance(f, Experts) and layout.expert > 1:
            continue  # whole experts are spread, not parts of each
        width = f.d_expert if isinstance(f, Experts) else f.d_ff
        if width % tp:
            raise WorkloadError(f"tp is {tp}, which does not divide the feed-forward width {width} of {name}")
