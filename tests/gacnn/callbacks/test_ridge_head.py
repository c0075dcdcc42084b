"""The last layer solved: the same as the normal equations, shared, and bit for bit in a resume."""

import numpy as np
import pytest

import cnn
import gacnn
from gacnn.fitness.ridge import _step, ridge_head, rounded, steepness

RNG = np.random.default_rng(0)
X = RNG.random((80, 6, 6, 1), np.float32)
y = (X[:, :3].mean(axis=(1, 2, 3)) > X[:, 3:].mean(axis=(1, 2, 3))).astype(int)


def model(activation="softmax", *, use_bias=True, outputs=2, first=True):
    layers = [
        cnn.Input2D((6, 6, 1)),
        cnn.Conv2D(3, 3, None, "relu", trainable=first),
        cnn.Flatten(),
        cnn.Dense(outputs, None, activation, use_bias=use_bias),
    ]
    return cnn.Model(layers, random_seed=0)


def features(of):
    return cnn.Model(of.layers[:-1]).forward(X).astype(np.float64)


def normal_equations(F, wanted, weights, alpha, *, use_bias):
    """Weights and bias of weighted ridge regression, the bias as one more, unpunished feature."""
    share = weights / weights.sum()
    mean = share @ F if use_bias else 0
    spread = (share @ np.square(F - mean)).mean()
    A = np.column_stack([F, np.ones(len(F))]) if use_bias else F
    penalty = np.full(A.shape[1], alpha * spread)
    penalty[F.shape[1] :] = 0
    return np.linalg.solve(
        A.T @ (share[:, None] * A) + np.diag(penalty), A.T @ (share[:, None] * wanted)
    )


@pytest.mark.parametrize("use_bias", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
def test_values_are_those_of_the_normal_equations(use_bias, weighted):
    network = model(None, use_bias=use_bias, outputs=3)
    wanted = RNG.normal(size=(80, 3))
    weights = RNG.uniform(0.5, 2, 80) if weighted else None
    head = ridge_head(network, X, wanted, network.weights, 0.1, weights)
    own = np.ones(80) if weights is None else weights
    expected = normal_equations(features(network), wanted, own, 0.1, use_bias=use_bias)
    np.testing.assert_allclose(head.weights, expected[:48], rtol=1e-3, atol=1e-4)
    if use_bias:
        np.testing.assert_allclose(head.bias, expected[48], rtol=1e-3, atol=1e-4)
    else:
        assert head.bias is None


def test_labels_are_one_hot_and_as_steep_as_cross_entropy_wants():
    network = model()
    head = ridge_head(network, X, y, network.weights, 0.1)
    expected = normal_equations(features(network), np.eye(2)[y], np.ones(80), 0.1, use_bias=True)
    factors = head.weights / expected[:48]
    np.testing.assert_allclose(factors, factors.mean(), rtol=1e-2)
    solved = gacnn.with_ridge_head(network, X, y, alpha=0.1)
    best = gacnn.Fitness(network, X, y)(solved.weights[None])
    for factor in (0.8, 1.25):
        other = solved.weights.copy()
        other[-98:] *= factor
        assert gacnn.Fitness(network, X, y)(other[None]) < best


def test_steepness_is_where_the_loss_is_least():
    scores, labels = RNG.normal(size=(200, 3)), RNG.integers(0, 3, 200)
    scores[np.arange(200), labels] += 1
    factors = np.geomspace(0.05, 20, 4000)

    def loss(factor):
        z = factor * scores
        return np.mean(np.log(np.exp(z).sum(axis=1)) - z[np.arange(200), labels])

    best = factors[np.argmin([loss(each) for each in factors])]
    assert steepness(scores, labels, np.ones(200)) == pytest.approx(best, rel=0.01)


def trained(*callbacks, network=None, **options):
    networks = gacnn.GACNN(network or model(), 8, random_seed=0)
    given = {"num_generations": 7, "batch_size": 20, "validation": None, "verbose": False}
    return networks.train(X, y, callbacks=callbacks, **{**given, **options})


def test_all_offspring_share_the_head_that_is_solved_now_and_then():
    heads = []

    def note(ga):
        own = np.unique(ga.population[:, -98:], axis=0)
        assert len(own) == 1
        heads.append(own[0].tolist())

    head = gacnn.RidgeHead(every=3)
    result = trained(head, gacnn.LambdaCallback(on_generation=note))
    assert [heads.index(each) for each in heads] == [0, 0, 0, 3, 3, 3, 6]
    assert head.image_evaluations == 3 * 80
    assert result.image_evaluations == trained().image_evaluations + 3 * 80


def test_a_solved_head_is_better_than_an_evolved_one():
    assert trained(gacnn.RidgeHead(every=3)).score > trained().score


def test_the_features_of_fixed_layers_are_used():
    result = trained(gacnn.RidgeHead(every=2), network=model(first=False))
    assert result.plan.kept_bytes == 80 * 48 * 4
    assert result.score > -0.6


def test_values_are_solved_for_mse():
    head = gacnn.RidgeHead(every=2, alpha=1e-4)
    target = X.mean(axis=(1, 2, 3))
    scores = [
        gacnn.GACNN(model(None, outputs=1), 8, random_seed=0)
        .train(X, target, metric="mse", num_generations=5, callbacks=callbacks, verbose=False)
        .score
        for callbacks in ([head], [])
    ]
    assert scores[0] > 0.1 * scores[1]  # they are below 0


class Stop(gacnn.Callback):
    """Ends a run after four generations."""

    is_part_of_run = False

    def on_generation(self, ga):
        return "stop" if ga.generations_completed == 4 else None


def test_a_run_goes_on_bit_for_bit(tmp_path):
    path = tmp_path / "run"
    trained(gacnn.RidgeHead(every=3), Stop(), checkpoint=path)
    head = gacnn.RidgeHead(every=3)
    again = trained(head, checkpoint=path, resume=True)
    whole = trained(gacnn.RidgeHead(every=3))
    assert again.model.weights.tolist() == whole.model.weights.tolist()
    assert again.image_evaluations == whole.image_evaluations
    assert head.image_evaluations == 3 * 80


def first_heads(**options):
    """The heads of the first population of a run with head="ridge", and its result."""
    heads = []
    note = gacnn.LambdaCallback(
        on_fitness=lambda ga, _: heads.append(ga.population[:, -98:].copy())
    )
    result = trained(note, head="ridge", **options)
    return heads, result


def test_a_head_may_be_solved_to_begin_with_and_evolve_from_there():
    network = model(first=False)
    heads, result = first_heads(network=network)
    solved = gacnn.with_ridge_head(network, X, y).weights
    np.testing.assert_allclose(heads[0].mean(axis=0), solved, rtol=1e-4, atol=1e-5)
    assert len(np.unique(heads[1], axis=0)) == 8
    assert result.image_evaluations == trained(network=network).image_evaluations + 80
    assert result.image_evaluations == result.plan.image_evaluations
    assert "the last layer begins as ridge regression solves it" in str(result.plan)
    assert "begins as ridge regression solves it" in result.plan._repr_html_()


def test_a_run_that_began_with_a_solved_head_goes_on_bit_for_bit(tmp_path):
    path = tmp_path / "run"
    trained(Stop(), checkpoint=path, head="ridge")
    again = trained(checkpoint=path, head="ridge", resume=True)
    whole = trained(head="ridge")
    assert again.model.weights.tolist() == whole.model.weights.tolist()
    assert again.image_evaluations == whole.image_evaluations


def test_auto_solves_the_head_where_that_can_be():
    def begins(**options):
        return gacnn.GACNN(model(), 8).training(X, y, **{"head": "auto", **options}).head

    assert begins() == "ridge"
    assert begins(head="evolved") == "evolved"
    assert begins(gene_space=[-1, 0, 1]) == "evolved"
    assert begins(gene_type=int) == "evolved"
    assert begins(metric=lambda outputs, labels: 0.0) == "evolved"
    with pytest.raises(ValueError, match="head must be one of 'auto', 'evolved', 'ridge'"):
        begins(head="solved")


@pytest.mark.parametrize("space", [{"gene_space": {"low": -1, "high": 1}}, {"gene_type": int}])
def test_genes_that_are_not_free_have_no_solved_head(space):
    with pytest.raises(ValueError, match="any values"):
        trained(head="ridge", **space)
    with pytest.raises(ValueError, match="any values"):
        trained(gacnn.RidgeHead(), **space)


def test_values_of_outputs_are_not_rounded():
    with pytest.raises(ValueError, match='for labels, not for "mse"'):
        gacnn.with_ridge_head(model(None), X, np.eye(2)[y], "mse", values=[-1, 0, 1])


def test_a_solved_head_of_a_finite_gene_space():
    heads, _ = first_heads(gene_space=[-1, 0, 1], network=model(first=False))
    solved = gacnn.with_ridge_head(model(first=False), X, y, values=[-1, 0, 1]).weights
    assert (heads[0] == solved).all()
    assert set(np.unique(solved)) == {-1, 0, 1}
    heads, _ = first_heads(gene_space=[-1, 0, 1])
    assert len(np.unique(heads[0], axis=0)) == 1
    trained(gacnn.RidgeHead(2), gene_space=[-1, 0, 1])


@pytest.mark.parametrize("values", [[1], "ab", [0, np.nan], [[0, 1], [1, 2]]])
def test_values_of_a_head_that_are_none(values):
    with pytest.raises((ValueError, TypeError), match="values"):
        gacnn.with_ridge_head(model(), X, y, values=values)


def errors(found, products, towards):
    """The squared error of how classes differ, with the best factor."""
    found, towards = (each - each.mean(axis=1, keepdims=True) for each in (found, towards))
    length = (found * (products @ found)).sum()
    return -((found * towards).sum() ** 2) / length


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("values", [[-1, 0, 1], [0, 1], [-3, -2, -1, 0, 1, 2, 3]])
def test_rounding_makes_up_for_its_errors(seed, values):
    rng = np.random.default_rng(seed)
    inputs = rng.standard_normal((600, 30))
    features = np.maximum(inputs @ rng.standard_normal((30, 120)), 0)
    wanted = np.eye(4)[(inputs @ rng.standard_normal((30, 4))).argmax(axis=1)]
    products, towards = features.T @ features / 600, features.T @ wanted / 600
    products += 1e-3 * np.trace(products) / 120 * np.eye(120)
    weights = np.linalg.solve(products, towards)
    allowed = np.array(values, float)
    found = rounded(weights, products, towards, allowed)
    assert set(np.unique(found)) <= set(values)
    centred = weights - weights.mean(axis=1, keepdims=True)
    nearest = [
        allowed[np.abs(factor * centred[..., None] / centred.std() - allowed).argmin(axis=-1)]
        for factor in np.geomspace(0.3, 3, 20)
    ]
    plain = min(errors(each, products, towards) for each in nearest if np.ptp(each))
    best = errors(weights, products, towards)
    lost = (errors(found, products, towards) - best) / (plain - best)
    assert 0 <= lost < 0.6


@pytest.mark.parametrize("shift", [-2, 1, 100])
def test_what_is_common_to_all_values_decides_nothing(shift):
    rng = np.random.default_rng(0)
    features, wanted = rng.standard_normal((100, 8)), rng.standard_normal((100, 3))
    products, towards = features.T @ features / 100, features.T @ wanted / 100
    weights = np.linalg.solve(products, towards)
    found, moved = (
        rounded(weights, products, towards, np.array([-1.0, 0, 1]) + each) for each in (0, shift)
    )
    np.testing.assert_array_equal(found, moved - shift)


def test_values_that_are_as_good_do_not_take_turns():
    row = np.array([-1.0, 1, -1, -1, 1, 1, -1, -1, 0])
    slope = np.array(
        [
            *(0.5115956195291923, 0.11368791545093163, 1e-17, 0, 0.5115956195291923),
            *(-0.17053187317639754, 0, -0.17053187317639742, 0.17053187317639742),
        ]
    )
    values = np.array([-1.0, 0, 1])
    step = _step(row, slope, 0.38369671464689425, values, np.array([-0.5, 0.5]))
    assert set(row + step) <= {-1, 0, 1}


@pytest.mark.parametrize("factor", [1e-4, 1, 1e4])
def test_the_size_of_features_does_not_matter_beside_the_bias(factor):
    rng = np.random.default_rng(0)
    labels = np.arange(150) % 3
    inputs = rng.standard_normal((150, 4)) + 3 * np.eye(4)[labels]
    network = cnn.Model([cnn.Input1D(4), cnn.Dense(3, None, "softmax")], random_seed=0)
    scaled = (inputs * factor).astype(np.float32)
    solved = gacnn.with_ridge_head(network, scaled, labels, values=[-1, 0, 1])
    assert solved.score(scaled, labels) > 0.85


@pytest.mark.parametrize("values", [None, [-1, 0, 1]])
@pytest.mark.parametrize("same", [0, 0.3, 1])
def test_features_that_are_all_the_same_have_a_head(same, values):
    network = cnn.Model([cnn.Input1D(6), cnn.Dense(3, None, "softmax")], random_seed=0)
    inputs = np.full((60, 6), same)
    solved = gacnn.with_ridge_head(network, inputs, np.arange(60) % 3, values=values)
    np.testing.assert_allclose(solved.forward(inputs[:1]), 1 / 3, rtol=1e-3)


def test_fine_steps_lose_nothing():
    rng = np.random.default_rng(0)
    features, wanted = rng.standard_normal((100, 8)), rng.standard_normal((100, 3))
    products, towards = features.T @ features / 100, features.T @ wanted / 100
    weights = np.linalg.solve(products, towards)
    found = rounded(weights, products, towards, np.arange(-1000.0, 1001))
    best = errors(weights, products, towards)
    assert errors(found, products, towards) == pytest.approx(best, rel=1e-3)


def test_runs_without_such_a_head_are_refused():
    with pytest.raises(ValueError, match="recombination"):
        trained(gacnn.RidgeHead(), crossover_type="uniform", mutation_type="gaussian")
    with pytest.raises(ValueError, match="linear or with softmax"):
        trained(gacnn.RidgeHead(), network=model("relu"))
    with pytest.raises(ValueError, match="metrics of labels"):
        trained(gacnn.RidgeHead(), metric=lambda outputs, labels: 0.0)
    with pytest.raises(ValueError, match="every must be at least 1"):
        gacnn.RidgeHead(0)
    with pytest.raises(ValueError, match="alpha must be above 0"):
        gacnn.RidgeHead(alpha=0)
