"""The snippets of the documentation run, page by page, from top to bottom."""

import importlib
import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from test_imports import ROOMS, modules, name_of

import cnn
import gacnn
from gacnn import plots

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
NEEDED = {
    "index": ["sklearn"],
    "quick_start": ["sklearn"],
    "more_machines": ["distributed", "sklearn"],
    "unbalanced_classes": ["sklearn"],
    "exporting": ["onnx", "onnxruntime", "sklearn", "torch"],
}
PAGES = sorted(page.stem for page in DOCS.glob("*.md"))


@pytest.mark.parametrize("name", PAGES)
def test_snippets_run(name, tmp_path, monkeypatch):
    for package in NEEDED.get(name, ()):
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    text = (DOCS / f"{name}.md").read_text("utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile("\n".join(blocks), f"{name}.md", "exec"), {"__name__": name})


def test_pages_have_snippets():
    with_snippets = [name for name in PAGES if "```python" in (DOCS / f"{name}.md").read_text()]
    assert len(with_snippets) >= 6


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name):
    text = (DOCS / f"{name}.md").read_text("utf-8")
    for link in re.findall(r"\]\(([\w/.-]+\.(?:md|png))(?:#[\w.-]+)?\)", text):
        assert (DOCS / link).exists(), link


def test_commands_are_understood():
    from gacnn.command.main import parser

    text = (DOCS / "command_line.md").read_text("utf-8")
    commands = re.findall(r"^gacnn (.+)$", text, re.MULTILINE)
    assert len(commands) == 9
    for command in commands:
        parser().parse_args(command.split())


def test_every_page_is_in_the_menu():
    menu = (DOCS.parent / "mkdocs.yml").read_text("utf-8")
    for page in DOCS.rglob("*.md"):
        assert str(page.relative_to(DOCS)) in menu, page


@pytest.mark.parametrize("package", [cnn, gacnn])
def test_reference_lists_everything_public(package):
    text = "".join(page.read_text("utf-8") for page in (DOCS / "api").glob("*.md"))
    listed = set(re.findall(rf"^::: {package.__name__}\.(\w+)$", text, re.MULTILINE))
    modules = {name for name in package.__all__ if inspect.ismodule(getattr(package, name))}
    assert set(package.__all__) - modules - listed == set()


def test_gallery_shows_every_plot():
    text = (DOCS / "gallery.md").read_text("utf-8")
    assert all(f"plots.{name}(" in text for name in plots.__all__)
    drawn = {path.name for path in (DOCS / "images/gallery").iterdir()}
    assert drawn == set(re.findall(r"gallery/([\w-]+\.png)", text))
    for style in ("light", "dark"):  # each picture once for each
        shown = re.findall(rf"gallery/(\w+)-{style}\.png#only-{style}\)", text)
        assert 2 * len(shown) == len(drawn)


def test_methods_of_pygad_are_there():
    text = (DOCS / "api/gacnn.md").read_text("utf-8")
    table = text.split("### What GA has of pygad.GA")[1].split(":::")[0]
    ga = gacnn.GA(2, 2, lambda ga, solution, index: [sum(solution)] * 2, None, np.eye(10))
    ga.run()
    for name in re.findall(r"`([a-z_]+)(?:\(.*?\))?`", table):
        assert hasattr(ga, name), name


# Architecture

ARCHITECTURE = (DOCS / "architecture.md").read_text("utf-8")
PROSE = re.sub(r"```.*?```", "", ARCHITECTURE, flags=re.DOTALL)
CODE = re.findall(r"`([^`\n]+)`", PROSE)


def everything():
    """Names of classes, functions and constants to what they are, of both packages."""
    found = {}
    for package in ("cnn", "gacnn"):
        for path in modules(package):
            if path.stem == "__main__":
                continue  # a program
            if path.stem in ("estimator", "fused", "keras_layers", "torch_modules"):
                continue  # which need optional packages
            found.update(vars(importlib.import_module(name_of(path).removesuffix(".__init__"))))
    return found


def resolved(name):
    """What a full name such as cnn.engines.engine.Engine stands for."""
    thing = importlib.import_module(name.split(".")[0])
    for part in name.split(".")[1:]:
        if inspect.ismodule(thing) and not hasattr(thing, part):
            thing = importlib.import_module(f"{thing.__name__}.{part}")
        else:
            thing = getattr(thing, part)
    return thing


def test_architecture_names_files_that_are_there():
    paths = [each for each in CODE if "/" in each and " " not in each]
    assert len(set(paths)) > 40
    for path in paths:
        where = ROOT / path
        assert where.is_dir() if path.endswith("/") else where.is_file(), path


def test_architecture_names_what_is_there():
    known = everything()
    full = [each for each in CODE if re.fullmatch(r"(cnn|gacnn)(\.\w+)+", each)]
    short = [each for each in CODE if re.fullmatch(r"[A-Z]\w+(\.\w+)?", each)]
    assert len(full) > 10
    assert len(short) > 40
    for name in full:
        resolved(name)
    for name in short:
        first, *rest = name.split(".")
        assert first in known, name
        assert all(hasattr(known[first], each) for each in rest), name


def test_architecture_says_where_functions_are():
    sentences = re.findall(r"((?:`\w+`(?:, then |, )?)+) in `([\w/]+)\.py`", PROSE)
    assert len(sentences) > 10
    for names, module in sentences:
        for name in re.findall(r"\w+", names.replace("then", "")):
            assert hasattr(importlib.import_module(module.replace("/", ".")), name), name


@pytest.mark.parametrize("package", ROOMS)
def test_architecture_lists_the_rooms(package):
    rows = re.findall(rf"^\| `{package}/(\w+)(?:/|\.py)` \|", ARCHITECTURE, re.MULTILINE)
    floors = [floor.split() for floor in ROOMS[package]]
    rooms = [name for floor in floors for name in floor if not name.startswith("__")]
    assert sorted(rows) == sorted(rooms)
    floor_of = {name: number for number, floor in enumerate(floors) for name in floor}
    assert [floor_of[row] for row in rows] == sorted(floor_of[row] for row in rows)
