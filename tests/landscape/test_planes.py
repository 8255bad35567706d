"""The ways of choosing a plane against independent versions of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.errors import ModelError, OptionError, UnknownNameError
from steepest.landscape.choosing import between, default_plane, make_plane, registry
from steepest.landscape.losses import measure
from steepest.landscape.making import make_landscape
from steepest.landscape.plane import Plane, flat
from steepest.landscape.stored import open_run
from tests.landscape.conftest import fitted

PLANES = ("filter", "gradient", "pca", 'parameters("head.bias[0]", "blocks.0.1.weight[2,1]")')


@pytest.mark.parametrize("text", PLANES)
def test_a_plane_goes_through_the_run_and_is_a_function_of_its_seed(churned, text):
    run = open_run(churned)
    part = run.rows("train", 100)
    planes = [make_plane(text).choose(run, part, seed) for seed in (0, 0, 1)]
    assert torch.equal(planes[0].origin, flat(run.parameters))
    for one, same, _ in zip(*(each.directions for each in planes), strict=True):
        assert torch.equal(one, same)
        assert one.isfinite().all()
        assert one.any()
    drawn = text in ("filter", "gradient")
    assert not drawn or not torch.equal(planes[0].second, planes[2].second)
    assert planes[0].how
    assert all(planes[0].axes)


def test_every_plane_has_a_case():
    assert {text.partition("(")[0] for text in PLANES} == set(registry.entries)


def test_every_filter_of_a_random_direction_has_the_norm_of_the_weights(churned):
    run = open_run(churned)
    plane = make_plane("filter").choose(run, run.rows(), 0)
    weights, direction = run.parameters, plane.by_name(plane.first)
    compared = 0
    for name, weight in weights.items():
        filters = weight.numpy().reshape(len(weight), -1)
        found = direction[name].numpy().reshape(len(weight), -1)
        if weight.dim() == 1:
            assert not found.any(), name
            continue
        compared += 1
        for own, drawn in zip(filters, found, strict=True):
            assert np.sqrt((drawn**2).sum()) == pytest.approx(np.sqrt((own**2).sum()), rel=1e-5)
    assert compared >= 3
    assert abs(float(torch.cosine_similarity(plane.first, plane.second, dim=0))) < 0.5


def test_the_gradient_is_that_of_the_loss(churned):
    run = open_run(churned)
    part = run.rows("train", 300)
    plane = make_plane("gradient").choose(run, part, 0)
    step = 1e-3
    up, down = measure(run, plane, np.array([[-step, 0.0], [step, 0.0]]), part)
    slope = float(plane.first.norm()) * float(plane.how.partition("gradient ")[2].partition(")")[0])
    assert (up - down) / (2 * step) == pytest.approx(slope, rel=0.02)
    assert float(plane.first @ plane.second) == pytest.approx(0.0, abs=1e-3 * float(plane.first.norm()) ** 2)
    assert float(plane.first.norm()) == pytest.approx(float(plane.second.norm()), rel=1e-5)


def test_two_parameters_are_the_whole_loss_of_a_line(line):
    run = open_run(line)
    assert default_plane(run) == "parameters"
    plane = make_plane("parameters").choose(run, run.rows(), 0)
    assert plane.at(2.0, 3.0).sub(plane.origin).tolist() == pytest.approx([2.0, 3.0])
    with pytest.raises(ModelError, match="no weights with filters"):
        make_plane("filter").choose(run, run.rows(), 0)


def test_parameters_that_cannot_be_meant_say_what_can(churned):
    run = open_run(churned)
    for text, error, match in (
        ("parameters", OptionError, "two of them are not named"),
        ('parameters("head.bias[0]", "head.bias[0]")', OptionError, "two different"),
        ('parameters("head.bias[0]", "head.bias[9]")', OptionError, "no place"),
        ('parameters("head.bias[0]", "head.bais[0]")', UnknownNameError, "head.bais"),
    ):
        choice = make_plane(text)
        with pytest.raises(error, match=match):
            choice.choose(run, run.rows(), 0)


def test_a_line_needs_two_runs_of_one_model(churned, line):
    run = open_run(churned)
    with pytest.raises(OptionError, match="same weights"):
        between(run, open_run(churned))
    with pytest.raises(OptionError, match="parameters differ"):
        between(run, open_run(line))


def test_pruned_weights_stay_at_zero_and_what_is_left_out_is_said(curve, tmp_path):
    options = ("-o", "sgd(lr=0.01)", "--procedure", "prune(0.5)", "--no-controls")
    pruned = fitted(curve, tmp_path / "pruned", *options, model="mlp(hidden=(4,), dropout=0)")
    run = open_run(pruned)
    gone = {name: each == 0 for name, each in run.parameters.items() if name in run.masks}
    assert run.pruned == sum(int(each.sum()) for each in gone.values()) == 4
    for plane in ("filter", "gradient"):
        found = make_landscape(pruned, plane=plane, points=3)
        for direction in found.plane.directions:
            parts = found.plane.by_name(direction)
            assert not any(parts[name][each].any() for name, each in gone.items())
            assert direction.any()
        assert "Along the directions 4 pruned weights stay at zero, as in training." in found.lines
        assert any("Two of 9 directions" in each for each in found.lines)
    name, place = next((n, tuple(each.nonzero()[0].tolist())) for n, each in gone.items())
    with pytest.raises(OptionError, match="was pruned"):
        make_plane(f"parameters('{name}[{','.join(map(str, place))}]', '1.bias[0]')").choose(
            run, run.rows(), 0
        )
    ones = Plane.through(run.parameters, torch.ones(13).double())
    assert any(
        "move 4 pruned weights off zero" in each
        for each in make_landscape(pruned, plane=ones, points=3).lines
    )


def test_of_a_student_the_teachers_part_is_left_out_and_that_is_said(curve, tmp_path):
    options = ("-o", "sgd(lr=0.01)", "--procedure", "distil('polynomial(2)', 0.5)")
    found = make_landscape(fitted(curve, tmp_path / "student", *options), points=3)
    assert any("the teacher's part of the loss is left out" in each for each in found.lines)
