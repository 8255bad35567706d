"""``--batch-size all``: a step sees every training row."""

from __future__ import annotations

import tomllib

import numpy as np
import pytest

import steepest as st
from steepest.record.store import Folder

STEPS = 7


@pytest.fixture
def line() -> dict[str, list[float]]:
    x = np.linspace(-1.0, 1.0, 53)
    return {"x": x.tolist(), "y": (1.0 + 2.0 * x + np.cos(31.0 * x)).tolist()}


def test_a_step_of_all_rows_is_a_step_of_the_mean_gradient(line, tmp_path):
    """One step is one epoch, whatever the number of rows, and the order of the rows does not matter."""
    result = st.compare(
        line, tmp_path / "run", target="y", model="linear", optimizers=["sgd(lr=0.1)"], schedule="constant",
        batch_size=["all", 16], epochs=STEPS, seeds=1, precision="float64",
    )  # fmt: skip
    assert [arm["batch_size"] for arm in result.arms.to_dicts()] == ["all", "16"]
    assert set(result.arms["title"]) == {"batch all", "batch 16"}
    data = st.read_table(line, target="y").dataset()
    x, y = data.train.inputs[1][:, 0].double().numpy(), data.train.target.double().numpy()
    a = b = 0.0
    for _ in range(STEPS):
        error = a + b * x - y
        a, b = a - 0.1 * 2 * error.mean(), b - 0.1 * 2 * (error * x).mean()
    net = st.load(tmp_path / "run", arm="batch all").net
    assert net.head.bias.item() == pytest.approx(a, abs=1e-12)
    assert net.head.weight.item() == pytest.approx(b, abs=1e-12)


def test_every_test_set_has_all_of_its_own_rows(line, tmp_path):
    """Folds of 53 rows have training sets of 37 and 38 rows: both take one step an epoch."""
    st.compare(
        st.read_table(line, target="y", split="folds:5"), tmp_path / "run", model="linear",
        optimizers=["sgd(lr=0.1)"], batch_size="all", epochs=2, seeds=1,
    )  # fmt: skip
    ends = [each.curve[-1] for each in Folder(tmp_path / "run").records()]
    assert len(ends) > 5
    assert {(each.step, each.epoch) for each in ends} == {(2, 2.0)}


def test_a_number_that_is_all_the_rows_is_the_same_arm(steepest, line, tmp_path):
    rows = "x,y\n" + "\n".join(f"{a},{b}" for a, b in zip(line["x"], line["y"], strict=True))
    (tmp_path / "t.csv").write_text(rows)
    command = ["compare", tmp_path / "t.csv", "--target", "y", "--model", "linear", "-o", "sgd(lr=0.1)",
               "--epochs", "1", "--seeds", "1", "--out", tmp_path / "run"]  # fmt: skip
    said = steepest(*command, "--batch-size", "all,43")
    assert said.status == 0, said.err
    assert "batch_size 'all' and '43' mean the same" in said.err
    stored = tomllib.loads((tmp_path / "run" / "experiment.toml").read_text())
    assert stored["factors"]["batch_size"] == ["all", 43]
    assert steepest(*command, "--batch-size", "all").status == 0


@pytest.mark.parametrize("wrong", ["al", "1"])
def test_what_else_is_no_batch_size(steepest, line, tmp_path, wrong):
    said = steepest("compare", tmp_path / "t.csv", "--target", "y", "--batch-size", wrong)
    assert said.status == 2
    assert f"--batch-size '{wrong}' is not allowed" in said.err
    assert ", or 'all'." in said.err
