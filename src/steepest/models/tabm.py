r"""TabM: many cheap members in one network, each with a loss of its own, whose predictions are averaged.

The members share the matrices of the hidden layers; each has vectors r and s around them, a bias, and an output layer:

.. math::
    h_i^{(k+1)} = \phi\left(s_i \circ W_k (r_i \circ h_i^{(k)}) + b_i\right), \qquad
    \hat p = \frac{1}{K} \sum_i \operatorname{softmax}(V_i h_i + c_i)

Training makes the mean of the members' losses smaller, not the loss of their mean.

Source: Gorishniy, Kotelnikov & Babenko, TabM: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling,
ICLR 2025. The adapters are those of Wen, Tran & Ba, BatchEnsemble, ICLR 2020.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models.mlp import MLP

COMPONENTS = {
    "tabm": {
        "object": "TabM",
        "what": "tables: many cheap networks in one, predictions averaged",
        "takes": ["codes, values", "values"],
    },
}


class TabM(MLP):
    """Many members around the matrices of one multilayer perceptron.

    In training mode it returns the outputs of every member, of which each has its own loss; in evaluation mode, log
    probabilities of their averaged probabilities, or averaged numbers. The members differ from the start by random
    signs r in front of the first matrix and by their output layers; all other r and s begin at 1. With one member it
    has no r and s and is ``mlp``.

    Args:
        shape: the dataset's shape.
        k: how many members there are.
        hidden: widths of the hidden layers.
        activation: φ, one of ``mlp``.
        dropout: share of the units of each hidden layer that a training step leaves out, drawn for each member: one
            number, or one for each layer.
        embedding: widths of vectors by column, where the rule ``embedding_width`` is not wanted.

    Raises:
        ModelError: there is no member or no such activation, a width is not positive, or the dropout is no share.
        UnknownNameError: ``embedding`` names a column that is not categorical.

    Example:
        >>> net = TabM(Shape("classification", {"day": 7}, ("heat",), 3), k=4, hidden=(8,))
        >>> inputs = torch.zeros(5, 1, dtype=torch.long), torch.ones(5, 1)
        >>> net.train()(*inputs).shape, net.eval()(*inputs).shape
        (torch.Size([5, 4, 3]), torch.Size([5, 3]))
    """

    bibtex = """
@inproceedings{gorishniy2025tabm,
  author = {Gorishniy, Yury and Kotelnikov, Akim and Babenko, Artem},
  title = {{TabM}: Advancing Tabular Deep Learning with Parameter-Efficient Ensembling},
  booktitle = {International Conference on Learning Representations},
  year = {2025},
}
@inproceedings{wen2020batchensemble,
  author = {Wen, Yeming and Tran, Dustin and Ba, Jimmy},
  title = {{BatchEnsemble}: An Alternative Approach to Efficient Ensemble and Lifelong Learning},
  booktitle = {International Conference on Learning Representations},
  year = {2020},
}
"""

    def __init__(
        self,
        shape: Shape,
        *,
        k: int = 32,
        hidden: Sequence[int] = (128, 64),
        activation: str = "relu",
        dropout: float | Sequence[float] = 0.1,
        embedding: Mapping[str, int] | None = None,
    ) -> None:
        if k < 1:
            raise ModelError(f"k is {k}", hint="give at least one member.")
        super().__init__(shape, hidden=hidden, activation=activation, dropout=dropout, embedding=embedding)
        self.members, self.classes = k, shape.classes
        if k == 1:
            return
        *layers, last = self.layers
        assert isinstance(last, nn.Linear)
        changed = [Adapted(each, k) if isinstance(each, nn.Linear) else each for each in layers]
        if changed and isinstance(changed[0], Adapted):
            changed[0].begin_apart()
        self.layers = nn.Sequential(*changed, Apart(last, k))
        self.roles = {
            f"layers.{place}.{name}": role
            for place, each in enumerate(self.layers)
            for name, role in (each.roles.items() if isinstance(each, Adapted | Apart) else ())
        }

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]``, or ``[B, k, outputs]`` in training mode, as :class:`MLP` takes inputs."""
        if self.members == 1:
            return super().forward(*inputs)
        rows = inputs[-1] if self.columns is None else self.columns(*inputs)
        outputs = self.layers(rows[:, None])
        if self.training:
            return outputs
        if not self.classes:
            return outputs.mean(1)
        return functional.log_softmax(outputs, 2).logsumexp(1) - math.log(self.members)


class Adapted(nn.Module):
    """A linear layer of all members, with vectors and a bias for each: :math:`s_i \\circ W (r_i \\circ x) + b_i`.

    Args:
        linear: its matrix and the bias with which all members begin.
        members: how many there are.
    """

    roles: ClassVar[dict[str, str]] = {"r": "norms", "s": "norms", "bias": "biases"}

    def __init__(self, linear: nn.Linear, members: int) -> None:
        super().__init__()
        self.weight = linear.weight
        self.r = nn.Parameter(torch.ones(members, linear.in_features))
        self.s = nn.Parameter(torch.ones(members, linear.out_features))
        self.bias = nn.Parameter(linear.bias.detach().repeat(members, 1))

    def begin_apart(self) -> None:
        """Make r random signs."""
        with torch.no_grad():
            self.r.copy_(torch.randint(0, 2, self.r.shape) * 2 - 1)

    def forward(self, rows: Tensor) -> Tensor:
        """Return ``[B, k, outputs]`` for ``[B, k, inputs]``, or ``[B, 1, inputs]`` that are the same for all."""
        return functional.linear(rows * self.r, self.weight) * self.s + self.bias


class Apart(nn.Module):
    """A linear layer for each member.

    Args:
        linear: the first member's.
        members: how many there are.
    """

    roles: ClassVar[dict[str, str]] = {"bias": "biases"}

    def __init__(self, linear: nn.Linear, members: int) -> None:
        super().__init__()
        others = [nn.Linear(linear.in_features, linear.out_features) for _ in range(members - 1)]
        self.weight = nn.Parameter(torch.stack([each.weight.detach().T for each in (linear, *others)]))
        self.bias = nn.Parameter(torch.stack([each.bias.detach() for each in (linear, *others)]))

    def forward(self, rows: Tensor) -> Tensor:
        """Return ``[B, k, outputs]`` for ``[B, k, inputs]``, or ``[B, 1, inputs]`` that are the same for all."""
        by_member = rows.expand(-1, len(self.weight), -1).transpose(0, 1)
        return (by_member @ self.weight).transpose(0, 1) + self.bias
