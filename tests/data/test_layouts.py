"""Files as people bring them: exported by a spreadsheet, packed, joined, with lines above the header or none."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import subprocess
import zipfile
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from steepest.data import read as reader
from steepest.data.read import read, scan
from steepest.data.table import read_table
from steepest.errors import DataError

LINES = ["x,c,y", *(f"{i / 4 + 0.1:.2f},{'ab'[i % 2]},{'pq'[i % 3 > 0]}" for i in range(60))]
BODY = "\n".join(LINES) + "\n"
WHOLE = pl.read_csv(io.StringIO(BODY))


def archive(**files: bytes) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name, content in files.items():
            packed.writestr(name.replace("__", "/", 1).replace("_csv", ".csv"), content)
    return made.getvalue()


PACKED: dict[str, bytes] = {
    "t.csv.gz": gzip.compress(BODY.encode()),
    "gz-by-its-content.csv": gzip.compress(BODY.encode()),
    "t.csv.xz": lzma.compress(BODY.encode()),
    "t.csv.bz2": bz2.compress(BODY.encode()),
    "t.zip": archive(t_csv=BODY.encode()),
    "folder.csv.zip": archive(data__t_csv=BODY.encode(), **{"MACOSX__.hidden": b"x"}),
    "zip-by-its-content.csv": archive(t_csv=BODY.encode()),
    "wide.zip": archive(t_csv=BODY.encode("utf-16")),
}


@pytest.mark.parametrize("name", PACKED)
def test_packed_files_are_read(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(PACKED[name])
    assert_frame_equal(scan(path).collect(), WHOLE)
    table = read_table(path, target="y")
    assert len(table.dataset().train) == 48
    assert sum(each.rows for each in table.pipeline.transform_batches(path, 25)) == 60


def test_a_packed_parquet_file_is_read(tmp_path: Path) -> None:
    inside = io.BytesIO()
    WHOLE.write_parquet(inside)
    (tmp_path / "t.zip").write_bytes(archive(**{"t.parquet": inside.getvalue()}))
    assert_frame_equal(scan(tmp_path / "t.zip").collect(), WHOLE)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (archive(a_csv=b"x\n1\n", b_csv=b"x\n1\n"), "holds 2 files: a.csv, b.csv"),
        (archive(), "cannot unpack|not text|holds no files"),
        (PACKED["t.zip"][:-40], "cannot unpack t.zip"),
        (archive(**{"[Content_Types].xml": b"<x/>", "xl__sheet.xml": b"<x/>"}), "spreadsheet"),
    ],
    ids=["two files", "none", "cut off", "a spreadsheet"],
)
def test_archives_that_hold_no_single_table_are_refused(content: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "t.zip").write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "t.zip")
    assert caught.value.hint


def test_what_is_packed_may_not_exceed_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", 100)
    (tmp_path / "t.csv.xz").write_bytes(PACKED["t.csv.xz"])
    with pytest.raises(DataError, match=r"t\.csv\.xz holds more than"):
        read(tmp_path / "t.csv.xz")


ABOVE: dict[str, tuple[bytes, str]] = {
    "sep": (b"sep=,\r\n" + BODY.replace("\n", "\r\n").encode(), "the line 'sep=,' above the header is left out"),
    "sep and a mark": (b"\xef\xbb\xbfsep=;\n" + BODY.replace(",", ";").encode(), "the line 'sep=;' above"),
    "sep in UTF-16": (("sep=\t\n" + BODY.replace(",", "\t")).encode("utf-16"), "the line 'sep=' above"),
    "comments": (b"# made by acme, 2018\n#\n" + BODY.encode(), "2 lines above the header are left out, such as"),
    "carriage returns": (BODY.replace("\n", "\r").encode(), ""),
    "mixed ends": ("\r\n".join(LINES[:30]).encode() + b"\r\n" + "\n".join(LINES[30:]).encode(), ""),
    "header twice": ("\n".join([*LINES[:20], LINES[0], *LINES[20:], LINES[0]]).encode(), "repeated in 2 lines"),
}  # fmt: skip


@pytest.mark.parametrize("limit", [1 << 28, 300], ids=["at once", "large"])
@pytest.mark.parametrize("name", ABOVE)
def test_what_is_no_row_is_left_out(
    name: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content, said = ABOVE[name]
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    if limit == 300 and name not in ("mixed ends", "header twice"):
        with pytest.raises(DataError, match=r"too large to be (changed|converted)"):
            read(path)
        return
    found = read(path)
    assert_frame_equal(found.frame.collect(), WHOLE)
    if limit > 300:
        assert said in " ".join(note.text for note in found.notes)
        assert read_table(path, target="y").dataset().classes == ("p", "q")


def test_a_header_that_begins_with_a_hash_is_one(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("# acme\n#x,c\n1,2\n3,4\n")
    assert scan(tmp_path / "t.csv").collect().columns == ["#x", "c"]
    (tmp_path / "t.csv").write_text("name\nname\nother\n")
    assert scan(tmp_path / "t.csv").collect()["name"].to_list() == ["name", "other"]


ALIGNED = "\n".join(" ".join(f"{each:<8}" for each in line.split(",")).rstrip() for line in LINES)
REFUSED: dict[str, tuple[str, str, Callable[[str], str] | None]] = {
    "a title": ("Report of 2018\n\n" + BODY, "does not begin with its header", None),
    "padded titles": ("Report,,\nnorth,,\n,,\n" + BODY, "does not begin with its header", None),
    "30 lines above": ("".join(f"remark {i}, by me\n" for i in range(30)) + BODY, "begin with its header", None),
    "120 lines above": ("".join(f"remark {i}\n" for i in range(120)) + BODY, "begin with its header", None),
    "a title with another sign": ("Report, by me\n" + BODY.replace(",", ";"), "begin with its header", None),
    "a comma at the ends": (BODY.replace("p\n", "p,\n").replace("q\n", "q,\n"), "line 2 .* ends with a comma", None),
    "lines in quotes": ("".join(f'"{line}"\n' for line in LINES), "stand in quotes as a whole", None),
    "aligned": (ALIGNED, "separated by blanks", None),
    "no header": ("\n".join(LINES[1:]), "is a row, not a header: 0.10, a, p", lambda made: "x,c,y\n" + made),
    "a web page": ("<!DOCTYPE html>\n<html><p>Not, found</p>\n", "is a web page", lambda made: BODY),
    "JSON": ('[{"x": 1, "c": "a"},\n {"x": 2, "c": "b"}]\n', "is JSON", lambda made: BODY),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_table_is_refused_with_a_cure_that_works(name: str, tmp_path: Path) -> None:
    content, message, cured = REFUSED[name]
    path = tmp_path / "t.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    if cured is None:
        command = caught.value.hint.partition(": ")[2]
        subprocess.run(command, shell=True, check=True, cwd=tmp_path)
        (made,) = (each for each in tmp_path.iterdir() if each != path)
    else:
        made = tmp_path / "cured.csv"
        made.write_text(cured(content))
    assert_frame_equal(scan(made).collect(), WHOLE)


HEADERS = [
    "country,2018,2019\nFrance,1,2\nItaly,3,4\n",
    ",name\n0,abc\n1,def\n",
    "a,,\nb,c,d\nb,e,f\n",
    "[id],[x]\n1,2\n",
]


@pytest.mark.parametrize("content", HEADERS)
def test_odd_headers_are_headers(content: str, tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(content)
    assert scan(tmp_path / "t.csv").collect().height == content.count("\n") - 1


def test_line_breaks_in_values_do_not_break_the_description(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text('c,y\n"one\ntwo",1\n' + '"one\ntwo",1\nthree,2\n' * 5)
    assert "one two 5" in repr(read_table(tmp_path / "t.csv").describe())


def test_lines_of_a_table_inside_a_quoted_value_are_a_value(tmp_path: Path) -> None:
    path = tmp_path / "notes.csv"
    path.write_text('a,b\n1,"1,2\n3,4\n5,6"\n2,z\n')
    assert read(path).frame.collect().height == 2
