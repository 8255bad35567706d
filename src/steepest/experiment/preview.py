"""What a comparison would do, told without doing it: a dry run."""

from __future__ import annotations

import html
import time

from steepest.components.held import holding
from steepest.data.sources.contract import Source
from steepest.experiment.baselines import Baselines
from steepest.experiment.budget import MANY_RUNS, expected, outgrown, time_text
from steepest.experiment.cautions import shortness
from steepest.experiment.controls import WHY, with_controls
from steepest.experiment.enough import Outlook
from steepest.experiment.folder import check_folder
from steepest.experiment.growing import joined
from steepest.experiment.settings import decide
from steepest.experiment.tuning_rows import with_tuning_rows
from steepest.recipe import Experiment
from steepest.record.store import Folder
from steepest.report.progress import callbacks_text, eager_text, plan_text, rows_text, steps_text
from steepest.sweep.estimate import at_a_time, plan_seconds
from steepest.sweep.expected import expected_runs
from steepest.sweep.observer import Observer
from steepest.sweep.setup import Setup
from steepest.sweep.wanted import NOTHING_GIVEN, Objects
from steepest.wording import counted

MOST_NAMED = 12
"""Arms that a plan lists by name."""


class Preview(str):
    """The lines of a plan, which a notebook and an interpreter show as lines.

    Attributes:
        seconds: that what is to come is expected to take, besides compiling and baselines; None where a pilot decides.
    """

    seconds: float | None

    def __new__(cls, text: str, seconds: float | None = None) -> Preview:
        made = super().__new__(cls, text)
        made.seconds = seconds
        return made

    def __repr__(self) -> str:
        return str(self)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self)}</pre>"


def preview(
    experiment: Experiment,
    source: Source,
    folder: Folder,
    observer: Observer,
    given: Objects = NOTHING_GIVEN,
    *,
    alone: bool = False,
) -> Preview:
    """Return the plan as lines; some steps are timed, nothing is trained to an end and nothing is written.

    Args:
        experiment: the configuration.
        source: the data.
        folder: where the comparison would be made; the runs that it has are not made again.
        observer: who is told.
        given: what was given as Python objects instead of texts.
        alone: leave out arms that the folder has and that are not asked for.

    Raises:
        FolderError: the folder belongs to other data, or was begun in another way.
        SteepestError: the data, an option or the model cannot be used.
    """
    folder.check_format()
    with folder.finding_code(), holding():
        return _preview(experiment, source, folder, observer, given, alone=alone)


def _arms(setup: Setup) -> list[str]:
    """Return the names of the arms as lines, where they are no more than people read."""
    titles = [arm.title for arm in setup.arms]
    if not 1 < len(titles) <= MOST_NAMED:
        return []
    if any(arm.control for arm in setup.arms):
        added = {arm.title: f"   (added: {WHY[arm.control]})" for arm in setup.arms if arm.control}
        titles = [f"{each}{added.get(each, '')}" for each in titles]
    elif len(setup.differing) == 1:
        return [f"arms   {', '.join(titles)}"]
    return [f"{'arms' if place == 0 else '':<7}{title}" for place, title in enumerate(titles)]


def _preview(
    experiment: Experiment, source: Source, folder: Folder, observer: Observer, given: Objects, *, alone: bool
) -> Preview:
    started = time.perf_counter()
    if not alone:
        experiment, given = joined(folder, experiment, given, observer, source)
    experiment, source = with_tuning_rows(folder, experiment, source, given, observer)
    experiment, given = with_controls(folder, experiment, source, given, observer)
    settings = decide(experiment, source, given, observer)
    began = check_folder(folder, experiment, settings.dataset, settings.timed_cells, settings.codes.libraries)
    settings = settings.measured(began, observer)
    fits = Baselines(folder, settings, settings.judging.metrics, observer)
    outlook = Outlook.of(settings, started, fits.to_come())
    outlook.check()
    settings, length, known, wait = expected(settings)
    cells = settings.plan.cells
    setup, history = settings.setup(length), folder.history()
    why = "; ".join(each for each in (length.why, outgrown(settings, history, 0.0)) if each)
    asked = experiment.execution.workers
    together = at_a_time(setup, cells, history, asked)
    lines = [
        *([f"folder {folder.path.as_posix()}, with {counted(len(history), 'run')}"] if history else []),
        f"batch  {settings.batch_text}",
        *([f"length {why}"] if why else []),
        *callbacks_text(settings.arms[0].callbacks),
        f"plan   {plan_text(setup, history, together)}",
        *_arms(setup),
        *rows_text(cells, settings.arms),
        *steps_text(cells, settings.arms),
        *eager_text(cells, settings.arms),
    ]
    plan = settings.plan.model_copy(update={"length": outlook.noted(length, setup)})
    short = shortness(setup, experiment.protocol, plan)
    lines += [f"warning: {each}" for each in (outlook.warning, short) if each]
    lines.append(f"time   {time_text(settings, setup, history, known=known, wait=wait)}")
    count = len(expected_runs(setup, history))
    if count > MANY_RUNS:
        lines.append(f"begin  only with --yes (yes=True): {count:,} runs are more than {MANY_RUNS:,}")
    seconds = plan_seconds(setup, cells, history, asked=asked) if known else None
    return Preview("\n".join(lines), seconds)
