"""``steepest show``: images with their labels, or the test images of a comparison with what was predicted."""

from __future__ import annotations

import base64
import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from steepest.compare.result import Picture
from steepest.data.images.given import read_source
from steepest.data.images.pipeline import FILE
from steepest.data.images.pixels import Pixels, shape_text
from steepest.data.images.png import brightest, png, shown
from steepest.data.labels import as_label
from steepest.data.sources.images import LABEL, ImageData
from steepest.errors import FolderError, OptionError, unknown_name
from steepest.evaluate.outputs import predict
from steepest.experiment.folder import check_folder
from steepest.experiment.run import open_data
from steepest.files import reachable, write_with_folder
from steepest.models import ModelBuilder
from steepest.objectives.target import WHITE
from steepest.prediction.model import TrainedModel
from steepest.recipe import load_tree, validate_experiment
from steepest.record.store import TEST_PREDICTIONS, Folder
from steepest.report.gallery import Enlarged, Gallery, channels_of, render
from steepest.wording import counted, first_few

ROWS = 240
"""How many images a page has unless another number is given."""
MOST_ROWS = 5_000
MOST_COUNTS = 20
"""The images of each class are counted where there are no more classes."""


@dataclass(frozen=True)
class _Images:
    """Images to be shown.

    Attributes:
        pixels: ``[N, C, H, W]``.
        table: ``name`` and ``part`` of each, and ``truth``, ``prediction``, ``probability`` (of the prediction) and
            ``right`` where they are known; ``place`` is its place among the pixels.
        shares: the probability of each class, ``[N, K]``, by its name.
        again: reconstructions ``[N, C, H, W]``, where images are reconstructed.
    """

    pixels: Pixels
    table: pl.DataFrame
    shares: pl.DataFrame
    again: Pixels | None = None

    @functools.cached_property
    def white(self) -> int:
        """The value that is shown as white."""
        return brightest(self.pixels)


def show(
    data: Any,
    out: str | Path | None = None,
    *,
    rows: int = ROWS,
    classes: str | Sequence[str] = (),
    image: int | str | None = None,
    part: str | None = None,
    size: str | int | None = None,
    arm: str | None = None,
    model: str | ModelBuilder | None = None,
) -> Path:
    """Write a page that shows images with their labels, or the test images of a comparison with their predictions.

    Args:
        data: images as for :func:`steepest.compare` (a path, the name of a data set, an array, or images and labels),
            or the folder of a comparison on images: then the wrong predictions come first.
        out: the page; ``NAME-images.html``, or ``images.html`` in the folder of the comparison, if left out.
        rows: how many images, up to 5,000; as many of every class as there are.
        classes: only images of these classes.
        image: one image to be enlarged, with its pixel values written in: its number in the data or in its part, from
            0, or the name of its file.
        part: ``train``, ``validation`` or ``test``, where images come in parts.
        size: what images are resized to, such as 32 or ``"48x32"``.
        arm, model: as for :func:`steepest.load`, for the predictions of another network.

    Returns:
        the page's path.

    Raises:
        DataError: the images cannot be read.
        OptionError: an option has no effect, or no image is left.
        UnknownNameError: there is no such class, image or part.
        FolderError: the folder holds no finished comparison on images, or the page cannot be written.

    Example:
        >>> import tempfile
        >>> images = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     show((images, ["cat", "dog"] * 10), f"{folder}/page.html", rows=6, image=17).name
        'page.html'
    """
    if not 1 <= rows <= MOST_ROWS:
        raise OptionError(f"--rows {rows} is outside 1 to {MOST_ROWS:,}", hint="give a number of images.")
    path = None if out is None else Path(out).expanduser()
    if path is not None and path.suffix != ".html":
        raise OptionError(f"a page cannot be written as {path.name!r}", hint="end it with .html.")
    wanted = [classes] if isinstance(classes, str) else [str(each) for each in classes]
    run = _run_of(data)
    if run is None:
        for option, given in (("arm", arm), ("model", model)):
            if given is not None:
                raise OptionError(
                    f"--{option} has no effect: {data!r} is not the folder of a comparison",
                    hint="leave it out.",
                )
        made, name = _of_data(data, rows, wanted, image, part, None if size is None else str(size))
        path = path or Path(f"{name}-images.html")
    else:
        for option, given in (("part", part), ("size", size)):
            if given is not None:
                raise OptionError(
                    f"--{option} has no effect: the test images of a comparison are shown",
                    hint="leave it out.",
                )
        made = _of_run(run, Path(data), rows, wanted, image, arm, model)
        path = path or run.path / "images.html"
    return write_with_folder(path, render(made))


def _run_of(data: Any) -> Folder | None:
    """Return the comparison that a path is the folder of, or of a model of; None of other data."""
    if not isinstance(data, str | Path):
        return None
    path = reachable(data)
    if (path / "experiment.toml").is_file():
        return Folder.open(path)
    return Folder.open(Folder.of_model(path).path) if (path / "model.json").is_file() else None


def _of_data(
    data: Any, rows: int, wanted: Sequence[str], image: int | str | None, part: str | None, size: str | None
) -> tuple[Gallery, str]:
    found, name = read_source(data, size)
    parts = pl.repeat(None, len(found), dtype=pl.String, eager=True) if found.parts is None else found.parts
    place = pl.int_range(len(found), eager=True)
    table = pl.DataFrame(
        {"place": place, "part": parts.fill_null("train") if found.parts is not None else parts}
    )
    table = table.with_columns(number=pl.int_range(pl.len()).over("part"))
    if found.labels is not None:
        table = table.with_columns(truth=as_label(found.labels))
    names = pl.concat_str(pl.col("part"), pl.col("number").cast(pl.String), separator=" ", ignore_nulls=True)
    table = table.with_columns(name=names if found.names is None else found.names)
    whole = table
    if part is not None:
        known = [] if found.parts is None else table["part"].unique().to_list()
        if part not in known:
            if not known:
                raise OptionError(
                    f"--part {part} has no effect: {name} comes in no parts", hint="leave it out."
                )
            raise unknown_name("part", part, known)
        table = table.filter(part=part)
    images = _Images(found.pixels, table, pl.DataFrame())
    chosen = _chosen(images.table, wanted)
    rank = pl.int_range(pl.len()).over("truth") if "truth" in chosen.columns else pl.int_range(pl.len())
    taken = chosen.sort(rank, "place", maintain_order=True).head(rows).sort("place")
    counted_classes = (
        f" in {counted(whole['truth'].n_unique(), 'class', 'classes')}" if "truth" in whole.columns else ""
    )
    remarks = [note.text for note in found.notes]
    if "truth" in chosen.columns and 1 < chosen["truth"].n_unique() <= MOST_COUNTS:
        counts = chosen.group_by("truth", maintain_order=True).len().sort("truth")
        listed = ", ".join(f"{label}: {count:,}" for label, count in counts.rows())
        remarks.append(f"Images of each class{'' if part is None else f' ({part})'}: {listed}.")
    return (
        Gallery(
            title=name,
            sentence=f"{name}: {counted(len(found), 'image')}{counted_classes}, {shape_text(found.pixels)}",
            heading=_heading(taken.height, chosen.height, "image"),
            caption="In the order of the data, as many of every class as there are. Bold: the class.",
            pictures=[_picture(images, row) for row in taken.to_dicts()],
            remarks=remarks,
            enlarged=None if image is None else _enlarged(images, image),
        ),
        name,
    )


def _heading(taken: int, there: int, noun: str) -> str:
    return counted(there, noun) if taken == there else f"{taken:,} of {counted(there, noun)}"


def _of_run(
    run: Folder,
    given: Path,
    rows: int,
    wanted: Sequence[str],
    image: int | str | None,
    arm: str | None,
    model: str | ModelBuilder | None,
) -> Gallery:
    images, title, who = _tested(run, given, arm, model)
    chosen = _chosen(images.table, wanted)
    taken = chosen.head(rows)
    enlarged = None if image is None else _enlarged(images, image)
    if images.again is not None:
        return Gallery(
            title=title,
            sentence=f"{_capital(who)}: {counted(chosen.height, 'test image')} and their reconstructions",
            heading=_heading(taken.height, chosen.height, "test image"),
            caption="Left: a test image; right: its reconstruction, with the mean squared error of the pixels as they "
            "are shown (from 0, black, to 1, white). The worst first. Hover over an image for its name.",
            pictures=[_picture(images, row) for row in taken.to_dicts()],
            enlarged=enlarged,
        )
    wrong = int((~chosen["right"]).sum())
    of = f" of {first_few(wanted)}" if wanted else ""
    tested = counted(chosen.height, f"test image{of}", f"test images{of}")
    said = f"{_capital(who)}: {wrong:,} of {tested} {'is' if wrong == 1 else 'are'} predicted wrong"
    return Gallery(
        title=title,
        sentence=said,
        heading=_heading(taken.height, chosen.height, "test image"),
        caption="The wrong predictions first, and among them and the right ones those whose true class is least "
        "probable. Bold: the true class; below it the predicted one (✓ where it is the true one) with its "
        "probability. Hover over an image for its name.",
        pictures=[_picture(images, row) for row in taken.to_dicts()],
        enlarged=enlarged,
    )


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _tested(
    run: Folder, given: Path, arm: str | None, model: str | ModelBuilder | None
) -> tuple[_Images, str, str]:
    """Return the test images of a comparison, ordered as they are shown, its data's name, and what predicts."""
    toml = run.path / "experiment.toml"
    source = open_data(validate_experiment(load_tree(toml), where=str(toml)))
    where = run.path.as_posix()
    if not isinstance(source, ImageData):
        raise OptionError(
            f"the comparison in {where!r} is not of images",
            hint=f"see its report, {where}/report.html; `steepest describe` shows tables.",
        )
    check_folder(run, validate_experiment(load_tree(toml), where=str(toml)), source.make(0)[0])
    known = source.test_rows
    pixels = np.concatenate([_test_pixels(source, each) for each in range(source.sets)])
    if not known.height:
        raise OptionError(f"the comparison in {where!r} has no test images", hint="give it some: --test 0.1.")
    stored = run.path / TEST_PREDICTIONS
    own = (given / "experiment.toml").is_file()
    if arm is None and own and model is None and stored.is_file():
        found = pl.read_parquet(stored)
        if not known.equals(found.select(known.columns)):
            raise FolderError(
                f"the test images of {where!r} are not those of its predictions",
                hint="restore the original data, or compare again.",
            )
        who = TrainedModel.load(run.path).title if source.sets == 1 else "the winner"
    else:
        net = TrainedModel.load(given, arm=arm, model=model)
        outputs = predict(net.net, (torch.from_numpy(pixels),))
        found, who = known.hstack(net.table_of(outputs, torch.arange(len(pixels)), len(pixels))), net.title
    about = {
        "place": pl.int_range(len(pixels), eager=True),
        "name": found[FILE] if FILE in found.columns else found["row"].cast(pl.String),
        "number": found["row"],
        "part": pl.repeat("test", len(pixels), eager=True),
    }
    if "target" not in found.columns:
        again: Pixels = found["prediction"].to_numpy()
        gaps = (pixels.astype(np.float32) - again.astype(np.float32)).reshape(len(pixels), -1) / WHITE
        labels = {"truth": as_label(found[LABEL])} if LABEL in found.columns else {}
        table = pl.DataFrame({**about, **labels, "error": np.square(gaps).mean(1)})
        table = table.sort("error", descending=True, maintain_order=True)
        return _Images(pixels, table, pl.DataFrame(), again), source.name, who
    shares = found.select(pl.col("^p_.*$").name.map(lambda name: name.removeprefix("p_")))
    truth = as_label(found["target"])
    table = pl.DataFrame(
        {
            **about,
            "truth": truth,
            "prediction": as_label(found["prediction"]),
            "probability": found["probability"],
            "likely": [float(shares[row, label]) for row, label in enumerate(truth)],
        }
    )
    table = table.with_columns(right=pl.col("truth") == pl.col("prediction"))
    return _Images(pixels, table.sort("right", "likely", maintain_order=True), shares), source.name, who


def _test_pixels(source: ImageData, test_set: int) -> Pixels:
    return source.make(test_set)[0].test.inputs[0].numpy()


def _chosen(table: pl.DataFrame, wanted: Sequence[str]) -> pl.DataFrame:
    """Return the images of some classes."""
    if not wanted:
        return table
    if "truth" not in table.columns:
        raise OptionError(
            f"--class {wanted[0]} has no effect: the images have no labels", hint="leave it out."
        )
    known = table["truth"].unique().to_list()
    for each in wanted:
        if each not in known:
            raise unknown_name("class", each, known)
    return table.filter(pl.col("truth").is_in(list(wanted)))


def _picture(images: _Images, row: dict[str, Any]) -> Picture:
    return Picture(
        png=shown(images.pixels[row["place"]], images.white),
        name=row["name"],
        truth=row.get("truth") or "",
        predicted=row.get("prediction") or "",
        probability=row.get("probability") or 0.0,
        again="" if images.again is None else shown(images.again[row["place"]], images.white),
        error=row.get("error") or 0.0,
    )


def _enlarged(images: _Images, which: int | str) -> Enlarged:
    """Return one image with its pixel values.

    Raises:
        UnknownNameError: there is no image of this number or name.
    """
    table = images.table
    found = table.filter(pl.col("name") == str(which))
    if not found.height and str(which).isdecimal():
        found = table.filter(pl.col("number") == int(which)).sort("place")
    if not found.height:
        raise _no_image(table, str(which))
    row = found.row(0, named=True)
    pixels: NDArray[np.uint8] = images.pixels[row["place"]]
    channels = channels_of(pixels)
    shares = images.shares.row(row["place"], named=True) if images.shares.width else {}
    picture = _picture(images, row).model_copy(update={"png": base64.b64encode(png(pixels)).decode()})
    caption = f"{shape_text(pixels[None])}; "
    caption += (
        f"the values of the pixels, from 0 (black) to {images.white} (white)."
        if channels
        else "pixel values are written in where neither side is longer than 64 pixels (--size 28)."
    )
    return Enlarged(
        picture, channels, caption, images.white, sorted(shares.items(), key=lambda each: -each[1])
    )


def _no_image(table: pl.DataFrame, which: str) -> OptionError:
    if which.isdecimal():
        return OptionError(
            f"there is no image {which}", hint=f"the images have the numbers 0 to {table['number'].max():,}."
        )
    return unknown_name("image", which, table["name"].to_list())
