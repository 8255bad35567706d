"""The errors that a user can meet.

Every message is a lower-case fact with the offending value, and every error carries a hint that says
what to do. The command line prints both and exits with status 2; from Python both are in ``str(error)``,
where options are written as keywords instead of flags.
"""

from __future__ import annotations

import difflib
import functools
import re
from collections.abc import Iterable
from typing import Any


class SteepestError(Exception):
    """Something that the user can mend.

    Args:
        fact: what is the case, lower case, with the value, without a full stop.
        hint: what to do about it, one sentence.
        python: the hint in Python, where keywords instead of flags are not enough.

    Example:
        >>> raise DataError("column 'chruned' is not in churn.csv", hint="did you mean 'churned'?")
        Traceback (most recent call last):
        ...
        steepest.errors.DataError: column 'chruned' is not in churn.csv
        Hint: did you mean 'churned'?
    """

    def __init__(self, fact: str, *, hint: str, python: str | None = None) -> None:
        super().__init__(fact)
        self.fact = fact
        self.hint = hint
        self.python = python

    def __str__(self) -> str:
        hint = in_python(self.hint) if self.python is None else self.python
        return f"{in_python(self.fact)}\nHint: {hint}"

    def __reduce__(self) -> Any:
        """Say how it is made again in another process, which a pool of processes needs to pass it on."""
        python = {} if self.python is None else {"python": self.python}
        return functools.partial(type(self), hint=self.hint, **python), (self.fact,)


_FLAG = re.compile(
    r"`[^`]*`|(?<![\w-])(?P<flag>--[a-z][a-z-]*|-o\b)"
    r"(?: (?P<value>'[^']*'|[\w./,-]*[\d:][\w.:/,-]*(?<![.:,])|\w+-[\w-]+))?"
)
_KEYWORDS = {
    "-o": "optimizers",
    "--source": "reader",
    "--class": "classes",
    "--yes": "yes=True",
    "--no-controls": "controls=False",
}


def in_python(text: str) -> str:
    """Return a message with keywords instead of the command line's flags; commands in backquotes stay.

    Example:
        >>> in_python("--batch-size has no effect; use --test 0.3, --split time:day or `steepest compare --help`")
        "batch_size has no effect; use test=0.3, split='time:day' or `steepest compare --help`"
    """

    def keyword(found: re.Match[str]) -> str:
        flag, value = found["flag"], found["value"]
        if flag is None:
            return found[0]
        name = _KEYWORDS.get(flag, flag.removeprefix("--").replace("-", "_"))
        if value is None:
            return name
        plain = value.strip("'")
        return f"{name}={plain}" if re.fullmatch(r"[\d.]+(e-?\d+)?", plain) else f"{name}={plain!r}"

    return _FLAG.sub(keyword, text)


class NotAllowedError(ValueError):
    """A value of an option that is not allowed, with its cure, for the checks of a record's fields.

    Args:
        fact, hint: as of a :class:`SteepestError`.
    """

    def __init__(self, fact: str, *, hint: str) -> None:
        super().__init__(fact)
        self.hint = hint


def hint_of(complaint: Any) -> str | None:
    """Return the cure in one of pydantic's complaints, if what was raised had one."""
    raised = complaint.get("ctx", {}).get("error")
    return raised.hint if isinstance(raised, NotAllowedError) else None


class DataError(SteepestError):
    """A file, a column or a value that cannot be used."""


class PreparationError(SteepestError):
    """A preparation step that does not fit the table."""


class OptionError(SteepestError):
    """An option or a configuration file with a value that is not allowed."""


class StepError(OptionError):
    """A step that failed in an optimizer from elsewhere."""


class UnknownNameError(OptionError):
    """A name of a component, a column or a metric that does not exist."""


class ModelError(SteepestError):
    """A model that cannot be built, saved or restored."""


class FolderError(SteepestError):
    """An experiment's folder that cannot be read, written or continued."""


class MissingExtraError(SteepestError):
    """A feature whose optional dependency is not installed."""


def unknown_name(
    kind: str, name: str, known: Iterable[str], *, more: str = "", most: int = 40
) -> UnknownNameError:
    """Return the error for a name that is not among ``known``, with the nearest names as the hint.

    Args:
        kind: what it is a name of.
        name: the name.
        known: all names; they are shown in order, numbers by value.
        more: what else the hint says.
        most: how many of them are shown.

    Example:
        >>> str(unknown_name("optimizer", "adm", ["adam", "sgd"]))
        "unknown optimizer 'adm'\\nHint: did you mean 'adam'? Known: adam, sgd."
        >>> unknown_name("user", "77", ["10", "9", "1"], most=2).hint
        'Known: 1, 9, ….'
    """
    names = list(known)
    names.sort(key=int if all(each.isdecimal() for each in names) else None)
    by_lower = {each.lower(): each for each in names}
    near = [
        by_lower[each] for each in difflib.get_close_matches(name.lower(), list(by_lower), n=3, cutoff=0.6)
    ]
    shown = (", ".join(names[:most]) or "none") + (", …" if len(names) > most else "")
    question = f"did you mean {' or '.join(repr(each) for each in near)}? " if near else ""
    return UnknownNameError(f"unknown {kind} {name!r}", hint=f"{question}Known: {shown}.{more}")


def first_line(error: BaseException) -> str:
    """Return the first line of what an exception says, which may be nothing.

    Example:
        >>> first_line(RuntimeError("out of memory\\nand more")), first_line(AssertionError())
        ('out of memory', '')
    """
    return (str(error).strip().splitlines() or [""])[0]


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an error says that memory ran out, on the device or on the host.

    Example:
        >>> is_out_of_memory(RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 4 TB"))
        True
        >>> is_out_of_memory(RuntimeError("shapes do not fit"))
        False
    """
    if (
        isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"
    ):  # torch's; torch loads slowly
        return True
    texts = ("out of memory", "not enough memory", "can't allocate memory", "Cannot allocate memory")
    return isinstance(error, RuntimeError) and any(text in str(error) for text in texts)
