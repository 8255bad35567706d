"""The memory of a training step: what it is used for, and the largest batch that fits."""

from steepest.data.options import TableOptions
from steepest.recipe import ModelOptions

TAKEN = (
    "batch_size", "precision", "loss", "clip", "class_weights", "device", "rows", "positive",
    *[name for name in TableOptions.model_fields if name not in ("source", "target")], *ModelOptions.model_fields,
)  # fmt: skip
"""Options on which the memory of a step depends; the rest is refused."""
