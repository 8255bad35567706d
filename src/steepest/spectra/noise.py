r"""The gradient noise scale: how many rows a step needs for its gradient to be more signal than noise.

With gradients :math:`g_k` of K disjoint batches of b rows and their mean :math:`\bar g`,

.. math:: \widehat{\operatorname{tr}\Sigma} = \frac{b}{K-1} \sum_k \|g_k - \bar g\|^2, \qquad
          \widehat{|G|^2} = \|\bar g\|^2 - \frac{\widehat{\operatorname{tr}\Sigma}}{K b}, \qquad
          B_{\text{simple}} = \frac{\operatorname{tr}\Sigma}{|G|^2},

where both estimates are unbiased, and their ratio nearly so; :math:`\Sigma` is the covariance of one row's gradient.

McCandlish, Kaplan, Amodei & the OpenAI Dota team, *An empirical model of large-batch training*, 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.rng import stream
from steepest.train.masks import unmasked
from steepest.train.problem import SupervisedProblem

BATCHES = 64
"""Into so many disjoint batches the rows are cut, at most."""


@dataclass(frozen=True)
class NoiseScale:
    """A gradient noise scale.

    Attributes:
        trace: of the covariance of a row's gradient.
        square: of the length of the true gradient, an unbiased estimate, which may be below 0.
        value: their ratio; infinite where the square is not above 0: noise hides the gradient.
        error: the standard error of the ratio, by the jackknife over batches; NaN where it is infinite.
    """

    trace: float
    square: float
    value: float
    error: float


def noise_scale(gradients: Tensor, rows: int) -> NoiseScale:
    """Return the noise scale of the gradients of disjoint batches.

    Args:
        gradients: ``[K, P]``, K of at least 3.
        rows: of each batch.

    Raises:
        OptionError: there are fewer than 3.

    Example:
        >>> found = noise_scale(torch.tensor([[1.0, 0.0], [3.0, 0.0], [2.0, 0.0]]), 1)
        >>> found.trace, round(found.square, 4), round(found.value, 4)
        (1.0, 3.6667, 0.2727)
    """
    count = len(gradients)
    if count < 3:
        raise OptionError(f"{count} batches have no noise scale", hint="give more rows.")
    inner = (gradients.double() @ gradients.double().T).cpu().numpy()
    trace, square = _estimates(inner, rows)
    if square <= 0:
        return NoiseScale(trace, square, math.inf, math.nan)
    without = [_estimates(np.delete(np.delete(inner, k, 0), k, 1), rows) for k in range(count)]
    ratios = np.array([one / other if other > 0 else math.nan for one, other in without])
    error = math.sqrt((count - 1) / count * float(((ratios - ratios.mean()) ** 2).sum()))
    return NoiseScale(trace, square, trace / square, error)


def _estimates(inner: np.ndarray, rows: int) -> tuple[float, float]:
    """Return tr Σ and |G|² of the inner products of gradients."""
    count = len(inner)
    mean = float(inner.sum()) / count**2
    trace = rows / (count - 1) * (float(np.trace(inner)) - count * mean)
    return trace, mean - trace / (count * rows)


def batch_gradients(
    problem: SupervisedProblem, part: Part, batches: int = BATCHES, split_seed: int = 0
) -> tuple[Tensor, int]:
    """Return the gradients of the training loss on disjoint batches of rows ``[K, P]``, and the rows of each.

    What pruning holds at zero has no place in them.

    Args:
        problem: model, in its mode, and loss.
        part: the rows; what is left over is left out.
        batches: K, at most.
        split_seed: by which rows are drawn into batches, so that a table that is sorted has the same noise.
    """
    count = min(batches, len(part))
    rows = len(part) // count
    order = torch.from_numpy(stream(split_seed, "spectrum").permutation(len(part))).to(part.target.device)
    own = {name: each for name, each in problem.model.named_parameters() if each.requires_grad}
    found: list[Tensor] = []
    for first in range(0, count * rows, rows):
        batch = part.take(order[first : first + rows])
        with torch.enable_grad():
            loss = problem.batch_loss(problem.outputs_at(batch, {}), batch)
            slopes = torch.autograd.grad(loss, [*own.values()], materialize_grads=True)
        moved = unmasked(dict(zip(own, slopes, strict=True)), problem.masks)
        found.append(torch.cat([each.reshape(-1) for each in moved.values()]))
    return torch.stack(found), rows
