"""Elasticities are the slopes of the figures themselves."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import batches, caches, contexts, hardware, models, weights

import roofline
from roofline import _predict
from roofline.cli import main
from roofline.dual import Dual, variables
from roofline.errors import NoBoundError, WorkloadError
from roofline.inputs import inputs, scaled
from roofline.sensitivity import figure

SERVED = {"engine": "vllm", "prompt": 1000, "output": 200, "concurrency": 16, "batch": 4, "context": 3000}

SETTINGS = [
    ("llama-3.1-8b", "rtx-4090", {"context": 5000, "batch": 3}),
    ("minimax-m2.7", "2x dgx-spark", {"weights": "ud-iq4_xs", "kv": "q4_0", "context": 4096, "batch": 5}),
    ("gpt-oss-120b", "8x h100-sxm", {"tp": 8, "context": 1000, "batch": 200}),
    ("deepseek-v3", "8x h200-sxm", {"context": 9000, "prompt": 3000, "batch": 2}),
    ("deepseek-v4-flash", "8x h200-sxm", {"context": 9001, "batch": 2}),
    ("qwen3-next-80b-a3b", "strix-halo", {"weights": "q4_k_m", "context": 700}),
    ("llama-3.1-8b", "sn40l", {"context": 3000}),
    ("llama-3.1-8b", "h100-sxm", SERVED),
    ("gpt-oss-120b", "2x h100-sxm", SERVED | {"tp": 2}),
    ("qwen3-30b-a3b", "rtx-4090", {"engine": "llama.cpp", "weights": "q4_k_m", "context": 777, "batch": 12}),
]

FIGURES = [
    "decode.ceiling.tokens_per_s",
    "decode.uniform.seconds_per_step",
    "decode.expected.tokens_per_s",
    "prefill.ceiling.tokens_per_s",
    "prefill.expected.seconds",
    "serving.ttft_s.value",
    "serving.tpot_s.value",
    "serving.output_tok_per_s.ceiling",
    "serving.output_tok_per_s.value",
    "memory.total_bytes",
]


def at(p, of, factors):
    setting, work, level = p.origin
    return figure(_predict.figures(*scaled(setting, work, factors), level), of)


@pytest.mark.parametrize(("model", "box", "call"), SETTINGS, ids=lambda x: x if isinstance(x, str) else "")
def test_elasticities_are_the_slopes_that_small_differences_show(model, box, call):
    p = roofline.predict(model, box, **call)
    step, checked = 1e-5, 0
    for of in FIGURES:
        if ("serving" in of and "concurrency" not in call) or ("expected" in of and "engine" not in call):
            continue
        s = p.sensitivity(of)
        for name in inputs(*p.origin[:2]):
            if s[name].less is None:
                up, down = (at(p, of, {name: 1 + side}) for side in (step, -step))
                assert (up - down) / (2 * step * s.value) == pytest.approx(s[name].elasticity, abs=1e-6), (of, name)
                checked += 1
    assert checked >= 30


@settings(max_examples=20, deadline=None)
@given(models, weights, caches, hardware, batches, contexts)
def test_a_ceiling_grows_in_proportion_with_all_rates_together(model, recipe, kv, box, batch, context):
    try:
        p = roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context)
    except NoBoundError:
        return
    s = p.sensitivity()
    rates = [e.elasticity for e in s.elasticities if e.input.endswith((" peak", "bandwidth"))]
    assert sum(rates) == pytest.approx(1.0, abs=1e-6)


@pytest.mark.parametrize(("model", "box", "call"), SETTINGS, ids=lambda x: x if isinstance(x, str) else "")
def test_ten_per_cent_more_is_what_a_prediction_with_ten_per_cent_more_says(model, box, call):
    p = roofline.predict(model, box, **call)
    for e in p.sensitivity("decode.streaming.tokens_per_s").elasticities:
        more = at(p, "decode.streaming.tokens_per_s", {e.input: 1.1})
        assert e.change == pytest.approx(more / p.decode.streaming.tokens_per_s - 1, rel=1e-12)


def test_more_context_is_the_prediction_at_more_context():
    p = roofline.predict("llama-3.1-8b", "rtx-4090", context=1000)
    more = roofline.predict("llama-3.1-8b", "rtx-4090", context=1100)
    change = p.sensitivity("decode.streaming.tokens_per_s")["context"].change
    expected = more.decode.streaming.tokens_per_s / p.decode.streaming.tokens_per_s - 1
    assert change == pytest.approx(expected, rel=1e-12)


def test_scaling_by_nothing_changes_nothing():
    p = roofline.predict("gpt-oss-120b", "2x h100-sxm", tp=2, **SERVED)
    setting, work, level = p.origin
    same = _predict.figures(*scaled(setting, work, dict.fromkeys(inputs(setting, work), 1.0)), level)
    assert (same.memory, same.decode, same.prefill, same.serving) == (p.memory, p.decode, p.prefill, p.serving)


def test_a_kink_is_told_apart_on_its_two_sides():
    """At 127 cached tokens a window of 128 is full: less context reads less in those layers, more does not."""
    s = roofline.predict("gpt-oss-120b", "dgx-spark", context=127).sensitivity("decode.streaming.tokens_per_s")
    assert s["context"].less < s["context"].elasticity < 0
    assert "kink" in str(s)
    assert s["bandwidth"].less is None


def test_the_strongest_input_comes_first():
    s = roofline.predict("minimax-m2.7", "dgx-spark", batch=4, context=4096).sensitivity()
    sizes = [max(abs(e.elasticity), abs(e.change) * 10) for e in s.elasticities]
    assert sizes == sorted(sizes, reverse=True)
    assert s.elasticities[0].input == "bandwidth"


@pytest.mark.parametrize(
    ("of", "name", "words"),
    [
        ("decode.ceiling.tokens_per_s", "bandwidth", "10 % more bandwidth buys 10.0 %"),
        ("decode.ceiling.tokens_per_s", "weight bytes", "10 % more weight bytes cost 9"),
        ("decode.ceiling.seconds_per_step", "bandwidth", "10 % more bandwidth saves 9.1 %"),
        ("decode.ceiling.seconds_per_step", "context", "10 % more context takes 0."),
    ],
)
def test_it_says_in_words_what_more_buys(of, name, words):
    s = roofline.predict("llama-3.1-8b", "rtx-4090", context=1000).sensitivity(of)
    assert s[name].sentence.startswith(words)


@pytest.mark.parametrize(
    ("of", "words"),
    [
        ("decode.ceiling.token_per_s", "did you mean decode.ceiling.tokens_per_s"),
        ("decode.expected.tokens_per_s", "wants an engine"),
        ("serving.ttft_s.ceiling", "wants concurrency"),
        ("memory.missing_bytes", "is 0 here"),
        ("memory.fits", "no figure"),
        ("decode.ceiling.bound", "no figure"),
        (None, "no figure"),
        ("", "no figure"),
    ],
)
def test_what_is_no_figure_is_refused_in_a_sentence(of, words):
    with pytest.raises(WorkloadError, match=words):
        roofline.predict("llama-3.1-8b", "rtx-4090").sensitivity(of)


def test_json_and_command_line(capsys):
    assert main(["explain", "llama-3.1-8b", "rtx-4090", "--sensitivity", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "schema_version"
    assert {"bandwidth", "weight bytes", "batch"} <= {row["input"] for row in found["elasticities"]}
    assert main(["explain", "llama-3.1-8b", "rtx-4090", "--sensitivity", "--figure", "decode.ceilin"]) == 2
    assert main(["explain", "llama-3.1-8b", "rtx-4090", "--sensitivity", "--latex"]) == 2


number = st.floats(min_value=0.1, max_value=10)


@given(number, number)
def test_dual_numbers_differentiate(a, b):
    (x, y), _ = variables((a, b))
    assert (x * y).slopes == (b, a)
    assert (x / y).slopes == pytest.approx((1 / b, -a / b**2))
    assert (3 / x).slopes == pytest.approx((-3 / a**2, 0))
    assert (x**2.5).slopes == pytest.approx((2.5 * a**1.5, 0))
    assert (0.5**x).slopes == pytest.approx((math.log(0.5) * 0.5**a, 0))
    assert (2 - x + y - 1).slopes == (-1, 1)
    assert math.floor(x) == math.floor(a)
    assert isinstance(-x, Dual)
    assert max(x, y).slopes == ((1, 0) if a >= b else (0, 1))


def test_what_the_link_takes_part_in_depends_on_the_link():
    p = roofline.predict("llama-3.1-70b", "2x rtx-pro-6000", tp=2, prompt=4096, engine="vllm", weights="fp8")
    link = p.sensitivity("prefill.expected.seconds")["link bandwidth"]
    exchange = p.prefill.expected.terms["exchange between devices"] / p.prefill.expected.seconds
    assert -exchange <= link.elasticity < -exchange / 2


def test_links_between_nodes_are_scaled_with_those_inside():
    p = roofline.predict("llama-3.1-8b", "dgx-spark-2", tp=2, batch=4096, context=10)
    quicker = _predict.figures(*scaled(*p.origin[:2], {"link bandwidth": 4.0}), 0.9)
    assert quicker.decode.resources["link"] == pytest.approx(p.decode.resources["link"] / 4, rel=1e-12)


def test_more_weight_bytes_are_those_of_a_larger_file():
    small = roofline.predict("llama-3.1-8b", "rtx-4090", context=100)
    size = small.memory.weights_bytes
    change = small.sensitivity("memory.total_bytes")["weight bytes"].elasticity
    large = roofline.predict("llama-3.1-8b", "rtx-4090", context=100, weights_bytes=size * 1.01)
    assert large.memory.total_bytes / small.memory.total_bytes - 1 == pytest.approx(change / 100, rel=1e-6)


def test_more_cache_bytes_are_those_of_a_wider_format():
    narrow, wide = (roofline.predict("llama-3.1-8b", "rtx-4090", context=9000, kv=kv) for kv in ("fp8", "bf16"))
    for of in ("decode.streaming.seconds_per_step", "memory.total_bytes"):
        assert at(narrow, of, {"cache bytes": 2.0}) == pytest.approx(figure(wide, of), rel=1e-12)


def test_capacity_is_room_for_more_context():
    p = roofline.predict("llama-3.1-8b", "rtx-4090", engine="vllm")
    more = p.sensitivity("memory.room_bytes")["capacity"]
    assert more.elasticity > 1
    assert at(p, "memory.room_bytes", {"capacity": 1.1}) / p.memory.room_bytes - 1 == pytest.approx(more.change)
