"""Notebooks: one question each, stored as executed, and asserting what they say."""

from __future__ import annotations

import ast
import json
import sys
from pathlib import Path

import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))

LARGEST = 600_000
"""Size of a notebook with its pictures, above which it is a burden to every clone. [byte]"""

IMPORTS = {"IPython", "gguf", "matplotlib", "numpy", "pandas", "roofline", "sympy"}
"""Packages that a notebook may need beside the standard library."""

OUTSIDE = {"requests", "urllib", "socket", "http"}
"""Modules that would reach into the network."""


def cells(path: Path, kind: str) -> list[dict]:
    return [cell for cell in json.loads(path.read_text("utf-8"))["cells"] if cell["cell_type"] == kind]


def code(path: Path) -> ast.Module:
    """Return the code of all cells, without the lines that run the shell."""
    lines = [line for cell in cells(path, "code") for line in "".join(cell["source"]).splitlines()]
    return ast.parse("\n".join(line for line in lines if not line.startswith("!")))


def imported(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(code(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_the_notebooks_are_numbered_in_reading_order():
    assert [path.name[:3] for path in NOTEBOOKS] == [f"{number:02}_" for number in range(1, len(NOTEBOOKS) + 1)]
    assert len(NOTEBOOKS) == 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stored_as_executed(path):
    notebook = json.loads(path.read_text("utf-8"))
    run = cells(path, "code")
    assert [cell["execution_count"] for cell in run] == list(range(1, len(run) + 1))
    assert notebook["metadata"]["kernelspec"]["name"] == "python3"
    shown = [output["output_type"] for cell in run for output in cell["outputs"]]
    assert "error" not in shown
    assert "display_data" in shown
    assert path.stat().st_size < LARGEST


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_asks_one_question_which_is_its_name(path):
    title = "".join(cells(path, "markdown")[0]["source"]).splitlines()[0]
    assert title.startswith("# ")
    assert title.endswith("?")
    words = "".join(letter if letter.isalnum() else " " for letter in title.lower()).split()
    assert "_".join(words) == path.stem[3:]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_asserts_what_it_says(path):
    assert sum(isinstance(node, ast.Assert) for node in ast.walk(code(path))) >= 10


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_uses_what_everyone_can_import_and_no_network(path):
    packages = {name.split(".")[0] for name in imported(path)}
    assert not packages & OUTSIDE
    foreign = packages - IMPORTS - set(sys.stdlib_module_names)
    assert not foreign
    assert not [name for name in imported(path) if any(part.startswith("_") for part in name.split("."))]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_no_path_of_the_machine_it_ran_on(path):
    shown = json.dumps([output for cell in cells(path, "code") for output in cell["outputs"]])
    assert not [root for root in ("/tmp/", "/home/", "/root/", "/Users/", "/work/") if root in shown]  # noqa: S108


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_links_of_a_notebook_lead_somewhere(path):
    text = "".join("".join(cell["source"]) for cell in cells(path, "markdown"))
    links = [part.split(")")[0] for part in text.split("](")[1:]]
    missing = [link for link in links if "://" not in link and not (path.parent / link.split("#")[0]).exists()]
    assert not missing


def test_the_list_of_notebooks_names_all_in_order():
    text = (NOTEBOOKS[0].parent / "README.md").read_text("utf-8")
    listed = [line.split("](")[1].split(")")[0] for line in text.splitlines() if "](" in line]
    assert listed == [path.name for path in NOTEBOOKS]
