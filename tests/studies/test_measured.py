"""A study that trains nothing: its folder, its report, and that it measures nothing twice."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import ClassVar

import pytest

from scripts.keep_study import keep
from steepest.api import Result
from steepest.cli import main
from steepest.compare.studied import Check, Drawing, FigureLine, FigureSurface, StudyRow
from steepest.errors import FolderError, OptionError
from steepest.record.store import STUDY
from steepest.report.studied import _figure, figures_of
from steepest.studies.base import making
from steepest.studies.base.data import StudyData, all_digits
from steepest.studies.base.found import Found, StudyColumn
from steepest.studies.base.making import finished, make_study, plan_study, planned, registry
from steepest.studies.base.notebook import notebook
from steepest.studies.base.study import Answer, Measurement, Size, Study
from steepest.sweep.observer import Observer


class Sums(Study):
    """Two sums, of which the second fails as long as it is told to."""

    name = "sums"
    question = "How much is it?"
    source = "made for this test"
    headlines: ClassVar = {"same": "It is {sum}."}
    made: ClassVar[list[str]] = []
    fails: ClassVar[bool] = False

    def data(self, size: Size) -> StudyData:
        return all_digits(bundled=True)

    def measurements(self, size: Size) -> Mapping[str, Measurement]:
        def first(data: StudyData) -> dict[str, float]:
            self.made.append("first")
            return {"sum": float(data.pixels)}

        def second(data: StudyData) -> dict[str, float]:
            if self.fails:
                raise KeyboardInterrupt
            self.made.append("second")
            return {"sum": 2.0}

        return {"first": first, "second": second}

    def columns(self) -> Sequence[StudyColumn]:
        return [StudyColumn("sum", lambda found, of, arm: [], percent=False)]

    def rows(self, found: Found) -> Sequence[StudyRow]:
        return [
            StudyRow(name=name, way="published", cells=[str(each["sum"])])
            for name, each in found.measured.items()
        ]

    def answer(self, found: Found) -> Answer:
        total = sum(each["sum"] for each in found.measured.values())
        lines = [
            FigureLine(name="p", x=[0.0], y=[1.0], joined=False),
            FigureLine(name="l", x=[0.0, 1.0], y=[1.0, 2.0]),
        ]
        heights = {"name": "z", "x": [0.0, 1.0], "y": [0.0, 1.0], "z": [[1.0, 2.0], [3.0, -4.0]]}
        return Answer(
            "same",
            {"sum": f"{total:g}"},
            checks=[Check(what="the sum", passed=total == 66.0, found=f"{total:g}")],
            drawings=[
                Drawing(
                    title="c", x="x", y="y", lines=lines, surface=FigureSurface(**heights), logarithmic_y=True
                ),
                Drawing(title="p", x="x", y="y", lines=[], surface=FigureSurface(**heights, pixels=True)),
            ],
        )


@pytest.fixture
def known(monkeypatch):
    monkeypatch.setattr(registry, "load", lambda name: Sums)
    monkeypatch.setattr(Sums, "made", [])


def test_it_goes_on_where_it_was_interrupted_and_measures_nothing_twice(known, monkeypatch, tmp_path, capsys):
    folder = tmp_path / "sums"
    monkeypatch.setattr(Sums, "fails", True)
    assert main(["study", "sums", "--out", str(folder), "--quiet"]) == 130
    assert "steepest study sums" in capsys.readouterr().err
    with pytest.raises(FolderError, match="lacks the measurement 'second'"):
        finished(folder)
    monkeypatch.setattr(Sums, "fails", False)
    assert main(["resume", str(folder), "--quiet"]) == 0
    assert "It is 66." in capsys.readouterr().out
    assert Sums.made == ["first", "second"]
    assert finished(folder).passed
    assert Sums.made == ["first", "second"]
    (folder / "measured" / "first.json").write_text("{", encoding="utf-8")
    with pytest.raises(FolderError, match="and it is made again"):
        finished(folder)


def test_measurements_of_other_code_are_not_taken_for_those_of_today(known, monkeypatch, tmp_path):
    folder = tmp_path / "sums"
    planned(Sums(), "quick").run(folder, observer=Observer())
    assert finished(folder).passed
    monkeypatch.setattr(making, "code_hash", lambda *_: "another")
    with pytest.raises(FolderError, match="are of other code than the study has now"):
        finished(folder)
    with pytest.raises(FolderError, match="are of other code than the study has now"):
        planned(Sums(), "quick", folder).run(folder, observer=Observer())
    assert Sums.made == ["first", "second"]


def test_its_folder_has_a_report_and_an_answer_and_no_comparison(known, monkeypatch, tmp_path):
    made = planned(Sums(), "quick").run(tmp_path / "sums", observer=Observer())
    assert {each.name for each in made.path.iterdir()} == {STUDY, "measured", "answer.json", "report.html"}
    page = made.report.read_text(encoding="utf-8")
    assert "It is 66." in page
    assert "The comparison that this is made from" not in page
    assert repr(made).rstrip().endswith("It is 66.")
    assert "Found" not in repr(made)
    with pytest.raises(FolderError, match="the study sums has no comparison"):
        _ = made.result
    with pytest.raises(FolderError, match="holds a study that has trained nothing"):
        Result.load(made.path)
    kept = json.loads(keep(str(made.path), tmp_path / "kept").read_text())
    assert (kept["answer"], kept["made"]["arms"]) == ("It is 66.", planned(Sums(), "quick").arms_hash)
    assert "core" in kept["made"]["machine"]
    assert str(planned(Sums(), "quick").preview()) == str(planned(Sums(), "quick"))
    code = [each["source"] for each in notebook(Sums(), "quick")["cells"] if each["cell_type"] == "code"]
    assert not any("result.result" in each for each in code)


def test_surfaces_and_points_are_drawn(known, tmp_path):
    made = planned(Sums(), "quick").run(tmp_path / "sums", observer=Observer())
    contours, pixels = figures_of(made.studied).values()
    assert [each["type"] for each in contours["data"]] == ["contour", "scatter", "scatter"]
    assert [each["mode"] for each in contours["data"][1:]] == ["markers", "lines+markers"]
    assert contours["layout"]["yaxis"]["type"] == "log"
    assert (pixels["data"][0]["zmin"], pixels["data"][0]["zmax"]) == (-4.0, 4.0)


@pytest.mark.parametrize(
    ("x", "ticks"), [((1.0, 2.0), [1.0, 2.0]), ((1.0, 1.5), None), ((0.0, 40.0), None), ((3.0, 3.0), [3.0])]
)
def test_few_whole_numbers_are_all_there_is_along_an_axis(x, ticks):
    drawing = Drawing(title="t", x="epoch", y="loss", lines=[FigureLine(name="l", x=[*x], y=[1.0, 2.0])])
    axis = _figure(drawing)["layout"]["xaxis"]
    assert axis.get("tickvals") == ticks


def test_a_study_of_ones_own_is_made_by_its_reference(tmp_path):
    reference = f"{__name__}:Sums"
    found = plan_study(reference, "quick")
    assert (found.reference, found.study.name) == (reference, "sums")
    kept = found.run(tmp_path / "sums", observer=Observer()).path / STUDY
    assert json.loads(kept.read_text())["study"] == reference
    assert finished(tmp_path / "sums").sentence == "It is 66."
    made = notebook(make_study(reference), "quick", name=reference)
    assert f"plan_study({reference!r}, 'quick')" in made["cells"][1]["source"]
    with pytest.raises(OptionError, match="is no study"):
        make_study("json:loads")


def test_a_study_without_anything_to_do_is_refused():
    class Nothing(Sums):
        def measurements(self, size: Size) -> Mapping[str, Measurement]:
            return {}

    with pytest.raises(OptionError, match="has no comparison of its own"):
        planned(Nothing(), "quick")
