"""Components by name, without a central list.

A component's file declares its names in one literal that is read without importing the file, so that
``steepest --help`` and a mistyped name cost nothing::

    COMPONENTS = {
        "sgd": {"object": "SGD", "groups": ["default", "classic"]},
        "momentum": {"object": "SGD", "preset": {"momentum": 0.9}, "groups": ["default", "classic"]},
    }

``object`` is a name in that file, ``preset`` are arguments that the name stands for, ``groups`` are the
sets it belongs to, and ``what`` is its one-line description; a kind of component may declare more. To add a component,
add a file (or an entry): nothing else is edited.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from steepest.errors import OptionError, unknown_name

LITERAL = "COMPONENTS"
_FIELDS = ("object", "preset", "groups", "what")


@dataclass(frozen=True)
class Entry:
    """One name of a component: where its object is, which arguments the name stands for, and what it is in one line."""

    name: str
    module: str
    object: str
    preset: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    groups: tuple[str, ...] = ()
    what: str = ""
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def load(self) -> Any:
        """Import the component's file and return its object."""
        return getattr(importlib.import_module(self.module), self.object)


class Registry:
    """The components of one kind, declared in the files of one package (or in one module).

    Args:
        kind: what a component is called in messages, such as ``"optimizer"``.
        where: the dotted names of packages whose files declare components, or of modules.

    Raises:
        OptionError: two files declare the same name, or a declaration is not a literal.

    Example:
        >>> schedules = Registry("schedule", "steepest.schedules.shapes")
        >>> "cosine" in schedules.names()
        True
    """

    def __init__(self, kind: str, *where: str) -> None:
        self.kind = kind
        self.where = where

    @functools.cached_property
    def entries(self) -> dict[str, Entry]:
        """Every entry by name, in alphabetical order of names."""
        found: dict[str, Entry] = {}
        for module, path in (each for place in self.where for each in _files(place)):
            for name, about in _declared(path).items():
                if name in found:
                    raise OptionError(
                        f"the {self.kind} {name!r} is declared by {found[name].module} and by {module}",
                        hint="give one of the two another name.",
                    )
                found[name] = Entry(
                    name=name,
                    module=module,
                    object=about["object"],
                    preset=MappingProxyType(dict(about.get("preset", {}))),
                    groups=tuple(about.get("groups", ())),
                    what=str(about.get("what", "")),
                    more=MappingProxyType({key: value for key, value in about.items() if key not in _FIELDS}),
                )
        return dict(sorted(found.items()))

    def names(self, group: str | None = None) -> list[str]:
        """Return the names, of one group if it is given, in alphabetical order."""
        return [name for name, entry in self.entries.items() if group is None or group in entry.groups]

    def place(self, module: str) -> int:
        """Return which of the packages a module is in, counted from 0 in the order in which they were given."""
        return next(i for i, where in enumerate(self.where) if f"{module}.".startswith(f"{where}."))

    def groups(self) -> list[str]:
        """Return the names of all groups, in alphabetical order."""
        return sorted({group for entry in self.entries.values() for group in entry.groups})

    def entry(self, name: str) -> Entry:
        """Return the entry of ``name``; a kebab-case or snake-case spelling is the same name.

        Raises:
            UnknownNameError: there is no such component; the nearest names are in the hint.
        """
        canonical = name.strip().lower().replace("_", "-")
        if canonical not in self.entries:
            raise unknown_name(self.kind, name, self.entries)
        return self.entries[canonical]

    def load(self, name: str) -> Any:
        """Import and return the object of ``name``."""
        return self.entry(name).load()


def _files(where: str) -> list[tuple[str, Path]]:
    spec = importlib.util.find_spec(where)
    if spec is None:
        raise OptionError(f"there is no package {where!r}", hint="name an importable package or module.")
    if spec.submodule_search_locations is None:
        return [(where, Path(str(spec.origin)))]
    return [
        (f"{where}.{path.stem}", path)
        for folder in spec.submodule_search_locations
        for path in sorted(Path(folder).glob("*.py"))
        if not path.stem.startswith("_")
    ]


def _declared(path: Path) -> dict[str, dict[str, Any]]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            names = node.targets
        elif isinstance(node, ast.AnnAssign) and node.value is not None:
            names = [node.target]
        else:
            continue
        if any(isinstance(each, ast.Name) and each.id == LITERAL for each in names):
            try:
                return ast.literal_eval(node.value)  # pyright: ignore[reportArgumentType]
            except ValueError as error:
                raise OptionError(
                    f"{LITERAL} in {path.name} is not a literal: {error}",
                    hint="write names, strings and numbers only; it is read without running the file.",
                ) from None
    return {}
