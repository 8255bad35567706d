"""Processes that make runs, compile steps or fit baselines, as the one that keeps the journal sees them."""

from __future__ import annotations

import contextvars
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Protocol

from steepest.components.held import held
from steepest.data.dataset import Dataset
from steepest.errors import first_line
from steepest.interrupts import held_back
from steepest.sweep.making import Maker
from steepest.sweep.site import Link, Site
from steepest.sweep.transfer import NotSendableError, received, sent


class Job(Protocol):
    """What a process can be asked to do; it has to be sendable, and what it returns, too."""

    def perform(self, maker: Maker, dataset: Dataset, progress: Callable[[float], None]) -> Any:
        """Do it.

        Args:
            maker: makes runs in the process.
            dataset: the data that was sent.
            progress: called with the steps done since the last call.
        """
        ...


@dataclass
class Worker:
    """One of the processes.

    Attributes:
        link: how messages reach it, and come back.
        begun: what it does, after what it has done and nobody has heard yet.
        used: how much of a run's length is used up.
        data: fingerprints of the datasets that it has.
        held: how much it has of the user's code that is held.
        listener: reads its replies until it ends.
        worth: what a step of it counts for in the progress, or a gradient of its length.
    """

    link: Link
    begun: deque[Begun] = field(default_factory=lambda: deque[Begun]())
    used: float = 0.0
    worth: float = 0.0
    data: set[str] = field(default_factory=set[str])
    held: int = 0
    listener: threading.Thread = field(default_factory=threading.Thread)

    @property
    def job(self) -> Any:
        """What it does, as far as its replies have been heard, or None."""
        return self.begun[0].job if self.begun else None


@dataclass(frozen=True)
class Reply:
    """What a process tells: ``advance``, ``say``, ``looked``, ``finished``, ``failed``, or ``gone`` when it has ended.

    Attributes:
        worker: the process; None where a job did not come to one, which ``failed``.
        kind: which of them it is.
        about: the steps done, a line, an evaluation, the result, or why not.
        hears: who hears it, where that is no job of the process.
    """

    worker: Worker | None
    kind: str
    about: Any = None
    hears: Hears | None = None

    @property
    def ends(self) -> bool:
        """Whether a job has ended with it."""
        return self.kind in ("finished", "failed", "gone")


Hears = Callable[[Reply], None]


@dataclass(frozen=True)
class Begun:
    """A job that a process was told to do, and who hears its replies."""

    job: Job
    hears: Hears


@dataclass(frozen=True)
class _Waiting:
    """A job for the next process that has nothing to do."""

    job: Job
    name: str
    dataset: Dataset
    hears: Hears
    awaited: bool


@dataclass
class Crew:
    """Up to ``most`` processes, started when there is something for them to do.

    A process that is done begins what waits at once, whatever this one is doing; its replies are heard by :meth:`hear`.

    Attributes:
        most: how many there may be.
        site: where they run.
        lost: how many were killed; so many fewer are started.
        aside: processes with a job for which nobody waits any more; they get no other one.
    """

    most: int
    site: Site
    lost: int = 0
    workers: list[Worker] = field(default_factory=list[Worker])
    aside: list[Worker] = field(default_factory=list[Worker])
    _waiting: list[_Waiting] = field(default_factory=list[_Waiting])
    _replies: SimpleQueue[Reply] = field(default_factory=SimpleQueue[Reply])
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _data: dict[str, Any] = field(default_factory=dict[str, Any])

    def __enter__(self) -> Crew:
        self.site.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with held_back():
            self._close()

    def _close(self) -> None:
        with self._lock:
            self._waiting.clear()
            self.most = 0
        try:
            while not self._replies.empty():
                reply = self._replies.get()
                if reply.kind == "finished":  # nothing of that is lost when Ctrl-C comes
                    self._passed_on(reply)
        finally:
            everyone = [*self.workers, *self.aside]
            for each in everyone:
                each.link.kill()
            for each in everyone:
                each.listener.join()
            self.workers.clear()
            self.aside.clear()
            self._data.clear()
            self.site.close()

    @property
    def idle(self) -> bool:
        """Whether there is nothing to do for any of them, and nothing to hear."""
        return not self.busy and not self._waiting and self._replies.empty()

    @property
    def going(self) -> list[Any]:
        """The jobs that were begun and whose end nobody has heard."""
        return [each.job for worker in self.workers for each in tuple(worker.begun)]

    @property
    def busy(self) -> list[Worker]:
        """Those that have something to do."""
        return [each for each in self.workers if each.begun]

    @property
    def places(self) -> int:
        """How many processes there may be now."""
        return max(self.most - self.lost, 0)

    @property
    def has_room(self) -> bool:
        """Whether another job can begin."""
        return len(self.busy) < self.places

    def allow(self, most: int) -> None:
        """Let there be up to ``most`` processes."""
        self.most = most
        self._begin_waiting()

    def put(self, job: Job, name: str, dataset: Dataset, hears: Hears, *, awaited: bool = False) -> None:
        """Let a process do something as soon as one has nothing else to do.

        Args:
            job: what is to be done.
            name: fingerprint of the data.
            dataset: the data.
            hears: called by :meth:`hear` with what the process tells; ``failed`` where the job cannot be sent.
            awaited: whether this process will wait for it: then it comes before those for which nobody does.
        """
        with self._lock:
            self._waiting.append(_Waiting(job, name, dataset, hears, awaited))
            self._waiting.sort(key=lambda each: not each.awaited)
        self._begin_waiting()

    def take_back(self, job: Job) -> None:
        """Forget a job that no process has begun."""
        with self._lock:
            self._waiting = [each for each in self._waiting if each.job is not job]

    def let_go(self, job: Job) -> None:
        """Wait for a job no longer.

        One that no process has begun is forgotten. One that is being done goes on beside everything else, at the lowest
        priority and in a process that counts no more, so that what it leaves is there the next time; it is ended with
        the crew.

        Args:
            job: what was put.
        """
        with self._lock:
            self.take_back(job)
            worker = next((each for each in self.workers if each.job is job and len(each.begun) == 1), None)
            if worker is None:
                return
            self.workers.remove(worker)
            self.aside.append(worker)
        worker.link.give_way()

    def begin(self, job: Job, name: str, dataset: Dataset, hears: Hears) -> Worker:
        """Let a process do something now, and return the process.

        Args:
            job, name, dataset, hears: as for :meth:`put`.

        Raises:
            NotSendableError: parts of the job or of the data live in this process alone.
            OSError: the data cannot be written, or no process started.
        """
        with self._lock:
            worker = next((each for each in self.workers if not each.begun), None)
            return self._told(worker, _Waiting(job, name, dataset, hears, awaited=True))

    def _told(self, worker: Worker | None, what: _Waiting) -> Worker:
        """Tell a process, or a new one, what to do."""
        if what.name not in self._data:
            self._data[what.name] = self.site.share(what.name, what.dataset)
        known = worker is not None and what.name in worker.data
        message = sent((what.name, what.job))
        worker = worker or self._started()
        code = held()
        if code is not None and code.size > worker.held:  # it has to have it before it reads the job
            message, worker.held = sent((code, message)), code.size
        else:
            message = sent((None, message))
        worker.data.add(what.name)
        worker.begun.append(Begun(what.job, what.hears))
        if len(worker.begun) == 1:
            worker.used = 0.0
        worker.link.send(message, None if known else self._data[what.name])
        return worker

    def hear(self, *, wait: bool, patient: Callable[[], bool] = lambda: True) -> None:
        """Pass on what the processes have told, and let those that are done begin what waits.

        Args:
            wait: whether to wait until one has told that it is done, as long as there is something to do.
            patient: asked about every second whether to wait on.
        """
        while True:
            try:
                # with a limit, so that Ctrl-C is noticed on all systems
                reply = self._replies.get(timeout=1.0) if wait else self._replies.get_nowait()
            except Empty:
                if wait and not self.idle and patient():
                    continue
                return
            if self._passed_on(reply):
                wait = False

    def _passed_on(self, reply: Reply) -> bool:
        """Pass a reply on; return whether a job has ended with it."""
        worker, hears = reply.worker, reply.hears
        if worker is not None:
            hears = worker.begun[0].hears if worker.begun else None
            if reply.kind == "advance":
                worker.used += reply.about
            if reply.kind == "gone":
                with self._lock:
                    if worker in self.aside:
                        self.aside.remove(worker)
                    else:
                        self.workers.remove(worker)
                        self.lost += bool(worker.begun)
        if hears is not None:
            hears(reply)
        if reply.ends:
            if worker is not None and worker.begun:
                worker.begun.popleft()
                worker.used = worker.worth = 0.0
            if worker is not None and worker in self.aside:
                worker.link.finish()
            self._begin_waiting()
        return reply.ends

    def _begin_waiting(self) -> None:
        """Let processes that have nothing to do begin what waits; what none can do fails."""
        while True:
            with self._lock:
                none = not self.places
                if not self._waiting or not (none or self.has_room):
                    return
                first = self._waiting.pop(0)
            try:
                if none:
                    raise NotSendableError("there is no process")
                self.begin(first.job, first.name, first.dataset, first.hears)
            except (NotSendableError, OSError) as error:
                first.hears(Reply(None, "failed", str(error)))

    def _goes_on(self, worker: Worker) -> None:
        """Let a process that has ended its job begin what waits, before anybody has heard of that."""
        with self._lock:
            while self._waiting and worker not in self.aside and len(self.busy) <= self.places:
                first = self._waiting.pop(0)
                try:
                    self._told(worker, first)
                    return
                except Exception as error:  # whatever it is: the first process hears of it, and does the job
                    self._replies.put(Reply(None, "failed", first_line(error), first.hears))

    def _started(self) -> Worker:
        worker = Worker(self.site.start())
        self.workers.append(worker)
        here = contextvars.copy_context()  # replies name the user's classes by reference, too
        worker.listener = threading.Thread(target=here.run, args=(self._listen, worker), daemon=True)
        worker.listener.start()
        return worker

    def _listen(self, worker: Worker) -> None:
        try:
            for message in worker.link.messages():
                reply = self._read(worker, message)
                if reply.ends:
                    self._goes_on(worker)
                self._replies.put(reply)
        finally:  # nobody waits for a worker to which nobody listens
            self._replies.put(Reply(worker, "gone", worker.link.ended))

    def _read(self, worker: Worker, message: bytes) -> Reply:
        try:
            return Reply(worker, *received(message))
        except Exception as error:  # such as a result whose class this process does not have
            return Reply(worker, "failed", f"{type(error).__name__}: {first_line(error)}")
