"""All parameters."""

from __future__ import annotations

from torch import nn

from steepest.finetuning import FineTuning

COMPONENTS = {"full": {"object": "Full", "what": "all parameters"}}


class Full(FineTuning):
    """Train all parameters, as where nothing is said."""

    name = "full"

    def fixed(self, model: nn.Module) -> list[str]:
        """None."""
        del model
        return []
