"""A model in front of which raw values become standard scores."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from steepest.data.dataset import InputField


class Normalized(nn.Module):
    """A model that gets standard scores of what the data holds as raw values, such as the pixels of images.

    The data stays in memory as it is: a byte for each channel of a pixel.

    Args:
        net: what is called with the standard scores.
        fields: what the data gives, with mean and standard deviation of the training rows.

    Example:
        >>> image = InputField("image", "image", (1, 1, 2), mean=(100.0,), sd=(50.0,))
        >>> Normalized(nn.Identity(), [image])(torch.tensor([[[[100, 200]]]], dtype=torch.uint8)).tolist()
        [[[[0.0, 2.0]]]]
    """

    def __init__(self, net: nn.Module, fields: Sequence[InputField]) -> None:
        super().__init__()
        self.net = net
        self.scaled = tuple(bool(each.mean) for each in fields)
        for i, each in enumerate(fields):
            for name in ("mean", "sd"):
                values = torch.tensor(getattr(each, name))
                values = values.reshape(-1, *[1] * (len(each.size) - 1))
                self.register_buffer(f"{name}_{i}", values, persistent=False)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the model's outputs for raw values, one tensor for each field."""
        return self.net(*(self._scores(i, each) if self.scaled[i] else each for i, each in enumerate(inputs)))

    def _scores(self, i: int, values: Tensor) -> Tensor:
        mean, sd = self.get_buffer(f"mean_{i}"), self.get_buffer(f"sd_{i}")
        return (values.to(mean.dtype) - mean) / sd
