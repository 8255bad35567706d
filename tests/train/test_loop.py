"""One run: repeatable, blind to how often it is watched, and honest about how it ended."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from steepest.data.dataset import Part, Shape
from steepest.data.table import read_table
from steepest.errors import ModelError, OptionError, StepError, is_out_of_memory
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod, Method, StepInfo
from steepest.recipe import Recipe
from steepest.record.schema import CurvePoint, Record, RunKey
from steepest.schedules import make_schedule
from steepest.sweep.contestants import whole_spec
from steepest.train import loop
from steepest.train.active import ActiveRun
from steepest.train.curves import evaluation_steps, overfits
from steepest.train.doubts import check_model
from steepest.train.loop import train


@pytest.fixture(scope="module")
def data(churn):
    return read_table(churn, target="churned").dataset()


def run(
    data,
    optimizer="adam(lr=0.01)",
    *,
    seed=0,
    steps=30,
    evaluations=5,
    model=None,
    wrap=lambda method: method,
    **changes,
):
    rule = make_rule(optimizer)
    values = {
        "data": data.fingerprint, "model": "embedding-mlp(hidden=(8,))", "optimizer": whole_spec(rule),
        "schedule": "cosine", "steps": steps, "batch_size": 32,
        "metric": "log_loss" if data.task == "classification" else "rmse", **changes,
    }  # fmt: skip
    recipe = Recipe(**values)
    key = RunKey(name=rule.called, recipe=recipe.id, seed=seed, phase="final")
    method = wrap(GradientMethod(rule, make_schedule(recipe.schedule, steps), recipe.clip))
    return train(data, recipe, key, method, model=model, evaluations=evaluations, metrics=("accuracy",) if data.task ==
                 "classification" else (), read_test=True)  # fmt: skip


def same(a, b) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(data) -> None:
    first, second, other = run(data), run(data), run(data, seed=1)
    assert same(first.weights, second.weights)
    assert torch.equal(first.test_row_losses, second.test_row_losses)
    assert not same(first.weights, other.weights)


def test_watching_changes_nothing(data) -> None:
    rare, often = run(data, evaluations=1), run(data, evaluations=30)
    assert rare.record.test_last == often.record.test_last
    assert len(often.record.curve) > len(rare.record.curve)


def test_the_callers_random_numbers_change_nothing_and_are_not_changed(data) -> None:
    torch.manual_seed(1)
    first = run(data)
    expected = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(99)
    assert same(first.weights, run(data).weights)


def test_best_weights_are_those_of_the_best_evaluation(data) -> None:
    found = run(data, "sgd(lr=3)", steps=60, evaluations=20, schedule="constant")
    values = [point.validation["log_loss"] for point in found.record.curve]
    assert found.record.best["log_loss"] == min(values)
    assert found.record.curve[values.index(min(values))].step == found.record.best_step
    net = build_model("embedding-mlp(hidden=(8,))", data.shape)
    net.load_state_dict(found.weights)
    outputs = net.eval()(*data.validation.inputs).detach()
    loss = torch.nn.functional.cross_entropy(outputs.double(), data.validation.target)
    assert float(loss) == pytest.approx(min(values), rel=1e-6)


def test_divergence_is_recorded_with_its_step(data) -> None:
    found = run(data, "sgd(lr=1e30)").record
    assert found.outcome == "diverged"
    assert "at step" in found.reason
    assert found.test == {}
    assert not found.overfitting


@pytest.mark.parametrize(
    ("values", "training", "epochs", "expected"),
    [
        ((0.5, 0.4, 0.45), (0.5, 0.4, 0.3), 3, True),
        ((0.5, 0.4, 0.45), (0.5, 0.4, 0.3), 1, False),  # no row was seen twice
        ((0.5, 0.4, 0.403), (0.5, 0.4, 0.3), 3, False),
        ((0.5, 0.4, 0.45), (0.5, 0.4, 0.6), 3, False),  # the rate is too high
        ((0.5, 0.4, 0.3), (0.5, 0.4, 0.3), 3, False),
    ],
)
def test_overfitting_is_worse_validation_with_better_training(values, training, epochs, expected) -> None:
    for sign, higher in ((1, False), (-1, True)):
        curve = [
            CurvePoint(step=i, epoch=epochs * i / 2, seconds=0, gradients=i, train_loss=loss,
                  validation={"m": sign * value})
            for i, (value, loss) in enumerate(zip(values, training, strict=True))
        ]  # fmt: skip
        best = min(range(3), key=lambda i: values[i])
        assert overfits(curve, best, "m", higher) == expected


def test_less_than_an_epoch_is_never_overfitting(data) -> None:
    found = run(data, "sgd(lr=3)", steps=14, evaluations=14, schedule="constant").record
    assert found.curve[-1].epoch < 1
    assert found.last["log_loss"] > 1.01 * found.best["log_loss"]
    assert not found.overfitting


class Failing(Method):
    """A method whose third step cannot be made."""

    def __init__(self, inside: Method, error: BaseException) -> None:
        self.inside = inside
        self.error = error
        self.lr = inside.lr

    def init(self, problem):
        return self.inside.init(problem)

    def steps(self, problem, state, feed, first, count):
        for index, info in enumerate(self.inside.steps(problem, state, feed, first, count), first):
            if index == 2:
                raise self.error
            yield info

    def evaluation_parameters(self, state):
        return self.inside.evaluation_parameters(state)


NO_MEMORY = [
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: 4000000000000 bytes"),
    RuntimeError("DefaultCPUAllocator: not enough memory: you tried to allocate 4000000000000 bytes."),
    MemoryError(),
]  # fmt: skip


@pytest.mark.parametrize("error", NO_MEMORY, ids=lambda error: type(error).__name__ + str(error)[-12:])
def test_out_of_memory_is_recorded_with_its_step_and_batch(data, error) -> None:
    record = run(data, "adam(lr=0.01)", wrap=lambda method: Failing(method, error)).record
    assert record.outcome == "out of memory"
    assert record.failed
    assert record.reason == "at step 3 with batches of 32 rows"
    assert record.test == {}
    assert Record.model_validate_json(record.model_dump_json()).reason == record.reason


def test_real_allocations_that_fail_are_recognised() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**62, dtype=torch.int8)
    assert is_out_of_memory(caught.value)


@pytest.mark.parametrize("options", [{"hidden": (10**16,)}, {"embedding": {"c": 10**16}}])
def test_a_model_that_does_not_fit_into_memory_says_what_to_do(options: dict[str, object]) -> None:
    shape = Shape("classification", {"c": 4}, ("x",), 2)
    with pytest.raises(ModelError, match="does not fit into memory") as caught:
        build_model("embedding-mlp", shape, **options)
    assert "--hidden, --embedding" in caught.value.hint


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (
            torch.linalg.LinAlgError("the matrix is singular"),
            "at step 3: LinAlgError: the matrix is singular",
        ),
        (ValueError("not\nthis"), "at step 3: ValueError: not"),
        (StepError("mine failed at its step 3", hint="mend it"), "mine failed at its step 3"),
    ],
)
def test_an_error_in_a_step_ends_the_run_and_goes_on_record(data, error, reason) -> None:
    found = run(data, "adam(lr=0.01)", wrap=lambda method: Failing(method, error))
    assert (found.record.outcome, found.record.reason, found.steps) == ("failed", reason, 2)
    assert found.record.failed
    assert found.record.test == {}
    assert found.test_row_losses is None
    assert Record.model_validate_json(found.record.model_dump_json()).reason == reason


def test_what_no_run_can_mend_and_an_interruption_are_raised(data) -> None:
    for error in (OptionError("no rows", hint="leave them out"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            run(data, "adam(lr=0.01)", wrap=lambda method, error=error: Failing(method, error))


class Moody(torch.nn.Module):
    """A model that fails in some of its calls: ``fails(training, rows, calls so far)``."""

    def __init__(self, shape, fails) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(len(shape.continuous), 2)
        self.fails, self.calls = fails, 0

    def forward(self, categorical, continuous):
        self.calls += 1
        if self.fails(self.training, len(continuous), self.calls):
            raise IndexError("out of range")
        return self.layer(continuous)


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        (lambda training, rows, calls: training and calls > 9, "at step "),
        (lambda training, rows, calls: not training and calls > 9, "on the validation rows after step "),
    ],
)
def test_a_model_that_fails_on_the_way_ends_its_run(data, fails, reason) -> None:
    record = run(data, "adam(lr=0.01)", model=lambda shape: Moody(shape, fails)).record
    assert record.outcome == "failed"
    assert record.reason.startswith(reason)
    assert record.reason.endswith("IndexError: out of range")


def test_a_model_that_fails_on_the_test_rows_alone_ends_its_run(data) -> None:
    few = replace(data, test=data.test.take(torch.arange(7)))
    found = run(
        few, "adam(lr=0.01)", model=lambda shape: Moody(shape, lambda training, rows, calls: rows == 7)
    )
    assert (found.record.outcome, found.record.test, found.test_row_losses) == ("failed", {}, None)
    assert found.record.reason == "on the test rows: IndexError: out of range"


def test_a_model_that_fails_before_the_first_step_is_an_error(data) -> None:
    with pytest.raises(ModelError, match="fails on the validation rows: IndexError: out of range"):
        run(
            data,
            "adam(lr=0.01)",
            model=lambda shape: Moody(shape, lambda training, rows, calls: not training),
        )


def test_nan_in_the_inputs_is_named_as_the_cause(data) -> None:
    categorical, continuous = data.train.inputs
    spoiled = continuous.clone()
    spoiled[:, 0] = float("nan")
    part = Part((categorical, spoiled), data.train.target)
    record = run(replace(data, train=part), "adam(lr=0.01)").record
    assert record.outcome == "diverged"
    assert record.reason == "the loss is nan at step 1: the inputs hold NaN or infinite values"
    categorical, continuous = data.validation.inputs
    part = Part((categorical, continuous + float("nan")), data.validation.target)
    record = run(replace(data, validation=part), "adam(lr=0.01)").record
    assert "validation" in record.reason
    assert record.reason.endswith("the inputs hold NaN or infinite values")


def test_a_model_that_gives_nan_from_the_start_is_named_as_the_cause(data) -> None:
    def spoiled(shape):
        net = build_model("embedding-mlp(hidden=(8,))", shape)
        with torch.no_grad():
            for each in net.parameters():
                each.fill_(float("nan"))
        return net

    record = run(data, "adam(lr=0.01)", model=spoiled).record
    assert record.reason.endswith("at step 1: the model gives NaN before its first step")


def test_patience_stops_early(data) -> None:
    record = run(data, "adam(lr=0.1)", steps=600, evaluations=60, patience=3, schedule="constant").record
    assert record.outcome == "stopped early"
    assert record.curve[-1].step < 600


def test_clipping_bounds_the_gradient(data) -> None:
    free, clipped = run(data, "sgd(lr=1.0)"), run(data, "sgd(lr=1.0)", clip=1e-9)
    start = build_model("embedding-mlp(hidden=(8,))", data.shape, seed=0).state_dict()
    moved = lambda found: max(  # noqa: E731
        float((found.weights[n] - start[n]).abs().max())
        for n, p in start.items()
        if "running" not in n and "num_b" not in n
    )
    assert moved(clipped) <= 1e-7
    assert moved(free) > 1e-3


def test_class_weights_move_predictions(data) -> None:
    index = data.classes.index("yes")
    plain, heavy = (
        run(data, steps=60),
        run(data, steps=60, class_weights=tuple(20.0 if i == index else 1.0 for i in range(2))),
    )
    rows = lambda found: (_outputs(data, found).argmax(1) == index).sum()  # noqa: E731
    assert rows(heavy) > rows(plain)


def _outputs(data, found):
    net = build_model("embedding-mlp(hidden=(8,))", data.shape)
    net.load_state_dict(found.weights)
    return net.eval()(*data.test.inputs)


def test_curves_count_steps_epochs_and_gradients(data) -> None:
    curve = run(data).record.curve
    assert [point.step for point in curve] == [0, 6, 12, 15, 18, 24, 30]
    assert curve[0].seconds == 0
    assert math.isnan(curve[0].train_loss)
    assert all(point.gradients == point.step for point in curve)
    assert [point.epoch for point in curve[::3]] == [0.0, 1.0, 2.0]
    assert all(a.seconds < b.seconds for a, b in itertools.pairwise(curve))


def test_running_loss_is_debiased(data) -> None:
    record = run(data, "sgd(lr=0)", schedule="constant").record
    assert record.curve[1].train_loss == pytest.approx(math.log(2), abs=0.2)


def test_regression(churn) -> None:
    data = read_table(churn.drop("churned"), target="minutes", task="regression").dataset()
    record = run(data, steps=40).record
    assert set(record.test) == {"rmse"}
    assert record.curve[-1].validation["rmse"] <= record.curve[0].validation["rmse"] * 1.05


class Own(torch.nn.Module):
    """A user's model that goes wrong as it is told to."""

    def __init__(self, shape, output) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(len(shape.continuous), 3)
        self.output = output

    def forward(self, categorical, continuous):
        return self.output(self.layer(continuous))


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (lambda h: h.sum(1), r"shape \(2,\) for 2 rows"),
        (lambda h: h, r"shape \(2, 3\) for 2 rows"),
        (lambda h: h[:1, :2], r"shape \(1, 2\) for 2 rows"),
        (lambda h: h.no_such_method(), "fails on 2 rows.*no_such_method"),
    ],
)
def test_a_model_that_does_not_fit_is_told(data, output, said) -> None:
    with pytest.raises(ModelError, match=said):
        check_model(Own(data.shape, output), data)
    check_model(Own(data.shape, lambda h: h[:, :2]), data)


class Members(torch.nn.Module):
    """A user's model of five members, whose training outputs are in some order of dimensions."""

    def __init__(self, shape, trained) -> None:
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.BatchNorm1d(len(shape.continuous)), torch.nn.Dropout(0.5))
        self.layer = torch.nn.Linear(len(shape.continuous), 5 * shape.outputs)
        self.trained = trained

    def forward(self, categorical, continuous):
        outputs = self.layer(self.body(continuous)).unflatten(1, (5, -1))
        return self.trained(outputs) if self.training else outputs.mean(1)


@pytest.mark.parametrize(
    ("trained", "said"),
    [
        (lambda h: h.transpose(1, 2), r"in training mode the model returned shape \(2, 2, 5\)"),
        (lambda h: h.transpose(0, 1), r"in training mode the model returned shape \(5, 2, 2\)"),
        (lambda h: h.flatten(1), r"in training mode the model returned shape \(2, 10\)"),
    ],
)
def test_members_that_do_not_fit_are_told(data, trained, said) -> None:
    with pytest.raises(ModelError, match=said):
        check_model(Members(data.shape, trained), data)
    net = Members(data.shape, lambda h: h)
    before = {name: each.clone() for name, each in net.state_dict().items()}
    state = torch.random.get_rng_state()
    check_model(net, data)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert net.training
    assert all(torch.equal(each, before[name]) for name, each in net.state_dict().items())


def test_evaluation_steps() -> None:
    assert sorted(evaluation_steps(1, 10, 20)) == [1]
    assert max(evaluation_steps(100, 7, 20)) == 100
    assert {7, 14, 98} <= evaluation_steps(100, 7, 20)


class Ticking:
    """A clock that goes on by a second with every step."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(("seconds", "ends"), [(0.5, 1), (37.5, 38), (99.5, 100), (1000.0, 200)])
def test_the_time_of_training_ends_a_run_between_its_evaluations(data, monkeypatch, seconds, ends) -> None:
    clock, took = Ticking(), ActiveRun.took

    def ticks(self: ActiveRun, info: StepInfo) -> None:
        clock.now += 1.0
        took(self, info)

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=clock))
    monkeypatch.setattr(ActiveRun, "took", ticks)
    limited = run(data, steps=200, evaluations=2, max_seconds=seconds).record
    assert limited.curve[-1].step == ends
    assert limited.out_of_time == (ends < 200)
    assert limited.outcome == ("stopped early" if ends < 200 else "finished")
    endless = run(data, steps=200, evaluations=2).record
    assert [each.step for each in limited.curve] == sorted(
        {*(each.step for each in endless.curve if each.step <= ends), ends}
    )
    same_steps = [each for each in limited.curve if each.step in {one.step for one in endless.curve}]
    assert [each.validation for each in same_steps] == [
        each.validation for each in endless.curve[: len(same_steps)]
    ]


def test_a_run_whose_time_is_up_may_have_been_still_improving(data) -> None:
    assert evaluation_steps(200, 14, 2) == {100, 200}
    ended = run(data, "sgd(lr=0.01)", steps=10_000, evaluations=5000, max_seconds=1e-3, schedule="constant")
    assert ended.record.out_of_time
    best = ended.record.best_step == ended.record.curve[-1].step
    assert ended.record.still_improving == (best and len(ended.record.curve) > 2)
