"""Gradient boosting's trees as plain arrays: the outputs of scikit-learn's own model on the same rows."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble
import torch

from steepest import rng
from steepest.data.dataset import Dataset, Part, Shape
from steepest.evaluate.baselines import gradient_boosting, restore
from steepest.evaluate.baselines._features import Features
from steepest.evaluate.baselines._trees import MOST_LEAVES, TreesModel
from steepest.evaluate.baselines.gradient_boosting import CANDIDATES, CandidateRows, attempt

SIZES = {"letter": 6, "hour": 25, "full": 255, "street": 400}
ROWS = {"train": 1500, "validation": 700, "test": 700}


def table(classes: int, *, continuous: int = 3) -> Dataset:
    """Return rows in which every column matters, with codes that only validation and test rows have."""
    draw = rng.stream(0, "data", classes)
    outputs = max(1, classes)
    effects = {name: draw.normal(size=(size, outputs)) for name, size in SIZES.items()}
    slopes = draw.normal(size=(continuous, outputs))

    def part(name: str) -> Part:
        n, first = ROWS[name], 1 if name == "train" else 0
        codes = np.stack([draw.integers(first, size, n) for size in SIZES.values()], 1)
        values = draw.normal(size=(n, continuous)).round(1).astype(np.float32)
        sums = values @ slopes + sum(effects[each][codes[:, i]] for i, each in enumerate(SIZES))
        if classes:
            target = torch.tensor((sums + draw.gumbel(size=sums.shape)).argmax(1))
        else:
            target = torch.tensor(sums[:, 0] + draw.normal(size=n), dtype=torch.float32)
        return Part((torch.tensor(codes), torch.tensor(values)), target)

    shape = Shape(
        "classification" if classes else "regression",
        SIZES,
        tuple(f"x{i}" for i in range(continuous)),
        outputs,
    )
    hours = (np.nan, *map(float, range(23)), np.nan)
    return Dataset(
        "made",
        "y",
        *(part(name) for name in ROWS),
        shape,
        tuple("abcdefgh"[:classes]),
        numbers={"hour": hours},
    )


class Recorded:
    """Keeps the last model that was fitted."""

    model: Any = None


@pytest.fixture
def fitted(monkeypatch) -> type[Recorded]:
    for name in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"):
        kind = getattr(sklearn.ensemble, name)

        class Watched(kind):
            def fit(self, *arguments: Any, **options: Any) -> Any:
                Recorded.model = self
                return super().fit(*arguments, **options)

        monkeypatch.setattr(sklearn.ensemble, name, Watched)
    return Recorded


@pytest.mark.parametrize("reading", ["categories", "numbers", "encoded"])
@pytest.mark.parametrize("classes", [0, 2, 4])
@pytest.mark.parametrize(
    "candidate", CANDIDATES, ids=lambda each: f"{each.max_leaf_nodes}-{each.max_features:g}"
)
def test_the_outputs_are_scikit_learns(candidate, classes, reading, fitted) -> None:
    dataset = table(classes)
    rows = CandidateRows.of(dataset, None)
    features = Features(dataset, rows.target, rows.classes, 0, reading=reading)
    assert "street" in features.encoded
    assert (len(features.encoded) > 1) == (reading == "encoded")
    numbers = reading != "categories"
    assert features.as_numbers == (["hour"] if numbers else [])
    metric = "log_loss" if classes else "rmse"
    found = attempt(dataset, rows, candidate, features, 0, metric, 20.0)
    theirs = fitted.model
    assert 1 < found.trees <= theirs.n_iter_
    assert max(len(each.values) for each in found.model.trees) <= MOST_LEAVES
    for part in (dataset.train, dataset.validation, dataset.test):
        mine = found.model(*part.inputs).numpy()
        matrix = features.of(part)
        assert np.isnan(matrix).any() == (part is not dataset.train or numbers)
        if classes:
            stage = next(itertools.islice(theirs.staged_predict_proba(matrix), found.trees - 1, None))
            np.testing.assert_allclose(np.exp(mine), stage, rtol=1e-12, atol=1e-15)
        else:
            stage = next(itertools.islice(theirs.staged_predict(matrix), found.trees - 1, None))
            np.testing.assert_array_equal(mine[:, 0], stage)


def test_training_rows_do_not_see_their_own_target() -> None:
    """A street's encoding in training is that of the other folds; for other rows it is that of all."""
    dataset = table(0)
    rows = CandidateRows.of(dataset, None)
    features = Features(dataset, rows.target, 0, 0, reading="categories")
    place = len(features.code_features) - 1
    assert features.code_features[place].column == list(SIZES).index("street")
    encoded = features.of(dataset.train)[:, place]
    own = [np.corrcoef(each, rows.target)[0, 1] for each in (encoded, features.train[:, place])]
    assert own[0] > own[1] + 0.1


def test_only_the_most_frequent_classes_get_an_encoding() -> None:
    dataset = table(4)
    target = np.arange(1500) % 30
    features = Features(dataset, target, 30, 0, reading="categories")
    assert sum(not each.native for each in features.code_features) == 20


BROKEN = {
    "a feature that is not there": ("feature", lambda each: each + 90),
    "a subtree before its node": ("right", lambda each: torch.zeros_like(each)),
    "a subtree in the next tree": ("right", lambda each: each + 40),
    "a column that is not there": ("code_columns", lambda each: each + 4),
    "fewer bins than codes": ("code_bins", lambda each: each[:-1]),
    "fewer values": ("value", lambda each: each[:-1]),
    "roots that fall": ("roots", lambda each: each.flip(0)),
    "no root": ("roots", lambda each: each[:0]),
    "more edges": ("edges", lambda each: torch.cat([each, each])),
    "negative counts": ("edge_counts", lambda each: -each),
    "other classes": ("counts", lambda each: each[:-1]),
    "other numbers": ("value", lambda each: each.float()),
    "a start too many": ("start", lambda each: torch.cat([each, each])),
}


@pytest.fixture(scope="module")
def arrays() -> tuple[Dataset, dict[str, torch.Tensor]]:
    dataset = table(4)
    fitted = gradient_boosting.fit_gradient_boosting(
        dataset, seed=0, metric="log_loss", class_weights=None, budget=0.5
    )
    return dataset, dict(fitted.model.state_dict())


def test_arrays_are_all_that_is_needed(arrays) -> None:
    dataset, stored = arrays
    model = restore("gradient-boosting", dataset.shape, stored)
    assert isinstance(model, TreesModel)
    again = restore("gradient-boosting", dataset.shape, model.state_dict())
    assert torch.equal(model(*dataset.test.inputs), again(*dataset.test.inputs))


@pytest.mark.parametrize("how", BROKEN)
def test_arrays_that_do_not_hang_together_are_refused(how, arrays) -> None:
    dataset, stored = arrays
    name, change = BROKEN[how]
    with pytest.raises(ValueError, match=r"array|tree"):
        restore("gradient-boosting", dataset.shape, {**stored, name: change(stored[name])})


def test_an_array_that_is_missing_is_named(arrays) -> None:
    dataset, stored = arrays
    with pytest.raises(ValueError, match=r"instead of .*value"):
        restore("gradient-boosting", dataset.shape, {k: v for k, v in stored.items() if k != "value"})
