"""How steps are computed on this machine, and how long one takes: measured, stored, and obeyed on resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset
from steepest.models import ModelBuilder, build_model, count_parameters
from steepest.optim import make_rule
from steepest.optim.method import Method
from steepest.optim.rule import Rule
from steepest.recipe import Execution, Precision, Recipe
from steepest.record.schema import RunKey
from steepest.sweep.contestants import Contestant, whole_spec
from steepest.sweep.machine import cores, key_of, remember, remembered
from steepest.sweep.methods import SAVED, Expectation, difference, make_method, worth_compiling
from steepest.sweep.rows import choose_tables
from steepest.sweep.runner import thread_count
from steepest.train.compiled import Programs
from steepest.train.compiler import NoCompilerError, NotCachedError
from steepest.train.feed import Feed
from steepest.train.loop import Finished, train
from steepest.train.problem import SupervisedProblem, products
from steepest.train.program import NotTraceableError

WARM_UP, TIMED, REPEATS = 3, 10, 2
LOOKS = 6
"""Readings of the validation rows that are timed; what a run does once is told from them."""
CHECKED = 8
"""Steps in which a compiled program is held against eager steps."""
SAME: dict[Precision, float] = {"float32": 1e-4, "tf32": 1e-3, "bf16": 2e-2}
"""By how much their losses may differ, as a share of the loss."""
FEWER_THREADS_UNLESS = 0.7
"""More threads are taken only where a step takes less than this share of its time on one: on a machine that is
busy with something else they can be many times slower."""


@dataclass(frozen=True)
class Bench:
    """What is timed: some steps on the data at hand, on a device.

    Attributes:
        dataset: on the device.
        recipe: model, batch size, clipping and class weights.
        model: the user's own model, or None.
        device: where.
        programs: the compiled steps of the model on this dataset.
    """

    dataset: Dataset
    recipe: Recipe
    model: ModelBuilder | None
    device: str
    programs: Programs = field(default_factory=Programs)

    def step(self, rule: Rule, execution: Execution, *, compiled: bool = False) -> float:
        """Return the seconds of one training step, the best of some."""
        few = torch.arange(
            min(64, len(self.dataset.validation)), device=self.dataset.validation.target.device
        )
        small = replace(self.dataset, validation=self.dataset.validation.take(few))
        best = math.inf
        blocks = (
            26 if self.device.startswith("cuda") else 6
        )  # there, all but the first are prepared meanwhile
        timed = TIMED * (blocks if compiled else 1)
        for steps in (WARM_UP, *[timed] * REPEATS):
            found = self._run(small, rule, execution, steps, compiled)
            if steps == timed and found.record.outcome == "finished":
                best = min(best, found.record.clocks.train / steps)
        return best

    def evaluation(self, rule: Rule, execution: Execution, *, compiled: bool = False) -> tuple[float, float]:
        """Return the seconds of reading the validation rows once, and what a run takes beside steps and readings."""
        look, rest = math.inf, math.inf
        for _ in range(2):
            few = self._run(self.dataset, rule, execution, LOOKS, compiled, evaluations=1).record
            started = time.perf_counter()
            many = self._run(self.dataset, rule, execution, LOOKS, compiled, evaluations=LOOKS).record
            whole = time.perf_counter() - started
            more = len(many.curve) - len(few.curve)
            each = max(many.clocks.evaluate - few.clocks.evaluate, 0.0) / max(more, 1)
            look = min(look, each)
            rest = min(rest, whole - many.clocks.train - many.clocks.compile - each * len(many.curve))
        return look, max(rest, 0.0)

    def _run(
        self,
        dataset: Dataset,
        rule: Rule,
        execution: Execution,
        steps: int,
        compiled: bool,
        evaluations: int = 1,
    ) -> Finished:
        changes = {"steps": steps, "optimizer": whole_spec(rule), "schedule": "constant"}
        recipe = self.recipe.model_copy(update=changes)
        key = RunKey(name="timing", recipe=recipe.id, seed=0, phase="pilot")
        method = make_method(rule, recipe, execution, self.programs, compiled=compiled)
        with thread_count(execution.threads):
            return train(
                dataset, recipe, key, method, model=self.model, evaluations=evaluations, device=self.device
            )

    def same(self, rule: Rule, execution: Execution) -> float:
        """Return by how much losses and buffers after compiled steps differ from those after eager ones."""
        losses: list[list[float]] = []
        for compiled in (False, True):
            recipe = self.recipe.model_copy(update={"steps": CHECKED, "schedule": "constant"})
            net = build_model(self.model or recipe.model, self.dataset.shape).to(self.device)
            columns = tuple(self.dataset.shape.cardinalities)
            problem = SupervisedProblem(
                net, self.dataset.task, recipe.class_weights, columns, recipe.precision
            )
            method: Method = make_method(rule, recipe, execution, self.programs, compiled=compiled)
            feed = Feed(self.dataset.train, BatchPlan(len(self.dataset.train), recipe.batch_size, 0), 0)
            with thread_count(execution.threads), products(recipe.precision):
                steps = method.steps(problem, method.init(problem), feed, 0, CHECKED)
                found = [info.loss for info in steps]
            buffers = [float(each.double().norm()) for each in net.buffers() if each.is_floating_point()]
            losses.append(found + buffers)
        return difference(*losses)


def choose_device() -> str:
    """Return ``cuda`` where there is one, else ``cpu``."""
    return "cuda" if torch.cuda.is_available() else "cpu"


def choose_execution(bench: Bench, asked: Execution | None = None) -> Execution:
    """Return how steps are computed on this machine: the device, rows or dense, and the faster of one thread and all.

    For small steps two threads can be far slower than one. What was asked for is kept.
    """
    asked = asked or Execution.model_validate({"device": bench.device, "torch": torch.__version__})
    adam = make_rule("adam")
    net = build_model(bench.model or bench.recipe.model, bench.dataset.shape)
    tables: tuple[str, ...] = ()
    if asked.rows != "off":
        tables = choose_tables(net, bench.dataset, bench.recipe.batch_size, asked.rows, bench.device)
    dense = asked.model_copy(update={"executor": "dense", "tables": (), "threads": 1})
    rows = dense.model_copy(update={"executor": "rows", "tables": tables})
    if tables and asked.rows == "auto" and bench.step(adam, rows) > bench.step(adam, dense):
        tables = ()
    plan = rows if tables else dense
    threads = asked.threads
    if "threads" not in asked.model_fields_set:
        threads = _threads(bench, net, plan, adam)
    chosen = {"executor": plan.executor, "tables": tables, "threads": threads}
    return asked.model_copy(update=chosen)


def _threads(bench: Bench, net: nn.Module, plan: Execution, rule: Rule) -> int:
    """Return one thread or as many as there are cores, whichever is faster; measured once for this machine."""
    count = cores()
    if bench.device != "cpu" or count == 1:
        return 1
    key = key_of(net, bench.recipe.batch_size, plan.executor)
    known = remembered(key)
    if known is not None:
        return min(known, count)
    seconds = {each: bench.step(rule, plan.model_copy(update={"threads": each})) for each in (1, count)}
    threads = count if seconds[count] < FEWER_THREADS_UNLESS * seconds[1] else 1
    remember(
        key, threads, model=bench.recipe.model, parameters=count_parameters(net),
        batch_size=bench.recipe.batch_size, executor=plan.executor,
    )  # fmt: skip
    return threads


def with_times(
    execution: Execution,
    bench: Bench,
    who: Sequence[Contestant],
    work: Expectation,
    say: Callable[[str], None] = lambda _: None,
    *,
    compiles: bool = True,
) -> Execution:
    """Return the execution plan with what every optimizer's steps take, and which of them are compiled.

    Those that are known already stay as they are. Without ``compiles`` nothing is compiled: where that would be
    done, the time is a guess.
    """
    known, compiled = dict(execution.seconds_a_step), list(execution.compiled)
    for each in who:
        if each.name in known:
            continue
        rule = each.rule.with_lr(min(1e-4, float(each.rule.hyper.lr)))
        known[each.name] = bench.step(rule, execution)
        seconds, why = _compiled(rule, execution, bench, work, known[each.name], compiles)
        if seconds is not None:
            known[each.name] = seconds
            compiled.append(each.name)
        elif execution.compile == "on":
            say(f"steps  {each.name} runs eagerly: {why}")
    update: dict[str, Any] = {"seconds_a_step": known, "compiled": tuple(compiled)}
    if not execution.seconds_an_evaluation:
        rule = who[0].rule.with_lr(min(1e-4, float(who[0].rule.hyper.lr)))
        is_so = who[0].name in compiled and compiles
        update["seconds_an_evaluation"], update["seconds_a_run"] = bench.evaluation(
            rule, execution, compiled=is_so
        )
    return execution.model_copy(update=update)


def _compiled(
    rule: Rule, execution: Execution, bench: Bench, work: Expectation, eager: float, compiles: bool
) -> tuple[float | None, str]:
    """Return the seconds of a compiled step, or None and why there is none."""
    look, may = worth_compiling(execution, work, eager)
    if not look:
        return None, "it would not save time"
    bench.programs.only_cached = not (may and compiles)
    try:
        seconds = bench.step(rule, execution, compiled=True)
        apart = bench.same(rule, execution)
    except NotCachedError as error:
        return ((1.0 - SAVED) * eager, "") if may else (None, error.fact)
    except (NotTraceableError, NoCompilerError) as error:
        return None, error.fact
    finally:
        bench.programs.only_cached = False
    if apart > SAME[bench.recipe.precision]:
        return None, f"compiled steps differ from eager ones by {apart:.1g} of the loss"
    if seconds > eager and execution.compile != "on":
        return None, "eager steps are faster"
    return seconds, ""
