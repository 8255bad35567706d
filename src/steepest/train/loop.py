"""One run, from the first weights to its record: read it once, top to bottom.

Nothing here knows which optimizer, model or task it has. Randomness comes from one stream for each purpose
and step, so evaluating more or less often changes no trajectory; clocks for training and evaluation are apart.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Part
from steepest.errors import ModelError, first_line
from steepest.evaluate.metrics import evaluate, metric_info
from steepest.evaluate.outputs import predict
from steepest.evaluate.rowwise import other_values
from steepest.models import ModelBuilder, build_model
from steepest.objectives.target import Target, target_of
from steepest.optim.method import Method
from steepest.recipe import Recipe
from steepest.record.meter import Meter
from steepest.record.schema import Clocks, Point, Record, RunKey
from steepest.train.causes import ended_by, likely_cause
from steepest.train.feed import Feed
from steepest.train.problem import problem_of, products, wide
from steepest.train.weights import Kept, evaluating

SMOOTHING = 0.98
"""Weight of the past in the running training loss."""

Weights = dict[str, Tensor]


@dataclass
class Finished:
    """What a run leaves: record, best-validation weights, what each test row gets with them, steps taken.

    ``last`` are the weights after the last step, where they are wanted.

    ``test_values`` are the values by row of further metrics, as ``rowwise.other_values`` returns them.
    """

    record: Record
    weights: Weights
    test_row_losses: Tensor | None = None
    test_row_correct: Tensor | None = None
    test_values: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    steps: int = 0
    last: Weights | None = None


def train(
    dataset: Dataset,
    recipe: Recipe,
    key: RunKey,
    method: Method,
    *,
    model: ModelBuilder | None = None,
    evaluations: int = 20,
    metrics: tuple[str, ...] = (),
    read_test: bool = False,
    progress: Callable[[float], None] | None = None,
    device: str = "cpu",
    start: Mapping[str, Tensor] | None = None,
    steps_before: int = 0,
    keep_last: bool = False,
) -> Finished:
    """Train one run and return its record, its best weights and, on request, their metrics on the test rows.

    Args:
        dataset: the data; validation picks the best weights.
        recipe: model, length, batch size and weights of the classes.
        key: which run this is; ``key.seed`` drives initialisation, order and dropout.
        method: takes the steps.
        model: a callable that builds the user's own model; otherwise the recipe's specification is built.
        evaluations: how many times the validation rows are read, evenly over the run, and at each epoch's end unless
            the length is in gradients; then after the step that reaches each share of them.
        metrics: what is reported besides the loss and the deciding metric.
        read_test: evaluate the test rows with the best-validation and with the last weights.
        progress: called with the steps done since the last call, or the gradients used where they are the length.
        device: where the model is put; the dataset is there already.
        start: the weights and buffers that it starts from; None for those that the seed draws.
        steps_before: steps of the runs that gave ``start``: batches and random draws go on after theirs, and epochs
            count from their beginning. Schedule and optimizer begin anew.
        keep_last: return the weights after the last step, too.

    Example:
        See ``examples/whole_path.py``, which does the same in plain torch.

    Raises:
        ModelError: the model fails before the first step. An error in a step ends the run and goes on record.
    """
    meter = Meter(device)
    net, dataset = wide(
        build_model(model or recipe.model, dataset.shape, seed=key.seed), dataset, recipe.precision
    )
    net.to(device)
    if start is not None:
        net.load_state_dict(start)
    problem, target = problem_of(net, dataset, recipe), target_of(dataset)
    state = method.init(problem)
    plan = BatchPlan(len(dataset.train), recipe.batch_size, key.seed)
    feed = Feed(dataset.training(key.seed), plan, key.seed, steps_before)
    decides = metric_info(recipe.metric)
    watched = tuple(dict.fromkeys((recipe.metric, *target.watched)))
    per_epoch = plan.batches_per_epoch if recipe.gradients is None else recipe.length
    stops = evaluation_steps(recipe.length, per_epoch, evaluations)

    curve: list[Point] = []
    best, best_step, kept = math.inf, 0, Kept(net, method, state)
    running, correction = 0.0, 0.0
    training_seconds = evaluation_seconds = compile_seconds = 0.0
    gradients, reason, outcome, waited = 0.0, "", "finished", 0
    done, reported = 0, 0.0

    def used() -> float:
        """How much of the length is used up: steps, or gradients where those are what counts."""
        return done if recipe.gradients is None else gradients

    def look(step: int) -> float:
        nonlocal best, best_step, kept, evaluation_seconds
        started = time.perf_counter()
        with evaluating(net, method, state, problem.codes(dataset.validation)):
            found = measure(net, target, dataset.validation, watched)
        value = -found[decides.name] if decides.higher_is_better else found[decides.name]
        if value < best:
            best, best_step, kept = value, step, Kept(net, method, state, older=kept)
        loss = running / correction if correction else math.nan
        epoch = (steps_before + step) / plan.batches_per_epoch
        curve.append(Point(step=step, epoch=epoch, seconds=training_seconds, gradients=gradients,
                           train_loss=loss, validation=found))  # fmt: skip
        evaluation_seconds += time.perf_counter() - started
        return value

    try:
        first = look(0)
    except Exception as error:  # no run can go on from here
        raise ModelError(
            f"the model fails on the validation rows: {type(error).__name__}: {first_line(error)}",
            hint="it is called as model(categorical, continuous) in evaluation mode, without gradients.",
        ) from error
    while outcome == "finished" and used() < recipe.length:
        stop = min(each for each in stops if each > used())
        most = math.ceil(stop - used())  # a step costs one gradient at least
        started = time.perf_counter()
        try:
            with products(recipe.precision):
                for info in method.steps(problem, state, feed, done, most):
                    done += 1
                    gradients += info.gradients
                    running = SMOOTHING * running + (1 - SMOOTHING) * info.loss
                    correction = SMOOTHING * correction + (1 - SMOOTHING)
                    if progress and (used() - reported >= 16 or used() >= recipe.length):
                        progress(used() - reported)
                        reported = used()
                    if not math.isfinite(info.loss):
                        cause = likely_cause(feed.batch(done - 1), done, first)
                        outcome, reason = "diverged", f"the loss is {info.loss} at step {done}: {cause}"
                        break
                    if recipe.gradients is not None and gradients >= stop:
                        break
        except Exception as error:
            outcome, reason = ended_by(error, f"at step {done + 1}", recipe.batch_size)
        compiling = method.compile_seconds(state)
        training_seconds += time.perf_counter() - started - (compiling - compile_seconds)
        compile_seconds = compiling
        if outcome != "finished":
            break
        before = best
        try:
            value = look(done)
        except Exception as error:
            outcome, reason = ended_by(error, f"on the validation rows after step {done}", recipe.batch_size)
            break
        if not math.isfinite(value):
            cause = likely_cause(dataset.validation, done, first)
            what = f"the validation {decides.title} is {abs(value)} at step {done}"
            outcome, reason = "diverged", f"{what}: {cause}"
        waited = 0 if value < before else waited + 1
        if outcome == "finished" and recipe.patience is not None and waited >= recipe.patience:
            outcome, reason = "stopped early", f"no better for {waited} evaluations, at step {done}"

    started = time.perf_counter()
    names = tuple(dict.fromkeys((recipe.metric, *metrics)))
    best_weights = kept.weights()
    record = Record(
        key=key,
        lr=method.lr,
        steps=recipe.steps if recipe.gradients is None else done,
        outcome=outcome,
        reason=reason,
        curve=curve,
        best_step=best_step,
        best=next(point.validation for point in curve if point.step == best_step),
        last=curve[-1].validation,
        still_improving=outcome == "finished" and best_step == curve[-1].step and len(curve) > 2,
        overfitting=outcome == "finished"
        and _overfits(curve, best_step, decides.name, decides.higher_is_better),
    )
    last = Kept(net, method, state).weights() if keep_last else None
    losses = correct = None
    values: dict[str, Tensor] = {}
    if read_test and not record.failed:
        try:
            net.load_state_dict(Kept(net, method, state).weights())
            test_last = measure(net, target, dataset.test, names)
            net.load_state_dict(best_weights)
            outputs = predict(net, dataset.test.inputs)
            test = evaluate(outputs, dataset.test.target, target, names)
            values = other_values(outputs, dataset.test.target, target, names)
            record = record.model_copy(update={"test": test, "test_last": test_last})
            losses = target.row_losses(outputs, dataset.test.target)
            correct = target.row_correct(outputs, dataset.test.target)
        except Exception as error:
            outcome, reason = ended_by(error, "on the test rows", recipe.batch_size)
            record = record.model_copy(update={"outcome": outcome, "reason": reason})
    evaluation_seconds += time.perf_counter() - started
    clocks = Clocks(train=training_seconds, evaluate=evaluation_seconds, compile=compile_seconds)
    cost = {"cpu_seconds": meter.cpu_seconds, "peak_memory": meter.peak_memory}
    record = record.model_copy(update={"clocks": clocks, **cost})
    return Finished(record, best_weights, losses, correct, values, done, last)


def evaluation_steps(steps: int, per_epoch: int, evaluations: int) -> set[int]:
    """Return the steps after which the validation rows are read: evenly spaced ones, and up to as many epochs' ends.

    Example:
        >>> sorted(evaluation_steps(10, 4, 5))
        [2, 4, 6, 8, 10]
    """
    even = {max(1, round(steps * (i + 1) / evaluations)) for i in range(evaluations)}
    epochs = range(per_epoch, steps + 1, per_epoch)
    return even | (set(epochs) if len(epochs) <= evaluations else set()) | {steps}


def measure(net: nn.Module, target: Target, part: Part, names: tuple[str, ...]) -> dict[str, float]:
    """Return the metrics ``names`` of a model on one part of the data."""
    return evaluate(predict(net, part.inputs), part.target, target, names)


def _overfits(curve: list[Point], best_step: int, name: str, higher_is_better: bool) -> bool:
    """Return whether validation became worse after its best while the training loss went on falling.

    It needs more than an epoch: before that, every row is seen for the first time.
    """
    last = curve[-1]
    best = next(point for point in curve if point.step == best_step)
    values = best.validation[name], last.validation[name]
    lost = values[0] - values[1] if higher_is_better else values[1] - values[0]
    return last.epoch > 1 and lost > 0.01 * abs(values[0]) and last.train_loss < best.train_loss
