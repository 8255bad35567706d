"""Steps compiled by another process: what is there is taken, what has not begun is left to this one."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steepest.data.table import read_table
from steepest.optim import make_rule
from steepest.recipe import Execution, Recipe
from steepest.sweep import ahead
from steepest.sweep.ahead import Ahead, Compiling
from steepest.sweep.bench import Bench, Way
from steepest.sweep.crew import Crew
from steepest.sweep.processes import LOWEST, Processes

WAYS = {(1, name): Way(make_rule("sgd"), Execution()) for name in ("first", "second", "third")}


class Unreadable:
    """What can be sent, and cannot be read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return int, ("no number",)


class Doing(Compiling):
    """Does something else than compiling, by the name."""

    def perform(self, maker: Any, dataset: Any, progress: Any) -> float:
        assert self.way.compiled
        assert len(dataset.train) > 0
        if self.key[1] == "fails":
            raise ValueError("no compiler")
        if self.key[1] == "unreadable":
            return Unreadable()  # pyright: ignore[reportReturnType]
        if self.key[1] == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if mark := os.environ.get("MARK"):
            Path(mark, self.key[1]).touch()
        if self.key[1] == "starts":
            Path(mark or "", "starts").write_text(str(subprocess.Popen(["sleep", "600"]).pid))
            time.sleep(600)
        if self.key[1] == "long":
            time.sleep(600)
        time.sleep(0.3)
        return 12.5


@pytest.fixture
def bench() -> Bench:
    data = read_table({"x": [0.5, 0.1, 0.3, 0.9] * 40, "y": ["a", "b", "a", "b"] * 40}, target="y").dataset()
    recipe = Recipe(data=data.fingerprint, model="linear", optimizer="sgd", schedule="constant", steps=20,
                    batch_size=16, metric="log_loss")  # fmt: skip
    return Bench(data, recipe, None, "cpu")


@pytest.fixture
def beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ahead]:
    monkeypatch.setattr(ahead, "Compiling", Doing)
    with Crew(1, Processes(tmp_path / ".workers")) as crew:
        yield Ahead(crew)
    assert not (tmp_path / ".workers").exists()


def test_one_is_waited_for_and_one_not_begun_is_left_to_the_caller(beside, bench):
    beside.begin(bench, WAYS.items())
    assert beside.best(WAYS) == (1, "second")  # the first is under way there
    assert beside.result((1, "second")) is None
    assert beside.result((1, "first")) == 12.5
    assert beside.result((1, "third")) == 12.5
    assert beside.result((1, "first")) is None


def test_what_is_done_is_taken_first(beside, bench):
    beside.begin(bench, [((1, "third"), WAYS[1, "third"])])
    while (1, "third") not in beside.took:
        assert beside.best([(1, "third")]) == (1, "third")
    assert beside.best(WAYS) == (1, "third")
    beside.begin(bench, [((1, "third"), WAYS[1, "third"])])  # not twice
    assert not beside.crew.busy


def test_what_fails_there_is_compiled_here(beside, bench):
    beside.begin(bench, [((1, "fails"), WAYS[1, "first"]), ((1, "killed"), WAYS[1, "first"])])
    assert beside.result((1, "fails")) is None
    beside.begin(bench, [((1, "second"), WAYS[1, "second"])])
    assert beside.result((1, "killed")) is None
    assert beside.result((1, "second")) is None  # nothing is tried in a process again
    assert not beside.crew.busy


def test_a_process_goes_on_while_nobody_hears_it(beside, bench, tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", str(tmp_path))
    beside.begin(bench, WAYS.items())
    while not (tmp_path / "third").exists():
        time.sleep(0.01)
    assert all(beside.makes(key) for key in WAYS)
    assert beside.best(WAYS) in [(1, "first"), (1, "second")]
    assert [beside.result(key) for key in WAYS] == [12.5, 12.5, 12.5]


def test_what_is_waited_for_comes_first(beside, bench):
    order: list[str] = []

    def put(name: str, *, awaited: bool) -> None:
        job = Doing((1, name), bench.recipe, None, "cpu", Way(make_rule("sgd"), Execution(), compiled=True))
        beside.crew.put(
            job,
            bench.recipe.data,
            bench.dataset,
            lambda reply: order.append(name) if reply.ends else None,
            awaited=awaited,
        )

    put("begun", awaited=False)
    put("fit", awaited=False)
    put("compiling", awaited=True)
    while not beside.crew.idle:
        beside.crew.hear(wait=True)
    assert order == ["begun", "compiling", "fit"]


def test_an_answer_that_cannot_be_read_is_a_failure(beside, bench):
    beside.begin(bench, [((1, "unreadable"), WAYS[1, "first"]), ((1, "second"), WAYS[1, "second"])])
    assert beside.result((1, "unreadable")) is None
    while (1, "second") not in beside.took:
        beside.crew.hear(wait=True)
    assert not beside.crew.busy


def test_nobody_waits_for_processes_that_have_nothing_to_do(tmp_path) -> None:
    """It was waited for ever where the last job had ended otherwise."""
    with Crew(1, Processes(tmp_path / "workers")) as crew:
        crew.hear(wait=True)
        assert crew.idle


def test_a_program_is_not_waited_for_when_patience_has_ended_and_goes_on_for_the_next_time(
    beside, bench, tmp_path, monkeypatch
):
    monkeypatch.setenv("MARK", str(tmp_path))
    beside.begin(bench, [((1, "long"), WAYS[1, "first"]), ((1, "second"), WAYS[1, "second"])])
    [worker] = beside.crew.workers
    while not (tmp_path / "long").exists():
        time.sleep(0.01)
    asked = iter([True])
    assert beside.first_of([(1, "long"), (1, "second")], lambda: next(asked, False)) is None
    beside.let_go()
    assert beside.crew.idle
    assert beside.crew.aside == [worker]
    assert os.getpriority(os.PRIO_PROCESS, worker.link.process.pid) == LOWEST
    beside.begin(bench, [((1, "third"), WAYS[1, "third"])])  # it gets nothing else to do
    assert beside.first_of([(1, "third")], lambda: True) == (1, "third")
    assert not (tmp_path / "second").exists()
    assert worker.link.process.poll() is None
    beside.crew.__exit__(None, None, None)
    assert worker.link.process.poll() is not None


def test_one_that_ends_aside_leaves_its_process_nothing_to_do(beside, bench, tmp_path, monkeypatch):
    monkeypatch.setenv("MARK", str(tmp_path))
    beside.begin(bench, [((1, "first"), WAYS[1, "first"])])
    [worker] = beside.crew.workers
    while not (tmp_path / "first").exists():
        time.sleep(0.01)
    beside.let_go()
    while beside.crew.aside:
        beside.crew.hear(wait=False)
        time.sleep(0.01)
    assert worker.link.process.wait() is not None
    assert beside.crew.lost == 0


def test_what_a_process_has_started_ends_with_it(beside, bench, tmp_path, monkeypatch):
    """A compiler that a process had called went on after the command."""
    monkeypatch.setenv("MARK", str(tmp_path))
    beside.begin(bench, [((1, "starts"), WAYS[1, "first"])])
    while not (tmp_path / "starts").exists() or not (tmp_path / "starts").read_text():
        time.sleep(0.01)
    compiler = int((tmp_path / "starts").read_text())
    os.kill(compiler, 0)
    beside.crew.__exit__(None, None, None)
    while (
        Path(f"/proc/{compiler}").exists()
        and "Z" not in Path(f"/proc/{compiler}/stat").read_text().split()[2]
    ):
        time.sleep(0.01)


def test_a_process_is_there_while_this_one_only_waits(tmp_path, monkeypatch, bench):
    monkeypatch.setattr(ahead, "Compiling", Doing)
    with Crew(0, Processes(tmp_path / "workers")) as crew:
        alone = Ahead(crew, 1)
        with alone.in_all_places():
            alone.begin(bench, [((1, "first"), WAYS[1, "first"])])
            assert alone.first_of([(1, "first")], lambda: True) == (1, "first")
        assert alone.took == {(1, "first"): 12.5}
