"""Several runs at a time, each in a process of its own; the journal has one writer, which starts no run itself.

Whether a run is made here or there, and beside which others, changes nothing in its numbers but its seconds. Of every
arm one run is made while nothing else is: the one whose seconds are shown. Runs that cannot leave this process, or
whose length is a number of seconds, are made like that, too.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field

from steepest.record.schema import Record
from steepest.sweep.crew import Crew, Member, Reply
from steepest.sweep.estimate import SHARED, plan_seconds
from steepest.sweep.plan import PlannedRun, Setup, identity, next_runs, starts
from steepest.sweep.runner import Runner, failed_before
from steepest.sweep.told import Told
from steepest.sweep.transfer import NotSendableError
from steepest.wording import counted

Made = MutableMapping[tuple[str, int], Record]
"""Finished runs by (recipe id, seed), to which more are added."""
PLACE = ".workers"
"""Folder with the data for the processes, while they run."""


@dataclass
class Together:
    """Makes the runs of a comparison in several processes.

    Attributes:
        runner: keeps what they leave.
        setup: the comparison's setup.
        told: what was told already.
        alone: why runs of an arm are made in this process, by the arm's id.
    """

    runner: Runner
    setup: Setup
    told: Told
    alone: dict[str, str] = field(default_factory=dict[str, str])

    def complete(self, history: Made, most: int) -> None:
        """Make all runs that the history lacks, up to ``most`` at a time, and add them."""
        with Crew(most, self.runner.folder.path / PLACE) as crew:
            try:
                self._work(crew, history)
            finally:
                for reply in crew.replies():  # nothing that is finished is lost when Ctrl-C comes
                    if reply.kind == "finished":
                        self._hear(reply, crew, history)

    def _work(self, crew: Crew, history: Made) -> None:
        while True:
            going = {identity(each.job.run) for each in crew.busy}
            ahead = next_runs(self.setup, history, ahead=True)
            waiting = [run for run in ahead if identity(run) not in going]
            if not waiting and not going:
                return
            self.runner.forget(starts(self.setup, history))
            for run in waiting:
                if crew.has_room and self._can_leave(run, history):
                    self._begin(run, crew)
            self._show(crew, history)
            if crew.busy:
                while self._hear(crew.next_reply(), crew, history):
                    pass
            elif waiting:
                self._make_here(waiting[0], history)
            self.told.tuned(history)

    def _can_leave(self, run: PlannedRun, history: Made) -> bool:
        """Whether a run can be made beside others."""
        if run.arm.callbacks:
            self._stays(run, "its callbacks are called here")
        apart = self.setup.is_timed(run) or run.arm.stays or self.runner.cells[run.arm.cell].workers == 1
        return not apart and run.arm.id not in self.alone and not failed_before(run, history)

    def _stays(self, run: PlannedRun, why: str) -> None:
        if run.arm.id not in self.alone:
            self.alone[run.arm.id] = why
            self.runner.observer.say(f"workers  {run.arm.title} runs in this process: {why}")

    def _begin(self, run: PlannedRun, crew: Crew) -> None:
        try:
            member = crew.begin(self.runner.task(run), run.recipe.data, self.runner.dataset(run))
        except (NotSendableError, OSError) as error:
            self._stays(run, str(error))
            return
        seconds = self.runner.seconds_of(run, self.setup) / (crew.most * SHARED)
        member.worth = seconds / run.recipe.length
        self.told.begins(run)

    def _show(self, crew: Crew, history: Made) -> None:
        """Tell what is still to come, without what of the present runs is done."""
        done = sum(each.used * each.worth for each in crew.busy)
        left = plan_seconds(self.setup, self.runner.cells, history)
        self.runner.observer.remaining(max(left - done, 0.0))

    def _hear(self, reply: Reply, crew: Crew, history: Made) -> bool:
        """Do what a reply asks for; return whether everyone is still busy afterwards."""
        observer, member = self.runner.observer, reply.member
        match reply.kind:
            case "advance":
                observer.advance(reply.about * member.worth)
                return True
            case "say":
                observer.say(reply.about)
                return True
            case "finished":
                self._keep(member, reply, history)
            case "failed":  # it is made here once nothing else is, where its error can be seen
                self._stays(member.job.run, reply.about)
            case _ if member.job is not None:  # it was killed
                crew.most = max(crew.most - 1, 0)
                now = (
                    f"{counted(crew.most, 'run')} at a time"
                    if crew.most
                    else "one run at a time, in this process,"
                )
                observer.say(f"warning: a worker process ended with status {reply.about}; {now} from now on")
            case _:
                pass
        member.job = None
        return False

    def _keep(self, member: Member, reply: Reply, history: Made) -> None:
        run, finished = member.job.run, reply.about
        finished.record = finished.record.model_copy(update={"shared": True})
        history[identity(run)] = self.runner.keep(run, finished, history, self.setup)

    def _make_here(self, run: PlannedRun, history: Made) -> None:
        self.told.begins(run)
        history[identity(run)] = self.runner.make_timed(run, history, self.setup)
