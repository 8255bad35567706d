"""Paths are kept without changing a run; their components, projections and controls equal theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from steepest.data.table import read_table
from steepest.errors import OptionError
from steepest.evaluate.outputs import predict
from steepest.models import build_model
from steepest.objectives.target import target_of
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.paths import kept
from steepest.paths.components import principal_components
from steepest.paths.kept import KeptPath
from steepest.paths.movement import distances, turn_cosines
from steepest.paths.option import KeepPath
from steepest.paths.projection import COORDINATES, RandomProjection
from steepest.paths.walk import expected_shares, random_walk
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.record.store import Folder
from steepest.train.active import measure
from steepest.train.loop import train
from steepest.train.stack import StackedRun, train_stack

KEEP = KeepPath(12)


def _data():
    draw = np.random.default_rng(0)
    shop = draw.integers(0, 40, 300)
    x = draw.normal(size=300)
    y = (x + shop / 20 + draw.normal(size=300) > 1).astype(int)
    columns = {"x": x, "shop": [f"s{each}" for each in shop], "y": [f"c{each}" for each in y]}
    return read_table(columns, target="y").dataset()


DATA = _data()


def _recipe(regularizer: str = "", gradients: int | None = None) -> Recipe:
    return Recipe(
        data=DATA.fingerprint,
        model="embedding-mlp(hidden=(8,), dropout=0.2)",
        optimizer="adam",
        schedule="constant",
        steps=30,
        gradients=gradients,
        batch_size=16,
        metric="log_loss",
        regularizer=regularizer,
    )


def _run(keep: KeepPath | None, *, rows: tuple[str, ...] = (), regularizer: str = "", rate: float = 0.01):
    recipe = _recipe(regularizer)
    key = RunKey(name="adam", recipe=recipe.id, seed=0, phase="final")
    method = GradientMethod(make_rule(f"adam(lr={rate})"), lambda step: 1.0, by_rows=rows)
    return train(DATA, recipe, key, method, evaluations=3, read_test=True, keep_path=keep)


@pytest.mark.parametrize(
    ("rows", "regularizer"), [((), ""), (("embeddings.0.weight",), ""), ((), "ema(0.9)")]
)
def test_a_run_has_the_same_bits_and_its_losses_are_those_of_the_kept_weights(rows, regularizer) -> None:
    """At evaluations, losses of the kept weights on the validation rows are the record's to the bit."""
    plain, found = (_run(keep, rows=rows, regularizer=regularizer) for keep in (None, KEEP))
    assert plain.path is None
    assert all(torch.equal(plain.weights[name], found.weights[name]) for name in plain.weights)
    assert [each.validation for each in plain.record.curve] == [
        each.validation for each in found.record.curve
    ]
    path = found.path
    assert path is not None
    assert set(path.steps) == {0, 2, 5, 8, 10, 12, 15, 18, 20, 22, 25, 28, 30}
    net, target = build_model(_recipe().model, DATA.shape, seed=1).eval(), target_of(DATA)
    compared = 0
    for point in found.record.curve:
        if point.step in path.steps:
            net.load_state_dict(path.at(path.steps.index(point.step)))
            compared += 1
            assert measure(net, target, DATA.validation, ("log_loss",)) == {
                "log_loss": point.validation["log_loss"]
            }
    assert compared == 5
    assert path.points().shape == (13, sum(each.numel() for each in net.parameters()))


def test_a_path_is_stored_and_restored_and_a_repeated_run_has_the_same_bytes(tmp_path) -> None:
    folder = Folder(tmp_path)
    folder.make()
    bytes_of = []
    for _ in range(2):
        path = _run(KEEP).path
        assert path is not None
        bytes_of.append(folder.write_tensors("checkpoints/path", *path.stored()).read_bytes())
    assert bytes_of[0] == bytes_of[1]
    tensors, about = folder.read_tensors_about("checkpoints/path")
    again = KeptPath.restored(tensors, about)
    assert (again.steps, again.names, again.shapes) == (path.steps, path.names, path.shapes)
    assert torch.equal(again.points(), path.points())


def test_a_large_path_is_projected_unless_it_is_to_be_exact(monkeypatch) -> None:
    exact = _run(KEEP).path
    monkeypatch.setattr(kept, "EXACT_NUMBERS", 1_000)
    projected, asked = _run(KEEP).path, _run(KeepPath(12, exact=True)).path
    assert exact is not None
    assert projected is not None
    assert asked is not None
    assert asked.exact
    assert torch.equal(asked.points(), exact.points())
    assert torch.equal(projected.points()[3], RandomProjection(projected.numbers)(exact.points()[3]))
    with pytest.raises(OptionError, match="coordinates of a random projection"):
        projected.at(0)


def test_members_of_a_stack_keep_their_paths() -> None:
    members = []
    recipe = _recipe()
    for seed in (0, 1):
        key = RunKey(name="adam", recipe=recipe.id, seed=seed, phase="final")
        members.append(
            StackedRun(DATA, recipe, key, GradientMethod(make_rule("adam(lr=0.01)"), lambda step: 1.0))
        )
    found = train_stack(members, evaluations=3, compiling=False, keep_path=KEEP)
    for each in found:
        assert each.path is not None
        net = build_model(recipe.model, DATA.shape, seed=1).eval()
        net.load_state_dict(each.path.at(-1))
        value = measure(net, target_of(DATA), DATA.validation, ("log_loss",))["log_loss"]
        assert value == pytest.approx(each.record.curve[-1].validation["log_loss"], rel=1e-6)
    assert not torch.equal(found[0].path.points(), found[1].path.points())


def test_a_run_that_ends_early_keeps_what_it_has() -> None:
    found = _run(KEEP, rate=1e30)
    assert found.record.outcome == "diverged"
    assert found.path is not None
    assert found.path.steps[0] == 0
    assert len(found.path.steps) < 13


@pytest.mark.parametrize("text", ["no", "0", "exact", "-3", "1.5", "exact:"])
def test_what_is_no_number_of_steps_is_refused(text: str) -> None:
    with pytest.raises(OptionError, match="is no number of steps"):
        KeepPath.read(text)


def test_a_projection_keeps_inner_products() -> None:
    draw = np.random.default_rng(0)
    points = torch.from_numpy(draw.normal(size=(40, 20_000)).cumsum(0))
    some = RandomProjection(20_000)
    images = torch.stack([some(each) for each in points])
    before, after = points @ points.T, images @ images.T
    size = torch.outer(before.diag(), before.diag()).sqrt()
    error = ((after - before) / size)[torch.triu_indices(40, 40).unbind()]
    assert float(error.square().mean().sqrt()) < 0.04
    assert float(error.abs().max()) < 0.12
    assert np.allclose(
        principal_components([points]).shares[:3], principal_components([images]).shares[:3], atol=0.02
    )


def test_distances_in_a_projected_path_are_right_within_the_stated_error(monkeypatch) -> None:
    """Of squares of lengths √(2/m) is stated, 3.2 %: of the pairs of points of a path, and along it."""
    draw = np.random.default_rng(3)
    steps, numbers = 20, 30_000
    drift = draw.normal(size=numbers)  # a path with a direction, as those of training have
    moves = 0.3 * drift + draw.normal(size=(steps, numbers)) * np.linspace(2, 0.2, steps)[:, None]
    points = torch.from_numpy(np.concatenate([draw.normal(size=(1, numbers)), moves]).cumsum(0))

    def path(keep: KeepPath) -> KeptPath:
        keeper = kept.PathKeeper(keep, steps, {"w": points[0]})
        for step in range(steps + 1):
            keeper.keep(step, step, {"w": points[step]}, "")
        return keeper.kept()

    monkeypatch.setattr(kept, "EXACT_NUMBERS", 10_000)
    exact, projected = path(KeepPath(steps, exact=True)), path(KeepPath(steps))
    assert exact.exact
    assert (projected.exact, projected.points().shape) == (False, (steps + 1, COORDINATES))
    stated = (2 / COORDINATES) ** 0.5
    assert stated == pytest.approx(0.032, abs=5e-4)
    true, seen = (torch.pdist(each.points()).square() for each in (exact, projected))
    errors = seen / true - 1
    assert float(errors.square().mean().sqrt()) < 1.5 * stated
    assert float(errors.abs().max()) < 4 * stated
    angles = [torch.tensor(turn_cosines(each.points())[1:-1]) for each in (exact, projected)]
    assert float((angles[1] - angles[0]).abs().max()) < 4 * stated
    away = [torch.tensor(distances(each.points())[1:]) for each in (exact, projected)]
    assert float((away[1] / away[0] - 1).abs().max()) < 2 * stated


def test_components_are_those_of_a_singular_value_decomposition() -> None:
    draw = np.random.default_rng(1)
    points = draw.normal(size=(12, 30)) @ np.diag(np.linspace(3, 0.1, 30))
    found = principal_components([torch.from_numpy(points[:7]), torch.from_numpy(points[7:])])
    _, sizes, right = np.linalg.svd(points - points.mean(0), full_matrices=False)
    assert np.allclose(found.shares, sizes**2 / (sizes**2).sum())
    assert [each.shape for each in found.places] == [(7, 12), (5, 12)]
    for k in range(3):
        assert abs(float(found.direction(k).numpy() @ right[k])) == pytest.approx(1, abs=1e-9)
        assert found.places[0][-1, k] >= found.places[0][0, k]
    centred = points - points.mean(0)
    away = np.linalg.norm(centred - centred @ right[:2].T @ right[:2], axis=1)
    assert np.allclose(np.concatenate(found.off()), away)
    plane = found.mean.numpy() + np.concatenate(found.places)[:, :11] @ np.stack(
        [found.direction(k).numpy() for k in range(11)]
    )
    assert np.allclose(plane, points)


def test_a_random_walk_explains_what_theory_says() -> None:
    theory = 6 / (np.pi * np.arange(1, 4)) ** 2
    assert theory.round(3).tolist() == [0.608, 0.152, 0.068]
    assert np.allclose(expected_shares([1_001], 100_000)[:3], theory, atol=1e-3)
    drawn = random_walk([1_001], 1_000)
    assert np.allclose(drawn.shares[:3], theory, atol=0.02)
    step = np.arange(1_001) / 1_000
    cosine = np.cos(np.pi * step)
    assert abs(np.corrcoef(drawn.places[0][:, 0], cosine)[0, 1]) > 0.98


def test_few_dimensions_explain_more_and_several_walks_less() -> None:
    one, three = expected_shares([51], 10_000), expected_shares([51] * 3, 10_000)
    few = expected_shares([51], 3)
    assert few[:2].sum() > one[:2].sum() > three[:2].sum()
    assert few[3:].sum() == pytest.approx(0, abs=1e-12)
    drawn = np.mean([random_walk([51] * 3, 1_000, draw=i).shares for i in range(5)], axis=0)
    assert drawn[:2].sum() == pytest.approx(three[:2].sum(), abs=0.02)  # a pair, which a draw splits
    assert drawn[2] == pytest.approx(three[2], abs=0.02)


@pytest.mark.parametrize(
    ("points", "says"),
    [
        (torch.zeros(5, 3, dtype=torch.float64), "do not differ"),
        (torch.zeros(2, 3, dtype=torch.float64), "2 points has no plane"),
        (torch.full((5, 3), torch.nan, dtype=torch.float64), "diverged"),
    ],
)
def test_points_without_a_plane_are_refused(points: torch.Tensor, says: str) -> None:
    with pytest.raises(OptionError, match=says):
        principal_components([points])


def test_predictions_of_a_kept_point_are_those_of_the_run() -> None:
    found = _run(KEEP)
    assert found.path is not None
    net = build_model(_recipe().model, DATA.shape, seed=1).eval()
    outputs = []
    for weights in (found.weights, found.path.at(found.path.steps.index(found.record.best_step))):
        net.load_state_dict(weights)
        outputs.append(predict(net, DATA.test.inputs))
    assert torch.equal(*outputs)
