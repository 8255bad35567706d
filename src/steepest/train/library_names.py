"""Which library of the cache a step has, by what the step depends on: so it is found without tracing the step.

Only steps whose code is this package's and torch's are kept; that code is part of what a step depends on.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from types import FunctionType

import torch
from torch import nn
from torch.nn.modules import module as modules
from torch.utils import _pytree as tree

from steepest.files import cache_folder
from steepest.train.aot import compiler, instructions

OWN = ("steepest", "torch", "builtins", "collections")
"""Packages whose code is known by their files or versions."""


MAKERS = ("abc", "dataclasses", "typing", "pydantic")
"""Packages that make functions of our classes."""
ADDED = {("transformers", "smart_apply")}
"""Functions that other packages add to every module, by package and name: no step calls them."""
GLOBAL_HOOKS = (
    "_global_forward_hooks",
    "_global_forward_pre_hooks",
    "_global_backward_hooks",
    "_global_backward_pre_hooks",
)
"""What torch calls around every module, where somebody has registered it."""


def is_own(model: nn.Module, others: Iterable[object] = ()) -> bool:
    """Return whether a model and some other objects have no code but this package's and torch's.

    Args:
        model: whose modules, hooks and attributes are looked at.
        others: classes, or what was made of them.

    Example:
        >>> mine = type("Mine", (), {"__module__": "mine"})
        >>> is_own(nn.Sequential(nn.Linear(2, 1), nn.ReLU())), is_own(nn.ReLU(), [mine])
        (True, False)
    """
    if any(vars(modules).get(name) for name in GLOBAL_HOOKS):
        return False
    parts = [part for module in model.modules() for part in (module, *tree.tree_leaves(dict(vars(module))))]
    classes = {each if isinstance(each, type) else type(each) for each in (*model.modules(), *others)}
    return all(_package(each) in OWN for each in (*parts, *others)) and all(map(_is_unchanged, classes))


def _is_unchanged(kind: type) -> bool:
    """Return whether no function of a class of ours or torch's was replaced by one from elsewhere."""
    own = [each for each in kind.__mro__ if _package(each) in OWN]
    found = [
        (name, each) for one in own for name, each in vars(one).items() if isinstance(each, FunctionType)
    ]
    packages = {(_package(each), name) for name, each in found}
    return all(package in (*OWN, *MAKERS) for package, _ in packages - ADDED)


def _package(part: object) -> str:
    """Return the package that something callable, or else the class of an object, is from."""
    of = part if callable(part) and not isinstance(part, nn.Module) else type(part)
    module = getattr(of, "__module__", None) or type(of).__module__
    return str(module).partition(".")[0]


def kept_name(key: str) -> str | None:
    """Return the name of a step's library as an earlier process has kept it, if one has.

    Args:
        key: a hash of what the step depends on besides its code.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError):
        return _place(key).read_text(encoding="ascii")
    return None


def keep_name(key: str, name: str) -> None:
    """Keep the name of a step's library for later processes, where the cache can be written."""
    place = _place(key)
    part = place.with_name(f"{place.name}.{os.getpid()}")
    with contextlib.suppress(OSError):
        place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        part.write_text(name, encoding="ascii")
        part.replace(place)


def _place(key: str) -> Path:
    return cache_folder() / "steps" / "names" / hashlib.sha256(f"{key} {_code()}".encode()).hexdigest()[:24]


@functools.cache
def _code() -> str:
    """Return a hash of the code that steps are traced and compiled by."""
    digest = hashlib.sha256(f"{torch.__version__} {instructions()} {compiler()}".encode())
    for file in sorted(Path(__file__).parents[1].rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()
