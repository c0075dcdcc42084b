"""Print the lowest versions that pyproject.toml allows, as constraints for pip."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def oldest() -> Iterator[str]:
    """Yield `name==version` for each requirement of the package and of its extras."""
    project = tomllib.loads(PROJECT.read_text())["project"]
    extras = project["optional-dependencies"].values()
    for requirement in (*project["dependencies"], *(each for extra in extras for each in extra)):
        if requirement.startswith(f"{project['name']}["):  # extras of its own
            continue
        bound = re.fullmatch(r"([\w.-]+)(?:\[[\w,]+\])?>=([\d.]+)(?:,<[\d.]+)?", requirement)
        if bound is None:
            raise SystemExit(f"{requirement!r} has no lower bound; write name>=version")
        yield f"{bound[1]}=={bound[2]}"


if __name__ == "__main__":
    print(*sorted(set(oldest())), sep="\n")
