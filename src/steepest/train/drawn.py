"""The first weights of a run: as its model draws them, by Glorot's rule, or again with other random numbers."""

from __future__ import annotations

import math

import torch
from torch import nn

from steepest.components import grammar
from steepest.data.dataset import Shape
from steepest.finetuning import finetuned
from steepest.models import ModelBuilder, begins_from, build_model
from steepest.optim.roles import roles_of
from steepest.rng import seed_for, torch_stream


def first_model(
    model: str | ModelBuilder, shape: Shape, seed: int, draw: str = "", finetune: str = ""
) -> nn.Module:
    """Return a new model with the first weights of a run.

    Args:
        model: its specification, or a callable that builds it.
        shape: of the dataset.
        seed: of the run.
        draw: ``another``: with other random numbers of the same seed; ``glorot``: weights of layers by
            :func:`glorot_`; both; or nothing.
        finetune: which part of it is trained, as in a recipe.

    Example:
        >>> shape = Shape("regression", {}, ("x",), 1)
        >>> one, same, other = (first_model("mlp(hidden=(4,))", shape, 0, draw) for draw in ("", "", "another"))
        >>> [torch.equal(next(one.parameters()), next(each.parameters())) for each in (same, other)]
        [True, False]
    """
    again = "another" in draw.split()
    own = seed_for(seed, "init", 1) if again else seed
    net = build_model(model, shape, seed=own)
    if "glorot" in draw.split():
        glorot_(net, seed, int(again))
    return finetuned(net, finetune, own)


def begins_trained(model: str | ModelBuilder, shape: Shape) -> bool:
    """Return whether a model begins with weights that come from somewhere, and not with those that a seed draws.

    A model of the user's own is built with two seeds: it begins trained where most numbers of its matrices are the same
    in both. Matrices of one number alone, such as zeros, are not counted.

    Args:
        model: its specification, or a callable that builds it.
        shape: of the dataset.

    Example:
        >>> shape = Shape("regression", {}, ("x",), 1)
        >>> begins_trained("linear", shape), begins_trained("transformer(start=model)", shape)
        (False, True)
    """
    if begins_from(model) is not None:
        return True
    if isinstance(model, str) and not grammar.parse(model).is_reference:
        return False
    one, other = (dict(build_model(model, shape, seed=seed).named_parameters()) for seed in (0, 1))
    matrices = {name: each for name, each in one.items() if each.dim() > 1 and each.min() < each.max()}
    alike = sum(each.numel() for name, each in matrices.items() if torch.equal(each, other[name]))
    return 2 * alike > sum(each.numel() for each in matrices.values())


@torch.no_grad()
def glorot_(net: nn.Module, seed: int, index: int = 0) -> None:
    r"""Draw the weights of layers anew, normal with variance :math:`2/(\text{inputs} + \text{outputs})`, biases 0.

    Source: Glorot & Bengio, Understanding the difficulty of training deep feedforward neural networks, AISTATS 2010.

    Example:
        >>> net = nn.Linear(200, 200)
        >>> glorot_(net, 0)
        >>> round(net.weight.std().item() * 200**0.5, 1), net.bias.abs().sum().item()
        (1.0, 0.0)
    """
    roles = roles_of(net)
    with torch_stream(seed, "init", 2 + index):
        for name, each in net.named_parameters():
            if roles[name] == "weights":
                rows, columns = each.shape[0], each[0].numel()
                outside = rows * (each[0, 0].numel() if each.dim() > 2 else 1)
                each.normal_(0.0, math.sqrt(2.0 / (columns + outside)))
            elif roles[name] == "biases":
                each.zero_()
