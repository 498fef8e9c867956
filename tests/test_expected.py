"""What is expected of an engine: below the ceiling, inside its interval, and moving the way physics says."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import roofline
import roofline.setting
from roofline import calibration, expected
from roofline.calibration import hardware_class, interval, period
from roofline.expected_work import Layout, pass_work
from roofline.kernels import pass_kernels
from roofline.operations import Pass
from roofline.recipes import stored
from roofline.specs import load_device, load_engine, load_hardware, load_model
from roofline.specs.speed import CONSTANTS, PROBABILITIES
from roofline.workload import Request

FITTED = ["llama.cpp", "vllm", "sglang", "tensorrt-llm", "mlx", "sambanova"]
CASES = [
    ("llama-3.1-8b", "rtx-4090", {"weights": "q4_k_m", "engine": "llama.cpp"}),
    ("minimax-m2.7", "dgx-spark", {"weights": "ud-iq4_xs", "engine": "llama.cpp"}),
    ("gpt-oss-120b", "8x h100-sxm", {"engine": "vllm"}),
    ("llama-3.1-70b", "4x h200-sxm", {"engine": "tensorrt-llm", "weights": "fp8", "tp": 4}),
    ("deepseek-v3", "8x b200-sxm", {"engine": "sglang", "tp": 8}),
    ("minimax-m2.7", "16x sn40l", {"engine": "sambanova"}),
]


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(CASES),
    st.integers(1, 256),
    st.integers(0, 16_000),
    st.integers(1, 4096),
    st.integers(1, 2048),
    st.floats(0.05, 0.98),
)
def test_nothing_expected_beats_the_ceiling_and_every_value_lies_in_its_interval(
    case, batch, context, prompt, output, level
):
    model, box, options = case
    p = roofline.predict(
        model,
        box,
        batch=batch,
        context=context,
        prompt=prompt,
        output=output,
        concurrency=batch,
        level=level,
        **options,
    )
    for best, found in ((p.decode.ceiling, p.decode.expected), (p.prefill.ceiling, p.prefill.expected)):
        if found is not None:
            assert 0 < found.low <= found.tokens_per_s <= found.high <= best.tokens_per_s * (1 + 1e-12)
            assert found.level == level
    for name in ("ttft_s", "tpot_s"):
        figure = getattr(p.serving, name)
        if figure.value is not None:
            assert figure.ceiling <= figure.low * (1 + 1e-12)
            assert figure.low <= figure.value <= figure.high
    for name in ("output_tok_per_s", "total_tok_per_s"):
        figure = getattr(p.serving, name)
        if figure.value is not None:
            assert 0 < figure.low <= figure.value <= figure.high <= figure.ceiling * (1 + 1e-12)


def test_terms_add_up_to_the_time():
    found = roofline.predict("gpt-oss-120b", "2x h100-sxm", engine="vllm", tp=2, context=2000, batch=8).decode.expected
    assert sum(found.terms.values()) == pytest.approx(found.seconds_per_step, rel=1e-9)
    assert {"weights and multiplication", "cache and attention", "kernels", "exchange between devices"} <= set(
        found.terms
    )


def test_without_an_engine_nothing_is_expected_and_json_says_null():
    p = roofline.predict("llama-3.1-8b", "h100-sxm", concurrency=2, prompt=10, output=10)
    found = json.loads(p.to_json())
    assert found["decode"]["expected"] is found["prefill"]["expected"] is found["serving"]["ttft_s"]["value"] is None


@pytest.mark.parametrize("name", FITTED)
def test_every_constant_of_a_fitted_engine_has_a_value_a_unit_and_a_spread(name):
    fitted = load_engine(name).fitted
    assert set(fitted.constants) == set(CONSTANTS) == set(expected.Constants._fields)
    assert all(c.unit == CONSTANTS[n] and c.value > 0 for n, c in fitted.constants.items())
    assert all(
        len(r.quantiles) == len(PROBABILITIES) and list(r.quantiles) == sorted(r.quantiles) for r in fitted.residuals
    )


def test_intervals_are_nested_in_level_and_wider_for_what_no_fit_has_seen():
    fitted = load_engine("vllm").fitted
    seen = calibration.Known(model=True, device=True, hardware=True)
    widths = []
    for level in (0.1, 0.5, 0.8, 0.9, 0.95, 0.99):
        fast, slow = interval(fitted, "per token", seen, level)
        widths.append((fast, slow))
        assert fast <= 1 <= slow
    assert all(a[0] >= b[0] and a[1] <= b[1] for a, b in pairwise(widths))
    new = interval(fitted, "per token", seen._replace(hardware=False, device=False), 0.9)
    assert new[1] / new[0] > widths[3][1] / widths[3][0]


def test_what_was_not_seen_is_said():
    p = roofline.predict("llama-3.1-8b", "tpu-v5p", engine="vllm")
    assert any("no measurement of this device, class of hardware" in text for text in p.assumptions)
    assert any("newest measured (no build was named)" in text for text in p.assumptions)


def test_a_host_that_starts_every_kernel_is_never_faster():
    graph, eager = (
        roofline.predict("minimax-m2.5", "8x h100-sxm", engine="vllm", tp=8, mode=mode).decode.expected
        for mode in ("graph", "eager")
    )
    assert eager.seconds_per_step > graph.seconds_per_step
    assert "host" in eager.terms
    assert "host" not in graph.terms


def test_layers_on_several_devices_do_not_speed_up_one_stream():
    one = roofline.predict("llama-3.1-8b", "rtx-3090", engine="llama.cpp", weights="q4_k_m").decode.expected
    split = roofline.predict("llama-3.1-8b", "2x rtx-3090", engine="llama.cpp", weights="q4_k_m").decode.expected
    assert split.seconds_per_step == pytest.approx(one.seconds_per_step)
    shared = roofline.predict("llama-3.1-8b", "2x rtx-3090", engine="vllm", tp=2).decode.expected
    assert (
        shared.seconds_per_step
        < roofline.predict("llama-3.1-8b", "rtx-3090", engine="vllm").decode.expected.seconds_per_step
    )


def test_replicas_share_the_batch_and_experts_may_be_spread_over_all_ranks():
    one = roofline.predict("qwen3-30b-a3b", "h200-sxm", engine="vllm", batch=16, context=1000).decode.expected
    two = roofline.predict("qwen3-30b-a3b", "2x h200-sxm", engine="vllm", dp=2, batch=32, context=1000).decode.expected
    assert two.tokens_per_s == pytest.approx(2 * one.tokens_per_s)
    spread = roofline.predict("qwen3-30b-a3b", "2x h200-sxm", engine="vllm", dp=2, ep=2, batch=32, context=1000)
    assert spread.decode.expected.seconds_per_step < two.seconds_per_step


def test_hardware_and_builds_have_classes():
    boxes = {"rtx-4090": "cuda gddr", "m2-max": "metal unified", "mi300x": "rocm hbm", "epyc-9005": "cpu ddr"}
    assert {box: hardware_class(load_device(load_hardware(box)), "") for box in boxes} == boxes
    assert hardware_class(load_device(load_hardware("strix-halo")), "vulkan") == "vulkan unified"
    assert [period(built) for built in ("2022", "2023-10", "2025-07", "2026-02")] == [
        "2023",
        "2023",
        "2025-2",
        "2026-1",
    ]


@pytest.mark.parametrize(
    ("name", "weights", "kernels"),
    [
        ("llama-3.1-70b", "fp8", 80 * 15 + 10),
        ("minimax-m2.7", "native", 62 * 25 + 10),
        ("gpt-oss-120b", "native", 36 * 16 + 10),
    ],
)
def test_kernels_are_counted_by_the_engines_table(name, weights, kernels):
    model = load_model(name)
    found = pass_kernels(model.architecture, stored(model, weights), load_engine("vllm").kernels)
    assert found.kernels == kernels
    assert found.exchanges == 2 * sum(1 for _ in model.architecture.pattern())


def test_work_over_arrays_is_that_of_each_point():
    request = Request(
        load_model("gpt-oss-120b"), load_hardware("h100-sxm"), 4, None, None, load_engine("vllm"), Layout(4), None
    )
    s = roofline.setting.setting(request)
    batches = np.array([1.0, 7.0, 64.0])
    common = {"layout": Layout(4), "counted": s.speed.counted, "rules": s.speed.rules}
    many = expected.pass_seconds(
        pass_work(s.transformer, s.machine, Pass(batches, 1, 1000), **common), s.speed.constants
    )
    for index, batch in enumerate(batches.tolist()):
        one = pass_work(s.transformer, s.machine, Pass(batch, 1, 1000), **common)
        assert many.total[index] == pytest.approx(expected.pass_seconds(one, s.speed.constants).total, rel=1e-12)


@pytest.mark.parametrize(
    ("model", "box", "options", "measured"),
    [
        ("minimax-m2.7", "dgx-spark", {"weights": "ud-iq4_xs", "kv": "q4_0", "engine": "llama.cpp"}, 26.4),
        ("minimax-m2.7", "16x sn40l", {"engine": "sambanova"}, 428),
        ("gpt-oss-120b", "16x sn40l", {"engine": "sambanova"}, 713),
        ("minimax-m2.7", "2x rtx-pro-6000", {"weights": "nvfp4", "engine": "sglang", "tp": 2}, 127.7),
    ],
)
def test_figures_of_the_articles_lie_in_the_interval(model, box, options, measured):
    found = roofline.predict(model, box, **options).decode.expected
    assert found.low <= measured <= found.high
