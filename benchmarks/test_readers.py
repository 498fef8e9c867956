"""Speed of reading model files, with pytest-benchmark: a GGUF of 100 GB (a hole) with a tokenizer of 150,000 tokens."""

from __future__ import annotations

import os

import gguf
import numpy as np
import pytest

from roofline.readers.gguf import spec_of
from roofline.readers.gguf_header import read_gguf_header

LAYERS, EXPERTS, D_MODEL, D_EXPERT, HEADS, VOCAB = 60, 160, 4096, 1536, 32, 150_016
Q4_K = gguf.GGMLQuantizationType.Q4_K


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("gguf") / "model.gguf"
    writer = gguf.GGUFWriter(path, "qwen3moe")
    for key, value in {
        "block_count": LAYERS,
        "embedding_length": D_MODEL,
        "context_length": 131_072,
        "attention.head_count": HEADS,
        "attention.head_count_kv": HEADS,
        "expert_count": EXPERTS,
        "expert_used_count": 8,
    }.items():
        writer.add_uint32(f"qwen3moe.{key}", value)
    writer.add_token_list([f"token {i}" for i in range(150_000)])
    writer.add_token_scores([0.0] * 150_000)
    writer.add_token_merges([f"a{i} b{i}" for i in range(280_000)])
    end = 0

    def add(name, *shape, kind=Q4_K):
        nonlocal end
        elements, size = gguf.GGML_QUANT_SIZES[kind]
        count = int(np.prod(shape, dtype=np.int64)) // elements * size
        rows, packed = shape[:-1], shape[-1] // elements * size
        writer.add_tensor_info(name, (*rows, packed), np.dtype(np.uint8), count, raw_dtype=kind)
        end = -(-end // 32) * 32 + count

    add("token_embd.weight", VOCAB, D_MODEL)
    add("output.weight", VOCAB, D_MODEL)
    add("output_norm.weight", D_MODEL, kind=gguf.GGMLQuantizationType.F32)
    for layer in range(LAYERS):
        for name in ("attn_norm", "ffn_norm"):
            add(f"blk.{layer}.{name}.weight", D_MODEL, kind=gguf.GGMLQuantizationType.F32)
        for name in ("attn_q", "attn_k", "attn_v", "attn_output"):
            add(f"blk.{layer}.{name}.weight", D_MODEL, D_MODEL)
        add(f"blk.{layer}.ffn_gate_inp.weight", EXPERTS, D_MODEL, kind=gguf.GGMLQuantizationType.F32)
        for name in ("ffn_gate_exps", "ffn_up_exps"):
            add(f"blk.{layer}.{name}.weight", EXPERTS, D_EXPERT, D_MODEL)
        add(f"blk.{layer}.ffn_down_exps.weight", EXPERTS, D_MODEL, D_EXPERT)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    header = writer.fout[0].tell()
    writer.close()
    os.truncate(path, -(-header // 32) * 32 + end)
    assert path.stat().st_size > 100e9
    return path


def test_header_of_a_gguf_file(benchmark, path):
    assert len(benchmark(read_gguf_header, path).tensors) == 3 + 10 * LAYERS


def test_model_of_a_gguf_header(benchmark, path):
    benchmark(spec_of, read_gguf_header(path))
