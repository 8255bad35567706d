"""References with a prefix, ``sklearn:Ridge``: what is behind the colon is looked up where the prefix says.

One prefix a file, which declares it as a component: its ``object`` is a function of what is behind the colon that
returns what is meant, its ``groups`` are the kinds of components that it is for.
"""

from __future__ import annotations

import difflib
from typing import Any

from steepest.components.registry import Registry
from steepest.errors import OptionError

registry = Registry("prefix", "steepest.components.prefixes")


def prefix_of(name: str) -> str:
    """Return the prefix that a component's name has; empty if it has none.

    Example:
        >>> prefix_of("sklearn:Ridge"), prefix_of("nets.py:Net"), prefix_of("C:/nets.py:Net"), prefix_of("adam")
        ('sklearn', '', '', '')
    """
    head, colon, _ = name.partition(":")
    return head if colon and head in registry.entries else ""


def resolved(name: str, kind: str = "") -> Any:
    """Return what a name with a prefix means.

    Args:
        name: such as ``sklearn:Ridge``.
        kind: what it is to be, such as ``baseline``; empty for something that no prefix is for.

    Raises:
        OptionError: the prefix is not for such a kind, or there is nothing of that name.

    Example:
        >>> resolved("sklearn:Ridge", "loss")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: 'sklearn:Ridge' is no loss: sklearn names classifiers and regressors of ...
        Hint: it can be a baseline.
    """
    entry = registry.entry(prefix_of(name))
    if kind not in entry.groups:
        said = f"is no {kind}" if kind else "cannot be used here"
        raise OptionError(
            f"{name!r} {said}: {entry.name} names {entry.what}",
            hint=f"it can be a {' or a '.join(entry.groups)}."
            if entry.groups
            else "nothing takes it in this version.",
        )
    return entry.load()(name.partition(":")[2])


def meant_by(where: str, attribute: str) -> str:
    """Return what may be meant by a module that does not exist: a prefix of a similar name, as a question; or nothing.

    Example:
        >>> meant_by("skleran", "Ridge"), meant_by("nets", "Net")
        ("did you mean 'sklearn:Ridge'? ", '')
    """
    near = difflib.get_close_matches(where.lower(), registry.entries, n=1, cutoff=0.75)
    return f"did you mean '{near[0]}:{attribute}'? " if near else ""
