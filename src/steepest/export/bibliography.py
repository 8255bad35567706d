"""BibTeX of the optimizers, losses, regularizers, models and ways of fine-tuning that a comparison used."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from steepest import finetuning, models, objectives, optim, regularizers
from steepest.compare.result import Comparison
from steepest.components import grammar
from steepest.components.citation import bibtex_entries
from steepest.components.declared import make_component
from steepest.components.registry import Registry
from steepest.errors import SteepestError
from steepest.sweep.wanted import RATE_TUNED


def bibliography(
    optimizers: Sequence[str],
    losses: Sequence[str] = (),
    regularized: Sequence[str] = (),
    networks: Sequence[str] = (),
    ways: Sequence[str] = (),
) -> str:
    """Return the entries of every paper once, and a comment for each component without one.

    A loss of steepest that needs no reference, such as the squared error, has no comment either.

    Args:
        optimizers: specifications, as the rows of a comparison name them.
        losses: specifications.
        regularized: specifications, those of an arm joined by ``+``.
        networks: specifications of models; a user's own has no comment.
        ways: specifications of ways of fine-tuning; those without a paper have no comment.

    Example:
        >>> print(bibliography(["adam", "adamax(lr=0.1)", "torch:Adamax"], ["squared", "quantile(0.9)"]))
        @inproceedings{kingma2015adam,
          author = {Kingma, Diederik P. and Ba, Jimmy},
          title = {{Adam}: A Method for Stochastic Optimization},
          booktitle = {International Conference on Learning Representations},
          year = {2015},
        }
        <BLANKLINE>
        @article{koenker1978regression,
          author = {Koenker, Roger and Bassett, Gilbert},
          title = {Regression Quantiles},
          journal = {Econometrica},
          volume = {46},
          pages = {33--50},
          year = {1978},
        }
        <BLANKLINE>
        % torch:Adamax: no reference is known
        <BLANKLINE>
    """
    entries: dict[str, None] = {}
    unknown: dict[str, None] = {}
    for text, found in _found(optimizers, losses, regularized, networks, ways):
        entries |= dict.fromkeys(found or [])
        if found is None:
            unknown[f"% {' '.join(text.split())}: no reference is known"] = None
    return "\n\n".join([*entries, *unknown]) + "\n"


def bibliography_of(comparison: Comparison) -> str:
    """Return the bibliography of a comparison: of its optimizers, then losses, regularizers, models and ways of
    fine-tuning."""
    values = [
        [arm.factors[factor] for arm in comparison.arms if arm.factors.get(factor)]
        for factor in ("loss", "regularizer", "model", "finetune")
    ]
    return bibliography(cited(comparison), *values)


def cited(comparison: Comparison) -> list[str]:
    """Return the optimizers that arms have, each once, as specifications."""
    if comparison.factors == ["optimizer"] and not any(arm.name for arm in comparison.arms):
        return [row.name for row in comparison.rows if row.kind == "arm"]
    told = [
        arm.factors.get("optimizer", "").partition(RATE_TUNED)[0].partition(";")[0] for arm in comparison.arms
    ]
    named = [arm.levels.get("optimizer") or full for arm, full in zip(comparison.arms, told, strict=True)]
    return list(dict.fromkeys(each for each in named if each))


def _found(
    optimizers: Sequence[str],
    losses: Sequence[str],
    regularized: Sequence[str],
    networks: Sequence[str],
    ways: Sequence[str],
) -> Iterable[tuple[str, list[str] | None]]:
    """Yield every component with its entries, or None where none are known.

    Only our own components are asked: a folder may come from a stranger, and an import would run their code.
    """
    for text in optimizers:
        single = text.partition(";")[0]  # values to try
        yield text, _own(single, lambda each: optim.make_spec(each).references()) or None
    for text in losses:
        yield text, _own(text, lambda each: _declared(objectives.registry, each))
    for text in regularized:
        for part in [] if text == regularizers.NONE else grammar.split(text, at="+"):
            yield part, _own(part, lambda each: _declared(regularizers.registry, each))
    for text in networks:
        yield text, _own(text, _of_model) or []
    for text in ways:
        yield text, _own(text, lambda each: _declared(finetuning.registry, each)) or []


def _own(text: str, references: Callable[[str], list[str]]) -> list[str] | None:
    try:
        return None if grammar.parse(text).is_reference else references(text)
    except SteepestError:
        return None


def _of_model(text: str) -> list[str]:
    return bibtex_entries(getattr(models.registry.load(grammar.parse(text).name), "bibtex", ""))


def _declared(registry: Registry, text: str) -> list[str]:
    return make_component(registry, text).references()
