"""What a comparison needs to know of an optimizer: hyperparameters, what can be tuned, what a step costs.

A :class:`MethodSpec` is a small immutable value that holds no tensors; ``make`` turns it into the
:class:`~steepest.optim.method.Method` of one run. Rules (:mod:`steepest.optim.rule`) are the ordinary kind: one
gradient a step, under one of several executors. What needs more gradients a step is a spec of its own, in
``optim/methods``. Whoever plans, tunes, times and records runs asks the spec and never which kind it has.
"""

from __future__ import annotations

import abc
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, Self

from steepest.components import grammar
from steepest.components.citation import bibtex_entries
from steepest.optim.hyper import H, Hyper, validated
from steepest.optim.values import Couples
from steepest.schedules import Schedule

SAFE_RATE = 1e-4
"""A rate at which some steps of a rule diverge nowhere."""


@dataclass(frozen=True)
class MethodSettings:
    """What a run decides for its method beside the hyperparameters.

    Attributes:
        schedule: multiplier of the learning rate, by the share of the length that is used: the step counted from 0,
            or with ``by_gradients`` the gradients before it.
        clip: largest 2-norm of the gradient of a rule, or None.
        tables: names of the embedding tables that are updated by rows.
        by_gradients: whether the length is a number of gradients.
        rates: multipliers of the learning rate by role or name of parameters.
        accumulate: micro-batches in which the gradient of a batch is computed.
        execute: makes the method of a rule, whose steps are eager or one compiled program.
    """

    schedule: Schedule
    clip: float | None = None
    tables: tuple[str, ...] = ()
    by_gradients: bool = False
    rates: str = ""
    accumulate: int = 1
    execute: Callable[[Any, MethodSettings], Any] | None = None

    def multiplier(self, step: int, gradients: float) -> float:
        """Return the schedule's multiplier of a step, counted from 0, before which so many gradients were used."""
        return self.schedule(int(gradients) if self.by_gradients else step)


class MethodSpec(abc.ABC, Generic[H]):
    """An optimizer with its hyperparameters, as a comparison sees it.

    Args:
        called: how it is called; the registered name if left out (a preset has its own).
        preset: values that the name stands for.
        options: hyperparameters by name.

    Raises:
        OptionError: a hyperparameter does not exist or is out of its range.
    """

    name: ClassVar[str]
    """The registered name."""
    title: ClassVar[str]
    """The name as papers write it."""
    citation: ClassVar[str]
    """The paper that it is taken from."""
    bibtex: ClassVar[str] = ""
    """The same as BibTeX entries, those of variants included; :meth:`references` chooses."""
    divergences: ClassVar[str] = ""
    """Where it, or torch's, differs from the paper."""
    Hyper: ClassVar[type[Hyper]]
    """The record of hyperparameters."""
    grid_centre: ClassVar[float]
    """The learning rate in the middle of the grid when the rate is tuned."""
    is_rule: ClassVar[bool] = False
    """Whether its step is a rule's update by one gradient."""
    couples: ClassVar[Couples] = "model"
    """What one element's update depends on: itself, its tensor, or the whole model."""
    constant_rate: ClassVar[bool] = False
    """Whether its authors recommend a learning rate that does not fall during the run."""
    full_batch: ClassVar[bool] = False
    """Whether it is made for the gradient of all training rows, not of a batch of them."""
    curved: ClassVar[bool] = False
    """Whether its steps use the loss's curvature, or a difference of gradients in its place."""
    clips: ClassVar[bool] = False
    """Whether its gradient may be clipped."""
    eager_because: ClassVar[str] = "a step takes several gradients"
    """Why its step cannot be one compiled program; empty where it can, as far as is known."""

    cost: ClassVar[str] = ""
    """What a step costs, where that is no number of gradients that is known without the model."""

    fixed_cost: ClassVar[bool] = False
    """Whether every step costs :attr:`gradients_a_step`, no more and no less."""

    hyper: H
    regularizer: str
    """The regularizers that are tuned with it, at the strengths of a trial; empty where none are."""
    strengths: Mapping[str, float]
    """These strengths, by what they are called."""

    def __init__(self, *, called: str = "", preset: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.called = called or self.name
        self.given = frozenset(options)
        self.regularizer = ""
        self.strengths: Mapping[str, float] = {}
        self.hyper = validated(self.called, self.Hyper, {**(preset or {}), **options})  # pyright: ignore[reportAttributeAccessIssue]

    @abc.abstractmethod
    def make(self, settings: MethodSettings) -> Any:
        """Return what makes the steps of one run, a :class:`~steepest.optim.method.Method`."""

    def check(self, problem: Any) -> None:
        """Raise an ``OptionError`` if it cannot train a :class:`~steepest.optim.problem.Problem`."""
        del problem

    @property
    @abc.abstractmethod
    def gradients_a_step(self) -> float:
        """The gradient evaluations that a step is expected to cost; exactly 1 where it always costs one.

        Where they depend on the model, as :attr:`cost` then says, those of the smallest model.
        """

    def least_gradients(self, weights: int, rows: int) -> float:
        """Return the gradient evaluations that a step costs at least, by the trained weights and the batch's rows."""
        del weights, rows
        return 1.0

    @classmethod
    def positions(cls) -> list[str]:
        """Return the hyperparameters in the order in which they are given without their names."""
        return list(cls.Hyper.model_fields)

    @property
    def default_rate(self) -> float:
        """The learning rate that its library would use."""
        return float(type(self).Hyper.model_fields["lr"].default)

    @property
    def centre(self) -> float:
        """The learning rate in the middle of the grid for these hyperparameters."""
        return self.grid_centre

    @property
    def axes(self) -> Mapping[str, float]:
        """What is tuned by default, with the middle of its range: the learning rate, if any, and what goes with it.

        What is given is not tuned, and where the rate is given, nothing else is.
        """
        return {"lr": self.centre}

    def refuses(self, place: str) -> str:
        """Return why no regularizer can act at a place of its steps, such as ``gradient``; empty where one can."""
        if place in ("batch", "labels", "layers", "penalty", "length"):
            return ""
        return "its step is not one gradient and one update"

    @property
    def averages(self) -> bool:
        """Whether it is evaluated at other parameters than those that it trains."""
        return False

    @property
    def idle_rows(self) -> str:
        """How idle rows of a table that is updated by rows are made up for; empty where it cannot be."""
        return ""

    @property
    def has_closed_form(self) -> bool:
        """Whether idle rows of a table cost nothing or have a closed form, at this rate."""
        return False

    @property
    def own_class(self) -> type:
        """The class that its user wrote, where it is a user's."""
        return type(self)

    @property
    def made_by(self) -> str:
        """The name, or the reference to a user's code, of what makes the steps."""
        return self.called

    @property
    @abc.abstractmethod
    def state_bytes(self) -> float:
        """The bytes of state that it keeps for each float32 weight of a 64 × 32 matrix."""

    def for_timing(self) -> Self:
        """Return it at a rate at which some steps, made to be timed, diverge nowhere."""
        return self.with_lr(min(SAFE_RATE, float(self.hyper.lr)))

    def with_options(self, **options: Any) -> Self:
        """Return it with other values; they do not count as given by the user."""
        other = type(self)(called=self.called, preset={**self.hyper.model_dump(), **options})
        other.given, other.regularizer, other.strengths = self.given, self.regularizer, self.strengths
        return other

    def with_lr(self, lr: float) -> Self:
        """Return it with another learning rate, which does not count as given by the user."""
        return self.with_options(lr=lr)

    @functools.cached_property
    def whole(self) -> str:
        """Its specification with every hyperparameter."""
        return str(grammar.Spec(self.called, (), self.hyper.model_dump()))

    @property
    def cited(self) -> Sequence[str] | None:
        """The keys in ``bibtex`` of what these hyperparameters use; None for all."""
        return None

    def references(self) -> list[str]:
        """Return the BibTeX entries of what these hyperparameters use; empty where none are known.

        Example:
            >>> from steepest.optim import make_rule
            >>> [entry.split(",")[0] for entry in make_rule("momentum").references()]
            ['@article{robbins1951stochastic', '@article{polyak1964methods']
        """
        return bibtex_entries(self.bibtex, self.cited)

    def __str__(self) -> str:
        values = self.hyper.model_dump()
        inside = ", ".join(f"{name}={values[name]!r}" for name in values if name in self.given)
        return f"{self.called}({inside})" if inside else self.called

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.hyper.model_dump().items())})"
