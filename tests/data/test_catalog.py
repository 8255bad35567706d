"""The catalog: what it says of each data set, where it looks, and what it refuses."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from types import MappingProxyType

import polars as pl
import pytest

import steepest.data.catalog as catalog
from steepest.data.catalog import SOURCES, DataFile, DatasetSource, cache_folder, locate, open_catalog
from steepest.data.preparation import Preparation
from steepest.errors import DataError, UnknownNameError

NAMES = SOURCES.names()
GIVEN = os.environ.get("STEEPEST_DATA", "")
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
    assert source.options["target"]
    for file in source.files:
        assert all(len(each) == 64 and int(each, 16) >= 0 for each in file.sha256)
        assert file.sha256
        assert file.url is None or file.url.startswith("https://")


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_opens_with_its_options(name: str) -> None:
    source: DatasetSource = SOURCES.load(name)
    for file in source.files:
        there = file.embedded or Path(GIVEN) / file.folder / file.name
        if not there.exists() or (file.embedded is None and not GIVEN):
            pytest.skip(f"STEEPEST_DATA does not name a folder with {file.name}")
    opened = open_catalog(name)
    options = opened.options
    rows = opened.scan().head(1000).collect()
    preparation = Preparation.load(options.get("prepare"))
    prepared, _ = preparation.collect_prefix(rows.lazy(), target=options["target"])
    assert len(prepared) == 1000
    assert options["target"] in prepared.columns
    assert set(options.get("drop", [])) | set(options.get("categorical", [])) <= set(prepared.columns)
    if name == "covertype":
        assert prepared.width == 13
        assert prepared["Wilderness_Area"].is_between(1, 4).all()
        assert prepared["Soil_Type"].is_between(1, 40).all()


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
        files=(DataFile("made.csv", (SHA256,), folder="sub", bytes=8, url=served.as_uri()),),
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


def test_no_network(source: DatasetSource, tmp_path: Path) -> None:
    (tmp_path / "served.csv").unlink()
    with pytest.raises(DataError, match="'made' is not on this machine and cannot be fetched") as caught:
        locate("made")
    assert str(source.files[0].url) in caught.value.hint
    assert str(tmp_path / "cache" / "sub" / "made.csv") in caught.value.hint


def test_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("STEEPEST_DATA", raising=False)
    monkeypatch.setattr(catalog, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(DataError, match="'crimes-2018' is not on this machine") as caught:
        locate("crimes-2018")
    assert "https://data.cityofchicago.org/d/ijzp-q8t2" in caught.value.hint
    assert "STEEPEST_DATA" in caught.value.hint


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog.sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/tmp/cache")
    assert cache_folder() == Path("/tmp/cache/steepest")
