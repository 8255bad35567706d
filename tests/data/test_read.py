"""Reading: every format gives the same table, and types hold for all rows."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from polars.testing import assert_frame_equal

from steepest.data import read
from steepest.data.read import scan
from steepest.errors import DataError

ROWS = pl.DataFrame(
    {
        "whole": [1, 2, None, 4],
        "number": [0.5, None, 1e10, -3.25],
        "text": ["a, b", 'say "x"', None, "ü\nnew line"],
        "yes": [True, False, None, True],
    }
)


def csv(separator: str, ending: str, pack: Callable[[bytes], bytes] = bytes) -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        path = folder / f"rows{ending}"
        path.write_bytes(pack(ROWS.write_csv(separator=separator, null_value="NA").encode()))
        return path

    return make


def file(write: str, ending: str, **options: Any) -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        path = folder / f"rows{ending}"
        getattr(ROWS, write)(path, **options)
        return path

    return make


def zstd(content: bytes) -> bytes:
    return pa.Codec("zstd").compress(content, asbytes=True)


class ArrowStream:
    """Anything with the Arrow interface."""

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return ROWS.to_arrow().__arrow_c_stream__(requested_schema)


FORMATS: dict[str, Callable[[Path], Any]] = {
    "comma": csv(",", ".csv"),
    "semicolon": csv(";", ".csv"),
    "tab": csv("\t", ".tsv"),
    "bar": csv("|", ".txt"),
    "gz": csv(",", ".csv.gz", gzip.compress),
    "zst": csv("\t", ".tsv.zst", zstd),
    "byte order mark": csv(",", ".csv", lambda content: b"\xef\xbb\xbf" + content),
    "Windows line ends": csv(",", ".csv", lambda content: content.replace(b"\n", b"\r\n")),
    "parquet": file("write_parquet", ".parquet"),
    "parquet without ending": file("write_parquet", ""),
    "feather": file("write_ipc", ".feather"),
    "packed feather": file("write_ipc", ".arrow", compression="zstd"),
    "arrow stream": file("write_ipc_stream", ".arrow"),
    "polars": lambda folder: ROWS,
    "lazy": lambda folder: ROWS.lazy(),
    "arrow table": lambda folder: ROWS.to_arrow(),
    "arrow interface": lambda folder: ArrowStream(),
    "dict": lambda folder: ROWS.to_dict(as_series=False),
    "categories": lambda folder: ROWS.cast({"text": pl.Categorical}),
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_table(name: str, tmp_path: Path) -> None:
    found = scan(FORMATS[name](tmp_path)).collect()
    if name == "Windows line ends":
        found = found.with_columns(pl.col("text").str.replace("\r", ""))
    assert_frame_equal(found, ROWS)


def test_pandas_gives_the_same_values() -> None:
    table = pd.DataFrame({"x": [1.0, None], "c": pd.Categorical(["a", None]), "t": ["?", "b"], 3: [1, 2]})
    assert scan(table).collect().to_dict(as_series=False) == {
        "x": [1.0, None],
        "c": ["a", None],
        "t": [None, "b"],
        "3": [1, 2],
    }


@pytest.mark.parametrize("limit", [1 << 30, 0], ids=["at once", "streamed"])
@pytest.mark.parametrize(
    ("first", "last", "dtype"),
    [
        ("1", "2", pl.Int64),
        ("1", "2.5", pl.Float64),
        ("1", "1e3", pl.Float64),
        ("1", "late", pl.String),
        ("1.5", "late", pl.String),
        ("true", "False", pl.Boolean),
        ("true", "maybe", pl.String),
        ("NA", "7", pl.Int64),
        ("", "7.5", pl.Float64),
        ("?", "true", pl.Boolean),
        ("2020-01-31", "late", pl.String),
        ("1", "99999999999999999999", pl.Float64),
    ],
)
def test_a_late_row_widens_the_type(
    first: str, last: str, dtype: Any, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", limit)
    path = tmp_path / "late.csv"
    path.write_text("k,v\n" + f"1,{first}\n" * 3000 + f"1,{last}\n")
    column = scan(path).collect()["v"]
    assert column.dtype == dtype
    assert len(column) == 3001
    assert column[-1] is not None
    assert column.null_count() == (3000 if first in ("NA", "", "?") else 0)


def test_blanks_around_cells_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "adult.data"
    path.write_text("age, work, pay\n39, State, 1.5\n50, ?, 2\n, Private, ?\n")
    assert scan(path).collect().rows() == [(39, "State", 1.5), (50, None, 2.0), (None, "Private", None)]


@pytest.mark.parametrize("limit", [1 << 30, 0], ids=["at once", "streamed"])
def test_decimal_commas(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "IN_MEMORY_BYTES", limit)
    path = tmp_path / "t.csv"
    path.write_text("price;code;both\n1,5;a,1;1,5\nNA;b;x\n-2;c;2\n")
    assert scan(path).collect().to_dict(as_series=False) == {
        "price": [1.5, None, -2.0],
        "code": ["a,1", "b", "c"],
        "both": ["1,5", "x", "2"],
    }


def test_numbers_that_mean_missing_do_so_in_every_format(tmp_path: Path) -> None:
    rows = pl.DataFrame({"x": [-999, 3, None], "y": [-999.0, 0.5, None], "t": ["-999", "a", None]})
    rows.write_csv(tmp_path / "t.csv")
    rows.write_parquet(tmp_path / "t.parquet")
    for source in (rows, tmp_path / "t.csv", tmp_path / "t.parquet"):
        assert scan(source, ["-999", ""]).collect().row(0) == (None, None, None)
        assert scan(source, ["-999", ""]).collect().row(1) == (3, 0.5, "a")


@pytest.mark.parametrize(
    "error",
    [
        pl.exceptions.PanicException("index out of bounds"),
        pl.exceptions.ComputeError("index out of bounds"),
        OSError("index out of bounds"),
    ],
)
def test_a_reader_that_panics_is_an_error_like_others(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "t.parquet"
    ROWS.write_parquet(path)

    def panic(_: object) -> None:
        raise error

    monkeypatch.setattr(pl, "scan_parquet", panic)
    with pytest.raises(DataError, match=r"cannot read t\.parquet: index out of bounds"):
        scan(path)


def test_what_a_panicking_reader_writes_is_not_shown(capfd: pytest.CaptureFixture[str]) -> None:
    @read._without_panic_text()
    def panic() -> None:
        os.write(2, b"thread panicked")
        raise RuntimeError

    with pytest.raises(RuntimeError):
        panic()
    with read._without_panic_text():
        os.write(2, b"a warning")
    assert capfd.readouterr().err == "a warning"


def test_missing_texts_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n-999,x\n3,none\nNA,z\n")
    assert scan(path, ["-999", "none"]).collect().rows() == [(None, "x"), ("3", None), ("NA", "z")]


def test_names_for_a_file_without_header(tmp_path: Path) -> None:
    path = tmp_path / "t.data"
    path.write_text("1,2\n3,4\n")
    assert scan(path, names=["a", "b"]).collect().to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4]}
    with pytest.raises(DataError, match="has 2 columns but 1 name"):
        scan(path, names=["a"])


def test_text_columns_stay_text_on_request(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("zip,n\n00501,1\n10001,2\n")
    assert scan(path, text=["zip"]).collect()["zip"].to_list() == ["00501", "10001"]


def test_unnamed_columns_get_a_name(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",a\n0,x\n1,y\n")
    assert scan(path).collect().columns == ["column_1", "a"]


cells = st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1, max_size=6).map(
    str.strip
)
words = st.one_of(
    st.none(), cells.filter(lambda each: each not in read.MISSING and not each.startswith("\ufeff"))
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(
        st.tuples(st.integers(), words, st.floats(allow_nan=False, allow_infinity=False)), min_size=1
    )
)
def test_what_is_written_is_read(rows: list[tuple[int, str | None, float]], tmp_path: Path) -> None:
    rows = [(each % 2**60, word, number) for each, word, number in rows]
    table = pl.DataFrame(
        rows, schema={"whole": pl.Int64, "word": pl.String, "number": pl.Float64}, orient="row"
    )
    path = tmp_path / "t.csv"
    table.write_csv(path, quote_style="non_numeric", null_value="NA")
    found = scan(path, text=["word"]).collect()
    assert_frame_equal(found.cast({"number": pl.Float64}), table, rel_tol=1e-12)
