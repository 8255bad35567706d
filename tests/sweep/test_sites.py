"""Where workers run: how many have room, what a batch system allows, what is said where a cluster cannot be used."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steepest.errors import MissingExtraError, OptionError
from steepest.recipe import ExecutionOptions, validate_experiment, with_workers
from steepest.sweep import machine, ray_cluster
from steepest.sweep.codes import codes_of
from steepest.sweep.machine import WORKER_BYTES, cores, cpu_quota
from steepest.sweep.processes import Processes
from steepest.sweep.site import Machine, room
from steepest.sweep.sites import nodes_of, site_of
from steepest.sweep.timing import workers_for
from steepest.sweep.wanted import Objects, wanted_arms

CHOSEN = [("3", 3), (3, 3), ("ray", "ray"), ("ray://node7:10001", "ray://node7:10001"), (None, None)]
WRONG = [
    "0",
    0,
    -1,
    1.5,
    True,
    "",
    "two",
    "Ray",
    "ray://",
    "ray://host",
    "ray://host:port",
    "ray://a b:1",
    "10.0.0.1:6379",
]


@pytest.mark.parametrize(("given", "meant"), CHOSEN)
def test_workers_are_a_number_or_a_cluster(given, meant) -> None:
    assert ExecutionOptions.model_validate({"workers": given}).workers == meant
    if given is not None:
        experiment = validate_experiment({"data": {}, "optimizers": ["sgd"], "execution": {"device": "cpu"}})
        changed = with_workers(experiment, given)
        assert changed.execution.model_dump(exclude_unset=True) == {"device": "cpu", "workers": meant}


@pytest.mark.parametrize("given", WRONG)
def test_other_workers_are_refused(given) -> None:
    experiment = validate_experiment({"data": {}, "optimizers": ["sgd"]})
    with pytest.raises(OptionError, match="neither a number of workers from 1 nor a Ray cluster") as caught:
        with_workers(experiment, given)
    assert "ray://HOST:10001" in caught.value.hint


def test_a_number_is_of_processes(tmp_path) -> None:
    assert nodes_of(4) is nodes_of(None) is None
    assert isinstance(site_of(4, tmp_path, 1), Processes)


def test_a_worker_stays_on_one_machine() -> None:
    nodes = [Machine(5, 100 * WORKER_BYTES), Machine(3, 100 * WORKER_BYTES), Machine(16, 2 * WORKER_BYTES)]
    assert [room(nodes, threads) for threads in (1, 2, 4, 8, 32)] == [10, 5, 3, 2, 0]
    asked = ExecutionOptions(workers="ray")
    assert workers_for("cpu", 2, asked, nodes) == 5
    assert workers_for("cpu", 32, asked, nodes) == 1  # made in the process that leads
    with pytest.raises(OptionError, match="the workers of 'ray' cannot share the device 'cuda'"):
        workers_for("cuda", 1, asked, nodes)


@pytest.mark.parametrize("workers", ["ray", "ray://127.0.0.1:10001"])
def test_a_missing_extra_is_named(workers, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match="needs the package ray, which is not installed") as caught:
        nodes_of(workers)
    assert caught.value.hint.startswith("pip install '.[ray]'")


class Node:
    """What ``ray.remote`` makes of a function, on machines that have other versions."""

    def __init__(self, function: Any, has: dict[str, str]) -> None:
        self.function, self.has = function, has

    def options(self, **where: Any) -> Node:
        del where
        return self

    def remote(self, *arguments: Any) -> dict[str, str]:
        return self.function(*arguments) | self.has


@pytest.mark.parametrize(
    ("has", "said"),
    [
        ({"torch": "0.4"}, "the machine 'node7' of 'ray://head:1' has torch 0.4, and this one "),
        ({"peft": "0.1"}, "has peft 0.1, and this one 9.9"),
        ({"peft": ""}, "has no peft, and this one 9.9"),
        ({"optuna": "0.1"}, ""),
        ({}, ""),
    ],
)
def test_machines_have_the_libraries_that_the_arms_need(monkeypatch, has: dict[str, str], said: str) -> None:
    """Optuna draws where the comparison is led."""
    monkeypatch.setattr("steepest.sweep.codes.version_if_installed", lambda name: "9.9")
    monkeypatch.setattr("steepest.version.version_if_installed", lambda name: "9.9")
    tree = {"data": {}, "model": {"model": "hf:folder"}, "factors": {"finetune": ["lora(8)"]}}
    codes = codes_of(wanted_arms(validate_experiment(tree), Objects()), "optuna")
    assert codes.run_libraries == ["peft", "transformers"]
    where = SimpleNamespace(NodeAffinitySchedulingStrategy=lambda node, soft: None)
    monkeypatch.setitem(sys.modules, "ray.util.scheduling_strategies", where)
    node = {"NodeID": "7", "Alive": True, "NodeManagerHostname": "node7", "Resources": {"CPU": 4.0}}
    fake = SimpleNamespace(
        remote=lambda **options: lambda function: Node(function, has),
        nodes=lambda: [node],
        get=lambda found, timeout: found,
    )
    if not said:
        [made] = ray_cluster._checked(fake, "ray://head:1", codes.run_libraries)
        assert (made.name, made.cores) == ("node7", 4)
        return
    with pytest.raises(OptionError) as caught:
        ray_cluster._checked(fake, "ray://head:1", codes.run_libraries)
    assert said in str(caught.value)


def test_a_task_of_slurm_has_its_cores(monkeypatch) -> None:
    monkeypatch.setattr(machine, "cpu_quota", lambda: float("inf"))
    monkeypatch.setattr(machine.os, "sched_getaffinity", lambda process: set(range(8)), raising=False)
    found = {}
    for text in ("", "2", "64", "0", "many"):
        monkeypatch.setenv("SLURM_CPUS_PER_TASK", text)
        found[text] = cores()
    assert found == {"": 8, "2": 2, "64": 8, "0": 1, "many": 8}
    monkeypatch.delenv("SLURM_CPUS_PER_TASK")
    assert cores() == 8
    monkeypatch.setattr(machine, "cpu_quota", lambda: 1.5)
    assert cores() == 1


def put(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_the_quota_of_a_control_group_counts(tmp_path) -> None:
    groups, own = tmp_path / "cgroup", tmp_path / "own"
    assert cpu_quota(groups, own) == float("inf")
    own.write_text("0::/slurm/job_7/step_0\n")
    put(groups / "slurm" / "job_7" / "step_0" / "cpu.max", "max 100000\n")
    assert cpu_quota(groups, own) == float("inf")
    put(groups / "slurm" / "job_7" / "cpu.max", "350000 100000\n")
    put(groups / "slurm" / "cpu.max", "6400000 100000\n")
    put(tmp_path / "cpu.max", "100000 100000\n")  # beyond the tree
    assert cpu_quota(groups, own) == 3.5
    put(groups / "cpu.max", "200000 100000\n")
    assert cpu_quota(groups, own) == 2.0


def test_the_quota_of_a_control_group_of_version_1_counts(tmp_path) -> None:
    own = tmp_path / "own"
    own.write_text("12:cpuset:/a\n4:cpu,cpuacct:/docker/x\n1:name=systemd:/docker/x\n")
    put(tmp_path / "cpu" / "docker" / "x" / "cpu.cfs_quota_us", "-1\n")
    put(tmp_path / "cpu" / "docker" / "x" / "cpu.cfs_period_us", "100000\n")
    assert cpu_quota(tmp_path, own) == float("inf")
    put(tmp_path / "cpu" / "docker" / "x" / "cpu.cfs_quota_us", "150000\n")
    assert cpu_quota(tmp_path, own) == 1.5
