"""Models are ordinary ``nn.Module`` objects, built from a specification and a dataset's shape."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, overload

from torch import nn

from steepest.components import grammar
from steepest.components.prefixes import prefix_of
from steepest.components.prefixes import registry as prefixes
from steepest.components.references import load_reference
from steepest.components.registry import Entry, Registry
from steepest.data.dataset import Shape, Task
from steepest.data.texts.checkpoints import check_start
from steepest.errors import ModelError, first_line, is_out_of_memory
from steepest.finetuning import finetuned
from steepest.models.encoded import with_numbers
from steepest.models.looked_up import of_ratings
from steepest.models.normalized import Normalized
from steepest.rng import torch_stream

registry = Registry("model", "steepest.models")

TABLE_INPUTS = "codes, values"
"""What a model takes that declares nothing else under ``takes``."""

ModelBuilder = Callable[..., nn.Module]
"""Called with the dataset's shape, returns a module with ``forward(categorical, continuous)``."""


def build_model(
    model: str | ModelBuilder, shape: Shape, *, seed: int = 0, finetune: str = "", **options: Any
) -> nn.Module:
    """Build a model with the initialisation of one run seed.

    Args:
        model: a specification (``embedding-mlp(hidden=(128, 64))``), a reference (``nets.py:MyNet``) or a
            callable that takes the shape and returns a module.
        shape: the dataset's shape.
        seed: the run seed; the same seed gives the same weights.
        finetune: which part of it is trained, as in a recipe; empty for all. A structural way adds adapters.
        options: further named options; those in the specification win.

    Raises:
        UnknownNameError: there is no such model.
        ModelError: an option does not exist, or what came back is no module.

    Example:
        >>> shape = Shape("classification", {"colour": 4}, (), 2)
        >>> count_parameters(build_model("linear", shape))
        10
    """
    text = model if isinstance(model, str) else getattr(model, "__qualname__", repr(model))
    arguments: tuple[Any, ...] = ()
    if isinstance(model, str):
        spec = grammar.parse(model)
        arguments = spec.arguments
        if spec.is_reference:
            build = load_reference(spec.name, "model")
        else:
            entry = registry.entry(spec.name)
            check_takes(entry, shape)
            build = entry.load()
            options = {**options, **entry.preset}
        options = grammar.with_none_named({**options, **spec.options}, _annotations(build))
    else:
        build = model
    with torch_stream(seed, "init"):
        try:
            built = build(shape.encoded, *arguments, **options)
            if shape.numbers is not None and isinstance(built, nn.Module):
                built = with_numbers(built, shape.numbers, len(shape.continuous))
        except TypeError as error:
            raise ModelError(
                f"the model {text!r} cannot be built: {first_line(error)}",
                hint="a model is called with the dataset's shape and the options in its brackets.",
            ) from error
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            raise ModelError(
                f"the model {text!r} does not fit into memory: {first_line(error).rstrip('.')}",
                hint="make it smaller: --hidden, --embedding, or --min-count where a column has many categories.",
            ) from error
    if not isinstance(built, nn.Module):
        raise ModelError(
            f"the model {text!r} returned a {type(built).__name__}", hint="return a torch.nn.Module from it."
        )
    built = Normalized(built, shape.fields) if any(each.mean for each in shape.fields) else built
    return finetuned(built, finetune, seed)


def as_declared(spec: grammar.Spec) -> grammar.Spec:
    """Return the specification of a registered model with ``none`` as a word where its options are words.

    Example:
        >>> as_declared(grammar.parse("mlp(norm=none)"))
        "mlp(norm='none')"
    """
    if None not in spec.options.values() or spec.name not in registry.entries:
        return spec
    kinds = _annotations(registry.entry(spec.name).load())
    return replace(spec, options=grammar.with_none_named(spec.options, kinds))


def _annotations(build: Any) -> dict[str, Any]:
    """Return the annotations of a model's options; nothing where they cannot be looked at."""
    try:
        return {name: each.annotation for name, each in inspect.signature(build).parameters.items()}
    except (TypeError, ValueError):
        return {}


def check_takes(entry: Entry, shape: Shape) -> None:
    """Raise a ``ModelError`` if a model does not take what data gives."""
    if _fits(entry, shape):
        return
    fitting = [each.name for each in registry.entries.values() if _fits(each, shape)]
    if of_ratings(shape):  # those made for them come first
        fitting.sort(key=lambda name: not registry.entries[name].more.get("ratings", False))
    choose = (
        f"choose --model {' or '.join(fitting)}" if fitting else f"write a model of your own: {shape.call}"
    )
    if shape.takes in entry.more.get("takes", (TABLE_INPUTS,)):
        task = entry.more.get("task", shape.task)
        if task == shape.task:
            raise ModelError(
                f"the model {entry.name!r} is of ratings",
                hint=f"name the columns of ratings (--user, --item and --rating), or {choose}.",
            )
        raise ModelError(
            f"the model {entry.name!r} is for {task}, but the data is opened for {shape.task}",
            hint=f"add --task {task}, or {choose}.",
        )
    raise ModelError(f"the model {entry.name!r} does not take {_kind_of(shape)}", hint=f"{choose}.")


def _fits(entry: Entry, shape: Shape) -> bool:
    """Whether a model takes what data gives, for its task."""
    return (
        shape.takes in entry.more.get("takes", (TABLE_INPUTS,))
        and entry.more.get("task", shape.task) == shape.task
        and (of_ratings(shape) or not entry.more.get("ratings", False))
    )


def _kind_of(shape: Shape) -> str:
    """Return what a person calls data of a shape."""
    if [(each.kind, each.size) for each in shape.fields] == [("values", (1,))]:
        return "curves"
    if of_ratings(shape):
        return "ratings"
    kinds = {TABLE_INPUTS: "tables", "values": "arrays of numbers", "image": "images", "tokens": "texts"}
    return kinds.get(shape.takes, f"data of {shape.takes}")


def task_of(models: Iterable[str | ModelBuilder]) -> Task | None:
    """Return the task that a model is for where it is for one only, as an autoencoder is; else None.

    Example:
        >>> task_of(["linear", "autoencoder(width=8)"]), task_of(["linear"])
        ('reconstruction', None)
    """
    return next((entry.more["task"] for entry, _ in _declaring(models, "task")), None)


def tokenizer_of(models: Iterable[str | ModelBuilder]) -> str | None:
    """Return the folder of a model that one starts from, whose tokenizer cuts texts for it; None where none does.

    Of a file of weights it is the folder that this is in.

    Raises:
        ModelError: there is no model in the folder, or one of another library that cannot be opened.

    Example:
        >>> tokenizer_of(["linear", "transformer(start='stories260k')"]), tokenizer_of(["transformer", "linear"])
        ('stories260k', None)
    """
    for each in models:
        if start := begins_from(each):
            place = Path(start).expanduser()
            if isinstance(each, str) and prefix_of(each):  # what is wrong with it comes first
                load_reference(grammar.parse(each).name, "model")
            elif place.is_dir():
                check_start(place)
            return place.parent.as_posix() if place.is_file() else start
    return None


def begins_from(model: str | ModelBuilder) -> str | None:
    """Return the folder or file whose weights a model begins with; None where they are drawn.

    Example:
        >>> begins_from("transformer(start='stories260k')"), begins_from("hf:gpt2"), begins_from("transformer")
        ('stories260k', 'gpt2', None)
    """
    for entry, text in _declaring([model], "tokenizer"):
        start = grammar.parse(text).options.get(entry.more["tokenizer"])
        return str(start) if start else None
    if isinstance(model, str) and prefix_of(model) and "tokenizer" in prefixes.entry(prefix_of(model)).more:
        return grammar.parse(model).name.partition(":")[2]
    return None


@overload
def with_whole_path(model: str) -> str: ...
@overload
def with_whole_path(model: str | ModelBuilder) -> str | ModelBuilder: ...
def with_whole_path(model: str | ModelBuilder) -> str | ModelBuilder:
    """Return a specification with the path from the root on of what the model begins from, where that is there.

    Example:
        >>> with_whole_path("transformer(start='no/such')"), with_whole_path("mlp(hidden=(8,))")
        ("transformer(start='no/such')", 'mlp(hidden=(8,))')
    """
    start = begins_from(model)
    if (
        not isinstance(model, str)
        or not start
        or Path(start).is_absolute()
        or not Path(start).expanduser().exists()
    ):
        return model
    whole, spec = str(Path(start).expanduser().absolute()), grammar.parse(model)
    if prefix_of(spec.name):
        return str(replace(spec, name=f"{prefix_of(spec.name)}:{whole}"))
    option = registry.entry(spec.name).more["tokenizer"]
    return str(replace(spec, options={**spec.options, option: whole}))


def with_whole_models(procedure: str) -> str:
    """Return the specification of a procedure with the paths from the root on of the models among its values.

    Example:
        >>> with_whole_models("distil('hf:no/such')"), with_whole_models("continue(0.5)")
        ("distil('hf:no/such')", 'continue(0.5)')
    """
    spec = grammar.parse(procedure)

    def whole(value: Any) -> Any:
        return with_whole_path(value) if isinstance(value, str) else value

    options = {name: whole(value) for name, value in spec.options.items()}
    found = replace(spec, arguments=tuple(map(whole, spec.arguments)), options=options)
    return procedure if found == spec else str(found)


def implied(models: Iterable[str | ModelBuilder], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of the data that models imply and that are not given: their task, and their tokenizer.

    Example:
        >>> implied(["autoencoder"], {"task": "auto"}), implied(["autoencoder"], {"task": "classification"})
        ({'task': 'reconstruction'}, {})
    """
    models = list(models)
    task = task_of(models) if given.get("task", "auto") == "auto" else None
    tokenizer = tokenizer_of(models) if given.get("tokenizer") is None else None
    return {name: value for name, value in (("task", task), ("tokenizer", tokenizer)) if value is not None}


def baselines_of(models: Iterable[str | ModelBuilder]) -> list[str]:
    """Return the baselines that models declare as theirs, with the values of the models' options.

    Example:
        >>> baselines_of(["autoencoder(width=8)", "autoencoder", "cnn"])
        ['pca(width=8)', 'pca(width=32)']
    """
    found: list[str] = []
    for entry, text in _declaring(models, "baseline"):
        spec = grammar.parse(text)
        bound = inspect.signature(entry.load()).bind_partial(None, *spec.arguments, **spec.options)
        bound.apply_defaults()
        found.append(str(entry.more["baseline"]).format(**bound.arguments))
    return list(dict.fromkeys(found))


def _declaring(models: Iterable[str | ModelBuilder], what: str) -> Iterator[tuple[Entry, str]]:
    """Yield the entries of registered models that declare something, and what was written of each."""
    for each in models:
        name = each.partition("(")[0].strip().lower().replace("_", "-") if isinstance(each, str) else ""
        entry = registry.entries.get(name)
        if isinstance(each, str) and entry is not None and what in entry.more:
            yield entry, each


def count_parameters(model: nn.Module) -> int:
    """Return the number of trainable numbers.

    Example:
        >>> count_parameters(nn.Linear(3, 2))
        8
    """
    return sum(each.numel() for each in model.parameters() if each.requires_grad)
