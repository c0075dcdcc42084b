"""The folder of a run of the command line: settings, data, checkpoint, model, history, plots."""

from __future__ import annotations

import json
import shlex
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import cnn
from cnn import checks, files
from cnn.datasets import Dataset, Scale
from gacnn import plots
from gacnn.checkpoints.checkpoint import Checkpoint, describe
from gacnn.checkpoints.lock import Lock
from gacnn.command.data import Data, _checksum, load
from gacnn.command.settings import Settings
from gacnn.training.result import Result

FORMAT = "gacnn run 1"

_PICTURES = "fitness", "filters", "confusion", "wrong"
_FILES = (
    *("settings.json", "results.json", "start.npz", "model.npz", "checkpoint", "history.csv"),
    *(f"{name}.png" for name in _PICTURES),
    *(".lock", ".checkpoint.lock", ".checkpoint.spare"),
)
_LARGEST = 2**24  # bytes of a file of JSON: the names of 65,536 classes


class Predicted(NamedTuple):
    """Images with their labels, and those that a network has given them."""

    images: Dataset
    labels: NDArray[np.intp]


class RunFolder:
    """The files of a run.

    settings.json: what it was told; start.npz: the network it begins with; checkpoint, and
    checkpoint.*.jsonl: what `resume` goes on from; and when it ends model.npz, history.csv, with
    Matplotlib pictures, and at last results.json. .lock is there while the run goes on.

    The folder may be a stranger's: no symbolic link in it is followed, and nothing but a file is
    read or replaced. The path itself may be a link.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    def _file(self, name: str) -> Path:
        """Return the path of a file; OSError where something else has its name."""
        return files.replaceable(self.path / name, follow=False)

    def checkpoint(self, seconds: float | None) -> Checkpoint:
        """Return what writes the checkpoint; seconds: from one to the next, if it is said."""
        return Checkpoint(self.path / "checkpoint", seconds=seconds, follow=False)

    @property
    def resuming(self) -> str:
        """The command that goes on with the run."""
        return f"gacnn resume {shlex.quote(str(self.path))}"

    @property
    def predicting(self) -> str:
        """The command that names the class of images."""
        return f"gacnn predict {shlex.quote(str(self.path))} IMAGE"

    def create(self, settings: Settings, model: cnn.Model, data: Data) -> None:
        """Make the folder, for a run on these data that begins with the model."""
        self.check_free()
        self.path.mkdir(parents=True, exist_ok=True)
        model.save(self._file("start.npz"))
        scale = asdict(data.train.scale)
        known = {"class_names": data.train.class_names, "checksum": _checksum(data), "scale": scale}
        self._write("settings", {**asdict(settings), **known})

    def check_free(self) -> None:
        """Raise FileExistsError where a run is in the folder already, or a file in its place."""
        if self.path.exists() and not self.path.is_dir():
            raise FileExistsError(f"{self.path} is a file; give a folder to --out")
        self._check_files()
        if (self.path / "settings.json").exists():
            raise FileExistsError(
                f"{self.path} holds a run already; go on with it by `{self.resuming}`, "
                "or give another folder to --out"
            )

    def _check_files(self) -> None:
        """Raise OSError where something else than a file has the name of one of the run's."""
        for name in _FILES:
            self._file(name)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep the run for this process; ValueError where another is at it, saying which."""
        self._check_files()
        lock = Lock(self.path / ".lock", str(self.path))
        lock.acquire()
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
        path = self.path / "checkpoint"
        try:
            kept = describe(path, follow=False)
        except FileNotFoundError as error:
            if self._file("model.npz").exists():
                raise FileNotFoundError(
                    f"{path} is missing, so the run cannot go on; begin another with "
                    "its network by `gacnn train DATA --out NEW --model RUN`"
                ) from error
            return 0, 0.0
        return kept["generations"], kept["seconds"]

    def data(self, settings: Settings) -> Data:
        """Load the images of the run; ValueError if they are others than it began with."""
        try:
            data = load(settings, self.scale())
        except OSError as error:
            error.add_note(f'if the images have moved, change "data" in {self.path}/settings.json')
            raise
        if _checksum(data) != self._read("settings", "checksum")["checksum"]:
            raise ValueError(
                f"{settings.data} does not hold the images that {self.path} was begun with: "
                "files or classes have changed; put them back, or name data to "
                "`gacnn evaluate RUN DATA`"
            )
        return data

    def settings(self) -> Settings:
        """Return what the run was told; ValueError or OSError, with the path, if there is none."""
        stored = self._read("settings")
        try:
            return Settings.of(stored)
        except ValueError as error:
            raise self._damaged("settings", error) from error

    def scale(self) -> Scale | None:
        """Return what black and white are in the pixels of the run; None where it is not noted."""
        stored = self._read("settings").get("scale")
        try:
            return None if stored is None else Scale(**stored)
        except (TypeError, ValueError) as error:
            raise self._damaged("settings", error) from error

    def class_names(self) -> list[str]:
        """Return the names of the classes, in the order of the outputs."""
        names = self._read("settings", "class_names")["class_names"]
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise self._damaged("settings", "class_names must be a list of names")
        return names

    def results(self) -> dict[str, Any] | None:
        """Return what came out, or None while the run has not ended."""
        if not self._file("results.json").exists():
            return None
        results = self._read("results", "finished", "generations", "seconds")
        try:
            checks.one_of(results["finished"], "finished", (True, False))
            checks.whole(results["generations"], "generations", minimum=0)
            checks.number(results["seconds"], "seconds", 0)
        except (TypeError, ValueError) as error:
            raise self._damaged("results", error) from error
        return results

    def start(self) -> cnn.Model:
        """Return the network that the run begins with."""
        return self._of_classes("start.npz")

    def trained_model(self) -> cnn.Model:
        """Return the best network; FileNotFoundError if the run has not ended."""
        self.settings()
        if not self._file("model.npz").exists():
            raise FileNotFoundError(
                f"{self.path} holds no trained network yet, because its run was killed; "
                f"finish it by `{self.resuming}`"
            )
        return self._of_classes("model.npz")

    def _of_classes(self, name: str) -> cnn.Model:
        """Return a network of as many outputs as there are classes, for images."""
        model, names = cnn.load(self._file(name)), self.class_names()
        if len(model.input_shape) != 3 or model.output_shape[1:] or model.num_classes != len(names):
            raise ValueError(
                f"{self.path / name} gives outputs of {model.output_shape} for inputs of "
                f"{model.input_shape}, but the run is one of images of {len(names)} classes"
            )
        return model

    def finish(
        self, result: Result, test: Dataset | None, memory_limit: int | None
    ) -> dict[str, Any]:
        """Write what came out, and return it; the results last, for they say that it has ended."""
        result.model.save(self._file("model.npz"))
        result.history.to_csv(self._file("history.csv"))
        said = None
        if test is not None:
            said = Predicted(test, result.model.predict(test.X, memory_limit=memory_limit))
        self._draw(result, said)
        results = {
            "finished": not result.ga.interrupted,
            "generations": int(result.ga.generations_completed),
            "image_evaluations": int(result.image_evaluations),
            "seconds": round(float(result.history["seconds"][-1]), 1) if len(result.history) else 0,
            "training_score": float(result.score),
            "validation_score": result.validation_score,
            "validation_accuracy": result.validation_accuracy,
            "test_accuracy": None if said is None else float(np.mean(said.labels == said.images.y)),
            "test_images": 0 if said is None else len(said.labels),
        }
        self._write("results", results)
        return results

    def _draw(self, result: Result, said: Predicted | None) -> None:
        """Draw pictures into the folder; those that cannot be drawn are named in one warning."""
        failed = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Matplotlib's, of fonts and margins
            for name, draw in _pictures(result, said).items():
                try:
                    _save_picture(draw(), self.path / f"{name}.png")
                except (ImportError, RuntimeError, TypeError, ValueError) as error:
                    failed[name] = error
        if failed:
            reasons = dict.fromkeys(str(error) for error in failed.values())
            warnings.warn(f"no pictures of {', '.join(failed)}: {'; '.join(reasons)}", stacklevel=3)

    def _write(self, name: str, values: dict[str, Any]) -> None:
        with files.replacing(self.path / f"{name}.json", follow=False) as file:
            file.write(json.dumps({"format": FORMAT, **values}, indent=2).encode())

    def _read(self, name: str, *needed: str) -> dict[str, Any]:
        path = self.path / f"{name}.json"
        try:
            text = _text(self._file(path.name))
        except FileNotFoundError as error:
            raise FileNotFoundError(f"{self.path} is not the folder of a run: no {path}") from error
        try:
            if not text.lstrip().startswith(b"{"):
                raise ValueError("it is none of a run")
            values = json.loads(text)
            files.check_format(values, FORMAT)
        except (ValueError, RecursionError) as error:
            raise self._damaged(name, error) from error
        missing = set(needed) - values.keys()
        if missing:
            raise self._damaged(name, f"it does not say {', '.join(sorted(missing))}")
        del values["format"]
        return dict(values)

    def _damaged(self, name: str, reason: object) -> ValueError:
        path = self.path / f"{name}.json"
        return ValueError(f"{path} is damaged, or not of {FORMAT!r}: {reason}")


def _pictures(result: Result, said: Predicted | None) -> dict[str, Callable[[], Any]]:
    """Return what draws each picture of a run."""
    drawn: dict[str, Callable[[], Any]] = {"fitness": result.history.plot}
    if any(isinstance(layer, cnn.Conv2D) for layer in result.model.layers):
        drawn["filters"] = lambda: plots.filters(result.model)
    if said is not None:
        (X, y, names), predicted = said
        drawn["confusion"] = lambda: plots.confusion_matrix(y, predicted, names)
        drawn["wrong"] = lambda: plots.wrong_predictions(X, y, predicted, names)
    return drawn


def _save_picture(axes: Any, path: Path) -> None:
    from matplotlib import pyplot  # which has drawn the axes

    try:
        with files.replacing(path, follow=False) as file:
            axes.figure.savefig(file, format="png", dpi=120)
    finally:
        pyplot.close(axes.figure)


def _text(path: Path) -> bytes:
    """Read a file of JSON, or the beginning of one that is too large to be one."""
    with files.open_regular(path) as file:
        return file.read(_LARGEST)
