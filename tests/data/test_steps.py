"""Every preparation step: one row of a table each, and what must hold for all of them."""

from __future__ import annotations

import datetime
import json
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from steepest.data.preparation import STEPS, FittedPreparation, Preparation
from steepest.data.steps import LearnedStep
from steepest.errors import PreparationError

NAN = float("nan")
Table = dict[str, list[Any]]


@dataclass(frozen=True)
class Case:
    """A step on a few rows: what it learns from, what it is given, what comes out and what is said."""

    name: str
    options: dict[str, Any]
    rows: Table
    expected: Table
    said: str
    count: int
    train: Table | None = None
    target: str | None = None

    def __str__(self) -> str:
        return self.name


CASES = [
    Case("select", {"columns": ["b", "a"]}, {"a": [1], "b": [2], "c": [3]}, {"b": [2], "a": [1]},
         "2 columns kept, 1 left out: c", 0),
    Case("select", {"columns": ["a"]}, {"a": [1], "y": [2], "c": [3]}, {"a": [1], "y": [2]},
         "1 column kept, 1 left out: c", 0, target="y"),
    Case("drop", {"column": "a"}, {"a": [1], "b": [2]}, {"b": [2]}, "left out: a", 0),
    Case("filter", {"where": "Year <= 2020"}, {"Year": [2019, 2021, None]}, {"Year": [2019]},
         "Year <= 2020: 2 of 3 rows left out, 1 of them because a value is missing", 2),
    Case("filter", {"where": "\"a b\" = 'x' OR n IN (1, 2)"}, {"a b": ["x", "y", "z"], "n": [9, 2, 3]},
         {"a b": ["x", "y"], "n": [9, 2]}, "1 of 3 rows left out", 1),
    Case("group", {"column": "k", "groups": {"T": ["a", "b"], "U": ["q"]}}, {"k": ["a", "b", "c", None]},
         {"k": ["T", "T", "c", None]}, "k: 2 rows relabelled, 3 labels are now 2; nothing is labelled 'q'", 2),
    Case("group", {"column": "k", "groups": {"Low": ["1", "2"]}}, {"k": [1, 2, 3]}, {"k": ["Low", "Low", "3"]},
         "k: 2 rows relabelled, 3 labels are now 2", 2),
    Case("group", {"column": "k", "groups": {"theft": ["Burglary"]}, "upper": True},
         {"k": ["Theft", "BURGLARY", "arson"]}, {"k": ["THEFT", "THEFT", "ARSON"]},
         "k: 3 rows relabelled, 3 labels are now 2", 3),
    Case("decode", {"columns": ["s_1", "s_2"]}, {"a": [7, 8], "s_1": [0, 1], "b": [1, 1], "s_2": [1, 0]},
         {"a": [7, 8], "s": ["2", "1"], "b": [1, 1]}, "s: 2 categories in one column, of s_1, s_2", 0),
    Case("decode", {"columns": ["is red", "is rose"], "into": "colour"},
         {"is red": [True, False], "is rose": [False, True]}, {"colour": ["red", "rose"]}, "colour: 2 categories", 0),
    Case("decode", {"columns": ["s1", "s2", "s10"], "others": "missing"},
         {"s1": [0.0, 1.0, 0.0, 1.0, 0.5, NAN], "s2": [0, 1, 1, None, 0, 1], "s10": [0, 0, 0, 0, 0, 0]},
         {"s": [None, None, "2", None, None, None]}, "s1 … s10; 5 rows without exactly one 1 (one has ", 5),
    Case("fill-constant", {"column": "p", "value": "OTHER"}, {"p": ["x", None]}, {"p": ["x", "OTHER"]},
         "p: 1 missing, filled with 'OTHER'", 1),
    Case("fill-constant", {"columns": ["p", "q"], "value": 0}, {"p": [1.5, NAN], "q": [None, 2]},
         {"p": [1.5, 0.0], "q": [0, 2]}, "p: 1 missing; q: 1 missing, filled with 0", 2),
    Case("cast", {"types": {"a": "integer", "b": "text"}}, {"a": ["1", "2.0", "2.5", "x"], "b": [1.0, 2.5, None, 4.0]},
         {"a": [1, 2, None, None], "b": ["1", "2.5", None, "4"]}, "a is now integer; 2 values cannot be converted", 2),
    Case("cast", {"types": {"a": "boolean", "d": "date", "n": "number"}},
         {"a": ["yes", "FALSE", "?"], "d": ["2020-02-29", "2021-02-29", None], "n": ["1e3", " 2 ", "-"]},
         {"a": [True, False, None], "d": [datetime.date(2020, 2, 29), None, None], "n": [1000.0, 2.0, None]},
         "a is now boolean; 1 value cannot be converted", 3),
    Case("cast", {"types": {"t": "datetime"}}, {"t": ["2022-09-16 21:30:00", "2022-09-16", "soon"]},
         {"t": [datetime.datetime(2022, 9, 16, 21, 30), datetime.datetime(2022, 9, 16), None]},
         "t is now datetime; 1 value cannot be converted", 1),
    Case("cast", {"types": {"t": "datetime"}},
         {"t": ["2022-09-16T21:30Z", "2022-09-16 21:30:00+02:00", "16.9.2022 21:30", "09/16/2022 09:30 PM", "9/1/22"]},
         {"t": [*[datetime.datetime(2022, 9, 16, 21, 30)] * 4, None]},
         "t is now datetime; 1 value cannot be converted", 1),
    Case("cast", {"types": {"d": "date", "t": "datetime"}, "formats": {"d": "%d/%m/%Y", "t": "%m/%d/%y %H:%M"}},
         {"d": ["05/04/2018", "31/12/2018", "2018-01-01"], "t": ["05/04/18 7:05", None, "13/01/18 00:00"]},
         {"d": [datetime.date(2018, 4, 5), datetime.date(2018, 12, 31), None],
          "t": [datetime.datetime(2018, 5, 4, 7, 5), None, None]}, "d is now date; 1 value", 2),
    Case("cast", {"types": {"d": "number", "t": "number", "u": "integer", "n": "datetime"}},
         {"d": [datetime.date(1970, 1, 3)], "t": [datetime.datetime(1970, 1, 2, 12)],
          "u": [datetime.datetime(1969, 12, 31, 12)], "n": [1.5]},
         {"d": [2.0], "t": [1.5], "u": [-1], "n": [datetime.datetime(1970, 1, 2, 12)]}, "d is now number", 0),
    Case("rename", {"columns": {"Primary Type": "kind"}}, {"Primary Type": ["x"], "b": [1]}, {"kind": ["x"], "b": [1]},
         "Primary Type is now kind", 0),
    Case("rename", {"columns": {"a": "b", "b": "a"}}, {"a": [1], "b": [2]}, {"b": [1], "a": [2]}, "a is now b", 0),
    Case("derive", {"columns": {"area": "w * h", "w": "w + 1"}}, {"w": [2], "h": [3]},
         {"w": [3], "h": [3], "area": [6]}, "area = w * h, w = w + 1", 0),
    Case("text", {"column": "t", "size": 2}, {"t": ["b'x go", None, "Go, go!"], "a": [1, 2, 3]},
         {"t 1": [1.0, 0.0, 1.0], "t 2": [0.0, 0.0, 0.0], "a": [1, 2, 3]},
         "t: 2 columns of its words, the 1 most frequent in training (go); 1 text without any of them, 1 of them", 1,
         train={"t": ["go", "x"], "a": [1, 1]}),
    Case("fill-mode", {"column": "d"}, {"d": [None, 5]}, {"d": [2, 5]}, "d: 1 missing, filled with 2", 1,
         train={"d": [3, 2, 2, 3, None]}),
    Case("fill-mode", {"columns": ["d", "t"]}, {"d": [NAN, 1.0], "t": ["a", None]}, {"d": [7.0, 1.0], "t": ["a", "b"]},
         "d: 1 missing, filled with 7.0; t: 1 missing, filled with 'b'", 2, train={"d": [7.0, NAN], "t": ["b", "b"]}),
    Case("fill-mode", {"column": "d"}, {"d": [None, "x"]}, {"d": [None, "x"]}, "d: 1 missing, no value known", 0,
         train={"d": [None, None]}),
    Case("fill-from", {"column": "w", "keys": ["block", "beat"]},
         {"block": ["a", "z", "z", None, "a"], "beat": [9, 1, 9, 1, 1], "w": [None, None, None, None, 8]},
         {"block": ["a", "z", "z", None, "a"], "beat": [9, 1, 9, 1, 1], "w": [5, 6, None, 6, 8]},
         "w: 4 missing; 1 filled from block, 2 from beat, 1 left missing", 3,
         train={"block": ["a", "a", "a", "b", "b"], "beat": [1, 1, 1, 1, 1], "w": [5, 5, 6, 6, 6]}),
    Case("fill-from", {"column": "w", "keys": ["k"]}, {"k": ["a", "a"], "w": [None, 1]}, {"k": ["a", "a"], "w": [2, 1]},
         "w: 1 missing; 1 filled from k", 1, train={"k": ["a"] * 4, "w": [3, 2, 3, 2]}),
    Case("fill-from", {"column": "w", "keys": ["k"]}, {"k": ["1", "2.0", "x"], "w": ["", None, None]},
         {"k": ["1", "2.0", "x"], "w": [None, 20, None]}, "w: 3 missing; 1 filled from k, 2 left missing", 1,
         train={"k": [2, 2], "w": [20, 20]}),
    Case("fill-from", {"column": "w", "keys": ["k"]}, {"k": ["a", "a"], "w": ["b", None]},
         {"k": ["a", "a"], "w": ["b", None]},
         "w: 1 missing; 1 left missing", 0, train={"k": ["a", None], "w": [None, None]}),
    Case("fill-from", {"column": "w", "keys": ["k"]}, {"k": ["a"], "w": ["b"]}, {"k": ["a"], "w": ["b"]},
         "w: 0 missing", 0, train={"k": ["a"], "w": ["b"]}),
]  # fmt: skip


def frame(table: Table) -> pl.DataFrame:
    return pl.DataFrame(table, strict=False)


def preparation(case: Case) -> Preparation:
    return Preparation.load([{"use": case.name, **case.options}])


def run(case: Case) -> tuple[pl.DataFrame, Any, FittedPreparation]:
    steps, rows = preparation(case), frame(case.rows)
    train = rows if case.train is None else frame(case.train)
    if steps.prefix:
        out, reports = steps.collect_prefix(rows.lazy(), target=case.target)
        return out, reports[0], steps.fit(out, target=case.target)
    fitted = steps.fit(train, target=case.target)
    out, reports = fitted.transform(rows, target=case.target)
    return out, reports[0], fitted


def test_every_step_has_a_case() -> None:
    assert {case.name for case in CASES} == set(STEPS.names())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rows_and_report(case: Case) -> None:
    out, report, _ = run(case)
    assert_frame_equal(out, frame(case.expected), check_dtypes=False)
    assert case.said in report.text
    assert (report.step, report.rows) == (case.name, case.count)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_input_is_left_as_it_was(case: Case) -> None:
    rows, train = frame(case.rows), frame(case.train or case.rows)
    steps = preparation(case)
    steps.collect_prefix(rows.lazy(), target=case.target)
    if steps.steps != steps.prefix:
        steps.fit(train, target=case.target).transform(rows, target=case.target)
    assert_frame_equal(rows, frame(case.rows))
    assert_frame_equal(train, frame(case.train or case.rows))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_lazy_equals_collected(case: Case) -> None:
    steps, rows = preparation(case), frame(case.rows)
    lazy, reports = steps.stateless_prefix(rows.lazy(), target=case.target)
    collected, same = steps.collect_prefix(rows.lazy(), target=case.target)
    assert_frame_equal(lazy.collect(), collected)
    assert reports == same


@pytest.mark.parametrize("case", CASES, ids=str)
def test_stored_and_restored_does_the_same(case: Case) -> None:
    out, _, fitted = run(case)
    text = json.dumps(fitted.to_dict())
    restored = FittedPreparation.from_dict(json.loads(text))
    assert json.dumps(restored.to_dict()) == text
    replayed, kept, _ = restored.replay(frame(case.rows), target=case.target)
    assert_frame_equal(replayed, out)
    assert len(kept) == len(replayed)


@pytest.mark.parametrize("case", [case for case in CASES if case.train], ids=str)
def test_only_training_rows_teach(case: Case) -> None:
    fitted = preparation(case).fit(frame(case.train or {}), target=None)
    before = json.dumps(fitted.to_dict())
    rows = frame(case.rows)
    once, _ = fitted.transform(rows, target=None)
    fitted.transform(pl.concat([rows] * 5), target=None)
    again, _ = fitted.transform(rows, target=None)
    assert json.dumps(fitted.to_dict()) == before
    assert_frame_equal(once, again)
    alone = pl.concat([fitted.transform(rows[i : i + 1], target=None)[0] for i in range(len(rows))])
    assert_frame_equal(once, alone)


@dataclass(frozen=True)
class Wrong:
    """A step that does not fit: what the message and the hint must say."""

    steps: list[dict[str, Any]]
    fact: str
    hint: str
    columns: Table = field(default_factory=lambda: {"Ward": [1], "Block": ["a"], "y": [0]})
    target: str | None = None

    def __str__(self) -> str:
        return self.fact


WRONG = [
    Wrong([{"use": "grup"}], "step 1: unknown preparation step 'grup'", "did you mean 'group'?"),
    Wrong([{"columns": ["a"]}], 'step 1 has no use = "NAME"', 'use = "NAME"'),
    Wrong([{"use": "drop", "column": "Block"}, {"use": "drop", "colums": ["a"]}],
          "step 2 (drop): unknown option 'colums'", "did you mean 'columns'?"),
    Wrong([{"use": "fill-from", "column": "Ward"}], "step 1 (fill-from) lacks the option 'keys'", "column, keys"),
    Wrong([{"use": "fill-from", "column": "Ward", "keys": "Block"}], "option 'keys' is 'Block'", "valid list"),
    Wrong([{"use": "fill-from", "column": "Ward", "keys": []}], "option 'keys' is []", "at least 1 item"),
    Wrong([{"use": "filter", "where": "Ward <="}], "option 'where' is 'Ward <='", "write an SQL expression"),
    Wrong([{"use": "filter", "where": "Wrad > 1"}], "step 'filter': column 'Wrad'", "did you mean 'Ward'?"),
    Wrong([{"use": "filter", "where": "Ward = 'x'"}], "\"Ward = 'x'\" does not fit the table", "cast"),
    Wrong([{"use": "filter", "where": "Ward + 1"}], "'Ward + 1' gives Int64, not true or false", "compare"),
    Wrong([{"use": "filter", "where": "Ward > AVG(Ward)"}], "uses more than one row", "same row"),
    Wrong([{"use": "derive", "columns": {"m": "MAX(Ward)"}}], "uses more than one row", "same row"),
    Wrong([{"use": "derive", "columns": {"m": "Wrad * 2"}}], "column 'Wrad' is not in the table", "'Ward'"),
    Wrong([{"use": "derive", "columns": {"leak": "y + 1"}}], "makes the column 'leak' of the target 'y'",
          "not known at prediction", target="y"),
    Wrong([{"use": "select", "columns": ["ward"]}], "column 'ward' is not in the table", "did you mean 'Ward'?"),
    Wrong([{"use": "drop", "column": "Blok"}], "column 'Blok' is not in the table", "did you mean 'Block'?"),
    Wrong([{"use": "drop", "column": "y"}], "drops the target 'y'", "another target", target="y"),
    Wrong([{"use": "rename", "columns": {"Ward": "Block"}}], "would create two columns 'Block'", "another name"),
    Wrong([{"use": "cast", "types": {"Ward": "int"}}], "option 'types.Ward' is 'int'", "'integer'"),
    Wrong([{"use": "cast", "types": {"Ward": "text"}, "formats": {"Ward": "%Y"}}], "its options do not fit",
          "the format of 'Ward' is given, which becomes no date"),
    Wrong([{"use": "cast", "types": {"Ward": "date"}, "formats": {"Ward": "dd/mm"}}], "its options do not fit",
          "'dd/mm' is not a date format"),
    Wrong([{"use": "group", "column": "Block", "groups": {"A": ["x"], "B": ["x"]}}], "its options do not fit",
          "the label 'x' is in two groups, 'A' and 'B'"),
    Wrong([{"use": "group", "column": "Blok", "groups": {"A": ["x"]}}], "column 'Blok'", "did you mean 'Block'?"),
    Wrong([{"use": "decode", "columns": ["s1", "s2"]}],
          "1 row of s1, s2 does not have exactly one 1: one has s1 = 1, s2 = 2",
          'others = "missing"', columns={"s1": [1, 1], "s2": [0, 2]}),
    Wrong([{"use": "decode", "columns": ["s1", "s2"]}], "2 rows of s1, s2 do not have exactly one 1: one has none",
          "--decode none", columns={"s1": [0, 0], "s2": [0, 0]}),
    Wrong([{"use": "decode", "columns": ["Ward", "Block"]}], "'Block' holds String, not 0 and 1", "leave it out"),
    Wrong([{"use": "decode", "columns": ["Ward", "Blok"]}], "column 'Blok' is not in", "did you mean 'Block'?"),
    Wrong([{"use": "decode", "columns": ["Ward"]}], "has one column only, 'Ward'", "a pattern"),
    Wrong([{"use": "decode", "columns": ["Ward", "y"]}], "takes the target 'y' for one of 2 columns", "leave it out",
          target="y"),
    Wrong([{"use": "decode", "columns": ["Ward", "y"]}], "the names Ward, y have no common beginning", "into"),
    Wrong([{"use": "decode", "columns": ["s1", "s2"]}], "makes a column 's', which is there already", "another name",
          columns={"s1": [1], "s2": [0], "s": [5]}),
    Wrong([{"use": "fill-constant", "column": "Ward", "value": "x"}], "'Ward' is of type Int64 and cannot hold 'x'",
          "cast"),
    Wrong([{"use": "fill-constant", "column": "Ward", "value": 2.5}], "cannot hold 2.5", "cast"),
    Wrong([{"use": "fill-mode", "column": "Distric"}], "column 'Distric' is not in the table", "Known: "),
    Wrong([{"use": "fill-mode", "column": "y"}], "would invent values of the target 'y'", "other columns",
          target="y"),
    Wrong([{"use": "fill-from", "column": "Ward", "keys": ["y"]}], "uses the target 'y'", "other columns",
          target="y"),
    Wrong([{"use": "fill-from", "column": "Ward", "keys": ["Ward"]}], "'Ward' cannot be its own key", "other columns"),
    Wrong([{"use": "fill-from", "column": "Wrad", "keys": ["Block"]}], "column 'Wrad'", "did you mean 'Ward'?"),
    Wrong([{"use": "fill-from", "column": "Beat", "keys": ["Block"], "create": True}],
          "creates the column 'Beat' but has nothing to learn it from", "learn_from"),
]  # fmt: skip


def run_steps(listed: list[dict[str, Any]], rows: pl.DataFrame, target: str | None) -> None:
    steps = Preparation.load(listed)
    steps.stateless_prefix(rows.lazy(), target=target)
    steps.fit(rows, target=target)


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_what_does_not_fit_is_said(wrong: Wrong) -> None:
    with pytest.raises(PreparationError) as caught:
        run_steps(wrong.steps, frame(wrong.columns), wrong.target)
    assert wrong.fact in caught.value.fact
    assert wrong.hint in caught.value.hint
    assert caught.value.fact[0].islower()
    assert not caught.value.fact.endswith(".")


def slow_fill_from(
    train: list[dict[str, Any]], rows: list[dict[str, Any]], keys: list[str], column: str = "v"
) -> list[Any]:
    """Fill a column row by row, in plain Python."""
    out: list[Any] = []
    for row in rows:
        value = row[column]
        for key in keys:
            if value is not None or row[key] is None:
                continue
            seen = [each[column] for each in train if each[key] == row[key] and each[column] is not None]
            if seen:
                value = min(set(seen), key=lambda each: (-seen.count(each), each))
        out.append(value)
    return out


ROW = st.fixed_dictionaries(
    {
        "fine": st.sampled_from([None, "a", "b", "c"]),
        "coarse": st.sampled_from([None, 1, 2]),
        "v": st.sampled_from([None, None, -1, 0, 7]),
    }
)
SCHEMA = {"fine": pl.String, "coarse": pl.Int64, "v": pl.Int64}


@settings(deadline=None, max_examples=80, derandomize=True)
@given(train=st.lists(ROW, max_size=30), rows=st.lists(ROW, min_size=1, max_size=15), turned=st.booleans())
def test_fill_from_equals_the_slow_reference(
    train: list[dict[str, Any]], rows: list[dict[str, Any]], turned: bool
) -> None:
    keys = ["coarse", "fine"] if turned else ["fine", "coarse"]
    steps = Preparation.load([{"use": "fill-from", "column": "v", "keys": keys}])
    fitted = steps.fit(pl.DataFrame(train, schema=SCHEMA), target=None)
    out, reports = fitted.transform(pl.DataFrame(rows, schema=SCHEMA), target=None)
    expected = slow_fill_from(train, rows, keys)
    assert out["v"].to_list() == expected
    assert out["fine"].to_list() == [row["fine"] for row in rows]
    filled = sum(row["v"] is None and value is not None for row, value in zip(rows, expected, strict=True))
    assert reports[0].rows == filled


PLACE = st.fixed_dictionaries(
    {
        "block": st.sampled_from([None, "a", "b", "c", "d"]),
        "beat": st.sampled_from([None, 1, 2]),
        "ward": st.sampled_from([None, None, 3, 5]),
        "zone": st.sampled_from([None, "x", "y"]),
    }
)
PLACES = {"block": pl.String, "beat": pl.Int64, "ward": pl.Int64, "zone": pl.String}
FILLS = [
    (column, keys)
    for column in ("beat", "ward", "zone")
    for keys in (["block"], ["block", "beat"], ["beat", "block"], ["zone"], ["block", "ward"])
    if column not in keys
]


@settings(deadline=None, max_examples=120, derandomize=True)
@given(
    train=st.lists(PLACE, min_size=1, max_size=25),
    rows=st.lists(PLACE, min_size=1, max_size=12),
    fills=st.lists(st.sampled_from(FILLS), min_size=2, max_size=5),
)
def test_steps_that_work_together_do_what_one_after_the_other_does(
    train: list[dict[str, Any]], rows: list[dict[str, Any]], fills: list[tuple[str, list[str]]]
) -> None:
    steps = Preparation.load([{"use": "fill-from", "column": column, "keys": keys} for column, keys in fills])
    fitted = steps.fit(pl.DataFrame(train, schema=PLACES), target=None)
    out, reports = fitted.transform(pl.DataFrame(rows, schema=PLACES), target=None)
    train, rows = [dict(each) for each in train], [dict(each) for each in rows]
    for (column, keys), report in zip(fills, reports, strict=True):
        before = [dict(each) for each in train]
        filled = 0
        for part in (train, rows):
            values = slow_fill_from(before, part, keys, column)
            filled = sum(each[column] != value for each, value in zip(part, values, strict=True))
            for each, value in zip(part, values, strict=True):
                each[column] = value
        assert report.rows == filled
    assert out.rows(named=True) == rows


def test_learned_keys_keep_their_type_when_stored() -> None:
    day = datetime.date(2020, 1, 1)
    moment = datetime.datetime(2020, 1, 1, 12, 30)
    train = pl.DataFrame({"d": [day], "m": [moment], "b": [True], "f": [0.5], "v": [moment]})
    for key in "dmbf":
        steps = Preparation.load([{"use": "fill-from", "column": "v", "keys": [key]}])
        fitted = FittedPreparation.from_dict(json.loads(json.dumps(steps.fit(train, target=None).to_dict())))
        gap = train.with_columns(v=pl.lit(None, pl.Datetime("us")))
        assert_frame_equal(fitted.transform(gap, target=None)[0], train)


def test_a_second_table_teaches_a_column_that_is_not_there(tmp_path: Any) -> None:
    pl.DataFrame({"Block Name": ["a", "a", "b"], "Ward": [1, 1, 2]}).write_parquet(tmp_path / "old.parquet")
    (tmp_path / "steps.toml").write_text(
        '[[step]]\nuse = "fill_from"\ncolumn = "Ward"\nkeys = ["Block"]\ncreate = true\n'
        'learn_from = {table = "old.parquet", rename = {"Block Name" = "Block"}}\n'
    )
    steps = Preparation.load(tmp_path / "steps.toml")
    new = pl.DataFrame({"Block": ["b", "a", "z"]})
    out, reports = steps.fit(new, target=None).transform(new, target=None)
    assert out["Ward"].to_list() == [2, 1, None]
    assert reports[0].text == "Ward: 3 missing; 2 filled from Block, 1 left missing"


def test_learned_steps_say_so() -> None:
    learned = {name for name in STEPS.names() if issubclass(STEPS.load(name), LearnedStep)}
    assert learned == {"fill-mode", "fill-from", "text"}
