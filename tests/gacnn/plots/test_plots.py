"""The pictures: what is in them, how they look, and the tables of notebooks.

`python tests/gacnn/plots/test_plots.py` draws the reference pictures in images/ anew.
"""

import re
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import cnn
import gacnn
from gacnn import plots
from gacnn.plots.occlusion import occlusion_map
from gacnn.training.plan import described
from gacnn.types import Growing

IMAGES = Path(__file__).parent / "images"
TOLERANCE = 12


@pytest.fixture(autouse=True)
def _default_style():
    style = pytest.importorskip("matplotlib.style")
    with style.context("default"):
        yield


def axes(width=3, height=2):
    """Axes of a figure that pyplot knows nothing of."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=50).subplots()


def history(generations, *, seed=0, noise=0.0, validation=False, start=-2.0):
    """A history of a made-up run that rises to 0."""
    rng = np.random.default_rng(seed)
    steps = np.arange(1, generations + 1)
    best = start * np.exp(-steps / generations * 5) + noise * rng.normal(size=generations)
    columns = {
        "generation": steps,
        "best": best,
        "mean": best - 0.2,
        "std": np.full(generations, 0.1),
        "diversity": 1 / steps,
        "evaluations": 10 * steps,
        "seconds": steps / 4,
    }
    made = gacnn.History(validation=float if validation else None)
    if validation:
        columns["validation"] = best - 0.1
    made.restore({"rows": Growing("history.jsonl", {n: c.tolist() for n, c in columns.items()})})
    return made


def network(channels=1):
    return cnn.Model(
        [
            cnn.Input2D((8, 8, channels)),
            cnn.Conv2D(4, 3, activation_function="relu"),
            cnn.MaxPooling2D(2, stride=2),
            cnn.Conv2D(5, 2),
            cnn.Flatten(),
            cnn.Dense(3, activation_function="softmax"),
        ],
        random_seed=0,
    )


def digits_like(number=12, channels=1):
    return np.random.default_rng(0).random((number, 8, 8, channels))


def drawn(ax):
    """The one image of a sheet, (height, width) or (height, width, 4)."""
    (image,) = ax.images
    return np.ma.filled(image.get_array().astype(float), np.nan)


def tiles(sheet):
    """The pictures of a sheet, found by the gaps, in reading order."""
    if sheet.ndim == 3:
        sheet = np.where(sheet[..., 3:] == 1, sheet[..., :3], np.nan)
    full = ~np.isnan(sheet if sheet.ndim == 2 else sheet[..., 0])

    def runs(mask):
        edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
        return [slice(start, end) for start, end in edges.reshape(-1, 2)]

    rows, columns = runs(full.any(axis=1)), runs(full.any(axis=0))
    return [sheet[row, column] for row in rows for column in columns if full[row, column].all()]


def shrunk(tile, height, width):
    """A tile with each pixel once, after checking that it is a magnified one."""
    zoom = len(tile) // height
    small = tile[::zoom, ::zoom]
    assert small.shape[:2] == (height, width)
    np.testing.assert_array_equal(small.repeat(zoom, 0).repeat(zoom, 1), tile)
    return small


def many(classes=40):
    """Labels and predictions of many classes with long names."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, classes, 2000)
    said = np.where(rng.random(2000) < 0.7, true, rng.integers(0, classes, 2000))
    return true, said, [f"a rather long name of class {number}" for number in range(classes)]


def texts(ax):
    return [text.get_text() for text in ax.texts]


def labels(ax):
    return ax.get_legend_handles_labels()[1]


# How they look

PICTURES = {
    "fitness": lambda ax: plots.fitness(history(500, noise=0.05, validation=True), ax),
    "fitness_short": lambda ax: plots.fitness(history(20), ax),
    "fitness_runs": lambda ax: plots.fitness(
        {"one": history(60, validation=True), "other": history(90, start=-1, validation=True)}, ax
    ),
    "fitness_repeated": lambda ax: plots.fitness(
        [history(60, seed=seed, noise=0.1) for seed in range(5)], ax, x="seconds"
    ),
    "diversity": lambda ax: plots.diversity([history(30), history(9)], ax, x="seconds"),
    "filters": lambda ax: plots.filters(network(), ax=ax),
    "filters_rgb": lambda ax: plots.filters(network(3), ax=ax),
    "filters_deep": lambda ax: plots.filters(network(), 1, ax),
    "feature_maps": lambda ax: plots.feature_maps(network(), digits_like()[0], 0, ax),
    "confusion_matrix": lambda ax: plots.confusion_matrix(
        [0, 0, 0, 0, 1, 1, 2], [0, 0, 0, 1, 1, 2, 2], ["a", "b", "c"], ax=ax
    ),
    "confusion_many": lambda ax: plots.confusion_matrix(*many(), ax=ax),
    "occlusion": lambda ax: plots.occlusion(network(), digits_like()[0], 1, ax=ax),
    "wrong_predictions": lambda ax: plots.wrong_predictions(
        digits_like(), np.arange(12) % 3, np.zeros(12, int), ax=ax
    ),
    "pareto_front": lambda ax: plots.pareto_front(
        np.random.default_rng(0).normal(size=(40, 2)), ax=ax
    ),
}


def save(name, path):
    """Draw a picture without its words, which look different on every machine."""
    from matplotlib.text import Text

    ax = PICTURES[name](axes())
    if ax.get_legend():
        ax.get_legend().remove()
    for text in ax.figure.findobj(Text):
        text.set_visible(False)
    ax.figure.savefig(path)


@pytest.mark.parametrize("name", PICTURES)
def test_looks_as_it_did(name, tmp_path):
    compare = pytest.importorskip("matplotlib.testing.compare")
    if sys.modules["matplotlib"].__version_info__ < (3, 10):
        pytest.skip("another version of Matplotlib has drawn the pictures")
    save(name, tmp_path / "drawn.png")
    (tmp_path / "expected.png").write_bytes((IMAGES / f"{name}.png").read_bytes())
    difference = compare.compare_images(
        tmp_path / "expected.png", tmp_path / "drawn.png", tol=TOLERANCE
    )
    assert difference is None


def test_every_two_pictures_differ_by_more_than_the_tolerance(tmp_path):
    compare = pytest.importorskip("matplotlib.testing.compare")
    assert {path.stem for path in IMAGES.glob("*.png")} == set(PICTURES)
    for name, other in zip(PICTURES, [*PICTURES][1:], strict=False):
        paths = [tmp_path / f"{each}.png" for each in (name, other)]
        for path in paths:
            path.write_bytes((IMAGES / path.name).read_bytes())
        assert compare.compare_images(*paths, tol=TOLERANCE) is not None, (name, other)


@pytest.mark.parametrize("name", PICTURES)
def test_draws_into_the_axes_given_and_makes_no_figure(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    ax = axes()
    before = pyplot.get_fignums()
    assert PICTURES[name](ax) is ax
    assert pyplot.get_fignums() == before
    assert [each for each in ax.figure.axes if each.get_label() != "<colorbar>"] == [ax]


@pytest.mark.parametrize("name", PICTURES)
def test_makes_a_figure_if_none_is_given(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    before = pyplot.get_fignums()
    ax = PICTURES[name](None)
    try:
        assert len(pyplot.get_fignums()) == len(before) + 1
        assert ax.figure is pyplot.gcf()
        ax.figure.canvas.draw()
    finally:
        pyplot.close(ax.figure)


# Fitness and diversity


def test_one_run():
    run = history(20, validation=True)
    ax = plots.fitness(run, axes())
    assert labels(ax) == ["best", "mean ± standard deviation", "on validation data"]
    for line, column in zip(ax.lines, ("best", "mean", "validation"), strict=True):
        np.testing.assert_array_equal(line.get_xdata(), run["generation"])
        np.testing.assert_array_equal(line.get_ydata(), run[column])
    (band,) = ax.collections
    np.testing.assert_allclose(band.get_datalim(ax.transData).y0, min(run["mean"]) - 0.1)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("generation", "fitness")


@pytest.mark.parametrize(
    ("x", "text"), [("evaluations", "networks evaluated"), ("seconds", "seconds")]
)
def test_other_x(x, text):
    run = history(20)
    for draw in (plots.fitness, plots.diversity):
        ax = draw(run, axes(), x=x)
        np.testing.assert_array_equal(ax.lines[0].get_xdata(), run[x])
        assert ax.get_xlabel() == text


def test_long_runs_are_smoothed_over_their_raw_values():
    run = history(1000, noise=0.2)
    smooth, raw, _ = plots.fitness(run, axes()).lines
    np.testing.assert_array_equal(raw.get_ydata(), run["best"])
    assert raw.get_alpha() < 0.5
    truth = -2 * np.exp(-smooth.get_xdata() / 1000 * 5)
    errors = abs(smooth.get_ydata() - truth)[20:]  # without the first few, which stay raw
    assert errors.max() < 0.25 < 0.5 < abs(np.diff(raw.get_ydata())).max()
    (line, *_) = plots.fitness(run, axes(), smooth=1).lines
    np.testing.assert_array_equal(line.get_ydata(), run["best"])


def test_running_median_by_hand():
    run = history(9, noise=1)
    best = run["best"]
    line = plots.fitness(run, axes(), smooth=4).lines[0]  # two before, two after
    expected = [best[0], np.median(best[:3])]
    expected += [np.median(best[i - 2 : i + 3]) for i in range(2, 9)]
    np.testing.assert_allclose(line.get_ydata(), expected)


def test_limits_fit_the_curves():
    low, high = plots.fitness(history(50), axes()).get_ylim()  # all of it, however it began
    assert low < -2
    assert 0 < high < 0.2
    run = history(50)
    run["best"][:] = list(np.linspace(0.6, 0.7, 50))
    run["mean"][:] = list(np.linspace(0.5, 0.6, 50))
    low, high = plots.fitness(run, axes()).get_ylim()  # nowhere near 0
    assert (low, high) == pytest.approx((0.49, 0.71))


def test_a_steep_beginning_is_cut_off_and_all_else_is_seen():
    run = history(100)
    run["best"][:] = [-1000.0] + [-1.0] * 98 + [-0.5]
    run["mean"][:] = [-1000.0] + [-1.5] * 99
    low, high = plots.fitness(run, axes(), smooth=1).get_ylim()
    assert -1.7 < low < -1.5
    assert -0.5 < high < -0.4


def test_constant_and_infinite_fitness():
    run = history(5)
    for name in ("best", "mean"):
        run[name][:] = [1.0] * 5
    low, high = plots.fitness(run, axes()).get_ylim()
    assert low < 1 < high
    for name in ("best", "mean", "std"):
        run[name][:] = [-np.inf] * 5 if name == "best" else [np.nan] * 5
    plots.fitness([run, run], axes()).figure.canvas.draw()
    plots.fitness(run, axes(), smooth=3).figure.canvas.draw()


def test_several_runs_have_a_colour_each():
    runs = {"one": history(20, validation=True), "other": history(30, validation=True)}
    ax = plots.fitness(runs, axes())
    assert labels(ax) == ["one", "other"]
    one, one_validation, other, other_validation = (line.get_color() for line in ax.lines)
    assert one == one_validation != other == other_validation
    assert [line.get_linestyle() for line in ax.lines] == ["-", "--", "-", "--"]
    explanation = ax.get_legend().get_title().get_text()
    assert explanation == "line: best\ndashed: on validation data\nband: mean ± standard deviation"


def test_a_label_adds_a_run_to_the_same_axes():
    together, apart = axes(), axes()
    plots.fitness({"one": history(20, start=-3), "other": history(30)}, together)
    plots.fitness(history(20, start=-3), apart, "one")
    plots.fitness(history(30), apart, "other")
    assert labels(apart) == labels(together)
    for line, same in zip(apart.lines, together.lines, strict=True):
        np.testing.assert_array_equal(line.get_xydata(), same.get_xydata())
        assert line.get_color() == same.get_color()
    assert apart.get_ylim() == pytest.approx(together.get_ylim(), abs=0.01)


def test_repeated_runs_are_their_median_and_quartiles():
    runs = [history(20, seed=seed, noise=0.3) for seed in range(5)]
    ax = plots.fitness(runs, axes())
    best = np.array([run["best"] for run in runs])
    np.testing.assert_allclose(ax.lines[0].get_ydata(), np.median(best, axis=0))
    (band,) = ax.collections
    box = band.get_datalim(ax.transData)
    low, high = np.quantile(best, (0.25, 0.75), axis=0)
    assert (box.y0, box.y1) == pytest.approx((low.min(), high.max()))
    assert labels(ax) == ["best: median and quartiles of 5 runs"]
    title = plots.fitness({"kind": runs}, axes()).get_legend().get_title().get_text()
    assert title == "line: median of the best\nband: quartiles"


def test_repeated_runs_end_with_the_shortest():
    line = plots.fitness([history(20), history(30)], axes()).lines[0]
    np.testing.assert_allclose(line.get_xdata(), np.arange(1, 21))
    both = [np.interp(7, np.arange(1, n + 1), history(n)["best"]) for n in (20, 30)]
    assert line.get_ydata()[6] == pytest.approx(np.mean(both))


def test_runs_that_do_not_overlap_have_no_common_curve():
    early, late = history(3), history(3)
    late["seconds"] = [value + 1000 for value in late["seconds"]]
    with pytest.raises(ValueError, match="runs must overlap"):
        plots.fitness([early, late], axes(), x="seconds")


def test_diversity():
    run = history(20)
    ax = plots.diversity(run, axes())
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), run["diversity"])
    assert ax.get_ylim()[0] == 0
    assert ax.get_legend() is None
    assert labels(plots.diversity({"one": run, "other": run}, axes())) == ["one", "other"]


# Filters, feature maps


def test_filters_are_all_there_on_one_scale():
    model = network()
    ax = plots.filters(model, ax=axes())
    weights = model.layers[1].trained_weights[..., 0]
    found = [shrunk(tile, 3, 3) for tile in tiles(drawn(ax))]
    np.testing.assert_array_equal(found, weights)
    assert ax.images[0].get_clim() == (-abs(weights).max(), abs(weights).max())
    assert ax.get_title() == "4 filters of 3 x 3"


def test_filters_over_three_channels_are_colours():
    model = network(3)
    model.layers[1].trained_weights[0] = 0
    weights = model.layers[1].trained_weights
    found = [shrunk(tile, 3, 3) for tile in tiles(drawn(plots.filters(model, ax=axes())))]
    np.testing.assert_allclose(found, 0.5 + weights / (2 * abs(weights).max()))
    assert (found[0] == 0.5).all()


def test_filters_over_many_channels_are_rows():
    model = network()
    conv = model.layers[3]
    ax = plots.filters(model, conv, axes())
    found = [shrunk(tile, 2, 2) for tile in tiles(drawn(ax))]
    expected = [conv.trained_weights[f, :, :, c] for f in range(5) for c in range(4)]
    np.testing.assert_array_equal(found, expected)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("4 channels", "5 filters")
    for number in (1, -1):
        np.testing.assert_array_equal(drawn(plots.filters(model, number, axes())), drawn(ax))


def test_filters_of_zeros():
    model = network()
    model.weights = np.zeros(model.num_weights)
    assert plots.filters(model, ax=axes()).images[0].get_clim() == (-1, 1)


@pytest.mark.parametrize("layer", [0, 2, 1])
def test_feature_maps(layer):
    model, image = network(), digits_like()[0]
    taken = model.layers[layer]
    ax = plots.feature_maps(model, image, taken, axes())
    height, width, channels = taken.layer_output_size
    maps = [shrunk(tile, height, width) for tile in tiles(drawn(ax))]
    model.feed_sample(image)
    expected = image if layer == 0 else taken.layer_output
    np.testing.assert_array_equal(np.stack(maps, axis=2), expected)
    maps = "1 map" if channels == 1 else f"{channels} maps"
    assert ax.get_title() == f"{maps} of {height} x {width}, {type(taken).__name__}"


def test_feature_maps_are_those_of_the_last_convolution_by_default():
    ax = plots.feature_maps(network(), digits_like()[0], ax=axes())
    assert ax.get_title() == "5 maps of 2 x 2, Conv2D"


# Predictions


def test_confusion_matrix():
    rng = np.random.default_rng(0)
    y_true, y_pred = rng.integers(0, 4, (2, 200))
    y_true[y_true == 3] = 0  # a class that only is predicted
    counts = [[np.sum((y_true == i) & (y_pred == j)) for j in range(4)] for i in range(4)]
    ax = plots.confusion_matrix(y_true, y_pred, ax=axes(5, 5))
    places = {text.get_position(): text.get_text() for text in ax.texts}
    assert places == {(j, i): str(counts[i][j]) for i in range(3) for j in range(4)}
    shares = np.divide(counts, np.maximum(1, np.sum(counts, axis=1, keepdims=True)))
    np.testing.assert_allclose(drawn(ax), np.sqrt(shares))
    ax = plots.confusion_matrix(y_true, y_pred, normalize=True, ax=axes(5, 5))
    assert texts(ax) == [f"{share:.2f}" for share in shares[:3].ravel()]


def test_confusion_matrix_names():
    def ticks(*arguments):
        ax = plots.confusion_matrix(*arguments, ax=axes())
        shown = [
            [tick.get_text() for tick in axis.get_ticklabels()] for axis in (ax.xaxis, ax.yaxis)
        ]
        assert shown[0] == shown[1]
        return shown[0]

    assert ticks([0, 1], [1, 3]) == ["0", "1", "3"]
    assert ticks(["dog", "cat"], ["cat", "cat"]) == ["cat", "dog"]
    assert ticks([0, 1], [1, 1], ["cat", "dog", "eel"]) == ["cat", "dog", "eel"]


def test_many_classes_without_unreadable_counts():
    assert texts(plots.confusion_matrix(range(100), range(100), ax=axes())) == []


def test_many_classes_of_long_names_are_legible():
    ax = plots.confusion_matrix(*many())
    ax.figure.canvas.draw()
    boxes = [label.get_window_extent() for label in ax.get_yticklabels()]
    assert all(upper.y0 >= lower.y1 - 1 for upper, lower in pairwise(boxes))
    assert min(box.x0 for box in boxes) > 0
    assert ax.get_yticklabels()[0].get_text() == "a rather long name of c…"
    sizes = {text.get_fontsize() for text in ax.texts}
    assert len(ax.texts) > 400
    assert min(sizes) >= 6


def test_a_thousand_classes_fit_a_picture():
    names = [f"{number}" for number in range(2000)]
    ax = plots.confusion_matrix([0, 1999], [1, 1999], names)
    assert max(ax.figure.get_size_inches()) < 32
    shown = [label.get_text() for label in ax.get_yticklabels()]
    assert shown == names[::8]
    assert ax.get_yticks().tolist() == list(range(0, 2000, 8))


def test_occlusion_map_by_hand():
    model, image = network(), digits_like()[0].astype(np.float32)
    lost = occlusion_map(model, image, 1, 3)
    before = model.predict_proba(image[None])[0, 1]
    expected = np.zeros((8, 8, 2))
    for top in range(6):
        for left in range(6):
            covered = image.copy()
            covered[top : top + 3, left : left + 3] = image.mean()
            change = before - model.predict_proba(covered[None])[0, 1]
            expected[top : top + 3, left : left + 3] += change, 1
    np.testing.assert_allclose(lost, expected[..., 0] / expected[..., 1], atol=1e-5)


def test_occlusion_finds_what_a_network_looks_at():
    model = cnn.Model([cnn.Input2D((8, 8)), cnn.Flatten(), cnn.Dense(2)])
    weights = np.zeros((64, 2))
    weights[:4, 1] = 5  # pixels of the upper left corner speak for class 1
    model.weights = np.concatenate([weights.ravel(), [0, 0]])
    image = np.zeros((8, 8, 1), np.float32)
    image[0, :4] = 1
    lost = occlusion_map(model, image, 1, 2)
    assert np.unravel_index(lost.argmax(), lost.shape)[0] <= 1
    assert not lost[3:].any()


@pytest.mark.parametrize("channels", [1, 3])
def test_wrong_predictions(channels):
    X = (255 * digits_like(channels=channels)).astype(np.uint8)
    y_true, y_pred = np.arange(12) % 3, np.zeros(12, int)
    ax = plots.wrong_predictions(X, y_true, y_pred, ["a", "b", "c"], 5, axes(4, 4))
    assert texts(ax) == ["b → a", "c → a", "b → a", "c → a", "b → a"]
    assert ax.get_title() == "8 of 12 are wrong"
    wrong = X[[1, 2, 4, 5, 7]].astype(float)
    expected = (wrong - wrong.min()) / (wrong.max() - wrong.min())
    found = [shrunk(tile, 8, 8) for tile in tiles(drawn(ax))]
    np.testing.assert_allclose(found, expected if channels == 3 else expected[..., 0])


def test_nothing_wrong():
    ax = plots.wrong_predictions(digits_like(), np.zeros(12), np.zeros(12), ax=axes())
    assert (len(ax.images), ax.get_title()) == (0, "0 of 12 are wrong")


# Fronts


def dominated(solutions):
    return [
        any((other >= one).all() and (other > one).any() for other in solutions)
        for one in solutions
    ]


def test_pareto_front():
    solutions = np.random.default_rng(0).normal(size=(40, 2))
    ax = plots.pareto_front(solutions, ("accuracy", "speed"), axes())
    every, front = ax.lines
    np.testing.assert_array_equal(every.get_xydata(), solutions)
    expected = solutions[~np.array(dominated(solutions))]
    np.testing.assert_array_equal(front.get_xydata(), expected[np.argsort(expected[:, 0])])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("accuracy", "speed")


def test_pareto_front_leaves_out_infinities():
    ax = plots.pareto_front([[-np.inf, 1], [0, 0]], ax=axes())
    np.testing.assert_array_equal(ax.lines[1].get_xydata(), [[0, 0]])


# Methods, errors


@pytest.fixture(scope="module")
def trained():
    y = np.arange(12) % 3
    settings = {"num_generations": 3, "validation": None, "verbose": False}
    population = gacnn.GACNN(network(), num_solutions=6, random_seed=0)
    one = population.train(digits_like(), y, **settings)
    two = population.train(digits_like(), y, metric=["accuracy", "cross_entropy"], **settings)
    return one, two


def test_plot_methods(trained):
    one, two = trained
    run = one.history
    for ax in (
        run.plot(),
        one.plot(),
        run.plot(axes(), x="seconds"),
        one.plot(axes(), x="seconds"),
    ):
        np.testing.assert_array_equal(ax.lines[0].get_ydata(), run["best"])
    front = two.plot(axes(), labels=("accuracy", "minus loss"))
    assert front.get_ylabel() == "minus loss"
    np.testing.assert_array_equal(front.lines[0].get_xydata(), two.ga.last_generation_fitness)
    np.testing.assert_array_equal(
        plots.pareto_front(two.ga, ax=axes()).lines[0].get_xydata(), front.lines[0].get_xydata()
    )
    pytest.importorskip("matplotlib.pyplot").close("all")
    with pytest.raises(
        ValueError, match=r"draws one objective, but 'best' .* has 2; .*pareto_front"
    ):
        two.history.plot()


Y = np.zeros(12, int)
REFUSED = {
    "an empty history": (lambda: plots.fitness(gacnn.History()), "history is empty; run"),
    "an empty one of several": (
        lambda: plots.diversity({"a": [history(3), gacnn.History()]}),
        r"history\['a'\]\[1\] is empty",
    ),
    "no runs": (lambda: plots.fitness([]), "history is an empty list"),
    "no names": (lambda: plots.fitness({}), "history is an empty mapping"),
    "a label too many": (lambda: plots.fitness({"a": history(3)}, label="b"), "label .*'b'"),
    "x": (lambda: plots.fitness(history(3), x="epochs"), "x must be one of 'generation'.*'epochs'"),
    "smooth": (lambda: plots.fitness(history(3), smooth=0), "smooth must be at least 1, not 0"),
    "no convolution": (
        lambda: plots.filters(cnn.Model([cnn.Input1D(3), cnn.Dense(2)])),
        "model has no Conv2D; give",
    ),
    "number of a layer": (lambda: plots.filters(network(), 2), "from -2 to 1.*, not 2"),
    "negative number": (lambda: plots.filters(network(), -3), "layer must be at least -2, not -3"),
    "another's layer": (
        lambda: plots.filters(network(), network().layers[1]),
        "layer Conv2D.* is not in the model; take one of model.layers",
    ),
    "filters of pooling": (
        lambda: (model := network()) and plots.filters(model, model.layers[2]),
        "layer must be a Conv2D.*not MaxPooling2D",
    ),
    "maps of a flat layer": (
        lambda: (
            (model := network()) and plots.feature_maps(model, digits_like()[0], model.layers[4])
        ),
        "layer must give maps, but Flatten.* gives 20 flat values",
    ),
    "a batch to cover": (
        lambda: plots.occlusion(network(), digits_like()),
        r"image must have .* give one image, not a batch",
    ),
    "a batch": (lambda: plots.feature_maps(network(), digits_like()), "image must have the shape"),
    "lengths": (
        lambda: plots.confusion_matrix([0, 1], [0]),
        r"y_true and y_pred .*\(2,\) and \(1,\)",
    ),
    "one-hot": (lambda: plots.confusion_matrix(np.eye(3), np.eye(3)), "take argmax"),
    "no labels": (lambda: plots.confusion_matrix([], []), r"not \(0,\) and"),
    "unnamed": (
        lambda: plots.confusion_matrix([0, 1], [0, 7], ["a", "b"]),
        "y_pred must hold whole numbers from 0 to 1, because class_names has 2 names, not 7",
    ),
    "flat images": (lambda: plots.wrong_predictions(np.ones((12, 8, 8)), Y, Y), r"X\[\.\.\., None"),
    "fewer images": (lambda: plots.wrong_predictions(digits_like(5), Y, Y), r"\(12, any.*\(5, 8"),
    "two channels": (
        lambda: plots.wrong_predictions(digits_like(channels=2), Y, Y),
        "X must have 1 or 3 channels to be drawn, not 2",
    ),
    "no images to show": (
        lambda: plots.wrong_predictions(digits_like(), Y, Y, max_images=0),
        "max_images must be at least 1",
    ),
    "three objectives": (
        lambda: plots.pareto_front(np.ones((5, 3))),
        r"fitness must .* not \(5, 3\); of more choose two: fitness\[:, \[0, 1\]\]",
    ),
    "one objective": (lambda: plots.pareto_front(np.ones(5)), r"two objectives, not \(5,\)"),
    "no finite solution": (lambda: plots.pareto_front([[np.nan, 1]]), "no solution with finite"),
    "labels": (lambda: plots.pareto_front(np.ones((5, 2)), ["a"]), r"labels must be two.*\['a'\]"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_errors_say_the_cure_and_leave_no_figure(case):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    call, message = REFUSED[case]
    before = pyplot.get_fignums()
    with pytest.raises(ValueError, match=message):
        call()
    assert pyplot.get_fignums() == before


def test_wrong_types(trained):
    with pytest.raises(TypeError, match=r"must be a gacnn\.History.*not Result; .* its history"):
        plots.fitness(trained[0])
    with pytest.raises(TypeError, match=r"model must be a cnn\.Model, not Result"):
        plots.filters(trained[0])
    with pytest.raises(TypeError, match="layer must be an integer"):
        plots.filters(network(), "first")
    with pytest.raises(TypeError, match=r"ax must be Matplotlib Axes, one .* not ndarray"):
        plots.fitness(history(3), np.array([axes()]))


def test_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"pip install 'gacnn\[plot\]'"):
        history(3).plot()


# Tables


class _Cells(HTMLParser):
    """Collects the text of the rows of a table, and checks that the tags are closed in order."""

    def __init__(self, text):
        super().__init__()
        self.rows, self._open = [], []
        self.feed(text)
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        assert self._open[-1] in ("td", "th")
        self.rows[-1][-1] += data


def cells(shown):
    return _Cells(shown._repr_html_()).rows


def test_model_as_a_table():
    rows = cells(network())
    assert rows[0] == ["Layer", "Output shape", "Weights", "Multiplications"]
    assert rows[2] == ["Conv2D", "(6, 6, 4)", "40", "1,296"]
    assert rows[-1][:3] == ["Total", "", f"{network().num_weights:,}"]
    lines = str(network()).splitlines()
    assert [line.split() for line in lines if "-" not in line] == [
        " ".join(row).split() for row in rows
    ]


def test_history_as_a_table():
    run = history(1000, validation=True)
    rows = cells(run)
    assert rows[0] == list(run)
    assert len(rows) == 13
    assert (rows[1][0], rows[-1][0], rows[-1][5]) == ("1", "1,000", "10,000")
    assert len({*np.diff([int(row[0].replace(",", "")) for row in rows[1:]])}) <= 2
    assert [line.split() for line in str(run).splitlines() if "--" not in line] == rows
    assert repr(run) == f"<History: 1,000 generations, best {run['best'][-1]:.4g}>"


def test_history_that_is_empty():
    empty = gacnn.History()
    assert cells(empty) == [list(empty)]
    assert repr(empty) == "<History: 0 generations>"
    assert str(empty).split()[0] == "generation"


def test_history_of_several_objectives_as_a_table(trained):
    run = trained[1].history
    best = " / ".join(f"{value:.4g}" for value in run["best"][-1])
    assert cells(run)[-1][1] == best
    assert best in repr(run)


def test_result_and_plan_as_tables(trained):
    for result in trained:
        facts = dict(cells(result))
        assert facts["score"] == " / ".join(f"{each:.4g}" for each in np.atleast_1d(result.score))
        assert facts["validation score"] == "none"
        assert facts["image evaluations"] == f"{result.image_evaluations:,}"
        assert facts["weights"] == str(result.model.num_weights)
        assert facts["parent_selection_type"] == described(
            result.plan.settings["parent_selection_type"]
        )
        assert repr(result).startswith(f"<Result: score {facts['score']}, ")
        assert len(repr(result)) < 200
    plan = dict(cells(trained[0].plan))
    assert plan["networks"] == f"6 of {trained[0].model.num_weights} weights"
    assert plan["generations"] == "3"


def test_plan_of_a_time_limit():
    population = gacnn.GACNN(network(), num_solutions=6, random_seed=0)
    plan = dict(cells(population.plan(digits_like(), np.arange(12) % 3, time_limit=5)))
    assert plan["generations"] == "as many as 5 seconds allow"
    assert re.fullmatch(
        r"about [\d,]+ generations, about .* image evaluations, about 5 seconds", plan["estimate"]
    )


def test_html_is_escaped():
    from cnn import tables

    text = tables.as_html(["<a>"], [["b & 'c'"]])
    assert "<a>" not in text
    assert "&lt;a&gt;" in text
    assert _Cells(text).rows == [["<a>"], ["b & 'c'"]]


if __name__ == "__main__":
    from matplotlib import style

    IMAGES.mkdir(exist_ok=True)
    with style.context("default"):
        for each in PICTURES:
            save(each, IMAGES / f"{each}.png")


def test_class_names_are_no_mathematics():
    names = ["$a", "b$_"]
    ax = plots.confusion_matrix([0, 1, 1], [0, 1, 0], names)
    ax.figure.canvas.draw()
    ax = plots.wrong_predictions(np.zeros((3, 4, 4, 1)), [0, 1, 1], [0, 1, 0], names)
    ax.figure.canvas.draw()
    assert "b$_ → $a" in [text.get_text() for text in ax.texts]


@pytest.mark.parametrize("name", ["price in $", "$x^$", "_hidden", "{", r"\alpha_"])
def test_names_of_runs_and_objectives_are_shown_as_they_are(name):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    for draw in (gacnn.plots.fitness, gacnn.plots.diversity):
        for ax in (draw({name: history(3), "other": history(3)}), draw(history(3), label=name)):
            ax.figure.canvas.draw()
            assert name in [text.get_text() for text in ax.get_legend().get_texts()]
    ax = gacnn.plots.pareto_front(np.eye(2), (name, "other"))
    ax.figure.canvas.draw()
    assert ax.get_xlabel() == name
    pyplot.close("all")
