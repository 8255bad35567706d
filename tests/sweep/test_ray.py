"""Runs in a Ray cluster: those of the process pool, and nothing lost or made twice when a part of it ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch

import steepest as st
from steepest.api import resume
from steepest.compare.result import Comparison
from steepest.errors import OptionError
from steepest.record.store import Folder
from steepest.sweep.crew import Crew, Reply
from steepest.sweep.making import Task
from steepest.sweep.observer import Observer
from steepest.sweep.ray_cluster import RayCluster, library, nodes_of
from steepest.sweep.transfer import NotSendableError
from tests.sweep import test_workers
from tests.sweep.test_workers import Watching, records

pytest.importorskip("ray", reason="pip install '.[ray]'")
pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="signals of other systems"),
    pytest.mark.filterwarnings("ignore:::ray"),  # what Ray warns of by itself is its own to mend
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
STORE = 80 * 2**20
HERE = Path(__file__).parents[2]
FEW = {"scan_rates": 3, "full_rates": 1}


def compare(out: Path, observer: Observer | None = None, **options: Any) -> Comparison:
    return test_workers.compare(out, observer, **{**FEW, **options})


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A cluster of this machine that all tests share: `workers="ray"` uses the one that is there."""
    from steepest.sweep import ray_cluster

    place = RayCluster("ray", 1, tmp_path_factory.mktemp("ray"))._place
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("ignore")
        patch.setattr(ray_cluster, "STORE", STORE)
        patch.setattr(ray_cluster, "cores", lambda: 2)
        with ray_cluster.connection("ray", place) as found:
            yield found
    assert not place.exists()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Runs that two processes made and nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    compare(folder, workers=2)
    return found(folder)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Two nodes with a core each, as of two machines, to which commands connect."""
    library()
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": STORE}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = str(RayCluster("ray", 1, tmp_path_factory.mktemp("cluster"))._place)
    found = Cluster(True, head_node_args={**node, "ray_client_server_port": port, "temp_dir": place})
    found.add_node(**node)
    found.client = f"ray://127.0.0.1:{port}"
    yield found
    found.shutdown()
    shutil.rmtree(place, ignore_errors=True)


def begun(out: Path, workers: str) -> subprocess.Popen[str]:
    """Start the command that makes the runs of :func:`compare`, in a group of processes as a terminal does."""
    file = out.parent / "table.csv"
    pl.DataFrame(test_workers.table()).write_csv(file)
    options = (
        "--target y -o sgd,adam --hidden 4 --batch-size 32 --seeds 2 --epochs 1 --compile off --baseline none"
    )
    return subprocess.Popen(
        [sys.executable, "-m", "steepest", "compare", str(file), *options.split(), "--scan-rates", "3",
         "--full-rates", "1", "--workers", workers, "--out", str(out)],
        cwd=HERE, text=True, stderr=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0,
    )  # fmt: skip


def wait_for_runs(process: subprocess.Popen[str], out: Path, count: int) -> None:
    while process.poll() is None and (not (out / "journal.jsonl").exists() or events(out) < count):
        time.sleep(0.02)


def processes(what: str, of: int | None = None) -> list[Any]:
    """Return the processes whose command has a text in it: all, or a process and those that it has started."""
    import psutil  # Ray brings it

    some = list[Any]()
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            mine = of is None or of in [each.pid, *(above.pid for above in each.parents())]
            some += [each] if mine and what in " ".join(each.cmdline()) else []
    return some


def found(folder: Path) -> str:
    return repr(sorted(records(folder).items()))


def events(folder: Path) -> int:
    return (folder / "journal.jsonl").read_text().count('"event":"run"')


def test_records_are_those_of_the_pool(ray, tmp_path, whole) -> None:
    watching = Watching()
    made = compare(tmp_path / "ray", watching, workers="ray")
    assert found(tmp_path / "ray") == whole
    history = Folder(tmp_path / "ray").history()
    timed = [each for each in history.values() if not each.shared]
    assert {(each.key.name, each.key.phase) for each in timed} == {("sgd", "final"), ("adam", "final")}
    assert len(history) == len(watching.records) == events(tmp_path / "ray")
    assert len(made.runs) > 2
    curves = {each: record.curve for each, record in history.items()}
    assert repr(sorted(watching.points.items())) == repr(sorted(curves.items()))  # as they were made
    assert watching.left == 0
    said = [each for each in watching.said if each.startswith("workers") or "worker process" in each]
    assert said == ["workers  2 cores of 1 machine in a Ray cluster"]


def test_a_data_set_of_the_catalog(ray, tmp_path) -> None:
    for workers in (2, "ray"):
        st.compare(st.open_source("digits"), optimizers="sgd,adam", seeds=2, epochs=2, compile="off", baseline="none",
                   hidden=[8], workers=workers, **FEW, out=tmp_path / str(workers))  # fmt: skip
    assert found(tmp_path / "ray") == found(tmp_path / "2")


def test_a_worker_that_is_killed_costs_its_run_alone(ray, tmp_path, whole, monkeypatch) -> None:
    began, killed = Crew.begin, list[int]()

    def begin(self: Crew, *what: Any) -> Any:
        member = began(self, *what)
        if isinstance(what[0], Task) and len(killed) < 2:
            actor: Any = member.link
            killed.append(ray.get(actor.actor.__ray_call__.remote(lambda worker: os.getpid())))
            os.kill(killed[-1], signal.SIGKILL)
        return member

    monkeypatch.setattr(Crew, "begin", begin)
    watching = Watching()
    compare(tmp_path / "killed", watching, workers="ray")
    assert len(set(killed)) == 2
    assert os.getpid() not in killed
    assert found(tmp_path / "killed") == whole
    assert events(tmp_path / "killed") == len(Folder(tmp_path / "killed").history())
    assert [each.partition("; ")[2] for each in watching.said if "worker process ended" in each] == [
        "1 run at a time from now on",
        "one run at a time, in this process, from now on",
    ]


def test_a_torn_line_of_the_journal_costs_its_run_alone(ray, tmp_path, whole) -> None:
    out = tmp_path / "out"
    compare(out, workers="ray")
    lines = (out / "journal.jsonl").read_bytes().splitlines(keepends=True)
    last = max(place for place, line in enumerate(lines) if b'"event":"run"' in line)
    (out / "journal.jsonl").write_bytes(b"".join(lines[:last]) + lines[last][: len(lines[last]) // 2])
    watching = Watching()
    compare(out, watching, workers="ray")
    assert len(watching.records) == 1
    assert found(out) == whole


SCRIPT = """
import sys
from pathlib import Path
from tests.sweep.test_ray import compare
compare(Path(sys.argv[1]), workers="ray")
"""


def test_a_driver_that_is_killed_goes_on(ray, tmp_path, whole) -> None:
    """Its own cluster ends with it, and what that leaves is removed by the next."""
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, str(out)], cwd=HERE)
    while process.poll() is None and (not (out / "journal.jsonl").exists() or events(out) < 5):
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert process.returncode == -signal.SIGKILL
    kept = events(out)
    place = RayCluster("ray", 1, out / ".workers")._place
    assert place.is_dir()
    watching = Watching()
    compare(out, watching, workers="ray")
    assert found(out) == whole
    assert len(watching.records) + kept == events(out) == len(Folder(out).history())
    assert not place.exists()


class Summing:
    """A job that reads its data."""

    def perform(self, maker: object, dataset: Any, progress: object) -> float:
        return float(dataset["large"].sum())


class Leaving:
    """A job that ends its process."""

    def perform(self, maker: object, dataset: object, progress: object) -> None:
        sys.exit(3)


def test_data_larger_than_the_object_store_is_read_from_the_disk(ray, tmp_path) -> None:
    heard: list[Reply] = []
    data: Any = {"large": torch.ones(STORE // 2)}
    with Crew(1, RayCluster("ray", 1, tmp_path)) as crew:
        crew.begin(Summing(), "data", data, heard.append)
        while not crew.idle:
            crew.hear(wait=True)
    assert [(each.kind, each.about) for each in heard if each.ends] == [("finished", STORE / 2)]


def test_without_room_for_the_data_runs_are_made_here(ray, tmp_path, whole, monkeypatch) -> None:
    def put(value: object) -> None:
        raise ray.exceptions.ObjectStoreFullError("no room")

    monkeypatch.setattr(ray, "put", put)
    watching = Watching()
    compare(tmp_path / "out", watching, workers="ray")
    assert found(tmp_path / "out") == whole
    said = [each for each in watching.said if "runs in this process" in each]
    assert len(said) == 2
    assert "runs in this process: the data cannot be put into Ray's object store" in said[0]


def test_a_job_that_ends_its_process_is_not_waited_for(ray, tmp_path) -> None:
    heard: list[Reply] = []
    data: Any = {}
    with Crew(1, RayCluster("ray", 1, tmp_path)) as crew:
        crew.begin(Leaving(), "data", data, heard.append)
        while not crew.idle:
            crew.hear(wait=True)
        assert crew.places == 0
    assert [each.kind for each in heard] == ["gone"]


def test_a_cluster_that_cannot_be_reached_is_named(monkeypatch) -> None:
    monkeypatch.setattr(library(), "is_initialized", lambda: False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"ray://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OptionError, match=f"no Ray cluster answers at '{address}'") as caught:
            nodes_of(address)
    assert "ray start --head" in caught.value.hint


def test_two_clusters_at_a_time_are_refused(ray) -> None:
    with pytest.raises(OptionError, match="is connected to a Ray cluster already"):
        nodes_of("ray://127.0.0.1:10001")


def test_data_of_this_process_alone_is_not_shared(ray, tmp_path) -> None:
    data: Any = {"here": lambda: 1}
    with Crew(1, RayCluster("ray", 1, tmp_path)) as crew, pytest.raises(NotSendableError):
        crew.begin(Summing(), "data", data, lambda reply: None)


def test_two_nodes_make_the_runs_of_the_pool(cluster, tmp_path, whole) -> None:
    process = begun(tmp_path / "out", cluster.client)
    printed, said = process.communicate()
    assert process.returncode == 0
    assert "  workers  2 cores of 2 machines in a Ray cluster\n" in said
    assert not [
        each for each in said.splitlines() if not each.startswith("  ")
    ]  # Ray says nothing of its own
    assert printed.count("report ") == 1
    assert found(tmp_path / "out") == whole
    assert sum(each.shared for each in Folder(tmp_path / "out").history().values()) > 5


@pytest.mark.parametrize("own", [True, False], ids=["ray", "ray://"])
def test_ctrl_c_leaves_finished_runs_and_no_process(cluster, tmp_path, whole, own) -> None:
    out = tmp_path / "out"
    process = begun(out, "ray" if own else cluster.client)
    wait_for_runs(process, out, 4)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(0.05)
    *before, last = process.communicate()[1].splitlines()
    assert last == f"interrupted; finished runs are kept. To continue: steepest resume {out}"
    assert not [each for each in before if not each.startswith("  ")]
    assert process.returncode == 130
    place = RayCluster("ray", 1, out / ".workers")._place
    if own:
        assert not place.exists()
    for _ in range(200):  # they end by themselves
        left = processes(str(place)) if own else processes("ray::RayWorker", os.getpid())
        if not left:
            break
        time.sleep(0.1)
    assert not left
    kept = events(out)
    assert kept >= 4
    resume(out, observer=Observer(), workers=2)
    assert found(out) == whole
    assert events(out) == len(Folder(out).history()) > kept


def test_a_node_that_is_lost_costs_its_run_alone(cluster, tmp_path, whole) -> None:
    out = tmp_path / "out"
    process = begun(out, cluster.client)
    wait_for_runs(process, out, 4)
    [lost] = cluster.worker_nodes
    for each in processes("", lost.all_processes["raylet"][0].process.pid):
        each.kill()
    said = process.communicate()[1]
    assert process.returncode == 0
    assert "; 1 run at a time from now on\n" in said
    assert found(out) == whole
    assert events(out) == len(Folder(out).history())


SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do [ "$1" = --ntasks ] && tasks=$2; shift 2; done
for task in $(seq "$tasks"); do "$@" & sleep 10; done; wait
"""


@pytest.mark.slow
def test_the_script_for_slurm_runs_as_it_is_written(tmp_path) -> None:
    """With `srun` that starts the other nodes on this machine, one by one: at once they would choose the same port."""
    page = (HERE / "docs" / "how-to" / "many-machines.md").read_text().partition("## SLURM: several nodes")[2]
    (tmp_path / "job.sh").write_text(page.split("```")[1].removeprefix("bash\n"))
    (tmp_path / "srun").write_text(SRUN)
    (tmp_path / "srun").chmod(0o755)
    pl.DataFrame(test_workers.table()).write_csv(tmp_path / "table.csv")
    path = f"{tmp_path}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    token = {"HOME": str(tmp_path), "RAY_AUTH_TOKEN": "0" * 64, "PATH": path}
    job = {"SLURM_JOB_ID": str(os.getpid()), "SLURM_NNODES": "3", "SLURM_CPUS_PER_TASK": "2"}
    with (tmp_path / "said").open("w") as said:
        process = subprocess.Popen(
            ["bash", "job.sh"], cwd=tmp_path, env={**os.environ, **token, **job}, process_group=0,
            stdout=said, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        assert process.wait(timeout=300) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        shutil.rmtree(f"/tmp/ray-{os.getpid()}", ignore_errors=True)
    assert "  workers  5 cores of 3 machines in a Ray cluster\n" in (tmp_path / "said").read_text()
    assert (tmp_path / "runs" / "table" / "report.html").is_file()
