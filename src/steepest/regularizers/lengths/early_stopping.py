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
        patience: evaluations, of which a run has about 20, without a better value of the deciding metric.

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

    patience: int = Field(5, ge=1, description="evaluations without an improvement, at least 1")

    def stops_after(self) -> int | None:
        """Return the evaluations without an improvement."""
        return self.patience
