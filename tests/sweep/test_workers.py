"""Runs in processes of their own: the numbers of those made here, and nothing lost when a process ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

import steepest as st
from steepest.compare.result import Comparison
from steepest.data.table import read_table
from steepest.record.schema import CurvePoint, RunKey
from steepest.record.store import Folder
from steepest.sweep.crew import Crew
from steepest.sweep.making import Task
from steepest.sweep.observer import Observer
from steepest.sweep.transfer import NotSendableError, Packed, received, sent


def table(rows: int = 240) -> dict[str, list[object]]:
    numbers = torch.rand(rows, 2, generator=torch.Generator().manual_seed(1)).tolist()
    return {
        "x": [each[0] for each in numbers],
        "kind": [f"k{int(each[1] * 5)}" for each in numbers],
        "y": ["yes" if each[0] + each[1] > 1 else "no" for each in numbers],
    }


class Watching(Observer):
    live = True

    def __init__(self) -> None:
        self.points: dict[tuple[str, int], list[CurvePoint]] = {}
        self.said: list[str] = []
        self.records: list[object] = []
        self.work = self.left = 0.0

    def say(self, text: str) -> None:
        self.said.append(text)

    def run(self, record: object) -> None:
        self.records.append(record)

    def looked(self, key: RunKey, rate: float, point: CurvePoint) -> None:
        self.points.setdefault((key.recipe, key.seed), []).append(point)

    def advance(self, work: float) -> None:
        self.work += work

    def remaining(self, work: float) -> None:
        self.left = work


SMALL = {"seeds": 2, "epochs": 1, "compile": "off", "hidden": (4,), "batch_size": 32, "baseline": ("none",)}


def compare(out: Path, observer: Observer | None = None, **options: object) -> Comparison:
    given = {"optimizers": ["sgd", "adam"], **SMALL, **options}
    return st.plan(table(), target="y", **given).run(out, observer=observer or Observer()).comparison


def records(folder: Path) -> dict[tuple[str, int], dict[str, object]]:
    """Return what runs are found to be, without clocks."""
    left_out = {"clocks": True, "cpu_seconds": True, "peak_memory": True, "shared": True,
                "curve": {"__all__": {"seconds"}}}  # fmt: skip
    return {each: found.model_dump(exclude=left_out) for each, found in Folder(folder).history().items()}


def test_runs_in_processes_of_their_own_are_those_made_here(tmp_path):
    watching = Watching()
    one = compare(tmp_path / "one", workers=1)
    two = compare(tmp_path / "two", watching, workers=2)
    assert repr(records(tmp_path / "two")) == repr(
        {each: records(tmp_path / "one")[each] for each in records(tmp_path / "two")}
    )
    assert len(records(tmp_path / "two")) == len(records(tmp_path / "one")) == len(watching.records)
    assert two.runs == one.runs
    assert two.sentence == one.sentence
    assert not (tmp_path / "two" / ".workers").exists()
    assert watching.left == 0
    curves = {each: found.curve for each, found in Folder(tmp_path / "two").history().items()}
    assert repr(sorted(watching.points.items())) == repr(sorted(curves.items()))  # as they were made
    shared = [each for each in Folder(tmp_path / "two").history().values() if each.shared]
    timed = [each for each in Folder(tmp_path / "two").history().values() if not each.shared]
    assert {(each.key.name, each.key.phase) for each in timed} == {("sgd", "final"), ("adam", "final")}
    assert len(shared) == len(watching.records) - 2
    for row in two.rows:
        if row.kind == "arm":
            assert row.train_seconds > 0
        elif row.kind == "default":
            assert not row.train_seconds > 0  # its runs shared the machine


def test_a_folder_goes_on_with_another_number_of_workers(tmp_path):
    compare(tmp_path / "grown", workers=1)
    compare(tmp_path / "grown", workers=2, seeds=3)
    compare(tmp_path / "fresh", workers=1, seeds=3)
    grown, fresh = records(tmp_path / "grown"), records(tmp_path / "fresh")
    assert {each: grown[each] for each in fresh} == fresh or repr(
        {each: grown[each] for each in fresh}
    ) == repr(fresh)


def test_folds_and_procedures_in_processes(tmp_path):
    options = {"split": "folds:3", "procedure": "continue(0.5)", "optimizers": ["sgd"], "seeds": 1}
    watching = Watching()
    one = compare(tmp_path / "one", workers=1, **options)
    two = compare(tmp_path / "two", watching, workers=2, **options)
    assert not [each for each in watching.said if each.startswith("workers")]
    assert repr(sorted(records(tmp_path / "one").items())) == repr(sorted(records(tmp_path / "two").items()))
    assert one.rows[0].values == two.rows[0].values


def test_what_lives_in_this_process_alone_is_made_here(tmp_path):
    class Stays(st.Callback):
        seen = 0

        def at_end(self, run: st.RunView) -> None:
            Stays.seen += 1

    watching = Watching()
    made = compare(tmp_path / "here", watching, workers=2, callbacks=[Stays()])
    assert Stays.seen == len(made.runs)
    assert [each for each in watching.said if each.startswith("workers")] == [
        "workers  sgd runs in this process: its callbacks are called here",
        "workers  adam runs in this process: its callbacks are called here",
    ]


def test_runs_that_a_callback_sees_by_run_are_made_in_all_processes(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text(
        "import os\nimport steepest as st\n\n\n"
        "class Watch(st.Callback):\n"
        "    only_watches = by_run = True\n    seen = 0\n\n"
        "    def at_evaluation(self, view):\n        self.seen += 1\n\n"
        "    def at_end(self, view):\n"
        "        view.log('evaluations', self.seen)\n        view.log('process', os.getpid())\n"
    )
    watching = Watching()
    found: list[dict[tuple[str, int], dict[str, object]]] = []
    processes: set[float] = set()
    for workers in (1, 2):
        out = tmp_path / str(workers)
        compare(out, watching, workers=workers, callbacks=[f"{file}:Watch"])
        found.append(dict(sorted(records(out).items())))
        for each in found[-1].values():
            logged = each["logged"]
            assert isinstance(logged, dict)
            processes.update(value for _, value in logged.pop("process", []))
    assert repr(found[0]) == repr(
        found[1]
    )  # one copy for each run, or some had counted the evaluations of others
    assert len(processes) > 1
    assert not [each for each in watching.said if each.startswith("workers")]


def test_a_model_of_a_notebook_is_trained_here(tmp_path):
    def network(shape: st.Shape) -> torch.nn.Module:
        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.out = torch.nn.Linear(len(shape.continuous), shape.outputs)

            def forward(self, categorical: torch.Tensor, continuous: torch.Tensor) -> torch.Tensor:
                del categorical
                return self.out(continuous)

        return Net()

    watching = Watching()
    options = {"model": network, "hidden": None, "optimizers": ["sgd"]}
    given = {each: value for each, value in options.items() if value is not None}
    small = {each: value for each, value in SMALL.items() if each != "hidden"}
    st.plan(table(), target="y", workers=2, **{**small, **given}).run(tmp_path / "net", observer=watching)
    assert any("runs in this process" in each for each in watching.said)


def test_a_model_from_a_file_is_trained_in_processes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, shape):\n"
        "        super().__init__()\n"
        "        self.out = torch.nn.Linear(len(shape.continuous), shape.outputs)\n"
        "    def forward(self, categorical, continuous):\n"
        "        print('not a reply')\n"
        "        return self.out(continuous)\n"
    )
    watching = Watching()
    small = {each: value for each, value in SMALL.items() if each != "hidden"}
    options = {**small, "model": "mine.py:Net", "optimizers": ["sgd"], "workers": 2}
    st.plan(table(), target="y", **options).run(tmp_path / "net", observer=watching)
    assert not [each for each in watching.said if each.startswith("workers")]
    assert sum(each.shared for each in Folder(tmp_path / "net").history().values()) > 5


def test_what_fails_in_a_process_is_made_here_while_nothing_else_is(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    (tmp_path / "mine.py").write_text(
        "import os, torch\n"
        "class Net(torch.nn.Module):\n"
        "    def __init__(self, shape):\n"
        "        super().__init__()\n"
        "        if os.environ.get('POLARS_MAX_THREADS') == '1':\n"
        "            raise ValueError('not in a worker')\n"
        "        self.out = torch.nn.Linear(len(shape.continuous), shape.outputs)\n"
        "    def forward(self, categorical, continuous):\n"
        "        return self.out(continuous)\n"
    )
    watching = Watching()
    small = {each: value for each, value in SMALL.items() if each != "hidden"}
    options = {**small, "model": "mine.py:Net", "optimizers": ["sgd"], "workers": 2}
    st.plan(table(), target="y", **options).run(tmp_path / "net", observer=watching)
    [said] = [each for each in watching.said if each.startswith("workers")]
    assert "not in a worker" in said
    made = Folder(tmp_path / "net").history().values()
    assert len(made) > 5
    assert not any(each.shared for each in made)


def test_a_process_that_is_killed_costs_its_run_alone(tmp_path, monkeypatch):
    began = Crew.begin
    killed: list[int] = []

    def begin(self: Crew, *what: object) -> object:
        member = began(self, *what)
        if isinstance(what[0], Task) and len(killed) < 2:
            killed.append(member.link.process.pid)
            member.link.kill()
        return member

    monkeypatch.setattr(Crew, "begin", begin)
    watching = Watching()
    compare(tmp_path / "killed", watching, workers=2)
    monkeypatch.undo()
    compare(tmp_path / "whole", workers=1)
    assert repr(sorted(records(tmp_path / "killed").items())) == repr(
        sorted(records(tmp_path / "whole").items())
    )
    assert [each for each in watching.said if "worker process" in each] == [
        "warning: a worker process ended with status -9; 1 run at a time from now on",
        "warning: a worker process ended with status -9; one run at a time, in this process, from now on",
    ]


def test_workers_are_for_cpus_and_at_least_one(tmp_path):
    with pytest.raises(st.SteepestError, match="workers"):
        compare(tmp_path / "none", workers=0)


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
from pathlib import Path
from test_workers import compare
compare(Path(sys.argv[1]), workers=2, seeds=4)
"""
MOMENTS = [(signal.SIGINT, 8), (signal.SIGKILL, 2)]
"""How many runs are in the journal when the signal comes."""
SLOW = [(signal.SIGKILL, count) for count in (0, *range(3, 37, 2))]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Runs that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    compare(folder, workers=1, seeds=4)
    return repr(sorted(records(folder).items()))


@pytest.mark.skipif(sys.platform == "win32", reason="signals of other systems")
@pytest.mark.parametrize(
    ("how", "count"), [*MOMENTS, *(pytest.param(*each, marks=pytest.mark.slow) for each in SLOW)]
)
def test_an_interrupted_comparison_goes_on(tmp_path, whole, how, count):
    """What was made is kept, no process is left behind, and the rest gives the same numbers."""
    out = tmp_path / "out"
    code = SCRIPT.format(tests=str(Path(__file__).parent))
    process = subprocess.Popen([sys.executable, "-c", code, str(out)], stderr=subprocess.PIPE)
    journal = out / "journal.jsonl"
    while process.poll() is None and (
        not journal.exists() or journal.read_text().count('"event":"run"') < count
    ):
        time.sleep(0.01)
    os.kill(process.pid, how)
    process.communicate(timeout=60)
    assert len(records(out)) >= count
    compare(out, workers=2, seeds=4)
    assert repr(sorted(records(out).items())) == whole
    assert not (out / ".workers").exists()


class TestTransfer:
    def test_large_tensors_are_mapped_and_small_ones_sent(self, tmp_path):
        what = {
            "large": torch.arange(50_000).view(100, 500),
            "small": torch.tensor([[True], [False]]),
            "empty": torch.empty(0, 3),
            "half": torch.tensor(0.5, dtype=torch.bfloat16),
            "expanded": torch.tensor(7).expand(1),
            "none": torch.empty_strided((0,), (0,), dtype=torch.long),
        }
        packed = Packed.of(what, tmp_path / "data")
        found = packed.unpacked()
        assert len(packed.data) < 5_000
        for name, each in what.items():
            assert found[name].dtype == each.dtype
            assert torch.equal(found[name], each)
        found["large"][0] = 0  # a copy for this process alone
        assert torch.equal(packed.unpacked()["large"], what["large"])

    def test_datasets_of_all_kinds_arrive(self, tmp_path):
        variants = [
            read_table(table(), target="y").dataset(),
            read_table({**table(), "y": table()["x"]}, target="y").dataset(),
        ]
        for number, each in enumerate(variants):
            found = Packed.of(each, tmp_path / str(number)).unpacked()
            assert found.fingerprint == each.fingerprint
            assert all(map(torch.equal, found.train.tensors, each.train.tensors))
            assert found.shape == each.shape

    def test_a_class_of_the_script_itself_is_refused(self):
        Own = type("Own", (), {"__module__": "__main__"})
        with pytest.raises(NotSendableError, match="Own is defined in the script or notebook"):
            sent(Own)
        with pytest.raises(NotSendableError):
            sent(lambda: 1)
        assert received(sent(Path)) is Path


def test_ctrl_c_while_a_run_is_written_does_not_lose_it(tmp_path, monkeypatch):
    written = Folder.append_record
    interrupted: list[object] = []

    def append(self: Folder, record: object) -> None:
        if len(records(self.path)) == 3 and not interrupted:
            interrupted.append(record)
            raise KeyboardInterrupt
        written(self, record)

    monkeypatch.setattr(Folder, "append_record", append)
    with pytest.raises(KeyboardInterrupt):
        compare(tmp_path / "out", workers=1)
    assert len(records(tmp_path / "out")) == 4
