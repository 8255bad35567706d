"""What an update computes with: the state of a parameter, and the scalars of a step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import torch

Slots = dict[str, torch.Tensor]
Start = Callable[[torch.Tensor], torch.Tensor | None]
"""Makes a slot's start value from the parameter; None where a parameter of that shape has no such slot."""
Coefficients = dict[str, Any]
"""The scalars of one step by name: floats, or tensors [R, 1, …] for R runs at once."""
Carry = dict[str, float]
"""Running scalars that travel from step to step, such as NAdam's product of momenta."""
Couples = Literal["element", "tensor", "model"]
Idle = Literal["still", "param_still", "moves"]
