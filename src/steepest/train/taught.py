"""A teacher: a trained network whose answers stay with the training rows that they are of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from torch import Tensor

from steepest.data.dataset import Dataset, Part
from steepest.evaluate.outputs import predict
from steepest.models import ModelBuilder, build_model
from steepest.train.weights import as_precise


@dataclass(frozen=True)
class Teacher:
    """A trained network.

    Attributes:
        model: its specification, or the callable that builds it.
        weights: its weights and buffers by name.
        finetune: which part of it was trained, as in a recipe.
    """

    model: str | ModelBuilder
    weights: Mapping[str, Tensor]
    finetune: str = ""

    def answered(self, part: Part, dataset: Dataset) -> Part:
        """Return rows with the network's outputs for them, in evaluation mode.

        An answer is a tensor of the part, so that whoever takes rows of it takes their answers.
        """
        net = build_model(self.model, dataset.shape, finetune=self.finetune)
        net = as_precise(net, self.weights).to(part.target.device)
        net.load_state_dict(self.weights)
        outputs = predict(net, part.inputs)
        like = next((each for each in part.inputs if each.is_floating_point()), outputs)
        return replace(part, answers=outputs.to(like.dtype))
