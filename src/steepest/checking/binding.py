"""Which argument of a function each input is for, and what is said of inputs that do not fit."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from steepest.checking.inputs import Inputs, parameters_of
from steepest.errors import OptionError, first_line, unknown_name


class NoDerivativeError(TypeError):
    """A result that has no derivative."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of a function.

    Attributes:
        places: names of those that are given by their place.
        keywords: names of those that are given by their name only.
        more_places, more_keywords: whether it takes any others, as by ``*args`` and ``**kwargs``.
    """

    places: tuple[str, ...]
    keywords: tuple[str, ...]
    more_places: bool
    more_keywords: bool

    @classmethod
    def of(cls, call: Callable[..., Any], skip: int = 0) -> Arguments:
        """Return the arguments of a function after some that are no inputs.

        Example:
            >>> def loss(outputs, *others, weight, **options): ...
            >>> Arguments.of(loss)
            Arguments(places=('outputs',), keywords=('weight',), more_places=True, more_keywords=True)
        """
        found = parameters_of(call)[skip:]
        kinds = {each.kind for each in found}
        return cls(
            tuple(
                each.name for each in found if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)
            ),
            tuple(each.name for each in found if each.kind is each.KEYWORD_ONLY),
            inspect.Parameter.VAR_POSITIONAL in kinds,
            inspect.Parameter.VAR_KEYWORD in kinds,
        )


def bound(title: str, arguments: Arguments, inputs: Inputs) -> tuple[Inputs, tuple[str, ...]]:
    """Return inputs in the order of a function's arguments, and the names of those that are given by name.

    Args:
        title: what the function is called.
        arguments: of the function.
        inputs: by the names of arguments, or by place: ``0``, ``1``, ….

    Raises:
        OptionError: one has no argument, or an argument between them has no input.

    Example:
        >>> bound("f", Arguments(("x", "y"), ("scale",), False, False), {"scale": 2.0, "y": 1.0, "x": 0.0})
        ({'x': 0.0, 'y': 1.0, 'scale': 2.0}, ('scale',))
        >>> bound("f", Arguments((), (), True, False), {"a": 1.0, "b": 2.0})
        ({'a': 1.0, 'b': 2.0}, ())
    """
    places = arguments.places
    if all(name.isdigit() for name in inputs):
        if len(inputs) > len(places) and not arguments.more_places:
            raise OptionError(
                f"{title} takes {len(places)} arguments by place, and {len(inputs)} inputs are given",
                hint=f"its arguments are {', '.join((*places, *arguments.keywords)) or '(none)'}.",
            )
        return {places[i] if i < len(places) else str(i): each for i, each in enumerate(inputs.values())}, ()
    others = [name for name in inputs if name not in places]
    named = tuple(
        name
        for name in others
        if name in arguments.keywords or (arguments.more_keywords and not arguments.more_places)
    )
    further = [name for name in others if name not in named]
    if further and not arguments.more_places:
        raise unknown_name(f"argument of {title}", further[0], [*places, *arguments.keywords])
    ordered = {name: inputs[name] for name in places if name in inputs}
    last = len(places) if further else places.index(list(ordered)[-1]) if ordered else 0
    missing = [name for name in places[:last] if name not in ordered]
    if missing:
        raise OptionError(
            f"there is no input {missing[0]!r}",
            hint=f"describe every argument of {title}: {', '.join(places)}.",
        )
    return {**ordered, **{name: inputs[name] for name in (*further, *named)}}, named


def failure(title: str, error: Exception, inputs: Mapping[str, Any]) -> OptionError:
    """Return the error that a function fails at its inputs, with the cure where it can be seen in them."""
    whole = [name for name, each in inputs.items() if _is_whole(each)]
    numbers = any(isinstance(each, Tensor) and each.is_floating_point() for each in inputs.values())
    said = first_line(error)
    if whole and not numbers and isinstance(error, NoDerivativeError):
        return no_derivative(title, whole[0], inputs[whole[0]])
    also = f"; {whole[0]} is whole numbers now, decimal ones are [1.0, 2.0]" if whole and not numbers else ""
    return OptionError(
        f"{title} fails at its inputs: {_kind(error)}{f': {said}' if said else ''}",
        hint=f"give inputs that it takes: --inputs 'x=normal(4, 3)'{also}.",
    )


def nothing(title: str, inputs: Mapping[str, Any]) -> OptionError:
    """Return the error that there is nothing that derivatives could be taken by."""
    for name, each in inputs.items():
        if _is_whole(each) or (isinstance(each, Tensor) and each.is_complex()):
            return no_derivative(title, name, each)
    empty = [name for name, each in inputs.items() if isinstance(each, Tensor) and not each.numel()]
    return OptionError(
        f"{title} is called with no number: {empty[0]} is empty"
        if empty
        else f"{title} has no parameter and no input of floating point",
        hint="give one: --inputs 'x=normal(4, 3)'.",
    )


def no_derivative(title: str, name: str, value: Any) -> OptionError:
    """Return the error that an input has no derivatives.

    Example:
        >>> print(no_derivative("f", "x", 3))
        f has no derivative by x, a whole number
        Hint: write it with a decimal point: inputs='x=[1.0, 2.0]', or make it .double() in Python.
    """
    if isinstance(value, Tensor) and value.is_complex():
        return OptionError(
            f"{title} has no derivative by {name}, which is complex",
            hint="give real and imaginary part as inputs, and join them in the function by torch.complex.",
        )
    kind = (
        f"a tensor of {str(value.dtype).removeprefix('torch.')}"
        if isinstance(value, Tensor)
        else "a whole number"
    )
    return OptionError(
        f"{title} has no derivative by {name}, {kind}",
        hint=f"write it with a decimal point: --inputs '{name}=[1.0, 2.0]', or make it .double() in Python.",
    )


def _is_whole(value: Any) -> bool:
    if isinstance(value, Tensor):
        return not value.is_floating_point() and not value.is_complex()
    return isinstance(value, int)


def _kind(error: Exception) -> str:
    return "TypeError" if isinstance(error, NoDerivativeError) else type(error).__name__
