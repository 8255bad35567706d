"""Everything but the embeddings."""

from __future__ import annotations

from torch import nn

from steepest.errors import OptionError
from steepest.finetuning import FineTuning
from steepest.finetuning.parts import modules_text
from steepest.optim.roles import roles_of

COMPONENTS = {"embeddings-off": {"object": "EmbeddingsOff", "what": "everything but the embeddings"}}


class EmbeddingsOff(FineTuning):
    """Train everything but the embeddings; an output layer that shares their weights stays as it is, too."""

    name = "embeddings-off"

    def fixed(self, model: nn.Module) -> list[str]:
        """The parameters of embeddings."""
        found = [name for name, role in roles_of(model).items() if role == "embeddings"]
        if not found:
            raise OptionError(
                f"--finetune 'embeddings-off' is about embeddings, and the model has none; its modules are "
                f"{modules_text(model)}",
                hint="take another way, or name what is not trained: --freeze NAME, with * and ?.",
            )
        return found
