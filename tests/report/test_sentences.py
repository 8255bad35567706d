"""What is said follows from the intervals, in every situation a comparison can end in."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from steepest.compare.effects import Factorial, Interaction, LevelMean, MainEffect
from steepest.compare.estimates import IDENTICAL, Difference, Estimate
from steepest.compare.limits import NO_LIMITS, Limits, Short
from steepest.compare.result import Comparison, Effect, Metric, Row
from steepest.evaluate.baselines import NOT_SAVED
from steepest.evaluate.rowwise import too_few
from steepest.report import format as show
from steepest.report import results
from steepest.report.digits import Digits, digits
from steepest.report.headline import headline
from steepest.report.html import render_html
from steepest.report.results import as_html
from steepest.report.sentences import notes, remarks
from steepest.report.text import comparison_table
from steepest.report.view import bars
from steepest.report.words import Subject
from steepest.wording import plain_text

LOSS = Metric(name="log_loss", title="log loss", higher_is_better=False)
ACCURACY = Metric(name="accuracy", title="accuracy", higher_is_better=True, percent=True)
RMSE = Metric(name="rmse", title="RMSE", higher_is_better=False)
F1 = Metric(name="f1", title="F1 (macro)", higher_is_better=True, percent=True)


def row(
    name: str, mean: float, half: float = 0.002, n: int = 5, metric: Metric = LOSS, **more: object
) -> Row:
    half = half if n > 1 else 0.0
    estimate = Estimate(mean=mean, low=mean - half, high=mean + half, n=n)
    return Row.model_validate({"kind": "arm", "name": name, "lr": 0.1, "seeds": max(n, 1),
                               "metrics": {metric.name: estimate}, **more})  # fmt: skip


def base(name: str, mean: float, metric: Metric = LOSS, seconds: float = 7.1, **more: object) -> Row:
    return row(name, mean, n=1, metric=metric, kind="baseline", lr=None, train_seconds=seconds, **more)


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


def same(second: str) -> Difference:
    """Return the difference from an arm with the same numbers in all seeds."""
    return minus(second, 0.0, 0.0).model_copy(update={**Difference.lacking(), "reason": IDENTICAL})


def few(second: str, mean: float) -> Difference:
    """Return a difference on too few test rows for an interval."""
    reason = too_few("log_loss", 60, None, "test row")
    return minus(second, mean, 0.0).model_copy(update={**Difference.lacking(), "reason": reason})


def ranked(made: Row, auc: float, half: float = 0.0) -> Row:
    """Return a row with an area under the curve, too."""
    area = Estimate(mean=auc, low=auc - half, high=auc + half, n=made.seeds)
    return made.model_copy(update={"metrics": {**made.metrics, "roc_auc": area}})


LOGISTIC = base("logistic regression", 1.466)
AGAINST = minus("logistic regression", -0.002, 0.005)
MANY = [f"rule{index}" for index in range(8)]


@dataclass(frozen=True)
class Case:
    expected: str
    winner: Row
    rivals: Sequence[Difference] = ()
    against: Sequence[Difference] = ()
    baselines: Sequence[Row] = ()
    metric: Metric = LOSS
    reference: str = ""
    recommended: str = ""
    limits: Limits = NO_LIMITS
    subject: Subject | None = None
    factorial: Factorial | None = None

    @property
    def text(self) -> str:
        return self.said()

    def said(self, giveaways: Sequence[str] = ()) -> str:
        return headline(
            self.metric, [self.winner, *self.baselines], self.winner, self.rivals, self.against,
            recommended=self.recommended, reference=self.reference, limits=self.limits,
            subject=self.subject, factorial=self.factorial, giveaways=giveaways,
        )  # fmt: skip


CASES = {
    "clear win": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds), .004 [.002, .006] better than sgd, the next best. The best "
        "baseline, logistic regression, reaches 1.466: no detectable difference (adam is .002 [−.003, .007] "
        "better).",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002), minus("adagrad", -0.01, 0.002)], [AGAINST], [LOGISTIC],
        reference="logistic regression",
    ),
    "win over one": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds), .004 [.002, .006] better than sgd.",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002)],
    ),
    "no difference from one": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The choice of optimizer makes no detectable difference (5 seeds, "
        "12,559 test rows): adam is .001 [−.001, .003] better than sgd.",
        row("adam", 1.464), [minus("sgd", -0.001, 0.002)],
    ),
    "better than one, no difference from another": Case(
        "Use adam: log loss 1.4640 ± .0020 (5 seeds). Adam is better than sgd. There is no detectable difference from "
        "adamw (5 seeds, 12,559 test rows).",
        row("adam", 1.464), [minus("adamw", -0.0005, 0.0009), minus("sgd", -0.01, 0.002)],
    ),
    "no difference from many": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The choice of optimizer makes no detectable difference (5 seeds, "
        "12,559 test rows).",
        row("adam", 1.464), [minus(name, -0.001, 0.002) for name in MANY],
    ),
    "lost to the correction": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The choice of optimizer makes no detectable difference (5 seeds, "
        "12,559 test rows after correction for 3 comparisons): before correction, adam is .004 [.001, .007] better "
        "than sgd.",
        row("adam", 1.464), [minus("sgd", -0.004, 0.003, p=0.09, m=3)],
    ),
    "validation chose a worse one": Case(
        "Use adam, chosen on validation: log loss 1.464 ± .002 (5 seeds). On the test rows adam is .004 [.002, .006] "
        "worse than sgd.",
        row("adam", 1.464), [minus("sgd", 0.004, 0.002)],
    ),
    "validation chose one that is not the best, without a detectable difference": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The choice of optimizer makes no detectable difference (5 seeds, "
        "12,559 test rows): adam is .001 [−.001, .003] worse than sgd.",
        row("adam", 1.464), [minus("sgd", 0.001, 0.002)],
    ),
    "a baseline is ahead": Case(
        "Use gradient boosting: log loss 1.444, .020 [.015, .025] better than the network trained with adam "
        "(1.464 ± .002, 5 seeds). Logistic regression reaches 1.460: no detectable difference (adam is .004 "
        "[−.001, .009] worse).",
        row("adam", 1.464), [],
        [minus("gradient boosting", 0.02, 0.005), minus("logistic regression", 0.004, 0.005)],
        [base("gradient boosting", 1.444, seconds=24), base("logistic regression", 1.46)],
        reference="logistic regression", recommended="gradient boosting",
    ),
    "a baseline is ahead of optimizers that do not differ": Case(
        "Use gradient boosting: log loss 1.444, .020 [.015, .025] better than the network trained with adam "
        "(1.464 ± .002, 5 seeds). The choice of optimizer makes no detectable difference (5 seeds, 12,559 test rows).",
        row("adam", 1.464), [minus(name, -0.001, 0.002) for name in MANY], [minus("gradient boosting", 0.02, 0.005)],
        [base("gradient boosting", 1.444, seconds=24)], recommended="gradient boosting",
    ),
    "a baseline is ahead of optimizers that differ": Case(
        "Use gradient boosting: log loss 1.444, .020 [.015, .025] better than the network trained with adam "
        "(1.464 ± .002, 5 seeds). Among the optimizers, adam is best, .004 [.002, .006] better than sgd.",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002)], [minus("gradient boosting", 0.02, 0.005)],
        [base("gradient boosting", 1.444, seconds=24)], recommended="gradient boosting",
    ),
    "a baseline has the better mean, the network is better on validation": Case(
        "Use gradient boosting or the network trained with adam: no detectable difference on log loss (5 seeds, 12,559 "
        "test rows). Gradient boosting reaches 1.460, adam 1.464 ± .002, .004 [−.001, .009] worse. "
        "Predict uses the network, which is better on validation (1.455 against 1.459). "
        "Among the optimizers, adam is best, .004 [.002, .006] better than sgd.",
        row("adam", 1.464, chosen_by=1.455), [minus("sgd", -0.004, 0.002)], [minus("gradient boosting", 0.004, 0.005)],
        [base("gradient boosting", 1.46, chosen_by=1.459)],
    ),
    "a baseline has the better mean and is better on validation": Case(
        "Use gradient boosting or the network trained with adam: no detectable difference on log loss (5 seeds, 12,559 "
        "test rows). Gradient boosting reaches 1.460, adam 1.464 ± .002, .004 [−.001, .009] worse. "
        "Predict uses gradient boosting, which is better on validation (1.455 against 1.459). "
        "Among the optimizers, adam is best, .004 [.002, .006] better than sgd.",
        row("adam", 1.464, chosen_by=1.459), [minus("sgd", -0.004, 0.002)], [minus("gradient boosting", 0.004, 0.005)],
        [base("gradient boosting", 1.46, chosen_by=1.455)], recommended="gradient boosting",
    ),
    "a baseline is better on validation alone": Case(
        "Use gradient boosting or the network trained with adam: no detectable difference on accuracy (5 seeds, 12,559 "
        "test rows). Gradient boosting reaches 46.8%, adam 47.1 ± .3%, .3 [−.2, .8] points better. "
        "Predict uses gradient boosting, which is better on validation (47.5% against 47.1%).",
        row("adam", 0.471, 0.003, metric=ACCURACY, chosen_by=0.471), [],
        [minus("gradient boosting", 0.003, 0.005, metric=ACCURACY)],
        [base("gradient boosting", 0.468, ACCURACY, chosen_by=0.475)], ACCURACY, recommended="gradient boosting",
    ),
    "a baseline has the better mean and is not saved": Case(
        "Use Ridge or the network trained with adam: no detectable difference on log loss (5 seeds, 12,559 "
        "test rows). Ridge reaches 1.460, adam 1.464 ± .002, .004 [−.001, .009] worse. "
        "Predict uses the network: Ridge is not saved as a model.",
        row("adam", 1.464, chosen_by=1.459), [], [minus("Ridge", 0.004, 0.005)],
        [base("Ridge", 1.46, chosen_by=1.455, settings=NOT_SAVED)],
    ),
    "a baseline has the better mean, and there is no validation": Case(
        "Use gradient boosting or the network trained with adam: no detectable difference on log loss (5 seeds, 12,559 "
        "test rows). Gradient boosting reaches 1.460, adam 1.464 ± .002, .004 [−.001, .009] worse. "
        "Predict uses the network.",
        row("adam", 1.464), [], [minus("gradient boosting", 0.004, 0.005)], [base("gradient boosting", 1.46)],
    ),
    "a baseline has the better mean, lost to the correction": Case(
        "Use gradient boosting or the network trained with adam: no detectable difference on log loss (5 seeds, 12,559 "
        "test rows after correction for 8 comparisons). Gradient boosting reaches 1.458, adam 1.464 ± .002, "
        ".006 [.001, .011] worse before correction. Predict uses the network, which is as good on validation.",
        row("adam", 1.464, chosen_by=1.5), [], [minus("gradient boosting", 0.006, 0.005, p=0.08, m=8)],
        [base("gradient boosting", 1.458, chosen_by=1.5)],
    ),
    "a baseline has the better mean, without an interval": Case(
        "Use adam: log loss 1.46 (1 seed). The best baseline, gradient boosting, reaches 1.44; no "
        "difference can be established: one seed. Predict uses the network, which is better on validation "
        "(1.46 against 1.47).",
        row("adam", 1.464, n=1, chosen_by=1.46), [], [minus("gradient boosting", 0.02, 0.0, n=1, over="seeds")],
        [base("gradient boosting", 1.444, chosen_by=1.47)],
    ),
    "the best baseline on the test rows is not the one that validation chose": Case(
        "Use logistic regression or the network trained with adam: no detectable difference on log loss (5 seeds, "
        "12,559 test rows). Logistic regression reaches 1.460, adam 1.464 ± .002, .004 [−.001, .009] worse. Predict "
        "uses the network, which is better on validation (1.450 against 1.455).",
        row("adam", 1.464, chosen_by=1.45), [],
        [minus("gradient boosting", 0.009, 0.01), minus("logistic regression", 0.004, 0.005)],
        [base("gradient boosting", 1.455, chosen_by=1.46), base("logistic regression", 1.46, chosen_by=1.455)],
        reference="logistic regression",
    ),
    "the baseline that validation chose is behind on the test rows": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The best baseline on validation, logistic regression, reaches "
        "1.470: no detectable difference (adam is .006 [−.001, .013] better).",
        row("adam", 1.464, chosen_by=1.45), [],
        [minus("gradient boosting", 0.009, 0.01), minus("logistic regression", -0.006, 0.007)],
        [base("gradient boosting", 1.455, chosen_by=1.46), base("logistic regression", 1.47, chosen_by=1.455)],
        reference="logistic regression",
    ),
    "a baseline is better on validation, without an interval": Case(
        "Use gradient boosting or the network trained with adam: no difference can be established: one seed. Gradient "
        "boosting reaches log loss 1.44, adam 1.46 (1 seed). Predict uses gradient boosting, which is better on "
        "validation (1.44 against 1.46). Logistic regression reaches 1.45; no difference can be established: one seed.",
        row("adam", 1.464, n=1, chosen_by=1.46), [],
        [minus(name, 0.02, 0.0, n=1, over="seeds") for name in ("gradient boosting", "logistic regression")],
        [base("gradient boosting", 1.444, chosen_by=1.44), base("logistic regression", 1.45, chosen_by=1.45)],
        reference="logistic regression", recommended="gradient boosting",
    ),
    "a baseline lost to the correction": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The best baseline, logistic regression, reaches 1.466: "
        "no detectable difference after correction for 8 comparisons (before correction, adam is .006 [.001, .011] "
        "better).",
        row("adam", 1.464), [], [minus("logistic regression", -0.006, 0.005, p=0.08, m=8)], [LOGISTIC],
        reference="logistic regression",
    ),
    "identical arms": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The optimizers gave identical results on log loss.",
        row("adam", 1.464), [same("sgd"), same("adamw")],
    ),
    "one seed": Case(
        "Use adam: log loss 1.464 (1 seed). No difference between the optimizers can be established: one seed. The "
        "best baseline, logistic regression, reaches 1.466 (this run of adam is .004 [.002, .006] better).",
        row("adam", 1.4641, n=1), [minus("sgd", -0.1, 0.0, n=1, over="seeds")],
        [minus("logistic regression", -0.004, 0.0021, over="rows", n=12559)], [LOGISTIC],
    ),
    "one seed, and no value by row": Case(
        "Use adam: F1 (macro) 41.0% (1 seed). The best baseline, majority, reaches 11.0%; no difference "
        "can be established: one seed.",
        row("adam", 0.41, n=1, metric=F1), [], [minus("majority", 0.3, 0.0, n=1, over="seeds", metric=F1)],
        [base("majority", 0.11, F1)], F1,
    ),
    "everything diverged": Case(
        "No run of any optimizer finished, so nothing can be said about log loss.",
        row("adam", math.nan, n=0), [], [], [LOGISTIC],
    ),
    "everything but a baseline diverged": Case(
        "Use logistic regression: log loss 1.47. No run of any optimizer finished, so nothing can be said "
        "about log loss.",
        row("adam", math.nan, n=0), [], [], [LOGISTIC], recommended="logistic regression",
    ),
    "the others diverged": Case(
        "Use adam, the only optimizer with a finished run: log loss 1.464 ± .002 (5 seeds).",
        row("adam", 1.464), [minus("sgd", math.nan, math.nan, n=0)],
    ),
    "one of the others diverged": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds), .010 [.008, .012] better than adagrad.",
        row("adam", 1.464), [minus("sgd", math.nan, math.nan, n=0), minus("adagrad", -0.01, 0.002)],
    ),
    "a baseline without a result": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). Gradient boosting gave no result.",
        row("adam", 1.464), [], [], [base("gradient boosting", math.nan)],
    ),
    "percent, higher is better": Case(
        "Use adam: accuracy 47.1 ± .3% (5 seeds), .8 [.5, 1.1] points better than sgd. The best baseline, majority "
        "class, reaches 46.1% (adam is 1.0 [.5, 1.5] points better).",
        row("adam", 0.471, 0.003, metric=ACCURACY), [minus("sgd", 0.008, 0.003, metric=ACCURACY)],
        [minus("majority class", 0.01, 0.005, metric=ACCURACY)], [base("majority class", 0.461, ACCURACY)], ACCURACY,
    ),
    "regression": Case(
        "Use adamw: RMSE 48,200 ± 300 (5 seeds), 1,700 [800, 2,600] better than sgd. The best baseline, ridge, reaches "
        "49,300 (adamw is 1,100 [700, 1,500] better).",
        row("adamw", 48210.0, 320.0, metric=RMSE), [minus("sgd", -1720.0, 900.0, metric=RMSE, first="adamw")],
        [minus("ridge", -1105.0, 400.0, metric=RMSE, first="adamw")], [base("ridge", 49315.0, RMSE)], RMSE,
    ),
    "cut too short by the time budget": Case(
        "Runs were cut to 20 steps (0.14 epochs) to fit 1 minute: too short to compare optimizers; give more time: "
        "--minutes 7 is expected to suffice, with another --out, as a folder keeps the length of its runs. Use "
        "the network trained with adam: log loss 1.464 ± .002 (5 seeds). The best baseline, logistic regression, "
        "reaches 1.475 (adam is .011 [.006, .016] better).",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002), minus("adagrad", -0.01, 0.002)],
        [minus("logistic regression", -0.011, 0.005)], [base("logistic regression", 1.475)],
        limits=Limits(short=Short(20, 0.1374, 1.0, 7), mistuned=["sgd"]),
    ),
    "too short as asked, and nothing was learned": Case(
        "Runs have 28 steps (0.3 epochs): too short to compare optimizers; train for an epoch or more. No network "
        "beats the majority class (log loss 1.460) by a detectable difference. Use majority class: log loss 1.460"
        ", .004 [.002, .006] better than the network trained with adam (1.464 ± .002, 5 seeds).",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002)], [minus("majority class", 0.004, 0.002)],
        [base("majority class", 1.46)], recommended="majority class",
        limits=Limits(short=Short(28, 0.3), unbeaten="majority class"),
    ),
    "no network beats the majority class": Case(
        "No network beats the majority class (log loss 1.464) by a detectable difference, so this comparison says "
        "nothing about optimizers. Use logistic regression: log loss 1.444, .020 [.015, .025] better than the "
        "network trained with adam (1.464 ± .002, 5 seeds).",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002)],
        [minus("logistic regression", 0.02, 0.005), minus("majority class", -0.0001, 0.002)],
        [base("logistic regression", 1.444), base("majority class", 1.464)], recommended="logistic regression",
        limits=Limits(unbeaten="majority class"),
    ),
    "too few seeds to tell that a network beats the majority class": Case(
        "2 seeds cannot tell whether a network beats the majority class (accuracy 95.0%), so by accuracy this "
        "comparison says nothing about optimizers yet: try more --seeds. By ROC AUC (macro), adam does predict (0.860 "
        "± .020, majority class 0.500): try --metric roc-auc. Use the network trained with adam: accuracy 95.5 ± 2.0% "
        "(2 seeds). The best baseline, majority class, reaches 95.0%: no detectable difference (adam is .5 [−1.5, 2.5] "
        "points better).",
        ranked(row("adam", 0.955, 0.02, n=2, metric=ACCURACY), 0.86, 0.02),
        [minus("sgd", 0.001, 0.01, metric=ACCURACY, n=2)],
        [minus("majority class", 0.005, 0.02, metric=ACCURACY, n=2)],
        [ranked(base("majority class", 0.95, metric=ACCURACY), 0.5)], metric=ACCURACY,
        limits=Limits(unbeaten="majority class"),
    ),
    "too few seeds, of which only the correction takes what is seen": Case(
        "2 seeds cannot tell after correction for 3 comparisons whether a network beats the mean baseline (RMSE 1.34), "
        "so this comparison says nothing about optimizers yet: try more --seeds. Use the network trained with adam: "
        "RMSE 1.24 ± .02 (2 seeds). The best baseline, mean, reaches 1.34: no detectable difference after "
        "correction for 3 comparisons (before correction, adam is .10 [.05, .15] better).",
        row("adam", 1.24, 0.02, n=2, metric=RMSE), [minus("sgd", -0.001, 0.01, metric=RMSE, n=2)],
        [minus("mean", -0.1, 0.05, 0.078, 3, RMSE, n=2)], [base("mean", 1.34, metric=RMSE)], metric=RMSE,
        limits=Limits(unbeaten="mean"),
    ),
    "a frequent class hides what the network knows": Case(
        "No network beats the majority class (accuracy 95.0%) by a detectable difference, so by accuracy this "
        "comparison says nothing about optimizers. By ROC AUC (macro), adam does predict (0.860 ± .200, majority class "
        "0.500): try --metric roc-auc. Use majority class: accuracy 95.0%, 3.0 [1.0, 5.0] points better than the "
        "network trained with adam (92.0 ± 2.0%, 5 seeds).",
        ranked(row("adam", 0.92, 0.02, metric=ACCURACY), 0.86, 0.2), [minus("sgd", 0.001, 0.01, metric=ACCURACY)],
        [minus("majority class", -0.03, 0.02, metric=ACCURACY)],
        [ranked(base("majority class", 0.95, metric=ACCURACY), 0.5)], metric=ACCURACY, recommended="majority class",
        limits=Limits(unbeaten="majority class"),
    ),
    "ranks are not told from chance either": Case(
        "No network beats the majority class (accuracy 95.0%) by a detectable difference, so this comparison says "
        "nothing about optimizers. Use majority class: accuracy 95.0%, 3.0 [1.0, 5.0] points better than the network "
        "trained with adam (92.0 ± 2.0%, 5 seeds).",
        ranked(row("adam", 0.92, 0.02, metric=ACCURACY), 0.6, 0.2), [minus("sgd", 0.001, 0.01, metric=ACCURACY)],
        [minus("majority class", -0.03, 0.02, metric=ACCURACY)],
        [ranked(base("majority class", 0.95, metric=ACCURACY), 0.5)], metric=ACCURACY,
        recommended="majority class", limits=Limits(unbeaten="majority class"),
    ),
    "nothing was trained": Case(
        "Most runs were best before their first step, so this comparison says nothing about optimizers. Use the "
        "network trained with adam: log loss 1.464 ± .002 (5 seeds).",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002)], limits=Limits(untrained=True),
    ),
    "tuning failed": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds), .004 [.002, .006] better than sgd. Tuning failed for sgd (its "
        "default rate is better on validation): what is said of it rests on a poor rate; name more rates around the "
        "default with --learning-rates.",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002)], limits=Limits(mistuned=["sgd"]),
    ),
    "tuning failed, one optimizer": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). Tuning failed for adam (its default rate is better on "
        "validation): its result rests on a poor rate; name more rates around the default with --learning-rates. The "
        "best baseline, majority class, reaches 1.500 (adam is .036 [.034, .038] better).",
        row("adam", 1.464), [], [minus("majority class", -0.036, 0.002)], [base("majority class", 1.5)],
        limits=Limits(mistuned=["adam"]),
    ),
    "the default may be better": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds), .004 [.002, .006] better than sgd. The default rate of sgd may be "
        "better than its tuned one: it is on validation with every seed, but too few for an interval that excludes "
        "zero; name more rates around it with --learning-rates, or try more --seeds.",
        row("adam", 1.464), [minus("sgd", -0.004, 0.002)], limits=Limits(doubted=["sgd"]),
    ),
    "the tuning of a baseline was cut": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). The best baseline, gradient boosting, reaches 1.500 (adam is .036 "
        "[.034, .038] better). The tuning of gradient boosting was cut (2 of 6 settings tried; a baseline has a work "
        "limit of its own), so it may do better.",
        row("adam", 1.464), [], [minus("gradient boosting", -0.036, 0.002)],
        [base("gradient boosting", 1.5, cut="2 of 6 settings tried")],
    ),
    "few test rows": Case(
        "Use adam: log loss 1.464 ± .002 (5 seeds). No difference between the optimizers can be established: 60 test "
        "rows, fewer than 100. The best baseline, gradient boosting, reaches 1.500; none can be established here "
        "either. Logistic regression reaches 1.600; none can be established here either.",
        row("adam", 1.464), [few("sgd", -0.004)],
        [few("gradient boosting", -0.036), few("logistic regression", -0.14)],
        [base("gradient boosting", 1.5), base("logistic regression", 1.6)], reference="logistic regression",
    ),
    "the end that decides is near zero": Case(
        "Use adam: log loss 0.500 ± .020 (5 seeds), .007 [.0002, .014] better than sgd.",
        row("adam", 0.5, 0.02), [minus("sgd", -0.0072, 0.00698)],
    ),
}  # fmt: skip


def arm(name: str, mean: float, **more: object) -> Row:
    return row(name, mean, seeds=2, **more)


def effect(factor: str, better: str, worse: str, mean: float, half: float) -> MainEffect:
    return MainEffect(
        factor=factor,
        levels=[LevelMean(level=better, mean=1.46, n=5), LevelMean(level=worse, mean=1.46 - mean, n=5)],
        pairs=[minus(worse, mean, half, first=better)],
    )


def depends(mean: float, half: float) -> Interaction:
    found = minus("(adam - sgd at batch 256)", mean, half, first="(adam - sgd at batch 16)")
    return Interaction(
        factors=("optimizer", "batch_size"),
        first=("adam", "sgd"),
        second=("batch 16", "batch 256"),
        difference=found,
    )


SIZES, MODELS, ROWS = Subject(("batch_size",)), Subject(("model",)), Subject(("train_rows",))
TWO, THREE = Subject(("optimizer", "batch_size")), Subject(("optimizer", "batch_size", "schedule"))
BEST = "adam, batch 16"
BATCH = effect("batch_size", "batch 16", "batch 256", -0.036, 0.02)
OPTIMIZER = effect("optimizer", "adam", "sgd", -0.004, 0.02)
SCHEDULE = effect("schedule", "cosine schedule", "constant schedule", -0.012, 0.004)


def factorial(*effects: MainEffect, largest: Interaction | None = None) -> Factorial:
    found = [] if largest is None else [largest]
    return Factorial(metric="log_loss", seeds=5, effects=list(effects), interactions=found)


USE = f"Use “{BEST}”: log loss 1.464 ± .002 (5 seeds). "
OTHERS = [
    minus("sgd, batch 256", -0.03, 0.035, first=BEST),
    minus("adam, batch 256", -0.02, 0.03, first=BEST),
]
ARM_CASES = {
    "batch sizes without a detectable difference": Case(
        "Use batch 16: log loss 1.464 ± .002 (5 seeds). The choice of batch size makes no detectable difference (5 "
        "seeds, 12,559 test rows): batch 16 is .001 [−.001, .003] better than batch 256.",
        arm("batch 16", 1.464), [minus("batch 256", -0.001, 0.002, first="batch 16")], subject=SIZES,
    ),
    "numbers of rows without a detectable difference": Case(
        "Use all rows: log loss 1.464 ± .002 (5 seeds). The number of training rows makes no detectable difference (5 "
        "seeds, 12,559 test rows): all rows is .001 [−.001, .003] better than 900 rows.",
        arm("all rows", 1.464), [minus("900 rows", -0.001, 0.002, first="all rows")], subject=ROWS,
    ),
    "a better baseline than every model": Case(
        "Use logistic regression: log loss 1.450, .014 [.009, .019] better than the best network (linear) "
        "(1.464 ± .002, 5 seeds). Among the models, linear is best, .036 [.034, .038] better than embedding-mlp.",
        arm("linear", 1.464), [minus("embedding-mlp", -0.036, 0.002, first="linear")],
        [minus("logistic regression", 0.014, 0.005, first="linear")], [base("logistic regression", 1.45)],
        subject=MODELS, recommended="logistic regression",
    ),
    "models too short": Case(
        "Runs have 20 steps (0.14 epochs): too short to compare models; train for an epoch or more. Use the best "
        "network (linear): log loss 1.464 ± .002 (5 seeds).",
        arm("linear", 1.464), [minus("embedding-mlp", -0.036, 0.002, first="linear")], subject=MODELS,
        limits=Limits(short=Short(20, 0.137)),
    ),
    "arms that learned nothing": Case(
        "Most runs were best before their first step, so this comparison says nothing about optimizers and batch "
        f"sizes. Use the best network ({BEST}): log loss 1.464 ± .002 (5 seeds).",
        arm(BEST, 1.464), OTHERS, subject=TWO, factorial=factorial(BATCH, OPTIMIZER), limits=Limits(untrained=True),
    ),
    "no arm that finished": Case(
        "No run of any arm finished, so nothing can be said about log loss.", arm(BEST, math.nan, n=0),
        [minus("sgd, batch 256", math.nan, 0, first=BEST)], subject=TWO,
    ),
    "arms of a list": Case(
        USE + f"Between the arms there is no detectable difference (5 seeds, 12,559 test rows): “{BEST}” is .001 "
        "[−.001, .003] better than wide.",
        arm(BEST, 1.464), [minus("wide", -0.001, 0.002, first=BEST)], subject=TWO,
    ),
    "an arm of a list that is best": Case(
        f"Use “{BEST}”: log loss 1.464 ± .002 (5 seeds), .010 [.008, .012] better than “sgd, batch 256”.",
        arm(BEST, 1.464), [minus("sgd, batch 256", -0.01, 0.002, first=BEST)], subject=TWO,
    ),
    "one factor of two matters": Case(
        USE + "The batch size matters: 16 is .036 [.016, .056] better than 256, averaged over the optimizers; the "
        "optimizer makes no detectable difference (5 seeds, 12,559 test rows).",
        arm(BEST, 1.464), OTHERS, subject=TWO, factorial=factorial(OPTIMIZER, BATCH, largest=depends(0.01, 0.02)),
    ),
    "two factors of three matter, and one depends on another": Case(
        USE + "The batch size matters: 16 is .036 [.016, .056] better than 256, averaged over the other factors; the "
        "schedule matters: cosine is .012 [.008, .016] better than constant; the optimizer makes no detectable "
        "difference (5 seeds, 12,559 test rows). The effect of the optimizer depends on the batch size: adam − sgd is "
        "−.030 [−.040, −.020] with 16 compared to 256.",
        arm(BEST, 1.464), OTHERS, subject=THREE,
        factorial=factorial(OPTIMIZER, BATCH, SCHEDULE, largest=depends(-0.03, 0.01)),
    ),
    "no factor matters": Case(
        USE + "The optimizer and the batch size make no detectable difference (5 seeds, 12,559 test rows), each "
        "averaged over the other factor.",
        arm(BEST, 1.464), OTHERS, subject=TWO,
        factorial=factorial(OPTIMIZER, effect("batch_size", "batch 16", "batch 256", -0.036, 0.05)),
    ),
    "factors matter, and validation chose a worse arm": Case(
        f"Use “{BEST}”, chosen on validation: log loss 1.464 ± .002 (5 seeds). On the test rows “{BEST}” is .004 "
        "[.002, .006] worse than “sgd, batch 16”. The batch size matters: 16 is .036 [.016, .056] better than 256, "
        "averaged over the optimizers.",
        arm(BEST, 1.464), [minus("sgd, batch 16", 0.004, 0.002, first=BEST), *OTHERS], subject=TWO,
        factorial=factorial(BATCH),
    ),
    "a baseline that may be as good as the best of several arms": Case(
        f"Use logistic regression or the best network ({BEST}): no detectable difference on log loss (5 seeds, 12,559 "
        "test rows). Logistic regression reaches 1.460, the network 1.464 ± .002 (3 test sets × 2 seeds), "
        ".004 [−.001, .009] worse. Predict uses the network, which is better on validation (1.455 against 1.459). The "
        "batch size matters: 16 is .036 [.016, .056] better than 256, averaged over the optimizers.",
        arm(BEST, 1.464, n=3, chosen_by=1.455), OTHERS, [minus("logistic regression", 0.004, 0.005, first=BEST)],
        [base("logistic regression", 1.46, chosen_by=1.459)], subject=Subject(TWO.factors, 3),
        factorial=factorial(BATCH),
    ),
    "several test sets": Case(
        "Use adam: log loss 1.464 ± .002 (5 test sets × 2 seeds), .004 [.002, .006] better than sgd.",
        arm("adam", 1.464), [minus("sgd", -0.004, 0.002)], subject=Subject(sets=5),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ARM_CASES)
def test_headline_of_arms(name):
    assert ARM_CASES[name].text == ARM_CASES[name].expected


def test_remarks_quote_arms_of_several_factors():
    winner, other = row("adam, linear", 1.464), row("sgd, linear", 1.46)
    lost = minus("sgd, linear", -0.004, 0.003, p=0.09, m=3, first="adam, linear")
    subject = Subject(("optimizer", "model"))
    found = remarks(LOSS, [LOSS], winner, [winner, other], {"log_loss": [lost]}, subject)
    assert [each.split(" excludes")[0] for each in found] == [
        "Validation chose “adam, linear”; on the test rows “sgd, linear” has the better mean.",
        "The 95 % interval of “adam, linear” − “sgd, linear”",
    ]


@pytest.mark.parametrize("name", CASES)
def test_headline(name):
    assert CASES[name].text == CASES[name].expected


@pytest.mark.parametrize("name", CASES)
def test_headline_claims_what_the_verdicts_say(name):
    case = CASES[name]
    text = case.text
    known = [each for each in (*case.rivals, *case.against) if each.ends is not None]
    assert ("no detectable difference" in text) <= any(not each.told_apart for each in known)
    if known and all(each.told_apart for each in known):
        assert "no detectable difference" not in text
    assert not re.search("equal|leads|wins|told apart", text)
    for each in case.rivals:
        if each.told_apart and f"better than {each.second}" in text:
            assert each.better == each.first


@pytest.mark.parametrize("name", CASES)
def test_headline_names_what_predict_uses(name):
    """It is the recommended baseline or else the network; where no run finished and nothing is recommended, nothing."""
    case = CASES[name]
    if not case.recommended and math.isnan(case.winner.metrics[case.metric.name].mean):
        assert "Use " not in case.text
        return
    used = re.search("(?:^|[.] )Use ([^:]*):", case.text)
    assert used is not None
    assert (case.recommended or case.winner.name) in used[1]
    if " or the network" in used[1]:
        assert f"Predict uses {case.recommended or 'the network'}" in case.text


def test_the_longest_headline_can_be_read():
    rivals = [minus("adamw", -0.001, 0.003, m=6), minus("momentum", -0.001, 0.003, m=6),
              minus("sgd", -0.004, 0.003, p=0.09, m=6)]  # fmt: skip
    against = [minus("gradient boosting", 0.02, 0.005), AGAINST]
    case = Case("", row("adam", 1.464), rivals, against, [base("gradient boosting", 1.444), LOGISTIC],
                reference="logistic regression", recommended="gradient boosting")  # fmt: skip
    assert len(case.text.split()) <= 64
    assert max(len(each.text.split()) for each in CASES.values()) <= 72


def test_ten_times_as_many_digits_where_optimizers_differ_by_so_little():
    """Four optimizers are not all .013 or .014 when the differences between them are measured to .0001."""
    rows = [row(name, mean, 0.001) for name, mean in (("adam", 0.0131), ("sgd", 0.0134), ("adamw", 0.0137))]
    found = [minus("sgd", -0.0003, 0.0001), minus("adamw", -0.0006, 0.0001)]
    written = digits(LOSS, rows, found)
    assert [written.value(each.metrics["log_loss"]) for each in rows] == [
        "0.0131 ± .0010", "0.0134 ± .0010", "0.0137 ± .0010",
    ]  # fmt: skip
    assert headline(LOSS, rows, rows[0], found).startswith(
        "Use adam: log loss 0.0131 ± .0010 (5 seeds), .0003 [.0002, .0004] better than sgd"
    )


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
        "The 95 % interval of adam − sgd excludes zero, but it is one of 3 comparisons, some of which do so by chance: "
        "after correction there is no detectable difference (p = 0.03, corrected = 0.09)."
    ]
    assert said(row("adam", 1.464), [minus("sgd", -0.004, 0.002)]) == []
    both = [minus("sgd", -0.004, 0.003, p=0.09, m=3), minus("adamw", -0.004, 0.003, p=0.06, m=3)]
    assert said(row("adam", 1.464), both) == [
        "The 95 % intervals of the differences of adam from sgd and adamw exclude zero, but they are 2 of 3 "
        "comparisons, some of which do so by chance: after correction none of them is detectable (corrected p: 0.09 "
        "and 0.06)."
    ]


def test_remarks_say_where_test_rows_are_not_held():
    winner = row("adam", 0.41, metric=F1)
    found = said(winner, [minus("sgd", 0.1, 0.01, metric=F1, over="seeds")], F1)
    assert found == [
        "The variation of F1 (macro) over test rows is not known: its intervals account for seed variation only."
    ]


ACCURACIES = [
    (
        [0.001, 0.002],
        "On accuracy there is no detectable difference between adam and the others (5 seeds, 12,559 test rows).",
    ),
    ([0.02, 0.002], "On accuracy adam is better than sgd, with no detectable difference from the others."),
    ([-0.02, 0.03], "On accuracy adam is worse than sgd and better than adagrad."),
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
        "Validation chose adam; on the test rows sgd has the better mean.",
        "Lion: diverged 2 of 5 runs.",
        "Lion at its library default: diverged 5 of 5 runs.",
    ]


def test_the_difference_of_two_shown_values_is_the_one_that_is_shown():
    """124.4 and 126.6 were 124 and 127, and differed by 2."""
    shown = Metric(name="rmse", title="RMSE", higher_is_better=False)
    means = {"adam": 124.4, "sgd": 126.6}
    rows = [
        Row(kind="arm", name=name, metrics={"rmse": Estimate(mean=mean, low=mean - 4, high=mean + 4, n=5)})
        for name, mean in means.items()
    ]
    gap = Difference(first="adam", second="sgd", metric="rmse", over="both", mean=-2.2, low=-5.2, high=0.8, n=5,
                     told_apart=False)  # fmt: skip
    written = digits(shown, rows, [gap])
    assert [written.value(each.metrics["rmse"]) for each in rows] == ["124.4 ± 4.0", "126.6 ± 4.0"]
    assert written.gap(gap, sign=True) == ("−2.2", "[−5.2, .8]")
    vague = gap.model_copy(
        update={"low": -102.2, "high": 97.8}
    )  # nobody subtracts tenths of a difference like this
    assert digits(shown, rows, [vague]).decimals == 0


def test_seeds_that_agree_are_no_single_run():
    one, five = Estimate(mean=0.7, n=1), Estimate(mean=0.7, low=math.nan, high=math.nan, n=5)
    written = Digits(1, percent=True)
    assert (written.value(one), written.value(five), written.value(five, tight=True)) == (
        "70.0", "70.0 ± 0", "70.0 ±0",
    )  # fmt: skip
    assert Estimate.model_validate_json(five.model_dump_json()).same
    assert not Estimate(mean=0.7, n=4).same  # runs failed: nothing is known of the spread


def test_an_interval_beside_a_claim_of_the_corrected_family_names_the_correction():
    rows = [
        Row(kind="arm", name="adam", metrics={"log_loss": Estimate(mean=0.6, low=0.5, high=0.7, n=2)}),
        Row(kind="arm", name="sgd", metrics={"log_loss": Estimate(mean=0.58, low=0.5, high=0.66, n=2)}),
        Row(kind="baseline", name="majority class", metrics={"log_loss": Estimate(mean=0.65, n=1)}),
    ]
    lost = Difference(first="adam", second="majority class", metric="log_loss", over="both", mean=-0.05, low=-0.09,
                      high=-0.01, n=2, told_apart=False, p=0.03, p_adjusted=0.1, comparisons=12, rows=150)  # fmt: skip
    result = Comparison(title="t", sentence="s", metric="log_loss", metrics=[LOSS], winner="adam", rows=rows,
                        differences=[lost])  # fmt: skip
    expected = [
        "Validation chose adam; on the test rows sgd has the better mean.",
        "An interval is of one difference alone: after correction for 12 comparisons, there is no detectable "
        "difference from majority class.",
    ]
    assert notes(result) == expected
    page, terminal = render_html(result), plain_text(comparison_table(result, 200), 200)
    for each in expected:
        assert each in terminal
        assert each in page
        assert each in as_html(result)
    assert "corrected for 12 comparisons: no detectable difference" in str(lost)
    assert headline(
        LOSS, rows, rows[0], [minus("sgd", 0.02, 0.03)], [lost], limits=Limits(unbeaten="majority class")
    ).startswith(
        "2 seeds cannot tell after correction for 12 comparisons whether a network beats the majority class (log loss "
        "0.650), so"
    )


def test_names_that_the_user_gave_keep_their_first_letter():
    """An arm called "wide" is not one called "Wide"."""
    rows = [row("wide", 1.464), row("deep", 1.5, outcome="diverged 2 of 5")]
    rivals = [minus("deep", -0.036, 0.01, first="wide"), minus("narrow", -0.01, 0.02, first="wide")]
    own = Subject(("model",), own=("wide", "deep", "narrow"))
    text = headline(LOSS, rows, rows[0], rivals, subject=own)
    assert " wide is better than deep." in text
    assert "Wide" not in text
    said = remarks(LOSS, [LOSS], rows[0], rows, {}, own)
    assert "deep: diverged 2 of 5 runs." in said
    assert "Momentum: diverged 2 of 5 runs." in remarks(
        LOSS, [LOSS], rows[0], [rows[0], row("momentum", 1.5, outcome="diverged 2 of 5")], {}, own
    )


def test_a_table_without_intervals_has_no_note_on_them():
    rows = [Row(kind="arm", name=name, metrics={"log_loss": Estimate(mean=mean, n=1)})
            for name, mean in (("adam", 0.6), ("sgd", 0.65))]  # fmt: skip
    lost = Difference(first="adam", second="sgd", metric="log_loss", over="both", mean=-0.05, low=-0.09, high=-0.01,
                      n=2, told_apart=False, comparisons=12, rows=150)  # fmt: skip
    result = Comparison(title="t", sentence="s", metric="log_loss", metrics=[LOSS], winner="adam", rows=rows,
                        differences=[lost])  # fmt: skip
    wide, narrow = (" ".join(plain_text(comparison_table(result, each), each).split()) for each in (80, 40))
    assert "[95 % CI]" in wide
    assert "An interval is of one difference alone" in wide
    assert "[95 % CI]" not in narrow
    assert "interval" not in narrow


def test_many_arms_are_counted_instead_of_named():
    names = [f"arm-{i}" for i in range(12)]
    rows = [Row(kind="arm", name=name, metrics={"log_loss": Estimate(mean=0.6 + i / 100, low=0.1, high=0.9, n=2)})
            for i, name in enumerate(names)]  # fmt: skip
    lost = [
        Difference(first="arm-0", second=name, metric=metric, over="both", mean=gap, low=gap - 0.04, high=gap + 0.04,
                   n=2, told_apart=metric == "accuracy", better="arm-0", comparisons=66, rows=150)
        for metric, gap in (("log_loss", -0.05), ("accuracy", 0.05)) for name in names[1:11]
    ]  # fmt: skip
    result = Comparison(title="t", sentence="s", metric="log_loss", metrics=[LOSS, ACCURACY], winner="arm-0",
                        rows=rows, differences=lost)  # fmt: skip
    assert notes(result) == [
        "An interval is of one difference alone: after correction for 66 comparisons, there is no detectable "
        "difference from 10 of the 11 other optimizers."
    ]
    rivals = {name: [each for each in lost if each.metric == name] for name in ("log_loss", "accuracy")}
    assert remarks(LOSS, [LOSS, ACCURACY], rows[0], rows, rivals) == [
        "The 95 % intervals of 10 of the 10 differences from arm-0 exclude zero, but they are among 66 comparisons, "
        "some of which do so by chance: after correction these differences are not detectable.",
        "On accuracy arm-0 is better than 10 of the 10 others.",
    ]


@pytest.mark.parametrize(("size", "value"), [(0.0274, "better by .027"), (-0.0382, "worse by .038")])
def test_what_mattered_has_words_instead_of_signs(size, value):
    rows = [
        Row(kind="arm", name="adam", metrics={"log_loss": Estimate(mean=1.4, low=1.398, high=1.402, n=5)})
    ]
    effects = [Effect(name="network", size=size, text="x"), Effect(name="seed", size=0.01, text="y")]
    result = Comparison(title="t", sentence="s", metric="log_loss", metrics=[LOSS], winner="adam", rows=rows,
                        effects=effects)  # fmt: skip
    assert [each.value for each in bars(result)[1]] == [value, ".010"]


def test_means_that_differ_by_rounding_are_not_ranked():
    def rows(other: float) -> Comparison:
        arms = [
            Row(kind="arm", name=name, metrics={"log_loss": Estimate(mean=mean, low=0.5, high=0.7, n=2)})
            for name, mean in (("adam", 0.6), ("sgd", other))
        ]
        return Comparison(
            title="t", sentence="s", metric="log_loss", metrics=[LOSS], winner="adam", rows=arms
        )

    assert notes(rows(0.59)) == ["Validation chose adam; on the test rows sgd has the better mean."]
    assert notes(rows(0.6 - 3e-10)) == []


def test_the_metric_that_the_headline_advises_has_a_column_on_a_narrow_terminal():
    names = [f"embedding-mlp(hidden=[{width}, {width}])" for width in (128, 256)]
    auc = Metric(name="roc_auc", title="ROC AUC", higher_is_better=True)
    metrics = [LOSS, ACCURACY, auc]
    rows = [
        row(name, 0.5).model_copy(
            update={"metrics": {each.name: Estimate(mean=0.5, low=0.4, high=0.6, n=5) for each in metrics}}
        )
        for name in names
    ]
    gap = minus(names[1], -0.12345, 0.05, first=names[0])
    made = Comparison(title="t", sentence="By ROC AUC, it does predict: try --metric roc-auc.", metric="log_loss",
                      metrics=metrics, winner=names[0], rows=rows, differences=[gap])  # fmt: skip
    for width in (80, 60):
        head = plain_text(comparison_table(made, width), width)
        assert "log loss" in head
        assert "ROC AUC ↑" in head
    assert "ROC AUC" not in plain_text(comparison_table(made.model_copy(update={"sentence": "s"}), 80), 80)
    assert [each.partition("\xa0")[0] for each in results.table(made).head if "↑" in each] == ["ROC AUC"]


def test_the_table_has_how_much_of_a_baselines_tuning_was_made():
    rows = [row("adam", 1.464), base("gradient boosting", 1.5, cut="2 of 6 settings tried")]
    made = Comparison(title="t", sentence="s", metric="log_loss", metrics=[LOSS], winner="adam", rows=rows)
    assert "2 of 6 settings tried" in plain_text(comparison_table(made, 80), 80)
    table = results.table
    [_, (_, [line])] = table(made).groups
    assert "2 of 6 settings tried" in line.badges


def test_advice_is_reserved_where_a_column_gives_the_target_away():
    leak = ", unless Censor would not be known at prediction."
    advised = 0
    for name, case in CASES.items():
        text = case.said(["Censor"])
        assert text.replace(leak, ".") == case.text, name
        assert text.count(leak) == len(re.findall(r"(?:^|\. )Use ", text)), name
        advised += leak in text
    assert advised > len(CASES) / 2
    one = CASES["win over one"]
    assert ", unless a, b or c would not be known at prediction." in one.said(["a", "b", "c"])
    assert ", unless one of 4 columns, such as a, would not be known at prediction." in one.said([*"abcd"])
