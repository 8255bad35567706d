"""Steps on a CUDA device: replayed and stacked ones are the eager ones there, and whole comparisons run."""

from __future__ import annotations

import dataclasses

import pytest
import torch

import steepest as st
from steepest.optim import make_rule
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.train.cuda_method import ReplayedMethod, has_triton
from steepest.train.loop import train
from steepest.train.stack import StackedRun, train_stack
from tests.train.steps import MODEL, STEPS, distance, eager, in_float64, run, table

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


@pytest.fixture(scope="module")
def data():
    return in_float64(table()).to(DEVICE)


def replayed(
    text: str, schedule: str = "cosine", clip: float | None = None, rates: str = ""
) -> ReplayedMethod:
    return ReplayedMethod(make_rule(text), make_schedule(schedule, STEPS), clip, rates=rates)


@pytest.mark.parametrize("text", [
    "adam(lr=0.01)", "sgd(lr=0.3)", "momentum(lr=0.1)", "rmsprop(lr=0.01)", "lion(lr=0.001)", "nadam(lr=0.01)",
    "adafactor(lr=0.01)", "schedule-free-adamw(lr=0.01)", "quickprop(lr=0.01)", "rprop(lr=0.001)",
])  # fmt: skip
def test_replayed_steps_are_the_eager_ones(data, text: str) -> None:
    found, right = run(data, replayed(text, clip=0.5)), run(data, eager(text, clip=0.5))
    assert found.losses == pytest.approx(right.losses, rel=1e-9)
    assert distance(found.weights, right) <= 1e-7


@pytest.mark.parametrize(
    "regularizer",
    ["ema", "gradient-noise", "input-noise", "l1", "l2", "max-norm"],
)
def test_with_a_regularizer(data, regularizer: str) -> None:
    found = run(data, replayed("adam(lr=0.01)"), regularizer=regularizer)
    right = run(data, eager("adam(lr=0.01)"), regularizer=regularizer)
    assert found.losses == pytest.approx(right.losses, rel=1e-9)
    assert distance(found.weights, right) <= 1e-7


def test_with_rates_of_parts(data) -> None:
    rates = "embeddings=0.1"
    method = dataclasses.replace(eager("adam(lr=0.01)"), rates=rates)
    found, right = run(data, replayed("adam(lr=0.01)", rates=rates)), run(data, method)
    assert found.losses == pytest.approx(right.losses, rel=1e-9)


def test_more_steps_than_a_block(data) -> None:
    found = run(data, replayed("adam(lr=0.01)"), steps=200)
    right = run(data, eager("adam(lr=0.01)"), steps=200)
    assert found.losses == pytest.approx(right.losses, rel=1e-6)


def test_inductor_joins_the_operations_of_a_step(data) -> None:
    said: list[str] = []
    method = replayed("adam(lr=0.01)")
    method.programs.announce = said.append
    run(data, method)
    assert said == (["compiling the step of adam, once for this machine"] if has_triton() else [])


@pytest.mark.parametrize("compiling", [True, False])
def test_stacked_runs_are_the_runs_alone(data, compiling: bool) -> None:
    rules = [make_rule(f"adam(lr={lr})") for lr in (0.001, 0.01, 0.1)]
    members = []
    for seed, rule in enumerate(rules):
        recipe = Recipe(data=data.fingerprint, model=MODEL, optimizer=whole_spec(rule), schedule="cosine",
                        steps=STEPS, batch_size=16, metric="log_loss", precision="float64")  # fmt: skip
        key = RunKey(name="adam", recipe=recipe.id, seed=seed, phase="final")
        members.append(StackedRun(data, recipe, key, eager(str(whole_spec(rule)))))
    found = train_stack(members, evaluations=3, keep_last=True, compiling=compiling, device=DEVICE)
    for each, together in zip(members, found, strict=True):
        alone = train(
            each.dataset, each.recipe, each.key, each.method, evaluations=3, keep_last=True, device=DEVICE
        )
        assert alone.last is not None
        assert together.last is not None
        for name, weight in alone.last.items():
            assert torch.allclose(weight, together.last[name], rtol=1e-7, atol=1e-9), name


@pytest.mark.parametrize("precision", ["float32", "tf32", "bf16"])
def test_a_comparison_on_the_device(tmp_path, precision: str) -> None:
    rows = {"x": [0.5, 0.1, 0.3, 0.9] * 200, "k": ["u", "v", "v", "u"] * 200, "y": ["a", "b", "a", "b"] * 200}
    result = st.compare(rows, target="y", optimizers=["adam", "sgd"], epochs=3, seeds=2, device=DEVICE,
                        precision=precision, out=tmp_path / "out")  # fmt: skip
    assert {each.outcome for each in result.folder.records() if each.key.phase == "final"} == {"finished"}
