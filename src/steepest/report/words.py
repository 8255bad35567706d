"""Words for people: names at the beginning of a sentence, numbers of things, lists."""

from __future__ import annotations

from collections.abc import Sequence

from steepest.optim import make_spec, registry

TUNING_FAILED = "tuning failed"
"""The flag of a row whose optimizer is better at its library default rate."""


def capital(text: str | None) -> str:
    """Return a text with its first letter upper case.

    Example:
        >>> capital("log loss")
        'Log loss'
    """
    text = text or ""
    return text[:1].upper() + text[1:]


def named(optimizer: str) -> str:
    """Return an optimizer's name for the beginning of a sentence: as papers write it, or as it was typed.

    Example:
        >>> [named(each) for each in ("sgd", "momentum", "mine", "torch:Adamax", "adam(lr=0.1)")]
        ['SGD', 'Momentum', 'Mine', 'torch:Adamax', 'adam(lr=0.1)']
    """
    if optimizer not in registry.entries:
        return capital(optimizer) if optimizer.isalpha() else optimizer
    title = make_spec(optimizer).title
    return title if title.lower() == optimizer else capital(optimizer)


def listed(names: Sequence[str]) -> str:
    """Return names as a list in a sentence.

    Example:
        >>> listed(["adam"]), listed(["adam", "sgd"]), listed(["adam", "sgd", "lion"])
        ('adam', 'adam and sgd', 'adam, sgd and lion')
    """
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
