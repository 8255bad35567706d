"""The method whose steps are one compiled program each.

It makes the same steps as :class:`~steepest.optim.method.GradientMethod` with the same rule, tables and random
draws, up to the rounding of sums in another order.
"""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from types import CodeType, FunctionType
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from steepest.optim.dense import RuleOptimizer
from steepest.optim.method import RuleMethod, StepInfo
from steepest.optim.past import Past
from steepest.optim.problem import BatchSource, Problem
from steepest.optim.rows import Quick, RowTable
from steepest.optim.rule import Rule
from steepest.optim.selection import multipliers
from steepest.optim.tables import RowTables, multiplied
from steepest.rng import torch_stream
from steepest.train.aot import Run, compiled, in_bytes, known, names_of, signature
from steepest.train.dropout import SeededDropout
from steepest.train.feed import Feed
from steepest.train.inputs import block_of, blocks, prepare
from steepest.train.library_names import is_own, keep_name, kept_name
from steepest.train.problem import SupervisedProblem
from steepest.train.program import (
    Changing,
    NotTraceableError,
    Program,
    StepState,
    Traced,
    flat_changing,
    flat_state,
    parts_of,
    step_of,
    trace,
    trace_closed_form,
)

QUICK_ELEMENTS = 131_072
"""Elements that are caught up at a time for evaluation."""


@dataclass
class Programs:
    """The compiled steps of one model on one dataset, for as many runs as there are.

    Attributes:
        announce: called with a line before something is compiled.
        only_cached: take only what was compiled before.
        made: the programs by what they depend on.
        names: under which name the cache has each, by a hash of that: another process with the same code takes them
            from there, and need not trace a step to find out.
    """

    announce: Callable[[str], None] | None = None
    only_cached: bool = False
    made: dict[Any, Run] = field(default_factory=dict)
    names: dict[str, str] = field(default_factory=dict)


@dataclass
class CompiledState:
    """A run under way.

    Attributes:
        program: the step as a function.
        state: the tensors that it changes.
        past: the steps taken.
        tables: those executed by rows, or None.
        pasts: the same steps with each learning rate, that of most parameters first.
        bits: memory for the random numbers of a block of steps, [block, n].
        run: the compiled step, from the first step on.
        seconds: what compiling took.
    """

    program: Program
    state: StepState
    past: Past
    tables: RowTables | None
    pasts: list[Past]
    bits: Tensor | None = None
    run: Run | None = None
    fixed: list[Tensor] = field(default_factory=list)
    seconds: float = 0.0


@dataclass
class CompiledMethod(RuleMethod):
    """A rule, each step one compiled program.

    Args:
        programs: those that were compiled before, of the same model and data.

    Raises:
        NotTraceableError: the step cannot be one program.
        NoCompilerError: it cannot be compiled.
    """

    programs: Programs = field(default_factory=Programs)

    def init(self, problem: Problem) -> CompiledState:
        """Return the state of a new run."""
        supervised = cast("SupervisedProblem", problem)
        refuse(self.rule, supervised)
        if self.accumulate > 1:
            raise NotTraceableError("gradients are accumulated", hint="it runs eagerly.")
        rates = multipliers(problem.model, self.rates)
        tables = (
            RowTables(problem.model, self.by_rows, self.rule, self.schedule, rates=rates)
            if self.by_rows
            else None
        )
        by_factor = dict(tables.pasts) if tables else {}
        trained = [name for name, each in problem.model.named_parameters() if each.requires_grad]
        for factor in [1.0, *(rates[name] for name in trained if name in rates)]:
            if factor not in by_factor:
                schedule = multiplied(self.schedule, factor)
                by_factor[factor] = Past(self.rule, schedule, closed_form=False)
        factors = [1.0, *(each for each in by_factor if each != 1.0)]
        pasts = [by_factor[each] for each in factors]
        past = tables.past if tables else pasts[0]
        if tables and past.executor == "replay":
            raise NotTraceableError(
                f"{self.rule} has no closed form for the rows of {', '.join(self.by_rows)}",
                hint="it runs eagerly, or densely with --embedding-rows off.",
            )
        c, _ = self.rule.coefficients(1, 1.0, dict(self.rule.carry))
        names = (*c, *(supervised.applied.coefficients(0) if supervised.applied else ()))
        places = {name: factors.index(rates[name]) for name in trained if name in rates}
        program = Program(supervised, self.rule, past, names, tables, self.clip, rates=places)
        return CompiledState(program, StepState.of(supervised, self.rule, tables), past, tables, pasts)

    def steps(
        self, problem: Problem, state: CompiledState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make ``count`` steps from step ``first`` on."""
        own, supervised = cast("Feed", feed), cast("SupervisedProblem", problem)
        for start, some in blocks(block_of(own), first, count):
            changing = self.prepared(supervised, state, own, start, some)
            if state.run is None:
                state.run = self.program(state, step_of(changing, 0, "cpu"))
                state.fixed = flat_state(state.state)
            run, fixed = state.run, state.fixed
            each_step = zip(*(each.unbind(0) for each in flat_changing(changing)), strict=True)
            with torch.no_grad():
                losses = [run([*fixed, *tensors])[0] for tensors in each_step]
            for loss in torch.stack(losses).tolist():
                yield StepInfo(loss)

    def prepared(
        self, problem: SupervisedProblem, state: CompiledState, feed: Feed, first: int, count: int
    ) -> Changing:
        """Return what some steps need."""
        bits = self.memory(problem, state, feed)[:count]
        rows = state.tables.rows if state.tables else {}
        dtype = next(each.dtype for each in problem.model.parameters() if each.is_floating_point())
        changing = prepare(problem, state.pasts, rows, feed, first, count, bits, dtype)
        if any(each.past.form is None for each in rows.values()):
            raise NotTraceableError(
                f"the schedule takes {self.rule} where its closed form does not hold",
                hint="use --compile off.",
            )
        return changing

    def memory(self, problem: SupervisedProblem, state: CompiledState, feed: Feed) -> Tensor:
        """Return where the random numbers of a block go: the same memory each time, no step outlives its block."""
        if state.bits is None:  # of int16, compiled loops would be scalar
            numbers = numbers_drawn(problem, feed)
            state.bits = torch.empty(block_of(feed), numbers, dtype=torch.int32)
        return state.bits

    def program(self, state: CompiledState, example: Changing) -> Run:
        """Return the compiled step, which does not depend on the rate, the schedule or the seed."""
        threads = torch.get_num_threads()
        hyper = {name: value for name, value in self.rule.hyper.model_dump().items() if name != "lr"}
        names = names_of([*parts_of(state.state), example.draws, dict.fromkeys(example.touched)])
        given = (names, tuple(signature([*flat_state(state.state), *flat_changing(example)])))
        held = (fingerprint(state.program.problem.model), *state.program.problem.constants)
        inside = (self.clip, self.by_rows, tuple(sorted(state.program.rates.items())))
        key = (type(self.rule), str(hyper), inside, threads, given, held)
        if key not in self.programs.made:
            problem = state.program.problem
            own = is_own(problem.model, [type(self.rule), *problem.classes])
            with self.timed(state):
                self.programs.made[key] = self._known(key, threads, own) or self.made(
                    state, trace(state.program, state.state, example), key, own
                )
        if state.tables and not self.rule.averages:
            for rows in state.tables.rows.values():
                rows.quick = self._quick(state, rows, (key[0], key[1], threads))
        return self.programs.made[key]

    def made(self, state: CompiledState, traced: Traced, key: Any, own: bool) -> Run:
        """Return a graph as a program, which is compiled if the cache does not have it."""
        del state
        return self._compiled(key, traced, torch.get_num_threads(), own, self.announce)

    def _compiled(
        self, key: Any, traced: Traced, threads: int, own: bool, announce: Callable[[], None] | None = None
    ) -> Run:
        found = compiled(traced, threads, announce, only_cached=self.programs.only_cached)
        hashed = _hash(key)
        self.programs.names[hashed] = found.name
        if own:
            keep_name(hashed, found.name)
        return found.run

    def _known(self, key: Any, threads: int, own: bool) -> Run | None:
        hashed = _hash(key)
        name = self.programs.names.get(hashed) or (kept_name(hashed) if own else None)
        run = known(name, threads) if name else None
        if run and name:
            self.programs.names[hashed] = name
        return run

    def announce(self) -> None:
        """Say that the step is being compiled."""
        if self.programs.announce:
            self.programs.announce(f"compiling the step of {self.rule.called}, once for this machine")

    @contextlib.contextmanager
    def timed(self, state: CompiledState) -> Generator[None]:
        """Count what the block takes as compiling."""
        started = time.perf_counter()
        try:
            yield
        finally:
            state.seconds += time.perf_counter() - started

    def _quick(self, state: CompiledState, rows: RowTable, key: Any) -> Quick | None:
        """Return the compiled closed form that catches rows up for evaluation; None where there is nothing to do."""
        form = rows.past.form
        if form is None or self.rule.idle != "moves":
            return None
        started = time.perf_counter()
        count = max(1, QUICK_ELEMENTS // rows.weight[0].numel())
        none = np.zeros(count, dtype=np.int64)
        columns = torch.from_numpy(form.columns(form.known(none), none, 0)).to(rows.weight.dtype)
        some = rows.weight[:1].expand(count, *rows.weight.shape[1:]).contiguous()
        slots = {
            name: each[:1].expand(count, *each.shape[1:]).contiguous() for name, each in rows.slots.items()
        }
        threads, own = key[2], is_own(nn.Identity(), [type(self.rule), type(form)])
        key = (*key, type(form), tuple(slots), tuple(signature([some, *slots.values(), columns])))
        if key not in self.programs.made:
            self.programs.made[key] = self._known(key, threads, own) or self._compiled(
                key, trace_closed_form(form, some, rows.slots, columns), threads, own
            )
            state.seconds += time.perf_counter() - started
        return Quick(count, self.programs.made[key])

    def compile_seconds(self, state: CompiledState) -> float:
        """Return how long tracing, compiling and loading took."""
        return state.seconds

    def tables(self, state: CompiledState) -> RowTables | None:
        """Return the tables that are executed by rows."""
        return state.tables

    def divisors(self, state: CompiledState) -> dict[str, Tensor] | None:
        """Return by what each parameter's steps are divided; None before the first step and by rows."""
        if not state.past.step or state.tables is not None:
            return None
        slots = state.state.slots
        found = {name: self.rule.divisor(slots[name], state.past.step) for name in state.state.parameters}
        return {name: each for name, each in found.items() if each is not None} or None

    def evaluation_parameters(self, state: CompiledState) -> dict[str, Tensor] | None:
        """Return what is evaluated elsewhere than where it is trained, by name: the rule's, or averages."""
        if not state.past.step:
            return None
        if state.state.averages:
            return dict(state.state.averages)
        c = state.past.coefficients(state.past.step)
        moved: dict[str, Tensor] = {}
        for name, weight in state.state.parameters.items():
            value = self.rule.evaluation_parameters(weight, state.state.slots[name], c)
            if value.data_ptr() != weight.data_ptr():
                moved[name] = value
        return moved or None


def refuse(rule: Rule[Any], problem: SupervisedProblem) -> None:
    """Refuse a rule whose step is more than one update of every parameter alike.

    Raises:
        NotTraceableError: it is one.
    """
    model = problem.model
    optimizer: RuleOptimizer = rule.optimizer(model)
    groups = optimizer.param_groups
    trained = [each for each in model.parameters() if each.requires_grad]
    if optimizer.needs_closure or len(groups) != 1 or len(groups[0]["params"]) != len(trained):
        raise NotTraceableError(
            f"{rule} treats parameters differently or takes several gradients a step", hint="it runs eagerly."
        )
    if rule.couples == "model":
        raise NotTraceableError(f"{rule} couples all parameters", hint="it runs eagerly.")
    if len(trained) != len({each.untyped_storage().data_ptr() for each in trained}):
        raise NotTraceableError("parameters of the model share memory", hint="it runs eagerly.")
    if any(not each.is_floating_point() for each in model.parameters()):
        raise NotTraceableError("layers of the model are quantised", hint="it runs eagerly.")


def fingerprint(model: nn.Module) -> str:
    """Return a hash of what a model holds beside its parameters and buffers, which a program burns in.

    What has no value of its own (an object that is shown by its address) makes the hash another for every model, so
    that nothing is shared which might differ.

    Example:
        >>> first, second, third = (nn.Dropout(p) for p in (0.1, 0.1, 0.2))
        >>> fingerprint(first) == fingerprint(second) != fingerprint(third)
        True
    """
    digest = hashlib.sha256()
    for name, module in model.named_modules():
        digest.update(f"{name} {type(module)}".encode())
        for key, value in sorted(vars(module).items()):
            if key not in ("_parameters", "_buffers", "_modules"):
                _add(digest, key)
                # which number a hook has depends on how many were made before
                _add(digest, list(value.values()) if key.endswith("_hooks") else value)
    shapes = [f"{name} {tuple(each.shape)} {each.dtype}" for name, each in model.state_dict().items()]
    digest.update(" ".join(shapes).encode())
    return digest.hexdigest()


def _add(digest: Any, value: Any) -> None:
    """Add a value to a hash, with all that it consists of."""
    if isinstance(value, Tensor):
        digest.update(f"{value.dtype} {tuple(value.shape)}".encode() + in_bytes(value))
    elif isinstance(value, Mapping):
        for key, each in value.items():
            _add(digest, key)
            _add(digest, each)
    elif isinstance(value, list | tuple):
        for each in value:
            _add(digest, each)
    elif isinstance(value, set | frozenset):  # in an order that is not another in every process
        for text in sorted(repr(each) for each in value):
            _add(digest, text)
    elif isinstance(value, FunctionType) and value.__closure__ is None and "<" not in value.__qualname__:
        digest.update(f"{value.__module__}:{value.__qualname__}".encode())
        _add(digest, [value.__code__, value.__defaults__, value.__kwdefaults__])
    elif isinstance(value, CodeType):
        digest.update(value.co_code)
        _add(digest, [value.co_consts, value.co_names])
    elif (
        type(value).__repr__ is object.__repr__ and getattr(value, "__dict__", None) == {}
    ):  # a kind, without a state
        digest.update(f"{type(value)}".encode())
    elif not isinstance(value, nn.Module):  # modules have their own turn
        digest.update(repr(value).encode() + b"\0")


def _hash(key: Any) -> str:
    digest = hashlib.sha256()
    _add(digest, key)
    return digest.hexdigest()


def numbers_drawn(problem: SupervisedProblem, feed: Feed) -> int:
    """Return how many random numbers one step draws, by calling the model once; nothing of it is changed."""
    model, batch = problem.model, feed.batch(0)
    copies = {name: each.detach().clone() for name, each in model.named_buffers()}
    with (
        torch.no_grad(),
        torch_stream(feed.seed, "dropout", 0),
        SeededDropout(lambda count: torch.zeros(count, dtype=torch.int16)) as seen,
    ):
        torch.func.functional_call(model, copies, batch.inputs)
    return sum(-(-count // 4) * 4 for count in seen.counts)
