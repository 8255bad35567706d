"""What is given to a comparison in Python: arms, and options that belong to one section of the configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Self, cast

from steepest.components import grammar
from steepest.errors import unknown_name
from steepest.models import ModelBuilder
from steepest.recipe import CLEARER_NAMES, EXECUTION_OPTIONS, SHARED_FACTORS, Factors, ModelOptions, Protocol
from steepest.sweep.arms import Objects, Wanted, callable_name
from steepest.sweep.contestants import Tune, contestant, named_by_axes
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
        schedule: a schedule.
        batch_size: rows per step, or ``"all"`` for every training row.
        precision: of matrix products in training.
        train_rows: a share of the training rows, their number, or ``"all"``.
        labels: ``"none"``, or a corruption of the training labels such as ``"noise(0.15)"``.
        prepare: another file of preparation steps.
        procedure: of which runs it consists.
        loss: the training loss.
        regularizer: what acts inside a step besides the optimizer.
        name: what it is called.

    Raises:
        UnknownNameError: there is no such option.

    Example:
        >>> Arm(optimizer="adam", model="linear", name="plain").name
        'plain'
    """

    optimizer: Any = None
    model: str | ModelBuilder | None = None
    schedule: str | None = None
    batch_size: int | Literal["all"] | None = None
    precision: str | None = None
    train_rows: str | float | None = None
    labels: str | None = None
    prepare: str | None = None
    procedure: str | None = None
    loss: str | None = None
    regularizer: str | None = None
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


def _optimizer_name(value: Any) -> str:
    """Return the text that stands for an optimizer; that of one with values to try has them."""
    who = contestant(value)
    return named_by_axes(who).name if isinstance(value, Tune) else who.name


def given_models(model: ModelBuilder | Sequence[ModelBuilder] | None) -> Objects:
    """Return the callables that build models as what is given in Python."""
    if isinstance(model, list | tuple):
        objects: dict[str, Any] = {}
        for each in model:
            text_of(each, callable_name, objects)
        return Objects(named=objects)
    return Objects(model=cast("ModelBuilder | None", model))


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
    known += CLEARER_NAMES
    raise unknown_name("option", option, known)
