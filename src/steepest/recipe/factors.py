"""The factors: what arms can differ in, declared once, in the order of labels and tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

NOTHING = "none"
"""The text of an empty value of a factor."""


@dataclass(frozen=True)
class Factor:
    """What arms can differ in.

    Attributes:
        name: what it is called in files, options and results.
        one, many: what a comparison of it is called: in the singular and in the plural.
        empty: the text of its empty value in the factors of an arm.
        plain: how an arm with that value is labelled; nothing where that is as any other.
        label: how an arm with another value is labelled.
        shared: whether one value has a place of its own, in the protocol, the model or the data.
        later: whether arms of older folders lack it, so that an empty value is no part of an arm's identity.
        lists: whether a value may have commas of its own.
        since: the value that all arms of older folders have; it is no part of an arm's identity.
    """

    name: str
    one: str
    many: str
    empty: str = ""
    plain: str = ""
    label: str = "{}"
    shared: bool = False
    later: bool = False
    lists: bool = False
    since: str = ""


_DECLARED = (
    Factor("optimizer", "optimizer", "optimizers"),
    Factor("model", "model", "models", shared=True),
    Factor(
        "numbers", "encoding of numbers", "encodings of numbers", label="{} numbers", shared=True, since="standard",
    ),
    Factor(
        "finetune", "way of fine-tuning", "ways of fine-tuning", "full", "fully fine-tuned", "fine-tuned {}",
        later=True,
    ),
    Factor("loss", "loss", "losses", plain="default loss", label="{} loss", later=True),
    Factor("regularizer", "regularizer", "regularizers", NOTHING, "no regularizer", later=True),
    Factor("schedule", "schedule", "schedules", label="{} schedule", shared=True),
    Factor(
        "rates", "set of learning rates", "sets of learning rates", NOTHING, "one rate", "rates {}",
        later=True, lists=True,
    ),
    Factor(
        "freeze", "set of fixed parameters", "sets of fixed parameters", NOTHING, "all trained", "fixed {}",
        later=True, lists=True,
    ),
    Factor("batch_size", "batch size", "batch sizes", label="batch {}", shared=True),
    Factor("precision", "numerical precision", "numerical precisions", shared=True),
    Factor("train_rows", "number of training rows", "numbers of training rows"),
    Factor("labels", "kind of labels", "kinds of labels", NOTHING, "true labels"),
    Factor("prepare", "preparation", "preparations", plain="not prepared", shared=True, lists=True),
    Factor("procedure", "procedure", "procedures"),
)  # fmt: skip

FACTOR: Mapping[str, Factor] = {each.name: each for each in _DECLARED}
"""The factors by name."""

FACTORS = tuple(FACTOR)
"""Their names, in the order of labels and tables."""

SHARED_FACTORS = tuple(each.name for each in _DECLARED if each.shared)
"""The factors that have a place of their own where they have one value."""

SUBJECTS = {each.name: (each.one, each.many) for each in _DECLARED}
"""What a comparison is of, where its arms differ in one factor: in the singular and in the plural."""


def varying(factors: Sequence[Mapping[str, str]]) -> list[str]:
    """Return the factors in which some arms differ, in order.

    Example:
        >>> varying([{"optimizer": "adam", "model": "linear"}, {"optimizer": "sgd", "model": "linear"}])
        ['optimizer']
    """
    return [name for name in FACTORS if len({each.get(name, "") for each in factors}) > 1]
