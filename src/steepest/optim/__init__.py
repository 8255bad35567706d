"""First-order optimizers: rules written once, usable as torch optimizers anywhere.

``steepest.optim.Adam(params, lr=1e-3)`` is a ``torch.optim.Optimizer``; ``make_rule("adam(lr=1e-3)")`` is the
rule by itself, as the training loop uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from steepest.components import grammar
from steepest.components.grammar import Spec
from steepest.components.registry import Registry
from steepest.errors import OptionError

if TYPE_CHECKING:
    from steepest.optim.rule import Rule
    from steepest.optim.spec import MethodSpec

RULES, METHODS = "steepest.optim.rules", "steepest.optim.methods"
registry = Registry("optimizer", RULES, METHODS)


def names(group: str | None = None) -> list[str]:
    """Return the names of the rules, or those of a group (``default``, ``classic``, ``second-order``, ``sharpness``).

    ``all`` are the rules: a method that takes several gradients a step is compared only where it is named.

    Raises:
        UnknownNameError: there is no such group.

    Example:
        >>> names("default")
        ['adam', 'adamw', 'momentum', 'sgd']
    """
    if group is not None and group != "all" and group not in registry.groups():
        from steepest.errors import unknown_name

        raise unknown_name("group of optimizers", group, [*registry.groups(), "all"])
    if group not in (None, "all"):
        return registry.names(group)
    return [name for name, entry in registry.entries.items() if entry.module.startswith(f"{RULES}.")]


def make_rule(what: str | Spec | Rule[Any]) -> Rule[Any]:
    """Return the rule that a specification describes.

    Raises:
        UnknownNameError: there is no such optimizer.
        OptionError: it is no rule, or a hyperparameter does not exist or is out of range.

    Example:
        >>> make_rule("momentum").hyper.momentum
        0.9
    """
    made = make_spec(what)
    if not made.is_rule:
        raise OptionError(
            f"{made.called} is no rule: it takes several gradients a step",
            hint=f"compare it by its name: -o {made.called}.",
        )
    return cast("Rule[Any]", made)


def make_spec(what: str | Spec | MethodSpec[Any]) -> MethodSpec[Any]:
    """Return the optimizer that a specification describes: a rule, or a method that is none.

    Args:
        what: ``adam``, ``adam(lr=1e-3)``, ``mine.py:MyOpt(beta=0.9)``, ``torch:Adamax``, the parsed form, or
            an optimizer.

    Raises:
        UnknownNameError: there is no such optimizer.
        OptionError: a hyperparameter does not exist or is out of range.

    Example:
        >>> make_spec("l-bfgs(max_iter=5)").gradients_a_step
        6.0
        >>> make_spec("adam(lr=-1)")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: adam: lr=-1 is not allowed
        Hint: lr: input should be greater than or equal to 0 (learning rate).
    """
    if not isinstance(what, str | Spec):
        return what
    spec = grammar.parse(what) if isinstance(what, str) else what
    if spec.is_reference:
        from steepest.optim.foreign import load_type

        kind: Any = load_type(spec)
        called, preset = spec.name, {}
    else:
        entry = registry.entry(spec.name)
        kind, called, preset = entry.load(), entry.name, dict(entry.preset)
    fields = kind.positions()
    if len(spec.arguments) > len(fields):
        raise OptionError(
            f"{called} takes {len(fields)} hyperparameters, not {len(spec.arguments)}",
            hint=f"in this order: {', '.join(fields)}.",
        )
    given = dict(zip(fields, spec.arguments, strict=False))
    for name in spec.options:
        if name in given:
            raise OptionError(f"{called} got {name!r} twice", hint="give it by position or by name.")
    return kind(called=called, preset=preset, **given, **spec.options)


def class_name(name: str) -> str:
    """Return the class name of a registered optimizer: the rule's own, or the preset's in CamelCase.

    Example:
        >>> class_name("sgd"), class_name("nesterov")
        ('SGD', 'Nesterov')
    """
    entry = registry.entry(name)
    return "".join(part.capitalize() for part in entry.name.split("-")) if entry.preset else entry.object


def __getattr__(name: str) -> Any:
    """Make ``steepest.optim.Adam`` and its like at first use."""
    if name == "HessianFree":
        from steepest.optim.closures import HessianFree

        return HessianFree
    for each in names():
        if class_name(each) == name:
            from steepest.optim.dense import optimizer_class

            entry = registry.entry(each)
            made = optimizer_class(entry.load(), name, entry.preset)
            globals()[name] = made
            return made
    raise AttributeError(f"module 'steepest.optim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), "HessianFree", *[class_name(each) for each in names()]})
