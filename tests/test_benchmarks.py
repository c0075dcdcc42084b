"""The benchmark that is kept for a GPU runs, in small, without one."""

import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parent.parent / "benchmarks"


def test_the_benchmark_of_accelerators_in_small():
    pytest.importorskip("torch")
    command = [sys.executable, str(BENCHMARKS / "accelerator.py"), "--smoke"]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    first, *lines = run.stdout.splitlines()
    assert "(CPU), torch" in first
    assert sum("networks x 3 images" in line for line in lines) == 12
    assert sum("  this project" in line and "x NumPy" in line for line in lines) == 12
    assert "not measured  no variant" not in run.stdout
