"""A training step as one function of tensors: rows caught up, forward, loss, gradients, update.

The function is written with the same pieces as the eager step (the rule's ``update``, the closed form's ``apply``,
the problem's loss), and is traced once into one graph without Python. Everything that changes from step to step
enters as a tensor; state tensors are changed in place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as tree

from steepest.data.dataset import Part
from steepest.errors import SteepestError, first_line
from steepest.optim.idle import ClosedForm
from steepest.optim.past import Past
from steepest.optim.rows import RowTable
from steepest.optim.rule import Coefficients, Rule, Slots
from steepest.optim.tables import RowTables, unpadded
from steepest.regularizers.around import held
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
        draws: random numbers of regularizers for gradients, by their names, [n].
    """

    batch: Part
    coefficients: Tensor
    bits: Tensor
    touched: dict[str, Touched]
    draws: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass
class StepState:
    """The tensors that a step changes in place.

    Attributes:
        parameters: those that are updated in full, by name.
        slots: theirs.
        buffers: the model's, by name.
        tables: those that are updated by rows; their rows lag.
        table_slots: theirs.
        fixed: parameters that are not trained.
        averages: of parameters and buffers, which are evaluated in their place.
        masks: what is held at zero of some parameters; they do not change.
    """

    parameters: dict[str, Tensor]
    slots: dict[str, Slots]
    buffers: dict[str, Tensor]
    tables: dict[str, Tensor] = field(default_factory=dict)
    table_slots: dict[str, Slots] = field(default_factory=dict)
    fixed: dict[str, Tensor] = field(default_factory=dict)
    averages: dict[str, Tensor] = field(default_factory=dict)
    masks: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def of(cls, problem: SupervisedProblem, rule: Rule[Any], tables: RowTables | None) -> StepState:
        """Return the state of a new run; the tensors are the model's own."""
        rows: dict[str, RowTable] = {} if tables is None else tables.rows
        named = {name: each.detach() for name, each in problem.model.named_parameters()}
        trained = {name for name, each in problem.model.named_parameters() if each.requires_grad}
        whole = {name: each for name, each in named.items() if name in trained and name not in rows}
        buffers = dict(problem.model.named_buffers())
        return cls(
            parameters=whole,
            slots={name: rule.start(each) for name, each in whole.items()},
            buffers=buffers,
            averages=problem.applied.averages(whole, buffers) if problem.applied else {},
            tables={name: each.weight for name, each in rows.items()},
            table_slots={name: each.slots for name, each in rows.items()},
            fixed={name: each for name, each in named.items() if name not in trained},
            masks=dict(problem.masks),
        )


@dataclass
class Moved:
    """What a step computes before anything is written, by the names of parameters, tables and buffers.

    Attributes:
        loss: of the batch.
        parameters, slots: the new ones of parameters that are updated in full.
        rows, row_slots: the new ones of the gathered rows, [B, …].
        buffers: after the call.
        averages: the new ones.
    """

    loss: Tensor
    parameters: dict[str, Tensor]
    slots: dict[str, Slots]
    rows: dict[str, Tensor]
    row_slots: dict[str, Slots]
    buffers: dict[str, Tensor]
    averages: dict[str, Tensor] = field(default_factory=dict[str, Tensor])


@dataclass(frozen=True)
class Program:
    """A step as a chain: gather rows, core, gradients, clip, update, what follows the update, averages, write.

    Regularizers act on the batch before it, inside the core (penalties), and on gradients, updated weights and
    averages. Everything between gathering and writing is a function that changes nothing, of one run's tensors; of
    several runs' it can be mapped by ``torch.func.vmap``.

    Attributes:
        problem: model and loss.
        rule: the update.
        past: its closed form and the names of its coefficients.
        tables: those that are updated by rows.
        clip: largest 2-norm of the gradient over all parameters, or None.
        idle: parameters that the loss does not depend on, see :func:`without_gradient`; they are not updated.
        rates: parameters and tables with another learning rate, with the place of its coefficients, from 1.
    """

    problem: SupervisedProblem
    rule: Rule[Any]
    past: Past
    names: tuple[str, ...]
    tables: RowTables | None
    clip: float | None
    idle: frozenset[str] = frozenset()
    rates: Mapping[str, int] = field(default_factory=dict[str, int])

    def step(self, state: StepState, changing: Changing) -> Tensor:
        """Make a step and return the batch's loss."""
        with torch.no_grad():
            rows, row_slots = self.gathered(state, changing)
            moved = self.moved(state, rows, row_slots, changing)
            self.written(state, moved, changing)
        return moved.loss

    def gathered(self, state: StepState, changing: Changing) -> tuple[dict[str, Tensor], dict[str, Slots]]:
        """Return the rows that the batch names, with their slots, as they are now; one for each place, [B, …]."""
        found = {
            name: self._caught_up(table, state.table_slots[name], changing.touched[name])
            for name, table in state.tables.items()
        }
        return {name: each[0] for name, each in found.items()}, {
            name: each[1] for name, each in found.items()
        }

    def moved(
        self, state: StepState, rows: dict[str, Tensor], row_slots: dict[str, Slots], changing: Changing
    ) -> Moved:
        """Return what a step changes: the core's gradients, clipped, and the rule's update."""
        numbers = self.numbers(changing.coefficients)
        c, applied = numbers[0], self.problem.applied
        gradients, loss, buffers = self.core(state, rows, changing)
        for name in rows:
            if name in gradients:
                gradients[name] = self._summed(name, gradients[name], changing.touched[name])
        if applied is not None:
            gradients = applied.gradients(gradients, state.parameters, changing.draws, c)
        for name, mask in state.masks.items():
            if name in gradients:
                gradients[name] = gradients[name] * mask
        if self.clip is not None:
            gradients = self._clipped(gradients, changing)
        moved = Moved(loss, {}, {}, {}, {}, buffers)
        weights = state.parameters if applied is None else applied.decayed(state.parameters, c)
        for name, weight in weights.items():
            if name in gradients:
                moved.parameters[name], moved.slots[name] = self.rule.update(
                    gradients[name], weight, state.slots[name], numbers[self.rates.get(name, 0)]
                )
        for name, weight in rows.items():
            grad = gradients.get(name, torch.zeros_like(weight))
            own = numbers[self.rates.get(name, 0)]
            moved.rows[name], moved.row_slots[name] = self.rule.update(grad, weight, row_slots[name], own)
        if applied is not None:
            moved.parameters = applied.updated(moved.parameters, c)
        for name, mask in state.masks.items():
            if name in moved.parameters:
                moved.parameters[name] = held(moved.parameters[name], mask)
        if applied is not None and state.averages:
            values = {**state.parameters, **moved.parameters, **buffers}
            moved.averages = applied.averaged(state.averages, values, c)
        return moved

    def numbers(self, coefficients: Tensor) -> list[Coefficients]:
        """Return the coefficients of a step by name: the rule's and the regularizers', then those of other rates."""
        values = coefficients.unbind(0)
        first, rest = values[: len(self.names)], values[len(self.names) :]
        count = max(self.rates.values(), default=0)
        width = len(rest) // count if count else 0
        others = [rest[width * place : width * (place + 1)] for place in range(count)]
        return [dict(zip(self.names, each, strict=False)) for each in (first, *others)]

    def core(
        self, state: StepState, rows: dict[str, Tensor], changing: Changing
    ) -> tuple[dict[str, Tensor], Tensor, dict[str, Tensor]]:
        """Return the gradients of the parameters and rows that have one, the batch's loss, and the buffers after."""
        trained = {**state.parameters, **rows}
        still = {**state.fixed, **{name: trained[name] for name in trained if name in self.idle}}
        leaves = {name: each for name, each in trained.items() if name not in self.idle}

        def loss_of(leaves: dict[str, Tensor]) -> tuple[Tensor, tuple[Tensor, dict[str, Tensor]]]:
            loss, reported, after = self.losses({**still, **leaves}, state.buffers, changing)
            return loss, (reported, after)

        gradients, (loss, buffers) = torch.func.grad(loss_of, has_aux=True)(leaves)
        return gradients, loss, buffers

    def losses(
        self, params: dict[str, Tensor], buffers: dict[str, Tensor], changing: Changing
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Return the batch's loss with penalties and without, and the buffers after, with rows in the tables' place."""
        places = {
            name: torch.arange(len(each.ids), device=each.ids.device)
            for name, each in changing.touched.items()
        }
        modules = [] if self.tables is None else self.tables.modules.values()
        with unpadded(modules):
            outputs, after = self.problem.outputs(
                params, buffers, self.problem.placed(changing.batch, places), {"dropout": changing.bits}
            )
        loss = self.problem.batch_loss(outputs, changing.batch)
        numbers = self.numbers(changing.coefficients)[0]
        return self.problem.penalised(loss, params, numbers), loss, after

    def written(self, state: StepState, moved: Moved, changing: Changing) -> None:
        """Write what a step changes into the state."""
        for name, value in moved.buffers.items():
            state.buffers[name].copy_(value)
        for name, value in moved.averages.items():
            state.averages[name].copy_(value)
        for name, new in moved.parameters.items():
            for key, value in moved.slots[name].items():
                state.slots[name][key].copy_(value)
            state.parameters[name].copy_(new)
        for name, new in moved.rows.items():
            ids = changing.touched[name].ids
            for key, value in moved.row_slots[name].items():
                state.table_slots[name][key].index_copy_(0, ids, value)
            state.tables[name].index_copy_(0, ids, new)

    def _caught_up(self, table: Tensor, slots: Slots, touched: Touched) -> tuple[Tensor, Slots]:
        weight = table.index_select(0, touched.ids)
        own = {name: value.index_select(0, touched.ids) for name, value in slots.items()}
        if self.past.form is None or not len(touched.columns):
            return weight, own
        return self.past.form.apply(weight, own, touched.columns.unbind(0))

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


def flat(state: StepState, changing: Changing) -> list[Tensor]:
    """Return all tensors in the order in which a program takes them."""
    return [*flat_state(state), *flat_changing(changing)]


def flat_state(state: StepState) -> list[Tensor]:
    """Return the tensors of a state in order."""
    return tree.tree_leaves(parts_of(state))


def parts_of(state: StepState) -> list[Any]:
    """Return the parts of a state in order: tensors by their names."""
    return [getattr(state, each.name) for each in fields(StepState)]


def flat_changing(changing: Changing) -> list[Tensor]:
    """Return the tensors that change in order."""
    touched = [
        tensor for each in changing.touched.values() for tensor in (each.ids, each.first, each.columns)
    ]
    draws = changing.draws.values()
    return [*changing.batch.tensors, changing.coefficients, changing.bits, *draws, *touched]


def changed(like: Changing, tensors: Sequence[Tensor]) -> Changing:
    """Return what changes from tensors in the order of :func:`flat_changing`."""
    size = len(like.batch.tensors)
    start = size + 2 + len(like.draws)
    draws, touched = dict(zip(like.draws, tensors[size + 2 : start], strict=True)), tensors[start:]
    by_name = {name: Touched(*touched[3 * i : 3 * i + 3]) for i, name in enumerate(like.touched)}
    return Changing(like.batch.holding(tensors[:size]), tensors[size], tensors[size + 1], by_name, draws)


def step_of(steps: Changing, place: int, device: torch.device | str) -> Changing:
    """Return what one of some steps needs, on a device."""
    touched = {
        name: Touched(*(each[place].to(device) for each in (of.ids, of.first, of.columns)))
        for name, of in steps.touched.items()
    }
    batch = steps.batch.map(lambda each: each[place].to(device))
    draws = {name: each[place].to(device) for name, each in steps.draws.items()}
    return Changing(batch, steps.coefficients[place].to(device), steps.bits[place].to(device), touched, draws)


def trace(program: Program, state: StepState, changing: Changing) -> Traced:
    """Return a step as a graph; nothing is computed and no tensor is changed.

    Raises:
        NotTraceableError: the model or the rule does something that depends on the values, or draws random numbers
            in another way than by dropout.
    """
    return trace_step(
        lambda: replace(program, idle=without_gradient(program, state, changing)).step, state, changing
    )


def trace_step(
    make: Callable[[], Callable[[StepState, Changing], Tensor]], state: StepState, changing: Changing
) -> Traced:
    """Return the step that ``make`` returns as a graph, as :func:`trace` does."""
    try:
        graph = _graph(make(), state, changing)
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
    return Traced(graph, tuple(flat(state, changing)))


def without_gradient(program: Program, state: StepState, changing: Changing) -> frozenset[str]:
    """Return the parameters and tables that a step's loss does not depend on; nothing is computed.

    ``torch.func`` gives them gradients of zero, with which weights would still decay; ``backward`` gives them none.
    """
    idle: set[str] = set()

    def function(there: StepState, then: Changing) -> Tensor:
        with torch.no_grad():
            rows, _ = program.gathered(there, then)
        leaves = {name: each.detach().requires_grad_() for name, each in {**there.parameters, **rows}.items()}
        loss, *_ = program.losses({**there.fixed, **leaves}, there.buffers, then)
        found: Any = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        idle.update(name for name, each in zip(leaves, found, strict=True) if each is None)
        return loss.detach()

    _graph(function, state, changing)
    return frozenset(idle)


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


def _graph(
    function: Callable[[StepState, Changing], Tensor], state: StepState, changing: Changing
) -> fx.GraphModule:
    """Return a function as a graph of the flat list of tensors; nothing is computed."""
    leaves, spec = tree.tree_flatten(parts_of(state))

    def flattened(*tensors: Tensor) -> Tensor:
        there = StepState(*tree.tree_unflatten(list(tensors[: len(leaves)]), spec))
        return function(there, changed(changing, tensors[len(leaves) :]))

    return make_fx(flattened, tracing_mode="fake", _allow_non_fake_inputs=True)(*flat(state, changing))


def _is_random(target: Any) -> bool:
    return torch.Tag.nondeterministic_seeded in getattr(target, "tags", ())
