"""A student learns its teacher's answers for rows without a label: the loss and its steps are those of plain torch."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import steepest as st
from steepest.data.batches import BatchPlan
from steepest.data.dataset import Dataset, Part
from steepest.data.table import read_table
from steepest.errors import DataError, OptionError
from steepest.experiment.teachers import LoadedTeacher
from steepest.experiment.unlabelled import with_unlabelled
from steepest.models import build_model
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.procedures import make_procedure
from steepest.procedures.teaching import SavedTeacher, Teaching
from steepest.record.store import Folder
from steepest.rng import stream
from steepest.schedules import make_schedule
from steepest.train.compiled import CompiledMethod
from steepest.train.program import flat, step_of, trace
from tests.train.test_continued import last_weights
from tests.train.test_distilled import BIG, MODEL, compare, small


@pytest.fixture(scope="module")
def more(tmp_path_factory: pytest.TempPathFactory, churn_csv: Path) -> Path:
    """Other rows of the same kind, without a label; the last two are a test row and a validation row."""
    table = read_table(churn_csv, target="churned")
    rows, frame = table.dataset().rows, pl.read_csv(churn_csv)
    draw = stream(0, "data", 5)
    mixed = frame[draw.permutation(len(frame))[:150]].with_columns(
        age=pl.Series(draw.integers(18, 90, 150) + 0.5)
    )
    held = frame[[int(rows["test"][3]), int(rows["validation"][2])]].cast({"age": pl.Float64})
    path = tmp_path_factory.mktemp("more") / "more.csv"
    pl.concat([mixed, held]).drop("churned").write_csv(path)
    return path


def half_labelled(*, weights: bool = False) -> Part:
    part = small(Teaching(0.6, 2.0), weights=weights)[1]
    return replace(part, labelled=torch.arange(24) % 3 == 0)


@pytest.mark.parametrize("weights", [False, True])
def test_the_loss_is_two_means_over_different_rows(weights: bool) -> None:
    problem, part = small(Teaching(0.6, 2.0), weights=weights)
    outputs = torch.from_numpy(stream(0, "data", 9).standard_normal((24, 2)))
    known = torch.arange(24) % 3 == 0
    part = replace(part, labelled=known)
    own = torch.ones(24).double() if part.weights is None else part.weights
    by_class = torch.tensor([1.0, 3.0] if weights else [1.0, 1.0]).double()[part.target]
    hard = functional.cross_entropy(outputs[known], part.target[known], reduction="none")
    labels = (own * by_class)[known]
    assert part.answers is not None
    theirs, ours = (functional.log_softmax(each / 2, 1) for each in (part.answers, outputs))
    soft = 4 * functional.kl_div(ours, theirs, reduction="none", log_target=True).sum(1)
    every = own * torch.where(known, by_class, 1.0)
    right = 0.4 * (labels * hard).sum() / labels.sum() + 0.6 * (every * soft).sum() / every.sum()
    assert torch.allclose(problem.batch_loss(outputs, part), right, rtol=1e-12)
    none = replace(part, labelled=torch.zeros(24, dtype=torch.bool), weights=None)
    if not weights:
        assert torch.allclose(problem.batch_loss(outputs, none), 0.6 * soft.mean(), rtol=1e-12)
    leaf, vector = outputs.clone().requires_grad_(), outputs.flip(0)
    [slope] = torch.autograd.grad(problem.batch_loss(leaf, part), leaf, create_graph=True)
    [curved] = torch.autograd.grad((slope * vector).sum(), leaf)
    assert torch.allclose(problem.bend(outputs, part, vector), curved, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("weights", [False, True])
def test_a_traced_step_knows_labelled_rows(weights: bool) -> None:
    found: list[dict[str, Tensor]] = []
    for kind in (GradientMethod, CompiledMethod):
        problem, _ = small(Teaching(0.6, 2.0), weights=weights)
        method: Any = kind(make_rule("adam(lr=0.1)"), make_schedule("constant", 4), clip=0.5)
        state = method.init(problem)
        feed = problem.feed(half_labelled(weights=weights), BatchPlan(24, 8, 0), 0)
        if kind is GradientMethod:
            list(method.steps(problem, state, feed, 0, 4))
        else:
            changing = method.prepared(problem, state, feed, 0, 4)
            graph = trace(state.program, state.state, step_of(changing, 0, "cpu")).graph
            with torch.no_grad():
                for step in range(4):
                    graph(*flat(state.state, step_of(changing, step, "cpu")))
        found.append({name: each.detach().clone() for name, each in problem.model.state_dict().items()})
    for name, value in found[0].items():
        assert torch.allclose(found[1][name], value, rtol=1e-9, atol=1e-11), name


def test_a_student_is_that_of_plain_torch_and_its_teacher_has_labelled_rows_alone(
    churn_csv: Path, more: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = last_weights(monkeypatch)
    text = f"distil({BIG!r}, 0.7, temperature=3.0, at=0.4, point=last, unlabelled={str(more)!r})"
    compare(churn_csv, tmp_path / "run", text, epochs=2)
    table = read_table(churn_csv, target="churned")
    data = table.dataset()
    extra = next(iter(table.pipeline.transform_batches(more, 1000)))
    inputs = [torch.cat([a, b[:150]]) for a, b in zip(data.train.inputs, extra.inputs, strict=True)]
    labels, n = data.train.target, len(data.train)
    steps = {
        "stage" in each.key.name: each.steps
        for each in Folder(tmp_path / "run").records()
        if each.key.phase == "final"
    }

    def trained(model: str, count: int, rows: int, loss: Any) -> nn.Module:
        net = build_model(model, data.shape, seed=0)
        optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
        for step in range(count):
            batch = BatchPlan(rows, 64, 0).indices(step)
            optimizer.zero_grad()
            loss(net(*(each[batch] for each in inputs)), batch).backward()
            optimizer.step()
        return net

    def taught(outputs: Tensor, batch: Tensor) -> Tensor:
        with torch.no_grad():
            theirs = functional.log_softmax(teacher(*(each[batch] for each in inputs)) / 3.0, 1)
        ours, known = functional.log_softmax(outputs / 3.0, 1), batch < n
        soft = functional.kl_div(ours, theirs, reduction="batchmean", log_target=True)
        return 0.3 * functional.cross_entropy(outputs[known], labels[batch[known]]) + 0.7 * 9.0 * soft

    teacher = trained(BIG, steps[True], n, lambda outputs, at: functional.cross_entropy(outputs, labels[at]))
    right = trained(MODEL, steps[False], n + 150, taught).state_dict()
    [weights] = [each for (name, _), each in found.items() if "stage" not in name]
    for name, value in right.items():
        assert torch.allclose(weights[name], value, rtol=1e-4, atol=1e-5), name


def test_answers_of_a_saved_network_are_joined_by_row_number(
    churn_csv: Path, more: Path, tmp_path: Path
) -> None:
    """Though the teacher's own preparation leaves rows out, and held-out rows are not among them."""
    (tmp_path / "steps.toml").write_text('[[step]]\nuse = "filter"\nwhere = "minutes IS NOT NULL"\n', "utf-8")
    compare(churn_csv, tmp_path / "x", "train", epochs=1, prepare=tmp_path / "steps.toml", drop=["age"])
    frame = pl.read_csv(churn_csv).filter(pl.col("minutes").is_not_null())
    frame.write_csv(tmp_path / "known.csv")
    table = read_table(tmp_path / "known.csv", target="churned")
    with_them = with_unlabelled(table.dataset(), table.pipeline, table, str(more))
    saved = LoadedTeacher(SavedTeacher(str(tmp_path / "x")))
    saved.model.seen = None  # another split: here, only the join is looked at
    found = saved.teach(with_them, table.pipeline, table)
    assert found.unlabelled is not None
    assert found.unlabelled.answers is not None
    raw = pl.read_csv(more)
    numbers = found.rows["unlabelled"].numpy()
    assert set(numbers) <= set(np.flatnonzero(raw["minutes"].is_not_null().to_numpy()))
    assert len(numbers) < raw["minutes"].len() - raw["minutes"].null_count() + 1
    right = st.load(tmp_path / "x" / "model").predict_proba(raw[numbers])
    assert np.allclose(torch.softmax(found.unlabelled.answers, 1).numpy(), right, atol=1e-6)
    assert any("unlabelled rows by its own preparation" in each.text for each in found.notes)


def unlabelled(data: Path, file: Path | str) -> Dataset:
    table = read_table(data, target="churned")
    return with_unlabelled(table.dataset(), table.pipeline, table, str(file))


def test_held_out_rows_are_left_out_and_the_content_is_the_identity(
    churn_csv: Path, more: Path, tmp_path: Path
) -> None:
    found = unlabelled(churn_csv, more)
    assert found.rows["unlabelled"].tolist() == list(range(150))
    [warning] = [each.text for each in found.notes if "left out" in each.text]
    assert warning.startswith("2 of the 152 rows of ")
    assert "equal validation or test rows in all inputs" in warning
    assert len(found.train) == len(read_table(churn_csv, target="churned").dataset().train)
    (tmp_path / "copy.csv").write_bytes(more.read_bytes())
    pl.read_csv(more)[:150].write_csv(tmp_path / "same.csv")
    pl.read_csv(more)[1:].write_csv(tmp_path / "other.csv")
    prints = [
        unlabelled(churn_csv, tmp_path / f"{name}.csv").fingerprint for name in ("copy", "same", "other")
    ]
    assert prints[:2] == [found.fingerprint] * 2
    assert prints[2] != found.fingerprint


def test_what_cannot_have_unlabelled_rows_is_refused(churn_csv: Path, more: Path, tmp_path: Path) -> None:
    text = f"distil(linear, unlabelled={str(more)!r})"
    with pytest.raises(OptionError, match=r"accumulate=2 cannot be used with unlabelled="):
        compare(churn_csv, tmp_path / "run", text, accumulate=2)
    with pytest.raises(OptionError, match=r"batch_size all cannot be used with unlabelled="):
        compare(churn_csv, tmp_path / "run", text, batch_size="all")
    with pytest.raises(OptionError, match=r"has no effect with alpha=0"):
        make_procedure("distil(linear, 0.0, unlabelled='more.csv')")
    with pytest.raises(DataError, match=r"'none.csv' does not exist"):
        unlabelled(churn_csv, "none.csv")
    with pytest.raises(DataError, match="are the data itself"):
        unlabelled(churn_csv, churn_csv)
    data = read_table(churn_csv, target="churned").dataset()
    pl.read_csv(churn_csv)[data.rows["test"].numpy()].write_csv(tmp_path / "test.csv")
    with pytest.raises(DataError, match=r"every row of .* equals a validation or test row"):
        unlabelled(churn_csv, tmp_path / "test.csv")
