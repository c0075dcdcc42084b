"""A network learns to play a game from pixels: `python examples/game.py`, a minute.

A ball falls down a board of 12 x 12 pixels and bounces off its walls; once on its way the wind
turns. The network sees the last two pictures of the board and moves the paddle at the bottom by one
pixel, or not at all. Nobody tells it where to be: a game tells how far it missed the ball, at the
end. Every network plays games of its own, all of them at once: `model.forward(X, vectors)` with X
(networks, games, rows, columns, pictures). Draws the learning curve and a game.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray

import cnn
import gacnn
from gacnn import plots

SIZE = 12  # rows and columns of the board
HALF = 1  # pixels of the paddle to each side of its middle
Array = NDArray[Any]


def starts() -> tuple[Array, Array]:
    """All games that there are, in rows: those to train with, and 2,000 to test with.

    A game is the column and the speed of the ball, the middle of the paddle, the row in which the
    wind turns, and the speed of the ball from there on.
    """
    columns, speeds = range(SIZE), range(-1, 2)
    middles, rows = range(HALF, SIZE - HALF), range(2, SIZE - 3)
    grid = np.meshgrid(columns, speeds, middles, rows, speeds, indexing="ij")
    games = np.random.default_rng(0).permutation(np.stack(grid, axis=-1).reshape(-1, 5))
    return games[:-2000], games[-2000:]


class Boards:
    """The boards of many networks (P, games), which all begin alike: (games, 5) of `starts`."""

    def __init__(self, games: Array, networks: int) -> None:
        alike = np.broadcast_to(games.T[:, None], (5, networks, len(games)))
        self.ball, self.speed, self.paddle, self.turn, self.wind = alike
        self.place = tuple(np.ogrid[:networks, : len(games)])
        self.row = 0
        self.pictures = np.zeros((networks, len(games), SIZE, SIZE, 2), np.uint8)  # now, before
        for picture in (1, 0):
            self.draw(picture)

    def draw(self, picture: int) -> None:
        """Draw the board as it is now."""
        self.pictures[*self.place, self.row, self.ball, picture] = 1
        for pixel in range(-HALF, HALF + 1):
            self.pictures[*self.place, SIZE - 1, self.paddle + pixel, picture] = 1

    def move(self, moves: Array) -> None:
        """Move the paddles by -1, 0 or 1 (P, games), and the balls a row down."""
        self.paddle = np.clip(self.paddle + moves, HALF, SIZE - 1 - HALF)
        self.speed = np.where(self.turn == self.row, self.wind, self.speed)
        bounces = (self.ball + self.speed < 0) | (self.ball + self.speed >= SIZE)
        self.speed = np.where(bounces, -self.speed, self.speed)
        self.ball = self.ball + self.speed
        self.row += 1
        self.pictures[..., 1] = self.pictures[..., 0]
        self.pictures[..., 0] = 0
        self.draw(0)

    def missed(self) -> Array:
        """Pixels between ball and paddle (P, games); 0 where it is caught."""
        return np.maximum(abs(self.ball - self.paddle) - HALF, 0)


def played(model: cnn.Model, vectors: Array, games: Array) -> Array:
    """By how many pixels networks (P, n) miss the ball, in games (G, 5): (P, G)."""
    boards = Boards(games, len(vectors))
    for _ in range(SIZE - 1):
        boards.move(model.forward(boards.pictures, vectors).argmax(axis=2) - 1)
    return boards.missed()


class Catch(gacnn.Evaluator):
    """Minus the pixels by which a network misses the ball, in games that are drawn anew."""

    measure = "minus pixels missed"

    def __init__(self, model: cnn.Model, games: Array, number: int = 16) -> None:
        self.model, self.games, self.number = model, games, number
        self.drawn = np.arange(number)

    def draw(self, rng: np.random.Generator) -> None:
        """Draw the games of a generation, the same for all its networks."""
        self.drawn = rng.choice(len(self.games), self.number, replace=False)

    def __call__(self, vectors: Array) -> Array:
        """Return (P,), higher is better."""
        return 0 - played(self.model, vectors, self.games[self.drawn]).mean(axis=1)  # never -0

    def state(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        return {"drawn": self.drawn}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it up."""
        self.drawn = state["drawn"]

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this fitness from another."""
        return {"game": "catch", "size": SIZE, "games": self.number}


def network(seed: int) -> cnn.Model:
    """A network of 875 weights, whose filters see three whole columns."""
    return cnn.Model(
        [
            cnn.Input2D((SIZE, SIZE, 2)),
            cnn.Conv2D(8, (SIZE, 3), padding=(0, 1), activation_function="relu"),
            cnn.Flatten(),
            cnn.Dense(3, activation_function=None),
        ],
        random_seed=seed,
    )


def evolve(
    games: Array, seed: int, time_limit: float, generations: int
) -> tuple[cnn.Model, gacnn.History]:
    """Evolve a network that plays; return it, and how it learned."""
    model = network(seed)
    average, history = gacnn.WeightAverage(), gacnn.History()
    ga = gacnn.GA(
        num_generations=generations,
        num_parents_mating=16,
        keep_elitism=0,
        keep_parents=0,
        initial_population=gacnn.GACNN(model, 64, random_seed=seed).population,
        fitness_func=Catch(model, games),
        gene_type=np.float32,
        parent_selection_type="truncation",
        crossover_type="recombination",
        mutation_type=gacnn.GaussianMutation(0.1, mirrored=True),
        callbacks=[average, history, gacnn.TimeLimit(time_limit), gacnn.ProgressBar()],
        random_seed=seed,
        suppress_warnings=True,
    )
    ga.run()
    return model.with_weights(average.solution), history


def picture(model: cnn.Model, history: gacnn.History, game: Array) -> pyplot.Figure:
    """Draw the learning curve, and below it a game (5,), one board after the other."""
    figure = pyplot.figure(figsize=(9, 3.6), layout="constrained")
    above, below = figure.subfigures(2, height_ratios=(3.7, 1))  # of square boards, and no margin
    plots.fitness(history, above.subplots())
    boards = Boards(game[None], 1)
    for ax in below.subplots(1, SIZE):
        ax.imshow(boards.pictures[0, 0, :, :, 0], cmap="gray")
        ax.plot(boards.ball[0], boards.row, "o", color="C1", markersize=4)
        ax.set(xticks=[], yticks=[])
        moves = model.forward(boards.pictures, model.weights[None]).argmax(axis=2) - 1
        if boards.row < SIZE - 1:
            boards.move(moves)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--time-limit", type=float, default=60, help="seconds (60)")
    parser.add_argument("--generations", type=int, default=10**6, help="at most (no limit)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (0)")
    parser.add_argument("--out", type=Path, default=Path("runs/game"), help="results")
    arguments = parser.parse_args()

    games, unseen = starts()
    model, history = evolve(games, arguments.seed, arguments.time_limit, arguments.generations)
    missed = played(model, model.weights[None], unseen)[0]
    print(f"\ncaught {np.mean(missed == 0):.1%} of {len(unseen):,} balls never seen before")

    arguments.out.mkdir(parents=True, exist_ok=True)
    model.save(arguments.out / "model.npz")
    picture(model, history, unseen[0]).savefig(arguments.out / "game.png", dpi=120)
    print(f"The picture is {arguments.out / 'game.png'}.")


if __name__ == "__main__":
    main()
