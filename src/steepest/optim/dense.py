"""Any rule as a ``torch.optim.Optimizer``: groups, ``state_dict``, closures, ``lr_scheduler``s, any loop.

What a step does to one parameter, or to many at once, is in :mod:`steepest.optim.pieces`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch._compile import _disable_dynamo  # pyright: ignore[reportPrivateUsage]

from steepest.errors import OptionError
from steepest.optim.hyper import Hyper, validated
from steepest.optim.loading import adopt, check_order, in_full, scalar, wide
from steepest.optim.pieces import PIECE, SMALL, Move, write, write_in_pieces, write_joined
from steepest.optim.selection import MULTIPLIER
from steepest.optim.update import Update
from steepest.optim.values import Carry, Coefficients, Slots

REFERENCE = "reference_lr"
"""A group's key: the rate that it was made with, of which its present one is a multiple."""


_add_group: Callable[..., None] = inspect.unwrap(torch.optim.Optimizer.add_param_group)
_zero_grad: Callable[..., None] = inspect.unwrap(torch.optim.Optimizer.zero_grad)
"""As they are: torch keeps them out of compiled code by a decorator that imports the compiler, which takes a second."""


class RuleOptimizer(torch.optim.Optimizer):
    """A rule that updates parameters in place, usable wherever torch's own optimizers are.

    Each registered rule has its own class, ``steepest.optim.Adam`` and so on, with its own signature.

    Args:
        params: tensors, named tensors or parameter groups.
        args: hyperparameters by position, in the order of the rule's record.
        maximize: climb instead of descend.
        schedule: multiplier of the applied step as a function of the optimizer's step, counted from 0; not
            to be combined with a torch ``lr_scheduler``.
        options: hyperparameters by name; a parameter group may have its own.

    Raises:
        OptionError: a hyperparameter does not exist or is out of range, a parameter is complex, a gradient
            is sparse or complex, or a schedule meets an ``lr_scheduler``.
    """

    rule_type: ClassVar[type[Update[Hyper]]]
    preset: ClassVar[Mapping[str, Any]] = {}
    made_by: ClassVar[tuple[Any, ...]] = ()
    """The arguments of :func:`optimizer_class` for this class itself."""
    needs_closure: ClassVar[bool] = False
    piece: int = PIECE
    small: int = SMALL

    def __init__(
        self,
        params: Iterable[Any],
        *args: Any,
        maximize: bool = False,
        schedule: Callable[[int], float] | None = None,
        **options: Any,
    ) -> None:
        kind = self.rule_type
        names = list(kind.Hyper.model_fields)
        if len(args) > len(names):
            raise OptionError(
                f"{kind.name} takes {len(names)} hyperparameters, not {len(args)}",
                hint=f"in this order: {', '.join(names)}.",
            )
        by_position = dict(zip(names, args, strict=False))
        for name in by_position:
            if name in options:
                raise OptionError(f"{kind.name} got {name!r} twice", hint="give it by position or by name.")
        given = {**self.preset, **by_position, **options}
        values = validated(kind.name, kind.Hyper, given).model_dump()
        tensors = {name: value for name, value in given.items() if isinstance(value, torch.Tensor)}
        defaults = {**values, **tensors, "maximize": maximize}
        if schedule is not None:
            defaults["schedule_step"] = 0
        self._rules: dict[int, tuple[tuple[Any, ...], Update[Hyper]]] = {}
        self._schedule = schedule
        self._evaluating = False
        super().__init__(params, defaults)

    # --- torch's own protocol -----------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with its own hyperparameters where it names them.

        The group is a copy: where one is given to two optimizers, each has its own learning rate.
        """
        if isinstance(param_group.get("params"), Iterator):
            param_group["params"] = list(param_group["params"])  # for whoever is given it next
        _add_group(self, {**param_group})
        group = self.param_groups[-1]
        self._refer(group)
        try:
            self._rule(len(self.param_groups) - 1, group)
            for param in group["params"]:
                if param.is_complex():
                    raise OptionError(
                        f"a parameter of shape {tuple(param.shape)} is complex",
                        hint="optimize torch.view_as_real(parameter) instead.",
                    )
        except OptionError:
            del self.param_groups[-1]
            raise

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or set them to zero."""
        if torch.compiler.is_compiling():
            super().zero_grad(set_to_none)
        else:
            _zero_grad(self, set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """Return the state to save; it belongs to the parameters outside of :meth:`evaluating`."""
        self._refuse_while_evaluating("state_dict()")
        return super().state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Load a copy of a state; it belongs to the parameters outside of :meth:`evaluating`.

        Raises:
            OptionError: the state is of parameters of other shapes or in another order; nothing is loaded then.
        """
        self._refuse_while_evaluating("load_state_dict()")
        before = self.state, self.param_groups
        try:
            super().load_state_dict(state_dict)
            check_order(self.param_groups, before[1])
        except OptionError:
            self.state, self.param_groups = before
            self._rules = {}
            raise
        in_full(self, state_dict)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """Return how a copy is built: a class that was created here is created again, for it need not be importable."""
        made_by = vars(type(self)).get("made_by")
        return (_empty, made_by, self.__getstate__()) if made_by else super().__reduce_ex__(protocol)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state of a copy; its rules are built again from the groups."""
        self._refuse_while_evaluating("a copy")
        return {**super().__getstate__(), "_schedule": self._schedule}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore from a copy or from ``load_state_dict``, which may come from torch's own optimizer."""
        super().__setstate__(state)
        self._rules = {}
        self._schedule = getattr(self, "_schedule", None)
        self._evaluating = False
        for number, group in enumerate(self.param_groups):
            for name, value in self.defaults.items():
                if name != "differentiable":  # torch's own, which a loaded state would otherwise gain
                    group.setdefault(name, value)
            self._refer(group)
            rule = self._rule(number, group)
            for param in group["params"]:
                if self.state.get(param):
                    adopt(rule, param, self.state[param])

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Take one step; a closure is called once, with gradients enabled, and its loss is returned."""
        self._refuse_while_evaluating("step()")
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        if torch.compiler.is_compiling():
            for rule, move in self._traceable():
                write(rule, move)
        else:
            self._check_gradients()
            for number, group in enumerate(self.param_groups):
                self._step_group(number, group)
        return loss

    def without_schedule(self) -> None:
        """Take its schedule away: from here on a step has the rate of its group."""
        self._schedule = None

    # --- evaluation ---------------------------------------------------------------------------------------

    @torch.no_grad()
    def evaluation_parameters(self) -> dict[torch.Tensor, torch.Tensor]:
        """Return, for each parameter that has been updated, the value to evaluate and to save.

        For most rules this is the parameter itself, and for all of them inside :meth:`evaluating`.
        """
        found: dict[torch.Tensor, torch.Tensor] = {}
        for number, group in enumerate(self.param_groups):
            rule = self._rule(number, group)
            names = list(rule.slots())
            for param in group["params"]:
                state = self.state.get(param)
                if not state or self._evaluating or not rule.averages:
                    found[param] = param.detach()
                    continue
                c, _ = rule.coefficients(state["step"], 1.0, {name: state[name] for name in rule.carry})
                value = rule.evaluation_parameters(wide(param.detach()), _slots(names, state), c)
                found[param] = value.to(param.dtype)
        return found

    @contextmanager
    def evaluating(self) -> Generator[None]:
        """Put the evaluation parameters in place inside the block, and the training ones back after it.

        A block inside another changes nothing. What needs the training parameters is refused inside: steps,
        copies, and the optimizer's state, which does not belong to the model that would be saved beside it.
        """
        if self._evaluating:
            yield
            return
        values = self.evaluation_parameters()
        moved = {param: param.detach().clone() for param, value in values.items() if not _same(param, value)}
        with torch.no_grad():
            for param in moved:
                param.copy_(values[param])
        self._evaluating = True
        try:
            yield
        finally:
            self._evaluating = False
            with torch.no_grad():
                for param, value in moved.items():
                    param.copy_(value)

    def _refuse_while_evaluating(self, what: str) -> None:
        if self._evaluating:
            raise OptionError(
                f"{what} inside evaluating(), where the parameters are not those that are trained",
                hint="do it after the block.",
            )

    # --- one group ----------------------------------------------------------------------------------------

    def _refer(self, group: dict[str, Any]) -> None:
        """Note the rate that later ones are multiples of: the group's own, before any scheduler changed it."""
        if not self.rule_type.lr_is_a_factor:
            group.setdefault(REFERENCE, scalar(group.get("initial_lr", group["lr"])))

    def _rule(self, number: int, group: Mapping[str, Any]) -> Update[Hyper]:
        """Return the rule with the group's present values, checked when a value has changed."""
        kind = self.rule_type
        values = {name: scalar(group[name]) for name in kind.Hyper.model_fields}
        reference = group.get(REFERENCE, values["lr"])
        key = (*values.values(), reference)
        last = self._rules.get(number)
        if last is None or last[0] != key:
            rule = kind(**values)
            if reference != values["lr"]:
                rule = kind(**{**values, "lr": reference})
            last = self._rules[number] = (key, rule)
        return last[1]

    def _multiplier(self, group: dict[str, Any]) -> float:
        """Return the factor of the step that is to be taken; a schedule moves on by one."""
        multiplier = float(group.get(MULTIPLIER, 1.0))
        if REFERENCE in group and (lr := scalar(group["lr"])) != (reference := group[REFERENCE]):
            if not reference:
                raise OptionError(
                    f"{self.rule_type.name} was made with lr=0, of which lr={lr} is no multiple",
                    hint="make it with the lr above 0 that the first step should have.",
                )
            multiplier *= lr / reference
        if self._schedule is not None:
            if "initial_lr" in group:
                raise OptionError(
                    "a schedule and a torch lr_scheduler both change the learning rate",
                    hint="use one of the two.",
                )
            multiplier *= float(self._schedule(group["schedule_step"]))
            group["schedule_step"] += 1
        return multiplier

    def _check_gradients(self) -> None:
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    _check(param.grad, self.rule_type)

    def _moves(self, rule: Update[Hyper], group: dict[str, Any]) -> Generator[Move]:
        """Begin a step of a group: count it, and give out what each parameter's update needs."""
        multiplier = self._multiplier(group)
        evaluated: dict[tuple[Any, ...], tuple[Coefficients, Carry]] = {}
        names = list(rule.slots())
        for param in group["params"]:
            grad = param.grad
            if grad is None:
                continue
            state = self.state[param]
            if not state:
                state.update(step=0, **rule.carry, **rule.start(wide(param)))
            state["step"] += 1
            moment = (state["step"], *[state[name] for name in rule.carry])
            if moment not in evaluated:
                carry = dict(zip(rule.carry, moment[1:], strict=True))
                evaluated[moment] = rule.coefficients(moment[0], multiplier, carry)
            c, carry = evaluated[moment]
            state.update(carry)
            if param.numel():
                grad = -grad if group["maximize"] else grad
                yield Move(grad, param.detach(), _slots(names, state), c, moment)

    def _step_group(self, number: int, group: dict[str, Any]) -> None:
        rule = self._rule(number, group)
        packs: dict[tuple[Any, ...], list[Move]] = {}
        for move in self._moves(rule, group):
            param = move.param
            small = param.numel() <= self.small and param.is_contiguous() and param.dtype != torch.float16
            if rule.couples == "element" and small:
                packs.setdefault((move.moment, param.dtype, param.device), []).append(move)
            elif rule.couples == "element" and param.device.type == "cpu" and param.numel() > self.piece:
                write_in_pieces(rule, move, self.piece)
            else:
                write(rule, move)
        for members in packs.values():
            write_joined(rule, members, self.piece)

    @_disable_dynamo  # as torch's own optimizers do; torch.compiler.disable imports the compiler at once
    def _traceable(self) -> list[tuple[Update[Hyper], Move]]:
        """Return all moves of a step, with tensors as coefficients.

        ``torch.compile`` breaks the graph here and traces the updates alone. What changes from step to step
        (rates, bias corrections, the count) reaches them as tensors, so that they are compiled once.
        """
        self._check_gradients()
        moves: list[tuple[Update[Hyper], Move]] = []
        shared: dict[tuple[Any, ...], Coefficients] = {}
        for number, group in enumerate(self.param_groups):
            rule = self._rule(number, group)
            for move in self._moves(rule, group):
                device = move.param.device
                key = (number, move.moment, device)
                if key not in shared:
                    dtype = torch.float32 if device.type == "mps" else torch.float64
                    values = torch.tensor([*move.c.values()], dtype=dtype, device=device)
                    shared[key] = dict(zip(move.c, values.unbind(), strict=True))
                moves.append((rule, move._replace(c=shared[key], moment=())))
        return moves


def optimizer_class(
    kind: type[Update[Hyper]], name: str = "", preset: Mapping[str, Any] | None = None
) -> type[RuleOptimizer]:
    """Return the torch optimizer class of a rule, with a signature and a docstring from its record.

    Args:
        kind: the rule.
        name: the class's name; the rule's own if left out.
        preset: values that the name stands for, such as a momentum of 0.9.

    Example:
        >>> from steepest.optim.rules.sgd import SGD
        >>> inspect.signature(optimizer_class(SGD)).parameters["momentum"].default
        0.0
    """
    return _optimizer_class(kind, name or kind.__name__, tuple(sorted((preset or {}).items())))


@functools.cache
def _optimizer_class(
    kind: type[Update[Hyper]], name: str, preset: tuple[tuple[str, Any], ...]
) -> type[RuleOptimizer]:
    values = {**{key: each.default for key, each in kind.Hyper.model_fields.items()}, **dict(preset)}
    inside = inspect.Parameter
    signature = inspect.Signature(
        [
            inside("params", inside.POSITIONAL_OR_KEYWORD),
            *[inside(key, inside.POSITIONAL_OR_KEYWORD, default=value) for key, value in values.items()],
            inside("maximize", inside.KEYWORD_ONLY, default=False),
            inside("schedule", inside.KEYWORD_ONLY, default=None),
        ]
    )
    return type(
        name,
        (RuleOptimizer,),
        {
            "__module__": "steepest.optim",
            "__doc__": _docstring(kind, values),
            "__signature__": signature,
            "rule_type": kind,
            "preset": dict(preset),
            "made_by": (kind, name, preset),
        },
    )


def _empty(kind: type[Update[Hyper]], name: str, preset: tuple[tuple[str, Any], ...]) -> RuleOptimizer:
    made = _optimizer_class(kind, name, preset)
    return made.__new__(made)


def _docstring(kind: type[Update[Hyper]], values: Mapping[str, Any]) -> str:
    lines = [f"{kind.title} as a ``torch.optim.Optimizer``.", "", f"Source: {kind.citation}.", ""]
    lines += [kind.divergences, ""] if kind.divergences else []
    lines += ["Args:", "    params: tensors, named tensors or parameter groups."]
    for key, field in kind.Hyper.model_fields.items():
        lines.append(f"    {key}: {field.description} (default {values[key]!r}).")
    lines.append("    maximize: climb instead of descend.")
    lines.append("    schedule: multiplier of the applied step as a function of the step, from 0.")
    return "\n".join(lines)


def _slots(names: Iterable[str], state: Mapping[str, Any]) -> Slots:
    return {name: state[name] for name in names if name in state}


def _check(grad: torch.Tensor, kind: type[Update[Hyper]]) -> None:
    """Refuse a gradient before anything has moved."""
    if grad.layout is not torch.strided:
        raise OptionError(
            f"{kind.name} got a sparse gradient of shape {tuple(grad.shape)}",
            hint="make the embedding with sparse=False.",
        )
    if grad.is_complex():
        raise OptionError(
            f"{kind.name} got a complex gradient of shape {tuple(grad.shape)}",
            hint="optimize torch.view_as_real(parameter) instead.",
        )


def _same(param: torch.Tensor, value: torch.Tensor) -> bool:
    return value.data_ptr() == param.data_ptr()
