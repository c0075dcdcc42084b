"""The layer that brings values to mean 0 and deviation 1, as they were in some data."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from cnn import checks
from cnn.layers.layer import Kind, Layer, Operation, Shape
from cnn.layers.weighted import WeightedLayer
from cnn.types import AnyArray, Array


class Standardization(WeightedLayer):
    """(x - mean) / deviation for each flat value, or for each channel of maps; it does not evolve.

    It is batch normalisation after training, without factors of its own. `trained_weights` holds
    1 / deviation, `trained_bias` the mean with the other sign.

    Args:
        previous_layer: the layer before; none where `cnn.Model` is given a list of layers.
        logger: kept, as in pygad.cnn; layers log nothing.
        mean: (values,) or (channels,); None for 0.
        deviation: likewise, above 0; None for 1.

    Raises:
        ValueError: for a deviation of 0, and where there are other numbers of values or channels.

    Examples:
        >>> features = np.array([[1.0, 10.0], [3.0, 30.0]])
        >>> model = cnn.Model([cnn.Input1D(2), cnn.Standardization.of(features)])
        >>> model.forward(features).tolist()
        [[-1.0, -1.0], [1.0, 1.0]]
    """

    product = Kind.SCALE

    def __init__(
        self,
        previous_layer: Layer | None = None,
        logger: logging.Logger | None = None,
        *,
        mean: ArrayLike | None = None,
        deviation: ArrayLike | None = None,
    ) -> None:
        self._set_weights(None, use_bias=True, trainable=False, weights=_factors(mean, deviation))
        super().__init__(previous_layer, logger)

    @classmethod
    def of(cls, features: ArrayLike) -> Self:
        """Return the layer that standardises features (N, values), maps or series (N, …, channels).

        What is the same in all of them is left as it is, at 0.
        """
        values = checks.real(features, "features")
        if values.ndim not in (2, 3, 4) or not values.size:
            raise ValueError(
                "features must have the shape (N, values), (N, length, channels) or (N, height, "
                f"width, channels), not {values.shape}"
            )
        axes = tuple(range(values.ndim - 1))
        checks.finite(values, "features")
        mean = values.mean(axis=axes, dtype=np.float64)
        deviation = values.std(axis=axes, dtype=np.float64)
        return cls(mean=mean, deviation=np.where(deviation > 0, deviation, 1.0))

    def output_shape(self, shape: Shape, previous: Layer) -> Shape:
        return shape

    def operations(self) -> Iterator[Operation]:
        yield Operation(Kind.BIAS, self, weights=(1,))
        yield Operation(Kind.SCALE, self, weights=(0,))

    def weight_shapes(self) -> list[tuple[int, ...]]:
        size = self.layer_input_size
        return [(size[-1] if isinstance(size, tuple) else size,)] * 2

    def fans(self) -> tuple[int, int]:
        return 1, 1

    def init(self, rng: np.random.Generator) -> list[Array]:
        if self._given:
            return super().init(rng)
        scale, shift = self.weight_shapes()
        return [np.ones(scale, np.float32), np.zeros(shift, np.float32)]


def _factors(mean: Any, deviation: Any) -> tuple[AnyArray, AnyArray] | None:
    """Return 1 / deviation and -mean as arrays of one shape; None where neither is given."""
    means = None if mean is None else _checked(mean, "mean")
    deviations = None if deviation is None else _checked(deviation, "deviation")
    if deviations is not None and not (deviations > 0).all():
        raise ValueError(f"deviation must be above 0, not {deviations.min():g}")
    if means is None or deviations is None:
        known = deviations if means is None else means
        if known is None:
            return None
        means = np.zeros(known.shape) if means is None else means
        deviations = np.ones(known.shape) if deviations is None else deviations
    if means.shape != deviations.shape:
        shapes = f"{means.shape} and {deviations.shape}"
        raise ValueError(f"mean and deviation must have the same shape, not {shapes}")
    return checks.finite(1 / deviations, "1 / deviation"), -means


def _checked(value: Any, name: str) -> AnyArray:
    """Return an array (values,) of float64."""
    array = checks.shaped(value, name, (None,), "values or channels")
    return checks.finite(array, name).astype(np.float64)
