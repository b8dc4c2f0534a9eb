"""The package as a whole: what an import costs, and which module may know which."""

import ast
import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

from ippy import phantoms

PACKAGE = Path(__file__).resolve().parent.parent / "ippy"
HEAVY = ("matplotlib", "torchvision", "torchmetrics", "PIL", "ipywidgets", "click", "scipy")


def ippy_imports(module: str) -> set[str]:
    """The modules of the package that a module names, wherever in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{module}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            if node.module == "ippy":
                names |= {alias.name for alias in node.names}
            elif node.module.startswith("ippy."):
                names.add(node.module.split(".")[1])
        elif isinstance(node, ast.Import):
            names |= {a.name.split(".")[1] for a in node.names if a.name.startswith("ippy.")}
    return names


def test_import_loads_torch_and_nothing_heavy():
    code = f"import sys, ippy; print([name for name in {HEAVY!r} if name in sys.modules])"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_submodules_are_loaded_when_named():
    code = "import ippy; print(ippy.phantoms.__name__); ippy.no_such_module"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.strip() == "ippy.phantoms"
    assert "module 'ippy' has no attribute 'no_such_module'" in result.stderr


def test_operators_load_by_file_path_without_the_package():
    spec = importlib.util.spec_from_file_location("course_operators", PACKAGE / "operators.py")
    operators = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(operators)
    K = operators.Blurring((16, 16), kernel_type="motion", kernel_size=9, motion_angle=20)
    assert operators.adjoint_error(K) < 1e-12


@pytest.mark.parametrize("module", ["operators", "noise", "metrics", "models"])
def test_the_four_foundations_know_nothing_of_each_other(module: str):
    assert ippy_imports(module) == set()


@pytest.mark.parametrize("module", [p.stem for p in PACKAGE.glob("*.py")])
def test_nothing_of_the_package_uses_its_outermost_layer(module: str):
    outermost = {"figures", "explorers", "checks", "cli"}
    if module not in outermost | {"__init__", "__main__"}:
        assert not ippy_imports(module) & outermost


def test_every_module_has_its_test_file():
    tests = {p.stem for p in Path(__file__).parent.glob("test_*.py")}
    # What draws the phantoms is judged by the phantoms.
    parts = {source.__name__.rpartition(".")[2] for source in phantoms.SOURCES}
    modules = {p.stem for p in PACKAGE.glob("*.py")} - {"__init__", "__main__"} - parts
    assert {f"test_{name}" for name in modules} <= tests
