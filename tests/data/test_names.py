"""Column names that Polars, SQL, TOML or a terminal could take for something else."""

from __future__ import annotations

import polars as pl
import pytest

from steepest.data.read import scan
from steepest.data.table import read_table
from steepest.errors import DataError

ODD = [
    "", "*", "^a.*$", "^$", "{}", "{0}", "[x]", "[/bold]", 'say "x"', "a\nb", "c,d", "%s", "a.b", "len", "value",
    "^ü\\#-$",
]  # fmt: skip
NAMED = ["column_1", "'*'", "'^a.*$'", "'^$'", *ODD[4:-1], "'^ü\\#-$'"]


def odd_table(rows: int = 60) -> pl.DataFrame:
    """Return a table in which every name means another column to a careless reader; also of categories."""
    numbers = {name: [(i * (k + 3)) % 17 / 2 for i in range(rows)] for k, name in enumerate(ODD)}
    categories = {f"{name}.": [f"c{(i * (k + 3)) % 7}" for i in range(rows)] for k, name in enumerate(ODD)}
    plain = {"a": ["u", "v", None] * (rows // 3), "ab": [i % 5 for i in range(rows)]}
    return pl.DataFrame({**numbers, **categories, **plain, "y": ["no", "yes"] * (rows // 2)})


def test_a_pattern_is_called_by_its_name_in_quotes(tmp_path) -> None:
    table = odd_table()
    table.write_csv(tmp_path / "t.csv")
    table.write_parquet(tmp_path / "t.parquet")
    for source in (table, table.lazy(), table.to_pandas(), tmp_path / "t.csv", tmp_path / "t.parquet"):
        assert scan(source).collect().columns == [*NAMED, *(f"{each}." for each in ODD), "a", "ab", "y"]
    with pytest.raises(DataError, match="2 columns named"):
        scan({"*": [1], "'*'": [2]})


STEPS = [
    {"use": "fill-constant", "columns": ["*"], "value": 1.5},
    {"use": "fill-mode", "columns": ["^a.*$"]},
    {"use": "fill-from", "column": "a", "keys": ["^$", "{}"]},
    {"use": "cast", "types": {"[x]": "text", "ab": "text"}},
    {"use": "group", "column": "[x]", "groups": {"*": ["0", "1"]}},
    {"use": "derive", "columns": {"sum": '"*" + "^a.*$"', "^d$": '"^ü\\#-$" * 2'}},
    {"use": "filter", "where": '"*" >= 0 AND "^a.*$" IS NOT NULL AND y <> \'"*"\''},
    {"use": "rename", "columns": {"{}": "^b.*$"}},
    {"use": "drop", "columns": ["^$", "len"]},
    {"use": "select", "columns": ["*", "^a.*$", "a", "ab", "[x]", "sum", "^d$", "^b.*$"]},
]


@pytest.mark.parametrize("target", ["y", "*", "^a.*$"])
def test_every_step_means_the_column_that_it_names(target: str) -> None:
    steps = [each for each in STEPS if target == "y" or each["use"] in ("rename", "drop", "cast")]
    raw = odd_table()
    table = read_table(raw, target=target, prepare=steps, task="classification", categorical=["^b.*$"])
    made = table.prepared()
    assert made.height == raw.height
    assert made["'^b.*$'"].equals(raw["{}"])
    assert not {"'^$'", "len"} & set(made.columns)
    if target == "y":
        assert made["sum"].to_list() == (raw["*"].to_numpy() + raw["^a.*$"].to_numpy()).tolist()
        assert made["'^d$'"].to_list() == (raw["^ü\\#-$"].to_numpy() * 2).tolist()
        assert made["a"].null_count() < raw["a"].null_count()
        assert made["[x]"].is_in(["*"]).any()
    encoded = table.pipeline.transform(raw[[each for each in raw.columns if each != target]])
    assert len(encoded.kept) == raw.height
    assert not encoded.unforeseen.lines
