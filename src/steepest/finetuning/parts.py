"""Blocks of a model, and its modules in words, for errors."""

from __future__ import annotations

from torch import nn

from steepest.errors import OptionError

MOST_NAMED = 12
"""Modules that an error names."""


def modules_text(model: nn.Module) -> str:
    """Return the names of the modules that have parameters of their own, as a list in words.

    Example:
        >>> modules_text(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1)))
        '0, 2'
    """
    names = [
        name or "the model itself"
        for name, each in model.named_modules()
        if [*each.parameters(recurse=False)]
    ]
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")


def blocks_of(model: nn.Module, asked: str) -> list[str]:
    """Return the names of a model's blocks, in order.

    They are the members of its largest ``nn.ModuleList`` of modules that consist of layers; in a model without one, the
    members with parameters of its largest ``nn.Sequential``.

    Args:
        model: the module.
        asked: what was asked for, for the error.

    Raises:
        OptionError: there are no blocks.

    Example:
        >>> block = lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU())
        >>> blocks_of(nn.ModuleDict({"first": nn.Linear(2, 2), "blocks": nn.ModuleList([block(), block()])}), "last(1)")
        ['blocks.0', 'blocks.1']
    """
    lists = [
        (_size(each), name, [f"{name}.{key}" if name else key for key, _ in each.named_children()])
        for name, each in model.named_modules()
        if isinstance(each, nn.ModuleList) and all([*block.children()] for block in each) and _size(each)
    ]
    chains = [
        (
            _size(each),
            name,
            [f"{name}.{key}" if name else key for key, of in each.named_children() if _size(of)],
        )
        for name, each in model.named_modules()
        if isinstance(each, nn.Sequential) and _size(each)
    ]
    found = lists or [each for each in chains if len(each[2]) > 1]
    if not found:
        raise OptionError(
            f"--finetune {asked!r} is about the blocks of a model, and this one has none; its modules are "
            f"{modules_text(model)}",
            hint="take another way, or name what is not trained: --freeze NAME, with * and ?.",
        )
    return max(found, key=lambda each: each[0])[2]


def _size(module: nn.Module) -> int:
    return sum(each.numel() for each in module.parameters())
