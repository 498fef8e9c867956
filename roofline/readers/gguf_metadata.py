"""What the metadata of a GGUF file says of the architecture, number by number."""

from __future__ import annotations

from typing import NoReturn

from roofline.readers.gguf_header import GgufHeader
from roofline.readers.regular_file import fail
from roofline.specs.model import MOST_LAYERS

KNOWN = frozenset({
    "deepseek", "deepseek2", "deepseek32", "dots1", "ernie4_5", "ernie4_5-moe", "falcon", "gemma", "gemma2",
    "gemma3", "gemma4", "glm-dsa", "glm4", "glm4moe", "gpt-oss", "granite", "granitehybrid", "granitemoe",
    "hunyuan-dense", "hunyuan-moe", "kimi-linear", "lfm2", "lfm2moe", "llama", "llama4", "mimo2", "minimax-m2",
    "mistral3", "mistral4", "nemotron_h", "nemotron_h_moe", "olmo2", "olmoe", "phi3", "qwen2", "qwen2moe",
    "qwen2vl", "qwen3", "qwen35", "qwen35moe", "qwen3moe", "qwen3next", "qwen3vl", "qwen3vlmoe", "seed_oss",
    "smollm3", "starcoder2", "step35",
})  # fmt: skip
"""Values of ``general.architecture`` that are read."""

_MOST = 1 << 41
"""No width or count is so large."""


class Facts:
    """The metadata of one architecture: numbers, checked, by the key without the architecture's name."""

    def __init__(self, header: GgufHeader) -> None:
        self.header = header
        name = header.metadata.get("general.architecture")
        if not isinstance(name, str):
            self.fail("its metadata has no general.architecture, so that nothing else in it can be read")
        if name == "clip":
            self.fail("it holds the vision or audio tower of a model (mmproj); that of the language model is wanted")
        kind = header.metadata.get("general.type", "model")
        if kind != "model":
            self.fail(f"general.type is {kind!r:.60}, but the file of a model is wanted")
        if name not in KNOWN:
            self.fail(f"general.architecture is {name!r:.60}; known are {', '.join(sorted(KNOWN))}")
        self.name = name

    def fail(self, what: str) -> NoReturn:
        """Refuse the file."""
        fail(self.header.paths[0], what)

    def value(self, key: str) -> object:
        """Return what the file says, unchecked; None if nothing."""
        return self.header.metadata.get(f"{self.name}.{key}")

    def number(self, key: str, layer: int | None = None) -> int | None:
        """Return a whole number, of one layer where the file has one for each; None if it does not say."""
        found = self.value(key)
        if isinstance(found, tuple) and layer is not None:
            if layer >= len(found):
                self.fail(f"{self.name}.{key} has {len(found)} values, but the model has layer {layer}")
            found = found[layer]
        if found is None:
            return None
        if type(found) is not int or not 0 <= found < _MOST:
            self.fail(f"{self.name}.{key} is {found!r:.60}, but a whole number is wanted")
        return found

    def needed(self, key: str, layer: int | None = None) -> int:
        """Return a number of at least one, which the file must say."""
        found = self.number(key, layer)
        if not found:
            where = "" if layer is None else f" in layer {layer}"
            self.fail(f"{self.name}.{key} is {'missing' if found is None else 0}{where}, but it is needed")
        return found

    def layers(self) -> tuple[int, int]:
        """Return how many layers the model has, and how many behind them predict further tokens."""
        blocks, extra = self.needed("block_count"), self.number("nextn_predict_layers") or 0
        if not extra < blocks <= MOST_LAYERS:
            self.fail(
                f"{self.name}.block_count is {blocks}, {extra} of them nextn_predict_layers; no model has so many"
            )
        return blocks - extra, extra
