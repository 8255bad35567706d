"""New rows written otherwise than training: an exported program reads them as ``steepest predict``, or refuses them."""

from __future__ import annotations

import ast
import csv
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from steepest.data.notation import PLAIN
from steepest.export import encoders
from steepest.export.model import as_torch
from steepest.export.portable.encoding import Encoding
from steepest.export.portable.reading import parsed, read_csv
from steepest.prediction.model import TrainedModel
from tests.export.test_model import check_same, fitted, predict_alone, put

N = 120
Row = dict[str, str]


def table() -> list[Row]:
    """Return the rows of training, with every kind of column."""
    draw = np.random.default_rng(5)
    began = datetime(2019, 1, 13)
    found: list[Row] = []
    for i in range(N):
        when = began + timedelta(minutes=4321 * i)
        found.append(
            {
                "num": "-" if i % 17 == 0 else f"{200 + 50 * draw.normal():.3f}",
                "share": f"{draw.uniform(1, 60):.1f} %",
                "day": f"{when:%d.%m.%Y %H:%M}",
                "us": f"{when:%m/%d/%Y}",
                "iso": when.isoformat(),
                "at": f"{when.isoformat()}+02:00",
                "kind": "" if i % 13 == 0 else str(draw.choice(["alpha", "beta", "x y"])),
                "code": str(i % 6),
                "half": ["0.5", "1.0", "2.5"][i % 3],
                "flag": "true" if i % 2 else "false",
                "big": f"{int(draw.integers(1000, 9_999_999)):,}",
                "zip": f"{i % 9:05}",
                "y": ["low", "high"][i // 3 % 2],
            }
        )
    return found


def write(path: Path, rows: list[Row], lines: str = "") -> Path:
    """Write rows without their target, and lines as they stand."""
    names = [name for name in rows[0] if name != "y"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
        file.write(lines)
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> TrainedModel:
    """A model of these rows."""
    path = tmp_path_factory.mktemp("training") / "rows.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(table()[0]))
        writer.writeheader()
        writer.writerows(table())
    return fitted("y", "linear", path, categorical=["kind", "code", "half", "flag", "zip"])


@dataclass(frozen=True)
class Odd:
    """A column that is written otherwise.

    Attributes:
        column: its name.
        change: from a value and its row to the text in the file; None where a row keeps its value.
        refusal: what the exported program says; empty where it reads what steepest does.
    """

    column: str
    change: Callable[[str, int], str | None]
    refusal: str = ""


def some(*texts: str) -> Callable[[str, int], str | None]:
    """Put texts into the first rows."""
    return lambda value, i: texts[i] if i < len(texts) else None


def at(value: str, form: str, new: str) -> str:
    return datetime.strptime(value, form).strftime(new)


def iso(form: str) -> Callable[[str, int], str]:
    return lambda value, i: at(value, "%Y-%m-%dT%H:%M:%S", form)


def german(form: str) -> Callable[[str, int], str]:
    return lambda value, i: at(value, "%d.%m.%Y %H:%M", form)


NUMBER = "no number written as in training"
ODD = {
    "as it was": Odd("num", lambda value, i: None),
    "marks among numbers": Odd("num", some("NA", "?", "n/a", "NULL", "nan", "NAN", "-nan", "None", "-", "")),
    "blanks around": Odd("num", lambda value, i: f" {value} "),
    "python numbers": Odd("num", some("1e2", "+5", "+5.5", ".5", "5.", "1E+2", "-0", "0200")),
    "one with thousands": Odd("num", some("2,000.5"), NUMBER),
    "decimal commas": Odd("num", lambda value, i: value.replace(".", ","), NUMBER),
    "a word among numbers": Odd("num", some("200", "many"), "holds '(many|-)' in row"),
    "infinite": Odd("num", some("inf"), "holds inf in row 1"),
    "underscore": Odd("num", some("1_000"), "is no number"),
    "another script": Odd("num", some("２００"), "is no number"),
    "another minus": Odd("num", some("−5"), NUMBER),
    "brackets": Odd("num", some("(5)"), NUMBER),
    "without its unit": Odd("share", lambda value, i: value.removesuffix(" %"), "without a %"),
    "one without its unit": Odd("share", some("0.05"), "holds '0.05' in row 1 without a %"),
    "zeros without the unit": Odd("share", some("0", "0.0")),
    "close to its unit": Odd("share", lambda value, i: value.replace(" ", "")),
    "another unit": Odd("share", lambda value, i: value.replace("%", "€"), NUMBER),
    "a word among units": Odd("share", some("much"), NUMBER),
    "without thousands": Odd("big", lambda value, i: value.replace(",", "")),
    "some without thousands": Odd("big", lambda value, i: value.replace(",", "") if i % 2 else None),
    "other thousands": Odd("big", lambda value, i: value.replace(",", "'"), NUMBER),
    "codes as fractions": Odd("code", lambda value, i: f"{value}.0"),
    "codes in powers of ten": Odd("code", some("1e0", "20e-1")),
    "a code of its own": Odd("code", some("9", "1.5")),
    "codes with decimal commas": Odd("code", lambda value, i: f"{value},0", NUMBER),
    "a code with decimal comma": Odd("code", some("1,0"), NUMBER),
    "a code with a unit": Odd("code", some("1 €"), NUMBER),
    "a word among codes": Odd("code", some("one", "01", "1.0", "-", "?", "")),
    "decimal commas of categories": Odd("half", lambda value, i: value.replace(".", ","), NUMBER),
    "categories with more decimals": Odd("half", lambda value, i: f"{value}00"),
    "truth in capitals": Odd("flag", lambda value, i: value.upper()),
    "truth as digits": Odd("flag", lambda value, i: str(int(value == "true"))),
    "truth as fractions": Odd("flag", lambda value, i: "1.0" if value == "true" else "0.0"),
    "truth as other digits": Odd("flag", some(*["0", "1", "2"] * (N // 3))),
    "truth as words": Odd("flag", lambda value, i: "yes" if value == "true" else "no"),
    "truth in both ways": Odd("flag", some("1", "0", "maybe", "1.0", "-")),
    "truth with marks": Odd("flag", some("-", "?", "NA", "")),
    "digits of truth with marks": Odd("flag", lambda value, i: "-" if i < 3 else str(i % 2)),
    "truth with decimal commas": Odd("flag", lambda value, i: f"{i % 2},0", "not true or false"),
    "categories with blanks": Odd("kind", lambda value, i: f" {value} "),
    "missing categories": Odd("kind", some("NA", "nan", "null", "-", "n/a")),
    "codes without their zeros": Odd("zip", lambda value, i: str(int(value))),
    "codes of digits as fractions": Odd("zip", lambda value, i: f"{int(value)}.0"),
    "date for T": Odd("iso", lambda value, i: value.replace("T", " ")),
    "days alone": Odd("iso", lambda value, i: value[:10]),
    "without seconds": Odd("iso", lambda value, i: value[:16]),
    "with fractions": Odd("iso", lambda value, i: f"{value}.250"),
    "in dots": Odd("iso", iso("%d.%m.%Y %H:%M")),
    "with names of months": Odd("iso", iso("%B %d, %Y")),
    "with short names": Odd("iso", iso("%d-%b-%y")),
    "with weekdays": Odd("iso", iso("%a, %d %b %Y")),
    "afternoons": Odd("iso", iso("%m/%d/%Y %I:%M %p")),
    "some in another way": Odd("iso", lambda value, i: value.replace("T", " ") if i % 2 else None),
    "one in another way": Odd("iso", lambda value, i: value.replace("T", " ") if i == 3 else None),
    "no dates": Odd("iso", lambda value, i: "soon"),
    "one that is no date": Odd("iso", some("soon")),
    "two that are no dates": Odd("iso", some("soon", "later")),
    "most in another way": Odd("iso", lambda value, i: value.replace("T", " ") if i % 3 else "soon"),
    "few in another way": Odd("iso", lambda value, i: "soon" if i % 3 else value.replace("T", " ")),
    "in a zone": Odd("iso", lambda value, i: f"{value}Z", "should have no time zone"),
    "iso": Odd("day", german("%Y-%m-%dT%H:%M:%S")),
    "iso with a blank": Odd("day", german("%Y-%m-%d %H:%M")),
    "day and month exchanged": Odd("day", german("%m.%d.%Y %H:%M")),
    "day before month": Odd("us", lambda value, i: at(value, "%m/%d/%Y", "%d/%m/%Y")),
    "days that may be months": Odd("us", lambda value, i: f"{i % 12 + 1:02}/{i % 11 + 1:02}/2019"),
    "nothing says which is the month": Odd(
        "iso", lambda value, i: f"{i % 12 + 1:02}/{i % 11 + 1:02}/2019", "as month/day or as day/month"
    ),
    "the year before what may be either": Odd("iso", lambda value, i: f"2019/{i % 12 + 1:02}/{i % 11 + 1:02}"),
    "another offset": Odd("at", lambda value, i: value.replace("+02:00", "-05:30")),
    "several offsets": Odd("at", lambda value, i: value.replace("+02:00", f"+{i % 3:02}00")),
    "in UTC": Odd("at", lambda value, i: value.replace("+02:00", "Z")),
    "without offset": Odd("at", lambda value, i: value[:-6], "should have a time zone"),
    "no value": Odd("iso", lambda value, i: ""),
    "no number": Odd("code", lambda value, i: ""),
}  # fmt: skip


@pytest.mark.parametrize("name", ODD)
def test_odd_rows_are_read_as_steepest_reads_them_or_refused(
    name: str, model: TrainedModel, tmp_path: Path
) -> None:
    odd = ODD[name]
    rows = table()
    for i, row in enumerate(rows):
        new = odd.change(row[odd.column], i)
        row[odd.column] = row[odd.column] if new is None else new
    check(model, write(tmp_path / "new.csv", rows), odd.refusal)


LINES = {
    "without values": (",,,,,,,,,,,\n", ""),
    "of blanks": (" , ,,,,,,,,, ,\t\n", ""),
    "empty": ("\n\n", ""),
    "the header again": (",".join(name for name in table()[0] if name != "y") + "\n", ""),
    "too short": ("1,2\n", f"line {N + 2} has 2 fields, the header has 12"),
    "too long": (",,,,,,,,,,,,,,7\n", "has 15 fields"),
}


@pytest.mark.parametrize("name", LINES)
def test_odd_lines_are_skipped_as_steepest_skips_them_or_refused(
    name: str, model: TrainedModel, tmp_path: Path
) -> None:
    lines, refusal = LINES[name]
    check(model, write(tmp_path / "new.csv", table(), lines), refusal)


def check(model: TrainedModel, path: Path, refusal: str) -> None:
    """Compare what the two make of a file."""
    encoding = Encoding(encoders.encoders(model.pipeline))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if refusal:
            with pytest.raises(ValueError, match=refusal):
                encoding.encode(read_csv(path))
            return
        found = encoding.encode(read_csv(path))
    wanted = model.pipeline.transform(path)
    assert found.categorical.tolist() == wanted.inputs[0].tolist()
    assert np.array_equal(found.continuous, wanted.inputs[1].numpy())


def test_the_program_predicts_odd_rows_as_steepest_does(model: TrainedModel, tmp_path: Path) -> None:
    rows = table()
    for row in rows:
        row |= {"iso": row["iso"][:10], "day": german("%Y-%m-%d %H:%M")(row["day"], 0)}
    path = write(tmp_path / "new.csv", rows, ",,,,,,,,,,,\n")
    folder = put(as_torch(model, None), tmp_path / "torch")
    assert predict_alone([folder], path) == "1 line without any value skipped\n"
    check_same(folder, model, path)
    page = (folder / "README.md").read_text()
    assert "| big | whole number, as 1,234.5 |" in page
    assert "where training had plain numbers, `1,5`" in page
    (call,) = re.findall(r"^predict\((.*)\)$", page, re.M)
    notes = Encoding.load(folder / "encoders.json").encode(ast.literal_eval(call)).notes
    odd = [
        each
        for each in notes
        if not re.fullmatch(r"\w+ (hour|month|weekday): 1 value not seen in training", each)
    ]
    assert odd == []


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        ({"iso": 20190122}, "column 'iso' holds 20190122 in row 1, which is no date"),
        ({"share": 5.0}, "column 'share' holds 5.0 in row 1 without a %"),
        ({"num": datetime(2019, 1, 22)}, "column 'num' holds a date in row 1"),
        ({"kind": datetime(2019, 1, 22)}, "column 'kind' holds a date in row 1"),
    ],
)
def test_values_of_another_kind_are_refused(value: dict[str, Any], refusal: str, model: TrainedModel) -> None:
    with pytest.raises(ValueError, match=refusal):
        Encoding(encoders.encoders(model.pipeline)).encode([table()[0] | value])


def test_numbers_far_outside_those_of_training_are_counted_as_steepest_counts_them(
    model: TrainedModel, tmp_path: Path
) -> None:
    rows = [
        row | {"num": "9000", "iso": "2060-01-31T00:00:00"} if i < 3 else row for i, row in enumerate(table())
    ]
    path = write(tmp_path / "new.csv", rows)
    found = model.pipeline.transform(path).unforeseen.outside
    assert found == {"num": 3, "iso year": 3}
    notes = Encoding(encoders.encoders(model.pipeline)).encode(read_csv(path)).notes
    said = [each for each in notes if "outside the range of training" in each]
    assert sorted(each.partition(" values")[0] for each in said) == ["iso year: 3", "num: 3"]
    assert "iso year: 3 values outside the range of training, 2019 to 2020, by more than its width" in said


@pytest.mark.parametrize("trained", ["days", "moments", "times"])
def test_texts_for_dates_of_a_typed_table(trained: str, tmp_path: Path) -> None:
    began = datetime(2024, 3, 1)
    moments = pl.Series("x", [began + timedelta(minutes=4777 * i) for i in range(N)])
    values: dict[str, Any] = {"days": moments.dt.date(), "moments": moments, "times": moments.dt.time()}
    source = pl.DataFrame([values[trained].alias("x"), pl.Series("y", np.resize(["p", "q"], N))])
    model = fitted("y", "linear", source)
    forms = (
        ["%H:%M:%S", "%H:%M", "%I:%M %p"]
        if trained == "times"
        else ["%Y-%m-%d %H:%M", "%d.%m.%Y", "%b %d, %Y"]
    )
    path = tmp_path / "new.csv"
    for form in forms:
        pl.DataFrame({"x": [each.strftime(form) for each in moments]}).write_csv(path)
        check(model, path, "")
    path.write_text("x\nsoon\n")
    check(model, path, "holds 'soon' in row 1, which is no date")


def test_exponents_of_fortran_are_those_of_tables() -> None:
    texts = ["1.25D0", "-.5d-1", "2d+1", "1.D2", "1D2", "D2"]
    assert [parsed(each) for each in texts] == [1.25, -0.05, 20.0, 100.0, "1D2", "D2"]
    found = PLAIN.numbers(pl.Series(texts)).cast(pl.Float64).to_list()
    assert found == [1.25, -0.05, 20.0, 100.0, None, None]
