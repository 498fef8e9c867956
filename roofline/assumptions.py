"""In words: what was assumed because nobody said otherwise, and where every number used was read."""

from __future__ import annotations

from collections.abc import Iterator

from roofline import units
from roofline.calibration import Speed, default_backend
from roofline.formats import cache_format
from roofline.llama_cpp_mixes import SOURCE as MIXES_SOURCE
from roofline.machine import Machine
from roofline.overhead import EngineMemory
from roofline.recipes import MLX_SOURCE, StoredWeights
from roofline.results import Citation, Memory
from roofline.specs import DeviceSpec, EngineSpec, SystemSpec
from roofline.specs.provenance import Spec
from roofline.specs.token_mixers import GatedDeltaNet, KimiDelta, Mamba2
from roofline.times import PassTimes
from roofline.transformer import Transformer, rescaling
from roofline.workload import Request, Workload


def setting_assumptions(
    request: Request,
    checkpoint: StoredWeights,
    cache: str,
    model: Transformer,
    m: Machine,
    speed: Speed | None,
    own: EngineMemory,
) -> Iterator[str]:
    """Yield what holds for every workload of a setting."""
    yield from _weights(checkpoint, request)
    if request.kv is None:
        yield f"cache in {cache}: {'stated by the checkpoint' if checkpoint.kv else 'the checkpoint states none'}"
    mixers = request.model.architecture.attention.values()
    if formats := {mixer.state_format for mixer in mixers if isinstance(mixer, GatedDeltaNet | KimiDelta | Mamba2)}:
        yield f"recurrent state in {' and '.join(sorted(formats))}, as the model's own code keeps it"
    if request.tensor_parallel > 1:
        yield f"{request.tensor_parallel} devices share every matrix and send only what no such layout can avoid"
        copies = max((cache.replicas(request.tensor_parallel) for cache in model.caches), default=1.0)
        if copies > 1:
            yield f"the cache is stored {copies:.0f} times, its heads being fewer than the devices; bounds read it once"
    elif m.devices > 1:
        yield f"{m.devices} devices are one pool: bandwidth, compute and capacity add up, exchange is free"
    yield from _tiers(m)
    yield from _unknowns(m, request.tensor_parallel, model.widths)
    yield from _nodes(request, m)
    yield from _engine(request, cache, speed, own)
    yield from request.model.notes


def _tiers(m: Machine) -> Iterator[str]:
    behind = m.tier_bytes_per_s[-1]
    if m.bytes_per_s and behind > m.bytes_per_s:
        yield f"main and slower memory are read at once, {units.text(behind, 'B/s', 4)} together (ceiling)"
    if m.kept_bytes:
        yield f"the chip may keep {units.text(m.kept_bytes, 'B')} from step to step (ceiling), or nothing (streaming)"


_SHARED = {
    "all": "the memory",
    "weights and cache": "the memory for weights and cache",
    "what is left": "what weights and buffers leave for the cache",
}


def _engine(request: Request, cache: str, speed: Speed | None, own: EngineMemory) -> Iterator[str]:
    engine = request.engine
    if engine is None:
        return
    unmeasured = "" if speed else "no speed is expected, since none was measured; "
    if engine.overhead is None and engine.buffers is None:
        yield f"{engine.name}: {unmeasured}its own memory is unknown and counted as none"
    elif unmeasured:
        yield f"{engine.name}: {unmeasured.removesuffix('; ')}"
    if own.system_bytes:
        system = units.gib(own.system_bytes)
        yield f"{engine.name}: {system} are counted for the host's own programs, which share the memory (estimated)"
    if own.share_of:
        given = "" if request.memory_share else " (its usual share)"
        yield f"{engine.name}: takes {own.share:.4g} of {_SHARED[own.share_of]}{given}"
    if cache not in {cache_format(name).name for name in engine.cache_formats.value}:
        yield f"{engine.name} names no {cache} cache among its own ({', '.join(engine.cache_formats.value)})"


def speed_assumptions(request: Request, speed: Speed | None) -> Iterator[str]:
    """Yield what the expected speed rests on, and what nobody said."""
    if speed is None:
        return
    said = "" if request.built else ", the newest measured (no build was named)"
    mode = "eager" if speed.eager else "graphs"
    yield f"expected: {speed.hardware}, built {speed.built}{said}, {mode}, routing even"
    known = speed.known
    new = [what for what, seen in (("model", known.model), ("device", known.device)) if not seen]
    if not known.hardware:
        new.append("class of hardware")
    if new:
        yield f"no measurement of this {', '.join(new)} with the engine: the interval is that of unseen ones"
    layout = speed.layout
    if not speed.layout_given and layout.tensor * layout.pipeline > 1:
        how = f"tp {layout.tensor}" if layout.tensor > 1 else f"pp {layout.pipeline} (a part of the layers each)"
        yield f"expected with {how}, as {request.engine.name if request.engine else ''} does unless told"


def _weights(checkpoint: StoredWeights, request: Request) -> Iterator[str]:
    recipe = checkpoint.recipe
    if recipe:
        default = " (none was named)" if request.weights is None else ""
        yield f"weights {checkpoint.name}{default}: {recipe.title or recipe.default}"
        if recipe.kind == "estimated":
            yield f"estimated: {recipe.why}"
        if recipe.note:
            yield recipe.note
    elif checkpoint.origin == "llama.cpp":
        yield f"weights {checkpoint.name}: llama.cpp's own mix; a published file of that name may differ"
    elif checkpoint.origin == "mlx":
        yield f"weights {checkpoint.name}: as mlx-lm quantises: embedding and head too, the router in 8 bits"
    else:
        rest = "" if checkpoint.name in {"f32", "f16", "bf16"} else "; router, embedding, head and vectors in bf16"
        yield f"weights {checkpoint.name}: every matrix{rest}"
    if request.weights_bytes is not None:
        group, scale = rescaling(checkpoint, request.weights_bytes)
        size = units.text(request.weights_bytes, "B", 4)
        yield f"the {group} are rescaled by {scale - 1:+.2%}, so that all weights take {size}"


def _unknowns(m: Machine, tensor_parallel: int, widths: tuple[int, ...]) -> Iterator[str]:
    device = m.device
    for tier in device.memory:
        if tier.bandwidth is None and (tier.role != "on-chip" or device.kind == "dataflow"):
            yield f"the bandwidth of {device.name}'s {tier.name} is unknown: what it holds bounds nothing"
    for bits in widths:
        if m.peak(bits) is None:
            yield f"{device.name} publishes no peak for {bits}-bit operands: they bound nothing"
    if tensor_parallel > 1 and m.link_bytes_per_s is None:
        yield f"the bandwidth between {device.name} devices is unknown: it bounds nothing"


def _nodes(request: Request, m: Machine) -> Iterator[str]:
    hardware = request.hardware
    if not isinstance(hardware, SystemSpec):
        return
    if m.node_devices and request.tensor_parallel > m.node_devices:
        if m.network_bytes_per_s:
            rate = units.text(m.network_bytes_per_s, "B/s", 4)
            yield f"{m.node_devices} devices are a node; what must leave it goes over {rate} a device, in one direction"
        else:
            yield f"the bandwidth between nodes of {m.node_devices} devices is unknown: it bounds nothing"
    if hardware.host and hardware.host.memory:
        capacity = hardware.host.memory.capacity.value
        yield f"memory of the host ({capacity} a node) holds nothing: offloading is not modelled"


def workload_assumptions(work: Workload, memory: Memory, decode: PassTimes, devices: int) -> Iterator[str]:
    """Yield what holds for one workload."""
    yield (
        "a bound: full nominal bandwidth of the devices' own memory, their dense peaks, no overhead, everything "
        "overlapping"
    )
    if not memory.fits:
        yield f"does not fit by {units.text(memory.missing_bytes, 'B')}: the speeds are hypothetical"
    elif memory.total_bytes > memory.physical_bytes:
        left = units.gib((memory.capacity_bytes - memory.total_bytes) / devices)
        yield (
            f"fits what the devices report to programs, {units.text(memory.capacity_bytes, 'B', 4)}, with {left} a "
            f"device to spare; does not fit their label, {units.text(memory.physical_bytes, 'B', 4)}"
        )
    if not work.prompt_given:
        yield f"prefill reads {work.prompt:,} tokens (no prompt length was given)"
    if work.concurrency and work.concurrency > (memory.max_batch or 0):
        room = f"only {memory.max_batch:,}" if memory.max_batch else "none"
        yield f"of the {work.concurrency:,} requests in flight, {room} fit at once: serving all is hypothetical"
    if decode.uniform > decode.streaming:
        yield "all tokens of a step route alike (ceiling, streaming), or evenly at random (uniform, an estimate)"
    if decode.compute >= decode.memory == 0:
        yield "all that a step reads fits in on-chip memory: the ceiling is not bound by memory"


def citations(
    request: Request, system: SystemSpec | None, checkpoint: StoredWeights, model: Transformer, m: Machine
) -> Iterator[Citation]:
    """Yield where each number that a setting uses was read."""
    spec, engine = request.model, request.engine
    yield _cite(spec, f"architecture of {spec.name}", spec.architecture.source)
    if checkpoint.recipe:
        yield _cite(spec, f"weights {checkpoint.name} of {spec.name}", checkpoint.recipe.source)
    elif checkpoint.origin == "llama.cpp":
        yield Citation(f"weights {checkpoint.name}", "llama.cpp, llama_tensor_get_type_impl", MIXES_SOURCE)
    elif checkpoint.origin == "mlx":
        yield Citation(f"weights {checkpoint.name}", "MLX, nn.quantize", MLX_SOURCE)
    if system:
        yield _cite(system, f"devices of {system.name}", system.source)
    yield from _cite_memory(m.device)
    for peak in {p.format: p for bits in model.widths if (p := m.peak(bits))}.values():
        yield _cite(m.device, f"{peak.format} peak of {m.device.name}, {peak.peak.value}", peak.peak.source)
    if request.tensor_parallel > 1:
        owner = system if system and system.links else m.device
        for link in m.links:
            if link.bandwidth:
                yield _cite(owner, f"{link.name} of {owner.name}, {link.bandwidth.value}", link.bandwidth.source)
    if engine:
        yield from _cite_engine(engine, m.device, request.backend)


def _cite_engine(engine: EngineSpec, device: DeviceSpec, backend: str) -> Iterator[Citation]:
    runtime = engine.overheads.get(backend or default_backend(device), engine.overhead)
    if runtime:
        yield _cite(engine, f"memory overhead of {engine.name}, {runtime.value} a device", runtime.source)
    if engine.buffers:
        yield _cite(engine, f"buffers of {engine.name}", engine.buffers.source)
    if engine.reserved and engine.rules:
        yield _cite(engine, f"share of the memory that {engine.name} takes", engine.reserved.source)


def _cite_memory(device: DeviceSpec) -> Iterator[Citation]:
    for tier in device.memory:
        whose = f"{device.name}'s {tier.name}"
        if tier.bandwidth:
            yield _cite(device, f"bandwidth of {whose}, {tier.bandwidth.value}", tier.bandwidth.source)
        if tier.role != "slow":
            reported = tier.usable or tier.capacity
            yield _cite(device, f"capacity of {whose}, {reported.value}", reported.source)


def _cite(spec: Spec, what: str, source: str) -> Citation:
    found = spec.sources[source]
    return Citation(what, f"{found.title}; {found.locator}", found.url)
