"""Models as PyTorch's `torch.nn.Sequential`, and such modules as models."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnn import checks
from cnn.exchange.building import (
    Converted,
    HasModel,
    Margins,
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
from cnn.layers.layer import Flatten, Input1D, Input2D, Kind, Layer
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
    PoolingLayer,
)
from cnn.layers.standardization import Standardization
from cnn.layers.weighted import Dense, WeightedLayer
from cnn.model import Model


def to_torch(model: Model | HasModel) -> Any:
    """Return a `torch.nn.Sequential` with the layers of a model and copies of its weights.

    A fitted `gacnn.CNNClassifier` or `CNNRegressor` is a model with its standardisation in it. It
    takes images (N, channels, height, width), or series (N, channels, length), as PyTorch's modules
    do, and gives the outputs of `model.forward`; maps too have their channels second. Layers with
    trainable=False require no gradients; SquareRoot and Standardization are modules of
    `cnn.exchange.torch_modules`. Raises ValueError for what PyTorch has no module for: the step
    activation, average pooling with more padding on one side or over half the window, and a last
    Flatten of several channels, which PyTorch flattens in another order. Needs torch.
    """
    torch = imported("torch", "to_torch")
    model = checked_model(model)
    modules: list[Any] = []
    for position, layer in enumerate(model.get_layers(), 1):
        with converting(position, layer):
            modules += _modules(torch, layer)
    _check_order(model.last_layer)
    return torch.nn.Sequential(*modules)


def from_torch(module: Any, input_shape: Any) -> Model:
    """Return a model with the layers and copies of the weights of a `torch.nn.Sequential`.

    input_shape: of one image here, (height, width, channels), unlike PyTorch's (channels, height,
    width); (length, channels), if the module has layers of series; or (inputs,). The model gives
    the outputs of the module in evaluation mode: Dropout and Identity are left out. An activation
    becomes the activation_function of the convolution or Dense before it. Layers of which no
    parameter requires gradients have trainable=False.

    Sequentials may be nested. Raises TypeError or ValueError, with the layer, the reason and the
    cure, for what has no counterpart here. Needs torch.
    """
    torch = imported("torch", "from_torch")
    if not is_plainly(module, torch.nn.Sequential, "forward"):
        raise TypeError(
            f"module must be a torch.nn.Sequential, not {type(module).__name__}; put its layers "
            "into one in the order of its forward: "
            "torch.nn.Sequential(net.conv1, torch.nn.ReLU(), …)"
        )
    leaves = list(_leaves(torch, module))
    chain = Converted(
        _input(input_shape, any(type(each).__name__ in _SERIES for _, each in leaves))
    )
    for before, (position, each), after in neighbours(leaves):
        with converting(position, each):
            kind = type(each).__name__
            if kind not in _READERS or not _is_own(torch, each):
                cure = _CURES.get(kind, f"use {', '.join(_READERS)}")
                raise TypeError(f"{kind} has no counterpart here; {cure}")
            if each._forward_hooks or each._forward_pre_hooks:
                raise ValueError("it has forward hooks, which would be lost; remove them first")
            _READERS[kind](chain, each, before and before[1], after and after[1])
    _check_order(chain.last)
    return Model(chain.last)


def _feature_order(layer: Layer | None) -> NDArray[np.intp] | None:
    """Index here of each flat feature that `layer` gives, in PyTorch's order.

    PyTorch flattens (channels, height, width), or (channels, length). None where nothing has been
    flattened.
    """
    while isinstance(layer, ActivationLayer | Standardization | Flatten):
        shape = layer.layer_input_size
        if isinstance(layer, Flatten) and isinstance(shape, tuple):
            return np.moveaxis(np.arange(math.prod(shape)).reshape(shape), -1, 0).ravel()
        layer = layer.previous_layer
    return None


def _check_order(last: Layer) -> None:
    order = _feature_order(last)
    if order is not None and (np.diff(order) != 1).any():
        raise ValueError(
            f"the network ends in {last}, whose outputs PyTorch orders by channel and this "
            "library by pixel; end it in Dense, in global pooling or in maps"
        )


# To PyTorch


def _modules(torch: Any, layer: Layer) -> list[Any]:
    """Return the modules that do what a layer does."""
    nn = torch.nn
    if isinstance(layer, Standardization):
        return [_standardization(layer)]
    if isinstance(layer, WeightedLayer):
        name = layer.activation_function
        module = _weighted(torch, layer)
        return [*module, *([] if name is None else [_activation(nn, name)])]
    if isinstance(layer, ActivationLayer):
        return [_activation(nn, layer.name, getattr(layer, "negative_slope", NEGATIVE_SLOPE))]
    if isinstance(layer, GlobalPoolingLayer):
        return [getattr(nn, f"Adaptive{_POOLS[layer.reduction]}{layer.axes}d")(1), nn.Flatten()]
    if isinstance(layer, PoolingLayer):
        return _pooling(nn, layer)
    return [nn.Flatten()]


def _weighted(torch: Any, layer: WeightedLayer) -> list[Any]:
    if isinstance(layer, DepthwiseConv2D):
        return _depthwise(torch, layer)
    return (_convolution if isinstance(layer, Convolution) else _linear)(torch, layer)


def _convolution(torch: Any, layer: Any) -> list[Any]:
    amounts, padding = _padding(torch.nn, layer, 0.0)
    filters, *bias = layer.trained
    module = _filled(
        torch,
        layer,
        [np.moveaxis(filters, -1, 1), *bias],
        getattr(torch.nn, f"Conv{layer.axes}d"),
        layer.layer_input_size[-1],
        layer.num_filters,
        layer.kernel_size,
        layer.stride,
        amounts,
        layer.dilation,
    )
    return [*padding, module]


def _depthwise(torch: Any, layer: Any) -> list[Any]:
    amounts, padding = _padding(torch.nn, layer, 0.0)
    kernels, *bias = layer.trained
    channels = layer.layer_input_size[2]
    module = _filled(
        torch,
        layer,
        [kernels.transpose(2, 0, 1)[:, None], *bias],
        torch.nn.Conv2d,
        channels,
        channels,
        layer.kernel_size,
        layer.stride,
        amounts,
        layer.dilation,
        groups=channels,
    )
    return [*padding, module]


def _linear(torch: Any, layer: Any) -> list[Any]:
    weights, *bias = layer.trained
    order = _feature_order(layer.previous_layer)
    weights = weights if order is None else weights[order]
    inputs, neurons = weights.shape
    return [_filled(torch, layer, [weights.T, *bias], torch.nn.Linear, inputs, neurons)]


def _standardization(layer: Standardization) -> Any:
    from cnn.exchange import torch_modules

    order = _feature_order(layer)
    scale, shift = (each if order is None else each[order] for each in layer.trained)
    return torch_modules.Standardization(scale, shift)


def _filled(
    torch: Any, layer: WeightedLayer, arrays: list[Any], kind: Any, *sizes: Any, **settings: Any
) -> Any:
    """Return a module of this kind with these parameters; nothing is drawn at random for it."""
    settings |= {"bias": layer.use_bias, "dtype": torch.float32}
    module = torch.nn.utils.skip_init(kind, *sizes, **settings)
    with torch.no_grad():
        for parameter, array in zip(module.parameters(), arrays, strict=True):
            parameter.copy_(torch.tensor(array))
    return module.requires_grad_(layer.trainable)


def _pooling(nn: Any, layer: Any) -> list[Any]:
    amounts, padding = _padding(nn, layer, -math.inf, limits=(layer.rows.size, layer.columns.size))
    pool = getattr(nn, f"{_POOLS[layer.reduction]}{layer.axes}d")
    if layer.reduction == Kind.MAX_POOL:
        return [*padding, pool(layer.pool_size, layer.stride, amounts)]
    if padding:
        raise ValueError(
            f"it pads {tuple(padding[0].padding)}, as PyTorch counts, which averages with "
            "padding of equal sides and at most half the window only; use that, or cnn.to_onnx"
        )
    return [pool(layer.pool_size, layer.stride, amounts, count_include_pad=False)]


def _padding(nn: Any, layer: Any, value: float, limits: Any = None) -> tuple[Any, list[Any]]:
    """Return what a module shall pad itself, or 0 and a padding module before it.

    limits: the sizes of the window, where the module pads half of them at most.
    """
    (top, bottom), (left, right) = layer.margins(layer.input_maps)
    fits = limits is None or (2 * top <= limits[0] and 2 * left <= limits[1])
    if top == bottom and left == right and fits:
        return size((top, left)[: layer.axes]), []
    around = (left, right, top, bottom) if layer.axes == 2 else (top, bottom)
    if value:
        return 0, [getattr(nn, f"ConstantPad{layer.axes}d")(around, value)]
    return 0, [getattr(nn, f"ZeroPad{layer.axes}d")(around)]


def _activation(nn: Any, name: str, negative_slope: float = NEGATIVE_SLOPE) -> Any:
    kinds = {
        "relu": nn.ReLU,
        "leaky_relu": functools.partial(nn.LeakyReLU, negative_slope),
        "sigmoid": nn.Sigmoid,
        "tanh": nn.Tanh,
        "softmax": functools.partial(nn.Softmax, dim=1),
    }
    if name == "square_root":
        from cnn.exchange import torch_modules

        return torch_modules.SquareRoot()
    if name not in kinds:
        raise ValueError(f"PyTorch has no module for the activation {name!r}; use cnn.to_onnx")
    return kinds[name]()


# From PyTorch: a reader for each kind of module, given the ones before and after it


def _leaves(torch: Any, module: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Positions and modules in their order, those of nested Sequentials too, without idle ones."""
    idle = {getattr(torch.nn, name) for name in _IDLE}
    for position, child in enumerate(module):
        if is_plainly(child, torch.nn.Sequential, "forward"):
            yield from _leaves(torch, child, f"{prefix}{position}.")
        elif type(child) not in idle:
            yield f"{prefix}{position}", child


def _is_own(torch: Any, module: Any) -> bool:
    """Tell whether a module is exactly PyTorch's, or this package's, of that name."""
    from cnn.exchange import torch_modules

    owner = torch_modules if type(module).__name__ in _OURS else torch.nn
    return type(module) is getattr(owner, type(module).__name__, None)


def _input(input_shape: Any, series: bool) -> Layer:
    """Return the input; two numbers are (length, channels) of series, or (height, width)."""
    sizes = tuple(input_shape) if np.iterable(input_shape) else (input_shape,)
    if len(sizes) == 2 and series:
        return Input1D(sizes)
    return Input1D(*sizes) if len(sizes) == 1 else Input2D(sizes)


def _weights(module: Any) -> list[Any]:
    parameters = (module.weight, module.bias)
    return [each.detach().cpu().float().numpy() for each in parameters if each is not None]


def _weighted_settings(module: Any) -> dict[str, Any]:
    return {
        "activation_function": None,
        "use_bias": module.bias is not None,
        "trainable": any(parameter.requires_grad for parameter in module.parameters()),
    }


def _read_convolution(chain: Converted, module: Any, before: Any, after: Any) -> None:
    name, channels = type(module).__name__, (module.in_channels, module.out_channels)
    each = name == "Conv2d" and channels == (module.groups, module.groups) != (1, 1)
    if module.groups != 1 and not each:
        raise ValueError(
            f"it has {module.groups} groups; use groups=1, or Conv2d with as many as "
            "it takes and gives channels"
        )
    if module.padding_mode != "zeros":
        raise ValueError(f'it pads with {module.padding_mode!r}; use padding_mode="zeros"')
    shape = chain.last.layer_output_size
    if isinstance(shape, tuple) and shape[-1] != module.in_channels:
        raise ValueError(
            f"it takes {module.in_channels} channels, and its input is {shape}; give input_shape "
            "as (height, width, channels), or (length, channels)"
        )
    kind = functools.partial(_CONVOLUTIONS[name], module.out_channels)
    make = functools.partial(
        DepthwiseConv2D if each else kind,
        size(module.kernel_size),
        stride=size(module.stride),
        dilation=size(module.dilation),
        **_weighted_settings(module),
    )
    filters, *bias = _weights(module)
    last = np.moveaxis(filters, 1, -1)  # the channels
    kernels = last[..., 0].transpose(1, 2, 0) if each else last
    chain.add(_padded(chain, make, module, before), kernels, *bias)


def _read_linear(chain: Converted, module: Any, before: Any, after: Any) -> None:
    weights, *bias = _weights(module)
    weights = weights.T
    order = _feature_order(chain.last)
    if order is not None and len(order) == len(weights):
        weights = weights[np.argsort(order)]
    chain.add(Dense(module.out_features, **_weighted_settings(module)), weights, *bias)


def _read_standardization(chain: Converted, module: Any, before: Any, after: Any) -> None:
    scale, shift = (each.detach().cpu().numpy() for each in (module.scale, module.shift))
    order = _feature_order(chain.last)
    if order is not None and len(order) == len(scale):
        scale, shift = scale[np.argsort(order)], shift[np.argsort(order)]
    chain.add(Standardization(), scale, shift)


def _read_pooling(chain: Converted, module: Any, before: Any, after: Any) -> None:
    for name, wanted in _POOLING.items():
        value = getattr(module, name, wanted)
        if value not in (wanted, (wanted,), (wanted, wanted)):
            raise ValueError(f"it has {name}={value}; use {name}={wanted}")
    kind: Any = _POOLINGS[type(module).__name__]
    average = kind.reduction == Kind.AVERAGE_POOL
    if average and module.count_include_pad and any(_amounts(module)):
        raise ValueError("it counts padding in its means; use count_include_pad=False")
    make = functools.partial(kind, size(module.kernel_size), stride=size(module.stride))
    chain.add(_padded(chain, make, module, before))


def _padded(chain: Converted, make: Callable[..., Any], module: Any, before: Any) -> Layer:
    """Return the layer with the padding of its module and of a padding module before it."""
    outside = tuple(before.padding) if _is_padding(before) else (0, 0, 0, 0)
    left, right, top, bottom = outside if len(outside) == 4 else (0, 0, *outside)
    if module.padding == "same":
        if _is_padding(before):
            raise ValueError(f'padding "same" behind {before}; give both as numbers')
        return make(padding="same")  # type: ignore[no-any-return]
    rows, columns = (0, 0) if module.padding == "valid" else _amounts(module)
    margins: Margins = ((top + rows, bottom + rows), (left + columns, right + columns))
    return with_margins(make, margins, chain.last.layer_output_size)


def _amounts(module: Any) -> tuple[int, int]:
    """Return what a module pads above and to the left, where series have nothing to the left."""
    if type(module).__name__.endswith("1d"):
        return checks.whole(size(module.padding), "padding", 0), 0
    return checks.pair(module.padding, "padding", 0)


def _is_padding(module: Any) -> bool:
    return type(module).__name__ in _PADDINGS


def _read_padding(chain: Converted, module: Any, before: Any, after: Any) -> None:
    """Leave it to the layer behind, if that pads with the same value."""
    if (module.value, type(after).__name__[:-2]) not in ((0, "Conv"), (-math.inf, "MaxPool")):
        raise ValueError("only zeros before Conv2d and -inf before MaxPool2d can be padded here")


def _read_global(chain: Converted, module: Any, before: Any, after: Any) -> None:
    if module.output_size not in (1, (1,), (1, 1)):
        raise ValueError("only the output size 1 can be converted; use AvgPool2d or MaxPool2d")
    name = type(module).__name__
    if type(after).__name__ == "Flatten":
        chain.add(_GLOBAL[name]())
    else:
        kind: Any = _POOLINGS[name.removeprefix("Adaptive")]
        chain.add(over_whole_maps(kind, chain.last.layer_output_size))


def _read_flatten(chain: Converted, module: Any, before: Any, after: Any) -> None:
    if (module.start_dim, module.end_dim) != (1, -1):
        raise ValueError("only start_dim=1 and end_dim=-1 can be converted; use those")
    if not type(before).__name__.startswith("Adaptive"):
        chain.add(Flatten())


def _read_softmax(chain: Converted, module: Any, before: Any, after: Any) -> None:
    shape = chain.last.layer_output_size
    axes = 1 + len(shape) if isinstance(shape, tuple) else 2
    if module.dim is None or module.dim % axes != 1:
        raise ValueError("only softmax over the channels can be converted; use dim=1")
    chain.activate(Softmax())


def _read_activation(chain: Converted, module: Any, before: Any, after: Any) -> None:
    if type(module).__name__ == "LeakyReLU":
        chain.activate(LeakyReLU(negative_slope=module.negative_slope))
    else:
        kinds = {"ReLU": ReLU, "Sigmoid": Sigmoid, "SquareRoot": SquareRoot, "Tanh": Tanh}
        chain.activate(kinds[type(module).__name__]())


_POOLS = {Kind.MAX_POOL: "MaxPool", Kind.AVERAGE_POOL: "AvgPool"}
_CONVOLUTIONS = {"Conv2d": Conv2D, "Conv1d": Conv1D}
_POOLINGS = {
    "MaxPool2d": MaxPooling2D,
    "MaxPool1d": MaxPooling1D,
    "AvgPool2d": AveragePooling2D,
    "AvgPool1d": AveragePooling1D,
}
_GLOBAL: dict[str, Callable[[], Layer]] = {
    "AdaptiveMaxPool2d": GlobalMaxPooling2D,
    "AdaptiveMaxPool1d": GlobalMaxPooling1D,
    "AdaptiveAvgPool2d": GlobalAveragePooling2D,
    "AdaptiveAvgPool1d": GlobalAveragePooling1D,
}
_PADDINGS = ("ZeroPad2d", "ZeroPad1d", "ConstantPad2d", "ConstantPad1d")
_SERIES = [name for name in (*_CONVOLUTIONS, *_POOLINGS, *_GLOBAL) if name.endswith("1d")]
_POOLING = {
    "dilation": 1,
    "ceil_mode": False,
    "return_indices": False,
    "divisor_override": None,
}
_OURS = {"SquareRoot", "Standardization"}
_IDLE = {"Identity", "Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout"}
_CURES = {
    "BatchNorm2d": "put it into the convolution: torch.nn.utils.fusion.fuse_conv_bn_eval(conv, bn)",
    "LogSoftmax": "leave it out, or use Softmax",
}
_READERS: dict[str, Callable[[Converted, Any, Any, Any], None]] = {
    **dict.fromkeys(_CONVOLUTIONS, _read_convolution),
    "Linear": _read_linear,
    "Standardization": _read_standardization,
    **dict.fromkeys(_POOLINGS, _read_pooling),
    **dict.fromkeys(_GLOBAL, _read_global),
    "Flatten": _read_flatten,
    "ReLU": _read_activation,
    "LeakyReLU": _read_activation,
    "Sigmoid": _read_activation,
    "SquareRoot": _read_activation,
    "Tanh": _read_activation,
    "Softmax": _read_softmax,
    **dict.fromkeys(_PADDINGS, _read_padding),
}
