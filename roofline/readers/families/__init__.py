"""What the ``model_type`` of a config stands for: one short reader for each family of architectures."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from roofline.errors import ModelFileError
from roofline.readers.config import Config
from roofline.readers.families import dense, gemma, hybrid, latent, mixture
from roofline.readers.families.description import Description

FAMILIES: dict[str, Callable[[Config], Description]] = {
    "deepseek_ref": latent.deepseek_v4,
    "deepseek_v2": latent.deepseek_v2,
    "deepseek_v3": latent.deepseek_v3,
    "deepseek_v32": latent.deepseek_v32,
    "deepseek_v4": latent.deepseek_v4,
    "dots1": mixture.dots1,
    "ernie4_5": dense.ernie,
    "ernie4_5_moe": mixture.ernie_moe,
    "gemma": gemma.gemma,
    "gemma2": gemma.gemma2,
    "gemma3_text": gemma.gemma3,
    "gemma4_text": gemma.gemma4,
    "glm4": dense.glm4,
    "glm4_moe": mixture.glm4_moe,
    "glm4_moe_lite": latent.deepseek_v3,
    "glm_moe_dsa": latent.deepseek_v32,
    "gpt_oss": mixture.gpt_oss,
    "granite": dense.granite,
    "granitemoe": hybrid.granite_moe,
    "granitemoehybrid": hybrid.granite_hybrid,
    "granitemoeshared": hybrid.granite_moe,
    "hunyuan_v1_dense": dense.hunyuan,
    "hunyuan_v1_moe": mixture.hunyuan_moe,
    "kimi_k2": latent.deepseek_v3,
    "kimi_linear": hybrid.kimi_linear,
    "laguna": mixture.laguna,
    "lfm2": hybrid.lfm2,
    "lfm2_moe": hybrid.lfm2,
    "llama": dense.llama,
    "llama4_text": mixture.llama4,
    "mimo": dense.mimo,
    "mimo_v2_flash": mixture.mimo_v2_flash,
    "minimax_m2": mixture.minimax_m2,
    "minimax_m3": mixture.minimax_m3,
    "minimax_m3_vl": mixture.minimax_m3,
    "minimax_m3_vl_text": mixture.minimax_m3,
    "ministral": dense.mistral,
    "ministral3": dense.mistral,
    "mistral": dense.mistral,
    "mistral4": latent.deepseek_v2,
    "mixtral": mixture.mixtral,
    "muse_glimmer_text": dense.muse_glimmer,
    "nemotron-nas": dense.nemotron_nas,
    "nemotron_h": hybrid.nemotron_h,
    "olmo2": dense.olmo2,
    "olmo3": dense.olmo2,
    "phi3": dense.phi3,
    "phimoe": mixture.phimoe,
    "qwen2": dense.qwen2,
    "qwen2_moe": mixture.qwen2_moe,
    "qwen3": dense.qwen3,
    "qwen3_5_moe_text": hybrid.qwen3_next,
    "qwen3_5_text": hybrid.qwen3_next,
    "qwen3_moe": mixture.qwen3_moe,
    "qwen3_next": hybrid.qwen3_next,
    "qwen3_vl_moe_text": mixture.qwen3_moe,
    "qwen3_vl_text": dense.qwen3,
    "smollm3": dense.smollm3,
    "starcoder2": dense.starcoder2,
    "step3p5": mixture.step3p5,
    "step3p7": mixture.step3p5,
}
"""Hugging Face ``model_type`` of a text model -> how its config is read."""


def describe(config: Config) -> Description:
    """Return the architecture that a config of a text model describes.

    Raises
    ------
    ModelFileError
        The family is unknown, a key is missing, or has a value that the family's description does not cover.
    """
    kind = config.word("model_type")
    reader = FAMILIES.get(kind)
    if reader is None:
        near = difflib.get_close_matches(kind, FAMILIES, n=3, cutoff=0.5)
        hint = f"the nearest known are {', '.join(near)}" if near else f"known are {', '.join(sorted(FAMILIES))}"
        raise ModelFileError(
            f"{config.where}: model_type {kind!r:.60} is no family that can be read; {hint}. "
            f"A spec file of your own describes any model ('roofline new model NAME')"
        )
    return reader(config)
