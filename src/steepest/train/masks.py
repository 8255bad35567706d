"""What a run holds at zero: masks by the magnitude of weights, of single weights or of hidden neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from steepest.errors import OptionError
from steepest.optim.roles import roles_of
from steepest.procedures.pruning import Pruning
from steepest.regularizers.around import held
from steepest.rng import stream
from steepest.train.neurons import Neurons, by_neuron, hidden_neurons

Masks = dict[str, Tensor]
"""For each parameter that is pruned, 1 where a number stays and 0 where it is held at zero."""


def prunable(model: nn.Module) -> list[str]:
    """Return the names of the weights that can be pruned: those of layers that are trained, the last layer's last.

    Example:
        >>> prunable(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
        ['0.weight', '2.weight']
    """
    roles = roles_of(model, _tables(model))
    names = [
        name for name, each in model.named_parameters() if roles[name] == "weights" and each.requires_grad
    ]
    linear = [f"{name}.weight" for name, each in model.named_modules() if isinstance(each, nn.Linear)]
    head = next((name for name in reversed(linear) if name in names), None)
    return names if head is None else [*(name for name in names if name != head), head]


def _tables(model: nn.Module) -> list[str]:
    declared = getattr(model, "tables", None)
    if not isinstance(declared, Mapping):
        return []
    return [name for each in declared.values() for name in ((each,) if isinstance(each, str) else each)]


def check_prunable(model: nn.Module, pruning: Pruning) -> None:
    """Raise an ``OptionError`` if a model has nothing that is to be pruned.

    Example:
        >>> check_prunable(nn.Linear(2, 1), Pruning(0.5, 0.5, unit="neuron"))
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: the model has no hidden neurons that can be pruned
        Hint: prune single weights, unit=weight, or take a model whose layers follow each other: mlp, ...
    """
    if pruning.unit == "neuron" and not hidden_neurons(model):
        raise OptionError(
            "the model has no hidden neurons that can be pruned",
            hint="prune single weights, unit=weight, or take a model whose layers follow each other: mlp, "
            "embedding-mlp, cnn.",
        )
    if not prunable(model):
        raise OptionError(
            "the model has no weights of layers that can be pruned",
            hint="leave the procedure out for this model, or --freeze fewer of its parameters.",
        )


def masks_of(model: nn.Module, weights: Mapping[str, Tensor], pruning: Pruning, seed: int) -> Masks:
    """Return what is held at zero of a model by weights that it had.

    Of n weights that are compared, the ``round(sparsity * n)`` smallest in size are pruned.

    Args:
        model: the model.
        weights: by which it is pruned, by name; what was pruned before is 0 in them.
        pruning: what is pruned.
        seed: of the run; draws a mask that is shuffled.

    Example:
        >>> net = nn.Linear(4, 1)
        >>> masks_of(net, {"weight": torch.tensor([[3.0, -1.0, 2.0, 0.5]])}, Pruning(0.5, 0.5), 0)["weight"].tolist()
        [[1.0, 0.0, 1.0, 0.0]]
    """
    own = dict(model.named_parameters())
    if pruning.unit == "neuron":
        return _of_neurons(own, hidden_neurons(model), weights, pruning, seed)
    names = prunable(model)
    groups = [([name], pruning.sparsity) for name in names[:-1]] + [(names[-1:], pruning.output)]
    if pruning.scope == "network":
        alike = pruning.output == pruning.sparsity
        groups = [(names, pruning.sparsity)] if alike else [(names[:-1], pruning.sparsity), groups[-1]]
    found: Masks = {}
    for group, share in groups:
        if group:
            flat = _kept(torch.cat([weights[name].detach().abs().flatten() for name in group]), share)
            pieces = flat.split([own[name].numel() for name in group])
            found |= {name: mask.reshape(own[name].shape) for name, mask in zip(group, pieces, strict=True)}
    if pruning.shuffled:
        found = {
            name: _shuffled(each, seed, place) for place, (name, each) in enumerate(sorted(found.items()))
        }
    return {name: found[name].to(own[name].detach()) for name in own if name in found}


def _kept(sizes: Tensor, share: float, most: int | None = None) -> Tensor:
    """Return 1 for the numbers that stay, 0 for the smallest; of equal ones the first are pruned."""
    count = round(share * len(sizes))
    mask = torch.ones_like(sizes)
    mask[torch.sort(sizes, stable=True).indices[: count if most is None else min(count, most)]] = 0.0
    return mask


def _shuffled(mask: Tensor, seed: int, place: int) -> Tensor:
    order = torch.from_numpy(stream(seed, "prune", place).permutation(mask.numel()))
    return mask.flatten()[order.to(mask.device)].reshape(mask.shape)


def _of_neurons(
    own: Mapping[str, Tensor],
    neurons: Sequence[Neurons],
    weights: Mapping[str, Tensor],
    pruning: Pruning,
    seed: int,
) -> Masks:
    norms = [torch.linalg.vector_norm(weights[each.into].detach().flatten(1), dim=1) for each in neurons]
    if pruning.scope == "network":
        kept = list(_kept(torch.cat(norms), pruning.sparsity).split([len(each) for each in norms]))
        for each, sizes in zip(kept, norms, strict=True):  # a layer keeps its largest neuron
            each[torch.argmax(sizes)] = 1.0
    else:
        kept = [_kept(each, pruning.sparsity, len(each) - 1) for each in norms]
    if pruning.shuffled:
        kept = [_shuffled(each, seed, place) for place, each in enumerate(kept)]
    found = {
        name: torch.ones_like(own[name].detach(), memory_format=torch.contiguous_format)
        for each in neurons
        for name in (each.into, *each.own, each.out)
    }
    for each, mask in zip(neurons, kept, strict=True):
        there = mask.to(found[each.into])
        found[each.into].view(len(there), -1).mul_(there[:, None])
        by_neuron(found[each.out], len(there)).mul_(there[None, :, None])
        for name in each.own:
            found[name] *= there
    return found


@torch.no_grad()
def apply_masks(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set what masks hold at zero to zero, in place.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> apply_masks(net, {"weight": torch.zeros(1, 2)})
        >>> bool((net.weight == 0).all())
        True
    """
    for name, each in model.named_parameters():
        if name in masks:
            each.copy_(held(each, masks[name]))


def masks_of_zeros(model: nn.Module) -> Masks:
    """Return what holds at zero the weights that are 0 in a pruned model.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> _ = net.weight.data.copy_(torch.tensor([[0.0, 2.0]]))
        >>> masks_of_zeros(net)["weight"].tolist()
        [[0.0, 1.0]]
    """
    own = dict(model.named_parameters())
    names = [*prunable(model), *(name for each in hidden_neurons(model) for name in each.own)]
    return {name: (own[name].detach() != 0).to(own[name]) for name in names}


def unmasked(values: Mapping[str, Tensor], masks: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return tensors by name without the numbers that masks hold at zero: of a pruned one the others, ``[n]``.

    Example:
        >>> unmasked({"w": torch.tensor([[1.0, 2.0]]), "b": torch.zeros(1)}, {"w": torch.tensor([[0.0, 1.0]])})
        {'w': tensor([2.]), 'b': tensor([0.])}
    """
    return {name: each[masks[name] != 0] if name in masks else each for name, each in values.items()}


def zeros_by_layer(model: nn.Module, weights: Mapping[str, Tensor]) -> dict[str, tuple[int, int]]:
    """Return for each weight that can be pruned how many of its numbers are 0, and how many it has.

    Example:
        >>> zeros_by_layer(nn.Linear(2, 1), {"weight": torch.tensor([[0.0, 1.0]])})
        {'weight': (1, 2)}
    """
    return {name: (int((weights[name] == 0).sum()), weights[name].numel()) for name in prunable(model)}


def removed_neurons(model: nn.Module, weights: Mapping[str, Tensor]) -> list[tuple[Neurons, np.ndarray]]:
    """Return for hidden neurons which of them stay: those that something leads into, or out of.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> weights = {**net.state_dict(), "2.weight": torch.tensor([[0.0, 1.0]])}
        >>> [stay.tolist() for _, stay in removed_neurons(net, weights)]
        [[1]]
    """
    found: list[tuple[Neurons, np.ndarray]] = []
    for each in hidden_neurons(model):
        out = by_neuron(weights[each.out], len(weights[each.into]))
        there = (out != 0).any(2).any(0)
        if not there.any():
            there[0] = True
        found.append((each, there.nonzero().flatten().cpu().numpy()))
    return found
