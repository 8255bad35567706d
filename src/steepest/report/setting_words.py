"""Settings of a comparison in words, and which of them the facts of a report say as well."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steepest.recipe.options import flag_of
from steepest.report.factors import title_of

FINGERPRINT = "fingerprint"
"""The fact that is a hash of the data, their preparation and the split, which the other facts say in words."""

SAID_BY: Mapping[str, Sequence[str]] = {
    "source": ("data.source",),
    "target": ("data.target", "data.task"),
    "split": ("data.split", "data.split_seed"),
    "weights of rows": ("data.weight",),
    "model": ("model.model", "factors.model"),
    "schedule": ("protocol.schedule", "factors.schedule"),
    "regularizer": ("protocol.regularizer", "factors.regularizer"),
    "class weights": ("protocol.class_weights",),
    "clipping": ("protocol.clip",),
    "seeds": ("protocol.seeds",),
    "evaluations of a run": ("protocol.evaluations",),
    "micro-batches": ("protocol.accumulate",),
    "seconds of training": ("protocol.max_seconds",),
}
"""Settings that a fact says as well, by its label."""

_WORDS = {
    "data.categorical": "columns read as categories",
    "data.continuous": "columns read as numbers",
    "data.drop": "columns left out",
    "data.features": "columns used",
    "data.min_count": "rows that a category needs",
    "data.missing": "texts read as missing",
    "data.size": "size of images",
    "data.test": "share of test rows",
    "data.validation": "share of validation rows",
    "data.weight": "weights of rows",
    "data.x": "column along which the curve runs",
    "data.y": "column with the curve's values",
    "model.hidden": "units of hidden layers",
    "model.embedding": "sizes of embeddings",
    "protocol.clip": "clipping",
    "protocol.minutes": "time budget in minutes",
    "protocol.seed": "first run seed",
}
"""Settings whose names alone do not say what they are."""


def words_of(setting: str) -> str:
    """Return how people call a setting of a comparison.

    Args:
        setting: its place in ``experiment.toml``, such as ``data.split_seed``.

    Example:
        >>> [words_of(each) for each in ("data.continuous", "data.split_seed", "protocol.batch_size", "optimizers")]
        ['columns read as numbers', 'split seed', 'batch size', 'optimizers']
        >>> words_of("factors.train_rows"), words_of("model.embedding.city")
        ('training rows, compared', 'sizes of embeddings: city')
    """
    section, _, rest = setting.partition(".")
    name, _, inner = rest.partition(".")
    if section == "factors":
        words = f"{title_of(name)}, compared"
    else:
        words = _WORDS.get(f"{section}.{name}") or flag_of(name or section)[2:].replace("-", " ")
    return f"{words}: {inner}" if inner else words
