"""The words of the command line: durations, networks, pictures, comparisons."""

import argparse
import os

import numpy as np
import pytest

import cnn
from cnn import patches
from gacnn.command import values, words
from gacnn.command.main import main

pytest.importorskip("matplotlib")
pytest.importorskip("sklearn")
Image = pytest.importorskip("PIL.Image")


def gacnn(*arguments):
    return main([str(each) for each in arguments])


@pytest.mark.parametrize(
    ("text", "number"),
    [("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("2D", 172800)],
)
def test_durations(text, number):
    assert values.seconds(text) == number


@pytest.mark.parametrize("text", ["", "m", "10x", "-5", "1h30", "1 0", "nan", "1e400"])
def test_what_is_no_duration(text):
    with pytest.raises(argparse.ArgumentTypeError):
        values.seconds(text)


def test_a_network_in_words():
    model = words.network("conv 16x5 s2, pool 2, Conv 4x3 same tanh, dense 10", (28, 28, 1), 10, 0)
    kinds = [type(layer).__name__ for layer in model.layers]
    assert kinds == ["Input2D", "Conv2D", "MaxPooling2D", "Conv2D", "Flatten", "Dense"]
    assert [layer.layer_output_size for layer in model.layers[1:4]] == [
        (12, 12, 16),
        (6, 6, 16),
        (6, 6, 4),
    ]
    functions = [layer.activation_function for layer in model.weighted_layers]
    assert functions == ["relu", "tanh", "softmax"]
    again = words.network("conv 16x5 s2,pool 2,conv 4x3 same tanh,dense 10", (28, 28, 1), 10, 0)
    np.testing.assert_array_equal(model.weights, again.weights)
    small = words.network("mean 2, global, dense 8, dense 3", (8, 8, 3), 3, 0)
    assert [type(layer).__name__ for layer in small.layers[1:]] == [
        "AveragePooling2D",
        "GlobalAveragePooling2D",
        "Dense",
        "Dense",
    ]


def test_separable_convolutions_in_words():
    text = "separable 16x3 s2 tanh, depthwise 5 same, global, dense 3"
    model = words.network(text, (28, 28, 2), 3, 0)
    assert [repr(layer) for layer in model.layers[1:4]] == [
        "DepthwiseConv2D(kernel_size=3, stride=2, use_bias=False)",
        "Conv2D(num_filters=16, kernel_size=1, activation_function='tanh')",
        "DepthwiseConv2D(kernel_size=5, activation_function='relu', padding='same')",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("depthwise 8x3, dense 10", 'has "depthwise 8x3"'),
        ("pool 2x3, dense 10", 'has "pool 2x3"'),
        ("dense 16x2, dense 10", 'has "dense 16x2"'),
        ("conv 16x5", 'must end with "dense 10", for the 10 classes of the data, not with "conv'),
        ("dense 9", 'must end with "dense 10"'),
        ("conv 4x3 s0, dense 10", 'has "conv 4x3 s0"'),
        ("pool, dense 10", 'has "pool", which is none of: conv 16x5'),
        ("konv 3x3, dense 10", 'has "konv 3x3"'),
        ("dense 10 s2", 'has "dense 10 s2"'),
        ("conv 8x3 banana, dense 10", "banana"),
        (", dense 10", 'has ""'),
        ("global 3, dense 10", 'has "global 3"'),
    ],
)
def test_words_that_are_no_network(text, message):
    with pytest.raises(ValueError, match="--layers") as caught:
        words.network(text, (8, 8, 1), 10, 0)
    assert message in str(caught.value)


def test_layers_that_do_not_fit_name_the_words():
    with pytest.raises(ValueError, match="kernel_size") as caught:
        words.network("conv 8x9, dense 10", (8, 8, 1), 10, 0)
    assert "in --layers 'conv 8x9, dense 10'" in caught.value.__notes__[0]


def test_gacnn_alone_prints_its_help(capsys):
    assert gacnn() == 0
    assert "examples:" in capsys.readouterr().out


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs on the digits, said in words."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["--generations", 3, "--population", 6, "--quiet", "--threads", 1]
    network = ["--layers", "conv 4x3 s2, dense 10"]
    assert gacnn("train", "digits", "--out", folder / "a", *network, *common) == 0
    share = ["--validation", 0, "--time-limit", "1m"]
    assert gacnn("train", "digits", "--out", folder / "b", *common, *share) == 0
    return folder


def test_a_run_said_in_words(runs):
    model = cnn.load(runs / "a/model.npz")
    assert [type(layer).__name__ for layer in model.layers] == [
        "Input2D",
        "Conv2D",
        "Flatten",
        "Dense",
    ]
    first, second = ((runs / name / "history.csv").read_text() for name in "ab")
    assert first.splitlines()[0].endswith("seconds,validation,validation_accuracy")
    assert second.splitlines()[0].endswith("seconds")


def test_quiet_says_what_came_out_and_no_more(runs, tmp_path, capfd):
    arguments = ["--generations", 2, "--population", 4, "--quiet"]
    assert gacnn("train", "digits", "--out", tmp_path / "run", *arguments) == 0
    said, error = capfd.readouterr()
    assert error == ""
    assert len(said.strip().splitlines()) == 3
    assert "of 359 images set aside are right" in said


def test_networks_named_twice(tmp_path, capsys):
    arguments = ["--layers", "dense 10", "--model", tmp_path / "model.npz"]
    assert gacnn("train", "digits", "--out", tmp_path / "run", *arguments) == 1
    assert "--layers and --model both name a network" in capsys.readouterr().err


def test_runs_are_compared(runs, tmp_path, capsys):
    assert gacnn("compare", runs / "a", runs / "b", "--out", tmp_path / "both.png") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].split()[1] == "3"
    assert lines[3].split()[3:5] == ["-", "-"]
    assert (tmp_path / "both.png").read_bytes().startswith(b"\x89PNG")
    assert gacnn("compare", runs / "a", tmp_path) == 1
    assert "is not the folder of a run" in capsys.readouterr().err


@pytest.mark.filterwarnings("always")  # notes.txt is none
def test_folders_and_arrays_are_predicted(runs, tmp_path, capsys):
    folder = tmp_path / "new"
    (folder / "more").mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (3, 8, 8), np.uint8)
    Image.fromarray(pixels[0]).save(folder / "b.png")
    Image.fromarray(pixels[1]).save(folder / "more/a.PNG")
    (folder / "notes.txt").write_text("no picture")
    np.savez(tmp_path / "new.npz", x=pixels)
    given = folder, tmp_path / "new.npz"
    assert gacnn("predict", runs / "a", *given, "--csv", "--scale", "0,255") == 0
    rows = [line.split(",") for line in capsys.readouterr().out.splitlines()[1:]]
    files = [folder / "b.png", folder / "more/a.PNG"]
    assert [row[0] for row in rows[:2]] == [str(path) for path in files]
    assert [row[0] for row in rows[2:]] == [f"{given[1]}[{number}]" for number in range(3)]
    model = cnn.load(runs / "a/model.npz")
    expected = model.predict_proba(pixels[..., None].astype(np.float32) / 255)
    found = np.array([[float(share) for share in row[2:]] for row in rows])
    np.testing.assert_allclose(found, expected[[0, 1, 0, 1, 2]], atol=1e-5)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"a": np.zeros(3), "b": np.zeros(3)}, "must hold one array of images, x, but it holds a"),
        ({"x": np.zeros(3)}, r"must hold images (N, height, width)"),
        ({"x": np.zeros((0, 8, 8))}, r"must hold images (N, height, width)"),
        (
            {"x": np.zeros((2, 8, 9))},
            r"bad.npz holds images of (8, 9, 1) (height, width, channels)",
        ),
        ({"x": np.array([None])}, "x of"),
    ],
)
def test_arrays_that_are_no_images(arrays, message, runs, tmp_path, capsys):
    np.savez(tmp_path / "bad.npz", **arrays)
    assert gacnn("predict", runs / "a", tmp_path / "bad.npz") == 1
    assert message in capsys.readouterr().err
    assert gacnn("predict", runs / "a", tmp_path / "none.npz") == 1
    (tmp_path / "empty").mkdir()
    assert gacnn("predict", runs / "a", tmp_path / "empty") == 1
    assert "holds no picture" in capsys.readouterr().err


def test_folders_are_predicted_as_classes_are_read(runs, tmp_path, capsys):
    pixels = Image.fromarray(np.full((8, 8), 200, np.uint8))
    for place in ("new", "new/@eaDir", "elsewhere"):
        (tmp_path / place).mkdir()
        pixels.save(tmp_path / place / "a.png")
    (tmp_path / "new/._a.png").write_bytes(b"Mac OS X")
    try:
        (tmp_path / "new/more").symlink_to(tmp_path / "elsewhere")
    except (OSError, NotImplementedError):
        pytest.skip("no links here")
    assert gacnn("predict", runs / "a", tmp_path / "new", "--csv") == 0
    rows = capsys.readouterr().out.splitlines()[1:]
    files = [tmp_path / "new/a.png", tmp_path / "new/more/a.png"]
    assert [row.partition(",")[0] for row in rows] == [str(file) for file in files]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_arrays_of_a_pipe_are_refused_at_once(runs, tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe.npz")
    assert gacnn("predict", runs / "a", tmp_path / "pipe.npz") == 1
    assert "pipe.npz is a pipe or device" in capsys.readouterr().err


def test_a_run_in_the_folder_of_its_data_is_refused(tmp_path, capsys):
    for name in ("cats", "dogs"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "photos" / name / "a.png")
    assert gacnn("train", tmp_path / "photos", "--out", tmp_path / "photos/run") == 1
    assert "would be taken for a class; give a folder elsewhere" in capsys.readouterr().err
    assert not (tmp_path / "photos/run").exists()


def test_options_are_called_by_their_names(tmp_path, capsys):
    settings = {"--batch-size": 9999, "--validation": 0.9999}
    for option, value in settings.items():
        assert gacnn("train", "digits", "--out", tmp_path / "run", option, value) == 1
        assert capsys.readouterr().err.startswith(f"gacnn: {option} must be ")


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["trian"], "train"),
        (["train", "digits", "--out", "run", "--metric", "acuracy"], "accuracy"),
        (["compare", "run", "--x", "second"], "seconds"),
    ],
)
def test_a_mistyped_word_is_told_what_is_meant(said, meant, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(said)
    assert f"; did you mean '{meant}'?\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "solved"),
    [
        (["--first-layer", "data"], True),
        (["--first-layer", "data", "--head", "evolved"], False),
        ([], False),
        (["--layers", "pool 2, dense 10"], False),
        (["--layers", "pool 2, dense 10", "--head", "ridge"], True),
    ],
)
def test_the_last_layer_begins_solved_behind_fixed_ones_or_where_it_is_said(
    said, solved, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(patches, "PATCHES", 3000)
    run = tmp_path / "run"
    assert gacnn("train", "digits", "--out", run, "--generations", 2, *said) == 0
    line = "the last layer begins as ridge regression solves it"
    assert (line in capsys.readouterr().out) == solved
    assert gacnn("resume", run, "--generations", 3) == 0
    assert (line in capsys.readouterr().out) == solved
