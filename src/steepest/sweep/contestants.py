"""The optimizers of a comparison, from names, specifications, groups, and what is tuned of them."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from steepest import optim
from steepest.components import grammar
from steepest.errors import OptionError
from steepest.optim.foreign import foreign
from steepest.optim.spec import MethodSpec
from steepest.regularizers.strengths import at_strengths, strengths_of
from steepest.sweep.space import AROUND, Axis, Point, Range, tidy

Values = Range | tuple[Any, ...]
"""What is tried of a hyperparameter."""


@dataclass(frozen=True)
class Contestant:
    """An optimizer in the comparison.

    Attributes:
        name: what it is called in tables, the user's own words.
        rule: its rule, at its default or given rate.
        axes: what is tuned beside the rule's own range of rates, or instead of it; an axis with a single value sets it.
        origin: what it was made from: a text, a class or a rule.
        code: the identity of its code where it is the user's; else empty.
        regularizer: the regularizers of its arm, some of whose strengths are tuned with it; empty where none are.
        strengths: the axes of these.
    """

    name: str
    rule: MethodSpec[Any]
    axes: tuple[Axis, ...] = ()
    origin: Any = ""
    code: str = ""
    regularizer: str = ""
    strengths: tuple[Axis, ...] = ()

    @property
    def key(self) -> str:
        """What tells it from the same optimizer with other strengths to tune."""
        return f"{self.name} with {self.regularizer}" if self.strengths else self.name

    @property
    def fixed_rate(self) -> bool:
        """Whether there is no rate to tune: the user gave it, or the method has none."""
        return "lr" in self.rule.given or "lr" not in self.rule.axes

    @property
    def tuned(self) -> bool:
        """Whether anything is tuned: the rate, further hyperparameters, or strengths of regularizers."""
        return not self.fixed_rate or bool(self.strengths) or any(axis.size > 1 for axis in self.axes)

    def beside_rate(self, rule: MethodSpec[Any]) -> dict[str, Any]:
        """Return what a rule has of the hyperparameters and strengths that are tuned beside the rate.

        Example:
            >>> who, = contestants(["adam"], ["eps=1e-8..1e-4"])
            >>> who.beside_rate(who.at({"lr": 0.1, "eps": 1e-6}))
            {'eps': 1e-06}
        """
        names = [axis.name for axis in self.axes if axis.size > 1 and axis.name != "lr"]
        strong = {
            axis.name: rule.strengths[axis.name] for axis in self.strengths if axis.name in rule.strengths
        }
        return {**{name: getattr(rule.hyper, name) for name in names}, **strong}

    def at(self, point: Point) -> MethodSpec[Any]:
        """Return the rule at a point of its axes, with its regularizers where strengths of them are among these."""
        single = {axis.name: axis.values[0] for axis in self.axes if axis.size == 1}
        names = {axis.name for axis in self.strengths}
        strong = {name: float(value) for name, value in point.items() if name in names}
        values = {**single, **{name: value for name, value in point.items() if name not in names}}
        if not values and not strong:
            return self.rule
        rule = self.rule.with_options(**values)
        if strong:
            rule.regularizer, rule.strengths = at_strengths(self.regularizer, strong), strong
        rule.given = self.rule.given | (values.keys() - {"lr"})
        return rule


@dataclass(frozen=True)
class Tune:
    """An optimizer with ranges or values of hyperparameters that are tuned; see :func:`tune`."""

    what: str | type[torch.optim.Optimizer] | MethodSpec[Any]
    values: Mapping[str, Values]


def tune(what: str | type[torch.optim.Optimizer] | MethodSpec[Any], **values: Sequence[Any] | Range) -> Tune:
    """Return an optimizer for a comparison of which more than the learning rate is tuned.

    Every optimizer in the comparison gets the same number of trials.

    Args:
        what: a name or specification, or a ``torch.optim.Optimizer`` class.
        values: hyperparameters by name, each with a :class:`Range` or a list of the values to try. ``lr`` may be among
            them; otherwise its range is the one that the optimizer documents.

    Raises:
        OptionError: a name has no values.

    Example:
        >>> found = contestant(tune("adam", eps=Range(1e-8, 1e-4), amsgrad=[False, True]))
        >>> [(axis.name, axis.kind, axis.centre) for axis in found.axes]
        [('eps', 'log', 1e-08), ('amsgrad', 'choice', False)]
    """
    found: dict[str, Values] = {}
    for name, each in values.items():
        if isinstance(each, str):
            raise OptionError(
                f"the values to try for {name!r} are the text {each!r}",
                hint=f"give a list, {name}=[{each!r}], or a range, {name}=st.Range(1e-8, 1e-4).",
            )
        found[name] = each if isinstance(each, Range) else tuple(each)
        if found[name] == ():
            raise OptionError(f"no values to try for {name!r}", hint=f"give some: {name}=[0.05, 0.1].")
    return Tune(what, found)


def contestant(what: str | type[torch.optim.Optimizer] | MethodSpec[Any] | Tune | grammar.Spec) -> Contestant:
    """Return one optimizer of a comparison.

    A text may have values to try behind a semicolon, which are then part of the name.

    Raises:
        UnknownNameError: there is no such optimizer.
        OptionError: a hyperparameter does not exist or is out of range.

    Example:
        >>> contestant("adam; eps=1e-8..1e-4").name
        'adam; eps=1e-08..0.0001'
    """
    if isinstance(what, Tune):
        return with_values(contestant(what.what), what.values)
    if isinstance(what, str) and ";" in what:
        plain, _, values = what.partition(";")
        return named_by_axes(with_values(contestant(plain), parse_values(values)[1]))
    if isinstance(what, type):
        rule: MethodSpec[Any] = foreign(what, what.__name__)(called=what.__name__)
    else:
        rule = optim.make_spec(what)
    return Contestant(str(rule), rule, default_axes(rule), origin=what)


def regularized(who: Contestant, regularizer: str) -> Contestant:
    """Return an optimizer with the strengths of its arm's regularizers to tune: those that are not given.

    Example:
        >>> who = regularized(contestant("adam"), "l2 + dropout(0.5)")
        >>> [str(axis) for axis in who.strengths]
        ['l2=1e-06..0.1']
        >>> rule = who.at({"lr": 0.01, "l2": 0.001})
        >>> rule.regularizer, who.beside_rate(rule)
        ('dropout(0.5) + l2(0.001)', {'l2': 0.001})
    """
    axes = tuple(
        Axis.range(name, Range(*ends), centre) for name, (ends, centre) in strengths_of(regularizer).items()
    )
    return replace(who, regularizer=regularizer, strengths=axes) if axes else who


def default_axes(rule: MethodSpec[Any]) -> tuple[Axis, ...]:
    """Return what is tuned of a method beside its rate without being asked for: nothing where its rate is given.

    Example:
        >>> [str(axis) for axis in default_axes(optim.make_spec("hessian-free"))]
        ['damping=0.0316..31.6']
        >>> default_axes(optim.make_spec("hessian-free(lr=1)")), default_axes(optim.make_spec("adam"))
        ((), ())
    """
    if "lr" in rule.given:
        return ()
    beside = {name: centre for name, centre in rule.axes.items() if name != "lr" and name not in rule.given}
    return tuple(
        Axis.range(name, Range(tidy(centre / AROUND), tidy(centre * AROUND)), centre)
        for name, centre in beside.items()
    )


def rates_only(who: Contestant) -> Contestant:
    """Return an optimizer of which nothing is tuned but what is asked for, and the rate."""
    return replace(who, axes=tuple(axis for axis in who.axes if axis not in default_axes(who.rule)))


def named_by_axes(who: Contestant) -> Contestant:
    """Return an optimizer whose name tells what is tuned of it, as a text that :func:`contestant` reads."""
    return replace(who, name="; ".join([who.name.partition(";")[0], *map(str, rates_only(who).axes)]))


def with_values(who: Contestant, values: Mapping[str, Values]) -> Contestant:
    """Return ``who`` with ranges or values of hyperparameters to tune; those that it has already are replaced.

    Raises:
        OptionError: a hyperparameter does not exist, a value is out of range, or the rate is given and tuned.
    """
    axes = {axis.name: axis for axis in who.axes}
    for name, each in values.items():
        axes[name] = _axis(who, name, each)
    found = replace(who, axes=tuple(axes.values()))
    tried = [[(axis.name, value) for value in axis.values or (axis.low, axis.high)] for axis in found.axes]
    for combination in itertools.islice(itertools.product(*tried), _CHECKED):
        found.at(dict(combination))  # complains about values that are not allowed
    return found


_CHECKED = 1000
"""Combinations of values that are checked before anything runs."""


def _axis(who: Contestant, name: str, values: Values) -> Axis:
    if name == "lr":
        return _rates(who, values)
    if name not in type(who.rule).Hyper.model_fields:
        who.rule.with_options(**{name: None})  # complains that there is no such hyperparameter
    default = getattr(who.rule.hyper, name)
    if not isinstance(values, Range):
        return Axis.choice(name, values, default)
    if isinstance(default, bool | str | tuple | list):
        raise OptionError(
            f"the range {values} is not for {name!r}, which is {default!r}", hint="list the values to try."
        )
    whole = type(who.rule).Hyper.model_fields[name].annotation is int
    return Axis.range(name, values, default, whole=whole)


def _rates(who: Contestant, values: Values) -> Axis:
    if "lr" not in who.rule.axes and "lr" not in who.rule.given:
        others = [name for name in type(who.rule).Hyper.model_fields if name != "lr"]
        raise OptionError(
            f"{who.name} has no learning rate to tune: its steps have a length of their own",
            hint=f"tune something else of it, such as '{who.rule.called}: {others[0]}=0.01..1'; "
            f"it has {', '.join(others)}.",
        )
    if who.fixed_rate:
        raise OptionError(
            f"the rate of {who.name!r} is given and to be tuned", hint="leave one of the two out."
        )
    ends = (values.low, values.high) if isinstance(values, Range) else values
    if not all(float(who.rule.with_lr(each).hyper.lr) > 0 for each in ends):
        raise OptionError("a rate to try is not above 0", hint="give positive rates, such as lr=1e-4..1e-1.")
    if isinstance(values, Range):
        return replace(Axis.range("lr", values, who.rule.centre), kind="log")
    if len(set(values)) == 1:
        raise OptionError(
            f"there is one rate to try for {who.name!r}", hint=f"fix it: {who.rule.called}(lr={values[0]!r})."
        )
    return Axis.choice("lr", sorted(values), who.rule.centre)


def contestants(texts: Sequence[Any], tune: Sequence[str] = ()) -> tuple[Contestant, ...]:
    """Return the optimizers that names, specifications and groups stand for, each once, in their order.

    Args:
        texts: names, comma lists, specifications, groups, and one optimizer with values to try such as
            ``adam; eps=1e-8..1e-4``; from Python also classes, rules and :class:`Tune`.
        tune: what is tuned beside the rate: ranges such as ``eps=1e-8..1e-4`` (of every optimizer that has an
            ``eps``) or ``adam: eps=1e-8..1e-4``, or values to try such as ``rho=0.05,0.1``.

    Raises:
        UnknownNameError: there is no such optimizer or group.
        OptionError: a hyperparameter does not exist or is out of range, or values are for no optimizer.

    Example:
        >>> [(who.name, who.tuned) for who in contestants(["default", "adam(lr=0.01)"])]
        [('adam', True), ('adamw', True), ('momentum', True), ('sgd', True), ('adam(lr=0.01)', False)]
        >>> [len(who.axes) for who in contestants(["sgd,adam"], ["eps=1e-8..1e-4"])]
        [0, 1]
    """
    found = _by_name([who for text in texts for each in _separate(text) for who in _expanded(each)])
    if not found:
        raise OptionError("no optimizer is given", hint="name some, such as -o sgd,adam.")
    for text in tune:
        name, values = parse_values(text)
        having = [who for who in found.values() if takes_values(who, name, values)]
        if not having:
            raise OptionError(
                f"the values to try {text!r} belong to none of {', '.join(found)}",
                hint="name a hyperparameter that one of the optimizers has, as 'adam: eps=1e-8..1e-4'.",
            )
        if "lr" in values and not name:
            having = [who for who in having if not who.fixed_rate] or having
        for who in having:
            found[who.name] = with_values(who, values)
    return tuple(found.values())


def takes_values(who: Contestant, name: str, values: Mapping[str, Values]) -> bool:
    """Return whether values to try that are given for a name (empty: for all) are for an optimizer.

    Its own values, which are part of its name, are not replaced.
    """
    own = {axis.name for axis in who.axes} if ";" in who.name else set[str]()
    known = type(who.rule).Hyper.model_fields
    return name in ("", who.name, who.rule.called) and all(key in known and key not in own for key in values)


def parse_values(text: str) -> tuple[str, dict[str, Values]]:
    """Read what is tuned: ``[optimizer:] name=low..high`` or ``name=value,value``; several behind semicolons.

    Raises:
        OptionError: the text is not of that form.

    Example:
        >>> parse_values("adam: betas=(0.9,0.99),(0.9,0.999); eps=1e-8..1e-4")
        ('adam', {'betas': ((0.9, 0.99), (0.9, 0.999)), 'eps': Range(low=1e-08, high=0.0001)})
    """
    head, colon, rest = text.rpartition(": ")
    values: dict[str, Values] = {}
    for part in (rest if colon else text).split(";"):
        name, equals, listed = part.partition("=")
        if not equals or not name.strip().isidentifier() or not listed.strip():
            raise OptionError(
                f"cannot read the values to try {text!r}",
                hint="write a range, 'adam: eps=1e-8..1e-4', or values, rho=0.05,0.1.",
            )
        low, dots, high = listed.partition("..")
        if dots:
            values[name.strip()] = Range(_literal(low.strip(), text), _literal(high.strip(), text))
        else:
            values[name.strip()] = tuple(_literal(each, text) for each in grammar.split(listed))
    return head.strip(), values


def tune_texts(who: Sequence[Contestant]) -> list[str]:
    """Return what is tuned of optimizers as texts that :func:`parse_values` reads.

    Example:
        >>> tune_texts(contestants([tune("adam", eps=Range(1e-8, 1e-4), betas=[(0.9, 0.99), (0.9, 0.999)])]))
        ['adam: eps=1e-08..0.0001; betas=(0.9, 0.99),(0.9, 0.999)']
    """
    asked = {each.name: rates_only(each).axes for each in who if ";" not in each.name}
    return [f"{name}: {'; '.join(map(str, axes))}" for name, axes in asked.items() if axes]


def whole_spec(rule: MethodSpec[Any]) -> str:
    """Return the rule's specification with every hyperparameter, so that a changed default is another recipe.

    Example:
        >>> from steepest.optim import make_rule
        >>> whole_spec(make_rule("momentum").with_lr(0.1)).startswith("momentum(lr=0.1, momentum=0.9, ")
        True
    """
    return rule.whole


def _separate(text: Any) -> list[Any]:
    """Return the parts of a comma list; commas behind a semicolon are between values of one optimizer."""
    return grammar.split(text) if isinstance(text, str) and ";" not in text else [text]


def _by_name(optimizers: Sequence[Contestant]) -> dict[str, Contestant]:
    """Return optimizers by name, each once; where two of a name are tuned otherwise, their names tell how.

    Raises:
        OptionError: two classes have the same name.
    """
    axes: dict[str, set[tuple[Axis, ...]]] = {}
    for who in optimizers:
        axes.setdefault(who.name, set()).add(who.axes)
    found: dict[str, Contestant] = {}
    for who in optimizers:
        if who.axes and len(axes[who.name]) > 1:
            who = named_by_axes(who)
        other = found.setdefault(who.name, who)
        if isinstance(who.origin, type) and other.origin is not who.origin:
            raise OptionError(
                f"two optimizers are called {who.name!r}",
                hint="give one of the two classes another name.",
            )
    return found


def _expanded(what: Any) -> list[Contestant]:
    if (
        isinstance(what, str)
        and ";" not in what
        and grammar.parse(what).name in (*optim.registry.groups(), "all")
    ):
        return [contestant(name) for name in optim.names(grammar.parse(what).name)]
    return [contestant(what)]


def _literal(text: str, whole: str) -> Any:
    words = {"true": True, "false": False, "none": None}
    try:
        return words[text.lower()] if text.lower() in words else ast.literal_eval(text)
    except (ValueError, SyntaxError):
        raise OptionError(
            f"cannot read {text!r} in the values to try {whole!r}",
            hint="values are numbers, true, false, quoted text or tuples; a range is 1e-8..1e-4.",
        ) from None
