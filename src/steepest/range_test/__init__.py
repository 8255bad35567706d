"""The learning rate range test: of the arms of a comparison, or of a model and an optimizer of one's own."""

from __future__ import annotations

from steepest.recipe import ExecutionOptions, Protocol

USED = ("positive", "seed", "batch_size", "class_weights", "clip", "precision", "device")
"""Options of the protocol and the execution that a range test uses, beside those of the data and the model."""


def unused() -> set[str]:
    """Return the names of options of a comparison that a range test does not use: the rate rises, and there is one run.

    Example:
        >>> "seeds" in unused(), "batch_size" in unused()
        (True, False)
    """
    return {*Protocol.model_fields, *ExecutionOptions.model_fields, "schedule", "procedure"} - {*USED}
