"""Augmentation of images: flips, crops, rotations, brightness and contrast, on whole batches."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.objectives.target import Target
from steepest.regularizers import Regularizer

COMPONENTS = {
    "augment": {
        "object": "Augment",
        "what": "images are flipped, cropped, turned, recoloured anew",
        "groups": ["batch"],
    }
}
WHITE = 255.0


class Augment(Regularizer):
    r"""Images are flipped, shifted, rotated and recoloured at random, anew in every step and in training only.

    A whole batch is changed at once, where it is: on the device. In this order: a flip from left to right; one from top
    to bottom; a crop, which is
    a shift by whole pixels, from −c to c in both directions, with the edge's pixels repeated beyond it; a rotation
    around the
    middle by an angle between −r and r degrees, bilinear, with the edge's pixels beyond it; and colour,

    .. math:: x \leftarrow \mu + (1 + k)\,(x - \mu) + 255\,b, \qquad k, b \sim U(-s, s)

    with the mean :math:`\mu` of the image, one contrast k and one brightness b for each image, between 0 and 255. Whole
    numbers stay such; they are rounded. What is not given is not done. Which changes keep the class is a matter of
    the data:
    a flipped 2 is no 2.

    Args:
        flip: the probability of a flip from left to right, from 0 to 1.
        crop: c, pixels by which an image is shifted at most.
        rotation: r, in degrees from 0 to 180.
        colour: s, from 0 to 1.
        vertical: the probability of a flip from top to bottom, from 0 to 1.

    Source: Shorten & Khoshgoftaar, A Survey on Image Data Augmentation for Deep Learning, Journal of Big Data 2019.

    Example:
        >>> images = torch.arange(4, dtype=torch.uint8).reshape(1, 1, 2, 2)
        >>> augment = Augment(flip=1.0, crop=0)
        >>> augment.batch(Part((images,), torch.zeros(1)), np.random.default_rng(0)).inputs[0].flatten().tolist()
        [1, 0, 3, 2]
    """

    name = "augment"
    turn = -1
    by_name = ("flip", "crop", "rotation", "colour", "vertical")
    bibtex = """
@article{shorten2019survey,
  author = {Shorten, Connor and Khoshgoftaar, Taghi M.},
  title = {A Survey on Image Data Augmentation for Deep Learning},
  journal = {Journal of Big Data},
  volume = {6},
  year = {2019},
}
"""

    flip: float = Field(0.0, ge=0.0, le=1.0, description="a probability from 0 to 1")
    crop: int = Field(0, ge=0, description="pixels, a whole number from 0 on")
    rotation: float = Field(0.0, ge=0.0, le=180.0, description="degrees from 0 to 180")
    colour: float = Field(0.0, ge=0.0, le=1.0, description="a share of all brightness from 0 to 1")
    vertical: float = Field(0.0, ge=0.0, le=1.0, description="a probability from 0 to 1")

    def check(self, model: nn.Module, rows: Part, target: Target) -> None:
        """Raise an ``OptionError`` if there are no images, they are too small, or nothing is to be done."""
        del model
        images = [each for each in rows.inputs if each.dim() == 4]
        if not images:
            raise OptionError(
                f"the regularizer {str(self)!r} changes images, but the data has none",
                hint="leave it out; input-noise and mixup are for numbers.",
            )
        if target.is_input:
            raise OptionError(
                f"the regularizer {str(self)!r} would change the images, but not the target, {target.called}",
                hint="leave it out.",
            )
        if not (self.flip or self.vertical or self.crop or self.rotation or self.colour):
            raise OptionError(
                "the regularizer 'augment' has nothing to do",
                hint="say what, such as augment(flip=0.5, crop=4).",
            )
        side = min(min(each.shape[2:]) for each in images)
        if self.crop >= side:
            raise OptionError(
                f"the regularizer {str(self)!r} shifts images of {side} pixels by as many",
                hint=f"give a crop of at most {side // 4} or so.",
            )

    def batch(self, part: Part, draw: np.random.Generator) -> Part:
        """Return the batch with other images."""
        return replace(part, inputs=tuple(self._changed(x, draw) if x.dim() == 4 else x for x in part.inputs))

    def _changed(self, images: Tensor, draw: np.random.Generator) -> Tensor:
        kind, count = images.dtype, len(images)

        def drawn(numbers: object) -> Tensor:
            return torch.as_tensor(numbers, device=images.device)

        for share, axis in ((self.flip, 3), (self.vertical, 2)):
            if share:
                images = torch.where(
                    drawn(draw.random(count) < share)[:, None, None, None], images.flip(axis), images
                )
        if self.crop:
            down, right = drawn(draw.integers(-self.crop, self.crop + 1, (2, count)))
            images = shifted(images, down, right)
        if self.rotation:
            angles = drawn(draw.uniform(-self.rotation, self.rotation, count) * math.pi / 180)
            images = rotated(images if images.is_floating_point() else images.float(), angles)
        if self.colour:
            contrast, brightness = drawn(draw.uniform(-self.colour, self.colour, (2, count)))[
                ..., None, None, None
            ]
            images = images if images.is_floating_point() else images.float()
            mean = images.mean((1, 2, 3), keepdim=True)
            images = mean + (1 + contrast.to(images)) * (images - mean) + WHITE * brightness.to(images)
            images = images.clamp(0.0, WHITE)
        return images if images.dtype == kind else images.round().clamp(0, WHITE).to(kind)


def shifted(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Return images shifted by whole pixels, with the edge's pixels repeated.

    Args:
        images: ``[B, C, H, W]``.
        down, right: pixels for each, int64 ``[B]``.

    Example:
        >>> shifted(torch.tensor([[[[1, 2, 3]]]]), torch.tensor([0]), torch.tensor([1])).tolist()
        [[[[1, 1, 2]]]]
    """
    height, width = images.shape[2:]
    rows = (torch.arange(height, device=images.device) - down[:, None]).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right[:, None]).clamp(0, width - 1)
    images = images.gather(2, rows[:, None, :, None].expand_as(images))
    return images.gather(3, columns[:, None, None, :].expand_as(images))


def rotated(images: Tensor, angles: Tensor) -> Tensor:
    """Return images rotated counter-clockwise around their middle, by bilinear interpolation.

    Args:
        images: ``[B, C, H, W]``, floating.
        angles: in radians, ``[B]``.

    Example:
        >>> rotated(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]), torch.tensor([math.pi / 2])).round().tolist()
        [[[[2.0, 4.0], [1.0, 3.0]]]]
    """
    height, width = images.shape[2:]
    sine, cosine = torch.sin(angles), torch.cos(angles)
    zero = torch.zeros_like(sine)
    theta = torch.stack(
        [
            torch.stack([cosine, -sine * (height / width), zero], 1),
            torch.stack([sine * (width / height), cosine, zero], 1),
        ],
        1,
    ).to(images.dtype)
    grid = functional.affine_grid(theta, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)
