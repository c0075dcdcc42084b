"""Folders of pictures as people have them: splits, links, and what systems leave there."""

import os

import numpy as np
import pytest

from cnn import datasets
from cnn.datasets import load_image_folder, load_splits

Image = pytest.importorskip("PIL.Image")


def folder(root, **pictures):
    """Pictures by place and number, such as train__cat=3; their shades count up."""
    for shade, (place, number) in enumerate(pictures.items()):
        path = root.joinpath(*place.split("__"))
        path.mkdir(parents=True, exist_ok=True)
        for each in range(number):
            Image.new("L", (4, 3), 100 + 10 * shade + each).save(path / f"{each}.png")
    return root


def shades(data):
    return np.rint(data.X[:, 0, 0, 0] * 255).astype(int).tolist()


# Splits


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [
        ("train", "val", "test"),
        ("Training", "Validation", "Testing"),
        ("TRAIN", "dev", "test1"),
        ("training_set", "valid_set", "test_set"),
        ("seg_train", "validation", "seg_test"),
    ],
)
def test_splits_are_loaded_as_such(tmp_path, train, validation, test):
    places = {f"{train}__cat": 2, f"{train}__dog": 1, f"{validation}__cat": 1}
    places |= {f"{validation}__dog": 1, f"{test}__cat": 1, f"{test}__dog": 2}
    root = folder(tmp_path, **places)
    splits = load_splits(root, verbose=False)
    assert [shades(split) for split in splits] == [[100, 101, 110], [120, 130], [140, 150, 151]]
    assert [split.y.tolist() for split in splits] == [[0, 0, 1], [0, 1], [0, 1, 1]]
    assert {split.class_names for split in splits} == {("cat", "dog")}
    assert splits.train.X.flags.c_contiguous
    with pytest.warns(UserWarning, match=r"loaded .*, and not .*: load_splits loads all") as caught:
        assert shades(load_image_folder(root, verbose=False)) == [100, 101, 110]
    assert [warning.filename for warning in caught] == [__file__]


def test_a_folder_of_classes_is_to_train_on(tmp_path):
    splits = load_splits(folder(tmp_path, cat=1, dog=2))
    assert shades(splits.train) == [100, 110, 111]
    assert splits[1:] == (None, None)


def test_a_split_to_train_on_may_be_alone(tmp_path):
    assert load_image_folder(folder(tmp_path, train__cat=1, train__dog=1)).class_names == (
        "cat",
        "dog",
    )


def test_colour_in_one_split_makes_all_of_them_colour(tmp_path):
    folder(tmp_path, train__cat=1, val__cat=1)
    Image.new("RGB", (4, 3), "red").save(tmp_path / "val/cat/red.png")
    train, validation, _ = load_splits(tmp_path)
    assert (train.X.shape, validation.X.shape) == ((1, 3, 4, 3), (2, 3, 4, 3))


def test_a_railway_train_is_a_class(tmp_path):
    assert load_image_folder(folder(tmp_path, train=1, bus=1)).class_names == ("bus", "train")
    folder(tmp_path / "more", train__steam=1, bus=1)
    with pytest.warns(UserWarning, match="train is taken for a class, as bus are"):
        assert load_image_folder(tmp_path / "more").class_names == ("bus", "train")


def test_splits_without_classes_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"train, val in .* are splits without classes"):
        load_image_folder(folder(tmp_path, train=1, val=1))


def test_splits_without_one_to_train_on_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"has test, val, but no train; name .*test itself"):
        load_splits(folder(tmp_path, val__cat=1, test__cat=1))


def test_two_folders_of_one_split_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"val, valid in .* are both validation; keep one"):
        load_splits(folder(tmp_path, train__cat=1, val__cat=1, valid__cat=1))


def test_folders_beside_the_splits_are_named(tmp_path):
    root = folder(tmp_path, train__cat=1, test=2, sample__cat=1)
    with pytest.warns(UserWarning, match=r"left out sample, test in .*: no splits with classes"):
        splits = load_splits(folder(root, val__cat=1))
    assert splits.test is None


def test_classes_that_differ_between_splits_are_named(tmp_path):
    root = folder(tmp_path, train__cat=1, train__dog=1, val__cat=1)
    with pytest.warns(UserWarning, match="val has no dog"):
        assert load_splits(root).validation.y.tolist() == [0]
    with pytest.raises(ValueError, match=r"val holds the classes Dog, .* train on: cat, dog"):
        load_splits(folder(root, val__Dog=1))


def test_splits_inside_of_classes_are_said_to_be_taken_together(tmp_path):
    root = folder(tmp_path, cat__train=1, cat__val=1, dog__train=1, dog__val=1)
    with pytest.warns(UserWarning, match=r"train, val in .*cat are taken together.*train/cat"):
        assert len(load_image_folder(root).X) == 4


def test_a_folder_above_the_classes_is_said_to_be_one(tmp_path):
    root = folder(tmp_path, PetImages__cat=1, PetImages__dog=1)
    with pytest.warns(UserWarning, match=r"one class, PetImages; if the classes are cat, dog"):
        assert load_image_folder(root).class_names == ("PetImages",)


def test_splits_above_the_classes_are_not_taken_for_these(tmp_path):
    root = folder(tmp_path, data__train__cat=1, data__train__dog=1, data__val__cat=1)
    with pytest.warns(UserWarning, match=r"one class, data; .* are train, val, give .*/data$"):
        assert load_image_folder(root).class_names == ("data",)


def test_parts_that_hold_the_classes_are_said_to_be_taken_for_them(tmp_path):
    root = folder(tmp_path, fold1__cat=1, fold1__dog=1, fold2__cat=1, fold2__dog=1)
    with pytest.warns(UserWarning, match=r"fold1, fold2 in .* though each of them holds cat, dog"):
        assert load_image_folder(root).class_names == ("fold1", "fold2")


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (("Cat", "cat"), r"'Cat' and 'cat'"),
        (("cat", "cat "), r"'cat' and 'cat '"),
        (("caf\u00e9", "cafe\u0301"), r"'cafe\\u0301' and 'caf\\xe9'"),
    ],
)
def test_classes_of_nearly_one_name_are_named(tmp_path, names, shown):
    root = folder(tmp_path / "all", **dict.fromkeys((*names, "dog"), 1))
    if len(list(root.iterdir())) < 3:
        pytest.skip("names that differ so are one here")
    with pytest.warns(UserWarning, match=f"nearly the same name, {shown}: if they are one class"):
        assert len(load_image_folder(root).class_names) == 3
    places = {f"train__{names[0]}": 1, "train__dog": 1, f"test__{names[1]}": 1}
    with pytest.raises(ValueError, match=r"are not the same name: give it one"):
        load_splits(folder(tmp_path / "splits", **places))


def test_letters_are_classes_of_their_own(tmp_path):
    assert load_image_folder(folder(tmp_path, A=1, a=1, b=1)).class_names == ("A", "a", "b")


# Links


@pytest.fixture
def links(tmp_path):
    try:
        (tmp_path / "link").symlink_to("nowhere")
    except (OSError, NotImplementedError):
        pytest.skip("no links here")
    (tmp_path / "link").unlink()
    return tmp_path


def test_links_to_folders_are_followed(links):
    other = folder(links / "disk", cats__young=2)
    root = folder(links / "root", cats=1, dogs=1)
    (root / "cats/more").symlink_to(other / "cats")
    (root / "birds").symlink_to(other / "cats/young")
    data = load_image_folder(root)
    assert data.class_names == ("birds", "cats", "dogs")
    assert data.y.tolist() == [0, 0, 1, 1, 1, 2]


def test_links_that_lead_nowhere_are_named(links):
    root = folder(links / "photos", cat=1, dog=1)
    (root / "eel").symlink_to(links / "a disk that is not there")
    with pytest.warns(UserWarning, match=r"left out .*: eel, a link that leads nowhere"):
        assert load_image_folder(root).class_names == ("cat", "dog")
    root = folder(links / "splits", train__cat=1, train__dog=1)
    (root / "test").symlink_to(links / "a disk that is not there")
    with pytest.warns(UserWarning, match=r"left out test in .*splits"):
        assert load_splits(root).test is None


def test_links_that_lead_back_are_named_once(links):
    root = folder(links, cats=1, dogs=1)
    (root / "cats/self").symlink_to(".")
    (root / "cats/above").symlink_to("..")
    (root / "cats/all").symlink_to("/")
    (root / "dogs/deep").mkdir()
    (root / "dogs/deep/back").symlink_to("../../dogs")
    with pytest.warns(UserWarning, match="cats/above, which leads back; cats/all") as caught:
        data = load_image_folder(root)
    assert data.y.tolist() == [0, 1]
    assert len(caught) == 1
    assert "dogs/deep/back" in str(caught[0].message)


# What systems leave


@pytest.mark.parametrize(
    "name",
    [
        "@eaDir", ".thumbnails", "Thumbs.db", "__MACOSX", "lost+found", "desktop.ini", ".DS_Store",
        "$RECYCLE.BIN", "System Volume Information", ".ipynb_checkpoints", "__pycache__", "@EADIR",
        "#recycle", "@Recycle",
    ],
)  # fmt: skip
@pytest.mark.parametrize("inside", [False, True])
def test_what_systems_leave_never_counts(tmp_path, name, inside):
    root = folder(tmp_path, cat=1, dog=1)
    place = root / "cat" / name if inside else root / name
    folder(place, **{"0__png": 1})
    Image.new("L", (9, 9)).save(place / "thumb.jpg")
    data = load_image_folder(root)
    assert data.class_names == ("cat", "dog")
    assert shades(data) == [100, 110]


def test_system_files_beside_pictures_never_count(tmp_path):
    root = folder(tmp_path, cat=1)
    for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._0.png", "Icon\r"):
        (root / "cat" / name).write_bytes(b"no image")
    assert shades(load_image_folder(root)) == [100]


def test_thumbnails_below_a_class_are_left_out_and_named(tmp_path):
    root = folder(tmp_path, cat=1, cat__thumbs=1, thumbs=1)
    with pytest.warns(UserWarning, match="left out in .*: cat/thumbs, of thumbnails"):
        assert load_image_folder(root).class_names == ("cat", "thumbs")


def test_names_of_folders_reach_no_terminal_raw(tmp_path):
    root = folder(tmp_path, cat=1)
    (root / "do\x1b[31mg").mkdir()
    with pytest.raises(ValueError, match=r"do\\x1b\[31mg holds no image") as caught:
        load_image_folder(root)
    assert str(caught.value).isprintable()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_pipes_and_devices_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for load in (datasets.load_npz, load_splits):
        with pytest.raises(ValueError, match="pipe is a pipe or device, and a file is wanted"):
            load(tmp_path / "pipe")
    with pytest.raises(ValueError, match="/dev/null is a pipe or device"):
        datasets.load_npz("/dev/null")
    with pytest.raises(IsADirectoryError, match="is a folder, and a file is wanted"):
        datasets.load_npz(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        load_splits(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("names", "order"),
    [
        (["0", "1", "10", "11", "2"], ["0", "1", "2", "10", "11"]),
        (["01", "2", "10"], ["01", "2", "10"]),
        (["10", "2", "a"], ["10", "2", "a"]),
    ],
)
def test_classes_that_are_numbers_are_in_their_order(names, order, tmp_path):
    for name in names:
        (tmp_path / "folder" / name).mkdir(parents=True)
        Image.new("L", (4, 4), 200).save(tmp_path / "folder" / name / "0.png")
    assert list(datasets.load_image_folder(tmp_path / "folder", verbose=False).class_names) == order
    X = np.full((len(names), 4, 4), 200, np.uint8)
    np.savez(tmp_path / "data.npz", x=X, y=np.array(names))
    data, _ = datasets.load_npz(tmp_path / "data.npz")
    assert list(data.class_names) == order
    assert [data.class_names[label] for label in data.y] == names


# Scales


def test_negatives_are_turned(tmp_path):
    data = load_image_folder(folder(tmp_path, cat=2, dog=2), scale=datasets.Scale(255, 0))
    plain = load_image_folder(tmp_path)
    np.testing.assert_allclose(data.X, 1 - plain.X, atol=1e-6)
    assert data.scale == datasets.Scale(255, 0)
    alone = datasets.load_images([tmp_path / "cat/0.png"], scale=data.scale)
    np.testing.assert_array_equal(alone[0], data.X[0])


@pytest.mark.parametrize("scale", [datasets.Scale(0, 65535), datasets.Scale(0, 50)])
def test_a_scale_that_bytes_have_not_is_not_said_to_be_theirs(tmp_path, scale):
    with pytest.warns(UserWarning, match="pictures of 8 bits: taken as bytes, divided by 255, not"):
        data = load_image_folder(folder(tmp_path, cat=2, dog=2), scale=scale)
    assert data.scale == datasets.Scale(0, 255)
    np.testing.assert_array_equal(data.X, load_image_folder(tmp_path).X)
