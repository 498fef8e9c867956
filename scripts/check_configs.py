"""Try the config reader on a folder of published configs: which resolve, what they count, and why others do not.

Run as ``python scripts/check_configs.py FOLDER``. Every ``*config.json`` below it is read, with the
``hf_quant_config.json`` beside it; exit code 1 says that some did not resolve.
"""

from __future__ import annotations

import sys
from pathlib import Path

from roofline import units
from roofline.errors import ModelFileError
from roofline.readers.huggingface import CONFIG, QUANTIZATION, read_huggingface
from roofline.recipes import stored
from roofline.tensors import parameters


def check(path: Path) -> tuple[bool, str]:
    """Return whether a config resolves, and a line that says what it describes or why it cannot be told."""
    try:
        spec = read_huggingface(path)
    except ModelFileError as error:
        return False, str(error).removeprefix(f"{path}: ")
    counts, native = parameters(spec.architecture), stored(spec, "native")
    groups = native.formats_by_group()
    experts = f", experts {'+'.join(groups['experts'])}" if "experts" in groups else ""
    return True, (
        f"{counts.total:>17,} parameters, {counts.active_without_embedding:>15,} active, "
        f"{units.text(native.bytes, 'B', 4):>9}{experts}, cache {native.kv or 'as computed'}"
    )


def main(folder: Path) -> int:
    """Print a line for each config below the folder."""
    paths = [p for p in sorted(folder.rglob(f"*{CONFIG}")) if not p.name.endswith(QUANTIZATION)]
    failed = 0
    for path in paths:
        good, line = check(path)
        failed += not good
        sys.stdout.write(f"{'ok    ' if good else 'FAILED'} {path.relative_to(folder)}: {line}\n")
    sys.stdout.write(f"{len(paths) - failed} of {len(paths)} configs resolve\n")
    return 1 if failed or not paths else 0


if __name__ == "__main__":
    if len(sys.argv) != 2 or not Path(sys.argv[1]).is_dir():
        sys.exit("usage: python scripts/check_configs.py FOLDER")
    sys.exit(main(Path(sys.argv[1])))
