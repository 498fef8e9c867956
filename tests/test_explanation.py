"""Derivations: every figure follows from its formula and the numbers put in, and a reader can follow it."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys

import pytest
import sympy
from hypothesis import given, settings
from strategies import batches, caches, contexts, hardware, models, weights

import roofline
from roofline.cli import main
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


SERVED = {"prompt": 1000, "output": 200, "concurrency": 16, "batch": 4, "context": 3000}


@pytest.mark.parametrize(
    ("model", "box", "call"),
    [
        ("gpt-oss-120b", "2x h100-sxm", SERVED | {"engine": "vllm", "tp": 2}),
        ("llama-3.1-8b", "h100-sxm", SERVED | {"engine": "sglang", "mode": "eager", "cached": 100}),
        ("llama-3.1-70b", "4x h100-sxm", SERVED | {"engine": "vllm", "tp": 2, "pp": 2, "concurrency": 4000}),
        ("minimax-m2.7", "dgx-spark", {"engine": "llama.cpp", "weights": "ud-iq4_xs", "context": 500, "batch": 5}),
        ("qwen3-next-80b-a3b", "strix-halo", SERVED | {"engine": "llama.cpp", "weights": "q4_k_m"}),
        ("nemotron-3-nano-30b-a3b", "b200-sxm", SERVED | {"engine": "vllm", "concurrency": 1, "batch": 1}),
        ("deepseek-v4-flash", "8x h200-sxm", SERVED | {"engine": "sglang", "tp": 8}),
        ("llama-4-scout", "16x sn40l", SERVED | {"concurrency": 3}),
        ("llama-3.1-8b", "sn40l-16", {"engine": "sambanova", "context": 100}),
    ],
    ids=lambda x: x if isinstance(x, str) else "",
)
def test_what_is_expected_and_served_follows_too(model, box, call):
    p = roofline.predict(model, box, **call)
    assert "engine" not in call or p.decode.expected
    e = check(p)
    assert all(len(line) <= 100 or line.strip().startswith("http") for line in str(e).splitlines())


@settings(max_examples=20, deadline=None)
@given(models, weights, caches, hardware, batches, contexts)
def test_every_figure_follows_whatever_is_asked(model, recipe, kv, box, batch, context):
    try:
        p = roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context)
    except NoBoundError:
        return
    e = check(p)
    words = str(e).splitlines()
    assert all(len(line) <= 100 or line.strip().startswith("http") for line in words), max(words, key=len)


# --- closed forms


def points(p):
    return {form.key: form for form in p.explain().closed_forms}


def test_the_ridge_point_is_peak_over_bandwidth():
    found = points(roofline.predict("llama-3.1-8b", "h100-sxm"))["ridge point, bf16"]
    assert found.value == pytest.approx(989.4e12 / 3.35e12)
    pi, beta = sympy.symbols("pi_bf16 beta", positive=True)
    assert found.step.formula == pi / beta


@pytest.mark.parametrize(("model", "box"), [("llama-3.1-8b", "h100-sxm"), ("deepseek-v3", "8x h200-sxm")])
def test_from_the_crossover_batch_on_a_step_is_bound_by_compute(model, box):
    found = points(roofline.predict(model, box, context=100))["crossover batch"]
    assert found.step is not None
    below, above = (roofline.predict(model, box, context=100, batch=int(found.value) + more) for more in (0, 1))
    assert (below.decode.bound, above.decode.bound) == ("memory", "compute")


def test_the_crossover_with_even_routing_is_found_numerically():
    found = points(roofline.predict("deepseek-v3", "8x h200-sxm"))["crossover batch, even routing"]
    assert found.step is None
    below, above = (
        roofline.predict("deepseek-v3", "8x h200-sxm", batch=int(found.value) + more).decode.uniform.bound
        for more in (0, 1)
    )
    assert (below, above) == ("memory", "compute")


@pytest.mark.parametrize("model", ["llama-3.1-8b", "minimax-m2.7", "gpt-oss-120b", "gemma-3-27b"])
def test_at_the_crossover_context_the_cache_weighs_as_much_as_the_weights(model):
    found = points(roofline.predict(model, "h100-sxm", batch=16))["crossover context"]
    assert (found.step is None) == (model in {"gpt-oss-120b", "gemma-3-27b"})
    if found.value < roofline.load_model(model).architecture.max_context:
        d = roofline.predict(model, "h100-sxm", batch=16, context=round(found.value)).decode
        assert d.kv_bytes == pytest.approx(d.weight_bytes, rel=1e-3)


@pytest.mark.parametrize("model", ["llama-3.1-8b", "qwen3-next-80b-a3b", "gpt-oss-120b"])
def test_from_the_break_even_on_a_smaller_cache_saves_a_tenth(model):
    found = points(roofline.predict(model, "dgx-spark", batch=8))["break-even of q4_0"]
    wide, narrow = (
        roofline.predict(model, "dgx-spark", batch=8, kv=kv, context=round(found.value)).decode.streaming
        for kv in ("bf16", "q4_0")
    )
    assert narrow.seconds_per_step / wide.seconds_per_step == pytest.approx(0.9, rel=1e-3)


def test_where_nothing_changes_it_says_why():
    found = points(roofline.predict("minimax-m2.7", "dgx-spark", context=4096))["crossover batch"]
    assert found.value is None
    assert found.note


# --- what a reader sees


def test_the_page_shows_formula_numbers_result_and_source():
    text = str(roofline.predict("llama-3.1-8b", "h100-sxm", context=4096).explain())
    for words in ("r = B / t", "t = max(t_compute, t_memory)", "decode.ceiling.tokens_per_s", "3.350 TB/s", "2 B N1"):
        assert words in text
    assert "bandwidth of HBM3 [" in text
    assert "https://" in text


def test_one_figure_shows_what_it_needs_and_no_more():
    p = roofline.predict("llama-3.1-8b", "h100-sxm", context=4096)
    e = p.explain("memory.kv_bytes")
    assert e.paths == ("memory.kv_bytes",)
    assert [given.symbol.name for given in e.sections[0].givens] == ["B", "s", "b"]
    assert "β" not in str(e)


@pytest.mark.parametrize("figure", ["decode.ceiling.tok", "", "bound", 7, "decode"])
def test_an_unknown_figure_is_refused_in_a_sentence(figure):
    with pytest.raises(WorkloadError, match="no figure"):
        roofline.predict("llama-3.1-8b", "h100-sxm").explain(figure)


def test_a_notebook_shows_latex():
    e = roofline.predict("llama-3.1-8b", "h100-sxm", context=4096).explain()
    text = e._repr_markdown_()
    assert r"$t = \max" in text
    assert r"\frac{B}{t}" in text
    assert "| formula | value |" in text
    assert r"\sum_i Q_i" in roofline.predict("minimax-m2.7", "h100-sxm").explain().to_latex()


def test_json_holds_every_step():
    e = roofline.predict("gpt-oss-20b", "rtx-4090", context=4096).explain()
    found = json.loads(e.to_json())
    assert next(iter(found)) == "schema_version"
    paths = {step["path"] for section in found["sections"] for step in section["steps"] if step["path"]}
    assert paths == set(e.paths)


def test_the_command_line(capsys):
    words = ["explain", "llama-3.1-8b", "rtx-4090", "--figure", "decode.ceiling.tokens_per_s"]
    assert main(words) == 0
    assert "r = B / t" in capsys.readouterr().out
    assert main([*words, "--latex"]) == 0
    assert r"r = \frac{B}{t}" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sections"]
    assert main([*words, "--json", "--latex"]) == 2
    assert main(["explain", "llama-3.1-8b", "rtx-4090", "--figure", "nonsense"]) == 2


@pytest.mark.parametrize("what", ["import roofline", "import roofline; roofline.predict('gpt-oss-20b', 'rtx-4090')"])
def test_sympy_is_imported_only_to_explain(what):
    code = f"{what}\nimport sys; assert 'sympy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_sensitivity_needs_no_sympy():
    code = "import roofline, sys; roofline.predict('gpt-oss-20b', 'rtx-4090').sensitivity()"
    subprocess.run(
        [sys.executable, "-c", f"{code}; assert 'sympy' not in sys.modules"], check=True, capture_output=True
    )
