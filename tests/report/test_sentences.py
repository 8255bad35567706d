"""What is said follows from the intervals, in every situation a comparison can end in."""

from __future__ import annotations

import math
import re

import pytest

from steepest.compare.result import Difference, Estimate, Metric, Row
from steepest.report import format as show
from steepest.report.sentences import first_sentence, remarks

LOSS = Metric(name="log_loss", title="log loss", higher_is_better=False)
ACCURACY = Metric(name="accuracy", title="accuracy", higher_is_better=True, percent=True)
RMSE = Metric(name="rmse", title="RMSE", higher_is_better=False)
F1 = Metric(name="f1", title="F1 (macro)", higher_is_better=True, percent=True)


def row(
    name: str, mean: float, half: float = 0.002, n: int = 5, metric: Metric = LOSS, **more: object
) -> Row:
    half = half if n > 1 else 0.0
    estimate = Estimate(mean=mean, low=mean - half, high=mean + half, n=n)
    return Row.model_validate({"kind": "optimizer", "name": name, "lr": 0.1, "seeds": max(n, 1),
                               "metrics": {metric.name: estimate}, **more})  # fmt: skip


def base(name: str, mean: float, metric: Metric = LOSS, seconds: float = 7.1) -> Row:
    return row(name, mean, n=1, metric=metric, kind="baseline", lr=None, train_seconds=seconds)


def minus(second: str, mean: float, half: float, p: float | None = None, m: int = 1, metric: Metric = LOSS,
          over: str = "both", n: int = 5, first: str = "adam") -> Difference:  # fmt: skip
    """``first - second``; told apart where the corrected p-value (p if given, else by the interval) is below 0.05."""
    excludes = abs(mean) > half
    adjusted = p if p is not None else (0.001 if excludes else 0.5)
    apart = adjusted < 0.05 and n > 1
    better = (first if (mean > 0) == metric.higher_is_better else second) if apart else None
    return Difference.model_validate({
        "first": first, "second": second, "metric": metric.name, "over": over, "mean": mean,
        "low": mean - half, "high": mean + half, "n": n, "rows": 12559 if over != "seeds" else 0, "told_apart": apart,
        "better": better, "p": None if n < 2 else min(adjusted, 0.03 if excludes else 0.5), "comparisons": m,
        "p_adjusted": None if n < 2 else adjusted,
        "reason": "one seed" if n == 1 and over == "seeds" else None,
    })  # fmt: skip


LOGISTIC = base("logistic regression", 1.466)
AGAINST = minus("logistic regression", -0.002, 0.005)
MANY = [f"rule{index}" for index in range(8)]

SENTENCES = {
    "clear win": (
        (LOSS, row("adam", 1.464), [minus("sgd", -0.004, 0.002), minus("adagrad", -0.01, 0.002)], [AGAINST],
         [LOGISTIC], "logistic regression"),
        "Adam wins on log loss: 1.464 ± .002 (5 seeds), .004 [.002, .006] better than sgd, the next; the best "
        "baseline, logistic regression, gets 1.466 in 7.1 s (adam is .002 [−.003, .007] better, not told apart).",
    ),
    "win over one": (
        (LOSS, row("adam", 1.464), [minus("sgd", -0.004, 0.002)], [], [], ""),
        "Adam wins on log loss: 1.464 ± .002 (5 seeds), .004 [.002, .006] better than sgd.",
    ),
    "tie with one": (
        (LOSS, row("adam", 1.464), [minus("sgd", -0.001, 0.002)], [], [], ""),
        "Adam leads on log loss: 1.464 ± .002, not told apart from sgd by 5 seeds and 12,559 test rows "
        "(.001 [−.001, .003] better).",
    ),
    "wins over one, ties with another": (
        (LOSS, row("adam", 1.464), [minus("adamw", -0.0005, 0.002), minus("sgd", -0.01, 0.002)], [], [], ""),
        "Adam leads on log loss: 1.464 ± .002, better than sgd, not told apart from adamw by 5 seeds and 12,559 test "
        "rows (.001 [−.002, .003] better).",
    ),
    "ties with many": (
        (LOSS, row("adam", 1.464), [minus(name, -0.001, 0.002) for name in MANY], [], [], ""),
        "Adam leads on log loss: 1.464 ± .002, not told apart from any of the 8 others by 5 seeds and 12,559 test "
        "rows.",
    ),
    "lost to the correction": (
        (LOSS, row("adam", 1.464), [minus("sgd", -0.004, 0.003, p=0.09, m=3)], [], [], ""),
        "Adam leads on log loss: 1.464 ± .002, not told apart from sgd after correction for 3 comparisons "
        "(.004 [.001, .007] better).",
    ),
    "some lost to the correction": (
        (LOSS, row("adam", 1.464),
         [minus("adamw", -0.001, 0.003, m=3), minus("sgd", -0.004, 0.003, p=0.09, m=3)], [], [], ""),
        "Adam leads on log loss: 1.464 ± .002, not told apart from adamw by 5 seeds and 12,559 test rows, "
        "nor from sgd after correction for 3 comparisons.",
    ),
    "validation picked a worse one": (
        (LOSS, row("adam", 1.464), [minus("sgd", 0.004, 0.002)], [], [], ""),
        "Adam, picked by validation, gets a log loss of 1.464 ± .002 (5 seeds), .004 [.002, .006] worse than sgd.",
    ),
    "validation picked one that is not the best, and not told apart": (
        (LOSS, row("adam", 1.464), [minus("sgd", 0.001, 0.002)], [], [], ""),
        "Adam, picked by validation, gets a log loss of 1.464 ± .002, not told apart from sgd by 5 seeds and 12,559 "
        "test rows (.001 [−.001, .003] worse).",
    ),
    "worse than the baselines": (
        (LOSS, row("adam", 1.464), [], [minus("gradient boosting", 0.02, 0.005), minus("logistic regression", 0.004,
         0.005)], [base("gradient boosting", 1.444, seconds=24), base("logistic regression", 1.46)],
         "logistic regression"),
        "Adam reaches a log loss of 1.464 ± .002 (5 seeds); the best baseline, gradient boosting, gets 1.444 in 24 s "
        "(adam is .020 [.015, .025] worse); logistic regression gets 1.460 in 7.1 s (adam is .004 [−.001, .009] worse, "
        "not told apart).",
    ),
    "a baseline lost to the correction": (
        (LOSS, row("adam", 1.464), [], [minus("logistic regression", -0.006, 0.005, p=0.08, m=8)], [LOGISTIC],
         "logistic regression"),
        "Adam reaches a log loss of 1.464 ± .002 (5 seeds); the best baseline, logistic regression, gets 1.466 in "
        "7.1 s (adam is .006 [.001, .011] better, not told apart after correction for 8 comparisons).",
    ),
    "one seed": (
        (LOSS, row("adam", 1.4641, n=1), [minus("sgd", -0.1, 0.0, n=1, over="seeds")],
         [minus("logistic regression", -0.004, 0.0021, over="rows", n=12559)], [LOGISTIC], "logistic regression"),
        "Adam leads on log loss: 1.464 (one seed, so nothing is known of its spread); the best baseline, logistic "
        "regression, gets 1.466 in 7.1 s (this run of adam is .004 [.002, .006] better).",
    ),
    "one seed, and no value by row": (
        (F1, row("adam", 0.41, n=1, metric=F1), [], [minus("majority", 0.3, 0.0, n=1, over="seeds", metric=F1)],
         [base("majority", 0.11, F1)], ""),
        "Adam reaches an F1 (macro) of 41.00% (one seed, so nothing is known of its spread); the best baseline, "
        "majority, gets 11.00% in 7.1 s (no interval of the difference: one seed).",
    ),
    "everything diverged": (
        (LOSS, row("adam", math.nan, n=0), [], [], [LOGISTIC], "logistic regression"),
        "Every run of every optimizer diverged: nothing can be said about log loss.",
    ),
    "the others diverged": (
        (LOSS, row("adam", 1.464), [minus("sgd", math.nan, math.nan, n=0)], [], [], ""),
        "Adam is the only optimizer that finished, with a log loss of 1.464 ± .002 (5 seeds).",
    ),
    "one of the others diverged": (
        (LOSS, row("adam", 1.464), [minus("sgd", math.nan, math.nan, n=0), minus("adagrad", -0.01, 0.002)], [], [], ""),
        "Adam wins on log loss: 1.464 ± .002 (5 seeds), .010 [.008, .012] better than adagrad.",
    ),
    "percent, higher is better": (
        (ACCURACY, row("adam", 0.471, 0.003, metric=ACCURACY), [minus("sgd", 0.008, 0.003, metric=ACCURACY)],
         [minus("majority class", -0.02, 0.005, metric=ACCURACY)], [base("majority class", 0.491, ACCURACY)], ""),
        "Adam wins on accuracy: 47.1 ± .3% (5 seeds), .8 [.5, 1.1] points better than sgd; the best "
        "baseline, majority class, gets 49.10% in 7.1 s (adam is 2.0 [1.5, 2.5] points worse).",
    ),
    "regression": (
        (RMSE, row("adamw", 48210.0, 320.0, metric=RMSE),
         [minus("sgd", -1720.0, 900.0, metric=RMSE, first="adamw")],
         [minus("gradient boosting", 1105.0, 400.0, metric=RMSE, first="adamw")],
         [base("gradient boosting", 47105.0, RMSE)], ""),
        "AdamW wins on RMSE: 48,200 ± 300 (5 seeds), 1,700 [800, 2,600] better than sgd; the best baseline, "
        "gradient boosting, gets 47,105 in 7.1 s (adamw is 1,100 [700, 1,500] worse).",
    ),
    "the end that decides is near zero": (
        (LOSS, row("adam", 0.5, 0.02), [minus("sgd", -0.0072, 0.00698)], [], [], ""),
        "Adam wins on log loss: 0.50 ± .02 (5 seeds), .007 [.0002, .014] better than sgd.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SENTENCES)
def test_first_sentence(name):
    arguments, expected = SENTENCES[name]
    assert first_sentence(*arguments) == expected


@pytest.mark.parametrize("name", SENTENCES)
def test_first_sentence_claims_what_the_verdicts_say(name):
    (metric, winner, rivals, against, _, _), text = SENTENCES[name]
    known = [each for each in rivals if each.n > 1]
    beaten = bool(known) and all(each.better == winner.name for each in known)
    assert (" wins on " in text) == (beaten and math.isfinite(winner.metrics[metric.name].mean))
    lead, *rest = text.split("; ")
    assert ("not told apart" in lead) == any(not each.told_apart for each in known)
    told = [
        each
        for part in rest
        for each in against
        if f"{each.second} gets" in part or f"{each.second}, gets" in part
    ]
    for part, each in zip(rest, told, strict=True):
        assert ("not told apart" in part) == (not each.told_apart and each.n > 1)
    assert "equal" not in text


def test_the_longest_first_sentence_can_be_read():
    rivals = [minus("adamw", -0.001, 0.003, m=6), minus("momentum", -0.001, 0.003, m=6),
              minus("sgd", -0.004, 0.003, p=0.09, m=6)]  # fmt: skip
    against = [minus("gradient boosting", 0.02, 0.005), AGAINST]
    baselines = [base("gradient boosting", 1.444), LOGISTIC]
    text = first_sentence(LOSS, row("adam", 1.464), rivals, against, baselines, "logistic regression")
    assert len(text.split()) <= 64
    assert max(len(text.split()) for _, text in SENTENCES.values()) <= 60


@pytest.mark.parametrize("half", [1.0, 0.3, 0.0137, 4e-5])
@pytest.mark.parametrize("share", [0.9999, 0.99, 0.9, 1.01, 1.0001, 3.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_the_sign_of_each_end_can_be_seen(half, share, sign):
    low, high = sorted((sign * half * (1 - share), sign * half * (1 + share)))
    text = show.interval(low, high, show.decimals_for(half))
    ends = text.strip("[]").split(", ")
    for value, shown in zip((low, high), ends, strict=True):
        assert (shown.startswith(show.MINUS)) == (value < 0)
        assert re.search("[1-9]", shown)


def said(
    winner: Row, rivals: list[Difference], metric: Metric = LOSS, rows: list[Row] | None = None, **others
):
    return remarks(metric, [metric, ACCURACY], winner, rows or [winner], {metric.name: rivals, **others})


def test_remarks_explain_what_the_correction_took():
    found = said(row("adam", 1.464), [minus("sgd", -0.004, 0.003, p=0.09, m=3)])
    assert found == [
        "The interval of adam − sgd alone excludes zero, but 3 comparisons were made and one may do that by luck: "
        "corrected for their number, the two are not told apart (p = 0.03, corrected = 0.09)."
    ]
    assert said(row("adam", 1.464), [minus("sgd", -0.004, 0.002)]) == []


def test_remarks_say_where_test_rows_are_not_held():
    winner = row("adam", 0.41, metric=F1)
    found = said(winner, [minus("sgd", 0.1, 0.01, metric=F1, over="seeds")], F1)
    assert found == [
        "F1 (macro) has no value by row: its intervals hold the run seeds alone, as if there were no other test rows."
    ]


ACCURACIES = [
    ([0.001, 0.002], "Accuracy does not tell adam apart from the others by 5 seeds and 12,559 test rows."),
    ([0.02, 0.002], "On accuracy adam is above sgd and not told apart from the others."),
    ([-0.02, 0.03], "On accuracy adam is below sgd and above adagrad."),
]


@pytest.mark.parametrize(("gaps", "expected"), ACCURACIES)
def test_remarks_on_accuracy(gaps, expected):
    found = [
        minus(name, gap, 0.01, metric=ACCURACY) for name, gap in zip(("sgd", "adagrad"), gaps, strict=True)
    ]
    assert said(row("adam", 1.464), [minus("sgd", -0.004, 0.002)], accuracy=found) == [expected]


def test_remarks_name_the_better_mean_and_who_diverged():
    winner, other = row("adam", 1.464), row("sgd", 1.46)
    lost = row("lion", 1.47, n=3, outcome="diverged 2 of 5")
    default = row("lion", math.nan, n=0, outcome="diverged 5 of 5", kind="default")
    found = said(winner, [], rows=[winner, other, lost, default])
    assert found == [
        "Validation picked adam; on the test rows sgd has the better mean.",
        "Lion diverged 2 of 5 runs.",
        "Lion at its library default diverged 5 of 5 runs.",
    ]
