"""Execute the notebooks from top to bottom and store what they show.

Run as ``python scripts/run_notebooks.py [NAME ...]`` after changing one, or after predictions moved.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import nbclient
import nbformat

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
KEPT = ("kernelspec", "language_info")


def main() -> None:
    """Run the notebooks named, or all."""
    parser = argparse.ArgumentParser(description="execute notebooks and store their output")
    parser.add_argument("name", nargs="*", help="start of a file name, for instance 01; all when none is given")
    names = parser.parse_args().name
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        if names and not path.name.startswith(tuple(names)):
            continue
        print(path.name, flush=True)  # noqa: T201
        notebook = nbformat.read(path, as_version=4)
        nbclient.NotebookClient(notebook, record_timing=False, resources={"metadata": {"path": NOTEBOOKS}}).execute()
        notebook.metadata = {key: notebook.metadata[key] for key in KEPT}
        notebook.metadata["language_info"] = {"name": "python"}
        for cell in notebook.cells:
            cell.metadata = {}
        nbformat.write(notebook, path)


if __name__ == "__main__":
    main()
