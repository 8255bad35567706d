"""What is checked, as a function of named tensors: a loss, a module, a custom autograd function, or any function.

Every evaluation is the same function: random draws are repeated, buffers start anew, and tensors are copies, so that
what differs between two evaluations are the tensors alone.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import inspect
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from steepest.checking.binding import Arguments, NoDerivativeError, bound, failure, nothing
from steepest.checking.inputs import Inputs, candidates, described, parameters_of, returned
from steepest.checking.settling import made, settle
from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.data.dataset import InputField, Shape
from steepest.errors import ModelError, OptionError, SteepestError, first_line, unknown_name
from steepest.models import build_model
from steepest.models import registry as models
from steepest.objectives import Objective, make_objective, read_objective
from steepest.objectives import registry as losses
from steepest.objectives.target import target_of_shape
from steepest.prediction.sameness import made_up_rows
from steepest.rng import stream, torch_stream
from steepest.wording import first_few

Call = Callable[..., Any]
OWN_INPUTS = "inputs"
"""A function of this name beside what is checked gives its inputs."""
TABLE = Shape("classification", {"a": 5, "b": 4}, ("u", "v"), 3)
"""The shape of the made-up data that a model is built for."""


@dataclass
class CheckedFunction:
    """A function of named tensors.

    Attributes:
        title: what was named.
        kind: ``loss``, ``module``, ``autograd function`` or ``function``.
        call: called with the inputs; of a module the parameters are put in their place first.
        inputs: what it is called with, in this order, by name.
        parameters: of a module, by name.
        buffers: of a module, by name.
        module: the network, if there is one.
        inputs_from: where the inputs come from, for a reader.
        by_name: names of the inputs that are given by name.
        notes: what was done to it, for a reader.
    """

    title: str
    kind: str
    call: Call
    inputs: Inputs
    parameters: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    buffers: dict[str, Tensor] = field(default_factory=dict[str, Tensor])
    module: nn.Module | None = None
    inputs_from: str = "made up"
    by_name: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        clash = self.inputs.keys() & self.parameters.keys()
        self._input_names = {name: f"input {name}" if name in clash else name for name in self.inputs}

    @functools.cached_property
    def tensors(self) -> dict[str, Tensor]:
        """What derivatives are taken by: parameters, and inputs of floating point, in float64."""
        inputs = {self._input_names[name]: each for name, each in self.inputs.items() if _is_float(each)}
        return {name: each.detach().double().clone() for name, each in {**self.parameters, **inputs}.items()}

    def outputs(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """Return what the function returns, all of it in one vector.

        Args:
            tensors: values of :attr:`tensors`; their precision is that of the evaluation. They may be changed in
                place by the function.

        Raises:
            NoDerivativeError: it returns something that has no derivatives.
        """
        dtype = next(iter(tensors.values())).dtype if tensors else torch.float64
        inputs = {
            name: tensors[self._input_names[name]] if _is_float(each) else _copied(each)
            for name, each in self.inputs.items()
        }
        named = {name: inputs.pop(name) for name in self.by_name}
        with self.held(dtype) as buffers:
            if self.module is not None:
                state = {**{name: tensors[name] for name in self.parameters}, **buffers}
                result = functional_call(self.module, state, tuple(inputs.values()), named)
            else:
                result = self.call(*inputs.values(), **named)
        return _flat(result)

    def updated(self) -> list[str]:
        """Return the names of the buffers that a call changes."""
        if self.module is None:
            return []
        inputs = [_copied(each) for name, each in self.inputs.items() if name not in self.by_name]
        named = {name: _copied(self.inputs[name]) for name in self.by_name}
        with self.held(torch.float64) as buffers, torch.no_grad():
            before = {name: each.clone() for name, each in buffers.items()}
            state = {**self.parameters, **buffers}
            functional_call(self.module, state, tuple(inputs), named)  # which puts new buffers into the state
        return [name for name, each in before.items() if not torch.equal(each, state[name])]

    @contextlib.contextmanager
    def held(self, dtype: torch.dtype) -> Generator[dict[str, Tensor]]:
        """Make random draws inside the block those of every evaluation, and give copies of the buffers."""
        with torch_stream(0, "dropout"), _default(dtype):
            yield {
                name: each.to(dtype if each.is_floating_point() else each.dtype, copy=True)
                for name, each in self.buffers.items()
            }


def _is_float(value: Any) -> bool:
    return isinstance(value, Tensor) and value.is_floating_point()


def _copied(value: Any) -> Any:
    return value.clone() if isinstance(value, Tensor) else value


@contextlib.contextmanager
def _default(dtype: torch.dtype) -> Generator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _flat(result: Any) -> Tensor:
    found = [
        torch.view_as_real(each) if each.is_complex() else each
        for each in _leaves(result)
        if each.is_floating_point() or each.is_complex()
    ]
    if not found:
        raise NoDerivativeError(f"it returned {_named(result)}, which has no derivative")
    if len(found) == 1:
        return found[0].reshape(-1)
    return torch.cat([each.reshape(-1).to(found[0].dtype) for each in found])


def _leaves(result: Any) -> list[Tensor]:
    if isinstance(result, Tensor):
        return [result]
    if isinstance(result, Mapping):
        return [leaf for each in result.values() for leaf in _leaves(each)]
    if isinstance(result, Sequence) and not isinstance(result, str):
        return [leaf for each in result for leaf in _leaves(each)]
    return []


def _named(result: Any) -> str:
    if isinstance(result, Tensor):
        return f"a tensor of {str(result.dtype).removeprefix('torch.')}"
    return "a Python number" if isinstance(result, int | float) else f"a {type(result).__name__}"


def open_subject(what: Any, inputs: str | Mapping[str, Any] | Sequence[Any] | None = None) -> CheckedFunction:
    """Return what is to be checked as a function of tensors.

    Args:
        what: the name of a model or a loss with its options, ``FILE:NAME``, or the object itself.
        inputs: tensors, or a text that describes them; made up if left out.

    Raises:
        OptionError: there is no such thing, or it cannot be called with these inputs.

    Example:
        >>> found = open_subject("huber(0.5)")
        >>> found.kind, sorted(found.tensors)
        ('loss', ['outputs', 'target'])
        >>> open_subject("mlp(hidden=[4])").kind
        'module'
    """
    if not isinstance(what, str):
        (found, title), own = load(what), None
        spec = grammar.Spec(title)
    else:
        spec = grammar.parse(what)
        title = what
        if not spec.is_reference:
            return _built_in(spec, what)
        found = load_reference(spec.name)
        own = _own_inputs(spec.name)
    call, module, kind, skip = _callable(found, spec, title)
    given, where = _given(inputs, own)
    if given is not None:
        ordered, by_name = bound(title, Arguments.of(call, skip), given)
        return _tried(title, kind, call, module, ordered, where, by_name)
    return _guessed(title, kind, call, module, skip)


def load(what: Any) -> tuple[Any, str]:
    """Return what a reference points at, or an object itself, and what it is called.

    Raises:
        OptionError: there is none, or it is no reference.
    """
    if not isinstance(what, str):
        return what, getattr(what, "__name__", None) or type(what).__name__
    if ":" not in what:
        raise OptionError(
            f"{what!r} names no function of a file", hint="write FILE:NAME, such as mine.py:update."
        )
    return load_reference(what), what


def _subject(
    title: str, kind: str, call: Call, module: nn.Module | None, inputs: Inputs, where: str,
    by_name: tuple[str, ...] = (),
) -> CheckedFunction:  # fmt: skip
    if module is None:
        return CheckedFunction(title, kind, call, inputs, inputs_from=where, by_name=by_name)
    places = [each for name, each in inputs.items() if name not in by_name]
    module = made(module, places, {name: inputs[name] for name in by_name})
    norms = settle(module)
    notes = (
        [
            f"the spectral norm of {first_few(norms)} is settled and held: autograd takes its iteration as constant"
        ]
        if norms
        else []
    )
    return CheckedFunction(
        title,
        kind,
        call,
        inputs,
        {name: each for name, each in module.named_parameters() if each.requires_grad},
        {**dict(module.named_buffers()), **_frozen(module)},
        module,
        where,
        by_name,
        tuple(notes),
    )


def _frozen(module: nn.Module) -> dict[str, Tensor]:
    return {name: each.detach() for name, each in module.named_parameters() if not each.requires_grad}


def _callable(found: Any, spec: grammar.Spec, title: str) -> tuple[Call, nn.Module | None, str, int]:
    """Return what is called, the module that it belongs to, its kind, and how many arguments are no inputs."""
    if isinstance(found, type) and issubclass(found, torch.autograd.Function):
        own_context = found.setup_context is not torch.autograd.Function.setup_context
        forward: Call = found.forward

        @functools.wraps(forward)
        def applied(*args: Any) -> Any:
            return found.apply(*args)

        return applied, None, "autograd function", 0 if own_context else 1
    if isinstance(found, type) and issubclass(found, Objective):
        return read_objective(str(spec)).loss, None, "loss", 0
    if isinstance(found, Objective):
        return found.loss, None, "loss", 0
    if isinstance(found, type) and issubclass(found, nn.Module):
        found = _constructed(found, spec)
    if isinstance(found, nn.Module):
        module = copy.deepcopy(found).double()
        return module.forward, module, "module", 0
    if not callable(found):
        raise OptionError(
            f"{title} is a {type(found).__name__}",
            hint="name a function, a torch.nn.Module or a torch.autograd.Function.",
        )
    if spec.arguments or spec.options:
        found = functools.partial(found, **_options(found, spec))
    return found, None, "function", 0


def _options(found: Call, spec: grammar.Spec) -> dict[str, Any]:
    if spec.arguments:
        raise OptionError(f"{spec} has options without names", hint="write them as name=value.")
    known = [each.name for each in parameters_of(found)]
    for name in spec.options:
        if name not in known:
            raise unknown_name(f"argument of {spec.name}", name, known)
    return dict(spec.options)


def _constructed(kind: type[nn.Module], spec: grammar.Spec) -> nn.Module:
    """Return a module of a person's own class: with its options alone, or for made-up data as ``compare`` does."""
    required = [
        each
        for each in list(inspect.signature(kind).parameters.values())[len(spec.arguments) :]
        if each.default is each.empty
        and each.name not in spec.options
        and each.kind is each.POSITIONAL_OR_KEYWORD
    ]
    try:
        with torch_stream(0, "init"):
            if not required:
                return kind(*spec.arguments, **spec.options)
        if len(required) == 1:
            return build_model(kind, TABLE, **spec.options)
    except (TypeError, ModelError) as error:
        raise OptionError(
            f"{spec} cannot be built: {first_line(error)}",
            hint=f"give the options of its constructor: '{spec.name}(name=value)'.",
        ) from error
    names = ", ".join(f"{each.name}=…" for each in required)
    raise OptionError(
        f"{spec.name} needs {len(required)} options", hint=f"give them: '{spec.name}({names})'."
    )


def _own_inputs(name: str) -> Call | None:
    try:
        found = load_reference(f"{name.rpartition(':')[0]}:{OWN_INPUTS}")
    except SteepestError:
        return None
    return found if callable(found) else None


def _given(
    inputs: str | Mapping[str, Any] | Sequence[Any] | None, own: Call | None
) -> tuple[Inputs | None, str]:
    if isinstance(inputs, str):
        return described(inputs), "given"
    if inputs is not None:
        return returned(inputs, "inputs"), "given"
    if own is not None:
        with torch_stream(0, "data"):
            return returned(own(), f"{OWN_INPUTS}()"), f"from {OWN_INPUTS}() in the same file"
    return None, ""


def _tried(
    title: str, kind: str, call: Call, module: nn.Module | None, inputs: Inputs, where: str,
    by_name: tuple[str, ...] = (),
) -> CheckedFunction:  # fmt: skip
    """Return a function with inputs that it takes.

    Raises:
        OptionError: it fails on them, or has nothing that derivatives could be taken by.
    """
    try:
        subject = _subject(title, kind, call, module, inputs, where, by_name)
        subject.outputs({name: each.clone() for name, each in subject.tensors.items()})
    except Exception as error:
        raise failure(title, error, inputs) from error
    if not any(each.numel() for each in subject.tensors.values()):
        raise nothing(title, inputs)
    return subject


def _guessed(title: str, kind: str, call: Call, module: nn.Module | None, skip: int) -> CheckedFunction:
    """Return the function with the first inputs that it takes."""
    rows = made_up_rows(TABLE)
    if module is None and not parameters_of(call):
        raise OptionError(f"{title} has no arguments", hint="name a function of tensors.")
    tried: list[OptionError] = []
    options = list(candidates(call, module, skip))
    if module is not None and options and len(options[0]) == len(rows):
        names = list(options[0])
        options.append(dict(zip(names, (rows[0], rows[1].double()), strict=True)))
    for inputs in options:
        try:
            with warnings.catch_warnings(action="ignore"):
                return _tried(title, kind, call, module, inputs, "made up")
        except OptionError as error:
            tried.append(error)
    why = f": {tried[0].fact.partition(': ')[2]}" if tried else ""
    raise OptionError(
        f"no inputs were found that {title} takes{why}",
        hint="describe them: --inputs 'x=normal(4, 3), target=integers(4, below=3)', or write a function inputs() "
        "beside it that returns them.",
    )


def _built_in(spec: grammar.Spec, text: str) -> CheckedFunction:
    """Return a model of the library under the default loss of its task, or a loss, on made-up data."""
    name = spec.name.lower().replace("_", "-")
    if name in losses.entries:
        objective = read_objective(text)
        outputs, target = objective.made_up(stream(0, "data"))
        return _tried(text, "loss", objective.loss, None, {"outputs": outputs, "target": target}, "made up")
    if name not in models.entries:
        raise unknown_name("model or loss", spec.name, [*models.entries, *losses.entries])
    shape = _shape_for(name)
    module = build_model(text, shape).double()
    rows = made_up_rows(shape)
    target = target_of_shape(shape)
    wanted = target.of_inputs(rows)
    wanted = target.made_up(len(rows[0]), stream(0, "data")) if wanted is None else wanted
    network = WithLoss(module, make_objective("", target), target.wanted(wanted, torch.float64))
    names = [each.name for each in shape.fields]
    inputs = {
        name: each.double() if each.is_floating_point() else each
        for name, each in zip(names, rows, strict=True)
    }
    return _tried(f"{text} under {network.objective}", "module", network.forward, network, inputs, "made up")


class WithLoss(nn.Module):
    """A network with a loss on it."""

    def __init__(self, network: nn.Module, objective: Objective, target: Tensor) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.target = target

    def forward(self, *inputs: Tensor, alone: bool = False) -> Tensor:
        """Return the loss, or the outputs alone."""
        outputs = self.network(*inputs)
        return outputs if alone else self.loss(outputs)

    def loss(self, outputs: Tensor) -> Tensor:
        """Return the loss of outputs."""
        target = self.target.to(outputs.dtype) if self.target.is_floating_point() else self.target
        if outputs.dim() == 3:  # members
            target = target.repeat_interleave(outputs.shape[1], 0)
            outputs = outputs.flatten(0, 1)
        return self.objective.loss(outputs, target)


def _shape_for(name: str) -> Shape:
    """Return the shape of made-up data that a registered model takes."""
    about = models.entries[name].more
    takes = about.get("takes", ("codes, values",))
    if about.get("ratings"):
        return Shape("regression", {"user": 5, "item": 4}, (), 1, bounds=(1.0, 5.0))
    if "codes, values" in takes:
        return TABLE
    if "image" in takes:
        field = InputField("image", "image", (1, 8, 8))
        width = 64 if "task" in about else 3
        return Shape(about.get("task", TABLE.task), {}, (), width, (field,))
    return Shape("regression", {}, (), 1, (InputField("x", "values", (1,)),))
