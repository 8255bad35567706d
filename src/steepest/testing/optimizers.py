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

    def test_it_can_be_printed(self) -> None:
        """Its text names it and the values of its groups."""
        optimizer = self.make(_start())
        text = repr(optimizer)
        _require(type(optimizer).__name__ in text, f"its text {text[:60]!r} does not name it")

    def test_named_parameters_are_taken(self) -> None:
        """``model.named_parameters()`` moves as ``model.parameters()`` does."""
        plain, named = _start(), _start()
        self._run(self.make(plain), plain, 3)
        self._run(self.make(list(zip(["weight", "bias"], named, strict=True))), named, 3)
        _require(_equal(plain, named), "with names the parameters go elsewhere")

    def test_an_empty_group_is_fine(self) -> None:
        """A group without parameters, and one whose parameters have no elements, change nothing."""
        if self.closure:
            return
        plain, beside = _start(), _start()
        self._run(self.make(plain), plain, 3)
        empty = torch.nn.Parameter(torch.empty(0))
        empty.grad = torch.empty(0)
        optimizer = self.make([{"params": []}, {"params": [*beside, empty]}])
        for _ in range(3):
            _gradients(optimizer, beside)
            empty.grad = torch.empty(0)
            optimizer.step()
        _require(_equal(plain, beside), "beside an empty group the parameters go elsewhere")

    def test_a_parameter_given_twice_is_refused(self) -> None:
        """In two groups it would be updated twice a step."""
        params = _start()
        optimizer = self.make(params)
        if self.closure:
            return
        try:
            optimizer.add_param_group({"params": [params[0]]})
        except ValueError:
            return
        _require(False, "a parameter was taken into two groups")

    def test_layouts_do_not_matter(self) -> None:
        """A transposed parameter goes the way of a straight one, but for rounding."""
        straight, across = _start(), _start()
        across[0] = torch.nn.Parameter(across[0].detach().t().contiguous().t())
        self._run(self.make(straight), straight, 5)
        self._run(self.make(across), across, 5)
        for one, other in zip(straight, across, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)

    def test_its_state_is_the_same_each_time(self) -> None:
        """``state_dict`` twice gives equal values, loading it changes nothing in it, and gives it back."""
        params = _start()
        optimizer = self.make(params)
        self._run(optimizer, params, 3)
        first = copy.deepcopy(optimizer.state_dict())
        _require(_same(first, optimizer.state_dict()), "two state_dicts of one moment differ")
        given = copy.deepcopy(first)
        second = self.make(_start())
        second.load_state_dict(given)
        _require(_same(first, given), "loading changed the state_dict that was given")
        _require(_same(first, second.state_dict()), "a loaded state is not the one that was saved")

    def test_its_state_fits_another_dtype(self) -> None:
        """Saved beside float32 parameters, it is loaded beside float64 ones, follows them, and goes on."""
        params = _start()
        first = self.make(params)
        self._run(first, params, 3)
        wide = [torch.nn.Parameter(each.detach().double()) for each in params]
        second = self.make(wide)
        second.load_state_dict(copy.deepcopy(first.state_dict()))
        self._run(second, wide, 1)
        self._run(first, params, 1)
        for one, other in zip(params, wide, strict=True):
            _require(other.dtype == torch.float64, "a step changed the parameter's dtype")
            torch.testing.assert_close(one.double(), other, rtol=1e-3, atol=1e-4)

    def test_a_copy_goes_on_alike(self) -> None:
        """``copy.deepcopy`` has the same public attributes and takes the same steps."""
        params = _start()
        optimizer = self.make(params)
        self._run(optimizer, params, 3)
        twin = copy.deepcopy(optimizer)
        public = [{name for name in vars(each) if not name.startswith("_")} for each in (optimizer, twin)]
        _require(public[0] == public[1], f"the copy lacks {sorted(public[0] ^ public[1])}")
        copied = [each for group in twin.param_groups for each in group["params"]]
        self._run(optimizer, params, 2)
        self._run(twin, copied, 2)
        _require(_equal(params, copied), "the copy goes elsewhere")

    def test_hooks_run_once_a_step(self) -> None:
        """torch's hooks before and after a step, and around the state, each run once."""
        params = _start()
        optimizer = self.make(params)
        calls: list[str] = []
        optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
        optimizer.register_step_post_hook(lambda *_: calls.append("after"))
        optimizer.register_state_dict_post_hook(lambda *_: calls.append("saved"))
        optimizer.register_load_state_dict_post_hook(lambda *_: calls.append("loaded"))
        self._run(optimizer, params, 1)
        optimizer.load_state_dict(optimizer.state_dict())
        _require(calls == ["before", "after", "saved", "loaded"], f"the hooks ran as {calls}")

    def test_an_lr_scheduler_drives_it(self) -> None:
        """Under a falling rate the loss still falls."""
        params = _start()
        optimizer = self.make(params)
        if not all("lr" in group for group in optimizer.param_groups):
            return
        scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.95)
        first = _loss(params).item()
        for _ in range(30):
            self._run(optimizer, params, 1)
            scheduler.step()
        last = _loss(params).item()
        _require(last < first, f"the loss went from {first:.3g} to {last:.3g} under a scheduler")

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
        (torch.linspace(0.5, 5.0, each.numel(), dtype=each.dtype) * (each.reshape(-1) - 0.5).square()).sum()
        for each in params
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


def _same(first: Any, second: Any) -> bool:
    """Return whether two state_dicts, or parts of them, hold the same values."""
    if isinstance(first, torch.Tensor):
        return isinstance(second, torch.Tensor) and torch.equal(first, second)
    if isinstance(first, dict):
        return first.keys() == second.keys() and all(_same(each, second[key]) for key, each in first.items())
    if isinstance(first, list | tuple):
        return len(first) == len(second) and all(map(_same, first, second))
    return bool(first == second)


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
