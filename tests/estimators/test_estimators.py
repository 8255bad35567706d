"""The classifier and the regressor: the numbers of a comparison, within scikit-learn's tools."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steepest as st
from steepest import rng
from steepest.errors import DataError, ModelError, OptionError, UnknownNameError
from tests.conftest import churn_table

FAST = {"hidden": (8,), "learning_rate": 0.01, "epochs": 3, "random_state": 3}
LIKE_FAST = {
    "hidden": [8], "optimizers": "adam(lr=0.01)", "epochs": 3, "seeds": 1, "seed": 3, "baseline": "none",
    "device": "cpu", "compile": "off", "workers": 1, "threads": 1,
}  # fmt: skip
ROWS = 300


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    return churn_table(ROWS)


@pytest.fixture(scope="module")
def X(table) -> pl.DataFrame:  # noqa: N802
    return table.drop("churned")


@pytest.fixture(scope="module")
def y(table) -> np.ndarray:
    return table["churned"].to_numpy()


def numbers(rows: int = ROWS) -> tuple[np.ndarray, np.ndarray]:
    draw = rng.stream(1, "data")
    X = draw.standard_normal((rows, 3))
    return X, 50 + 10 * X[:, 0] - 5 * X[:, 1] + draw.standard_normal(rows)


def pickled(value):
    return pickle.loads(pickle.dumps(value))  # noqa: S301


def test_importing_steepest_does_not_import_scikit_learn():
    code = "import sys, steepest; assert not {'sklearn', 'torch'} & set(sys.modules); steepest.SteepestClassifier()"
    subprocess.run([sys.executable, "-c", code], check=True)


# --- the numbers of a comparison ----------------------------------------------------------------------------


def test_a_fit_is_the_run_of_a_comparison(table, X, y, tmp_path):
    result = st.compare(table, tmp_path / "run", target="churned", split="none", **LIKE_FAST)
    found = st.SteepestClassifier(**FAST).fit(X, y)
    assert np.array_equal(found.predict_proba(X), result.best.predict_proba(X))


def test_a_fit_with_held_out_rows_is_the_refit_of_a_comparison(table, X, y, tmp_path):
    """A comparison of several test sets trains its model for use on all rows but those that choose its step."""
    options = {
        "split": "repeats:2",
        "split_seed": 3,
        "validation": 0.2,
        "batch_size": 100,
        "schedule": "constant",
    }
    result = st.compare(table, tmp_path / "run", target="churned", **options, **LIKE_FAST)
    found = st.SteepestClassifier(
        **FAST, validation_fraction=0.2, batch_size=100, schedule="constant", class_weight=None
    )
    found.fit(X, y)
    assert found.record_.curve[0].validation != found.record_.curve[-1].validation
    assert np.array_equal(found.predict_proba(X), result.best.predict_proba(X))


def test_a_regression_is_that_of_a_comparison(tmp_path):
    X, y = numbers()
    frame = pl.DataFrame({"a": X[:, 0], "b": X[:, 1], "c": X[:, 2], "y": y})
    options = {"loss": "huber(1.0)", "regularizer": "l2(1e-3)", "clip": 1.0}
    result = st.compare(frame, tmp_path / "run", target="y", split="none", **LIKE_FAST, **options)
    found = st.SteepestRegressor(**FAST, **options).fit(X, y)
    assert np.array_equal(found.predict(X), result.best.predict(frame).values)


def test_weights_are_those_of_a_comparison(table, X, y, tmp_path):
    weights = np.arange(ROWS) % 4  # some are 0
    data = table.with_columns(w=pl.Series(weights))
    balanced = {"class_weights": "balanced"}
    result = st.compare(
        data, tmp_path / "run", target="churned", weight="w", split="none", **LIKE_FAST, **balanced
    )
    found = st.SteepestClassifier(**FAST, class_weight="balanced").fit(X, y, sample_weight=weights)
    assert np.array_equal(found.predict_proba(X), result.best.predict_proba(X))
    unweighted = st.SteepestClassifier(**FAST, class_weight="balanced").fit(X, y)
    assert not np.array_equal(found.predict_proba(X), unweighted.predict_proba(X))


# --- tuning ----------------------------------------------------------------------------------------------------


def test_tuning_chooses_a_rate_on_held_out_rows(X, y):
    options = {"hidden": (8,), "epochs": 4, "random_state": 0}
    found = st.SteepestClassifier(**options, tune=True, learning_rates=[1e-6, 0.05, 1e-5]).fit(X, y)
    assert found.learning_rates_ == (1e-6, 1e-5, 0.05)
    assert found.learning_rate_ == 0.05
    trials = found.tuning_results_
    assert trials["learning_rate"][:3] == [1e-6, 1e-5, 0.05]
    full = [i for i, steps in enumerate(trials["steps"]) if steps == max(trials["steps"])]
    best = min(full, key=lambda i: trials["log_loss"][i])
    assert trials["learning_rate"][best] == 0.05
    given = st.SteepestClassifier(**options, learning_rate=0.05, validation_fraction=0.1).fit(X, y)
    assert np.array_equal(given.predict_proba(X), found.predict_proba(X))
    untuned = clone(found).set_params(tune=False, learning_rates=None).fit(X, y)
    assert not hasattr(untuned, "tuning_results_")
    assert (untuned.learning_rates_, untuned.learning_rate_) == ((), 0.001)


def test_further_hyperparameters_are_tuned(X, y):
    found = st.SteepestClassifier(
        hidden=(8,), epochs=1, tune="eps=1e-8,1e-2", tuning_rates=2, tuning_finalists=1
    )
    found.fit(X, y)
    assert len({text.partition("eps=")[2][:6] for text in found.tuning_results_["optimizer"]}) == 2


def test_early_stopping_ends_a_run(X, y):
    options = {**FAST, "epochs": 40, "learning_rate": 0.3, "schedule": "constant"}
    whole = st.SteepestClassifier(**options, validation_fraction=0.1).fit(X, y).record_
    short = st.SteepestClassifier(**options, early_stopping=2).fit(X, y).record_
    assert (whole.outcome, short.outcome) == ("finished", "stopped early")
    assert short.curve == whole.curve[: len(short.curve)] or len(short.curve) < len(whole.curve)


# --- partial_fit -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("optimizer", ["adam", "schedule-free-adamw", "l-bfgs"])
def test_passes_one_by_one_are_those_of_a_fit(X, y, optimizer):
    """The optimizer keeps its state between calls, and batches and draws go on."""
    options = {"hidden": (8,), "optimizer": optimizer, "random_state": 3}
    X, y = X[:100], y[:100]
    found = st.SteepestClassifier(**options)
    for _ in range(3):
        found.partial_fit(X, y, classes=["no", "yes"])
    whole = st.SteepestClassifier(**options, epochs=3, schedule="constant").fit(X, y)
    assert np.array_equal(found.predict_proba(X), whole.predict_proba(X))


def test_rows_come_in_parts_of_any_size():
    X, y = numbers(1000)
    found = st.SteepestRegressor("linear", learning_rate=0.1, random_state=0)
    for first, last in [(0, 400), (400, 410), (410, 1000), (0, 1000)] * 3:
        found.partial_fit(X[first:last], y[first:last], sample_weight=np.ones(last - first))
    assert found.score(X, y) > 0.9


def test_classes_come_later_and_unknown_ones_are_refused():
    X = rng.stream(0, "data").standard_normal((90, 2))
    y = np.array([3, 5, 9])[np.argmax(np.c_[X, np.zeros(90)], axis=1)]
    found = st.SteepestClassifier("linear", learning_rate=0.1, random_state=0)
    with pytest.raises(OptionError, match="classes must be passed on the first call"):
        found.partial_fit(X, y)
    some = y != 5
    found.partial_fit(X[some], y[some], classes=[9, 5, 3])
    assert found.predict_proba(X).shape == (90, 3)
    for _ in range(20):
        found.partial_fit(X, y)
    assert found.score(X, y) > 0.8
    assert found.classes_.tolist() == [3, 5, 9]
    with pytest.raises(DataError, match="the class 4, which is not one of the 3 known ones"):
        found.partial_fit(X[:2], [4, 3])
    with pytest.raises(OptionError, match="is not the same as on the first call"):
        found.partial_fit(X, y, classes=[3, 5])


@pytest.mark.parametrize("first", [["a", "b", "c"], ["a", "a", "a"], ["d", "b", "d"]])
@pytest.mark.parametrize("numbers", ["standard", "quantile"])
def test_the_first_rows_may_have_any_of_the_classes(first, numbers):
    network = st.SteepestClassifier(
        "mlp(hidden=[4])", numbers=numbers, random_state=0, class_weight="balanced"
    )
    network.partial_fit([[1.0], [2.0], [3.0]], first, classes=["a", "b", "c", "d"])
    assert network.predict_proba([[1.5]]).shape == (1, 4)
    assert network.partial_fit([[1.0], [3.0]], ["c", "d"]).classes_.tolist() == ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("network", "X", "y", "classes", "fact"),
    [
        (st.SteepestClassifier("linear"), [[1.0], [1.0]], ["a", "b"], ["a", "b"], "no column is left"),
        (st.SteepestRegressor("linear"), [[1.0], [1.0]], [1.0, 2.0], None, "no column is left"),
        (st.SteepestRegressor("linear"), [[1.0], [2.0]], [5.0, 5.0], None, "has one value only, 5.0"),
    ],
)
def test_first_rows_that_cannot_decide_are_refused_with_the_cure(network, X, y, classes, fact):
    options = {} if classes is None else {"classes": classes}
    with pytest.raises(DataError, match=fact) as found:
        network.partial_fit(X, y, **options)
    cure = "The first call of partial_fit decides how rows are prepared and scaled: give it more rows."
    assert str(found.value).endswith(cure)
    with pytest.raises(DataError, match=fact) as found:
        network.fit(X, y)
    assert "partial_fit" not in str(found.value)


def test_one_class_in_all_is_refused():
    with pytest.raises(OptionError, match="fewer than two classes"):
        st.SteepestClassifier("linear").partial_fit([[1.0], [2.0]], ["a", "a"], classes=["a", "a"])


def test_hints_name_what_an_estimator_has():
    with pytest.raises(DataError) as found:
        st.SteepestClassifier("linear").fit([[1.0], [2.0], [3.0]], ["a", "b", "c"])
    assert str(found.value).endswith("Hint: choose another target, or SteepestRegressor if it is a number.")


def test_training_goes_on_after_a_fit_and_after_a_pickle(X, y):
    found = st.SteepestClassifier(**FAST).fit(X, y)
    before = found.score(X, y)
    again = pickled(found)
    for each in (found, again):
        for _ in range(10):
            each.partial_fit(X, y)
    assert found.score(X, y) > before
    assert np.array_equal(found.predict_proba(X), again.predict_proba(X))


@pytest.mark.parametrize(
    "option", [{"tune": True}, {"early_stopping": 3}, {"metric": "accuracy"}, {"procedure": "continue(0.5)"}]
)
def test_what_belongs_to_fit_is_refused_by_partial_fit_alone(X, y, option):
    with pytest.raises(OptionError, match=f"{next(iter(option))}=.* has no effect on partial_fit"):
        st.SteepestClassifier(**option).partial_fit(X, y, classes=["no", "yes"])


# --- rows ---------------------------------------------------------------------------------------------------------


def test_frames_are_read_as_in_a_comparison(X, y):
    of_polars = st.SteepestClassifier(**FAST).fit(X, y)
    categories = X.to_pandas().astype({"plan": "category"})
    of_pandas = st.SteepestClassifier(**FAST).fit(categories, pd.Series(y, name="churned"))
    of_arrow = st.SteepestClassifier(**FAST).fit(X.to_arrow(), pl.Series(y.tolist()))
    of_lazy = st.SteepestClassifier(**FAST).fit(X.lazy(), y.tolist())
    wanted = of_polars.predict_proba(X)
    assert dict(of_polars.model_.about.shape.cardinalities) == {"plan": 4}
    assert of_polars.feature_names_in_.tolist() == ["age", "plan", "minutes"]
    assert of_pandas.feature_names_in_.tolist() == ["age", "plan", "minutes"]
    assert of_pandas.model_.about.target == "churned"
    for each, rows in ((of_pandas, categories), (of_arrow, X.to_arrow()), (of_lazy, X.lazy())):
        assert np.array_equal(each.predict_proba(rows), wanted)
    with pytest.raises(ValueError, match="feature names"):
        of_pandas.predict(categories[["plan", "age", "minutes"]])


def test_numbers_of_an_array_are_numbers_and_texts_are_categories():
    draw = rng.stream(5, "data")
    whole = draw.integers(0, 3, (ROWS, 2))
    y = whole[:, 0] == 1
    found = st.SteepestClassifier(**FAST).fit(whole, y)
    assert found.model_.about.shape.continuous == ("x0", "x1")
    assert found.classes_.dtype == bool
    named = st.SteepestClassifier(**FAST, categorical=[0]).fit(whole, y)
    assert list(named.model_.about.shape.cardinalities) == ["x0"]
    mixed = np.c_[whole[:, :1], np.array(["a", "b", None], object)[whole[:, 1]]]
    of_objects = st.SteepestClassifier(**FAST).fit(mixed, y)
    assert list(of_objects.model_.about.shape.cardinalities) == ["x1"]
    assert len(of_objects.predict([[1, "a"], [2, "never seen"]])) == 2


def test_labels_that_look_like_missing_values_are_classes(X):
    y = np.where(X["age"] > 45, "NA", "?")
    found = st.SteepestClassifier(**{**FAST, "epochs": 20}).fit(X, y)
    assert found.classes_.tolist() == ["?", "NA"]
    assert found.score(X, y) > 0.9
    assert set(found.model_.predict(X)) == {"?", "NA"}


def test_rows_that_a_preparation_leaves_out_have_no_prediction(X, y):
    steps = [{"use": "filter", "where": '"age" > 30'}]
    found = st.SteepestClassifier(**FAST, prepare=steps).fit(X, y)
    with pytest.raises(DataError, match=r"leaves out \d+ of 300 rows"):
        found.predict(X)
    assert len(found.predict(X.filter(pl.col("age") > 30))) < ROWS


# --- scikit-learn's tools --------------------------------------------------------------------------------------


def test_pipelines_searches_and_cross_validation():
    X, y = numbers()
    scores = cross_val_score(st.SteepestRegressor(**{**FAST, "epochs": 30}), X, y, cv=2)
    assert scores.min() > 0.5
    pipeline = make_pipeline(StandardScaler(), st.SteepestRegressor(**{**FAST, "epochs": 20}))
    grid = {
        "steepestregressor__learning_rate": np.array([1e-5, 0.03]),
        "steepestregressor__epochs": np.array([9]),
    }
    search = GridSearchCV(pipeline, grid, cv=2).fit(X, y)
    assert search.best_params_["steepestregressor__learning_rate"] == 0.03


def test_a_clone_and_a_pickle_predict_the_same(X, y):
    rule = st.rule("adam(lr=0.01)")
    found = st.SteepestClassifier(optimizer=rule, hidden=(8,), epochs=2, random_state=1).fit(X, y)
    again = clone(found).fit(X, y)
    read = pickled(found)
    assert np.array_equal(again.predict_proba(X), found.predict_proba(X))
    assert np.array_equal(read.predict_proba(X), found.predict_proba(X))
    assert np.allclose(found.predict_log_proba(X), np.log(found.predict_proba(X)))


def test_the_network_is_a_trained_model(X, y, tmp_path):
    found = st.SteepestClassifier(**FAST).fit(X, y)
    found.model_.save(tmp_path / "model")
    assert np.array_equal(st.load(tmp_path / "model").predict_proba(X), found.predict_proba(X))


def test_the_random_state_is_the_seed(X, y):
    def proba(state):
        return st.SteepestClassifier(**{**FAST, "random_state": state}).fit(X, y).predict_proba(X)

    assert np.array_equal(proba(1), proba(1))
    assert not np.array_equal(proba(1), proba(2))
    state = np.random.RandomState
    assert np.array_equal(proba(state(1)), proba(state(1)))


# --- options ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "kind", "fact"),
    [
        ({"optimizer": "adm"}, UnknownNameError, "did you mean 'adam'"),
        ({"learning_rate": -1}, OptionError, "lr=-1 is not allowed"),
        (
            {"optimizer": "adam(lr=0.1)", "learning_rate": 0.1},
            OptionError,
            "the rate of 'adam.lr=0.1.' is given",
        ),
        ({"tune": True, "learning_rate": 0.1}, OptionError, "tune chooses it"),
        ({"tune": True, "optimizer": "adam(lr=0.1)"}, OptionError, "nothing is left to tune"),
        ({"tuning_rates": 3}, OptionError, "tuning_rates has no effect: nothing is tuned"),
        ({"optimizer": st.tune("adam", eps=[1e-8, 1e-4])}, OptionError, "nothing is tuned"),
        ({"metric": "accuracy"}, OptionError, "no rows are held out"),
        ({"positive": "yes"}, OptionError, "no metric is given"),
        ({"class_weight": {"perhaps": 2}}, UnknownNameError, "unknown class 'perhaps'"),
        ({"model": "linear", "hidden": (4,)}, OptionError, "the model 'linear' has no such option"),
        ({"validation_fraction": 2}, OptionError, "validation_fraction is 2"),
        ({"early_stopping": 0}, OptionError, "patience"),
        ({"batch_size": 1000}, OptionError, "larger than its 300 training rows"),
        ({"categorical": [7]}, OptionError, "there is no column 7"),
        ({"optimizer": "sgd", "learning_rate": 1e9}, ModelError, "training ended as 'diverged'"),
    ],
)
def test_what_would_have_no_effect_or_cannot_be_is_an_error_of_both_libraries(X, y, options, kind, fact):
    with pytest.raises(kind, match=fact) as found:
        st.SteepestClassifier(**{"epochs": 1, "random_state": 0, **options}).fit(X, y)
    assert isinstance(found.value, ValueError)
    again = pickled(found.value)
    assert (type(again), str(again)) == (type(found.value), str(found.value))


@pytest.mark.parametrize(
    "options",
    [
        {"numbers": "piecewise"},
        {"numbers": "quantile", "validation_fraction": 0.2},
        {"optimizer": torch.optim.SGD, "learning_rate": 0.1},
        {"optimizer": "l-bfgs"},
        {"procedure": "continue(0.5)", "epochs": 4},
        {"precision": "float64", "batch_size": "all"},
        {"metric": "f1", "positive": "yes", "validation_fraction": 0.2},
        {"model": "residual-mlp", "regularizer": "l2(1e-4)", "freeze": "biases", "rates": "head=2"},
        {"callbacks": [st.Callback()], "max_seconds": 60.0, "clip": 1.0, "accumulate": 2},
        {"missing": ["basic"], "min_count": 2, "continuous": ["age"], "threads": 1, "device": "cpu"},
    ],
    ids=lambda options: next(iter(options.items()))[0],
)
def test_options_of_a_comparison_are_options_of_a_fit(X, y, options):
    plain = st.SteepestClassifier(epochs=2, random_state=0).fit(X, y).predict_proba(X)
    found = st.SteepestClassifier(**{"epochs": 2, "random_state": 0, **options}).fit(X, y).predict_proba(X)
    assert np.isfinite(found).all()
    assert (found == plain).all() == (next(iter(options)) == "callbacks" and "accumulate" not in options)
