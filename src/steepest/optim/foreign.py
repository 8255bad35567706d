"""Optimizers from elsewhere, by the same grammar: ``mine.py:MyOpt(beta=0.9)``, ``torch:Adamax``.

A foreign optimizer is a ``torch.optim.Optimizer`` class. Its hyperparameters are the arguments of its
constructor, checked by constructing it; its update is its own, so it runs densely only. A schedule multiplies
the learning rate of every parameter group while a step is taken, as a torch ``lr_scheduler`` would. An update
that compiles itself runs uncompiled on a CPU, where compiling takes longer than training a small network.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Never, cast

import torch
from pydantic import ConfigDict, create_model

from steepest.components.grammar import Spec
from steepest.components.references import load_reference
from steepest.errors import MissingExtraError, OptionError, SteepestError, StepError, first_line
from steepest.optim.rule import Carry, Coefficients, Hyper, Rule, Slots, Start
from steepest.optim.selection import MULTIPLIER, by_rate
from steepest.optim.spec import MethodSpec

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
        known = inspect.signature(self.kind).parameters
        if "lr" not in known:
            self.given = self.given | {"lr"}
        values = self.hyper.model_dump()
        for name, each in list(known.items())[1:]:
            if name in values and values[name] is None and each.default is each.empty:
                raise OptionError(
                    f"{self.called} needs a value for {name!r}",
                    hint=f"write {self.called}({name}=…); its arguments are {inspect.signature(self.kind)}.",
                )
        self._made(torch.nn.Linear(2, 2))

    @property
    def gradients_a_step(self) -> float:
        """One, or with a closure as many as are guessed: its iterations where it has such an option, else two."""
        if not self.optimizer(torch.nn.Linear(2, 2)).needs_closure:
            return 1.0
        iterations = self.hyper.model_dump().get("max_iter")
        return 1.25 * iterations if isinstance(iterations, int) and iterations > 1 else 2.0

    @property
    def fixed_cost(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Whether a step takes no closure, which an optimizer calls as often as it likes."""
        return self.gradients_a_step == 1.0

    @property
    def own_class(self) -> type:
        """The optimizer's class."""
        return self.kind

    @property
    def averages(self) -> bool:
        """Whether it has modes, and so other parameters to evaluate than those that it trains."""
        return _has_modes(self.kind)

    def arguments(self) -> dict[str, Any]:
        """Return the constructor's arguments that differ from its defaults."""
        known = inspect.signature(self.kind).parameters
        fields = type(self.hyper).model_fields
        return {
            name: value
            for name, value in self.hyper.model_dump().items()
            if name in known and value != (known[name].default if name == "lr" else fields[name].default)
        }

    def _made(self, params: Iterable[Any] | torch.nn.Module, **more: Any) -> Any:
        """Make the foreign optimizer; of a module it gets the parameters, or the module if it asks for a model."""
        first = next(iter(inspect.signature(self.kind).parameters), "")
        if isinstance(params, torch.nn.Module) and first != "model":
            params = [each for each in params.parameters() if each.requires_grad]
        try:
            return _scheduled(self.kind)(params, **self.arguments(), **more)
        except Exception as error:
            raise OptionError(
                f"{self.called} cannot be made with {self.arguments()}: {error}",
                hint=f"its arguments are {inspect.signature(self.kind)}.",
            ) from error

    def optimizer(
        self,
        params: Iterable[Any] | torch.nn.Module,
        *,
        schedule: Callable[[int], float] | None = None,
        maximize: bool = False,
        rates: Mapping[str, float] = MappingProxyType({}),
    ) -> Any:
        """Return the foreign optimizer with the schedule around its step."""
        if rates and isinstance(params, torch.nn.Module):
            own = float(self.hyper.lr)
            groups = by_rate(self.groups(params), params, rates)
            params = [{"params": each["params"], "lr": own * each.get(MULTIPLIER, 1.0)} for each in groups]
        made = self._made(params, **({"maximize": True} if maximize else {}))
        made.schedule, made.called = schedule, self.called
        if "closure" in inspect.signature(self.kind.step).parameters and not made.needs_closure:
            made.needs_closure = self._asks_for_a_closure()
        return made

    def _asks_for_a_closure(self) -> bool:
        """Return whether a step on a small example fails without a closure and does not fail with one."""
        failed: list[bool] = []
        for closed in (False, True):
            param = torch.nn.Parameter(torch.eye(2))

            def closure(param: torch.nn.Parameter = param) -> torch.Tensor:
                param.grad = None
                loss = param.square().sum()
                loss.backward()
                return loss

            try:
                probe = _scheduled(self.kind)([param], **self.arguments())
                closure()
                probe.step(*([closure] if closed else []))
            except Exception:
                failed.append(True)
            else:
                failed.append(False)
                break
        return failed == [True, False]

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
            f"{self.called} is a foreign optimizer and only runs densely",
            hint="use its optimizer(params), or write it as a rule.",
        )


class Scheduled:
    """What is put around a foreign optimizer: the schedule and the parameters to evaluate."""

    schedule: Callable[[int], float] | None = None
    scheduled_steps: int = 0
    needs_closure: bool = False
    called: str = ""
    kind: ClassVar[type[torch.optim.Optimizer]]

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take the foreign step with every group's rate multiplied by the schedule.

        Raises:
            StepError: the foreign code fails; what it says is in the message.
        """
        this = cast(Any, self)
        multiplier = 1.0 if self.schedule is None else float(self.schedule(self.scheduled_steps))
        rates = [group.get("lr") for group in this.param_groups]
        if self.schedule is not None:
            for group in this.param_groups:
                if "lr" in group:
                    group["lr"] = group["lr"] * multiplier
        try:
            return self._foreign_step(closure)
        finally:
            self.scheduled_steps += 1
            if self.schedule is not None:
                for group, rate in zip(this.param_groups, rates, strict=True):
                    if rate is not None:
                        group["lr"] = rate

    def _foreign_step(self, closure: Callable[[], Any] | None) -> Any:
        """Take the step; an error in the closure is the caller's own and passes as it is."""
        raised: list[BaseException] = []

        def watched() -> Any:
            try:
                with torch.enable_grad():
                    return cast(Any, closure)()
            except BaseException as error:
                raised.append(error)
                raise

        try:
            with _uncompiled(cast(Any, self)):
                return self.kind.step(cast(Any, self), *(() if closure is None else (watched,)))
        except (SteepestError, MemoryError, torch.OutOfMemoryError):
            raise
        except Exception as error:
            if raised or "memory" in str(error):
                raise
            raise StepError(
                f"{self.called or self.kind.__name__} failed at its step {self.scheduled_steps + 1}: "
                f"{type(error).__name__.lstrip('_')}: {first_line(error) or 'no message'}",
                hint="it is foreign code: see its own documentation, or leave it out of -o.",
            ) from error

    def __reduce__(self) -> Any:
        """Return how a copy is built; torch's own version leaves out what is put around the optimizer."""
        mine = ("schedule", "scheduled_steps", "needs_closure", "called")
        state = {**self.kind.__getstate__(cast(Any, self)), **{name: getattr(self, name) for name in mine}}
        return _empty, (self.kind,), state

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
        if not _has_modes(self.kind):
            return {param: param.detach() for param in params}
        this.eval()
        found = {param: param.detach().clone() for param in params}
        this.train()
        return found


# torch wraps a class's step with its hooks when the class is first used; here it is the foreign step that is
# wrapped (see _scheduled), so that hooks run once.
Scheduled.step.hooked = True  # pyright: ignore[reportFunctionMemberAccess]


def _has_modes(kind: type[torch.optim.Optimizer]) -> bool:
    return hasattr(kind, "train") and hasattr(kind, "eval")


def _uncompiled(optimizer: torch.optim.Optimizer) -> contextlib.AbstractContextManager[Any]:
    """Return what keeps a CPU step from being compiled, where the compiler has been imported at all."""
    device = next((each.device.type for group in optimizer.param_groups for each in group["params"]), "cpu")
    if device != "cpu" or "torch._dynamo" not in sys.modules:
        return contextlib.nullcontext()
    return torch.compiler.set_stance("force_eager")


@functools.cache
def _scheduled(kind: type[torch.optim.Optimizer]) -> type[Any]:
    if not getattr(kind.step, "hooked", False):
        kind.step = torch.optim.Optimizer.profile_hook_step(kind.step)
        cast(Any, kind.step).hooked = True
    closure = inspect.signature(kind.step).parameters.get("closure")
    needs = closure is not None and closure.default is inspect.Parameter.empty
    return type(kind.__name__, (Scheduled, kind), {"kind": kind, "needs_closure": needs})


def _empty(kind: type[torch.optim.Optimizer]) -> Any:
    made: Any = _scheduled(kind)
    return made.__new__(made)


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
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD) and not each.name.startswith("_"):
            plain = isinstance(each.default, None | bool | int | float | str | tuple)
            fields[each.name] = (Any, each.default if plain else None)
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


def load_type(spec: Spec) -> type[MethodSpec[Any]]:
    """Return the type that a reference such as ``mine.py:MyOpt`` or ``torch:Adamax`` points at.

    Raises:
        MissingExtraError: the package is a known one and not installed.
        OptionError: there is no such thing, or it is neither a rule, nor a method, nor a torch optimizer.
    """
    where, _, attribute = spec.name.rpartition(":")
    package = where.partition(".")[0]
    if package in PACKAGES and importlib.util.find_spec(package) is None:
        raise MissingExtraError(
            f"{spec.name} needs the package {PACKAGES[package]}, which is not installed",
            hint=f"pip install {PACKAGES[package]}",
        )
    found = load_reference(f"torch.optim:{attribute}" if where == "torch" else spec.name, "optimizer")
    if isinstance(found, type) and issubclass(found, MethodSpec):
        return cast("type[MethodSpec[Any]]", found)
    if isinstance(found, type) and issubclass(found, torch.optim.Optimizer):
        return foreign(found, spec.name)
    raise OptionError(
        f"{spec.name} is neither a rule, nor a method, nor a torch optimizer",
        hint="point at a class that derives from torch.optim.Optimizer, steepest.optim.rule.Rule or "
        "steepest.optim.spec.MethodSpec.",
    )
