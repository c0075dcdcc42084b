"""Options of the command line, in the groups in which commands take them."""

from __future__ import annotations

import argparse
from pathlib import Path

from cnn.model import MEMORY_LIMIT
from gacnn.command import values
from gacnn.command.settings import CLASS_METRICS
from gacnn.training.default_network import FIRST_LAYERS
from gacnn.training.defaults import NUM_GENERATIONS, NUM_SOLUTIONS

LAYERS = (
    'the network, such as "conv 16x5 s2, pool 2, conv 32x3 same, dense 10": filters x their size, '
    "s for stride; separable 32x3 for one with few weights, and depthwise 3 for its first half; "
    "pool (or mean) for pooling; global for global pooling; an activation after conv or dense, "
    "relu if none is said; the last dense is the output"
)


def add_progress(each: argparse.ArgumentParser) -> None:
    """Let a command say nothing but what came out, and on how many cores."""
    each.add_argument("--quiet", action="store_true", help="say only what came out, no progress")
    each.add_argument(
        "--threads", type=values.whole(1), help="cores to use (all; the result is the same)"
    )


def add_network(each: argparse.ArgumentParser) -> None:
    """Let a command say which network it trains, and what it validates on."""
    each.add_argument("--model", type=Path, help="begin with the network of this file or run")
    each.add_argument("--layers", metavar="LAYERS", help=LAYERS)
    each.add_argument(
        "--first-layer",
        choices=FIRST_LAYERS,
        default="auto",
        help="of the default network: evolved, or from the data and fixed, as for 5,000 images or "
        "more of 16 pixels a side or more that are neither flipped nor shifted",
    )
    each.add_argument(
        "--validation",
        type=values.share,
        metavar="SHARE",
        help="of the training images is held out, 0 for none (a tenth of 200 or more)",
    )


def add_scheduler(each: argparse.ArgumentParser) -> None:
    """Let a command have networks scored by Dask."""
    each.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="of Dask, whose workers score the networks: tcp://host:8786",
    )


def add_device(each: argparse.ArgumentParser) -> None:
    """Let a command say where PyTorch runs the networks."""
    each.add_argument(
        "--device",
        help='where PyTorch runs the networks: "cuda", "cuda:1" or "cpu"; without it NumPy does',
    )


def add_limits(each: argparse.ArgumentParser) -> None:
    """Let a command say what ends the run."""
    each.add_argument(
        "--time-limit",
        type=values.seconds,
        metavar="TIME",
        help="in all: seconds, or like 10m, 1h30m",
    )
    each.add_argument(
        "--generations",
        type=values.whole(1),
        help=f"in all ({NUM_GENERATIONS:,} without a time limit)",
    )


def add_resources(each: argparse.ArgumentParser) -> None:
    """Let a command say how often it writes checkpoints, and what it may take of memory."""
    each.add_argument(
        "--checkpoint-seconds",
        type=values.number,
        metavar="SECONDS",
        help="from one checkpoint to the next, 0 for every generation (1, or as many as keep them "
        "below 3 %% of the time)",
    )
    add_memory(each)


def add_memory(each: argparse.ArgumentParser) -> None:
    """Let a command say what it may take of memory."""
    each.add_argument(
        "--memory-limit",
        type=values.memory,
        metavar="SIZE",
        help="such as 500M or 2G: of what packed data may unpack to, and of what networks may take "
        f"beside their inputs and outputs ({MEMORY_LIMIT // 2**20}M)",
    )


def add_pixels(each: argparse.ArgumentParser) -> None:
    """Let a command say what pixels mean, and how many a picture may have."""
    each.add_argument(
        "--scale",
        type=values.scale,
        metavar="BLACK,WHITE",
        help="the numbers that are black and white, such as 0,4095, where their type and range do "
        "not tell",
    )
    each.add_argument(
        "--max-pixels", type=values.whole(1), help="of a picture, where Pillow's limit is too low"
    )


def add_images(each: argparse.ArgumentParser) -> None:
    """Let a command say which images it trains on, and which changed copies of them."""
    each.add_argument(
        "--size", type=values.size, help="of images from a folder: 32, or 32x48 (rows x columns)"
    )
    each.add_argument("--flip", action="store_true", help="mirror training images at random")
    each.add_argument(
        "--shift",
        type=values.number,
        default=0.0,
        metavar="PIXELS",
        help="move them by up to so much",
    )
    each.add_argument(
        "--test-share",
        type=values.share,
        default=0.2,
        help="of the images is kept for evaluate, where there are no test images (0.2)",
    )


def add_evolution(each: argparse.ArgumentParser) -> None:
    """Let a command say what evolves, and on what."""
    each.add_argument(
        "--population",
        type=values.whole(2),
        default=NUM_SOLUTIONS,
        help=f"number of networks ({NUM_SOLUTIONS})",
    )
    each.add_argument(
        "--batch-size", type=values.whole(1), help="images a generation (chosen from the data)"
    )
    each.add_argument("--metric", choices=CLASS_METRICS, default="cross_entropy")
    each.add_argument("--seed", type=values.whole(0), default=0, help="of all that is random (0)")
