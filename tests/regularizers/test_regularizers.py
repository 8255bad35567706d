"""Regularizers as values of a factor: their texts, what is refused, their identity, and comparisons of them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

import steepest as st
from steepest.errors import OptionError, UnknownNameError
from steepest.models import build_model
from steepest.optim import make_spec
from steepest.optim.roles import roles_of
from steepest.recipe import ExecutionOptions, Recipe
from steepest.record.store import Folder
from steepest.regularizers import PLACES, read_regularizers, registry, regularizer_text
from steepest.regularizers.applied import Applied
from steepest.regularizers.check import check_method, check_regularizers, moves_tables
from steepest.rng import stream
from steepest.sweep import rows
from tests.train.steps import MODEL, table


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("", ""),
        ("none", ""),
        ("L2(strength=1e-4)", "l2(0.0001)"),
        ("l2(1e+1)", "l2(10.0)"),
        ("l2(0.1, on=all)", "l2(0.1, on='all')"),
        ("l2(0.1, on=('all',))", "l2(0.1, on='all')"),
        (
            "ema + l1(0.1, on=(weights, biases)) + input-noise(0.1)",
            "input-noise(0.1) + l1(0.1, on=('weights', 'biases')) + ema(0.99)",
        ),
        ("early_stopping(3)", "early-stopping(3)"),
    ],
)
def test_texts_are_written_in_one_way(text, written):
    assert regularizer_text(text) == written
    assert regularizer_text(written) == written


@pytest.mark.parametrize(
    ("text", "kind", "fact"),
    [
        ("l3(0.1)", UnknownNameError, "l3"),
        ("l2(-1)", OptionError, "strength is -1"),
        ("l2(0.1, on=layers)", OptionError, "on is"),
        ("l2(0.1) + l2(0.2)", OptionError, "'l2' is given twice"),
        ("l2(0.1) + none", OptionError, "'none' stands beside"),
        ("ema(1)", OptionError, "decay is 1"),
        ("early-stopping(0)", OptionError, "patience is 0"),
        ("steepest.rng:stream", OptionError, "is no regularizer"),
        ("steepest.regularizers:Regularizer", OptionError, "acts nowhere"),
    ],
)
def test_what_cannot_be(text, kind, fact):
    with pytest.raises(kind, match=fact):
        read_regularizers(text)


def test_parameters_may_be_penalised_apart() -> None:
    """The same penalty with another strength for other parameters."""
    both = read_regularizers("l2(0.5, on=biases) + l2(0.25)")
    weights = {"weight": torch.tensor([[1.0, 2.0]]), "bias": torch.tensor([3.0])}
    found = Applied(both, torch.nn.Linear(2, 1)).penalty(weights)
    assert found is not None
    assert found.item() == 0.25 * 5 + 0.5 * 9


def test_every_regularizer_is_listed_by_where_it_acts():
    for name, entry in registry.entries.items():
        [made] = read_regularizers(name)
        assert entry.groups == made.places, name
    assert set(registry.groups()) == set(PLACES), "a place has no regularizer"


class Both(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.vectors = nn.Embedding(9, 2)
        self.table = nn.Parameter(torch.zeros(9, 2))
        self.conv = nn.Conv1d(2, 3, 2)
        self.norm = nn.LayerNorm(3)
        self.scale = nn.Parameter(torch.ones(()))


def test_roles_of_parameters():
    assert roles_of(Both(), ["table"]) == {
        "table": "embeddings",
        "scale": "biases",
        "vectors.weight": "embeddings",
        "conv.weight": "weights",
        "conv.bias": "biases",
        "norm.weight": "norms",
        "norm.bias": "norms",
    }


def test_no_regularizer_leaves_a_recipe_its_identity():
    plain = Recipe(data="d", model="m", optimizer="adam", schedule="cosine", steps=9, batch_size=8)
    assert plain.model_copy(update={"regularizer": ""}).id == plain.id
    assert plain.model_copy(update={"regularizer": "l2(0.1)"}).id != plain.id


@pytest.mark.parametrize(
    ("optimizer", "text", "why"),
    [
        ("l-bfgs", "max-norm", "its step is not one gradient and one update"),
        ("l-bfgs", "ema", "its step is not one gradient and one update"),
        ("schedule-free-adamw", "ema", "it averages itself"),
        ("schedule-free-sgd", "max-norm", "it averages itself"),
        ("torch:LBFGS", "gradient-noise", "it takes several gradients a step"),
    ],
)
def test_what_an_optimizer_cannot_do_is_refused_by_name(optimizer, text, why):
    with pytest.raises(OptionError, match=f"{optimizer} cannot be regularized by {text}.*: {why}"):
        check_method(text, make_spec(optimizer))
    check_method("l2(0.1) + input-noise + early-stopping", make_spec(optimizer))


def test_which_change_every_row_of_a_table():
    moving = [name for name in registry.names() if moves_tables(name)]
    assert moving == ["ema", "gradient-noise", "swa"]
    assert moves_tables("l2(0.1, on=embeddings)") == "l2(0.1, on='embeddings')"


def test_tables_that_are_updated_densely_are_said(monkeypatch):
    monkeypatch.setattr(rows, "LARGE_TABLE", 1)
    data = table()
    net = build_model(MODEL, data.shape)
    plain = Recipe(data="d", model=MODEL, optimizer="adam", schedule="cosine", steps=9, batch_size=4)
    averaging = plain.model_copy(update={"regularizer": "ema(0.99)"})
    [note] = rows.about_rows(net, data, averaging, ExecutionOptions())
    assert note.text == (
        "ema(0.99) acts on every row of embeddings.0.weight in every step: in this arm these tables are updated "
        "densely, not by rows."
    )
    penalised = plain.model_copy(update={"regularizer": "l2(0.1)"})
    assert not rows.about_rows(net, data, penalised, ExecutionOptions())
    assert not rows.about_rows(net, data, averaging, ExecutionOptions(rows="off"))
    with pytest.raises(
        OptionError, match=r"the regularizer 'ema\(0\.99\)' acts on every row of the embedding tables"
    ):
        rows.check_rows(net, data, [], "ema(0.99)")


OWN = """
import torch
from dataclasses import replace
from steepest.regularizers import Regularizer


class Own(Regularizer):
    name = "own"
    strength: float = 0.1

    def penalty(self, weights):
        return self.strength * sum(each.pow(4).sum() for each in weights.values())


class Detached(Own):
    def penalty(self, weights):
        return torch.tensor(1.0)


class Vector(Own):
    def penalty(self, weights):
        return next(iter(weights.values())).sum(0)


class Narrow(Regularizer):
    name = "narrow"

    def updated(self, weight, c):
        return weight[:1]


class Failing(Regularizer):
    name = "failing"

    def gradient(self, gradient, weight, noise, c):
        return gradient * c["rate"]


class Short(Regularizer):
    name = "short"

    def batch(self, part, draw):
        return replace(part, target=part.target[:1])
"""


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("own.py:Detached", "the penalty of .* has no gradient"),
        ("own.py:Vector", r"has the shape \["),
        ("own.py:Narrow", "updated returned another shape"),
        ("own.py:Failing", "fails: KeyError"),
        ("own.py:Short", "has other shapes than 8 rows"),
    ],
)
def test_what_is_wrong_is_seen_before_anything_is_trained(tmp_path, monkeypatch, text, fact):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    data = table()
    with pytest.raises(OptionError, match=fact):
        check_regularizers(text, build_model(MODEL, data.shape), data, ())


@pytest.mark.parametrize(
    ("text", "column", "fact"),
    [
        ("l2(on=embeddings)", "a", "acts on nothing: the model has no embeddings"),
        ("input-noise", "color", "changes nothing in the batches"),
    ],
)
def test_what_has_nothing_to_act_on_is_refused(tmp_path, text, column, fact):
    data = {"a": numbers()["a"], "color": ["red", "green"] * 200, "y": numbers()["y"]}
    used = {name: data[name] for name in (column, "y")}
    with pytest.raises(OptionError, match=fact):
        st.compare(used, target="y", regularizer=text, epochs=1, seeds=1, out=tmp_path / "run")


def test_early_stopping_needs_validation_rows():
    data = replace(table(), held_out=False)
    net = build_model(MODEL, data.shape)
    check_regularizers("l2(0.1)", net, data, ())
    with pytest.raises(OptionError, match="ends runs by their validation rows, but none are held out"):
        check_regularizers("early-stopping", net, data, ())


def numbers(count: int = 400):
    draw = stream(2, "data", 0)
    x = draw.standard_normal((count, 3))
    return {"a": x[:, 0], "b": x[:, 1], "c": x[:, 2], "y": x[:, 0] + 0.1 * draw.standard_normal(count)}


OPTIONS = {
    "target": "y",
    "optimizers": "sgd(lr=0.05)",
    "seeds": 1,
    "epochs": 4,
    "hidden": (8,),
    "batch_size": 32,
    "compile": "off",
}


def test_regularizers_are_compared(tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text(OWN)
    monkeypatch.chdir(tmp_path)
    texts = ["none", "l2(0.3) + input-noise(0.5)", "ema(0.9)", "own.py:Own"]
    result = st.compare(numbers(), regularizer=texts, out="run", **OPTIONS)
    names = ["no regularizer", "input-noise(0.5) + l2(0.3)", "ema(0.9)", "own.py:Own(strength=0.1)"]
    assert result.arms["title"].to_list() == names
    assert result.comparison.factors == ["regularizer"]
    sizes = {
        name: sum(
            float(each.detach().square().sum())
            for each in st.load("run", arm=name).net.parameters()
            if each.dim() > 1
        )
        for name in names
    }
    assert sizes["input-noise(0.5) + l2(0.3)"] < 0.5 * sizes["no regularizer"]
    penalty = 0.3 * sizes["input-noise(0.5) + l2(0.3)"]
    [said] = [fact.value for fact in result.comparison.recipe if fact.label == "regularizer"]
    assert (
        f"none; input-noise(0.5) + l2(0.3) (penalty of the tested weights {penalty:.3g}); ema(0.9); own"
        in said
    )
    grown = st.compare(numbers(), arms=[st.Arm("sgd(lr=0.05)", regularizer="max-norm(0.5)")], out="run",
                       **{**OPTIONS, "optimizers": None})  # fmt: skip
    assert grown.arms["title"].to_list() == [*names, "max-norm(0.5)"]
    assert grown.arms["id"].to_list()[:4] == result.arms["id"].to_list()
    (tmp_path / "own.py").write_text(OWN.replace("pow(4)", "pow(2)"))
    edited = st.compare(numbers(), regularizer="own.py:Own", out="run", **OPTIONS).arms
    [identity] = edited.filter(pl.col("title") == names[-1])["id"]
    assert identity not in result.arms["id"], "edited code is another arm"


def test_averaged_weights_are_those_that_are_saved(tmp_path):
    options = {**OPTIONS, "optimizers": "sgd(lr=0.5)", "out": tmp_path / "run"}
    result = st.compare(numbers(), regularizer=["none", "ema(0.999)"], **options)
    plain, averaged = (
        dict(st.load(result.path, arm=name).net.named_parameters())
        for name in ("no regularizer", "ema(0.999)")
    )
    assert all(not torch.equal(plain[name], averaged[name]) for name in plain)


def test_early_stopping_ends_runs(tmp_path):
    data = numbers(300)
    data["y"] = stream(4, "data", 0).standard_normal(300)  # nothing can be learned
    options = {**OPTIONS, "optimizers": "adam(lr=0.03)", "epochs": 20}
    result = st.compare(data, regularizer=["none", "early-stopping(2)"], out=tmp_path / "run", **options)
    records = Folder(result.path).history().values()
    outcomes = {each.key.name: (each.outcome, each.reason) for each in records if each.key.phase == "final"}
    assert outcomes["no regularizer"][0] == "finished"
    outcome, reason = outcomes["early-stopping(2)"]
    assert (outcome, reason.partition(",")[0]) == ("stopped early", "no better for 2 evaluations")


def test_a_regularizer_without_a_number_is_tuned(tmp_path):
    options = {**OPTIONS, "optimizers": "sgd(lr=0.05)", "out": tmp_path / "run", "baseline": "none"}
    result = st.compare(numbers(), regularizer=["none", "l2", "input-noise + l1(0.01)", "l2(0.5)"], **options)
    titles = ["no regularizer", "l2", "input-noise + l1(0.01)", "l2(0.5)"]
    assert result.arms["title"].to_list() == titles
    records = Folder(result.path).history().values()
    counts = Counter((each.key.name, each.key.phase) for each in records if each.key.phase != "pilot")
    assert counts == {
        **{(name, "scan"): 7 for name in titles[1:3]},
        **{(name, "final"): 1 for name in titles},
    }
    assert {each.steps for each in records if each.key.phase != "pilot"} == {40}, "all at full length"
    [l2, noise] = [curve for curve in result.comparison.rates if curve.name in titles[1:3]]
    assert len({point["l2"] for point in l2.scan_at}) == 7
    best = min(zip(l2.scan_at, l2.scan, strict=True), key=lambda each: each[1][1])
    assert l2.chosen_at == best[0]
    assert 0.01 <= noise.chosen_at["input-noise"] <= 1
    [said] = [fact.value for fact in result.comparison.recipe if fact.label == "regularizer"]
    assert f"l2({l2.chosen_at['l2']}), tuned" in said
    again = st.compare(numbers(), regularizer=["none", "l2", "input-noise + l1(0.01)", "l2(0.5)"], **options)
    assert len(Folder(again.path).history()) == len(records), "nothing is run twice"


def test_an_estimator_that_tunes_nothing_takes_the_default_strength():
    data = numbers()
    X, y = np.stack([data[name] for name in "abc"], 1), data["y"]
    how = {
        "model": "mlp(hidden=(4,))",
        "epochs": 2,
        "optimizer": "sgd",
        "learning_rate": 0.05,
        "random_state": 0,
    }
    plain, given = (st.SteepestRegressor(regularizer=text, **how).fit(X, y) for text in ("l2", "l2(0.0001)"))
    assert np.array_equal(plain.predict(X), given.predict(X))
