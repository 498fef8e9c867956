"""Rewrite ``docs/file_sizes.md``: how well recipes agree with the sizes of files that other people printed.

Run as ``python scripts/file_sizes.py`` after a recipe or ``tests/golden/file_sizes.csv`` has changed.
"""

from __future__ import annotations

import csv
import statistics
from dataclasses import dataclass
from pathlib import Path

from roofline.recipes import stored
from roofline.specs import load_model

ROOT = Path(__file__).parent.parent
PUBLISHED = ROOT / "tests" / "golden" / "file_sizes.csv"
PATH = ROOT / "docs" / "file_sizes.md"
CLOSE = 0.01
"""Difference from which a size needs a reason. [1]"""

ABOUT = f"""# Sizes of files

Computed sizes against those that other people printed of files or loaded tensors: {{sizes}} sizes, {{recipes}} recipes,
{{models}} models. The median difference is {{median:.2%}}. {{close}} of the sizes agree within {CLOSE:.0%}; the other
{{other}} stand below with what is known of the reason. That an uploader chose types of their own is inferred: makers
publish files of one name that differ among themselves by up to 12 %, and the source does not say whose it measured.

Sizes printed in GiB with two decimals are exact to 0.1 % from 5 GiB up. `scripts/file_sizes.py` writes this page from
`tests/golden/file_sizes.csv`; a test compares it.
"""


@dataclass(frozen=True, slots=True)
class Size:
    """One published size and ours. [byte]"""

    model: str
    recipe: str
    published: float
    computed: float
    why_it_differs: str
    url: str

    @property
    def difference(self) -> float:
        """Ours over theirs, less one. [1]"""
        return self.computed / self.published - 1


def sizes() -> list[Size]:
    """Return every published size of the file."""
    with PUBLISHED.open(encoding="utf-8", newline="") as file:
        return [
            Size(
                row["model"],
                row["recipe"],
                float(row["bytes"]),
                stored(load_model(row["model"]), row["recipe"]).bytes,
                row["why_it_differs"],
                row["url"],
            )
            for row in csv.DictReader(file)
        ]


def page(found: list[Size]) -> str:
    """Return the text of the page."""
    differences = [abs(size.difference) for size in found]
    close = sum(difference <= CLOSE for difference in differences)
    about = ABOUT.format(
        sizes=len(found),
        recipes=len({size.recipe for size in found}),
        models=len({size.model for size in found}),
        median=statistics.median(differences),
        close=close,
        other=len(found) - close,
    )
    lines = [about, "## By recipe\n", "| recipe | sizes | median | worst |", "|---|--:|--:|--:|"]
    for recipe in sorted({size.recipe for size in found}):
        of = [size.difference for size in found if size.recipe == recipe]
        lines.append(f"| {recipe} | {len(of)} | {statistics.median(map(abs, of)):.2%} | {max(of, key=abs):+.2%} |")
    lines += [
        "\n## Further off than 1 %\n",
        "| model | recipe | published | difference | why |",
        "|---|---|--:|--:|---|",
    ]
    lines += [
        f"| {size.model} | {size.recipe} | [{size.published / 1e9:.2f} GB]({size.url}) | {size.difference:+.1%} "
        f"| {size.why_it_differs} |"
        for size in found
        if abs(size.difference) > CLOSE
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PATH.write_text(page(sizes()), encoding="utf-8")
