"""The notebooks run as they stand, and are stored with small outputs."""

import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
NAMES = sorted(path.stem for path in NOTEBOOKS.glob("*.ipynb"))
MOST_BYTES = 300_000


def check_outputs(path):
    """Check that every cell ran, in order, and gave no error and no warning; return the outputs."""
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [output.text for output in outputs if output.get("name") == "stderr"]
    assert [output for output in outputs if "image/png" in output.get("data", {})]
    assert path.stat().st_size < MOST_BYTES
    return outputs


def test_there_are_notebooks():
    assert NAMES == ["how_evolution_trains_it", "quick_start", "what_a_cnn_sees"]


@pytest.mark.parametrize("name", NAMES)
def test_stored_outputs(name):
    check_outputs(NOTEBOOKS / f"{name}.ipynb")


@pytest.mark.parametrize("name", NAMES)
def test_runs_from_top_to_bottom(name, tmp_path):
    for needed in ("nbclient", "nbformat", "ipykernel", "ipywidgets", "sklearn", "matplotlib"):
        pytest.importorskip(needed)
    command = [sys.executable, NOTEBOOKS / "refresh.py", name, "--out", tmp_path]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    outputs = check_outputs(tmp_path / f"{name}.ipynb")
    printed = "".join(output.get("text", "") for output in outputs)
    if name == "quick_start":
        before, after = printed.split(" generations became ")
        assert int(before.split()[-1].replace(",", "")) + 5 < int(
            after.split(";")[0].replace(",", "")
        )
