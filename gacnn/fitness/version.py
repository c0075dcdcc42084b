"""The version of this package, which driver, scheduler and workers must have in common."""

from importlib import metadata


def package_version() -> str:
    """Return it; "unknown" where the package is not installed."""
    try:
        return metadata.version("gacnn")
    except metadata.PackageNotFoundError:
        return "unknown"


VERSION = package_version()
