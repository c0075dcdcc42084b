"""The folder of a run of the command line: settings, data, checkpoint, model, history, plots."""

from __future__ import annotations

import json
import shlex
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

import cnn
from cnn import datasets, files
from cnn.datasets import Dataset
from gacnn import augment, plots
from gacnn.callbacks.validation import stratified
from gacnn.checkpoints.checkpoint import describe
from gacnn.training.result import Result

FORMAT = "gacnn run 1"
DIGITS = "digits"  # scikit-learn's, as the name of data

Data = tuple[Dataset, Dataset | None]  # to train on, and to test on


@dataclass(frozen=True)
class Settings:
    """What `gacnn train` was told: enough to load the same data and to go on.

    data: "digits" or an absolute path. size: (height, width) of images from a folder. test_share:
    of the images that is set aside where the data have no test images of their own. shift: pixels
    that training images are moved by; flip: whether they are mirrored. early_stopping: whether the
    run ends when nothing improves. The others are those of `GACNN` and `GACNN.train`.
    """

    data: str
    size: tuple[int, int] | None
    test_share: float
    shift: float
    flip: bool
    num_solutions: int
    num_generations: int | None
    time_limit: float | None
    early_stopping: bool
    batch_size: int | None
    metric: str
    random_seed: int

    def training(self) -> dict[str, Any]:
        """Return what they are as arguments of `GACNN.train`."""
        steps: list[Any] = [augment.Shift(self.shift)] if self.shift else []
        steps += [augment.Flip()] if self.flip else []
        return {
            "num_generations": self.num_generations,
            "time_limit": self.time_limit,
            "metric": self.metric,
            "batch_size": self.batch_size or "auto",
            "augment": augment.Compose(*steps) if steps else None,
            "patience": "auto" if self.early_stopping else None,
        }


class RunFolder:
    """The files of a run.

    settings.json: what it was told; start.npz: the network it begins with; checkpoint: what
    `resume` goes on from; and when it ends model.npz, history.csv, with Matplotlib pictures, and
    at last results.json. .lock is held while the run goes on.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.start, self.model = self.path / "start.npz", self.path / "model.npz"
        self.checkpoint = self.path / "checkpoint"

    @property
    def resuming(self) -> str:
        """The command that goes on with the run."""
        return f"gacnn resume {shlex.quote(str(self.path))}"

    def create(self, settings: Settings, model: cnn.Model, data: Data) -> None:
        """Make the folder, for a run on these data that begins with the model."""
        self.check_free()
        self.path.mkdir(parents=True, exist_ok=True)
        model.save(self.start)
        known = {"class_names": data[0].class_names, "checksum": _checksum(data)}
        self._write("settings", {**asdict(settings), **known})

    def check_free(self) -> None:
        """Raise FileExistsError where a run is in the folder already, or a file in its place."""
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file; give a folder to --out")
        if (self.path / "settings.json").exists():
            raise FileExistsError(
                f"{self.path} holds a run already; go on with it by `{self.resuming}`, "
                "or give another folder to --out"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the run for this process; ValueError where another is at it."""
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout as error:
            raise ValueError(
                f"{self.path} is being evolved by another process; wait until it ends, or stop it "
                "by Ctrl-C there"
            ) from error
        try:
            yield
        finally:
            lock.release()

    def reopen(self, settings: Settings) -> None:
        """Note what a resume has changed, and that the run has not ended."""
        self._write("settings", {**self._read("settings"), **asdict(settings)})
        results = self.results()
        if results is not None:
            self._write("results", {**results, "finished": False})

    def done(self) -> tuple[int, float]:
        """Return the generations and seconds of the checkpoint, 0 where there is none yet."""
        if not self.checkpoint.exists():
            if self.model.exists():
                raise FileNotFoundError(
                    f"{self.checkpoint} is missing, so the run cannot go on; begin another with "
                    "its network by `gacnn train DATA --out NEW --model RUN`"
                )
            return 0, 0.0
        kept = describe(self.checkpoint)
        return kept["generations"], kept["seconds"]

    def data(self) -> Data:
        """Load the images of the run; ValueError if they are others than it began with."""
        source = self.settings().data
        try:
            data = load(self.settings())
        except OSError as error:
            error.add_note(f'if the images have moved, change "data" in {self.path}/settings.json')
            raise
        if _checksum(data) != self._read("settings", "checksum")["checksum"]:
            raise ValueError(
                f"{source} does not hold the images that {self.path} was begun with: files or "
                "classes have changed; put them back, or name data to `gacnn evaluate RUN DATA`"
            )
        return data

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
        self.settings()
        if not self.model.exists():
            raise FileNotFoundError(
                f"{self.path} holds no trained network yet, because its run was killed; "
                f"finish it by `{self.resuming}`"
            )
        return cnn.load(self.model)

    def finish(self, result: Result, test: Dataset | None) -> dict[str, Any]:
        """Write what came out, and return it; the results last, for they say that it has ended."""
        result.model.save(self.model)
        result.history.to_csv(self.path / "history.csv")
        self._draw(result, test)
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

    def _draw(self, result: Result, test: Dataset | None) -> None:
        """Draw pictures into the folder; what is wrong with them is a warning."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Matplotlib's, of fonts and margins
                self._pictures(result, test)
        except (ImportError, RuntimeError, TypeError, ValueError) as error:
            warnings.warn(f"no pictures: {error}", stacklevel=3)

    def _pictures(self, result: Result, test: Dataset | None) -> None:
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


def load(settings: Settings) -> Data:
    """Return the images to train on and those to test on, which are None where none are wanted.

    Files with test images of their own keep them; of other data test_share is drawn, by the seed,
    the same share of every class. Raises ValueError for images of another size than was wanted,
    and where fewer than two classes are left to train on; warns of others that are not.
    """
    data, test = parts(settings.data, settings.size)
    height, width = data.X.shape[1:3]
    if settings.size not in (None, (height, width)):
        raise ValueError(
            f"--size is for folders of images; those of {settings.data} are {height} x {width}"
        )
    if test is None and settings.test_share > 0:
        number = max(1, round(settings.test_share * len(data.y)))
        out = stratified(data.y, number, settings.random_seed)
        data, test = _part(data, ~out), _part(data, out)
    _check_classes(data, settings.data)
    return data, test


def _check_classes(data: Dataset, source: str) -> None:
    found = np.unique(data.y)
    if len(found) < 2:
        raise ValueError(
            f"{source} leaves images of {len(found)} class to train on, and it takes two; "
            "add images of others, or set fewer aside by --test-share"
        )
    missing = [name for number, name in enumerate(data.class_names) if number not in found]
    if missing:
        warnings.warn(f"{source} holds no image to train on of: {', '.join(missing)}", stacklevel=3)


def parts(data: str, size: tuple[int, int] | None = None, channels: int | None = None) -> Data:
    """Load what `gacnn train DATA` names: all images, and the test images where they are apart.

    size, channels: of the images of a folder.
    """
    if data == DIGITS:
        return datasets.load_digits(), None
    path = Path(data)
    if path.suffix.lower() == ".npz":
        return datasets.load_npz(path)
    if path.is_dir() and any(path.glob("*[-.]idx?-ubyte*")):
        return datasets.load_idx(path)
    return datasets.load_image_folder(path, size, channels=channels), None


def _checksum(data: Data) -> int:
    """Return a number that tells data from others."""
    number = 0
    for part in data:
        if part is not None:
            names = repr(part.class_names).encode()
            for values in (part.X, part.y, np.frombuffer(names, np.uint8)):
                number = zlib.crc32(np.ascontiguousarray(values).data, number)
    return number


def _part(data: Dataset, chosen: NDArray[np.bool_]) -> Dataset:
    return data._replace(X=data.X[chosen], y=data.y[chosen])


def accuracy(model: cnn.Model, data: Dataset) -> float:
    """Return the share of the images that are right."""
    return float(np.mean(model.predict(data.X) == data.y))


def numbered(data: Dataset, names: list[str]) -> NDArray[np.intp]:
    """Return labels as numbers of the classes of a run; ValueError for classes it has not."""
    found = [data.class_names[number] for number in np.unique(data.y)]
    unknown = [name for name in found if name not in names]
    if unknown:
        raise ValueError(
            f"the data have the classes {', '.join(unknown)}, which the run does not know; "
            f"it knows {', '.join(names)}"
        )
    numbers = [names.index(name) if name in names else -1 for name in data.class_names]
    return np.array(numbers)[data.y]
