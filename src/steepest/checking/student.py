"""A person's own update as a function of gradients: whatever arguments it has, called step by step."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steepest.errors import OptionError, first_line

PARAMETER = ("w", "param", "params", "parameter", "parameters", "theta", "weight", "weights", "x", "p")
GRADIENT = ("g", "grad", "grads", "gradient", "gradients", "dw", "dx")
STATE = ("state", "slots", "cache", "memory", "config", "st")
STEP = ("t", "step", "k", "iteration", "i", "n")
LOSS = ("loss", "loss_fn", "closure", "f")
"""Names of arguments."""
MEANINGS = {
    "learning_rate": "lr", "eta": "lr", "rate": "lr", "step_size": "lr", "epsilon": "eps", "wd": "weight_decay",
    "mu": "momentum",
}  # fmt: skip
SHARES = ("decay", "decay_rate", "rho", "gamma", "beta", "alpha")
"""Names of the share of an average that is kept."""


@dataclass(frozen=True)
class StudentSteps:
    """Parameters after every step, and what the update remembers.

    Attributes:
        parameters: ``[steps, n]``.
        slots: by name, ``[steps, n]``.
    """

    parameters: Tensor
    slots: Mapping[str, Tensor]


class StudentState(dict[str, Any]):
    """What an update remembers: what it has not stored yet is zero."""

    def __init__(self, zero: Any) -> None:
        super().__init__()
        self.zero = zero

    def __missing__(self, key: str) -> Any:
        return 0 if key in STEP else self.zero * 0


def run_student(
    student: Any, title: str, start: Tensor, gradients: Tensor, hyper: Mapping[str, Any]
) -> StudentSteps:
    """Return what a person's update makes of gradients.

    Args:
        student: a function of a parameter, a gradient, a state and hyperparameters, or a class of
            ``torch.optim.Optimizer``.
        title: its name.
        start: the parameter before the first step, ``[n]``.
        gradients: of every step, ``[steps, n]``.
        hyper: the rule's hyperparameters; those that the update takes are passed.

    Raises:
        OptionError: it cannot be called, or fails.

    Example:
        >>> def update(w, g, state, lr):
        ...     state["v"] = 0.9 * state["v"] + g
        ...     return w - lr * state["v"]
        >>> steps = run_student(update, "update", torch.ones(1), torch.ones(2, 1), {"lr": 2.0})
        >>> steps.parameters.shape, steps.parameters[0], list(steps.slots)
        (torch.Size([2, 1]), tensor([-1.]), ['v'])
    """
    if isinstance(student, type) and issubclass(student, torch.optim.Optimizer):
        return _optimizer(student, title, start, gradients, hyper)
    if not callable(student):
        raise OptionError(
            f"{title} is a {type(student).__name__}", hint="name a function or a torch optimizer."
        )
    tried: list[Exception] = []
    for made in (lambda each: each.clone(), lambda each: each.numpy().copy()):
        try:
            return _function(student, start, gradients, hyper, made)
        except OptionError:
            raise
        except Exception as error:
            tried.append(error)
    try:
        return _by_number(student, start, gradients, hyper)
    except Exception:
        error = tried[0]
        raise OptionError(
            f"{title} fails: {type(error).__name__}: {first_line(error)}",
            hint="write it as update(w, g, state, lr, …), which returns the new w and keeps its averages in state, a "
            "dict that begins with zeros.",
        ) from error


def _by_number(student: Any, start: Tensor, gradients: Tensor, hyper: Mapping[str, Any]) -> StudentSteps:
    """Run an update that is of single numbers, one element after another."""
    found = [
        _function(student, start[i : i + 1], gradients[:, i : i + 1], hyper, lambda each: each.item())
        for i in range(len(start))
    ]
    names = found[0].slots
    return StudentSteps(
        torch.cat([each.parameters for each in found], 1),
        {name: torch.cat([each.slots[name] for each in found], 1) for name in names},
    )


def _function(
    student: Callable[..., Any],
    start: Tensor,
    gradients: Tensor,
    hyper: Mapping[str, Any],
    made: Callable[[Tensor], Any],
) -> StudentSteps:
    names = list(inspect.signature(student).parameters.values())
    w = made(start)
    state = StudentState(made(start))
    slots: dict[str, Any] = {}
    parameters: list[Tensor] = []
    history: dict[str, list[Tensor]] = {}
    kept: list[Tensor] = []
    for step, gradient in enumerate(gradients, 1):
        bound = _bound(names, w, gradient, step, state, slots, hyper, made, kept)
        given = {name: each for name, each in bound.items() if name in slots}
        result = student(**bound)
        w = _taken(result, kept[0] if kept else w, state, slots, list(given))
        parameters.append(_flat(w, start))
        for name, value in {**state, **slots}.items():
            flat = _flat(value, start)
            if name not in STEP and flat.shape == start.shape:
                history.setdefault(name, []).append(flat)
    return StudentSteps(
        torch.stack(parameters),
        {name: torch.stack(each) for name, each in history.items() if len(each) == len(gradients)},
    )


def _bound(
    names: Sequence[inspect.Parameter], w: Any, gradient: Tensor, step: int, state: StudentState, slots: dict[str, Any],
    hyper: Mapping[str, Any], made: Callable[[Tensor], Any], kept: list[Tensor],
) -> dict[str, Any]:  # fmt: skip
    """Return the arguments of one step, by their names; those of unknown names are slots that begin with zeros."""
    found: dict[str, Any] = {}
    taken = {each.name for each in names}
    for each in names:
        name = each.name
        meaning = _meaning(name, hyper, taken)
        if meaning is not None:
            found[name] = meaning
        elif name in STATE:
            found[name] = state
        elif name in STEP:
            found[name] = step
        elif name in LOSS:
            leaf = kept[0] if kept else w.detach().clone().requires_grad_(True)
            kept[:] = [leaf]
            found[name] = lambda w, gradient=gradient: (w * gradient).sum()
        elif name in PARAMETER and not any(name in PARAMETER for name in found):
            found[name] = w
        elif name in GRADIENT:
            found[name] = made(gradient)
        elif each.default is each.empty:
            found[name] = slots.setdefault(name, w * 0)
    if not taken & {*GRADIENT, *LOSS} and isinstance(w, Tensor):  # it reads the gradient from the parameter
        w.grad = gradient.clone()
    if kept:  # the loss is differentiated by the parameter itself, whose gradient stays until it is cleared
        with torch.no_grad():
            kept[0].copy_(w)
        name = next(name for name in found if name in PARAMETER)
        found[name] = kept[0]
    return found


def _meaning(name: str, hyper: Mapping[str, Any], taken: set[str]) -> Any:
    """Return the hyperparameter that an argument's name means; None if it means none."""
    betas = hyper.get("betas")
    if betas is not None and name in ("beta1", "beta2", "b1", "b2"):
        return betas[int(name[-1]) - 1]
    name = MEANINGS.get(name, name)
    if name in hyper:
        return hyper[name]
    if name in SHARES and not taken & set(SHARES) - {name}:
        return next((hyper[each] for each in ("alpha", "rho", "beta", "momentum") if each in hyper), None)
    return None


def _taken(result: Any, w: Any, state: StudentState, slots: dict[str, Any], given: list[str]) -> Any:
    """Return the new parameter of what an update returned, and keep the rest."""
    if result is None:
        return w.detach().clone() if isinstance(w, Tensor) else w
    if not isinstance(result, tuple):
        return result
    new, *rest = result
    for place, value in enumerate(rest):
        if isinstance(value, Mapping):
            for name, each in dict(value).items():
                state[str(name)] = each
        elif place < len(given):
            slots[given[place]] = value
    return new


def _flat(value: Any, like: Tensor) -> Tensor:
    if isinstance(value, Tensor):
        return value.detach().to(like.dtype).reshape(-1).clone()
    try:
        return torch.as_tensor(value, dtype=like.dtype).reshape(-1).clone()
    except (TypeError, ValueError, RuntimeError):
        return torch.zeros(0, dtype=like.dtype)


def _optimizer(
    kind: type[torch.optim.Optimizer], title: str, start: Tensor, gradients: Tensor, hyper: Mapping[str, Any]
) -> StudentSteps:
    weight = torch.nn.Parameter(start.clone())
    names = list(inspect.signature(kind).parameters)[1:]
    given = {name: meant for name in names if (meant := _meaning(name, hyper, set(names))) is not None}
    try:
        made = kind([weight], **given)
        parameters: list[Tensor] = []
        history: dict[str, list[Tensor]] = {}
        for gradient in gradients:
            made.zero_grad()
            (weight * gradient).sum().backward()
            made.step()
            parameters.append(weight.detach().clone())
            for name, value in made.state[weight].items():
                flat = _flat(value, start)
                if flat.shape == start.shape and name != "step":
                    history.setdefault(name, []).append(flat)
    except Exception as error:
        raise OptionError(
            f"{title} fails: {type(error).__name__}: {first_line(error)}",
            hint="it is a torch optimizer: mend its step.",
        ) from error
    return StudentSteps(torch.stack(parameters), {name: torch.stack(each) for name, each in history.items()})
