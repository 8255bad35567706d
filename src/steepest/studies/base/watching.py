"""What studies log of their runs: callbacks that only watch."""

from __future__ import annotations

import time

import torch
from torch.nn.functional import cross_entropy

from steepest.train.callback import Callback, View

FITTED, RIGHT, WRONG, MEMORISED, SPENT = "fitted", "right", "wrong", "memorised", "watching"
"""Accuracy on the training labels, as they are and as they truly are; share of wrong labels; share of these that are
predicted as they are; seconds of the watching itself."""

LOSS, CURVATURE = "training loss", "top eigenvalue"
NORM_1, NORM_2 = "l1 norm", "l2 norm"


class InSample(Callback):
    """Logs accuracy and loss on the training rows at every evaluation, and what was memorised at the end."""

    only_watches = by_run = True

    def _log(self, view: View) -> None:
        found = view.training_outputs().argmax(-1)
        view.log(FITTED, float((found == view.training_rows().target).double().mean()))

    def at_evaluation(self, view: View) -> None:
        """Log accuracy and loss."""
        outputs, target = view.training_outputs(), view.training_rows().target
        view.log(FITTED, float((outputs.argmax(-1) == target).double().mean()))
        view.log(LOSS, float(cross_entropy(outputs, target)))

    def at_end(self, view: View) -> None:
        """Log what was memorised."""
        found, given, true = (
            view.training_outputs().argmax(-1),
            view.training_rows().target,
            view.true_target(),
        )
        wrong = given != true
        view.log(RIGHT, float((found == true).double().mean()))
        view.log(WRONG, float(wrong.double().mean()))
        if bool(wrong.any()):
            view.log(MEMORISED, float((found == given)[wrong].double().mean()))


class EveryStep(InSample):
    """The same, with the accuracy after every step and the seconds that this takes, which are of a run alone."""

    by_run = False

    def at_begin(self, view: View) -> None:
        """Log the accuracy of the start."""
        self._log(view)

    def at_batch(self, view: View) -> None:
        """Log the accuracy after a step."""
        started = time.perf_counter()
        self._log(view)
        view.log(SPENT, time.perf_counter() - started)


class Norms(InSample):
    """Logs the L1 and L2 norms of all weights at every evaluation, too."""

    def at_evaluation(self, view: View) -> None:
        """Log accuracy, loss and norms."""
        super().at_evaluation(view)
        flat = torch.cat([each.detach().flatten() for each in view.model().parameters()])
        view.log(NORM_1, float(flat.abs().sum()))
        view.log(NORM_2, float(flat.norm()))


class TopEigenvalue(InSample):
    """Logs the largest eigenvalue of the Hessian of the training loss at the end, too."""

    def at_end(self, view: View) -> None:
        """Log what was memorised, and the eigenvalue."""
        super().at_end(view)
        from steepest.curvature import Curvature, top_eigenvalues  # slow to import

        rows = view.training_rows()
        at = Curvature.of(view.model(), cross_entropy, rows.inputs, rows.target)
        view.log(CURVATURE, float(top_eigenvalues(at, "hessian", count=1, tolerance=1e-3).values[0]))
