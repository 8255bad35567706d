"""Several runs at a time, each in a process of its own; the journal has one writer, which starts no run itself.

Whether a run is made here or there, and beside which others, changes nothing in its numbers but its seconds. Of every
arm one run is made while nothing else is: the one whose seconds are shown. Runs that cannot leave this process, or
whose length is a number of seconds, are made like that, too.
"""

from __future__ import annotations

import importlib
import math
import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field

from steepest.record.schema import Record
from steepest.sweep.crew import Crew, Reply
from steepest.sweep.deadline import Deadline
from steepest.sweep.estimate import SHARED, plan_seconds
from steepest.sweep.making import Task
from steepest.sweep.plan import next_runs, starts
from steepest.sweep.planned import PlannedRun, identity
from steepest.sweep.runner import Runner, failed_before
from steepest.sweep.setup import Setup
from steepest.sweep.told import Told
from steepest.sweep.transfer import NotSendableError
from steepest.train.callback import see_all_runs
from steepest.wording import counted

Made = MutableMapping[tuple[str, int], Record]
"""Finished runs by (recipe id, seed), to which more are added."""

LATER = "sklearn.metrics"
"""What this process needs in the end, and takes long to import."""
EVERY = 1.0
"""Seconds after which what is still to come is reckoned again."""


@dataclass
class Together:
    """Makes the runs of a comparison in several processes.

    Attributes:
        runner: keeps what they leave.
        setup: the comparison's setup.
        told: what was told already.
        crew: the processes, which may have other jobs, too.
        besides: returns the seconds of those other jobs, about.
        deadline: the time budget; None without one.
        alone: why runs of an arm are made in this process, by the arm's id.
    """

    runner: Runner
    setup: Setup
    told: Told
    crew: Crew
    besides: Callable[[], float]
    deadline: Deadline | None = None
    alone: dict[str, str] = field(default_factory=dict[str, str])
    _shown: float = -math.inf

    def complete(self, history: Made) -> None:
        """Make all runs that the history lacks, as many at a time as the crew has processes, and add them."""
        crew = self.crew
        while True:
            going = {identity(each.run) for each in crew.going if isinstance(each, Task)}
            part = self._part(history)
            ahead = [] if part is None else next_runs(part, history, ahead=True)
            waiting = [run for run in ahead if identity(run) not in going]
            if not waiting and crew.idle:
                return
            self.runner.forget(starts(self.setup, history))
            for run in waiting:
                if crew.has_room and self._can_leave(run, history):
                    self._begin(run, history)
                elif self.deadline is not None:
                    break  # of a time budget the first seed of all arms, which is timed alone, comes first
            self._show(part or self.setup, history)
            if crew.busy:
                if not any(isinstance(each, Task) for each in crew.going):
                    importlib.import_module(LATER)  # while nothing waits for this process
                crew.hear(wait=True)
            elif waiting:
                self._make_here(waiting[0], history)
            self.told.tuned(history)

    def _part(self, history: Made) -> Setup | None:
        """Return what of the comparison is still made; None where time is up."""
        if self.deadline is None:
            return self.setup
        return self.deadline.part(self.setup, self.runner.cells, history, self._begun)

    @property
    def _begun(self) -> float:
        """Seconds of the comparison's work that are done in runs that have not ended."""
        return sum(each.used * each.worth for each in self.crew.busy)

    def _can_leave(self, run: PlannedRun, history: Made) -> bool:
        """Whether a run can be made beside others."""
        if see_all_runs(run.arm.callbacks):
            self._stays(run, "its callbacks are called here")
        apart = self.setup.is_timed(run) or run.arm.stays or self.runner.cells[run.arm.cell].workers == 1
        return not apart and run.arm.id not in self.alone and not failed_before(run, history)

    def _stays(self, run: PlannedRun, why: str) -> None:
        if run.arm.id not in self.alone:
            self.alone[run.arm.id] = why
            self.runner.observer.say(f"workers  {run.arm.title} runs in this process: {why}")

    def _begin(self, run: PlannedRun, history: Made) -> None:
        data, crew = self.runner.dataset(run), self.crew
        try:
            member = crew.begin(
                self.runner.task(run), run.recipe.data, data, lambda reply: self._hear(run, reply, history)
            )
        except (NotSendableError, OSError) as error:
            self._stays(run, str(error))
            return
        seconds = self.runner.seconds_of(run, self.setup) / (crew.places * SHARED)
        member.worth = seconds / run.recipe.length
        self.told.begins(run)

    def _show(self, part: Setup, history: Made) -> None:
        """Tell what is still to come, without what of the present runs is done; it is reckoned now and then."""
        if self.crew.busy and time.monotonic() - self._shown < EVERY:
            return
        self._shown = time.monotonic()
        left = plan_seconds(part, self.runner.cells, history, self.besides())
        self.runner.observer.remaining(max(left - self._begun, 0.0))

    def _hear(self, run: PlannedRun, reply: Reply, history: Made) -> None:
        """Do what a reply asks for."""
        observer = self.runner.observer
        match reply.kind:
            case "advance":
                observer.advance(reply.about * reply.worker.worth if reply.worker else 0.0)
            case "say":
                observer.say(reply.about)
            case "looked":
                observer.looked(*reply.about)
            case "finished":
                finished = reply.about
                finished.record = finished.record.model_copy(update={"shared": True})
                history[identity(run)] = self.runner.keep(run, finished, history, self.setup)
            case "failed":  # it is made here once nothing else is, where its error can be seen
                self._stays(run, reply.about)
            case _:  # it was killed
                left = self.crew.places
                now = f"{counted(left, 'run')} at a time" if left else "one run at a time, in this process,"
                observer.say(f"warning: a worker process ended {reply.about}; {now} from now on")

    def _make_here(self, run: PlannedRun, history: Made) -> None:
        self.told.begins(run)
        history[identity(run)] = self.runner.make_timed(run, history, self.setup)
