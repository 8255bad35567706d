"""The loss that a method makes smaller."""

from __future__ import annotations

import contextlib
import itertools
import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from steepest.curvature.outputs import twice_differentiated
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Part
from steepest.errors import OptionError
from steepest.finetuning import hold_rest, no_curvature
from steepest.objectives import Objective, loss_title, make_objective, registry, total_weight
from steepest.objectives.target import Target, target_of
from steepest.objectives.taught import teacher_losses
from steepest.optim.selection import freeze
from steepest.procedures.teaching import Teaching, read_teaching
from steepest.recipe import Precision, Recipe
from steepest.regularizers import Regularizer, read_regularizers
from steepest.regularizers.applied import Applied, attach
from steepest.regularizers.around import RegularizedUpdate
from steepest.train.dropout import SeededDropout, taken
from steepest.train.feed import Feed
from steepest.train.shares import are_shares, loss_of_shares, weights_of_classes


class SupervisedProblem:
    """A model with the training loss of a batch.

    Args:
        model: outputs ``[B, classes]`` or ``[B, 1]``, of a text ``[B, T, V]``; in training mode also those of several
            members, ``[B, k, …]``.
        objective: the loss; of several members, the mean of their losses.
        class_weights: a weight for each class, or None.
        columns: names of the categorical columns, in the order of the first input.
        precision: with ``float64`` the model has 64 bits; with ``bf16`` its matrix products use factors rounded to 8
            significant bits (torch's autocast), and its outputs are 32 bits wide.
        regularizers: in the order of a step.
        target: what is predicted, where the loss does not compare outputs with the targets as they are, or a
            regularizer changes them.
        length: the steps of the run, for regularizers that depend on it.

    Attributes:
        applied: the regularizers on this model; None where there are none.
        masks: what is held at zero, by parameter; nothing unless a run is pruned.
        no_curvature: why its gradients have no curvature to measure; empty where they are those of the loss.
        teaching: how the loss is made of labels and a teacher's answers; None where it is that of the labels.
    """

    def __init__(
        self,
        model: nn.Module,
        objective: Objective,
        class_weights: Sequence[float] | None = None,
        columns: Sequence[str] = (),
        precision: Precision = "float32",
        regularizers: Sequence[Regularizer] = (),
        target: Target | None = None,
        length: int | None = None,
    ) -> None:
        self.model = model
        self.precision: Precision = precision
        self.places = table_columns(model, columns)
        self.objective, self.target = objective, target
        self.masks: Mapping[str, Tensor] = {}
        self.no_curvature = ""
        self.teaching: Teaching | None = None
        device = next(model.parameters()).device
        dtype = torch.float64 if precision == "float64" else torch.float32
        self.weights = (
            None if class_weights is None else torch.tensor(class_weights, dtype=dtype, device=device)
        )
        tables = tuple(self.places)
        self.applied = (
            Applied(regularizers, model, tables, target, length, self.weights) if regularizers else None
        )

    @property
    def constants(self) -> tuple[Any, ...]:
        """What a program of the step holds besides the model: objective, weights, precision, regularizers, target."""
        weights = None if self.weights is None else tuple(self.weights.tolist())
        inside = () if self.applied is None else self.applied.regularizers
        named = [(type(self.objective), str(self.objective)), *((type(each), each.inside) for each in inside)]
        scale = () if self.target is None else self.target.constants
        return (
            *named,
            weights,
            self.precision,
            *scale,
            *(f"masked {name}" for name in self.masks),
            str(self.teaching),
        )

    @property
    def classes(self) -> tuple[type, ...]:
        """The classes of the objective and of the regularizers."""
        inside = () if self.applied is None else self.applied.regularizers
        return tuple(type(each) for each in (self.objective, *inside))

    def loss(self, batch: Part) -> Tensor:
        """Return the batch's loss with penalties, a scalar; the module is called itself, its buffers move."""
        return self.losses(batch)[0]

    def losses(self, batch: Part) -> tuple[Tensor, Tensor]:
        """Return the batch's loss with penalties and without."""
        with self._rounding():
            outputs = self.model(*batch.inputs)
        loss = self.batch_loss(outputs, batch)
        return self.penalised(loss), loss

    def losses_with(
        self, batch: Part, rows: Mapping[str, Tensor], places: Mapping[str, Tensor]
    ) -> tuple[Tensor, Tensor]:
        """Return both losses with rows [n, D] in the place of tables, and places in them for the codes."""
        with self._rounding():
            outputs = torch.func.functional_call(self.model, dict(rows), self.placed(batch, places).inputs)
        loss = self.batch_loss(outputs, batch)
        return self.penalised(loss), loss

    def penalised(
        self,
        loss: Tensor,
        params: Mapping[str, Tensor] | None = None,
        numbers: Mapping[str, Any] | None = None,
    ) -> Tensor:
        """Return a loss with penalties of parameters, by default the model's own, by numbers of a program's step."""
        if self.applied is None or not self.applied.acts("penalty"):
            return loss
        given = dict(self.model.named_parameters()) if params is None else params
        penalty = self.applied.penalty(given, numbers)
        return loss if penalty is None else loss + penalty

    def penalty(self, weights: Mapping[str, Tensor]) -> float | None:
        """Return what regularizers add to the loss at some weights; None if that is nothing or no finite number."""
        value = self.applied.penalty(weights) if self.applied is not None else None
        return None if value is None or not value.isfinite() else float(value)

    def feed(self, part: Part, plan: BatchPlan, seed: int, before: int = 0) -> Feed:
        """Return the batches of a run, as its regularizers change them.

        Args:
            part: the training rows.
            plan: which of them each step sees.
            seed: of the run.
            before: steps of the runs that it continues.
        """
        return Feed(part, plan, seed, before, self.applied)

    def around(self) -> RegularizedUpdate | None:
        """Return what regularizers and masks do around the updates of a new run, or None where there are none."""
        if self.applied is None and not self.masks:
            return None
        return RegularizedUpdate(self.applied or Applied((), self.model), self.model, self.masks)

    def codes(self, batch: Part) -> dict[str, Tensor]:
        """Return the rows of each table that a batch names, [B], by the name of the table's parameter.

        Args:
            batch: of one step, or of several, [count, B].
        """
        if not self.places:
            return {}
        codes = looked_up(self.model, batch.inputs[0])
        return {name: codes[..., column] for name, column in self.places.items()}

    def placed(self, batch: Part, places: Mapping[str, Tensor]) -> Part:
        """Return the batch with places in gathered rows for the codes of tables."""
        if not places:
            return batch
        codes = looked_up(self.model, batch.inputs[0]).clone()
        for name, each in places.items():
            codes[:, self.places[name]] = each
        return replace(batch, inputs=(codes, *batch.inputs[1:]))

    def outputs(
        self,
        params: Mapping[str, Tensor],
        buffers: Mapping[str, Tensor],
        batch: Part,
        draws: Mapping[str, Tensor],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the model's outputs and its buffers after the call, as a function: nothing given is changed.

        Args:
            params: all parameters by name; gathered rows in the place of a table.
            buffers: all buffers by name.
            batch: inputs; places in the gathered rows for codes, as :meth:`placed` returns it.
            draws: random numbers by purpose: ``dropout``, 16-bit numbers [n] for the masks.
        """
        given = {**params, **{name: each.clone() for name, each in buffers.items()}}
        with self._rounding(), SeededDropout(taken(draws["dropout"])):
            outputs = torch.func.functional_call(self.model, given, batch.inputs)
        return outputs, {name: given[name].detach() for name in buffers}

    def outputs_at(self, batch: Part, parameters: Mapping[str, Tensor]) -> Tensor:
        """Return the model's outputs with other values in the place of some parameters; its buffers move."""
        with self._rounding():
            return torch.func.functional_call(self.model, dict(parameters), batch.inputs)

    def parts(self, batch: Part, count: int) -> list[tuple[Part, slice, float]]:
        """Return micro-batches of sizes as equal as possible, their places, and their shares of the batch's weights.

        Of a batch without any weight, whose loss is 0, they are shares of its rows: penalties still count once.
        """
        weights = torch.ones(len(batch), dtype=torch.float64, device=batch.target.device)
        if batch.weights is not None:
            weights = weights * batch.weights
        if self.weights is not None:
            weights = weights * weights_of_classes(batch.target, self.target, self.weights)
        ends = [round(len(batch) * place / count) for place in range(count + 1)]
        places = [slice(first, last) for first, last in itertools.pairwise(ends)]
        if not weights.any():
            weights = torch.ones_like(weights)
        whole = float(total_weight(weights))
        return [
            (batch.map(lambda each, at=at: each[at]), at, float(weights[at].sum()) / whole) for at in places
        ]

    def residuals(self, batch: Part) -> Tensor:
        """Return weighted differences whose squares sum to the batch's loss without penalties, ``[B]``.

        The module is called itself, its buffers move. Of k members they are ``[B · k]``.
        """
        with self._rounding():
            outputs = self.model(*batch.inputs)
        outputs, batch = self._by_row(outputs, batch)
        target = batch.target if self.target is None else self.target.wanted(batch.target, outputs.dtype)
        found = self.objective.residuals(outputs, target)
        if found is None:
            raise ValueError(f"the loss {self.objective} has no residuals")
        if batch.weights is None:
            return found / math.sqrt(len(found))
        return found * (batch.weights / total_weight(batch.weights)).sqrt()

    def check_residuals(self, called: str) -> None:
        """Raise an ``OptionError``, which names the method that needs them, if the loss has no residuals."""
        if self.teaching is not None:
            raise OptionError(
                f"{called} needs the squared error alone, but a student learns of its teacher, too",
                hint=f"leave {called} out of -o, or the procedure.",
            )
        if type(self.objective).residuals is Objective.residuals:
            serves = "squared" in registry.names(self.objective.serves)
            cure = "give --loss squared, or" if serves else "take newton, or"
            raise OptionError(
                f"{called} needs the squared error, but the training loss is {loss_title(str(self.objective))}",
                hint=f"{cure} leave {called} out of -o.",
            )

    def _of_members(self, outputs: Tensor) -> bool:
        """Whether outputs are those of several members, which stand behind the rows."""
        return outputs.dim() > (2 if self.target is None else self.target.dims)

    def _by_row(self, outputs: Tensor, batch: Part) -> tuple[Tensor, Part]:
        """Return outputs of rows, in the bits of the loss, with their batch."""
        outputs = outputs.float() if self.precision == "bf16" else outputs
        if not self._of_members(outputs):
            return outputs, batch
        # every member predicts every row, so the mean over all is the mean of their losses
        return outputs.flatten(0, 1), _repeated(batch, outputs.shape[1])

    def batch_loss(self, outputs: Tensor, batch: Part) -> Tensor:
        """Return the loss of a batch, a scalar, from the model's outputs."""
        outputs, batch = self._by_row(outputs, batch)
        if self.teaching is None or batch.answers is None:
            return self._labels_loss(outputs, batch)
        losses = teacher_losses(outputs, batch.answers, self.teaching, self.objective)
        weights = self._row_weights(batch)
        taught = losses.mean() if weights is None else (weights * losses).sum() / total_weight(weights)
        alpha = self.teaching.alpha
        return taught if alpha == 1 else (1 - alpha) * self._labels_loss(outputs, batch) + alpha * taught

    def _row_weights(self, batch: Part) -> Tensor | None:
        """Return the weight of each row in the loss, classes' weights included; None where all are equal.

        A row of unknown class has the mean weight of the classes' rows, 1.
        """
        if self.weights is None:
            return batch.weights
        by_class = weights_of_classes(batch.target, self.target, self.weights)
        if batch.labelled is not None:
            by_class = torch.where(batch.labelled, by_class, torch.ones_like(by_class))
        return by_class * (1.0 if batch.weights is None else batch.weights)

    def _labels_loss(self, outputs: Tensor, batch: Part) -> Tensor:
        weights = batch.weights
        if batch.labelled is not None:
            known = batch.labelled.to(outputs.dtype)
            weights = known if weights is None else known * weights
        if are_shares(batch.target, self.target):
            return loss_of_shares(self.objective, outputs, batch.target, weights, self.weights)
        if self.weights is not None:
            if weights is None:
                return self.objective.class_weighted(outputs, batch.target, self.weights)
            weights = weights * self.weights[batch.target]
        target = batch.target if self.target is None else self.target.wanted(batch.target, outputs.dtype)
        return self.objective.loss(outputs, target, weights)

    def bend(self, outputs: Tensor, batch: Part, vector: Tensor) -> Tensor:
        """Return the Hessian of :meth:`batch_loss` in the outputs, times a vector of their shape."""
        if are_shares(batch.target, self.target):
            return twice_differentiated(lambda given: self.batch_loss(given, batch))(outputs, vector)
        shape, kind = vector.shape, vector.dtype
        if self.precision == "bf16":
            outputs, vector = outputs.float(), vector.float()
        if self._of_members(outputs):
            members = outputs.shape[1]
            outputs, vector, batch = outputs.flatten(0, 1), vector.flatten(0, 1), _repeated(batch, members)
        given = self._row_weights(batch)
        weights = torch.ones(len(outputs), dtype=outputs.dtype, device=outputs.device)
        weights = weights if given is None else weights * given
        target = batch.target if self.target is None else self.target.wanted(batch.target, outputs.dtype)
        found = self.objective.bend(outputs, target, vector)
        teaching, answers = self.teaching, batch.answers
        if teaching is not None and answers is not None:
            taught = twice_differentiated(
                lambda given: teacher_losses(given, answers, teaching, self.objective).sum()
            )
            if (
                batch.labelled is not None
            ):  # the labels' part is divided by the weights of labelled rows alone
                known = weights * batch.labelled
                shares = batch.labelled * (total_weight(weights) / total_weight(known))
                found = shares.reshape(-1, *[1] * (found.dim() - 1)) * found
            found = (1 - teaching.alpha) * found + teaching.alpha * taught(outputs, vector)
        shares = (weights / total_weight(weights)).reshape(-1, *[1] * (found.dim() - 1))
        return (shares * found).reshape(shape).to(kind)

    def _rounding(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision != "bf16":
            return contextlib.nullcontext()
        device = next(self.model.parameters()).device.type
        # what is cached would outlive a step that is captured or traced
        return torch.autocast(device, torch.bfloat16, cache_enabled=False)


def wide(model: nn.Module, dataset: Dataset, precision: Precision) -> tuple[nn.Module, Dataset]:
    """Return a new model and the dataset in the bits of a precision: 64 with ``float64``, else as they are."""
    return (model.double(), dataset.wide()) if precision == "float64" else (model, dataset)


def problem_of(model: nn.Module, dataset: Dataset, recipe: Recipe) -> SupervisedProblem:
    """Return the problem of a recipe on a dataset for a new model, of which the recipe may fix a part.

    A model whose recipe adds adapters was built with them, see :func:`steepest.train.drawn.first_model`.
    """
    freeze(hold_rest(model, recipe.finetune), recipe.freeze)
    target = target_of(dataset)
    objective = make_objective(recipe.loss, target)
    columns = tuple(dataset.shape.cardinalities)
    regularizers = read_regularizers(recipe.regularizer)
    attach(regularizers, model, dataset.train)
    problem = SupervisedProblem(
        model, objective, recipe.class_weights, columns, recipe.precision, regularizers, target, recipe.steps
    )
    problem.no_curvature = no_curvature(recipe.finetune)
    teaching = read_teaching(recipe.taught) if recipe.taught else None
    problem.teaching = teaching if teaching is not None and teaching.alpha else None
    return problem


def check_precision(precision: Precision, device: str) -> None:
    """Raise an ``OptionError`` if a device does not have a precision.

    Example:
        >>> check_precision("tf32", "cpu")
        Traceback (most recent call last):
        ...
        steepest.errors.OptionError: the precision 'tf32' needs a CUDA device, but the runs use 'cpu'
        Hint: give precision='bf16', or leave it out.
    """
    if precision == "float64" and device.startswith("mps"):
        raise OptionError(
            "Apple's GPUs do not have float64", hint="give --device cpu, or leave --precision out."
        )
    if precision == "tf32" and not device.startswith("cuda"):
        raise OptionError(
            f"the precision 'tf32' needs a CUDA device, but the runs use {device!r}",
            hint="give --precision bf16, or leave it out.",
        )


@contextlib.contextmanager
def products(precision: Precision) -> Generator[None]:
    """Make the products of float32 matrices inside the block with TF32's 11 significant bits, or with all of them.

    Example:
        >>> with products("float32"):
        ...     torch.get_float32_matmul_precision()
        'highest'
    """
    try:
        matmul, convolution = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:  # they were set by torch's newer names, which these cannot read
        matmul, convolution = "highest", True
    torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
    torch.backends.cudnn.allow_tf32 = precision == "tf32"
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        torch.backends.cudnn.allow_tf32 = convolution


def table_columns(model: nn.Module, columns: Sequence[str]) -> dict[str, int]:
    """Return the tables that a model declares, by parameter name, with the column whose codes they look up.

    A model declares them as ``tables = {"Block": "embeddings.0.weight"}``, by column, or several parameters that one
    column's codes are looked up in, ``{"user": ("vectors.weight", "biases.weight")}``; it must use the column's codes
    for nothing but the look-up in these parameters. A model without ``tables`` has none. A model that makes further
    codes of the columns' names them in ``derived``, and its ``with_derived(codes)`` appends them to codes ``[…, C]``.

    Example:
        >>> model = nn.Module()
        >>> model.tables = {"user": ("vectors.weight", "biases.weight"), "shop": "shops.weight"}
        >>> table_columns(model, ["shop", "user"])
        {'vectors.weight': 1, 'biases.weight': 1, 'shops.weight': 0}
    """
    declared = getattr(model, "tables", None)
    if not isinstance(declared, Mapping):
        return {}
    order = {column: i for i, column in enumerate((*columns, *getattr(model, "derived", ())))}
    return {
        str(name): order[column]
        for column, names in declared.items()
        if column in order
        for name in ((names,) if isinstance(names, str) else names)
    }


def looked_up(model: nn.Module, codes: Tensor) -> Tensor:
    """Return all codes that a model looks up, ``[…, C + derived]``, of those of the columns, ``[…, C]``.

    Example:
        >>> looked_up(nn.Linear(1, 1), torch.tensor([[3, 1]])).tolist()
        [[3, 1]]
    """
    derive = getattr(model, "with_derived", None)
    return codes if derive is None else derive(codes)


def _repeated(batch: Part, times: int) -> Part:
    """Return what a loss needs of a batch, with every row so many times in a row."""
    return replace(batch, inputs=()).map(lambda each: each.repeat_interleave(times, 0))
