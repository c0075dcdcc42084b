"""How well networks learn: evolution beside gradients and the published gradient-free results.

    python benchmarks/learning.py CASE … [--seeds 3] [--first-seed 0] [--budget 1.0] [--data FOLDER]
    python benchmarks/learning.py --table

Every row of learning.csv, next to this script, is one run: a score on data that the run has not
seen, the network's size, the cost as image evaluations (networks times images, validation
included) and seconds. A later run of the same seed replaces an earlier one in the table. Settings
were chosen on validation splits of the training data. --budget multiplies generations and time
limits, and runs of another budget than 1 are printed only. mnist.npz and cifar10.npz (in Keras'
format) and fruits.npz are looked for in --data; the other cases use what scikit-learn ships. The
Adam rows need PyTorch.
"""

from __future__ import annotations

import argparse
import csv
import functools
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from first_layer import FIRST_LAYERS, VALUES
from learning_tasks import (
    ODD_COSTS,
    STRATEGIES,
    Array,
    Data,
    dense_network,
    diabetes_folds,
    digits_folds,
    digits_network,
    fruits_network,
    mnist_network,
    pooled_network,
    stored,
    strategy,
    unbalanced_digits,
    wide_mnist_network,
)

import cnn
import gacnn
from gacnn.operators.arrays import front_numbers
from gacnn.training.result import Result

RESULTS = Path(__file__).with_suffix(".csv")
NETWORKS = {"mnist": mnist_network, "mnist-long": wide_mnist_network}
TRAINED_BY_GRADIENTS = (
    *NETWORKS,
    *(case for case, task in STRATEGIES.items() if task.activation is None),
    *(case for case, task in FIRST_LAYERS.items() if task.rates and not task.ternary),
)
PLAIN_NOISE = {**strategy((1.91, 0.136), (0.0766, None)), "batch_size": 128}
FRESH = 100  # seeds of diabetes' folds: the settings were chosen on some of the folds below


class Row(NamedTuple):
    """One run."""

    case: str
    method: str
    seed: int
    fold: int
    weights: int
    measure: str
    score: float
    image_evaluations: int
    seconds: float
    device: str = "cpu"


class Options(NamedTuple):
    """What the command line says."""

    seeds: range
    budget: float
    data: Path
    device: str | None


# Methods


def evolve(
    model: cnn.Model,
    X: Array,
    y: Array,
    seed: int,
    *,
    num_solutions: int = 64,
    spread: float | None = None,
    **options: Any,
) -> tuple[Result, float]:
    """Return what `GACNN.train` finds, and how long it took, before a resume included."""
    start = time.perf_counter()
    population = gacnn.GACNN(model, num_solutions, random_seed=seed, spread=spread)
    result = population.train(X, y, verbose=False, **options)
    if result.ga.interrupted:
        raise KeyboardInterrupt  # half a run is no result
    return result, max(time.perf_counter() - start, result.history["seconds"][-1])


def row(
    case: str,
    method: str,
    seed: int,
    fold: int,
    run: tuple[Result, float],
    score: float,
    measure: str = "accuracy",
) -> Row:
    """Return the row of one evolution."""
    result, seconds = run
    size, cost = result.model.num_weights, result.image_evaluations
    return Row(case, method, seed, fold, size, measure, score, cost, seconds)


def accuracy(model: cnn.Model, X: Array, y: Array, device: str | None = None) -> float:
    """Share of the images that are right."""
    return float(np.mean(model.predict(X, device=device) == y))


def adam(
    model: cnn.Model, data: Data, seed: int, epochs: int, augment: Any = None, device: str = "cpu"
) -> tuple[float, int, float]:
    """Train the network with gradients; return test accuracy, image evaluations and seconds.

    Adam in PyTorch from the same initial weights, 0.002 falling to 0 along a cosine, batches of
    64.
    """
    import torch

    rng = np.random.default_rng(seed)
    layers = list(cnn.to_torch(model))[:-1]  # the loss has the softmax
    network = torch.nn.Sequential(*layers).to(device)
    start = time.perf_counter()
    steps = epochs * -(-len(data.X) // 64)
    optimiser = torch.optim.Adam(network.parameters(), lr=0.002)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(epochs):
        order = rng.permutation(len(data.X))
        for batch in (order[first : first + 64] for first in range(0, len(order), 64)):
            images = data.X[batch] if augment is None else augment(data.X[batch], rng)
            images = np.ascontiguousarray(np.moveaxis(images, -1, 1))
            output = network(torch.from_numpy(images).to(device))
            labels = torch.from_numpy(data.y[batch]).to(device)
            loss = torch.nn.functional.cross_entropy(output, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
    seconds = time.perf_counter() - start
    trained = cnn.from_torch(network.cpu(), model.input_shape)
    return accuracy(trained, data.X_test, data.y_test), epochs * len(data.X), seconds


# Cases


def digits(options: Options) -> Iterator[Row]:
    """Five-fold cross-validation of scikit-learn's digits, 60 seconds a fold."""
    for seed in options.seeds:
        for fold, (X, y, X_test, y_test) in enumerate(digits_folds()):
            run = evolve(
                digits_network(seed),
                X,
                y,
                seed,
                time_limit=58 * options.budget,
                augment=gacnn.augment.Shift(0.5),
                **PLAIN_NOISE,
            )
            score = accuracy(run[0].model, X_test, y_test)
            yield row("digits", "evolution", seed, fold, run, score)


def digits_adam(options: Options) -> Iterator[Row]:
    """The same network and folds with gradients, with and without the augmentation."""
    for seed in options.seeds:
        for fold, data in enumerate(digits_folds()):
            for method, augment in (("Adam", None), ("Adam, shifts", gacnn.augment.Shift(0.5))):
                model = digits_network(seed)
                epochs = max(1, round(150 * options.budget))
                score, cost, seconds = adam(model, data, seed, epochs, augment)
                yield Row(
                    "digits",
                    method,
                    seed,
                    fold,
                    model.num_weights,
                    "accuracy",
                    score,
                    cost,
                    seconds,
                )


def digits_defaults(options: Options) -> Iterator[Row]:
    """`GACNN.train(X, y, time_limit=60)` and nothing else."""
    for seed in options.seeds:
        for fold, (X, y, X_test, y_test) in enumerate(digits_folds()):
            run = evolve(digits_network(seed), X, y, seed, time_limit=60 * options.budget)
            score = accuracy(run[0].model, X_test, y_test)
            yield row("digits-defaults", "evolution", seed, fold, run, score)


def fruits(options: Options) -> Iterator[Row]:
    """80 photographs to train on, 400 to test."""
    X, y, X_test, y_test = stored(options.data / "fruits.npz")
    for seed in options.seeds:
        run = evolve(
            fruits_network(seed), X, y, seed, time_limit=60 * options.budget, validation=None
        )
        seen = accuracy(run[0].model, X, y)
        yield row("fruits", "evolution", seed, 0, run, seen, "accuracy on the 80")
        yield row("fruits", "evolution", seed, 0, run, accuracy(run[0].model, X_test, y_test))


def counted(case: str, options: Options) -> Iterator[Row]:
    """Return the runs of an evolution strategy of `STRATEGIES`, whose cost is given."""
    task = STRATEGIES[case]
    data = task.data(options.data)
    for seed in options.seeds:
        given = task.options(options.budget)
        run = evolve(task.model(seed), data.X, data.y, seed, device=options.device, **given)
        score = accuracy(run[0].model, data.X_test, data.y_test)
        yield row(case, "evolution", seed, 0, run, score)._replace(device=options.device or "cpu")


def first_layer(case: str, options: Options) -> Iterator[Row]:
    """Return the runs of a head on fixed features of `FIRST_LAYERS`, solved or evolved."""
    task = FIRST_LAYERS[case]
    X, y, X_test, y_test = task.data(options.data)
    device = options.device or "cpu"
    for seed in options.seeds:
        start = time.perf_counter()
        model = task.model(X, seed, options.device)
        looked_at = 0
        if task.begins_solved:
            images, labels = task.solved_on(X, y)
            looked_at, alpha = len(images), task.alpha
            how = {"alpha": alpha, "values": VALUES if task.ternary else None}
            model = gacnn.with_ridge_head(model, images, labels, device=options.device, **how)
        if task.rates is None:
            seconds = time.perf_counter() - start
            score, size = accuracy(model, X_test, y_test, options.device), model.num_weights
            yield Row(case, "ridge", seed, 0, size, "accuracy", score, looked_at, seconds, device)
            continue
        run = evolve(
            model, X, y, seed, spread=0.0, device=options.device, **task.options(options.budget)
        )
        seconds = time.perf_counter() - start
        if task.ternary:
            assert {*run[0].model.weights, *run[0].model.fixed_weights} <= set(VALUES)
        score = accuracy(run[0].model, X_test, y_test, options.device)
        line = row(case, "evolution", seed, 0, run, score)
        cost = line.image_evaluations + looked_at
        yield line._replace(image_evaluations=cost, seconds=seconds, device=device)


def features_defaults(options: Options, case: str, file: str) -> Iterator[Row]:
    """A default network of the images and `train`, 600 seconds in all, as `gacnn train` does it."""
    X, y, X_test, y_test = stored(options.data / file)
    for seed in options.seeds:
        start = time.perf_counter()
        model = gacnn.default_network(X.shape[1:], 10, seed, images=X)
        left = max(0.0, 600 * options.budget - (time.perf_counter() - start))
        run = evolve(model, X, y, seed, time_limit=left, head="ridge")
        seconds = time.perf_counter() - start
        score = accuracy(run[0].model, X_test, y_test)
        yield row(case, "evolution", seed, 0, run, score)._replace(seconds=seconds)


def mnist_long(options: Options) -> Iterator[Row]:
    """117 minutes of a network that is wide where that costs little, with nested noise.

    Learning rate, sigma and weight decay fall together. A run goes on from its checkpoint in
    runs/.
    """
    data = stored(options.data / "mnist.npz")
    Path("runs").mkdir(exist_ok=True)
    for seed in options.seeds:
        run = evolve(
            wide_mnist_network(seed),
            data.X,
            data.y,
            seed,
            num_solutions=128,
            batch_size=256,
            time_limit=7000 * options.budget,
            **strategy((2.0, 0.3), (0.04, 0.004), (2e-4, 1e-5), 128, (16, 16, 64, 128)),
            augment=gacnn.augment.Shift(1.0),
            checkpoint=gacnn.Checkpoint(f"runs/mnist-long-{seed}-{options.budget:g}", every=2000),
            resume=True,
        )
        score = accuracy(run[0].model, data.X_test, data.y_test)
        yield row("mnist-long", "evolution", seed, 0, run, score)


def gradients(case: str, options: Options) -> Iterator[Row]:
    """Adam, 20 epochs, on the network of a case, or on its head, with the same images."""
    epochs, where = max(1, round(20 * options.budget)), options.device or "cpu"
    for seed in options.seeds:
        model, data, augment = for_gradients(case, seed, options)
        score, cost, seconds = adam(model, data, seed, epochs, augment, where)
        size = model.num_weights
        yield Row(case, "Adam", seed, 0, size, "accuracy", score, cost, seconds, where)


def for_gradients(case: str, seed: int, options: Options) -> tuple[cnn.Model, Data, Any]:
    """Return what gradients train of a case: network, images or features, and augmentation."""
    if case in FIRST_LAYERS:
        data = FIRST_LAYERS[case].data(options.data)
        model = FIRST_LAYERS[case].model(data.X, seed, options.device)
        return *head_alone(model, data, options.device), None
    if case in STRATEGIES:
        task = STRATEGIES[case]
        return task.model(seed), task.data(options.data), task.settings.get("augment")
    augment = gacnn.augment.Shift(1.0) if case == "mnist-long" else None
    return NETWORKS[case](seed), stored(options.data / "mnist.npz"), augment


def head_alone(model: cnn.Model, data: Data, device: str | None) -> tuple[cnn.Model, Data]:
    """Return the last layer on its own, and what the fixed layers before it return of images."""
    body = cnn.Model(model.layers[:-1])
    X, X_test = (body.forward(images, device=device) for images in (data.X, data.X_test))
    weights, classes = model.last_layer.trained_weights, model.num_classes
    head = cnn.Dense(classes, None, "softmax", weights=(weights, np.zeros(classes)))
    return cnn.Model([cnn.Input1D(X.shape[1]), head]), data._replace(X=X, X_test=X_test)


def mnist_defaults(options: Options) -> Iterator[Row]:
    """`GACNN.train(X, y, time_limit=600)` and nothing else."""
    X, y, X_test, y_test = stored(options.data / "mnist.npz")
    for seed in options.seeds:
        run = evolve(mnist_network(seed), X, y, seed, time_limit=600 * options.budget)
        score = accuracy(run[0].model, X_test, y_test)
        yield row("mnist-defaults", "evolution", seed, 0, run, score)


def ternary(options: Options) -> Iterator[Row]:
    """Digits with weights of -1, 0 and 1 only, 2,000 generations a fold."""
    for seed in options.seeds:
        for fold, (X, y, X_test, y_test) in enumerate(digits_folds()):
            model = digits_network(seed, activation="tanh")
            run = evolve(
                model,
                X,
                y,
                seed,
                num_generations=max(1, round(2000 * options.budget)),
                patience=None,
                gene_space=[-1, 0, 1],
                metric=gacnn.CrossEntropy(temperature=3),
            )
            assert set(np.unique(run[0].model.weights)) <= {-1, 0, 1}
            score = accuracy(run[0].model, X_test, y_test)
            yield row("ternary", "evolution", seed, fold, run, score)


def step(options: Options) -> Iterator[Row]:
    """Digits with step activations, which have no gradient."""
    for seed in options.seeds:
        for fold, (X, y, X_test, y_test) in enumerate(digits_folds()):
            model = digits_network(seed, activation="step")
            how = {**PLAIN_NOISE, "validation": "auto"}
            run = evolve(model, X, y, seed, time_limit=60 * options.budget, **how)
            score = accuracy(run[0].model, X_test, y_test)
            yield row("step", "evolution", seed, fold, run, score)


def unbalanced(options: Options) -> Iterator[Row]:
    """Digits with few odd ones: macro-F1 or costs as what is maximised, or accuracy instead.

    All runs go on from a network that cross-entropy has trained. Test images count as much as
    digits of their class are frequent in training.
    """
    from sklearn.metrics import f1_score

    def cost(outputs: Array, labels: Array) -> float:
        return -float(ODD_COSTS[labels, outputs.argmax(1)].mean())

    for seed in options.seeds:
        X, y, X_test, y_test = unbalanced_digits(seed)
        frequency = (np.bincount(y) / np.bincount(y_test))[y_test]
        how = {"batch_size": None, "validation": None, "patience": None}
        count = max(1, round(1500 * options.budget))
        start, _ = evolve(pooled_network(seed), X, y, seed, num_generations=count // 5, **how)
        for name, metric in (("accuracy", "accuracy"), ("f1_macro", "f1_macro"), ("-cost", cost)):
            run = evolve(
                start.model,
                X,
                y,
                seed,
                spread=0.05,
                metric=metric,
                num_generations=count,
                **how,
            )
            predicted = run[0].model.predict(X_test)
            f1 = f1_score(y_test, predicted, average="macro", sample_weight=frequency)
            costs = np.average(ODD_COSTS[y_test, predicted], weights=frequency)
            for measure, score in (("macro-F1", f1), ("cost", costs)):
                line = row("unbalanced", f"maximises {name}", seed, 0, run, score, measure)
                evaluations = line.image_evaluations + start.image_evaluations
                yield line._replace(image_evaluations=evaluations)


def xor(options: Options) -> Iterator[Row]:
    """XOR with two hidden units: four rows, all to be right."""
    X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 1, 1, 0])
    for seed in options.seeds:
        run = evolve(dense_network(2, 2, 2, seed), X, y, seed)
        yield row("xor", "evolution", seed, 0, run, accuracy(run[0].model, X, y))


def diabetes(options: Options) -> Iterator[Row]:
    """R2 of a small network on unseen rows of scikit-learn's diabetes, beside ridge regression."""
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score

    for seed in options.seeds:
        for fold, (X, y, X_test, y_test) in enumerate(diabetes_folds(FRESH + seed)):
            run = evolve(
                dense_network(10, 4, 1, seed),
                X,
                y,
                seed,
                metric="mse",
                num_generations=round(300 * options.budget),
                validation=None,
                crossover_type=gacnn.WeightedRecombination("fitness", 1.4, 0.1, 0.02),
                mutation_type=gacnn.GaussianMutation(0.1, scale="fan_in", mirrored=True),
            )
            predicted = run[0].model.forward(X_test)[:, 0]
            yield row("diabetes", "evolution", seed, fold, run, r2_score(y_test, predicted), "R2")
            ridge = RidgeCV(np.logspace(-3, 3, 25)).fit(X, y)
            score = r2_score(y_test, ridge.predict(X_test))
            yield Row("diabetes", "ridge", seed, fold, 11, "R2", score, 0, 0.0)


def front(options: Options) -> Iterator[Row]:
    """Accuracy on the first fold of digits of NSGA-II's front, by the number of weights not 0."""
    from two_objectives import evolve as prune  # one of the examples

    X, y, X_test, y_test = next(digits_folds())
    for seed in options.seeds:
        start = time.perf_counter()
        trained, ga = prune(X, y, max(1, round(600 * options.budget)), seed)
        model = trained.model
        cost = trained.image_evaluations + int(ga.num_fitness_evaluations) * len(X)
        seconds = time.perf_counter() - start
        members = ga.population[front_numbers(ga.last_generation_fitness) == 0]
        seen = gacnn.Fitness(model, X, y, "accuracy")(members)
        weights = np.count_nonzero(members, axis=1)
        for most in (600, 900, 1200, model.num_weights):
            chosen = np.where(weights <= most, seen, -1).argmax()
            if weights[chosen] <= most:
                score = np.mean(model.forward(X_test, members[chosen, None])[0].argmax(1) == y_test)
                name = f"at most {most:,} weights"
                size = int(weights[chosen])
                yield Row("front", name, seed, 0, size, "accuracy", score, cost, seconds)


CASES: dict[str, Callable[[Options], Iterator[Row]]] = {
    "digits": digits,
    "digits-adam": digits_adam,
    "digits-defaults": digits_defaults,
    "fruits": fruits,
    **{case: functools.partial(counted, case) for case in STRATEGIES},
    **{case: functools.partial(first_layer, case) for case in FIRST_LAYERS},
    "mnist-first-defaults": functools.partial(
        features_defaults, case="mnist-first-defaults", file="mnist.npz"
    ),
    "cifar10-first-defaults": functools.partial(
        features_defaults, case="cifar10-first-defaults", file="cifar10.npz"
    ),
    "mnist-long": mnist_long,
    **{f"{case}-adam": functools.partial(gradients, case) for case in TRAINED_BY_GRADIENTS},
    "mnist-defaults": mnist_defaults,
    "ternary": ternary,
    "step": step,
    "unbalanced": unbalanced,
    "front": front,
    "xor": xor,
    "diabetes": diabetes,
}


# Results


def record(line: Row) -> None:
    """Append a row to the CSV file."""
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        if fresh:
            writer.writerow(Row._fields)
        writer.writerow(line._replace(score=round(line.score, 4), seconds=round(line.seconds, 1)))


_OF_A_RUN = ("case", "method", "seed", "fold", "measure")


def table() -> None:
    """Print the mean and spread of every case, method and measure, as Markdown."""
    with RESULTS.open(newline="", encoding="utf-8") as file:
        lines = {
            tuple(row[key] for key in _OF_A_RUN): row for row in csv.DictReader(file, restval="cpu")
        }
    groups: dict[tuple[str, ...], list[dict[str, str]]] = {}
    for line in lines.values():
        groups.setdefault((line["case"], line["method"], line["measure"]), []).append(line)
    print("| case | method | measure | mean | spread | runs | weights | image evaluations | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for key, members in groups.items():
        scores = [float(each["score"]) for each in members]
        cost = statistics.mean(int(each["image_evaluations"]) for each in members) / 1e6
        seconds = statistics.mean(float(each["seconds"]) for each in members)
        weights = statistics.mean(int(each["weights"]) for each in members)
        print(
            f"| {' | '.join(key)} | {statistics.mean(scores):.4f} | "
            f"{statistics.pstdev(scores):.4f} | {len(scores)} | {weights:.0f} | "
            f"{cost:.1f} M | {seconds:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(CASES))
    parser.add_argument("--seeds", type=int, default=3, help="how many")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--budget", type=float, default=1.0)
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--device", help="a GPU for the cases of a given cost and those of Adam")
    parser.add_argument("--table", action="store_true", help="print what learning.csv holds")
    arguments = parser.parse_args()
    unknown = set(arguments.cases) - CASES.keys()
    if not arguments.cases and not arguments.table:
        parser.error(f"name a case, or give --table; known: {', '.join(CASES)}")
    if unknown:
        parser.error(f"unknown case {', '.join(unknown)}; known: {', '.join(CASES)}")
    first = arguments.first_seed
    seeds = range(first, first + arguments.seeds)
    options = Options(seeds, arguments.budget, arguments.data, arguments.device)
    for name in arguments.cases:
        for line in CASES[name](options):
            print(*line, flush=True)
            if options.budget == 1:
                record(line)
    if arguments.table:
        table()


if __name__ == "__main__":
    main()
