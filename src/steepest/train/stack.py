"""Several runs in one program: their tensors have the runs as first dimension, and every step is that of all.

The core of a step (outputs, loss, gradients, clipping, update) is that of a single run, mapped over the runs by
``torch.func.vmap``. Tables by rows are gathered and written outside it, as one table [R·V, D]. A run's model, its
slots and its tables are views of the tensors of all, so that evaluation, the best weights and the record are those of a
single run. Every run has its own order of rows, dropout masks, coefficients, clipping and callbacks.

Products of matrices are batched, which rounds otherwise than the products of one run: a run of a stack has the numbers
of the same run alone up to rounding, and the same bits whenever the same runs are stacked in the same order.
"""

from __future__ import annotations

import contextlib
import time
import warnings
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils import _pytree as tree

from steepest.data.dataset import Dataset
from steepest.errors import OptionError
from steepest.models import ModelBuilder
from steepest.optim.method import RuleMethod, StepInfo
from steepest.optim.rule import Rule
from steepest.paths.option import KeepPath
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.train.active import ActiveRun
from steepest.train.aot import Run, compiled
from steepest.train.callback import Hooks
from steepest.train.compiled import CompiledMethod, CompiledState, fingerprint
from steepest.train.cuda_graph import Losses, Replay, pointed, replays
from steepest.train.cuda_method import replayable
from steepest.train.finished import Finished, Purpose
from steepest.train.inputs import block_of, blocks
from steepest.train.loop import Progress, drive
from steepest.train.program import (
    Changing,
    Moved,
    Program,
    StepState,
    Touched,
    Traced,
    changed,
    flat_changing,
    flat_state,
    step_of,
    trace_step,
    without_gradient,
)


@dataclass(frozen=True)
class StackedRun:
    """One run of a stack.

    Attributes:
        dataset, recipe, key: as of :func:`~steepest.train.loop.train`.
        method: a rule with its schedule.
        start, masked, steps_before, hooks: as of ``train``.
    """

    dataset: Dataset
    recipe: Recipe
    key: RunKey
    method: RuleMethod
    start: Mapping[str, Tensor] | None = None
    masked: Mapping[str, Tensor] | None = None
    steps_before: int = 0
    hooks: Hooks | None = None


def train_stack(
    members: Sequence[StackedRun],
    *,
    model: ModelBuilder | None = None,
    device: str = "cpu",
    evaluations: int = 20,
    metrics: tuple[str, ...] = (),
    read_test: bool = False,
    progress: Progress | None = None,
    keep_last: bool = False,
    compiling: bool = True,
    watch: tuple[str, ...] = (),
    keep_path: KeepPath | None = None,
) -> list[Finished]:
    """Train several runs together and return what each leaves, in their order.

    They have the same model, length, batch size, precision, loss and clipping, and the same rule but for its learning
    rate; seeds, rates, schedules, data of the same shape and callbacks may differ. A run that ends before the others
    stays in the program, unseen. The bits of a run depend on which others there are and on their order.

    Args:
        members: the runs.
        model: a callable that builds the user's own model; otherwise the recipe's specification is built.
        device, evaluations, metrics, read_test, progress, keep_last, watch, keep_path: as of
            :func:`~steepest.train.loop.train`.
        compiling: compile the step; otherwise its operations are made one after the other.

    Raises:
        OptionError: the runs cannot be one program; the fact says why.
        NotTraceableError: nor can a single one.

    Example:
        >>> from steepest.data.table import read_table
        >>> from steepest.optim import make_rule
        >>> from steepest.optim.method import GradientMethod
        >>> data = read_table({"x": [0.5, 0.1, 0.3, 0.9] * 40, "y": ["a", "b", "a", "b"] * 40}, target="y").dataset()
        >>> recipe = Recipe(data=data.fingerprint, model="linear", optimizer="sgd", schedule="constant", steps=20,
        ...                 batch_size=16, metric="log_loss")
        >>> members = []
        >>> for seed in (0, 1, 2):
        ...     method = GradientMethod(make_rule("sgd(lr=0.5)"), lambda step: 1.0)
        ...     key = RunKey(name="sgd", recipe=recipe.id, seed=seed, phase="final")
        ...     members.append(StackedRun(data, recipe, key, method))
        >>> [(each.record.key.seed, each.record.outcome) for each in train_stack(members, compiling=False)]
        [(0, 'finished'), (1, 'finished'), (2, 'finished')]
    """
    purpose = Purpose(evaluations, metrics, read_test, keep_last, watch=watch, keep_path=keep_path)
    runs = [
        ActiveRun(
            each.dataset,
            each.recipe,
            each.key,
            _method(each),
            purpose,
            model=model,
            device=device,
            start=each.start,
            masked=each.masked,
            steps_before=each.steps_before,
            hooks=each.hooks,
            together=len(members),
        )
        for each in members
    ]
    check_alike(runs)
    stack = Stack.of(runs, compiling=compiling)
    return drive(runs, stack.steps, progress)


def _method(member: StackedRun) -> CompiledMethod:
    """Return what prepares the steps of one run.

    Raises:
        OptionError: it is no rule, or couples all parameters.
    """
    method: Any = member.method
    rule: Any = getattr(method, "rule", None)
    if not isinstance(rule, Rule) or rule.couples != "element":
        why = "is no rule" if not isinstance(rule, Rule) else f"couples the elements of a {rule.couples}"
        raise OptionError(
            f"{member.key.name} {why}, so its runs cannot be stacked", hint="train them one after the other."
        )
    return CompiledMethod(**{each.name: getattr(method, each.name) for each in fields(RuleMethod)})


def check_alike(runs: Sequence[ActiveRun]) -> None:
    """Refuse runs that are not the same program.

    Raises:
        OptionError: they differ in something that is no tensor, or in a shape.
    """
    facts = [_facts(run) for run in runs]
    for what, first in facts[0].items():
        others = [each[what] for each in facts if each[what] != first]
        if others:
            shown = "" if what == "model" else f": {first} and {others[0]}"
            raise OptionError(
                f"the runs of a stack differ in their {what}{shown}",
                hint="stack runs that differ in seed, rate, schedule or data alone.",
            )


NAMES = {"clip": "clipping", "by_rows": "tables by rows"}
"""What some fields of a method are called."""


def _decided() -> list[str]:
    """Return the names of what a method has besides its rule and its schedule."""
    return [each.name for each in fields(RuleMethod) if each.name not in ("rule", "schedule")]


def _facts(run: ActiveRun) -> dict[str, Any]:
    method = cast("CompiledMethod", run.method)
    hyper = {name: value for name, value in method.rule.hyper.model_dump().items() if name != "lr"}
    training = run.feed.part
    return {
        "model": fingerprint(run.net),
        "rule": f"{type(method.rule).__name__} {hyper}",
        **{NAMES.get(name, name): getattr(method, name) for name in _decided()},
        "pruned weights": sorted(run.problem.masks),
        "loss, class weights, precision or regularizer": run.problem.constants,
        "length": (run.recipe.length, run.recipe.gradients),
        "batch size": run.plan.size,
        "steps per epoch": run.plan.batches_per_epoch,
        "kind of rows": [(tuple(each.shape[1:]), str(each.dtype)) for each in training.tensors],
    }


@dataclass
class Stack:
    """The program of R runs, and their state.

    Attributes:
        runs: in their order.
        members: the state of each, whose tensors are views of those of all.
        state: the tensors of all, [R, …].
        compiling: whether the step is compiled.
        run: the step as a program, from the first one on.
        replay: makes the steps on a CUDA device instead.
    """

    runs: Sequence[ActiveRun]
    members: list[CompiledState]
    state: StepState
    compiling: bool
    run: Run | None = None
    replay: Replay | None = None
    fixed: list[Tensor] = field(default_factory=list)

    @classmethod
    def of(cls, runs: Sequence[ActiveRun], *, compiling: bool = True) -> Stack:
        """Return the stack of new runs, and begin them."""
        parameters = _shared([dict(run.net.named_parameters()) for run in runs])
        buffers = _shared([dict(run.net.named_buffers()) for run in runs])
        members: list[CompiledState] = [run.method.init(run.problem) for run in runs]
        first, states = members[0].state, [each.state for each in members]
        state = StepState(
            parameters={name: parameters[name] for name in first.parameters},
            slots={name: _shared([each.slots[name] for each in states]) for name in first.slots},
            buffers=buffers,
            tables={name: parameters[name] for name in first.tables},
            table_slots={name: _shared([each.table_slots[name] for each in states]) for name in first.tables},
            fixed={name: parameters[name] for name in first.fixed},
            averages=_shared([each.averages for each in states]),
            masks=_shared([each.masks for each in states]),
        )
        made = cls(runs, members, state, compiling)
        for run, member in zip(runs, members, strict=True):
            run.begin(member)
        return made

    def steps(self, first: int, count: int) -> Iterator[Sequence[StepInfo]]:
        """Make ``count`` steps of all runs from step ``first`` on, and yield the reports of each step."""
        waiting: Losses | None = None
        for start, some in blocks(self.most, first, count):
            started = self._started(start, some)  # a device is still making the block before
            if waiting is not None:
                yield from reports(waiting)
            waiting = started
        if waiting is not None:
            yield from reports(waiting)

    @property
    def most(self) -> int:
        """Steps that are prepared at once."""
        return block_of(self.runs[0].feed, len(self.runs))

    @property
    def device(self) -> torch.device:
        """Where the runs are."""
        return self.runs[0].feed.part.target.device

    def _started(self, first: int, count: int) -> Losses:
        """Start some steps and return their losses, [steps, R]."""
        prepared = [
            cast("CompiledMethod", run.method).prepared(run.problem, member, run.feed, first, count)
            for run, member in zip(self.runs, self.members, strict=True)
        ]
        tensors = [torch.stack(each, 1) for each in zip(*map(flat_changing, prepared), strict=True)]
        if replays(self.device):
            if self.replay is None:
                self.replay = self._replay(prepared[0], tensors)
            return self.replay.start(tensors)
        if self.run is None:
            one = changed(prepared[0], [each[0] for each in tensors])
            traced = self._traced(prepared[0], one)
            with self._timed():
                self.run = self._program(traced)
            self.fixed = flat_state(self.state)
        with torch.no_grad():
            losses = [self.run([*self.fixed, *step])[0] for step in zip(*tensors, strict=True)]
        return Losses(torch.stack(losses))

    @contextlib.contextmanager
    def _timed(self) -> Generator[None]:
        """Count what the block takes as compiling, a share for each run."""
        started = time.perf_counter()
        yield
        for each in self.members:
            each.seconds += (time.perf_counter() - started) / len(self.members)

    def _traced(self, of_one: Changing, example: Changing) -> Traced:
        """Return the step of all runs as a graph."""
        member = self.members[0]

        def step() -> Callable[[StepState, Changing], Tensor]:
            idle = without_gradient(member.program, member.state, step_of(of_one, 0, self.device))
            return StackedProgram(replace(member.program, idle=idle), len(self.runs)).step

        with (
            self._timed(),
            warnings.catch_warnings(),
        ):  # what vmap cannot map is made run by run, in the graph
            warnings.filterwarnings("ignore", "There is a performance drop", UserWarning)
            return trace_step(step, self.state, example)

    def _program(self, traced: Traced) -> Run:
        """Return a graph as a program."""
        graph = traced.graph
        if self.compiling:
            return compiled(traced, torch.get_num_threads()).run
        return lambda tensors: [graph(*tensors)]

    def _replay(self, of_one: Changing, tensors: Sequence[Tensor]) -> Replay:
        """Return what makes the steps of all runs on a CUDA device."""
        fixed = flat_state(self.state)
        one = changed(of_one, [each[0].to(self.device) for each in tensors])
        traced = self._traced(of_one, one)
        with self._timed():
            run = (
                replayable(traced, len(fixed), self.most, len(self.runs))
                if self.compiling
                else pointed(self._program(traced), len(fixed))
            )
            return Replay(run, fixed, tensors, self.most, len(self.runs))


def reports(losses: Losses) -> Iterator[Sequence[StepInfo]]:
    """Yield the reports of each step, of all runs."""
    for step in losses.tolist():
        yield [StepInfo(loss) for loss in step]


@dataclass(frozen=True)
class StackedProgram:
    """A step of R runs as a function of tensors whose first dimension is the run.

    Attributes:
        program: the step of one of them.
        runs: R.
    """

    program: Program
    runs: int

    def step(self, state: StepState, changing: Changing) -> Tensor:
        """Make a step of every run and return the losses of the batches, [R]."""
        rows: Any
        row_slots: Any
        with torch.no_grad():
            joined, touched = self._joined(state, changing)
            rows, row_slots = tree.tree_map(self._apart, self.program.gathered(joined, touched))
            moved = self._moved(state, rows, row_slots, changing)
            rows, row_slots = tree.tree_map(_flat, (moved.rows, moved.row_slots))
            self.program.written(joined, replace(moved, rows=rows, row_slots=row_slots), touched)
        return moved.loss

    def _moved(self, state: StepState, rows: Any, row_slots: Any, changing: Changing) -> Moved:
        """Return what the step of every run changes, [R, …]."""

        def of_one(parts: Any, rows: Any, row_slots: Any, tensors: list[Tensor]) -> list[Any]:
            parameters, slots, buffers, fixed, averages, masks = parts
            own = StepState(parameters, slots, buffers, fixed=fixed, averages=averages, masks=masks)
            return list(vars(self.program.moved(own, rows, row_slots, changed(changing, tensors))).values())

        parts = (state.parameters, state.slots, state.buffers, state.fixed, state.averages, state.masks)
        return Moved(*torch.func.vmap(of_one)(parts, rows, row_slots, flat_changing(changing)))

    def _joined(self, state: StepState, changing: Changing) -> tuple[StepState, Changing]:
        """Return the state and what changes with the tables of all runs as one, [R·V, …]."""
        joined = replace(
            state,
            tables=tree.tree_map(_flat, state.tables),
            table_slots=tree.tree_map(_flat, state.table_slots),
        )
        touched: dict[str, Touched] = {}
        for name, each in changing.touched.items():
            runs = torch.arange(self.runs, device=each.ids.device)[:, None]
            ids = each.ids + runs * state.tables[name].shape[1]
            first = each.first + runs * each.first.shape[1]
            columns = each.columns.transpose(0, 1).flatten(1)
            touched[name] = Touched(ids.flatten(), first.flatten(), columns)
        return joined, replace(changing, touched=touched)

    def _apart(self, rows: Tensor) -> Tensor:
        return rows.unflatten(0, (self.runs, -1))


def _flat(rows: Tensor) -> Tensor:
    """Return the rows of all runs as those of one table."""
    return rows.flatten(0, 1)


def _shared(named: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Return the tensors of all runs by name, [R, …], of which those of each are views from here on."""
    found = {name: torch.stack([each[name].detach() for each in named]) for name in named[0]}
    for name, together in found.items():
        for each, own in zip(named, together, strict=True):
            each[name].data = own
    return found
