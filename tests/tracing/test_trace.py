"""Traces: every number of a step is the one that the textbook has, and the gradient is the problem's."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal

import steepest as st
from steepest.errors import OptionError, UnknownNameError
from steepest.tracing.problem import make_problem, registry
from tests.optim.cases import CASES, Case

STEPS = 6


def multipliers(steps: int) -> list[float]:
    return [0.5 * (1 + math.cos(math.pi * step / steps)) for step in range(steps)]


@pytest.mark.parametrize("case", [case for case in CASES if not case.whole], ids=lambda case: case.id)
def test_a_trace_is_the_textbooks_step_by_step(case: Case) -> None:
    """On ½ Σ h·w², whose gradient is h·w, from the start to the end without looking at the trace."""
    frame = st.trace(case.rule, "quadratic((1, 10), (0.5, -2))", steps=STEPS, schedule="cosine")
    hyper = case.rule.hyper.model_dump()
    carry = dict(case.rule.carry)
    for name, h, w in (("w1", 1.0, 0.5), ("w2", 10.0, -2.0)):
        state = {**case.start(w, hyper), **carry}
        for row, t, m in zip(
            frame.iter_rows(named=True), range(1, STEPS + 1), multipliers(STEPS), strict=True
        ):
            assert row["step"] == t
            assert row[name] == pytest.approx(w, rel=1e-9)
            g = h * w
            assert row[f"de/d{name}"] == pytest.approx(g, rel=1e-9)
            w, state = case.reference(w, g, state, t, m, **hyper)
            assert row[f"new {name}"] == pytest.approx(w, rel=1e-9)
            shown = {key.split(" ")[0] for key in row if key.endswith(f" {name}")}
            assert shown - {"estimated", "new", "evaluated"} == set(case.start(w, hyper))
            for slot in case.start(w, hyper):
                assert row[f"{slot} {name}"] == pytest.approx(state[slot], rel=1e-9, abs=1e-15)
            for each in carry:
                assert row[f"running {each}"] == pytest.approx(state[each], rel=1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if case.whole], ids=lambda case: case.id)
def test_a_trace_of_a_matrix_is_the_textbooks(case: Case) -> None:
    frame = st.trace(case.rule, "matrix", steps=STEPS, schedule="cosine")
    tolerance = max(1e-6, case.textbook)
    hyper = case.rule.hyper.model_dump()
    a, b, w = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[5.0, 1.0], [0.0, 8.0]]), np.eye(2)
    state = case.start(w, hyper)
    for row, t, m in zip(frame.iter_rows(named=True), range(1, STEPS + 1), multipliers(STEPS), strict=True):
        g = a.T @ (a @ w - b)
        w, state = case.reference(w, g, state, t, m, **hyper)
        for i, j in np.ndindex(2, 2):
            assert row[f"de/dW{i + 1}{j + 1}"] == pytest.approx(g[i, j], rel=tolerance)
            assert row[f"new W{i + 1}{j + 1}"] == pytest.approx(w[i, j], rel=tolerance)


def test_the_lectures_spreadsheet() -> None:
    """Straight line, one point a step: the first rows by hand, the estimate with a difference of 0.01."""
    frame = st.trace("sgd(lr=1e-4)", "line", steps=30, difference=0.01)
    first, second = frame.row(0, named=True), frame.row(1, named=True)
    assert (first["x"], first["y"], first["prediction"], first["loss"]) == (14, 58, 15, 43**2)
    assert (first["de/da"], first["de/db"]) == (-2 * 43 * 14, -2 * 43)
    assert first["estimated de/da"] == pytest.approx(((43 - 0.14) ** 2 - 43**2) / 0.01)  # -1202.04
    assert first["estimated de/db"] == pytest.approx(((43 - 0.01) ** 2 - 43**2) / 0.01)  # -85.99
    assert (first["new a"], first["new b"]) == pytest.approx((1.1204, 1.0086))
    assert (second["x"], second["a"], second["prediction"]) == pytest.approx(
        (86, 1.1204, 86 * 1.1204 + 1.0086)
    )
    assert (frame["x"][28], frame["x"][29]) == (8, 14)  # after the last point comes the first
    whole = st.trace("sgd(lr=1e-4)", "line(batch_size=all)", steps=1)
    errors = (frame["x"] + 1 - frame["y"]).head(29)
    assert whole["de/da"][0] == pytest.approx((2 * errors * frame["x"].head(29)).mean())
    assert "x" not in whole.columns


@pytest.mark.parametrize("problem", registry.names())
def test_the_estimate_approaches_the_gradient(problem: str) -> None:
    """Its error falls with the difference: at a tenth of it there is a tenth of the error."""
    wide, narrow = (st.trace("momentum(lr=1e-4)", problem, steps=3, difference=h) for h in (1e-3, 1e-4))
    names = [name for name in wide.columns if name.startswith("de/d")]
    assert names
    for name in names:
        apart = [(each[f"estimated {name}"] - each[name]).to_numpy() for each in (wide, narrow)]
        np.testing.assert_allclose(apart[1], apart[0] / 10, rtol=0.02, atol=1e-6)


def test_every_row_begins_where_the_last_one_ended() -> None:
    frame = st.trace("adam(lr=0.1)", "rosenbrock", steps=5)
    for name in ("x", "y"):
        assert frame[name][1:].to_list() == frame[f"new {name}"][:-1].to_list()
    assert frame["coefficient lr"][0] == pytest.approx(0.1 * np.sqrt(1 - 0.999) / (1 - 0.9))


def test_a_torch_optimizer_is_traced_with_its_state() -> None:
    ours = st.trace("momentum(lr=0.1)", "quadratic", steps=4)
    theirs = st.trace("torch:SGD(lr=0.1, momentum=0.9)", "quadratic", steps=4)
    assert_frame_equal(theirs, ours.select(theirs.columns), rel_tol=1e-12)
    assert "momentum_buffer w1" in theirs.columns
    newton = st.trace("torch:LBFGS(line_search_fn='strong_wolfe', max_iter=20)", "rosenbrock", steps=4)
    assert newton["loss"][-1] < 1e-9


def test_averaging_rules_show_what_is_evaluated() -> None:
    frame = st.trace("schedule-free-sgd(lr=0.05)", "quadratic", steps=4)
    param, z = frame["new w2"][-1], frame["z w2"][-1]
    assert frame["evaluated w2"][-1] == pytest.approx(param + (z - param) * (1 - 1 / 0.9))


VALLEY = """
import torch
from polars.testing import assert_frame_equal
from steepest.tracing.problem import SmallProblem

class Valley(SmallProblem):
    name = "valley"
    width: float = 2.0
    def begin(self):
        return {%r: torch.ones(2)}
    def loss(self, parameters, step):
        return %s
"""


def test_a_problem_of_ones_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(VALLEY % ("v", "(parameters['v'] ** 2).sum() / self.width"))
    frame = st.trace("sgd(lr=0.5)", "mine.py:Valley(width=4)", steps=1)
    assert frame.select("loss", "de/dv1", "new v2").row(0) == (0.5, 0.5, 0.75)
    assert frame["new v2"].dtype == pl.Float64


@pytest.mark.parametrize(
    ("parameter", "loss", "fact"),
    [
        ("v", "parameters['v']", r"the loss of valley has the shape \[2\]"),
        ("v", "1.0", "the loss of valley has the type float"),
        ("v", "parameters['v'].detach().sum()", "the loss of valley has no gradient"),
        ("v", "parameters['w'].sum()", "the loss of valley fails: KeyError: 'w'"),
        ("loss", "parameters['loss'].sum()", None),
    ],
)
def test_a_wrong_problem_is_refused(tmp_path, monkeypatch, parameter, loss, fact) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.py").write_text(VALLEY % (parameter, loss))
    if fact is None:  # loss1 and loss2 are no clash
        assert "loss1" in st.trace("sgd", "mine.py:Valley", steps=1).columns
        return
    with pytest.raises(OptionError, match=fact):
        st.trace("sgd", "mine.py:Valley", steps=1)


def test_columns_of_the_same_name_are_refused() -> None:
    class Clash(registry.load("quadratic")):
        def begin(self):
            return {"loss": torch.tensor(1.0)}

        def loss(self, parameters, step):
            return parameters["loss"] ** 2

    with pytest.raises(OptionError, match="two columns of the trace are called 'loss'"):
        st.trace("sgd", Clash(), steps=1)


@pytest.mark.parametrize(
    ("arguments", "fact", "cure"),
    [
        (["adm"], "unknown optimizer 'adm'", "did you mean 'adam'"),
        (["l-bfgs"], "l-bfgs takes several gradients a step", "torch:LBFGS"),
        (["sgd", "--problem", "bowl"], "unknown small problem 'bowl'", "quadratic"),
        (["sgd", "--problem", "line(batch_size=30)"], "batch_size is 30", "from 1 to 29, or all"),
        (["sgd", "--problem", "quadratic((1, 2), (1,))"], "2 curvatures and a start of 1 number", "as many"),
        (["sgd", "--steps", "0"], "0 steps", "at least 1"),
        (["sgd", "--difference", "0"], "the difference is 0.0", "1e-4"),
        (["sgd", "--schedule", "cosin"], "unknown schedule 'cosin'", "cosine"),
        (["sgd", "--out", "trace.xlsx"], "cannot write a trace as '.xlsx'", ".csv"),
    ],
)
def test_the_command_line_says_what_is_wrong(arguments, fact, cure, capsys, monkeypatch) -> None:
    from steepest.cli import main

    monkeypatch.setenv("COLUMNS", "300")
    assert main(["trace", *arguments]) == 2
    found = capsys.readouterr().err
    assert fact in found
    assert cure in found


def test_the_command_line_shows_and_writes_a_trace(tmp_path, capsys, monkeypatch) -> None:
    from steepest.cli import main

    monkeypatch.setenv("COLUMNS", "80")
    out = tmp_path / "trace.csv"
    assert main(["trace", "adam(lr=0.1)", "--steps", "25", "--out", str(out)]) == 0
    found = capsys.readouterr().out
    assert max(len(line) for line in found.splitlines()[:-3]) <= 80
    assert "coefficients of all steps: beta1 0.9" in found
    assert "…" in found
    written = pl.read_csv(out)
    assert written.equals(st.trace("adam(lr=0.1)", steps=25))
    for name in ("a", "estimated", "exp_avg", "exp_avg_sq"):
        assert f" {name}" in found
    assert main(["trace", "sgd", "--steps", "12"]) == 0
    assert "give a lower learning rate" in capsys.readouterr().err


def test_unknown_names_are_errors_in_python_too() -> None:
    with pytest.raises(UnknownNameError):
        st.trace("adam", "rosenbrok")


MINIMA = {
    "absolute((1, 4))": [{"w": (0.0, 0.0)}],
    "saddle": [{"x": 0.0, "y": 1.0}, {"x": 0.0, "y": -1.0}],
    "himmelblau": [{"x": 3.0, "y": 2.0}, {"x": -2.805118, "y": 3.131313}, {"x": 3.584428, "y": -1.848127}],
    "quartic": [{"x": 0.922}, {"x": -1.232}],
}


@pytest.mark.parametrize("text", MINIMA)
def test_the_minima_of_a_small_problem_are_minima(text: str) -> None:
    """Every point around is higher, and the values of the gradient there are those of the estimate."""
    problem = make_problem(text)
    draw = torch.Generator().manual_seed(0)
    for point in MINIMA[text]:
        at = {name: torch.tensor(value, dtype=torch.float64) for name, value in point.items()}
        lowest = float(problem.loss(at, 0))
        for _ in range(20):
            near = {
                name: each + 0.05 * torch.randn(each.shape, generator=draw, dtype=torch.float64)
                for name, each in at.items()
            }
            assert float(problem.loss(near, 0)) > lowest - 1e-6
    frame = st.trace("sgd(lr=1e-3)", text, steps=3)
    for name in (column for column in frame.columns if column.startswith("de/d")):
        assert frame[name].to_list() == pytest.approx(frame[f"estimated {name}"].to_list(), abs=0.01)
