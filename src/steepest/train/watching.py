r"""What is watched of a run at its evaluations: norms of weights, norms of gradients, and metrics on training rows.

All of it is of the network as it is evaluated: in evaluation mode (no dropout, running statistics of batch norm), with
the weights that an evaluation has (averages in the place of what is trained, tables that lag brought up to date).
Nothing is written to the run and nothing is drawn from its streams, so that its steps have the same bits with it.

- *Norms*, of every trained parameter with elements :math:`w_i`: :math:`\|w\|_1 = \sum_i |w_i|` and
  :math:`\|w\|_2 = \sqrt{\sum_i w_i^2}`, which of a matrix is the Frobenius norm. Of several parameters together, the
  first is the sum of theirs and the second the root of the sum of their squares.
- *Gradients*: the 2-norm of :math:`\nabla_w L` by parameter, of the mean training loss L, without penalties, on the
  first rows of a sample of training rows that stays the same for the whole run. It is not the gradient of a step, which
  has another batch each time, dropout and clipping.
- *Sharpness*: the largest eigenvalue of the Hessian of that loss, of all training rows where a step sees all of them
  (up to 10,000), else of the same rows as the gradient; and the largest that the optimizer bears, where that is known.
- *The gap*: metrics on that sample, so that their difference from those on the validation rows is one of rows alone.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from steepest.data.dataset import Part
from steepest.errors import first_line
from steepest.evaluate.metrics import evaluate
from steepest.evaluate.outputs import outputs_on
from steepest.objectives.target import Target
from steepest.optim.method import Method
from steepest.optim.tables import unpadded
from steepest.record.schema import WatchedCurves
from steepest.rng import stream
from steepest.train.problem import SupervisedProblem
from steepest.train.sharpness import FULL_ROWS, sharpness, stability_of
from steepest.train.weights import evaluating, evaluation_weights, owners

WATCHED = ("gap", "norms", "gradients")
"""What is watched by ``all``; ``sharpness``, which costs more, has to be named."""

SAMPLE_ROWS = 1_024
"""Training rows that metrics are measured on, or all if there are fewer."""

GRADIENT_ROWS = 256
"""Those among them that the gradient is of."""

AT_ONCE = 1 << 16
"""Numbers that are widened to 64 bits at a time."""


@dataclass
class Watcher:
    """Watches one run.

    Attributes:
        what: ``gap``, ``norms``, ``gradients`` and ``sharpness``, as far as they are wanted.
        problem: model and loss.
        method: how it is trained.
        target: what is predicted.
        rows: the sample of its training rows.
        sharp: the rows that the sharpness is of.
        batch, training: rows of a step and of the training set.
    """

    what: tuple[str, ...]
    problem: SupervisedProblem
    method: Method
    target: Target
    rows: Part
    sharp: Part
    batch: int
    training: int
    found: dict[str, Any] = field(default_factory=dict[str, Any])

    @classmethod
    def of(
        cls,
        what: Iterable[str],
        problem: SupervisedProblem,
        method: Method,
        target: Target,
        training: Part,
        seed: int,
        batch: int,
    ) -> Watcher | None:
        """Return what watches a run on these training rows, None if nothing is wanted.

        The sample is drawn without replacement by the run seed, so that all arms have the same rows where they are
        trained on the same.
        """
        wanted = expanded(what)
        if not wanted:
            return None
        most = min(len(training), SAMPLE_ROWS)
        places = stream(seed, "watching").permutation(len(training))[:most]
        index = torch.from_numpy(places).to(training.target.device)
        sample = training.take(index)
        every = batch >= len(training) and len(training) <= FULL_ROWS
        sharp = training if every else sample.map(lambda each: each[:GRADIENT_ROWS])
        return cls(wanted, problem, method, target, sample, sharp, batch, len(training))

    @property
    def parameters(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name, tied ones once."""
        return {name: each for name, each in self.problem.model.named_parameters() if each.requires_grad}

    def look(self, state: Any, names: tuple[str, ...], buffers: Mapping[str, Tensor], step: int = 0) -> None:
        """Watch the run as it is now.

        Args:
            step: of the run, counted from 0, that comes next.
            state: the method's.
            names: the metrics that are read at evaluations.
            buffers: values in the place of buffers, as an evaluation has them.
        """
        if "norms" in self.what:
            l1, l2 = self._norms(state)
            self._keep(l1=l1, l2=l2)
        if "sharpness" in self.what:
            self._sharpen(state, buffers, step)
        if "gap" not in self.what and "gradients" not in self.what:
            return
        net, rows = self.problem.model, self.rows
        with (
            evaluating(net, self.method, state, self.problem.codes(rows)),
            evaluation_weights(net, buffers),
        ):
            if "gap" in self.what:
                outputs = outputs_on(net, rows, self.target)
                self._keep(training=evaluate(outputs, rows.target, self.target, names, rows.weights))
            if "gradients" in self.what and "no_gradient" not in self.found:
                try:
                    self._keep(gradient=self._gradient_norms(state))
                except Exception as error:  # such as a model that is not differentiable in evaluation mode
                    self.found.pop("gradient", None)
                    self.found["no_gradient"] = f"{type(error).__name__}: {first_line(error)}"

    def watched(self) -> WatchedCurves:
        """Return what was found, of every evaluation so far."""
        sizes = {name: each.numel() for name, each in self.parameters.items()}
        gradient = min(len(self.rows), GRADIENT_ROWS) if "gradient" in self.found else 0
        training = len(self.rows) if "training" in self.found else 0
        return WatchedCurves(
            parameters=list(sizes),
            sizes=list(sizes.values()),
            gradient_rows=gradient,
            training_rows=training,
            sharpness_rows=len(self.sharp) if "sharpness" in self.found else 0,
            **{name: each for name, each in self.found.items() if not _without_numbers(each)},
        )

    def _sharpen(self, state: Any, buffers: Mapping[str, Tensor], step: int) -> None:
        """Keep the sharpness, and what the optimizer bears."""
        if "no_sharpness" in self.found:
            return
        known = stability_of(self.problem, self.method, self.batch, self.training, step)
        if not isinstance(known, str) and len(self.sharp) < self.training:
            known = f"its sharpness is of {len(self.sharp):,} of {self.training:,} training rows"
        bound, without = (None, known) if isinstance(known, str) else (known, "")
        net, rows = self.problem.model, self.sharp
        try:
            with (
                evaluating(net, self.method, state, self.problem.codes(rows)),
                evaluation_weights(net, buffers),
                evaluated(net),
            ):
                value = sharpness(self.problem, rows)
                divisors = self.method.divisors(state) if bound is not None and bound.preconditioned else None
                divided = math.nan if divisors is None else sharpness(self.problem, rows, divisors)
        except Exception as error:  # such as a loss that is piecewise linear
            for name in ("sharpness", "threshold", "preconditioned"):
                self.found.pop(name, None)
            self.found["no_sharpness"] = f"{type(error).__name__}: {first_line(error)}"
            return
        self._keep(sharpness=value)
        if bound is None:
            self.found.setdefault("no_threshold", without)
        self._keep(threshold=math.nan if bound is None else bound.threshold, preconditioned=divided)
        if bound is not None:
            self.found["threshold_formula"] = bound.formula

    def _keep(self, **values: Any) -> None:
        for name, value in values.items():
            self.found.setdefault(name, []).append(value)

    def _norms(self, state: Any) -> tuple[list[float], list[float]]:
        """Return the L1 and L2 norm of each parameter."""
        tables = self.method.tables(state)
        lagging: Mapping[str, Iterator[Tensor]] = {} if tables is None else tables.pieces()
        own = self.parameters
        instead = self.method.evaluation_parameters(state) or {}
        owner = owners(dict(self.problem.model.named_parameters(remove_duplicate=False)))
        other = {owner.get(name, name): value for name, value in instead.items()}
        found = [norms(lagging.get(name) or [other.get(name, each)]) for name, each in own.items()]
        return [each[0] for each in found], [each[1] for each in found]

    def _gradient_norms(self, state: Any) -> list[float]:
        """Return the 2-norm of the loss's gradient by each parameter, NaN of one that it does not depend on."""
        problem, own = self.problem, self.parameters
        part = self.rows.map(lambda each: each[:GRADIENT_ROWS])
        tables = self.method.tables(state)
        lagging = [] if tables is None else [name for name in tables.modules if name in own]
        codes = problem.codes(part)
        leaves: dict[str, Tensor] = dict(own)
        rows: dict[str, Tensor] = {}
        places: dict[str, Tensor] = {}
        padded: dict[str, Tensor] = {}
        for (
            name
        ) in lagging:  # all rows of a table would be long, and those that no code names have no gradient
            ids, places[name] = torch.unique(codes[name], return_inverse=True)
            rows[name] = own[name].detach()[ids].requires_grad_()
            padding = tables.modules[name].padding_idx if tables is not None else None
            padded[name] = torch.zeros_like(ids, dtype=torch.bool) if padding is None else ids == padding
        with torch.enable_grad(), evaluated(problem.model):
            if rows:
                leaves.update(rows)
                assert tables is not None
                with unpadded(tables.modules.values()):
                    loss = problem.losses_with(part, rows, places)[1]
            else:
                loss = problem.losses(part)[1]
            found: Any = torch.autograd.grad(loss, list(leaves.values()), allow_unused=True)
        gradients = dict(zip(leaves, found, strict=True))
        for name, rows_of_padding in padded.items():
            if gradients[name] is not None:
                gradients[name] = gradients[name].masked_fill(rows_of_padding[:, None], 0.0)
        return [math.nan if each is None else norms([each])[1] for each in gradients.values()]


def expanded(what: Iterable[str]) -> tuple[str, ...]:
    """Return what is watched, each once, with what ``all`` stands for in its place.

    Example:
        >>> expanded(["sharpness", "all"])
        ('gap', 'norms', 'gradients', 'sharpness')
    """
    asked = tuple(what)
    found = dict.fromkeys([*(WATCHED if "all" in asked else ()), *asked])
    return tuple(each for each in found if each != "all")


def _without_numbers(values: Any) -> bool:
    """Return whether something is a list of NaN alone."""
    return isinstance(values, list) and all(isinstance(each, float) and math.isnan(each) for each in values)  # pyright: ignore[reportUnknownVariableType]


def norms(pieces: Iterable[Tensor]) -> tuple[float, float]:
    """Return the L1 and the L2 norm of all elements of some tensors, summed in 64 bits.

    Example:
        >>> norms([torch.tensor([[3.0], [-4.0]])])
        (7.0, 5.0)
    """
    first = second = 0.0
    for piece in pieces:
        values = piece.detach()
        values = values.cpu() if values.device.type == "mps" else values
        for some in values.reshape(-1).split(AT_ONCE):
            wide = some.to(torch.float64)
            first += float(wide.abs().sum())
            second += float(wide.dot(wide))
    return first, math.sqrt(second) if second >= 0 else math.nan


@contextlib.contextmanager
def evaluated(model: nn.Module) -> Generator[None]:
    """Put all modules in evaluation mode inside the block, and every one back in its own after."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        model.eval()
        yield
    finally:
        for module, mode in modes:
            module.training = mode
