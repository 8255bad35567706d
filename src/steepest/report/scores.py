"""Scores of new rows as lines for a terminal."""

from __future__ import annotations

from steepest.compare.estimates import Interval
from steepest.evaluate.metrics import metric_info
from steepest.prediction.known import KnownScores, Score
from steepest.report import format as fmt
from steepest.wording import counted, first_few


def score_lines(scores: KnownScores) -> list[str]:
    """Return what is known of predictions whose target is there: a heading, a line for each metric, and what is not.

    Example:
        >>> metrics = Score("log_loss", 0.4121, 0.3871, 0.4371), Score("accuracy", 0.815, 0.78, 0.85)
        >>> print("\\n".join(score_lines(KnownScores("left", 400, metrics))))
        scores on 400 rows with a known left [95 % interval, other rows of the same kind]
          log loss  0.412 [.387, .437]
          accuracy  81.5 % [78.0, 85.0]
    """
    lines: list[str] = []
    intervals = any(each.low is not None for each in scores.metrics)
    if scores.rows:
        about = " [95 % interval, other rows of the same kind]" if intervals else ""
        rows = counted(scores.rows, "row")
        by = f", weighted by {scores.weight}" if scores.weighted else ""
        what = f"{rows} with a known {scores.target}{by}{about}"
        if scores.scoring:
            what = f"{rows} of a text, {scores.scoring}{about}"
        if not scores.new:
            how = f", {scores.scoring}" if scores.scoring else ""
            what = f"{rows} that the model was trained or chosen on{by}{how}: too good for new rows"
        lines.append(f"scores on {what}")
    width = max((len(metric_info(each.name).title) for each in scores.metrics), default=0)
    lines += [f"  {metric_info(each.name).title:<{width}}  {_shown(each)}" for each in scores.metrics]
    if scores.rows and scores.weight is not None and not scores.weighted:
        lines.append(f"  not weighted: the file has no column {scores.weight}")
    if scores.reason and scores.new:
        lines.append(f"  no intervals: {scores.reason}")
    if scores.seen and scores.new:
        were = "row was" if scores.seen == 1 else "rows were"
        lines.append(
            f"  {scores.seen:,} of {scores.seen + scores.rows:,} {were} training or validation rows: not scored"
        )
    if scores.equal:
        which = "rows equals" if scores.equal == 1 else "rows equal"
        scored = (
            "the scored row equals"
            if scores.rows == 1
            else f"{scores.equal:,} of {scores.rows:,} scored {which}"
        )
        lines.append(f"  {scored} a training or validation row")
    if scores.missing:
        lines.append(f"  {counted(scores.missing, 'row has', 'rows have')} no {scores.target}: not scored")
    if scores.unknown:
        n = sum(scores.unknown.values())
        names = first_few([repr(each) for each in scores.unknown])
        lines.append(
            f"  {counted(n, 'row has', 'rows have')} a {scores.target} that training did not have ({names}): not scored"
        )
    if scores.weightless:
        have = counted(scores.weightless, "row has", "rows have")
        lines.append(f"  {have} the weight 0 in {scores.weight}: not scored")
    if scores.unweighed:
        have = counted(scores.unweighed, "row has", "rows have")
        lines.append(f"  {have} no weight (a number from 0) in {scores.weight}: not scored")
    return lines


def _shown(score: Score) -> str:
    percent = metric_info(score.name).percent
    scale = 100.0 if percent else 1.0
    found = Interval(mean=score.value, low=score.low, high=score.high, n=1)
    decimals = fmt.column_decimals([found], percent=percent)
    value = fmt.number(score.value * scale, decimals) + (" %" if percent else "")
    if found.ends is None:
        return value
    low, high = found.ends
    return f"{value} {fmt.interval(low * scale, high * scale, decimals)}"
