"""The suite for whoever writes a model, to subclass in a test file."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from steepest.components import grammar
from steepest.data.batches import BatchPlan
from steepest.data.dataset import InputField, Part, Shape, TargetScale
from steepest.models import ModelBuilder, build_model
from steepest.objectives import make_objective
from steepest.objectives.target import target_of_shape
from steepest.optim import make_rule
from steepest.rng import stream, torch_stream
from steepest.schedules import make_schedule
from steepest.train.compiled import CompiledMethod
from steepest.train.problem import SupervisedProblem, looked_up, table_columns
from steepest.train.program import NotTraceableError, step_of, trace

ROWS = 24

SHAPES = (
    Shape("classification", {"colour": 5, "shop": 40}, ("size", "age", "price"), 3),
    Shape("regression", {"colour": 5, "shop": 40}, ("size", "age", "price"), 1),
)
"""Tables with two categorical and three continuous columns."""

CURVES = (Shape("regression", {}, ("x",), 1, (InputField("x", "values", (1,)),)),)
"""A number as a function of one number."""

IMAGES = (Shape("classification", {}, (), 3, (InputField("image", "image", (1, 8, 8)),)),)
"""Small images of three classes."""

RECONSTRUCTED = (Shape("reconstruction", {}, (), 99, (InputField("image", "image", (1, 9, 11)),)),)
"""Small images that are reconstructed."""


TEXTS = (Shape("language", {}, (), 11, (InputField("tokens", "tokens", (6,)),)),)
"""Rows of six tokens of a small vocabulary."""


class ModelConformance:
    """The suite for a model of your own: subclass it in a test file and pytest runs every check.

    A model is called with a dataset's :class:`~steepest.data.dataset.Shape` and returns an ``nn.Module``, whose
    ``forward`` takes what the data has: for a table codes (int64 ``[B, C]``) and values (``[B, D]``).

    Attributes:
        models: its specifications (``nets.py:Net(width=8)``), or callables; between them with every option.
        shapes: of the data that it is for: by default tables of classes and of a number; ``CURVES``, ``IMAGES``,
            ``RECONSTRUCTED`` and ``TEXTS`` of ``steepest.testing.models`` are others.
        eager: why its steps cannot be one program, for a model whose training steps run eagerly; a part of what
            ``--compile on`` says. Empty for a model that can be compiled.

    Example:
        >>> class TestMine(ModelConformance):
        ...     models = ("linear",)
        >>> TestMine().test_the_outputs_have_the_shape()
    """

    models: Sequence[str | ModelBuilder] = ()
    shapes: Sequence[Shape] = SHAPES
    eager: str = ""

    def _made(self) -> list[tuple[str, nn.Module, Shape]]:
        """Return every model for every shape, with its name."""
        return [
            (_name(each), build_model(each, shape), shape) for each in self.models for shape in self.shapes
        ]

    def test_the_outputs_have_the_shape(self) -> None:
        """Outputs are finite numbers [B, outputs], also for one row, and in 64 bits where the model is.

        In training mode they may be those of several members, [B, members, outputs].
        """
        for name, model, shape in self._made():
            for dtype, rows in ((torch.float32, ROWS), (torch.float32, 1), (torch.float64, ROWS)):
                outputs = model.to(dtype).eval()(*(each[:rows] for each in _inputs(shape, dtype)))
                assert outputs.shape == target_of_shape(shape).shape(rows), (
                    f"{name}: outputs of shape {tuple(outputs.shape)}"
                )
                assert outputs.dtype == dtype, f"{name}: {outputs.dtype} from {dtype}"
                assert bool(outputs.isfinite().all()), f"{name}: outputs that are not finite"
            found, wanted = model.float().train()(*_inputs(shape)).shape, target_of_shape(shape).shape(ROWS)
            fits = found == wanted or (len(found) == len(wanted) + 1 and found[:1] + found[2:] == wanted)
            assert fits, f"{name}: training outputs of shape {tuple(found)}"

    def test_a_seed_gives_the_same_weights(self) -> None:
        """Weights follow from the seed, whatever was drawn before."""
        for each in self.models:
            for shape in self.shapes:
                torch.rand(3)
                first = build_model(each, shape, seed=1).state_dict()
                torch.rand(5)
                again = build_model(each, shape, seed=1).state_dict()
                assert first.keys() == again.keys(), f"{_name(each)}: other parameters"
                same = all(torch.equal(value, again[name]) for name, value in first.items())
                assert same, f"{_name(each)}: other weights with the same seed"

    def test_random_numbers_come_from_torch(self) -> None:
        """In training mode the model draws from torch's generator alone, which a run sets; not from NumPy's, say."""
        for each in self.models:
            for shape in self.shapes:
                model = build_model(each, shape).train()
                outputs: list[Tensor] = []
                for _ in range(2):
                    with torch_stream(0, "dropout"):
                        outputs.append(copy.deepcopy(model)(*_inputs(shape)))
                assert torch.equal(*outputs), f"{_name(each)}: other outputs from the same numbers of torch's"

    def test_gradients_reach_all_parameters(self) -> None:
        """In training mode every parameter that requires a gradient gets one, and there is such a parameter."""
        for name, model, shape in self._made():
            trained = {key: each for key, each in model.named_parameters() if each.requires_grad}
            assert trained, f"{name}: no parameter to train"
            _loss(model.train(), shape).backward()
            for key, each in trained.items():
                assert each.grad is not None, f"{name}: no gradient for {key}"
                assert bool(each.grad.isfinite().all()), f"{name}: a gradient of {key} that is not finite"

    def test_evaluation_is_deterministic(self) -> None:
        """In evaluation mode outputs are the same each time, and nothing of the model changes."""
        for name, model, shape in self._made():
            inputs = _inputs(shape)
            before = {key: value.clone() for key, value in model.state_dict().items()}
            first, again = (model.eval()(*inputs) for _ in range(2))
            assert torch.equal(first, again), f"{name}: other outputs for the same rows"
            same = all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
            assert same, f"{name}: evaluation changes it"

    def test_rows_are_independent(self) -> None:
        """In evaluation mode a row's outputs do not depend on the other rows."""
        for name, model, shape in self._made():
            inputs = _inputs(shape)
            whole = _moved(model, shape).eval()(*inputs)
            few = model(*(each[3:8] for each in inputs))
            assert torch.allclose(few, whole[3:8], rtol=1e-4, atol=1e-6), f"{name}: rows depend on others"

    def test_changes_no_inputs(self) -> None:
        """Codes and values are left as they are."""
        for name, model, shape in self._made():
            inputs = _inputs(shape)
            model.train()(*inputs)
            same = all(torch.equal(*each) for each in zip(inputs, _inputs(shape), strict=True))
            assert same, f"{name} changes its inputs"

    def test_tables_are_used_for_look_ups_only(self) -> None:
        """Rows in the place of tables, with places in them for codes, give the same outputs and gradients."""
        for name, model, shape in self._made():
            places = table_columns(model, list(shape.cardinalities))
            known = dict(model.named_parameters())
            for key in places:
                assert key in known, f"{name}: tables names {key!r}, which is no parameter"
            if not places:
                continue
            given, *rest = _inputs(shape)
            codes = looked_up(model, given)
            model = _moved(model, shape).eval()
            renumbered, rows = codes.clone(), dict[str, Tensor]()
            for key, column in places.items():
                rows[key] = known[key].detach()[codes[:, column]].requires_grad_()
                renumbered[:, column] = torch.arange(ROWS)
            dense = model(given, *rest)
            by_rows = torch.func.functional_call(model, rows, (renumbered, *rest))
            assert torch.allclose(dense, by_rows, rtol=1e-5, atol=1e-7), (
                f"{name}: the codes of {', '.join(places)} are used for more than look-ups"
            )
            factor = _factors(dense)
            whole = torch.autograd.grad((dense * factor).sum(), [known[key] for key in places])
            own = torch.autograd.grad((by_rows * factor).sum(), list(rows.values()))
            for key, one, each in zip(places, whole, own, strict=True):
                summed = torch.zeros_like(one).index_add(0, codes[:, places[key]], each)
                assert torch.allclose(one, summed, rtol=1e-4, atol=1e-6), (
                    f"{name}: another gradient of {key} by rows"
                )

    def test_a_step_can_be_one_program(self) -> None:
        """A training step can be traced for compiling, or cannot for the stated reason."""
        for name, model, shape in self._made():
            why = _eager(model, shape)
            if not self.eager:
                assert not why, f"{name}: {why}; if that is so, say it: eager = …"
            assert self.eager in why, f"{name}: {why or 'its step can be one program'}, not {self.eager!r}"


def _name(model: str | ModelBuilder) -> str:
    return (
        str(grammar.parse(model)) if isinstance(model, str) else getattr(model, "__qualname__", repr(model))
    )


def _inputs(shape: Shape, dtype: torch.dtype = torch.float32) -> tuple[Tensor, ...]:
    """Return what a model is called with: made-up codes and values."""
    draw = stream(0, "data", 4)
    made: list[Tensor] = []
    for field in shape.fields:
        if field.kind == "codes":
            codes = [draw.integers(0, count, ROWS) for count in shape.cardinalities.values()]
            made.append(torch.from_numpy(np.stack(codes, 1) if codes else np.zeros((ROWS, 0), np.int64)))
        elif field.kind == "tokens":
            made.append(torch.from_numpy(draw.integers(0, shape.outputs, (ROWS, *field.size))))
        else:
            made.append(torch.from_numpy(draw.standard_normal((ROWS, *field.size))).to(dtype))
    return tuple(made)


def _part(shape: Shape) -> Part:
    draw = stream(0, "data", 5)
    return Part(_inputs(shape), target_of_shape(shape).made_up(ROWS, draw))


def _problem(model: nn.Module, shape: Shape) -> SupervisedProblem:
    target = target_of_shape(shape, TargetScale(128.0, 74.0))  # which matters for pixels only
    return SupervisedProblem(
        model, make_objective("", target), None, tuple(shape.cardinalities), target=target
    )


def _loss(model: nn.Module, shape: Shape) -> Tensor:
    with torch_stream(0, "dropout"):
        return _problem(model, shape).loss(_part(shape))


def _factors(outputs: Tensor) -> Tensor:
    return torch.from_numpy(stream(0, "data", 6).standard_normal(tuple(outputs.shape))).to(outputs)


def _moved(model: nn.Module, shape: Shape) -> nn.Module:
    """Return a model after a step of training, so that no parameter is at its start any more."""
    _loss(model.train(), shape).backward()
    with torch.no_grad():
        for each in model.parameters():
            if each.grad is not None:
                each -= 0.1 * each.grad + 0.01
    model.zero_grad()
    return model


def _eager(model: nn.Module, shape: Shape) -> str:
    """Return why a training step cannot be one program, as for compiling; empty if it can be."""
    problem = _problem(model.train(), shape)
    method = CompiledMethod(make_rule("sgd(lr=0.1)"), make_schedule("constant", 4))
    state = method.init(problem)
    feed = problem.feed(_part(shape), BatchPlan(ROWS, 8, 0), 0)
    changing = method.prepared(problem, state, feed, 0, 1)
    try:
        trace(state.program, state.state, step_of(changing, 0, "cpu"))
    except NotTraceableError as error:
        return error.fact
    return ""
