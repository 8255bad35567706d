"""The standard suite: classes, numbers and images; tables with categories, and without."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from steepest.suites.base.suite import Size, Suite, SuiteSet

COMPONENTS = {
    "standard": {
        "object": "Standard",
        "what": "eight optimizers on tables and images: classes and numbers",
        "minutes": {"quick": 3.0, "default": 15.0},
    }
}

SPLIT = {"validation": 0.15, "test": 0.3}
SHORT = {**SPLIT, "tuning_finalists": 7}
"""All rates run at full length where a quarter of it is too few steps to tell which is best."""


class Standard(Suite):
    """Eight optimizers on five data sets that the catalog can download, or on three that come with the package."""

    name = "standard"
    version = 2
    optimizers: ClassVar = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "lion")
    seeds = 10  # with three and 40 comparisons, hardly any difference passes the correction

    def sets(self, size: Size) -> Sequence[SuiteSet]:
        """Return the data sets."""
        table = "embedding-mlp(hidden=[64, 32])"
        if size == "quick":
            return (
                SuiteSet(
                    "breast-cancer",
                    "breast-cancer",
                    options={**SHORT, "model": "mlp(hidden=[16])", "epochs": 15, "batch_size": 32},
                ),
                SuiteSet(
                    "digits",
                    "digits",
                    options={**SHORT, "model": "mlp(hidden=[32])", "epochs": 8, "batch_size": 64},
                ),
                SuiteSet(
                    "flights",
                    "flights",
                    rows=2_000,
                    options={**SHORT, "model": "embedding-mlp(hidden=[32])", "epochs": 4, "batch_size": 64},
                ),
            )
        return (
            SuiteSet(
                "adult",
                "adult",
                rows=15_000,
                options={**SPLIT, "model": table, "epochs": 6, "batch_size": 64},
            ),
            SuiteSet(
                "bikeshare", "bikeshare", options={**SPLIT, "model": table, "epochs": 10, "batch_size": 64}
            ),
            SuiteSet(
                "covertype",
                "covertype",
                rows=20_000,
                options={**SPLIT, "model": table, "epochs": 8, "batch_size": 128},
            ),
            SuiteSet(
                "flights",
                "flights",
                rows=15_000,
                options={**SPLIT, "model": table, "epochs": 6, "batch_size": 64},
            ),
            SuiteSet(
                "mnist",
                "mnist",
                rows=6_000,
                test_rows=3_000,
                options={"validation": 0.2, "model": "mlp(hidden=[128])", "epochs": 10, "batch_size": 64},
            ),
        )

    def steps(self, size: Size) -> int:
        """Return the steps of a run on a data set of the user's own."""
        return 150 if size == "quick" else 700
