"""Dates mean the same however they are written: in training and for new rows, from files and from frames."""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import json
import tomllib
from pathlib import Path
from typing import Any

import pandas
import polars as pl
import pytest
import torch

from steepest.data.dates import Form
from steepest.data.pipeline import TablePipeline
from steepest.data.table import read_table
from steepest.errors import DataError

N = 120
START = dt.datetime(2023, 3, 25, 21, 30)
"""Two days before the clocks of Berlin go forward."""
WALL = pl.Series("when", [START + dt.timedelta(hours=7 * i, minutes=i) for i in range(N)])
INSTANTS = WALL.dt.replace_time_zone("UTC")
DAYS = pl.Series("when", [dt.date(2022, 11, 20) + dt.timedelta(days=i) for i in range(N)])
BERLIN = INSTANTS.dt.convert_time_zone("Europe/Berlin")


def written(form: str, values: pl.Series = WALL) -> pl.Series:
    return values.dt.to_string(form)


def shifted(hours: int, offset: str) -> pl.Series:
    return written("%Y-%m-%dT%H:%M:%S", WALL + dt.timedelta(hours=hours)) + offset


def as_pandas(values: pl.Series) -> Any:
    kept = pandas.Series(values.to_list(), name="when")
    return kept.astype(
        f"datetime64[ns, {values.dtype.time_zone}]" if values.dtype.time_zone else "datetime64[ns]"
    )


NAIVE: dict[str, Any] = {
    "ISO": written("%Y-%m-%d %H:%M:%S"),
    "ISO with T and fractions": written("%Y-%m-%dT%H:%M:%S") + ".250",
    "ISO without seconds": written("%Y-%m-%d %H:%M"),
    "month first": written("%m/%d/%Y %I:%M:%S %p"),
    "day first": written("%d/%m/%Y %H:%M"),
    "dots": written("%d.%m.%Y %H:%M"),
    "month's name": written("%d-%b-%Y %H:%M:%S"),
    "short year": written("%m/%d/%y %H:%M"),
    "ms": WALL.dt.cast_time_unit("ms"),
    "us": WALL,
    "ns": WALL.dt.cast_time_unit("ns"),
    "pandas": as_pandas(WALL),
}
AWARE: dict[str, Any] = {
    "Z": shifted(0, "Z"),
    "+02:00": shifted(2, "+02:00"),
    "-0930": shifted(-9, "-0900"),
    "UTC": written("%Y-%m-%d %H:%M:%S UTC"),
    "mixed offsets": pl.Series(
        "when", [shifted(2, "+02:00")[i] if i % 2 else shifted(-5, "-05:00")[i] for i in range(N)]
    ),
    "zone UTC": INSTANTS,
    "zone Berlin": BERLIN,
    "zone Kolkata, ms": INSTANTS.dt.convert_time_zone("Asia/Kolkata").dt.cast_time_unit("ms"),
    "pandas with a zone": as_pandas(BERLIN),
}
DATES: dict[str, Any] = {
    "days": DAYS,
    "ISO day": written("%Y-%m-%d", DAYS),
    "month-first day": written("%m/%d/%Y", DAYS),
    "day-first day": written("%d/%m/%Y", DAYS),
    "day with dots": written("%d.%m.%Y", DAYS),
    "midnights": DAYS.cast(pl.Datetime("us")),
    "midnights as text": written("%Y-%m-%d %H:%M:%S", DAYS.cast(pl.Datetime("us"))),
}  # fmt: skip
ALL = {**NAIVE, **AWARE, **DATES}


def table(values: Any) -> Any:
    """Return rows as a frame of the values' own kind."""
    labels = ["a", "b"] * (N // 2)
    numbers = [i / 7 for i in range(N)]
    if isinstance(values, pl.Series):
        return pl.DataFrame({"when": values, "x": numbers, "y": labels})
    return pandas.DataFrame({"when": values, "x": numbers, "y": labels})


def saved(frame: Any, path: Path) -> Path:
    csv = path.suffix == ".csv"
    if isinstance(frame, pl.DataFrame):
        frame.write_csv(path) if csv else frame.write_parquet(path)
    elif csv:
        frame.to_csv(path, index=False)
    else:
        frame.to_parquet(path)
    return path


def learned(values: Any, **options: Any) -> TablePipeline:
    return read_table(values if isinstance(values, Path) else table(values), target="y", **options).pipeline


@functools.cache
def trained_on(name: str) -> TablePipeline:
    return learned(ALL[name])


def same(pipeline: TablePipeline, given: Any, expected: Any) -> None:
    found, wanted = pipeline.transform(given), pipeline.transform(expected)
    assert not found.unforeseen.unreadable
    assert not found.unforeseen.missing
    for one, other in zip(found.inputs, wanted.inputs, strict=True):
        assert torch.equal(one, other)


PAIRS = [(one, other) for group in (NAIVE, AWARE, DATES) for one, other in itertools.product(group, group)]


@pytest.mark.parametrize(("trained", "given"), PAIRS)
def test_the_same_times_written_otherwise_are_the_same(trained: str, given: str) -> None:
    same(trained_on(trained), table(ALL[given]), table(ALL[trained]))


KINDS = list(itertools.product(["csv", "parquet", "frame"], repeat=2))
SOME = [("month first", "ns"), ("us", "dots"), ("zone Berlin", "pandas with a zone"), ("+02:00", "zone Berlin"),
        ("pandas", "us"), ("days", "day with dots")]  # fmt: skip


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
@pytest.mark.parametrize(("trained", "given"), SOME)
def test_files_and_frames_are_the_same(
    trained: str, given: str, kinds: tuple[str, str], tmp_path: Path
) -> None:
    def made(name: str, kind: str, stem: str) -> Any:
        frame = table(ALL[name])
        return frame if kind == "frame" else saved(frame, tmp_path / f"{stem}.{kind}")

    pipeline = read_table(made(trained, kinds[0], "train"), target="y").pipeline
    same(pipeline, made(given, kinds[1], "new"), table(ALL[trained]))


@pytest.mark.parametrize(
    ("values", "zone", "wall"),
    [
        (NAIVE["month first"], None, WALL),
        (AWARE["Z"], "UTC", WALL),
        (AWARE["+02:00"], "+02:00", WALL + dt.timedelta(hours=2)),
        (AWARE["mixed offsets"], "UTC", WALL),
        (AWARE["zone Berlin"], "Europe/Berlin", BERLIN.dt.replace_time_zone(None)),
    ],
    ids=["none", "Z", "an offset", "several", "a zone"],
)
def test_the_hour_is_that_of_the_wall_time(values: Any, zone: str | None, wall: pl.Series) -> None:
    pipeline = learned(values)
    seen = pipeline.encoder.decode(pipeline.transform(table(values)).inputs)
    assert seen["when hour"].to_list() == [str(each) for each in wall.dt.hour()]
    assert seen["when minute"].to_list() == wall.dt.minute().cast(pl.Float64).to_list()
    (form,) = pipeline.forms.values() if pipeline.forms else [Form.of(table(values)["when"])]
    assert form is not None
    assert form.zone == zone


@pytest.mark.parametrize("trained", ["ISO", "us", "Z", "+02:00", "zone Berlin", "days"])
@pytest.mark.parametrize(
    "given", ["ISO", "us", "pandas", "Z", "mixed offsets", "zone UTC", "pandas with a zone"]
)
def test_a_zone_is_neither_guessed_nor_forgotten(trained: str, given: str) -> None:
    pipeline = trained_on(trained)
    if (trained in AWARE) == (given in AWARE):
        pipeline.transform(table(ALL[given]))
        return
    with pytest.raises(DataError, match=r"'when' have (no|a) time zone") as caught:
        pipeline.transform(table(ALL[given]))
    assert "write them" in caught.value.hint or "Polars" in caught.value.hint


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("day", [(3, 9), (3, 30), (4, 6), (10, 26), (11, 2)], ids=str)
def test_when_clocks_change_nothing_is_lost(zone: str, day: tuple[int, int]) -> None:
    instants = pl.Series(
        "when", [dt.datetime(2024, *day) + dt.timedelta(minutes=20 * i) for i in range(N)]
    ).dt.replace_time_zone("UTC")
    there = instants.dt.convert_time_zone(zone)
    for trained in (there, there.dt.to_string("%Y-%m-%dT%H:%M:%S%:z")):
        pipeline = learned(trained)
        for given in (
            instants,
            there,
            instants.dt.to_string("%Y-%m-%d %H:%M:%S%z"),
            there.dt.cast_time_unit("ns"),
        ):
            same(pipeline, table(given), table(trained))


def test_day_and_month_keep_the_order_of_training() -> None:
    """Nothing in the new rows tells which is which, but training did."""
    few = DAYS.filter((DAYS.dt.day() <= 12) & (DAYS.dt.month() <= 12)).head(10)
    for trained, form in (("month-first day", "%m/%d/%Y"), ("day-first day", "%d/%m/%Y")):
        for new in (form, f"{form} %H:%M", form.replace("Y", "y")):
            frame = pl.DataFrame({"when": written(new, few.cast(pl.Datetime("us"))), "x": [0.0] * len(few)})
            same(trained_on(trained), frame, frame.with_columns(few))


def test_day_and_month_are_not_guessed() -> None:
    few = DAYS.filter(DAYS.dt.day() <= 12)
    frame = pl.DataFrame({"when": written("%d/%m/%Y", few), "x": [0.0] * len(few)})
    for trained in ("days", "ISO day", "midnights"):
        with pytest.raises(DataError, match="month/day or as day/month, such as '01/12/2022'"):
            trained_on(trained).transform(frame)
    same(learned(ALL["ISO day"]), table(ALL["day-first day"]), table(DAYS))


@pytest.mark.parametrize("form", ["%Y/%m/%d", "%Y-%m-%d", "%Y.%m.%d"])
def test_after_the_year_comes_the_month(form: str) -> None:
    few = DAYS.filter(DAYS.dt.day() <= 12)
    frame = pl.DataFrame({"when": written(form, few), "x": [0.0] * len(few)})
    for trained in ("days", "midnights", "day-first day"):
        same(trained_on(trained), frame, frame.with_columns(few))
    notes = read_table(table(written(form, DAYS.dt.truncate("1mo"))), target="y").dataset().notes
    assert not any("apart" in each.text for each in notes)


def test_training_dates_that_could_be_either_are_said() -> None:
    few = pl.Series("when", [f"0{i % 9 + 1}/0{i % 7 + 1}/2024" for i in range(N)])
    notes = read_table(table(few), target="y").dataset().notes
    assert any("nothing tells day and month apart" in each.text for each in notes if each.kind == "warning")
    certain = read_table(table(ALL["month-first day"]), target="y").dataset().notes
    assert not any("apart" in each.text for each in certain)


ODD = ["soon", "2024-13-01", "31st of May"]


@pytest.mark.parametrize("trained", ["ISO day", "month-first day", "days", "midnights"])
def test_what_is_no_date_is_counted_as_such(trained: str) -> None:
    pipeline = trained_on(trained)
    given = DAYS.to_list()[:-5]
    texts = pl.Series("when", [*map(str, given), *ODD, None, None])
    found = pipeline.transform(table(texts)).unforeseen
    assert (found.unreadable, found.missing, found.unknown) == ({"when": 3}, {"when": 2}, {})
    assert found.lines == (
        "3 values of when could not be read as dates and count as missing",
        "2 values of when are missing; none was missing in training",
    )
    whole = pipeline.transform(table(pl.Series("when", [*given, *[None] * 5])))
    for one, other in zip(pipeline.transform(table(texts)).inputs, whole.inputs, strict=True):
        assert torch.equal(one, other)


def test_a_column_of_no_dates_at_all_is_counted() -> None:
    for trained in ("ISO", "us", "zone Berlin"):
        found = trained_on(trained).transform(table(pl.Series("when", ["soon"] * N))).unforeseen
        assert (found.unreadable, found.missing) == ({"when": N}, {})
    one = learned(ALL["us"]).transform(pl.DataFrame({"when": ["soon"], "x": [0.0]})).unforeseen
    assert one.lines == ("1 value of when could not be read as a date and counts as missing",)


def test_an_empty_column_is_missing() -> None:
    for trained in ("ISO", "us", "zone Berlin", "days"):
        for nothing in (pl.Series("when", [None] * N), pl.Series("when", [None] * N, dtype=pl.String)):
            found = trained_on(trained).transform(table(nothing)).unforeseen
            assert (found.unreadable, found.missing) == ({}, {"when": N})


@pytest.mark.parametrize(
    ("trained", "given", "what"),
    [
        (WALL, pl.Series("when", range(N)), "holds whole numbers, but held dates with times in training"),
        (NAIVE["ISO"], pl.Series("when", range(N)), "holds whole numbers, but held dates written as text"),
        (DAYS, pl.Series("when", [i / 7 for i in range(N)]), "holds numbers, but held dates in training"),
        (pl.Series("when", [10**9 * (i % 50) for i in range(N)]), WALL,
         "holds dates with times, but held whole numbers"),
        (pl.Series("when", [i / 7 for i in range(N)]), INSTANTS, "holds dates with times, but held numbers"),
        (pl.Series("when", ["early", "late"] * (N // 2)), DAYS, "holds dates, but held text in training"),
        (WALL, WALL.dt.time(), "holds times of day, but held dates with times in training"),
        (WALL.dt.time(), WALL, "holds dates with times, but held times of day in training"),
        (pl.Series("when", [dt.timedelta(seconds=i % 50) for i in range(N)]), pl.Series("when", range(N)),
         "holds whole numbers, but held durations in training"),
    ],
)  # fmt: skip
def test_other_kinds_of_values_are_refused(trained: pl.Series, given: pl.Series, what: str) -> None:
    with pytest.raises(DataError, match=f"'when' {what}"):
        learned(trained).transform(table(given))


def test_a_column_that_is_not_used_may_hold_anything() -> None:
    pipeline = learned(WALL, drop=["when"])
    pipeline.transform(table(pl.Series("when", range(N))))
    pipeline.transform(table(INSTANTS))


def test_times_of_day() -> None:
    pipeline = learned(WALL.dt.time())
    seen = pipeline.encoder.decode(pipeline.transform(table(WALL.dt.time())).inputs)
    assert seen.columns == ["when hour", "x", "when minute"]
    assert seen["when hour"].to_list() == [str(each) for each in WALL.dt.hour()]
    for form in ("%H:%M:%S", "%H:%M", "%I:%M %p"):
        same(pipeline, table(written(form, WALL.dt.time())), table(WALL.dt.time()))


def test_durations_in_another_unit_are_the_same() -> None:
    spans = pl.Series("when", [dt.timedelta(seconds=i % 50) for i in range(N)])
    same(learned(spans), table(spans.dt.cast_time_unit("ms")), table(spans))


@pytest.mark.parametrize(
    ("trained", "given"), [("ISO", "us"), ("us", "month first"), ("+02:00", "Z"), ("days", "dots day")]
)
@pytest.mark.parametrize("role", ["continuous", "categorical"])
def test_dates_as_numbers_or_categories_are_the_same_too(trained: str, given: str, role: str) -> None:
    values = {**ALL, "dots day": ALL["day with dots"]}
    given_rows = table(values[given])
    same(learned(values[trained], **{role: ["when"]}), given_rows, table(values[trained]))


@pytest.mark.parametrize("rows", [7, 40, 1000])
def test_in_batches(rows: int, tmp_path: Path) -> None:
    for trained, given in (
        ("month first", "ns"),
        ("us", "dots"),
        ("+02:00", "zone Berlin"),
        ("days", "day-first day"),
    ):
        pipeline = trained_on(trained)
        whole = pipeline.transform(table(ALL[trained]))
        for source in (table(ALL[given]), saved(table(ALL[given]), tmp_path / "new.csv")):
            parts = list(pipeline.transform_batches(source, rows))
            for i, inputs in enumerate(whole.inputs):
                assert torch.equal(torch.cat([each.inputs[i] for each in parts]), inputs)


def test_in_batches_gaps_come_first_and_formats_do_not_change() -> None:
    pipeline = learned(ALL["days"])
    texts = ALL["day-first day"]
    late = pl.Series("when", [*[None] * 20, *texts[20:].to_list()])
    found = list(pipeline.transform_batches(table(late), 10))
    assert sum(each.unforeseen.missing.get("when", 0) for each in found) == 20
    other = pl.Series("when", [*texts[:60].to_list(), *ALL["month-first day"][60:].to_list()])
    with pytest.raises(
        DataError, match=r"change their format from %d/%m/%Y to %m/%d/%Y \(of the rows from row 61"
    ):
        list(pipeline.transform_batches(table(other), 60))


def test_steps_see_dates_as_in_training() -> None:
    steps = [
        {"use": "derive", "columns": {"night": "SUBSTR(\"when\", 12, 2) > '20'"}},
        {"use": "drop", "columns": ["when"]},
    ]
    pipeline = learned(ALL["ISO"], prepare=steps)
    for given in ("us", "dots", "month first", "pandas"):
        same(pipeline, table(ALL[given]), table(ALL["ISO"]))
    steps = [
        {"use": "derive", "columns": {"hour": 'EXTRACT(HOUR FROM "when")'}},
        {"use": "drop", "columns": ["when"]},
    ]
    pipeline = learned(ALL["zone Berlin"], prepare=steps)
    for given in AWARE:
        same(pipeline, table(ALL[given]), table(BERLIN))


@pytest.mark.parametrize(
    ("trained", "given"), [("month first", "us"), ("us", "day first"), ("zone Berlin", "Z")]
)
def test_files_of_their_own_are_read_like_the_first(trained: str, given: str, tmp_path: Path) -> None:
    def opened(values: Any) -> Any:
        new = saved(table(values), tmp_path / f"test.{'parquet' if values.dtype != pl.String else 'csv'}")
        return read_table(table(ALL[trained]), target="y", test=str(new)).dataset()

    one, other = opened(ALL[given]), opened(ALL[trained])
    assert one.shape == other.shape
    assert torch.equal(one.test.inputs[0], other.test.inputs[0])
    with pytest.raises(DataError, match="time zone"):
        opened(ALL["us" if trained in AWARE else "Z"])


def test_a_split_by_time_goes_by_instants() -> None:
    """The wall time of the last row is the earliest."""
    texts = [f"2024-01-{i // 24 + 1:02}T{i % 24:02}:00:00+00:00" for i in range(N - 1)]
    frame = table(pl.Series("when", [*texts, "2024-01-01T00:00:00-12:00"]))
    last = frame.with_row_index("nth").tail(1)["nth"][0]
    made = read_table(
        frame.with_columns(nth=pl.int_range(N)), target="y", split="time:when", categorical=["nth"]
    )
    assert last not in made.prepared().filter(pl.col("split") == "test")["nth"].to_list()


YEARS = pl.Series("when", [dt.datetime(2019, 2, 28, 23, 30) + dt.timedelta(days=11 * i) for i in range(N)])


def test_the_day_of_the_year_is_that_of_the_wall_time() -> None:
    there = YEARS.dt.replace_time_zone("UTC").dt.convert_time_zone("Asia/Kolkata")
    for values, wall in (
        (YEARS, YEARS),
        (written("%d.%m.%Y %H:%M", YEARS), YEARS),
        (YEARS.dt.date(), YEARS),
        (there, there.dt.replace_time_zone(None)),
    ):
        pipeline = learned(values)
        seen = pipeline.encoder.decode(pipeline.transform(table(values)).inputs)
        assert seen["when day of year"].to_list() == wall.dt.ordinal_day().cast(pl.Float64).to_list()


def test_a_model_without_the_day_of_the_year_predicts_as_it_did(tmp_path: Path) -> None:
    pipeline = learned(YEARS)
    stored = pipeline.to_dict()
    for each in stored["columns"]:
        each["parts"] = [part for part in each["parts"] if part != "day of year"]
    del stored["encoder"]["scales"]["when day of year"]
    path = tmp_path / "pipeline.json"
    path.write_text(json.dumps(stored))
    before = TablePipeline.load(path).transform(table(YEARS)).inputs[1]
    now, names = pipeline.transform(table(YEARS)).inputs[1], list(pipeline.encoder.continuous)
    kept = [i for i, name in enumerate(names) if name != "when day of year"]
    assert len(kept) == len(names) - 1
    assert torch.equal(before, now[:, kept])


def test_models_saved_before_still_predict(tmp_path: Path) -> None:
    pipeline = learned(ALL["month first"])
    stored = pipeline.to_dict()
    stored["steepest_pipeline"] = 1
    del stored["dates"], stored["encoder"]["min_count"]
    for each in stored["columns"]:
        del each["zone"]
    path = tmp_path / "pipeline.json"
    path.write_text(json.dumps(stored))
    assert TablePipeline.load(path).forms == pipeline.forms
    same(TablePipeline.load(path), table(WALL), table(ALL["month first"]))
    again = tmp_path / "again.json"
    pipeline.save(again)
    assert TablePipeline.load(again) == pipeline


MOMENTS = [dt.datetime(2018, 1, 1) + dt.timedelta(hours=31 * i) for i in range(120)]
EPOCH = dt.datetime(1970, 1, 1)
NUMBERS: dict[str, list[float]] = {
    "opened": [int(f"{each:%Y%m%d}") for each in MOMENTS],
    "timestamp": [int((each - EPOCH).total_seconds()) for each in MOMENTS],
    "created_at": [int((each - EPOCH).total_seconds() * 1000) for each in MOMENTS],
    "event time": [int((each - EPOCH).total_seconds()) * 10**9 for each in MOMENTS],
    "order_date": [(each - dt.datetime(1899, 12, 30)).total_seconds() / 86400 for each in MOMENTS],
    "day": [(each - dt.datetime(1899, 12, 30)).days for each in MOMENTS],
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_that_look_like_times_get_steps_that_make_dates(name: str) -> None:
    rows = {name: NUMBERS[name], "y": ["a", "b"] * 60}
    (note,) = (each for each in read_table(rows, target="y").dataset().notes if "looks like" in each.text)
    assert note.text.startswith(f"{name} looks like")
    steps = tomllib.loads(note.step)["step"]
    made = read_table(rows, target="y", prepare=steps).prepared()[name].cast(pl.Datetime("us"))
    exact = name in ("timestamp", "created_at", "event time", "order_date")
    for found, moment in zip(made.to_list(), MOMENTS, strict=True):
        assert abs(found - (moment if exact else moment.replace(hour=0))) < dt.timedelta(seconds=1)


def test_other_numbers_do_not_look_like_times() -> None:
    rows = {
        "price": NUMBERS["created_at"],
        "plate": [20180001 + 37 * i for i in range(120)],
        "minutes of day": [i * 12 for i in range(120)],
        "year": [1900 + i for i in range(120)],
        "y": ["a", "b"] * 60,
    }
    assert not any("looks like" in each.text for each in read_table(rows, target="y").dataset().notes)
