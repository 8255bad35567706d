"""The library's errors as scikit-learn expects them: each is a ``ValueError`` too."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Generator

from steepest.errors import (
    DataError,
    ModelError,
    OptionError,
    PreparationError,
    SteepestError,
    UnknownNameError,
    in_python,
)


class UnfitDataError(DataError, ValueError):
    """A :class:`~steepest.errors.DataError` of an estimator."""


class UnfitPreparationError(PreparationError, ValueError):
    """A :class:`~steepest.errors.PreparationError` of an estimator."""


class UnknownParameterError(UnknownNameError, ValueError):
    """An :class:`~steepest.errors.UnknownNameError` of an estimator."""


class ParameterError(OptionError, ValueError):
    """An :class:`~steepest.errors.OptionError` of an estimator."""


class TrainingError(ModelError, ValueError):
    """A :class:`~steepest.errors.ModelError` of an estimator."""


_KINDS: tuple[type[SteepestError], ...] = (
    UnfitDataError,
    UnfitPreparationError,
    UnknownParameterError,
    ParameterError,
    TrainingError,
)


_INSTEAD = {
    r"--task classification": "SteepestClassifier",
    r"--task regression": "SteepestRegressor",
    r"leave the column out: --drop (?:'.*'|\S+?)(?=\.?$)": "leave the column out of X",
    r"(\(--text\)), and --drop it": r"\1, and out of X",
    r"smaller --validation and --test shares": "a smaller validation_fraction",
}
"""What an estimator has instead of options of a comparison."""


def _of_estimator(hint: str) -> str:
    """Return a hint with what an estimator has instead of options that it lacks.

    Example:
        >>> _of_estimator("choose another target, or --task regression if it is a number.")
        'choose another target, or SteepestRegressor if it is a number.'
        >>> _of_estimator("correct them in the table, or leave the column out: --drop age.")
        'correct them in the table, or leave the column out of X.'
    """
    for option, instead in _INSTEAD.items():
        hint = re.sub(option, instead, hint, flags=re.MULTILINE)
    return hint


@contextlib.contextmanager
def value_errors() -> Generator[None]:
    """Raise the library's errors inside the block as ``ValueError`` too.

    Example:
        >>> with value_errors():
        ...     raise OptionError("alpha is -1", hint="give a number from 0.")
        Traceback (most recent call last):
        ...
        steepest.sklearn.errors.ParameterError: alpha is -1
        Hint: give a number from 0.
    """
    try:
        yield
    except SteepestError as error:
        kind = next((each for each in _KINDS if isinstance(error, each.__bases__[0])), None)
        if kind is None or isinstance(error, ValueError):
            raise
        python = in_python(_of_estimator(error.hint)) if error.python is None else _of_estimator(error.python)
        raise kind(error.fact, hint=error.hint, python=python) from error
