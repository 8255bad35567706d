"""The stages of a procedure as arms: what each of them needs of the runs before it."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any, Literal

from torch import nn

from steepest.components import grammar
from steepest.data.dataset import Task
from steepest.errors import OptionError, SteepestError, UnknownNameError
from steepest.models import registry as models
from steepest.objectives.taught import TEACHABLE
from steepest.optim.spec import MethodSpec
from steepest.procedures import Procedure
from steepest.recipe import WHOLE_BATCH, flag_of
from steepest.sweep.arms import PLAIN, PlannedArm
from steepest.sweep.wanted import Wanted
from steepest.train.masks import check_prunable

Use = Literal["start", "mask", "teacher"]
"""What weights of an earlier run are for: a run starts from them, prunes what is small in them, or learns of them."""
FIELDS: dict[Use, str] = {"start": "start", "mask": "masked", "teacher": "teacher"}
"""The fields of a recipe that name the run of a use."""


def in_stages(
    arm: PlannedArm, procedure: Procedure, others: Mapping[str, PlannedArm] = MappingProxyType({})
) -> PlannedArm:
    """Return an arm as the last stage of a procedure, with the other stages as its chain.

    Args:
        arm: the arm.
        procedure: its procedure.
        others: the arm with each of the models that stages have instead of its own.
    """
    found: PlannedArm | None = None
    for count, stage in enumerate(procedure.stages, 1):
        inner = count < len(procedure.stages)
        of = others[stage.model] if stage.model else arm
        factors = {**of.factors, "procedure": procedure.prefix(count)} if inner else of.factors
        acts = {"draw": stage.draw, "prune": str(stage.prune or ""), "taught": str(stage.taught or "")}
        found = replace(
            of,
            recipe=of.recipe.model_copy(update=acts),
            factors=factors,
            share=stage.share,
            stage=stage,
            kept=() if found else procedure.kept,
            point=stage.start or of.point,
            parent=found,
            inner=inner,
        )
    return found or arm


def plain_run_of(wanted: Wanted, model: str) -> Wanted:
    """Return a plain run of another model, with all that an arm has but the rates of its parameters."""
    return replace(
        wanted, model=model, model_name="", procedure=PLAIN, rates="", freeze="", finetune="", name=""
    )


def uses_of(arm: PlannedArm) -> dict[Use, tuple[int, str]]:
    """Return what the runs of an arm need: for each use, the place of the stage in its chain, and the point of its run.

    A point is ``best``, ``last``, or ``after`` with a share of the run's length.
    """
    found: dict[Use, tuple[int, str]] = {}
    if arm.parent is None:
        return found
    before = len(arm.chain) - 2
    if arm.stage.taught is not None:
        return {"teacher": (before, arm.point)}
    if arm.stage.rewind is None:
        found["start"] = before, arm.point
    elif arm.stage.rewind:
        found["start"] = 0, point_after(arm.stage.rewind)
    if arm.stage.prune is not None:
        found["mask"] = before, arm.point
    return found


def check_stages(procedure: Procedure, spec: MethodSpec[Any]) -> None:
    """Raise an ``OptionError`` if an optimizer's steps have no place for what a procedure does.

    Example:
        >>> from steepest.optim import make_spec
        >>> from steepest.procedures import make_procedure
        >>> check_stages(make_procedure("prune(0.9)"), make_spec("l-bfgs"))
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: l-bfgs cannot train under prune(0.9, 1): its step is ...
        Hint: weights are held at zero around the update: take another optimizer, or leave the procedure out.
    """
    for place in ("gradient", "update") if procedure.prunes else ():
        if why := spec.refuses(place):
            raise OptionError(
                f"{spec.called} cannot train under {procedure.title}: {why}",
                hint="weights are held at zero around the update: take another optimizer, or leave the procedure out.",
            )


def check_teachers(procedure: Procedure) -> None:
    """Raise an ``UnknownNameError`` if a teacher's model does not exist.

    Example:
        >>> from steepest.procedures import make_procedure
        >>> check_teachers(make_procedure("distil(linear)"))
    """
    for spec in map(grammar.parse, procedure.models):
        if not spec.is_reference:
            with of_teacher(procedure):
                models.entry(spec.name)


def check_teachable(procedure: Procedure, task: Task) -> None:
    """Raise an ``OptionError`` if students are to learn where a teacher's answers are too many to stay with their rows.

    Example:
        >>> from steepest.procedures import make_procedure
        >>> check_teachable(make_procedure("distil"), "language")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: distil('mlp(hidden=(256, 256))', 0.9) has a teacher, but the data is a text: ...
        Hint: leave the procedure out; teacher and student are compared as two values of model.
    """
    if task not in TEACHABLE and any(stage.taught for stage in procedure.stages):
        raise OptionError(
            f"{procedure.title} has a teacher, but the data is a text: its answer to a row would be a distribution "
            "over the whole vocabulary for every token",
            hint="leave the procedure out; teacher and student are compared as two values of --model.",
        )


def check_finalists(arm: Wanted, finalists: int) -> None:
    """Refuse to choose after short runs where later stages start from the weights of a whole one.

    Args:
        arm: what is wanted.
        finalists: trials that run at full length.

    Raises:
        OptionError: there are none, and the arm consists of several runs.
    """
    if not finalists and arm.procedure != PLAIN:
        flag = flag_of("full_rates")
        raise OptionError(
            f"{flag} 0 cannot be used with the procedure {arm.procedure!r}: its later runs start from one at full "
            "length",
            hint=f"leave {flag} out, or give at least 1.",
        )


def check_unlabelled(procedure: Procedure, arm: Wanted, accumulate: int) -> None:
    """Raise an ``OptionError`` if the steps of an arm cannot have rows without a label.

    Args:
        procedure: of the arm.
        arm: the arm.
        accumulate: micro-batches of a step.
    """
    if not procedure.unlabelled:
        return
    if accumulate > 1:
        raise OptionError(
            f"--accumulate {accumulate} cannot be used with unlabelled={procedure.unlabelled!r}: micro-batches have "
            "different numbers of labelled rows, so the mean of their losses is not that of the batch",
            hint="leave one of the two out.",
        )
    if arm.batch_size == WHOLE_BATCH:
        raise OptionError(
            f"--batch-size all cannot be used with unlabelled={procedure.unlabelled!r}: it means as many rows as the "
            "training rows, and batches are drawn from more",
            hint="give a number of rows.",
        )


def check_model(procedure: Procedure, net: nn.Module, *, classes: bool) -> None:
    """Raise an ``OptionError`` if a model has nothing that a procedure is to prune, or its target nothing to teach.

    Args:
        procedure: the procedure.
        net: the model.
        classes: whether the target is one of several classes.
    """
    for stage in procedure.stages:
        if stage.prune is not None:
            check_prunable(net, stage.prune)
        if stage.taught is not None and not classes and (odd := stage.taught.of_classes):
            raise OptionError(
                f"distil: {odd[0]} is given, but the target is a number",
                hint="leave it out: it is of classes; the teacher's value is learned as a target.",
            )


@contextmanager
def of_teacher(procedure: Procedure) -> Generator[None]:
    """Say of an error about the model of a procedure's teacher that it is about the teacher.

    Example:
        >>> from steepest.procedures import make_procedure
        >>> with of_teacher(make_procedure("distil(linear)")):
        ...     raise OptionError("no", hint="yes.")
        Traceback (most recent call last):
        steepest.errors.OptionError: the teacher of distil(linear, 0.9): no
        Hint: yes. A teacher has all that its arm has besides the model.
    """
    try:
        yield
    except SteepestError as error:
        more = (
            ""
            if isinstance(error, UnknownNameError)
            else " A teacher has all that its arm has besides the model."
        )
        raise type(error)(
            f"the teacher of {procedure.title}: {error.fact}", hint=f"{error.hint}{more}"
        ) from error


def point_after(share: float) -> str:
    """Return the point of a run after a share of its length.

    Example:
        >>> point_after(0.05)
        'after 0.05'
    """
    return f"after {share!r}"


def steps_after(share: float, length: int) -> int:
    """Return the steps of a run, or its gradients, after a share of its length: at least one.

    Example:
        >>> steps_after(0.05, 100), steps_after(0.001, 100)
        (5, 1)
    """
    return max(1, round(share * length))
