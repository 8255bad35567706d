"""Why a run ended badly: the likely cause, in words, for its record."""

from __future__ import annotations

import torch

from steepest.data.dataset import Part
from steepest.errors import SteepestError, StepError, first_line, is_out_of_memory
from steepest.record.schema import Outcome


def ended_by(error: Exception, when: str, batch_size: int) -> tuple[Outcome, str]:
    """Return how a run ends in which a step or an evaluation raised an error, and why; both go on record.

    Args:
        error: what was raised.
        when: in which step or evaluation.
        batch_size: rows of a step.

    Raises:
        SteepestError: it is no fault of a run but one that the user has to mend, such as a step that cannot be
            compiled.

    Example:
        >>> ended_by(torch.linalg.LinAlgError("the matrix is singular"), "at step 5", 64)
        ('failed', 'at step 5: LinAlgError: the matrix is singular')
    """
    if isinstance(error, StepError):
        return "failed", error.fact
    if isinstance(error, SteepestError):
        raise error
    if is_out_of_memory(error):
        return "out of memory", f"{when} with batches of {batch_size} rows"
    return "failed", f"{when}: {type(error).__name__.lstrip('_')}: {first_line(error) or 'no message'}"


def likely_cause(rows: Part, step: int, first: float) -> str:
    """Return the likely cause of a loss that is not finite.

    Args:
        rows: those with that loss.
        step: steps taken when it was seen, from 1.
        first: the deciding metric before the first step.

    Example:
        >>> x = torch.tensor([[1.0], [float("nan")]])
        >>> likely_cause(Part((x,), torch.tensor([0, 1])), 1, 0.7)
        'the inputs hold NaN or infinite values'
        >>> likely_cause(Part((x.nan_to_num(),), torch.tensor([0, 1])), 9, 0.7)
        'the rate is too large'
    """
    for name, values in (*(("inputs hold", each) for each in rows.inputs), ("target holds", rows.target)):
        if values.is_floating_point() and not bool(torch.isfinite(values).all()):
            return f"the {name} NaN or infinite values"
    if step == 1 and first != first:
        return "the model gives NaN before its first step"
    return "the rate is too large"
