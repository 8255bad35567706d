"""Curvature of small networks as matrices, blocks and diagonals, and estimates of diagonal and trace of large ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from steepest.curvature.products import Curvature, Kind
from steepest.errors import OptionError
from steepest.rng import torch_stream

MOST_PARAMETERS = 10_000
"""Parameters up to which a whole matrix is formed."""
CHUNK = 1 << 24
"""Numbers of a Jacobian that are computed at once."""


@dataclass(frozen=True)
class HutchinsonEstimate:
    """A mean over random vectors, with its standard error."""

    value: Tensor
    error: Tensor
    samples: int


def jacobian(at: Curvature) -> Tensor:
    """Return the derivatives of all outputs, one row after the other, in all parameters, ``[B·K, P]``.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(2, 1)
        >>> at = Curvature.of(net, nn.MSELoss(), torch.tensor([[3.0, 5.0]]), torch.zeros(1, 1))
        >>> jacobian(at).tolist()
        [[3.0, 5.0, 1.0]]
    """
    return torch.cat(list(_jacobian(at)))


def _jacobian(at: Curvature) -> Iterator[Tensor]:
    """Yield the Jacobian for some rows of the batch after the other, ``[b·K, P]``."""
    rows = len(at.outputs)
    width = at.outputs[0].numel()
    step = max(1, CHUNK // (width * at.size))
    for first in range(0, rows, step):
        some = range(first * width, min(first + step, rows) * width)
        units = torch.zeros(len(some), at.outputs.numel(), dtype=at.outputs.dtype, device=at.outputs.device)
        units[torch.arange(len(some)), torch.tensor(some)] = 1.0
        yield at.pulls(units.reshape(len(some), *at.outputs.shape))


def output_hessian(at: Curvature) -> Tensor:
    """Return the Hessian of the loss in the outputs, a block for each row, ``[B, K, K]``.

    Raises:
        OptionError: the loss of a row depends on the outputs of other rows.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(2, 1)
        >>> output_hessian(Curvature.of(net, nn.MSELoss(), torch.ones(4, 2), torch.zeros(4, 1))).flatten().tolist()
        [0.5, 0.5, 0.5, 0.5]
    """
    outputs = at.outputs
    flat = outputs.reshape(len(outputs), -1)
    width = flat.shape[1]
    columns: list[Tensor] = []
    for place in range(width):
        unit = torch.zeros_like(flat)
        unit[:, place] = 1.0
        columns.append(at.bend(outputs, unit.reshape(outputs.shape)).reshape(flat.shape))
    blocks = torch.stack(columns, 2)
    with torch_stream(0, "evaluation"):
        probe = torch.randn(flat.shape, dtype=flat.dtype).to(flat.device)
    whole = at.bend(outputs, probe.reshape(outputs.shape)).reshape(flat.shape)
    apart = torch.einsum("bkl,bl->bk", blocks, probe) - whole
    if float(apart.norm()) > 1e-4 * float(whole.norm()):
        raise OptionError(
            "the loss of a row depends on the outputs of other rows",
            hint="give a loss that is a sum over rows; products with single vectors work with any loss.",
        )
    return blocks


def matrix(at: Curvature, kind: Kind = "gauss-newton") -> Tensor:
    """Return the whole matrix ``[P, P]`` of a small network.

    Raises:
        OptionError: there are too many parameters, or there is no such matrix.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(1, 1)
        >>> matrix(Curvature.of(net, nn.MSELoss(), torch.tensor([[3.0]]), torch.zeros(1, 1))).tolist()
        [[18.0, 6.0], [6.0, 2.0]]
    """
    _small(at.size)
    if kind not in ("gauss-newton", "empirical-fisher"):
        return _columns(at, kind, 0, at.size)
    total = torch.zeros(at.size, at.size, dtype=at.outputs.dtype, device=at.outputs.device)
    for left, right in _factors(at, kind):
        total += left.T @ right
    if kind == "gauss-newton" and at.penalty is not None:
        total += _penalty_columns(at, 0, at.size)
    return total


def blocks(at: Curvature, kind: Kind = "gauss-newton") -> dict[str, Tensor]:
    """Return the part of the matrix that belongs to each parameter alone, by its name.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(1, 1)
        >>> found = blocks(Curvature.of(net, nn.MSELoss(), torch.tensor([[3.0]]), torch.zeros(1, 1)))
        >>> {name: each.tolist() for name, each in found.items()}
        {'weight': [[18.0]], 'bias': [[2.0]]}
    """
    _small(max(at.sizes))
    ends = torch.tensor([0, *at.sizes]).cumsum(0).tolist()
    places = dict(zip(at.shapes, pairwise(ends), strict=True))
    if kind not in ("gauss-newton", "empirical-fisher"):
        return {name: _columns(at, kind, first, last)[first:last] for name, (first, last) in places.items()}
    found = {
        name: torch.zeros(last - first, last - first, dtype=at.outputs.dtype, device=at.outputs.device)
        for name, (first, last) in places.items()
    }
    for left, right in _factors(at, kind):
        for name, (first, last) in places.items():
            found[name] += left[:, first:last].T @ right[:, first:last]
    if kind == "gauss-newton" and at.penalty is not None:
        for name, (first, last) in places.items():
            found[name] += _penalty_columns(at, first, last)[first:last]
    return found


def diagonal(at: Curvature, kind: Kind = "gauss-newton") -> Tensor:
    """Return the diagonal ``[P]``, exactly: as many derivatives as there are outputs, or parameters for the Hessian.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(1, 1)
        >>> diagonal(Curvature.of(net, nn.MSELoss(), torch.tensor([[3.0]]), torch.zeros(1, 1))).tolist()
        [18.0, 2.0]
    """
    if kind not in ("gauss-newton", "empirical-fisher"):
        _small(at.size)
        return _columns(at, kind, 0, at.size).diagonal().clone()
    total = torch.zeros(at.size, dtype=at.outputs.dtype, device=at.outputs.device)
    for left, right in _factors(at, kind):
        total += (left * right).sum(0)
    if kind == "gauss-newton" and at.penalty is not None:
        total += _penalty_columns(at, 0, at.size).diagonal()
    return total


def estimated_diagonal(
    at: Curvature, kind: Kind = "gauss-newton", samples: int = 100, seed: int = 0
) -> HutchinsonEstimate:
    """Return the diagonal as the mean of z ⊙ Az over vectors z of random signs, one product each.

    Bekas, Kokiopoulou & Saad, *An estimator for the diagonal of a matrix*, Applied Numerical Mathematics 2007.
    """
    return _mean([z * at.product(kind, z) for z in _signs(at, samples, seed)])


def trace(
    at: Curvature, kind: Kind = "gauss-newton", samples: int = 100, seed: int = 0
) -> HutchinsonEstimate:
    """Return the trace as the mean of zᵀAz over vectors z of random signs, one product each.

    Hutchinson, *A stochastic estimator of the trace of the influence matrix*, Communications in Statistics 1989.
    """
    return _mean([z @ at.product(kind, z) for z in _signs(at, samples, seed)])


def _signs(at: Curvature, samples: int, seed: int) -> Iterator[Tensor]:
    for sample in range(samples):
        with torch_stream(seed, "evaluation", sample):
            signs = torch.randint(0, 2, (at.size,))
        yield (2.0 * signs - 1.0).to(at.outputs)


def _mean(found: list[Tensor]) -> HutchinsonEstimate:
    if len(found) < 2:
        raise OptionError(f"{len(found)} samples have no standard error", hint="give samples=2 or more.")
    every = torch.stack(found)
    return HutchinsonEstimate(every.mean(0), every.std(0) / len(found) ** 0.5, len(found))


def _factors(at: Curvature, kind: Kind) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pairs whose products, the first transposed, add up to the matrix without penalty."""
    rows, width = len(at.outputs), at.outputs[0].numel()
    bent = output_hessian(at) if kind == "gauss-newton" else None
    first = 0
    for part in _jacobian(at):
        by_row = part.reshape(-1, width, at.size)
        some = slice(first, first + len(by_row))
        first += len(by_row)
        if bent is not None:
            yield part, torch.einsum("bkl,blp->bkp", bent[some], by_row).reshape(part.shape)
            continue
        slopes = torch.einsum("bk,bkp->bp", at.slope.reshape(rows, width)[some], by_row)
        yield slopes, slopes * at.inverse_shares[some, None]


def _columns(at: Curvature, kind: Kind, first: int, last: int) -> Tensor:
    """Return some columns of the matrix, ``[P, n]``, by one product each."""
    return torch.stack([at.product(kind, _unit(at, place)) for place in range(first, last)], 1)


def _penalty_columns(at: Curvature, first: int, last: int) -> Tensor:
    return torch.stack([at.penalty_product(_unit(at, place)) for place in range(first, last)], 1)


def _unit(at: Curvature, place: int) -> Tensor:
    unit = torch.zeros(at.size, dtype=at.outputs.dtype, device=at.outputs.device)
    unit[place] = 1.0
    return unit


def _small(size: int) -> None:
    if size > MOST_PARAMETERS:
        raise OptionError(
            f"a matrix of {size:,} × {size:,} numbers is too large",
            hint=f"matrices are formed up to {MOST_PARAMETERS:,} parameters; use products, "
            "estimated_diagonal, trace or top_eigenvalues.",
        )
