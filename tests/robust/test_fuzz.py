"""Broken files at every reader: a clear error or a result, never a traceback, and no file but its own is touched.

``make test`` draws a few seeded cases for each reader; ``make fuzz`` draws 2,000 new ones (``--fuzz-cases 2000``).
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import tomllib
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steepest.cli import main
from steepest.data.images import read_images
from steepest.data.preparation import Preparation
from steepest.data.sources.opening import open_source
from steepest.data.table import read_table
from steepest.errors import SteepestError
from steepest.experiment.folder import check_folder, load_comparison
from steepest.experiment.run import open_data
from steepest.experiment.settings import decide
from steepest.prediction.model import TrainedModel
from steepest.recipe import load_tree, validate_experiment
from steepest.record.store import Folder
from steepest.report.html import render_html
from steepest.report.text import to_csv
from steepest.sweep.observer import Observer
from steepest.sweep.wanted import Objects
from tests.cli.conftest import QUICK
from tests.conftest import churn_table
from tests.images.made import drawn, encoded, idx, tree, zipped
from tests.robust.broken import broken_bytes, broken_json, broken_lines, broken_toml

Reader = Callable[[Path], object]
COMMAND_EVERY = 20
"""One case in so many also goes through the command itself, which can be slow."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a good table, a good preparation, and a finished comparison."""
    where = tmp_path_factory.mktemp("fuzz")
    table = churn_table(60)
    table.write_csv(where / "churn.csv")
    table.write_parquet(where / "churn.parquet")
    (where / "prepare.toml").write_text(PREPARE)
    status = main(["compare", str(where / "churn.csv"), "--target", "churned", "-o", "adam(lr=0.01),sgd(lr=0.1)",
                   *QUICK[:4], "--batch-size", "16", "--hidden", "4", "--prepare", str(where / "prepare.toml"),
                   "--out", str(where / "done")])  # fmt: skip
    assert status == 0
    return where


PREPARE = """
[table]
categorical = ["plan"]

[[step]]
use = "filter"
where = "age >= 19"

[[step]]
use = "group"
column = "plan"
groups = {big = ["plus", "pro"]}

[[step]]
use = "fill-from"
column = "minutes"
keys = ["plan", "age"]

[[step]]
use = "fill-constant"
columns = ["minutes"]
value = 3.5
"""


DAY = datetime(2023, 3, 25, 21, 30)


def contents(where: Path) -> dict[str, bytes]:
    return {str(each): each.read_bytes() for each in sorted(where.rglob("*")) if each.is_file()}


def explained(error: SteepestError) -> None:
    """Hold an error to what every error owes: a fact and a cure."""
    assert error.fact
    assert error.hint
    assert "Traceback" not in str(error)


@pytest.fixture
def throw(request: pytest.FixtureRequest, place: Path):
    """Write each broken file and read it."""
    cases = request.config.getoption("--fuzz-cases")

    def run(path: Path, drawn: st.SearchStrategy[bytes], read: Reader, *command: object) -> None:
        whole = path.read_bytes() if path.exists() else None
        before = {name: data for name, data in contents(place).items() if name != str(path)}
        count = 0

        @settings(
            max_examples=cases,
            derandomize=cases <= 100,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(drawn)
        def one(data: bytes) -> None:
            nonlocal count
            count += 1
            path.write_bytes(data)
            try:
                read(path)
            except SteepestError as error:
                explained(error)
            if command and count % COMMAND_EVERY == 0:
                said = io.StringIO()
                with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
                    status = main([str(each) for each in command])
                assert status in (0, 2)
                assert "Traceback" not in said.getvalue()
                assert status == 0 or "Hint: " in said.getvalue()
            path.write_bytes(data)
            assert {name: data for name, data in contents(place).items() if name != str(path)} == before

        try:
            one()
        finally:
            if whole is None:
                path.unlink(missing_ok=True)
            else:
                path.write_bytes(whole)

    return run


def as_table(path: Path) -> object:
    return read_table(path, target="churned").dataset()


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_csv(throw, place, name) -> None:
    whole = churn_table(40).write_csv(separator="," if name == "t.csv" else "\t").encode()
    throw(place / name, broken_bytes(whole), as_table, "describe", place / name)


@pytest.mark.parametrize("name", ["t.parquet", "t.feather"])
def test_columnar(throw, place, name) -> None:
    buffer = io.BytesIO()
    table = churn_table(300)
    table.write_parquet(buffer) if name == "t.parquet" else table.write_ipc(buffer)
    throw(place / name, broken_bytes(buffer.getvalue()), as_table, "describe", place / name)


RATED = pl.DataFrame(
    {
        "who": [f"u{i % 6}" for i in range(40)],
        "what": [i // 6 + 10 * (i % 2) for i in range(40)],
        "stars": [(i * 7 % 9 + 1) / 2 for i in range(40)],
        "when": [DAY + timedelta(hours=i) for i in range(40)],
    }
)
NAMED = {"user": "who", "item": "what", "rating": "stars", "time": "when"}


@pytest.mark.parametrize("more", [{}, {"split": "user:last"}, {"range": "0.5,5", "split": "time:when"}])
def test_ratings(throw, place, more) -> None:
    def read(path: Path) -> object:
        return open_source(path, **NAMED, **more).make(0)

    named = [text for name, column in NAMED.items() for text in (f"--{name}", column)]
    throw(
        place / "r.csv", broken_bytes(RATED.write_csv().encode()), read, "describe", place / "r.csv", *named
    )


def test_titles(throw, place) -> None:
    titles = pl.DataFrame({"what": range(20), "title": [f"Film {i}, the {i}th" for i in range(20)]})
    throw(place / "titles.csv", broken_bytes(titles.write_csv().encode()),
          lambda path: open_source(RATED, **NAMED, titles=str(path)).make(0))  # fmt: skip


def test_rows_to_predict(throw, place) -> None:
    found = TrainedModel.load(place / "done")
    whole = churn_table(20).write_csv().encode()
    throw(place / "new.csv", broken_bytes(whole), found.predict)


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.gif", "a.tif", "a.zip", "a.npz", "train-images-idx3-ubyte.gz",
                                  "train-images-idx3-ubyte"])  # fmt: skip
def test_images(throw, place, name) -> None:
    path = place / name
    if name == "a.zip":
        zipped(path, tree(4))
    elif name == "a.npz":
        np.savez_compressed(path, images=np.stack([drawn(i) for i in range(9)]), labels=np.arange(9) % 2)
    elif name.startswith("train"):
        content = idx(np.stack([drawn(i) for i in range(9)]))
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    else:
        form = {"a.jpg": "JPEG", "a.tif": "TIFF"}.get(name, name[2:].upper())
        path.write_bytes(encoded(drawn(3, (16, 24), 3), form))
    throw(path, broken_bytes(path.read_bytes()), read_images)
    path.unlink()


DAYS = pl.Series("when", [DAY + timedelta(hours=7 * i) for i in range(60)])
WRITTEN = ["%Y-%m-%d %H:%M:%S", "%m/%d/%Y %I:%M %p", "%d/%m/%Y", "%d.%m.%y %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%d-%b-%Y",
           "%Y-%m-%dT%H:%M:%S+02:00", "%Y-%m-%d %H:%M:%S UTC", "%H:%M", "%s"]  # fmt: skip
ODD = ["", " ", "soon", "0000-00-00", "9999-12-31", "2020-02-30", "31/02/2020", "1/1/1", "12:61",
       "2023-03-26T02:30:00+99:99", "1700000000000000000", "-1",
       "٢٠٢٠-٠١-٠١", "2020-01-01T00:00:00Z+01:00", "NaT", None]  # fmt: skip


@st.composite
def dated_rows(draw: st.DrawFn) -> pl.DataFrame:
    """Draw rows whose dates are written in one or two ways, or typed, some of them odd."""
    one, other = (DAYS.dt.to_string(draw(st.sampled_from(WRITTEN))).to_list() for _ in range(2))
    where = draw(st.sets(st.integers(0, 59), max_size=40))
    odd = draw(st.dictionaries(st.integers(0, 59), st.sampled_from(ODD), max_size=6))
    texts = [odd.get(i, other[i] if i in where else one[i]) for i in range(60)]
    unit = draw(st.sampled_from(["ms", "us", "ns"]))
    zone = draw(st.sampled_from([None, "UTC", "Europe/Berlin", "Australia/Lord_Howe"]))
    typed = DAYS.dt.cast_time_unit(unit).dt.replace_time_zone("UTC").dt.convert_time_zone(zone or "UTC")
    typed = typed if zone else typed.dt.replace_time_zone(None)
    kinds = [
        typed,
        typed.dt.date(),
        typed.dt.time(),
        typed.dt.timestamp("ms"),
        typed - typed[0],
        pl.Series([None] * 60),
    ]
    values = draw(st.sampled_from([pl.Series(texts, dtype=pl.String)] * 6 + kinds))
    return pl.DataFrame({"when": values, "x": [i / 7 for i in range(60)], "y": ["a", "b"] * 30})


def test_dates(request: pytest.FixtureRequest) -> None:
    """Whatever the dates are, in training and in new rows: every one is accounted for, or there is an error."""
    cases = request.config.getoption("--fuzz-cases")

    @settings(
        max_examples=cases,
        derandomize=cases <= 100,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(dated_rows(), dated_rows())
    def one(old: pl.DataFrame, new: pl.DataFrame) -> None:
        try:
            pipeline = read_table(old, target="y").pipeline
        except SteepestError as error:
            return explained(error)
        try:
            found = pipeline.transform(new)
        except SteepestError as error:
            return explained(error)
        assert found.rows == 60
        assert all(torch.isfinite(each).all() for each in found.inputs)
        kept = found.unforeseen
        gone = sum(each is None or not str(each).strip() for each in new["when"])
        assert kept.unreadable.get("when", 0) <= 60 - gone
        assert kept.missing.get("when", 0) in (0, gone)
        again = [
            torch.cat(each)
            for each in zip(*(part.inputs for part in pipeline.transform_batches(new, 60)), strict=True)
        ]
        assert all(torch.equal(a, b) for a, b in zip(again, found.inputs, strict=True))
        return None

    one()


def test_preparation(throw, place) -> None:
    def read(path: Path) -> object:
        Preparation.load(path)
        return read_table(place / "churn.csv", target="churned", prepare=path).dataset()

    throw(place / "p.toml", broken_toml(tomllib.loads(PREPARE)), read)


def test_experiment(throw, place) -> None:
    whole = tomllib.loads((place / "done" / "experiment.toml").read_text())

    def read(path: Path) -> object:
        experiment = validate_experiment(load_tree(path), where=str(path))
        decided = decide(experiment, open_data(experiment), Objects(), Observer())
        return check_folder(Folder(place / "done"), experiment, decided.dataset)

    throw(place / "e.toml", broken_toml(whole), read)


def test_stored_experiment(throw, place) -> None:
    """The same file where ``resume`` reads it."""
    path = place / "done" / "experiment.toml"
    good = validate_experiment(tomllib.loads(path.read_text()))
    data = open_data(good).dataset()
    throw(path, broken_toml(tomllib.loads(path.read_text())),
          lambda path: check_folder(Folder(path.parent), good, data))  # fmt: skip


def test_journal(throw, place) -> None:
    path = place / "done" / "journal.jsonl"
    whole = [json.loads(line) for line in path.read_text().splitlines()]
    key = next(each["record"]["key"] for each in whole if each["event"] == "baseline")
    good = validate_experiment(load_tree(place / "done" / "experiment.toml"))
    data = open_data(good).dataset()

    def read(path: Path) -> object:
        folder = Folder(path.parent)
        check_folder(folder, good, data)
        return folder.records(), folder.baseline(key)

    throw(path, broken_lines(whole), read)


@pytest.mark.parametrize("name", ["model.json", "pipeline.json"])
def test_saved_model(throw, place, name) -> None:
    path = place / "done" / "model" / name
    rows = pl.read_csv(place / "churn.csv")[:5]
    throw(path, broken_json(json.loads(path.read_text())),
          lambda path: TrainedModel.load(path.parent).predict(rows))  # fmt: skip


@pytest.mark.parametrize("saved", ["model", "baselines/gradient-boosting", "baselines/logistic-regression"])
def test_weights(throw, place, saved) -> None:
    path = place / "done" / saved / "model.safetensors"
    rows = pl.read_csv(place / "churn.csv")[:5]
    throw(path, broken_bytes(path.read_bytes()), lambda path: TrainedModel.load(path.parent).predict(rows))


def test_results(throw, place) -> None:
    path = place / "done" / "results.json"

    def read(path: Path) -> object:
        comparison = load_comparison(Folder(path.parent))
        return to_csv(comparison)

    throw(path, broken_json(json.loads(path.read_text())), read)


def test_kept_tensors(throw, place) -> None:
    path = next((place / "done" / "rows").glob("*.safetensors"))
    throw(
        path,
        broken_bytes(path.read_bytes()),
        lambda path: Folder(place / "done").read_tensors(f"rows/{path.stem}"),
    )


@pytest.mark.slow
def test_reports_of_broken_results(throw, place) -> None:
    """Results that can be read but do not hang together give an error or a page."""
    path = place / "done" / "results.json"
    throw(path, broken_json(json.loads(path.read_text())),
          lambda path: render_html(load_comparison(Folder(path.parent))))  # fmt: skip
