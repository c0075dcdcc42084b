"""What pyproject.toml cannot say: the README with links that work on a package index."""

import re
import tomllib
from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent


def with_absolute_links(text: str, source: str) -> str:
    """Return Markdown whose links and pictures in the repository are addresses below `source`."""

    def address(match: re.Match[str]) -> str:
        kind = "raw" if match[1] else "blob"
        return f"{match[1]}[{match[2]}]({source}/{kind}/main/{match[3]})"

    return re.sub(r"(!?)\[([^\]]*)\]\((?!https?:|#)([^)]+)\)", address, text)


if __name__ == "__main__":
    urls = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]["urls"]
    setup(
        long_description=with_absolute_links(
            (HERE / "README.md").read_text("utf-8"), urls["Source"]
        ),
        long_description_content_type="text/markdown",
    )
