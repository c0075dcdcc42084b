"""Damaged checkpoints and models: each is refused, or read as what it was, and never otherwise.

    python benchmarks/damage.py [--number 1500] [--seed 0]

The files of a checkpoint, and a model, are damaged one way at a time: bits flipped, bytes zeroed
or swapped, parts cut out, doubled or put from one file into another. Exits with 1 where one is
read as something else, or with another error than ValueError or OSError.
"""

import argparse
import random
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import cnn
import gacnn  # found through the line above
from gacnn.checkpoints import store
from gacnn.types import Growing

Chance = random.Random


def flip(data: bytearray, chance: Chance) -> None:
    for _ in range(chance.choice([1, 1, 2, 8])):
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def zero(data: bytearray, chance: Chance) -> None:
    start = chance.randrange(len(data))
    size = min(len(data) - start, chance.choice([1, 8, 512, 4096]))
    data[start : start + size] = bytes(size)


def swap(data: bytearray, chance: Chance) -> None:
    size = chance.choice([1, 4, 8, 64])
    one, other = (chance.randrange(len(data) - size) for _ in range(2))
    first, second = data[one : one + size], data[other : other + size]
    data[one : one + size], data[other : other + size] = second, first


def cut(data: bytearray, chance: Chance) -> None:
    start = chance.randrange(len(data))
    del data[start : chance.choice([start + 1, start + 64, len(data)])]


def double(data: bytearray, chance: Chance) -> None:
    start = chance.randrange(len(data))
    data[start:start] = data[start : start + chance.choice([1, 64, 1024])]


WAYS: list[Callable[[bytearray, Chance], None]] = [flip, flip, zero, swap, cut, double]


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Growing):
        return one.name == other.name and same(dict(one.columns), dict(other.columns))
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=True)
    return bool(type(one) is type(other) and (one == other or one != one))


def outcome(read: Callable[[], Any], wanted: Any) -> str:
    """Return "refused" or "whole", or what is wrong."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = read()
    except (ValueError, OSError) as error:
        return "refused" if str(error) else "WITHOUT A WORD"
    except Exception as error:  # noqa: BLE001 (that is what is looked for)
        return f"{type(error).__name__.upper()}"
    return "whole" if same(found, wanted) else "SOMETHING ELSE"


def damaged(
    files: list[Path], read: Callable[[], Any], number: int, chance: Chance
) -> Counter[str]:
    """Return how often each outcome came of so many damages."""
    wanted, whole = read(), {file: file.read_bytes() for file in files}
    counts: Counter[str] = Counter()
    for _ in range(number):
        file = chance.choice(files)
        data = bytearray(whole[file])
        chance.choice(WAYS)(data, chance)
        file.write_bytes(data)
        counts[outcome(read, wanted)] += 1
        file.write_bytes(whole[file])
    return counts


def model_of(path: Path) -> Any:
    model = cnn.load(path)
    return {"layers": [str(layer) for layer in model.layers], "weights": np.array(model.weights)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--number", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, right = Chance(options.seed), True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rng = np.random.default_rng(0)
        X, y = rng.random((60, 6, 6, 1), np.float32), np.arange(60) % 3
        convolution, output = cnn.Conv2D(4, 3), cnn.Dense(3, activation_function="softmax")
        model = cnn.Model([cnn.Input2D((6, 6)), convolution, cnn.Flatten(), output], random_seed=0)
        (folder / "run").mkdir()
        gacnn.GACNN(model, 8, random_seed=0).train(
            X, y, num_generations=20, checkpoint=folder / "run" / "ck", verbose=False
        )
        model.save(folder / "model.npz")
        of_run = sorted((folder / "run").iterdir())
        spare = shutil.copytree(folder / "run", folder / "spare")
        shutil.copy(spare / "ck", spare / ".ck.spare")
        for what, files, read in (
            ("checkpoints", of_run, lambda: store.read(folder / "run" / "ck")),
            ("checkpoints with a copy", [spare / "ck"], lambda: store.read(spare / "ck")),
            ("models", [folder / "model.npz"], lambda: model_of(folder / "model.npz")),
        ):
            counts = damaged(files, read, options.number, chance)
            right &= counts.keys() <= {"refused", "whole"}
            listed = ", ".join(f"{count:,} {kind}" for kind, count in counts.most_common())
            print(f"{options.number:,} damaged {what}: {listed}", flush=True)
    sys.exit(not right)


if __name__ == "__main__":
    main()
