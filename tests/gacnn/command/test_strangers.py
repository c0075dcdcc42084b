"""The command line in folders of strangers: what is in them is neither followed nor believed."""

import csv
import io
import json
import os
import shutil
import signal
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_command import gacnn, started, wait_for

from cnn import files
from gacnn.algorithm.ga import GA
from gacnn.checkpoints.store import FORMAT
from gacnn.command import commands
from gacnn.command.settings import Settings
from gacnn.command.terminal import cell

NEEDS_PIPES = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no such pipes")
CLASSES = ("=1+1", "\x1b[31mred\n")
LIMITS = ("--generations", "3", "--population", "4")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Images of two classes whose names steer terminals and spreadsheets."""
    path = tmp_path_factory.mktemp("data") / "d.npz"
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (60, 6, 6), np.uint8), np.arange(60) % 2
    np.savez(path, x=x, y=y, class_names=np.array(CLASSES))
    return path


@pytest.fixture(scope="module")
def finished(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("finished") / "run"
    assert gacnn("train", data, "--out", out, *LIMITS) == 0
    return out


@pytest.fixture
def run(finished, tmp_path):
    """A copy of a run, as a stranger may hand it out."""
    return shutil.copytree(finished, tmp_path / "run")


WRITTEN = ("settings.json", "results.json", "model.npz", "history.csv", "fitness.png", "checkpoint")
WRITTEN += ("checkpoint.history.jsonl", ".lock", ".checkpoint.spare", ".checkpoint.lock")


@pytest.mark.parametrize("command", ["train", "resume", "predict", "evaluate", "info", "export"])
def test_links_that_lead_in_a_circle(run, command, tmp_path, capsys):
    for name, other in (("one", "two"), ("two", "one")):
        (tmp_path / name).symlink_to(tmp_path / other)
    circle = str(tmp_path / "one")
    more = {"predict": [run], "evaluate": [run], "export": [run]}.get(command, [])
    rest = {"train": ["--out", tmp_path / "new"]}.get(command, [])
    assert gacnn(command, *more, circle, *rest) == 1
    assert circle in capsys.readouterr().err


@NEEDS_PIPES
@pytest.mark.parametrize("kind", ["link", "dangling", "pipe", "folder"])
@pytest.mark.parametrize("name", WRITTEN)
def test_nothing_outside_of_the_folder_is_written(run, name, kind, capsys):
    victim = run.parent / "victim"
    victim.write_bytes((run / name).read_bytes() if (run / name).exists() else b"my thesis")
    victim.chmod(0o600)
    before = victim.read_bytes(), victim.stat().st_mode
    (run / name).unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(run / name)
    elif kind == "folder":
        (run / name).mkdir()
    else:
        (run / name).symlink_to(victim if kind == "link" else run.parent / "nothing")
    capsys.readouterr()
    assert gacnn("resume", run, "--generations", 5) == 1
    error = capsys.readouterr().err
    assert str(run / name) in error
    assert any(word in error for word in ("symbolic link", "pipe", "directory"))
    assert (victim.read_bytes(), victim.stat().st_mode) == before
    assert not (run.parent / "nothing").exists()


@NEEDS_PIPES
@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("settings.json", ["info", "evaluate", "export", "train"]),
        ("start.npz", ["resume"]),
        ("model.npz", ["info", "evaluate", "export"]),
        ("results.json", ["info"]),
        ("checkpoint", ["resume"]),
    ],
)
def test_pipes_are_not_waited_for(run, name, commands, capsys):
    (run / name).unlink()
    os.mkfifo(run / name)
    more = {"export": [run.parent / "a.onnx"], "resume": ["--generations", 5]}
    for command in commands:
        options = ["digits", "--out", run] if command == "train" else [run, *more.get(command, [])]
        assert gacnn(command, *options) == 1
        said = f"gacnn: {run / name}: This is no file, but a pipe or a device"
        assert said in capsys.readouterr().err


@NEEDS_PIPES
def test_what_is_no_file_is_refused_by_its_given_name(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("f.npz")
    os.symlink("/dev/zero", "zero")
    for name in ("f.npz", "zero"):
        for command in (
            ("info", name),
            ("export", name, "a.onnx"),
            ("train", "digits", "--out", "o", "--model", name),
        ):
            assert gacnn(*command) == 1
            assert f"gacnn: {name}: This is no file" in capsys.readouterr().err
    assert gacnn("train", "f.npz", "--out", "o") == 1
    assert "f.npz is a pipe or device" in capsys.readouterr().err
    assert sorted(os.listdir()) == ["f.npz", "zero"]


def test_a_link_to_the_folder_itself_is_the_users_own(run, tmp_path, capsys):
    (tmp_path / "link").symlink_to(run)
    assert gacnn("resume", tmp_path / "link", "--generations", 5) == 0


# What is in files of JSON

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)
extremes = st.sampled_from([10**400, 2**64, -1, float("nan"), "\ud800", "\0", "", {}, [[[]]]])


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_settings_of_any_content(run, data, capsys, monkeypatch):
    """One sentence, whatever somebody has put there, or what it holds is what was meant."""
    monkeypatch.setattr(commands, "_evolution", lambda *_: lambda **_: 0)  # it may never end
    path = run / data.draw(st.sampled_from(["settings.json", "results.json"]))
    original = path.read_text()
    values = json.loads(original)
    names = data.draw(st.sets(st.sampled_from(sorted(values)), min_size=1, max_size=3))
    for name in names - {"data", "class_names"}:
        if data.draw(st.booleans()):
            values[name] = data.draw(json_values | extremes)
        else:
            del values[name]
    try:
        path.write_text(json.dumps(values))
        for command in (("info", run), ("predict", run, "none.png"), ("resume", run)):
            gacnn(*command)
            assert "Traceback" not in capsys.readouterr().err
    finally:
        path.write_text(original)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "none of a run"),
        ("[" * 100_000, "none of a run"),
        ('{"a":' * 100_000, "recursion"),
        ("{" + " " * 2**25, "Expecting property name"),
        ('{"format": "gacnn run 2"}', "newer version of gacnn; get that by `pip install"),
        ('{"format": "gacnn run 1"}', "it does not say "),
        ('{"format": ["gacnn run 1"]}', "its format is another"),
        ("\udcff", "none of a run"),
    ],
    ids=["empty", "brackets", "braces", "blanks", "newer", "lacking", "list", "bytes"],
)
def test_settings_that_are_none(run, content, reason, capsys):
    (run / "settings.json").write_text(content, errors="surrogateescape")
    for command in (("info", run), ("resume", run), ("evaluate", run)):
        assert gacnn(*command) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        assert f"{run / 'settings.json'} is damaged, or not of 'gacnn run 1'" in error
        assert reason in error


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"], "ab", 3, [1, 2], None])
def test_class_names_that_do_not_fit_the_network(run, names, capsys):
    stored = json.loads((run / "settings.json").read_text())
    (run / "settings.json").write_text(json.dumps({**stored, "class_names": names}))
    for command in (("predict", run, "none.png"), ("evaluate", run), ("info", run)):
        assert gacnn(*command) == 1
        assert "class" in capsys.readouterr().err


def test_settings_of_an_older_version_lack_what_is_new(run, capsys):
    stored = json.loads((run / "settings.json").read_text())
    del stored["checkpoint_seconds"], stored["memory_limit"]
    (run / "settings.json").write_text(json.dumps(stored))
    assert gacnn("resume", run, "--generations", 4) == 0


def test_settings_are_what_they_were():
    given = {
        "data": "digits", "size": None, "test_share": 0.2, "shift": 0.0, "flip": False,
        "num_solutions": 64, "num_generations": None, "time_limit": 3.0, "early_stopping": True,
        "batch_size": None, "metric": "accuracy", "random_seed": 0,
    }  # fmt: skip
    assert Settings.of(given) == Settings(**given)
    assert Settings.of({**given, "size": [3, 4]}).size == (3, 4)


# Names


def test_names_steer_no_terminal(finished, data, capsys, tmp_path):
    image = tmp_path / "\x1b[2J\n=evil.png"
    Image = pytest.importorskip("PIL.Image")
    Image.new("L", (6, 6)).save(image)
    assert gacnn("info", finished) == 0
    assert gacnn("evaluate", finished) == 0
    assert gacnn("evaluate", finished, data) == 0
    assert gacnn("predict", finished, image) == 0
    assert gacnn("predict", finished, "--csv", image) == 0
    assert gacnn("predict", finished, "\x1b]0;none.png") == 1
    assert gacnn("info", "\x1b]0;none") == 1
    assert gacnn("train", data, "--out", tmp_path / "\x1b[2J", *LIMITS) == 0
    with pytest.raises(SystemExit):
        gacnn("predict", finished, "--\x1b[2J")
    output, error = capsys.readouterr()
    for text in (output, error):
        lines = text.splitlines()
        assert all(character.isprintable() for line in lines for character in line)
        assert not any(line.startswith(("red", "=evil")) for line in lines)
    assert r"\x1b[31mred\n" in output
    assert r"\x1b[2J\n=evil.png" in output


def test_cells_are_no_formulas(finished, capsys, tmp_path, monkeypatch):
    Image = pytest.importorskip("PIL.Image")
    monkeypatch.chdir(tmp_path)
    names = ["=cmd.png", "+1.png", "@a.png", "\t=b.png", "a=b.png"]
    for name in names:
        Image.new("L", (6, 6)).save(name)
    assert gacnn("predict", finished, "--csv", *names) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["file", "class", "'=1+1", r"\x1b[31mred\n"]
    assert [row[0] for row in rows] == ["'=cmd.png", "'+1.png", "'@a.png", r"\t=b.png", "a=b.png"]
    assert {row[1] for row in rows} <= {"'=1+1", r"\x1b[31mred\n"}


@pytest.mark.parametrize("text", ["-1", " =1", "\uff1d1", "=", "@"])
def test_what_begins_like_a_formula(text):
    assert cell(text) == f"'{text}"


# Resources and signals


def test_archives_that_unpack_to_more_than_they_may(data, tmp_path, capsys):
    out = tmp_path / "run"
    assert gacnn("train", data, "--out", out, "--memory-limit", "1K", *LIMITS) == 1
    assert "over the limit of 1,024" in capsys.readouterr().err
    assert gacnn("train", data, "--out", out, "--memory-limit", "30M", *LIMITS) == 0
    assert json.loads((out / "settings.json").read_text())["memory_limit"] == 30 * 2**20
    assert gacnn("evaluate", out, data, "--memory-limit", "1k") == 1
    with pytest.raises(SystemExit):
        gacnn("train", data, "--out", out, "--memory-limit", "much")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_sigterm_ends_a_run_as_schedulers_want_it(data, tmp_path):
    out = tmp_path / "run"
    process = started("train", data, "--out", out, "--time-limit", 60, "--checkpoint-seconds", 30)
    wait_for(out / "checkpoint")
    process.send_signal(signal.SIGTERM)
    output, error = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert f"go on with `gacnn resume {out}`" in output
    assert "the signal again stops at once" in error
    assert json.loads((out / "results.json").read_text())["finished"] is False
    generations = json.loads((out / "results.json").read_text())["generations"]
    rows = (out / "checkpoint.history.jsonl").read_text().splitlines()
    assert len(rows) == generations  # nothing is lost


@pytest.mark.filterwarnings("default")
def test_resume_goes_on_from_the_copy_before(run, capsys):
    (run / "checkpoint").rename(run / ".checkpoint.spare")
    assert gacnn("resume", run, "--generations", 5) == 0
    error = capsys.readouterr().err
    assert f"gacnn: {run / 'checkpoint'} is missing; so {run / '.checkpoint.spare'}" in error
    assert error.count("is missing") == 1


def changed(value, data):
    """Return a tree of JSON with something somewhere left out or put in place of something."""
    if isinstance(value, dict | list) and len(value) and data.draw(st.integers(0, 3)):
        keys = sorted(value) if isinstance(value, dict) else range(len(value))
        key, copied = data.draw(st.sampled_from(list(keys))), value.copy()
        if data.draw(st.integers(0, 4)):
            copied[key] = changed(value[key], data)
        else:
            del copied[key]
        return copied
    return data.draw(json_values | extremes)


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_checkpoints_that_somebody_has_made_up(run, data, capsys, monkeypatch):
    """As those of other versions are: all is told in a sentence, or it is taken for what it is."""
    monkeypatch.setattr(GA, "run", lambda ga: ga._take_up(ga._resumed))  # it may never end
    header, arrays = files.load_arrays(run / "checkpoint", FORMAT)
    part = data.draw(st.sampled_from(["tree", "identity"]))
    whole = (run / "checkpoint").read_bytes()
    try:
        files.save_arrays(run / "checkpoint", {**header, part: changed(header[part], data)}, arrays)
        for command in (("info", run / "checkpoint"), ("resume", run, "--generations", 9)):
            gacnn(*command)
            assert "Traceback" not in capsys.readouterr().err
    finally:
        (run / "checkpoint").write_bytes(whole)
