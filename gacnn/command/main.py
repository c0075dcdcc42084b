"""The command `gacnn`: what it reads from the command line, and how it ends."""

from __future__ import annotations

import argparse
import io
import os
import re
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cnn
from gacnn.command import commands, options, values
from gacnn.command.terminal import Parser, complain

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

DATA = (
    "digits (scikit-learn's), a folder with one sub-folder of images for each class, "
    "an .npz file of x_train, y_train, x_test, y_test as Keras has it, or a folder of IDX files"
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code."""
    reader = parser()
    told = reader.parse_args(_joined(sys.argv[1:] if arguments is None else arguments))
    if "run" not in told:
        reader.print_help()
        return 0
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may be anything
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        try:
            code = int(told.run(told) or 0)
            print(end="", flush=True)  # what fails here is said below
        except KeyboardInterrupt as error:
            print(file=sys.stderr)  # behind the ^C of a terminal
            complain("stopped at once", error)
            return commands.ENDED + signal.SIGINT
        except BrokenPipeError:  # as of `gacnn info RUN | head -1`
            _close_output()
            return 1
        except (OSError, ValueError, TypeError, ImportError, MemoryError) as error:
            complain(error if f"{error}" else type(error).__name__, error)
            return 1
    return code


def _joined(arguments: Sequence[str]) -> list[str]:
    """Return arguments with a value that begins with a minus as --option=value, one of them."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--scale" and re.match(r"-[\d.]", argument):
            argument = f"{joined.pop()}={argument}"
        joined.append(argument)
    return joined


def _show_warning(message: Warning | str, *where: Any, **more: Any) -> None:
    complain(message)


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
    added = whole.add_subparsers(metavar="COMMAND")
    _add_train(added)
    _add_resume(added)
    _add_evaluate(added)
    _add_predict(added)
    each = _command(added, commands.export, "write the network of a run for ONNX Runtime")
    each.add_argument(
        "folder", type=values.path, metavar="RUN", help="a run, or a file of Model.save"
    )
    each.add_argument("file", type=values.path, metavar="FILE.onnx")
    each = _command(added, commands.compare, "draw runs in one picture, and list what came out")
    each.add_argument("folders", nargs="+", type=values.run, metavar="RUN", help="folders of runs")
    each.add_argument("--out", type=values.path, default=Path("compare.png"), help="(compare.png)")
    each.add_argument("--x", choices=("generation", "evaluations", "seconds"), default="seconds")
    each = _command(added, commands.info, "tell what is in a run, a model or a checkpoint")
    each.add_argument("file", type=values.path, metavar="FILE", help="a run's folder, or a file")
    return whole


def version() -> str:
    """Return the version of the package."""
    return cnn.__version__


def _command(added: Any, run: Any, what: str) -> argparse.ArgumentParser:
    each: argparse.ArgumentParser = added.add_parser(run.__name__, help=what, description=what)
    each.set_defaults(run=run)
    return each


def _add_train(added: Any) -> None:
    each = _command(added, commands.train, "evolve a network on images")
    each.add_argument("data", metavar="DATA", help=DATA)
    each.add_argument("--out", type=values.run, required=True, metavar="RUN", help="a new folder")
    options.add_images(each)
    options.add_network(each)
    options.add_evolution(each)
    options.add_limits(each)
    options.add_progress(each)
    options.add_pixels(each)
    options.add_resources(each)
    options.add_scheduler(each)
    options.add_device(each)


def _add_resume(added: Any) -> None:
    says = "go on with a run that was stopped or killed, or for longer"
    each = _command(added, commands.resume, says)
    each.add_argument("folder", type=values.run, metavar="RUN", help="the folder of the run")
    options.add_limits(each)
    options.add_progress(each)
    options.add_resources(each)
    options.add_scheduler(each)


def _add_evaluate(added: Any) -> None:
    each = _command(added, commands.evaluate, "count what a run gets right on unseen images")
    each.add_argument("folder", type=values.run, metavar="RUN", help="the folder of the run")
    each.add_argument("data", nargs="?", help=f"other data than the run's own test images: {DATA}")
    options.add_pixels(each)
    options.add_memory(each)


def _add_predict(added: Any) -> None:
    each = _command(added, commands.predict, "name the class of images")
    each.add_argument("folder", type=values.run, metavar="RUN", help="the folder of the run")
    each.add_argument(
        "images",
        nargs="+",
        type=values.path,
        metavar="IMAGE",
        help="pictures, folders of them, or .npz",
    )
    each.add_argument("--csv", action="store_true", help="print CSV, with all probabilities")
    options.add_pixels(each)
    options.add_memory(each)
