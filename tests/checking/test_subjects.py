"""Whatever is checked, and however it is called: a comparison or a message, never a traceback."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest
import torch
from torch import nn

import steepest as st
from steepest.cli import main
from steepest.errors import OptionError


def _draw(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    "x",
    [
        _draw(4, 3).T,
        _draw(2, 3, 4).permute(2, 0, 1),
        _draw(6)[::2],
        _draw(3, 1).expand(3, 2),
        _draw(4, 4)[1:, :2],
    ],
)
def test_tensors_in_any_order_of_memory(x):
    found = st.check(lambda x: (torch.sin(x) * torch.arange(x.numel()).reshape(x.shape)).sum(), inputs=[x])
    assert found.ok
    assert found.tensors[0].checked == x.numel()


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_the_mode_of_the_caller_has_no_effect(mode):
    with mode():
        assert st.check(lambda x: x.square().sum(), inputs=[_draw(3)]).ok
        assert st.check("exp(t)", at="t=1").ok
        assert st.check(nn.Linear(3, 2), inputs=[_draw(4, 3)]).ok
        assert not torch.is_grad_enabled()


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (lambda x: torch.tensor(float(x.square().sum())), "float(…)"),
        (lambda x: x.detach().square().sum(), ".detach()"),
        (torch.no_grad()(lambda x: x.square().sum()), "torch.no_grad()"),
    ],
)
def test_a_result_without_a_graph_is_a_fault(function, what):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        [fault] = st.check(function, inputs=[_draw(3)]).faults
    assert (fault.cause, what in fault.text) == ("detached", True)


def test_constants_have_no_graph_and_no_fault():
    found = st.check(lambda x: torch.ones(2), inputs=[_draw(3)])
    assert found.ok
    assert "without influence on the result here: x" in found.notes[0]


def test_a_hessian_that_is_not_finite_is_a_note():
    found = st.check(lambda x: x.abs().pow(1.5).sum(), inputs=[torch.tensor([0.0, 1.0])])
    assert found.ok
    assert found.matrices is None
    assert any(each.startswith("second derivatives are not shown: the Hessian has") for each in found.notes)


@pytest.mark.parametrize("given", [True, False])
def test_parameters_that_are_made_at_the_first_call(given):
    net = nn.Sequential(nn.LazyLinear(3), nn.Tanh(), nn.LazyLinear(1))
    found = st.check(net, inputs=[_draw(4, 5)] if given else None)
    assert found.ok
    assert [each.shape for each in found.tensors][:2] == [(3, 5 if given else 3), (3,)]
    assert isinstance(net[0], nn.LazyLinear)  # the person's own is left as it was


@pytest.mark.parametrize("norm", [nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm])
def test_spectral_norms_are_held(norm):
    net = nn.Sequential(norm(nn.Linear(3, 4)), nn.Tanh(), norm(nn.Linear(4, 2)))
    found = st.check(net, inputs=[_draw(5, 3)])
    assert found.ok, found.faults
    assert "the spectral norm of 0.weight, 2.weight is settled and held" in found.notes[0]
    assert net[0].training


def test_a_module_that_updates_what_its_result_depends_on():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(_draw(3, 3))
            self.register_buffer("u", torch.ones(3, dtype=torch.float64))

        def forward(self, x):
            if self.training:
                with torch.no_grad():
                    self.u = nn.functional.normalize(self.weight @ self.u, dim=0)
            return x @ self.weight / (self.u @ self.weight @ self.u)

    [fault] = st.check(Own(), inputs=[_draw(2, 3)]).faults
    assert "the result depends on u, which every call updates there" in fault.text
    assert ".eval()" in fault.cure
    assert st.check(Own().eval(), inputs=[_draw(2, 3)]).ok


def test_arguments_of_every_kind():
    def some(*xs):
        return sum(x.square().sum() for x in xs)

    def options(outputs, *, weight, **others):
        return (outputs * weight).sum() + sum(each.exp().sum() for each in others.values())

    assert [each.name for each in st.check(some, inputs="a=normal(3), b=normal(2)").tensors] == ["a", "b"]
    assert len(st.check(some, inputs=[_draw(3), _draw(2)]).tensors) == 2
    given = "outputs=normal(3), c=normal(2), weight=normal(3)"
    assert [each.name for each in st.check(options, inputs=given).tensors] == ["outputs", "c", "weight"]
    assert st.check(torch.tanh, inputs=[_draw(3)]).ok

    class Net(nn.Linear):
        def forward(self, x, *, scale):
            return super().forward(x) * scale

    assert st.check(Net(3, 2), inputs="x=normal(4, 3), scale=uniform(2)").ok


@pytest.mark.parametrize(
    ("function", "inputs", "fact", "hint"),
    [
        (lambda x: x * 2, [torch.tensor([1, 2])], "no derivative by x, a tensor of int64", "decimal point"),
        (lambda x: x * 2, "x=3", "no derivative by x, a whole number", "'x=[1.0, 2.0]'"),
        (lambda x: x.mean(), "x=[1, 2]", "fails at its inputs: RuntimeError", "x is whole numbers now"),
        (
            lambda z: z.abs().sum(),
            [torch.ones(2, dtype=torch.complex64)],
            "z, which is complex",
            "torch.complex",
        ),
        (lambda x: x.sum(), [torch.zeros(0, 3)], "with no number: x is empty", "normal"),
        (lambda x: x.sum(), [torch.zeros(2), torch.zeros(3)], "takes 1 arguments by place, and 2", "are x"),
        (lambda: torch.zeros(2), "x=normal(2)", "unknown argument", "Known: none"),
    ],
)
def test_inputs_without_derivatives_are_named(function, inputs, fact, hint):
    with pytest.raises(OptionError) as caught:
        st.check(function, inputs=inputs)
    assert fact in caught.value.fact
    assert hint in caught.value.hint or hint in str(caught.value)


def test_complex_results_and_empty_inputs():
    assert st.check(torch.fft.fft, inputs=[_draw(4)]).outputs == 8
    found = st.check(lambda x, y: x.sum() + y.square().sum(), inputs=[torch.zeros(0, 3), _draw(2)])
    assert found.ok
    assert [each.checked for each in found.tensors] == [0, 2]


@pytest.mark.parametrize("text", ["-x**2", "-(x + 1) * exp(-x)", "-exp(-x)"])
def test_an_expression_may_begin_with_a_minus(text, capsys):
    assert main(["check", text, "--at", "x=1"]) == 0
    assert capsys.readouterr().out.startswith(f"z = {text} at x = 1\n")


def test_the_hint_is_what_the_command_line_takes(capsys):
    assert main(["check", "x*y"]) == 2
    assert "--at x=1,y=1." in capsys.readouterr().err
    assert main(["check", "x*y", "--at", "x=1,y=1"]) == 0
    assert main(["check", "x*y", "--at", "x=1,", "y=1"]) == 0
    assert main(["check", "--tming", "x"]) == 2
    assert "did you mean --timing" in capsys.readouterr().err


def test_a_tie_is_written_as_one(capsys):
    assert main(["check", "max(x, y)", "--at", "x=1,y=1"]) == 1
    found = capsys.readouterr().out
    assert "(1 if y > x, 1/2 if equal, else 0)   = 1 * 0.5" in found
    assert "fault" not in found


def test_the_picture_is_written_though_nobody_reads_the_lines(tmp_path):
    program = (
        "import sys; from steepest.cli import main; from steepest.cli import check\n"
        "def broken(*args, **kwargs): raise BrokenPipeError\n"
        "check.line = broken\n"
        "try: main(['check', 'exp(t)', '--at', 't=1', '--out', 'a.svg'])\n"
        "except BrokenPipeError: pass\n"
    )
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, check=True)
    assert (tmp_path / "a.svg").read_text(encoding="utf-8").startswith("<svg")
