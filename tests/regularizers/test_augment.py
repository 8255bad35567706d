"""Images that are changed in training: each change against one image at a time, and the ranges of what is drawn."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from steepest.data.dataset import Dataset, InputField, Part, Shape, TargetScale
from steepest.errors import OptionError
from steepest.models import build_model
from steepest.objectives.target import ClassTarget, ImageTarget, Target
from steepest.regularizers import read_regularizers
from steepest.regularizers.batch.augment import rotated, shifted
from steepest.regularizers.check import check_regularizers
from steepest.rng import stream
from tests.regularizers.test_inside import trained

IMAGE = InputField("image", "image", (3, 6, 5), mean=(100.0,) * 3, sd=(50.0,) * 3)
SHAPE = Shape("classification", {}, (), 2, (IMAGE,))


@pytest.fixture(scope="module")
def rows() -> Part:
    draw = stream(0, "data", 33)
    pixels = torch.from_numpy(draw.integers(0, 256, (40, 3, 6, 5), dtype=np.uint8))
    return Part((pixels,), torch.from_numpy(draw.integers(0, 2, 40)))


def changed(rows: Part, text: str, step: int = 0) -> torch.Tensor:
    [made] = read_regularizers(text)
    return made.batch(rows, stream(0, "regularizer", step)).inputs[0]


def test_a_flip_and_a_crop_move_pixels(rows: Part) -> None:
    draw = stream(0, "regularizer", 0)
    flips, (down, right) = draw.random(40) < 0.5, draw.integers(-2, 3, (2, 40))
    found = changed(rows, "augment(flip=0.5, crop=2)")
    assert 5 < flips.sum() < 35
    assert {*down, *right} == {-2, -1, 0, 1, 2}
    for n, image in enumerate(rows.inputs[0].numpy()):
        image = image[:, :, ::-1] if flips[n] else image
        for i in range(6):
            for j in range(5):
                row, column = min(max(i - down[n], 0), 5), min(max(j - right[n], 0), 4)
                assert (found[n, :, i, j].numpy() == image[:, row, column]).all()


def test_a_vertical_flip_turns_images_upside_down(rows: Part) -> None:
    flips = stream(0, "regularizer", 0).random(40) < 0.3
    found = changed(rows, "augment(vertical=0.3)")
    for n, image in enumerate(rows.inputs[0]):
        assert torch.equal(found[n], image.flip(1) if flips[n] else image)
    assert str(read_regularizers("augment(flip=0.5)")[0]) == "augment(flip=0.5)"  # ids of runs stay


def test_quarter_turns_are_exact_and_small_ones_interpolate() -> None:
    square = torch.arange(32.0).reshape(1, 2, 4, 4)
    for turns in range(4):
        turned = rotated(square, torch.tensor([turns * math.pi / 2]))
        assert torch.allclose(turned, torch.rot90(square, turns, (2, 3)), atol=1e-4)
    slope = torch.arange(7.0).expand(1, 1, 9, 7)
    turned = rotated(slope, torch.tensor([0.1]))
    middle = 3 + math.cos(0.1) * (torch.arange(2.0, 5) - 3)
    assert torch.allclose(turned[0, 0, 4, 2:5], middle, atol=1e-4)


def test_a_rotation_of_an_oblong_keeps_its_shapes_round() -> None:
    """A disc of pixels in the middle stays where it is, whatever the sides are."""
    rows, columns = torch.meshgrid(torch.arange(21.0) - 10, torch.arange(41.0) - 20, indexing="ij")
    disc = (rows.square() + columns.square() < 36).float()[None, None]
    assert float((rotated(disc, torch.tensor([0.7])) - disc).abs().sum() / disc.sum()) < 0.2
    bar = ((rows.abs() < 1) & (columns.abs() < 8)).float()[None, None]
    upright = ((columns.abs() < 1) & (rows.abs() < 8)).float()[None, None]
    assert torch.allclose(rotated(bar, torch.tensor([math.pi / 2])), upright, atol=1e-3)


def test_colour_keeps_means_but_for_the_brightness(rows: Part) -> None:
    draw = stream(0, "regularizer", 0)
    contrast, brightness = draw.uniform(-0.1, 0.1, (2, 40))
    for n, image in enumerate(rows.inputs[0].numpy().astype(float)):
        mean = image.mean()
        right = (mean + (1 + contrast[n]) * (image - mean) + 255 * brightness[n]).clip(0, 255)
        assert np.abs(changed(rows, "augment(colour=0.1)")[n].numpy() - right).max() <= 0.51


def test_pixels_stay_bytes_and_every_step_has_its_own(rows: Part) -> None:
    text = "augment(flip=0.5, crop=1, rotation=10, colour=0.1)"
    first, again, later = (changed(rows, text, step) for step in (0, 0, 1))
    assert first.dtype == torch.uint8
    assert torch.equal(first, again)
    assert not torch.equal(first, later)
    assert shifted(rows.inputs[0], torch.zeros(40).long(), torch.zeros(40).long()).equal(rows.inputs[0])


@pytest.mark.parametrize(
    ("text", "fact"),
    [
        ("augment", "has nothing to do"),
        ("augment(crop=5)", "shifts images of 5 pixels by as many"),
    ],
)
def test_what_cannot_be_done_is_refused(rows: Part, text: str, fact: str) -> None:
    net = build_model("cnn(channels=(2,), hidden=4)", SHAPE)
    with pytest.raises(OptionError, match=fact):
        read_regularizers(text)[0].check(net, rows, ClassTarget(2))


def test_it_is_for_images_with_classes(rows: Part) -> None:
    numbers = Part((torch.zeros(4, 3),), torch.zeros(4).long())
    images: Target = ImageTarget((3, 6, 5), TargetScale())
    [made] = read_regularizers("augment(flip=0.5)")
    for part, target, fact in (
        (numbers, ClassTarget(2), "the data has none"),
        (rows, images, "but not the target"),
    ):
        with pytest.raises(OptionError, match=fact):
            made.check(torch.nn.Linear(1, 1), part, target)


def test_no_change_is_plain_training_bit_for_bit() -> None:
    draw = stream(0, "data", 34)
    part = Part((torch.from_numpy(draw.standard_normal((40, 3))),), torch.from_numpy(draw.integers(0, 3, 40)))
    assert trained(part, "augment")[1] == trained(part, "none")[1]


def of(part: Part) -> tuple[torch.nn.Module, Dataset]:
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(90, 2))
    return net, Dataset("images", "label", part, part, part, SHAPE, ("a", "b"))


@pytest.mark.parametrize("text", ["augment(flip=0.1)", "augment(flip=0.002)", "augment(colour=0.005)"])
def test_a_rare_or_small_change_is_a_change(rows: Part, text: str) -> None:
    net, data = of(rows)
    check_regularizers(text, net, data, ())


def test_what_never_changes_a_pixel_is_refused(rows: Part) -> None:
    net, data = of(replace(rows, inputs=(torch.full_like(rows.inputs[0], 7),)))
    with pytest.raises(OptionError, match=r"'augment\(flip=0.5.* changes nothing in the batches"):
        check_regularizers("augment(flip=0.5)", net, data, ())
