"""Folders of pictures: splits, classes and files, as they lie on the disks of people."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cnn import checks
from cnn.checks import printable
from cnn.datasets.array_files import idx_below
from cnn.datasets.names import in_order, reduced, say_alike

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
    left = [each for each in every if each not in nested] + _dead_links(path)
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
    if names is None:
        names = own
        say_alike(names, printable(folder))
    _check_known(folder, own, names)
    missing = [name for name in names if name not in own]
    if missing:
        checks.warn(f"{printable(folder)} has no {', '.join(map(printable, missing))}")
    numbers = {each: names.index(each.name) for each in classes}
    notes = [f"{printable(each.name)}, a link that leads nowhere" for each in _dead_links(folder)]
    files = [(file, numbers[each]) for each in classes for file in files_below(each, folder, notes)]
    if notes:
        checks.warn(f"left out in {printable(folder)}: {'; '.join(notes)}")
    _say_splits_inside(folder, classes)
    return Split(folder, numbers, names, files)


def _check_known(folder: Path, own: tuple[str, ...], names: tuple[str, ...]) -> None:
    """Raise ValueError for classes of their own that are not among those to train on."""
    unknown = [name for name in own if name not in names]
    if not unknown:
        return
    known = {reduced(name): name for name in names}
    twins = [(name, known[reduced(name)]) for name in unknown if reduced(name) in known]
    cure = f"give them the same names, or name {printable(folder)} itself to load it alone"
    if twins:
        cure = f"{twins[0][0]!a} and {twins[0][1]!a} are not the same name: give it one"
    raise ValueError(
        f"{printable(folder)} holds the classes {', '.join(map(printable, unknown))}, which are "
        f"not among those to train on: {', '.join(map(printable, names))}; {cure}"
    )


def _say_splits_inside(folder: Path, classes: list[Path]) -> None:
    """Warn where classes hold splits, or what may be the classes."""
    below = {each: subfolders(each) for each in classes}
    split = [each for each in classes if len({_part(inner) for inner in below[each]} - {""}) > 1]
    shared = set.intersection(*({inner.name for inner in below[each]} for each in classes))
    loose = any(map(_has_pictures, classes))
    first = classes[0]
    if len(classes) == 1 and len(shared) > 1 and not loose:
        checks.warn(
            f"{printable(folder)} holds one class, {printable(first.name)}; if the classes "
            f"are {_listed(below[first])}, give {printable(first)}"
        )
    elif split:
        checks.warn(
            f"{_listed(below[split[0]])} in {printable(split[0])} are taken together; for splits "
            f"put the classes inside of them, such as {printable(folder / 'train' / split[0].name)}"
        )
    elif len(classes) > 1 and len(shared) > 1 and not loose:
        checks.warn(
            f"{_listed(classes)} in {printable(folder)} are taken for the classes, though each of "
            f"them holds {', '.join(map(printable, sorted(shared)))}; if those are the classes, "
            "put all images of each into one folder"
        )


def _dead_links(folder: Path) -> list[Path]:
    """Return the links in a folder that lead nowhere, such as to a disk that is not there."""
    with os.scandir(folder) as entries:
        names = [each.name for each in entries if _counts(each.name) and each.is_symlink()]
    return [folder / name for name in sorted(names) if not (folder / name).exists()]


def files_below(folder: Path, root: Path, notes: list[str]) -> Iterator[Path]:
    """Yield the files of a folder and below it, links followed once, in order.

    root: a folder above it, from which names count in the notes of what is left out.
    """

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
