"""``hf:PATH``: a model of Hugging Face, by its path. Nothing takes one yet."""

from __future__ import annotations

from steepest.errors import OptionError

COMPONENTS = {"hf": {"object": "find", "what": "models of Hugging Face", "groups": []}}


def find(path: str) -> None:
    """Raise an ``OptionError``: no kind of component takes these models."""
    raise OptionError(f"hf:{path} cannot be loaded", hint="nothing takes it in this version.")
