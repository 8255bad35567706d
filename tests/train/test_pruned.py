"""Pruning and lottery tickets, end to end: the weights of plain torch, the bits of plain training without a mask."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import steepest as st
from steepest.data.batches import BatchPlan
from steepest.data.table import read_table
from steepest.errors import OptionError
from steepest.experiment.cautions import lacking_controls
from steepest.models import build_model
from steepest.procedures import make_procedure
from steepest.recipe import validate_experiment
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.sweep.wanted import Objects, wanted_arms
from steepest.testing import ProcedureConformance
from steepest.train.drawn import first_model
from tests.train.test_continued import last_weights

SHORT: dict[str, Any] = {
    "epochs": 4, "batch_size": 64, "device": "cpu", "compile": "off", "seeds": 1, "schedule": "constant",
    "embedding_rows": "off", "baseline": "none",
}  # fmt: skip
SGD = "sgd(lr=0.1, momentum=0.9, weight_decay=0.01)"
MODEL = "mlp(hidden=(8, 6), embedding={'plan': 2})"


class TestPrune(ProcedureConformance):
    procedures = (
        "prune",
        "prune(0.5, 3)",
        "prune(0.5, steps=2, at=0.2, output=0.5, scope=network, unit=neuron, point=last)",
    )
    refused = (
        "prune(1)", "prune(-0.1)", "prune(true)", "prune(0.5, 0)", "prune(0.5, 1.5)", "prune(at=0)", "prune(output=2)",
        "prune(scope=global_)", "prune(unit=filter)", "prune(point=first)",
    )  # fmt: skip


class TestLottery(ProcedureConformance):
    procedures = (
        "lottery",
        "lottery(0.5, 1, ticket=redrawn)",
        "lottery(0.5, 3, ticket=random-mask, scope=network)",
        "lottery(0.5, 2, ticket=mixed, rewind=0.1, output=0.5, init=glorot, point=best, each=1)",
    )
    refused = (
        "lottery(1)", "lottery(rounds=0)", "lottery(ticket=other)", "lottery(rewind=1)", "lottery(each=0)",
        "lottery(init=he)", "lottery(output=-1)", "lottery(scope=all)", "lottery(point=first)",
    )  # fmt: skip


class TestTrainFor(ProcedureConformance):
    procedures = ("train-for", "train-for(0.25)", "train-for(3)")
    refused = ("train-for(0)", "train-for(true)", "train-for(long)")


def compare(data: Path, out: Path, *procedures: str, optimizer: str = SGD, **options: Any) -> st.Result:
    wanted = {**SHORT, "model": MODEL, "procedure": list(procedures), **options}
    if any(make_procedure(each).prunes for each in procedures):
        wanted["controls"] = False  # which are tested by themselves
    return st.plan(data, target="churned", optimizers=[optimizer], **wanted).run(out, observer=Observer())


class Plain:
    """The same in plain torch: SGD with momentum and decay, whose gradients and weights are masked by hand."""

    def __init__(self, data: Path) -> None:
        self.data = read_table(data, target="churned").dataset()
        self.net = build_model(MODEL, self.data.shape, seed=0)
        self.plan = BatchPlan(len(self.data.train), 64, 0)
        self.layers = ("layers.0.weight", "layers.2.weight", "layers.4.weight")
        self.masks: dict[str, torch.Tensor] = {}

    def load(self, weights: dict[str, torch.Tensor]) -> None:
        self.net.load_state_dict(weights)
        with torch.no_grad():
            for name, mask in self.masks.items():
                self.net.get_parameter(name).mul_(mask)

    def weights(self) -> dict[str, torch.Tensor]:
        return {name: each.clone() for name, each in self.net.state_dict().items()}

    def prune(self, share: float) -> None:
        for name in self.layers:
            sizes = self.net.get_parameter(name).detach().abs().flatten()
            mask = torch.ones_like(sizes)
            mask[sizes.argsort()[: round(share * len(sizes))]] = 0.0
            self.masks[name] = mask.reshape(self.net.get_parameter(name).shape)

    def train(self, first: int, count: int) -> None:
        optimizer = torch.optim.SGD(self.net.parameters(), lr=0.1, momentum=0.9, weight_decay=0.01)
        for step in range(first, first + count):
            batch = self.data.train.take(self.plan.indices(step))
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(self.net(*batch.inputs), batch.target).backward()
            optimizer.step()
            with torch.no_grad():
                for name, mask in self.masks.items():
                    self.net.get_parameter(name).mul_(mask)


def steps_of(out: Path) -> list[int]:
    """Return the steps of the stages of the only procedure."""
    made = [each for each in Folder(out).records() if each.key.phase == "final"]
    stage = re.compile(r"stage (\d+) of")
    order = sorted(made, key=lambda each: int(found[1]) if (found := stage.search(each.key.name)) else 99)
    return [each.steps for each in order]


def test_pruning_in_two_steps_is_that_of_plain_torch(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = last_weights(monkeypatch)
    compare(churn_csv, tmp_path / "run", "prune(0.8, 2, point=last)")
    plain, before = Plain(churn_csv), 0
    for share, steps in zip((0.0, 0.7, 0.8), steps_of(tmp_path / "run"), strict=True):
        if share:
            plain.prune(share)
            plain.load(plain.weights())
        plain.train(before, steps)
        before += steps
    [right] = [each for (name, _), each in found.items() if "stage" not in name]
    for name, value in plain.weights().items():
        assert torch.allclose(right[name], value, rtol=1e-4, atol=1e-5), name
    for name in plain.layers:  # zeros with a sign each would make the compressed file larger
        assert not torch.signbit(right[name][right[name] == 0]).any()
    assert [int((right[name] == 0).sum()) for name in plain.layers] == [
        round(0.8 * plain.net.get_parameter(name).numel()) for name in plain.layers
    ]


@pytest.mark.parametrize("rewind", [0.0, 0.25])
def test_a_ticket_is_that_of_plain_torch(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rewind: float
) -> None:
    """Two rounds of half the weights, put back to the start, or to an early step."""
    found = last_weights(monkeypatch)
    compare(churn_csv, tmp_path / "run", f"lottery(0.75, 2, rewind={rewind})")
    plain = Plain(churn_csv)
    first, *later = steps_of(tmp_path / "run")
    back = round(rewind * first)
    plain.train(0, 0)
    start = plain.weights()
    plain.train(0, first)
    ended = plain.weights()
    if back:
        plain.load(start)
        plain.train(0, back)
        start = plain.weights()
    plain.load(ended)
    for share, steps in zip((0.5, 0.75), later, strict=True):
        plain.prune(share)
        plain.load(start)
        plain.train(back, steps)
    [right] = [each for (name, _), each in found.items() if "stage" not in name]
    for name, value in plain.weights().items():
        assert torch.allclose(right[name], value, rtol=1e-4, atol=1e-5), name


def test_without_a_share_they_are_plain_training(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit, with dropout, a schedule, tables by rows and an optimizer with state."""
    found = last_weights(monkeypatch)
    pairs = [("prune(0.0, 2, at=0.5)", "own.py:Thrice"), ("lottery(0.0, 2, each=1.0)", "train")]
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "from steepest.procedures import Procedure, Stage\n\n\n"
        "def Thrice() -> Procedure:\n"
        '    return Procedure((Stage(0.5), Stage(0.25, "best"), Stage(0.25, "best")))\n'
    )
    compare(
        churn_csv, tmp_path / "run", *(text for pair in pairs for text in pair), optimizer="adamw(lr=0.01)",
        model="embedding-mlp(hidden=(8,), dropout=0.2)", schedule="cosine", embedding_rows="on",
    )  # fmt: skip
    for pair in pairs:
        one, other = (found[make_procedure(text).title, 0] for text in pair)
        assert all(torch.equal(one[name], other[name]) for name in one), pair


def test_the_controls_of_a_ticket_differ_in_the_last_training_alone(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They share the trainings before it, and start from what they say."""
    begun: dict[str, dict[str, torch.Tensor]] = {}
    found = last_weights(monkeypatch)
    tickets = ("ticket", "redrawn", "random-mask", "mixed")
    texts = [make_procedure(f"lottery(0.5, 2, ticket={each})").text for each in tickets]
    compare(churn_csv, tmp_path / "run", *texts)
    made = [each for each in Folder(tmp_path / "run").records() if each.key.phase == "final"]
    assert len(made) == 2 + len(tickets)
    titles = {each: make_procedure(f"lottery(0.5, 2, ticket={each})").title for each in tickets}
    begun = {each: found[title, 0] for each, title in titles.items()}
    zeros = {
        each: {
            name: value == 0
            for name, value in weights.items()
            if name.startswith("layers") and value.dim() > 1
        }
        for each, weights in begun.items()
    }
    for name, mask in zeros["ticket"].items():
        assert torch.equal(mask, zeros["redrawn"][name])
        assert torch.equal(mask, zeros["mixed"][name])
        assert mask.sum() == zeros["random-mask"][name].sum()
    assert any(not torch.equal(mask, zeros["random-mask"][name]) for name, mask in zeros["ticket"].items())
    values = [begun[each]["layers.0.weight"] for each in tickets]
    assert all(not torch.equal(one, other) for one, other in pairwise(values))


def test_another_draw_is_of_the_same_distribution_and_glorots_of_another() -> None:
    shape = read_table({"x": [0.1, 0.2, 0.3] * 40, "y": ["a", "b", "a"] * 40}, target="y").dataset().shape
    model = "mlp(hidden=(400, 400))"
    own, again, other, both = (
        first_model(model, shape, 0, each).get_parameter("layers.2.weight").detach()
        for each in ("", "another", "glorot", "another glorot")
    )
    assert not torch.equal(own, again)
    assert not torch.equal(other, both)
    assert (
        own.std().item() == pytest.approx(again.std().item(), rel=0.01) == pytest.approx(1200**-0.5, rel=0.02)
    )
    assert (
        other.std().item() == pytest.approx(both.std().item(), rel=0.01) == pytest.approx(400**-0.5, rel=0.02)
    )


def test_what_cannot_be_pruned_is_refused(churn_csv: Path, tmp_path: Path) -> None:
    for options, said in (
        ({"optimizer": "l-bfgs"}, "l-bfgs cannot train under prune"),
        ({"model": "embedding-mlp(hidden=())"}, ""),
        ({"model": "residual-mlp"}, ""),
    ):
        text = "prune(0.5, unit=neuron)" if not said else "prune(0.5)"
        with pytest.raises(OptionError, match=said or "no hidden neurons that can be pruned"):
            compare(churn_csv, tmp_path / "run", text, **options)


class Heard(Observer):
    """Keeps the warnings that are said."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def say(self, text: str) -> None:
        if text.startswith("warning: "):
            self.warnings.append(text.removeprefix("warning: "))


@pytest.mark.parametrize("procedure", ["prune(0.9)", "prune(0.99, scope=network)"])
def test_a_layer_that_pruning_empties_is_named(churn_csv: Path, tmp_path: Path, procedure: str) -> None:
    """Within layers it is known before anything is trained; over the network only afterwards."""
    options: dict[str, Any] = {**SHORT, "epochs": 1, "model": "mlp(hidden=(1,))", "controls": False}
    planned = st.plan(churn_csv, target="churned", optimizers=["sgd"], procedure=procedure, **options)
    before, during = Heard(), Heard()
    planned.preview(tmp_path / "run", observer=before)
    found = planned.run(tmp_path / "run", observer=during).comparison
    [said] = [each for each in during.warnings if "prunes every weight of" in each]
    assert "layers.2 (2 weights), at a sparsity of 9" in said
    assert said in found.warnings
    assert (said in before.warnings) == ("network" not in procedure)
    assert "prunes every weight of" in (tmp_path / "run" / "report.html").read_text()


def test_a_procedure_without_its_control_is_mentioned() -> None:
    def notes(*procedures: str) -> list[str]:
        factors = {"procedure": list(procedures)}
        experiment = validate_experiment({"data": {}, "optimizers": ["sgd"], "factors": factors})
        return [each.text for each in lacking_controls(wanted_arms(experiment, Objects()))]

    assert notes("lottery(0.5, 2, each=1)", "train-for(3)") == []
    assert notes("train", "lottery(0.5, 2, each=1)") == [
        "lottery(0.5, 2, each=1.0) is compared without its control of equal length: add --procedure 'train-for(3.0)'.",
        "procedures have different lengths, in those of one run of train: train 1, lottery(0.5, 2, each=1.0) 3.",
    ]
    assert notes("prune(0.5)") == [
        "prune(0.5, 1) is compared without its control of equal length: add --procedure train."
    ]
    many = [f"prune({share / 10})" for share in range(1, 9)]
    assert notes(*many, "lottery(0.5, 1, each=1)") == [
        "prune(0.1, 1), prune(0.2, 1) and 6 more are compared without their control of equal length: add --procedure "
        "train.",
        "lottery(0.5, 1, each=1.0) is compared without its control of equal length: add --procedure 'train-for(2.0)'.",
        "procedures have different lengths, in those of one run of train: prune(0.1, 1), prune(0.2, 1) and 6 more 1, "
        "lottery(0.5, 1, each=1.0) 2.",
    ]
