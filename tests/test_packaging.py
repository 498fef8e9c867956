"""The wheel: it holds every spec, and works from outside the checkout."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--outdir", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_every_data_file(wheel):
    inside = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("hardware_specs", "model_specs", "engine_specs", "measurements"):
        files = [p for p in (ROOT / folder).rglob("*") if p.is_file()]
        assert files
        missing = [p for p in files if f"roofline/_data/{p.relative_to(ROOT).as_posix()}" not in inside]
        assert not missing
    assert {"roofline/py.typed", "roofline/templates/hardware.toml", "roofline/templates/model.toml"} <= inside
    assert not [name for name in inside if name.startswith(("tests/", "notebooks/"))]


@pytest.mark.slow
def test_the_unpacked_wheel_predicts(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import roofline, pathlib, sys; assert pathlib.Path(roofline.__file__).is_relative_to(sys.argv[1]);"
        "p = roofline.predict('minimax-m2.7', 'dgx-spark', weights='ud-iq4_xs');"
        "assert round(p.decode.streaming.tokens_per_s, 1) == 39.8;"
        "from roofline.validation import validate; assert validate().rows == 45"
    )
    command = [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, sys.argv[1]); {code}", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
