"""Steps that a device makes without the host: each finds its inputs by a counter, and is replayed.

A step's inputs are put on the device for many steps at once. On a CUDA device one step is captured as a graph, whose
replays take no arguments. On a CPU the same is done without capturing, which is how the tests see it.
"""

from __future__ import annotations

import contextlib
import functools
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steepest.errors import first_line
from steepest.train.aot import NoCompilerError, Run
from steepest.train.feed import pinned

WARM_UPS = 3
"""Steps before a graph is captured, in which libraries choose their kernels; what they change is put back."""


def pointed(run: Run, state: int) -> Run:
    """Return the program of a step as one that takes its inputs from where a counter points.

    Args:
        run: takes the tensors of the state and one step's inputs, and returns the loss.
        state: how many tensors the state has.

    Returns:
        A program that takes a counter (int64 ``[1]``), losses (float64 ``[most, …]``), the state, and the inputs of
        ``most`` steps; it writes the step's loss and moves the counter on.
    """

    def step(tensors: list[Tensor]) -> list[Tensor]:
        at, losses, *rest = tensors
        now = [each.index_select(0, at).squeeze(0) for each in rest[state:]]
        loss = run([*rest[:state], *now])[0]
        losses.index_copy_(0, at, loss.reshape(1, *losses.shape[1:]).to(torch.float64))
        at.add_(1)
        return []

    return step


@dataclass(frozen=True)
class Losses:
    """The losses of some steps on their way to the host.

    Attributes:
        values: float64, on the host.
        done: what is behind their copy on the device; None where there is nothing to wait for.
    """

    values: Tensor
    done: torch.cuda.Event | None = None

    def tolist(self) -> list[Any]:
        """Wait for these steps, not for those that were started since, and return the losses, or lists of runs'."""
        if self.done is not None:
            self.done.synchronize()
        return self.values.tolist()


class Replay:
    """Steps of one run, each a replay of the first.

    Args:
        run: the program of a step, as :func:`pointed` returns it.
        state: the tensors that it changes in place; they stay where they are.
        example: what some steps need, with them as the first dimension.
        most: the largest number of steps that are started at once.
        runs: how many runs' losses a step has, where they are stacked; None for one loss.

    Raises:
        NoCompilerError: the step cannot be captured.

    Example:
        >>> weight = torch.zeros(2)
        >>> def step(tensors):
        ...     weight, rate = tensors
        ...     return [weight.add_(rate).sum()]
        >>> replay = Replay(pointed(step, 1), [weight], [torch.ones(1, 2)], most=3)
        >>> replay.start([torch.tensor([[1.0, 0.0], [0.0, 5.0]])]).tolist(), weight.tolist()
        ([1.0, 6.0], [1.0, 5.0])
    """

    def __init__(
        self, run: Run, state: list[Tensor], example: Sequence[Tensor], most: int, runs: int | None = None
    ) -> None:
        self._device = state[0].device
        self._run, self._state = run, state
        self._given = [
            torch.empty((most, *each.shape[1:]), dtype=each.dtype, device=self._device) for each in example
        ]
        self._at = torch.zeros(1, dtype=torch.int64, device=self._device)
        self._losses = losses_of(most, runs, self._device)
        self._put(example)
        try:
            self._again = self._captured() if self._device.type == "cuda" else self._step
        except Exception as error:
            raise NoCompilerError(
                f"the step cannot be captured: {type(error).__name__}: {first_line(error)[:300]}",
                hint="start again with --compile off.",
            ) from error

    def start(self, steps: Sequence[Tensor]) -> Losses:
        """Start some steps and return their losses without waiting for them."""
        count = len(steps[0])
        self._put(steps)
        for _ in range(count):
            self._again()
        if self._device.type != "cuda":
            return Losses(self._losses[:count].clone())
        host = torch.empty((count, *self._losses.shape[1:]), dtype=torch.float64, pin_memory=True)
        host.copy_(self._losses[:count], non_blocking=True)
        done = torch.cuda.Event()
        done.record(torch.cuda.current_stream(self._device))
        return Losses(host, done)

    def _put(self, steps: Sequence[Tensor]) -> None:
        for own, each in zip(self._given, steps, strict=True):
            own[: len(each)].copy_(pinned(each, self._device), non_blocking=True)
        self._at.zero_()

    def _step(self) -> None:
        with torch.no_grad():
            self._run([self._at, self._losses, *self._state, *self._given])

    def _captured(self) -> Callable[[], None]:
        before = [each.clone() for each in self._state]
        with torch.cuda.device(self._device):
            here, side = torch.cuda.current_stream(), side_stream(self._device)
            try:
                side.wait_stream(here)
                try:
                    with torch.cuda.stream(side):
                        for i in range(WARM_UPS):
                            self._at.zero_()
                            with refused() if i + 1 == WARM_UPS else contextlib.nullcontext():
                                self._step()
                finally:
                    here.wait_stream(side)
                self._at.zero_()
                graph = torch.cuda.CUDAGraph()
                # The outer block makes this the current stream again even where capturing fails.
                with torch.cuda.stream(here), torch.cuda.graph(graph, stream=side):
                    self._step()
            finally:
                for own, each in zip(self._state, before, strict=True):
                    own.copy_(each)
                self._at.zero_()
        return graph.replay


def replays(device: torch.device) -> bool:
    """Return whether a device replays what was captured."""
    return device.type == "cuda"


def losses_of(most: int, runs: int | None, device: torch.device) -> Tensor:
    """Return where the losses of at most so many steps go, float64 [most] or [most, runs]."""
    return torch.zeros((most,) if runs is None else (most, runs), dtype=torch.float64, device=device)


@functools.cache
def side_stream(device: torch.device) -> Any:
    """Return the stream on which steps are captured: one for a device, as libraries keep memory for each."""
    return torch.cuda.Stream(device)


@contextlib.contextmanager
def refused() -> Generator[None]:
    """Make whatever waits for the device an error inside the block: while capturing, it would do more harm."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls it a prototype
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
