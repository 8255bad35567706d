"""Steps that a CUDA device would replay, made on the CPU: the same tensors in the same places, without capturing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steepest.data.dataset import Part
from steepest.models import build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.past import Past
from steepest.recipe import Execution, Recipe
from steepest.schedules import make_schedule
from steepest.sweep.methods import make_method
from steepest.train import cuda_graph, cuda_method
from steepest.train.aot import NoCompilerError, NotCachedError
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.cuda_graph import Replay, pointed
from steepest.train.cuda_method import ReplayedMethod
from steepest.train.problem import SupervisedProblem
from steepest.train.program import Changing, Program, StepState, trace
from tests.train.steps import MODEL, STEPS, TABLES, distance, eager, in_float64, run, table, without_compiling


@pytest.fixture(scope="module")
def data():
    return in_float64(table())


def method_of(
    text: str, schedule: str = "cosine", clip: float | None = None, tables: tuple[str, ...] = ()
) -> ReplayedMethod:
    return ReplayedMethod(make_rule(text), make_schedule(schedule, STEPS), clip, tables)


@pytest.mark.parametrize(("text", "clip", "tables"), [
    ("adam(lr=0.01)", None, ()),
    ("adam(lr=0.01)", 0.3, TABLES),
    ("sgd(lr=0.3)", None, ()),
    ("quickprop(lr=0.01)", None, ()),
    ("schedule-free-adamw(lr=0.01)", None, ()),
])  # fmt: skip
def test_replayed_steps_are_the_eager_ones(data, monkeypatch, text: str, clip: float | None, tables) -> None:
    without_compiling(monkeypatch)  # the closed form of tables
    found = run(data, method_of(text, clip=clip, tables=tables))
    right = run(data, eager(text, clip=clip, tables=tables))
    assert found.losses == pytest.approx(right.losses, rel=1e-10)
    assert distance(found.weights, right) <= 1e-8


@pytest.mark.parametrize("size", [16, 4096, 30_000])
def test_blocks_of_any_length(data, size: int) -> None:
    """More steps than one block, and blocks that end early."""
    found = run(data, method_of("adam(lr=0.01)"), steps=150, batch_size=min(size, 64))
    right = run(data, eager("adam(lr=0.01)"), steps=150, batch_size=min(size, 64))
    assert len(found.losses) == 150
    assert found.losses == pytest.approx(right.losses, rel=1e-8)


def test_steps_are_joined_by_inductor_where_it_is_there(data, monkeypatch) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(cuda_method, "has_triton", lambda: True)
    monkeypatch.setattr(
        cuda_method, "joined", lambda graph, *_: seen.append(graph) or (lambda given: graph(*given))
    )
    found, right = run(data, method_of("adam")), run(data, eager("adam"))
    assert len(seen) == 1
    assert found.losses == pytest.approx(right.losses, rel=1e-9)


def test_where_inductor_fails_the_operations_are_made_one_by_one(data, monkeypatch) -> None:
    def broken(graph: Any, **_: Any) -> Any:
        def call(*tensors: Tensor) -> None:
            tensors[2].add_(1.0)  # of the state; warming up puts it back, on a device
            tensors[2].sub_(1.0)
            raise RuntimeError("no compiler\nthat is: no gcc")

        return call

    said: list[str] = []
    monkeypatch.setattr(cuda_method, "has_triton", lambda: True)
    monkeypatch.setattr(torch, "compile", broken)
    method = method_of("adam(lr=0.01)")
    method.programs.announce = said.append
    found, right = run(data, method), run(data, eager("adam(lr=0.01)"))
    assert found.losses == pytest.approx(right.losses, rel=1e-9)
    assert said == [
        "compiling the step of adam, once for this machine",
        "Inductor cannot join the step's operations: RuntimeError: no compiler",
    ]


@pytest.mark.slow
def test_inductor_takes_the_graph(data, monkeypatch) -> None:
    monkeypatch.setattr(cuda_method, "has_triton", lambda: True)
    found, right = run(data, method_of("adam(lr=0.01)")), run(data, eager("adam(lr=0.01)"))
    assert found.losses == pytest.approx(right.losses, rel=1e-9)


# --- capturing, on a device that is played by the CPU -----------------------------------------------------------


class Device:
    """What ``torch.cuda`` is asked for, in order; a captured step runs when it is cuda_method, not before."""

    def __init__(self, step: Callable[[], None]) -> None:
        self.said: list[str] = []
        self.step = step

    def device(self, which: Any) -> Any:
        return _Block(self, str(which))

    def current_stream(self) -> Any:
        return SimpleNamespace(
            name="here", wait_stream=lambda other: self.said.append(f"here waits for {other.name}")
        )

    def Stream(self, device: Any) -> Any:  # noqa: N802
        return SimpleNamespace(
            name="side", wait_stream=lambda other: self.said.append(f"side waits for {other.name}")
        )

    def stream(self, which: Any) -> Any:
        return _Block(self, f"on {which.name}")

    def graph(self, which: Any, stream: Any) -> Any:
        return _Block(self, f"capture on {stream.name}")

    def set_sync_debug_mode(self, mode: str) -> None:
        self.said.append(f"waiting: {mode}")

    def CUDAGraph(self) -> Any:  # noqa: N802
        return SimpleNamespace(replay=lambda: (self.said.append("replay"), self.step())[1])


class _Block:
    def __init__(self, device: Device, name: str) -> None:
        self.device, self.name = device, name

    def __enter__(self) -> None:
        self.device.said.append(self.name)

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _own_streams() -> Iterator[None]:
    cuda_graph.side_stream.cache_clear()
    yield
    cuda_graph.side_stream.cache_clear()


def adding(tensors: list[Tensor]) -> list[Tensor]:
    weight, rate = tensors
    weight.copy_(weight + rate)
    return [weight.sum()]


def test_what_warming_up_changes_is_put_back(monkeypatch) -> None:
    weight = torch.tensor([1.0, 2.0])
    made = Replay(pointed(adding, 1), [weight], [torch.ones(1, 2)], most=4)
    device = Device(made._step)
    monkeypatch.setattr(torch, "cuda", device)
    monkeypatch.setattr(made, "_again", made._captured())
    assert device.said == [
        "cpu", "side waits for here", "on side", "waiting: error", "waiting: default", "here waits for side",
        "on here", "capture on side",
    ]  # fmt: skip
    assert weight.tolist() == [1.0, 2.0]
    device.said.clear()
    steps = torch.tensor([[1.0, 0.0], [0.0, 10.0], [5.0, 5.0]])
    assert made.start([steps]).tolist() == [4.0, 14.0, 24.0]
    assert made.start([steps[:1]]).tolist() == [25.0]
    assert device.said == ["replay"] * 4


@pytest.mark.parametrize("good", [0, 2, 3])
def test_a_step_that_cannot_be_captured_is_said_and_leaves_the_weights(monkeypatch, good: int) -> None:
    """A warm-up fails, or the capture: what was changed is put back, and waiting is allowed again."""
    weight, calls = torch.tensor([1.0]), [0]

    def failing(tensors: list[Tensor]) -> list[Tensor]:
        calls[0] += 1
        if calls[0] > good:
            raise RuntimeError("operation not permitted when stream is capturing\nand more")
        return adding(tensors)

    made = Replay(pointed(failing, 1), [weight], [torch.ones(1, 1)], most=2)
    device = Device(made._step)
    monkeypatch.setattr(torch, "cuda", device)
    with pytest.raises(RuntimeError, match="not permitted"):
        made._captured()
    assert weight.tolist() == [1.0]
    assert [each for each in device.said if each.startswith("waiting")] in (
        [],
        ["waiting: error", "waiting: default"],
    )


def test_losses_are_kept_when_the_next_block_begins() -> None:
    made = Replay(pointed(adding, 1), [torch.zeros(1)], [torch.ones(1, 1)], most=2)
    first = made.start([torch.ones(2, 1)])
    second = made.start([torch.ones(2, 1)])
    assert (first.tolist(), second.tolist()) == ([1.0, 2.0], [3.0, 4.0])


# --- on any device: "meta" stands for one that is not the CPU ---------------------------------------------------


def step_elsewhere(data, text: str, model: Any = MODEL, **options: Any) -> Any:
    net = build_model(model, data.shape).to("meta").train()
    problem = SupervisedProblem(
        net, make_objective("", target_of(data)), (1.0, 2.0, 0.5), tuple(data.shape.cardinalities)
    )
    rule = make_rule(text)
    past = Past(rule, closed_form=False)
    c, _ = rule.coefficients(1, 1.0, dict(rule.carry))
    with torch.device("meta"):
        batch = Part(
            (torch.empty(16, 2, dtype=torch.int64), torch.empty(16, 2)), torch.empty(16, dtype=torch.int64)
        )
        changing = Changing(batch, torch.empty(len(c)), torch.empty(4000, dtype=torch.int16), {})
    program = Program(problem, rule, past, tuple(c), None, options.get("clip"))
    return trace(program, StepState.of(problem, rule, None), changing).graph.graph


def on_the_host(graph: Any) -> list[Any]:
    values = [(node, node.meta.get("val")) for node in graph.nodes]
    return [node for node, value in values if isinstance(value, Tensor) and value.device.type == "cpu"]


def waits(graph: Any) -> list[Any]:
    tags = (torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape)
    return [node for node in graph.nodes if any(tag in getattr(node.target, "tags", ()) for tag in tags)]


@pytest.mark.parametrize("text", ["adam", "adamw", "quickprop", "delta-bar-delta", "lion", "rprop", "radam",
                                  "schedule-free-adamw", "amsgrad", "nesterov", "adadelta"])  # fmt: skip
@pytest.mark.parametrize("clip", [None, 0.3])
def test_a_step_stays_on_the_device_and_waits_for_nothing(data, text: str, clip: float | None) -> None:
    graph = step_elsewhere(data, text, clip=clip)
    assert len(graph.nodes) > 100
    assert on_the_host(graph) == []
    assert waits(graph) == []


def test_what_is_made_on_the_host_is_seen(data) -> None:
    class Host(nn.Module):
        def __init__(self, shape: Any) -> None:
            super().__init__()
            self.layer = nn.Linear(2, shape.outputs)

        def forward(self, codes: Tensor, values: Tensor) -> Tensor:
            return self.layer(values) * float(len(codes)) + torch.arange(3.0).sum().to(values.device)

    assert on_the_host(step_elsewhere(data, "adam", Host))


# --- how it is chosen -------------------------------------------------------------------------------------------


def test_a_cuda_device_replays(data) -> None:
    recipe = Recipe(data="d", model="m", optimizer="adam", schedule="cosine", steps=9, batch_size=8)
    for device, kind in (("cpu", CompiledMethod), ("cuda", ReplayedMethod), ("cuda:1", ReplayedMethod)):
        made = make_method(make_rule("adam"), recipe, Execution(device=device), Programs(), compiled=True)
        assert type(made) is kind


def test_a_dry_run_captures_nothing(data) -> None:
    method = method_of("adam")
    method.programs = Programs(only_cached=True)
    with pytest.raises(NotCachedError):
        run(data, method)


def test_what_fails_is_a_reason_to_run_eagerly(monkeypatch) -> None:
    def refuse(self: Replay) -> None:
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(Replay, "_captured", refuse)
    weight = torch.zeros(1)
    monkeypatch.setattr(Tensor, "device", property(lambda self: SimpleNamespace(type="cuda")), raising=False)
    monkeypatch.setattr(cuda_graph.torch, "empty", lambda *a, device=None, **k: weight.new_zeros(*a))
    monkeypatch.setattr(cuda_graph.torch, "zeros", lambda *a, device=None, **k: weight.new_zeros(*a))
    with pytest.raises(NoCompilerError, match="cannot be captured: RuntimeError: no kernel image"):
        Replay(pointed(adding, 1), [weight], [weight.new_ones(1, 1)], most=1)
