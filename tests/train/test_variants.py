"""Runs, timings, baselines and saved models on a variant: its training labels, and nobody else's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from steepest.data.dataset import Dataset, Part
from steepest.data.table import read_table
from steepest.data.variants import Variant
from steepest.evaluate.baselines import identity, run_baselines
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import Method
from steepest.prediction.about import About
from steepest.prediction.model import TrainedModel
from steepest.prediction.seen import SeenRows
from steepest.recipe import Execution, Recipe
from steepest.record.schema import RunKey
from steepest.sweep.bench import Bench, Way
from steepest.sweep.contestants import whole_spec
from steepest.train.finished import Finished
from steepest.train.loop import train
from tests.conftest import churn_table
from tests.train.steps import MODEL, TABLES, eager, one_program, opened, without_compiling

BY_RUN = "noise(0.3, draw='run')"
STEPS = 12


def recipe_of(data: Dataset, optimizer: str = "sgd(lr=0.05)") -> Recipe:
    return Recipe(
        data=data.fingerprint, model=MODEL, optimizer=whole_spec(make_rule(optimizer)), schedule="cosine", steps=STEPS,
        batch_size=32, metric="log_loss" if data.task == "classification" else "rmse",
    )  # fmt: skip


def run(data: Dataset, method: Method, optimizer: str = "sgd(lr=0.05)", seed: int = 0) -> Finished:
    recipe = recipe_of(data, optimizer)
    key = RunKey(name=optimizer, recipe=recipe.id, seed=seed, phase="final")
    return train(data, recipe, key, method, evaluations=3, read_test=True)


def as_if_in_the_table(data: Dataset, part: Part) -> Dataset:
    """Return a dataset whose training rows simply are these."""
    return replace(data, train=part, true_target=None, relabel=None)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


WAYS: dict[str, Callable[[str], Method]] = {
    "eager": lambda text: eager(text, steps=STEPS),
    "by rows": lambda text: eager(text, tables=TABLES, steps=STEPS),
    "one program": lambda text: one_program(text, steps=STEPS),
    "one program by rows": lambda text: one_program(text, tables=TABLES, steps=STEPS),
}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize("way", WAYS)
def test_a_run_is_trained_with_the_labels_of_its_seed(
    way: str, task: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_compiling(monkeypatch)
    data = opened(task).variant(labels=BY_RUN)
    make = WAYS[way]
    found = run(data, make("sgd(lr=0.05)"), seed=3)
    expected = run(as_if_in_the_table(data, data.training(3)), make("sgd(lr=0.05)"), seed=3)
    assert found.record.outcome == "finished"
    assert same(found.weights, expected.weights)
    assert found.record.test == expected.record.test
    other = run(as_if_in_the_table(data, data.training(4)), make("sgd(lr=0.05)"), seed=3)
    clean = run(as_if_in_the_table(data, data.true_train), make("sgd(lr=0.05)"), seed=3)
    for each in (other, clean):
        assert not same(found.weights, each.weights)
        assert each.record.curve[0].validation == found.record.curve[0].validation


@pytest.mark.parametrize("labels", [BY_RUN, "shuffle(draw=run)", "noise(0.3)"])
def test_two_arms_with_one_seed_see_the_same_labels(labels: str) -> None:
    seen: list[Tensor] = []

    class Watched:
        """A method that keeps the training labels of its run."""

        def __init__(self, method: Method) -> None:
            self.method = method

        def __getattr__(self, name: str):
            return getattr(self.method, name)

        def steps(self, problem, state, feed, first, count):
            if first == 0:
                seen.append(feed.part.target)
            return self.method.steps(problem, state, feed, first, count)

    table = opened("classification")
    few = table.variant(labels=labels, train_rows=0.5)
    wider = opened("classification").variant(
        labels=labels, train_rows=0.5, prepare=[{"use": "derive", "columns": {"old": "age > 0.5"}}]
    )
    for data, optimizer, seed in (
        (few, "sgd(lr=0.05)", 0), (few, "adam(lr=0.01)", 0), (wider, "sgd(lr=0.05)", 0), (few, "sgd(lr=0.05)", 1),
    ):  # fmt: skip
        run(data, Watched(eager(optimizer, steps=STEPS)), optimizer, seed)  # pyright: ignore[reportArgumentType]
    one, another_optimizer, another_preparation, another_seed = seen
    assert torch.equal(one, another_optimizer)
    assert torch.equal(one, another_preparation)
    assert torch.equal(one, another_seed) == ("run" not in labels)
    assert not torch.equal(one, few.true_train.target)


def test_a_dataset_without_a_variant_is_trained_as_ever() -> None:
    table = opened("classification")
    data = table.variant()
    assert data.training(0) is data.train
    assert run(data, eager("sgd(lr=0.05)", steps=STEPS)).record.outcome == "finished"


def test_steps_are_timed_on_the_labels_of_a_run() -> None:
    data = opened("classification").variant(labels=BY_RUN)
    bench = Bench(data, recipe_of(data), None, "cpu")
    begun = bench.begin(Way(make_rule("sgd(lr=0.05)"), Execution()))
    assert torch.equal(begun.feed.part.target, data.training(0).target)


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_baselines_are_fitted_on_the_labels_of_their_seed(task: str) -> None:
    data = opened(task).variant(labels=BY_RUN, train_rows=0.5)
    found = run_baselines(data, seed=5)
    expected = run_baselines(as_if_in_the_table(data, data.training(5)), seed=5)
    assert [each.test for each in found] == [each.test for each in expected]
    clean = run_baselines(as_if_in_the_table(data, data.true_train), seed=5)
    assert found[-1].test != clean[-1].test
    own = opened(task).dataset()
    keys = {identity(found[0].name, data=each.fingerprint) for each in (own, data)}
    assert len(keys) == 2


def test_nothing_is_learned_from_shuffled_labels() -> None:
    table = read_table(churn_table(2000), target="churned")
    for data, learned in ((table.dataset(), True), (table.variant(labels="shuffle"), False)):
        constant, *_, best = run_baselines(data, seed=0)
        assert (best.test["log_loss"] < constant.test["log_loss"] - 0.02) == learned


def saved(data: Dataset, variant: Variant, folder: Path) -> TrainedModel:
    dataset, pipeline = read_table(churn_table(1000), target="churned").vary(variant)
    net = build_model("embedding-mlp(hidden=[8])", dataset.shape, seed=2)
    about = About(
        "embedding-mlp(hidden=[8])", dataset.shape, dataset.classes, dataset.target, data.target_scale, {}
    )
    TrainedModel(net, about, pipeline, SeenRows.of(dataset)).save(folder)
    return TrainedModel.load(folder)


@pytest.mark.parametrize(
    "variant",
    [
        Variant(train_rows="0.1"),
        Variant(labels="noise(0.4)"),
        Variant(labels=BY_RUN),
        Variant.of("0.5", "shuffle", [{"use": "derive", "columns": {"rate": "minutes / age"}}]),
    ],
)
def test_a_saved_model_prepares_rows_as_its_variant_did(variant: Variant, tmp_path: Path) -> None:
    table = read_table(churn_table(1000), target="churned")
    data, pipeline = table.vary(variant)
    model = saved(data, variant, tmp_path / "model")
    test = churn_table(1000)[table.test_rows["row"].to_list()]
    encoded = model.pipeline.transform(test)
    assert all(torch.equal(a, b) for a, b in zip(encoded.inputs, data.test.inputs, strict=True))
    found = model.predict(test)
    wanted = torch.softmax(
        build_model("embedding-mlp(hidden=[8])", data.shape, seed=2).eval()(*data.test.inputs), -1
    )
    names = [np.array(data.classes)[each] for each in wanted.argmax(-1).tolist()]
    assert np.asarray(found).tolist() == names
    assert pipeline.to_dict() == model.pipeline.to_dict()


def test_rows_that_were_left_out_are_new_to_the_model() -> None:
    rows = churn_table(1000)
    data, pipeline = read_table(rows, target="churned").vary(Variant(train_rows="0.1"))
    answers = torch.tensor([data.classes.index(each) for each in rows["churned"].to_list()])
    seen = SeenRows.of(data).look_up((*pipeline.transform(rows).inputs, answers))[:, 1]
    assert int((seen > 0).sum()) == len(data.train) + len(data.validation) == 80 + 100


@pytest.mark.parametrize("labels", ["noise(0.4)", BY_RUN, "shuffle"])
def test_rows_trained_with_a_wrong_label_are_known_by_their_true_one(labels: str) -> None:
    table = read_table(churn_table(1000), target="churned")
    seen = SeenRows.of(table.variant(labels=labels))
    own = table.dataset().train
    assert seen.look_up((*own.inputs, own.target))[:, 1].all()


def test_rows_that_a_run_drew_itself_are_those_its_model_knows() -> None:
    data = read_table(churn_table(1000), target="churned").variant(train_rows="run:60")
    own = data.training(3)
    known = (*own.inputs, own.target)
    assert SeenRows.of(data, seed=3).look_up(known)[:, 1].all()
    assert not SeenRows.of(data).look_up(known)[:, 1].all()
