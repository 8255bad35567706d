"""Predict rows with the network in this folder; needs torch, safetensors and NumPy.

On the command line: ``python predict.py new.csv predictions.csv``. In Python, with this folder as the current one::

    from predict import predict

    predict([{"age": 31, "plan": "basic"}])
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import nn

from steepest.export.portable.embedding_mlp import network
from steepest.export.portable.encoding import Encoding, Row, command_line
from steepest.models.number_columns import put_before, split_off

HERE = Path(__file__).parent


@functools.cache
def load() -> tuple[Encoding, nn.Module]:
    """Return the encoding and the network with its weights."""
    about = json.loads((HERE / "encoders.json").read_text(encoding="utf-8"))
    weights, columns = split_off(load_file(HERE / "weights.safetensors"))
    net = network(about["network"], weights)
    return Encoding(about), (net if columns is None else put_before(net, columns)).eval()


def answers(categorical: NDArray[np.int64], continuous: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities ``[N, K]``, or values in original units ``[N]``, from encoded inputs."""
    encoding, net = load()
    with torch.no_grad():
        outputs = net(torch.from_numpy(categorical), torch.from_numpy(continuous)).double()
    if encoding.about["classes"]:
        return torch.softmax(outputs, 1).numpy()
    return (outputs.squeeze(1) * encoding.about["target_sd"] + encoding.about["target_mean"]).numpy()


def predict(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a prediction for each row, a mapping from column names to values.

    Raises:
        ValueError: there are no rows, a column is absent, or a value cannot be used.
    """
    return load()[0].predict(rows, answers)


if __name__ == "__main__":
    command_line(predict)
