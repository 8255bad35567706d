"""Functions: planted faults are found and named by their cause, what is right passes, and a person reads why."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn

import steepest as st
from steepest.checking.functions import check_function
from steepest.checking.subject import open_subject
from steepest.cli import main
from steepest.errors import OptionError, SteepestError
from steepest.models import registry as models
from steepest.objectives import registry as losses

HERE = Path(__file__).parent
PLANTED = sorted((HERE / "faults").glob("*.py"))
RIGHT = [
    f"{path}:{node.name}"
    for path in sorted((HERE / "right").glob("*.py"))
    for node in ast.parse(path.read_text(encoding="utf-8")).body
    if isinstance(node, ast.ClassDef | ast.FunctionDef) and not node.name.startswith("inputs")
]
SLOW = {"Pictures", "Recurrent", "Attention"}


def _checked(path: Path) -> str:
    return f"{path}:{'Checked' if 'class Checked' in path.read_text(encoding='utf-8') else 'checked'}"


def test_there_are_enough_of_both():
    assert len(PLANTED) >= 10
    assert len(RIGHT) >= 10
    causes = {re.search("# finds: (.*)", path.read_text(encoding="utf-8"))[1] for path in PLANTED}
    assert len(causes) >= 10


@pytest.mark.parametrize("path", PLANTED, ids=lambda path: path.stem)
def test_a_planted_fault_is_named_by_its_cause(path, capsys):
    text = path.read_text(encoding="utf-8")
    wanted = re.search("# finds: (.*)", text)[1]
    assert main(["check", _checked(path)]) == 1
    found = capsys.readouterr().out
    assert f"fault: {wanted}" in found
    assert found.endswith(f"1 fault: {wanted}\n")
    line = next((i for i, each in enumerate(text.splitlines(), 1) if each.endswith("# here")), None)
    assert (line is None) or f", {path.name}:{line}\n" in found


@pytest.mark.parametrize(
    "name",
    [pytest.param(each, marks=[pytest.mark.slow] if each.split(":")[1] in SLOW else []) for each in RIGHT],
    ids=lambda name: name.split(":")[1],
)
def test_what_is_right_passes(name, capsys):
    status = main(["check", name])
    found = capsys.readouterr().out
    assert status == 0, found
    assert "\nno fault: " in found


@pytest.mark.parametrize("name", losses.entries)
def test_every_loss_of_the_library_is_right(name):
    assert st.check({"quantile": "quantile(0.9)"}.get(name, name)).ok


SMALL = {
    "linear": "linear",
    "mlp": "mlp(hidden=[3])",
    "polynomial": "polynomial",
    "dot": "dot",
    "cnn": "cnn(channels=[2])",
}


@pytest.mark.parametrize("name", SMALL)
def test_models_of_the_library_are_right(name):
    assert name in models.entries
    found = st.check(SMALL[name])
    assert found.ok, found.faults
    assert found.outputs == 1


def test_the_worst_element_is_named_with_both_values_and_a_tolerance():
    class Off(torch.autograd.Function):
        """x², whose gradient is 0.01 too large at one place."""

        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x.square().sum()

        @staticmethod
        def backward(ctx, grad):
            (x,) = ctx.saved_tensors
            found = 2 * x
            found[1, 2] += 0.01
            return grad * found

    x = torch.arange(12.0).reshape(3, 4)
    found = st.check(Off, inputs=[x])
    [tensor] = found.tensors
    assert (tensor.name, tensor.wrong, tensor.checked) == ("x", 1, 12)
    assert tensor.worst.index == (1, 2)
    assert tensor.worst.autograd == pytest.approx(12.01)
    assert tensor.worst.difference == pytest.approx(12, rel=1e-9)
    assert 0 < tensor.worst.tolerance < 1e-6
    assert "truncation" in tensor.worst.why
    [fault] = found.faults
    assert fault.cause == "wrong derivative"
    assert "1 of 12 elements" in fault.text
    large = st.check(Off, inputs=[torch.arange(2000.0).reshape(50, 40) / 2000])
    assert large.tensors[0].worst.index == (
        1,
        2,
    )  # found by halving a direction: few elements are checked one by one
    assert large.tensors[0].checked < 100


def test_a_direction_covers_what_is_not_checked_one_by_one():
    class Large(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.full((100, 30), 0.5))

        def forward(self, x):
            weight = self.weight.clone()
            weight[77, 3] = weight[77, 3].detach()
            return (x @ weight.T).sum()

    [fault] = st.check(Large(), inputs=[torch.ones(2, 30)]).faults
    assert fault.cause == "detached"
    assert "weight[77, 3]" in fault.text


def test_the_users_objects_are_left_as_they_are():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
    before = {name: each.clone() for name, each in net.state_dict().items()}
    x = torch.randn(4, 3)
    kept = x.clone()
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    assert st.check(net, inputs=[x]).ok
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())
    assert all(each.dtype == torch.float32 and each.grad is None for each in net.parameters())
    assert torch.equal(x, kept)
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.get_default_dtype(), torch.get_num_threads()) == (torch.float32, threads)


def test_kinks_are_notes_and_a_wrong_slope_there_is_a_fault():
    def rectified(x):
        return torch.relu(x).sum()

    class Three(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return torch.relu(x)

        @staticmethod
        def backward(ctx, grad):
            return 3 * grad

    zero = torch.zeros(2)
    found = st.check(rectified, inputs=[zero])
    assert found.ok
    assert "2 elements of x at a kink" in found.notes[0]
    assert [each.cause for each in st.check(Three, inputs=[zero]).faults] == ["kink"]


def test_precision_is_that_of_32_bits():
    def naive(x):
        return torch.log(1 + torch.exp(x)).sum()

    def safe(x):
        return nn.functional.softplus(x).sum()

    [fault] = st.check(naive, inputs=[torch.tensor([1.0, 100.0])]).faults
    assert fault.cause == "float32 overflow"
    assert st.check(safe, inputs=[torch.tensor([1.0, 100.0])]).ok
    [fault] = st.check(lambda x: (torch.sqrt(x * x + 1) - x).sum(), inputs=[torch.tensor([2000.0])]).faults
    assert fault.cause == "float32 cancellation"
    assert "2000.00025 - 2000 = 0.00025 cancels 7 of the 7 digits" in fault.text
    [fault] = st.check(lambda x: torch.log(1 + x).sum(), inputs=[torch.tensor([1e-9])]).faults or [None]
    assert fault is None  # its derivative, 1 / (1 + x), is right


@pytest.mark.parametrize(
    ("text", "inputs", "shapes"),
    [
        (
            "losses.py:focal(gamma=1.0)",
            "outputs=normal(6, 3), target=integers(6, below=3)",
            {"outputs": (6, 3)},
        ),
        ("losses.py:variance", "x=[1.0, 2.0, 4.0]", {"x": (3,)}),
        ("losses.py:variance", "x=uniform(5, low=2, high=3)", {"x": (5,)}),
        ("losses.py:variance", "losses.py:inputs_far", {"x": (20,)}),
    ],
)
def test_inputs_are_described(text, inputs, shapes, monkeypatch):
    monkeypatch.chdir(HERE / "right")
    found = st.check(text, inputs=inputs)
    assert found.ok
    assert {each.name: each.shape for each in found.tensors} == shapes


@pytest.mark.parametrize(
    ("arguments", "fact", "hint"),
    [
        (["mlpp"], "unknown model or loss 'mlpp'", "did you mean 'mlp'"),
        (["nothing.py:f"], "there is no file 'nothing.py'", "path of a Python file"),
        (
            ["losses.py:nothing"],
            "cannot load 'losses.py:nothing': there is no 'nothing' in 'losses.py'",
            "the name must exist there",
        ),
        (["losses.py:focal(gama=1)"], "unknown argument of losses.py:focal 'gama'", "gamma"),
        (
            ["losses.py:focal", "--inputs", "x=normal(4)"],
            "unknown argument of losses.py:focal 'x'",
            "outputs, target",
        ),
        (
            ["losses.py:focal", "--inputs", "target=integers(4)"],
            "there is no input 'outputs'",
            "every argument",
        ),
        (
            ["losses.py:variance", "--inputs", "x=norml(4)"],
            "cannot read the input 'norml(4)'",
            "normal(4, 3)",
        ),
        (
            ["losses.py:focal", "--inputs", "outputs=normal(4), target=normal(3)"],
            "focal fails at its inputs",
            "--inputs",
        ),
        (["losses.py:torch"], "is a module", "name a function"),
        (["losses.py:focal", "--at", "t=1"], "--at is for expressions", "--inputs 'x=normal(4, 3)'"),
        (["1 - exp(t", "--at", "t=1"], "cannot read the expression", "as in Python"),
        (["losses.py:variance", "--out", "a.svg"], "cannot draw losses.py:variance as '.svg'", ".html"),
        (["exp(t)", "--at", "t=1", "--inputs", "x=normal(4)"], "an expression has no inputs", "--at t=1"),
    ],
)
def test_what_is_wrong_is_said(arguments, fact, hint, monkeypatch, capsys):
    monkeypatch.chdir(HERE / "right")
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["check", *arguments]) == 2
    found = capsys.readouterr().err
    assert fact in found
    assert hint in found


def test_json_has_everything(capsys, monkeypatch):
    monkeypatch.chdir(HERE / "faults")
    assert main(["check", "missing_factor.py:Checked", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    assert found["faults"][0]["cause"] == "missing factor"
    [tensor] = found["tensors"]
    assert tensor["worst"]["difference"] * 12 == pytest.approx(tensor["worst"]["autograd"])
    assert tensor["worst"]["gap"] > tensor["worst"]["tolerance"]


def test_a_function_without_usable_inputs_says_how_to_give_them():
    def awkward(x):
        if x.shape != (7, 11):
            raise ValueError("seven by eleven")
        return x.sum()

    with pytest.raises(OptionError, match=r"no inputs were found .* seven by eleven") as caught:
        st.check(awkward)
    assert "inputs()" in caught.value.hint
    assert st.check(awkward, inputs="x=normal(7, 11)").ok
    with pytest.raises(SteepestError, match="no derivative by ids, a tensor of int64"):
        st.check(lambda ids: ids.double().sum(), inputs=[torch.tensor([1, 2])])


def test_frozen_parameters_are_no_parameters():
    net = nn.Linear(3, 2)
    net.bias.requires_grad_(False)
    found = check_function(open_subject(net))
    assert [each.name for each in found.tensors] == ["weight", "input"]
