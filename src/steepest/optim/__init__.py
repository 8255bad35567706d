"""First-order optimizers: rules written once, usable as torch optimizers anywhere.

``steepest.optim.Adam(params, lr=1e-3)`` is a ``torch.optim.Optimizer``; ``make_rule("adam(lr=1e-3)")`` is the
rule by itself, as the training loop uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from steepest.components import grammar
from steepest.components.grammar import Spec
from steepest.components.registry import Registry
from steepest.errors import OptionError

if TYPE_CHECKING:
    from steepest.optim.rule import Rule

registry = Registry("optimizer", "steepest.optim.rules")


def names(group: str | None = None) -> list[str]:
    """Return the names of the optimizers, of one group if it is given (``default``, ``classic``, ``all``).

    Raises:
        UnknownNameError: there is no such group.

    Example:
        >>> names("default")
        ['adam', 'adamw', 'momentum', 'sgd']
    """
    if group is not None and group != "all" and group not in registry.groups():
        from steepest.errors import unknown_name

        raise unknown_name("group of optimizers", group, [*registry.groups(), "all"])
    return registry.names(None if group == "all" else group)


def make_rule(what: str | Spec | Rule[Any]) -> Rule[Any]:
    """Return the rule that a specification describes.

    Args:
        what: ``adam``, ``adam(lr=1e-3)``, ``mine.py:MyOpt(beta=0.9)``, ``torch:Adamax``, the parsed form, or
            a rule.

    Raises:
        UnknownNameError: there is no such optimizer.
        OptionError: a hyperparameter does not exist or is out of range.

    Example:
        >>> make_rule("momentum").hyper.momentum
        0.9
        >>> make_rule("adam(lr=-1)")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: adam: lr=-1 is not allowed
        Hint: lr: input should be greater than or equal to 0 (learning rate).
    """
    if not isinstance(what, str | Spec):
        return what
    spec = grammar.parse(what) if isinstance(what, str) else what
    if spec.is_reference:
        from steepest.optim.foreign import load

        kind: Any = load(spec)
        called, preset = spec.name, {}
    else:
        entry = registry.entry(spec.name)
        kind, called, preset = entry.load(), entry.name, dict(entry.preset)
    fields = list(kind.Hyper.model_fields)
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
    for each, entry in registry.entries.items():
        if class_name(each) == name:
            from steepest.optim.dense import optimizer_class

            made = optimizer_class(entry.load(), name, entry.preset)
            globals()[name] = made
            return made
    raise AttributeError(f"module 'steepest.optim' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *[class_name(each) for each in registry.entries]})
