"""Keras layers of what Keras has none for; it is imported where Keras is there."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="gacnn")
class SquareRoot(keras.layers.Layer):  # type: ignore[misc] # Keras's types are not looked at
    """Square root of what is positive, and 0 elsewhere."""

    def call(self, x: Any) -> Any:
        """Return the root of each number."""
        return keras.ops.sqrt(keras.ops.relu(x))
