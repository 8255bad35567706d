"""Training, from the first weights to the record: read it once, top to bottom.

Nothing here knows which optimizer, model or task it has. Randomness comes from one stream for each purpose and step,
so evaluating more or less often changes no trajectory. One driver carries a single run, or several runs whose steps
are taken together: it advances them to their next look, looks at each, and lets each finish where it ends.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from torch import Tensor

from steepest.data.dataset import Dataset
from steepest.models import ModelBuilder
from steepest.optim.method import Method, StepInfo
from steepest.paths.option import KeepPath
from steepest.recipe import Recipe
from steepest.record.schema import CurvePoint, RunKey
from steepest.train.active import ActiveRun
from steepest.train.callback import Hooks
from steepest.train.finished import Finished, Purpose
from steepest.train.problem import products
from steepest.train.taught import Teacher

Steps = Callable[[int, int], Iterator[Sequence[StepInfo]]]
"""Takes steps: the first one, counted from 0, and how many; yields the reports of every step, one for each run."""
Progress = Callable[[float], None]


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
    progress: Progress | None = None,
    device: str = "cpu",
    start: Mapping[str, Tensor] | None = None,
    steps_before: int = 0,
    masked: Mapping[str, Tensor] | None = None,
    teacher: Teacher | None = None,
    keep_last: bool = False,
    keep_early: Mapping[str, int] = MappingProxyType({}),
    hooks: Hooks | None = None,
    watch: tuple[str, ...] = (),
    keep_path: KeepPath | None = None,
    looked: Callable[[CurvePoint], None] | None = None,
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
        masked: the weights by which the recipe prunes; None where it does not.
        teacher: the network that the recipe learns of; None where it does not.
        keep_last: return the weights after the last step, too.
        keep_early: return those after so many steps, too, by a name each.
        hooks: the run's callbacks; ``method`` has to follow their rate.
        watch: what is recorded at its evaluations besides: ``gap``, ``norms``, ``gradients``.
        keep_path: return the weights at evenly spaced steps, too.
        looked: called with every evaluation.

    Example:
        See ``examples/whole_path.py``, which does the same in plain torch.

    Raises:
        ModelError: the model fails before the first step. An error in a step ends the run and goes on record.
    """
    purpose = Purpose(evaluations, metrics, read_test, keep_last, keep_early, watch, keep_path, looked)
    run = ActiveRun(
        dataset,
        recipe,
        key,
        method,
        purpose,
        model=model,
        device=device,
        start=start,
        masked=masked,
        teacher=teacher,
        steps_before=steps_before,
        hooks=hooks,
    )
    run.begin(method.init(run.problem))

    def steps(first: int, count: int) -> Iterator[Sequence[StepInfo]]:
        for info in method.steps(run.problem, run.state, run.feed, first, count):
            yield (info,)

    [finished] = drive([run], steps, progress)
    return finished


def drive(runs: Sequence[ActiveRun], steps: Steps, progress: Progress | None = None) -> list[Finished]:
    """Carry runs that have begun to their ends, and return what they leave, in their order.

    All have the same length and are evaluated after the same steps. One that ends before the others finishes there; in
    what computes the steps it stays as padding.
    """
    finished: dict[int, Finished] = {}
    report = _Report(progress, len(runs), runs[0].recipe.length)
    while len(finished) < len(runs):
        going = [run for run in runs if run.going]
        if going:
            advance(runs, steps, report)
        for run in going:
            if run.outcome == "finished":
                run.look()
        for place, run in enumerate(runs):
            if place not in finished and not run.going:
                finished[place] = run.finish()
    return [finished[place] for place in range(len(runs))]


def advance(runs: Sequence[ActiveRun], steps: Steps, report: _Report) -> None:
    """Take the steps up to the next look, until the time is used up, or until no run is left.

    An error in a step ends all that were left.
    """
    going = [run for run in runs if run.going]
    lead, began = going[0], going
    stop, by_gradients = lead.next_look, lead.recipe.gradients is not None
    by_step = any(run.hooks and run.hooks.at_batches for run in runs)
    started = time.perf_counter()
    try:
        with products(lead.recipe.precision):
            while going and lead.used < stop:
                in_time = lead.steps_in_time((time.perf_counter() - started) / len(runs))
                if not in_time:
                    break
                most = 1 if by_step else math.ceil(stop - lead.used)  # a step costs one gradient at least
                most = int(min(most, in_time))
                for infos in steps(lead.done, most):
                    for run, info in zip(runs, infos, strict=True):
                        if run.outcome == "finished":
                            run.took(info)
                    used = lead.gradients if by_gradients else lead.done
                    if used >= report.due:
                        report(used)
                    if lead.outcome != "finished":
                        going = [run for run in going if run.outcome == "finished"]
                        if not going:
                            break
                        lead = going[0]
                    if by_gradients and used >= stop:
                        break
    except Exception as error:
        for run in going:
            if run.outcome == "finished":
                run.broke(error)
    seconds = (time.perf_counter() - started) / len(runs)
    for run in began:
        run.spent(seconds)


class _Report:
    """Tells how much of the length was used since it was last told: every 16 steps, and at the end.

    Attributes:
        due: how much is used when it is to be told next.
    """

    def __init__(self, tell: Progress | None, runs: int, length: int) -> None:
        self._tell, self._runs, self._length, self._told = tell, runs, length, 0.0
        self.due = min(16.0, length)

    def __call__(self, used: float) -> None:
        if self._tell:
            self._tell((used - self._told) * self._runs)
        self._told, self.due = used, min(used + 16.0, self._length)
