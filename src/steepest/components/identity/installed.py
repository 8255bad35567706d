"""Installed code, which its package's version identifies, apart from the user's own, which its content does."""

from __future__ import annotations

import functools
import inspect
import sys
import types
from importlib import machinery
from typing import Any

from steepest.components.identity.files import is_installed_spec
from steepest.components.references import is_installed

is_installed_file = functools.lru_cache(maxsize=4096)(is_installed)


def is_installed_code(code: types.CodeType) -> bool:
    """Return whether code is of Python or an installed package."""
    file = code.co_filename
    return file.startswith("<frozen ") or (not file.startswith("<") and is_installed_file(file))


def is_installed_class(kind: type) -> bool:
    """Return whether a class is of Python or an installed package, and not only says so."""
    if kind.__module__ == "builtins":
        return True
    file = file_of_class(kind)
    there = present(kind.__module__, kind.__qualname__)
    return file is not None and is_installed_file(file) and there is kind


def present(module: str, name: str) -> Any:
    """Return what has a name in a module, None if nothing has."""
    found: Any = sys.modules.get(module)
    for each in name.split("."):
        found = getattr(found, each, None)
    return found


def is_installed_module(module: types.ModuleType) -> bool:
    """Return whether a module is of Python or an installed package."""
    spec = getattr(module, "__spec__", None)
    if isinstance(spec, machinery.ModuleSpec):
        return is_installed_spec(spec)
    file = getattr(module, "__file__", None)
    return file is not None and is_installed_file(file)


def file_of_class(kind: type) -> str | None:
    """Return the file of a class, None if it has none."""
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):
        return None
