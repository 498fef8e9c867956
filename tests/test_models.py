"""The models of the catalogue: counted as their own code counts them, and read again from their configs."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from roofline.readers.huggingface import read_huggingface
from roofline.specs import ModelSpec, load_model, names
from roofline.tensors import parameters, tensors

HERE = Path(__file__).parent
COUNTS = {
    row["model"]: {key: int(value) for key, value in row.items() if key != "model"}
    for row in csv.DictReader((HERE / "golden" / "model_counts.csv").read_text(encoding="utf-8").splitlines()[1:])
}
CONFIGS = sorted((HERE / "configs").glob("*.json"))

GROUPS = {
    "embedding": ("embedding",),
    "mixers": ("attention", "linear_attention"),
    "networks": ("ffn", "shared_experts"),
    "router": ("router",),
    "experts": ("experts",),
    "norms": ("norms",),
    "head": ("head",),
}
"""What the columns of the counts are in our groups."""


def test_the_catalogue_is_large_and_nearly_all_of_it_is_counted():
    assert len(names("model")) >= 120
    assert not set(COUNTS) - set(names("model"))
    assert len(COUNTS) >= 110


@pytest.mark.parametrize("name", COUNTS)
def test_a_model_has_exactly_the_parameters_that_its_own_code_makes(name):
    counts = parameters(load_model(name).architecture)
    found = {column: sum(counts.by_group.get(group, 0) for group in groups) for column, groups in GROUPS.items()}
    assert found | {"parameters": counts.total} == COUNTS[name]


def _shapes(spec: ModelSpec) -> list[tuple[object, ...]]:
    """Return every tensor without the names that a spec gives its tables."""
    every = tensors(spec.architecture)
    return sorted((t.layer if t.layer is not None else -1, t.group, t.name, t.rows, t.columns, t.copies) for t in every)


def _layers(spec: ModelSpec) -> list[tuple[object, object]]:
    a = spec.architecture
    return [(a.attention.get(mixer), a.ffn.get(network)) for mixer, network in a.pattern()]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_a_published_config_reads_to_the_model_of_the_catalogue(path):
    read, ours = read_huggingface(path), load_model(path.stem)
    assert _shapes(read) == _shapes(ours)
    assert _layers(read) == _layers(ours)
    assert read.architecture.max_context == ours.architecture.max_context
    assert read.architecture.tied_embeddings == ours.architecture.tied_embeddings


def test_every_config_says_where_it_was_read():
    said = (HERE / "configs" / "README.md").read_text(encoding="utf-8")
    assert all(f"`{path.name}` | https://" in said for path in CONFIGS)


@pytest.mark.parametrize("name", [n for n in names("model") if load_model(n).architecture_of])
def test_a_model_that_borrows_its_architecture_names_a_source_of_its_own(name):
    spec, base = load_model(name), load_model(load_model(name).architecture_of)
    assert {source.url for source in spec.sources.values()} - {source.url for source in base.sources.values()}
