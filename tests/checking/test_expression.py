"""Expressions: every step is the textbook's, autograd's names are PyTorch's, and faults are named."""

from __future__ import annotations

import json
import math
import re
from xml.etree import ElementTree

import pytest

import steepest as st
from steepest.checking.differences import derivative
from steepest.checking.drawing import lines, svg
from steepest.checking.grammar import FUNCTIONS
from steepest.cli import main
from steepest.errors import OptionError

TEXT = "(1 - log(1 + exp(t)))**2"


def test_the_lectures_expression(capsys):
    """z = 0.0981 and dz/dt = 0.458, with the chain of operations that the lecture prints."""
    assert main(["check", TEXT, "--at", "t=1"]) == 0
    found = capsys.readouterr().out
    assert (
        "PowBackward0 → RsubBackward1 → LogBackward0 → AddBackward0 → ExpBackward0 → AccumulateGrad" in found
    )
    assert "dz/dt = 0.4580252880326174 by autograd, 0.4580252880326174 by the steps above" in found
    check = st.check(TEXT, at="t=1")
    assert check.value == pytest.approx((1 - math.log(1 + math.e)) ** 2, rel=1e-15)
    by_hand = {"v4": 2 * (1 - math.log(1 + math.e))}
    by_hand["v3"] = -by_hand["v4"]
    by_hand["v2"] = by_hand["v1"] = by_hand["v3"] / (1 + math.e)
    assert {n.name: n.adjoint for n in check.nodes if n.name in by_hand} == pytest.approx(by_hand)
    [of_t] = check.derivatives
    assert abs(of_t.estimate.value - of_t.autograd) < of_t.tolerance < 1e-9


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_has_its_derivative_in_words(name):
    """What is written as the local derivative, read as an expression, has the value of the local derivative."""
    both = len(FUNCTIONS[name].slopes) == 2
    check = st.check(
        f"{name}(x, y)" if both else f"{name}(x)", at={"x": 0.3, "y": 0.2} if both else {"x": 0.3}
    )
    assert check.ok
    result = check.nodes[-1]
    for slope in result.slopes:
        words = slope.formula.replace("z", f"({result.value!r})")
        if words == "sign(x)" or " if " in words:
            wanted = (
                1.0 if name in ("abs", "relu") or slope.operand == {"max": "x", "min": "y"}[name] else 0.0
            )
        else:
            wanted = st.check(f"{words} + 0*x", at={"x": 0.3}).value
        assert slope.value == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "at", "gradient"),
    [
        ("w*x + b", {"w": 2, "x": 3, "b": 1}, {"w": 3, "x": 2, "b": 1}),
        ("t*t*t", {"t": 2}, {"t": 12}),
        ("x^2 - -x/4", {"x": 1}, {"x": 2.25}),
        ("2**x", {"x": 3}, {"x": 8 * math.log(2)}),
        ("x**y", {"x": 2, "y": 3}, {"x": 12, "y": 8 * math.log(2)}),
        ("t", {"t": 5}, {"t": 1}),
        ("e*z + pi", {"z": 2}, {"z": math.e}),
        ("e*x", {"e": 2, "x": 3}, {"e": 3, "x": 2}),
        ("1e3*sin(x/100)", {"x": 12345}, {"x": 10 * math.cos(123.45)}),
        ("log(2)*x + max(x, 7*2)", {"x": 3}, {"x": math.log(2)}),
    ],
)
def test_derivatives(text, at, gradient):
    check = st.check(text, at=at)
    assert check.ok, [each.cause for each in check.derivatives]
    for each in check.derivatives:
        wanted = gradient[each.variable]
        assert each.autograd == pytest.approx(wanted, rel=1e-14)
        assert each.by_steps == pytest.approx(wanted, rel=1e-14)
        assert each.estimate.value == pytest.approx(wanted, rel=1e-10)
        assert abs(each.estimate.value - wanted) <= 10 * each.estimate.error + 1e-15


@pytest.mark.parametrize(
    ("text", "at", "cause"),
    [
        ("abs(t)", "t=0", "a kink: the slope is -1 from the left and 1 from the right; autograd takes 0"),
        ("3*relu(t)", "t=0", "a kink: the slope is 0 from the left and 3 from the right"),
        ("sqrt(t)", "t=0", "the derivative is inf here"),
        ("log(t)", "t=-1", "the value is nan here"),
        ("exp(t)", "t=1000", "the value is inf here"),
        ("t**1.5", "t=0", "no value on one side"),
    ],
)
def test_faults_are_named(text, at, cause, capsys):
    assert main(["check", text, "--at", at]) == 1
    assert cause in capsys.readouterr().out
    assert main(["check", text, "--at", at, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["ok"]
    assert cause in found["derivatives"][0]["cause"]


@pytest.mark.parametrize(
    ("text", "at", "fact", "hint"),
    [
        ("exp(t)", {}, "has no value for t", "--at t=1"),
        ("exp(t)", {"t": 1, "s": 2}, "'s' is no variable", "its variables are t"),
        ("2 + 3", {}, "has no variable", "--at t=1"),
        ("ex(t)", {"t": 1}, "unknown function 'ex'", "did you mean 'exp'"),
        ("exp(t, 2)", {"t": 1}, "exp has 2 arguments", "it takes 1"),
        ("2t", {"t": 1}, "cannot read the expression", r"\* for every product"),
        ("t.real", {"t": 1}, "'t.real' cannot stand in an expression", "numbers, variables"),
        ("[t for t in ()]", {"t": 1}, "cannot stand in an expression", "numbers, variables"),
        ("(lambda: t)()", {"t": 1}, "cannot stand in an expression", "numbers, variables"),
        ("'a' * t", {"t": 1}, "cannot stand in an expression", "numbers, variables"),
        ("__import__('os').system('true')", {}, "cannot stand in an expression", "numbers, variables"),
        ("exp(" * 150 + "t" + ")" * 150, {"t": 1}, "operations deep|cannot read", "part|as in Python"),
        ("t" + "+t" * 9000, {"t": 1}, "characters", "10,000"),
    ],
)
def test_what_is_no_expression_is_refused(text, at, fact, hint):
    with pytest.raises(OptionError, match=fact) as caught:
        st.check(text, at=at)
    assert re.search(hint, caught.value.hint)


def test_huge_powers_are_numbers_and_not_computed_for_hours():
    assert st.check("t + 9**9**9", at={"t": 1}).value == math.inf


@pytest.mark.parametrize(("at", "fact"), [("t", "cannot read --at 't'"), ("t=1,t=2", "t has two values")])
def test_values_that_cannot_be_read(at, fact, capsys):
    assert main(["check", "exp(t)", "--at", at]) == 2
    assert fact in capsys.readouterr().err


@pytest.mark.parametrize("at", ["x=2", "x=normal(4)"])
def test_values_for_a_function_name_the_option_that_it_takes(at, capsys):
    """It was read as an expression that cannot be read, or as a value that is no number."""
    assert main(["check", "torch.nn.functional:softplus", "--at", at]) == 2
    said = capsys.readouterr().err
    assert "--at is for expressions" in said
    assert "--inputs 'x=normal(4, 3)'" in " ".join(said.split())


def test_the_picture_has_every_node_and_slope(tmp_path):
    text = "sigmoid(w*x + b) * x - exp(-w)**3 / (x + 3)"
    check = st.check(text, at="w=0.3,x=1,b=-2")
    root = ElementTree.fromstring(svg(check))
    shown = " ".join("".join(each.itertext()) for each in root.iter("{http://www.w3.org/2000/svg}text"))
    for node in check.nodes:
        assert f"dz/d{node.name} = {node.adjoint:.6g}" in shown
        assert all(f"{slope.value:.5g}" in shown for slope in node.slopes)
    rows = [each for each in lines(check) if each.startswith("  dz/d")]
    assert len(rows) == len(check.nodes)
    assert main(["check", text, "--at", "w=0.3,x=1,b=-2", "--out", str(tmp_path / "a.svg")]) == 0
    assert (tmp_path / "a.svg").read_text(encoding="utf-8") == svg(check)
    assert main(["check", text, "--at", "w=0.3,x=1,b=-2", "--out", str(tmp_path / "a.gif")]) == 2


@pytest.mark.parametrize(
    ("function", "scale", "wanted"),
    [
        (lambda s: math.exp(3 + s), 1.0, math.exp(3)),
        (lambda s: math.sin(1e4 * s), 1e-4, 1e4),
        (lambda s: 1e8 + s, 1.0, 1.0),
        (lambda s: abs(s - 1e-3), 1.0, -1.0),
        (lambda s: math.tanh(50 * s), 1.0, 50.0),
        (lambda s: round(math.sin(s), 6), 1.0, 1.0),
    ],
)
def test_the_stated_error_of_a_difference_holds(function, scale, wanted):
    """Smooth, steep, with large rounding errors, near a kink, and of a noisy function."""
    found = derivative(function, scale)
    assert not found.kink
    assert abs(found.value - wanted) <= 10 * found.error
    assert found.error < 1e-2 * abs(wanted)


@pytest.mark.parametrize(
    ("text", "down"), [("w * x + b", False), ("sin(exp(cos(log(1 + exp(-(w * x + b) ** 2)))))", True)]
)
def test_a_long_chain_goes_down_and_fits_a_page(text, down):
    """As one row a chain of nine steps was 2,600 units wide."""
    root = ElementTree.fromstring(svg(st.check(text, at="w=0.3,x=1,b=-2")))
    width, height = float(root.get("width")), float(root.get("height"))
    assert (height > width) == down
    assert width <= 1000
    boxes = [each for each in root.iter("{http://www.w3.org/2000/svg}rect") if each.get("x")]
    corners = {(float(each.get("x")), float(each.get("y"))) for each in boxes}
    assert len(corners) == len(boxes)
    for x, y in corners:
        assert 0 <= x <= width - 196
        assert 0 <= y <= height - 74
