"""What the README shows of the library's own output.

``cog -r README.md`` writes it, ``cog --check README.md`` compares it.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shlex
import sys
import tempfile
import textwrap
from pathlib import Path

from roofline.cli import main
from roofline.cli.output import table
from roofline.recipes import stored
from roofline.specs import load_engine, load_model
from roofline.templates import copy

ROOT = Path(__file__).resolve().parent.parent
os.environ["COLUMNS"] = "100"


def fenced(text: str, language: str = "text") -> str:
    """Return ``text`` as a code block."""
    lines = "".join(f"{line.rstrip()}\n" for line in text.strip("\n").splitlines())
    return f"```{language}\n{lines}```\n"


def shell(line: str, lines: int | None = None) -> str:
    """Return what a command prints (its first lines, where only so many are wanted), as a code block."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        main(shlex.split(line)[1:])
    shown = out.getvalue().splitlines()
    return fenced("\n".join(shown if lines is None else [*shown[:lines], "  ..."]))


def notebooks() -> str:
    """Return the notebooks, by the question that each answers, as a list."""
    lines = []
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        title = "".join(cells[0]["source"]).splitlines()[0].removeprefix("# ").strip()
        lines.append(f"{path.name[:2]}. [{title}](notebooks/{path.name})\n".removeprefix("0"))
    return "".join(lines)


def slips(existing: str, name: str, changes: dict[str, str]) -> str:
    """Return what lint says of a copy of a device with slips in it, as a code block."""
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        text = copy("hardware", name, existing)
        Path(f"{name}.toml").write_text(changed(text, changes), encoding="utf-8")
        return shell(f"roofline lint {name}.toml")


def changed(text: str, changes: dict[str, str]) -> str:
    """Return ``text`` with each of some passages, all of them there once, replaced."""
    for old, new in changes.items():
        if text.count(old) != 1:
            raise ValueError(old)
        text = text.replace(old, new)
    return text


def python(code: str, lines: int | None = None) -> str:
    """Return code and what it prints (its first lines, where only so many are wanted), as two code blocks."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        exec(code, {})  # noqa: S102 (our own five lines)
    shown = out.getvalue().splitlines()
    kept = shown if lines is None else [*shown[:lines], "  ..."]
    return fenced(code, "python") + "\n" + fenced("\n".join(kept))


def file_sizes() -> str:
    """Return published sizes of files beside those that the recipes give, as a code block."""
    sys.path.insert(0, str(ROOT / "tests"))
    from test_recipes import PUBLISHED

    rows = []
    for model, recipe, printed in PUBLISHED:
        number, unit = printed.split()
        size = stored(load_model(model), recipe).bytes / {"GiB": 2**30, "GB": 1e9, "B": 1}[unit]
        rows.append([model, recipe, printed, f"{size:.{len(number.partition('.')[2])}f} {unit}"])
    return fenced(table(["model", "recipe", "published", "computed"], rows, (2, 3)))


SHOWN = (
    ("llama.cpp", "decode", "decode"),
    ("llama.cpp", "prefill", "prefill"),
    ("vllm", "per token", "time per output token, served"),
    ("vllm", "first token", "time to first token, served"),
    ("sglang", "per token", "time per output token, served"),
    ("tensorrt-llm", "per token", "time per output token, served"),
    ("mlx", "decode", "decode"),
)
"""Engines and times that the README shows; docs/accuracy.md has all."""


def accuracy() -> str:
    """Return the median errors of what is expected, in sample and left out, as a table."""
    lines = ["| engine | figure | rows | seen | new model | new device | of devices | 90 % held: rows | devices |"]
    lines.append("|---|---|---:|---:|---:|---:|---:|---:|---:|")
    for engine, metric, title in SHOWN:
        fitted = load_engine(engine).fitted
        found = {a.left_out: a for a in fitted.accuracy if a.metric == metric} if fitted else {}
        errors = [f"{found[k].median_ape:.0%}" for k in ("nothing", "model", "device")]
        device = found["device"]
        held = ["" if c is None else f"{c:.0%}" for c in (device.coverage, device.coverage_of_groups)]
        shown = [engine, title, f"{found['nothing'].rows:,}", *errors, f"{device.median_of_groups:.0%}", *held]
        lines.append(f"| {' | '.join(shown)} |")
    return "\n".join(lines) + "\n"


def families() -> str:
    """Return every kind of model that can be read from files, as two paragraphs."""
    from roofline.readers.families import FAMILIES
    from roofline.readers.gguf_metadata import KNOWN

    said = []
    for title, names in (("Hugging Face `model_type`", FAMILIES), ("GGUF `general.architecture`", KNOWN)):
        listed = " ".join(f"`{name}`" for name in sorted(names))
        said.append(textwrap.fill(f"{title} ({len(names)}): {listed}.", 120, break_on_hyphens=False))
    return "\n\n".join(said)
