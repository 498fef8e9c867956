"""The formulas: each equals the count it stands for, and works for floats, arrays and symbols alike."""

from __future__ import annotations

import inspect
import re

import numpy as np
import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st
from strategies import DOMAINS, SEQUENCES

from roofline import ops, units

FORMULAS = [getattr(ops, name) for name in ops.__all__ if name != "Cost"]


def _arguments(formula):
    return list(inspect.signature(formula).parameters)


@st.composite
def _values(draw, formula):
    found = {}
    for name in _arguments(formula):
        if (formula.__name__, name) in SEQUENCES:
            length, domain = SEQUENCES[formula.__name__, name]
            found[name] = [draw(domain) for _ in range(length)]
        else:
            found[name] = draw(DOMAINS[name])
    return found


def _flat(result):
    return tuple(result) if isinstance(result, ops.Cost) else (result,)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
@given(data=st.data())
def test_scalar_array_and_symbol_agree(formula, data):
    values = data.draw(_values(formula))
    scalar = _flat(formula(**values))
    arrays = {
        k: [np.full((2, 3), x) for x in v] if isinstance(v, list) else np.full((2, 3), v) for k, v in values.items()
    }
    for one, many in zip(scalar, _flat(formula(**arrays)), strict=True):
        np.testing.assert_allclose(np.broadcast_to(many, (2, 3)), one, rtol=1e-12)
    symbols, numbers = {}, {}
    for k, v in values.items():
        listed = v if isinstance(v, list) else [v]
        made = [sympy.Symbol(f"{k}_{i}", positive=True) for i in range(len(listed))]
        # Exact rationals: near a crossover, two ways of adding floats may fall on different sides.
        numbers |= dict(zip(made, (sympy.Rational(x) for x in listed), strict=True))
        symbols[k] = made if isinstance(v, list) else made[0]
    for one, symbolic in zip(scalar, _flat(formula(**symbols)), strict=True):
        number = float(sympy.sympify(symbolic).subs(numbers))
        # Floors may differ by one where division is inexact; roots of one node cancel to a byte's fraction or to zero.
        coarse = formula.__name__.endswith("_that_fit") or formula is ops.crossing_bytes
        assert number == pytest.approx(one, rel=1e-9, abs=1 if coarse else 1e-9)


@pytest.mark.parametrize("formula", FORMULAS, ids=lambda f: f.__name__)
def test_a_formula_takes_keywords_and_explains_them(formula):
    parameters = inspect.signature(formula).parameters.values()
    assert all(p.kind is p.KEYWORD_ONLY for p in parameters)
    doc = inspect.getdoc(formula)
    section = re.search(r"Parameters\n-+\n(.*?)\n\nReturns", doc, re.DOTALL)[1]
    documented = re.findall(r"^(\w+) : (.*)\[(\S+)\]$", section, re.MULTILINE)
    assert [name for name, _, _ in documented] == [p.name for p in parameters]
    known = units.DIMENSIONS | {"1", "token", "element"}
    assert {unit for _, _, unit in documented} <= known
    assert ".. math::" in doc
    assert ">>>" in doc
    assert "By counting" in doc or "References" in doc


@given(st.integers(1, 300), st.integers(0, 300))
def test_pairs_are_counted_one_by_one(new, cached):
    assert ops.attended_pairs(new_tokens=new, cached=cached) == sum(cached + i + 1 for i in range(new))


@given(st.integers(1, 300), st.integers(0, 300), st.integers(1, 400))
def test_windowed_pairs_are_counted_one_by_one(new, cached, window):
    expected = sum(min(cached + i + 1, window) for i in range(new))
    assert ops.attended_pairs_in_window(new_tokens=new, cached=cached, window=window) == expected


@given(st.integers(1, 300), st.integers(0, 300), st.integers(1, 100))
def test_pairs_in_chunks_are_counted_one_by_one(new, cached, chunk):
    expected = sum((cached + i) % chunk + 1 for i in range(new))
    assert ops.attended_pairs_in_chunk(new_tokens=new, cached=cached, chunk=chunk) == expected
    assert ops.tokens_in_chunk(tokens=cached, chunk=chunk) == cached % chunk


@given(st.integers(1, 200), st.integers(0, 300), st.integers(1, 32), st.integers(1, 40))
def test_pairs_with_entries_are_never_counted_too_many_and_hardly_too_few(new, cached, ratio, top_k):
    exact = sum(min((cached + i + 1) // ratio, top_k) for i in range(new))
    bound = ops.compressed_pairs(new_tokens=new, cached=cached, ratio=ratio, top_k=top_k)
    assert exact - new <= bound <= exact
    assert ops.entries_of(tokens=cached, ratio=ratio) == cached // ratio


@given(st.integers(1, 400), st.integers(0, 1))
def test_a_recurrence_takes_the_cheaper_way(new, reads):
    """Few new tokens attend to each other; many go through the state."""
    delta = ops.gated_delta_rule(
        sequences=1, new_tokens=new, heads=1, d_key=64, d_value=64, state_bytes=1, state_reads=reads
    )
    space = ops.state_space(
        sequences=1, new_tokens=new, heads=1, d_head=64, d_state=64, state_bytes=1, state_reads=reads
    )
    assert delta.flop == min(6 * new * 64**2, 4 * reads * new * 64**2 + 2 * new * (new + 1) * 128)
    assert space.flop == min(4 * new * 64**2, 2 * reads * new * 64**2 + new * (new + 1) * 64)
    assert delta.state_bytes == space.state_bytes == reads


@given(st.integers(1, 200), st.integers(0, 1000))
def test_prefill_does_the_attention_of_its_single_steps(new, cached):
    def flop(n, c):
        pairs = ops.attended_pairs(new_tokens=n, cached=c)
        shape = {"heads": 8, "d_head": 64, "d_value": 32, "kv_bytes_per_token": 256}
        return ops.attention(sequences=3, pairs=pairs, read_tokens=c, **shape).flop

    assert flop(new, cached) == sum(flop(1, cached + i) for i in range(new))


@given(st.integers(1, 64), st.integers(1, 8), st.integers(0, 20_000))
def test_intensity_of_decode_attention_depends_on_grouping_alone(kv_heads, group, context):
    """2 H / (H_kv b) FLOP per byte, whatever batch and context; the new token's own key and value are not read."""
    cost = ops.attention(
        sequences=5,
        pairs=context + 1,
        read_tokens=context + 1,
        heads=kv_heads * group,
        d_head=128,
        d_value=128,
        kv_bytes_per_token=2 * kv_heads * 128 * 2,
    )
    assert cost.flop / cost.bytes == pytest.approx(2 * group / 2)


def test_latent_attention_absorbs_in_decode_and_expands_in_prefill():
    shape = {"sequences": 1, "heads": 128, "kv_rank": 512, "d_nope": 128, "d_rope": 64, "d_value": 128}
    decode = ops.latent_attention(new_tokens=1, cached=4096, read_tokens=4096, kv_bytes_per_token=1152, **shape)
    assert decode.flop == 2 * 128 * (320 + 4096 * 1088)
    prefill = ops.latent_attention(new_tokens=4096, cached=0, read_tokens=0, kv_bytes_per_token=1152, **shape)
    assert prefill.flop == 2 * 128 * 4096 * 4097 / 2 * 320
    long = ops.latent_attention(new_tokens=4096, cached=4096, read_tokens=4096, kv_bytes_per_token=1152, **shape)
    assert long.flop == prefill.flop + 2 * 128 * 4096 * (4096 * 320 + 512 * 256)


@pytest.mark.parametrize(("tokens", "published"), [(1, 8), (2, 15.75), (8, 57.4), (32, 163), (128, 251.6)])
def test_coverage_of_256_experts_top_8(tokens, published):
    digits = len(str(published).partition(".")[2])
    assert round(ops.distinct_experts(experts=256, top_k=8, tokens=tokens), digits) == published


@given(st.integers(1, 512), st.integers(1, 512), st.integers(1, 4096))
def test_coverage_lies_between_top_k_and_all(experts, top_k, tokens):
    top_k = min(top_k, experts)
    coverage = ops.distinct_experts(experts=experts, top_k=top_k, tokens=tokens)
    assert top_k * (1 - 1e-12) <= coverage <= min(experts, top_k * tokens) * (1 + 1e-12)
    more = ops.distinct_experts(experts=experts, top_k=top_k, tokens=tokens + 1)
    most = ops.distinct_experts(experts=experts, top_k=top_k, tokens=tokens + 2)
    assert coverage <= more * (1 + 1e-12)
    assert most - more <= (more - coverage) * (1 + 1e-9) + 1e-9  # concave


def test_coverage_of_one_token_is_top_k_and_of_many_is_everything():
    assert ops.distinct_experts(experts=256, top_k=8, tokens=1) == pytest.approx(8, rel=1e-12)
    assert ops.distinct_experts(experts=256, top_k=8, tokens=1e6) == 256


@given(
    st.integers(0, 10**12).map(float),
    st.integers(0, 10**11).map(float),
    st.lists(st.tuples(st.floats(1e9, 1e13), st.floats(1e6, 1e12)), min_size=1, max_size=4),
)
def test_tiers_share_the_bytes_in_the_best_way(moved, kept, tiers):
    rates, capacities = [r for r, _ in tiers], [c for _, c in tiers][:-1]
    t = ops.tiered_stream_seconds(moved_bytes=moved, kept_bytes=kept, bytes_per_s=rates, capacity_bytes=capacities)
    held = sum(min(c, r * t) for r, c in zip(rates, [*capacities, float("inf")], strict=True))
    assert held >= (moved - kept) * (1 - 1e-9)  # in that time everything gets through
    if t:
        before = t * (1 - 1e-6)
        least = sum(min(c, r * before) for r, c in zip(rates, [*capacities, float("inf")], strict=True))
        assert least < moved - kept  # and not sooner
    assert t <= max(moved - kept, 0) / rates[-1] * (1 + 1e-9)


@given(
    st.floats(0, 1e9),
    st.floats(0.5, 1e6),
    st.lists(st.tuples(st.floats(0.5, 1e6), st.integers(1, 10_000)), max_size=3, unique_by=lambda x: x[1]),
    st.booleans(),
)
def test_the_longest_sequence_fits_and_one_more_token_does_not(room, unbounded, windowed, grows):
    windowed = sorted(windowed, key=lambda x: x[1])
    unbounded = unbounded if grows or not windowed else 0

    def size(tokens):
        return unbounded * tokens + sum(b * min(tokens, w) for b, w in windowed)

    longest = ops.tokens_that_fit(
        room_bytes=room,
        unbounded_bytes_per_token=unbounded,
        windowed_bytes_per_token=[b for b, _ in windowed],
        windows=[w for _, w in windowed],
    )
    if longest == float("inf"):
        assert size(10**9) <= room
    else:
        assert size(max(longest, 0)) <= room * (1 + 1e-9)
        assert size(longest + 1) > room * (1 - 1e-9)


@given(st.floats(0, 1e12), st.floats(1, 1e9))
def test_the_largest_batch_fits_and_one_more_does_not(room, each):
    batch = ops.sequences_that_fit(room_bytes=room, bytes_per_sequence=each)
    assert batch * each <= room * (1 + 1e-12)
    assert (batch + 1) * each > room * (1 - 1e-12)


def test_symbols_give_the_ridge_batch_of_a_matrix():
    """With t = max(2 T P / pi, b P / beta), memory and compute balance at T = b pi / (2 beta)."""
    tokens, parameters, bits, pi, beta = sympy.symbols("T P b pi_f beta", positive=True)
    cost = ops.matrix(tokens=tokens, parameters=parameters, weight_bytes=bits * parameters)
    memory = ops.stream_seconds(moved_bytes=cost.weight_bytes, bytes_per_s=beta)
    compute = ops.compute_seconds(flop=cost.flop, flop_per_s=pi)
    assert sympy.solve(sympy.Eq(memory, compute), tokens) == [bits * pi / (2 * beta)]
