"""Models as Keras's `keras.Sequential`, and such networks as models."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from cnn.exchange.building import (
    Converted,
    HasModel,
    checked_model,
    converting,
    imported,
    is_plainly,
    neighbours,
    over_whole_maps,
    size,
    with_margins,
)
from cnn.layers.activation import NEGATIVE_SLOPE
from cnn.layers.convolution import Conv1D, Conv2D, Convolution, DepthwiseConv2D
from cnn.layers.elementwise import (
    ActivationLayer,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Softmax,
    SquareRoot,
    Tanh,
)
from cnn.layers.layer import Flatten, Input1D, Input2D, Layer
from cnn.layers.pooling import (
    AveragePooling1D,
    AveragePooling2D,
    GlobalAveragePooling1D,
    GlobalAveragePooling2D,
    GlobalMaxPooling1D,
    GlobalMaxPooling2D,
    GlobalPoolingLayer,
    MaxPooling1D,
    MaxPooling2D,
)
from cnn.layers.standardization import Standardization
from cnn.layers.weighted import Dense, WeightedLayer
from cnn.layers.windowed import WindowedLayer
from cnn.model import Model

_LAST = {"data_format": "channels_last"}


def to_keras(model: Model | HasModel) -> Any:
    """Return a `keras.Sequential` (Keras 3) with the layers of a model and copies of its weights.

    A fitted `gacnn.CNNClassifier` or `CNNRegressor` is a model with its standardisation in it. It
    takes and gives what `model.forward` does. Raises ValueError for what Keras has no layer
    for: the step activation, a convolution with both stride and dilation, and pooling with
    padding other than "same". On PyTorch, Keras 3.15 averages windows at the edge wrongly where
    "same" pads one side more; on JAX and TensorFlow it does not. Needs keras.
    """
    keras = imported("keras", "to_keras")
    model = checked_model(model)
    layers: list[Any] = [keras.Input(model.input_shape)]
    for position, layer in enumerate(model.get_layers(), 1):
        with converting(position, layer):
            layers += _keras_layers(keras.layers, layer)
    network = keras.Sequential(layers)
    weighted = [layer for layer in network.layers if layer.weights]
    filled = [each for each in model.weighted_layers if not isinstance(each, Standardization)]
    for theirs, ours in zip(weighted, filled, strict=True):
        kernel, *bias = ours.trained
        if isinstance(ours, Convolution):
            kernel = np.moveaxis(kernel, 0, -1)
        elif isinstance(ours, DepthwiseConv2D):
            kernel = kernel[..., None]
        theirs.set_weights([kernel, *bias])
    return network


def from_keras(network: Any) -> Model:
    """Return a model with the layers and copies of the weights of a `keras.Sequential`.

    It gives the outputs of the network in prediction: Dropout and the like are left out. An
    activation becomes the activation_function of the convolution or Dense before it. Layers keep
    their `trainable`. Sequentials may be nested.

    Raises TypeError or ValueError, with the layer, the reason and the cure, for what has no
    counterpart here. Needs keras.
    """
    keras = imported("keras", "from_keras")
    if not is_plainly(network, keras.Sequential, "call"):
        raise TypeError(
            f"network must be a keras.Sequential, not {type(network).__name__}; "
            "of a model that is one chain of layers take keras.Sequential(model.layers)"
        )
    chain = Converted(_input(network))
    for before, layer, after in neighbours(list(_leaves(keras, network))):
        with converting(layer.name, layer):
            _read(keras, chain, layer, before, after)
    return Model(chain.last)


# To Keras


def _keras_layers(kinds: Any, layer: Any) -> list[Any]:
    """Return the Keras layers that do what a layer does."""
    if isinstance(layer, Standardization):
        return [_normalization(kinds, layer)]
    if isinstance(layer, WeightedLayer):
        return _weighted(kinds, layer)
    if isinstance(layer, ActivationLayer):
        return [_activation(kinds, layer.name, getattr(layer, "negative_slope", NEGATIVE_SLOPE))]
    if isinstance(layer, GlobalPoolingLayer):
        return [getattr(kinds, type(layer).__name__)(**_LAST)]
    if isinstance(layer, WindowedLayer):
        return [_pooling(kinds, layer)]
    return [kinds.Flatten(**_LAST)]


def _weighted(kinds: Any, layer: Any) -> list[Any]:
    settings = {"use_bias": layer.use_bias, "trainable": layer.trainable}
    name = layer.activation_function
    behind = []
    if name in ("leaky_relu", "square_root", "step"):  # Keras has another slope by that name
        behind.append(_activation(kinds, name))
    else:
        settings["activation"] = name
    if isinstance(layer, Dense):
        return [kinds.Dense(layer.num_neurons, **settings), *behind]
    if _is_wide(layer.stride) and _is_wide(layer.dilation):  # which Keras says late, or never
        raise ValueError("Keras has no stride together with dilation; use one, or cnn.to_onnx")
    by_name = layer.padding if isinstance(layer.padding, str) else "valid"
    padding = []
    if by_name != layer.padding and layer.padded:
        margins = layer.margins(layer.input_maps)
        around = margins if layer.axes == 2 else margins[0]
        padding.append(getattr(kinds, f"ZeroPadding{layer.axes}D")(around, **_LAST))
    filters = [layer.num_filters] if isinstance(layer, Convolution) else []
    convolution = getattr(kinds, type(layer).__name__)(
        *filters,
        layer.kernel_size,
        layer.stride,
        by_name,
        dilation_rate=layer.dilation,
        **settings,
        **_LAST,
    )
    return [*padding, convolution, *behind]


def _is_wide(sizes: int | tuple[int, int]) -> bool:
    return bool(np.max(sizes) > 1)


def _normalization(kinds: Any, layer: Standardization) -> Any:
    scale, shift = layer.trained
    if (scale <= 0).any():
        raise ValueError("Keras divides by deviations above 0 only; use such, or cnn.to_onnx")
    return kinds.Normalization(axis=-1, mean=-shift, variance=1 / np.square(scale))


def _pooling(kinds: Any, layer: Any) -> Any:
    shape = layer.input_maps
    for padding in ("valid", "same"):
        alike = type(layer)(layer.pool_size, stride=layer.stride, padding=padding)
        if alike.margins(shape) == layer.margins(shape):
            kind = getattr(kinds, type(layer).__name__)
            return kind(layer.pool_size, layer.stride, padding, **_LAST)
    raise ValueError(f'Keras has no padding={layer.padding} of pooling; use "same" or cnn.to_onnx')


def _activation(kinds: Any, name: str, negative_slope: float = NEGATIVE_SLOPE) -> Any:
    if name == "step":
        raise ValueError("Keras has no activation 'step'; use cnn.to_onnx")
    if name == "leaky_relu":
        return kinds.LeakyReLU(negative_slope)
    if name == "square_root":
        from cnn.exchange import keras_layers

        return keras_layers.SquareRoot()
    return kinds.Activation(name)


# From Keras: a reader for each kind of layer, given the ones before and after it


def _leaves(keras: Any, network: Any) -> Iterator[Any]:
    """The layers in their order, those of nested Sequentials too, without idle ones."""
    idle = {getattr(keras.layers, name) for name in _IDLE}
    for layer in network.layers:
        if is_plainly(layer, keras.Sequential, "call"):
            yield from _leaves(keras, layer)
        elif type(layer) not in idle:
            yield layer


def _input(network: Any) -> Layer:
    if not network.built:
        raise ValueError(
            "network has no weights yet; begin it with keras.Input((height, width, channels)), "
            "or call network.build((None, height, width, channels))"
        )
    _, *shape = network.input_shape
    if None in shape or len(shape) not in (1, 2, 3):
        raise ValueError(
            f"network has inputs of the shape {tuple(shape)}, which must be (height, width, "
            "channels), (length, channels) or (inputs,), all known; begin it with such a "
            "keras.Input"
        )
    return Input2D(shape) if len(shape) == 3 else Input1D(shape if len(shape) == 2 else shape[0])


def _is_own(keras: Any, layer: Any) -> bool:
    """Tell whether a layer is exactly Keras's, or this package's, of that name."""
    from cnn.exchange import keras_layers

    owner = keras_layers if type(layer).__name__ == "SquareRoot" else keras.layers
    return type(layer) is getattr(owner, type(layer).__name__, None)


def _read(keras: Any, chain: Converted, layer: Any, before: Any, after: Any) -> None:
    kind = type(layer).__name__
    if kind not in _READERS or not _is_own(keras, layer):
        raise TypeError(f"{kind} has no counterpart here; use {', '.join(_READERS)}")
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        raise ValueError('its channels come first; use data_format="channels_last"')
    _READERS[kind](chain, layer, before, after)
    activation = getattr(layer, "activation", None)
    if isinstance(activation, keras.layers.Layer):
        _read(keras, chain, activation, None, None)
    elif activation is not None:
        _activate(keras, chain, activation)


def _activate(keras: Any, chain: Converted, function: Any) -> None:
    if function is keras.activations.linear:
        return
    for name, kind in _ACTIVATIONS.items():
        if function is getattr(keras.activations, name):
            chain.activate(kind())
            return
    raise ValueError(f"{function} is no activation here; use {', '.join(_ACTIVATIONS)} or linear")


def _arrays(*variables: Any) -> list[Any]:
    """Return those of the variables that there are as arrays."""
    from keras import ops

    return [ops.convert_to_numpy(each) for each in variables if each is not None]


def _read_convolution(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    if layer.groups != 1:
        raise ValueError(f"it has {layer.groups} groups; use groups=1, or DepthwiseConv2D")
    make = _maker(_CONVOLUTIONS[type(layer).__name__], layer, layer.filters)
    kernel, *bias = _arrays(layer.kernel, layer.bias)
    chain.add(_padded(chain, make, layer, before), np.moveaxis(kernel, -1, 0), *bias)


def _read_depthwise(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    _check_multiplier(layer)
    kernel, *bias = _arrays(layer.kernel, layer.bias)
    make = _maker(DepthwiseConv2D, layer)
    chain.add(_padded(chain, make, layer, before), kernel[..., 0], *bias)


def _read_separable(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    """Read it as what it is: a depthwise convolution, and one of a single pixel."""
    _check_multiplier(layer)
    kernel, mixing, *bias = _arrays(layer.depthwise_kernel, layer.pointwise_kernel, layer.bias)
    make = functools.partial(_maker(DepthwiseConv2D, layer), use_bias=False)
    chain.add(_padded(chain, make, layer, before), kernel[..., 0])
    ours = Conv2D(layer.filters, 1, use_bias=layer.use_bias, trainable=layer.trainable)
    chain.add(ours, np.moveaxis(mixing, -1, 0), *bias)


def _check_multiplier(layer: Any) -> None:
    if layer.depth_multiplier != 1:
        raise ValueError(f"it has depth_multiplier={layer.depth_multiplier}; use 1")


def _maker(kind: Any, layer: Any, *filters: int) -> Callable[..., Any]:
    """Return what makes a layer of this kind with the settings of Keras's, but for the padding."""
    return functools.partial(
        kind,
        *filters,
        size(layer.kernel_size),
        stride=size(layer.strides),
        dilation=size(layer.dilation_rate),
        use_bias=layer.use_bias,
        trainable=layer.trainable,
    )


def _padded(chain: Converted, make: Callable[..., Any], layer: Any, before: Any) -> Layer:
    """Return the layer with the padding of Keras's, or of the padding layer before it."""
    if type(before).__name__ not in _PADDINGS:
        return make(padding=layer.padding)  # type: ignore[no-any-return]
    if layer.padding != "valid":
        raise ValueError(f'it pads behind {before}; use padding="valid"')
    maps = type(before).__name__ == "ZeroPadding2D"
    margins = before.padding if maps else (before.padding, (0, 0))
    return with_margins(make, margins, chain.last.layer_output_size)


def _read_dense(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    ours = Dense(
        layer.units,
        activation_function=None,
        use_bias=layer.use_bias,
        trainable=layer.trainable,
    )
    chain.add(ours, *_arrays(layer.kernel, layer.bias))


def _read_normalization(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    from keras import ops

    size = chain.last.layer_output_size
    channels = size[-1] if isinstance(size, tuple) else size
    known = layer.mean is not None and not layer.invert
    numbers = (layer.mean, layer.variance) if known else ()
    arrays = [ops.convert_to_numpy(each).ravel() for each in numbers]
    if not known or arrays[0].size not in (1, channels):
        raise ValueError("only axis=-1, with mean and variance known and no invert, is converted")
    mean, variance = arrays
    deviation = np.maximum(np.sqrt(variance), np.float32(1e-7))  # Keras's epsilon
    factors = (np.broadcast_to(each, channels) for each in (1 / deviation, -mean))
    chain.add(Standardization(), *factors)


def _read_padding(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    """Leave it to the convolution behind."""
    if type(after).__name__ not in (*_CONVOLUTIONS, "DepthwiseConv2D", "SeparableConv2D"):
        raise ValueError("zeros can be padded only before a convolution; put it there")


def _read_pooling(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    kind: Any = _POOLINGS[type(layer).__name__]
    chain.add(kind(size(layer.pool_size), stride=size(layer.strides), padding=layer.padding))


def _read_global(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    name = type(layer).__name__
    if layer.keepdims:
        kind: Any = _POOLINGS[name.removeprefix("Global")]
        chain.add(over_whole_maps(kind, chain.last.layer_output_size))
    else:
        chain.add(_GLOBAL[name]())


def _read_flatten(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    chain.add(Flatten())


def _read_nothing(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    """All of an Activation is its function."""


def _read_relu(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    if layer.max_value is not None or layer.threshold:
        raise ValueError("it has a max_value or a threshold; use neither")
    slope = layer.negative_slope
    chain.activate(LeakyReLU(negative_slope=slope) if slope else ReLU())


def _read_leaky_relu(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    chain.activate(LeakyReLU(negative_slope=layer.negative_slope))


def _read_square_root(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    chain.activate(SquareRoot())


def _read_softmax(chain: Converted, layer: Any, before: Any, after: Any) -> None:
    shape = chain.last.layer_output_size
    if layer.axis not in (-1, len(shape) if isinstance(shape, tuple) else 1):
        raise ValueError(f"it is over axis {layer.axis}; use axis=-1")
    chain.activate(Softmax())


_ACTIVATIONS: dict[str, Callable[[], ActivationLayer]] = {
    "relu": ReLU,
    "leaky_relu": functools.partial(LeakyReLU, negative_slope=0.2),  # Keras's own default
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softmax": Softmax,
}
_CONVOLUTIONS = {kind.__name__: kind for kind in (Conv2D, Conv1D)}
_PADDINGS = ("ZeroPadding2D", "ZeroPadding1D")
_POOLINGS = {
    kind.__name__: kind for kind in (MaxPooling2D, MaxPooling1D, AveragePooling2D, AveragePooling1D)
}
_GLOBAL: dict[str, Callable[[], Layer]] = {
    kind.__name__: kind
    for kind in (
        *(GlobalMaxPooling2D, GlobalMaxPooling1D),
        *(GlobalAveragePooling2D, GlobalAveragePooling1D),
    )
}
_IDLE = {
    "InputLayer",
    "Identity",
    "Dropout",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "AlphaDropout",
    "GaussianDropout",
    "GaussianNoise",
    "ActivityRegularization",
}
_READERS: dict[str, Callable[[Converted, Any, Any, Any], None]] = {
    **dict.fromkeys(_CONVOLUTIONS, _read_convolution),
    "Dense": _read_dense,
    "DepthwiseConv2D": _read_depthwise,
    "SeparableConv2D": _read_separable,
    "Normalization": _read_normalization,
    **dict.fromkeys(_POOLINGS, _read_pooling),
    **dict.fromkeys(_GLOBAL, _read_global),
    "Flatten": _read_flatten,
    "Activation": _read_nothing,
    "ReLU": _read_relu,
    "LeakyReLU": _read_leaky_relu,
    "Softmax": _read_softmax,
    "SquareRoot": _read_square_root,
    **dict.fromkeys(_PADDINGS, _read_padding),
}
