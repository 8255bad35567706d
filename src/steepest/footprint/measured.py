"""What the steps of an arm use memory for, counted in two steps that are made."""

from __future__ import annotations

import gc
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset
from steepest.errors import OptionError, is_out_of_memory
from steepest.footprint.ledger import Ledger
from steepest.footprint.timeline import Recorded, Timeline
from steepest.optim.spec import MethodSpec
from steepest.recipe import Execution
from steepest.sweep.bench import Bench, Way


@dataclass(frozen=True)
class Footprint:
    """The bytes of a training step.

    Attributes:
        name: of the arm.
        batch_size: rows of a step.
        by_rows: the tables that are updated by rows.
        data: training, validation and test rows, which stay in memory, and the order of an epoch.
        parameters: of the model, with its buffers.
        gradients: of the parameters.
        optimizer_state: what the optimizer keeps from step to step.
        batch: the rows of a step.
        activations: what the forward pass keeps for the backward pass.
        error_signals: gradients of activations, and what else the backward pass needs at most beside the parameters'
            gradients.
        peak: the most that is in use at once, everything above included.
        peak_in: where: ``forward``, ``backward`` or ``update``.
        largest_batch: rows of the largest batch that fits into ``limit``; 0 if not even one row does.
        limit: the bytes that there are.
        rows: training rows, beyond which no batch goes.
    """

    name: str
    batch_size: int
    by_rows: tuple[str, ...]
    data: int
    parameters: int
    gradients: int
    optimizer_state: int
    batch: int
    activations: int
    error_signals: int
    peak: int
    peak_in: str
    largest_batch: int
    limit: int
    rows: int


def footprint(
    name: str, bench: Bench, method: MethodSpec[Any], tables: tuple[str, ...], limit: int
) -> Footprint:
    """Return the memory of the steps of an arm; four steps are made.

    Args:
        name: of the arm.
        bench: data, model and batch size.
        method: the optimizer.
        tables: those that are updated by rows.
        limit: the bytes that there are.

    Raises:
        OptionError: a step of this batch size does not fit into the memory.
    """
    size, rows = bench.recipe.batch_size, len(bench.dataset.train)
    sizes = (max(1, size // 2), size) if size > 1 else (1, min(2, rows))
    execution = Execution.model_validate(
        {"rows": "on", "executor": "rows" if tables else "dense", "tables": tables, "device": bench.device}
    )
    few, many = (_step(bench, method, execution, each) for each in sizes)
    timeline = Timeline(few.recorded, many.recorded)
    asked = few if size == 1 else many
    step = timeline.at(size)
    data = _bytes([*_tensors(bench.dataset), BatchPlan(rows, size, 0).indices(0)])
    full = (
        0 if method.is_rule else round(method.state_bytes * asked.trained)
    )  # a history grows for some steps
    extra = max(0, full - asked.state_after)
    per_row = _bytes(bench.dataset.train.take(torch.zeros(1, dtype=torch.int64, device=bench.device)).tensors)
    fixed = data + extra
    return Footprint(
        name=name,
        batch_size=size,
        by_rows=tables,
        data=data,
        parameters=asked.parameters,
        gradients=round(step.gradients),
        optimizer_state=max(asked.state, full),
        batch=per_row * size,
        activations=max(0, round(step.activations) - per_row * size),
        error_signals=round(step.error_signals),
        peak=round(step.peak) + fixed,
        peak_in=step.peak_phase,
        largest_batch=timeline.most_rows(limit - fixed, rows),
        limit=limit,
        rows=rows,
    )


@dataclass(frozen=True)
class _Step:
    """A recorded step.

    Attributes:
        recorded: what it allocated.
        parameters: bytes of the model.
        trained: its trainable numbers.
        state: bytes of the optimizer's state before the step.
        state_after: the same after it.
    """

    recorded: Recorded
    parameters: int
    trained: int
    state: int
    state_after: int


def _step(bench: Bench, method: MethodSpec[Any], execution: Execution, size: int) -> _Step:
    """Record the second step of a run: the first one makes what an optimizer keeps."""
    recipe = bench.recipe.model_copy(update={"batch_size": size})
    bench = Bench(bench.dataset, recipe, bench.model, bench.device, bench.programs)
    way = Way(method.for_timing(), execution)
    plan = BatchPlan(len(bench.dataset.train), size, 0)
    known = [*_tensors(bench.dataset), plan.indices(0), plan.indices(1)]
    try:
        with _without_collection(), Ledger(known) as ledger:
            run = bench.begin(way)
            run.make(1)
            own = [*run.problem.model.parameters(), *run.problem.model.buffers()]
            state = _beside(ledger, own)
            before, begun = sum(ledger.alive.values()), len(ledger.events)
            run.make(1)
            events = ledger.events[begun:]
            after = _beside(ledger, own)
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        raise OptionError(
            f"a step with {size} rows does not fit into the memory",
            hint="give a smaller --batch-size: the largest one that fits is worked out from it.",
        ) from None
    return _Step(
        Recorded(size, round(before), events),
        _bytes(own),
        sum(each.numel() for each in run.problem.model.parameters() if each.requires_grad),
        state,
        after,
    )


def _beside(ledger: Ledger, own: Sequence[Tensor]) -> int:
    """Return the bytes that are alive beside a model's tensors and their gradients."""
    numbers = {ledger.number(each) for each in [*own, *(each.grad for each in own if each.grad is not None)]}
    return round(sum(size for number, size in ledger.alive.items() if number not in numbers))


@contextmanager
def _without_collection() -> Generator[None]:
    """Keep the garbage collector, which comes at any time, from freeing tensors inside the block."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _tensors(data: Dataset) -> list[Tensor]:
    parts = (data.train, data.validation, data.test)
    return [each for part in parts for each in part.tensors]


def _bytes(tensors: Any) -> int:
    """Return the bytes of tensors, each storage once."""
    storages = {each.untyped_storage()._cdata: each.untyped_storage().nbytes() for each in tensors}
    return sum(storages.values())
