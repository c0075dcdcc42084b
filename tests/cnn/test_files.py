"""Saved models: round trips, damaged and foreign files, and disks that fail."""

import contextlib
import copy
import errno
import io
import json
import os
import pickle
import re
import shutil
import stat
import threading
import time
import zipfile
from pathlib import Path

import networks
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import cnn
from cnn import files


def small():
    layers = [
        cnn.Input2D((4, 4)),
        cnn.Conv2D(2, 3, activation_function="relu", trainable=False),
        cnn.Flatten(),
        cnn.Dense(3, activation_function="softmax"),
    ]
    return networks.filled(cnn.Model(layers, 3, 0.5, random_seed=1))


@pytest.fixture
def path(tmp_path):
    """A file with a saved model."""
    path = tmp_path / "model.npz"
    small().save(path)
    return path


def assert_same(one, other):
    """Two models have the same layers, settings, weights and outputs."""
    assert str(one) == str(other)
    assert [repr(layer) for layer in one.layers] == [repr(layer) for layer in other.layers]
    assert (one.epochs, one.learning_rate) == (other.epochs, other.learning_rate)
    for name in ("weights", "initial_weights", "fixed_weights"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    X = networks.images_for(one, 2)
    np.testing.assert_array_equal(one.forward(X), other.forward(X))


def assert_refused(path):
    with pytest.raises(ValueError, match=r"model\.npz"):
        cnn.load(path)


def contents(path):
    with np.load(path) as stored:
        arrays = dict(stored)
    return json.loads(str(arrays.pop("header"))), arrays


def rewrite(path, header, arrays, **kwargs):
    np.savez(path, header=np.array(json.dumps(header)), **arrays, **kwargs)


def pickled(model):
    return pickle.loads(pickle.dumps(model))


# Round trips


SAME_FOLDER = [HealthCheck.function_scoped_fixture]


@settings(max_examples=60, deadline=None, suppress_health_check=SAME_FOLDER)
@given(networks.networks())
def test_round_trips_of_random_networks(tmp_path, model):
    model.update_weights(1)
    model.save(tmp_path / "model.npz")
    for other in (
        cnn.load(tmp_path / "model.npz"),
        pickled(model),
        copy.deepcopy(model),
    ):
        assert_same(model, other)
        assert not np.shares_memory(other.weights, model.weights)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, pickled])
def test_weights_of_a_copy_are_views_of_its_own_vector(duplicate):
    model = small()
    other = duplicate(model)
    other.weights = np.zeros(other.num_weights)
    assert not other.last_layer.trained_weights.any()
    assert model.weights.any()
    assert other.network_layers[0].previous_layer is other.input_layer


def test_weights_that_are_not_finite_replace_no_file(path):
    before = path.read_bytes()
    model = small()
    model.weights[0] = np.nan
    with pytest.raises(ValueError, match=r"weights must be finite.*weights\[0\]"):
        model.save(path)
    assert path.read_bytes() == before


def test_settings_given_as_numpy_numbers_are_saved(path):
    layers = [cnn.Input2D((np.int64(9), 9)), cnn.Conv2D(np.int8(2), np.array([3, 2]))]
    pool = cnn.MaxPooling2D((np.int64(3), 2), stride=np.int32(2), padding=(np.int16(1), 0))
    model = cnn.Model([*layers, pool], np.int64(3), np.float32(0.5))
    model.save(path)
    assert_same(cnn.load(path), model)


def test_path_may_be_text_and_has_no_suffix_added(tmp_path):
    name = str(tmp_path / "model")
    small().save(name)
    assert os.listdir(tmp_path) == ["model"]
    assert_same(cnn.load(name), small())


def test_nothing_in_the_file_is_pickled(path):
    header, arrays = contents(path)
    assert header["format"] == "gacnn model 1"
    assert {array.dtype for array in arrays.values()} == {np.dtype(np.float32)}


# Files that are wrong


def test_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.npz"):
        cnn.load(tmp_path / "nowhere.npz")
    with pytest.raises(IsADirectoryError, match="test_missing_file"):
        cnn.load(tmp_path)


def test_file_that_is_cut_short_anywhere(path):
    data = path.read_bytes()
    for length in [*range(0, len(data), 7), len(data) - 1]:
        path.write_bytes(data[:length])
        assert_refused(path)


@pytest.mark.filterwarnings("ignore:Reading `.npy`:UserWarning")  # NumPy says it of some damage
def test_flipped_bits_are_refused_or_change_nothing(path):
    data = path.read_bytes()
    for position in range(0, len(data), 3):
        flipped = bytearray(data)
        flipped[position] ^= 1 << position % 8
        path.write_bytes(flipped)
        with contextlib.suppress(ValueError):
            assert_same(cnn.load(path), small())


class Evil:
    """Creates a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_pickles_are_not_executed(path):
    header, arrays = contents(path)
    marker = path.with_name("executed")
    evil = np.array([Evil(marker)], dtype=object)
    files = [
        lambda: path.write_bytes(pickle.dumps(evil[0])),
        lambda: np.savez(path, header=evil, **arrays),
        lambda: rewrite(path, header, {**arrays, "weights": evil}),
        lambda: shutil.move(_npy(path, evil), path),
    ]
    for write in files:
        write()
        assert_refused(path)
        assert not marker.exists()


def _npy(path, array):
    other = path.with_name("other.npy")
    np.save(other, array, allow_pickle=True)
    return other


@pytest.mark.parametrize("text", [b"", b"text", b"PK\x03\x04", b"PK\x05\x06" + bytes(18)])
def test_foreign_files(path, text):
    path.write_bytes(text)
    assert_refused(path)


def test_foreign_and_compressed_archives(path):
    header, arrays = contents(path)
    np.savez(path, **arrays)
    assert_refused(path)
    np.savez_compressed(path, header=np.array(json.dumps(header)), **arrays)
    assert_refused(path)
    for text in ("[1]", "{", '{"format": "gacnn checkpoint 1"}', "NaN", "[" * 100_000):
        np.savez(path, header=np.array(text), **arrays)
        assert_refused(path)


def _drop(key):
    return lambda header, arrays: (header.pop(key, None), arrays.pop(key, None))


def _layer(index, **settings):
    return lambda header, arrays: header["layers"][index].update(settings)


def _array(name, function):
    return lambda header, arrays: arrays.update({name: function(arrays[name])})


@pytest.mark.parametrize(
    "change",
    [
        *map(_drop, ["layers", "epochs", "learning_rate", "weights", "initial", "fixed"]),
        lambda header, arrays: header["layers"].pop(),
        lambda header, arrays: header["layers"].pop(0),
        lambda header, arrays: header["layers"].append("Dense"),
        lambda header, arrays: header["layers"][1].pop("stride"),
        lambda header, arrays: header.update(layers={}),
        lambda header, arrays: header.update(layers=[]),
        lambda header, arrays: header.update(layers=5),
        lambda header, arrays: header.update(epochs="many"),
        lambda header, arrays: header.update(epochs=-1),
        lambda header, arrays: header.update(learning_rate=float("nan")),
        lambda header, arrays: header.update(learning_rate=[]),
        _layer(1, num_filters=3),
        _layer(1, num_filters=10**30),
        _layer(1, kernel_size=0),
        _layer(1, stride="2"),
        _layer(1, padding={"a": 1}),
        _layer(1, trainable=True),
        _layer(1, trainable="no"),
        _layer(1, activation_function=["relu"]),
        _layer(1, layer="Model"),
        _layer(1, layer=[]),
        _layer(1, extra=1),
        _layer(3, num_neurons=2),
        _array("weights", lambda array: array[:-1]),
        _array("weights", lambda array: np.append(array, np.float32(1))),
        _array("weights", lambda array: array.astype(np.float64)),
        _array("weights", lambda array: array.astype(str)),
        _array("weights", lambda array: array[None]),
        _array("weights", lambda array: array * np.float32("nan")),
        _array("initial", lambda array: array[:-1]),
        _array("fixed", lambda array: array * np.float32("inf")),
        _array("fixed", lambda array: array[1:]),
    ],
)
def test_tampered_files(path, change):
    header, arrays = contents(path)
    change(header, arrays)
    rewrite(path, header, arrays)
    assert_refused(path)


def test_a_file_of_a_machine_that_turns_bytes_round(path):
    header, arrays = contents(path)
    big_endian = {
        name: array.astype(">f4") if array.dtype == np.float32 else array
        for name, array in arrays.items()
    }
    rewrite(path, header, big_endian)
    assert_same(cnn.load(path), small())


@pytest.mark.parametrize("wrong", [0, io.BytesIO(), None, ""])
def test_what_is_no_path(wrong):
    with pytest.raises((TypeError, ValueError), match="path must be a path, not"):
        cnn.load(wrong)
    with pytest.raises((TypeError, ValueError), match="path must be a path, not"):
        small().save(wrong)


def test_array_that_claims_to_be_huge(path):
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    shape = {"descr": "<f4", "fortran_order": False, "shape": (10**15,)}
    np.lib.format.write_array_header_1_0(claim := io.BytesIO(), shape)
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in {**members, "weights.npy": claim.getvalue()}.items():
            archive.writestr(name, content)
    assert_refused(path)


def test_fixed_weights_that_were_loaded_can_be_changed(path):
    layer = next(layer for layer in cnn.load(path).weighted_layers if not layer.trainable)
    initial = layer.initial_weights.copy()
    layer.trained_weights[...] = 7
    np.testing.assert_array_equal(layer.initial_weights, initial)


def test_a_file_of_a_newer_version_says_so(path):
    header, arrays = contents(path)
    rewrite(path, {**header, "format": "gacnn model 12"}, arrays)
    with pytest.raises(ValueError, match=r"model\.npz .* newer version of gacnn; get that by `pip"):
        cnn.load(path)


@pytest.mark.parametrize("name", ["weights", "initial", "fixed"])
def test_an_array_that_is_not_there_is_named(path, name):
    header, arrays = contents(path)
    del arrays[name]
    rewrite(path, header, arrays)
    with pytest.raises(ValueError, match=f"it holds no {name}$"):
        cnn.load(path)


def test_only_the_arrays_of_a_model_are_read(path):
    header, arrays = contents(path)
    marker = path.with_name("executed")
    rewrite(path, header, {**arrays, "extra": np.array([Evil(marker)], dtype=object)})
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("pad", bytes(2**20))
        archive.filelist.extend([archive.getinfo("pad")] * 20_000)
    assert_same(cnn.load(path), small())
    assert not marker.exists()


def test_arrays_that_lie_one_over_the_other(tmp_path):
    path, inner = tmp_path / "arrays.npz", io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("b.npy", bytes(5000))
    text = inner.getvalue()
    files.save_arrays(path, {"format": "nested 1"}, {"a": np.frombuffer(text, np.uint8)})
    with zipfile.ZipFile(path, "a") as archive:
        item = zipfile.ZipInfo("b.npy")
        item.file_size = item.compress_size = 5000
        item.CRC = zipfile.crc32(bytes(5000))
        with open(path, "rb") as file:
            item.header_offset = file.read().index(text)
        archive.filelist.append(item)
        archive.NameToInfo["b.npy"] = item
        archive._didModify = True
    with pytest.raises(ValueError, match=r"one over the other|Overlapped"):
        files.load_arrays(path, "nested 1", ("a", "b"))


# What is no file


@pytest.fixture(params=["pipe", "device", "folder"])
def no_file(request, tmp_path):
    """A path at which there is something, but no file."""
    path = tmp_path / request.param
    if request.param == "folder":
        path.mkdir()
    elif not hasattr(os, "mkfifo"):
        pytest.skip("this system has no pipes with names")
    elif request.param == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/full")
    return path


def test_what_is_no_file_is_neither_read_nor_replaced(no_file):
    before = os.stat(no_file)
    for use in (cnn.load, small().save):
        with pytest.raises(OSError, match=f"'{re.escape(str(no_file))}'$"):
            use(no_file)
    assert os.path.samestat(os.stat(no_file), before)
    assert os.listdir(no_file.parent) == [no_file.name]


def test_links_are_not_followed_where_that_is_asked_for(tmp_path):
    victim, link = tmp_path / "victim", tmp_path / "link"
    victim.write_text("my thesis")
    for target in (victim, tmp_path / "nothing yet"):
        link.symlink_to(target)
        message = "symbolic link, and here none is followed"
        with pytest.raises(OSError, match=message), files.replacing(link, follow=False):
            pytest.fail("the file was opened")
        link.unlink()
    assert victim.read_text() == "my thesis"
    assert os.listdir(tmp_path) == ["victim"]


# Disks that fail


def save_over(path, error):
    """Try to save another model over the file: it stays whole, with nothing beside it."""
    before = path.read_bytes()
    model = small()
    model.weights = np.zeros(model.num_weights)
    with pytest.raises(error) as raised:
        model.save(path)
    if error is not KeyboardInterrupt:
        assert re.search(rf"{re.escape(str(path))}\b(?!\.)", str(raised.value))
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.parametrize("function", ["os.fsync", "os.replace", "os.chmod", "numpy.savez"])
@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left"),
        OSError("50 requested and 3 written"),  # NumPy's
        KeyboardInterrupt(),
    ],
)
def test_full_disk_leaves_the_earlier_file(path, monkeypatch, function, error):
    def fail(*args, **kwargs):
        raise error

    monkeypatch.setattr(function, fail)
    save_over(path, type(error))


def test_disk_that_is_full_after_some_bytes(path, monkeypatch):
    def fail(file, **arrays):
        file.write(b"PK" * 50)
        file.flush()
        raise OSError(errno.ENOSPC, "No space left")

    monkeypatch.setattr(np, "savez", fail)
    save_over(path, OSError)


def test_path_that_cannot_be_written(tmp_path):
    model = small()
    with pytest.raises(FileNotFoundError, match="nowhere"):
        model.save(tmp_path / "nowhere" / "model.npz")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        model.save(tmp_path / "folder")
    assert os.listdir(tmp_path) == ["folder"]
    assert os.listdir(tmp_path / "folder") == []


ROOT = not hasattr(os, "geteuid") or os.geteuid() == 0


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_folder_without_permission(path):
    path.parent.chmod(0o500)
    try:
        save_over(path, PermissionError)
    finally:
        path.parent.chmod(0o700)


@pytest.mark.skipif(ROOT, reason="root may write anywhere")
def test_a_file_that_is_read_only_stays(path):
    path.chmod(0o400)
    save_over(path, PermissionError)


def test_saved_file_has_the_permissions_of_any_other(tmp_path):
    (tmp_path / "other").touch()
    small().save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").stat().st_mode == (tmp_path / "other").stat().st_mode
    (tmp_path / "model.npz").chmod(0o640)
    small().save(tmp_path / "model.npz")
    assert (tmp_path / "model.npz").stat().st_mode & 0o777 == 0o640


def test_symbolic_link_stays_one(path):
    link = path.with_name("latest")
    link.symlink_to(path)
    model = small()
    model.weights = np.zeros(model.num_weights)
    model.save(link)
    assert link.is_symlink()
    assert not cnn.load(path).weights.any()


def test_the_umask_is_not_touched_by_threads_that_save(tmp_path):
    before = os.umask(0o022)
    end = time.monotonic() + 0.5
    modes = set()

    def save(name):
        while time.monotonic() < end:
            (tmp_path / name).unlink(missing_ok=True)
            small().save(tmp_path / name)

    try:
        threads = [threading.Thread(target=save, args=(name,)) for name in "abc"]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            (tmp_path / "other").touch()
            modes.add(stat.S_IMODE((tmp_path / "other").stat().st_mode))
            (tmp_path / "other").unlink()
    finally:
        after = os.umask(before)
    assert (modes, after) == ({0o644}, 0o022)


def test_what_killed_processes_left_is_swept_and_nothing_else(path):
    day = time.time() - 86_400
    kept = {".model.npz.0123abcd.tmp.txt", ".other.npz.0123abcd.tmp", ".model.npz.tmp", "model.npz"}
    for name in (".model.npz.0123abcd.tmp", ".model.npz.a_z01234.tmp", *kept):
        path.with_name(name).touch()
        os.utime(path.with_name(name), (day, day))
    path.with_name(".model.npz.fresh000.tmp").touch()  # somebody may be writing to it
    files._sweep_once.cache_clear()
    small().save(path)
    assert set(os.listdir(path.parent)) == kept | {".model.npz.fresh000.tmp"}


def test_the_bytes_are_on_disk_before_the_name_and_the_name_at_last(path, monkeypatch):
    done = []
    fsync, replace = os.fsync, os.replace

    def sync(handle):
        done.append("folder" if stat.S_ISDIR(os.fstat(handle).st_mode) else "file")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", lambda *names: (done.append("name"), replace(*names)))
    small().save(path)
    assert done == ["file", "name", "folder"]
