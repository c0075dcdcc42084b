"""Images and labels from files and folders: float32 (N, height, width, channels) in [0, 1]."""

from cnn.datasets.images import load_images
from cnn.datasets.loading import (
    Dataset,
    Splits,
    load_digits,
    load_idx,
    load_image_folder,
    load_npz,
    load_splits,
)
from cnn.datasets.scale import Scale

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
