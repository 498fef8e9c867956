"""Rewrite the alias index of each spec folder; a test compares it with the files.

Run as ``python scripts/index_aliases.py`` in the root of the checkout.
"""

from __future__ import annotations

from roofline.specs.catalog import FOLDERS, aliases, builtin_files, data_folder

HEADER = "# alias = name. Written by scripts/index_aliases.py from the aliases in the spec files; do not edit.\n"


def index(kind: str) -> str:
    """Return the text of the index of the specs of one kind."""
    lines = (f'"{alias}" = "{name}"\n' for alias, name in sorted(aliases(builtin_files(kind)).items()))
    return HEADER + "".join(lines)


if __name__ == "__main__":
    for kind, folder in FOLDERS.items():
        (data_folder(folder) / "aliases.toml").write_text(index(kind), encoding="utf-8")
