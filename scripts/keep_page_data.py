"""Write the numbers that pages compute with: python scripts/keep_page_data.py [runs/step-cost …] (needs MNIST).

With folders of studies, what they measured is written for the pages of the same names; else:

``momentum.json``: what two free parameters of a linear softmax classifier leave of 500 digits. Indices and model are
drawn as in the tutorial that the page follows: NumPy seeded with 2021, 500 indices with replacement; torch seeded with
2021, a linear layer 784-10. ``losses.json``: 100 points, NumPy's legacy generator with the seed 42, and one outlier.
"""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steepest.data.catalog import locate
from steepest.data.images.idx import read_idx
from steepest.errors import FolderError
from steepest.studies.base.folder import read_study
from steepest.studies.base.making import make_study
from steepest.studies.base.measured import MEASURED, environment, read_measured

KEPT = Path(__file__).parents[1] / "src" / "steepest" / "pages" / "shown"
PIXEL, WEIGHT_CLASS, BIAS_CLASS = 378, 0, 7
DIGITS, MEASURED_DIGITS = 10, 4


def momentum() -> dict[str, list[float]]:
    """Return of every digit: its pixel, the logits of the two classes without the free parameters, and the rest.

    ``rest`` is the logarithm of the summed exponentials of the other eight logits, ``own`` the logit of the true class
    if that is one of these eight, and ``kind`` which class is the true one: 0, 7 or, of all others, -1.
    """
    files = {each.name.partition("-idx")[0]: each for each in locate("mnist")}
    images, labels = read_idx(files["train-images"]), read_idx(files["train-labels"])
    chosen = np.random.RandomState(2021).choice(60_000, 500)
    torch.manual_seed(2021)
    layer = torch.nn.Linear(784, 10)
    weight, bias = (each.detach().double().numpy().copy() for each in (layer.weight, layer.bias))
    values, counts = np.arange(256) / 255.0, np.bincount(images.reshape(-1), minlength=256)
    mean = np.average(values, weights=counts)
    spread = np.sqrt(np.average((values - mean) ** 2, weights=counts))
    x = (images[chosen].reshape(len(chosen), -1) / 255.0 - mean) / spread
    weight[WEIGHT_CLASS, PIXEL] = bias[BIAS_CLASS] = 0.0
    logits = x @ weight.T + bias
    y = labels[chosen]
    others = np.delete(logits, [WEIGHT_CLASS, BIAS_CLASS], axis=1)
    free = np.isin(y, [WEIGHT_CLASS, BIAS_CLASS])
    return {
        "pixel": x[:, PIXEL].tolist(),
        "first": logits[:, WEIGHT_CLASS].tolist(),
        "second": logits[:, BIAS_CLASS].tolist(),
        "rest": np.log(np.exp(others).sum(axis=1)).tolist(),
        "own": np.where(free, 0.0, logits[np.arange(len(y)), y]).tolist(),
        "kind": np.where(free, y, -1).tolist(),
    }


def losses() -> dict[str, list[float]]:
    """Return the points: y = 1 + 3x − 4x² + noise, and the first one moved to (−1.5, 10)."""
    draw = np.random.RandomState(42)
    x = np.sort(2 * draw.rand(100) - 1)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * draw.randn(100)
    x[0], y[0] = -1.5, 10.0
    return {"x": x.tolist(), "y": y.tolist()}


def measured(folder: str) -> dict[str, Any]:
    """Return what a study measured without runs of training, and on what, when and where.

    Raises:
        FolderError: the folder holds no study.
    """
    study = read_study(Path(folder))
    if study is None or study.data is None:
        raise FolderError(f"{folder!r} holds no study", hint="name the --out folder of steepest study.")
    size = "" if study.size == "default" else f" --{study.size}"
    names = make_study(study.study).measurements(study.size)
    latest = max(each.stat().st_mtime for each in Path(folder, MEASURED).iterdir())
    facts = {each.label: each.value for each in environment()}
    return {
        "made": {
            "study": f"steepest study {study.study}{size}",
            "data": study.data.text,
            "steepest": facts["steepest"],
            "date": date.fromtimestamp(latest).isoformat(),
            "machine": facts["machine"],
        },
        "measured": {name: read_measured(Path(folder), name) for name in names},
    }


def rounded(value: Any, digits: int) -> Any:
    """Return a value of JSON whose numbers have so many significant digits.

    Example:
        >>> rounded({"a": [1.23456, 7, None]}, 3)
        {'a': [1.23, 7, None]}
    """
    if isinstance(value, dict):
        return {key: rounded(each, digits) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each, digits) for each in value]
    return float(f"{value:.{digits}g}") if isinstance(value, float) else value


def keep(name: str, found: dict[str, Any], digits: int = DIGITS) -> Path:
    """Write one file, numbers with so many significant digits."""
    path = KEPT / f"{name}.json"
    lines = ",\n".join(
        f"{json.dumps(key)}: {json.dumps(rounded(value, digits))}" for key, value in found.items()
    )
    path.write_text(f"{{{lines}}}\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    for each in sys.argv[1:]:
        numbers = measured(each)
        keep(numbers["made"]["study"].split()[2], numbers, MEASURED_DIGITS)
    if not sys.argv[1:]:
        keep("momentum", momentum())
        keep("losses", losses())
