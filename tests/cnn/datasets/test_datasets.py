"""Images from files and folders: what is loaded, and what is said of files that are no good."""

import functools
import gzip
import os
import pickle
import struct
import sys
import time
import zipfile

import numpy as np
import pytest

import gacnn
from cnn import datasets
from cnn.datasets import images

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (6, 5, 4), np.uint8)
LABELS = np.array([0, 1, 2, 0, 1, 2], np.uint8)


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path


def keras(path, **changes):
    parts = {"x_train": IMAGES, "y_train": LABELS, "x_test": IMAGES[:2], "y_test": LABELS[:2]}
    return npz(path, **{**parts, **changes})


def idx(array):
    sizes = np.array(array.shape, ">u4").tobytes()
    return bytes([0, 0, 8, array.ndim]) + sizes + array.tobytes()


def idx_folder(path, write=lambda file, data: file.write_bytes(data)):
    for split, number in (("train", 6), ("t10k", 2)):
        write(path / f"{split}-images-idx3-ubyte", idx(IMAGES[:number]))
        write(path / f"{split}-labels-idx1-ubyte", idx(LABELS[:number]))
    return path


def check(train, test):
    assert train.X.dtype == np.float32
    assert train.X.flags.c_contiguous
    np.testing.assert_allclose(train.X, IMAGES[..., None] / 255, rtol=1e-6)
    np.testing.assert_array_equal(train.y, LABELS)
    np.testing.assert_allclose(test.X, IMAGES[:2, ..., None] / 255, rtol=1e-6)
    np.testing.assert_array_equal(test.y, LABELS[:2])
    assert train.class_names == test.class_names == ("0", "1", "2")


def test_digits():
    pytest.importorskip("sklearn")
    X, y, names = datasets.load_digits()
    assert X.shape == (1797, 8, 8, 1)
    assert (X.min(), X.max()) == (0, 1)
    assert y.tolist()[:3] == [0, 1, 2]
    assert names == tuple("0123456789")


def test_digits_without_scikit_learn(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r"pip install 'gacnn\[sklearn\]'"):
        datasets.load_digits()


# .npz


def test_npz_of_keras(tmp_path):
    check(*datasets.load_npz(keras(tmp_path / "a.npz")))
    check(*datasets.load_npz(keras(tmp_path / "b.npz", y_train=LABELS[:, None].astype(float))))
    shares = {"x_train": IMAGES[..., None] / 255, "x_test": IMAGES[:2] / np.float32(255)}
    check(*datasets.load_npz(keras(tmp_path / "c.npz", **shares)))


def test_npz_of_one_part_with_names(tmp_path):
    path = npz(tmp_path / "a.npz", X=IMAGES, y=LABELS, class_names=["ant", "bee", "cat"])
    train, test = datasets.load_npz(path)
    assert test is None
    assert train.class_names == ("ant", "bee", "cat")
    labels = np.array(["b", "a", "b", "a", "a", "c"])
    train, _ = datasets.load_npz(npz(tmp_path / "b.npz", x=IMAGES, y=labels))
    assert train.class_names == ("a", "b", "c")
    assert train.y.tolist() == [1, 0, 1, 0, 0, 2]


@pytest.mark.parametrize("kind", ["U", "S"])
def test_npz_with_strings_for_labels(kind, tmp_path):
    labels = {"y_train": np.array(["bee", "ant", "b\xe9", "ant", "ant", "bee"])}
    labels["y_test"] = labels["y_train"][1:3]  # no bee
    if kind == "S":
        labels = {name: np.char.encode(array, "utf-8") for name, array in labels.items()}
    for names in ({}, {"class_names": ["bee", "b\xe9", "ant", "none"]}):
        train, test = datasets.load_npz(keras(tmp_path / "a.npz", **labels, **names))
        assert train.class_names == test.class_names
        assert train.class_names == tuple(names.get("class_names", ["ant", "bee", "b\xe9"]))
        for part, number in ((train, slice(None)), (test, slice(1, 3))):
            found = [part.class_names[label] for label in part.y]
            assert found == ["bee", "ant", "b\xe9", "ant", "ant", "bee"][number]


def test_npz_with_other_arrays(tmp_path):
    others = {"x_valid": IMAGES, "about": np.array([{}], object)}
    with pytest.warns(UserWarning, match=r"not used: about, x_valid \(alone\)"):
        check(*datasets.load_npz(keras(tmp_path / "a.npz", **others)))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"x_train": IMAGES.astype(float) * 1e9}, "numbers from 0 to 1 or from 0 to 255"),
        ({"x_train": IMAGES.astype(int) - 5}, "int64 from -5"),
        ({"x_train": np.full((6, 5, 4), np.nan)}, "from nan to nan"),
        ({"x_train": IMAGES[:, 0]}, r"\(N, height, width\)"),
        ({"x_train": IMAGES.astype("U")}, "must be numbers"),
        ({"x_test": IMAGES[:2, 1:]}, r"x_test of .* must hold images of \(5, 4, 1\)"),
        ({"y_test": LABELS}, "y_test of .* must hold a label for each of 2 images"),
        ({"y_train": LABELS[:5]}, "y_train of .* must hold a label for each of 6 images"),
        ({"y_train": np.eye(3)[LABELS]}, r"of one-hot labels take argmax\(axis=1\)"),
        ({"y_train": LABELS * 1e300}, "whole numbers from 0 to 65535"),
        ({"y_train": LABELS.astype(int) * 10**10}, "whole numbers from 0 to 65535"),
        ({"y_train": np.array([0, 1, 2, 0, 1, np.nan])}, "whole numbers from 0"),
        ({"y_train": LABELS - 0.5}, "whole numbers from 0"),
        ({"y_train": LABELS.astype(int) - 1}, "whole numbers from 0"),
        ({"class_names": ["a", "b"]}, "class_names of .* 2 names, but none for the label 2"),
        ({"class_names": ["a", "b", "b"]}, "must be different names, not a, b, b"),
        ({"y_test": np.array(["x", "y"])}, "must both be numbers or both strings"),
    ],
)
def test_npz_that_does_not_fit(changes, complaint, tmp_path):
    path = keras(tmp_path / "data.npz", **changes)
    with pytest.raises(ValueError, match=complaint) as caught:
        datasets.load_npz(path)
    assert "data.npz" in str(caught.value)


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trapped",)


def test_npz_that_is_pickled_is_not_executed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = keras(tmp_path / "data.npz", x_train=np.array([Trap(), None], object))
    with pytest.raises(ValueError, match="pickled objects"):
        datasets.load_npz(path)
    (tmp_path / "data.npz").write_bytes(pickle.dumps(Trap()))
    with pytest.raises(ValueError, match=r"damaged or no \.npz"):
        datasets.load_npz(path)
    assert not (tmp_path / "trapped").exists()


@pytest.mark.parametrize("kept", [0, 1, 100, -300, -1])
def test_npz_that_is_truncated(kept, tmp_path):
    path = keras(tmp_path / "data.npz")
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"data\.npz is damaged or no \.npz"):
        datasets.load_npz(path)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_with_a_changed_byte_is_refused_or_the_same(save, tmp_path):
    path = tmp_path / "data.npz"
    save(path, X=IMAGES, y=LABELS)
    content, complaints, same = path.read_bytes(), [], 0
    for place in range(len(content)):
        damaged = bytearray(content)
        damaged[place] ^= 0x81
        path.write_bytes(damaged)
        try:
            data, _ = datasets.load_npz(path)
        except ValueError as error:
            complaints.append(str(error))
            continue
        same += 1
        np.testing.assert_allclose(data.X, IMAGES[..., None] / 255, rtol=1e-6)
        np.testing.assert_array_equal(data.y, LABELS)
    assert len(complaints) > same > 0
    assert all("data.npz" in complaint for complaint in complaints)


@pytest.mark.parametrize("kind", ["|u1", "|S0"])
@pytest.mark.parametrize("lies", [False, True])
def test_npz_that_promises_more_than_there_is(kind, lies, tmp_path):
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("x_train.npy", "w") as file:
            header = {"descr": kind, "fortran_order": False, "shape": (4000, 1000, 1000)}
            np.lib.format.write_array_header_1_0(file, header)
            file.write(b"123")
        size = archive.getinfo("x_train.npy").file_size
    if lies:  # the archive promises as much as the header
        content = path.read_bytes()
        assert content.count(struct.pack("<L", size)) == 2
        path.write_bytes(content.replace(struct.pack("<L", size), struct.pack("<L", 2**32 - 2)))
    with pytest.raises(ValueError, match=r"x_train\.npy is truncated"):
        datasets.load_npz(path)


def test_npz_that_is_not_there_or_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.load_npz(tmp_path / "nowhere.npz")
    with pytest.raises(IsADirectoryError):
        datasets.load_npz(tmp_path)
    with pytest.raises(ValueError, match="but it holds a, b"):
        datasets.load_npz(npz(tmp_path / "other.npz", a=1, b=2))


# IDX


def test_idx(tmp_path):
    check(*datasets.load_idx(idx_folder(tmp_path)))


def test_idx_beside_folders_of_such_names(tmp_path):
    idx_folder(
        tmp_path,
        lambda file, data: (tmp_path / file.name.replace("-idx", ".idx")).write_bytes(data),
    )
    (tmp_path / "train-images-idx3-ubyte").mkdir()
    check(*datasets.load_idx(tmp_path))


def test_errors_come_back_from_another_process(tmp_path):
    error = images.ImageFileError(tmp_path / "a.png", "no image")
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.path, again.reason) == (str(error), error.path, error.reason)
    metric = pickle.loads(pickle.dumps(gacnn.MetricError("accuracy", 3, "it returned NaN")))
    assert (str(metric)[:20], metric.position) == ("metric accuracy fail", 3)


def test_idx_packed_and_with_a_dot(tmp_path):
    def write(file, data):
        name = file.name.replace("-idx", ".idx") + ".gz"
        file.with_name(name).write_bytes(gzip.compress(data))

    check(*datasets.load_idx(idx_folder(tmp_path, write)))


def test_idx_without_test_images(tmp_path):
    idx_folder(tmp_path)
    for file in tmp_path.glob("t10k*"):
        file.unlink()
    assert datasets.load_idx(tmp_path)[1] is None


def test_idx_of_colour_images(tmp_path):
    colours = RNG.integers(0, 256, (6, 5, 4, 3), np.uint8)
    (tmp_path / "train-images-idx4-ubyte").write_bytes(idx(colours))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(LABELS))
    train, _ = datasets.load_idx(tmp_path)
    np.testing.assert_allclose(train.X, colours / 255, rtol=1e-6)


def test_idx_with_fewer_labels_than_images(tmp_path):
    (idx_folder(tmp_path) / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[:1]))
    with pytest.raises(ValueError, match="t10k-labels-idx1-ubyte must hold a label for each of 2"):
        datasets.load_idx(tmp_path)


def test_idx_files_that_are_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no train-images-idx3-ubyte, nor one with \.gz"):
        datasets.load_idx(tmp_path)
    idx_folder(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="t10k-labels-idx1-ubyte"):
        datasets.load_idx(tmp_path)
    with pytest.raises(NotADirectoryError, match="no folder of IDX files"):
        datasets.load_idx(tmp_path / "train-images-idx3-ubyte")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "begins with nothing, not with 00 00 08"),
        (b"\0\0\x0a\1" + bytes(8), "begins with 00 00 0a 01, not with"),
        (idx(IMAGES)[:-1], "truncated"),
        (idx(IMAGES)[:10], "truncated"),
        (idx(IMAGES) + b"1", "too long"),
        (b"\0\0\x08\4" + b"\xff" * 16, "truncated"),
        (b"\0\0\x08\xff" + bytes(4 * 255), "damaged"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx_that_is_damaged(data, reason, packed, tmp_path):
    idx_folder(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    if packed:
        path.unlink()
        path = path.with_name(path.name + ".gz")
    path.write_bytes(gzip.compress(data) if packed else data)
    with pytest.raises(ValueError, match=reason) as caught:
        datasets.load_idx(tmp_path)
    assert str(path) in str(caught.value)


def test_gzip_that_is_damaged(tmp_path):
    idx_folder(tmp_path)
    path = tmp_path / "train-images-idx3-ubyte"
    for content in (b"no gzip", gzip.compress(path.read_bytes())[:-12]):
        path.with_name(path.name + ".gz").write_bytes(content)
        path.unlink(missing_ok=True)
        with pytest.raises(ValueError, match=r"ubyte\.gz is damaged"):
            datasets.load_idx(tmp_path)


# Folders of images


def folder_of(path, images, suffix="png"):
    image = pytest.importorskip("PIL.Image")
    for name, pictures in images.items():
        (path / name).mkdir(parents=True, exist_ok=True)
        for number, pixels in enumerate(pictures):
            image.fromarray(pixels).save(path / name / f"{number}.{suffix}")
    return path


COLOUR = RNG.integers(0, 256, (4, 6, 7, 3), np.uint8)


def test_folder(tmp_path):
    path = folder_of(tmp_path, {"b": COLOUR[:1], "a": COLOUR[1:]})
    (path / ".hidden").mkdir()
    (path / "a/.DS_Store").write_bytes(b"hidden")
    (path / "a/more").mkdir()
    (path / "a/2.png").rename(path / "a/more/2.png")
    X, y, names = datasets.load_image_folder(path)
    assert names == ("a", "b")
    assert y.tolist() == [0, 0, 0, 1]
    np.testing.assert_allclose(X, COLOUR[[1, 2, 3, 0]] / 255, rtol=1e-6)
    assert X.dtype == np.float32


def test_grey_images_have_one_channel_only_if_all_are_grey(tmp_path):
    grey = folder_of(tmp_path / "grey", {"a": IMAGES[:2], "b": IMAGES[2:3]})
    X, _, _ = datasets.load_image_folder(grey)
    np.testing.assert_allclose(X, IMAGES[:3, ..., None] / 255, rtol=1e-6)
    assert datasets.load_image_folder(grey, channels=3).X.shape == (3, 5, 4, 3)
    mixed = folder_of(grey, {"c": COLOUR[:1, :5, :4]})
    assert datasets.load_image_folder(mixed).X.shape == (4, 5, 4, 3)
    assert datasets.load_image_folder(mixed, channels=1).X.shape == (4, 5, 4, 1)
    with pytest.raises(ValueError, match="channels must be one of None, 1, 3, not 4"):
        datasets.load_image_folder(mixed, channels=4)


def test_resized_images(tmp_path):
    path = folder_of(tmp_path, {"a": [np.full((10, 20), 51, np.uint8)], "b": COLOUR[:1]})
    with pytest.raises(ValueError, match=r"0\.png is 10 x 20 pixels and .* 6 x 7; give a size="):
        datasets.load_image_folder(path)
    X = datasets.load_image_folder(path, (3, 4)).X
    assert X.shape == (2, 3, 4, 3)
    np.testing.assert_allclose(X[0], 0.2, atol=1e-6)
    assert datasets.load_image_folder(path, 5).X.shape == (2, 5, 5, 3)
    with pytest.raises(ValueError, match="size must be at least 1, not 0"):
        datasets.load_image_folder(path, 0)
    with pytest.raises(ValueError, match="size must be 67,108,864 pixels at most, not 9000 x 8000"):
        datasets.load_image_folder(path, (9000, 8000))


def test_deep_pixels_transparency_and_orientation(tmp_path):
    image = pytest.importorskip("PIL.Image")
    deep = (np.arange(20, dtype=np.uint16).reshape(4, 5) * 3000).astype(np.uint16)
    (tmp_path / "a").mkdir()
    image.fromarray(deep).save(tmp_path / "a/deep.png")
    X = datasets.load_image_folder(tmp_path).X
    np.testing.assert_allclose(X[0, ..., 0], deep / 65535, atol=1 / 255)
    clear = np.zeros((4, 5, 4), np.uint8)
    clear[:2, :, 3] = 255  # black above, transparent below
    image.fromarray(clear).save(tmp_path / "a/clear.png")
    X = datasets.load_images([tmp_path / "a/clear.png"])
    assert X[0, :2].max() == 0
    assert X[0, 2:].min() == 1
    turned = image.fromarray(COLOUR[0])
    exif = turned.getexif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned.save(tmp_path / "a/turned.png", exif=exif)
    X = datasets.load_images([tmp_path / "a/turned.png"])
    np.testing.assert_allclose(X[0], np.rot90(COLOUR[0], -1) / 255, rtol=1e-6)


def test_formats(tmp_path):
    image = pytest.importorskip("PIL.Image")
    features = pytest.importorskip("PIL.features")
    plain = np.full((9, 8, 3), 51, np.uint8)
    for suffix in ("bmp", "gif", "jpg", "png", "ppm", "tif", "webp"):
        if suffix == "webp" and not features.check("webp"):
            continue
        image.fromarray(plain).save(tmp_path / f"image.{suffix}")
        path = (tmp_path / f"image.{suffix}").rename(tmp_path / suffix)  # any name will do
        np.testing.assert_allclose(datasets.load_images([path])[0], 0.2, atol=0.01)


def test_what_phones_write_is_named(tmp_path):
    pytest.importorskip("PIL")
    file = tmp_path / "a.heic"
    file.write_bytes(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(ValueError, match=r"a\.heic cannot be read as an image: it is HEIC or AVIF"):
        datasets.load_images([file])


def test_postscript_is_no_image_whatever_its_name(tmp_path, monkeypatch):
    image = pytest.importorskip("PIL.Image")
    plugin = pytest.importorskip("PIL.EpsImagePlugin")
    monkeypatch.setattr(plugin, "Ghostscript", lambda *_, **__: pytest.fail("runs a program"))
    image.fromarray(COLOUR[0]).save(tmp_path / "image.eps")
    path = (tmp_path / "image.eps").rename(tmp_path / "image.png")
    with pytest.raises(
        ValueError, match=r"image\.png cannot be read .* no kind of image among BMP"
    ):
        datasets.load_images([path])


def test_metadata_that_are_damaged_do_not_matter(tmp_path):
    image = pytest.importorskip("PIL.Image")
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\x05garbage"
    image.fromarray(IMAGES[0]).save(tmp_path / "image.jpg", exif=exif, quality=100)
    with pytest.warns(UserWarning, match="EXIF"), image.open(tmp_path / "image.jpg") as it:
        it.getexif()
    X = datasets.load_images([tmp_path / "image.jpg"])
    np.testing.assert_allclose(X[0, ..., 0], IMAGES[0] / 255, atol=0.03)


def test_bad_files_are_left_out_with_one_warning(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = folder_of(tmp_path, {"a": COLOUR[:2], "b": COLOUR[2:]})
    good = (path / "a/0.png").read_bytes()
    (path / "a/empty.png").write_bytes(b"")
    (path / "a/notes.txt").write_text("no image")
    (path / "b/half.png").write_bytes(good[: len(good) // 2])
    (path / "b/text.jpg").write_text("no image")
    image.new("1", (10000, 9500)).save(path / "b/vast.png")  # Pillow only warns of it
    with pytest.warns(UserWarning, match="left out 5 of 9 files of") as caught:
        X, y, _ = datasets.load_image_folder(path)
    assert len(caught) == 1
    text = str(caught[0].message)
    for name in (
        "empty.png: it is empty",
        "notes.txt: it is no kind",
        "half.png",
        "text.jpg",
        "vast",
    ):
        assert name in text, text
    assert caught[0].filename == __file__
    np.testing.assert_allclose(X, COLOUR / 255, rtol=1e-6)
    assert y.tolist() == [0, 0, 1, 1]


def test_more_images_than_memory(tmp_path, monkeypatch):
    path = folder_of(tmp_path, {"a": COLOUR})

    def full(*_):
        raise MemoryError

    monkeypatch.setattr(images.np, "empty", full)
    with pytest.raises(MemoryError, match="4 images of 6 x 7 pixels do not fit into memory; give"):
        datasets.load_image_folder(path)


def test_pipes_and_links_to_nowhere_are_left_out(tmp_path):
    path = folder_of(tmp_path, {"a": COLOUR})
    try:
        os.mkfifo(path / "a/pipe.png")
        for number in range(5):
            (path / f"a/link{number}.png").symlink_to("nowhere")
    except (AttributeError, OSError):
        pytest.skip("no pipes and links here")
    with pytest.warns(UserWarning, match=r"link0\.png: No such file.*; and 1 more") as caught:
        assert len(datasets.load_image_folder(path).X) == 4
    assert len(caught) == 1
    with pytest.raises(ValueError, match=r"pipe\.png cannot be read as an image: it is no file"):
        datasets.load_images([path / "a/pipe.png"])


def test_folders_that_are_no_good(tmp_path):
    pytest.importorskip("PIL")
    with pytest.raises(NotADirectoryError, match=r"one sub-folder of images .* not there"):
        datasets.load_image_folder(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="has no sub-folders"):
        datasets.load_image_folder(tmp_path)
    path = folder_of(tmp_path, {"a": COLOUR})
    with pytest.raises(NotADirectoryError, match="it is a file"):
        datasets.load_image_folder(path / "a/0.png")
    (path / "b").mkdir()
    with pytest.raises(ValueError, match=r"b holds no image that can be read; put some in"):
        datasets.load_image_folder(path)
    (path / "b/1.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b holds no image .*: .*1\.png cannot be read"):
        datasets.load_image_folder(path)
    (path / "b/1.png").write_bytes((path / "a/0.png").read_bytes()[:80])
    with pytest.raises(ValueError, match=r"b holds no image"):
        datasets.load_image_folder(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read anything")
def test_files_that_may_not_be_read(tmp_path):
    path = folder_of(tmp_path, {"a": COLOUR})
    (path / "a/0.png").chmod(0)
    with pytest.warns(UserWarning, match=r"0\.png.*Permission denied"):
        assert len(datasets.load_image_folder(path).X) == 3


def test_single_images(tmp_path):
    image = pytest.importorskip("PIL.Image")
    path = folder_of(tmp_path, {"a": COLOUR})
    files = sorted((path / "a").iterdir())
    np.testing.assert_allclose(datasets.load_images(files), COLOUR / 255, rtol=1e-6)
    assert datasets.load_images(files[:1], (2, 3), channels=1).shape == (1, 2, 3, 1)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.load_images([path / "nowhere.png"])
    (path / "bad.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"bad\.png cannot be read as an image"):
        datasets.load_images([path / "bad.png"])
    with pytest.raises(ValueError, match="paths is empty"):
        datasets.load_images([])
    with pytest.raises(TypeError, match="paths must be a list of files, not 'image'"):
        datasets.load_images("image")
    image.open(files[0]).resize((3, 2)).save(path / "small.png")
    with pytest.raises(ValueError, match=r"0\.png is 6 x 7 pixels and .*small.png 2 x 3; give a"):
        datasets.load_images([*files, path / "small.png"])


def test_progress_of_long_loads(tmp_path, monkeypatch, capsys):
    path = folder_of(tmp_path, {"a": COLOUR})
    tqdm = pytest.importorskip("tqdm.auto")
    monkeypatch.setattr(tqdm, "tqdm", functools.partial(tqdm.tqdm, mininterval=0))
    datasets.load_image_folder(path)
    assert capsys.readouterr().err == ""  # not a long one
    whole = images.decoded
    monkeypatch.setattr(images, "decoded", lambda *given: time.sleep(0.4) or whole(*given))
    datasets.load_image_folder(path)
    assert "3/4" in capsys.readouterr().err
    datasets.load_image_folder(path, verbose=False)
    assert capsys.readouterr().err == ""


def test_images_without_pillow(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    (tmp_path / "a").mkdir()
    (tmp_path / "a/1.png").write_bytes(b"x")
    with pytest.raises(ImportError, match=r"pip install 'gacnn\[images\]'"):
        datasets.load_image_folder(tmp_path)
