"""Labels of arms: what distinguishes each from the others, as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from steepest.components import grammar
from steepest.procedures import make_procedure
from steepest.regularizers import NONE
from steepest.sweep.arms import ALL_ROWS, CALLABLE, DEFAULT, TRUE_LABELS, UNPREPARED


def labels_of(shown: Sequence[Mapping[str, str]], differing: Sequence[str]) -> list[str]:
    """Return a label for each arm: the values of the factors in which some differ, or of a single arm its optimizer.

    Args:
        shown: the value of each factor, as people read it.
        differing: the factors to name.

    Example:
        >>> arms = [{"optimizer": "adam", "batch_size": "32"}, {"optimizer": "sgd", "batch_size": "32"}]
        >>> labels_of(arms, ["optimizer", "batch_size"])
        ['adam, batch 32', 'sgd, batch 32']
        >>> arms = [{"model": "mlp(hidden=(8,), dropout=0.1)"}, {"model": "mlp(hidden=(9,), dropout=0.1)"}]
        >>> labels_of(arms, ["model"])
        ['mlp(hidden=(8,))', 'mlp(hidden=(9,))']
    """
    values = {name: [each[name] for each in shown] for name in differing or ["optimizer"]}
    if "model" in values:
        values["model"] = _shortened(values["model"])
    if "prepare" in values:
        names = [Path(each).name for each in values["prepare"]]
        values["prepare"] = names if len(set(names)) == len(set(values["prepare"])) else values["prepare"]
    return [
        ", ".join(_shown(name, each) for name, each in zip(values, arm, strict=True))
        for arm in zip(*values.values(), strict=True)
    ]


def _shortened(models: Sequence[str]) -> list[str]:
    """Return specifications without the options that all models of a name share."""
    specs = [None if each.startswith(CALLABLE) else grammar.parse(each) for each in models]
    found: list[str] = []
    for text, spec in zip(models, specs, strict=True):
        if spec is None:
            found.append(text.removeprefix(CALLABLE).rpartition(":")[2])
            continue
        same = [each for each in specs if each is not None and each.name == spec.name]
        own = {
            name: value
            for name, value in spec.options.items()
            if any(each.options.get(name, ...) != value for each in same)
        }
        found.append(str(grammar.Spec(spec.name, spec.arguments, own)))
    return found if len(set(found)) == len(set(models)) else list(models)


def _shown(name: str, value: str) -> str:
    if name == "batch_size":
        return f"{value} batch" if value == DEFAULT else f"batch {value}"
    if name == "train_rows":
        return (
            "all rows"
            if value == ALL_ROWS
            else f"{value} rows"
            if value.isdigit()
            else f"{100 * float(value):g} % of the rows"
        )
    if name == "labels":
        return "true labels" if value == TRUE_LABELS else value
    if name == "prepare":
        return "not prepared" if value in ("", UNPREPARED) else value
    if name == "loss":
        return f"{value or 'default'} loss"
    if name == "regularizer":
        return "no regularizer" if value in ("", NONE) else value
    if name == "rates":
        return "one rate" if value in ("", NONE) else f"rates {value}"
    if name == "freeze":
        return "all trained" if value in ("", NONE) else f"fixed {value}"
    if name == "schedule":
        return f"{value} schedule"
    if name == "procedure":
        return make_procedure(value).title
    return value


def is_factorial(factors: Sequence[Mapping[str, str]], differing: Sequence[str]) -> bool:
    """Return whether the arms are all combinations of the values of the factors in which they differ.

    Example:
        >>> is_factorial([{"optimizer": "adam"}, {"optimizer": "sgd"}], ["optimizer"])
        True
    """
    levels = [len({each[name] for each in factors}) for name in differing]
    count = 1
    for each in levels:
        count *= each
    return count == len({tuple(each[name] for name in differing) for each in factors}) == len(factors)
