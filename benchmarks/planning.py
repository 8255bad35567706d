"""Claim: of 100,000 recorded runs the next ones follow within 2 s, and at 10,000 a run costs at most 50 ms besides.

    python -m benchmarks planning [--runs N] [--workers 2] [--workers ray]

The runs are made up: arms of 15 runs each (seven trials, three at full length, five seeds), whose results come from a
formula instead of training. *Next runs* is what a comparison computes when it is resumed: everything from the records
alone, in a new process. *Besides a run* is the whole of what a comparison does for a run but train it: decide which is
next, write its record to the disk, keep its weights, reckon what is still to come. Both are measured at several numbers
of recorded runs, and must grow no faster than these. There is no peer: nothing else plans from such records.

With `--workers`, two workers make the runs, and what passes between the ends of two runs is measured, sending and
receiving included: the claim of 50 ms is the same.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from benchmarks.machine import describe_machine
from steepest.collector import collect_rarely
from steepest.recipe import Execution, Recipe
from steepest.record.schema import CurvePoint, Record
from steepest.record.store import Folder
from steepest.sweep.arms import PlannedArm
from steepest.sweep.complete import complete
from steepest.sweep.contestants import contestants
from steepest.sweep.crew import Crew
from steepest.sweep.observer import Observer
from steepest.sweep.plan import next_runs
from steepest.sweep.planned import PlannedRun, identity
from steepest.sweep.processes import Processes
from steepest.sweep.runner import Runner
from steepest.sweep.setup import Setup
from steepest.sweep.sites import site_of
from steepest.train.finished import Finished

CELL = "cell"
RUNS_AN_ARM = 15
MOST_SECONDS = 2.0
MOST_BESIDES = 0.05
RECORDED = 10_000
GROWTH = 1.5
"""How much faster than the number of runs the time may grow, which small numbers make uncertain."""
TIMED = 40
STARTING = 10
"""Runs during which workers start, which are not counted."""


class Instant(Runner):
    """Makes runs whose results come from a formula."""

    seconds: list[float]
    stop_after: int

    def _train(self, run: PlannedRun, evaluations: int) -> Finished:
        del evaluations
        self.seconds.append(time.perf_counter())
        if len(self.seconds) > self.stop_after:
            raise _DoneError
        return Finished(made_record(run), {"weight": torch.zeros(10)})


@dataclass(frozen=True)
class Invented:
    """A run whose results come from a formula, made by a worker."""

    run: PlannedRun

    def perform(self, maker: object, dataset: object, progress: object) -> Finished:
        """Return what it leaves."""
        del maker, dataset, progress
        return Finished(made_record(self.run), {"weight": torch.zeros(10)})


class Led(Instant):
    """Lets workers make such runs."""

    def task(self, run: PlannedRun, evaluations: int | None = None) -> Any:
        del evaluations
        return Invented(run)

    def dataset(self, run: PlannedRun) -> Any:
        del run
        return {}

    def keep(self, *what: Any) -> Record:
        record = super().keep(*what)
        self.seconds.append(time.perf_counter())
        if len(self.seconds) > self.stop_after:
            raise _DoneError
        return record

    def _train(self, run: PlannedRun, evaluations: int) -> Finished:
        del evaluations
        return Invented(run).perform(None, None, None)


class _DoneError(Exception):
    """Enough runs were made."""


def main(arguments: list[str]) -> int:
    """Measure both and print the table."""
    parser = argparse.ArgumentParser("python -m benchmarks planning")
    parser.add_argument("--runs", type=int, default=100_000, help="recorded runs of the largest plan")
    parser.add_argument("--workers", action="append", default=[], help="also of these workers: 2 or ray")
    given = parser.parse_args(arguments)
    most = given.runs
    collect_rarely()  # as the command does
    print(f"{describe_machine('torch')}\n")
    print("| recorded runs | next runs, s | of the processor, s | besides a run, ms | n |")
    print("| --- | --- | --- | --- | --- |")
    planned: dict[int, float] = {}
    beside: dict[int, float] = {}
    for recorded in sorted({most // 100, RECORDED, most}):
        wall, planned[recorded] = next_seconds(recorded)
        cells = ""
        if recorded <= RECORDED:
            gaps = run_seconds(recorded)
            beside[recorded] = statistics.median(gaps)
            cells = f"{1000 * beside[recorded]:.1f} | {len(gaps)}"
        print(f"| {recorded:,} | {wall:.2f} | {planned[recorded]:.2f} | {cells or '– | –'} |", flush=True)
    small = min(planned)
    linear = planned[most] <= GROWTH * planned[small] * most / small
    holds = planned[most] <= MOST_SECONDS and beside[RECORDED] <= MOST_BESIDES and linear
    for each in given.workers:
        gaps = led_seconds(RECORDED, int(each) if each.isdecimal() else each)
        beside[RECORDED] = max(beside[RECORDED], statistics.median(gaps))
        print(
            f"With {RECORDED:,} recorded runs and --workers {each}, a run costs "
            f"{1000 * statistics.median(gaps):.1f} ms besides (n = {len(gaps)}).",
            flush=True,
        )
    holds = holds and beside[RECORDED] <= MOST_BESIDES
    print(f"\nLinear: {'yes' if linear else 'no'}. The claim {'holds' if holds else 'does not hold'}.")
    return int(not holds)


def next_seconds(recorded: int) -> tuple[float, float]:
    """Return the seconds, and those of the processor, in which the next runs follow from so many records."""
    made = setup_of(math.ceil(recorded / RUNS_AN_ARM) + 1)
    history: dict[tuple[str, int], Record] = {}
    fill(made, recorded, lambda record, run: history.__setitem__(identity(run), record))
    fresh = setup_of(len(made.arms))
    wall, used = time.perf_counter(), time.process_time()
    if not next_runs(fresh, history, ahead=True):
        raise SystemExit("there is nothing left to run")
    return time.perf_counter() - wall, time.process_time() - used


def run_seconds(recorded: int) -> list[float]:
    """Return the seconds from one run to the next, with so many records in the folder's journal."""
    made = setup_of(math.ceil(recorded / RUNS_AN_ARM) + TIMED)
    cells = {CELL: Execution().timed(seconds_a_step={"adam": 0.001}, seconds_an_evaluation=0.01)}
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place) / "run")
        folder.make()
        with folder.journal.path.open("a", encoding="utf-8") as file:
            fill(made, recorded, lambda record, _: file.write(line(record)))
        runner = Instant({}, folder, ("log_loss",), Observer(), cells=cells)
        runner.seconds, runner.stop_after = [], TIMED
        with contextlib.suppress(_DoneError):
            complete(runner, made, Crew(0, Processes(folder.path / "workers")), 1)
        times = runner.seconds
    return [later - before for before, later in itertools.pairwise(times)]


def led_seconds(recorded: int, workers: int | str) -> list[float]:
    """Return the seconds from the end of one run to that of the next, where two workers make them."""
    made = setup_of(math.ceil(recorded / RUNS_AN_ARM) + TIMED)
    cells = {CELL: Execution(workers=2).timed(seconds_a_step={"adam": 0.001}, seconds_an_evaluation=0.01)}
    with tempfile.TemporaryDirectory() as place:
        folder = Folder(Path(place) / "run")
        folder.make()
        with folder.journal.path.open("a", encoding="utf-8") as file:
            fill(made, recorded, lambda record, _: file.write(line(record)))
        runner = Led({}, folder, ("log_loss",), Observer(), cells=cells)
        runner.seconds, runner.stop_after = [], STARTING + TIMED
        site = site_of(workers, folder.path / "workers", 1)
        with contextlib.suppress(_DoneError), Crew(2, site) as crew:
            complete(runner, made, crew, workers)
        times = runner.seconds[STARTING:]
    return [later - before for before, later in itertools.pairwise(times)]


def setup_of(count: int) -> Setup:
    """Return a comparison of so many arms, which differ in their batch size."""
    [who] = contestants(["adam"])
    recipe = Recipe(
        data="d", model="linear", optimizer="", schedule="cosine", steps=1, batch_size=8, metric="log_loss"
    )
    arms = tuple(
        PlannedArm(
            method=who,
            recipe=recipe.model_copy(update={"batch_size": 8 + i}),
            factors={"optimizer": "adam", "batch_size": str(8 + i)},
            per_epoch=500,
            cell=CELL,
            folds=("d",),
            label=f"batch size {8 + i}",
        )
        for i in range(count)
    )
    return Setup(arms, tuple(range(5)), "log_loss", False, {arm.id: 1000 for arm in arms})


def fill(made: Setup, recorded: int, keep: Callable[[Record, PlannedRun], object]) -> None:
    """Make up the records of the first runs of a comparison, arm by arm."""
    left = recorded
    for arm in made.arms:
        alone, history = replace(made, arms=(arm,)), {}
        while runs := next_runs(alone, history):
            for run in runs:
                if not left:
                    return
                left -= 1
                history[identity(run)] = made_record(run)
                keep(history[identity(run)], run)


def line(record: Record) -> str:
    """Return the line of a record in a journal."""
    return f'{{"event":"run","record":{record.model_dump_json()}}}\n'


def made_record(run: PlannedRun) -> Record:
    """Return the record of a run, best near a rate of 0.001, with a curve of 21 points."""
    rate = float(run.rule.hyper.lr)
    loss = 0.3 + abs(math.log10(rate) + 3) + 0.01 * (run.key.seed % 7)
    curve = [
        CurvePoint(
            step=50 * i, epoch=i / 10, seconds=i / 100, gradients=50.0 * i, train_loss=loss + 1 / (i + 1),
            validation={"log_loss": loss + 1 / (i + 1), "accuracy": 0.5},
        )
        for i in range(21)
    ]  # fmt: skip
    value = {"log_loss": loss, "accuracy": 0.5}
    return Record(
        key=run.key, lr=rate, steps=run.recipe.steps, outcome="finished", curve=curve, best_step=1000,
        best=value, last=value, test=value if run.read_test else {},
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
