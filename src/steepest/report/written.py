"""What language models write and have forgotten, as plain values for the page."""

from __future__ import annotations

from dataclasses import dataclass

from steepest.compare.estimates import Estimate
from steepest.compare.result import Comparison
from steepest.report import format as show
from steepest.report.digits import digits_of
from steepest.report.view import metric_of
from steepest.report.words import listed


@dataclass(frozen=True)
class Sample:
    """A text that networks wrote behind the prompt: of which networks, and when."""

    title: str
    when: str
    text: str


def samples(comparison: Comparison) -> list[Sample]:
    """Return what networks write: before training, once where all begin with the same weights, then after it.

    Example:
        >>> from steepest.compare.written import WrittenSample, WrittenTexts
        >>> some = [WrittenSample(arm=arm, before="x", after=arm) for arm in ("adam", "sgd")]
        >>> texts = WrittenTexts(prompt="the", temperature=0.8, top_k=40, samples=some)
        >>> found = Comparison(title="", sentence="", metric="token_loss", winner="", rows=[], metrics=[], texts=texts)
        >>> for each in samples(found):
        ...     print(each.title, each.when, each.text, sep=" | ")
        every network | before training | x
        adam | after training | adam
        sgd | after training | sgd
    """
    given = [] if comparison.texts is None else comparison.texts.samples
    first = {each.before for each in given}
    found = [
        Sample("every network", "before training", each) for each in first if len(given) > 1 == len(first)
    ]
    for each in given:
        if not found or len(first) > 1:
            found.append(Sample(each.arm, "before training", each.before))
        found.append(Sample(each.arm, "after training", each.after))
    return found


@dataclass(frozen=True)
class OtherLine:
    """A line of the table on another text, as texts."""

    arm: str
    metric: str
    before: str
    after: str
    change: str


def other_lines(comparison: Comparison) -> list[OtherLine]:
    """Return a line for each arm and metric on another text, with the decimals that the metric has elsewhere."""
    found: list[OtherLine] = []
    for each in [] if comparison.texts is None else comparison.texts.other:
        digits = digits_of(comparison, metric_of(comparison, each.metric))
        ends = [
            show.number(value * digits.scale, digits.decimals, sign=True) for value in sorted(each.changes)
        ]
        before, after = (digits.value(Estimate(mean=value, n=1)) for value in (each.before, each.after))
        change = ends[0] if ends[0] == ends[-1] else f"{ends[0]} to {ends[-1]}"
        found.append(OtherLine(each.arm, each.title, before, after, change))
    return found


def forgotten(comparison: Comparison) -> str:
    """Return what a higher loss on another text means; networks that began with drawn weights had nothing to forget.

    Example:
        >>> from steepest.compare.written import OtherText, WrittenTexts
        >>> other = [OtherText(arm="adam", metric="token_loss", title="loss per token", before=5.5, after=5.6)]
        >>> texts = WrittenTexts(prompt="the", temperature=0.8, top_k=40, other=other, drawn=["adam"])
        >>> found = Comparison(title="", sentence="", metric="token_loss", winner="", rows=[], metrics=[], texts=texts)
        >>> forgotten(found)
        'The networks began with weights drawn at random, so they had nothing to forget.'
    """
    texts = comparison.texts
    arms = dict.fromkeys(each.arm for each in texts.other) if texts is not None else {}
    drawn = [each for each in arms if texts is not None and each in texts.drawn]
    if len(drawn) == len(arms):
        return "The networks began with weights drawn at random, so they had nothing to forget."
    found = "A higher loss after training is what a network has forgotten of the other text."
    return (
        f"{found} {listed(drawn)} began with weights drawn at random: nothing to forget." if drawn else found
    )
