"""The layers q, k and v of a model, whatever they are called: those that read what an attention layer is given."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from functools import partial
from typing import Any

from torch import Tensor, nn

from steepest.finetuning.targets import linear_kinds, meant_by_endings


def attention_layers(model: nn.Module, call: Callable[[], object]) -> list[str]:
    """Return the names of the linear layers that compute queries, keys and values, in the model's order.

    They are found by what they are called with: the tensor that the attention layer around them is called with. So a
    layer behind the attention (``o_proj``, ``c_proj``) is none of them, and one layer for all three (``c_attn``) is.

    Args:
        model: its attention layers are modules whose class is named so, as those of the library transformers are.
        call: calls the model once.

    Example:
        >>> import torch
        >>> class SelfAttention(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.q, self.k, self.out = (nn.Linear(4, 4) for _ in range(3))
        ...     def forward(self, x):
        ...         return self.out(self.q(x) * self.k(x))
        >>> model = nn.Sequential(nn.Linear(4, 4), SelfAttention())
        >>> attention_layers(model, lambda: model(torch.zeros(2, 4)))
        ['1.q', '1.k']
    """
    given: dict[str, list[Tensor]] = {}
    found: set[str] = set()

    def enters(name: str, _: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        given[name] = [each for each in (*args, *options.values()) if isinstance(each, Tensor)]

    def reads(name: str, _: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        inputs = [each for each in (*args, *options.values()) if isinstance(each, Tensor)]
        for around, known in given.items():
            if name.startswith(f"{around}.") and any(one is each for one in inputs for each in known):
                found.add(name)

    with contextlib.ExitStack() as stack:
        for name, each in model.named_modules():
            linear = isinstance(each, linear_kinds())
            if linear or "attention" in type(each).__name__.lower():
                hook = partial(reads if linear else enters, name)
                stack.callback(each.register_forward_pre_hook(hook, with_kwargs=True).remove)
        call()
    return [name for name, _ in model.named_modules() if name in found]


def as_targets(names: list[str], model: nn.Module) -> str:
    """Return layers as the option ``targets`` has them: by the endings of their names, where those mean no others.

    Example:
        >>> model = nn.ModuleDict({each: nn.ModuleDict({"q": nn.Linear(1, 1), "k": nn.Linear(1, 1)}) for each in "ab"})
        >>> as_targets(["a.q", "b.q"], model), as_targets(["a.q"], model)
        ('q', 'a.q')
    """
    endings = dict.fromkeys(name.rpartition(".")[2] for name in names)
    return ",".join(endings if meant_by_endings(names, model) else names)
