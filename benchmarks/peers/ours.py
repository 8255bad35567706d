"""steepest's own step, by the objects that its training loop uses.

Options: ``compiled``: one compiled program (the default) or eager.
"""

from __future__ import annotations

import ctypes
import gc
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.peers.made import SEED, build, dataset_of
from benchmarks.peers.task import Phase, Task
from benchmarks.peers.worker import Tick, serve
from steepest.data.batches import BatchPlan
from steepest.files import cache_folder
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.schedules import make_schedule
from steepest.sweep.rows import choose_tables
from steepest.train.compiled import CompiledMethod
from steepest.train.feed import Feed
from steepest.train.problem import SupervisedProblem

STEPS = 10**6
"""Length of the schedule; it is constant."""
told: dict[str, Any] = {}


def train(task: Task, phase: Phase, tick: Tick, **options: Any) -> None:
    """Train; see the protocol."""
    network = task.network
    data = dataset_of(task)
    net = build(network, data.shape)
    tables = choose_tables(net, data, network.batch, "auto", "cpu")
    problem = SupervisedProblem(
        net, make_objective("", target_of(data)), None, tuple(data.shape.cardinalities)
    )
    rule = make_rule(f"{network.optimizer}(lr={network.lr})")
    kind = CompiledMethod if options.get("compiled", True) else GradientMethod
    method = kind(rule, make_schedule("constant", STEPS), None, tables)
    state: Any = method.init(problem)
    feed = Feed(data.train, BatchPlan(len(data.train), network.batch, SEED), SEED)
    before = _cached()
    count = len(task.check_rows) if phase == "check" else STEPS
    for i, info in enumerate(method.steps(problem, state, feed, 0, count)):
        if not i:
            _tell(method, state, tables, net)
            told.setdefault("was_cached", _cached() == before)
        tick(info.loss)


def _tell(method: Any, state: Any, tables: tuple[str, ...], net: torch.nn.Module) -> None:
    by_rows = method.tables(state)
    weights = dict(net.named_parameters())
    told.setdefault("compile_seconds", getattr(state, "seconds", 0.0))
    told["compiled"] = isinstance(method, CompiledMethod)
    told["tables"] = {name: weights[name].numel() * weights[name].element_size() for name in tables}
    told["executor"] = by_rows.past.executor if by_rows else "dense"


def _cached() -> set[str]:
    return {path.name for path in (cache_folder() / "steps").glob("*.pt2")}


def about() -> dict[str, Any]:
    """Return how the steps are made: compiled or not, in how many seconds, which tables (bytes) by rows and how.

    ``compile_seconds`` are of tracing and compiling, or of tracing and loading what was compiled before.
    """
    return dict(told)


def peak() -> dict[str, Any]:
    """Return what this process reaches: ``flops`` a second of a float32 product of matrices, ``bytes`` of a copy."""
    a, b = torch.ones(1024, 1024), torch.ones(1024, 1024)
    from_, to = torch.ones(2**26), torch.empty(2**26)
    products, copies = [], []
    for _ in range(12):
        started = time.perf_counter()
        a @ b
        products.append(time.perf_counter() - started)
        started = time.perf_counter()
        to.copy_(from_)
        copies.append(time.perf_counter() - started)
    return {"flops": 2 * 1024**3 / min(products), "bytes": 2 * 4 * 2**26 / min(copies)}


class Resident:
    """How much the resident memory of this process rises at its highest while steps are made (Linux).

    What was freed before is given back to the system first: a buffer that took its place would not be seen.
    """

    def start(self) -> None:
        """Begin."""
        gc.collect()
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # the GNU C library's
        if trim is not None:
            trim(0)
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # forgets the highest so far
        self.before = _status("VmRSS")

    def stop(self) -> dict[str, Any]:
        """Return bytes."""
        return {"risen": max(0, _status("VmHWM") - self.before)}


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"/proc/self/status has no {name}")


class Allocations:
    """The largest piece of memory that torch asks for while steps are made, by its profiler."""

    def start(self) -> None:
        """Begin."""
        self.profile = torch.profiler.profile(
            activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True
        )
        self.profile.start()

    def stop(self) -> dict[str, Any]:
        """Return bytes, and how many pieces there were."""
        self.profile.stop()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "trace.json"
            self.profile.export_chrome_trace(str(path))
            events = json.loads(path.read_text(encoding="utf-8"))["traceEvents"]
        sizes = [each["args"]["Bytes"] for each in events if each.get("name") == "[memory]"]
        taken = [each for each in sizes if each > 0]
        return {"largest": max(taken, default=0), "pieces": len(taken)}


if __name__ == "__main__":
    serve(
        train,
        ("torch",),
        {"about": about, "peak": peak},
        {"resident": Resident, "allocations": Allocations},
    )
