"""BibTeX of the optimizers that a comparison used."""

from __future__ import annotations

from collections.abc import Sequence

from steepest import optim
from steepest.compare.result import Comparison
from steepest.components import grammar
from steepest.errors import SteepestError
from steepest.sweep.arms import RATE_TUNED


def bibliography(optimizers: Sequence[str]) -> str:
    """Return the entries of every paper once, and a comment for each optimizer without one.

    Args:
        optimizers: specifications, as the rows of a comparison name them.

    Example:
        >>> print(bibliography(["adam", "adamax(lr=0.1)", "torch:Adamax"]))
        @inproceedings{kingma2015adam,
          author = {Kingma, Diederik P. and Ba, Jimmy},
          title = {{Adam}: A Method for Stochastic Optimization},
          booktitle = {International Conference on Learning Representations},
          year = {2015},
        }
        <BLANKLINE>
        % torch:Adamax: no reference is known
        <BLANKLINE>
    """
    entries: dict[str, None] = {}
    unknown: list[str] = []
    for text in optimizers:
        found = _references(text)
        entries |= dict.fromkeys(found)
        if not found:
            unknown.append(f"% {' '.join(text.split())}: no reference is known")
    return "\n\n".join([*entries, *unknown]) + "\n"


def cited(comparison: Comparison) -> list[str]:
    """Return the optimizers that arms have, each once, as specifications."""
    if comparison.factors == ["optimizer"] and not any(arm.name for arm in comparison.arms):
        return [row.name for row in comparison.rows if row.kind == "arm"]
    told = [
        arm.factors.get("optimizer", "").partition(RATE_TUNED)[0].partition(";")[0] for arm in comparison.arms
    ]
    named = [arm.levels.get("optimizer") or full for arm, full in zip(comparison.arms, told, strict=True)]
    return list(dict.fromkeys(each for each in named if each))


def _references(text: str) -> list[str]:
    """Only our own rules are asked: a folder may come from a stranger, and an import would run their code."""
    text = text.partition(";")[0]  # values to try
    try:
        return [] if grammar.parse(text).is_reference else optim.make_spec(text).references()
    except SteepestError:
        return []
