"""Hessian-free optimization in torch's style: ``step(closure)`` in a loop of one's own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from steepest.curvature import hessian_free, notebook_2021
from steepest.curvature.function import twice_differentiable
from steepest.curvature.hessian_free import CarriedState, StepOptions
from steepest.curvature.outputs import no_curvature
from steepest.errors import ModelError, OptionError
from steepest.optim.held import buffers_of, copied, put
from steepest.optim.methods.hessian_free import HessianFreeSpec

Closure = Callable[[], tuple[Tensor, Tensor]]


class HessianFree(torch.optim.Optimizer):
    """Hessian-free optimization of any model, by a closure that returns the loss and the outputs that it comes from.

    Args:
        params: a module, whose buffers are then held within a step, or parameters; groups of them are refused.
        lr: the first length that is tried.
        options: the hyperparameters of ``hessian-free``, but for ``curvature`` and the preconditioner.

    Raises:
        OptionError: a hyperparameter does not exist or is out of range, or there are groups of parameters.

    Example:
        >>> net = nn.Linear(2, 1, bias=False)
        >>> x, y = torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0], [2.0]])
        >>> optimizer = HessianFree(net, damping=0.0)
        >>> def closure():
        ...     outputs = net(x)
        ...     return nn.functional.mse_loss(outputs, y), outputs
        >>> _ = optimizer.step(closure)
        >>> net.weight.detach().round(decimals=4).tolist()
        [[3.0, 1.0]]
    """

    def __init__(self, params: nn.Module | Iterable[Any], lr: float = 1.0, **options: Any) -> None:
        for name in ("curvature", "preconditioner", "probes"):
            if name in options:
                raise OptionError(
                    f"steepest.optim.HessianFree has no option {name!r}",
                    hint="a closure is a function of one batch; compare hessian-free by its name, -o hessian-free.",
                )
        spec = HessianFreeSpec(lr=lr, **options)
        self.model = params if isinstance(params, nn.Module) else None
        given = params.parameters() if isinstance(params, nn.Module) else params
        super().__init__(given, spec.hyper.model_dump(exclude={"curvature", "preconditioner", "probes"}))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add the only group of parameters.

        Raises:
            OptionError: there is one.
        """
        if self.param_groups:
            raise OptionError(
                "hessian-free has one damping and one learning rate for all parameters",
                hint="give it model.parameters(), without groups.",
            )
        super().add_param_group(param_group)

    def step(self, closure: Closure) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Make a step and return the loss before it.

        Args:
            closure: evaluates the model and returns the loss, a scalar, and the outputs that it is a function of. It
                is called several times, and does not call ``backward``. torch's random numbers are the same at every
                call.

        Raises:
            ModelError: the loss is finite, but its curvature is not; no parameter is moved.
        """
        group = self.param_groups[0]
        params: list[Tensor] = [each for each in group["params"] if each.requires_grad]
        published = group["variant"] == "notebook-2021"
        held = _Held(self.model, hold=not published)
        with torch.enable_grad(), held, twice_differentiable():
            loss, outputs = closure()
        at = _Graph(loss, outputs, params)
        start = [each.detach().clone() for each in params]

        @torch.no_grad()
        def moved(move: Tensor) -> float:
            _put(params, start, move)
            with held, twice_differentiable():
                return float(closure()[0])

        slots = self.state[params[0]]
        memory = CarriedState(group["damping"], slots.get("direction"))
        value = float(loss.detach())
        if not group["lr"] or not torch.isfinite(loss):
            return loss.detach()
        found = (notebook_2021 if published else hessian_free).descend(
            value,
            at.gradient,
            at.gauss_newton,
            moved,
            memory,
            StepOptions(group["lr"], group["cg_iterations"], group["decay"], group["ratio"]),
        )
        if found.broken:
            raise ModelError(
                found.broken,
                hint="look for roots, quotients or logarithms of 0 in the model, or take a smaller learning rate.",
            )
        _put(params, start, found.move)
        group["damping"], slots["direction"] = memory.damping, memory.direction
        return loss.new_tensor(found.value) if published else loss.detach()


class _Graph:
    """A Gauss-Newton matrix from the graph of one call, by differentiating backwards twice."""

    def __init__(self, loss: Tensor, outputs: Tensor, params: list[Tensor]) -> None:
        self.outputs, self.params = outputs, params
        self._slope: Any = torch.autograd.grad(loss, outputs, create_graph=True, allow_unused=True)[0]
        if self._slope is None:
            raise OptionError(
                "the loss is no function of the outputs that the closure returned",
                hint="return the tensor that the loss was computed from: return loss, outputs.",
            )
        if not self._slope.requires_grad:
            raise no_curvature("the loss")
        self.gradient = self._joined(torch.autograd.grad(loss, params, retain_graph=True, allow_unused=True))
        self._covector = torch.zeros_like(outputs, requires_grad=True)
        pulled: Any = torch.autograd.grad(
            outputs, params, self._covector, create_graph=True, allow_unused=True
        )
        self._pulled = pulled

    def gauss_newton(self, vector: Tensor) -> Tensor:
        """Return the product with a vector."""
        parts = vector.split([each.numel() for each in self.params])
        pairs = [
            (of, part.reshape(of.shape))
            for of, part in zip(self._pulled, parts, strict=True)
            if of is not None
        ]
        [pushed] = torch.autograd.grad(
            [of for of, _ in pairs], [self._covector], [part for _, part in pairs], retain_graph=True
        )
        [bent] = torch.autograd.grad(self._slope, [self.outputs], pushed, retain_graph=True)
        return self._joined(
            torch.autograd.grad(self.outputs, self.params, bent, retain_graph=True, allow_unused=True)
        )

    def _joined(self, found: Any) -> Tensor:
        return torch.cat(
            [
                torch.zeros_like(of).reshape(-1) if part is None else part.detach().reshape(-1)
                for of, part in zip(self.params, found, strict=True)
            ]
        )


class _Held:
    """Makes every evaluation inside it the first one's function: random numbers, and buffers of a module."""

    def __init__(self, model: nn.Module | None, *, hold: bool) -> None:
        self.hold, self.model = hold, model
        self.start = copied(buffers_of(model)) if model is not None and hold else []
        self.drawn = _random_state()
        self.first = True

    def __enter__(self) -> None:
        if not self.hold or self.first:
            return
        self.after = _random_state()
        self.moved = buffers_of(self.model) if self.model is not None else []
        _set_random_state(self.drawn)
        put(copied(self.start))

    def __exit__(self, *_: object) -> None:
        if self.hold and not self.first:
            _set_random_state(self.after)
            put(self.moved)
        self.first = False


def _random_state() -> list[Tensor]:
    cuda = torch.cuda.is_available() and torch.cuda.is_initialized()
    return [torch.get_rng_state(), *([torch.cuda.get_rng_state()] if cuda else [])]


def _set_random_state(state: list[Tensor]) -> None:
    torch.set_rng_state(state[0])
    for each in state[1:]:
        torch.cuda.set_rng_state(each)


@torch.no_grad()
def _put(params: list[Tensor], start: list[Tensor], move: Tensor) -> None:
    """Put parameters at their start plus a move."""
    parts = move.split([each.numel() for each in params])
    for param, before, part in zip(params, start, parts, strict=True):
        param.copy_(before + part.reshape(param.shape))
