"""What a component's specification means: its name and every option, defaults included, in one way of writing."""

from __future__ import annotations

import inspect
from typing import Any

from steepest import models, schedules
from steepest.components import grammar
from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.errors import SteepestError


def model_meant(model: str) -> str:
    """Return a model's specification with every option.

    Example:
        >>> model_meant("linear()"), model_meant("embedding-mlp") == model_meant("embedding_mlp(hidden=[128, 64])")
        ('linear', True)
    """
    return str(_meant(models.registry, grammar.parse(model)))


def schedule_meant(schedule: str) -> str:
    """Return a schedule's specification with every option, also of the schedules that it combines.

    Example:
        >>> schedule_meant("warmup(cosine())") == schedule_meant("warmup(cosine(final=0.0), length=0.05)")
        True
    """
    return str(_meant(schedules.registry, grammar.parse(schedule)))


def _meant(registry: Registry, spec: grammar.Spec) -> grammar.Spec:
    """Return a specification with every option; as it is where its function cannot be looked at."""
    try:
        if spec.is_reference:
            name, preset, build = spec.name, {}, load_reference(spec.name)
        else:
            entry = registry.entry(spec.name)
            name, preset, build = entry.name, entry.preset, entry.load()
        # the first argument is what a component is made for: the data's shape, or the number of steps
        bound = inspect.signature(build).bind(None, *spec.arguments, **{**preset, **spec.options})
    except (SteepestError, TypeError, ValueError):
        return spec
    bound.apply_defaults()
    arguments = tuple(_inner(registry, each) for each in bound.args[1:])
    options = {key: _inner(registry, value) for key, value in bound.kwargs.items()}
    return grammar.Spec(name, arguments, dict(sorted(options.items())))


def _inner(registry: Registry, value: Any) -> Any:
    if isinstance(value, str) and value in registry.entries:
        value = grammar.Spec(value)
    if isinstance(value, list):
        return tuple(value)
    return _meant(registry, value) if isinstance(value, grammar.Spec) else value
