"""The code of a study: a hash that changes with what its file and its shared modules compute, not with sentences."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.util
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from steepest.studies.base.study import Study

WORDS = ("COMPONENTS", "name", "question", "source", "headlines", "short", "sizes_differ", "tasks")
"""What is assigned to these, in a module or a class, is said and computes nothing."""
ANSWERS = ("columns", "rows", "made_of", "answer")
"""Methods of a study that read finished runs and measurements, and make none."""
SHARED = "steepest.studies.base"
"""The package of what studies have in common."""


def code_hash(study: type[Study], of: Literal["answer", "measurements"] = "answer") -> str:
    """Return twelve hexadecimal digits that change with the file of a study and with the shared modules that it uses.

    They stay where comments, docstrings, blank lines or sentences change: the description, the question, the source,
    the headlines and their short forms, why sizes differ, and the tasks. Empty where the class is in no file.

    Args:
        study: whose file.
        of: ``answer`` for all of it; ``measurements`` for what makes runs and measurements, without the methods that
            make an answer of these.

    Example:
        >>> from steepest.studies import registry
        >>> pruning, dropout = (registry.load(name) for name in ("pruning", "dropout"))
        >>> code_hash(pruning) == code_hash(pruning), code_hash(pruning) == code_hash(dropout)
        (True, False)
    """
    module = inspect.getmodule(study)
    try:
        text = inspect.getsource(study if module is None else module)
    except OSError:
        return ""
    without = () if of == "answer" else ANSWERS
    parts = [computing(text, without), *(computing(_source(each), without) for each in shared_modules(text))]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


def shared_modules(text: str) -> list[str]:
    """Return the modules of what studies have in common that a file imports, and those that these import, sorted.

    Args:
        text: of the file.

    Example:
        >>> shared_modules("from steepest.studies.base.watching import LOSS\\nimport math")
        ['steepest.studies.base.watching']
    """
    found: set[str] = set()
    coming = _imported(text)
    while coming:
        name = coming.pop()
        if name not in found:
            found.add(name)
            coming |= _imported(_source(name))
    return sorted(found)


def _imported(text: str) -> set[str]:
    """Return the shared modules that a file imports itself."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            names |= {each.name for each in node.names}
    own = {each for each in names if each.rpartition(".")[0] == SHARED}
    return {each for each in own if importlib.util.find_spec(each) is not None}


@functools.cache
def _source(module: str) -> str:
    spec = importlib.util.find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).read_text(encoding="utf-8")


def computing(text: str, without: tuple[str, ...] = ()) -> str:
    """Return the lines of a file that compute something.

    Args:
        text: of the file.
        without: names of methods that are left out.

    Example:
        >>> computing('# said\\nclass Widths:\\n    "Two nets."\\n\\n    question = "Why?"\\n    lr = 0.1  # said\\n')
        'class Widths:\\n    lr = 0.1'
    """
    lines = text.splitlines()
    left_out = {
        number for first, last in _said(ast.parse(text), without) for number in range(first, last + 1)
    }
    kept = [_uncommented(line) for number, line in enumerate(lines, 1) if number not in left_out]
    return "\n".join(line for line in kept if line)


def _uncommented(line: str) -> str:
    return line.partition("  # ")[0].rstrip() if not line.lstrip().startswith("#") else ""


def _said(tree: ast.Module, without: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Yield the first and last lines of docstrings, of what is assigned to words, and of methods."""
    for node in ast.walk(tree):
        if not isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)):
            continue
        in_class = isinstance(node, ast.ClassDef)
        for each in node.body:
            is_text = isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant)
            is_word = not isinstance(node, ast.FunctionDef) and bool(_assigned(each) & {*WORDS})
            if (
                is_text
                or is_word
                or (in_class and isinstance(each, ast.FunctionDef) and each.name in without)
            ):
                yield each.lineno, each.end_lineno or each.lineno


def _assigned(node: ast.stmt) -> set[str]:
    """Return the names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else []
    targets = [node.target] if isinstance(node, ast.AnnAssign) else targets
    return {each.id for each in targets if isinstance(each, ast.Name)}
