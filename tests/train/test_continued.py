"""Trainings of several runs, end to end: the same bits as one run, interrupted, grown, in folds and with failures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import steepest as st
from steepest.data.table import read_table
from steepest.optim import make_rule
from steepest.optim.method import GradientMethod
from steepest.recipe import Recipe
from steepest.record.schema import RunKey
from steepest.record.store import Folder
from steepest.schedules import make_schedule
from steepest.sweep import making
from steepest.sweep.contestants import whole_spec
from steepest.sweep.observer import Observer
from steepest.testing import ProcedureConformance
from steepest.train.compiled import CompiledMethod
from steepest.train.loop import train
from tests.train.steps import without_compiling

SHORT: dict[str, Any] = {
    "epochs": 2, "batch_size": 64, "hidden": (4,), "dropout": 0.2, "device": "cpu", "compile": "off", "seeds": 2,
}  # fmt: skip
BOTH = ["train", "continue(0.5)"]


class TestContinue(ProcedureConformance):
    procedures = ("continue", "continue(0.25)", "continue(at=0.1, point=last)")
    refused = ("continue(0)", "continue(1)", "continue(0.5, point=first)", "continue(true)", "continue(half)")


class TestTrain(ProcedureConformance):
    procedures = ("train",)


def compare(data: Path, out: Path, optimizer: str = "sgd(lr=0.1)", **options: Any) -> st.Result:
    wanted = {**SHORT, **options}
    return st.plan(data, target="churned", optimizers=[optimizer], **wanted).run(out, observer=Observer())


def last_weights(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str, int], dict[str, torch.Tensor]]:
    """Return where the last weights of every run will be, by its name and seed."""
    found: dict[tuple[str, int], dict[str, torch.Tensor]] = {}
    train = making.train

    def kept(data: Any, recipe: Any, key: Any, *rest: Any, **how: Any) -> Any:
        finished = train(data, recipe, key, *rest, **{**how, "keep_last": True})
        found[key.name, key.seed] = finished.last
        return finished

    monkeypatch.setattr(making, "train", kept)
    return found


def records(out: Path) -> dict[str, Any]:
    return {f"{each.key.recipe}-{each.key.seed}": each for each in Folder(out).records()}


@pytest.mark.parametrize("rows", ["off", "on"])
def test_a_run_that_is_cut_in_two_has_the_bits_of_one(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str
) -> None:
    """Without state and with a constant rate; the batches, and dropout's masks, go on after those of the first run."""
    found = last_weights(monkeypatch)
    procedures = ["train", "continue(0.3, point=last)", "continue(0.3)"]
    compare(churn_csv, tmp_path / "run", procedure=procedures, schedule="constant", embedding_rows=rows)
    for seed in (0, 1):
        one, two = found["train", seed], found["continue(0.3, point=last)", seed]
        assert all(torch.equal(one[name], two[name]) for name in one)


def test_it_starts_from_the_weights_that_were_best(churn_csv: Path, tmp_path: Path) -> None:
    compare(churn_csv, tmp_path / "run", procedure=["continue(0.5)"], optimizer="adam(lr=0.03)")
    first, second = (
        {
            each.key.seed: each
            for each in records(tmp_path / "run").values()
            if ("stage" in each.key.name) == inner
        }
        for inner in (True, False)
    )
    for seed in (0, 1):
        assert second[seed].curve[0].validation["log_loss"] == first[seed].best["log_loss"]
        assert second[seed].best["log_loss"] <= first[seed].best["log_loss"]
        assert second[seed].curve[0].epoch == first[seed].curve[-1].epoch
        assert second[seed].test
        assert not first[seed].test
    assert not list((tmp_path / "run").glob("checkpoints/start-*"))


def test_weights_that_are_gone_are_made_again(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Interrupted before the second stages; the files of the first ones are lost."""
    compare(churn_csv, tmp_path / "whole", procedure=BOTH, optimizer="adam")
    write = Folder.append_record

    def interrupted(folder: Folder, record: Any) -> None:
        write(folder, record)
        if record.key.phase == "final" and "stage" in record.key.name and record.key.seed == 1:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Folder, "append_record", interrupted)
        with pytest.raises(KeyboardInterrupt):
            compare(churn_csv, tmp_path / "run", procedure=BOTH, optimizer="adam")
    kept = list((tmp_path / "run").glob("checkpoints/start-*"))
    assert len(kept) == 2
    kept[0].unlink()
    compare(churn_csv, tmp_path / "run", procedure=BOTH, optimizer="adam")
    found, whole = records(tmp_path / "run"), records(tmp_path / "whole")
    assert found.keys() == whole.keys()
    assert all(
        found[name].best == whole[name].best and found[name].test == whole[name].test for name in whole
    )
    assert not list((tmp_path / "run").glob("checkpoints/start-*"))


def test_a_folder_grows_by_a_procedure_and_by_seeds(churn_csv: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    compare(churn_csv, out)
    before = records(out)
    grown = compare(churn_csv, out, procedure=BOTH)
    assert [arm.title for arm in grown.comparison.arms] == BOTH
    after = records(out)
    assert before.items() <= after.items()
    more = compare(churn_csv, out, procedure=BOTH, seeds=3)
    assert len(records(out)) == len(after) + 3  # one more of each: train, first stage, second stage
    fresh = compare(churn_csv, tmp_path / "fresh", procedure=BOTH, seeds=3)
    assert [row.values for row in more.comparison.rows] == [row.values for row in fresh.comparison.rows]


def test_in_folds_every_stage_has_its_fold_and_the_saved_model_its_own(
    churn_csv: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    table = read_table(churn_csv, target="churned", split="folds:3")
    made = st.plan(table, optimizers=["sgd(lr=0.1)"], procedure=["continue(0.5)"], **SHORT)
    made.run(out, observer=Observer())
    there = records(out).values()
    assert [sum(each.key.phase == phase for each in there) for phase in ("final", "refit")] == [12, 2]
    assert (
        st.TrainedModel.load(out / "model").about.trained["factors"]["procedure"]
        == "continue(0.5, point=best)"
    )


def test_a_first_stage_that_fails_is_the_reason_of_the_second(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train = making.train

    def fails(data: Any, recipe: Any, key: Any, *rest: Any, **how: Any) -> Any:
        finished = train(data, recipe, key, *rest, **how)
        if "stage 1" in key.name and key.seed == 1:
            record = finished.record.model_copy(
                update={"outcome": "diverged", "reason": "the loss is nan at step 3"}
            )
            finished.record = record
        return finished

    monkeypatch.setattr(making, "train", fails)
    result = compare(churn_csv, tmp_path / "run", procedure=BOTH)
    [failed] = [each for each in records(tmp_path / "run").values() if each.outcome == "failed"]
    assert failed.key.name == "continue(0.5)"
    assert failed.reason == "the run that it starts from ended as 'diverged': the loss is nan at step 3"
    row = next(row for row in result.comparison.rows if row.name == "continue(0.5)")
    assert row.outcome == "failed 1 of 2"
    assert (tmp_path / "run" / "report.html").is_file()


def test_every_first_stage_fails(churn_csv: Path, tmp_path: Path) -> None:
    """At a rate at which nothing survives; what is left is reported."""
    result = compare(churn_csv, tmp_path / "run", procedure=["continue(0.5)"], optimizer="sgd(lr=1e30)")
    assert result.comparison.rows[0].outcome == "failed 2 of 2"


def test_time_and_trials_of_all_stages_count(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Three stages; the time and the trials of all of them count."""
    monkeypatch.chdir(tmp_path)
    Path("own.py").write_text(
        "from steepest.procedures import Procedure, Stage\n\n\n"
        "def Thrice(a: float = 0.2) -> Procedure:\n"
        '    return Procedure((Stage(a), Stage(0.5 - a, "last"), Stage(0.5, "best")))\n'
    )
    first = compare(
        churn_csv, tmp_path / "run", procedure=["own.py:Thrice"], optimizer="sgd", tuning_finalists=1
    )
    row = first.comparison.rows[0]
    made = records(tmp_path / "run").values()
    assert row.trials == sum(each.key.phase in ("scan", "full") for each in made)
    final = [each for each in made if each.key.phase == "final"]
    assert len(final) == 6
    assert row.train_seconds == pytest.approx(sum(each.clocks.train for each in final) / 2)
    assert row.cpu_seconds == pytest.approx(sum(each.cpu_seconds or 0.0 for each in final) / 2)
    assert row.peak_memory == max(each.peak_memory or 0 for each in final) > 0


def test_a_compiled_continuation_is_the_eager_one(
    churn_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches and masks of a second stage go on after the first one's in compiled steps, too."""
    data = read_table(churn_csv, target="churned").dataset()
    graphs = without_compiling(monkeypatch)
    schedule, rule = make_schedule("constant", 20), make_rule("adam(lr=0.01)")
    recipe = Recipe(data=data.fingerprint, model="embedding-mlp(hidden=(4,), dropout=0.2)", optimizer=whole_spec(rule),
                    schedule="constant", steps=20, batch_size=32, metric="log_loss")  # fmt: skip
    key = RunKey(name="adam", recipe=recipe.id, seed=3, phase="final")
    start = train(data, recipe, key, GradientMethod(rule, schedule), keep_last=True).last
    eager, compiled, from_the_beginning = (
        train(data, recipe, key, method(rule, schedule), start=start, steps_before=before)
        for method, before in ((GradientMethod, 20), (CompiledMethod, 20), (CompiledMethod, 0))
    )
    assert graphs
    for name, weight in eager.weights.items():
        assert torch.allclose(compiled.weights[name], weight, atol=1e-4, rtol=1e-3), name
    name = "head.weight"
    assert not torch.allclose(from_the_beginning.weights[name], eager.weights[name], atol=1e-4, rtol=1e-3)


def test_stages_share_the_gradients_of_a_whole_run(churn_csv: Path, tmp_path: Path) -> None:
    compare(
        churn_csv,
        tmp_path / "run",
        "l-bfgs(lr=0.5, max_iter=2)",
        procedure=BOTH,
        equal="gradients",
        epochs=20,
    )
    used = {
        (each.key.name, each.key.seed): each.curve[-1].gradients
        for each in Folder(tmp_path / "run").records()
    }
    for seed in (0, 1):
        whole = used["train", seed]
        stages = used["continue(0.5), stage 1 of 2", seed] + used["continue(0.5)", seed]
        most = max(each.curve[1].gradients for each in Folder(tmp_path / "run").records())
        assert whole > 10 * most
        assert abs(stages - whole) <= 2 * most  # a step of several gradients may go beyond the end of a stage
