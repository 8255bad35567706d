"""A range test of a model and an optimizer that somebody else made and goes on with."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from steepest.errors import OptionError
from steepest.optim.dense import RuleOptimizer
from steepest.train.range_test import RangeTest, run
from steepest.train.untouched import untouched

Loss = Callable[[Any, Any], Tensor]


def own_test(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    batches: Iterable[Any],
    rates: Sequence[float],
    progress: Callable[[float], None] | None = None,
) -> RangeTest:
    """Return the range test of a model, which with its optimizer is afterwards as it was before.

    Args:
        model: the model; in training mode during the test.
        optimizer: torch's, or of that kind. Groups of parameters keep the ratio of their rate to that of the first one.
        loss: called as ``loss(outputs, target)``.
        batches: inputs and target, ``(x, y)``; or mappings, with which the model is called by name, and the loss as
            ``loss(outputs, batch)``. They begin anew where they are too few.
        rates: the learning rate of each step.
        progress: called with 1 after each step.

    Raises:
        OptionError: there is no batch, a batch is of another kind, ``batches`` can be read only once, or the learning
            rate of the optimizer is no factor of its step.
    """
    if isinstance(batches, Iterator):
        raise OptionError(
            f"the batches are a {type(batches).__name__}, which can be read only once",
            hint="give a list or a DataLoader: the test reads them and leaves them to you from their beginning.",
        )
    if isinstance(optimizer, RuleOptimizer) and not optimizer.rule_type.lr_is_a_factor:
        raise no_factor(optimizer.rule_type.name)
    modules = [model, loss] if isinstance(loss, nn.Module) else [model]
    with untouched(modules, optimizer, batches):
        if not model.training:
            model.train()
        if isinstance(optimizer, RuleOptimizer):
            optimizer.without_schedule()
        return run(
            type(optimizer).__name__,
            rates,
            _losses(model, optimizer, loss, _endless(batches), rates),
            progress,
        )


def no_factor(name: str) -> OptionError:
    """Return the error for an optimizer whose rate cannot rise from step to step."""
    return OptionError(
        f"the learning rate of {name} is no factor of its step, so that it cannot rise during a run",
        hint="compare whole runs instead: `steepest compare`, which tunes it.",
    )


def _losses(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    batches: Iterator[Any],
    rates: Sequence[float],
) -> Iterator[float]:
    device = next(model.parameters()).device
    needs_closure = inspect.signature(optimizer.step).parameters.get("closure", None)
    by_closure = needs_closure is not None and needs_closure.default is inspect.Parameter.empty
    for rate, batch in zip(rates, batches, strict=False):
        _set_rate(optimizer, rate)
        found: list[Tensor] = []

        def closure(batch: Any = batch, found: list[Tensor] = found) -> Tensor:
            optimizer.zero_grad()
            value = _loss(model, loss, _there(batch, device))
            value.backward()
            found.append(value.detach())
            return value

        if by_closure:
            cast("Any", optimizer).step(closure)
        else:
            closure()
            optimizer.step()
        yield float(found[0])


def _set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give the first group a rate, and the others the same multiple of theirs."""
    first = float(optimizer.param_groups[0]["lr"])
    for group in optimizer.param_groups:
        value = rate * (float(group["lr"]) / first if first else 1.0)
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(value)
        else:
            group["lr"] = value


def _endless(batches: Iterable[Any]) -> Iterator[Any]:
    count = 0
    while True:
        before = count
        for batch in batches:
            count += 1
            yield batch
        if count == before:
            raise OptionError("there is no batch", hint="give batches of inputs and target.")


def _loss(model: nn.Module, loss: Loss, batch: Any) -> Tensor:
    if isinstance(batch, Mapping):
        value = loss(model(**cast("Mapping[str, Any]", batch)), batch)
    elif isinstance(batch, list | tuple) and len(cast("Sequence[Any]", batch)) > 1:
        *inputs, target = cast("Sequence[Any]", batch)
        value = loss(model(*inputs), target)
    else:
        raise OptionError(
            f"a batch is a {type(batch).__name__}, not inputs and a target",
            hint="let batches give (inputs, target), or mappings of the model's arguments.",
        )
    if value.dim():
        raise OptionError(
            f"the loss of a batch has the shape {list(value.shape)}, and must be one number",
            hint="take the mean over the rows, as torch's losses do by default.",
        )
    return value


def _there(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, Tensor):
        return batch.to(device)
    if isinstance(batch, Mapping):
        return {name: _there(each, device) for name, each in cast("Mapping[str, Any]", batch).items()}
    if isinstance(batch, list | tuple):
        return [_there(each, device) for each in cast("Sequence[Any]", batch)]
    return batch
