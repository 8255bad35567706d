"""A step that an earlier process has compiled is found without tracing it, as long as all its code is known."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from steepest.train import compiled as compiled_steps
from steepest.train import library_names
from steepest.train.aot import Compiled
from steepest.train.compiled import Programs, fingerprint
from steepest.train.library_names import is_own, keep_name, kept_name
from tests.train.steps import TABLES, Run, distance, eager, in_float64, one_program, run, table


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, whose libraries are the graphs themselves, in the memory of this process."""
    libraries: dict[str, object] = {}

    def compiled(traced, threads, announce=None, *, only_cached=False):
        name = f"library{len(libraries)}"
        libraries[name] = lambda tensors: [traced.graph(*tensors)]
        return Compiled(libraries[name], 0.0, name)

    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path))
    monkeypatch.setattr(compiled_steps, "compiled", compiled)
    monkeypatch.setattr(compiled_steps, "known", lambda name, threads: libraries.get(name))
    return tmp_path


def traces(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    made: list[str] = []
    real = compiled_steps.trace
    monkeypatch.setattr(compiled_steps, "trace", lambda *given: made.append("step") or real(*given))
    return made


def steps(text: str = "adam(lr=0.01)", **changes) -> Run:
    """Steps as a new process makes them: it has no programs yet."""
    method = one_program(text)
    assert method.programs == Programs()
    return run(table(), method, **changes)


def test_a_later_process_does_not_trace_the_step(cache, monkeypatch) -> None:
    made = traces(monkeypatch)
    first, second = steps(), steps("adam(lr=0.02)")
    assert made == ["step"]
    assert second.losses == pytest.approx(run(table(), eager("adam(lr=0.02)")).losses, rel=1e-5)
    assert first.losses != second.losses


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "adam(lr=0.01, betas=(0.8, 0.99))"},
        {"text": "adamw(lr=0.01)"},
        {"batch_size": 32},
        {"weights": (1.0, 2.0, 1.0)},
        {"model": "embedding-mlp(hidden=(6, 4), dropout=0.1, hidden_dropout=0.3)"},
        {"regularizer": "l2"},
    ],
)
def test_what_changes_a_step_is_another_step(cache, monkeypatch, changes) -> None:
    steps()
    made = traces(monkeypatch)
    steps(**changes)
    assert made == ["step"]


def test_other_code_of_the_package_is_another_step(cache, monkeypatch) -> None:
    steps()
    made = traces(monkeypatch)
    monkeypatch.setattr(library_names, "_code", lambda: "an other version")
    steps()
    assert made == ["step"]


class Mine(nn.Module):
    def __init__(self, shape) -> None:
        super().__init__()
        self.last = nn.Linear(len(shape.continuous), shape.outputs)

    def forward(self, categorical, continuous):
        return self.last(continuous)


def test_code_of_the_user_is_traced_each_time(cache, monkeypatch) -> None:
    """It may have been edited."""
    made = traces(monkeypatch)
    steps(model=Mine)
    steps(model=Mine)
    assert made == ["step", "step"]
    assert not (cache / "steps" / "names").exists()


def test_hooks_and_attributes_of_the_user_are_code_of_the_user() -> None:
    def hook(*_: object) -> None:
        pass

    hooked, holding, ours = nn.Linear(2, 1), nn.Linear(2, 1), nn.Sequential(nn.Linear(2, 1), nn.Tanh())
    hooked.register_forward_hook(hook)
    holding.config = {"scale": Mine}
    ours[0].scale, ours[0].activation = torch.ones(1), torch.tanh
    assert [is_own(each) for each in (hooked, holding, ours)] == [False, False, True]


def test_a_cache_that_cannot_be_written_keeps_nothing(tmp_path, monkeypatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("STEEPEST_CACHE", str(file))
    keep_name("key", "name")
    assert kept_name("key") is None


@pytest.mark.parametrize("first", ["float64", "float32"])
def test_tables_by_rows_of_another_precision_are_another_step(cache, first: str) -> None:
    """A library that was compiled for other numbers reads wrong memory."""

    def rows(precision: str) -> Run:
        data = in_float64(table()) if precision == "float64" else table()
        return run(data, one_program("momentum(lr=0.05)", tables=TABLES))

    rows(first)
    for precision in ("float32", "float64"):
        found = rows(precision)
        data = in_float64(table()) if precision == "float64" else table()
        right = run(data, eager("momentum(lr=0.05)", tables=TABLES))
        assert distance(found.weights, right) <= 1e-3


def test_a_function_of_torch_that_the_user_replaced_is_code_of_the_user(monkeypatch) -> None:
    assert is_own(nn.Linear(2, 1))
    monkeypatch.setattr(nn.Linear, "forward", lambda self, x: x)
    assert not is_own(nn.Sequential(nn.Linear(2, 1)))


def test_a_hook_around_all_modules_is_code_of_the_user() -> None:
    handle = nn.modules.module.register_module_forward_hook(lambda *_: None)
    assert not is_own(nn.Linear(2, 1))
    handle.remove()
    assert is_own(nn.Linear(2, 1))


def test_functions_that_differ_in_a_number_or_a_default_are_others() -> None:
    def made(source: str) -> nn.Module:
        names: dict[str, object] = {"__name__": "mine"}
        exec(source, names)
        net = nn.Linear(2, 1)
        net.scale = names["scale"]
        return net

    texts = ["def scale(x): return x * 2.5", "def scale(x): return x * 3.5", "def scale(x, y=1): return x * 2.5",
             "def scale(x, y=2): return x * 2.5", "def scale(x): return abs(x) * 2.5"]  # fmt: skip
    found = [fingerprint(made(text)) for text in texts]
    assert len(set(found)) == len(texts)
    assert fingerprint(made(texts[0])) == found[0]


@pytest.mark.parametrize(("name", "own"), [("smart_apply", True), ("__call__", False)])
def test_what_transformers_adds_to_every_module_is_called_by_no_step(name, own, monkeypatch) -> None:
    def added(self, *_: object) -> None:
        pass

    added.__module__ = "transformers.modeling_utils"
    monkeypatch.setattr(nn.Module, name, added, raising=False)
    assert is_own(nn.Linear(2, 1)) is own
