"""The configuration tree: one validated value says everything about an experiment.

``steepest compare experiment.toml`` reads it, a table on the command line builds the same tree, flags are
overrides, and the tree is what a folder keeps as ``experiment.toml``.
"""

from steepest.recipe.execution import (
    EXECUTION_OPTIONS,
    Execution,
    ExecutionOptions,
    ExecutionPlan,
    RunLength,
    Timings,
)
from steepest.recipe.experiment import (
    THE_FLAGS,
    THE_OPTIONS,
    Experiment,
    experiment_toml,
    load_tree,
    option_error,
    validate_experiment,
    with_workers,
    without_none,
)
from steepest.recipe.factors import FACTOR, FACTORS, SHARED_FACTORS, SUBJECTS, varying
from steepest.recipe.options import (
    CALLABLE,
    CLEARER_NAMES,
    DEFAULT_PLANNER,
    EVALUATIONS,
    LARGEST_SEED,
    STAYS,
    WHOLE_BATCH,
    ArmOptions,
    Control,
    Factors,
    FrozenOptions,
    ModelOptions,
    Precision,
    Protocol,
    flag_of,
)
from steepest.recipe.reach import Reach
from steepest.recipe.recipe import BEARINGS, NEUTRAL, Recipe, stable_hash

__all__ = [
    "BEARINGS",
    "CALLABLE",
    "CLEARER_NAMES",
    "DEFAULT_PLANNER",
    "EVALUATIONS",
    "EXECUTION_OPTIONS",
    "FACTOR",
    "FACTORS",
    "LARGEST_SEED",
    "NEUTRAL",
    "SHARED_FACTORS",
    "STAYS",
    "SUBJECTS",
    "THE_FLAGS",
    "THE_OPTIONS",
    "WHOLE_BATCH",
    "ArmOptions",
    "Control",
    "Execution",
    "ExecutionOptions",
    "ExecutionPlan",
    "Experiment",
    "Factors",
    "FrozenOptions",
    "ModelOptions",
    "Precision",
    "Protocol",
    "Reach",
    "Recipe",
    "RunLength",
    "Timings",
    "experiment_toml",
    "flag_of",
    "load_tree",
    "option_error",
    "stable_hash",
    "validate_experiment",
    "varying",
    "with_workers",
    "without_none",
]  # fmt: skip
