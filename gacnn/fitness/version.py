"""The version of this package, which driver, scheduler and workers must have in common."""

from cnn import __version__

VERSION = __version__
