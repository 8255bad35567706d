"""The cache of compiled steps: what a program depends on, what it does not, and what may go wrong."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from steepest.record.lock import locked
from steepest.train import aot as module
from steepest.train.aot import (
    NoCompilerError,
    NotCachedError,
    compiled,
    compiler,
    key,
    with_instructions,
)
from steepest.train.program import Traced
from tests.train.steps import MODEL, TABLES, in_float64, one_program, run, table, without_compiling

needs_a_compiler = pytest.mark.skipif(compiler() is None, reason="there is no C++ compiler")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    """A cache of the test's own, and nothing loaded."""
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "_loaded", {})
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def data():
    return table()


@pytest.fixture(scope="module")
def keyed(data) -> Callable[..., str]:
    """Return the key of a step's program."""

    @functools.cache
    def make(
        text: str = "adam", *, threads: int = 1, tables=TABLES, schedule="cosine", clip=None, **changes: Any
    ) -> str:
        with pytest.MonkeyPatch.context() as patch:
            graphs = without_compiling(patch)
            steps = changes.pop("steps", 3)
            dataset = in_float64(data) if changes.pop("float64", False) else data
            run(dataset, one_program(text, schedule, clip, tables, steps), steps=steps, **changes)
        return key(graphs[0], threads)

    return make


@pytest.mark.parametrize(
    "changes",
    [
        {"text": "adam(lr=0.02)"},
        {"schedule": "constant"},
        {"schedule": "warmup(cosine, length=2)"},
        {"seed": 7},
        {"steps": 12},
        {"steps": 60},
    ],
)
def test_the_same_program_serves(keyed, changes: dict[str, Any]) -> None:
    """Other rates, schedules, seeds and lengths compile nothing; nor does a first block of another length."""
    assert keyed(**changes) == keyed()


@pytest.mark.parametrize("text", ["sgd", "rprop"])
def test_a_first_block_of_another_length_serves_where_rows_need_little(keyed, text: str) -> None:
    assert len({keyed(text, steps=steps) for steps in (3, 12, 60)}) == 1


@pytest.mark.parametrize("text", ["adamw(weight_decay={})", "momentum(lr={})", "rmsprop(lr={})"])
def test_numbers_that_travel_in_the_coefficients_serve_too(keyed, text: str) -> None:
    assert keyed(text.format(0.01)) == keyed(text.format(0.05))


def with_constant(value: float) -> Callable[[Any], nn.Module]:
    class Scaled(nn.Module):
        def __init__(self, shape: Any) -> None:
            from steepest.models import build_model

            super().__init__()
            self.inside = build_model(MODEL, shape)
            self.scale = torch.full((3,), value)

        def forward(self, categorical: torch.Tensor, continuous: torch.Tensor) -> torch.Tensor:
            return self.inside(categorical, continuous) * self.scale

    return Scaled


def test_what_a_program_depends_on_makes_another(keyed) -> None:
    plain = {"tables": ()}
    found = {
        "as it is": keyed(),
        "betas": keyed("adam(betas=(0.9, 0.99))"),
        "eps": keyed("adam(eps=1e-6)"),
        "one table": keyed(tables=TABLES[:1]),
        "no table": keyed(**plain),
        "batch": keyed(batch_size=8, **plain),
        "rule": keyed("momentum", **plain),
        "clip": keyed(clip=1.0, **plain),
        "other clip": keyed(clip=2.0, **plain),
        "class weights": keyed(weights=(1.0, 2.0, 3.0), **plain),
        "other class weights": keyed(weights=(1.0, 2.0, 4.0), **plain),
        "numbers": keyed(float64=True, **plain),
        "threads": keyed(threads=2, **plain),
        "width": keyed(model="embedding-mlp(hidden=(6, 5), dropout=0.2, hidden_dropout=0.3)", **plain),
        "dropout": keyed(model="embedding-mlp(hidden=(6, 4), dropout=0.25, hidden_dropout=0.3)", **plain),
        "a constant": keyed(model=with_constant(1.0), **plain),
        "another constant": keyed(model=with_constant(2.0), **plain),
    }
    assert len(set(found.values())) == len(found)


# --- a small program --------------------------------------------------------------------------------------------


def small(factor: float = 1.0) -> Traced:
    value = torch.linspace(-1, 1, 32)
    return Traced(make_fx(lambda x: torch.tanh(x * factor) + 1.0)(value), (value,))


def test_without_a_compiler(monkeypatch, cache) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert compiler() is None
    with pytest.raises(NoCompilerError, match="no C\\+\\+ compiler") as caught:
        compiled(small(), 1)
    assert "--compile off" in caught.value.hint
    assert not cache.exists()


@needs_a_compiler
def test_the_compiler_is_that_of_now(cache) -> None:
    """Inductor reads the name of the compiler when it is imported, which may be long ago."""
    from torch._inductor import config

    value = torch.linspace(-2, 2, 32)
    with config.patch({"cpp.cxx": (None, "no-such-compiler")}):
        found = compiled(small(3.0), 1).run([value])[0]
    assert found.tolist() == pytest.approx((torch.tanh(3 * value) + 1).tolist())


def test_only_what_is_cached(cache) -> None:
    with pytest.raises(NotCachedError, match="not in the cache"):
        compiled(small(), 1, only_cached=True)
    assert not cache.exists()


@needs_a_compiler
def test_a_compiler_that_fails_leaves_nothing(monkeypatch, cache) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise RuntimeError("CppCompileError: No space left on device\nand much more")

    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", fails)
    announced: list[int] = []
    with pytest.raises(NoCompilerError, match="cannot be compiled: RuntimeError: CppCompileError") as caught:
        compiled(small(), 1, lambda: announced.append(1))
    assert "much more" not in caught.value.fact
    assert announced == [1]
    assert [*(cache / "steps").iterdir()] == []


@needs_a_compiler
def test_folders_of_killed_compilations_are_removed(monkeypatch, cache) -> None:
    """An old one goes; a new one, an old one that a process holds, and whatever has another name stay."""
    monkeypatch.setattr(torch._inductor, "aoti_compile_and_package", lambda *_, **__: 1 / 0)
    names = ["tmpkilled", "tmpnew", "tmpheld", "mine"]
    for name in names:
        (cache / "steps" / name).mkdir(parents=True)
        (cache / "steps" / name / "step.cpp").write_text("int main() {}")
    with locked(cache / "steps" / "tmpheld"):
        for name in ("tmpkilled", "tmpheld", "mine"):
            os.utime(cache / "steps" / name, (0, 0))
        with pytest.raises(NoCompilerError):
            compiled(small(), 1)
        assert sorted(each.name for each in (cache / "steps").iterdir()) == sorted(names[1:])


def test_a_cache_folder_that_cannot_be_written_is_said(monkeypatch, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(NoCompilerError, match=r"cache/steps' cannot be written: not a directory") as caught:
        compiled(small(), 1)
    assert "STEEPEST_CACHE" in caught.value.hint


@pytest.mark.parametrize("content", [b"", b"not a package", b"PK\x03\x04" + bytes(200)])
def test_a_file_that_cannot_be_loaded_is_removed(cache, content: bytes) -> None:
    path = cache / "steps" / f"{key(small(), 1)}.pt2"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    with pytest.raises(NotCachedError):
        compiled(small(), 1, only_cached=True)
    assert not path.exists()


RACE = """
import sys
from tests.train.test_aot import small
from steepest.train.aot import compiled
found = compiled(small(), 1)
traced = small()
expected = traced.graph(*traced.examples)
assert (found.run(list(traced.examples))[0] - expected).abs().max() < 1e-5
print("compiled" if found.seconds else "found")
"""


@pytest.mark.slow
@needs_a_compiler
def test_two_processes_race_and_a_broken_file_is_replaced(cache) -> None:
    both = [
        subprocess.Popen([sys.executable, "-c", RACE], stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = [each.communicate(timeout=300)[0].strip() for each in both]
    assert [each.returncode for each in both] == [0, 0]
    assert "compiled" in said
    assert [each.name for each in (cache / "steps").iterdir()] == [f"{key(small(), 1)}.pt2"]
    path = next((cache / "steps").iterdir())
    again = compiled(small(), 1)
    assert again.seconds == 0.0
    assert compiled(small(), 1).run is again.run
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    module._loaded.clear()
    found = compiled(small(), 1)  # what cannot be loaded is made anew
    assert found.seconds > 0
    assert torch.allclose(found.run([small().examples[0]])[0], small().graph(small().examples[0]))


def test_instruction_sets_are_tried_out_only_where_compiling_for_them_fails() -> None:
    tried: list[dict[str, object]] = []

    def build(settings: dict[str, object]) -> None:
        tried.append(settings)
        if settings and len(tried) > 1:
            raise RuntimeError("unknown option -mamx")

    with_instructions(build)
    assert tried == [{"cpp.vec_isa_ok": True}]
    with_instructions(build)
    assert tried[1:] == [{"cpp.vec_isa_ok": True}, {}]
