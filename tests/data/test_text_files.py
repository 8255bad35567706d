"""Text files as they come: blank lines, blanks around cells, encodings; the same rows in every way of reading."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

from steepest.data import read as reader
from steepest.data.pipeline import TablePipeline
from steepest.data.read import read, scan
from steepest.data.reading import Reading
from steepest.data.table import read_table
from steepest.errors import DataError, OptionError

LIMITS = pytest.mark.parametrize("limit", [1 << 30, 0], ids=["at once", "streamed"])

# --- blank lines ------------------------------------------------------------------------------------------------

BODY = "x,c,y\n" + "".join(f"{i},{'ab'[i % 2]},{'pq'[i % 3 > 0]}\n" for i in range(40))
BLANK = {
    "at the end": BODY + "\n\n\n",
    "in the middle": BODY.replace("\n5,", "\n\n5,").replace("\n9,", "\n\n\n9,"),
    "of blanks": BODY.replace("\n5,", "\n   \n5,") + " \t \n",
    "of separators": BODY.replace("\n5,", "\n,,\n5,") + ",,\n, ,\n",
    "of separators, with blanks in the last field": BODY + ", , \t\n",
    "after the header": BODY.replace("x,c,y\n", "x,c,y\n\n"),
    "without a last line end": BODY + "\n\n,,",
}


@LIMITS
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
@pytest.mark.parametrize("where", BLANK)
def test_lines_without_any_value_are_no_rows(
    where: str, ends: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "whole.csv").write_text(BODY)
    whole = scan(tmp_path / "whole.csv").collect()
    path = tmp_path / "t.csv"
    path.write_bytes(BLANK[where].replace("\n", ends).encode())
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    assert_frame_equal(scan(path).collect(), whole)
    pipeline = read_table(tmp_path / "whole.csv", target="y").pipeline
    for sure in (True, False) if limit else (True,):
        assert sum(each.rows for each in pipeline.transform_batches(path, 15, sure=sure)) == 40
    assert (
        read_table(path, target="y").dataset().fingerprint
        == read_table(tmp_path / "whole.csv", target="y").dataset().fingerprint
    )


def test_lines_without_any_value_are_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv.gz"
    path.write_bytes(gzip.compress(BLANK["of separators"].encode()))
    assert [each.text for each in read(path).notes] == ["t.csv.gz: 3 lines without any value skipped."]
    assert "3 lines without any value" in repr(read_table(path).describe())


@LIMITS
def test_rows_that_only_look_blank_stay(limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    path = tmp_path / "t.csv"
    path.write_text('a,b\n"one\n\n\ntwo",1\nNA,NA\n?,\n"",""\n,2\n\nz,3\n')
    assert scan(path).collect().rows() == [
        ("one\n\n\ntwo", 1), (None, None), (None, None), (None, None), (None, 2), ("z", 3),
    ]  # fmt: skip
    path.write_text("x\n1\n\nNA\n3\n\n")
    assert scan(path).collect()["x"].to_list() == [1, None, 3]


def test_rows_of_a_frame_stay() -> None:
    rows = pl.DataFrame({"a": [1, None, 3], "b": ["x", None, " "]})
    assert scan(rows).collect().rows() == [(1, "x"), (None, None), (3, None)]


@pytest.mark.parametrize("late", [0, 2000])
def test_a_large_file_that_is_guessed_has_no_blank_rows(
    late: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the first rows do not tell, the guess fails, and the table is read for sure."""
    rows = [f"{i},{'ab'[i % 2]},{'pq'[i % 3 > 0]}" for i in range(3000)]
    rows[late:late] = [""]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["x,c,y", *rows, "", "", ""]))
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", 0)
    table = read_table(path, target="y")
    data = table.dataset()
    assert len(data.train) + len(data.validation) + len(data.test) == 3000


# --- blanks around texts ----------------------------------------------------------------------------------------

PADDED = pl.DataFrame({
    "c": ["no"] * 150 + ["no ", " no", "yes", "yes\t", "no\u00a0"] * 10,
    "n": ["1.5"] * 150 + [" 2.5", "3.5 ", "4", "5", " 6 "] * 10,
    "y": ["a", "b"] * 95 + ["a ", " b"] * 5,
})  # fmt: skip


@pytest.mark.parametrize("odd", [" no", "no\u00a0", "NA", "?", ""])
@pytest.mark.parametrize("distinct", [4, 3000])
def test_texts_that_parquet_holds_as_codes_are_read_as_any_others(
    odd: str, distinct: int, tmp_path: Path
) -> None:
    """A look at the codes' texts saves looking at every row, in each group of rows."""
    texts = [f"no {i % distinct}" for i in range(20_000)]
    for at in (0, 11_000, 19_999):
        rows = pl.DataFrame({"plain": texts, "c": [*texts[:at], odd, *texts[at + 1 :]]})
        rows.write_parquet(tmp_path / "t.parquet", row_group_size=5000)
        found = scan(tmp_path / "t.parquet").collect()
        assert_frame_equal(found, scan(rows).collect())
        assert found["c"][at] == (None if odd in ("NA", "?", "") else "no")
        assert found["plain"].to_list() == texts


@LIMITS
@pytest.mark.parametrize("separator", ",;\t")
def test_blanks_around_texts_never_count(
    separator: str, limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", limit)
    PADDED.write_csv(tmp_path / "t.csv", separator=separator)
    PADDED.write_parquet(tmp_path / "t.parquet")
    clean = PADDED.with_columns(pl.all().str.strip_chars()).cast({"n": pl.Float64})
    coded = PADDED.cast({"c": pl.Categorical})
    sources = (tmp_path / "t.csv", tmp_path / "t.parquet", PADDED, coded, PADDED.to_pandas())
    for source in sources:
        assert_frame_equal(scan(source).collect(), clean)
        table = read_table(source, target="y")
        assert table.dataset().classes == ("a", "b")
        assert table.pipeline.encoder.vocabularies["c"].labels == ("no", "yes")
        wanted = table.pipeline.transform(clean)
        for other in sources:
            found = table.pipeline.transform(other)
            assert all(np.array_equal(a, b) for a, b in zip(found.inputs, wanted.inputs, strict=True))
            assert not found.unforeseen.lines


def test_values_that_become_one_are_said() -> None:
    notes = [each.text for each in read_table(PADDED, target="y").describe().notes]
    for name, shown in (("c", "' no' and 'no' and 'no ' and 'no\\xa0'"), ("y", "'a' and 'a '")):
        assert f"{name}: surrounding blanks are ignored, so {shown} are one value." in notes
    all_padded = {"c": [" no", " yes"] * 60, "y": ["a", "b"] * 60}
    assert not [each for each in read_table(all_padded).describe().notes if "blanks" in each.text]


# --- encodings --------------------------------------------------------------------------------------------------

WORDS = ["süß", "façade", "año", "Å", "plain", "naïve café"]
TABLE = pl.DataFrame({
    "Höhe": [i / 4 for i in range(60)], "où": [WORDS[i % 6] for i in range(60)], "y": ["ja", "né", "ja"] * 20,
})  # fmt: skip
ENCODINGS = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "latin-1", "cp1252"]


def encoded(encoding: str, text: str | None = None) -> bytes:
    return (text or TABLE.write_csv()).encode(encoding)


@pytest.mark.parametrize("ending", ["", ".gz", ".zst"])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_file_is_read_in_the_encoding_that_it_has(encoding: str, ending: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.csv{ending}"
    pack = {
        "": bytes,
        ".gz": gzip.compress,
        ".zst": lambda data: pa.Codec("zstd").compress(data, asbytes=True),
    }
    path.write_bytes(pack[ending](encoded(encoding)))
    found = read(path)
    assert_frame_equal(found.frame.collect(), TABLE)
    said = [each.text for each in found.notes]
    if encoding.startswith("utf-8"):
        assert not said
    else:
        name = {"latin-1": "Windows-1252", "cp1252": "Windows-1252"}.get(encoding, encoding.upper()[:6])
        assert said[0].startswith(f"t.csv{ending} is not UTF-8: read as {name}, such as 'Höhe'")
        assert ("--encoding names another" in said[0]) == (name == "Windows-1252")


@pytest.mark.parametrize("where", ["header", "first row", "late"])
def test_one_letter_is_enough(where: str, tmp_path: Path) -> None:
    rows = ["x,plain,y", *(f"{i},word,{'ab'[i % 2]}" for i in range(9000))]
    place = {"header": 0, "first row": 1, "late": 8999}[where]
    rows[place] = rows[place].replace("plain", "naïve").replace("word", "wörd")
    path = tmp_path / "t.csv"
    path.write_bytes("\n".join(rows).encode("latin-1"))
    frame = scan(path).collect()
    assert frame.height == 9000
    assert (frame.columns[1], frame.to_series(1)[max(place - 1, 0)]) == (
        ("naïve", "word") if where == "header" else ("plain", "wörd")
    )


def test_typographic_signs_of_windows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(encoded("cp1252", "name,unit\n“Gruß” – it’s,5 €\ncol·lecció,7 €\nW/m²,8 €\n"))
    found = read(path)
    assert found.frame.collect().rows() == [("“Gruß” – it’s", 5), ("col·lecció", 7), ("W/m²", 8)]


UNKNOWN = {
    "Russian": ("cp1251", "город,y\nМосква,a\nТула,b\n"),
    "Greek": ("cp1253", "πόλη,y\nΑθήνα,a\n"),
    "Japanese": ("shift_jis", "都市,y\n東京,a\n"),
    "Chinese": ("gb18030", "城市,y\n北京市,a\n"),
    "Polish": ("cp1250", "miasto,y\nGłówna,a\n"),
    "Czech in Latin-2": ("iso8859-2", "a,y\nKošice,a\nkůň,b\n"),
}  # fmt: skip


@pytest.mark.parametrize("language", UNKNOWN)
def test_what_is_no_western_text_is_refused_until_its_encoding_is_said(language: str, tmp_path: Path) -> None:
    encoding, text = UNKNOWN[language]
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(encoding))
    with pytest.raises(DataError, match="not UTF-8 text: line") as caught:
        read(path)
    assert "--encoding" in caught.value.hint
    found = read(path, Reading(encoding=encoding)).frame.collect()
    assert found.write_csv() == text
    with pytest.raises(DataError, match="not UTF-8 text") as caught:
        read(path, Reading(trained={}))
    mends(caught.value.hint.replace("ITS-ENCODING", encoding), tmp_path, text)


def mends(hint: str, folder: Path, text: str) -> None:
    """Carry out the command in a hint, and read what it makes."""
    command = re.search(r"iconv .*", hint)
    assert command is not None
    if shutil.which("iconv") is None:
        pytest.skip("iconv is not installed")
    subprocess.run(command.group(), shell=True, check=True, cwd=folder)
    assert scan(folder / command.group().split("> ")[1]).collect().write_csv() == text


def test_one_broken_letter_in_utf_8_is_no_other_encoding(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(encoded("utf-8").replace("añ".encode(), b"a\xf1", 1))
    with pytest.raises(DataError, match="line 4 cannot be decoded, though other lines can") as caught:
        scan(path)
    mends(caught.value.hint, tmp_path, TABLE.write_csv().replace("año", "ao", 1))


def test_a_file_too_large_to_be_converted_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "IN_MEMORY_BYTES", 100)
    for encoding in ("latin-1", "utf-16"):
        path = tmp_path / "t.csv"
        path.write_bytes(encoded(encoding))
        with pytest.raises(DataError, match="too large to be converted") as caught:
            scan(path)
        mends(caught.value.hint, tmp_path, TABLE.write_csv())


def test_a_wrong_encoding_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(encoded("utf-16")[:-1])
    with pytest.raises(DataError, match=r"of t\.csv is not UTF-16 text"):
        scan(path)
    path.write_bytes(b"a,b\n\x81,1\n")
    with pytest.raises(DataError, match=r"line 2 of t\.csv is not Windows-1252 text"):
        read(path, Reading(encoding="cp1252"))
    with pytest.raises(OptionError, match="not a known encoding"):
        read_table(path, encoding="klingon")


def test_new_rows_may_have_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(encoded("utf-8"))
    pipeline = read_table(tmp_path / "t.csv", target="y").pipeline
    wanted = pipeline.transform(TABLE)
    for encoding in ENCODINGS:
        (tmp_path / "new.csv").write_bytes(encoded(encoding))
        found = pipeline.transform(tmp_path / "new.csv")
        assert all(np.array_equal(a, b) for a, b in zip(found.inputs, wanted.inputs, strict=True))
        assert [each.step for each in found.reports] == ["read"] * (not encoding.startswith("utf-8"))


def test_the_encoding_that_was_said_is_kept_for_new_rows(tmp_path: Path) -> None:
    text = "miasto,x,y\n" + "".join(
        f"{'Główna' if i % 2 else 'Łódź'},{i / 4},{'ab'[i % 2]}\n" for i in range(60)
    )
    (tmp_path / "t.csv").write_bytes(text.encode("cp1250"))
    stored = read_table(tmp_path / "t.csv", target="y", encoding="cp1250").pipeline.to_dict()
    pipeline = TablePipeline.from_dict(stored)
    assert pipeline.encoder.vocabularies["miasto"].labels == ("Główna", "Łódź")
    for encoding in ("cp1250", "utf-8"):
        (tmp_path / "new.csv").write_bytes(text.encode(encoding))
        assert not pipeline.transform(tmp_path / "new.csv").unforeseen.lines


OPTIONS: list[dict[str, Any]] = [{"decimal": "comma"}, {"encoding": "latin-1"}, {"missing": ["gone"]}]


@pytest.mark.parametrize("options", OPTIONS)
def test_a_first_preparation_holds_how_the_table_was_read(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    TABLE.write_csv(path)
    read_table(path, target="y", **options).describe().to_toml(tmp_path / "p.toml")
    again = read_table(path, prepare=tmp_path / "p.toml").options
    assert all(getattr(again, name) == value for name, value in options.items())
