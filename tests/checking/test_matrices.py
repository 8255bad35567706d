"""Matrices of small functions are those by hand, their page has all of them, and times are counted in evaluations."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import steepest as st
from steepest.checking.timing import CheckTimings
from steepest.cli import main


def test_the_matrices_of_a_linear_model_by_hand():
    """o = X w with ½|o|² as the loss of the Gauss-Newton matrix: J = X, G = XᵀX."""
    net = nn.Linear(3, 1, bias=False)
    x = torch.tensor([[1.0, 2.0, 3.0], [0.0, -1.0, 1.0]])
    found = st.check(net, inputs=[x]).matrices
    assert found.parameters == (("weight", 3),)
    torch.testing.assert_close(found.jacobian, x.double())
    torch.testing.assert_close(found.gauss_newton, x.double().T @ x.double())
    assert not found.hessian.any()


def test_the_hessian_of_a_function_by_hand():
    """x² y: second derivatives 2y, 2x and 0."""

    def function(x, y):
        return x**2 * y

    found = st.check(function, inputs="x=3.0, y=2.0").matrices
    assert found.jacobian.tolist() == [[12.0, 9.0]]
    assert found.hessian.tolist() == [[4.0, 6.0], [6.0, 0.0]]
    assert found.gauss_newton.tolist() == [[144.0, 108.0], [108.0, 81.0]]
    assert found.of_hessian == pytest.approx((2 - 40**0.5, 2 + 40**0.5))
    assert found.right
    assert abs(found.by_product - found.by_difference) <= found.tolerance < 1e-6


def test_the_softmax_under_its_loss():
    """Of a linear classifier the Gauss-Newton matrix and the Hessian are the same, and semidefinite."""
    found = st.check("linear").matrices
    torch.testing.assert_close(found.hessian, found.gauss_newton)
    assert found.least > -1e-12
    assert len(found.jacobian) == 15  # five rows of three classes
    assert any("v·Gv ≥ 0" in each for each in found.lines())


def test_a_wrong_second_derivative_is_a_note(capsys):
    """It is no fault of the gradient."""
    assert main(["check", f"{Path(__file__).parent / 'second_derivative.py'}:Checked"]) == 0
    found = capsys.readouterr().out
    assert "note: the gradient is right, but its derivative is not" in found
    assert "saved_tensors" in found


def test_large_functions_and_faults_have_none():
    assert st.check(nn.Linear(40, 10), inputs=[torch.ones(2, 40)]).matrices is None
    assert st.check(lambda x: (x * x.detach()).sum(), inputs="x=normal(3)").matrices is None


def test_the_page_and_json(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "linear", "--out", "a.html", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["matrices"]
    assert len(found["hessian"]) == sum(size for _, size in found["parameters"])
    page = (tmp_path / "a.html").read_text(encoding="utf-8")
    data = json.loads(page.partition('id="report-data">')[2].partition("</script>")[0])
    assert set(data["figures"]) == {"jacobian", "hessian", "gauss_newton"}
    assert data["figures"]["hessian"]["data"][0]["z"] == found["hessian"]
    for name, arguments in {
        "a.svg": ["linear"],
        "b.html": ["exp(t)", "--at", "t=1"],
        "a.png": ["linear"],
    }.items():
        assert main(["check", *arguments, "--out", name]) == 2
    (tmp_path / "mine.py").write_text("import torch\nnet = torch.nn.Linear(40, 10)\n")
    assert main(["check", "mine.py:net", "--out", "b.html"]) == 2
    assert "has no matrices to draw" in capsys.readouterr().err


def test_timing_counts_evaluations(capsys):
    found = st.check("squared", timing=True).timing
    assert isinstance(found, CheckTimings)
    assert [each.evaluations for each in found.rows] == [2 * each.parameters for each in found.rows]
    assert found.rows[-1].parameters == 8
    assert all(each.autograd > 0 and each.differences > 0 for each in found.rows)
    assert main(["check", "exp(t)", "--at", "t=1", "--timing"]) == 2
    assert "--timing is for functions" in capsys.readouterr().err
