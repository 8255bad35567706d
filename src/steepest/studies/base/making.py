"""How a study is made: its comparisons in ordinary folders, its answer from their records, its part of the report."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from steepest.api import Plan, Result, plan
from steepest.compare.studied import Studied, StudyRow, Way
from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.data.variants import Variant
from steepest.errors import FolderError, OptionError, unknown_name
from steepest.experiment.folder import write_results
from steepest.experiment.preview import Preview
from steepest.models import build_model, count_parameters
from steepest.procedures import make_procedure
from steepest.recipe import Protocol
from steepest.record.store import command
from steepest.report.format import seconds as duration
from steepest.report.studied import study_text
from steepest.studies.base import registry
from steepest.studies.base.cells import cell
from steepest.studies.base.code import code_hash
from steepest.studies.base.data import StudyData
from steepest.studies.base.folder import begin_study, begun_with, check_code, default_folder, read_study
from steepest.studies.base.found import Found
from steepest.studies.base.identity import arms_hash, folder_hash
from steepest.studies.base.measured import measured, read_measured, write_answer
from steepest.studies.base.study import MAIN, SIZES, Comparing, Size, Study
from steepest.sweep.arms import PLAIN
from steepest.sweep.observer import Observer
from steepest.sweep.setup import SCAN_FRACTION
from steepest.wording import counted, plain_text

TRAINING = 3
"""Floating-point operations of a training step as multiples of a forward pass: gradients cost two."""


@dataclass(frozen=True)
class StudyPlan:
    """A study that can be made.

    Attributes:
        study: which one.
        size: ``quick``, ``default`` or ``full``.
        plans: its comparisons by name.
        data: the data.
        reference: where a study of the user's own is, such as ``mine.py:Widths``.
    """

    study: Study
    size: Size
    plans: Mapping[str, Plan]
    data: StudyData
    reference: str = ""

    @property
    def tflop(self) -> float:
        """The floating-point operations of all training steps, in 10¹²; evaluations are not counted."""
        return sum(training_flop(each) for each in self.plans.values()) / 1e12

    @property
    def arms_hash(self) -> str:
        """What changes with any arm, length or seed: an answer of another one is of other runs."""
        experiments = {of: each.experiment for of, each in self.plans.items()}
        return arms_hash(experiments, [*self.study.measurements(self.size)])

    @property
    def measures(self) -> bool:
        """Whether it has measurements."""
        return bool(self.study.measurements(self.size))

    @property
    def making_code(self) -> str:
        """The hash of the code that makes its runs and measurements."""
        return code_hash(type(self.study), "measurements")

    def __str__(self) -> str:
        lines = [f"{self.study.name}, {self.size}: {self.study.question}", f"data   {self.data.text}"]
        for name, each in self.plans.items():
            lines.append(
                f"{f'{name}: ' if name else ''}{each}".replace(self.data.path.as_posix(), self.data.called)
            )
        if names := [*self.study.measurements(self.size)]:
            lines.append(
                f"measure {counted(len(names), 'thing')} without a run of training: {', '.join(names)}"
            )
        lines.append(f"work   {self.tflop:.2g} Tflop of training")
        return "\n".join(lines)

    def preview(self, out: str | Path | None = None, *, observer: Observer | None = None) -> Preview:
        """Return what would be made, and how long that is expected to take here, from some timed steps.

        Nothing is trained or written; finished runs in the folder are not made again.

        Args:
            out: as for :meth:`run`.
            observer: receives messages about automatic choices (default: none).
        """
        path = self._folder(out)
        told = [
            each.preview(path / name if name else path, observer=observer)
            for name, each in self.plans.items()
        ]
        known = [each.seconds for each in told if each.seconds is not None]
        more = "" if len(known) == len(told) else " and more, as a pilot run decides"
        if not told:
            return Preview(str(self))
        return Preview(
            f"{self}\ntime   about {duration(sum(known))}{more} on this machine, besides writing reports",
            sum(known),
        )

    def _folder(self, out: str | Path | None) -> Path:
        return Path(out) if out is not None else default_folder(self.study.name, self.size)

    def run(self, out: str | Path | None = None, *, observer: Observer | None = None) -> StudyResult:
        """Make every run that the folders lack, and write the study's answer into the report.

        Args:
            out: the folder (default: ``runs/NAME``, with the size behind it where that is not the default one).
            observer: receives the progress (default: a progress bar on the terminal).

        Raises:
            FolderError: the folder is of something else, or cannot be written.
        """
        path = self._folder(out)
        called, trains = self.reference or self.study.name, bool(self.plans)
        code = self.making_code
        begin_study(path, called, self.size, self.data, trains=trains, measures=self.measures, code=code)
        begun = read_study(path)
        if observer is not None and begun is not None and begun.code not in ("", code):
            observer.say(
                f"warning: the code of the study {called} has changed since {path.as_posix()!r} was begun: finished "
                "runs of the same settings are kept; give --out another folder to make all by the code of now"
            )
        results: dict[str, Result] = {}
        for name, each in self.plans.items():
            results[name] = each.run(path / name if name else path, observer=observer)
        numbers: Mapping[str, Mapping[str, Any]] = {}
        if wanted := self.study.measurements(self.size):
            numbers = measured(path, wanted, self.data, observer)
        return answered(self.study, self.size, path, results, self.data, numbers)


@dataclass(frozen=True)
class StudyResult:
    """A finished study.

    Attributes:
        path: its folder.
        studied: the answer, with published and measured numbers and the checks.
        parts: all comparisons by name.
        found: the measured numbers.
    """

    path: Path
    studied: Studied
    parts: Mapping[str, Result]
    found: Found

    @property
    def result(self) -> Result:
        """The study's own comparison, whose report begins with the answer.

        Raises:
            FolderError: the study trains nothing, so that it has none.
        """
        if MAIN not in self.parts:
            raise FolderError(
                f"the study {self.studied.name} has no comparison", hint="use found.measured, or studied."
            )
        return self.parts[MAIN]

    @property
    def sentence(self) -> str:
        """The study's headline."""
        return self.studied.answer

    @property
    def passed(self) -> bool:
        """Whether all checks hold."""
        return all(each.passed for each in self.studied.checks)

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    def __rich__(self) -> Any:
        return study_text(self.studied)

    def __repr__(self) -> str:
        return plain_text(study_text(self.studied))


def plan_study(name: str, size: str = "default", out: str | Path | None = None) -> StudyPlan:
    """Return a study that has not been made yet, or not to its end.

    Args:
        name: of the study, or a reference to a class of one's own, such as ``mine.py:Widths``.
        size: ``quick``, ``default`` or ``full``.
        out: the folder that it will be made in: one that was begun goes on with its own images, whatever is on this
            machine by now (default: ``runs/NAME``, with the size behind it where that is not the default one).

    Raises:
        UnknownNameError: there is no such study or size.
        FolderError: the folder's images are no longer on this machine.
        DataError: its images are not on this machine and cannot be downloaded.

    Example:
        >>> planned = plan_study("memorisation", "quick")
        >>> [arm.name for arm in planned.plans[""].arms]
        ['clean', '10 % shuffled', '15 % shuffled', 'all shuffled']
        >>> planned.tflop < 0.1
        True
    """
    if size not in SIZES:
        raise unknown_name("size of a study", size, SIZES)
    known: Size = size  # pyright: ignore[reportAssignmentType]
    made = make_study(name)
    path = Path(out) if out is not None else default_folder(made.name, known)
    found = planned(made, known, path)
    return replace(found, reference=name) if name != made.name else found


def make_study(name: str) -> Study:
    """Return a study by its name, or of a class of one's own by a reference; its options stand in brackets.

    Options are the arguments of the class: ``lora(model=FOLDER)``.

    Raises:
        UnknownNameError: there is no such study, or it has no such option.
        OptionError: the reference leads to no study, or an option has a value that the study refuses.
    """
    spec = grammar.parse(name)
    found = load_reference(spec.name) if spec.is_reference else registry.load(spec.name)
    if not (isinstance(found, type) and issubclass(found, Study)):
        raise OptionError(f"{spec.name!r} is no study", hint="name a class that derives from Study.")
    known = [*inspect.signature(found).parameters]
    for each in spec.options:
        if each not in known:
            raise unknown_name(f"option of the study {found.name}", each, known)
    if len(spec.arguments) + len(spec.options) > len(known):
        what = f"the study {found.name} has {counted(len(known), 'option')}"
        raise OptionError(f"{name}: {what}", hint=f"write {found.name}{f'({known[0]}=…)' if known else ''}.")
    return found(*spec.arguments, **spec.options)


def planned(made: Study, size: Size, out: Path | None = None) -> StudyPlan:
    """Return the plan of a study.

    Args:
        made: the study.
        size: of it.
        out: the folder whose images it goes on with, if it was begun there.

    Raises:
        OptionError: it has comparisons and none of its own, or nothing to do.
    """
    return planned_on(
        made, size, made.data(size) if out is None else begun_with(out, lambda: made.data(size))
    )


def planned_on(made: Study, size: Size, data: StudyData) -> StudyPlan:
    """Return the plan of a study on images.

    Args:
        made: the study.
        size: of it.
        data: the images.

    Raises:
        OptionError: it has comparisons and none of its own, or nothing to do.
    """
    plans = {of: _plan(each, data, made.name) for of, each in made.comparisons(size, data).items()}
    if MAIN not in plans and (plans or not made.measurements(size)):
        raise OptionError(
            f"the study {made.name} has no comparison of its own", hint="name one with an empty text."
        )
    return StudyPlan(made, size, plans, data)


def study(
    name: str,
    out: str | Path | None = None,
    *,
    size: str = "default",
    observer: Observer | None = None,
) -> StudyResult:
    """Make a study, or go on with it: :func:`plan_study` followed by :meth:`StudyPlan.run`.

    Args:
        name: of the study, as ``steepest list studies`` shows it, or a reference such as ``mine.py:Widths``.
        out: the folder (default: ``runs/NAME``, with ``-quick`` or ``-full`` behind it for these sizes).
        size: ``quick`` (half a minute, on bundled images), ``default`` (minutes) or ``full`` (the published size, with
            tuned learning rates beside the published ones).
        observer: receives the progress (default: a progress bar on the terminal).

    Raises:
        UnknownNameError: there is no such study or size.
        FolderError: the folder is of something else.
    """
    return plan_study(name, size, out).run(out, observer=observer)


def _plan(comparing: Comparing, data: StudyData, name: str) -> Plan:
    """Return a comparison as a plan; it has no other baseline than the majority of images, which costs nothing."""
    arms = [each.arm for each in comparing.arms]
    options: dict[str, Any] = {"compile": "off", "baseline": "majority", "metric": "log_loss"}
    if data.are_images:
        options["reader"] = "images"
    if any(each.schedule is None for each in arms):
        options["schedule"] = "constant"
    options |= {**data.options, **comparing.options}
    for name in ("validation", "test", "also", "tokenizer"):  # files of a text lie beside it
        value = options.get(name)
        if isinstance(value, str) and (beside := data.path.parent / value).is_file():
            options[name] = beside.as_posix()
    for of in ("train_rows", "labels", "regularizer", "procedure", "loss"):  # what is written into arms
        if of in options:
            value = options.pop(of)
            arms = [each if getattr(each, of) is not None else replace(each, **{of: value}) for each in arms]
    if any(make_procedure(each.procedure or "train").prunes for each in arms):
        options["controls"] = False  # a study names its own
    return plan(data.path.as_posix(), arms=arms, name=name, callbacks=list(comparing.watching), **options)


def training_flop(planned: Plan) -> float:
    """Return the floating-point operations of all training steps of a comparison of networks of dense layers.

    A dense layer with P weights costs 2 P operations a row forward and 4 P backward, a look-up none; a step costs as
    many gradients as its method says. Of a text every token of a row costs that. Evaluations are not counted.
    """
    protocol, total = planned.experiment.protocol, 0.0
    everything = planned.table.make(0)[0]
    shape = everything.shape
    tokens = math.prod(shape.fields[0].size) if shape.takes == "tokens" else 1
    counts = {arm.model_text: tokens * _multiplied(build_model(arm.model, shape)) for arm in planned.arms}
    rows = {arm.train_rows: _rows(arm.train_rows, len(everything.train)) for arm in planned.arms}
    most = max(_steps(rows[arm.train_rows], arm.batch_size) for arm in planned.arms)
    seen_stages: set[tuple[str, ...]] = set()
    for arm in planned.arms:
        made, n = make_procedure(arm.procedure), rows[arm.train_rows]
        own = (repr(replace(arm, procedure=PLAIN, name="")),)
        stages = {
            (*own, made.prefix(place)): stage.share for place, stage in enumerate(made.stages, 1)
        }  # arms share stages that begin alike
        length = sum(share for stage, share in stages.items() if stage not in seen_stages)
        seen_stages |= {*stages} if len(stages) > 1 or made.prunes else set()
        batch = n if arm.batch_size in (None, "all") else min(int(arm.batch_size), n)
        seen = most * batch if protocol.equal == "steps" else n
        runs = protocol.seeds + (_tuning(protocol) if arm.optimizer.tuned else 0)
        passes = seen * length * float(protocol.epochs or 1) * arm.optimizer.rule.gradients_a_step
        total += 2 * TRAINING * counts[arm.model_text] * passes * runs
    return total


def _tuning(protocol: Protocol) -> float:
    """Return how many runs of full length tuning an arm costs, and a sweep of its rates with every seed."""
    rates = len(protocol.learning_rates or ()) or protocol.scan_rates
    return SCAN_FRACTION * rates + min(protocol.full_rates, rates) + protocol.sweep * rates * protocol.seeds


def _multiplied(model: nn.Module) -> int:
    """Return the trainable numbers of a model that are not looked up in the table of a column."""
    tables: Mapping[str, str | tuple[str, ...]] = getattr(model, "tables", {})
    named = {name for some in tables.values() for name in ((some,) if isinstance(some, str) else some)}
    looked_up = sum(each.numel() for name, each in model.named_parameters() if name in named)
    return count_parameters(model) - looked_up


def _steps(rows: int, batch: int | str | None) -> int:
    """Return the steps of an epoch."""
    return 1 if batch in (None, "all") else -(-rows // int(batch))


def _rows(text: str, everything: int) -> int:
    amount = Variant(text).amount
    if amount == "all":
        return everything
    return int(amount) if amount.isdigit() else round(float(amount) * everything)


def answered(
    made: Study,
    size: Size,
    path: Path,
    results: Mapping[str, Result],
    data: StudyData,
    numbers: Mapping[str, Mapping[str, Any]],
) -> StudyResult:
    """Return a study's result, with its answer written into results and report of its own comparison.

    Args:
        made: the study.
        size: of it.
        path: its folder.
        results: its comparisons by name; where there is none, the answer has a report of its own.
        data: the data.
        numbers: of its measurements, by name.
    """
    records = {of: each.folder.history() for of, each in results.items()}
    found = Found({of: each.comparison for of, each in results.items()}, records, data, size, numbers)
    answer = made.answer(found)
    ways: dict[tuple[str, str], Way] = {
        (of, each.arm.name): each.way
        for of, some in made.comparisons(size, data).items()
        for each in some.arms
    }
    columns = made.columns()
    rows = [
        StudyRow(
            name=f"{of}: {name}" if of else name,
            part=of,
            way=ways[of, arm.name],
            cells=[cell(each, each.of(found, of, name)) for each in columns],
        )
        for of in results
        for arm in found.arms(of)
        for name in (arm.title, *made.made_of(arm.title))
    ]
    studied = Studied(
        name=made.name,
        size=size,
        question=made.question,
        answer=made.headlines[answer.verdict].format(**answer.fields),
        short=made.short.get(answer.verdict, "").format(**answer.fields),
        source=made.source,
        data=data.text,
        columns=[f"{each.head}, %" if each.percent else each.head for each in columns],
        rows=[*rows, *made.rows(found)],
        beside=list(answer.beside),
        checks=list(answer.checks),
        drawings=list(answer.drawings),
        notes=list(answer.notes),
    )
    if MAIN not in results:
        write_answer(path, studied)
        return StudyResult(path, studied, results, found)
    own = results[MAIN]
    comparison = own.comparison.model_copy(update={"study": studied})
    write_results(own.folder, comparison)
    whole = Result(own.folder, comparison, own.models)
    return StudyResult(path, studied, {**results, MAIN: whole}, found)


def finished(folder: str | Path) -> StudyResult:
    """Return a study from its folder.

    Raises:
        FolderError: the folder holds no finished study, or one of other arms or measurements than the study has by now.
    """
    path = Path(folder)
    kept = read_study(path)
    if kept is None:
        raise FolderError(f"{str(folder)!r} holds no study", hint="name the --out folder of steepest study.")
    planned = plan_study(kept.study, kept.size, folder)
    if planned.measures:
        check_code(path, kept.code, planned.making_code)
    numbers: dict[str, Mapping[str, Any]] = {}
    for name in planned.study.measurements(planned.size):
        if (found := read_measured(path, name)) is None:
            raise FolderError(
                f"{str(folder)!r} lacks the measurement {name!r}",
                hint=f"`{command('resume', path)}` makes it.",
            )
        numbers[name] = found
    if folder_hash(path) != planned.arms_hash:
        raise FolderError(
            f"{str(folder)!r} holds the study {kept.study} with other arms than it has now",
            hint="make it again: steepest study, with --out another folder.",
        )
    results = {name: Result.load(path / name if name else path) for name in planned.plans}
    return answered(planned.study, planned.size, path, results, planned.data, numbers)
