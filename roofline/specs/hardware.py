"""Schema of ``hardware_specs/``: devices, and systems made of them."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from roofline.formats import COMPUTE_BITS
from roofline.specs.provenance import (
    Bytes,
    BytesPerSecond,
    Count,
    Dollars,
    DollarsPerHour,
    FlopPerSecond,
    Hertz,
    Spec,
    Table,
    Text,
    TransfersPerSecond,
    Watts,
)

_LABEL_MARGIN = 1.1
"""A label in GB may mean GiB, which is 7.4 % more."""

MOST_DEVICES = 1_000_000


class Memory(Table):
    """One tier of memory of one device."""

    name: str
    role: Literal["on-chip", "main", "slow"]
    """``main`` holds weights and cache; ``on-chip`` keeps data from one step to the next; ``slow`` is behind main."""
    capacity: Bytes
    """As sold; in full."""
    usable: Bytes | None = None
    """What the device or the operating system reports to programs."""
    bandwidth: BytesPerSecond | None = None
    bandwidth_measured: BytesPerSecond | None = None
    bus_width: Count | None = None
    """Data pins. [bit]"""
    data_rate: TransfersPerSecond | None = None
    """Transfers per second on each pin."""
    unified: bool = False
    """Shared with the processor's own programs."""

    @model_validator(mode="after")
    def _usable_within(self) -> Self:
        if self.usable and self.usable.si > _LABEL_MARGIN * self.capacity.si:
            raise ValueError(f"usable = {self.usable.value!r} is more than capacity = {self.capacity.value!r} can hold")
        return self


class Compute(Table):
    """Dense peak of one number format."""

    format: Literal["fp32", "tf32", "bf16", "fp16", "fp8", "int8", "fp6", "fp4", "int4"]
    accumulate: Literal["fp32", "fp16", "int32"] | None = None
    peak: FlopPerSecond
    measured: FlopPerSecond | None = None
    flop_per_clock: Count | None = None
    """Dense FLOP per clock and unit, for the identity peak = units x FLOP/clock x clock."""
    clock: Hertz | None = None
    """The clock that the peak is stated at, where it is not the one of ``[parts]``."""

    @property
    def bits(self) -> int:
        """Width of one operand. [bit]"""
        return COMPUTE_BITS[self.format]


class Link(Table):
    """A link between devices, or to the host."""

    name: str
    to: Literal["peers", "host", "network"]
    bandwidth: BytesPerSecond | None = None
    """In one direction, of one device, over all its ports of this kind."""
    reach: int | None = Field(default=None, ge=2)
    """Devices in one domain of this link."""
    note: str | None = None


class Parts(Table):
    """What the headline numbers are made of; a test recomputes them."""

    unit: str
    """What the vendor calls it: SM, CU, core, PCU ..."""
    units: Count
    clock: Hertz | None = None


class Price(Table):
    """What it costs."""

    list: Dollars | None = None
    street: Dollars | None = None
    rent: DollarsPerHour | None = None


class DeviceSpec(Spec):
    """One device: a GPU, a system on a chip, a dataflow unit, a processor."""

    kind: Literal["gpu", "soc", "cpu", "dataflow", "tpu"]
    vendor: str
    released: str | None = None
    memory: tuple[Memory, ...]
    """Fastest first."""
    compute: tuple[Compute, ...] = ()
    """Empty where no rate is known: then computing bounds nothing."""
    links: tuple[Link, ...] = ()
    parts: Parts | None = None
    power: Watts | None = None
    price: Price | None = None
    notes: tuple[str, ...] = ()
    """What a reader must know about these numbers."""

    @model_validator(mode="after")
    def _one_main_memory(self) -> Self:
        mains = [tier.name for tier in self.memory if tier.role == "main"]
        if len(mains) != 1:
            raise ValueError(f'exactly one memory has role = "main"; here: {", ".join(mains) or "none"}')
        if len({(c.format, c.accumulate) for c in self.compute}) != len(self.compute):
            raise ValueError("two [[compute]] tables have the same format and accumulate")
        return self

    @property
    def main_memory(self) -> Memory:
        """The tier that holds weights and cache."""
        return next(tier for tier in self.memory if tier.role == "main")

    @property
    def devices(self) -> int:
        """Devices in it: one."""
        return 1


class HostMemory(Table):
    """Memory of the processors of one node, which the devices reach over their link to the host."""

    capacity: Bytes
    bandwidth: BytesPerSecond | None = None
    """Of all processors of a node together."""


class Storage(Table):
    """Drives of one node."""

    capacity: Bytes
    bandwidth: BytesPerSecond | None = None
    """Of reading, all drives of a node together."""


class Host(Table):
    """What stands beside the devices of one node."""

    cpu: Text | None = None
    cpus: Count | None = None
    memory: HostMemory | None = None
    storage: Storage | None = None


class SystemSpec(Spec):
    """Several devices sold or built as one."""

    kind: Literal["system"]
    vendor: str
    released: str | None = None
    device: str
    """Name of the device spec."""
    devices: int = Field(ge=1, le=MOST_DEVICES)
    source: str
    """Where the number of devices was read."""
    devices_per_node: Count | None = None
    """Devices that share a host; all of them when absent."""
    links: tuple[Link, ...] = ()
    """In place of the device's own: ``peers`` lead to devices of the same node or domain, ``network`` to others."""
    host: Host | None = None
    """Of one node. Not used in a bound: offloading is not modelled."""
    power: Watts | None = None
    price: Price | None = None
    notes: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _whole_nodes(self) -> Self:
        node = self.devices_per_node.value if self.devices_per_node else self.devices
        if node < 1 or self.devices % node:
            raise ValueError(f"devices = {self.devices} is no multiple of devices_per_node = {node}")
        names = [link.name for link in self.links]
        if len(set(names)) != len(names):
            raise ValueError("two [[links]] tables have the same name")
        return self

    @property
    def nodes(self) -> int:
        """Nodes in it. [1]"""
        return self.devices // self.devices_per_node.value if self.devices_per_node else 1


HardwareSpec = DeviceSpec | SystemSpec
