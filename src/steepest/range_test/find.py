"""``lr_find``: range tests of arms, or of one's own model and optimizer, and what they suggest."""

from __future__ import annotations

import contextlib
import html
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from steepest import forks
from steepest.api import Plan, plan
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset
from steepest.errors import FolderError, ModelError, OptionError
from steepest.experiment.settings import decide, usable_device
from steepest.export.range_plot import draw_range_tests
from steepest.files import local, write_atomically
from steepest.models import build_model
from steepest.range_test import unused
from steepest.range_test.own import Loss, no_factor, own_test
from steepest.recipe import CLEARER_NAMES, Execution, Recipe, flag_of, varying
from steepest.report import range_page
from steepest.report.console import ProgressObserver
from steepest.sweep.arms import PlannedArm
from steepest.sweep.methods import make_method
from steepest.sweep.observer import Observer
from steepest.train.causes import ended_by
from steepest.train.compiled import Programs
from steepest.train.problem import problem_of, products, wide
from steepest.train.range_test import START, STEPS, STOP, RangeTest, geometric, run
from steepest.wording import plain_text

FORMS = (".html", ".png", ".svg", ".pdf")


@dataclass(frozen=True)
class RangeTests:
    """Range tests, one for each arm.

    Attributes:
        tests: the tests, with all numbers.
        title: of the page.
        first: what the tests differ in.
    """

    tests: tuple[RangeTest, ...]
    title: str
    first: str = "optimizer"

    @property
    def rates(self) -> dict[str, float | None]:
        """The suggested learning rate of each arm; None where no rate lowered the loss by more than its noise."""
        return {test.name: test.suggested for test in self.tests}

    @property
    def rate(self) -> float | None:
        """The suggested learning rate of the only arm.

        Raises:
            OptionError: there are several.
        """
        if len(self.tests) != 1:
            raise OptionError(f"there are {len(self.tests)} arms", hint="see .rates, by their names.")
        return self.tests[0].suggested

    @property
    def sentence(self) -> str:
        """The suggestion in words."""
        return range_page.sentence(self.tests)

    def as_json(self) -> list[dict[str, Any]]:
        """Return all numbers as plain values."""
        return [
            {
                "name": test.name,
                "suggested": test.suggested,
                "steepest": test.steepest,
                "tenth": test.tenth,
                "lowest": test.lowest,
                "ended": test.ended,
                "rates": list(test.rates),
                "losses": list(test.losses),
                "smoothed": list(test.smoothed),
            }
            for test in self.tests
        ]

    def save(self, *paths: str | Path) -> list[Path]:
        """Write the picture: a page that works offline (``.html``), or ``.png``, ``.svg`` or ``.pdf``.

        Raises:
            OptionError: a path ends otherwise.
            FolderError: a file cannot be written.
        """
        written: list[Path] = []
        for path in map(Path, paths):
            check_form(path)
            if path.suffix == ".html":
                content = range_page.render(self.tests, self.title, self.first)
            else:
                content = draw_range_tests(self.tests, path.suffix[1:])
            write_atomically(path, content)
            written.append(path)
        return written

    def __rich_console__(self, console: Any, options: Any) -> Any:
        yield range_page.table(self.tests)
        yield self.sentence
        yield from range_page.remarks(self.tests)

    def __str__(self) -> str:
        return plain_text(self, 100)

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.sentence)}</p>"


def check_form(path: Path) -> None:
    """Raise an ``OptionError`` if a picture cannot be written under that name."""
    if path.suffix not in FORMS:
        raise OptionError(
            f"a picture cannot be written as {path.name!r}", hint=f"end it with {', '.join(FORMS)}."
        )
    if not local(path).absolute().parent.is_dir():
        raise FolderError(f"there is no folder {path.absolute().parent.as_posix()!r}", hint="make it first.")


def lr_find(
    data: Any,
    optimizer: torch.optim.Optimizer | None = None,
    loss: Loss | None = None,
    batches: Iterable[Any] | None = None,
    *,
    start: float = START,
    stop: float = STOP,
    steps: int = STEPS,
    optimizers: Any = ("adam",),
    observer: Observer | None = None,
    **options: Any,
) -> RangeTests:
    """Return what a learning rate range test suggests: a run whose rate rises from ``start`` to ``stop``.

    Given a table, it tests an optimizer or several, or other arms: ``lr_find("flats.csv", target="rent",
    optimizers=["adam", "sgd"])``. Given a model, its optimizer, the loss and the batches, it tests these, and leaves
    weights, buffers, gradients, optimizer state, random generators and the order of the batches as they were.

    Args:
        data: a table, as for :func:`steepest.plan`; or an ``nn.Module``.
        optimizer: with a module: any of torch's kind. Groups of parameters keep the ratios of their rates.
        loss: with a module: called as ``loss(outputs, target)``.
        batches: with a module: a list or a ``DataLoader`` of ``(inputs, target)``.
        start: the lowest rate.
        stop: the highest rate.
        steps: how many steps lead from one to the other.
        optimizers: with a table: as for :func:`steepest.plan`.
        observer: is told of the progress (default: a progress bar on the terminal).
        options: with a table: of the data, the model and the training, as for :func:`steepest.plan`.

    Raises:
        OptionError: an option has no effect, or the rate of an optimizer cannot rise during a run.

    Example:
        >>> model = nn.Linear(1, 1)
        >>> x = torch.linspace(-1, 1, 64)[:, None]
        >>> found = lr_find(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.functional.mse_loss, [(x, 3 * x)],
        ...                 observer=Observer())
        >>> found.rate is not None, model.weight.grad
        (True, None)
    """
    forks.check()
    rates = geometric(start, stop, steps)
    with contextlib.ExitStack() as stack:
        watching = observer or stack.enter_context(ProgressObserver())
        if isinstance(data, nn.Module):
            if optimizer is None or loss is None or batches is None or options:
                raise OptionError(
                    "a model is tested with its optimizer, a loss and batches, and nothing else",
                    hint="write st.lr_find(model, optimizer, loss, batches).",
                )
            watching.stage(f"range test of {type(optimizer).__name__}")
            watching.remaining(steps)
            test = own_test(data, optimizer, loss, batches, rates, watching.advance)
            return RangeTests((test,), range_page.title_of([test], type(data).__name__))
        asked = {CLEARER_NAMES.get(name, name) for name in options}
        wrong = next((name for name in sorted(asked) if name in unused()), None)
        if wrong is not None:
            raise OptionError(
                f"{flag_of(wrong)} has no effect on a range test, which is one run whose learning rate rises",
                hint="leave it out.",
            )
        return tests_of(plan(data, optimizers=optimizers, **options), rates, watching)


def tests_of(made: Plan, rates: Sequence[float], observer: Observer) -> RangeTests:
    """Return the range test of each arm of a plan; no run of the plan is made or changed."""
    settings = decide(made.experiment, made.table, made.given, observer)
    device = usable_device(made.experiment.execution.device)
    seed = made.experiment.protocol.seed
    for arm in settings.arms:
        if "lr" not in arm.rule.axes or not getattr(arm.rule, "lr_is_a_factor", True):
            raise no_factor(arm.method.name)
    observer.remaining(len(settings.arms) * len(rates))
    tests: list[RangeTest] = []
    for arm in settings.arms:
        observer.stage(f"range test of {arm.title}")
        data = settings.datasets[arm.folds[0]].to(device)
        with contextlib.closing(cast("Any", _losses(arm, data, device, seed, rates))) as losses:
            tests.append(run(arm.title, rates, losses, observer.advance))
    differing = varying([arm.factors for arm in settings.arms])
    first = differing[0].replace("_", " ") if len(differing) == 1 else "arm" if differing else "optimizer"
    return RangeTests(tuple(tests), range_page.title_of(tests, made.experiment.name), first)


def _losses(
    arm: PlannedArm, data: Dataset, device: str, seed: int, rates: Sequence[float]
) -> Iterator[float]:
    """Make a run of its own, with weights, order and draws of a seed, and yield its losses."""
    recipe = arm.recipe.model_copy(update={"steps": len(rates)})
    net = build_model(arm.model or recipe.model, data.shape, seed=seed, finetune=recipe.finetune)
    net, data = wide(net, data, recipe.precision)
    problem = problem_of(net.to(device), data, recipe)
    method = make_method(
        arm.rule.with_lr(rates[0]),
        recipe,
        Execution.model_validate({"device": device}),
        Programs(),
        compiled=False,
        schedule=lambda step: rates[step] / rates[0],
    )
    feed = problem.feed(data.training(seed), BatchPlan(len(data.train), recipe.batch_size, seed), seed)
    done = 0
    with products(recipe.precision):
        try:
            for info in method.steps(problem, method.init(problem), feed, 0, len(rates)):
                done += 1
                yield info.loss
        except Exception as error:
            raise _failed(arm, error, done, recipe) from error


def _failed(arm: PlannedArm, error: Exception, done: int, recipe: Recipe) -> ModelError:
    _, reason = ended_by(error, f"at step {done + 1}", recipe.batch_size)
    return ModelError(f"the range test of {arm.title} failed: {reason}", hint="mend the cause of the error.")
