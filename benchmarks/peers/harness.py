"""Runs two programs in turns, and says what their ratio is and whether they computed the same thing.

Each program is a process of its own that sleeps while the other works. A peer is tried with 1 and with 2 threads,
and its better time counts; so is ours. The ratio is taken within each turn.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from benchmarks.machine import cores
from benchmarks.peers.environments import InstallError, interpreter

ROOT = Path(__file__).parents[2]
SEGMENT = 1.0
"""Seconds that a program works in each turn, about."""
FEWEST = 20
"""Steps that it makes in each turn, at least."""
TOLERANCE = 1e-3
"""Largest difference of the losses of the check. Sums in another order make 1e-6 of it, until after some hundred
steps a ReLU at zero parts two runs by 5e-3; another learning rate by 1 % makes 2e-3."""


class PeerError(RuntimeError):
    """A program failed; the text is its own."""


@dataclass(frozen=True)
class Peer:
    """A program that trains the task's network.

    Attributes:
        title: its name in the table.
        module: the program, a module of ``benchmarks.peers``.
        environment: its virtual environment, or None for the project's own.
        options: what it is told.
        required: the least ratio of its time to ours, or None.
        same: how many of the check's losses must be those of ``against``: all (None), or so many.
        against: the title of the peer with the same algorithm; None is ours.
        remark: what else the table says.
        variables: of its process's environment.
    """

    title: str
    module: str
    environment: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    required: float | None = None
    same: int | None = None
    against: str | None = None
    remark: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)


class Worker:
    """A running program.

    Args:
        peer: which.
        folder: of the task.
        threads: of its arithmetic.
    """

    def __init__(self, peer: Peer, folder: Path, threads: int) -> None:
        self.peer, self.threads = peer, threads
        number = str(threads)
        environment = {
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            **dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"), number),
            "PYTHONWARNINGS": "ignore",
            "PYTHONUNBUFFERED": "1",
            **peer.variables,
        }
        if threads == 1:
            environment["XLA_FLAGS"] = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
        self.process = subprocess.Popen(
            [str(interpreter(peer.environment)), "-m", f"benchmarks.peers.{peer.module}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=ROOT,
            env=environment,
            text=True,
        )
        self.versions: dict[str, str] = self.ask("setup", folder=str(folder), options=dict(peer.options))[
            "versions"
        ]

    def ask(self, do: str, **given: Any) -> dict[str, Any]:
        """Return the answer to a command.

        Raises:
            PeerError: there is none, or it is an error.
        """
        line = ""
        if self.process.stdin and self.process.stdout:
            try:
                self.process.stdin.write(json.dumps({"do": do, **given}) + "\n")
                self.process.stdin.flush()
                line = self.process.stdout.readline()
            except BrokenPipeError:
                line = ""
        answer = json.loads(line) if line else {"error": "it ended without an answer"}
        if "error" in answer:
            raise PeerError(f"{self.peer.title}: {answer['error']}\n{answer.get('trace', '')}")
        return answer

    def steps(self, count: int) -> float:
        """Make so many steps and return their milliseconds a step.

        Raises:
            PeerError: it fails, or the loss is not a number.
        """
        answer = self.ask("steps", count=count)
        if not math.isfinite(answer["loss"]):
            raise PeerError(f"{self.peer.title}: the loss is {answer['loss']}")
        return answer["seconds"] / count * 1e3

    def warm(self, block: int) -> int:
        """Warm up, and return how many steps make a turn: a multiple of ``block``."""
        self.steps(block)
        some = max(FEWEST, SEGMENT * 1e3 / self.steps(block))
        return math.ceil(some / block) * block

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self.process.stdin, self.process.stdout):
            if each:
                each.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass(frozen=True)
class Ready:
    """A program at its better number of threads, warm.

    Attributes:
        worker: the program.
        steps: of a turn.
        losses: of the check.
        tried: milliseconds a step by threads.
    """

    worker: Worker
    steps: int
    losses: list[float]
    tried: dict[int, float]


def ready(
    stack: ExitStack, peer: Peer, folder: Path, threads: Sequence[int] | None = None, block: int | None = None
) -> Ready:
    """Start a program with each number of threads, check it, and keep the faster one in ``stack``.

    Args:
        stack: closes it.
        peer: which.
        folder: of the task.
        threads: numbers to try; by default 1 and 2, where there are so many.
        block: steps that it makes in one go.
    """
    block = block or (64 if peer.module in ("ours", "with_jax", "with_sklearn") else FEWEST)
    tried: dict[int, float] = {}
    kept: tuple[Ready, ExitStack] | None = None
    for number in threads or [each for each in (1, 2) if each <= cores()]:
        own = stack.enter_context(ExitStack())
        worker = own.enter_context(Worker(peer, folder, number))
        losses = worker.ask("check")["losses"]
        steps = worker.warm(block)
        tried[number] = min(worker.steps(steps), worker.steps(steps))
        if kept and tried[number] >= tried[kept[0].worker.threads]:
            own.close()
            continue
        if kept:
            kept[1].close()
        kept = (Ready(worker, steps, losses, tried), own)
    if kept is None:
        raise PeerError(f"{peer.title}: no number of threads to try")
    return kept[0]


@dataclass(frozen=True)
class Comparison:
    """Times of both sides in turns.

    Attributes:
        peer: the other side.
        ours, theirs: milliseconds a step, by turn.
        threads: of the peer.
        apart: largest difference of the losses that must be the same, nan where none must be.
        end: difference of the last losses of the check.
        versions: of the peer's packages.
    """

    peer: Peer
    ours: list[float]
    theirs: list[float]
    threads: int
    apart: float
    end: float
    versions: Mapping[str, str]

    @property
    def ratios(self) -> list[float]:
        """The peer's time as a multiple of ours, by turn."""
        return [their / own for own, their in zip(self.ours, self.theirs, strict=True)]

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)

    def failures(self, tolerance: float = TOLERANCE) -> list[str]:
        """Return what does not hold, a sentence each."""
        found: list[str] = []
        if self.peer.required is not None and not self.ratio >= self.peer.required:
            found.append(f"{self.peer.title}: ratio {self.ratio:.2f}, required {self.peer.required:g}")
        if self.peer.same != 0 and not self.apart <= tolerance:
            found.append(
                f"{self.peer.title}: losses differ by {self.apart:.1e}, more than {tolerance:.0e}: "
                "not the same computation"
            )
        return found


def differences(peer: Peer, losses: Sequence[float], reference: Sequence[float]) -> tuple[float, float]:
    """Return the largest difference of the losses that must be the same, and that of the last ones.

    Example:
        >>> differences(Peer("SparseAdam", "plain", same=2), [3.0, 2.5, 2.0], [3.0, 2.5, 1.5])
        (0.0, 0.5)
    """
    if peer.same == 0:
        return math.nan, math.nan
    if len(losses) != len(reference):
        return math.inf, math.inf
    pairs = list(zip(losses, reference, strict=True))[: peer.same]
    gaps = [abs(a - b) if math.isfinite(a + b) else math.inf for a, b in pairs]
    return max(gaps), abs(losses[-1] - reference[-1])


def alternate(
    ours: Ready, theirs: Ready, repetitions: int, reference: Sequence[float] | None = None
) -> Comparison:
    """Let both sides work in turns.

    Args:
        ours, theirs: warm programs.
        repetitions: turns.
        reference: the check's losses that the peer's must be; ours by default.
    """
    turns = [(ours.worker.steps(ours.steps), theirs.worker.steps(theirs.steps)) for _ in range(repetitions)]
    peer = theirs.worker.peer
    return Comparison(
        peer,
        [own for own, _ in turns],
        [their for _, their in turns],
        theirs.worker.threads,
        *differences(peer, theirs.losses, ours.losses if reference is None else reference),
        theirs.worker.versions,
    )


def compare(
    ours: Ready, peers: Sequence[Peer], folder: Path, repetitions: int, threads: Sequence[int] | None = None
) -> tuple[list[Comparison], list[str]]:
    """Compare ours with each peer after the other, printing a line of the table for each.

    Returns:
        The comparisons, and for each peer that could not be installed or run a sentence.
    """
    found: list[Comparison] = []
    failed: list[str] = []
    losses: dict[str, list[float]] = {}
    for peer in peers:
        with ExitStack() as stack:
            try:
                theirs = ready(stack, peer, folder, threads)
            except (PeerError, InstallError) as error:
                print(error, file=sys.stderr)
                failed.append(f"{peer.title} did not run: {str(error).splitlines()[0]}")
                continue
            losses[peer.title] = theirs.losses
            reference = losses.get(peer.against, []) if peer.against else None
            found.append(alternate(ours, theirs, repetitions, reference))
            print(line(found[-1]), flush=True)
    return found, failed


HEADER = (
    "| peer | threads | ms a step | steepest, ms | ratio (lowest … highest) | n | required | losses differ by |\n"
    "| --- | --- | --- | --- | --- | --- | --- | --- |"
)


def line(one: Comparison) -> str:
    """Return a comparison as a row of the table: medians, and the ratio's range."""
    peer, ratios = one.peer, one.ratios
    apart = "not compared" if peer.same == 0 else f"{one.apart:.1e}"
    if peer.same:
        apart += f" in the first {peer.same} steps, at the end {one.end:.1e}"
    if peer.against:
        apart += f" from {peer.against}"
    cells = [
        peer.title + (f" ({peer.remark})" if peer.remark else ""),
        one.threads,
        f"{statistics.median(one.theirs):.3f}",
        f"{statistics.median(one.ours):.3f}",
        f"{one.ratio:.2f} ({min(ratios):.2f} … {max(ratios):.2f})",
        len(ratios),
        "" if peer.required is None else f"{peer.required:g}",
        apart,
    ]
    return f"| {' | '.join(str(cell) for cell in cells)} |"


def verdict(found: Sequence[Comparison], further: Sequence[str] = ()) -> int:
    """Print the peers' versions and what does not hold; return the exit status."""
    versions = {name: number for one in found for name, number in one.versions.items() if name != "numpy"}
    print("\nPeers: " + ", ".join(f"{name} {number}" for name, number in versions.items()))
    failures = [*(each for one in found for each in one.failures()), *further]
    for each in failures:
        print(f"DOES NOT HOLD: {each}")
    if not failures:
        print("All that is required holds.")
    return 1 if failures else 0
