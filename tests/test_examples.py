"""The README and the examples run as they stand."""

import gzip
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent
LABEL = "accuracy on new images:"

EXAMPLES = {
    "numpycnn_readme": ("--generations 2", "fitness.png", "on_stop\naccuracy"),
    "pygad_recipe": ("--generations 2", "fitness.png", "Fitness of the best solution"),
    "image_folder": ("--time-limit 0.5", "wrong.png", "of 72 pictures never seen before"),
    "no_gradient": ("--generations 5", "measures.png", "run by macro-F1"),
    "ternary": ("--time-limit 0.5", "filters.png", "on 360 images never seen before"),
    "regression_xor": ("--generations 20", "diabetes.png", "of 10 seeds\ndiabetes: R2"),
    "more_machines": ("--generations 3", "fitness.png", "2 workers did "),
    "readme_picture": ("--generations 3", "run.png", "of 360 unseen images are right"),
    "game": ("--generations 3", "game.png", "of 2,000 balls never seen before"),
    "reinforcement": ("--generations 1 --threshold 1", "returns.png", "in 100 episodes never seen"),
    "search": ("--generations 9 --candidates 3", "search.png", "best of the halving search"),
    "two_objectives": ("--generations 3", "front.png", "networks on the front"),
}
NEEDED = {"more_machines": "distributed", "reinforcement": "gymnasium"}


def example(name, *arguments, fails=False):
    """Run an example; return what it prints, or if it is to fail what it complains about."""
    for needed in ("sklearn", "matplotlib", "PIL"):
        pytest.importorskip(needed)
    run = subprocess.run(
        [sys.executable, ROOT / f"examples/{name}.py", *arguments],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "MPLBACKEND": "agg"},
    )
    assert (run.returncode != 0) == fails, run.stderr
    return run.stderr if fails else run.stdout


def test_readme_runs_from_top_to_bottom(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    assert len(blocks) == 3
    given, done = {}, []
    for block in blocks:
        exec(compile(block, "README.md", "exec"), given)
        done.append(given["ga"].generations_completed if "ga" in given else 0)
    assert done == [0, 20, 40]  # nothing has ended too soon, and there was something to resume
    printed = capsys.readouterr().out
    assert "goes on after generation 20: 20 to go, 50% are done" in printed
    accuracy = float(printed.split(LABEL)[1].split()[0])
    assert accuracy > 0.8
    assert {path.name for path in tmp_path.iterdir()} == {
        *("model.npz", "run.checkpoint", "run.checkpoint.best.jsonl"),
    }


def test_all_examples_are_here():
    names = {path.stem for path in (ROOT / "examples").glob("*.py")}
    assert names == {*EXAMPLES, "cifar10", "digits", "mnist"}


@pytest.mark.parametrize("name", EXAMPLES)
def test_example(name, tmp_path):
    if name in NEEDED:
        pytest.importorskip(NEEDED[name])
    budget, picture, printed = EXAMPLES[name]
    said = example(name, *budget.split(), "--out", tmp_path)
    assert printed in said
    assert f"The picture is {tmp_path / picture}." in said
    assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")


def test_the_boards_of_a_game_end_where_its_picture_does(tmp_path):
    example("game", "--generations", "1", "--out", tmp_path)
    pyplot = pytest.importorskip("matplotlib.pyplot")
    drawn = (pyplot.imread(tmp_path / "game.png")[..., :3] < 1).any(axis=(1, 2))  # row by row
    assert drawn[-len(drawn) // 50 :].any()


@pytest.mark.skipif(find_spec("gymnasium") is not None, reason="gymnasium is installed")
def test_an_environment_without_gymnasium():
    assert "needs gymnasium: pip install gymnasium" in example("reinforcement", fails=True)


def test_digits_and_going_on(tmp_path):
    def run(*arguments):
        return example("digits", *arguments, "--out", tmp_path)

    assert "3 generations; on 360 images" in run("--generations", "3")
    assert "6 generations; on 360 images" in run("--generations", "6", "--resume")
    assert (tmp_path / "fitness.png").read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in tmp_path.iterdir()} == {
        *("fitness.png", "model.npz"),
        *(f"checkpoint{rows}" for rows in ("", ".best.jsonl", ".history.jsonl")),
    }


def mnist_parts():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (300, 28, 28), np.uint8)
    labels = (np.arange(300) % 10).astype(np.uint8)
    return {
        "train-images-idx3": images,
        "train-labels-idx1": labels,
        "t10k-images-idx3": images[:50],
        "t10k-labels-idx1": labels[:50],
    }


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">i4").tobytes()
    return header + array.tobytes()


@pytest.mark.parametrize("form", ["npz", "idx", "idx.gz"])
def test_mnist(form, tmp_path):
    parts = mnist_parts()
    path = tmp_path / "mnist.npz"
    if form == "npz":
        names = ("x_train", "y_train", "x_test", "y_test")
        np.savez(path, **dict(zip(names, parts.values(), strict=True)))
    else:
        path = tmp_path
        for name, array in parts.items():
            if form == "idx":
                (path / f"{name}-ubyte").write_bytes(idx(array))
            else:
                (path / f"{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
    printed = example("mnist", path, "--time-limit", "0.3", "--out", tmp_path / "out")
    assert "on 50 test images" in printed
    assert (tmp_path / "out/fitness.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("form", ["npz", "folders"])
def test_cifar10(form, tmp_path):
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (200, 32, 32, 3), np.uint8), np.arange(200) % 10
    path = tmp_path / "cifar10.npz"
    if form == "npz":
        np.savez(path, x_train=images, y_train=labels, x_test=images[:50], y_test=labels[:50])
    else:
        image = pytest.importorskip("PIL.Image")
        path = tmp_path / "cifar10"
        for part, number in (("train", 200), ("test", 50)):
            for i in range(number):
                folder = path / part / f"class {labels[i]}"
                folder.mkdir(parents=True, exist_ok=True)
                image.fromarray(images[i]).save(folder / f"{i}.png")
    printed = example("cifar10", path, "--time-limit", "0.3", "--out", tmp_path / "out")
    assert "on 50 test images" in printed
    for picture in ("fitness", "filters"):
        assert (tmp_path / f"out/{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_cifar10_that_is_missing(tmp_path):
    assert "No such file" in example("cifar10", tmp_path / "cifar10.npz", fails=True)
    empty = tmp_path / "folders"
    empty.mkdir()
    assert "CIFAR-10 is at https" in example("cifar10", empty, fails=True)


def test_mnist_that_is_missing_or_damaged(tmp_path):
    assert "No such file" in example("mnist", tmp_path / "mnist.npz", fails=True)
    assert "train-images-idx3-ubyte" in example("mnist", tmp_path, fails=True)
    for name, array in mnist_parts().items():
        (tmp_path / f"{name}-ubyte").write_bytes(idx(array)[:-1])
    assert "train-images-idx3-ubyte is damaged" in example("mnist", tmp_path, fails=True)


def test_image_folders_that_are_no_good(tmp_path):
    def complaint(folder):
        return example("image_folder", folder, "--out", tmp_path / "out", fails=True)

    assert "with one sub-folder of images for each class" in complaint(tmp_path / "nowhere")
    pictures = tmp_path / "pictures"
    for name in ("cats", "dogs"):
        (pictures / name).mkdir(parents=True)
    assert "cats holds no image that can be read" in complaint(pictures)
