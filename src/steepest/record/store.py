"""An experiment's folder: what is in it, and that it belongs to one experiment on one dataset.

``experiment.toml`` (with the execution plan), ``journal.jsonl``, ``curves.arrow``, ``results.csv``,
``results.json``, ``rows/`` (test losses by row), ``checkpoints/`` (best weights), ``report.html`` and ``model/``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl
import safetensors.torch
from torch import Tensor

from steepest.errors import FolderError
from steepest.files import cannot_write, write_atomically
from steepest.record.journal import Journal
from steepest.record.schema import Record


class Folder:
    """The folder of one experiment.

    Args:
        path: the folder; made when the first thing is written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.journal = Journal(self.path / "journal.jsonl")

    @classmethod
    def open(cls, path: str | Path) -> Folder:
        """Return an existing experiment's folder.

        Raises:
            FolderError: the folder does not exist or holds no experiment.
        """
        folder = cls(path)
        if not folder.path.is_dir():
            near = sorted(str(each.parent) for each in folder.path.parent.glob("*/experiment.toml"))
            more = f" Here are: {', '.join(near[:5])}." if near else ""
            raise FolderError(
                f"there is no folder {str(path)!r}", hint=f"name the --out folder of a comparison.{more}"
            )
        if not (folder.path / "experiment.toml").is_file():
            raise FolderError(
                f"{str(path)!r} holds no experiment: it has no experiment.toml",
                hint="name the --out folder of a comparison.",
            )
        return folder

    def make(self) -> None:
        """Make the folder and the folders in it.

        Raises:
            FolderError: something is in the way or it cannot be written.
        """
        try:
            for each in (self.path, self.path / "checkpoints", self.path / "rows"):
                each.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from None

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file whole and return its path."""
        write_atomically(self.path / name, content)
        return self.path / name

    def write_tensors(
        self, name: str, tensors: Mapping[str, Tensor], about: Mapping[str, str] | None = None
    ) -> Path:
        """Write named tensors as safetensors; ``name`` is without the ending."""
        whole = {key: value.contiguous() for key, value in tensors.items()}
        return self.write(f"{name}.safetensors", safetensors.torch.save(whole, dict(about or {})))

    def read_tensors(self, name: str) -> dict[str, Tensor]:
        """Read what :meth:`write_tensors` wrote.

        Raises:
            FolderError: the file is missing or damaged.
        """
        path = self.path / f"{name}.safetensors"
        try:
            return safetensors.torch.load(path.read_bytes())
        except Exception as error:
            raise FolderError(
                f"cannot read {str(path)!r}: {error}",
                hint="run the comparison again; it repeats what is missing.",
            ) from None

    def has_tensors(self, name: str) -> bool:
        """Return whether :meth:`read_tensors` would find a file."""
        return (self.path / f"{name}.safetensors").is_file()

    def remove(self, name: str) -> None:
        """Remove a file that may be there."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / name).unlink()

    def records(self) -> list[Record]:
        """Return the records of every run in the journal, oldest first.

        Raises:
            FolderError: a record was written by another version or was damaged.
        """
        found: list[Record] = []
        for event in self.journal.read():
            if event.get("event") == "run":
                try:
                    found.append(Record.model_validate(event["record"]))
                except ValueError as error:
                    raise FolderError(
                        f"a run in {str(self.journal.path)!r} cannot be read: {error}",
                        hint="it was written by another version of steepest; use that one, or another --out.",
                    ) from None
        return found

    def append_record(self, record: Record) -> None:
        """Append one run to the journal."""
        self.journal.append({"event": "run", "record": record.model_dump(mode="json")})


def curves_frame(records: Iterable[Record]) -> pl.DataFrame:
    """Return every evaluation of every run as one long table.

    Columns: name, phase, seed, lr, step, epoch, seconds, gradients, metric (``train_loss`` or a validation
    metric), value.
    """
    rows = [
        (r.key.name, r.key.phase, r.key.seed, r.lr, p.step, p.epoch, p.seconds, p.gradients, metric, value)
        for r in records
        for p in r.curve
        for metric, value in (("train_loss", p.train_loss), *p.validation.items())
    ]
    schema = {
        "name": pl.String, "phase": pl.String, "seed": pl.Int64, "lr": pl.Float64, "step": pl.Int64,
        "epoch": pl.Float64, "seconds": pl.Float64, "gradients": pl.Float64, "metric": pl.String,
        "value": pl.Float64,
    }  # fmt: skip
    return pl.DataFrame(rows, schema=schema, orient="row")
