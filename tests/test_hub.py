"""Repositories of the hub, with a stand-in for ``huggingface_hub``: no test reaches a network."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

import roofline
from roofline.errors import ModelFileError, UnknownNameError

TINY = json.loads((Path(__file__).parent / "families.json").read_text(encoding="utf-8"))
COMMIT = "0123456789abcdef"


@pytest.fixture
def hub(monkeypatch, tmp_path) -> dict[str, dict[str, object]]:
    """Return what the stand-in serves: repository, then file, then what it holds."""
    served: dict[str, dict[str, object]] = {}

    def hf_hub_download(repository: str, file: str, *, revision: str | None) -> str:
        name = repository if revision is None else f"{repository}@{revision}"
        if name not in served:
            raise OSError(f"Repository Not Found for url: {name}.\nPlease make sure you specified ...")
        if file not in served[name]:
            raise OSError(f"404 Client Error: {file}")
        place = tmp_path / repository.replace("/", "--") / COMMIT
        place.mkdir(parents=True, exist_ok=True)
        (place / file).write_text(json.dumps(served[name][file]), encoding="utf-8")
        return str(place / file)

    module = ModuleType("huggingface_hub")
    module.hf_hub_download = hf_hub_download  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return served


def test_a_repository_is_its_config_and_what_it_says_of_quantisation(hub):
    beside = {"quantization": {"quant_algo": "FP8", "kv_cache_quant_algo": "FP8", "exclude_modules": ["lm_head"]}}
    hub["acme/Tiny-8B"] = {"config.json": TINY["llama"]["config"], "hf_quant_config.json": beside}
    spec = roofline.load_model("hf:acme/Tiny-8B")
    assert (spec.name, spec.weights["native"].kv) == ("tiny-8b", "fp8")
    assert spec.sources["config"].url == f"https://huggingface.co/acme/Tiny-8B/blob/{COMMIT}/config.json"
    p = roofline.predict("hf:acme/Tiny-8B", "dgx-spark")
    assert p.kv == "fp8"


def test_a_revision_may_be_named(hub):
    hub["acme/tiny@v2"] = {"config.json": TINY["qwen3"]["config"]}
    assert roofline.load_model("hf:acme/tiny@v2").architecture.d_model == 64


@pytest.mark.usefixtures("hub")
def test_what_the_hub_does_not_have_is_one_sentence():
    with pytest.raises(UnknownNameError, match="'hf:acme/none' cannot be read from the hub: Repository Not") as caught:
        roofline.load_model("hf:acme/none")
    assert "\n" not in str(caught.value)


@pytest.mark.usefixtures("hub")
@pytest.mark.parametrize("name", ["hf:", "hf:acme", "hf:a/b/c", "hf:../x", "hf:a b/c"])
def test_what_is_no_repository_is_not_asked_for(name):
    with pytest.raises(UnknownNameError, match="is no repository"):
        roofline.load_model(name)


def test_without_the_extra_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ModelFileError, match=r"roofline\[hub\]"):
        roofline.load_model("hf:acme/tiny")
