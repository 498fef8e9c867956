"""Everything of a prediction that does not change with the workload, put together once."""

from __future__ import annotations

from typing import NamedTuple

from roofline._remember import remember
from roofline.assumptions import citations, setting_assumptions, speed_assumptions
from roofline.calibration import Speed, speed
from roofline.capacity import CacheGrowth, cache_growth, stored_bytes
from roofline.errors import FileSizeError
from roofline.expected_work import Layout
from roofline.formats import cache_format
from roofline.machine import Machine, machine
from roofline.overhead import EngineMemory, engine_memory
from roofline.recipes import StoredWeights, stored
from roofline.results import Citation, Roof, Tier
from roofline.specs import DeviceSpec, EngineSpec, ModelSpec, SystemSpec, load_device
from roofline.transformer import Transformer, transformer
from roofline.workload import Request, check_layout

DEFAULT_CACHE = "bf16"
"""Cache format when neither the caller nor the checkpoint states one."""

FILE_SIZE_TOLERANCE = 0.05
"""A stated file size may differ from the recipe's by this share; beyond, the file is of another recipe."""


class Setting(NamedTuple):
    """A model in its formats, a machine, and what was assumed and read to put them together."""

    model: ModelSpec
    device: DeviceSpec
    system: SystemSpec | None
    devices: int
    weights: StoredWeights
    kv: str
    engine: EngineSpec | None
    tensor_parallel: int
    layout: Layout | None
    transformer: Transformer
    machine: Machine
    growth: CacheGrowth
    own: EngineMemory
    roofs: tuple[Roof, ...]
    tiers: tuple[Tier, ...]
    speed: Speed | None
    assumptions: tuple[str, ...]
    speed_assumptions: tuple[str, ...]
    sources: tuple[Citation, ...]


@remember
def setting(request: Request) -> Setting:
    """Put a setting together.

    Raises
    ------
    UnknownNameError
        No such recipe or cache format.
    WorkloadError
        The devices cannot share the layers.
    FileSizeError
        The file size is not that of the recipe.
    """
    model, hardware, engine = request.model, request.hardware, request.engine
    system = hardware if isinstance(hardware, SystemSpec) else None
    device = load_device(hardware)
    devices = request.devices * hardware.devices
    checkpoint = stored(model, "native" if request.weights is None else request.weights)
    cache = cache_format(checkpoint.kv or DEFAULT_CACHE if request.kv is None else request.kv).name
    _check_file_size(checkpoint, request.weights_bytes)
    if request.layout:
        check_layout(model.name, model.architecture, request.layout)
    built = transformer(model, checkpoint.name, cache, request.weights_bytes)
    m = machine(device, devices, system)
    known_speed = None
    if engine is not None:
        known_speed = speed(
            engine, model, checkpoint, device, request.layout, devices, request.backend, request.built, request.eager
        )
    growth = cache_growth(built, request.layout.tensor if request.layout else 1)
    own = engine_memory(
        engine,
        model.architecture,
        checkpoint,
        m,
        layout=request.layout,
        backend=request.backend,
        weights_bytes=stored_bytes(built, request.layout),
        windowed_bytes=sum(growth.windowed),
        share=request.memory_share,
    )
    return Setting(
        model=model,
        device=device,
        system=system,
        devices=devices,
        weights=checkpoint,
        kv=cache,
        engine=engine,
        tensor_parallel=request.tensor_parallel,
        layout=request.layout,
        transformer=built,
        machine=m,
        growth=growth,
        own=own,
        roofs=_roofs(built, m),
        tiers=_tiers(m),
        speed=known_speed,
        assumptions=tuple(setting_assumptions(request, checkpoint, cache, built, m, known_speed, own)),
        speed_assumptions=tuple(speed_assumptions(request, known_speed)),
        sources=tuple(citations(request, system, checkpoint, built, m)),
    )


def _roofs(model: Transformer, m: Machine) -> tuple[Roof, ...]:
    """Return the compute roofs that the operations of a model meet, the highest first."""
    peaks = {peak.format: peak for bits in model.widths if (peak := m.peak(bits))}
    roofs = (Roof(p.format, p.peak.si * m.devices) for p in peaks.values())
    return tuple(sorted(roofs, key=lambda roof: -roof.flop_per_s))


def _tiers(m: Machine) -> tuple[Tier, ...]:
    """Return the memory tiers of all devices together."""
    return tuple(Tier(t.name, t.role, t.bandwidth.si * m.devices if t.bandwidth else None) for t in m.device.memory)


def _check_file_size(checkpoint: StoredWeights, weights_bytes: float | None) -> None:
    if weights_bytes is None:
        return
    if abs(weights_bytes / checkpoint.bytes - 1) > FILE_SIZE_TOLERANCE:
        raise FileSizeError(
            f"weights_bytes is {weights_bytes:,.0f}, but {checkpoint.name} takes {checkpoint.bytes:,.0f} bytes; more "
            f"than {FILE_SIZE_TOLERANCE:.0%} apart, the file is of another recipe"
        )
