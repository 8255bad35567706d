"""Malformed images on the command line: exit status 2, the value and the cure, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from steepest.cli import main
from tests.images.made import drawn, encoded, tree, write_tree
from tests.images.test_reading import NOT_IMAGES, npz

TOLD: dict[str, tuple[Callable[[Path], object], list[str], list[str]]] = {
    name: (make, said, []) for name, (make, said) in NOT_IMAGES.items() if name != "absent"
}
"""A case each: what is written, what is said, and further options."""


def case(name: str, make: Callable[[Path], object], *said: str, options: list[str] | None = None) -> None:
    TOLD[name] = (make, list(said), options or [])


def arrays(**given: object) -> Callable[[Path], object]:
    return lambda where: npz(where, images=np.stack([drawn(i) for i in range(20)]), **given)


case("one class", lambda where: write_tree(where, {f"cat/{i}.png": encoded(drawn(i)) for i in range(20)}),
     "all 20 images of photos are of one class, 'cat'", "of another class", "--model autoencoder")  # fmt: skip
case("one label", arrays(labels=np.full(20, 7)), "of one class, 7", "label them")
case("a label for each", arrays(labels=np.arange(20)), "20 different labels for 20 images", "names a class")
case("no labels", arrays(), "the images of photos have no labels", "--model autoencoder needs none")
case(
    "too few",
    lambda where: write_tree(where, tree(6)),
    "photos has 6 images, too few to split",
    "at least 10",
)
SIZES = {"0": "is outside 1 to 4096 pixels", "-1": "is no size", "8x": "is no size", "99999": "is outside"}
for size, fact in SIZES.items():
    case(f"--size {size}", lambda where: write_tree(where, tree(12)), f"--size '{size}' {fact}", "such as 32",
         options=["--size", size])  # fmt: skip
case("a split by a column", lambda where: write_tree(where, tree(12)), "--split group:label names a column",
     "choose random", options=["--split", "group:label"])  # fmt: skip
case("a task", lambda where: write_tree(where, tree(12)), "--task regression has no effect on images",
     "classification or reconstruction", options=["--task", "regression"])  # fmt: skip


@pytest.mark.parametrize("name", TOLD)
def test_malformed_images_end_with_their_value_and_a_cure(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make, said, options = TOLD[name]
    made = make(tmp_path / "photos")
    command = ["compare", str(made), "--kind", "images", "--model", "linear", "-o", "adam"]
    assert main([*command, "--out", str(tmp_path / "out"), *options]) == 2
    told = " ".join(capsys.readouterr().err.split())
    for each in said:
        assert each in told
    assert "Hint: " in told
    assert "Traceback" not in told
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "name", [each for each in NOT_IMAGES if each not in ("absent", "idx_test_labels_lacking")]
)
def test_show_refuses_them_too(tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    make, said, _ = TOLD[name]
    assert main(["show", str(make(tmp_path / "photos")), "--out", str(tmp_path / "page.html")]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert all(each in told for each in said)
    assert not (tmp_path / "page.html").exists()
