"""The terms that reports and the terminal use, each with one definition; the documentation's page is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from steepest.compare.result import INPUTS, Comparison
from steepest.data.dataset import InWords
from steepest.data.texts.vocabulary import BEFORE
from steepest.report.factors import varying

OTHER_LABELS = {
    "difference from ": "difference from the winner",
    "smallest visible": "smallest detectable difference",
    "comparisons corrected for": "correction for multiple comparisons",
    "seeds": "run seed",
    "tuning runs": "tuning",
    "library default": "library default",
    "still improving": "still improving, overfitting",
    "overfitting": "still improving, overfitting",
}
"""Labels that begin otherwise than the term that they stand for."""


Where = Literal[
    "",
    "tables",
    "curves",
    "images",
    "ratings",
    "texts",
    "factors",
    "regularizers",
    "callbacks",
    "procedures",
    "sets",
    "optimum",
]


@dataclass(frozen=True)
class Term:
    """A term of the report.

    Attributes:
        name: as it is written in reports.
        meaning: its definition, one or two sentences.
        only: where it is explained: in comparisons on ``tables``, ``curves``, ``images``, ``ratings`` or ``texts``, of
            several ``factors``, with ``regularizers``, ``callbacks`` or ``procedures``, on several test ``sets``, or
            where the exact ``optimum`` is known; else in all.
    """

    name: str
    meaning: str
    only: Where = ""

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
        "mean is Student's t interval over run seeds or, with several test sets, over these, wider for the rows that "
        "they share; ± 0 means that all gave the same value. The interval of a difference accounts for both seed and "
        "test-row variation. It is of that difference alone: with several "
        "comparisons, the corrected p-value decides what is detectable. There is none with fewer than 100 test rows, "
        "nor, for metrics such as ROC AUC and F1, with fewer than 20 of a class.",
    ),
    Term(
        "token",
        "A piece of a text that a language model reads and predicts: a byte, or several that are often together.",
        only="texts",
    ),
    Term(
        "perplexity",
        "The exponential of the mean loss of a token: as uncertain as a choice among so many equally probable tokens.",
        only="texts",
    ),
    Term(
        "arm",
        "One of the ways of training that are compared: an optimizer or, where other factors vary, a combination of "
        "optimizer, model, schedule, batch size and so on.",
    ),
    Term(
        "baseline",
        "A simple model that is fitted for comparison. Its settings are chosen on the validation rows, like a "
        "network's learning rate.",
    ),
    Term(
        "baselines of curves",
        "The mean, and straight lines that are computed exactly: of least squares, and of least absolute deviations.",
        only="curves",
    ),
    Term("baselines of images", "The majority class of the training images.", only="images"),
    Term(
        "baselines of ratings",
        "The mean; biases, which are the mean plus how far the ratings of the user and of the item are from it; and "
        "item k-nearest neighbours, which predict from how the user rated the most similar items.",
        only="ratings",
    ),
    Term(
        "baselines of tables",
        "Majority class or mean, (logistic) regression, and gradient boosting.",
        only="tables",
    ),
    Term(
        "averaged over users",
        "A measure that is computed for each user and then averaged, so that a user with few ratings counts as much "
        "as one with many. The metrics of the results count every rating the same.",
        only="ratings",
    ),
    Term(
        "best weights, last weights",
        "Every run keeps the weights with its best validation metric. Results use those; the result of the weights "
        "after the last step is shown as well.",
    ),
    Term(
        "callback",
        "Code of the user that is called during training, for example to stop a run or to change its learning rate.",
        only="callbacks",
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
        "exact optimum",
        "The least training loss that a model can have on the training rows, computed without gradient descent.",
        only="optimum",
    ),
    Term(
        "factor, level",
        "A factor is something in which arms differ, such as the batch size; its levels are the values that are "
        "compared.",
        only="factors",
    ),
    Term(
        "good range",
        "The factor between the smallest and the largest learning rate whose validation metric is within 1 % of the "
        "best one. A large factor means that the learning rate is easy to choose.",
    ),
    Term(
        "interaction",
        "How much the difference between two levels of one factor depends on the level of another. A large one means "
        "that the factors cannot be judged one by one.",
        only="factors",
    ),
    Term(
        "library default",
        "The learning rate that the optimizer has if none is given. The same seeds are run with it to show what tuning "
        "was worth.",
    ),
    Term(
        "liked beyond taste",
        "The bias of an item: how much better it is rated than the mean, whatever the tastes of its users.",
        only="ratings",
    ),
    Term(
        "main effect",
        "What the levels of one factor differ by on average over the levels of all others, each combination counting "
        "the same.",
        only="factors",
    ),
    Term(
        "NDCG@k",
        "Normalised discounted cumulative gain: how near the top of a ranking of all items that a user has not rated "
        "in training the items are that the user likes in the test rows. Only the first k count; 1 is the best "
        "possible order. A mean over users.",
        only="ratings",
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
        "procedure",
        "What an arm does: one run, or several that build on each other, such as a second run from the weights of the "
        "first.",
        only="procedures",
    ),
    Term(
        "recall@k",
        "The share of the items that a user likes in the test rows that are among the first k of the ranking of all "
        "items that the user has not rated in training. A mean over users. A random order has a recall above 0, too: "
        "the fewer items there are to rank, the higher.",
        only="ratings",
    ),
    Term(
        "regularizer",
        "What acts inside a training step besides the optimizer: noise on inputs, labels or gradients, units that are "
        "left out, a penalty on weights, their decay, a largest norm, averaged weights, or an early end of the run. "
        "Losses in training are shown without penalties.",
        only="regularizers",
    ),
    Term(
        "run",
        "One training of a network, from its initial weights to its end, or of a procedure one of its stages.",
    ),
    Term(
        "run seed",
        "Determines initial weights, the order of rows and dropout of one run. Several seeds show how much results "
        "vary from run to run. Tuning uses a seed of its own.",
    ),
    Term(
        "schedule",
        "How the learning rate changes over a run: cosine by default, the same for all arms unless it is compared.",
    ),
    Term(
        "share of variance",
        "How much of the uncertainty of the differences comes from run seeds (on several test sets: from seeds "
        "and training sets) and how much from test rows. Where rows dominate, more test rows help; where seeds "
        "dominate, more seeds.",
    ),
    Term(
        "smallest detectable difference",
        "The true difference between the winner and the arm nearest to it that would have been detected with a "
        "probability of 80 %. Smaller ones are detected less often. Main effects are means over several arms: of "
        "them, smaller ones can be seen.",
    ),
    Term(
        "split seed",
        "Determines which rows are training, validation and test rows. It is fixed for a comparison; only intervals "
        "over several test sets account for the choice of training rows.",
    ),
    Term(
        "still improving, overfitting",
        "The validation metric was still getting better at the end of most runs, or had been getting worse for a "
        "while. More epochs, or fewer, may change the result.",
    ),
    Term("test rows", "Rows that no choice has used. They are read once, with weights that were already chosen."),
    Term(
        "test set",
        "The test rows of one split. With folds every row is tested once; repeated splits draw their test rows anew. "
        "Each test set has training and validation rows of its own, and its own runs.",
        only="sets",
    ),
    Term(
        "trial",
        "A setting that is tried while an arm is tuned: a learning rate, or a point of several hyperparameters. It has "
        "a short run, and those that are best have one at full length, too.",
    ),
    Term(
        "tuning",
        "Every arm gets the same allowance: learning rates √10 apart on a quarter of the steps, and up to three more "
        "where the best is at the edge (or points of several hyperparameters, if more is tuned), then the best "
        "ones at full length. With several test sets this is done once, on the first one's training and validation "
        "rows.",
    ),
    Term("validation rows", "Rows that are not used for training. All choices are made on them."),
    Term(
        "winner",
        "The arm with the best mean of the deciding metric on the validation rows, among those with the fewest "
        "failed runs. So another one may have the better mean on the test rows.",
    ),
)  # fmt: skip


def terms(comparison: Comparison) -> list[Term]:
    """Return the terms that a comparison's report explains."""
    recipe = {each.label for each in comparison.recipe}
    kind = kind_of(comparison)
    here: dict[Where, bool] = {
        "": True,
        "tables": kind == "tables",
        "curves": kind == "curves",
        "images": kind == "images",
        "ratings": kind == "ratings",
        "texts": kind == "texts",
        "callbacks": "callbacks" in recipe,
        "procedures": "procedure" in recipe,
        "optimum": bool(comparison.optima),
        "factors": bool(varying(comparison)),
        "sets": comparison.test_sets > 1,
        "regularizers": "regularizer" in recipe,
    }
    return [each for each in TERMS if here[each.only]]


def kind_of(comparison: Comparison) -> Where:
    """Return the kind of data of a comparison that has terms of its own; nothing for another kind."""
    if comparison.rated is not None:
        return "ratings"
    if comparison.fits is not None:
        return "curves"
    if any(each.label == "inputs" and "(image [" in each.value for each in comparison.data):
        return "images"
    inputs = next((each.value for each in comparison.data if each.label == INPUTS), InWords().inputs)
    if inputs.endswith(BEFORE):
        return "texts"
    return "tables" if inputs == InWords().inputs else ""


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
