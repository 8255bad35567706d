"""The harness of the step's benchmarks, on a tiny network, with eager steps and the peers that need no install."""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers import floor, harness
from benchmarks.peers.harness import Comparison, Peer, PeerError, Worker, compare, differences, line, ready
from benchmarks.peers.made import COVERTYPE, CRIMES, MNIST, made_rows, make_task
from benchmarks.peers.task import Network, Task

ROOT = Path(__file__).parents[2]
TINY = Network((6000, 7), (100, 3), continuous=2, classes=3, hidden=(8,), dropout=0.2, batch=16)
EAGER = {"compiled": False}
OURS = Peer("ours", "ours", options=EAGER)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny task, written down."""
    path = tmp_path_factory.mktemp("task")
    make_task(TINY, rows=500, steps=8).save(path)
    return path


def test_a_task_is_read_as_it_was_written(folder: Path) -> None:
    """All arrays and sizes come back."""
    made, read = make_task(TINY, rows=500, steps=8), Task.load(folder)
    assert read.network == made.network
    for name in ("codes", "continuous", "target", "check_rows", "check_masks"):
        assert np.array_equal(getattr(read, name), getattr(made, name)), name
    assert [each.shape for each in read.weights] == [each.shape for each in made.weights]
    kept = (made.check_masks > 0).mean()
    assert kept == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("network", [CRIMES, COVERTYPE, MNIST], ids=["crimes", "covertype", "mnist"])
def test_made_rows_fit_the_network(network: Network) -> None:
    """Codes are in range, all classes occur, and the frequent codes are few."""
    codes, continuous, target = made_rows(network, 20_000)
    assert continuous.shape == (20_000, network.continuous)
    assert set(np.unique(target)) == set(range(network.classes))
    for column, count in enumerate(network.cardinalities):
        assert codes[:, column].min() >= 0
        assert codes[:, column].max() < count
    if network.cardinalities:
        often = np.sort(np.bincount(codes[:, 0], minlength=network.cardinalities[0]))[::-1]
        assert often[:600].sum() > 0.3 * 20_000


def test_both_sides_work_in_turns_and_agree(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ours against plain torch; another algorithm and a broken program are found out."""
    monkeypatch.setattr(harness, "SEGMENT", 0.0)
    monkeypatch.setattr(harness, "FEWEST", 4)
    sparse = {"optimizer": "sparse"}
    peers = [
        Peer("fused", "plain", options={"optimizer": "fused"}, required=1e9),
        Peer("SparseAdam", "plain", options=sparse, same=2),
        Peer("SparseAdam as Adam", "plain", options=sparse),
        Peer("broken", "plain", options={"optimizer": "no such"}),
    ]
    with ExitStack() as stack:
        ours = ready(stack, OURS, folder, [1], block=4)
        told = ours.worker.ask("about")
        found, failed = compare(ours, peers, folder, repetitions=2, threads=[1])
    assert told["tables"] == {"embeddings.0.weight": 6000 * 100 * 4}
    assert len(ours.losses) == 8
    fused, lazy, wrong = found
    assert fused.apart < 1e-5
    assert len(fused.ratios) == 2
    assert min(fused.ours + fused.theirs) > 0
    assert ["required 1e+09" in each for each in fused.failures()] == [True]
    assert not lazy.failures()
    assert ["not the same computation" in each for each in wrong.failures()] == [True]
    assert failed == ["broken did not run: broken: ValueError: no optimizer 'no such'"]
    assert "| fused | 1 | " in capsys.readouterr().out


WATCHED = """
import sys, torch
from benchmarks.peers import ours
torch.ones(2**22)  # from now on the allocator keeps pieces of this size when they are freed
freed = [torch.ones(2**21) for _ in range(8)]
above = torch.ones(2**10)  # so that they are not the end of the heap
del freed
for size in (10**7, 10):
    watch = getattr(ours, sys.argv[1])()
    watch.start()
    torch.ones(size).sum()
    print(watch.stop()[sys.argv[2]])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells of resident memory on Linux only")
@pytest.mark.parametrize(("watch", "name"), [("Resident", "risen"), ("Allocations", "largest")])
def test_a_buffer_is_seen(watch: str, name: str) -> None:
    """Both ways to watch memory see a piece of 40 MB that lives for a moment, and nothing where there is none.

    It is seen even where it fits into what was freed before, which the process still holds. The process is one of
    its own, as those of the peers are: here, other libraries give memory back when they like.
    """
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, watch, name], capture_output=True, text=True, check=True, cwd=ROOT
    )
    large, small = map(int, done.stdout.split())
    assert large >= 36e6
    assert small < 4e6


def test_a_program_that_fails_says_why(folder: Path) -> None:
    """An unknown command is an error with its cause, and nothing hangs."""
    with Worker(Peer("p", "plain"), folder, 1) as worker, pytest.raises(PeerError, match="p: KeyError"):
        worker.ask("dance", count=1)


CASES = [
    ("equal", Peer("p", "plain"), [1.0, 2.0], [1.0, 2.0], (0.0, 0.0), 0),
    ("apart", Peer("p", "plain"), [1.0, 2.0], [1.0, 2.5], (0.5, 0.5), 1),
    ("first", Peer("p", "plain", same=1), [1.0, 2.0], [1.0, 2.5], (0.0, 0.5), 0),
    ("other length", Peer("p", "plain"), [1.0], [1.0, 2.5], (float("inf"), float("inf")), 1),
    ("not a number", Peer("p", "plain"), [1.0, float("nan")], [1.0, 2.0], (float("inf"), float("nan")), 1),
    ("uncompared", Peer("p", "plain", same=0), [9.0], [1.0], (float("nan"), float("nan")), 0),
    ("too slow", Peer("p", "plain", required=4.0), [1.0], [1.0], (0.0, 0.0), 1),
    ("fast", Peer("p", "plain", required=2.5), [1.0], [1.0], (0.0, 0.0), 0),
]


@pytest.mark.parametrize(
    ("peer", "theirs", "ours", "expected", "failures"),
    [case[1:] for case in CASES],
    ids=[c[0] for c in CASES],
)
def test_what_holds(
    peer: Peer, theirs: list[float], ours: list[float], expected: tuple[float, float], failures: int
) -> None:
    """Losses are compared as the peer's kind wants it, and the ratio is the median of the turns' ratios."""
    found = differences(peer, theirs, ours)
    assert found == pytest.approx(expected, nan_ok=True)
    one = Comparison(peer, [1.0, 2.0, 1.0], [3.0, 4.0, 9.0], 1, *found, {})
    assert one.ratio == 3.0
    assert len(one.failures()) == failures
    assert line(one).count("|") == 9


def test_the_floor_counts_what_a_step_must_do() -> None:
    """By hand: the crimes network's 41,280 weights in products, and what Adam moves."""
    assert floor.flops(CRIMES) == 6 * 64 * (250 * 128 + 128 * 64 + 64 * 17)
    assert floor.flops(MNIST) == 64 * (4 * 784 * 128 + 6 * 128 * 10)
    small = 215 * 32 + 305 * 39 + 25 * 10 + 51 * 14 + 79 * 18 + 21 * 9
    dense = 41_280 + 2 * 250 + 2 * 128 + 17
    assert floor.numbers_moved(CRIMES) == 64 * 128 + small + dense
    assert floor.bytes_moved(MNIST) == 16 * (784 * 128 + 128 + 1280 + 10) + 64 * (784 * 4 + 8)
