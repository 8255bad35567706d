"""The catalog: what it says of each data set, where it looks, and what it refuses."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import get_args

import numpy as np
import polars as pl
import pytest

import steepest as st
import steepest.data.catalog as catalog
from steepest import files
from steepest.cli import main
from steepest.data.catalog import (
    SOURCES,
    DataFile,
    DatasetSource,
    Kind,
    locate,
    open_catalog,
    places,
)
from steepest.data.preparation import Preparation
from steepest.data.table import read_table
from steepest.errors import DataError, OptionError, UnknownNameError
from steepest.files import cache_folder
from steepest.studies.base.data import place_of
from steepest.sweep.machine import threads_file

NAMES = SOURCES.names()
CONTENT = b"a,b\n1,2\n"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.mark.parametrize("name", NAMES)
def test_every_entry_is_complete(name: str) -> None:
    source: DatasetSource = SOURCES.load(name)
    assert source.name == name
    assert source.title
    assert source.licence
    assert source.citation
    assert source.page.startswith("https://")
    assert source.kind in get_args(Kind)
    assert ("target" in source.options) == (source.kind in ("table", "curve"))
    assert source.files or source.directory
    for file in (*source.files, *source.instead):
        assert all(len(each) == 64 and int(each, 16) >= 0 for each in file.sha256)
        assert file.sha256
        assert file.bytes or file.embedded
        assert not file.contents_md5 or (len(file.contents_md5) == 32 and int(file.contents_md5, 16) >= 0)
        assert all(each.startswith(("https://", "http://")) for each in file.urls)


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_opens_with_its_options(name: str) -> None:
    source: DatasetSource = SOURCES.load(name)
    if not places(source):
        pytest.skip(f"{name} is not on this machine")
    opened = open_catalog(name, source.kind)
    assert all(each.exists() for each in opened.paths)
    if source.kind != "table":
        return
    options = opened.options
    rows = opened.scan().head(1000).collect()
    preparation = Preparation.load(options.get("prepare"))
    prepared, _ = preparation.collect_prefix(rows.lazy(), target=options["target"])
    assert len(prepared) == len(rows) >= 100
    assert options["target"] in prepared.columns
    assert set(options.get("drop", [])) | set(options.get("categorical", [])) <= set(prepared.columns)
    if name == "covertype":
        assert prepared.width == 13
        assert prepared["Wilderness_Area"].cast(pl.Int64).is_between(1, 4).all()
        assert prepared["Soil_Type"].cast(pl.Int64).is_between(1, 40).all()


def test_the_flights_know_nothing_of_what_happened() -> None:
    (path,) = locate("flights")
    rows = pl.read_parquet(path)
    assert len(rows) == 40_000
    assert path.stat().st_size < 1_000_000
    later = {
        "dep_time",
        "arr_time",
        "air_time",
        "dep_delay",
        "arr_delay",
        "tailnum",
        "year",
        "day",
        "time_hour",
    }
    assert not later & set(rows.columns)
    assert set(rows["status"]) == {"early", "on time", "late", "very late", "cancelled"}
    assert rows.drop("status", "flight").select(pl.all().n_unique()).min_horizontal().item() > 1
    about = pl.read_parquet_metadata(path)
    assert about["licence"] == "CC0-1.0"
    assert "1175 diverted" in about["left out"]
    counts = dict(rows["status"].value_counts().iter_rows())
    readme = (path.parent / "README.md").read_text()
    assert all(f"| {count:,} |" in readme for count in counts.values())


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="unknown data set 'covertyp'") as caught:
        open_catalog("covertyp")
    assert "did you mean 'covertype'?" in caught.value.hint


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DatasetSource:
    """A data set whose address is a file on this machine, with an empty cache and no folder of data."""
    monkeypatch.delenv("STEEPEST_DATA", raising=False)
    monkeypatch.setattr(catalog, "cache_folder", lambda: tmp_path / "cache")
    served = tmp_path / "served.csv"
    served.write_bytes(CONTENT)
    made = DatasetSource(
        name="made",
        title="made",
        files=(DataFile("made.csv", (SHA256,), folder="sub", bytes=8, urls=(served.as_uri(),)),),
        page="https://example.org/made",
        licence="CC0",
        citation="nobody",
        options=MappingProxyType({"target": "b"}),
    )
    monkeypatch.setattr(SOURCES, "load", lambda name: made)
    return made


def test_a_download_is_kept(source: DatasetSource, tmp_path: Path) -> None:
    (path,) = locate("made")
    assert path == tmp_path / "cache" / "sub" / "made.csv"
    assert path.read_bytes() == CONTENT
    (tmp_path / "served.csv").unlink()
    assert locate("made") == (path,)
    assert [each.name for each in path.parent.iterdir()] == ["made.csv"]
    assert open_catalog("made").scan().collect().rows() == [(1, 2)]


def test_the_folder_of_data_comes_first(
    source: DatasetSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = tmp_path / "mine" / "sub" / "made.csv"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(CONTENT)
    monkeypatch.setenv("STEEPEST_DATA", str(tmp_path / "mine"))
    assert locate("made") == (mine,)
    assert not (tmp_path / "cache").exists()


def test_another_file_is_refused(source: DatasetSource, tmp_path: Path) -> None:
    (tmp_path / "served.csv").write_bytes(b"changed")
    with pytest.raises(DataError, match=r"did not return made\.csv: its sha256 is") as caught:
        locate("made")
    assert source.page in caught.value.hint
    assert list((tmp_path / "cache" / "sub").iterdir()) == []


def test_a_damaged_copy_is_refused(source: DatasetSource, tmp_path: Path) -> None:
    (path,) = locate("made")
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(DataError, match=r"made\.csv' is not the expected file") as caught:
        locate("made")
    assert "delete it" in caught.value.hint


def test_a_gzip_file_is_known_by_its_contents(
    source: DatasetSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same rows packed by another program have another checksum; damaged or other rows are refused."""
    file = replace(source.files[0], name="made.csv.gz", contents_md5=hashlib.md5(CONTENT).hexdigest())
    monkeypatch.setattr(SOURCES, "load", lambda name: replace(source, files=(file,)))
    mine = tmp_path / "cache" / "sub" / "made.csv.gz"
    mine.parent.mkdir(parents=True)
    for level in (1, 9):
        mine.write_bytes(gzip.compress(CONTENT, level, mtime=level))
        assert locate("made") == (mine,)
    for wrong in (gzip.compress(CONTENT[:-1]), gzip.compress(CONTENT)[:-6], b"no gzip file"):
        mine.write_bytes(wrong)
        with pytest.raises(DataError, match="is not the expected file"):
            locate("made")


def test_a_cache_that_cannot_be_written(source: DatasetSource, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(DataError, match=r"the download of made\.csv cannot be kept in") as caught:
        locate("made")
    assert "sub/made.csv in a folder of your own" in caught.value.hint
    assert "STEEPEST_DATA" in caught.value.hint


def test_another_kind_is_refused_by_name(source: DatasetSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SOURCES, "load", lambda name: replace(source, kind="images"))
    with pytest.raises(DataError, match="the data set 'made' is of the kind images, not table") as caught:
        open_catalog("made")
    assert "steepest fetch made" in caught.value.hint
    assert open_catalog("made", "images").path.read_bytes() == CONTENT


def test_a_folder_of_the_users(
    source: DatasetSource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SOURCES, "load", lambda name: replace(source, files=(), directory="mine"))
    monkeypatch.setenv("STEEPEST_DATA", str(tmp_path))
    with pytest.raises(DataError, match="is a folder that is not on this machine") as caught:
        locate("made")
    assert str(tmp_path / "mine") in caught.value.hint
    (tmp_path / "mine").mkdir()
    assert locate("made") == (tmp_path / "mine",)


LINE = (
    "39, State-gov, 77516, Bachelors, 13, Never-married, ?, Not-in-family, White, Male, 2174, 0, 40, Cuba, "
)


def test_both_forms_of_adult_are_the_same_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The two official files, with their odd first line and full stops, and one file with the test rows first."""
    adult: DatasetSource = SOURCES.load("adult")
    monkeypatch.setattr("steepest.data.catalog.adult.TESTED", 2)
    (tmp_path / "adult.data").write_text(f"{LINE}<=50K\n{LINE}>50K\n{LINE}<=50K\n\n")
    (tmp_path / "adult.test").write_text(f"|1x3 Cross validator\n{LINE}>50K.\n{LINE}<=50K.\n\n")
    row = LINE.replace(" ", "")
    joined = tmp_path / "adult.csv.gz"
    incomes = (">50K", "<=50K", "<=50K", ">50K", "<=50K")
    joined.write_bytes(gzip.compress("\n".join(["header", *[row + each for each in incomes], ""]).encode()))
    official = [tmp_path / "adult.data", tmp_path / "adult.test"]
    for part, expected in (("train", incomes[2:]), ("test", incomes[:2])):
        first, second = (adult.parts[part](each) for each in (official, [joined]))
        assert first.equals(second)
        assert first["income"].to_list() == list(expected)
        assert first.row(0)[:7] == ("39", "State-gov", "77516", "Bachelors", "13", "Never-married", "?")


def test_adult_is_tested_on_its_official_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if not places(SOURCES.load("adult")):
        pytest.skip("adult is not on this machine")
    monkeypatch.setattr(catalog, "cache_folder", lambda: tmp_path)
    table = read_table("adult")
    data = table.dataset()
    assert len(data.test) == 16_281
    assert len(data.train) + len(data.validation) == 32_561
    assert data.classes == ("<=50K", ">50K")
    assert (data.test.target == 1).sum() == 3_846
    assert "fnlwgt" not in table.describe().columns
    moved = read_table("adult", test=str(table.options.test).replace(str(tmp_path), "/elsewhere"))
    assert moved.options == table.options
    assert len(read_table("adult", test=0.2).dataset().test) == round(0.2 * 32_561)
    written = {path: path.stat().st_mtime_ns for path in (tmp_path / "adult").iterdir()}
    read_table("adult").dataset()
    assert written == {path: path.stat().st_mtime_ns for path in (tmp_path / "adult").iterdir()}


def test_the_command_line_fetches(source: DatasetSource, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr(SOURCES, "entry", lambda name: None)
    assert main(["fetch", "made"]) == 0
    found = capsys.readouterr()
    assert str(tmp_path / "cache" / "sub" / "made.csv") in found.out
    assert "downloading made.csv (0.0 MB)" in found.err
    assert main(["fetch", "made"]) == 0
    assert "downloading" not in capsys.readouterr().err


def test_the_command_line_lists_what_is_here(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.delenv("STEEPEST_DATA", raising=False)
    monkeypatch.setattr(catalog, "cache_folder", lambda: Path("/nowhere"))
    assert main(["list", "datasets"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["flights"].rstrip().endswith("yes")
    assert lines["digits"].rstrip().endswith("yes")
    assert lines["afhq-32"].rstrip().endswith("by hand")
    assert lines["movielens-small-2016"].rstrip().endswith("by hand")
    assert lines["mnist"].rstrip().endswith("11.6 MB")


def test_no_network(source: DatasetSource, tmp_path: Path) -> None:
    (tmp_path / "served.csv").unlink()
    with pytest.raises(DataError, match="'made' is not on this machine and cannot be fetched") as caught:
        locate("made")
    assert str(source.files[0].urls[0]) in caught.value.hint
    assert str(tmp_path / "cache" / "sub" / "made.csv") in caught.value.hint


def test_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEEPEST_DATA", raising=False)
    monkeypatch.setattr(catalog, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(DataError, match="'crimes-2018' is not on this machine") as caught:
        locate("crimes-2018")
    assert "https://data.cityofchicago.org/d/ijzp-q8t2" in caught.value.hint
    assert "STEEPEST_DATA" in caught.value.hint


def test_there_is_one_cache_and_it_is_where_the_user_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STEEPEST_DATA", str(tmp_path / "mine"))
    monkeypatch.setenv("STEEPEST_CACHE", str(tmp_path))
    places = [catalog.data_folders()[1], threads_file().parent, place_of("some.npz").parents[1]]
    assert set(places) == {tmp_path} == {cache_folder()}
    monkeypatch.delenv("STEEPEST_CACHE")
    monkeypatch.setattr(files.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/cache")
    assert cache_folder() == Path("/tmp/cache/steepest")


def test_a_name_brings_its_target_in_python() -> None:
    made = st.plan("flights", optimizers=["sgd"], epochs=1, seeds=1)
    assert made.experiment.data.target == "status"
    assert st.plan("flights", target="origin").experiment.data.target == "origin"
    with pytest.raises(OptionError, match="no target is given"):
        st.plan({"x": [1, 2], "y": [3, 4]})


def test_the_parabola_is_the_lectures(tmp_path: Path) -> None:
    """Made here as its notes make it, to the last bit; its least squares are the published ones."""
    draw = np.random.RandomState(42)
    x = np.sort(2 * draw.rand(100) - 1)
    y = 1 + 3 * x - 4 * x**2 + 0.7 * draw.randn(100)
    x[0], y[0] = -1.5, 10.0
    rows = open_catalog("parabola").scan().collect()
    assert rows["x"].to_list() == x.tolist()
    assert rows["y"].to_list() == y.tolist()
    assert np.polyfit(rows["x"], rows["y"], 1) == pytest.approx([2.64187294, -0.26649881], abs=1e-8)
    assert st.open_source("parabola").make(0)[0].words.inputs == "x"
    made = st.open_source("parabola", x="x", y="y", split="none")
    data, _ = made.make(0)
    assert len(data.train) == 100
