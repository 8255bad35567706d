"""Processes that make runs, or compile steps, as the one that keeps the journal sees them."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, Protocol

from steepest.data.dataset import Dataset
from steepest.sweep.making import Maker
from steepest.sweep.transfer import Packed, received, sent
from steepest.sweep.worker import messages, write

STARTING = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from steepest.sweep.worker import main; main()"
)
"""What a process is started with; not as ``multiprocessing`` does, which runs the user's script again."""


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
class Member:
    """One of the processes.

    Attributes:
        process: the process.
        job: what it does, or None.
        used: how much of a run's length is used up.
        data: fingerprints of the datasets that it has.
        listener: reads its replies until it ends.
        worth: what a step of it counts for in the progress, or a gradient of its length.
    """

    process: subprocess.Popen[bytes]
    job: Any = None
    used: float = 0.0
    worth: float = 0.0
    data: set[str] = field(default_factory=set[str])
    listener: threading.Thread = field(default_factory=threading.Thread)


@dataclass(frozen=True)
class Reply:
    """What a process tells: ``advance``, ``say``, ``finished``, ``failed``, or ``gone`` when it has ended."""

    member: Member
    kind: str
    about: Any = None


@dataclass
class Crew:
    """Up to ``most`` processes, started when there is something for them to do.

    Attributes:
        most: how many there may be.
        folder: where the data is put for all of them, in a folder of its own that is removed in the end.
    """

    most: int
    folder: Path
    members: list[Member] = field(default_factory=list[Member])
    _replies: SimpleQueue[Reply] = field(default_factory=SimpleQueue[Reply])
    _data: dict[str, Packed] = field(default_factory=dict[str, Packed])

    def __enter__(self) -> Crew:
        shutil.rmtree(self.folder, ignore_errors=True)  # of a process that was killed
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in self.members:
            each.process.kill()
        for each in self.members:
            each.listener.join()
        self.members.clear()
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def busy(self) -> list[Member]:
        """Those that have something to do."""
        return [each for each in self.members if each.job is not None]

    @property
    def has_room(self) -> bool:
        """Whether another job can begin."""
        return len(self.busy) < self.most

    def begin(self, job: Job, name: str, dataset: Dataset) -> Member:
        """Let a process do something, and return the process.

        Args:
            job: what is to be done.
            name: fingerprint of the data.
            dataset: the data.

        Raises:
            NotSendableError: parts of the job or of the data live in this process alone.
            OSError: the data cannot be written, or no process started.
        """
        if name not in self._data:
            self._data[name] = Packed.of(dataset, self.folder / name)
        member = next((each for each in self.members if each.job is None), None)
        known = member is not None and name in member.data
        message = sent((name, None if known else self._data[name], job))
        member = member or self._started()
        member.data.add(name)
        member.job, member.used = job, 0.0
        assert member.process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended, which its reply tells
            write(member.process.stdin, message)
        return member

    def next_reply(self) -> Reply:
        """Wait for a reply."""
        while True:
            try:
                return self._known(self._replies.get(timeout=1.0))  # so that Ctrl-C is noticed on all systems
            except Empty:
                continue

    def replies(self) -> list[Reply]:
        """Return the replies that are there."""
        found: list[Reply] = []
        while not self._replies.empty():
            found.append(self._known(self._replies.get()))
        return found

    def _known(self, reply: Reply) -> Reply:
        if reply.kind == "advance":
            reply.member.used += reply.about
        if reply.kind == "gone":
            self.members.remove(reply.member)
        return reply

    def _started(self) -> Member:
        process = subprocess.Popen(
            [sys.executable, "-c", STARTING, json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "POLARS_MAX_THREADS": "1"},
        )
        member = Member(process)
        self.members.append(member)
        member.listener = threading.Thread(target=self._listen, args=(member,), daemon=True)
        member.listener.start()
        return member

    def _listen(self, member: Member) -> None:
        with member.process as process:
            assert process.stdout is not None
            for message in messages(process.stdout):
                self._replies.put(Reply(member, *received(message)))
        self._replies.put(Reply(member, "gone", member.process.returncode))
