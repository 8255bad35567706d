"""The rule contract: an optimizer's update, written once, as pure functions of tensors and scalars.

A rule is a small immutable value: its hyperparameters (``rule.hyper``) and what follows from them. It holds
no tensors. An executor (``dense``, and later ``rows`` and ``stacked``) owns the tensors and calls

1. ``slots()`` once, for the start value of everything that the rule remembers about a parameter;
2. ``coefficients(step, multiplier, carry)`` at every step: all scalars of the update, in Python's float64;
3. ``update(gradient, parameter, slots, c)``: the new parameter and the new slots, nothing changed in place.

Every number reaches ``update`` through ``c``; only the structure (whether there is a momentum, say) may
depend on ``rule.hyper``. So one function serves a single run, where ``c`` holds floats, and R runs at once,
where ``c`` holds tensors of shape [R, 1, …]. The updates of element-wise rules use correctly rounded
operations only (+, −, ×, ÷, √, comparison, selection), which is why cutting a tensor into pieces, or joining
many into one, leaves every bit as it was.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, Literal, TypeVar

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from steepest.errors import OptionError

if TYPE_CHECKING:
    from steepest.optim.dense import RuleOptimizer
    from steepest.optim.idle import ClosedForm
    from steepest.schedules import Schedule

Slots = dict[str, torch.Tensor]
Start = Callable[[torch.Tensor], torch.Tensor | None]
"""Makes a slot's start value from the parameter; None where a parameter of that shape has no such slot."""
Coefficients = dict[str, Any]
"""The scalars of one step by name: floats, or tensors [R, 1, …] for R runs at once."""
Carry = dict[str, float]
"""Running scalars that travel from step to step, such as NAdam's product of momenta."""
Couples = Literal["element", "tensor", "model"]
Idle = Literal["still", "param_still", "moves"]


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


class Rule(abc.ABC, Generic[H]):
    """An optimizer's update with its hyperparameters.

    Args:
        name: how it is called; the class's own name if left out (a preset has its own).
        options: hyperparameters by name.

    Raises:
        OptionError: a hyperparameter does not exist or is out of its range.

    Example:
        >>> from steepest.optim import make_rule
        >>> rule = make_rule("adam(lr=0.01)")
        >>> rule.hyper.betas, sorted(rule.given), rule.with_lr(0.5).hyper.lr
        ((0.9, 0.999), ['lr'], 0.5)
    """

    name: ClassVar[str]
    """The registered name."""
    title: ClassVar[str]
    """The name as papers write it."""
    citation: ClassVar[str]
    """The paper that the rule is taken from."""
    bibtex: ClassVar[str] = ""
    """The same as BibTeX entries, those of variants included; :meth:`references` chooses."""
    divergences: ClassVar[str] = ""
    """Where the rule, or torch's, differs from the paper."""
    Hyper: ClassVar[type[Hyper]]
    """The record of hyperparameters."""
    grid_centre: ClassVar[float]
    """The learning rate in the middle of the grid when the rate is tuned."""
    couples: ClassVar[Couples] = "element"
    """What one element's update depends on: itself, its tensor, or the whole model."""
    lr_is_a_factor: ClassVar[bool] = True
    """Whether the step is the learning rate times something that does not depend on it. Where it is not, another
    ``lr`` in a parameter group, set by a torch ``lr_scheduler`` or by hand, is read as a multiple of the one that
    the group was made with: the applied step is multiplied by ``lr / reference_lr``."""
    constant_rate: ClassVar[bool] = False
    """Whether its authors recommend a learning rate that does not fall during the run."""
    carry: ClassVar[Mapping[str, float]] = {}
    """Start values of the running scalars."""

    hyper: H

    def __init__(self, *, called: str = "", preset: Mapping[str, Any] | None = None, **options: Any) -> None:
        self.called = called or self.name
        self.given = frozenset(options)
        self.hyper = validated(self.called, self.Hyper, {**(preset or {}), **options})  # pyright: ignore[reportAttributeAccessIssue]

    # --- the update ---------------------------------------------------------------------------------------

    @abc.abstractmethod
    def slots(self) -> dict[str, Start]:
        """Return what is remembered of a parameter: stable public names, each with its start value."""

    @abc.abstractmethod
    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """Return every scalar of one step, and the carry for the next.

        Args:
            step: the parameter's own step, counted from 1.
            multiplier: the schedule's factor of the applied step.
            carry: the running scalars before this step.
        """

    @abc.abstractmethod
    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """Return the new parameter and the new slots; the arguments are left as they are."""

    @property
    def centre(self) -> float:
        """The learning rate in the middle of the grid for these hyperparameters."""
        return self.grid_centre

    @property
    def idle(self) -> Idle:
        """What a zero gradient does: ``still`` (nothing changes), ``param_still`` (only slots), ``moves``."""
        return "moves"

    def advance(
        self, param: torch.Tensor, slots: Slots, c: Sequence[Coefficients]
    ) -> tuple[torch.Tensor, Slots]:
        """Return parameter and slots after ``len(c)`` steps with a zero gradient.

        This is the definition, step by step; a rule may override it with a closed form.
        """
        if self.idle == "still":
            return param, dict(slots)
        zero = torch.zeros_like(param)
        for each in c:
            param, slots = self.update(zero, param, slots, each)
        return param, dict(slots)

    def closed_form(self) -> ClosedForm | None:
        """Return what carries rows over many idle steps at once for these hyperparameters; None where only
        replay is right."""
        if self.idle != "still":
            return None
        from steepest.optim.idle import Still

        return Still()

    @property
    def averages(self) -> bool:
        """Whether it is evaluated at other parameters than those that it trains."""
        return type(self).evaluation_parameters is not Rule.evaluation_parameters

    def evaluation_parameters(self, param: torch.Tensor, slots: Slots, c: Coefficients) -> torch.Tensor:
        """Return the parameter to evaluate and to save; most rules evaluate where they train."""
        del slots, c
        return param

    # --- around it ----------------------------------------------------------------------------------------

    def with_options(self, **options: Any) -> Rule[H]:
        """Return this rule with other values; they do not count as given by the user."""
        other = type(self)(called=self.called, preset={**self.hyper.model_dump(), **options})
        other.given = self.given
        return other

    def with_lr(self, lr: float) -> Rule[H]:
        """Return this rule with another learning rate, which does not count as given by the user."""
        return self.with_options(lr=lr)

    def optimizer(
        self,
        params: Iterable[Any] | torch.nn.Module,
        *,
        schedule: Schedule | None = None,
        maximize: bool = False,
    ) -> RuleOptimizer:
        """Return a ``torch.optim.Optimizer`` that runs this rule on ``params``.

        Args:
            params: tensors, named tensors or parameter groups, as torch takes them; or a module, whose
                parameters are grouped as the rule wants them.
            schedule: multiplier of the applied step as a function of the optimizer's step (from 0).
            maximize: climb instead of descend.
        """
        from steepest.optim.dense import optimizer_class

        made = optimizer_class(type(self))
        if isinstance(params, torch.nn.Module):
            params = self.groups(params)
        return made(params, maximize=maximize, schedule=schedule, **self.hyper.model_dump())

    def groups(self, module: torch.nn.Module) -> list[dict[str, Any]]:
        """Return a module's trainable parameters in groups, with the hyperparameters that roles ask for."""
        return [{"params": [each for each in module.parameters() if each.requires_grad]}]

    @property
    def cited(self) -> Sequence[str] | None:
        """The keys in ``bibtex`` of what these hyperparameters use; None for all."""
        return None

    def references(self) -> list[str]:
        """Return the BibTeX entries of what these hyperparameters use; empty where none are known.

        Example:
            >>> from steepest.optim import make_rule
            >>> [entry.split(",")[0] for entry in make_rule("momentum").references()]
            ['@article{robbins1951stochastic', '@article{polyak1964methods']
        """
        entries = [f"@{each.strip()}" for each in f"\n{self.bibtex}".split("\n@")[1:]]
        cited = self.cited
        if cited is None:
            return entries
        return [each for each in entries if each.partition("{")[2].partition(",")[0] in cited]

    def start(self, param: torch.Tensor) -> Slots:
        """Return the start values of all slots of one parameter."""
        made = {name: make(param) for name, make in self.slots().items()}
        return {name: value for name, value in made.items() if value is not None}

    def __str__(self) -> str:
        values = self.hyper.model_dump()
        inside = ", ".join(f"{name}={values[name]!r}" for name in values if name in self.given)
        return f"{self.called}({inside})" if inside else self.called

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self.hyper.model_dump().items())})"


def zeros(param: torch.Tensor) -> torch.Tensor:
    """Start a slot at zero."""
    return torch.zeros_like(param, memory_format=torch.preserve_format)


def filled(value: float) -> Start:
    """Start a slot at ``value``."""
    return lambda param: torch.full_like(param, value, memory_format=torch.preserve_format)


def copied(param: torch.Tensor) -> torch.Tensor:
    """Start a slot at the parameter itself."""
    return param.detach().clone(memory_format=torch.preserve_format)


def average(old: torch.Tensor, new: torch.Tensor, beta: Any, rest: Any) -> torch.Tensor:
    """Return the moving average ``beta·old + rest·new``; ``rest`` is 1 − beta, computed in float64."""
    return (old * beta).add_(new * rest)


def average_square(old: torch.Tensor, new: torch.Tensor, beta: Any, rest: Any) -> torch.Tensor:
    """Return the moving average of squares ``beta·old + rest·new²``, with one temporary less."""
    return (new * new).mul_(rest).add_(old * beta)


def decay(
    grad: torch.Tensor, param: torch.Tensor, c: Coefficients, weight_decay: float, decoupled: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return gradient and parameter with the decay in the one (coupled) or in the other (decoupled)."""
    if not weight_decay:
        return grad, param
    return (grad, param * c["keep"]) if decoupled else (grad + param * c["weight_decay"], param)


def table(
    rule: Rule[Hyper], steps: int, schedule: Callable[[int], float] | None = None
) -> list[Coefficients]:
    """Return the coefficients of the first ``steps`` steps, evaluated one by one.

    Vectorised and scalar float64 powers differ in the last bit, so no executor evaluates them for itself.

    Example:
        >>> from steepest.optim import make_rule
        >>> [row["lr"] for row in table(make_rule("sgd(lr=2)"), 3, lambda step: 1 / (step + 1))]
        [2.0, 1.0, 0.6666666666666666]
    """
    rows: list[Coefficients] = []
    carry = dict(rule.carry)
    for step in range(steps):
        c, carry = rule.coefficients(step + 1, schedule(step) if schedule else 1.0, carry)
        rows.append(c)
    return rows


def stacked(rows: Sequence[Coefficients], like: torch.Tensor) -> Coefficients:
    """Join the coefficients of R runs at one step into tensors [R, 1, …] for parameters ``like`` [R, …]."""
    shape = [len(rows)] + [1] * (like.dim() - 1)
    return {
        name: torch.tensor([row[name] for row in rows], dtype=torch.float64).to(like).reshape(shape)
        for name in rows[0]
    }


def validated(called: str, record: type[Hyper], options: Mapping[str, Any]) -> Hyper:
    """Return the record of hyperparameters, or raise an error that names the value and the known names."""
    known = list(record.model_fields)
    for name in options:
        if name not in known:
            raise OptionError(f"{called} has no option {name!r}", hint=f"known: {', '.join(known)}.")
    try:
        return record(**options)
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
