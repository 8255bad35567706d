"""How steps are computed on this machine, and how long one takes: measured, stored, and obeyed on resume."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from steepest.models import build_model, count_parameters
from steepest.optim import make_rule
from steepest.optim.rule import Rule
from steepest.recipe import Execution, Precision
from steepest.sweep.bench import Bench, Way
from steepest.sweep.contestants import Contestant
from steepest.sweep.machine import cores, key_of, remember, remembered
from steepest.sweep.methods import SAVED, Expectation, worth_compiling
from steepest.sweep.rows import choose_tables
from steepest.train.compiler import NoCompilerError, NotCachedError
from steepest.train.program import NotTraceableError

SAME: dict[Precision, float] = {"float32": 1e-4, "tf32": 1e-3, "bf16": 2e-2}
"""By how much their losses may differ, as a share of the loss."""
FEWER_THREADS_UNLESS = 0.7
"""More threads are taken only where a step takes less than this share of its time on one: on a machine that is
busy with something else they can be many times slower."""


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
    if tables and asked.rows == "auto":
        seconds = bench.steps({"rows": Way(adam, rows), "dense": Way(adam, dense)})
        if seconds["rows"] > seconds["dense"]:
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
    some = {each: plan.model_copy(update={"threads": each}) for each in (1, count)}
    seconds = bench.steps({each: Way(rule, execution) for each, execution in some.items()})
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
    rules = {each.name: slow(each.rule) for each in who if each.name not in known}
    known |= bench.steps({name: Way(rule, execution) for name, rule in rules.items()})
    for name, rule in rules.items():
        seconds, why = _compiled(rule, execution, bench, work, known[name], compiles)
        if seconds is not None:
            known[name] = seconds
            compiled.append(name)
        elif why:
            say(f"steps  {name} runs eagerly: {why}")
    update: dict[str, Any] = {"seconds_a_step": known, "compiled": tuple(compiled)}
    if not execution.seconds_an_evaluation:
        first = Way(slow(who[0].rule), execution, who[0].name in compiled and compiles)
        update["seconds_an_evaluation"], update["seconds_a_run"] = bench.evaluation(first)
    return execution.model_copy(update=update)


def slow(rule: Rule[Any]) -> Rule[Any]:
    """Return a rule at a rate at which some steps diverge nowhere."""
    return rule.with_lr(min(1e-4, float(rule.hyper.lr)))


def _compiled(
    rule: Rule, execution: Execution, bench: Bench, work: Expectation, eager: float, compiles: bool
) -> tuple[float | None, str]:
    """Return the seconds of a compiled step, or None and why there is none, if that is to be said."""
    look, may = worth_compiling(execution, work, eager)

    def if_asked(why: str) -> str:
        return why if execution.compile == "on" else ""

    if not look:
        return None, if_asked("it would not save time")
    bench.programs.only_cached = not (may and compiles)
    try:
        found = bench.steps({each: Way(rule, execution, compiled=each) for each in (False, True)})
        apart = bench.same(rule, execution)
    except NotCachedError as error:
        return ((1.0 - SAVED) * eager, "") if may else (None, if_asked(error.fact))
    except NotTraceableError as error:
        return None, if_asked(error.fact)
    except NoCompilerError as error:
        return None, error.fact
    finally:
        bench.programs.only_cached = False
    if apart > SAME[bench.recipe.precision]:
        return None, if_asked(f"compiled steps differ from eager ones by {apart:.1g} of the loss")
    if found[True] > found[False] and execution.compile != "on":
        return None, ""
    return found[True], ""
