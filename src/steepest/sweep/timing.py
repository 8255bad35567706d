"""How steps are computed on this machine, and how long one takes: measured, stored, and obeyed on resume."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from steepest.errors import OptionError, StepError
from steepest.models import build_model, count_parameters
from steepest.optim import make_rule
from steepest.optim.selection import freeze
from steepest.optim.spec import MethodSpec
from steepest.recipe import Execution, ExecutionOptions, Precision
from steepest.regularizers.check import moves_tables
from steepest.sweep.ahead import Ahead
from steepest.sweep.bench import LEAST_ROUNDS, ROUNDS, Bench, Way
from steepest.sweep.clock import Patience
from steepest.sweep.compiling import Prospect, Work, choose, with_choice
from steepest.sweep.contestants import Contestant
from steepest.sweep.machine import (
    compile_seconds,
    cores,
    key_of,
    remember,
    remember_compiling,
    remembered,
    with_room,
)
from steepest.sweep.rows import choose_tables
from steepest.sweep.site import Machine, room
from steepest.train.aot import NoCompilerError, NotCachedError, compiler
from steepest.train.cuda_method import has_triton
from steepest.train.program import NotTraceableError
from steepest.waiting import policy

COMPILE_SECONDS = 20.0
"""What compiling a step takes, about, where none was compiled on this machine yet."""
LATER_SHARE = 0.5
"""Share of that which a second one takes: the first imports the compiler and prepares its headers."""
LOAD_SECONDS = 4.0
"""What finding a compiled step in the cache takes, about."""
RUNS_A_CORE = 2
"""With so many runs for each core, they are made on one core each."""
COMPILED_SHARE = 0.3
"""Share of an eager step's time that a compiled one takes, about, where none was timed yet."""
SAME: dict[Precision, float] = {"float64": 1e-9, "float32": 1e-4, "tf32": 1e-3, "bf16": 2e-2}
"""By how much their losses may differ, as a share of the loss."""
FEWER_THREADS_UNLESS = 0.7
"""More threads are taken only where a step takes less than this share of its time on one: on a machine that is
busy with something else they can be many times slower."""
ROUNDS_AN_EXCEPTION = 5
"""In one of so many rounds of measurement a busy moment of the machine may say the opposite of the others."""


MANY_CELLS = 4
"""Of so many cells each is timed in one block of steps, where times foretell how long it takes and decide nothing."""


def choose_device() -> str:
    """Return ``cuda`` where there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_execution(
    bench: Bench,
    asked: ExecutionOptions | None = None,
    runs: int = 1,
    nodes: Sequence[Machine] | None = None,
) -> Execution:
    """Return how steps are computed on this machine: rows or dense, and by how many threads and processes.

    Several runs at a time, each on one core, keep a machine busier than one on all. Where there are few runs, it is
    the faster of one thread and all; for small steps two threads can be far slower than one. What was asked for
    is kept.

    Args:
        bench: the steps.
        asked: what was asked for.
        runs: how many runs the comparison has, about.
        nodes: the machines of the cluster that was asked for; None without one.
    """
    asked = asked or ExecutionOptions.model_validate({})
    adam = make_rule("adam")
    recipe = bench.recipe
    net = build_model(bench.model or recipe.model, bench.dataset.shape, finetune=recipe.finetune)
    freeze(net, recipe.freeze)
    tables: tuple[str, ...] = ()
    if asked.rows != "off" and not moves_tables(bench.recipe.regularizer):
        tables = choose_tables(net, bench.dataset, bench.recipe.batch_size, asked.rows, bench.device)
    dense = Execution.model_validate({"device": bench.device, "rows": asked.rows, "compile": asked.compile})
    rows = dense.model_copy(update={"executor": "rows", "tables": tables})
    if tables and asked.rows == "auto":
        seconds = bench.steps({"rows": Way(adam, rows), "dense": Way(adam, dense)})
        if seconds["rows"] > seconds["dense"]:
            tables = ()
    plan = rows if tables else dense
    room = bench.device == "cpu" and (asked.workers or with_room(cores())) != 1
    many = room and (asked.workers or runs >= RUNS_A_CORE * cores())
    threads = asked.threads or (1 if many else _threads(bench, net, plan, adam))
    return plan.model_copy(
        update={"threads": threads, "workers": workers_for(bench.device, threads, asked, nodes)}
    )


def workers_for(
    device: str, threads: int, asked: ExecutionOptions, nodes: Sequence[Machine] | None = None
) -> int:
    """Return how many runs can be made at the same time: as many as asked for, or one for each core that memory allows.

    Args:
        device: where they are made.
        threads: of a training step.
        asked: what was asked for.
        nodes: the machines of the cluster that was asked for; None without one.

    Raises:
        OptionError: several are asked for on a device that one run has to itself.
    """
    number = asked.workers
    if device != "cpu":
        if number not in (None, 1):
            what = f"{number} workers" if isinstance(number, int) else f"the workers of {number!r}"
            raise OptionError(
                f"{what} cannot share the device {device!r}",
                hint="leave --workers out, or train on --device cpu.",
            )
        return 1
    if nodes is not None:
        return max(1, room(nodes, threads))
    return number if isinstance(number, int) else with_room(max(1, cores() // threads))


def _threads(bench: Bench, net: nn.Module, plan: Execution, rule: MethodSpec[Any]) -> int:
    """Return as many threads as there are cores where they are clearly faster, else one.

    It is measured once for this machine. Where rounds contradict each other, the machine is busy: then one thread is
    chosen, and nothing is remembered; so it is where a time budget leaves no time for several rounds.
    """
    count = cores()
    if bench.device != "cpu" or count == 1:
        return 1
    key = key_of(net, bench.recipe.batch_size, plan.executor, policy(), "by rounds")
    known = remembered(key)
    if known is not None:
        return min(known, count)
    some = {each: plan.model_copy(update={"threads": each}) for each in (1, count)}
    seconds = bench.rounds({each: Way(rule, execution) for each, execution in some.items()})
    cut = bench.share < 1.0 and len(seconds[1]) < LEAST_ROUNDS
    faster = None if cut else clearly_faster(seconds[1], seconds[count])
    if faster is None:
        return 1
    threads = count if faster else 1
    remember(
        key, threads, model=bench.recipe.model, parameters=count_parameters(net),
        batch_size=bench.recipe.batch_size, executor=plan.executor,
    )  # fmt: skip
    return threads


def clearly_faster(one: Sequence[float], several: Sequence[float]) -> bool | None:
    """Return whether steps on several threads are much faster than on one; None where rounds contradict each other.

    Args:
        one: seconds of a step on one thread in each round, ``[R]``.
        several: those on several threads in the same rounds, ``[R]``.

    Example:
        >>> clearly_faster([1.0, 1.1, 1.0, 1.0, 4.0], [0.5, 0.6, 0.5, 0.9, 0.5])
        True
        >>> clearly_faster([1.0, 4.0, 1.0], [0.9, 0.9, 0.9]) is None
        True
    """
    faster = sum(more < FEWER_THREADS_UNLESS * alone for alone, more in zip(one, several, strict=True))
    few = len(one) // ROUNDS_AN_EXCEPTION
    if faster <= few:
        return False
    return True if faster >= len(one) - few else None


@dataclass
class StepTimings:
    """What the steps of some optimizers take, and whose are compiled.

    Attributes:
        bench: where steps are timed.
        execution: the execution plan so far; the optimizers of which it has times are decided.
        rules: the others.
        eager: seconds of their eager steps.
        compiled: seconds of their compiled steps, where those were measured.
        refused: why some run eagerly, whatever it costs.
        faults: those of them for which compiling failed.
        took: what each program that was compiled now took.
        ahead: compiles others in the meantime.
        late: those that run eagerly because compiling them would take too much of a time budget.
    """

    bench: Bench
    execution: Execution
    rules: dict[str, MethodSpec[Any]]
    eager: dict[str, float] = field(default_factory=dict)
    compiled: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    faults: set[str] = field(default_factory=set)
    took: list[float] = field(default_factory=list)
    ahead: Ahead | None = None
    late: tuple[str, ...] = ()
    _looked: set[str] = field(default_factory=set)

    @classmethod
    def measured(
        cls, bench: Bench, execution: Execution, who: Sequence[Contestant], *, once: bool = False
    ) -> StepTimings:
        """Return them with the times of eager steps; those that the execution plan has already stay as they are.

        Args:
            bench: where steps are timed.
            execution: the execution plan so far.
            who: the optimizers.
            once: whether one block of steps is enough, where nothing is decided by these times but foretold.
        """
        rules = {
            each.name: each.rule.for_timing()
            for each in who
            if each.name not in execution.timings.seconds_a_step
        }
        eager = bench.steps(
            {name: Way(rule, execution) for name, rule in rules.items()}, 1 if once else ROUNDS
        )
        found = cls(bench, execution, rules, eager)
        found._weigh()
        if not execution.timings.seconds_an_evaluation:
            found._read(Way(who[0].rule.for_timing(), execution), eager.get(who[0].name, 0.0), once=once)
        return found

    @property
    def kind(self) -> str:
        """The kind of device, and so of compiler."""
        return self.execution.device.partition(":")[0]

    def prospects(self) -> dict[str, Prospect]:
        """Return what is measured or expected of the optimizers that are not decided."""
        share = self.compiled_share()
        _, wait = self.waits()
        found: dict[str, Prospect] = {}
        for name, eager in self.eager.items():
            if name in self.compiled:
                found[name] = Prospect(eager, self.compiled[name], 0.0)
            else:
                expected = math.inf if self.why_eager(name) else share * eager
                found[name] = Prospect(eager, expected, wait)
        return found

    def why_eager(self, name: str) -> str:
        """Return why the steps of an optimizer cannot be compiled; nothing where they can, as far as is known."""
        if self.execution.compile == "off":
            return "as requested"
        if self.kind not in ("cpu", "cuda"):
            return f"steps are compiled on CPUs and CUDA devices, not on {self.execution.device!r}"
        if self.kind == "cpu" and compiler() is None:
            return "there is no C++ compiler (g++)"
        return self.rules[name].eager_because or self.refused.get(name, "")

    def compiled_share(self) -> float:
        """Return the share of an eager step's time that a compiled one is expected to take."""
        known = [self.compiled[name] / self.eager[name] for name in self.compiled]
        return statistics.median(known) if known else COMPILED_SHARE

    def waits(self) -> tuple[float, float]:
        """Return the seconds that compiling the next step is expected to take, and compiling one after it.

        Where other processes compile steps, too, they are shares of what one takes.
        """
        if self.kind == "cuda" and not has_triton():
            return LOAD_SECONDS, LOAD_SECONDS
        first, later = self._compiling_takes()
        return first / self._makers, later / self._makers

    @property
    def _makers(self) -> int:
        """How many processes compile steps."""
        return 1 + (self.ahead.places if self.ahead and self.kind == "cpu" else 0)

    def _compiling_takes(self) -> tuple[float, float]:
        """Return the seconds that one process is expected to take for the next step, and for one after it."""
        first = self.took[0] if self.took else _usual(f"first {self.kind}") or COMPILE_SECONDS
        later = statistics.median(self.took[1:] or [_usual(self.kind) or LATER_SHARE * first])
        return later if self.took else max(first, later), later

    def choose(
        self,
        work: Callable[[], Work],
        *,
        compiles: bool = True,
        only: Collection[str] = (),
        patience: Patience | None = None,
    ) -> tuple[str, ...]:
        """Return the optimizers whose steps are compiled; the programs that lack are made first.

        After each program the choice is made again, with what it took and what its steps take. What is not ready when
        patience ends is eager.

        Args:
            work: returns the comparison that is wanted, with the time that is left.
            compiles: whether to compile; without, the answer is what is expected.
            only: those that may be compiled now, if not all.
            patience: how long it may take; None for as long as it pays. Steps that have to be compiled are waited for.
        """
        if patience is None or self.execution.compile == "on":
            patience = Patience()
        with patience.spending():
            return self._choose(work, compiles, only, patience)

    def _choose(
        self, work: Callable[[], Work], compiles: bool, only: Collection[str], patience: Patience
    ) -> tuple[str, ...]:
        while True:
            now = work()
            if patience.left > 0:
                self._look(now)
            prospects = self.prospects()
            if self.execution.compile == "on":
                chosen = tuple(name for name, each in prospects.items() if math.isfinite(each.compiled))
            else:
                first, later = self.waits()
                chosen = choose(prospects, self.execution, now, first - later if first > later else 0.0)
            lacking = [name for name in chosen if name not in self.compiled and name in (only or chosen)]
            coming = self._in_time(lacking, patience)
            if not coming or not compiles:
                self.late = tuple(name for name in lacking if name not in coming)
                return tuple(name for name in self.rules if name in chosen and name not in self.late)
            self._make_next(coming, patience)

    def _in_time(self, lacking: Sequence[str], patience: Patience) -> list[str]:
        """Return those programs that lack which are there, or can be expected while it is waited for them."""
        left = patience.left
        if math.isinf(left):
            return list(lacking)
        there = [name for name in lacking if self.ahead and (id(self), name) in self.ahead.took]
        if left <= 0:
            return there
        begun = [name for name in lacking if self.ahead and self.ahead.makes((id(self), name))]
        first, later = self._compiling_takes()
        count = 0 if first > left else 1 + int((left - first) * self._makers / max(later, 1e-9))
        others = [name for name in lacking if name not in begun]
        return [*begun, *others[: max(count - len(begun) + len(there), 0)]]

    def begin(self, names: Iterable[str]) -> None:
        """Let some steps be compiled by another process."""
        if self.ahead and self.kind == "cpu":
            ways = (((id(self), name), Way(self.rules[name], self.execution)) for name in names)
            self.ahead.begin(self.bench, ways)

    def lacking(self, chosen: Collection[str]) -> list[str]:
        """Return whose steps have yet to be compiled."""
        return [name for name in chosen if name not in self.compiled]

    def _make_next(self, lacking: Sequence[str], patience: Patience) -> None:
        """Make one of the programs that lack: the one that is there first."""
        if self.ahead is None:
            self._make(lacking[0])
            return
        if math.isfinite(patience.left) and self.kind == "cpu":
            self._await_next(lacking, self.ahead, patience)
            return
        self.begin(lacking[1:])
        key = self.ahead.best((id(self), name) for name in lacking)
        if self.ahead.makes(key) and self.bench.programs.announce:
            self.bench.programs.announce(
                f"compiling the step of {self.rules[key[1]].called}, once for this machine"
            )
        seconds = self.ahead.result(key)
        if seconds is not None:
            self._took(seconds)
            self._make(key[1], only_cached=True)
        else:
            self._make(key[1])

    def _await_next(self, lacking: Sequence[str], ahead: Ahead, patience: Patience) -> None:
        """Let other processes make the programs that lack, and take the first: a compiler here could not be left."""
        if announce := self.bench.programs.announce:
            announce(f"compiling the step of {self.rules[lacking[0]].called}, once for this machine")
        with ahead.in_all_places():
            self.begin(lacking)
            key = ahead.first_of([(id(self), name) for name in lacking], lambda: patience.left > 0)
        if key is None:
            return
        seconds = ahead.took.pop(key, None)
        if seconds is not None:
            self._took(seconds)
            self._make(key[1], only_cached=True)
        elif self._compiling_takes()[0] <= patience.left:
            self._make(key[1])
        else:
            self.refused[key[1]] = "compiling them would take too much of the time budget"

    def settled(self, chosen: Collection[str]) -> Execution:
        """Return the execution plan with a choice; where programs were made, all are timed again in the same rounds."""
        if chosen and all(name in self.compiled for name in chosen):
            ways = {name: Way(rule, self.execution, name in chosen) for name, rule in self.rules.items()}
            for name, seconds in self.bench.steps(ways).items():
                (self.compiled if name in chosen else self.eager)[name] = seconds
            if self.execution.tables:  # a program also catches up the rows that an evaluation reads
                self._read(next(way for way in ways.values() if way.compiled))
        return with_choice(self.execution, self.prospects(), tuple(chosen))

    def _read(self, way: Way, a_step: float = 0.0, *, once: bool = False) -> None:
        look, rest = self.bench.evaluation(way, a_step if math.isfinite(a_step) else 0.0, once=once)
        self.execution = self.execution.timed(seconds_an_evaluation=look, seconds_a_run=rest)

    def _weigh(self) -> None:
        """Measure what products and forward passes take, where a method makes some."""
        able = [
            name for name, rule in self.rules.items() if not rule.is_rule and math.isfinite(self.eager[name])
        ]
        found = {name: self.bench.evaluations(Way(self.rules[name], self.execution)) for name in able}
        times = self.execution.timings
        new = [
            {name: each[kind] for name, each in found.items() if kind in each}
            for kind in ("product", "forward")
        ]
        self.execution = self.execution.timed(
            gradients_a_product={**times.gradients_a_product, **new[0]},
            gradients_a_forward={**times.gradients_a_forward, **new[1]},
        )

    def _look(self, work: Work) -> None:
        """Take the programs that are in the cache, where they could save more than looking costs."""
        prospects = self.prospects()
        steps = work.steps(with_choice(self.execution, prospects, ()))
        for name, each in prospects.items():
            able = math.isfinite(each.compiled) and name not in self.compiled and name not in self._looked
            saved = steps[name] * (each.eager - each.compiled)
            if able and (saved > LOAD_SECONDS or self.execution.compile == "on"):
                self._looked.add(name)
                self._make(name, only_cached=True)

    def _make(self, name: str, *, only_cached: bool = False) -> None:
        """Compile the step of an optimizer, hold it against the eager one, and time both."""
        if name not in self._looked:
            self._looked.add(name)
            self._make(name, only_cached=True)
            if name in self.compiled or name in self.refused:
                return
        way = Way(self.rules[name], self.execution, compiled=True)
        self.bench.programs.only_cached = only_cached
        try:
            seconds = self.bench.ready(way)
            found = self.bench.steps({True: way, False: replace(way, compiled=False)})
            apart = self.bench.same(way.rule, way.execution)
        except NotCachedError:
            return
        except (NotTraceableError, NoCompilerError, StepError) as error:
            self.refused[name] = error.fact
            if isinstance(error, NoCompilerError):
                self.faults.add(name)
            return
        finally:
            self.bench.programs.only_cached = False
        if not only_cached:
            self._took(seconds)
        self.eager[name] = found[False]
        if apart > SAME[self.bench.recipe.precision]:
            self.refused[name] = f"compiled steps differ from eager ones by {apart:.1g} of the loss"
        elif found[True] > found[False] and self.execution.compile != "on":
            self.refused[name] = "eager steps are faster"
        else:
            self.compiled[name] = found[True]

    def _took(self, seconds: float) -> None:
        remember_compiling(self.kind if self.took else f"first {self.kind}", seconds)
        self.took.append(seconds)


def _usual(kind: str) -> float | None:
    """Return what compiling takes on this machine; None where nothing is known."""
    known = compile_seconds(kind)
    return statistics.median(known) if known else None
