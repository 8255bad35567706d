"""What user code is: its content, so that results are used again only where the same code would give them.

A reference to a file is identified by the text of the file and of the files that it imports from beside it. A
class or function that is given from Python is identified by its source, what it closes over, its default
arguments, and the functions, classes and values that it names in its module; a ``functools.partial`` or a bound
method also by what is bound. Installed packages are identified by name, version and file. Data files that code
reads, what it imports by a computed name, and the state of other programs are not covered.

A source counts only if the code in memory is compiled from it: a file that was edited after it was imported
does not say what runs.
"""

from __future__ import annotations

import dis
import enum
import functools
import hashlib
import inspect
import json
import linecache
import types
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata, util
from pathlib import Path
from typing import Any, cast

from steepest.references import file_of, is_installed, load_reference, modules_of, root_of


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


class _UnknownError(Exception):
    """Something cannot be identified; the message says what and why."""


def of_reference(name: str) -> Code:
    """Return the identity of ``file.py:Name`` or ``package.module:Name``.

    Raises:
        OptionError: there is no such thing.
    """
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
    texts = {
        each.relative_to(root).as_posix(): each.read_text(encoding="utf-8", errors="replace")
        for each in modules_of(file, root).values()
    }
    content = [file.relative_to(root).as_posix(), attribute, sorted((n, _hash(t)) for n, t in texts.items())]
    return Code(name, _digest(content), sources=texts)


def of_value(value: Any, name: str) -> Code:
    """Return the identity of a class, a function, or anything else that is called."""
    module = getattr(value, "__module__", None) or ""
    if isinstance(value, type) and module.partition(".")[0] == "steepest":
        return Code(name)
    walk = _Walk()
    try:
        content = walk.described(value)
    except _UnknownError as error:
        return Code(name, uuid.uuid4().hex, str(error))
    except Exception as error:  # a value that cannot be read
        return Code(name, uuid.uuid4().hex, f"what it uses cannot be read: {type(error).__name__}: {error}")
    return Code(name, _digest(content), sources={"code.py": "\n\n".join(walk.texts)} if walk.texts else {})


def with_shapes(code: Code, shapes: Any) -> str:
    """Return the digest of a model's code together with the shapes of the parameters that it made."""
    return _digest([code.digest, shapes]) if code.digest else ""


def of_network(net: Any) -> str:
    """Return a digest of the code and settings with which a network predicts, however it was built.

    The code of installed packages is not in it, so that a saved model outlives their versions. Empty where a
    class cannot be identified.
    """
    walk = _Walk(versions=False)
    parts: list[Any] = []
    try:
        for name, module in net.named_modules():
            kind = type(module)
            file = _file(kind)
            if kind.__module__.partition(".")[0] == "steepest" or (file is not None and is_installed(file)):
                settings = {each: getattr(module, each, None) for each in getattr(kind, "__constants__", ())}
                parts.append([name, _kind(module)])
            else:
                settings = {
                    key: each for key, each in vars(module).items() if key[:1] != "_" and key != "training"
                }
                parts.append([name, walk.described(kind)])
            plain = {
                key: each for key, each in settings.items() if isinstance(each, bool | int | float | str)
            }
            parts.append(sorted((key, repr(each)) for key, each in plain.items()))
    except Exception:
        return ""
    return _digest(parts)


class _Walk:
    """Goes through a value and everything that decides what it does."""

    def __init__(self, *, versions: bool = True) -> None:
        self.versions = versions
        self.open: dict[int, int] = {}
        self.done: dict[int, str] = {}
        self.kept: list[Any] = []
        self.texts: list[str] = []

    def described(self, value: Any) -> Any:
        """Return plain JSON values that are equal for what does the same.

        Raises:
            _UnknownError: there is something in it that cannot be identified.
        """
        if value is None or (isinstance(value, bool | int | str) and type(value) in (bool, int, str)):
            return [type(value).__name__, value]
        if isinstance(value, float | complex | range | slice | type(...)):
            return [type(value).__name__, repr(value)]
        if isinstance(value, bytes | bytearray):
            return ["bytes", _hash(value)]
        if id(value) in self.done:
            return self.done[id(value)]
        if id(value) in self.open:  # it holds itself
            return ["again", len(self.open) - self.open[id(value)]]
        self.open[id(value)] = len(self.open)
        self.kept.append(value)  # so that no other value gets its id
        content = _digest(self._content(value))
        del self.open[id(value)]
        self.done[id(value)] = content
        return content

    def _content(self, value: Any) -> Any:
        if isinstance(value, tuple | list):
            return [_kind(value), [self.described(each) for each in cast("list[Any]", value)]]
        if isinstance(value, set | frozenset):
            return [_kind(value), sorted(_digest(self.described(each)) for each in cast("set[Any]", value))]
        if isinstance(value, Mapping):
            items = cast("Mapping[Any, Any]", value).items()
            return [_kind(value), [[self.described(key), self.described(each)] for key, each in items]]
        if isinstance(value, functools.partial):
            parts = cast("functools.partial[Any]", value)
            return ["partial", *(self.described(each) for each in (parts.func, parts.args, parts.keywords))]
        if isinstance(value, types.MethodType):
            return ["method", self.described(value.__func__), self.described(value.__self__)]
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, type):
            return self._class(value)
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if isinstance(value, types.BuiltinFunctionType):
            owner = value.__self__
            bound = None if owner is None or isinstance(owner, types.ModuleType) else self.described(owner)
            return ["builtin", value.__module__, value.__qualname__, bound]
        if isinstance(value, property):
            return ["property", *(self.described(each) for each in (value.fget, value.fset, value.fdel))]
        if isinstance(value, staticmethod | classmethod):
            return [type(value).__name__, self.described(cast(Any, value).__func__)]
        if isinstance(value, enum.Enum | Path):
            return [type(value).__qualname__, str(value)]
        wrapped = getattr(value, "__wrapped__", None)
        if callable(value) and wrapped is not None:
            return ["wrapper", _kind(value), self.described(wrapped)]
        return self._tensor(value) or self._instance(value)

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        inner = inspect.unwrap(function)
        if is_installed(code.co_filename) and isinstance(inner, types.FunctionType) and inner is not function:
            return self.described(inner)  # such as torch.no_grad: the decorator stands in the source
        bound = [
            [name, self._cell(cell)]
            for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True)
        ]
        defaults = [self.described(function.__defaults__), self.described(function.__kwdefaults__)]
        if is_installed(code.co_filename) and not code.co_filename.startswith("<"):
            return ["function", self._package(function.__module__), function.__qualname__, bound, defaults]
        text = _source(function, [code])
        self.texts.append(text)
        named = [[name, self._global(function, name)] for name in sorted(set(_globals(code)))]
        return ["function", function.__qualname__, text, bound, defaults, named]

    def _cell(self, cell: types.CellType) -> Any:
        try:
            return self.described(cell.cell_contents)
        except ValueError:
            return "empty"

    def _global(self, function: types.FunctionType, name: str) -> Any:
        if name not in function.__globals__:
            return "built in"
        return self.described(function.__globals__[name])

    def _class(self, kind: type) -> Any:
        file = _file(kind)
        if kind.__module__ == "builtins" or (file is not None and is_installed(file)):
            text = _hash_of(file) if self.versions else ""
            return ["class", self._package(kind.__module__), kind.__qualname__, text]
        functions = [each for each in map(_underlying, vars(kind).values()) if each is not None]
        own = [each for each in functions if each.__module__ == kind.__module__ and not _is_made(each)]
        text = _source(kind, [each.__code__ for each in own])
        self.texts.append(text)
        parts = [[each.__qualname__, self._bound(each)] for each in own]
        parts += [self.described(each) for each in functions if each not in own and not _is_made(each)]
        values = [
            [name, self.described(each)]
            for name, each in vars(kind).items()
            if not name.startswith("__") and isinstance(each, bool | int | float | str | tuple | type(None))
        ]
        bases = [self.described(each) for each in kind.__bases__]
        return ["class", kind.__qualname__, text, bases, values, parts]

    def _bound(self, function: types.FunctionType) -> Any:
        """Return what a method of a class uses beside its source, which is the class's."""
        cells = [self._cell(each) for each in function.__closure__ or ()]
        named = [[name, self._global(function, name)] for name in sorted(set(_globals(function.__code__)))]
        return [cells, self.described(function.__defaults__), self.described(function.__kwdefaults__), named]

    def _module(self, module: types.ModuleType) -> Any:
        file = getattr(module, "__file__", None)
        if is_installed(file):
            return ["module", self._package(module.__name__)]
        path = Path(str(file)).resolve()
        root = root_of(path, module.__name__)
        texts = {name: _hash(each.read_bytes()) for name, each in modules_of(path, root).items()}
        return ["module", module.__name__, sorted(texts.items())]

    def _package(self, module: str) -> list[str]:
        return [module, *([_version(module.partition(".")[0])] if self.versions else [])]

    def _tensor(self, value: Any) -> Any:
        for name in ("torch", "numpy"):
            if type(value).__module__.partition(".")[0] == name:
                break
        else:
            return None
        if hasattr(value, "detach") and hasattr(value, "untyped_storage"):
            import torch

            there = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            return [_kind(value), str(value.dtype), list(value.shape), _hash(there.tobytes())]
        if hasattr(value, "tobytes") and hasattr(value, "dtype") and not value.dtype.hasobject:
            return [_kind(value), str(value.dtype), list(value.shape), _hash(value.tobytes())]
        if _kind(value) in ("torch.dtype", "torch.device", "torch.memory_format", "torch.layout"):
            return [_kind(value), str(value)]
        return None

    def _instance(self, value: Any) -> Any:
        state = getattr(value, "__dict__", None)
        if state is None or type(value).__reduce_ex__ is not object.__reduce_ex__ or _has_slots(type(value)):
            raise _UnknownError(f"it uses a {_kind(value)}, whose content cannot be read")
        return ["instance", self.described(type(value)), self.described(dict(state))]


def _has_slots(kind: type) -> bool:
    return any(
        isinstance(each, types.MemberDescriptorType) for base in kind.__mro__ for each in vars(base).values()
    )


def _underlying(member: Any) -> types.FunctionType | None:
    """Return the function behind a member of a class, without what wraps it."""
    member = (
        getattr(member, "__func__", None) or getattr(member, "fget", None) or getattr(member, "func", member)
    )
    member = inspect.unwrap(member) if callable(member) else member
    return member if isinstance(member, types.FunctionType) else None


def _is_made(function: types.FunctionType) -> bool:
    """Return whether a function has no source of its own, such as those that a dataclass gets."""
    return function.__code__.co_filename.startswith("<string>")


def _file(kind: type) -> str | None:
    try:
        return inspect.getfile(kind)
    except (TypeError, OSError):
        return None


def _source(value: Any, codes: list[types.CodeType]) -> str:
    """Return the source of a class or function, held against the code in memory."""
    name = getattr(value, "__qualname__", repr(value))
    try:
        text = inspect.getsource(value)
        file = inspect.getsourcefile(value) or inspect.getfile(value)
    except (OSError, TypeError, IndentationError, SyntaxError):
        raise _UnknownError(f"the source of {name} cannot be read") from None
    whole = "".join(linecache.getlines(file, getattr(inspect.getmodule(value), "__dict__", None)))
    try:
        there = set(_compiled(compile(whole, file, "exec", dont_inherit=True)))
    except (SyntaxError, ValueError):
        there = set[types.CodeType]()
    if not all(each in there for each in codes):
        raise _UnknownError(
            f"the source of {name} is not what runs: its file has changed since it was imported"
        )
    return text


def _compiled(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _compiled(each)


def _globals(code: types.CodeType) -> Iterator[str]:
    for each in _compiled(code):
        yield from (
            str(i.argval) for i in dis.get_instructions(each) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")
        )


@functools.cache
def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def _kind(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _hash_of(file: str | None) -> str:
    return _hash(Path(file).read_bytes()) if file is not None and Path(file).is_file() else ""


def _hash(data: str | bytes | bytearray) -> str:
    return hashlib.sha256(data.encode("utf-8", "replace") if isinstance(data, str) else data).hexdigest()


def _digest(value: Any) -> str:
    return _hash(json.dumps(value, separators=(",", ":")))[:16]
