"""The imports run one way; cnn needs NumPy and threadpoolctl only."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import cnn

ROOT = Path(cnn.__file__).parent.parent
ORDER = {
    "cnn": [
        {"kernels", "checks", "files", "tables"},
        {"layers", "scale", "array_files"},
        {"windows", "folders", "picture_files"},
        {"chain", "program", "images"},
        {"population", "datasets"},
        {"model"},
        {"weights", "convert", "convert_pygad"},
        {"convert_onnx", "convert_torch", "convert_keras"},
        {"__init__"},
    ],
    "gacnn": [
        {"operators", "container", "strategy", "augment", "sampling", "pictures"},
        {"evaluate", "plots"},
        {"callbacks", "selection", "crossover", "steps"},
        {"mutation", "validation", "stopping"},
        {"registry"},
        {"ga", "defaults"},
        {"checkpoint", "networks", "plan"},
        {"result"},
        {"training"},
        {"gacnn"},
        {"estimator", "runs"},
        {"reports"},
        {"command"},
        {"__init__", "__main__"},
    ],
}
RANKS = {
    package: {name: rank for rank, names in enumerate(order) for name in names}
    for package, order in ORDER.items()
}


def imported(package, name):
    """Full names of the modules that a module imports, anywhere in it."""
    source = (ROOT / package / f"{name}.py").read_text("utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            inside = node.module == package
            yield from (
                (f"{package}.{alias.name}" for alias in node.names) if inside else [node.module]
            )


def outside(package):
    """Top-level names of what a package imports from elsewhere."""
    names = {module.split(".")[0] for name in RANKS[package] for module in imported(package, name)}
    return names - sys.stdlib_module_names - {package}


@pytest.mark.parametrize("package", ORDER)
def test_every_module_has_its_place(package):
    assert {path.stem for path in (ROOT / package).glob("*.py")} == set(RANKS[package])


@pytest.mark.parametrize("package", ORDER)
def test_modules_import_lower_ones_only(package):
    for name, rank in RANKS[package].items():
        modules = [module.split(".") for module in imported(package, name)]
        own = [module[1] for module in modules if module[0] == package and len(module) > 1]
        wrong = [module for module in own if RANKS[package][module] >= rank]
        assert not wrong, f"{name} imports {wrong}"


def test_packages_need_little():
    optional = {"PIL", "keras", "onnx", "sklearn", "torch", "tqdm"}
    assert outside("cnn") == {"numpy", "threadpoolctl", *optional}
    needed = {"cnn", "numpy", "pygad", "filelock", "tqdm"}
    assert outside("gacnn") == needed | {"matplotlib", "sklearn", "joblib"}


def test_importing_cnn_loads_nothing_else():
    code = "import cnn, sys; print(*{name.split('.')[0] for name in sys.modules})"
    names = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    others = {"gacnn", "pygad", "torch", "keras", "onnx", "scipy", "matplotlib", "sklearn"}
    others |= {"PIL", "tqdm"}
    assert not others & set(names)


def test_everything_public_is_listed_and_described():
    assert cnn.__all__ == sorted(cnn.__all__)
    assert [name for name in cnn.__all__ if not getattr(cnn, name).__doc__] == []
