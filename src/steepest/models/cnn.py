"""A small convolutional network."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError

COMPONENTS = {
    "cnn": {"object": "CNN", "what": "a small convolutional network, for images", "takes": ["image"]},
}


class CNN(nn.Module):
    r"""Stages of a 3 × 3 convolution, batch norm, ReLU and 2 × 2 max pooling; then a hidden and a linear layer.

    The first stage sees the image as it is; every stage halves its sides. Batch norm follows the convolutions, which
    therefore have no bias. Initialisation is torch's.

    Args:
        shape: the dataset's shape, of an image.
        channels: of each stage; as many stages as the image's smaller side can be halved.
        hidden: width of the hidden layer; 0 for none.
        dropout: share of the hidden units that a training step leaves out.

    Attributes:
        layers_in_order: the parts that follow each other, whose channels and neurons can be pruned.

    Raises:
        ModelError: an option is out of its range, or the image is too small for so many stages.

    Example:
        >>> import torch
        >>> from steepest.data.dataset import InputField
        >>> image = Shape("classification", {}, (), 10, (InputField("image", "image", (1, 28, 28)),))
        >>> CNN(image)(torch.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 10])
    """

    def __init__(
        self, shape: Shape, *, channels: Sequence[int] = (16, 32), hidden: int = 128, dropout: float = 0.0
    ) -> None:
        super().__init__()
        [field] = shape.fields
        depth, height, width = field.size
        if not channels or min(channels) < 1 or hidden < 0:
            raise ModelError(
                f"channels {list(channels)} and {hidden} hidden units",
                hint="give at least one stage with a channel, and 0 hidden units or more.",
            )
        if not 0 <= dropout < 1:
            raise ModelError(f"a dropout of {dropout:g}", hint="give a share from 0 to below 1.")
        if min(height, width) >> len(channels) == 0:
            raise ModelError(
                f"images of {width} × {height} pixels cannot be halved {len(channels)} times",
                hint="give fewer channels: one number for each stage.",
            )
        stages: list[nn.Module] = []
        for each in channels:
            stages += [
                nn.Conv2d(depth, each, 3, padding=1, bias=False),
                nn.BatchNorm2d(each),
                nn.ReLU(),
                nn.MaxPool2d(2),
            ]
            depth, height, width = each, height // 2, width // 2
        features = depth * height * width
        head: list[nn.Module] = [nn.Flatten()]
        if hidden:
            head += [nn.Linear(features, hidden), nn.ReLU()]
        if dropout:
            head.append(nn.Dropout(dropout))
        self.stages = nn.Sequential(*stages)
        self.head = nn.Sequential(*head, nn.Linear(hidden or features, shape.outputs))
        self.layers_in_order = ("stages", "head")

    def forward(self, image: Tensor) -> Tensor:
        """Return outputs ``[B, outputs]`` for images ``[B, C, H, W]``."""
        return self.head(self.stages(image))
