"""Label smoothing: a share of the truth is given to all classes alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.objectives.target import Target, class_shares
from steepest.regularizers import Regularizer

COMPONENTS = {
    "label-smoothing": {
        "object": "LabelSmoothing",
        "what": "a share of the truth is given to all classes alike",
        "groups": ["labels"],
    }
}


class LabelSmoothing(Regularizer):
    r"""A share ε of the truth is given to all K classes alike.

    .. math:: q_k = (1 - \varepsilon)\,[k = y] + \varepsilon / K, \qquad \ell = \sum_k q_k\, \ell_k(o)

    with the loss :math:`\ell_k` that the row would have if its class were k; with cross-entropy it is what
    ``label_smoothing`` is in torch. The training loss that is reported is this one; validation and test are judged by
    the
    true classes. Where classes have weights c, the row counts by that of its
    own class alone, :math:`\ell = c_y \sum_k q_k\, \ell_k(o)`: a heavy class would else be learned from every row.

    Args:
        share: ε, from 0 up to but not 1.

    Source: Szegedy, Vanhoucke, Ioffe, Shlens & Wojna, Rethinking the Inception Architecture for Computer Vision, CVPR
    2016.

    Example:
        >>> import torch
        >>> from steepest.objectives.target import ClassTarget
        >>> rows, draw = Part((), torch.tensor([1])), np.random.default_rng(0)
        >>> LabelSmoothing(share=0.2).labels(rows, ClassTarget(2), draw).target
        tensor([[0.1000, 0.9000]])
    """

    name = "label-smoothing"
    strength_of = "share"
    strengths = (0.01, 0.4)
    turn = 1
    bibtex = """
@inproceedings{szegedy2016rethinking,
  author = {Szegedy, Christian and Vanhoucke, Vincent and Ioffe, Sergey and Shlens, Jon and Wojna, Zbigniew},
  title = {Rethinking the {Inception} Architecture for Computer Vision},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  pages = {2818--2826},
  year = {2016},
}
"""

    share: float = Field(0.1, ge=0.0, lt=1.0, description="ε, a share from 0 up to but not 1")

    def check(self, model: nn.Module, rows: Part, target: Target) -> None:
        """Raise an ``OptionError`` if there are no classes."""
        del model, rows
        if not target.classes:
            raise OptionError(
                f"the regularizer {str(self)!r} smooths classes, but the target is {target.called}",
                hint="label-noise and mixup are for numbers, too.",
            )

    def labels(self, part: Part, target: Target, draw: np.random.Generator) -> Part:
        """Return the batch with shares of classes for codes."""
        del draw
        if not self.share:
            return part
        shares = class_shares(part, target.classes)
        return replace(part, target=shares * (1 - self.share) + self.share / target.classes)

    def by_class(self, before: Tensor, after: Tensor, weights: Tensor) -> Tensor:
        r"""Return shares that have the weight of the row's own class after they are multiplied by those of the classes.

        With s before and :math:`\bar s = \sum_k c_k s_k` they are
        :math:`(1 - \varepsilon) s_k + \varepsilon \bar s / (K c_k)`.
        """
        del after
        own = (before @ weights)[:, None]
        return before * (1 - self.share) + self.share / before.shape[1] * own / weights
