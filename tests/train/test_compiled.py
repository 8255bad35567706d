"""Compiled steps: a real program of a tiny model against eager steps, and what is never compiled again."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import nn

from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, Method
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.train import aot as module
from steepest.train import compiled as compiled_module
from steepest.train.aot import NotCachedError, compiler
from steepest.train.compiled import CompiledMethod, Programs, fingerprint
from steepest.train.loop import train
from tests.train.steps import (
    MODEL,
    TABLES,
    Run,
    distance,
    eager,
    in_float64,
    one_program,
    run,
    table,
    without_compiling,
)
from tests.train.test_rows import VECTORS_AND_BIASES, VectorsAndBiases

TEXT, CLIP, WEIGHTS = "adam(lr=0.01)", 0.3, (1.0, 2.0, 0.5)


@pytest.fixture(scope="module")
def data():
    return table()


def with_programs(method: CompiledMethod, programs: Programs) -> CompiledMethod:
    method.programs = programs
    return method


# --- the traced step in the training loop -----------------------------------------------------------------------


def trained(
    data, method: type[Method], text: str, tables=(), evaluations: int = 4, model: Any = None, **changes: Any
):
    rule = make_rule(text)
    recipe = Recipe(data=data.fingerprint, model=MODEL, optimizer=whole_spec(rule), schedule="cosine", steps=48,
                    batch_size=16, metric="log_loss", **changes)  # fmt: skip
    key = RunKey(name=rule.called, recipe=recipe.id, seed=0, phase="final")
    made: Any = method(rule, make_schedule("cosine", 48), recipe.clip, tables)  # pyright: ignore
    return train(
        data, recipe, key, made, model=model, evaluations=evaluations, metrics=("accuracy",), read_test=True
    )


@pytest.mark.parametrize(("text", "tables"), [(TEXT, ()), (TEXT, TABLES), ("sgd(lr=0.3)", TABLES),
                                              ("schedule-free-adamw(lr=0.01)", ())])  # fmt: skip
def test_a_whole_run_is_the_eager_one(data, monkeypatch, text: str, tables) -> None:
    graphs = without_compiling(monkeypatch)
    right = trained(data, GradientMethod, text, tables, clip=CLIP)
    found = trained(data, CompiledMethod, text, tables, clip=CLIP)
    assert graphs
    for a, b in zip(found.record.curve, right.record.curve, strict=True):
        assert (a.step, a.gradients) == (b.step, b.gradients)
        assert a.validation == pytest.approx(b.validation, rel=1e-3)
    assert found.record.best_step == right.record.best_step
    assert found.record.test == pytest.approx(right.record.test, rel=1e-2)
    assert list(found.weights) == list(right.weights)


def test_one_column_may_be_looked_up_in_several_tables(data, monkeypatch) -> None:
    graphs = without_compiling(monkeypatch)
    right = trained(data, GradientMethod, TEXT, (), model=VectorsAndBiases)
    found = trained(data, CompiledMethod, TEXT, VECTORS_AND_BIASES, model=VectorsAndBiases)
    assert graphs
    for name, weight in right.weights.items():
        assert torch.allclose(found.weights[name], weight, atol=1e-4, rtol=1e-3), name


@pytest.mark.parametrize("tables", [(), TABLES])
def test_watching_changes_nothing(data, monkeypatch, tables) -> None:
    """Blocks of steps are cut at evaluations, and cut otherwise they are the same steps."""
    without_compiling(monkeypatch)
    rare, often = (trained(data, CompiledMethod, TEXT, tables, evaluations=n) for n in (1, 48))
    assert rare.record.test_last == often.record.test_last


def test_divergence_is_recorded_with_its_step(data, monkeypatch) -> None:
    without_compiling(monkeypatch)
    records = [trained(data, each, "sgd(lr=1e30)").record for each in (GradientMethod, CompiledMethod)]
    assert records[1].outcome == "diverged"
    assert records[1].reason == records[0].reason


def test_one_program_serves_all_runs_of_a_comparison(data, monkeypatch) -> None:
    graphs = without_compiling(monkeypatch)
    programs = Programs()
    for seed, text, schedule in ((0, "adam(lr=0.01)", "cosine"), (1, "adam(lr=0.03)", "constant")):
        found = run(data, with_programs(one_program(text, schedule), programs), seed=seed)
        assert distance(found.weights, run(data, eager(text, schedule), seed=seed)) <= 1e-3
    assert len(graphs) == 1
    run(data, with_programs(one_program("adam(eps=1e-4)"), programs))
    run(data, with_programs(one_program("adam"), programs), batch_size=8)
    assert len(graphs) == 3


@pytest.mark.parametrize(
    ("task", "first", "second"),
    [
        ("classification", {"weights": (1.0, 2.0, 0.5)}, {"weights": (3.0, 1.0, 1.0)}),
        ("classification", {}, {"weights": (3.0, 1.0, 1.0)}),
        ("regression", {"loss": "squared"}, {"loss": "absolute"}),
        ("regression", {"loss": "huber(1.0)"}, {"loss": "huber(0.1)"}),
    ],
)
def test_another_loss_or_other_weights_of_classes_are_another_program(
    monkeypatch, task, first, second
) -> None:
    """Folds have weights of classes of their own, and arms losses: a program holds both."""
    data, graphs, programs = table(task), without_compiling(monkeypatch), Programs()
    for given in (first, second):
        found = run(data, with_programs(one_program("sgd(lr=0.05)"), programs), **given)
        right = run(data, eager("sgd(lr=0.05)"), **given)
        assert found.losses == pytest.approx(right.losses, rel=1e-4)
    assert len(graphs) == 2


# --- a real program ---------------------------------------------------------------------------------------------


@dataclass
class Made:
    """A run by a program that was compiled for it, beside eager ones."""

    found: Run
    right: Run
    exact: Run
    said: list[str]


@pytest.fixture(scope="module")
def made(data, tmp_path_factory) -> Any:
    """One table by rows, the rest densely; compiled once for all tests here."""
    if compiler() is None:
        pytest.skip("there is no C++ compiler")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STEEPEST_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(module, "_loaded", {})
        said: list[str] = []
        method = with_programs(one_program(TEXT, clip=CLIP, tables=TABLES[:1]), Programs(said.append))
        found = run(data, method, weights=WEIGHTS)
        right = run(data, eager(TEXT, clip=CLIP), weights=WEIGHTS)
        exact = run(in_float64(data), eager(TEXT, clip=CLIP), weights=WEIGHTS)
        yield Made(found, right, exact, said)


def test_a_compiled_run_is_the_eager_dense_run(made) -> None:
    assert made.found.losses == pytest.approx(made.right.losses, rel=1e-4)
    assert distance(made.found.weights, made.right) <= 1e-3
    assert distance(made.found.weights, made.exact) <= 3 * distance(made.right.weights, made.exact) + 1e-6
    tables = made.found.method.tables(made.found.state)
    assert tables.past.executor == "closed form"
    assert bool((tables.rows[TABLES[0]].last < 15).any())
    assert tables.rows[TABLES[0]].quick is not None


def test_compiling_is_said_and_its_time_counted(made) -> None:
    assert made.said == ["compiling the step of adam, once for this machine"]
    assert made.found.method.compile_seconds(made.found.state) > 0


def test_a_second_run_compiles_nothing(data, made, monkeypatch) -> None:
    monkeypatch.setattr(module, "_loaded", {})
    said: list[str] = []
    programs = Programs(said.append, only_cached=True)
    again = run(
        data, with_programs(one_program(TEXT, clip=CLIP, tables=TABLES[:1]), programs), weights=WEIGHTS
    )
    assert said == []
    assert again.losses == made.found.losses
    assert all(torch.equal(again.weights[name], each) for name, each in made.found.weights.items())
    graphs = without_compiling(monkeypatch)
    run(data, one_program(TEXT, clip=CLIP, tables=TABLES[:1]), weights=WEIGHTS)
    assert [module.compiled(each, 1, only_cached=True).seconds for each in graphs] == [0.0] * len(graphs)


def test_another_process_takes_a_program_by_name_without_tracing(data, made, monkeypatch) -> None:
    def method(programs: Programs) -> CompiledMethod:
        return with_programs(one_program(TEXT, clip=CLIP, tables=TABLES[:1]), programs)

    known, there = Programs(only_cached=True), Programs()
    run(data, method(known), weights=WEIGHTS)
    assert len(known.names) == 2  # the step and the closed form of its tables
    there.names.update(known.names)
    with monkeypatch.context() as patch:
        patch.setattr(compiled_module, "trace", lambda *_: pytest.fail("traced"))
        patch.setattr(compiled_module, "trace_closed_form", lambda *_: pytest.fail("traced"))
        again = run(data, method(there), weights=WEIGHTS)
    assert again.losses == made.found.losses
    gone = Programs(names=dict.fromkeys(known.names, "not there"))
    assert run(data, method(gone), weights=WEIGHTS).losses == made.found.losses


def test_other_rates_schedules_and_seeds_compile_nothing(data, made) -> None:
    programs = Programs(only_cached=True)
    for seed, text, schedule in ((3, "adam(lr=0.1)", "constant"), (4, "adam(lr=1e-4)", "sgdr")):
        method = with_programs(one_program(text, schedule, CLIP, TABLES[:1]), programs)
        found = run(data, method, seed=seed, weights=WEIGHTS)
        right = run(data, eager(text, schedule, CLIP), seed=seed, weights=WEIGHTS)
        assert distance(found.weights, right) <= 1e-2
        assert found.losses == pytest.approx(right.losses, rel=1e-3)


def test_another_shape_is_another_program(data, made) -> None:
    programs = Programs(only_cached=True)
    with pytest.raises(NotCachedError):
        run(
            data,
            with_programs(one_program(TEXT, clip=CLIP, tables=TABLES[:1]), programs),
            batch_size=8,
            weights=WEIGHTS,
        )


@pytest.mark.slow
@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
@pytest.mark.parametrize("text", ["adamw(weight_decay=0.1)", "quickprop", "schedule-free-adamw", "adafactor"])
def test_compiled_steps_of_other_rules_in_float64(text: str, tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path))
    data = in_float64(table())
    right = run(data, eager(text, clip=CLIP), weights=WEIGHTS)
    found = run(data, one_program(text, clip=CLIP), weights=WEIGHTS)
    assert distance(found.weights, right) <= 1e-9


ENCODED = """
from steepest.data.table import read_table
from steepest.models import build_model
from steepest.train.compiled import fingerprint

rows = {"x": [each / 7 for each in range(400)], "y": ["a", "b"] * 200}
shape = read_table(rows, target="y").variant(numbers="piecewise(bins=4)").shape
found = {fingerprint(build_model("mlp(hidden=[3])", shape)) for _ in range(2)}
print(*found)
"""


def test_networks_with_encoded_numbers_have_one_program_in_all_runs_and_processes() -> None:
    """What encodes numbers is a hook, which has a number of its own in every network."""
    shown = {
        subprocess.run(
            [sys.executable, "-c", ENCODED],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        ).stdout
        for seed in ("1", "2")
    }
    assert len(shown) == 1
    assert len(shown.pop().split()) == 1


def test_functions_that_differ_are_other_programs() -> None:
    def hooked(function: Any) -> nn.Module:
        net = nn.Linear(2, 2)
        net.register_forward_pre_hook(function)
        return net

    def first(net: nn.Module, inputs: Any) -> Any:
        return inputs

    factor = 2.0
    second = lambda net, inputs: (inputs[0] * factor,)  # noqa: E731
    assert fingerprint(hooked(first)) != fingerprint(hooked(second))
