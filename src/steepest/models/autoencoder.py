"""An autoencoder: an image is squeezed through a few units and made again from them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.errors import ModelError
from steepest.models.layers import ACTIVATIONS

COMPONENTS = {
    "autoencoder": {
        "object": "Autoencoder",
        "what": "reconstructs images from a few numbers for each",
        "takes": ["image"],
        "task": "reconstruction",
        "baseline": "pca(width={width})",
    },
}


class Autoencoder(nn.Module):
    r"""An encoder to a code of few units, :math:`z = e(x)`, and a decoder of the same layers in reverse, :math:`d(z)`.

    Without hidden layers and channels both are linear, and the best such network spans the first principal components.
    With channels, 3 × 3 convolutions of stride 2 stand before the hidden layers, and in the decoder the image grows
    again by nearest neighbours, followed by a convolution. Initialisation is torch's.

    Args:
        shape: the dataset's shape, of an image that is reconstructed.
        width: units of the code, the bottleneck.
        hidden: widths of the encoder's hidden layers; the decoder has them in reverse order.
        channels: of each convolution of the encoder, each of which halves the sides; none by default.
        activation: of all layers but the code and the last, as of ``mlp``.

    Raises:
        ModelError: an option is out of its range, or the image is too small for so many convolutions.

    Example:
        >>> import torch
        >>> from steepest.data.dataset import InputField
        >>> image = Shape("reconstruction", {}, (), 784, (InputField("image", "image", (1, 28, 28)),))
        >>> net = Autoencoder(image, width=8, channels=(4,))
        >>> net.encoder(torch.zeros(2, 1, 28, 28)).shape, net(torch.zeros(2, 1, 28, 28)).shape
        (torch.Size([2, 8]), torch.Size([2, 784]))
    """

    def __init__(
        self,
        shape: Shape,
        *,
        width: int = 32,
        hidden: Sequence[int] = (128,),
        channels: Sequence[int] = (),
        activation: str = "relu",
    ) -> None:
        super().__init__()
        [field] = shape.fields
        if min((width, *hidden, *channels)) < 1:
            raise ModelError(
                f"a width of {width}, hidden layers {list(hidden)} and channels {list(channels)}",
                hint="give numbers of at least 1.",
            )
        if activation not in ACTIVATIONS:
            raise ModelError(
                f"there is no activation {activation!r}", hint=f"choose from {', '.join(ACTIVATIONS)}."
            )
        sizes = [field.size]
        for each in channels:
            _, *sides = sizes[-1]
            if min(sides) < 2:
                raise ModelError(
                    f"images of {field.size[2]} × {field.size[1]} pixels cannot be halved {len(channels)} times",
                    hint="give fewer channels: one number for each convolution.",
                )
            sizes.append((each, *((side + 1) // 2 for side in sides)))
        phi = ACTIVATIONS[activation]
        down, up = list[nn.Module](), list[nn.Module]()
        for (inputs, *sides), (outputs, *_) in pairwise(sizes):
            down += [nn.Conv2d(inputs, outputs, 3, stride=2, padding=1), phi()]
            grown = [nn.Upsample(size=tuple(sides)), nn.Conv2d(outputs, inputs, 3, padding=1)]
            up = [phi(), *grown, *up]
        widths = (math.prod(sizes[-1]), *hidden, width)
        self.encoder = nn.Sequential(*down, nn.Flatten(), *_layers(widths, phi))
        self.decoder = nn.Sequential(
            *_layers(widths[::-1], phi), nn.Unflatten(1, sizes[-1]), *up, nn.Flatten()
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return reconstructed images ``[B, D]`` for images ``[B, C, H, W]``, D = C · H · W."""
        return self.decoder(self.encoder(image))


def _layers(widths: Sequence[int], phi: type[nn.Module]) -> list[nn.Module]:
    """Return linear layers with an activation between them."""
    layers = list[nn.Module]()
    for inputs, outputs in pairwise(widths):
        layers += [*([phi()] if layers else []), nn.Linear(inputs, outputs)]
    return layers
