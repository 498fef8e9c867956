"""Pages made when the site is built: the command line, the derivations, the notebooks, and files of the repository."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import derivations
from sphinx.application import Sphinx

from roofline.cli.main import _parser

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs" / "generated"


STREAMS = """
Results go to standard output, everything else to standard error. Exit codes: 0 done, 1 an expected failure such as an
unknown name or a broken file, 2 wrong usage, 3 with `--strict` when the answer is no.
""".strip()


def pages() -> dict[str, str]:
    """Return the text of every page by its file name."""
    return {
        "command_line.md": command_line(),
        "derivations.md": derivations.page(),
        "contributing.md": (ROOT / "CONTRIBUTING.md").read_text("utf-8"),
        "changes.md": (ROOT / "CHANGELOG.md").read_text("utf-8"),
    }


def command_line() -> str:
    """Return the page of the command line, made from its parser."""
    parser = _parser()
    parts = [
        "# Command line",
        f"{parser.description} `roofline VERB --help` says on a terminal what stands here.",
        STREAMS,
    ]
    verbs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    for name, verb in verbs.choices.items():
        parts += [f"## roofline {name}", *_verb(verb)]
    return "\n\n".join(parts) + "\n"


def _verb(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield parser.description or ""
    usage = parser.format_usage().replace("\n" + " " * len("usage: "), "\n").removeprefix("usage: ")
    yield f"```text\n{usage.rstrip()}\n```"
    actions = [action for action in parser._actions if action.dest != "help"]
    rows = [f"| `{_invocation(action)}` | {_cell(action)} |" for action in actions]
    yield "\n".join(["| argument | meaning |", "|---|---|", *rows])
    yield parser.epilog or ""


def _invocation(action: argparse.Action) -> str:
    shown = action.metavar or ("{" + ", ".join(map(str, action.choices)) + "}" if action.choices else "")
    if not action.option_strings:
        return str(shown or action.dest)
    value = "" if action.nargs == 0 else f" {shown or action.dest.upper()}"
    return ", ".join(f"{option}{value}" for option in action.option_strings)


def _cell(action: argparse.Action) -> str:
    text = (action.help or "").replace("%%", "%").replace("|", "\\|").replace("<", "&lt;")
    return re.sub(r"--[\w-]+", r"`\g<0>`", text)


def _write(path: Path, text: str) -> None:
    """Write a page if it changed, so that Sphinx reads again only what did."""
    if not path.exists() or path.read_text("utf-8") != text:
        path.write_text(text, encoding="utf-8")


def write(app: Sphinx) -> None:  # noqa: ARG001
    """Write all pages, and copy the notebooks as they are stored."""
    notebooks = FOLDER / "notebooks"
    notebooks.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        _write(FOLDER / name, text)
    for notebook in sorted((ROOT / "notebooks").glob("*.ipynb")):
        text = notebook.read_text("utf-8").replace("](../docs/", "](../../")  # links, from where the copy stands
        _write(notebooks / notebook.name, text)


def setup(app: Sphinx) -> dict[str, bool]:
    """Write before Sphinx looks for pages."""
    app.connect("builder-inited", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
