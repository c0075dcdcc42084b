"""The command `gacnn`: train, resume, evaluate, predict, export and info."""

from __future__ import annotations

import argparse
import csv
import io
import logging
import math
import os
import signal
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import cnn
from cnn import datasets
from cnn.checks import printable
from cnn.exchange.onnx import metadata
from cnn.model import MEMORY_LIMIT
from gacnn.command import comparison, pictures, words
from gacnn.command.data import Data, load, numbered, parts
from gacnn.command.reports import class_table, information
from gacnn.command.run_folder import RunFolder
from gacnn.command.settings import CLASS_METRICS, Settings
from gacnn.command.terminal import Parser, cell, say
from gacnn.command.wording import in_options
from gacnn.gacnn import GACNN
from gacnn.training.default_network import default_network
from gacnn.training.defaults import NUM_GENERATIONS, NUM_SOLUTIONS
from gacnn.training.plan import counted

EXAMPLES = """\
examples:
  gacnn train digits --out runs/digits --time-limit 60
  gacnn train photos/ --out runs/photos --size 32 --flip
  gacnn train mnist.npz --out runs/mnist --time-limit 600
  gacnn resume runs/mnist --time-limit 1200
  gacnn evaluate runs/mnist
  gacnn predict runs/photos new/*.jpg
  gacnn compare runs/mnist runs/other
  gacnn export runs/photos photos.onnx
  gacnn info runs/photos

Ctrl-C and SIGTERM end a run after the generation in flight, and a killed one has its checkpoint:
resume goes on with all of them. `gacnn COMMAND --help` says more.

exit codes: 0 done; 1 something was wrong, and is named; 2 so was the command line; 130 Ctrl-C;
143 SIGTERM, which schedulers send
"""

ENDED = 128  # more than the number of the signal that has ended a run is the exit code

DATA = (
    "digits (scikit-learn's), a folder with one sub-folder of images for each class, "
    "an .npz file of x_train, y_train, x_test, y_test as Keras has it, or a folder of IDX files"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    reader = parser()
    options = reader.parse_args(arguments)
    if "run" not in options:
        reader.print_help()
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be anything
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code = int(options.run(options) or 0)
            print(end="", flush=True)  # what fails here is said below
        except KeyboardInterrupt as error:
            print(file=sys.stderr)  # behind the ^C of a terminal
            _say("stopped at once", error)
            return ENDED + signal.SIGINT
        except BrokenPipeError:  # as of `gacnn info RUN | head -1`
            _close_output()
            return 1
        except (OSError, ValueError, TypeError, ImportError, MemoryError) as error:
            _say(f"{error}" or type(error).__name__, error)
            return 1
    return code


def _say(what: object, error: BaseException | None = None) -> None:
    notes = map(in_options, getattr(error, "__notes__", ()))
    say(f"gacnn: {in_options(str(what))}", *notes, sep="\n", file=sys.stderr)


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    _say(message)


def _close_output() -> None:
    """Give up standard output, which Python would else flush once more at its end, and fail."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def parser() -> argparse.ArgumentParser:
    """Return what reads the command line."""
    whole = Parser(
        prog="gacnn",
        description="Evolve convolutional networks, and use them.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    whole.add_argument("--version", action="version", version=f"gacnn {version()}")
    commands = whole.add_subparsers(metavar="COMMAND")
    _add_train(commands)
    each = _command(commands, resume, "go on with a run that was stopped or killed, or for longer")
    each.add_argument("folder", type=RunFolder, metavar="RUN", help="the folder of the run")
    _add_limits(each)
    words.add_quiet(each)
    words.add_threads(each)
    _add_scheduler(each)
    _add_resources(each)
    each = _command(commands, evaluate, "count what a run gets right on images it has not seen")
    each.add_argument("folder", type=RunFolder, metavar="RUN", help="the folder of the run")
    each.add_argument("data", nargs="?", help=f"other data than the run's own test images: {DATA}")
    _add_pixels(each)
    _add_memory(each)
    each = _command(commands, predict, "name the class of images")
    each.add_argument("folder", type=RunFolder, metavar="RUN", help="the folder of the run")
    each.add_argument(
        "images", nargs="+", type=Path, metavar="IMAGE", help="pictures, folders of them, or .npz"
    )
    each.add_argument("--csv", action="store_true", help="print CSV, with all probabilities")
    _add_pixels(each)
    _add_memory(each)
    each = _command(commands, export, "write the network of a run for ONNX Runtime")
    each.add_argument("folder", type=Path, metavar="RUN", help="a run, or a file of Model.save")
    each.add_argument("file", type=Path, metavar="FILE.onnx")
    each = _command(commands, compare, "draw runs in one picture, and list what came out")
    each.add_argument("folders", nargs="+", type=RunFolder, metavar="RUN", help="folders of runs")
    each.add_argument("--out", type=Path, default=Path("compare.png"), help="(compare.png)")
    each.add_argument("--x", choices=("generation", "evaluations", "seconds"), default="seconds")
    each = _command(commands, info, "tell what is in a run, a model or a checkpoint")
    each.add_argument("file", type=Path, metavar="FILE", help="a run's folder, or a file")
    return whole


def version() -> str:
    """Return the version of the package."""
    return cnn.__version__


def _command(commands: Any, run: Any, what: str) -> argparse.ArgumentParser:
    added: argparse.ArgumentParser = commands.add_parser(run.__name__, help=what, description=what)
    added.set_defaults(run=run)
    return added


def _add_train(commands: Any) -> None:
    each = _command(commands, train, "evolve a network on images")
    each.add_argument("data", metavar="DATA", help=DATA)
    each.add_argument("--out", type=RunFolder, required=True, metavar="RUN", help="a new folder")
    each.add_argument(
        "--size", type=_size, help="of images from a folder: 32, or 32x48 (rows x columns)"
    )
    each.add_argument("--model", type=Path, help="begin with the network of this file or run")
    each.add_argument("--flip", action="store_true", help="mirror training images at random")
    each.add_argument(
        "--shift", type=_number, default=0.0, metavar="PIXELS", help="move them by up to so much"
    )
    each.add_argument(
        "--test-share",
        type=_share,
        default=0.2,
        help="of the images is kept for evaluate, where there are no test images (0.2)",
    )
    each.add_argument(
        "--population",
        type=_whole(2),
        default=NUM_SOLUTIONS,
        help=f"number of networks ({NUM_SOLUTIONS})",
    )
    each.add_argument(
        "--batch-size", type=_whole(1), help="images a generation (chosen from the data)"
    )
    each.add_argument("--metric", choices=CLASS_METRICS, default="cross_entropy")
    each.add_argument("--seed", type=_whole(0), default=0, help="of all that is random (0)")
    _add_limits(each)
    words.add_quiet(each)
    words.add_network(each)
    words.add_threads(each)
    _add_pixels(each)
    _add_resources(each)
    _add_scheduler(each)
    _add_device(each)


def _add_scheduler(each: argparse.ArgumentParser) -> None:
    each.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of Dask, whose workers score the networks: tcp://host:8786",
    )


def _add_device(each: argparse.ArgumentParser) -> None:
    each.add_argument(
        "--device",
        help='where PyTorch runs the networks: "cuda", "cuda:1" or "cpu"; without it NumPy does',
    )


def _add_limits(each: argparse.ArgumentParser) -> None:
    each.add_argument(
        "--time-limit",
        type=words.seconds,
        metavar="TIME",
        help="in all: seconds, or like 10m, 1h30m",
    )
    each.add_argument(
        "--generations", type=_whole(1), help=f"in all ({NUM_GENERATIONS:,} without a time limit)"
    )


def _add_resources(each: argparse.ArgumentParser) -> None:
    each.add_argument(
        "--checkpoint-seconds",
        type=_number,
        metavar="SECONDS",
        help="from one checkpoint to the next, 0 for every generation (1, or as many as keep them "
        "below 3 %% of the time)",
    )
    _add_memory(each)


def _add_memory(each: argparse.ArgumentParser) -> None:
    each.add_argument(
        "--memory-limit",
        type=_bytes,
        metavar="SIZE",
        help="such as 500M or 2G: of what packed data may unpack to, and of what networks may take "
        f"beside their inputs and outputs ({MEMORY_LIMIT // 2**20}M)",
    )


def _bytes(text: str) -> int:
    number, unit = (text[:-1], text[-1:].upper()) if text[-1:].isalpha() else (text, "")
    if not number.isdecimal() or not int(number) or unit not in _UNITS:
        raise argparse.ArgumentTypeError(f"must be bytes, or like 500M or 2G, not {text}")
    return int(number) * _UNITS[unit]


_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _add_pixels(each: argparse.ArgumentParser) -> None:
    each.add_argument(
        "--scale",
        type=_scale,
        metavar="BLACK,WHITE",
        help="the numbers that are black and white, such as 0,4095, where their type and range do "
        "not tell",
    )
    each.add_argument(
        "--max-pixels", type=_whole(1), help="of a picture, where Pillow's limit is too low"
    )


def _whole(least: int) -> Callable[[str], int]:
    """Return what reads a whole number of at least so much and, as seeds must, below 2**32."""

    def read(text: str) -> int:
        value = int(text) if text.isdecimal() else -1
        if not least <= value < 2**32:
            wanted = f"a whole number from {least} to {2**32 - 1:,}"
            raise argparse.ArgumentTypeError(f"must be {wanted}, not {text}")
        return value

    return read


def _number(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"must be a number of at least 0, not {text}")
    return value


def _share(text: str) -> float:
    value = _number(text)
    if value >= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to less than 1, not {text}")
    return value


def _scale(text: str) -> datasets.Scale:
    try:
        black, white = map(float, text.split(","))
        return datasets.Scale(black, white)
    except ValueError:
        wanted = "two different numbers, black and white, like 0,255"
        raise argparse.ArgumentTypeError(f"must be {wanted}, not {text}") from None


def _size(text: str) -> tuple[int, int]:
    try:
        sides = [int(side) for side in text.lower().split("x")]
    except ValueError:
        sides = []
    if len(sides) not in (1, 2) or min(sides) < 1:
        raise argparse.ArgumentTypeError(f"must be like 32 or 32x48, not {text}")
    return sides[0], sides[-1]


# Commands


def train(options: argparse.Namespace) -> int:
    """Begin a run in a new folder."""
    generations = options.generations
    if generations is None and options.time_limit is None:
        generations = NUM_GENERATIONS
    settings = Settings(
        data=options.data if options.data == "digits" else str(Path(options.data).resolve()),
        size=options.size,
        test_share=options.test_share,
        shift=options.shift,
        flip=options.flip,
        num_solutions=options.population,
        num_generations=generations,
        time_limit=options.time_limit,
        early_stopping=generations is not None,
        batch_size=options.batch_size,
        metric=options.metric,
        random_seed=options.seed,
        shard=None if options.scheduler is None else "auto",
        max_pixels=options.max_pixels,
        device=options.device,
        checkpoint_seconds=options.checkpoint_seconds,
        memory_limit=options.memory_limit,
        validation=options.validation,
        threads=options.threads,
    )
    folder: RunFolder = options.out
    folder.check_free()
    data = load(settings, options.scale)
    images = data.train
    shape, classes = images.X.shape[1:], len(images.class_names)
    if options.layers is not None:
        if options.model is not None:
            raise ValueError("--layers and --model both name a network; give one of them")
        model = words.network(options.layers, shape, classes, settings.random_seed)
    elif options.model is None:
        model = default_network(shape, classes, random_seed=settings.random_seed)
    else:
        model = _model(options.model)
        _check_fits(model, images)
    evolve = _evolution(
        folder, settings, data, model, options.scheduler
    )  # or says what is wrong: no folder yet
    folder.create(settings, model, data)
    with folder.locked():
        return evolve(going_on=False, verbose=not options.quiet)


def resume(options: argparse.Namespace) -> int:
    """Go on with the run of a folder."""
    folder: RunFolder = options.folder
    limits = _given(time_limit=options.time_limit, num_generations=options.generations)
    resources = _given(
        checkpoint_seconds=options.checkpoint_seconds,
        memory_limit=options.memory_limit,
        threads=options.threads,
    )
    settings = replace(folder.settings(), **limits, **resources)
    with folder.locked():
        results = folder.results()
        finished = results is not None and results["finished"]
        _check_goes_on(folder, settings, finished=finished, longer=bool(limits))
        if options.scheduler is not None and settings.shard is None:
            raise ValueError(
                f"{folder.path} was begun without --scheduler, and goes on bit for bit only here: "
                "leave it out, or begin another run with it"
            )
        data = folder.data(settings)
        folder.reopen(settings)
        evolve = _evolution(folder, settings, data, folder.start(), options.scheduler)
        return evolve(going_on=True, verbose=not options.quiet)


def _given(**options: Any) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _check_goes_on(folder: RunFolder, settings: Settings, *, finished: bool, longer: bool) -> None:
    """Raise ValueError where the limits leave nothing to do, or less than has been done."""
    generations, seconds = folder.done()
    more, limit = settings.num_generations, settings.time_limit
    if more is not None and more < generations + finished:
        cure = "--generations: it counts all of them"
    elif finished and limit is not None and round(limit, 1) <= seconds:
        cure = "--time-limit: it counts all seconds"
    elif finished and not longer:
        cure = "--generations"
    else:
        return
    state = "is finished after" if finished else "has done"
    raise ValueError(
        f"{folder.path} {state} {generations:,} generations and {seconds:,} seconds; "
        f"to go on give a larger {cure}"
    )


def evaluate(options: argparse.Namespace) -> None:
    """Print how well a model does on labelled images."""
    folder: RunFolder = options.folder
    model, names = folder.trained_model(), folder.class_names()
    settings = replace(folder.settings(), **_given(memory_limit=options.memory_limit))
    if options.data is None:
        data = folder.data(settings).test
        if data is None:
            raise ValueError(f"{folder.path} has set no images aside; name data to evaluate on")
    else:
        height, width, channels = model.input_shape
        scale, most = options.scale or folder.scale(), options.max_pixels
        every = parts(options.data, (height, width), channels, scale, most, settings.memory_limit)
        data = next(each for each in (every.test, every.validation, every.train) if each)
        if data.X.shape[1:] != model.input_shape:
            raise ValueError(
                f"{options.data} holds images of {data.X.shape[1:]} (height, width, channels), "
                f"but {folder.path} was trained on images of {model.input_shape}"
            )
    limit = settings.memory_limit or MEMORY_LIMIT
    labels = numbered(data, names)
    say(class_table(labels, model.predict(data.X, memory_limit=limit), names))


def predict(options: argparse.Namespace) -> int:
    """Print the labels of images, as a table or as CSV; 1 if one could not be read."""
    folder: RunFolder = options.folder
    model, names = folder.trained_model(), folder.class_names()
    height, width, channels = model.input_shape
    table = csv.writer(sys.stdout, lineterminator="\n")
    limit = options.memory_limit or folder.settings().memory_limit or MEMORY_LIMIT
    scale = options.scale or folder.scale()

    def read(path: Path) -> Any:
        return datasets.load_images(
            [path],
            size=(height, width),
            channels=channels,
            scale=scale,
            max_pixels=options.max_pixels or folder.settings().max_pixels,
        )

    unread = list(pictures.found(options.images, read, scale, options.memory_limit))
    wide = max(len(name) for each in unread for name in each.names)
    if options.csv:
        table.writerow(["file", "class", *map(cell, names)])
    code = 0
    for each in unread:
        try:
            X = each.read()
            rows = model.predict_proba(X, memory_limit=limit)  # which warns of one without numbers
        except (OSError, ValueError) as error:
            _say(error)
            code = 1
            continue
        for name, row in zip(each.names, rows, strict=True):
            if np.isnan(row).any():
                code = 1
                continue
            best = names[row.argmax()]
            if options.csv:
                table.writerow([cell(name), cell(best), *(f"{value:.6f}" for value in row)])
            else:
                say(f"{name:<{wide}}  {printable(best)}  {row.max():.1%}")
    return code


def export(options: argparse.Namespace) -> None:
    """Write a model as an ONNX file."""
    if options.file.suffix != ".onnx":
        raise ValueError(f"{options.file} must end in .onnx, the format that is written")
    model = _model(options.folder)
    cnn.to_onnx(model, options.file)
    say(f"{options.file}: images {model.input_shape}, {model.num_classes} classes")
    for name, value in metadata(model).items():
        say(f"{name}: {value}")


def compare(options: argparse.Namespace) -> None:
    """Print what came out of several runs, and draw their course into one picture."""
    say(comparison.table(options.folders))
    comparison.draw(options.folders, options.out, options.x)
    say(f"\nthe picture is {options.out}")


def info(options: argparse.Namespace) -> None:
    """Print what a file or run folder holds."""
    say(information(options.file))


def _model(path: Path) -> cnn.Model:
    if not path.is_dir():
        return cnn.load(path)
    folder = RunFolder(path)
    model = folder.trained_model()
    model.class_names, model.scale = folder.class_names(), folder.scale()
    return model


def _check_fits(model: cnn.Model, images: datasets.Dataset) -> None:
    wanted, classes = images.X.shape[1:], len(images.class_names)
    if model.input_shape != wanted or model.num_classes != classes:
        raise ValueError(
            f"--model takes images of {model.input_shape} and tells {model.num_classes} classes "
            f"apart, but the data are images of {wanted} of {classes} classes"
        )


def _evolution(
    folder: RunFolder,
    settings: Settings,
    data: Data,
    model: cnn.Model,
    scheduler: str | None,
) -> Callable[..., int]:
    """Return what evolves networks like the model, writes what came out and says so.

    Args:
        folder: of the run.
        settings: what the run was told.
        data: images to train on, and those set aside.
        model: the first network.
        scheduler: the address of Dask's, or None.

    Returns:
        The function, whose result is the exit code.

    Raises:
        ValueError: data or settings do not fit; likewise TypeError.
        ImportError: there is a scheduler, but no Dask.
    """
    images, validation, test = data
    model.class_names, model.scale = images.class_names, images.scale
    networks = GACNN(model, settings.num_solutions, random_seed=settings.random_seed)
    silent = logging.Logger("silent", logging.CRITICAL + 1)  # PyGAD's shows tracebacks
    apart = {} if validation is None else {"validation": (validation.X, validation.y)}
    given = {"logger": silent, "executor": scheduler, **settings.training(), **apart}
    training = networks.training(images.X, images.y, **given)
    if scheduler is not None:
        with training.fitness.session():  # or says that none answers
            pass

    def evolve(*, going_on: bool, verbose: bool) -> int:
        set_aside = 0 if test is None else len(test.X)
        if verbose:
            say(f"{len(images.X):,} images to train on, {set_aside:,} set aside")
            say(f"pixels: {images.scale}\n\n{model}\n")
        try:
            result = training.run(
                networks.population_as_vectors(),
                checkpoint=folder.checkpoint(settings.checkpoint_seconds),
                resume=going_on,
                verbose=verbose,
            )
            results = folder.finish(result, test, settings.memory_limit or MEMORY_LIMIT)
        except (KeyboardInterrupt, OSError, MemoryError) as error:
            error.add_note(f"go on with the run by `{folder.resuming}`")
            raise
        _say_results(folder, results)
        stopped_by = result.ga.interrupted_by
        return 0 if stopped_by is None else ENDED + stopped_by

    return evolve


def _say_results(folder: RunFolder, results: dict[str, Any]) -> None:
    say(
        f"\n{results['generations']:,} generations, {results['seconds']:,} seconds, "
        f"{counted(results['image_evaluations'])} image evaluations"
    )
    if results["test_accuracy"] is not None:
        number = results["test_images"]
        say(f"{results['test_accuracy']:.1%} of {number:,} images set aside are right")
    say(f"all is in {folder.path}")
    if not results["finished"]:
        say(f"stopped early: go on with `{folder.resuming}`")
