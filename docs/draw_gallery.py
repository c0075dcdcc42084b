"""Draw the pictures of the gallery, light and dark: `python docs/draw_gallery.py`, five minutes.

Those of `gacnn.plots`, those of the examples, and that of the first page for the dark; for the
light it is the README's. `python docs/draw_gallery.py game ternary` draws these examples' alone.
"""

from __future__ import annotations

import runpy
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from sklearn.datasets import load_sample_image

import cnn
import gacnn
from gacnn import augment, plots

EXAMPLES = Path(__file__).parent.parent / "examples"
FOLDER = Path(__file__).parent / "images/gallery"
EXAMPLES_SHOWN = ("ternary", "two_objectives", "game", "regression_xor")
INK, DARK_INK, DARK_PAPER = "#111", "#ccc", "#222"  # the first is nobody's black but this one's
INKED = ("text.color", "axes.labelcolor", "xtick.color", "ytick.color")


def network() -> cnn.Model:
    layers = [
        cnn.Input2D((8, 8, 1)),
        cnn.Conv2D(16, 3, padding="same", activation_function="relu"),
        cnn.MaxPooling2D(2),
        cnn.Flatten(),
        cnn.Dense(10, activation_function="softmax"),
    ]
    return cnn.Model(layers, random_seed=0)


def pictures() -> Iterator[tuple[str, tuple[float, float], Callable[[Any], Any]]]:
    """Yield a name, a size in inches, and what draws it into Axes."""
    data = cnn.datasets.load_digits()
    X, y, X_test, y_test = data.X[:1400], data.y[:1400], data.X[1400:], data.y[1400:]

    def trained(seed: int = 0, **options: Any) -> gacnn.Result:
        networks = gacnn.GACNN(network(), random_seed=seed)
        return networks.train(X, y, **{"num_generations": 600, "verbose": False} | options)

    result = trained()
    model, predicted = result.model, result.model.predict(X_test)
    yield "fitness", (5, 3), lambda ax: plots.fitness(result.history, ax)
    repeated = [result.history, *(trained(seed).history for seed in (1, 2))]
    plain = [
        trained(seed, crossover_type="uniform", mutation_type="self_adaptive").history
        for seed in range(3)
    ]
    runs = {"evolution strategy": repeated, "crossover and mutation": plain}
    yield "fitness_runs", (5, 3), lambda ax: plots.fitness(runs, ax)
    yield "diversity", (5, 3), lambda ax: plots.diversity(runs, ax)
    yield "filters", (3, 3), lambda ax: plots.filters(model, ax=ax)
    yield "feature_maps", (3, 3), lambda ax: plots.feature_maps(model, X_test[0], ax=ax)
    yield "occlusion", (4, 3), lambda ax: plots.occlusion(model, X_test[0], ax=ax)
    yield "confusion_matrix", (4, 4), lambda ax: plots.confusion_matrix(y_test, predicted, ax=ax)
    yield (
        "wrong_predictions",
        (4, 4),
        lambda ax: plots.wrong_predictions(X_test, y_test, predicted, max_images=16, ax=ax),
    )
    small = [cnn.Input2D((8, 8)), cnn.AveragePooling2D(4, stride=4), cnn.Flatten(), cnn.Dense(2)]
    front = gacnn.GACNN(cnn.Model(small, random_seed=0), 100, random_seed=0).train(
        X, (y == 8).astype(int), metric=[found, left_alone], num_generations=60, verbose=False
    )
    labels = "eights found", "others left alone"
    yield "augment", (6, 4), augmented
    yield "pareto_front", (5, 3), lambda ax: plots.pareto_front(front, labels, ax)


def augmented(ax: Any) -> None:
    """Draw copies of a photograph, a row for each augmentation."""
    photograph = load_sample_image("flower.jpg")[::4, ::4][:104, 20:148] / 255  # of scikit-learn
    steps = {
        "Flip()": augment.Flip(),
        "Shift(12)": augment.Shift(12),
        "Rotate(15)": augment.Rotate(15),
        "Crop(0.7)": augment.Crop(0.7),
        "Light(0.2, 0.4)": augment.Light(0.2, 0.4),
    }
    rng = np.random.default_rng(1)
    copies = np.repeat(photograph[None], 6, axis=0)
    rows = [np.concatenate([*step(copies, rng)], axis=1) for step in steps.values()]
    ax.imshow(np.clip(np.concatenate(rows), 0, 1))
    height = len(photograph)
    ax.set_yticks([height * (row + 0.5) for row in range(len(rows))], list(steps))
    ax.set(xticks=[])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)


def found(outputs: Any, eight: Any) -> float:
    return float(outputs.argmax(axis=1)[eight == 1].mean())


def left_alone(outputs: Any, eight: Any) -> float:
    return float(1 - outputs.argmax(axis=1)[eight == 0].mean())


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    pyplot.rcParams.update(dict.fromkeys(INKED, INK))
    chosen = sys.argv[1:]
    if not chosen:
        for name, size, draw in pictures():
            with pyplot.rc_context({"font.size": 8}):
                figure, ax = pyplot.subplots(figsize=size, layout="constrained")
                draw(ax)
                save(figure, name)
        draw_first_page()
    for name in chosen or EXAMPLES_SHOWN:
        save(figure_of(name), name)


def save(figure: Figure, name: str) -> None:
    """Write a figure without its paper, light and dark."""
    figure.savefig(FOLDER / f"{name}-light.png", dpi=130, transparent=True)
    ink(figure)
    figure.savefig(FOLDER / f"{name}-dark.png", dpi=130, transparent=True)
    pyplot.close(figure)


def ink(figure: Figure) -> None:
    """Give a figure the ink that is legible in the dark, but for what has a colour."""
    for text in figure.findobj(Text):
        if text.get_color() == INK:
            text.set_color(DARK_INK)
    for ax in figure.axes:
        ax.tick_params(color=DARK_INK)
        ax.spines[:].set_edgecolor(DARK_INK)
    for legend in figure.findobj(Legend):
        legend.get_frame().set_facecolor(DARK_PAPER)


def figure_of(example: str) -> Figure:
    """Run an example and return the figure that it has left."""
    pyplot.close("all")
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [example, "--out", folder]
        runpy.run_path(str(EXAMPLES / f"{example}.py"), run_name="__main__")
    return pyplot.gcf()


def draw_first_page() -> None:
    """Draw the README's picture on a dark ground."""
    example = runpy.run_path(str(EXAMPLES / "readme_picture.py"))
    figure = example["drawn"](*example["evolved"](1500))
    ink(figure)
    figure.savefig(FOLDER.parent / "run-dark.png", dpi=100, transparent=True)


if __name__ == "__main__":
    main()
