"""Dropout of hidden units, inputs and embedded values."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from pydantic import BeforeValidator, Field
from torch import Tensor, nn
from torch.nn import functional

from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.models.normalized import Normalized
from steepest.objectives.target import Target
from steepest.regularizers import Regularizer
from steepest.regularizers.hooks import SHARE, Hook, by_default, called, switch_off, switched_off
from steepest.wording import counted

COMPONENTS = {
    "dropout": {
        "object": "Dropout",
        "what": "a share of the units left out in every training step",
        "groups": ["layers"],
    }
}

Share = Annotated[float, Field(ge=0.0, lt=1.0, allow_inf_nan=False)]


def _listed(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


class Dropout(Regularizer):
    r"""A share of the units is left out in every training step, drawn anew each time.

    .. math:: h_i \leftarrow \frac{m_i}{1 - p} h_i, \qquad m_i = 0 \text{ with probability } p \text{, else } 1

    of the units that one layer gives another: what every linear layer takes, but for those that take the inputs. In
    ``mlp`` that is what its own option ``dropout`` does; in ``cnn`` also the numbers that the convolutions leave. In
    evaluation all units are there. The shares are rounded to multiples of 1/65,536; the masks are those of the run
    and step,
    the same for all evaluations within a step.

    It replaces the dropout that a model has by default, such as that of the embedded values in ``embedding-mlp``. A
    model that was given a dropout of its own is refused, because a unit would be left out twice.

    Args:
        p: the share, from 0 up to but not 1; or one for each linear layer that takes units, in their order:
            ``dropout((0.2, 0.5))``.
        inputs: the share of the numbers that the network takes, standardised; categories are no numbers.
        embeddings: the share of the numbers of embedded categories.

    Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, Dropout: A Simple Way to Prevent Neural
    Networks from
    Overfitting, JMLR 2014.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> Dropout(p=0.5).attach(net, Part((torch.zeros(2, 2),), torch.zeros(2)))
        ['2']
    """

    name = "dropout"
    strength_of = "p"
    strengths = (0.05, 0.8)
    in_place_of = "dropout"
    bibtex = """
@article{srivastava2014dropout,
  author = {Srivastava, Nitish and Hinton, Geoffrey and Krizhevsky, Alex and Sutskever, Ilya
    and Salakhutdinov, Ruslan},
  title = {Dropout: A Simple Way to Prevent Neural Networks from Overfitting},
  journal = {Journal of Machine Learning Research},
  volume = {15},
  pages = {1929--1958},
  year = {2014},
}
"""
    by_name = ("inputs", "embeddings")

    p: Share | Annotated[tuple[Share, ...], BeforeValidator(_listed), Field(min_length=1)] = Field(
        0.5, description="a share from 0 up to but not 1, or one for each layer as dropout((0.2, 0.5))"
    )
    inputs: float = Field(0.0, ge=0.0, lt=1.0, description="a share from 0 up to but not 1")
    embeddings: float = Field(0.0, ge=0.0, lt=1.0, description="a share from 0 up to but not 1")

    def check(self, model: nn.Module, rows: Part, target: Target) -> None:
        """Raise an ``OptionError`` if a model has dropout of its own, or nothing that could be left out."""
        del target
        with switched_off([*by_default(model)]):
            found = called(model, rows.inputs)
        if found.drops:
            raise OptionError(
                f"the model has a dropout of its own, {found.drops:g}, beside the regularizer {str(self)!r}",
                hint="leave one of the two out: give the model dropout=0, or leave the regularizer out.",
            )
        if self.embeddings and not found.embeddings:
            raise OptionError(
                f"the regularizer {str(self)!r} leaves out embedded values, but the model embeds nothing",
                hint="leave embeddings out.",
            )
        if self.inputs and not any(
            each.is_floating_point() and each.numel() for each in self._taken(model, rows)
        ):
            raise OptionError(
                f"the regularizer {str(self)!r} leaves out inputs, but the model takes no numbers",
                hint="leave inputs out.",
            )
        shares = self.p if isinstance(self.p, tuple) else (self.p,)
        if isinstance(self.p, tuple) and len(self.p) != len(found.hidden):
            raise OptionError(
                f"the regularizer {str(self)!r} has {counted(len(self.p), 'share')} for "
                f"{counted(len(found.hidden), 'layer')} that take units",
                hint="give one number, or one for each.",
            )
        if any(shares) and not found.hidden and not self.inputs and not self.embeddings:
            raise OptionError(
                f"the regularizer {str(self)!r} acts on nothing: no linear layer of the model "
                "takes units of another layer",
                hint="choose a model with hidden layers, or dropout(0, inputs=0.2).",
            )

    def about(self, model: nn.Module, rows: Part) -> str:
        """Return that it replaces the default dropout of the model."""
        if not called(model, rows.inputs).drops:
            return ""
        shares = " and ".join(f"{each:g}" for each in dict.fromkeys(by_default(model).values()))
        return f"the regularizer {str(self)!r} replaces the default dropout of the model, {shares}."

    def attach(self, model: nn.Module, rows: Part) -> list[str]:
        """Put the masks before the layers that take units, and where inputs or embedded values are left out.

        The dropout that the model has by default is switched off.
        """
        switch_off(by_default(model))
        found = called(model, rows.inputs)
        names = {each: name for name, each in model.named_modules()}
        at: list[str] = []
        shares = self.p if isinstance(self.p, tuple) else (self.p,) * len(found.hidden)
        for each, share in zip(found.hidden, shares, strict=False):
            each.register_forward_pre_hook(DropInput(_share(each, share)))
            at.append(names[each])
        if self.embeddings:
            for each in found.embeddings:
                each.register_forward_hook(DropOutput(_share(each, self.embeddings)))
                at.append(names[each])
        if self.inputs:
            first = _first(model)
            first.register_forward_pre_hook(DropInput(_share(first, self.inputs)))
            at.append(names[first])
        return at

    @staticmethod
    def _taken(model: nn.Module, rows: Part) -> tuple[Tensor, ...]:
        """Return what the network takes: of raw values, the standard scores."""
        return tuple(each.float() for each in rows.inputs) if isinstance(model, Normalized) else rows.inputs


def _first(model: nn.Module) -> nn.Module:
    return model.net if isinstance(model, Normalized) else model


def _share(module: nn.Module, share: float) -> str:
    """Register a share as a buffer that is not saved; return its name."""
    taken = sum(name.startswith(SHARE) for name in module._buffers)  # pyright: ignore[reportPrivateUsage]
    name = f"{SHARE}_{taken}"
    like = next((each for each in module.parameters() if each.is_floating_point()), torch.empty(0))
    module.register_buffer(name, torch.tensor(share, dtype=like.dtype, device=like.device), persistent=False)
    return name


class DropInput(Hook):
    """Leaves out of what a layer takes."""

    def __init__(self, buffer: str) -> None:
        self.buffer = buffer

    def __call__(self, module: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Return the arguments with masks on the numbers."""
        if not module.training:
            return None
        share: Any = getattr(module, self.buffer)
        numbers = (isinstance(each, Tensor) and each.is_floating_point() for each in args)
        return tuple(
            functional.dropout(each, share, training=True) if number and each.numel() else each
            for each, number in zip(args, numbers, strict=True)
        )


class DropOutput(Hook):
    """Leaves out of what a layer gives."""

    def __init__(self, buffer: str) -> None:
        self.buffer = buffer

    def __call__(self, module: nn.Module, args: tuple[Any, ...], output: Tensor) -> Tensor | None:
        """Return the output with a mask."""
        del args
        share: Any = getattr(module, self.buffer)
        return functional.dropout(output, share, training=True) if module.training else None
