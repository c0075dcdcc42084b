"""What the command line says of predictions and files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cnn
from cnn import files
from cnn.checks import printable
from cnn.report import of_labels
from cnn.types import Labels
from gacnn.checkpoints import checkpoint
from gacnn.command.run_folder import RunFolder


def class_table(labels: Labels, predicted: Labels, names: Sequence[str]) -> str:
    """Return a table of images, recall, precision and F1 of every class, and the accuracy."""
    return str(of_labels(labels, predicted, [printable(name) for name in names]))


def information(path: Path) -> str:
    """Return what is in a run's folder, a file of `Model.save` or a checkpoint.

    Raises OSError where there is nothing to read, and ValueError for anything else.
    """
    if path.is_dir():
        return _of_run(RunFolder(path))
    with suppress(FileNotFoundError):  # but a copy of a checkpoint may be there
        if str(files.format_of(path)).startswith("gacnn model"):
            return str(cnn.load(path))
    return _lines(checkpoint.describe(path))


def _of_run(folder: RunFolder) -> str:
    results = folder.results()
    classes = ", ".join(map(printable, folder.class_names()))
    parts = [_lines({**asdict(folder.settings()), "classes": classes})]
    if results is None:
        parts += [str(folder.start()), "it has not ended"]
    else:
        parts += [str(folder.trained_model()), _lines(results)]
    if results is None or not results["finished"]:
        parts.append(f"go on with it by `{folder.resuming}`")
    return "\n\n".join(parts)


def _lines(values: Mapping[str, Any]) -> str:
    """Return a line for each value that there is."""
    said = {name: value for name, value in values.items() if value is not None}
    rows = ((printable(name).replace("_", " "), _shown(name, said[name])) for name in said)
    return "\n".join(f"{name}: {value}" for name, value in rows)


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.1%}" if name.endswith("accuracy") else f"{value:,.4g}"
    return f"{value:,}" if isinstance(value, int) else printable(value)
