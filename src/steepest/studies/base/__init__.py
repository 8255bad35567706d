"""What studies have in common: the contract, the data, the measured numbers, and how they are made."""

from __future__ import annotations

from steepest.components.registry import Registry

registry = Registry("study", "steepest.studies")
