"""The memory of the training steps of arms, as a table."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl
import torch

from steepest.api import Plan, plan
from steepest.data.sources.contract import Source
from steepest.errors import OptionError
from steepest.experiment.settings import decide, usable_device
from steepest.footprint import TAKEN
from steepest.footprint.measured import Footprint, footprint
from steepest.models import ModelBuilder
from steepest.recipe import CLEARER_NAMES, Execution
from steepest.sweep import machine
from steepest.sweep.bench import Bench
from steepest.sweep.observer import Observer
from steepest.sweep.rows import by_rows, choose_tables
from steepest.wording import memory_text, plain_text

UNITS = {
    "": 1,
    "k": 10**3,
    "m": 10**6,
    "g": 10**9,
    "t": 10**12,
    "ki": 2**10,
    "mi": 2**20,
    "gi": 2**30,
    "ti": 2**40,
}

ROWS: Sequence[tuple[str, Callable[[Footprint], str], str]] = (
    ("data", lambda each: _bytes(each.data), "all rows and their order"),
    ("parameters", lambda each: _bytes(each.parameters), "with the model's buffers"),
    ("gradients", lambda each: _bytes(each.gradients), "of the parameters"),
    ("optimizer state", lambda each: _bytes(each.optimizer_state), "kept from step to step"),
    ("batch", lambda each: _bytes(each.batch), "the rows of a step"),
    ("activations", lambda each: _bytes(each.activations), "kept for the backward pass"),
    ("error signals", lambda each: _bytes(each.error_signals), "gradients of activations"),
    ("peak of a step", lambda each: _bytes(each.peak), "all that is in use at once"),
    ("  reached in", lambda each: each.peak_in, "part of the step"),
    ("largest batch", lambda each: _most(each), "that fits"),
)


@dataclass(frozen=True)
class StepMemory:
    """The memory of the training steps of arms.

    Attributes:
        footprints: of each arm.
        device: where.
    """

    footprints: tuple[Footprint, ...]
    device: str

    @property
    def frame(self) -> pl.DataFrame:
        """One row per arm, in bytes."""
        rows = [{**dataclasses.asdict(each), "by_rows": list(each.by_rows)} for each in self.footprints]
        return pl.DataFrame(rows)

    def to_json(self) -> str:
        """Return all numbers as JSON."""
        found = [dataclasses.asdict(each) for each in self.footprints]
        return json.dumps({"device": self.device, "arms": found}, indent=1, ensure_ascii=False)

    def __rich_console__(self, console: Any, options: Any) -> Any:
        from rich.table import Table as RichTable
        from rich.text import Text

        del console
        first = self.footprints[0]
        table = RichTable(box=None, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("", no_wrap=True)
        for each in self.footprints:
            table.add_column(each.name, justify="right", overflow="fold")
        table.add_column("", style="dim")
        sizes = {each.batch_size for each in self.footprints}
        if len(sizes) > 1:
            table.add_row("batch size", *(f"{each.batch_size:,}" for each in self.footprints), "rows")
        for title, of, about in ROWS:
            table.add_row(title, *(of(each) for each in self.footprints), about)
        yield table
        batch = f" with {first.batch_size:,} rows" if len(sizes) == 1 else ""
        rows = ", ".join(dict.fromkeys(name for each in self.footprints for name in each.by_rows))
        yield Text(
            f"An eager step{batch} on {self.device}; there are {memory_text(first.limit)} for everything above. "
            + (f"Updated by rows: {rows}. " if rows else "")
            + "Counted are tensors, not the libraries and what an operation needs inside.",
            style="dim",
        )

    def __str__(self) -> str:
        return plain_text(self).rstrip("\n")

    def __repr__(self) -> str:
        return str(self)


def memory(
    data: Source | Any,
    *,
    target: str | None = None,
    optimizers: Sequence[Any] | str = "adam",
    model: str | ModelBuilder | Sequence[str | ModelBuilder] | None = None,
    limit: int | str | None = None,
    **options: Any,
) -> StepMemory:
    """Return what a training step needs memory for, and the largest batch that fits.

    Two steps are made at the batch size, and two at half of it; every tensor that they allocate is counted. Where both
    make the same allocations, those of other batch sizes follow exactly.

    Args:
        data: as for :func:`steepest.plan`.
        target: the column to predict.
        optimizers: as for :func:`steepest.plan`.
        model: as for :func:`steepest.plan`.
        limit: the memory that there is, in bytes or as ``"8GiB"``; what is free on the device if left out.
        options: further options of :func:`steepest.plan` that matter here: ``batch_size``, ``precision``, ``loss``,
            ``device``, ``embedding_rows``, those of the model and of the data.

    Raises:
        OptionError: an option does not exist or does not matter here, or not even a step fits.

    Example:
        >>> from steepest.data.table import read_table
        >>> table = read_table({"x": [0.5, 0.1, 0.3] * 400, "y": ["a", "b", "a"] * 400}, target="y")
        >>> found = memory(table, optimizers=["sgd", "adam"], model="embedding-mlp(hidden=[64])", batch_size=32)
        >>> [(each.parameters, each.gradients, each.optimizer_state) for each in found.footprints]
        [(800, 784, 0), (800, 784, 1568)]
    """
    for name in options:
        if CLEARER_NAMES.get(name, name) not in TAKEN:
            raise OptionError(
                f"{name} has no effect on the memory of a step",
                hint=f"leave it out; {', '.join(TAKEN)} have one.",
            )
    return memory_of(plan(data, target=target, optimizers=optimizers, model=model, **options), limit)


def memory_of(made: Plan, limit: int | str | None = None) -> StepMemory:
    """Return the memory of the steps of a plan's arms."""
    execution = made.experiment.execution
    device = usable_device(execution.device)
    most = _free(device) if limit is None else _size(limit)
    settings = decide(made.experiment, made.table, made.given, Observer())
    found: list[Footprint] = []
    for arm in settings.arms:
        dataset = settings.datasets[arm.folds[0]].to(device)
        if arm.recipe.precision == "float64":
            dataset = dataset.wide()
        bench = Bench(dataset, arm.recipe, arm.model, device)
        tables = _tables(bench, arm.method.rule, execution.rows)
        name = arm.title if len(settings.arms) > 1 else str(arm.method.name)
        found.append(footprint(name, bench, arm.method.rule, tables, most))
    return StepMemory(tuple(found), device)


def _tables(bench: Bench, rule: Any, rows: Literal["auto", "on", "off"]) -> tuple[str, ...]:
    """Return the tables that the steps of an optimizer update by rows."""
    if rows == "off":
        return ()
    tables = choose_tables(bench.network(), bench.dataset, bench.recipe.batch_size, rows, bench.device)
    execution = Execution.model_validate({"rows": rows, "executor": "rows", "tables": tables})
    return by_rows(execution, rule)


def _bytes(size: int) -> str:
    return memory_text(size) if size >= 1000 else f"{size} B"


def _most(each: Footprint) -> str:
    if each.largest_batch >= each.rows:
        return f"all {each.rows:,} rows"
    return f"{each.largest_batch:,} rows" if each.largest_batch else "none"


def _free(device: str) -> int:
    """Return the free memory of a device in bytes."""
    if device.startswith("cuda"):
        return torch.cuda.mem_get_info(device)[0]
    found = machine.memory()
    if found is None or not device.startswith("cpu"):
        raise OptionError(f"the free memory of {device!r} is not known", hint="give it: --limit 8GiB.")
    return found[1]


def _size(text: int | str) -> int:
    """Return a size in bytes.

    Example:
        >>> _size("8GiB"), _size("500 MB"), _size(1000)
        (8589934592, 500000000, 1000)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([kmgt]i?)?b?(?:ytes?)?", str(text).strip().lower())
    value = round(float(found[1]) * UNITS[found[2] or ""]) if found else 0
    if not value:
        raise OptionError(f"the limit {text!r} is no size", hint="write it as 8GiB or 500MB.")
    return value
