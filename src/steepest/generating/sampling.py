"""Tokens drawn one after the other from a causal model."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.errors import OptionError
from steepest.generating import TEMPERATURE, TOKENS, TOP_K
from steepest.rng import stream


def sampled(
    net: nn.Module,
    start: Sequence[int],
    *,
    window: int,
    stop: Collection[int] = (),
    tokens: int = TOKENS,
    temperature: float = TEMPERATURE,
    top_k: int = TOP_K,
    seed: int = 0,
) -> list[int]:
    r"""Return tokens that follow some tokens, drawn with the probabilities :math:`\operatorname{softmax}(o / \tau)`
    of the k most probable ones.

    A token sees at most ``window`` tokens, as in training. A model whose ``continued`` keeps what it has computed
    computes every token once; where the window is full, it begins again with the last half of it.

    Args:
        net: called with tokens ``[1, T]``, returns logits ``[1, T, V]``.
        start: the first tokens, at least one.
        window: how many tokens the model has seen at once in training.
        stop: tokens that end a text; they are not returned.
        tokens: how many are drawn at most, from 0.
        temperature: :math:`\tau`, from 0; with 0 the most probable token is taken.
        top_k: k; 0 for all.
        seed: of the random numbers, one for each token.

    Raises:
        OptionError: a number is out of its range.

    Example:
        >>> class Next(nn.Module):  # the token behind t is t + 1
        ...     def forward(self, tokens):
        ...         return 50.0 * nn.functional.one_hot(tokens + 1, 9).float()
        >>> sampled(Next(), [2], window=4, tokens=3)
        [3, 4, 5]
    """
    _check(tokens, temperature, top_k)
    draws = stream(seed, "generation")
    found = list(start)
    state: Any = None
    goes_on: Any = getattr(net, "continued", None)
    held = 0
    modes = [(module, module.training) for module in net.modules()]
    try:
        net.eval()
        with torch.no_grad():
            for _ in range(tokens):
                if goes_on is None:
                    logits = net(torch.tensor([found[-window:]]))
                elif state is None or held >= window:
                    some = found[-(window if state is None else max(1, window // 2)) :]
                    logits, state = goes_on(torch.tensor([some]), None)
                    held = len(some)
                else:
                    logits, state = goes_on(torch.tensor([found[-1:]]), state)
                    held += 1
                token = chosen(logits[0, -1], temperature, top_k, float(draws.random()))
                if token in stop:
                    break
                found.append(token)
    finally:
        for module, mode in modes:
            module.training = mode
    return found[len(start) :]


def chosen(logits: Tensor, temperature: float, top_k: int, draw: float) -> int:
    """Return the token ``[V]`` that a number from 0 to 1 draws.

    Example:
        >>> logits = torch.tensor([0.0, math.log(3.0), -math.inf])
        >>> [chosen(logits, 1.0, 0, draw) for draw in (0.1, 0.3, 0.99)], chosen(logits, 0.0, 0, 0.1)
        ([0, 1, 1], 1)
    """
    values = logits.double().cpu().numpy()
    if temperature == 0:
        return int(values.argmax())
    kept = np.sort(np.argsort(-values, kind="stable")[:top_k]) if top_k else np.arange(len(values))
    with np.errstate(over="ignore"):  # of a temperature near 0: the shares are 0
        shares = np.exp((values[kept] - values[kept].max()) / temperature).cumsum()
    return int(kept[min(np.searchsorted(shares, draw * shares[-1], side="right"), len(kept) - 1)])


def _check(tokens: int, temperature: float, top_k: int) -> None:
    if tokens < 0:
        raise OptionError(f"{tokens} tokens", hint="give --tokens 100.")
    if not 0 <= temperature < math.inf:
        raise OptionError(
            f"a temperature of {temperature:g}",
            hint="give a number from 0 (always the most probable token) on.",
        )
    if top_k < 0:
        raise OptionError(f"a top-k of {top_k}", hint="give how many tokens are drawn from, or 0 for all.")
