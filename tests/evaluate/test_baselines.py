"""Baselines: the same minimum as scikit-learn, chosen on validation, sensible on awkward data."""

from __future__ import annotations

import math
import os
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge

from steepest import rng
from steepest.data.dataset import Dataset, Part, Shape, TargetScale
from steepest.data.table import read_table
from steepest.errors import OptionError, UnknownNameError
from steepest.evaluate.baselines import baseline_names, gradient_boosting, registry, run_baselines
from steepest.evaluate.baselines import regression as regression_baselines
from steepest.evaluate.baselines._linear import Design, LinearSolution, cross_entropy, fit, half_squares
from steepest.evaluate.baselines.gradient_boosting import SMALL, tree_seconds
from steepest.evaluate.metrics import evaluate, metric_names
from steepest.objectives.target import target_of

CARDINALITIES = {"letter": 6, "place": 40}


def _dataset(
    task: str = "classification",
    *,
    classes: int = 3,
    rows: int = 600,
    cardinalities: dict[str, int] | None = None,
    continuous: int = 2,
    seed: int = 0,
) -> Dataset:
    """Return a table whose target depends on every column."""
    sizes = CARDINALITIES if cardinalities is None else cardinalities
    generator = rng.stream(seed, "data", rows)
    outputs = classes if task == "classification" else 1
    effects = [generator.normal(0.0, 1.0, (size, outputs)) for size in sizes.values()]
    slopes = generator.normal(0.0, 1.0, (continuous, outputs))

    def part(n: int) -> Part:
        codes = (
            np.stack([generator.integers(0, s, n) for s in sizes.values()], 1) if sizes else np.zeros((n, 0))
        )
        codes = codes.astype(np.int64)
        values = generator.normal(size=(n, continuous)).astype(np.float32)
        logits = values @ slopes + sum(effect[codes[:, i]] for i, effect in enumerate(effects))
        if task == "classification":
            target = torch.tensor((logits + generator.gumbel(size=logits.shape)).argmax(1))
        else:
            target = torch.tensor(logits[:, 0] + generator.normal(0.0, 0.5, n), dtype=torch.float32)
        return Part((torch.tensor(codes), torch.tensor(values)), target)

    return Dataset(
        name="made",
        target="target",
        train=part(rows),
        validation=part(rows // 3),
        test=part(rows // 3),
        shape=Shape(task, sizes, tuple(f"x{i}" for i in range(continuous)), outputs),
        classes=tuple("abcdefghijklmnop"[:classes]) if task == "classification" else (),
        target_scale=TargetScale(10.0, 3.0) if task == "regression" else TargetScale(),
    )


def _design(part: Part, shape: Shape) -> np.ndarray:
    columns = [
        np.eye(size)[part.inputs[0][:, i].numpy()] for i, size in enumerate(shape.cardinalities.values())
    ]
    return np.concatenate([*columns, part.inputs[1].numpy().astype(np.float64)], axis=1)


LAYOUTS = {
    "both": {},
    "no continuous": {"continuous": 0},
    "no categorical": {"cardinalities": {}},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("c", [0.03, 1.0, 30.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_logistic_regression_finds_scikit_learns_minimum(layout, c, weighted):
    dataset = _dataset(**LAYOUTS[layout])
    target = dataset.train.target.numpy()
    weights = np.array([1.0, 3.0, 0.5])[target] if weighted else np.ones(len(target))
    features = _design(dataset.train, dataset.shape)
    reference = LogisticRegression(C=c, tol=1e-10, max_iter=20_000)
    reference.fit(features, target, sample_weight=weights)
    design = Design.of(dataset.train.inputs, dataset.shape)
    np.testing.assert_array_equal(
        np.concatenate([design.codes.toarray(), design.continuous], axis=1), features
    )
    curvature = np.append(design.squares(weights), weights.sum())[:, None] * np.full(3, 0.2)
    loss, start = cross_entropy(target, weights), LinearSolution(np.zeros((design.columns, 3)), np.zeros(3))

    def objective(logits: np.ndarray, coefficients: np.ndarray) -> float:
        return (loss(logits.copy())[0] + np.square(coefficients).sum() / (2 * c)) / len(target)

    theirs = reference.decision_function(features)
    lowest = objective(theirs, reference.coef_.T)
    quick = fit(design, loss, c, start, curvature)
    assert quick.converged
    assert objective(quick.outputs(design), quick.weights) == pytest.approx(lowest, abs=5e-5)
    exact = fit(design, loss, c, start, curvature, gain=1e-12)
    mine = exact.outputs(design)
    np.testing.assert_allclose(
        mine - mine.mean(axis=1, keepdims=True), theirs - theirs.mean(axis=1, keepdims=True), atol=2e-3
    )


@pytest.mark.parametrize("c", [0.03, 1.0, 30.0])
def test_ridge_finds_scikit_learns_minimum(c):
    dataset = _dataset("regression")
    features, target = _design(dataset.train, dataset.shape), dataset.train.target.double().numpy()
    reference = Ridge(alpha=1 / c, solver="cholesky").fit(features, target)
    design = Design.of(dataset.train.inputs, dataset.shape)
    found = fit(
        design,
        half_squares(target),
        c,
        LinearSolution(np.zeros((design.columns, 1)), np.zeros(1)),
        np.append(design.squares(np.ones(len(target))), len(target))[:, None],
    )
    assert found.converged
    np.testing.assert_allclose(found.outputs(design)[:, 0], reference.predict(features), atol=0.01)


def test_c_is_the_best_of_at_least_five_and_inside():
    [result] = run_baselines(_dataset(), names=["logistic-regression"], seed=0)
    listed = result.settings.partition("among ")[2].partition(";")[0]
    tried = [float(each) for each in listed.split(",")]
    chosen = float(result.settings.removeprefix("C = ").partition(",")[0])
    assert len(tried) >= 5
    assert tried == sorted(tried)
    assert tried[0] < chosen < tried[-1]
    assert result.outcome == "finished"


@pytest.mark.parametrize(("noise", "below"), [(True, 0.01), (False, 0.0)])
def test_the_search_goes_beyond_its_first_value(noise, below):
    """Where the columns say nothing, the best C is far below the value that the search begins at."""
    dataset = _dataset()
    if noise:
        mixed = rng.stream(0, "data", 9).permutation(600)
        dataset = replace(
            dataset, train=Part(dataset.train.inputs, dataset.train.target[torch.tensor(mixed)])
        )
    [result] = run_baselines(dataset, names=["logistic-regression"], seed=0)
    chosen = float(result.settings.removeprefix("C = ").partition(",")[0])
    assert (chosen < 0.01) == (below > 0)


def test_a_fit_that_does_not_converge_is_said(monkeypatch):
    monkeypatch.setattr("steepest.evaluate.baselines._linear.MAX_ITERATIONS", 1)
    [result] = run_baselines(_dataset(), names=["logistic-regression"], seed=0)
    assert result.outcome == "not converged"
    assert "not converged after 1 iterations" in result.settings


TABLES = {
    "three classes": _dataset(),
    "two classes": _dataset(classes=2),
    "regression": _dataset("regression"),
    "many codes": _dataset(cardinalities={"street": 400, "letter": 5}, rows=1500),
    "many codes, regression": _dataset("regression", cardinalities={"street": 400}, rows=1500),
    "no categorical": _dataset(cardinalities={}),
    "no continuous": _dataset(continuous=0),
}


@pytest.mark.parametrize("table", TABLES)
def test_learned_baselines_beat_the_constant_one_without_a_warning(table):
    dataset = TABLES[table]
    metrics = metric_names(dataset.task)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = run_baselines(dataset, seed=0, metrics=metrics)
    assert [each.name for each in results] == baseline_names(dataset)
    constant, *learned = results
    assert len(learned) == 2
    for result in learned:
        assert result.test[metrics[0]] < constant.test[metrics[0]], result.name
        assert result.seconds > 0.0
    for result in results:
        again = evaluate(result.test_outputs, dataset.test.target, target_of(dataset), metrics)
        assert again == result.test
        assert all(math.isfinite(value) for value in [*result.test.values(), *result.validation.values()])
        mean = float(result.test_row_losses.mean())
        expected = result.test[metrics[0]] ** (2 if dataset.task == "regression" else 1)
        assert mean == pytest.approx(expected)
    assert ("target encoding of street" in learned[1].settings) == table.startswith("many")


def test_the_constant_baselines_are_what_they_say():
    dataset = _dataset()
    [result] = run_baselines(dataset, names=["majority"], seed=0, metrics=["accuracy", "log_loss"])
    counts = torch.bincount(dataset.train.target)
    most = int(counts.argmax())
    assert result.test["accuracy"] == pytest.approx(float((dataset.test.target == most).double().mean()))
    assert dataset.classes[most] in result.settings
    values = _dataset("regression")
    [mean] = run_baselines(values, names=["mean"], seed=0, metrics=["rmse"])
    guess = values.train.target.double().mean()
    assert mean.test["rmse"] == pytest.approx(
        3.0 * float((values.test.target.double() - guess).square().mean().sqrt())
    )


def test_a_class_that_training_never_saw_costs_much_but_not_everything():
    dataset = _dataset(classes=4)
    keep = (dataset.train.target != 2).nonzero()[:, 0]
    dataset = replace(dataset, train=dataset.train.take(keep))
    assert bool((dataset.test.target == 2).any())
    for result in run_baselines(dataset, seed=0, metrics=["log_loss"]):
        assert result.test["log_loss"] < 5.0
        assert torch.logsumexp(result.test_outputs, 1).abs().max() < 1e-9
        assert float(result.test_row_losses.max()) < 30.0


def test_gradient_boosting_survives_a_class_with_a_handful_of_rows():
    """Without shrunk leaves the first tree of a rare class makes the loss explode."""
    dataset = _dataset(rows=3000, classes=3)
    generator = rng.stream(1, "data")

    def rare(part: Part) -> Part:
        target = part.target.clone()
        target[torch.tensor(generator.permutation(len(target))[: max(2, len(target) // 700)])] = 3
        return Part(part.inputs, target)

    dataset = replace(
        dataset,
        train=rare(dataset.train),
        validation=rare(dataset.validation),
        test=rare(dataset.test),
        shape=replace(dataset.shape, outputs=4),
        classes=("a", "b", "c", "d"),
    )
    majority, _, boosting = run_baselines(dataset, seed=0, metrics=["log_loss"])
    assert boosting.test["log_loss"] < 0.9 * majority.test["log_loss"]


def test_gradient_boosting_on_noise_is_no_worse_than_the_majority():
    dataset = _dataset(rows=300)
    mixed = torch.tensor(rng.stream(2, "data").permutation(300))
    dataset = replace(dataset, train=Part(dataset.train.inputs, dataset.train.target[mixed]))
    found = {each.name: each for each in run_baselines(dataset, seed=0, metrics=["log_loss"])}
    majority = found["majority"].validation["log_loss"]
    assert found["gradient-boosting"].validation["log_loss"] <= majority + 0.01


def test_class_weights_change_what_is_learned():
    dataset, weights = _dataset(classes=2), torch.tensor([1.0, 8.0])
    names = ["logistic-regression", "gradient-boosting"]
    plain = run_baselines(dataset, names=names, seed=0)
    weighted = run_baselines(dataset, names=names, seed=0, class_weights=weights)
    for before, after in zip(plain, weighted, strict=True):
        assert after.test_outputs.exp()[:, 1].mean() > before.test_outputs.exp()[:, 1].mean() + 0.1


def test_the_same_seed_gives_the_same_results():
    dataset = TABLES["many codes"]
    first, second = (run_baselines(dataset, seed=3) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        assert torch.equal(one.test_outputs, other.test_outputs)


def test_unused_test_rows_change_no_choice():
    """Settings are chosen on validation: other test rows leave the choice as it is."""
    dataset = _dataset()
    other = replace(dataset, test=dataset.test.take(torch.arange(20)))
    for one, two in zip(run_baselines(dataset, seed=0), run_baselines(other, seed=0), strict=True):
        assert one.settings == two.settings
        assert one.validation == two.validation


def test_a_limit_of_work_bounds_the_trees_whatever_the_clock_says():
    """Many classes: so many stages as the limit allows, the rest left out, and the same trees again."""
    dataset = _dataset(classes=16, rows=2000)
    features, budget = len(CARDINALITIES) + 2, 0.05
    stage = 16 * tree_seconds(2000, features, SMALL.max_leaf_nodes)
    first, second = (
        run_baselines(dataset, names=["gradient-boosting"], seed=0, budget=budget)[0] for _ in range(2)
    )
    trees = int(first.settings.partition(" trees")[0])
    assert 1 <= trees <= budget / stage < 20
    assert "5 more left out by the work limit (0.00625 s of one core)" in first.settings
    assert first.cut == "1 of 6 settings tried"
    assert torch.equal(first.test_outputs, second.test_outputs)
    [more] = run_baselines(dataset, names=["gradient-boosting"], seed=0, budget=20.0)
    assert "still improving" not in more.settings
    assert more.test["log_loss"] < first.test["log_loss"]


def _signs(x):
    """Return one of 16 cells by the signs of four numbers: some sixteen leaves know all of it."""
    return (x[:, :4] > 0) @ (1 << np.arange(4))


def _board(x):
    """Return one of 16 cells of a board of 8 × 8 squares: no few leaves know much of it."""
    row, column = (np.floor(np.clip(x[:, :2] + 2, 0, 3.99) * 2).astype(int)).T
    return (3 * row + 5 * column) % 16


SIZED = [
    # the cells, how surely they give the class, the work limit, and what is tried first
    (_signs, 0.15, 20.0, "up to 6 leaves of at least 20 rows, l2 10, 30% of"),
    (_signs, 3.0, 20.0, "learning rate 0.07, up to 63 leaves of at least 10 rows, l2 3, 40% of"),
    (_board, 3.0, 20.0, "learning rate 0.05, up to 63 leaves of at least 10 rows, l2 10, 70% of"),
    (_board, 3.0, 8.0, "learning rate 0.1, up to 63 leaves of at least 10 rows, l2 10, 70% of"),
]


class _Chosen(Exception):  # noqa: N818
    """What is tried first, which is all of it that is asked."""


@pytest.mark.parametrize("whole", [False, pytest.param(True, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("cells", "strength", "budget", "expected"), SIZED)
def test_where_trees_are_costly_a_few_show_which_size_is_worth_it(
    monkeypatch, cells, strength, budget, expected, whole
):
    """Large trees that fit noise are left out, and where they are far ahead more of them are grown."""
    generator = rng.stream(4, "data")

    def part(n: int) -> Part:
        x = generator.normal(size=(n, 6)).astype(np.float32)
        logits = strength * 2 * np.eye(16)[cells(x)]
        target = torch.tensor((logits + generator.gumbel(size=logits.shape)).argmax(1))
        return Part((torch.zeros((n, 0), dtype=torch.long), torch.tensor(x)), target)

    def chosen(dataset, rows, candidate, *_):
        raise _Chosen(str(candidate))

    shape = Shape("classification", {}, tuple("abcdef"), 16)
    dataset = Dataset("made", "y", part(2000), part(1000), part(1000), shape, tuple("abcdefghijklmnop"))
    if whole:
        [found] = run_baselines(dataset, names=["gradient-boosting"], seed=0, budget=budget)
        assert expected in found.settings
        return
    monkeypatch.setattr(gradient_boosting, "attempt", chosen)
    with pytest.raises(_Chosen) as first:
        run_baselines(dataset, names=["gradient-boosting"], seed=0, budget=budget)
    assert expected in str(first.value)


def test_trees_that_were_grown_to_compare_readings_are_not_grown_again(monkeypatch):
    """Their first twenty are those that are compared with small ones, and the work is counted once."""
    grown = []

    def noted(dataset, rows, candidate, features, seed, trees):
        grown.append((candidate.max_leaf_nodes, trees))
        return probed(dataset, rows, candidate, features, seed, trees)

    probed = gradient_boosting.probed
    monkeypatch.setattr(gradient_boosting, "probed", noted)
    budget = 10.0
    run_baselines(_dataset(classes=16, rows=2000), names=["gradient-boosting"], seed=0, budget=budget)
    sizes = [leaves for leaves, _ in grown]
    assert sizes[-1] == gradient_boosting.SMALL_PROBE.max_leaf_nodes
    assert sizes[:-1] == [gradient_boosting.PROBE.max_leaf_nodes] * (len(sizes) - 1)
    assert len(sizes) > 2
    assert min(trees for _, trees in grown) == gradient_boosting.SIZE_TREES


def _hours(rows: int = 900) -> Dataset:
    """Return rows whose target is smooth in an hour, a categorical column, and in a number."""
    generator = rng.stream(5, "data")
    numbers = (math.nan, *map(float, range(24)))

    def part(n: int) -> Part:
        hour, x = generator.integers(1, 25, n), generator.normal(size=(n, 1)).astype(np.float32)
        y = np.sin(x[:, 0] * 2) + 0.02 * (hour - 12) * x[:, 0] + 0.1 * generator.normal(size=n)
        return Part((torch.tensor(hour)[:, None], torch.tensor(x)), torch.tensor(y, dtype=torch.float32))

    shape = Shape("regression", {"hour": 25}, ("x",), 1)
    return Dataset("made", "y", part(rows), part(rows), part(rows), shape, numbers={"hour": numbers})


def test_columns_of_numbers_are_read_both_ways_and_validation_chooses():
    dataset = _hours()
    [both] = run_baselines(dataset, names=["gradient-boosting"], seed=0)
    [categories] = run_baselines(replace(dataset, numbers={}), names=["gradient-boosting"], seed=0)
    assert "hour read as numbers" in both.settings
    assert "the best of 6 settings on validation" in both.settings
    assert "more left out" not in both.settings
    assert both.validation["rmse"] < categories.validation["rmse"]


def test_regression_bends_where_validation_says_so():
    """A sine is no line: bins at quantiles follow it; where the columns act linearly, they are not kept."""
    [bent] = run_baselines(_hours(), names=["linear-regression"], seed=0)
    assert "also as bins at their quantiles" in bent.settings
    assert bent.test["rmse"] < 0.3
    [straight] = run_baselines(_dataset("regression"), names=["linear-regression"], seed=0)
    assert "better without bins" in straight.settings


def test_only_the_constant_baseline_serves_inputs_that_are_no_table():
    images = Part((torch.zeros(8, 1, 4, 4),), torch.tensor([0, 1] * 4))
    dataset = Dataset("images", "label", images, images, images, Shape("classification", {}, (), 2))
    assert baseline_names(dataset) == ["majority"]
    with pytest.raises(OptionError, match="'logistic-regression' does not serve"):
        run_baselines(dataset, names=["logistic-regression"], seed=0)


def test_an_unknown_name_is_said():
    with pytest.raises(UnknownNameError, match="majority"):
        run_baselines(_dataset(), names=["majorty"], seed=0)
    assert regression_baselines.LEAST >= 5
    assert set(registry.groups()) == {"classification", "regression", "reconstruction", "language"}


CRIMES = Path(os.environ.get("STEEPEST_DATA", "/absent")) / "chicago-crimes/crimes-2018-H1.snappy.parquet"


@pytest.mark.skipif(not CRIMES.is_file(), reason="STEEPEST_DATA has no chicago-crimes/crimes-2018-H1")
def test_learned_baselines_are_strong_on_the_crimes():
    """A tenth of the rows, 13 classes of which some have a handful of rows, and a column of thousands of codes."""
    preparation = Path(__file__).parents[2] / "examples/crimes.toml"
    dataset = read_table(CRIMES, prepare=str(preparation)).dataset()
    tenth = dataset.train.take(torch.arange(0, len(dataset.train), 10))
    majority, *learned = run_baselines(replace(dataset, train=tenth), seed=0, budget=5.0)
    for result in learned:
        assert result.outcome == "finished"
        assert result.test["log_loss"] < majority.test["log_loss"] - 0.13, result.settings
