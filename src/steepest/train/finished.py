"""What a run is for, and what it leaves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from steepest.paths.kept import KeptPath
from steepest.paths.option import KeepPath
from steepest.record.schema import CurvePoint, Record

Weights = dict[str, Tensor]


@dataclass
class Finished:
    """What a run leaves: record, best-validation weights, what each test row gets with them, steps taken.

    ``last`` are the weights after the last step, where they are wanted, ``early`` those at points before it, and
    ``path`` those at evenly spaced steps.

    ``held`` are the names of parameters that no step changes, each with the first name of the same one.

    ``test_values`` are the values by row of further metrics, as ``rowwise.other_values`` returns them.
    """

    record: Record
    weights: Weights
    test_row_losses: Tensor | None = None
    test_row_correct: Tensor | None = None
    test_values: Mapping[str, Tensor] = field(default_factory=dict[str, Tensor])
    steps: int = 0
    last: Weights | None = None
    early: dict[str, Weights] = field(default_factory=dict[str, Weights])
    path: KeptPath | None = None
    held: Mapping[str, str] = field(default_factory=dict[str, str])

    def at(self, point: str) -> Weights | None:
        """Return the weights at a point: ``best``, ``last``, or one that was to be kept; None where they were not."""
        return {"best": self.weights, "last": self.last, **self.early}.get(point)


@dataclass(frozen=True)
class Purpose:
    """What a run is for: how often it is evaluated, and what it has to leave.

    Attributes:
        evaluations: how many times the validation rows are read, evenly over the run, and at each epoch's end unless
            the length is in gradients; then after the step that reaches each share of them.
        metrics: what is reported besides the loss and the deciding metric.
        read_test: evaluate the test rows with the best-validation and with the last weights.
        watch: what is recorded at its evaluations besides: ``gap``, ``norms``, ``gradients``.
        keep_last: return the weights after the last step, too.
        keep_early: return those after so many steps, too (or gradients where they are the length), by a name each.
        keep_path: return those at evenly spaced steps, too.
        looked: called with every evaluation; its time is in no clock.
    """

    evaluations: int = 20
    metrics: tuple[str, ...] = ()
    read_test: bool = False
    keep_last: bool = False
    keep_early: Mapping[str, int] = field(default_factory=dict[str, int])
    watch: tuple[str, ...] = ()
    keep_path: KeepPath | None = None
    looked: Callable[[CurvePoint], None] | None = None
