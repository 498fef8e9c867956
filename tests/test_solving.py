"""What it would take: the answer reaches the target, and the value beside it does not."""

from __future__ import annotations

import json

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

import roofline
from roofline.cli import main
from roofline.errors import NoBoundError, UnknownNameError, WorkloadError
from roofline.sensitivity import figure
from roofline.solving.asking import CACHES

SPARK = ("minimax-m2.7", "dgx-spark")
FORMATS = {"weights": "ud-iq4_xs", "kv": "q4_0"}


def solve(target, for_, model=SPARK[0], box=SPARK[1], **options):
    return roofline.solve(model, box, target=target, for_=for_, **options)


@pytest.mark.parametrize(
    ("for_", "target", "of", "options"),
    [
        ("batch", "300 tok/s", None, {"context": 4096}),
        ("batch", "50 ms", None, {"context": 4096}),
        ("batch", "30 tok/s", "decode.uniform.tokens_per_s_per_stream", {}),
        ("context", "30 tok/s", None, {}),
        ("context", "36 tok/s", "decode.streaming.tokens_per_s", {"batch": 1}),
        ("prompt", "1 s", "prefill.ceiling.seconds", {}),
        ("devices", "150 tok/s", None, {"context": 4096}),
        ("devices", "100k tok", None, {"weights": "q8_0", "kv": "bf16"}),
        ("context", "24 tok/s", "decode.expected.tokens_per_s", {"engine": "llama.cpp"}),
    ],
)
def test_a_count_reaches_the_target_and_its_neighbour_does_not(for_, target, of, options):
    options = FORMATS | options
    s = solve(target, for_, of=of, **options)
    assert s.reached
    assert isinstance(s.value, int)
    least = 0 if for_ in {"context", "cached"} else 1

    def reaches(value):
        p = roofline.predict(*SPARK, **options, **{for_: value})
        found = figure(p, s.of)
        return found is not None and (found <= s.target if s.at_most else found >= s.target)

    assert reaches(s.value)
    neighbours = [value for value in (s.value - 1, s.value + 1) if value >= least]
    assert not all(reaches(value) for value in neighbours)
    assert s.prediction == roofline.predict(*SPARK, **options, **{for_: s.value})


@pytest.mark.parametrize("box", ["dgx-spark", "2x rtx-pro-6000", "sn40l", "h100-sxm"])
@pytest.mark.parametrize(
    "of", ["decode.ceiling.tokens_per_s", "decode.uniform.tokens_per_s", "decode.streaming.tokens_per_s"]
)
def test_the_bandwidth_that_reaches_a_speed_gives_that_speed(box, of):
    now = figure(roofline.predict(SPARK[0], box, batch=3, context=1000, **FORMATS), of)
    s = solve(1.37 * now, "bandwidth", box=box, of=of, batch=3, context=1000, **FORMATS)
    assert s.reached
    assert s.achieved == pytest.approx(1.37 * now, rel=1e-9)
    assert s.value > s.now
    if of != "decode.ceiling.tokens_per_s":  # there on-chip tiers add theirs
        assert s.value == pytest.approx(1.37 * s.now, rel=1e-9)
    assert s.formula is not None
    assert s.formula.value == pytest.approx(s.value, rel=1e-6)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["llama-3.1-8b", "minimax-m2.7", "deepseek-v3", "qwen3-next-80b-a3b"]),
    st.sampled_from(["bandwidth", "batch", "context"]),
    st.floats(min_value=1.0, max_value=500.0),
    st.integers(0, 20_000),
)
def test_a_formula_agrees_with_the_number_that_was_found(model, for_, target, context):
    options = {} if for_ == "context" else {"context": context}
    s = solve(target, for_, model=model, box="4x h200-sxm", of="decode.streaming.tokens_per_s", **options)
    if s.formula and s.reached:
        assert abs(s.formula.value - s.value) <= (1.001 if isinstance(s.value, int) else 1e-6 * s.value)
        assert isinstance(s.formula.formula, sympy.Expr)


def test_the_formula_for_bandwidth_is_the_roofline_turned_round():
    s = solve("50 tok/s", "bandwidth", of="decode.streaming.tokens_per_s", context=4096, **FORMATS)
    r, batch, b, c, weights = sympy.symbols("r B b c W", positive=True)
    assert sympy.simplify(s.formula.formula - r * (batch * b * c + weights) / batch) == 0


def test_no_bandwidth_reaches_what_compute_forbids():
    s = solve("1 s", "batch", **FORMATS)
    assert s.reached
    s = solve(1e6, "bandwidth", of="decode.ceiling.tokens_per_s", **FORMATS)
    assert not s.reached
    assert s.value is None
    assert s.binding == "compute"
    assert "however much there is" in str(s)


def test_no_peak_reaches_what_memory_forbids():
    s = solve("500 tok/s", "peak", **FORMATS)
    assert (s.reached, s.binding) == (False, "memory")


def test_a_batch_that_reaches_but_does_not_fit_is_no_answer():
    s = solve("750 tok/s", "batch", context=4096, **FORMATS)
    assert (s.reached, s.binding) == (False, "capacity")
    p = roofline.predict(*SPARK, context=4096, **FORMATS)
    assert s.best == p.memory.max_batch
    assert "would reach it, but does not fit" in str(s)


def test_an_answer_that_memory_cuts_short_says_so():
    s = solve("30 tok/s", "context", model="llama-3.1-8b", box="rtx-4090")
    assert s.value == roofline.predict("llama-3.1-8b", "rtx-4090").memory.max_context
    assert s.binding == "capacity"
    assert "does not fit" in str(s)


def test_an_answer_that_the_model_cuts_short_says_so():
    s = solve("1 tok/s", "context", model="llama-3.1-8b", box="h100-sxm")
    assert s.value == roofline.load_model("llama-3.1-8b").architecture.max_context
    assert "llama-3.1-8b takes no more" in str(s)


def test_where_no_batch_is_enough_the_resource_that_binds_is_named():
    s = solve("3000 tok/s", "batch", context=4096, **FORMATS)
    assert not s.reached
    assert s.best == roofline.predict(*SPARK, context=4096, **FORMATS).memory.max_batch
    assert "memory-bound" in str(s)


def test_of_weights_the_widest_that_is_enough_and_fits_is_named():
    s = solve("30 tok/s", "weights", context=4096, kv="q4_0")
    assert s.reached
    assert s.prediction.memory.fits
    found = s.prediction.memory.weights_bytes
    for recipe in ("q8_0", "q6_k", "q5_k_m", "q4_k_m", "iq4_xs", "q3_k_m", "ud-iq4_xs"):
        p = roofline.predict(*SPARK, weights=recipe, context=4096, kv="q4_0")
        if p.memory.fits and p.decode.ceiling.tokens_per_s >= 30:
            assert p.memory.weights_bytes <= found, recipe


def test_of_caches_the_widest_that_is_enough_is_named():
    speeds = {
        kv: roofline.predict(*SPARK, weights="ud-iq4_xs", kv=kv, context=8192).decode.ceiling.tokens_per_s
        for kv in CACHES
    }
    for kv, speed in speeds.items():
        s = solve(speed, "kv", weights="ud-iq4_xs", context=8192)
        assert s.prediction.decode.ceiling.tokens_per_s >= speed * (1 - 1e-9)
        assert s.value == kv


def test_top_k_gives_the_most_experts_that_are_fast_enough():
    s = solve("50 tok/s", "top_k", context=4096, **FORMATS)
    assert (s.value, s.now) == (4, 8)
    with pytest.raises(WorkloadError, match="no experts"):
        solve("50 tok/s", "top_k", model="llama-3.1-8b")


def test_capacity_that_a_context_needs_just_holds_it():
    s = solve("32k tok", "capacity", weights="q8_0")
    assert s.prediction.memory.max_context == 32 * 1024
    assert s.value > s.now


@pytest.mark.parametrize(
    ("target", "for_", "options", "words"),
    [
        ("50 tok/s", "bandwith", {}, "did you mean bandwidth"),
        ("50 tok/s", "", {}, "there are batch"),
        ("50 tok/s", None, {}, "nothing can be solved for"),
        ("50 furlongs", "batch", {}, "cannot be read"),
        ("fast", "batch", {}, "cannot be read"),
        ("", "batch", {}, "cannot be read"),
        (None, "batch", {}, "is wanted"),
        (True, "batch", {}, "is wanted"),
        (-5, "batch", {}, "above 0"),
        (0, "batch", {}, "above 0"),
        ("-5 tok/s", "batch", {}, "above 0"),
        (float("nan"), "batch", {}, "above 0"),
        (float("inf"), "batch", {}, "above 0"),
        ("nan tok/s", "batch", {}, "above 0"),
        ("1 GiB", "batch", {"of": "decode.ceiling.tokens_per_s"}, "is in token/s"),
        ("20 ms", "batch", {"of": "decode.ceiling.tokens_per_s"}, "is in token/s"),
        (5, "batch", {"of": "decode.ceiling.tokens"}, "did you mean"),
        (5, "batch", {"of": 7}, "path of a figure"),
        (5, "batch", {"of": "decode.expected.tokens_per_s"}, "wants an engine"),
        (5, "batch", {"batch": 4}, "leave it out"),
        (5, "devices", {"tp": 2}, "leave it out"),
        (5, "link", {}, "none that is known"),
        (5, "batch", {"context": 10**9}, "takes at most"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_a_sentence(target, for_, options, words):
    with pytest.raises(WorkloadError, match=words) as raised:
        solve(target, for_, **options)
    assert "\n" not in str(raised.value)


def test_an_unknown_option_or_name_is_refused():
    with pytest.raises(UnknownNameError):
        solve(5, "batch", model="minimax-m9")
    with pytest.raises(TypeError):
        solve(5, "batch", speed=3)


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(["llama-3.1-8b", "gpt-oss-20b", "deepseek-v4-flash", "gemma-3-27b"]),
    st.sampled_from(["rtx-4090", "8x h100-sxm", "sn40l", "m3-ultra"]),
    st.sampled_from(["batch", "context", "prompt", "devices", "bandwidth", "peak", "capacity", "weights", "kv"]),
    st.floats(min_value=1e-3, max_value=1e6),
    st.sampled_from(
        [
            "decode.ceiling.tokens_per_s",
            "decode.uniform.seconds_per_step",
            "prefill.ceiling.seconds",
            "memory.total_bytes",
        ]
    ),
)
def test_every_answer_keeps_its_word(model, box, for_, target, of):
    try:
        s = roofline.solve(model, box, target=target, for_=for_, of=of)
    except NoBoundError:
        return
    assert figure(s.prediction, of) == s.achieved
    enough = s.achieved <= target * (1 + 1e-9) if s.at_most else s.achieved >= target * (1 - 1e-9)
    if s.reached:
        assert enough
    else:
        assert s.value is None
        assert not enough or not s.prediction.memory.fits
    assert all(len(line) <= 100 for line in str(s).splitlines())
    json.dumps(s.to_dict(), allow_nan=False)


def test_the_command_line(capsys):
    words = ["solve", *SPARK, "--weights", "ud-iq4_xs", "--target", "50 tok/s", "--for", "bandwidth"]
    assert main(words) == 0
    assert "β = " in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert next(iter(found)) == "schema_version"
    assert found["reached"] is True
    words[-3:] = ["1e9", "--for", "bandwidth"]
    assert main(words) == 0
    assert main([*words, "--strict"]) == 3
    assert main(["solve", *SPARK, "--target", "50 tok/s", "--for", "batch", "--batch", "3"]) == 2
