"""The recipe of pygad.gacnn's documentation, in PyGAD's own style, with its imports changed.

`python examples/pygad_recipe.py`: a fitness function that looks a network up by its index, the
population as matrices, a callback that gives the networks their new weights. All of it runs; what
takes the place of each part, and is faster, is `GACNN.train` (see digits.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnn as pygad_cnn  # for: import pygad.cnn
import gacnn as pygad  # for: import pygad, pygad.gacnn


def stripes(number: int, rng: np.random.Generator) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return images (number, 12, 12, 1) of stripes in four directions, and the directions."""
    rows, columns = np.mgrid[:12, :12]
    directions = np.arange(number) % 4
    along = np.stack([rows, columns, rows + columns, rows - columns])[directions]
    phase = rng.uniform(0, 6, (number, 1, 1))
    images = np.sin(2 * np.pi * (along + phase) / 6) + rng.normal(0, 0.3, along.shape)
    return images[..., None].astype(np.float32), directions


parser = argparse.ArgumentParser(
    description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
)
parser.add_argument("--generations", type=int, default=100, help="(100)")
parser.add_argument("--out", type=Path, default=Path("runs/pygad_recipe"), help="results")
arguments = parser.parse_args()

rng = np.random.default_rng(0)
train_inputs, train_outputs = stripes(200, rng)
test_inputs, test_outputs = stripes(400, rng)

input_layer = pygad_cnn.Input2D(input_shape=(12, 12, 1))
conv_layer = pygad_cnn.Conv2D(
    num_filters=6, kernel_size=5, previous_layer=input_layer, activation_function="relu"
)
pooling_layer = pygad_cnn.MaxPooling2D(pool_size=4, previous_layer=conv_layer, stride=4)
flatten_layer = pygad_cnn.Flatten(previous_layer=pooling_layer)
dense_layer = pygad_cnn.Dense(
    num_neurons=4, previous_layer=flatten_layer, activation_function="softmax"
)
model = pygad_cnn.Model(last_layer=dense_layer)
model.summary()

GACNN_instance = pygad.gacnn.GACNN(model=model, num_solutions=40)


def fitness_func(ga_instance: Any, solution: NDArray[Any], sol_idx: int) -> float:
    network = GACNN_instance.population_networks[sol_idx]
    predictions = network.predict(data_inputs=train_inputs)
    correct_predictions = np.where(predictions == train_outputs)[0].size
    return correct_predictions / train_outputs.size * 100


def callback_generation(ga_instance: Any) -> None:
    population_matrices = pygad.gacnn.population_as_matrices(
        population_networks=GACNN_instance.population_networks,
        population_vectors=ga_instance.population,
    )
    GACNN_instance.update_population_trained_weights(population_trained_weights=population_matrices)
    if ga_instance.generations_completed % 10 == 0:
        best = ga_instance.best_solution(ga_instance.last_generation_fitness)[1]
        print(f"Generation = {ga_instance.generations_completed}, fitness = {best}")


initial_population = pygad.gacnn.population_as_vectors(
    population_networks=GACNN_instance.population_networks
)
ga_instance = pygad.GA(
    num_generations=arguments.generations,
    num_parents_mating=10,
    initial_population=initial_population,
    fitness_func=fitness_func,
    mutation_percent_genes=5,
    random_seed=2,
    on_generation=callback_generation,
)
ga_instance.run()

solution, solution_fitness, solution_idx = ga_instance.best_solution(
    ga_instance.last_generation_fitness
)
predictions = GACNN_instance.population_networks[solution_idx].predict(data_inputs=test_inputs)
unseen = np.mean(predictions == test_outputs)
print(f"Fitness of the best solution: {solution_fitness}; on 400 new images {unseen:.1%}")
arguments.out.mkdir(parents=True, exist_ok=True)
ga_instance.plot_fitness(save_dir=str(arguments.out / "fitness.png"))
print(f"The picture is {arguments.out / 'fitness.png'}.")
