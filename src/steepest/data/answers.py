"""Arrays of targets: one for each row, as texts, truth values or numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from steepest.errors import DataError
from steepest.wording import counted


def one_each(values: Any, rows: int, *, what: str, of: str, where: str) -> NDArray[Any]:
    """Return an array with one value for each row: of text, truth values or numbers.

    A column ``[N, 1]`` is flattened, and bytes are read as text.

    Args:
        values: the array, or a list.
        rows: how many there are to be.
        what: what a value is called: ``label``, ``target``.
        of: what a row is called: ``image``, ``row``.
        where: what the array is from, for messages.

    Raises:
        DataError: there are more or fewer, several a row, or values of another type; the message says which.

    Example:
        >>> one_each([[b"cat"], [b"dog"]], 2, what="label", of="image", where="photos.npz").tolist()
        ['cat', 'dog']
    """
    found = np.asarray(values)
    if found.ndim == 2 and found.shape[1] == 1:
        found = found[:, 0]
    if found.ndim != 1:
        raise DataError(
            f"the {what}s of {where} have the shape {list(found.shape)}",
            hint=f"give one {what} for each {of}, [N]; of one-hot rows take argmax(1).",
        )
    if len(found) != rows:
        raise DataError(
            f"{where}: {counted(rows, of)}, but {counted(len(found), what)}",
            hint=f"give one {what} for each {of}, in the same order.",
        )
    if found.dtype.kind == "O":
        found = _of_objects(found, what=what, where=where)
    if found.dtype.kind == "S":
        try:
            return np.char.decode(found, "utf-8")
        except UnicodeDecodeError:
            raise DataError(
                f"the {what}s of {where} are no UTF-8 text", hint="give text or numbers."
            ) from None
    if found.dtype.kind in "mM":
        raise DataError(
            f"the {what}s of {where} are {'dates' if found.dtype.kind == 'M' else 'durations'} ({found.dtype})",
            hint="make numbers of them, such as days: values.astype('datetime64[D]').astype(int)."
            if found.dtype.kind == "M"
            else "make numbers of them, such as seconds: values / np.timedelta64(1, 's').",
        )
    if found.dtype.kind not in "iubfU":
        raise DataError(
            f"the {what}s of {where} are of type {found.dtype}", hint="give numbers, names or truth values."
        )
    return found.astype(np.float32) if found.dtype == np.float16 else found


def _of_objects(values: NDArray[Any], *, what: str, where: str) -> NDArray[Any]:
    """Return objects as an array of the one type that they all have."""
    listed = values.tolist()
    absent = sum(each is None for each in listed)
    if absent:
        raise DataError(
            f"{counted(absent, what)} of {where} {'is' if absent == 1 else 'are'} None",
            hint="leave those rows out.",
        )
    kinds = sorted({type(each).__name__ for each in listed})
    found = np.asarray(listed)
    mixed = found.dtype.kind in "US" and set(kinds) - {"str", "str_", "bytes", "bytes_"}
    if mixed or found.dtype.kind == "O" or found.ndim != 1:
        raise DataError(
            f"the {what}s of {where} are objects of the type {' and '.join(kinds)}",
            hint="give numbers, names or truth values, all of one type.",
        )
    return found


def as_series(name: str, values: NDArray[Any]) -> pl.Series:
    """Return what :func:`one_each` gave as a column."""
    return pl.Series(name, values.tolist() if values.dtype.kind == "U" else values)
