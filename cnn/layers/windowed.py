"""What moves a window over maps or series."""

from __future__ import annotations

from typing import Any, ClassVar

from cnn import checks
from cnn.layers.layer import Layer, MapShape, Shape, maps_of
from cnn.layers.window import Window


class WindowedLayer(Layer):
    """A layer that moves a window over maps, `rows` down and `columns` across.

    Series (length, channels) are maps of one column: `axes`, of the window, is 1 then, and 2 else.
    """

    axes: ClassVar[int] = 2
    is_for_both: ClassVar[bool] = True
    """Whether there is such a layer for maps and another for series."""
    rows: Window
    columns: Window
    _amounts: tuple[int | str, int | str] = (0, 0)

    def _set_window(self, size: Any, name: str, stride: Any, dilation: Any, padding: Any) -> None:
        sizes, strides = self._pair(size, name), self._pair(stride, "stride")
        dilations = self._pair(dilation, "dilation")
        self.rows = Window(sizes[0], strides[0], dilations[0])
        self.columns = Window(sizes[1], strides[1], dilations[1])
        self.stride = self._sizes(stride, "stride")
        if isinstance(padding, str):
            self.padding: Any = checks.one_of(padding, "padding", ["valid", "same"])
            self._amounts = padding, padding
        else:
            self.padding = self._sizes(padding, "padding", minimum=0)
            self._amounts = self._pair(padding, "padding", minimum=0)

    def _sizes(self, value: Any, name: str, minimum: int = 1) -> int | tuple[int, int]:
        """Return what was given for a window: one integer, or also two where it has two axes."""
        read = checks.whole if self.axes == 1 else checks.sizes
        return read(value, name, minimum)

    def _pair(self, value: Any, name: str, minimum: int = 1) -> tuple[int, int]:
        """Return (vertical, horizontal), where series have the least there is across."""
        if self.axes == 1:
            return checks.whole(value, name, minimum), minimum
        return checks.pair(value, name, minimum)

    @property
    def input_maps(self) -> MapShape:
        """Shape of the input as maps."""
        return maps_of(self.layer_input_size)

    @property
    def output_maps(self) -> MapShape:
        """Shape of the output as maps, where it is not flat."""
        return maps_of(self.layer_output_size)

    def margins(self, shape: MapShape) -> tuple[tuple[int, int], tuple[int, int]]:
        """Padding (above, below), (left, right) of an input of this shape."""
        vertical = _margin(self._amounts[0], self.rows, shape[0])
        return vertical, _margin(self._amounts[1], self.columns, shape[1])

    @property
    def padded(self) -> bool:
        """Whether there is any padding of the layer's input."""
        return any(map(sum, self.margins(self.input_maps)))

    def positions(self, shape: Shape, previous: Layer) -> tuple[int, ...]:
        """Rows and columns of the output, or its length."""
        height, width, channels = self._maps(shape, previous)
        vertical, horizontal = self.margins((height, width, channels))
        padded = height + sum(vertical), width + sum(horizontal)
        rows, columns = self.rows.outputs(padded[0]), self.columns.outputs(padded[1])
        if rows >= 1 and columns >= 1:
            return (rows, columns)[: self.axes]
        looks, gives = f"{self.rows.reach + 1} steps", f"a series of {height}"
        now = f"{padded[0]}"
        if self.axes == 2:
            looks = f"{self.rows.reach + 1} x {self.columns.reach + 1} pixels"
            gives, now = f"maps of {height} x {width}", f"{padded[0]} x {padded[1]}"
        raise ValueError(
            f"{self} looks at {looks}, but {previous} gives {gives} (with padding {now}); "
            'make it smaller, or use padding="same"'
        )

    def _maps(self, shape: Shape, previous: Layer) -> MapShape:
        """Return the input's shape as maps; ValueError where it has not as many axes."""
        if isinstance(shape, tuple) and len(shape) == self.axes + 1:
            return maps_of(shape)
        wanted, first = "maps (height, width, channels)", "Input2D"
        if self.axes == 1:
            wanted, first = "a series (length, channels)", "Input1D((length, channels))"
        gives, cure = f"{shape} flat values", f"put it before Flatten, and begin with {first}"
        if isinstance(shape, tuple):
            other = type(self).__name__.replace(f"{self.axes}D", f"{3 - self.axes}D")
            gives, cure = f"the shape {shape}", f"use {other}, or begin with {first}"
            if not self.is_for_both:
                cure = f"begin with {first}"
        raise ValueError(f"{self} needs {wanted}, but {previous} gives {gives}; {cure}")


def _margin(padding: int | str, window: Window, length: int) -> tuple[int, int]:
    if padding == "same":
        total = max(0, window.inputs(-(-length // window.stride)) - length)
        return total // 2, total - total // 2
    return (0, 0) if isinstance(padding, str) else (padding, padding)
