"""Losses at points of a plane against what is known of them otherwise."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.errors import FolderError, ModelError, OptionError
from steepest.landscape.losses import measure
from steepest.landscape.plane import Plane, flat
from steepest.landscape.stored import open_run, training_loss

CENTRE = np.zeros((1, 2))


@pytest.mark.parametrize("arm", ["sgd(lr=0.1)", "adam(lr=0.01)"])
def test_the_centre_has_the_recorded_training_loss_of_the_same_rows(churned, arm):
    run = open_run(churned, arm=arm)
    record = run.record
    watched = dict(zip([point.step for point in record.curve], record.watched.training, strict=True))
    plane = Plane.through(run.parameters, torch.zeros_like(flat(run.parameters)))
    [found] = measure(run, plane, CENTRE, run.rows())
    assert found == pytest.approx(watched[record.best_step]["log_loss"], rel=1e-6)


def test_a_quadratic_has_its_analytic_values(squared_line):
    run = open_run(squared_line)
    part = run.rows()
    x, y = part.inputs[0].numpy().ravel(), part.target.numpy()
    one, two = torch.tensor([1.0, 0.5]).double(), torch.tensor([-0.3, 2.0]).double()
    plane = Plane.through(run.parameters, one, two)
    points = np.array([[a, b] for a in (-1.0, 0.3) for b in (0.0, 2.0)])
    theta = plane.origin.numpy() + points @ np.stack([one.numpy(), two.numpy()])
    wanted = ((theta[:, :1] + theta[:, 1:] * x - y) ** 2).mean(1)
    assert measure(run, plane, points, part) == pytest.approx(wanted, rel=1e-12)


def test_rows_are_a_sample_by_the_split_seed(churned):
    run = open_run(churned)
    few = run.rows("train", 50)
    assert len(few) == 50
    assert torch.equal(few.target, run.rows("train", 50).target)
    whole = run.rows("train")
    assert len(whole) > 50
    assert len(run.rows("train", len(whole) + 1)) == len(whole)


def test_what_cannot_be_opened_says_what_to_do(churned, line):
    other = 1 - open_run(churned, arm="sgd(lr=0.1)").seed
    with pytest.raises(FolderError, match="left no weights") as caught:
        open_run(churned, arm="sgd(lr=0.1)", seed=other)
    assert "--seed" in caught.value.hint
    with pytest.raises(FolderError, match="seed 9 was not run"):
        open_run(churned, seed=9)
    with pytest.raises(OptionError, match="trained on absolute") as caught:
        open_run(line, loss="squared")
    assert "--loss" in caught.value.hint
    run = open_run(line)
    with pytest.raises(OptionError, match="no 'training' rows"):
        run.rows("training")
    with pytest.raises(ModelError, match="your own code"):
        training_loss("mine.py:Focal", None)
