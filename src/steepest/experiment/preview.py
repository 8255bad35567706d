"""What a comparison would do, told without doing it: a dry run."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from steepest.components.references import looking
from steepest.data.table import Table
from steepest.experiment.budget import check_minutes, expected
from steepest.experiment.folder import check_folder, joined
from steepest.experiment.settings import decide
from steepest.models import ModelBuilder
from steepest.recipe import Experiment, RunLength
from steepest.record.store import Folder
from steepest.report.format import seconds as duration
from steepest.sweep.estimate import plan_seconds, plan_text
from steepest.sweep.methods import steps_text
from steepest.sweep.observer import Observer
from steepest.sweep.rows import rows_text
from steepest.wording import counted


class Preview(str):
    """The lines of a plan, which a notebook and an interpreter show as lines."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self)}</pre>"


def preview(
    experiment: Experiment,
    table: Table,
    folder: Folder,
    observer: Observer,
    model: ModelBuilder | None = None,
    *,
    optimizers: Sequence[Any] | None = None,
) -> str:
    """Return the plan as lines; some steps are timed, nothing is trained to an end and nothing is written.

    Args:
        experiment: the configuration.
        table: the data.
        folder: where the comparison would be made; the runs that it has are not made again.
        observer: who is told.
        model: the user's own model as a callable.
        optimizers: classes, rules or values to try, where they are not all texts of the experiment.

    Raises:
        FolderError: the folder belongs to other data, or was begun in another way.
        SteepestError: the data, an option or the model cannot be used.
    """
    folder.check_format()
    with looking(folder.sources_of):
        return _preview(experiment, table, folder, observer, model, optimizers)


def _preview(
    experiment: Experiment,
    table: Table,
    folder: Folder,
    observer: Observer,
    model: ModelBuilder | None,
    optimizers: Sequence[Any] | None,
) -> str:
    experiment, optimizers = joined(folder, experiment, optimizers, observer, model)
    decision = decide(experiment, table, model, optimizers, observer)
    began = check_folder(folder, experiment, decision.dataset, decision.of)
    decision = decision.measured(began, observer)
    check_minutes(decision)
    decision, fitted, known, wait = expected(decision)
    protocol = experiment.protocol
    setup, history = decision.setup(fitted), folder.history()
    execution = decision.execution
    lines = [
        *([f"folder {folder.path.as_posix()}, with {counted(len(history), 'run')}"] if history else []),
        f"batch  {counted(decision.batch_size, 'row')}, {decision.how_batch}; "
        f"{counted(decision.per_epoch, 'step')} per epoch",
        *([f"length {fitted.why}"] if fitted.why else []),
        f"plan   {plan_text(setup, history)}",
        *filter(None, [rows_text(execution, decision.who), steps_text(execution, decision.who)]),
    ]
    besides = [f"{duration(wait)} of compiling"] if wait else []
    besides += [] if history else ["the baselines"]
    more = f", plus {' and '.join(besides)}" if besides else ""
    if known or protocol.minutes is not None:
        most = "about" if known else "at most about"
        lines.append(f"time   {most} {duration(plan_seconds(setup, execution, history))}{more}")
    else:
        short, long = (decision.setup(RunLength(epochs=each)) for each in (1.0, 2.0))
        epoch = plan_seconds(long, execution, {}) - plan_seconds(short, execution, {})
        lines.append(
            f"time   about {duration(epoch)} per epoch{more}; a pilot run chooses the number of epochs"
        )
    return "\n".join(lines)
