"""The method whose steps a CUDA device makes without the host: one is captured as a graph, and replayed.

What steps need is put on the device for a block of them at once, and the losses are read once for all of its steps;
while the device makes its steps, the host prepares the next block.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from steepest.errors import first_line
from steepest.optim.method import StepInfo
from steepest.optim.problem import BatchSource, Problem
from steepest.train.aot import NotCachedError, Run
from steepest.train.compiled import CompiledMethod, CompiledState, numbers_drawn
from steepest.train.cuda_graph import Losses, Replay, losses_of, pointed
from steepest.train.feed import Feed
from steepest.train.inputs import block_of, blocks
from steepest.train.problem import SupervisedProblem
from steepest.train.program import Changing, Traced, flat_changing, flat_state, step_of


@dataclass
class ReplayedState(CompiledState):
    """A run under way.

    Attributes:
        replay: makes its steps, from the first block on.
        most: the largest number of steps that are started at once.
    """

    replay: Replay | None = None
    most: int = 1


class ReplayedMethod(CompiledMethod):
    """A rule, each step one program that the device replays."""

    def init(self, problem: Problem) -> ReplayedState:
        """Return the state of a new run."""
        return ReplayedState(**vars(super().init(problem)))

    def steps(
        self, problem: Problem, state: CompiledState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make ``count`` steps from step ``first`` on."""
        own, supervised = cast("Feed", feed), cast("SupervisedProblem", problem)
        waiting: Losses | None = None
        for which in blocks(block_of(own), first, count):
            # The device is making the block before.
            changing = self.prepared(supervised, state, own, *which)
            started = self._started(cast("ReplayedState", state), changing, block_of(own))
            if waiting is not None:
                yield from map(StepInfo, waiting.tolist())
            waiting = started
        if waiting is not None:
            yield from map(StepInfo, waiting.tolist())

    def _started(self, state: ReplayedState, changing: Changing, most: int) -> Losses:
        if state.replay is None:
            state.most = most
            run = self.program(state, step_of(changing, 0, changing.batch.target.device))
            with self.timed(state):
                state.replay = Replay(run, flat_state(state.state), flat_changing(changing), most)
        return state.replay.start(flat_changing(changing))

    def memory(self, problem: SupervisedProblem, state: CompiledState, feed: Feed) -> Tensor:
        """Return new memory, from which the device can copy while the next block is prepared."""
        if state.bits is None:
            state.bits = torch.empty(block_of(feed), numbers_drawn(problem, feed), dtype=torch.int16)
        return torch.empty_like(state.bits, pin_memory=feed.part.target.device.type == "cuda")

    def made(self, state: CompiledState, traced: Traced, key: Any, own: bool) -> Run:
        """Return a graph as a program, its operations joined into few kernels where Triton is there."""
        del key, own
        if self.programs.only_cached:
            raise NotCachedError("the step was not compiled", hint="compile it with --compile on.")
        count = len(flat_state(state.state))
        plain = pointed(lambda tensors: [traced.graph(*tensors)], count)
        if not has_triton():
            return plain
        self.announce()
        whole = whole_step(traced, count, cast("ReplayedState", state).most)
        return joined(whole, plain, self.programs.announce)


def replayable(traced: Traced, count: int, most: int, runs: int) -> Run:
    """Return the step of stacked runs as a program that can be replayed, see :func:`pointed`."""
    plain = pointed(lambda tensors: [traced.graph(*tensors)], count)
    return joined(whole_step(traced, count, most, runs), plain) if has_triton() else plain


def has_triton() -> bool:
    """Return whether Inductor can make kernels for a CUDA device here."""
    try:
        from torch.utils._triton import has_triton as found
    except ImportError:
        return False
    return bool(found())


def whole_step(traced: Traced, count: int, most: int, runs: int | None = None) -> fx.GraphModule:
    """Return a step as one graph with the choice of its inputs and the keeping of its loss, see :func:`pointed`.

    Args:
        traced: the step.
        count: how many of its first tensors are the state.
        most: how many steps' inputs there are.
        runs: how many runs are stacked, or None.
    """
    state, inputs = traced.examples[:count], traced.examples[count:]
    device = state[0].device
    tensors = [
        torch.zeros(1, dtype=torch.int64, device=device),
        losses_of(most, runs, device),
        *state,
        *(torch.empty((most, *each.shape), dtype=each.dtype, device=device) for each in inputs),
    ]
    step = pointed(lambda given: [traced.graph(*given)], count)

    def function(*given: Tensor) -> None:
        step(list(given))

    return make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(*tensors)


def joined(graph: fx.GraphModule, plain: Run, announce: Callable[[str], None] | None = None) -> Run:
    """Return a graph as a program of few kernels, which Inductor makes at the first call.

    Args:
        graph: of operations.
        plain: the same, operation by operation, for where Inductor fails.
        announce: called when it does.
    """
    made: Any = torch.compile(
        graph, fullgraph=True, dynamic=False, options={"combo_kernels": True, "triton.cudagraphs": False}
    )
    chosen: list[Run] = []

    def kernels(tensors: list[Tensor]) -> list[Tensor]:
        made(*tensors)
        return []

    def run(tensors: list[Tensor]) -> list[Tensor]:
        if chosen:
            return chosen[0](tensors)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # advice on other settings
                found = kernels(tensors)
        except Exception as error:  # whatever it is: what was changed so far is put back by the caller
            if announce:
                announce(
                    f"Inductor cannot join the step's operations: {type(error).__name__}: {first_line(error)}"
                )
            chosen.append(plain)
            return plain(tensors)
        chosen.append(kernels)
        return found

    return run
