"""The folder of a run of the command line: settings, data, checkpoint, model, history, plots."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cnn
from cnn import datasets, files
from cnn.datasets import Dataset
from gacnn import augment, plots
from gacnn.training import Result
from gacnn.validation import stratified

FORMAT = "gacnn run 1"
DIGITS = "digits"  # scikit-learn's, as the name of data


@dataclass(frozen=True)
class Settings:
    """What `gacnn train` was told: enough to load the same data and to go on.

    data: "digits" or an absolute path. size: (height, width) of images from a folder. test_share:
    of the images that is set aside where the data have no test images of their own. shift: pixels
    that training images are moved by; flip: whether they are mirrored. The others are those of
    `GACNN` and `GACNN.train`.
    """

    data: str
    size: tuple[int, int] | None = None
    test_share: float = 0.2
    shift: float = 0.0
    flip: bool = False
    num_solutions: int = 64
    num_generations: int | None = None
    time_limit: float | None = None
    batch_size: int | None = None
    metric: str = "cross_entropy"
    random_seed: int = 0

    def augmentation(self) -> augment.Compose | None:
        """Return what is done to training images, or None."""
        steps: list[Any] = [augment.Shift(self.shift)] if self.shift else []
        steps += [augment.Flip()] if self.flip else []
        return augment.Compose(*steps) if steps else None


class RunFolder:
    """The files of a run.

    settings.json: what it was told; start.npz: the network it begins with; checkpoint: what
    `resume` goes on from; and when it ends model.npz, results.json, history.csv and, with
    Matplotlib, pictures.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.start, self.model = self.path / "start.npz", self.path / "model.npz"
        self.checkpoint = self.path / "checkpoint"

    def create(self, settings: Settings, model: cnn.Model, class_names: list[str]) -> None:
        """Make the folder, for a run that begins with the model."""
        self.check_free()
        self.path.mkdir(parents=True, exist_ok=True)
        model.save(self.start)
        self._write("settings", {**asdict(settings), "class_names": class_names})

    def check_free(self) -> None:
        """Raise FileExistsError where a run is in the folder already."""
        if (self.path / "settings.json").exists():
            raise FileExistsError(
                f"{self.path} holds a run already; go on with it by `gacnn resume {self.path}`, "
                "or give another folder to --out"
            )

    def change(self, **settings: Any) -> None:
        """Note settings that a resume has changed."""
        self._write("settings", {**self._read("settings"), **settings})

    def settings(self) -> Settings:
        """Return what the run was told; ValueError or OSError, with the path, if there is none."""
        names = [field.name for field in fields(Settings)]
        stored = self._read("settings", *names)
        settings = {name: stored[name] for name in names}
        return Settings(**{**settings, "size": _size(stored["size"])})

    def class_names(self) -> list[str]:
        """Return the names of the classes, in the order of the outputs."""
        return [str(name) for name in self._read("settings", "class_names")["class_names"]]

    def results(self) -> dict[str, Any] | None:
        """Return what came out, or None while the run has not ended."""
        if not (self.path / "results.json").exists():
            return None
        return self._read("results", "finished", "generations", "seconds")

    def trained_model(self) -> cnn.Model:
        """Return the best network; FileNotFoundError if the run has not ended."""
        if not self.model.exists() and self.start.exists():
            raise FileNotFoundError(
                f"{self.path} holds no trained network yet, because its run was killed; "
                f"finish it by `gacnn resume {self.path}`"
            )
        return cnn.load(self.model)

    def finish(self, result: Result, test: Dataset | None) -> dict[str, Any]:
        """Write what came out, and return it."""
        result.model.save(self.model)
        result.history.to_csv(self.path / "history.csv")
        results = {
            "finished": not result.ga.interrupted,
            "generations": int(result.ga.generations_completed),
            "image_evaluations": int(result.image_evaluations),
            "seconds": round(float(result.history["seconds"][-1]), 1) if len(result.history) else 0,
            "training_score": float(result.score),
            "validation_score": result.validation_score,
            "test_accuracy": None if test is None else accuracy(result.model, test),
            "test_images": 0 if test is None else len(test.X),
        }
        self._write("results", results)
        return results

    def draw(self, result: Result, test: Dataset | None) -> None:
        """Draw pictures into the folder; ImportError without Matplotlib."""
        drawn: dict[str, Any] = {"fitness": plots.fitness(result.history)}
        from matplotlib import pyplot  # after the call that says what to install

        if any(isinstance(layer, cnn.Conv2D) for layer in result.model.layers):
            drawn["filters"] = plots.filters(result.model)
        if test is not None:
            predicted = result.model.predict(test.X)
            drawn["confusion"] = plots.confusion_matrix(test.y, predicted, test.class_names)
            drawn["wrong"] = plots.wrong_predictions(test.X, test.y, predicted, test.class_names)
        for name, axes in drawn.items():
            axes.figure.savefig(self.path / f"{name}.png", dpi=120)
            pyplot.close(axes.figure)

    def _write(self, name: str, values: dict[str, Any]) -> None:
        with files.replacing(self.path / f"{name}.json") as file:
            file.write(json.dumps({"format": FORMAT, **values}, indent=2).encode())

    def _read(self, name: str, *needed: str) -> dict[str, Any]:
        path = self.path / f"{name}.json"
        try:
            values = json.loads(path.read_bytes())
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.path} is not the folder of a run: no {path}") from error
        except ValueError as error:
            raise ValueError(f"{path} is damaged: {error}") from error
        if not isinstance(values, dict) or values.get("format") != FORMAT:
            raise ValueError(f"{path} is not of {FORMAT!r}")
        missing = set(needed) - values.keys()
        if missing:
            raise ValueError(f"{path} is damaged: it does not say {', '.join(sorted(missing))}")
        del values["format"]
        return values


def _size(stored: Any) -> tuple[int, int] | None:
    return None if stored is None else (int(stored[0]), int(stored[1]))


def load(settings: Settings) -> tuple[Dataset, Dataset | None]:
    """Return the images to train on and those to test on, which are None where none are wanted.

    Files with test images of their own keep them; of other data test_share is drawn, by the seed,
    the same share of every class.
    """
    data, test = parts(settings.data, settings.size)
    if test is not None or settings.test_share == 0:
        return data, test
    number = max(1, round(settings.test_share * len(data.y)))
    out = stratified(data.y, number, settings.random_seed)
    return _part(data, ~out), _part(data, out)


def parts(data: str, size: tuple[int, int] | None) -> tuple[Dataset, Dataset | None]:
    """Load what `gacnn train DATA` names: all images, and the test images where they are apart."""
    if data == DIGITS:
        return datasets.load_digits(), None
    path = Path(data)
    if path.suffix == ".npz":
        return datasets.load_npz(path)
    if path.is_dir() and any(path.glob("*[-.]idx?-ubyte*")):
        return datasets.load_idx(path)
    return datasets.load_image_folder(path, size), None


def _part(data: Dataset, chosen: NDArray[np.bool_]) -> Dataset:
    return data._replace(X=data.X[chosen], y=data.y[chosen])


def accuracy(model: cnn.Model, data: Dataset) -> float:
    """Return the share of the images that are right."""
    return float(np.mean(model.predict(data.X) == data.y))


def numbered(data: Dataset, names: list[str]) -> NDArray[np.intp]:
    """Return labels as numbers of the classes of a run; ValueError for classes it has not."""
    unknown = [name for name in data.class_names if name not in names]
    if unknown:
        raise ValueError(
            f"the data have the classes {', '.join(unknown)}, which the run does not know; "
            f"it knows {', '.join(names)}"
        )
    numbers = np.array([names.index(name) for name in data.class_names])
    return numbers[data.y]
