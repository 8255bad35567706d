"""Each optimizer has its page and its picture, written from the code and still what the code says."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from steepest import optim

pytest.importorskip("latex2mathml", reason="pip install steepest[docs]")
from scripts import write_optimizers
from tests.optim.cases import CASES


@pytest.mark.parametrize("name", optim.registry.names())
def test_a_page_says_what_the_code_says(name: str) -> None:
    written = (write_optimizers.FOLDER / f"{name}.md").read_text(encoding="utf-8")
    assert written == write_optimizers.page(name), "run .venv/bin/python scripts/write_optimizers.py"
    assert "<math" in written
    for formula in re.findall(r"<math.*?</math>", written):
        ElementTree.fromstring(formula)  # a stray & or an open tag would not parse


@pytest.mark.parametrize("name", optim.registry.names())
def test_a_picture_shows_a_path_on_both_valleys(name: str) -> None:
    drawn = ElementTree.fromstring((write_optimizers.FOLDER / f"{name}.svg").read_text(encoding="utf-8"))
    tags = [each.tag.rpartition("}")[2] for each in drawn.iter()]
    assert tags.count("circle") == 2 * (write_optimizers.STEPS + 1)
    assert tags.count("text") == 2


@pytest.mark.parametrize("case", [case for case in CASES if case.torch], ids=lambda case: case.id)
def test_a_page_names_the_twin_in_torch(case) -> None:
    page = write_optimizers.page(case.rule.called)
    assert f"`torch.optim.{case.torch.__name__}`, the same to" in page


def test_every_page_belongs_to_an_optimizer() -> None:
    found = {path.stem for path in write_optimizers.FOLDER.iterdir()}
    assert found == set(optim.registry.names())
