"""Threads of the numerical libraries below: those of NumPy, SciPy, scikit-learn and torch."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from threadpoolctl import threadpool_limits


@contextlib.contextmanager
def library_threads(threads: int) -> Generator[None]:
    """Let the libraries use so many threads inside the block, also those that nothing has used before.

    A limit holds for what is loaded. SciPy's linear algebra and scikit-learn's OpenMP are loaded by what needs them,
    so it is done here: on two threads that wait for each other they would take twice the processor time.

    Example:
        >>> from threadpoolctl import threadpool_info
        >>> with library_threads(1):
        ...     import scipy.optimize
        ...     {each["num_threads"] for each in threadpool_info()}
        {1}
    """
    import sklearn.utils  # noqa: F401  # pyright: ignore[reportUnusedImport]

    with threadpool_limits(limits=threads):
        yield
