"""The optimizers of a comparison, from names, specifications, groups, and values to try."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from steepest import optim
from steepest.components import grammar
from steepest.errors import OptionError
from steepest.optim.foreign import foreign
from steepest.optim.rule import Rule


@dataclass(frozen=True)
class Contestant:
    """An optimizer in the comparison.

    Attributes:
        name: what it is called in tables, the user's own words.
        rule: its rule, at its default or given rate.
        variants: the rule with each combination of further values that are to be tried; itself if none are.
        origin: what it was made from: a text, a class or a rule.
        code: the identity of its code where it is the user's; else empty.
    """

    name: str
    rule: Rule[Any]
    variants: tuple[Rule[Any], ...] = field(default=())
    origin: Any = ""
    code: str = ""

    def __post_init__(self) -> None:
        if not self.variants:
            object.__setattr__(self, "variants", (self.rule,))

    @property
    def fixed_rate(self) -> bool:
        """Whether the user gave the rate."""
        return "lr" in self.rule.given

    @property
    def tuned(self) -> bool:
        """Whether anything is tuned: the rate, or further hyperparameters."""
        return not self.fixed_rate or len(self.variants) > 1


@dataclass(frozen=True)
class Tune:
    """An optimizer with values to try of hyperparameters beyond the rate; see :func:`tune`."""

    what: str | type[torch.optim.Optimizer] | Rule[Any]
    values: Mapping[str, tuple[Any, ...]]


def tune(what: str | type[torch.optim.Optimizer] | Rule[Any], **values: Sequence[Any]) -> Tune:
    """Return an optimizer for a comparison with values to try of further hyperparameters.

    Every combination gets its learning rates; the other optimizers get as many trials, on finer grids.

    Args:
        what: a name or specification, or a ``torch.optim.Optimizer`` class.
        values: hyperparameters by name, each with the values to try.

    Raises:
        OptionError: a name has no values.

    Example:
        >>> [str(rule) for rule in contestant(tune("adam", eps=[1e-8, 1e-4])).variants]
        ['adam(eps=1e-08)', 'adam(eps=0.0001)']
    """
    for name, each in values.items():
        if not list(each):
            raise OptionError(f"no values to try for {name!r}", hint=f"give some: {name}=[0.05, 0.1].")
    return Tune(what, {name: tuple(each) for name, each in values.items()})


def contestant(what: str | type[torch.optim.Optimizer] | Rule[Any] | Tune | grammar.Spec) -> Contestant:
    """Return one optimizer of a comparison.

    Raises:
        UnknownNameError: there is no such optimizer.
        OptionError: a hyperparameter does not exist or is out of range.
    """
    if isinstance(what, Tune):
        return with_values(contestant(what.what), what.values)
    if isinstance(what, type):
        rule: Rule[Any] = foreign(what, what.__name__)(called=what.__name__)
    else:
        rule = optim.make_rule(what)
    return Contestant(str(rule), rule, origin=what)


def with_values(who: Contestant, values: Mapping[str, Sequence[Any]]) -> Contestant:
    """Return ``who`` with every combination of values to try.

    Raises:
        OptionError: a hyperparameter does not exist, is the rate, or a value is out of range.
    """
    if not values:
        return who
    if "lr" in values:
        raise OptionError("the rate is always tuned", hint="give --learning-rates for another grid.")
    names = list(values)
    variants = [
        _with(rule, dict(zip(names, combination, strict=True)))
        for rule in who.variants
        for combination in itertools.product(*values.values())
    ]
    distinct = {whole_spec(each): each for each in variants}
    return replace(who, variants=tuple(distinct.values()))


def contestants(texts: Sequence[Any], tune: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """Return the optimizers that names, specifications and groups stand for, each once, in their order.

    Args:
        texts: names, comma lists, specifications, groups; from Python also classes, rules and :class:`Tune`.
        tune: values to try, as ``rho=0.05,0.1`` (for every optimizer that has a ``rho``) or
            ``adam: eps=1e-8,1e-4``.

    Raises:
        UnknownNameError: there is no such optimizer or group.
        OptionError: a hyperparameter does not exist or is out of range, or values are for no optimizer.

    Example:
        >>> [(who.name, who.tuned) for who in contestants(["default", "adam(lr=0.01)"])]
        [('adam', True), ('adamw', True), ('momentum', True), ('sgd', True), ('adam(lr=0.01)', False)]
        >>> [len(who.variants) for who in contestants(["sgd,adam"], ["eps=1e-8,1e-4"])]
        [1, 2]
    """
    found: dict[str, Contestant] = {}
    for text in texts:
        for each in grammar.split(text) if isinstance(text, str) else [text]:
            for who in _expanded(each):
                other = found.setdefault(who.name, who)
                if isinstance(who.origin, type) and other.origin is not who.origin:
                    raise OptionError(
                        f"two optimizers are called {who.name!r}",
                        hint="give one of the two classes another name.",
                    )
    if not found:
        raise OptionError("no optimizer is given", hint="name some, such as -o sgd,adam.")
    for text in tune:
        name, values = parse_values(text)
        meant = [who for who in found.values() if name in ("", who.name, who.rule.called)]
        having = [who for who in meant if all(key in type(who.rule).Hyper.model_fields for key in values)]
        if not having:
            raise OptionError(
                f"the values to try {text!r} belong to none of {', '.join(found)}",
                hint="name a hyperparameter that one of the optimizers has, as 'adam: eps=1e-8,1e-4'.",
            )
        for who in having:
            found[who.name] = with_values(who, values)
    return tuple(found.values())


def parse_values(text: str) -> tuple[str, dict[str, tuple[Any, ...]]]:
    """Read values to try: ``[optimizer:] name=value,value [; name=value,value]``.

    Raises:
        OptionError: the text is not of that form.

    Example:
        >>> parse_values("adam: betas=(0.9,0.99),(0.9,0.999); eps=1e-8")
        ('adam', {'betas': ((0.9, 0.99), (0.9, 0.999)), 'eps': (1e-08,)})
    """
    head, colon, rest = text.rpartition(": ")
    values: dict[str, tuple[Any, ...]] = {}
    for part in (rest if colon else text).split(";"):
        name, equals, listed = part.partition("=")
        if not equals or not name.strip().isidentifier() or not listed.strip():
            raise OptionError(
                f"cannot read the values to try {text!r}", hint="write rho=0.05,0.1 or 'adam: eps=1e-8,1e-4'."
            )
        values[name.strip()] = tuple(_literal(each, text) for each in grammar.split(listed))
    return head.strip(), values


def default_rate(rule: Rule[Any]) -> float:
    """Return the learning rate that the rule's library would use."""
    return float(type(rule).Hyper.model_fields["lr"].default)


def whole_spec(rule: Rule[Any]) -> str:
    """Return the rule's specification with every hyperparameter, so that a changed default is another recipe.

    Example:
        >>> from steepest.optim import make_rule
        >>> whole_spec(make_rule("momentum").with_lr(0.1)).startswith("momentum(lr=0.1, momentum=0.9, ")
        True
    """
    return str(grammar.Spec(rule.called, (), rule.hyper.model_dump()))


def _expanded(what: Any) -> list[Contestant]:
    if isinstance(what, str) and grammar.parse(what).name in (*optim.registry.groups(), "all"):
        return [contestant(name) for name in optim.names(grammar.parse(what).name)]
    return [contestant(what)]


def _with(rule: Rule[Any], values: Mapping[str, Any]) -> Rule[Any]:
    other = rule.with_options(**values)
    other.given = rule.given | set(values)
    return other


def _literal(text: str, whole: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    try:
        return words[text.lower()] if text.lower() in words else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise OptionError(
            f"cannot read {text!r} in the values to try {whole!r}",
            hint="values are numbers, true, false, quoted text or tuples.",
        ) from None
