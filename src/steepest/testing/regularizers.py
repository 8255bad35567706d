"""The suite for whoever writes a regularizer, to subclass in a test file."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steepest.data.batches import BatchPlan
from steepest.data.dataset import Part
from steepest.errors import SteepestError
from steepest.objectives import make_objective
from steepest.objectives.target import ClassTarget, NumberTarget
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.regularizers import Moment, Place, Regularizer, read_regularizers, regularizer_text
from steepest.regularizers.applied import attach, source_of
from steepest.rng import stream, torch_stream
from steepest.schedules import make_schedule
from steepest.train.compiled import CompiledMethod
from steepest.train.problem import SupervisedProblem
from steepest.train.program import flat, step_of, trace

ROWS, STEPS = 24, 4
CATEGORIES, CLASSES, RATE = 5, 3, 0.1


class Net(nn.Module):
    """A small network with parameters of every role, dropout and batch norm."""

    def __init__(self) -> None:
        super().__init__()
        self.codes = nn.Embedding(CATEGORIES, 3)
        self.body = nn.Sequential(
            nn.Linear(6, 4, bias=False), nn.BatchNorm1d(4), nn.Tanh(), nn.Dropout(0.2), nn.Linear(4, 1)
        )

    def forward(self, categorical: Tensor, continuous: Tensor) -> Tensor:
        """Return a value for each row, [B, 1]."""
        return self.body(torch.cat([self.codes(categorical[:, 0]), continuous], 1))


class RegularizerConformance:
    """The suite for a regularizer of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        regularizers: its specifications, between them with every option.
        refused: specifications of it with values that it should refuse.
        penalty: a slow version of its penalty, ``penalty(regularizer, weights) → float`` with a list of NumPy arrays.
        gradient: of the gradient, ``gradient(regularizer, gradient, weight, noise, step) → array``, steps from 0.
        decayed: of a weight before the update, ``decayed(regularizer, weight, rate) → array``.
        updated: of a weight after the update, ``updated(regularizer, weight) → array``.
        averaged: of the average, ``averaged(regularizer, weights) → array`` of the weights after every step so far.

    The slow versions are given as a ``staticmethod``. Without them the suite knows whether the regularizer keeps its
    contract but not whether it is the right one.

    Example:
        >>> class TestMine(RegularizerConformance):
        ...     regularizers = ("l2(0.1)", "l2(0.1, on=all)")
        ...     refused = ("l2(0)",)
        ...     penalty = staticmethod(lambda l2, weights: l2.strength * sum((each**2).sum() for each in weights))
        >>> TestMine().test_is_the_textbook()
    """

    regularizers: Sequence[str] = ()
    refused: Sequence[str] = ()
    penalty: Callable[[Any, Any], float] | None = None
    gradient: Callable[[Any, Any, Any, Any, int], Any] | None = None
    decayed: Callable[[Any, Any, float], Any] | None = None
    updated: Callable[[Any, Any], Any] | None = None
    averaged: Callable[[Any, Any], Any] | None = None

    def _made(self) -> list[Regularizer]:
        return [each for text in self.regularizers for each in read_regularizers(text)]

    def test_is_what_its_text_says(self) -> None:
        """Its specification, with every option, makes the same regularizer again."""
        for text in self.regularizers:
            written = regularizer_text(text)
            assert read_regularizers(written) == read_regularizers(text), f"{written} is another regularizer"

    def test_does_something(self) -> None:
        """It changes what it acts on, with shapes and types as they were; what it is given stays as it is."""
        for made in self._made():
            assert made.places, f"{made} acts nowhere"
            for dtype in (torch.float32, torch.float64):
                for place in _changing(made):
                    given, fresh = _given(place, dtype), _given(place, dtype)
                    after = _act(made, place, given)
                    pairs = list(zip(fresh, after, strict=False))
                    assert any(not torch.equal(*pair) for pair in pairs), f"{made} changes no {place}"
                    same = place == "labels" or all(
                        a.shape == b.shape and a.dtype == b.dtype for a, b in pairs
                    )
                    assert same, f"{made}: other shapes or types at {place}"
                    kept = all(torch.equal(a, b) for a, b in zip(given, fresh, strict=True))
                    assert kept, f"{made} changes its arguments at {place}"

    def test_draws_from_its_own_stream_only(self) -> None:
        """The same run and step give the same numbers, whatever was drawn elsewhere in between."""
        for made in self._made():
            for place in _changing(made):
                first, again = (_act(made, place, _given(place, torch.float64)) for _ in range(2))
                same = all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
                assert same, f"{made} draws from another generator than it is given"

    def test_the_gradient_is_that_of_the_penalty(self) -> None:
        """Autograd gives what finite differences give, in float64."""
        for made in self._made():
            if "penalty" not in made.places:
                continue
            weights = {name: each.requires_grad_() for name, each in _weights(torch.float64).items()}
            value = made.penalty(weights)
            assert value.shape == (), f"the penalty of {made} has the shape {list(value.shape)}"
            found = torch.autograd.grad(value, list(weights.values()))
            for (name, weight), slopes in zip(weights.items(), found, strict=True):
                step = torch.zeros_like(weight)
                step.view(-1)[1] = 1e-6
                with torch.no_grad():
                    up, down = (made.penalty({**weights, name: weight + each}) for each in (step, -step))
                slope = float(up - down) / 2e-6
                assert abs(slope - float(slopes.view(-1)[1])) < 1e-6 * max(1.0, abs(slope)), f"{made}: {name}"

    def test_a_traced_step_is_the_eager_step(self) -> None:
        """Some steps as a graph, which is what is compiled, leave the weights and averages of eager ones."""
        for made in self._made():
            eager, traced = _trained(made, traced=False), _trained(made, traced=True)
            for name, right in eager.items():
                found = traced[name]
                assert torch.allclose(found, right, rtol=1e-9, atol=1e-11), f"{made}: {name} differs"

    def test_can_be_mapped_over_runs(self) -> None:
        """What it does to stacked runs is what it does to each of them."""
        for made in self._made():
            for place in set(made.places) - {"batch", "labels", "layers", "length"}:
                runs = [_given(place, torch.float64, seed) for seed in (0, 1)]
                stacked = [torch.stack(each) for each in zip(*runs, strict=True)]
                together = torch.func.vmap(partial(_act, made, place))(stacked)
                for number, run in enumerate(runs):
                    for found, right in zip(together, _act(made, place, run), strict=True):
                        close = torch.allclose(found[number], right, rtol=1e-10, atol=1e-12)
                        assert close, f"{made}: {place} depends on other runs"

    def test_is_the_textbook(self) -> None:
        """Penalty, gradient, weights and averages are those of the slow versions."""
        for made in self._made():
            weights = _weights(torch.float64)
            plain = {name: each.numpy().copy() for name, each in weights.items()}
            if self.penalty is not None:
                _alike(made, "penalty", made.penalty(weights), self.penalty(made, list(plain.values())))
            for name, weight in weights.items():
                if self.gradient is not None:
                    for step in (0, 3):
                        noise = made.noise(stream(0, "regularizer", step), weight.numel())
                        drawn = (
                            None
                            if noise is None
                            else torch.from_numpy(noise).to(weight).reshape(weight.shape)
                        )
                        found = made.gradient(2 * weight, weight, drawn, _numbers(made, step))
                        shaped = None if drawn is None else drawn.numpy()
                        right = self.gradient(made, 2 * plain[name], plain[name], shaped, step)
                        _alike(made, "gradient", found, right)
                if self.decayed is not None:
                    found = made.decayed(weight, _numbers(made, 0))
                    _alike(made, "decayed", found, self.decayed(made, plain[name], RATE))
                if self.updated is not None:
                    found = made.updated(weight, _numbers(made, 0))
                    _alike(made, "updated", found, self.updated(made, plain[name]))
                if self.averaged is not None:
                    average, past = weight, [(1 + step) * plain[name] for step in range(STEPS)]
                    for step, value in enumerate(past):
                        average = made.averaged(average, torch.from_numpy(value), _numbers(made, step))
                    _alike(made, "averaged", average, self.averaged(made, past))

    def test_refuses(self) -> None:
        """Values out of range are errors that carry a hint."""
        for text in self.refused:
            try:
                read_regularizers(text)
            except SteepestError:
                continue
            raise AssertionError(f"{text} is not refused")


def _numbers(made: Regularizer, step: int) -> dict[str, float]:
    """Return its numbers of a step."""
    return made.numbers(Moment(step, STEPS, RATE))


def _alike(made: Regularizer, what: str, found: Tensor, right: Any) -> None:
    expected = torch.as_tensor(np.asarray(right, dtype=np.float64))
    assert torch.allclose(found.detach(), expected, rtol=1e-9, atol=1e-12), (
        f"{made}: {what} is {found}, not {right}"
    )


def _weights(dtype: torch.dtype, seed: int = 0) -> dict[str, Tensor]:
    """Return two weights of layers, of which some rows are long and none is 0."""
    draw = stream(seed, "data", 7)
    shapes = {"first": (4, 6), "second": (3, 4)}
    return {
        name: torch.from_numpy(3 * draw.standard_normal(shape)).to(dtype) for name, shape in shapes.items()
    }


def _classes(dtype: torch.dtype) -> Part:
    """Return rows of numbers with classes."""
    draw = stream(0, "data", 9)
    numbers = torch.from_numpy(draw.standard_normal((ROWS, 3))).to(dtype)
    return Part((numbers,), torch.from_numpy(draw.integers(0, CLASSES, ROWS)))


def _part(dtype: torch.dtype) -> Part:
    draw = stream(0, "data", 8)
    codes = torch.from_numpy(draw.integers(0, CATEGORIES, (ROWS, 1)))
    numbers = torch.from_numpy(draw.standard_normal((ROWS, 3))).to(dtype)
    return Part((codes, numbers), torch.from_numpy(draw.standard_normal(ROWS)).to(dtype))


def _changing(made: Regularizer) -> list[Place]:
    """Return the places at which it returns something of the same kind as it is given."""
    return [place for place in made.places if place not in ("layers", "penalty", "length")]


def _given(place: Place, dtype: torch.dtype, seed: int = 0) -> list[Tensor]:
    """Return what it changes at a place, and then the weights where these are something else."""
    if place in ("batch", "labels"):
        return list((_part if place == "batch" else _classes)(dtype).tensors)
    weights = list(_weights(dtype, seed).values())
    factor = {"gradient": 2.0, "average": 0.5}.get(place)
    return weights if factor is None else [*(factor * each for each in weights), *weights]


def _act(made: Regularizer, place: Place, given: Sequence[Tensor]) -> list[Tensor]:
    """Return what it makes of them in the second step of a run."""
    c, half = _numbers(made, 1), len(given) // 2
    if place == "batch":
        part = _part(given[1].dtype).holding(given)
        return list(made.batch(part, source_of(0, 1)(made)).tensors)
    if place == "labels":
        part = _classes(given[0].dtype).holding(given)
        return list(made.labels(part, ClassTarget(CLASSES), source_of(0, 1)(made)).tensors)
    if place == "decay":
        return [made.decayed(each, c) for each in given]
    if place == "penalty":
        return [made.penalty({str(i): each for i, each in enumerate(given)})]
    if place == "update":
        return [made.updated(each, c) for each in given]
    pairs = list(zip(given[:half], given[half:], strict=True))
    if place == "average":
        return [made.averaged(average, weight, c) for average, weight in pairs]
    found: list[Tensor] = []
    for gradient, weight in pairs:
        noise = made.noise(stream(0, "regularizer", 1), weight.numel())
        drawn = None if noise is None else torch.from_numpy(noise).to(weight.dtype).reshape(weight.shape)
        found.append(made.gradient(gradient, weight, drawn, c))
    return found


def _trained(made: Regularizer, *, traced: bool) -> dict[str, Tensor]:
    """Return the weights, buffers and averages after some steps on all parameters that it acts on."""
    labels = "labels" in made.places
    with torch_stream(0, "init"):
        net = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, CLASSES)) if labels else Net()
    net = net.double().train()
    part = (_classes if labels else _part)(torch.float64)
    target = ClassTarget(CLASSES) if labels else NumberTarget()
    attach([made], net, part)
    problem = SupervisedProblem(
        net,
        make_objective("", target),
        columns=() if labels else ("code",),
        regularizers=[made],
        target=target,
        length=STEPS,
    )
    feed = problem.feed(part, BatchPlan(ROWS, 8, 0), 0)
    rule, schedule = make_rule("adam(lr=0.1)"), make_schedule("constant", STEPS)
    if not traced:
        method = GradientMethod(rule, schedule, clip=1.0)
        state = method.init(problem)
        list(method.steps(problem, state, feed, 0, STEPS))
        averages = method.evaluation_parameters(state) or {}
    else:
        method = CompiledMethod(rule, schedule, clip=1.0)
        state = method.init(problem)
        changing = method.prepared(problem, state, feed, 0, STEPS)
        graph = trace(state.program, state.state, step_of(changing, 0, "cpu")).graph
        with torch.no_grad():
            for step in range(STEPS):
                graph(*flat(state.state, step_of(changing, step, "cpu")))
        averages = state.state.averages
    found = copy.deepcopy(net.state_dict())
    return {**found, **{f"average of {name}": each for name, each in averages.items()}}
