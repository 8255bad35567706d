"""One table: our step against the peers on one made problem."""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.peers import floor
from benchmarks.peers.harness import HEADER, Comparison, Peer, Ready, compare, ready
from benchmarks.peers.made import make_task
from benchmarks.peers.task import Network

OURS = Peer("steepest", "ours")


@dataclass(frozen=True)
class Size:
    """How much is measured.

    Attributes:
        repetitions: turns.
        rows: made rows.
        check: steps whose losses are compared.
        threads: numbers to try, None for 1 and 2.
        only: parts of the peers' titles, or all.
        ours: our side.
        fresh: our steps are compiled anew.
    """

    repetitions: int = 7
    rows: int = 400_000
    check: int = 64
    threads: tuple[int, ...] | None = None
    only: tuple[str, ...] = ()
    ours: Peer = OURS
    fresh: bool = False

    def ours_in(self, folder: Path) -> Peer:
        """Return our side, with an empty folder for compiled steps where they are to be compiled anew."""
        return replace(self.ours, variables={"STEEPEST_CACHE": str(folder)}) if self.fresh else self.ours


def size_of(program: str, description: str | None, arguments: Sequence[str]) -> Size:
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks {program}", description=description)
    parser.add_argument("--repetitions", type=int, default=7, help="turns, at least 5")
    parser.add_argument("--rows", type=int, default=400_000, help="made rows")
    parser.add_argument(
        "--threads", type=int, nargs="*", help="numbers of threads to try, by default 1 and 2"
    )
    parser.add_argument("--fresh", action="store_true", help="compile our steps anew, to see what it takes")
    parser.add_argument("--only", nargs="*", default=[], metavar="PEER", help="parts of peers' names")
    given = parser.parse_args(arguments)
    return Size(
        max(5, given.repetitions),
        given.rows,
        threads=tuple(given.threads) if given.threads else None,
        only=tuple(given.only),
        fresh=given.fresh,
    )


def chosen(peers: Sequence[Peer], only: Sequence[str]) -> list[Peer]:
    """Return the peers whose names have one of the parts, and those that they are compared with."""
    if not only:
        return list(peers)
    found = {each.title for each in peers if any(part.lower() in each.title.lower() for part in only)}
    found |= {each.against for each in peers if each.title in found and each.against}
    return [each for each in peers if each.title in found]


def measure(network: Network, peers: Sequence[Peer], size: Size) -> tuple[list[Comparison], list[str]]:
    """Print the table of our step against the peers; return the comparisons, and who did not run."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        make_task(network, size.rows, size.check).save(folder)
        ours = ready(stack, size.ours_in(folder), folder, size.threads)
        print(f"{size.rows:,} made rows, batch {network.batch}; {describe_machine('torch')}\n")
        print(f"{ours_text(ours)}\n\n{HEADER}", flush=True)
        found, failed = compare(ours, chosen(peers, size.only), folder, size.repetitions, size.threads)
        times = [time for one in found for time in one.ours] or [ours.tried[ours.worker.threads]]
        print(f"\n{floor.text(network, statistics.median(times), ours.worker.ask('peak'))}")
    return found, failed


def ours_text(ours: Ready) -> str:
    """Return how our side makes its steps."""
    about = ours.worker.ask("about")
    threads = ours.worker.threads
    tried = ", ".join(f"{time:.3f} ms with {number}" for number, time in ours.tried.items())
    tables = f"tables by rows ({about['executor']})" if about["tables"] else "no table by rows"
    how = "one compiled program" if about["compiled"] else "eager"
    seconds = about["compile_seconds"]
    how_made = "loaded from the cache" if about["was_cached"] else "compiled"
    took = f" ({how_made} in {seconds:.1f} s)" if about["compiled"] else ""
    losses = ours.losses
    return (
        f"steepest: {how}{took}; {tables}; {threads} thread{'s' if threads > 1 else ''} (tried: {tried}); "
        f"loss {losses[0]:.4f} → {losses[-1]:.4f} in the {len(losses)} steps of the check."
    )
