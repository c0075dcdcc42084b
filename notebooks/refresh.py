"""Run the notebooks and store them with their outputs: `python notebooks/refresh.py [names]`."""

from __future__ import annotations

import argparse
import html
import re
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
STATE = "application/vnd.jupyter.widget-state+json"
VIEW = "application/vnd.jupyter.widget-view+json"


def text_of(widget: str, widgets: dict[str, Any]) -> str:
    """Return what a widget, and those inside it, shows in the end."""
    state = widgets[widget]["state"]
    parts = [
        text_of(name.removeprefix("IPY_MODEL_"), widgets) for name in state.get("children", [])
    ]
    if state["_model_name"] == "HTMLModel":
        parts.append(html.unescape(re.sub("<[^>]*>", "", state["value"])))
    return " ".join(" ".join(parts).split())


def without_widgets(notebook: Any) -> None:
    """Put a line of text in the place of every progress bar: it is smaller, and seen anywhere."""
    widgets = notebook.metadata.get("widgets", {}).get(STATE, {}).get("state", {})
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            if VIEW in output.get("data", {}):
                output.data = {"text/plain": text_of(output.data[VIEW]["model_id"], widgets)}


def run(path: Path) -> Any:
    """Return the notebook as it looks after a run in a temporary folder."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(
            notebook,
            timeout=300,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": folder}},
        ).execute()
    without_widgets(notebook)
    notebook.metadata = nbformat.from_dict(METADATA)
    return notebook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="notebooks to run (default: all)")
    parser.add_argument("--out", type=Path, default=HERE, help="folder to store them in")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    names = arguments.names or sorted(path.stem for path in HERE.glob("*.ipynb"))
    for name in names:
        file = Path(name).with_suffix(".ipynb").name
        nbformat.write(run(HERE / file), arguments.out / file)


if __name__ == "__main__":
    main()
