"""Training of adapters: the same in every executor, in parts of a batch, and beside what else acts in a step."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from steepest.data.dataset import Dataset
from steepest.errors import ModelError
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.train.compiled import CompiledMethod, fingerprint
from steepest.train.loop import train
from steepest.train.problem import problem_of
from steepest.train.sharpness import curvature_of, without_threshold
from steepest.train.stack import StackedRun, train_stack
from tests.train.steps import without_compiling
from tests.train.test_parts_of_a_model import STEPS, data, distance, last, made, recipe

pytest.importorskip("peft", reason="pip install '.[language]'")
__all__ = ["data"]

MODEL = "embedding-mlp(hidden=[6, 5], dropout=0.0)"
WAYS = ["lora(2)", "dora(2)", "lora(2, dropout=0.3)"]
DECAYING = "adamw(lr=0.05, weight_decay=0.5)"


def adapted(data: Dataset, way: str, **more: Any) -> Any:
    return recipe(data, model=MODEL, finetune=way, **more)


@pytest.mark.parametrize("way", WAYS)
def test_a_compiled_step_is_the_eager_one_and_leaves_the_base(
    data: Dataset, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_compiling(monkeypatch)
    of = adapted(data, way, clip=0.5)
    eager = last(made(data, of, rule=DECAYING))
    assert distance(last(made(data, of, CompiledMethod, DECAYING)), eager) < 1e-12
    start = build_model(MODEL, data.shape, seed=3, finetune=way).double()
    trained = {name for name, each in start.named_parameters() if each.requires_grad}
    assert {name.split(".")[-3 if "weight" in name else -2] for name in trained} >= {"lora_A", "lora_B"}
    for name, each in start.named_parameters():
        assert torch.equal(eager[name], each) == (name not in trained), name


@pytest.mark.parametrize("way", WAYS[:2])
@pytest.mark.parametrize("count", [2, 6])
def test_accumulated_gradients_are_those_of_the_large_batch(data: Dataset, way: str, count: int) -> None:
    of = adapted(data, way, clip=0.5)
    assert (
        distance(last(made(data, of)), last(made(data, of.model_copy(update={"accumulate": count})))) < 1e-12
    )


def test_weight_decay_and_penalties_act_on_adapters_alone(data: Dataset) -> None:
    plain, penal = (last(made(data, adapted(data, "lora(2)", regularizer=each))) for each in ("", "l2(1.0)"))
    assert distance(plain, penal) > 1e-3
    of = adapted(data, "lora(2)", regularizer="l2(1.0)")
    net = build_model(MODEL, data.shape, seed=3, finetune="lora(2)").double()
    problem = problem_of(net, data.wide(), of)
    squares = sum(
        float(each.detach().square().sum()) for name, each in net.named_parameters() if ".lora_A." in name
    )
    assert problem.penalty(net.state_dict()) == pytest.approx(squares)  # B is 0
    decayed = last(made(data, of, rule=DECAYING))
    assert torch.equal(
        decayed["blocks.0.1.base_layer.weight"], net.state_dict()["blocks.0.1.base_layer.weight"]
    )


def test_dora_has_no_curvature_and_says_so(data: Dataset) -> None:
    for way, refused in (("lora(2)", False), ("dora(2)", True)):
        net = build_model(MODEL, data.shape, seed=3, finetune=way).double()
        problem = problem_of(net, data.wide(), adapted(data, way))
        if refused:
            with pytest.raises(
                ModelError, match=r"no curvature to measure: dora\(2, 4\) has gradients that leave"
            ):
                curvature_of(problem, data.wide().train)
            assert "leave out a part of the loss" in without_threshold(problem, 240, 240)
        else:
            curvature_of(problem, data.wide().train)
            assert "leave out a part" not in without_threshold(problem, 240, 240)


@pytest.mark.parametrize("way", WAYS)
def test_runs_together_are_runs_alone(data: Dataset, way: str) -> None:
    members = [_member(data, way, seed) for seed in (0, 1)]
    together = train_stack(members, compiling=False, evaluations=2, keep_last=True)
    for each, found in zip(members, together, strict=True):
        one = train(data, each.recipe, each.key, each.method, evaluations=2, keep_last=True)
        assert distance(last(found), last(one)) < 1e-10
    assert distance(last(together[0]), last(together[1])) > 1e-3


def _member(data: Dataset, way: str, seed: int) -> StackedRun:
    of = adapted(data, way, clip=0.5, optimizer="adam(lr=0.05)")
    method = GradientMethod(make_rule("adam(lr=0.05)"), make_schedule("cosine", STEPS), of.clip)
    return StackedRun(data, of, RunKey(name="x", recipe=of.id, seed=seed, phase="final"), method)


def test_a_compiled_step_is_shared_by_models_with_the_same_adapters_alone(data: Dataset) -> None:
    def made_of(way: str) -> str:
        return fingerprint(build_model(MODEL, data.shape, finetune=way))

    ways = ["lora(2)", "dora(2)", "lora(2, alpha=2)", "lora(2, dropout=0.1)", "lora(3, alpha=6)"]
    first = [made_of(way) for way in ways]
    assert [made_of(way) for way in ways] == first
    assert len({*first}) == len(ways)
