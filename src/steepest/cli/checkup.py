"""What ``steepest doctor`` finds: devices, compiler, cache, memory, and the thread counts that were measured here.

Each finding is a line that says what is there and, where something is missing, what that costs and what to do.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import tempfile
import time
from collections.abc import Generator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text
from torch.fx.experimental.proxy_tensor import make_fx

from steepest.errors import FolderError, SteepestError
from steepest.files import cache_folder
from steepest.sweep import machine
from steepest.train.aot import compiled, compiler
from steepest.train.program import Traced
from steepest.version import version
from steepest.wording import counted

ABANDONED = 3_600.0
"""Seconds after which a folder of a compilation is no longer in use."""


@dataclass(frozen=True)
class Cache:
    """What the cache folder holds.

    Attributes:
        folder: where it is.
        writable: whether it can be written, or made.
        steps: compiled steps.
        bytes: all that they take.
    """

    folder: str
    writable: bool
    steps: int
    bytes: int


@dataclass(frozen=True)
class Compiler:
    """The C++ compiler for compiled steps.

    Attributes:
        path: the program; None where there is none.
        version: what it says of itself.
        works: whether a small program was compiled and gave the right result; None where that was not tried.
        seconds: what that took.
        fault: why it does not work.
    """

    path: str | None
    version: str = ""
    works: bool | None = None
    seconds: float | None = None
    fault: str = ""


@dataclass(frozen=True)
class Checkup:
    """All that is found.

    Attributes:
        steepest: the version.
        python: its version.
        torch: its version.
        processor: its name.
        instructions: the widest vector instructions that torch uses.
        cores: those that this process may use.
        workers: how many runs can be made at the same time, one on each core, as far as memory goes.
        devices: what torch can train on, beside the processor, with its memory in bytes.
        memory: total and available, in bytes; None where the system does not tell.
        compiler: for compiled steps.
        cache: of compiled steps.
        threads: thread counts measured on this machine, the latest first.
    """

    steepest: str
    python: str
    torch: str
    processor: str
    instructions: str
    cores: int
    workers: int
    devices: tuple[dict[str, Any], ...]
    memory: tuple[int, int] | None
    compiler: Compiler
    cache: Cache
    threads: tuple[dict[str, Any], ...]

    def as_json(self) -> dict[str, Any]:
        """Return it in plain values."""
        return asdict(self)


def run(out: Console, err: Console, *, try_compiler: bool, clear: bool, as_json: bool) -> None:
    """Carry out the command: results go to ``out``, what is being done to ``err``."""
    if clear:
        gone = clear_cache()
        err.print(f"removed {held(gone)} from {gone.folder}", markup=False, highlight=False, soft_wrap=True)
    if try_compiler:
        err.print("compiling a small program …", style="dim")
    found = examine(try_compiler=try_compiler)
    if as_json:
        out.print(json.dumps(found.as_json(), indent=2), markup=False, highlight=False, soft_wrap=True)
    else:
        out.print(shown(found), highlight=False)


def examine(*, try_compiler: bool = False) -> Checkup:
    """Look at this machine.

    Args:
        try_compiler: compile a small program, which takes some seconds; nothing is kept of it.

    Example:
        >>> found = examine()
        >>> found.cores >= 1, found.torch == torch.__version__, found.compiler.works
        (True, True, None)
    """
    return Checkup(
        steepest=version(),
        python=platform.python_version(),
        torch=torch.__version__,
        processor=machine.processor(),
        instructions=torch.backends.cpu.get_cpu_capability(),
        cores=machine.cores(),
        workers=machine.with_room(machine.cores()),
        devices=tuple(_devices()),
        memory=machine.memory(),
        compiler=_compiler(try_compiler),
        cache=look_at_cache(),
        threads=tuple(reversed(machine.known().values())),
    )


def _devices() -> Generator[dict[str, Any]]:
    for number in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        found = torch.cuda.get_device_properties(number)
        yield {"name": f"cuda:{number}", "title": found.name, "bytes": found.total_memory}


def _compiler(try_it: bool) -> Compiler:
    path = compiler()
    if path is None:
        return Compiler(None)
    try:
        said = subprocess.run(
            [path, "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        return Compiler(path, works=False, fault=f"it does not start: {error}")
    version = (said.splitlines() or [""])[0]
    if not try_it:
        return Compiler(path, version)
    started = time.perf_counter()
    fault = _fault()
    return Compiler(path, version, not fault, time.perf_counter() - started, fault)


def _fault() -> str:
    """Compile a small program in a cache of its own, run it, and return what is wrong, or nothing."""

    def function(value: torch.Tensor) -> list[torch.Tensor]:
        return [torch.tanh(value) + 1.0]

    value = torch.linspace(-1.0, 1.0, 64)
    graph = make_fx(function)(value)
    try:
        with tempfile.TemporaryDirectory() as folder, _environment(folder):
            found = compiled(Traced(graph, (value,)), 1).run([value])[0]
    except SteepestError as error:
        return error.fact
    wrong = not torch.allclose(found, function(value)[0], rtol=1e-5)
    return "the compiled program gives another result than torch" if wrong else ""


@contextlib.contextmanager
def _environment(folder: str) -> Generator[None]:
    """Keep nothing of what is compiled inside the block."""
    names = ("STEEPEST_CACHE", "TORCHINDUCTOR_CACHE_DIR")
    before = {name: os.environ.get(name) for name in names}
    try:
        for name in names:
            os.environ[name] = str(Path(folder) / name.lower())
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


# --- the cache --------------------------------------------------------------------------------------------------


def look_at_cache() -> Cache:
    """Return what the cache folder holds."""
    folder = cache_folder()
    sizes = [_size(each) for each in _steps(folder)]
    return Cache(str(folder), _can_write(folder), len(sizes), sum(sizes))


def clear_cache() -> Cache:
    """Remove compiled steps, what killed compilations left, thread counts and compile times; return what there was.

    Nothing else in the folder is touched: it may be one that the user named.

    Raises:
        FolderError: something cannot be removed.
    """
    before = look_at_cache()
    folder = cache_folder()
    try:
        for each in _steps(folder):
            each.unlink(missing_ok=True)
        for each in (folder / "steps").glob("tmp*"):
            if each.is_dir() and time.time() - each.stat().st_mtime > ABANDONED:
                _remove(each)
        machine.threads_file().unlink(missing_ok=True)
        machine.waits_file().unlink(missing_ok=True)
    except NotADirectoryError:
        pass
    except OSError as error:
        raise FolderError(
            f"cannot empty {str(folder)!r}: {(error.strerror or str(error)).lower()}",
            hint="remove it yourself, or check its permissions.",
        ) from None
    return before


def _remove(folder: Path) -> None:
    for each in folder.iterdir():
        if each.is_dir() and not each.is_symlink():
            _remove(each)
        else:
            each.unlink(missing_ok=True)
    folder.rmdir()


def _steps(folder: Path) -> list[Path]:
    try:
        return sorted(each for each in (folder / "steps").glob("*.pt2") if each.is_file())
    except OSError:
        return []


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0


def _can_write(folder: Path) -> bool:
    """Return whether the folder, or the nearest one above it that exists, may be written."""
    try:
        there = next(each for each in (folder, *folder.parents) if each.exists())
    except (OSError, StopIteration):
        return False
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


# --- for a person -----------------------------------------------------------------------------------------------


def shown(found: Checkup) -> RenderableType:
    """Return the findings as lines for a terminal."""
    lines = Table.grid(padding=(0, 2))
    lines.add_column(style="bold", no_wrap=True)
    lines.add_column(overflow="fold")
    for name, text in _lines(found):
        lines.add_row(name, Text(text))
    parts: list[RenderableType] = [lines]
    advice = _advice(found)
    if advice:
        parts += [Text(), *[Text.assemble(("→ ", "yellow"), each) for each in advice]]
    return Group(*parts)


def _lines(found: Checkup) -> Generator[tuple[str, str]]:
    yield "steepest", f"{found.steepest}, Python {found.python}, torch {found.torch}"
    for each in found.devices:
        yield "device", f"{each['name']}: {each['title']}, {_bytes(each['bytes'])}"
    yield "device", f"cpu: {found.processor} ({found.instructions}), {counted(found.cores, 'core')}"
    if found.memory is None:
        yield "memory", "unknown"
    else:
        total, available = found.memory
        yield "memory", f"{_bytes(total)}, {_bytes(available)} available"
    yield "workers", f"{counted(found.workers, 'run')} at a time, where a comparison has many"
    yield "compiler", _compiler_line(found.compiler)
    cache = found.cache
    yield "cache", f"{cache.folder}: {held(cache)}" + ("" if cache.writable else "; it cannot be written")
    if not found.threads:
        yield "threads", "not measured yet; the first comparison measures them"
    else:
        yield "threads", f"measured for {counted(len(found.threads), 'model')} (--json lists them)"


def held(cache: Cache) -> str:
    """Return how many compiled steps a cache holds."""
    return (
        f"{counted(cache.steps, 'compiled step')}, {_bytes(cache.bytes)}"
        if cache.steps
        else "no compiled step"
    )


def _compiler_line(found: Compiler) -> str:
    if found.path is None:
        return "none found"
    said = found.version or found.path
    if found.works is None:
        return f"{said} (not tried; --compile tries it)"
    if not found.works:
        return f"{said}; it does not work: {found.fault}"
    return f"{said}; it works, a small program took {found.seconds or 0.0:.0f} s"


def _advice(found: Checkup) -> list[str]:
    advice: list[str] = []
    if found.compiler.path is None:
        advice.append(
            "without a C++ compiler, steps run eagerly and small models train slower: install one "
            "(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; macOS: xcode-select --install), or name "
            "it in CXX."
        )
    elif found.compiler.works is False:
        advice.append("steps run eagerly until the compiler works: reinstall it, or name another one in CXX.")
    if not found.cache.writable:
        advice.append("steps are compiled again in every process: set STEEPEST_CACHE to a writable folder.")
    return advice


def _bytes(count: float) -> str:
    """Return a size as a person reads it.

    Example:
        >>> _bytes(999), _bytes(2_340_000), _bytes(25_000_000_000)
        ('999 bytes', '2.3 MB', '25.0 GB')
    """
    units = {"GB": 1e9, "MB": 1e6, "kB": 1e3}
    for unit, size in units.items():
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return counted(int(count), "byte")
