"""The command line: what it makes, says and returns."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import cnn
from gacnn.command import main

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

WRITTEN = {
    "settings.json", "start.npz", "checkpoint", "model.npz", "results.json", "history.csv",
    "fitness.png", "filters.png", "confusion.png", "wrong.png",
}  # fmt: skip
QUICK = ["--generations", "3", "--population", "6"]


def gacnn(*arguments):
    return main([str(each) for each in arguments])


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """A folder of 12 bright and 12 dark pictures of several sizes."""
    folder, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for name, light in (("bright", 155), ("dark", 0)):
        (folder / name).mkdir()
        for number in range(12):
            pixels = rng.integers(light, light + 100, (10 + number % 3, 12, 3), np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def run(photos, tmp_path_factory):
    """The folder of a run that tells bright from dark."""
    out = tmp_path_factory.mktemp("runs") / "photos"
    arguments = ["--out", out, "--size", 8, "--flip", "--shift", 1, "--generations", 60]
    assert gacnn("train", photos, *arguments, "--population", 16) == 0
    return out


def test_a_run_from_train_to_export(run, photos, capsys, tmp_path, monkeypatch):
    assert {path.name for path in run.iterdir()} == WRITTEN
    assert gacnn("evaluate", run) == 0
    assert "100.0% of 5 images are right" in capsys.readouterr().out
    monkeypatch.chdir(photos)
    assert gacnn("predict", run, "dark/1.png", "bright/2.png") == 0
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"dark/1\.png +dark  \d+\.\d%", first)
    assert re.fullmatch(r"bright/2\.png +bright  \d+\.\d%", second)
    assert gacnn("predict", run, "--csv", "dark/1.png") == 0
    header, row = capsys.readouterr().out.splitlines()
    assert header == "file,class,bright,dark"
    assert float(row.split(",")[3]) > 0.5
    pytest.importorskip("onnx")
    assert gacnn("export", run, tmp_path / "photos.onnx") == 0
    assert (tmp_path / "photos.onnx").stat().st_size > 1000


def test_evaluate_on_other_data(run, photos, capsys, tmp_path):
    assert gacnn("evaluate", run, photos) == 0
    assert "of 24 images are right" in capsys.readouterr().out
    (tmp_path / "grey").mkdir()
    (tmp_path / "grey/1.png").write_bytes((photos / "dark/1.png").read_bytes())
    assert gacnn("evaluate", run, tmp_path) == 1
    assert "the classes grey, which the run does not know" in capsys.readouterr().err


def test_info(run, capsys):
    for path, shown in (
        (run, "finished: yes"),
        (run / "model.npz", "Output shape"),
        (run / "checkpoint", "generations: 60"),
    ):
        assert gacnn("info", path) == 0
        assert shown in capsys.readouterr().out


def test_npz_and_idx_keep_their_test_images(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X, y = rng.integers(0, 256, (30, 6, 6), np.uint8), np.arange(30) % 3
    np.savez(tmp_path / "data.npz", x_train=X, y_train=y, x_test=X[:7], y_test=y[:7])
    assert gacnn("train", tmp_path / "data.npz", "--out", tmp_path / "a", *QUICK) == 0
    assert "30 images to train on, 7 set aside" in capsys.readouterr().out
    (tmp_path / "idx").mkdir()
    for name, array in (("images-idx3", X), ("labels-idx1", y.astype(np.uint8))):
        head = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
        (tmp_path / f"idx/train-{name}-ubyte").write_bytes(head + array.tobytes())
    assert gacnn("train", tmp_path / "idx", "--out", tmp_path / "b", *QUICK) == 0
    assert "24 images to train on, 6 set aside" in capsys.readouterr().out


def test_nothing_set_aside_and_a_network_to_begin_with(run, photos, tmp_path, capsys):
    out, size = tmp_path / "run", ("--size", 8)
    model, share = ("--model", run), ("--test-share", 0)
    assert gacnn("train", photos, "--out", out, *size, *model, *share, *QUICK) == 0
    begun, trained = cnn.load(out / "start.npz"), cnn.load(run / "model.npz")
    np.testing.assert_array_equal(begun.weights, trained.weights)
    assert "24 images to train on, 0 set aside" in capsys.readouterr().out
    assert gacnn("evaluate", out) == 1
    assert "has set no images aside" in capsys.readouterr().err
    assert gacnn("train", photos, "--out", tmp_path / "b", "--size", 9, *model) == 1
    assert "takes images of (8, 8, 3)" in capsys.readouterr().err


def test_resume_goes_on_to_the_same_end(photos, tmp_path, capsys):
    whole, part = tmp_path / "whole", tmp_path / "part"
    common = ["--size", 8, "--population", 6, "--seed", 3]
    assert gacnn("train", photos, "--out", whole, *common, "--generations", 8) == 0
    assert gacnn("train", photos, "--out", part, *common, "--generations", 4) == 0
    capsys.readouterr()
    assert gacnn("resume", part) == 1
    assert "finished after 4 generations" in capsys.readouterr().err
    assert gacnn("resume", part, "--generations", 8) == 0
    assert json.loads((part / "results.json").read_text())["generations"] == 8
    assert (part / "history.csv").read_text().count("\n") == 9


def started(*arguments):
    command = [sys.executable, "-m", "gacnn", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(cnn.__file__).parent.parent,
        env={**os.environ, "MPLBACKEND": "agg"},
    )


def wait_for(file):
    deadline = time.monotonic() + 60
    while not file.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_interrupted_and_killed_runs_go_on(photos, tmp_path):
    out = tmp_path / "run"
    limit = ("--size", 8, "--population", 6, "--time-limit", 60)
    process = started("train", photos, "--out", out, *limit)
    wait_for(out / "checkpoint")
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"go on with `gacnn resume {out}`" in output
    assert json.loads((out / "results.json").read_text())["finished"] is False

    killed = tmp_path / "killed"
    process = started("train", photos, "--out", killed, *limit)
    wait_for(killed / "checkpoint")
    process.kill()
    process.communicate()
    process = started("predict", killed, photos / "dark/1.png")
    assert "because its run was killed; finish it by" in process.communicate()[1]
    assert process.returncode == 1
    process = started("resume", killed, "--time-limit", "0.1")
    assert "all is in" in process.communicate()[0]
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train", "nowhere", "--out", "new"], "not there"),
        (["train", "nowhere.npz", "--out", "new"], "No such file"),
        (["resume", "nowhere"], "is not the folder of a run"),
        (["predict", "RUN", "nowhere.png"], "No such file"),
        (["predict", "RUN", "settings.json"], "is no kind of image"),
        (["export", "RUN", "model.pt"], "must end in .onnx"),
        (["export", "settings.json", "model.onnx"], "damaged or not a file of"),
        (["info", "settings.json"], "damaged or no checkpoint"),
        (["info", "nowhere"], "No such file"),
    ],
)
def test_what_is_wrong_is_named(arguments, complaint, run, capsys, monkeypatch):
    monkeypatch.chdir(run)
    assert gacnn(*(run if each == "RUN" else each for each in arguments)) == 1
    error = capsys.readouterr().err
    assert error.startswith("gacnn: ")
    assert complaint in error
    assert not (run / "new").exists()


def test_a_folder_with_a_run_is_not_overwritten(run, photos, capsys):
    before = (run / "model.npz").read_bytes()
    assert gacnn("train", photos, "--out", run, "--size", 8) == 1
    assert "holds a run already; go on with it by `gacnn resume" in capsys.readouterr().err
    assert (run / "model.npz").read_bytes() == before


@pytest.mark.parametrize("name", ["settings", "results"])
def test_damaged_json(name, run, tmp_path, capsys):
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in run.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    for content in ("{", "[]", '{"format": "other"}', '{"format": "gacnn run 1"}'):
        (copy / f"{name}.json").write_text(content)
        assert gacnn("info", copy) == 1, content
        assert f"{name}.json" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["train", "digits"],
        ["train", "digits", "--out", "a", "--size", "0x3"],
        ["train", "digits", "--out", "a", "--test-share", "1"],
        ["train", "digits", "--out", "a", "--time-limit", "soon"],
        ["dance"],
    ],
)
def test_a_wrong_command_line_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        gacnn(*arguments)
    assert caught.value.code == 2
    assert "usage: gacnn" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        gacnn(*arguments)
    assert caught.value.code == 0
    assert "gacnn" in capsys.readouterr().out


def test_pictures_are_left_out_without_matplotlib(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert gacnn("train", photos, "--out", tmp_path / "run", "--size", 8, *QUICK) == 0
    assert "no pictures" in capsys.readouterr().err
    assert (tmp_path / "run/model.npz").exists()
