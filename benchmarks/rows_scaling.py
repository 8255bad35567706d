"""Claim: ten times the rows of a table cost at most 1.25 times as much a step, and no memory of the table's size.

    python -m benchmarks rows_scaling [--repetitions N] [--threads N …] [--fresh]

The crimes network with 60,000 and with 600,000 rows in its first table take turns. Then 256 steps of the larger
one are watched in two ways: how far the process's resident memory rises above what it was (Linux), and the largest
piece that torch asks for by its profiler (64 steps). Both must be smaller than a hundredth of the table.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from benchmarks.machine import describe_machine
from benchmarks.peers.harness import HEADER, Ready, alternate, line, ready, verdict
from benchmarks.peers.made import CRIMES, make_task, with_codes
from benchmarks.peers.measure import Size, ours_text, size_of
from benchmarks.peers.task import Network

FEW, MANY = 60_000, 600_000
REQUIRED = 1.25
SHARE = 0.01
"""Of the table: what a step may allocate."""


def main(arguments: list[str]) -> int:
    """Measure, print the table, and return 1 if the claim does not hold."""
    size = size_of("rows_scaling", __doc__, arguments)
    return scale(with_codes(CRIMES, FEW), with_codes(CRIMES, MANY), size)


def scale(few: Network, many: Network, size: Size) -> int:
    """Compare the two networks and watch the memory of the second; return the exit status."""
    with ExitStack() as stack:
        one, ten = (_ready(stack, network, size) for network in (few, many))
        print(f"{size.rows:,} made rows, batch {few.batch}; {describe_machine('torch')}\n")
        print(f"{ours_text(ten)}\nThe column “steepest, ms” is with {few.cardinalities[0]:,} rows.\n")
        print(HEADER, flush=True)
        found = alternate(one, ten, size.repetitions)
        print(line(found))
        failures = [] if found.ratio <= REQUIRED else [f"ratio {found.ratio:.2f}, at most {REQUIRED}"]
        failures += _memory(ten)
    print(f"\n{many.cardinalities[0] / few.cardinalities[0]:.0f} × the rows: {found.ratio:.2f} × the time, "
          f"at most {REQUIRED}.")  # fmt: skip
    return verdict([found], failures)


def _ready(stack: ExitStack, network: Network, size: Size) -> Ready:
    folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
    make_task(network, size.rows, size.check).save(folder)
    title = f"steepest, {network.cardinalities[0]:,} rows in the first table"
    peer = replace(size.ours_in(folder), title=title, same=0)
    return ready(stack, peer, folder, size.threads)


def _memory(ready: Ready) -> Sequence[str]:
    tables = ready.worker.ask("about")["tables"]
    if not tables:
        return ["no table is executed by rows"]
    table = max(tables.values())
    allocated = ready.worker.ask("allocations", count=64)
    risen = ready.worker.ask("resident", count=256) if sys.platform == "linux" else None
    print(
        f"\nThe largest table has {table / 1e6:.0f} MB. Largest of {allocated['pieces']:,} pieces that torch asked "
        f"for in 64 steps: {allocated['largest'] / 1e6:.3f} MB. Rise of the resident memory in 256 steps: "
        + ("not measured" if risen is None else f"{risen['risen'] / 1e6:.1f} MB")
        + "."
    )
    found: list[str] = []
    if not allocated["pieces"]:
        found.append("the profiler saw no piece of memory at all")
    if allocated["largest"] > SHARE * table:
        found.append(f"a step allocates {allocated['largest'] / 1e6:.1f} MB")
    if risen is not None and risen["risen"] > SHARE * table:
        found.append(f"the resident memory rises by {risen['risen'] / 1e6:.1f} MB")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
