"""What acts inside a training step besides the optimizer: one regularizer a file, such as ``l2(1e-4)``.

Several of them in one arm are written with ``+``: ``'l2(1e-4) + input-noise(0.1)'``. Their order in the text does not
matter, their places in the step do: batch, labels, (the network's) layers, penalty, gradient, (clipping,) decay, (the
optimizer's update,) update, average, length. So a penalty is part of the gradient that is clipped, while weight decay
is not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BeforeValidator, Field
from torch import Tensor, nn

from steepest.components import grammar
from steepest.components.declared import Component, make_component
from steepest.components.registry import Registry
from steepest.data.dataset import Part
from steepest.errors import OptionError
from steepest.objectives.target import Target
from steepest.optim.roles import ROLES, Role

Place = Literal["batch", "labels", "layers", "penalty", "gradient", "decay", "update", "average", "length"]
PLACES: tuple[Place, ...] = get_args(Place)
"""Where regularizers act, in the order of a step."""
WITHOUT_PARAMETERS: tuple[Place, ...] = ("batch", "labels", "layers", "length")
"""Places where no parameters are acted on."""
NONE = "none"
"""The text of an arm without regularizers."""

_FOLDERS = (
    "batch", "labels", "layers", "penalties", "gradients", "decays", "updates", "averages", "lengths",
)  # fmt: skip
registry = Registry("regularizer", *(f"steepest.regularizers.{each}" for each in _FOLDERS))

Coefficients = Mapping[str, Any]
"""Numbers that change from step to step, by name: floats, or tensors in a compiled step."""


@dataclass(frozen=True)
class Moment:
    """A step of a run.

    Attributes:
        step: counted from 0.
        length: the steps of the run, where they are known.
        rate: the learning rate in this step, with the schedule's multiplier.
    """

    step: int
    length: int | None = None
    rate: float = 0.0


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

    Attributes:
        turn: among regularizers at the same place, those with a lower number come first.
        by_rate: whether its numbers depend on the learning rate of the step.
        by_share: whether they depend on the share of the run that is done, and so on the number of its steps.
        mixes: whether rows of a batch are mixed with each other.
        strength_of: the option that says how strong it is, which a comparison tunes where it is not given; empty if
            there is none.
        strengths: the least and the greatest value of it that are tried.
        in_place_of: the option of models that does the same; empty if there is none. Its default is replaced by the
            regularizer, while a value of the user's beside the regularizer is an error.

    Example:
        >>> read_regularizers("l2(1e-4)")[0].places
        ('penalty',)
    """

    turn: ClassVar[int] = 0
    by_rate: ClassVar[bool] = False
    by_share: ClassVar[bool] = False
    mixes: ClassVar[bool] = False
    strength_of: ClassVar[str] = ""
    strengths: ClassVar[tuple[float, float]] = (0.0, 0.0)
    in_place_of: ClassVar[str] = ""

    def __str__(self) -> str:
        """Return the specification as it is written; without the strength where it is not given."""
        if not self.tuned:
            return super().__str__()
        fields = type(self).model_fields
        given = {
            name: getattr(self, name)
            for name, field in fields.items()
            if name != self.strength_of and getattr(self, name) != field.get_default()
        }
        return str(grammar.Spec(self.name, (), given))

    def referred(self, reference: str) -> str:
        """Return the specification of one that was named by a reference; without the strength where it is not given."""
        if not self.tuned:
            return super().referred(reference)
        fields = type(self).model_fields
        options = {name: getattr(self, name) for name in fields if name != self.strength_of}
        return str(grammar.Spec(reference, (), options))

    @property
    def tuned(self) -> bool:
        """Whether a comparison tunes its strength, because none is given."""
        return bool(self.strength_of) and self.strength_of not in self.model_fields_set

    @property
    def inside(self) -> str:
        """What of it is part of a program of a step: all that such a program does not take as numbers."""
        return "" if set(self.places) <= {"batch", "labels", "layers", "length"} else str(self)

    def check(self, model: nn.Module, rows: Part, target: Target) -> None:
        """Raise an ``OptionError`` if it cannot regularize a model on such rows, before anything long begins."""
        del model, rows, target

    def about(self, model: nn.Module, rows: Part) -> str:
        """Return what a person should know of it on such a model, as a sentence; empty for nothing."""
        del model, rows
        return ""

    def batch(self, part: Part, draw: np.random.Generator) -> Part:
        """Return a batch as it is trained on.

        Args:
            part: the batch.
            draw: the random numbers of this run and step.
        """
        del draw
        return part

    def labels(self, part: Part, target: Target, draw: np.random.Generator) -> Part:
        """Return a batch with the targets that it is trained on; inputs may change with them.

        Args:
            part: the batch.
            target: what is predicted. Codes of classes ``[B]`` may become shares of the classes ``[B, K]`` (float);
                those that come later get them so.
            draw: the random numbers of this run and step.
        """
        del target, draw
        return part

    def by_class(self, before: Tensor, after: Tensor, weights: Tensor) -> Tensor:
        """Return the shares ``[B, K]`` of :meth:`labels` as a loss with weights of classes is to multiply them.

        Args:
            before: the shares before it.
            after: the shares after it.
            weights: of the classes ``[K]``, by which the loss multiplies shares.
        """
        del before, weights
        return after

    def attach(self, model: nn.Module, rows: Part) -> list[str]:
        """Put hooks into the layers of a model, of a class that derives from :class:`Hook`; return where they are.

        Args:
            model: the module, which may be called to see what is called in which order.
            rows: some training rows.
        """
        del model, rows
        return []

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

    def decayed(self, weight: Tensor, c: Coefficients) -> Tensor:
        """Return one parameter as the optimizer's update gets it; its gradient is that before."""
        del c
        return weight

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

    def numbers(self, at: Moment) -> dict[str, float]:
        """Return the numbers that change from step to step where they depend on more than the step."""
        return self.coefficients(at.step)

    def restates(self, at: Moment) -> bool:
        """Return whether batch norm's running statistics have to be estimated anew for what it averages after a
        step."""
        del at
        return False

    def stops_after(self) -> int | None:
        """Return the evaluations without an improvement after which the run ends; None if it does not end runs."""
        return None

    def watches(self) -> str:
        """Return the metric that says whether there is an improvement; empty for the one that decides."""
        return ""

    @property
    def places(self) -> tuple[Place, ...]:
        """Where it acts, in the order of a step."""
        hooks = {
            "batch": "batch",
            "labels": "labels",
            "layers": "attach",
            "penalty": "penalty",
            "gradient": "gradient",
            "decay": "decayed",
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
        return () if set(self.places) <= set(WITHOUT_PARAMETERS) else ("weights",)


class WeightRegularizer(Regularizer):
    """A regularizer with an option for the parameters that it acts on."""

    by_name: ClassVar[tuple[str, ...]] = ("on",)

    on: On = Field("weights", description=ON)

    @property
    def roles(self) -> tuple[Role, ...]:
        """The roles of the parameters that it acts on."""
        on = (self.on,) if isinstance(self.on, str) else self.on
        return tuple(role for role in ROLES if role in on or "all" in on)


class Penalty(WeightRegularizer):
    """A penalty that is a strength times a function of the weights."""

    strength_of: ClassVar[str] = "strength"

    strength: float

    def unscaled(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the penalty at a strength of 1."""
        raise NotImplementedError

    def penalty(self, weights: Mapping[str, Tensor]) -> Tensor:
        """Return the strength times the function of the weights."""
        return self.strength * self.unscaled(weights)

    def coefficients(self, step: int) -> dict[str, float]:
        """The strength, which a compiled step takes as a number."""
        del step
        return {"strength": self.strength}

    @property
    def inside(self) -> str:
        """All but the strength."""
        return str(self.model_copy(update={"strength": 1.0}))


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
    return " + ".join(regularizers_in(text))


def regularizers_in(text: str) -> dict[str, Regularizer]:
    """Return regularizers by their specifications with all options, in the order of a step.

    Example:
        >>> list(regularizers_in("max-norm(3)+ l2(1e-4)"))
        ['l2(0.0001)', 'max-norm(3.0)']
    """
    return {made.referred(spec.name) if spec.is_reference else str(made): made for spec, made in _read(text)}


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
    averages = [str(made) for _, made in found if "average" in made.places]
    if len(averages) > 1:
        raise OptionError(
            f"{' and '.join(averages)} would both be evaluated in the place of the weights",
            hint="leave one of the two out.",
        )
    return sorted(
        found,
        key=lambda each: (PLACES.index(each[1].places[0]), each[1].turn, each[1].name, str(each[1])),
    )


def _key(made: Regularizer) -> tuple[str, str]:
    """Return what may be there once: a penalty for the same parameters; anything that draws or counts steps."""
    fixed = isinstance(made, Penalty) or not made.numbers(Moment(0, 1))
    adds = made.places == ("penalty",) and fixed
    return made.name, str(getattr(made, "on", "")) if adds else ""


def _made(spec: grammar.Spec) -> Regularizer:
    made: Regularizer = make_component(registry, str(spec), Regularizer)
    if not made.places:
        raise OptionError(
            f"the regularizer {spec.name!r} acts nowhere",
            hint=f"override a method of {Regularizer.__name__}: batch, labels, attach, penalty, gradient, decayed, "
            "updated, averaged.",
        )
    return made
