"""How far off is the number of generations that `train` announces for a time limit?

Ten cases, each a run of `--seconds`: what `GACNN.plan` says before it, which knows nothing of
callbacks and checkpoints; what the run says soon, and what it says after the first seconds if that
is another number; and how many generations it did.

    python benchmarks/forecast.py --seconds 20
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import tempfile
import time
from pathlib import Path

import numpy as np

import gacnn

CLOSE = 0.2  # of what is done: a forecast that is not further off will do
SAID = re.compile(r"about ([\d,]+) generations?")


class Slow(gacnn.Callback):
    """A callback that takes a while, as one that draws does."""

    def on_generation(self, ga):
        time.sleep(0.02)


class SlowNowAndThen(gacnn.Callback):
    """One that takes a second, but seldom."""

    def on_generation(self, ga):
        if ga.generations_completed % 40 == 0:
            time.sleep(1)


def per_network(outputs, y):
    """A metric of one network at a time."""
    return float((outputs.argmax(axis=1) == y).mean())


def images(number, side, channels, classes=10):
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, number)
    X = rng.random((number, side, side, channels), np.float32) + y[:, None, None, None] / classes
    return X, y


def cases(folder):
    digits, photos = images(1500, 8, 1), images(4000, 28, 1)
    small = gacnn.default_network((8, 8, 1), 10, random_seed=0)
    large = gacnn.default_network((28, 28, 1), 10, random_seed=0)
    nested = {
        "mutation_type": gacnn.GaussianMutation(0.05, nested=True, mirrored=True),
        "crossover_type": "recombination",
    }
    shift = gacnn.augment.Compose(gacnn.augment.Shift(2), gacnn.augment.Flip())
    every = gacnn.Checkpoint
    return {
        "digits": (small, digits, {}),
        "digits, checkpoints": (small, digits, {"checkpoint": folder / "a"}),
        "digits, a checkpoint in 100": (small, digits, {"checkpoint": every(folder / "b", 100)}),
        "digits, a slow callback": (small, digits, {"callbacks": [Slow()]}),
        "digits, one slow in 40": (small, digits, {"callbacks": [SlowNowAndThen()]}),
        "digits, function as metric": (small, digits, {"metric": per_network}),
        "digits, no validation": (small, digits, {"validation": None}),
        "28 x 28": (large, photos, {}),
        "28 x 28, nested, augmented": (large, photos, {"augment": shift, **nested}),
        "28 x 28, all images": (large, photos, {"batch_size": None}),
    }


def forecast(model, data, options, seconds):
    """Return the generations that a run does, and those that its plan says, and itself twice."""
    said = io.StringIO()
    networks = gacnn.GACNN(model, 64, random_seed=0)
    planned = networks.plan(*data, time_limit=seconds, **options).likely_generations
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
        result = networks.train(*data, time_limit=seconds, **options)
    announced = [int(number.replace(",", "")) for number in SAID.findall(said.getvalue())]
    return result.ga.generations_completed, (planned, announced[0], announced[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20)
    seconds = parser.parse_args().seconds
    print(f"{'':30}{'plan':>8}{'soon':>8}{'later':>8}{'done':>8}{'off by':>24}")
    close = np.zeros(3, int)
    with tempfile.TemporaryDirectory() as folder:
        listed = cases(Path(folder))
        for name, case in listed.items():
            done, said = forecast(*case, seconds)
            off = np.array(said) / done - 1
            close += abs(off) <= CLOSE
            numbers = "".join(f"{number:8,}" for number in (*said, done))
            print(f"{name:30}{numbers}{''.join(f'{each:+8.0%}' for each in off)}", flush=True)
    print(f"within {CLOSE:.0%}: " + ", ".join(f"{each} of {len(listed)}" for each in close))


if __name__ == "__main__":
    main()
