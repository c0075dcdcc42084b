"""The store: whole at any time, appended to where it grows, and shut to strangers."""

from __future__ import annotations

import errno
import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cnn import files
from gacnn.checkpoints import lock as locks
from gacnn.checkpoints import store as stores
from gacnn.checkpoints.store import Store, read
from gacnn.types import Growing

ROW = np.dtype([("x", np.float32, 7), ("y", np.float64)])
FILES = ["ck", "ck.all.rows", "ck.history.jsonl", "ck.solutions.rows"]
IDENTITY = {"settings": {"random_seed": 1}}
NEEDS_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
NEEDS_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")


def tree(generation: int, seed: int = 0) -> dict[str, Any]:
    """What a run may have to keep after a generation; every number of it follows from two."""
    rng = np.random.default_rng([generation, seed])
    numbers = [float(number) for number in np.random.default_rng(seed).random(generation)]
    history = {"generation": list(range(1, generation + 1)), "best": numbers}
    solutions = [np.full(7, number, np.float32) for number in numbers[::2]]
    return {
        "generation": generation,
        "population": rng.random((6, 7), np.float32),
        "rng": ("PCG64", rng.integers(0, 2**32, 5, dtype=np.uint32), None),
        "callbacks": [{"columns": Growing("history.jsonl", history)}, {}],
        "best": Growing("solutions.rows", {"solution": solutions, "fitness": numbers[::2]}),
        "all": Growing("all.rows", {"x": solutions, "y": list(map(np.float64, numbers[::2]))}, ROW),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ck"


def write(path: Path, *generations: int, seed: int = 0, close: bool = True) -> Store:
    """Have a run write checkpoints, and end unless it shall not."""
    store = Store(path)
    store.open(IDENTITY)
    for generation in generations:
        store.write(tree(generation, seed))
    if close:
        store.close()
    return store


def die(store: Store) -> None:
    """Leave the files as a kill does: the lock goes with the process."""
    assert store._lock is not None
    store._lock._forget()


def same(one: Any, other: Any) -> bool:
    """Tell whether two trees are the same, bit for bit and with the same types."""
    if type(one) is not type(other):
        return False
    if isinstance(one, Growing):
        return one.name == other.name and same(one.columns, other.columns)
    if isinstance(one, np.ndarray) and one.dtype == object:
        return one.shape == other.shape and same(one.ravel().tolist(), other.ravel().tolist())
    if isinstance(one, np.ndarray | np.generic):
        return (one.dtype, one.shape, one.tobytes()) == (other.dtype, other.shape, other.tobytes())
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, dict):
        return list(one) == list(other) and same(list(one.values()), list(other.values()))
    return bool(one == other or (one != one and other != other))


def assert_holds(path: Path, generation: int, seed: int = 0) -> None:
    identity, found = read(path)
    assert identity == IDENTITY
    assert same(found, tree(generation, seed)), (found["generation"], generation)


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


# What comes back

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | hnp.arrays(
        hnp.scalar_dtypes().filter(lambda dtype: dtype.kind in "biufc")
        | hnp.byte_string_dtypes()
        | hnp.unicode_string_dtypes(),
        hnp.array_shapes(min_dims=0, min_side=0),
    )
    | hnp.from_dtype(np.dtype(np.float32))
    | hnp.from_dtype(np.dtype(np.int64)),
    lambda inner: (
        st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text("xyz"), inner)
    ),
    max_leaves=8,
)
growing = st.lists(st.tuples(values, values), max_size=5).map(
    lambda rows: Growing(
        "rows", {"one": [row[0] for row in rows], "other": [row[1] for row in rows]}
    )
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(tree=st.dictionaries(st.sampled_from("abc"), values), rows=growing)
def test_trees_come_back(path: Path, tree: Any, rows: Growing) -> None:
    for name in os.listdir(path.parent):
        (path.parent / name).unlink()
    store = Store(path)
    store.open({})
    store.write({**tree, "rows": rows})
    store.close()
    assert same(read(path)[1], {**tree, "rows": rows})


def test_objects_and_scalars_come_back(path: Path) -> None:
    numbers = [1, 2.5, np.float32(0.1), np.int8(-3), True, np.uint64(2**64 - 1), np.nan]
    mixed = np.array([numbers, numbers[::-1]], dtype=object)
    rows = Growing("solutions", {"solution": [mixed[0], mixed[1]], "fitness": [[1.0, 2], np.nan]})
    given = {"mixed": mixed, "scalar": np.float32(0.1), "empty": mixed[:0], "rows": rows}
    store = Store(path)
    store.open({})
    store.write(given)
    assert same(read(path)[1], given)
    store.close()


def test_arrays_that_come_back_can_be_changed(path: Path) -> None:
    write(path, 5)
    found = read(path)[1]
    found["population"][...] = 7
    found["best"].columns["solution"][0][...] = 7
    assert found["population"].flags.aligned
    assert_holds(path, 5)


class Number(int):
    """A subclass, which would come back as something else."""


@pytest.mark.parametrize(
    "bad",
    [
        *(object(), {3: 1}, {"$array": 0}, {1, 2}, Number(3), {Number(3): 1}, b"bytes"),
        np.array(["a", None]),
        np.array([2**70], dtype=object),
        np.array(["2026-01-01"], dtype="datetime64"),
        np.zeros(2, [("a", int)]),
        np.ma.masked_array([1, 2], [True, False]),
        Growing("rows", {"a": [Growing("more", {})]}),
    ],
)
def test_what_a_tree_cannot_hold_leaves_the_checkpoint(path: Path, bad: Any) -> None:
    store = write(path, 5, close=False)
    for unwritable in ({"bad": [bad]}, {"rows": Growing("rows", {"a": [1, bad]})}):
        with pytest.raises(TypeError, match="cannot be stored"):
            store.write(unwritable)
        assert_holds(path, 5)
    store.close()


def test_what_was_kept_is_written_at_the_end(path: Path) -> None:
    store = write(path, 1, close=False)
    kept = tree(3)
    store.keep(kept)
    kept["population"][:] = 0  # the run goes on
    kept["best"].columns["fitness"].append(1.0)
    kept["callbacks"][0]["columns"].columns["generation"].append(4)
    assert_holds(path, 1)
    store.close()
    assert_holds(path, 3)


def test_what_was_kept_is_forgotten_when_more_is_written(path: Path) -> None:
    store = write(path, 1, close=False)
    store.keep(tree(3))
    store.write(tree(5))
    store.close()
    assert_holds(path, 5)


def test_what_was_kept_but_cannot_be_written(tmp_path: Path) -> None:
    """It is no error: an exception is on its way, which must not be replaced."""
    (tmp_path / "folder").mkdir()
    store = write(tmp_path / "folder" / "ck", 1, close=False)
    store.keep(tree(3))
    shutil.rmtree(tmp_path / "folder")
    with pytest.warns(UserWarning, match="ck stays as it was some generations ago: .*No such file"):
        store.close()


def test_what_cannot_grow() -> None:
    with pytest.raises(ValueError, match=r"columns must have one length, not \{'a': 1, 'b': 2\}"):
        Growing("history", {"a": [1], "b": [1, 2]})
    for name in ("", "../history", ".history", "a/b", "a\nb", "a" * 65):
        with pytest.raises(ValueError, match="name must be letters"):
            Growing(name, {})
    with pytest.raises(ValueError, match=r"record must have the fields \('a',\), not \('x', 'y'\)"):
        Growing("rows", {"a": [1]}, ROW)


def test_parts_of_one_name_have_files_of_their_own(path: Path) -> None:
    store = Store(path)
    store.open({})
    given = [Growing("history.jsonl", {"a": [number]}) for number in range(3)]
    store.write({"callbacks": given})
    store.close()
    assert [part.columns for part in read(path)[1]["callbacks"]] == [{"a": [n]} for n in range(3)]
    assert names(path.parent) == [
        *("ck", "ck.history-2.jsonl", "ck.history-3.jsonl", "ck.history.jsonl")
    ]


# What grows


def test_rows_are_appended_and_nothing_is_written_anew(path: Path) -> None:
    rows, store = path.with_name("ck.history.jsonl"), Store(path)
    store.open(IDENTITY)
    before, inodes = b"", set()
    for generation in range(1, 30):
        store.write(tree(generation))
        now = rows.read_bytes()
        assert now.startswith(before)
        assert now.count(b"\n") == generation
        before = now
        inodes.add(rows.stat().st_ino)
        assert_holds(path, generation)
    store.close()
    assert len(inodes) == 1
    assert names(path.parent) == FILES


def test_rows_are_read_by_others(path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    write(path, 20)
    table = pandas.read_json(f"{path}.history.jsonl", lines=True, precise_float=True)
    assert table.to_dict("list") == tree(20)["callbacks"][0]["columns"].columns
    table = np.fromfile(f"{path}.all.rows", ROW)
    assert same(list(table["x"]), tree(20)["all"].columns["x"])
    with np.load(path) as stored:
        assert any(np.array_equal(stored[name], tree(20)["population"]) for name in stored.files)


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize("generations", [(9,), (9, 10), (3,), (3, 4), (3, 4, 12)])
def test_a_later_run_goes_on_or_begins_anew(path: Path, generations: Any, seed: int) -> None:
    """After a write of generation 8: further on, or back; of the same run, or of another."""
    write(path, 5, 8)
    rows = path.with_name("ck.history.jsonl")
    inode = rows.stat().st_ino
    write(path, *generations, seed=seed)
    assert_holds(path, generations[-1], seed)
    if generations[0] == 9 and seed == 0:
        assert rows.stat().st_ino == inode
    elif len(generations) == 1:
        assert not rows.exists()  # its rows are of another run, and these are in the checkpoint
    else:
        assert rows.read_bytes().count(b"\n") == generations[-1]


def test_rows_that_change_or_are_taken_away_meanwhile(path: Path) -> None:
    store = write(path, 5, 6, close=False)
    for seed, generation in ((1, 7), (1, 8), (2, 8), (2, 3), (2, 9)):
        store.write(tree(generation, seed))
        assert_holds(path, generation, seed)
    for damage in (lambda rows: rows.unlink(), lambda rows: rows.write_bytes(b"")):
        damage(path.with_name("ck.history.jsonl"))
        for generation in (10, 11):
            store.write(tree(generation, 2))
            assert_holds(path, generation, 2)
    store.close()


def test_files_of_parts_that_are_no_more(path: Path) -> None:
    write(path, 5)
    store = Store(path)
    store.open(IDENTITY)
    store.write({"generation": 1})
    store.close()
    assert read(path)[1] == {"generation": 1}
    assert names(path.parent) == ["ck"]


def test_what_a_kill_left_behind_the_rows_is_dropped(path: Path) -> None:
    write(path, 5)
    with open(f"{path}.history.jsonl", "ab") as file:
        file.write(b'{"generation": 6, "be')
    assert_holds(path, 5)
    write(path, 6, 7)
    assert_holds(path, 7)
    assert Path(f"{path}.history.jsonl").read_bytes().count(b"\n") == 7


# Kills and damage


def _die_at(call: int) -> None:
    """Kill this process before a call of the system, counted from here."""
    left = [call]

    def patched(function: Any) -> Any:
        def call_or_die(*values: Any, **options: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*values, **options)

        return call_or_die

    for name in ("open", "link", "replace", "fsync", "unlink", "fstat", "chmod", "lstat"):
        setattr(os, name, patched(getattr(os, name)))
    np.savez = patched(np.savez)  # type: ignore[assignment]


def _forked(work: Callable[[], Any]) -> bool:
    """Do the work in a child; return whether it was killed."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


@NEEDS_FORK
@pytest.mark.parametrize(
    ("before", "seed", "generations"),
    [
        ((), 0, (1, 2, 3)),
        ((7, 8), 0, (9, 10, 11)),
        ((7, 8), 0, (3, 4, 5)),
        ((7, 8), 1, (1, 2, 3)),
        ((7, 8), 1, (9, 10)),
    ],
    ids=["new", "resumed", "from an older state", "another run", "another, later"],
)
def test_killed_before_every_call_of_the_system(
    path: Path, before: Any, seed: int, generations: Any
) -> None:
    """Some state that was written is there whole, and none that is older than the last known."""
    told = path.with_name("told")
    for call in range(1, 1000):
        for name in os.listdir(path.parent):
            (path.parent / name).unlink()
        write(path, *before)
        told.touch()

        def work(call: int = call) -> None:
            _die_at(call)
            store = Store(path)
            store.open(IDENTITY)
            for generation in generations:
                store.write(tree(generation, seed))
                with told.open("a") as file:
                    file.write(f"{generation}\n")
            store.close()

        killed = _forked(work)
        known = told.read_text().split()
        order = [(before[-1], 0)] if before else [None]
        order += [(generation, seed) for generation in generations]
        possible = order[len(known) : len(known) + 2]
        if path.exists():
            found = read(path)[1]
            assert any(each and same(found, tree(*each)) for each in possible), (call, known)
        else:
            assert possible[0] is None
        if not killed:
            break
        write(path, 20, 21, seed=seed)
        assert_holds(path, 21, seed)
        assert not [name for name in names(path.parent) if name.startswith(".")]
    else:
        pytest.fail("it was always killed")
    assert call > 40


@NEEDS_FORK
def test_killed_at_any_time(path: Path) -> None:
    chance = random.Random(1)
    reached = 0
    for _ in range(25):

        def work(reached: int = reached) -> None:
            store = Store(path)
            store.open(IDENTITY)
            for generation in range(reached + 1, 10**6):
                store.write(tree(generation))

        pid = os.fork()
        if pid == 0:
            work()
            os._exit(1)
        late = time.monotonic() + 10  # on a busy machine the first file takes its time
        while not path.exists() and time.monotonic() < late:
            time.sleep(0.001)
        time.sleep(chance.uniform(0.02, 0.1))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        if path.exists():
            found = read(path)[1]
            assert same(found, tree(found["generation"]))
            assert found["generation"] >= reached
            reached = found["generation"]
    assert reached > 0


def assert_old_or_refused(path: Path, generation: int, before: int | None = None) -> bool:
    """The checkpoint is whole, or the one before it is, which is said, or it is refused."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = read(path)[1]
        except ValueError as error:
            refusal = str(error)
        else:
            refusal = ""
    if refusal:
        assert re.match(rf"{re.escape(str(path))} is (damaged|of an older)", refusal)
        return True
    assert same(found, tree(generation)) or (
        before is not None and caught and same(found, tree(before))
    )
    return bool(caught)


@pytest.mark.parametrize("name", FILES)
def test_a_bit_flipped_or_a_file_cut_anywhere(path: Path, name: str) -> None:
    write(path, 9)
    file, chance = path.with_name(name), random.Random(1)
    data = file.read_bytes()
    noticed = 0
    positions = sorted({*range(0, len(data), 1 + len(data) // 250), len(data) - 1})
    for position in positions:
        damaged = bytearray(data)
        damaged[position] ^= 1 << chance.randrange(8)
        file.write_bytes(damaged)
        noticed += assert_old_or_refused(path, 9)
        file.write_bytes(data[:position])
        assert assert_old_or_refused(path, 9)
    file.write_bytes(data + b"\0")
    assert_old_or_refused(path, 9)
    assert noticed > 0.9 * len(positions)  # some bytes of a zip archive say nothing


def test_damage_while_the_copy_before_is_there(path: Path) -> None:
    die(write(path, 7, 8, close=False))
    data = path.read_bytes()
    for position in range(0, len(data), 41):
        damaged = bytearray(data)
        damaged[position : position + 8] = bytes(8)
        path.write_bytes(damaged)
        assert_old_or_refused(path, 8, before=7)
    path.unlink()
    with pytest.warns(UserWarning, match=r"ck is missing; so .*\.ck\.spare, the one before it, is"):
        found = read(path)[1]
    assert same(found, tree(7))


@pytest.mark.parametrize("main", [None, b"", bytes(5000), "torn"])
def test_a_run_goes_on_from_a_copy(path: Path, main: Any) -> None:
    """Also from one that somebody has put there; and it stays until there is another."""
    write(path, 5, 6)
    spare = path.with_name(".ck.spare")
    shutil.copy(path, spare)
    if main is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:-9] if main == "torn" else main)
    with pytest.warns(UserWarning, match=r"\.ck\.spare, the one before it, is used"):
        assert same(read(path)[1], tree(6))
    store = write(path, close=False)
    store.close()
    assert spare.exists()
    store = write(path, 7, close=False)
    assert_holds(path, 7)
    with open(path, "r+b") as file:  # the disk did not do what it said
        file.truncate(100)
    with pytest.warns(UserWarning, match="is used"):
        assert same(read(path)[1], tree(6))
    store.write(tree(8))
    store.close()
    assert not spare.exists()


def test_file_systems_without_links(path: Path, monkeypatch: Any) -> None:
    def refuse(*names: Any) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write(path, 5, 6, 7)
    assert_holds(path, 7)


def test_a_copy_of_the_files_is_a_checkpoint(path: Path, tmp_path: Path) -> None:
    """Made at any time, if the rows are copied last: more of them than count does no harm."""
    store = write(path, 5, 6, close=False)
    (tmp_path / "backup").mkdir()
    shutil.copy(path, tmp_path / "backup" / "ck")
    store.write(tree(7))
    for name in FILES[1:]:
        shutil.copy(path.with_name(name), tmp_path / "backup" / name)
    store.close()
    assert_holds(tmp_path / "backup" / "ck", 6)
    (tmp_path / "backup" / "ck.history.jsonl").unlink()
    with pytest.raises(ValueError, match=r"backup/ck is damaged: .*ck\.history\.jsonl"):
        read(tmp_path / "backup" / "ck")


# What is not written over


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"my thesis", "is damaged or not a file of 'gacnn checkpoint 2': it is no such file"),
        (b"\x89gacnn1\n" + bytes(99), "is of an older version of gacnn, which this one cannot go"),
        (b"PK\x03\x04" + bytes(99), "is damaged or not a file of"),
    ],
)
def test_what_is_no_checkpoint_is_not_written_over(path: Path, content: Any, message: str) -> None:
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"ck {message}"):
        read(path)
    with pytest.raises(ValueError, match=f"ck {message}.*; it is not written over: remove it"):
        Store(path).open(IDENTITY)
    assert path.read_bytes() == content
    assert names(path.parent) == ["ck"]


def test_a_file_of_a_newer_version(path: Path) -> None:
    files.save_arrays(path, {"format": "gacnn checkpoint 3"}, {})
    before = path.read_bytes()
    for use in (read, lambda path: Store(path).open(IDENTITY)):
        with pytest.raises(ValueError, match="'gacnn checkpoint 3', and so of a newer version"):
            use(path)
    assert path.read_bytes() == before


def test_an_empty_file_is_written_over(path: Path) -> None:
    path.touch()
    write(path, 5)
    assert_holds(path, 5)


def forge(path: Path, change: Callable[[dict[str, Any], dict[str, Any]], Any]) -> None:
    """Change a checkpoint as somebody may who wants to."""
    header, arrays = files.load_arrays(path, stores.FORMAT)
    change(header, arrays)
    files.save_arrays(path, header, arrays)


def _nested(header: dict[str, Any], arrays: Any) -> None:
    for _ in range(900):
        header["tree"] = [header["tree"]]


@pytest.mark.parametrize(
    "change",
    [
        *(
            lambda header, arrays, key=key: header.pop(key)
            for key in ("identity", "tree", "growing", "arrays")
        ),
        lambda header, arrays: header.update(tree={"$array": ["<f4", [10**15]]}),
        lambda header, arrays: header.update(tree={"$array": ["|O", [6, 7]]}),
        lambda header, arrays: header.update(tree={"$array": 3}),
        lambda header, arrays: header.update(tree={"$growing": "none"}),
        lambda header, arrays: header.update(tree={"$objects": {"types": ["eval"]}}),
        lambda header, arrays: header.update(growing=3),
        lambda header, arrays: header["growing"]["history.jsonl"].update(count="many"),
        lambda header, arrays: header["growing"]["history.jsonl"].update(size=-1),
        lambda header, arrays: header["growing"]["history.jsonl"].update(more=[{"other": 3}]),
        lambda header, arrays: header["growing"]["history.jsonl"].update(columns=3),
        *(
            lambda header, arrays, record=record: header["growing"]["all.rows"].update(
                record=record
            )
            for record in (
                *(3, "x", [], [3], [["x", "|O"]], [["x", "<f4", [10**15]], ["y", "<f8"]]),
                *([["x", "<f4", [7]], ["z", "<f8"]], [["x", "<f4", [3]], ["y", "<f8"]]),
                *([["x", "<f4", [7, 0]], ["y", "<f8"]], None),
            )
        ),
        lambda header, arrays: header["growing"].update(
            {"../../victim": header["growing"]["history.jsonl"]}
        ),
    ],
)
def test_checkpoints_that_somebody_has_made_up(path: Path, change: Any) -> None:
    write(path, 5)
    forge(path, change)
    with pytest.raises(ValueError, match=r"ck is damaged"):
        read(path)


# Strangers' folders


def plant(path: Path, kind: str, victim: Path) -> None:
    """Put there what a stranger may: a link to a file of the user's, or a pipe."""
    path.unlink(missing_ok=True)
    if kind == "link":
        path.symlink_to(victim)
    elif kind == "dangling":
        path.symlink_to(victim.with_name("nothing"))
    else:
        os.mkfifo(path)


@NEEDS_PIPES
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
@pytest.mark.parametrize("name", [".ck.spare", ".ck.lock", *FILES])
def test_nothing_but_files_of_the_folder_is_touched(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "run").mkdir()
    path, victim = tmp_path / "run" / "ck", tmp_path / "victim"
    write(path, 5)
    victim.write_text("my thesis\n" * 100)
    victim.chmod(0o600)
    if name.startswith("ck"):  # in place of it its copy, so that only the link is strange
        shutil.copy(path.with_name(name), victim)
    before = victim.read_bytes(), victim.stat().st_mode
    plant(path.with_name(name), kind, victim)
    store = Store(path, follow=False)
    with pytest.raises((OSError, ValueError), match=r"link|pipe"):
        store.open(IDENTITY)
    store.close()
    assert (victim.read_bytes(), victim.stat().st_mode) == before
    assert names(tmp_path) == ["run", "victim"]
    if name.startswith("ck"):
        with pytest.raises((OSError, ValueError), match=r"link|pipe"):
            read(path, follow=False)
    else:
        assert same(read(path)[1], tree(5))


@NEEDS_PIPES
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe"])
def test_what_waits_where_rows_will_be(tmp_path: Path, kind: str) -> None:
    path, victim = tmp_path / "ck", tmp_path / "victim"
    victim.write_text("my thesis")
    plant(tmp_path / "ck.history.jsonl", kind, victim)
    store = Store(path)
    store.open(IDENTITY)
    with pytest.raises(OSError, match=r"(link|pipe).*ck\.history\.jsonl"):
        store.write(tree(5))
    store.close()
    assert names(tmp_path) == ["ck.history.jsonl", "victim"]
    assert victim.read_text() == "my thesis"


def test_a_link_that_the_user_gave_stays_one(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    link = tmp_path / "ck"
    link.symlink_to(tmp_path / "disk" / "run")
    write(link, 5, 6)
    assert link.is_symlink()
    assert_holds(link, 6)
    assert names(tmp_path / "disk") == [name.replace("ck", "run") for name in FILES]
    with pytest.raises(OSError, match=r"symbolic link, and here none is followed: .*ck"):
        Store(link, follow=False).open(IDENTITY)


@pytest.mark.parametrize("follow", [True, False])
def test_a_run_that_goes_to_another_folder(tmp_path: Path, monkeypatch: Any, follow: bool) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    store = Store("ck", follow)
    store.open(IDENTITY)
    store.write(tree(1))
    monkeypatch.chdir(tmp_path / "other")
    store.write(tree(2))
    store.close()
    assert names(tmp_path / "other") == []
    assert_holds(tmp_path / "ck", 2)


@NEEDS_PIPES
def test_what_is_no_file_is_refused_by_its_given_name(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe")
    os.mkdir("folder")
    os.symlink("/dev/zero", "zero")
    for name in ("pipe", "folder", "zero"):
        for use in (read, lambda path: Store(path).open(IDENTITY)):
            with pytest.raises(OSError, match=f": '{name}'$"):
                use(name)
    assert names(tmp_path) == ["folder", "pipe", "zero"]


def test_permissions_are_kept_and_new_files_have_those_of_any_other(path: Path) -> None:
    (path.parent / "other").touch()
    write(path, 5)
    ours = FILES
    modes = {stat.S_IMODE(path.with_name(name).stat().st_mode) for name in (*ours, "other")}
    assert len(modes) == 1
    for name in ours:
        path.with_name(name).chmod(0o640)
    write(path, 6, 7)
    write(path, 1, 2, seed=1)
    assert {stat.S_IMODE(path.with_name(name).stat().st_mode) for name in ours} == {0o640}


# Disks that fail


def test_folders_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none for ck"):
        Store(tmp_path / "none" / "ck").open(IDENTITY)
    with pytest.raises(FileNotFoundError, match="ck"):
        read(tmp_path / "ck")


@pytest.mark.skipif(
    not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere"
)
def test_folders_and_files_without_permission(path: Path) -> None:
    path.parent.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=f"'{re.escape(str(path))}'"):
            Store(path).open(IDENTITY)
    finally:
        path.parent.chmod(0o700)
    write(path, 5)
    path.chmod(0o400)
    with pytest.raises(PermissionError, match=f"'{re.escape(str(path))}'"):
        Store(path).open(IDENTITY)
    assert_holds(path, 5)


@pytest.mark.parametrize("function", ["fsync", "replace", "chmod"])
@pytest.mark.parametrize("fresh", [True, False], ids=["another run", "the same"])
def test_a_write_that_fails_leaves_the_checkpoint(
    path: Path, monkeypatch: Any, function: str, fresh: bool
) -> None:
    """At the first, second, third … call of a function; and the write after that succeeds."""
    write(path, 5, 6)
    working = getattr(os, function)
    for failing in range(8):
        store, calls = Store(path), []
        store.open(IDENTITY)
        left = tree(6 + failing)

        def fail(*values: Any, failing: int = failing, calls: Any = calls) -> None:
            calls.append(values)
            if len(calls) > failing:
                raise OSError(errno.ENOSPC, "No space left on device")
            working(*values)

        with monkeypatch.context() as patch:
            patch.setattr(os, function, fail)
            for _ in range(2):
                try:
                    store.write(tree(7 + failing, seed=int(fresh)))
                except OSError as error:
                    assert str(path) in str(error)  # noqa: PT017 (it does not always fail)
                found = read(path)[1]
                assert same(found, left) or same(found, tree(7 + failing, seed=int(fresh)))
        store.write(tree(7 + failing))
        assert_holds(path, 7 + failing)
        store.close()
    assert not [name for name in names(path.parent) if name.startswith(".")]


def test_temporary_files_of_killed_runs_are_swept(path: Path) -> None:
    for name in (".ck.0123abcd.tmp", ".ck.other", ".ckk.0123abcd.tmp"):
        path.with_name(name).touch()
    write(path)
    assert names(path.parent) == [".ck.other", ".ckk.0123abcd.tmp"]


# Two runs, one path

HOLDER = """
import os, sys, time
from gacnn.checkpoints.store import Store
store = Store(sys.argv[1])
store.open({})
parent = os.getpid()
if len(sys.argv) == 2 or os.fork() == 0:
    print(parent, flush=True)
time.sleep(60)
"""


def holder(path: Path, *more: str) -> subprocess.Popen[str]:
    """Start a process that keeps a path until it is killed."""
    root = str(Path(stores.__file__).parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path), *more],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": root},
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == str(process.pid)
    return process


def test_a_second_run_is_refused_at_once_and_told_by_whom(path: Path) -> None:
    process = holder(path)
    try:
        start = time.monotonic()
        for _ in range(2):
            message = rf"ck is being written by process {process.pid} on .*, since 20.*another path"
            with pytest.raises(ValueError, match=message):
                write(path)
        assert time.monotonic() - start < 0.5
    finally:
        process.kill()
        process.communicate()
    assert path.with_name(".ck.lock").exists()
    write(path, 5)
    assert names(path.parent) == FILES


@NEEDS_FORK
def test_children_of_a_dead_run_do_not_keep_its_path(path: Path) -> None:
    process = holder(path, "with a child")
    process.kill()
    process.wait()
    try:
        write(path, 5)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@NEEDS_FORK
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork:DeprecationWarning")
def test_a_forked_child_touches_nothing(path: Path) -> None:
    """It may leave the run by an exception, or go on with it; the run is its parent's."""
    store = write(path, 3, close=False)
    store.keep(tree(5))
    child = os.fork()
    if not child:
        try:
            with pytest.raises(ValueError, match="ck belongs to a run of another process"):
                store.write(tree(4))
            store.keep(tree(4))
            store.close()
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert_holds(path, 3)
    with pytest.raises(ValueError, match="ck is being written by process"):
        write(path, 9)
    store.close()
    assert_holds(path, 5)


def test_two_runs_of_one_process(path: Path) -> None:
    store = write(path, 5, close=False)
    for _ in range(2):
        with pytest.raises(ValueError, match=f"being written by process {os.getpid()} on "):
            Store(path).open(IDENTITY)
    store.write(tree(6))
    store.close()
    store.close()
    write(path, 7)
    assert_holds(path, 7)


def test_a_lock_that_its_holder_has_just_removed(path: Path, monkeypatch: Any) -> None:
    """Who waits with the old file in hand takes the new one."""
    first = locks.Lock(path, "it")
    first.acquire()
    opened = os.open

    def slow(*values: Any) -> int:
        handle = opened(*values)
        first.release()
        return handle

    second, third = locks.Lock(path, "it"), locks.Lock(path, "it")
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", slow)
        second.acquire()
    with pytest.raises(ValueError, match="it is being written by process"):
        third.acquire()
    second.release()
    assert not path.exists()


def test_file_systems_without_locks(path: Path, monkeypatch: Any) -> None:
    def refuse(handle: int, blocking: bool) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("filelock.lock_descriptor", refuse)
    with pytest.warns(UserWarning, match=r"no file can be locked beside .*ck: see to it"):
        write(path, 5)
    assert_holds(path, 5)


def test_the_rows_of_a_long_run_are_written_once(path: Path) -> None:
    """And the file that is written anew stays as small as it was."""
    history: dict[str, list[Any]] = {"generation": list(range(10_000)), "best": [0.5] * 10_000}
    store = Store(path)
    store.open({})
    for generation in range(300):
        history["generation"].append(generation)
        history["best"].append(generation / 7)
        store.write({"history": Growing("history.jsonl", history)})
        if generation == 0:
            small = path.stat().st_size
    assert path.stat().st_size < small + 200
    store.close()
    assert read(path)[1]["history"].columns == history


def test_headers_are_json(path: Path) -> None:
    write(path, 5)
    with np.load(path, allow_pickle=False) as stored:
        header = json.loads(str(stored["header"]))
    assert header["format"] == "gacnn checkpoint 2"
    assert header["identity"] == IDENTITY
    assert header["tree"]["generation"] == 5
