"""Simple models that every comparison is held against; a network that does not beat them is not needed."""

from steepest.evaluate.baselines._contract import BaselineModel
from steepest.evaluate.baselines._estimators import NOT_SAVED
from steepest.evaluate.baselines._run import (
    BUDGET,
    NONE,
    BaselineResult,
    baseline_names,
    identity,
    is_network,
    registry,
    restore,
    run_baselines,
    title_of,
)

__all__ = [
    "BUDGET",
    "NONE",
    "NOT_SAVED",
    "BaselineModel",
    "BaselineResult",
    "baseline_names",
    "identity",
    "is_network",
    "registry",
    "restore",
    "run_baselines",
    "title_of",
]
