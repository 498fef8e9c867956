"""Derivations: every figure follows from its formula and the numbers put in, and a reader can follow it."""

from __future__ import annotations

import dataclasses

import pytest
import sympy
from hypothesis import given, settings
from strategies import batches, caches, contexts, hardware, models, weights

import roofline
from roofline.errors import NoBoundError, WorkloadError

EXACT = 1e-12


def figures(node, path=""):
    """Yield (dotted path, number) for everything a prediction holds that is computed."""
    if isinstance(node, bool) or node is None:
        return
    if isinstance(node, int | float):
        yield path, node
    elif dataclasses.is_dataclass(node):
        for f in dataclasses.fields(node):
            if f.name not in {"ops", "terms", "level", "concurrency"}:
                yield from figures(getattr(node, f.name), f"{path}.{f.name}".lstrip("."))


def numbers_of(p):
    """Return every figure of the sections that are explained."""
    parts = {"memory": p.memory, "decode": p.decode, "prefill": p.prefill, "serving": p.serving}
    return {path: value for name, part in parts.items() for path, value in figures(part, name)}


def recomputed(section, path):
    """Return the figure from the givens alone: all formulas put into each other, then all numbers put in."""
    values = {given.symbol: sympy.Float(given.value, 40) for given in section.givens}
    steps = {step.symbol: step for step in section.every_step()}

    def value(symbol):
        if symbol not in values:
            formula = steps[symbol].formula
            values[symbol] = sympy.sympify(formula.xreplace({s: value(s) for s in formula.free_symbols}))
        return values[symbol]

    return float(value(next(step.symbol for step in section.steps if step.path == path)))


def check(p):
    e = p.explain()
    wanted = numbers_of(p)
    assert set(e.paths) == set(wanted)
    for section in e.sections:
        for step in section.steps:
            if step.path:
                assert step.value == pytest.approx(wanted[step.path], rel=EXACT, abs=0), step.path
                assert recomputed(section, step.path) == pytest.approx(wanted[step.path], rel=EXACT, abs=0), step.path
    return e


EVERY_KIND = [
    "minimax-m2.7",
    "gpt-oss-120b",
    "deepseek-v3",
    "deepseek-v3.2",
    "deepseek-v4-flash",
    "qwen3-next-80b-a3b",
    "llama-4-scout",
    "nemotron-3-nano-30b-a3b",
    "gemma-3-27b",
    "llama-3.1-8b",
    "kimi-linear-48b-a3b",
]


@pytest.mark.parametrize("model", EVERY_KIND)
@pytest.mark.parametrize(
    "call",
    [
        {"hardware": "dgx-spark", "context": 4096, "batch": 3},
        {"hardware": "8x h100-sxm", "tp": 8, "prompt": 3000, "cached": 500, "output": 100},
        {"hardware": "sn40l-16", "context": 100},
    ],
    ids=lambda call: call["hardware"],
)
def test_every_figure_follows_from_its_formula(model, call):
    call = dict(call)
    try:
        p = roofline.predict(model, call.pop("hardware"), **call)
    except WorkloadError as error:
        pytest.skip(str(error))
    check(p)


@settings(max_examples=40, deadline=None)
@given(models, weights, caches, hardware, batches, contexts)
def test_every_figure_follows_whatever_is_asked(model, recipe, kv, box, batch, context):
    try:
        p = roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context)
    except NoBoundError:
        return
    e = check(p)
    words = str(e).splitlines()
    assert all(len(line) <= 100 or line.strip().startswith("http") for line in words), max(words, key=len)
