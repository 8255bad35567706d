"""The source of code objects, held against what is in memory, and what code names outside itself."""

from __future__ import annotations

import ast
import dis
import functools
import hashlib
import linecache
import types
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


class UnknownError(Exception):
    """Something cannot be identified; the message says what and why."""


@dataclass(frozen=True)
class Named:
    """Something that code names: a global with the attributes read from it, or a module that it imports.

    Attributes:
        name: of the global or the module.
        attributes: read from a global one after the other; or imported from the module, none if all of it.
        level: dots before an imported module's name, or -1 for a global.
    """

    name: str
    attributes: tuple[str, ...] = ()
    level: int = -1


def source_of(code: types.CodeType, name: str, names: dict[str, Any]) -> tuple[str, int]:
    """Return the source text of a function's code and its number among those of that name on that line.

    Args:
        code: the function's own code, not that of what it wraps.
        name: what the function is called, for messages.
        names: its module's.

    Raises:
        UnknownError: there is no source, or it is not what the code in memory was compiled from.
    """
    linecache.checkcache(code.co_filename)
    whole = "".join(linecache.getlines(code.co_filename, names))
    if not whole:
        raise UnknownError(f"the source of {name} cannot be read")
    codes, nodes = _parsed(whole, code.co_filename)
    key = (code.co_name, code.co_firstlineno)
    there = codes.get(key, [])
    if code not in there:
        raise UnknownError(
            f"the source of {name} is not what runs: its file has changed since it was imported"
        )
    return "\n".join(nodes.get(key, [])), there.index(code)


Key = tuple[str, int]


@functools.lru_cache(maxsize=64)
def _parsed(whole: str, file: str) -> tuple[Mapping[Key, list[types.CodeType]], Mapping[Key, list[str]]]:
    """Return the code objects and the texts of all functions in a source, by name and first line."""
    codes: dict[Key, list[types.CodeType]] = {}
    nodes: dict[Key, list[str]] = {}
    try:
        tree = ast.parse(whole)
        compiled = compile(whole, file, "exec", dont_inherit=True)
    except (SyntaxError, ValueError):
        return codes, nodes
    for each in _nested(compiled):
        codes.setdefault((each.co_name, each.co_firstlineno), []).append(each)
    lines = whole.splitlines(keepends=True)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = min([node.lineno, *(each.lineno for each in node.decorator_list)])
            text = "".join(lines[first - 1 : node.end_lineno])
            nodes.setdefault((node.name, first), []).append(text)
        elif isinstance(node, ast.Lambda):
            text = ast.get_source_segment(whole, node) or ""
            nodes.setdefault(("<lambda>", node.lineno), []).append(text)
    return codes, nodes


def _nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for each in code.co_consts:
        if isinstance(each, types.CodeType):
            yield from _nested(each)


def named_in(code: types.CodeType) -> list[Named]:
    """Return the globals that code names, and the modules that it imports, without repetition."""
    return sorted(set(_named(code)), key=lambda each: (each.level, each.name, each.attributes))


def _named(code: types.CodeType) -> Iterator[Named]:
    for each in _nested(code):
        steps = [step for step in dis.get_instructions(each) if step.opname != "EXTENDED_ARG"]
        for at, step in enumerate(steps):
            if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
                chain: list[str] = []
                for after in steps[at + 1 :]:
                    if after.opname not in ("LOAD_ATTR", "LOAD_METHOD"):
                        break
                    chain.append(str(after.argval))
                yield Named(str(step.argval), tuple(chain))
            elif step.opname == "IMPORT_NAME":
                level, names = steps[at - 2].argval, steps[at - 1].argval
                yield Named(str(step.argval), tuple(names or ()), int(level))


def digest_of(data: str | bytes | bytearray) -> str:
    """Return the digest of a text or bytes."""
    return hashlib.sha256(data.encode("utf-8", "replace") if isinstance(data, str) else data).hexdigest()
