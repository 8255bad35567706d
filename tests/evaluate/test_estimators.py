"""Classifiers and regressors of scikit-learn as baselines: their own numbers, their limits, and a whole comparison."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier

import steepest as st
from steepest import rng
from steepest.data.table import read_table
from steepest.errors import OptionError, UnknownNameError
from steepest.evaluate.baselines import NOT_SAVED, baseline_names, run_baselines
from steepest.evaluate.metrics import evaluate
from steepest.objectives.target import target_of

ROWS = 1200


def columns() -> dict[str, list]:
    draw = rng.stream(12, "data")
    x, kind = draw.standard_normal(ROWS), draw.integers(0, 5, ROWS)
    score = 2.0 * x + (kind == 3) + draw.standard_normal(ROWS)
    return {
        "x": x.tolist(),
        "kind": [f"k{each}" for each in kind],
        "people": draw.integers(0, 4, ROWS).tolist(),
        "y": np.select([score > 1.5, score < -1.5], ["high", "low"], "some").tolist(),
        "amount": score.tolist(),
    }


def data_of(target: str, weight: str | None = None):
    left = ["amount" if target == "y" else "y"] + ([] if weight else ["people"])
    return read_table(columns(), target=target, drop=left, weight=weight).dataset()


def design(part, data) -> np.ndarray:
    """Return rows as scikit-learn would be given them, made in another way."""
    codes = [np.eye(n)[part.inputs[0][:, i]] for i, n in enumerate(data.shape.cardinalities.values())]
    return np.concatenate([*codes, part.inputs[1].double().numpy()], axis=1)


def test_a_classifier_gives_what_scikit_learn_gives() -> None:
    data = data_of("y", "people")
    [found] = run_baselines(data, names=["sklearn:LogisticRegression(C=0.5)"], seed=0)
    train = data.train.take((data.train.weights > 0).nonzero().flatten())
    own = LogisticRegression(C=0.5).fit(
        design(train, data), train.target, sample_weight=train.weights.double()
    )
    wanted = np.log(own.predict_proba(design(data.test, data)))
    assert found.test_outputs.numpy() == pytest.approx(wanted, abs=1e-9)
    weights = data.test.weights
    judged = evaluate(torch.tensor(wanted), data.test.target, target_of(data), ["log_loss"], weights)
    assert found.test == pytest.approx(judged)
    assert (found.title, found.outcome) == ("LogisticRegression(C=0.5)", "finished")
    assert NOT_SAVED in found.settings


def test_a_regressor_gives_what_scikit_learn_gives() -> None:
    data = data_of("amount", "people")
    [found] = run_baselines(data, names=["sklearn:Ridge(alpha=3)"], seed=0)
    target, weights = data.train.target.double(), data.train.weights.double()
    own = Ridge(alpha=3).fit(design(data.train, data), target, sample_weight=weights)
    assert found.test_outputs[:, 0].numpy() == pytest.approx(own.predict(design(data.test, data)), abs=1e-6)


def test_a_network_of_scikit_learn_is_a_baseline() -> None:
    data = data_of("y")
    text = "sklearn:MLPClassifier(hidden_layer_sizes=(20,), alpha=1e-5, max_iter=300, random_state=1)"
    [found] = run_baselines(data, names=[text], seed=0)
    own = MLPClassifier(hidden_layer_sizes=(20,), alpha=1e-5, max_iter=300, random_state=1)
    own.fit(design(data.train, data), data.train.target)
    wanted = np.log(own.predict_proba(design(data.test, data)))
    assert found.test_outputs.numpy() == pytest.approx(wanted, abs=1e-6)
    assert found.title == text.removeprefix("sklearn:").replace("1e-5", "1e-05")


@pytest.mark.parametrize("text", ["BaggingRegressor(n_estimators=3)", "TransformedTargetRegressor()"])
def test_an_estimator_around_another_is_a_baseline(text) -> None:
    data = data_of("amount")
    [found] = run_baselines(data, names=[f"sklearn:{text}"], seed=0)
    assert found.test["rmse"] < 0.8 * float(data.test.target.double().std()) * data.target_scale.sd


def test_probabilities_of_zero_do_not_make_the_log_loss_infinite() -> None:
    data = data_of("y")
    [found] = run_baselines(data, names=["sklearn:KNeighborsClassifier(n_neighbors=1)"], seed=0)
    own = KNeighborsClassifier(1).fit(design(data.train, data), data.train.target)
    probabilities = own.predict_proba(design(data.test, data))
    probabilities[probabilities == 0.0] = 1 / (len(data.train) + 3)
    wanted = np.log(probabilities / probabilities.sum(1, keepdims=True))
    assert found.test_outputs.numpy() == pytest.approx(wanted, abs=1e-9)
    assert np.isfinite(found.test["log_loss"])


def test_what_takes_no_weights_says_so() -> None:
    text = "fitted without weights, which it does not take"
    names = ["sklearn:KNeighborsClassifier", "sklearn:GaussianNB"]
    one, other = run_baselines(data_of("y", "people"), names=names, seed=0)
    assert text in one.settings
    assert text not in other.settings
    assert text not in run_baselines(data_of("y"), names=names[:1], seed=0)[0].settings


def test_a_class_without_training_rows_has_a_small_probability() -> None:
    data = data_of("y")
    kept = (data.train.target != 1).nonzero().flatten()
    [found] = run_baselines(replace(data, train=data.train.take(kept)), names=["sklearn:GaussianNB"], seed=0)
    assert found.test_outputs.exp()[:, 1].max() <= 1 / len(kept)
    assert found.test_outputs.exp().sum(1).numpy() == pytest.approx(1.0)


def test_the_seed_is_the_random_state_unless_one_is_given() -> None:
    data, text = data_of("y"), "sklearn:RandomForestClassifier(n_estimators=5{})"
    once, again, other = (
        run_baselines(data, names=[text.format("")], seed=seed)[0].test_outputs for seed in (0, 0, 1)
    )
    assert torch.equal(once, again)
    assert not torch.equal(once, other)
    fixed = [
        run_baselines(data, names=[text.format(", random_state=4")], seed=seed)[0].test_outputs
        for seed in (0, 1)
    ]
    assert torch.equal(*fixed)


def test_a_fit_that_does_not_converge_is_marked() -> None:
    [found] = run_baselines(data_of("y"), names=["sklearn:LogisticRegression(max_iter=1)"], seed=0)
    assert found.outcome == "not converged"


@pytest.mark.parametrize(
    ("names", "kind", "fact"),
    [
        (["skleran:GaussianNB"], OptionError, "did you mean 'sklearn:GaussianNB'"),
        (["sklearn:GausianNB"], UnknownNameError, "did you mean 'GaussianNB'"),
        (["sklearn:Ridge"], OptionError, "Ridge is a regressor, but the task is classification"),
        (["sklearn:LinearSVC"], OptionError, "gives no probabilities"),
        (["sklearn:GaussianNB(k=3)"], OptionError, "cannot be made"),
        (["hf:org/model-7b"], OptionError, "is no baseline"),
        (["majority(3)"], OptionError, "'majority' has no options"),
        (["mean"], OptionError, "'mean' does not serve classification"),
        (["majority", "majority"], OptionError, "given twice"),
        (["sklearn:GaussianNB", "sklearn:GaussianNB()"], OptionError, "given twice"),
    ],
)
def test_what_cannot_be_a_baseline(names, kind, fact) -> None:
    with pytest.raises(kind, match=fact):
        baseline_names(data_of("y"), names)


def test_an_option_that_scikit_learn_refuses_is_an_error_of_the_baseline() -> None:
    with pytest.raises(OptionError, match=r"the baseline sklearn:Ridge\(alpha=-1\) cannot be fitted"):
        run_baselines(data_of("amount"), names=["sklearn:Ridge(alpha=-1)"], seed=0)


def test_a_comparison_has_the_baselines_that_are_asked_for(tmp_path) -> None:
    table = read_table(columns(), target="amount", drop=["y", "people"])
    options = {"optimizers": ["sgd(lr=1e-4)"], "epochs": 1, "seeds": 2, "device": "cpu"}
    result = st.compare(table, tmp_path / "run", baseline="sklearn:LinearRegression, mean", **options)
    rows = {row.name: row for row in result.comparison.rows if row.kind == "baseline"}
    assert set(rows) == {"LinearRegression", "mean"}
    assert (rows["LinearRegression"].model, rows["mean"].model) == ("", "baselines/mean")
    assert sorted(each.name for each in (tmp_path / "run" / "baselines").iterdir()) == ["mean"]
    [gap] = [each for each in result.comparison.differences if each.second == "LinearRegression"][:1]
    assert gap.told_apart
    assert gap.better == "LinearRegression"
    assert any(
        "LinearRegression is better" in each and "not saved" in each for each in result.comparison.warnings
    )
    assert result.comparison.recommended != "LinearRegression"
    again = st.compare(table, tmp_path / "run", baseline="none", **options)
    assert not [row for row in again.comparison.rows if row.kind == "baseline"]
