"""An environment of gymnasium, played by evolved networks: `python examples/reinforcement.py`.

CartPole-v1, or another whose observations are numbers and whose actions are a few. Every network
plays some episodes of its own; all environments are stepped together, and all actions are chosen at
once: `model.forward(X, vectors)` with X (networks, episodes, numbers). Draws the learning curve.
Needs gymnasium: pip install gymnasium.
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

Array = NDArray[Any]


class Returns(gacnn.Evaluator):
    """The mean return of networks over a few episodes, which are drawn anew."""

    measure = "return"

    def __init__(self, gymnasium: Any, name: str, episodes: int = 4) -> None:
        self.gymnasium, self.name, self.episodes = gymnasium, name, episodes
        one = gymnasium.make(name)
        self.model = network(one)
        self.limit = one.spec.max_episode_steps or 1000
        one.close()
        self.seeds = np.arange(episodes)

    def draw(self, rng: np.random.Generator) -> None:
        """Draw the episodes of a generation, the same for all its networks."""
        self.seeds = rng.integers(2**31, size=self.episodes)

    def __call__(self, vectors: Array) -> Array:
        """Return (P,), higher is better."""
        return self.returns(vectors, self.seeds).mean(axis=1)

    def returns(self, vectors: Array, seeds: Array) -> Array:
        """The sum of rewards (P, episodes) of networks (P, n), in episodes with these seeds."""
        shape = len(vectors), len(seeds)
        environments = self.gymnasium.make_vec(
            self.name, num_envs=shape[0] * shape[1], vectorization_mode="sync"
        )
        seen, _ = environments.reset(seed=[int(seed) for seed in np.tile(seeds, len(vectors))])
        total, plays = np.zeros(shape), np.ones(shape, bool)
        for _ in range(self.limit):
            actions = self.model.forward(seen.reshape(*shape, -1), vectors).argmax(axis=2)
            seen, rewards, terminated, truncated, _ = environments.step(actions.ravel())
            total += plays * rewards.reshape(shape)
            plays &= ~(terminated | truncated).reshape(shape)  # who is done begins again
            if not plays.any():
                break
        environments.close()
        return total

    def state(self) -> dict[str, Any]:
        """Return what a resumed run has to know."""
        return {"seeds": self.seeds}

    def restore(self, state: dict[str, Any]) -> None:
        """Take it up."""
        self.seeds = state["seeds"]

    def fingerprint(self) -> dict[str, Any]:
        """Return what tells this fitness from another."""
        return {"environment": self.name, "episodes": self.episodes}


def network(environment: Any) -> cnn.Model:
    """A small dense network from observations to actions; SystemExit where they are no such."""
    actions = getattr(environment.action_space, "n", None)
    if len(environment.observation_space.shape or ()) != 1 or actions is None:
        raise SystemExit(
            f"{environment.spec.id} has {environment.observation_space} and "
            f"{environment.action_space}; give one with a row of numbers and a few actions"
        )
    return cnn.Model(
        [
            cnn.Input1D(environment.observation_space.shape[0]),
            cnn.Dense(16, activation_function="tanh"),
            cnn.Dense(int(actions), activation_function=None),
        ],
        random_seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environment", default="CartPole-v1", help="its name (CartPole-v1)")
    parser.add_argument("--threshold", type=float, help="return to stop at (that of gymnasium)")
    parser.add_argument("--time-limit", type=float, default=120, help="seconds (120)")
    parser.add_argument("--generations", type=int, default=10**6, help="at most (no limit)")
    parser.add_argument("--seed", type=int, default=0, help="of all that is random (0)")
    parser.add_argument("--out", type=Path, default=Path("runs/reinforcement"), help="results")
    arguments = parser.parse_args()
    try:
        import gymnasium
    except ImportError:
        raise SystemExit("this example needs gymnasium: pip install gymnasium") from None

    fitness = Returns(gymnasium, arguments.environment)
    threshold = arguments.threshold or gymnasium.spec(arguments.environment).reward_threshold
    average, history = gacnn.WeightAverage(), gacnn.History()

    def stop_when_solved(ga: gacnn.GA) -> str | None:
        mean = ga.last_generation_fitness.mean()
        return "stop" if threshold is not None and mean >= threshold else None

    ga = gacnn.GA(
        num_generations=arguments.generations,
        num_parents_mating=16,
        keep_elitism=0,
        keep_parents=0,
        initial_population=gacnn.GACNN(fitness.model, 64, random_seed=arguments.seed).population,
        fitness_func=fitness,
        gene_type=np.float32,
        parent_selection_type="truncation",
        crossover_type="recombination",
        mutation_type=gacnn.GaussianMutation(0.2, mirrored=True),
        callbacks=[average, history, gacnn.TimeLimit(arguments.time_limit), gacnn.ProgressBar()],
        on_generation=stop_when_solved,
        random_seed=arguments.seed,
        suppress_warnings=True,
    )
    ga.run()
    unseen = np.arange(100)  # training draws from 2**31
    returns = fitness.returns(average.solution[None], unseen)[0]
    print(f"\na return of {returns.mean():.1f} in {len(unseen)} episodes never seen before")

    arguments.out.mkdir(parents=True, exist_ok=True)
    fitness.model.with_weights(average.solution).save(arguments.out / "model.npz")
    plots.fitness(history).figure.savefig(arguments.out / "returns.png", dpi=120)
    print(f"The picture is {arguments.out / 'returns.png'}.")


if __name__ == "__main__":
    main()
