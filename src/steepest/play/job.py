"""The comparison that a page watches: it runs in a process of its own, whose events are collected here."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from steepest.errors import FolderError
from steepest.record.store import Folder
from steepest.waiting import passively

State = Literal["running", "done", "stopped", "failed"]
RunId = tuple[str, int]

STOPPING = 15.0
"""Seconds that a comparison has to stop; what it is doing then is killed."""
MOST_LINES = 200


@dataclass
class LiveCurve:
    """A run as far as it has come.

    Attributes:
        name: how its arm is called.
        phase, seed, rate: which run it is.
        epochs, values: its evaluations of the deciding metric on the validation rows.
        losses: the running average of training losses at the same places.
        outcome: how it ended; empty while it goes on.
    """

    name: str
    phase: str
    seed: int
    rate: float
    epochs: list[float] = field(default_factory=list[float])
    values: list[float] = field(default_factory=list[float])
    losses: list[float] = field(default_factory=list[float])
    outcome: str = ""


@dataclass
class WatchedComparison:
    """A comparison in a process of its own.

    Attributes:
        out: its folder.
        state: whether it runs, and how it ended.
        stage: what it is doing.
        done, all: predicted seconds of work, and of all of it.
        lines: what it said.
        curves: its runs by recipe and seed, in the order in which they began; those of the folder come first.
        metric: what the values of curves are.
        sentence: the result.
        error: why it failed, with the cure.
        version: grows with every event.
    """

    out: Path
    state: State = "running"
    stage: str = "starting"
    done: float = 0.0
    all: float = 0.0
    lines: deque[str] = field(default_factory=lambda: deque[str](maxlen=MOST_LINES))
    curves: dict[RunId, LiveCurve] = field(default_factory=dict[RunId, LiveCurve])
    metric: str = ""
    sentence: str = ""
    error: str = ""
    version: int = 0
    _process: subprocess.Popen[str] | None = None
    _stopped: bool = False
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _ended: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def start(
        cls, out: Path, data: str | None = None, options: dict[str, Any] | None = None
    ) -> WatchedComparison:
        """Start a comparison, or go on with that of a folder where no data is given.

        Args:
            out: the folder.
            data, options: as for :func:`steepest.plan`.
        """
        job = cls(out)
        job._read_folder()
        request: dict[str, Any] = {"out": str(out)}
        if data is not None:
            request |= {"data": data, "options": options or {}}
        job._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "steepest.play.making"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env=passively({**_environment(), "PYTHONUNBUFFERED": "1"}),
            start_new_session=True,  # Ctrl-C in the terminal reaches it by its standard input, once
        )
        assert job._process.stdin is not None
        job._process.stdin.write(f"{json.dumps(request)}\n")
        job._process.stdin.flush()
        threading.Thread(target=job._listen, daemon=True).start()
        return job

    @property
    def running(self) -> bool:
        """Whether it still runs."""
        return self.state == "running"

    @property
    def share(self) -> float:
        """How much of the work is done, from 0 to 1."""
        return min(self.done / self.all, 1.0) if self.all > 0 else 0.0

    @property
    def report(self) -> Path | None:
        """The report, if there is one."""
        path = self.out / "report.html"
        return path if path.is_file() else None

    def stop(self, *, wait: bool = False) -> None:
        """Stop it as Ctrl-C does: finished runs are kept. A process that does not stop is killed.

        Args:
            wait: whether to wait until it has ended.
        """
        process = self._process
        if process is None or not self.running:
            return
        self._stopped = True
        with self._lock:
            self.stage = "stopping"
            self.version += 1
        assert process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended already
            process.stdin.close()
        killing = threading.Thread(target=self._kill_late, daemon=True)
        killing.start()
        if wait:
            killing.join()
            self._ended.wait(STOPPING)

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended, but not longer; return whether it has."""
        return self._ended.wait(seconds)

    def _kill_late(self) -> None:
        assert self._process is not None
        try:
            self._process.wait(STOPPING)
        except subprocess.TimeoutExpired:
            self._process.kill()  # its workers end with their standard input

    def _listen(self) -> None:
        process = self._process
        assert process is not None
        assert process.stdout is not None
        with process:
            for line in process.stdout:
                with self._lock:
                    self.heard(json.loads(line))
        with self._lock:
            if self.running:
                self.state = "stopped" if self._stopped else "failed"
                self.error = "" if self._stopped else f"its process ended with status {process.returncode}"
            self.version += 1
        self._ended.set()

    def heard(self, event: dict[str, Any]) -> None:
        """Take in one event."""
        self.version += 1
        match event["event"]:
            case "stage":
                self.stage = event["title"]
            case "work":
                self.done, self.all = event["done"], event["all"]
            case "say":
                self.lines.append(event["text"])
            case "point":
                self._add(event)
            case "run":
                key = event["key"]
                curve = self.curves.get((key["recipe"], key["seed"]))
                if curve is not None:
                    curve.outcome = event["outcome"]
                if event["reason"]:
                    self.lines.append(
                        f"{key['name']} at {event['rate']:g} {event['outcome']}: {event['reason']}"
                    )
            case "done":
                self.state, self.sentence = "done", event["sentence"]
            case "stopped":
                self.state = "stopped"
            case _:
                self.state = "failed"
                self.error = " ".join(each for each in (event["fact"], event["hint"]) if each)

    def _add(self, event: dict[str, Any]) -> None:
        key, point = event["key"], event["point"]
        which = (key["recipe"], key["seed"])
        curve = self.curves.get(which)
        if curve is None or point["step"] == 0:  # its first evaluation, also of a run that is made again
            curve = self.curves[which] = LiveCurve(key["name"], key["phase"], key["seed"], event["rate"])
        self.metric = self.metric or next(iter(point["validation"]), "")
        curve.epochs.append(point["epoch"])
        curve.values.append(point["validation"].get(self.metric, float("nan")))
        curve.losses.append(point["train_loss"])

    def _read_folder(self) -> None:
        """Begin with the runs that the folder has."""
        try:
            records = Folder(self.out).records()
        except FolderError:
            return  # which the comparison says
        for record in records:
            about = {"key": record.key.model_dump(), "rate": record.lr}
            for point in record.curve:
                self._add({**about, "point": point.model_dump()})
            self.heard({"event": "run", **about, "outcome": record.outcome, "reason": ""})


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
