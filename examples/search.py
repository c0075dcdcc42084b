"""Hyper-parameters by scikit-learn's halving search, and by Optuna where it is installed.

Many candidates get a few generations each, and the better ones more: num_generations is the
resource of the halving search. The network, the learning rate and the noise are searched.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from matplotlib import pyplot
from sklearn.datasets import load_digits
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 # what makes it importable
from sklearn.model_selection import HalvingRandomSearchCV, cross_val_score, train_test_split

import cnn
import gacnn


def layers(filters: int) -> list[Any]:
    return [cnn.Conv2D(filters, 3, None, "relu"), cnn.MaxPooling2D(2)]


def strategy(rate: float, sigma: float) -> dict[str, Any]:
    """An evolution strategy whose learning rate falls to a tenth."""
    return {
        "crossover_type": gacnn.WeightedRecombination("fitness", rate, rate / 10),
        "mutation_type": gacnn.GaussianMutation(sigma, mirrored=True),
    }


RATES, SIGMAS, FILTERS = (1.0, 2.0, 4.0), (0.05, 0.1, 0.2), (4, 8, 16)
SPACE = {
    "layers": [layers(filters) for filters in FILTERS],
    "settings": [strategy(rate, sigma) for rate in RATES for sigma in SIGMAS],
}


def classifier(**options: Any) -> gacnn.CNNClassifier:
    return gacnn.CNNClassifier(
        input_shape=(8, 8, 1), early_stopping=False, random_state=0, **options
    )


def described(search: HalvingRandomSearchCV) -> str:
    best = search.best_params_
    crossover, mutation = best["settings"].values()
    return (
        f"{best['layers'][0].num_filters} filters, learning rate {crossover.learning_rate:g}, "
        f"sigma {mutation.sigma:g}"
    )


def with_optuna(X: Any, y: Any, generations: int, trials: int) -> str:
    """Return what Optuna finds, or that it is not installed."""
    try:
        import optuna
    except ImportError:
        return "Optuna is not installed: pip install optuna"
    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def score(trial: Any) -> float:
        rate = trial.suggest_float("learning rate", 0.5, 5, log=True)
        sigma = trial.suggest_float("sigma", 0.03, 0.3, log=True)
        filters = trial.suggest_categorical("filters", FILTERS)
        one = classifier(
            layers=layers(filters), settings=strategy(rate, sigma), num_generations=generations
        )
        return float(cross_val_score(one, X, y, cv=2).mean())

    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(score, n_trials=trials)
    best = study.best_params
    return (
        f"best of Optuna, with {generations} generations: {study.best_value:.1%} with "
        f"{best['filters']} filters, learning rate {best['learning rate']:.2g}, "
        f"sigma {best['sigma']:.2g}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--generations", type=int, default=400, help="of the last round (400)")
    parser.add_argument("--candidates", type=int, default=9, help="of the first round (9)")
    parser.add_argument("--out", type=Path, default=Path("runs/search"), help="results")
    arguments = parser.parse_args()
    X, y = load_digits(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.2, random_state=0)

    search = HalvingRandomSearchCV(
        classifier(),
        SPACE,
        n_candidates=arguments.candidates,
        resource="num_generations",
        min_resources=max(1, arguments.generations // 9),
        max_resources=arguments.generations,
        cv=2,
        random_state=0,
    )
    search.fit(X, y)
    print(
        f"best of the halving search, with {arguments.generations} generations: "
        f"{search.best_score_:.1%} with {described(search)}; "
        f"{search.score(X_test, y_test):.1%} of {len(y_test)} images never seen before"
    )
    print(with_optuna(X, y, arguments.generations // 4, arguments.candidates))

    figure, ax = pyplot.subplots(figsize=(6, 4), layout="constrained")
    results = search.cv_results_
    ax.scatter(results["n_resources"], results["mean_test_score"], alpha=0.6)
    ax.set(xlabel="generations", ylabel="accuracy, mean of two folds")
    ax.set_title("the halving search: fewer candidates, more generations")
    ax.grid(alpha=0.3)
    arguments.out.mkdir(parents=True, exist_ok=True)
    figure.savefig(arguments.out / "search.png", dpi=120)
    print(f"The picture is {arguments.out / 'search.png'}.")


if __name__ == "__main__":
    main()
