"""The plane of a path's principal components: its places, distances and losses are those of the kept weights."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from steepest.errors import ModelError, OptionError
from steepest.landscape.choosing import make_plane
from steepest.landscape.plane import flat
from steepest.landscape.planes.pca import explained, kept_paths
from steepest.landscape.stored import open_run


def test_places_and_distances_are_those_of_the_kept_weights(churned):
    run = open_run(churned)
    plane = make_plane("pca").choose(run, run.rows("train", 50), 0)
    [path] = kept_paths(run).values()
    [trail] = plane.trails
    points, origin = path.points(), flat(run.parameters).double()
    assert len(points) == 7
    centred = points - points.mean(0)
    sizes = torch.linalg.svdvals(centred) ** 2
    assert f"explain {float(sizes[:2].sum() / sizes.sum()):.1%} of" in plane.how
    second = plane.second
    assert second is not None
    assert abs(float(plane.first @ second)) < 1e-5 * float(plane.first.norm() * second.norm())
    there = origin + torch.from_numpy(trail.points) @ torch.stack([plane.first, second]).double()
    assert trail.off is not None
    assert np.allclose(trail.off, (points - there).norm(dim=1).numpy(), atol=1e-5)
    assert np.abs(trail.points).max(0) == pytest.approx([1, 1])


@pytest.mark.parametrize("arm", ["sgd(lr=0.1)", "adam(lr=0.01)"])
def test_losses_at_kept_points_are_those_of_the_record(churned, arm):
    """On the same rows: where the run was evaluated and its weights were kept."""
    run = open_run(churned, arm=arm)
    plane = make_plane("pca").choose(run, run.rows("validation"), 0)
    steps = [re.fullmatch(r".*, step (\d+): loss (\S+)", each) for each in plane.trails[0].texts]
    said = {int(each[1]): float(each[2]) for each in steps if each}
    record = run.record
    assert record is not None
    both = {each.step: each.validation["log_loss"] for each in record.curve if each.step in said}
    assert len(both) >= 3
    assert {step: said[step] for step in both} == pytest.approx(both, rel=1e-3)


def test_several_arms_have_one_plane_and_one_start(churned):
    run = open_run(churned, arm="sgd(lr=0.1)")
    plane = make_plane("pca(arms=all)").choose(run, run.rows("train", 50), 0)
    assert [each.name for each in plane.trails] == ["sgd(lr=0.1)", "adam(lr=0.01)"]
    one, other = (each.points[0] for each in plane.trails)
    assert np.allclose(one, other)
    with pytest.raises(OptionError, match="no other arm 'rprop' has a final run"):
        make_plane("pca(arms=rprop)").choose(run, run.rows("train", 50), 0)


def test_without_a_path_it_says_how_to_keep_one(line):
    run = open_run(line)
    with pytest.raises(ModelError, match="no path was kept of"):
        make_plane("pca").choose(run, run.rows("train", 50), 0)


def test_a_plane_that_shows_less_than_of_a_random_walk_says_so():
    assert "most of the path is not in this plane" in explained(0.6, 0.76)
    assert "most" not in explained(0.9, 0.76)
