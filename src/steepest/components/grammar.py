"""The one grammar for components: ``name``, ``name(0.1)``, ``name(key=value, …)``, ``file.py:Name(…)``.

A name may have a prefix, ``sklearn:Ridge(alpha=2)``. The same text works on the command line, in TOML and in Python.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, get_args, get_origin

from steepest.errors import OptionError

_NAME = re.compile(r"^([A-Za-z]:(?=[/\\]))?[\w./\\~-]+(:[\w./-]+)?$")  # a drive's letter is no prefix


@dataclass(frozen=True)
class Spec:
    """A component's name with its arguments.

    Attributes:
        name: a registered name, or ``file.py:Name``, ``package.module:Name`` or ``prefix:Name``.
        arguments: positional values.
        options: named values.

    Example:
        >>> str(parse("adam(lr=1e-3,betas=(0.9,0.99))"))
        'adam(lr=0.001, betas=(0.9, 0.99))'
    """

    name: str
    arguments: tuple[Any, ...] = ()
    options: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_reference(self) -> bool:
        """Whether the name points at a Python object (``mine.py:MyOpt``) instead of a registered one."""
        return ":" in self.name

    def __reduce__(self) -> tuple[Any, ...]:
        """Return how a copy is built; the options as they are kept cannot be pickled."""
        return Spec, (self.name, self.arguments, dict(self.options))

    def __repr__(self) -> str:
        """Return it as a person writes it, since it stands in messages."""
        return repr(str(self))

    def __str__(self) -> str:
        inside = [_text(each) for each in self.arguments]
        inside += [f"{name}={_text(value)}" for name, value in self.options.items()]
        return f"{self.name}({', '.join(inside)})" if inside else self.name


def parse(text: str) -> Spec:
    """Read one specification; a value given by position may be one itself, such as ``warmup(cosine(final=0.1))``.

    Raises:
        OptionError: the text is not of the form ``name(key=value, …)`` or a value is not a literal.

    Example:
        >>> parse("l1(1e-5)").arguments
        (1e-05,)
        >>> parse("distil(teacher=runs/my-run)").options["teacher"]
        'runs/my-run'
        >>> parse("transformer(start=/data/my-model, dropout=0.1)").options["start"]
        '/data/my-model'
    """
    text = text.strip()
    head, bracket, rest = text.partition("(")
    name = head.strip()
    if not _NAME.match(name) or (bracket and not rest.endswith(")")):
        raise OptionError(
            f"cannot read {text!r}", hint="write it as name(key=value, …), for example adam(lr=1e-3)."
        )
    if not bracket:
        return Spec(name)
    try:
        call = _parsed(f"f({rest}").body
        if not isinstance(call, ast.Call):
            raise ValueError("not a call")
        return _called(name, call)
    except (SyntaxError, ValueError):
        raise OptionError(
            f"cannot read the arguments of {text!r}",
            hint="values are numbers, true, false, strings or tuples: name(lr=1e-3, betas=(0.9, 0.99)).",
        ) from None


def split(text: str, at: str = ",") -> list[str]:
    """Split a list at its outermost commas, or another character.

    Example:
        >>> split("sgd, adam(betas=(0.9, 0.99)), lion")
        ['sgd', 'adam(betas=(0.9, 0.99))', 'lion']
        >>> split("l2(1e+1) + ema", at="+")
        ['l2(1e+1)', 'ema']
    """
    parts, depth, start = [], 0, 0
    quote = ""
    for i, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "'\"":
            quote = letter
        elif letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif letter == at and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]] if part.strip()]


def with_none_named(options: Mapping[str, Any], kinds: Mapping[str, Any]) -> dict[str, Any]:
    """Return options in which ``none`` is that word where an option takes words only, such as ``norm=none``.

    Args:
        options: values by name; a bare ``none`` was read as None.
        kinds: the annotations of the options that are known, as types or as text.

    Example:
        >>> with_none_named({"norm": None, "depth": None}, {"norm": "str", "depth": int | None})
        {'norm': 'none', 'depth': None}
    """
    return {
        name: "none" if value is None and _words_only(kinds.get(name)) else value
        for name, value in options.items()
    }


def _words_only(kind: Any) -> bool:
    """Return whether ``none`` can only be a word for an option of this annotation."""
    if get_origin(kind) is Literal:
        return "none" in get_args(kind)
    return kind in (str, "str")


def _text(value: Any) -> str:
    """Return a value as it is read again; a reference has a colon, so it is a string.

    Example:
        >>> str(Spec("warmup", (Spec("mine.py:Own"), Spec("cosine"))))
        "warmup('mine.py:Own', cosine)"
    """
    if isinstance(value, Spec):
        return repr(str(value)) if value.is_reference else str(value)
    return repr(value)


_PATH = re.compile(r"(?<=[=(,])\s*((?:/|\.\.?/|~/)[^,()'\"\s]*)")
"""A path without quotation marks, where a value begins."""


def _parsed(text: str) -> ast.Expression:
    """Return a call as Python reads it; where it cannot, with paths such as ``/data/model`` in quotation marks."""
    try:
        return ast.parse(text, mode="eval")
    except SyntaxError:
        return ast.parse(_PATH.sub(lambda found: repr(found[1]), text), mode="eval")


def _called(name: str, call: ast.Call) -> Spec:
    if any(each.arg is None for each in call.keywords):
        raise ValueError("**options")
    options = {str(each.arg): _value(each.value) for each in call.keywords}
    arguments = tuple(_argument(each) for each in call.args)
    return Spec(name, arguments, MappingProxyType(options))


def _argument(node: ast.expr) -> Any:
    """Read a value given by position, which may be a specification itself."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
        return _called(node.func.id, node)
    if isinstance(node, ast.BinOp) and isinstance(node.right, ast.Call):  # inverse-sqrt(period=100)
        name = _dashed(ast.BinOp(node.left, node.op, node.right.func))
        if name:
            return _called(name, node.right)
    return _value(node)


def _dashed(node: ast.expr) -> str:
    """Return a name that Python reads as a difference, such as ``one-cycle``; empty if it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
        left, right = _dashed(node.left), _dashed(node.right)
        return f"{left}-{right}" if left and right else ""
    return ""


def _path(node: ast.expr) -> str:
    """Return a path that Python reads as a quotient, such as ``runs/my-run``; empty if it is none."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub | ast.Div):
        left, right = _path(node.left), _path(node.right)
        return f"{left}{'-' if isinstance(node.op, ast.Sub) else '/'}{right}" if left and right else ""
    return ""


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name) and node.id.lower() in ("true", "false", "none"):
        return {"true": True, "false": False, "none": None}[node.id.lower()]
    if name := _dashed(node) or _path(node):
        return name
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(_value(each) for each in node.elts)
    return ast.literal_eval(node)
