"""Python objects by reference: ``file.py:Name`` or ``package.module:Name``, loaded from what stands there now.

A file is loaded again when its text, or that of a file that it imports from beside it, has changed, so that an
edit in the middle of a session counts; inside :func:`~steepest.components.held.holding` it is not, so that all runs of
a comparison have the code that it identified. No byte code is read: two edits within a second may have one size.
"""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import site
import sys
import sysconfig
from collections.abc import Callable, Generator, Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from steepest.components.held import held, text_of
from steepest.components.prefixes import meant_by, prefix_of, resolved
from steepest.errors import ModelError, OptionError, SteepestError


@dataclass(frozen=True)
class Places:
    """Where files of references are looked for besides the working directory.

    Attributes:
        home: a folder that relative paths are relative to.
        first: whether they are so before they are relative to the working directory.
        copies: gives the files that may stand in for one that is not there.
    """

    home: Path | None
    first: bool
    copies: Callable[[Path], Iterable[Path]]

    @property
    def folders(self) -> tuple[Path, ...]:
        """What relative paths are relative to, in this order."""
        home, here = () if self.home is None else (self.home,), (Path.cwd(),)
        return tuple(dict.fromkeys((*home, *here) if self.first else (*here, *home)))


_loaded: dict[str, tuple[dict[str, Path], dict[Path, bytes]]] = {}
"""By the name of a module: the modules and the texts that it was loaded from."""


def _nowhere(path: Path) -> Iterable[Path]:
    del path
    return ()


_HERE = Places(None, False, _nowhere)
_places: ContextVar[Places | None] = ContextVar("places", default=None)


def load_reference(name: str, kind: str = "") -> Any:
    """Import the object that ``file.py:Name`` or ``package.module:Name`` points at.

    Args:
        name: the reference.
        kind: what it is to be, for a name with a prefix, which is for some kinds only.

    Raises:
        OptionError: there is no such file, module or name, its code fails while it is loaded, or a prefix is for other
            kinds.
    """
    if prefix_of(name):
        return resolved(name, kind)
    where, _, attribute = name.rpartition(":")
    hint = (
        f"{meant_by(where, attribute)}write file.py:Name or package.module:Name; the name must exist there."
    )
    try:
        found: Any = _load_file(file_of(where)) if where.endswith(".py") else _load_module(where)
        lacks = False
        for part in attribute.split("."):
            lacks = lacks or not hasattr(found, part)
            found = None if lacks else getattr(found, part)
    except SteepestError:
        raise
    except Exception as error:
        raise OptionError(f"cannot load {name!r}: {error}", hint=hint) from error
    if lacks:
        raise OptionError(f"cannot load {name!r}: there is no {attribute!r} in {where!r}", hint=hint)
    return found


def file_of(where: str) -> Path:
    """Return the file of a reference: see :func:`looking` and :class:`Places`.

    Raises:
        OptionError: there is none.
    """
    now = held()
    if now is None:
        return _file_of(where)
    if where not in now.places:
        now.places[where] = _file_of(where)
    return now.places[where]


def _file_of(where: str) -> Path:
    places = _places.get() or _HERE
    looked = ""
    with contextlib.suppress(OSError, ValueError, RuntimeError):  # too long, a zero byte, no home
        path = Path(where).expanduser()
        for file in (*(each / path for each in places.folders), *places.copies(path)):
            if file.is_file():
                return file.resolve()
        lost = next(iter(places.copies(path)), None)
        if lost is not None:
            raise OptionError(
                f"there is no file {where!r}, and its copy {lost.as_posix()!r} is gone",
                hint="put one of the two back as it was in training, or train again with the code that you have.",
            )
        if not path.is_absolute():
            looked = f"it was looked for in {' and '.join(each.as_posix() for each in places.folders)}; "
    raise OptionError(
        f"there is no file {where!r}", hint=f"{looked}give the path of a Python file, or put it back."
    )


def begun_in() -> Path:
    """Return the folder that relative paths of references are relative to, of those that are the first one."""
    return (_places.get() or _HERE).folders[0]


@contextlib.contextmanager
def looking(
    copies: Callable[[Path], Iterable[Path]], *, home: Path | None = None, first: bool = False
) -> Generator[None]:
    """Look for the files of references inside the block in further places, unless a block around it has said where.

    Args:
        copies: gives the files that may stand in for one that is not there.
        home: a folder that relative paths are relative to if they are not so to the working directory.
        first: look there before, as what is stored was written there.
    """
    token = _places.set(_places.get() or Places(home, first, copies))
    try:
        yield
    finally:
        _places.reset(token)


def is_installed(path: str | Path | None) -> bool:
    """Return whether a module's file belongs to Python, an installed package or this one."""
    if path is None:
        return True
    inside = Path(path).resolve()
    return any(inside.is_relative_to(each) for each in _INSTALLED)


_INSTALLED = tuple(
    Path(each).resolve()
    for each in {
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *site.getsitepackages(),
        str(Path(__file__).parents[1]),
    }
)


def modules_of(path: Path, root: Path | None = None) -> dict[str, Path]:
    """Return a file and the files that it imports from beside it, directly or not, by the names of their modules.

    Found are ``import`` statements, wherever they stand; what is imported by a computed name is not.

    Args:
        path: the file.
        root: the folder that its imports are relative to; its own if left out.
    """
    root = root or path.parent
    found: dict[str, Path] = {}
    queue = [path]
    while queue:
        file = queue.pop()
        name = _module_name(file, root)
        if name in found:
            continue
        found[name] = file
        for each in imported_by(file, name):
            parts = each.split(".")
            for count in range(1, len(parts) + 1):
                base = root.joinpath(*parts[:count])
                queue += [e for e in (base.with_suffix(".py"), base / "__init__.py") if _is_beside(e)]
    return found


def _is_beside(path: Path) -> bool:
    now = held()
    there = path.is_file() or (now is not None and path in now.texts)
    return there and not is_installed(path)


def _module_name(file: Path, root: Path) -> str:
    parts = file.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


def imported_by(file: Path, name: str) -> list[str]:
    """Return the absolute names of modules that a file imports, and of what might be modules in them."""
    try:
        tree = ast.parse(text_of(file))
    except (SyntaxError, ValueError):
        return []
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".") if package else []
            base = ".".join(above[: len(above) - node.level + 1]) if node.level else ""
            whole = ".".join(each for each in (base, node.module or "") if each)
            found += [".".join(each for each in (whole, one.name) if each) for one in node.names]
    return found


class _Fresh(importlib.abc.MetaPathFinder):
    """Finds the modules of some files, and loads them from their text."""

    def __init__(self, files: Mapping[str, Path]) -> None:
        self.files = files

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Return how one of these modules is loaded."""
        del path, target
        return _spec(fullname, self.files[fullname]) if fullname in self.files else None


class _Held(importlib.abc.MetaPathFinder):
    """Lets modules of the user's that are imported inside ``holding`` have the texts that are held."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> Any:
        """Return how a module of the user's is loaded; None outside ``holding``, and for other modules."""
        if held() is None or fullname.partition(".")[0] in sys.stdlib_module_names:
            return None
        for finder in sys.meta_path:
            if isinstance(finder, _Held | _Fresh) or not hasattr(finder, "find_spec"):
                continue
            spec = finder.find_spec(fullname, path, target)
            if spec is not None:
                break
        else:
            return None
        if type(spec.loader) is importlib.machinery.SourceFileLoader and not is_installed(spec.origin):
            spec.loader = _FromText(fullname, str(spec.origin))
        return spec


class _FromText(importlib.machinery.SourceFileLoader):
    def get_code(self, fullname: str) -> Any:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)

    def get_data(self, path: str) -> bytes:
        return text_of(Path(path).resolve()) if path == self.path else super().get_data(path)


def _spec(name: str, file: Path) -> importlib.machinery.ModuleSpec:
    spec = importlib.util.spec_from_file_location(name, file, loader=_FromText(name, str(file)))
    assert spec is not None
    return spec


def _load_file(path: Path) -> ModuleType:
    name = f"steepest_user_{path.stem}_{abs(hash(path))}"
    files, changed = _state(name, path, path.parent)
    if name in sys.modules and not changed:
        return sys.modules[name]
    main = _module_name(path, path.parent)
    with _importing({each: file for each, file in files.items() if each != main}):
        spec = _spec(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            assert spec.loader is not None
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            _loaded.pop(name, None)
            raise
    return module


def _load_module(name: str) -> ModuleType:
    if name.partition(".")[0] in sys.builtin_module_names:
        return importlib.import_module(name)
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None or not spec.has_location or is_installed(spec.origin):
        return importlib.import_module(name)
    file = Path(spec.origin).resolve()
    files, changed = _state(name, file, root_of(file, name))
    if not changed and name in sys.modules:
        return sys.modules[name]
    with _importing(files):
        return importlib.import_module(name)


def root_of(file: Path, name: str) -> Path:
    """Return the folder that holds a module's topmost package, or the module."""
    up = name.count(".") + (1 if file.name == "__init__.py" else 0)
    return file.parents[up]


def _state(name: str, path: Path, root: Path) -> tuple[dict[str, Path], bool]:
    """Return the files that a module is loaded from, and whether they are others than at the last time."""
    now = held()
    files = now.modules.get((path, root)) if now else None
    if files is None:
        files = modules_of(path, root)
        if now:
            now.modules[path, root] = files
    texts = {file: text_of(file) for file in files.values()}
    changed = _loaded.get(name) != (files, texts)
    _loaded[name] = (files, texts)
    return files, changed


def is_as_loaded(module: str, file: Path) -> bool:
    """Return whether a module of the user's is what another process loads that holds what this one does."""
    if module not in _loaded:
        text_of(file)
        return True
    now = held()
    files, texts = _loaded[module]
    if now is None:
        return all(each.is_file() and each.read_bytes() == text for each, text in texts.items())
    if any(now.texts.get(each, text) != text for each, text in texts.items()):
        return False
    for each in texts.keys() - now.texts.keys():
        now.hold(each, texts[each])
    return now.modules.setdefault((file, file.parent), files) == files


@contextlib.contextmanager
def _importing(files: Mapping[str, Path]) -> Generator[None]:
    """Let the imports in the block find these files, anew."""
    for name in files:
        there = sys.modules.get(name)
        if there is not None and not is_installed(getattr(there, "__file__", None)):
            del sys.modules[name]
    finder = _Fresh(files)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


sys.meta_path.insert(0, _Held())


def not_unasked(fact: str, option: str, again: str, python: str | None = None) -> ModelError:
    """Return the error for code of the user's own in a folder, which may come from a stranger, without its being given.

    Args:
        fact: what was made by which code.
        option: by which it is given.
        again: what to give on the command line; ``python`` in Python, where that is not the same.

    Example:
        >>> raise not_unasked("the loss 'mine.py:Focal' is your own code", "loss", "'mine.py:Focal'")
        Traceback (most recent call last):
        ...
        steepest.errors.ModelError: the loss 'mine.py:Focal' is your own code, which is not run unasked
        Hint: give it again, if you trust it: loss='mine.py:Focal'.
    """
    return ModelError(
        f"{fact}, which is not run unasked",
        hint=f"give it again, if you trust it: --{option} {again}.",
        python=f"give it again, if you trust it: {python or f'{option}={again}'}.",
    )
