"""Every schedule: bounded, pure, scaled to the run's length, equal to torch's where torch has it."""

from __future__ import annotations

import math

import pytest
import torch

from steepest.components.grammar import parse
from steepest.errors import OptionError, UnknownNameError
from steepest.optim import make_rule
from steepest.schedules import make_schedule, registry, warmup

EXAMPLES = {
    "constant": "constant",
    "linear": "linear(final=0.1)",
    "cosine": "cosine(final=0.1)",
    "polynomial": "polynomial(power=3.0, final=0.1)",
    "exponential": "exponential(final=0.001)",
    "inverse-time": "inverse-time(period=0.2)",
    "inverse-sqrt": "inverse-sqrt(period=0.2)",
    "step": "step(factor=0.5, period=0.25)",
    "sgdr": "sgdr(cycles=2, multiplier=3.0)",
    "one-cycle": "one-cycle",
    "wsd": "wsd(warm=0.1, decay=0.3)",
    "warmup": "warmup(cosine(final=0.1), length=0.1)",
    "join": "join(constant, linear, cosine, at=(0.3, 0.6))",
    "scale": "scale(cosine, 0.5)",
    "beginning": "beginning(cosine, 0.5)",
    "repeat": "repeat(linear(final=0.5), 4)",
}


def values(text: str, steps: int) -> list[float]:
    schedule = make_schedule(text, steps)
    return [schedule(step) for step in range(steps)]


def test_every_schedule_has_an_example() -> None:
    assert set(EXAMPLES) == set(registry.names())


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_multipliers_are_bounded_and_pure(text: str) -> None:
    schedule = make_schedule(text, 200)
    forward = [schedule(step) for step in range(201)]
    assert all(math.isfinite(each) and 0.0 <= each <= 1.0 for each in forward)
    assert [schedule(step) for step in reversed(range(201))] == forward[::-1]
    assert max(forward) > 0.4


@pytest.mark.parametrize("text", [each for each in EXAMPLES.values() if each != "constant"])
def test_a_shorter_run_sees_the_whole_shape(text: str) -> None:
    """Shares are of the run, so four times the steps are the same curve, four times as fine."""
    short, long = values(text, 100), values(text, 400)
    apart = sorted(abs(a - long[4 * number]) for number, a in enumerate(short))
    assert apart[-5] < 0.08  # a warm-up of ten steps has stairs; the few places beside a jump may differ


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_one_step_is_enough(text: str) -> None:
    if parse(text).name in ("join", "repeat"):
        with pytest.raises(OptionError):
            make_schedule(text, 1)
    else:
        assert 0.0 <= make_schedule(text, 1)(0) <= 1.0


def torch_values(make, steps: int) -> list[float]:
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    scheduler = make(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return found


schedulers = torch.optim.lr_scheduler


@pytest.mark.parametrize(
    ("text", "make"),
    [
        ("cosine(final=0.1)", lambda o: schedulers.CosineAnnealingLR(o, 60, eta_min=0.1)),
        ("linear(final=0.2)", lambda o: schedulers.LinearLR(o, 1.0, 0.2, 60)),
        ("polynomial(power=3.0)", lambda o: schedulers.PolynomialLR(o, 60, power=3.0)),
        ("exponential(final=0.01)", lambda o: schedulers.ExponentialLR(o, 0.01 ** (1 / 60))),
        ("step(factor=0.3, period=7)", lambda o: schedulers.StepLR(o, 7, 0.3)),
        ("one-cycle", lambda o: schedulers.OneCycleLR(o, 1.0, total_steps=60, cycle_momentum=False)),
        ("sgdr(cycles=4, multiplier=2.0)", lambda o: schedulers.CosineAnnealingWarmRestarts(o, 4, 2)),
        ("inverse-time(period=1)", lambda o: schedulers.LambdaLR(o, lambda t: 1 / (1 + t))),
    ],
)
def test_equals_torch(text: str, make) -> None:
    assert values(text, 60) == pytest.approx(torch_values(make, 60), rel=1e-9, abs=1e-12)


def test_any_torch_optimizer_can_use_one() -> None:
    schedule = make_schedule("warmup(cosine, length=0.25)", 8)
    assert torch_values(lambda o: schedulers.LambdaLR(o, schedule), 8) == [schedule(t) for t in range(8)]


def test_the_published_annealing_by_epoch() -> None:
    """Four rules of the course notebook, 10 epochs of 6 steps, as stairs of whole epochs."""
    epochs = range(10)
    assert values("inverse-sqrt(period=6, stairs=True)", 60)[::6] == pytest.approx(
        [(e + 1) ** -0.5 for e in epochs]
    )
    assert values("step(factor=0.1, period=6)", 60)[5::6] == pytest.approx([0.1**e for e in epochs])
    assert values("linear", 60)[::6] == pytest.approx([1 - 0.1 * e for e in epochs])


def test_restarts_with_a_multiplier_are_seven_units_long() -> None:
    """Three cycles of length 1 with multiplier 2 are 7 epochs: restarts after 1 and after 3 of them."""
    found = values("sgdr(cycles=3, multiplier=2)", 700)
    restarts = [step for step in range(1, 700) if found[step] > found[step - 1]]
    assert restarts == [100, 300]


def test_a_schedule_reaches_the_rule() -> None:
    param = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))
    optimizer = make_rule("sgd(lr=1)").optimizer([param], schedule=make_schedule("join(constant, linear)", 4))
    for _ in range(4):
        param.grad = torch.ones(1, dtype=torch.float64)
        optimizer.step()
    assert param.item() == pytest.approx(-(1 + 1 + 1 + 0.5))


@pytest.mark.parametrize("text", EXAMPLES.values(), ids=EXAMPLES)
def test_a_specification_is_its_own_text(text: str) -> None:
    again = str(parse(text))
    assert str(parse(again)) == again
    assert values(again, 50) == values(text, 50)


@pytest.mark.parametrize(
    ("text", "steps", "fact", "hint"),
    [
        ("cosine", 0, "not 0", "longer"),
        ("cosine(final=2)", 10, "final=2", "from 0 to 1"),
        ("cosine(finl=0.1)", 10, "finl", "final"),
        ("cosine(final=abc)", 10, "wrong kind", "numbers"),
        ("constant(0.1)", 10, "constant(0.1)", "no options"),
        ("warmup(length=1.5)", 10, "length=1.5", "share"),
        ("warmup(length=-1)", 10, "length=-1", "share"),
        ("join(constant, linear, at=(0.5, 0.7))", 10, "(0.5, 0.7)", "one increasing place"),
        ("join(constant, linear, cosine, at=(0.7, 0.5))", 10, "(0.7, 0.5)", "increasing"),
        ("repeat(linear, 20)", 10, "times=20", "at most once a step"),
        ("repeat(linear, 2.5)", 10, "times=2.5", "whole number"),
        ("sgdr(cycles=0.5)", 10, "cycles=0.5", "whole number"),
        ("sgdr(cycles=2.5)", 10, "cycles=2.5", "whole number"),
        ("sgdr(cycles=2000)", 10, "2000 cycles", "fewer"),
        ("wsd(warm=0.5, decay=0.8)", 10, "warm=0.5 and decay=0.8", "at most 1"),
        ("scale(linear, 0)", 10, "factor=0", "above 0"),
        ("exponential(final=0)", 10, "final=0", "above 0"),
    ],
)
def test_mistakes_are_named_with_their_cure(text: str, steps: int, fact: str, hint: str) -> None:
    with pytest.raises(OptionError) as caught:
        make_schedule(text, steps)
    assert fact in caught.value.fact
    assert hint in caught.value.hint


def test_an_unknown_inner_schedule_is_named() -> None:
    with pytest.raises(UnknownNameError) as caught:
        make_schedule("warmup(cosin)", 10)
    assert "did you mean 'cosine'" in caught.value.hint


@pytest.mark.parametrize("text", ["warmup(cosine, length=100)", "wsd(warm=100)", "wsd(warm=100, decay=50)"])
@pytest.mark.parametrize("steps", [1, 2, 10, 50])
def test_a_warm_up_longer_than_the_run_still_reaches_the_rate(text: str, steps: int) -> None:
    found = values(text, steps)
    assert max(found) > 0.85 if steps > 2 else max(found) > 0.5
    rising = found.index(max(found))
    assert found[: rising + 1] == sorted(found[: rising + 1])
    assert found[rising:] == sorted(found[rising:], reverse=True)


def test_a_length_that_is_no_number_is_refused() -> None:
    with pytest.raises(OptionError, match="length=nan"):
        warmup(4, "cosine", length=math.nan)


def test_a_schedule_with_a_hyphen_can_be_combined() -> None:
    assert values("warmup(one-cycle, length=2)", 12)[2:] == values("one-cycle", 10)
    assert values("warmup(inverse-sqrt(period=4), length=2)", 12)[2:] == values("inverse-sqrt(period=4)", 10)
