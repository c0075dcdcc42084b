"""Docstrings: their examples run, and from four parameters on every one has its line."""

import contextlib
import doctest
import importlib
import inspect
import io
import re

import numpy as np
import pygad
import pytest
from test_docs import DOCS, resolved
from test_imports import modules, name_of

import cnn
import gacnn
from cnn import datasets
from gacnn import plots

# As Engine has them, and an Enum's own.
ELSEWHERE = {"NumpyEngine.run", "TorchEngine.run", "TorchEngine.reduce", "Kind"}
MODULES = [name_of(path) for package in ("cnn", "gacnn") for path in modules(package)]
LISTED = [
    name
    for page in sorted((DOCS / "api").glob("*.md"))
    for name in re.findall(r"^::: ([\w.]+)$", page.read_text("utf-8"), re.MULTILINE)
]


NEEDED = {
    "estimator": "sklearn",
    "fused": "triton",
    "keras_layers": "keras",
    "torch_modules": "torch",
}


def module_of(name):
    """The module; a test is skipped where an optional package is missing."""
    needed = NEEDED.get(name.rpartition(".")[2])
    if needed is not None:
        pytest.importorskip(needed)
    return importlib.import_module(name.removesuffix(".__init__"))


@pytest.mark.parametrize("name", [name for name in MODULES if "__main__" not in name])
def test_examples_run(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = module_of(name)
    given = {**vars(module), "np": np, "cnn": cnn, "gacnn": gacnn}
    for test in doctest.DocTestFinder(exclude_empty=True).find(module, name, globs=given):
        if ("plots." in name or "live_plot" in name) and test.examples:
            pytest.importorskip("matplotlib").use("agg")
        said = io.StringIO()
        with contextlib.redirect_stderr(io.StringIO()):  # a progress bar
            doctest.DocTestRunner().run(test, out=said.write)
        assert not said.getvalue(), said.getvalue()


@pytest.mark.parametrize("package", [cnn, gacnn])
def test_public_classes_have_an_example(package):
    for name in package.__all__:
        thing = getattr(package, name)
        if inspect.isclass(thing):
            assert ">>> " in thing.__doc__, name


def described():
    """Functions, classes and their methods that the reference shows, by name."""
    pages = [name for name in LISTED if "estimator" not in name and name != "cnn.datasets"]
    things = [resolved(name) for name in pages]
    things = [each for each in things if not inspect.ismodule(each)]
    for module in (plots, datasets):
        things += [getattr(module, name) for name in module.__all__]
    for thing in things:
        if inspect.isclass(thing) or inspect.isfunction(thing):
            yield thing.__name__, thing
        for name, method in vars(thing).items() if inspect.isclass(thing) else ():
            if inspect.isfunction(method) and not name.startswith("_"):
                yield f"{thing.__name__}.{name}", method


def test_arguments_have_their_lines():
    seen = 0
    for name, thing in described():
        parameters = inspect.signature(thing).parameters
        names = [each for each in parameters if each != "self"]
        if len(names) < 4 or name in ELSEWHERE:
            continue
        text = inspect.getdoc(thing) or ""
        arguments = re.search(r"\n(?:Args|Attributes):\n(.*?)(\n\n|$)", text, re.DOTALL)
        assert arguments, f"{name} has no Args"
        listed = re.findall(r"^ {4}(\w+(?:,\s+\w+)*): ", arguments[1], re.MULTILINE)
        assert sorted(re.findall(r"\w+", " ".join(listed))) == sorted(names), name
        seen += 1
    assert seen > 15


def test_genetic_algorithm_names_the_arguments_of_pygad():
    source = inspect.getsource(gacnn.GA)
    declared = source.split("else:  # what editors")[1].split(") -> None: ...")[0]
    pairs = re.findall(r"^ {12}(\w+): .*?(?: = (.*))?,$", declared, re.MULTILINE)
    wanted = inspect.signature(pygad.GA).parameters
    assert [name for name, _ in pairs] == [*wanted, "callbacks"]
    for name, default in pairs[:-1]:
        empty = wanted[name].default is inspect.Parameter.empty
        assert empty == (not default), name
        assert empty or eval(default) == wanted[name].default, name
    assert list(inspect.signature(gacnn.GA).parameters) == [*wanted, "callbacks"]
