"""Which layers of a model get an adapter: all linear ones but the output layer, or those that a text names."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence

from torch import nn

from steepest.errors import OptionError, UnknownNameError
from steepest.finetuning.parts import modules_text
from steepest.optim.selection import HEAD, selected

ALL_LINEAR = "all-linear"
"""All linear layers but the output layer, by the name that PEFT has for them."""

Layers = tuple[type[nn.Module], ...]


def linear_kinds() -> Layers:
    """Return the kinds of linear layers: torch's, and that of GPT-2 in the library transformers."""
    try:
        from transformers.pytorch_utils import Conv1D
    except ImportError:
        return (nn.Linear,)
    return (nn.Linear, Conv1D)


def target_names(model: nn.Module, targets: str, asked: str) -> list[str]:
    """Return the names of the modules that get an adapter, in the model's order.

    Args:
        model: the model.
        targets: :data:`ALL_LINEAR`, or endings of module names with commas, which match whole parts: ``query``
            matches ``blocks.0.query``, not ``blocks.0.old_query``.
        asked: what was asked for, for errors.

    Raises:
        OptionError: an ending matches no module, or one that cannot be adapted; or there is no linear layer. The
            message lists the modules.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 3), nn.Linear(3, 1))
        >>> target_names(model, "all-linear", "lora"), target_names(model, "0, 3", "lora")
        (['0', '2'], ['0', '3'])
    """
    kinds = linear_kinds()
    modules = {name: each for name, each in model.named_modules() if name}
    apart = _used_by_weights(modules)
    linear = [name for name, each in modules.items() if isinstance(each, kinds) and name not in apart]
    if targets == ALL_LINEAR:
        outputs = _output_layers(model, modules)
        found = [name for name in linear if name not in outputs]
        if not found:
            last = ", ".join(name for name in linear if name in outputs)
            what = f"no linear layer but the output layer {last}" if last else "no linear layers"
            cure = (
                f"name it: targets='{last}', or take another way."
                if last
                else "take another way, see steepest list finetuning."
            )
            raise OptionError(
                f"--finetune {asked!r} is about linear layers, and the model has {what}; its modules are "
                f"{modules_text(model)}",
                hint=cure,
            )
        return found
    matched = {each: [name for name in modules if _ends(name, each)] for each in targets.split(", ")}
    missing = [each for each, names in matched.items() if not names]
    there = f"its linear layers are {layers_text(linear)}" if linear else "it has no linear layers"
    if missing:
        some = "" if len(missing) == len(matched) else f", though {_listed(set(matched) - {*missing})} does"
        raise OptionError(
            f"--finetune {asked!r}: no module's name ends in {_listed(missing)}{some}; {there}",
            hint=f"name them by endings of their names, such as targets={_such_as(linear)}, or leave targets out for "
            "all linear layers but the output layer.",
        )
    found = [name for name in modules if any(name in names for names in matched.values())]
    for name in found:
        if not isinstance(modules[name], kinds) or name in apart:
            kind = type(modules[name]).__name__
            why = f", which {apart[name]} calls by its weights alone" if name in apart else ""
            raise OptionError(
                f"--finetune {asked!r} cannot adapt the module {name!r}, a {kind}{why}; {there}",
                hint="name linear layers, or leave targets out for all of them but the output layer.",
            )
    shared = _shared(model, found)
    if shared:
        raise OptionError(
            f"--finetune {asked!r} cannot adapt {shared[0]!r}: it shares its weights with {shared[1]!r}",
            hint="name other layers, or leave targets out for all linear layers but the output layer.",
        )
    return found


def stacked_weights(model: nn.Module) -> dict[str, int]:
    """Return the modules whose weights are several matrices in one, which are no layers, with their numbers.

    So are the experts of a mixture in the library transformers, and the projections of torch's attention.

    Example:
        >>> import torch
        >>> class Experts(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.up = nn.Parameter(torch.zeros(4, 3, 2))
        >>> stacked_weights(nn.ModuleDict({"experts": Experts(), "out": nn.Linear(3, 2), "image": nn.Conv1d(2, 3, 4)}))
        {'experts': 24}
    """
    found: dict[str, int] = {}
    for name, each in model.named_modules():
        own = [*each.parameters(recurse=False)]
        if isinstance(each, nn.MultiheadAttention):
            found[name] = sum(p.numel() for p in each.parameters() if p.dim() > 1)
        elif not isinstance(each, nn.modules.conv._ConvNd):  # pyright: ignore[reportPrivateUsage]
            count = sum(p.numel() for p in own if p.dim() > 2 and p.shape[0] > 1)
            found |= {name: count} if count else {}
    return found


def pattern_of(names: Iterable[str]) -> str:
    """Return a regular expression that matches these names and no others."""
    return "|".join(map(re.escape, names))


def meant_by_endings(names: Sequence[str], model: nn.Module) -> bool:
    """Return whether the last parts of names, which are no numbers, mean these modules of a model and no others.

    Example:
        >>> model = nn.ModuleDict({each: nn.ModuleDict({"q": nn.Linear(1, 1), "k": nn.Linear(1, 1)}) for each in "ab"})
        >>> meant_by_endings(["a.q", "b.q"], model), meant_by_endings(["a.q"], model)
        (True, False)
    """
    endings = {name.rpartition(".")[2] for name in names}
    meant = [name for name, _ in model.named_modules() if name and any(_ends(name, each) for each in endings)]
    return sorted(meant) == sorted(names) and not any(map(str.isdigit, endings))


def layers_text(names: Sequence[str]) -> str:
    """Return names of layers in words, those of repeated blocks once.

    Example:
        >>> layers_text(["blocks.0.query", "blocks.0.key", "blocks.1.query", "blocks.1.key", "head"])
        'query, key, head'
        >>> layers_text(["net.0", "net.2"])
        'net.0, net.2'
    """
    endings = dict.fromkeys(_ending(name) for name in names)
    return ", ".join(endings)


def _ending(name: str) -> str:
    """Return the last part of a name, with what stands before where it is a number."""
    parts = name.split(".")
    count = sum(1 for _ in itertools.takewhile(str.isdigit, reversed(parts)))
    return ".".join(parts[-1 - count :])


def _ends(name: str, ending: str) -> bool:
    return name == ending or name.endswith(f".{ending}")


def _listed(texts: Iterable[str]) -> str:
    return ", ".join(map(repr, sorted(texts)))


def _such_as(linear: Sequence[str]) -> str:
    return repr(",".join([*dict.fromkeys(_ending(name) for name in linear)][:2]) or "query,value")


def _output_layers(model: nn.Module, modules: dict[str, nn.Module]) -> set[str]:
    """Return the names of modules that hold a parameter of the output layer."""
    try:
        known = dict(model.named_parameters())
        own = {id(known[name]) for name in selected(model, HEAD)}
    except UnknownNameError:
        return set()
    return {
        name for name, each in modules.items() if any(id(p) in own for p in each.parameters(recurse=False))
    }


def _used_by_weights(modules: dict[str, nn.Module]) -> dict[str, str]:
    """Return modules that are part of one that uses their weights and never calls them, with the name of that one."""
    return {
        f"{name}.{inner}": name
        for name, each in modules.items()
        if isinstance(each, nn.MultiheadAttention)
        for inner, _ in each.named_modules()
        if inner
    }


def _shared(model: nn.Module, names: Sequence[str]) -> tuple[str, str] | None:
    """Return a module of some whose weights are those of another module, too, and that other one."""
    owners: dict[int, list[str]] = {}
    for name, each in model.named_modules(remove_duplicate=False):
        for parameter in each.parameters(recurse=False):
            owners.setdefault(id(parameter), []).append(name)
    for some in owners.values():
        if len(some) > 1 and (here := [each for each in some if each in names]):
            return here[0], next(each for each in some if each != here[0])
    return None
