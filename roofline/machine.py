"""From hardware to the rates that bound it, and from work to the least time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from roofline import ops
from roofline._remember import remember
from roofline._xp import Num
from roofline.operations import Shares
from roofline.specs.hardware import Compute, DeviceSpec, Link, Memory, SystemSpec


@dataclass(frozen=True, slots=True, eq=False)
class Machine:
    """Equal devices seen as one: bandwidth, compute and capacity add up.

    Attributes
    ----------
    device : the spec of one device.
    devices : how many. [1]
    bytes_per_s : bandwidth of the main memory, all devices together; None if unknown. [byte/s]
    tier_bytes_per_s : bandwidth of on-chip tiers that have one, then of everything behind them together. [byte/s]
    tier_capacity_bytes : capacity of those on-chip tiers. [byte]
    kept_bytes : on-chip memory whose bandwidth is unknown, which may keep data from pass to pass. [byte]
    capacity_bytes : main memory that programs can use. [byte]
    physical_bytes : main memory in full. [byte]
    links : links from a device to others like it: of the system, if it says so, else of the device.
    link_bytes_per_s : one direction over all those links, of one device; None if unknown. [byte/s]
    network_bytes_per_s : the same over those alone that leave a node; None if unknown. [byte/s]
    node_devices : devices that reach each other without leaving a node; None if unknown. [1]
    """

    device: DeviceSpec
    devices: int
    bytes_per_s: float | None
    tier_bytes_per_s: tuple[float, ...]
    tier_capacity_bytes: tuple[float, ...]
    kept_bytes: float
    capacity_bytes: float
    physical_bytes: float
    links: tuple[Link, ...]
    link_bytes_per_s: float | None
    network_bytes_per_s: float | None
    node_devices: int | None

    @property
    def most_bytes(self) -> float:
        """What no more can be held than: the label in full, or what is reported to programs where that is more. [byte]

        Labels are often in powers of 1000 where chips are in powers of 1024.
        """
        return max(self.physical_bytes, self.capacity_bytes)

    def peak(self, bits: int) -> Compute | None:
        """Return the fastest number format of the device that is at least ``bits`` wide, or None."""
        wide_enough = [c for c in self.device.compute if c.bits >= bits]
        return max(wide_enough, key=lambda c: c.peak.si, default=None)

    def flop_per_s(self, bits: int) -> float | None:
        """Return the compute roof for operands of ``bits``, all devices together, or None if unknown. [FLOP/s]"""
        peak = self.peak(bits)
        return None if peak is None else peak.peak.si * self.devices

    def seconds_per_flop(self, shares: Shares) -> Any:
        """Return the least time of one FLOP of an operation; what has no known peak takes none. [s/FLOP]"""
        known = ((share, self.flop_per_s(bits)) for bits, share in shares)
        return sum(share * ops.compute_seconds(flop=1.0, flop_per_s=rate) for share, rate in known if rate)

    def memory_seconds(self, moved_bytes: Num) -> Num:
        """Return the least time to move ``moved_bytes`` in one pass, everything placed in the best way. [s]"""
        if self.bytes_per_s is None:
            return 0.0 * moved_bytes
        return ops.tiered_stream_seconds(
            moved_bytes=moved_bytes,
            kept_bytes=self.kept_bytes,
            bytes_per_s=self.tier_bytes_per_s,
            capacity_bytes=self.tier_capacity_bytes,
        )

    def streaming_seconds(self, moved_bytes: Num) -> Num:
        """Return the time to move ``moved_bytes`` when every byte comes from main memory. [s]"""
        if self.bytes_per_s is None:
            return 0.0 * moved_bytes
        return ops.stream_seconds(moved_bytes=moved_bytes, bytes_per_s=self.bytes_per_s)


@dataclass(frozen=True, slots=True, eq=False)
class RatedMachine(Machine):
    """A machine whose rates are others than its device's: scaled ones, or symbols.

    Attributes
    ----------
    peaks : dense peak of each compute format, all devices together. [FLOP/s]
    """

    peaks: Mapping[str, Num]

    def flop_per_s(self, bits: int) -> Any:
        """Return the compute roof for operands of ``bits``, all devices together, or None if unknown. [FLOP/s]"""
        peak = self.peak(bits)
        return None if peak is None else self.peaks[peak.format]


def rated(m: Machine, peaks: Mapping[str, Num], **rates: Any) -> RatedMachine:
    """Return the machine with other peaks, and other values of the attributes that are named."""
    values = {f.name: getattr(m, f.name) for f in fields(Machine)}
    return RatedMachine(**(values | rates), peaks=peaks)


@remember
def machine(device: DeviceSpec, devices: int, system: SystemSpec | None = None) -> Machine:
    """Return ``devices`` devices as one machine.

    Parameters
    ----------
    device : one device.
    devices : how many. [1]
    system : what they are part of, which may say how they are linked.

    Returns
    -------
    Machine
    """
    main = device.main_memory
    links = links_to_peers(device, system)
    on_chip = [
        (tier.bandwidth.si, tier.capacity.si) for tier in device.memory if tier.role == "on-chip" and tier.bandwidth
    ]
    behind = sum(tier.bandwidth.si for tier in device.memory if tier.role != "on-chip" and tier.bandwidth)
    kept = sum(tier.capacity.si for tier in device.memory if tier.role == "on-chip" and tier.bandwidth is None)
    return Machine(
        device=device,
        devices=devices,
        bytes_per_s=main.bandwidth.si * devices if main.bandwidth else None,
        # Main and slow memory are read at once, and are as large as it takes: what does not fit is hypothetical anyway.
        tier_bytes_per_s=(*(rate * devices for rate, _ in on_chip), behind * devices),
        tier_capacity_bytes=tuple(capacity * devices for _, capacity in on_chip),
        kept_bytes=kept * devices,
        capacity_bytes=usable(main) * devices,
        physical_bytes=main.capacity.si * devices,
        links=links,
        link_bytes_per_s=_together(links),
        network_bytes_per_s=_together([link for link in links if link.to == "network"]),
        node_devices=_node_devices(system, links),
    )


def usable(memory: Memory) -> float:
    """Return what programs can use of a memory: what is reported to them, else all of it. [byte]"""
    return (memory.usable or memory.capacity).si


def links_to_peers(device: DeviceSpec, system: SystemSpec | None = None) -> tuple[Link, ...]:
    """Return the links of a device that lead to others like it; those that a system states stand in their place."""
    stated = system.links if system and system.links else device.links
    return tuple(link for link in stated if link.to in {"peers", "network"})


def _together(links: Sequence[Link]) -> float | None:
    """Return the bandwidth over all the links; None where one is unknown or none exists."""
    rates = [link.bandwidth.si if link.bandwidth else None for link in links]
    return None if not rates or None in rates else sum(rate for rate in rates if rate)


def _node_devices(system: SystemSpec | None, links: Sequence[Link]) -> int | None:
    """Return the devices of one node, or of the larger domain that a link makes of several."""
    if system is None:
        return None
    reaches = [link.reach for link in links if link.to == "peers" and link.reach]
    return max([system.devices // system.nodes, *reaches])
