"""How a suite is made: what is not stored is trained, set by set, in ordinary folders, and its page is written."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from steepest.api import Result
from steepest.compare.across import SuiteResults
from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.errors import OptionError, SteepestError, unknown_name
from steepest.experiment.given import Arm
from steepest.experiment.preview import Preview
from steepest.export.across import contests_csv, latex_table, markdown_table, results_csv
from steepest.files import write_with_folder
from steepest.record.store import Folder
from steepest.report.format import seconds as duration
from steepest.report.suite_page import suite_page
from steepest.report.words import listed
from steepest.suites.base import registry
from steepest.suites.base.result import RESULTS, SuiteResult
from steepest.suites.base.sets import chosen_sets, open_set, own_set
from steepest.suites.base.stored import StoredSuite, differences, made_here, read_stored
from steepest.suites.base.suite import SIZES, Size, Suite
from steepest.suites.base.work import SetWork, called, folder_of, work_on
from steepest.sweep.contestants import contestant, contestants
from steepest.sweep.observer import Observer
from steepest.sweep.setup import Setup
from steepest.sweep.trials import EXTRA_RATES
from steepest.wording import counted, share_text


@dataclass(frozen=True)
class SuitePlan:
    """A suite that can be made.

    Attributes:
        suite, size: which.
        works: what is to be done on each data set.
        stored: the results that come with the package; None where there are none of this version and size.
        again: whether they are not used.
    """

    suite: Suite
    size: Size
    works: Sequence[SetWork]
    stored: StoredSuite | None
    again: bool = False

    @property
    def mine(self) -> list[str]:
        """The arms that the suite is run for."""
        found = [work.name_of(arm) for work in self.works for arm in work.setup.arms if arm.id in work.mine]
        return [*dict.fromkeys([*found, *(name for work in self.works for name in work.refused)])]

    @property
    def others(self) -> list[str]:
        """The arms that they are compared with."""
        found = [
            work.name_of(arm) for work in self.works for arm in work.setup.arms if arm.id not in work.mine
        ]
        return [*dict.fromkeys(found)]

    @property
    def remarks(self) -> list[str]:
        """What a reader has to know: what is not used of what is stored, and how that was made elsewhere."""
        said: list[str] = []
        own = [work.chosen.name for work in self.works if work.chosen.own]
        if own:
            said.append(
                f"Of {listed(own)} no results are stored: all {len(self.others)} other optimizers are trained here."
            )
        if self.stored is None:
            said.append(
                f"No results of version {self.suite.version} of this suite come with the package in the size "
                f"{self.size}: all optimizers are trained here."
            )
        for work in self.works:
            reasons: dict[str, list[str]] = {}
            for name, why in work.why.items():
                reasons.setdefault(why, []).append(name)
            said += [
                f"{work.chosen.name}: trained here because {why}: {', '.join(names)}."
                for why, names in reasons.items()
            ]
        if self.again:
            said.append("Stored results are not used, as was asked for.")
        if self.stored is not None and any(work.stored for work in self.works):
            odd = differences(self.stored.made)
            if odd:
                said.append(f"Stored results were made elsewhere ({'; '.join(odd)}): last digits may differ.")
        return said

    def lacking(self, out: Path) -> list[tuple[SetWork, list[Arm]]]:
        """Return the arms that are to be trained on each data set, in a folder that may have some runs."""
        return [(work, work.lacking(folder_of(out, work.chosen).history())) for work in self.works]

    def folder(self, out: str | Path | None) -> Path:
        """Return where the suite is made: by default ``runs/suite-NAME``, with the size behind it unless default."""
        name = f"suite-{self.suite.name}{'' if self.size == 'default' else f'-{self.size}'}"
        return Path("runs") / name if out is None else Path(out)

    def __str__(self) -> str:
        return self._text(self.lacking(self.folder(None)))

    def _text(self, lacking: Sequence[tuple[SetWork, Sequence[Arm]]]) -> str:
        lines = [
            f"suite  {self.suite.name}, version {self.suite.version}, {self.size}: {listed(self.mine)} "
            f"against {', '.join(self.others)}"
        ]
        for work, arms in lacking:
            kept = f", {counted(len(work.stored), 'stored result')}" if work.stored else ""
            what = ", ".join(map(called, arms)) or "nothing"
            lines.append(f"set    {work.chosen.name}: train {what}{kept}")
        return "\n".join([*lines, *(f"note   {each}" for each in self.remarks)])

    def preview(self, out: str | Path | None = None, *, observer: Observer | None = None) -> Preview:
        """Return what would be trained, and how long that is expected to take here, from some timed steps.

        Nothing is trained or written; finished runs in the folder are not made again.

        Args:
            out: as for :meth:`run`.
            observer: receives messages about automatic choices (default: none).
        """
        folder = self.folder(out)
        lacking, runs, seconds, unknown = self.lacking(folder), list[str](), 0.0, False
        for work, arms in lacking:
            if not arms:
                continue
            found = work.preview(folder_of(folder, work.chosen), observer)
            planned = next(each for each in found.splitlines() if each.startswith("plan "))
            runs.append(f"runs   {work.chosen.name}: {planned.removeprefix('plan ').strip()}")
            seconds, unknown = seconds + (found.seconds or 0.0), unknown or found.seconds is None
        text = "\n".join([self._text(lacking), *runs])
        if not runs:
            return Preview(f"{text}\ntime   nothing is left to train", 0.0)
        more = " and more" if unknown else ""
        return Preview(
            f"{text}\ntime   about {duration(seconds)}{more} on this machine, besides writing reports",
            seconds,
        )

    def run(self, out: str | Path | None = None, *, observer: Observer | None = None) -> SuiteResult:
        """Train what is neither stored nor in the folder, and write page, tables and numbers.

        Args:
            out: the folder (default: ``runs/suite-NAME``). Each data set has a folder of its own in it.
            observer: receives the progress (default: a progress bar on the terminal).

        Raises:
            FolderError: a folder is of something else, or cannot be written.
        """
        if observer is None:
            from steepest.report.console import ProgressObserver

            with ProgressObserver() as shown:
                return self.run(out, observer=shown)
        path, parts = self.folder(out), dict[str, Result]()
        failed: dict[str, dict[str, str]] = {}
        lacking = self.lacking(path)
        for each in self.remarks:
            observer.say(f"note   {each}")
        todo = [work.chosen.name for work, arms in lacking if arms]
        for work, arms in lacking:
            name = work.chosen.name
            for arm, why in work.refused.items():
                observer.say(f"warning: {name}: {arm} cannot be trained: {why}")
            folder = folder_of(path, work.chosen)
            if arms:
                observer.say(f"set    {name}, {todo.index(name) + 1} of {len(todo)}")
                failed[name] = _train(work, work.trained, folder, observer)
            with contextlib.suppress(SteepestError):  # nothing was trained on it
                parts[name] = Result.load(folder.path)
        return self._written(path, parts, failed)

    def _written(
        self, path: Path, parts: dict[str, Result], failed: dict[str, dict[str, str]]
    ) -> SuiteResult:
        sets = [
            work.results(
                folder_of(path, work.chosen).history(),
                failed.get(work.chosen.name, {}),
                work.chosen.name if work.chosen.name in parts else "",
            )
            for work in self.works
        ]
        used = self.stored is not None and any(work.stored for work in self.works)
        results = SuiteResults(
            suite=self.suite.name,
            version=self.suite.version,
            size=self.size,
            mine=self.mine,
            others=self.others,
            sets=sets,
            protocol=_protocol(self.works),
            here=made_here(),
            stored=self.stored.made if self.stored is not None and used else {},
            remarks=self.remarks,
        )
        write_with_folder(path / RESULTS, results.model_dump_json(indent=1) + "\n")
        write_with_folder(path / "report.html", suite_page(results))
        write_with_folder(path / "table.md", markdown_table(results))
        write_with_folder(path / "table.tex", latex_table(results))
        write_with_folder(path / "results.csv", results_csv(results))
        write_with_folder(path / "contests.csv", contests_csv(results))
        return SuiteResult(path, results, parts)


def _train(work: SetWork, arms: Sequence[Arm], folder: Folder, observer: Observer) -> dict[str, str]:
    """Train arms in the folder of a data set, and return why those failed that could not be trained.

    One that ends with an error is left out, and the others go on.
    """
    try:
        work.train(arms, folder, observer)
    except SteepestError as error:
        if len(arms) == 1:
            name = called(arms[0])
            observer.say(f"warning: {work.chosen.name}: {name} cannot be trained: {error.fact}")
            return {name: error.fact}
        failed: dict[str, str] = {}
        for each in arms:
            failed |= _train(work, [each], folder, observer)
        if len(failed) == len(arms):
            raise
        work.train(
            [each for each in arms if called(each) not in failed], folder, observer
        )  # one report of all
        return failed
    return {}


def _protocol(works: Sequence[SetWork]) -> list[str]:
    """Return how all arms are trained, in sentences."""
    setup = works[0].setup
    seeds = counted(len(setup.seeds), "seed")
    return [
        f"{_trials(setup)}, at {share_text(setup.scan_fraction)}, and the best {setup.full_rates} at full "
        f"length; a best rate at the edge of a grid extends it, by {EXTRA_RATES} rates at most. The best on the "
        "validation rows is chosen, by runs with a seed of their own.",
        f"The chosen rate runs with {seeds}, the same for all arms: initial weights and the order of the rows are "
        "those of the seed, and runs of one seed are pairs. The weights with the best validation result are tested "
        "once, on rows that neither training nor tuning has seen.",
        f"All have the same epochs and batches, and the schedule {setup.arms[-1].recipe.schedule}, scaled to the "
        "length of each run. Steps are computed with 32 bits, on one thread of the CPU, and not compiled.",
    ]


def _trials(setup: Setup) -> str:
    """Return what trials every tuned optimizer has."""
    count = max(setup.trial_counts.values(), default=setup.scan_rates)
    wide = {arm.method.name: [axis.name for axis in arm.method.axes] for arm in setup.arms if arm.method.axes}
    if not wide:
        return (
            f"Every tuned optimizer has the same number of trials: {count} learning rates √10 apart around the centre "
            "that it documents"
        )
    points = "; ".join(f"of {name} over its rate, {', '.join(names)}" for name, names in wide.items())
    return (
        f"Every tuned optimizer has the same number of trials, {count}: points of a Sobol sequence {points}; of the "
        "others learning rates around the centre that each documents, as many"
    )


def make_suite(name: str) -> Suite:
    """Return a suite by its name, or of a class of one's own by a reference such as ``mine.py:Mine``.

    Raises:
        UnknownNameError: there is no such suite.
        OptionError: the reference leads to no suite.
    """
    spec = grammar.parse(name)
    found = load_reference(spec.name) if spec.is_reference else registry.load(spec.name)
    if not (inspect.isclass(found) and issubclass(found, Suite)):
        raise OptionError(f"{spec.name!r} is no suite", hint="name a class that derives from Suite.")
    if spec.arguments or spec.options:
        raise OptionError(f"the suite {found.name} has no options", hint=f"write {spec.name}.")
    return found()


def plan_suite(
    optimizers: Any,
    suite: str = "standard",
    *,
    size: str = "default",
    sets: Sequence[str] | None = None,
    add: Sequence[str | tuple[Any, str]] = (),
    seeds: int | None = None,
    again: bool = False,
) -> SuitePlan:
    """Return a suite that has not been made yet, or not to its end.

    Args:
        optimizers: what the suite is run for: a name, a specification or a reference such as ``mine.py:MyOpt``, a
            ``torch.optim.Optimizer`` class, a rule, a :class:`steepest.Arm`; or a list of these.
        suite: its name, or a reference to a class of one's own.
        size: ``quick`` or ``default``.
        sets: names of some of its data sets; all if left out.
        add: data sets of your own: texts such as ``my.csv:target``, or pairs of a table in memory and its target.
        seeds: run seeds of each arm (default: the suite's); stored results have no more than that.
        again: train all optimizers here, whatever is stored.

    Raises:
        UnknownNameError: there is no such suite, size, data set or optimizer.
        DataError: a data set is not on this machine and cannot be downloaded.
        OptionError: no optimizer is given, or a value is not allowed.

    Example:
        >>> planned = plan_suite("sgd(lr=0.1)", size="quick", sets=["digits"])
        >>> planned.mine, planned.others[:3]
        (['sgd(lr=0.1)'], ['sgd', 'momentum', 'nesterov'])
    """
    if size not in SIZES:
        raise unknown_name("size of a suite", size, SIZES)
    known: Size = size  # pyright: ignore[reportAssignmentType]
    made = make_suite(suite)
    mine = _arms(optimizers)
    count = made.seeds if seeds is None else seeds
    if count < 1:
        raise OptionError(f"{count} seeds", hint="give at least 1.")
    chosen = chosen_sets(made, known, sets)
    for each in add:
        chosen.append(own_set(each, known, made, [one.name for one in chosen]))
    stored = read_stored(made.name, made.version, known)
    works = [
        work_on(made, each, open_set(each), mine, stored=stored, seeds=count, again=again) for each in chosen
    ]
    _check_once(works)
    return SuitePlan(made, known, works, stored, again)


def _check_once(works: Sequence[SetWork]) -> None:
    """Refuse the same data twice: ranks, wins and profiles count data sets as independent.

    Raises:
        OptionError: two sets have the same data.
    """
    names: dict[str, str] = {}
    for work in works:
        known = names.setdefault(work.settings.dataset.fingerprint, work.chosen.name)
        if known != work.chosen.name:
            raise OptionError(
                f"the data set {work.chosen.name!r} has the data of {known!r}, which would count twice",
                hint="leave one of the two out.",
            )


def _arms(optimizers: Any) -> list[Arm]:
    """Return what is given as arms; a group of optimizers as one for each."""
    given = grammar.split(optimizers) if isinstance(optimizers, str) else optimizers
    if not isinstance(given, list | tuple):
        given = [given]
    found: list[Arm] = []
    for each in given:
        if isinstance(each, Arm):
            found.append(_named(each))
        elif isinstance(each, str) and ";" not in each:
            found += [Arm(optimizer=who.name) for who in contestants([each])]
        else:
            contestant(each)  # complains
            found.append(Arm(optimizer=each))
    if not found:
        raise OptionError(
            "no optimizer is given", hint="name yours: -o mine.py:MyOpt, or -o 'adam(betas=(0.9, 0.99))'."
        )
    return found


def _named(arm: Arm) -> Arm:
    """Return an arm with a name that says what it has besides its optimizer.

    Example:
        >>> _named(Arm(optimizer="adam", schedule="linear")).name, _named(Arm(optimizer="adam")).name
        ('adam, linear', '')
    """
    own = [getattr(arm, each.name) for each in fields(arm) if each.name not in ("optimizer", "name")]
    more = [str(each) for each in own if each is not None]
    return replace(arm, name=", ".join([called(arm), *more])) if more and not arm.name else arm


def suite(
    optimizers: Any,
    out: str | Path | None = None,
    *,
    suite: str = "standard",
    size: str = "default",
    sets: Sequence[str] | None = None,
    add: Sequence[str | tuple[Any, str]] = (),
    seeds: int | None = None,
    again: bool = False,
    observer: Observer | None = None,
) -> SuiteResult:
    """Run optimizers over the data sets of a suite, or go on with it: :func:`plan_suite`, then :meth:`SuitePlan.run`.

    The suite's own optimizers are trained only where no stored result of the same data, settings and code is there.

    Args:
        optimizers, suite, size, sets, add, seeds, again: as for :func:`plan_suite`.
        out: the folder (default: ``runs/suite-NAME``, with ``-quick`` behind it for that size).
        observer: receives the progress (default: a progress bar on the terminal).

    Raises:
        UnknownNameError: there is no such suite, size, data set or optimizer.
        DataError: a data set is not on this machine and cannot be downloaded.
        FolderError: the folder is of something else.
    """
    planned = plan_suite(optimizers, suite, size=size, sets=sets, add=add, seeds=seeds, again=again)
    return planned.run(out, observer=observer)


def to_store(planned: SuitePlan, out: Path) -> StoredSuite:
    """Return the finished results of a suite's optimizers in a folder, as they come with the package."""
    sets = {
        work.chosen.name: work.to_store(folder_of(out, work.chosen).history(), planned.suite.optimizers)
        for work in planned.works
        if not work.chosen.own
    }
    return StoredSuite(
        suite=planned.suite.name,
        version=planned.suite.version,
        size=planned.size,
        made=made_here(),
        sets=sets,
    )
