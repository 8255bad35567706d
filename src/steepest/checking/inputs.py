"""What a function is checked at: tensors that a person describes, or that fit what the function takes.

A description is a list such as ``x=normal(4, 3), target=integers(4, below=3)``, values such as ``t=[0.5, 1]``, or
``mine.py:inputs``, a function that returns the tensors.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.lazy import LazyModuleMixin

from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.errors import OptionError, SteepestError
from steepest.rng import torch_stream

Inputs = dict[str, Any]
"""Tensors and plain values by the names of a function's arguments."""

ROWS, COLUMNS, CLASSES = 4, 3, 3
CODES = ("target", "label", "code", "id", "index", "indices", "token", "y", "idx", "class")
"""What the names of arguments begin or end with that may be whole numbers."""
NUMBERS = {
    "alpha": 0.5, "beta": 0.5, "gamma": 2.0, "delta": 1.0, "eps": 1e-3, "epsilon": 1e-3, "lam": 0.5, "temperature": 2.0,
    "slope": 0.1, "margin": 1.0, "p": 2.0, "q": 0.5, "dim": -1, "tau": 0.5,
}  # fmt: skip
"""Values of arguments that are no tensors, by their names."""


def described(text: str, rows: int = ROWS) -> Inputs:
    """Return the tensors that a text describes.

    Args:
        text: a list of ``name=kind(shape, …)``, or a reference to a function that returns tensors.
        rows: the length where no shape is given.

    Raises:
        OptionError: it cannot be read.

    Example:
        >>> found = described("x=normal(4, 3), target=integers(4, below=3), t=[0.5, 1]")
        >>> {name: (list(each.shape), each.dtype) for name, each in found.items()}
        {'x': ([4, 3], torch.float64), 'target': ([4], torch.int64), 't': ([2], torch.float64)}
    """
    if "=" not in text and ":" in text:
        return returned(load_reference(text)(), text)
    found: Inputs = {}
    with torch_stream(0, "data"):
        for each in grammar.split(text):
            name, equals, value = (part.strip() for part in each.partition("="))
            if not equals or not name.isidentifier() or name in found:
                raise _unread(each)
            found[name] = _tensor(value, rows)
    return found


def returned(made: Any, where: str) -> Inputs:
    """Return what a person's own function of inputs gave, by name; places are ``0``, ``1``, ….

    Raises:
        OptionError: it is neither a tensor nor a mapping or a sequence.
    """
    if isinstance(made, Tensor):
        made = (made,)
    if isinstance(made, Mapping):
        return {str(name): _kept(each) for name, each in made.items()}
    if isinstance(made, Sequence) and not isinstance(made, str):
        return {str(i): _kept(each) for i, each in enumerate(made)}
    raise OptionError(
        f"{where} returned a {type(made).__name__}",
        hint="return the inputs as a tuple of tensors, or as a dict with the names of the arguments.",
    )


def _kept(value: Any) -> Any:
    return value.detach().double() if isinstance(value, Tensor) and value.is_floating_point() else value


def _tensor(text: str, rows: int) -> Any:
    try:
        if text[:1].isalpha() and text.partition("(")[0] in _KINDS:
            spec = grammar.parse(text)
            return _KINDS[spec.name](spec.arguments or (rows,), **spec.options)
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, SteepestError):
        raise _unread(text) from None
    if isinstance(value, list | float):
        whole = isinstance(value, list) and all(isinstance(each, int) for each in value)
        return torch.tensor(value, dtype=torch.int64 if whole else torch.float64)
    return value


def _unread(text: str) -> OptionError:
    return OptionError(
        f"cannot read the input {text!r}",
        hint="write name=normal(4, 3), name=uniform(4), name=integers(4, below=3), name=[0.5, 1], or mine.py:inputs.",
    )


def _integers(shape: Sequence[int], below: int = CLASSES) -> Tensor:
    return torch.randint(below, list(shape))


_KINDS: dict[str, Callable[..., Tensor]] = {
    "normal": lambda shape, mean=0.0, sd=1.0: torch.randn(list(shape), dtype=torch.float64) * sd + mean,
    "uniform": lambda shape, low=0.0, high=1.0: (
        torch.rand(list(shape), dtype=torch.float64) * (high - low) + low
    ),
    "zeros": lambda shape: torch.zeros(list(shape), dtype=torch.float64),
    "ones": lambda shape: torch.ones(list(shape), dtype=torch.float64),
    "integers": _integers,
}


def candidates(call: Callable[..., Any], module: nn.Module | None, skip: int = 0) -> Iterator[Inputs]:
    """Yield inputs that may fit a function, the likeliest first.

    Args:
        call: the function.
        module: the network whose ``forward`` it is, whose layers say what they take.
        skip: arguments at its beginning that are not inputs.
    """
    names = _required(call, skip)
    tensors = [name for name in names if name not in NUMBERS]
    numbers = {name: NUMBERS[name] for name in names if name in NUMBERS}
    layers = _of_layers(module) if module is not None else []
    for wanted in [*layers, *_GENERAL]:
        for coded in (True, False):
            if coded and (wanted in layers or not any(_is_code(name) for name in tensors)):
                continue
            found: Inputs = {}
            with torch_stream(0, "data"):
                for place, name in enumerate(tensors):
                    make = wanted[min(place, len(wanted) - 1)]
                    codes = coded and _is_code(name) and (place > 0 or len(tensors) == 1)
                    found[name] = _integers((ROWS,)) if codes else make()
            yield {name: {**found, **numbers}[name] for name in names}


def parameters_of(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """Return the parameters of a function; of one that does not tell them, any number by place.

    Example:
        >>> [str(each) for each in parameters_of(torch.relu)]
        ['*inputs']
    """
    try:
        return list(inspect.signature(call).parameters.values())
    except ValueError:  # a builtin
        return [inspect.Parameter("inputs", inspect.Parameter.VAR_POSITIONAL)]


def _required(call: Callable[..., Any], skip: int) -> list[str]:
    found: list[str] = []
    for each in parameters_of(call)[skip:]:
        if each.kind is each.VAR_POSITIONAL and not found:
            found.append("0")
        if each.default is not each.empty or each.kind in (each.VAR_POSITIONAL, each.VAR_KEYWORD):
            continue
        found.append(each.name)
    return found


def _is_code(name: str) -> bool:
    parts = name.lower().rstrip("s").split("_")
    return any(part in CODES or part + "s" in CODES for part in parts)


def _normal(*shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randn(shape, dtype=torch.float64)


def _codes(below: int, *shape: int) -> Callable[[], Tensor]:
    return lambda: torch.randint(below, shape)


_GENERAL: list[list[Callable[[], Tensor]]] = [
    [_normal(ROWS, COLUMNS)],
    [_normal(ROWS, 1), _normal(ROWS)],
    [_normal(ROWS, COLUMNS), _normal(2, COLUMNS), _normal(2)],
    [_normal(ROWS, COLUMNS), _normal(COLUMNS, 2), _normal(2)],
    [_normal(ROWS, COLUMNS), _normal(COLUMNS, COLUMNS), _normal(COLUMNS)],
    [_normal(ROWS)],
    [_normal()],
    [_normal(2, 5, COLUMNS)],
    [_normal(2, 3, 8, 8)],
    [_normal(2, 1, 8, 8)],
    [_normal(2, 1, 28, 28)],
]


def _of_layers(module: nn.Module) -> list[list[Callable[[], Tensor]]]:
    """Return what the first layer of a network takes that says it."""
    for layer in module.modules():
        if isinstance(layer, LazyModuleMixin):  # it takes whatever it is given first
            continue
        match layer:
            case nn.Embedding(num_embeddings=below):
                return [[_codes(below, ROWS, 3)], [_codes(below, ROWS)]]
            case nn.Linear(in_features=width):
                return [[_normal(ROWS, width)], [_normal(2, 5, width)]]
            case nn.Bilinear(in1_features=first, in2_features=second):
                return [[_normal(ROWS, first), _normal(ROWS, second)]]
            case nn.Conv1d(in_channels=channels):
                return [[_normal(2, channels, each)] for each in (9, 32)]
            case nn.Conv2d(in_channels=channels):
                return [[_normal(2, channels, each, each)] for each in (8, 16, 28, 32)]
            case nn.RNNBase(input_size=width):
                return [[_normal(5, 2, width)]]
            case nn.BatchNorm1d(num_features=width):
                return [[_normal(ROWS, width)], [_normal(2, width, 5)]]
            case nn.BatchNorm2d(num_features=width):
                return [[_normal(2, width, 8, 8)]]
            case nn.LayerNorm(normalized_shape=shape):
                return [[_normal(ROWS, *shape)], [_normal(2, 5, *shape)]]
            case nn.MultiheadAttention(embed_dim=width):
                return [[_normal(2, 5, width)]]
            case _:
                continue
    return []


def shown(inputs: Inputs) -> str:
    """Return inputs as a person reads them.

    Example:
        >>> shown({"x": torch.zeros(2, 3), "target": torch.tensor([1, 0]), "gamma": 2.0})
        'x float [2, 3], target int [2], gamma 2.0'
    """
    found: list[str] = []
    for name, value in inputs.items():
        if isinstance(value, Tensor):
            kind = (
                "float"
                if value.is_floating_point()
                else str(value.dtype).removeprefix("torch.").rstrip("0123456789")
            )
            found.append(f"{name} {kind} {list(value.shape)}")
        else:
            found.append(f"{name} {value!r}")
    return ", ".join(found)
