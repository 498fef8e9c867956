"""What fits, derived as the rest: symbols for weights, cache, engine and memory in the function that adds them up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import sympy

from roofline import capacity, units
from roofline.capacity import CacheGrowth
from roofline.explanation.derivation import Formula, Ledger, Section, Step
from roofline.explanation.sections import used
from roofline.explanation.symbolic import cited
from roofline.operations import RoutedExperts
from roofline.overhead import EngineMemory, Line
from roofline.results import Prediction
from roofline.setting import Setting
from roofline.workload import Workload


def memory(s: Setting, work: Workload, p: Prediction) -> Section:
    """Return the derivation of what fits."""
    ledger = Ledger()
    batch = ledger.given("B", work.batch, "1", "sequences (batch)")
    tokens = ledger.given("s", work.tokens, "token", "length of each: the longest it gets")
    weights = _stored(s, ledger)
    limit: Any = ledger.given(
        "s_max", s.model.architecture.max_context, "token", "the model's own limit", cited(s, "architecture of ")
    )
    found = capacity.memory(
        _stateful(s, ledger, weights),
        _memories(s, ledger),
        growth=_growth(s, ledger),
        batch=batch,
        tokens=tokens,
        longest_context=limit,
        engine=_own(s, ledger),
    )
    steps = {
        key: ledger.step(name, getattr(found, key), unit, meaning, f"memory.{key}")
        for key, name, unit, meaning in MEMORY
        if getattr(p.memory, key) is not None
    }
    parts = [steps[key] for key in ("kv_bytes", "state_bytes", "overhead_bytes") if steps[key].formula != 0]
    total, overhead = steps["total_bytes"], steps["overhead_bytes"]
    rest = sympy.expand(total.formula - sum(part.formula for part in parts))
    needed = rest + sum(part.symbol for part in parts)
    shorter = {total.formula: total.symbol}
    if overhead.formula != 0:
        shorter[overhead.formula] = overhead.symbol
    if "cache_tokens" in steps:
        shorter = {steps["cache_tokens"].formula: steps["cache_tokens"].symbol} | shorter
    steps = {key: replace(step, formula=_shorter(step, shorter)) for key, step in steps.items()}
    steps["total_bytes"] = replace(total, formula=needed)
    notes = tuple(f"memory.{key} is none: {why}" for key, why in NONE_FITS.items() if getattr(p.memory, key) is None)
    every = [steps.pop("total_bytes"), weights, *steps.values()]
    return Section("memory: what fits", tuple(every), used(ledger.givens, every, ()), (), notes)


MEMORY = (
    ("kv_bytes", "K", "byte", "cache of the whole batch"),
    ("state_bytes", "S", "byte", "recurrent state of the whole batch"),
    ("overhead_bytes", "O", "byte", "what the engine needs for itself, or leaves to others"),
    ("total_bytes", "M", "byte", "needed in all"),
    ("room_bytes", "M_room", "byte", "left to cache and state"),
    ("missing_bytes", "M_missing", "byte", "what does not fit"),
    ("max_context", "s_fits", "token", "longest context that fits at this batch"),
    ("cache_tokens", "s_room", "token", "cached tokens of each sequence that fit, whatever the model's limit"),
    ("max_batch", "B_fits", "1", "largest batch that fits at this length"),
    ("kv_bytes_per_token", "b_more", "byte", "what one more token adds once every window is full"),
    ("host_bytes", "O_host", "byte", "of it, in the host's memory"),
    ("outside_bytes", "O_outside", "byte", "of it, outside the share that the engine takes"),
    ("capacity_bytes", "C_usable", "byte", "what programs can use"),
    ("physical_bytes", "C_physical", "byte", "main memory in full"),
)
"""Figures of memory: key, symbol, unit, meaning; those that others are made of first."""


NONE_FITS = {
    "max_context": "no context fits",
    "max_batch": "no sequence fits",
    "cache_tokens": "there is room for none, or the cache does not grow",
}
"""Figures that may be None, and what that says."""


def _shorter(step: Step, shorter: dict[Formula, Any]) -> Formula:
    """Return the formula of a step with parts that have a symbol of their own named by it; not those it defines."""
    parts = {formula: symbol for formula, symbol in shorter.items() if symbol != step.symbol and not formula.is_Symbol}
    formula = step.formula
    for part, symbol in parts.items():
        formula = formula.subs(part, symbol)
    return formula


def _stateful(s: Setting, ledger: Ledger, weights: Step) -> Any:
    """Return a model of weights and state alone, as symbols."""
    state: Any = s.transformer.state_bytes
    if state:
        state = ledger.given("S_1", state, "byte", "recurrent state of one sequence", cited(s, "architecture of "))
    return SimpleNamespace(weights_bytes=weights.symbol, operations=(), state_bytes=state)


def _memories(s: Setting, ledger: Ledger) -> Any:
    """Return a machine of memory alone, as symbols."""
    m, main = s.machine, s.device.main_memory.name
    together = f", {m.devices} devices together" if m.devices > 1 else ""
    cite = cited(s, f"capacity of {s.device.name}'s {main},")
    usable = ledger.given("C", m.capacity_bytes, "byte", f"{main} that programs can use{together}", cite)
    full = usable
    if m.physical_bytes != m.capacity_bytes:
        full = ledger.given("C_full", m.physical_bytes, "byte", f"{main} in full{together}", cite)
    return SimpleNamespace(capacity_bytes=usable, physical_bytes=full)


def _stored(s: Setting, ledger: Ledger) -> Step:
    """Return the weights on all devices: one set for each replica."""
    once = sum(_weights(s, ledger))
    experts = [o for o in s.transformer.operations if isinstance(o, RoutedExperts)]
    size = sum(o.experts * (o.weight_bytes + o.last_weight_bytes) for o in experts)
    operations: tuple[Any, ...] = ()
    if size and s.layout and s.layout.data > 1:
        shared = ledger.given("V_experts", size, "byte", "of them, routed experts", cited(s, "weights "))
        operations = (replace(experts[0], experts=1, weight_bytes=shared, last_weight_bytes=0),)
    model: Any = SimpleNamespace(weights_bytes=once, operations=operations)
    formula = capacity.stored_bytes(model, s.layout)
    return ledger.step("W", formula, "byte", "all weights as stored", "memory.weights_bytes")


def _own(s: Setting, ledger: Ledger) -> EngineMemory:
    """Return what the engine needs for itself, as symbols."""
    own, sources = s.own, cited(s, "memory overhead of ", "buffers of ", "share of the memory ")

    def line(name: str, of: Line, meaning: str) -> Line:
        fixed: Any = ledger.given(f"O_{name}", of.fixed, "byte", meaning, sources) if of.fixed else 0.0
        slope: Any = 0.0
        if of.slope:
            slope = ledger.given(f"o_{name}", of.slope, "byte", f"{meaning}, for each token", sources)
        return Line(fixed, slope)

    outside: Any = own.outside_bytes
    if outside:
        outside = ledger.given("O_out", own.outside_bytes, "byte", "outside the share that the engine takes", sources)
    lines = [line(str(number), of, "what the engine needs") for number, of in enumerate(own.lines, 1)]
    return own._replace(lines=tuple(lines), host=line("h", own.host, "in the host's memory"), outside_bytes=outside)


def _weights(s: Setting, ledger: Ledger) -> Iterator[sympy.Symbol]:
    """Yield the size of each group of tensors in each format."""
    sources = cited(s, "weights ") or cited(s, "architecture of ")
    if s.transformer.weights_bytes != s.weights.bytes:
        yield ledger.given("V_1", s.transformer.weights_bytes, "byte", "the file's size, as given (weights_bytes)")
        return
    sizes: dict[tuple[str, str], tuple[float, float]] = {}
    for item in s.weights.tensors:
        key = item.tensor.group.replace("_", " "), item.format.name
        elements, size = sizes.get(key, (0.0, 0.0))
        sizes[key] = elements + item.tensor.elements, size + item.bytes
    for number, ((group, format_), (elements, size)) in enumerate(sorted(sizes.items(), key=lambda x: -x[1][1]), 1):
        bits = units.significant(8 * size / elements)
        meaning = f"{group} in {format_}: {units.billions(elements)} elements of {bits} bits"
        yield ledger.given(f"V_{number}", size, "byte", meaning, sources)


def _growth(s: Setting, ledger: Ledger) -> CacheGrowth:
    """Return how the cache grows, as symbols."""
    growth, sources = s.growth, cited(s, "architecture of ")
    unbounded: Any = 0.0
    if growth.unbounded:
        meaning = f"cache of a token in {s.kv}" + (", layers without a window" if growth.windows else ", all layers")
        unbounded = ledger.given("b", growth.unbounded, "byte", meaning, sources)
    windowed, windows = [], []
    for number, (size, window) in enumerate(zip(growth.windowed, growth.windows, strict=True), 1):
        windowed.append(
            ledger.given(f"b_{number}", size, "byte", f"cache of a token in {s.kv}, windowed layers", sources)
        )
        windows.append(ledger.given(f"w_{number}", window, "token", "their window", sources))
    return CacheGrowth(unbounded, tuple(windowed), tuple(windows))
