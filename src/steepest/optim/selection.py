"""Parameters of a model that a text selects: by role, or by a pattern of names; and learning rates for them."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from torch import nn

from steepest.components import grammar
from steepest.errors import OptionError, unknown_name
from steepest.optim.roles import ROLES, roles_of

HEAD = "head"
"""The parameters of the last linear layer, which are weights and biases, too; of a tied one, those of the embedding."""
NONE = "none"
MULTIPLIER = "rate_multiplier"
"""A parameter group's key: the factor of its applied steps."""


def selected(model: nn.Module, what: str) -> list[str]:
    """Return the names of the parameters that a role or a pattern selects.

    Args:
        model: the module.
        what: a role (``weights``, ``embeddings``, ``biases``, ``norms``, ``head``), or a name with ``*`` and ``?``.

    Raises:
        UnknownNameError: it selects none.

    Example:
        >>> model = nn.Sequential(nn.Embedding(9, 2), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> selected(model, "embeddings"), selected(model, "head"), selected(model, "1.*")
        (['0.weight'], ['3.weight', '3.bias'], ['1.weight', '1.bias'])
    """
    roles = roles_of(model)
    if what in ROLES:
        found = [name for name, role in roles.items() if role == what]
    elif what == HEAD:
        found = _head(model)
    else:
        found = [name for name in roles if fnmatchcase(name, what)]
    if not found:
        raise unknown_name("parameter or role", what, [*ROLES, HEAD, *roles])
    return found


def _head(model: nn.Module) -> list[str]:
    """Return the parameters of the output layer: those that the model names in ``head_parameters``, where it computes
    its outputs without a layer for them, else those of its last linear layer."""
    said = getattr(model, "head_parameters", None)
    linear = [each for each in model.modules() if isinstance(each, nn.Linear)]
    own = {id(each) for each in (linear[-1].parameters(recurse=False) if linear else ())}
    return [
        name
        for name, each in model.named_parameters()
        if (name in said if isinstance(said, tuple) and said else id(each) in own)
    ]


def read_patterns(text: str) -> tuple[str, ...]:
    """Return the roles and patterns of a text.

    Example:
        >>> read_patterns("embeddings, 1.*"), read_patterns("none")
        (('embeddings', '1.*'), ())
    """
    return () if text in ("", NONE) else tuple(grammar.split(text))


def patterns_text(text: str) -> str:
    """Return roles and patterns as they stand in a recipe: in one order, each once; nothing for ``none``.

    Example:
        >>> patterns_text("norms,embeddings, norms"), patterns_text("none")
        ('embeddings, norms', '')
    """
    return ", ".join(sorted({*read_patterns(text)}))


def read_rates(text: str) -> dict[str, float]:
    """Return multipliers of the learning rate by role or pattern; of two that select a parameter, the later counts.

    Raises:
        OptionError: one is not ``NAME=NUMBER`` with a number above 0.

    Example:
        >>> read_rates("embeddings=0.1, head=10")
        {'embeddings': 0.1, 'head': 10.0}
    """
    found: dict[str, float] = {}
    for each in read_patterns(text):
        name, equals, number = (part.strip() for part in each.rpartition("="))
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not (equals and name and 0 < value < math.inf):
            raise OptionError(
                f"the learning rate {each!r} is not a role or name with a multiplier above 0",
                hint="write --rates 'embeddings=0.1, head=10'; to train them not at all, --freeze embeddings.",
            )
        found.pop(name, None)
        found[name] = value
    return found


def rates_text(text: str) -> str:
    """Return multipliers as they stand in a recipe; nothing for ``none``.

    Example:
        >>> rates_text("head=10,embeddings=.1"), rates_text("none")
        ('head=10.0, embeddings=0.1', '')
    """
    return ", ".join(f"{name}={value!r}" for name, value in read_rates(text).items())


def shown_rates(text: str) -> str:
    """Return the text of multipliers as people write numbers.

    Example:
        >>> shown_rates("head=10.0, embeddings=0.1")
        'head=10, embeddings=0.1'
    """
    return ", ".join(each.removesuffix(".0") for each in text.split(", "))


def multipliers(model: nn.Module, text: str) -> dict[str, float]:
    """Return the multipliers of the parameters that have another than 1, by name.

    Raises:
        OptionError: a text is wrong.
        UnknownNameError: a role or a pattern selects no parameter.
    """
    found: dict[str, float] = {}
    for what, value in read_rates(text).items():
        found.update(dict.fromkeys(selected(model, what), value))
    return {name: value for name, value in found.items() if value != 1.0}


def meant(model: nn.Module, rates: str) -> tuple[dict[str, float], list[str]]:
    """Return what multipliers and fixed parameters mean on a model, in whatever words they were given.

    Args:
        model: with its fixed parameters, see :func:`freeze`.
        rates: the text of the multipliers.

    Returns:
        The multipliers other than 1 of the parameters that are trained, and the names of those that are not.

    Example:
        >>> model = freeze(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), "1.*")
        >>> meant(model, "weights=2, head=5, biases=1")
        ({'0.weight': 2.0}, ['1.bias', '1.weight'])
    """
    fixed = sorted(name for name, each in model.named_parameters() if not each.requires_grad)
    found = {name: value for name, value in multipliers(model, rates).items() if name not in fixed}
    return dict(sorted(found.items())), fixed


def by_rate(
    groups: Sequence[Mapping[str, Any]], model: nn.Module, rates: Mapping[str, float]
) -> list[dict[str, Any]]:
    """Return parameter groups split by the multipliers of their parameters."""
    factor = {id(each): rates.get(name, 1.0) for name, each in model.named_parameters()}
    found: list[dict[str, Any]] = []
    for group in groups:
        for value in dict.fromkeys(factor[id(each)] for each in group["params"]):
            some = [each for each in group["params"] if factor[id(each)] == value]
            found.append({**group, "params": some, **({} if value == 1.0 else {MULTIPLIER: value})})
    return found


def freeze(model: nn.Module, text: str) -> nn.Module:
    """Make parameters fixed: they get no gradient, no update and no weight decay. Return the model.

    A norm all of whose parameters are fixed is used as in evaluation: it keeps its statistics and normalises by them.

    Raises:
        UnknownNameError: a role or a pattern selects no parameter.
        OptionError: nothing would be left to train.

    Example:
        >>> model = freeze(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), "0.*")
        >>> [name for name, each in model.named_parameters() if each.requires_grad]
        ['1.weight', '1.bias']
    """
    if not text:
        return model
    hold(model, [name for what in read_patterns(text) for name in selected(model, what)])
    if not any(each.requires_grad for each in model.parameters()):
        count = len([*model.parameters()])
        raise OptionError(
            f"--freeze {text!r} leaves nothing to train: it fixes all {count} parameters of the model",
            hint="freeze a part of them.",
        )
    return model


def hold(model: nn.Module, names: Collection[str]) -> None:
    """Make the parameters with these names fixed, and norms without another parameter as in evaluation."""
    parameters = dict(model.named_parameters())
    for name in names:
        parameters[name].requires_grad_(False)
    for name in {name.rpartition(".")[0] for name, role in roles_of(model).items() if role == "norms"}:
        module = model.get_submodule(name)
        if not any(each.requires_grad for each in module.parameters(recurse=False)):
            module.eval()
