"""Model: a chain of layers and the one flat vector that holds their weights."""

from __future__ import annotations

import itertools
import logging
import os
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from cnn import checks, files, tables
from cnn.classification import (
    check_classifies,
    checked_names,
    labels_of,
    output_activation,
    probabilities,
    without_class,
)
from cnn.engines.engine import Engine, ReducingEngine, engine_for, engine_named, run_into
from cnn.engines.families import have_images_of_their_own, weight_arrays
from cnn.engines.operations import listed, with_logarithms
from cnn.engines.reduction import Reduction, Total
from cnn.inputs import InputRange
from cnn.layers.layer import Input1D, Input2D, Layer
from cnn.layers.network import build, chain_of, check_known, describe
from cnn.layers.vector import split
from cnn.layers.weighted import WeightedLayer
from cnn.report import Report, of_labels
from cnn.scale import Scale, given
from cnn.slabs import checked_memory, in_slabs
from cnn.summary import summary_table
from cnn.types import AnyArray, Array, FilePath, Labels

FORMAT = "gacnn model 1"


class Model:
    """A convolutional network whose trainable weights are one flat float32 vector.

    The vector holds the layers in order, each with its weights and then its bias in C order;
    layers with trainable=False are not in it. Of several models made from the same linked layers,
    the last one shows in the `trained_weights` of the layers; those with trainable=False belong to
    all of them.

    What a network has learned holds for inputs like those of its training. `scale`, `class_names`
    and `input_range` tell of these; `save` keeps them, exports write them down, and `predict`,
    `predict_proba` and `forward` warn of inputs that are far from the range.

    Args:
        last_layer: a list of layers from the input to the output, or the last of linked layers, as
            in pygad.cnn. A list is copied, with the weights that its layers have, and they may be
            used again: cnn.Model([*model.layers[:-1], cnn.Dense(7)]) gives a trained network a new
            head.
        epochs: of `train`.
        learning_rate: of `train`.
        logger: what `summary` and `train` write to; None for the standard output.
        random_seed: what all initial weights are drawn from; None for others every time, and for
            the weights that the layers have.

    Raises:
        TypeError: for what is no layer.
        ValueError: for layers that do not fit one behind the other.

    Examples:
        >>> model = cnn.Model(
        ...     [
        ...         cnn.Input2D((8, 8, 1)),
        ...         cnn.Conv2D(4, 3, activation_function="relu"),
        ...         cnn.Flatten(),
        ...         cnn.Dense(10, activation_function="softmax"),
        ...     ],
        ...     random_seed=0,
        ... )
        >>> X = np.zeros((5, 8, 8, 1))
        >>> model.forward(X).shape, model.predict(X).shape
        ((5, 10), (5,))
        >>> vectors = np.stack([model.weights, 2 * model.weights])  # two networks
        >>> model.forward(X, vectors).shape
        (2, 5, 10)
    """

    _scale: Scale | None = None
    _class_names: tuple[str, ...] | None = None
    _input_range: InputRange | None = None

    def __init__(
        self,
        last_layer: Layer | Sequence[Layer],
        epochs: int = 10,
        learning_rate: float = 0.01,
        logger: logging.Logger | None = None,
        *,
        random_seed: int | None = None,
    ) -> None:
        self.epochs = checks.whole(epochs, "epochs", minimum=0)
        self.learning_rate = checks.number(learning_rate, "learning_rate")
        self.logger = logger
        self._chain = chain_of(last_layer)
        for layer in self._chain:
            layer.place()
        if random_seed is not None:
            rng = np.random.default_rng(checks.whole(random_seed, "random_seed", minimum=0))
            for layer in self.weighted_layers:
                layer.draw(rng)
        own = self.trainable_layers
        self._initial = _join([values for layer in own for values in layer.initial])
        self._vector = _join([values for layer in own for values in layer.trained])
        self._bind()
        self._programs: dict[tuple[Engine, bool], Any] = {}  # worked out when first needed

    def _bind(self) -> None:
        """Make the weights of the trainable layers views of the flat vector."""
        own = self.trainable_layers
        for layer, views in zip(own, split(own, self._vector), strict=True):
            layer.fill(layer.initial, views)

    def with_weights(self, vector: Array) -> Model:
        """Return a copy of the model whose weights are this float32 vector itself, not a copy."""
        twin = object.__new__(type(self))
        twin.__dict__.update(self.__dict__)
        twin._chain = []
        for layer in self._chain:
            twin._chain.append(layer.copy_behind(twin._chain[-1] if twin._chain else None))
        twin._vector = vector
        twin._bind()
        return twin

    def cut(self, position: int) -> tuple[Model, Model]:
        """Return the layers before a position, and those from it on, as two models.

        The second begins with an input of the shape that the first returns, and does with that
        what this model does. The weights of both are those of this model, not copies.
        """
        front, rest = self._chain[:position], self._chain[position:]
        own = sum(values.size for each in _trainable(front) for values in each.trained)
        size = front[-1].layer_output_size
        entry = Input2D(size) if isinstance(size, tuple) else Input1D(size)
        return self._part(front, slice(0, own)), self._part([entry, *rest], slice(own, None))

    def _part(self, chain: Sequence[Layer], genes: slice) -> Model:
        """Return a model of layers that stand in a chain, with a part of the vector."""
        part = object.__new__(type(self))
        part.__dict__.update(self.__dict__, _scale=None, _class_names=None, _input_range=None)
        part._chain, part._programs = [], {}
        for layer in chain:
            part._chain.append(layer.copy_behind(part._chain[-1] if part._chain else None))
        part._vector, part._initial = self._vector[genes], self._initial[genes]
        part._bind()
        return part

    @property
    def fixed_layers(self) -> int:
        """How many layers at the beginning return the same for an image whatever the vector is.

        The input aside. 0 where none of them has weights: then there is nothing to gain by
        computing them once.
        """
        ends = (i for i, each in enumerate(self._chain) if _trainable([each]))
        count = next(ends, len(self._chain))
        while count > 1 and not self.is_neck(count):
            count -= 1
        fixed = any(isinstance(each, WeightedLayer) for each in self._chain[:count])
        return count - 1 if fixed else 0

    def is_neck(self, position: int) -> bool:
        """Tell whether the layers from a position on read only what the one before it returns."""
        before = len(listed(self._chain[:position]))
        after = listed(self._chain)[before:]
        return all(place >= before - 1 for each in after for place in each.inputs)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_programs": {}}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._bind()

    def save(self, path: FilePath) -> None:
        """Write architecture and weights to a file of arrays and JSON, which `cnn.load` reads.

        It is written next to `path`, synced and renamed: an earlier file stays whole if the disk
        is full or the path cannot be written to, which raises OSError. ValueError for weights that
        are not finite, and for layers of one's own, which nobody could read again.
        """
        check_known(self._chain, "saved")
        header = {
            "format": FORMAT,
            "epochs": self.epochs,
            "learning_rate": self.learning_rate,
            "layers": describe(self._chain),
            "scale": None if self.scale is None else asdict(self.scale),
            "class_names": self.class_names,
            "input_range": self.input_range,
        }
        checks.finite(self._vector, "weights")
        arrays = {"weights": self._vector, "initial": self._initial, "fixed": self.fixed_weights}
        files.save_arrays(checks.path(path, "path"), header, arrays)

    # What the inputs and outputs mean

    @property
    def scale(self) -> Scale | None:
        """The pixels that the inputs are made of, if that is known: `scale.apply` makes them."""
        return self._scale

    @scale.setter
    def scale(self, scale: Scale | None) -> None:
        self._scale = given(scale)

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """A name for each label, if there are any."""
        return self._class_names

    @class_names.setter
    def class_names(self, names: Sequence[str] | None) -> None:
        self._class_names = None if names is None else checked_names(names, self.num_classes)

    @property
    def input_range(self) -> InputRange | None:
        """The numbers that it was trained on, which `GACNN.train` notes; None before."""
        return self._input_range

    @input_range.setter
    def input_range(self, found: InputRange | None) -> None:
        if not isinstance(found, InputRange | None):
            raise TypeError(f"input_range must be a cnn.inputs.InputRange or None, not {found!r}")
        self._input_range = found

    def _check_range(self, images: AnyArray, name: str) -> None:
        """Warn of images that cannot have been prepared like those of the training."""
        if self.input_range is not None:
            cure = "prepare it as the data of the training were"
            if self.scale is not None:
                cure += f" ({self.scale}: model.scale.apply(pixels, 'pixels') does it)"
            self.input_range.check(images, name, cure)

    # Architecture

    @property
    def input_layer(self) -> Input1D | Input2D:
        """The first layer."""
        return self._chain[0]  # type: ignore[return-value] # checked by _walk

    @property
    def layers(self) -> tuple[Layer, ...]:
        """All layers, from the input to the output: a tuple, for a model keeps its layers."""
        return tuple(self._chain)

    @property
    def last_layer(self) -> Layer:
        """The output layer."""
        return self._chain[-1]

    @property
    def network_layers(self) -> list[Layer]:
        """The layers from the first after the input to the last, as in pygad.cnn."""
        return self.get_layers()

    def get_layers(self) -> list[Layer]:
        """Return the layers from the first after the input to the last."""
        return self._chain[1:]

    @property
    def weighted_layers(self) -> list[WeightedLayer]:
        """The layers that have weights, trainable or not."""
        return [layer for layer in self._chain if isinstance(layer, WeightedLayer)]

    @property
    def trainable_layers(self) -> list[WeightedLayer]:
        """The layers whose weights are in the vector."""
        return _trainable(self._chain)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input: (height, width, channels), (length, channels) or (inputs,)."""
        size = self.input_layer.layer_output_size
        return size if isinstance(size, tuple) else (size,)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """Shape of one output: (classes,), or (height, width, channels) without a flat layer."""
        size = self.last_layer.layer_output_size
        return size if isinstance(size, tuple) else (size,)

    @property
    def num_classes(self) -> int:
        """Number of labels: the outputs, or 2 for a single one."""
        return max(2, self.output_shape[-1])

    # Weights

    @property
    def num_weights(self) -> int:
        """Length of the flat vector."""
        return int(self._vector.size)

    @property
    def weights(self) -> Array:
        """The flat vector (num_weights,) itself; what is assigned to it is checked and copied."""
        return self._vector

    @weights.setter
    def weights(self, vector: ArrayLike) -> None:
        array = checks.shaped(vector, "weights", (self.num_weights,), "weights", self._cure)
        with np.errstate(all="ignore"):
            self._vector[...] = checks.finite(array, "weights")

    @property
    def initial_weights(self) -> Array:
        """The flat vector (num_weights,) that the model began with."""
        return self._initial

    def draw_weights(self, rng: np.random.Generator) -> Array:
        """Return newly drawn initial weights (num_weights,), as a new model would have."""
        own = self.trainable_layers
        return _join([values for layer in own for values in layer.init(rng)])

    @property
    def fixed_weights(self) -> Array:
        """A copy, as one vector, of the weights that are not trainable."""
        fixed = [layer for layer in self.weighted_layers if not layer.trainable]
        return _join([values for layer in fixed for values in layer.trained])

    @property
    def _cure(self) -> str:
        return f"this model has {self.num_weights} trainable weights"

    # Forward

    def forward(
        self,
        X: ArrayLike,
        vectors: ArrayLike | None = None,
        *,
        engine: str | Engine | None = None,
        device: str | None = None,
        threads: int | None = None,
        memory_limit: int | None = None,
    ) -> Array:
        """Return the outputs of this network, or of a population of such networks, for images.

        Args:
            X: (N, height, width, channels) of any real type; for an Input1D (N, inputs) or (N,
                length, channels). With vectors also images of each network's own, with one axis
                more in front, (P, N, …): that of the vectors.
            vectors: (P, num_weights), a network a row; None for the model's own weights.
            engine: what computes, by name ("numpy", "torch") or as an object, such as
                `cnn.TorchEngine(…)`; None is NumPy.
            device: the short way to PyTorch's engine on "cuda", "cuda:1" or "cpu".
            threads: cores that it may use; None for all that there are, or as many as
                OMP_NUM_THREADS says. The result is the same for any number.
            memory_limit: bytes that it takes beyond input and output, about; None for 256 MiB, and
                4 GiB on a GPU. Where a single image needs more in such a network it takes more,
                with a warning.

        Returns:
            float32 (P, N, classes), or (N, classes) for the own weights: probabilities where the
            last layer is softmax.

        Raises:
            ValueError: where shapes do not fit, and for NaN and infinities.
        """
        images = self._check_seen(X, vectors)
        if vectors is None:
            self._check_range(images, "X")
        return self._run(engine_for(engine, device), images, vectors, threads, memory_limit)

    def log_proba(
        self,
        X: ArrayLike,
        vectors: ArrayLike | None = None,
        *,
        engine: str | Engine | None = None,
        device: str | None = None,
        threads: int | None = None,
        memory_limit: int | None = None,
    ) -> Array:
        """Return logarithms of class probabilities, (P, N, classes) or (N, classes), as `forward`.

        They are exact where the probability itself would round to 0. Softmax and a single sigmoid
        (two classes) are taken as probabilities, any other last layer as logits.

        Args:
            X, vectors, engine, device, threads, memory_limit: as for `forward`.
        """
        self.check_classifies()
        images = self._check_seen(X, vectors)
        chosen = engine_for(engine, device)
        return self._run(chosen, images, vectors, threads, memory_limit, logarithms=True)

    def reduce(
        self,
        X: AnyArray,
        vectors: ArrayLike,
        reduction: Reduction,
        *,
        engine: ReducingEngine,
        threads: int | None = None,
        memory_limit: int | None = None,
    ) -> AnyArray:
        """Return what an engine makes of the outputs of a population, (P, …), where they are.

        Args:
            X: images as `check_images` returned them; they are not looked at again.
            vectors: (P, num_weights), a network a row.
            reduction: what is made of the outputs, and for which of the images.
            engine: one that can.
            threads, memory_limit: as for `forward`.

        Raises:
            ValueError: for vectors that do not fit, and NaN and infinities in them.
        """
        logarithms = reduction.total != Total.SQUARES
        program = self._program(engine, logarithms)

        def run(
            _: slice, weights: Sequence[Array], out: AnyArray, threads: int, limit: int
        ) -> None:
            engine.reduce(program, X, weights, reduction, out, threads=threads, memory_limit=limit)

        return in_slabs(
            run,
            self._check_vectors(vectors),
            self.weighted_layers,
            reduction.shape(self.num_classes),
            reduction.dtype,
            name="vectors",
            threads=threads,
            memory_limit=checked_memory(memory_limit, engine),
        )

    def _run(
        self,
        engine: Engine,
        images: AnyArray,
        vectors: ArrayLike | None,
        threads: int | None,
        memory_limit: int | None,
        *,
        logarithms: bool = False,
    ) -> Array:
        program = self._program(engine, logarithms)
        own = have_images_of_their_own(images, self.input_layer.layer_output_size)

        def run(
            members: slice, weights: Sequence[Array], out: AnyArray, threads: int, limit: int
        ) -> None:
            seen = images[members] if own else images
            run_into(engine, out, program, seen, weights, threads=threads, memory_limit=limit)

        output_shape = (self.num_classes,) if logarithms else self.output_shape
        out = in_slabs(
            run,
            self._vector[None] if vectors is None else self._check_vectors(vectors),
            self.weighted_layers,
            (images.shape[int(own)], *output_shape),
            np.float32,
            name="weights" if vectors is None else "vectors",
            threads=threads,
            memory_limit=checked_memory(memory_limit, engine),
            own_images=own,
        )
        return out if vectors is not None else out[0]

    def _program(self, engine: Engine, logarithms: bool) -> Any:
        """Return the network as an engine wants it, with or without logarithms at the end."""
        if (engine, logarithms) not in self._programs:
            operations = listed(self._chain)
            if logarithms:
                operations = with_logarithms(operations, self.last_layer)
            shape = self.input_layer.layer_output_size
            self._programs[engine, logarithms] = engine.compile(operations, shape)
        return self._programs[engine, logarithms]

    def check_images(self, X: ArrayLike, name: str) -> AnyArray:
        """Return X as an array (N, *input_shape); ValueError or TypeError, with `name`, if not."""
        cure = f"one sample alone is {name}[None]"
        if len(self.input_shape) == 2:
            cure = f"one series alone is {name}[None], those of one channel {name}[..., None]"
        if len(self.input_shape) == 3:
            cure = f"one image alone is {name}[None], grey images are {name}[..., None]"
        if np.ndim(checks.real(X, name)) == len(self.input_shape) + 2:
            cure += (
                "; images of each member's own, (members, images, …), forward takes with vectors"
            )
        images = checks.shaped(X, name, (None, *self.input_shape), self._axes, cure)
        return checks.finite(images, name)

    @property
    def _axes(self) -> str:
        of_one = {1: "samples, inputs", 2: "series, length, channels"}
        return of_one.get(len(self.input_shape), "images, height, width, channels")

    def _check_seen(self, X: ArrayLike, vectors: ArrayLike | None) -> AnyArray:
        """Return X as an array (N, *input_shape), or (P, N, *input_shape) for P vectors."""
        array = checks.real(X, "X")
        if vectors is None or array.ndim != len(self.input_shape) + 2:
            return self.check_images(array, "X")
        members = len(self._check_vectors(vectors))
        cure = f"the first axis is that of the members, as many as there are vectors: {members}"
        if array.shape[1] == members != array.shape[0]:
            cure += ", np.swapaxes(X, 0, 1) puts it there"
        shape, axes = (members, None, *self.input_shape), f"members, {self._axes}"
        return checks.finite(checks.shaped(array, "X", shape, axes, cure), "X")

    def _check_vectors(self, vectors: ArrayLike) -> AnyArray:
        shape, cure = (None, self.num_weights), f"{self._cure}; one vector v alone is v[None]"
        return checks.shaped(vectors, "vectors", shape, "members, weights", cure)

    def predict_proba(
        self,
        data_inputs: ArrayLike,
        *,
        engine: str | Engine | None = None,
        device: str | None = None,
        memory_limit: int | None = None,
    ) -> Array:
        """Return class probabilities (N, classes) for images (N, height, width, channels).

        The outputs of a network that does not end in softmax are put through one; a single
        sigmoid output p gives the two columns 1 - p and p. Outputs that are no finite numbers
        give NaN, with a warning.

        Args:
            data_inputs: (N, height, width, channels), or (N, inputs) for an Input1D.
            engine: as for `forward`.
            device: as for `forward`.
            memory_limit: as for `forward`.
        """
        outputs = self._class_outputs(data_inputs, engine_for(engine, device), memory_limit)
        return probabilities(outputs, output_activation(self.last_layer))

    def predict(
        self,
        data_inputs: ArrayLike,
        *,
        engine: str | Engine | None = None,
        device: str | None = None,
        memory_limit: int | None = None,
    ) -> Labels:
        """Return the labels (N,) of the largest output, for images (N, height, width, channels).

        A single sigmoid output is label 1 above one half. An image whose outputs are no finite
        numbers is of no class: its label is -1, with a warning. For regression use `forward`.

        Args:
            data_inputs: (N, height, width, channels), or (N, inputs) for an Input1D.
            engine: as for `forward`.
            device: as for `forward`.
            memory_limit: as for `forward`.
        """
        return labels_of(self._class_outputs(data_inputs, engine_for(engine, device), memory_limit))

    def score(self, X: ArrayLike, y: ArrayLike) -> float:
        """Return the accuracy: the share of the images X that `predict` gives their labels y (N,).

        For regression compare `forward` with the values.
        """
        return self.evaluate(X, y).accuracy

    def evaluate(
        self, X: ArrayLike, y: ArrayLike, class_names: Sequence[str] | None = None
    ) -> Report:
        """Return a report on labelled images: accuracy, and recall, precision and F1 of each class.

        X: as for `forward`. y: labels (N,). class_names: one for each class; None for
        those that the model has, or numbers.
        Raises ValueError or TypeError where they do not fit.
        """
        predicted = self.predict(X)
        labels = checks.labels(y, "y", len(predicted), self.num_classes)
        names: Any = self.class_names if class_names is None else class_names
        names = range(self.num_classes) if names is None else names
        if len(names) != self.num_classes:
            raise ValueError(
                f"class_names must name the {self.num_classes} classes, not {len(names)}"
            )
        return of_labels(labels, predicted, [str(name) for name in names])

    def _class_outputs(
        self, data_inputs: ArrayLike, engine: Engine, memory_limit: int | None
    ) -> Array:
        self.check_classifies()
        images = self.check_images(data_inputs, "data_inputs")
        self._check_range(images, "data_inputs")
        outputs = self._run(engine, images, None, None, memory_limit)
        broken = np.flatnonzero(without_class(outputs))
        if broken.size:
            checks.warn(
                f"the network gives no finite outputs for {broken.size:,} of {len(images):,} "
                f"images, such as data_inputs[{broken[0]}], which so have no class: label -1, "
                "probabilities NaN; train it from smaller weights, or give smaller inputs"
            )
        return outputs

    def check_classifies(self) -> None:
        """Raise ValueError if the outputs are no classes: maps, or one that is no sigmoid."""
        check_classifies(self.last_layer)

    def feed_sample(self, sample: ArrayLike) -> Array:
        """Return the output for one image and fill `layer_output` of every layer on the way."""
        axes = self._axes.partition(", ")[2]
        image = checks.shaped(sample, "sample", self.input_shape, axes, "give one, not a batch")
        values = checks.finite(image[None], "sample")
        engine = engine_named("numpy")
        arrays = iter(weight_arrays(self.weighted_layers, self._vector[None]))
        for layer in self.get_layers():
            program = engine.compile(listed([layer]), layer.layer_input_size)
            count = len(layer.weight_shapes()) if isinstance(layer, WeightedLayer) else 0
            own = list(itertools.islice(arrays, count))
            size = layer.layer_output_size
            shape = size if isinstance(size, tuple) else (size,)
            out = np.empty((1, 1, *shape), np.float32)
            engine.run(program, values, own, out, threads=1, memory_limit=engine.memory_limit)
            values = out[0]
            layer.layer_output = values[0]
        output: Array = values[0]
        return output

    # pygad.cnn's way to change the weights

    def train(self, train_inputs: ArrayLike, train_outputs: ArrayLike) -> None:
        """Do what `pygad.cnn.Model.train` does, which is not learning: use a genetic algorithm.

        In each of `epochs` it adds up |predicted label - true label| over all images (and all
        epochs so far), and shrinks every weight by that sum times `learning_rate`.

        train_inputs: (N, height, width, channels); train_outputs: (N,) labels. Raises ValueError
        if they do not fit, or if the weights become infinite; they are then as they were.
        """
        self.check_classifies()
        images = self.check_images(train_inputs, "train_inputs")
        labels = checks.labels(train_outputs, "train_outputs", len(images), self.num_classes)
        before = self._vector.copy()
        error = 0.0
        try:
            for epoch in range(self.epochs):
                self._say(f"Epoch {epoch}")
                outputs = self._run(engine_for(None, None), images, None, None, None)
                error += float(np.abs(labels_of(outputs) - labels).sum())
                self.update_weights(error)
        except BaseException:
            self._vector[...] = before
            raise

    def update_weights(self, network_error: float) -> None:
        """Subtract network_error · learning_rate · weight from every trainable weight."""
        factor = 1 - checks.number(network_error, "network_error") * self.learning_rate
        with np.errstate(all="ignore"):
            updated = (self._vector * np.float64(factor)).astype(np.float32)
        if not np.isfinite(updated).all():
            raise ValueError(
                f"network_error {network_error} times learning_rate {self.learning_rate} makes "
                "the weights infinite; choose a smaller learning_rate or fewer epochs"
            )
        self._vector[...] = updated

    # What it looks like

    def summary(self) -> None:
        """Print a table of the layers: output shape, weights, multiplications, and the totals.

        Multiplications are those of weights for one image, which is what evolution pays for.
        """
        self._say(str(self))

    def _say(self, text: str) -> None:
        if self.logger is None:
            print(text)
        else:
            self.logger.info(text)

    def __str__(self) -> str:
        return summary_table(self._chain, tables.as_text)

    def __repr__(self) -> str:
        return f"<Model: {len(self._chain)} layers, {self.num_weights:,} trainable weights>"

    def _repr_html_(self) -> str:
        return summary_table(self._chain, tables.as_html)


def _trainable(layers: Sequence[Layer]) -> list[WeightedLayer]:
    return [each for each in layers if isinstance(each, WeightedLayer) and each.trainable]


def check_model(model: Any, name: str = "model") -> Model:
    """Return a model; TypeError for anything else."""
    if not isinstance(model, Model):
        raise TypeError(f"{name} must be a cnn.Model, not {type(model).__name__}")
    return model


def load(path: FilePath) -> Model:
    """Read a model that `Model.save` wrote.

    Raises FileNotFoundError for a missing file and ValueError, with the path and the reason, for
    one that is truncated, foreign or tampered with. Nothing in the file is executed.
    """
    wanted = ("weights", "initial", "fixed")
    header, arrays = files.load_arrays(checks.path(path, "path"), FORMAT, wanted)
    try:
        chain = build(header["layers"])
        weighted = [layer for layer in chain if isinstance(layer, WeightedLayer)]
        for trainable, initial, trained in (
            (True, "initial", "weights"),
            (False, "fixed", "fixed"),
        ):
            layers = [layer for layer in weighted if layer.trainable is trainable]
            for layer, before, now in zip(
                layers,
                split(layers, _stored(arrays, initial)),
                split(layers, _stored(arrays, trained)),
                strict=True,
            ):
                layer.fill([values.copy() for values in before], now)
        model = Model(chain[-1], header["epochs"], header["learning_rate"])
        scale = header.get("scale")
        model.scale = None if scale is None else Scale(**scale)
        model.class_names = header.get("class_names")
        model.input_range = InputRange.stored(header.get("input_range"))
        return model
    except (AttributeError, KeyError, TypeError, ValueError, MemoryError) as error:
        raise ValueError(f"{os.fspath(path)} does not describe a model: {error!r}") from error


def _stored(arrays: dict[str, AnyArray], name: str) -> Array:
    array = arrays[name]
    alike = array.dtype.newbyteorder("=") == np.float32  # another machine may turn its bytes round
    if not alike or array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(f"its {name} are not a vector of finite float32 numbers")
    return array.astype(np.float32, copy=False)


def _join(arrays: Sequence[Array]) -> Array:
    return np.concatenate([np.zeros(0, np.float32), *(array.ravel() for array in arrays)])
