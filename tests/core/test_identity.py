"""User code is identified by its content: what does the same is the same, everything else is not."""

from __future__ import annotations

import functools
import importlib.util
import subprocess
import sys
from enum import Enum
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from steepest.components.identity import of_network, of_reference, of_value
from steepest.components.references import load_reference
from steepest.recipe import Recipe, validate_experiment
from steepest.sweep import codes as module
from steepest.sweep.codes import codes_of, kept_libraries
from steepest.sweep.contestants import contestants, tune
from steepest.sweep.wanted import Objects, wanted_arms

RATE = 0.5


def build(shape, width=4, *, rate=0.1):
    return nn.Linear(2, width)


def uses_a_global(shape):
    return nn.Linear(2, int(RATE))


def bound(width):
    return lambda shape: nn.Linear(2, width)


class Builder:
    def __init__(self, width):
        self.width = width

    def __call__(self, shape):
        return nn.Linear(2, self.width)

    def make(self, shape):
        return nn.Linear(2, self.width)


class Own(torch.optim.SGD):
    factor = 1.0

    @torch.no_grad()
    def step(self, closure=None):
        return super().step(closure)


def digest(value) -> str:
    found = of_value(value, "it")
    assert not found.why, found.why
    assert found.digest
    return found.digest


SAME_AND_NOT = {
    "bound by partial": [functools.partial(build, width=each) for each in (4, 4, 5)],
    "bound by position": [functools.partial(build, None, each) for each in (4, 4, 5)],
    "closed over": [bound(each) for each in (4, 4, 5)],
    "a bound method's instance": [Builder(each).make for each in (4, 4, 5)],
    "a callable instance": [Builder(each) for each in (4, 4, 5)],
    "a tensor": [functools.partial(build, rate=torch.full((3,), each)) for each in (1.0, 1.0, 2.0)],
    "nested": [functools.partial(bound, {"a": [1, (each,)]}) for each in (1, 1, 2)],
}


@pytest.mark.parametrize("case", SAME_AND_NOT)
def test_bound_values_are_part_of_it(case: str) -> None:
    one, same, other = map(digest, SAME_AND_NOT[case])
    assert one == same != other


def test_defaults_and_globals_are_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before, plain = digest(uses_a_global), digest(build)
    monkeypatch.setitem(uses_a_global.__globals__, "RATE", 3.0)
    assert digest(uses_a_global) != before
    monkeypatch.setattr(build, "__defaults__", (5,))
    assert digest(build) != plain


def test_a_class_is_the_same_after_its_first_use_and_another_with_another_value(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before = digest(Own)
    Own([nn.Parameter(torch.ones(1))], lr=0.1).step()  # torch wraps the step now
    assert digest(Own) == before
    monkeypatch.setattr(Own, "factor", 2.0)
    assert digest(Own) != before


def test_an_installed_class_is_known_and_ours_needs_no_identity() -> None:
    assert digest(torch.optim.NAdam) == digest(torch.optim.NAdam) != digest(torch.optim.Adamax)
    tree = {"data": {}, "optimizers": ["adam", "torch:NAdam"], "protocol": {"schedule": "warmup(cosine)"}}
    codes = codes_of(wanted_arms(validate_experiment(tree), Objects()))
    assert [of for of, _ in codes] == ["optimizer torch:NAdam"]


def test_libraries_that_runs_depend_on_are_known_by_their_versions(monkeypatch) -> None:
    tree = {
        "data": {}, "optimizers": ["adam"], "model": {"model": "linear"},
        "factors": {"model": ["hf:folder", "linear"], "finetune": ["full", "qlora(8)"]},
    }  # fmt: skip
    arms = wanted_arms(validate_experiment(tree), Objects())
    named = {"transformers", "peft", "bitsandbytes", "optuna"}
    versions = {name: version(name) for name in named if importlib.util.find_spec(name)}
    assert codes_of(arms, "optuna(tpe)").libraries == versions
    assert codes_of(arms).libraries == {name: each for name, each in versions.items() if name != "optuna"}
    plain = [arm for arm in arms if not arm.finetune and arm.model == "linear"]
    assert codes_of(plain).libraries == {}
    monkeypatch.setattr(module, "version_if_installed", lambda name: "1.0")
    for planner, needed in {
        "optuna": {"optuna"},
        "optuna(cma-es)": {"optuna", "cmaes"},
        "optuna(sampler=cma-es, batch=3)": {"optuna", "cmaes"},
        "sobol": set(),
    }.items():
        found = codes_of(plain, planner).libraries
        assert {*found} == needed
        assert kept_libraries({"optuna": "0.1", "cmaes": "0.1", "peft": "0.1"}, found) == {
            "peft": "0.1",
            **found,
        }


def test_what_cannot_be_identified_is_never_the_same() -> None:
    namespace: dict = {}
    code = "def made(shape): return None"
    exec(code, namespace)
    first, second = of_value(namespace["made"], "made"), of_value(namespace["made"], "made")
    assert "source of made cannot be read" in first.why
    assert first.digest != second.digest
    kind = type("Made", (torch.optim.SGD,), {"step": namespace["made"]})
    assert "cannot be read" in of_value(kind, "Made").why
    with Path(__file__).open() as file:
        assert of_value(functools.partial(build, file), "it").why


def test_a_file_edited_after_its_import_does_not_say_what_runs(tmp_path: Path) -> None:
    path = tmp_path / "late.py"
    path.write_text("def build(shape):\n    return 1\n")
    spec = importlib.util.spec_from_file_location("late", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["late"] = module
    try:
        spec.loader.exec_module(module)
        assert not of_value(module.build, "build").why
        path.write_text("def build(shape):\n    return 200\n")
        assert "has changed since it was imported" in of_value(module.build, "build").why
    finally:
        del sys.modules["late"]


def test_a_file_is_its_text_and_that_of_what_it_imports_from_beside_it(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "__init__.py").write_text("from .deep import SIGN\n")
    (tmp_path / "inner" / "deep.py").write_text("SIGN = -1\n")
    (tmp_path / "unused.py").write_text("x = 1\n")
    path = tmp_path / "mine.py"
    path.write_text("import inner\n\nclass My:\n    sign = inner.SIGN\n")
    before = of_reference(f"{path}:My")
    assert set(before.sources) == {"mine.py", "inner/__init__.py", "inner/deep.py"}
    assert load_reference(f"{path}:My").sign == -1
    (tmp_path / "unused.py").write_text("x = 2\n")
    assert of_reference(f"{path}:My").digest == before.digest
    for text, sign in (("SIGN = +1\n", 1), ("SIGN = -1\n", -1)):  # of one size, within a second
        (tmp_path / "inner" / "deep.py").write_text(text)
        assert load_reference(f"{path}:My").sign == sign
        assert (of_reference(f"{path}:My").digest == before.digest) == (sign == -1)


def test_files_of_one_name_in_two_folders_do_not_meet(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "common.py").write_text(f"VALUE = {name!r}\n")
        (tmp_path / name / "mine.py").write_text("from common import VALUE\n")
    found = [load_reference(f"{tmp_path / name / 'mine.py'}:VALUE") for name in ("a", "b", "a")]
    assert found == ["a", "b", "a"]


def test_an_identity_holds_in_another_process(tmp_path: Path) -> None:
    code = (
        "import functools; from steepest.components.identity import of_value\n"
        "from tests.core import test_identity as t\n"
        "print(*(t.digest(each) for each in (t.Own, t.Builder(4), functools.partial(t.build, width=4))))"
    )
    where = Path(__file__).parents[2]
    said = [
        subprocess.run(
            [sys.executable, "-c", code], cwd=where, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert said[0] == said[1]
    assert len(said[0].split()) == 3


class Net(nn.Module):
    def __init__(self, heads) -> None:
        super().__init__()
        self.heads = heads
        self.layer = nn.Linear(2, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x) * self.heads


def test_a_network_is_its_code_and_settings_not_its_weights() -> None:
    assert of_network(Net(2)) == of_network(Net(2)) != of_network(Net(3))
    assert of_network(nn.Sequential(nn.ReLU())) != of_network(nn.Sequential(nn.Tanh()))
    assert of_network(nn.LeakyReLU(0.1)) != of_network(nn.LeakyReLU(0.2))


class Setting(Enum):
    A = 1
    B = 2


def hooked(k: float) -> nn.Module:
    net = Net(1)
    net.layer.register_forward_hook(lambda module, inputs, output: output * k)
    return net


def buffered(k: float) -> nn.Module:
    net = Net(1)
    net.register_buffer("k", torch.tensor([k]), persistent=False)
    return net


def saved(k: float) -> nn.Module:
    net = Net(1)
    net.register_buffer("k", torch.tensor([k]))
    return net


OF_NETWORKS = {
    "a list": lambda k: Net([k]),
    "a dict": lambda k: Net({"a": (k,)}),
    "a tensor": lambda k: Net(torch.full((2,), k)),
    "an array": lambda k: Net(np.full(2, k)),
    "a function": lambda k: Net(torch.relu if k == 1.0 else torch.tanh),
    "a closure": lambda k: Net(lambda x: x * k),
    "an instance": lambda k: Net(Builder(k)),
    "an enum": lambda k: Net(Setting(int(k))),
    "a hook": hooked,
    "a buffer that is not saved": buffered,
}


@pytest.mark.parametrize("case", OF_NETWORKS)
def test_all_settings_of_a_network_count(case: str) -> None:
    make = OF_NETWORKS[case]
    assert of_network(make(1.0)) == of_network(make(1.0)) != of_network(make(2.0))


def test_weights_and_saved_buffers_are_no_settings() -> None:
    other = saved(2.0)
    nn.init.ones_(other.layer.weight)
    assert of_network(saved(1.0)) == of_network(other) == of_network(other.eval())


def test_two_classes_of_one_name_are_refused() -> None:
    other = type("Own", (torch.optim.SGD,), {"__module__": "elsewhere"})
    with pytest.raises(Exception, match="two optimizers are called 'Own'"):
        contestants([Own, other])
    assert len(contestants([Own, Own])) == 1
    assert [each.name for each in contestants([tune(Own, momentum=[0.0, 0.9])])] == ["Own"]


def test_recipes_without_user_code_keep_their_ids() -> None:
    about = {
        "data": "d",
        "model": "m",
        "optimizer": "adam(lr=0.1)",
        "schedule": "cosine",
        "steps": 9,
        "batch_size": 8,
    }
    recipe = Recipe(**about)
    assert recipe.id == "00c090410c6a"
    own = recipe.model_copy(update={"code": {"schedule": "a"}})
    assert own.id != recipe.id
    assert own.scheduled("cosine").id == recipe.id
