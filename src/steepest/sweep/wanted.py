"""The arms of a configuration, before the data is read: from repeated options or from a list."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from steepest.data.numbers import STANDARD
from steepest.data.variants import Variant
from steepest.errors import OptionError, SteepestError
from steepest.finetuning import finetuning_text
from steepest.models import ModelBuilder, as_declared, with_whole_models, with_whole_path
from steepest.objectives import loss_text
from steepest.optim.selection import patterns_text, rates_text
from steepest.procedures import make_procedure
from steepest.recipe import CALLABLE, FACTOR, FACTORS, SUBJECTS, ArmOptions, Control, Experiment, stable_hash
from steepest.regularizers import regularizer_text
from steepest.sweep.arms import ALL_ROWS, PLAIN, TRUE_LABELS
from steepest.sweep.contestants import (
    Contestant,
    Tune,
    contestants,
    parse_values,
    rates_only,
    regularized,
    takes_values,
    whole_spec,
    with_values,
)
from steepest.sweep.space import Axis
from steepest.train.callback import Callback, read_callback

DEFAULT_ARM_OPTIMIZER = "adam"
"""The optimizer of an arm in a list that names none."""

DEFAULT, UNPREPARED = "default", "none"
"""A batch size that follows from the data, and the value of ``prepare`` without any step."""


@dataclass(frozen=True)
class Objects:
    """What was given as Python objects instead of texts.

    Attributes:
        optimizers: the optimizers, where some are classes, rules or values to try.
        model: a callable that builds the model of arms that name none.
        named: objects by the text that stands for them in the configuration.
        callbacks: those that were given as objects, by name.
    """

    optimizers: tuple[Any, ...] | None = None
    model: ModelBuilder | None = None
    named: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    callbacks: Mapping[str, Callback] = field(default_factory=lambda: MappingProxyType({}))


RATE_TUNED = " with its rate tuned"
"""How the text of an optimizer ends whose rate is tuned."""


NOTHING_GIVEN = Objects()
"""Everything is text."""


@dataclass(frozen=True)
class Wanted:
    """An arm before the data is read.

    Attributes:
        optimizer, model: the model is a specification, or a callable.
        schedule, precision: as in a recipe.
        batch_size: rows per step, ``all`` for every training row, or None for the default.
        train_rows, labels, prepare, numbers: the data variant.
        procedure: of which runs it consists.
        loss: the training loss; empty for the default one of the target.
        regularizer: what acts inside a step besides the optimizer; empty for nothing.
        rates, freeze, finetune: as in a recipe.
        name, control: the user's own name for it, and what it was added for; or nothing.
        model_name: the text that stands for the callable that builds the model; by default that of its name.
        callbacks: what watches its runs or changes them, by the text that it was given as, or its name.
    """

    optimizer: Contestant
    model: str | ModelBuilder
    schedule: str
    batch_size: int | Literal["all"] | None
    precision: str
    train_rows: str = ALL_ROWS
    labels: str = TRUE_LABELS
    prepare: str = ""
    procedure: str = PLAIN
    loss: str = ""
    regularizer: str = ""
    rates: str = ""
    freeze: str = ""
    finetune: str = ""
    name: str = ""
    control: Control = ""
    model_name: str = ""
    numbers: str = STANDARD
    callbacks: tuple[tuple[str, Callback], ...] = ()

    def __post_init__(self) -> None:
        """Write the data variant in one way, wherever the command was given."""
        variant = Variant(self.train_rows, self.labels, numbers=self.numbers)
        object.__setattr__(self, "numbers", variant.numbers)
        object.__setattr__(self, "train_rows", variant.train_rows)
        object.__setattr__(self, "labels", variant.labels or TRUE_LABELS)
        object.__setattr__(self, "prepare", whole_path(self.prepare))
        object.__setattr__(self, "model", with_whole_path(self.model))
        object.__setattr__(self, "procedure", with_whole_models(self.procedure))
        object.__setattr__(self, "loss", loss_text(self.loss) if self.loss else "")
        object.__setattr__(self, "regularizer", regularizer_text(self.regularizer))
        object.__setattr__(self, "rates", rates_text(self.rates))
        object.__setattr__(self, "freeze", patterns_text(self.freeze))
        object.__setattr__(self, "finetune", finetuning_text(self.finetune))

    @property
    def model_text(self) -> str:
        """The model in words: its specification, or the callable's name."""
        return self.model if isinstance(self.model, str) else self.model_name or callable_name(self.model)

    @property
    def variant(self) -> tuple[str, str, str, str]:
        """What makes its data another than the experiment's."""
        return self.train_rows, self.labels, self.prepare, self.numbers

    def value(self, factor: str) -> Any:
        """Return the value of a factor, as it was given."""
        return getattr(self, factor)

    def options(self) -> ArmOptions:
        """Return this arm as it is written in a list of arms."""
        values = {name: self.value(name) or None for name in FACTORS}
        own = {"optimizer": self.optimizer.name, "model": self.model_text}
        own |= {"name": self.name, "control": self.control}
        return ArmOptions.model_validate({**values, **own})


def wanted_arms(experiment: Experiment, given: Objects) -> tuple[Wanted, ...]:
    """Return the arms of a configuration: its list, or all combinations of the values of its factors.

    Raises:
        OptionError: two arms are the same, or a list and several values are given.
        UnknownNameError: there is no such optimizer.
    """
    shared = _shared(experiment, given)
    if experiment.arms:
        if more := experiment.factors.values():
            raise OptionError(
                f"several values of {', '.join(more)} are given beside a list of arms",
                hint="write them into the arms, or leave the list out.",
            )
        found = [_listed(arm, experiment, given, shared) for arm in experiment.arms]
    else:
        origins = given.optimizers or _objects(experiment.optimizers, given)
        who = [_by_rates(each, experiment) for each in contestants(origins, experiment.protocol.tune)]
        values = experiment.factors.values()
        for name, given_values in values.items():
            twice = next((each for each in given_values if given_values.count(each) > 1), None)
            if twice is not None:
                raise OptionError(
                    f"the {SUBJECTS[name][0]} {twice!r} is given twice", hint="leave one of the two out."
                )
        found = [
            _with(replace(shared, optimizer=each), dict(zip(values, chosen, strict=True)), experiment, given)
            for each in who
            for chosen in itertools.product(*values.values())
        ]
    if experiment.arms:
        _check_tune(experiment, found)
    _check_distinct(found)
    return tuple(replace(arm, optimizer=regularized(arm.optimizer, arm.regularizer)) for arm in found)


def whole_path(prepare: str) -> str:
    """Return the path of a file of preparation steps from the root on; other texts stay.

    Example:
        >>> whole_path("none"), whole_path("/a/steps.toml")
        ('none', '/a/steps.toml')
    """
    if prepare in ("", UNPREPARED) or prepare.startswith("["):
        return prepare
    return str(Path(prepare).expanduser().absolute())


def _shared(experiment: Experiment, given: Objects) -> Wanted:
    """Return an arm with the values that all share."""
    protocol = experiment.protocol
    [first, *_] = contestants([DEFAULT_ARM_OPTIMIZER])
    shared = Wanted(
        first, given.model or "", protocol.schedule, protocol.batch_size, protocol.precision,
        prepare="" if not isinstance(experiment.data.prepare, str) else experiment.data.prepare,
        numbers=experiment.model.numbers,
        callbacks=_callbacks(experiment, given),
    )  # fmt: skip
    return shared if given.model else _with(shared, {"model": experiment.model.model}, experiment, given)


def _objects(texts: Sequence[str], given: Objects) -> list[Any]:
    return [given.named.get(each, each) for each in texts]


def _with(arm: Wanted, values: dict[str, Any], experiment: Experiment, given: Objects) -> Wanted:
    """Return an arm with other values of some factors, a model given as its text."""
    text = values.get("model")
    if text is None:
        return replace(arm, **values)
    found, spec = given.named.get(text), experiment.model.spec_of(text)
    if found is None and spec is None:
        found = given.model
    written = text if spec is None else str(as_declared(spec))
    values["model"] = written if found is None else found
    return replace(arm, **values, model_name="" if found is None else text)


def _listed(arm: ArmOptions, experiment: Experiment, given: Objects, shared: Wanted) -> Wanted:
    what = arm.optimizer or DEFAULT_ARM_OPTIMIZER
    who = _optimizers(what, experiment, given)
    if len(who) != 1:
        raise OptionError(
            f"the arm {arm.name or what!r} names {len(who)} optimizers, not one",
            hint="write an arm for each, or leave the list of arms out and name them with -o.",
        )
    values = arm.model_dump(exclude_none=True, exclude={"optimizer"}, exclude_defaults=True)
    return _with(replace(shared, optimizer=who[0]), values, experiment, given)


def _optimizers(what: str, experiment: Experiment, given: Objects) -> tuple[Contestant, ...]:
    """Return the optimizers that the text of an arm names, with those of the experiment's values to try they take."""
    origin = given.named.get(what, what)
    found = contestants([origin])
    if isinstance(origin, Tune):
        found = (replace(found[0], name=what),)
    return tuple(_by_rates(_tuned(who, experiment), experiment) for who in found)


def _by_rates(who: Contestant, experiment: Experiment) -> Contestant:
    """Return an optimizer of which, where rates are listed or all of them are run, nothing more is tuned by default."""
    protocol = experiment.protocol
    return rates_only(who) if protocol.learning_rates or protocol.sweep else who


def _tuned(who: Contestant, experiment: Experiment) -> Contestant:
    """Return an optimizer with the values to try that it takes of the experiment's."""
    for name, values in map(parse_values, experiment.protocol.tune):
        if takes_values(who, name, values):
            who = with_values(who, values)
    return who


def axes_in(experiment: Experiment, given: Objects, what: str) -> tuple[Axis, ...]:
    """Return what would be tuned of an optimizer in an experiment, besides a rate around its centre."""
    return _optimizers(what, experiment, given)[0].axes


def parts_of(experiment: Experiment, given: Objects) -> list[Experiment]:
    """Return an experiment for each arm of a list, or for each optimizer, with the values to try that belong to it."""
    if experiment.arms:
        return [experiment.model_copy(update={"arms": (each,)}) for each in experiment.arms]
    found: list[Experiment] = []
    for each in experiment.optimizers:
        try:
            who = contestants([given.named.get(each, each)])
        except SteepestError:
            who = ()
        tune = [text for text in experiment.protocol.tune if any(_takes(one, text) for one in who)]
        protocol = experiment.protocol.model_copy(update={"tune": tuple(tune)})
        found.append(experiment.model_copy(update={"optimizers": (each,), "protocol": protocol}))
    return found


def _takes(who: Contestant, text: str) -> bool:
    return takes_values(who, *parse_values(text))


def _check_tune(experiment: Experiment, arms: Sequence[Wanted]) -> None:
    """Refuse values to try that no arm of a list takes."""
    odd = next(
        (text for text in experiment.protocol.tune if not any(_takes(arm.optimizer, text) for arm in arms)),
        None,
    )
    if odd is not None:
        raise OptionError(
            f"the values to try {odd!r} belong to no arm",
            hint="name a hyperparameter that the optimizer of an arm has, as 'adam: eps=1e-8..1e-4'.",
        )


def _check_distinct(arms: Sequence[Wanted]) -> None:
    seen: set[str] = set()
    for arm in arms:
        key = stable_hash(texts_of(arm))
        if key in seen:
            named = arm.name or arm.optimizer.name
            raise OptionError(f"the arm {named!r} is given twice", hint="leave one of the two out.")
        seen.add(key)
    names = [arm.name for arm in arms if arm.name]
    if twice := next((each for each in names if names.count(each) > 1), None):
        raise OptionError(f"two arms are called {twice!r}", hint="give each a name of its own.")


def _callbacks(experiment: Experiment, given: Objects) -> tuple[tuple[str, Callback], ...]:
    """Return the callbacks of a configuration, and those that were given in Python and only watch.

    Raises:
        OptionError: one was given in Python when the comparison began, and is not given now.
    """
    objects, texts = given.callbacks, experiment.protocol.callbacks
    lacking = [text for text in texts if text not in objects and ":" not in text]
    if lacking:
        raise OptionError(
            f"there is no callback {lacking[0]!r}",
            hint="give a class as 'mine.py:Plateau(patience=3)'; a comparison with callbacks that were given as "
            "objects goes on in Python, by the same st.compare(..., callbacks=[...]).",
        )
    found = {text: objects.get(text) or read_callback(text) for text in texts}
    watching = {name: each for name, each in objects.items() if each.only_watches}
    return tuple({**found, **watching}.items())


def callable_name(model: ModelBuilder) -> str:
    """Return the text that stands for a callable in a recipe."""
    return f"{CALLABLE}{getattr(model, '__module__', '')}:{getattr(model, '__qualname__', type(model).__qualname__)}"


def texts_of(arm: Wanted) -> dict[str, str]:
    """Return the value of each factor as text; that of the optimizer has every hyperparameter and what is tuned.

    Example:
        >>> from steepest.recipe import validate_experiment
        >>> [arm] = wanted_arms(validate_experiment({"data": {}, "optimizers": ["sgd"]}), Objects())
        >>> texts_of(arm)["schedule"], texts_of(arm)["batch_size"]
        ('cosine', 'default')
    """
    who = arm.optimizer
    fixed = "" if who.fixed_rate else RATE_TUNED
    own = {
        "optimizer": whole_spec(who.at({})) + fixed + "".join(f"; {axis}" for axis in who.axes),
        "model": arm.model_text,
        "batch_size": DEFAULT if arm.batch_size is None else str(arm.batch_size),
        "procedure": make_procedure(arm.procedure).text,
    }
    return {
        name: own[name] if name in own else arm.value(name) or each.empty for name, each in FACTOR.items()
    }
