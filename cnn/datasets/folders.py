"""Folders of pictures: splits, classes and files, as they lie on the disks of people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from cnn import checks
from cnn.checks import printable
from cnn.datasets.array_files import idx_below

_SPLITS = {
    **dict.fromkeys(("train", "training", "trainset"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "valset"), "validation"),
    **dict.fromkeys(("test", "testing", "testset"), "test"),
}
_FILLERS = {"", "set", "data", "dataset", "images", "imgs", "split", "seg"}  # as in training_set
_SYSTEM = {  # what systems leave in folders, in small letters
    *("@eadir", "@recycle", "@recently-snapshot", "@tmp", "#recycle", "#snapshot"),  # of a NAS
    *("$recycle.bin", "recycler", "system volume information", "found.000", "lost+found"),
    *("thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"),
    *("__macosx", "__pycache__"),
}
_THUMBNAILS = {"thumb", "thumbs", "thumbnail", "thumbnails", "_thumbs"}  # below a class
_PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm")


class Split(NamedTuple):
    """A folder with one sub-folder for each class.

    classes: these and their numbers; names: by number; files: with the number of the class.
    """

    folder: Path
    classes: dict[Path, int]
    names: tuple[str, ...]
    files: list[tuple[Path, int]]


def split_folders(path: Path) -> dict[str, Path]:
    """Return the folders of splits, "train" first: that alone, the folder itself, without splits.

    Raises NotADirectoryError for a path that is no folder, and ValueError for one without
    sub-folders, and for splits without classes or without one to train on. Warns of folders that
    are left out.
    """
    _check_folder(path)
    return _splits_in(path) or {"train": path}


def _check_folder(path: Path) -> None:
    if not path.is_dir():
        kind = "a file" if path.exists() else "not there"
        raise NotADirectoryError(
            f"{printable(path)} must be a folder with one sub-folder of images for each class, "
            f"but it is {kind}"
        )
    if not subfolders(path):
        check_no_idx(path)
        raise ValueError(
            f"{printable(path)} has no sub-folders; put the images of each class into one, such "
            f"as {printable(path / 'cats')} and {printable(path / 'dogs')}"
        )


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder that are neither hidden nor a system's, in order."""
    with os.scandir(folder) as entries:
        names = [each.name for each in entries if _counts(each.name) and each.is_dir()]
    return [folder / name for name in in_order(names)]


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in alphabetical order, but 2 before 10 where all of them are numbers."""
    listed = sorted(names)
    if all(name.isascii() and name.isdecimal() for name in listed):
        listed.sort(key=int)
    return listed


def _counts(name: str) -> bool:
    return not name.startswith(".") and name.casefold() not in _SYSTEM


def check_no_idx(path: Path) -> None:
    """Raise ValueError that says where the IDX files below a folder are, if there are any."""
    places = ", ".join(printable(place) for place in idx_below(path))
    if places:
        raise ValueError(f"{printable(path)} holds IDX files, which load_idx reads: in {places}")


# Splits


def _splits_in(path: Path) -> dict[str, Path]:
    """Return folders by part where they are splits, "train" among them; else nothing."""
    every = subfolders(path)
    named = [each for each in every if _part(each)]
    nested = [each for each in named if subfolders(each)]
    others = [each for each in every if each not in named]
    if len(named) >= 2 and not nested and not others:
        raise ValueError(
            f"{_listed(named)} in {printable(path)} are splits without classes: put the images of "
            "each class into a folder of its own inside; if they are classes, rename them"
        )
    if not nested:
        return {}
    if len(named) == 1 and any(_has_pictures(each) for each in others):
        checks.warn(
            f"{printable(nested[0])} is taken for a class, as {_listed(others)} are; if it is a "
            "split, move the others away"
        )
        return {}
    found: dict[str, Path] = {}
    for each in nested:
        known = found.setdefault(_part(each), each)
        if known != each:
            raise ValueError(
                f"{_listed([known, each])} in {printable(path)} are both {_part(each)}; keep one"
            )
    if "train" not in found:
        raise ValueError(
            f"{printable(path)} has {_listed(nested)}, but no train; name {printable(nested[0])} "
            "itself to load its images"
        )
    left = [each for each in every if each not in nested]
    if left:
        checks.warn(f"left out {_listed(left)} in {printable(path)}: no splits with classes inside")
    return {part: found[part] for part in ("train", "validation", "test") if part in found}


def _part(folder: Path) -> str:
    """Return "train", "validation" or "test" if a folder is named so, such as Training_set."""
    words = [word for word in re.split("[^a-z]+", folder.name.casefold()) if word not in _FILLERS]
    return _SPLITS.get(words[0], "") if len(words) == 1 else ""


def _has_pictures(folder: Path) -> bool:
    return any(file.name.lower().endswith(_PICTURES) for file in folder.iterdir())


def _listed(folders: list[Path]) -> str:
    return ", ".join(printable(each.name) for each in folders)


# Classes


def split_of(folder: Path, names: tuple[str, ...] | None = None) -> Split:
    """Return the files of a folder of classes, numbered as in `names` if these are given.

    Raises ValueError for classes that are not among these, and warns of those that are missing,
    and of what is left out.
    """
    classes = subfolders(folder)
    own = tuple(each.name for each in classes)
    if not own:
        raise ValueError(f"{printable(folder)} has no sub-folders; put each class into one")
    unknown = [each for each in classes if names is not None and each.name not in names]
    if unknown:
        raise ValueError(
            f"{printable(folder)} holds the classes {_listed(unknown)}, which are not among those "
            f"to train on: {', '.join(map(printable, names or ()))}"
        )
    missing = [name for name in names or () if name not in own]
    if missing:
        checks.warn(f"{printable(folder)} has no {', '.join(map(printable, missing))}")
    names = names or own
    numbers = {each: names.index(each.name) for each in classes}
    notes: list[str] = []
    files = [(file, numbers[each]) for each in classes for file in _files(each, folder, notes)]
    if notes:
        checks.warn(f"left out in {printable(folder)}: {'; '.join(notes)}")
    _say_splits_inside(folder, classes)
    return Split(folder, numbers, names, files)


def _say_splits_inside(folder: Path, classes: list[Path]) -> None:
    """Warn where classes hold splits, or a single class holds what may be classes."""
    inside = {each: {_part(below) for below in subfolders(each)} - {""} for each in classes}
    if any(len(parts) > 1 for parts in inside.values()):
        first = next(each for each, parts in inside.items() if len(parts) > 1)
        checks.warn(
            f"{_listed(subfolders(first))} in {printable(first)} are taken together; for splits "
            f"put the classes inside of them, such as {printable(folder / 'train' / first.name)}"
        )
    elif len(classes) == 1 and len(subfolders(classes[0])) > 1 and not _has_pictures(classes[0]):
        checks.warn(
            f"{printable(folder)} holds one class, {printable(classes[0].name)}; if the classes "
            f"are {_listed(subfolders(classes[0]))}, give {printable(classes[0])}"
        )


def _files(folder: Path, root: Path, notes: list[str]) -> Iterator[Path]:
    """Files of a folder and those below it, links followed once, in order; notes of the rest."""

    def fail(error: OSError) -> None:
        raise error

    real = [root.resolve(), folder.parent.resolve()]
    seen = {_identity(each) for path in real for each in (path, *path.parents)}
    for where, folders, names in os.walk(folder, onerror=fail, followlinks=True):
        if _identity(Path(where)) in seen:
            notes.append(f"{printable(Path(where).relative_to(root))}, which leads back")
            folders.clear()
            continue
        seen.add(_identity(Path(where)))
        folders[:] = sorted(name for name in folders if _counts(name))
        for name in [name for name in folders if name.casefold() in _THUMBNAILS]:
            notes.append(f"{printable(Path(where, name).relative_to(root))}, of thumbnails")
            folders.remove(name)
        yield from (Path(where, name) for name in sorted(names) if _counts(name))


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino
