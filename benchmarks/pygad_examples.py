"""The documented examples of pygad.gann, pygad.torchga and pygad.kerasga, side by side with this.

XOR, a regression and images, each with the generations and solutions of PyGAD's documentation, and
here by `GACNN.train` with the same number of networks. Prints score and seconds, medians of three
seeds. Of the frameworks those that are installed:

    pip install torch keras tensorflow
    python benchmarks/pygad_examples.py
"""

from __future__ import annotations

import contextlib
import importlib
import io
import statistics
import time

import numpy as np
import pygad
import pygad.gann
import pygad.nn

import cnn
import gacnn

SEEDS = range(3)

XOR_X = np.array([[1.0, 1], [1, 0], [0, 1], [0, 0]])
XOR_Y = np.array([0, 1, 1, 0])
LINE_X = np.array([[0.02, 0.1, 0.15], [0.7, 0.6, 0.8], [1.5, 1.2, 1.7], [3.2, 2.9, 3.1]])
LINE_Y = np.array([[0.1], [0.6], [1.3], [2.5]])


def images():
    """80 images of 4 classes, which differ in where they are bright, for the fruits of PyGAD."""
    rng = np.random.default_rng(0)
    y = np.arange(80) % 4
    X = rng.random((80, 20, 20, 3)).astype(np.float32) / 2
    for image, label in zip(X, y, strict=True):
        row, column = divmod(int(label), 2)
        image[10 * row : 10 * row + 10, 10 * column : 10 * column + 10] += 0.3
    return X, y


def evolved(population, fitness, generations, parents, seed, **settings):
    """Return the best solution that pygad.GA finds."""
    ga = pygad.GA(
        num_generations=generations,
        num_parents_mating=parents,
        initial_population=population,
        fitness_func=fitness,
        random_seed=seed,
        suppress_warnings=True,
        **settings,
    )
    ga.run()
    return ga.best_solution(pop_fitness=ga.last_generation_fitness)[0]


def gann_xor(seed):
    np.random.seed(seed)  # noqa: NPY002 # pygad.gann draws its weights by this one
    networks = pygad.gann.GANN(
        num_solutions=6,
        num_neurons_input=2,
        num_neurons_hidden_layers=[2],
        num_neurons_output=2,
        hidden_activations=["relu"],
        output_activation="softmax",
    )

    def right(index):
        said = pygad.nn.predict(networks.population_networks[index], XOR_X)
        return float(np.mean(np.array(said) == XOR_Y))

    def follow(ga):
        networks.update_population_trained_weights(
            pygad.gann.population_as_matrices(networks.population_networks, ga.population)
        )

    population = pygad.gann.population_as_vectors(networks.population_networks).copy()
    settings = {"init_range_low": -5, "init_range_high": 5, "mutation_percent_genes": 5}
    settings |= {"parent_selection_type": "sss", "keep_parents": 1, "on_generation": follow}
    evolved(population, lambda ga, x, i: 100 * right(i), 500, 4, seed, **settings)
    return max(right(index) for index in range(6))


def torch_model(kind):
    from torch import nn

    if kind == "xor":
        return nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Softmax(1))
    if kind == "line":
        return nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Linear(2, 1))
    return nn.Sequential(
        nn.Conv2d(3, 5, 7),
        nn.ReLU(),
        nn.MaxPool2d(5),
        nn.Flatten(),
        nn.Linear(20, 4),
        nn.Softmax(1),
    )


def torchga(kind, seed):
    import torch
    from pygad import torchga as module

    torch.manual_seed(seed)
    model = torch_model(kind)
    X, y = data(kind)
    X = torch.tensor(X.transpose(0, 3, 1, 2) if X.ndim == 4 else X).float()

    def score(ga, solution, index):
        with torch.no_grad():
            return fitness_of(module.predict(model, solution, X).numpy(), y, kind)

    return by_module(module.TorchGA(model, 10).population_weights, score, kind, seed)


def kerasga(kind, seed):
    from pygad import kerasga as module
    from tensorflow import keras  # which pygad.kerasga uses

    keras.utils.set_random_seed(seed)
    layers = keras.layers
    model = keras.Sequential(
        {
            "xor": [
                layers.Input((2,)),
                layers.Dense(2, "relu"),
                layers.Dense(2, "softmax"),
            ],
            "line": [layers.Input((3,)), layers.Dense(2, "relu"), layers.Dense(1)],
            "images": [
                layers.Input((20, 20, 3)),
                layers.Conv2D(5, 7, activation="relu"),
                layers.MaxPooling2D(5),
                layers.Flatten(),
                layers.Dense(4, "softmax"),
            ],
        }[kind]
    )
    X, y = data(kind)

    def score(ga, solution, index):
        return fitness_of(module.predict(model, solution, X, verbose=0), y, kind)

    return by_module(module.KerasGA(model, 10).population_weights, score, kind, seed)


def by_module(population, score, kind, seed):
    generations = {"xor": 250, "line": 250, "images": 200}[kind]
    best = evolved(population, score, generations, 5, seed)
    return score_of(score(None, best, 0), kind)


def here(kind, seed):
    layers = {
        "xor": [cnn.Input1D(2), cnn.Dense(2, None, "relu"), cnn.Dense(2, None, "softmax")],
        "line": [cnn.Input1D(3), cnn.Dense(2, None, "relu"), cnn.Dense(1, None, None)],
        "images": [
            cnn.Input2D((20, 20, 3)),
            cnn.Conv2D(5, 7, None, "relu"),
            cnn.MaxPooling2D(5),
            cnn.Flatten(),
            cnn.Dense(4, None, "softmax"),
        ],
    }[kind]
    X, y = data(kind)
    networks = gacnn.GACNN(cnn.Model(layers, random_seed=seed), 10, random_seed=seed)
    given = {"metric": "mse"} if kind == "line" else {}
    result = networks.train(
        X,
        y,
        num_generations=250,
        validation=None,
        patience=None,
        verbose=False,
        random_seed=seed,
        **given,
    )
    return score_of(fitness_of(result.model.forward(X), y, kind), kind)


def data(kind):
    return {"xor": (XOR_X, XOR_Y), "line": (LINE_X, LINE_Y)}.get(kind) or images()


def fitness_of(outputs, y, kind):
    """One over the loss, as PyGAD's documentation has it."""
    outputs = np.asarray(outputs, float)
    if kind == "line":
        return 1 / (float(np.abs(outputs - y).mean()) + 1e-8)
    loss = -np.log(np.maximum(outputs[np.arange(len(y)), y], 1e-12)).mean()
    fitness = 1 / (float(loss) + 1e-8)
    RIGHT[fitness] = float((outputs.argmax(axis=1) == y).mean())
    return fitness


RIGHT: dict[float, float] = {}


def score_of(fitness, kind):
    """The mean absolute error of the regression, the accuracy of the others."""
    return 1 / fitness - 1e-8 if kind == "line" else RIGHT[fitness]


def main():
    cases = [("xor", "pygad.gann", gann_xor)]
    for name, run in (("torchga", torchga), ("kerasga", kerasga)):
        with contextlib.suppress(ImportError):
            importlib.import_module(f"pygad.{name}")
            cases += [
                (kind, f"pygad.{name}", lambda seed, run=run, kind=kind: run(kind, seed))
                for kind in ("xor", "line", "images")
            ]
    cases += [
        (kind, "gacnn", lambda seed, kind=kind: here(kind, seed))
        for kind in ("xor", "line", "images")
    ]
    print("| example | by | score | seconds |\n|---|---|---|---|")
    for kind, name, run in sorted(cases, key=lambda case: ["xor", "line", "images"].index(case[0])):
        scores, seconds = [], []
        for seed in SEEDS:
            began = time.perf_counter()
            with contextlib.redirect_stdout(io.StringIO()):
                scores.append(run(seed))
            seconds.append(time.perf_counter() - began)
        score = statistics.median(scores)
        shown = f"error {score:.3f}" if kind == "line" else f"{score:.0%}"
        print(f"| {kind} | {name} | {shown} | {statistics.median(seconds):.2f} |", flush=True)


if __name__ == "__main__":
    main()
