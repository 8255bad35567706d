"""What suites have in common: the contract, the data sets, what identifies a result, and how they are made."""

from __future__ import annotations

from steepest.components.registry import Registry

registry = Registry("suite", "steepest.suites")
"""What the files of the package declare."""
