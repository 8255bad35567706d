"""The losses of many points in one program, on some rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx
from torch.fx.experimental.proxy_tensor import make_fx

from steepest.data.dataset import Part
from steepest.evaluate.outputs import bytes_of_a_row
from steepest.landscape.lifted import LiftedProgram, PlanePolynomial, Stacked
from steepest.landscape.plane import Plane, Points
from steepest.train.problem import SupervisedProblem

aten = torch.ops.aten

MOST_ROWS, BATCH_BYTES = 256, 1 << 27
"""Rows that are computed together for a whole chunk of points: so many, or as many as this memory allows."""

FEWEST_ROWS = 32
"""Where fewer rows fit, as with convolutions, a row takes so long that points are as fast one after the other."""

COEFFICIENT_BYTES = 1 << 28
"""What the coefficients of one operation may take, for all rows."""

MOST_BYTES = 1 << 30
"""What the values at the points of a chunk may take."""


class TooLargeError(Exception):
    """The values at the points of a chunk would take too much memory."""


def _batch_norm(
    values: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, training: bool,
    momentum: float, eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Normalise by running statistics: a factor and a summand for each channel."""
    del training, momentum
    around = [1, -1, *[1] * (values.dim() - 2)]
    factor = torch.rsqrt(variance + eps)
    scale = factor if weight is None else factor * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return values * scale.view(around) + shift.view(around), mean, factor


def _fixed_batch_norm(
    values: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, variance: Tensor, momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    return _batch_norm(values, weight, bias, mean, variance, False, momentum, eps)


NORMS = {
    aten.native_batch_norm.default: _batch_norm,
    aten._native_batch_norm_legit_no_training.default: _fixed_batch_norm,
}


class StackedLosses:
    """The losses of some rows at many points of a plane.

    Args:
        problem: the network, in evaluation mode, and its objective.
        plane: the points.
        part: the rows.
        interpolated: whether buffers are interpolated along the plane's line.
        chunk: points that are computed together.

    Raises:
        TooLargeError: what is needed at the points of a chunk takes too much memory.
        Exception: the network cannot be traced.
    """

    def __init__(
        self, problem: SupervisedProblem, plane: Plane, part: Part, interpolated: bool, chunk: int
    ) -> None:
        self.problem, self.plane, self.chunk = problem, plane, chunk
        self.buffers = {name: each.detach() for name, each in problem.model.named_buffers()}
        self.shift = {
            name: plane.shift[name] for name in self.buffers if interpolated and name in plane.shift
        }
        self.parameters = self._polynomials()
        fixed = {name: each.detach() for name, each in problem.model.named_parameters()}
        self.fixed = {name: each for name, each in fixed.items() if name not in self.parameters}
        self._programs: dict[int, LiftedProgram] = {}
        self._mapped: dict[int, fx.GraphModule] = {}
        self._stacked: dict[int, Stacked] = {}
        self._places: dict[int, tuple[int, ...]] = {}
        self.batches: list[tuple[int, tuple[Any, ...], float]] = []
        for batch, _, share in problem.parts(part, -(-len(part) // self._batch_size(part))):
            values = self._prepared(batch, COEFFICIENT_BYTES * len(batch) // len(part))
            self.batches.append((len(batch), values, share))

    def many(self, points: Points) -> NDArray[np.float64]:
        """Return the losses at points ``[c, 2]``, at most a chunk of them, ``[c]``."""
        whole = np.concatenate([points, np.repeat(points[-1:], self.chunk - len(points), 0)])
        at = torch.from_numpy(whole)
        known: dict[int, Tensor] = {}
        total = torch.zeros(self.chunk, dtype=torch.float64)
        with torch.no_grad():
            for size, values, share in self.batches:
                total += share * self._mapped[size](*self._at(size, values, at, known)).double()
        return total[: len(points)].numpy()

    def _batch_size(self, part: Part) -> int:
        """Return how many rows are computed together."""
        if len(part) < 4:
            return len(part)
        with torch.no_grad():
            a_row = bytes_of_a_row(self.problem.model, part.inputs)
        size = min(MOST_ROWS, BATCH_BYTES // (self.chunk * a_row))
        if size < min(FEWEST_ROWS, len(part)):
            raise TooLargeError(f"{a_row:,} bytes a row")
        return size

    def _polynomials(self) -> dict[str, PlanePolynomial]:
        parts = [self.plane.by_name(each) for each in (self.plane.origin, *self.plane.directions)]
        keys = ((0, 0), (1, 0), (0, 1))
        return {
            name: PlanePolynomial(
                {
                    key: part[name]
                    for key, part in zip(keys, parts, strict=False)
                    if key == (0, 0) or bool(part[name].any())
                }
            )
            for name in self.plane.names
        }

    def _at(self, size: int, values: tuple[Any, ...], points: Tensor, known: dict[int, Tensor]) -> list[Any]:
        """Return values at a chunk of points; those that batches share are in ``known``."""
        found: list[Any] = []
        buffers, shared = list(self.buffers), {id(each) for each in self._stacked.values()}
        for value, place in zip(values, self._places[size], strict=True):
            if place < 0 and not isinstance(value, Stacked):
                found.append(value)
                continue
            if id(value) in known:
                found.append(known[id(value)])
                continue
            if isinstance(value, Stacked):
                made = value.at(points)
            else:
                shift = self.shift[buffers[place - len(self.parameters)]]
                share = points[:, 0].clamp(0.0, 1.0).to(shift.dtype)
                made = value + share.reshape(-1, *[1] * shift.dim()) * shift
            if place >= 0 or id(value) in shared:
                known[id(value)] = made
            found.append(made)
        return found

    def _traced(self, batch: Part) -> LiftedProgram:
        """Return the program of the loss of a batch of this size."""
        names = (*self.parameters, *self.buffers)
        origin = self.plane.by_name(self.plane.origin)
        tensors = batch.tensors

        def loss(*values: Tensor) -> Tensor:
            rows = batch.holding(values[len(names) :])
            weights = {**self.fixed, **dict(zip(names, values, strict=False))}
            outputs = torch.func.functional_call(self.problem.model, weights, rows.inputs)
            return self.problem.batch_loss(outputs, rows)

        flat = (*origin.values(), *self.buffers.values(), *tensors)
        with torch.no_grad():
            traced = make_fx(torch.func.functionalize(loss), NORMS, _allow_non_fake_inputs=True)(*flat)
        buffers = enumerate(self.buffers, len(self.parameters))
        varying = frozenset(place for place, name in buffers if name in self.shift)
        return LiftedProgram(traced, varying, frozenset(range(len(names), len(flat))))

    def _prepared(self, batch: Part, most_bytes: int) -> tuple[Any, ...]:
        """Do for a batch what can be done for all points; return the values that what is left takes."""
        size = len(batch)
        if size not in self._programs:
            self._programs[size] = self._traced(batch)
        program = self._programs[size]
        with torch.no_grad():
            inputs = [*self.parameters.values(), *self.buffers.values(), *batch.tensors]
            rest, found, self._places[size] = program.lift(inputs, most_bytes)
            shared = {id(each) for each in (*self.parameters.values(), *program.shared.values())}
            values = tuple(
                self._shared_matrix(each)
                if id(each) in shared
                else each.stacked()
                if isinstance(each, PlanePolynomial)
                else each
                for each in found
            )
        if size not in self._mapped:
            self._mapped[size] = self._program_of(rest, size, values)
        return values

    def _shared_matrix(self, value: Any) -> Any:
        if not isinstance(value, PlanePolynomial):
            return value
        if id(value) not in self._stacked:
            self._stacked[id(value)] = value.stacked()
        return self._stacked[id(value)]

    def _program_of(self, rest: fx.GraphModule, size: int, values: tuple[Any, ...]) -> fx.GraphModule:
        """Return what is left as a program of a chunk of points."""
        bytes_at = sum(each.matrix[0].nbytes for each in values if isinstance(each, Stacked))
        if bytes_at * self.chunk > MOST_BYTES:
            raise TooLargeError(f"{bytes_at:,} bytes at a point")
        at = self._at(size, values, torch.zeros(self.chunk, 2, dtype=torch.float64), {})
        dims = tuple(
            0 if isinstance(each, Stacked) or place >= 0 else None
            for each, place in zip(values, self._places[size], strict=True)
        )
        with torch.no_grad():
            return make_fx(torch.func.vmap(rest, dims))(*at)
