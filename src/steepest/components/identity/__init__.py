"""What user code is: its content, so that results are used again only where the same code would give them.

A reference to a file is identified by the text of the file and of the files of the user's that it imports, from
beside it or from elsewhere. What is given from Python is identified by what it is in memory
(:mod:`steepest.components.identity.walk`) and, where it comes from a module of the user's, also by these texts.
Installed packages are identified by name, version and file. What cannot be identified is never the same as anything,
and the reason is given.

Not covered are data files that code reads, what it finds by a computed name on an object (``getattr``), what a script
does beside defining what it gives, and the state of other programs.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import util
from pathlib import Path
from typing import Any

from steepest.components.held import text_of
from steepest.components.identity.files import elsewhere_from
from steepest.components.identity.installed import is_installed_class
from steepest.components.identity.source import UnknownError, digest_of
from steepest.components.identity.walk import Walk, digest
from steepest.components.prefixes import prefix_of
from steepest.components.references import file_of, is_installed, load_reference, modules_of, root_of


@dataclass(frozen=True)
class Code:
    """The identity of something that a user wrote.

    Attributes:
        name: what it is called.
        digest: changes with its content; never the same twice where it cannot be identified. Empty for what
            belongs to steepest.
        why: why it cannot be identified, or nothing.
        sources: its source by file name.
    """

    name: str
    digest: str = ""
    why: str = ""
    sources: Mapping[str, str] = field(default_factory=dict[str, str])


def of_reference(name: str) -> Code:
    """Return the identity of ``file.py:Name`` or ``package.module:Name``.

    Raises:
        OptionError: there is no such thing.
    """
    if prefix_of(name):  # a library's own, by its name
        return Code(name)
    load_reference(name)
    where, _, attribute = name.rpartition(":")
    if where.partition(".")[0] == "steepest":
        return Code(name)
    if where.endswith(".py"):
        file = file_of(where)
        root = file.parent
    else:
        origin = getattr(util.find_spec(where), "origin", None)
        if origin is None or not Path(origin).is_file() or is_installed(origin):
            return of_value(load_reference(name), name)
        file = Path(origin).resolve()
        root = root_of(file, where)
    beside = modules_of(file, root)
    files = {each.relative_to(root).as_posix(): each for each in beside.values()}
    elsewhere = elsewhere_from(beside)
    files = {**elsewhere, **files}
    texts = {each: _lines(text_of(path)) for each, path in files.items()}
    for each, path in elsewhere.items():
        if _seen.setdefault(path, texts.get(each, "")) != texts.get(each):
            why = f"{each} was edited after it was loaded; start Python again"
            return Code(name, uuid.uuid4().hex, why, texts)
    content = [
        file.relative_to(root).as_posix(),
        attribute,
        sorted((n, digest_of(t)) for n, t in texts.items()),
    ]
    return Code(name, digest(content), sources=texts)


def _lines(text: bytes) -> str:
    """Return a text with the line ends of all systems alike."""
    return text.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


_seen: dict[Path, str] = {}
"""Texts of files that are not loaded again after an edit, as they were first seen."""


def of_value(value: Any, name: str) -> Code:
    """Return the identity of a class, a function, or anything else that is called."""
    module = getattr(value, "__module__", None) or ""
    if isinstance(value, type) and module.partition(".")[0] == "steepest":
        return Code(name)
    walk = Walk()
    try:
        content = walk.whole(value)
    except UnknownError as error:
        return Code(name, uuid.uuid4().hex, str(error))
    except Exception as error:  # a value that cannot be read
        return Code(name, uuid.uuid4().hex, f"what it uses cannot be read: {type(error).__name__}: {error}")
    return Code(name, digest(content), sources={"code.py": "\n\n".join(walk.texts)} if walk.texts else {})


def with_shapes(code: Code, shapes: Any) -> str:
    """Return the digest of a model's code together with the shapes of its parameters."""
    return digest([code.digest, shapes]) if code.digest else ""


def of_network(net: Any) -> str:
    """Return a digest of the code and settings with which a network predicts, however it was built.

    Settings are all attributes, hooks, and the buffers that are not saved with the weights. The versions of
    installed packages are not in it, so that a saved model outlives them. Empty where something cannot be
    identified.
    """
    walk = Walk(portable=True)
    parts: list[Any] = []
    try:
        for name, module in net.named_modules():
            own = not is_installed_class(type(module))
            names = list(_settings(module)) if own else getattr(type(module), "__constants__", ())
            settings = [[each, walk.described(getattr(module, each, None))] for each in sorted(names)]
            unsaved = sorted(vars(module)["_non_persistent_buffers_set"])
            settings += [[each, walk.described(getattr(module, each))] for each in unsaved]
            hooks = [vars(module)[each] for each in ("_forward_hooks", "_forward_pre_hooks")]
            settings += [walk.described(list(each.values())) for each in hooks]
            parts.append([name, walk.described(type(module)), settings])
    except Exception:
        return ""
    return digest(parts)


def _settings(module: Any) -> Iterator[str]:
    """Yield the attributes of a module that are not torch's."""
    from torch import nn

    yield from (each for each in vars(module) if each not in vars(nn.Module()))
