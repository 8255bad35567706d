"""Hold back what libraries log and warn of while they are imported or called."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Generator


@contextlib.contextmanager
def quiet(*loggers: str) -> Generator[None]:
    """Hold back warnings inside the block, and what these loggers log below an error.

    Example:
        >>> with quiet("some.library"):
        ...     logging.getLogger("some.library").warning("not shown")
    """
    known = [(each, each.level) for each in map(logging.getLogger, loggers)]
    try:
        for logger, _ in known:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in known:
            logger.setLevel(level)
