"""What a stage of a procedure prunes, as a text in its recipe: ``magnitude(0.9, output=0.9)``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from steepest.components import grammar
from steepest.errors import OptionError, unknown_name

Scope = Literal["layer", "network"]
"""Where magnitudes are compared: within each layer, or over all of them."""
SCOPES: tuple[Scope, ...] = get_args(Scope)
Unit = Literal["weight", "neuron"]
"""What is pruned: single weights, or hidden neurons with all that leads into and out of them."""
UNITS: tuple[Unit, ...] = get_args(Unit)
NAME = "magnitude"


@dataclass(frozen=True)
class Pruning:
    """The share of a model's weights that a run holds at zero: those that were smallest in an earlier run.

    Attributes:
        sparsity: share of the weights, or of the hidden neurons, that are pruned, from 0 to below 1.
        output: that of the weights of the last layer, whose neurons are never pruned.
        scope: where they are compared.
        unit: what is pruned.
        shuffled: whether as many weights of each layer are pruned at random instead.

    Example:
        >>> str(Pruning(0.9, 0.5, "network")), read_pruning("magnitude(0.9, output=0.5, scope='network')").scope
        ("magnitude(0.9, output=0.5, scope='network')", 'network')
    """

    sparsity: float
    output: float
    scope: Scope = "layer"
    unit: Unit = "weight"
    shuffled: bool = False

    def __str__(self) -> str:
        more = {"output": self.output, "scope": self.scope, "unit": self.unit, "shuffled": self.shuffled}
        usual = {"output": self.sparsity, "scope": "layer", "unit": "weight", "shuffled": False}
        written = {name: value for name, value in more.items() if value != usual[name]}
        return str(grammar.Spec(NAME, (self.sparsity,), written))


def read_pruning(text: str) -> Pruning:
    """Return what a text in a recipe says.

    Raises:
        OptionError: it is no such text, or a share is out of range.

    Example:
        >>> read_pruning("magnitude(0.5)")
        Pruning(sparsity=0.5, output=0.5, scope='layer', unit='weight', shuffled=False)
    """
    spec = grammar.parse(text)
    if spec.name != NAME or len(spec.arguments) != 1:
        raise OptionError(f"cannot read the pruning {text!r}", hint=f"write it as {NAME}(0.9).")
    made = Pruning(spec.arguments[0], **{"output": spec.arguments[0], **spec.options})
    check_share("sparsity", made.sparsity)
    check_share("output", made.output)
    check_one_of("scope", made.scope, SCOPES)
    check_one_of("unit", made.unit, UNITS)
    return made


def check_share(name: str, value: float, *, above: bool = False, whole: bool = False) -> float:
    """Return a share as a number.

    Args:
        name: of the option.
        value: of it.
        above: whether 0 is no such share.
        whole: whether 1 is one.

    Raises:
        OptionError: it is none.

    Example:
        >>> check_share("sparsity", 0), check_share("alpha", 1, whole=True)
        (0.0, 1.0)
    """
    known = f"{'above 0' if above else 'from 0'} {'and' if above else 'to'} {'below ' * (not whole)}1"
    if isinstance(value, bool) or not isinstance(value, int | float):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(f"{name}={value!r} is not a number {known}", hint=f"write it as {name}=0.5.")
    if not 0 <= value <= 1 or (above and value == 0) or (not whole and value == 1):
        raise OptionError(f"{name} must be {known}, not {value!r}", hint="give a share, such as 0.5.")
    return float(value)


def check_count(name: str, value: int, least: int = 1) -> int:
    """Return a whole number of at least ``least``.

    Raises:
        OptionError: it is none.

    Example:
        >>> check_count("rounds", 5)
        5
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:  # pyright: ignore[reportUnnecessaryIsInstance]
        raise OptionError(
            f"{name} must be a whole number of at least {least}, not {value!r}", hint="give one, such as 1."
        )
    return value


def check_one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise an ``UnknownNameError`` if a value is none of some.

    Example:
        >>> check_one_of("scope", "layer", SCOPES)
    """
    if value not in known:
        raise unknown_name(name, str(value), known)
