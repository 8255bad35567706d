"""What the parameters of a model are for: weights of layers, embeddings, biases, or norms."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, get_args

from torch import nn

Role = Literal["weights", "embeddings", "biases", "norms"]
ROLES: tuple[Role, ...] = get_args(Role)

_EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)
_NORMS = (nn.modules.batchnorm._NormBase, nn.GroupNorm, nn.LayerNorm, nn.RMSNorm, nn.LocalResponseNorm)  # pyright: ignore[reportPrivateUsage]


def roles_of(model: nn.Module, tables: Collection[str] = ()) -> dict[str, Role]:
    """Return the role of each parameter by name; a tied parameter has that of its first module.

    Parameters of embeddings are embeddings, those of batch norm and its kind are norms. Of all others, vectors and
    numbers are biases, and what has two dimensions or more are weights. A model may say otherwise, by parameter:
    ``roles = {"user_biases.weight": "biases"}``.

    Args:
        model: the module.
        tables: further parameters that are tables of categories.

    Example:
        >>> roles_of(nn.Sequential(nn.Embedding(9, 2), nn.Linear(2, 3), nn.BatchNorm1d(3)))
        {'0.weight': 'embeddings', '1.weight': 'weights', '1.bias': 'biases', '2.weight': 'norms', '2.bias': 'norms'}
    """
    modules = dict(model.named_modules())
    said = getattr(model, "roles", None)
    own = said if isinstance(said, Mapping) else {}
    found: dict[str, Role] = {}
    for name, parameter in model.named_parameters():
        owner = modules[name.rpartition(".")[0]]
        if own.get(name) in ROLES:
            found[name] = own[name]
        elif name in tables or isinstance(owner, _EMBEDDINGS):
            found[name] = "embeddings"
        elif isinstance(owner, _NORMS):
            found[name] = "norms"
        else:
            found[name] = "weights" if parameter.dim() > 1 else "biases"
    return found
