"""Everything exported from one folder: contents first, files after, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from steepest.compare.result import Comparison
from steepest.errors import MissingExtraError, OptionError, unknown_name
from steepest.experiment.folder import load_comparison
from steepest.export import bibliography, latex, plots, tidy, watched
from steepest.export.adapter import as_adapter
from steepest.export.model import as_onnx, as_torch
from steepest.export.protocol import protocol, to_text
from steepest.files import write_with_folder
from steepest.models import ModelBuilder
from steepest.prediction.model import TrainedModel
from steepest.recipe import Experiment, load_tree, validate_experiment
from steepest.record.schema import Record
from steepest.record.store import Folder, curves_frame

FORMATS = ("latex", "svg", "pdf", "csv", "text", "bibtex")
"""What is written unless formats are named."""

ADAPTER = "adapter"
MODEL_FORMATS = ("torch", "onnx", ADAPTER)
"""What is written of a model, if it is named."""


@dataclass(frozen=True)
class Export:
    """What was written.

    Attributes:
        path: the folder.
        files: the files, in the order in which they were written.
        left_out: what could not be made and why, a line each.
    """

    path: Path
    files: tuple[Path, ...]
    left_out: tuple[str, ...] = ()


def export_folder(
    folder: str | Path,
    out: str | Path | None = None,
    formats: Sequence[str] | None = None,
    *,
    model: str | ModelBuilder | None = None,
    arm: str | None = None,
) -> Export:
    """Write a finished comparison as LaTeX, SVG, PDF, CSV, text and BibTeX, or its model as PyTorch or ONNX.

    Args:
        folder: the folder of a comparison; for a model also one of its models, ``RUN/model`` or ``RUN/baselines/NAME``.
        out: where to; ``FOLDER/export`` if left out. It is made if need be; files of the same names are replaced.
        formats: some of :data:`FORMATS`; if left out, all that can be made here. Or ``torch`` and ``onnx``, which are
            made only if they are named: the recommended model, in a folder of that name; or ``adapter``: what
            ``lora`` or ``dora`` trained of the best network.
        model: what builds the network, again, where that is the user's own; only for these three.
        arm: the name, label or id of an arm, for its network instead of the recommended model; as ``model``.

    Raises:
        FolderError: the folder holds no finished comparison, or ``out`` cannot be written.
        MissingExtraError: a format needs a package that is not installed.
        UnknownNameError: there is no such format.
        OptionError: ``model`` or ``arm`` is given and no format needs it.
        ModelError: the network cannot be written in this format, or has no adapter.
        PreparationError: the preparation cannot be followed without steepest.
    """
    wanted = tuple(dict.fromkeys(_format(each) for each in formats)) if formats else FORMATS
    networks = [each for each in wanted if each in MODEL_FORMATS]
    if (model is not None or arm is not None) and not networks:
        what = "a model is given" if model is not None else f"--arm {arm!r} is given"
        raise OptionError(
            f"{what}, and no model is exported as {', '.join(wanted)}",
            hint="leave it out, or choose the format torch, onnx or adapter.",
        )
    target = Path(out) if out is not None else Path(folder) / "export"
    contents, left_out = (
        _of_model(Path(folder), networks, model, arm, target) if networks else {},
        list[str](),
    )
    if len(wanted) > len(networks):
        paper = tuple(each for each in wanted if each in FORMATS)
        found, left_out = _of_comparison(Folder.open(folder), paper, all_there=bool(formats))
        contents |= found
    written = tuple(write_with_folder(target / name, content) for name, content in contents.items())
    return Export(target, written, tuple(left_out))


def _of_model(
    folder: Path, formats: Sequence[str], built_by: str | ModelBuilder | None, arm: str | None, target: Path
) -> dict[str, str | bytes]:
    files: dict[str, str | bytes] = {}
    for each in formats:
        best = (
            each == ADAPTER and arm is None and (folder / "model").is_dir()
        )  # what is recommended may be a baseline
        where = folder / "model" if best else folder
        found = TrainedModel.load(where, model=built_by, arm=arm)
        made = (
            as_onnx(found)
            if each == "onnx"
            else as_adapter(found, where, arm, target / ADAPTER)
            if each == ADAPTER
            else as_torch(found, built_by)
        )
        files |= {f"{each}/{name}": content for name, content in made.items()}
    return files


def _of_comparison(
    opened: Folder, wanted: Sequence[str], *, all_there: bool
) -> tuple[dict[str, str | bytes], list[str]]:
    """Return file contents by name, and what could not be made.

    Raises:
        MissingExtraError: ``all_there``, and figures are wanted that cannot be drawn.
    """
    comparison = load_comparison(opened)
    experiment = validate_experiment(load_tree(opened.path / "experiment.toml"), where="experiment.toml")
    left_out: list[str] = []
    try:
        drawn = _figures(comparison, wanted)
    except MissingExtraError as error:
        if all_there:
            raise
        wanted = tuple(each for each in wanted if each not in ("svg", "pdf"))
        left_out.append(f"{error.fact}: {error.hint}")
        drawn = {}
    return {**drawn, **_texts(comparison, experiment, opened, wanted)}, left_out


def _format(name: str) -> str:
    if name not in (*FORMATS, *MODEL_FORMATS):
        raise unknown_name("format", name, (*FORMATS, *MODEL_FORMATS))
    return name


def _figures(comparison: Comparison, wanted: Sequence[str]) -> dict[str, bytes]:
    formats = [each for each in wanted if each in ("svg", "pdf")]
    return plots.draw_all(comparison, formats) if formats else {}


def _texts(
    comparison: Comparison, experiment: Experiment, folder: Folder, wanted: Sequence[str]
) -> dict[str, str]:
    part = set(comparison.runs)
    records = [each for each in folder.records() if not part or f"{each.key.recipe}-{each.key.seed}" in part]
    sections = protocol(comparison, experiment, records)
    cited = bibliography.bibliography_of(comparison) if "bibtex" in wanted else ""
    files: dict[str, str] = {}
    if "latex" in wanted:
        named = plots.captions(comparison) if "pdf" in wanted else {}
        files["table.tex"] = latex.table(comparison)
        files["protocol.tex"] = latex.paragraphs(sections)
        files["document.tex"] = latex.document(comparison, list(named.items()), cites="@" in cited)
    if "csv" in wanted:
        files["results.csv"] = tidy.results(comparison)
        files["runs.csv"] = tidy.runs(comparison)
        files["curves.csv"] = _curves(comparison, records)
        files["rates.csv"] = tidy.rates(comparison)
        files["differences.csv"] = tidy.differences(comparison)
        files |= watched.files(comparison, records)
        if comparison.factorial is not None:
            files["effects.csv"] = tidy.effects(comparison)
            files["levels.csv"] = tidy.levels(comparison)
    if "text" in wanted:
        files["protocol.txt"] = to_text(comparison, sections)
    if "bibtex" in wanted:
        files["references.bib"] = cited
    return files


def _curves(comparison: Comparison, records: Sequence[Record]) -> str:
    """Return every evaluation of every run; where something else than the optimizer varies, with its arm."""
    if comparison.factors == ["optimizer"]:
        return curves_frame(records).fill_nan(None).write_csv()
    arms = {run: arm.title for arm in comparison.arms for run in arm.runs}
    parts = [
        curves_frame([each]).select(
            pl.lit(arms.get(f"{each.key.recipe}-{each.key.seed}", ""), pl.String).alias("arm"), pl.all()
        )
        for each in records
    ]
    return pl.concat(parts).fill_nan(None).write_csv() if parts else curves_frame([]).write_csv()
