"""Values of options, as they are typed."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path

from cnn import datasets
from gacnn.command.run_folder import RunFolder

_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def whole(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of at least so much and, as seeds must, below 2**32."""

    def read(text: str) -> int:
        value = int(text) if text.isdecimal() else -1
        if not least <= value < 2**32:
            wanted = f"a whole number from {least} to {2**32 - 1:,}"
            raise argparse.ArgumentTypeError(f"must be {wanted}, not {text}")
        return value

    return read


def number(text: str) -> float:
    """Return a number of at least 0."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, not {text}")
    return value


def share(text: str) -> float:
    """Return a number from 0 to less than 1."""
    value = number(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to less than 1, not {text}")
    return value


def scale(text: str) -> datasets.Scale:
    """Return what is black and what is white, of 0,255."""
    try:
        black, white = map(float, text.split(","))
        return datasets.Scale(black, white)
    except ValueError:
        wanted = "two different numbers, black and white, like 0,255"
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text}") from None


def size(text: str) -> tuple[int, int]:
    """Return rows and columns, of 32 or 32x48."""
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise argparse.ArgumentTypeError(f"must be like 32 or 32x48, not {text}")
    return sides[0], sides[-1]


def seconds(text: str) -> float:
    """Return the seconds of 90, 90s, 10m, 1.5h or 1h30m."""
    parts = re.findall(r"(\d+\.?\d*|\.\d+)([smhd]?)", text.lower())
    if not parts or "".join(map("".join, parts)) != text.lower():
        raise argparse.ArgumentTypeError(f"must be seconds, or like 90s, 10m or 1h30m, not {text}")
    if len(parts) > 1 and not all(unit for _, unit in parts):
        raise argparse.ArgumentTypeError(f"must have a unit behind every number, not {text}")
    total = sum(float(digits) * _SECONDS[unit] for digits, unit in parts)
    if not total < math.inf:
        raise argparse.ArgumentTypeError(f"must be finite, not {text}")
    return total


def memory(text: str) -> int:
    """Return the bytes of 1000, 500M or 2G."""
    digits, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
    if not digits.isdecimal() or not int(digits) or unit not in _BYTES:
        raise argparse.ArgumentTypeError(f"must be bytes, or like 500M or 2G, not {text}")
    return int(digits) * _BYTES[unit]


def path(text: str) -> Path:
    """Return a path that has a name, which an unset variable of a shell has not."""
    if not text:
        raise argparse.ArgumentTypeError("must be a path, and is empty")
    return Path(text)


def run(text: str) -> RunFolder:
    """Return the folder of a run."""
    return RunFolder(path(text))
