"""The snippets of the documentation run, page by page, from top to bottom."""

import inspect
import re
from pathlib import Path

import pytest

import cnn
import gacnn

DOCS = Path(__file__).parent.parent / "docs"
NEEDED = {
    "quick_start": ["sklearn"],
    "more_machines": ["distributed", "sklearn"],
    "exporting": ["onnx", "onnxruntime", "torch"],
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
    for link in re.findall(r"\]\(([\w/.]+\.(?:md|png))\)", text):
        assert (DOCS / link).exists(), link


def test_commands_are_understood():
    from gacnn.command.main import parser

    text = (DOCS / "command_line.md").read_text("utf-8")
    commands = re.findall(r"^gacnn (.+)$", text, re.MULTILINE)
    assert len(commands) == 8
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
