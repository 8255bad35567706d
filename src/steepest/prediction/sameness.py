"""Whether a network of the user's own is the one that was trained: by its code and settings, and by its outputs."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from torch import Tensor, nn

from steepest.components.identity import Code, of_network
from steepest.data.dataset import InputField, Shape
from steepest.errors import ModelError
from steepest.evaluate.outputs import predict
from steepest.recipe import CALLABLE
from steepest.record.store import SOURCE, Folder

ROWS = 5
"""Made-up rows whose outputs are compared."""

RELATIVE = 1e-3
"""Differences of outputs, as a share of the largest, that another machine or version may cause."""

Outputs = tuple[tuple[float, ...], ...]


def outputs_of(net: nn.Module, shape: Shape) -> Outputs:
    """Return a network's outputs on a few made-up rows; none if it fails on them or draws at random.

    Example:
        >>> shape = Shape("classification", {}, ("a", "b"), 2)
        >>> class Sum(nn.Module):
        ...     def forward(self, codes, values):
        ...         return values.sum(1, keepdim=True) * 2
        >>> len(outputs_of(Sum(), shape))
        5
    """
    inputs = made_up_rows(shape)
    try:
        one, two = (predict(net, inputs).double().cpu() for _ in range(2))
    except Exception:
        return ()
    if one.dim() == 3:  # of a text, at its last position
        one, two = one[:, -1], two[:, -1]
    if one.dim() != 2 or not torch.equal(one, two):
        return ()
    return tuple(tuple(each) for each in one.tolist())


def made_up_rows(shape: Shape) -> tuple[Tensor, ...]:
    """Return some rows that are the same every time, as a model is called with them."""
    return tuple(_made_up(each, shape) for each in shape.fields)


def _made_up(field: InputField, shape: Shape) -> Tensor:
    rows = torch.arange(ROWS)[:, None]
    if field.kind == "codes":
        sizes = torch.tensor(list(shape.cardinalities.values()), dtype=torch.long)
        return (rows * 7 + torch.arange(len(sizes)) * 3 + 1) % sizes if len(sizes) else rows[:, :0]
    if field.kind == "tokens":
        return (rows * 7 + torch.arange(field.size[0]) * 3 + 1) % shape.outputs
    values = torch.sin(rows * 1.7 + torch.arange(math.prod(field.size)) * 0.9 + 0.3).float()
    return values.reshape(ROWS, *field.size)


def check_code(net: nn.Module, code: str, folder: Path, model: str) -> None:
    """Complain about a network with other code or settings than the one that was trained.

    Args:
        net: the network.
        code: the digest of the one that was trained; empty if it is not known.
        folder: where that was saved.
        model: what that was built from.

    Raises:
        ModelError: they are others.
    """
    if code and of_network(net) != code:
        raise ModelError(
            f"the code of {_name(model)!r} is not what the model in {str(folder)!r} was trained with, "
            "or its settings differ",
            hint=_as_trained(folder, model),
        )


def check_outputs(net: nn.Module, shape: Shape, outputs: Outputs, folder: Path, model: str) -> None:
    """Complain about a network, with its weights, that gives other outputs than the one that was trained.

    Args:
        net, folder, model: as for :func:`check_code`.
        shape: of the data.
        outputs: those of the one that was trained; none if they are not known.

    Raises:
        ModelError: they are others.
    """
    if outputs and not _close(torch.tensor(outputs_of(net, shape)).double(), torch.tensor(outputs).double()):
        raise ModelError(
            f"with the weights in {str(folder)!r}, {_name(model)!r} gives other outputs than the model that "
            "was trained",
            hint=_as_trained(folder, model),
        )


def check_reference(code: Code, folder: Folder, kind: str, known: str, *, same: bool = True) -> None:
    """Complain about a component of the user's own with other code or settings than the one that was trained with.

    Args:
        code: of the one that is given.
        folder: of the comparison, which knows the identity of the one that was trained with.
        kind: such as ``loss``.
        known: the specification that was trained with.
        same: whether the settings are the same.

    Raises:
        ModelError: they are others.
    """
    then = folder.codes().get(f"{kind} {known}", "")
    if not same or (then and not code.why and code.digest != then):
        raise ModelError(
            f"the code of {known!r} is not what the runs in {str(folder.path)!r} were trained with, "
            "or its settings differ",
            hint=_kept(folder, kind, known, then),
        )


def _name(model: str) -> str:
    return model.removeprefix(CALLABLE)


def _close(now: Tensor, then: Tensor) -> bool:
    if now.shape != then.shape:
        return False
    most = float(then.abs().nan_to_num(0.0, 0.0).max()) * RELATIVE
    return torch.allclose(now, then, rtol=0.0, atol=most + 1e-9, equal_nan=True)


def _as_trained(folder: Path, model: str) -> str:
    """Return how to go on with the code that a model was trained with, which its folder keeps."""
    run = Folder.of_model(folder)
    codes = run.codes()
    return _kept(run, "model", model, codes.get(f"model {model}", codes.get("model", "none")))


def _kept(run: Folder, kind: str, text: str, digest: str) -> str:
    """Return how to go on with code of some kind, of which the folder of a comparison keeps the source."""
    kept = run.path / SOURCE / (digest or "none")
    where, colon, _ = text.partition("(")[0].rpartition(":")
    name = text[len(where) + len(colon) :]
    files = [each for each in sorted(kept.rglob("*.py")) if each.name == Path(where).name]
    if files:
        return f"give the code that it was trained with, which is kept: --{kind} {f'{files[0].as_posix()}:{name}'!r}."
    more = f" Its source is kept in {kept.as_posix()!r}." if kept.is_dir() else ""
    if not more and kept.name in run.codes().values():
        more = f" The copy of its source in {kept.as_posix()!r} is gone."
    return f"give the code and the settings that it was trained with, or train again.{more}"
