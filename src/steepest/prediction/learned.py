"""What a network has learned: the activations of its layers, and its vectors of categories."""

from __future__ import annotations

import contextlib
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from steepest.data.dataset import Shape
from steepest.data.encode import Vocabulary
from steepest.data.names import plain
from steepest.data.pipeline import TablePipeline
from steepest.data.sources.ratings import RatingsPipeline
from steepest.data.sources.rows import Pipeline
from steepest.errors import DataError, ModelError, OptionError, UnknownNameError, unknown_name
from steepest.evaluate.outputs import predict
from steepest.models.normalized import Normalized
from steepest.optim.roles import roles_of
from steepest.prediction.sameness import made_up_rows

ROW, TITLE = "row", "title"
"""Columns of frames: the number of a row, from 0; and the title of an item."""


@dataclass(frozen=True)
class Layer:
    """A module whose output has a row for each row of the input.

    Attributes:
        name: as in ``named_modules``.
        kind: the class of the module.
        size: the shape of one row's activations.
    """

    name: str
    kind: str
    size: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.name} ({self.kind}, {' × '.join(map(str, self.size)) or '1'})"


@dataclass(frozen=True)
class Layers:
    """The layers of a network in the order in which they give their outputs.

    Attributes:
        known: by name.
        last_hidden: the last one before the output layer; None if there is none.
    """

    known: Mapping[str, Layer]
    last_hidden: str | None

    def named(self, name: str | None) -> Layer:
        """Return a layer by its name, or the last hidden one.

        Raises:
            UnknownNameError: there is no layer of this name.
            ModelError: none is named, and there is no hidden layer.
        """
        if name is not None and name in self.known:
            return self.known[name]
        shown = ", ".join(map(str, self.known.values()))
        if name is not None and self.known:
            near = unknown_name("layer", name, self.known).hint.partition(" Known:")[0]
            question = f"{near} " if near.startswith("did you mean") else ""
            raise UnknownNameError(
                f"the network has no layer {name!r}", hint=f"{question}The layers: {shown}."
            )
        if self.last_hidden is None:
            raise ModelError(
                "the network has no hidden layer",
                hint=f"name a layer with --layer: {shown}." if shown else "choose a model that has layers.",
            )
        return self.known[self.last_hidden]


def _inner(net: nn.Module) -> nn.Module:
    """Return the network whose layers have names: without what normalises its inputs."""
    return net.net if isinstance(net, Normalized) else net


def layers_of(net: nn.Module, shape: Shape) -> Layers:
    """Return the layers of a network, from a call with some made-up rows.

    Example:
        >>> class Net(nn.Sequential):
        ...     def forward(self, codes, values):
        ...         return super().forward(values)
        >>> net = Net(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
        >>> found = layers_of(net, Shape("regression", {}, ("a", "b"), 1))
        >>> list(found.known), found.last_hidden
        (['0', '1', '2'], '1')
    """
    rows = made_up_rows(shape)
    count = len(rows[0])
    entered: list[str] = []
    done: dict[str, tuple[int, Layer]] = {}
    modules = {name: module for name, module in _inner(net).named_modules() if name}

    def enter(name: str) -> Any:
        return lambda *_: entered.append(name)

    def leave(name: str) -> Any:
        def note(module: nn.Module, _: Any, output: Any) -> None:
            done.pop(name, None)  # of several calls the last one counts
            if isinstance(output, Tensor) and output.dim() and len(output) == count:
                layer = Layer(name, type(module).__name__, tuple(output.shape[1:]))
                done[name] = len(entered), layer

        return note

    with contextlib.ExitStack() as stack:
        for name, module in modules.items():
            for handle in (
                module.register_forward_pre_hook(enter(name)),
                module.register_forward_hook(leave(name)),
            ):
                stack.callback(handle.remove)
        predict(net, rows)
    weighing = [
        place
        for place, name in enumerate(entered, 1)
        if not isinstance(modules[name], nn.Embedding)
        and next(modules[name].parameters(recurse=False), None) is not None
    ]
    hidden = [
        name for name, (when, _) in done.items() if len(weighing) > 1 and weighing[0] <= when < weighing[-1]
    ]
    return Layers({name: layer for name, (_, layer) in done.items()}, hidden[-1] if hidden else None)


class _Tapped(nn.Module):
    """A network that returns what one of its modules gives instead of its outputs."""

    def __init__(self, net: nn.Module, module: nn.Module) -> None:
        super().__init__()
        self.net, self.module = net, module

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return the module's output, ``[B, d]``; nothing of the network is changed."""
        with _noted(self.module) as found:
            self.net(*inputs)
        return found[-1].reshape(len(inputs[0]), -1)


@contextlib.contextmanager
def _noted(module: nn.Module) -> Generator[list[Tensor]]:
    found: list[Tensor] = []

    def note(_: nn.Module, __: Any, output: Tensor) -> None:
        found.append(output.detach().clone())  # a later module may change it in place

    handle = module.register_forward_hook(note)
    try:
        yield found
    finally:
        handle.remove()


def activations_of(net: nn.Module, layer: Layer, inputs: tuple[Tensor, ...]) -> NDArray[np.float32]:
    """Return the activations of a layer, flattened to ``[N, d]``.

    Args:
        net: the network, which is called as for a prediction.
        layer: one of :func:`layers_of`.
        inputs: rows, at least one.
    """
    tapped = _Tapped(net, _inner(net).get_submodule(layer.name))
    return predict(tapped, inputs).float().cpu().numpy()


def activations_frame(
    net: nn.Module, layer: Layer, pipeline: Pipeline, rows: Any, keep: str | Sequence[str], batch_rows: int
) -> pl.DataFrame:
    """Return the activations of a layer for new rows, see :meth:`TrainedModel.activations`."""
    names = list(dict.fromkeys(plain(each) for each in ([keep] if isinstance(keep, str) else keep)))
    for name in names:
        if name == ROW or name.isdecimal():
            raise OptionError(
                f"the column {name!r} cannot be kept: activations have one of that name",
                hint="rename it in the rows, or leave it out.",
            )
    parts: list[pl.DataFrame] = []
    before = 0
    for each in pipeline.transform_batches(rows, batch_rows, keep=names):
        if len(each.kept):
            about = pl.DataFrame({ROW: each.kept.cast(pl.UInt32) + before})
            carried = [each.carried[each.kept]] if each.carried.width else []
            values = numbered(activations_of(net, layer, each.inputs))
            parts.append(pl.concat([about, *carried, values], how="horizontal"))
        before += each.rows
    if not parts:
        raise DataError("no row is left", hint="give at least one row that the preparation keeps.")
    return pl.concat(parts)


def numbered(values: NDArray[Any]) -> pl.DataFrame:
    """Return vectors as a frame with the columns ``0`` to ``d-1``.

    Example:
        >>> numbered(np.zeros((1, 2), np.float32)).columns
        ['0', '1']
    """
    return pl.DataFrame({str(i): values[:, i] for i in range(values.shape[1])})


def vocabularies_of(pipeline: Pipeline) -> Mapping[str, Vocabulary]:
    """Return the categories of every field that has some."""
    table = pipeline.table if isinstance(pipeline, RatingsPipeline) else pipeline
    return table.encoder.vocabularies if isinstance(table, TablePipeline) else {}


def field_of(pipeline: Pipeline, name: str) -> str:
    """Return the column of a field: of ratings, ``user`` and ``item`` are columns, too."""
    if isinstance(pipeline, RatingsPipeline) and name not in vocabularies_of(pipeline):
        return {"user": pipeline.user, "item": pipeline.item}.get(name, name)
    return name


def tables_of(net: nn.Module, field: str) -> list[Tensor]:
    """Return the tables of vectors of a field, ``[codes, width]`` each, as a network declares them.

    The widest is the first; those to which it gives another role than that of embeddings, such as biases, are the last.
    """
    inner = _inner(net)
    declared: Any = getattr(inner, "tables", {})
    names: Any = declared.get(field, ()) if isinstance(declared, Mapping) else ()
    known, roles = dict(inner.named_parameters()), roles_of(inner)
    there = [each for each in ((names,) if isinstance(names, str) else names) if each in known]
    there.sort(key=lambda each: (roles[each] != "embeddings", -known[each].shape[1]))
    return [known[each].detach() for each in there]


def embedding_of(net: nn.Module, pipeline: Pipeline, field: str, title: str) -> pl.DataFrame:
    """Return the vectors of the categories of a field, see :meth:`TrainedModel.embedding`."""
    field = field_of(pipeline, field)
    vocabularies = vocabularies_of(pipeline)
    having = [each for each in vocabularies if tables_of(net, each)]
    if field not in having:
        if not having:
            raise ModelError(
                f"{title} has no vectors of categories",
                hint="choose a network with embeddings, such as --model embedding-mlp, or the activations of a layer.",
            )
        raise unknown_name("field with vectors", field, having)
    table = tables_of(net, field)[0]
    vocabulary = vocabularies[field]
    codes = torch.arange(1, len(vocabulary))
    labels = vocabulary.decode(codes)
    columns = {field: pl.Series(labels, dtype=pl.String)}
    titles = pipeline.titles if isinstance(pipeline, RatingsPipeline) and field == pipeline.item else {}
    if titles:
        columns[TITLE] = pl.Series([titles.get(each) for each in labels], dtype=pl.String)
    vectors = numbered(table[codes].cpu().numpy())
    return pl.concat([pl.DataFrame(columns), vectors], how="horizontal")
