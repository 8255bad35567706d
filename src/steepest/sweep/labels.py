"""Labels of arms: what distinguishes each from the others, as people read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from steepest.components import grammar
from steepest.data.variants import BY_RUN
from steepest.optim.selection import shown_rates
from steepest.procedures import make_procedure
from steepest.recipe import CALLABLE, FACTOR
from steepest.recipe.factors import NOTHING
from steepest.sweep.arms import ALL_ROWS
from steepest.sweep.wanted import DEFAULT


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
        ", ".join(shown_value(name, each) for name, each in zip(values, arm, strict=True))
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


def shown_value(name: str, value: str) -> str:
    """Return the value of a factor as people read it, where nothing says whose value it is.

    Example:
        >>> shown_value("batch_size", "32"), shown_value("freeze", "none"), shown_value("rates", "head=10.0")
        ('batch 32', 'all trained', 'rates head=10')
    """
    factor = FACTOR[name]
    if factor.plain and value in ("", NOTHING, factor.empty):
        return factor.plain
    match name:
        case "batch_size" if value == DEFAULT:
            return f"{value} batch"
        case "train_rows":
            return _rows(value)
        case "procedure":
            return make_procedure(value).title
        case "rates":
            return factor.label.format(shown_rates(value))
        case _:
            return factor.label.format(value)


def _rows(value: str) -> str:
    if value == ALL_ROWS:
        return "all rows"
    if value.startswith(BY_RUN):
        return f"{_rows(value.removeprefix(BY_RUN))} by run seed"
    return f"{value} rows" if value.isdigit() else f"{100 * float(value):g} % of the rows"


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
