"""The steps of ratings by rows and dense, on few users; that they are equal is found out, and that they are not."""

from __future__ import annotations

import pytest

from benchmarks import ratings_step
from steepest.optim.method import GradientMethod


@pytest.fixture(scope="module")
def data():
    return ratings_step.made(50, 20)


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_all_sides_take_turns_and_agree(data, monkeypatch, capsys, optimizer) -> None:
    monkeypatch.setattr(ratings_step, "SEGMENT", 0.0)
    monkeypatch.setattr(ratings_step, "CHECKED", 16)
    assert ratings_step.measure(data, optimizer, 1, GradientMethod) == 0
    said = capsys.readouterr().out
    assert said.count(" | 1 |\n") == 4
    assert said.count("holds") == 1


def test_other_weights_are_found_out(data, monkeypatch) -> None:
    real = ratings_step.ours
    monkeypatch.setattr(ratings_step, "CHECKED", 4)

    def wrong(*given, by_rows, **options):
        for loss, weights in real(*given, by_rows=by_rows, **options):
            yield loss, {name: each + 0.5 * by_rows for name, each in weights.items()}

    assert max(ratings_step.differences(data, "adam", GradientMethod)) < ratings_step.SAME
    monkeypatch.setattr(ratings_step, "ours", wrong)
    assert ratings_step.differences(data, "adam", GradientMethod)[1] == pytest.approx(0.5, abs=1e-3)


def test_plain_steps_are_ours(data) -> None:
    for optimizer in ("adam", "momentum"):
        own = [loss for loss, _ in ratings_step.ours(data, optimizer, 8, by_rows=True, kind=GradientMethod)]
        other = ratings_step.plain(data, optimizer, fused=False)
        assert own == pytest.approx([next(other)[0] for _ in range(8)], rel=1e-5)
