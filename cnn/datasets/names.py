"""Names of classes: their order, and those that hardly mean what they say."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from cnn import checks

_MISSING = {"", "nan", "NaN", "None", "<NA>", "NaT"}  # what missing values are as strings
_NAMED = 3  # groups that a warning names


def in_order(names: Iterable[str]) -> list[str]:
    """Return names in alphabetical order, but 2 before 10 where all of them are numbers."""
    listed = sorted(names)
    if all(name.isascii() and name.isdecimal() for name in listed):
        listed.sort(key=int)
    return listed


def say_alike(names: Iterable[str], place: str) -> None:
    """Warn of classes whose names differ in case, in spaces, or in how accents are written.

    Single letters, which may be what the classes are, aside.
    """
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(reduced(name), []).append(name)
    alike = [" and ".join(map(ascii, group)) for group in groups.values() if len(group) > 1]
    if alike:
        more = f" and {len(alike) - _NAMED} more" if len(alike) > _NAMED else ""
        checks.warn(
            f"{place} has classes of nearly the same name, {', '.join(alike[:_NAMED])}{more}: if "
            "they are one class, give it one name"
        )


def reduced(name: str) -> str:
    """Return what is left of a name without case, spaces and ways to write accents."""
    letters = unicodedata.normalize("NFKC", name).casefold().split()
    return "".join(letters) if len(name) > 1 else name


def say_missing(names: Iterable[str], place: str) -> None:
    """Warn of classes named as missing values are, when they become strings."""
    missing = ", ".join(repr(name) for name in names if name in _MISSING)
    if missing:
        checks.warn(
            f"{place} has a class {missing}, as missing labels are called where they become "
            "strings: if it is none, leave its images out"
        )
