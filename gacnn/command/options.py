"""Options of the command line, in the groups in which commands take them."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnn import NumpyEngine
from gacnn.command import values
from gacnn.command.settings import CLASS_METRICS
from gacnn.training.default_network import FIRST_LAYERS
from gacnn.training.defaults import HEADS, NUM_GENERATIONS, NUM_SOLUTIONS

LAYERS = (
    'the network, such as "conv 16x5 s2, pool 2, conv 32x3 same, dense 10": filters x their size, '
    "s for stride; separable 32x3 for one with few weights, and depthwise 3 for its first half; "
    "pool (or mean) for pooling; global for global pooling; an activation after conv or dense, "
    "relu if none is said; the last dense is the output"
)


def add_progress(each: argparse.ArgumentParser) -> None:
    """Let a command say nothing but what came out, and on how many cores."""
    group = each.add_argument_group("while it runs")
    group.add_argument("--quiet", action="store_true", help="say only what came out, no progress")
    group.add_argument(
        "--threads",
        type=values.whole(1),
        metavar="NUMBER",
        help="cores to use (all; the result is the same)",
    )


def add_network(each: argparse.ArgumentParser) -> None:
    """Let a command say which network it trains."""
    group = each.add_argument_group("network")
    group.add_argument(
        "--model", type=Path, metavar="FILE", help="begin with the network of this file or run"
    )
    group.add_argument("--layers", metavar="LAYERS", help=LAYERS)
    group.add_argument(
        "--first-layer",
        choices=FIRST_LAYERS,
        default="auto",
        help="of the default network: evolved, or from the data and fixed, as for 5,000 images or "
        "more of 16 pixels a side or more that are neither flipped nor shifted",
    )
    group.add_argument(
        "--head",
        choices=HEADS,
        default="auto",
        help="how the last layer begins: evolved like the others, or as ridge regression solves "
        "it, as behind a first layer from the data",
    )


def add_scheduler(each: argparse.ArgumentParser) -> None:
    """Let a command have networks scored by Dask."""
    group = each.add_argument_group("other machines")
    group.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of Dask, whose workers score the networks: tcp://host:8786",
    )


def add_device(each: argparse.ArgumentParser) -> None:
    """Let a command say where PyTorch runs the networks."""
    group = each.add_argument_group("PyTorch")
    group.add_argument(
        "--device",
        help='where PyTorch runs the networks: "cuda", "cuda:1" or "cpu"; without it NumPy does',
    )


def add_limits(each: argparse.ArgumentParser) -> None:
    """Let a command say what ends the run."""
    group = each.add_argument_group("when it ends")
    group.add_argument(
        "--time-limit",
        type=values.seconds,
        metavar="TIME",
        help="of training in all, default network included: seconds, or like 10m, 1h30m",
    )
    group.add_argument(
        "--generations",
        type=values.whole(1),
        metavar="NUMBER",
        help=f"in all ({NUM_GENERATIONS:,} without a time limit)",
    )


def add_resources(each: argparse.ArgumentParser) -> None:
    """Let a command say how often it writes checkpoints, and what it may take of memory."""
    group = each.add_argument_group("checkpoints")
    group.add_argument(
        "--checkpoint-seconds",
        type=values.number,
        metavar="SECONDS",
        help="from one checkpoint to the next, 0 for every generation (1, or as many as keep them "
        "below 3 %% of the time)",
    )
    add_memory(each)


def add_memory(each: argparse.ArgumentParser) -> None:
    """Let a command say what it may take of memory."""
    group = each.add_argument_group("memory")
    group.add_argument(
        "--memory-limit",
        type=values.memory,
        metavar="SIZE",
        help="such as 500M or 2G: of what packed data may unpack to, and of what networks may take "
        f"beside their inputs and outputs ({NumpyEngine.memory_limit // 2**20}M)",
    )


def add_pixels(each: argparse.ArgumentParser) -> None:
    """Let a command say what pixels mean, and how many a picture may have."""
    group = each.add_argument_group("pixels")
    group.add_argument(
        "--scale",
        type=values.scale,
        metavar="BLACK,WHITE",
        help="the numbers that are black and white, such as 0,4095, where their type and range do "
        "not tell",
    )
    group.add_argument(
        "--max-pixels",
        type=values.whole(1),
        metavar="NUMBER",
        help="of a picture, where Pillow's limit is too low",
    )


def add_images(each: argparse.ArgumentParser) -> None:
    """Let a command say which images it trains on, and which changed copies of them."""
    group = each.add_argument_group("images")
    group.add_argument(
        "--size",
        type=values.size,
        metavar="ROWSxCOLUMNS",
        help="of images from a folder: 32, or 32x48 (rows x columns)",
    )
    group.add_argument("--flip", action="store_true", help="mirror training images at random")
    group.add_argument(
        "--shift",
        type=values.number,
        default=0.0,
        metavar="PIXELS",
        help="move them by up to so much",
    )
    group.add_argument(
        "--test-share",
        type=values.share,
        metavar="SHARE",
        default=0.2,
        help="of the images is kept for evaluate, where there are no test images (0.2)",
    )
    group.add_argument(
        "--validation",
        type=values.share,
        metavar="SHARE",
        help="of the training images is held out, 0 for none (a tenth of 200 or more)",
    )


def add_evolution(each: argparse.ArgumentParser) -> None:
    """Let a command say what evolves, and on what."""
    group = each.add_argument_group("evolution")
    group.add_argument(
        "--population",
        type=values.whole(2),
        metavar="NUMBER",
        default=NUM_SOLUTIONS,
        help=f"number of networks ({NUM_SOLUTIONS})",
    )
    group.add_argument(
        "--batch-size",
        type=values.whole(1),
        metavar="IMAGES",
        help="images a generation (chosen from the data)",
    )
    group.add_argument(
        "--metric",
        choices=CLASS_METRICS,
        default="cross_entropy",
        help="what is maximised (cross_entropy)",
    )
    group.add_argument(
        "--seed",
        type=values.whole(0),
        metavar="NUMBER",
        default=0,
        help="of all that is random (0)",
    )
