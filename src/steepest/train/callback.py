"""Callbacks: a user's code that watches runs while they train, and that may stop them or change their rate."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.data.dataset import Part
from steepest.errors import OptionError, SteepestError, first_line, unknown_name
from steepest.record.schema import RunKey
from steepest.schedules import Schedule


class Callback:
    """The base of callbacks: override the hooks that you need.

    A run calls ``at_begin`` before its first step, after its first evaluation; ``at_batch`` after every step;
    ``at_evaluation`` after every evaluation of the validation rows; and ``at_end`` when it has ended. A stop in
    ``at_batch`` ends the run there, without another evaluation; one in ``at_evaluation`` comes after the evaluation.

    Every run has a copy of the callback as it was given, so that what it remembers of one run never reaches another. A
    callback that neither stops runs nor changes their rate can say so, ``only_watches = True``: it is then one object
    that sees all runs, and runs with it are the same as those without.

    Runs with a callback are made one after another, in the process that the callback is in, since it may keep there
    what it sees. One that keeps nothing of a run for another, because what it sees goes into ``view.log``, can say so,
    ``by_run = True``: every run has a copy of it, and runs are made beside each other on all cores.

    Attributes:
        only_watches: whether it changes no run.
        by_run: whether it keeps nothing of one run for another.

    Example:
        >>> class Target(Callback):
        ...     def __init__(self, value):
        ...         self.value = value
        ...     def at_evaluation(self, view):
        ...         if view.values["rmse"] <= self.value:
        ...             view.stop(f"rmse is {view.values['rmse']:.3g}")
        >>> Target(0.5).name
        'Target'
    """

    only_watches: bool = False
    by_run: bool = False

    @property
    def name(self) -> str:
        """How it is called in records: by default its class."""
        return type(self).__name__

    def at_begin(self, view: View) -> None:
        """Called before the first step."""

    def at_batch(self, view: View) -> None:
        """Called after every step; a callback that overrides it makes compiled steps slower."""

    def at_evaluation(self, view: View) -> None:
        """Called after every evaluation of the validation rows but the first."""

    def at_end(self, view: View) -> None:
        """Called when the run has ended; ``view.outcome`` and ``view.reason`` say how."""


class Values(dict[str, float]):
    """Metrics by name; a name that is none of them is an error that suggests the nearest.

    Example:
        >>> Values(log_loss=0.5)["logloss"]
        Traceback (most recent call last):
        ...
        steepest.errors.UnknownNameError: unknown metric in view.values: 'logloss'
        Hint: did you mean 'log_loss'? Known: log_loss.
    """

    def __missing__(self, name: str) -> float:
        raise unknown_name("metric in view.values:", name, self)


@dataclass(frozen=True)
class ViewedRun:
    """What a view shows of a run, computed where a callback asks for it.

    Attributes:
        rows: the training rows of the run.
        test: the test rows.
        weights, model, outputs, true_target: as the methods of :class:`View`.
    """

    rows: Part
    test: Part
    weights: Callable[[], dict[str, Tensor]]
    model: Callable[[], nn.Module]
    outputs: Callable[[], Tensor]
    true_target: Callable[[], Tensor]


@dataclass
class View:
    """A run as a callback sees it in one of its hooks.

    Attributes:
        key: which run it is: the ``name`` of its arm, its ``seed``, its ``phase`` and the id of its ``recipe``.
        step: steps taken.
        length: the planned length in steps, or in gradients where the length is a number of them.
        epoch: passes over the training rows, fractional.
        gradients: gradient evaluations so far.
        rate: the learning rate of the last step, schedule and multiplier included; of the first before it.
        loss: the last batch's, before its step; NaN before the first.
        train_loss: the average of the batches' losses that curves have.
        values: metrics of the last evaluation on the validation rows, by name.
        outcome: how the run ended, and ``reason`` why; ``finished`` while it trains.
    """

    key: RunKey
    step: int
    length: int
    epoch: float
    gradients: float
    rate: float
    loss: float
    train_loss: float
    values: Values
    outcome: str
    reason: str
    _run: ViewedRun = field(repr=False)
    _control: Control = field(repr=False)

    def weights(self) -> dict[str, Tensor]:
        """Return a copy of the weights and buffers that an evaluation now would use, by name."""
        return self._run.weights()

    def model(self) -> nn.Module:
        """Return a copy of the model in evaluation mode, with the weights that an evaluation now would use."""
        return self._run.model()

    def training_rows(self) -> Part:
        """Return the rows that this run is trained on, with the target that it is trained on."""
        return self._run.rows

    def test_rows(self) -> Part:
        """Return the test rows, for a callback that only watches: what is seen of them cannot change the run.

        Raises:
            OptionError: the callback does not say that it only watches.
        """
        caller = self._control.caller
        if not caller.only_watches:
            raise OptionError(
                f"the callback {caller.name} asks for the test rows but may change the run",
                hint="use view.values, of the validation rows, or set only_watches = True if it changes no run.",
            )
        return self._run.test

    def true_target(self) -> Tensor:
        """Return the true target of the training rows, which is another where labels are altered on purpose."""
        return self._run.true_target()

    def training_outputs(self) -> Tensor:
        """Return the model's outputs on the training rows, as an evaluation now would compute them."""
        return self._run.outputs()

    def log(self, name: str, value: float) -> None:
        """Keep a number of this step in the run's record, under a name: ``record.logged[name]``."""
        self._control.logged.setdefault(name, []).append((self.step, float(value)))

    def stop(self, reason: str) -> None:
        """End the run here; its record says ``stopped by NAME: reason``.

        Raises:
            OptionError: the run has ended, or the callback says that it only watches.
        """
        self._control.stop(reason)

    def set_rate(self, multiplier: float) -> None:
        """Multiply the learning rate of the steps from here on, beside the schedule, until another value is set.

        Raises:
            OptionError: the multiplier is negative, the run has ended, or the callback says that it only watches.
        """
        self._control.set_rate(multiplier)


class Rate:
    """A schedule times the multiplier that callbacks set.

    Example:
        >>> rate = Rate(lambda step: 0.5)
        >>> rate.multiplier = 0.1
        >>> rate(3), rate.last
        (0.05, 0.05)
    """

    def __init__(self, schedule: Schedule) -> None:
        self.schedule = schedule
        self.multiplier = 1.0
        self._last: float | None = None

    def __call__(self, step: int) -> float:
        """Return the multiplier of a step, counted from 0."""
        self._last = self.schedule(step) * self.multiplier
        return self._last

    @property
    def last(self) -> float:
        """The multiplier of the last step that was asked for; before any, that of the first."""
        return self.schedule(0) * self.multiplier if self._last is None else self._last


class Control:
    """What callbacks do to one run.

    Attributes:
        rate: the schedule that the run's method follows.
        stopped: why the run stops; empty where it goes on.
        caller: the callback whose hook is being called.
        ended: whether the run has ended.
        logged: by name, numbers that callbacks want to be kept, with their steps.
    """

    def __init__(self, schedule: Schedule) -> None:
        self.rate = Rate(schedule)
        self.logged: dict[str, list[tuple[int, float]]] = {}
        self.stopped = ""
        self.caller = Callback()
        self.ended = False

    def stop(self, reason: str) -> None:
        """Stop the run; the first reason counts."""
        self._may("stops the run")
        self.stopped = self.stopped or f"stopped by {self.caller.name}: {reason}"

    def set_rate(self, multiplier: float) -> None:
        """Set the multiplier of the rate."""
        self._may("sets the rate")
        if not 0.0 <= multiplier < math.inf:
            raise OptionError(
                f"the callback {self.caller.name} sets the rate's multiplier to {multiplier}",
                hint="give a finite number of at least 0.",
            )
        self.rate.multiplier = float(multiplier)

    def _may(self, does: str) -> None:
        name = self.caller.name
        if self.caller.only_watches:
            raise OptionError(
                f"the callback {name} {does} but has only_watches = True", hint="remove only_watches from it."
            )
        if self.ended:
            raise OptionError(
                f"the callback {name} {does} in at_end, when the run has ended", hint="do it in another hook."
            )


class Hooks:
    """The callbacks of one run.

    Args:
        callbacks: as the user gave them.
        schedule: that of the run.

    Attributes:
        control: what they do to the run; ``control.rate`` is the schedule that the run's method has to follow.
        at_batches: whether one of them is called after every step.
    """

    def __init__(self, callbacks: Sequence[Callback], schedule: Schedule) -> None:
        self.control = Control(schedule)
        self._callbacks = [copied(each) if is_copied(each) else each for each in callbacks]
        self.at_batches = any(map(is_at_batches, callbacks))

    def call(self, hook: str, view: View) -> None:
        """Call a hook of every callback.

        Raises:
            OptionError: one fails.
        """
        for each in self._callbacks:
            self.control.caller, self.control.ended = each, hook == "at_end"
            try:
                getattr(each, hook)(view)
            except SteepestError:
                raise
            except Exception as error:
                raise OptionError(
                    f"the callback {each.name} fails in {hook} at step {view.step}: "
                    f"{type(error).__name__}: {first_line(error)}",
                    hint="mend it and run the same again: finished runs are kept.",
                ) from error


def is_copied(callback: Callback) -> bool:
    """Return whether every run has a copy of a callback.

    Example:
        >>> is_copied(Callback())
        True
    """
    return callback.by_run or not callback.only_watches


def see_all_runs(callbacks: Sequence[Callback]) -> bool:
    """Return whether runs with some callbacks have to be made where these are.

    Example:
        >>> see_all_runs([]), see_all_runs([Callback()])
        (False, True)
    """
    return any(not each.by_run for each in callbacks)


def is_at_batches(callback: Callback) -> bool:
    """Return whether a callback is called after every step.

    Example:
        >>> is_at_batches(Callback())
        False
    """
    return type(callback).at_batch is not Callback.at_batch


def read_callback(text: str) -> Callback:
    """Return the callback that a text such as ``mine.py:Plateau(patience=3)`` stands for.

    Raises:
        OptionError: there is no such class, its options are others, or its objects are no callbacks.
    """
    spec = grammar.parse(text)
    if not spec.is_reference:
        raise OptionError(
            f"{text!r} is no callback",
            hint="give a class of your own, such as 'mine.py:Plateau(patience=3)'.",
        )
    found = load_reference(spec.name)
    arguments = [str(each) if isinstance(each, grammar.Spec) else each for each in spec.arguments]
    try:
        made = found(*arguments, **spec.options)
    except SteepestError:
        raise
    except Exception as error:
        raise OptionError(
            f"the callback {text!r} cannot be made: {type(error).__name__}: {first_line(error)}",
            hint="give its class the arguments that it takes.",
        ) from error
    [callback] = checked([made])
    return callback


def copied(callback: Callback) -> Callback:
    """Return the copy of a callback that a run has.

    Raises:
        OptionError: it cannot be copied.
    """
    try:
        return copy.deepcopy(callback)
    except Exception as error:
        raise OptionError(
            f"the callback {callback.name} cannot be copied: {first_line(error) or type(error).__name__}",
            hint="every run has a copy of it: open files in at_begin, or set only_watches = True if it changes no run.",
        ) from error


def checked(callbacks: Sequence[Any]) -> tuple[Callback, ...]:
    """Return callbacks that runs can have.

    Raises:
        OptionError: one is not a callback, or cannot be copied.

    Example:
        >>> checked([print])
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: <built-in function print> is no callback
        Hint: give an object of a class that derives from st.Callback.
    """
    for each in callbacks:
        if not isinstance(each, Callback):
            raise OptionError(
                f"{each!r} is no callback", hint="give an object of a class that derives from st.Callback."
            )
        if is_copied(each):
            copied(each)
    return tuple(callbacks)
