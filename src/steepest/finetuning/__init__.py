"""Which part of a model is trained further: one way of fine-tuning a file, such as ``last(2)``."""

from __future__ import annotations

from torch import nn

from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.errors import OptionError
from steepest.optim.selection import hold

registry = Registry("way of fine-tuning", "steepest.finetuning.ways")

FULL = "full"
"""The way that trains all parameters, which recipes leave out."""


class FineTuning(Component):
    """A way of fine-tuning; a subclass says which parameters of a model stay as they are.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        >>> read_finetuning("head").fixed(model)
        ['0.weight', '0.bias']
    """

    def fixed(self, model: nn.Module) -> list[str]:
        """Return the names of the parameters that are not trained.

        Raises:
            OptionError: the model has no part of the kind that this is about; the message lists its modules.
        """
        raise NotImplementedError


def read_finetuning(text: str) -> FineTuning:
    """Return the way of fine-tuning that a specification names; all parameters where it is empty.

    Raises:
        UnknownNameError: there is none with this name, or no such option.
        OptionError: an option has a value that is not allowed.
    """
    return make_component(registry, text or FULL)


def finetuning_text(text: str) -> str:
    """Return a way of fine-tuning as it stands in a recipe; nothing for ``full``.

    Example:
        >>> finetuning_text("last( blocks=2 )"), finetuning_text("full")
        ('last(2)', '')
    """
    found = str(read_finetuning(text))
    return "" if found == FULL else found


def finetuned(model: nn.Module, text: str) -> nn.Module:
    """Hold the parameters of a model that a way of fine-tuning does not train. Return the model.

    Held parameters get no gradient, no update and no weight decay, see :func:`steepest.optim.selection.hold`.

    Raises:
        OptionError: the way does not fit the model, or nothing would be left to train.

    Example:
        >>> model = finetuned(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), "head")
        >>> [name for name, each in model.named_parameters() if each.requires_grad]
        ['1.weight', '1.bias']
    """
    if text in ("", FULL):
        return model
    hold(model, read_finetuning(text).fixed(model))
    if not any(each.requires_grad for each in model.parameters()):
        raise OptionError(
            f"--finetune {text!r} leaves nothing to train",
            hint="take another way, see steepest list finetuning.",
        )
    return model
