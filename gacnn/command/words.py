"""Networks in words, such as "conv 16x5 s2, pool 2, dense 10"."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import cnn
from cnn.layers.layer import Layer

_POOLS = {"pool": cnn.MaxPooling2D, "mean": cnn.AveragePooling2D}
_ACTIVATIONS = ("relu", "leaky_relu", "sigmoid", "tanh", "step")

_CONVOLVING = {
    kind: {"stride", "same", "activation"} for kind in ("conv", "depthwise", "separable")
}


def network(text: str, input_shape: tuple[int, ...], classes: int, random_seed: int) -> cnn.Model:
    """Return the network of words such as "conv 16x5 s2, pool 2, dense 10".

    Raises:
        ValueError: for words that are none, an output of another size, or layers that do not fit.
    """
    words = [each.split() for each in text.lower().split(",")]
    layers: list[Layer] = [cnn.Input2D(input_shape)]
    for number, word in enumerate(words):
        added = _layers(word, is_output=number == len(words) - 1)
        flat = any(isinstance(each, cnn.Flatten | cnn.GlobalAveragePooling2D) for each in layers)
        if isinstance(added[0], cnn.Dense) and not flat:
            layers.append(cnn.Flatten())
        layers += added
    last = layers[-1]
    if not isinstance(last, cnn.Dense) or last.num_neurons != classes:
        raise ValueError(
            f'--layers must end with "dense {classes}", for the {classes} classes of the data, '
            f'not with "{" ".join(words[-1])}"'
        )
    try:
        return cnn.Model(layers, random_seed=random_seed)
    except ValueError as error:
        error.add_note(f"in --layers {text!r}, for images of {input_shape}")
        raise


def _layers(words: list[str], *, is_output: bool) -> list[Layer]:
    """Return the layer of a few words, or the two of a separable convolution."""
    kind, *rest = words or [""]
    said = {name: [each for each in rest if matches(each)] for name, matches in _MATCHES.items()}
    number = said.pop("number")
    known = {**_CONVOLVING, "dense": {"activation"}, "global": set()}
    allowed = known.get(kind, {"stride"} if kind in _POOLS else None)
    understood = sum(map(len, said.values())) + len(number) == len(rest)
    numbers = 0 if kind == "global" else 1
    extra = [name for name, found in said.items() if found and name not in (allowed or ())]
    sized = any("x" in each for each in number) and kind not in ("conv", "separable")
    if allowed is None or not understood or len(number) != numbers or extra or sized:
        raise ValueError(
            f'--layers has "{" ".join(words)}", which is none of: conv 16x5 [s2] [same] [tanh], '
            "separable 32x3 [s2] [same] [tanh], depthwise 3 [s2] [same] [tanh], pool 2 [s2], "
            "mean 2 [s2], global, dense 32 [tanh]"
        )
    stride = int(said["stride"][0][1:]) if said["stride"] else None
    activation = said["activation"][0] if said["activation"] else "relu"
    first, *others = map(int, number[0].split("x")) if number else (0,)
    moves: dict[str, Any] = {"stride": stride or 1, "padding": "same" if said["same"] else "valid"}
    size = others[0] if others else 3
    if kind == "conv":
        return [cnn.Conv2D(first, size, None, activation, **moves)]
    if kind == "depthwise":
        return [cnn.DepthwiseConv2D(first, None, activation, **moves)]
    if kind == "separable":
        mixing = cnn.Conv2D(first, 1, None, activation)
        return [cnn.DepthwiseConv2D(size, use_bias=False, **moves), mixing]
    if kind == "global":
        return [cnn.GlobalAveragePooling2D()]
    if kind == "dense":
        return [cnn.Dense(first, activation_function="softmax" if is_output else activation)]
    return [_POOLS[kind](first, stride=stride or first)]


_MATCHES: dict[str, Callable[[str], object]] = {
    "number": re.compile(r"\d+(x\d+)?").fullmatch,
    "stride": re.compile(r"s[1-9]\d*").fullmatch,
    "same": "same".__eq__,
    "activation": _ACTIVATIONS.__contains__,
}
