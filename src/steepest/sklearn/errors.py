"""The library's errors as scikit-learn expects them: each is a ``ValueError`` too."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from steepest.errors import (
    DataError,
    ModelError,
    OptionError,
    PreparationError,
    SteepestError,
    UnknownNameError,
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
        raise kind(error.fact, hint=error.hint, python=error.python) from error
