"""The output layer alone."""

from __future__ import annotations

from torch import nn

from steepest.errors import OptionError, UnknownNameError
from steepest.finetuning import FineTuning
from steepest.finetuning.parts import modules_text
from steepest.optim.selection import HEAD, selected

COMPONENTS = {"head": {"object": "Head", "what": "the output layer alone"}}


class Head(FineTuning):
    """Train the output layer alone: the last linear layer.

    Where its weights are those of the embedding too, as in most small language models, these are trained, and with them
    what the network gets.
    """

    name = "head"

    def fixed(self, model: nn.Module) -> list[str]:
        """All parameters but those of the output layer."""
        try:
            trained = selected(model, HEAD)
        except UnknownNameError:
            raise OptionError(
                "--finetune 'head' is about the output layer, and the model has no linear layer; its modules are "
                f"{modules_text(model)}",
                hint="take another way, or name what is not trained: --freeze NAME, with * and ?.",
            ) from None
        return [name for name, _ in model.named_parameters() if name not in trained]
