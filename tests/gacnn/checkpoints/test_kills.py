"""A few of what benchmarks/kills.py and benchmarks/damage.py do by the hundred."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


def printed(*command: str) -> str:
    result = subprocess.run(
        [sys.executable, *command],
        cwd=BENCHMARKS,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs processes to kill")
def test_killed_runs_of_all_kinds_end_with_the_same_bits() -> None:
    lines = printed("kills.py", "--kills", "2", "--generations", "100").splitlines()
    assert len([line for line in lines if line.endswith(": the same bits")]) == 8
    assert lines[-1].endswith("kills, 0 wrong")


def test_damage_is_noticed() -> None:
    output = printed("damage.py", "--number", "150")
    assert output.count("150 damaged") == 3
