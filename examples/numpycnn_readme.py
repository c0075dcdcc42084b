"""The example of NumPyCNN's README, the project that this one grew from, as it runs here.

`python examples/numpycnn_readme.py` builds the same network with linked layers, evolves it with
the same lifecycle functions, and draws the fitness. The README's four kinds of fruit are not part
of the project: pictures of four made-up kinds, 100 x 100 pixels, stand for them.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnn
import gacnn
from gacnn import plots


def fruits(number: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return pictures (number, 100, 100, 3) of ellipses on white, and their kinds (number,)."""
    colours = np.array([[0.8, 0.1, 0.2], [0.95, 0.85, 0.2], [0.9, 0.5, 0.1], [0.7, 0.1, 0.4]])
    kinds = np.arange(number) % 4
    rows, columns = np.mgrid[:100, :100]
    pictures = np.ones((number, 100, 100, 3), np.float32)
    for picture, kind in zip(pictures, kinds, strict=True):
        row, column = rng.uniform(40, 60, 2)
        height, width = rng.uniform(25, 40, 2)
        inside = ((rows - row) / height) ** 2 + ((columns - column) / width) ** 2 < 1
        picture[inside] = colours[kind] + rng.normal(0, 0.1, 3)
        picture += rng.normal(0, 0.05, picture.shape)
    return pictures.clip(0, 1), kinds


def network() -> cnn.Model:
    """The README's network: 8,252 weights, with biases."""
    input_layer = cnn.Input2D((100, 100, 3))
    conv_layer = cnn.Conv2D(
        num_filters=2, kernel_size=3, previous_layer=input_layer, activation_function="relu"
    )
    average_pooling_layer = cnn.AveragePooling2D(pool_size=5, previous_layer=conv_layer, stride=3)
    flatten_layer = cnn.Flatten(previous_layer=average_pooling_layer)
    dense_layer = cnn.Dense(
        num_neurons=4, previous_layer=flatten_layer, activation_function="softmax"
    )
    return cnn.Model(last_layer=dense_layer, epochs=1, learning_rate=0.01, random_seed=1)


def on_start(ga: gacnn.GA) -> None:
    print("on_start")


def on_generation(ga: gacnn.GA) -> None:
    best = ga.last_generation_fitness.max()
    print(f"generation {ga.generations_completed}: accuracy {best:.1%}")


def on_stop(ga: gacnn.GA, fitness: NDArray[Any]) -> None:
    print("on_stop")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--generations", type=int, default=150, help="(150)")
    parser.add_argument("--out", type=Path, default=Path("runs/numpycnn"), help="results")
    arguments = parser.parse_args()

    rng = np.random.default_rng(0)
    (X, y), (X_test, y_test) = fruits(80, rng), fruits(400, rng)
    model = network()
    model.summary()
    population = gacnn.GACNN(model, num_solutions=50, random_seed=1)
    history = gacnn.History()
    ga = gacnn.GA(
        num_generations=arguments.generations,
        num_parents_mating=10,
        initial_population=population.population_as_vectors(),
        fitness_func=population.fitness(X, y, "accuracy"),
        gene_type=np.float32,
        parent_selection_type="sss",
        crossover_type="uniform",
        mutation_type="random",
        mutation_percent_genes=10,
        keep_elitism=2,
        on_start=on_start,
        on_generation=on_generation,
        on_stop=on_stop,
        callbacks=[history],
        random_seed=1,
        suppress_warnings=True,
    )
    ga.run()

    vector, accuracy, _ = ga.best_solution(ga.last_generation_fitness)
    model.weights = vector
    unseen = np.mean(model.predict(X_test) == y_test)
    arguments.out.mkdir(parents=True, exist_ok=True)
    plots.fitness(history).figure.savefig(arguments.out / "fitness.png", dpi=120)
    print(f"accuracy {accuracy:.1%} on the training pictures, {unseen:.1%} on 400 others.")
    print(f"The picture is {arguments.out / 'fitness.png'}.")


if __name__ == "__main__":
    main()
