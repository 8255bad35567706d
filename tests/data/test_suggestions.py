"""The preparation steps that a message advises work when they are pasted into a file."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import steepest as st
from steepest.cli import main
from steepest.errors import DataError

N = 120
LABELS = ["a", "b"] * (N // 2)
TEXTS = [f"it is number {i} of those that {'no' * (i % 7)}body reads, which takes long" for i in range(N)]
DAYS = [date(2018, 1, 1) + timedelta(days=i) for i in range(N)]
NAMES = ("x", "a b", 'the "best"', "it's", "Größe.in")
COLUMNS: dict[str, tuple[list[Any], str, list[Any]]] = {
    "free text": (TEXTS, "length of {}", [len(each) for each in TEXTS]),
    "many words": (
        [*map(str, range(N - 9)), *(f"word {i}" for i in range(9))],
        "{}",
        [*range(N - 9), *[None] * 9],
    ),
    "a unit": ([f"{i / 8} kg" for i in range(N)], "{}", [i / 8 for i in range(N)]),
    "days as numbers": ([int(f"{each:%Y%m%d}") for each in DAYS], "{}", DAYS),
    "day or month": (
        [f"{i % 12 + 1}/{i % 11 + 1}/2018" for i in range(N)],
        "{}",
        [date(2018, 1, 1), date(2018, 2, 2)],
    ),
}


def made(rows: dict[str, list[Any]], file: Path, name: str) -> list[Any]:
    return st.read_table(rows, target="y", prepare=str(file)).prepared()[name].to_list()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("kind", COLUMNS)
def test_an_advised_step_works_when_it_is_pasted(kind: str, name: str, tmp_path: Path) -> None:
    values, result, wanted = COLUMNS[kind]
    rows = {name: values, "k": [i % 7 + 0.5 for i in range(N)], "y": LABELS}
    described = st.read_table(rows, target="y").describe()
    (step,) = (note.step for note in described.notes if note.step)
    pasted = tmp_path / "pasted.toml"
    pasted.write_text(step, encoding="utf-8")
    assert made(rows, pasted, result.format(name))[: len(wanted)] == wanted
    written = tmp_path / "written.toml"
    text = described.to_toml(written)
    st.read_table(rows, prepare=str(written)).dataset()  # the advice is only a comment there
    for line in step.split("\n"):
        text = text.replace(f"\n# {line}\n", f"\n{line}\n")
    written.write_text(text, encoding="utf-8")
    assert made(rows, written, result.format(name))[: len(wanted)] == wanted


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("values", [DAYS, [f"{each:%d.%m.%Y}" for each in DAYS]], ids=["dates", "texts"])
def test_a_target_of_dates_becomes_a_number_as_advised(values: list[Any], name: str, tmp_path: Path) -> None:
    rows = {"k": [i % 7 + 0.5 for i in range(N)], name: values}
    with pytest.raises(DataError) as refused:
        st.read_table(rows, target=name).dataset()
    file = tmp_path / "p.toml"
    file.write_text("[[step]]" + refused.value.hint.partition("[[step]]")[2], encoding="utf-8")
    found = st.read_table(rows, target=name, prepare=str(file))
    assert found.dataset().task == "regression"
    assert found.prepared()[name].to_list() == [17532 + i for i in range(N)]


def test_what_describe_prints_can_be_pasted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, file = tmp_path / "t.csv", tmp_path / "p.toml"
    pl.DataFrame({"text": TEXTS, "k": [i % 7 + 0.5 for i in range(N)], "y": LABELS}).write_csv(data)
    assert main(["describe", str(data), "--target", "y"]) == 0
    printed = capsys.readouterr()
    lines = (printed.out + printed.err).splitlines()
    first = lines.index("[[step]]")
    file.write_text("\n".join(lines[first : first + 3]), encoding="utf-8")
    table = st.read_table(data, target="y", prepare=str(file))
    assert table.prepared()["length of text"].to_list() == [len(each) for each in TEXTS]


def test_where_only_a_text_is_left_the_refusal_has_the_step(tmp_path: Path) -> None:
    rows, file = {"text": TEXTS, "y": LABELS}, tmp_path / "p.toml"
    with pytest.raises(DataError, match="no column is left") as refused:
        st.read_table(rows, target="y").dataset()
    file.write_text("[[step]]" + refused.value.hint.partition("[[step]]")[2], encoding="utf-8")
    assert st.read_table(rows, target="y", prepare=str(file)).prepared()["length of text"].to_list() == [
        len(each) for each in TEXTS
    ]
