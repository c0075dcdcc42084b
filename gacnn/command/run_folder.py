"""The folder of a run of the command line: settings, data, checkpoint, model, history, plots."""

from __future__ import annotations

import json
import shlex
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

import cnn
from cnn import files
from cnn.datasets import Dataset
from gacnn import plots
from gacnn.checkpoints.checkpoint import describe
from gacnn.command.data import Data, _checksum, accuracy, load
from gacnn.command.settings import Settings
from gacnn.training.result import Result

FORMAT = "gacnn run 1"


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
            "validation_accuracy": result.validation_accuracy,
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
        drawn: dict[str, Any] = {"fitness": result.history.plot()}
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
