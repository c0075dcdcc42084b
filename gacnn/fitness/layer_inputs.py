"""What the dense layers of a network take: their inputs, for the images of a batch."""

from __future__ import annotations

from typing import Any

import numpy as np

from cnn import Dense, Model
from cnn.layers.weighted import WeightedLayer
from gacnn.types import Array


class LayerInputs:
    """What the trainable dense layers of a network take of images, for one vector at a time.

    model: the network; settings: engine, threads and memory limit of `Model.forward`.
    """

    def __init__(self, model: Model, **settings: Any) -> None:
        self.model, self.settings = model, settings
        self._vector = np.zeros(model.num_weights, np.float32)
        self._parts: list[tuple[int, Model]] = []  # place of a dense layer, and what is before
        rest, begins = model.with_weights(self._vector), 0
        for place, layer in enumerate(model.trainable_layers):
            position = model.layers.index(layer)
            if isinstance(layer, Dense) and model.is_neck(position):
                before, rest = rest.cut(position - begins)
                begins = position - 1  # an input stands there
                self._parts.append((place, before))

    def of(self, X: Array, vector: Array) -> list[Array | None]:
        """Return the inputs (N, inputs) of each trainable layer for images X (N, …).

        None for a layer that is not dense, or has no more inputs and bias than there are images.
        """
        found: list[Array | None] = [None] * len(self.model.trainable_layers)
        self._vector[...] = vector
        wanted = [
            place
            for place, _ in self._parts
            if sees_more(self.model.trainable_layers[place], len(X))
        ]
        for place, before in self._parts:
            if not wanted or place > wanted[-1]:
                break
            if len(before.layers) > 1:
                X = before.forward(X, **self.settings)
            found[place] = X if place in wanted else None
        return found


def sees_more(layer: WeightedLayer, images: int) -> bool:
    """Tell whether a layer is dense, and its inputs and bias are more than the images."""
    return isinstance(layer, Dense) and layer.layer_input_size + layer.use_bias > images
