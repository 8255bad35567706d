r"""SAM and ASAM: the gradient is taken where the loss near the weights is highest, to first order.

Foret, Kleiner, Mobahi & Neyshabur, *Sharpness-Aware Minimization for Efficiently Improving Generalization*, ICLR 2021;
Kwon, Kim, Park & Choi, *ASAM: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep Neural
Networks*, ICML 2021.

A step of any rule, by another gradient: with :math:`g = \nabla L(w_t)`, the batch's gradient at the weights, it takes

.. math:: \nabla L\left(w_t + \epsilon\right), \qquad
          \epsilon = \rho\, \frac{T^2 g}{\lVert T g \rVert_2}, \qquad
          T = I \text{ (SAM)} \quad\text{or}\quad T = \operatorname{diag}(|w_t| + \eta) \text{ (ASAM)}

The norm is over all weights. Both gradients are of one function: batch, dropout masks and buffers are held, and batch
norm's running averages move once, at :math:`w_t`. Whatever belongs to the rule acts on the second gradient: clipping,
regularizers, momentum, decay. Penalties are part of the loss and so of both gradients.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, cast

import torch
from pydantic import Field
from torch import Tensor

from steepest.components import grammar
from steepest.errors import OptionError, SteepestError
from steepest.optim import make_rule
from steepest.optim.held import HeldLoss
from steepest.optim.hyper import Hyper
from steepest.optim.method import GradientMethod, GradientState, StepInfo
from steepest.optim.problem import Problem
from steepest.optim.rule import Rule
from steepest.optim.spec import MethodSettings, MethodSpec

COMPONENTS = {
    "sam": {
        "object": "SAM",
        "groups": ["sharpness"],
        "what": "any rule, by the gradient of a worse point",
    },
    "asam": {
        "object": "SAM",
        "preset": {"adaptive": True, "rho": 0.5},
        "groups": ["sharpness"],
        "what": "SAM with a scale for each weight",
    },
}


class SAMHyper(Hyper):
    """Hyperparameters of SAM."""

    lr: float = Field(
        default=1e-3, ge=0.0, description="learning rate of the rule; its own default unless given"
    )
    rule: str = Field(
        default="momentum", examples=["sgd", "adam"], description="the rule whose steps they are"
    )
    rho: float = Field(default=0.05, ge=0.0, description="size ρ of the neighbourhood")
    adaptive: bool = Field(default=False, description="scale the neighbourhood by the weights (ASAM)")
    eta: float = Field(default=0.01, gt=0.0, description="what ASAM adds to a weight's size, η")


class SAM(MethodSpec[SAMHyper]):
    """Sharpness-aware minimization around any rule: ``sam(adam, rho=0.05)``; two gradients a step.

    Example:
        >>> from steepest.optim import make_spec
        >>> spec = make_spec("sam(adam(betas=(0.8, 0.9)), rho=0.1)")
        >>> str(spec), spec.hyper.lr, spec.centre
        ('sam(adam(betas=(0.8, 0.9)), rho=0.1)', 0.001, 0.001)
    """

    name = "sam"
    title = "SAM"
    citation = "Foret et al., ICLR 2021; Kwon et al., ICML 2021"
    bibtex = """
@inproceedings{foret2021sharpness,
  author = {Foret, Pierre and Kleiner, Ariel and Mobahi, Hossein and Neyshabur, Behnam},
  title = {Sharpness-Aware Minimization for Efficiently Improving Generalization},
  booktitle = {International Conference on Learning Representations},
  year = {2021},
}

@inproceedings{kwon2021asam,
  author = {Kwon, Jungmin and Kim, Jeongseop and Park, Hyunseo and Choi, In Kwon},
  title = {{ASAM}: Adaptive Sharpness-Aware Minimization for Scale-Invariant Learning of Deep Neural Networks},
  booktitle = {International Conference on Machine Learning},
  year = {2021},
}
"""
    divergences = (
        "ASAM scales by all weights, as its paper has it; its authors' code leaves biases unscaled. Where the gradient "
        "is 0, the worse point is the weights themselves."
    )
    Hyper = SAMHyper
    grid_centre = 1e-2
    clips: ClassVar[bool] = True
    fixed_cost: ClassVar[bool] = True

    def __init__(self, *, called: str = "", preset: Mapping[str, Any] | None = None, **options: Any) -> None:
        called, preset = called or self.name, dict(preset or {})
        self.base = base = _base(
            called, options.get("rule", preset.get("rule", SAMHyper.model_fields["rule"].default))
        )
        if "lr" in base.given:
            if "lr" in options:
                raise OptionError(
                    f"{called} got 'lr' twice", hint=f"give it to {called} or to {base.called}."
                )
            options["lr"] = base.hyper.lr
        whole = _text(base, base.hyper.model_dump())
        if "rule" in options:
            options["rule"] = whole
        preset["rule"] = whole
        super().__init__(called=called, preset={"lr": base.hyper.lr, **preset}, **options)

    @classmethod
    def positions(cls) -> list[str]:
        """Return the rule and the size first."""
        return ["rule", "rho", "adaptive", "eta", "lr"]

    def make(self, settings: MethodSettings) -> SAMMethod:
        """Return the method of one run."""
        return SAMMethod(
            self.base.with_lr(self.hyper.lr),
            settings.schedule,
            settings.clip,
            by_gradients=settings.by_gradients,
            hyper=self.hyper,
        )

    def least_gradients(self, weights: int, rows: int) -> float:
        """Return the two of every step."""
        del weights, rows
        return self.gradients_a_step

    @property
    def gradients_a_step(self) -> float:
        """One at the weights, and one at the worse point."""
        return 2.0

    @property
    def default_rate(self) -> float:
        """The rule's."""
        return self.base.default_rate

    @property
    def centre(self) -> float:
        """The rule's."""
        return self.base.centre

    @property
    def constant_rate(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether the rule's authors recommend a constant rate."""
        return self.base.constant_rate

    @property
    def averages(self) -> bool:
        """Whether the rule averages."""
        return self.base.averages

    def refuses(self, place: str) -> str:
        """Return why no regularizer can act at a place of the rule's steps; empty where one can."""
        return self.base.refuses(place)

    @property
    def own_class(self) -> type:
        """The class of a user's rule."""
        return self.base.own_class if ":" in self.base.called else type(self)

    @property
    def made_by(self) -> str:
        """The rule's reference where it is a user's."""
        return self.base.called if ":" in self.base.called else self.called

    @property
    def state_bytes(self) -> float:
        """The rule's, and a copy of the weights while a step is made."""
        return self.base.state_bytes + 4.0

    @property
    def cited(self) -> list[str]:
        """Both papers only where the neighbourhood is scaled."""
        return ["foret2021sharpness", *(["kwon2021asam"] if self.hyper.adaptive else [])]

    def references(self) -> list[str]:
        """Return the entries of the rule, too."""
        return [*super().references(), *self.base.references()]

    def with_options(self, **options: Any) -> Self:
        """Return it with other values; they do not count as given by the user."""
        other = super().with_options(**options)
        if "rule" not in options:
            other.base.given = self.base.given
        return other

    def __str__(self) -> str:
        values = self.hyper.model_dump()
        inside = [f"{name}={values[name]!r}" for name in values if name in self.given and name != "rule"]
        if "rule" in self.given:
            given = {name: getattr(self.base.hyper, name) for name in self.base.given}
            text = _text(self.base, given)
            inside.insert(0, repr(text) if ":" in text else text)
        return f"{self.called}({', '.join(inside)})" if inside else self.called


def _base(called: str, rule: Any) -> Rule[Any]:
    """Return the rule whose steps they are."""
    shown = repr(str(rule).replace("'", "")) if isinstance(rule, str | grammar.Spec) else repr(rule)
    if not isinstance(rule, str | grammar.Spec | MethodSpec):
        raise OptionError(
            f"{called}: rule={shown} is not allowed: it is no optimizer",
            hint=f"name one of one gradient a step, such as {called}(adam).",
        )
    try:
        base = make_rule(cast("Any", rule))
    except SteepestError as error:
        several = "takes several gradients a step" in error.fact
        raise OptionError(
            f"{called}: rule={shown} is not allowed: {error.fact}",
            hint=f"name one of one gradient a step, such as {called}(adam)." if several else error.hint,
        ) from error
    if base.gradients_a_step != 1:
        raise OptionError(
            f"{called}: rule={shown} is not allowed: a step of it takes several gradients",
            hint=f"give a rule of one gradient a step, such as {called}(adam).",
        )
    return base


def _text(base: Rule[Any], values: Mapping[str, Any]) -> str:
    """Return the rule's specification without its rate."""
    return str(grammar.Spec(base.called, (), {name: values[name] for name in values if name != "lr"}))


@dataclass
class SAMMethod(GradientMethod):
    """A rule's steps by the gradient at the worse point.

    Args:
        hyper: those of SAM.
    """

    hyper: SAMHyper = field(kw_only=True)

    def step(
        self,
        problem: Problem,
        state: GradientState,
        batch: Any,
        randomness: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> StepInfo:
        """Make one step; all weights that were moved are put back, whether the second gradient reaches them or not."""
        held = HeldLoss(problem, batch, randomness)

        def backward() -> None:
            state.optimizer.zero_grad(set_to_none=True)
            held().backward()

        backward()
        if state.around is not None:
            state.around.mask_gradients()
        moved = [each for each in state.parameters.values() if each.grad is not None]
        start = [each.detach().clone() for each in moved]
        self._climb(moved)
        backward()
        with torch.no_grad():
            for each, value in zip(moved, start, strict=True):
                each.copy_(value)
        self._clip(state, state.parameters)
        state.optimizer.step()
        self._end(state)
        state.gradients += held.count
        return StepInfo.of(held)

    @torch.no_grad()
    def _climb(self, weights: Sequence[Tensor]) -> None:
        """Move weights to the worse point."""
        gradients = [cast("Tensor", each.grad) for each in weights]
        if self.hyper.adaptive:
            scales = [each.abs() + self.hyper.eta for each in weights]
            norm = _norm([each * by for each, by in zip(gradients, scales, strict=True)])
            gradients = [each * by * by for each, by in zip(gradients, scales, strict=True)]
        else:
            norm = _norm(gradients)
        far = torch.where(norm > 0, self.hyper.rho / norm, 0.0)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight += far * gradient


def _norm(tensors: Sequence[Tensor]) -> Tensor:
    return torch.stack([each.norm() for each in tensors]).norm()
