"""What published configs leave out because the model's own code has it as a default."""

from __future__ import annotations

from typing import Any

SOURCE = "https://pypi.org/project/transformers/5.23.0/"
"""Defaults of the configuration classes of these families."""

_GEMMA3 = {
    "vocab_size": 262208,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "max_position_embeddings": 131072,
}

UNSAID: dict[str, dict[str, Any]] = {
    "gemma2": {"head_dim": 256, "max_position_embeddings": 8192},
    "gemma3_text": _GEMMA3,
    "gemma4_text": {"head_dim": 256, "max_position_embeddings": 131072, "vocab_size": 262144},
    "llama4_text": {
        "vocab_size": 202048,
        "num_attention_heads": 40,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size_mlp": 16384,
        "attention_chunk_size": 8192,
        "max_position_embeddings": 131072,
    },
    "muse_glimmer_text": {"head_dim": 128},
    "laguna": {"head_dim": 128},
    "ministral3": {"head_dim": 128},
    "qwen3": {"head_dim": 128},
    "qwen3_5_text": {"head_dim": 256},
    "qwen3_5_moe_text": {"head_dim": 256},
    "qwen3_next": {"head_dim": 256},
    "gpt_oss": {"head_dim": 64},
    "ernie4_5": {"head_dim": 128},
}
"""``model_type`` -> keys and the value that their absence stands for."""
