"""The version of steepest, as its installation says."""

from __future__ import annotations

import functools


@functools.cache
def version() -> str:
    """Return the installed version; "0" in a source tree that is not installed."""
    from importlib import metadata  # slow to import

    try:
        return metadata.version("steepest")
    except metadata.PackageNotFoundError:
        return "0"


@functools.cache
def installed(package: str) -> str:
    """Return the installed version of another package.

    Raises:
        PackageNotFoundError: it is not installed.

    Example:
        >>> installed("numpy").count(".") >= 1
        True
    """
    from importlib import metadata

    return metadata.version(package)


def version_if_installed(package: str) -> str:
    """Return the version of another package; empty where it is not installed.

    Example:
        >>> version_if_installed("numpy") == installed("numpy"), version_if_installed("no-such-package")
        (True, '')
    """
    from importlib import metadata

    try:
        return installed(package)
    except metadata.PackageNotFoundError:
        return ""
