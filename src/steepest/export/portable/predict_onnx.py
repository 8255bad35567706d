"""Predict rows with the ONNX model in this folder; needs onnxruntime and NumPy.

On the command line: ``python predict.py new.csv predictions.csv``. In Python, with this folder as the current one::

    from predict import predict

    predict([{"age": 31, "plan": "basic"}])
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from steepest.export.portable.encoding import Encoding, Row, command_line

HERE = Path(__file__).parent


@functools.cache
def load() -> tuple[Encoding, Any]:
    """Return the encoding and the model."""
    import onnxruntime

    session = onnxruntime.InferenceSession(HERE / "model.onnx", providers=["CPUExecutionProvider"])
    return Encoding.load(HERE / "encoders.json"), session


def answers(categorical: NDArray[np.int64], continuous: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return probabilities ``[N, K]``, or values in original units ``[N]``, from encoded inputs."""
    session = load()[1]
    inputs = {"categorical": categorical, "continuous": continuous}
    return session.run(None, {each.name: inputs[each.name] for each in session.get_inputs()})[0]


def predict(rows: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Return a prediction for each row, a mapping from column names to values.

    Raises:
        ValueError: there are no rows, a column is absent, or a value cannot be used.
    """
    return load()[0].predict(rows, answers)


if __name__ == "__main__":
    command_line(predict)
