"""Cross-entropy of the next token."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from steepest.data.texts.vocabulary import IGNORE
from steepest.objectives import Objective, total_weight

COMPONENTS = {
    "next-token": {
        "object": "NextToken",
        "what": "the negative log-probability of the next token",
        "groups": ["language"],
    }
}


class NextToken(Objective):
    r"""The negative log-probability of every next token, :math:`\ell = \frac1n \sum_{t} -\log
    \operatorname{softmax}(o_t)_{y_t}` over the n scored tokens of a row.

    A row weighs as much as it has scored tokens, so that the loss of a batch, :math:`\sum_i n_i \ell_i / \sum_i n_i`,
    is that of a token, whatever rows it has and however it is cut for accumulation. Padding is never scored.

    Example:
        >>> outputs, target = torch.zeros(2, 2, 4), torch.tensor([[1, 3], [0, IGNORE]])
        >>> NextToken().losses(outputs, target).exp().round().tolist()
        [4.0, 4.0]

    Source: Bengio, Ducharme, Vincent & Jauvin, A neural probabilistic language model, JMLR 3, 2003.
    """

    name = "next-token"
    title = "the cross-entropy of the next token"
    serves = "language"
    metric = "token_loss"
    bibtex = """
@article{bengio2003neural,
  author = {Bengio, Yoshua and Ducharme, R{\\'e}jean and Vincent, Pascal and Jauvin, Christian},
  title = {A Neural Probabilistic Language Model},
  journal = {Journal of Machine Learning Research},
  volume = {3},
  pages = {1137--1155},
  year = {2003},
}
"""

    def losses(self, outputs: Tensor, target: Tensor) -> Tensor:
        """Return the mean over each row's scored tokens, ``[B]``; 0 of a row without any.

        Args:
            outputs: logits ``[B, T, V]``.
            target: int64 ``[B, T]``, ``IGNORE`` where none is scored.
        """
        scored = target != IGNORE
        logits = outputs.gather(-1, target.clamp(min=0).unsqueeze(-1)).squeeze(-1)
        each = torch.where(scored, torch.logsumexp(outputs, -1) - logits, 0.0)
        return each.sum(-1) / scored.sum(-1).clamp(min=1)

    def made_up(self, draw: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Return logits ``[2, 4, 5]`` and the codes of pieces ``[2, 4]``; one of them is not scored."""
        outputs, target = draw.normal(size=(2, 4, 5)), draw.integers(5, size=(2, 4))
        target[1, 3] = IGNORE
        return torch.from_numpy(outputs), torch.from_numpy(target)

    def loss(self, outputs: Tensor, target: Tensor, weights: Tensor | None = None) -> Tensor:
        """Return the loss of a token in a batch; rows without weights of their own weigh as they have scored tokens."""
        weights = (target != IGNORE).sum(-1).to(outputs.dtype) if weights is None else weights
        return (weights * self.losses(outputs, target)).sum() / total_weight(weights)
