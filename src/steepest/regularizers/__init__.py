"""What acts inside a training step besides the optimizer: one regularizer a file, such as ``l2(1e-4)``.

Several of them in one arm are written with ``+``: ``'l2(1e-4) + input-noise(0.1)'``. Their order in the text does not
matter, their places in the step do: batch, penalty, gradient, (clipping, the optimizer's update,) update, average,
length. So a penalty is part of the gradient that is clipped, while an optimizer's weight decay is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from torch import Tensor

from steepest.components import grammar
from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.optim.roles import ROLES, Role

Place = Literal["batch", "penalty", "gradient", "update", "average", "length"]
PLACES: tuple[Place, ...] = get_args(Place)
"""Where regularizers act, in the order of a step."""
NONE = "none"
"""The text of an arm without regularizers."""

registry = Registry(
    "regularizer",
    *(
        f"steepest.regularizers.{each}"
        for each in ("batch", "penalties", "gradients", "updates", "averages", "lengths")
    ),
)

Coefficients = Mapping[str, Any]
"""Numbers that change from step to step, by name: floats, or tensors in a compiled step."""


def _one(value: Any) -> Any:
    return value[0] if isinstance(value, list | tuple) and len(value) == 1 else value


_Which = Role | Literal["all"]
On = Annotated[_Which | Annotated[tuple[_Which, ...], Field(min_length=1)], BeforeValidator(_one)]
"""The roles of the parameters that a regularizer acts on: ``on=all``, ``on=(weights, embeddings)``."""
ON = "weights, embeddings, biases, norms or all, or several of them as on=(weights, embeddings)"


class Regularizer(Component):
    """A regularizer; a subclass overrides the methods of the places where it acts.

    Each of them is a function of tensors, the same in an eager and in a compiled step: it changes nothing in place and
    decides nothing by a tensor's values. Those that change weights or gradients get one parameter at a time.

    Example:
        >>> read_regularizers("l2(1e-4)")[0].places
        ('penalty',)
    """

    def batch(self, part: Part, draw: np.random.Generator) -> Part:
        """Return a batch as it is trained on.

        Args:
            part: the batch.
            draw: the random numbers of this run and step.
        """
        del draw
        return part

    def penalty(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return what is added to the loss, a scalar, from the parameters that it acts on."""
        raise NotImplementedError

    def noise(self, draw: np.random.Generator, count: int) -> NDArray[np.float32] | None:
        """Return ``count`` random numbers for :meth:`gradient`, one for each weight; None if it needs none."""
        del draw, count
        return None

    def gradient(self, gradient: Tensor, weight: Tensor, noise: Tensor | None, c: Coefficients) -> Tensor:
        """Return the gradient of one parameter as the optimizer gets it, before clipping.

        Args:
            gradient, weight: of one shape.
            noise: from :meth:`noise`, of the same shape.
            c: from :meth:`coefficients`.
        """
        del weight, noise, c
        return gradient

    def updated(self, weight: Tensor, c: Coefficients) -> Tensor:
        """Return one parameter as it is after the optimizer's update."""
        del c
        return weight

    def averaged(self, average: Tensor, weight: Tensor, c: Coefficients) -> Tensor:
        """Return the new average of one parameter, which is evaluated and saved in its place.

        Args:
            average: the old one; before the first step the weight itself.
            weight: after the update.
            c: from :meth:`coefficients`.
        """
        del average, c
        return weight

    def coefficients(self, step: int) -> dict[str, float]:
        """Return the numbers that change from step to step; steps of a run count from 0."""
        del step
        return {}

    def stops_after(self) -> int | None:
        """Return the evaluations without an improvement after which the run ends; None if it does not end runs."""
        return None

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it acts, in the order of a step."""
        hooks = {
            "batch": "batch",
            "penalty": "penalty",
            "gradient": "gradient",
            "update": "updated",
            "average": "averaged",
            "length": "stops_after",
        }
        kind = type(self)
        return tuple(
            place for place in PLACES if getattr(kind, hooks[place]) is not getattr(Regularizer, hooks[place])
        )

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles of the parameters that it acts on: weights of layers, or none if it acts on the batch or length."""
        return () if set(self.places) <= {"batch", "length"} else ("weights",)


class WeightRegularizer(Regularizer):
    """A regularizer with an option for the parameters that it acts on."""

    by_name: ClassVar[tuple[str, ...]] = ("on",)

    on: On = Field("weights", description=ON)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles of the parameters that it acts on."""
        on = (self.on,) if isinstance(self.on, str) else self.on
        return tuple(role for role in ROLES if role in on or "all" in on)


def read_regularizers(text: str) -> tuple[Regularizer, ...]:
    """Return the regularizers of a specification, in the order of a step; none for ``none`` or an empty text.

    Raises:
        UnknownNameError: there is none with this name, or no such option.
        OptionError: an option has a value that is not allowed, or one is given twice.

    Example:
        >>> [str(each) for each in read_regularizers("max-norm(3) + l2(1e-4)")]
        ['l2(0.0001)', 'max-norm(3.0)']
    """
    return tuple(made for _, made in _read(text))


def regularizer_text(text: str) -> str:
    """Return a specification with all options, in the order of a step; ``""`` for none.

    Example:
        >>> regularizer_text("max-norm(3)+ l2(1e-4)"), regularizer_text("none")
        ('l2(0.0001) + max-norm(3.0)', '')
    """
    return " + ".join(
        made.referred(spec.name) if spec.is_reference else str(made) for spec, made in _read(text)
    )


def regularizer_meant(text: str) -> str:
    """Return a specification in which also the parameters that regularizers act on are written in one way.

    Example:
        >>> regularizer_meant("l2(1e-4, on=(biases, weights))") == regularizer_meant("l2(1e-4, on=(weights, biases))")
        True
    """
    parts = (
        (spec.name, made, {"on": made.roles} if hasattr(made, "on") else {}) for spec, made in _read(text)
    )
    return " + ".join(f"{name} {made.model_copy(update=on)}" for name, made, on in parts)


def without_ends(text: str) -> str:
    """Return a specification without the regularizers that do nothing but end a run.

    Example:
        >>> without_ends("l2(0.0001) + early-stopping(5)"), without_ends("early-stopping(5)")
        ('l2(0.0001)', '')
    """
    parts = [each for each in grammar.split(text, at="+") if each != NONE] if text else []
    return " + ".join(each for each in parts if set(read_regularizers(each)[0].places) != {"length"})


def specs_of(text: str) -> list[grammar.Spec]:
    """Return the specifications that are joined by ``+`` in a text; none for ``none`` or an empty text.

    Raises:
        OptionError: one cannot be read, or ``none`` stands beside others.
    """
    parts = grammar.split(text, at="+")
    if len(parts) > 1 and NONE in parts:
        raise OptionError(f"{NONE!r} stands beside regularizers in {text!r}", hint="leave it out.")
    return [] if parts == [NONE] else [grammar.parse(each) for each in parts]


def _read(text: str) -> list[tuple[grammar.Spec, Regularizer]]:
    found = [(spec, _made(spec)) for spec in specs_of(text)]
    keys = [_key(made) for _, made in found]
    twice = next((made.name for (_, made), key in zip(found, keys, strict=True) if keys.count(key) > 1), None)
    if twice is not None:
        raise OptionError(
            f"the regularizer {twice!r} is given twice in {text!r}", hint="leave one of the two out."
        )
    return sorted(found, key=lambda each: (PLACES.index(each[1].places[0]), each[1].name, str(each[1])))


def _key(made: Regularizer) -> tuple[str, str]:
    """Return what may be there once: a penalty for the same parameters; anything that draws or counts steps."""
    adds = made.places == ("penalty",) and not made.coefficients(0)
    return made.name, str(getattr(made, "on", "")) if adds else ""


def _made(spec: grammar.Spec) -> Regularizer:
    made: Regularizer = make_component(registry, str(spec), Regularizer)
    if not made.places:
        raise OptionError(
            f"the regularizer {spec.name!r} acts nowhere",
            hint=f"override a method of {Regularizer.__name__}: batch, penalty, gradient, updated, averaged.",
        )
    return made
