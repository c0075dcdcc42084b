"""Words of the command line: durations, networks, what is said."""

from __future__ import annotations

import argparse


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Let a command say nothing but what came out."""
    parser.add_argument("--quiet", action="store_true", help="say only what came out, no progress")
