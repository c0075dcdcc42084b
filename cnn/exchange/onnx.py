"""Models as ONNX files, which most runtimes and devices can run."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Any

import numpy as np

from cnn import __version__, files
from cnn.exchange.building import HasModel, checked_model
from cnn.layers.activation import NEGATIVE_SLOPE
from cnn.layers.convolution import Convolution, DepthwiseConv2D
from cnn.layers.elementwise import ActivationLayer
from cnn.layers.layer import Flatten, Kind, Layer
from cnn.layers.pooling import GlobalPoolingLayer, PoolingLayer
from cnn.layers.standardization import Standardization
from cnn.layers.weighted import Dense, WeightedLayer
from cnn.layers.windowed import WindowedLayer
from cnn.model import Model
from cnn.types import Array

OPSET, IR_VERSION = 17, 8  # of ONNX 1.12, from 2022

_ACTIVATIONS = {
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "step": "Sign",
    "square_root": "Sqrt",
    "softmax": "Softmax",
}


def to_onnx(model: Model | HasModel, path: str | os.PathLike[str]) -> None:
    """Write a model to an ONNX file (opset 17), whole or not at all.

    Its input is "images" (batch, height, width, channels), or of a model that begins with Input1D
    "inputs" (batch, inputs) or "series" (batch, length, channels), float32 and of any batch size;
    its output, "outputs", is what `model.forward` returns. A fitted `gacnn.CNNClassifier` or
    `CNNRegressor` is written with its standardisation, for X itself. The metadata of the file tell
    the layout, and where they are known the names of the classes, the scale of the pixels and the
    range of the inputs: see `metadata`. Needs onnx: pip install 'gacnn[onnx]'.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("to_onnx needs onnx: pip install 'gacnn[onnx]'") from error
    model = checked_model(model)
    proto = onnx.helper.make_model(
        _graph(onnx, model),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="gacnn",
    )
    proto.producer_version = __version__
    known = metadata(model)
    onnx.helper.set_model_props(proto, known)
    proto.doc_string = "\n".join(f"{name}: {value}" for name, value in known.items())
    with files.replacing(path) as file:
        file.write(proto.SerializeToString())


def metadata(model: Model) -> dict[str, str]:
    """Return what is known of the inputs and outputs of a model, in words and JSON.

    inputs, outputs: what they are, in words; class_names: a list; scale: {"black": …, "white": …},
    the pixels that become 0 and 1; input_range: the lowest and highest number of the training.
    """
    shape = ", ".join(map(str, model.input_shape))
    axes = {2: "series (batch, length, channels)", 3: "images (batch, height, width, channels)"}
    kind = axes.get(len(model.input_shape), "rows")
    known = {"inputs": f"float32 {kind}, each of the shape ({shape})"}
    if model.scale is not None:
        known["inputs"] += f", from 0 to 1: pixels are {model.scale}"
        known["scale"] = json.dumps(asdict(model.scale))
    if model.input_range is not None:
        known["input_range"] = json.dumps([model.input_range.lowest, model.input_range.highest])
    if model.class_names is not None:
        each = "one for each of class_names, in their order"
        if len(model.output_shape) == 1 and model.output_shape[0] == 1:
            each = f"the probability of {model.class_names[1]}"
        known |= {"outputs": each, "class_names": json.dumps(model.class_names)}
    return known


class _Nodes:
    """Nodes in a row, each of which takes the `value` of the one before it, and their weights."""

    def __init__(self, onnx: Any, value: str) -> None:
        self.onnx = onnx
        self.value = value
        self.nodes: list[Any] = []
        self.weights: list[Any] = []

    def add(self, operator: str, *weights: Array, **attributes: Any) -> None:
        """Append a node with its weights and its bias, if it has any."""
        name = f"{operator}_{len(self.nodes)}"
        tensors = [
            self.onnx.numpy_helper.from_array(array, f"{name}_{role}")
            for role, array in zip(("weights", "bias"), weights, strict=False)
        ]
        self.weights += tensors
        inputs = [self.value, *(tensor.name for tensor in tensors)]
        node = self.onnx.helper.make_node(operator, inputs, [name], name, **attributes)
        self.nodes.append(node)
        self.value = name


def _graph(onnx: Any, model: Model) -> Any:
    """Return the graph; inside it channels come second: (batch, channels, height, width)."""
    name = {2: "series", 3: "images"}.get(len(model.input_shape), "inputs")
    nodes = _Nodes(onnx, name)
    if len(model.input_shape) > 1:
        nodes.add("Transpose", perm=_channels_second(len(model.input_shape)))
    for layer in model.get_layers():
        _add(nodes, layer)
    if len(model.output_shape) > 1:
        nodes.add("Transpose", perm=_channels_last(len(model.output_shape)))
    else:
        nodes.add("Identity")
    nodes.nodes[-1].output[0] = "outputs"
    ends = [
        onnx.helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, ["batch", *shape])
        for end, shape in ((name, model.input_shape), ("outputs", model.output_shape))
    ]
    return onnx.helper.make_graph(nodes.nodes, "gacnn", ends[:1], ends[1:], nodes.weights)


def _channels_second(axes: int) -> tuple[int, ...]:
    """Return the order of the axes of a batch, where one image has so many."""
    return 0, axes, *range(1, axes)


def _channels_last(axes: int) -> tuple[int, ...]:
    return 0, *range(2, axes + 1), 1


def _add(nodes: _Nodes, layer: Layer) -> None:
    """Append the nodes of a layer."""
    if isinstance(layer, Convolution):
        weights, *bias = layer.trained
        filters = np.moveaxis(weights, -1, 1)
        nodes.add("Conv", filters, *bias, dilations=_dilations(layer), **_window(layer))
    elif isinstance(layer, DepthwiseConv2D):
        weights, *bias = layer.trained
        kernels = weights.transpose(2, 0, 1)[:, None]
        groups = {"group": len(kernels), "dilations": _dilations(layer)}
        nodes.add("Conv", kernels, *bias, **groups, **_window(layer))
    elif isinstance(layer, Dense):
        nodes.add("Gemm", *layer.trained)
    elif isinstance(layer, Standardization):
        size = layer.layer_input_size
        axes = (-1, *(1,) * (len(size) - 1)) if isinstance(size, tuple) else (-1,)
        scale, shift = (each.reshape(axes) for each in layer.trained)
        nodes.add("Add", shift)
        nodes.add("Mul", scale)
    elif isinstance(layer, GlobalPoolingLayer):
        average = layer.reduction == Kind.AVERAGE_POOL
        nodes.add("GlobalAveragePool" if average else "GlobalMaxPool")
        nodes.add("Flatten")
    elif isinstance(layer, PoolingLayer) and layer.reduction == Kind.AVERAGE_POOL:
        nodes.add("AveragePool", count_include_pad=0, **_window(layer))
    elif isinstance(layer, PoolingLayer):
        nodes.add("MaxPool", **_window(layer))
    elif isinstance(layer, Flatten) and isinstance(layer.layer_input_size, tuple):
        nodes.add("Transpose", perm=_channels_last(len(layer.layer_input_size)))
        nodes.add("Flatten")
    elif isinstance(layer, ActivationLayer):
        _activate(nodes, layer.name, getattr(layer, "negative_slope", NEGATIVE_SLOPE))
    if isinstance(layer, WeightedLayer) and layer.activation_function is not None:
        _activate(nodes, layer.activation_function)


def _dilations(layer: WindowedLayer) -> tuple[int, ...]:
    return (layer.rows.dilation, layer.columns.dilation)[: layer.axes]


def _window(layer: WindowedLayer) -> dict[str, tuple[int, ...]]:
    """Attributes of a window; pads are (above, left, below, right)."""
    (top, bottom), (left, right) = layer.margins(layer.input_maps)
    return {
        "kernel_shape": (layer.rows.size, layer.columns.size)[: layer.axes],
        "strides": (layer.rows.stride, layer.columns.stride)[: layer.axes],
        "pads": (top, left, bottom, right) if layer.axes == 2 else (top, bottom),
    }


def _activate(nodes: _Nodes, name: str, negative_slope: float = NEGATIVE_SLOPE) -> None:
    settings: dict[str, Any] = {
        "leaky_relu": {"alpha": negative_slope},
        "softmax": {"axis": 1},
    }
    if name == "square_root":
        nodes.add("Relu")
    nodes.add(_ACTIVATIONS[name], **settings.get(name, {}))
