"""Workers that are processes of this machine, each at the other end of a pipe; they map the data into their memory."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steepest.data.dataset import Dataset
from steepest.sweep.process import messages, write
from steepest.sweep.transfer import Packed, sent
from steepest.waiting import passively

STARTING = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from steepest.sweep.process import main; main()"
)
"""What a process is started with; not as ``multiprocessing`` does, which runs the user's script again."""
SETTINGS = {"POLARS_MAX_THREADS": "1"}
"""What the environment of a worker says besides."""
LOWEST = 19
"""The lowest priority of a process."""
GROUPS = sys.platform != "win32"
"""Whether a process and the compilers that it starts are a group, which is ended together."""


@dataclass
class ProcessLink:
    """A process that works for this one, as a :class:`~steepest.sweep.site.Link`."""

    process: subprocess.Popen[bytes]

    @property
    def ended(self) -> str:
        """How it ended."""
        return f"with status {self.process.returncode}"

    def send(self, message: bytes, data: Packed | None) -> None:
        """Write a message into its pipe."""
        assert self.process.stdin is not None
        with contextlib.suppress(BrokenPipeError, ValueError):  # it has ended
            write(self.process.stdin, sent((message, data)))

    def messages(self) -> Iterator[bytes]:
        """Yield what it writes until it has ended."""
        with self.process as process:
            assert process.stdout is not None
            yield from messages(process.stdout)

    def give_way(self) -> None:
        """Give it, and the compilers that it has started, the lowest priority; kill it where there are none."""
        if not GROUPS:
            self.kill()
            return
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PGRP, self.process.pid, LOWEST)

    def finish(self) -> None:
        """Close its pipe, which ends it."""
        if self.process.stdin is not None:
            self.process.stdin.close()

    def kill(self) -> None:
        """Kill it, with the compilers that it has started."""
        if GROUPS and self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.kill()


@dataclass
class Processes:
    """This machine, as a :class:`~steepest.sweep.site.Site`.

    Attributes:
        folder: where the data is put for all of them, a folder of its own that is removed in the end.
    """

    folder: Path
    near: bool = True

    def open(self) -> None:
        """Remove what is left of a process that was killed."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self) -> ProcessLink:
        """Start a process."""
        return ProcessLink(
            subprocess.Popen(
                [sys.executable, "-c", STARTING, json.dumps(sys.path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**passively(os.environ), **SETTINGS},
                process_group=0 if GROUPS else None,
            )
        )

    def share(self, name: str, dataset: Dataset) -> Packed:
        """Write the data into a file."""
        return Packed.of(dataset, self.folder / name)

    def close(self) -> None:
        """Remove the files."""
        shutil.rmtree(self.folder, ignore_errors=True)
