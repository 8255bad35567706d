r"""Hessian-free optimization: conjugate gradients on the damped Gauss-Newton quadratic of a batch.

Martens, *Deep learning via Hessian-free optimization*, ICML 2010; Martens & Sutskever, *Training Deep and Recurrent
Networks with Hessian-Free Optimization*, in Neural Networks: Tricks of the Trade, 2012.

With the gradient :math:`g` and the Gauss-Newton matrix :math:`G = J^\top H J`, which is never formed, conjugate
gradients make

.. math:: \phi(d) = \tfrac12\, d^\top (G + \lambda I)\, d + g^\top d

small, from :math:`0.95` times the proposal of the step before. They stop after iteration :math:`i` where
:math:`\phi_i < 0` and :math:`(\phi_i - \phi_{i-k}) / \phi_i < 5 \cdot 10^{-4} k` with :math:`k = \max(10, i/10)`. Some
iterates are stored, and that is taken before which the loss was no lower. The damping follows from

.. math:: \rho = \frac{L(w + d) - L(w)}{\tfrac12 d^\top G d + g^\top d}, \qquad
          \lambda \leftarrow \tfrac32 \lambda \text{ if } \rho < \tfrac14, \quad
          \lambda \leftarrow \tfrac23 \lambda \text{ if } \rho > \tfrac34

and then the step is made shorter, by 0.8 each time, until the loss falls by a hundredth of what the slope promises. The
learning rate is the length that is tried first, and every loss is that of the step that would be taken with it.

Within a step there is one function: dropout masks and batch norm's buffers are held, batch norm normalises by the
batch and is differentiated through, and its running averages move once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Literal, cast

import torch
from pydantic import Field, PositiveInt
from torch import Tensor, nn
from torch.nn.functional import pad

from steepest.curvature import hessian_free, notebook_2021
from steepest.curvature.function import twice_differentiable
from steepest.curvature.hessian_free import CarriedState, StepOptions
from steepest.curvature.products import Curvature
from steepest.errors import OptionError
from steepest.optim.held import FORWARD, PRODUCT, HeldLoss
from steepest.optim.hyper import Beta, Hyper
from steepest.optim.method import Evaluations, Method, StepInfo
from steepest.optim.problem import BatchSource, Curved, Problem
from steepest.optim.shared_rows import GatheredTables, SharedRows
from steepest.optim.spec import MethodSettings, MethodSpec
from steepest.optim.tables import unpadded

COMPONENTS = {
    "hessian-free": {
        "object": "HessianFreeSpec",
        "groups": ["second-order"],
        "what": "Gauss-Newton steps by conjugate gradients",
    }
}
UNROLLED = 10
"""Iterations of conjugate gradients that a compiled step has at most: up to here none is stopped by its progress."""
POWER = 0.75
"""The exponent of Martens' preconditioner."""


class HessianFreeHyper(Hyper):
    """Hyperparameters of Hessian-free optimization."""

    lr: float = Field(default=1.0, ge=0.0, description="learning rate, the first length that is tried")
    damping: float = Field(default=1.0, ge=0.0, description="λ at the start, added to the diagonal")
    cg_iterations: PositiveInt = Field(
        default=50, description="iterations of conjugate gradients a step, at most"
    )
    decay: Beta = Field(default=0.95, description="share of the last proposal that the next ones start from")
    ratio: Literal["undamped", "damped"] = Field(
        default="undamped", description="whether ρ compares with the quadratic without damping, or with it"
    )
    preconditioner: Literal["none", "fisher"] = Field(
        default="none", description="fisher: Martens', by squared gradients of rows, estimated"
    )
    probes: PositiveInt = Field(
        default=3, description="random vectors of the preconditioner; 3 cost a product"
    )
    curvature: float = Field(
        default=1.0,
        gt=0.0,
        description="rows of the curvature, as a share of the batch's; more come from the next batches",
    )
    variant: Literal["martens", "notebook-2021"] = Field(
        default="martens",
        description="notebook-2021: as a published notebook has it, to compare with its numbers",
    )


class HessianFreeSpec(MethodSpec[HessianFreeHyper]):
    """Hessian-free optimization: a step is up to ``cg_iterations`` products with the Gauss-Newton matrix.

    Example:
        >>> spec = HessianFreeSpec(cg_iterations=10)
        >>> round(spec.gradients_a_step, 1), dict(spec.axes)
        (24.0, {'lr': 1.0, 'damping': 1.0})
    """

    name = "hessian-free"
    curved = True
    title = "Hessian-free"
    citation = "Martens, ICML 2010; Martens & Sutskever 2012"
    bibtex = """
@inproceedings{martens2010deep,
  author = {Martens, James},
  title = {Deep learning via {Hessian}-free optimization},
  booktitle = {International Conference on Machine Learning},
  year = {2010},
}

@incollection{martens2012training,
  author = {Martens, James and Sutskever, Ilya},
  title = {Training Deep and Recurrent Networks with {Hessian}-Free Optimization},
  booktitle = {Neural Networks: Tricks of the Trade},
  publisher = {Springer},
  year = {2012},
}
"""
    divergences = (
        "ρ compares with the quadratic without damping by default (ratio=damped has it as in some public codes). "
        "Martens' preconditioner is the sum of squared gradients of rows to the power 0.75; here the mean of squares "
        "is estimated by random signs of rows, since under batch norm a row has no gradient of its own. "
        "variant='notebook-2021' draws dropout and moves batch norm at every evaluation, compares with the damped "
        "quadratic, tries iterates two by two, searches along the whole proposal and then takes the learning rate's "
        "share of it; the loss that it reports is that of a step that is not taken."
    )
    Hyper = HessianFreeHyper
    grid_centre = 1.0  # Newton's length
    constant_rate: ClassVar[bool] = True

    @property
    def axes(self) -> Mapping[str, float]:
        """The learning rate and the damping."""
        return {"lr": self.centre, "damping": 1.0}

    @property
    def gradients_a_step(self) -> float:
        """One, two for each product, and a third for each loss: about three of these."""
        h = self.hyper
        probes = 2 * FORWARD * h.probes if h.preconditioner != "none" else 0.0
        return 1.0 + PRODUCT * (h.cg_iterations + 1) * h.curvature + 3 * FORWARD + probes

    @property
    def eager_because(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Why its step cannot be one compiled program; empty where it can, as far as is known."""
        h = self.hyper
        reasons = {
            "the notebook's variant draws anew at every evaluation": h.variant != "martens",
            "the curvature has rows of its own": h.curvature != 1.0,
            "its preconditioner is estimated": h.preconditioner != "none",
            f"more than {UNROLLED} iterations may stop earlier": h.cg_iterations > UNROLLED,
        }
        return next((reason for reason, is_so in reasons.items() if is_so), "")

    @property
    def idle_rows(self) -> str:
        """Rows that no batch names move along their own proposal by one common factor."""
        return "by one common factor"

    @property
    def has_closed_form(self) -> bool:
        """So they cost nothing."""
        return True

    @property
    def state_bytes(self) -> float:
        """The last proposal, and while a step is made the stored iterates and the vectors of conjugate gradients."""
        stored = len({round(1.3**power) for power in range(100) if 1.3**power <= self.hyper.cg_iterations})
        return 4.0 * (1 + stored + 5)

    def for_timing(self) -> HessianFreeSpec:
        """Return it as it is: from a shorter first length, the line search would need other evaluations."""
        return self

    def check(self, problem: Any) -> None:
        """Raise an ``OptionError`` if a problem's loss has no curvature."""
        objective: Any = getattr(problem, "objective", None)
        if not getattr(objective, "curved", True):
            raise OptionError(
                f"{self.called} needs curvature, but the second derivative of {objective.title or objective} is zero",
                hint="choose a loss that is curved, such as the squared error or the Huber loss.",
            )
        if not isinstance(problem, Curved):
            raise OptionError(
                f"{self.called} needs a loss that is a function of a model's outputs",
                hint="give the problem outputs_at, batch_loss, penalised and bend.",
            )

    def make(self, settings: MethodSettings) -> HessianFreeMethod:
        """Return the method of one run."""
        return HessianFreeMethod(self, settings)


@dataclass
class HessianFreeState:
    """The state of one run.

    Attributes:
        memory: what goes from step to step; of tables by rows, the tables have their part of the proposal.
        parameters: that are trained, without such tables.
        tables: those that are executed by rows.
        gradients: those so far.
    """

    memory: CarriedState
    parameters: dict[str, nn.Parameter]
    tables: SharedRows | None = None
    gradients: float = 0.0


@dataclass
class HessianFreeMethod(Method):
    """Hessian-free optimization of a problem.

    Args:
        spec: the hyperparameters.
        settings: the schedule, and what it counts.
    """

    spec: HessianFreeSpec
    settings: MethodSettings

    @property
    def lr(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The learning rate before the schedule."""
        return self.spec.hyper.lr

    def init(self, problem: Problem) -> HessianFreeState:
        """Return the start: the damping, and no proposal."""
        self.spec.check(problem)
        parameters = {name: each for name, each in problem.model.named_parameters() if each.requires_grad}
        names = self.settings.tables
        tables = SharedRows(problem.model, names) if names else None
        whole = {name: each for name, each in parameters.items() if name not in names}
        return HessianFreeState(CarriedState(self.spec.hyper.damping), whole, tables)

    def tables(self, state: HessianFreeState) -> SharedRows | None:
        """Return the tables that are executed by rows."""
        return state.tables

    def steps(
        self, problem: Problem, state: HessianFreeState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make the steps one after the other."""
        for step in range(first, first + count):
            rate = self.lr * self.settings.multiplier(step, state.gradients)
            info = self._step(cast("Curved", problem), state, feed, step, rate)
            state.gradients += info.gradients
            yield info

    def evaluations(self, problem: Problem, state: HessianFreeState, feed: BatchSource) -> Evaluations:
        """Return what makes a product of the batch's Gauss-Newton matrix, and a loss of the line search."""
        rows = _begun(cast("Curved", problem), state, [feed.batch(0)])
        held = HeldLoss(problem, rows.batches[0], partial(feed.randomness, 0))
        backwards = self.spec.hyper.variant == "notebook-2021"
        at = _looked_at(cast("Curved", problem), rows, 0, held.within, backwards=backwards)
        way = at.gradient
        return {
            "product": (1, lambda: at.gauss_newton(way)),
            "forward": (1, lambda: float(at.moved(torch.zeros_like(way)))),
        }

    def _step(
        self, problem: Curved, state: HessianFreeState, feed: BatchSource, step: int, rate: float
    ) -> StepInfo:
        h = self.spec.hyper
        published = h.variant == "notebook-2021"
        batches, share = [feed.batch(step)], 1.0
        if h.curvature != 1.0 and not published:
            more = [feed.batch(step + ahead) for ahead in range(1, -int(-h.curvature // 1))]
            own, share = _rows([*batches, *more], h.curvature)
            batches.append(own)
        rows = _begun(problem, state, batches)
        if published:  # one block: what is drawn goes on from evaluation to evaluation, and buffers move
            with feed.randomness(step):
                at = _looked_at(problem, rows, 0, nullcontext, backwards=True)
                return self._taken(state, rows, at, at, rate, share)
        held = HeldLoss(problem, batches[0], partial(feed.randomness, step))
        at = _looked_at(problem, rows, 0, held.within)
        bent = _looked_at(problem, rows, 1, held.within) if len(batches) > 1 and rate else at
        return self._taken(state, rows, at, bent, rate, share)

    def _taken(
        self, state: HessianFreeState, rows: _Begun, at: Curvature, bent: Curvature, rate: float, share: float
    ) -> StepInfo:
        """Take a step and return its report.

        Args:
            state: of the run.
            rows: what the step sees and moves.
            at: the loss.
            bent: the curvature, of its own rows perhaps.
            rate: the first length.
            share: of the rows that the curvature has, in the batch's.
        """
        h = self.spec.hyper
        with torch.no_grad():
            reported = float(at.loss(at.outputs))
        value, forwards = float(at.value), 0.0 if bent is at else share
        if not rate:
            return StepInfo(reported, FORWARD, 0.0, 1.0)
        if not math.isfinite(value):
            return StepInfo(reported, FORWARD, 0.0, 1.0, broken=f"the loss with its penalties is {value}")
        if not bool(torch.isfinite(at.gradient).all()):
            return StepInfo(reported, broken="the gradient holds NaN or infinite values")
        published = h.variant == "notebook-2021"
        rest = int(rows.gathered is not None)  # the rows that no batch names are one coordinate more
        memory = CarriedState(state.memory.damping, rows.whole(state.memory.direction))
        inverse, probed = None, 0
        if h.preconditioner == "fisher" and not published:
            inverse = (pad(squared_gradients(bent, h.probes), (0, rest)) + memory.damping) ** -POWER
            probed = h.probes
        found = (notebook_2021 if published else hessian_free).descend(
            value,
            pad(at.gradient, (0, rest)),
            lambda v: pad(bent.gauss_newton(v[: at.size]), (0, rest)),
            lambda move: float(at.moved(move[: at.size])),
            memory,
            StepOptions(rate, h.cg_iterations, h.decay, h.ratio),
            inverse,
        )
        if not found.broken:
            rows.end(state, at, found.move, memory)
        products = share * (found.products + probed / 3)
        forwards += found.forwards
        gradients = 1.0 + PRODUCT * products + FORWARD * forwards
        told = found.value if published else reported
        return StepInfo(told, gradients, products, forwards, found.broken)


@dataclass
class _Begun:
    """What a step sees and moves.

    Attributes:
        batches: of the loss, and of the curvature where it has its own; with places for the codes of tables by rows.
        parameters: by name; gathered rows in the place of tables.
        tables: that are executed by rows.
        gathered: their rows.
        padding: which of them are padding, ``[n, 1]``.
    """

    batches: list[Any]
    parameters: dict[str, Tensor]
    tables: SharedRows | None = None
    gathered: GatheredTables | None = None
    padding: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def whole(self, direction: Tensor | None) -> Tensor | None:
        """Return the last proposal as a vector of the step."""
        if self.gathered is None or direction is None:
            return direction
        parts = [each.reshape(-1) for each in self.gathered.directions.values()]
        return torch.cat([direction, *parts, direction.new_tensor([self.gathered.length])])

    @torch.no_grad()
    def end(self, state: HessianFreeState, at: Curvature, move: Tensor, memory: CarriedState) -> None:
        """Move the parameters, and remember the proposal."""
        moves, proposal = at.named(move[: at.size]), cast("Tensor", memory.direction)
        for name, each in state.parameters.items():
            each.add_(moves[name])
        if self.tables is not None and self.gathered is not None:
            directions = at.named(proposal[: at.size])
            rows = {name: each + moves[name] for name, each in self.gathered.rows.items()}
            self.tables.end(self.gathered, rows, directions, float(proposal[-1]), float(move[-1]))
            proposal = proposal[: sum(each.numel() for each in state.parameters.values())].clone()
        state.memory = CarriedState(memory.damping, proposal)

    def without_padding(self, there: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Return parameters in which the rows of padding have no derivative."""
        found = dict(there)
        for name, padding in self.padding.items():
            found[name] = torch.where(padding, found[name].detach(), found[name])
        return found


def _begun(problem: Curved, state: HessianFreeState, batches: list[Any]) -> _Begun:
    if state.tables is None:
        return _Begun(batches, dict(state.parameters))
    looked = cast("Any", problem)
    gathered = state.tables.begin([looked.codes(each) for each in batches])
    placed = [looked.placed(each, there) for each, there in zip(batches, gathered.places, strict=True)]
    padding = {
        name: (gathered.ids[name] == module.padding_idx)[:, None]
        for name, module in state.tables.modules.items()
        if module.padding_idx is not None
    }
    return _Begun(placed, {**state.parameters, **gathered.rows}, state.tables, gathered, padding)


def _looked_at(
    problem: Curved,
    rows: _Begun,
    place: int,
    within: Callable[[], AbstractContextManager[Any]],
    *,
    backwards: bool = False,
) -> Curvature:
    """Return the curvature of a problem's loss on a batch; ``within`` makes every evaluation the same function."""
    batch, parameters = rows.batches[place], rows.parameters
    modules = [] if rows.tables is None else list(rows.tables.modules.values())

    def call(there: Mapping[str, Tensor]) -> Tensor:
        with within(), unpadded(modules), twice_differentiable():
            return problem.outputs_at(batch, rows.without_padding(there))

    none = torch.zeros((), device=next(iter(parameters.values())).device)
    without = problem.penalised(none, parameters) is none
    return Curvature(
        call,
        parameters,
        lambda outputs: problem.batch_loss(outputs, batch),
        bend=lambda outputs, vector: problem.bend(outputs, batch, vector),
        penalty=None if without else lambda there: problem.penalised(none, there),
        backwards=backwards,
    )


def squared_gradients(at: Curvature, probes: int) -> Tensor:
    """Return an estimate of the mean over rows of their squared gradients, the diagonal of the empirical Fisher matrix.

    A row's gradient counts with a random sign; of the square of their sum, the products of different rows are 0 on the
    mean. Signs are the same at every call.
    """
    rows = len(at.outputs)
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(at.size, dtype=at.outputs.dtype, device=at.outputs.device)
    for _ in range(probes):
        signs = 2.0 * torch.randint(0, 2, (rows,), generator=generator) - 1.0
        signed = at.slope * signs.to(at.outputs).reshape(-1, *[1] * (at.outputs.dim() - 1))
        total += at.pull(signed).square()
    return total * (rows / probes)


def _rows(batches: list[Any], share: float) -> tuple[Any, float]:
    """Return so many rows, as a share of the first batch's, of batches in a row, and the share that they are."""
    lead = batches[0]
    count = max(1, round(len(lead) * share))
    if isinstance(lead, Tensor):
        return torch.cat(batches)[:count], count / len(lead)
    tensors = zip(*(each.tensors for each in batches), strict=True)
    return lead.holding([torch.cat(each)[:count] for each in tensors]), count / len(lead)
