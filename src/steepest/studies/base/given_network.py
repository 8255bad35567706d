"""A network of dense layers that a user gives as a state dict, evaluated without running any code of its file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from steepest.errors import OptionError, first_line
from steepest.studies.base.data import StudyData
from steepest.studies.base.plain import Rows


def read_state(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a state dict in a file of safetensors, by name.

    Such a file holds tensors alone. A pickle, as ``torch.save`` writes it, could run code, so it is refused unopened.

    Raises:
        OptionError: there is no such file, or it is no file of safetensors.
    """
    if not path.is_file():
        raise OptionError(f"there is no file {path.as_posix()!r}", hint="name the file of a state dict.")
    try:
        return safetensors.torch.load_file(path)
    except (SafetensorError, OSError) as error:
        raise OptionError(
            f"{path.as_posix()!r} is no file of safetensors: {first_line(error)}",
            hint="write it where you trust it: safetensors.torch.save_file(net.state_dict(), 'net.safetensors').",
        ) from None


def dense_network(state: Mapping[str, Tensor], inputs: int, outputs: int) -> nn.Sequential:
    """Return linear layers with rectified units between them that have the weights of a state dict.

    Args:
        state: of each layer a ``weight`` ``[out, in]`` and a ``bias`` ``[out]``, in their order or numbered.
        inputs: numbers of a row.
        outputs: classes.

    Raises:
        OptionError: the tensors are not those of such a network.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> dense_network(net.state_dict(), 4, 2)
        Sequential(
          (0): Linear(in_features=4, out_features=3, bias=True)
          (1): ReLU()
          (2): Linear(in_features=3, out_features=2, bias=True)
        )
    """
    layers_of: dict[str, dict[str, Tensor]] = {}
    for name, each in state.items():
        stem, _, kind = name.rpartition(".")
        layers_of.setdefault(stem, {})[kind] = each.float()
    orders = ([*layers_of], sorted(layers_of, key=_by_number))  # a file of safetensors has its own order
    chains = (_chained([layers_of[of] for of in order], inputs, outputs) for order in orders)
    found = next((each for each in chains if each), None)
    if found is None:
        shapes = ", ".join(f"{name} {[*each.shape]}" for name, each in [*state.items()][:12])
        raise OptionError(
            f"the state dict holds {shapes}: not dense layers from {inputs} inputs to {outputs} outputs",
            hint="give a weight [out, in] and a bias [out] for each layer, named such as 0.weight and 0.bias.",
        )
    layers: list[nn.Module] = []
    for weight, bias in found:
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        with torch.no_grad():
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        layers += [layer, nn.ReLU()]
    return nn.Sequential(*layers[:-1]).eval()


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(each), "") if each.isdigit() else (-1, each) for each in re.split(r"(\d+)", name)]


def _chained(
    layers: Sequence[Mapping[str, Tensor]], inputs: int, outputs: int
) -> list[tuple[Tensor, Tensor]] | None:
    """Return weights and biases of layers if each takes what the one before it gives; else None."""
    width, found = inputs, list[tuple[Tensor, Tensor]]()
    for each in layers:
        if set(each) != {"weight", "bias"} or each["weight"].shape != (len(each["bias"]), width):
            return None
        found.append((each["weight"], each["bias"]))
        width = len(each["bias"])
    return found if width == outputs else None


def standardised_test(data: StudyData) -> Rows:
    """Return the test images ``[N, pixels]`` with mean and sd of the training pixels taken out, and labels ``[N]``."""
    with np.load(data.path) as file:
        train, pixels, labels = file["x_train"], file["x_test"], file["y_test"]
    scaled = train.astype(np.float64) / 255.0
    x = (pixels.reshape(len(pixels), -1) / 255.0 - scaled.mean()) / scaled.std()
    return torch.tensor(x, dtype=torch.float32), torch.tensor(labels.astype(int))
