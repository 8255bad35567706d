"""Noise on the targets, drawn anew in every step."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from pydantic import Field
from torch import nn

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.objectives.target import Target
from steepest.regularizers import Regularizer

COMPONENTS = {
    "label-noise": {
        "object": "LabelNoise",
        "what": "noise on the targets, anew in every step",
        "groups": ["labels"],
    }
}


class LabelNoise(Regularizer):
    r"""Noise on the targets of a batch, drawn anew in every step and in training only.

    Every row gets, with probability p, another class, each of the others with the same probability. A target of numbers
    gets independent Gaussian noise with a standard deviation of p times the target's. On the average over the draws,
    noise on classes is the loss of smoothed labels with :math:`\varepsilon = p K / (K - 1)`.

    Labels that are wrong once and for all are a variant of the data: ``--labels 'noise(0.1)'``.

    Args:
        level: p, above 0; of classes at most 1.

    Xie et al. draw the true class, too.

    Source: Xie, Wang, Wei, Wang & Tian, DisturbLabel: Regularizing CNN on the Loss Layer, CVPR 2016.

    Example:
        >>> from steepest.objectives.target import ClassTarget
        >>> rows, draw = Part((), torch.zeros(8, dtype=torch.int64)), np.random.default_rng(0)
        >>> LabelNoise(level=0.5).labels(rows, ClassTarget(3), draw).target.tolist()
        [0, 2, 2, 2, 0, 0, 0, 0]
    """

    name = "label-noise"
    strength_of = "level"
    strengths = (0.01, 0.4)
    bibtex = """
@inproceedings{xie2016disturblabel,
  author = {Xie, Lingxi and Wang, Jingdong and Wei, Zhen and Wang, Meng and Tian, Qi},
  title = {{DisturbLabel}: Regularizing {CNN} on the Loss Layer},
  booktitle = {IEEE Conference on Computer Vision and Pattern Recognition},
  pages = {4753--4762},
  year = {2016},
}
"""

    level: float = Field(
        0.1,
        gt=0.0,
        allow_inf_nan=False,
        description="p, a number above 0: the probability of another class, or the noise's standard deviation in those "
        "of the target",
    )  # fmt: skip

    def check(self, model: nn.Module, rows: Part, target: Target) -> None:
        """Raise an ``OptionError`` if the target is no class and no number, or the probability is above 1."""
        del model, rows
        if target.classes and self.level > 1:
            raise OptionError(
                f"the regularizer {str(self)!r} has a probability above 1",
                hint="give a probability of another class, at most 1.",
            )
        _refuse_inputs(self, target)

    def labels(self, part: Part, target: Target, draw: np.random.Generator) -> Part:
        """Return the batch with other targets."""
        labels = part.target
        if not target.classes:
            noise = torch.from_numpy(draw.standard_normal(tuple(labels.shape)))
            return replace(part, target=labels + self.level * noise.to(labels))
        other = draw.random(len(labels)) < self.level
        steps = torch.from_numpy(np.where(other, draw.integers(1, target.classes, len(labels)), 0))
        return replace(part, target=(labels + steps.to(labels)) % target.classes)


def _refuse_inputs(made: Regularizer, target: Target) -> None:
    """Raise an ``OptionError`` if the target is the input itself."""
    if target.is_input:
        raise OptionError(
            f"the regularizer {str(made)!r} changes labels, but the target is {target.called}",
            hint="leave it out.",
        )
