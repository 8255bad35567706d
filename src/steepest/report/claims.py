"""Sentences of a headline that other texts share: what a claim rests on, and what restricts it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence

from steepest.compare.estimates import Difference
from steepest.compare.limits import Short
from steepest.compare.result import Row
from steepest.report.words import listed
from steepest.wording import counted, two_digits

MOST_GIVEAWAYS = 3
"""So many columns that give the target away are named in the advice; of more, the first."""


def reserved(text: str, giveaways: Sequence[str]) -> str:
    """Return advice with the reservation that columns which give the target away must be known.

    Example:
        >>> reserved("Use adam: accuracy 100.0% (2 seeds). It is best.", ["Censor"])
        'Use adam: accuracy 100.0% (2 seeds), unless Censor would not be known at prediction. It is best.'
        >>> reserved("Adam is best.", ["Censor"])
        'Adam is best.'
    """
    if not giveaways or not text.startswith("Use "):
        return text
    named = listed(list(giveaways), "or")
    if len(giveaways) > MOST_GIVEAWAYS:
        named = f"one of {len(giveaways)} columns, such as {giveaways[0]},"
    advice, dot, rest = text.removesuffix(".").partition(". ")
    return f"{advice}, unless {named} would not be known at prediction{dot}{rest}."


_EVIDENCE = re.compile(
    r" \(((?:\d+ test sets × )?\d+ seeds?(?:, [\d,]+ test rows?)?)( after correction [^)]*)?\)"
)


def said_once(text: str) -> str:
    """Return a text that does not repeat what its numbers rest on.

    Example:
        >>> said_once("A tie (3 seeds, 150 test rows). Adam 0.54 (3 seeds), sgd 0.53 (5 seeds); a tie (5 seeds).")
        'A tie (3 seeds, 150 test rows). Adam 0.54, sgd 0.53 (5 seeds); a tie.'
        >>> said_once("No difference between the models can be established: 60 test rows, fewer than 100. Ridge "
        ...           "reaches 0.3; no difference can be established: 60 test rows, fewer than 100.")
        'No difference between the models can be established: 60 test rows, fewer than 100. Ridge reaches 0.3; none
        can be established here either.'
    """
    known = ""

    def once(found: re.Match[str]) -> str:
        nonlocal known
        what, after = found[1], found[2]
        if known == what or known.startswith(f"{what}, "):
            return f" ({after.strip()})" if after else ""
        known = what
        return found[0]

    return _NO_DIFFERENCE.sub(_same_reason(), _EVIDENCE.sub(once, text))


_NO_DIFFERENCE = re.compile(
    r"(no difference (?:between [^:.]* )?can be established)(: [\d,]+ test rows?, fewer than \d+)",
    re.IGNORECASE,
)


def _same_reason() -> Callable[[re.Match[str]], str]:
    """Return what leaves out a reason that was given before."""
    given: set[str] = set()

    def replaced(found: re.Match[str]) -> str:
        if found[2] in given:
            return f"{found[1]} either" if found[1][0].isupper() else "none can be established here either"
        given.add(found[2])
        return found[0]

    return replaced


def too_short(short: Short, topics: str = "optimizers") -> str:
    """Return that runs are too short to compare something, and what helps.

    Example:
        >>> too_short(Short(steps=20, epochs=0.137, minutes=1.0, enough=7.0))
        'Runs were cut to 20 steps (0.14 epochs) to fit 1 minute: too short to compare optimizers; give more time:
        --minutes 7 is expected to suffice, with another --out, as a folder keeps the length of its runs.'
        >>> too_short(Short(steps=20, epochs=0.137))
        'Runs have 20 steps (0.14 epochs): too short to compare optimizers; train for an epoch or more.'
    """
    length = f"{counted(short.steps, 'step')} ({two_digits(short.epochs)} epochs)"
    if short.minutes is None:
        return f"Runs have {length}: too short to compare {topics}; train for an epoch or more."
    enough = "" if short.enough is None else f": --minutes {short.enough:g} is expected to suffice"
    enough += ", with another --out, as a folder keeps the length of its runs"
    return (
        f"Runs were cut to {length} to fit {counted(short.minutes, 'minute')}: too short to compare {topics}; give "
        f"more time{enough}."
    )


def mistuned(names: Sequence[str], *, compared: bool = True) -> str:
    """Return that tuning failed for optimizers, what that means, and what helps.

    Args:
        names: of the arms whose library default is better.
        compared: whether something is said of them, in comparison with others.

    Example:
        >>> mistuned(["adam"])
        'Tuning failed for adam (its default rate is better on validation): what is said of it rests on a poor rate;
        name more rates around the default with --learning-rates.'
        >>> mistuned(["adam"], compared=False)
        'Tuning failed for adam (its default rate is better on validation): its result rests on a poor rate; name more
        rates around the default with --learning-rates.'
    """
    one = len(names) == 1
    rates, them, their = (
        ("its default rate is", "it", "its result rests")
        if one
        else ("their default rates are", "them", "their results rest")
    )
    what = f"what is said of {them} rests on" if compared else f"{their} on"
    return (
        f"Tuning failed for {listed(names)} ({rates} better on validation): {what} "
        f"{'a poor rate' if one else 'poor rates'}; name more rates around the default with --learning-rates."
    )


def doubted(names: Sequence[str]) -> str:
    """Return that default rates may be better than tuned ones, which too few seeds can tell, and what helps.

    Example:
        >>> doubted(["adam"])
        'The default rate of adam may be better than its tuned one: it is on validation with every seed, but too few for
        an interval that excludes zero; name more rates around it with --learning-rates, or try more --seeds.'
    """
    rates, ones, they, them = "default rate", "its tuned one", "it is", "it"
    if len(names) > 1:
        rates, ones, they, them = "default rates", "their tuned ones", "they are", "them"
    return (
        f"The {rates} of {listed(names)} may be better than {ones}: {they} on validation with every seed, but too few "
        f"for an interval that excludes zero; name more rates around {them} with --learning-rates, or try more --seeds."
    )


def cut_short(baselines: Iterable[Row]) -> list[str]:
    """Return which of the baselines that are quoted might do better: their tuning was cut.

    Example:
        >>> cut_short([Row(kind="baseline", name="gradient boosting", cut="2 of 6 settings tried")])
        ['The tuning of gradient boosting was cut (2 of 6 settings tried; a baseline has a work limit of its own), so it
        may do better.']
    """
    return [
        f"The tuning of {row.name} was cut ({row.cut}; a baseline has a work limit of its own), so it may do better."
        for row in baselines
        if row.cut
    ]


def corrected(found: Sequence[Difference]) -> str:
    """Return that only the correction took a difference away, where it did for one of them."""
    lost = next((each for each in found if each.only_uncorrected), None)
    return f" after correction for {counted(lost.comparisons, 'comparison')}" if lost else ""


def evidence(found: Difference) -> str:
    """Return what a difference was measured on.

    Example:
        >>> evidence(Difference(first="a", second="b", metric="log_loss", over="both", mean=0.1, low=0.0, high=0.2,
        ...                     n=5, rows=12559, told_apart=False))
        '5 seeds, 12,559 test rows'
    """
    rows = counted(found.rows or found.n, "test row")
    if found.over == "rows":
        return rows
    seeds = counted(found.n, "seed")
    if found.sets > 1:
        seeds = f"{found.sets} test sets × {seeds}"
    return f"{seeds}, {rows}" if found.over == "both" else seeds
