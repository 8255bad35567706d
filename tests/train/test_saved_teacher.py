"""A network of another comparison as the teacher: its answers stay with their rows, and leaks are refused."""

from __future__ import annotations

import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

import steepest as st
from steepest.data.table import Table, read_table
from steepest.data.variants import Variant
from steepest.errors import DataError, SteepestError
from steepest.experiment.data import Datasets
from steepest.experiment.teachers import LoadedTeacher
from steepest.procedures import make_procedure
from steepest.procedures.teaching import SavedTeacher
from steepest.record.store import Folder
from steepest.sweep.observer import Observer
from steepest.testing import ProcedureConformance
from tests.train.test_continued import last_weights

SHORT: dict[str, Any] = {
    "epochs": 2, "batch_size": 64, "device": "cpu", "compile": "off", "seeds": 1, "baseline": "none",
    "optimizers": ["adam(lr=0.01)"], "model": "mlp(hidden=(4,), embedding={'plan': 2})",
}  # fmt: skip
STEPS = """
[[step]]
use = "fill-constant"
columns = ["minutes"]
value = 7.0
"""


class TestDistilFromAFolder(ProcedureConformance):
    procedures = (
        "distil(runs/x)",
        "distil(teacher=runs/my-run, alpha=1.0, arm=adam)",
        "distil('/tmp/a b/x', targets=hard)",
    )
    refused = (
        "distil(runs/x, at=0.5)", "distil(runs/x, point=best)", "distil(linear, arm=adam)", "distil(runs/x, alpha=2)",
    )  # fmt: skip


def run(data: Any, out: Path, target: str = "churned", **options: Any) -> st.Result:
    return st.plan(data, target=target, **{**SHORT, **options}).run(out, observer=Observer())


@pytest.fixture(scope="module")
def taught_by(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    """A teacher with a preparation of its own, that does not see a column."""
    out = tmp_path_factory.mktemp("teacher") / "x"
    (out.parent / "steps.toml").write_text(STEPS, encoding="utf-8")
    run(churn_csv, out, prepare=out.parent / "steps.toml", drop=["age"])
    return out


def answers_of(folder: Path, table: Table) -> torch.Tensor:
    found = LoadedTeacher(SavedTeacher(str(folder))).teach(*table.make(None), table)
    assert found.train.answers is not None
    return found.train.answers


def test_answers_are_those_of_the_raw_rows(taught_by: Path, churn_csv: Path) -> None:
    table = read_table(churn_csv, target="churned")
    data = table.dataset()
    raw = pl.read_csv(churn_csv)[data.rows["train"].numpy()]
    assert raw["churned"].to_list() == [data.classes[each] for each in data.train.target]
    right = st.load(taught_by / "model").predict_proba(raw)
    assert np.allclose(torch.softmax(answers_of(taught_by, table), 1).numpy(), right, atol=1e-6)
    assert len({tuple(each) for each in right.round(5).tolist()}) > 100


def test_answers_of_numbers_are_in_the_students_unit(churn_csv: Path, tmp_path: Path) -> None:
    frame = pl.read_csv(churn_csv).filter(pl.col("minutes").is_not_null())
    frame.write_csv(tmp_path / "all.csv")
    run(tmp_path / "all.csv", tmp_path / "x", target="minutes")
    few = read_table(tmp_path / "all.csv", target="minutes").vary(Variant("100"))[0]
    source = read_table(tmp_path / "all.csv", target="minutes")
    made = LoadedTeacher(SavedTeacher(str(tmp_path / "x"))).teach(few, source.pipeline, source)
    right = st.load(tmp_path / "x" / "model").predict(frame[few.rows["train"].numpy()])
    assert made.train.answers is not None
    found = made.train.answers[:, 0].double() * few.target_scale.sd + few.target_scale.mean
    assert np.allclose(found.numpy(), np.asarray(right, dtype=np.float64), rtol=1e-4, atol=1e-3)


def test_another_teacher_is_another_run_and_the_same_one_none(
    taught_by: Path, churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = last_weights(monkeypatch)
    shutil.copytree(taught_by, tmp_path / "x")
    text = f"distil({str(tmp_path / 'x')!r})"
    run(churn_csv, tmp_path / "y", procedure=["train", text])
    first = {each.key.recipe for each in Folder(tmp_path / "y").records()}
    apart = dict(found)
    run(churn_csv, tmp_path / "y", procedure=["train", text])
    assert {each.key.recipe for each in Folder(tmp_path / "y").records()} == first
    one, other = (
        next(w for (name, _), w in apart.items() if name == title)
        for title in ("train", make_procedure(text).title)
    )
    assert any(not torch.equal(one[name], other[name]) for name in one)
    shutil.rmtree(tmp_path / "x")
    run(churn_csv, tmp_path / "x", seed=5)
    run(churn_csv, tmp_path / "y", procedure=["train", text])
    later = {each.key.recipe for each in Folder(tmp_path / "y").records()}
    assert first < later


@pytest.mark.slow
def test_workers_give_the_same_bits(taught_by: Path, churn_csv: Path, tmp_path: Path) -> None:
    nets: list[dict[str, torch.Tensor]] = []
    for workers in (1, 2):
        out = tmp_path / f"w{workers}"
        run(churn_csv, out, procedure=f"distil({str(taught_by)!r})", seeds=3, workers=workers)
        nets.append(st.load(out / "model").net.state_dict())
    assert all(torch.equal(nets[0][name], nets[1][name]) for name in nets[0])


def test_the_plan_says_who_teaches(taught_by: Path, churn_csv: Path) -> None:
    class Listening(Observer):
        def say(self, text: str) -> None:
            said.append(text)

    said: list[str] = []
    options: dict[str, Any] = {**SHORT, "procedure": f"distil({str(taught_by)!r})"}
    st.plan(churn_csv, target="churned", **options).preview(observer=Listening())
    assert any(
        "it answers 480 training rows and has learned from none of the test rows" in each for each in said
    )


def test_rows_that_the_teacher_was_trained_on_are_no_test_rows(
    taught_by: Path, churn_csv: Path, tmp_path: Path
) -> None:
    splits: tuple[dict[str, Any], ...] = ({"split_seed": 1}, {"split": "folds:3"})
    for split in splits:
        with pytest.raises(SteepestError, match=r"was trained or chosen on .* test rows: .* would leak"):
            run(churn_csv, tmp_path / "y", procedure=f"distil({str(taught_by)!r})", **split)


def test_rows_in_another_order_are_not_taken_for_others(
    taught_by: Path, churn_csv: Path, tmp_path: Path
) -> None:
    """The join goes by the row's number in the file that is given, whatever the teacher's own file was."""
    frame = pl.read_csv(churn_csv)
    test = read_table(churn_csv, target="churned").dataset().rows["test"].numpy()
    others = frame.with_row_index().filter(~pl.col("index").is_in(test.tolist())).drop("index")
    others.sample(fraction=1.0, shuffle=True, seed=3).write_csv(tmp_path / "train.csv")
    frame[test].write_csv(tmp_path / "test.csv")
    table = read_table(tmp_path / "train.csv", target="churned", test=str(tmp_path / "test.csv"))
    data = table.dataset()
    raw = pl.read_csv(tmp_path / "train.csv")[data.rows["train"].numpy()]
    right = st.load(taught_by / "model").predict_proba(raw)
    assert np.allclose(torch.softmax(answers_of(taught_by, table), 1).numpy(), right, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"churned": pl.col("churned").replace("yes", "perhaps")}, "has other classes than the data"),
        (
            {"churned": pl.col("age").cast(pl.Float64) / 7},
            "predicts 'churned' .classification., but the target",
        ),
    ],
    ids=["classes", "a number"],
)
def test_another_question_is_refused(
    change: dict[str, pl.Expr], said: str, taught_by: Path, churn_csv: Path, tmp_path: Path
) -> None:
    pl.read_csv(churn_csv).with_columns(**change).write_csv(tmp_path / "other.csv")
    with pytest.raises(SteepestError, match=said):
        run(tmp_path / "other.csv", tmp_path / "y", procedure=f"distil({str(taught_by)!r})")


def test_another_column_is_no_target_of_the_teachers(
    taught_by: Path, churn_csv: Path, tmp_path: Path
) -> None:
    with pytest.raises(SteepestError, match=r"predicts 'churned' .*, but the target is 'plan'"):
        run(churn_csv, tmp_path / "y", target="plan", procedure=f"distil({str(taught_by)!r})")


def test_images_are_no_rows_of_a_table(taught_by: Path, tmp_path: Path) -> None:
    rows = np.random.default_rng(0).integers(0, 255, (120, 6, 6), dtype=np.uint8)
    labels = np.array(["yes", "no"] * 60)
    for each in {"yes", "no"}:
        (tmp_path / "images" / each).mkdir(parents=True)
    for i, (pixels, label) in enumerate(zip(rows, labels, strict=True)):
        Image.fromarray(pixels).save(tmp_path / "images" / label / f"{i}.png")
    options: dict[str, Any] = {**SHORT, "model": "mlp(hidden=(4,))"}
    plan = st.plan(tmp_path / "images", **options, procedure=f"distil({str(taught_by)!r})")
    with pytest.raises(SteepestError, match="takes codes, values, but the data has image"):
        plan.run(tmp_path / "y", observer=Observer())
    st.plan(tmp_path / "images", **options).run(tmp_path / "x", observer=Observer())
    plan = st.plan(tmp_path / "images", **options, procedure=f"distil({str(tmp_path / 'x')!r})")
    assert plan.run(tmp_path / "z", observer=Observer()).comparison.winner
    plan = st.plan(tmp_path / "images", **options, procedure=f"distil({str(tmp_path / 'x')!r})", split_seed=1)
    with pytest.raises(SteepestError, match="would leak"):
        plan.run(tmp_path / "leak", observer=Observer())


def test_rows_with_another_meaning_are_refused(taught_by: Path, churn_csv: Path) -> None:
    table = read_table(churn_csv, target="churned")
    data, pipeline = table.make(None)
    teacher = LoadedTeacher(SavedTeacher(str(taught_by)))
    moved = replace(data, rows={**data.rows, "train": data.rows["train"].roll(1)})
    with pytest.raises(DataError, match="reads another 'churned' in"):
        teacher.teach(moved, pipeline, table)


def test_folders_without_a_teacher_are_refused(taught_by: Path, churn_csv: Path, tmp_path: Path) -> None:
    def refused(folder: Path, said: str, more: str = "") -> None:
        with pytest.raises(SteepestError, match=said) as error:
            run(churn_csv, tmp_path / "y", procedure=f"distil({str(folder)!r}{more})")
        assert error.value.hint

    refused(tmp_path / "nowhere", "teacher's folder .* does not exist")
    refused(churn_csv, "teacher's folder .* is a file")
    refused(taught_by, "no arm 'sgd'", ", arm=sgd")
    begun = tmp_path / "begun"
    shutil.copytree(taught_by, begun)
    shutil.rmtree(begun / "model")
    refused(begun, "is not finished")
    bad = tmp_path / "bad"
    shutil.copytree(taught_by, bad)
    (bad / "model" / "model.safetensors").write_bytes(pickle.dumps({"weights": [1.0]}))
    refused(bad, "cannot read .*model.safetensors")


def test_code_of_ones_own_is_not_run(churn_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(
        "import torch\n\n\nclass Net(torch.nn.Module):\n    def __init__(self, shape):\n        super().__init__()\n"
        "        self.layer = torch.nn.Linear(len(shape.continuous), shape.outputs)\n\n"
        "    def forward(self, codes, values):\n        return self.layer(values)\n",
        encoding="utf-8",
    )
    run(churn_csv, tmp_path / "x", model=f"{tmp_path / 'nets.py'}:Net")
    with pytest.raises(SteepestError, match="has a model of your own, whose code is not run"):
        run(churn_csv, tmp_path / "y", procedure=f"distil({str(tmp_path / 'x')!r})")


def test_datasets_keep_answers_apart(taught_by: Path, churn_csv: Path) -> None:
    datasets = Datasets(read_table(churn_csv, target="churned"))
    teacher = SavedTeacher(str(taught_by))
    plain, taught = datasets.fingerprint(Variant(), 0), datasets.fingerprint(Variant(), 0, teacher)
    assert plain != taught
    assert datasets[plain].train.answers is None
    assert datasets[taught].wide().train.answers is not None
    assert datasets.first.fingerprint == plain
    assert not datasets.lacks_rows(taught)
