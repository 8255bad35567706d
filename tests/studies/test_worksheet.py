"""A worksheet has blanks where its answers have the numbers of the study, and both say where these are from."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import pytest

from steepest.cli import main
from steepest.compare.studied import Beside, Check, Drawing, FigureLine, FigureSurface, StudyRow
from steepest.errors import FolderError, OptionError, UnknownNameError
from steepest.studies import registry, write_worksheet
from steepest.studies.base.data import StudyData, three_classes
from steepest.studies.base.figure_questions import figure_questions
from steepest.studies.base.found import Found, headed
from steepest.studies.base.making import planned_on
from steepest.studies.base.sheet import BLANK
from steepest.studies.base.stored import known_answer
from steepest.studies.base.study import Answer, Measurement, Size, Study
from steepest.studies.base.worksheet import worksheet
from steepest.sweep.observer import Observer


class Weighed(Study):
    """Two weights, one after the other."""

    name = "weighed"
    question = "Which of <two> weighs more?"
    source = "made for this test"
    headlines: ClassVar = {
        "more": "The first one does, by {gap} g.",
        "same": "Not told apart: {gap} g.",
        "less": "The second one does, by {gap} g.",
    }
    tasks: ClassVar = ("What would a third one weigh?",)

    def data(self, size: Size) -> StudyData:
        del size
        return three_classes(bundled=True)

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        del size
        return {"weights": lambda data: {"first": 12.5, "second": 8.25}}

    def columns(self):
        return headed("weight, g")

    def rows(self, found: Found) -> list[StudyRow]:
        return [
            StudyRow(name=name, way="published", cells=[f"{value:g}"])
            for name, value in found.measured["weights"].items()
        ]

    def answer(self, found: Found) -> Answer:
        gap = found.measured["weights"]["first"] - found.measured["weights"]["second"]
        lines = [
            FigureLine(name="first", x=[1.0, 2.0], y=[3.0, 7.75], low=[2.0, 7.0], high=[4.0, 8.0]),
            FigureLine(name="second", x=[2.0, 1.0], y=[5.125, 1.0], low=[4.0, 0.0], high=[6.0, 2.0]),
        ]
        return Answer(
            "more",
            {"gap": f"{gap:g}"},
            beside=[Beside(what="gap", published="4 g", measured=f"{gap:g} g", reason="another balance")],
            checks=[Check(what="both are heavy", passed=True, found="8.25 g")],
            drawings=[Drawing(title="Weights", x="day", y="weight, g", lines=lines)],
        )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("worksheet") / "weighed"
    planned_on(Weighed(), "quick", three_classes(bundled=True)).run(path, observer=Observer())
    return path


@pytest.fixture
def weighed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "load", lambda name: Weighed)


@pytest.mark.parametrize("suffix", [".md", ".html"])
def test_no_number_of_the_answers_is_on_the_sheet(
    suffix: str, folder: Path, weighed: None, tmp_path: Path
) -> None:
    sheet, answers, origin = write_worksheet("weighed", tmp_path / f"w{suffix}", "quick", folder)
    assert (sheet.name, answers.name, origin) == (f"w{suffix}", f"w-answers{suffix}", folder.as_posix())
    asked, told = (re.sub("</?span[^>]*>", "", each.read_text(encoding="utf-8")) for each in (sheet, answers))
    numbers = ("12.5", "8.25", "4.25", "7.75", "5.12", "another balance")
    assert not [each for each in numbers if each in asked]
    assert not [each for each in numbers if each not in told]
    for each in ("first", "second", "weight, g", "4 g", "both are heavy", "What would a third one weigh?"):
        assert each in asked
    assert f"The first one does, by {BLANK} g." in asked
    assert f"The second one does, by {BLANK} g." in asked
    assert "Of the sentences to tick it is number 1." in told
    assert "Highest is first with 7.75, lowest second with 5.12." in told
    assert "No. second [4, 6] and first [7, 8] do not overlap, but overlap of two arms" in told
    assert "steepest study weighed --quick --open" in asked
    if suffix == ".html":
        assert "Which of &lt;two&gt; weighs more?" in asked
        HTMLParser().feed(asked)


def test_questions_and_answers_on_figures_have_the_same_numbers(folder: Path) -> None:
    """An answer is found by the number of its question."""
    known = known_answer(Weighed(), "quick", folder)
    sheets = worksheet(Weighed(), "quick", known)
    asked, told = (
        [len(each.lines) for each in sheet.blocks if each.kind == "numbered"]
        for sheet in (sheets.questions, sheets.answers)
    )
    assert asked[: len(told)] == told


def test_axes_surfaces_and_the_lowest_point_are_asked_for() -> None:
    surface = FigureSurface(name="loss", x=[0.0, 1.0], y=[5.0, 6.0], z=[[3.0, 2.0], [1.0, 4.0]])
    line = FigureLine(name="a", x=[1.0, 10.0, 100.0], y=[2.0, 0.5, 1.0])
    found = figure_questions(
        Drawing(
            title="", x="rate", y="loss", lines=[line], logarithmic=True, logarithmic_y=True, surface=surface
        )
    )
    assert [each.answer for each in found] == [
        "Equal factors: both axes are logarithmic.",
        "At 10: 0.5.",
        "Near (0, 6), where it is 1 on the grid that is drawn.",
    ]


def test_without_an_answer_the_sheet_has_what_the_study_says_of_itself() -> None:
    sheets = worksheet(Weighed(), "quick", None)
    text = sheets.questions.markdown()
    assert Weighed.question in text
    assert f"Not told apart: {BLANK} g." in text
    assert "12.5" not in text
    assert sheets.origin == ""
    assert "run it" in sheets.answers.markdown()


def test_a_stored_answer_serves_where_nothing_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sheet, answers, origin = write_worksheet("momentum", tmp_path / "m.md")
    stored = json.loads(
        (Path(__file__).parents[2] / "docs/studies/momentum.json").read_text(encoding="utf-8")
    )
    assert stored["answer"] in answers.read_text(encoding="utf-8")
    assert stored["made"]["date"] in origin
    assert stored["answer"] not in sheet.read_text(encoding="utf-8")
    _, quick, _ = write_worksheet("momentum", tmp_path / "q.md", "quick")
    assert "numbers of the default size; those of the quick size differ" in quick.read_text(encoding="utf-8")


def test_what_cannot_be_written_is_refused(folder: Path, weighed: None, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="does not end as a worksheet does"):
        write_worksheet("weighed", tmp_path / "w.pdf")
    with pytest.raises(UnknownNameError):
        write_worksheet("weighed", tmp_path / "w.md", "huge")
    for size, where in (("default", folder), ("quick", tmp_path)):
        with pytest.raises(FolderError, match="holds no finished study weighed"):
            write_worksheet("weighed", tmp_path / "w.md", size, where)
    assert not [*tmp_path.iterdir()]


def test_the_command_writes_both_and_says_so(
    folder: Path, weighed: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "w.md"
    assert main(["study", "weighed", "--quick", "--worksheet", str(file), "--out", str(folder)]) == 0
    said = capsys.readouterr().out
    assert "w-answers.md" in said
    assert f"numbers of {folder.as_posix()}" in said
    for other in ("--dry-run", "--json", "--open", "--verbose"):
        assert main(["study", "weighed", "--worksheet", str(file), other]) == 2
    assert main(["study", "weighed", "--worksheet", str(file), "--notebook", str(tmp_path / "n.ipynb")]) == 2
