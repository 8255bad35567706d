"""The recommended model for programs without steepest: as plain PyTorch, and as ONNX."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

from steepest.components.quiet import quiet
from steepest.data.dataset import Shape
from steepest.errors import MissingExtraError, ModelError, first_line
from steepest.export import portable as modules
from steepest.export.encoders import encoders
from steepest.export.networks import in_32_bits, own_weights, portable
from steepest.export.own import source_files
from steepest.export.readme import readme
from steepest.models import ModelBuilder, number_columns
from steepest.prediction.model import TrainedModel

Files = dict[str, str | bytes]
_HERE = modules.__name__
NUMBER_COLUMNS = "number_columns"


def as_torch(model: TrainedModel, built_by: str | ModelBuilder | None) -> Files:
    """Return a model as plain PyTorch: modules, weights and encoders by file name.

    Args:
        model: the model.
        built_by: what builds its network, where that is the user's own.

    Raises:
        ModelError: the source of the user's own network cannot stand alone.
        PreparationError: the preparation cannot be followed without steepest.
    """
    prepared = encoders(model.pipeline)  # first: what no other program can prepare is refused as such
    net = in_32_bits(model.plain)
    found = portable(net)
    if found is None:
        shape = model.pipeline.shape
        about = {"task": shape.task, "cardinalities": dict(shape.cardinalities)}
        about |= {"continuous": list(shape.encoded.continuous), "outputs": shape.outputs}
        files: Files = {**source_files(built_by or model.about.model), "shape.py": _module("shape")}
        weights: Mapping[str, Tensor] = own_weights(net)
    else:
        about, weights = dict(found.about), found.weights
        files = {"model.py": _module(found.module), **{f"{name}.py": _module(name) for name in found.beside}}
    known = {**prepared, "network": about}
    return {
        "README.md": readme(model, known, "torch"),
        **files,
        **{f"{name}.py": _module(name) for name in ("encoding", "reading", "dates")},
        f"{NUMBER_COLUMNS}.py": _module(NUMBER_COLUMNS, number_columns.__file__),
        "predict.py": _module("predict_torch"),
        "encoders.json": _json(known),
        "weights.safetensors": safetensors.torch.save(dict(weights)),
    }


def as_onnx(model: TrainedModel) -> Files:
    """Return a model as ONNX, with its encoders, by file name.

    Raises:
        MissingExtraError: the packages that write ONNX are not installed.
        ModelError: torch cannot trace the network.
        PreparationError: the preparation cannot be followed without steepest.
    """
    known = encoders(model.pipeline)
    return {
        "README.md": readme(model, known, "onnx"),
        **{f"{name}.py": _module(name) for name in ("encoding", "reading", "dates")},
        "predict.py": _module("predict_onnx"),
        "encoders.json": _json(known),
        "model.onnx": _traced(model),
    }


class DecodedNetwork(nn.Module):
    """A network that is called with the inputs that have columns, and returns probabilities or values.

    Args:
        model: the model.
    """

    def __init__(self, model: TrainedModel) -> None:
        super().__init__()
        net = in_32_bits(model.plain)
        found = portable(net)
        self.net = net if found is None else _rebuilt(found.module, found.about, found.weights)
        self.about = model.about
        self.eval()

    def forward(self, *inputs: Tensor) -> Tensor:
        """Return float64 probabilities ``[N, K]`` or values ``[N]``."""
        shape, scale, first = self.about.shape, self.about.target_scale, inputs[0]
        none = first.new_zeros((first.shape[0], 0))
        categorical = first if shape.cardinalities else none.long()
        continuous = inputs[-1] if shape.continuous else none.float()
        outputs = self.net(categorical, continuous).double()
        return torch.softmax(outputs, 1) if self.about.classes else outputs.squeeze(1) * scale.sd + scale.mean


def _traced(model: TrainedModel) -> bytes:
    try:
        import onnx_ir
        import onnxruntime
        import onnxscript  # noqa: F401  # pyright: ignore[reportUnusedImport]
    except ImportError:
        raise MissingExtraError(
            "ONNX needs onnx, onnxscript and onnxruntime, which are not all installed",
            hint="pip install '.[onnx]', or --format torch.",
        ) from None
    answers = DecodedNetwork(model)
    rows = torch.export.Dim("rows")
    inputs = _any_inputs(model.about.shape, 3)
    try:
        with quiet("torch.onnx"):
            program: Any = torch.onnx.export(
                answers,
                tuple(inputs.values()),
                input_names=list(inputs),
                output_names=["probabilities" if model.classes else "value"],
                dynamic_shapes={"inputs": tuple({0: rows} for _ in inputs)},
                dynamo=True,
                verbose=False,
            )
        for each in program.model.graph.inputs:  # one that the network does not use would keep its three rows
            each.shape = onnx_ir.Shape(["rows", *each.shape[1:]])
        written = io.BytesIO()
        program.save(written)
        session = onnxruntime.InferenceSession(written.getvalue(), providers=["CPUExecutionProvider"])
        inputs = _any_inputs(model.about.shape, 50)
        found: Any = session.run(None, {name: each.numpy() for name, each in inputs.items()})[0]
    except Exception as error:
        raise ModelError(
            f"torch cannot write the network as ONNX: {first_line(error.__cause__ or error)}",
            hint="use --format torch, or operations in its forward that torch.export can trace.",
        ) from error
    with torch.no_grad():
        wanted = answers(*inputs.values()).numpy()
    if found.shape != wanted.shape or not np.allclose(found, wanted, rtol=1e-4, atol=1e-5):
        raise ModelError(
            "the network as ONNX does not predict what it should: torch.export kept something of the rows it saw",
            hint="use --format torch, or write x.shape[0] for len(x) and no Python that depends on values.",
        )
    return written.getvalue()


def _any_inputs(shape: Shape, rows: int) -> dict[str, Tensor]:
    """Return inputs by name, those that have columns."""
    row, inputs = torch.arange(rows), dict[str, Tensor]()
    if shape.cardinalities:
        codes = [row * (2 * i + 1) % each for i, each in enumerate(shape.cardinalities.values())]
        inputs["categorical"] = torch.stack(codes, 1)
    if shape.continuous:
        inputs["continuous"] = torch.sin(torch.outer(row, 1.0 + torch.arange(len(shape.continuous))))
    return inputs


def _rebuilt(module: str, about: Mapping[str, Any], weights: Mapping[str, Tensor]) -> nn.Module:
    import importlib

    rest, columns = number_columns.split_off(weights)
    net: nn.Module = importlib.import_module(f"{_HERE}.{module}").network(about, rest)
    return net if columns is None else number_columns.put_before(net, columns)


def _module(name: str, path: str | None = None) -> str:
    """Return a module of ``portable/``, or of another place, as it stands in the exported folder."""
    file = Path(path or str(modules.__file__)).with_name(f"{name}.py")
    text = file.read_text(encoding="utf-8").replace(number_columns.__name__, NUMBER_COLUMNS)
    if name == "predict_torch":
        text = text.replace(f"{_HERE}.embedding_mlp", "model")
    return text.replace(f"{_HERE}.", "")


def _json(about: Mapping[str, Any]) -> str:
    return json.dumps(about, indent=1, ensure_ascii=False) + "\n"
