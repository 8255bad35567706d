"""Components whose options are the fields of a record: built from a specification, checked, and written back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, ValidationError

from steepest.components import grammar
from steepest.components.citation import bibtex_entries
from steepest.components.references import load_reference
from steepest.components.registry import Registry
from steepest.errors import OptionError, hint_of, unknown_name


class Component(BaseModel):
    """A component; a subclass declares its options as fields, in the order of its arguments.

    Every field has a description, which an error quotes: what values it takes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: ClassVar[str]
    by_name: ClassVar[tuple[str, ...]] = ()
    """Options that are written by name, and only where they are not at their default."""
    bibtex: ClassVar[str] = ""
    """The papers that its docstring names, as BibTeX entries; empty where it needs none."""

    @property
    def cited(self) -> Sequence[str] | None:
        """The keys in ``bibtex`` of what these options use; None for all."""
        return None

    def references(self) -> list[str]:
        """Return the BibTeX entries of the papers that it is taken from, as its options are."""
        return bibtex_entries(self.bibtex, self.cited)

    def __str__(self) -> str:
        """Return the specification as it is written."""
        fields = type(self).model_fields
        given = [getattr(self, name) for name in fields if name not in self.by_name]
        further = {
            name: getattr(self, name)
            for name in self.by_name
            if getattr(self, name) != fields[name].get_default()
        }
        return str(grammar.Spec(self.name, tuple(given), further))

    def referred(self, reference: str) -> str:
        """Return the specification of a component that was named by a reference, with its options by name."""
        options = {name: getattr(self, name) for name in type(self).model_fields}
        return str(grammar.Spec(reference, (), options))


def make_component(registry: Registry, text: str, kind: type[Component] | None = None) -> Any:
    """Return the component that a specification names, or, where that is allowed, refers to (``file.py:Name``).

    Args:
        registry: where names are looked up.
        text: the specification.
        kind: what a reference has to be; None where only registered names are allowed.

    Raises:
        UnknownNameError: there is none with this name, or no such option.
        OptionError: an option is missing, given twice or has a value that is not allowed, or a reference is to
            something else.
    """
    spec = grammar.parse(text)
    if spec.is_reference and kind is not None:
        made: Any = load_reference(spec.name, registry.kind)
        preset: dict[str, Any] = {}
        if not (isinstance(made, type) and issubclass(made, kind)):
            raise OptionError(
                f"{spec.name} is no {registry.kind}",
                hint=f"name a class that derives from {kind.__module__}.{kind.__name__}.",
            )
    else:
        entry = registry.entry(spec.name)
        made, preset = entry.load(), dict(entry.preset)
    by_name: Sequence[str] = made.by_name
    known = [*(each for each in made.model_fields if each not in by_name), *by_name]
    called = spec.name.rpartition(":")[2]
    if len(spec.arguments) > len(known):
        what = f"they are {', '.join(known)}." if known else f"write {called}."
        raise OptionError(f"{text}: {called} has {len(known)} options", hint=what)
    by_place = dict(zip(known, spec.arguments, strict=False))
    twice = sorted(by_place.keys() & spec.options.keys())
    if twice:
        raise OptionError(f"{text}: {twice[0]} is given twice", hint="give it once.")
    for name in spec.options:
        if name not in known:
            raise unknown_name(f"option of {called}", name, known)
    kinds = {name: each.annotation for name, each in made.model_fields.items()}
    try:
        return made.model_validate({**preset, **grammar.with_none_named({**by_place, **spec.options}, kinds)})
    except ValidationError as error:
        raise _explained(text, made, error) from None


def _explained(text: str, kind: type[Component], error: ValidationError) -> OptionError:
    first: Any = error.errors(include_url=False)[0]
    name = str(first["loc"][0])
    about = kind.model_fields[name].description
    if hint := hint_of(first):
        return OptionError(f"{text}: {first['msg'].removeprefix('Value error, ')}", hint=hint)
    if first["type"] == "missing":
        return OptionError(f"{text} lacks its {name}", hint=f"{name} is: {about}.")
    return OptionError(f"{text}: {name} is {first['input']!r}", hint=f"{name} is: {about}.")
