"""The terms that reports and the terminal use, each with one definition; the documentation's page is made from it."""

from __future__ import annotations

from dataclasses import dataclass

OTHER_LABELS = {
    "difference from ": "difference from the winner",
    "smallest visible": "smallest detectable difference",
    "comparisons corrected for": "correction for multiple comparisons",
    "seeds": "run seed",
    "trials": "tuning",
    "library default": "library default",
    "still improving": "still improving, overfitting",
    "overfitting": "still improving, overfitting",
}
"""Labels that begin otherwise than the term that they stand for."""


@dataclass(frozen=True)
class Term:
    """A term of the report.

    Attributes:
        name: as it is written in reports.
        meaning: its definition, one or two sentences.
    """

    name: str
    meaning: str

    @property
    def anchor(self) -> str:
        """The term's place on a page.

        Example:
            >>> Term("learning rate", "…").anchor
            'term-learning-rate'
        """
        return "term-" + "".join(each if each.isalnum() else "-" for each in self.name.lower())


TERMS: tuple[Term, ...] = (
    Term(
        "95 % interval",
        "A range computed so that, over many repetitions, 95 % of such ranges contain the true value. The ± after a "
        "mean is Student's t interval over run seeds; the interval of a difference accounts for both seed and "
        "test-row variation. There is none with fewer than 100 test rows, nor, for metrics such as ROC AUC and F1, "
        "with fewer than 20 of a class.",
    ),
    Term(
        "baseline",
        "A simple model that is fitted for comparison: majority class or mean, (logistic) regression, and gradient "
        "boosting. Its settings are chosen on the validation rows, like a network's learning rate.",
    ),
    Term(
        "best weights, last weights",
        "Every run keeps the weights with its best validation metric. Results use those; the result of the weights "
        "after the last step is shown as well.",
    ),
    Term(
        "correction for multiple comparisons",
        "With many comparisons some p-values are small by chance. They are corrected together by Holm's method, so "
        "that the probability of one or more false claims stays below 5 %.",
    ),
    Term(
        "deciding metric",
        "The metric that chooses learning rates, weights, baselines' settings and the winner, all on the validation "
        "rows: log loss for classes and RMSE for numbers unless another is given.",
    ),
    Term(
        "difference from the winner",
        "A row's test metric minus the winner's, computed seed by seed and test row by test row, so that what both "
        "share (initial weights, batches, hard rows) cancels.",
    ),
    Term(
        "diverged",
        "The loss became infinite or undefined. The run has no result; it is recorded, counted and never dropped.",
    ),
    Term("epoch", "One pass over the training rows."),
    Term(
        "good range",
        "The factor between the smallest and the largest learning rate whose validation metric is within 1 % of the "
        "best one. A large factor means that the learning rate is easy to choose.",
    ),
    Term(
        "library default",
        "The learning rate that the optimizer has if none is given. The same seeds are run with it to show what tuning "
        "was worth.",
    ),
    Term(
        "no detectable difference",
        "The corrected p-value is 0.05 or more: these seeds and test rows cannot show that the two differ. It does not "
        "mean that they are equal; compare the smallest detectable difference.",
    ),
    Term(
        "p-value",
        "The probability of a difference at least this large if there were none. It belongs to the interval beside "
        "it: below 0.05 exactly where the 95 % interval excludes zero.",
    ),
    Term(
        "run seed",
        "Determines initial weights, the order of rows and dropout of one run. Several seeds show how much results "
        "vary from run to run. Tuning uses a seed of its own.",
    ),
    Term("schedule", "How the learning rate changes over a run, the same for all optimizers: cosine by default."),
    Term(
        "share of variance",
        "How much of the uncertainty of the differences comes from run seeds and how much from test rows. Where rows "
        "dominate, more test rows help; where seeds dominate, more seeds.",
    ),
    Term(
        "smallest detectable difference",
        "The true difference that this comparison would have detected with a probability of 80 %.",
    ),
    Term(
        "split seed",
        "Determines which rows are training, validation and test rows. It is fixed for a comparison; no interval "
        "accounts for it.",
    ),
    Term(
        "still improving, overfitting",
        "The validation metric was still getting better at the end of most runs, or had been getting worse for a "
        "while. More epochs, or fewer, may change the result.",
    ),
    Term("test rows", "Rows that no choice has used. They are read once, with weights that were already chosen."),
    Term(
        "tuning",
        "Every optimizer gets the same number of trials: learning rates √10 apart on a quarter of the steps (or points "
        "of several hyperparameters, if more is tuned), then the best ones at full length.",
    ),
    Term("validation rows", "Rows that are not used for training. All choices are made on them."),
    Term(
        "winner",
        "The optimizer with the best mean of the deciding metric on the validation rows, among those with the fewest "
        "failed runs. So another one may have the better mean on the test rows.",
    ),
)  # fmt: skip


def term(label: str) -> Term | None:
    """Return the term that a label of the report begins with, or None.

    Example:
        >>> found = term("difference from adam [95 % CI]")
        >>> found.name if found else None
        'difference from the winner'
        >>> term("rate") is None
        True
    """
    words = {each.name: each.name for each in TERMS} | OTHER_LABELS
    name = next((words[each] for each in words if label.startswith(each)), None)
    return next((each for each in TERMS if each.name == name), None)


def page() -> str:
    """Return the terms as Markdown."""
    lines = [f'<a id="{each.anchor}"></a>**{each.name}**: {each.meaning}' for each in TERMS]
    return "\n\n".join(lines)
