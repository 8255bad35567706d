"""The trials of every arm's tuning, as pure data: points, results, who was cut and when."""

from __future__ import annotations

from pydantic import Field, JsonValue

from steepest.record.schema import Frozen


class TrialResult(Frozen):
    """One run of a trial.

    Attributes:
        length: in full lengths.
        value: the deciding metric on the validation rows, NaN where the run failed.
    """

    length: float
    value: float


class SearchTrial(Frozen):
    """One point that was tried.

    Attributes:
        lr: its learning rate.
        at: its other values, where more than the rate was tuned.
        results: of its runs, from the shortest to the longest.
        cut: whether it had no longer run because others were better.
        chosen: whether it is the one that was chosen.
    """

    lr: float
    at: dict[str, JsonValue] = Field(default_factory=dict)
    results: list[TrialResult]
    cut: bool = False
    chosen: bool = False


class BestAfter(Frozen):
    """The best validation result that is to be expected after 1, 2, … trials of an arm.

    Attributes:
        mean: the expected best; low, high: its 95 % bootstrap interval.
        length: of the runs that it is of, in full lengths.
    """

    mean: list[float]
    low: list[float]
    high: list[float]
    length: float


class ArmSearch(Frozen):
    """The tuning of one arm.

    Attributes:
        name: its title.
        trials: in the order in which they were drawn; a grid of rates ascends.
        best_after: the expected best after fewer trials; None where no trial finished.
    """

    name: str
    trials: list[SearchTrial]
    best_after: BestAfter | None = None
