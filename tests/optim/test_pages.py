"""Each optimizer has its page and its picture, written from the code and still what the code says."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import pytest

from steepest import optim

pytest.importorskip("latex2mathml", reason="pip install .[docs]")
from scripts import write_optimizers
from tests.optim.cases import CASES


@pytest.mark.parametrize("name", optim.names())
def test_a_page_says_what_the_code_says(name: str) -> None:
    written = (write_optimizers.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert written == write_optimizers.page(name), "run .venv/bin/python scripts/write_optimizers.py"
    assert "<math" in written
    for formula in re.findall(r"<math.*?</math>", written):
        ElementTree.fromstring(formula)  # a stray & or an open tag would not parse


@pytest.mark.parametrize("name", optim.names())
def test_a_picture_shows_a_path_on_both_valleys(name: str) -> None:
    drawn = ElementTree.fromstring((write_optimizers.FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    tags = [each.tag.rpartition("}")[2] for each in drawn.iter()]
    assert tags.count("circle") == 2 * (write_optimizers.STEPS + 1)
    assert tags.count("text") == 2


@pytest.mark.parametrize("name", optim.names())
def test_a_path_stays_in_its_frame_and_moves_by_the_gradient(name: str) -> None:
    drawn = ElementTree.fromstring((write_optimizers.FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    circles = [each for each in drawn.iter() if each.tag.endswith("circle")]
    count, width, height = write_optimizers.STEPS + 1, write_optimizers.WIDTH, write_optimizers.HEIGHT
    for left, points in ((0, circles[:count]), (width + 20, circles[count:])):
        places = [(float(each.get("cx", "nan")) - left, float(each.get("cy", "nan"))) for each in points]
        assert all(0 <= x <= width and 0 <= y <= height for x, y in places)
        assert sum(math.dist(*each) for each in itertools.pairwise(places)) > width / 8


def test_both_valleys_have_one_scale() -> None:
    width, height = write_optimizers.WIDTH, write_optimizers.HEIGHT
    scales = [
        size / (high - low)
        for x0, x1, y0, y1 in (write_optimizers.LEFT, write_optimizers.RIGHT)
        for low, high, size in ((x0, x1, width), (y0, y1, height))
    ]
    assert scales == pytest.approx([scales[0]] * 4)


@pytest.mark.parametrize("name", ["adamw", "muon", "lion"])
def test_decay_alone_draws_no_path(name: str) -> None:
    """Where the gradient is 0 nothing moves: at lr × decay = 1, decay would carry a weight to 0 at once."""
    rule = optim.make_rule(f"{name}(weight_decay=0.1)").with_lr(10.0)
    path = write_optimizers.walk(write_optimizers.plain(rule), lambda w: 0.0 * w.sum(), (1.0, 1.0))
    assert set(path) == {(1.0, 1.0)}


@pytest.mark.parametrize("case", [case for case in CASES if case.torch], ids=lambda case: case.id)
def test_a_page_names_the_twin_in_torch(case) -> None:
    page = write_optimizers.page(case.rule.called)
    assert f"`torch.optim.{case.torch.__name__}`, the same to" in page


def test_every_page_belongs_to_an_optimizer() -> None:
    found = {path.stem for path in write_optimizers.FOLDER.iterdir()}
    assert found == set(optim.names())
