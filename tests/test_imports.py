"""The imports of cnn run one way, and need NumPy and threadpoolctl only."""

import ast
import subprocess
import sys
from pathlib import Path

import cnn

FOLDER = Path(cnn.__file__).parent
ORDER = [
    {"kernels", "checks", "files"},
    {"layers"},
    {"windows"},
    {"chain", "program"},
    {"population"},
    {"model"},
    {"weights", "convert"},
    {"__init__"},
]
RANKS = {name: rank for rank, names in enumerate(ORDER) for name in names}


def imported(name):
    """Full names of the modules that a module of cnn imports, anywhere in it."""
    for node in ast.walk(ast.parse((FOLDER / f"{name}.py").read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            inside = node.module == "cnn"
            yield from (f"cnn.{alias.name}" for alias in node.names) if inside else [node.module]


def test_every_module_has_its_place():
    assert {path.stem for path in FOLDER.glob("*.py")} == set(RANKS)


def test_modules_import_lower_ones_only():
    for name, rank in RANKS.items():
        own = [module.removeprefix("cnn.") for module in imported(name) if module[:4] == "cnn."]
        wrong = [module for module in own if RANKS[module] >= rank]
        assert not wrong, f"{name} imports {wrong}"


def test_cnn_needs_numpy_and_threadpoolctl_only():
    outside = {module.split(".")[0] for name in RANKS for module in imported(name)}
    assert outside - sys.stdlib_module_names == {"cnn", "numpy", "threadpoolctl"}


def test_importing_cnn_loads_nothing_else():
    code = "import cnn, sys; print(*{name.split('.')[0] for name in sys.modules})"
    names = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=FOLDER.parent
    ).stdout.split()
    assert not {"gacnn", "pygad", "torch", "scipy", "matplotlib", "sklearn"} & set(names)


def test_everything_public_is_listed_and_described():
    assert cnn.__all__ == sorted(cnn.__all__)
    assert [name for name in cnn.__all__ if not getattr(cnn, name).__doc__] == []
