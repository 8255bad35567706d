"""The end of a run that does not improve any more."""

from __future__ import annotations

from pydantic import Field

from steepest.regularizers import Regularizer

COMPONENTS = {
    "early-stopping": {
        "object": "EarlyStopping",
        "what": "ends a run that does not improve on the validation rows",
        "groups": ["length"],
    }
}


class EarlyStopping(Regularizer):
    """The end of a run after some evaluations of the validation rows without an improvement.

    Without it a run has its full length; its weights are those of the best evaluation in both cases. The schedule is
    that of the full length.

    Args:
        patience: evaluations without a better value of the metric; a run has about 20, and as many more as epochs up
        to 20.
        metric: a metric in whose place: it then also decides which weights are kept, those of its best evaluation. By
            default the metric that decides the comparison, on which rates are chosen in any case.

    Source: Prechelt, Early Stopping: But When?, 1998.
    """

    name = "early-stopping"
    bibtex = """
@incollection{prechelt1998early,
  author = {Prechelt, Lutz},
  title = {Early Stopping---But When?},
  booktitle = {Neural Networks: Tricks of the Trade},
  pages = {55--69},
  year = {1998},
}
"""

    by_name = ("metric",)

    patience: int = Field(5, ge=1, description="evaluations without an improvement, at least 1")
    metric: str = Field("", description="the name of a metric, as steepest list metrics has it")

    def stops_after(self) -> int | None:
        """Return the evaluations without an improvement."""
        return self.patience

    def watches(self) -> str:
        """Return the metric, if there is one of its own."""
        return self.metric
