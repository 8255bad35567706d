"""The lines about the data, the plan and the steps that a comparison prints while it works."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from steepest.data.dataset import Dataset
from steepest.data.encode import INDICATOR
from steepest.objectives.target import target_of
from steepest.recipe import FACTOR, SUBJECTS, Execution, varying
from steepest.report import format as fmt
from steepest.report.words import listed
from steepest.sweep.arms import PlannedArm
from steepest.sweep.expected import expected_runs, has_constants
from steepest.sweep.labels import is_factorial, shown_value
from steepest.sweep.outcomes import RunCount, run_count
from steepest.sweep.plan import tuning
from steepest.sweep.planned import History
from steepest.sweep.planner import planner_of
from steepest.sweep.rows import by_rows
from steepest.sweep.setup import Setup
from steepest.sweep.trials import rates_alone
from steepest.sweep.unplaced import unplaced
from steepest.train.callback import Callback, is_at_batches
from steepest.wording import counted


def data_text(dataset: Dataset, sets: int = 1) -> str:
    """Return the data in one line."""
    parts = (dataset.train, dataset.validation, dataset.test)
    rows = sum(map(len, parts)) if dataset.held_out else len(dataset.train)
    called = target_of(dataset).called
    what = f": {len(dataset.classes)} classes" if dataset.classes else f": {called}"
    what = "" if called == f"the {dataset.target}" else what
    names = dataset.shape.continuous
    gaps = sum(each.endswith(INDICATOR) and each.removesuffix(INDICATOR) in names for each in names)
    columns = f"{len(dataset.shape.cardinalities)} categorical, {len(names) - gaps} continuous"
    if dataset.shape.others:
        columns = ", ".join(
            f"{each.name} {list(each.size)}" if each.size != (1,) else each.name
            for each in dataset.shape.others
        )
    tested = f"{len(dataset.test):,} test" if sets == 1 else f"{sets} test sets"
    tested = tested if dataset.held_out else "nothing held out"
    columns += f" (+{counted(gaps, 'missing-value indicator')})" if gaps else ""
    return f"data   {rows:,} rows · {columns} · {dataset.target}{what} · {tested}"


def plan_text(setup: Setup, history: History, together: int = 1) -> str:
    """Return the plan as one line: the whole comparison, how much of it is done, and how many runs are made at a time.

    Where their number depends on results, it is that with a best rate inside of every grid, with the range in which it
    is; pilots are not counted.

    Example:
        ``4 optimizers × (7 rates at ¼ length + best 3 at full length + 5 seeds + 5 at default) → 80 runs (65 to 92: …),
        2 at a time``
    """
    runs = expected_runs(setup, {}, by_arm=True)
    tuned = [arm for arm in setup.arms if arm.tuned]
    parts: list[str] = []
    if any(run.phase in ("scan", "full") for run in runs):
        most = max(setup.trial_counts.values())
        tried = counted(most, "rate" if rates_alone([arm.method for arm in tuned]) else "trial")
        parts += planner_of(setup).described(setup, tried)
    seeds = counted(len(setup.seeds), "seed")
    seeds = (
        f"{counted(max(setup.trial_counts.values()), 'rate')} × {seeds}" if setup.sweep and tuned else seeds
    )
    parts.append(seeds if setup.folds == 1 else f"{setup.folds} test sets × {seeds}")
    if setup.has_references:
        parts.append(f"{len(setup.seeds) * setup.folds} at default")
    text = f"{arms_text(setup)} × ({' + '.join(parts)})"
    if tuned and len(tuned) < len(setup.arms):
        text += f", {len(setup.arms) - len(tuned)} not tuned"
    if has_constants(setup):
        text += f" + {len(setup.seeds) * setup.folds} without schedule"
    if setup.folds > 1:
        text += " + 1 on the rows of all test sets"
    count, left = run_count(setup, history), bool(expected_runs(setup, history))
    more = sum(tuning(setup, arm, history).further for arm in setup.stages)
    more *= 1 + len(setup.seeds) * setup.sweep
    if more:
        text += f" + {more} beyond the initial grid"
    if (twice := len(runs) + more - count.expected) > 0:
        text += f" − {twice} that serve twice"
    others = unplaced(setup, history)
    text += f" → {_count_text(count)}" + (f", {count.done} already done" if count.done else "")
    text += f", {together} at a time" if together > 1 and left else ""
    if others.perhaps:
        text += f"; {others.perhaps} more in the folder count where tuning comes to their settings"
    if others.otherwise:
        text += f"; {others.otherwise} in the folder have other settings and are not used"
    return text


def _count_text(count: RunCount) -> str:
    """Return how many runs there are, and on what it depends.

    Example:
        >>> _count_text(RunCount(expected=13, least=13, most=16))
        '13 runs (up to 16: more where a best rate is at an edge of its grid)'
        >>> _count_text(RunCount(expected=20)), _count_text(RunCount(expected=20, most=20))
        ('about 20 runs', 'up to 20 runs')
    """
    runs = counted(count.expected, "run")
    if count.least is None:
        return f"{'about' if count.most is None else 'up to'} {runs}"
    why: list[str] = []
    if count.least < count.expected:
        why.append("fewer where a tuned rate is the library's default")
    if count.most is not None and count.most > count.expected:
        why.append("more where a best rate is at an edge of its grid")
    if not why:
        return runs
    ends = f"up to {count.most:,}" if count.least == count.expected else f"{count.least:,} to {count.most:,}"
    if count.most == count.expected:
        ends = f"at least {count.least:,}"
    return f"{runs} ({ends}: {', '.join(why)})"


def arms_text(setup: Setup) -> str:
    """Return how many arms there are, of what they are all combinations, if they are.

    Example:
        ``8 arms (2 optimizers × 2 batch sizes × 2 numbers of training rows)``
    """
    arms = [arm for arm in setup.arms if arm.control != "small"]
    if small := len(setup.arms) - len(arms):
        return f"({_crossed_text(arms)} and {counted(small, 'small dense network')})"
    return _crossed_text(arms)


def _crossed_text(arms: Sequence[PlannedArm]) -> str:
    differing = varying([arm.factors for arm in arms]) or ["optimizer"]
    if len(differing) == 1:
        return counted(len(arms), *SUBJECTS[differing[0]])
    if not is_factorial([arm.factors for arm in arms], differing):
        return counted(len(arms), "arm")
    levels = [len({arm.factors[name] for arm in arms}) for name in differing]
    factors = [counted(levels[i], *SUBJECTS[name]) for i, name in enumerate(differing)]
    return f"{counted(len(arms), 'arm')} ({' × '.join(factors)})"


def steps_of(setup: Setup) -> str:
    """Return the steps of a full run in words; the range where they differ."""
    steps = [setup.lengths[arm.id] for arm in setup.arms]
    most = counted(max(steps), "step")
    return most if min(steps) == max(steps) else f"{min(steps):,} to {most}"


def rows_text(cells: Mapping[str, Execution], arms: Sequence[PlannedArm]) -> list[str]:
    """Return which tables are executed by rows and how, a line for each set of tables."""
    lines: list[str] = []
    for key, execution in cells.items():
        how: dict[str, list[str]] = {}
        for rule in {arm.method.name: arm.method for arm in arms if arm.cell == key}.values():
            kind = rule.rule.idle_rows if by_rows(execution, rule.rule) else "dense, without a closed form"
            how.setdefault(kind, []).append(rule.name)
        if execution.executor == "rows" and how:
            told = "; ".join(f"{kind}: {', '.join(names)}" for kind, names in how.items())
            lines.append(f"rows   {', '.join(execution.tables)} by rows ({told})")
    return list(dict.fromkeys(lines))


def steps_text(cells: Mapping[str, Execution], arms: Sequence[PlannedArm]) -> list[str]:
    """Return whose steps are compiled and how long they take, a line for each cell with compiled ones."""
    lines: list[str] = []
    for key, execution in cells.items():
        names: dict[bool, dict[str, str]] = {True: {}, False: {}}
        mine = [arm for arm in arms if arm.cell == key]
        if not mine or not any(arm.method.name in execution.compiled for arm in mine):
            continue
        for arm in mine:
            time = f"{execution.timings.seconds_a_step[arm.method.name] * 1e3:#.2g}".rstrip(".")
            kind = arm.method.name in execution.compiled
            names[kind].setdefault(arm.method.name, f"{arm.method.name} {time} ms")
        parts = [f"{title}: {', '.join(names[kind].values())}" for kind, title in
                 ((True, "one compiled program"), (False, "eager")) if names[kind]]  # fmt: skip
        count = execution.threads
        recipe = mine[0].recipe
        inside = "".join(
            f", {shown_value(name, getattr(recipe, name))}"
            for name, factor in FACTOR.items()
            if factor.later and getattr(recipe, name)
        )
        what = (
            f"{mine[0].recipe.model}, batch {mine[0].recipe.batch_size}{inside}: " if len(cells) > 1 else ""
        )
        lines.append(f"steps  {what}{'; '.join(parts)}; {count} thread{'s' if count > 1 else ''}")
    return lines


def eager_text(cells: Mapping[str, Execution], arms: Sequence[PlannedArm]) -> list[str]:
    """Return as one line whose steps can never be a compiled program, nor their runs stacked, and why."""
    why: dict[str, list[str]] = {}
    for method in {arm.method.name: arm.method for arm in arms if cells[arm.cell].compile != "off"}.values():
        if method.rule.eager_because:
            why.setdefault(method.rule.eager_because, []).append(method.name)
    named = "; ".join(f"{', '.join(names)}: {reason}" for reason, names in why.items())
    return [f"eager  {named}. Such steps are neither compiled nor stacked"] if named else []


def callbacks_text(callbacks: Sequence[Callback]) -> list[str]:
    """Return lines that say which callbacks the runs have, and what those after every step cost."""
    lines: list[str] = []
    if callbacks:
        what = (
            "only watches" if each.only_watches else "may stop runs or set their rate" for each in callbacks
        )
        named = (f"{each.name} {does}" for each, does in zip(callbacks, what, strict=True))
        lines.append(f"       callbacks: {'; '.join(named)}")
    if often := ", ".join(each.name for each in callbacks if is_at_batches(each)):
        lines.append(f"       called after every step, so that every step is a call of its own: {often}")
    return lines


def arms_left_out(whole: Setup, part: Setup, minutes: float | None) -> str:
    """Return in a sentence which arms of a comparison have no results because time was up; nothing if all have some.

    Args:
        whole: the comparison.
        part: what of it is complete.
        minutes: the time budget.
    """
    have = {arm.id for arm in part.arms}
    names = [arm.title for arm in whole.arms if arm.id not in have]
    budget = f"the time budget of {counted(minutes or 0, 'minute')}"
    return f"Left out, as not expected to end within {budget}: {listed(names)}." if names else ""


def time_used(minutes: float, gone: float, left: float) -> str:
    """Return how much of a time budget is used where nothing more is begun.

    Args:
        minutes: the budget.
        gone: seconds since it began.
        left: seconds that runs could still have had, in which what comes next was not expected to end.

    Example:
        >>> time_used(2.0, 76.0, 41.0)
        '76 s of the time budget of 2 minutes are used, and what is missing was not expected to fit into the rest'
        >>> time_used(2.0, 121.0, -3.0)
        'the time budget of 2 minutes is used up'
    """
    budget = f"the time budget of {counted(minutes, 'minute')}"
    if left <= 0:
        return f"{budget} is used up"
    return (
        f"{fmt.seconds(gone)} of {budget} are used, and what is missing was not expected to fit into the rest"
    )


def left_out(whole: Setup, part: Setup) -> list[str]:
    """Return in words what a part lacks: arms, seeds, and runs that are made of optimizers beside the seeds.

    Args:
        whole: the comparison.
        part: a part of it.
    """
    lacking: list[str] = []
    have = {arm.id for arm in part.arms}
    if names := [arm.title for arm in whole.arms if arm.id not in have]:
        lacking.append(f"{'arm' if len(names) == 1 else 'arms'} {listed(names)}")
    if seeds := [str(each) for each in whole.seeds[len(part.seeds) :]]:
        lacking.append(f"{len(seeds)} of {counted(len(whole.seeds), 'seed')} of all arms ({listed(seeds)})")
    if (part.scan_rates, part.full_rates) != (whole.scan_rates, whole.full_rates):
        rates = max(part.trial_counts.values(), default=part.scan_rates)
        what = "rate" if rates_alone([arm.method for arm in whole.arms if arm.tuned]) else "trial"
        best = f"the best {part.full_rates} at full length" if part.full_rates else "the best of them"
        lacking.append(f"the tuning beyond {counted(rates, what)} and {best}")
    if whole.has_references and not part.has_references:
        lacking.append("the runs at library defaults and without a schedule")
    return lacking
