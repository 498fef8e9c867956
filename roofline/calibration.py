"""Which of an engine's constants hold for a device, and how far off they may be."""

from __future__ import annotations

from typing import NamedTuple

from roofline._remember import remember
from roofline._xp import EULER
from roofline.expected import Constants
from roofline.expected_work import Layout
from roofline.kernels import PassKernels, pass_kernels
from roofline.recipes import StoredWeights
from roofline.specs import DeviceSpec, EngineSpec, ModelSpec
from roofline.specs.speed import CONSTANTS, PROBABILITIES, Fitted, Residuals, SpeedRules

BACKENDS = {"NVIDIA": "cuda", "AMD": "rocm", "Apple": "metal", "Intel": "xpu"}
"""What an engine runs on where nobody says; a processor runs ``cpu``, any other device what its vendor is called."""

PERIODS = ("2023", "2024", "2025-1", "2025-2", "2026-1", "2026-2")
"""When engines were built: speeds of one engine differ by a factor of two over the years."""


class Known(NamedTuple):
    """What of a setting the constants were fitted on."""

    model: bool
    device: bool
    hardware: bool


class Speed(NamedTuple):
    """What an engine's speed on some hardware follows from.

    Attributes
    ----------
    constants : for this hardware, build and device.
    counted : kernels of a pass.
    rules : how the engine works.
    layout : how the devices share the model.
    layout_given : whether the caller said so.
    hardware : class of the hardware.
    built : period of the engine's build.
    eager : whether the host starts every kernel anew.
    known : what the constants were fitted on.
    fitted : the fit itself.
    """

    constants: Constants
    counted: PassKernels
    rules: SpeedRules
    layout: Layout
    layout_given: bool
    hardware: str
    built: str
    eager: bool
    known: Known
    fitted: Fitted


def default_backend(device: DeviceSpec) -> str:
    """Return what an engine runs on where nobody says."""
    if device.kind == "cpu":
        return "cpu"
    return BACKENDS.get(device.vendor, device.vendor.lower())


def memory_class(device: DeviceSpec) -> str:
    """Return the kind of a device's main memory: unified, hbm, gddr, sram or ddr."""
    name = device.main_memory.name.upper()
    if device.main_memory.unified:
        return "unified"
    return next((kind for kind in ("hbm", "gddr", "sram") if kind.upper() in name), "ddr")


def hardware_class(device: DeviceSpec, backend: str) -> str:
    """Return the class of hardware that constants are kept for.

    Examples
    --------
    >>> from roofline.specs import load_device, load_hardware
    >>> hardware_class(load_device(load_hardware("h100-sxm")), "cuda")
    'cuda hbm'
    """
    return f"{backend or default_backend(device)} {memory_class(device)}"


def period(built: str) -> str:
    """Return the period that a date of a build, as YYYY or YYYY-MM, lies in; the latest of a year without months.

    Examples
    --------
    >>> period("2025-03"), period("2025"), period("2024-05"), period("2031-01")
    ('2025-1', '2025-2', '2024', '2026-2')
    """
    year, month = built[:4], built[5:7]
    if year <= "2023":
        return "2023"
    if year == "2024":
        return "2024"
    if year > "2026":
        return PERIODS[-1]
    return f"{year}-{1 if month and month <= '06' else 2}"


def constants_for(fitted: Fitted, hardware: str, built: str, device: str, model: str) -> Constants:
    """Return the constants of a fit for a class of hardware, a period, a device and a model, known or not."""
    values = {}
    for name in CONSTANTS:
        constant = fitted.constants[name]
        values[name] = (
            constant.value
            * constant.by_backend.get(hardware.split(maxsplit=1)[0], 1.0)
            * constant.by_hardware.get(hardware, 1.0)
            * constant.by_build.get(built, 1.0)
            * constant.by_device.get(device, 1.0)
            * constant.by_model.get(model, 1.0)
        )
    return Constants(**values)


@remember
def speed(
    engine: EngineSpec,
    model: ModelSpec,
    weights: StoredWeights,
    device: DeviceSpec,
    layout: Layout | None,
    devices: int,
    backend: str,
    built: str,
    eager: bool,  # noqa: FBT001 (remembered by position)
) -> Speed | None:
    """Return what the speed follows from; None where no constants are known for the engine."""
    if engine.fitted is None or engine.rules is None or engine.kernels is None:
        return None
    hardware = hardware_class(device, backend)
    when = period(built or engine.fitted.newest_build)
    first = engine.fitted.constants["weight_bandwidth"]
    default = Layout(pipeline=devices) if engine.rules.layout == "pipeline" else Layout(tensor=devices)
    return Speed(
        constants=constants_for(engine.fitted, hardware, when, device.name, model.name),
        counted=pass_kernels(model.architecture, weights, engine.kernels),
        rules=engine.rules,
        layout=layout or default,
        layout_given=layout is not None,
        hardware=hardware,
        built=when,
        eager=eager,
        known=Known(model.name in engine.fitted.models, device.name in first.by_device, hardware in first.by_hardware),
        fitted=engine.fitted,
    )


# --- intervals

ANY = "any"
"""Residuals of all metrics together but times to first token, for a metric with too few."""


@remember
def interval(fitted: Fitted, metric: str, known: Known, level: float) -> tuple[float, float]:
    """Return factors that an expected time is multiplied by for the ends of its interval.

    Which residuals count depends on what the fit has seen: those of rows whose combination of device and model had been
    left out, and of those whose model, device or class of hardware had been, where it is new. The widest hold.
    """
    tail = (1 - level) / 2
    lows, highs = [], []
    for left_out in _left_out(known):
        quantiles = _residuals(fitted, metric, left_out).quantiles
        lows.append(_at(quantiles, tail))
        highs.append(_at(quantiles, 1 - tail))
    return EULER ** min(*lows, 0.0), EULER ** max(*highs, 0.0)


def _left_out(known: Known) -> tuple[str, ...]:
    model = () if known.model else ("model",)
    device = () if known.device else ("device",)
    hardware = () if known.hardware else ("hardware",)
    return ("cell", *model, *device, *hardware)


_WIDER = {"cell": ("cell", "model", "device", "hardware")}
_WIDER |= {"model": ("model", "device", "hardware", "cell"), "device": ("device", "hardware", "model", "cell")}
_WIDER |= {"hardware": ("hardware", "device", "model", "cell")}


def _residuals(fitted: Fitted, metric: str, left_out: str) -> Residuals:
    """Return the residuals of the metric and situation, else of the next situation, else of all metrics."""
    tables = {(table.metric, table.left_out): table for table in fitted.residuals}
    for kind in (metric, ANY):
        for situation in _WIDER[left_out]:
            if (kind, situation) in tables:
                return tables[kind, situation]
    return fitted.residuals[0]


def _at(quantiles: tuple[float, ...], probability: float) -> float:
    """Return the quantile at a probability, between two that are stored linearly."""
    for index, right in enumerate(PROBABILITIES):
        if probability <= right:
            left = PROBABILITIES[index - 1] if index else right
            share = (probability - left) / (right - left) if right > left else 1.0
            return quantiles[max(index - 1, 0)] + share * (quantiles[index] - quantiles[max(index - 1, 0)])
    return quantiles[-1]
