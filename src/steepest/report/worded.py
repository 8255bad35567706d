"""A comparison in words: headline, remarks, warnings and how to use it, from what was found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from steepest.compare.assemble import EDGE, OUT_OF_TIME
from steepest.compare.estimates import Difference
from steepest.compare.limits import Limits
from steepest.compare.result import Comparison, Row
from steepest.compare.summary import Summary
from steepest.data.dataset import Note
from steepest.evaluate.baselines import NOT_SAVED
from steepest.report.claims import doubted, mistuned
from steepest.report.factors import subject
from steepest.report.headline import headline
from steepest.report.sentences import about_altered_data, remarks
from steepest.report.usage import seen, usage
from steepest.report.words import Subject, listed

MOST_OF_NAMES = 160
"""Characters of names in a warning; where there are more, arms are counted."""


def worded(
    found: Summary, notes: Sequence[Note], folder: Path, model: str | None, left_out: str = ""
) -> Comparison:
    """Return the comparison with its sentences.

    Args:
        found: what was found.
        notes: those of the data.
        folder: where the experiment is.
        model: what the winner's network was built from, None if no run of it finished.
        left_out: a sentence on arms that have no results.
    """
    comparison, limits = found.comparison, found.limits
    metric, what = comparison.metrics[0], subject(comparison)
    mine = next(row for row in comparison.rows if row.kind == "arm" and row.name == comparison.winner)
    use = comparison.recommended
    said = about_altered_data(
        found.altered.of_winner,
        [what.name(title) for title in found.altered.ahead],
        all_are=found.altered.all_are,
    )
    made = comparison.model_copy(
        update={
            "sentence": headline(
                metric,
                comparison.rows,
                mine,
                found.rivals[metric.name],
                found.against,
                recommended="" if use == comparison.winner else use,
                reference=found.reference,
                limits=limits,
                subject=what,
                factorial=comparison.factorial,
                giveaways=[each.giveaway for each in notes if each.giveaway],
            )
            + (said and f" {what.sentence(said)}")
            + (left_out and f" {left_out}")
            + ("" if comparison.held_out else " All results are on the training rows; nothing was held out."),
            "remarks": remarks(
                metric, comparison.metrics, mine, comparison.rows, {} if limits.silent else found.rivals, what
            ),
            "warnings": [
                *_warnings(notes, comparison.rows, limits, what),
                *_about_unsaved(found.against, comparison),
                *_about_effects(found.no_effects),
            ],
        }
    )
    return made.model_copy(update={"use": usage(folder, made, model), "see": seen(folder, made, model)})


def _warnings(notes: Sequence[Note], rows: Sequence[Row], bounds: Limits, what: Subject) -> list[str]:
    found = [note.text for note in notes if note.kind == "warning"]
    if bounds.mistuned:
        found.append(mistuned(bounds.mistuned))
    if bounds.doubted:
        found.append(doubted(bounds.doubted))
    for flag in (OUT_OF_TIME, "still improving", "overfitting", EDGE):
        arms = [row for row in rows if row.kind == "arm"]
        names = [what.name(row.name) for row in arms if flag in row.flags]
        if names:
            which = listed(names)
            if len(which) > MOST_OF_NAMES:
                which = f"{len(names)} of the {len(arms)} {what.many}"
            found.append(f"{which}: {_SENTENCES.get(flag, flag)}.")
    return found


_SENTENCES = {
    OUT_OF_TIME: "most runs ended at --max-seconds, before their planned length and the end of their schedule",
    "still improving": "still improving at the end of most runs: give more epochs (--epochs N)",
    "overfitting": "overfitting: the validation metric became worse again after its best, whose weights are the "
    "result; try fewer epochs (--epochs N) or a regularizer (--regularizer 'dropout(0.2)')",
    EDGE: "the best rate is at the edge of the grid, and a better one may lie beyond it: name a wider range "
    "(--tune 'lr=LOW..HIGH')",
}
"""What the flags of arms mean, with the advice."""


def _about_unsaved(against: Sequence[Difference], comparison: Comparison) -> list[str]:
    """Return which baselines are ahead of the winner and cannot be used, because they are not saved."""
    better = {each.second for each in against if each.told_apart and each.better == each.second}
    rows = [row for row in comparison.rows if row.name in better and NOT_SAVED in row.settings]
    networks = [row.name for row in rows if row.parameter_bytes is not None]
    others = [row.name for row in rows if row.parameter_bytes is None]
    found: list[str] = []
    for ahead, trained in ((others, False), (networks, True)):
        if ahead:
            verb = "is" if len(ahead) == 1 else "are"
            text = f"{listed(ahead)} {verb} better than {comparison.winner} by a detectable difference"
            why = ": training made the network worse on this text."
            cure = f" and {verb} not saved: to predict, fit it with scikit-learn."
            found.append(text + (why if trained else cure))
    return found


def _about_effects(why_none: str) -> list[str]:
    return [f"There are no main effects: {why_none}."] if why_none else []
