"""Losses at points of a plane against what is known of them otherwise."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch

from steepest.errors import FolderError, ModelError, OptionError
from steepest.landscape.choosing import between, make_plane
from steepest.landscape.losses import measure
from steepest.landscape.making import make_landscape
from steepest.landscape.plane import Plane, flat
from steepest.landscape.stored import open_run, training_loss
from tests.landscape.conftest import fitted

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


def test_both_ends_of_a_line_have_the_losses_of_their_runs(churned):
    runs = [open_run(churned, arm=each) for each in ("sgd(lr=0.1)", "adam(lr=0.01)")]
    part = runs[0].rows()
    own = [
        measure(each, Plane.through(each.parameters, flat(each.parameters)), CENTRE, part)[0] for each in runs
    ]
    line = between(*runs)
    ends = np.array([[0.0, 0.0], [1.0, 0.0]])
    assert measure(runs[0], line, ends, part, "interpolated") == pytest.approx(own, rel=1e-5)
    held = measure(runs[0], line, ends, part, "held")
    assert held[0] == pytest.approx(own[0], rel=1e-6)
    assert abs(held[1] - own[1]) > 3e-5, "the statistics of the other run matter"


def test_statistics_that_are_estimated_are_those_of_the_rows(churned):
    """Against the module itself with its weights loaded."""
    run = open_run(churned)
    part = run.rows("train", 200)
    plane = make_plane("filter").choose(run, part, 0)
    [found] = measure(run, plane, np.array([[0.5, -0.5]]), part, "estimated")
    net = copy.deepcopy(run.net)
    with torch.no_grad():
        for name, each in plane.by_name(plane.at(0.5, -0.5)).items():
            net.get_parameter(name).copy_(each)
        for module in net.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                module.reset_running_stats()
                module.momentum = 1.0
                module.train()
        net(*part.inputs)
        loss = torch.nn.functional.cross_entropy(net.eval()(*part.inputs), part.target)
    assert found == pytest.approx(float(loss), rel=1e-5)
    with pytest.raises(OptionError, match="between two runs only"):
        measure(run, plane, CENTRE, part, "interpolated")


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
        training_loss("mine.py:Focal", None, run.folder)


def test_an_own_loss_is_that_of_the_training_or_refused(curve, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = (
        "from steepest.objectives import Objective\n\n\nclass Mine(Objective):\n    name = 'mine'\n"
        "    title = 'mine'\n    serves = 'regression'\n"
        "    scale: float = 1.0\n\n    def losses(self, outputs, target):\n"
        "        return self.scale * (outputs[:, 0] - target).abs()\n"
    )
    (tmp_path / "mine.py").write_text(text)
    run = fitted(curve, tmp_path / "run", "--loss", "mine.py:Mine(scale=2.0)", "-o", "sgd(lr=0.5)")
    before = make_landscape(run, loss="mine.py:Mine(scale=2.0)", points=3).losses
    with pytest.raises(ModelError, match="or its settings differ"):
        make_landscape(run, loss="mine.py:Mine", points=3)
    (tmp_path / "mine.py").write_text(text.replace("self.scale *", "100 * self.scale *"))
    with pytest.raises(ModelError, match="is not what the runs") as error:
        make_landscape(run, loss="mine.py:Mine(scale=2.0)", points=3)
    [kept] = (run / "source").rglob("mine.py")
    assert f"--loss '{kept.as_posix()}:Mine(scale=2.0)'" in error.value.hint
    assert (make_landscape(run, loss=f"{kept}:Mine(scale=2.0)", points=3).losses == before).all()
