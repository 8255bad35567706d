"""Optimizers from elsewhere, by the same grammar: ``mine.py:MyOpt(beta=0.9)``, ``torch:Adamax``.

A foreign optimizer is a ``torch.optim.Optimizer`` class. Its hyperparameters are the arguments of its
constructor, checked by constructing it; its update is its own, so it runs densely only. A schedule multiplies
the learning rate of every parameter group while a step is taken, as a torch ``lr_scheduler`` would.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
from collections.abc import Callable, Iterable
from typing import Any, ClassVar, Never, cast

import torch
from pydantic import ConfigDict, create_model

from steepest import grammar
from steepest.errors import MissingExtraError, OptionError
from steepest.grammar import Spec
from steepest.optim.rule import Carry, Coefficients, Hyper, Rule, Slots, Start

PACKAGES = {
    "pytorch_optimizer": "pytorch-optimizer",
    "heavyball": "heavyball",
    "torch_optimizer": "torch-optimizer",
}
"""Packages that are asked for by their install name."""

UNKNOWN_CENTRE = 1e-3
"""The middle of the grid where the constructor has no default rate."""


class ForeignHyper(Hyper):
    """The constructor's arguments; their ranges are the constructor's business."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=True, protected_namespaces=())


class ForeignRule(Rule[ForeignHyper]):
    """An optimizer class from elsewhere with values for its arguments.

    Raises:
        OptionError: the constructor has no such argument or refuses a value.
    """

    kind: ClassVar[type[torch.optim.Optimizer]]
    couples = "model"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        if "lr" not in inspect.signature(self.kind).parameters:
            self.given = self.given | {"lr"}
        try:
            self.kind([torch.nn.Parameter(torch.zeros(2, 2))], **self.arguments())
        except Exception as error:
            raise OptionError(
                f"{self.called} cannot be made with {self.arguments()}: {error}",
                hint=f"its arguments are {inspect.signature(self.kind)}.",
            ) from error

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments that differ from its defaults."""
        known = inspect.signature(self.kind).parameters
        values = self.hyper.model_dump()
        return {
            name: value
            for name, value in values.items()
            if name in known and value is not known[name].default
        }

    def optimizer(
        self,
        params: Iterable[Any] | torch.nn.Module,
        *,
        schedule: Callable[[int], float] | None = None,
        maximize: bool = False,
    ) -> Any:
        """Return the foreign optimizer with the schedule around its step."""
        more: dict[str, Any] = {"maximize": True} if maximize else {}
        found = self.groups(params) if isinstance(params, torch.nn.Module) else params
        made = _scheduled(self.kind)(found, **self.arguments(), **more)
        made.schedule = schedule
        return made

    def slots(self) -> dict[str, Start]:
        """A foreign optimizer has no pure update."""
        self._refuse()

    def coefficients(self, step: int, multiplier: float, carry: Carry) -> tuple[Coefficients, Carry]:
        """A foreign optimizer has no pure update."""
        del step, multiplier, carry
        self._refuse()

    def update(
        self, grad: torch.Tensor, param: torch.Tensor, slots: Slots, c: Coefficients
    ) -> tuple[torch.Tensor, Slots]:
        """A foreign optimizer has no pure update."""
        del grad, param, slots, c
        self._refuse()

    def _refuse(self) -> Never:
        raise OptionError(
            f"{self.called} comes from elsewhere and runs densely only",
            hint="use its optimizer(params), or write it as a rule.",
        )


class Scheduled:
    """What is put around a foreign optimizer: the schedule and the parameters to evaluate."""

    schedule: Callable[[int], float] | None = None
    scheduled_steps: int = 0
    needs_closure: ClassVar[bool] = False
    kind: ClassVar[type[torch.optim.Optimizer]]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take the foreign step with every group's rate multiplied by the schedule."""
        this = cast(Any, self)
        arguments = () if closure is None else (closure,)
        if self.schedule is None:
            return self.kind.step(this, *arguments)
        multiplier = float(self.schedule(self.scheduled_steps))
        rates = [group.get("lr") for group in this.param_groups]
        for group in this.param_groups:
            if "lr" in group:
                group["lr"] = group["lr"] * multiplier
        try:
            return self.kind.step(this, *arguments)
        finally:
            self.scheduled_steps += 1
            for group, rate in zip(this.param_groups, rates, strict=True):
                if rate is not None:
                    group["lr"] = rate

    def state_dict(self) -> dict[str, Any]:
        """Return the foreign state with the place in the schedule."""
        return {**self.kind.state_dict(cast(Any, self)), "scheduled_steps": self.scheduled_steps}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the foreign state and the place in the schedule."""
        rest = dict(state_dict)
        self.scheduled_steps = int(rest.pop("scheduled_steps", 0))
        self.kind.load_state_dict(cast(Any, self), rest)

    @torch.no_grad()
    def evaluation_parameters(self) -> dict[torch.Tensor, torch.Tensor]:
        """Return the value to evaluate of each parameter; an optimizer with modes is switched there and back."""
        this = cast(Any, self)
        params: list[torch.Tensor] = [each for group in this.param_groups for each in group["params"]]
        if not (hasattr(self, "train") and hasattr(self, "eval")):
            return {param: param.detach() for param in params}
        this.eval()
        found = {param: param.detach().clone() for param in params}
        this.train()
        return found


# torch wraps a class's step with its hooks once; the foreign step inside is wrapped already.
Scheduled.step.hooked = True  # pyright: ignore[reportFunctionMemberAccess]


@functools.cache
def _scheduled(kind: type[torch.optim.Optimizer]) -> type[Any]:
    closure = inspect.signature(kind.step).parameters.get("closure")
    needs = closure is not None and closure.default is inspect.Parameter.empty
    return type(kind.__name__, (Scheduled, kind), {"kind": kind, "needs_closure": needs})


@functools.cache
def foreign(kind: type[torch.optim.Optimizer], name: str) -> type[ForeignRule]:
    """Return the rule type of a torch optimizer class, with the constructor's arguments as its record.

    Example:
        >>> rule = foreign(torch.optim.Adamax, "torch:Adamax")(betas=(0.8, 0.9))
        >>> rule.hyper.lr, sorted(rule.given), rule.centre
        (0.002, ['betas'], 0.002)
    """
    fields: dict[str, Any] = {}
    for each in list(inspect.signature(kind).parameters.values())[1:]:
        plain = each.default is each.empty or isinstance(
            each.default, None | bool | int | float | str | tuple
        )
        if (
            plain
            and each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
            and not each.name.startswith("_")
        ):
            fields[each.name] = (Any, None if each.default is each.empty else each.default)
    lr = fields.get("lr", (Any, None))[1]
    centre = float(lr) if isinstance(lr, int | float) and lr > 0 else UNKNOWN_CENTRE
    fields["lr"] = (float, centre)
    record = create_model(f"{kind.__name__}Hyper", __base__=ForeignHyper, **fields)
    source = f"{kind.__module__}.{kind.__qualname__}"
    return type(
        kind.__name__,
        (ForeignRule,),
        {
            "__doc__": inspect.getdoc(kind) or f"{kind.__name__}.",
            "name": name,
            "title": kind.__name__,
            "citation": source,
            "divergences": "This is foreign code; what it computes is its own.",
            "Hyper": record,
            "grid_centre": centre,
            "kind": kind,
        },
    )


def load(spec: Spec) -> type[Rule[Any]]:
    """Return the rule type that a reference such as ``mine.py:MyOpt`` or ``torch:Adamax`` points at.

    Raises:
        MissingExtraError: the package is a known one and not installed.
        OptionError: there is no such thing, or it is neither a rule nor a torch optimizer.
    """
    where, _, attribute = spec.name.rpartition(":")
    package = where.partition(".")[0]
    if package in PACKAGES and importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"{spec.name} needs the package {PACKAGES[package]}, which is not installed",
            hint=f"pip install {PACKAGES[package]}",
        )
    found = grammar.load_reference(f"torch.optim:{attribute}" if where == "torch" else spec.name)
    if isinstance(found, type) and issubclass(found, Rule):
        return cast("type[Rule[Any]]", found)
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer):
        return foreign(found, spec.name)
    raise OptionError(
        f"{spec.name} is neither a rule nor a torch optimizer",
        hint="point at a class that derives from torch.optim.Optimizer or from steepest.optim.rule.Rule.",
    )
