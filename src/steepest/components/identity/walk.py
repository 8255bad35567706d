"""The content of Python values: plain JSON that is equal for what does the same.

A value counts as what it is in memory: a function by its source (held against the code that runs), what it closes
over, its default arguments and everything that it names or imports; a class by all its members, bases and wrappers;
an instance by its class and state. Installed packages count by name, version and file. What is none of these raises
:class:`UnknownError`, so that nothing is taken for the same because it was not looked at.
"""

from __future__ import annotations

import builtins
import contextlib
import enum
import functools
import importlib
import inspect
import json
import logging
import runpy
import sys
import types
from collections.abc import Iterator, Mapping
from importlib import metadata, util
from pathlib import Path
from typing import Any, cast

from steepest.components.held import text_of
from steepest.components.identity.files import elsewhere_from, is_installed_spec
from steepest.components.identity.installed import (
    file_of_class,
    is_installed_class,
    is_installed_code,
    is_installed_file,
    is_installed_module,
    present,
)
from steepest.components.identity.source import Named, UnknownError, digest_of, named_in, source_of
from steepest.components.references import modules_of, root_of

COMPUTED: tuple[Any, ...] = (
    exec, eval, compile, __import__, globals, importlib.import_module, importlib.reload,
    runpy.run_path, runpy.run_module,
)  # fmt: skip
"""Through these, code runs what its source does not say."""

NO_CONTENT = (
    "__dict__", "__weakref__", "__doc__", "__module__", "__qualname__", "__annotations__", "__annotate__",
    "__annotate_func__", "__annotations_cache__", "__classdictcell__", "__type_params__",
    "__abstractmethods__", "__orig_bases__", "__parameters__", "__firstlineno__", "__static_attributes__",
    "__dataclass_fields__", "__dataclass_params__", "__match_args__", "__slots__", "__protocol_attrs__",
    "__non_callable_proto_members__", "_abc_impl", "__signature__",
)  # fmt: skip
"""Members of a class that say nothing of what it does, or only what others say too."""

PYDANTIC = ("validators", "field_validators", "root_validators", "model_validators", "computed_fields")
"""The kinds of functions that pydantic calls when it makes an instance."""

PLACE = frozenset(("__name__", "__file__", "__spec__", "__package__", "__doc__", "__loader__"))
"""Globals that say where a module lies."""


class Walk:
    """Goes through a value and everything that decides what it does.

    Args:
        portable: leave out what differs between machines: versions of packages and of Python, and whole files.
    """

    def __init__(self, *, portable: bool = False) -> None:
        self.portable = portable
        self.open: dict[int, int] = {}
        self.done: dict[int, str] = {}
        self.kept: list[Any] = []
        self.texts: list[str] = []
        self.files: dict[Path, list[tuple[str, str]]] = {}

    def whole(self, value: Any) -> Any:
        """Return what :meth:`described` does, with the text of all files of the user's that it comes from.

        Raises:
            UnknownError: there is something in it that cannot be identified.
        """
        content = self.described(value)
        return [content, sorted({each for files in self.files.values() for each in files})]

    def described(self, value: Any) -> Any:
        """Return plain JSON values that are equal for what does the same.

        Raises:
            UnknownError: there is something in it that cannot be identified.
        """
        if isinstance(value, types.FunctionType):
            value = _unhooked(value)
        kind = type(value)
        if value is None or kind in (bool, int, str):
            return [kind.__name__, value]
        if kind in (float, complex, range, slice, type(...), type(NotImplemented)):
            return [kind.__name__, repr(value)]
        if kind in (bytes, bytearray):
            return [kind.__name__, digest_of(value)]
        if id(value) in self.done:
            return self.done[id(value)]
        if id(value) in self.open:  # it holds itself
            return ["again", len(self.open) - self.open[id(value)]]
        self.open[id(value)] = len(self.open)
        self.kept.append(value)  # so that no other value gets its id
        try:
            content = digest(self._content(value))
        finally:
            del self.open[id(value)]
        self.done[id(value)] = content
        return content

    def _all(self, values: Any) -> list[Any]:
        return [self.described(each) for each in values]

    def _content(self, value: Any) -> Any:
        kind = type(value)
        if kind in (tuple, list):
            return [kind.__name__, self._all(value)]
        if kind in (set, frozenset):
            return [kind.__name__, sorted(map(digest, self._all(sorted(value, key=_in_order))))]
        if kind in (dict, types.MappingProxyType):
            return [kind.__name__, [self._all(each) for each in value.items()]]
        if isinstance(value, type):
            return self._class(value)
        if kind is types.FunctionType:
            return self._function(value)
        if isinstance(value, types.ModuleType):
            return self._module(value)
        if _is_computed(value):
            raise UnknownError(f"it uses {value.__name__}, which runs what its source does not say")
        if _is_drawn_from(value):
            raise UnknownError(f"it draws from a {_name_of(kind)}, whose state changes from run to run")
        parts = self._wrapped(value) or _plain(value) or _array(value)
        if parts is not None:
            return [_name_of(kind), parts]
        if isinstance(value, enum.Enum):
            return ["enum", self.described(kind), value.name, self.described(value.value)]
        return self._instance(value)

    def _wrapped(self, value: Any) -> Any:
        """Return the content of what holds other functions and values, or None."""
        kind = type(value)
        if kind is functools.partial:
            return self._all([value.func, value.args, value.keywords])
        if kind is types.MethodType:
            return self._all([value.__func__, value.__self__])
        if kind is types.BuiltinFunctionType:
            owner = value.__self__
            bound = None if owner is None or isinstance(owner, types.ModuleType) else self.described(owner)
            return [value.__module__, value.__qualname__, bound]
        if kind is property:
            return self._all([value.fget, value.fset, value.fdel])
        if kind in (staticmethod, classmethod):
            return self._all([value.__func__])
        if kind is functools.cached_property:
            return self._all([value.func, value.attrname])
        if _name_of(kind) == "functools._lru_cache_wrapper":
            return self._all([value.__wrapped__, value.cache_parameters()])
        return None

    def _instance(self, value: Any) -> Any:
        """Return the class and the state of an instance, as it would be copied."""
        kind = type(value)
        unknown = UnknownError(f"it uses a {_name_of(kind)}, whose content cannot be read")
        for name in ("__reduce_ex__", "__reduce__", "__getstate__"):
            member = next((vars(each)[name] for each in kind.__mro__ if name in vars(each)), None)
            if not _is_made_by_package(member):
                raise unknown  # it may leave out what it likes
        try:
            parts: Any = value.__reduce_ex__(2)
        except Exception:
            raise unknown from None
        if not isinstance(parts, tuple):  # a name
            module = sys.modules.get(str(getattr(value, "__module__", "")))
            if (
                module is None
                or not is_installed_module(module)
                or present(module.__name__, parts) is not value
            ):
                raise unknown
            return ["named", self._package(module.__name__), parts]
        held = [list(cast("Iterator[Any]", each)) if isinstance(each, Iterator) else each
                for each in cast("tuple[Any, ...]", parts)]  # fmt: skip
        return ["instance", self.described(kind), self._all(held)]

    def _function(self, function: types.FunctionType) -> Any:
        code = function.__code__
        if _is_computed(function):
            raise UnknownError(f"it uses {function.__name__}, which runs what its source does not say")
        wrapped = vars(function).get("__wrapped__")
        if is_installed_code(code):
            names = [function.__globals__.get("__name__", ""), function.__qualname__]
            if self.portable:
                return ["function", names, None if wrapped is None else self.described(wrapped)]
            return ["function", self._package(names[0]), names, self._held(function)]
        text: Any = None
        if code.co_filename.startswith("<string") and _is_dunder(function.__name__):
            text = self._made(code)
        else:
            text = source_of(code, function.__qualname__, function.__globals__)
            self._keep(text[0])
            self._add_files(function.__globals__.get("__name__"), function.__globals__.get("__file__"))
        attributes = {key: each for key, each in vars(function).items() if key != "__wrapped__"}
        named = [
            [each.level, each.name, each.attributes, self._named(function, each)] for each in named_in(code)
        ]
        return ["function", text, self._held(function), self.described(attributes), named]

    def _held(self, function: types.FunctionType) -> Any:
        """Return what a function closes over, and its default arguments."""
        cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
        bound = [[name, self._cell(cell)] for name, cell in cells]
        return [bound, *self._all([function.__defaults__, function.__kwdefaults__])]

    def _cell(self, cell: types.CellType) -> Any:
        try:
            content = cell.cell_contents
        except ValueError:
            return "empty"
        return self.described(content)

    def _made(self, code: types.CodeType) -> Any:
        """Return the content of a method that a library wrote, such as those of a dataclass."""
        exact = [] if self.portable else [list(sys.version_info[:2]), code.co_code.hex()]
        return [exact, self._all([code.co_name, code.co_names, code.co_varnames, code.co_consts])]

    def _named(self, function: types.FunctionType, named: Named) -> Any:
        """Return the content of what a function names outside itself."""
        if named.level >= 0:
            return self._imported(function, named)
        if named.name in PLACE:
            return "place"
        if named.name in function.__globals__:
            return self._attribute(function.__globals__[named.name], named.attributes)
        found = getattr(builtins, named.name, None)
        return "missing" if found is None else self.described(found)

    def _attribute(self, value: Any, attributes: tuple[str, ...]) -> Any:
        """Return the content of a value; where it is a module, only of what is read from it."""
        if not isinstance(value, types.ModuleType) or (not attributes and not is_installed_module(value)):
            return self.described(value)
        if is_installed_module(value):
            found: Any = value
            for each in attributes:
                found = vars(found).get(each) if isinstance(found, types.ModuleType) else None
            own = isinstance(found, types.FunctionType) and not is_installed_code(found.__code__)
            return self.described(found if own or _is_computed(found) else value)
        self._add_files(value.__name__, getattr(value, "__file__", None))
        if not hasattr(value, attributes[0]):
            return "missing"
        return self._attribute(getattr(value, attributes[0]), attributes[1:])

    def _imported(self, function: types.FunctionType, named: Named) -> Any:
        """Return the content of a module that a function imports as it runs, or of what it takes from it."""
        names = function.__globals__
        package = names.get("__package__") or str(names.get("__name__", "")).rpartition(".")[0]
        try:
            name = util.resolve_name("." * named.level + named.name, package)
            spec = util.find_spec(name.partition(".")[0])
        except (ImportError, ValueError):
            return "missing"
        if spec is None:
            return "missing"
        if is_installed_spec(spec):
            module = sys.modules.get(name)
            if module is None:
                return ["module", self._package(name)]
        else:
            module = _loaded(name)
        if not named.attributes:
            return self.described(module)
        found: list[Any] = []
        for each in named.attributes:
            if not hasattr(module, each) and not is_installed_spec(spec):
                _loaded(f"{name}.{each}")
            found.append(self._attribute(module, (each,)))
        return found

    def _class(self, kind: type) -> Any:
        file = file_of_class(kind)
        if is_installed_class(kind):
            text = "" if self.portable else _hash_of(file)
            patched = [
                [name, self.described(each)]
                for name, each in sorted(vars(kind).items())
                if isinstance(each, types.FunctionType)
                and not is_installed_code(_unhooked(each).__code__)
                and kind.__module__ != "builtins"
            ]
            return ["class", self._package(kind.__module__), kind.__qualname__, text, patched]
        self._add_files(kind.__module__, file)
        with contextlib.suppress(OSError, TypeError, IndentationError, SyntaxError):
            self._keep(inspect.getsource(kind))
        members = [[name, self.described(each)] for name, each in _members(kind)]
        return ["class", kind.__qualname__, *self._all([type(kind), kind.__bases__]), members]

    def _module(self, module: types.ModuleType) -> Any:
        if is_installed_module(module):
            return ["module", self._package(module.__name__)]
        self._add_files(module.__name__, getattr(module, "__file__", None))
        there = sorted(vars(module).items())
        return ["module", [[key, self.described(each)] for key, each in there if not _is_dunder(key)]]

    def _package(self, module: str) -> list[str]:
        return [module, *([] if self.portable else [_version(module.partition(".")[0])])]

    def _keep(self, text: str) -> None:
        if not any(text in each for each in self.texts):
            self.texts.append(text)

    def _add_files(self, name: str | None, file: str | None) -> None:
        """Add the text of a module's file and of those that it imports from beside it.

        That of a script or a notebook is left out: it says with which options it is run, and changes with them.
        """
        if self.portable or name is None or file is None or name in ("__main__", "__mp_main__"):
            return
        path = Path(file).resolve()
        if path in self.files or not path.is_file() or is_installed_file(file):
            return
        root = root_of(path, name) if name.count(".") < len(path.parents) - 1 else path.parent
        beside = modules_of(path, root)
        files = {each.relative_to(root).as_posix(): each for each in beside.values()}
        files = {**elsewhere_from(beside), **files}
        self.files[path] = [(each, digest_of(text_of(there))) for each, there in files.items()]


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the members of a class that decide what it does, by name."""
    values = (
        cast("Mapping[str, Any]", getattr(kind, "__members__", {})) if issubclass(kind, enum.Enum) else {}
    )
    for name, each in values.items():
        yield name, each.value
    for name, each in sorted(vars(kind).items()):
        if name in NO_CONTENT or name in values or (values and name[:1] == name[-1:] == "_"):
            continue
        if name == "__pydantic_decorators__":
            infos = [getattr(each, group) for group in PYDANTIC]
            yield name, [{key: one.info for key, one in info.items()} for info in infos]
        if name.startswith("__pydantic_") and name != "__pydantic_fields__":
            continue  # the rest is made from this, and has addresses in it
        if isinstance(each, types.FunctionType) and _unhooked(each) is not each:
            above = next((vars(base)[name] for base in kind.__mro__[1:] if name in vars(base)), None)
            if isinstance(above, types.FunctionType) and _unhooked(above) is _unhooked(each):
                continue
        yield name, each


def _unhooked(function: types.FunctionType) -> types.FunctionType:
    """Return an optimizer's step without the wrapper that torch puts around it at its first use."""
    if vars(function).get("hooked") and is_installed_code(function.__code__):
        return cast("types.FunctionType", vars(function).get("__wrapped__", function))
    return function


def _plain(value: Any) -> Any:
    """Return the content of what is said by its text, or None."""
    if isinstance(value, types.GenericAlias | types.UnionType) or type(value).__module__ == "typing":
        return repr(value)
    if isinstance(value, logging.Logger):
        return "logger"
    return str(value) if type(value).__module__.partition(".")[0] == "pathlib" else None


def _array(value: Any) -> Any:
    """Return the content of tensors, arrays and their types, or None."""
    kind = type(value)
    package = kind.__module__.partition(".")[0]
    if package == "torch" and hasattr(value, "untyped_storage") and hasattr(value, "requires_grad"):
        import torch

        there = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return [str(value.dtype), list(value.shape), value.requires_grad, digest_of(there.tobytes())]
    if _name_of(kind) in ("torch.dtype", "torch.device", "torch.memory_format", "torch.layout"):
        return str(value)
    if package == "numpy":
        import numpy as np

        if isinstance(value, np.dtype | np.ufunc):
            return repr(cast(Any, value))
        if (kind is np.ndarray or isinstance(value, np.generic)) and not value.dtype.hasobject:
            return [str(value.dtype), list(value.shape), digest_of(value.tobytes())]
    return None


def _is_drawn_from(value: Any) -> bool:
    """Return whether a value is a generator: what is drawn depends on what was drawn before."""
    names = {_name_of(each) for each in type(value).__mro__}
    known = names & {"random.Random", "torch._C.Generator", "torch.Generator"}
    return bool(known) or type(value).__module__.startswith("numpy.random")


def _is_made_by_package(method: Any) -> bool:
    if isinstance(method, types.FunctionType):
        return is_installed_code(method.__code__)
    return method is None or type(method).__name__ in ("method_descriptor", "cython_function_or_method")


def _is_computed(value: Any) -> bool:
    return any(value is each for each in COMPUTED)


def _is_dunder(name: str) -> bool:
    return name[:2] == name[-2:] == "__"


def _in_order(value: Any) -> tuple[str, str]:
    """Return a key by which the elements of a set have the same order in another process."""
    plain = value is None or isinstance(value, bool | int | float | complex | str | bytes)
    return _name_of(type(value)), repr(value) if plain else str(getattr(value, "__qualname__", ""))


def _loaded(name: str) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise UnknownError(f"the module {name}, which it imports, cannot be loaded: {error}") from None


@functools.cache
def _version(package: str) -> str:
    """Return the version of a package; of Python for what belongs to it."""
    if package in sys.stdlib_module_names:
        return ".".join(map(str, sys.version_info[:2]))
    with contextlib.suppress(metadata.PackageNotFoundError):
        return metadata.version(package)
    names = metadata.packages_distributions().get(package, [])
    return " ".join(f"{each} {metadata.version(each)}" for each in sorted(set(names)))


def _name_of(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _hash_of(file: str | None) -> str:
    return digest_of(Path(file).read_bytes()) if file is not None and Path(file).is_file() else ""


def digest(value: Any) -> str:
    """Return the digest of plain JSON values."""
    return digest_of(json.dumps(value, separators=(",", ":")))[:16]
