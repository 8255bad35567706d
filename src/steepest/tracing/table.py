"""A trace: every number of every step of an optimizer on a small problem, as a frame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, cast

import polars as pl
import torch
from torch import Tensor

from steepest.components.grammar import Spec
from steepest.errors import OptionError, first_line
from steepest.optim import make_spec
from steepest.optim.foreign import ForeignRule
from steepest.optim.rule import Carry, Rule
from steepest.schedules import Schedule, Shape, make_schedule
from steepest.tracing import DIFFERENCE, STEPS
from steepest.tracing.problem import Parameters, SmallProblem, make_problem

Row = dict[str, Any]


def trace(
    optimizer: str | Spec | Rule[Any],
    problem: str | SmallProblem = "line",
    *,
    steps: int = STEPS,
    schedule: Shape = "constant",
    difference: float = DIFFERENCE,
) -> pl.DataFrame:
    """Return every number of the first steps of an optimizer on a small problem, one row a step.

    The columns, where ``w`` stands for an element of a parameter (``a``, ``w1``, ``W12``):

    - ``step``, counted from 1; what the problem shows (``x``, ``y``, ``prediction``); ``loss``, before the step;
    - ``w``: the parameter before the step;
    - ``de/dw``: the gradient by the chain rule, and ``estimated de/dw``: (loss at w + difference − loss) / difference;
    - ``NAME w``: the optimizer's slot ``NAME`` after the step;
    - ``running NAME``: a scalar that the rule keeps from step to step;
    - ``coefficient NAME``: a scalar of the update, as the rule computes with it;
    - ``new w``: the parameter after the step; ``evaluated w``: the value to evaluate, for optimizers that average.

    Args:
        optimizer: a specification (``"adam(lr=0.1)"``, ``"mine.py:MyOpt"``, ``"torch:Adamax"``) or a rule.
        problem: a specification (``"quadratic((1, 10))"``, ``"mine.py:Valley"``) or a problem.
        steps: how many.
        schedule: multiplier of the learning rate over these steps.
        difference: by how much a parameter is moved for the estimated gradient.

    Raises:
        UnknownNameError: there is no such optimizer, problem or schedule.
        OptionError: a value is not allowed, or the optimizer is no rule.

    Example:
        >>> frame = trace("sgd(lr=1e-4)", "line", steps=2)
        >>> frame.select("x", "y", "loss", "de/da", "estimated de/da", "new a").row(0)
        (14.0, 58.0, 1849.0, -1204.0, -1203.98..., 1.1204)
    """
    if steps < 1:
        raise OptionError(f"{steps} steps are asked for", hint="give at least 1.")
    if not (math.isfinite(difference) and difference != 0):
        raise OptionError(f"the difference is {difference}", hint="give a small number, such as 1e-4.")
    spec = make_spec(optimizer)
    if not spec.is_rule:
        raise OptionError(
            f"{spec.called} takes several gradients a step and cannot be traced",
            hint="trace a rule, or an optimizer of torch's, such as torch:LBFGS.",
        )
    rule = cast("Rule[Any]", spec)
    made = make_problem(problem) if isinstance(problem, str) else problem
    rows = list(_rows(rule, made, steps, make_schedule(schedule, steps), difference))
    return pl.DataFrame(rows, infer_schema_length=None)


def _rows(
    rule: Rule[Any], problem: SmallProblem, steps: int, schedule: Schedule, difference: float
) -> Iterator[Row]:
    """Yield the row of each step; the steps are those of the rule's own optimizer."""
    parameters = {name: each.detach().double().clone() for name, each in problem.begin().items()}
    for each in parameters.values():
        each.requires_grad_()
    optimizer = rule.optimizer(list(parameters.values()), schedule=schedule)
    carry = {} if isinstance(rule, ForeignRule) else dict(rule.carry)
    for step in range(steps):
        before = {name: each.detach().clone() for name, each in parameters.items()}

        def evaluate(step: int = step) -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            loss = _loss(problem, parameters, step)
            if not loss.requires_grad:
                raise OptionError(
                    f"the loss of {_name(problem)} has no gradient",
                    hint="compute it from the parameters without detach(), item() or NumPy.",
                )
            loss.backward()
            return loss

        loss = evaluate()
        row = _Row(step=step + 1)
        row.add(problem.shown(before, step))
        row.add({"loss": loss.item()})
        for name, each in before.items():
            row.add(_elements(name, each, ""))
        for name, each in parameters.items():
            slopes = _elements(name, torch.zeros_like(each) if each.grad is None else each.grad, "de/d")
            estimates = _estimates(problem, before, name, step, difference)
            for (column, slope), estimate in zip(slopes.items(), estimates, strict=True):
                row.add({column: slope, f"estimated {column}": estimate})
        optimizer.step(*([evaluate] if optimizer.needs_closure else []))
        for name, each in parameters.items():
            row.add(_slots(name, optimizer.state[each], carry))
        if not isinstance(rule, ForeignRule):
            c, carry = rule.coefficients(step + 1, schedule(step), carry)
            row.add({f"running {name}": value for name, value in carry.items()})
            row.add({f"coefficient {name}": float(value) for name, value in c.items()})
        for name, each in parameters.items():
            row.add(_elements(name, each, "new "))
        if rule.averages:
            evaluated = optimizer.evaluation_parameters()
            for name, each in parameters.items():
                row.add(_elements(name, evaluated[each], "evaluated "))
        yield row


class _Row(dict[str, Any]):
    """A row whose columns are all different."""

    def add(self, columns: Mapping[str, Any]) -> None:
        for name in columns.keys() & self.keys():
            raise OptionError(
                f"two columns of the trace are called {name!r}",
                hint="give the problem's parameters other names.",
            )
        self.update(columns)


def _loss(problem: SmallProblem, parameters: Parameters, step: int) -> Tensor:
    try:
        loss: Any = problem.loss(parameters, step)
    except Exception as error:
        raise OptionError(
            f"the loss of {_name(problem)} fails: {type(error).__name__}: {first_line(error)}",
            hint="it is called with the parameters by name, as begin() returns them, and the step, from 0.",
        ) from error
    if not isinstance(loss, Tensor) or loss.dim():
        what = (
            f"the shape {list(loss.shape)}" if isinstance(loss, Tensor) else f"the type {type(loss).__name__}"
        )
        raise OptionError(
            f"the loss of {_name(problem)} has {what}", hint="return a tensor without dimensions."
        )
    return loss


def _name(problem: SmallProblem) -> str:
    return getattr(problem, "name", type(problem).__name__)


@torch.no_grad()
def _estimates(
    problem: SmallProblem, parameters: Parameters, name: str, step: int, difference: float
) -> list[float]:
    """Return the change of the loss by the change of each element of a parameter."""
    loss = _loss(problem, parameters, step)
    found: list[float] = []
    for place in range(parameters[name].numel()):
        moved = parameters[name].clone()
        moved.view(-1)[place] += difference
        found.append(((_loss(problem, {**parameters, name: moved}, step) - loss) / difference).item())
    return found


def _slots(name: str, state: Mapping[str, Any], carry: Carry) -> Row:
    """Return what the optimizer remembers of a parameter, without its own step and what all parameters share."""
    found: Row = {}
    for slot, value in state.items():
        if slot == "step" or slot in carry:
            continue
        if isinstance(value, Tensor) and value.is_floating_point():
            found |= _elements(name, value, f"{slot} ")
        elif isinstance(value, int | float):
            found[f"{slot} {name}"] = float(value)
    return found


def _elements(name: str, values: Tensor, prefix: str) -> Row:
    """Return the elements of a tensor by name: a, w1, W12 (W1,12 where a place has two digits).

    Example:
        >>> _elements("W", torch.eye(2), "de/d")
        {'de/dW11': 1.0, 'de/dW12': 0.0, 'de/dW21': 0.0, 'de/dW22': 1.0}
    """
    between = "," if max(values.shape, default=0) > 9 else ""
    places = product(*(range(1, size + 1) for size in values.shape))
    numbers = values.detach().reshape(-1).tolist()
    return {
        f"{prefix}{name}{between.join(map(str, place))}": number
        for place, number in zip(places, numbers, strict=True)
    }
