"""Pictures of a comparison on images: the wrongest predictions, reconstructions, and weights of linear models."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest.compare.result import Picture, Pictures
from steepest.data.dataset import Dataset
from steepest.data.images.png import brightest, shown
from steepest.models.linear import Linear
from steepest.models.normalized import Normalized
from steepest.objectives.target import target_of

MOST = 24
"""Wrong predictions that are shown."""
MOST_VALUES = 32
"""Grey images with no larger side are also shown as numbers."""


def pictures_of(net: nn.Module, dataset: Dataset, outputs: Tensor, names: list[str]) -> Pictures | None:
    """Return the pictures of a network, or nothing where the data is not images with test rows.

    Of classes: the wrongest predictions are the misclassified test images with the largest log loss.

    Args:
        net: the network.
        dataset: the data.
        outputs: the network's outputs for the test rows, ``[N, K]``.
        names: of the test rows.
    """
    if (
        [each.kind for each in dataset.shape.fields] != ["image"]
        or not dataset.held_out
        or not len(dataset.test)
    ):
        return None
    if not dataset.classes:
        return _reconstructed(dataset, outputs, names)
    log_shares = torch.log_softmax(outputs.double().cpu(), 1)
    truth, guess = dataset.test.target.cpu(), log_shares.argmax(1)
    wrong = torch.nonzero(guess != truth).squeeze(1)
    losses = -log_shares.gather(1, truth[:, None]).squeeze(1)
    worst = wrong[torch.sort(losses[wrong], descending=True, stable=True).indices[:MOST]].tolist()
    images = dataset.test.inputs[0].cpu().numpy()
    white = brightest(images)
    wrongest = [
        Picture(
            png=shown(images[i], white),
            name=names[i],
            truth=dataset.classes[int(truth[i])],
            predicted=dataset.classes[int(guess[i])],
            probability=float(log_shares[i, guess[i]].exp()),
            values=_values(images[i]) if place == 0 else [],
        )
        for place, i in enumerate(worst)
    ]
    return Pictures(
        wrong=len(wrong), rows=len(truth), white=white, wrongest=wrongest, filters=_filters(net, dataset)
    )


def _reconstructed(dataset: Dataset, outputs: Tensor, names: list[str]) -> Pictures:
    """Return test images beside their reconstructions, evenly spaced in the order of their errors."""
    target, rows = target_of(dataset), len(outputs)
    errors = target.row_losses(outputs, dataset.test.target)
    order = torch.sort(errors, descending=True, stable=True).indices
    places = torch.linspace(0, rows - 1, min(rows, MOST // 2)).round().long()
    images, again = dataset.test.inputs[0].cpu().numpy(), target.guess(outputs).cpu().numpy()
    white = brightest(images)
    made = [
        Picture(
            png=shown(images[i], white), name=names[i], again=shown(again[i], white), error=float(errors[i])
        )
        for i in order[places].tolist()
    ]
    return Pictures(wrong=0, rows=rows, white=white, again=made)


def _values(image: NDArray[Any]) -> list[list[int]]:
    channels, height, width = image.shape
    return image[0].tolist() if channels == 1 and max(height, width) <= MOST_VALUES else []


def _filters(net: nn.Module, dataset: Dataset) -> list[Picture]:
    """Return the weights of each class of a linear model as an image, red above 0 and blue below."""
    if not isinstance(net, Normalized) or not isinstance(net.net, Linear) or net.net.head is None:
        return []
    weights = (
        net.net.head.weight.detach().double().cpu().reshape(-1, *dataset.shape.fields[0].size).mean(1).numpy()
    )
    largest = float(np.abs(weights).max()) or 1.0
    return [
        Picture(png=shown(_two_coloured(each / largest)), name=name)
        for each, name in zip(weights, dataset.classes, strict=True)
    ]


def _two_coloured(values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return numbers from -1 to 1 as colours: white at 0, towards red above and towards blue below."""
    strong = np.array([[178, 24, 43], [33, 102, 172]], dtype=np.float64)
    colour = np.where(values[..., None] > 0, strong[0], strong[1])
    size = np.abs(values)[..., None]
    return np.rint(255 * (1 - size) + colour * size).astype(np.uint8).transpose(2, 0, 1)
