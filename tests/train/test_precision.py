"""Shorter matrix products: near the long ones, in training only, and put back afterwards."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

import steepest as st
from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.export.model import as_torch as exported
from steepest.objectives import make_objective
from steepest.objectives.target import NumberTarget
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.sweep.timing import SAME
from steepest.train.compiled import CompiledMethod
from steepest.train.cuda_method import ReplayedMethod
from steepest.train.finished import Finished
from steepest.train.loop import train
from steepest.train.problem import SupervisedProblem, check_precision, products
from tests.train.steps import MODEL, TABLES, eager, one_program, problem_of, run, table, without_compiling


@pytest.fixture(scope="module")
def data():
    return table()


def short(data, seed: int = 0) -> SupervisedProblem:
    problem = problem_of(data, seed=seed)
    problem.precision = "bf16"
    return problem


def trained(data, precision: str, method: type = CompiledMethod) -> Finished:
    rule = make_rule("adam(lr=0.01)")
    recipe = Recipe(data=data.fingerprint, model=MODEL, optimizer=whole_spec(rule), schedule="cosine", steps=60,
                    batch_size=32, metric="log_loss", precision=precision)  # fmt: skip
    key = RunKey(name="adam", recipe=recipe.id, seed=0, phase="final")
    return train(data, recipe, key, method(rule, make_schedule("cosine", 60)), metrics=("accuracy",))


def test_a_product_has_factors_of_8_bits() -> None:
    """Against rounding by hand; 257 needs 9 bits, 256 does not."""
    model = nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        model.weight.fill_(257.0)
    part = Part((torch.ones(2, 1),), torch.zeros(2))
    problem = SupervisedProblem(model, make_objective("squared", NumberTarget()), precision="bf16")
    assert problem.loss(part).item() == 256.0**2
    assert problem.loss(part).dtype == torch.float32
    assert SupervisedProblem(model, make_objective("squared", NumberTarget())).loss(part).item() == 257.0**2


def test_everything_has_64_bits(data, monkeypatch) -> None:
    graphs = without_compiling(monkeypatch)
    wide, compiled = (trained(data, "float64", method) for method in (GradientMethod, CompiledMethod))
    assert graphs
    narrow = trained(data, "float32", GradientMethod)
    for name, weight in wide.weights.items():
        if weight.is_floating_point():
            assert weight.dtype == torch.float64, name
            assert torch.allclose(compiled.weights[name], weight, atol=1e-12), name
            assert torch.allclose(narrow.weights[name].double(), weight, atol=1e-2), name
            assert not torch.equal(weight.float().double(), weight), name
    assert wide.record.curve[-1].validation == pytest.approx(narrow.record.curve[-1].validation, rel=1e-3)


def test_a_network_of_64_bits_is_saved_and_exported(churn, tmp_path) -> None:
    st.compare(
        churn, target="churned", optimizers="adam(lr=0.01)", seeds=1, epochs=1, hidden=(4,), precision="float64",
        class_weights="balanced", compile="off", out=tmp_path / "run",
    )  # fmt: skip
    model = st.load(tmp_path / "run" / "model")
    assert {each.dtype for each in model.net.parameters()} == {torch.float64}
    chances = model.predict_proba(churn)
    files = exported(model, None)
    weights = safetensors.torch.load(files["weights.safetensors"])
    assert {each.dtype for each in weights.values() if each.is_floating_point()} == {torch.float32}
    assert {each.dtype for each in model.net.parameters()} == {torch.float64}
    assert np.isfinite(chances).all()


def test_gradients_and_weights_stay_long(data) -> None:
    found = run(data, eager("adam(lr=0.01)"), problem=short(data))
    assert {each.dtype for each in found.weights.values() if each.is_floating_point()} == {torch.float32}


@pytest.mark.parametrize("tables", [(), TABLES])
def test_losses_are_near_those_of_long_products(data, tables) -> None:
    found = run(data, eager("adam(lr=0.01)", tables=tables), problem=short(data))
    right = run(data, eager("adam(lr=0.01)", tables=tables))
    assert found.losses[:8] == pytest.approx(right.losses[:8], rel=SAME["bf16"])
    assert found.losses != right.losses


@pytest.mark.parametrize("tables", [(), TABLES])
def test_programs_round_alike(data, monkeypatch, tables) -> None:
    without_compiling(monkeypatch)
    right = run(data, eager("adam(lr=0.01)", tables=tables), problem=short(data))
    found = run(data, one_program("adam(lr=0.01)", tables=tables), problem=short(data))
    assert found.losses[:8] == pytest.approx(right.losses[:8], rel=SAME["bf16"])


@pytest.mark.parametrize("method", [CompiledMethod, ReplayedMethod])
def test_a_whole_run(data, monkeypatch, method) -> None:
    without_compiling(monkeypatch)
    long, brief = trained(data, "float32", method).record, trained(data, "bf16", method).record
    assert brief.key.recipe != long.key.recipe
    assert brief.curve[0].validation == long.curve[0].validation, "evaluation has 32 bits"
    assert brief.best["log_loss"] == pytest.approx(long.best["log_loss"], rel=SAME["bf16"])
    assert brief.best != long.best


def test_what_was_set_is_put_back() -> None:
    before = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    with products("tf32"):
        assert torch.get_float32_matmul_precision() == "high"
        assert torch.backends.cudnn.allow_tf32
    with pytest.raises(ZeroDivisionError), products("tf32"):
        raise ZeroDivisionError
    with products("float32"):
        assert torch.get_float32_matmul_precision() == "highest"
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32) == before


def test_a_cpu_has_no_tf32() -> None:
    check_precision("tf32", "cuda:0")
    check_precision("bf16", "cpu")
    with pytest.raises(OptionError, match=r"'tf32'.*'cpu'"):
        check_precision("tf32", "cpu")


@pytest.mark.slow
def test_a_real_program_rounds_alike(data) -> None:
    found = run(data, one_program("adam(lr=0.01)"), problem=short(data))
    right = run(data, eager("adam(lr=0.01)"), problem=short(data))
    assert found.losses[:8] == pytest.approx(right.losses[:8], rel=SAME["bf16"])
