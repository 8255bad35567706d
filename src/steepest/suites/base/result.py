"""A finished suite: its numbers, tables and files."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from steepest.api import Result
from steepest.compare.across import (
    Contest,
    SuiteResults,
    Tally,
    contests,
    factors_above_best,
    friedman,
    mean_rank,
    ranks,
)
from steepest.errors import FolderError
from steepest.files import reachable
from steepest.record.store import SUITE
from steepest.report.across import sentence, suite_text
from steepest.wording import plain_text

RESULTS = SUITE
"""The file with the numbers of a finished suite."""


@dataclass(frozen=True)
class SuiteResult:
    """A finished suite.

    Attributes:
        path: its folder.
        results: its numbers.
        parts: by data set, the comparison of what was trained here; none of a set where nothing was.
    """

    path: Path
    results: SuiteResults
    parts: Mapping[str, Result]

    @classmethod
    def load(cls, folder: str | Path) -> SuiteResult:
        """Return the finished suite of a folder, without its comparisons.

        Raises:
            FolderError: it holds none, or the file is damaged.
        """
        path = reachable(folder)
        file = path / RESULTS
        try:
            found = SuiteResults.model_validate_json(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise FolderError(
                f"cannot read {file.as_posix()!r}: {str(error).splitlines()[0]}",
                hint="name the --out folder of a finished steepest suite.",
            ) from None
        return cls(path, found, {})

    @property
    def sentence(self) -> str:
        """The headline: how often it won, was not told apart and lost."""
        return sentence(self.results)

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def table(self) -> pl.DataFrame:
        """One row per data set, arm and seed: the deciding metric on the test and the validation rows, and the rate."""
        rows = [
            {
                "set": each.name,
                "arm": arm.name,
                "seed": seed,
                "metric": each.metric.name,
                "test": arm.test[each.metric.name][place],
                "validation": arm.validation[each.metric.name][place],
                "lr": arm.lr,
                "stored": arm.stored,
            }
            for each in self.results.sets
            for arm in each.arms
            for place, seed in enumerate(arm.seeds)
        ]
        schema = {
            "set": pl.String, "arm": pl.String, "seed": pl.Int64, "metric": pl.String, "test": pl.Float64,
            "validation": pl.Float64, "lr": pl.Float64, "stored": pl.Boolean,
        }  # fmt: skip
        return pl.DataFrame(rows, schema=schema)

    @property
    def contests(self) -> pl.DataFrame:
        """One row per comparison: difference, interval, p-value, corrected p-value and verdict."""
        rows = [each.model_dump() for each in contests(self.results)]
        return pl.DataFrame(rows, schema=None if rows else list(Contest.model_fields))

    @property
    def wins(self) -> pl.DataFrame:
        """One row per opponent: on how many data sets it was beaten, not told apart, and better."""
        found = contests(self.results)
        rows = [
            {"arm": first, "against": second, **Tally.of(mine).model_dump()}
            for first in self.results.mine
            for second in self.results.others
            if (mine := [each for each in found if (each.first, each.second) == (first, second)])
        ]
        return pl.DataFrame(rows)

    @property
    def ranks(self) -> pl.DataFrame:
        """One row per arm: its rank on each data set, and their mean, the best first."""
        names = [each.name for each in self.results.sets]
        rows = [
            {"arm": arm, **dict(zip(names, places, strict=True)), "mean": mean_rank(places)}
            for arm, places in ranks(self.results).items()
        ]
        return pl.DataFrame(rows).sort("mean", maintain_order=True)

    @property
    def friedman(self) -> float:
        """The p-value of Friedman's test that all arms rank alike; NaN of fewer than three sets."""
        return friedman(self.results)

    @property
    def factors(self) -> dict[str, list[float]]:
        """By what factor each arm is above the best of each data set: the numbers of the performance profile."""
        return factors_above_best(self.results)

    def __rich__(self) -> Any:
        return suite_text(self.results)

    def __repr__(self) -> str:
        return plain_text(suite_text(self.results))

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(repr(self))}</pre>"
