"""Regularizers in eager steps: what happens to the module's own parameters before and after the optimizer's update."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from steepest.regularizers.applied import Applied


def held(weight: Tensor, mask: Tensor) -> Tensor:
    """Return a weight with zeros where its mask is 0: positive ones, since others would fill a compressed file.

    Example:
        >>> held(torch.tensor([-2.0, 3.0]), torch.tensor([0.0, 1.0])).tolist()
        [0.0, 3.0]
    """
    return torch.where(mask != 0, weight, 0.0)


class RegularizedUpdate:
    """The regularizers of one run around the optimizer's update.

    Args:
        applied: the regularizers.
        model: whose parameters the optimizer moves.
        masks: what is held at zero, by parameter.

    Example:
        >>> from steepest.regularizers import read_regularizers
        >>> model = nn.Linear(1, 1, bias=False)
        >>> around = RegularizedUpdate(Applied(read_regularizers("ema(0.5)"), model), model)
        >>> for step, weight in enumerate((1.0, 4.0)):
        ...     _ = model.weight.data.fill_(weight)
        ...     around.after(step)
        >>> around.evaluation_parameters()["weight"].item()
        3.0
    """

    def __init__(
        self, applied: Applied, model: nn.Module, masks: Mapping[str, Tensor] = MappingProxyType({})
    ) -> None:
        self.applied = applied
        self._masks = masks
        self._parameters = {name: each for name, each in model.named_parameters() if each.requires_grad}
        self._model = model
        self._averages = applied.averages(self._parameters, dict(model.named_buffers()))
        self._steps = 0

    @torch.no_grad()
    def before(self, step: int, draws: Mapping[str, Tensor], rate: float = 0.0) -> None:
        """Change the gradients that the parameters have, before they are clipped; parameters that decay do."""
        if not self.applied.acts("gradient", "decay"):
            self.mask_gradients()
            return
        there = {name: each.grad for name, each in self._parameters.items() if each.grad is not None}
        c = self.applied.coefficients(step, rate)
        for name, value in self.applied.gradients(there, self._parameters, draws, c).items():
            self._parameters[name].grad = value
        self.mask_gradients()
        own = {name: self._parameters[name].detach() for name in there}
        for name, value in self.applied.decayed(own, c).items():
            if value is not own[name]:
                own[name].copy_(value)

    @torch.no_grad()
    def mask_gradients(self) -> None:
        """Set the gradients of what is held at zero to zero, also before a step looks at other points."""
        for name, mask in self._masks.items():
            gradient = self._parameters[name].grad
            if gradient is not None:
                gradient.mul_(mask)

    @torch.no_grad()
    def after(self, step: int, rate: float = 0.0) -> None:
        """Change the parameters that the optimizer has moved, and move the averages."""
        self._steps = step + 1
        if not self._masks and not self.applied.acts("update", "average"):
            return
        c = self.applied.coefficients(step, rate)
        own = {name: each.detach() for name, each in self._parameters.items()}
        moved = {name: own[name] for name, each in self._parameters.items() if each.grad is not None}
        for name, value in self.applied.updated(moved, c).items():
            if value is not own[name]:
                own[name].copy_(value)
        for name, mask in self._masks.items():
            own[name].copy_(held(own[name], mask))
        if self._averages:
            self._averages = self.applied.averaged(
                self._averages, {**own, **dict(self._model.named_buffers())}, c
            )

    def evaluation_parameters(self) -> dict[str, Tensor]:
        """Return the averages that are evaluated in the place of parameters and buffers, by name."""
        return dict(self._averages) if self._steps else {}
