"""Hooks of regularizers in the layers of a network, which are put there anew for every run."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from steepest.optim.roles import roles_of

SHARE = "dropout_share"
"""The buffer that holds a layer's share: a compiled step takes it as a tensor, so that one program serves all
shares."""
OWN_SHARE = "_own_dropout_share"
"""The attribute that keeps the share of a layer of dropout that is switched off."""
_DROPOUTS = nn.modules.dropout._DropoutNd  # pyright: ignore[reportPrivateUsage]
CONVOLUTION = nn.modules.conv._ConvNd  # pyright: ignore[reportPrivateUsage]


class Hook:
    """What a regularizer puts into a layer; a subclass is called as torch's hooks are and holds plain values only."""

    def __repr__(self) -> str:
        """Return the same text for hooks that do the same: compiled steps are known by it."""
        return f"{type(self).__module__}.{type(self).__qualname__}({vars(self)})"


def without_hooks(model: nn.Module) -> None:
    """Take the hooks of regularizers out of a model."""
    for module in model.modules():
        for hooks in (module._forward_pre_hooks, module._forward_hooks):  # pyright: ignore[reportPrivateUsage]
            for key in [key for key, each in hooks.items() if isinstance(each, Hook)]:
                del hooks[key]
        for name in [each for each in module._buffers if each.startswith(SHARE)]:  # pyright: ignore[reportPrivateUsage]
            delattr(module, name)
        if OWN_SHARE in vars(module):
            vars(module)["p"] = vars(module).pop(OWN_SHARE)


def by_default(model: nn.Module) -> dict[nn.Module, float]:
    """Return the layers of dropout whose share is the default of the option ``dropout`` of a model, and this share.

    Example:
        >>> class Net(nn.Module):
        ...     def __init__(self, dropout: float = 0.1) -> None:
        ...         super().__init__()
        ...         self.drop = nn.Dropout(dropout)
        >>> list(by_default(Net()).values()), by_default(Net(0.2))
        ([0.1], {})
    """
    found: dict[nn.Module, float] = {}
    for each in model.modules():
        option = inspect.signature(type(each).__init__).parameters.get("dropout")
        default = None if option is None else option.default
        if isinstance(default, float):
            layers = (one for one in each.modules() if isinstance(one, _DROPOUTS) and one.p == default > 0)
            found |= dict.fromkeys(layers, default)
    return found


def switch_off(layers: Iterable[nn.Module]) -> None:
    """Let layers of dropout leave nothing out, until :func:`without_hooks` restores their shares."""
    for each in layers:
        vars(each).setdefault(OWN_SHARE, each.p)
        vars(each)["p"] = 0.0


@contextlib.contextmanager
def switched_off(layers: Sequence[nn.Module]) -> Generator[None]:
    """Let layers of dropout leave nothing out inside the block."""
    shares = [each.p for each in layers]
    try:
        for each in layers:
            vars(each)["p"] = 0.0
        yield
    finally:
        for each, share in zip(layers, shares, strict=True):
            vars(each)["p"] = share


@dataclass(frozen=True)
class Called:
    """How a model uses its layers.

    Attributes:
        hidden: linear layers that take units of another layer, in the order in which they are called.
        embeddings: layers that look up vectors, in the order in which they are called.
        drops: the largest share of its own dropout; 0 without.
    """

    hidden: tuple[nn.Module, ...]
    embeddings: tuple[nn.Module, ...]
    drops: float


def called(model: nn.Module, inputs: tuple[Tensor, ...]) -> Called:
    """Return how a model uses its layers on some inputs; nothing of it is changed, and nothing drawn.

    Args:
        model: the module.
        inputs: two rows or more.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Dropout(0.1), nn.Linear(3, 1))
        >>> found = called(net, (torch.zeros(2, 2),))
        >>> [each.in_features for each in found.hidden], found.drops
        ([3], 0.1)
    """
    hidden: dict[nn.Module, None] = {}
    embeddings: dict[nn.Module, None] = {}
    layers = _layers(model)
    weights = [each.weight for each in layers]
    wanted = {each: each.requires_grad for each in model.parameters()}
    handles: list[Any] = []

    def linear(module: nn.Module, args: tuple[Any, ...]) -> None:
        if args[0].requires_grad:
            hidden.setdefault(module)

    def looked_up(module: nn.Module, *_: Any) -> None:
        embeddings.setdefault(module)

    for each in model.modules():
        if each in layers and not isinstance(each, CONVOLUTION):
            handles.append(each.register_forward_pre_hook(linear))
        if isinstance(each, nn.Embedding | nn.EmbeddingBag):
            handles.append(each.register_forward_hook(looked_up))
    training = {each: each.training for each in model.modules()}
    buffers = {name: each.detach().clone() for name, each in model.named_buffers()}
    try:
        model.train()
        for each in wanted:
            each.requires_grad_(any(each is weight for weight in weights))
        with torch.enable_grad(), _Dropouts() as dropouts:
            torch.func.functional_call(model, buffers, inputs)
    finally:
        for handle in handles:
            handle.remove()
        for parameter, before in wanted.items():
            parameter.requires_grad_(before)
        for module, before in training.items():
            module.training = before
    return Called(tuple(hidden), tuple(embeddings), dropouts.largest)


def _layers(model: nn.Module) -> list[nn.Module]:
    """Return the linear layers and convolutions: torch's, and modules of other classes with weights of their own."""
    roles = roles_of(model, ())
    return [
        each
        for name, each in model.named_modules()
        if "weight" in each._parameters  # pyright: ignore[reportPrivateUsage]
        and roles.get(f"{name}.weight" if name else "weight") == "weights"
    ]


class _Dropouts(TorchFunctionMode):
    """Inside the block, dropout does nothing but is seen."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0.0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Replace dropout, and nothing else."""
        given = dict(kwargs or {})
        if func is not torch.nn.functional.dropout:
            return func(*args, **given)
        call = dict(zip(("input", "p", "training", "inplace"), args, strict=False)) | given
        if call.get("training", True):
            self.largest = max(self.largest, float(call.get("p", 0.5)))
        return call["input"]
