"""The direction of steepest descent, and a random one."""

from __future__ import annotations

from typing import ClassVar

import torch

from steepest.data.dataset import Part
from steepest.errors import ModelError
from steepest.landscape.choosing import PlaneChoice, masked, random_filters
from steepest.landscape.losses import batches_of
from steepest.landscape.plane import Plane, flat
from steepest.landscape.stored import StoredRun

COMPONENTS = {
    "gradient": {"object": "GradientPlane", "what": "the direction of steepest descent, and a random one"}
}


class GradientPlane(PlaneChoice):
    r"""The direction :math:`-\nabla L(\theta_0)` of steepest descent, and a random one normalised by filter.

    The gradient is of the training loss on the rows that the slice is measured on, in evaluation mode. What of the
    random direction lies along it is taken away, and it gets the length of the random direction, so that the axes are
    orthogonal and have one scale.
    """

    name: ClassVar[str] = "gradient"
    span: ClassVar[float] = 0.25

    def choose(self, run: StoredRun, part: Part, seed: int) -> Plane:
        """Return the plane; α goes downhill."""
        if run.problem.no_curvature:
            raise ModelError(
                f"there is no direction of steepest descent: {run.problem.no_curvature}",
                hint="take the plane of two random directions: --plane filter.",
            )
        weights = {name: each.clone().requires_grad_() for name, each in run.parameters.items()}
        total = {name: torch.zeros_like(each) for name, each in weights.items()}
        for batch, share in batches_of(run.problem, part):
            loss = run.problem.batch_loss(run.problem.outputs_at(batch, weights), batch)
            found = torch.autograd.grad(loss, [*weights.values()], materialize_grads=True)
            for whole, each in zip(total.values(), found, strict=True):
                whole += share * each
        gradient = flat(masked(total, run.masks))
        length = gradient.norm()
        if not length.isfinite() or not length:
            raise ModelError(
                f"the gradient of the loss is {float(length):g} long here, so it has no direction",
                hint="take the plane of two random directions: --plane filter.",
            )
        downhill = -gradient / length
        second = random_filters(run, seed, 0)
        size = second.norm()
        second = second - (second @ downhill) * downhill
        second = second * (size / second.norm())
        how = (
            f"along the direction of steepest descent (gradient {float(length):.3g}) and a random one of the same "
            f"length, {float(size):.3g}, with the norms of the weights' filters (seed {seed})"
        )
        axes = ("downhill along the gradient", "random direction")
        return Plane.through(run.parameters, size * downhill, second, how=how, axes=axes)
