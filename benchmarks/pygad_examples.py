"""The documented examples of pygad.gann, pygad.torchga and pygad.kerasga, side by side with this.

XOR, a regression and images, each with the network, solutions and generations that PyGAD's
documentation gives it, and twice here with the same network, as many solutions and as many
generations: by `gacnn.GA` with the example's operators, from a population as wide as there, and by
`GACNN.train`. Prints scores and CPU seconds of all three as a table, medians of the seeds, which
take turns. Of the frameworks those that are installed; the images are PyGAD's 80 photographs:

    pip install torch tensorflow matplotlib
    python benchmarks/pygad_examples.py --fruits fruits.npz
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pygad
import pygad.gann
import pygad.nn

import cnn
import gacnn

XOR_X = np.array([[1.0, 1], [1, 0], [0, 1], [0, 0]])
XOR_Y = np.array([0, 1, 1, 0])
LINE_X = np.array([[0.02, 0.1, 0.15], [0.7, 0.6, 0.8], [1.5, 1.2, 1.7], [3.2, 2.9, 3.1]])
LINE_Y = np.array([[0.1], [0.6], [1.3], [2.5]])
TWO_X = np.array([[2, 5, -3, 0.1], [8, 15, 20, 13]])
SPREAD = 3**-0.5  # deviation of the numbers from -1 to 1 that pygad.torchga adds to a model
TWO_Y = np.array([[0.1, 0.2], [1.8, 1.5]])


class Example(NamedTuple):
    """An example of PyGAD's documentation.

    name, module: of it; X, y: the data; layers: the network here; networks, generations: how many;
    settings: of `pygad.GA`; there: returns the outputs for X of the best network of PyGAD's, for a
    seed.
    """

    name: str
    module: str
    X: Any
    y: Any
    layers: Callable[[], list[Any]]
    networks: int
    generations: int
    settings: dict[str, Any]
    there: Callable[[int, Example], Any]

    @property
    def is_regression(self) -> bool:
        return np.ndim(self.y) == 2


def dense(
    *sizes: int, last: str | None = "softmax", use_bias: bool = True
) -> Callable[[], list[Any]]:
    """Return what makes a dense network; those of pygad.nn have no biases."""

    def layers() -> list[Any]:
        activations = [*["relu"] * (len(sizes) - 2), last]
        return [
            cnn.Input1D(sizes[0]),
            *(
                cnn.Dense(size, None, activation, use_bias=use_bias)
                for size, activation in zip(sizes[1:], activations, strict=True)
            ),
        ]

    return layers


def photographs(side: int) -> Callable[[], list[Any]]:
    """Return what makes the network of PyGAD's examples with images of so many pixels a side."""
    return lambda: [
        cnn.Input2D((side, side, 3)),
        cnn.Conv2D(5, 7, None, "relu"),
        cnn.MaxPooling2D(5, stride=5),
        cnn.Conv2D(3, 3, None, "relu"),
        cnn.Flatten(),
        cnn.Dense(15, None, "relu"),
        cnn.Dense(4, None, "softmax"),
    ]


# PyGAD's


def gann(seed: int, example: Example) -> Any:
    """Return what the best network of pygad.nn says."""
    np.random.seed(seed)  # noqa: NPY002 # pygad.gann draws its weights by this one
    sizes = [layer.num_neurons for layer in example.layers()[1:]]
    kind = "regression" if example.is_regression else "classification"
    networks = pygad.gann.GANN(
        num_solutions=example.networks,
        num_neurons_input=example.X.shape[1],
        num_neurons_hidden_layers=sizes[:-1],
        num_neurons_output=sizes[-1],
        hidden_activations=["relu"] * len(sizes[:-1]),
        output_activation="None" if example.is_regression else "softmax",
    )

    def said(index: int | None) -> Any:
        network = networks.population_networks[1 if index is None else index]
        return np.array(pygad.nn.predict(network, example.X, problem_type=kind))

    def fitness(ga: Any, solution: Any, index: int | None) -> float:
        if example.is_regression:
            return 1 / float(np.abs(said(index) - example.y).mean())
        return 100 * float((said(index) == example.y).mean())

    def follow(ga: Any) -> None:
        networks.update_population_trained_weights(
            pygad.gann.population_as_matrices(networks.population_networks, ga.population)
        )

    vectors = pygad.gann.population_as_vectors(networks.population_networks).copy()
    index = evolved(vectors, fitness, example, seed, on_generation=follow)[2]
    return said(index)


def torchga(seed: int, example: Example) -> Any:
    import torch
    from pygad import torchga as module

    torch.manual_seed(seed)
    model = cnn.to_torch(cnn.Model(example.layers(), random_seed=seed))
    X = example.X.transpose(0, 3, 1, 2) if example.X.ndim == 4 else example.X
    X = torch.tensor(X).float()

    def outputs(solution: Any) -> Any:
        with torch.no_grad():
            return module.predict(model, solution, X).numpy()

    return by_module(module.TorchGA(model, example.networks).population_weights, outputs, example)(
        seed
    )


def kerasga(seed: int, example: Example) -> Any:
    from pygad import kerasga as module
    from tensorflow import keras  # which pygad.kerasga uses

    keras.utils.set_random_seed(seed)
    model = cnn.to_keras(cnn.Model(example.layers(), random_seed=seed))

    def outputs(solution: Any) -> Any:
        return module.predict(model, solution, example.X, verbose=0)

    return by_module(module.KerasGA(model, example.networks).population_weights, outputs, example)(
        seed
    )


def by_module(
    population: Any, outputs: Callable[[Any], Any], example: Example
) -> Callable[[int], Any]:
    """Return what evolves a population whose fitness is one over the loss, as documented."""

    def fitness(ga: Any, solution: Any, index: int) -> float:
        return worth(outputs(solution), example)

    return lambda seed: outputs(evolved(population, fitness, example, seed)[0])


def evolved(
    population: Any,
    fitness: Any,
    example: Example,
    seed: int,
    *,
    kind: type[pygad.GA] = pygad.GA,
    **settings: Any,
) -> Any:
    """Return the best solution that a genetic algorithm finds, its fitness and its place."""
    ga = kind(
        num_generations=example.generations,
        initial_population=population,
        fitness_func=fitness,
        random_seed=seed,
        suppress_warnings=True,
        **example.settings,
        **settings,
    )
    ga.run()
    return ga.best_solution(pop_fitness=ga.last_generation_fitness)


# Here


def with_ga(seed: int, example: Example) -> Any:
    """Return the outputs for X of the network that `gacnn.GA` finds as PyGAD would.

    With the operators and the fitness of the example, from a population as wide as there, on the
    same numbers.
    """
    networks, X = networks_for(seed, example, SPREAD), example.X.astype(np.float32)
    vectors: Any = networks.population_as_vectors()
    if example.module == "gann":
        vectors = np.random.default_rng(seed).uniform(-0.1, 0.1, networks.population.shape)
    fitness = networks.fitness(X, example.y, metric=lambda outputs, y: worth(outputs, example))
    best = evolved(vectors, fitness, example, seed, kind=gacnn.GA)[0]
    return networks.model.forward(X, np.float32(best)[None])[0]


def with_train(seed: int, example: Example) -> Any:
    """Return the outputs for X of the network that `train` finds."""
    networks, X = networks_for(seed, example), scaled(example.X)
    result = networks.train(
        X,
        example.y,
        num_generations=example.generations,
        metric=metric_of(example),
        validation=None,
        patience=None,
        verbose=False,
    )
    return result.model.forward(X)


def networks_for(seed: int, example: Example, spread: float | None = None) -> gacnn.GACNN:
    model = cnn.Model(example.layers(), random_seed=seed)
    return gacnn.GACNN(model, example.networks, random_seed=seed, spread=spread)


def metric_of(example: Example) -> str:
    return "mse" if example.is_regression else "cross_entropy"


def scaled(X: Any) -> Any:
    """Return bytes from 0 to 1, and columns of large numbers standardised, as `train` advises."""
    if X.dtype == np.uint8:
        return X / 255
    return (X - X.mean(axis=0)) / X.std(axis=0) if np.abs(X).max() > 10 else X


# All three


def loss(outputs: Any, example: Example) -> float:
    """Return the mean absolute error of a regression, the cross-entropy of classes."""
    outputs = np.asarray(outputs, float)
    if example.is_regression:
        return float(np.abs(outputs.reshape(np.shape(example.y)) - example.y).mean())
    return float(-np.log(np.maximum(outputs[np.arange(len(example.y)), example.y], 1e-12)).mean())


def worth(outputs: Any, example: Example) -> float:
    """Return the documented fitness: one over the loss, or for pygad.gann the accuracy."""
    if example.module == "gann" and not example.is_regression:
        return score(outputs, example)
    return 1 / (loss(outputs, example) + 1e-8)


def score(outputs: Any, example: Example) -> float:
    """Return the mean absolute error, or the accuracy; pygad.nn gives classes."""
    if example.is_regression:
        return loss(outputs, example)
    classes = outputs if np.ndim(outputs) == 1 else np.asarray(outputs).argmax(axis=1)
    return float((classes == example.y).mean())


def hues(X: Any) -> Any:
    """Return a histogram of the hues of each photograph, which pygad.gann's example is about."""
    from matplotlib.colors import rgb_to_hsv

    counts = [np.histogram(rgb_to_hsv(image / 255)[..., 0], 360, (0, 1))[0] for image in X]
    features = np.array(counts, float)
    return features[:, features.std(axis=0) > 50]  # as there


def examples(fruits: Path | None, step: int) -> list[Example]:
    """Return those whose frameworks are installed, and of images where there are any.

    step: from one pixel of a photograph that is taken to the next.
    """
    steady = {"num_parents_mating": 4, "parent_selection_type": "sss"}
    single = {**steady, "crossover_type": "single_point", "keep_parents": 1}
    adaptive = {**single, "mutation_type": "adaptive", "mutation_percent_genes": [5, 10]}
    random = {**single, "mutation_type": "random", "mutation_percent_genes": 5}
    xor, line = dense(2, 2, 2, use_bias=False), dense(4, 2, 2, last=None, use_bias=False)
    found = [
        Example("XOR", "gann", XOR_X, XOR_Y, xor, 6, 500, adaptive, gann),
        Example("regression", "gann", TWO_X, TWO_Y, line, 6, 500, random, gann),
    ]
    if fruits is not None:
        with np.load(fruits) as file:
            X, y = file["x_train"], file["y_train"].astype(int)
        features, wide = hues(X), {**random, "mutation_percent_genes": 10, "keep_parents": -1}
        layers = dense(features.shape[1], 150, 50, 4, use_bias=False)
        found.append(Example("fruits, hues", "gann", features, y, layers, 8, 100, wide, gann))
    known = {"torch": ("torchga", torchga, 2), "tensorflow": ("kerasga", kerasga, 5)}
    plain = {"num_parents_mating": 5}
    for framework, (module, there, hidden) in known.items():
        if importlib.util.find_spec(framework) is None:
            continue
        line = dense(3, hidden, 1, last=None)
        found += [
            Example("XOR", module, XOR_X, XOR_Y, dense(2, 4, 2), 10, 250, plain, there),
            Example("regression", module, LINE_X, LINE_Y, line, 10, 250, plain, there),
        ]
        if fruits is not None:
            images = np.ascontiguousarray(X[:, ::step, ::step])
            layers = photographs(images.shape[1])
            found.append(Example("fruits", module, images, y, layers, 10, 200, plain, there))
    return found


def timed(run: Callable[[int, Example], Any], seed: int, example: Example) -> tuple[float, float]:
    """Return the score and the CPU seconds of a run."""
    began = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        outputs = run(seed, example)
    return score(outputs, example), time.process_time() - began


def row(example: Example, seeds: Sequence[int]) -> str:
    """Return a line of the table."""
    ways = (example.there, with_ga, with_train)
    runs = [[timed(way, seed, example) for way in ways] for seed in seeds]
    medians = [
        [statistics.median(each) for each in zip(*way, strict=True)]
        for way in zip(*runs, strict=True)
    ]
    how = "error {:.3f}" if example.is_regression else "{:.1%}"
    cells = [f"pygad.{example.module}", example.name, f"{example.networks} x {example.generations}"]
    cells += [f"{how.format(score)}, {seconds:.2g} s" for score, seconds in medians]
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fruits", type=Path, help=".npz of x_train (80, 100, 100, 3), y_train")
    parser.add_argument("--half", action="store_true", help="every other pixel of photographs")
    parser.add_argument("--example", help="only those of this name")
    parser.add_argument("--module", choices=("gann", "torchga", "kerasga"), help="only this one")
    parser.add_argument("--seeds", type=int, default=3, help="(3)")
    arguments = parser.parse_args()
    print("| module | example | networks x generations | there | gacnn.GA | train |")
    print("|---|---|---|---|---|---|")
    for example in examples(arguments.fruits, 2 if arguments.half else 1):
        is_wanted = arguments.module in (None, example.module)
        if is_wanted and arguments.example in (None, example.name):
            print(row(example, range(arguments.seeds)), flush=True)


if __name__ == "__main__":
    main()
