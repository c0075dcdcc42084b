"""Draw accuracy against image evaluations: `python benchmarks/learning_picture.py`.

Every point is a case of learning.csv, the mean over its seeds; beside them the published results
without gradients, and as a line what Adam reaches with the largest of the networks. Writes
learning.png to --out.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from pathlib import Path
from typing import NamedTuple

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

RESULTS = Path(__file__).with_name("learning.csv")


class Panel(NamedTuple):
    """A data set: its cases, the case of Adam, and who published what for how many evaluations.

    evolved, first, solved: cases of all layers evolved, of a head evolved on a first layer from
    the data, and of one that ridge regression had solved before; costs: from the left to the right
    edge.
    """

    title: str
    evolved: tuple[str, ...]
    first: tuple[str, ...]
    solved: tuple[str, ...]
    adam: str
    published: dict[str, tuple[float, float]]
    floor: float
    costs: tuple[float, float]


PANELS = (
    Panel(
        "MNIST",
        ("mnist-66M", "mnist-131M", "mnist-328M", "mnist-long"),
        ("mnist-first-58M",),
        ("mnist-solved-8M", "mnist-first-defaults"),
        "mnist-long",
        {
            "EvoJAX, PGPE": (66e6, 0.963),
            "EvoJAX, PGPE ": (328e6, 0.9822),
            "evosax, OpenES": (134e6, 0.97),
            "Prellberg & Kramer": (102_400e6, 0.976),
        },
        0.955,
        (5e6, 6e12),
    ),
    Panel(
        "CIFAR-10",
        ("cifar10-41M", "cifar10-268M"),
        ("cifar10-first-47M",),
        ("cifar10-solved-47M", "cifar10-first-defaults"),
        "cifar10-268M",
        {
            "NeuroEvoBench": (41e6, 0.41),
            "evosax": (268e6, 0.44),
            "LeNet, CMA-ES": (330e6, 0.52),
        },
        0.35,
        (2e7, 3e9),
    ),
)


def means() -> dict[tuple[str, str], tuple[float, float]]:
    """Return cost and accuracy, means over the seeds, of every case and method."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        rows = {(row["case"], row["method"], row["seed"]): row for row in csv.DictReader(file)}
    runs: dict[tuple[str, str], list[dict[str, str]]] = {}
    for (case, method, _), row in rows.items():
        runs.setdefault((case, method), []).append(row)
    return {
        key: (
            statistics.mean(float(row["image_evaluations"]) for row in members),
            statistics.mean(float(row["score"]) for row in members),
        )
        for key, members in runs.items()
    }


def draw(panel: Panel, ax: Axes) -> None:
    """Draw one data set."""
    known = means()
    for cases, color, label in (
        (panel.evolved, "C0", "this project, all layers evolved"),
        (panel.first, "C3", "this project, a first layer from the data"),
        (panel.solved, "C4", "this project, and a last one that began solved"),
    ):
        ours = sorted(known[case, "evolution"] for case in cases if (case, "evolution") in known)
        if ours:
            ax.plot(*zip(*ours, strict=True), "o", color=color, label=label)
    ax.plot(*zip(*panel.published.values(), strict=True), "s", color="C1", label="published")
    for name, (cost, score) in panel.published.items():
        place = {"xytext": (5, -10), "textcoords": "offset points", "fontsize": 7}
        ax.annotate(name.strip(), (cost, score), **place)
    if (panel.adam, "Adam") in known:
        score = known[panel.adam, "Adam"][1]
        ax.axhline(score, color="C2", linestyle="--", label="Adam, largest network")
    ax.set(xscale="log", xlabel="image evaluations", title=panel.title, xlim=panel.costs)
    ax.xaxis.set_minor_formatter(NullFormatter())
    ax.set_ylim(bottom=panel.floor)
    ax.yaxis.set_major_formatter(
        lambda value, _: f"{value:.1%}" if panel.floor > 0.9 else f"{value:.0%}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/images"), help="folder")
    arguments = parser.parse_args()
    figure, axes = pyplot.subplots(1, len(PANELS), figsize=(9, 4), layout="constrained")
    for panel, ax in zip(PANELS, axes, strict=True):
        draw(panel, ax)
    axes[0].set_ylabel("accuracy on the test images")
    legends = [ax.get_legend_handles_labels() for ax in axes]
    shown = {label: line for each in legends for line, label in zip(*each, strict=True)}
    figure.legend(shown.values(), shown, loc="outside lower center", ncols=3, fontsize=8)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "learning.png", dpi=100)
    print(f"The picture is {arguments.out / 'learning.png'}.")


if __name__ == "__main__":
    main()
