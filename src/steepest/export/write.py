"""Everything exported from one folder: contents first, files after, each whole or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steepest.compare.result import Comparison
from steepest.errors import MissingExtraError, unknown_name
from steepest.experiment_folder import load_comparison
from steepest.export import bibliography, latex, plots, tidy
from steepest.export.protocol import protocol, to_text
from steepest.files import cannot_write, write_atomically
from steepest.recipe import Experiment, load_tree, validate_experiment
from steepest.record.store import Folder, curves_frame

FORMATS = ("latex", "svg", "pdf", "csv", "text", "bibtex")


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
    folder: str | Path, out: str | Path | None = None, formats: Sequence[str] | None = None
) -> Export:
    """Write a finished comparison as LaTeX, SVG, PDF, CSV, text and BibTeX.

    Args:
        folder: the folder of a comparison.
        out: where to; ``FOLDER/export`` if left out. It is made if need be; files of the same names are replaced.
        formats: some of :data:`FORMATS`; if left out, all that can be made here.

    Raises:
        FolderError: the folder holds no finished comparison, or ``out`` cannot be written.
        MissingExtraError: figures are asked for and matplotlib is not installed.
        UnknownNameError: there is no such format.
    """
    opened = Folder.open(folder)
    comparison = load_comparison(opened)
    experiment = validate_experiment(load_tree(opened.path / "experiment.toml"), where="experiment.toml")
    wanted = tuple(_format(each) for each in formats) if formats else FORMATS
    left_out: list[str] = []
    try:
        drawn = _figures(comparison, wanted)
    except MissingExtraError as error:
        if formats:
            raise
        wanted = tuple(each for each in wanted if each not in ("svg", "pdf"))
        left_out.append(f"{error.fact}: {error.hint}")
        drawn = {}
    contents = {**drawn, **_texts(comparison, experiment, opened, wanted)}
    target = Path(out) if out is not None else opened.path / "export"
    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(target, error) from None
    for name, content in contents.items():
        write_atomically(target / name, content)
    return Export(target, tuple(target / name for name in contents), tuple(left_out))


def _format(name: str) -> str:
    if name not in FORMATS:
        raise unknown_name("format", name, FORMATS)
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
    optimizers = [row.name for row in comparison.rows if row.kind == "optimizer"]
    cited = bibliography.bibliography(optimizers) if "bibtex" in wanted else ""
    files: dict[str, str] = {}
    if "latex" in wanted:
        named = plots.captions(comparison) if "pdf" in wanted else {}
        files["table.tex"] = latex.table(comparison)
        files["protocol.tex"] = latex.paragraphs(sections)
        files["document.tex"] = latex.document(comparison, list(named.items()), cites="@" in cited)
    if "csv" in wanted:
        files["results.csv"] = tidy.results(comparison)
        files["runs.csv"] = tidy.runs(comparison)
        files["curves.csv"] = curves_frame(records).fill_nan(None).write_csv()
        files["rates.csv"] = tidy.rates(comparison)
        files["differences.csv"] = tidy.differences(comparison)
    if "text" in wanted:
        files["protocol.txt"] = to_text(comparison, sections)
    if "bibtex" in wanted:
        files["references.bib"] = cited
    return files
