"""Evaluators as users write them: what the genetic algorithm calls, when, and with what default."""

import numpy as np
import pytest

import gacnn


class Sum(gacnn.Evaluator):
    """The least that an evaluator can be."""

    def __init__(self):
        self.calls = []

    def __call__(self, vectors):
        self.calls.append(vectors.copy())
        return vectors.sum(axis=1)


class Picked(Sum):
    """Scores one gene, another in every generation, and says nothing of being scored anew."""

    gene = 0

    def draw(self, rng):
        self.gene = int(rng.integers(6))

    def __call__(self, vectors):
        super().__call__(vectors)
        return vectors[:, self.gene]

    def state(self):
        return {"gene": self.gene}

    def restore(self, state):
        self.gene = state["gene"]


def make(evaluator, **changes):
    population = np.random.default_rng(0).normal(size=(10, 6)).astype(np.float32)
    settings = {
        "num_generations": 5,
        "num_parents_mating": 4,
        "initial_population": population,
        "fitness_func": evaluator,
        "gene_type": np.float32,
        "keep_elitism": 3,
        "random_seed": 1,
        "suppress_warnings": True,
    }
    return gacnn.GA(**{**settings, **changes})


def test_known_solutions_are_not_scored_again():
    evaluator = Sum()
    make(evaluator).run()
    assert [len(call) for call in evaluator.calls] == [10, 7, 7, 7, 7, 7]


def test_what_is_drawn_anew_is_scored_anew_without_saying_so():
    evaluator = Picked()
    ga = make(evaluator)
    ga.run()
    assert Picked.reevaluates
    assert [len(call) for call in evaluator.calls] == [10] * 6
    np.testing.assert_array_equal(ga.last_generation_fitness, ga.population[:, evaluator.gene])


def test_a_class_may_say_that_its_draw_changes_nothing():
    class Counting(Sum):
        reevaluates = False

        def draw(self, rng):
            pytest.fail("nothing is drawn where nothing is scored anew")

    make(Counting()).run()
    assert not Counting.reevaluates


def test_vectors_cannot_be_written_to():
    class Careless(Sum):
        def __call__(self, vectors):
            vectors[...] = 0
            return vectors.sum(axis=1)

    with pytest.raises(ValueError, match="read-only"):
        make(Careless()).run()


def test_a_run_is_wrapped_into_the_session():
    entered = []

    class Held(Sum):
        def session(self):
            entered.append("made")
            return super().session()

        def __call__(self, vectors):
            assert entered
            return super().__call__(vectors)

    make(Held()).run()
    assert entered == ["made"]


def test_the_state_goes_through_a_checkpoint(tmp_path):
    whole = make(Picked(), num_generations=8)
    whole.run()
    make(Picked(), num_generations=4, callbacks=[gacnn.Checkpoint(tmp_path / "run")]).run()
    rest = gacnn.resume(tmp_path / "run", fitness_func=Picked(), num_generations=8)
    rest.run()
    np.testing.assert_array_equal(rest.population, whole.population)
    np.testing.assert_array_equal(rest.last_generation_fitness, whole.last_generation_fitness)
    assert rest.evaluator.gene == whole.evaluator.gene


def test_another_fingerprint_is_another_run(tmp_path):
    class Scaled(Sum):
        def __init__(self, scale):
            super().__init__()
            self.scale = scale

        def fingerprint(self):
            return {"scale": self.scale}

    make(Scaled(1), callbacks=[gacnn.Checkpoint(tmp_path / "run")]).run()
    with pytest.raises(ValueError, match="scale of fitness_func was 1 and is 2"):
        gacnn.resume(tmp_path / "run", fitness_func=Scaled(2))


def test_a_class_without_a_call_says_so():
    class Empty(gacnn.Evaluator):
        pass

    with pytest.raises(NotImplementedError, match="Empty has no __call__"):
        make(Empty()).run()


def test_the_last_population_is_ranked_on_all_there_is():
    class Ranked(Picked):
        def on_all(self, vectors):
            return vectors.sum(axis=1)

    ga = make(Ranked())
    ga.run()
    np.testing.assert_array_equal(ga.last_generation_fitness, ga.population.sum(axis=1))
    np.testing.assert_array_equal(ga.cal_pop_fitness(), ga.population.sum(axis=1))
