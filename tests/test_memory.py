"""Memory: what an engine holds for itself, the share of a device that it takes, replicas, and printed amounts."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import numpy as np
import pytest
from printed import Printed

import roofline
from roofline import capacity, measurements
from roofline._predict import resolved
from roofline.amounts import bytes_of_printed_token
from roofline.errors import RooflineError, WorkloadError
from roofline.expected_work import Layout
from roofline.transformer import transformer
from roofline.validation import validate

MIB, GIB = 2**20, 2**30


def memory(model, hardware, **options):
    return roofline.predict(model, hardware, **options).memory


# --- llama.cpp, as it prints


@pytest.mark.parametrize(
    ("model", "context", "printed", "beside"),
    [
        ("llama-3-8b", 512, "258.50", 0),
        ("llama-3-8b", 2048, "258.50", 0),
        ("qwen3-8b", 8192, "304.75", 0),
        ("gpt-oss-20b", 768, "398.38", 12 * 512 * 2048),  # windowed caches that hold a micro-batch more
        ("llama-3.2-3b", 131072, "408", 128256 * 3072 * 2),  # the mask; a copy of the embedding as the head
    ],
)
def test_compute_buffers_are_those_that_llama_cpp_prints(model, context, printed, beside):
    """Lines "CUDA0 compute buffer size" (ROCm0 for two) of public logs, flash attention on, micro-batches of 512."""
    own = memory(model, "rtx-4090", weights="bf16", engine="llama.cpp", context=context).overhead_bytes
    assert (own - 749 * MIB - beside) / MIB == Printed(printed)


def test_the_embedding_stays_in_the_hosts_memory():
    """Llama 3 8B Q4_K_M: "CPU buffer size = 281.81 MiB", "CUDA0 buffer size = 4403.49 MiB"."""
    m = memory("llama-3-8b", "rtx-4090", weights="q4_k_m", engine="llama.cpp", context=512)
    assert m.host_bytes / MIB == Printed("281.81")
    assert (m.weights_bytes - m.host_bytes) / MIB == Printed("4403.49")


def test_a_head_that_is_the_embedding_is_copied_to_the_device():
    tied = memory("gemma-3-27b", "rtx-pro-6000", weights="bf16", engine="llama.cpp", context=4096)
    table, window = 262208 * 5376 * 2, 52 * 512 * 2 * 16 * 128 * 2
    head = 512 * 4 * (262208 + 5376)
    assert tied.overhead_bytes == 749 * MIB + table + window + head
    assert tied.host_bytes == table


def test_the_widest_layer_counts_where_it_outgrows_the_head():
    own = memory("mixtral-8x7b", "rtx-pro-6000", weights="q4_k_m", engine="llama.cpp", context=4096).overhead_bytes
    assert own == 749 * MIB + 512 * 4 * (2 * (2 * 14336 + 4096) + 2 * 4096)
    tensor = memory("llama-3.1-70b", "8x h100-sxm", engine="mlx", tp=8).overhead_bytes
    assert tensor == 8 * 2048 * 2 * max(128256 + 8192, 2 * 28672 // 8 + 2 * 8192)


def test_the_longest_context_leaves_room_for_the_mask_that_grows_with_it():
    options = {"weights": "bf16", "engine": "llama.cpp", "batch": 3}
    longest = memory("mistral-7b", "rtx-4090", **options).max_context
    assert 20_000 < longest < 32_768
    assert memory("mistral-7b", "rtx-4090", context=longest, **options).fits
    assert not memory("mistral-7b", "rtx-4090", context=longest + 1, **options).fits


def test_shared_memory_holds_the_hosts_buffers_and_programs_too():
    apart = memory("qwen3-8b", "rtx-pro-6000", engine="llama.cpp", context=8192)
    shared = memory("qwen3-8b", "dgx-spark", engine="llama.cpp", context=8192)
    said = roofline.predict("qwen3-8b", "dgx-spark", engine="llama.cpp").assumptions
    assert any("1.4 GiB are counted for the host's own programs" in line for line in said)
    beside = 512 * 4 * (8192 + 4096)  # "CUDA_Host compute buffer size": mask and embedded tokens
    assert shared.overhead_bytes - apart.overhead_bytes == pytest.approx(1.4 * GIB + beside)
    assert shared.host_bytes - apart.host_bytes == pytest.approx(1.4 * GIB + beside)


def test_overhead_is_counted_on_every_device():
    one = memory("llama-3.1-8b", "rtx-4090", engine="llama.cpp").overhead_bytes
    assert memory("llama-3.1-8b", "4x rtx-4090", engine="llama.cpp").overhead_bytes == 4 * one


def test_a_processor_needs_no_copy_and_a_backend_has_its_own_runtime():
    options = {"weights": "q8_0", "engine": "llama.cpp", "context": 512}
    assert memory("gemma-3-1b", "epyc-9005", **options).host_bytes < 2 * GIB
    cuda = memory("llama-3-8b", "rtx-4090", **options)
    vulkan = memory("llama-3-8b", "rtx-4090", backend="vulkan", **options)
    assert cuda.overhead_bytes - vulkan.overhead_bytes == (749 - 160) * MIB


# --- engines that take a share


@pytest.mark.parametrize(
    ("model", "hardware", "tokens"),
    [
        ("llama-2-7b", "h100-sxm", 119_408),
        ("llama-3.1-70b", "4x h100-sxm", 486_800),
        ("mistral-nemo-12b", "h100-sxm", 308_016),
        ("mistral-nemo-12b", "2x h100-sxm", 768_144),
        ("yi-34b", "2x h100-sxm", 332_688),
    ],
)
def test_pools_of_vllm_are_those_of_its_logs(model, hardware, tokens):
    """Published by a validation of simulators against vLLM; nothing of these rows entered a constant."""
    m = memory(model, hardware, weights="bf16", kv="bf16", engine="vllm")
    assert m.room_bytes / m.kv_bytes_per_token == pytest.approx(tokens, rel=0.025)


def test_what_a_share_is_of_differs_between_engines():
    c = memory("llama-3.1-8b", "h100-sxm")
    outside = {
        "vllm": 0.2 * c.capacity_bytes + 0.13 * GIB + 1024 * (10 * 128256 + 2 * 4096),
        "sglang": 0.2 * c.capacity_bytes,
        "tensorrt-llm": 0.2 * (c.capacity_bytes - c.weights_bytes),
    }
    for engine, expected in outside.items():
        m = memory("llama-3.1-8b", "h100-sxm", engine=engine, memory_share=0.8)
        assert m.overhead_bytes == pytest.approx(expected), engine
        assert m.outside_bytes == pytest.approx(0.2 * (c.capacity_bytes - (engine == "tensorrt-llm") * c.weights_bytes))
        assert m.room_bytes == pytest.approx(c.capacity_bytes - c.weights_bytes - expected), engine


def test_less_of_the_memory_holds_less():
    found = [memory("llama-3.1-8b", "h100-sxm", engine="vllm", memory_share=s).cache_tokens for s in (0.5, 0.9, 0.95)]
    assert found == sorted(found)
    assert roofline.predict("llama-3.1-8b", "h100-sxm", engine="vllm").memory == memory(
        "llama-3.1-8b", "h100-sxm", engine="vllm", memory_share=0.9
    )


def test_fewer_streams_are_served_from_a_smaller_share():
    options = {"engine": "vllm", "concurrency": 512, "prompt": 4000, "output": 400}
    small, large = (
        roofline.predict("llama-3.1-8b", "h100-sxm", memory_share=share, **options).serving for share in (0.4, 0.9)
    )
    assert small.output_tok_per_s.value < large.output_tok_per_s.value


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"engine": "vllm", "memory_share": 0}, "memory_share is 0, but a part of the memory up to 1 is wanted"),
        ({"engine": "vllm", "memory_share": 90}, "memory_share is 90, but"),
        ({"engine": "vllm", "memory_share": float("nan")}, "memory_share is nan, but"),
        ({"engine": "vllm", "memory_share": "0.9"}, "memory_share is '0.9', but"),
        ({"engine": "vllm", "memory_share": True}, "memory_share is True, but"),
        ({"memory_share": 0.9}, "no engine is named that would take a share of the memory"),
        ({"engine": "llama.cpp", "memory_share": 0.9}, "llama.cpp takes what it needs, no share of the memory"),
    ],
)
def test_shares_that_mean_nothing_are_refused(options, message):
    with pytest.raises(WorkloadError, match=message):
        roofline.predict("llama-3.1-8b", "h100-sxm", **options)


def test_the_command_line_takes_a_share():
    command = [sys.executable, "-m", "roofline", "predict", "llama-3.1-8b", "h100-sxm", "--engine", "vllm"]
    found = subprocess.run([*command, "--memory-share", "0.5"], capture_output=True, text=True, check=True)
    assert "takes 0.5 of the memory" in " ".join(found.stdout.split())
    sweep = [*command[:3], "sweep", *command[4:], "--memory-share", "0.5,0.9", "--json"]
    found = json.loads(subprocess.run(sweep, capture_output=True, text=True, check=True).stdout)
    assert found["axes"]["memory_share"] == [0.5, 0.9]
    wrong = subprocess.run([*command, "--memory-share", "5"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)
    assert "memory_share is 5.0" in wrong.stderr


def test_every_number_of_an_engines_memory_is_shown():
    command = [sys.executable, "-m", "roofline", "show", "llama.cpp"]
    page = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = {tuple(line.split()[:2]) for line in page.splitlines()}
    assert {("overheads.cuda", "749"), ("buffers.mask_bytes", "6"), ("embedding", "host")} <= rows
    found = json.loads(subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout)
    assert found["values"]["overheads.cuda"]["si"] == 749 * MIB


SPEC = """
schema = 1
name = "own"
title = "Own"
cache_formats = { value = ["bf16"], source = "a" }
overhead = { value = "1 GiB", source = "a" }

[sources.a]
title = "A source"
url = "https://example.org"
locator = "all"
accessed = 2026-11-21
"""


def test_an_engine_of_ones_own_may_say_only_a_constant(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(SPEC)
    assert memory("llama-3.1-8b", "2x h100-sxm", engine=path, context=9000).overhead_bytes == 2 * GIB


def test_buffers_and_shares_need_rules(tmp_path):
    path = tmp_path / "own.toml"
    path.write_text(SPEC + '[reserved]\nof = "all"\nsource = "a"\n')
    with pytest.raises(RooflineError, match=r"reserved needs \[rules\] beside it"):
        memory("llama-3.1-8b", "h100-sxm", engine=path)


# --- replicas


def test_every_replica_stores_its_weights():
    one = memory("llama-3.1-8b", "h100-sxm").weights_bytes
    assert memory("llama-3.1-8b", "4x h100-sxm", dp=4).weights_bytes == 4 * one
    assert memory("llama-3.1-8b", "4x h100-sxm", tp=2).weights_bytes == 2 * one  # dp is 2
    assert memory("llama-3.1-8b", "4x h100-sxm", tp=4).weights_bytes == one
    assert memory("llama-3.1-8b", "4x h100-sxm").weights_bytes == one  # one pool


def test_experts_that_are_spread_over_replicas_are_stored_once():
    built = transformer(roofline.load_model("qwen3-30b-a3b"), "native", "bf16")
    experts = 48 * 128 * 3 * 768 * 2048 * 2
    dense = built.weights_bytes - experts
    assert capacity.stored_bytes(built, Layout(data=8, expert=8)) == 8 * dense + experts
    assert capacity.stored_bytes(built, Layout(data=8, expert=4)) == 8 * dense + 2 * experts
    assert capacity.stored_bytes(built, Layout(tensor=2, data=4)) == 4 * (dense + experts)
    spread = memory("qwen3-30b-a3b", "8x h100-sxm", dp=8, ep=8)
    assert spread.weights_bytes == 8 * dense + experts
    assert spread.total_bytes == spread.weights_bytes + spread.kv_bytes


def test_replicas_that_do_not_fit_together_are_said_not_to():
    assert memory("llama-3.1-70b", "8x h100-sxm").fits
    assert not memory("llama-3.1-70b", "8x h100-sxm", dp=8).fits


# --- numbers and arrays


@pytest.mark.parametrize("engine", ["llama.cpp", "vllm", "sglang", "tensorrt-llm", "mlx", None])
def test_arrays_of_lengths_give_the_same_as_one_by_one(engine):
    contexts = [1, 600, 5000, 100_000]
    words = dict.fromkeys(("weights", "kv", "prompt", "output", "concurrency", "backend", "built", "mode"))
    call = {"devices": 1, "batch": 3, "context": 1, "cached": 0, "engine": engine, "weights_bytes": None}
    layout = dict.fromkeys(("tp", "ep", "pp", "dp"))
    s, _ = resolved("llama-3.2-3b", "dgx-spark", **call, **words, layout=layout)

    def at(tokens):
        return capacity.memory(
            s.transformer, s.machine, growth=s.growth, batch=3, tokens=tokens, longest_context=10**9, engine=s.own
        )

    every = at(np.array(contexts, dtype=float))
    for i, tokens in enumerate(contexts):
        one = at(tokens)
        assert np.broadcast_to(every.overhead_bytes, 4)[i] == one.overhead_bytes
        assert every.total_bytes[i] == one.total_bytes
        assert np.broadcast_to(every.max_context, 4)[i] == one.max_context
        assert every.max_batch[i] == one.max_batch


# --- printed amounts


@pytest.mark.parametrize(
    ("model", "kv", "printed"),
    [
        ("qwen3.6-35b-a3b", "bf16", 51_056_423_731 / 623_040),
        ("gpt-oss-120b", "bf16", 61_460_982_006 / 825_607),
        ("nemotron-3-nano-4b", "fp8", 111_014_167_183 / 1_934_432),
        ("llama-3.1-8b", "bf16", 131_072),
    ],
)
def test_tokens_of_a_pool_are_counted_as_vllm_does(model, kv, printed):
    """Pools that vLLM printed in bytes and in tokens; up to 1 % of the bytes is not divided into blocks."""
    per_token = memory(model, "h200-sxm", kv=kv).kv_bytes_per_token
    assert bytes_of_printed_token(roofline.load_model(model), per_token) == pytest.approx(printed, rel=0.011)


def test_medians_of_published_memory_rows(tmp_path):
    """The accuracy that docs/memory.md states."""
    path, rows = tmp_path / "amounts.csv", []
    for source in (*measurements.files(), *measurements.files(["published"])):
        with source.open(encoding="utf-8", newline="") as file:
            found = [row for row in csv.DictReader(file) if row["metric"] in measurements.AMOUNTS]
        rows += [row for row in found if not row.get("why_excluded") and not row.get("anomaly")]
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, measurements.COLUMNS, extrasaction="ignore")
        table.writeheader()
        table.writerows(rows)
    groups = {(g.metric, g.engine): g for g in validate([path]).groups if not g.layout}
    assert groups["weights_bytes", ""].median_ape < 0.01
    assert groups["memory_bytes", ""].median_ape < 0.015
    assert groups["memory_bytes", "llama.cpp"].p90_ape < 0.06
    assert groups["kv_cache_bytes", "llama.cpp"].p90_ape < 1e-5
    assert groups["kv_cache_bytes", "ik_llama.cpp"].p90_ape < 1e-5
    assert groups["kv_cache_tokens", ""].median_ape < 0.05


@pytest.mark.parametrize(
    ("note", "found"), [("decode context parallel 1", True), ("decode context parallel 2", "context_parallel")]
)
def test_context_parallel_of_one_is_none(tmp_path, note, found):
    path = tmp_path / "a.csv"
    cells = dict.fromkeys(measurements.COLUMNS, "")
    cells |= {"id": "a", "source": "a", "date": "2026", "hardware": "h100-sxm", "model": "llama-3.1-8b"}
    cells |= {"weights": "bf16", "engine": "vllm", "metric": "weights_bytes", "value": "16e9", "note": note}
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, measurements.COLUMNS)
        table.writeheader()
        table.writerow(cells)
    result = validate([path])
    assert (result.evaluated == 1) if found is True else (found in result.unresolved)
