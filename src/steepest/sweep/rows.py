"""Which embedding tables are executed by rows, and by which optimizers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from steepest.data.dataset import Dataset, Note
from steepest.errors import OptionError
from steepest.objectives import make_objective
from steepest.objectives.target import target_of
from steepest.optim.rows import check_rule
from steepest.optim.spec import MethodSpec
from steepest.optim.tables import embedding, unpadded
from steepest.recipe import Execution, ExecutionOptions, Recipe
from steepest.regularizers.check import moves_tables
from steepest.train.problem import SupervisedProblem, table_columns

LARGE_TABLE = 500_000
"""A table with fewer numbers is as quickly updated whole."""
ROWS_A_BATCH = 8
"""A table with fewer times as many rows as a batch is as quickly updated whole."""


def choose_tables(
    net: nn.Module, dataset: Dataset, batch_size: int, rows: str, device: str
) -> tuple[str, ...]:
    """Return the parameters of the tables that are worth executing by rows, or with ``rows="on"`` of all.

    Raises:
        OptionError: rows are asked for, and a table or the device does not allow it.
    """
    columns = tuple(dataset.shape.cardinalities)
    declared = tuple(table_columns(net, columns))
    if rows == "on":
        if device != "cpu":
            raise OptionError(
                f"tables are updated by rows on the CPU only, not on {device!r}",
                hint="leave --embedding-rows out.",
            )
        check_rows(net, dataset, [])
        return declared
    if device != "cpu" or len(dataset.train) < 2:
        return ()
    by_column: dict[int, list[str]] = {}
    for name, column in table_columns(net, columns).items():
        by_column.setdefault(column, []).append(name)
    found = tuple(name for names in by_column.values() if _worth(net, names, batch_size) for name in names)
    return found if found and _only_looked_up(net, dataset, found) else ()


def _worth(net: nn.Module, names: Sequence[str], batch_size: int) -> bool:
    """Whether the tables that one column's codes are looked up in are worth executing by rows; all or none are."""
    weights = dict(net.named_parameters())
    try:
        for name in names:
            embedding(net, name)
    except OptionError:
        return False
    rows = max(len(weights[name]) for name in names)
    return rows >= ROWS_A_BATCH * batch_size and sum(weights[name].numel() for name in names) >= LARGE_TABLE


def about_rows(net: nn.Module, dataset: Dataset, recipe: Recipe, asked: ExecutionOptions) -> list[Note]:
    """Return a note if tables that would be executed by rows are not, because a regularizer acts on all their rows."""
    moving = moves_tables(recipe.regularizer)
    if not moving or asked.rows != "auto" or asked.device not in ("auto", "cpu"):
        return []
    tables = choose_tables(net, dataset, recipe.batch_size, asked.rows, "cpu")
    text = (
        f"{moving} acts on every row of {', '.join(tables)} in every step: in this arm these tables are updated "
        "densely, not by rows."
    )
    return [Note("info", text)] if tables else []


def check_rows(
    net: nn.Module, dataset: Dataset, rules: Sequence[MethodSpec[Any]], regularizer: str = ""
) -> None:
    """Refuse what cannot be executed by rows, where rows are asked for.

    Raises:
        OptionError: the model declares no tables, a table, a rule or a regularizer does not allow it, or the model
            uses the codes of a table for more than looking up.
    """
    if moving := moves_tables(regularizer):
        raise OptionError(
            f"the regularizer {moving!r} acts on every row of the embedding tables",
            hint="leave --embedding-rows out, or choose other parameters by its option on.",
        )
    for rule in rules:
        check_rule(rule)
    names = tuple(table_columns(net, tuple(dataset.shape.cardinalities)))
    if not names:
        raise OptionError(
            "the model declares no tables of the data's categorical columns",
            hint='give it tables = {"column": "parameter"}, or leave --embedding-rows out.',
        )
    for name in names:
        embedding(net, name)
    if not _only_looked_up(net, dataset, names):
        raise OptionError(
            f"the model uses the codes of {', '.join(names)} for more than looking up rows",
            hint="leave that table out of the model's tables.",
        )


def _only_looked_up(net: nn.Module, dataset: Dataset, names: tuple[str, ...]) -> bool:
    """Return whether the outputs are the same with gathered rows in the place of the tables."""
    objective = make_objective("", target_of(dataset))
    problem = SupervisedProblem(net, objective, columns=tuple(dataset.shape.cardinalities))
    count = len(dataset.train)
    batch = dataset.train.take(torch.arange(0, count, max(1, count // 64))).to("cpu")
    weights = dict(net.named_parameters())
    rows: dict[str, torch.Tensor] = {}
    places: dict[str, torch.Tensor] = {}
    for name in names:
        distinct, places[name] = torch.unique(problem.codes(batch)[name], return_inverse=True)
        rows[name] = weights[name].detach()[distinct]
    training = net.training
    net.eval()
    try:
        with torch.no_grad(), unpadded([embedding(net, name) for name in names]):
            placed = problem.placed(batch, places)
            return torch.equal(net(*batch.inputs), torch.func.functional_call(net, rows, placed.inputs))
    finally:
        net.train(training)


def by_rows(execution: Execution, rule: MethodSpec[Any]) -> tuple[str, ...]:
    """Return the tables that a rule executes by rows; unasked only where its idle steps have a closed form.

    Example:
        >>> from steepest.optim import make_rule
        >>> plan = Execution(executor="rows", tables=("embeddings.0.weight",))
        >>> [by_rows(plan, make_rule(name)) for name in ("adam", "nadam")]
        [('embeddings.0.weight',), ()]
    """
    if execution.executor != "rows" or not (execution.rows == "on" or rule.has_closed_form):
        return ()
    return execution.tables
