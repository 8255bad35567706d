"""Which part of a model is trained further: one way of fine-tuning a file, such as ``last(2)`` or ``lora(8)``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from torch import nn

from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.errors import OptionError
from steepest.optim.selection import hold, read_patterns, selected
from steepest.rng import torch_stream

registry = Registry("way of fine-tuning", "steepest.finetuning.ways")

FULL = "full"
"""The way that trains all parameters, which recipes leave out."""

DRAW = 4
"""Place of what an adapter draws among the streams of a run's first weights."""


class FineTuning(Component):
    """A way of fine-tuning; a subclass says which parameters of a model stay as they are.

    A *structural* way changes the model as well, before its parameters are held: it may add modules and parameters
    (adapters), and put other layers in the place of the model's, such as quantised ones. What it has to keep to:

    - :meth:`adapt` is called once for each model, when the model has its first weights and is in 32 bits on the CPU.
      The model that comes back takes the same inputs and returns the same outputs, up to rounding (of a quantised base:
      the outputs of that base). It draws from torch's default generator only, whose state is then that of a stream of
      the run's seed, so that a resumed run and a loaded network have the same parameters.
    - All that makes the model is in its ``state_dict``, as tensors whose names and shapes depend on the model and the
      options alone: another model that is adapted in the same way loads them.
    - :meth:`fixed`, :meth:`merged`, :meth:`base` and :meth:`adapter` get a model that was adapted in this way.
    - What it needs of other libraries is imported where it is used.

    Attributes:
        structural: whether it changes the model.
        true_gradient: whether gradients with respect to its parameters are those of the loss; False where the way's
            paper leaves a part out, so that there is no curvature to speak of.
        opened_with: lines of Python, an import and what it is for, and an argument made of it, with which the library
            transformers opens a base that is not loaded as it is; empty for any other.

    Example:
        >>> model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
        >>> read_finetuning("head").fixed(model)
        ['0.weight', '0.bias']
    """

    structural: ClassVar[bool] = False
    true_gradient: ClassVar[bool] = True
    opened_with: ClassVar[tuple[str, ...]] = ()

    def adapt(self, model: nn.Module) -> nn.Module:
        """Change a model, which may be altered in place, and return it; as it is, unless the way is structural.

        Raises:
            OptionError: the model has no part of the kind that this is about; the message lists its modules.
            MissingExtraError: a library is not installed.
        """
        return model

    def fixed(self, model: nn.Module) -> list[str]:
        """Return the names of the parameters that are not trained.

        Raises:
            OptionError: the model has no part of the kind that this is about; the message lists its modules.
        """
        raise NotImplementedError

    def merged(self, model: nn.Module) -> nn.Module:
        """Return a model with the modules that it had before :meth:`adapt` and the outputs that it has now.

        It is a copy where the way is structural. Outputs agree to the rounding of a weight.
        """
        return model

    def base(self, model: nn.Module) -> nn.Module:
        """Return a copy without what :meth:`adapt` added: the model that training began with; of a structural way."""
        raise NotImplementedError

    def adapter(
        self, model: nn.Module, base: str, renamed: Callable[[str], str] | None = None
    ) -> Mapping[str, str | bytes]:
        """Return what was trained as the files of an adapter, by name; of a structural way.

        Args:
            model: adapted in this way.
            base: the folder or the specification of the model that the adapter belongs to.
            renamed: returns the name of a module in that model, where it has another one there.
        """
        raise NotImplementedError

    @property
    def base_as(self) -> tuple[str, str]:
        """How the base that training begins with is made, and what that is called; nothing for the model as it is.

        The first is a way of fine-tuning with the same base: the same text for all ways that have it.
        """
        return "", ""

    @property
    def said(self) -> str:
        """What is to be said of it besides how much it trains, such as a number that is held; or nothing."""
        return ""

    def said_of(self, model: nn.Module) -> str:
        """Return what is to be said of a model that is fine-tuned in this way; by default what is said of any."""
        del model
        return self.said


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


def structural_text(text: str) -> str:
    """Return a way of fine-tuning if it changes the model, else nothing.

    Example:
        >>> structural_text("lora(r=4)"), structural_text("last(2)"), structural_text("")
        ('lora(4, 8)', '', '')
    """
    way = read_finetuning(text)
    return str(way) if way.structural else ""


def no_curvature(text: str) -> str:
    """Return why a way of fine-tuning has no curvature that could be measured; empty where it has.

    Example:
        >>> no_curvature("dora(4)")
        'dora(4, 8) has gradients that leave out a part of the loss'
    """
    way = read_finetuning(text)
    return "" if way.true_gradient else f"{way} has gradients that leave out a part of the loss"


def merged(model: nn.Module, text: str) -> nn.Module:
    """Return a fine-tuned model with the modules that it had before, see :meth:`FineTuning.merged`."""
    return read_finetuning(text).merged(model)


def finetuned(model: nn.Module, text: str, seed: int = 0) -> nn.Module:
    """Make a new model what a way of fine-tuning trains: change it where the way is structural, and hold the rest.

    Args:
        model: with its first weights; a structural way may alter it in place.
        text: the way.
        seed: of the run; what a structural way draws is a function of it.

    Returns:
        The model, in which held parameters get no gradient, no update and no weight decay, see
        :func:`steepest.optim.selection.hold`.

    Raises:
        OptionError: the way does not fit the model, or nothing would be left to train.
        MissingExtraError: the way needs a library that is not installed.

    Example:
        >>> model = finetuned(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), "head")
        >>> [name for name, each in model.named_parameters() if each.requires_grad]
        ['1.weight', '1.bias']
    """
    if text in ("", FULL):
        return model
    way = read_finetuning(text)
    if way.structural:
        with torch_stream(seed, "init", DRAW):
            model = way.adapt(model)
    return hold_rest(model, text)


def held_by(model: nn.Module, finetune: str, frozen: str = "") -> set[str]:
    """Return the names of the parameters that a run holds, by its way of fine-tuning and its ``--freeze``.

    Example:
        >>> sorted(held_by(nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1)), "head", "biases"))
        ['0.bias', '0.weight', '1.bias']
    """
    fixed = {*read_finetuning(finetune).fixed(model)}
    return fixed.union(*(selected(model, what) for what in read_patterns(frozen)))


def hold_rest(model: nn.Module, text: str) -> nn.Module:
    """Hold the parameters that a way of fine-tuning does not train. Return the model.

    Args:
        model: changed already where the way is structural.
        text: the way.

    Raises:
        OptionError: the way does not fit the model, or nothing would be left to train.
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
