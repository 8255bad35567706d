"""Graphs compiled ahead of time, once for a machine: the library of a step is kept in the user's cache folder.

The cache holds machine code that the compiler of this machine produced from a graph; its name is a hash of the graph
with its constants, the shapes, the version of torch, the processor and the number of threads.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import platform
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as tree

from steepest.errors import FolderError, SteepestError, first_line
from steepest.files import cache_folder
from steepest.record.lock import locked
from steepest.train.program import Traced

Run = Callable[[list[Tensor]], list[Tensor]]

LEFT_OVER = 3600.0
"""Seconds after which a temporary folder in the cache is looked at: no step is compiled for so long."""


class NoCompilerError(SteepestError):
    """There is no compiler, or it failed; the fact says why."""


class NotCachedError(NoCompilerError):
    """A step was not compiled before, and is not to be compiled now."""


@dataclass(frozen=True)
class Compiled:
    """A loaded library.

    Attributes:
        run: takes the flat list of tensors, returns the outputs.
        seconds: of compiling; 0 if it was in the cache.
        name: what the cache has it under.
    """

    run: Run
    seconds: float
    name: str = ""


def compiler() -> str | None:
    """Return the C++ compiler that is used, or None where there is none."""
    return shutil.which(os.environ.get("CXX", "clang++" if sys.platform == "darwin" else "g++"))


_loaded: dict[tuple[str, int], Run] = {}


def compiled(
    traced: Traced, threads: int, announce: Callable[[], None] | None = None, *, only_cached: bool = False
) -> Compiled:
    """Return a graph's library, compiled if it is not in the cache.

    Args:
        traced: the graph.
        threads: threads of the code.
        announce: called before compiling.
        only_cached: don't compile.

    Raises:
        NoCompilerError: there is no compiler or it failed.
        NotCachedError: it is not in the cache and must be.
    """
    name = key(traced, threads)
    if run := known(name, threads):
        return Compiled(run, 0.0, name)
    if only_cached:
        raise NotCachedError("the step is not in the cache", hint="compile it with --compile on.")
    if announce:
        announce()
    started, path = time.perf_counter(), _library(name)
    _compile(traced, threads, path)
    seconds = time.perf_counter() - started
    run = known(name, threads)
    if run is None:
        raise NoCompilerError(
            f"the compiled step {str(path)!r} cannot be loaded", hint="start again with --compile off."
        )
    return Compiled(run, seconds, name)


def known(name: str, threads: int) -> Run | None:
    """Return the library with a name, if the cache has it."""
    if (name, threads) not in _loaded:
        run = _load(_library(name))
        if run is None:
            return None
        _loaded[name, threads] = run
    return _loaded[name, threads]


def _library(name: str) -> Path:
    return cache_folder() / "steps" / f"{name}.pt2"


def key(traced: Traced, threads: int) -> str:
    """Return the name of a graph's library."""
    digest = hashlib.sha256()
    parts = [traced.graph.code, torch.__version__, instructions(), str(compiler()), str(threads)]
    parts += signature(traced.examples)
    for part in parts:
        digest.update(part.encode() + b"\0")
    for name, value in sorted(traced.graph.state_dict().items()):
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode() + in_bytes(value))
    return digest.hexdigest()[:24]


def signature(tensors: Iterable[Tensor]) -> list[str]:
    """Return what code that was compiled for some tensors must find again: for others it reads wrong memory.

    Example:
        >>> signature([torch.zeros(2, 3, dtype=torch.float64)])
        ['torch.float64 (2, 3) (3, 1) cpu']
    """
    return [f"{each.dtype} {tuple(each.shape)} {_strides(each)} {each.device.type}" for each in tensors]


def names_of(parts: Any) -> str:
    """Return the names of the tensors of some parts, in their order.

    A program knows tensors by their places. Shapes alone do not tell which of two equal layers is frozen.

    Example:
        >>> weight = torch.zeros(1)
        >>> names_of([{"a": weight}, {"b": weight}]) == names_of([{"b": weight}, {"a": weight}])
        False
    """
    return str(tree.tree_structure(parts))


def in_bytes(value: Tensor) -> bytes:
    """Return the content of a tensor as bytes."""
    return value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _strides(value: Tensor) -> tuple[int, ...]:
    """Return the strides that matter: not those of dimensions of one, nor of a tensor without elements."""
    if not value.numel():
        return ()
    return tuple(stride for size, stride in zip(value.shape, value.stride(), strict=True) if size > 1)


@functools.cache
def instructions() -> str:
    """Return the instruction sets of this processor, as the system lists them: a library runs on no other."""
    features = cpu_entry("flags", "Features")
    if features:
        return " ".join(sorted(features.split()))
    return f"{platform.machine()} {platform.processor()} {torch.backends.cpu.get_cpu_capability()}"


def cpu_entry(*names: str) -> str:
    """Return Linux's entry on the processor under the first of ``names``; nothing elsewhere."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in names and value.strip():
                return value.strip()
    return ""


def _compile(traced: Traced, threads: int, path: Path) -> None:
    found = compiler()
    if found is None:
        raise NoCompilerError(
            "there is no C++ compiler (g++)", hint="install one, or start again with --compile off."
        )
    with _folder_in(path.parent) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = Path(folder) / path.name
        try:
            exported = torch.export.export(traced.graph, traced.examples)
            # Inductor's own choice is that of the moment at which it was imported.
            settings: dict[str, Any] = {"cpp.threads": threads, "cpp.cxx": (None, found)}
            with_instructions(
                lambda more: torch._inductor.aoti_compile_and_package(  # pyright: ignore[reportPrivateUsage]
                    exported, package_path=str(made), inductor_configs={**settings, **more}
                )
            )
        except Exception as error:
            raise NoCompilerError(
                f"the step cannot be compiled: {type(error).__name__}: {first_line(error)[:300]}",
                hint="start again with --compile off.",
            ) from error
        made.replace(path)


def with_instructions(build: Callable[[dict[str, Any]], object]) -> None:
    """Compile for the processor's instruction sets without compiling a small program for each of them first.

    Only where that fails, as with a compiler that is older than the processor, it is found out which can be used.
    """
    try:
        build({"cpp.vec_isa_ok": True})
    except Exception:
        build({})


@contextlib.contextmanager
def _folder_in(cache: Path) -> Generator[str]:
    """Make a temporary folder in the cache.

    Raises:
        NoCompilerError: the cache cannot be written.
    """
    try:
        cache.mkdir(parents=True, exist_ok=True, mode=0o700)
        _remove_leftovers(cache)
        made = tempfile.TemporaryDirectory(dir=cache)
    except OSError as error:
        raise NoCompilerError(
            f"the cache folder {str(cache)!r} cannot be written: {(error.strerror or str(error)).lower()}",
            hint="set STEEPEST_CACHE to a writable folder, or start again with --compile off.",
        ) from None
    with made, locked(Path(made.name)):
        yield made.name


def _remove_leftovers(cache: Path) -> None:
    """Remove the temporary folders of processes that were killed: old ones that no process holds."""
    for folder in cache.glob(f"{tempfile.gettempprefix()}*/"):
        with contextlib.suppress(OSError, FolderError):  # another process holds or removes it
            if time.time() - folder.stat().st_mtime > LEFT_OVER:
                with locked(folder):
                    shutil.rmtree(folder)


def _is_there(path: Path) -> bool:
    with contextlib.suppress(OSError):
        return path.is_file()
    return False


def _load(path: Path) -> Run | None:
    """Return a library from the cache; None if it is not there, or cannot be loaded: then it is removed."""
    if not _is_there(path):
        return None
    try:
        return _loader(str(path)).run
    except Exception:  # whatever is wrong with the file, it can be made again
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return None


def _loader(path: str) -> Any:
    """Return what loads a library; torch's public way to it first imports the whole compiler, for a second."""
    aoti = getattr(torch._C, "_aoti", None)  # pyright: ignore[reportPrivateUsage]
    direct = getattr(aoti, "AOTIModelPackageLoader", None)
    if direct is None:
        return torch._inductor.aoti_load_package(path).loader  # pyright: ignore[reportPrivateUsage, reportUnknownVariableType, reportUnknownMemberType]
    return direct(path, "model", False, 1, -1)
