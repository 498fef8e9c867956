"""Spec files: their schemas, where every value was read, and how they are found."""

from roofline.specs.catalog import load_device, load_engine, load_hardware, load_model, names
from roofline.specs.engine import EngineSpec
from roofline.specs.hardware import DeviceSpec, HardwareSpec, SystemSpec
from roofline.specs.model import ModelSpec, Recipe

__all__ = [
    "DeviceSpec",
    "EngineSpec",
    "HardwareSpec",
    "ModelSpec",
    "Recipe",
    "SystemSpec",
    "load_device",
    "load_engine",
    "load_hardware",
    "load_model",
    "names",
]
