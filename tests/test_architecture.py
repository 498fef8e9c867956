"""The house itself: public names, what may be imported where, what formulas may use."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import roofline

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "roofline"

PUBLIC = [
    "BrokenSpecWarning",
    "DeviceSpec",
    "EngineSpec",
    "FileSizeError",
    "MeasurementError",
    "ModelFileError",
    "ModelSpec",
    "NoBoundError",
    "Prediction",
    "RooflineError",
    "RooflineWarning",
    "ShadowedSpecWarning",
    "Solution",
    "SourceError",
    "SpecError",
    "Sweep",
    "SystemSpec",
    "TooLongError",
    "UnitError",
    "UnknownNameError",
    "WorkloadError",
    "load_engine",
    "load_hardware",
    "load_model",
    "predict",
    "solve",
    "sweep",
]


def test_the_public_names_are_these():
    assert roofline.__all__ == PUBLIC
    assert all(hasattr(roofline, name) for name in PUBLIC)


@pytest.mark.parametrize(
    "code",
    [
        "import roofline",
        "import roofline; roofline.predict('minimax-m2.7', '2x rtx-pro-6000', weights='nvfp4', batch=8).to_json()",
        "import roofline; roofline.predict('gpt-oss-20b', 'rtx-4090', prompt=64, output=8, concurrency=2)",
        "import roofline; str(roofline.predict('qwen3.6-35b-a3b', 'dgx-spark', weights='q4_k_m'))",
        "from roofline.cli import main; main(['predict', 'minimax-m2.7', 'dgx-spark'])",
        "from roofline.cli import main; main(['show', 'dgx-spark'])",
    ],
)
def test_a_scalar_prediction_needs_pydantic_and_the_standard_library_only(code):
    heavy = "{'numpy', 'sympy', 'matplotlib', 'typer', 'rich', 'scipy', 'pandas'}"
    check = f"{code}\nimport sys; found = {heavy} & set(sys.modules); assert not found, found"
    subprocess.run([sys.executable, "-c", check], check=True, capture_output=True)


def _tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", sorted((PACKAGE / "ops").glob("*.py")), ids=lambda p: p.name)
def test_formulas_use_nothing_that_arrays_or_symbols_cannot(path):
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"int", "float", "round", "max", "min", "abs"}, ast.unparse(node)
        assert not isinstance(node, ast.FloorDiv | ast.Mod)
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", "") or ""]
            assert not {"math", "numpy", "roofline.specs"} & set(names)


def _constants(path):
    """Yield the numbers of a module, written as such or as an expression of such (2**30)."""
    for node in ast.walk(_tree(path)):
        plain = isinstance(node, ast.Constant | ast.BinOp)
        if plain and all(isinstance(n, ast.Constant | ast.BinOp | ast.operator) for n in ast.walk(node)):
            value = eval(ast.unparse(node))  # noqa: S307 (numbers and operators alone)
            if isinstance(value, int | float):
                yield value


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_prefixes_live_in_units_alone(path):
    if path.name == "units.py":
        return
    counts_and_limits = {
        "workload.py": {10**9},  # a batch above is no belief
        "hardware.py": {10**6},  # devices
        "toml_file.py": {2**20},  # the largest file read
        "_remember.py": {1024},  # results kept
    }
    prefixes = {10**3, 10**6, 10**9, 10**12, 2**10, 2**20, 2**30, 2**40}
    found = prefixes.intersection(_constants(path))
    assert found <= counts_and_limits.get(path.name, set()), found


def test_no_room_has_a_name_that_says_nothing():
    bad = {"utils", "util", "helpers", "helper", "common", "misc", "constants"}
    assert not [p for p in PACKAGE.rglob("*.py") if p.stem in bad]


def test_every_argument_of_a_formula_is_on_the_nomenclature_page():
    import inspect

    from roofline import ops

    page = (ROOT / "docs" / "nomenclature.md").read_text(encoding="utf-8")
    names = {n for f in ops.__all__ if f != "Cost" for n in inspect.signature(getattr(ops, f)).parameters}
    assert not [name for name in sorted(names) if f"`{name}`" not in page]


def test_the_checkout_holds_no_copy_of_the_data():
    if (ROOT / "pyproject.toml").is_file() and (ROOT / "hardware_specs").is_dir():
        assert not (PACKAGE / "_data").exists()
