"""The command line: what it makes, says and returns."""

import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

import cnn
from gacnn import plots
from gacnn.checkpoints.store import Store
from gacnn.command import commands
from gacnn.command.main import main
from gacnn.command.run_folder import RunFolder
from gacnn.training.training import Training

pytest.importorskip("matplotlib")
Image = pytest.importorskip("PIL.Image")

WRITTEN = {
    "settings.json", "start.npz", "checkpoint", "checkpoint.best.jsonl",
    "checkpoint.history.jsonl", "model.npz", "results.json", "history.csv",
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
    (tmp_path / "dark").mkdir()
    Image.open(photos / "dark/1.png").convert("L").save(tmp_path / "dark/1.png")
    assert gacnn("evaluate", run, tmp_path) == 0  # grey images for a network of colours
    assert "of 1 images are right" in capsys.readouterr().out
    (tmp_path / "dark").rename(tmp_path / "grey")
    assert gacnn("evaluate", run, tmp_path) == 1
    assert "the classes grey, which the run does not know" in capsys.readouterr().err


def test_evaluate_on_arrays(run, tmp_path, capsys):
    X, names = np.full((3, 8, 8, 3), 255, np.uint8), ["dark", "grey", "bright"]
    np.savez(tmp_path / "data.npz", x=X, y=[2, 2, 0], class_names=names)  # none is grey
    assert gacnn("evaluate", run, tmp_path / "data.npz") == 0
    assert "66.7% of 3 images are right" in capsys.readouterr().out
    np.savez(tmp_path / "data.npz", x=X[:, 1:], y=[2, 2, 0], class_names=names)
    assert gacnn("evaluate", run, tmp_path / "data.npz") == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'data.npz'} holds images of (7, 8, 3)" in error
    assert "on images of (8, 8, 3)" in error


def test_predict_names_bad_files_and_goes_on(run, photos, tmp_path, capsys):
    (tmp_path / "bad.png").write_bytes(b"no image")
    files = (
        photos / "dark/1.png",
        tmp_path / "bad.png",
        tmp_path / "none.png",
        photos / "dark/2.png",
    )
    assert gacnn("predict", run, *files) == 1
    output, error = capsys.readouterr()
    assert [line.split()[0] for line in output.splitlines()] == [str(files[0]), str(files[3])]
    assert "bad.png cannot be read as an image" in error
    assert "No such file" in error
    assert error.count("gacnn: ") == 2


def test_info(run, capsys):
    for path, shown in (
        (run, "finished: yes"),
        (run, "test accuracy: 100.0%\n"),
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


def test_a_network_whose_classes_are_in_another_order(run, photos, tmp_path, capsys):
    model = cnn.load(run / "model.npz")
    model.class_names = model.class_names[::-1]
    model.save(tmp_path / "other.npz")
    options = "--size", 8, "--model", tmp_path / "other.npz", *QUICK
    assert gacnn("train", photos, "--out", tmp_path / "run", *options) == 1
    said = capsys.readouterr().err
    assert "its output 0 is 'dark', and label 0 of the data is 'bright'" in said
    model.class_names = ["left", "right"]
    model.save(tmp_path / "other.npz")
    assert gacnn("train", photos, "--out", tmp_path / "run", *options) == 0


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


def test_one_process_at_a_time_evolves_a_run(photos, tmp_path, capsys):
    out = tmp_path / "run"
    assert gacnn("train", photos, "--out", out, "--size", 8, *QUICK) == 0
    before = {path: path.read_bytes() for path in out.iterdir()}
    with RunFolder(out).locked():
        assert gacnn("resume", out, "--generations", 100) == 1
        message = f"{out} is being written by process {os.getpid()} on "
        assert message in capsys.readouterr().err
        assert gacnn("evaluate", out) == 0
    assert {path: path.read_bytes() for path in out.iterdir()} == before
    assert gacnn("resume", out, "--generations", 10) == 0


def settings(folder):
    return json.loads((folder / "settings.json").read_text())


def test_limits_that_leave_nothing_to_do_change_nothing(photos, tmp_path, capsys):
    timed, counted = tmp_path / "timed", tmp_path / "counted"
    common = ["--size", 8, "--population", 6]
    assert gacnn("train", photos, "--out", timed, *common, "--time-limit", 0.2) == 0
    assert gacnn("train", photos, "--out", counted, *common, "--generations", 4) == 0
    capsys.readouterr()
    for run, limit, cure in (
        (timed, ("--generations", 10**6), "larger --time-limit"),
        (timed, ("--time-limit", 0.1), "larger --time-limit"),
        (timed, ("--time-limit", 100, "--generations", 1), "larger --generations"),
        (counted, ("--time-limit", 100), "larger --generations"),
        (counted, ("--generations", 3), "larger --generations"),
    ):
        before = settings(run)
        assert gacnn("resume", run, *limit) == 1
        assert cure in capsys.readouterr().err
        assert settings(run) == before


def test_a_time_limit_counts_the_making_of_the_network(photos, tmp_path, capsys, monkeypatch):
    make = commands.default_network

    def slow(*arguments, **options):
        time.sleep(0.3)
        return make(*arguments, **options)

    monkeypatch.setattr(commands, "default_network", slow)
    run = ("train", photos, "--out", tmp_path / "run", "--size", 8, "--population", 6)
    assert gacnn(*run, "--time-limit", 0.2) == 0
    assert settings(tmp_path / "run")["network_seconds"] >= 0.3
    assert json.loads((tmp_path / "run/results.json").read_text())["generations"] == 1
    capsys.readouterr()
    assert gacnn("resume", tmp_path / "run", "--time-limit", 0.3) == 1
    assert "larger --time-limit" in capsys.readouterr().err


def test_a_limit_of_the_other_kind_can_be_added(photos, tmp_path):
    timed, counted = tmp_path / "timed", tmp_path / "counted"
    common = ["--size", 8, "--population", 6, "--test-share", 0]
    assert gacnn("train", photos, "--out", timed, *common, "--time-limit", 0.1) == 0
    done = json.loads((timed / "results.json").read_text())["generations"]
    assert gacnn("resume", timed, "--time-limit", 60, "--generations", done + 3) == 0
    assert json.loads((timed / "results.json").read_text())["generations"] == done + 3
    assert gacnn("train", photos, "--out", counted, *common, "--generations", 3) == 0
    limit = json.loads((counted / "results.json").read_text())["seconds"] + 0.5
    assert gacnn("resume", counted, "--time-limit", limit, "--generations", 10**6) == 0
    assert json.loads((counted / "results.json").read_text())["generations"] < 10**6


@pytest.mark.parametrize("moment", ["training", "drawing"])
def test_a_resume_that_is_stopped_at_once_has_not_ended(
    moment, photos, tmp_path, capsys, monkeypatch
):
    out = tmp_path / "a run"
    common = ["--size", 8, "--population", 6]
    assert gacnn("train", photos, "--out", out, *common, "--generations", 4) == 0
    with monkeypatch.context() as patched:
        where = {"training": (Training, "run"), "drawing": (plots, "fitness")}[moment]
        patched.setattr(*where, lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
        assert gacnn("resume", out, "--generations", 8) == 130
    assert f"go on with the run by `gacnn resume '{out}'`" in capsys.readouterr().err
    assert json.loads((out / "results.json").read_text())["finished"] is False
    assert gacnn("resume", out) == 0
    assert json.loads((out / "results.json").read_text())["generations"] == 8


def test_images_that_have_changed_are_not_gone_on_with(photos, tmp_path, capsys):
    data, run = tmp_path / "data", tmp_path / "run"
    shutil.copytree(photos, data)
    assert gacnn("train", data, "--out", run, "--size", 8, *QUICK) == 0
    (data / "dark/3.png").rename(tmp_path / "3.png")
    before = settings(run)
    for command in (("evaluate", run), ("resume", run, "--generations", 5)):
        assert gacnn(*command) == 1
        assert f"{data} does not hold the images that {run} was" in capsys.readouterr().err
    (tmp_path / "3.png").rename(data / "dark/3.png")
    (data / "dark").rename(data / "night")  # the same pictures and order of classes
    assert gacnn("resume", run, "--generations", 5) == 1
    assert "files or classes have changed" in capsys.readouterr().err
    data.rename(tmp_path / "elsewhere")
    assert gacnn("resume", run, "--generations", 5) == 1
    assert f'moved, change "data" in {run}/settings.json' in capsys.readouterr().err
    assert settings(run) == before


def test_a_run_without_its_checkpoint_is_not_begun_anew(photos, tmp_path, capsys):
    run = tmp_path / "run"
    assert gacnn("train", photos, "--out", run, "--size", 8, *QUICK) == 0
    trained = (run / "model.npz").read_bytes()
    (run / "checkpoint").unlink()
    assert gacnn("resume", run, "--generations", 5) == 1
    assert "checkpoint is missing" in capsys.readouterr().err
    assert (run / "model.npz").read_bytes() == trained


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


def test_a_full_disk_is_named_and_the_run_goes_on(photos, tmp_path, capsys, monkeypatch):
    out = tmp_path / "run"
    write = Store.write

    def full(store, tree):
        if store.path.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(store, tree)

    with monkeypatch.context() as patched:
        patched.setattr(Store, "write", full)
        assert gacnn("train", photos, "--out", out, "--size", 8, *QUICK) == 1
    error = capsys.readouterr().err
    assert "No space left" in error
    assert f"go on with the run by `gacnn resume {out}`" in error
    assert "Traceback" not in error
    assert gacnn("resume", out) == 0


@pytest.mark.skipif(sys.platform == "win32", reason="pipes")
@pytest.mark.parametrize("buffered", ["", "1"])
def test_output_that_nobody_reads(buffered, run):
    read, write = os.pipe()
    os.close(read)
    process = subprocess.run(
        [sys.executable, "-m", "gacnn", "info", str(run)],
        stdout=write,
        stderr=subprocess.PIPE,
        cwd=Path(cnn.__file__).parent.parent,
        env={**os.environ, "PYTHONUNBUFFERED": buffered},
    )
    os.close(write)
    assert (process.returncode, process.stderr) == (1, b"")


@pytest.mark.skipif(sys.platform != "linux", reason="names of files are text elsewhere")
def test_names_that_are_no_text(run, photos, tmp_path):
    file = os.fsencode(tmp_path) + b"/caf\xe9.png"
    shutil.copy(photos / "dark/1.png", file)
    process = started("predict", run, os.fsdecode(file))
    output, error = process.communicate()
    assert error == ""
    assert "caf\\udce9.png  dark" in output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["train", "nowhere", "--out", "new"], "nowhere: No such file"),
        (["train", "nowhere.npz", "--out", "new"], "No such file"),
        (["resume", "nowhere"], "is not the folder of a run"),
        (["predict", "RUN", "nowhere.png"], "No such file"),
        (["predict", "RUN", "settings.json"], "cannot be read as an image"),
        (["evaluate", ".."], "is not the folder of a run"),
        (["export", "RUN", "model.pt"], "must end in .onnx"),
        (["export", "..", "model.onnx"], "is not the folder of a run"),
        (["export", "settings.json", "model.onnx"], "damaged or not a file of"),
        (["info", "settings.json"], "settings.json is damaged or not a file of"),
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


@pytest.mark.parametrize(
    ("labels", "options", "complaint"),
    [
        ([0] * 10, (), "leaves images of 1 class to train on"),
        ([0, 1] * 5, ("--batch-size", 9), "at most the number of images to train on, 8, not 9"),
        ([0, 1] * 5, ("--size", "8"), "--size is for folders of images; those of .* are 6 x 6"),
        ([0, 1] * 5, ("--model", "run"), "--model takes images of"),
    ],
)
def test_data_that_do_not_fit_leave_no_folder(labels, options, complaint, run, tmp_path, capsys):
    np.savez(tmp_path / "data.npz", x=np.zeros((len(labels), 6, 6), np.uint8), y=labels)
    options = [run if each == "run" else each for each in options]
    assert gacnn("train", tmp_path / "data.npz", "--out", tmp_path / "new", *QUICK, *options) == 1
    assert re.search(complaint, capsys.readouterr().err)
    assert not (tmp_path / "new").exists()


@pytest.mark.filterwarnings("always")
def test_classes_without_images_are_a_line_of_warning(tmp_path, capsys):
    data = {"x": np.zeros((10, 6, 6), np.uint8), "y": [0, 2] * 5, "class_names": list("abcd")}
    np.savez(tmp_path / "data.npz", **data)
    assert gacnn("train", tmp_path / "data.npz", "--out", tmp_path / "run", *QUICK) == 0
    lines = capsys.readouterr().err.splitlines()
    (complaint,) = (line for line in lines if "no image of b, d, which" in line)
    assert complaint.startswith("gacnn: y holds 2 of the 4 classes of the network")


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
        ["train", "digits"],
        ["train", "digits", "--out", "a", "--size", "0x3"],
        ["train", "digits", "--out", "a", "--test-share", "1"],
        ["train", "digits", "--out", "a", "--time-limit", "soon"],
        ["train", "digits", "--out", "a", "--time-limit", "nan"],
        ["train", "digits", "--out", "a", "--population", "1"],
        ["train", "digits", "--out", "a", "--batch-size", "0"],
        ["train", "digits", "--out", "a", "--generations", "0"],
        ["train", "digits", "--out", "a", "--generations", "2.5"],
        ["train", "digits", "--out", "a", "--seed", "-1"],
        ["train", "digits", "--out", "a", "--seed", str(2**32)],
        ["dance"],
    ],
)
def test_a_wrong_command_line_is_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        gacnn(*arguments)
    assert caught.value.code == 2
    usage, wrong, more = capsys.readouterr().err.splitlines()  # no wall of options before it
    assert usage.startswith("usage: gacnn")
    assert ": error: " in wrong
    assert more.endswith("--help lists all options")


@pytest.mark.parametrize("arguments", [["--help"], ["train", "--help"], ["--version"]])
def test_help(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        gacnn(*arguments)
    assert caught.value.code == 0
    assert "gacnn" in capsys.readouterr().out


@pytest.mark.filterwarnings("always")
def test_pictures_are_left_out_without_matplotlib(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    assert gacnn("train", photos, "--out", tmp_path / "run", "--size", 8, *QUICK) == 0
    assert "gacnn: no pictures of fitness, filters" in capsys.readouterr().err
    assert (tmp_path / "run/results.json").exists()


@pytest.mark.filterwarnings("always")
def test_pictures_that_fail_do_not_cost_the_run(photos, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(plots, "filters", lambda _: int("none"))
    assert gacnn("train", photos, "--out", tmp_path / "run", "--size", 8, *QUICK) == 0
    assert "gacnn: no pictures of filters: invalid literal" in capsys.readouterr().err
    assert (tmp_path / "run/results.json").exists()
    drawn = {path.name for path in (tmp_path / "run").glob("*.png")}
    assert {"fitness.png", "confusion.png", "wrong.png"} == drawn


# What pixels mean, from train to export


def idx(array):
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes()


@pytest.fixture
def bits(tmp_path):
    """Images of zeros and ones of three classes, as bool in train.npz."""
    rng = np.random.default_rng(0)
    y = np.arange(150) % 3
    X = np.logical_xor((rng.random((3, 8, 8)) > 0.5)[y], rng.random((150, 8, 8)) < 0.1)
    np.savez(tmp_path / "train.npz", x_train=X[:90], y_train=y[:90], x_test=X[90:], y_test=y[90:])
    return X[90:], y[90:]


@pytest.fixture
def bits_run(bits, tmp_path, capsys):
    options = ["--generations", 40, "--population", 16]
    assert gacnn("train", tmp_path / "train.npz", "--out", tmp_path / "run", *options) == 0
    assert "\npixels: numbers from 0 to 1, left as they are\n" in capsys.readouterr().out
    return tmp_path / "run"


def right(run, data, capsys, *options):
    """The share that evaluate finds right, None where it refuses; and what it says."""
    code = gacnn("evaluate", run, data, *options)
    output, error = capsys.readouterr()
    return (float(re.search(r"([\d.]+)% of", output)[1]) if code == 0 else None), error


@pytest.mark.parametrize("kind", [bool, np.uint8, np.int64, np.float64, np.uint16])
def test_the_same_pixels_of_another_type_are_taken_alike(kind, bits, bits_run, tmp_path, capsys):
    np.savez(tmp_path / "other.npz", x=bits[0].astype(kind), y=bits[1])
    own, _ = right(bits_run, tmp_path / "train.npz", capsys)
    assert right(bits_run, tmp_path / "other.npz", capsys) == (own, "")


def test_pixels_in_other_numbers_are_refused_until_they_are_said(bits, bits_run, tmp_path, capsys):
    np.savez(tmp_path / "other.npz", x=bits[0] * np.uint8(255), y=bits[1])
    own, _ = right(bits_run, tmp_path / "train.npz", capsys)
    share, error = right(bits_run, tmp_path / "other.npz", capsys)
    assert share is None
    assert "--scale 0,255" in error
    assert "Scale(" not in error
    assert right(bits_run, tmp_path / "other.npz", capsys, "--scale", "0,255") == (own, "")


def test_pictures_are_predicted_by_the_scale_of_the_run(bits, bits_run, tmp_path, capsys):
    for name, white in (("bits", 1), ("bytes", 255)):
        Image.fromarray(bits[0][0].astype(np.uint8) * white).save(tmp_path / f"{name}.png")
    assert (
        gacnn("predict", bits_run, "--csv", *(tmp_path / f"{n}.png" for n in ("bits", "bytes")))
        == 0
    )
    first, second = (line.split(",")[1:] for line in capsys.readouterr().out.splitlines()[1:])
    assert first == second


def test_the_folder_and_the_files_of_a_run_say_the_scale(bits_run, tmp_path, capsys):
    onnx = pytest.importorskip("onnx")
    settings = json.loads((bits_run / "settings.json").read_text())
    assert settings["scale"] == {"black": 0, "white": 1}
    for name in ("start", "model"):
        model = cnn.load(bits_run / f"{name}.npz")
        assert (model.scale, model.class_names) == (cnn.datasets.Scale(0, 1), ("0", "1", "2"))
    assert gacnn("export", bits_run, tmp_path / "m.onnx") == 0
    assert 'class_names: ["0", "1", "2"]' in capsys.readouterr().out
    known = {each.key: each.value for each in onnx.load(tmp_path / "m.onnx").metadata_props}
    assert json.loads(known["class_names"]) == ["0", "1", "2"]


def test_a_run_of_before_scales_were_noted_goes_on(bits_run, tmp_path, capsys):
    path = bits_run / "settings.json"
    settings = json.loads(path.read_text())
    for name in ("scale", "max_pixels"):
        del settings[name]
    path.write_text(json.dumps(settings))
    assert gacnn("evaluate", bits_run) == 0
    assert gacnn("resume", bits_run, "--generations", 45) == 0
    path.write_text(json.dumps({**settings, "scale": {"black": "x"}}))
    assert gacnn("evaluate", bits_run) == 1
    assert "settings.json is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "parts", [("train", "val"), ("Training", "testing"), ("train", "valid", "test")]
)
def test_folders_of_splits(parts, photos, tmp_path, capsys):
    for part in parts:
        shutil.copytree(photos, tmp_path / "data" / part)
    assert gacnn("train", tmp_path / "data", "--out", tmp_path / "run", "--size", 8, *QUICK) == 0
    output = capsys.readouterr().out
    assert "24 images to train on, 24 set aside" in output
    assert f"24 images to train on, {24 if len(parts) == 3 else 0} to validate" in output


def test_the_root_of_idx_files_and_a_file_without_its_ending(tmp_path, capsys):
    raw, rng = tmp_path / "data/MNIST/raw", np.random.default_rng(0)
    raw.mkdir(parents=True)
    X, y = rng.integers(0, 256, (20, 8, 8)), np.arange(20) % 2
    (raw / "train-images-idx3-ubyte").write_bytes(idx(X))
    (raw / "train-labels-idx1-ubyte").write_bytes(idx(y))
    np.savez(tmp_path / "arrays.npz", x=X, y=y)
    (tmp_path / "arrays.npz").rename(tmp_path / "arrays")
    for data in ("data", "arrays"):
        assert gacnn("train", tmp_path / data, "--out", tmp_path / f"run-{data}", *QUICK) == 0
        assert "pixels: bytes, divided by 255" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ((), r"give --size, such as 32, or 32x48 for rows x columns, to make them one"),
        (
            ("--size", "8", "--max-pixels", "100"),
            r"over 100; if it is no trap give --max-pixels \d+",
        ),
        (("--size", "9000x9000"), r"--size must be 67,108,864 pixels at most"),
    ],
)
def test_cures_are_options(options, complaint, photos, tmp_path, capsys):
    assert gacnn("train", photos, "--out", tmp_path / "run", *options) == 1
    assert re.search(complaint, capsys.readouterr().err)


def test_scales_that_are_none(capsys):
    for text in ("255", "0,0", "a,b", "0,1,2"):
        with pytest.raises(SystemExit):
            gacnn("train", "digits", "--out", "run", "--scale", text)
        assert "must be two different numbers" in capsys.readouterr().err


@pytest.mark.filterwarnings("always")
def test_a_class_of_one_image_is_trained_on_and_named(tmp_path, capsys):
    X, y = np.random.default_rng(0).random((25, 8, 8)), np.array([0, 1] * 12 + [2])
    np.savez(tmp_path / "data.npz", x=X, y=y)
    for seed in range(3):
        run = tmp_path / f"run-{seed}"
        assert gacnn("train", tmp_path / "data.npz", "--out", run, "--seed", seed, *QUICK) == 0
        assert capsys.readouterr().err.count("class 2 has one image") == 1


@pytest.mark.filterwarnings("always")
def test_pictures_are_predicted_whatever_their_names(photos, run, tmp_path, capsys):
    shutil.copy(photos / "bright/0.png", tmp_path / "a.jfif")
    shutil.copy(photos / "bright/1.png", tmp_path / "without")
    (tmp_path / "notes.txt").write_text("these are bright")
    assert gacnn("predict", run, tmp_path) == 0
    said = capsys.readouterr()
    assert said.out.count("bright") == 2
    assert "left out in" in said.err
    assert "notes.txt, no pictures" in said.err


def test_a_scale_may_begin_with_a_minus(tmp_path, capsys):
    X = np.random.default_rng(0).integers(-1000, 3000, (12, 8, 8)).astype(np.int16)
    np.savez(tmp_path / "ct.npz", x_train=X, y_train=np.arange(12) % 2)
    run = ("train", tmp_path / "ct.npz", "--out", tmp_path / "run", *QUICK)
    assert gacnn(*run) == 1
    assert "such as --scale=-" in capsys.readouterr().err
    assert gacnn(*run, "--scale", "-1024,3071") == 0
    assert "numbers from -1024 to 3071" in capsys.readouterr().out


@pytest.mark.filterwarnings("always")  # dark ones are black
def test_large_pictures_of_a_run_are_large_in_evaluate_too(tmp_path, capsys):
    for name, light in (("dark", 0), ("light", 200)):
        (tmp_path / "big" / name).mkdir(parents=True)
        for number in range(4):
            side = 300 if number else 20
            Image.new("L", (side, side), light + number).save(
                tmp_path / "big" / name / f"{number}.png"
            )
    common = ("--size", 8, "--max-pixels", 10**6, *QUICK)
    with mock.patch("PIL.Image.MAX_IMAGE_PIXELS", 10_000):
        assert gacnn("train", tmp_path / "big", "--out", tmp_path / "run", *common) == 0
        capsys.readouterr()
        assert gacnn("evaluate", tmp_path / "run", tmp_path / "big") == 0
    said = capsys.readouterr()
    assert "8 images" in said.out
    assert "left out" not in said.err
    (tmp_path / "big/dark/1.png").rename(tmp_path / "big/dark/1.jfif")
    with mock.patch("PIL.Image.MAX_IMAGE_PIXELS", 10_000):
        assert gacnn("predict", tmp_path / "run", tmp_path / "big") == 0
    assert "1.jfif" in capsys.readouterr().out


@pytest.mark.filterwarnings("always")
def test_a_run_that_has_not_ended_is_left_out_of_a_picture(run, photos, tmp_path, capsys):
    pytest.importorskip("matplotlib")
    killed = tmp_path / "killed"
    shutil.copytree(run, killed)
    for name in ("history.csv", "results.json"):
        (killed / name).unlink()
    picture = tmp_path / "both.png"
    assert gacnn("compare", run, killed, "--out", picture) == 0
    assert picture.exists()
    assert f"{killed}: not ended yet" in capsys.readouterr().err
    assert gacnn("compare", killed, "--out", picture) == 1
    assert "compare runs that have" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("train", "digits", "--out", ""), ("predict", "run", "")])
def test_empty_paths_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        gacnn(*arguments)
    assert "must be a path, and is empty" in capsys.readouterr().err
