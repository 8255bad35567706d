"""Callbacks see a run as it is, change only what they ask for, and end it where they say."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch

from steepest.errors import OptionError
from steepest.evaluate.outputs import predict
from steepest.models import build_model
from steepest.optim import make_spec
from steepest.optim.method import GradientMethod
from steepest.optim.spec import MethodSettings
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.testing import CallbackConformance
from steepest.train.callback import Callback, Hooks, checked
from steepest.train.compiled import CompiledMethod, Programs
from steepest.train.loop import train
from tests.train.steps import MODEL, TABLES, table, without_compiling

STEPS = 24
EXECUTORS = [
    pytest.param("adam(lr=0.01)", GradientMethod, (), id="eager"),
    pytest.param("adam(lr=0.01)", GradientMethod, TABLES, id="rows"),
    pytest.param("adam(lr=0.01)", CompiledMethod, TABLES, id="compiled rows"),
    pytest.param("schedule-free-adamw(lr=0.01)", CompiledMethod, (), id="compiled"),
    pytest.param("l-bfgs(max_iter=2)", GradientMethod, (), id="several gradients"),
]


@pytest.fixture(scope="module")
def data():
    return table()


PROGRAMS = Programs()
"""Steps are traced once for all tests."""


@pytest.fixture(autouse=True)
def traced_only(monkeypatch):
    without_compiling(monkeypatch)


def execution(executor: Any, rule: Any, given: MethodSettings) -> Any:
    method = executor(rule, given.schedule, given.clip, given.tables)
    if isinstance(method, CompiledMethod):
        method.programs = PROGRAMS
    return method


def run(
    data,
    *callbacks,
    text="adam(lr=0.01)",
    executor: Any = GradientMethod,
    tables=(),
    schedule=None,
    **changes,
):
    spec = make_spec(text)
    values = {"schedule": "cosine", "steps": STEPS, "batch_size": 16, "metric": "log_loss", **changes}
    recipe = Recipe(data=data.fingerprint, model=MODEL, optimizer=whole_spec(spec), **values)
    key = RunKey(name=spec.called, recipe=recipe.id, seed=0, phase="final")
    follows = schedule or make_schedule(recipe.schedule, recipe.length)
    hooks = Hooks(callbacks, follows) if callbacks else None
    settings = MethodSettings(
        hooks.control.rate if hooks else follows,
        tables=tables,
        execute=lambda of, given: execution(executor, of, given),
    )
    method = spec.make(settings)
    return train(data, recipe, key, method, evaluations=4, read_test=True, keep_last=True, hooks=hooks)


def bits(found) -> dict[str, Any]:
    """What a run leaves but for what it cost."""
    record = found.record.model_dump(exclude={"clocks", "cpu_seconds", "peak_memory"})
    for point in record["curve"]:
        del point["seconds"]
    return {"record": repr(record), **{name: each.numpy().tobytes() for name, each in found.last.items()}}


class Log(Callback):
    """Notes everything, and draws random numbers of its own."""

    only_watches = True

    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def note(self, hook, view) -> None:
        torch.rand(3), np.random.rand()  # noqa: NPY002  # the user's own numbers are no part of a run
        weights = view.weights()
        for each in weights.values():
            each.zero_()
        self.seen.append((hook, view.step, view.epoch, view.rate, view.loss, dict(view.values), view.outcome))

    def at_begin(self, view) -> None:
        self.note("begin", view)

    def at_batch(self, view) -> None:
        self.note("batch", view)

    def at_evaluation(self, view) -> None:
        self.note("evaluation", view)

    def at_end(self, view) -> None:
        self.note("end", view)


@pytest.mark.parametrize(("text", "executor", "tables"), EXECUTORS)
def test_a_run_that_is_watched_is_the_same_run(data, text, executor, tables) -> None:
    log = Log()
    how = {"text": text, "executor": executor, "tables": tables}
    assert bits(run(data, log, **how)) == bits(run(data, **how))
    assert [each[0] for each in log.seen].count("batch") == STEPS


def test_what_is_seen_is_what_the_record_says(data) -> None:
    log = Log()
    found = run(data, log).record
    assert log.seen[0][:5] == ("begin", 0, 0.0, 0.01, pytest.approx(math.nan, nan_ok=True))
    seen = [each for each in log.seen if each[0] == "evaluation"]
    assert [(step, epoch, values) for _, step, epoch, _, _, values, _ in seen] == [
        (point.step, point.epoch, point.validation) for point in found.curve[1:]
    ]
    cosine = make_schedule("cosine", STEPS)
    rates = [each[3] for each in log.seen if each[0] == "batch"]
    assert rates == [0.01 * cosine(step) for step in range(STEPS)]
    assert log.seen[-1][0] == "end"
    assert all(each[-1] == "finished" for each in log.seen)


class Keep(Callback):
    """Keeps the weights of every evaluation."""

    only_watches = True

    def __init__(self) -> None:
        self.weights: dict[int, dict[str, torch.Tensor]] = {}

    def at_evaluation(self, view) -> None:
        self.weights[view.step] = view.weights()


@pytest.mark.parametrize(("text", "executor", "tables"), EXECUTORS)
def test_weights_are_those_that_are_evaluated(data, text, executor, tables) -> None:
    keep = Keep()
    found = run(data, keep, text=text, executor=executor, tables=tables)
    for step, weights in ((found.record.best_step, found.weights), (STEPS, found.last)):
        assert keep.weights[step].keys() == weights.keys()
        for name, each in weights.items():
            assert torch.equal(keep.weights[step][name], each), name


class InSample(Callback):
    """Logs the loss on the training rows, by the outputs of the view and by its copy of the model."""

    only_watches = True

    def at_evaluation(self, view) -> None:
        rows = view.training_rows()
        losses = torch.nn.functional.cross_entropy
        view.log("outputs", float(losses(view.training_outputs(), rows.target)))
        with torch.no_grad():
            model = view.model()
            view.log("model", float(losses(model(*rows.inputs), rows.target)))
            for each in model.parameters():
                each.zero_()
        view.log("true", float((view.true_target() == rows.target).double().mean()))


@pytest.mark.parametrize(("text", "executor", "tables"), EXECUTORS)
def test_what_a_callback_logs_of_the_training_rows_is_in_the_record(data, text, executor, tables) -> None:
    how = {"text": text, "executor": executor, "tables": tables}
    found, plain = run(data, InSample(), **how), run(data, **how)
    logged = found.record.logged
    steps = [point.step for point in found.record.curve[1:]]
    assert {name: [step for step, _ in each] for name, each in logged.items()} == dict.fromkeys(
        ("outputs", "model", "true"), steps
    )
    net = build_model(MODEL, data.shape, seed=0)
    net.load_state_dict(found.last)
    last = torch.nn.functional.cross_entropy(predict(net, data.train.inputs), data.train.target)
    assert logged["outputs"][-1][1] == pytest.approx(float(last), rel=1e-6)
    by_model, by_outputs = ([value for _, value in logged[name]] for name in ("model", "outputs"))
    assert by_model == pytest.approx(by_outputs, rel=1e-5)
    assert {value for _, value in logged["true"]} == {1.0}
    unlogged = found.record.model_copy(update={"logged": {}})
    assert bits(replace(found, record=unlogged)) == bits(plain)


class SeesTheTest(Callback):
    """Logs the accuracy on the test rows at the end."""

    def __init__(self, only_watches: bool) -> None:
        self.only_watches = only_watches

    def at_end(self, view) -> None:
        rows = view.test_rows()
        with torch.no_grad():
            found = view.model()(*rows.inputs).argmax(-1)
        view.log("right", float((found == rows.target).double().mean()))


def test_only_a_callback_that_changes_nothing_sees_the_test_rows(data) -> None:
    found = run(data, SeesTheTest(True))
    net = build_model(MODEL, data.shape, seed=0)
    net.load_state_dict(found.last)
    right = (predict(net, data.test.inputs).argmax(-1) == data.test.target).double().mean()
    assert found.record.logged["right"][0][1] == pytest.approx(float(right))
    with pytest.raises(
        OptionError, match="the callback SeesTheTest asks for the test rows but may change the run"
    ):
        run(data, SeesTheTest(False))


class Stop(Callback):
    """Stops in one hook at one step."""

    def __init__(self, hook: str, step: int = 0) -> None:
        self.hook, self.step = hook, step

    def _at(self, hook, view) -> None:
        if hook == self.hook and view.step >= self.step:
            view.stop("enough")

    def at_begin(self, view) -> None:
        self._at("begin", view)

    def at_evaluation(self, view) -> None:
        self._at("evaluation", view)

    def at_end(self, view) -> None:
        self._at("end", view)


class StopAtBatch(Stop):
    """The same after a step."""

    def at_batch(self, view) -> None:
        self._at("batch", view)


@pytest.mark.parametrize(("text", "executor", "tables"), EXECUTORS)
@pytest.mark.parametrize(
    ("callback", "steps", "evaluated"),
    [
        (StopAtBatch("batch", 8), 8, [0, 6]),
        (StopAtBatch("batch", 12), 12, [0, 6]),  # where an evaluation would be due
        (Stop("evaluation", 7), 12, [0, 6, 12]),
        (Stop("begin"), 0, [0]),
    ],
)
def test_a_stop_on_a_batch_skips_the_evaluation_and_one_at_an_evaluation_follows_it(
    data, text, executor, tables, callback, steps, evaluated
) -> None:
    how = {"text": text, "executor": executor, "tables": tables}
    log = Log() if isinstance(callback, StopAtBatch) else Keep()
    found = run(data, callback, log, **how)
    assert (found.record.outcome, found.steps) == ("stopped early", steps)
    assert found.record.reason == f"stopped by {type(callback).__name__}: enough, at step {steps}"
    assert [point.step for point in found.record.curve] == evaluated
    assert not found.record.failed
    assert found.record.test
    if steps:  # the weights are those of the same run at that step
        whole = run(data, keep := Keep(), **how)
        assert whole.record.curve[1] == found.record.curve[1].model_copy(
            update={"seconds": whole.record.curve[1].seconds}
        )
        if steps in keep.weights:
            assert all(torch.equal(keep.weights[steps][name], each) for name, each in found.last.items())


class Halve(Callback):
    """Sets the rate at some steps."""

    def __init__(self, at: dict[int, float]) -> None:
        self.at = at

    def at_evaluation(self, view) -> None:
        if view.step in self.at:
            view.set_rate(self.at[view.step])


class HalveAtBatch(Halve):
    """The same after steps."""

    def at_batch(self, view) -> None:
        self.at_evaluation(view)


@pytest.mark.parametrize(("text", "executor", "tables"), EXECUTORS)
@pytest.mark.parametrize("callback", [Halve({6: 0.5, 18: 0.25}), HalveAtBatch({3: 0.5, 11: 2.0})])
def test_a_rate_that_is_set_is_a_schedule_with_it(data, text, executor, tables, callback) -> None:
    cosine = make_schedule("cosine", STEPS)

    def known(step: int) -> float:
        return cosine(step) * next((m for at, m in reversed(callback.at.items()) if step >= at), 1.0)

    how = {"text": text, "executor": executor, "tables": tables}
    assert (
        bits(run(data, callback, **how)) == bits(run(data, schedule=known, **how)) != bits(run(data, **how))
    )


class Once(Callback):
    """Stops its second evaluation, counted by itself."""

    def __init__(self) -> None:
        self.count = 0

    def at_evaluation(self, view) -> None:
        self.count += 1
        if self.count == 2:
            view.stop("two")


def test_what_a_callback_remembers_of_a_run_does_not_reach_the_next(data) -> None:
    once = Once()
    first, second = run(data, once), run(data, once)
    assert bits(first) == bits(second)
    assert first.steps == 12
    assert once.count == 0


class Broken(Callback):
    def at_batch(self, view) -> None:
        raise ZeroDivisionError("not\nthis")


class Mistyped(Callback):
    def at_evaluation(self, view) -> None:
        if view.values["logloss"]:
            view.stop("no")


class Liar(Callback):
    only_watches = True

    def at_evaluation(self, view) -> None:
        view.stop("no")


class Holds(Callback):
    def __init__(self) -> None:
        self.steps = (step for step in range(3))  # a generator cannot be copied


@pytest.mark.parametrize(
    ("callback", "fact"),
    [
        (Broken(), "the callback Broken fails in at_batch at step 1: ZeroDivisionError: not\n"),
        (Mistyped(), "unknown metric in view.values: 'logloss'\\nHint: did you mean 'log_loss'"),
        (Liar(), "the callback Liar stops the run but has only_watches"),
        (Stop("end"), "the callback Stop stops the run in at_end"),
        (Halve({6: -1.0}), "the callback Halve sets the rate's multiplier to -1.0"),
        (Halve({6: math.nan}), "the callback Halve sets the rate's multiplier to nan"),
    ],
)
def test_faults_of_callbacks_are_errors(data, callback, fact) -> None:
    with pytest.raises(OptionError) as caught:
        run(data, callback)
    assert caught.match(fact)


def test_what_is_no_callback_is_refused() -> None:
    assert checked([Once()])
    with pytest.raises(OptionError, match="is no callback"):
        checked([Once])
    with pytest.raises(OptionError, match="the callback Holds cannot be copied"):
        checked([Holds()])


class TestHalve(CallbackConformance):
    callbacks = (Halve({10: 0.5}), StopAtBatch("batch", 9))


class TestLog(CallbackConformance):
    callbacks = (Log(),)


class Noting(Callback):
    """Logs a number of each run."""

    only_watches = True

    def at_evaluation(self, view) -> None:
        view.log("rmse", view.values["rmse"])


class NotingByRun(Noting):
    by_run = True


class TestNoting(CallbackConformance):
    callbacks = (Noting(), NotingByRun())


class KeepsRuns(NotingByRun):
    """Keeps there what it sees of every run, against the contract."""

    runs: ClassVar[list[int]] = []

    def at_end(self, view) -> None:
        self.runs.append(view.step)


class CountsRuns(NotingByRun):
    """Is its own copy and counts what it sees, against the contract."""

    def __init__(self) -> None:
        self.seen = [0]

    def __deepcopy__(self, memo) -> CountsRuns:
        return self

    def at_end(self, view) -> None:
        self.seen[0] += 1
        view.log("runs", self.seen[0])


@pytest.mark.parametrize("callback", [KeepsRuns(), CountsRuns()])
def test_the_suite_finds_what_is_kept_of_a_run_for_another(callback) -> None:
    class TestKeeps(CallbackConformance):
        callbacks = (callback,)

    with pytest.raises(AssertionError, match="by_run = True but keeps something of a run"):
        TestKeeps().test_by_run()


class Secretly(Callback):
    """Changes the rate, against the contract."""

    only_watches = True

    def at_batch(self, view) -> None:
        view._control.rate.multiplier = 0.5


def test_the_suite_finds_what_changes_a_run_in_secret() -> None:
    class TestSecretly(CallbackConformance):
        callbacks = (Secretly(),)

    with pytest.raises(AssertionError, match="Secretly changes a run"):
        TestSecretly().test_only_watches()


class Travels(Callback):
    """Its runs share what it remembers, against the contract."""

    shared: ClassVar[list[int]] = []

    def at_evaluation(self, view) -> None:
        self.shared.append(1)
        view.set_rate(1 / len(self.shared))


def test_the_suite_finds_runs_that_differ() -> None:
    class TestTravels(CallbackConformance):
        callbacks = (Travels(),)

    with pytest.raises(AssertionError, match="two runs with Travels differ"):
        TestTravels().test_every_run_is_the_same()
