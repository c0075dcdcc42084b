"""scikit-learn estimators; they need scikit-learn (pip install 'gacnn[sklearn]')."""

from __future__ import annotations

import copy
import math
import numbers
import time
from collections.abc import Mapping, Sequence
from typing import Any, Self

import joblib
import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import StandardScaler
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from cnn import Dense, Flatten, Input1D, Input2D, Model, Softmax, checks
from cnn.exchange.scaling import with_inputs, with_outputs
from cnn.inputs import InputRange
from cnn.layers.layer import Layer
from gacnn.callbacks.history import History
from gacnn.fitness.batches import Augmentation, Unscaled, checked_augmentation
from gacnn.fitness.metrics import Metric
from gacnn.fitness.weights import checked_sample_weight
from gacnn.gacnn import GACNN
from gacnn.training.arguments import time_left
from gacnn.training.default_network import (
    FIRST_LAYERS,
    default_head,
    default_layers,
    default_output,
)
from gacnn.training.defaults import NUM_SOLUTIONS, default_sigma
from gacnn.types import Array, FilePath, Growing

LOST = 0.01  # of a standard deviation, that float32 may round away
LEAST_SIDE = 8  # pixels of a side: fewer features are hardly an image


class _Estimator(BaseEstimator):  # type: ignore[misc] # scikit-learn ships no types
    """What both estimators share: inputs, network and evolution."""

    default_metric: str
    output_activation: str | None
    first_from_data: bool
    model_: Model
    history_: History

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        num_solutions: int = NUM_SOLUTIONS,
        num_generations: int | None = None,
        time_limit: float | None = None,
        metric: Metric | Sequence[Metric] | None = None,
        batch_size: int | str | None = "auto",
        augment: Augmentation | None = None,
        early_stopping: bool = True,
        validation_fraction: float | str = "auto",
        patience: int | str | None = "auto",
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        memory_limit: int | None = None,
        verbose: bool = False,
        executor: Any = None,
        device: str | None = None,
        first_layer: str = "auto",
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.layers = layers
        self.input_shape = input_shape
        self.num_solutions = num_solutions
        self.num_generations = num_generations
        self.time_limit = time_limit
        self.metric = metric
        self.batch_size = batch_size
        self.augment = augment
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.warm_start = warm_start
        self.random_state = random_state
        self.n_jobs = n_jobs
        self.memory_limit = memory_limit
        self.verbose = verbose
        self.executor = executor
        self.device = device
        self.first_layer = first_layer
        self.settings = settings

    def __sklearn_clone__(self) -> Self:
        """Return a copy without what was learned; an executor is the same and no copy."""
        twin = copy.copy(self)
        twin.executor = None
        twin = super(_Estimator, twin).__sklearn_clone__()
        twin.executor = self.executor
        return twin

    def __getstate__(self) -> Any:
        """Return what is pickled: of an executor no more than an address."""
        address = self.executor if isinstance(self.executor, str) else None
        return {**super().__getstate__(), "executor": address}

    # Inputs

    def _validated(self, X: Any, **options: Any) -> Any:
        """Return X, or X and y, as arrays that scikit-learn has no complaints about."""
        array = checks.unmasked(X, "X")
        if "y" in options:
            checks.unmasked(options["y"], "y")
        rows = array.ndim < 3
        if array.dtype == object and array.ndim and array.size and np.ndim(array.flat[0]):
            raise ValueError(
                "X holds arrays in a column; np.stack(X), of a DataFrame np.stack(X[name]), makes "
                "one array of them"
            )
        return validate_data(self, X, ensure_2d=rows, allow_nd=True, **options)

    @property
    def _goes_on(self) -> bool:
        """Whether `fit` goes on with the network that is there."""
        return checks.flag(self.warm_start, "warm_start") and self.__sklearn_is_fitted__()

    def _learned_inputs(self, X: Array, sample_weight: Array | None) -> Array:
        """Return the inputs of the network for X; note their shape and scale."""
        if not self._goes_on:
            self.__dict__.pop("model_", None)  # it would not fit what a fit that fails has noted
            shape = self._declared_shape() or _shape_of(checks.channels_last(X, "X"))
            inputs = _shaped(X, shape)
            if self.layers is None and len(shape) == 1:
                _say_dense(X)
            if self.layers is None and self.input_shape is None and X.ndim == 3:
                _say_images(X)
            self.input_scaler_ = _scaler(_columns(inputs), sample_weight)
            self.input_range_ = InputRange.of(inputs)
            self.input_shape_ = shape
            self.n_features_in_ = math.prod(shape)
        return self._inputs(X)

    def _inputs(self, X: Array) -> Array:
        """Return standardised float32 inputs (N, *input_shape_) of the network."""
        inputs = _shaped(X, self.input_shape_)
        self.input_range_.check(inputs, "X", "give it in the numbers of fit")
        scaled = self.input_scaler_.transform(_columns(inputs))
        return np.asarray(scaled, np.float32).reshape(inputs.shape)

    def _declared_shape(self) -> tuple[int, ...] | None:
        """Return the shape that `input_shape` or the first of the layers says, if one does."""
        shape = None if self.input_shape is None else Input2D(self.input_shape).input_shape
        first = next(iter(self._given_layers()), None)
        if not isinstance(first, Input1D | Input2D):
            return shape
        size = first.layer_output_size
        own = size if isinstance(size, tuple) else (size,)
        if shape not in (None, own):
            raise ValueError(
                f"input_shape is {shape}, but layers begin with {first}; leave one of them out"
            )
        return own

    # Network

    def _network(self, X: Array, num_outputs: int, seed: int) -> Model:
        """Return a new network, with the input and output layers that `layers` leaves out."""
        layers = self._given_layers() if self.layers is not None else self._own_layers(X, seed)
        if not layers or not isinstance(layers[0], Input1D | Input2D):
            shape = self.input_shape_
            layers.insert(0, Input2D(shape) if len(shape) == 3 else Input1D(shape[0]))
        if self.layers is None or not self._is_output(layers[-1]):
            if len(Model(layers).output_shape) > 1:
                layers.append(Flatten())
            if self.layers is None:
                layers.append(default_output(layers, num_outputs, self.output_activation))
            else:
                layers.append(Dense(num_outputs, activation_function=self.output_activation))
        model = Model(layers, random_seed=seed)
        self._check_output(model, num_outputs)
        return model

    def _own_layers(self, X: Array, seed: int) -> list[Layer]:
        """Return the hidden layers that are taken where none are given."""
        first = checks.one_of(self.first_layer, "first_layer", FIRST_LAYERS)
        if first == "auto" and (self.augment is not None or not self.first_from_data):
            first = "evolved"
        return default_layers(
            self.input_shape_,
            X,
            first_layer=first,
            random_seed=seed,
            verbose=bool(self.verbose),
        )

    def _given_layers(self) -> list[Layer]:
        """Return copies of the layers of `layers`, none for None."""
        layers = [] if self.layers is None else self.layers
        if not isinstance(layers, list | tuple) or not all(isinstance(x, Layer) for x in layers):
            raise TypeError(f"layers must be a list of layers of cnn, or None, not {layers!r}")
        return [layer.unlinked() for layer in layers]

    def _is_output(self, layer: Layer) -> bool:
        """Tell whether a last layer is meant to give the outputs."""
        return isinstance(layer, Dense) and layer.activation_function is None

    def _check_output(self, model: Model, num_outputs: int) -> None:
        if model.output_shape != (num_outputs,):
            raise ValueError(
                f"layers end in {model.last_layer} with outputs of {model.output_shape}, but y "
                f"needs {num_outputs}; leave it out, and the output layer is added"
            )

    # Evolution

    def _evolve(
        self, X: Array, y: Array, num_outputs: int, sample_weight: Any, class_weight: Any = None
    ) -> Self:
        """Train on inputs of the network (N, *input_shape_) and what it shall give for them."""
        try:
            seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        except (TypeError, ValueError) as error:
            raise ValueError(f"random_state must be an integer or None: {error}") from error
        spread = earlier = None
        began = time.monotonic()
        if self._goes_on:
            model, earlier = self.model_.with_weights(self.model_.weights), self.history_
            model.input_range = None  # of X it is known, and checked
            spread = default_sigma(model.num_weights)
        else:
            model = self._network(X, num_outputs, seed)
        making = time.monotonic() - began
        population = GACNN(model, self.num_solutions, random_seed=seed, spread=spread)
        population.layout_is_said = True  # or has been refused
        weights = {"sample_weight": sample_weight, "class_weight": class_weight}
        begins = self.layers is None and not self._goes_on
        head = {"head": default_head(model)} if begins else {}
        result = population.train(X, y, **weights, **{**head, **self._training(making)})
        self.model_ = result.model
        self.history_ = _joined(earlier, result.history)
        self.n_generations_ = len(self.history_)
        if result.ga.interrupted:
            raise KeyboardInterrupt  # for a search around it; the estimator is fitted all the same
        return self

    def _training(self, making: float) -> dict[str, Any]:
        """Return the arguments of `GACNN.train`, after so many seconds of making the network."""
        own = {
            "num_generations": self.num_generations,
            "time_limit": time_left(self.time_limit, making),
            "validation": self._validation(),
            "metric": self.default_metric if self.metric is None else self.metric,
            "batch_size": self.batch_size,
            "augment": self._augment(),
            "patience": self.patience if self._stops_early else None,
            "verbose": bool(self.verbose),
            "threads": self._threads if self.executor is None else None,
            "executor": self.executor,
            "device": self.device,
            "memory_limit": self.memory_limit,
        }
        more = {} if self.settings is None else self.settings
        if not isinstance(more, dict):
            raise TypeError(f"settings must be a dict of arguments of GACNN.train, not {more!r}")
        for name in (own.keys() | {"sample_weight", "class_weight"}) & more.keys():
            raise TypeError(f"settings must not hold {name!r}, which has a parameter of its own")
        return own | more

    def _augment(self) -> Augmentation | None:
        """Return what changes the inputs of the network as `augment` changes those of `fit`."""
        augment = checked_augmentation(self.augment)
        if augment is None:
            return None
        ends = self.input_scaler_.mean_, self.input_scaler_.scale_
        return Unscaled(augment, *(np.asarray(each, np.float32) for each in ends))

    @property
    def _stops_early(self) -> bool:
        return checks.flag(self.early_stopping, "early_stopping")

    def _validation(self) -> float | str | None:
        share = self.validation_fraction
        if not self._stops_early:
            return None
        auto = isinstance(share, str) and share == "auto"
        if not auto and not (isinstance(share, numbers.Real) and 0 < share < 1):
            raise ValueError(
                f'validation_fraction must be "auto" or between 0 and 1, not {share!r}; '
                "to hold nothing out give early_stopping=False"
            )
        return share

    @property
    def _limits(self) -> dict[str, Any]:
        return {"threads": self._threads, "memory_limit": self.memory_limit}

    @property
    def _threads(self) -> int:
        if self.n_jobs is not None and not isinstance(self.n_jobs, numbers.Integral):
            raise TypeError(f"n_jobs must be an integer or None, not {self.n_jobs!r}")
        try:
            return int(joblib.effective_n_jobs(self.n_jobs))
        except ValueError as error:
            raise ValueError(f"n_jobs must be a number of threads, -1 for all: {error}") from error

    def as_model(self) -> Model:
        """Return a network that takes X as it is and has the standardisation in it.

        `cnn.to_onnx`, `cnn.to_torch` and `cnn.to_keras` take the estimator itself and do this.
        """
        check_is_fitted(self)
        _say_rounding(self.input_scaler_, "X")
        model = with_inputs(self.model_, self.input_scaler_.mean_, self.input_scaler_.scale_)
        model.input_range = self.input_range_
        return model

    def save(self, path: FilePath) -> None:
        """Write `as_model` to a file, which `cnn.load` reads."""
        self.as_model().save(path)

    def _finite(self, outputs: Array) -> Array:
        """Return outputs (N, …); ValueError for a row that is not finite."""
        broken = np.flatnonzero(~np.isfinite(outputs).all(axis=1))
        if broken.size:
            raise ValueError(
                f"the network gives no finite outputs for X[{broken[0]}] ({len(broken):,} of "
                f"{len(outputs):,} rows); its numbers are far from those of fit, "
                f"{self.input_range_.lowest:.3g} to {self.input_range_.highest:.3g}: leave it out, "
                "or scale it"
            )
        return outputs

    def plot(self, ax: Any = None, **options: Any) -> Any:
        """Draw the fitness over the generations, as `History.plot` does; return the Axes."""
        check_is_fitted(self)
        return self.history_.plot(ax, **options)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        return tags


class CNNClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc] # no types
    """A network that `GACNN.train` evolves to tell classes apart, as a scikit-learn classifier.

    The inputs of the network are standardised: rows feature by feature, images by one mean and one
    standard deviation for all pixels. X: images (N, height, width) or (N, height, width, channels),
    or rows (N, features). y: labels (N,), numbers or strings.

    Args:
        layers: a list of `cnn` layers, which is copied, or None for a small network that fits the
            inputs, `gacnn.default_network`. An input layer is put before it where it has none, and
            a Dense layer with softmax behind it, unless its last layer is one, or `Softmax`, or
            Dense without activation, or a single sigmoid for two classes.
        input_shape: (height, width) or (height, width, channels) of images that come as rows.
        num_solutions: networks of the population.
        num_generations, batch_size: as for `GACNN.train`.
        augment: likewise; it is given the images of X, before they are standardised.
        time_limit: seconds of `fit`, to make a network included, and a first layer from the images.
        metric: likewise; None is "cross_entropy". A callable is given labels from 0.
        early_stopping: whether data are held out, to return the network best on them, and the run
            ends after `patience` generations without improvement.
        validation_fraction: the share held out; "auto" is a tenth of 200 samples or more.
        patience: as for `GACNN.train`.
        class_weight: how much the samples of each class count, a dict, or "balanced".
        warm_start: whether the next `fit` goes on with the network and its history, and with the
            standardisation of the first.
        random_state: an integer gives the same bits for any number of threads.
        n_jobs: threads; None is 1, -1 all.
        memory_limit: as for `Model.forward`.
        executor: who scores the population, as for `GACNN.train`, in place of these threads; a copy
            has the same, and what is pickled only its address.
        device: such as "cuda", for PyTorch's engine on it; None for NumPy's.
        verbose: whether to show plan and progress.
        first_layer: where layers is None and X are images, whether the first layer comes from these
            and stays as it is, "data", or is evolved like the others, "evolved"; "auto" is "data"
            for 5,000 images or more of 16 pixels a side or more, unless they are augmented. Behind
            such a layer the last one begins as ridge regression solves it, where metric and
            settings allow that; settings={"head": "evolved"} has it evolve from zeros.
        settings: further arguments of `GACNN.train`, such as {"gene_space": [-1, 0, 1]}.

    After `fit`: model_, a `cnn.Model` of standardised inputs; input_scaler_, which standardises
    them; input_shape_ of the network; classes_; history_, a `gacnn.History`; n_generations_,
    those of warm starts together; n_features_in_, the product of input_shape_.

    Examples:
        >>> X, y = np.eye(30).reshape(30, 6, 5), np.repeat(["above", "below"], 15)
        >>> classifier = gacnn.CNNClassifier(num_generations=100, random_state=0).fit(X, y)
        >>> classifier.predict(X[[0, 29]]).tolist()
        ['above', 'below']
    """

    default_metric = "cross_entropy"
    output_activation = "softmax"
    first_from_data = True
    classes_: Array

    def __init__(
        self,
        layers: Sequence[Layer] | None = None,
        *,
        input_shape: Sequence[int] | None = None,
        num_solutions: int = NUM_SOLUTIONS,
        num_generations: int | None = None,
        time_limit: float | None = None,
        metric: Metric | Sequence[Metric] | None = None,
        batch_size: int | str | None = "auto",
        augment: Augmentation | None = None,
        early_stopping: bool = True,
        validation_fraction: float | str = "auto",
        patience: int | str | None = "auto",
        class_weight: Mapping[Any, float] | str | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        n_jobs: int | None = None,
        memory_limit: int | None = None,
        executor: Any = None,
        device: str | None = None,
        verbose: bool = False,
        first_layer: str = "auto",
        settings: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(
            layers,
            input_shape=input_shape,
            num_solutions=num_solutions,
            num_generations=num_generations,
            time_limit=time_limit,
            metric=metric,
            batch_size=batch_size,
            augment=augment,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            patience=patience,
            warm_start=warm_start,
            random_state=random_state,
            n_jobs=n_jobs,
            memory_limit=memory_limit,
            executor=executor,
            device=device,
            verbose=verbose,
            first_layer=first_layer,
            settings=settings,
        )
        self.class_weight = class_weight

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Evolve a network on inputs X and labels y (N,); raises ValueError for a single class.

        sample_weight: (N,), how much each counts, in the standardisation of the inputs too.
        """
        _check_labels(np.asarray(y))
        samples, labels = self._validated(X, y=y, reset=not self._goes_on)
        check_classification_targets(labels)
        classes, numbered = np.unique(labels, return_inverse=True)
        if len(classes) < 2:
            raise ValueError(
                f"y must hold two classes or more, but it holds one class, {classes[0]}"
            )
        if self._goes_on and not np.array_equal(classes, self.classes_):
            raise ValueError(
                f"warm_start needs the classes of the first fit, {self.classes_}, not {classes}; "
                "set warm_start=False to begin anew"
            )
        weights = checked_sample_weight(sample_weight, len(samples))
        by_class = self._class_weight(classes)
        inputs = self._learned_inputs(samples, weights)
        self.classes_ = classes
        return self._evolve(inputs, numbered, len(classes), weights, by_class)

    def _class_weight(self, classes: Array) -> dict[int, Any] | str | None:
        """Return class_weight with the number of each class in the place of its label."""
        given = self.class_weight
        if not isinstance(given, Mapping):
            return given
        numbers = {label: number for number, label in enumerate(classes.tolist())}
        unknown = [label for label in given if label not in numbers]
        if unknown:
            raise ValueError(
                f"class_weight has a weight for {unknown[0]!r}, but y holds {list(numbers)}"
            )
        return {numbers[label]: weight for label, weight in given.items()}

    def as_model(self) -> Model:
        """Return a network that takes X as it is and has the standardisation in it.

        Its labels are the numbers of classes_, whose names it has as class_names. `cnn.to_onnx`,
        `cnn.to_torch` and `cnn.to_keras` take the estimator itself and do this.
        """
        model = super().as_model()
        model.class_names = self.classes_.astype(str).tolist()
        return model

    def predict_proba(self, X: ArrayLike) -> Array:
        """Return probabilities (N, classes), float64, in the order of classes_."""
        check_is_fitted(self)
        inputs = self._inputs(self._validated(X, reset=False))
        logarithms = self.model_.log_proba(inputs, device=self.device, **self._limits)
        likelihood: Array = np.exp(self._finite(logarithms).astype(np.float64))
        likelihood /= likelihood.sum(axis=1, keepdims=True)
        return likelihood

    def predict(self, X: ArrayLike) -> Array:
        """Return the most probable labels (N,)."""
        most_probable = self.predict_proba(X).argmax(axis=1)
        return np.asarray(self.classes_[most_probable])

    def _is_output(self, layer: Layer) -> bool:
        if isinstance(layer, Dense) and layer.activation_function == "sigmoid":
            return layer.num_neurons == 1
        is_softmax = getattr(layer, "activation_function", None) == "softmax"
        return isinstance(layer, Softmax) or is_softmax or super()._is_output(layer)

    def _check_output(self, model: Model, num_outputs: int) -> None:
        if num_outputs == 2 and model.output_shape == (1,):
            model.check_classifies()
        else:
            super()._check_output(model, num_outputs)


class CNNRegressor(RegressorMixin, _Estimator):  # type: ignore[misc] # no types
    """A network that `GACNN.train` evolves to give values, as a scikit-learn regressor.

    y: values (N,) or (N, outputs), which are standardised for the training, so that a metric sees
    them so. metric None is mse. first_layer "auto" is "evolved". layers: a Dense layer without
    activation is put behind the list, unless it ends in one. All other parameters, X and attributes
    are those of `CNNClassifier`; instead of classes_ there is target_scaler_, which standardises y.
    """

    default_metric = "mse"
    output_activation = None
    first_from_data = False
    _shape_of_target: tuple[int, ...]

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Evolve a network on inputs X and values y, (N,) or (N, outputs).

        sample_weight: (N,), how much each counts, in the standardisation too.
        """
        samples, values = self._validated(
            X, y=y, reset=not self._goes_on, multi_output=True, y_numeric=True
        )
        shape, columns = values.shape[1:], values.reshape(len(values), -1)
        if self._goes_on and shape != self._shape_of_target:
            raise ValueError(
                f"warm_start needs targets of the shape of the first fit, {self._shape_of_target}, "
                f"not {shape}; set warm_start=False to begin anew"
            )
        weights = checked_sample_weight(sample_weight, len(samples))
        inputs = self._learned_inputs(samples, weights)
        if not self._goes_on:
            self._shape_of_target = shape
            self.target_scaler_ = _scaler(columns, weights)
        targets = self.target_scaler_.transform(columns)
        return self._evolve(inputs, targets.reshape(values.shape), columns.shape[1], weights)

    def as_model(self) -> Model:
        """Return a network that takes X, and gives y, as they are: the standardisation is in it.

        `cnn.to_onnx`, `cnn.to_torch` and `cnn.to_keras` take the estimator itself and do this.
        """
        check_is_fitted(self)
        scaler = self.target_scaler_
        _say_rounding(scaler, "y")
        return with_outputs(super().as_model(), scaler.mean_, scaler.scale_)

    def predict(self, X: ArrayLike) -> Array:
        """Return values, float64, of the shape that y had in `fit`: (N,) or (N, outputs)."""
        check_is_fitted(self)
        inputs = self._inputs(self._validated(X, reset=False))
        own = self.model_.weights[None]
        (outputs,) = self.model_.forward(inputs, own, device=self.device, **self._limits).astype(
            np.float64
        )
        values = self.target_scaler_.inverse_transform(self._finite(outputs))
        return np.asarray(values).reshape(len(values), *self._shape_of_target)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags


def _check_labels(y: Array) -> None:
    """Raise ValueError, with the cure, for several labels a sample, one-hot ones, and none."""
    multilabel = "" if y.ndim == 2 and y.shape[1] == 1 else checks.several_labels(y, "y")
    if multilabel:
        raise ValueError(multilabel)
    if y.ndim == 2 and y.shape[1] > 1 and y.dtype.kind in "buif":
        raise ValueError(
            f"y should be a 1d array, one label a sample, not of the shape {y.shape}; of one-hot "
            "labels take y.argmax(axis=1)"
        )
    if y.dtype == object and y.ndim:
        missing = [place for place, label in enumerate(y.flat) if _is_missing(label)]
        if missing:
            first = f"y[{missing[0]}] = {y.flat[missing[0]]!r}"
            raise ValueError(
                f"y has no label for {len(missing):,} of {len(y):,} samples, such as {first}; "
                "leave them out"
            )


def _is_missing(label: object) -> bool:
    """Tell None, NaN, and pandas' NA and NaT."""
    nan = isinstance(label, float) and math.isnan(label)
    return label is None or nan or type(label).__name__ in ("NAType", "NaTType")


def _shape_of(X: Array) -> tuple[int, ...]:
    """Return the shape of a network's input: (features,) or (height, width, channels)."""
    if X.ndim > 4:
        raise ValueError(
            "X must be rows (samples, features), or images (images, height, width) or "
            f"(images, height, width, channels), not of the shape {X.shape}"
        )
    return (*X.shape[1:], 1) if X.ndim == 3 else X.shape[1:]


def _shaped(X: Array, shape: tuple[int, ...]) -> Array:
    """Return X, such inputs or rows of as many values, as (N, *shape)."""
    if X.shape[1:] != shape and _shape_of(X) not in (shape, (math.prod(shape),)):
        alone = "; one image alone is X[None]" if X.shape == shape else ""
        raise ValueError(
            f"the network takes inputs of the shape {shape}, or rows of {math.prod(shape)} "
            f"features, but X has the shape {X.shape}{alone}"
        )
    return X.reshape(len(X), *shape)


def _say_images(X: Array) -> None:
    """Warn of images of few columns, which may be meant as series."""
    if 4 * X.shape[2] <= X.shape[1]:
        length, channels = X.shape[1:]
        checks.warn(
            f"X of the shape {X.shape} is taken as grey images of {length} x {channels} pixels; "
            f"for series of {channels} channels give layers=[cnn.Input1D(({length}, {channels})), "
            f"…]; if they are images, input_shape=({length}, {channels}, 1) says so"
        )


def _say_dense(X: Array) -> None:
    """Warn of rows that look like the pixels of square images, which get a dense network."""
    side = math.isqrt(X.shape[1])
    if side < LEAST_SIDE or side**2 != X.shape[1] or X.min() < 0 or X.max() > 255:
        return
    checks.warn(
        f"X has rows of {X.shape[1]} features, for which this is a dense network; if they are the "
        f"pixels of images, input_shape=({side}, {side}, 1) makes it a convolutional one; if not, "
        "say so by layers=[cnn.Dense(16, activation_function='tanh')], which it takes now"
    )


def _columns(inputs: Array) -> Array:
    """Return inputs (N, …) as columns of one scale: the features of rows, one of all pixels."""
    return inputs if inputs.ndim == 2 else inputs.reshape(-1, 1).astype(np.float32, copy=False)


def _scaler(columns: Array, sample_weight: Array | None) -> StandardScaler:
    """Return what standardises columns (N, features), or (N * pixels, 1), of weighted samples."""
    if sample_weight is None or (sample_weight == sample_weight[0]).all():
        return StandardScaler().fit(columns)
    each = np.repeat(sample_weight, len(columns) // len(sample_weight))
    return StandardScaler().fit(columns, sample_weight=each)


def _say_rounding(scaler: StandardScaler, name: str) -> None:
    """Warn of columns whose differences a network without the scaler loses: it is of float32."""
    lost = np.abs(scaler.mean_) * np.finfo(np.float32).eps / scaler.scale_
    worst = int(lost.argmax())
    if lost[worst] > LOST:
        checks.warn(
            f"{name} has numbers of about {scaler.mean_[worst]:.4g} that differ by "
            f"{scaler.scale_[worst]:.2g}, which float32 rounds: a network that takes and gives "
            "them as they are differs from the estimator; subtract an offset before fit"
        )


def _joined(earlier: History | None, later: History) -> History:
    """Return the course of two runs as one, without the data that the later one validates on."""
    history = copy.copy(later)
    if earlier is None:
        return history
    first, then = earlier.to_dict(), later.to_dict()
    for name in ("generation", "evaluations", "seconds"):
        before = first[name][-1] if len(earlier) else 0
        then[name] = [before + value for value in then[name]]
    unknown = [math.nan] * len(earlier)
    columns = {name: first.get(name, unknown) + then[name] for name in then}
    history.restore({"rows": Growing("history.jsonl", columns)})
    return history
