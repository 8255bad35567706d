"""Hyperparameters: the record of a rule, checked when it is created."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from steepest.components import grammar
from steepest.errors import OptionError

Beta = Annotated[float, Field(ge=0.0, lt=1.0)]
"""The share of a moving average that is kept."""


class Hyper(BaseModel):
    """The base of every rule's hyperparameters: the only place where a default or a range is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    lr: float = Field(default=1e-3, ge=0.0, description="learning rate")

    @model_validator(mode="before")
    @classmethod
    def _numbers(cls, values: Any) -> Any:
        """Read tensors of one element (torch allows ``lr=torch.tensor(0.1)``) as numbers."""
        return {
            name: value.item() if isinstance(value, torch.Tensor) and value.numel() == 1 else value
            for name, value in dict(values).items()
        }


H = TypeVar("H", bound=Hyper, covariant=True)


def validated(called: str, record: type[Hyper], options: Mapping[str, Any]) -> Hyper:
    """Return the record of hyperparameters, or raise an error that names the value and the known names."""
    known = list(record.model_fields)
    for name in options:
        if name not in known:
            raise OptionError(f"{called} has no option {name!r}", hint=f"known: {', '.join(known)}.")
    kinds = {name: each.annotation for name, each in record.model_fields.items()}
    try:
        return record(**grammar.with_none_named(options, kinds))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "options"
        name = str(first["loc"][0]) if first["loc"] else ""
        value = options.get(name, first["input"])
        allowed = f" ({described(record, name)})" if name else ""
        raise OptionError(
            f"{called}: {name or 'options'}={value!r} is not allowed",
            hint=f"{place}: {first['msg'].removeprefix('Value error, ').lower()}{allowed}.",
        ) from None


def described(record: type[Hyper], name: str) -> str:
    """Return what a hyperparameter is, as its declaration says."""
    return record.model_fields[name].description or name
