"""What the benchmark of planners reads from stored grids is what the planners themselves choose."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from benchmarks import halving
from steepest.record.schema import Record
from steepest.sweep.plan import next_runs, tuning
from steepest.sweep.planned import identity
from steepest.sweep.setup import Setup
from tests.sweep.arms import arms_of, lengths

GRIDS = json.loads(halving.STORED.read_text(encoding="utf-8"))


def test_there_are_200_grids_and_each_has_a_best_rate():
    assert len({grid["of"] for grid in GRIDS}) == len(GRIDS) == 200
    for grid in GRIDS:
        assert len(grid["rates"]) == 7
        assert math.isfinite(min(halving.values(grid, 1.0)))


@pytest.mark.parametrize("planner", halving.PLANNERS)
def test_planners_choose_what_is_read_from_the_grids(planner):
    for grid in GRIDS[::40]:
        arms = arms_of([f"sgd; lr={','.join(map(repr, grid['rates']))}"])
        made = Setup(arms, (0,), "rmse", False, lengths=lengths(arms, 720), planner=planner)
        values = {length: halving.values(grid, length) for length in halving.LENGTHS}
        history = {}
        while tuning(made, arms[0], history).chosen is None:
            for run in next_runs(made, history):
                nearest = min(values, key=lambda length: abs(length - run.length))
                value = values[nearest][grid["rates"].index(float(run.rule.hyper.lr))]
                history[identity(run)] = Record(
                    key=run.key, lr=1.0, steps=1, outcome="finished" if math.isfinite(value) else "diverged",
                    best={"rmse": value},
                )  # fmt: skip
        found = tuning(replace(made), arms[0], history)
        assert float(found.chosen.hyper.lr) == grid["rates"][halving.chosen(grid, planner)]
