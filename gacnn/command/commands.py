"""What each command of `gacnn` does."""

from __future__ import annotations

import argparse
import csv
import os
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import cnn
from cnn import datasets
from cnn.checks import printable
from cnn.exchange.onnx import metadata
from gacnn.command import comparison, pictures, words
from gacnn.command.data import DIGITS, Data, check_apart, load, numbered, parts
from gacnn.command.reports import class_table, information
from gacnn.command.run_folder import RunFolder
from gacnn.command.settings import Settings
from gacnn.command.terminal import cell, complain, say
from gacnn.gacnn import GACNN
from gacnn.training.default_network import default_head, default_network
from gacnn.training.defaults import NUM_GENERATIONS
from gacnn.training.plan import counted
from gacnn.types import Array

ENDED = 128  # more than the number of the signal that has ended a run is the exit code


def train(options: argparse.Namespace) -> int:
    """Begin a run in a new folder."""
    folder: RunFolder = options.out
    settings = _settings(options)
    folder.check_free()
    check_apart(folder.path, settings.data)
    data = load(settings, options.scale)
    began = time.monotonic()
    model = _network(options, data.train)
    seconds = round(time.monotonic() - began, 1)
    settings = replace(settings, head=_head(options, model), network_seconds=seconds)
    # which says what is wrong before there is a folder
    evolve = _evolution(folder, settings, data, model, options.scheduler)
    folder.create(settings, model, data)
    with folder.locked():
        return evolve(going_on=False, verbose=not options.quiet)


def _settings(options: argparse.Namespace) -> Settings:
    """Return what a new run is told."""
    generations = options.generations
    if generations is None and options.time_limit is None:
        generations = NUM_GENERATIONS
    return Settings(
        data=options.data if options.data == DIGITS else os.path.realpath(options.data),
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


def _network(options: argparse.Namespace, images: datasets.Dataset) -> cnn.Model:
    """Return the network that a new run begins with: in words, of a file, or the default one."""
    shape, classes = images.X.shape[1:], len(images.class_names)
    if options.layers is not None and options.model is not None:
        raise ValueError("--layers and --model both name a network; give one of them")
    if _is_named(options) and options.first_layer != "auto":
        raise ValueError(
            "--first-layer is for the default network; leave it out, or --layers and --model"
        )
    if options.layers is not None:
        return words.network(options.layers, shape, classes, options.seed)
    if options.model is None:
        return _default_network(images, options)
    model = _model(options.model)
    _check_fits(model, images)
    return model


def _head(options: argparse.Namespace, model: cnn.Model) -> str:
    """Return how the last layer begins."""
    head: str = options.head
    if head != "auto":
        return head
    return "evolved" if _is_named(options) else default_head(model)


def _is_named(options: argparse.Namespace) -> bool:
    """Tell whether a network is named, and not the default one taken."""
    return options.layers is not None or options.model is not None


def _default_network(images: datasets.Dataset, options: argparse.Namespace) -> cnn.Model:
    """Return the network for images that are augmented or not."""
    first = options.first_layer
    if first == "auto" and (options.flip or options.shift):
        first = "evolved"
    shape, classes = images.X.shape[1:], len(images.class_names)
    return default_network(
        shape,
        classes,
        options.seed,
        images=images.X,
        first_layer=first,
        verbose=not options.quiet,
    )


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
    seconds += settings.network_seconds
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
        f"{folder.path} {state} {generations:,} generations and {seconds:,.1f} seconds; "
        f"to go on give a larger {cure}"
    )


def evaluate(options: argparse.Namespace) -> None:
    """Print how well a model does on labelled images."""
    folder: RunFolder = options.folder
    model, names = folder.trained_model(), folder.class_names()
    settings = replace(folder.settings(), **_given(memory_limit=options.memory_limit))
    data = _labelled(options, folder, settings, model.input_shape)
    limit = settings.memory_limit
    labels = numbered(data, names)
    say(class_table(labels, model.predict(data.X, memory_limit=limit), names))


def _labelled(
    options: argparse.Namespace, folder: RunFolder, settings: Settings, shape: tuple[int, ...]
) -> datasets.Dataset:
    """Return the images (N, *shape) to evaluate on: those named, or those the run set aside."""
    if options.data is None:
        data = folder.data(settings).test
        if data is None:
            raise ValueError(f"{folder.path} has set no images aside; name data to evaluate on")
        return data
    height, width, channels = shape
    scale, most = options.scale or folder.scale(), options.max_pixels or settings.max_pixels
    every = parts(options.data, (height, width), channels, scale, most, settings.memory_limit)
    data = next(each for each in (every.test, every.validation, every.train) if each)
    if data.X.shape[1:] != shape:
        raise ValueError(
            f"{options.data} holds images of {data.X.shape[1:]} (height, width, channels), "
            f"but {folder.path} was trained on images of {shape}"
        )
    return data


def predict(options: argparse.Namespace) -> int:
    """Print the labels of images, as a table or as CSV; 1 if one could not be read."""
    folder: RunFolder = options.folder
    model, names = folder.trained_model(), folder.class_names()
    limit = options.memory_limit or folder.settings().memory_limit
    unread = _unread(options, folder, model.input_shape, limit)
    show = _as_csv(names) if options.csv else _as_table(names, unread)
    code = 0
    for each in unread:
        try:
            # the first of these warns of an image whose outputs are no numbers
            rows = model.predict_proba(each.read(), memory_limit=limit)
        except (OSError, ValueError) as error:
            complain(error)
            code = 1
            continue
        for name, row in zip(each.names, rows, strict=True):
            if np.isnan(row).any():
                code = 1
            else:
                show(name, row)
    return code


def _unread(
    options: argparse.Namespace,
    folder: RunFolder,
    shape: tuple[int, ...],
    limit: int | None,
) -> list[pictures.Unread]:
    """Return the images to predict, to be read as those of the run were; limit: of memory."""
    height, width, channels = shape
    scale = options.scale or folder.scale()
    most = options.max_pixels or folder.settings().max_pixels

    def read(path: Path) -> Array:
        images: Array = datasets.load_images(
            [path], size=(height, width), channels=channels, scale=scale, max_pixels=most
        )
        return images

    return list(pictures.found(options.images, read, shape, scale, limit))


def _as_csv(names: list[str]) -> Callable[[str, Array], None]:
    """Print a line of titles; return what prints an image's name and probabilities."""
    table = csv.writer(sys.stdout, lineterminator="\n")
    table.writerow(["file", "class", *map(cell, names)])

    def show(name: str, row: Array) -> None:
        best = names[row.argmax()]
        table.writerow([cell(name), cell(best), *(f"{value:.6f}" for value in row)])

    return show


def _as_table(names: list[str], unread: Sequence[pictures.Unread]) -> Callable[[str, Array], None]:
    """Return what prints an image's name, class and probability, below each other."""
    wide = max(len(name) for each in unread for name in each.names)

    def show(name: str, row: Array) -> None:
        say(f"{name:<{wide}}  {printable(names[row.argmax()])}  {row.max():.1%}")

    return show


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
    known, names = model.class_names or (), tuple(images.class_names)
    if known != names and set(known) == set(names):
        pairs = zip(known, names, strict=True)
        place = next(place for place, (own, name) in enumerate(pairs) if own != name)
        raise ValueError(
            f"--model has the classes of the data in another order: its output {place} is "
            f"{known[place]!r}, and label {place} of the data is {names[place]!r}; give the data "
            "the model's order, or another model"
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
    apart = {} if validation is None else {"validation": (validation.X, validation.y)}
    given = {"executor": scheduler, **settings.training(), **apart}
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
            results = folder.finish(result, test, settings.memory_limit)
        except (KeyboardInterrupt, OSError, MemoryError) as error:
            error.add_note(f"go on with the run by `{folder.resuming}`")
            raise
        _say_results(folder, results, verbose=verbose)
        stopped_by = result.ga.interrupted_by
        return 0 if stopped_by is None else ENDED + stopped_by

    return evolve


def _say_results(folder: RunFolder, results: dict[str, Any], *, verbose: bool) -> None:
    say(
        f"\n{results['generations']:,} generations, {results['seconds']:,} seconds, "
        f"{counted(results['image_evaluations'])} image evaluations"
    )
    if results["test_accuracy"] is not None:
        number = results["test_images"]
        say(f"{results['test_accuracy']:.1%} of {number:,} images set aside are right")
    say(f"all is in {folder.path}: model.npz, history.csv and pictures")
    if not results["finished"]:
        say(f"stopped early: go on with `{folder.resuming}`")
    elif verbose:
        say(f"to use it: `{folder.predicting}`")
