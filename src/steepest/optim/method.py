"""Methods: what the training loop sees of an optimizer, something that takes a step.

The loop never asks which method it has. A rule under an executor is the ordinary case
(:class:`GradientMethod`); methods that need more than one gradient implement the same four members.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn

from steepest.optim.dense import RuleOptimizer
from steepest.optim.held import HeldLoss
from steepest.optim.problem import (
    AroundUpdate,
    BatchSource,
    Divided,
    Problem,
    Regularized,
    TableProblem,
    losses,
)
from steepest.optim.rule import Rule
from steepest.optim.selection import multipliers
from steepest.optim.stability import Stability
from steepest.optim.tables import LaggingTables, RowTables, unpadded
from steepest.schedules import Schedule


@dataclass(frozen=True)
class StepInfo:
    """What a step reports.

    Attributes:
        loss: the batch's loss before the step, without penalties.
        gradients: what it cost in gradient evaluations: a gradient counts 1, a product of a curvature matrix with a
            vector 2, a forward pass without a gradient ⅓.
        products: the products among them.
        forwards: the forward passes without a gradient among them.
        broken: why there was no step and can be none, such as a Hessian that is not finite; empty otherwise.
    """

    loss: float
    gradients: float = 1.0
    products: float = 0.0
    forwards: float = 0.0
    broken: str = ""

    @classmethod
    def of(cls, held: HeldLoss) -> StepInfo:
        """Return the report of a step whose evaluations are these."""
        return cls(held.losses[0], held.count, held.products, held.forwards, held.broken)


Evaluations = Mapping[Literal["product", "forward"], tuple[float, Callable[[], object]]]
"""How many evaluations of a kind a call makes, as :class:`StepInfo` counts them, and the call."""


class Method(ABC):
    """Anything that takes a training step."""

    lr: float
    """The learning rate before the schedule, for the record."""

    @abstractmethod
    def init(self, problem: Problem) -> Any:
        """Return the state of a new run."""

    @abstractmethod
    def steps(
        self, problem: Problem, state: Any, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Take ``count`` steps of the problem's model from step ``first`` (counted from 0), and yield their reports.

        ``state`` is updated in place; a method may prepare many steps at once.
        """

    def evaluation_parameters(self, state: Any) -> Mapping[str, Tensor] | None:
        """Return the parameters to evaluate with, by name, where they are not the model's own."""
        del state
        return None

    def tables(self, state: Any) -> LaggingTables | None:
        """Return the tables whose rows lag behind in the model, if there are any."""
        del state
        return None

    def stability(self, step: int) -> Stability | None:
        """Return the curvature that a step, counted from 0, bears; None where no such bound is known."""
        del step
        return None

    @property
    def without_stability(self) -> str:
        """Why no such bound is known, where none is."""
        return "none is known of its optimizer"

    def divisors(self, state: Any) -> Mapping[str, Tensor] | None:
        """Return by what each parameter's steps are divided, where the bound is of preconditioned curvature."""
        del state
        return None

    def evaluations(self, problem: Problem, state: Any, feed: BatchSource) -> Evaluations:
        """Return what makes the products and forward passes of a step, so that their time can be measured.

        Nothing, where steps have none. The run is not continued.
        """
        del problem, state, feed
        return {}

    def compile_seconds(self, state: Any) -> float:
        """Return how much of the time of the steps so far went into compiling them."""
        del state
        return 0.0


@dataclass
class RuleMethod(Method):
    """A method whose step is a rule's: gradient, clipping, schedule, update.

    Args:
        rule: the update with its hyperparameters.
        schedule: multiplier of the applied step, by step.
        clip: largest 2-norm of the gradient over all parameters, or None.
        by_rows: parameters' names of the tables that are executed by rows.
        by_gradients: whether the schedule goes by the gradients before a step, where an optimizer takes several.
        rates: multipliers of the learning rate, as :func:`~steepest.optim.selection.read_rates` reads them.
        accumulate: micro-batches in which the gradient of a batch is computed.
    """

    rule: Rule[Any]
    schedule: Schedule
    clip: float | None = None
    by_rows: tuple[str, ...] = ()
    by_gradients: bool = False
    rates: str = ""
    accumulate: int = 1

    @property
    def lr(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The rule's learning rate."""
        return float(self.rule.hyper.lr)

    def stability(self, step: int) -> Stability | None:
        """Return the curvature that a step, counted from 0, bears: the rule's, without clipping and with one rate."""
        return None if self._changed_steps else self.rule.stability(self.schedule(step))

    @property
    def without_stability(self) -> str:
        """Why no such bound is known: the steps are not the rule's alone, or it knows none."""
        return self._changed_steps or super().without_stability

    @property
    def _changed_steps(self) -> str:
        """What makes the steps others than those of the rule with one rate; empty where nothing does."""
        if self.clip is not None:
            return "its gradients are clipped"
        if self.rates:
            return "its parameters have several learning rates"
        return "its schedule goes by gradients, of which a step takes several" if self.by_gradients else ""


@dataclass
class GradientMethod(RuleMethod):
    """A rule, step by step; densely, or by rows for the tables that are named."""

    def init(self, problem: Problem) -> GradientState:
        """Return the rule's optimizer on the model's trainable parameters, in the groups that it wants."""
        parameters = {name: each for name, each in problem.model.named_parameters() if each.requires_grad}
        schedule = self.schedule
        if self.by_gradients:
            schedule = lambda _: self.schedule(int(state.gradients))  # noqa: E731
        rates = multipliers(problem.model, self.rates)
        optimizer = (
            self.rule.optimizer(problem.model, schedule=schedule, rates=rates)
            if rates
            else self.rule.optimizer(problem.model, schedule=schedule)
        )
        state = GradientState(optimizer, parameters)
        if self.by_rows:
            state.tables = RowTables(problem.model, self.by_rows, self.rule, self.schedule, rates=rates)
        if isinstance(problem, Regularized):
            state.around = problem.around()
        return state

    def steps(
        self, problem: Problem, state: GradientState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make the steps one after the other."""
        for step in range(first, first + count):
            if state.around is not None:
                state.draws = feed.draws(step)
            with feed.randomness(step):
                info = self.step(problem, state, feed.batch(step), partial(feed.randomness, step))
            yield info

    def step(
        self,
        problem: Problem,
        state: GradientState,
        batch: Any,
        randomness: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> StepInfo:
        """Make one step.

        Args:
            problem: the model and its loss.
            state: of the run.
            batch: of the step.
            randomness: makes all draws inside its block those of the step, from their beginning; for optimizers that
                evaluate the loss several times.
        """
        if state.tables is not None:
            return self._step_by_rows(cast("TableProblem", problem), state, state.tables, batch)
        if not state.optimizer.needs_closure:
            state.optimizer.zero_grad(set_to_none=True)
            reported = self._backward(problem, batch, lambda part, _: losses(problem, part))
            self._clip(state, state.parameters)
            state.optimizer.step()
            self._end(state)
            return StepInfo(float(reported))
        held = HeldLoss(problem, batch, randomness)

        def evaluate() -> Tensor:
            state.optimizer.zero_grad(set_to_none=True)
            loss = held()
            loss.backward()
            self._clip(state, state.parameters)
            return loss

        state.optimizer.step(evaluate)
        self._end(state)
        state.gradients += held.count
        return StepInfo.of(held)

    def _backward(
        self, problem: Problem, batch: Any, evaluate: Callable[[Any, slice], tuple[Tensor, Tensor]]
    ) -> Tensor:
        """Leave the gradient of a batch's loss in the parameters, and return what is reported.

        The loss is Σwℓ/Σw, so the gradients of micro-batches add up with their shares of the weights.
        """
        if self.accumulate == 1:
            loss, reported = evaluate(batch, slice(None))
            loss.backward()
            return reported.detach()
        total: Tensor | None = None
        for part, where, share in cast("Divided", problem).parts(batch, self.accumulate):
            loss, reported = evaluate(part, where)
            (loss * share).backward()
            total = reported.detach() * share if total is None else total + reported.detach() * share
        return cast("Tensor", total)

    def _clip(self, state: GradientState, parameters: Mapping[str, Tensor]) -> None:
        """Change the gradients as regularizers do, then clip them."""
        if state.around is not None:
            state.around.before(state.step, state.draws, self._rate(state))
        if self.clip is not None:
            torch.nn.utils.clip_grad_norm_(parameters.values(), self.clip)

    def _end(self, state: GradientState) -> None:
        """Do what regularizers do after the update."""
        if state.around is not None:
            state.around.after(state.step, self._rate(state))
            state.step += 1

    def _rate(self, state: GradientState) -> float:
        """Return the learning rate of the present step."""
        return self.lr * self.schedule(int(state.gradients) if self.by_gradients else state.step)

    def _step_by_rows(
        self, problem: TableProblem, state: GradientState, tables: RowTables, batch: Any
    ) -> StepInfo:
        """Make one step in which the tables' parameters have no gradient, so that the optimizer passes them by."""
        state.optimizer.zero_grad(set_to_none=True)
        rows, places = tables.begin(problem.codes(batch))

        def evaluate(part: Any, where: slice) -> tuple[Tensor, Tensor]:
            some = {name: each[where] for name, each in places.items()}
            return problem.losses_with(part, rows, some)

        with unpadded(tables.modules.values()):
            reported = self._backward(problem, batch, evaluate)
        tables.mask_padding(rows)
        self._clip(state, {**state.parameters, **rows})
        state.optimizer.step()
        tables.end(rows)
        self._end(state)
        return StepInfo(float(reported))

    def tables(self, state: GradientState) -> RowTables | None:
        """Return the tables that are executed by rows."""
        return state.tables

    def divisors(self, state: GradientState) -> dict[str, Tensor] | None:
        """Return by what each parameter's steps are divided; None before the first step and by rows."""
        found: dict[str, Tensor] = {}
        for name, parameter in state.parameters.items():
            slots = dict(state.optimizer.state.get(parameter, {}))
            divisor = self.rule.divisor(slots, slots["step"]) if slots and state.tables is None else None
            if divisor is None:
                return None
            found[name] = divisor
        return found

    def evaluation_parameters(self, state: GradientState) -> dict[str, Tensor] | None:
        """Return what is evaluated elsewhere than where it is trained, by name: the rule's, or averages."""
        averages = state.around.evaluation_parameters() if state.around is not None else None
        if averages:
            return dict(averages)
        values = state.optimizer.evaluation_parameters()
        names: dict[Tensor, str] = {parameter: name for name, parameter in state.parameters.items()}
        moved = {
            names[parameter]: value
            for parameter, value in values.items()
            if value.data_ptr() != parameter.data_ptr()
        }
        return moved or None


@dataclass
class GradientState:
    """A run under way.

    Attributes:
        optimizer: of the run.
        parameters: those that it moves, by name.
        tables: those that are executed by rows.
        gradients: those that its closure took.
        around: what regularizers do before and after the update, or None.
        draws: their random numbers in the present step.
        step: the steps that they have acted in.
    """

    optimizer: RuleOptimizer
    parameters: dict[str, nn.Parameter]
    tables: RowTables | None = None
    gradients: float = 0.0
    around: AroundUpdate | None = None
    draws: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    step: int = 0
