"""A training step as one function of tensors: rows caught up, forward, loss, gradients, update.

The function is written with the same pieces as the eager step (the rule's ``update``, the closed form's ``apply``,
the problem's loss), and is traced once into one graph without Python. Everything that changes from step to step
enters as a tensor; state tensors are changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as tree

from steepest.data.dataset import Part
from steepest.errors import SteepestError, first_line
from steepest.optim.idle import ClosedForm
from steepest.optim.past import Past
from steepest.optim.rows import Rows
from steepest.optim.rule import Rule, Slots
from steepest.optim.tables import RowTables, unpadded
from steepest.train.dropout import Dropout
from steepest.train.problem import SupervisedProblem


class NotTraceableError(SteepestError):
    """A step cannot become one program; the fact says why."""


@dataclass
class Touched:
    """What one step needs to know of a table's rows.

    Attributes:
        ids: the row of each place of the batch, [B], with repeats.
        first: a place with the same row, the same for all of them, [B].
        columns: numbers for the idle steps, [width, B].
    """

    ids: Tensor
    first: Tensor
    columns: Tensor


@dataclass
class Changing:
    """What differs from step to step; of several steps, each tensor has them as its first dimension.

    Attributes:
        batch: inputs and target, and weights of rows where there are any.
        coefficients: of the update, [c].
        bits: for the masks, 16-bit numbers [n].
        touched: by table.
    """

    batch: Part
    coefficients: Tensor
    bits: Tensor
    touched: dict[str, Touched]


@dataclass
class State:
    """The tensors that a step changes in place.

    Attributes:
        parameters: those that are updated in full, by name.
        slots: theirs.
        buffers: the model's, by name.
        tables: those that are updated by rows; their rows lag.
        table_slots: theirs.
        fixed: parameters that are not trained.
    """

    parameters: dict[str, Tensor]
    slots: dict[str, Slots]
    buffers: dict[str, Tensor]
    tables: dict[str, Tensor] = field(default_factory=dict)
    table_slots: dict[str, Slots] = field(default_factory=dict)
    fixed: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: SupervisedProblem, rule: Rule[Any], tables: RowTables | None) -> State:
        """Return the state of a new run; the tensors are the model's own."""
        rows: dict[str, Rows] = {} if tables is None else tables.rows
        named = {name: each.detach() for name, each in problem.model.named_parameters()}
        trained = {name for name, each in problem.model.named_parameters() if each.requires_grad}
        whole = {name: each for name, each in named.items() if name in trained and name not in rows}
        return cls(
            parameters=whole,
            slots={name: rule.start(each) for name, each in whole.items()},
            buffers=dict(problem.model.named_buffers()),
            tables={name: each.weight for name, each in rows.items()},
            table_slots={name: each.slots for name, each in rows.items()},
            fixed={name: each for name, each in named.items() if name not in trained},
        )


@dataclass(frozen=True)
class Program:
    """A step as a function ``step(state, changing)`` that returns the loss.

    Attributes:
        problem: model and loss.
        rule: the update.
        past: its closed form and the names of its coefficients.
        tables: those that are updated by rows.
        clip: largest 2-norm of the gradient over all parameters, or None.
    """

    problem: SupervisedProblem
    rule: Rule[Any]
    past: Past
    names: tuple[str, ...]
    tables: RowTables | None
    clip: float | None

    def step(self, state: State, changing: Changing) -> Tensor:
        """Make a step and return the batch's loss."""
        c = dict(zip(self.names, changing.coefficients.unbind(0), strict=True))
        rows: dict[str, Tensor] = {}
        row_slots: dict[str, Slots] = {}
        with torch.no_grad():
            for name, table in state.tables.items():
                rows[name], row_slots[name] = self._caught_up(
                    table, state.table_slots[name], changing.touched[name]
                )
        leaves = {name: each.detach().requires_grad_() for name, each in {**state.parameters, **rows}.items()}
        loss = self._loss(state, leaves, changing)
        found: Any = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        gradients: dict[str, Tensor] = {
            name: each for name, each in zip(leaves, found, strict=True) if each is not None
        }
        with torch.no_grad():
            for name in rows:
                if name in gradients:
                    gradients[name] = self._summed(name, gradients[name], changing.touched[name])
            if self.clip is not None:
                gradients = self._clipped(gradients, changing)
            for name, weight in state.parameters.items():
                if name in gradients:
                    new, slots = self.rule.update(gradients[name], weight, state.slots[name], c)
                    for key, value in slots.items():
                        state.slots[name][key].copy_(value)
                    weight.copy_(new)
            for name, weight in rows.items():
                grad = gradients.get(name, torch.zeros_like(weight))
                new, slots = self.rule.update(grad, weight, row_slots[name], c)
                ids = changing.touched[name].ids
                for key, value in slots.items():
                    state.table_slots[name][key].index_copy_(0, ids, value)
                state.tables[name].index_copy_(0, ids, new)
        return loss.detach()

    def _caught_up(self, table: Tensor, slots: Slots, touched: Touched) -> tuple[Tensor, Slots]:
        weight = table.index_select(0, touched.ids)
        own = {name: value.index_select(0, touched.ids) for name, value in slots.items()}
        if self.past.form is None or not len(touched.columns):
            return weight, own
        return self.past.form.apply(weight, own, touched.columns.unbind(0))

    def _loss(self, state: State, leaves: dict[str, Tensor], changing: Changing) -> Tensor:
        place = 0

        def draw(count: int) -> Tensor:
            nonlocal place
            start, place = place, place + -(-count // 4) * 4
            return changing.bits[start : start + count]

        places = {
            name: torch.arange(len(each.ids), device=each.ids.device)
            for name, each in changing.touched.items()
        }
        modules = [] if self.tables is None else self.tables.modules.values()
        with Dropout(draw), unpadded(modules):
            return self.problem.loss_with(changing.batch, {**state.fixed, **state.buffers, **leaves}, places)

    def _summed(self, name: str, grad: Tensor, touched: Touched) -> Tensor:
        """Return for each place the sum of the gradients of all places with its row; 0 for the padding's row."""
        total = torch.zeros_like(grad).index_add(0, touched.first, grad).index_select(0, touched.first)
        padding = self.tables.modules[name].padding_idx if self.tables else None
        return total if padding is None else torch.where((touched.ids == padding)[:, None], 0.0, total)

    def _clipped(self, gradients: dict[str, Tensor], changing: Changing) -> dict[str, Tensor]:
        """Return the gradients times what brings their norm below the limit, as torch's ``clip_grad_norm_``."""
        squares: list[Tensor] = []
        for name, each in gradients.items():
            square = each * each
            if name in changing.touched:  # each distinct row once
                first = changing.touched[name].first
                square = square * (first == torch.arange(len(first), device=first.device))[:, None].to(
                    square.dtype
                )
            squares.append(square.sum())
        norm = torch.stack(squares).sum().sqrt()
        factor = (float(self.clip or 0.0) / (norm + 1e-6)).clamp(max=1.0)
        return {name: each * factor for name, each in gradients.items()}


@dataclass(frozen=True)
class Traced:
    """A step as a graph of tensor operations.

    Attributes:
        graph: takes the flat list of state and changing tensors, returns the loss.
        examples: tensors of the right shapes, without memory of their own where they are large.
    """

    graph: fx.GraphModule
    examples: tuple[Tensor, ...]


def flat(state: State, changing: Changing) -> list[Tensor]:
    """Return all tensors in the order in which a program takes them."""
    return [*flat_state(state), *flat_changing(changing)]


def flat_state(state: State) -> list[Tensor]:
    """Return the tensors of a state in order."""
    return tree.tree_leaves(_parts(state))


def _parts(state: State) -> list[Any]:
    return [getattr(state, each.name) for each in fields(State)]


def flat_changing(changing: Changing) -> list[Tensor]:
    """Return the tensors that change in order."""
    touched = [
        tensor for each in changing.touched.values() for tensor in (each.ids, each.first, each.columns)
    ]
    return [*changing.batch.tensors, changing.coefficients, changing.bits, *touched]


def step_of(steps: Changing, place: int, device: torch.device | str) -> Changing:
    """Return what one of some steps needs, on a device."""
    touched = {
        name: Touched(*(each[place].to(device) for each in (of.ids, of.first, of.columns)))
        for name, of in steps.touched.items()
    }
    batch = steps.batch.map(lambda each: each[place].to(device))
    return Changing(batch, steps.coefficients[place].to(device), steps.bits[place].to(device), touched)


def trace(program: Program, state: State, changing: Changing) -> Traced:
    """Return a step as a graph; nothing is computed and no tensor is changed.

    Raises:
        NotTraceableError: the model or the rule does something that depends on the values, or draws random numbers
            in another way than by dropout.
    """
    examples = tuple(flat(state, changing))
    function = _flat_function(program, state, changing)
    try:
        graph = make_fx(function, tracing_mode="fake", _allow_non_fake_inputs=True)(*examples)
    except Exception as error:
        raise NotTraceableError(
            f"the step cannot be traced: {type(error).__name__}: {first_line(error)}",
            hint="it runs eagerly, --compile off.",
        ) from error
    drawn = [node for node in graph.graph.nodes if _is_random(node.target)]
    if drawn:
        raise NotTraceableError(
            f"the model draws random numbers by {drawn[0].target}",
            hint="only nn.Dropout can be compiled; it runs eagerly, --compile off.",
        )
    return Traced(graph, examples)


def trace_closed_form(form: ClosedForm, weight: Tensor, slots: Slots, columns: Tensor) -> Traced:
    """Return what a closed form does to the weights of some rows, as a graph.

    Args:
        form: the closed form.
        weight: an example of the rows, [n, …].
        slots: of the table; their names and kinds count.
        columns: an example of the rows' numbers, [width, n].
    """
    examples = (torch.empty_like(weight).contiguous(), *(torch.empty_like(weight) for _ in slots), columns)

    def function(*tensors: Tensor) -> Tensor:
        given = dict(zip(slots, tensors[1:-1], strict=True))
        return form.apply(tensors[0], given, tensors[-1].unbind(0))[0]

    return Traced(make_fx(function, tracing_mode="fake")(*examples), examples)


def _flat_function(program: Program, state: State, changing: Changing) -> Callable[..., Tensor]:
    leaves, spec = tree.tree_flatten(_parts(state))
    size, names = len(changing.batch.tensors), tuple(changing.touched)

    def function(*tensors: Tensor) -> Tensor:
        there = State(*tree.tree_unflatten(list(tensors[: len(leaves)]), spec))
        rest: Sequence[Tensor] = tensors[len(leaves) :]
        batch = changing.batch.holding(rest[:size])
        touched = rest[size + 2 :]
        by_name = {name: Touched(*touched[3 * i : 3 * i + 3]) for i, name in enumerate(names)}
        return program.step(there, Changing(batch, rest[size], rest[size + 1], by_name))

    return function


def _is_random(target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())
