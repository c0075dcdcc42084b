"""What pyproject.toml cannot say: the README with links that work on a package index."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def with_absolute_links(text: str, source: str | None) -> str:
    """Return Markdown whose links and pictures in the repository are addresses below `source`.

    Without one, words stay where links were, and pictures go.
    """

    def address(match: re.Match[str]) -> str:
        if source is None:
            return "" if match[1] else match[2]
        kind = "raw" if match[1] else "blob"
        return f"{match[1]}[{match[2]}]({source}/{kind}/main/{match[3]})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)", address, text)


if __name__ == "__main__":
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    readme = (HERE / "README.md").read_text("utf-8")
    setup(
        long_description=with_absolute_links(readme, project.get("urls", {}).get("Source")),
        long_description_content_type="text/markdown",
    )
