"""Runs ``steepest`` commands in children that can be killed; a line of JSON in, a line of JSON out.

The libraries are imported once, here; every command then runs in a forked child that leads a process group of
its own, so that a test can afford dozens of kills. A job says how the child dies, if it does: ``after`` so many
seconds its group gets SIGKILL; or inside its ``nth`` write to a file of the folder whose name holds ``name``:
half of the bytes are written, then the child kills its own group; or at the ``nth`` evaluation of reported runs whose
recipe has something in the field ``inside``, such as ``prune``. ``full`` makes every write to files whose name
holds ``name`` fail from the ``nth`` on, as on a full disk, after half of the bytes.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

IMPORTED = (
    "pandas", "plotly.offline", "sklearn.ensemble", "steepest.cli", "steepest.experiment.preview",
    "steepest.experiment.run", "steepest.report.console", "steepest.report.html",
)  # fmt: skip
"""What every command would import anew."""


def spoil_writes(name: str, nth: int, *, full: bool) -> None:
    """Make ``os.write`` and ``file.write`` die, or fail, in the nth write to a file of that name."""
    write, seen = os.write, 0

    def spoiled(handle: int, data: Any) -> int:
        nonlocal seen
        where = Path(f"/proc/self/fd/{handle}").readlink()
        if name not in where.name and name not in where.parent.name:
            return write(handle, data)
        seen += 1
        if seen < nth:
            return write(handle, data)
        view = memoryview(data)
        if seen == nth or not full:
            write(handle, view[: len(view) // 2])
        if full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        os.killpg(os.getpgid(0), signal.SIGKILL)
        raise AssertionError("still alive")

    os.write = spoiled


def die_inside(field: str, nth: int) -> None:
    """Die at the nth evaluation, in the middle of training, of reported runs whose recipe has something in a field."""
    from steepest.train.active import ActiveRun

    look, seen = ActiveRun.look, 0

    def watched(run: Any) -> None:
        nonlocal seen
        look(run)
        seen += run.key.phase == "final" and bool(getattr(run.recipe, field))
        if seen == nth:
            os.killpg(os.getpgid(0), signal.SIGKILL)

    ActiveRun.look = watched


def child(job: dict[str, Any]) -> None:
    """Be the command."""
    os.setsid()
    said = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.chdir(job["cwd"])
    if "name" in job:
        spoil_writes(job["name"], job.get("nth", 1), full=job.get("full", False))
    if "inside" in job:
        die_inside(job["inside"], job["nth"])
    from steepest.cli import main

    status = 99
    try:
        status = main(job["arguments"])
    except BaseException:
        import traceback

        traceback.print_exc()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def run(job: dict[str, Any]) -> dict[str, Any]:
    """Run one job to its end."""
    started = time.monotonic()
    number = os.fork()
    if number == 0:
        child(job)
    if "after" in job:
        while time.monotonic() - started < job["after"]:
            ended, status = os.waitpid(number, os.WNOHANG)
            if ended:
                return told(status, started)
            time.sleep(0.002)
        while os.getpgid(number) != number:
            time.sleep(0.001)
        os.killpg(number, signal.SIGKILL)
    return told(os.waitpid(number, 0)[1], started)


def told(status: int, started: float) -> dict[str, Any]:
    """Return how a child ended."""
    return {"status": os.waitstatus_to_exitcode(status), "seconds": time.monotonic() - started}


def main() -> None:
    """Serve jobs until there are no more."""
    import torch

    torch.set_num_threads(1)
    import torch._dynamo  # what torch's optimizers import when the first one is made

    from steepest.evaluate.baselines import registry

    for name in registry.names("classification"):
        registry.load(name)
    for module in IMPORTED:
        importlib.import_module(module)
    os.fsync = lambda handle: None  # a kill loses nothing of what was written
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
