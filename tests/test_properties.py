"""What must hold for every model on every machine: order, scaling, limits, conservation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from strategies import batches, caches, contexts, hardware, models, weights

import roofline
from roofline.machine import machine
from roofline.operations import (
    AttentionCore,
    CompressedCore,
    GroupedQueryCore,
    Matrices,
    Pass,
    RecurrentCore,
    RoutedExperts,
    is_linear,
)
from roofline.specs import DeviceSpec, SystemSpec, load_device, load_hardware, load_model
from roofline.times import pass_times
from roofline.transformer import transformer

CLOSE = 1 + 1e-9


def _device(name: str) -> DeviceSpec:
    spec = load_hardware(name)
    return load_hardware(spec.device) if isinstance(spec, SystemSpec) else spec


def _times(model, weights_name, kv, device, batch=1, new=1, cached=0, devices=1):
    built = transformer(load_model(model), weights_name, kv)
    return pass_times(built, machine(_device(device), devices), Pass(batch, new, cached))


@given(models, weights, caches, hardware, batches, contexts)
def test_order_of_the_three_speeds(model, recipe, kv, box, batch, context):
    """No engine beats the ceiling; streaming and uniform only add bytes."""
    d = roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context).decode
    assert d.ceiling.seconds_per_step <= d.streaming.seconds_per_step * CLOSE
    assert d.streaming.seconds_per_step <= d.uniform.seconds_per_step * CLOSE
    if batch == 1:
        assert d.uniform.seconds_per_step == pytest.approx(d.streaming.seconds_per_step)


@given(models, weights, caches, hardware, batches, contexts)
def test_the_step_is_the_sum_of_its_operations(model, recipe, kv, box, batch, context):
    p = roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context)
    d = p.decode
    moved = d.weight_bytes + d.kv_bytes + d.state_bytes
    assert sum(op.bytes for op in d.ops) == pytest.approx(moved)
    assert sum(op.flop for op in d.ops) == pytest.approx(d.flop_per_token * batch)
    assert d.bytes_per_token == pytest.approx(moved / batch)
    assert d.arithmetic_intensity == pytest.approx(d.flop_per_token / d.bytes_per_token)
    assert sum(op.seconds for op in d.ops) >= d.ceiling.seconds_per_step / CLOSE
    assert sum(op.bytes for op in p.prefill.ops) == pytest.approx(p.prefill.bytes)
    assert p.memory.total_bytes == pytest.approx(
        p.memory.weights_bytes + p.memory.kv_bytes + p.memory.state_bytes + p.memory.overhead_bytes
    )
    assert d.ceiling.tokens_per_s == pytest.approx(batch / d.ceiling.seconds_per_step)
    assert d.ceiling.tokens_per_s == pytest.approx(batch * d.ceiling.tokens_per_s_per_stream)


@given(models, weights, caches, hardware, batches, contexts)
def test_more_work_never_takes_less_time(model, recipe, kv, box, batch, context):
    def call(batch, context):
        return roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context, prompt=context + 1)

    now = call(batch, context)
    for longer in (call(batch + 1, context), call(batch, context + 500)):
        for figure in ("ceiling", "streaming", "uniform"):
            before, after = getattr(now.decode, figure), getattr(longer.decode, figure)
            assert before.seconds_per_step <= after.seconds_per_step * CLOSE
        assert now.prefill.ceiling.seconds <= longer.prefill.ceiling.seconds * CLOSE
        assert now.memory.total_bytes <= longer.memory.total_bytes


@given(models, weights, caches, hardware, batches, contexts)
def test_a_batch_helps_throughput_and_not_the_single_stream(model, recipe, kv, box, batch, context):
    one = roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context).decode
    two = roofline.predict(model, box, weights=recipe, kv=kv, batch=2 * batch, context=context).decode
    for figure in ("ceiling", "streaming", "uniform"):
        small, large = getattr(one, figure), getattr(two, figure)
        # A larger batch may stop fitting on the chip, which only the ceiling counts on.
        assert large.tokens_per_s * CLOSE >= small.tokens_per_s or figure == "ceiling"
        assert large.tokens_per_s_per_stream <= small.tokens_per_s_per_stream * CLOSE


@given(models, caches, hardware, batches, contexts)
def test_narrower_weights_and_caches_are_never_slower(model, kv, box, batch, context):
    device = load_device(load_hardware(box))
    assume(
        not device.compute or machine(device, 1).peak(16)
    )  # a peak that is known for narrow formats alone bounds them
    wide = roofline.predict(model, box, weights="bf16", kv="bf16", batch=batch, context=context)
    narrow = roofline.predict(model, box, weights="fp8", kv=kv, batch=batch, context=context)
    for figure in ("ceiling", "streaming", "uniform"):
        assert getattr(narrow.decode, figure).seconds_per_step <= getattr(wide.decode, figure).seconds_per_step * CLOSE
    assert narrow.prefill.ceiling.seconds <= wide.prefill.ceiling.seconds * CLOSE
    assert narrow.memory.total_bytes <= wide.memory.total_bytes


@given(models, weights, hardware, batches, contexts, st.integers(2, 16))
def test_devices_in_a_pool_divide_the_time(model, recipe, box, batch, context, devices):
    one = roofline.predict(model, box, weights=recipe, batch=batch, context=context).decode
    many = roofline.predict(model, box, weights=recipe, batch=batch, context=context, devices=devices).decode
    assert many.streaming.seconds_per_step * devices == pytest.approx(one.streaming.seconds_per_step)
    # The ceiling gains more: the pool keeps more on its chips.
    assert many.ceiling.seconds_per_step * devices <= one.ceiling.seconds_per_step * CLOSE


@given(models, weights, caches, hardware, batches, contexts, st.floats(0.25, 4))
def test_scaling_every_roof_scales_every_time(model, recipe, kv, box, batch, context, factor):
    device = _device(box)
    scaled = device.model_copy(
        update={
            "memory": tuple(
                tier.model_copy(
                    update={
                        "bandwidth": tier.bandwidth
                        and tier.bandwidth.model_copy(update={"value": f"{tier.bandwidth.si * factor!r} B/s"})
                    }
                )
                for tier in device.memory
            ),
            "compute": tuple(
                c.model_copy(update={"peak": c.peak.model_copy(update={"value": f"{c.peak.si * factor!r} FLOP/s"})})
                for c in device.compute
            ),
        }
    )
    for tier in scaled.memory:
        if tier.bandwidth:
            tier.bandwidth.__dict__.pop("si", None)
    for c in scaled.compute:
        c.peak.__dict__.pop("si", None)
    before = roofline.predict(model, device, weights=recipe, kv=kv, batch=batch, context=context)
    after = roofline.predict(model, scaled, weights=recipe, kv=kv, batch=batch, context=context)
    for figure in ("ceiling", "streaming", "uniform"):
        old, new = getattr(before.decode, figure), getattr(after.decode, figure)
        assert new.seconds_per_step * factor == pytest.approx(old.seconds_per_step)
    assert after.prefill.ceiling.seconds * factor == pytest.approx(before.prefill.ceiling.seconds)


@given(models, weights, caches, st.integers(1, 64), st.integers(1, 200), st.integers(1, 2000))
def test_prefill_computes_what_its_single_steps_do(model, recipe, kv, sequences, new, cached):
    """Except where it may do less: in the last layer and the head, and where many tokens at once are cheaper."""
    built = transformer(load_model(model), recipe, kv)
    for op in built.operations:
        whole = op.cost(Pass(sequences, new, cached)).flop
        steps = [op.cost(Pass(sequences, 1, cached + i)).flop for i in range(new)]
        if isinstance(op, Matrices):
            assert whole == 2 * sequences * (new * op.parameters + op.last_parameters)
            assert steps[0] == 2 * sequences * (op.parameters + op.last_parameters)
        elif isinstance(op, RoutedExperts):
            assert whole == pytest.approx(2 * sequences * op.top_k * (new * op.parameters + op.last_parameters))
        elif isinstance(op, GroupedQueryCore):
            last = op.last_heads / (op.heads + op.last_heads)
            assert whole == pytest.approx(sum(steps) * (1 - last) + steps[-1] * last)
        elif isinstance(op, RecurrentCore):
            assert whole <= 6 * sequences * new * (op.heads + op.last_heads) * op.d_key * op.d_value * CLOSE
        else:
            assert whole <= sum(steps) * CLOSE


def test_only_the_last_token_needs_the_output_of_the_last_layer():
    """Of 32 layers of Llama-3.1-8B one needs keys and values alone; the head's and its rest see one token each."""
    spec = load_model("llama-3.1-8b")
    built = {op.name: op for op in transformer(spec, "native", "bf16").operations}
    layer = {"attention projections": 4096 * (4096 + 4096), "feed-forward": 3 * 4096 * 14336}
    keys_and_values = 2 * 4096 * 1024
    for name, parameters in layer.items():
        kept = keys_and_values if name == "attention projections" else 0
        assert built[name].parameters == 31 * (parameters + kept) + kept
        assert built[name].last_parameters == parameters
    assert (built["output head"].parameters, built["output head"].last_parameters) == (0, 4096 * 128256)
    assert (built["attention"].heads, built["attention"].last_heads) == (31 * 32, 32)


@given(models, caches, contexts, st.integers(1, 8))
def test_the_cache_grows_with_a_constant_slope_outside_windows(model, kv, context, batch):
    operations = transformer(load_model(model), "native", kv).operations
    # one entry for many tokens, and chunks that begin anew, make steps and no slope
    assume(not any(isinstance(op, CompressedCore) or getattr(op, "chunk", None) for op in operations))
    beyond = 8192  # every window of the catalog is full by then, and every choice of tokens complete
    at = [
        roofline.predict(model, "h100-sxm", kv=kv, batch=batch, context=beyond + context // 40 + more)
        for more in (0, 1, 100)
    ]
    slope = at[0].memory.kv_bytes_per_token * batch
    assert at[1].memory.kv_bytes - at[0].memory.kv_bytes == pytest.approx(slope)
    read = sum(op.read_bytes for op in operations if isinstance(op, AttentionCore) and is_linear(op))
    assert at[2].decode.kv_bytes - at[0].decode.kv_bytes == pytest.approx(100 * batch * read)


@given(models, weights, caches, hardware, st.integers(1, 16), contexts, st.sampled_from([None, "llama.cpp", "vllm"]))
def test_the_longest_context_and_the_largest_batch_fit_and_one_more_does_not(
    model, recipe, kv, box, batch, context, engine
):
    def fits(batch, context):
        return roofline.predict(
            model, box, weights=recipe, kv=kv, batch=batch, context=context, engine=engine
        ).memory.fits

    memory = roofline.predict(model, box, weights=recipe, kv=kv, batch=batch, context=context, engine=engine).memory
    longest, largest = memory.max_context, memory.max_batch
    if context:  # for an empty cache, one token of each sequence is counted
        assert memory.fits == (largest is not None and largest >= batch)
    if longest:
        assert fits(batch, longest)
        assert longest == load_model(model).architecture.max_context or not fits(batch, longest + 1)
    if largest:
        assert fits(largest, context)
        assert context == 0 or not fits(largest + 1, context)


@given(models, weights, batches, contexts)
def test_caches_are_in_proportion_to_their_bits(model, recipe, batch, context):
    context = max(context, 1)
    size = {
        kv: roofline.predict(model, "h100-sxm", weights=recipe, kv=kv, batch=batch, context=context).memory.kv_bytes
        for kv in ("bf16", "q8_0", "q4_0")
    }
    assert size["q8_0"] / size["bf16"] == pytest.approx(8.5 / 16)
    assert size["q4_0"] / size["q8_0"] == pytest.approx(4.5 / 8.5)


@given(models, weights, caches, hardware, st.integers(1, 64), st.integers(1, 4000), st.integers(1, 500))
def test_serving_is_bounded_by_its_parts(model, recipe, kv, box, concurrency, prompt, output):
    options = {"weights": recipe, "kv": kv}
    p = roofline.predict(model, box, concurrency=concurrency, prompt=prompt, output=output, **options)
    s = p.serving
    assert s.total_tok_per_s.ceiling == pytest.approx(s.output_tok_per_s.ceiling * (prompt + output) / output)
    alone = roofline.predict(model, box, prompt=prompt, context=prompt, **options)
    assert s.ttft_s.ceiling == alone.prefill.ceiling.seconds
    assert s.tpot_s.ceiling == alone.decode.ceiling.seconds_per_step
    # Decoding alone, from an empty cache, is at least as fast; a state is read only from the second token on.
    decode = roofline.predict(model, box, batch=concurrency, **options).decode.ceiling
    steps = output - 1 if p.memory.state_bytes else max(output - 1, 1)
    assert s.output_tok_per_s.ceiling * steps <= decode.tokens_per_s * output * CLOSE


@given(models, weights, caches, hardware)
def test_arrays_give_what_single_values_give(model, recipe, kv, box):
    batch, context = np.array([1.0, 7.0, 64.0])[:, None], np.array([0.0, 100.0, 3000.0, 31_000.0])[None, :]
    many = _times(model, recipe, kv, box, batch=batch, cached=context)
    for name in ("memory", "streaming", "uniform", "compute", "flop", "kv_bytes", "weight_bytes"):
        grid = np.broadcast_to(getattr(many, name), (3, 4))
        for i, b in enumerate(batch[:, 0]):
            for j, c in enumerate(context[0]):
                one = getattr(_times(model, recipe, kv, box, batch=float(b), cached=float(c)), name)
                assert grid[i, j] == pytest.approx(one, rel=1e-12), name


def test_a_dense_network_is_a_mixture_of_one_expert():
    dense = load_model("llama-3.1-8b")
    a = dense.architecture
    mixture = a.model_copy(
        update={"ffn": {"dense": _experts(1, 1, 14336)}},
    )
    one = _cost_of(mixture)
    for name in ("weight_bytes", "flop"):
        # The router of one expert is all that is added.
        router = 32 * 4096
        extra = {"weight_bytes": 2 * router, "flop": 2 * router}[name]
        assert getattr(one, name) == pytest.approx(getattr(_cost_of(a), name) + extra)


def test_a_mixture_that_uses_all_experts_is_a_wide_dense_network():
    a = load_model("llama-3.1-8b").architecture
    every = a.model_copy(update={"ffn": {"dense": _experts(8, 8, 14336 // 8)}})
    router = 32 * 4096 * 8
    assert _cost_of(every).flop == pytest.approx(_cost_of(a).flop + 2 * router)
    assert _cost_of(every).weight_bytes == pytest.approx(_cost_of(a).weight_bytes + 2 * router)


def test_an_idle_expert_costs_memory_and_no_time():
    a = load_model("llama-3.1-8b").architecture
    few, many = (a.model_copy(update={"ffn": {"dense": _experts(n, 2, 1024)}}) for n in (8, 64))
    router = 32 * 4096 * 56
    assert _cost_of(many).flop == pytest.approx(_cost_of(few).flop + 2 * router)


def _experts(experts, top_k, width):
    from roofline.specs.model import Experts

    return Experts(kind="moe", experts=experts, top_k=top_k, d_expert=width)


def _cost_of(architecture):
    spec = load_model("llama-3.1-8b").model_copy(update={"architecture": architecture})
    return pass_times(transformer(spec, "bf16", "bf16"), machine(_device("h100-sxm"), 1), Pass(1, 1, 0))


def test_doubling_the_layers_doubles_everything_but_the_head():
    a = load_model("llama-3.1-8b").architecture
    twice = a.model_copy(update={"layers": a.layers * 2})
    one, two = _cost_of(a), _cost_of(twice)
    head = next(op for op in one.operations if op.name == "output head").cost
    assert two.weight_bytes - head.weight_bytes == pytest.approx(2 * (one.weight_bytes - head.weight_bytes))
    assert two.flop - head.flop == pytest.approx(2 * (one.flop - head.flop))


def test_the_order_of_layers_does_not_matter_for_plain_formats():
    a = load_model("gpt-oss-20b").architecture
    turned = a.model_copy(update={"layers": tuple(reversed(a.layers))})
    assert _cost_of(turned).weight_bytes == _cost_of(a).weight_bytes


def test_memory_bound_dense_decode_is_bytes_over_bandwidth():
    p = roofline.predict("llama-3.1-8b", "dgx-spark", weights="bf16")
    assert p.decode.streaming.seconds_per_step == pytest.approx((8_030_261_248 - 128256 * 4096) * 2 / 273e9)
    half = roofline.predict("llama-3.1-8b", "dgx-spark", weights="fp8", kv="bf16")
    head = 128256 * 4096 * 2
    body = (p.decode.weight_bytes - head) / 2
    assert half.decode.weight_bytes == pytest.approx(body + head, rel=1e-3)


def test_very_large_batches_reach_the_cache_or_compute_roof():
    """Weights stop mattering: what is left is the cache of each sequence, or the compute of each token."""
    p = roofline.predict("llama-3.1-70b", "h100-sxm", batch=10**9, context=8192)
    each = 327_680 * 8192 / 3.35e12
    compute = p.decode.flop_per_token / 989.4e12
    assert p.decode.streaming.tokens_per_s == pytest.approx(1 / max(each, compute), rel=1e-6)
