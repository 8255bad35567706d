"""The suite for whoever writes a rule, to subclass in a test file."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from steepest.optim import make_rule
from steepest.testing.against import Start, Textbook, equals_a_textbook, equals_a_twin
from steepest.testing.rules import (
    AnyRule,
    bad_values_are_refused,
    cut_and_join,
    every_option_matters,
    executes_alike,
    follows_a_schedule,
    idle_is_true,
    pure,
    resumes,
    solves_a_parabola,
    stacks,
)


class RuleConformance:
    """The suite for a rule of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        rules: variants of one rule, as specifications or rules; between them every option should matter.
        lr: the rate at which it finds a parabola's bottom in 400 steps; the grid's centre if left out.
        textbook: a slow version of one step in plain floats, written from the paper and not from the rule, as
            a ``staticmethod`` (see :mod:`steepest.testing.against`). Without it or a twin, the suite knows
            whether the rule keeps its contract but not whether it is the right rule.
        start: the textbook's state before the first step, as a ``staticmethod``; not checked if left out.
        whole: the textbook version takes whole arrays.
        twin: a torch optimizer of the same mathematics.
        leave_out: hyperparameters that the twin does not have.
        tolerance: against textbook and twin, in float64.

    Example:
        >>> class TestMine(RuleConformance):
        ...     rules = ("rmsprop", "rmsprop(momentum=0.9, weight_decay=0.1)")
        >>> TestMine().test_pure()
    """

    rules: Sequence[str | AnyRule] = ()
    lr: float | None = None
    textbook: Textbook | None = None
    start: Start | None = None
    whole: bool = False
    twin: type[torch.optim.Optimizer] | None = None
    leave_out: Sequence[str] = ()
    tolerance: float = 1e-12

    def _made(self) -> list[AnyRule]:
        return [make_rule(each) for each in self.rules]

    def _each(self, check: Callable[[AnyRule], None]) -> None:
        for rule in self._made():
            check(rule)

    def test_pure(self) -> None:
        """An update changes none of its arguments."""
        self._each(pure)

    def test_cut_and_join(self) -> None:
        """Pieces and reshapes of a tensor give the same bits."""
        self._each(cut_and_join)

    def test_idle_is_true(self) -> None:
        """A zero gradient does what ``idle`` says."""
        self._each(idle_is_true)

    def test_resumes(self) -> None:
        """A resumed run has the bits of an uninterrupted one."""
        self._each(resumes)

    def test_executes_alike(self) -> None:
        """The torch optimizer gives the update's bits."""
        self._each(executes_alike)

    def test_stacks(self) -> None:
        """R runs at once have the bits of R runs."""
        self._each(stacks)

    def test_follows_a_schedule(self) -> None:
        """A schedule multiplies the applied step."""
        self._each(follows_a_schedule)

    def test_equals_the_textbook(self) -> None:
        """Update and slots are those of the slow version."""
        if self.textbook is not None:
            for rule in self._made():
                equals_a_textbook(rule, self.textbook, self.start, whole=self.whole, tolerance=self.tolerance)

    def test_equals_the_twin(self) -> None:
        """The optimizer goes the way of a torch optimizer of the same mathematics."""
        if self.twin is not None:
            for rule in self._made():
                equals_a_twin(rule, self.twin, leave_out=self.leave_out, tolerance=self.tolerance)

    def test_bad_values_are_refused(self) -> None:
        """Values outside their ranges give an error that names them."""
        self._each(bad_values_are_refused)

    def test_solves_a_parabola(self) -> None:
        """It optimizes."""
        self._each(lambda rule: solves_a_parabola(rule, self.lr))

    def test_every_option_matters(self) -> None:
        """Each option changes a path."""
        if self.rules:
            every_option_matters(self._made())
