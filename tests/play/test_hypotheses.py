"""Hypotheses are written down before their run, kept in a file, and judged by what came of it."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch

from steepest.errors import FolderError, OptionError, SteepestError
from steepest.play import pictures
from steepest.play.curve_fit import CurveFit, CurvePoints, read_points
from steepest.play.descent import STARTS, descend, setting
from steepest.play.hypotheses import ENDS, FILE, Hypotheses, judged
from steepest.tracing.problem import numbers


def bowl(rate: str = "0.1", steps: int = 20):
    return setting("quadratic", "", "1, 1", "sgd", rate, "", steps)


def test_a_hypothesis_is_in_the_file_before_its_run_and_its_outcome_after(tmp_path: Path) -> None:
    kept = Hypotheses(tmp_path / "new")
    added = kept.write_down(bowl(), "  it falls\n to 0.1 ", ENDS[0], 0.1)
    assert (added.number, added.text, added.outcome) == (1, "it falls to 0.1", None)
    assert json.loads(kept.path.read_text())["hypotheses"][0]["outcome"] is None
    done = kept.run(1)
    [read] = Hypotheses(tmp_path / "new").read()
    assert read == done
    last = 0.5 * 0.9 ** (
        2 * 20
    )  # by hand: the steep direction is at 0 after a step, the flat one shrinks by 0.9
    assert done.outcome is not None
    assert done.outcome.last == pytest.approx(last)
    assert (done.outcome.first, done.outcome.reached, done.outcome.rises) == (5.5, 8, 0)
    assert done.was_right
    assert kept.run(1) == done  # a run is made once


def test_a_run_that_diverges_is_kept_and_read_again(tmp_path: Path) -> None:
    kept = Hypotheses(tmp_path)
    kept.write_down(bowl("1e200", 5), "it falls", ENDS[1], 0.0)
    done = kept.run(1)
    assert done.outcome is not None
    assert done.outcome.last == math.inf
    assert done.was_right is False
    assert kept.read() == [done]


@pytest.mark.parametrize(
    ("losses", "end"),
    [
        ([1.0, 2.0, 0.1], "reaches the target"),
        ([1.0, 0.05, 0.9], "falls, but stays above the target"),
        ([1.0, 0.05, 1.0], "ends no lower than it began"),
        ([1.0, math.inf], "ends no lower than it began"),
        ([math.inf, math.inf], "ends no lower than it began"),
    ],
)
def test_exactly_one_end_holds(losses: list[float], end: str) -> None:
    assert judged(losses, 0.1).end == end


def test_what_cannot_be_written_down_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    kept = Hypotheses(tmp_path)
    for text, expected, target in [
        (" ", ENDS[0], 0.1), ("a" * 501, ENDS[0], 0.1), ("a", "", 0.1), ("a", ENDS[0], math.nan),
    ]:  # fmt: skip
        with pytest.raises(OptionError):
            kept.write_down(bowl(), text, expected, target)
    with pytest.raises(OptionError, match="no hypothesis 1"):
        kept.run(1)
    assert not kept.path.exists()


def test_a_damaged_list_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 2}')
    kept = Hypotheses(tmp_path)
    with pytest.raises(FolderError, match="cannot be read"):
        kept.write_down(bowl(), "a", ENDS[0], 0.1)
    assert (tmp_path / FILE).read_text() == '{"format": 2}'


@pytest.mark.parametrize("problem", STARTS)
def test_every_problem_has_a_path_from_its_start(problem: str) -> None:
    chosen = setting(problem, "parabola", STARTS[problem], "adam", "0.01", "betas=(0.8, 0.9)", 3)
    path = descend(chosen)
    assert path.places.shape == (4, STARTS[problem].count(",") + 1)
    assert path.places[0].tolist() == list(chosen.start)
    assert len(set(path.losses)) == 4
    drawn = [pictures.landscape(path), pictures.fit(path), pictures.losses(path, 0.1)]
    assert (drawn[0] is not None) == (len(path.names) == 2)
    assert (drawn[1] is not None) == ("through" in problem)


def test_a_curve_is_fitted_as_by_least_squares() -> None:
    points = read_points("parabola")
    powers = torch.stack([points.x**0, points.x]).T
    best = torch.linalg.lstsq(powers, points.y.unsqueeze(1)).solution.flatten()
    path = descend(setting("a line through points", "parabola", "0, 0", "sgd", "0.3", "", 400))
    torch.testing.assert_close(path.places[-1], best)


def test_the_gradient_of_a_curve_is_that_of_its_loss() -> None:
    fit = CurveFit(start=(1.0, 2.0, 3.0)).through(CurvePoints(numbers(1, 2), numbers(0, 1), ("x", "y")))
    assert fit.loss(fit.begin(), 0).item() == ((1 + 2 + 3) ** 2 + (1 + 4 + 12 - 1) ** 2) / 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"start": "1"}, {"start": "1, x"}, {"start": "1, inf"}, {"rate": ""}, {"rate": "-1"}, {"rate": "1, 2"},
        {"steps": 0}, {"steps": 10**9}, {"optimizer": "mine.py:MyOpt"}, {"problem": "mine.py:Valley"},
        {"options": "momentum=mine.py:X"}, {"options": "nosuch=1"}, {"options": "x)(", },
    ],
)  # fmt: skip
def test_settings_that_are_not_offered_are_refused(wrong: dict[str, object]) -> None:
    given = {"problem": "quadratic", "points": "", "start": "1, 1", "optimizer": "sgd", "rate": "0.1",
             "options": "", "steps": 5, **wrong}  # fmt: skip
    with pytest.raises(SteepestError):
        setting(**given)
