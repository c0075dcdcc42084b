"""The README and the examples run as they stand."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LABEL = "accuracy on new images:"


def test_readme_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 3
    exec(compile("\n".join(blocks), "README.md", "exec"), {})
    printed = capsys.readouterr().out
    accuracy = float(printed.split(LABEL)[1].split()[0])
    assert accuracy > 0.8
    assert {path.name for path in tmp_path.iterdir()} == {"model.npz", "run.checkpoint"}


def test_digits_and_going_on(tmp_path):
    for needed in ("sklearn", "matplotlib"):
        pytest.importorskip(needed)

    def run(*arguments):
        command = [sys.executable, ROOT / "examples/digits.py", "--generations", "3", *arguments]
        return subprocess.run(
            [*command, "--out", tmp_path], check=True, capture_output=True, text=True
        ).stdout

    assert "3 generations; on 360 images" in run()
    assert "6 generations; on 360 images" in run("--resume")
    assert (tmp_path / "fitness.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint", "fitness.png", "model.npz"}
