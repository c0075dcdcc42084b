"""What the dense layers of a network take: their inputs, for the images of a batch."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from cnn import Dense, Model
from cnn.layers.weighted import WeightedLayer
from gacnn.types import Array

MORE = 2  # times as many inputs and bias as images: then it pays to know their span


class _Part(NamedTuple):
    """The layers between one dense layer, or the input, and the next.

    place: of the next among the trainable layers; before: they, with an input in front; genes:
    where their weights lie in the vector.
    """

    place: int
    before: Model
    genes: slice


class LayerInputs:
    """What the trainable dense layers of a network take of images, for one vector at a time.

    model: the network; settings: engine, threads and memory limit of `Model.forward`.
    """

    def __init__(self, model: Model, **settings: Any) -> None:
        self.model, self.settings = model, settings
        self._parts: list[_Part] = []
        rest, begins, used = model, 0, 0
        for place, layer in enumerate(model.trainable_layers):
            position = model.layers.index(layer)
            if type(layer) is Dense and model.is_neck(position):
                before, rest = rest.cut(position - begins)
                begins = position - 1  # an input stands there
                self._parts.append(_Part(place, before, slice(used, used + before.num_weights)))
                used += before.num_weights

    def of(self, X: Array, vector: Array) -> list[Array | None]:
        """Return the inputs (N, inputs) of each trainable layer for images X (N, …).

        None for a layer that is not dense, or takes less than twice as many inputs as there are
        images, bias included, and where the inputs are no finite numbers.
        """
        layers = self.model.trainable_layers
        found: list[Array | None] = [None] * len(layers)
        wanted = [part.place for part in self._parts if sees_more(layers[part.place], len(X))]
        for place, before, genes in self._parts:
            if not wanted or place > wanted[-1]:
                break
            if len(before.layers) > 1:
                own = None if genes.start == genes.stop else vector[None, genes]
                X = before.forward(X, own, **self.settings).reshape(len(X), -1)
            if not np.isfinite(X).all():
                break
            found[place] = X if place in wanted else None
        return found


def sees_more(layer: WeightedLayer, images: int) -> bool:
    """Tell whether a layer is dense, and takes twice as many inputs and bias as images, or more."""
    return type(layer) is Dense and layer.layer_input_size + layer.use_bias >= MORE * images
