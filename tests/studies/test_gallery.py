"""The gallery, the pages of studies and the README say what the stored answers say, and have their pictures."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from scripts import write_gallery
from scripts.write_gallery import (
    IMAGES,
    README,
    SAID,
    SHOWN,
    cell,
    disagreeing,
    first_part,
    kept_answers,
    measured,
    pictures,
)
from steepest.compare.studied import Drawing, FigureLine, FigureSurface
from steepest.pages.page import registry as pages
from steepest.studies import registry

PICTURES = dict(pictures())
MOST = 60_000
"""Bytes of a picture."""


@pytest.fixture(scope="module")
def written() -> dict[Path, str]:
    return write_gallery.files()


def test_the_pages_say_what_the_stored_answers_say(written: dict[Path, str]) -> None:
    old = [path.name for path, text in written.items() if path.read_text(encoding="utf-8") != text]
    assert not old, "run .venv/bin/python scripts/write_gallery.py"


@pytest.mark.parametrize("name", sorted(PICTURES))
def test_a_picture_is_of_the_stored_numbers_and_small(name: str) -> None:
    text = (IMAGES / name).read_text(encoding="utf-8")
    assert f"<!-- of {write_gallery.digest(PICTURES[name])} -->" in text, "run scripts/write_gallery.py"
    assert len(text.encode()) < MOST
    assert ElementTree.fromstring(text).tag.endswith("svg")


def test_no_picture_is_left_over() -> None:
    assert {each.name for each in IMAGES.glob("*.svg")} == set(PICTURES)


def test_a_figure_is_drawn_with_its_axes_its_names_and_its_intervals() -> None:
    x = [1.0, 10.0, 100.0]
    lines = [
        FigureLine(name=name, x=x, y=[1.0, 2.0, 4.0], low=[0.5, 1.0, 2.0], high=[2.0, 3.0, 8.0])
        for name in ("with norm", "without <norm>")
    ]
    made = write_gallery.picture(
        Drawing(title="T", x="rate", y="loss, nats", lines=lines, logarithmic=True, logarithmic_y=True)
    )
    texts = {each.text for each in ElementTree.fromstring(made).iter() if each.tag.endswith("}text")}
    assert {"rate", "loss, nats", "with norm", "without <norm>", "10", "100"} <= texts
    assert "prefers-color-scheme: dark" in made
    assert made.count("LineCollection") == 2
    assert "mathdefault" not in made


def test_a_surface_and_an_image_are_drawn() -> None:
    places = [0.0, 1.0, 2.0]
    z = [[float(row * column) for column in range(3)] for row in range(3)]
    for pixels in (False, True):
        surface = FigureSurface(name="loss", x=places, y=places, z=z, pixels=pixels)
        line = FigureLine(name="path", x=[0.0, 2.0], y=[0.0, 2.0])
        made = write_gallery.picture(Drawing(title="T", x="w", y="b", lines=[line], surface=surface))
        assert ("<image" in made) == pixels
        assert ">loss<" in made


@pytest.mark.parametrize("name", pages.names())
def test_every_page_to_play_with_has_a_picture(name: str) -> None:
    picture = write_gallery.DOCS / "images" / "pages" / f"{name}.png"
    assert picture.is_file(), "run scripts/write_gallery.py --shots"
    assert picture.stat().st_size < MOST


def test_the_rows_of_the_readme_are_of_stored_answers() -> None:
    """What a row says was measured is a stored short form, or the beginning of a stored answer."""
    lines = README.read_text(encoding="utf-8").splitlines()
    rows = [line for line in lines if line.startswith("| ") and "[`steepest study" in line]
    assert 6 <= len(rows) <= 10
    for row, name in zip(rows, SAID, strict=True):
        said, there, command = (each.strip() for each in row.strip("|").split(" | "))
        assert there == measured(name)
        first = kept_answers(name)[0]
        assert cell(first.get("short", "")) in there
        assert first.get("short") or first["answer"].startswith(
            there.replace("\\", "").rstrip(".").removesuffix(" …")
        )
        assert said == SAID[name]
        assert f"`steepest study {name}" in command
    assert all(f"images/studies/{name}.svg" in README.read_text(encoding="utf-8") for name in SHOWN)
    assert set(SAID) | set(SHOWN) <= set(registry.names())


def test_where_the_sizes_of_a_study_disagree_the_readme_and_the_pages_say_both(
    written: dict[Path, str],
) -> None:
    assert [each["size"] for each in disagreeing("lottery-ticket")] == ["default", "full"]
    for name in filter(disagreeing, registry.names()):
        reason, both = registry.load(name).sizes_differ, disagreeing(name)
        assert reason, f"{name} lacks sizes_differ: its stored sizes answer differently, and nothing says why"
        assert reason in written[write_gallery.KEPT / f"{name}.md"]
        for path in (write_gallery.KEPT / "index.md", *([README] if name in SAID else [])):
            assert all(f"{write_gallery.sized(each)}: " in written[path] for each in both), path


def test_the_row_of_momentum_says_whether_the_aim_is_met() -> None:
    assert "in 50 iterations" in measured("momentum")
    assert "broader minima" in measured("batch-size-regularisation")


def test_a_long_answer_is_cut_at_a_semicolon_and_keeps_its_first_number() -> None:
    long = f"It helps: 1.2 [0.4, 2.0] points; {'and so on, ' * 30}end. Then more."
    assert first_part(long) == "It helps: 1.2 [0.4, 2.0] points …"
    for name in SAID:
        answer = kept_answers(name)[0]["answer"]
        assert answer.startswith(first_part(answer).rstrip(".").removesuffix(" …"))


def test_a_stored_answer_without_figures_has_a_page_without_pictures(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kept = json.loads((write_gallery.KEPT / "momentum.json").read_text(encoding="utf-8"))
    older = {key: kept[key] for key in ("name", "size", "answer", "data", "checks")}
    older["made"] = {"steepest": "0.1.0", "date": "2026-01-01", "images": {"pixels": 1}, "arms": ""}
    (tmp_path / "momentum.json").write_text(json.dumps(older), encoding="utf-8")
    monkeypatch.setattr(write_gallery, "KEPT", tmp_path)
    page = write_gallery.study_page("momentum")
    assert "![" not in page
    assert "the machine was not recorded" in page
    assert write_gallery.study_page("dropout").count("Not answered yet") == 1
