"""Tables that cannot be used: each must say what is wrong with the value in it, and what to do."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from steepest.data.read import scan
from steepest.data.table import read_table
from steepest.errors import SteepestError
from tests.conftest import churn_table

GOOD = "age,plan,churned\n" + "".join(
    f"{20 + i % 50},{'abc'[i % 3]},{'yes' if i % 4 else 'no'}\n" for i in range(60)
)


@dataclass(frozen=True)
class Case:
    """One malformed input.

    ``make`` writes a file into the folder and returns its name, or returns a frame; ``fact`` and ``hint``
    are texts that the message must hold.
    """

    name: str
    make: Callable[[Path], Any]
    fact: str
    hint: str
    options: dict[str, Any]


def text(name: str, content: str | bytes) -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return make


def frame(**columns: Any) -> Callable[[Path], Any]:
    return lambda folder: columns


def parquet(damage: Callable[[bytes], bytes], ending: str = ".parquet") -> Callable[[Path], Any]:
    def make(folder: Path) -> Path:
        path = folder / f"table{ending}"
        rows = pl.DataFrame({"x": np.arange(5000) % 97, "y": ["a", "b"] * 2500})
        (rows.write_parquet if ending == ".parquet" else rows.write_ipc)(path)
        path.write_bytes(damage(path.read_bytes()))
        return path

    return make


def near_miss(folder: Path) -> Path:
    (folder / "churn.csv").write_text(GOOD)
    return folder / "chrun.csv"


def a_folder(folder: Path) -> Path:
    (folder / "churn.csv").write_text(GOOD)
    return folder


def other_test_file(folder: Path) -> Path:
    (folder / "test.csv").write_text("age,churned\n3,yes\n")
    return text("churn.csv", GOOD)(folder)


y = ["a", "b"] * 15
x = [float(i) for i in range(30)]


def case(name: str, make: Callable[[Path], Any], fact: str, hint: str, **options: Any) -> Case:
    return Case(name, make, fact, hint, {"target": "churned"} | options)


READING = [
    case("missing file", near_miss, "chrun.csv", "did you mean"),
    case("missing folder", lambda folder: folder / "no" / "x.csv", "x.csv", "no folder"),
    case("folder", a_folder, "is a folder", "churn.csv"),
    case("empty file", text("none.csv", ""), "none.csv is empty", "header line"),
    case("blank file", text("none.csv", "\n\n\n"), "none.csv is empty", "header line"),
    case("header only", text("head.csv", "age,plan\n"), "age, plan", "rows below the header"),
    case("colons", text("c.csv", "a:b:c\n1:2:3\n4:5:6\n"), "a:b:c", "tr ':' ','"),
    case("blanks", text("c.csv", "age plan churned\n1 a yes\n2 b no\n"), "age plan churned", "tr ' ' ','"),
    case("binary", text("b.csv", b"\x00\x01\x02garbage\x00\xff" * 50), "not text", "CSV, TSV, Parquet"),
    case(
        "cut UTF-16", text("u.csv", GOOD.encode("utf-16")[:-1]), "line 61 of u.csv is not UTF-16", "cut off"
    ),
    case("Cyrillic", text("l.csv", (GOOD + "30,Тула,no\n").encode("cp1251")), "line 62", "--encoding"),
    case(
        "packed Cyrillic",
        text("l.csv.gz", gzip.compress("a,b\n1,Тула\n".encode("cp1251"))),
        "line 2",
        "--enc",
    ),
    case(
        "broken UTF-8",
        text("l.csv", GOOD.encode() + "1,é,no\n".encode() * 9 + b"1,\xe9,no\n"),
        "line 71",
        "iconv -c",
    ),
    case("duplicate names", text("d.csv", "age,age,b\n1,2,3\n"), "'age' (columns 1, 2)", "rename them"),
    case(
        "pandas duplicates", lambda f: pd.DataFrame([[1, 2]], columns=["k", "k"]), "named 'k'", "rename them"
    ),
    case("no header", text("n.csv", "1.5,2,3\n2.5,3,4\n"), "1.5, 2, 3", "names of the columns"),
    case("long row", text("r.csv", "a,b\n1,2\n1,2,3\n"), "line 3 of r.csv has 3 fields", "quote fields"),
    case("short row", text("r.csv", "a,b\n1,2\n5\n1,3\n"), "line 3 of r.csv has 1 field,", "cut off"),
    case("open quote", text("q.csv", 'a,b\n"x,1\ny,2\n' + "z,3\n" * 50), "q.csv", "quotation mark"),
    case(
        "stray quotes",
        text(
            "s.csv", "a,b,c\n" + '1,"y \\" odd",no\n' + "2,z,no\n" * 9 + '1,"y \\" odd",no\n' + "2,z,no\n" * 9
        ),
        "line 2 of s.csv has a quotation mark",
        "twice",
    ),
    case("cut gz", text("z.csv.gz", gzip.compress(GOOD.encode() * 100)[:200]), "z.csv.gz", "cut off"),
    case("no gz", text("z.csv.gz", GOOD), "z.csv.gz", "damaged"),
    case("bad zst", text("z.csv.zst", GOOD), "z.csv.zst", "damaged"),
    case("cut Parquet", parquet(lambda b: b[: len(b) // 2]), "table.parquet", "download"),
    case("damaged Parquet", parquet(lambda b: b[:9] + bytes(900) + b[909:]), "table.parquet", "damaged"),
    case("damaged footer", parquet(lambda b: b[:-120] + b"\x7f" * 60 + b[-60:]), "table.parquet", "damaged"),
    case("no Parquet", parquet(lambda b: b"hello, world"), "b'hell'", "wrong suffix"),
    case("cut Feather", parquet(lambda b: b[: len(b) // 2], ".feather"), "table.feather", "damaged"),
    case("no Feather", parquet(lambda b: b"PAR0" + b, ".arrow"), "b'PAR0'", "wrong suffix"),
    case("spreadsheet", text("s.xlsx", b"PK\x03\x04..."), "s.xlsx is a spreadsheet", "save the sheet as CSV"),
    case("renamed spreadsheet", text("s.csv", b"PK\x03\x04..."), "s.csv is a spreadsheet", "save the sheet"),
    case("pickle", text("p.pkl", b"\x80\x04..."), "p.pkl is a pickle", "to_parquet"),
    case("hidden pickle", text("p.csv", b"\x80\x04\x95abc"), "not text", "never opened"),
    case("JSON", text("j.json", "[]"), "j.json is JSON", "Parquet"),
    case("not a table", lambda folder: 17, "'int'", "DataFrame"),
    case(
        "mixed list",
        frame(k=[1, "x"]),
        "column 'k' mixes types: int such as 1, str such as 'x'",
        "astype(str)",
    ),
    case("mixed pandas", lambda f: pd.DataFrame({"k": [1, "x"]}), "'k' mixes types", "astype(str)"),
    case("no columns", frame(), "no columns", "give a table"),
    case("ragged dict", frame(a=[1, 2], b=[1]), "cannot read the table", "same length"),
]

TABLE = [
    case(
        "target not there",
        text("churn.csv", GOOD),
        "no column 'churnd' in churn.csv",
        "'churned'",
        target="churnd",
    ),
    case("no target", text("churn.csv", GOOD), "no target", "--target", target=None),
    case(
        "constant target", frame(x=x, churned=["no"] * 30), "one value only, 'no', in all 30 rows", "another"
    ),
    case("target all missing", frame(x=x, churned=["NA"] * 30), "missing in all 30 rows", "--missing"),
    case(
        "infinite target",
        frame(x=y, churned=[*x[:-1], float("inf")]),
        "1 infinite value, the first (inf) in row 30",
        "filter",
    ),
    case(
        "infinite column",
        frame(x=[*x[:-2], float("-inf"), float("inf")], churned=y),
        "'x' holds 2 infinite values, the first (-inf) in row 29",
        "--drop x",
    ),
    case(
        "mixed target",
        frame(k=y, churned=[*map(str, range(29)), "sold out"]),
        "'sold out' in row 30",
        "--missing 'sold out'",
    ),
    case(
        "identifier target",
        frame(k=y, churned=[f"c{i}" for i in range(30)]),
        "30 different values",
        "another target",
    ),
    case(
        "date target",
        frame(k=y, churned=[pd.Timestamp("2020-01-01") + pd.Timedelta(days=i) for i in range(30)]),
        "holds dates, such as 2020-01-01 00:00:00",
        'types."churned" = "number"',
    ),
    case("few rows", frame(k=["a", "b"] * 3, churned=["a", "b"] * 3), "6 rows with a target", "at least 10"),
    case("no column left", frame(k=[1] * 30, churned=y), "no column is left", "k: one value only"),
    case("dropped target", text("churn.csv", GOOD), "'churned' is also dropped", "--drop", drop=["churned"]),
    case("drop not there", text("churn.csv", GOOD), "'agee'", "'age'", drop=["agee"]),
    case("feature not there", text("churn.csv", GOOD), "'plans'", "'plan'", features="age,plans"),
    case(
        "text as number",
        text("churn.csv", GOOD),
        "'plan' is continuous but holds 'a' in row 1",
        "--categorical plan",
        continuous=["plan"],
    ),
    case(
        "text target as number",
        text("churn.csv", GOOD),
        "'churned' should be a number but contains",
        "--task classification",
        task="regression",
    ),
    case(
        "both roles",
        text("churn.csv", GOOD),
        "'age' cannot be both",
        "one of the two",
        categorical=["age"],
        continuous=["age"],
    ),
    case("share too large", text("churn.csv", GOOD), "1.5 is not a share", "share of the rows", test=1.5),
    case(
        "shares too large",
        text("churn.csv", GOOD),
        "validation 0.6 and test 0.5",
        "smaller",
        test=0.5,
        validation=0.6,
    ),
    case("unknown option", text("churn.csv", GOOD), "'targt'", "'target'", targt="x"),
    case("option's type", text("churn.csv", GOOD), "min_count: 0", "at least 1", min_count=0),
    case("unknown split", text("churn.csv", GOOD), "'latest' is none of", "time:COLUMN", split="latest"),
    case("split column", text("churn.csv", GOOD), "no column 'plann'", "'plan'", split="group:plann"),
    case(
        "too few groups",
        frame(g=y, x=x, churned=y),
        "2 groups for 3 parts",
        "more different values",
        split="group:g",
    ),
    case(
        "time with gaps",
        frame(t=[*x[:-1], None], churned=y),
        "no time in 1 row",
        "IS NOT NULL",
        split="time:t",
    ),
    case(
        "time that is none",
        frame(t=y, x=x, churned=y),
        "'t' has 'a', which is no time",
        "dates or numbers",
        split="time:t",
    ),
    case(
        "stratified numbers",
        frame(k=y, churned=[v + 0.5 for v in x]),
        "churned is a number",
        "--split random",
        split="stratified",
    ),
    case("test file", other_test_file, "test.csv lacks the column 'plan'", "same columns", test="test.csv"),
    case("test file not there", text("churn.csv", GOOD), "'tset.csv'", "has 'churn.csv'", test="tset.csv"),
    case("taken name", frame(split=x, churned=y), "column named 'split'", "rename"),
]


@pytest.mark.parametrize("each", READING, ids=lambda each: each.name)
def test_reading_says_what_is_wrong(each: Case, tmp_path: Path) -> None:
    with pytest.raises(SteepestError) as caught:
        scan(each.make(tmp_path)).collect()
    check(each, caught.value)


@pytest.mark.parametrize("each", TABLE, ids=lambda each: each.name)
def test_table_says_what_is_wrong(each: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    source = each.make(tmp_path)
    with pytest.raises(SteepestError) as caught:
        read_table(source, **each.options).dataset()
    check(each, caught.value)


def check(each: Case, error: SteepestError) -> None:
    assert each.fact in error.fact
    assert each.hint in error.hint
    assert not error.fact.endswith(".")


@pytest.mark.parametrize(
    "each",
    [each for each in READING if "iconv" in each.hint or "tr '" in each.hint],
    ids=lambda each: each.name,
)
def test_commands_in_hints_run_and_mend(each: Case, tmp_path: Path) -> None:
    if shutil.which("iconv") is None:
        pytest.skip("iconv is not installed")
    with pytest.raises(SteepestError) as caught:
        scan(each.make(tmp_path))
    command = re.search(r"(iconv|tr) .*", caught.value.hint)
    assert command is not None
    subprocess.run(command.group(), shell=True, check=True, cwd=tmp_path)
    mended = scan(tmp_path / command.group().split("> ")[1]).collect()
    assert mended.width == 3
    assert mended.height >= 2


def test_a_damaged_size_ends_in_an_error_not_in_an_abort(tmp_path: Path) -> None:
    """One byte of a page in the middle made Polars ask for 2 exabytes, which aborts the process."""
    path = tmp_path / "t.parquet"
    churn_table(300).write_parquet(path)
    data = path.read_bytes()
    refused = 0
    for at in range(440, 640):  # the end of the first column and the header of the second
        path.write_bytes(data[:at] + b"\xcd" + data[at + 1 :])
        try:
            scan(path).collect()
        except SteepestError as error:
            refused += "t.parquet" in error.fact
    assert refused > 50
