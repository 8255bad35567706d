"""What is given to a comparison in Python: arms, and options that belong to one section of the configuration."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, cast

from steepest.components import grammar
from steepest.data.catalog import is_name
from steepest.data.options import TableOptions
from steepest.data.sources.contract import Source
from steepest.data.sources.opening import TABLE, kind_of, open_source
from steepest.errors import OptionError, unknown_name
from steepest.models import ModelBuilder, implied
from steepest.recipe import (
    CLEARER_NAMES,
    EXECUTION_OPTIONS,
    SHARED_FACTORS,
    Experiment,
    Factors,
    ModelOptions,
    Protocol,
)
from steepest.sweep.contestants import Tune, contestant, named_by_axes
from steepest.sweep.wanted import NOTHING_GIVEN, UNPREPARED, Objects, Wanted, callable_name
from steepest.train.callback import Callback, checked


def text_of(value: Any, name: Callable[[Any], str], objects: dict[str, Any]) -> str:
    """Return the text that stands for a value, and keep the object that it stands for.

    Example:
        >>> objects = {}
        >>> [text_of(each, lambda value: "callable f", objects) for each in (min, max, min)]
        ['callable f', 'callable f (2)', 'callable f']
    """
    if isinstance(value, str):
        return value
    first = text = name(value)
    count = 1
    while objects.setdefault(text, value) is not value:  # another one of the same name, such as <lambda>
        count += 1
        text = f"{first} ({count})"
    return text


@dataclass(frozen=True)
class Arm:
    """One arm of a comparison; what it does not name is what all arms share.

    Args:
        optimizer: a name or specification, a ``torch.optim.Optimizer`` class, or a rule (default: adam).
        model: a specification, or a callable that takes the dataset's shape.
        numbers: what its network makes of columns of numbers, such as ``piecewise``.
        schedule: a schedule.
        batch_size: rows per step, or ``"all"`` for every training row.
        precision: of matrix products in training.
        train_rows: a share of the training rows, their number, or ``"all"``.
        labels: ``"none"``, or a corruption of the training labels such as ``"noise(0.15)"``.
        prepare: another file of preparation steps.
        procedure: of which runs it consists.
        loss: the training loss.
        regularizer: what acts inside a step besides the optimizer.
        rates: multipliers of the learning rate by role or name of parameters.
        freeze: roles or names of parameters that are not trained.
        finetune: which part of the model is trained, such as ``last(2)``.
        name: what it is called.

    Raises:
        UnknownNameError: there is no such option.

    Example:
        >>> Arm(optimizer="adam", model="linear", name="plain").name
        'plain'
    """

    optimizer: Any = None
    model: str | ModelBuilder | None = None
    numbers: str | None = None
    schedule: str | None = None
    batch_size: int | Literal["all"] | None = None
    precision: str | None = None
    train_rows: str | float | None = None
    labels: str | None = None
    prepare: str | None = None
    procedure: str | None = None
    loss: str | None = None
    regularizer: str | None = None
    rates: str | None = None
    freeze: str | None = None
    finetune: str | None = None
    name: str = ""

    def __new__(cls, *_: Any, **options: Any) -> Self:
        """Refuse an option that does not exist by the nearest one that does."""
        known = [each.name for each in fields(cls)]
        wrong = next((each for each in options if each not in known), None)
        if wrong is not None:
            raise unknown_name("option of an arm", wrong, known)
        return super().__new__(cls)

    def options(self, objects: dict[str, Any]) -> dict[str, Any]:
        """Return this as it is written in a file; objects are kept in ``objects`` by their texts."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        if self.optimizer is not None and not isinstance(self.optimizer, str):
            values["optimizer"] = text_of(self.optimizer, _optimizer_name, objects)
        if self.model is not None and not isinstance(self.model, str):
            values["model"] = text_of(self.model, callable_name, objects)
        if self.prepare is not None:
            values["prepare"] = str(self.prepare)
        return {name: value for name, value in values.items() if value is not None}


def arms_of(given: Any) -> list[Arm]:
    """Return a list of arms, of which each may be a table of its values.

    Raises:
        OptionError: it is no list, is empty, or holds something else.
    """
    hint = "write arms=[st.Arm(optimizer='adam', model='linear'), …]."
    if isinstance(given, str | Mapping | Arm) or not isinstance(given, Iterable):
        raise OptionError(f"arms={given!r} is no list of arms", hint=hint)
    found = list(cast("Iterable[Any]", given))
    if not found:
        raise OptionError("the list of arms is empty", hint="give some, or leave arms out.")
    wrong = next((each for each in found if not isinstance(each, Arm | Mapping)), None)
    if wrong is not None:
        raise OptionError(f"{wrong!r} is no arm", hint=hint)
    return [each if isinstance(each, Arm) else Arm(**dict(each)) for each in found]


def _optimizer_name(value: Any) -> str:
    """Return the text that stands for an optimizer; that of one with values to try has them."""
    who = contestant(value)
    return named_by_axes(who).name if isinstance(value, Tune) else who.name


def models_of(
    model: str | ModelBuilder | Sequence[str | ModelBuilder] | None, arms: Sequence[Arm] | None
) -> list[str | ModelBuilder]:
    """Return the models that are given, in arms too."""
    named = list(model) if isinstance(model, list | tuple) else [model]
    named += [] if arms is None else [each.model for each in arms_of(arms)]
    return [cast("str | ModelBuilder", each) for each in named if each is not None]


def given_models(model: ModelBuilder | Sequence[ModelBuilder] | None) -> Objects:
    """Return the callables that build models as what is given in Python."""
    if isinstance(model, list | tuple):
        objects: dict[str, Any] = {}
        for each in model:
            text_of(each, callable_name, objects)
        return Objects(named=objects)
    return Objects(model=cast("ModelBuilder | None", model))


def with_default_model(experiment: Experiment, source: Source, given: Objects = NOTHING_GIVEN) -> Experiment:
    """Return an experiment that trains the model of its kind of data, where it names none.

    A folder's file names its model, so that it stays the same whatever the default is later.
    """
    listed = bool(experiment.arms) and all(each.model is not None for each in experiment.arms)
    named = "model" in experiment.model.model_fields_set or experiment.factors.model or listed
    if named or given.model is not None or not source.default_model:
        return experiment
    model = experiment.model.model_copy(update={"model": source.default_model})
    return experiment.model_copy(update={"model": model})


def given_callbacks(callbacks: Sequence[Callback | str]) -> tuple[list[str], dict[str, Callback]]:
    """Return the texts of callbacks that belong into the configuration, and the objects among them by name.

    Raises:
        OptionError: one is no callback.
    """
    objects: dict[str, Any] = {}
    texts: list[str] = []
    for each in callbacks:
        if isinstance(each, str):
            texts.append(each)
            continue
        [own] = checked([each])
        name = text_of(own, lambda callback: callback.name, objects)
        if not own.only_watches:
            texts.append(name)
    return texts, objects


def own_models(arms: Sequence[Wanted]) -> dict[str, str | ModelBuilder]:
    """Return the models that are the user's own, by their texts in the configuration."""
    return {
        arm.model_text: arm.model
        for arm in arms
        if not isinstance(arm.model, str) or grammar.parse(arm.model).is_reference
    }


def opened(
    data: Any, target: str | None, options: dict[str, Any], models: Sequence[str | ModelBuilder] = ()
) -> Source:
    """Return the data, opened with those of the options that say how it is read; they are taken out.

    Args:
        data: a source, or anything that :func:`steepest.read_table` accepts.
        target: the column to predict, if ``data`` is not open yet.
        options: all options, by name. Several values of ``prepare`` stay there as texts; of data that is not open the
            first is its own.
        models: those that are to be trained, which may be for one task only.

    Raises:
        OptionError: an option has no effect, because the data is open already; or no target is given.
    """
    reading = [name for name in options if name in TableOptions.model_fields and name != "prepare"]
    prepare = _preparations(options.pop("prepare", None))
    if isinstance(data, Source):
        _check_open(data, {"target": target} | {name: options[name] for name in reading}, prepare)
        source = data
    else:
        given = {name: options.pop(name) for name in reading}
        given |= implied(models, _there(given))
        if target is None and not is_name(data) and kind_of(data, _there(given)) == TABLE:
            raise OptionError("no target is given", hint="name the column to predict: target='…'.")
        first = prepare[0] if prepare else None
        source = open_source(data, target=target, prepare=None if first == UNPREPARED else first, **given)
    if len(prepare) > 1:
        own = source.options.prepare
        options["prepare"] = [_steps_text(own if each is None else each) for each in prepare]
    return source


def _there(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options that are not left out."""
    return {name: value for name, value in given.items() if value is not None}


def _check_open(data: Source, given: Mapping[str, Any], prepare: Sequence[Any]) -> None:
    """Refuse what would have to be known before the data was opened."""
    own = data.options.prepare
    if given["target"] not in (None, data.options.target):
        raise OptionError(
            f"target={given['target']!r} has no effect: the table has the target {data.options.target!r}",
            hint="name it once, in read_table.",
        )
    for name, value in given.items():
        if name != "target":
            raise OptionError(
                f"{name}={value!r} has no effect: the data is open already",
                hint=f"give {name} to read_table.",
            )
    if len(prepare) == 1 and _steps_text(prepare[0]) != _steps_text(own):
        raise OptionError(
            f"prepare={prepare[0]!r} has no effect: the table is open already, prepared by {_steps_text(own)}",
            hint="give prepare to read_table, or compare both: prepare=[None, …], where None is the table's own.",
        )


def _preparations(value: Any) -> list[Any]:
    """Return the preparations that are given: files, ``none``, None for the data's own, or lists of steps."""
    if isinstance(value, list | tuple) and not all(isinstance(each, Mapping) for each in value):
        return list(value)
    return [] if value is None else [value]


def _steps_text(value: Any) -> str:
    """Return the text that stands for a preparation: ``none``, a path, or its steps as JSON."""
    if value is None or value == "none" or value == []:
        return UNPREPARED
    return str(value) if isinstance(value, str | Path) else json.dumps([dict(each) for each in value])


def place_value(tree: dict[str, Any], option: str, value: Any) -> None:
    """Put an option's value into the section that it belongs to; several values of a factor go among the factors.

    Raises:
        UnknownNameError: there is no such option.
    """
    if option in Factors.model_fields:
        some = list(value) if isinstance(value, list | tuple) else [value]
        if len(some) > 1 or option not in SHARED_FACTORS:
            tree.setdefault("factors", {})[option] = some
            if option == "prepare" and str(some[0]) != "none":  # the experiment's own
                tree.setdefault("data", {})[option] = str(some[0])
            return
        value = some[0]
    tree.setdefault(section_of(option), {})[option] = value


def section_of(option: str) -> str:
    """Return the section of the configuration that an option belongs to.

    Raises:
        UnknownNameError: there is no such option.

    Example:
        >>> section_of("hidden"), section_of("seeds"), section_of("rows")
        ('model', 'protocol', 'execution')
    """
    if option in ModelOptions.model_fields:
        return "model"
    if option in Protocol.model_fields:
        return "protocol"
    if option in EXECUTION_OPTIONS:
        return "execution"
    if option == "prepare":
        return "data"
    known = [*ModelOptions.model_fields, *Protocol.model_fields, *Factors.model_fields, *EXECUTION_OPTIONS]
    known += [*CLEARER_NAMES, *TableOptions.model_fields]
    raise unknown_name("option", option, dict.fromkeys(known), most=len(known))
