"""Claim: a planner drops what full length would have chosen in at most 5 % of 200 grids of learning rates.

    python -m benchmarks halving [--make N]

The grids are stored in ``results/halving.json``: of every one the best validation value of each of its seven learning
rates in runs of several lengths, all with the same seed, as a comparison makes them (None where a run failed).
``--make N`` trains N grids anew, on tables and digits, with networks and linear models, optimizers, schedules and batch
sizes in turn. What a planner chooses is then read from the stored values, so that planners are compared on the same
runs: the share of the grids in which the rate that is best at full length is not chosen, how much worse the chosen one
is, and what the search costs. The claim is required of the default planner, and measured of successive halving.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import statistics
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import steepest as st
from benchmarks.machine import describe_machine
from steepest.experiment.settings import decide
from steepest.recipe import DEFAULT_PLANNER, Execution, RunLength
from steepest.studies.base.tables import catalog_rows
from steepest.sweep.making import Maker, Task
from steepest.sweep.observer import Observer
from steepest.sweep.planner import make_planner
from steepest.sweep.planners.grid import Ladder
from steepest.sweep.setup import Setup

STORED = Path(__file__).parent / "results" / "halving.json"
LENGTHS = (1 / 9, 1 / 8, 1 / 4, 1 / 3, 1 / 2, 1.0)
"""Lengths of the stored runs, in full lengths."""
STEPS = 200
"""Steps of a full run."""
MOST = 0.05
PLANNERS = (DEFAULT_PLANNER, "halving", "halving(2)", "halving(2, 0.25)")
DATA = (
    ("digits", 1_797, "mlp(hidden=[32])"),
    ("digits", 1_797, "linear"),
    ("bikeshare", 1_500, "mlp(hidden=[16])"),
    ("flights", 2_000, "linear"),
)
OPTIMIZERS = ("sgd", "momentum", "adam", "adamw", "rmsprop", "nadam", "adagrad", "lion", "nesterov", "radam")
SCHEDULES = ("cosine", "constant")
BATCHES = (64, 16, 32, 128)

Grid = dict[str, Any]
"""What a stored grid has: what it is ``of``, its ``steps``, ``rates``, and the ``values`` by the length."""


def main(arguments: list[str]) -> int:
    """Print what the planners choose on the stored grids."""
    parser = argparse.ArgumentParser("python -m benchmarks halving")
    parser.add_argument("--make", type=int, default=0, metavar="N", help="train N grids and store them first")
    asked = parser.parse_args(arguments)
    if asked.make:
        lines = [json.dumps(each) for each in itertools.islice(made_grids(), asked.make)]
        STORED.write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    grids: list[Grid] = json.loads(STORED.read_text(encoding="utf-8"))
    print(f"{len(grids)} grids of 7 rates; {describe_machine('torch')}\n")
    head = (
        "planner",
        "cost, full runs",
        "best rate not chosen",
        "more than 1 % worse",
        "5 %",
        "median, if not chosen",
    )
    print(f"| {' | '.join(head)} |")
    print("| --- | --- | --- | --- | --- | --- |")
    shares: dict[str, float] = {}
    for planner in PLANNERS:
        worse = [each for each in (excess(grid, planner) for grid in grids) if each > 0]
        shares[planner] = len(worse) / len(grids)
        parts = [sum(each > most for each in worse) / len(grids) for most in (0.01, 0.05)]
        cost = sum(length * count for length, count in turns(planner, 7))
        print(
            f"| {planner} | {cost:.2f} | {shares[planner]:.1%} | {parts[0]:.1%} | {parts[1]:.1%} "
            f"| {statistics.median(worse):.1%} |"
        )
    return int(shares[DEFAULT_PLANNER] > MOST)


def turns(planner: str, trials: int) -> list[tuple[float, int]]:
    """Return the turns of a planner whose trials are drawn at once."""
    made = make_planner(planner)
    assert isinstance(made, Ladder)
    return made.turns(Setup((), (0,), "log_loss", False, {}), trials)


def values(grid: Grid, length: float) -> list[float]:
    """Return the results of a grid's rates in runs of a length, the smaller the better."""
    return [math.inf if each is None else each for each in grid["values"][f"{length:.4f}"]]


def chosen(grid: Grid, planner: str) -> int:
    """Return the place of the rate that a planner chooses of a grid."""
    alive: Sequence[int] = range(len(grid["rates"]))
    for length, count in turns(planner, len(alive)):
        result = values(grid, length)
        alive = sorted(alive[:count], key=lambda i: result[i])
    return alive[0]


def excess(grid: Grid, planner: str) -> float:
    """Return by what share of it the chosen rate's result at full length is worse than the best."""
    result = values(grid, 1.0)
    return result[chosen(grid, planner)] / min(result) - 1


def made_grids() -> Iterator[Grid]:
    """Train grids one after the other."""
    for batch, schedule, (data, rows, model) in itertools.product(BATCHES, SCHEDULES, DATA):
        frame, options, _ = catalog_rows(data, rows)
        made = st.plan(
            frame, optimizers=list(OPTIMIZERS), model=model, batch_size=batch, schedule=schedule, epochs=1,
            seeds=1, compile="off", device="cpu", **options,
        )  # fmt: skip
        settings = decide(made.experiment, made.table, made.given, Observer())
        setup = settings.setup(RunLength(epochs=STEPS / settings.per_epoch, why="given"))
        execution = Execution.model_validate(
            {"device": "cpu", "threads": 1, "executor": "dense", "compile": "off"}
        )
        maker, planner = Maker(Observer().say), make_planner(DEFAULT_PLANNER)
        assert isinstance(planner, Ladder)
        for arm in setup.arms:
            rules = planner.first(setup, arm).rules
            found: dict[str, list[float | None]] = {}
            for length in LENGTHS:
                runs = [setup.make(arm, rule, "scan", setup.tuning_seed, length=length) for rule in rules]
                records = [
                    maker.make(
                        Task(run, execution, (), run.recipe.evaluations),
                        settings.datasets[arm.folds[0]],
                        lambda _: None,
                    ).record
                    for run in runs
                ]
                losses = [setup.loss(record) for record in records]
                found[f"{length:.4f}"] = [
                    float(f"{each:.6g}") if math.isfinite(each) else None for each in losses
                ]
            yield {
                "of": f"{data}, {model}, {arm.method.name}, {schedule}, batch {batch}",
                "steps": STEPS,
                "rates": [float(rule.hyper.lr) for rule in rules],
                "values": found,
            }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
