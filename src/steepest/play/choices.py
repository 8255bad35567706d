"""What a visitor of a page may choose: registered components and tables of the working folder, never code."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from steepest.components import grammar
from steepest.components.grammar import Spec
from steepest.data.catalog import SOURCES, is_name, places
from steepest.data.read import is_table_file, scan
from steepest.errors import DataError, OptionError
from steepest.models import registry as models

DEFAULT = "flights"
"""The data set that comes with the package, for a page that was started without data."""
KINDS = ("table", "curve")
MOST_FILES = 200

_NAME = re.compile(r"[\w-][\w.-]{0,59}")


def data_sets() -> list[str]:
    """Return the names of tables and curves of the catalog that are on this machine; nothing is downloaded.

    Example:
        >>> set(data_sets()) >= {"flights", "parabola"}
        True
    """
    found = [(name, SOURCES.load(name)) for name in SOURCES.names()]
    return [name for name, source in found if source.kind in KINDS and places(source)]


def files(folder: Path) -> list[str]:
    """Return the tables in a folder and the folders in it, as paths relative to it.

    Hidden files are left out, and links that lead out of the folder.
    """
    inside = folder.resolve()
    found: list[str] = []
    for path in sorted([*folder.glob("*"), *folder.glob("*/*")]):
        name = path.relative_to(folder)
        hidden = any(part.startswith(".") for part in name.parts)
        if hidden or not is_table_file(path.name) or not path.is_file():
            continue
        if path.resolve().is_relative_to(inside) and len(found) < MOST_FILES:
            found.append(name.as_posix())
    return found


def columns(source: str) -> list[str]:
    """Return the columns of a table, in their order; of a data set in the catalog none, because its target is known.

    Raises:
        DataError: the file cannot be read as a table.
    """
    return [] if is_name(source) else scan(source, sure=False).collect_schema().names()


def model_names(source: str) -> list[str]:
    """Return the models for tables, or for curves where the data is one.

    Example:
        >>> "polynomial" in model_names("parabola"), "polynomial" in model_names("flights")
        (True, False)
    """
    takes = "values" if is_name(source) and SOURCES.load(source).kind == "curve" else "codes, values"
    return [
        entry.name
        for entry in models.entries.values()
        if takes in entry.more.get("takes", ("codes, values",))
        and entry.more.get("task", "") in ("", "regression")
        and not entry.more.get("ratings", False)
    ]


def registered(text: str) -> str:
    """Return a specification without references to code, as one line.

    Raises:
        OptionError: it or a value in it names a file or a Python object; or it cannot be read.

    Example:
        >>> registered("adam(lr=1e-3)")
        'adam(lr=0.001)'
        >>> registered("mine.py:MyOpt")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: 'mine.py:MyOpt' names code or a file, which a page does not open
        Hint: choose a registered name, or run your own code by the command line or from Python.
    """
    _refuse(grammar.parse(text), text)
    return str(grammar.parse(text))


def _refuse(value: Any, text: str) -> None:
    """Raise if a value names code or a file, however deep it is in a specification."""
    if isinstance(value, Spec):
        for each in (value.name, *value.arguments, *value.options.values()):
            _refuse(each, text)
    elif isinstance(value, list | tuple):
        for each in value:
            _refuse(each, text)
    elif isinstance(value, str) and any(sign in value for sign in ":/\\~"):
        raise OptionError(
            f"{text!r} names code or a file, which a page does not open",
            hint="choose a registered name, or run your own code by the command line or from Python.",
        )


def rates(text: str) -> list[float]:
    """Return the learning rates in a text, separated by commas or blanks; none if it is empty.

    Raises:
        OptionError: one is no positive number.

    Example:
        >>> rates("0.1, 1e-3"), rates(" ")
        ([0.1, 0.001], [])
    """
    return [_positive(each) for each in re.split(r"[,;\s]+", text.strip()) if each]


def numbers(text: str, count: int, what: str) -> list[float]:
    """Return so many finite numbers, separated by commas or blanks.

    Raises:
        OptionError: there are more or fewer, or one is no number.

    Example:
        >>> numbers("-1.2, 1", 2, "the start")
        [-1.2, 1.0]
    """
    parts = [each for each in re.split(r"[,;\s]+", text.strip()) if each]
    try:
        found = [float(each) for each in parts]
    except ValueError:
        found = [math.nan]
    if len(parts) != count or not all(map(math.isfinite, found)):
        raise OptionError(
            f"{what} is {text!r}",
            hint=f"write {count} numbers with commas between them, such as {'1, ' * (count - 1)}1.",
        )
    return found


def _positive(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise OptionError(f"the learning rate is {text!r}", hint="write a positive number, such as 0.01.")
    return value


def arms_of(optimizers: Iterable[str], rates: Sequence[float]) -> list[str]:
    """Return optimizers to compare: tuned where no rate is given, else each at each rate.

    Raises:
        OptionError: no optimizer is chosen, or one names code.

    Example:
        >>> arms_of(["sgd", "adam"], [0.1, 0.01])
        ['sgd(lr=0.1)', 'sgd(lr=0.01)', 'adam(lr=0.1)', 'adam(lr=0.01)']
        >>> arms_of(["sgd"], [0.12345678])
        ['sgd(lr=0.12345678)']
    """
    chosen = [registered(each) for each in optimizers]
    if not chosen:
        raise OptionError("no optimizer is chosen", hint="choose at least one.")
    return [f"{name}(lr={float(rate)!r})" for name in chosen for rate in rates] or chosen


def run_name(text: str) -> str:
    """Return the name of a folder in the folder of the pages.

    Raises:
        OptionError: it could be a path to another place, or is too long.

    Example:
        >>> run_name("flights-2")
        'flights-2'
        >>> run_name("../home")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: the name is '../home'
        Hint: use letters, digits, points, - and _, at most 60, and no point at its beginning.
    """
    if not _NAME.fullmatch(text.strip()):
        raise OptionError(
            f"the name is {text!r}",
            hint="use letters, digits, points, - and _, at most 60, and no point at its beginning.",
        )
    return text.strip()


def check_data(chosen: str, folder: Path, own: str | None) -> str:
    """Return the data that was chosen, if it is one of those that the page offers.

    Args:
        chosen: what the visitor chose.
        folder: the working folder.
        own: what the command line was given.

    Raises:
        DataError: it is not among them.
    """
    if chosen == own or chosen in data_sets() or chosen in files(folder):
        return chosen
    raise DataError(
        f"{chosen!r} is not offered here", hint="choose from the list, or start the page with --data."
    )
