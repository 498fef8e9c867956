"""Bounds of a served workload: many requests in flight, prompts and answers of given lengths."""

from __future__ import annotations

from typing import Any

from roofline._xp import Num, maximum, minimum
from roofline.machine import Machine
from roofline.operations import Pass
from roofline.results import Serving, ServingFigure
from roofline.times import pass_times
from roofline.transformer import Transformer
from roofline.workload import Workload, prompt_pass


def requests_seconds(model: Transformer, m: Machine, *, requests: Num, work: Workload, tensor_parallel: int) -> Num:
    """Return the least time in which ``requests`` requests can be served from first prompt to last token.

    Every request needs ``output`` forward passes, one after the other, and all can share them; the first reads the
    prompt. Only the total work of each resource counts, since anything may overlap with anything.

    Parameters
    ----------
    model : the model in its formats.
    m : the machine.
    requests : requests in flight together. [1]
    work : lengths of prompt, answer, and what is cached of the prompt.
    tensor_parallel : devices that share every matrix. [1]

    Returns
    -------
    Num
        Seconds.
    """
    prefill: Any = pass_times(model, m, prompt_pass(requests, work), tensor_parallel)
    steps = _tokens_generated(work) - 1
    length = representative_length(model, work.cached + work.prompt, steps)
    step: Any = pass_times(model, m, Pass(requests, 1, length), tensor_parallel)
    memory = steps * step.memory + prefill.memory
    compute = steps * step.compute + prefill.compute
    return maximum(maximum(memory, compute), steps * step.link + prefill.link)


def _tokens_generated(work: Workload) -> Num:
    """Return how many tokens a request generates: at least the one that follows its prompt. [token]"""
    return 1 if work.output is None else work.output


def representative_length(model: Transformer, start: Num, steps: Num) -> Num:
    """Return a length at which a step does at most the work of the average step.

    Where work grows in proportion with length, that is the average length. Where it stops growing, a step at the
    average length does more than the average step, and the length at the start keeps the bound a bound. In chunks work
    falls back to nothing at the start of each, so that it is taken from there.
    """
    if model.linear:
        return start + maximum(steps - 1, 0) / 2
    length = start
    for chunk in model.chunks:
        length = minimum(length, start // chunk * chunk)
    return length


def serving(model: Transformer, m: Machine, *, work: Workload, tensor_parallel: int) -> Serving:
    """Return the bounds of a served workload.

    Parameters
    ----------
    model : the model in its formats.
    m : the machine.
    work : streams kept busy, lengths of prompt and answer, and what is cached of the prompt.
    tensor_parallel : devices that share every matrix. [1]

    Returns
    -------
    Serving
    """
    streams, output = work.concurrency, _tokens_generated(work)
    first: Any = pass_times(model, m, prompt_pass(1, work), tensor_parallel).longest
    step: Any = pass_times(model, m, Pass(1, 1, work.cached + work.prompt), tensor_parallel).longest
    seconds: Any = requests_seconds(model, m, requests=streams, work=work, tensor_parallel=tensor_parallel)
    return Serving(
        concurrency=streams,
        ttft_s=ServingFigure(first),
        tpot_s=ServingFigure(step),
        output_tok_per_s=ServingFigure(streams * output / seconds),
        total_tok_per_s=ServingFigure(streams * (work.cached + work.prompt + output) / seconds),
    )
