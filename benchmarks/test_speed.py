"""Speed, with pytest-benchmark: ``python -m pytest benchmarks``. Figures are reported, never asserted."""

from __future__ import annotations

import subprocess
import sys

import numpy as np

import roofline
from roofline.machine import machine
from roofline.operations import Pass
from roofline.specs import load_hardware, load_model
from roofline.times import pass_times
from roofline.transformer import transformer


def test_warm_scalar_prediction(benchmark):
    benchmark(roofline.predict, "minimax-m2.7", "dgx-spark", weights="ud-iq4_xs", kv="q4_0", context=4096, prompt=4096)


def test_warm_prediction_of_a_hybrid_model(benchmark):
    benchmark(roofline.predict, "qwen3.6-35b-a3b", "2x rtx-pro-6000", weights="nvfp4", batch=32, context=4096)


def test_page_of_a_prediction(benchmark):
    benchmark(str, roofline.predict("minimax-m2.7", "dgx-spark", weights="ud-iq4_xs"))


def test_pass_over_a_million_points(benchmark):
    built = transformer(load_model("minimax-m2.7"), "ud-iq4_xs", "q4_0")
    box = machine(load_hardware("dgx-spark"), 1)
    batch, context = np.arange(1.0, 1001.0)[:, None], np.linspace(0, 131072, 1000)[None, :]
    benchmark(pass_times, built, box, Pass(batch, 1, context))


def test_sweep_of_a_million_points(benchmark):
    axes = {"batch": np.arange(1, 1001), "context": np.arange(0, 180_000, 180)}
    benchmark(roofline.sweep, "minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", engine="vllm", **axes)


def test_sweep_of_a_million_served_points(benchmark):
    axes = {"concurrency": np.arange(1, 101), "prompt": np.arange(1, 10_001, 100), "output": np.arange(1, 1001, 10)}
    benchmark(roofline.sweep, "minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", engine="vllm", **axes)


def test_sweep_of_a_hundred_thousand_points(benchmark):
    axes = {"batch": np.arange(1, 101), "context": np.arange(0, 180_000, 180)}
    benchmark(roofline.sweep, "minimax-m2.7", "2x rtx-pro-6000", weights="nvfp4", engine="vllm", **axes)


def test_sweep_of_every_device(benchmark):
    boxes = roofline.specs.names("hardware")
    benchmark(roofline.sweep, "llama-3.1-8b", boxes, batch=[1, 8, 64], fields=["decode"])


def test_import(benchmark):
    benchmark(subprocess.run, [sys.executable, "-c", "import roofline"], check=True)


def test_command_line(benchmark):
    command = [sys.executable, "-m", "roofline", "predict", "minimax-m2.7", "dgx-spark", "--weights", "ud-iq4_xs"]
    benchmark(subprocess.run, command, check=True, capture_output=True)
