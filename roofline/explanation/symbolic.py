"""The same model and machine with symbols in place of their numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from roofline.explanation.derivation import Ledger
from roofline.machine import RatedMachine, rated
from roofline.operations import (
    CompressedCore,
    GroupedQueryCore,
    IndexCore,
    LatentCore,
    Matrices,
    Operation,
    RecurrentCore,
    RoutedExperts,
)
from roofline.results import Citation
from roofline.setting import Setting


def cited(s: Setting, *beginnings: str) -> tuple[Citation, ...]:
    """Return the citations of a setting whose text begins so."""
    return tuple(c for c in s.sources if c.what.startswith(beginnings))


def symbolic_machine(s: Setting, ledger: Ledger) -> RatedMachine:
    """Return the machine with its rates and capacities as symbols."""
    m, device = s.machine, s.device
    main = device.main_memory
    rates: dict[str, Any] = {}
    if m.bytes_per_s is not None:
        cite = cited(s, f"bandwidth of {device.name}'s {main.name},")
        beta = ledger.given("beta", m.bytes_per_s, "byte/s", f"bandwidth of {main.name}{_of(m.devices)}", cite)
        rates = {"bytes_per_s": beta, "tier_bytes_per_s": tuple(_tier_rates(s, ledger, beta))}
    on_chip = [tier for tier in device.memory if tier.role == "on-chip" and tier.bandwidth]
    rates["tier_capacity_bytes"] = tuple(
        ledger.given(
            f"C_{index}", size, "byte", f"capacity of {tier.name}{_of(m.devices)}", cited(s, _capacity(s, tier.name))
        )
        for index, (tier, size) in enumerate(zip(on_chip, m.tier_capacity_bytes, strict=True), 1)
    )
    if m.kept_bytes:
        kept = [tier for tier in device.memory if tier.role == "on-chip" and tier.bandwidth is None]
        parts = " + ".join(tier.name for tier in kept)
        cite = tuple(c for tier in kept for c in cited(s, _capacity(s, tier.name)))
        rates["kept_bytes"] = ledger.given(
            "Q_0", m.kept_bytes, "byte", f"what the chip may keep between steps: {parts}{_of(m.devices)}", cite
        )
    whose = s.system.name if s.system and s.system.links else device.name
    if m.link_bytes_per_s is not None and s.tensor_parallel > 1:
        cite = cited(s, *(f"{link.name} of {whose}" for link in m.links))
        rates["link_bytes_per_s"] = ledger.given(
            "beta_link", m.link_bytes_per_s, "byte/s", "links of a device, one direction", cite
        )
        if m.network_bytes_per_s is not None and m.node_devices is not None:
            rates["network_bytes_per_s"] = ledger.given(
                "beta_network", m.network_bytes_per_s, "byte/s", "links of a device that leave a node", cite
            )
    peaks = {}
    for bits in s.transformer.widths:
        peak = m.peak(bits)
        if peak is not None and peak.format not in peaks:
            cite = cited(s, f"{peak.format} peak of {device.name}")
            value = peak.peak.si * m.devices
            peaks[peak.format] = ledger.given(
                f"pi_{peak.format}", value, "FLOP/s", f"dense {peak.format} peak{_of(m.devices)}", cite
            )
    return rated(m, peaks, **rates)


def _tier_rates(s: Setting, ledger: Ledger, beta: Any) -> Iterator[Any]:
    m, device = s.machine, s.device
    tiers = [tier for tier in device.memory if tier.role == "on-chip" and tier.bandwidth]
    for index, (tier, rate) in enumerate(zip(tiers, m.tier_bytes_per_s[:-1], strict=True), 1):
        cite = cited(s, f"bandwidth of {device.name}'s {tier.name},")
        yield ledger.given(f"beta_{index}", rate, "byte/s", f"bandwidth of {tier.name}{_of(m.devices)}", cite)
    behind = m.tier_bytes_per_s[-1]
    if behind == m.bytes_per_s:
        yield beta
        return
    slow = [tier for tier in device.memory if tier.role == "slow" and tier.bandwidth]
    cite = tuple(c for tier in slow for c in cited(s, f"bandwidth of {device.name}'s {tier.name},"))
    names = " and ".join(tier.name for tier in slow)
    yield beta + ledger.given(
        "beta_slow", behind - (m.bytes_per_s or 0.0), "byte/s", f"bandwidth of {names}{_of(m.devices)}", cite
    )


def _of(devices: int) -> str:
    return f", {devices} devices together" if devices > 1 else ""


def _capacity(s: Setting, tier: str) -> str:
    return f"capacity of {s.device.name}'s {tier},"


def symbolic_operation(s: Setting, ledger: Ledger, number: int) -> Operation:
    """Return the operation in place ``number`` (from 1) with symbols in place of its sizes.

    Widths that choose between two ways to compute (of latent vectors and of states) stay numbers.
    """
    operation = s.transformer.operations[number - 1]
    return _SYMBOLIC[type(operation)](operation, _Namer(s, ledger, number))


class _Namer:
    """Makes the symbols of one operation; a zero stays a zero."""

    def __init__(self, s: Setting, ledger: Ledger, number: int) -> None:
        self.ledger, self.number = ledger, number
        self.architecture = cited(s, "architecture of ")
        self.stored = cited(s, "weights ") or self.architecture
        self.weights, self.kv = s.weights.name, s.kv

    def size(self, letter: str, value: float, meaning: str) -> Any:
        """Return the symbol of a size of the architecture."""
        return self._symbol(letter, value, "1", meaning, self.architecture)

    def read(self, letter: str, value: float, meaning: str) -> Any:
        """Return the symbol of stored weights."""
        return self._symbol(letter, value, "byte", f"{meaning}, in {self.weights}", self.stored)

    def cached(self, letter: str, value: float, meaning: str) -> Any:
        """Return the symbol of bytes of a cache or state."""
        return self._symbol(letter, value, "byte", meaning, self.architecture)

    def _symbol(self, letter: str, value: float, unit: str, meaning: str, sources: tuple[Citation, ...]) -> Any:
        if not value:
            return 0
        return self.ledger.given(f"{letter}_{self.number}", value, unit, meaning, sources, self.number)


def _matrices(o: Matrices, name: _Namer) -> Matrices:
    every, last = o.parameters + o.last_parameters, o.last_parameters
    elements = name.size("N", every, "matrix elements")
    once = elements if last == every else name.size("L", last, "of them met by each last token only")
    return replace(
        o,
        parameters=elements - once,
        last_parameters=once,
        weight_bytes=name.read("W", o.weight_bytes, "their bytes"),
    )


def _experts(o: RoutedExperts, name: _Namer) -> RoutedExperts:
    every, last = o.parameters + o.last_parameters, o.last_parameters
    elements = name.size("N", every, "matrix elements of one expert, all layers")
    once = elements if last == every else name.size("L", last, "of them met by each last token only")
    return replace(
        o,
        experts=name.size("E", o.experts, "experts of a layer"),
        top_k=name.size("k", o.top_k, "experts that a token uses"),
        parameters=elements - once,
        last_parameters=once,
        weight_bytes=name.read("w", o.weight_bytes + o.last_weight_bytes, "one expert, all layers"),
        last_weight_bytes=0,
    )


def _heads(o: Any, name: _Namer) -> dict[str, Any]:
    every = o.heads + o.last_heads
    heads = name.size("H", every, "query heads, all layers")
    last = heads if o.last_heads == every else name.size("J", o.last_heads, "of them in the last layer")
    return {"heads": heads - last, "last_heads": last}


def _read(o: Any, name: _Namer, what: str) -> Any:
    return name.cached("b", o.read_bytes, f"{what}, all layers, in {name.kv}")


def _grouped(o: GroupedQueryCore, name: _Namer) -> GroupedQueryCore:
    width = name.size("d", o.d_head, "width of a head")
    value = width if o.d_value == o.d_head else name.size("v", o.d_value, "width of a value")
    limits = {
        limit: name.size("w", getattr(o, limit), f"tokens of a {limit}" if limit != "top_k" else "tokens chosen")
        for limit in ("window", "chunk", "top_k")
        if getattr(o, limit)
    }
    read = _read(o, name, "keys and values of a token")
    return replace(o, d_head=width, d_value=value, read_bytes=read, **_heads(o, name), **limits)


def _latent(o: LatentCore, name: _Namer) -> LatentCore:
    read = _read(o, name, "latent vector of a token")
    return replace(o, read_bytes=read, **_heads(o, name))


def _index(o: IndexCore, name: _Namer) -> IndexCore:
    width = name.size("d", o.d_head, "width of a head")
    return replace(o, d_head=width, read_bytes=_read(o, name, "indexer's key of an entry"), **_heads(o, name))


def _compressed(o: CompressedCore, name: _Namer) -> CompressedCore:
    return replace(
        o,
        d_head=name.size("d", o.d_head, "width of a key, which is the value too"),
        read_bytes=_read(o, name, "one vector"),
        window=name.size("w", o.window, "tokens of the window"),
        **_heads(o, name),
    )


def _recurrent(o: RecurrentCore, name: _Namer) -> RecurrentCore:
    return replace(
        o,
        state_bytes=name.cached("s", o.state_bytes, "state of one sequence, all layers"),
        **_heads(o, name),
    )


_SYMBOLIC: dict[type, Callable[[Any, _Namer], Any]] = {
    Matrices: _matrices,
    RoutedExperts: _experts,
    GroupedQueryCore: _grouped,
    LatentCore: _latent,
    IndexCore: _index,
    CompressedCore: _compressed,
    RecurrentCore: _recurrent,
}
"""What puts symbols in place of the sizes of each kind of operation."""
