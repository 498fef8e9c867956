"""Spec files to begin with: complete, explained, and a few minutes from a prediction."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
import types
import typing

import pytest
from pydantic import BaseModel
from test_cli import run

import roofline
from roofline.lint import lint
from roofline.specs import DeviceSpec, ModelSpec, load_hardware
from roofline.specs.catalog import find, read
from roofline.templates import KINDS, copy, spec_name, template

TODAY = dt.date(2026, 11, 21)

ANSWERS = {
    "hardware": {
        "as 80 GiB": "80 GiB",
        "as 3.35 TB/s": "3.35 TB/s",
        "as 989.4 TFLOP/s": "989.4 TFLOP/s",
        "gpu, soc": "gpu",
    },
    "model": {
        "hidden_size\n": 4096,
        "vocab_size": 128256,
        "max_position_embeddings": 131072,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
    },
}


def filled(kind, text):
    """Return a template as its reader fills it in: each answer goes by the words of its hint."""

    def answer(match):
        hint = match[1] + "\n"
        if hint.startswith("as http"):
            return f'"{hint.removeprefix("as ").strip()}"'
        return json.dumps(next((v for words, v in ANSWERS[kind].items() if hint.startswith(words)), "page 1"))

    return re.sub(r'"FILL IN: ([^"\n]*)"', answer, text)


def uncommented(text):
    """Return a template with every key that it offers in use."""
    return re.sub(r"(?m)^#(?=[\[\]{\"a-z])", "", text)


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_lints_with_what_is_to_be_filled_in_and_nothing_else(tmp_path, kind):
    path = tmp_path / "my-box.toml"
    path.write_text(template(kind, "my-box", TODAY))
    report = lint(path)
    assert report.kind == kind
    assert len(report.findings) == path.read_text().count('"FILL IN: ') >= 8
    assert all(f.level == "error" and f.text.startswith("still to be filled in: ") for f in report.findings)


def test_a_filled_template_of_hardware_predicts(tmp_path):
    path = tmp_path / "my-box.toml"
    path.write_text(filled("hardware", template("hardware", "my-box", TODAY)))
    assert [f for f in lint(path).findings if f.level != "note"] == []
    p = roofline.predict("llama-3.1-8b", path)
    assert p.hardware == "my-box"
    assert p.decode.streaming.seconds_per_step == pytest.approx(p.decode.bytes_per_token / 3.35e12)


def test_a_filled_template_of_a_model_is_that_model(tmp_path):
    path = tmp_path / "my-box.toml"
    path.write_text(filled("model", template("model", "my-box", TODAY)))
    assert [f for f in lint(path).findings if f.level != "note"] == []
    ours, theirs = (roofline.predict(model, "h100-sxm", context=100) for model in (path, "llama-3.1-8b"))
    assert ours.decode.ceiling == theirs.decode.ceiling


@pytest.mark.parametrize("kind", KINDS)
def test_a_template_with_every_key_in_use_follows_the_schema(tmp_path, kind):
    path = tmp_path / "my-box.toml"
    path.write_text(uncommented(filled(kind, template(kind, "my-box", TODAY))))
    assert [f for f in lint(path).findings if f.level == "error"] == []


def models_in(annotation):
    """Yield the schema classes that an annotation is made of."""
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        if issubclass(annotation, BaseModel):
            yield annotation
    else:
        for part in typing.get_args(annotation):
            yield from models_in(part)


def schemas(model, found=None):
    """Return every schema class that a spec can hold."""
    found = set() if found is None else found
    if model not in found:
        found.add(model)
        for field in model.model_fields.values():
            for inner in models_in(field.annotation):
                schemas(inner, found)
    return found


def used(node, found=None):
    """Return schema class -> keys that a spec sets in any table of that class."""
    found = {} if found is None else found
    if isinstance(node, BaseModel):
        found.setdefault(type(node), set()).update(node.model_fields_set)
        node = [getattr(node, name) for name in node.model_fields_set]
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ():
        used(inner, found)
    return found


@pytest.mark.parametrize(("kind", "schema"), [("hardware", DeviceSpec), ("model", ModelSpec)])
def test_no_key_of_the_schema_is_missing_from_its_template(tmp_path, kind, schema):
    path = tmp_path / "my-box.toml"
    path.write_text(uncommented(filled(kind, template(kind, "my-box", TODAY))))
    inside = used(read(path, kind))
    amounts = {key for keys in inside.values() for key in keys}
    for model in schemas(schema):
        wanted = set(model.model_fields)
        if {"value", "source"} <= wanted:  # the keys of a sourced value are explained once
            assert wanted <= amounts, model
        else:
            assert wanted == inside.get(model), model


@pytest.mark.parametrize("kind", KINDS)
def test_every_line_of_a_template_fits_an_editor(kind):
    assert max(map(len, template(kind, "my-box", TODAY).splitlines())) <= 120


# --- copies


@pytest.mark.parametrize(
    ("kind", "existing"),
    [
        ("hardware", "h100-sxm"),
        ("hardware", "sn40l-16"),
        ("hardware", "gb10"),
        ("model", "minimax-m2.5"),
        ("model", "gpt-oss-20b"),
    ],
)
def test_a_copy_is_the_same_under_another_name(tmp_path, kind, existing):
    path = tmp_path / "mine.toml"
    path.write_text(copy(kind, "mine", existing))
    ours, theirs = read(path, kind), read(find(existing, kind), kind)
    assert (ours.name, ours.aliases) == ("mine", ())
    assert ours.title == f"{theirs.title} (mine)"
    changed = {"name", "title", "aliases"}
    assert ours.model_dump(exclude=changed) == theirs.model_dump(exclude=changed)
    assert [f for f in lint(path).findings if f.level != "note"] == []


def test_what_cannot_be_copied_is_one_sentence(tmp_path):
    text = find("h100-sxm", "hardware").read_text()
    path = tmp_path / "h100-sxm.toml"
    path.write_text(text.replace('name     = "h100-sxm"', '"name" = "h100-sxm"'))
    with pytest.raises(roofline.SpecError, match="copy it by hand"):
        copy("hardware", "mine", path)
    with pytest.raises(roofline.UnknownNameError, match=r"no file .*absent\.toml"):
        copy("hardware", "mine", tmp_path / "absent.toml")
    with pytest.raises(roofline.UnknownNameError, match="did you mean h100-sxm"):
        copy("hardware", "mine", "h100-smx")
    with pytest.raises(roofline.UnknownNameError, match="no hardware is named"):
        copy("hardware", "mine", "gpt-oss-20b")


@pytest.mark.parametrize(
    ("name", "instead"),
    [
        ("My Box", "my-box"),
        ("my-box.toml", "my-box"),
        ("../up", "up"),
        ("", "my-box"),
        ("-x", "x"),
        ("aliases", "my-box"),
        ("x.gguf", "x.gguf"),
        ("a" * 101, "a" * 78),
        ("name\n", "name"),
    ],
)
def test_what_is_no_name_is_told_what_would_be(name, instead):
    with pytest.raises(roofline.SpecError, match=rf"is no name for a spec; .* are wanted, as '{re.escape(instead)}"):
        spec_name(name)


# --- the command


def test_new_writes_a_file_once(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "new", "hardware", "my-box")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "wrote my-box.toml: fill in what says FILL IN, then",
        "  roofline lint ./my-box.toml",
        "  roofline predict llama-3.1-8b ./my-box.toml",
    ]
    (tmp_path / "my-box.toml").write_text("precious")
    code, out, err = run(capsys, "new", "hardware", "my-box")
    assert (code, out) == (1, "")
    assert err == "roofline: my-box.toml is there already; choose another name or folder, or say --force\n"
    assert (tmp_path / "my-box.toml").read_text() == "precious"
    assert run(capsys, "new", "hardware", "my-box", "--force")[0] == 0
    assert tomllib.loads((tmp_path / "my-box.toml").read_text())["name"] == "my-box"


def test_a_new_copy_works_at_once(tmp_path, capsys):
    code, out, _ = run(capsys, "new", "hardware", "mine", "--from", "h100-sxm", "--output", str(tmp_path), "--json")
    assert code == 0
    found = json.loads(out)
    assert list(found) == ["schema_version", "kind", "name", "file", "next"]
    assert load_hardware(found["file"]).main_memory.bandwidth.si == 3.35e12
    assert run(capsys, "lint", found["file"], "--strict")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["new", "hardware", "My Box"], 1, "as 'my-box'"),
        (["new", "hardware", "h100-sxm"], 1, "a hardware is called 'h100-sxm' already"),
        (["new", "hardware", "box", "--output", "fox.toml"], 1, "must be called 'box.toml', not 'fox.toml'"),
        (["new", "hardware", "box", "--output", "absent/box.toml"], 1, "cannot be written: No such file"),
        (["new", "hardware", "box", "--from", "nothing"], 1, "no hardware is named 'nothing'"),
        (["new", "engine", "box"], 2, "invalid choice: 'engine'"),
        (["new", "hardware"], 2, "NAME"),
    ],
)
def test_a_file_that_cannot_be_begun_is_one_sentence(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    found, out, err = run(capsys, *arguments)
    assert (found, out, err.count("\n")) == (code, "", 1)
    assert message in err
    assert not list(tmp_path.iterdir())
