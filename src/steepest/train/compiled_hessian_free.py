"""The Hessian-free step as one compiled program: gradient, conjugate gradients, backtracking, damping and line search.

It makes the same steps as :class:`~steepest.optim.methods.hessian_free.HessianFreeMethod`, up to the rounding of sums
in another order. Only a step that has to be shorter than the first length comes back to Python, which runs the
program again with the next length; nothing is written until a length does. Up to ten iterations the stop by progress,
which looks back over more than ten, cannot act; methods with more are eager.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

import torch
from torch import Tensor
from torch.utils import _pytree as tree

from steepest.curvature.hessian_free import BROKEN, LENGTHS, SHORTER
from steepest.optim.held import FORWARD, PRODUCT
from steepest.optim.method import Method, StepInfo
from steepest.optim.methods.hessian_free import HessianFreeSpec
from steepest.optim.problem import BatchSource, Problem
from steepest.optim.shared_rows import FixedEras, SharedRows
from steepest.optim.spec import MethodSettings
from steepest.train.aot import Run, compiled, names_of, signature
from steepest.train.compiled import Programs, fingerprint, numbers_drawn
from steepest.train.curved_program import (
    CurvedChanging,
    CurvedProgram,
    CurvedTensors,
    state_parts,
    trace_curved,
)
from steepest.train.dropout import random_bits, source
from steepest.train.feed import Feed
from steepest.train.inputs import block_of, blocks, first_places
from steepest.train.problem import SupervisedProblem
from steepest.train.program import NotTraceableError


@dataclass
class CompiledHessianFreeState:
    """A run under way.

    Attributes:
        program: the step as a function.
        tensors: what it changes.
        tables: executed by rows, or None.
        run: the compiled step, from the first step on.
        gradients: those so far.
        proposed: whether there is a last proposal.
        seconds: what compiling took.
    """

    program: CurvedProgram
    tensors: CurvedTensors
    tables: SharedRows | None
    run: Run | None = None
    bits: Tensor | None = None
    gradients: float = 0.0
    proposed: bool = False
    seconds: float = 0.0


@dataclass
class CompiledHessianFree(Method):
    """Hessian-free optimization, each step one compiled program.

    Args:
        spec: the hyperparameters.
        settings: the schedule, and what it counts.
        programs: those that were compiled before, of the same model and data.

    Raises:
        NotTraceableError: the step cannot be one program.
        NoCompilerError: it cannot be compiled.
    """

    spec: HessianFreeSpec
    settings: MethodSettings
    programs: Programs = field(default_factory=Programs)

    @property
    def lr(self) -> float:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The learning rate before the schedule."""
        return self.spec.hyper.lr

    def init(self, problem: Problem) -> CompiledHessianFreeState:
        """Return the start: the damping, and no proposal."""
        self.spec.check(problem)
        own = cast("SupervisedProblem", problem)
        faults = {
            self.spec.eager_because: bool(self.spec.eager_because),
            "regularizers act on its steps": own.applied is not None or bool(own.masks),
            "a student learns of its teacher": own.teaching is not None,
            f"its precision is {own.precision}": own.precision not in ("float32", "float64"),
            "it is not on the CPU": next(own.model.parameters()).device.type != "cpu",
        }
        for fault, is_so in faults.items():
            if is_so:
                raise NotTraceableError(f"{self.spec.called}: {fault}", hint="it runs eagerly.")
        names = self.settings.tables
        tables = SharedRows(own.model, names, FixedEras()) if names else None
        parameters = dict(own.model.named_parameters())
        whole = {n: each.detach() for n, each in parameters.items() if each.requires_grad and n not in names}
        kind = next(iter(parameters.values())).dtype
        tensors = CurvedTensors(
            parameters=whole,
            fixed={n: each.detach() for n, each in parameters.items() if not each.requires_grad},
            buffers=dict(own.model.named_buffers()),
            direction=torch.zeros(sum(each.numel() for each in whole.values()), dtype=kind),
            damping=torch.tensor(self.spec.hyper.damping, dtype=torch.float64),
        )
        if tables is not None:
            eras = cast("FixedEras", tables.eras)
            tensors.weights = {name: each.weight for name, each in tables.tables.items()}
            for part in ("own", "era", "since"):
                setattr(tensors, part, {name: getattr(each, part) for name, each in tables.tables.items()})
            tensors.eras = [eras.share, eras.way, eras.square, eras.place]
        return CompiledHessianFreeState(CurvedProgram(own, self.spec, tables), tensors, tables)

    def tables(self, state: CompiledHessianFreeState) -> SharedRows | None:
        """Return the tables that are executed by rows."""
        return state.tables

    def compile_seconds(self, state: CompiledHessianFreeState) -> float:
        """Return how long tracing, compiling and loading took."""
        return state.seconds

    def steps(
        self, problem: Problem, state: CompiledHessianFreeState, feed: BatchSource, first: int, count: int
    ) -> Iterator[StepInfo]:
        """Make the steps one after the other."""
        own, supervised = cast("Feed", feed), cast("SupervisedProblem", problem)
        fixed = tree.tree_leaves(state_parts(state.tensors))
        for start, some in blocks(block_of(own), first, count):
            prepared = self._prepared(supervised, state, own, start, some)
            for place in range(some):
                rate = self.lr * self.settings.multiplier(start + place, state.gradients)
                changing = prepared.holding([each[place] for each in prepared.flat()])
                if state.run is None:
                    state.run = self._program(state, changing)
                info = self._step(state, fixed, changing, rate)
                state.gradients += info.gradients
                yield info

    def _step(
        self, state: CompiledHessianFreeState, fixed: list[Tensor], changing: CurvedChanging, rate: float
    ) -> StepInfo:
        run, length, tried = cast("Run", state.run), rate, 0
        changing.rate.fill_(rate)
        while True:
            changing.length.fill_(length)
            report = run([*fixed, *changing.flat()])[0].tolist()
            value, finite, sloped, unbroken, does, products, forwards = report
            if not rate:
                return StepInfo(value, FORWARD, 0.0, 1.0)
            if not finite:
                return StepInfo(value, FORWARD, 0.0, 1.0, broken=f"the loss with its penalties is {value}")
            if not sloped:
                return StepInfo(value, broken="the gradient holds NaN or infinite values")
            if does or not unbroken:
                break
            tried += 1
            length = 0.0 if tried > LENGTHS else length * SHORTER
        products += state.proposed
        forwards = forwards + min(tried, LENGTHS) if unbroken else 0.0
        gradients = 1.0 + PRODUCT * products + FORWARD * forwards
        state.proposed = state.proposed or bool(unbroken)
        if state.tables is not None:
            state.tables.settle()
        return StepInfo(value, gradients, products, forwards, "" if unbroken else BROKEN)

    def _prepared(
        self, problem: SupervisedProblem, state: CompiledHessianFreeState, feed: Feed, first: int, count: int
    ) -> CurvedChanging:
        """Return what some steps need, with the steps as the first dimension."""
        if state.bits is None:
            state.bits = torch.empty(block_of(feed), numbers_drawn(problem, feed), dtype=torch.int32)
        batches, bits = feed.batches(first, count), state.bits[:count]
        for i in range(count if bits.shape[1] else 0):
            bits[i] = random_bits(source(feed.seed, feed.before + first + i), bits.shape[1])
        names = self.settings.tables
        codes = problem.codes(batches) if names else {}
        ids = {name: codes[name].contiguous() for name in names}
        places = {name: torch.from_numpy(first_places(each.numpy())) for name, each in ids.items()}
        numbers = torch.zeros(2, count, dtype=torch.float64)
        return CurvedChanging(batches, bits, numbers[0], numbers[1], ids, places)

    def _program(self, state: CompiledHessianFreeState, example: CurvedChanging) -> Run:
        threads, problem = torch.get_num_threads(), state.program.problem
        hyper = {n: v for n, v in self.spec.hyper.model_dump().items() if n not in ("lr", "damping")}
        parts = state_parts(state.tensors)
        given = (names_of(parts), tuple(signature([*tree.tree_leaves(parts), *example.flat()])))
        held = (fingerprint(problem.model), *problem.constants)
        key = (HessianFreeSpec, str(hyper), self.settings.tables, threads, given, held)
        if key not in self.programs.made:
            started = time.perf_counter()
            traced = trace_curved(state.program, state.tensors, example)
            found = compiled(traced, threads, self._announce, only_cached=self.programs.only_cached)
            self.programs.made[key] = found.run
            state.seconds += time.perf_counter() - started
        return self.programs.made[key]

    def _announce(self) -> None:
        if self.programs.announce:
            self.programs.announce(f"compiling the step of {self.spec.called}, once for this machine")
