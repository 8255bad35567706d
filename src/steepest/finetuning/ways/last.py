"""The last blocks, and what is behind them."""

from __future__ import annotations

from pydantic import Field
from torch import nn

from steepest.errors import OptionError
from steepest.finetuning import FineTuning
from steepest.finetuning.parts import blocks_of

COMPONENTS = {"last": {"object": "Last", "what": "the last blocks, and what is behind them"}}

FINAL = "final"
"""How the names of modules begin that are behind the blocks wherever they are registered, as in OPT."""


class Last(FineTuning):
    """Train the last blocks of a model and what is behind them, such as a norm and an output layer.

    Blocks are the members of its largest list of modules. Modules come in the order in which the model registers
    them. An output layer that shares its weights with the embedding in front of the blocks stays as it is.
    """

    name = "last"

    blocks: int = Field(
        default=1, ge=1, description="blocks that are trained, counted from the output; at least 1"
    )

    def fixed(self, model: nn.Module) -> list[str]:
        """The parameters of earlier blocks, and of what is in front of them.

        Example:
            >>> chain = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 1))
            >>> Last(blocks=2).fixed(chain)
            ['0.weight', '0.bias']
        """
        names = blocks_of(model, str(self))
        if self.blocks > len(names):
            raise OptionError(
                f"--finetune '{self}' is of more blocks than the model has: {len(names)}, {names[0]} to {names[-1]}",
                hint=f"give at most {len(names)}.",
            )
        trained = tuple(f"{name}." for name in names[-self.blocks :])
        fixed: list[str] = []
        behind = False
        for name, _ in model.named_parameters():
            last = name.startswith(trained)
            behind = behind or last
            if not (behind or any(part.startswith(FINAL) for part in name.split("."))):
                fixed.append(name)
        return fixed
