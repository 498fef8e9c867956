"""The ceiling of a language model on a machine: exact bytes, exact FLOPs, memory fit, and why."""

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

__version__ = "0.1.0"

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
    "SourceError",
    "SpecError",
    "SystemSpec",
    "TooLongError",
    "UnitError",
    "UnknownNameError",
    "WorkloadError",
    "load_engine",
    "load_hardware",
    "load_model",
    "predict",
]
