"""The ceiling of a language model on a machine: exact bytes, exact FLOPs, memory fit, and why."""

import importlib
from typing import TYPE_CHECKING, Any

from roofline._predict import predict
from roofline.errors import (
    BrokenSpecWarning,
    FileSizeError,
    MeasurementError,
    ModelFileError,
    NoBoundError,
    RooflineError,
    RooflineWarning,
    ShadowedSpecWarning,
    SourceError,
    SpecError,
    TooLongError,
    UnitError,
    UnknownNameError,
    WorkloadError,
)
from roofline.loading import load_model
from roofline.results import Prediction
from roofline.specs import (
    DeviceSpec,
    EngineSpec,
    ModelSpec,
    SystemSpec,
    load_engine,
    load_hardware,
)

if TYPE_CHECKING:
    from roofline.solving import Solution, solve
    from roofline.sweeps import Sweep, sweep

__version__ = "0.1.0"

_LATER = {"sweep": "roofline.sweeps", "Sweep": "roofline.sweeps"}
_LATER |= {"solve": "roofline.solving", "Solution": "roofline.solving"}
"""What needs numpy or more, which a single prediction does not: imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'roofline' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__


__all__ = [
    "BrokenSpecWarning",
    "DeviceSpec",
    "EngineSpec",
    "FileSizeError",
    "MeasurementError",
    "ModelFileError",
    "ModelSpec",
    "NoBoundError",
    "Prediction",
    "RooflineError",
    "RooflineWarning",
    "ShadowedSpecWarning",
    "Solution",
    "SourceError",
    "SpecError",
    "Sweep",
    "SystemSpec",
    "TooLongError",
    "UnitError",
    "UnknownNameError",
    "WorkloadError",
    "load_engine",
    "load_hardware",
    "load_model",
    "predict",
    "solve",
    "sweep",
]
