"""The one place where names, workload, work and machine meet."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from roofline import capacity, expectation, serving, times
from roofline._xp import Num, everywhere_positive, maximum
from roofline.assumptions import workload_assumptions
from roofline.errors import NoBoundError, WorkloadError
from roofline.loading import load_model
from roofline.operations import Pass
from roofline.results import (
    Decode,
    Memory,
    OperationTime,
    Prediction,
    Prefill,
    PrefillRate,
    Rates,
    Serving,
)
from roofline.setting import Request, Setting, setting
from roofline.specs import EngineSpec, HardwareSpec, ModelSpec, load_engine, load_hardware
from roofline.times import PassTimes, pass_times
from roofline.workload import Workload, count, layout_of, prompt_pass, workload

LARGEST_SIZE = 1e18
"""Sizes above this are taken for mistakes. [byte]"""


def predict(
    model: str | Path | ModelSpec,
    hardware: str | Path | HardwareSpec,
    *,
    devices: int = 1,
    weights: str | None = None,
    kv: str | None = None,
    batch: int = 1,
    context: int = 0,
    prompt: int | None = None,
    output: int | None = None,
    cached: int = 0,
    concurrency: int | None = None,
    engine: str | Path | EngineSpec | None = None,
    tp: int | None = None,
    ep: int | None = None,
    pp: int | None = None,
    dp: int | None = None,
    level: float = 0.9,
    backend: str | None = None,
    built: str | None = None,
    mode: str | None = None,
    memory_share: float | None = None,
    weights_bytes: float | None = None,
    assume_known: bool = False,
) -> Prediction:
    """Say what the ceiling of a model on a machine is, what fits, and why.

    Parameters
    ----------
    model : name, alias, spec object, or a file: a spec (``.toml``), a Hugging Face ``config.json`` or a folder that
        holds one, a ``.gguf``; ``"hf:organisation/name"`` asks the hub.
    hardware : the same for hardware; a count may stand in front, as in ``"2x rtx-pro-6000"``.
    devices : devices; multiplied by a count in ``hardware``. [1]
    weights : recipe of the weights; the published checkpoint's own (``native``) when None.
    kv : format of the cache; what the checkpoint states, else 16 bits, when None.
    batch : sequences that decode, or are read, together. [1]
    context : tokens in the cache of each when it decodes. [token]
    prompt : tokens of each prompt that prefill reads; ``context`` if that is above 0, else 512, when None. [token]
    output : tokens that each request generates; counts for memory and serving. [token]
    cached : tokens of each prompt that are in the cache already. [token]
    concurrency : streams kept busy by continuous batching; needs ``prompt`` and ``output``. [1]
    engine : serving engine; adds its own memory, and the speed to expect of it.
    tp : devices that share each layer (tensor parallel); the devices are one pool for the bounds when None. [1]
    ep, pp, dp : expert, pipeline and data parallel degree; the bounds take the devices as one pool then. [1]
    level : level of the intervals of what is expected. [1]
    backend : what the engine runs on: ``cuda``, ``rocm``, ``vulkan``, ``metal``, ``xpu``, ``cpu``; as usual on the
        hardware when None.
    built : when the engine was built, as ``"2025"`` or ``"2025-03"``; the newest that was measured when None.
    mode : ``"graph"`` or ``"eager"``: whether the host starts every kernel anew in each step; ``"graph"`` when None.
    memory_share : part of each device's memory that the engine may take, as vLLM's ``gpu_memory_utilization`` and
        SGLang's ``mem_fraction_static``; the engine's usual one when None. [1]
    weights_bytes : size of the actual file where it is known: within 5 % of the recipe's, the recipe's largest tensor
        group is rescaled to it. [byte]
    assume_known : take keys of a config that are not understood for harmless; said in the assumptions.

    Returns
    -------
    Prediction

    Raises
    ------
    UnknownNameError
        No model, hardware, recipe, format or engine of that name.
    SpecError
        A spec file does not follow the schema.
    ModelFileError
        A config, GGUF or safetensors file is broken, or has something that is not understood.
    WorkloadError
        An argument is out of range, or two of them contradict each other.
    NoBoundError
        Neither a bandwidth nor a peak of the device is known.

    Examples
    --------
    >>> import roofline
    >>> p = roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", kv="q4_0")
    >>> round(p.decode.streaming.tokens_per_s, 1), p.decode.bound, p.memory.fits
    (39.8, 'memory', True)
    """
    found, work = resolved(
        model,
        hardware,
        devices=devices,
        weights=weights,
        kv=kv,
        batch=batch,
        context=context,
        prompt=prompt,
        output=output,
        cached=cached,
        concurrency=concurrency,
        engine=engine,
        layout={"tp": tp, "ep": ep, "pp": pp, "dp": dp},
        backend=backend,
        built=built,
        mode=mode,
        memory_share=memory_share,
        weights_bytes=weights_bytes,
        assume_known=assume_known,
    )
    return prediction(found, work, checked_level(level))


def resolved(
    model: str | Path | ModelSpec,
    hardware: str | Path | HardwareSpec,
    *,
    batch: int,
    context: int,
    prompt: int | None,
    output: int | None,
    cached: int,
    concurrency: int | None,
    **choices: Any,
) -> tuple[Setting, Workload]:
    """Return what the arguments of :func:`predict` stand for, checked; ``choices`` are those of :func:`placed`."""
    found = placed(model, hardware, **choices)
    lengths = {"context": context, "prompt": prompt, "output": output, "cached": cached}
    return found, workload(found.model, batch=batch, concurrency=concurrency, **lengths)


def placed(
    model: str | Path | ModelSpec,
    hardware: str | Path | HardwareSpec,
    *,
    devices: int,
    weights: str | None,
    kv: str | None,
    engine: str | Path | EngineSpec | None,
    layout: dict[str, int | None],
    backend: str | None,
    built: str | None,
    mode: str | None,
    weights_bytes: float | None,
    memory_share: float | None = None,
    assume_known: bool = False,
) -> Setting:
    """Return the model in its formats on the machine that the arguments of :func:`predict` stand for, checked."""
    model_spec = load_model(model, assume_known=assume_known)
    hardware_spec, counted = machine_named(hardware)
    devices = count("devices", devices) * counted
    shared = layout_of(devices * hardware_spec.devices, **layout)
    _check_engine_words(engine, backend, built, mode)
    for name, value in (("weights", weights), ("kv", kv)):
        if value is not None and not isinstance(value, str):
            raise WorkloadError(f"{name} is {value!r:.60}, but the name of a format is wanted, for example 'q8_0'")
    engine_spec = None if engine is None else load_engine(engine)
    _check_share(engine_spec, memory_share)
    return setting(
        Request(
            model=model_spec,
            hardware=hardware_spec,
            devices=devices,
            weights=weights,
            kv=kv,
            engine=engine_spec,
            layout=shared,
            weights_bytes=None if weights_bytes is None else _size("weights_bytes", weights_bytes),
            backend=backend or "",
            built=built or "",
            eager=mode == "eager",
            memory_share=None if memory_share is None else float(memory_share),
        )
    )


def _check_engine_words(engine: Any, backend: Any, built: Any, mode: Any) -> None:
    if backend is not None and (not isinstance(backend, str) or not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", backend)):
        raise WorkloadError(f"backend is {backend!r:.60}, but a name is wanted, for example 'cuda' or 'vulkan'")
    if built is not None and (not isinstance(built, str) or not re.fullmatch(r"20\d\d(-(0[1-9]|1[0-2]))?", built)):
        raise WorkloadError(f"built is {built!r:.60}, but a year or a month is wanted, for example '2025' or '2025-03'")
    if mode not in {None, "graph", "eager"}:
        raise WorkloadError(f"mode is {mode!r:.60}, but 'graph' or 'eager' is wanted")
    for name, word in (("backend", backend), ("built", built), ("mode", mode)):
        if word is not None and engine is None:
            raise WorkloadError(f"{name} is {word!r}, but no engine is named that it could be said of")


def _check_share(engine: EngineSpec | None, share: Any) -> None:
    if share is None:
        return
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 1:
        raise WorkloadError(
            f"memory_share is {share!r:.60}, but a part of the memory up to 1 is wanted, for example 0.9"
        )
    if engine is None or engine.reserved is None:
        who = f"{engine.name} takes what it needs, no share" if engine else "no engine is named that would take a share"
        raise WorkloadError(f"memory_share is {share}, but {who} of the memory")


def checked_level(level: Any) -> float:
    """Return the level of intervals if it is one.

    Raises
    ------
    WorkloadError
        It is no share between 0 and 1.
    """
    if isinstance(level, bool) or not isinstance(level, int | float) or not 0 < level < 1:
        raise WorkloadError(f"level is {level!r:.60}, but a share between 0 and 1 is wanted, for example 0.9")
    return float(level)


def _size(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < LARGEST_SIZE:
        raise WorkloadError(f"{name} is {value!r:.60}, but a number of bytes above 0 is wanted")
    return float(value)


def machine_named(hardware: str | Path | HardwareSpec) -> tuple[HardwareSpec, int]:
    """Return the hardware spec and the count in front of its name."""
    if isinstance(hardware, str) and (match := re.fullmatch(r"\s*(\d{1,9})\s*[xX×*]\s*(.+)", hardware)):
        return load_hardware(match[2].strip()), count("devices", int(match[1]))
    return load_hardware(hardware), 1


class Figures(NamedTuple):
    """Every number of a prediction; floats, or arrays for a workload of arrays.

    Attributes
    ----------
    memory, decode, prefill, serving : as of :class:`Prediction`.
    passes : the decode step, for what is said about it.
    holds : whether weights, cache and state fit the physical memory; nothing is expected where they do not.
    serves : the same of the weights alone, all replicas.
    """

    memory: Memory
    decode: Decode
    prefill: Prefill
    serving: Serving | None
    passes: PassTimes
    holds: Any
    serves: bool


def figures(s: Setting, work: Workload, level: float) -> Figures:
    """Return the numbers of a prediction.

    Parameters
    ----------
    s : model, formats and machine.
    work : what is asked; whole numbers, or arrays of them that broadcast.
    level : level of the intervals. [1]

    Returns
    -------
    Figures
        With ``expected`` None where a float says that it does not fit; of arrays, ``holds`` says where.

    Raises
    ------
    NoBoundError
        Neither a bandwidth nor a peak of the device is known.
    """
    # The numbers of a pass may be floats, arrays or symbols, and Any says so to the type checker.
    decode: Any = pass_times(s.transformer, s.machine, Pass(work.batch, 1, work.context), s.tensor_parallel)
    prefill: Any = pass_times(s.transformer, s.machine, prompt_pass(work.batch, work), s.tensor_parallel)
    if not (everywhere_positive(decode.longest) and everywhere_positive(prefill.longest)):
        raise NoBoundError(
            f"nothing known of {s.device.name} bounds {s.model.name} in {s.weights.name}: no bandwidth and no "
            f"peak, or all of it fits on the chip and no peak is known for its formats"
        )
    memory = capacity.memory(
        s.transformer,
        s.machine,
        growth=s.growth,
        batch=work.batch,
        tokens=work.tokens,
        longest_context=s.model.architecture.max_context,
        layout=s.layout,
        engine=s.own,
    )
    most = s.machine.most_bytes
    holds = memory.total_bytes - memory.overhead_bytes <= most
    stored = capacity.stored_bytes(s.transformer, s.layout)
    serves = s.speed is not None and stored <= most
    speed = s.speed if holds is not False else None
    decoding, reading = decode_block(decode, work.batch), prefill_block(prefill, work.batch * work.prompt)
    if speed:
        decoding = replace(decoding, expected=expectation.expected_decode(s, speed, work, decoding.ceiling, level))
        reading = replace(reading, expected=expectation.expected_prefill(s, speed, work, reading.ceiling, level))
    served = _serving(s, work, level, expected=serves)
    return Figures(memory, decoding, reading, served, decode, holds, serves)


def prediction(s: Setting, work: Workload, level: float) -> Prediction:
    """Return the prediction of a workload in a setting."""
    found = figures(s, work, level)
    return Prediction(
        model=s.model.name,
        hardware=s.device.name,
        devices=s.devices,
        weights=s.weights.name,
        kv=s.kv,
        batch=work.batch,
        context=work.context,
        prompt=work.prompt,
        output=work.output,
        cached=work.cached,
        engine=s.engine.name if s.engine else None,
        memory=found.memory,
        decode=found.decode,
        prefill=found.prefill,
        serving=found.serving,
        assumptions=(
            *workload_assumptions(work, found.memory, found.passes, s.devices),
            *s.assumptions,
            *(s.speed_assumptions if found.holds else _nothing_expected(s)),
        ),
        sources=s.sources,
        titles=(s.model.title, s.system.title if s.system else s.device.title),
        devices_in_title=s.system.devices if s.system else 1,
        roofs=s.roofs,
        bytes_per_s=s.machine.bytes_per_s,
        tiers=s.tiers,
        max_context_of_model=s.model.architecture.max_context,
        prompt_given=work.prompt_given,
        origin=(s, work, level),
    )


def _nothing_expected(s: Setting) -> tuple[str, ...]:
    """Return why no speed is expected of an engine that was measured."""
    return ("no speed is expected of what does not fit",) if s.speed else ()


def decode_block(t: Any, batch: Any) -> Decode:
    """Return the decode block of a prediction from the times of a step."""
    moved = t.weight_bytes + t.kv_bytes + t.state_bytes
    return Decode(
        weight_bytes=t.weight_bytes,
        kv_bytes=t.kv_bytes,
        state_bytes=t.state_bytes,
        bytes_per_token=moved / batch,
        flop_per_token=t.flop / batch,
        arithmetic_intensity=t.flop / moved,
        bound=times.bound(t.memory, t.compute, t.link),
        ceiling=_rates(t.memory, t, batch),
        streaming=_rates(t.streaming, t, batch),
        uniform=_rates(t.uniform, t, batch),
        expected=None,
        ops=_operations(t),
        resources={"memory": t.memory, "compute": t.compute, "link": t.link},
    )


def _rates(memory_seconds: Num, t: Any, batch: Any) -> Rates:
    seconds: Any = maximum(maximum(memory_seconds, t.compute), t.link)
    return Rates(seconds, batch / seconds, 1 / seconds, times.bound(memory_seconds, t.compute, t.link))


def _operations(t: PassTimes) -> tuple[OperationTime, ...]:
    return tuple(_operation(op) for op in t.operations)


def _operation(op: Any) -> OperationTime:
    seconds: Any = maximum(op.memory, op.compute)
    return OperationTime(op.name, op.cost.bytes, op.cost.flop, seconds, times.bound(op.memory, op.compute))


def prefill_block(t: Any, tokens: Any) -> Prefill:
    """Return the prefill block of a prediction from the times of the pass."""
    seconds = t.longest
    return Prefill(
        tokens=tokens,
        flop=t.flop,
        bytes=t.bytes,
        bound=times.bound(t.memory, t.compute, t.link),
        ceiling=PrefillRate(seconds, tokens / seconds),
        expected=None,
        ops=_operations(t),
        resources={"memory": t.memory, "compute": t.compute, "link": t.link},
    )


def _serving(s: Setting, work: Workload, level: float, *, expected: bool) -> Serving | None:
    if work.concurrency is None:
        return None
    bounds = serving.serving(
        s.transformer,
        s.machine,
        work=work,
        tensor_parallel=s.tensor_parallel,
    )
    if s.speed is None or not expected:
        return bounds
    return expectation.expected_serving(s, s.speed, work, bounds, level)
