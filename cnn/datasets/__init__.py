"""Images and labels from files and folders: float32 (N, height, width, channels) in [0, 1]."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cnn.scale import Scale

if TYPE_CHECKING:
    from cnn.datasets.images import load_images as load_images
    from cnn.datasets.loading import Dataset as Dataset
    from cnn.datasets.loading import Splits as Splits
    from cnn.datasets.loading import load_digits as load_digits
    from cnn.datasets.loading import load_idx as load_idx
    from cnn.datasets.loading import load_image_folder as load_image_folder
    from cnn.datasets.loading import load_npz as load_npz
    from cnn.datasets.loading import load_splits as load_splits

__all__ = [
    "Dataset",
    "Scale",
    "Splits",
    "load_digits",
    "load_idx",
    "load_image_folder",
    "load_images",
    "load_npz",
    "load_splits",
]


def __getattr__(name: str) -> Any:
    """Load what reads files when it is used for the first time."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = "cnn.datasets.images" if name == "load_images" else "cnn.datasets.loading"
    value = globals()[name] = getattr(import_module(home), name)
    return value


def __dir__() -> list[str]:
    return __all__
