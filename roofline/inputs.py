"""The inputs of a prediction, and the same prediction with some of them larger or smaller."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from roofline import capacity
from roofline._xp import Num, maximum
from roofline.capacity import CacheGrowth
from roofline.machine import Machine, rated
from roofline.operations import Matrices, Operation, RecurrentCore, RoutedExperts
from roofline.overhead import EngineMemory, Line
from roofline.results import Roof
from roofline.setting import Setting
from roofline.specs import DeviceSpec
from roofline.specs.speed import CONSTANTS
from roofline.workload import Workload

WORK = ("batch", "context", "prompt", "output", "cached", "concurrency")
"""Inputs of the workload."""


def inputs(s: Setting, work: Workload) -> Iterator[str]:
    """Yield the names of the inputs of a prediction: of the machine, the model, the work and the engine."""
    m = s.machine
    if m.bytes_per_s is not None:
        yield "bandwidth"
    yield from (f"{tier.name} bandwidth" for tier in _tiers(m.device, "on-chip", known=True))
    if _behind(m) > 0:
        yield "slow memory bandwidth"
    yield from (f"{format_} peak" for format_ in _peaks(m))
    if m.link_bytes_per_s is not None and m.devices > 1:
        yield "link bandwidth"
    if m.kept_bytes or m.tier_capacity_bytes:
        yield "on-chip capacity"
    yield from ("capacity", "weight bytes", "cache bytes")
    if s.transformer.state_bytes:
        yield "state bytes"
    if any(line != Line(0.0) for line in s.own.lines):
        yield "engine memory"
    yield from (name for name in WORK if getattr(work, name))
    if s.speed is not None:
        yield from (f"engine {name}" for name in CONSTANTS)


def scaled(s: Setting, work: Workload, factors: Mapping[str, Num]) -> tuple[Setting, Workload]:
    """Return the setting and the workload with inputs multiplied.

    Parameters
    ----------
    s, work : what a prediction is made of.
    factors : factor of each input that is to be multiplied, by the names of :func:`inputs`; numbers of any kind.

    Returns
    -------
    tuple
        Setting, workload; their numbers are of the factors' kind.
    """

    def of(name: str) -> Any:
        return factors.get(name, 1.0)

    weights, cache, state = of("weight bytes"), of("cache bytes"), of("state bytes")
    growth = s.growth
    speed = s.speed
    if speed is not None:
        constants = {name: getattr(speed.constants, name) * of(f"engine {name}") for name in CONSTANTS}
        speed = speed._replace(constants=speed.constants._replace(**constants))
    every = s._replace(
        transformer=replace(
            s.transformer,
            operations=tuple(_operation(o, weights, cache, state) for o in s.transformer.operations),
            weights_bytes=s.transformer.weights_bytes * weights,
        ),
        machine=_machine(s.machine, factors),
        growth=CacheGrowth(
            growth.unbounded * cache if growth.unbounded else 0.0,
            tuple(size * cache for size in growth.windowed),
            growth.windows,
        ),
        own=_own(s, factors),
        speed=speed,
        roofs=tuple(Roof(roof.format, roof.flop_per_s * of(f"{roof.format} peak")) for roof in s.roofs),
    )
    changed = {name: getattr(work, name) * factors[name] for name in WORK if name in factors and getattr(work, name)}
    return every, work._replace(**changed)


def _own(s: Setting, factors: Mapping[str, Num]) -> EngineMemory:
    """Return what the engine needs for itself; what it leaves to others grows with the memory there is."""
    own = s.own
    times: Any = factors.get("engine memory", 1.0)
    weights = capacity.stored_bytes(s.transformer, s.layout) if own.share_of == "what is left" else 0.0
    room: Any = s.machine.capacity_bytes * factors.get("capacity", 1.0) - weights * factors.get("weight bytes", 1.0)
    outside = (1 - own.share) * maximum(room, 0.0) if own.share_of else own.outside_bytes
    first = {"all": 0, "weights and cache": len(own.lines) - 1, "what is left": len(own.lines) // 2}
    more = outside - own.outside_bytes
    leaving = first.get(own.share_of, len(own.lines))
    lines = (
        Line((line.fixed + (more if index >= leaving else 0.0)) * times, line.slope * times)
        for index, line in enumerate(own.lines)
    )
    host = Line(own.host.fixed * times, own.host.slope * times)
    return own._replace(lines=tuple(lines), host=host, outside_bytes=outside * times)


def _machine(m: Machine, factors: Mapping[str, Num]) -> Machine:
    def of(name: str) -> Any:
        return factors.get(name, 1.0)

    tiers = _tiers(m.device, "on-chip", known=True)
    main = m.bytes_per_s * of("bandwidth") if m.bytes_per_s is not None else None
    behind = _behind(m)
    last = (main or 0.0) + behind * of("slow memory bandwidth") if behind > 0 else main or 0.0
    on_chip = of("on-chip capacity")
    link = of("link bandwidth")
    return rated(
        m,
        {format_: rate * of(f"{format_} peak") for format_, rate in _peaks(m).items()},
        bytes_per_s=main,
        tier_bytes_per_s=(
            *(rate * of(f"{tier.name} bandwidth") for tier, rate in zip(tiers, m.tier_bytes_per_s, strict=False)),
            last,
        ),
        tier_capacity_bytes=tuple(size * on_chip for size in m.tier_capacity_bytes),
        kept_bytes=m.kept_bytes * on_chip if m.kept_bytes else 0.0,
        capacity_bytes=m.capacity_bytes * of("capacity"),
        physical_bytes=m.physical_bytes * of("capacity"),
        link_bytes_per_s=None if m.link_bytes_per_s is None else m.link_bytes_per_s * link,
        network_bytes_per_s=None if m.network_bytes_per_s is None else m.network_bytes_per_s * link,
    )


def _tiers(device: DeviceSpec, role: str, *, known: bool) -> list[Any]:
    return [tier for tier in device.memory if tier.role == role and bool(tier.bandwidth) is known]


def _behind(m: Machine) -> float:
    """Return the bandwidth of what is slower than main memory, all devices together. [byte/s]"""
    return m.tier_bytes_per_s[-1] - (m.bytes_per_s or 0.0)


def _peaks(m: Machine) -> dict[str, float]:
    """Return the fastest peak of each number format, all devices together. [FLOP/s]"""
    found: dict[str, float] = {}
    for compute in m.device.compute:
        found[compute.format] = max(found.get(compute.format, 0.0), compute.peak.si * m.devices)
    return found


def _operation(o: Operation, weights: Num, cache: Num, state: Num) -> Operation:
    if isinstance(o, Matrices):
        return replace(o, weight_bytes=o.weight_bytes * weights)
    if isinstance(o, RoutedExperts):
        return replace(o, weight_bytes=o.weight_bytes * weights, last_weight_bytes=o.last_weight_bytes * weights)
    if isinstance(o, RecurrentCore):
        return replace(o, state_bytes=o.state_bytes * state)
    return replace(o, read_bytes=o.read_bytes * cache)
