"""The suite for whoever writes a method that is no rule, to subclass in a test file."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.forward_ad import unpack_dual

from steepest.optim import make_spec
from steepest.optim.held import FORWARD, PRODUCT
from steepest.optim.hyper import Hyper
from steepest.optim.spec import MethodSettings, MethodSpec
from steepest.rng import stream, torch_stream
from steepest.testing.rules import bad_values_are_refused, other_values

AnyMethod = MethodSpec[Hyper]
STEPS = 6


class SmallRegression:
    """A small regression: the loss of a batch of rows, with evaluations counted.

    Args:
        noisy: with dropout and batch norm.
    """

    def __init__(self, *, noisy: bool = False) -> None:
        more = (nn.BatchNorm1d(8), nn.Dropout(0.5)) if noisy else ()
        with torch_stream(0, "init"):
            self.model = nn.Sequential(nn.Linear(4, 8), *more, nn.Tanh(), nn.Linear(8, 1)).double()
        draw = stream(0, "data", 5)
        self.inputs = torch.from_numpy(draw.standard_normal((48, 4)))
        self.target = torch.from_numpy(draw.standard_normal((48, 1))) + self.inputs.sum(1, keepdim=True)
        self.places: list[tuple[Tensor, float]] = []
        self.forwards, self.products = 0, 0

    def loss(self, batch: Tensor) -> Tensor:
        """Return the mean squared error of some rows."""
        found = (self.model(self.inputs[batch]) - self.target[batch]).square().mean()
        self._note(float(found.detach()))
        return found

    def outputs_at(self, batch: Tensor, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the outputs of some rows with other parameters; a derivative forwards is not counted."""
        outputs = torch.func.functional_call(self.model, dict(parameters), (self.inputs[batch],))
        if unpack_dual(outputs).tangent is None:
            there = {**dict(self.model.named_parameters()), **parameters}
            found = float(self.batch_loss(outputs.detach(), batch))
            self.places.append((torch.cat([each.detach().reshape(-1) for each in there.values()]), found))
            self.forwards += not torch.is_grad_enabled()
        return outputs

    def batch_loss(self, outputs: Tensor, batch: Tensor) -> Tensor:
        """Return the mean squared error of outputs."""
        return (outputs - self.target[batch]).square().mean()

    def penalised(self, loss: Tensor, params: Mapping[str, Tensor]) -> Tensor:
        """Return the loss: there are no penalties."""
        del params
        return loss

    def bend(self, outputs: Tensor, batch: Tensor, vector: Tensor) -> Tensor:
        """Return the Hessian of the loss in the outputs, times a vector; it is counted as a product."""
        del batch
        self.products += 1
        return vector * (2 / outputs.numel())

    def residuals(self, batch: Tensor) -> Tensor:
        """Return the residuals of some rows, whose squares sum to their loss."""
        found = (self.model(self.inputs[batch]) - self.target[batch])[:, 0] / math.sqrt(len(batch))
        self._note(float(found.detach().square().sum()))
        return found

    def check_residuals(self, called: str) -> None:
        """Every method may have them."""

    def _note(self, loss: float) -> None:
        self.places.append((self.weights(), loss))
        self.forwards += not torch.is_grad_enabled()

    def weights(self) -> Tensor:
        """Return a copy of all parameters."""
        return torch.cat([each.detach().reshape(-1).clone() for each in self.model.parameters()])


class SmallBatches:
    """Feeds all rows in every step, or another third of them in each."""

    def __init__(self, parts: int = 1) -> None:
        self.parts = parts

    def batch(self, step: int) -> Tensor:
        """Return the rows of a step."""
        return torch.arange(48).reshape(self.parts, -1)[step % self.parts]

    @contextmanager
    def randomness(self, step: int) -> Generator[None]:
        """Make torch's draws those of the step."""
        with torch_stream(0, "dropout", step):
            yield


def run(
    spec: AnyMethod,
    fit: SmallRegression,
    pieces: Sequence[int] = (STEPS,),
    parts: int = 1,
    schedule: Callable[[int], float] = lambda _: 1.0,
    *,
    by_gradients: bool = False,
) -> list[Any]:
    """Make some steps, in pieces, and return what they report."""
    method = spec.make(MethodSettings(schedule, by_gradients=by_gradients))
    state, feed, done = method.init(fit), SmallBatches(parts), 0
    infos: list[Any] = []
    for count in pieces:
        infos += method.steps(fit, state, feed, done, count)
        done += count
    return infos


class MethodConformance:
    """The suite for a method of your own: subclass it in a test file and pytest runs every check.

    Attributes:
        methods: variants of one method, as specifications or specs; between them every option should matter.
        fraction: what is left of the loss of a small regression after six steps on all rows, at most.

    Example:
        >>> class TestMine(MethodConformance):
        ...     methods = ("l-bfgs(max_iter=4)",)
        >>> TestMine().test_the_loss_falls()
    """

    methods: Sequence[str | AnyMethod] = ()
    fraction: float = 0.8

    def _made(self) -> list[AnyMethod]:
        return [make_spec(each) for each in self.methods]

    def test_the_loss_falls(self) -> None:
        """At the default rate, on all rows."""
        for spec in self._made():
            infos = run(spec, SmallRegression())
            first, last = infos[0].loss, infos[-1].loss
            _require(last < self.fraction * first, f"{spec}: the loss went from {first:.3g} to {last:.3g}")

    def test_the_same_start_gives_the_same_bits(self) -> None:
        """Nothing in it is random or shared between two runs, and steps in pieces are the same steps."""
        for spec in self._made():
            fits = [SmallRegression(noisy=True) for _ in range(3)]
            for fit, pieces in zip(fits, ((STEPS,), (STEPS,), (1, 2, STEPS - 3)), strict=True):
                run(spec, fit, pieces, parts=3)
            ends = [fit.weights() for fit in fits]
            _require(torch.equal(ends[0], ends[1]), f"{spec}: two runs from the same start differ")
            _require(torch.equal(ends[0], ends[2]), f"{spec}: steps in pieces differ from steps at once")

    def test_every_gradient_is_counted(self) -> None:
        """A step reports what it evaluates (a gradient is 1, a forward pass ⅓), and the loss before the step."""
        for spec in self._made():
            fit = SmallRegression()
            infos = run(spec, fit, parts=3)
            forwards = sum(info.forwards for info in infos)
            _require(
                forwards == fit.forwards,
                f"{spec}: {forwards:g} forward passes are reported, {fit.forwards} evaluated",
            )
            counted = sum(info.gradients - PRODUCT * info.products for info in infos)
            evaluated = len(fit.places) - fit.forwards * (1 - FORWARD)
            _require(
                math.isclose(counted, evaluated),
                f"{spec}: {counted:g} gradients are reported, {evaluated:g} evaluated",
            )
            products = sum(info.products for info in infos)
            _require(
                products >= fit.products,
                f"{spec}: {products:g} products are reported, {fit.products} made",
            )
            _require(infos[0].loss == fit.places[0][1], f"{spec}: the first loss is not that of the start")

    def test_the_function_is_held_within_a_step(self) -> None:
        """With dropout and batch norm, the same parameters have the same loss, and buffers move once a step."""
        for spec in self._made():
            fit, once = SmallRegression(noisy=True), SmallRegression(noisy=True)
            run(spec, fit, (1,))
            for place, (weights, loss) in enumerate(fit.places):
                for other, again in fit.places[:place]:
                    same = not torch.equal(weights, other) or loss == again
                    _require(same, f"{spec}: two losses at the same parameters within a step")
            with SmallBatches().randomness(0):
                once.loss(SmallBatches().batch(0))
            moved = all(
                torch.equal(found, wanted)
                for found, wanted in zip(fit.model.buffers(), once.model.buffers(), strict=True)
            )
            _require(moved, f"{spec}: the buffers after a step are not those of its first evaluation")

    def test_it_follows_a_schedule(self) -> None:
        """At a multiplier of 0 nothing moves; the multiplier goes by the step, or by the gradients before it."""
        for spec in self._made():
            fit = SmallRegression()
            start = fit.weights()
            run(spec, fit, schedule=lambda _: 0.0)
            _require(torch.equal(start, fit.weights()), f"{spec} moves at a rate of 0")
            asked = _Asked()
            run(spec, SmallRegression(), schedule=asked)
            _require(asked.places == list(range(STEPS)), f"{spec} asked the schedule for {asked.places}")
            asked = _Asked()
            infos = run(spec, SmallRegression(), schedule=asked, by_gradients=True)
            before = [int(sum(info.gradients for info in infos[:step])) for step in range(STEPS)]
            _require(
                asked.places == before, f"{spec} asked the schedule for {asked.places}, not for {before}"
            )

    def test_what_is_not_trained_stays(self) -> None:
        """A parameter without requires_grad is left alone, and one that the loss does not use does no harm."""
        for spec in self._made():
            fit = SmallRegression()
            frozen = fit.model.get_parameter("0.weight").requires_grad_(False)
            fit.model.register_parameter("unused", nn.Parameter(torch.ones(3, dtype=torch.float64)))
            start = frozen.clone()
            run(spec, fit, (2,))
            _require(torch.equal(start, frozen), f"{spec} moved a frozen parameter")
            unused = fit.model.get_parameter("unused")
            _require(bool((unused == 1).all()), f"{spec} moved a parameter that the loss does not use")

    def test_a_specification_is_read_back(self) -> None:
        """Its text is its specification, axes are hyperparameters with a centre that is allowed."""
        for spec in self._made():
            again = make_spec(str(spec)) if isinstance(self.methods[0], str) else spec
            _require(again.hyper == spec.hyper and again.given == spec.given, f"{spec} is read as {again!r}")
            for name, centre in spec.axes.items():
                _require(
                    name in type(spec.hyper).model_fields, f"{spec} has no {name!r}, which is an axis of it"
                )
                found = spec.with_options(**{name: centre})
                _require(found.given == spec.given, f"{spec}: a tuned {name!r} counts as given")
            _require(spec.gradients_a_step >= 1, f"{spec}: a step costs {spec.gradients_a_step} gradients")

    def test_bad_values_are_refused(self) -> None:
        """Values outside their ranges give an error that names them."""
        for spec in self._made():
            bad_values_are_refused(spec)

    def test_every_option_matters(self) -> None:
        """Each hyperparameter changes the path of at least one of the variants."""
        variants = self._made()
        for name in type(variants[0].hyper).model_fields if variants else ():
            changed = any(
                not torch.equal(_end(spec), _end(other))
                for spec in variants
                for other in other_values(spec, name)
            )
            _require(changed, f"no other value of {name!r} changes the path")


class _Asked:
    """A constant schedule that remembers what it was asked for."""

    def __init__(self) -> None:
        self.places: list[int] = []

    def __call__(self, step: int) -> float:
        self.places.append(step)
        return 1.0


def _end(spec: AnyMethod) -> Tensor:
    fit = SmallRegression()
    run(spec, fit)
    return fit.weights()


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise AssertionError(message)
