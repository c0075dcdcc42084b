"""Arrays in .npz and IDX files: what is in them, not what they are called."""

import gzip
import io
import os
import shutil
import zipfile

import numpy as np
import pytest

from cnn import datasets
from cnn.datasets import Scale, load_idx, load_npz, load_splits

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 5, 4), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def idx(array):
    return bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()


def write_idx(folder, before="", test="t10k", first=0, pack=bytes, end=""):
    """A set of IDX files whose first pixel is `first`."""
    folder.mkdir(parents=True, exist_ok=True)
    images = IMAGES.copy()
    images[0, 0, 0] = first
    for part, number in (("train", 6), (test, 2)):
        for kind, array in (("images-idx3", images), ("labels-idx1", LABELS)):
            file = folder / f"{before}{part}-{kind}-ubyte{end}"
            file.write_bytes(pack(idx(array[:number])))
    return folder


def npz(path, **arrays):
    with path.open("wb") as file:
        np.savez(file, **arrays)
    return path


def check(*parts):
    for part in parts:
        np.testing.assert_allclose(part.X, IMAGES[: len(part.X), ..., None] / 255, rtol=1e-6)
        np.testing.assert_array_equal(part.y, LABELS[: len(part.y)])


# Names and contents


@pytest.mark.parametrize(
    "names",
    [
        "x_train y_train x_val y_val x_test y_test",
        "X_train Y_train X_valid Y_valid X_test Y_test",
        "train_images train_labels val_images val_labels test_images test_labels",
        "x_training y_training x_validation y_validation x_testing y_testing",
        "X_train y_train X_dev y_dev X_test y_test",
    ],
)
def test_npz_of_three_parts(tmp_path, names):
    parts = [IMAGES, LABELS, IMAGES[:3], LABELS[:3], IMAGES[:2], LABELS[:2]]
    path = npz(tmp_path / "data.npz", **dict(zip(names.split(), parts, strict=True)))
    splits = load_splits(path)
    check(*splits)
    assert [len(part.X) for part in splits] == [6, 3, 2]
    with pytest.warns(UserWarning, match="holds images to validate on, which load_npz does not"):
        train, test = load_npz(path)
    check(train, test)


def test_npz_whose_arrays_are_not_all_used_names_them(tmp_path):
    path = npz(tmp_path / "data.npz", x=IMAGES, y=LABELS, x_tset=IMAGES, **{"a\x1b[2J": LABELS})
    with pytest.warns(UserWarning, match=r"arrays that are not used: x_tset, a\\x1b") as caught:
        check(load_npz(path)[0])
    assert caught[0].filename == __file__
    path = npz(tmp_path / "data.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES, x=IMAGES)
    with pytest.warns(UserWarning, match=r"not used: x, x_test \(alone\)"):
        check(load_npz(path)[0])


def test_npz_with_two_arrays_of_one_meaning_is_refused(tmp_path):
    path = npz(tmp_path / "data.npz", x=IMAGES, X=IMAGES, y=LABELS)
    with pytest.raises(ValueError, match=r"data\.npz holds x and X; save one"):
        load_npz(path)


def test_npz_by_another_name(tmp_path):
    path = npz(tmp_path / "data.bin", x=IMAGES, y=LABELS)
    check(load_npz(path)[0], load_splits(path).train)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "it is empty"),
        (b"\x93NUMPY\1\0", "a single array, as np.save writes it, without labels"),
        (gzip.compress(b"x", mtime=0), "packed by gzip; unpack it"),
        (idx(LABELS), "an IDX file; give its folder"),
        (b"\x89HDF\r\n\x1a\n", "an HDF5 file; read it with h5py"),
        (b"\x80\4\x95", "a pickle"),
        (b"\n<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "a pointer of Git LFS"),
        (b"1,2,3", "something else that begins with 31 2c 32 2c"),
    ],
)
def test_files_that_are_no_npz_are_known(tmp_path, content, words):
    (tmp_path / "data.npz").write_bytes(content)
    for load in (load_npz, load_splits):
        with pytest.raises(ValueError, match=rf"data\.npz is damaged or no \.npz .*{words}"):
            load(tmp_path / "data.npz")


def test_labels_as_objects_are_refused_with_the_cure(tmp_path):
    labels = np.array(["ant", "bee", "cat", "ant", "bee", "cat"], object)
    path = npz(tmp_path / "data.npz", x_train=IMAGES, y_train=labels)
    with pytest.raises(ValueError, match=r"y_train of .* as strings by y\.astype\(str\)") as caught:
        load_npz(path)
    assert "damaged" not in str(caught.value)
    images = np.array([*IMAGES, None], object)[:6]
    with pytest.raises(ValueError, match=r"x of .* by np\.stack\(X\)"):
        load_npz(npz(path, x=images, y=LABELS))
    check(load_npz(npz(path, x=IMAGES, y=LABELS))[0])


@pytest.mark.parametrize(
    ("labels", "doubt"),
    [
        ([2019, 2020, 2021], r"y of .* holds 3 different numbers, which makes 2,022 classes"),
        (["Ant", "ant", "bee"], r"y of .* nearly the same name, 'Ant' and 'ant'"),
        (["ant", "bee", "nan"], r"y of .* has a class 'nan', as missing labels are called"),
    ],
)
def test_labels_that_are_hardly_meant_so_are_named(tmp_path, labels, doubt):
    path = npz(tmp_path / "data.npz", x=IMAGES, y=np.array(labels)[LABELS % 3])
    with pytest.warns(UserWarning, match=doubt) as caught:
        load_npz(path)
    assert len(caught) == 1


def test_npz_that_unpacks_to_too_much_is_refused(tmp_path):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        with archive.open("x.npy", "w") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": (300, 1000, 1000)}
            np.lib.format.write_array_header_1_0(file, header)
            for _ in range(300):
                file.write(bytes(1_000_000))
        with archive.open("y.npy", "w") as file:
            np.lib.format.write_array(file, np.zeros(300, np.uint8))
    with pytest.raises(
        ValueError, match=r"unpacks to 1,200,001,200 bytes .* memory_limit=1200001200"
    ):
        load_npz(path)
    np.savez_compressed(path, x=np.zeros((1000, 20, 20), np.uint8), y=np.zeros(1000, np.uint8))
    assert load_npz(path)[0].X.shape == (1000, 20, 20, 1)  # little, however it is packed
    with pytest.raises(ValueError, match="over the limit of 1,000; if it is no trap"):
        load_splits(path, memory_limit=1_000)
    with pytest.raises(ValueError, match="memory_limit must be at least 1, not 0"):
        load_npz(path, memory_limit=0)


# One scale for all parts


def test_parts_of_one_file_have_one_scale(tmp_path):
    train, test = load_npz(
        npz(
            tmp_path / "data.npz",
            x_train=IMAGES // 128,  # nothing but 0 and 1
            y_train=LABELS,
            x_test=IMAGES[:2] // 128,
            y_test=LABELS[:2],
        )
    )
    assert train.scale == test.scale == Scale(0, 1)
    assert train.X.max() == 1


def test_a_part_that_contradicts_is_refused(tmp_path):
    parts = {"y_train": LABELS, "y_test": LABELS}
    path = npz(tmp_path / "data.npz", x_train=IMAGES / 255, x_test=IMAGES, **parts)
    with pytest.raises(ValueError, match=r"x_test of .* divide it by 255"):
        load_npz(path)
    path = npz(tmp_path / "data.npz", x_train=IMAGES, x_test=IMAGES / 255, **parts)
    with pytest.raises(ValueError, match=r"x_test of .* multiply it by 255"):
        load_npz(path)
    path = npz(tmp_path / "data.npz", x_train=IMAGES, x_test=IMAGES // 128, **parts)
    with pytest.warns(UserWarning, match=r"x_test of .* all the same"):
        load_npz(path)


def test_a_scale_that_is_given_is_kept_to(tmp_path):
    path = npz(tmp_path / "data.npz", x=IMAGES // 16, y=LABELS)
    data, _ = load_npz(path, scale=Scale(0, 15))
    assert data.scale == Scale(0, 15)
    np.testing.assert_allclose(data.X[..., 0], IMAGES // 16 / 15, rtol=1e-6)
    with pytest.raises(ValueError, match=r"x of .* divide it by"):
        load_npz(npz(path, x=IMAGES, y=LABELS), scale=Scale(0, 1))
    with pytest.raises(TypeError, match=r"scale must be a cnn\.datasets\.Scale.*, not 255"):
        load_npz(path, scale=255)
    assert load_idx(write_idx(tmp_path / "idx"), scale=Scale(0, 248))[0].X.max() == 1


# Layout


@pytest.mark.parametrize(
    ("images", "cure"),
    [
        (np.zeros((6, 3, 32, 32), np.uint8), r"np\.moveaxis\(images, 1, -1\)"),
        (np.zeros((32, 32, 3, 6), np.uint8), r"np\.moveaxis\(images, -1, 0\)"),
        (np.zeros((28, 28, 6), np.uint8), r"np\.moveaxis\(images, -1, 0\)"),
        (np.zeros((6, 784), np.uint8), r"images\.reshape\(-1, 28, 28\)"),
        (np.zeros((6, 3072), np.uint8), r"images\.reshape\(-1, height, width\)"),
    ],
)
def test_layouts_of_others_are_refused_with_the_cure(tmp_path, images, cure):
    with pytest.raises(ValueError, match=rf"x of .*{cure}"):
        load_npz(npz(tmp_path / "data.npz", x=images, y=LABELS))


# IDX


@pytest.mark.parametrize(("pack", "end"), [(gzip.compress, ""), (bytes, ".gz")])
def test_idx_is_known_by_its_first_bytes(tmp_path, pack, end):
    folder = write_idx(tmp_path, first=IMAGES[0, 0, 0], pack=pack, end=end)
    check(*load_idx(folder))


@pytest.mark.parametrize(("code", "dtype"), [(11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")])
def test_idx_of_other_numbers_than_bytes(tmp_path, code, dtype):
    folder = write_idx(tmp_path, first=IMAGES[0, 0, 0])
    for kind, array in (("images-idx3", IMAGES), ("labels-idx1", LABELS)):
        content = idx(array.astype(dtype))
        (folder / f"train-{kind}-ubyte").write_bytes(content[:2] + bytes([code]) + content[3:])
    check(*load_idx(folder))


def test_idx_below_a_folder_is_found(tmp_path):
    write_idx(tmp_path / "data/MNIST/raw", first=IMAGES[0, 0, 0])
    check(*load_idx(tmp_path / "data"), load_splits(tmp_path).test)


def test_sets_of_several_folders_are_named(tmp_path):
    for name in ("MNIST", "KMNIST"):
        write_idx(tmp_path / name / "raw")
    with pytest.raises(ValueError, match=r"several sets .*KMNIST/raw, .*MNIST/raw"):
        load_idx(tmp_path)


def test_sets_with_names_before(tmp_path):
    write_idx(tmp_path, "emnist-letters-", "test", first=7)
    assert load_idx(tmp_path)[1].X[0, 0, 0, 0] == np.float32(7) / np.float32(255)
    write_idx(tmp_path, "emnist-digits-", "test", first=9)
    with pytest.raises(ValueError, match=r"give one of them: .*/emnist-digits, .*/emnist-letters"):
        load_idx(tmp_path)
    for load in (load_idx, load_splits):
        data = load(tmp_path / "emnist-digits")[0]
        assert data.X[0, 0, 0, 0] == np.float32(9) / np.float32(255)
    write_idx(tmp_path, first=11)
    with pytest.warns(UserWarning, match=r"to load one give .*/emnist-digits"):
        assert load_idx(tmp_path)[0].X[0, 0, 0, 0] == np.float32(11) / np.float32(255)


def test_a_folder_of_idx_files_holds_no_pictures(tmp_path):
    pytest.importorskip("PIL")
    write_idx(tmp_path / "data/MNIST/raw")
    with pytest.raises(ValueError, match=r"data holds IDX files, .* in .*MNIST/raw"):
        datasets.load_image_folder(tmp_path / "data")
    with pytest.raises(ValueError, match="raw holds IDX files"):
        datasets.load_image_folder(tmp_path / "data/MNIST/raw")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"<html>", "a web page .* download it again"), (b"PK\3\4", "a zip archive; unpack it")],
)
def test_idx_files_that_are_something_else(tmp_path, content, words):
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=f"train-images-idx3-ubyte is no IDX file: it is {words}"):
        load_idx(tmp_path)


def test_idx_that_unpacks_to_too_much_is_refused(tmp_path):
    write_idx(tmp_path)
    buffer = io.BytesIO()
    with gzip.open(buffer, "wb") as file:
        file.write(b"\0\0\x08\3" + np.array([300, 1000, 1000], ">u4").tobytes())
        for _ in range(300):
            file.write(bytes(1_000_000))
    (tmp_path / "train-images-idx3-ubyte").write_bytes(buffer.getvalue())
    with pytest.raises(ValueError, match="memory_limit=1200000000"):
        load_idx(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
def test_idx_files_that_are_pipes_are_left(tmp_path):
    write_idx(tmp_path)
    (tmp_path / "train-images-idx3-ubyte").unlink()
    os.mkfifo(tmp_path / "train-images-idx3-ubyte")
    with pytest.raises(FileNotFoundError, match="no train-images-idx3-ubyte"):
        load_idx(tmp_path)
    shutil.rmtree(tmp_path)
