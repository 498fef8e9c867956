"""The time of a pass, term by term, against sums written out by hand; which constants and residuals hold for whom."""

from __future__ import annotations

import pytest

from roofline import calibration
from roofline.calibration import constants_for, interval
from roofline.expected import Constants, pass_seconds, served_seconds
from roofline.expected_work import Layout, PassWork, pass_work
from roofline.kernels import pass_kernels
from roofline.operations import Pass
from roofline.recipes import stored
from roofline.setting import setting
from roofline.specs import load_engine, load_hardware, load_model
from roofline.specs.speed import CONSTANTS, PROBABILITIES, Constant, Fitted, Residuals
from roofline.workload import Request

NEUTRAL = dict.fromkeys(Constants._fields, 1.0)

WORK = PassWork(
    stream=(1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0),
    routed=(0.5, 0.25, 0.0, 1.0, 0.0, 2.0, 0.0),
    cache=3.0,
    state=0.7,
    multiply=(1.0, 2.0, 3.0, 4.0),
    row=(0.1, 0.2, 0.3, 0.4),
    unpack=5.0,
    attend=2.0,
    kernels=10.0,
    exchanges=4.0,
    send=0.9,
    hops=3.0,
    switched=1.0,
    sequences=6.0,
    tokens=1.0,
    layers=8.0,
)


def _pass(work=WORK, *, prefill=False, eager=0.0, **constants):
    return pass_seconds(work, Constants(**NEUTRAL | constants), prefill=prefill, eager=eager)


def _norm(x, y, p=3.0):
    return (x**p + y**p) ** (1 / p)


def test_weights_are_read_at_the_speed_of_their_class():
    factors = dict(
        zip(
            (f"slower_{n}" for n in ("eight", "eight_block", "four", "float4", "k_quant", "codebook")),
            (1.1, 1.2, 1.3, 1.4, 1.5, 1.6),
            strict=True,
        )
    )
    found = _pass(weight_bandwidth=0.5, **factors)
    assert found.weights == pytest.approx((1 + 2.2 + 3.6 + 5.2 + 7 + 9 + 11.2) / 0.5)


def test_experts_of_16_bits_and_of_few_tokens_are_slower():
    plain = _pass().weights
    assert _pass(slower_wide_experts=3.0).weights == pytest.approx(plain + 2.0 * 0.5)
    few = WORK._replace(tokens=4.0)
    assert _pass(few, few_tokens=2.0).weights == pytest.approx(plain + sum(WORK.routed))
    for tokens in (1.0, 9.0):
        assert _pass(WORK._replace(tokens=tokens), few_tokens=2.0).weights == pytest.approx(plain)
    assert _pass(few, few_tokens=2.0, prefill=True).weights == pytest.approx(plain)


def test_products_are_done_in_whole_tiles_where_tokens_are_many():
    factors = {"slower_multiply_eight": 1.1, "slower_multiply_eight_block": 1.2, "slower_multiply_four": 1.3}
    plain = (1 + 2.2 + 3.6 + 5.2) / 0.5 + 5.0 / 4.0
    padded = plain + 32 * (0.1 + 0.22 + 0.36 + 0.52) / 0.5
    constants = {"multiply_rate": 0.5, "unpack_rate": 4.0, "padding_rows": 32.0, **factors}
    assert _pass(**constants).multiply == pytest.approx(plain)
    assert _pass(WORK._replace(tokens=8.0), **constants).multiply == pytest.approx(plain)
    assert _pass(WORK._replace(tokens=9.0), **constants).multiply == pytest.approx(padded)
    assert _pass(prefill=True, **constants).multiply == pytest.approx(padded)


def test_a_pass_is_the_sum_of_its_terms():
    constants = {"cache_bandwidth": 0.8, "attend_rate": 0.4, "weight_bandwidth": 0.5, "kernel": 0.01, "exchange": 0.02}
    found = _pass(**constants, exchange_without_switch=0.03, link_bandwidth=0.6, sequence=0.04, padding_rows=1e-9)
    assert found.weights_and_multiply == pytest.approx(_norm(found.weights, found.multiply))
    assert found.cache_and_attention == pytest.approx(_norm(3 / 0.8, 2 / 0.4))
    assert found.state == pytest.approx(0.7 / 0.5)
    assert found.kernels == pytest.approx(10 * 0.01)
    assert found.exchanges == pytest.approx(4 * 0.02 + 0.9 / 0.6)
    assert found.sequences == pytest.approx(6 * 0.04)
    assert found.total == pytest.approx(sum(found[2:-1]))
    assert _pass(sequence=9.0, prefill=True).sequences == 0
    without = _pass(WORK._replace(switched=0.0), exchange=0.02, exchange_without_switch=0.03, link_bandwidth=0.6)
    assert without.exchanges == pytest.approx(4 * 0.03 * 3 + 0.9 / 0.6)


def test_a_model_has_a_factor_of_its_own_on_every_term():
    plain, slow = _pass(), _pass(decode_of_model=1.5, prefill_of_model=9.0)
    assert list(slow) == pytest.approx([1.5 * part for part in plain])
    assert _pass(prefill=True, decode_of_model=9.0, prefill_of_model=1.5).total == pytest.approx(
        1.5 * _pass(prefill=True).total
    )


def test_a_host_overlaps_with_the_device():
    device = _pass(host=2.0).total
    assert _pass(host=2.0, eager=1.0).total == pytest.approx(_norm(device, 2.0 * 8.0, 2.5))


def test_requests_wait_for_prompts_and_for_room():
    c = Constants(**NEUTRAL | {"interference": 0.5, "request": 0.1, "wait": 0.25})
    found = served_seconds(c, step=1.0, prefill=4.0, streams=5.0, concurrency=5.0, output=10.0)
    per_token, first = 1.0 + 0.5 * 4 / 10 * 4.0, 0.1 + 4.0 * (1 + 0.25 * 4) + 0.5
    assert (found.per_token, found.first_token) == pytest.approx((per_token, first))
    assert found.request == pytest.approx(first + 9 * per_token)
    waiting = served_seconds(c, step=1.0, prefill=4.0, streams=5.0, concurrency=15.0, output=10.0)
    assert waiting.request == pytest.approx(3 * found.request)
    assert waiting.first_token == pytest.approx(first + 2 * found.request)


# --- work of a pass on a device


def _setting(model, hardware, engine, weights, tp=1):
    request = Request(
        load_model(model), load_hardware(hardware), tp, weights, None, load_engine(engine), Layout(tp), None
    )
    return setting(request)


def _work(s, tp=1, *, tokens=1, chunk=None):
    engine_rules = s.speed.rules if chunk is None else s.speed.rules.model_copy(update={"chunk": chunk})
    return pass_work(
        s.transformer, s.machine, Pass(1, tokens, 0), layout=Layout(tp), counted=s.speed.counted, rules=engine_rules
    )


def test_quantised_weights_are_unpacked_at_the_32_bit_peak_and_others_are_not():
    s = _setting("llama-3.1-8b", "a100-sxm-80gb", "llama.cpp", "q8_0")
    fp32 = next(c.peak.si for c in s.device.compute if c.format == "fp32")
    matrices = sum(o.parameters + o.last_parameters for o in s.transformer.operations if hasattr(o, "storage"))
    assert _work(s).unpack == pytest.approx(2 * matrices / fp32, rel=1e-3)  # norms are not
    assert _work(_setting("llama-3.1-8b", "a100-sxm-80gb", "llama.cpp", "bf16")).unpack == 0
    assert _work(_setting("llama-3.1-8b", "h100-sxm", "vllm", "fp8")).unpack == 0
    shared = _setting("llama-3.1-8b", "a100-sxm-80gb", "vllm", "int4-awq", 2)
    assert _work(shared, 2).unpack == pytest.approx(
        _work(_setting("llama-3.1-8b", "a100-sxm-80gb", "vllm", "int4-awq")).unpack / 2
    )
    experts = _setting("qwen3-30b-a3b", "a100-sxm-80gb", "llama.cpp", "q8_0")
    active = load_model("qwen3-30b-a3b")
    assert _work(experts).unpack > 2 * 2.5e9 / fp32, active.name  # 3.3 billion active, embedding aside


def test_an_exchange_sends_a_ring_of_activations_over_the_link():
    s = _setting("llama-3.1-70b", "h100-sxm", "vllm", "fp8", 4)
    found = _work(s, 4, tokens=100)
    layers, width = 80, 8192
    assert found.exchanges == 2 * layers
    assert found.hops == 3
    assert found.send == pytest.approx(2 * layers * 100 * width * 2 * 2 * 3 / 4 / 450e9)
    assert (found.switched, _work(_setting("llama-3.1-70b", "rtx-4090", "vllm", "int4-awq", 4), 4).switched) == (1, 0)


def test_llama_cpp_multiplies_in_8_bits_on_nvidia_and_in_16_elsewhere():
    for hardware, place in (("rtx-4090", 1), ("rx-7900-xtx", 0)):
        found = _work(_setting("llama-3.1-8b", hardware, "llama.cpp", "q4_0"))
        assert max(range(4), key=lambda i: found.multiply[i]) == place


def test_more_kernels_where_activations_are_quantised_queries_normalised_or_experts_shared():
    counts = load_engine("vllm").kernels
    llama, qwen = load_model("llama-3.1-8b"), load_model("qwen3-32b")
    plain, quantised = (pass_kernels(llama.architecture, stored(llama, w), counts).kernels for w in ("bf16", "fp8"))
    assert quantised - plain == 32 * counts.quantised_dense
    assert pass_kernels(qwen.architecture, stored(qwen, "bf16"), counts).kernels == (
        counts.once + 64 * (counts.attention + counts.query_norm + counts.dense)
    )
    deepseek = load_model("deepseek-v3")
    fewer = counts.model_copy(update={"shared_experts": 0})
    both = [pass_kernels(deepseek.architecture, stored(deepseek, "native"), c).kernels for c in (counts, fewer)]
    assert both[0] - both[1] == 58 * counts.shared_experts


# --- which constants and residuals hold


def _fitted(**residuals):
    shifts = dict.fromkeys(CONSTANTS, 1.0)
    by = {"by_backend": 2.0, "by_hardware": 3.0, "by_build": 5.0, "by_device": 7.0, "by_model": 11.0}
    names = {"by_backend": "cuda", "by_hardware": "cuda hbm", "by_build": "2026-1", "by_device": "d", "by_model": "m"}
    constant = {level: {names[level]: factor} for level, factor in by.items()}
    tables = [
        Residuals(
            metric="decode", left_out=what, rows=9, groups=3, quantiles=[width * (p - 0.5) for p in PROBABILITIES]
        )
        for what, width in residuals.items()
    ]
    return Fitted(
        date="2026-11-21",
        rows=9,
        newest_build="2026-08",
        sources=1,
        models=("m",),
        constants={name: Constant(value=value, unit="1", spread=0.1, **constant) for name, value in shifts.items()},
        accuracy=(),
        residuals=tuple(tables),
    )


def test_a_constant_is_the_product_of_its_levels():
    fitted = _fitted()
    assert constants_for(fitted, "cuda hbm", "2026-1", "d", "m").kernel == 2 * 3 * 5 * 7 * 11
    assert constants_for(fitted, "cuda gddr", "2024", "other", "other").kernel == 2
    assert constants_for(fitted, "rocm hbm", "2026-1", "d", "m").kernel == 5 * 7 * 11


@pytest.mark.parametrize(
    ("unseen", "width"),
    [((), 1), (("model",), 2), (("device",), 3), (("hardware", "device"), 4), (("model", "device"), 3)],
)
def test_an_interval_is_the_widest_of_what_is_new(unseen, width):
    fitted = _fitted(cell=1.0, model=2.0, device=3.0, hardware=4.0)
    known = calibration.Known(**{name: name not in unseen for name in ("model", "device", "hardware")})
    fast, slow = interval(fitted, "decode", known, 0.9)
    assert (fast, slow) == pytest.approx((2.718281828 ** (-0.45 * width), 2.718281828 ** (0.45 * width)))


def test_half_years_begin_in_january_and_july():
    assert [calibration.period(m) for m in ("2025-06", "2025-07")] == ["2025-1", "2025-2"]
