"""Power losses on a real ext4: an image mounted by loop, copied while the writer stands still.

A copy holds what was on disk at that moment, and nothing that the system still kept in memory.
Each is mounted, by which the file system recovers, and its checkpoint read. GACNN_SNAPSHOTS is
the number of copies, 40 without it; 200 take half a minute.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gacnn.checkpoints.store import Store, read
from gacnn.types import Growing

SNAPSHOTS = int(os.environ.get("GACNN_SNAPSHOTS", "40"))
LENGTH = 9  # generations of a run; the next begins anew over its checkpoint

WRITER = """
import os, sys
sys.path[:0] = sys.argv[1:3]
from test_power_loss import write_for_ever
if sys.argv[5] == "careless":
    os.fsync = lambda handle: None
write_for_ever(sys.argv[3], sys.argv[4])
"""


def tree(number: int) -> dict[str, Any]:
    """What the write of that number holds."""
    run, generation = divmod(number, LENGTH)
    history = {"generation": list(range(generation + 1)), "run": [run] * (generation + 1)}
    solutions = [np.full(5000, row, np.float32) for row in range(generation + 1)]
    return {
        "number": number,
        "population": np.random.default_rng(number).random((16, 20_000), np.float32),
        "history": Growing("history.jsonl", history),
        "best": Growing("solutions.rows", {"solution": solutions}),
    }


def write_for_ever(path: str, told: str) -> None:
    """Write one checkpoint after the other, and outside the image say which are on disk."""
    store = Store(path)
    with open(told, "a", buffering=1) as file:
        for number in range(10**6):
            if number % LENGTH == 0:
                store.close()
                store.open({})
            store.write(tree(number))
            file.write(f"{number}\n")


def run(*command: str | Path) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    folder.mkdir(exist_ok=True)
    run("mount", "-o", "loop", image, folder)
    try:
        yield folder
    finally:
        run("umount", folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder in memory, if there is one, with an image of an ext4 that can be mounted."""
    if not shutil.which("mkfs.ext4") or not shutil.which("mount"):
        pytest.skip("there is no mkfs.ext4 or no mount")
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if shared.is_dir() else None) as name:
        folder = Path(name)
        image = folder / "image"
        with open(image, "wb") as file:
            file.truncate(48 * 2**20)
        run("mkfs.ext4", "-q", "-F", image)
        try:
            with mounted(image, folder / "mounted"):
                pass
        except (subprocess.CalledProcessError, OSError) as error:
            pytest.skip(f"no image can be mounted here: {getattr(error, 'stderr', error)}")
        yield folder


def snapshot(image: Path, copy: Path) -> None:
    """Copy the image as it is at one moment: the system may still be writing to it."""
    while True:
        shutil.copyfile(image, copy)
        if subprocess.run(["cmp", "-s", image, copy], check=False).returncode == 0:
            return


def snapshots(folder: Path, number: int, how: str) -> Iterator[tuple[int, int | str | None]]:
    """Yield what was told to be on disk, and what was: a number, None, or an error."""
    here = Path(__file__).parent
    chance = random.Random(1)
    told, copy = folder / "told", folder / "copy"
    with mounted(folder / "image", folder / "mounted") as disk:
        names = str(here), str(here.parents[2]), str(disk / "ck"), str(told), how
        writer = subprocess.Popen([sys.executable, "-c", WRITER, *names])
        try:
            while not told.exists() or not told.read_text():
                assert writer.poll() is None
                time.sleep(0.01)
            for _ in range(number):
                time.sleep(chance.uniform(0, 0.1))
                writer.send_signal(signal.SIGSTOP)
                os.waitpid(writer.pid, os.WUNTRACED)
                last = int(told.read_text().split()[-1])
                snapshot(folder / "image", copy)
                writer.send_signal(signal.SIGCONT)
                with mounted(copy, folder / "recovered") as recovered:
                    yield last, found(recovered / "ck")
        finally:
            writer.kill()
            writer.wait()


def found(path: Path) -> int | str | None:
    """Return the number of a checkpoint that is whole, None where there is none, or the error."""
    if not path.exists():
        return None
    try:
        stored = read(path)[1]
    except (OSError, ValueError) as error:
        return str(error)
    wanted = tree(stored["number"])
    same = (
        np.array_equal(stored["population"], wanted["population"])
        and stored["history"].columns == wanted["history"].columns
        and np.array_equal(stored["best"].columns["solution"], wanted["best"].columns["solution"])
    )
    return int(stored["number"]) if same else "other numbers"


@pytest.mark.filterwarnings("error")  # the copy before it is not needed either
def test_what_was_written_is_there_after_a_power_loss(folder: Path) -> None:
    results = list(snapshots(folder, SNAPSHOTS, "careful"))
    torn = [each for each in results if each[1] not in (each[0], each[0] + 1)]
    print(f"{len(torn)} of {len(results)} torn or lost, of {results[-1][0]} checkpoints")
    assert not torn


def test_this_test_notices_checkpoints_that_are_not_synced(folder: Path) -> None:
    results = list(snapshots(folder, 5, "careless"))
    assert [each for each in results if each[1] not in (each[0], each[0] + 1)]
