"""Strengths of regularizers that are not given, so that a comparison tunes them."""

from __future__ import annotations

from collections.abc import Mapping

from steepest.components import grammar
from steepest.regularizers import Regularizer, read_regularizers, regularizer_text, specs_of

Tuned = tuple[tuple[float, float], float]
"""The least and the greatest strength that are tried, and that in the middle."""


def strengths_of(text: str) -> dict[str, Tuned]:
    """Return the strengths to tune of some regularizers, by what these are called without them.

    Example:
        >>> strengths_of("l2 + dropout(0.5) + max-norm")
        {'l2': ((1e-06, 0.1), 0.0001), 'max-norm': ((0.5, 8.0), 3.0)}
        >>> list(strengths_of("l2(on=weights) + l2(on=biases)"))
        ['l2', "l2(on='biases')"]
    """
    return {str(each): (each.strengths, _default(each)) for each in read_regularizers(text) if each.tuned}


def at_strengths(text: str, strengths: Mapping[str, float]) -> str:
    """Return a specification with strengths in the place of those that are not given.

    Example:
        >>> at_strengths("l2(on=all) + ema", {"l2(on='all')": 0.25})
        "l2(0.25, on='all') + ema(0.99)"
    """
    found: list[str] = []
    for spec in specs_of(text):
        [made] = read_regularizers(str(spec))
        value = strengths.get(str(made)) if made.tuned else None
        options = spec.options if value is None else {**spec.options, made.strength_of: value}
        found.append(str(grammar.Spec(spec.name, spec.arguments, options)))
    return regularizer_text(" + ".join(found))


def _default(made: Regularizer) -> float:
    return float(getattr(made, made.strength_of))


def at_defaults(text: str) -> str:
    """Return a specification with the default strengths in the place of those that are not given.

    Example:
        >>> at_defaults("l2 + label-smoothing(0.2)"), at_defaults("none")
        ('label-smoothing(0.2) + l2(0.0001)', '')
    """
    return at_strengths(text, {name: default for name, (_, default) in strengths_of(text).items()})
