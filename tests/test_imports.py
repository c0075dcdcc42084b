"""The imports run one way, room by room; cnn needs NumPy and threadpoolctl only."""

import ast
import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import cnn
import gacnn

ROOT = Path(cnn.__file__).parent.parent
ROOMS = {  # from the ground up: a room imports itself and those before it
    "cnn": [
        "checks files tables types",
        "datasets scale",
        "layers",
        "classification engines inputs report summary",
        "slabs",
        "components model patches",
        "pygad_functions exchange",
        "__init__",
    ],
    "gacnn": [
        "types",
        "augment fitness",
        "operators",
        "plots",
        "callbacks",
        "algorithm",
        "checkpoints",
        "training",
        "gacnn",
        "estimator command",
        "__init__ __main__",
    ],
}


def modules(package):
    """Paths of the modules of a package."""
    return sorted((ROOT / package).rglob("*.py"))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def imported(path):
    """Full names of the modules that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            assert node.module
            for alias in node.names:
                full = f"{node.module}.{alias.name}"
                yield full if is_module(full) else node.module


def is_module(name):
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def own_imports(package):
    """For each module, the modules of its package that it imports, the package itself aside."""
    found = {}
    for path in modules(package):
        names = [name for name in imported(path) if name.startswith(f"{package}.")]
        found[name_of(path)] = {name for name in names if is_module(name)}
    return found


@pytest.mark.parametrize("package", ROOMS)
def test_every_room_has_its_place(package):
    rooms = {name for floor in ROOMS[package] for name in floor.split()}
    there = {name.split(".")[1] for name in own_imports(package)}
    assert there == rooms


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_lower_ones_only(package):
    floors = {name: floor for floor, names in enumerate(ROOMS[package]) for name in names.split()}
    for module, others in own_imports(package).items():
        room = module.split(".")[1]
        theirs = {other.split(".")[1] for other in others} - {room}
        wrong = {other for other in theirs if floors[other] > floors[room]}
        assert not wrong, f"{module} imports {wrong}"


@pytest.mark.parametrize("package", ROOMS)
def test_there_are_no_circles(package):
    left = own_imports(package)
    while left:
        ends = [name for name, others in left.items() if not others & left.keys() - {name}]
        assert ends, f"these import each other: {sorted(left)}"
        left = {name: others for name, others in left.items() if name not in ends}


def outside(package):
    """Top-level names of what a package imports from elsewhere."""
    names = {name.split(".")[0] for path in modules(package) for name in imported(path)}
    return names - sys.stdlib_module_names - {package}


def test_packages_need_little():
    optional = {"PIL", "keras", "onnx", "sklearn", "torch", "tqdm", "triton"}
    assert outside("cnn") == {"numpy", "threadpoolctl", *optional}
    needed = {"cnn", "numpy", "pygad", "filelock", "tqdm"}
    optional = {"matplotlib", "sklearn", "joblib", "cloudpickle", "dask", "distributed", "IPython"}
    assert outside("gacnn") == needed | optional


def test_importing_cnn_loads_nothing_else():
    code = "import cnn, sys; print(*{name.split('.')[0] for name in sys.modules})"
    names = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    others = {"gacnn", "pygad", "torch", "keras", "onnx", "scipy", "matplotlib", "sklearn"}
    others |= {"PIL", "tqdm"}
    assert not others & set(names)


def test_importing_gacnn_loads_nothing_that_most_programs_never_use():
    code = "import numpy, pygad, sys; before = set(sys.modules); import gacnn; "
    code += "print(*set(sys.modules) - before)"
    names = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT
    ).stdout.split()
    late = {
        "tqdm",
        "csv",
        "filelock",
        "html",
        "zipfile",
        "threadpoolctl",
        "importlib.metadata",
        "numpy.ma",
    }
    late |= {
        "numpy.random",
        "matplotlib",
        "IPython",
        "sklearn",
        "cnn.datasets.loading",
        "cnn.exchange",
    }
    assert not late & set(names)


@pytest.mark.parametrize("package", [cnn, gacnn])
def test_dir_shows_what_is_public(package):
    shown = set(dir(package))
    assert shown >= {*package.__all__, "__version__"}
    assert shown - {*package.__all__, "__version__"} <= {"CNNClassifier", "CNNRegressor"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", package.__version__)
    assert all(hasattr(package, name) for name in package.__all__)


def test_readme_of_the_package_has_no_link_into_the_repository():
    setup = runpy.run_path(str(ROOT / "setup.py"))
    text = setup["with_absolute_links"]((ROOT / "README.md").read_text("utf-8"), "https://a.b/c")
    links = re.findall(r"\]\(([^)]+)\)", text)
    assert len(links) > 10
    assert all(link.startswith("https://") for link in links)
    assert "](https://a.b/c/raw/main/docs/images/run.png)" in text
    for path in re.findall(r"https://a\.b/c/(?:raw|blob)/main/([^)#]+)", text):
        assert (ROOT / path).exists(), path


def test_readme_of_a_package_without_a_repository_has_words_for_links():
    setup = runpy.run_path(str(ROOT / "setup.py"))
    text = "![a](a.png) [b](b.md) [c](https://c.org)"
    assert setup["with_absolute_links"](text, None) == " b [c](https://c.org)"


def test_everything_public_is_listed_and_described():
    assert cnn.__all__ == sorted(cnn.__all__)
    assert [name for name in cnn.__all__ if not getattr(cnn, name).__doc__] == []
