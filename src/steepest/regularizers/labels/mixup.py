"""Mixup: rows are mixed with others, and so are their targets."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.objectives.target import Target, class_shares
from steepest.regularizers import Regularizer

COMPONENTS = {
    "mixup": {
        "object": "Mixup",
        "what": "every row is mixed with another one, and so is its target",
        "groups": ["labels"],
    }
}


class Mixup(Regularizer):
    r"""Every row of a batch is mixed with another one, and so are their targets.

    .. math:: x_i \leftarrow \lambda x_i + (1 - \lambda) x_{\pi(i)}, \qquad
              y_i \leftarrow \lambda y_i + (1 - \lambda) y_{\pi(i)}, \qquad \lambda \sim \operatorname{Beta}(\alpha,
              \alpha)

    with one λ and one permutation π for each step, as the authors' code has them. Of classes, the shares are mixed:
    the loss
    is :math:`\lambda \ell_{y_i}(o) + (1 - \lambda)\ell_{y_{\pi(i)}}(o)`. Pixels are mixed as they are, before they are
    standardised, which is the same. The training loss that is reported is that of the mixed rows. Where rows have
    weights w, each target counts by that of its row: the weight is
    :math:`\lambda w_i + (1 - \lambda) w_{\pi(i)}`, the target
    :math:`(\lambda w_i y_i + (1 - \lambda) w_{\pi(i)} y_{\pi(i)}) / (\lambda w_i + (1 - \lambda) w_{\pi(i)})`.
    Data with categories is refused, because codes cannot be mixed.

    Args:
        alpha: α, above 0: near 0 hardly any row is mixed, at 1 all λ are equally likely.

    Source: Zhang, Cisse, Dauphin & Lopez-Paz, mixup: Beyond Empirical Risk Minimization, ICLR 2018.

    Example:
        >>> from steepest.objectives.target import ClassTarget
        >>> rows, draw = Part((torch.tensor([[0.0], [1.0]]),), torch.tensor([0, 1])), np.random.default_rng(3)
        >>> found = Mixup(alpha=1.0).labels(rows, ClassTarget(2), draw)
        >>> bool((found.inputs[0][:, 0] == found.target[:, 1]).all())
        True
    """

    name = "mixup"
    strength_of = "alpha"
    strengths = (0.05, 2.0)
    turn = 2
    mixes = True
    bibtex = """
@inproceedings{zhang2018mixup,
  author = {Zhang, Hongyi and Cisse, Moustapha and Dauphin, Yann N. and Lopez-Paz, David},
  title = {mixup: Beyond Empirical Risk Minimization},
  booktitle = {International Conference on Learning Representations},
  year = {2018},
}
"""

    alpha: float = Field(0.2, gt=0.0, allow_inf_nan=False, description="α, a number above 0")

    def check(self, model: nn.Module, rows: Part, target: Target) -> None:
        """Raise an ``OptionError`` if there are categories, or the target is the input itself."""
        del model
        if any(
            not each.is_floating_point() and each.dtype != torch.uint8 and each.numel()
            for each in rows.inputs
        ):
            raise OptionError(
                f"the regularizer {str(self)!r} mixes rows, but codes of categories cannot be mixed",
                hint="leave it out here; it is for numbers and images.",
            )
        if target.is_input:
            raise OptionError(
                f"the regularizer {str(self)!r} mixes targets, but the target is {target.called}",
                hint="leave it out.",
            )

    def labels(self, part: Part, target: Target, draw: np.random.Generator) -> Part:
        """Return the batch with mixed rows and targets."""
        share = float(draw.beta(self.alpha, self.alpha))
        others = torch.from_numpy(draw.permutation(len(part))).to(part.target.device)

        def mixed(values: Tensor) -> Tensor:
            values = values if values.is_floating_point() else values.float()
            return values * share + values[others] * (1 - share)

        inputs = tuple(mixed(each) if each.numel() else each for each in part.inputs)
        wanted = class_shares(part, target.classes) if target.classes else part.target
        if part.weights is None:
            return replace(part, inputs=inputs, target=mixed(wanted))
        weights = mixed(part.weights)
        own = torch.where(
            weights > 0, share * part.weights / weights, share
        )  # how much of a target is its own row's
        own = own[:, None] if wanted.dim() == 2 else own
        return replace(part, inputs=inputs, target=own * wanted + (1 - own) * wanted[others], weights=weights)
