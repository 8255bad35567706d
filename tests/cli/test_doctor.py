"""``steepest doctor``, and the thread counts that are remembered for the machine."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from steepest.cli import checkup
from steepest.sweep import machine
from steepest.train.aot import NoCompilerError, compiler


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache folder of the test's own, which does not exist yet."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("STEEPEST_CACHE", str(folder))
    return folder


def a_step(cache: Path, name: str = "abc", size: int = 1_500) -> Path:
    (cache / "steps").mkdir(parents=True, exist_ok=True)
    path = cache / "steps" / f"{name}.pt2"
    path.write_bytes(bytes(size))
    return path


def test_it_says_what_the_machine_has(steepest, cache) -> None:
    a_step(cache)
    machine.remember("k", 2, model="embedding-mlp", batch_size=64)
    said = steepest("doctor")
    assert (said.status, said.err) == (0, "")
    lines = {line.split("  ")[0]: line for line in said.out.splitlines()}
    assert f"torch {torch.__version__}" in lines["steepest"]
    assert machine.processor() in lines["device"]
    assert f"{machine.cores()} core" in lines["device"]
    assert "available" in lines["memory"]
    assert lines["cache"].endswith(f"{cache}: 1 compiled step, 1.5 kB")
    assert "measured for 1 model " in lines["threads"]
    assert "not tried" in lines["compiler"] if compiler() else "none found" in lines["compiler"]


def test_thread_counts_are_counted_and_json_lists_them(steepest, cache) -> None:
    for place in range(7):
        machine.remember(f"k{place}", 1, model=f"net{place}")
    assert "measured for 7 models (--json lists them)" in steepest("doctor").out
    found = json.loads(steepest("doctor", "--json").out)
    assert [each["model"] for each in found["threads"]] == [f"net{place}" for place in reversed(range(7))]


def test_as_json(steepest, cache) -> None:
    machine.remember("k", 2, model="embedding-mlp")
    said = steepest("doctor", "--json")
    found = json.loads(said.out)
    assert found == json.loads(json.dumps(checkup.examine().as_json())) | {"memory": found["memory"]}
    assert found["cores"] == machine.cores()
    assert found["threads"][0]["threads"] == 2
    assert found["compiler"]["works"] is None
    assert found["cache"] == {"folder": str(cache), "writable": True, "steps": 0, "bytes": 0}


def test_looking_makes_no_folder(steepest, cache) -> None:
    assert steepest("doctor").status == 0
    assert not cache.exists()


def test_without_a_compiler_it_says_what_to_do(steepest, monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    said = steepest("doctor", "--compile")
    assert said.status == 0
    assert "compiler  none found" in said.out
    assert "→ without a C++ compiler, steps run eagerly" in said.out


def test_a_compiler_that_does_not_start(steepest, monkeypatch, tmp_path) -> None:
    broken = tmp_path / "g++"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("CXX", str(broken))
    said = steepest("doctor")
    assert said.status == 0
    assert "it does not start" in said.out
    assert "→ steps run eagerly until the compiler works" in said.out


@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
def test_a_compiler_that_fails(steepest, monkeypatch) -> None:
    def fails(*_):
        raise NoCompilerError("the step cannot be compiled: CppCompileError: no space left", hint="")

    monkeypatch.setattr(checkup, "compiled", fails)
    said = steepest("doctor", "--compile")
    assert said.status == 0
    assert "it does not work: the step cannot be compiled: CppCompileError: no space left" in said.out
    found = json.loads(steepest("doctor", "--compile", "--json").out)["compiler"]
    assert found["works"] is False
    assert os.environ["STEEPEST_CACHE"].endswith("cache")


@pytest.mark.slow
@pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")
def test_a_compiler_that_works(steepest, cache) -> None:
    before = dict(os.environ)
    found = json.loads(steepest("doctor", "--compile", "--json").out)["compiler"]
    assert found["works"] is True
    assert found["seconds"] > 0
    assert not cache.exists(), "a trial leaves nothing behind"
    assert dict(os.environ) == before


def test_clear_removes_what_is_ours(steepest, cache) -> None:
    steps = [a_step(cache, name) for name in ("one", "two")]
    machine.remember("k", 1)
    mine = cache / "mine.txt"
    mine.write_text("kept")
    abandoned, in_use = cache / "steps" / "tmp1", cache / "steps" / "tmp2"
    for each in (abandoned / "inside", in_use):
        each.mkdir(parents=True)
    (abandoned / "inside" / "part.pt2").write_text("")
    old = time.time() - 2 * checkup.ABANDONED
    os.utime(abandoned, (old, old))
    said = steepest("doctor", "--clear")
    assert said.status == 0
    assert f"removed 2 compiled steps, 3.0 kB from {cache}" in said.err
    assert "no compiled step" in said.out
    assert not any(each.exists() for each in (*steps, abandoned, machine.threads_file()))
    assert in_use.exists()
    assert mine.read_text() == "kept"
    assert steepest("doctor", "--clear").status == 0


def test_a_cache_that_cannot_be_written(steepest, tmp_path, monkeypatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("STEEPEST_CACHE", str(file / "cache"))
    said = steepest("doctor", "--clear")
    assert said.status == 0
    assert "it cannot be written" in said.out
    assert "→ steps are compiled again in every process" in said.out


# --- what is remembered -----------------------------------------------------------------------------------------


def test_what_is_remembered_is_found_again(cache) -> None:
    assert machine.remembered("a") is None
    assert machine.known() == {}
    machine.remember("a", 2, model="mlp")
    machine.remember("b", 1)
    machine.remember("a", 1, model="mlp")
    assert (machine.remembered("a"), machine.remembered("b"), machine.remembered("c")) == (1, 1, None)
    assert list(machine.known()) == ["b", "a"]
    assert machine.known()["a"]["model"] == "mlp"
    assert [each.name for each in cache.iterdir()] == ["threads.json"]


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"threads": {"a": {"thr',
        "[]",
        "null",
        '{"threads": []}',
        '{"threads": {"a": 3}}',
        '{"threads": {"a": {"threads": "2"}}}',
        '{"threads": {"a": {"threads": true}}}',
        '{"threads": {"a": {"threads": 0}}}',
        "[" * 100_000,
    ],
)
def test_a_file_that_makes_no_sense_is_as_if_it_were_not_there(cache, content: str) -> None:
    cache.mkdir()
    (cache / "threads.json").write_text(content)
    assert machine.remembered("a") is None
    machine.remember("b", 2)
    assert machine.remembered("b") == 2


def test_bytes_that_are_no_text(cache) -> None:
    cache.mkdir()
    (cache / "threads.json").write_bytes(b"\xff\xfe\x00")
    assert machine.known() == {}


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path, monkeypatch) -> None:
    file = tmp_path / "file"
    file.write_text("")
    monkeypatch.setenv("STEEPEST_CACHE", str(file / "cache"))
    machine.remember("a", 2)
    assert machine.remembered("a") is None


def test_the_oldest_go_first() -> None:
    path = machine.threads_file()
    path.parent.mkdir()
    many = {f"k{i}": {"threads": 1} for i in range(machine.MOST_KEPT)}
    path.write_text(json.dumps({"threads": many}))
    machine.remember("new", 1)
    found = list(machine.known())
    assert len(found) == machine.MOST_KEPT
    assert (found[0], found[-1]) == ("k1", "new")


def test_a_key_tells_models_batches_and_ways_apart() -> None:
    model = nn.Linear(3, 2)
    keys = [
        machine.key_of(model, 32, "dense"),
        machine.key_of(nn.Linear(2, 3), 32, "dense"),
        machine.key_of(model, 64, "dense"),
        machine.key_of(model, 32, "rows"),
        machine.key_of(model, 32, "dense", "compiled"),
    ]
    assert len(set(keys)) == len(keys)
    with torch.no_grad():
        model.weight.add_(1.0)
    assert machine.key_of(model, 32, "dense") == keys[0]


def test_a_containers_limit_is_regarded(tmp_path, monkeypatch) -> None:
    whole = machine.memory()
    if whole is None:
        pytest.skip("the system does not tell its memory")
    limit, used = tmp_path / "max", tmp_path / "current"
    limit.write_text("1000\n")
    used.write_text("400\n")
    monkeypatch.setattr(machine, "LIMITS", ((str(limit), str(used)),))
    assert machine.memory() == (1000, 600)
    limit.write_text("max\n")
    assert machine.memory()[0] == whole[0]


def test_what_the_system_does_not_tell_and_what_it_has_besides(steepest, monkeypatch) -> None:
    card = SimpleNamespace(name="A Card", total_memory=80_000_000_000)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: card)
    monkeypatch.setattr(machine, "memory", lambda: None)
    said = steepest("doctor")
    assert "device    cuda:0: A Card, 80.0 GB" in said.out
    assert "memory    unknown" in said.out
    found = json.loads(steepest("doctor", "--json").out)
    assert found["devices"] == [{"name": "cuda:0", "title": "A Card", "bytes": 80_000_000_000}]
    assert found["memory"] is None
