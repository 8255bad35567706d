"""What a training loop may expect of any ``torch.optim.Optimizer``, as a suite to subclass."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from steepest.rng import stream

Make = Callable[[Iterable[Any]], torch.optim.Optimizer]


class OptimizerConformance:
    """The suite for a torch optimizer of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        make: returns your optimizer on parameters or parameter groups, with a rate that suits a parabola whose
            curvature is between 1 and 10.
        steps: steps in which it brings the loss below 5 % of its start.
        closure: whether its step needs a closure.

    Example:
        >>> class TestMine(OptimizerConformance):
        ...     make = staticmethod(lambda params: torch.optim.SGD(params, lr=0.05))
        >>> TestMine().test_it_solves_a_parabola()
    """

    make: Make
    steps: int = 300
    closure: bool = False

    def test_it_solves_a_parabola(self) -> None:
        """The loss falls below 5 % of its start."""
        params = _start()
        optimizer = self.make(params)
        first = _loss(params).item()
        self._run(optimizer, params, self.steps)
        last = _loss(params).item()
        _require(last < 0.05 * first, f"the loss went from {first:.3g} to {last:.3g} in {self.steps} steps")

    def test_the_same_start_gives_the_same_bits(self) -> None:
        """Nothing in it is random or shared between two optimizers."""
        paths = [_start() for _ in range(2)]
        for params in paths:
            self._run(self.make(params), params, 10)
        _require(_equal(*paths), "two runs from the same start differ")

    def test_it_resumes(self) -> None:
        """Saved without code and restored, a run ends with the bits of an uninterrupted one."""
        whole, half = _start(), _start()
        self._run(self.make(whole), whole, 10)
        first = self.make(half)
        self._run(first, half, 4)
        file = io.BytesIO()
        torch.save(first.state_dict(), file)
        file.seek(0)
        rest = [torch.nn.Parameter(each.detach().clone()) for each in half]
        second = self.make(rest)
        second.load_state_dict(torch.load(file, weights_only=True))
        self._run(second, rest, 6)
        _require(_equal(whole, rest), "a resumed run differs from an uninterrupted one")

    def test_no_gradient_means_no_move(self) -> None:
        """A parameter whose gradient is None is left alone."""
        params = _start()
        resting = torch.nn.Parameter(torch.ones(3))
        optimizer = self.make([*params, resting])
        self._run(optimizer, params, 3)
        _require(torch.equal(resting, torch.ones(3)), "a parameter without gradient moved")

    def test_it_returns_the_closures_loss(self) -> None:
        """``step(closure)`` enables gradients for the closure and returns its loss."""
        params = _start()
        optimizer = self.make(params)
        expected = _loss(params).item()
        returned = _step(optimizer, params)
        _require(returned is not None, "step(closure) returned nothing")
        found = torch.as_tensor(returned).item()
        _require(abs(found - expected) < 1e-5 * expected, f"the loss was {expected}, step returned {found}")

    def test_a_rate_of_zero_in_a_group_stops_it(self) -> None:
        """A scheduler may set ``group["lr"]``; at 0 nothing moves."""
        params = _start()
        optimizer = self.make(params)
        if not all("lr" in group for group in optimizer.param_groups):
            return
        for group in optimizer.param_groups:
            group["lr"] = 0.0
        before = copy.deepcopy(params)
        self._run(optimizer, params, 2)
        _require(_equal(before, params), "it moves though every group's rate is 0")

    def test_groups_may_be_added(self) -> None:
        """A second group is updated as the first."""
        params = _start()
        optimizer = self.make(params[:1])
        if self.closure:
            return
        optimizer.add_param_group({"params": params[1:]})
        before = copy.deepcopy(params)
        self._run(optimizer, params, 3)
        moved = [not torch.equal(one, other) for one, other in zip(before, params, strict=True)]
        _require(all(moved), f"parameters that moved: {moved}")

    def _run(
        self, optimizer: torch.optim.Optimizer, params: Sequence[torch.nn.Parameter], steps: int
    ) -> None:
        for _ in range(steps):
            if self.closure:
                _step(optimizer, params)
            else:
                _gradients(optimizer, params)
                optimizer.step()


def _start() -> list[torch.nn.Parameter]:
    draw = stream(3, "data", 9)
    return [
        torch.nn.Parameter(torch.from_numpy(draw.standard_normal(shape)).float()) for shape in ((4, 5), (7,))
    ]


def _loss(params: Sequence[torch.nn.Parameter]) -> torch.Tensor:
    parts = [
        (torch.linspace(0.5, 5.0, each.numel()) * (each.reshape(-1) - 0.5).square()).sum() for each in params
    ]
    return torch.stack(parts).sum()


def _gradients(optimizer: torch.optim.Optimizer, params: Sequence[torch.nn.Parameter]) -> torch.Tensor:
    optimizer.zero_grad()
    loss = _loss(params)
    loss.backward()
    return loss


def _step(optimizer: Any, params: Sequence[torch.nn.Parameter]) -> Any:
    return optimizer.step(lambda: _gradients(optimizer, params))


def _equal(first: Sequence[torch.Tensor], second: Sequence[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(first, second, strict=True))


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
