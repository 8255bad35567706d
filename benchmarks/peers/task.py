"""What all sides of a measurement compute: the network, its start weights, the rows, and some steps to check.

Only NumPy is needed here, because every peer reads it with what its own environment has.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Phase = Literal["check", "timed"]
Array = NDArray[Any]


@dataclass(frozen=True)
class Network:
    """A network for table rows, its optimizer and its batch size.

    Attributes:
        cardinalities: codes of each categorical column.
        widths: the width of each column's embedding.
        continuous: continuous columns.
        classes: what is predicted.
        hidden: widths of the hidden layers.
        dropout: probability of dropping an embedded value.
        batch_norm: each hidden layer is BatchNorm → Linear without bias → ReLU, else Linear → ReLU.
        optimizer: ``adam`` or ``momentum`` (0.9), at torch's other defaults.
        lr: its learning rate.
        batch: rows of a batch.
    """

    cardinalities: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    continuous: int = 0
    classes: int = 2
    hidden: tuple[int, ...] = (128, 64)
    dropout: float = 0.0
    batch_norm: bool = True
    optimizer: Literal["adam", "momentum"] = "adam"
    lr: float = 1e-3
    batch: int = 64

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the categorical columns."""
        return tuple(f"c{i}" for i in range(len(self.cardinalities)))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Width of the input of every linear layer, and of the output."""
        return (sum(self.widths) + self.continuous, *self.hidden, self.classes)


@dataclass(frozen=True)
class Task:
    """A network with its data.

    Attributes:
        network: what is trained.
        weights: start values of the parameters in order: embeddings; of each layer batch norm's weight and bias
            and the linear weight (and its bias without batch norm); the head's weight and bias.
        codes: int64 ``[N, C]``.
        continuous: float32 ``[N, D]``.
        target: int64 ``[N]``.
        check_rows: rows of each batch of the check, int64 ``[steps, B]``.
        check_masks: what dropout multiplies with in each of its steps, float32 ``[steps, B, width]``.
    """

    network: Network
    weights: tuple[Array, ...]
    codes: Array
    continuous: Array
    target: Array
    check_rows: Array
    check_masks: Array

    def save(self, folder: Path) -> None:
        """Write everything into a folder."""
        (folder / "network.json").write_text(json.dumps(asdict(self.network)), encoding="utf-8")
        np.savez(folder / "weights.npz", *self.weights)
        np.savez(
            folder / "rows.npz",
            codes=self.codes,
            continuous=self.continuous,
            target=self.target,
            check_rows=self.check_rows,
            check_masks=self.check_masks,
        )

    @classmethod
    def load(cls, folder: Path) -> Task:
        """Read what ``save`` wrote."""
        plain = json.loads((folder / "network.json").read_text(encoding="utf-8"))
        network = Network(
            **{name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()}
        )
        with np.load(folder / "weights.npz") as found:
            weights = tuple(found[f"arr_{i}"] for i in range(len(found.files)))
        with np.load(folder / "rows.npz") as found:
            return cls(network, weights, **{name: found[name] for name in found.files})

    def rows(self, phase: Phase) -> tuple[Array, Array, Array]:
        """Return codes, continuous values and targets: those of the check in its order, or all."""
        if phase == "timed":
            return self.codes, self.continuous, self.target
        order = self.check_rows.reshape(-1)
        return self.codes[order], self.continuous[order], self.target[order]
