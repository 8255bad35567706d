"""An experiment's folder: what is in it, and that it belongs to one experiment on one dataset.

``experiment.toml`` (with the execution plan), ``journal.jsonl``, ``curves.arrow``, ``results.csv``,
``results.json``, ``rows/`` (test losses by row), ``predictions/`` (of the test rows), ``checkpoints/`` (best weights),
``source/`` (the user's code), ``report.html`` and ``model/``.
"""

from __future__ import annotations

import contextlib
import json
import shlex
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl
from torch import Tensor

from steepest.components.references import begun_in, looking
from steepest.errors import FolderError
from steepest.files import (
    TEMPORARY,
    cannot_write,
    reachable,
    remove_leftovers,
    write_atomically,
    write_with_folder,
)
from steepest.finetuning.frozen import packed, unpacked, unused
from steepest.record import lock
from steepest.record.journal import RUN, Journal
from steepest.record.schema import BaselineRecord, Record

FORMAT = 3
"""Of the folders that are written. Those of an earlier format are read and shown, and nothing is added to them."""

ENCODING = 3
"""Of the data in folders that are begun; 1 where a folder names none: then its dates had no day of the year. Up to 2,
splits by time cut inside a moment, and that time was an input."""

SOURCE = "source"
"""The folder with the source of the user's code, by its identity."""

ARMS = "arms"
"""The folder with the best network of each arm, by the arm's id."""
NETWORKS = f"{ARMS}/*/model.safetensors"
"""The files of their weights."""

BASELINES = "baselines"
"""The folder with the fitted baselines, by their registered names."""

TEST_PREDICTIONS = "predictions/test.parquet"
"""What the recommended model predicts for the test rows."""

STUDY = "study.json"
"""Which study the folder is of and on which data; written before anything else, by the study."""
SUITE = "suite.json"
"""The numbers of a finished suite, in the folder that has those of its data sets."""

PARTS = ("checkpoints", "rows", "predictions")
"""The folders in an experiment's folder from its beginning."""


class Folder:
    """The folder of one experiment.

    Args:
        path: the folder; created at the first write.

    Raises:
        FolderError: the system cannot look the path up.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = reachable(path)
        self.journal = Journal(self.path / "journal.jsonl")

    @classmethod
    def open(cls, path: str | Path) -> Folder:
        """Return an existing experiment's folder.

        Raises:
            FolderError: the folder does not exist, holds no experiment, or is of a later format.
        """
        folder = cls(path)
        if folder.path.is_file():
            raise FolderError(
                f"{str(path)!r} is a file, not the folder of a comparison",
                hint="name the --out folder of a comparison.",
            )
        if not folder.path.is_dir():
            near = sorted(str(each.parent) for each in folder.path.parent.glob("*/experiment.toml"))
            more = f" There are: {', '.join(near[:5])}." if near else ""
            raise FolderError(
                f"there is no folder {str(path)!r}", hint=f"name the --out folder of a comparison.{more}"
            )
        if not (folder.path / "experiment.toml").is_file():
            if (folder.path / STUDY).is_file():
                raise FolderError(
                    f"{str(path)!r} holds a study that has trained nothing: it has no experiment.toml",
                    hint=f"`{command('resume', folder.path)}` goes on with it and prints its answer.",
                )
            raise FolderError(
                f"{str(path)!r} holds no experiment: it has no experiment.toml",
                hint="name the --out folder of a comparison.",
            )
        if folder.format > FORMAT:
            raise FolderError(
                f"{str(path)!r} has the folder format {folder.format}, and this version knows {FORMAT}",
                hint="use a later version of steepest.",
            )
        return folder

    @classmethod
    def of_model(cls, path: Path) -> Folder:
        """Return the folder of the comparison that a model belongs to: ``RUN/model``, ``RUN/arms/ID``, …

        Example:
            >>> Folder.of_model(Path("RUN/arms/0f31aa90bc42")).path.as_posix()
            'RUN'
        """
        return cls(path.parent.parent if path.parent.name in (ARMS, BASELINES) else path.parent)

    @property
    def format(self) -> int:
        """The format in which the folder was begun: ``FORMAT`` while its journal is empty, 1 where that names none.

        Raises:
            FolderError: the journal cannot be read.
        """
        if self.journal.is_empty:
            return FORMAT
        found = (self.journal.first("data") or {}).get("format")
        return found if isinstance(found, int) else 1

    @property
    def encoding(self) -> int:
        """Which numbers were made of the data when the folder was begun, as ``ENCODING`` counts."""
        if self.journal.is_empty:
            return ENCODING
        found = (self.journal.first("data") or {}).get("encoding")
        return found if isinstance(found, int) else 1

    def check_format(self) -> None:
        """Complain about a folder that was begun in another format than the one that is written.

        Raises:
            FolderError: it was; or the journal cannot be read.
        """
        begun = self.format
        if begun == FORMAT:
            return
        name = self.path.as_posix()
        if begun > FORMAT:
            raise FolderError(
                f"{name!r} has the folder format {begun}, and this version knows {FORMAT}",
                hint="use a later version of steepest, or give --out another folder.",
            )
        fresh = command("compare", self.path / "experiment.toml", "--out", f"{name}-again")
        raise FolderError(
            f"{name!r} was started by an earlier version (folder format {begun}, now {FORMAT}): it opens, predicts "
            "and exports, but nothing can be added to it",
            hint=f"start a new folder with another --out: `{fresh}`.",
        )

    def begin(self, data: str, name: str) -> None:
        """Write down, once, the folder's format and the data that it belongs to."""
        if self.journal.first("data") is None:
            at = str(begun_in())
            known = {"format": FORMAT, "encoding": ENCODING}
            self.journal.append({"event": "data", **known, "data": data, "name": name, "at": at})

    @property
    def data(self) -> str:
        """The fingerprint of the data that the folder belongs to; empty before it has begun."""
        return str((self.journal.first("data") or {"data": ""})["data"])

    @property
    def home(self) -> Path | None:
        """The working directory in which the folder was begun, which relative paths are relative to, if known."""
        found = (self.journal.first("data") or {}).get("at")
        return Path(found) if isinstance(found, str) else None

    def sources_of(self, file: Path) -> list[Path]:
        """Return where copies of a file of the user's code are kept, as it was referred to, the newest first."""
        named = [each for each in self.journal.read("code") if file.as_posix() in str(each.get("name"))]
        return [self.path / SOURCE / str(each.get("digest")) / file.name for each in reversed(named)]

    def finding_code(self, *, stored: bool = False) -> AbstractContextManager[None]:
        """Find the user's code inside the block: in the working directory, in :attr:`home`, or as a kept copy.

        Args:
            stored: what is stored in the folder refers to the code, which is looked for in :attr:`home` first.
        """
        return looking(self.sources_of, home=self.home, first=stored)

    def make(self, parts: Sequence[str] = PARTS) -> None:
        """Make the folder and the folders in it.

        Args:
            parts: the names of these.

        Raises:
            FolderError: something is in the way or it cannot be written.
        """
        try:
            for name in (".", *parts):
                (self.path / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(self.path, error) from None

    @contextlib.contextmanager
    def held(self) -> Generator[None]:
        """Make the folder and keep other processes out of it inside the block.

        What a killed process left half-written is removed first.

        Raises:
            FolderError: another process is working in it, or it cannot be written.
        """
        self.make()
        with lock.locked(self.path):
            saved = [
                path.relative_to(self.path) for of in (BASELINES, ARMS) for path in self.path.glob(f"{of}/*")
            ]
            for name in (".", *PARTS, "model", *saved):
                remove_leftovers(self.path / name)
            yield

    @property
    def untouched(self) -> bool:
        """Whether the folder is not there, empty, or holds only what :meth:`held` makes before anything is kept."""
        if not self.path.is_dir():
            return True
        for each in self.path.iterdir():
            left = each.name in (lock.NAME, STUDY) or (
                each.name.startswith(".") and each.name.endswith(TEMPORARY)
            )
            if not left and not (each.name in PARTS and each.is_dir() and not any(each.iterdir())):
                return False
        return True

    @property
    def recommended(self) -> Path:
        """The folder of the model that the comparison recommends.

        Raises:
            FolderError: the results cannot be read.
        """
        path = self.path / "results.json"
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            rows = [row for row in stored["rows"] if row["kind"] == "baseline"]
            baselines = {row["name"]: str(row.get("model") or "") for row in rows}
            return self.path / saved_model(stored.get("recommended") or "", stored["winner"], baselines)
        except FileNotFoundError:
            return self.path / "model"
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FolderError(
                f"cannot read {str(path)!r}: {error}",
                hint=f"run `{command('resume', self.path)}` to write it again.",
            ) from None

    def codes(self) -> dict[str, str]:
        """Return the identity of the user's code that was trained last, by what it is the code of."""
        return {str(each.get("of")): str(each.get("digest")) for each in self.journal.read("code")}

    def keep_code(self, of: str, name: str, digest: str, sources: Mapping[str, str]) -> None:
        """Keep the source of the user's code as text, again if a copy is gone, and note name and identity once."""
        for file, text in sources.items():
            path = self.path / SOURCE / digest / file
            if path.is_file():
                continue
            write_with_folder(path, text)
        if self.codes().get(of) == digest:
            return
        event = {"event": "code", "of": of, "name": name, "digest": digest, "files": sorted(sources)}
        self.journal.append(event)

    def write(self, name: str, content: str | bytes) -> Path:
        """Write one file atomically and return its path."""
        write_atomically(self.path / name, content)
        return self.path / name

    def write_tensors(
        self,
        name: str,
        tensors: Mapping[str, Tensor],
        about: Mapping[str, str] | None = None,
        held: Mapping[str, str] | None = None,
    ) -> Path:
        """Write named tensors as safetensors; ``name`` is without the ending.

        Args:
            name: of the file.
            tensors: by name.
            about: what they are about.
            held: those that are stored once for all files that have them, see
                :func:`steepest.finetuning.frozen.packed`.
        """
        return self.write(f"{name}.safetensors", packed(self.path, tensors, about, held or {}))

    def read_tensors(self, name: str) -> dict[str, Tensor]:
        """Read what :meth:`write_tensors` wrote.

        Raises:
            FolderError: the file is missing or damaged.
        """
        return self.read_tensors_about(name)[0]

    def read_tensors_about(self, name: str) -> tuple[dict[str, Tensor], dict[str, str]]:
        """Read what :meth:`write_tensors` wrote, with what the tensors are about.

        Raises:
            FolderError: the file is missing or damaged.
        """
        path = self.path / f"{name}.safetensors"
        try:
            return unpacked(self.path, path.read_bytes())
        except Exception as error:
            raise FolderError(
                f"cannot read {str(path)!r}: {error}",
                hint=f"delete it (rm {shlex.quote(str(path))}) and run `{command('resume', self.path)}`: "
                "it repeats what is missing.",
            ) from None

    def has_tensors(self, name: str) -> bool:
        """Return whether :meth:`read_tensors` would find a file."""
        return (self.path / f"{name}.safetensors").is_file()

    def tensor_bytes(self, name: str) -> int:
        """Return how large the file is that :meth:`read_tensors` reads, in bytes."""
        return (self.path / f"{name}.safetensors").stat().st_size

    def remove(self, name: str) -> None:
        """Remove a file that may be there."""
        with contextlib.suppress(FileNotFoundError):
            (self.path / name).unlink()

    def forget_unused(self) -> None:
        """Remove the files of frozen parameters that no file of weights names."""
        for path in unused(self.path, "checkpoints/*.safetensors", NETWORKS):
            path.unlink(missing_ok=True)

    def history(self) -> dict[tuple[str, int], Record]:
        """Return the newest record of every run by (recipe id, seed).

        Raises:
            FolderError: as :meth:`records`.
        """
        return {(record.key.recipe, record.key.seed): record for record in self.records()}

    def records(self) -> list[Record]:
        """Return the records of every run in the journal, oldest first.

        Raises:
            FolderError: a record was written by another version or was damaged.
        """
        found: list[Record] = []
        for event in self.journal.read(RUN):
            try:
                found.append(Record.model_validate(event["record"]))
            except (ValueError, KeyError) as error:
                raise self._other_version("a run", error) from None
        return found

    def append_record(self, record: Record) -> None:
        """Append one run to the journal."""
        self.journal.append({"event": RUN, "record": record.model_dump(mode="json")})

    def baseline(self, key: str) -> BaselineRecord | None:
        """Return the baseline that was kept last under a key, or None.

        Raises:
            FolderError: it was written by another version or was damaged.
        """
        found: BaselineRecord | None = None
        for event in self.journal.read("baseline"):
            try:
                record = BaselineRecord.model_validate(event["record"])
            except (ValueError, KeyError) as error:
                raise self._other_version("a baseline", error) from None
            found = record if record.key == key else found
        return found

    def baselines(self) -> list[BaselineRecord]:
        """Return the baselines that were kept and can be read, in order; a folder may have several of a name."""
        found: list[BaselineRecord] = []
        for event in self.journal.read("baseline"):
            with contextlib.suppress(ValueError, KeyError):  # of another version
                found.append(BaselineRecord.model_validate(event["record"]))
        return found

    def append_baseline(self, record: BaselineRecord) -> None:
        """Append one baseline to the journal."""
        self.journal.append({"event": "baseline", "record": record.model_dump(mode="json")})

    def _other_version(self, what: str, error: Exception) -> FolderError:
        first = (str(error).strip().splitlines() or [""])[:3]
        return FolderError(
            f"{what} in {str(self.journal.path)!r} cannot be read: {' '.join(each.strip() for each in first)}",
            hint="it was written by another version of steepest or edited; use that version, or another --out.",
        )


def saved_model(recommended: str, winner: str, baselines: Mapping[str, str]) -> str:
    """Return where in the folder the recommended model is: ``model`` for the network.

    Args:
        recommended, winner: names of rows.
        baselines: where the baselines are, by name.

    Example:
        >>> saved_model("majority", "adam", {"majority": "baselines/majority"}), saved_model("adam", "adam", {})
        ('baselines/majority', 'model')
    """
    return (baselines.get(recommended) if recommended != winner else None) or "model"


def command(name: str, *arguments: str | Path) -> str:
    """Return a command line that can be copied, whatever the paths contain.

    Example:
        >>> command("resume", "runs/my table")
        "steepest resume 'runs/my table'"
    """
    return shlex.join(["steepest", name, *(str(each) for each in arguments)])


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
