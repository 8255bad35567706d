"""A run under way: its model and its method's state, what was seen of it so far, and its record when it has ended.

The driver in :mod:`steepest.train.loop` carries one of them, or several that take their steps together, from look to
look. Clocks for training and evaluation are apart.
"""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Part
from steepest.errors import ModelError, first_line
from steepest.evaluate.calibration import calibration_of
from steepest.evaluate.metrics import evaluate, metric_info
from steepest.evaluate.outputs import outputs_on
from steepest.evaluate.rowwise import other_values
from steepest.models import ModelBuilder
from steepest.objectives.target import Target, target_of
from steepest.optim.method import Method, StepInfo
from steepest.optim.stability import Stability
from steepest.paths.kept import PathKeeper
from steepest.procedures.pruning import read_pruning
from steepest.recipe import Recipe
from steepest.record.meter import Meter
from steepest.record.schema import Clocks, CurvePoint, Outcome, Record, RunKey
from steepest.train.callback import Hooks, Values, View, ViewedRun
from steepest.train.causes import ended_by, likely_cause
from steepest.train.curves import evaluation_steps, overfits
from steepest.train.drawn import first_model
from steepest.train.finished import Finished, Purpose
from steepest.train.masks import apply_masks, masks_of
from steepest.train.problem import problem_of, wide
from steepest.train.sharpness import stability_of
from steepest.train.statistics import MOST_ROWS, batches_of, estimated, has_statistics
from steepest.train.taught import Teacher
from steepest.train.watching import Watcher
from steepest.train.weights import KeptWeights, evaluating, evaluation_weights, held_names

SMOOTHING = 0.98
"""Weight of the past in the running training loss."""


class ActiveRun:
    """A run from its first weights on.

    Args:
        dataset: the data.
        recipe: model, length, batch size and weights of the classes.
        key: which run this is; ``key.seed`` drives initialisation, order and dropout.
        method: takes the steps.
        purpose: what the run is for.
        model: a callable that builds the user's own model; otherwise the recipe's specification is built.
        device: where the model is put; the dataset is there already.
        start: the weights and buffers that it starts from; None for those that the seed draws.
        masked: the weights by which the recipe prunes; None where it does not.
        teacher: the network that the recipe learns of; None where it does not.
        steps_before: steps of the runs that gave ``start``.
        hooks: the run's callbacks; its method has to follow their rate.
        together: how many runs take their steps together, this one included, and share what that costs.

    Attributes:
        net: the model, whose parameters are those that are trained.
        problem: the loss of a batch.
        training: its training rows.
        feed: the batches and random draws.
        state: the method's, from ``begin`` on.
        outcome: ``finished`` until something else ends it.
        out_of_time: whether its time of training ended it.
    """

    def __init__(
        self,
        dataset: Dataset,
        recipe: Recipe,
        key: RunKey,
        method: Method,
        purpose: Purpose,
        *,
        model: ModelBuilder | None = None,
        device: str = "cpu",
        start: Mapping[str, Tensor] | None = None,
        masked: Mapping[str, Tensor] | None = None,
        teacher: Teacher | None = None,
        steps_before: int = 0,
        hooks: Hooks | None = None,
        together: int = 1,
    ) -> None:
        self._meter, self._together = Meter(device), together
        self.recipe, self.key, self.method, self.purpose = recipe, key, method, purpose
        self.net, self.dataset = wide(
            first_model(model or recipe.model, dataset.shape, key.seed, recipe.draw, recipe.finetune),
            dataset,
            recipe.precision,
        )
        self.net.to(device)
        self.target = target_of(self.dataset)
        self._before: dict[str, float] = {}
        if (
            start is not None or masked is not None
        ):  # a procedure's first weights are not those that it goes on with
            self._before = self._measured_also()
        if start is not None:
            self.net.load_state_dict(start)
        self.problem = problem_of(self.net, self.dataset, recipe)
        if masked is not None and recipe.prune:
            self.problem.masks = masks_of(self.net, masked, read_pruning(recipe.prune), key.seed)
            apply_masks(self.net, self.problem.masks)
        self.plan = BatchPlan(len(self.dataset.train), recipe.batch_size, key.seed)
        self.training = self.dataset.training(key.seed)
        taught, plan = self.training, self.plan
        if self.problem.teaching is not None:
            if self.dataset.unlabelled is not None:
                taught = taught.followed_by(self.dataset.unlabelled)
                plan = BatchPlan(len(taught), plan.size, key.seed)
            if teacher is not None:
                taught = teacher.answered(taught, self.dataset)
        self.feed = self.problem.feed(taught, plan, key.seed, steps_before)
        self.state: Any = None
        self.hooks = hooks
        self._watcher = Watcher.of(
            purpose.watch, self.problem, method, self.target, self.training, key.seed, self.plan.size
        )
        watches = self.problem.applied.watches if self.problem.applied else ""
        self._decides = metric_info(watches or recipe.metric)
        per_epoch = self.plan.batches_per_epoch if recipe.gradients is None else recipe.length
        self._looks = sorted(evaluation_steps(recipe.length, per_epoch, purpose.evaluations))
        self._early: dict[str, KeptWeights] = {}
        self._path = PathKeeper.of(purpose.keep_path, recipe.length, self.net)

        self.done, self.gradients = 0, 0.0
        self._products = self._forwards = 0.0
        self.outcome: Outcome = "finished"
        self.reason = ""
        self.out_of_time = False
        self.curve: list[CurvePoint] = []
        self.training_seconds = self.compile_seconds = self._evaluation_seconds = 0.0
        self._running, self._correction, self._loss = 0.0, 0.0, math.nan
        self._first = self._best = math.inf
        self._looked = -1.0
        self._best_step = self._kept_step = self._waited = 0

    @property
    def used(self) -> float:
        """How much of the length is used up: steps, or gradients where those are what counts."""
        return self.done if self.recipe.gradients is None else self.gradients

    @property
    def epoch(self) -> float:
        """Passes over the training rows, those of the runs that it continues included."""
        return (self.feed.before + self.done) / self.plan.batches_per_epoch

    @property
    def train_loss(self) -> float:
        """The running average of the batches' losses, with its bias removed; NaN before the first step."""
        return self._running / self._correction if self._correction else math.nan

    @property
    def going(self) -> bool:
        """Whether there are steps to take."""
        return self.outcome == "finished" and self.used < self.recipe.length

    @property
    def next_look(self) -> int:
        """How much of the length is used at the next look, or where weights are kept."""
        due = [at for name, at in self.purpose.keep_early.items() if name not in self._early]
        due += [] if self._path is None else self._path.due
        return min([next(each for each in self._looks if each > self.used), *due])

    def begin(self, state: Any) -> None:
        """Take the method's state, and look at the run for the first time.

        Raises:
            ModelError: the model fails.
        """
        self.state = state
        self._kept = KeptWeights(self.net, self.method, state)
        if self._path is not None:
            self._path.keep(0, 0, self._kept.weights(), self._bound)
        try:
            self._first = self._look()
        except Exception as error:  # no run can go on from here
            raise ModelError(
                f"the model fails on the validation rows: {type(error).__name__}: {first_line(error)}",
                hint=f"it is called as {self.dataset.shape.call} in evaluation mode, without gradients.",
            ) from error
        self._before = self._before or self._measured_also()
        self._call("at_begin")

    def took(self, info: StepInfo) -> None:
        """Take the report of a step; a loss or a derivative that is not finite ends the run, and so may a callback."""
        self.done += 1
        self._loss = info.loss
        self.gradients += info.gradients
        self._products += info.products
        self._forwards += info.forwards
        self._running = SMOOTHING * self._running + (1 - SMOOTHING) * info.loss
        self._correction = SMOOTHING * self._correction + (1 - SMOOTHING)
        if not math.isfinite(info.loss):
            cause = likely_cause(self.feed.batch(self.done - 1), self.done, self._first)
            self._end("diverged", f"the loss is {info.loss} at step {self.done}: {cause}")
        elif info.broken:
            self._end("diverged", f"{info.broken} at step {self.done}")
        elif self.hooks and self.hooks.at_batches:
            self._call("at_batch")

    def broke(self, error: Exception) -> None:
        """End with an error that the next step raised."""
        self._end(*ended_by(error, f"at step {self.done + 1}", self.recipe.batch_size))

    def spent(self, seconds: float) -> None:
        """Count time that went into steps; what of it compiled them is counted apart."""
        self.training_seconds = self._trained(seconds)
        self.compile_seconds = self.method.compile_seconds(self.state)

    def _trained(self, seconds: float) -> float:
        """Return the time of training where so much more went into steps."""
        return (
            self.training_seconds + seconds - (self.method.compile_seconds(self.state) - self.compile_seconds)
        )

    def steps_in_time(self, seconds: float) -> float:
        """Return how many steps may be taken before the clock is read again; 0 where the time of training is used up.

        It is half of those that the rest of the time is expected to allow, so that a limit is hardly exceeded and the
        clock seldom read.

        Args:
            seconds: that went into steps since they were last counted.
        """
        most = self.recipe.max_seconds
        if most is None:
            return math.inf
        used = self._trained(seconds)
        if not self.done or used <= 0:
            return 1
        return 0 if used >= most else max(1, int((most - used) / used * self.done / 2))

    @property
    def _last_counts(self) -> bool:
        """Whether the last weights are kept instead of the best: where nothing is held out, nothing is to be chosen."""
        return not self.dataset.held_out and self.recipe.patience is None

    def look(self) -> None:
        """Evaluate the validation rows and keep the best weights; a bad value, none better or a callback may end it."""
        evaluates = any(self._looked < each <= self.used for each in self._looks)
        if self._keep_due() and not evaluates and not self._is_out_of_time():
            return
        self._looked = self.used
        before = self._best
        try:
            value = self._look()
        except Exception as error:
            when = f"on the validation rows after step {self.done}"
            self._end(*ended_by(error, when, self.recipe.batch_size))
            return
        self._waited = 0 if value < before else self._waited + 1
        ends = self.problem.applied.stops_after if self.problem.applied else None
        patience = ends if self.recipe.patience is None else self.recipe.patience  # a pilot has its own
        if not math.isfinite(value):
            cause = likely_cause(self.dataset.validation, self.done, self._first)
            what = f"the validation {self._decides.title} is {abs(value)} at step {self.done}"
            self._end("diverged", f"{what}: {cause}")
        elif patience is not None and self._waited >= patience:
            self._end("stopped early", f"no better for {self._waited} evaluations, at step {self.done}")
        elif self._is_out_of_time():
            most = self.recipe.max_seconds
            self.out_of_time = True
            self._end("stopped early", f"{most:g} seconds of training are used up, at step {self.done}")
        else:
            self._call("at_evaluation")

    def _keep_due(self) -> bool:
        """Keep the weights that are to be kept now, and return whether there were any."""
        early = [name for name, at in self.purpose.keep_early.items() if self.used >= at]
        new = [name for name in early if name not in self._early]
        for name in new:
            self._early[name] = self._now()
        if self._path is None or not any(each <= self.used for each in self._path.due):
            return bool(new)
        self._path.keep(self.done, self.used, self._now().weights(), self._bound)
        return True

    @property
    def _bound(self) -> Stability | str:
        """The curvature that the next step bears, after the last one what that bore; or why none is known."""
        step = min(self.done, self.recipe.length - 1)
        return stability_of(self.problem, self.method, self.plan.size, len(self.training), step)

    def _is_out_of_time(self) -> bool:
        most = self.recipe.max_seconds
        return most is not None and self.training_seconds >= most and self.used < self.recipe.length

    def finish(self) -> Finished:
        """Return what the run leaves; the model has other weights afterwards."""
        self._call("at_end")
        started = time.perf_counter()
        last = self._now().weights() if self.purpose.keep_last else None
        found = Finished(self._record(), self._kept.weights(), steps=self.done, last=last)
        found.held = held_names(self.net)
        if self._path is not None:
            found.path = self._path.kept()
        for name in self.purpose.keep_early:  # one that ends before a point leaves its last weights
            kept = self._early.get(name) or self._now()
            found.early[name] = kept.weights()
        if self.purpose.read_test and not found.record.failed:
            try:
                self._read_test(found)
            except Exception as error:
                self._end(*ended_by(error, "on the test rows", self.recipe.batch_size))
                changes = {"outcome": self.outcome, "reason": self.reason}
                found.record = found.record.model_copy(update=changes)
        clocks = Clocks(
            train=self.training_seconds,
            evaluate=self._evaluation_seconds + time.perf_counter() - started,
            compile=self.compile_seconds,
        )
        cost = {
            "cpu_seconds": self._meter.cpu_seconds / self._together,
            "peak_memory": self._meter.peak_memory,
        }
        penalty = self.problem.penalty(found.weights)
        found.record = found.record.model_copy(update={"clocks": clocks, "penalty": penalty, **cost})
        return found

    def _end(self, outcome: Outcome, reason: str) -> None:
        self.outcome, self.reason = outcome, reason

    def _call(self, hook: str) -> None:
        """Call the callbacks; one may stop the run."""
        if self.hooks is None:
            return
        control = self.hooks.control
        view = View(
            key=self.key,
            step=self.done,
            length=self.recipe.length,
            epoch=self.epoch,
            gradients=self.gradients,
            rate=self.method.lr * control.rate.last,
            loss=self._loss,
            train_loss=self.train_loss,
            values=Values(self.curve[-1].validation),
            outcome=self.outcome,
            reason=self.reason,
            _run=ViewedRun(
                self.training,
                self.dataset.test,
                lambda: self._now().weights(),
                self._copied_net,
                self._training_outputs,
                lambda: self.dataset.true_training(self.key.seed).target,
            ),
            _control=control,
        )
        self.hooks.call(hook, view)
        if control.stopped and self.outcome == "finished":
            self._end("stopped early", f"{control.stopped}, at step {self.done}")

    def _copied_net(self) -> nn.Module:
        """Return a copy of the model with the weights of an evaluation."""
        net = copy.deepcopy(self.net).eval()
        net.load_state_dict(self._now().weights())
        return net

    def _training_outputs(self) -> Tensor:
        """Return the outputs on the training rows."""
        with evaluating(self.net, self.method, self.state, self.problem.codes(self.training)):
            return outputs_on(self.net, self.training, self.target)

    def _look(self) -> float:
        """Evaluate, and return the value of the deciding metric, smaller being better."""
        started = time.perf_counter()
        decides, validation = self._decides, self.dataset.validation
        names = (metric_info(self.recipe.metric).name, decides.name, *self.target.watched)
        watched, statistics = tuple(dict.fromkeys(names)), self._statistics()
        with (
            evaluating(self.net, self.method, self.state, self.problem.codes(validation)),
            evaluation_weights(self.net, statistics),
        ):
            found = measure(self.net, self.target, validation, watched)
        value = -found[decides.name] if decides.higher_is_better else found[decides.name]
        better = value < self._best
        if better:
            self._best, self._best_step = value, self.done
        if better or (self._last_counts and math.isfinite(value)):
            self._kept = KeptWeights(self.net, self.method, self.state, self._kept, statistics)
            self._kept_step = self.done
        point = CurvePoint(
            step=self.done,
            epoch=self.epoch,
            seconds=self.training_seconds,
            gradients=self.gradients,
            train_loss=self.train_loss,
            validation=found,
        )
        self.curve.append(point)
        if self._watcher is not None:
            self._watcher.look(self.state, watched, statistics, min(self.done, self.recipe.length - 1))
        self._evaluation_seconds += time.perf_counter() - started
        if self.purpose.looked is not None:
            self.purpose.looked(point)
        return value

    def _now(self) -> KeptWeights:
        """Return the weights to evaluate with, now."""
        return KeptWeights(self.net, self.method, self.state, more=self._statistics())

    def _statistics(self) -> dict[str, Tensor]:
        """Return batch norm's statistics for averaged weights, where a regularizer wants them estimated anew."""
        applied = self.problem.applied
        if (
            not self.done
            or applied is None
            or not applied.restates(self.done - 1)
            or not has_statistics(self.net)
        ):
            return {}
        rows = self.feed.part.map(lambda each: each[:MOST_ROWS])
        with evaluating(self.net, self.method, self.state, self.problem.codes(rows)):
            return estimated(self.net, batches_of(rows, self.recipe.batch_size))

    def _record(self) -> Record:
        curve, best_step = self.curve, self._best_step
        done = self.outcome == "finished" or self.out_of_time
        kept = next(point for point in curve if point.step == self._kept_step)
        used = kept.step if self.recipe.gradients is None else kept.gradients
        tokens = self.target.tokens(self.training)
        return Record(
            key=self.key,
            lr=self.method.lr,
            steps=self.recipe.steps if self.recipe.gradients is None else self.done,
            outcome=self.outcome,
            reason=self.reason,
            out_of_time=self.out_of_time,
            curve=curve,
            best_step=kept.step,
            best_share=min(1.0, used / self.recipe.length),
            best=kept.validation,
            last=curve[-1].validation,
            gradients=self.gradients,
            products=self._products,
            forwards=self._forwards,
            tokens=None if tokens is None else tokens * self.done / self.plan.batches_per_epoch,
            watched=None if self._watcher is None else self._watcher.watched(),
            logged=self.hooks.control.logged if self.hooks else {},
            still_improving=done and best_step == curve[-1].step and len(curve) > 2,
            overfitting=done
            and self.dataset.held_out
            and overfits(curve, best_step, self._decides.name, self._decides.higher_is_better),
        )

    def _measured_also(self) -> dict[str, float]:
        """Return the metrics on another text with the weights that the model has; nothing where none is to be read."""
        also = self.dataset.also if self.purpose.read_test else None
        names = tuple(dict.fromkeys((self.recipe.metric, *self.purpose.metrics)))
        return {} if also is None else measure(self.net, self.target, also, names)

    def _read_test(self, found: Finished) -> None:
        """Add the test rows' metrics with the last and the best weights, their values by row, and calibration."""
        net, target, test = self.net, self.target, self.dataset.test
        names = tuple(dict.fromkeys((self.recipe.metric, *self.purpose.metrics)))
        net.load_state_dict(self._now().weights())
        test_last = None if self._kept_step == self.done else measure(net, target, test, names)
        net.load_state_dict(found.weights)
        outputs = outputs_on(net, test, target)
        test_best = evaluate(outputs, test.target, target, names, test.weights)
        test_last = test_last or test_best
        found.test_values = other_values(outputs, test.target, target, names, test.weights)
        calibration = None
        if target.classes and self.dataset.held_out:
            known = self.dataset.validation
            calibration = calibration_of(outputs_on(net, known, target), outputs, (known, test), target)
        also = {"also_before": self._before, "also_after": self._measured_also()}
        tested = {"test": test_best, "test_last": test_last, "calibration": calibration, **also}
        found.record = found.record.model_copy(update=tested)
        found.test_row_losses = target.row_losses(outputs, test.target)
        found.test_row_correct = target.row_correct(outputs, test.target)


def measure(net: nn.Module, target: Target, part: Part, names: tuple[str, ...]) -> dict[str, float]:
    """Return the metrics ``names`` of a model on one part of the data."""
    return evaluate(outputs_on(net, part, target), part.target, target, names, part.weights)
